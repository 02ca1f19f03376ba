"""Values that stand still, and straight lines that a recorder drew over a gap.

How long values may be equal or in line by chance depends on the record: a plant read in whole kilowatts repeats itself often, one
read with six digits never does. Both lengths are therefore told from the series: the chance of one repeat from the density of
small steps around the one looked for, and the time for which a clear day stays within the resolution. Only what is longer than chance
explains in the whole record is called stale or interpolated.

Nights are left alone: nothing produced is no stuck sensor. Nor is zero by day (outage, snow), which is a matter of availability.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import xarray as xr

from workbench.analytics.solar.clipping import clipping_of
from workbench.analytics.solar.series import DAY, Bools, Floats, Sun, dim_of, grid_of, smooth_slots, spans_of, sun_of

#: Chance of one false run in the whole of the record.
_CHANCE = 0.01
#: Steps looked at around the one that counts, in its widths, to tell how often it happens by chance.
_AROUND, _NEAR = 20.0, 4.0
#: A record is fine below this share of the scale.
_FINE = 1e-5
#: A value repeats itself for at least so many slots before it is called stale; so many points lie in one line.
_REPEATS, _POINTS = 3, 4
#: The bend of a clear day has to be this many resolutions before its absence says anything.
_SEEN = 3.0
_EPS64, _EPS32 = 1e-11, 4.0 * float(np.finfo(np.float32).eps)
#: A value is bright above this share of the scale; share of the days that are as calm as a clear one at least.
_BRIGHT, _CALM = 0.2, 0.1
#: Light is dim below so many steps of the record.
_DIM = 100.0
#: The noise of the calmest days counts where no more than this share of it is within the resolution.
_TOLD = 0.3
#: Cost of a change from a recorder that fills its nights to one that does not, of a night at the night level although it fills, and of one
#: filled although it does not: minus the logarithms of 1/100, 1/3 and 1/20.
_CHANGE, _FLAT, _SINGLE = 4.6, 1.1, 3.0


def stale_values(data: xr.Dataset, *, variable: str = "total_ac_power") -> xr.DataArray:
    """Where values stand still for longer than chance, resolution and the course of a day explain.

    All values of a run are meant, nights that it covers included. Left alone are runs at the night level, and runs at the
    limit of an inverter (see :func:`clipped_values`) that end with the day.

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
    return _each(data, variable, stale=True)


def interpolated_values(data: xr.Dataset, *, variable: str = "total_ac_power") -> xr.DataArray:
    """Where values lie on a straight line between two others: a gap that was filled; the two ends are not meant.

    A gap between two zeros is filled by zeros, which say nothing by themselves. Where a recorder fills its nights (their
    middle lies on a sloped line), nights of zeros among them and next to them are taken for filled too, by the cheapest
    sequence of filling and not filling.

    Parameters, Returns and Raises as of :func:`stale_values`.
    """
    return _each(data, variable, stale=False)


def _each(data: xr.Dataset, variable: str, *, stale: bool) -> xr.DataArray:
    grid = grid_of(data, variable)
    found = np.zeros(grid.values.shape, bool)
    for column in range(data.sizes["asset"]):
        values = grid.values[:, column]
        sun = sun_of(grid.times, values, grid.slot)
        lines = lines_of(values, sun, grid.slot)
        found[:, column] = stale_of(values, sun, grid.slot, lines) if stale else lines
    what = "stands still" if stale else "lies on a straight line"
    return dim_of(data, grid.back(found), long_name=f"{variable} {what}")


def _width(values: Floats, sun: Sun) -> float:
    """Within which two values are the same [unit]: rounding of the number format and of the record."""
    known = values[np.isfinite(values)]
    single = np.array_equal(known, known.astype(np.float32))
    return (_EPS32 if single else _EPS64) * max(abs(sun.night), sun.scale)


def _longest_by_chance(size: Floats, width: float, scale: float) -> int:
    """Number of small ones in a row that a record of this length has by chance at most."""
    known = size[np.isfinite(size)]
    if not len(known):
        return 1
    # the density next to it is what counts: of a fine record without the small ones themselves, most of which are faults
    if width < _FINE * scale:
        chance = float(((known > width) & (known <= (_AROUND + 1.0) * width)).mean()) / _AROUND
    else:
        chance = max(float((known <= around * width).mean()) / around for around in (_AROUND, _NEAR))
    return _longest(chance, len(known))


def _longest(chance: float, number: int) -> int:
    """How many in a row so many have by chance at most, of which each happens with this chance."""
    chance = min(max(chance, 1.0 / number), 0.9)
    return int(np.ceil(np.log(_CHANCE / number) / np.log(chance)))


def _longest_in_noise(level: float, rough: float, number: int) -> int:
    """How many in a row are within ``level`` by chance on the calmest days; no bound where rounding is all that is seen of their noise."""
    return _longest(level / rough, number) if level < _TOLD * rough else number


def _roughness(values: Floats, sun: Sun) -> float:
    """Usual bend from slot to slot on the calmest days, over the value [1]: the less, the longer a clear day looks straight or flat."""
    power = np.abs(values[1:-1] - sun.night)
    bend = np.abs(values[2:] - 2.0 * values[1:-1] + values[:-2]) / np.maximum(power, sun.low)
    here = np.isfinite(bend) & (power > _BRIGHT * sun.scale)
    day = sun.day[1:-1][here]
    if not len(day):
        return 0.0
    medians = [float(np.median(part)) for part in np.split(bend[here], np.flatnonzero(np.diff(day)) + 1)]
    return float(np.quantile(medians, _CALM))


def stale_of(values: Floats, sun: Sun, slot: int, lines: Bools) -> Bools:
    """Of one series, [slot]; see :func:`stale_values`."""
    found = np.zeros(len(values), bool)
    if not np.isfinite(sun.scale) or sun.scale <= 0:
        return found
    width = _width(values, sun)
    steps = np.abs(np.diff(values))
    awake = np.abs(values - sun.night) > sun.low
    same = np.nan_to_num(steps, nan=np.inf) <= width
    level = max(width, sun.resolution / 2.0)
    both = awake[1:] & awake[:-1]
    chance = 1 + _longest_by_chance(steps[both], level, sun.scale)
    # a device read more often than it measures repeats each value: its usual repeats are no fault
    lengths = np.array([b - a + 1 for a, b in spans_of(same & both)] + [1] * int((~same & both).sum()))
    usual = 3 * int(np.median(lengths)) if len(lengths) and np.median(lengths) > 1 else 0
    smooth = int(np.ceil(2.0 * smooth_slots(_SEEN * level / sun.scale, slot)))  # a tracker's noon is twice as flat
    rough = _roughness(values, sun)
    clipped = clipping_of(values, sun, slot)[0]
    for first, last in spans_of(same):
        stop = last + 1
        value = values[first]
        if stop - first < _REPEATS or abs(value - sun.night) <= sun.low:
            continue
        # a step is smaller than a bend by the square root of three
        noise = _longest_in_noise(np.sqrt(3.0) * level, rough * abs(value - sun.night), len(values))
        least = max(_REPEATS, chance, usual, min(smooth, 1 + noise))
        # the lower, the longer dim light may stay within the resolution
        if stop - first < int(least * (1.0 + _AROUND * sun.resolution / abs(value - sun.night))):
            continue
        run = slice(first, stop)
        if lines[run].mean() > 0.5 or (clipped[run].mean() > 0.5 and not sun.dark[run].any()):
            continue
        found[run] = True
    return found


def lines_of(values: Floats, sun: Sun, slot: int) -> Bools:
    """Of one series, [slot]; see :func:`interpolated_values`."""
    found = np.zeros(len(values), bool)
    if not np.isfinite(sun.scale) or sun.scale <= 0 or len(values) < _POINTS:
        return found
    width = _width(values, sun)
    bend = np.abs(values[2:] - 2.0 * values[1:-1] + values[:-2])
    awake = np.abs(values - sun.night) > sun.low
    # a bend is small where its values are: those of the dusk are left out where chance is told
    known = bend[awake[1:-1] & np.isfinite(bend)]
    rough = _roughness(values, sun) * _BRIGHT * sun.scale
    # first for lines as exact as the number format, then for lines that were rounded to the resolution of the record
    for slack in dict.fromkeys((width, max(width, sun.resolution))):
        if slack > width and slack > 0.01 * sun.scale:
            break
        # exact lines happen by chance as often as the record is coarse
        level = max(2.0 * slack + width, sun.resolution / 2.0)
        least = max(_POINTS, 2 + _longest_by_chance(known, level, sun.scale))
        # where the course of a day turns from steepening to levelling off it is straight but for its third power
        turn = (24.0 * _SEEN * slack / sun.scale) ** (1.0 / 3.0)
        smooth = int(np.ceil(2.0 * turn / (2.0 * np.pi) * DAY / slot)) + 1
        least = max(least, min(smooth, 2 + _longest_in_noise(level, rough, len(values))))
        straight = np.nan_to_num(bend, nan=np.inf) <= 2.0 * slack + width
        here = np.zeros(len(values), bool)
        _lines(values, straight, slack + width, least, 4.0 * (slack + width), here)
        for first, stop in spans_of(here):
            # dawn and dusk are straight within the resolution
            dim = np.abs(values[first:stop] - sun.night).max() < _DIM * sun.resolution
            here[first:stop] = not dim or sun.dark[first:stop].any()
        found |= here
    return found | _filled_nights(values, sun, found)


def _lines(values: Floats, straight: Bools, slack: float, least: int, slope: float, found: Bools) -> None:
    """Mark the insides of lines of at least ``least`` points within ``slack`` that rise or fall by more than ``slope``."""
    for first, stop in spans_of(straight):
        if stop - first + 2 >= least:
            _split(values, first, stop + 2, slack, least, slope, found)


@numba.njit(cache=True, nogil=True)
def _split(values: Any, first: int, stop: int, slack: float, least: int, slope: float, found: Any) -> None:
    """The longest lines from left to right: a line ends where its chord leaves a point behind."""
    at = first
    while stop - at >= least:
        end = at + 2
        low, high = -np.inf, np.inf  # slopes that pass within the slack of all points so far
        for j in range(at + 1, stop):
            low_j = (values[j] - slack - values[at]) / (j - at)
            high_j = (values[j] + slack - values[at]) / (j - at)
            if max(low, low_j) > min(high, high_j):
                break
            low, high = max(low, low_j), min(high, high_j)
            end = j + 1
        if end - at >= least and abs(values[end - 1] - values[at]) > slope:
            found[at + 1 : end - 1] = True
        at = max(end - 1, at + 1)


def _filled_nights(values: Floats, sun: Sun, lines: Bools) -> Bools:
    """Runs at the night level that a recorder drew which fills its nights."""
    found = np.zeros(len(values), bool)
    middles = np.flatnonzero(np.diff(sun.day) > 0) + 1
    if not len(middles) or not lines[middles].any():
        return found
    flat = np.abs(values[middles] - sun.night) <= sun.low
    filled = lines[middles]
    cost = np.zeros((len(middles), 2))  # [night, (fills not, fills)]
    cost[filled, 0] = _SINGLE
    cost[flat & ~filled, 1] = _FLAT
    cost[np.isnan(values[middles]), 1] = _FLAT
    cost[~flat & ~filled & np.isfinite(values[middles]), 1] = _SINGLE
    best, come = cost[0].copy(), np.zeros((len(cost), 2), np.int64)
    for k in range(1, len(cost)):
        for state in (0, 1):
            other = best[1 - state] + _CHANGE
            come[k, state] = state if best[state] <= other else 1 - state
        best = np.minimum(best, best[::-1] + _CHANGE) + cost[k]
    state = int(np.argmin(best))
    same = np.abs(np.diff(values)) <= 0.0
    for k in range(len(cost) - 1, -1, -1):
        if state and flat[k] and not filled[k]:
            first = last = int(middles[k])
            while first > 0 and same[first - 1]:
                first -= 1
            while last < len(values) - 1 and same[last]:
                last += 1
            found[first + 1 : last] = True
        state = int(come[k, state])
    return found
