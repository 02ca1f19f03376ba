"""Single values that stand out: above what the plant does at that time of day, below zero, or off their neighbours.

A cloud makes single values too, so that a value is called an outlier only where no cloud does it: beyond the envelope of the time
of day; below zero by more than the night does; or far off both neighbours, which agree with each other and with a smooth course
around. Clouds come in company: what a series does often is not called an outlier in it.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import xarray as xr

from workbench.analytics.solar.series import DAY, HOUR, Bools, Floats, Sun, dim_of, grid_of, spans_of, sun_of

#: A value above this multiple of the usual top of its time of day plus a share of the scale is not of this world;
#: edges of clouds reach 1.3 times clear sky in single values.
_BEYOND, _MARGIN = 1.35, 0.05
#: Below zero by this share of the scale.
_BELOW = 0.03
#: How far off both neighbours, as a share of the scale; against the roughness around; against the neighbours' level.
_OFF, _ROUGH, _DEEP = 0.10, 8.0, 0.25
#: So many that are half as rough and more are often; of those told so many at most may be of that kind.
_OFTEN, _NATURAL = 20, 0.2
#: Slots on either side that tell the roughness; days on either side that tell the envelope, told anew every few.
_SIDE = 8
_SEASON, _EVERY = 20, 4
#: The longest gap that neighbours may lie apart [ns], beyond the slot itself.
_APART = 2 * HOUR


def outlier_values(data: xr.Dataset, *, variable: str = "total_ac_power") -> xr.DataArray:
    """Where single values (up to three in a row) stand out as no cloud makes them.

    Parameters
    ----------
    data
        dims (time, asset); power or irradiance in any unit, times in any zone.

    Returns
    -------
    xr.DataArray
        bool, dims (time, asset).

    Raises
    ------
    InputError
        No such field, or times of no one cadence.
    """
    grid = grid_of(data, variable)
    found = np.zeros(grid.values.shape, bool)
    for column in range(data.sizes["asset"]):
        values = grid.values[:, column]
        found[:, column] = outliers_of(values, sun_of(grid.times, values, grid.slot), grid.slot)
    return dim_of(data, grid.back(found), long_name=f"{variable} stands out")


def outliers_of(values: Floats, sun: Sun, slot: int) -> Bools:
    """Of one series, [slot]."""
    if not np.isfinite(sun.scale) or sun.scale <= 0:
        return np.zeros(len(values), bool)
    power = values - sun.night
    return _beyond(power, sun, slot) | _off_neighbours(power, sun, slot)


def _beyond(power: Floats, sun: Sun, slot: int) -> Bools:
    """Outside what the plant does at that time of day and season; spans of more than three are not single values."""
    top = envelope(power, sun, slot)
    with np.errstate(invalid="ignore"):
        wrong = (power > _BEYOND * top + _MARGIN * sun.scale) | (power < -_BELOW * sun.scale)
    return _short(wrong, 3)


def envelope(power: Floats, sun: Sun, slot: int) -> Floats:
    """The usual top of the time of day, [slot]: that of the days of the season and of the day itself, within half an hour."""
    per_day = max(1, round(DAY / slot))
    bins = np.minimum((sun.since / DAY * per_day).astype(np.int64), per_day - 1)
    first = int(sun.day.min())
    days = int(sun.day.max()) - first + 1
    table = np.full((days, per_day), -np.inf)
    table[sun.day - first, bins] = np.nan_to_num(power, nan=-np.inf)
    # neighbours in time first: the largest of each but the tallest stands for a day and hour
    second = _second(table, max(1, round(HOUR / 2 / slot)))
    out = np.empty_like(table)
    for day in range(0, days, _EVERY):
        season = second[max(0, day - _SEASON) : day + _SEASON + _EVERY]
        rank = 1 if len(season) < _SEASON else 3
        here = slice(day, day + _EVERY)
        # what the plant does for longer than a single value on the day itself is no outlier
        out[here] = np.maximum(np.partition(season, -rank, axis=0)[-rank], second[here])
    top = out[sun.day - first, bins]
    return np.where(np.isfinite(top), np.maximum(top, 0.0), np.inf)  # never seen at that time of day: not judged


@numba.njit(cache=True, nogil=True)
def _second(table: Any, reach: int) -> Any:
    """Second largest of each [day, bin] and its neighbours within ``reach`` bins."""
    days, bins = table.shape
    out = np.full((days, bins), -np.inf)
    for day in range(days):
        for k in range(bins):
            first = other = -np.inf
            for j in range(max(0, k - reach), min(bins, k + reach + 1)):
                value = table[day, j]
                if value > first:
                    first, other = value, first
                elif value > other:
                    other = value
            out[day, k] = other
    return out


def _off_neighbours(power: Floats, sun: Sun, slot: int) -> Bools:
    """Off both neighbours, in a course that is smooth otherwise."""
    found = np.zeros(len(power), bool)
    rows = np.flatnonzero(np.isfinite(power))
    if len(rows) >= 2 * _SIDE:
        apart = 1 + _APART // slot
        ratio = _off(power[rows], rows, apart, _OFF * sun.scale, sun.resolution, _SIDE, _DEEP)
        found[rows[ratio > _rough(ratio)]] = True
    return found


def _rough(ratio: Floats) -> float:
    """How rough a value has to be beside its surroundings, so that of those told few are what the series does often.

    The number of natural ones falls by a share from each half octave to the next; those below the least ratio tell that share.
    It is doubled at most: what stands out farther is told whatever the clouds do.
    """
    often = [int(((ratio > _ROUGH * 2.0**k) & (ratio <= _ROUGH * 2.0 ** (k + 0.5))).sum()) for k in (-1.0, -0.5)]
    least = _ROUGH
    if sum(often) < _OFTEN:
        return least
    share = min(often[1] / max(often[0], 1), 0.9)
    natural = often[1] * share / (1.0 - share)
    while least < 1.99 * _ROUGH and natural > _NATURAL * (ratio > least).sum() > 0:
        least *= np.sqrt(2.0)
        natural *= share
    return least


@numba.njit(cache=True, nogil=True)
def _off(here: Any, rows: Any, apart: int, least: float, resolution: float, side: int, deep: float) -> Any:
    """How far each is off both neighbours, in the mean step around; 0 where it is not."""
    size = here.size
    found = np.zeros(size)
    for k in range(1, size - 1):
        before, middle, after = here[k - 1], here[k], here[k + 1]
        off = middle - max(before, after) if middle > max(before, after) else min(before, after) - middle
        if off <= least or off <= deep * abs(before + after) / 2.0:
            continue
        if rows[k] - rows[k - 1] > apart or rows[k + 1] - rows[k] > apart:
            continue
        # one other outlier nearby does not hide it: its two steps are the largest, and left out
        total = first = second = 0.0
        count = 0
        for j in range(max(0, k - side), min(size - 1, k + side)):
            if j in (k - 1, k):
                continue
            step = abs(here[j + 1] - here[j])
            total += step
            count += 1
            if step > first:
                first, second = step, first
            elif step > second:
                second = step
        if count - 2 < side // 2:
            continue
        mean = (total - first - second) / (count - 2)
        found[k] = off / max(mean, abs(after - before) / 2.0, resolution, 1e-12 * least)
    return found


def _short(mask: Bools, most: int) -> Bools:
    found = np.zeros(len(mask), bool)
    for first, stop in spans_of(mask):
        if stop - first <= most:
            found[first:stop] = True
    return found
