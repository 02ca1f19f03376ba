"""Wind farms: energy, power curves, availability, losses, long-term yield, wind statistics."""

from __future__ import annotations

from workbench.analytics.wind.air_density import air_density, normalized_power, normalized_wind_speed
from workbench.analytics.wind.availability import availability, production_state, stops
from workbench.analytics.wind.curve_fits import logistic, method_of_bins, monotone_spline, polynomial_regression
from workbench.analytics.wind.degradation import Degradation, degradation_rate
from workbench.analytics.wind.electrical_losses import electrical_losses
from workbench.analytics.wind.energy import electrical_loss, expected_energy
from workbench.analytics.wind.plant_yield import plant_yield, simulate_yield, yield_data
from workbench.analytics.wind.power_curve import annual_energy, normal_operation, power_curve
from workbench.analytics.wind.power_curve_comparison import power_curve_comparison
from workbench.analytics.wind.power_curve_iec import Instruments, iec_power_curve
from workbench.analytics.wind.turbine_energy import daily_energy, simulate_turbine_energy, turbine_energy
from workbench.analytics.wind.upgrade import upgrade_uplift
from workbench.analytics.wind.upgrade_cells import Uplift, UpliftSettings
from workbench.analytics.wind.upgrade_toggle import toggle_uplift
from workbench.analytics.wind.wind_rose import weibull, wind_rose
from workbench.analytics.wind.yaw_cosine import CosineBins
from workbench.analytics.wind.yaw_dynamic import dynamic_yaw_error, yaw_loss
from workbench.analytics.wind.yaw_misalignment import StaticYawMisalignment, static_yaw_misalignment
from workbench.analytics.wind.yaw_regression import YawSettings
from workbench.analytics.wind.yaw_sweep import YawSweep, sweep_yaw_settings

__all__ = [
    "CosineBins",
    "Degradation",
    "Instruments",
    "StaticYawMisalignment",
    "Uplift",
    "UpliftSettings",
    "YawSettings",
    "YawSweep",
    "air_density",
    "annual_energy",
    "availability",
    "daily_energy",
    "degradation_rate",
    "dynamic_yaw_error",
    "electrical_loss",
    "electrical_losses",
    "expected_energy",
    "iec_power_curve",
    "logistic",
    "method_of_bins",
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
    "simulate_yield",
    "static_yaw_misalignment",
    "stops",
    "sweep_yaw_settings",
    "toggle_uplift",
    "turbine_energy",
    "upgrade_uplift",
    "weibull",
    "wind_rose",
    "yaw_loss",
    "yield_data",
]
