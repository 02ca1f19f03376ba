"""The kernel of rolling statistics: all statistics of a window in one pass, for times with gaps.

A window is two parts that meet at a border: of the older part there are sums from each row up to the border, of the
newer one sums from the border on; a window is one of each, added. When the older part is used up, the border moves
to the present row. Nothing is ever taken off a sum, so no error builds up however long it runs, and a row costs the
same whatever the length of the window (two stacks as a queue: K. Tangwongsan et al., Low-latency sliding-window
aggregation in worst-case constant time, DEBS 2017, section 2).

The sums are of powers of deviations from the mean of the window in which the border last moved. Where a window's own
spread is so small beside its distance from that mean that digits are lost, the border moves to it at once, and with
it the mean.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

#: Statistics in the order of the kernel's outputs.
STATISTICS = ("mean", "max", "min", "stddev", "trend", "rms", "kurtosis", "peak_to_peak", "rate_of_change", "count")
#: Of each row of the older part: count, sums of the 1st to 4th powers of deviations, least, most, sums of time [h],
#: its square and its product with deviations, first time and value.
WIDTH = 12
#: Kept between two calls: the same of the newer part, its last time and value, the mean and the time taken off.
STATE = WIDTH + 4
_N, _S1, _S2, _S3, _S4, _MIN, _MAX, _T, _TT, _TX, _T0, _X0, _T1, _X1, _MEAN, _HOUR = range(STATE)
#: Least share of the spread in the sum of squares before digits are lost.
_LEAST = 1e-4
_HOUR_NS = 3_600 * 10**9


@numba.njit(cache=True, fastmath=False)
def _turn(hours: Any, values: Any, low: int, row: int, front: Any) -> tuple[float, float]:
    """Put the border behind ``row``: sums from each row down to ``low``; returns the mean and time taken off."""
    room = front.shape[0]
    n, total = 0.0, 0.0
    base = 0.0
    for at in range(low, row + 1):
        x = values[at]
        if np.isfinite(x):
            if n == 0.0:
                base = x
            total += x - base
            n += 1.0
    mean = base + (total / n if n > 0.0 else 0.0)
    hour = hours[row]
    n, s1, s2, s3, s4, ts, tt, tx = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    least, most, t0, x0 = np.inf, -np.inf, 0.0, 0.0
    for at in range(row, low - 1, -1):
        x = values[at]
        if np.isfinite(x):
            d = x - mean
            t = hours[at] - hour
            d2 = d * d
            n += 1.0
            s1 += d
            s2 += d2
            s3 += d2 * d
            s4 += d2 * d2
            ts += t
            tt += t * t
            tx += t * d
            least, most = min(least, x), max(most, x)
            t0, x0 = hours[at], x
        mine = front[at % room]
        mine[_N], mine[_S1], mine[_S2], mine[_S3], mine[_S4] = n, s1, s2, s3, s4
        mine[_MIN], mine[_MAX], mine[_T], mine[_TT], mine[_TX], mine[_T0], mine[_X0] = least, most, ts, tt, tx, t0, x0
    return mean, hour


@numba.njit(cache=True, fastmath=False)
def slide(
    times: Any, hours: Any, values: Any, first: int, window: int, wanted: Any, out: Any, column: int,
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
    wanted
        Numbers of statistics.
    out
        [statistic, column, row], of as many rows as are at the end
    ends, back, front
        What is kept between two calls: first row of the window and row of the border; the newer part; a ring of
        the older part's sums by row.
    """
    low, border = ends[0], ends[1]
    begin = times.size - out.shape[2]
    room = front.shape[0]
    n, s1, s2, s3, s4 = back[_N], back[_S1], back[_S2], back[_S3], back[_S4]
    least, most, ts, tt, tx = back[_MIN], back[_MAX], back[_T], back[_TT], back[_TX]
    t0, x0, t1, x1, mean, hour = back[_T0], back[_X0], back[_T1], back[_X1], back[_MEAN], back[_HOUR]
    if n == 0.0:
        least, most = np.inf, -np.inf
    for row in range(first, hours.size):
        x = values[row]
        if np.isfinite(x):
            d = x - mean
            t = hours[row] - hour
            d2 = d * d
            if n == 0.0:
                t0, x0 = hours[row], x
            n += 1.0
            s1 += d
            s2 += d2
            s3 += d2 * d
            s4 += d2 * d2
            ts += t
            tt += t * t
            tx += t * d
            least, most = min(least, x), max(most, x)
            t1, x1 = hours[row], x
        since = times[row] - window
        while times[low] <= since:
            low += 1
        turned = low >= border
        while True:
            if turned:
                mean, hour = _turn(hours, values, low, row, front)
                border = row + 1
                n, s1, s2, s3, s4, ts, tt, tx = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
                least, most = np.inf, -np.inf
            old = front[low % room]
            number = old[_N] + n
            a1, a2 = old[_S1] + s1, old[_S2] + s2
            off = a1 / number if number > 0.0 else 0.0
            m2 = a2 - a1 * off
            time, square = old[_T] + ts, old[_TT] + tt
            spread = square - time * time / number if number > 0.0 else 0.0
            lost = (m2 < _LEAST * a2) or (number > 1.0 and spread < 1e-6 * square)
            if turned or not lost:
                break
            turned = True
        lowest, highest = min(old[_MIN], least), max(old[_MAX], most)
        if lowest == highest:
            m2 = 0.0
        for place in range(wanted.size):
            which = wanted[place]
            value = np.nan
            if which == 9:
                value = number
            elif number > 0.0:
                if which == 0:
                    value = mean + off
                elif which == 1:
                    value = highest
                elif which == 2:
                    value = lowest
                elif which == 3:
                    if number > 1.0:
                        value = np.sqrt(max(m2, 0.0) / (number - 1.0))
                elif which == 4:
                    if number > 1.0 and spread > 0.0:
                        value = (old[_TX] + tx - a1 * time / number) / spread
                elif which == 5:
                    centre = mean + off
                    value = np.sqrt(centre * centre + max(m2, 0.0) / number)
                elif which == 6:
                    if number > 3.0 and m2 > 0.0:
                        fourth = old[_S4] + s4 - off * (4.0 * (old[_S3] + s3) - off * (6.0 * a2 - 3.0 * off * a1))
                        value = number * fourth / (m2 * m2)
                elif which == 7:
                    value = highest - lowest
                elif number > 1.0:
                    early = old[_N] > 0.0
                    since_x, since_t = (old[_X0], old[_T0]) if early else (x0, t0)
                    value = (x1 - since_x) / (t1 - since_t)
            out[place, column, row - begin] = value
    ends[0], ends[1] = low, border
    back[_N], back[_S1], back[_S2], back[_S3], back[_S4] = n, s1, s2, s3, s4
    back[_MIN], back[_MAX], back[_T], back[_TT], back[_TX] = least, most, ts, tt, tx
    back[_T0], back[_X0], back[_T1], back[_X1], back[_MEAN], back[_HOUR] = t0, x0, t1, x1, mean, hour


# Without the lock of the interpreter, in threads of ours: numba's own end the process where several callers meet in
# them and it has neither OpenMP nor TBB.
@numba.njit(cache=True, nogil=True, fastmath=False)
def slide_all(times: Any, hours: Any, values: Any, windows: Any, rooms: Any, wanted: Any, out: Any) -> None:
    """All ``windows`` [ns] over all columns of ``values`` [column, row] into ``out`` [window, statistic, column, row]."""
    for column in range(values.shape[0]):
        for number in range(windows.size):
            ends = np.zeros(2, np.int64)
            back = np.zeros(STATE)
            front = np.zeros((rooms[number], WIDTH))
            slide(times, hours, values[column], 0, windows[number], wanted, out[number], column, ends, back, front)


@numba.njit(cache=True, nogil=True, fastmath=False)
def slide_on(
    times: Any, hours: Any, values: Any, first: int, windows: Any, wanted: Any, out: Any, ends: Any, back: Any, front: Any
) -> None:  # fmt: skip
    """Go on from row ``first``; ``out`` [window, statistic, column] is that of the last row."""
    for column in range(values.shape[0]):
        row = np.empty((wanted.size, 1, times.size - first))
        for number in range(windows.size):
            slide(
                times, hours, values[column], first, windows[number], wanted, row, 0,
                ends[column, number], back[column, number], front[column, number],
            )  # fmt: skip
            out[number, :, column] = row[:, 0, -1]


def hours_of(times: npt.NDArray[np.int64], origin: int) -> npt.NDArray[np.float64]:
    """Times [ns] as hours since ``origin`` [ns]."""
    return (times - origin) / _HOUR_NS


def rows_of(times: npt.NDArray[np.int64], window: int) -> int:
    """Most rows that a window [ns] ever holds."""
    if not len(times):
        return 1
    low = np.searchsorted(times, times - window, side="right")
    return int((np.arange(len(times)) - low).max()) + 2
