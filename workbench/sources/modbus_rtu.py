"""RTU frames of a line on which answers carry no number.

An answer that comes after its time, or noise before the right one, must not be taken for it, nor swallow it. pymodbus's
own framer takes the first frame of what has been received and throws away the rest.

References
----------
MODBUS over Serial Line, Specification and Implementation Guide V1.02 (2.5.1 RTU transmission mode).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pymodbus.framer import FramerRTU
from pymodbus.pdu import ModbusPDU

#: Bytes of the longest frame, and of an exception.
_LONGEST, _EXCEPTION = 256, 5
#: Function codes that read bits and registers, and bits or bytes of each.
_BITS, _REGISTERS = (1, 2), (3, 4)


@dataclass(frozen=True)
class Expected:
    """What the answer to a request begins with, and how many bytes it has."""

    head: bytes
    size: int

    @classmethod
    def of(cls, request: ModbusPDU) -> Expected:
        """The answer to ``request``: for a read as many bytes as were asked for, for a write its address again."""
        head = bytes([request.dev_id, request.function_code])
        if request.function_code in (*_BITS, *_REGISTERS):
            size = (request.count + 7) // 8 if request.function_code in _BITS else 2 * request.count
            return cls(head + bytes([size]), size + 5)
        return cls(head + int(request.address).to_bytes(2, "big"), 8)


class RtuAnswers(FramerRTU):
    """Finds the one answer that is waited for, wherever it stands in what has been received."""

    expected: Expected | None = None

    def decode(self, data: bytes) -> tuple[int, int, int, bytes]:
        """Bytes used, unit, 0 (there are no numbers), and the frame without unit and checksum; empty where none."""
        wanted = self.expected
        if wanted is None:
            return len(data), 0, 0, self.EMPTY
        refusal = bytes([wanted.head[0], wanted.head[1] | 0x80])
        for head, size in ((wanted.head, wanted.size), (refusal, _EXCEPTION)):
            at = data.find(head)
            while 0 <= at <= len(data) - size:
                body, check = data[at : at + size - 2], data[at + size - 2 : at + size]
                if self.check_CRC(body, int.from_bytes(check, "big")):
                    return at + size, body[0], 0, body[1:]
                at = data.find(head, at + 1)
        return max(0, len(data) - _LONGEST), 0, 0, self.EMPTY  # it may still be on its way


def listen_for(client: Any, request: ModbusPDU) -> None:
    """Let ``client``, a pymodbus client with RTU frames, take nothing but the answer to ``request``."""
    framer = client.ctx.framer
    if isinstance(framer, FramerRTU):
        if not isinstance(framer, RtuAnswers):
            framer = client.ctx.framer = RtuAnswers(framer.decoder)
        framer.expected = Expected.of(request)
