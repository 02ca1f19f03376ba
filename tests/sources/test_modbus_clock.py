"""The phase lock against a device played in simulated time: no update missed, none read late."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.sources.modbus_clock import PhaseLock, next_slot, staggered

MS = 1_000_000
SECOND = 1_000 * MS


class Device:
    """Shows a new tick each period, ``delay`` + jitter after it on our clock, with a drifting clock."""

    def __init__(self, period: int, shift: int, delay: int, jitter: int, drift: float, seed: int) -> None:
        self.period, self.shift, self.delay, self.jitter, self.drift = period, shift, delay, jitter, drift
        self.seed = seed

    def visible(self, k: int) -> int:
        """Local time at which tick ``k`` becomes visible."""
        noise = (hash((self.seed, k)) % 1000) / 1000 * self.jitter
        return int(k * self.period * (1 + self.drift)) + self.shift + self.delay + int(noise)

    def tick(self, now: int) -> int:
        k = max(0, int((now - self.shift) / self.period / (1 + self.drift)) - 3)
        while self.visible(k + 1) <= now:
            k += 1
        return 10**18 + k * self.period


def play(device: Device, lock: PhaseLock, start: int, seconds: float, trip: int) -> tuple[list[int], list[int], int]:
    """Poll for a while; ticks read, how late each was read [ns], and the number of polls."""
    now, end, polls = start, start + int(seconds * SECOND), 0
    ticks, late = [], []
    while now < end:
        seen = device.tick(now + trip // 2)
        polls += 1
        if lock.observe(seen, now, now + trip):
            ticks.append(seen)
            late.append(now + trip - device.visible((seen - 10**18) // device.period))
        now = max(now + trip, lock.next_poll(now + trip))
    return ticks, late, polls


@settings(max_examples=30, deadline=None)
@given(
    shift=st.integers(0, 10 * SECOND),
    phase=st.integers(0, SECOND),
    jitter=st.integers(0, 40),
    trip=st.integers(5, 60),
    drift=st.floats(-150e-6, 150e-6),
    offset=st.integers(50, 350),
    seed=st.integers(0, 99),
)
def test_reads_every_tick_once_whatever_the_phase(shift, phase, jitter, trip, drift, offset, seed):
    device = Device(SECOND, shift, 5 * MS, jitter * MS, drift, seed)
    lock = PhaseLock(SECOND, offset * MS)
    ticks, late, polls = play(device, lock, 20 * SECOND + phase, 240, trip * MS)
    assert [b - a for a, b in pairwise(ticks)] == [SECOND] * (len(ticks) - 1)
    assert lock.missed == 0
    settled = late[20:]
    assert max(settled) < 900 * MS, "slack is used up"
    assert polls < 1.5 * len(ticks) + 20, "it polls far more often than the device updates"


def test_drift_is_followed_for_hours():
    device = Device(SECOND, 0, 0, 0, 100e-6, 0)
    ticks, _, polls = play(device, PhaseLock(SECOND, 200 * MS), 20 * SECOND, 2 * 3600, 5 * MS)
    assert [b - a for a, b in pairwise(ticks)] == [SECOND] * (len(ticks) - 1)
    assert polls < 1.1 * len(ticks)


def test_a_device_that_updates_faster_gives_one_reading_per_slot():
    device = Device(130 * MS, 0, 0, 0, 0.0, 0)
    lock = PhaseLock(SECOND, 100 * MS)
    ticks, _, _ = play(device, lock, 20 * SECOND, 60, 5 * MS)
    assert lock.free
    slots = [tick // SECOND for tick in ticks[6:]]
    assert [b - a for a, b in pairwise(slots)] == [1] * (len(slots) - 1)
    assert lock.missed <= 1


def test_a_device_that_stands_still_is_looked_at_twice_a_period():
    lock = PhaseLock(SECOND, 100 * MS)
    now = 50 * SECOND
    assert lock.observe(10**18, now, now + MS)
    polls = 0
    while now < 110 * SECOND:
        now = max(now + MS, lock.next_poll(now))
        assert not lock.observe(10**18, now, now + MS)
        polls += 1
    assert 100 < polls < 150


def test_a_clock_set_back_starts_anew():
    lock = PhaseLock(SECOND, 100 * MS)
    assert lock.observe(10**18, 0, MS)
    assert lock.observe(10**18 - 3600 * SECOND, SECOND, SECOND + MS)
    assert lock.tick == 10**18 - 3600 * SECOND


def test_missed_updates_are_counted():
    lock = PhaseLock(SECOND, 100 * MS)
    lock.observe(10**18, 0, MS)
    lock.observe(10**18 + 4 * SECOND, 4 * SECOND, 4 * SECOND + MS)
    assert lock.missed == 3


@given(st.integers(0, 10**15), st.integers(1, 10**10), st.floats(0, 0.99))
def test_next_slot_keeps_its_distance_and_its_place(now, period, phase):
    at = next_slot(now, period, phase)
    assert now + period // 2 <= at <= now + 2 * period
    assert at % period == int(phase * period)


def test_stagger_is_early_in_the_period():
    offsets = [staggered(i, 8, 5 * SECOND) for i in range(8)]
    assert offsets == sorted(set(offsets))
    assert offsets[0] == 50 * MS
    assert offsets[-1] == 350 * MS
    assert staggered(0, 1, 200 * MS) == 10 * MS
