"""Northing jumps: where the zero of a turbine's direction was moved, held against the other turbines or a reanalysis.

The difference to the reference is nearly constant in time while the zero stays. Its daily circular medians are cut into
spans of constant level by optimal partitioning (the exact minimum of the squared misfit plus a penalty for each cut,
[1]_), with the misfit on the circle, 1 - cos. The penalty grows with the logarithm of the number of days (Schwarz) and
with the memory that the differences have from one day to the next. Then each instant is placed among the slots.

References
----------
.. [1] B. Jackson et al., An algorithm for optimal partitioning of data on an interval, IEEE Signal Processing Letters
   12 (2005) 105-108, https://doi.org/10.1109/LSP.2001.838216.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Annotated, Any

import numba
import numpy as np
import xarray as xr
from pydantic import Field

from workbench.analytics.wind.neighbours import (
    Floats,
    autocorrelation,
    blocks_of,
    by_turbine,
    on_slots,
    reference_of,
    tell_round,
    wrapped,
)
from workbench.analytics.wind.ten_minute import ten_minute
from workbench.model.errors import InputError
from workbench.model.quality import Quality, add_flags, clear_flags
from workbench.steps import progress, remark, step

if TYPE_CHECKING:
    import polars as pl

DAY = 86_400 * 10**9  #: [ns]
_SHORTEST = 5  #: days a level has to last
_FEWEST = 12  #: slots a day needs
_PENALTY = 4.0  #: of a cut, in units of log(days): a level and an instant are two parameters, twice Schwarz's
OFFSET = "_northing_offset"

_Span = tuple[int, int, float, float, int]  #: first row, row after the last, level and its uncertainty [degree], days


def northing_jumps(
    data: xr.Dataset,
    *,
    direction: str = "nacelle_position",
    reference: xr.DataArray | None = None,
    minimum_jump: float = 8.0,
    minimum_wind: float = 4.0,
    wind_speed: str = "wind_speed",
) -> pl.DataFrame:
    """Spans of constant northing of each turbine, and where they jump.

    Parameters
    ----------
    data
        dims (time, asset): direction [degree]; wind speed [m/s] where it is there. Faster data are brought to ten
        minutes first.
    reference
        Wind direction [degree], dims (time) or (time, asset), such as that of a reanalysis; the other turbines where left
        out, which takes three turbines.
    minimum_jump
        [degree]: smaller steps are taken as the same level.
    minimum_wind
        [m/s]: below it directions scatter and nacelles wait.

    Returns
    -------
    polars.DataFrame
        A row for each span: ``asset``, ``start``, ``end`` (UTC, half-open), ``days`` with data, ``level`` [degree] against
        the reference, its standard ``uncertainty``, and ``offset`` [degree] against the turbine's longest span, which is
        what to subtract; ``reason`` where a turbine could not be judged (then all else is null but the span of the data).
        The start of each span of an asset but its first is the instant of a jump.

    Raises
    ------
    InputError
        No such field, or not by turbine.
    """
    import polars as pl

    data = ten_minute(data)
    angles = by_turbine(data, direction)
    if wind_speed in data:
        angles = np.where(by_turbine(data, wind_speed) >= minimum_wind, angles, np.nan)
    times = data["time"].values.astype("datetime64[ns]").astype(np.int64)
    if not len(times):
        raise InputError("there is no data", where="time")
    _, rows = blocks_of(data["time"].values, DAY)
    corrected = angles
    spans: list[list[_Span]] = []
    moved: set[int] = set()
    for number in itertools.count():
        off = wrapped(angles - reference_of(data, corrected, reference, circular=True))
        spans = []
        for column in range(off.shape[1]):
            spans.append(_spans(off[:, column], rows, minimum_jump))
            tell_round(number, column + 1, off.shape[1])
        # a jump moves the neighbours' reference too: the worst are put right there before the next look
        new = [i for i, one in enumerate(spans) if len(one) > 1 and i not in moved]
        if not new or reference is not None:
            break
        new.sort(key=lambda i: -_weight(spans[i]))
        moved.update(new[: max(1, len(spans) // 10)])
        corrected = angles.copy()
        for i in moved:
            corrected[:, i] -= _offsets(spans[i], len(times))
    progress(1, 1, "turbines")
    step_ns = int(np.median(np.diff(times))) if len(times) > 1 else 0
    ends = np.append(times, times[-1] + step_ns)
    records: list[tuple[Any, ...]] = []
    for asset, one in zip(map(str, data["asset"].values), spans, strict=True):
        if not one:
            few = data.sizes["asset"] < 3 and reference is None
            why = "fewer than two neighbours, and no reference" if few else "too few days with data"
            records.append((asset, int(ends[0]), int(ends[-1]), 0, None, None, None, why))
        base = max(one, key=lambda span: span[4])[2] if one else 0.0
        for first, stop, level, uncertainty, days in one:
            offset = float(wrapped(level - base))
            records.append((asset, int(ends[first]), int(ends[stop]), days, level, uncertainty, offset, None))
    names = ("asset", "start", "end", "days", "level", "uncertainty", "offset", "reason")
    types = (pl.String, pl.Int64, pl.Int64, pl.Int64, pl.Float64, pl.Float64, pl.Float64, pl.String)
    table = pl.DataFrame(records, schema=dict(zip(names, types, strict=True)), orient="row")
    return table.with_columns(pl.col("start", "end").cast(pl.Datetime("ns")))


def _weight(spans: list[_Span]) -> float:
    """How much of the time a turbine is off, and how far."""
    base = max(spans, key=lambda span: span[4])[2]
    return sum(min(abs(float(wrapped(span[2] - base))), 45.0) * span[4] for span in spans)


def _offsets(spans: list[_Span], size: int) -> Floats:
    """Offset of each slot against the longest span [degree]."""
    out = np.zeros(size)
    base = max(spans, key=lambda span: span[4])[2] if spans else 0.0
    for first, stop, level, _, _ in spans:
        out[first:stop] = wrapped(level - base)
    return out


def _spans(off: Floats, rows: Any, minimum_jump: float) -> list[_Span]:
    """Spans of constant level: first row, row after the last, level [degree], its uncertainty, days."""
    daily = _circular_medians(off, rows, _FEWEST)
    there = np.flatnonzero(np.isfinite(daily))
    if len(there) < _SHORTEST:
        return []
    # single days far from those around them are no level
    around = _running(daily[there])
    noise = max(1.4826 * float(np.median(np.abs(wrapped(daily[there] - around)))), 0.2)
    there = there[np.abs(wrapped(daily[there] - around)) <= 6.0 * noise]
    values = daily[there]
    if len(values) < _SHORTEST:
        return []
    memory = autocorrelation(wrapped(values - _running(values, 15)))
    sigma = np.deg2rad(noise) * np.sqrt((1.0 + memory) / (1.0 - memory))
    penalty = _PENALTY * np.log(len(values)) * sigma**2
    cuts = list(_partition(np.deg2rad(values), _SHORTEST, penalty))
    while True:  # steps too small to matter, the smallest first
        levels = [float(_mean(values[a:b])) for a, b in zip([0, *cuts], [*cuts, len(values)], strict=True)]
        jumps = [abs(float(wrapped(b - a))) for a, b in itertools.pairwise(levels)]
        if not jumps or min(jumps) >= minimum_jump:
            break
        del cuts[int(np.argmin(jumps))]
    edges = [0]
    for cut, before, after in zip(cuts, levels, levels[1:], strict=False):
        low, high = int(rows[there[max(cut - 3, 0)]]), int(rows[there[min(cut + 2, len(there) - 1)] + 1])
        edges.append(low + _instant(off[low:high], before, after))
    edges.append(len(off))
    spread = noise * np.sqrt((1.0 + memory) / (1.0 - memory))
    counts = np.diff([0, *cuts, len(values)])
    return [
        (edges[i], edges[i + 1], level, float(spread / np.sqrt(counts[i])), int(counts[i]))
        for i, level in enumerate(levels)
    ]


@numba.njit(cache=True, nogil=True)
def _mean(angles: Any) -> Any:
    """Circular median [degree, -180..180): the median of the angles from their mean vector."""
    turned = np.deg2rad(angles)
    centre = np.rad2deg(np.arctan2(np.sin(turned).sum(), np.cos(turned).sum()))
    middle = np.median((angles - centre + 180.0) % 360.0 - 180.0)
    return (centre + middle + 180.0) % 360.0 - 180.0


@numba.njit(cache=True, nogil=True)
def _running(angles: Any, reach: int = 3) -> Any:
    """Circular median of each value and the ``reach`` on either side."""
    out = np.empty(angles.size)
    for i in range(angles.size):
        out[i] = _mean(angles[max(0, i - reach) : i + reach + 1])
    return out


def _instant(off: Floats, before: float, after: float) -> int:
    """Row from which on the differences are nearer to the level after than to that before."""
    gain = np.cos(np.deg2rad(off - before)) - np.cos(np.deg2rad(off - after))
    return int(np.argmax(np.concatenate([[0.0], np.cumsum(np.nan_to_num(gain))])))


@numba.njit(cache=True, nogil=True)
def _circular_medians(off: Any, rows: Any, fewest: int) -> Any:
    out = np.full(rows.size - 1, np.nan)
    for block in range(rows.size - 1):
        part = off[rows[block] : rows[block + 1]]
        part = part[~np.isnan(part)]
        if part.size < fewest:
            continue
        out[block] = _mean(part)
    return out


@numba.njit(cache=True, nogil=True)
def _partition(angles: Any, shortest: int, penalty: float) -> Any:
    """Where to cut: the spans of least sum of 1 - cos from their mean directions, plus ``penalty`` for each [rad]."""
    n = angles.size
    s = np.zeros(n + 1)
    c = np.zeros(n + 1)
    s[1:] = np.cumsum(np.sin(angles))
    c[1:] = np.cumsum(np.cos(angles))
    best = np.full(n + 1, np.inf)
    best[0] = -penalty
    last = np.zeros(n + 1, np.int64)
    for stop in range(shortest, n + 1):
        for start in range(stop - shortest + 1):
            if not np.isfinite(best[start]):
                continue
            cost = best[start] + penalty + (stop - start) - np.hypot(s[stop] - s[start], c[stop] - c[start])
            if cost < best[stop]:
                best[stop] = cost
                last[stop] = start
    cuts = np.empty(n, np.int64)
    count = 0
    at = last[n]
    while at > 0:
        cuts[count] = at
        count += 1
        at = last[at]
    return cuts[:count][::-1]


@step("northing_jump_detection")
def northing_jump_detection(
    data: xr.Dataset,
    *,
    direction: str = "nacelle_position",
    reference: str = "",
    minimum_jump: Annotated[float, Field(gt=0)] = 8.0,
    minimum_wind: Annotated[float, Field(ge=0)] = 4.0,
    wind_speed: str = "wind_speed",
    flag: bool = True,
) -> xr.Dataset:
    """Find where the zero of a turbine's direction was moved; see :func:`northing_jumps`.

    Parameters
    ----------
    reference
        Field with the wind direction to compare with, such as that of a reanalysis; the other turbines where empty.
    flag
        Whether to flag INCONSISTENT what is off by more than half of ``minimum_jump``.

    Returns
    -------
    The data with ``<direction>_northing_offset`` [degree]: what to subtract; NaN where a turbine could not be judged.
    """
    data = ten_minute(data)
    table = northing_jumps(
        data,
        direction=direction,
        reference=data[reference] if reference else None,
        minimum_jump=minimum_jump,
        minimum_wind=minimum_wind,
        wind_speed=wind_speed,
    )
    offset = offsets_of(table, data)
    for asset, why in table.filter(table["reason"].is_not_null()).select("asset", "reason").iter_rows():
        remark(f"northing_jump_detection: {asset} is not judged: {why}")
    data = data.assign({direction + OFFSET: offset})
    if not flag:
        return data
    return add_flags(data, direction, abs(offset) > minimum_jump / 2, Quality.INCONSISTENT)


def offsets_of(table: pl.DataFrame, data: xr.Dataset) -> xr.DataArray:
    """The offsets of a table of :func:`northing_jumps` at the times of ``data``, (time, asset) [degree]."""
    found = on_slots(table, "offset", data)
    attrs = {"units": "degree", "long_name": "offset of the northing"}
    return xr.DataArray(found, dims=("time", "asset"), coords={n: data[n] for n in ("time", "asset")}, attrs=attrs)


@step("northing_jump_correction")
def northing_jump_correction(
    data: xr.Dataset, *, direction: str = "nacelle_position", undo: bool = False
) -> xr.Dataset:
    """Subtract the offsets that ``northing_jump_detection`` found; with ``undo`` add them again.

    The offsets stay beside the values, with the attribute ``subtracted``, so that it can be undone and is never done
    twice. The flag of the detection is taken away with the offset and comes back with it.

    Raises
    ------
    InputError
        The offsets are not in the data, or the correction was made already, or was not made.
    """
    name = direction + OFFSET
    if name not in data:
        raise InputError(
            "the offsets are not in the data", found=direction, expected=f"{name}, from northing_jump_detection"
        )
    done = bool(data[name].attrs.get("subtracted", 0))
    if done != undo:
        raise InputError("the offsets are subtracted already" if done else "no offsets were subtracted", where=name)
    offset = data[name].fillna(0.0)
    turned = (data[direction] + (offset if undo else -offset)) % 360.0
    # what has no offset keeps its value to the last bit: 360 stays 360
    values = xr.where(offset == 0, data[direction], turned).transpose(*data[direction].dims)  # type: ignore[no-untyped-call]
    values = values.astype(data[direction].dtype).assign_attrs(data[direction].attrs)
    data = data.assign({direction: values, name: data[name].assign_attrs(subtracted=int(not undo))})
    if undo:
        return add_flags(data, direction, offset != 0, Quality.INCONSISTENT)
    flagged = clear_flags(data, direction, Quality.INCONSISTENT)
    companion = direction + "_quality"
    if companion not in data:
        return flagged
    return flagged.assign(
        {
            companion: data[companion]
            .where(offset == 0, flagged[companion])
            .astype("uint16")
            .assign_attrs(data[companion].attrs)
        }
    )
