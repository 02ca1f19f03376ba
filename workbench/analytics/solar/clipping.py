"""Power held at a limit: an inverter at its rating, or a plant at a set point.

A limit shows twice. Over the whole record the values pile up just below it, far more than a smooth distribution would have there; and
on each day it touches, the course of the day is cut off flat, with nothing above. One sign without the other is no limit: a clear noon is flat
without a pile, a coarse record piles up without being flat.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from workbench.analytics.solar.series import (
    DAY,
    MINUTE,
    Bools,
    Floats,
    Sun,
    dim_of,
    grid_of,
    smooth_slots,
    spans_of,
    sun_of,
)

#: Widths of a limit looked for, narrowest first, as shares of the power: controllers hold within these.
_WIDTHS = (0.001, 0.002, 0.005, 0.01)
_COARSEST = 0.03
#: A limit has so many times the values of a band next to it, and this many flat tops.
_PILE, _TOPS = 8.0, 3
#: Lowest limit looked for as a share of the usual top.
_LOWEST = 0.3
#: Share of the days it cuts on which more than one value may lie above it.
_CROSSED = 0.25
#: Longest flat top [ns]: no day is longer.
_LONGEST = 18 * DAY // 24
_LEVELS = 4
#: How far a limit moves with heat and voltage; the band below it that tells how many values pass it by.
_MOVES, _BELOW = 0.05, 0.03
#: Lower edge of what is held, as a quantile. Single slots at a limit count where there are so many, and no more than a share of
#: them, or of what is held for longer, may be passing by.
_EDGE, _SINGLES, _PASSING = 0.01, 10, (0.25, 0.02)


def clipped_values(data: xr.Dataset, *, variable: str = "total_ac_power") -> xr.DataArray:
    """Where power is held at a limit.

    A flat top has at least three slots (two of half an hour or more) and lasts five minutes or more. A clipped value is right and worth keeping: this is no
    flag of quality, but tells what the plant could not deliver.

    Parameters
    ----------
    data
        dims (time, asset); power in any unit.

    Returns
    -------
    xr.DataArray
        bool, dims (time, asset); attribute ``levels``: the limits found of each asset [unit of the variable].

    Raises
    ------
    InputError
        No such field, or times of no one cadence.
    """
    grid = grid_of(data, variable)
    found = np.zeros(grid.values.shape, bool)
    levels: dict[str, list[float]] = {}
    for column, asset in enumerate(map(str, data["asset"].values)):
        values = grid.values[:, column]
        found[:, column], levels[asset] = clipping_of(values, sun_of(grid.times, values, grid.slot), grid.slot)
    return dim_of(data, grid.back(found), long_name=f"{variable} is held at a limit", levels=levels)


def clipping_of(values: Floats, sun: Sun, slot: int) -> tuple[Bools, list[float]]:
    """Of one series: where it is held [slot], and at which levels."""
    found = np.zeros(len(values), bool)
    levels: list[float] = []
    if not np.isfinite(sun.scale) or sun.scale <= 0:
        return found, levels
    power = np.nan_to_num(values - sun.night, nan=-np.inf)
    fewest = max(2 if slot >= 30 * MINUTE else 3, int(np.ceil(5 * MINUTE / slot)))
    coarse = 2.5 * sun.resolution / sun.scale
    if coarse > _COARSEST:
        return found, levels
    for width in [each for each in _WIDTHS if each >= coarse] or [coarse]:
        for _ in range(_LEVELS):
            one = _limit(np.where(found, -np.inf, power), sun, slot, width, fewest)
            if one is None:
                break
            level, where = one
            found |= where
            levels.append(float(level + sun.night))
    if levels:
        _complete(power, np.array(levels) - sun.night, sun, slot, max(_WIDTHS[0], coarse), fewest, found)
    return found, levels


def _complete(power: Floats, levels: Floats, sun: Sun, slot: int, width: float, fewest: int, found: Bools) -> None:
    """What else is held once the limits are known: days on which they are a little off, and slots between clouds."""
    day = sun.day - sun.day[0]
    top: Floats = np.full(int(day[-1]) + 1, -np.inf)
    np.maximum.at(top, day, np.where(sun.dark, -np.inf, power))
    near: Bools = np.any(np.abs(top[:, None] / levels - 1.0) <= _MOVES, axis=1)
    flat = (power >= top[day] * (1.0 - width)) & near[day] & ~sun.dark
    least = max(3, fewest, int(np.ceil(2.0 * smooth_slots(width, slot))) + 1)
    for first, stop in spans_of(flat):
        if stop - first >= least:
            found[first:stop] = True
    for level in levels:
        held = power[found & (np.abs(power / level - 1.0) <= max(_WIDTHS[-1], width))]
        if not len(held):
            continue
        low, high = np.quantile(held, [_EDGE, 1.0])
        over = np.bincount(day[power > high * (1.0 + 2.0 * width)], minlength=len(top))
        more: Bools = (power >= low) & (power <= high) & ~sun.dark & ~found & (over[day] <= 1)
        # so many would be there if there were no limit, by what there is below
        below = (power >= low * (1.0 - _BELOW - width)) & (power < low * (1.0 - width))
        passing = below.sum() * (high / low - 1.0) / _BELOW
        if more.sum() >= _SINGLES and passing <= max(_PASSING[0] * more.sum(), _PASSING[1] * len(held)):
            found |= more


def _limit(power: Floats, sun: Sun, slot: int, width: float, fewest: int) -> tuple[float, Bools] | None:
    """The highest limit of this width, and where it holds."""
    above = power > _LOWEST * sun.scale
    if above.sum() < 2 * fewest:
        return None
    logs = np.log(power[above])
    bins = np.floor((logs - logs.min()) / width).astype(np.int64)
    counts = np.bincount(bins)
    padded = np.concatenate([np.zeros(12), counts, np.zeros(12)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, 25)
    # bins next to it belong to the same pile, those two to twelve away to the course of the days
    beside = np.maximum(windows[:, :10].mean(axis=1), windows[:, -10:].mean(axis=1))
    piles = np.flatnonzero(counts >= np.maximum(_PILE * beside, 2 * fewest))
    for pile in piles[::-1]:
        inside = logs[bins == pile]
        level = float(np.exp(np.median(inside)))
        where = _held(power, level, sun, slot, width, fewest)
        if where is not None:
            return level, where
    return None


def _held(power: Floats, level: float, sun: Sun, slot: int, width: float, fewest: int) -> Bools | None:
    """Flat tops at a level; None where they are too few, or clear noons would do the same."""
    near = np.abs(power / level - 1.0) <= width
    tops = []
    for first, stop in spans_of(near):
        if stop - first < fewest or (stop - first) * slot > _LONGEST or sun.dark[first:stop].any():
            continue
        tops.append((first, stop))
    days = {int(sun.day[first]) for first, _ in tops}
    if len(days) < min(_TOPS, int(np.unique(sun.day[np.isfinite(power) & ~sun.dark]).size)):
        return None
    long = sum(1 for first, stop in tops if stop - first >= 2.0 * smooth_slots(width, slot))
    if long < max(1, 0.15 * len(days)):
        return None
    found = np.zeros(len(power), bool)
    for first, stop in tops:
        found[first:stop] = True
    # on the days that a limit cuts nothing lies above it, but for a stray value
    over = np.bincount(sun.day[power > level * (1.0 + 2.0 * width)] - sun.day[0], minlength=1)
    crossed = sum(1 for day in days if day - sun.day[0] < len(over) and over[day - sun.day[0]] > 1)
    return found if crossed <= _CROSSED * len(days) else None
