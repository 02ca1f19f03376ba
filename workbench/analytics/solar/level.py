"""Zero, sign and scale of a sensor: offsets at night, reversed signs, steps of the level (a new sensor, W taken for kW).

Zero is what a night says. A sign is reversed where a whole day is negative. A step of the level is told from daily sums against
the same plant in other years, against the sun outside of the atmosphere where the place is known, or against a reference field.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
import xarray as xr

from workbench.analytics.solar.series import DAY, Floats, Grid, Ints, Sun, dim_of, grid_of, night_medians, sun_of
from workbench.model.errors import InputError
from workbench.steps import remark

if TYPE_CHECKING:
    import polars as pl

#: Nights whose median tells the zero of the one in their middle.
_NIGHTS = 5
#: A day is reversed where its sum is this share of its absolute sum or less.
_REVERSED = -0.6
#: A day whose top is below this share of the scale says nothing of the sign, even in a unit a thousand times larger.
_DULL = 5e-4
#: Price of a step in squared spreads, by the logarithm of the number of days; days of a level at least; days that tell its spread.
_PRICE, _HOLDS = 3.0, 10
#: Days around a step that date it, and the quantile of the days that are clear.
_NEAR, _CLEAR = 30, 0.8
#: Ratios of units that are mixed up.
_UNITS = {1e3: "1000: W for kW", 1e-3: "0.001: kW for W", 1e6: "1,000,000: W for MW", 1e-6: "0.000001: MW for W"}


def night_offsets(data: xr.Dataset, *, variable: str = "irradiance_ghi") -> xr.DataArray:
    """Zero of a sensor as its nights say, dims (time, asset) [unit of the variable].

    The running median of five nights, from one noon to the next. NaN where a record has no nights. A thermopile reads some
    W/m2 below zero at night, an inverter takes some of its own power: both are told, and only large ones flagged.

    Raises
    ------
    InputError
        No such field, or times of no one cadence.
    """
    return _by_column(data, variable, offsets_of, long_name=f"{variable} at night")


def signs(data: xr.Dataset, *, variable: str = "total_ac_power") -> xr.DataArray:
    """-1 where the sign is reversed, else 1, by days: dims (time, asset).

    Raises
    ------
    InputError
        No such field, or times of no one cadence.
    """
    return _by_column(data, variable, signs_of, long_name=f"sign of {variable}", units="1")


def _by_column(data: xr.Dataset, variable: str, work: Any, **attrs: str) -> xr.DataArray:
    grid = grid_of(data, variable)
    found = np.full(grid.values.shape, np.nan)
    for column in range(data.sizes["asset"]):
        values = grid.values[:, column]
        if not np.isfinite(values).any():
            remark(f"{variable} of {data['asset'].values[column]} has no value at all")
        found[:, column] = work(values, sun_of(grid.times, values, grid.slot))
    if "units" not in attrs and "units" in data[variable].attrs:
        attrs["units"] = data[variable].attrs["units"]
    return dim_of(data, grid.back(found), **attrs)


def offsets_of(values: Floats, sun: Sun) -> Floats:
    """Of one series, [slot]; see :func:`night_offsets`."""
    out = np.full(len(values), np.nan)
    if not np.isfinite(sun.scale):
        return out
    # a night belongs to the noon before and the noon after: its number is that of the day whose first half it is
    night = sun.day + (sun.since > DAY / 2)
    table = np.pad(night_medians(values, night, sun.dark), _NIGHTS // 2, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(table, _NIGHTS)
    some = np.isfinite(windows).any(axis=1)
    level = np.full(len(windows), np.nan)
    level[some] = np.nanmedian(windows[some], axis=1)
    return np.asarray(level[night - night[0]])


def signs_of(values: Floats, sun: Sun) -> Floats:
    """Of one series, [slot]; see :func:`signs`."""
    out = np.ones(len(values))
    if not np.isfinite(sun.scale) or sun.scale <= 0:
        return out
    power = np.nan_to_num(values - sun.night)
    days = sun.day - sun.day.min()
    top = np.zeros(int(days.max()) + 1)
    np.maximum.at(top, days, np.abs(power))
    # by the day's own top: it may be in another unit; days without light have no sign
    power[np.abs(power) <= 0.02 * top[days]] = 0.0
    total, size = np.bincount(days, power), np.bincount(days, np.abs(power))
    enough = (np.bincount(days, power != 0.0) >= 3) & (top > max(_DULL * sun.scale, 10.0 * sun.resolution))
    return np.where(((total <= _REVERSED * size) & (size > 0) & enough)[days], -1.0, 1.0)


def level_shifts(
    data: xr.Dataset,
    *,
    variable: str = "total_ac_power",
    reference: str = "",
    smallest: float | None = None,
) -> pl.DataFrame:
    """Spans in which a series runs at another level.

    Parameters
    ----------
    data
        dims (time, asset): power, irradiance or daily energy in any unit; coordinate ``latitude`` [degree] where known.
    reference
        A field to compare with by day, such as irradiance or expected power.
    smallest
        Smallest step as a share of the level; left out: 0.1 with two years or a reference, else 0.5, as the seasons of one year
        cannot be told from steps.

    Returns
    -------
    polars.DataFrame
        A row for each span: ``asset``, ``start``, ``end`` (UTC, half-open), ``level`` against the longest span [1], its standard
        ``uncertainty``, ``days`` with data, ``note`` where the ratio is that of two units; ``reason`` where a series could not
        be judged.

    Raises
    ------
    InputError
        No such field, times of no one cadence, ``smallest`` not between 0 and 1.
    """
    import polars as pl

    if smallest is not None and not 0.0 < smallest < 1.0:
        raise InputError("must lie between 0 and 1", where="smallest", found=smallest)
    grid = grid_of(data, variable)
    beside = grid_of(data, reference) if reference else None
    ends = np.append(grid.times, grid.times[-1] + grid.slot)
    rows: list[tuple[Any, ...]] = []
    for column, asset in enumerate(map(str, data["asset"].values)):
        latitude = float("nan")
        if "latitude" in data.coords:
            latitude = float(np.broadcast_to(data.coords["latitude"].values, data.sizes["asset"])[column])
        starts, sums = _daily(grid, column, beside, latitude)
        if len(sums) < 2 * _HOLDS:
            why = f"{len(sums)} days with energy, of {2 * _HOLDS} it takes"
            rows.append((asset, int(ends[0]), int(ends[-1]), None, None, len(sums), None, why))
            continue
        years = (starts[-1] - starts[0]) / (365.25 * DAY)
        least = smallest if smallest is not None else 0.1 if years >= 2.0 or reference else 0.5
        spans = _steps(starts, np.log(sums), years, least)
        base = max(spans, key=lambda one: one[1] - one[0])[2]
        for i, (first, stop, level, error) in enumerate(spans):
            start = int(ends[0]) if i == 0 else int(starts[first])
            end = int(ends[-1]) if i == len(spans) - 1 else int(starts[stop])
            ratio = float(np.exp(level - base))
            note = next((text for unit, text in _UNITS.items() if abs(np.log(ratio / unit)) < 0.9), None)
            rows.append((asset, start, end, ratio, ratio * error, stop - first, note, None))
    names = ("asset", "start", "end", "level", "uncertainty", "days", "note", "reason")
    types = (pl.String, pl.Int64, pl.Int64, pl.Float64, pl.Float64, pl.Int64, pl.String, pl.String)
    table = pl.DataFrame(rows, schema=dict(zip(names, types, strict=True)), orient="row")
    return table.with_columns(pl.col("start", "end").cast(pl.Datetime("ns")))


def _daily(grid: Grid, column: int, beside: Grid | None, latitude: float) -> tuple[Ints, Floats]:
    """Starts of the days with energy [ns], and what they gave against what the season or the reference had."""
    values = grid.values[:, column]
    total: Floats
    if grid.slot >= DAY:
        day, total = np.arange(len(values)), np.nan_to_num(values).astype(np.float64)
        starts = grid.times
    else:
        sun = sun_of(grid.times, values, grid.slot)
        if not np.isfinite(sun.scale):
            return np.array([], np.int64), np.array([])
        power = np.abs(values - sun.night)
        if beside is not None:
            other = beside.values[:, min(column, beside.values.shape[1] - 1)]
            both = np.isfinite(power) & np.isfinite(other)
            power = np.where(both, power, np.nan)
        day = sun.day - sun.day.min()
        total = np.bincount(day, np.nan_to_num(power)).astype(np.float64)
        top = np.zeros(len(total))
        np.maximum.at(top, day, np.nan_to_num(power))
        # by the day's own top, whatever the unit; a day counts with half of the slots that days usually have
        seen = np.bincount(day, np.isfinite(power) & (power > 0.02 * top[day]) & (top[day] > 0))
        if (seen > 0).any():
            total[seen < 0.5 * np.median(seen[seen > 0])] = 0.0
        first = np.flatnonzero(np.diff(sun.day, prepend=sun.day[0] - 1))
        starts = np.full(len(total), 0, np.int64)
        starts[day[first]] = grid.times[first]
        if beside is not None:
            norm = np.bincount(day, np.nan_to_num(np.where(np.isfinite(power), other, np.nan)))
            total = np.where(norm > 0, total / np.where(norm > 0, norm, 1.0), 0.0)
    good = total > 0
    if beside is None and np.isfinite(latitude):
        total = total / np.maximum(_outside_atmosphere(starts, latitude), 0.05)
    return starts[good], total[good]


def _outside_atmosphere(starts: Ints, latitude: float) -> Floats:
    """Daily sum on the horizontal outside of the atmosphere, relative."""
    angle = 2.0 * np.pi * (starts / DAY) / 365.2425
    declination = np.radians(-23.44) * np.cos(angle + 2.0 * np.pi * 10.0 / 365.2425)
    lat = np.radians(latitude)
    hour = np.arccos(np.clip(-np.tan(lat) * np.tan(declination), -1.0, 1.0))
    return np.asarray(hour * np.sin(lat) * np.sin(declination) + np.cos(lat) * np.cos(declination) * np.sin(hour))


def _steps(starts: Ints, logs: Floats, years: float, least: float) -> list[tuple[int, int, float, float]]:
    """Spans [first, stop) of days with their level and its standard error (logarithms)."""
    season: Floats = np.zeros(len(logs))
    spans: list[tuple[int, int]] = [(0, len(logs))]
    angle = 2.0 * np.pi * starts / (365.2425 * DAY)
    waves = [np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)]
    spread, memory = 1.0, 0.0
    for _ in range(4):
        left = logs - season
        level = np.concatenate([np.full(b - a, np.median(left[a:b])) for a, b in spans])
        noise = left - level
        spread = max(1.4826 * float(np.median(np.abs(noise - np.median(noise)))), 1e-3)
        bounded = level + np.clip(noise, -2.5 * spread, 2.5 * spread)
        noise = bounded - level
        memory = float(np.clip(np.corrcoef(noise[:-1], noise[1:])[0, 1], 0.0, 0.9)) if noise.std() > 0 else 0.0
        # what is bounded now must not hide a step that is not yet in the levels
        price = _PRICE * np.log(len(logs)) * spread**2 * (1.0 + memory) / (1.0 - memory)
        new = _partition(_winsorized(left, spread), price)
        new = _merged(left, new, least)
        if years >= 2.0:
            steps = np.stack(
                [np.where((np.arange(len(logs)) >= a) & (np.arange(len(logs)) < b), 1.0, 0.0) for a, b in new]
            )
            design = np.concatenate([steps, np.stack(waves)]).T
            weights = _robust_fit(design, logs)
            season = design[:, len(new) :] @ weights[len(new) :]
        if new == spans:
            break
        spans = new
    left = logs - season
    spans = _dated(left, spans)
    inflate = np.sqrt((1.0 + memory) / (1.0 - memory))
    return [(a, b, float(np.median(left[a:b])), 1.2533 * spread * inflate / np.sqrt(b - a)) for a, b in spans]


def _dated(left: Floats, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans with their ends where the clear days put them: these tell a level best, whatever the clouds."""
    cuts = [span[0] for span in spans[1:]]
    for k, cut in enumerate(cuts):
        first = cuts[k - 1] if k else 0
        stop = cuts[k + 1] if k + 1 < len(cuts) else len(left)
        low, high = max(first + _HOLDS // 2, cut - _NEAR), min(stop - _HOLDS // 2, cut + _NEAR)
        # away from the cut itself, whose days may be of either side
        before = np.quantile(left[first : max(cut - 5, first + 3)], _CLEAR)
        after = np.quantile(left[min(cut + 5, stop - 3) : stop], _CLEAR)
        here = left[low:high]
        off = np.stack([here - before, here - after])
        loss = np.where(off > 0, _CLEAR * off, (_CLEAR - 1.0) * off)
        gain = np.concatenate(
            [[0.0], np.cumsum(loss[0] - loss[1])]
        )  # of the days up to one, if they lie before the step
        cuts[k] = low + int(np.argmin(gain))
    return list(itertools.pairwise([0, *cuts, len(left)]))


def _winsorized(left: Floats, spread: float) -> Floats:
    """Single days bounded to their surroundings of a month: a step stays a step."""
    half = 15
    padded = np.pad(left, half, mode="reflect") if len(left) > half else np.pad(left, half, mode="edge")
    middle = np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1), axis=1)
    return np.asarray(middle + np.clip(left - middle, -2.5 * spread, 2.5 * spread))


def _robust_fit(design: Floats, values: Floats) -> Floats:
    weights: Floats = np.ones(len(values))
    found: Floats = np.zeros(design.shape[1])
    for _ in range(5):
        root = np.sqrt(weights)[:, None]
        found = np.asarray(np.linalg.lstsq(design * root, values * root[:, 0], rcond=None)[0], dtype=np.float64)
        off = np.abs(values - design @ found)
        weights = 1.0 / np.maximum(off, max(float(np.median(off)), 1e-6))
    return found


def _partition(values: Floats, price: float) -> list[tuple[int, int]]:
    """Spans of constant mean: least squares plus a price for each (optimal partitioning), none shorter than ten days."""
    come = _partitioned(values, price, _HOLDS)
    cuts = [len(values)]
    while cuts[-1] > 0:
        cuts.append(int(come[cuts[-1]]))
    return list(itertools.pairwise(cuts[::-1]))


@numba.njit(cache=True, nogil=True)
def _partitioned(values: Any, price: float, holds: int) -> Any:
    size = values.size
    one, two = np.zeros(size + 1), np.zeros(size + 1)
    for k in range(size):
        one[k + 1], two[k + 1] = one[k] + values[k], two[k] + values[k] ** 2
    best = np.full(size + 1, np.inf)
    best[0] = -price
    come = np.zeros(size + 1, np.int64)
    for stop in range(holds, size + 1):
        for first in range(stop - holds + 1):
            cost = best[first] + two[stop] - two[first] - (one[stop] - one[first]) ** 2 / (stop - first) + price
            if cost < best[stop]:
                best[stop], come[stop] = cost, first
    return come


def _merged(left: Floats, spans: list[tuple[int, int]], least: float) -> list[tuple[int, int]]:
    """Spans whose levels differ by less than ``least`` are one."""
    spans = list(spans)
    while len(spans) > 1:
        levels = [float(np.median(left[a:b])) for a, b in spans]
        sizes = [abs(np.expm1(-abs(one - other))) for one, other in itertools.pairwise(levels)]
        k = int(np.argmin(sizes))
        if sizes[k] >= least:
            break
        spans[k : k + 2] = [(spans[k][0], spans[k + 1][1])]
    return spans
