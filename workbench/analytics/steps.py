"""The steps of all analyses. Importing this module registers them."""

from __future__ import annotations

import workbench.analytics.solar.expected
import workbench.analytics.solar.expected_effects
import workbench.analytics.solar.fault_effects
import workbench.analytics.solar.fault_steps
import workbench.analytics.solar.kpi_effects
import workbench.analytics.solar.kpi_steps
import workbench.analytics.solar.loss_steps
import workbench.analytics.solar.orientation
import workbench.analytics.solar.quality
import workbench.analytics.solar.quality_effects
import workbench.analytics.solar.soiling_effects
import workbench.analytics.storage.ageing
import workbench.analytics.storage.cells
import workbench.analytics.storage.cycles
import workbench.analytics.storage.effects
import workbench.analytics.storage.fields
import workbench.analytics.storage.health
import workbench.analytics.storage.hybrid
import workbench.analytics.storage.log_steps
import workbench.analytics.storage.recount
import workbench.analytics.storage.round_trip
import workbench.analytics.storage.thermal
import workbench.analytics.storage.usable_energy
import workbench.analytics.wind.air_density
import workbench.analytics.wind.category_steps
import workbench.analytics.wind.curve_steps
import workbench.analytics.wind.degradation
import workbench.analytics.wind.effects
import workbench.analytics.wind.energy_ratio_steps
import workbench.analytics.wind.gap_steps
import workbench.analytics.wind.loss_steps
import workbench.analytics.wind.losses_effects
import workbench.analytics.wind.power_curve_comparison
import workbench.analytics.wind.quality_effects
import workbench.analytics.wind.upgrade
import workbench.analytics.wind.wake_effects
import workbench.analytics.wind.wake_model_steps
import workbench.analytics.wind.wake_steps
import workbench.analytics.wind.yaw_dynamic
import workbench.analytics.wind.yaw_effects
import workbench.analytics.wind.yaw_misalignment
import workbench.analytics.wind.yaw_sweep
import workbench.analytics.wind.yield_effects
import workbench.analytics.wind.yield_steps  # noqa: F401
