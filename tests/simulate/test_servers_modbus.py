"""The Modbus servers, asked by pymodbus's own client and by mbpoll."""

from __future__ import annotations

import asyncio
import shutil
import socket
import struct
import subprocess
import time
from functools import partial

import numpy as np
import pytest
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.framer import FramerType

from workbench.model.errors import InputError
from workbench.model.samples import NS
from workbench.model.tags import ModbusMap
from workbench.model.vocabulary import vocabulary
from workbench.simulate.servers.modbus import ModbusServer, Order
from workbench.simulate.servers.net import Address, check_free, check_host, is_loopback, parse_address

T = 1_700_000_000 * 10**9
TAGS = ModbusMap.model_validate(
    {
        "protocol": "modbus",
        "word_order": "little",
        "clock": {"register": 100},
        "tags": {
            "power": {"register": 104, "type": "float32"},
            "temperature": {"register": 106, "type": "int16", "scale": 0.1},
            "energy": {"register": 107, "type": "uint64", "word_order": "big"},
            "breaker": {"register": 2, "table": "discrete", "type": "bool"},
            "alarm": {"register": 9, "table": "coil", "type": "bool"},
            "voltage": {"register": 30, "table": "input", "type": "uint16"},
        },
    }
)
NAMES = list(TAGS.tags)


@pytest.fixture(params=["tcp", "rtu"])
async def gateway(request):
    server = ModbusServer(Address("127.0.0.1", 0), request.param, "farm.scada")
    server.add("T1", 1, TAGS, NAMES)
    server.add("T2", 7, TAGS, NAMES)
    await server.start()
    framer = FramerType.SOCKET if request.param == "tcp" else FramerType.RTU
    client = AsyncModbusTcpClient("127.0.0.1", port=server.address.port, framer=framer, timeout=2, retries=0)
    assert await client.connect()
    yield server, client
    client.close()
    await server.stop()


async def test_a_client_reads_what_the_truth_says(gateway):
    server, client = gateway
    for unit, asset, power in [(1, "T1", 1234.56), (7, "T2", -8.25)]:
        seen = server.encode(asset, T, np.array([power, -12.34, 2.0**40, 1.0, 0.0, 690.0]))
        await server.publish()
        answer = await client.read_holding_registers(100, count=11, device_id=unit)
        words = answer.registers
        assert struct.unpack(">Q", struct.pack(">4H", *words[3::-1]))[0] == T // 10**6
        assert struct.unpack(">f", struct.pack(">2H", words[5], words[4]))[0] == seen[0]
        assert seen[0] == np.float32(power)
        assert struct.unpack(">h", struct.pack(">H", words[6]))[0] * 0.1 == seen[1]
        assert struct.unpack(">Q", struct.pack(">4H", *words[7:11]))[0] == seen[2] == 2**40
        assert (await client.read_discrete_inputs(2, count=1, device_id=unit)).bits[0] is True
        assert (await client.read_coils(9, count=1, device_id=unit)).bits[0] is False
        assert (await client.read_input_registers(30, count=1, device_id=unit)).registers == [690]


async def test_a_tick_is_not_seen_before_it_is_published(gateway):
    server, client = gateway
    server.encode("T1", T, np.array([5.0, 0, 0, 0, 0, 0]))
    before = (await client.read_holding_registers(100, count=11, device_id=1)).registers
    await server.publish()
    after = (await client.read_holding_registers(100, count=11, device_id=1)).registers
    assert before == [0] * 11
    assert after != before


async def test_what_the_device_has_not_is_refused(gateway):
    _, client = gateway
    assert (await client.read_holding_registers(99, count=2, device_id=1)).exception_code == 2
    assert (await client.read_holding_registers(105, count=7, device_id=1)).exception_code == 2
    assert (await client.read_input_registers(100, count=1, device_id=1)).exception_code == 2
    assert (await client.write_register(106, 3, device_id=1)).exception_code == 2
    assert (await client.read_holding_registers(100, count=1, device_id=99)).exception_code == 11


async def test_two_assets_do_not_share_a_unit():
    server = ModbusServer(Address("127.0.0.1", 0))
    server.add("T1", 1, TAGS, NAMES)
    with pytest.raises(InputError, match="share a unit"):
        server.add("T2", 1, TAGS, NAMES)
    with pytest.raises(InputError, match="unit id"):
        server.add("T3", 300, TAGS, NAMES)


async def test_stop_frees_the_port_and_hangs_up():
    server = ModbusServer(Address("127.0.0.1", 0))
    server.add("T1", 1, TAGS, NAMES)
    await server.start()
    client = AsyncModbusTcpClient("127.0.0.1", port=server.address.port, timeout=1, retries=0, reconnect_delay=0)
    assert await client.connect()
    await server.stop()
    await server.stop()
    check_free(server.address, "farm.scada")
    client.close()


async def mbpoll(port: int, *words: object) -> tuple[int, str]:
    """What mbpoll (libmodbus) says; addresses count from 0, one poll."""
    command = [shutil.which("mbpoll"), "-m", "tcp", "-p", port, "-0", "-1", "-o", 2, "127.0.0.1", *words]
    run = partial(subprocess.run, capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
    done = await asyncio.to_thread(run, [str(word) for word in command])
    return done.returncode, done.stdout + done.stderr


ORDERS = ModbusMap.model_validate(
    {
        "protocol": "modbus",
        "word_order": "little",
        "clock": {"register": 0},
        "tags": {
            "power": {"register": 4},
            "power_setpoint": {"register": 8, "units": "W", "type": "uint32", "writable": True},
            "blade_pitch_angle": {"register": 10, "type": "int16", "scale": 0.01, "writable": True},
            "turbine_status": {"register": 11, "type": "uint16", "states": {3: "stopped", 4: "generating"},
                               "writable": True},
            "energy": {"register": 12, "type": "bcd16", "writable": True},
            "breaker_status": {"register": 3, "table": "coil", "type": "bool", "writable": True},
            "temperature": {"register": 5, "table": "input", "type": "int16", "writable": True},
        },
    }
)  # fmt: skip


VALUES = np.array([1234.5, 2000.0, -1.5, vocabulary()["turbine_status"].states["generating"], 42.0, 0.0, 20.0])


@pytest.fixture
async def ordered(require):
    """A server that takes orders, what it was ordered, and mbpoll to do it with."""
    require(shutil.which("mbpoll"), "mbpoll is not installed")
    server = ModbusServer(Address("127.0.0.1", 0), name="farm.scada")
    server.add("T1", 3, ORDERS, list(ORDERS.tags))
    server.encode("T1", T, VALUES)
    await server.publish()
    orders: list[Order] = []
    server.on_order = orders.append
    await server.start()
    yield server, orders, partial(mbpoll, server.address.port)
    await server.stop()


async def test_mbpoll_reads(ordered):
    _, _, poll = ordered
    assert "1234.5" in (await poll("-a", 3, "-t", "4:float", "-r", 4))[1]
    assert "2000000" in (await poll("-a", 3, "-t", "4:int", "-r", 8))[1]
    code, said = await poll("-a", 3, "-t", 4, "-r", 0x300)
    assert (code != 0, "Illegal data address" in said) == (True, True), said


async def test_mbpoll_writes_and_reads_back_what_it_ordered(ordered):
    server, orders, poll = ordered
    before = time.time_ns()
    for words in (("-t", "4:int", "-r", 8, 1_500_000), ("-t", 4, "-r", 10, 250), ("-t", 0, "-r", 3, 1)):
        code, said = await poll("-a", 3, *words)
        assert code == 0, said
    assert [order.values for order in orders] == [
        {"power_setpoint": 1500.0}, {"blade_pitch_angle": 2.5}, {"breaker_status": 1.0}
    ]  # fmt: skip
    assert all((order.asset, order.ticks) == ("T1", (T,)) for order in orders)
    assert all(before <= order.time <= time.time_ns() for order in orders)
    for following in (False, True):  # at once, and after the next tick, whatever the plant means
        assert "1500000" in (await poll("-a", 3, "-t", "4:int", "-r", 8))[1]
        assert "1234.5" in (await poll("-a", 3, "-t", "4:float", "-r", 4))[1], "the rest stands as it was"
        if not following:
            seen = server.encode("T1", T + NS, VALUES)
            assert dict(zip(ORDERS.tags, seen, strict=True)) == {
                "power": 1234.5, "power_setpoint": 1500.0, "blade_pitch_angle": 2.5, "turbine_status": VALUES[3],
                "energy": 42.0, "breaker_status": 1.0, "temperature": 20.0,
            }  # fmt: skip
            await server.publish()


async def test_what_takes_no_orders_says_illegal_address(ordered):
    _, orders, poll = ordered
    for words in (
        ("-t", "4:float", "-r", 4, 1.0),  # measured
        ("-t", 4, "-r", 0, 1),  # the clock
        ("-t", 4, "-r", 8, 1),  # half a value
        ("-t", 4, "-r", 11, 4, 0x42, 7),  # beyond the last
        ("-t", 0, "-r", 9, 1),  # not there
    ):
        code, said = await poll("-a", 3, *words)
        assert (code != 0, "Illegal data address" in said) == (True, True), (words, said)
    for words in (("-t", 4, "-r", 11, 9), ("-t", 4, "-r", 12, 0xABC)):  # no such state; no decimal digits
        code, said = await poll("-a", 3, *words)
        assert (code != 0, "Illegal data value" in said) == (True, True), (words, said)
    assert orders == []
    assert "2000000" in (await poll("-a", 3, "-t", "4:int", "-r", 8))[1]


async def test_two_values_in_one_order(ordered):
    _, orders, poll = ordered
    code, said = await poll("-a", 3, "-t", 4, "-r", 10, 100, 3, 0x77)
    assert code == 0, said
    stopped = vocabulary()["turbine_status"].states["stopped"]
    (order,) = orders
    assert order.values == {"blade_pitch_angle": 1.0, "turbine_status": stopped, "energy": 77.0}


def test_addresses():
    assert parse_address("127.0.0.1:15020") == ("127.0.0.1", 15020)
    assert parse_address("[::1]:502") == ("::1", 502)
    assert parse_address("plc.local", default_port=502) == ("plc.local", 502)
    assert str(Address("::1", 5)) == "[::1]:5"
    for wrong in ["", "host", "host:port", "host:99999"]:
        with pytest.raises(InputError, match="not an address"):
            parse_address(wrong)
    assert is_loopback("127.0.0.1")
    assert is_loopback("::1")
    assert is_loopback("localhost")
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("example.org")


def test_listening_beyond_loopback_wants_to_be_asked_for():
    with pytest.raises(InputError, match=r"--host 0\.0\.0\.0"):
        check_host(Address("0.0.0.0", 0), allowed=None, where="farm.scada")
    check_host(Address("0.0.0.0", 0), allowed="0.0.0.0", where="farm.scada")


def test_a_taken_port_is_told_with_the_entry():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"farm.scada: port {port} is in use") as caught:
            check_free(Address("127.0.0.1", port), "farm.scada")
    assert caught.value.hint
