"""Solar plants: quality of their data, performance index, degradation, soiling and what it costs."""

from __future__ import annotations

from workbench.analytics.solar.cleaning import SoilingCost, soiling_cost
from workbench.analytics.solar.clipping import clipped_values
from workbench.analytics.solar.clock import solar_clock_shifts
from workbench.analytics.solar.degradation_soiling import DegradationSoiling, degradation_and_soiling
from workbench.analytics.solar.fault_fields import Faults
from workbench.analytics.solar.inverter_faults import inverter_faults
from workbench.analytics.solar.irradiance import irradiance_quality
from workbench.analytics.solar.level import level_shifts, night_offsets, signs
from workbench.analytics.solar.orientation import Mounting, Orientation, infer_orientation, orientation_check
from workbench.analytics.solar.outliers import outlier_values
from workbench.analytics.solar.performance_index import clipping_limit, daily_performance
from workbench.analytics.solar.quality import (
    solar_clock_shift_detection,
    solar_data_quality,
    solar_level_correction,
    solar_quality_table,
)
from workbench.analytics.solar.stale import interpolated_values, stale_values
from workbench.analytics.solar.string_faults import string_faults
from workbench.analytics.solar.tracker_faults import tracker_faults
from workbench.analytics.solar.year_on_year import YearOnYear, year_on_year

__all__ = [
    "DegradationSoiling",
    "Faults",
    "Mounting",
    "Orientation",
    "SoilingCost",
    "YearOnYear",
    "clipped_values",
    "clipping_limit",
    "daily_performance",
    "degradation_and_soiling",
    "infer_orientation",
    "interpolated_values",
    "inverter_faults",
    "irradiance_quality",
    "level_shifts",
    "night_offsets",
    "orientation_check",
    "outlier_values",
    "signs",
    "soiling_cost",
    "solar_clock_shift_detection",
    "solar_clock_shifts",
    "solar_data_quality",
    "solar_level_correction",
    "solar_quality_table",
    "stale_values",
    "string_faults",
    "tracker_faults",
    "year_on_year",
]
