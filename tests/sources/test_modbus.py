"""Modbus beyond the common suite: refusals, torn reads, a silent unit on a shared gateway, writes."""

from __future__ import annotations

import asyncio
import struct
import time

import numpy as np
import pytest
from harness import Told
from harness_modbus import TAGS, ModbusHarness

from workbench.model.quality import Quality
from workbench.model.tags import ModbusMap
from workbench.sources.base import SourceError
from workbench.sources.registry import driver

BASE = {"asset_type": "wind_turbine", "cadence": "200ms"}


@pytest.fixture
async def server():
    made = ModbusHarness("tcp")
    await made.start()
    yield made
    await made.stop()


def source_of(server, tags, **keys):
    made = ModbusMap.model_validate({"protocol": "modbus", **tags})
    keys = {**BASE, "host": f"127.0.0.1:{server.port}", "assets": {"T1": 1}, **keys}
    return driver("modbus").from_config("site.entry", "site", keys, made)


def flags(sample):
    return dict.fromkeys(sample.shape.variables, 0) | (
        {} if sample.quality is None else dict(zip(sample.shape.variables, sample.quality.tolist(), strict=True))
    )


async def test_reads_are_coalesced(server):
    await server.tell("T1", Told(time.time_ns()))
    await server.source().read(["T1"])
    # 0-14 with the clock, 100-111, and the clock once more to see that nothing changed meanwhile
    assert server.units[1].reads == [(0, 15), (100, 12), (0, 4)]


async def test_refused_registers_are_found_remembered_and_asked_for_again(server, sink, running, eventually):
    unit = server.units[1]
    unit.registers = {i: 0 for i in range(40) if i not in (7, 21)}
    for i in range(20):
        if not {2 * i, 2 * i + 1} & {7, 21}:
            unit.put(2 * i, "f", float(i))
    names = ["wind_speed", "power_output", "rotor_speed", "generator_speed"] + [f"extra_{i}" for i in range(16)]
    tags = {"tags": {name: {"register": 2 * i} for i, name in enumerate(names)}}
    source = source_of(server, tags, retry_refused=1.0)
    async with running(source, sink):
        await eventually(lambda: len(sink.samples) >= 2)
        first = sink.samples[0]
        gone = {names[3], names[10]}
        for i, name in enumerate(names):
            assert flags(first)[name] == (Quality.BAD if name in gone else 0), name
            assert np.isnan(first.values[i]) if name in gone else first.values[i] == float(i), name
        assert source.health.device("T1").state == "degraded"
        assert "illegal data address" in source.health.device("T1").last_error
        unit.reads.clear()
        await eventually(lambda: len(sink.samples) >= 4)
        assert (
            not any(start <= bad < start + count for start, count in unit.reads for bad in (7, 21))
            or len([r for r in unit.reads if r[1] == 2]) <= 2
        ), "refused registers are asked for in every poll"
        unit.registers |= {7: 0, 21: 0}
        unit.put(6, "f", 3.0)
        unit.put(20, "f", 10.0)
        await eventually(lambda: sink.samples[-1].quality is None, why="what is there now is read again")
        assert sink.samples[-1].values.tolist() == [float(i) for i in range(20)]
        assert source.health.device("T1").state == "ok"


async def test_a_device_that_refuses_everything_is_down_not_silent(server):
    source = source_of(server, {"tags": {"wind_speed": {"register": 5000}}})
    with pytest.raises(SourceError, match=r"every register is refused.*illegal data address"):
        await source.read()


async def test_a_torn_read_is_done_again(server, sink, running, eventually):
    """The device updates between two reads of a poll: values of two updates must not be mixed."""
    unit = server.units[1]
    unit.registers = dict.fromkeys(range(300), 0)
    tags = {
        "clock": {"register": 0},
        "max_registers": 20,
        "tags": {"wind_speed": {"register": 10}, "power_output": {"register": 200}},
    }
    step = 200_000_000
    state = {"n": 0}

    def update():
        state["n"] += 1
        unit.put(0, "Q", (start + state["n"] * step) // 1_000_000)
        unit.put(10, "f", float(state["n"]))
        unit.put(200, "f", float(state["n"]))

    start = time.time_ns() // step * step
    update()
    unit.delay = 0.03  # a poll takes three of these; an update falls between them often

    async def tick():
        while True:
            await asyncio.sleep(0.2 - 0.001 * (state["n"] % 7))
            update()

    ticking = asyncio.create_task(tick())
    try:
        async with running(source_of(server, tags), sink):
            await eventually(lambda: len(sink.samples) >= 12, 15)
    finally:
        ticking.cancel()
    for sample in sink.samples:
        if sample.quality is None:
            assert sample.values[0] == sample.values[1] == (sample.time - start) / step


async def test_an_update_that_gives_way_to_the_next_while_it_is_read_is_counted(server, sink, running, eventually):
    unit = server.units[1]
    unit.registers = dict.fromkeys(range(300), 0)
    tags = {
        "clock": {"register": 0},
        "max_registers": 20,
        "tags": {"wind_speed": {"register": 10}, "power_output": {"register": 200}},
    }
    step = 200_000_000
    told: list[int] = []

    def update(tick: int) -> None:
        told.append(tick)
        unit.put(0, "Q", tick // 1_000_000)

    class Reads(list):
        """The device goes on to its next update right after the second block of its eighth was read."""

        def append(self, read) -> None:
            super().append(read)
            if read[0] == 200 and len(told) == 8:
                update(told[-1] + step)

    unit.reads = Reads()

    async def tick():
        while True:
            now = time.time_ns() // step * step
            if not told or now > told[-1]:
                update(now)
            await asyncio.sleep((now + step - time.time_ns()) / 1e9)

    ticking = asyncio.create_task(tick())
    source = source_of(server, tags)
    try:
        async with running(source, sink):
            await eventually(lambda: len(told) >= 14, 15)
            await eventually(lambda: sink.samples[-1].time >= told[13])
    finally:
        ticking.cancel()
    came = [sample.time for sample in sink.samples]
    lost = [each for each in told if came[0] < each < came[-1] and each not in came]
    assert lost == [told[7]]
    health = source.health.device("T1")
    assert health.missed == 1
    assert "1 updates of the device were not read" in health.last_error


async def test_faster_updates_than_reads_are_flagged_not_lost(server):
    unit = server.units[1]
    unit.registers = dict.fromkeys(range(300), 0)
    tags = {
        "clock": {"register": 0},
        "max_registers": 20,
        "tags": {"wind_speed": {"register": 10}, "power_output": {"register": 200}},
    }

    async def race():
        n = 1_700_000_000_000
        while True:
            n += 1
            unit.put(0, "Q", n)
            await asyncio.sleep(0.001)

    unit.put(0, "Q", 1_700_000_000_000)
    unit.delay = 0.01
    racing = asyncio.create_task(race())
    try:
        (sample,) = await source_of(server, tags).read()
    finally:
        racing.cancel()
    assert set(flags(sample).values()) == {Quality.UNCERTAIN}


async def test_a_silent_unit_leaves_the_gateway_to_the_others(server, sink, running, eventually):
    server.units[2].silent = True
    await server.tell("T1", Told(time.time_ns()))
    source = server.source(server.config() | {"timeout": 1.0})
    async with running(source, sink):
        await eventually(lambda: source.health.device("T2").state == "down", 10)
        for _ in range(10):
            await asyncio.sleep(0.2)
            await server.tell("T1", Told(time.time_ns()))
        errors = source.health.device("T2").errors
        assert errors < 12, "the silent unit is asked too often"
        server.units[2].silent = False
        await server.tell("T2", Told(time.time_ns()))
        await eventually(lambda: sink.of("T2"), 12, "the unit is taken back when it answers")
        assert source.health.device("T2").state == "ok"
        server.units[2].silent = True
        await eventually(lambda: source.health.device("T2").state != "ok")
        server.units[2].silent = False
        await server.tell("T2", Told(time.time_ns()))
        await eventually(lambda: source.health.device("T2").reconnects == 1, 12)


@pytest.mark.parametrize("transport", ["tcp", "rtu"])
async def test_half_an_answer_is_none(transport, sink, running, eventually):
    """Of one unit only the beginning of each answer comes: it is down, nothing is made up, the other goes on."""
    server = ModbusHarness(transport)
    await server.start()
    try:
        source = server.source(server.config() | {"timeout": 0.2})
        broken, well = source.health.device("T1"), source.health.device("T2")
        async with running(source, sink):
            for asset in ("T1", "T2"):
                await server.tell(asset, Told(time.time_ns()))
            await eventually(lambda: sink.of("T1") and sink.of("T2"))
            server.halved.add(1)
            began = len(sink.of("T1"))
            await server.tell("T1", Told(time.time_ns(), power_output=7.0))
            await eventually(lambda: broken.state == "down", 10)
            assert "did not answer" in broken.last_error
            before = len(sink.of("T2"))
            for _ in range(10):
                await asyncio.sleep(0.2)
                await server.tell("T2", Told(time.time_ns()))
            assert len(sink.of("T2")) - before >= 5
            assert well.state == "ok"
            assert len(sink.of("T1")) == began
            server.halved.clear()
            await eventually(lambda: len(sink.of("T1")) > began, 12)
            assert sink.of("T1")[-1].values[0] == 7.0
            assert broken.state == "ok"
    finally:
        await server.stop()


@pytest.mark.parametrize("connection", ["shared", "device"])
async def test_connections(server, connection, sink, running, eventually):
    source = server.source(server.config() | {"connection": connection})
    for asset in ("T1", "T2"):
        await server.tell(asset, Told(time.time_ns()))
    async with running(source, sink):
        await eventually(lambda: sink.of("T1") and sink.of("T2"))
        assert len(server._server.active_connections) == (1 if connection == "shared" else 2)
    await eventually(lambda: not server._server.active_connections)


async def test_a_device_without_a_clock_is_stamped_by_us_once_per_slot(server, sink, running, eventually):
    server.units[1].put(12, "f", 5.0)
    source = source_of(server, {"tags": {"wind_speed": {"register": 12}}})
    async with running(source, sink):
        await eventually(lambda: len(sink.samples) >= 8)
    slots = [sample.time // 200_000_000 for sample in sink.samples]
    assert slots == list(range(slots[0], slots[0] + len(slots)))
    assert all(0 <= sample.received - sample.time < 200_000_000 for sample in sink.samples)


async def test_writes_go_out_as_registers_and_are_read_back(server):
    source = server.source(server.config() | {"read_back": True})
    await source.write("T2", "power_setpoint", 1250.0)
    data = struct.pack(">f", 1250.0)
    assert server.units[2].writes == [(110, [int.from_bytes(data[:2], "big"), int.from_bytes(data[2:], "big")])]
    assert server.units[1].writes == []


async def test_refused_and_impossible_writes_are_told(server):
    tags = {
        "tags": {
            "power_setpoint": {"register": 900, "writable": True},
            "reactive_power_setpoint": {"register": 10, "type": "int16", "writable": True},
            "curtailment_limit": {"register": 12, "table": "input", "writable": True},
        }
    }
    source = source_of(server, tags)
    for variable, value, why in (
        ("power_setpoint", 1.0, "illegal data address"),
        ("reactive_power_setpoint", 40_000, "does not fit int16"),
        ("curtailment_limit", 1.0, "only be read"),
    ):
        with pytest.raises(SourceError, match=why):
            await source.write("T1", variable, value)


async def test_a_write_uses_the_running_connection(server, sink, running, eventually):
    await server.tell("T1", Told(time.time_ns()))
    source = server.source()
    async with running(source, sink):
        await eventually(lambda: sink.of("T1"))
        await source.write("T1", "power_setpoint", 5.0)
        assert len(server._server.active_connections) == 1


async def test_text_that_changes_is_an_event(server, sink, running, eventually):
    def show(text: bytes) -> None:
        for i in range(3):
            server.units[1].registers[10 + i] = int.from_bytes(text[2 * i : 2 * i + 2], "big")

    show(b"v1.0\0\0")
    tags = {"tags": {"wind_speed": {"register": 14}, "firmware": {"register": 10, "type": "string", "length": 3}}}
    source = source_of(server, tags)
    async with running(source, sink):
        await eventually(lambda: len(sink.samples) >= 2)
        assert sink.events == []
        assert sink.samples[0].quality is None
        show(b"v1.1\0\0")
        await eventually(lambda: sink.events)
    (event,) = sink.events
    assert (event.asset, event.name, event.value) == ("T1", "firmware", "v1.1")


async def test_a_serial_port_that_is_not_there():
    made = ModbusMap.model_validate(TAGS)
    keys = {**BASE, "transport": "serial", "device": "/dev/ttyNOWHERE", "timeout": 0.3, "assets": {"T1": 1}}
    with pytest.raises(SourceError, match="ttyNOWHERE"):
        await driver("modbus").from_config("site.entry", "site", keys, made).read()
