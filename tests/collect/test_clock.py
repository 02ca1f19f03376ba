"""The clock of the collector's machine is set while it collects."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from structlog.testing import capture_logs

from workbench.collect import Collector, read_health
from workbench.collect.clock import OwnClock
from workbench.model.samples import NS, Sample, SeriesKey, Shape
from workbench.sources.base import Capability, Sink, Source
from workbench.store import Records, SiteStore

KEY = SeriesKey("wind_turbine", "1s")
SHAPE = Shape(KEY, ("power_output",), ("f4",))
HOUR = 3_600 * NS


class Steady(Source):
    """A device with a right clock of its own, which nobody sets."""

    protocol = "steady"
    capabilities = frozenset({Capability.SUBSCRIBE})

    def __init__(self) -> None:
        super().__init__("hill.steady", "hill")
        self.sent: dict[int, float] = {}
        self._last = 0

    @property
    def series(self) -> SeriesKey:
        return KEY

    @property
    def assets(self) -> tuple[str, ...]:
        return ("A",)

    async def run(self, sink: Sink) -> None:
        while True:
            second = time.time_ns() // NS * NS
            if second > self._last:
                self._last = second
                self.sent[second] = float(len(self.sent))
                sample = Sample(SHAPE, "A", second, np.array([self.sent[second]]))
                self.health.device("A").took(sample)
                sink.put([sample])
            await asyncio.sleep(0.05)

    async def read(self, assets: Sequence[str] | None = None) -> list[Sample]:
        raise NotImplementedError


def test_a_clock_that_was_set_is_seen_once():
    wall, steady = [1_000 * NS], [5 * NS]
    clock = OwnClock(lambda: wall[0], lambda: steady[0])
    assert clock.step() == 0
    wall[0], steady[0] = wall[0] + 60 * NS, steady[0] + 60 * NS
    assert clock.step() == 0
    wall[0] -= HOUR
    assert clock.step() == -HOUR
    assert clock.step() == 0
    wall[0] += NS  # slewed, or read late
    assert clock.step() == 0
    assert clock.steps == 1


def test_devices_are_believed_by_either_clock():
    wall = [1_000_000 * NS]
    clock = OwnClock(lambda: wall[0], lambda: 0)
    right = wall[0]
    bounds = {"behind": HOUR, "ahead": 60 * NS}
    for by in (0, -24 * HOUR, 24 * HOUR):
        wall[0] = right + by
        assert clock.believable(right, **bounds)
        assert clock.believable(wall[0], **bounds)
        assert not clock.believable(max(right, wall[0]) + 61 * NS, **bounds)
        assert not clock.believable(min(right, wall[0]) - HOUR - 1, **bounds)


async def test_a_clock_set_forward_and_back_loses_and_moves_nothing(tmp_path: Path):
    wrong = [0]
    clock = OwnClock(lambda: time.time_ns() + wrong[0])
    source = Steady()
    with capture_logs() as logs:
        collector = Collector(tmp_path, [source], flush=0.05, keeper=False, clock=clock)
        running = asyncio.create_task(collector.run())
        for by in (0, 2 * HOUR, -2 * HOUR, 0):
            wrong[0] = by
            await asyncio.sleep(2.2)
        health = read_health(tmp_path / "hill")
        collector.stop()
        await asyncio.wait_for(running, 20)
    site = SiteStore(tmp_path, "hill")
    data = site.open(KEY).load()
    found = data["power_output"].isel(asset=0).to_series().dropna()
    assert {int(when.value): value for when, value in found.items()} == source.sent
    assert len(source.sent) >= 7
    assert data["sample_count"].max() == 1
    assert not data["power_output_quality"].any()
    assert collector.totals()["clock"] == 0
    assert health["collector"]["clock_steps"] == 3
    told = [line["seconds"] for line in logs if line["event"] == "the machine's clock was set"]
    np.testing.assert_allclose(told, [7_200, -14_400, 7_200], atol=1)
    events = Records(tmp_path / "records.sqlite").events(site="hill", kind="clock")
    assert sorted(events["value"]) == ["back", "forward", "forward"]
    site.close()
