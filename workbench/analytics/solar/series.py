"""Solar series as the checks see them: a regular grid, its days from midnight to midnight of the sun, night level, scale.

Nothing here needs coordinates or a time zone: the middle of the day is where the energy lies, whatever the clock says. So the
checks hold for local time without a zone as for UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.solar.checks import check_plant, without_codes
from workbench.model.errors import InputError, did_you_mean

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

MINUTE = 60 * 10**9  #: [ns]
HOUR = 60 * MINUTE
DAY = 24 * HOUR
#: Slots of the grid per time stamp at most: beyond, the stamps are not of one cadence.
_THINNEST = 50
#: Either side of the middle of the night that is dark [ns]: nights are longer than 4 h up to 57 degrees of latitude.
_DARK = 2 * HOUR
_EPS32 = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class Grid:
    """One variable of all assets on a regular grid."""

    times: Ints  #: [slot], UTC [ns]
    values: Floats  #: [slot, asset]
    rows: Ints  #: slot of each time of the data
    slot: int  #: [ns]

    def back(self, found: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """``found`` [slot, asset] at the times of the data."""
        return found[self.rows]


@dataclass(frozen=True)
class Sun:
    """What a series says of its own days; all of it without coordinates."""

    noon: float  #: middle of the energy, after midnight of the time stamps [ns]; NaN where it has no middle
    day: Ints  #: [slot] number of the day, from one middle of the night to the next
    since: Floats  #: [slot] time since the last middle of the night [ns]
    dark: Bools  #: [slot] around the middle of the night
    night: float  #: usual value there
    scale: float  #: a high value over the night level: near the rating of a plant
    resolution: float  #: of the record; 0 where it has no decimal grid

    @property
    def low(self) -> float:
        """Distance from the night level within which nothing is produced."""
        return max(2.0 * self.resolution, 0.002 * self.scale)


def grid_of(data: xr.Dataset, variable: str) -> Grid:
    """``variable`` on a regular grid; slots that the data leave out (as many a table does nights) are missing there.

    Raises
    ------
    InputError
        No such field, not by (time, asset), fewer than three times, times double or not ascending, or of no one cadence.
    """
    check_plant(data)
    if variable not in data:
        raise InputError(
            f"no field {variable!r}", where="variable", hint=did_you_mean(variable, [str(n) for n in data.data_vars])
        )
    array = data[variable]
    if set(array.dims) != {"time", "asset"}:
        raise InputError(f"{variable} is not by time and asset", found=array.dims, expected="(time, asset)")
    if array.dtype.kind not in "fiub":
        raise InputError("values are no numbers", where=variable, found=str(array.dtype), expected="numbers")
    values = without_codes(array.transpose("time", "asset").values.astype(np.float64), variable)
    times = data["time"].values.astype("datetime64[ns]").astype(np.int64)
    steps = np.diff(times)
    if len(steps) < 2:
        raise InputError("too few times to judge", where="time", found=len(times), expected="at least 3")
    if (steps <= 0).any():
        at = int(np.flatnonzero(steps <= 0)[0]) + 1
        raise InputError("times are double or not ascending", where=str(data["time"].values[at]))
    kinds, counts = np.unique(steps, return_counts=True)
    slot = int(kinds[np.argmax(counts)])
    rows = np.round((times - times[0]) / slot).astype(np.int64)
    if rows[-1] >= _THINNEST * len(times) + 10_000 or (np.diff(rows) == 0).any():
        raise InputError("the times are of no one cadence", where="time", expected="equal steps, with gaps")
    values = np.where(np.isfinite(values), values, np.nan)
    if rows[-1] + 1 == len(rows):
        return Grid(times, values, rows, slot)
    full = np.full((int(rows[-1]) + 1, values.shape[1]), np.nan)
    full[rows] = values
    return Grid(times[0] + np.arange(len(full)) * slot, full, rows, slot)


def sun_of(times: Ints, values: Floats, slot: int) -> Sun:
    """Days, night level, scale and resolution of one series, [slot]."""
    known = np.isfinite(values)
    unknown = Sun(np.nan, times // DAY, (times % DAY).astype(float), np.zeros(len(times), bool), np.nan, np.nan, 0.0)
    if known.sum() < 3:
        return unknown
    here = values[known]
    # one in several says as much of the course
    thin = slice(None, None, max(1, len(here) // 20_000))
    here = here[thin]
    angle = np.exp(2j * np.pi * (times[known][thin] % DAY) / DAY)
    # the level of the nights is low, high where the sign is reversed, the most usual where it is at times, or zero: with the
    # right one the energy has the clearest middle
    mean, best = 0j, 0.0
    for base in (0.0, *np.quantile(here, [0.02, 0.5, 0.98])):
        weight = np.abs(here - base)
        weight = np.minimum(weight, np.quantile(weight, 0.98))
        total = float(weight.sum())
        one = complex(np.sum(weight * angle)) / total if total > 0 else 0j
        if abs(one) > best:
            mean, best = one, abs(one)
    if best < 0.1:  # the same by day and by night
        return unknown
    noon = float(np.angle(mean) % (2.0 * np.pi)) / (2.0 * np.pi) * DAY
    shifted = times - int(noon) + DAY // 2
    since = (shifted % DAY).astype(float)
    dark = np.minimum(since, DAY - since) < _DARK
    night = _night(values, since, shifted // DAY, dark)
    awake = np.abs(values[known & ~dark] - night)
    scale = float(np.quantile(awake, 0.99)) if len(awake) else np.nan
    return Sun(noon, shifted // DAY, since, dark, night, scale, resolution_of(here))


@numba.njit(cache=True, nogil=True)
def night_medians(values: Any, night: Any, dark: Any) -> Any:
    """Median of the known values in the dark by night, [night - night[0]]; NaN where there are none."""
    out = np.full(night[-1] - night[0] + 1, np.nan)
    some = np.empty(values.size)
    count, current = 0, night[0]
    for k in range(values.size):
        if night[k] != current:
            if count:
                out[current - night[0]] = np.median(some[:count])
            count, current = 0, night[k]
        if dark[k] and not np.isnan(values[k]):
            some[count] = values[k]
            count += 1
    if count:
        out[current - night[0]] = np.median(some[:count])
    return out


def _night(values: Floats, since: Floats, day: Ints, dark: Bools) -> float:
    """Median over the nights of their medians; 0 where a record leaves most of its nights out."""
    nights = night_medians(values, day + (since > DAY / 2), dark)
    nights = nights[np.isfinite(nights)]
    days = int(day[-1] - day[0]) + 1
    return float(np.median(nights)) if len(nights) >= max(1.0, 0.3 * days) else 0.0


def resolution_of(values: Floats) -> float:
    """Step of the decimal grid on which most values lie (0.1, 0.001, …); 0 where there is none."""
    some = values[values != 0.0]
    if len(some) < 3:
        return 0.0
    some = some[:: max(1, len(some) // 2000)]
    noise = 4.0 * _EPS32 if np.array_equal(some, some.astype(np.float32)) else 1e-12
    for decimals in range(-3, 10):
        step = 10.0**-decimals
        off = np.abs(some / step - np.round(some / step))
        slack = np.abs(some / step) * noise
        if (slack < 0.1).mean() < 0.5:  # the number format is no finer than this step
            return 0.0
        # a value that is small beside the step lies near to nothing, and says nothing of it
        if ((off <= np.maximum(slack, 1e-6)) & (np.abs(some) > step / 2.0)).mean() >= 0.5:
            return step
    return 0.0


def runs_of(state: npt.NDArray[np.generic]) -> list[tuple[int, int]]:
    """Spans [first, stop) of equal values of ``state``."""
    if not len(state):
        return []
    cuts = np.flatnonzero(state[1:] != state[:-1]) + 1
    return list(zip(np.append(0, cuts).tolist(), np.append(cuts, len(state)).tolist(), strict=True))


def spans_of(mask: Bools) -> list[tuple[int, int]]:
    """Spans [first, stop) in which ``mask`` holds."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def smooth_slots(share: float, slot: int) -> float:
    """Slots for which a day's course stays within ``share`` of its top: the sun turns 15 degrees an hour."""
    turn = 2.0 * float(np.arccos(1.0 - min(max(share, 0.0), 1.0)))
    return turn / (2.0 * np.pi) * DAY / slot


def dim_of(data: xr.Dataset, values: npt.NDArray[np.generic], **attrs: object) -> xr.DataArray:
    """``values`` [time, asset] of ``data``."""
    coords = {name: data[name] for name in ("time", "asset")}
    return xr.DataArray(values, dims=("time", "asset"), coords=coords, attrs=attrs)
