"""What every source does about the health of its devices."""

from __future__ import annotations

import time

import numpy as np
import pytest

from workbench.model.samples import NS, Sample, SeriesKey, Shape
from workbench.sources.base import DeviceHealth, Source, silence_limit

KEY = SeriesKey("wind_turbine", "1s")
SHAPE = Shape(KEY, ("power_output",), ("f4",))


class Quiet(Source):
    protocol = "quiet"
    capabilities = frozenset()
    series = KEY
    assets = ("A", "B", "C")

    async def run(self, sink) -> None: ...

    async def read(self, assets=None): ...


def sample(when: int, received: int = 0) -> Sample:
    return Sample(SHAPE, "A", when, np.ones(1), received=received or when)


@pytest.mark.parametrize(("cadence", "seconds"), [("200ms", 5), ("1s", 5), ("10s", 50), ("10min", 3000)])
def test_how_long_a_device_may_be_silent(cadence, seconds):
    assert silence_limit(cadence) == seconds * NS


def test_a_device_that_falls_silent_is_degraded_once_and_well_again_with_its_next_sample():
    source = Quiet("site.quiet", "site")
    now, steady = time.time_ns(), time.monotonic_ns()
    for asset in source.assets:
        source.health.device(asset).took(sample(now))
    source.health.device("B").state = "down"
    source.watch_silence(steady + 4 * NS)
    assert source.health.device("A").state == "ok"
    for second in (6, 7, 8):
        source.watch_silence(steady + second * NS)
    silent = source.health.device("A")
    assert (silent.state, silent.errors) == ("degraded", 1)
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now // NS))
    assert silent.last_error == f"silent since {since} UTC: no message for 6 s"
    assert source.health.device("B").errors == 0, "of one that is down that is known"
    silent.took(sample(now + 9 * NS))
    assert silent.state == "ok"


def test_a_device_that_never_spoke_is_silent_too():
    source = Quiet("site.quiet", "site")
    health = source.health.device("A")
    health.state = "ok"
    source.watch_silence(time.monotonic_ns() + 4 * NS)
    assert health.state == "ok"
    source.watch_silence(time.monotonic_ns() + 6 * NS)
    assert health.state == "degraded"


def test_when_a_device_came_into_its_state():
    health = DeviceHealth()
    health.took(sample(NS))
    came = health.since
    assert abs(time.time_ns() - came) < 10 * NS
    health.took(sample(2 * NS))
    assert health.since == came, "still the same state"
    health.failed("lost")
    assert health.since > came


def test_one_stamp_from_the_future_does_not_look_fresh_for_ever():
    health = DeviceHealth()
    now = time.time_ns()
    health.took(sample(now + 10**18, now))
    health.took(sample(now + NS, now + NS))
    assert health.last_time == now + NS
