"""Wind farms: energy, power curves, availability, losses, long-term yield, wind statistics."""

from __future__ import annotations

from workbench.analytics.wind.air_density import air_density, normalized_power, normalized_wind_speed
from workbench.analytics.wind.availability import availability, production_state, stops
from workbench.analytics.wind.curve_fits import logistic, method_of_bins, monotone_spline, polynomial_regression
from workbench.analytics.wind.electrical_losses import electrical_losses
from workbench.analytics.wind.energy import electrical_loss, expected_energy
from workbench.analytics.wind.energy_ratio import energy_ratio, energy_uplift
from workbench.analytics.wind.northing import direction_offset
from workbench.analytics.wind.plant_yield import plant_yield, simulate_yield, yield_data
from workbench.analytics.wind.power_curve import annual_energy, normal_operation, power_curve
from workbench.analytics.wind.power_curve_comparison import power_curve_comparison
from workbench.analytics.wind.power_curve_iec import Instruments, iec_power_curve
from workbench.analytics.wind.turbine_energy import daily_energy, simulate_turbine_energy, turbine_energy
from workbench.analytics.wind.wake_comparison import modelled_wakes
from workbench.analytics.wind.wake_model import thrust_from_power, wind_at_turbines
from workbench.analytics.wind.wake_simulation import simulate_wake_losses
from workbench.analytics.wind.wakes import wake_losses
from workbench.analytics.wind.wind_rose import weibull, wind_rose

__all__ = [
    "Instruments",
    "air_density",
    "annual_energy",
    "availability",
    "daily_energy",
    "direction_offset",
    "electrical_loss",
    "electrical_losses",
    "energy_ratio",
    "energy_uplift",
    "expected_energy",
    "iec_power_curve",
    "logistic",
    "method_of_bins",
    "modelled_wakes",
    "monotone_spline",
    "normal_operation",
    "normalized_power",
    "normalized_wind_speed",
    "plant_yield",
    "polynomial_regression",
    "power_curve",
    "power_curve_comparison",
    "production_state",
    "simulate_turbine_energy",
    "simulate_wake_losses",
    "simulate_yield",
    "stops",
    "thrust_from_power",
    "turbine_energy",
    "wake_losses",
    "weibull",
    "wind_at_turbines",
    "wind_rose",
    "yield_data",
]
