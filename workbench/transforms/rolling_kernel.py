"""The kernel of rolling statistics: all statistics of a window in one pass, for times with gaps.

A window is two parts that meet at a border: of the older part there are sums from each row up to the border, of the
newer one sums from the border on; a window is one of each, added. When the older part is used up, the border moves
to the present row. Nothing is ever taken off a sum, so no error builds up however long it runs, and a row costs the
same whatever the length of the window (two stacks as a queue: K. Tangwongsan et al., Low-latency sliding-window
aggregation in worst-case constant time, DEBS 2017, section 2).

The sums are of powers of deviations from the mean of the window in which the border last moved. Where a window's own
spread is so small beside its distance from that mean that digits are lost, the border moves to it at once, and with
it the mean.

Eight columns go together, one in each lane of the processor's wide registers: as times are the same for all, so are
windows and borders. What a lane has no value for is added as zeros.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

#: Statistics in the order of the kernel's outputs.
STATISTICS = ("mean", "max", "min", "stddev", "trend", "rms", "kurtosis", "peak_to_peak", "rate_of_change", "count")
#: Columns that are done together.
LANES = 8
#: Of each row of the older part: count, sums of the 1st to 4th powers of deviations, least, most, sums of time [h],
#: its square and its product with deviations, first time and value.
WIDTH = 12 * LANES
#: Kept between two calls: the same of the newer part, its last time and value, the mean and the time taken off.
STATE = WIDTH + 4 * LANES
_N, _S1, _S2, _S3, _S4, _MIN, _MAX, _T, _TT, _TX, _T0, _X0, _T1, _X1, _MEAN, _HOUR = range(0, STATE, LANES)
#: Of each window, until the statistics are made of it: the first ten of these, of both parts together; the time from
#: the first value to the last and the rise; the mean taken off, one by the count, the mean of the deviations and the
#: sum of the squares of those from it.
_SPAN, _RISE, _CENTRE, _EACH, _OFF, _M2, _SUMS = range(_T0, _T0 + 7 * LANES, LANES)
#: Rows whose sums are kept until the statistics are made of them: they stay in the cache of the processor's core.
_TILE = 32
#: Numbers of a line of the caches (64 bytes).
LINE = 8
#: Least share of the spread in the sum of squares before digits are lost.
_LEAST = 1e-4
_HOUR_NS = 3_600 * 10**9

# The compiler makes one instruction for all lanes of a loop over them where it knows that places do not overlap: of
# one array by constant distances; and that it need not unroll the loop: their number is not a constant. Slices and
# calls count the users of arrays, which takes as long as a row's sums: rows are gone through inside, told by number.


@numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")
def _add(
    times: Any, hours: Any, values: Any, window: int, row: int, stop: int, low: int, border: int, settled: int,
    state: Any, front: Any, sums: Any, start: int,
) -> tuple[int, int, bool]:  # fmt: skip
    """Add rows to the newer part, and that and the older part of their windows into ``sums``, row ``start`` first.

    Returns the row at which the border has to move, or ``stop``; the first row of its window; and whether that is
    because digits are lost in any lane, which is no reason for the row ``settled``.
    """
    room = front.shape[0]
    slot = low % room
    while row < stop:
        since = times[row] - window
        while times[low] <= since:
            low += 1
            slot = slot + 1 if slot + 1 < room else 0
        if low >= border:
            return row, low, False
        time = hours[row]
        t_row = time - state[_HOUR]
        fresh = row >= border  # what is before it is in the older part
        at = ((row - start) % _TILE) * LANES
        lost = 0
        for lane in range(values.shape[1]):
            x = values[row, lane]
            there = (np.abs(x) < np.inf) & fresh
            n, least, most = state[_N + lane], state[_MIN + lane], state[_MAX + lane]
            t0, x0, t1, x1 = state[_T0 + lane], state[_X0 + lane], state[_T1 + lane], state[_X1 + lane]
            early, t00, x00 = front[slot, _N + lane], front[slot, _T0 + lane], front[slot, _X0 + lane]
            least0, most0 = front[slot, _MIN + lane], front[slot, _MAX + lane]
            centre = state[_MEAN + lane]
            d = x - centre
            d, t = d if there else 0.0, t_row if there else 0.0
            d2 = d * d
            begins = there & (n == 0.0)
            t0, x0 = time if begins else t0, x if begins else x0
            t1, x1 = time if there else t1, x if there else x1
            least, most = x if there & (x < least) else least, x if there & (x > most) else most
            n += 1.0 if there else 0.0
            s1, s2, s3, s4 = (
                state[_S1 + lane] + d,
                state[_S2 + lane] + d2,
                state[_S3 + lane] + d2 * d,
                state[_S4 + lane] + d2 * d2,
            )
            ts, tt, tx = state[_T + lane] + t, state[_TT + lane] + t * t, state[_TX + lane] + t * d
            state[_N + lane] = n
            state[_S1 + lane], state[_S2 + lane], state[_S3 + lane], state[_S4 + lane] = s1, s2, s3, s4
            state[_MIN + lane], state[_MAX + lane] = least, most
            state[_T + lane], state[_TT + lane], state[_TX + lane] = ts, tt, tx
            state[_T0 + lane], state[_X0 + lane], state[_T1 + lane], state[_X1 + lane] = t0, x0, t1, x1
            n, s1, s2, s3, s4 = (
                n + early,
                s1 + front[slot, _S1 + lane],
                s2 + front[slot, _S2 + lane],
                s3 + front[slot, _S3 + lane],
                s4 + front[slot, _S4 + lane],
            )
            ts, tt, tx = ts + front[slot, _T + lane], tt + front[slot, _TT + lane], tx + front[slot, _TX + lane]
            # Both times the count: of no values, nothing is lost.
            square, spread = n * s2, n * tt
            lost |= int((square - s1 * s1 < _LEAST * square) | ((spread - ts * ts < 1e-6 * spread) & (n > 1.0)))
            to = at + lane
            sums[_N * _TILE + to] = n
            sums[_S1 * _TILE + to], sums[_S2 * _TILE + to] = s1, s2
            sums[_S3 * _TILE + to], sums[_S4 * _TILE + to] = s3, s4
            sums[_MIN * _TILE + to] = min(least0, least)
            sums[_MAX * _TILE + to] = max(most0, most)
            sums[_T * _TILE + to], sums[_TT * _TILE + to], sums[_TX * _TILE + to] = ts, tt, tx
            sums[_SPAN * _TILE + to] = t1 - (t00 if early > 0.0 else t0)
            sums[_RISE * _TILE + to] = x1 - (x00 if early > 0.0 else x0)
            sums[_CENTRE * _TILE + to] = centre
        if lost != 0 and row != settled:
            return row, low, True
        row += 1
    return row, low, False


@numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")
def _put_before(hours: Any, values: Any, row: int, low: int, state: Any, front: Any, later: int) -> None:
    """Sums of the older part from each row down to ``low`` on: those from the next row on, and its own.

    Those after ``row`` are in slot ``later`` of the ring.
    """
    room = front.shape[0]
    for at in range(row, low - 1, -1):
        slot = later - 1 if later > 0 else room - 1
        time = hours[at]
        t_row = time - state[_HOUR]
        for lane in range(values.shape[1]):
            x = values[at, lane]
            there = np.abs(x) < np.inf
            least, most, t0, x0 = (
                front[later, _MIN + lane],
                front[later, _MAX + lane],
                front[later, _T0 + lane],
                front[later, _X0 + lane],
            )
            d = x - state[_MEAN + lane]
            d, t = d if there else 0.0, t_row if there else 0.0
            d2 = d * d
            front[slot, _N + lane] = front[later, _N + lane] + (1.0 if there else 0.0)
            front[slot, _S1 + lane] = front[later, _S1 + lane] + d
            front[slot, _S2 + lane] = front[later, _S2 + lane] + d2
            front[slot, _S3 + lane] = front[later, _S3 + lane] + d2 * d
            front[slot, _S4 + lane] = front[later, _S4 + lane] + d2 * d2
            front[slot, _MIN + lane] = x if there & (x < least) else least
            front[slot, _MAX + lane] = x if there & (x > most) else most
            front[slot, _T + lane] = front[later, _T + lane] + t
            front[slot, _TT + lane] = front[later, _TT + lane] + t * t
            front[slot, _TX + lane] = front[later, _TX + lane] + t * d
            front[slot, _T0 + lane], front[slot, _X0 + lane] = time if there else t0, x if there else x0
        later = slot


@numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")
def _clear(state: Any, lanes: int) -> None:
    """Empty the newer part; what was last seen stays."""
    for lane in range(lanes):
        state[_N + lane] = 0.0
        state[_S1 + lane], state[_S2 + lane], state[_S3 + lane], state[_S4 + lane] = 0.0, 0.0, 0.0, 0.0
        state[_MIN + lane], state[_MAX + lane] = np.inf, -np.inf
        state[_T + lane], state[_TT + lane], state[_TX + lane] = 0.0, 0.0, 0.0
        state[_T0 + lane], state[_X0 + lane] = 0.0, 0.0


@numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")
def _turn(hours: Any, values: Any, low: int, row: int, state: Any, front: Any, exact: bool) -> None:
    """Put the border behind ``row``: sums from each row down to ``low``.

    The mean taken off is that of the newer part, which is what the window was but for its last row; or ``exact``.
    """
    lanes = values.shape[1]
    time = hours[row]
    room = front.shape[0]
    # Beyond the newest row; where the ring is full, in the place of the oldest, which is written last.
    later = (row + 1) % room
    if exact:
        for lane in range(lanes):
            n, total, base = 0.0, 0.0, 0.0
            for at in range(low, row + 1):
                x = values[at, lane]
                if np.isfinite(x):
                    base = x if n == 0.0 else base
                    total += x - base
                    n += 1.0
            state[_MEAN + lane] = base + total / max(n, 1.0)
            state[_S1 + lane] = 0.0
    state[_HOUR] = time
    for lane in range(lanes):
        x = values[row, lane]
        n, s1, mean, t1, x1 = (
            state[_N + lane],
            state[_S1 + lane],
            state[_MEAN + lane],
            state[_T1 + lane],
            state[_X1 + lane],
        )
        there = np.abs(x) < np.inf
        state[_MEAN + lane] = mean + s1 / max(1.0, n)
        state[_T1 + lane], state[_X1 + lane] = time if there else t1, x if there else x1
    _clear(state, lanes)
    for which in range(0, WIDTH, LANES):
        for lane in range(lanes):
            front[later, which + lane] = state[which + lane]
    _put_before(hours, values, row, low, state, front, later)


@numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")
def _prepare(sums: Any, size: int) -> None:
    """What several statistics need of the first ``size`` windows of ``sums``."""
    for i in range(size):
        n, s1, s2 = sums[_N * _TILE + i], sums[_S1 * _TILE + i], sums[_S2 * _TILE + i]
        least, most = sums[_MIN * _TILE + i], sums[_MAX * _TILE + i]
        each = 1.0 / n
        off = s1 * each
        m2 = s2 - s1 * off
        sums[_EACH * _TILE + i], sums[_OFF * _TILE + i] = each, off
        sums[_M2 * _TILE + i] = m2 if (m2 > 0.0) & (most > least) else 0.0


@numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")
def _make(which: int, sums: Any, made: Any, size: int) -> None:
    """Statistic ``which`` of the first ``size`` windows of ``sums``."""
    nan = np.nan
    if which == 0:
        for i in range(size):
            mean = sums[_CENTRE * _TILE + i] + sums[_OFF * _TILE + i]
            made[i] = mean if sums[_N * _TILE + i] > 0.0 else nan
    elif which == 1:
        for i in range(size):
            most = sums[_MAX * _TILE + i]
            made[i] = most if sums[_N * _TILE + i] > 0.0 else nan
    elif which == 2:
        for i in range(size):
            least = sums[_MIN * _TILE + i]
            made[i] = least if sums[_N * _TILE + i] > 0.0 else nan
    elif which == 3:
        for i in range(size):
            n = sums[_N * _TILE + i]
            variance = sums[_M2 * _TILE + i] / (n - 1.0)
            made[i] = np.sqrt(variance) if n > 1.0 else nan
    elif which == 4:
        for i in range(size):
            time = sums[_T * _TILE + i]
            late = time * sums[_EACH * _TILE + i]
            spread = sums[_TT * _TILE + i] - time * late
            slope = (sums[_TX * _TILE + i] - sums[_S1 * _TILE + i] * late) / spread
            made[i] = slope if (sums[_N * _TILE + i] > 1.0) & (spread > 0.0) else nan
    elif which == 5:
        for i in range(size):
            mean = sums[_CENTRE * _TILE + i] + sums[_OFF * _TILE + i]
            square = mean * mean + sums[_M2 * _TILE + i] * sums[_EACH * _TILE + i]
            made[i] = np.sqrt(square) if sums[_N * _TILE + i] > 0.0 else nan
    elif which == 6:
        for i in range(size):
            n, s1, s2 = sums[_N * _TILE + i], sums[_S1 * _TILE + i], sums[_S2 * _TILE + i]
            off, m2 = sums[_OFF * _TILE + i], sums[_M2 * _TILE + i]
            cubes = 4.0 * sums[_S3 * _TILE + i] - off * (6.0 * s2 - 3.0 * off * s1)
            ratio = n * (sums[_S4 * _TILE + i] - off * cubes) / (m2 * m2)
            made[i] = ratio if (n > 3.0) & (m2 > 0.0) else nan
    elif which == 7:
        for i in range(size):
            wide = sums[_MAX * _TILE + i] - sums[_MIN * _TILE + i]
            made[i] = wide if sums[_N * _TILE + i] > 0.0 else nan
    elif which == 8:
        for i in range(size):
            rate = sums[_RISE * _TILE + i] / sums[_SPAN * _TILE + i]
            made[i] = rate if sums[_N * _TILE + i] > 1.0 else nan
    else:
        for i in range(size):
            made[i] = sums[_N * _TILE + i]


@intrinsic
def _past_caches(typing: Any, to: Any, at: Any, apart: Any, made: Any, first: Any) -> Any:
    """Eight rows of eight lanes of ``made``, from ``first`` on, to eight lines of ``to``, ``apart`` from each other.

    An ordinary store has the line read from memory first, only to overwrite it; and as statistics go to as many
    places as there are columns and statistics, the processor cannot read ahead: a value would take longer to store
    than to make. Lines must begin at multiples of 64 bytes.
    """

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        eight = ir.VectorType(ir.DoubleType(), LINE)
        target, source = (
            context.make_array(signature.args[which])(context, builder, args[which]).data for which in (0, 3)
        )

        def place(data: Any, begin: Any, step: Any, number: int) -> Any:
            index = builder.add(begin, builder.mul(step, ir.Constant(step.type, number)))
            return builder.bitcast(builder.gep(data, [index]), eight.as_pointer())

        width = ir.Constant(args[4].type, LANES)
        rows = [builder.load(place(source, args[4], width, number), align=8) for number in range(LINE)]
        # Transposed: in three rounds, what is across the diagonal in blocks of 1, 2 and 4 is swapped.
        for size in (1, 2, 4):
            for number in (number for number in range(LINE) if not number & size):
                a, b = rows[number], rows[number + size]
                for which, mask in (
                    (number, [e if not e & size else LINE + e - size for e in range(LINE)]),
                    (number + size, [e + size if not e & size else LINE + e for e in range(LINE)]),
                ):
                    order = ir.Constant(ir.VectorType(ir.IntType(32), LINE), mask)
                    rows[which] = builder.shuffle_vector(a, b, order)
        once = builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)])
        for number, row in enumerate(rows):
            builder.store(row, place(target, args[1], args[2], number), align=64).set_metadata("nontemporal", once)
        return context.get_dummy_value()

    return types.void(to, types.int64, types.int64, made, types.int64), build


@numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")
def _pour(made: Any, rows: int, to: Any, at: int, apart: int, lanes: int, aligned: bool) -> None:
    """``rows`` rows of ``made`` [row, lane] to ``to`` from ``at`` on, lanes ``apart`` from each other."""
    done = rows // LINE * LINE if aligned and lanes == LANES else 0
    for row in range(0, done, LINE):
        _past_caches(to, at + row, apart, made, row * LANES)  # type: ignore[call-arg]  # the first is numba's
    for lane in range(lanes):
        for row in range(done, rows):
            to[at + lane * apart + row] = made[row * LANES + lane]


@numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")
def slide(
    times: Any, hours: Any, values: Any, first: int, window: int, wanted: Any, out: Any, column: int, begin: int,
    ends: Any, state: Any, front: Any, sums: Any, made: Any,
) -> None:  # fmt: skip
    """Go on with one window over a block of columns, from row ``first`` on.

    Parameters
    ----------
    times, window
        Times, ascending, and length [ns]: a window holds the rows later than ``window`` before the row's own.
    hours
        The times once more [h], as they go into slopes.
    values
        [row, lane]; NaN is missing.
    wanted
        Numbers of statistics.
    out
        [statistic, column, row], C-contiguous. Where it begins at a multiple of 64 bytes and has a multiple of
        :data:`LINE` of rows, it is written faster.
    column, begin
        Where in ``out``: lanes go to the columns from ``column`` on, those after the last column nowhere; rows from
        ``begin`` on, those before it nowhere.
    ends, state, front
        What is kept between two calls: first row of the window and row of the border; the newer part; a ring of
        the older part's sums by row.
    sums, made
        Room to work in: :func:`_room`.
    """
    low, border = ends[0], ends[1]
    columns, apart = out.shape[1], out.shape[2]
    to = out.reshape(out.size)
    aligned = out.ctypes.data % 64 == 0 and apart % LINE == 0
    lanes = min(LANES, columns - column)
    start = first
    while start < times.size:
        stop = min(start + _TILE - (start - begin) % _TILE, times.size)
        row, settled = start, -1
        while row < stop:
            row, low, lost = _add(
                times, hours, values, window, row, stop, low, border, settled, state, front, sums, start
            )  # fmt: skip
            if row < stop:
                _turn(hours, values, low, row, state, front, lost)
                border = row + 1
                settled = row if lost else -1
        if start >= begin:
            _prepare(sums, (stop - start) * LANES)
            for place in range(wanted.size):
                _make(wanted[place], sums, made, (stop - start) * LANES)
                at = (place * columns + column) * apart + start - begin
                _pour(made, stop - start, to, at, apart, lanes, aligned)
        start = stop
    ends[0], ends[1] = low, border


@numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")
def _room() -> Any:
    return np.empty(_SUMS * _TILE), np.empty(_TILE * LANES)


# Without the lock of the interpreter, in threads of ours: numba's own end the process where several callers meet in
# them and it has neither OpenMP nor TBB.
@numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")
def slide_block(
    times: Any, hours: Any, values: Any, windows: Any, rooms: Any, wanted: Any, out: Any, column: int, begin: int
) -> None:  # fmt: skip
    """All ``windows`` [ns] over ``values`` [row, lane] into ``out`` [window, statistic, column, row], as :func:`slide`."""
    sums, made = _room()
    for number in range(windows.size):
        ends, state, front = np.zeros(2, np.int64), np.zeros(STATE), np.zeros((rooms[number], WIDTH))
        slide(
            times, hours, values, 0, windows[number], wanted, out[number], column, begin,
            ends, state, front, sums, made,
        )  # fmt: skip


@numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")
def slide_all(times: Any, hours: Any, values: Any, windows: Any, rooms: Any, wanted: Any, out: Any) -> None:
    """All ``windows`` [ns] over all columns of ``values`` [column, row] into ``out`` [window, statistic, column, row]."""
    for column in range(0, values.shape[0], LANES):
        block = np.full((values.shape[1], LANES), np.nan)
        for lane in range(min(LANES, values.shape[0] - column)):
            block[:, lane] = values[column + lane]
        slide_block(times, hours, block, windows, rooms, wanted, out, column, 0)


@numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")
def slide_on(
    times: Any, hours: Any, values: Any, first: int, windows: Any, wanted: Any, out: Any, ends: Any, state: Any, front: Any
) -> None:  # fmt: skip
    """Go on from row ``first`` with ``values`` [block, row, lane]; ``out`` [window, statistic, column, 1] is the last."""
    sums, made = _room()
    for block in range(values.shape[0]):
        for number in range(windows.size):
            slide(
                times, hours, values[block], first, windows[number], wanted, out[number], block * LANES, times.size - 1,
                ends[block, number], state[block, number], front[block, number], sums, made,
            )  # fmt: skip


def hours_of(times: npt.NDArray[np.int64], origin: int) -> npt.NDArray[np.float64]:
    """Times [ns] as hours since ``origin`` [ns]."""
    return (times - origin) / _HOUR_NS


def rows_of(times: npt.NDArray[np.int64], window: int) -> int:
    """Most rows that a window [ns] ever holds."""
    if not len(times):
        return 1
    low = np.searchsorted(times, times - window, side="right")
    return int((np.arange(len(times)) - low).max()) + 2
