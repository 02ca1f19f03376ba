"""Turns journal into store: the rows of whole chunks, in one commit, exactly once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from workbench.model.quality import quality_name
from workbench.model.samples import SeriesKey
from workbench.store.grid import Grid
from workbench.store.journal_view import ChunkRows
from workbench.store.reader import SiteView
from workbench.store.telemetry import COUNT, Group
from workbench.store.transaction import Transaction

if TYPE_CHECKING:
    from workbench.store.site import SiteStore

#: Bytes of journal values folded at once.
_BYTES = 192 << 20


@dataclass
class CommitReport:
    """What a commit took from the journal."""

    chunks: dict[SeriesKey, list[int]] = field(default_factory=dict)
    rows: int = 0
    values: int = 0


@dataclass(frozen=True)
class _Plan:
    """What is to be committed, as found at one instant."""

    journal: str
    chunks: dict[SeriesKey, list[ChunkRows]]
    after: dict[tuple[SeriesKey, int], int]
    floor: dict[str, int]
    applied: dict[str, dict[int, int]]


def commit_chunks(site: SiteStore, wanted: Mapping[SeriesKey, Sequence[int]], *, wait: float = 60.0) -> CommitReport:
    """Write the journal's rows of the ``wanted`` chunks to the store, over what the store holds of them.

    One commit for all; a crash at any instant leaves either all of it or nothing, and what the store holds
    is noted in the same commit, so that no row counts twice. The journal is not trimmed here.

    Parameters
    ----------
    wait
        Seconds to wait for another committing process.
    """
    report = CommitReport()
    with site.telemetry.transaction("journal", wait=wait) as change:
        with site.journal.view() as journal:
            plan = _plan(SiteView(journal, change.before), wanted)
        for key, chunks in plan.chunks.items():
            _commit_series(site, change, key, chunks, plan)
            report.chunks[key] = [chunk.chunk for chunk in chunks]
            report.rows += sum(chunk.rows for chunk in chunks)
            report.values += sum(chunk.values for chunk in chunks)
        if plan.chunks:
            change.applied(plan.journal, plan.floor, plan.applied)
            change.notes = {
                "chunks": {str(key): [c.chunk for c in chunks] for key, chunks in plan.chunks.items()},
                "rows": report.rows,
            }
    return report


def trim_applied(site: SiteStore, *, through: int | None = None) -> int:
    """Delete the journal's rows which the store holds, those numbered up to ``through``; returns how many."""
    if not site.journal_path.exists():
        return 0
    todo = []
    with site.view() as view:
        for key in view.journal.series():
            for chunk in view.journal.chunks(key):
                held = view.through(key, chunk.chunk)
                last = held if through is None else min(held, through)
                if last >= chunk.seq_min:
                    todo.append((key, chunk.chunk, last))
    return sum(site.journal.trim(*each) for each in todo)


def _plan(view: SiteView, wanted: Mapping[SeriesKey, Sequence[int]]) -> _Plan:
    """What to commit, and what will be in the store when that is done."""
    journal, old = view.journal, view.snapshot.applied
    same = journal.id == old.journal
    chunks: dict[SeriesKey, list[ChunkRows]] = {}
    after: dict[tuple[SeriesKey, int], int] = {}
    floor: dict[str, int] = dict(old.floor) if same else {}
    applied: dict[str, dict[int, int]] = {}
    for key in journal.series():
        name = str(key)
        through = dict(old.chunks.get(name, {})) if same else {}
        left = []
        for chunk in journal.chunks(key, after=old.all_through(journal.id, key)):
            since = view.through(key, chunk.chunk)
            if chunk.seq_max <= since:
                continue
            fresh = journal.chunk(key, chunk.chunk, after=since)
            if fresh is None:
                continue
            if chunk.chunk in wanted.get(key, ()):
                chunks.setdefault(key, []).append(fresh)
                after[key, chunk.chunk] = since
                through[chunk.chunk] = fresh.seq_max
            else:
                left.append(fresh.seq_min)
        # Every row up to here is in the store: the notes about single chunks below it can go.
        floor[name] = min(left, default=journal.last_seq + 1) - 1
        applied[name] = {chunk: seq for chunk, seq in through.items() if seq > floor[name]}
    return _Plan(journal.id, chunks, after, floor, applied)


def _commit_series(
    site: SiteStore, change: Transaction, key: SeriesKey, chunks: Sequence[ChunkRows], plan: _Plan
) -> None:
    with site.journal.view() as journal:
        names = journal.names
        assets, variables, grid = names.assets[key], names.variables(key), names.grid(key)
    old = change.before.group(key)
    # A series may know variables and assets that have no sample in these chunks: arrays of NaN cost nothing.
    first, last = min(c.slot_min for c in chunks), max(c.slot_max for c in chunks)
    group = change.prepare(key, first, last, assets, variables, slots=grid.slots)
    for chunk in chunks:
        _commit_chunk(site, change, group, old, chunk, grid, list(variables))


def _commit_chunk(
    site: SiteStore,
    change: Transaction,
    group: Group,
    old: Group | None,
    chunk: ChunkRows,
    grid: Grid,
    variables: Sequence[str],
) -> None:
    key = group.key
    start = max(grid.chunk_start(chunk.chunk), group.origin)
    end = min(grid.chunk_start(chunk.chunk + 1), group.origin + group.size * group.step)
    size, at = (end - start) // grid.step, (start - group.origin) // grid.step
    each = max(1, chunk.values * 8 // len(variables))
    most = max(1, _BYTES // each)
    for first in range(0, len(variables), most):
        part = variables[first : first + most]
        with site.journal.view() as journal:
            fold = SiteView(journal, change.before).fold(
                key,
                chunk.chunk,
                assets=group.assets,
                start=start,
                size=size,
                variables=part,
                through=chunk.seq_max,
                counts=first == 0,
            )
        carried = fold.variables
        for name in part:
            if name not in carried:
                continue
            base = stored_region(change, old, group, name, start, size)
            change.write(key, name, at, fold.values(name, base, dtype=group.variables[name]), over=base)
            marks = stored_region(change, old, group, quality_name(name), start, size)
            if fold.quality(name, marks) is not None or marks is not None:
                change.write_quality(key, name, at, fold.quality(name, marks), size)
        if first == 0:
            change.write(key, COUNT, at, fold.counts(stored_region(change, old, group, COUNT, start, size)))


def stored_region(
    change: Transaction, old: Group | None, group: Group, name: str, start: int, size: int
) -> npt.NDArray[Any] | None:
    """What the store held of an array before the change, on the new asset axis; None where nothing.

    Parameters
    ----------
    start
        First slot [ns]
    size
        Number of slots
    """
    if old is None:
        return None
    first = (start - old.origin) // old.step
    stop = min(first + size, old.size)
    low = max(first, 0)
    if stop <= low:
        return None
    values = change.before.read(group.key, name, low, stop)
    if values is None:
        return None
    if values.shape == (size, len(group.assets)):
        return values
    fill = np.nan if values.dtype.kind == "f" else 0
    full = np.full((size, len(group.assets)), fill, dtype=values.dtype)
    full[low - first : stop - first, : values.shape[1]] = values
    return full
