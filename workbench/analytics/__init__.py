"""Domain steps: pure functions from Datasets (time, asset) to Datasets."""
