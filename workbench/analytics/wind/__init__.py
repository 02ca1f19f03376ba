"""Wind farms: energy, power curves, availability, losses, long-term yield, wind statistics."""

from __future__ import annotations

from workbench.analytics.clock_changes import clock_changes
from workbench.analytics.wind.air_density import air_density, normalized_power, normalized_wind_speed
from workbench.analytics.wind.availability import availability, production_state, stops
from workbench.analytics.wind.availability_rules import (
    OPERATIONAL,
    TECHNICAL,
    AvailabilityRules,
    production_availability,
    time_availability,
)
from workbench.analytics.wind.categories import CategoryTable
from workbench.analytics.wind.category_events import from_events, from_status_changes, resolve_events
from workbench.analytics.wind.category_seconds import (
    category_frame,
    category_totals,
    combine_categories,
    dominant_category,
)
from workbench.analytics.wind.category_sources import from_counters, from_production, from_status
from workbench.analytics.wind.clock_correction import clock_shift_correction, clock_shift_detection
from workbench.analytics.wind.clock_shift import clock_shifts
from workbench.analytics.wind.curtailment import curtailment_detection, curtailment_table
from workbench.analytics.wind.curve_fits import logistic, method_of_bins, monotone_spline, polynomial_regression
from workbench.analytics.wind.data_findings import DataFindings, data_findings, find_spikes
from workbench.analytics.wind.degradation import Degradation, degradation_rate
from workbench.analytics.wind.electrical_losses import electrical_losses
from workbench.analytics.wind.energy import electrical_loss, expected_energy
from workbench.analytics.wind.energy_ratio import energy_ratio, energy_uplift
from workbench.analytics.wind.gap_analysis import (
    Assessment,
    Operation,
    assessment_of,
    gap_analysis,
    losses_of,
    operation_of,
)
from workbench.analytics.wind.icing import icing_detection, icing_summary
from workbench.analytics.wind.losses import energy_losses, loss_waterfall
from workbench.analytics.wind.northing import direction_offset
from workbench.analytics.wind.northing_jumps import northing_jump_correction, northing_jump_detection, northing_jumps
from workbench.analytics.wind.plant_yield import plant_yield, simulate_yield, yield_data
from workbench.analytics.wind.potential_energy import neighbour_power, ordinary_slots, potential_power
from workbench.analytics.wind.power_curve import annual_energy, normal_operation, power_curve
from workbench.analytics.wind.power_curve_comparison import power_curve_comparison
from workbench.analytics.wind.power_curve_iec import Instruments, iec_power_curve
from workbench.analytics.wind.reliability import reliability, stays, stays_of_intervals
from workbench.analytics.wind.sensor_drift import sensor_drift, sensor_drift_correction, sensor_drift_detection
from workbench.analytics.wind.ten_minute import ten_minute
from workbench.analytics.wind.turbine_energy import daily_energy, simulate_turbine_energy, turbine_energy
from workbench.analytics.wind.upgrade import upgrade_uplift
from workbench.analytics.wind.upgrade_cells import Uplift, UpliftSettings
from workbench.analytics.wind.upgrade_toggle import toggle_uplift
from workbench.analytics.wind.wake_comparison import modelled_wakes
from workbench.analytics.wind.wake_model import thrust_from_power, wind_at_turbines
from workbench.analytics.wind.wake_simulation import simulate_wake_losses
from workbench.analytics.wind.wakes import wake_losses
from workbench.analytics.wind.wind_rose import weibull, wind_rose
from workbench.analytics.wind.yaw_cosine import CosineBins
from workbench.analytics.wind.yaw_dynamic import dynamic_yaw_error, yaw_loss
from workbench.analytics.wind.yaw_misalignment import StaticYawMisalignment, static_yaw_misalignment
from workbench.analytics.wind.yaw_regression import YawSettings
from workbench.analytics.wind.yaw_sweep import YawSweep, sweep_yaw_settings
from workbench.analytics.wind.yield_daily import daily_data, simulate_daily_yield

__all__ = [
    "OPERATIONAL",
    "TECHNICAL",
    "Assessment",
    "AvailabilityRules",
    "CategoryTable",
    "CosineBins",
    "DataFindings",
    "Degradation",
    "Instruments",
    "Operation",
    "StaticYawMisalignment",
    "Uplift",
    "UpliftSettings",
    "YawSettings",
    "YawSweep",
    "air_density",
    "annual_energy",
    "assessment_of",
    "availability",
    "category_frame",
    "category_totals",
    "clock_changes",
    "clock_shift_correction",
    "clock_shift_detection",
    "clock_shifts",
    "combine_categories",
    "curtailment_detection",
    "curtailment_table",
    "daily_data",
    "daily_energy",
    "data_findings",
    "degradation_rate",
    "direction_offset",
    "dominant_category",
    "dynamic_yaw_error",
    "electrical_loss",
    "electrical_losses",
    "energy_losses",
    "energy_ratio",
    "energy_uplift",
    "expected_energy",
    "find_spikes",
    "from_counters",
    "from_events",
    "from_production",
    "from_status",
    "from_status_changes",
    "gap_analysis",
    "icing_detection",
    "icing_summary",
    "iec_power_curve",
    "logistic",
    "loss_waterfall",
    "losses_of",
    "method_of_bins",
    "modelled_wakes",
    "monotone_spline",
    "neighbour_power",
    "normal_operation",
    "normalized_power",
    "normalized_wind_speed",
    "northing_jump_correction",
    "northing_jump_detection",
    "northing_jumps",
    "operation_of",
    "ordinary_slots",
    "plant_yield",
    "polynomial_regression",
    "potential_power",
    "power_curve",
    "power_curve_comparison",
    "production_availability",
    "production_state",
    "reliability",
    "resolve_events",
    "sensor_drift",
    "sensor_drift_correction",
    "sensor_drift_detection",
    "simulate_daily_yield",
    "simulate_turbine_energy",
    "simulate_wake_losses",
    "simulate_yield",
    "static_yaw_misalignment",
    "stays",
    "stays_of_intervals",
    "stops",
    "sweep_yaw_settings",
    "ten_minute",
    "thrust_from_power",
    "time_availability",
    "toggle_uplift",
    "turbine_energy",
    "upgrade_uplift",
    "wake_losses",
    "weibull",
    "wind_at_turbines",
    "wind_rose",
    "yaw_loss",
    "yield_data",
]
