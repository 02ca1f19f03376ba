"""Parts of pages: each function gives a ``Part``, a piece of HTML that stays fresh.

They take what they show as arguments and nothing else, so a page is a list of calls. Write your own the same
way: a function from ``Now`` to HTML, wrapped in a ``Part``.
"""

from __future__ import annotations

from workbench.display.history import range_of
from workbench.display.parts.asset import (
    asset_head,
    asset_records,
    asset_subtitle,
    main_tag,
    tag_find,
    tag_head,
    tag_list,
)
from workbench.display.parts.battery_cells import cell_map, show_of, weakest
from workbench.display.parts.battery_health import (
    battery_choice,
    battery_nothing,
    battery_now,
    battery_reading,
    battery_rows,
    health_tiles,
    thermal_log,
    warranty,
)
from workbench.display.parts.features import asset_features
from workbench.display.parts.performance import (
    performance_nothing,
    performance_reading,
    turbine_curves,
    yield_tiles,
)
from workbench.display.parts.portfolio import (
    by_kind,
    capacity_factor,
    data_health,
    energy_today,
    frequency,
    power_now,
    recent_records,
    sites,
    state_matrix,
    verdict,
)
from workbench.display.parts.site import (
    asset_cards,
    battery,
    grid_meter,
    irradiance,
    layout,
    site_subtitle,
    site_tiles,
    site_verdict,
    wind_rose,
)
from workbench.display.parts.solar_assessed import (
    assessed_tiles,
    fault_table,
    figure_of,
    kpi_table,
    solar_nothing,
    solar_reading,
    step_of,
)
from workbench.display.parts.solar_now import inverter_choice, inverter_table, solar_plants, solar_tiles
from workbench.display.parts.solar_strings import input_table, string_map, strings_of, tracker_table
from workbench.display.parts.sources import collectors, devices, sources_verdict
from workbench.display.parts.start import how_to_start, not_found
from workbench.display.parts.trend import power_trend

__all__ = [
    "assessed_tiles",
    "asset_cards",
    "asset_features",
    "asset_head",
    "asset_records",
    "asset_subtitle",
    "battery",
    "battery_choice",
    "battery_nothing",
    "battery_now",
    "battery_reading",
    "battery_rows",
    "by_kind",
    "capacity_factor",
    "cell_map",
    "collectors",
    "data_health",
    "devices",
    "energy_today",
    "fault_table",
    "figure_of",
    "frequency",
    "grid_meter",
    "health_tiles",
    "how_to_start",
    "input_table",
    "inverter_choice",
    "inverter_table",
    "irradiance",
    "kpi_table",
    "layout",
    "main_tag",
    "not_found",
    "performance_nothing",
    "performance_reading",
    "power_now",
    "power_trend",
    "range_of",
    "recent_records",
    "show_of",
    "site_subtitle",
    "site_tiles",
    "site_verdict",
    "sites",
    "solar_nothing",
    "solar_plants",
    "solar_reading",
    "solar_tiles",
    "sources_verdict",
    "state_matrix",
    "step_of",
    "string_map",
    "strings_of",
    "tag_find",
    "tag_head",
    "tag_list",
    "thermal_log",
    "tracker_table",
    "turbine_curves",
    "verdict",
    "warranty",
    "weakest",
    "wind_rose",
    "yield_tiles",
]
