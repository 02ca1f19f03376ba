"""Modbus: TCP, RTU framing over TCP, and RTU on a serial line.

References
----------
MODBUS Application Protocol Specification V1.1b3; MODBUS Messaging on TCP/IP Implementation Guide V1.0b.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from workbench.model.errors import InputError
from workbench.model.keys import HostText
from workbench.model.samples import Sample, SeriesKey
from workbench.model.tags import ModbusMap, TagMap
from workbench.model.time import Cadence
from workbench.sources.base import (
    Capability,
    Sink,
    Source,
    SourceConfig,
    SourceError,
    check_config,
    run_together,
)
from workbench.sources.modbus_clock import staggered
from workbench.sources.modbus_codec import ModbusCodec
from workbench.sources.modbus_device import ModbusDevice, Pace
from workbench.sources.modbus_link import Link, LinkDownError, NoAnswerError, RefusedError
from workbench.sources.scaling import Variables

DEFAULT_PORT = 502


class ModbusAddress(BaseModel):
    """Where one asset is reached, where it is not the entry's host."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    unit: int = Field(1, ge=0, le=255, description="unit id")
    host: HostText | None = Field(None, description="host or host:port; the entry's if left out")
    port: int | None = Field(None, ge=1, le=65535, description="TCP port, where host does not name it")


# told apart by their looks, so that a wrong one is told of once
_Address = Annotated[
    Annotated[int, Field(ge=0, le=255), Tag("unit")] | Annotated[ModbusAddress, Tag("address")],
    Discriminator(lambda value: "address" if isinstance(value, (dict, ModbusAddress)) else "unit"),
]


class ModbusConfig(SourceConfig):
    """Keys of a catalog entry with ``driver: modbus``."""

    transport: Literal["tcp", "rtu_over_tcp", "serial"] = Field(
        "tcp", description="tcp: Modbus TCP; rtu_over_tcp: RTU frames through a TCP gateway; serial: RTU on a line"
    )
    host: str | None = Field(None, description="host or host:port of the device or gateway; the port is 502 by default")
    port: int | None = Field(None, ge=1, le=65535, description="TCP port, where host does not name it")
    device: str | None = Field(None, description="serial port, such as /dev/ttyUSB0")
    baudrate: int = Field(19200, gt=0, description="serial: bits per second")
    parity: Literal["N", "E", "O"] = Field("N", description="serial: none, even or odd")
    stopbits: Literal[1, 2] = Field(1, description="serial: stop bits")
    assets: dict[str, _Address] = Field(min_length=1, description="asset to unit id, or to {unit, host, port}")
    connection: Literal["shared", "device"] = Field(
        "shared", description="shared: one TCP connection for all units of a host; device: one for each asset"
    )
    timeout: float = Field(1.0, gt=0, le=60, description="seconds to wait for an answer")
    retry_refused: float = Field(60.0, gt=0, description="seconds between tries of registers the device refused")
    read_back: bool = Field(False, description="read each written value back and compare")

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.transport == "serial":
            if not self.device:
                raise ValueError("transport serial needs the key device, such as /dev/ttyUSB0")
            return self
        if self.device:
            raise ValueError("the key device belongs to transport serial")
        for asset in self.assets:
            self.endpoint(asset)
        return self

    def unit(self, asset: str) -> int:
        """Unit id of ``asset``."""
        address = self.assets[asset]
        return address if isinstance(address, int) else address.unit

    def endpoint(self, asset: str) -> tuple[str, int]:
        """Host and port of ``asset``, or the serial port and 0; ValueError where none is given."""
        if self.transport == "serial":
            return self.device or "", 0
        address = self.assets[asset]
        own = address if isinstance(address, ModbusAddress) else ModbusAddress()
        host = own.host or self.host
        if not host:
            raise ValueError(f"no host for {asset}: give the entry or the asset one")
        name, colon, port = host.rpartition(":")
        if colon and port.isdigit() and "]" not in port:
            return name.strip("[]"), int(port)
        return host.strip("[]"), own.port or self.port or DEFAULT_PORT


class ModbusSource(Source):
    """Polls Modbus devices of one kind."""

    protocol: ClassVar[str] = "modbus"
    capabilities: ClassVar[frozenset[Capability]] = frozenset({Capability.POLL, Capability.WRITE})
    Config: ClassVar[type[SourceConfig]] = ModbusConfig

    def __init__(self, name: str, site: str, config: ModbusConfig, tagmap: ModbusMap) -> None:
        super().__init__(name, site)
        self.config = config
        self._series = SeriesKey(config.asset_type, config.cadence)
        self._period = Cadence.parse(config.cadence).ns
        self._variables = Variables(self._series, tagmap.tags, name)
        self._codec = ModbusCodec(tagmap, name)
        self._running: dict[str, ModbusDevice] = {}

    @classmethod
    def from_config(
        cls, name: str, site: str, config: Mapping[str, Any] | SourceConfig, tagmap: TagMap | None = None
    ) -> Self:
        """A source from the keys of its catalog entry; see :class:`ModbusConfig`."""
        if not isinstance(tagmap, ModbusMap):
            raise InputError(
                "no Modbus tag map",
                where=f"{name}.tags",
                found=None if tagmap is None else f"protocol: {tagmap.protocol}",
                expected="a file with protocol: modbus",
            )
        return cls(name, site, check_config(name, ModbusConfig, config), tagmap)

    @property
    def series(self) -> SeriesKey:
        """The series its samples belong to."""
        return self._series

    @property
    def assets(self) -> tuple[str, ...]:
        """The assets it reads."""
        return tuple(self.config.assets)

    # -- the interface --------------------------------------------------------------------------------

    async def run(self, sink: Sink) -> None:
        """Poll every device in step with its own clock until cancelled."""
        devices = self._devices(self.assets)
        self._running = {device.asset: device for device in devices}
        try:
            await run_together(
                asyncio.create_task(device.run(sink), name=f"{self.name} {device.asset}") for device in devices
            )
        finally:
            self._running = {}
            for device in devices:
                device.link.close()
                device.health.state = "idle"

    async def read(self, assets: Sequence[str] | None = None) -> list[Sample]:
        """Ask the devices once, now. Raises SourceError where none answers."""
        devices = self._devices(self._known(assets))
        try:
            answers = await asyncio.gather(*(self._read_once(device) for device in devices))
        finally:
            for device in devices:
                device.link.close()
        samples = [answer for answer in answers if isinstance(answer, Sample)]
        if not samples:
            errors = "; ".join(dict.fromkeys(str(answer) for answer in answers))
            raise SourceError(f"{self.name}: no device answers: {errors}")
        return samples

    async def write(self, asset: str, variable: str, value: float | bool | str) -> None:
        """Write one value, in the vocabulary's unit or as a state's name, to a device."""
        self._known([asset])
        where = f"{self.name}: {asset} {variable}"
        try:
            raw = self._variables.raw(variable, value)
            if not self._variables.writable(variable):
                raise ValueError(f"{variable} is not writable in the tag map")
            registers = self._codec.encode(variable, raw)
        except ValueError as error:
            raise SourceError(f"{where}: {error}") from None
        async with self._device(asset) as device:
            try:
                await self._write_registers(device, variable, registers)
                if self.config.read_back:
                    await self._compare(device, variable, registers)
            except (LinkDownError, NoAnswerError, RefusedError) as error:
                raise SourceError(f"{where}: {error}") from None

    # -- inside ---------------------------------------------------------------------------------------

    async def _read_once(self, device: ModbusDevice) -> Sample | Exception | None:
        try:
            return await device.poll(fresh=True)
        except (LinkDownError, NoAnswerError, SourceError) as error:
            device.health.failed(str(error), "down")
            return error

    async def _write_registers(self, device: ModbusDevice, variable: str, registers: list[int]) -> None:
        from pymodbus.pdu.bit_message import WriteSingleCoilRequest
        from pymodbus.pdu.register_message import WriteMultipleRegistersRequest, WriteSingleRegisterRequest

        tag = self._codec.map.tags[variable]
        if tag.table in ("input", "discrete"):
            raise SourceError(f"{self.name}: {variable} stands in a table that can only be read ({tag.table})")
        at, unit = tag.register_, device.unit
        if tag.table == "coil":
            request: Any = WriteSingleCoilRequest(address=at, bits=[bool(registers[0])], dev_id=unit)
        elif len(registers) == 1:
            request = WriteSingleRegisterRequest(address=at, registers=registers, dev_id=unit)
        else:
            request = WriteMultipleRegistersRequest(address=at, registers=registers, dev_id=unit)
        await device.link.request(request, self.config.timeout)

    async def _compare(self, device: ModbusDevice, variable: str, registers: list[int]) -> None:
        from workbench.sources.modbus_plan import Read

        span = self._codec.spans[self._variables.index[variable]]
        payload = await device.link.read(
            device.unit, Read(span.table, span.start, span.count, (span,)), self.config.timeout
        )
        found = (
            [payload[0] & 1]
            if span.table == "coil"
            else [int.from_bytes(payload[i : i + 2], "big") for i in range(0, len(payload), 2)]
        )
        if found != registers:
            raise SourceError(
                f"{self.name}: {device.asset} {variable}: the device took {registers} and now says {found}"
            )

    @contextlib.asynccontextmanager
    async def _device(self, asset: str) -> AsyncIterator[ModbusDevice]:
        """The running device, so that a device that takes one connection only can be written to; or a new one."""
        if asset in self._running:
            yield self._running[asset]
            return
        device = self._devices((asset,))[0]
        try:
            yield device
        finally:
            device.link.close()

    def _devices(self, assets: Sequence[str]) -> list[ModbusDevice]:
        links: dict[object, Link] = {}
        ends = {asset: self.config.endpoint(asset) for asset in assets}
        own = self.config.connection == "device" and self.config.transport != "serial"
        sharing: dict[object, int] = {}
        for asset in assets:
            sharing[(asset if own else ends[asset])] = sharing.get(asset if own else ends[asset], 0) + 1
        devices = []
        seconds = self._period / 1e9
        for place, asset in enumerate(assets):
            name = asset if own else ends[asset]
            if name not in links:
                links[name] = self._link(*ends[asset])
            timeout = probe = self.config.timeout
            if sharing[name] > 1:
                # A silent unit must leave the others on its connection the better part of the period.
                timeout = min(timeout, max(0.1, 0.4 * seconds))
                probe = min(timeout, max(0.05, 0.2 * seconds))
            pace = Pace(
                period=self._period,
                offset=staggered(place, len(assets), self._period),
                phase=0.1 + 0.8 * place / len(assets),
                timeout=timeout,
                probe_timeout=probe,
                retry_refused=self.config.retry_refused,
            )
            devices.append(
                ModbusDevice(
                    self.name,
                    self.site,
                    asset,
                    self.config.unit(asset),
                    links[name],
                    self._codec,
                    self._variables,
                    self.health.device(asset),
                    pace,
                )
            )
        return devices

    def _link(self, host: str, port: int) -> Link:
        config = self.config

        def tcp(changed: Callable[[bool], None]) -> Any:
            from pymodbus import FramerType
            from pymodbus.client import AsyncModbusTcpClient

            framer = FramerType.SOCKET if config.transport == "tcp" else FramerType.RTU
            return AsyncModbusTcpClient(
                host,
                port=port,
                framer=framer,
                timeout=config.timeout,
                retries=0,
                reconnect_delay=0,
                trace_connect=changed,
            )

        def serial(changed: Callable[[bool], None]) -> Any:
            from pymodbus.client import AsyncModbusSerialClient

            return AsyncModbusSerialClient(
                host,
                baudrate=config.baudrate,
                parity=config.parity,
                stopbits=config.stopbits,
                timeout=config.timeout,
                retries=0,
                reconnect_delay=0,
                trace_connect=changed,
            )

        if config.transport == "serial":
            return Link(host, serial, connect_timeout=config.timeout, framed=False, line=True)
        return Link(f"{host}:{port}", tcp, connect_timeout=config.timeout, framed=config.transport == "tcp")
