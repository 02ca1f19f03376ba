"""One visual language for live pages, notebooks and reports: colours, numbers, tiles, plots.

``theme``, ``format`` and ``plots`` serve notebooks and reports; ``Page``, ``parts``, ``charts`` and ``live_view`` make the
live pages. Nothing heavy is imported until it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.display import battery as battery
    from workbench.display import battery_charts as battery_charts
    from workbench.display import charts as charts
    from workbench.display import parts as parts
    from workbench.display import performance as performance
    from workbench.display import performance_rows as performance_rows
    from workbench.display import performance_study_rows as performance_study_rows
    from workbench.display import solar as solar
    from workbench.display import solar_charts as solar_charts
    from workbench.display import solar_rows as solar_rows
    from workbench.display.live import Live as Live
    from workbench.display.live import live_view as live_view
    from workbench.display.page import Page as Page
    from workbench.display.page import Part as Part
    from workbench.display.page import argument as argument
    from workbench.display.wallboard import Wallboard as Wallboard

_WHERE = {
    "Live": "live",
    "Page": "page",
    "Part": "page",
    "Wallboard": "wallboard",
    "argument": "page",
    "live_view": "live",
}
_MODULES = (
    "battery",
    "battery_charts",
    "charts",
    "format",
    "markup",
    "parts",
    "performance",
    "performance_rows",
    "performance_study_rows",
    "plots",
    "solar",
    "solar_charts",
    "solar_rows",
    "theme",
)
__all__ = sorted([*_WHERE, *_MODULES])


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(f"workbench.display.{_WHERE[name]}"), name)
    if name in _MODULES:
        return import_module(f"workbench.display.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
