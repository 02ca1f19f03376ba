"""What the other turbines of a farm say at the same time: the reference that a sensor or a clock is held against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.kpi import variable_of
from workbench.model.errors import InputError
from workbench.steps import progress

if TYPE_CHECKING:
    import polars as pl

Floats = npt.NDArray[np.float64]

#: Neighbours needed at a time: with one alone, nobody can tell which of the two is off.
FEWEST = 2


def by_turbine(data: xr.Dataset, name: str) -> Floats:
    """Values of a field that are not flagged as wrong, [time, asset], 64 bits.

    Raises
    ------
    InputError
        No such field, or not by turbine.
    """
    values = variable_of(data, name)
    if set(values.dims) != {"time", "asset"}:
        raise InputError("not measured by turbine", where=name, found=str(values.dims), expected="dims (time, asset)")
    return np.asarray(values.transpose("time", "asset").values, dtype=np.float64)


def others_median(values: Floats, *, fewest: int = FEWEST) -> Floats:
    """At each time the median of the other turbines, [time, asset]; NaN where fewer than ``fewest`` have a value."""
    return np.asarray(_others(np.ascontiguousarray(values), fewest), dtype=np.float64)


def others_direction(values: Floats, *, fewest: int = FEWEST) -> Floats:
    """Circular median [degree, 0..360) of the other turbines' directions [degree], [time, asset].

    The median of the angles from the mean vector of all, which is the circular median as long as most directions lie
    within half a turn.
    """
    turned = np.deg2rad(values)
    with np.errstate(invalid="ignore"):
        centre = np.rad2deg(np.arctan2(np.nansum(np.sin(turned), axis=1), np.nansum(np.cos(turned), axis=1)))
        found: Floats = (others_median(wrapped(values - centre[:, None]), fewest=fewest) + centre[:, None]) % 360.0
    return found


def farm_direction(values: Floats) -> Floats:
    """Wind direction [degree, 0..360) of the farm at each time, from that of its turbines [time, asset]; NaN where none has one.

    The median about the mean vector, of which one vane that is off is no part.
    """
    turned = np.deg2rad(values)
    known = np.isfinite(values).any(axis=1)
    centre = np.full(len(values), np.nan)
    if known.any():
        sines, cosines = (np.nansum(part(turned[known]), axis=1) for part in (np.sin, np.cos))
        centre[known] = np.rad2deg(np.arctan2(sines, cosines))
        centre[known] += np.nanmedian(wrapped(values[known] - centre[known, None]), axis=1)
    found: Floats = centre % 360.0
    return found


def wrapped(angle: Any) -> Any:
    """An angle [degree] brought to [-180, 180)."""
    return (angle + 180.0) % 360.0 - 180.0


def reference_of(data: xr.Dataset, values: Floats, reference: xr.DataArray | None, *, circular: bool = False) -> Floats:
    """What each value is held against, [time, asset]: ``reference`` at the times of ``data``, or the other turbines.

    A reference that is sparser, such as an hourly reanalysis, is taken linearly between its times (directions by
    their vectors), never beyond them nor over gaps of more than twice its usual step.
    """
    if reference is None:
        return others_direction(values) if circular else others_median(values)
    if set(reference.dims) - {"time", "asset"} or "time" not in reference.dims:
        raise InputError(
            "a reference is a series",
            where="reference",
            found=str(reference.dims),
            expected="dims (time) or (time, asset)",
        )
    if "asset" in reference.dims and reference.sizes["asset"] == 1:
        reference = reference.isel(asset=0, drop=True)
    if "asset" in reference.dims:
        reference = reference.reindex(asset=data["asset"].values).transpose("time", "asset")
    known = np.asarray(reference.values, dtype=np.float64).reshape(reference.sizes["time"], -1)
    times = data["time"].values.astype("datetime64[ns]").astype(np.int64)
    stamps = reference["time"].values.astype("datetime64[ns]").astype(np.int64)
    if not circular:
        columns = [_between(times, stamps, one) for one in known.T]
    else:
        turned = np.deg2rad(known)
        parts = [
            (_between(times, stamps, s), _between(times, stamps, c))
            for s, c in zip(np.sin(turned).T, np.cos(turned).T, strict=True)
        ]
        columns = [np.rad2deg(np.arctan2(s, c)) % 360.0 for s, c in parts]
    return np.ascontiguousarray(np.broadcast_to(np.stack(columns, axis=1), values.shape))


def _between(times: npt.NDArray[np.int64], stamps: npt.NDArray[np.int64], values: Floats) -> Floats:
    there = np.isfinite(values)
    stamps, values = stamps[there], values[there]
    if len(stamps) < 2:
        return np.full(len(times), np.nan)
    found = np.interp(times, stamps, values, left=np.nan, right=np.nan)
    right = np.clip(np.searchsorted(stamps, times), 1, len(stamps) - 1)
    gap = stamps[right] - stamps[right - 1]
    exact = np.isin(times, stamps)
    return np.where(exact | (gap <= 2 * np.median(np.diff(stamps))), found, np.nan)


@numba.njit(cache=True, nogil=True)
def _others(values: Any, fewest: int) -> Any:
    rows, columns = values.shape
    out = np.full((rows, columns), np.nan)
    known = np.empty(columns)
    for row in range(rows):
        n = 0
        for column in range(columns):
            if not np.isnan(values[row, column]):
                known[n] = values[row, column]
                n += 1
        if n < fewest:
            continue
        ordered = np.sort(known[:n])
        for column in range(columns):
            own = values[row, column]
            if np.isnan(own):
                m = n
                low = ordered[(m - 1) // 2]
                high = ordered[m // 2]
            else:
                m = n - 1
                if m < fewest:
                    continue
                rank = np.searchsorted(ordered, own)  # without it, what follows moves down by one
                i, j = (m - 1) // 2, m // 2
                low = ordered[i if i < rank else i + 1]
                high = ordered[j if j < rank else j + 1]
            out[row, column] = 0.5 * (low + high)
    return out


@numba.njit(cache=True, nogil=True)
def block_medians(values: Any, starts: Any, fewest: int) -> Any:
    """Median of ``values`` [time] in each of the blocks that begin at ``starts`` and end at the next.

    NaN with fewer than ``fewest`` values.
    """
    count = starts.size - 1
    out = np.full(count, np.nan)
    for block in range(count):
        part = values[starts[block] : starts[block + 1]]
        part = part[~np.isnan(part)]
        if part.size >= fewest:
            out[block] = np.median(part)
    return out


def blocks_of(times: npt.NDArray[Any], length: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Blocks of ``length`` [ns] counted from 1970 that cover ``times``: starts [ns] and rows where each begins, [n + 1]."""
    stamps = times.astype("datetime64[ns]").astype(np.int64)
    if not len(stamps):
        return np.zeros(0, np.int64), np.zeros(1, np.int64)
    first, last = stamps[0] // length, stamps[-1] // length
    edges = np.arange(first, last + 2) * length
    return edges[:-1], np.searchsorted(stamps, edges).astype(np.int64)


def autocorrelation(residual: Floats) -> float:
    """Correlation of neighbouring values, kept within [0, 0.95]; 0 where it cannot be told."""
    off = residual[np.isfinite(residual)]
    if len(off) < 10 or not off.any():
        return 0.0
    off = off - off.mean()
    return float(np.clip((off[1:] * off[:-1]).sum() / (off * off).sum(), 0.0, 0.95))


def tell_round(number: int, done: int, of: int) -> None:
    """Tell how far the look ``number`` (from 0) at all turbines is, of an unknown number of looks.

    The first counts as half of the work, each further one as half of what is left; in a farm that is in order it is the only
    one.
    """
    before = 1.0 - 0.5**number
    share = before + 0.5 ** (number + 1) * done / max(of, 1)
    progress(min(int(1000 * share), 999), 1000, "turbines")


def on_slots(table: pl.DataFrame, column: str, data: xr.Dataset) -> npt.NDArray[np.float32]:
    """What a table of spans (``asset``, ``start``, ``end``, ``column``) says at the times of ``data``, [time, asset]; else NaN."""
    times = data["time"].values.astype("datetime64[ns]")
    names = list(map(str, data["asset"].values))
    found = np.full((len(times), len(names)), np.nan, dtype=np.float32)
    for asset, start, end, value in table.select("asset", "start", "end", column).iter_rows():
        if value is not None and asset in names:
            first, stop = np.searchsorted(times, np.array([start, end], dtype="datetime64[ns]"))
            found[first:stop, names.index(asset)] = value
    return found
