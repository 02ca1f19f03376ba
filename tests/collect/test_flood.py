"""A source that floods a store that does not keep up: a real broker, messages far faster than they can be written.

The journal is slow because another process keeps it locked, as a copy or a repair by hand would.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import paho.mqtt.client as paho
import pytest
from harness_mqtt import MqttHarness, find_mosquitto
from paho.mqtt.enums import CallbackAPIVersion
from structlog.testing import capture_logs
from typer.testing import CliRunner

from workbench.cli import app
from workbench.collect import Collector, read_health
from workbench.collect.health import troubles
from workbench.model.samples import NS
from workbench.model.tags import MqttMap
from workbench.sources.mqtt import MqttSource
from workbench.store import SiteStore

TAGS = {"protocol": "mqtt", "time": "t", "time_format": "unix_ns", "tags": {"wind_speed": {"path": "n"}}}
MASTS = "met_mast/1s"
#: Samples that may wait for the journal, and messages under way unacknowledged: hundreds of times fewer than come.
ROOM, IN_FLIGHT = 300, 200


@pytest.fixture
async def broker(require):
    require(find_mosquitto(), "mosquitto is not installed")
    made = MqttHarness()
    made.options += ["max_queued_messages 0"]  # as many as there are: the broker itself drops nothing
    await made.start()
    yield made
    await made.stop()
    made.clean()


def source(broker: MqttHarness, topic: str, qos: int) -> MqttSource:
    config = {
        "asset_type": "met_mast",
        "cadence": "1s",
        "host": f"127.0.0.1:{broker.port}",
        "topic": f"{topic}/{{asset}}",
        "assets": [topic.upper()],
        "qos": qos,
        "client_id": topic,
    }
    return MqttSource.from_config(f"hill.{topic}", "hill", config, MqttMap.model_validate(TAGS))


class Flood(threading.Thread):
    """Publishes number n, of second n, as fast as the broker takes it."""

    def __init__(self, port: int, topic: str, qos: int, count: int, start: int) -> None:
        super().__init__(daemon=True)
        self.topic, self.qos, self.count, self.first = f"{topic}/{topic.upper()}", qos, count, start
        self.took = 0.0
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.max_inflight_messages_set(2_000)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def run(self) -> None:
        began = time.monotonic()
        for n in range(self.count):
            last = self._client.publish(self.topic, b'{"t": %d, "n": %d}' % (self.first + n * NS, n), qos=self.qos)
        last.wait_for_publish(30)
        self.took = time.monotonic() - began
        self._client.disconnect()
        self._client.loop_stop()


@contextlib.contextmanager
def slow(journal: Path) -> Iterator[None]:
    """The journal is locked most of the time."""
    over = threading.Event()

    def hold() -> None:
        with contextlib.closing(sqlite3.connect(journal, timeout=30, isolation_level=None)) as other:
            while not over.is_set():
                other.execute("BEGIN IMMEDIATE")
                over.wait(0.8)
                other.execute("ROLLBACK")
                time.sleep(0.1)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        yield
    finally:
        over.set()
        holder.join()


async def test_a_flood_is_bounded_counted_and_nothing_acknowledged_is_lost(broker, tmp_path: Path, monkeypatch):
    """Two floods at once: of one the broker holds back what is not acknowledged, of the other nobody does."""
    monkeypatch.setattr("workbench.sources.mqtt_link._IN_FLIGHT", IN_FLIGHT)
    start = (time.time_ns() // NS - 60_000) * NS
    sure, loose = source(broker, "sure", 1), source(broker, "loose", 0)
    collector = Collector(tmp_path, [sure, loose], flush=0.05, keeper=False)
    intake = collector.sites["hill"].intake
    monkeypatch.setattr(intake, "_most_waiting", ROOM)
    SiteStore(tmp_path, "hill").journal.append([])  # the file is there to be locked
    floods = [Flood(broker.port, "sure", 1, 3_000, start), Flood(broker.port, "loose", 0, 20_000, start)]
    with capture_logs() as logs:
        running = asyncio.create_task(collector.run())
        while any(one.health.device(one.assets[0]).state != "connecting" for one in (sure, loose)):
            await asyncio.sleep(0.01)
        await asyncio.sleep(1.0)  # subscribed
        most = 0
        with slow(tmp_path / "hill" / "journal.sqlite"):
            for flood in floods:
                flood.start()
            end = time.monotonic() + 4
            while time.monotonic() < end:
                most = max(most, intake.waiting)
                await asyncio.sleep(0.005)
            health = read_health(tmp_path / "hill")
            status = CliRunner().invoke(app, ["status", "--store", str(tmp_path)])
        for flood in floods:
            await asyncio.to_thread(flood.join, 30)
        # Both floods are over when the last number of each was looked at: what is still in a socket when the
        # collector leaves was neither taken nor dropped.
        deadline = time.monotonic() + 30
        one, other = sure.health.device("SURE"), loose.health.device("LOOSE")
        while one.samples < 3_000 or other.samples + other.missed < 20_000 or intake.waiting:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        collector.stop()
        await asyncio.wait_for(running, 40)
    assert max(flood.took for flood in floods) < 20
    # Bounded: what waits, and so memory, is what there is room for.
    assert most <= ROOM + IN_FLIGHT
    # Nothing is lost of what waits for our word, and what was dropped of the other is known to the last sample.
    data = SiteStore(tmp_path, "hill").open(MASTS).load()
    seconds = (data["time"].values.astype("datetime64[ns]").astype(np.int64) - start) // NS
    held = {asset: data["wind_speed"].sel(asset=asset).values for asset in ("SURE", "LOOSE")}
    there = {asset: ~np.isnan(values) for asset, values in held.items()}
    np.testing.assert_array_equal(seconds[there["SURE"]], np.arange(3_000))
    for asset, values in held.items():
        np.testing.assert_array_equal(values[there[asset]], seconds[there[asset]].astype("f4"))
    assert int(data["sample_count"].max()) == 1
    totals, missed = collector.totals(), loose.health.device("LOOSE").missed
    assert totals["dropped"] > 5_000
    assert int(there["LOOSE"].sum()) + totals["dropped"] + missed == 20_000
    assert sure.health.device("SURE").missed == 0
    # And it is said, while it goes on.
    assert health is not None
    assert health["collector"]["dropped"] > 0
    assert health["collector"]["waiting"] <= ROOM + IN_FLIGHT
    assert any("samples were given up" in line for line in troubles(health, time.time_ns()))
    assert status.exit_code == 1
    assert "were given up" in status.output
    assert 1 <= len([line for line in logs if line["event"] == "samples dropped"]) <= 4
