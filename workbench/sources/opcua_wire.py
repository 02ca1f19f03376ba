"""Notifications and read results straight from the wire.

asyncua builds a tree of objects for each value that arrives, which makes it good for some 50,000 values a
second. Nearly all values of a plant are scalars with a status and two time stamps; for these the bytes are
read directly into columns, more than ten times as fast. Whatever else a server sends (arrays, structures,
diagnostics) raises :class:`UnusualError`, and the caller lets asyncua decode it.

References
----------
OPC UA Part 6: Mappings, 5.2.2 (built-in types: DataValue, Variant), release 1.05.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

#: 1601-01-01 to 1970-01-01 in units of 100 ns.
_EPOCH = 116_444_736_000_000_000

_DATA_CHANGE = 811  # DataChangeNotification_Encoding_DefaultBinary
_STATUS_CHANGE = 820
_EVENTS = 916

#: Built-in scalar types by their number: struct code.
_SCALARS = {1: "?", 2: "b", 3: "B", 4: "h", 5: "H", 6: "i", 7: "I", 8: "q", 9: "Q", 10: "f", 11: "d"}
_STRING = 12

_U32 = struct.Struct("<I")
_I32 = struct.Struct("<i")
_NAN = float("nan")


class UnusualError(Exception):
    """The bytes hold something that is left to asyncua."""


@dataclass
class Values:
    """Columns of values: ``handle`` (or place in the request), ``value``, ``status`` and ``time``.

    ``value`` is NaN for what is no number, ``time`` the source's time (else the server's) in ns since 1970
    UTC, 0 where there is neither; ``texts`` holds strings by row.
    """

    handle: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    status: list[int] = field(default_factory=list)
    time: list[int] = field(default_factory=list)
    texts: dict[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.handle)

    def add(self, handle: int, value: object, status: int, ticks: int) -> None:
        """Append one row; ``ticks`` is the time in units of 100 ns since 1601."""
        if isinstance(value, str):
            self.texts[len(self.handle)] = value
        number = isinstance(value, int | float)
        self.handle.append(handle)
        self.value.append(float(value) if number else _NAN)  # type: ignore[arg-type]
        self.status.append(status)
        self.time.append((ticks - _EPOCH) * 100 if ticks > _EPOCH else 0)

    def columns(
        self,
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
        """The columns handle, value, status and time as arrays."""
        return (
            np.array(self.handle, dtype=np.int64),
            np.array(self.value, dtype=np.float64),
            np.array(self.status, dtype=np.uint32),
            np.array(self.time, dtype=np.int64),
        )


@dataclass
class Published:
    """A publish response: the subscription it is of, its number, and what it brings."""

    subscription: int
    sequence: int
    values: Values
    ended: int | None = None  #: the status with which the subscription ended
    empty: bool = True  #: a keep-alive: nothing to acknowledge
    lost: int = 0  #: messages before this one that the server could not give again


# -- layouts of one DataValue ---------------------------------------------------------------------------

_Layout = tuple[Callable[[bytes, int], tuple[Any, ...]], int, int, int]
_layouts: dict[int, _Layout] = {}


def _layout(mask: int, kind: int) -> _Layout:
    """How to unpack a DataValue: unpacker (of the bytes behind the type), size, place of status and of time.

    Bits of the mask: 1 value, 2 status, 4 source time, 8 server time, 16 and 32 their picoseconds.
    """
    if mask & 0xC0 or (mask & 1 and kind not in _SCALARS):
        raise UnusualError(f"mask {mask:#x}, type {kind}")
    code, fields = "<", 0
    if mask & 1:
        code, fields = code + _SCALARS[kind], 1
    status = time = -1
    if mask & 2:
        code, status, fields = code + "I", fields, fields + 1
    if mask & 4:
        code, time, fields = code + "q", fields, fields + 1
    code += "2x" if mask & 16 else ""
    if mask & 8:
        if time < 0:
            code, time, fields = code + "q", fields, fields + 1
        else:
            code += "8x"
    code += "2x" if mask & 32 else ""
    packed = struct.Struct(code)
    found = (packed.unpack_from, packed.size, status, time)
    _layouts[mask | (kind if mask & 1 else 0) << 8] = found
    return found


def _data_values(data: bytes, at: int, count: int, out: Values, with_handle: bool) -> int:
    """Append ``count`` values to ``out``; where they end."""
    handles, numbers, statuses, times = out.handle, out.value, out.status, out.time
    layouts, handle_of = _layouts, _U32.unpack_from
    for row in range(count):
        handle = row
        if with_handle:
            (handle,) = handle_of(data, at)
            at += 4
        mask = data[at]
        at += 1
        kind = 0
        if mask & 1:
            kind = data[at]
            at += 1
            if kind == _STRING or kind == 0:
                at = _other_value(data, at, mask, kind, handle, out)
                continue
        key = mask | kind << 8
        unpack, size, status, time = layouts[key] if key in layouts else _layout(mask, kind)
        fields = unpack(data, at)
        at += size
        handles.append(handle)
        numbers.append(fields[0] if mask & 1 else _NAN)
        statuses.append(fields[status] if status >= 0 else 0)
        ticks = fields[time] if time >= 0 else 0
        times.append((ticks - _EPOCH) * 100 if ticks > _EPOCH else 0)
    return at


def _other_value(data: bytes, at: int, mask: int, kind: int, handle: int, out: Values) -> int:
    """Append a text or a null value to ``out``; where it ends."""
    text: str | None = None
    if kind == _STRING:
        (length,) = _I32.unpack_from(data, at)
        at += 4
        if length >= 0:
            text = data[at : at + length].decode("utf-8", "replace")
            at += length
    unpack, size, status, time = _layout(mask & ~1, 0)
    fields = unpack(data, at)
    out.add(handle, text, fields[status] if status >= 0 else 0, fields[time] if time >= 0 else 0)
    return at + size


# -- whole answers --------------------------------------------------------------------------------------


def _after_header(data: bytes) -> int:
    """Where the parameters of an answer start, behind its type and response header.

    Raises UnusualError where the header carries diagnostics or an additional header.
    """
    # type: four-byte node id; timestamp 8, request handle 4, result 4, diagnostics 1
    if data[0] != 1 or data[20] != 0:
        raise UnusualError("response header")
    (strings,) = _I32.unpack_from(data, 21)
    if strings > 0 or data[25:28] != b"\0\0\0":  # no string table; additional header: null node id, no body
        raise UnusualError("response header")
    return 28


def _array(data: bytes, at: int) -> tuple[int, int]:
    """Length of an array (null counts as empty) and where its elements start."""
    (length,) = _I32.unpack_from(data, at)
    return max(length, 0), at + 4


def _type_id(data: bytes, at: int) -> tuple[int, int]:
    """Number of a type in namespace 0 and where it ends."""
    if data[at] == 1 and data[at + 1] == 0:
        return data[at + 2] | data[at + 3] << 8, at + 4
    if data[at] == 2 and data[at + 1] == data[at + 2] == 0:
        return int(_U32.unpack_from(data, at + 3)[0]), at + 7
    raise UnusualError("type id")


def published(data: bytes) -> Published:
    """Decode the body of a publish response.

    Raises
    ------
    UnusualError
        It holds something that is left to asyncua.
    """
    try:
        at = _after_header(data)
        (subscription,) = _U32.unpack_from(data, at)
        count, at = _array(data, at + 4)
        at += 4 * count + 1  # available sequence numbers; more notifications
        (sequence,) = _U32.unpack_from(data, at)
        count, at = _array(data, at + 12)  # sequence number, publish time
        result = Published(subscription, sequence, Values(), empty=count == 0)
        for _ in range(count):
            kind, at = _type_id(data, at)
            if data[at] != 1:
                raise UnusualError("notification without a body")
            (length,) = _I32.unpack_from(data, at + 1)
            at += 5
            if kind == _DATA_CHANGE:
                items, start = _array(data, at)
                _data_values(data, start, items, result.values, True)
            elif kind == _STATUS_CHANGE:
                (result.ended,) = _U32.unpack_from(data, at)
            elif kind != _EVENTS:
                raise UnusualError(f"notification {kind}")
            at += length
    except (struct.error, IndexError) as error:
        raise UnusualError(str(error)) from error
    return result


def read_results(data: bytes) -> Values:
    """Decode the body of a read response; ``handle`` is the place of the value in the request.

    Raises
    ------
    UnusualError
        It holds something that is left to asyncua.
    """
    out = Values()
    try:
        count, at = _array(data, _after_header(data))
        _data_values(data, at, count, out, False)
    except (struct.error, IndexError) as error:
        raise UnusualError(str(error)) from error
    return out
