"""Folds journal rows into the regular grid of a chunk of time.

The rule, the same wherever samples meet slots: of several samples in a slot the last to arrive wins,
variable by variable; a variable a sample did not send (NaN of good quality) keeps what is there; the
updates are counted. Rows marked REPLACE set what they carry, missing values and count included.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.model.samples import Shape
from workbench.store import block
from workbench.store.block import Row, RowFlag

FloatArray = npt.NDArray[np.floating[Any]]
CountArray = npt.NDArray[np.uint16]
#: Flat places in [slot, asset]: int32 where that is wide enough.
Places = npt.NDArray[np.integer[Any]]
MOST = np.iinfo(np.uint16).max
_REPLACE = int(RowFlag.REPLACE)
_NOWHERE = np.empty(0, dtype=np.int64)
_NOTHING = np.empty(0, dtype=np.float64)


@dataclass
class _Pieces:
    """What is kept of the rows of one shape; lists hold an array per row."""

    at: list[Places] = field(default_factory=list)  #: flat places in [slot, asset]
    order: list[int] = field(default_factory=list)  #: number of the first sample in the order of arrival
    replace: list[bool] = field(default_factory=list)
    f4: list[npt.NDArray[np.float32]] = field(default_factory=list)  #: [v4, n]
    f8: list[npt.NDArray[np.float64]] = field(default_factory=list)
    quality: list[CountArray | None] = field(default_factory=list)  #: [v, n]


@dataclass
class _Part:
    """All samples of one shape, in order of arrival; ``where`` gives (width, line) of each variable."""

    at: Places
    runs: list[tuple[int, int]]  #: of each row, number of the first sample in the order of arrival, and samples
    replace: npt.NDArray[np.bool_] | None
    f4: npt.NDArray[np.float32]
    f8: npt.NDArray[np.float64]
    quality: CountArray | None
    where: dict[str, tuple[str, int]]
    quality_line: dict[str, int]

    @property
    def order(self) -> npt.NDArray[np.int64]:
        """Number of each sample in the order of arrival, over all shapes."""
        return np.concatenate([np.arange(first, first + n) for first, n in self.runs])


class Fold:
    """Rows of one series, folded onto slots × assets, one variable at a time.

    Parameters
    ----------
    rows
        In the order of their numbers.
    shapes
        Shapes by number.
    places
        [asset number] position on the output's asset axis, -1 for an asset that is not wanted.
    start, step, size
        First slot [ns], length of a slot [ns], number of slots.
    assets
        Length of the asset axis.
    variables
        Those wanted; all by default. Only their values are kept in memory.
    counts
        Whether the updates will be asked for.
    """

    def __init__(
        self,
        rows: Iterable[Row],
        shapes: Mapping[int, Shape],
        places: npt.NDArray[np.int32],
        *,
        start: int,
        step: int,
        size: int,
        assets: int,
        variables: Sequence[str] | None = None,
        counts: bool = True,
    ) -> None:
        self.shape = (size, assets)
        self.rows = 0
        self.last_seq = 0
        self._counts: list[tuple[bool, Places, npt.NDArray[np.int64], CountArray]] = []
        width = np.int32 if size * assets < 1 << 31 else np.int64
        pieces: dict[int, _Pieces] = {}
        choices: dict[int, _Choice] = {}
        arrived = 0
        for row in rows:
            self.rows += 1
            self.last_seq = row.seq
            choice = choices.get(row.shape)
            if choice is None:
                choice = choices[row.shape] = _choose(shapes[row.shape], variables)
                pieces[row.shape] = _Pieces()
            top = block.head(row)
            slot = top.slot.astype(np.int64) + (row.slot_min - start) // step
            asset = places[top.asset]
            at = slot * assets + asset
            keep: Any = None
            if asset.min() < 0 or slot.min() < 0 or slot.max() >= size:
                keep = np.flatnonzero((asset >= 0) & (slot >= 0) & (slot < size))
                at = at[keep]
            replace = bool(row.flags & _REPLACE)
            at = at.astype(width)
            if counts:
                # Copies: a view would keep the whole block of the row in memory.
                chosen = slice(None) if keep is None else keep
                self._counts.append((replace, at, np.array(top.time[chosen]), np.array(top.count[chosen])))
            if choice.empty:
                continue
            held = pieces[row.shape]
            held.at.append(at)
            held.order.append(arrived)
            held.replace.append(replace)
            arrived += len(at)
            held.f4.append(_cut(block.values_f4(row, choice.layout), choice.f4, keep))
            held.f8.append(_cut(block.values_f8(row, choice.layout), choice.f8, keep))
            flags = block.quality(row, choice.layout)
            held.quality.append(None if flags is None else _cut(flags, choice.all, keep))
        self._parts = [_join(choices[number], held) for number, held in pieces.items() if held.at]

    @property
    def variables(self) -> dict[str, str]:
        """Variables the rows carry, with the widest dtype of each."""
        found: dict[str, str] = {}
        for part in self._parts:
            for name, (dtype, _) in part.where.items():
                found[name] = max(found.get(name, dtype), dtype)
        return found

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        marks = sum(part.quality.nbytes for part in self._parts if part.quality is not None)
        values = sum(part.at.nbytes + part.f4.nbytes + part.f8.nbytes for part in self._parts)
        return marks + values + sum(at.nbytes + when.nbytes + n.nbytes for _, at, when, n in self._counts)

    def has_quality(self, name: str) -> bool:
        """Whether a row has a quality other than good in a sample with this variable."""
        return any(part.quality is not None for part in self._parts if name in part.where)

    def values(self, name: str, base: FloatArray | None = None, *, dtype: str = "f4") -> FloatArray:
        """Values [slot, asset] of a variable; ``base`` is what the slots hold already and is not changed."""
        values = np.full(self.shape, np.nan, dtype=dtype) if base is None else np.array(base, dtype=dtype, order="C")
        at, column, _ = self._sent(name)
        # With repeated places NumPy keeps the last value assigned, which is the last that arrived.
        with np.errstate(over="ignore"):
            values.reshape(-1)[at] = column
        return values

    def quality(self, name: str, base: CountArray | None = None) -> CountArray | None:
        """Quality [slot, asset] of a variable, None where all is good; ``base`` as in :meth:`values`."""
        if base is not None and not base.any():
            base = None
        at, _, marks = self._sent(name)
        if marks is None and base is None:
            return None
        flags = np.zeros(self.shape, np.uint16) if base is None else np.array(base, dtype=np.uint16, order="C")
        flags.reshape(-1)[at] = 0 if marks is None else marks
        return flags if flags.any() else None

    def counts(self, base: CountArray | None = None) -> CountArray:
        """Samples folded into each slot [slot, asset]; ``base`` is what was counted already.

        A sample that was delivered twice (its acknowledgement was lost when the collector was killed) has the
        same source time and counts once.
        """
        total = np.zeros(self.shape, dtype=np.int64) if base is None else base.astype(np.int64, order="C")
        flat = total.reshape(-1)
        for replace, run in groupby(self._counts, key=itemgetter(0)):
            places, times, numbers = (np.concatenate(column) for column in list(zip(*run, strict=True))[1:])
            if replace:
                flat[places] = numbers
            else:
                flat += _distinct(places, times, numbers, flat.size)
        return np.minimum(total, MOST).astype(np.uint16)

    def _sent(self, name: str) -> tuple[Places, FloatArray, CountArray | None]:
        """Places, values and quality of what the samples sent of a variable, in order of arrival."""
        found = self._column(name)
        if found is None:
            return _NOWHERE, _NOTHING, None
        at, column, marks, replace = found
        sent = ~np.isnan(column)
        if marks is not None:
            sent |= marks != 0
        if replace is not None:
            sent |= replace
        if sent.all():
            return at, column, marks
        return at[sent], column[sent], None if marks is None else marks[sent]

    def _column(self, name: str) -> tuple[Places, FloatArray, CountArray | None, npt.NDArray[np.bool_] | None] | None:
        parts = [part for part in self._parts if name in part.where]
        if not parts:
            return None
        columns = [_line(part, name) for part in parts]
        if len(parts) == 1:
            part, (column, marks) = parts[0], columns[0]
            return part.at, column, marks, part.replace
        # The variable comes in samples of several shapes: bring them into the order of arrival.
        order = np.argsort(np.concatenate([part.order for part in parts]), kind="stable")
        at = np.concatenate([part.at for part in parts])[order]
        column = np.concatenate([column for column, _ in columns])[order]
        marks = None
        if any(found is not None for _, found in columns):
            marks = np.concatenate(
                [np.zeros(len(column), np.uint16) if found is None else found for column, found in columns]
            )[order]
        replace = None
        if any(part.replace is not None for part in parts):
            replace = np.concatenate(
                [np.zeros(len(part.at), bool) if part.replace is None else part.replace for part in parts]
            )[order]
        return at, column, marks, replace


def _distinct(places: Places, times: npt.NDArray[np.int64], numbers: CountArray, size: int) -> npt.NDArray[np.int64]:
    """Samples of distinct source times at each of ``size`` places."""
    total = np.bincount(places, weights=numbers, minlength=size).astype(np.int64)
    several = np.bincount(places[numbers > 0], minlength=size)[places] > 1
    if several.any():
        at, when, many = places[several], times[several], numbers[several].astype(np.int64)
        order = np.lexsort((when, at))
        at, when, many = at[order], when[order], many[order]
        first = np.flatnonzero(np.r_[True, (at[1:] != at[:-1]) | (when[1:] != when[:-1])])
        total[at] = 0
        np.add.at(total, at[first], np.maximum.reduceat(many, first))
    return total


@dataclass(frozen=True)
class _Choice:
    """Which lines of a shape's blocks are wanted; None for all, in order."""

    layout: block.Layout
    f4: npt.NDArray[np.intp] | None
    f8: npt.NDArray[np.intp] | None
    all: npt.NDArray[np.intp] | None
    where: dict[str, tuple[str, int]]
    quality_line: dict[str, int]

    @property
    def empty(self) -> bool:
        return not self.where


def _choose(shape: Shape, variables: Sequence[str] | None) -> _Choice:
    layout = block.layout_of(shape)
    names = np.array(shape.variables, dtype=object)
    wanted = set(shape.variables if variables is None else variables)
    mask = np.array([name in wanted for name in shape.variables], dtype=bool)
    f4, f8 = np.flatnonzero(mask[layout.f4]), np.flatnonzero(mask[layout.f8])
    where = {str(name): ("f4", i) for i, name in enumerate(names[layout.f4][f4])}
    where |= {str(name): ("f8", i) for i, name in enumerate(names[layout.f8][f8])}
    lines = {str(name): i for i, name in enumerate(names[mask])}
    if mask.all():
        return _Choice(layout, None, None, None, where, lines)
    return _Choice(layout, f4, f8, np.flatnonzero(mask), where, lines)


def _cut(values: npt.NDArray[Any], lines: npt.NDArray[np.intp] | None, keep: Any) -> npt.NDArray[Any]:
    if lines is not None:
        values = values[lines]
    return values if keep is None else values[:, keep]


def _join(choice: _Choice, held: _Pieces) -> _Part:
    replace = None
    if any(held.replace):
        replace = np.repeat(held.replace, [len(at) for at in held.at])
    marks = None
    if any(found is not None for found in held.quality):
        lines = len(choice.quality_line)
        marks = np.concatenate(
            [
                np.zeros((lines, len(at)), np.uint16) if found is None else found
                for at, found in zip(held.at, held.quality, strict=True)
            ],
            axis=1,
        )
    runs = [(first, len(at)) for first, at in zip(held.order, held.at, strict=True)]
    at, f4 = np.concatenate(held.at), np.concatenate(held.f4, axis=1)
    held.f4.clear()  # where all of a block is wanted, these are views that keep it in memory
    return _Part(
        at=at,
        runs=runs,
        replace=replace,
        f4=f4,
        f8=np.concatenate(held.f8, axis=1),
        quality=marks,
        where=choice.where,
        quality_line=choice.quality_line,
    )


def _line(part: _Part, name: str) -> tuple[FloatArray, CountArray | None]:
    dtype, line = part.where[name]
    marks = None if part.quality is None else part.quality[part.quality_line[name]]
    return (part.f4[line] if dtype == "f4" else part.f8[line]), marks
