"""Registers to values and back. A whole answer is decoded in a few numpy operations, not tag by tag.

All answers of a device are laid down in one *image* of bytes. For each data type one index array says
which bytes of the image make up which value, byte and word order included: decoding is one gather and one
reinterpretation per type in use.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.model.errors import InputError
from workbench.model.tags import ModbusMap, ModbusTag
from workbench.sources.modbus_plan import Limits, Read, Span, plan_reads

#: Value type to the numpy type its bytes are reinterpreted as, least significant byte first.
_NUMPY = {
    "bool": "<u2",
    "int16": "<i2",
    "uint16": "<u2",
    "int32": "<i4",
    "uint32": "<u4",
    "int64": "<i8",
    "uint64": "<u8",
    "float32": "<f4",
    "float64": "<f8",
    "bcd16": "<u2",
    "bcd32": "<u4",
}


@dataclass(frozen=True)
class _Group:
    """Values of one type: ``bytes`` [n, width] into the image, ``out`` [n] into the variables."""

    kind: str
    dtype: str
    bytes: npt.NDArray[np.intp]
    out: npt.NDArray[np.intp]
    shift: npt.NDArray[np.uint16] | None = None  # for single bits of a register


class ModbusCodec:
    """How one kind of device is read and decoded.

    Parameters
    ----------
    tags
        The register map.
    where
        Prefix of messages.

    Attributes
    ----------
    reads
        The planned reads; the one that holds the clock comes first.
    spans
        For each variable its registers, in the order of the map.
    clock
        Registers of the device's clock, or None.

    Raises
    ------
    InputError
        A value is longer than what the device answers at once, or a combination makes no sense.
    """

    def __init__(self, tags: ModbusMap, where: str = "") -> None:
        self.map = tags
        self.spans = tuple(_span(name, tag, tags, where) for name, tag in tags.tags.items())
        self.clock: Span | None = None
        wanted = list(self.spans)
        if tags.clock is not None:
            width = 4 if tags.clock.format == "unix_ms" else 2
            self.clock = Span(tags.clock.table, tags.clock.register_, width)
            wanted.append(self.clock)
        self.reads = plan_reads(wanted, Limits.from_map(tags))
        self.reads.sort(key=lambda read: self.clock not in read.spans)
        self._ranges: list[tuple[Read, int, int]] = []
        self._places: dict[tuple[str, int, int], tuple[int, int]] = {}
        size = 0
        for read in self.reads:
            width = 1 if read.table in ("coil", "discrete") else 2
            self._ranges.append((read, size, width))
            size += width * read.count
        self.size = size
        self._home = {
            span: start + width * (span.start - read.start)
            for read, start, width in self._ranges
            for span in read.spans
        }
        self._texts = {
            i: tag for i, tag in enumerate(tags.tags.values()) if tag.type == "string" and not _is_bit_table(tag)
        }
        self._groups = self._grouped()
        self._numbers = np.ones(len(self.spans), dtype=bool)
        self._numbers[list(self._texts)] = False
        self._clock_bytes = _byte_order(self.clock.count if self.clock else 1, tags.byte_order, tags.word_order)
        self._clock_unit = 1_000_000 if tags.clock is None or tags.clock.format == "unix_ms" else 1_000_000_000

    # -- reading --------------------------------------------------------------------------------------

    @property
    def sent(self) -> npt.NDArray[np.bool_] | None:
        """Variables that carry numbers [v], None where all do."""
        return self._numbers if self._texts else None

    def image(self) -> npt.NDArray[np.uint8]:
        """An empty image for the answers of one device."""
        return np.zeros(self.size, dtype=np.uint8)

    def store(self, image: npt.NDArray[np.uint8], read: Read, payload: bytes) -> None:
        """Lay the payload of ``read`` (a planned read or part of one) into ``image``.

        Raises
        ------
        ValueError
            The answer is shorter than what was asked for.
        """
        start, width = self._place(read)
        if width == 2:
            if len(payload) != 2 * read.count:
                raise ValueError(f"answer of {len(payload)} bytes to a read of {read.count} registers")
            image[start : start + 2 * read.count] = np.frombuffer(payload, dtype=np.uint8)
            return
        bits = np.unpackbits(np.frombuffer(payload, dtype=np.uint8), bitorder="little")
        if len(bits) < read.count:
            raise ValueError(f"answer of {len(payload)} bytes to a read of {read.count} bits")
        image[start : start + read.count] = bits[: read.count]

    def decode(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """Raw values [v] float64 as the device means them, before scale and offset.

        NaN stands for what is no number: text, and binary coded decimals with a digit above nine. Integers
        beyond 2**53 are rounded to the nearest double.
        """
        raw = np.full(len(self.spans), np.nan)
        for group in self._groups:
            if group.kind == "bits":
                raw[group.out] = image[group.bytes[:, 0]]
                continue
            # The gather makes a fresh contiguous [n, width] block, so the view is free.
            values = image[group.bytes].view(group.dtype)[:, 0]
            if group.shift is not None:
                raw[group.out] = (values >> group.shift) & 1
            elif group.kind == "bool":
                raw[group.out] = values != 0
            elif group.kind in ("bcd16", "bcd32"):
                raw[group.out] = _from_bcd(values, 4 if group.kind == "bcd16" else 8)
            else:
                raw[group.out] = values
        return raw

    def texts(self, image: npt.NDArray[np.uint8]) -> dict[int, str]:
        """Text variables: index to text, cut at the first NUL."""
        found = {}
        for i, tag in self._texts.items():
            data = image[self._home[self.spans[i]] : self._home[self.spans[i]] + 2 * tag.registers]
            if (tag.byte_order or self.map.byte_order) == "little":
                data = data.reshape(-1, 2)[:, ::-1].reshape(-1)
            found[i] = data.tobytes().split(b"\0")[0].decode("utf-8", "replace").strip()
        return found

    def time(self, image: npt.NDArray[np.uint8]) -> int:
        """The device's clock [ns since 1970 UTC]; 0 where it is unset or there is none."""
        return 0 if self.clock is None else self._clock_ns(image[self._home[self.clock] :])

    def time_of(self, payload: bytes) -> int:
        """The device's clock from the answer to a read of the clock alone [ns since 1970 UTC]."""
        return self._clock_ns(np.frombuffer(payload, dtype=np.uint8))

    def _clock_ns(self, data: npt.NDArray[np.uint8]) -> int:
        ticks = int.from_bytes(data[self._clock_bytes].tobytes(), "little")
        nanoseconds = ticks * self._clock_unit
        return nanoseconds if nanoseconds < 2**63 else 0

    # -- writing --------------------------------------------------------------------------------------

    def encode(self, name: str, raw: float) -> list[int]:
        """Registers (or one bit) that say ``raw``.

        Raises
        ------
        ValueError
            The type cannot hold it.
        """
        tag = self.map.tags[name]
        if tag.bit is not None:
            raise ValueError(f"{name}: one bit of a register cannot be written without the others")
        if _is_bit_table(tag) or tag.type == "bool":
            if raw not in (0.0, 1.0):
                raise ValueError(f"{name}: {raw} is no bit")
            return [int(raw)]
        if tag.type == "string":
            raise ValueError(f"{name}: text cannot be written")
        digits = {"bcd16": 4, "bcd32": 8}.get(tag.type)
        number: float | int = raw
        if tag.type not in ("float32", "float64"):
            number = round(raw)
            low, high = _integer_range(tag.type)
            if not low <= number <= high:
                raise ValueError(f"{name}: {raw:g} does not fit {tag.type}")
            if digits is not None:
                number = int(str(number), 16)
        data = np.array([number], dtype=_NUMPY[tag.type])
        if data.dtype.kind == "f" and not np.isfinite(data[0]):
            raise ValueError(f"{name}: {raw:g} does not fit {tag.type}")
        low_first = np.frombuffer(data.tobytes(), dtype=np.uint8)
        sent = np.empty_like(low_first)
        sent[_byte_order(tag.registers, self._bytes(tag), self._words(tag))] = low_first
        return [int(register) for register in sent.view(">u2")]

    # -- planning -------------------------------------------------------------------------------------

    def _bytes(self, tag: ModbusTag) -> str:
        return tag.byte_order or self.map.byte_order

    def _words(self, tag: ModbusTag) -> str:
        return tag.word_order or self.map.word_order

    def _place(self, read: Read) -> tuple[int, int]:
        """Where the answer to a planned read, or to a part of one, goes in the image; and bytes per register."""
        key = (read.table, read.start, read.count)
        if key not in self._places:
            self._places[key] = next(
                (start + width * (read.start - whole.start), width)
                for whole, start, width in self._ranges
                if whole.table == read.table and whole.start <= read.start and read.end <= whole.end
            )
        return self._places[key]

    def _grouped(self) -> list[_Group]:
        members: dict[tuple[str, str, bool], list[tuple[int, ModbusTag]]] = {}
        for i, tag in enumerate(self.map.tags.values()):
            if _is_bit_table(tag):
                members.setdefault(("bits", "u1", False), []).append((i, tag))
            elif tag.bit is not None:
                members.setdefault(("uint16", "<u2", True), []).append((i, tag))
            elif tag.type != "string":
                members.setdefault((tag.type, _NUMPY[tag.type], False), []).append((i, tag))
        groups = []
        for (kind, dtype, single), tags in members.items():
            rows = [
                self._home[self.spans[i]]
                + (np.zeros(1, dtype=np.intp) if kind == "bits" else _order(tag, self._bytes(tag), self._words(tag)))
                for i, tag in tags
            ]
            groups.append(
                _Group(
                    kind,
                    dtype,
                    np.stack(rows).astype(np.intp),
                    np.array([i for i, _ in tags], dtype=np.intp),
                    np.array([tag.bit for _, tag in tags], dtype=np.uint16) if single else None,
                )
            )
        return groups


def _is_bit_table(tag: ModbusTag) -> bool:
    return tag.table in ("coil", "discrete")


def _span(name: str, tag: ModbusTag, tags: ModbusMap, where: str) -> Span:
    place = f"{where}.tags.{name}" if where else f"tags.{name}"
    count = tag.registers
    if _is_bit_table(tag):
        if tag.type not in ("bool", "float32"):  # float32 is the default where no type is written
            raise InputError(f"a {tag.table} is one bit", where=f"{place}.type", found=tag.type, expected="bool")
        count = 1
    elif tag.bit is not None and tag.type not in ("uint16", "bool", "float32"):
        raise InputError("a bit is taken from one register", where=f"{place}.type", found=tag.type, expected="uint16")
    elif tag.bit is not None:
        count = 1
    if count > Limits.from_map(tags).of(tag.table)[0]:
        raise InputError(
            "longer than what the device answers at once",
            where=place,
            found=f"{count} registers",
            expected=f"at most max_registers = {tags.max_registers}",
        )
    if tag.register_ + count > 65536:
        raise InputError("beyond the last register", where=f"{place}.register", found=tag.register_)
    return Span(tag.table, tag.register_, count)


def _order(tag: ModbusTag, byte_order: str, word_order: str) -> npt.NDArray[np.intp]:
    return _byte_order(1 if tag.bit is not None else tag.registers, byte_order, word_order)


def _byte_order(registers: int, byte_order: str, word_order: str) -> npt.NDArray[np.intp]:
    """Where the bytes of a value stand on the wire, least significant first."""
    words: Iterable[int] = range(registers) if word_order == "little" else reversed(range(registers))
    low, high = (1, 0) if byte_order == "big" else (0, 1)
    return np.array([2 * word + byte for word in words for byte in (low, high)], dtype=np.intp)


def _from_bcd(values: npt.NDArray[Any], digits: int) -> npt.NDArray[np.float64]:
    wide = values.astype(np.int64)
    total = np.zeros(len(wide))
    wrong = np.zeros(len(wide), dtype=bool)
    for place in range(digits):
        digit = (wide >> (4 * place)) & 0xF
        wrong |= digit > 9
        total += digit * 10.0**place
    return np.where(wrong, np.nan, total)


def _integer_range(kind: str) -> tuple[int, int]:
    if kind.startswith("bcd"):
        return 0, 10 ** (4 if kind == "bcd16" else 8) - 1
    info = np.iinfo(np.dtype(_NUMPY[kind]))
    return int(info.min), int(info.max)
