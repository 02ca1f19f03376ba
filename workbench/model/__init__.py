"""What everything is made of: vocabulary and units, assets, quality flags, time, samples."""
