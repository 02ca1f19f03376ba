"""Modbus servers (TCP, and RTU framing over TCP) by pymodbus, with the simulator's registers behind them."""

from __future__ import annotations

import asyncio
import time as clock
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import numpy.typing as npt
from pymodbus.constants import ExcCodes
from pymodbus.exceptions import NoSuchIdException
from pymodbus.framer import FramerType
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from pymodbus.simulator.simcore import SimCore

from workbench.model.errors import InputError
from workbench.model.tags import ModbusMap
from workbench.simulate.servers.encode import ModbusEncoder
from workbench.simulate.servers.net import Address, bind_error, check_free

Framing = Literal["tcp", "rtu"]

#: Table that each function code reads or writes.
_TABLES = {1: "coil", 5: "coil", 15: "coil", 2: "discrete", 4: "input"} | dict.fromkeys((3, 6, 16, 22, 23), "holding")


@dataclass(frozen=True)
class Order:
    """What somebody wrote to a device.

    It shows at once, so that in ``ticks`` (source times, ns) the value was first what the simulator meant and then
    what was ordered.
    """

    asset: str
    time: int  #: when it came [ns since 1970 UTC]
    values: dict[str, float]  #: in the vocabulary's units
    ticks: tuple[int, ...]


class _Unit:
    """One device behind a gateway: its tables, replaced whole so that no reader sees half a tick."""

    def __init__(self, asset: str, encoder: ModbusEncoder) -> None:
        self.asset = asset
        self.encoder = encoder
        self.shown = self.coming = 0  #: source times of the tables that are read, and of those prepared
        self.tables: dict[str, list[int]] = {table: [0] * count for table, (_, count) in encoder.blocks.items()}
        self.pending = self.tables

    def span(self, function: int, address: int, count: int) -> tuple[list[int], int] | None:
        """The table behind a function code and the index of ``address`` in it; None where out of range."""
        table = _TABLES.get(function, "")
        first, size = self.encoder.blocks.get(table, (0, 0))
        start = address - first
        if start < 0 or start + count > size:
            return None
        return self.tables[table], start

    def take(self, function: int, address: int, values: Sequence[int | bool]) -> dict[str, float] | None:
        """Take an order and show it; see :meth:`.encode.ModbusEncoder.take`."""
        table = _TABLES.get(function, "")
        registers = [int(value) for value in values]
        taken = self.encoder.take(table, address, registers)
        if taken is not None:
            start = address - self.encoder.blocks[table][0]
            for tables in (self.tables, self.pending):
                tables[table][start : start + len(registers)] = registers
        return taken


class _Gateway(SimCore):
    """pymodbus's datastore, answered from the units' current images."""

    def __init__(self, units: dict[int, _Unit], told: Callable[[Order], None]) -> None:
        super().__init__(SimDevice(id=0, simdata=SimData(0, datatype=DataType.REGISTERS)))
        self._units = units
        self._told = told

    def device_ids(self) -> list[int]:
        return list(self._units)

    def _unit(self, device_id: int) -> _Unit:
        if device_id not in self._units:
            raise NoSuchIdException  # answered with "gateway target device failed to respond"
        return self._units[device_id]

    async def async_getValues(  # noqa: N802 (pymodbus's name)
        self, device_id: int, func_code: int, address: int, count: int = 1
    ) -> list[int] | list[bool] | ExcCodes:
        found = self._unit(device_id).span(func_code, address, count)
        if found is None:
            return ExcCodes.ILLEGAL_ADDRESS
        table, start = found
        values = table[start : start + count]
        return [bool(value) for value in values] if _TABLES[func_code] in ("coil", "discrete") else values

    async def async_setValues(  # noqa: N802
        self, device_id: int, func_code: int, address: int, values: list[int] | list[bool]
    ) -> ExcCodes | None:
        # measured values take no orders, which a device says with "illegal address"
        unit = self._unit(device_id)
        try:
            taken = unit.take(func_code, address, values)
        except ValueError:
            return ExcCodes.ILLEGAL_VALUE
        if taken is None:
            return ExcCodes.ILLEGAL_ADDRESS
        ticks = tuple(sorted({unit.shown, unit.coming} - {0}))
        self._told(Order(unit.asset, clock.time_ns(), taken, ticks))
        return None


class ModbusServer:
    """A Modbus gateway on one port with a unit per device. Tags that their map calls writable take orders.

    Parameters
    ----------
    address
        Where to listen; port 0 takes a free one, see :attr:`address` after :meth:`start`.
    framing
        ``tcp`` (Modbus TCP) or ``rtu`` (RTU frames over TCP, as serial gateways speak).
    name
        Entry served, for messages.
    """

    def __init__(self, address: Address, framing: Framing = "tcp", name: str = "modbus") -> None:
        self.address = address
        self.framing = framing
        self.name = name
        self.on_order: Callable[[Order], None] | None = None  #: called with each order taken
        self._units: dict[int, _Unit] = {}
        self._assets: dict[str, tuple[int, _Unit]] = {}
        self._server: ModbusTcpServer | None = None

    def add(self, asset: str, unit: int, tags: ModbusMap, variables: Sequence[str]) -> tuple[str, ...]:
        """Serve ``asset`` as ``unit``; ``variables`` are those :meth:`encode` will be given.

        Returns
        -------
        tuple
            The variables its map carries, the order of what :meth:`encode` returns.

        Raises
        ------
        InputError
            Where the unit is taken or the map does not fit.
        """
        if not 1 <= unit <= 247:
            raise InputError("not a unit id", where=f"{self.name}.assets.{asset}", found=unit, expected="1 to 247")
        if unit in self._units:
            raise InputError("two assets share a unit id", where=f"{self.name}.assets.{asset}", found=unit)
        device = _Unit(asset, ModbusEncoder(tags, variables))
        self._units[unit] = device
        self._assets[asset] = (unit, device)
        return device.encoder.variables

    def encode(
        self, asset: str, time: int, values: npt.NDArray[np.float64], quality: npt.NDArray[np.uint16] | None = None
    ) -> npt.NDArray[np.float64]:
        """Prepare a tick of ``asset`` for :meth:`publish`; what a reader will see is returned.

        Modbus has no room for ``quality``: a reader sees the number alone.
        """
        device = self._assets[asset][1]
        device.pending, seen = device.encoder.encode(values, time)
        device.coming = time
        return seen

    async def publish(self) -> None:
        """Show what was prepared: all registers of a device and its clock at once."""
        for device in self._units.values():
            device.tables, device.shown = device.pending, device.coming

    async def prepare(self) -> None:
        """Nothing takes time before listening."""

    async def start(self) -> None:
        """Listen. Raises InputError where the port cannot be had."""
        check_free(self.address, self.name)  # pymodbus itself only logs why it cannot listen
        framer = FramerType.SOCKET if self.framing == "tcp" else FramerType.RTU
        placeholder = SimDevice(id=0, simdata=SimData(0, datatype=DataType.REGISTERS))
        server = ModbusTcpServer(placeholder, framer=framer, address=(self.address.host, self.address.port))
        server.context = _Gateway(self._units, self._ordered)
        try:
            await server.serve_forever(background=True)
        except RuntimeError as error:
            raise bind_error(OSError(str(error)), self.address, self.name) from error
        self._server = server
        listener = cast(asyncio.Server, server.transport)
        port = listener.sockets[0].getsockname()[1]
        self.address = Address(self.address.host, port)

    async def stop(self) -> None:
        """Close the port and all connections."""
        if self._server is not None:
            await self._server.shutdown()  # type: ignore[no-untyped-call]
            self._server = None

    def _ordered(self, order: Order) -> None:
        if self.on_order is not None:
            self.on_order(order)

    def describe(self, asset: str) -> tuple[str, str]:
        """Address of the server, and the place of ``asset`` there."""
        scheme = "modbus-tcp" if self.framing == "tcp" else "modbus-rtu-over-tcp"
        return f"{scheme}://{self.address}", f"unit {self._assets[asset][0]}"
