"""One series of the live ring: arrays of a fixed length in which the newest slot overwrites the oldest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from workbench.model.samples import NS, Batch, SeriesKey, Shape
from workbench.store.fold import MOST
from workbench.store.grid import grid_of

if TYPE_CHECKING:
    from workbench.store.reader import SeriesSource

#: Places along an axis.
Places = slice | npt.NDArray[np.intp]
Window = tuple[
    npt.NDArray[np.int64],
    dict[str, npt.NDArray[np.floating[Any]]],
    dict[str, npt.NDArray[np.uint16]],
    npt.NDArray[np.uint16],
]


class SeriesRing:
    """The newest slots of a series: slot × asset × variable, f4 and f8 variables apart.

    A sample's values lie together, so that folding one in writes one piece of memory.
    """

    def __init__(self, key: SeriesKey, seconds: float) -> None:
        self.key = key
        self.step = grid_of(key.cadence).step
        self.slots = max(1, int(np.ceil(seconds * NS / self.step)))
        self.head = -1  #: number of the newest slot since 1970, -1 while empty
        self.assets: list[str] = []
        self.variables: list[str] = []
        self._asset_place: dict[str, int] = {}
        self._place: dict[str, tuple[str, int]] = {}  #: variable -> plane, line
        self._planes: dict[str, npt.NDArray[Any]] = {
            "f4": np.empty((self.slots, 0, 0), np.float32),
            "f8": np.empty((self.slots, 0, 0), np.float64),
        }
        self._lines: dict[str, list[str]] = {"f4": [], "f8": []}
        self._quality: npt.NDArray[np.uint16] | None = None  #: made when the first flag turns up
        self._count = np.zeros((self.slots, 0), np.uint16)
        self.last_value = np.empty((0, 0), np.float64)
        self.last_time = np.zeros((0, 0), np.int64)
        self.last_quality = np.zeros((0, 0), np.uint16)
        self._columns: dict[Shape, _Columns] = {}
        self._asset_columns: dict[tuple[str, ...], npt.NDArray[np.intp]] = {}

    @property
    def nbytes(self) -> int:
        """Memory [bytes]."""
        flags = 0 if self._quality is None else self._quality.nbytes
        return sum(plane.nbytes for plane in self._planes.values()) + flags + self._count.nbytes

    # -- growing --------------------------------------------------------------------------------------

    def grow(self, assets: Iterable[str], variables: Mapping[str, str]) -> None:
        """Make room for assets and variables (name -> f4 | f8) that are not known yet."""
        more = [name for name in assets if name not in self._asset_place]
        new = {
            name: dtype for name, dtype in variables.items() if name not in self._place or self._place[name][0] < dtype
        }
        if not more and not new:
            return
        for name in more:
            self._asset_place[name] = len(self.assets)
            self.assets.append(name)
        widened = {}
        for name, dtype in new.items():
            if name in self._place:
                widened[name] = self._place[name]
            else:
                self.variables.append(name)
            self._place[name] = (dtype, len(self._lines[dtype]))
            self._lines[dtype].append(name)
        n, v = len(self.assets), len(self.variables)
        for dtype, plane in self._planes.items():
            self._planes[dtype] = _larger(plane, (self.slots, n, len(self._lines[dtype])), np.nan)
        for name, (dtype, line) in widened.items():
            wide, place = self._place[name]
            self._planes[wide][:, :, place] = self._planes[dtype][:, :, line]
        if self._quality is not None:
            self._quality = _larger(self._quality, (self.slots, n, v), 0)
        self._count = _larger(self._count, (self.slots, n), 0)
        self.last_value = _larger(self.last_value, (n, v), np.nan)
        self.last_time = _larger(self.last_time, (n, v), 0)
        self.last_quality = _larger(self.last_quality, (n, v), 0)
        self._columns.clear()
        self._asset_columns.clear()

    def _columns_of(self, shape: Shape) -> _Columns:
        found = self._columns.get(shape)
        if found is None:
            self.grow((), dict(zip(shape.variables, shape.dtypes, strict=True)))
            found = self._columns[shape] = _Columns(shape, self._place, self.variables)
        return found

    def _asset_column(self, assets: tuple[str, ...]) -> npt.NDArray[np.intp]:
        found = self._asset_columns.get(assets)
        if found is None:
            self.grow(assets, {})
            found = np.array([self._asset_place[name] for name in assets], dtype=np.intp)
            self._asset_columns[assets] = found
        return found

    # -- folding --------------------------------------------------------------------------------------

    def fold(self, batch: Batch) -> None:
        """Fold a batch in, by the rule of :mod:`workbench.store.fold`."""
        columns = self._columns_of(batch.shape)
        asset = self._asset_column(batch.assets)[batch.asset]
        number = batch.slot // self.step
        newest = int(number.max(initial=self.head))
        self._advance(newest)
        self.remember(batch)
        keep = number > newest - self.slots
        values, flags, count = batch.values, batch.quality, batch.count
        if not keep.all():
            number, asset, values, count = number[keep], asset[keep], values[keep], count[keep]
            flags = None if flags is None else flags[keep]
        if not len(number):
            return
        line = number % self.slots
        sent = ~np.isnan(values)
        if flags is not None:
            sent |= flags != 0
        if batch.replace:
            sent[:] = True
        if flags is not None and self._quality is None and flags.any():
            self._quality = np.zeros((self.slots, len(self.assets), len(self.variables)), np.uint16)
        with np.errstate(over="ignore"):
            for dtype, plane in self._planes.items():
                from_, into, width = columns.planes[dtype]
                if width:
                    _assign(plane, line, asset, into, values[:, from_], sent[:, from_])
        if self._quality is not None:
            marks = np.zeros(values.shape, np.uint16) if flags is None else flags
            _assign(self._quality, line, asset, columns.variables, marks, sent)
        if batch.replace:
            self._count[line, asset] = count
        elif len(np.unique(line * len(self.assets) + asset)) == len(line):
            self._count[line, asset] = np.minimum(self._count[line, asset].astype(np.int64) + count, MOST)
        else:
            total = self._count.astype(np.int64)
            np.add.at(total, (line, asset), count)
            self._count = np.minimum(total, MOST).astype(np.uint16)

    def remember(self, batch: Batch) -> None:
        """Take the newest value of each variable from a batch, by exact source time."""
        columns = self._columns_of(batch.shape).variables
        asset = self._asset_column(batch.assets)[batch.asset]
        values, times, flags = batch.values, batch.time, batch.quality
        if len(asset) > 1 and (len(np.unique(asset)) < len(asset)):
            # Several samples of an asset: in order of source time, each on top of the one before.
            order = np.argsort(times, kind="stable")
            ranks = _rank(asset[order])
            for rank in range(int(ranks.max()) + 1):
                at = order[ranks == rank]
                self._remember(columns, asset[at], values[at], times[at], None if flags is None else flags[at])
            return
        self._remember(columns, asset, values, times, flags)

    def _remember(
        self,
        columns: Places,
        asset: npt.NDArray[np.intp],
        values: npt.NDArray[np.float64],
        times: npt.NDArray[np.int64],
        flags: npt.NDArray[np.uint16] | None,
    ) -> None:
        where: Any = (asset, columns) if isinstance(columns, slice) else np.ix_(asset, columns)
        newer = ~np.isnan(values)
        if flags is not None:
            newer |= flags != 0
        newer &= times[:, None] >= self.last_time[where]
        if newer.all():
            self.last_value[where] = values
            self.last_time[where] = times[:, None]
            self.last_quality[where] = 0 if flags is None else flags
            return
        self.last_value[where] = np.where(newer, values, self.last_value[where])
        self.last_time[where] = np.where(newer, times[:, None], self.last_time[where])
        self.last_quality[where] = np.where(newer, 0 if flags is None else flags, self.last_quality[where])

    def _advance(self, newest: int) -> None:
        """Move the head on, emptying the slots that come into use."""
        if newest <= self.head:
            return
        fresh = newest - self.head if self.head >= 0 else self.slots
        lines = np.arange(max(newest - self.slots, newest - fresh) + 1, newest + 1) % self.slots
        for plane in self._planes.values():
            plane[lines] = np.nan
        if self._quality is not None:
            self._quality[lines] = 0
        self._count[lines] = 0
        self.head = newest

    # -- whole windows --------------------------------------------------------------------------------

    def fill(self, source: SeriesSource, dtypes: Mapping[str, str]) -> None:
        """Fill the ring with what ``source`` reads; its last slot becomes the newest."""
        if not source.size:
            return
        self.grow(source.assets, dtypes)
        self._advance((source.start + (source.size - 1) * source.grid.step) // self.step)
        line = (source.start // self.step + np.arange(source.size)) % self.slots
        asset = self._asset_column(source.assets)
        for number, name in enumerate(self.variables):
            if name not in source.variables:
                continue
            dtype, column = self._place[name]
            values = source.read(name, "value", dtype, 0, source.size)
            self._planes[dtype][line[:, None], asset[None, :], column] = values
            flags = source.quality(name)
            if flags is not None and self._quality is None:
                self._quality = np.zeros((self.slots, len(self.assets), len(self.variables)), np.uint16)
            if self._quality is not None:
                self._quality[line[:, None], asset[None, :], number] = 0 if flags is None else flags
            self._recall(number, asset, source, values, flags)
        self._count[line[:, None], asset[None, :]] = source.read("", "count", "u2", 0, source.size)

    def recall(self, source: SeriesSource) -> None:
        """Take newest values from what ``source`` reads, where none as new is known."""
        if not source.size:
            return
        asset = self._asset_column(source.assets)
        for number, name in enumerate(self.variables):
            if name in source.variables:
                values = source.read(name, "value", self._place[name][0], 0, source.size)
                self._recall(number, asset, source, values, source.quality(name))

    def _recall(
        self,
        number: int,
        asset: npt.NDArray[np.intp],
        source: SeriesSource,
        values: npt.NDArray[np.floating[Any]],
        flags: npt.NDArray[np.uint16] | None,
    ) -> None:
        """Newest values out of the window, for those the journal has no exact time of any more."""
        end = source.start + (source.size - 1) * source.grid.step
        if (self.last_time[asset, number] >= end).all():
            return
        there = ~np.isnan(values)
        if flags is not None:
            there |= flags != 0
        last = source.size - 1 - np.argmax(there[::-1], axis=0)
        times = source.start + last * source.grid.step
        better = there.any(axis=0) & (self.last_time[asset, number] < times)
        at, columns = asset[better], np.flatnonzero(better)
        self.last_value[at, number] = values[last[better], columns]
        self.last_quality[at, number] = 0 if flags is None else flags[last[better], columns]
        self.last_time[at, number] = times[better]

    def window(self, variables: Sequence[str], assets: Sequence[str], seconds: float | None) -> Window:
        """Times [ns], values, quality and counts of the newest ``seconds``."""
        size = self.slots if seconds is None else min(self.slots, max(1, int(np.ceil(seconds * NS / self.step))))
        if self.head < 0:
            size = 0
        numbers = np.arange(self.head - size + 1, self.head + 1, dtype=np.int64)
        line = numbers % self.slots
        asset = np.array([self._asset_place[name] for name in assets], dtype=np.intp)
        cell = (line[:, None], asset[None, :])
        values, flags = {}, {}
        numbered = {name: number for number, name in enumerate(self.variables)}
        for name in variables:
            dtype, column = self._place[name]
            values[name] = self._planes[dtype][(*cell, column)]
            if self._quality is None:
                flags[name] = np.zeros((size, len(asset)), np.uint16)
            else:
                flags[name] = self._quality[(*cell, numbered[name])]
        return numbers * self.step, values, flags, self._count[cell]


class _Columns:
    """Where the variables of a shape go in a ring."""

    def __init__(self, shape: Shape, place: Mapping[str, tuple[str, int]], variables: Sequence[str]) -> None:
        numbered = {name: number for number, name in enumerate(variables)}
        self.variables = _run([numbered[name] for name in shape.variables])
        self.planes: dict[str, tuple[Places, Places, int]] = {}
        for dtype in ("f4", "f8"):
            chosen = [(i, place[name][1]) for i, name in enumerate(shape.variables) if place[name][0] == dtype]
            self.planes[dtype] = (_run([i for i, _ in chosen]), _run([line for _, line in chosen]), len(chosen))


def _run(places: Sequence[int]) -> Places:
    """Places as a slice where they follow each other, which is the common case and much the faster."""
    if places and list(places) == list(range(places[0], places[0] + len(places))):
        return slice(places[0], places[0] + len(places))
    return np.array(places, dtype=np.intp)


def _assign(
    plane: npt.NDArray[Any],
    line: npt.NDArray[np.int64],
    asset: npt.NDArray[np.intp],
    into: Places,
    values: npt.NDArray[Any],
    sent: npt.NDArray[np.bool_],
) -> None:
    """``plane[line, asset, into] = values`` [n, v] where ``sent``; of repeated places the last wins."""
    if sent.all():
        if isinstance(into, slice):
            plane[line, asset, into] = values
        else:
            plane[line[:, None], asset[:, None], into[None, :]] = values
        return
    if isinstance(into, slice):
        into = np.arange(into.start, into.stop)
    row, column = np.nonzero(sent)
    plane[line[row], asset[row], into[column]] = values[row, column]


def _rank(groups: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """How many equal elements stand before each element."""
    order = np.argsort(groups, kind="stable")
    ordered = groups[order]
    first = np.r_[True, ordered[1:] != ordered[:-1]]
    starts = np.maximum.accumulate(np.where(first, np.arange(len(groups)), 0))
    ranks = np.empty(len(groups), dtype=np.intp)
    ranks[order] = np.arange(len(groups)) - starts
    return ranks


def _larger(array: npt.NDArray[Any], shape: tuple[int, ...], fill: float) -> npt.NDArray[Any]:
    if array.shape == shape:
        return array
    new = np.full(shape, fill, dtype=array.dtype)
    new[tuple(slice(0, n) for n in array.shape)] = array
    return new
