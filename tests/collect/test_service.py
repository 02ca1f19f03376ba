"""The collector collects into a real store, keeps its health, stops without loss and goes on where it was."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from workbench.collect import Collector, read_health
from workbench.model.errors import InputError
from workbench.model.samples import NS, Event, Sample, SeriesKey, Shape
from workbench.sources.base import Capability, Sink, Source
from workbench.store import Records, SiteStore

KEY = SeriesKey("wind_turbine", "1s")
SHAPE = Shape(KEY, ("power_output", "wind_speed"), ("f4", "f4"))


class Clockwork(Source):
    """A source inside the process: each 20 ms another second of the past, counted up, as a backlog would come."""

    protocol = "clockwork"
    capabilities = frozenset({Capability.SUBSCRIBE})

    def __init__(self, site: str, assets: tuple[str, ...], start: int, *, breaks_at: int = -1) -> None:
        super().__init__(f"{site}.clockwork", site)
        self._assets = assets
        self.next = start
        self.sent: list[tuple[str, int, float]] = []
        self.breaks_at = breaks_at

    @property
    def series(self) -> SeriesKey:
        return KEY

    @property
    def assets(self) -> tuple[str, ...]:
        return self._assets

    async def run(self, sink: Sink) -> None:
        while True:
            if len(self.sent) == self.breaks_at:
                self.breaks_at = -1
                raise RuntimeError("a defect")
            samples = []
            for number, asset in enumerate(self._assets):
                value = float(self.next // NS % 10_000 + number)
                samples.append(Sample(SHAPE, asset, self.next, np.array([value, value / 2])))
                self.sent.append((asset, self.next, value))
                self.health.device(asset).took(samples[-1])
            sink.put(samples)
            sink.event(Event(self.site, self._assets[0], self.next, "test", "tick"))
            self.next += NS
            await asyncio.sleep(0.02)

    async def read(self, assets: Sequence[str] | None = None) -> list[Sample]:
        raise NotImplementedError


async def collect_until(collector: Collector, enough: Callable[[], bool]) -> None:
    running = asyncio.create_task(collector.run())
    while not enough():
        await asyncio.sleep(0.02)
    collector.stop()
    await asyncio.wait_for(running, 40)


def stored(root: Path, site: str) -> dict[tuple[str, int], float]:
    data = SiteStore(root, site).open(KEY).load()
    return {
        (str(asset), int(when)): float(value)
        for asset, column in zip(
            data["asset"].values, data["power_output"].transpose("asset", "time").values, strict=True
        )
        for when, value in zip(data["time"].values.astype("datetime64[ns]").astype(np.int64), column, strict=True)
        if not np.isnan(value)
    }


async def test_everything_sent_is_stored_once_and_a_second_run_goes_on(tmp_path: Path):
    start = (time.time_ns() // NS - 600) * NS
    first = Clockwork("hill", ("A", "B"), start)
    await collect_until(Collector(tmp_path, [first], flush=0.05, keeper=False), lambda: len(first.sent) > 40)
    second = Clockwork("hill", ("A", "B"), first.next)
    await collect_until(Collector(tmp_path, [second], flush=0.05, keeper=False), lambda: len(second.sent) > 20)
    sent = {(asset, when): value for asset, when, value in first.sent + second.sent}
    assert len(sent) > 40
    assert stored(tmp_path, "hill") == sent
    assert len(Records(tmp_path / "records.sqlite").events(site="hill", kind="test")) == len(sent) // 2


async def test_health_tells_running_devices_and_the_end(tmp_path: Path):
    source = Clockwork("hill", ("A",), (time.time_ns() // NS - 600) * NS)
    collector = Collector(tmp_path, [source], flush=0.05)
    running = asyncio.create_task(collector.run())
    await asyncio.sleep(1.6)
    health = read_health(tmp_path / "hill")
    assert health is not None
    assert health["running"]
    assert health["collector"]["keeper"]
    assert health["collector"]["values"] > 0
    assert health["sources"]["hill.clockwork"]["devices"]["A"]["state"] == "ok"
    collector.stop()
    await asyncio.wait_for(running, 40)
    after = read_health(tmp_path / "hill")
    assert after is not None
    assert not after["running"]
    assert after["collector"]["seq"] > 0


async def test_a_second_collector_for_the_same_site_is_refused(tmp_path: Path):
    source = Clockwork("hill", ("A",), time.time_ns())
    first = Collector(tmp_path, [source], keeper=False)
    with pytest.raises(InputError, match="another collector already collects hill"):
        Collector(tmp_path, [source], keeper=False)
    other = Collector(tmp_path, [Clockwork("dale", ("A",), time.time_ns())], keeper=False)
    for collector in (first, other):
        collector.stop()
        await collector.run()


async def test_a_source_that_breaks_is_seen_and_does_not_stop_the_others(tmp_path: Path, monkeypatch):
    start = (time.time_ns() // NS - 600) * NS
    broken = Clockwork("hill", ("A",), start, breaks_at=3)
    sound = Clockwork("dale", ("B",), start)
    await collect_until(Collector(tmp_path, [broken, sound], flush=0.05, keeper=False), lambda: len(sound.sent) > 10)
    assert len(stored(tmp_path, "hill")) == 3
    assert len(stored(tmp_path, "dale")) == len(sound.sent) > 10
    health = read_health(tmp_path / "hill")
    assert health is not None
    device = health["sources"]["hill.clockwork"]["devices"]["A"]
    assert device["state"] == "down"
    assert "a defect" in device["last_error"]


async def test_a_writer_that_breaks_is_seen_and_replaced(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("workbench.collect.service._WRITER_PAUSE", 0.05)
    source = Clockwork("hill", ("A",), (time.time_ns() // NS - 600) * NS)
    collector = Collector(tmp_path, [source], flush=0.05, keeper=False)
    intake = collector.sites["hill"].intake
    flush, breaks = intake.flush, [True, True, False]

    async def broken() -> bool:
        if breaks.pop(0) if breaks else False:
            raise RuntimeError("a defect")
        return await flush()

    monkeypatch.setattr(intake, "flush", broken)
    with capture_logs() as logs:
        await collect_until(collector, lambda: len(source.sent) > 20 and not breaks)
    assert len(stored(tmp_path, "hill")) == len(source.sent)
    told = [line for line in logs if line["event"] == "writer failed"]
    assert len(told) == 2
    assert "waiting" in told[0]


async def test_devices_that_go_down_and_come_back_are_logged_and_on_record(tmp_path: Path):
    source = Clockwork("hill", ("A", "B"), (time.time_ns() // NS - 600) * NS)

    class Failing(Clockwork):
        async def run(self, sink: Sink) -> None:
            self.health.device("C").state = "connecting"
            await asyncio.sleep(1.2)
            self.health.device("C").took(Sample(SHAPE, "C", NS, np.ones(2)))
            await asyncio.sleep(2.5)
            self.health.device("C").failed("connection refused by 127.0.0.1:502", "down")
            self.went = self.health.device("C").since
            await asyncio.sleep(2.5)
            self.health.device("C").took(Sample(SHAPE, "C", NS, np.ones(2)))
            self.came = self.health.device("C").since
            await asyncio.sleep(2.5)
            self.ended = True
            await asyncio.sleep(100)

    failing = Failing("hill", ("C",), 0)
    failing.name = "hill.failing"
    failing.ended = False
    with capture_logs() as logs:
        await collect_until(Collector(tmp_path, [source, failing], flush=0.05, keeper=False), lambda: failing.ended)
    events = Records(tmp_path / "records.sqlite").events(site="hill", kind="source", newest_first=False)
    assert events["asset"].to_list() == ["C", "C"], "of devices that are well nothing is on record"
    assert events["value"].to_list() == ["down", "ok"]
    assert events["time"].dt.timestamp("ns").to_list() == [failing.went, failing.came]
    assert events["text"][0] == "down: connection refused by 127.0.0.1:502"
    assert events["name"].to_list() == ["hill.failing"] * 2
    told = [(line["event"], line["device"]) for line in logs if "device" in line]
    assert told.count(("device answers", "A")) == told.count(("device answers", "C")) == 1
    assert [event for event, device in told if device == "C"] == ["device answers", "device is down", "device is back"]


async def test_what_could_not_be_written_at_the_end_is_in_the_totals(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("workbench.collect.intake._LAST_PAUSE", 0.01)
    source = Clockwork("hill", ("A",), (time.time_ns() // NS - 600) * NS)
    collector = Collector(tmp_path, [source], flush=0.05, keeper=False)

    def full(batches, *, meta=None):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(collector.sites["hill"].intake, "_append", full)
    await collect_until(collector, lambda: len(source.sent) > 5)
    totals = collector.totals()
    assert totals["dropped"] == len(source.sent)
    assert totals["dropped_values"] == 2 * len(source.sent)
    health = read_health(tmp_path / "hill")
    assert health is not None
    assert health["collector"]["dropped"] == len(source.sent)
    assert health["collector"]["waiting"] == 0


async def test_the_health_tells_for_how_long_samples_wait(tmp_path: Path, monkeypatch):
    source = Clockwork("hill", ("A",), (time.time_ns() // NS - 600) * NS)
    collector = Collector(tmp_path, [source], flush=0.05, keeper=False)
    intake = collector.sites["hill"].intake
    append, held = intake._append, [True]

    def slow(batches, **more):
        while held:
            time.sleep(0.02)
        return append(batches, **more)

    monkeypatch.setattr(intake, "_append", slow)
    running = asyncio.create_task(collector.run())
    await asyncio.sleep(2.5)
    health = read_health(tmp_path / "hill")
    held.clear()
    collector.stop()
    await asyncio.wait_for(running, 40)
    assert health is not None
    assert health["collector"]["journal_backlog_s"] > 1.0
    assert health["collector"]["waiting"] > 10
    after = read_health(tmp_path / "hill")
    assert after is not None
    assert after["collector"]["journal_backlog_s"] == 0.0


async def test_a_keeper_that_takes_long_to_end_does_not_stop_the_loop(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("workbench.collect.service._KEEPER_GRACE", 2.5)
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    )
    source = Clockwork("hill", ("A",), (time.time_ns() // NS - 600) * NS)
    collector = Collector(tmp_path, [source], flush=0.05, keeper=False)
    keeper = subprocess.Popen([sys.executable, "-c", stubborn], stdout=subprocess.PIPE)
    keeper.stdout.readline()
    collector._keeper = keeper
    running = asyncio.create_task(collector.run())
    await asyncio.sleep(0.3)
    collector.stop()
    turns = 0
    while not running.done():
        await asyncio.sleep(0.05)
        turns += 1
    await running
    assert turns > 20, "the loop ran on"
    assert keeper.returncode == -9


async def test_a_keeper_that_ends_at_once_is_seen_and_not_started_over_and_over(tmp_path: Path, monkeypatch):
    source = Clockwork("hill", ("A",), (time.time_ns() // NS - 600) * NS)
    collector = Collector(tmp_path, [source], flush=0.05)
    starts = []

    def start() -> None:
        starts.append(time.monotonic())
        collector._keeper = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
        collector._keeper_began = time.monotonic()

    monkeypatch.setattr(collector, "_start_keeper", start)
    running = asyncio.create_task(collector.run())
    await asyncio.sleep(3.5)
    health = read_health(tmp_path / "hill")
    assert health is not None
    assert not health["collector"]["keeper"]
    assert len(starts) == 1
    await asyncio.sleep(3.0)
    assert len(starts) == 2
    collector.stop()
    await asyncio.wait_for(running, 40)


def test_nothing_to_collect_is_told(tmp_path: Path):
    with pytest.raises(InputError, match="no live source"):
        Collector(tmp_path, [])


def test_status_command_shows_what_the_collector_left(tmp_path: Path):
    source = Clockwork("hill", ("A",), (time.time_ns() // NS - 600) * NS)

    async def collect() -> None:
        await collect_until(Collector(tmp_path, [source], flush=0.05, keeper=False), lambda: len(source.sent) > 5)

    asyncio.run(collect())
    done = subprocess.run(
        [sys.executable, "-m", "workbench", "status", "--store", str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 1  # the collector has stopped, and status says so
    assert "hill.clockwork" in done.stdout
    assert "not running" in done.stdout
    # A journal that cannot be read keeps nothing else from being told.
    for path in (tmp_path / "hill").glob("journal.sqlite*"):
        path.write_bytes(b"no database" * 1_000)
    done = subprocess.run(
        [sys.executable, "-m", "workbench", "status", "--store", str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 1, done.stderr
    assert "hill.clockwork" in done.stdout
    assert "the journal cannot be used" in done.stdout


async def test_a_state_that_changes_while_the_collector_is_down_is_on_record(tmp_path: Path):
    start = (time.time_ns() // NS - 600) * NS
    shape = Shape(KEY, ("turbine_status",), ("f4",))

    class Turbine(Clockwork):
        state = 2.0

        async def run(self, sink: Sink) -> None:
            while True:
                sink.put([Sample(shape, "A", self.next, np.array([self.state]))])
                self.sent.append(("A", self.next, self.state))
                self.next += NS
                await asyncio.sleep(0.02)

    first = Turbine("hill", ("A",), start)
    await collect_until(Collector(tmp_path, [first], flush=0.05, keeper=False), lambda: len(first.sent) > 3)
    second = Turbine("hill", ("A",), first.next)
    second.state = 3.0
    await collect_until(Collector(tmp_path, [second], flush=0.05, keeper=False), lambda: len(second.sent) > 3)
    events = Records(tmp_path / "records.sqlite").events(site="hill", kind="status")
    assert events["time"].dt.timestamp("ns").to_list() == [second.sent[0][1]]
    assert events["value"].to_list() == ["idling"]
