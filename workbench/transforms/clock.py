"""Clock shifts in time stamps: where a device's clock was set, or followed the clocks of summer and winter."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from workbench.model.time import NS_PER_SECOND

#: Samples on each side of a shift that have to agree on it: one late sample is no shift.
AGREE = 4
#: Share of the cadence by which time stamps may wander.
TOLERANCE = 0.05


class ClockShift(NamedTuple):
    """A clock that was set."""

    at: np.datetime64  #: the first time stamp by the new setting
    seconds: float  #: forward (+) or back (-)


def clock_shifts(times: npt.NDArray[np.datetime64]) -> list[ClockShift]:
    """Where the clock behind ``times`` was set, in the order in which they were written.

    Time stamps of a device come in steps of its cadence. A step back is a clock that was set back, also by a whole
    number of steps (the hour in autumn). A lasting change of where in its cadence the device speaks is one that was set
    by another amount. What is forward by a whole number of steps looks like a gap, and is not told from one.

    Parameters
    ----------
    times
        [time], in the order of writing.
    """
    stamps = np.asarray(times, dtype="datetime64[ns]").astype(np.int64)
    if len(stamps) < 2 * AGREE:
        return []
    steps = np.diff(stamps)
    forward = steps[steps > 0]
    if not len(forward):
        return []
    cadence = int(np.median(forward))
    found: list[ClockShift] = []
    # How far each step is from a whole number of cadences, summed: level as long as the clock is left alone.
    residual = steps - np.round(steps / cadence).astype(np.int64) * cadence
    level = np.concatenate([[0], np.cumsum(residual)])
    for at in np.flatnonzero((np.abs(residual) > TOLERANCE * cadence) | (steps <= 0)) + 1:
        before, after = level[max(0, at - AGREE) : at], level[at : at + AGREE]
        if len(before) < 2 or len(after) < 2:
            continue
        moved = float(np.median(after) - np.median(before))
        if steps[at - 1] <= 0:
            found.append(ClockShift(np.datetime64(int(stamps[at]), "ns"), (steps[at - 1] - cadence) / NS_PER_SECOND))
        elif abs(moved) > TOLERANCE * cadence and np.ptp(after) <= TOLERANCE * cadence:
            found.append(ClockShift(np.datetime64(int(stamps[at]), "ns"), moved / NS_PER_SECOND))
    return found


def words(shift: ClockShift) -> str:
    """A shift for people."""
    amount = abs(shift.seconds)
    text = f"{amount / 3_600:g} h" if amount % 3_600 == 0 else f"{amount:g} s"
    return f"{text} {'forward' if shift.seconds > 0 else 'back'} at {str(shift.at)[:19]}"
