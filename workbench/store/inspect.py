"""Looks into a site's store: what is there, how large it is, whether it is sound."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

import icechunk
import numpy as np

from workbench.model.errors import InputError
from workbench.model.quality import quality_name
from workbench.store.reader import SiteView
from workbench.store.telemetry import BRANCH, COUNT, Group, Snapshot, TelemetryError

if TYPE_CHECKING:
    from workbench.store.site import SeriesInfo, SiteStore


@dataclass(frozen=True)
class StoreInfo:
    """Size and content of a site's store."""

    site: str
    series: list[SeriesInfo] = field(repr=False)
    values: int  #: values in the store that are not missing, the journal's not counted
    bytes: int  #: bytes of the store's files, all kept snapshots included
    journal_bytes: int
    journal_rows: int  #: rows that are not in the store yet
    journal_values: int
    snapshots: int

    @property
    def bytes_per_value(self) -> float:
        """Bytes of the store per value in it; NaN where it is empty."""
        return self.bytes / self.values if self.values else float("nan")


@dataclass(frozen=True)
class SnapshotInfo:
    """A state of the store."""

    id: str
    time: np.datetime64  #: when it was committed, UTC
    message: str
    tags: tuple[str, ...]


def info(site: SiteStore) -> StoreInfo:
    """See ``SiteStore.info``."""
    series = site.series()
    snapshot = site.telemetry.snapshot()
    groups = [snapshot.group(key) for key in snapshot.series()]
    return StoreInfo(
        site=site.site,
        series=series,
        values=sum(group.values for group in groups if group is not None),
        bytes=_size(site.folder / "telemetry"),
        journal_bytes=sum(_size(path) for path in site.folder.glob("journal.sqlite*")),
        journal_rows=sum(one.journal_rows for one in series),
        journal_values=sum(one.journal_values for one in series),
        snapshots=len(snapshots(site)),
    )


def snapshots(site: SiteStore) -> list[SnapshotInfo]:
    """See ``SiteStore.snapshots``."""
    repository = site.telemetry.repository()
    if repository is None:
        return []
    tags: dict[str, list[str]] = {}
    for tag in repository.list_tags():
        tags.setdefault(repository.lookup_tag(tag), []).append(tag)
    found = {snapshot.id: snapshot for snapshot in repository.ancestry(branch=BRANCH)}
    for tagged in tags:
        for snapshot in repository.ancestry(snapshot_id=tagged):
            found.setdefault(snapshot.id, snapshot)
            break
    infos = [
        SnapshotInfo(
            one.id,
            np.datetime64(one.written_at.astimezone(UTC).replace(tzinfo=None), "ns"),
            one.message,
            tuple(sorted(tags.get(one.id, ()))),
        )
        for one in found.values()
    ]
    return sorted(infos, key=lambda one: one.time, reverse=True)


def verify(site: SiteStore) -> Iterator[str]:
    """See ``SiteStore.verify``."""
    try:
        with site.journal.view() as journal:
            yield from journal.check()
    except InputError as error:
        yield f"journal: {error.message}: {error.found}"
        return
    try:
        with site.view() as view:
            snapshot = view.snapshot
            yield from _applied(view)
        if last := site.telemetry.ahead():
            yield f"store: the last commit is from {last:%Y-%m-%d %H:%M:%S}Z: no other can be made before that"
        for key in snapshot.series():
            group = snapshot.group(key)
            if group is None:
                yield f"store: {key} is listed and not there"
            else:
                yield from _group(snapshot, group)
    except (TelemetryError, icechunk.IcechunkError, OSError, KeyError, ValueError) as error:
        yield f"store: {line_of(error)}"


def _applied(view: SiteView) -> Iterator[str]:
    """Whether journal and store agree on what has passed from the one to the other."""
    applied = view.snapshot.applied
    if not applied.journal:
        return
    if applied.journal != view.journal.id:
        yield (
            "journal: the store was filled from another journal than the one that is there now; "
            "what only that one held is lost"
        )
        return
    numbers = [*applied.floor.values(), *(seq for found in applied.chunks.values() for seq in found.values())]
    if max(numbers, default=0) > view.journal.last_seq:
        yield (
            f"journal: the store holds rows up to number {max(numbers)}, the journal has only given "
            f"{view.journal.last_seq}: an older copy of the journal was put in place"
        )
    for name in applied.floor:
        if name not in {str(key) for key in view.snapshot.series()} and applied.chunks.get(name):
            yield f"store: rows of {name} are noted as applied, and it is not in the store"


def _group(snapshot: Snapshot, group: Group) -> Iterator[str]:
    """Whether the arrays of a series are as its attributes say, and every chunk can be read."""
    key = group.key
    if group.origin % group.grid.span:
        yield f"store: {key}: the arrays do not begin on a border of chunks"
    yield from _times(snapshot, group)
    names = [*group.variables, COUNT, *map(quality_name, group.flagged)]
    for name in names:
        yield from _array(snapshot, group, name)


def _times(snapshot: Snapshot, group: Group) -> Iterator[str]:
    key = group.key
    try:
        times = np.asarray(snapshot.array(key, "time")[:])
    except Exception as error:
        yield f"store: {key} time cannot be read: {line_of(error)}"
        return
    if len(times) != group.size or times[0] != group.origin:
        yield f"store: {key} time: {len(times)} slots from {times[:1]}, expected {group.size} from {group.origin}"
    off = np.flatnonzero(np.diff(times) != group.step)
    if len(off):
        yield f"store: {key} time: not regular at {len(off)} places, first after {when_of(int(times[off[0]]))}"


def _array(snapshot: Snapshot, group: Group, name: str) -> Iterator[str]:
    shape = (group.size, len(group.assets))
    try:
        array = snapshot.array(group.key, name)
        if array.shape != shape:
            yield f"store: {group.key} {name}: shape {array.shape}, expected {shape}"
    except Exception as error:
        yield f"store: {group.key} {name}: {line_of(error)}"
        return
    for start in range(0, group.size, group.slots):
        stop = min(start + group.slots, group.size)
        try:
            array[start:stop]
        except Exception as error:
            when = when_of(group.origin + start * group.step)
            yield f"store: {group.key} {name}: the chunk from {when} cannot be read: {line_of(error)}"


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    total = 0
    for folder, _, files in os.walk(path):
        for file in files:
            try:
                total += (Path(folder) / file).stat().st_size
            except FileNotFoundError:  # collected meanwhile
                continue
    return total


def when_of(ns: int) -> str:
    """A time [ns since 1970 UTC] as text."""
    return str(np.datetime_as_string(np.datetime64(ns, "ns"), unit="s")) + "Z"


def line_of(error: BaseException) -> str:
    """The first line of an error, with its kind."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"
