"""The steps of all analyses. Importing this module registers them."""

from __future__ import annotations

import workbench.analytics.wind.air_density
import workbench.analytics.wind.effects
import workbench.analytics.wind.power_curve_comparison
import workbench.analytics.wind.wake_effects
import workbench.analytics.wind.wake_steps  # noqa: F401
