"""Clocks of inverters and irradiance sensors that were off, by the sun: daylight saving, local time, wrong zones, days shifted.

The middle between the first and the last light of a day is solar noon, whatever the clouds in between. Its distance from the true solar
noon of the site is the clock's error, but for what the array sees late or early by itself (azimuth, horizon), which comes and goes with the
season and never by steps. The cheapest path of levels through the days (each day's distance, a fixed price for each change
[1]_) gives the steps and their days.

References
----------
.. [1] G. D. Forney, The Viterbi algorithm, Proceedings of the IEEE 61 (1973) 268-278.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
import xarray as xr

from workbench.analytics.clock_changes import zone_changes
from workbench.analytics.solar.series import DAY, HOUR, MINUTE, Floats, Grid, Ints, grid_of, sun_of
from workbench.analytics.solar.stale import lines_of, stale_of
from workbench.model.errors import InputError
from workbench.model.keys import DurationText
from workbench.model.time import parse_duration
from workbench.steps import progress

if TYPE_CHECKING:
    import polars as pl

#: Light is where power is above this share of the scale over the night level.
_LIGHT = 0.01
#: A day without dark before or after counts where its first and last values are below this share: tables that leave nights out.
_DIM = 0.15
#: Lengths of a day with a middle, and of a night at least [ns].
_SHORTEST, _LONGEST, _NIGHT = 4 * HOUR, 20 * HOUR, 4 * HOUR
#: Spread of the daily middles at least [min], cost of a day at most (in squared spreads over two), price of a change.
_SPREAD, _MOST, _PRICE = 4.0, 4.5, 12.0
#: Days of data at least, and of a level.
_FEWEST, _HOLDS = 10, 3
#: What an array's azimuth and horizon may move its middle of the day by [min].
_OWN = 40.0
#: A change found this near to one of the zone is that one [ns].
_SNAP = 4 * DAY


def solar_clock_shifts(
    data: xr.Dataset,
    *,
    variable: str = "total_ac_power",
    resolution: DurationText = "PT15M",
    smallest: DurationText = "PT25M",
    tz: str | None = None,
) -> pl.DataFrame:
    """Spans in which time stamps are early or late by the sun.

    Parameters
    ----------
    data
        dims (time, asset): power or irradiance in any unit; coordinates ``latitude`` and ``longitude`` [degree] of the assets.
        Without a longitude the level that holds longest counts as right.
    resolution, smallest
        What a shift is rounded to, and the smallest one reported; ISO 8601 durations.
    tz
        Zone of the site: a shift by the size of a change of its clock within four days of it is dated to that change.

    Returns
    -------
    polars.DataFrame
        A row for each span: ``asset``, ``start``, ``end`` (UTC, half-open), ``shift`` [min], positive where time stamps are late;
        ``lag`` as measured [min] and its standard ``uncertainty`` [min], ``days`` with a middle, ``phase`` [min] taken for the array's
        own; ``reason`` where an asset could not be judged. Stamps in local time without a zone show as a shift of the zone's
        offset, with its daylight saving.

    Raises
    ------
    InputError
        No such field, times of no one cadence, durations that are not positive.
    """
    import polars as pl

    unit, least = (parse_duration(text).ns / MINUTE for text in (resolution, smallest))
    if unit <= 0 or least <= 0:
        raise InputError("must be positive", where="resolution, smallest", found=f"{resolution}, {smallest}")
    grid = grid_of(data, variable)
    ends = np.append(grid.times, grid.times[-1] + grid.slot)
    changes = [] if tz is None else zone_changes(tz, int(ends[0]), int(ends[-1]))
    rows: list[tuple[Any, ...]] = []
    for column, asset in enumerate(map(str, data["asset"].values)):
        progress(column, data.sizes["asset"])
        place = tuple(_coordinate(data, name, column) for name in ("latitude", "longitude"))
        days, middles = _middles(grid, column)
        if len(days) < _FEWEST:
            why = f"{len(days)} days with a first and a last light, of {_FEWEST} it takes"
            rows.append((asset, int(ends[0]), int(ends[-1]), None, None, None, len(days), None, why))
            continue
        off = _off(middles, place)
        levels = _levels(days, off, unit, least)
        base = _phase(levels, located=bool(np.isfinite(place[1])))
        _pool(levels, least / 2.0)
        for level in levels:
            level.shift = round((level.held - base) / unit) * unit if abs(level.held - base) >= least else 0.0
        merged = [levels[0]]
        for level in levels[1:]:
            if level.shift == merged[-1].shift:
                merged[-1] = merged[-1].joined(level)
                continue
            size = abs(level.shift - merged[-1].shift)
            # the stamps of the new level begin at what the clock showed then
            shown = [one.at + int(level.shift * MINUTE) for one in changes if abs(one.minutes) == size]
            start = int(grid.times[min(int(np.searchsorted(grid.times, level.start)), len(grid.times) - 1)])
            shown = [at for at in shown if abs(at - start) <= _SNAP]
            level.start = min(shown, key=lambda at: abs(at - start)) if shown else start
            merged.append(level)
        merged[0].start = int(ends[0])
        for one, after in itertools.zip_longest(merged, merged[1:]):
            stop = int(ends[-1]) if after is None else after.start
            rows.append((asset, one.start, stop, one.shift, one.lag, one.uncertainty, one.days, base, None))
    progress(data.sizes["asset"], data.sizes["asset"])
    names = ("asset", "start", "end", "shift", "lag", "uncertainty", "days", "phase", "reason")
    types = (pl.String, pl.Int64, pl.Int64, *[pl.Float64] * 3, pl.Int64, pl.Float64, pl.String)
    table = pl.DataFrame(rows, schema=dict(zip(names, types, strict=True)), orient="row")
    return table.with_columns(pl.col("start", "end").cast(pl.Datetime("ns")))


@dataclass
class _Level:
    """A span of days with the same lag."""

    start: int  #: UTC [ns]
    lag: float  #: [min]
    uncertainty: float  #: [min]
    days: int
    held: float = 0.0  #: of all spans at that level [min]
    shift: float = 0.0

    def joined(self, other: _Level) -> _Level:
        both = self.days + other.days
        lag = (self.lag * self.days + other.lag * other.days) / both
        uncertainty = float(np.hypot(self.uncertainty * self.days, other.uncertainty * other.days)) / both
        return _Level(self.start, lag, uncertainty, both, self.held, self.shift)


def _pool(levels: list[_Level], near: float) -> None:
    """Levels of much the same lag are one: all their days tell it."""
    for level in levels:
        same = [each for each in levels if abs(each.lag - level.lag) <= near]
        level.held = sum(each.lag * each.days for each in same) / sum(each.days for each in same)


def _coordinate(data: xr.Dataset, name: str, column: int) -> float:
    if name not in data.coords:
        return float("nan")
    values = np.broadcast_to(np.asarray(data.coords[name].values, dtype=float), data.sizes["asset"])
    return float(values[column])


def _middles(grid: Grid, column: int) -> tuple[Ints, Ints]:
    """Half a day before the middles of the days that have a first and a last light [ns], and the middles between these [ns]."""
    values = grid.values[:, column].copy()
    sun = sun_of(grid.times, values, grid.slot)
    nothing = np.array([], np.int64)
    if not np.isfinite(sun.noon) or not np.isfinite(sun.scale) or sun.scale <= 0:
        return nothing, nothing
    lines = lines_of(values, sun, grid.slot)
    values[lines | stale_of(values, sun, grid.slot, lines)] = np.nan
    power = np.abs(values - sun.night) / sun.scale  # a reversed sign does not matter
    middles = []
    for a, b in _lit(power, grid.slot):
        rise, fall = _crossing(power, a, a - 1), _crossing(power, b, b + 1)
        if rise is not None and fall is not None and _SHORTEST <= (fall - rise) * grid.slot <= _LONGEST:
            middles.append(grid.times[0] + round(((rise + fall) / 2.0 + 0.5) * grid.slot))
    found = np.array(middles, np.int64)
    return found - DAY // 2, found


def _lit(power: Floats, slot: int) -> list[tuple[int, int]]:
    """First and last slot with light of each day: nights part them, whenever the clock says they are."""
    rows = np.flatnonzero(np.nan_to_num(power) > _LIGHT)
    if not len(rows):
        return []
    cuts = np.flatnonzero(np.diff(rows) * slot > _NIGHT)
    return list(zip(rows[np.append(0, cuts + 1)].tolist(), rows[np.append(cuts, len(rows) - 1)].tolist(), strict=True))


def _crossing(power: Floats, lit: int, dark: int) -> float | None:
    """Where the light begins between a slot that has it and the next that has none, in slots; None where it is not told."""
    if not 0 <= dark < len(power) or np.isnan(power[dark]):
        # nights left out: half a slot beyond the last value, if it is dim
        return lit + (dark - lit) * 0.5 if power[lit] < _DIM else None
    if power[lit] > 0.5 and power[dark] <= _LIGHT:
        return None  # no dawn is this steep: an outage ended
    share = (power[lit] - _LIGHT) / (power[lit] - min(power[dark], _LIGHT))
    return float(lit + (dark - lit) * share)


def _off(middles: Ints, place: tuple[float, ...]) -> Floats:
    """Middles less true solar noon [min], within half a day; of a site without a longitude less noon at Greenwich."""
    import pandas as pd
    from pvlib.solarposition import equation_of_time_spencer71

    longitude = place[1] if np.isfinite(place[1]) else 0.0
    equation = np.asarray(equation_of_time_spencer71(pd.DatetimeIndex(middles).day_of_year.to_numpy()), dtype=float)
    minutes = (middles % DAY) / MINUTE - (720.0 - 4.0 * longitude - equation)
    return np.asarray((minutes + 720.0) % 1440.0 - 720.0)


def _levels(days: Ints, off: Floats, unit: float, least: float) -> list[_Level]:
    """Spans of constant lag along the cheapest path."""
    # measured from the middle of all, so that no level lies across the date line
    turn = np.exp(2j * np.pi * off / 1440.0).mean()
    centre = float(np.angle(turn)) / (2.0 * np.pi) * 1440.0
    off = (off - centre + 720.0) % 1440.0 - 720.0 + centre
    spread = max(_SPREAD, 1.4826 * float(np.median(np.abs(np.diff(off)))) / np.sqrt(2.0))
    lags = np.arange(np.floor(off.min() / unit), np.ceil(off.max() / unit) + 1) * unit
    # the array's own course through the seasons is no step: its slow part is taken off, told from the path itself
    slow = np.zeros(len(off))
    path = np.zeros(len(off), np.int64)
    for _ in range(3):
        cost = np.minimum((off[:, None] - slow[:, None] - lags) ** 2 / (2.0 * spread**2), _MOST)
        path = _path(cost, max(1, int(np.ceil(least / unit))), _PRICE)
        slow = _slow(days, off - lags[path], spread)
    cuts = [0, *(np.flatnonzero(np.diff(path)) + 1).tolist(), len(path)]
    found: list[_Level] = []
    for a, b in itertools.pairwise(cuts):
        if b - a < _HOLDS and len(cuts) > 2:
            continue  # too short to be told from the weather
        here = off[a:b] - slow[a:b]
        error = 1.2533 * spread / np.sqrt(b - a)
        found.append(_Level(int(days[a]), float(np.median(here)), error, b - a))
    return found or [_Level(int(days[0]), float(np.median(off)), spread, len(off))]


def _slow(days: Ints, left: Floats, spread: float) -> Floats:
    """The part of ``left`` that goes with the year: one wave, told from the days that lie on the path."""
    good = np.abs(left - np.median(left)) <= 3.0 * spread
    if days[-1] - days[0] < 300 * DAY or good.sum() < 100:
        return np.zeros(len(left))
    angle = 2.0 * np.pi * days / (365.2425 * DAY)
    design = np.stack([np.ones(len(angle)), np.cos(angle), np.sin(angle)], axis=1)
    weights = np.linalg.lstsq(design[good], left[good], rcond=None)[0]
    return np.asarray(design[:, 1:] @ weights[1:])


@numba.njit(cache=True, nogil=True)
def _path(cost: Any, apart: int, price: float) -> Any:
    """Cheapest path of levels [day]; a change goes to one at least ``apart`` away."""
    days, lags = cost.shape
    best = cost[0].copy()
    come = np.zeros((days, lags), np.int64)
    low, high = np.zeros(lags, np.int64), np.zeros(lags, np.int64)
    for day in range(1, days):
        # the cheapest of all levels up to one, and from one on
        for k in range(1, lags):
            low[k] = k if best[k] < best[low[k - 1]] else low[k - 1]
        high[lags - 1] = lags - 1
        for k in range(lags - 2, -1, -1):
            high[k] = k if best[k] < best[high[k + 1]] else high[k + 1]
        new = np.empty(lags)
        for k in range(lags):
            new[k], come[day, k] = best[k], k
            if k >= apart and best[low[k - apart]] + price < new[k]:
                new[k], come[day, k] = best[low[k - apart]] + price, low[k - apart]
            if k + apart < lags and best[high[k + apart]] + price < new[k]:
                new[k], come[day, k] = best[high[k + apart]] + price, high[k + apart]
        best = new + cost[day]
    path = np.empty(days, np.int64)
    path[days - 1] = np.argmin(best)
    for day in range(days - 1, 0, -1):
        path[day - 1] = come[day, path[day]]
    return path


def _phase(levels: list[_Level], *, located: bool) -> float:
    """The lag that counts as right [min]: near to noon where the place is known, else what holds longest."""
    if located:
        near = [level for level in levels if abs(level.lag) <= _OWN]
        days = sum(level.days for level in near)
        # one level cannot be both the array's own and a shift: the one nearest to noon
        if not near or days < 1:
            return 0.0
        base = min(near, key=lambda level: abs(level.lag)).lag
        same = [level for level in near if abs(level.lag - base) <= 10.0]
        return sum(level.lag * level.days for level in same) / sum(level.days for level in same)
    return max(levels, key=lambda one: sum(each.days for each in levels if abs(each.lag - one.lag) <= 10.0)).lag
