"""From a long table of samples to a regular grid: a Dataset with dims (time, asset).

Several samples in one slot: the last in file order wins and ``sample_count`` keeps their number. Where the
very same time stamp came with another value, the value is flagged DUPLICATE. None: the slot is missing,
nothing is invented.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.model.errors import InputError
from workbench.model.quality import Quality, quality_attrs, quality_name

COUNT = "sample_count"
#: A grid with more slots than this per sample is taken for a wrong time stamp or a wrong cadence.
MOST_SLOTS_PER_SAMPLE = 1_000


@dataclass(frozen=True)
class Table:
    """Samples as columns of equal length, in file order.

    ``time`` [n] int64 ns since 1970 UTC; ``asset`` [n] integer index into ``assets``; ``columns`` holds float
    arrays [n] by variable name, NaN where no value was sent.
    """

    time: npt.NDArray[np.int64]
    asset: npt.NDArray[np.integer]
    assets: Sequence[str]
    columns: Mapping[str, npt.NDArray[np.floating]]
    quality: Mapping[str, npt.NDArray[np.uint16]] = field(default_factory=dict)  #: [n], for some variables


def to_grid(table: Table, cadence: int | None, attrs: Mapping[str, Mapping[str, object]]) -> xr.Dataset:
    """Place ``table`` on a grid.

    Parameters
    ----------
    table
        The samples.
    cadence
        Length of a slot [ns]; None keeps the times as they are.
    attrs
        Attributes by variable.

    Returns
    -------
    xr.Dataset
        dims (time, asset); each variable in the width of its column, ``sample_count`` uint16, a quality
        variable for each variable with duplicates. ``attrs``: ``rows``, ``duplicate_rows`` (same asset and
        time stamp as an earlier row), ``folded_rows`` (another time stamp in a slot already filled).
    """
    width = len(table.assets)
    rows = len(table.time)
    slots, times = _slots(table, cadence)
    height = len(times)
    flat = slots * width + table.asset
    count = np.bincount(flat, minlength=height * width)

    crowded = count > 1
    duplicates, folded, repeated = np.zeros(0, np.intp), 0, 0
    if crowded.any():
        there = np.flatnonzero(crowded[flat])
        same, repeated = _same_stamp(table.time[there], flat[there])
        duplicates = there[same]
        folded = int((count[crowded] - 1).sum())

    dims = ("time", "asset")
    variables: dict[str, tuple[tuple[str, str], npt.NDArray[np.generic], dict[str, object]]] = {}
    cells, first = np.unique(flat[duplicates], return_index=True)
    for name, values in table.columns.items():
        grid = np.full(height * width, np.nan, values.dtype)
        grid[flat] = values
        variables[name] = (dims, grid.reshape(height, width), dict(attrs.get(name, {})))
        contradicting = _contradictions(values[duplicates], flat[duplicates], cells, first)
        given = table.quality.get(name)
        if given is not None or len(contradicting):
            quality = np.zeros(height * width, np.uint16)
            if given is not None:
                quality[flat] = given
            quality[contradicting] |= np.uint16(Quality.DUPLICATE)
            variables[quality_name(name)] = (dims, quality.reshape(height, width), quality_attrs(name))
    counted = np.minimum(count, 0xFFFF).astype(np.uint16).reshape(height, width)
    variables[COUNT] = (dims, counted, {"long_name": "samples in the slot", "units": "1"})
    return xr.Dataset(
        variables,
        coords={"time": times, "asset": np.asarray(table.assets, dtype=object)},
        attrs={"rows": rows, "duplicate_rows": repeated, "folded_rows": folded - repeated},
    )


def _slots(table: Table, cadence: int | None) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.datetime64]]:
    """Slot number [n] of each sample, and the time of each slot."""
    if not len(table.time):
        return np.zeros(0, np.int64), np.zeros(0, "datetime64[ns]")
    if cadence is None:
        unique, inverse = np.unique(table.time, return_inverse=True)
        return inverse.astype(np.int64), unique.view("datetime64[ns]")
    numbers = table.time // cadence
    first = int(numbers.min())
    height = int(numbers.max()) - first + 1
    if height > MOST_SLOTS_PER_SAMPLE * max(len(table.time), 1_000):
        span = f"{_text(table.time.min())} … {_text(table.time.max())}"
        raise InputError(
            "the times span far more slots than there are samples",
            found=f"{len(table.time):,} samples over {height:,} slots, {span}",
            hint="a time stamp may be wrong, or the cadence too short",
        )
    times = ((np.arange(height, dtype=np.int64) + first) * cadence).view("datetime64[ns]")
    return numbers - first, times


def _text(nanoseconds: np.int64) -> str:
    return str(np.datetime64(int(nanoseconds), "ns").astype("datetime64[s]"))


def _same_stamp(time: npt.NDArray[np.int64], flat: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.bool_], int]:
    """Rows whose cell and exact time occur more than once, and how many of them are repetitions."""
    order = np.lexsort((time, flat))
    equal = (np.diff(time[order]) == 0) & (np.diff(flat[order]) == 0)
    same = np.zeros(len(time), bool)
    same[order[1:]] |= equal
    same[order[:-1]] |= equal
    return same, int(equal.sum())


def _contradictions(
    values: npt.NDArray[np.floating],
    flat: npt.NDArray[np.int64],
    cells: npt.NDArray[np.int64],
    first: npt.NDArray[np.intp],
) -> npt.NDArray[np.int64]:
    """The cells in which duplicates do not all say the same (missing against a value counts as another)."""
    reference = values[first][np.searchsorted(cells, flat)]
    differ = ~((values == reference) | (np.isnan(values) & np.isnan(reference)))
    return np.unique(flat[differ])
