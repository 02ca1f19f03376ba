"""Reads a series: journal and store as one lazy Dataset.

How a reader stays right while another process appends, commits and trims: it fixes the journal first, then
takes the newest snapshot of the store, then leaves out the journal's rows which that snapshot says it holds.
What was trimmed before the journal was fixed is in the snapshot; what is in both is taken once.
"""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import icechunk
import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from workbench.model.errors import InputError
from workbench.model.quality import quality_attrs, quality_name
from workbench.model.samples import NS, SeriesKey
from workbench.store.attributes import count_attrs, variable_attrs
from workbench.store.fold import Fold
from workbench.store.grid import Grid, grid_of
from workbench.store.journal_view import ChunkRows, JournalView
from workbench.store.telemetry import COUNT, Group, Snapshot, has_array

if TYPE_CHECKING:
    from workbench.store.site import SiteStore

#: Bytes of journal values kept decoded, over all open Datasets of the process.
CACHE_BYTES = 256 << 20
#: Bytes of journal values decoded at once.
_GROUP_BYTES = 64 << 20
#: Values of a variable that one task of a lazy Dataset reads at most, where a chunk of the store has fewer.
_TASK_VALUES = 1_000_000
_DAY = 86_400 * NS


@dataclass(frozen=True)
class SeriesView:
    """A series at one instant; times are starts of slots [ns since 1970 UTC]."""

    key: SeriesKey
    grid: Grid
    group: Group | None
    assets: tuple[str, ...]
    variables: dict[str, str]  #: name -> f4 | f8
    tail: tuple[ChunkRows, ...]  #: chunks with rows that are not in the store yet
    first: int | None
    last: int | None


class SiteView:
    """Journal and store of a site at one instant."""

    def __init__(self, journal: JournalView, snapshot: Snapshot) -> None:
        self.journal = journal
        self.snapshot = snapshot

    def known(self) -> list[SeriesKey]:
        """Series with anything in journal or store."""
        return sorted({*self.journal.series(), *self.snapshot.series()})

    def through(self, key: SeriesKey, chunk: int) -> int:
        """Number through which the rows of a chunk are in the store."""
        return self.snapshot.applied.through(self.journal.id, key, chunk)

    def series(self, key: SeriesKey) -> SeriesView:
        """A series, empty where nothing is known of it."""
        group = self.snapshot.group(key)
        names = self.journal.names
        fresh = self.journal.chunks(key, after=self.snapshot.applied.all_through(self.journal.id, key))
        tail = tuple(chunk for chunk in fresh if chunk.seq_max > self.through(key, chunk.chunk))
        stored = () if group is None else group.assets
        known = set(stored)
        assets = (*stored, *(name for name in names.assets.get(key, ()) if name not in known))
        variables = {} if group is None else dict(group.variables)
        for name, dtype in names.variables(key).items():
            variables[name] = max(variables.get(name, dtype), dtype)
        firsts = [chunk.slot_min for chunk in tail] + ([] if group is None else [group.first])
        lasts = [chunk.slot_max for chunk in tail] + ([] if group is None else [group.last])
        return SeriesView(
            key,
            # Rows of the journal are found by its own chunks, whatever those of the store are.
            names.grid(key) if group is None or key in names.slots else group.grid,
            group,
            assets,
            variables,
            tail,
            min(firsts, default=None),
            max(lasts, default=None),
        )

    def fold(
        self,
        key: SeriesKey,
        chunk: int,
        *,
        assets: Sequence[str],
        start: int,
        size: int,
        variables: Sequence[str] | None = None,
        through: int | None = None,
        counts: bool = True,
    ) -> Fold:
        """The rows of a chunk that the store does not hold, folded onto ``size`` slots from ``start`` [ns]."""
        grid = grid_of(key.cadence)
        names = self.journal.names
        rows = self.journal.rows(
            key,
            chunk=chunk,
            after=self.through(key, chunk),
            through=through,
            start=start,
            end=start + size * grid.step,
        )
        known = names.asset_ids.get(key, {})
        places = np.full(max(known.values(), default=0) + 1, -1, dtype=np.int32)
        for position, name in enumerate(assets):
            if name in known:
                places[known[name]] = position
        return Fold(
            rows,
            names.shapes,
            places,
            start=start,
            step=grid.step,
            size=size,
            assets=len(assets),
            variables=variables,
            counts=counts,
        )


class Piece:
    """One chunk's journal rows, folded, with the snapshot they go on top of."""

    def __init__(self, fold: Fold, snapshot: Snapshot, start: int, variables: frozenset[str]) -> None:
        self.fold = fold
        self.snapshot = snapshot
        self.start = start
        self.variables = variables


class _Cache:
    """Pieces in use, the least recently used let go when they take too much memory."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: OrderedDict[tuple[object, ...], Piece] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def get(self, key: tuple[object, ...]) -> Piece | None:
        with self._lock:
            found = self._held.get(key)
            if found is not None:
                self._held.move_to_end(key)
            return found

    def clear(self) -> None:
        """Forget all, where what they were made from was changed underneath."""
        with self._lock:
            self._held.clear()
            self._size = 0

    def put(self, key: tuple[object, ...], piece: Piece) -> None:
        with self._lock:
            if key not in self._held:
                self._held[key] = piece
                self._size += piece.fold.nbytes
            while self._size > self._limit and len(self._held) > 1:
                _, gone = self._held.popitem(last=False)
                self._size -= gone.fold.nbytes


PIECES = _Cache(CACHE_BYTES)


class SeriesSource:
    """What the arrays of one opened Dataset read from. Safe for threads; pickles as its parameters."""

    def __init__(
        self,
        site: SiteStore,
        view: SeriesView,
        *,
        snapshot: str,
        journal_id: str,
        through: int,
        start: int,
        size: int,
        assets: Sequence[str],
        variables: Sequence[str],
    ) -> None:
        self.site = site
        self.key = view.key
        self.grid = view.grid
        self.snapshot_id = snapshot
        self.journal_id = journal_id
        self.through = through
        self.start = start
        self.size = size
        self.assets = tuple(assets)
        self.variables = tuple(variables)
        self.tail = {chunk.chunk: chunk for chunk in view.tail}
        place = hash((site.root.resolve(), self.assets))  # a copied store has the same snapshots
        self.token = "-".join(map(str, (site.site, view.key, snapshot, journal_id, through, start, size, place)))
        self._flagged = frozenset(() if view.group is None else view.group.flagged)
        self._groups = _variable_groups(view, self.variables)
        self._locks: dict[int, threading.Lock] = {}
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in {"_locks", "_lock"}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._locks, self._lock = {}, threading.Lock()

    def read(self, name: str, part: str, dtype: str, first: int, stop: int) -> npt.NDArray[Any]:
        """Slots ``first`` to ``stop`` of the Dataset: ``part`` (value, quality, count) of a variable, all assets."""
        if not (self.site.telemetry.exists() if self.snapshot_id else self.site.journal_path.exists()):
            missing = self.site.telemetry.folder if self.snapshot_id else self.site.journal_path
            raise self._unseen("store", f"nothing in {missing}" if missing.exists() else f"no such path: {missing}")
        at = self.start + first * self.grid.step
        end = self.start + stop * self.grid.step
        low, high = self.grid.chunk(at), self.grid.chunk(end - self.grid.step)
        if low == high and low in self.tail:
            found = self._open_chunk(low, name, part, dtype, at, end)
            return self._empty(part, dtype, stop - first) if found is None else found
        out = self._empty(part, dtype, stop - first)
        chunk = low
        while chunk <= high:
            after = chunk + 1
            while chunk not in self.tail and after <= high and after not in self.tail:
                after += 1  # what only the store holds is read at once
            start = max(at, self.grid.chunk_start(chunk))
            until = min(end, self.grid.chunk_start(after))
            lines = slice((start - at) // self.grid.step, (until - at) // self.grid.step)
            if chunk in self.tail:
                found = self._open_chunk(chunk, name, part, dtype, start, until)
                if found is not None:
                    out[lines] = found
            else:
                self._stored(self._snapshot(), name, part, start, until, out[lines])
            chunk = after
        return out

    def quality(self, name: str) -> npt.NDArray[np.uint16] | None:
        """The quality of a variable over all slots; None where all is good."""
        if name not in self._flagged:
            chunks = range(
                self.grid.chunk(self.start), self.grid.chunk(self.start + (self.size - 1) * self.grid.step) + 1
            )
            if not any(
                self._piece(chunk, name, "quality").fold.has_quality(name) for chunk in chunks if chunk in self.tail
            ):
                return None
        flags = self.read(name, "quality", "u2", 0, self.size)
        return flags if flags.any() else None

    def _empty(self, part: str, dtype: str, size: int) -> npt.NDArray[Any]:
        if part == "value":
            return np.full((size, len(self.assets)), np.nan, dtype=dtype)
        return np.zeros((size, len(self.assets)), dtype=dtype)

    def _unseen(self, what: str, found: str) -> InputError:
        return InputError(
            f"the {what} cannot be seen from here",
            where=f"{self.site.site} {self.key}",
            found=found,
            hint="every worker of a cluster has to see the same store under the same path; one on another machine,"
            " where the journal cannot be shared, reads what was opened with snapshot=…",
        )

    def _snapshot(self) -> Snapshot:
        return self.site.snapshot_by_id(self.snapshot_id)

    def _open_chunk(self, chunk: int, name: str, part: str, dtype: str, low: int, high: int) -> npt.NDArray[Any] | None:
        """Slots from ``low`` until before ``high`` [ns] of a chunk with rows in the journal; None for all good."""
        piece = self._piece(chunk, name, part)
        lines = slice((low - piece.start) // self.grid.step, (high - piece.start) // self.grid.step)
        size = piece.fold.shape[0]
        begin, end = piece.start, piece.start + size * self.grid.step

        def stored(kind: str) -> npt.NDArray[Any] | None:
            group = piece.snapshot.group(self.key)
            if group is None or not has_array(group, _array_of(name, part)):
                return None
            base = self._empty(part, kind, size)
            self._stored(piece.snapshot, name, part, begin, end, base)
            return base

        if part == "count":
            return piece.fold.counts(stored("u2"))[lines]
        if part == "value":
            return piece.fold.values(name, stored(dtype), dtype=dtype)[lines]
        flags = piece.fold.quality(name, stored("u2"))
        return None if flags is None else flags[lines]

    def _stored(self, snapshot: Snapshot, name: str, part: str, low: int, high: int, out: npt.NDArray[Any]) -> None:
        """Fill ``out`` [slots, assets] from the store; what it does not hold stays as it is."""
        group = snapshot.group(self.key)
        array = _array_of(name, part)
        if group is None:
            return
        first = (max(low, group.origin) - group.origin) // group.step
        stop = (min(high, group.origin + group.size * group.step) - group.origin) // group.step
        if stop <= first:
            return
        try:
            values = snapshot.read(self.key, array, first, stop)
        except (icechunk.IcechunkError, KeyError):
            self.site.expect(snapshot.id)  # opened long ago, it may have expired
            raise
        if values is None:
            return
        line = (group.origin + first * group.step - low) // self.grid.step
        where = {name: place for place, name in enumerate(group.assets)}
        pairs = [(i, where[asset]) for i, asset in enumerate(self.assets) if asset in where]
        into, from_ = [i for i, _ in pairs], [j for _, j in pairs]
        if into == from_ and len(into) == out.shape[1] == values.shape[1]:
            out[line : line + len(values)] = values
        else:
            out[line : line + len(values), into] = values[:, from_]

    def _piece(self, chunk: int, name: str, part: str) -> Piece:
        group = self._groups[0] if part == "count" or not self._groups else next(g for g in self._groups if name in g)
        held = self.site.current_view()
        key = (self.token, chunk, group, "" if held is None else held.snapshot.id)
        with self._lock:
            lock = self._locks.setdefault(chunk, threading.Lock())
        with lock:
            found = PIECES.get(key)
            if found is None:
                found = self._load(chunk, group)
                PIECES.put(key, found)
            return found

    def _load(self, chunk: int, group: Sequence[str]) -> Piece:
        start = max(self.start, self.grid.chunk_start(chunk))
        end = min(self.start + self.size * self.grid.step, self.grid.chunk_start(chunk + 1))
        with self.site.view() as view:
            same = view.journal.id == self.journal_id
            through = self.through if same else 0
            if same and int(view.journal.meta("trimmed") or 0) < self.tail[chunk].seq_min:
                # All rows of back then are still there: read it exactly as it was when opened.
                view = SiteView(view.journal, self._snapshot())
            elif (
                not same and view.snapshot.applied.through(self.journal_id, self.key, chunk) < self.tail[chunk].seq_max
            ):
                # Neither the journal nor the store has its rows: that is not "nothing came" either.
                path = self.site.journal_path
                raise self._unseen("journal", f"{'another journal' if view.journal.id else 'no journal'}: {path}")
            elif (held := view.snapshot.group(self.key)) and self.tail[chunk].slot_min < held.first:
                # Its rows went into the store, and were forgotten there since: that is not "nothing came".
                raise self.site.expired(f"{self.key} before {np.datetime64(held.first, 'ns')}, forgotten since")
            fold = view.fold(
                self.key,
                chunk,
                assets=self.assets,
                start=start,
                size=(end - start) // self.grid.step,
                variables=group,
                through=through,
                counts=group == self._groups[0],
            )
            return Piece(fold, view.snapshot, start, frozenset(group))


def _array_of(name: str, part: str) -> str:
    return {"value": name, "quality": quality_name(name), "count": COUNT}[part]


class LazyArray:
    """One array of a Dataset, read when it is indexed: what Dask needs of an array and no more."""

    ndim = 2

    def __init__(self, source: SeriesSource, name: str, part: str, dtype: str) -> None:
        self._source = source
        self._name = name
        self._part = part
        self.dtype = np.dtype(dtype)
        self.shape = (source.size, len(source.assets))

    def __getitem__(self, key: tuple[slice, slice]) -> npt.NDArray[Any]:
        time, asset = key
        first, stop, step = time.indices(self.shape[0])
        if stop <= first:
            return np.empty(self.shape, self.dtype)[key]
        return self._source.read(self._name, self._part, self.dtype.str, first, stop)[::step, asset]


def build(
    source: SeriesSource,
    dtypes: Mapping[str, str],
    *,
    quality: bool,
    attrs: Mapping[str, Any],
    together: int = _TASK_VALUES,
) -> xr.Dataset:
    """The lazy Dataset over a source; several chunks of the store are one of it, up to ``together`` values."""
    step = source.grid.step
    # As an index of pandas' own, which xarray takes as it is: a year of seconds is 252 MB of time alone.
    ticks = np.arange(source.start, source.start + source.size * step, step, dtype=np.int64)
    times = pd.DatetimeIndex(ticks.view("datetime64[ns]"), copy=False)
    chunks = (_time_chunks(source, together), (len(source.assets),))
    found: dict[str, tuple[Any, ...]] = {}
    for name in source.variables:
        values = _array(LazyArray(source, name, "value", dtypes[name]), chunks, f"{name}-{source.token}")
        found[name] = (("time", "asset"), values, variable_attrs(name, source.key))
        if quality:
            other = quality_name(name)
            flags = _array(LazyArray(source, name, "quality", "u2"), chunks, f"{other}-{source.token}")
            found[other] = (("time", "asset"), flags, quality_attrs(name))
            found[name][2]["ancillary_variables"] = other
    count = _array(LazyArray(source, "", "count", "u2"), chunks, f"{COUNT}-{source.token}")
    found[COUNT] = (("time", "asset"), count, count_attrs())
    return xr.Dataset(
        found,
        coords={
            "time": ("time", times, {"standard_name": "time", "long_name": "start of the slot, UTC"}),
            "asset": ("asset", np.array(source.assets, dtype=object).astype(str), {"long_name": "asset"}),
        },
        attrs=dict(attrs),
    )


def _array(lazy: LazyArray, chunks: tuple[tuple[int, ...], tuple[int, ...]], name: str) -> Any:
    import dask.array as da

    if not lazy.shape[0] or not lazy.shape[1]:
        return np.empty(lazy.shape, lazy.dtype)
    return da.from_array(  # type: ignore[no-untyped-call]
        lazy, chunks=chunks, name=name, asarray=False, fancy=False, meta=np.empty((0, 0), dtype=lazy.dtype)
    )


def _time_chunks(source: SeriesSource, most: int) -> tuple[int, ...]:
    """Lengths of the Dataset's chunks along time: the store's own, several together where a site is small.

    A task of Dask costs as much as reading some hundred thousand values. Where several chunks make a day or more,
    days fall on borders, so that a mean of an hour or a day needs one chunk.
    """
    if not source.size:
        return (0,)
    together = max(1, most // (source.grid.slots * max(1, len(source.assets))))
    while together > 1 and _DAY % (together * source.grid.span) and (together * source.grid.span) % _DAY:
        together -= 1
    slots = source.grid.slots * together
    first = slots - (source.start // source.grid.step) % slots
    if first >= source.size:
        return (source.size,)
    whole, part = divmod(source.size - first, slots)
    return (first, *[slots] * whole, *([part] if part else []))


def _variable_groups(view: SeriesView, variables: Sequence[str]) -> list[tuple[str, ...]]:
    """Variables in groups whose open chunks fit into memory together."""
    samples = max((chunk.values for chunk in view.tail), default=0) / max(1, len(view.variables))
    each = max(1.0, samples * 8)
    most = max(1, int(_GROUP_BYTES / each))
    return [tuple(variables[i : i + most]) for i in range(0, len(variables), most)]


@contextlib.contextmanager
def site_view(site: SiteStore) -> Iterator[SiteView]:
    """Journal and store of a site at one instant, in the order that keeps a reader right."""
    with site.journal.view() as journal:
        yield SiteView(journal, site.telemetry.snapshot())
