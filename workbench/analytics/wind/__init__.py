"""Wind farms: energy, power curves, availability, losses, long-term yield, wind statistics."""

from __future__ import annotations

from workbench.analytics.wind.air_density import air_density, normalized_power, normalized_wind_speed
from workbench.analytics.wind.availability import availability, production_state, stops
from workbench.analytics.wind.clock_changes import clock_changes
from workbench.analytics.wind.clock_correction import clock_shift_correction, clock_shift_detection
from workbench.analytics.wind.clock_shift import clock_shifts
from workbench.analytics.wind.curtailment import curtailment_detection, curtailment_table
from workbench.analytics.wind.curve_fits import logistic, method_of_bins, monotone_spline, polynomial_regression
from workbench.analytics.wind.electrical_losses import electrical_losses
from workbench.analytics.wind.energy import electrical_loss, expected_energy
from workbench.analytics.wind.icing import icing_detection, icing_summary
from workbench.analytics.wind.northing_jumps import (
    northing_jump_correction,
    northing_jump_detection,
    northing_jumps,
)
from workbench.analytics.wind.plant_yield import plant_yield, simulate_yield, yield_data
from workbench.analytics.wind.power_curve import annual_energy, normal_operation, power_curve
from workbench.analytics.wind.power_curve_comparison import power_curve_comparison
from workbench.analytics.wind.power_curve_iec import Instruments, iec_power_curve
from workbench.analytics.wind.sensor_drift import sensor_drift, sensor_drift_detection
from workbench.analytics.wind.ten_minute import ten_minute
from workbench.analytics.wind.turbine_energy import daily_energy, simulate_turbine_energy, turbine_energy
from workbench.analytics.wind.wind_rose import weibull, wind_rose

__all__ = [
    "Instruments",
    "air_density",
    "annual_energy",
    "availability",
    "clock_changes",
    "clock_shift_correction",
    "clock_shift_detection",
    "clock_shifts",
    "curtailment_detection",
    "curtailment_table",
    "daily_energy",
    "electrical_loss",
    "electrical_losses",
    "expected_energy",
    "icing_detection",
    "icing_summary",
    "iec_power_curve",
    "logistic",
    "method_of_bins",
    "monotone_spline",
    "normal_operation",
    "normalized_power",
    "normalized_wind_speed",
    "northing_jump_correction",
    "northing_jump_detection",
    "northing_jumps",
    "plant_yield",
    "polynomial_regression",
    "power_curve",
    "power_curve_comparison",
    "production_state",
    "sensor_drift",
    "sensor_drift_detection",
    "simulate_turbine_energy",
    "simulate_yield",
    "stops",
    "ten_minute",
    "turbine_energy",
    "weibull",
    "wind_rose",
    "yield_data",
]
