"""Telemetry (journal and store as one), the live ring, and records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.store.journal import Journal as Journal
    from workbench.store.keeper import Keeper as Keeper
    from workbench.store.keeper import KeeperReport as KeeperReport
    from workbench.store.records import Records as Records
    from workbench.store.ring import LiveRing as LiveRing
    from workbench.store.site import SeriesInfo as SeriesInfo
    from workbench.store.site import SiteStore as SiteStore

_WHERE = {
    "Journal": "journal",
    "Keeper": "keeper",
    "KeeperReport": "keeper",
    "LiveRing": "ring",
    "Records": "records",
    "SeriesInfo": "site",
    "SiteStore": "site",
}
__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    # Each part brings heavy libraries; who wants only the journal does not wait for Zarr.
    if name in _WHERE:
        from importlib import import_module

        return getattr(import_module(f"workbench.store.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
