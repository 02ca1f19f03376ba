"""Levels of daily indices: where they change, and by how much.

The cheapest cut of a series into levels, with a price per cut (optimal partitioning: Jackson et al. 2005, IEEE Signal Processing
Letters 12, doi:10.1109/LSP.2001.838216). A single stray day becomes a level of its own and does not bend its neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

#: Price of a cut in squared standard deviations: above what chance gives one of a few hundred days.
CUT = 14.0


@dataclass(frozen=True)
class Segment:
    """Days [first, stop) of the series at one level; days without a value belong to the segment they lie in."""

    first: int
    stop: int
    level: float
    days: int  #: with a value
    deviation: float  #: standard error of the level


@numba.njit(cache=True, nogil=True)
def _cuts(values: Any, weights: Any, price: float) -> Any:
    """First day of the segment that ends at each day of the cheapest cut, [day]."""
    size = values.size
    w, wx, wxx = np.zeros(size + 1), np.zeros(size + 1), np.zeros(size + 1)
    for k in range(size):
        w[k + 1] = w[k] + weights[k]
        wx[k + 1] = wx[k] + weights[k] * values[k]
        wxx[k + 1] = wxx[k] + weights[k] * values[k] * values[k]
    best = np.full(size + 1, np.inf)
    best[0] = -price
    first = np.zeros(size, np.int64)
    for stop in range(1, size + 1):
        for start in range(stop):
            total = w[stop] - w[start]
            sums = wx[stop] - wx[start]
            cost = best[start] + wxx[stop] - wxx[start] - sums * sums / total + price
            if cost < best[stop]:
                best[stop] = cost
                first[stop - 1] = start
    return first


def noise_of(values: Floats) -> float:
    """Standard deviation of a series from one day to the next, steps left aside; NaN with less than five days."""
    there = values[np.isfinite(values)]
    if len(there) < 5:
        return float("nan")
    return float(1.4826 * np.median(np.abs(np.diff(there))) / np.sqrt(2.0))


def segments_of(values: Floats, noise: Floats, price: float = CUT) -> list[Segment]:
    """Levels of a series of days, NaN where a day has no value.

    Parameters
    ----------
    values
        [day].
    noise
        Standard deviation of each day, above zero [day].
    price
        Of a cut, in squared standard deviations.
    """
    rows = np.flatnonzero(np.isfinite(values) & np.isfinite(noise))
    if not len(rows):
        return []
    x, weights = values[rows], 1.0 / noise[rows] ** 2
    centre = float(x.mean())  # keeps the sums of squares from losing digits
    first = _cuts(x - centre, weights, price)
    starts: list[int] = []
    stop = len(rows)
    while stop > 0:
        stop = int(first[stop - 1])
        starts.append(stop)
    starts.reverse()
    total = np.add.reduceat(weights, starts)
    level = np.add.reduceat(weights * x, starts) / total
    days = np.diff([*starts, len(rows)])
    edges = [0, *rows[starts[1:]].tolist(), len(values)]
    return [
        Segment(edges[n], edges[n + 1], float(level[n]), int(days[n]), float(total[n] ** -0.5))
        for n in range(len(starts))
    ]
