"""The machine's own clock, watched for being set."""

from __future__ import annotations

import time
from collections.abc import Callable

#: A difference between two looks that is a clock that was set, not one that is slewed [ns].
STEP = 2_000_000_000
#: By so much the clock may be set back and is simply followed [ns].
FOLLOWED = 60_000_000_000


def _steady() -> int:
    # Goes on while the machine sleeps, where there is such a clock.
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class OwnClock:
    """The time of day here, beside a clock that nobody can set.

    Parameters
    ----------
    wall
        The time of day [ns since 1970 UTC].
    steady
        A clock that only goes on [ns].
    """

    def __init__(self, wall: Callable[[], int] = time.time_ns, steady: Callable[[], int] = _steady) -> None:
        self._wall, self._steady = wall, steady
        self._ahead = self._first = wall() - steady()
        self.steps = 0  #: how often it was seen to be set

    def now(self) -> int:
        """The time of day [ns since 1970 UTC]."""
        return self._wall()

    def believable(self, when: int, *, behind: int, ahead: int) -> bool:
        """Whether ``when`` [ns] is from ``behind`` before until ``ahead`` after now.

        By the time of day, or by what it would be had it not been set since the start: where one clock of the
        machine was wrong, the devices need not be.
        """
        now, unset = self._wall(), self._steady() + self._first
        return min(now, unset) - behind <= when <= max(now, unset) + ahead

    @property
    def back(self) -> int:
        """By how much the time of day is behind what it would be had it not been set since the start [ns].

        0 for less than a minute, which is followed: NTP corrects so much now and then.
        """
        back = self._steady() + self._first - self._wall()
        return back if back > FOLLOWED else 0

    def step(self) -> int:
        """By how much the clock was set since the last time this was asked [ns]; 0 where it was not."""
        ahead = self._wall() - self._steady()
        by, self._ahead = ahead - self._ahead, ahead
        if abs(by) < STEP:
            return 0
        self.steps += 1
        return by
