"""The steps of all analyses. Importing this module registers them."""

from __future__ import annotations

import workbench.analytics.solar.soiling_effects
import workbench.analytics.wind.air_density
import workbench.analytics.wind.category_steps
import workbench.analytics.wind.degradation
import workbench.analytics.wind.effects
import workbench.analytics.wind.losses_effects
import workbench.analytics.wind.power_curve_comparison
import workbench.analytics.wind.quality_effects
import workbench.analytics.wind.upgrade
import workbench.analytics.wind.wake_effects
import workbench.analytics.wind.wake_steps
import workbench.analytics.wind.yaw_dynamic
import workbench.analytics.wind.yaw_effects
import workbench.analytics.wind.yaw_misalignment
import workbench.analytics.wind.yield_effects
import workbench.analytics.wind.yield_steps  # noqa: F401
