"""Wind farms: energy, power curves, availability, losses, long-term yield, wind statistics."""

from __future__ import annotations

from workbench.analytics.wind.air_density import air_density, normalized_power, normalized_wind_speed
from workbench.analytics.wind.availability import availability, production_state, stops
from workbench.analytics.wind.curve_fits import logistic, method_of_bins, monotone_spline, polynomial_regression
from workbench.analytics.wind.electrical_losses import electrical_losses
from workbench.analytics.wind.energy import electrical_loss, expected_energy
from workbench.analytics.wind.gap_analysis import Assessment, Operation, gap_analysis, operation_of
from workbench.analytics.wind.plant_yield import plant_yield, simulate_yield, yield_data
from workbench.analytics.wind.power_curve import annual_energy, normal_operation, power_curve
from workbench.analytics.wind.power_curve_comparison import power_curve_comparison
from workbench.analytics.wind.power_curve_iec import Instruments, iec_power_curve
from workbench.analytics.wind.turbine_energy import daily_energy, simulate_turbine_energy, turbine_energy
from workbench.analytics.wind.wind_rose import weibull, wind_rose
from workbench.analytics.wind.yield_daily import daily_data, simulate_daily_yield

__all__ = [
    "Assessment",
    "Instruments",
    "Operation",
    "air_density",
    "annual_energy",
    "availability",
    "daily_data",
    "daily_energy",
    "electrical_loss",
    "electrical_losses",
    "expected_energy",
    "gap_analysis",
    "iec_power_curve",
    "logistic",
    "method_of_bins",
    "monotone_spline",
    "normal_operation",
    "normalized_power",
    "normalized_wind_speed",
    "operation_of",
    "plant_yield",
    "polynomial_regression",
    "power_curve",
    "power_curve_comparison",
    "production_state",
    "simulate_daily_yield",
    "simulate_turbine_energy",
    "simulate_yield",
    "stops",
    "turbine_energy",
    "weibull",
    "wind_rose",
    "yield_data",
]
