"""Clocks that were off: a turbine's against its neighbours', a site's against a reanalysis, and daylight saving.

For each day and each lag the misfit between the measured wind (or another quantity that turbines share) and
the reference moved by that lag. The path of lags through the days of least misfit plus a penalty for each change
(dynamic programming, [1]_) gives levels and their days; then each instant is placed among the slots. Both series are
first freed of their mean over a day on either side, so that neither a sensor's bias nor slow weather counts. The misfit
is scaled by its own memory: neighbouring values say the same thing twice.

Daylight saving shows in the time stamps alone as well: see :mod:`workbench.analytics.clock_changes`.

References
----------
.. [1] G. D. Forney, The Viterbi algorithm, Proceedings of the IEEE 61 (1973) 268-278.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.clock_changes import ClockChange, zone_changes
from workbench.analytics.wind.neighbours import Floats, autocorrelation, blocks_of, by_turbine, reference_of, tell_round
from workbench.analytics.wind.ten_minute import ten_minute
from workbench.model.time import parse_duration
from workbench.steps import progress

if TYPE_CHECKING:
    import polars as pl

DAY, HOUR, MINUTE = 86_400 * 10**9, 3_600 * 10**9, 60 * 10**9  #: [ns]
#: Of a change, as a log likelihood: e^-12 against a day chosen among a thousand and a lag among twenty-five.
_PENALTY = 12.0
_SHORTEST = 2  #: days a shift has to last
_SHORTEST_OUTSIDE = 60  #: the same against a reanalysis: its own phase changes with the season and the weather
_ROUNDS = (
    3  #: a clock that is off moves the neighbours' reference too; what was found is put right before the next look
)
_SHARE = 0.1  #: of all days, that a level needs to be taken for the phase of the reference


def clock_shifts(
    data: xr.Dataset,
    *,
    variable: str = "wind_speed",
    reference: xr.DataArray | None = None,
    largest: str = "PT3H",
    smallest: str = "PT20M",
    resolution: str = "PT30M",
    phase: str = "PT90M",
    tz: str | None = None,
) -> pl.DataFrame:
    """Spans in which each turbine's clock was off by a constant amount.

    Against neighbours the amount is that by which a turbine's time stamps are late [min]: positive where the clock was
    ahead, so that what happened at 12:00 is written down at 13:00. Against a reanalysis a constant part cannot be told
    from the phase error of its weather model: the level nearest to zero is taken as that where it is within ``phase``,
    and the others are measured from it.

    Parameters
    ----------
    data
        dims (time, asset) on a regular grid; faster data are brought to ten minutes first.
    variable
        What turbines share: wind speed, power, temperature; of an inverter its power with the irradiance as
        ``reference``.
    reference
        dims (time) or (time, asset), such as the wind speed of a reanalysis (hourly will do); the other turbines where
        left out, which takes three turbines.
    largest, smallest, resolution
        Largest lag looked at, smallest shift reported, and what a shift is rounded to; ISO 8601 durations. Clocks are
        set wrong by whole or half hours; in a large farm the wind itself needs some minutes.
    phase
        Of a reference from outside: largest constant lag that is taken for its own.
    tz
        Zone of the site, such as ``Europe/Paris``: a shift by the size of a change of its clock is dated to that change
        where it is within two weeks (against neighbours: two days), as a correlation cannot tell the day better.

    Returns
    -------
    polars.DataFrame
        A row for each span: ``asset``, ``start``, ``end`` (UTC, half-open), ``shift`` [min], ``lag`` as measured [min] and
        its standard ``uncertainty`` [min], ``correlation`` at that lag [1], ``phase`` [min] taken for the reference's;
        ``reason`` where a turbine could not be judged.

    Raises
    ------
    InputError
        No such field, times not on a regular grid.
    """
    import polars as pl

    from workbench.transforms.quality import slot_ns

    data = ten_minute(data)
    slot = slot_ns(data)
    values = by_turbine(data, variable)
    against = reference_of(data, values, reference)
    most = max(1, parse_duration(largest).ns // slot)
    least, unit = parse_duration(smallest).ns / MINUTE, max(parse_duration(resolution).ns, slot) / MINUTE
    tolerated = 0.0 if reference is None else parse_duration(phase).ns / MINUTE
    _, rows = blocks_of(data["time"].values, DAY)
    days = _SHORTEST if reference is None else _SHORTEST_OUTSIDE
    own = values
    found: list[list[_Level]] = [[] for _ in data["asset"].values]
    for number in range(_ROUNDS if reference is None else 1):
        against = reference_of(data, own, reference)
        before, found = found, []
        for i in range(values.shape[1]):
            found.append(_levels(values[:, i], against[:, i], rows, slot, most, days))
            tell_round(number, i + 1, values.shape[1])
        if [[level.key for level in one] for one in found] == [[level.key for level in one] for one in before]:
            break
        own = np.stack([_moved(values[:, i], one, slot, least) for i, one in enumerate(found)], axis=1)
    progress(1, 1, "turbines")
    times = data["time"].values.astype("datetime64[ns]").astype(np.int64)
    ends = np.append(times, times[-1] + slot)
    snap = (2 if reference is None else 14) * DAY
    changes = [] if tz is None else zone_changes(tz, int(ends[0]), int(ends[-1]))
    records: list[tuple[Any, ...]] = []
    for column, asset in enumerate(map(str, data["asset"].values)):
        levels = found[column]
        if not levels:
            few = data.sizes["asset"] < 3 and reference is None
            why = "fewer than two neighbours, and no reference" if few else "too little data in common"
            records.append((asset, int(ends[0]), int(ends[-1]), None, None, None, None, None, why))
            continue
        base = _phase(levels, tolerated, unit)
        for level in levels:
            shift = round((level.held - base) / unit) * unit
            level.shift = shift if abs(level.held - base) >= least and abs(shift) >= least else 0.0
        merged = [levels[0]]
        for level in levels[1:]:
            if merged[-1].shift == level.shift:
                merged[-1] = merged[-1].joined(level)
                continue
            size = abs(level.shift - merged[-1].shift)
            merged[-1].stop = level.first = _snapped(level.first, ends, changes, size, snap)
            merged.append(level)
        for one in merged:
            span = int(ends[one.first]), int(ends[one.stop])
            records.append((asset, *span, one.shift, one.lag, one.uncertainty, one.correlation, base, None))
    names = ("asset", "start", "end", "shift", "lag", "uncertainty", "correlation", "phase", "reason")
    types = (pl.String, pl.Int64, pl.Int64, *[pl.Float64] * 5, pl.String)
    table = pl.DataFrame(records, schema=dict(zip(names, types, strict=True)), orient="row")
    return table.with_columns(pl.col("start", "end").cast(pl.Datetime("ns")))


def _phase(levels: list[_Level], tolerated: float, unit: float) -> float:
    """Lag [min] nearest to zero of those that hold for a good share of the time; 0 beyond what is ``tolerated``."""
    days = sum(level.stop - level.first for level in levels)
    candidates = []
    for level in levels:
        near = [each for each in levels if abs(each.held - level.held) <= unit / 2]
        rows = sum(each.stop - each.first for each in near)
        if rows >= _SHARE * days:
            candidates.append(sum(each.held * (each.stop - each.first) for each in near) / rows)
    base = min(candidates, key=abs, default=0.0)
    return base if abs(base) <= tolerated else 0.0


def _snapped(row: int, ends: npt.NDArray[np.int64], changes: list[ClockChange], size: float, most: int) -> int:
    """The row of the nearest change of the zone's clock by ``size`` [min] within ``most`` [ns], else ``row``."""
    near = [one.at for one in changes if abs(one.minutes) == size and abs(one.at - ends[row]) <= most]
    if not near:
        return row
    at = min(near, key=lambda one: abs(one - int(ends[row])))
    return int(np.searchsorted(ends, at))


@dataclass
class _Level:
    """A span of constant lag; rows of the grid."""

    first: int
    stop: int
    lag: float  #: of the span alone [min]
    uncertainty: float  #: [min]
    correlation: float
    held: float  #: of all spans at that level [min]
    shift: float = 0.0

    @property
    def key(self) -> tuple[int, int, int]:
        """What makes two of them the same."""
        return self.first, self.stop, round(self.lag)

    def joined(self, other: _Level) -> _Level:
        own, its = self.stop - self.first, other.stop - other.first
        share = own / (own + its)
        return replace(
            self,
            stop=other.stop,
            lag=share * self.lag + (1 - share) * other.lag,
            uncertainty=float(np.hypot(share * self.uncertainty, (1 - share) * other.uncertainty)),
            correlation=share * self.correlation + (1 - share) * other.correlation,
        )


def _levels(
    own: Floats, other: Floats, rows: npt.NDArray[np.int64], slot: int, most: int, shortest: int
) -> list[_Level]:
    """Spans of constant lag; a positive lag: ``own`` says later what ``other`` says."""
    reach = max(1, DAY // (2 * slot))
    x, y = _detrended(own, reach), _detrended(other, reach)
    scale_x, scale_y = np.nanstd(x) if np.isfinite(x).any() else 0.0, np.nanstd(y) if np.isfinite(y).any() else 0.0
    if not (scale_x > 0 and scale_y > 0):
        return []
    x, y = x / scale_x, y / scale_y
    sums = _products(x, y, rows, most)  # [day, lag, (n, xy, yy, xx)]
    n = sums[:, :, 0].min(axis=1)
    if n.sum() < 144:
        return []
    total = sums.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        correlations = total[:, 1] / np.sqrt(total[:, 2] * total[:, 3])
        best = int(np.nanargmax(correlations))
        slope = float(np.clip(total[best, 1] / total[best, 2], 0.05, 1.0))
        # mean misfit of the day at each lag, times the values that all lags have
        misfit = (sums[:, :, 3] - 2 * slope * sums[:, :, 1] + slope**2 * sums[:, :, 2]) / sums[:, :, 0] * n[:, None]
    misfit = np.nan_to_num(misfit)
    usual = float(misfit.min(axis=1).sum() / n.sum())
    lagged = np.roll(y, best - most)
    memory = min(autocorrelation(x - slope * lagged), 0.99)
    cost = misfit / (2.0 * max(usual, 1e-6)) * (1.0 - memory) / (1.0 + memory)
    path = _path(cost, _PENALTY)
    cost = cost * _weight(cost, path, max(1, HOUR // slot))
    path = _path(cost, _PENALTY)
    lags = _held(path, cost, shortest, max(1, HOUR // (4 * slot)))
    path = lags[_path(np.ascontiguousarray(cost[:, lags]), _PENALTY)]
    cuts = [0, *(np.flatnonzero(np.diff(path)) + 1), len(path)]
    spans = [(a, b) for a, b in itertools.pairwise(cuts) if b - a >= _SHORTEST or len(cuts) == 2]
    if not spans:
        return []
    edges = [0]
    for (_, b), (c, _) in itertools.pairwise(spans):
        low, high = int(rows[max(b - 2, 0)]), int(rows[min(c + 2, len(rows) - 1)])
        before, after = int(path[b - 1]) - most, int(path[c]) - most
        edges.append(low + _instant(x[low:high], y, low, before, after, slope))
    edges.append(int(rows[-1]))
    found = []
    for i, (a, b) in enumerate(spans):
        lag, uncertainty = _peak(cost[a:b].sum(axis=0), most)
        # all days of the same lag tell it together; the span's own is for the reader
        level, _ = _peak(cost[path == path[a]].sum(axis=0), most, int(path[a]))
        part = sums[a:b].sum(axis=0)[path[a]]
        correlation = float(part[1] / np.sqrt(part[2] * part[3])) if part[2] * part[3] > 0 else np.nan
        minutes = slot / MINUTE
        found.append(_Level(edges[i], edges[i + 1], lag * minutes, uncertainty * minutes, correlation, level * minutes))
    return found


def _held(path: npt.NDArray[np.int64], cost: Floats, shortest: int, near: int) -> npt.NDArray[np.int64]:
    """The lags that hold for ``shortest`` days in all, those within ``near`` slots of each other taken as one."""
    counts = np.bincount(path, minlength=cost.shape[1])
    found: list[int] = []
    while counts.any():
        around = np.convolve(counts, np.ones(2 * near + 1, np.int64), mode="same")
        peak = int(np.argmax(around))
        span = slice(max(0, peak - near), peak + near + 1)
        if around[peak] < shortest and found:
            break
        days = np.isin(path, np.arange(cost.shape[1])[span])
        found.append(span.start + int(np.argmin(cost[days][:, span].sum(axis=0))))
        counts[span] = 0
    return np.array(sorted(set(found)), dtype=np.int64)


def _weight(cost: Floats, path: npt.NDArray[np.int64], off: int) -> float:
    """How much less the days tell than their misfit says, [0, 1].

    A log likelihood ratio of mean m has the variance 2 m. What a lag wrong by ``off`` slots costs from day to day varies
    more than that where the reference itself is early or late for days, as the fronts of a reanalysis are.
    """
    days = np.arange(len(path))
    top = cost.shape[1] - 1
    excess = 0.5 * (cost[days, np.maximum(path - off, 0)] + cost[days, np.minimum(path + off, top)]) - cost[days, path]
    spread = float(excess.var())
    if len(days) < 10 or spread <= 0:
        return 1.0
    memory = autocorrelation(excess)
    return float(np.clip(2.0 * excess.mean() / spread * (1.0 - memory) / (1.0 + memory), 0.05, 1.0))


def _peak(cost: Floats, most: int, start: int | None = None) -> tuple[float, float]:
    """Lag of least cost [slots] by a parabola through the three around it, and its standard uncertainty.

    Where ``start`` is given, the least next to it.
    """
    at = int(np.argmin(cost)) if start is None else start
    while start is not None:
        around = [k for k in (at - 1, at + 1) if 0 <= k < len(cost) and cost[k] < cost[at]]
        if not around:
            break
        at = min(around, key=lambda k: float(cost[k]))
    if at in (0, len(cost) - 1):
        return float(at - most), float("inf")
    left, middle, right = cost[at - 1 : at + 2]
    curvature = left - 2 * middle + right
    if curvature <= 0:
        return float(at - most), float("inf")
    return at - most + 0.5 * (left - right) / curvature, float(1.0 / np.sqrt(curvature))


def _moved(values: Floats, levels: list[_Level], slot: int, least: float) -> Floats:
    """``values`` with the spans whose clock was off put where they belong."""
    if all(abs(level.lag) < least for level in levels):
        return values
    out = np.full(len(values), np.nan)
    for level in levels:
        by = round(level.lag * MINUTE / slot) if abs(level.lag) >= least else 0
        first, stop = max(level.first, by), min(level.stop, len(values) + by)
        out[first - by : stop - by] = values[first:stop]
    return out


def _detrended(values: Floats, reach: int) -> Floats:
    """Less the mean of ``reach`` values on either side; NaN where less than a third of them are there."""
    known = np.isfinite(values)
    total = np.concatenate([[0.0], np.cumsum(np.where(known, values, 0.0))])
    count = np.concatenate([[0], np.cumsum(known)])
    index = np.arange(len(values))
    low, high = np.maximum(index - reach, 0), np.minimum(index + reach + 1, len(values))
    n = count[high] - count[low]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(n >= (2 * reach + 1) / 3, values - (total[high] - total[low]) / n, np.nan))


def _instant(x: Floats, y: Floats, low: int, before: int, after: int, slope: float) -> int:
    """Row of ``x`` from which on the lag after fits better than that before."""
    index = low + np.arange(len(x))

    def misfit(lag: int) -> Floats:
        at = index - lag
        inside = (at >= 0) & (at < len(y))
        return np.asarray((x - slope * np.where(inside, y[np.clip(at, 0, len(y) - 1)], np.nan)) ** 2)

    gain = np.nan_to_num(misfit(after) - misfit(before))
    return int(np.argmax(np.concatenate([[0.0], np.cumsum(gain)])))


@numba.njit(cache=True, nogil=True)
def _products(x: Any, y: Any, rows: Any, most: int) -> Any:
    """For each day and lag: number of pairs, sums of xy, yy and xx."""
    days = rows.size - 1
    out = np.zeros((days, 2 * most + 1, 4))
    for day in range(days):
        for row in range(rows[day], rows[day + 1]):
            if np.isnan(x[row]):
                continue
            for k in range(2 * most + 1):
                at = row - (k - most)
                if at < 0 or at >= y.size or np.isnan(y[at]):
                    continue
                out[day, k, 0] += 1.0
                out[day, k, 1] += x[row] * y[at]
                out[day, k, 2] += y[at] * y[at]
                out[day, k, 3] += x[row] * x[row]
    return out


@numba.njit(cache=True, nogil=True)
def _path(cost: Any, penalty: float) -> Any:
    days, lags = cost.shape
    best = cost[0].copy()
    come = np.zeros((days, lags), np.int64)
    for day in range(1, days):
        cheapest = np.argmin(best)
        change = best[cheapest] + penalty
        for k in range(lags):
            if best[k] <= change:
                come[day, k] = k
                best[k] = best[k] + cost[day, k]
            else:
                come[day, k] = cheapest
                best[k] = change + cost[day, k]
    path = np.empty(days, np.int64)
    path[days - 1] = np.argmin(best)
    for day in range(days - 1, 0, -1):
        path[day - 1] = come[day, path[day]]
    return path
