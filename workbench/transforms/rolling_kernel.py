"""The kernel of rolling statistics: all statistics of a window in one pass, for times with gaps.

A window slides by two stacks of aggregates: the older samples are aggregated from the border backwards, the
newer ones forwards, and a window is one aggregate of each, merged. Nothing is ever subtracted, so no error builds
up however long it runs, and a large offset costs no digits. The cost of a sample is three merges, whatever the
length of the window.

Moments are merged after P. Pébay, Formulas for robust, one-pass parallel computation of covariances and
arbitrary-order statistical moments, SAND2008-6212 (2008), eqs. 2.1, 3.1 and their orders 3 and 4; the queue of two
stacks is folklore, see K. Tangwongsan et al., Low-latency sliding-window aggregation in worst-case constant time,
DEBS 2017, section 2.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

#: Statistics in the order of the kernel's outputs.
STATISTICS = ("mean", "max", "min", "stddev", "trend", "rms", "kurtosis", "peak_to_peak", "rate_of_change", "count")
#: Numbers of an aggregate: count, mean, sums of the 2nd, 3rd and 4th powers of deviations, least, most, mean time
#: [h], sum of squared deviations of time, sum of products of deviations; then first and last time [h] and value.
WIDTH = 14
_N, _MEAN, _M2, _M3, _M4, _MIN, _MAX, _T, _TT, _TX, _T0, _X0, _T1, _X1 = range(WIDTH)
_SECONDS = 3_600.0


@numba.njit(cache=True, fastmath=False, inline="always")
def _add(a: Any, t: float, x: float, moments: bool, slope: bool) -> None:
    """Put one sample, newer than all, to the aggregate ``a``."""
    n0 = a[_N]
    n = n0 + 1.0
    if n0 == 0.0:
        a[_MEAN], a[_M2], a[_M3], a[_M4] = x, 0.0, 0.0, 0.0
        a[_MIN] = a[_MAX] = x
        a[_T], a[_TT], a[_TX] = t, 0.0, 0.0
        a[_T0], a[_X0] = t, x
    else:
        d = x - a[_MEAN]
        step = d / n
        term = d * step * n0
        if moments:
            a[_M4] += term * step * step * (n * n - 3.0 * n + 3.0) + 6.0 * step * step * a[_M2] - 4.0 * step * a[_M3]
            a[_M3] += term * step * (n - 2.0) - 3.0 * step * a[_M2]
        a[_M2] += term
        if slope:
            dt = t - a[_T]
            a[_TT] += dt * dt * n0 / n
            a[_TX] += dt * d * n0 / n
            a[_T] += dt / n
        a[_MEAN] += step
        a[_MIN], a[_MAX] = min(a[_MIN], x), max(a[_MAX], x)
    a[_T1], a[_X1] = t, x
    a[_N] = n


@numba.njit(cache=True, fastmath=False, inline="always")
def _merge(a: Any, b: Any, out: Any, moments: bool, slope: bool) -> None:
    """``out`` = all of ``a``, then all of ``b``; may be one of them."""
    na, nb = a[_N], b[_N]
    if nb == 0.0 or na == 0.0:
        one = a if nb == 0.0 else b
        for i in range(WIDTH):
            out[i] = one[i]
        return
    n = na + nb
    d = b[_MEAN] - a[_MEAN]
    m2a, m2b = a[_M2], b[_M2]
    share = na * nb / n
    if moments:
        m3a, m3b = a[_M3], b[_M3]
        d2 = d * d
        fourth = a[_M4] + b[_M4] + d2 * d2 * share * (na * na - na * nb + nb * nb) / (n * n)
        fourth += 6.0 * d2 * (na * na * m2b + nb * nb * m2a) / (n * n) + 4.0 * d * (na * m3b - nb * m3a) / n
        out[_M3] = m3a + m3b + d2 * d * share * (na - nb) / n + 3.0 * d * (na * m2b - nb * m2a) / n
        out[_M4] = fourth
    if slope:
        dt = b[_T] - a[_T]
        out[_TT] = a[_TT] + b[_TT] + dt * dt * share
        out[_TX] = a[_TX] + b[_TX] + dt * d * share
        out[_T] = a[_T] + dt * nb / n
    out[_M2] = m2a + m2b + d * d * share
    out[_MEAN] = a[_MEAN] + d * nb / n
    out[_MIN], out[_MAX] = min(a[_MIN], b[_MIN]), max(a[_MAX], b[_MAX])
    out[_T0], out[_X0] = a[_T0], a[_X0]
    out[_T1], out[_X1] = b[_T1], b[_X1]
    out[_N] = n


@numba.njit(cache=True, fastmath=False, inline="always")
def _tell(a: Any, shift: float, wanted: Any, out: Any, column: int, row: int) -> None:
    """Write the ``wanted`` statistics of the aggregate, of values less ``shift``, to ``out`` [statistic, column, row]."""
    n = a[_N]
    for place in range(wanted.size):
        which = wanted[place]
        value = np.nan
        if which == 9:
            value = n
        elif n > 0.0:
            if which == 0:
                value = shift + a[_MEAN]
            elif which == 1:
                value = shift + a[_MAX]
            elif which == 2:
                value = shift + a[_MIN]
            elif which == 3:
                if n > 1.0:
                    value = np.sqrt(max(a[_M2], 0.0) / (n - 1.0))
            elif which == 4:
                if n > 1.0 and a[_TT] > 0.0:
                    value = a[_TX] / a[_TT]
            elif which == 5:
                mean = shift + a[_MEAN]
                value = np.sqrt(mean * mean + max(a[_M2], 0.0) / n)
            elif which == 6:
                if n > 3.0 and a[_MAX] > a[_MIN] and a[_M2] > 0.0:
                    value = n * a[_M4] / (a[_M2] * a[_M2])
            elif which == 7:
                value = a[_MAX] - a[_MIN]
            elif n > 1.0:
                value = (a[_X1] - a[_X0]) / (a[_T1] - a[_T0])
        out[place, column, row] = value


@numba.njit(cache=True, fastmath=False)
def shift_of(values: Any) -> float:
    """The first value there is; 0 where there is none."""
    for x in values:
        if np.isfinite(x):
            return float(x)
    return 0.0


@numba.njit(cache=True, fastmath=False)
def slide(
    times: Any, hours: Any, values: Any, shift: float, first: int, window: int, wanted: Any, out: Any, column: int,
    ends: Any, back: Any, front: Any,
) -> None:  # fmt: skip
    """Go on with one window over one column, from row ``first`` on.

    Parameters
    ----------
    times, window
        Times, ascending, and length [ns]: a window holds the rows later than ``window`` before the row's own.
    hours
        The times once more [h], as they go into slopes.
    values
        Of the column; NaN is missing.
    shift
        What is taken off each value: one of them, so that an offset costs no digits.
    wanted
        Numbers of statistics.
    out
        [statistic, column, row], of as many rows as are at the end
    ends, back, front
        What is kept between two calls: first row of the window and row of the border; the newer part; a ring of
        the older part's aggregates by row.
    """
    moments = False
    slope = False
    for which in wanted:
        moments |= which == 6
        slope |= which == 4
    low, border = ends[0], ends[1]
    begin = times.size - out.shape[2]
    room = front.shape[0]
    whole = np.empty(WIDTH)
    for row in range(first, hours.size):
        x = values[row] - shift
        if np.isfinite(x):
            _add(back, hours[row], x, moments, slope)
        since = times[row] - window
        while times[low] <= since:
            low += 1
        if low >= border:
            # The older part is used up: what was the newer part is aggregated from here backwards.
            border = row + 1
            for i in range(WIDTH):
                whole[i] = 0.0
            for at in range(row, low - 1, -1):
                x = values[at] - shift
                mine = front[at % room]
                if np.isfinite(x):
                    for i in range(WIDTH):
                        mine[i] = 0.0
                    _add(mine, hours[at], x, moments, slope)
                    _merge(mine, whole, mine, moments, slope)
                else:
                    for i in range(WIDTH):
                        mine[i] = whole[i]
                for i in range(WIDTH):
                    whole[i] = mine[i]
            back[_N] = 0.0
        _merge(front[low % room], back, whole, moments, slope)
        _tell(whole, shift, wanted, out, column, row - begin)
    ends[0], ends[1] = low, border


@numba.njit(cache=True, parallel=True, fastmath=False)
def slide_all(times: Any, hours: Any, values: Any, windows: Any, rooms: Any, wanted: Any, out: Any) -> None:
    """All ``windows`` [ns] over all columns of ``values`` [column, row] into ``out`` [window, statistic, column, row]."""
    for column in numba.prange(values.shape[0]):
        shift = shift_of(values[column])
        for number in range(windows.size):
            ends = np.zeros(2, np.int64)
            back = np.zeros(WIDTH)
            front = np.zeros((rooms[number], WIDTH))
            slide(
                times, hours, values[column], shift, 0, windows[number], wanted, out[number], column, ends, back, front
            )


@numba.njit(cache=True, parallel=True, fastmath=False)
def slide_on(
    times: Any,
    hours: Any,
    values: Any,
    shifts: Any,
    first: int,
    windows: Any,
    wanted: Any,
    out: Any,
    ends: Any,
    back: Any,
    front: Any,
) -> None:
    """Go on from row ``first``; ``out`` [window, statistic, column] is that of the last row."""
    for column in numba.prange(values.shape[0]):
        row = np.empty((wanted.size, 1, times.size - first))
        for number in range(windows.size):
            slide(
                times, hours, values[column], shifts[column], first, windows[number], wanted, row, 0,
                ends[column, number], back[column, number], front[column, number],
            )  # fmt: skip
            out[number, :, column] = row[:, 0, -1]


def hours_of(times: npt.NDArray[np.int64], origin: int) -> npt.NDArray[np.float64]:
    """Times [ns] as hours since ``origin`` [ns]."""
    return (times - origin) / (_SECONDS * 1e9)


def rows_of(times: npt.NDArray[np.int64], window: int) -> int:
    """Most rows that a window [ns] ever holds."""
    if not len(times):
        return 1
    low = np.searchsorted(times, times - window, side="right")
    return int((np.arange(len(times)) - low).max()) + 2
