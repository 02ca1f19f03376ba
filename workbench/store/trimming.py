"""Forgets telemetry that is older than wanted: whole chunks of the store, in one commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.model.quality import quality_name
from workbench.model.samples import SeriesKey
from workbench.store.telemetry import COUNT, Group, Snapshot

if TYPE_CHECKING:
    from workbench.store.site import SiteStore


def trim(
    site: SiteStore, *, older_than: int, series: SeriesKey | None = None, dry: bool = False
) -> dict[SeriesKey, int]:
    """See ``SiteStore.trim``."""
    from zarr.core.sync import sync

    snapshot = site.telemetry.snapshot()
    if series is not None and series not in snapshot.series():
        with site.view() as view:
            site.unknown(series, view)
    wanted = {
        key: _chunks_before(snapshot.group(key), older_than) for key in snapshot.series() if series in (None, key)
    }
    wanted = {key: count for key, count in wanted.items() if count}
    found: dict[SeriesKey, int] = {}
    if not wanted or dry:
        for key, count in wanted.items():
            group = snapshot.group(key)
            if group is not None:
                found[key] = sum(_values(snapshot, group, chunk) for chunk in range(_first_chunk(group), count))
        return found
    with site.telemetry.transaction(f"trim before {np.datetime64(older_than, 'ns')}", wait=120.0) as change:
        for key, count in wanted.items():
            group = change.before.group(key)
            if group is None:
                continue
            names = [*group.variables, COUNT, *map(quality_name, group.flagged)]
            columns = -(-len(group.assets) // group.asset_chunk)
            gone = 0
            for chunk in range(_first_chunk(group), count):
                gone += _values(change.before, group, chunk)
                for name in names:
                    for column in range(columns):
                        sync(change.store.delete(f"{key}/{name}/c/{chunk}/{column}"))
            first = min(group.origin + count * group.grid.span, group.last)
            change.forget_before(key, first, group.values - gone)
            found[key] = gone
        change.notes = {"trim": {str(key): gone for key, gone in found.items()}}
    return found


def _first_chunk(group: Group) -> int:
    return (group.first - group.origin) // group.grid.span


def _chunks_before(group: Group | None, older_than: int) -> int:
    """Number of the first chunk that is kept; 0 where there is nothing to forget."""
    if group is None:
        return 0
    count = min(max(0, (older_than - group.origin) // group.grid.span), -(-group.size // group.slots))
    return count if count > _first_chunk(group) else 0


def _values(snapshot: Snapshot, group: Group, chunk: int) -> int:
    start = chunk * group.slots
    total = 0
    for name in group.variables:
        part = snapshot.read(group.key, name, start, min(start + group.slots, group.size))
        total += 0 if part is None else int(np.count_nonzero(~np.isnan(part)))
    return total
