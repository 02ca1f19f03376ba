"""When to poll a device, so that each of its updates is read exactly once.

All times here are integers in ns. *Local* time is the monotonic clock of this machine, *device* time is
what the device's clock registers say; they need not agree and may drift apart.
"""

from __future__ import annotations

#: Drift between two clocks that is allowed for: 200 parts per million.
_DRIFT = 200e-6
#: Between two looks for a tick whose moment is not known yet [ns].
_SWEEP = 250_000_000


class PhaseLock:
    """Locks polling to the updates of a device that keeps a clock in its registers.

    The device puts a new time *T* (a tick) into its registers every ``period``; on our clock that becomes
    visible at *T + D*. Each poll narrows *D*: a poll that saw the new tick bounds it from above, one that
    still saw the old tick from below. While the bounds are wide, as at the beginning, it is polled often from
    the lower bound upwards until the tick is there; from then on at a fixed ``offset`` behind the upper bound.
    The bounds widen with time; now and then a poll goes to their middle, so that drift between the clocks is
    found and followed. None of this misses an update.

    Parameters
    ----------
    period
        Between two ticks [ns].
    offset
        How long after a tick the device is polled once the phase is known [ns].
    """

    def __init__(self, period: int, offset: int) -> None:
        self.period = period
        self.offset = offset
        self.tick = 0  #: newest device time seen [ns]; 0 before the first
        self.missed = 0  #: ticks that came and went between two polls
        self._low = self._high = 0
        self._checked = 0
        self._again = 0
        self._irregular = 0.0
        self._latest = 0

    @property
    def free(self) -> bool:
        """Whether the device updates faster than, or not in step with, ``period``."""
        return self._irregular >= 3

    def observe(self, tick: int, sent: int, received: int) -> bool:
        """Take note of what a poll saw; True where the tick is news.

        Parameters
        ----------
        tick
            Device time that was read.
        sent, received
            Local time when the request went out and when the answer was there.
        """
        seen = received - tick
        if self.tick == 0 or tick < self.tick or tick - self.tick > 60 * self.period:
            # The first look, or somebody set the clock: everything known about the phase is void.
            self.tick, self._high, self._low = tick, seen, seen - self.period
            self._checked, self._again, self._irregular = received, 0, 0.0
            self._latest = seen + self.period // 2
            return True
        slack = int((received - self._checked) * _DRIFT)
        self._checked = received
        self._low -= slack
        self._high += slack
        if tick == self.tick:
            self._again += 1
            late = sent - (tick + self.period)
            # Overdue by half a period says that the device stands still, not that its updates come later now.
            if late < self._latest:
                self._low = max(self._low, late)
                if self._low >= self._high:
                    self._high = self._low + self.period // 32
            return False
        steps, rest = divmod(tick - self.tick + self.period // 2, self.period)
        off = steps == 0 or abs(rest - self.period // 2) > 0.03 * self.period
        self._irregular = min(10.0, self._irregular + 1.0) if off else max(0.0, self._irregular - 0.05)
        if not self.free:
            self.missed += max(0, steps - 1)
        self.tick, self._again = tick, 0
        self._high = min(self._high, seen)
        if self._low >= self._high:
            self._low = self._high - self.period // 32
        self._latest = self._high + self.period // 2
        self._low = max(self._low, self._high - self.period)
        return True

    def next_poll(self, now: int) -> int:
        """Local time of the next poll [ns]."""
        expected = self.tick + self.period
        if self.free:
            # No phase to lock to: aim at the middle of the device's next slot.
            slot = self.tick - self.tick % self.period
            return max(now, slot + self.period + self.period // 2 + self._high)
        settled = expected + self._high + self.offset
        width = self._high - self._low
        sweep = min(self.period // 8, _SWEEP)
        if width > 2 * sweep and now < settled:
            return max(now, expected + self._low) + sweep
        if width > self.period // 16 and self._again == 0:
            return max(now, expected + (self._low + self._high) // 2)
        if settled > now:
            return settled
        # The tick is overdue: look again soon, ever less eagerly, at least twice a period.
        wait = self.period / 20 * 1.5 ** min(self._again, 8)
        return now + int(min(wait, self.period / 2))


def next_slot(now: int, period: int, phase: float) -> int:
    """The next wall-clock time [ns] at ``phase`` (0 to 1) of a slot, later than ``now`` by half a period or more.

    Half a period of distance keeps a poll that ended early from being done twice in one slot.
    """
    at = now - now % period + int(phase * period)
    while at < now + period // 2:
        at += period
    return at


def staggered(place: int, of: int, period: int) -> int:
    """How long after its tick device ``place`` of ``of`` is polled [ns].

    Between 5 % and 35 % of a period, and never more than 0.35 s: late enough that the update is complete,
    early enough that a lost answer can be asked for again and that values are young.
    """
    base = min(period, 1_000_000_000)
    return int(base * (0.05 + 0.30 * (place / max(of - 1, 1) if of > 1 else 0.0)))
