"""Solar plants: quality of their data, key figures, availability, capacity, performance index, degradation, soiling and what it costs."""

from __future__ import annotations

from workbench.analytics.solar.array_facts import ArrayFacts, array_facts, cec_inverter, cec_module
from workbench.analytics.solar.assessment import Assessment, assess
from workbench.analytics.solar.availability import Availability, solar_availability
from workbench.analytics.solar.capacity_filters import Filters
from workbench.analytics.solar.capacity_test import CapacityTest, Conditions, capacity_test
from workbench.analytics.solar.cleaning import SoilingCost, soiling_cost
from workbench.analytics.solar.clipping import clipped_values
from workbench.analytics.solar.clock import solar_clock_shifts
from workbench.analytics.solar.degradation_soiling import DegradationSoiling, degradation_and_soiling
from workbench.analytics.solar.expected import expected_power
from workbench.analytics.solar.fault_fields import Faults
from workbench.analytics.solar.fault_losses import with_fault_losses
from workbench.analytics.solar.inverter_faults import inverter_faults
from workbench.analytics.solar.irradiance import irradiance_quality
from workbench.analytics.solar.kpi import Indicators, performance_indicators
from workbench.analytics.solar.level import level_shifts, night_offsets, signs
from workbench.analytics.solar.loss_waterfall import solar_loss_waterfall, solar_losses
from workbench.analytics.solar.orientation import Mounting, Orientation, infer_orientation, orientation_check
from workbench.analytics.solar.outliers import outlier_values
from workbench.analytics.solar.performance_index import clipping_limit, daily_performance
from workbench.analytics.solar.plant_model import Options, Source
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
    "ArrayFacts",
    "Assessment",
    "Availability",
    "CapacityTest",
    "Conditions",
    "DegradationSoiling",
    "Faults",
    "Filters",
    "Indicators",
    "Mounting",
    "Options",
    "Orientation",
    "SoilingCost",
    "Source",
    "YearOnYear",
    "array_facts",
    "assess",
    "capacity_test",
    "cec_inverter",
    "cec_module",
    "clipped_values",
    "clipping_limit",
    "daily_performance",
    "degradation_and_soiling",
    "expected_power",
    "infer_orientation",
    "interpolated_values",
    "inverter_faults",
    "irradiance_quality",
    "level_shifts",
    "night_offsets",
    "orientation_check",
    "outlier_values",
    "performance_indicators",
    "signs",
    "soiling_cost",
    "solar_availability",
    "solar_clock_shift_detection",
    "solar_clock_shifts",
    "solar_data_quality",
    "solar_level_correction",
    "solar_loss_waterfall",
    "solar_losses",
    "solar_quality_table",
    "stale_values",
    "string_faults",
    "tracker_faults",
    "with_fault_losses",
    "year_on_year",
]
