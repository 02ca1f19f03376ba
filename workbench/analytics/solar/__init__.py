"""Solar plants: performance index, degradation, soiling, cleanings and what they cost."""

from __future__ import annotations

from workbench.analytics.solar.cleaning import SoilingCost, soiling_cost
from workbench.analytics.solar.degradation_soiling import DegradationSoiling, degradation_and_soiling
from workbench.analytics.solar.performance_index import clipping_limit, daily_performance
from workbench.analytics.solar.year_on_year import YearOnYear, year_on_year

__all__ = [
    "DegradationSoiling",
    "SoilingCost",
    "YearOnYear",
    "clipping_limit",
    "daily_performance",
    "degradation_and_soiling",
    "soiling_cost",
    "year_on_year",
]
