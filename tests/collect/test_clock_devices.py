"""The clock of the collector's machine is set, under real sources that read it: all of the process sees it jump."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from harness import Told
from harness_modbus import TAGS, ModbusHarness
from harness_mqtt import MqttHarness, find_mosquitto
from structlog.testing import capture_logs

from workbench.collect import Collector, read_health
from workbench.collect.clock import OwnClock
from workbench.collect.health import troubles
from workbench.model.quality import Quality
from workbench.model.samples import NS
from workbench.model.tags import ModbusMap
from workbench.sources.modbus import ModbusSource
from workbench.store import Records, SiteStore

right = time.time_ns
#: No whole number of slots [ns].
HOUR = 3_600 * NS + 300_000_000


@pytest.fixture
def set_clock(monkeypatch) -> Callable[[int], None]:
    """``set_clock(by)``: from now on the time of day is wrong by so much [ns]."""
    wrong = [0]
    monkeypatch.setattr(time, "time_ns", lambda: right() + wrong[0])
    return lambda by: wrong.__setitem__(0, by)


def modbus(server: ModbusHarness, name: str, unit: int, *, clock: bool) -> ModbusSource:
    tags = {key: value for key, value in TAGS.items() if clock or key != "clock"}
    config = {
        "asset_type": "wind_turbine",
        "cadence": "1s",
        "host": f"127.0.0.1:{server.port}",
        "assets": {name: unit},
    }
    return ModbusSource.from_config(f"hill.{name}", "hill", config, ModbusMap.model_validate(tags))


async def test_polls_go_on_and_each_sample_has_its_slot(tmp_path: Path, set_clock):
    """Of two turbines on one server one has a clock in its registers; the other is stamped here."""
    server = ModbusHarness()
    await server.start()
    own, bare = modbus(server, "OWN", 1, clock=True), modbus(server, "BARE", 2, clock=False)
    told: list[int] = []
    polled: list[float] = []
    over = False

    async def turbines() -> None:
        while not over:
            if not told or right() // NS * NS > told[-1]:
                told.append(right() // NS * NS)
                for asset in ("T1", "T2"):
                    await server.tell(asset, Told(told[-1], power_output=float(len(told))))
            if len(polled) < bare.health.device("BARE").samples:
                polled.append(time.monotonic())
            await asyncio.sleep(0.02)

    life = asyncio.create_task(turbines())
    collector = Collector(tmp_path, [own, bare], flush=0.05, keeper=False, clock=OwnClock(lambda: time.time_ns()))
    began = right()
    with capture_logs() as logs:
        running = asyncio.create_task(collector.run())
        await asyncio.sleep(3.5)
        set_clock(HOUR)
        await asyncio.sleep(3)
        set_clock(0)
        await asyncio.sleep(2.5)
        set_clock(-HOUR)
        await asyncio.sleep(3.5)
        health = read_health(tmp_path / "hill")
        over = True
        await life
        await asyncio.sleep(0.5)
        collector.stop()
        await asyncio.wait_for(running, 20)
    await server.stop()
    data = SiteStore(tmp_path, "hill").open("wind_turbine/1s").load()
    times = data["time"].values.astype("datetime64[ns]").astype(np.int64)

    # With a clock of its own: each second that it said, where it said it, believed.
    values = data["power_output"].sel(asset="OWN").values
    there = ~np.isnan(values)
    said = {second: float(number) for number, second in enumerate(told, 1)}
    found = dict(zip(times[there].tolist(), values[there].tolist(), strict=True))
    assert found.items() <= said.items()
    # The first may have been before we came; on a machine that is too busy one is missed, and counted.
    assert len(found) >= len(told) - 1 - own.health.device("OWN").missed
    assert not data["power_output_quality"].sel(asset="OWN").any()

    # Stamped here: polls went on in step, none of them took the slot of another, and the wrong clock shows.
    assert len(polled) >= 11
    assert np.diff(polled).max() < 2.5
    counts = data["sample_count"].sel(asset="BARE").values
    taken = bare.health.device("BARE").samples
    assert counts.sum() == taken
    assert (counts > 0).sum() >= taken - 3  # a slot for each, or two in one where the clock was set
    flags = data["power_output_quality"].sel(asset="BARE").values
    suspect = times[(flags & int(Quality.CLOCK)) > 0]
    assert 2 <= len(suspect) <= 5
    assert suspect.min() >= began + 8 * NS, "before the clock was set back nothing is suspect"
    assert times[counts > 0].min() >= began - 2 * NS, "nothing went to where it was an hour ago"

    # Nobody was called silent or down, and the clock is told of.
    events = Records(tmp_path / "records.sqlite").events(site="hill", kind="source")
    assert events.is_empty(), events
    assert not any("silent" in one.health.device(one.assets[0]).last_error for one in (own, bare))
    assert len([line for line in logs if line["event"] == "the machine's clock was set"]) == 3
    assert health is not None
    assert health["running"]
    assert health["collector"]["clock_steps"] == 3
    assert any("clock was set back by 3,600 s" in line for line in troubles(health, time.time_ns()))


async def test_silence_is_noticed_whatever_the_time_of_day(tmp_path: Path, set_clock, require):
    """A device that falls silent as the clock is set back; and one that speaks on as it is set forward is not."""
    require(find_mosquitto(), "mosquitto is not installed")
    broker = MqttHarness()
    await broker.start()
    source = broker.source()
    collector = Collector(tmp_path, [source], flush=0.05, keeper=False, clock=OwnClock(lambda: time.time_ns()))
    running = asyncio.create_task(collector.run())
    states: list[str] = []

    async def speak(seconds: float, *assets: str) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for asset in assets:
                await broker.tell(asset, Told(right()))
            await asyncio.sleep(0.2)
            states.append(source.health.device("T1").state)

    try:
        await speak(1.5, "T1", "T2")
        states.clear()
        set_clock(HOUR)
        await speak(2, "T1", "T2")
        assert set(states) == {"ok"}
        assert source.health.device("T1").errors == 0
        set_clock(-HOUR)
        await speak(8, "T1")
        assert set(states) == {"ok"}
        assert source.health.device("T2").state == "degraded"
        health = read_health(tmp_path / source.site)
        assert any(line.startswith("T2: degraded") for line in troubles(health, time.time_ns()))
        events = Records(tmp_path / "records.sqlite").events(site=source.site, kind="source")
        assert events["asset"].to_list() == ["T2"]
    finally:
        collector.stop()
        await asyncio.wait_for(running, 20)
        await broker.stop()
        broker.clean()
    # What the collector left is from before the clock is right again: it does not look alive.
    set_clock(-2 * HOUR)
    left = read_health(tmp_path / source.site)
    assert left is not None
    assert not left["running"]
