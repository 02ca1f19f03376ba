"""Sums over the slots and hours of a wind farm from which wake losses follow; the loops of :mod:`.wakes`.

Compiled by numba: a simulation passes over all slots once, and makes no copy of them.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@numba.njit(cache=True, nogil=True)
def potentials(
    power: Floats,
    speed: Floats,
    derated: Bools,
    odd: Bools,
    sector: Ints,
    counts: Ints,
    factor: Floats,
    curve: Floats,
    step: Floats,
    change: Floats,
    own: bool,
    highest: Any,
    potential: Floats,
    free_speed: Floats,
) -> None:
    """What each turbine, and the farm, would make with free wind; written into the last two arguments.

    Parameters
    ----------
    power, speed
        dims (slot, asset), [kW], [m/s]; a slot of a turbine that lacks one is NaN in both.
    derated, odd
        dims (slot, asset): below its curve; wind speed not to be used.
    sector
        dims (slot): which row of ``counts`` and ``change`` holds.
    counts
        dims (sector, asset): how often the turbine counts as one of free wind; 0 where it is waked.
    factor
        dims (slot, asset): wind speed in proportion to the mean of the farm; of size 0 for none.
    curve, step
        Power [kW] by wind speed in equal steps, first at ``step[0]``, ``step[1]`` apart [m/s]; with ``factor`` only.
    change
        dims (sector, asset): factor of the potential of a turbine that does not have free wind of its own.
    own
        Whether the potential of a turbine with free wind is what it makes, or the mean of those of free wind.
    highest
        dims (asset + 1): most that a turbine, the farm (by turbine) can make [kW]; with ``factor`` only.
    potential
        dims (slot, asset + 1), the farm last [kW]; NaN where there is none.
    free_speed
        dims (slot), mean wind speed [m/s] of the turbines with free wind; NaN where there is none.
    """
    slots, turbines = power.shape
    speedy = factor.shape[0] > 0
    expected = np.zeros(turbines)
    for row in range(slots):
        free = counts[sector[row]]
        n_power = n_speed = 0
        sum_power = sum_speed = sum_factor = 0.0
        for t in range(turbines):
            potential[row, t] = np.nan
            if free[t] == 0 or np.isnan(power[row, t]):
                continue
            if not derated[row, t]:
                n_power += free[t]
                sum_power += free[t] * power[row, t]
            if not odd[row, t]:
                n_speed += free[t]
                sum_speed += free[t] * speed[row, t]
                if speedy:
                    sum_factor += free[t] * factor[row, t]
        potential[row, turbines] = np.nan
        free_speed[row] = np.nan
        if n_power == 0 or n_speed == 0:
            continue
        mean = sum_power / n_power
        wind = sum_speed / n_speed
        mean_expected = 0.0
        if speedy:
            wind /= sum_factor / n_speed
            for t in range(turbines):
                place = (wind * factor[row, t] - step[0]) / step[1]
                below = int(np.floor(place))
                if below < 0:
                    expected[t] = curve[0]
                elif below >= len(curve) - 1:
                    expected[t] = curve[-1]
                else:
                    expected[t] = curve[below] + (place - below) * (curve[below + 1] - curve[below])
                if free[t] > 0 and not derated[row, t] and not np.isnan(power[row, t]):
                    mean_expected += free[t] * expected[t]
            mean_expected /= n_power
        free_speed[row] = wind
        whole = stopped = all_expected = 0.0
        normal = 0
        for t in range(turbines):
            if np.isnan(power[row, t]):
                continue
            if derated[row, t]:
                potential[row, t] = power[row, t]
                stopped += power[row, t]
                continue
            normal += 1
            made = mean
            if own and free[t] > 0:
                made = power[row, t]
            elif speedy:
                all_expected += expected[t]
                if mean > 0 and expected[t] > 0 and mean_expected > 1.0:
                    made = mean * expected[t] / mean_expected
                made = min(highest[t], made)
            if not (own and free[t] > 0):
                made *= change[sector[row], t]
            potential[row, t] = made
            whole += made
        if speedy and not own:
            # the farm's own limits: those of its turbines together
            whole = mean * normal
            if mean > 0 and all_expected > 0 and mean_expected > 1.0:
                whole = mean * all_expected / mean_expected
            whole = min(highest[turbines] * normal, whole)
        potential[row, turbines] = whole + stopped


@numba.njit(cache=True, nogil=True)
def by_hour(
    hour: Ints,
    hours: int,
    weight: Floats,
    power: Floats,
    potential: Floats,
    free_speed: Floats,
    east: Floats,
    north: Floats,
    reference: Floats,
    flat: Floats,
) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats]:
    """Weighted means over the slots of each hour.

    Parameters
    ----------
    hour
        dims (slot): index of its hour, below ``hours``.
    weight
        dims (slot): how often the slot counts.
    power, potential
        dims (slot, asset), (slot, asset + 1).
    east, north, flat
        dims (slot): sine, cosine of the wind direction, and the direction itself.
    reference
        dims (slot): wind speed of the reanalysis.

    Returns
    -------
    actual, potential
        dims (hour, asset + 1), NaN where a turbine has no slot in the hour.
    free_speed, direction, flat, reference
        dims (hour): NaN where no slot of the hour counts; ``direction`` of the mean vector, ``flat`` the plain mean.
    """
    turbines = power.shape[1]
    made, could = np.zeros((hours, turbines + 1)), np.zeros((hours, turbines + 1))
    count = np.zeros((hours, turbines + 1))
    sums = np.zeros((hours, 6))
    for row in range(len(hour)):
        w = weight[row]
        if w == 0 or np.isnan(free_speed[row]):
            continue
        h = hour[row]
        total = 0.0
        for t in range(turbines):
            if np.isnan(power[row, t]):
                continue
            total += power[row, t]
            made[h, t] += w * power[row, t]
            could[h, t] += w * potential[row, t]
            count[h, t] += w
        made[h, turbines] += w * total
        could[h, turbines] += w * potential[row, turbines]
        count[h, turbines] += w
        sums[h, 0] += w * free_speed[row]
        sums[h, 1] += w * east[row]
        sums[h, 2] += w * north[row]
        sums[h, 3] += w * flat[row]
        sums[h, 4] += w * reference[row]
        sums[h, 5] += w
    free, direction, plain, other = (
        np.full(hours, np.nan),
        np.full(hours, np.nan),
        np.full(hours, np.nan),
        np.full(hours, np.nan),
    )
    for h in range(hours):
        for t in range(turbines + 1):
            if count[h, t] > 0:
                made[h, t] /= count[h, t]
                could[h, t] /= count[h, t]
            else:
                made[h, t] = np.nan
                could[h, t] = np.nan
        if sums[h, 5] > 0:
            free[h] = sums[h, 0] / sums[h, 5]
            direction[h] = np.degrees(np.arctan2(sums[h, 1], sums[h, 2])) % 360.0
            plain[h] = sums[h, 3] / sums[h, 5]
            other[h] = sums[h, 4] / sums[h, 5]
    return made, could, free, direction, plain, other


@numba.njit(cache=True, nogil=True)
def binned(place: Ints, places: int, weight: Floats, first: Floats, second: Floats) -> tuple[Floats, Floats, Floats]:
    """Weighted sums of two arrays (row, column) by the bin of the row, and the sum of weights; NaN are left out.

    ``place`` is below ``places``, or negative for rows that count nowhere.
    """
    columns = first.shape[1]
    one, other, count = np.zeros((places, columns)), np.zeros((places, columns)), np.zeros((places, columns))
    for row in range(len(place)):
        p, w = place[row], weight[row]
        if p < 0 or w == 0:
            continue
        for c in range(columns):
            if np.isnan(second[row, c]) or np.isnan(first[row, c]):
                continue
            one[p, c] += w * first[row, c]
            other[p, c] += w * second[row, c]
            count[p, c] += w
    return one, other, count


@numba.njit(cache=True, nogil=True)
def together(sector: Ints, half: Ints, power: Floats, normal: Bools, free: Bools) -> tuple[Floats, Ints]:
    """Power summed over the slots in which all turbines with free wind ran normally.

    Parameters
    ----------
    sector, half
        dims (slot); ``half`` is 0 or 1.
    power, normal
        dims (slot, asset).
    free
        dims (sector, asset).

    Returns
    -------
    power
        dims (half, sector, asset).
    slots
        dims (half, sector).
    """
    sums, slots = np.zeros((2, *free.shape)), np.zeros((2, free.shape[0]), np.int64)
    for row in range(len(sector)):
        s, h = sector[row], half[row]
        good = True
        for t in range(free.shape[1]):
            if free[s, t] and (not normal[row, t] or np.isnan(power[row, t])):
                good = False
                break
        if good:
            slots[h, s] += 1
            for t in range(free.shape[1]):
                if free[s, t]:
                    sums[h, s, t] += power[row, t]
    return sums, slots
