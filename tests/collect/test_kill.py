"""The collector is killed twenty times in a row, at any instant, with a reader open: nothing is lost, twice or torn.

A real broker holds what is not acknowledged (QoS 1, a session that outlives the connection), and a message is
acknowledged when the journal has it on the disk. So even the seconds in which no collector ran are there.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import orjson
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from workbench.model.samples import NS
from workbench.simulate.servers.broker import Broker, find_mosquitto
from workbench.simulate.servers.net import Address
from workbench.store import SiteStore

KILLS = 20
SITE = """\
id: hill
name: Hill
kind: wind
country: DE
timezone: Europe/Berlin
latitude: 54.5
longitude: 8.9
elevation: 10
grid_frequency_nominal: 50
capacity: 2000
assets:
  - {id: MAST, type: met_mast, latitude: 54.5, longitude: 8.9}
"""
TAGS = """\
protocol: mqtt
time: t
time_format: unix_ns
tags:
  wind_speed: {path: a}
  temperature: {path: b}
"""
ENTRY = """\
site: hill
entries:
  mast:
    description: Mast
    driver: mqtt
    asset_type: met_mast
    cadence: 1s
    tags: tags/mast.yaml
    host: 127.0.0.1:{port}
    topic: hill/{{asset}}
    assets: [MAST]
"""


class Device(threading.Thread):
    """Publishes message number n, of second n, each 25 ms; both values say n."""

    def __init__(self, port: int, start: int) -> None:
        super().__init__(daemon=True)
        self.sent = 0
        self.start_ns = start
        self.ends = threading.Event()
        self.client = paho.Client(CallbackAPIVersion.VERSION2)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def run(self) -> None:
        while not self.ends.wait(0.025):
            n = self.sent
            payload = orjson.dumps({"t": self.start_ns + n * NS, "a": n / 1000, "b": n / 1000})
            self.client.publish("hill/MAST", payload, qos=1).wait_for_publish(10)
            self.sent += 1

    def stop(self) -> None:
        self.ends.set()
        self.join(10)
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def project(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    import asyncio

    from workbench.demo.addresses import free_port

    port = free_port()
    catalogs = tmp_path / "catalogs"
    (catalogs / "portfolio").mkdir(parents=True)
    (catalogs / "tags").mkdir()
    (catalogs / "portfolio" / "hill.yaml").write_text(SITE)
    (catalogs / "tags" / "mast.yaml").write_text(TAGS)
    (catalogs / "hill.yaml").write_text(ENTRY.format(port=port))
    broker = Broker(Address("127.0.0.1", port), "mosquitto")
    asyncio.run(broker.start())
    yield tmp_path, port
    asyncio.run(broker.stop())


def collect(project: Path) -> subprocess.Popen[bytes]:
    log = (project / "collector.log").open("ab")
    command = [sys.executable, "-m", "workbench", "collect", "--store", str(project / "store")]
    return subprocess.Popen(command, cwd=project, stdout=log, stderr=log)


def numbers(site: SiteStore, start: int) -> np.ndarray:
    """The numbers in the store; nothing is torn, twice, or out of place."""
    data = site.open("met_mast/1s").load()
    counts = data["sample_count"].values[:, 0]
    there = counts > 0
    assert counts.max() == 1, "something counts twice"
    wind, temperature = data["wind_speed"].values[:, 0], data["temperature"].values[:, 0]
    np.testing.assert_array_equal(np.isnan(wind), ~there, err_msg="a sample without its value")
    np.testing.assert_array_equal(wind, temperature, err_msg="torn")
    seconds = (data["time"].values[there].astype(np.int64) - start) // NS
    np.testing.assert_array_equal(np.rint(wind[there] * 1000), seconds, err_msg="out of place")
    return seconds


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_killed_twenty_times_at_any_instant(project: tuple[Path, int], require):
    require(find_mosquitto(), "no mosquitto on this machine")
    folder, port = project
    chance = random.Random()  # each run at other instants
    start = (time.time_ns() // NS - 40_000) * NS
    site = SiteStore(folder / "store", "hill")
    collector = collect(folder)
    device = None
    reads = 0
    try:
        deadline = time.monotonic() + 60
        while "connected" not in (text := (folder / "collector.log").read_text()) and "collecting" not in text:
            assert time.monotonic() < deadline, text
            time.sleep(0.1)
        time.sleep(2)  # the broker knows the session: from here on it keeps what we do not take
        device = Device(port, start)
        device.start()
        for _ in range(KILLS):
            end = time.monotonic() + chance.uniform(0.2, 3.0)
            while time.monotonic() < end:
                with contextlib.suppress(IndexError):
                    if site.series():
                        numbers(site, start)
                        reads += 1
                time.sleep(0.05)
            os.kill(collector.pid, signal.SIGKILL)
            collector.wait()
            collector = collect(folder)
        device.stop()
        deadline = time.monotonic() + 60
        while len(numbers(site, start)) < device.sent and time.monotonic() < deadline:
            time.sleep(0.2)
    finally:
        if device is not None:
            device.ends.set()
        collector.send_signal(signal.SIGTERM)
        collector.wait(60)
    np.testing.assert_array_equal(numbers(site, start), np.arange(device.sent))
    assert device.sent > 500
    assert reads > 20
    assert site.verify() == []
    site.close()
