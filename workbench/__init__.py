"""Workbench: analytics for operators of wind farms, solar plants and batteries.

Importing the package is cheap; everything heavy is imported where it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = ["InputError", "__version__", "open_catalog", "open_portfolio", "open_site", "progress"]

if TYPE_CHECKING:
    from workbench.catalog import open_catalog, open_portfolio, open_site
    from workbench.display.progress import progress
    from workbench.model.errors import InputError

_HOMES = {
    "open_catalog": "workbench.catalog",
    "open_portfolio": "workbench.catalog",
    "open_site": "workbench.catalog",
    "InputError": "workbench.model.errors",
    "progress": "workbench.display.progress",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its home the first time it is used."""
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'workbench' has no attribute {name!r}")
