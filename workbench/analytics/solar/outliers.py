"""Single values that stand out: above what the plant does at that time of day, below zero, or off their neighbours.

A cloud makes single values too, so that a value is called an outlier only where no cloud does it: beyond the envelope of the time
of day; below zero by more than the night does; or far off both neighbours, which agree with each other and with a smooth course
around. Clouds come in company: what a series does often is not called an outlier in it.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from workbench.analytics.solar.series import DAY, HOUR, Bools, Floats, Sun, dim_of, grid_of, sun_of

#: A value above this multiple of the usual top of its time of day plus a share of the scale is not of this world;
#: edges of clouds reach 1.3 times clear sky in single values.
_BEYOND, _MARGIN = 1.35, 0.05
#: Below zero by this share of the scale.
_BELOW = 0.03
#: How far off both neighbours, as a share of the scale; against the roughness around; against the neighbours' level.
_OFF, _ROUGH, _DEEP = 0.10, 8.0, 0.25
#: Slots on either side that tell the roughness; time on either side that tells the envelope.
_SIDE = 8
_SEASON = 20
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
    for column in range(found.shape[1]):
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
    reach = max(1, round(HOUR / 2 / slot))
    padded = np.pad(table, ((0, 0), (reach, reach)), constant_values=-np.inf)
    near = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=1)
    second = np.partition(near, -2, axis=2)[:, :, -2]
    out = np.empty_like(table)
    for day in range(days):
        season = second[max(0, day - _SEASON) : day + _SEASON + 1]
        rank = 1 if len(season) < _SEASON else 3
        # what the plant does for longer than a single value on the day itself is no outlier
        out[day] = np.maximum(np.partition(season, -rank, axis=0)[-rank], second[day])
    top = out[sun.day - first, bins]
    return np.where(np.isfinite(top), np.maximum(top, 0.0), np.inf)  # never seen at that time of day: not judged


def _off_neighbours(power: Floats, sun: Sun, slot: int) -> Bools:
    """Off both neighbours, in a course that is smooth otherwise."""
    found = np.zeros(len(power), bool)
    rows = np.flatnonzero(np.isfinite(power))
    if len(rows) < 2 * _SIDE:
        return found
    here = power[rows]
    before, after = here[:-2], here[2:]
    near = (np.diff(rows)[:-1] * slot <= slot + _APART) & (np.diff(rows)[1:] * slot <= slot + _APART)
    off = np.zeros(len(here))
    middle = here[1:-1]
    out = np.where(
        middle > np.maximum(before, after), middle - np.maximum(before, after), np.minimum(before, after) - middle
    )
    off[1:-1] = np.where(near, np.maximum(out, 0.0), 0.0)
    suspects = np.flatnonzero(off > _OFF * sun.scale)
    suspects = suspects[off[suspects] > _DEEP * np.abs(_neighbours(here, suspects))]
    steps = np.abs(np.diff(here))
    for k in suspects:
        around = np.arange(max(0, k - _SIDE), min(len(steps), k + _SIDE))
        some = np.sort(steps[around[(around != k) & (around != k - 1)]])
        # one other outlier nearby does not hide it: its two steps are the largest
        some = some[: len(some) - 2]
        bridge = abs(here[k + 1] - here[k - 1]) / 2.0
        if len(some) >= _SIDE // 2:
            rough = max(float(np.mean(some)), bridge, sun.resolution)
            found[rows[k]] = off[k] > _ROUGH * rough
    return found


def _neighbours(here: Floats, at: np.ndarray) -> Floats:
    return (here[at - 1] + here[at + 1]) / 2.0


def _short(mask: Bools, most: int) -> Bools:
    from workbench.analytics.solar.series import spans_of

    found = np.zeros(len(mask), bool)
    for first, stop in spans_of(mask):
        if stop - first <= most:
            found[first:stop] = True
    return found
