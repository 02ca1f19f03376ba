"""Encoders: a device's values as registers, OPC UA values or a JSON message, by its tag map."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.model.errors import InputError, did_you_mean
from workbench.model.quality import Quality
from workbench.model.tags import ModbusMap, ModbusTag, MqttMap, OpcUaMap
from workbench.simulate.servers.channels import Channel, channel

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.uint16]

_FORMATS = {
    "bool": "H",
    "int16": "h",
    "uint16": "H",
    "bcd16": "H",
    "int32": "i",
    "uint32": "I",
    "bcd32": "I",
    "int64": "q",
    "uint64": "Q",
    "float32": "f",
    "float64": "d",
}


def _order(variables: Sequence[str], offered: Sequence[str]) -> list[tuple[int, str]]:
    """Index among ``offered`` and name of each of ``variables``; InputError where one is not offered."""
    index = {name: i for i, name in enumerate(offered)}
    found = []
    for name in variables:
        if name not in index:
            raise InputError(
                "the simulated plant has no such variable for this kind of asset",
                where=f"tags.{name}",
                found=name,
                expected=", ".join(offered),
                hint=did_you_mean(name, offered),
            )
        found.append((index[name], name))
    return found


class ModbusEncoder:
    """Register images of one kind of device.

    Parameters
    ----------
    tags
        The device's register map.
    offered
        Names of the values :meth:`encode` is given, in order.

    Notes
    -----
    An encoder belongs to one device: an integer register has no way to say "no value", so it keeps what
    it held, as devices do.
    """

    def __init__(self, tags: ModbusMap, offered: Sequence[str]) -> None:
        self.variables = tuple(tags.tags)
        self.blocks: dict[str, tuple[int, int]] = {}  #: table to first address and number of addresses
        self._clock = tags.clock
        self._writers: list[tuple[int, Channel, ModbusTag, struct.Struct, bool]] = []
        for i, name in _order(self.variables, offered):
            tag = tags.tags[name]
            way = channel(name, tag)
            packer, swap = self._packing(tags, tag)
            self._writers.append((i, way, tag, packer, swap))
        self._held: list[int | float] = [0] * len(self._writers)
        self._ordered: dict[int, int | float] = {}  #: what was written, by place among the writers
        if tags.clock is not None:
            kind = ModbusTag(register=tags.clock.register_, type="uint64" if self._ms else "uint32")
            self._clock_packing = self._packing(tags, kind)
        self._lay_out()
        self._orders: dict[tuple[str, int], int] = {
            (tag.table, tag.register_): n
            for n, (_, _, tag, _, _) in enumerate(self._writers)
            if tag.writable and tag.bit is None and tag.table in ("coil", "holding")
        }

    @property
    def _ms(self) -> bool:
        return self._clock is not None and self._clock.format == "unix_ms"

    @staticmethod
    def _packing(tags: ModbusMap, tag: ModbusTag) -> tuple[struct.Struct, bool]:
        """How to pack a value, and whether the two bytes of each register are then swapped.

        Word order decides the direction of the whole value; where bytes within a register run the other
        way, each pair is swapped.
        """
        bytes_ = tag.byte_order or tags.byte_order
        words = tag.word_order or tags.word_order
        return struct.Struct((">" if words == "big" else "<") + _FORMATS[tag.type]), bytes_ != words

    def _lay_out(self) -> None:
        """Find the extent of each table; refuse maps in which two tags share a register."""
        taken: dict[tuple[str, int], tuple[str, int | None]] = {}
        spans: list[tuple[str, int, int, str, int | None]] = [
            (tag.table, tag.register_, tag.registers, ch.variable, tag.bit) for _, ch, tag, _, _ in self._writers
        ]
        if self._clock is not None:
            spans.append((self._clock.table, self._clock.register_, 4 if self._ms else 2, "clock", None))
        for table, first, count, name, bit in spans:
            for register in range(first, first + count):
                other = taken.get((table, register))
                if other is not None and (bit is None or other[1] is None or other[1] == bit):
                    raise InputError(
                        f"{name} and {other[0]} share register {register} of the {table} table",
                        where=f"tags.{name}.register",
                        found=first,
                        expected="a register of its own, or another bit of it",
                    )
                taken[table, register] = (name, bit)
        for table in {table for table, _ in taken}:
            registers = [register for t, register in taken if t == table]
            self.blocks[table] = (min(registers), max(registers) - min(registers) + 1)

    def encode(self, values: Floats, time: int) -> tuple[dict[str, list[int]], Floats]:
        """Images of the tables, and what a reader of them will see.

        Parameters
        ----------
        values
            [offered] in the vocabulary's units.
        time
            Source time [ns since 1970 UTC] for the device's clock.

        Returns
        -------
        tuple
            Table to its registers (bits in coil and discrete tables) from ``blocks[table][0]`` on;
            values [variables] as read back, in the vocabulary's units.
        """
        images = {table: bytearray(2 * count) for table, (_, count) in self.blocks.items()}
        seen = np.empty(len(self._writers))
        for n, (i, ch, tag, packer, swap) in enumerate(self._writers):
            raw = self._ordered.get(n, ch.raw(float(values[i])))
            if raw is None:
                raw = self._held[n]
            self._held[n] = raw
            seen[n] = ch.seen(raw)
            image = images[tag.table]
            at = 2 * (tag.register_ - self.blocks[tag.table][0])
            if tag.bit is not None:
                # an explicit bit of a register that other tags share
                word = packer.unpack(_swapped(image[at : at + 2], swap))[0] | (int(bool(raw)) << tag.bit)
                seen[n] = ch.seen(int(bool(raw)))
                image[at : at + 2] = _swapped(packer.pack(word), swap)
                continue
            if tag.type.startswith("bcd"):
                raw = int(str(int(raw)), 16)
            packed = _swapped(packer.pack(raw), swap)
            image[at : at + len(packed)] = packed
        if self._clock is not None:
            packer, swap = self._clock_packing
            at = 2 * (self._clock.register_ - self.blocks[self._clock.table][0])
            stamp = _swapped(packer.pack(time // 1_000_000 if self._ms else time // 1_000_000_000), swap)
            images[self._clock.table][at : at + len(stamp)] = stamp
        return {table: list(struct.unpack(f">{len(image) // 2}H", image)) for table, image in images.items()}, seen

    def take(self, table: str, address: int, registers: Sequence[int]) -> dict[str, float] | None:
        """Take an order: whole writable values, as registers (or bits) from ``address`` on.

        From now on :meth:`encode` gives what was ordered, whatever the values it is given.

        Returns
        -------
        dict
            Variable to what it was ordered to be, in the vocabulary's unit; None where a register is not part of a
            writable value, or a value is not written whole.

        Raises
        ------
        ValueError
            What is written is no value of the type, or no state that the device has.
        """
        end, at = address + len(registers), address
        found: dict[int, int | float] = {}
        while at < end:
            place = self._orders.get((table, at))
            if place is None:
                return None
            _, ch, tag, packer, swap = self._writers[place]
            size = 1 if table == "coil" else tag.registers
            if at + size > end:
                return None
            words = registers[at - address : at - address + size]
            packed = _swapped(struct.pack(f">{size}H", *words), swap)
            raw = int(words[0]) if table == "coil" else packer.unpack(packed)[0]
            if tag.type.startswith("bcd"):
                raw = int(f"{raw:x}")  # ValueError where a digit is above nine
            if math.isnan(ch.seen(raw)):
                raise ValueError(f"{ch.variable}: {raw} says nothing")
            found[place] = raw
            at += size
        self._ordered |= found
        return {self._writers[place][1].variable: self._writers[place][1].seen(raw) for place, raw in found.items()}


def _swapped(packed: bytes | bytearray, swap: bool) -> bytes:
    """``packed`` with the two bytes of each register exchanged where ``swap``."""
    if not swap:
        return bytes(packed)
    result = bytearray(len(packed))
    result[0::2], result[1::2] = packed[1::2], packed[0::2]
    return bytes(result)


@dataclass(slots=True)
class OpcUaValue:
    """One value for an OPC UA node: ``raw`` is None where the status says that there is none."""

    raw: int | float | bool | None
    status: int


#: OPC UA status codes (part 6, annex A) of simulated controllers: Good, Uncertain_SensorNotAccurate,
#: Bad_SensorFailure, Bad_NoData.
GOOD, UNCERTAIN, BAD_SENSOR, BAD_NO_DATA = 0x00000000, 0x40930000, 0x808C0000, 0x809B0000


class OpcUaEncoder:
    """OPC UA values of one kind of device; parameters as :class:`ModbusEncoder`."""

    def __init__(self, tags: OpcUaMap, offered: Sequence[str]) -> None:
        self.variables = tuple(tags.tags)
        self._channels = [(i, channel(name, tags.tags[name])) for i, name in _order(self.variables, offered)]

    def encode(self, values: Floats, quality: Flags | None = None) -> tuple[list[OpcUaValue], Floats]:
        """A value per variable, and what a reader will see.

        Of the ``quality`` [offered] the device knows "bad" and "uncertain": a bad value has the status
        Bad_SensorFailure and, as part 4 section 7.7.1 asks, no value; an uncertain one keeps its value.
        """
        result = []
        seen = np.empty(len(self._channels))
        for n, (i, ch) in enumerate(self._channels):
            flags = 0 if quality is None else int(quality[i])
            raw: int | float | bool | None = ch.raw(float(values[i]))
            status = UNCERTAIN if flags & Quality.UNCERTAIN else GOOD
            if flags & Quality.BAD:
                raw, status = None, BAD_SENSOR
            elif raw is None:
                status = BAD_NO_DATA
            seen[n] = ch.seen(raw)
            result.append(OpcUaValue(bool(raw) if ch.kind == "boolean" and raw is not None else raw, status))
        return result, seen


_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def parse_path(path: str) -> tuple[str | int, ...]:
    """Steps of a dotted JSON path: ``wind.speed[0]`` → ``("wind", "speed", 0)``."""
    return tuple(name or int(index) for name, index in _STEP.findall(path))


class MqttEncoder:
    """JSON messages of one kind of device; parameters as :class:`ModbusEncoder`."""

    def __init__(self, tags: MqttMap, offered: Sequence[str]) -> None:
        self.variables = tuple(tags.tags)
        self._time = None if tags.time is None else parse_path(tags.time)
        self._format = tags.time_format
        self._channels = [
            (i, channel(name, tags.tags[name]), parse_path(tags.tags[name].path))
            for i, name in _order(self.variables, offered)
        ]
        paths = [path for _, _, path in self._channels]
        if () in paths and (len(paths) > 1 or self._time is not None):
            raise InputError(
                "a bare number leaves no place for anything else in the message",
                where="tags",
                expected="a path for each tag",
            )

    def encode(self, values: Floats, time: int) -> tuple[Any, Floats]:
        """The message as plain Python (dicts, lists, numbers; null for NaN), and what a reader will see.

        ``values`` [offered] in the vocabulary's units, ``time`` [ns since 1970 UTC].
        """
        message: Any = {}
        seen = np.empty(len(self._channels))
        if self._time is not None:
            message = _put(message, self._time, _stamp(time, self._format))
        for n, (i, ch, path) in enumerate(self._channels):
            raw = ch.raw(float(values[i]))
            number = None if raw is None or not math.isfinite(raw) else raw
            seen[n] = ch.seen(number)
            message = _put(message, path, number)
        return message, seen


def _put(tree: Any, path: tuple[str | int, ...], value: object) -> Any:
    """``tree`` with ``value`` at ``path``; dicts and lists are made on the way."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(step, str):
        node = tree if isinstance(tree, dict) else {}
        node[step] = _put(node.get(step), rest, value)
        return node
    items = tree if isinstance(tree, list) else []
    items.extend([None] * (step + 1 - len(items)))
    items[step] = _put(items[step], rest, value)
    return items


def _stamp(time: int, form: str) -> str | int | float:
    if form == "iso8601":
        whole = datetime.fromtimestamp(time // 1_000_000_000, tz=UTC)
        return whole.strftime("%Y-%m-%dT%H:%M:%S") + f".{time // 1_000_000 % 1000:03d}Z"
    if form == "unix_s":
        return time / 1e9 if time % 1_000_000_000 else time // 1_000_000_000
    return time // 1_000_000 if form == "unix_ms" else time
