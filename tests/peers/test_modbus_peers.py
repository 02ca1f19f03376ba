"""Our Modbus source reads and writes servers that nobody here wrote: libmodbus by TCP and RTU, npm's modbus-serial."""

from __future__ import annotations

import struct
import sys
import time
from ctypes.util import find_library

import numpy as np
import pytest
from harness_modbus import Cable
from peer import HERE, peer

from workbench.model.quality import Quality
from workbench.model.tags import ModbusMap
from workbench.sources.base import SourceError
from workbench.sources.registry import driver

STEP = 200_000_000
TAGS = {
    "protocol": "modbus",
    "clock": {"register": 0},
    "tags": {
        "power_output": {"register": 10, "type": "int32", "units": "W", "scale": 100},
        "wind_speed": {"register": 12, "type": "float32", "word_order": "little"},
        "energy_production_lifetime": {"register": 14, "type": "uint64", "units": "Wh"},
        "ambient_temperature": {"register": 3, "table": "input", "type": "int16", "units": "degF", "scale": 0.1},
        "active_alarm": {"register": 7, "table": "discrete", "type": "bool", "states": {0: "clear", 1: "active"}},
        "power_setpoint": {"register": 20, "type": "float32", "writable": True},
        "nacelle_position": {"register": 22, "type": "uint16", "writable": True},
        "breaker_status": {"register": 4, "table": "coil", "type": "bool", "writable": True,
                           "states": {0: "open", 1: "closed"}},
    },
}  # fmt: skip


@pytest.fixture(scope="module", params=["libmodbus", "libmodbus-rtu", "modbus-serial"])
def server(request, require):
    """A running peer; ``keys`` of a catalog entry lead to it."""
    if request.param == "modbus-serial":
        command = [request.getfixturevalue("node"), HERE / "modbus.js", "PORT"]
    else:
        require(find_library("modbus"), "libmodbus is not installed (it comes with mbpoll)")
        command = [sys.executable, HERE / "libmodbus_server.py", "PORT"]
    if request.param != "libmodbus-rtu":
        with peer(*command) as made:
            made.keys = {"host": f"127.0.0.1:{made.port}"}
            yield made
        return
    cable = Cable()
    with peer(*command[:2], cable.names[0]) as made:
        made.keys = {"transport": "serial", "device": cable.names[1], "baudrate": 115200, "timeout": 0.5}
        yield made
    cable.unplug()


def words(layout: str, value: float) -> list[int]:
    data = struct.pack(">" + layout, value)
    return [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]


def show(server, when: int, power: float = 1234.5) -> None:
    """Everything of one instant; the numbers are packed here, not by our codec."""
    holding = dict(enumerate(words("Q", when // 1_000_000)))
    holding |= dict(enumerate(words("i", round(power * 10)), 10))
    holding |= dict(enumerate(words("f", 8.25)[::-1], 12))
    holding |= dict(enumerate(words("Q", 2**40), 14))
    holding |= dict.fromkeys(range(18, 23), 0)
    server.show(holding=holding, input={3: 590}, discrete={7: 1}, coil={4: 0})


def source_of(server, tags=TAGS, **keys):
    keys = {"asset_type": "wind_turbine", "cadence": "200ms", **server.keys, **keys}
    return driver("modbus").from_config("site.entry", "site", {"assets": {"T1": 1}, **keys}, ModbusMap(**tags))


def values(sample) -> dict[str, float]:
    return dict(zip(sample.shape.variables, sample.values.tolist(), strict=True))


async def test_every_table_and_type_is_read(server):
    now = time.time_ns() // STEP * STEP
    show(server, now)
    (sample,) = await source_of(server).read()
    assert sample.time == now
    assert sample.quality is None
    found = values(sample)
    assert found.pop("ambient_temperature") == pytest.approx(15.0)
    assert found.pop("energy_production_lifetime") == pytest.approx(2**40 / 1000)
    assert {name: found[name] for name in ("power_output", "wind_speed", "power_setpoint", "nacelle_position")} == {
        "power_output": 1234.5, "wind_speed": 8.25, "power_setpoint": 0.0, "nacelle_position": 0.0,
    }  # fmt: skip
    assert found["active_alarm"] == 1.0


async def test_orders_are_taken_and_read_back(server):
    show(server, time.time_ns())
    source = source_of(server, read_back=True)
    before = values((await source.read())[0])["breaker_status"]
    await source.write("T1", "power_setpoint", 1500.5)  # write multiple registers
    await source.write("T1", "nacelle_position", 271)  # write single register
    await source.write("T1", "breaker_status", "closed")  # write single coil
    (sample,) = await source_of(server).read()
    found = values(sample)
    assert (found["power_setpoint"], found["nacelle_position"]) == (1500.5, 271.0)
    assert found["breaker_status"] != before


async def test_each_update_comes_once(server, sink, running, eventually):
    start = (time.time_ns() // STEP + 1) * STEP
    told = []
    show(server, start)
    async with running(source_of(server), sink):
        await eventually(lambda: sink.samples)
        for n in range(1, 11):
            when = start + n * STEP
            await eventually(lambda when=when: time.time_ns() >= when)
            show(server, when, 100.0 + n)
            told.append((when, 100.0 + n))
        await eventually(lambda: sink.times("T1")[-1] == told[-1][0])
    times = sink.times("T1")
    assert times == sorted(set(times)), "something came twice"
    came = {sample.time: values(sample)["power_output"] for sample in sink.samples}
    assert [(when, came.get(when)) for when, _ in told] == told, "an update is missing"


async def test_registers_that_are_not_there_are_flagged_and_the_rest_is_read(server, sink, running, eventually):
    show(server, time.time_ns())
    tags = {**TAGS, "tags": {**TAGS["tags"], "rotor_speed": {"register": 900}}}
    source = source_of(server, tags)
    async with running(source, sink):
        await eventually(lambda: sink.samples)
        assert source.health.device("T1").state == "degraded"
        assert "illegal data address" in source.health.device("T1").last_error
    sample = sink.samples[-1]
    flags = dict(zip(sample.shape.variables, sample.quality.tolist(), strict=True))
    assert {name for name, flag in flags.items() if flag} == {"rotor_speed"}
    assert flags["rotor_speed"] == Quality.BAD
    assert np.isnan(values(sample)["rotor_speed"])
    assert values(sample)["wind_speed"] == 8.25
    tags["tags"]["rotor_speed"]["writable"] = True
    with pytest.raises(SourceError, match="illegal data address"):
        await source_of(server, tags).write("T1", "rotor_speed", 1.0)


async def test_a_server_that_is_killed_is_read_again_when_it_is_back(server, sink, running, eventually):
    show(server, time.time_ns())
    source = source_of(server)
    health = source.health.device("T1")
    async with running(source, sink):
        await eventually(lambda: health.state == "ok")
        server.kill()
        await eventually(lambda: health.state == "down")
        server.start()
        show(server, time.time_ns())
        began = time.monotonic()
        await eventually(lambda: health.state == "ok", 10)
        assert time.monotonic() - began < 10
        assert health.reconnects == 1
