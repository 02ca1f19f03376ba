"""The block of a journal row: how a batch looks as bytes.

Little endian, in this order, ``n`` samples, ``v`` variables of which ``v4`` are f4 and ``v8`` are f8::

    slot      i4 [n]      slots since the row's slot_min
    asset     i4 [n]      number of the asset in the journal
    time      i8 [n]      exact source time [ns since 1970 UTC]
    received  i8 [n]      [ns since 1970 UTC]
    count     u2 [n]      source updates folded into the sample
    values    f4 [v4, n]
    values    f8 [v8, n]
    quality   u2 [v, n]   only where the row's flag QUALITY is set

Variables run slowest: the values of one variable are in one piece, which is how they leave for the store.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from enum import IntFlag
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from workbench.model.samples import Batch, Shape

#: Bytes per sample beside its values.
HEAD = 4 + 4 + 8 + 8 + 2


class RowFlag(IntFlag):
    """What is special about a row."""

    QUALITY = 1  #: some value has a quality other than good
    REPLACE = 2  #: its samples replace what their slots held, count and missing values included


_QUALITY = int(RowFlag.QUALITY)


@dataclass(frozen=True)
class Layout:
    """Where the variables of a shape stand in a block."""

    f4: npt.NDArray[np.intp]  #: places in ``shape.variables`` of the f4 variables
    f8: npt.NDArray[np.intp]

    @property
    def width(self) -> int:
        """Bytes of the values of one sample."""
        return 4 * len(self.f4) + 8 * len(self.f8)


@lru_cache(maxsize=4096)
def layout_of(shape: Shape) -> Layout:
    """The layout of a shape's blocks."""
    wide = np.array([dtype == "f8" for dtype in shape.dtypes], dtype=bool)
    return Layout(np.flatnonzero(~wide), np.flatnonzero(wide))


@dataclass(slots=True)
class Row:
    """A row of the journal as it stands there."""

    seq: int
    series: int
    shape: int
    slot_min: int
    slot_max: int
    n: int
    flags: int
    crc: int
    block: bytes


@dataclass(slots=True)
class Head:
    """What stands before the values, see the module's text; ``slot`` counts from the row's ``slot_min``."""

    slot: npt.NDArray[np.int32]
    asset: npt.NDArray[np.int32]
    time: npt.NDArray[np.int64]
    received: npt.NDArray[np.int64]
    count: npt.NDArray[np.uint16]


def checksum(row: tuple[int, int, int, int, int], block: bytes) -> int:
    """CRC-32 of a row: shape, slot_min, slot_max, n, flags, and the block."""
    return zlib.crc32(block, zlib.crc32(np.array(row, dtype="<i8").tobytes()))


def is_sound(row: Row) -> bool:
    """Whether the row is what was written."""
    return checksum((row.shape, row.slot_min, row.slot_max, row.n, row.flags), row.block) == row.crc


def encode(batch: Batch, slot_min: int, step: int, asset_ids: npt.NDArray[np.int32]) -> tuple[int, bytes]:
    """Flags and block of a batch whose samples all lie in one chunk; ``asset_ids`` [n]."""
    layout = layout_of(batch.shape)
    quality = batch.quality
    if quality is not None and not quality.any():
        quality = None
    parts = [
        ((batch.slot - slot_min) // step).astype("<i4").tobytes(),
        asset_ids.astype("<i4", copy=False).tobytes(),
        batch.time.astype("<i8", copy=False).tobytes(),
        batch.received.astype("<i8", copy=False).tobytes(),
        batch.count.astype("<u2", copy=False).tobytes(),
    ]
    values = batch.values.T
    with np.errstate(over="ignore"):  # beyond the range of f4 is infinity, and stays visible as that
        if not len(layout.f8):
            parts.append(values.astype("<f4", order="C").tobytes())
        else:
            parts.append(values[layout.f4].astype("<f4", order="C").tobytes())
            parts.append(values[layout.f8].astype("<f8", order="C").tobytes())
    if quality is not None:
        parts.append(quality.T.astype("<u2", order="C").tobytes())
    flags = (RowFlag.QUALITY if quality is not None else 0) | (RowFlag.REPLACE if batch.replace else 0)
    return int(flags), b"".join(parts)


def head(row: Row) -> Head:
    """Slots, assets, times and counts of a row."""
    n, block = row.n, row.block
    return Head(
        np.frombuffer(block, "<i4", n, 0),
        np.frombuffer(block, "<i4", n, 4 * n),
        np.frombuffer(block, "<i8", n, 8 * n),
        np.frombuffer(block, "<i8", n, 16 * n),
        np.frombuffer(block, "<u2", n, 24 * n),
    )


def values_f4(row: Row, layout: Layout) -> npt.NDArray[np.float32]:
    """The f4 values [v4, n]."""
    n, v = row.n, len(layout.f4)
    return np.frombuffer(row.block, "<f4", v * n, HEAD * n).reshape(v, n)


def values_f8(row: Row, layout: Layout) -> npt.NDArray[np.float64]:
    """The f8 values [v8, n]."""
    n, v = row.n, len(layout.f8)
    return np.frombuffer(row.block, "<f8", v * n, (HEAD + 4 * len(layout.f4)) * n).reshape(v, n)


def quality(row: Row, layout: Layout) -> npt.NDArray[np.uint16] | None:
    """The quality [v, n] in the order of the shape's variables; None where all is good."""
    if not row.flags & _QUALITY:
        return None
    n, v = row.n, len(layout.f4) + len(layout.f8)
    return np.frombuffer(row.block, "<u2", v * n, (HEAD + layout.width) * n).reshape(v, n)


def decode(row: Row, shape: Shape, step: int, assets: tuple[str, ...], places: npt.NDArray[np.int32]) -> Batch:
    """The batch a row was made from; ``places`` [asset number] gives the index into ``assets``."""
    layout = layout_of(shape)
    top = head(row)
    values = np.empty((len(shape.variables), row.n), dtype=np.float64)
    if len(layout.f8):
        values[layout.f4] = values_f4(row, layout)
        values[layout.f8] = values_f8(row, layout)
    else:
        values[:] = values_f4(row, layout)
    flags = quality(row, layout)
    return Batch(
        shape=shape,
        assets=assets,
        slot=row.slot_min + top.slot.astype(np.int64) * step,
        asset=places[top.asset],
        time=top.time,
        received=top.received,
        count=top.count,
        values=values.T,
        quality=None if flags is None else flags.T,
        seq=row.seq,
        replace=bool(row.flags & RowFlag.REPLACE),
    )
