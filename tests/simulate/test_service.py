"""The service with a small stand-in plant: real servers, real clients, truth equal to what was read."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import orjson
import pytest
from pymodbus.client import AsyncModbusTcpClient

from workbench.model.errors import InputError, InputErrors
from workbench.model.samples import NS, SeriesKey
from workbench.model.tags import ModbusMap, MqttMap, OpcUaMap
from workbench.simulate.service import ServedEntry, SimulationService, served_entries
from workbench.simulate.truth import TruthLog, read_truth

WTG, MAST, INV = SeriesKey("wind_turbine", "1s"), SeriesKey("met_mast", "1s"), SeriesKey("inverter", "5s")


@dataclass
class StandInFrame:
    values: np.ndarray
    quality: np.ndarray | None = None


class StandInPlant:
    """Two turbines, a mast and an inverter whose values tell their time."""

    keys: ClassVar[dict] = {
        WTG: (("T1", "T2"), ("power_output", "wind_speed")),
        MAST: (("M1",), ("wind_speed",)),
        INV: (("I1",), ("energy_today",)),
    }

    def __init__(self) -> None:
        self.ticks: list[int] = []

    def tick(self, t_ns: int) -> dict[SeriesKey, StandInFrame]:
        self.ticks.append(t_ns)
        second = t_ns // NS
        return {
            WTG: StandInFrame(np.array([[second % 1000 + 0.1, 8.0], [second % 1000 + 0.2, 9.0]])),
            MAST: StandInFrame(np.array([[second % 60 / 3]])),
            INV: StandInFrame(np.array([[float(second)]])),
        }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


TURBINE = ModbusMap.model_validate(
    {
        "protocol": "modbus",
        "clock": {"register": 0},
        "tags": {"power_output": {"register": 4}, "wind_speed": {"register": 6, "type": "int16", "scale": 0.01}},
    }
)
INVERTER = ModbusMap.model_validate(
    {"protocol": "modbus", "clock": {"register": 0}, "tags": {"energy_today": {"register": 4, "type": "uint64"}}}
)
MET = MqttMap.model_validate({"protocol": "mqtt", "time": "t", "tags": {"wind_speed": {"path": "ws"}}})


def entries(port: int, mqtt_port: int) -> list[ServedEntry]:
    address = f"127.0.0.1:{port}"
    return [
        ServedEntry("s.scada", "s", "modbus", WTG, address, {"T1": 1, "T2": 2}, TURBINE),
        ServedEntry("s.inverters", "s", "modbus", INV, address, {"I1": 10}, INVERTER),
        ServedEntry("s.mast", "s", "mqtt", MAST, f"127.0.0.1:{mqtt_port}", {"M1": "met/M1"}, MET),
        ServedEntry("other.scada", "other", "modbus", WTG, address, {"X": 99}, TURBINE),
    ]


async def read_device(client: AsyncModbusTcpClient, unit: int, count: int) -> tuple[int, list[int]]:
    registers = (await client.read_holding_registers(0, count=count, device_id=unit)).registers
    return struct.unpack(">Q", struct.pack(">4H", *registers[:4]))[0] * 10**6, registers[4:]


async def test_a_client_sees_what_the_truth_says_each_second(tmp_path):
    port, mqtt_port = free_port(), free_port()
    plant = StandInPlant()
    service = SimulationService(
        {"s": plant}, entries(port, mqtt_port), truth=TruthLog(tmp_path / "truth"), broker="amqtt"
    )
    await service.start()
    modbus, mqtt = f"modbus-tcp://127.0.0.1:{port}", f"mqtt://127.0.0.1:{mqtt_port}"
    assert {end.asset: (end.address, end.place) for end in service.endpoints()} == {
        "T1": (modbus, "unit 1"),
        "T2": (modbus, "unit 2"),
        "I1": (modbus, "unit 10"),
        "M1": (mqtt, "topic met/M1"),
    }
    client = AsyncModbusTcpClient("127.0.0.1", port=port, timeout=2, retries=0)
    assert await client.connect()
    # the first answer is already a tick: a reader never meets a device that has nothing to say
    first, _ = await read_device(client, 1, 7)
    assert abs(first - time.time_ns()) < 10 * NS
    assert first % NS == 0

    seen: dict[tuple[str, int], tuple[float, float]] = {}
    scans: dict[int, int] = {}
    run = asyncio.create_task(service.run(3.5))
    while not run.done():
        for unit, asset in [(1, "T1"), (2, "T2")]:
            when, words = await read_device(client, unit, 7)
            power = struct.unpack(">f", struct.pack(">2H", *words[:2]))[0]
            seen[asset, when] = (power, words[2] * 0.01)
        when, words = await read_device(client, 10, 8)
        scans[when] = struct.unpack(">Q", struct.pack(">4H", *words))[0]
        await asyncio.sleep(0.1)
    await run
    client.close()
    await service.stop()
    await service.stop()

    truth = read_truth(tmp_path / "truth" / "s")
    assert set(truth) == {WTG, MAST, INV}
    data = truth[WTG]
    assert len({when for _, when in seen}) >= 3
    for (asset, when), (power, wind) in seen.items():
        true = data.sel(asset=asset, time=np.datetime64(when, "ns"))
        assert power == float(true["power_output"])
        assert wind == float(true["wind_speed"])
    for when, energy in scans.items():
        assert when % (5 * NS) == 0
        assert energy == when // NS == float(truth[INV]["energy_today"].sel(asset="I1", time=np.datetime64(when, "ns")))
    # nothing twice, nothing out of turn
    times = data["time"].values
    assert len(np.unique(times)) == len(times)
    assert all(np.diff(times) >= np.timedelta64(1, "s"))
    assert plant.ticks == sorted(plant.ticks)
    figures = orjson.loads((tmp_path / "truth" / "service.json").read_bytes())
    assert figures["ticks"] >= 4
    assert figures["skipped_ticks"] == service.status.skipped


async def test_ticks_that_come_too_late_are_skipped_and_counted(tmp_path):
    class SlowPlant(StandInPlant):
        def tick(self, t_ns: int) -> dict[SeriesKey, StandInFrame]:
            if len(self.ticks) == 3:
                time.sleep(2.2)
            return super().tick(t_ns)

    plant = SlowPlant()
    service = SimulationService({"s": plant}, entries(free_port(), 0)[:1], truth=TruthLog(tmp_path))
    await service.start()
    await service.run(6.5)
    await service.stop()
    assert service.status.skipped >= 2
    served = read_truth(tmp_path / "s")[WTG]["time"].values.astype(int)
    assert (np.diff(served) // NS).max() >= 3  # the gap is left open, not filled with old time stamps
    assert np.diff(served).sum() // NS == len(served) - 1 + service.status.skipped


async def test_stop_request_ends_the_run_at_once():
    service = SimulationService({"s": StandInPlant()}, entries(free_port(), 0)[:1])
    await service.start()
    run = asyncio.create_task(service.run())
    await asyncio.sleep(0.1)
    service.request_stop()
    await asyncio.wait_for(run, 2.0)
    await service.stop()


async def test_a_taken_port_says_which_entry_and_leaves_nothing_running():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port, other = taken.getsockname()[1], free_port()
        served = [
            ServedEntry("s.meter", "s", "modbus", MAST, f"127.0.0.1:{other}", {"M1": 1}, mast_map()),
            ServedEntry("s.scada", "s", "modbus", WTG, f"127.0.0.1:{port}", {"T1": 1}, TURBINE),
        ]
        service = SimulationService({"s": StandInPlant()}, served)
        with pytest.raises(InputError, match=rf"s\.scada: port {port} is in use"):
            await service.start()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", other))


def mast_map() -> ModbusMap:
    return ModbusMap.model_validate({"protocol": "modbus", "tags": {"wind_speed": {"register": 0}}})


async def test_beyond_loopback_only_when_told():
    served = [ServedEntry("s.scada", "s", "modbus", WTG, f"0.0.0.0:{free_port()}", {"T1": 1}, TURBINE)]
    with pytest.raises(InputError, match="--host"):
        await SimulationService({"s": StandInPlant()}, served).start()
    served = [ServedEntry("s.scada", "s", "modbus", WTG, f"127.0.0.1:{free_port()}", {"T1": 1}, TURBINE)]
    service = SimulationService({"s": StandInPlant()}, served, host="0.0.0.0")
    await service.start()
    assert service.endpoints()[0].address.startswith("modbus-tcp://0.0.0.0:")
    await service.stop()


async def test_everything_wrong_with_the_entries_is_told_at_once():
    port = free_port()
    wrong = [
        ServedEntry("s.a", "s", "modbus", WTG, f"127.0.0.1:{port}", {"T3": 1}, TURBINE),
        ServedEntry("s.b", "s", "modbus", SeriesKey("tracker", "1s"), f"127.0.0.1:{port}", {"T1": 1}, TURBINE),
        ServedEntry("s.c", "s", "modbus", INV, f"127.0.0.1:{port}", {"I1": 5}, TURBINE),
        ServedEntry("s.d", "s", "modbus", WTG, f"127.0.0.1:{port}", {"T1": 6}, MET),
    ]
    with pytest.raises(InputErrors) as caught:
        SimulationService({"s": StandInPlant()}, wrong)
    text = str(caught.value)
    for part in ["no such asset", "no such series", "no such variable", "another protocol"]:
        assert part in text
    with pytest.raises(InputError, match="nothing to serve"):
        SimulationService({"s": StandInPlant()}, [])


def test_entries_from_catalog_keys():
    keys = {"asset_type": "wind_turbine", "cadence": "1s", "host": "127.0.0.1:15021", "transport": "rtu_over_tcp"}
    assets = {
        "T1": 1,
        "T2": {"unit": 2, "host": None, "port": None},
        "T3": {"unit": 3, "host": "127.0.0.1", "port": 1502},
    }
    first, second = served_entries("s.scada", "s", "modbus", {**keys, "assets": assets}, TURBINE)
    assert (first.address, first.assets, first.framing) == ("127.0.0.1:15021", {"T1": 1, "T2": 2}, "rtu")
    assert (second.address, second.assets) == ("127.0.0.1:1502", {"T3": 3})
    opcua = OpcUaMap.model_validate({"protocol": "opcua", "tags": {}})
    (entry,) = served_entries(
        "s.o", "s", "opcua", {**keys, "url": "opc.tcp://127.0.0.1:4840/x", "assets": {"T1": "Park/WTG01/"}}, opcua
    )
    assert (entry.address, entry.assets) == ("opc.tcp://127.0.0.1:4840/x", {"T1": "Park/WTG01"})
    (entry,) = served_entries(
        "s.m",
        "s",
        "mqtt",
        {**keys, "host": "127.0.0.1:1", "topic": "met/{asset}/now", "qos": 1, "assets": {"M1": "mast"}},
        MET,
    )
    assert (entry.assets, entry.qos, entry.series) == ({"M1": "met/mast/now"}, 1, WTG)
    with pytest.raises(InputError, match="does not speak"):
        served_entries("s.x", "s", "csv", keys, MET)
    with pytest.raises(InputError, match="serial"):
        served_entries("s.x", "s", "modbus", {**keys, "transport": "serial"}, TURBINE)
