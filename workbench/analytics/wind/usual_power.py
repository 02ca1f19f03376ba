"""What a turbine usually makes at a wind speed: percentiles of its power by bins, and their values at each slot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.wind.neighbours import Floats

WIDTH = 0.5  #: of the bins [m/s], centred on its multiples, as IEC 61400-12-1 has them
FEWEST = 36  #: values a bin needs: six hours, as IEA Wind Task 19 recommends


def rating_of(data: xr.Dataset, power: Floats) -> Floats:
    """Rating of each asset [kW]; the 99.9 % quantile of its power where it is not known, NaN where there is none."""
    given = data["rated_capacity"].values if "rated_capacity" in data.coords else np.full(power.shape[1], np.nan)
    found = np.asarray(given, dtype=np.float64).copy()
    for column in np.flatnonzero(~(np.isfinite(found) & (found > 0))):
        known = power[np.isfinite(power[:, column]), column]
        top = float(np.quantile(known, 0.999)) if len(known) else np.nan
        found[column] = top if top > 0 else np.nan
    return found


def usual_values(
    speed: Floats, values: Floats, keep: npt.NDArray[np.bool_], quantiles: Sequence[float], *, fewest: int = FEWEST
) -> Floats:
    """Quantiles of ``values`` by bins of wind speed: [quantile, asset, bin], NaN in bins with fewer than ``fewest``.

    Parameters
    ----------
    speed, values, keep
        [time, asset]: wind speed [m/s], what is wanted of it, which slots count.
    """
    known = speed[np.isfinite(speed)]
    size = int(np.clip(known.max(initial=0.0), 0.0, 60.0) / WIDTH + 0.5) + 1
    return np.asarray(_quantiles(speed, values, keep, np.asarray(quantiles, np.float64), WIDTH, size, fewest))


def bridged(curves: Floats) -> Floats:
    """Curves [..., bin] with the bins between two that are known taken linearly; those outside stay NaN."""
    out = curves.copy().reshape(-1, curves.shape[-1])
    at = np.arange(curves.shape[-1])
    for curve in out:
        there = np.isfinite(curve)
        if there.any():
            curve[:] = np.interp(at, at[there], curve[there], left=np.nan, right=np.nan)
    return out.reshape(curves.shape)


def at_speed(curve: Floats, speed: Floats, *, beyond: bool = True) -> Floats:
    """A curve [asset, bin] at each wind speed [time, asset]: linear between the centres of its bins.

    ``beyond``: above its last bin the last value holds.
    """
    return np.asarray(_lookup(curve, speed, WIDTH, beyond))


@numba.njit(cache=True, nogil=True)
def _quantiles(speed: Any, values: Any, keep: Any, quantiles: Any, width: float, size: int, fewest: int) -> Any:
    rows, columns = speed.shape
    out = np.full((quantiles.size, columns, size), np.nan)
    for column in range(columns):
        counts = np.zeros(size + 1, np.int64)
        for row in range(rows):
            if keep[row, column] and speed[row, column] >= 0.0:
                k = int(speed[row, column] / width + 0.5)
                if k < size:
                    counts[k + 1] += 1
        starts = np.cumsum(counts)
        sorted_by_bin = np.empty(starts[size])
        filled = starts[:size].copy()
        for row in range(rows):
            if keep[row, column] and speed[row, column] >= 0.0:
                k = int(speed[row, column] / width + 0.5)
                if k < size:
                    sorted_by_bin[filled[k]] = values[row, column]
                    filled[k] += 1
        for k in range(size):
            n = starts[k + 1] - starts[k]
            if n < max(fewest, 1):
                continue
            part = np.sort(sorted_by_bin[starts[k] : starts[k + 1]])
            for q in range(quantiles.size):
                place = quantiles[q] * (n - 1)
                low = int(place)
                high = min(low + 1, n - 1)
                out[q, column, k] = part[low] + (place - low) * (part[high] - part[low])
    return out


@numba.njit(cache=True, nogil=True)
def _lookup(curve: Any, speed: Any, width: float, beyond: bool) -> Any:
    rows, columns = speed.shape
    out = np.full((rows, columns), np.nan)
    for column in range(columns):
        last = -1
        for k in range(curve.shape[1]):
            if not np.isnan(curve[column, k]):
                last = k
        if last < 0:
            continue
        for row in range(rows):
            v = speed[row, column]
            if not v >= 0.0:
                continue
            place = v / width
            low = int(place)
            if low >= last:
                if beyond or place == last:
                    out[row, column] = curve[column, last]
                continue
            share = place - low
            if share == 0.0:
                out[row, column] = curve[column, low]
            else:
                out[row, column] = curve[column, low] + share * (curve[column, low + 1] - curve[column, low])
    return out
