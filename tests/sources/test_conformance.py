"""One suite for every protocol, against real servers. A protocol's gaps are declared in its harness."""

from __future__ import annotations

import asyncio
import contextlib
import time
from functools import partial

import numpy as np
import pytest
from harness import ASSETS, GOOD, Harness, Relay, Told, Witness
from harness_modbus import ModbusHarness, SerialHarness
from harness_mqtt import MqttHarness, find_mosquitto
from harness_opcua import OpcUaHarness
from harness_tail import TailHarness

from workbench.model.quality import Quality
from workbench.model.samples import SeriesKey
from workbench.sources.base import Capability, SourceError

HARNESSES = {
    "modbus-tcp": partial(ModbusHarness, "tcp"),
    "modbus-rtu-over-tcp": partial(ModbusHarness, "rtu"),
    "modbus-serial": SerialHarness,
    "opcua-subscribe": partial(OpcUaHarness, "subscribe"),
    "opcua-poll": partial(OpcUaHarness, "poll"),
    "mqtt": partial(MqttHarness, "mosquitto"),
    "tail-csv": partial(TailHarness, "csv"),
    "tail-ndjson": partial(TailHarness, "ndjson"),
}
STEP = 200_000_000


@pytest.fixture(params=list(HARNESSES))
async def harness(request, require):
    make = HARNESSES[request.param]
    if request.param == "mqtt":
        require(find_mosquitto(), "mosquitto is not installed")
    if request.param.startswith("opcua"):
        make = partial(make, shared=request.getfixturevalue("opcua_thread"))
    made = make()
    await made.start()
    yield made
    await made.release()
    for end in ("unplug", "clean"):
        getattr(made, end, lambda: None)()


def unless(harness: Harness, gap: str) -> None:
    if gap in harness.gaps:
        pytest.skip(f"declared gap of {harness.driver}: {harness.gaps[gap]}")


def now_slot() -> int:
    """The start of the present slot [ns], in whole milliseconds."""
    return time.time_ns() // STEP * STEP


class Ticker:
    """Devices that say something new each period until stopped."""

    def __init__(self, harness: Harness, assets=ASSETS) -> None:
        self.harness, self.assets = harness, assets
        self.told: dict[str, list[Told]] = {asset: [] for asset in assets}

    async def __aenter__(self):
        self._ending = asyncio.Event()
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_):
        # What a device is saying it says to its end: half of it would arrive as an update that nobody told.
        self._ending.set()
        with contextlib.suppress(asyncio.CancelledError, TimeoutError):
            await asyncio.wait_for(self._task, 10)

    async def _run(self) -> None:
        n = 0
        while not self._ending.is_set():
            tick = now_slot()
            n += 1
            for asset in self.assets:
                told = Told(tick, power_output=100.0 + n)
                await self.harness.tell(asset, told)
                self.told[asset].append(told)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), max((tick + STEP - time.time_ns()) / 1e9, 0))


def values(sample) -> dict[str, float]:
    return dict(zip(sample.shape.variables, sample.values.tolist(), strict=True))


def flag(sample, variable: str) -> int:
    return 0 if sample.quality is None else int(sample.quality[sample.shape.variables.index(variable)])


async def test_read_gives_values_in_the_vocabularys_units(harness):
    tick = now_slot()
    for asset in ASSETS:
        await harness.tell(asset, Told(tick))
    source = harness.source()
    assert source.series == SeriesKey("wind_turbine", "200ms")
    assert source.assets == ASSETS
    samples = await source.read()
    assert sorted(sample.asset for sample in samples) == list(ASSETS)
    for sample in samples:
        assert sample.time == tick
        assert sample.shape.key == source.series
        found = values(sample)
        for name, expected in GOOD.items():
            assert found[name] == pytest.approx(expected, rel=1e-6), name
            assert flag(sample, name) == Quality.GOOD, name
        assert abs(sample.received - time.time_ns()) < 20e9
    (only,) = await source.read(["T2"])
    assert only.asset == "T2"


async def test_run_delivers_each_update_once(harness, sink, running, eventually):
    with Witness() as witness:
        async with Ticker(harness) as ticker, running(harness.source(), sink):
            for asset in ASSETS:
                await eventually(lambda a=asset: len(sink.of(a)) >= 8, why=f"8 samples of {asset}")
    for asset in ASSETS:
        for name in GOOD:  # an update may come in parts, but no part twice
            came = [sample.time for sample in sink.of(asset) if not np.isnan(values(sample)[name])]
            assert len(set(came)) == len(came), f"{name} of an update came twice"
        times = sorted({sample.time for sample in sink.of(asset)})
        truth = {told.time: told for told in ticker.told[asset]}
        first, last = times[0], times[-1]
        for sample in sink.of(asset):
            power = values(sample)["power_output"]
            assert np.isnan(power) or power == pytest.approx(truth[sample.time].power_output, rel=1e-6)
        if "every update" not in harness.gaps:
            missing = {t for t in truth if first <= t <= last} - set(times)
            assert not [t for t in missing if not witness.excuses(t, STEP)], "an update is missing"


async def test_health_counts_what_arrives(harness, sink, running, eventually):
    source = harness.source()
    async with Ticker(harness), running(source, sink):
        await eventually(lambda: len(sink.of("T1")) >= 3)
        health = source.health.device("T1")
        assert health.state == "ok"
        assert health.samples >= 3
        assert health.last_time == max(sink.times("T1"))
        assert health.values > health.samples
    assert source.health.device("T1").state == "idle"


async def test_no_number_is_flagged_invalid(harness):
    await harness.tell("T1", Told(now_slot(), wind_speed=float("nan")))
    await harness.tell("T2", Told(now_slot()))
    sample = next(s for s in await harness.source().read() if s.asset == "T1")
    assert np.isnan(values(sample)["wind_speed"])
    assert flag(sample, "wind_speed") == Quality.INVALID
    assert values(sample)["power_output"] == pytest.approx(1234.5)
    assert flag(sample, "power_output") == Quality.GOOD


async def test_bad_quality_is_kept_and_flagged(harness):
    unless(harness, "bad")
    await harness.tell("T1", Told(now_slot(), wind_speed=99.0, bad=True))
    await harness.tell("T2", Told(now_slot(), uncertain=True))
    first, second = sorted(await harness.source().read(), key=lambda s: s.asset)
    assert flag(first, "wind_speed") == Quality.BAD
    # asyncua's server keeps the value to itself; that one is passed on is shown in test_opcua.py
    assert values(first)["wind_speed"] in (99.0, pytest.approx(np.nan, nan_ok=True))
    assert flag(first, "power_output") == Quality.GOOD
    assert flag(second, "wind_speed") == Quality.UNCERTAIN
    assert values(second)["wind_speed"] == 8.25


async def test_unknown_code_is_no_state(harness):
    class Odd(Told):
        code = 77

    await harness.tell("T1", Odd(now_slot()))
    (sample,) = await harness.source().read(["T1"])
    assert np.isnan(values(sample)["turbine_status"])
    assert flag(sample, "turbine_status") == Quality.INVALID


async def test_a_number_said_in_words_is_no_number(harness):
    unless(harness, "type mismatch")
    await harness.tell("T1", Told(now_slot(), words=True))
    (sample,) = await harness.source().read(["T1"])
    assert np.isnan(values(sample)["wind_speed"])
    assert flag(sample, "wind_speed") == Quality.INVALID
    assert values(sample)["power_output"] == pytest.approx(1234.5)
    assert flag(sample, "power_output") == Quality.GOOD


async def test_a_device_whose_clock_is_wrong_is_believed(harness, sink, running, eventually):
    """Behind by an hour, ahead by one, then set right: each update comes, once, at the time the device gave it."""
    hour = 3600 * 10**9
    told = []
    async with running(harness.source(), sink):
        async with Ticker(harness, ("T1",)) as ticker:
            await eventually(lambda: sink.of("T1"))
        last = ticker.told["T1"][-1].time
        # One publication of a server may carry two updates: the last of the right clock has to be here first.
        await eventually(lambda: last in sink.times("T1"))
        for shift in (-hour, hour, 0):
            for _ in range(3):
                when = now_slot() + shift
                await harness.tell("T1", Told(when))
                told.append(when)
                await eventually(lambda when=when: when in sink.times("T1"))
                await asyncio.sleep(0.22)
    came = [s.time for s in sink.of("T1") if not np.isnan(values(s)["power_output"])]
    assert came[came.index(told[0]) :] == told, f"the last before was {last}"


async def test_tag_that_the_device_has_not(harness, sink, running, eventually):
    source = harness.source(extra=True)
    async with Ticker(harness), running(source, sink):
        await eventually(lambda: len(sink.of("T1")) >= 3)
    sample = sink.of("T1")[-1]
    assert values(sample)["wind_speed"] == pytest.approx(8.25)
    assert np.isnan(values(sample)["nacelle_position"])
    unless(harness, "unknown tag")
    assert flag(sample, "nacelle_position") == Quality.BAD
    assert source.health.device("T1").errors > 0
    assert source.health.device("T1").last_error


async def test_wrong_address(harness, sink, running, eventually):
    unless(harness, "wrong address")
    source = harness.source(harness.wrong_config())
    began = time.monotonic()
    with pytest.raises(SourceError, match=source.name):
        await source.read()
    assert time.monotonic() - began < 10
    async with running(source, sink):
        await eventually(lambda: all(source.health.device(asset).state == "down" for asset in ASSETS))
    assert all(source.health.device(asset).last_error for asset in ASSETS)
    assert sink.samples == []


async def test_unknown_asset(harness):
    with pytest.raises(SourceError, match="T9"):
        await harness.source().read(["T9"])


async def test_dead_device_does_not_slow_the_other(harness, sink, running, eventually):
    unless(harness, "dead device")
    for asset in ASSETS:
        await harness.tell(asset, Told(now_slot()))
    await harness.silence("T1")
    source = harness.source()
    with Witness() as witness:
        async with Ticker(harness, ("T2",)) as ticker, running(source, sink):
            await eventually(lambda: len(sink.of("T2")) >= 3)
            start = sink.times("T2")[-1]
            await eventually(lambda: source.health.device("T1").state != "ok", 15)

            def fair() -> list[int]:
                """What T2 said while this process could run, but for the last, which may be on its way."""
                times = [each.time for each in ticker.told["T2"] if each.time > start]
                return [each for each in times[:-1] if not witness.excuses(each, STEP)]

            await eventually(lambda: len(fair()) >= 15, 60)
            await eventually(lambda: sink.times("T2")[-1] >= fair()[-1])
            told = set(fair())
    unless(harness, "every update")
    assert told <= set(sink.times("T2")), "the dead device cost the other an update"
    assert source.health.device("T2").state in ("ok", "idle")


async def test_reconnects_after_the_server_restarted(harness, sink, running, eventually):
    source = harness.source()
    async with running(source, sink):
        async with Ticker(harness) as ticker:
            await eventually(lambda: len(sink.of("T1")) >= 3)
        await eventually(lambda: all(ticker.told[asset][-1].time in sink.times(asset) for asset in ASSETS))
        await harness.stop()
        await asyncio.sleep(0.3)
        await harness.start()
        before = len(sink.samples)
        async with Ticker(harness):
            await eventually(lambda: len(sink.samples) >= before + 6, 15, "samples after the restart")
    for asset in ASSETS:
        real = [s.time for s in sink.of(asset) if not np.isnan(values(s)["power_output"])]
        assert len(set(real)) == len(real), "something came twice"


async def test_reconnects_after_the_connection_was_cut(harness, sink, running, eventually):
    unless(harness, "cut")
    relay = Relay(harness.served_at)
    await relay.mend()
    source = harness.source(harness.config_at(relay.port))
    health = source.health.device("T1")
    try:
        async with Ticker(harness), running(source, sink):
            await eventually(lambda: len(sink.of("T1")) >= 3)
            await relay.cut()
            await eventually(lambda: health.state == "down", 10)
            assert health.last_error
            await relay.mend()
            back = time.time_ns()
            await eventually(lambda: all(sink.times(a)[-1] > back for a in ASSETS), 10, "read within 10 s")
            assert health.state == "ok"
            assert health.reconnects == 1
    finally:
        await relay.cut()
    for asset in ASSETS:
        real = [s.time for s in sink.of(asset) if not np.isnan(values(s)["power_output"])]
        assert len(set(real)) == len(real), "something came twice"


async def test_garbage_is_not_believed_and_does_no_harm(harness, sink, running, eventually):
    """In the server's place something answers that makes no sense; then the server is back."""
    source = harness.source()
    health = source.health.device("T1")
    async with running(source, sink):
        async with Ticker(harness) as ticker:
            await eventually(lambda: len(sink.of("T1")) >= 3)
        await eventually(lambda: all(ticker.told[asset][-1].time in sink.times(asset) for asset in ASSETS))
        await harness.stop()
        await harness.babble()
        before, errors = len(sink.samples), health.errors
        await asyncio.sleep(1.5)
        await eventually(lambda: health.errors > errors, 10)
        assert health.state != "ok" or "garbage" in harness.gaps
        assert len(sink.samples) == before, "garbage was believed"
        await harness.hush()
        await harness.start()
        back = time.time_ns()
        async with Ticker(harness):
            await eventually(lambda: all(sink.times(a)[-1] > back for a in ASSETS), 12, "read again")
        assert health.state == "ok"
    assert all(abs(s.received - s.time) < 60e9 for s in sink.samples)


async def test_run_ends_promptly_when_cancelled(harness, sink, eventually):
    tasks = asyncio.all_tasks()
    task = asyncio.create_task(harness.source().run(sink))
    async with Ticker(harness):
        await eventually(lambda: len(sink.samples) >= 2)
        began = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - began < 5
    own = {t for t in asyncio.all_tasks() - tasks if "workbench" in repr(t.get_coro())}
    assert not own, "tasks are left behind"


async def test_write(harness):
    source = harness.source()
    if Capability.WRITE not in source.capabilities:
        with pytest.raises(SourceError, match="cannot write"):
            await source.write("T1", "power_setpoint", 1500.0)
        return
    for asset in ASSETS:
        await harness.tell(asset, Told(now_slot()))
    await source.write("T1", "power_setpoint", 1500.0)
    samples = {sample.asset: sample for sample in await source.read()}
    assert values(samples["T1"])["power_setpoint"] == 1500.0
    assert values(samples["T2"])["power_setpoint"] != 1500.0
    with pytest.raises(SourceError, match="not writable"):
        await source.write("T1", "wind_speed", 1.0)
    with pytest.raises(SourceError, match="power_setpoint"):
        await source.write("T1", "power_setpoin", 1.0)
    with pytest.raises(SourceError):
        await source.write("T1", "power_setpoint", "generating")


async def test_discover(harness):
    source = harness.source()
    if Capability.DISCOVER not in source.capabilities:
        with pytest.raises(SourceError, match="cannot discover"):
            await source.discover()
        return
    await harness.tell("T1", Told(now_slot()))
    found = await source.discover(asset="T1")
    addresses = {tag.address for tag in found}
    wanted = {getattr(tag, "node", None) or getattr(tag, "path", None) for tag in harness.tags().tags.values()}
    assert wanted <= addresses
    assert all(tag.type for tag in found)
    assert await source.discover("no such thing", asset="T1") == []
