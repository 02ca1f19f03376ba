"""A pymodbus server whose registers are packed by hand, so that both codecs cannot be wrong together."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import struct
import threading
import tty
from typing import Any

from harness import ASSETS, Harness, Told, free_port
from pymodbus.constants import ExcCodes
from pymodbus.exceptions import NoSuchIdException
from pymodbus.framer import FramerRTU, FramerType
from pymodbus.pdu import ExceptionResponse
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.server.requesthandler import ServerRequestHandler
from pymodbus.simulator import DataType, SimData, SimDevice
from pymodbus.simulator.simcore import SimCore

from workbench.model.tags import ModbusMap

TAGS: dict[str, Any] = {
    "protocol": "modbus",
    "clock": {"register": 0},
    "max_registers": 60,
    "tags": {
        "power_output": {"register": 10, "type": "int32", "units": "W", "scale": 100},
        "wind_speed": {"register": 12, "type": "float32"},
        "ambient_temperature": {"register": 14, "type": "int16", "units": "degF", "scale": 0.1},
        "turbine_status": {"register": 100, "type": "uint16", "states": {10: "generating", 20: "fault"}},
        "power_setpoint": {"register": 110, "type": "float32", "writable": True},
    },
}
EXTRA = {"nacelle_position": {"register": 500, "type": "float32"}}


#: pymodbus wants a device of its own; ours is put in its place.
NOTHING = SimDevice(id=0, simdata=SimData(0, datatype=DataType.REGISTERS))


class Unit:
    """Holding registers of one device; addresses that are not there are illegal."""

    def __init__(self) -> None:
        self.registers: dict[int, int] = dict.fromkeys([*range(16), *range(100, 112)], 0)
        self.silent = False
        self.delay = 0.0
        self.reads: list[tuple[int, int]] = []
        self.writes: list[tuple[int, list[int]]] = []

    def put(self, address: int, layout: str, value: float) -> None:
        data = struct.pack(">" + layout, value)
        for i in range(0, len(data), 2):
            self.registers[address + i // 2] = int.from_bytes(data[i : i + 2], "big")


class Handler(ServerRequestHandler):
    """Answers each request by what it asked.

    pymodbus's own looks at the newest request again once an answer is ready: a late answer of one unit would go out as
    another unit's, which no device on a line does.
    """

    def handle_later(self) -> None:
        asyncio.ensure_future(self.answer(self.last_pdu, self.last_addr))  # noqa: RUF006  it ends with the loop

    async def answer(self, pdu, addr) -> None:
        if not pdu:
            return
        try:
            response = await pdu.datastore_update(self.server.context, pdu.dev_id)
        except NoSuchIdException:
            if self.server.ignore_missing_devices:
                return
            response = ExceptionResponse(pdu.function_code, ExcCodes.GATEWAY_NO_RESPONSE)
        response.transaction_id, response.dev_id = pdu.transaction_id, pdu.dev_id
        self.server_send(response, addr)


class TcpServer(ModbusTcpServer):
    def callback_new_connection(self):
        return Handler(self, self.trace_packet, self.trace_pdu, self.trace_connect)


class SerialServer(ModbusSerialServer):
    def callback_new_connection(self):
        return Handler(self, self.trace_packet, self.trace_pdu, self.trace_connect)


class Core(SimCore):
    def __init__(self, units: dict[int, Unit]) -> None:
        super().__init__(NOTHING)
        self.units = units

    def device_ids(self):
        return list(self.units)

    async def async_getValues(self, device_id, func_code, address, count=1):
        unit = self.units.get(device_id)
        if unit is None or unit.silent:
            raise NoSuchIdException
        if unit.delay:
            await asyncio.sleep(unit.delay)
        unit.reads.append((address, count))
        wanted = range(address, address + count)
        if func_code not in (3, 4) or any(each not in unit.registers for each in wanted):
            return ExcCodes.ILLEGAL_ADDRESS
        return [unit.registers[each] for each in wanted]

    async def async_setValues(self, device_id, func_code, address, values):
        unit = self.units.get(device_id)
        if unit is None or unit.silent:
            raise NoSuchIdException
        if any(address + i not in unit.registers for i in range(len(values))):
            return ExcCodes.ILLEGAL_ADDRESS
        unit.writes.append((address, [int(v) for v in values]))
        unit.registers.update({address + i: int(value) for i, value in enumerate(values)})
        return None


class Bus(FramerRTU):
    """Two devices on one line. Of two requests heard at once, as on a busy machine, the newest counts.

    The master has given up the older one; pymodbus's own framer would answer that and drop the newest.
    """

    def decode(self, data):
        for at in range(max(0, len(data) - 8), -1, -1):
            _, unit, _, frame = super().decode(data[at:])
            if frame and data[at] == unit:
                return len(data), unit, 0, frame
        return 0, 0, 0, b""


class ModbusHarness(Harness):
    def __init__(self, transport: str = "tcp") -> None:
        super().__init__(
            "modbus",
            {
                "bad": "Modbus has no word for it",
                "discover": "Modbus cannot be browsed",
                "type mismatch": "a register has no type: what the map says is believed",
            },
        )
        self.transport = transport
        self.port = free_port()
        self.units = {1: Unit(), 2: Unit()}
        self.halved: set[int] = set()  # units of whose answers only one half arrives
        self._server: Any = None

    async def start(self) -> None:
        framer = FramerType.SOCKET if self.transport == "tcp" else FramerType.RTU
        self._server = TcpServer(
            NOTHING,
            framer=framer,
            address=("127.0.0.1", self.port),
            ignore_missing_devices=True,
            trace_packet=self._sent,
        )
        self._server.context = Core(self.units)
        await self._server.serve_forever(background=True)

    def _sent(self, sending: bool, packet: bytes) -> bytes:
        unit = packet[6 if self.transport == "tcp" else 0]
        return packet[: len(packet) // 2] if sending and unit in self.halved else packet

    async def stop(self) -> None:
        if self._server is not None:
            server, self._server = self._server, None
            await server.shutdown()

    async def tell(self, asset: str, told: Told) -> None:
        unit = self.units[ASSETS.index(asset) + 1]
        unit.put(0, "Q", told.time // 1_000_000)
        unit.put(10, "i", round(told.power_output * 10))
        unit.put(12, "f", told.wind_speed)
        unit.put(14, "h", round(told.fahrenheit * 10))
        unit.put(100, "H", told.code)

    async def silence(self, asset: str) -> None:
        self.units[ASSETS.index(asset) + 1].silent = True

    def tags(self, *, extra: bool = False) -> ModbusMap:
        tags = {**TAGS["tags"], **EXTRA} if extra else TAGS["tags"]
        return ModbusMap.model_validate({**TAGS, "tags": tags})

    def config(self) -> dict[str, Any]:
        transport = {"tcp": "tcp", "rtu": "rtu_over_tcp"}[self.transport]
        return {"transport": transport, "host": f"127.0.0.1:{self.port}", "assets": {"T1": 1, "T2": 2}}

    def wrong_config(self) -> dict[str, Any]:
        return {**self.config(), "host": f"127.0.0.1:{free_port()}", "timeout": 0.3}


class Cable:
    """A serial line: two pseudo terminals, tied together by a thread."""

    def __init__(self) -> None:
        self.masters: list[int] = []
        self.names: list[str] = []  #: the two ends, as a serial port is named
        self._slaves: list[int] = []
        for _ in range(2):
            master, slave = os.openpty()
            tty.setraw(slave)
            self.masters.append(master)
            self._slaves.append(slave)
            self.names.append(os.ttyname(slave))
        self._alive = True
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def _carry(self) -> None:
        one, other = self.masters
        while self._alive:
            ready, _, _ = select.select([one, other], [], [], 0.1)
            for end in ready:
                with contextlib.suppress(OSError):
                    os.write(other if end == one else one, os.read(end, 4096))

    def unplug(self) -> None:
        self._alive = False
        self._thread.join()
        for end in (*self.masters, *self._slaves):
            os.close(end)


class SerialHarness(ModbusHarness):
    """RTU on a serial line."""

    def __init__(self) -> None:
        super().__init__("serial")
        self.gaps["wrong address"] = "a serial port that is not there is tested apart"
        self.gaps["cut"] = "a line that is cut is one on which nobody answers"
        self._babbling: asyncio.Task | None = None
        self._cable = Cable()

    async def start(self) -> None:
        self._server = SerialServer(
            NOTHING,
            framer=FramerType.RTU,
            port=self._cable.names[0],
            baudrate=115200,
            ignore_missing_devices=True,
        )
        self._server.framer = Bus
        self._server.context = Core(self.units)
        await self._server.serve_forever(background=True)

    async def babble(self) -> None:
        async def noise() -> None:
            while True:
                os.write(self._cable.masters[1], os.urandom(100))
                await asyncio.sleep(0.02)

        self._babbling = asyncio.create_task(noise())

    async def hush(self) -> None:
        if self._babbling is not None:
            self._babbling.cancel()

    def unplug(self) -> None:
        self._cable.unplug()

    def config(self) -> dict[str, Any]:
        return {
            "transport": "serial",
            "device": self._cable.names[1],
            "baudrate": 115200,
            "timeout": 0.3,
            "assets": {"T1": 1, "T2": 2},
        }
