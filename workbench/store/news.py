"""What has come to a site since one last looked: for work that is done again only where something changed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import icechunk

if TYPE_CHECKING:
    from workbench.model.samples import SeriesKey
    from workbench.store.reader import SiteView
    from workbench.store.site import SiteStore
    from workbench.store.telemetry import Group


@dataclass(frozen=True)
class Mark:
    """A state of a site: a commit of its store, and the last row of its journal."""

    snapshot: str
    journal: str
    seq: int

    def as_dict(self) -> dict[str, Any]:
        """As it is kept in a file."""
        return asdict(self)


def mark(site: SiteStore) -> Mark:
    """The site as it is now. Take it before reading: what comes in between is then told again, never left out."""
    with site.view() as view:
        return Mark(view.snapshot.id, view.journal.id, view.journal.last_seq)


def changed(site: SiteStore, key: SeriesKey, since: Mark) -> list[tuple[int, int]] | None:
    """Spans of time [ns since 1970 UTC, half-open] in which a series may have changed since a mark.

    Never too few; whole chunks of the store, so often more than what changed. None where it cannot be told: the
    mark's commit has expired, the journal was begun anew, or the arrays were laid out anew.
    """
    with site.view() as view:
        if view.journal.id != since.journal:
            return None
        stored = _stored(site, view, key, since.snapshot)
        if stored is None:
            return None
        step = view.series(key).grid.step
        return merged([*stored, *((first, last + step) for first, last in view.journal.spans(key, after=since.seq))])


def _stored(site: SiteStore, view: SiteView, key: SeriesKey, since: str) -> list[tuple[int, int]] | None:
    if view.snapshot.id == since:
        return []
    repository = site.telemetry.repository()
    new = view.snapshot.group(key)
    if repository is None or not since or not site.telemetry.holds(since):
        return None
    old = site.telemetry.snapshot(at=since).group(key)
    if new is None:
        return []
    if old is None or _layout(old) != _layout(new):
        return None
    try:
        found = repository.diff(from_snapshot_id=since, to_snapshot_id=view.snapshot.id)
    except icechunk.IcechunkError:
        return None
    room = f"/{key}/"
    if any(path.startswith(room) for path in {*found.new_arrays, *found.deleted_arrays}):
        return None
    chunks = {
        int(index[0])
        for path, indexes in found.updated_chunks.items()
        if path.startswith(room) and len(indexes) and path.rpartition("/")[2] not in ("time", "asset")
        for index in indexes
    }
    return [(new.origin + number * new.grid.span, new.origin + (number + 1) * new.grid.span) for number in chunks]


def _layout(group: Group) -> tuple[object, ...]:
    return group.step, group.slots, group.origin, group.assets, tuple(sorted(group.variables))


def merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans in order, those that touch made one."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found
