"""One connection to a Modbus device or gateway, shared by the units behind it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any

from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, ReadDiscreteInputsRequest
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadInputRegistersRequest

from workbench.sources.base import backoff
from workbench.sources.modbus_plan import Read
from workbench.sources.modbus_rtu import listen_for

# pymodbus dumps the last packets for each answer that comes late; the health of the device tells of it in order.
if logging.getLogger("pymodbus.logging").level == logging.NOTSET:
    logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)

#: Seconds by which a timer is late where we stood still.
_STOOD_STILL = 0.02

#: Exception codes that speak of the address or the length, so that a smaller read may pass.
ILLEGAL_FUNCTION = 1
ILLEGAL_ADDRESS = 2
ILLEGAL_VALUE = 3
#: Exception codes by which a gateway says that the unit behind it does not answer.
GATEWAY_CODES = (10, 11)

_MEANINGS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    5: "acknowledge",
    6: "device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target did not answer",
}


class LinkDownError(Exception):
    """There is no connection."""


class NoAnswerError(Exception):
    """The connection stands but the unit did not answer in time."""


class RefusedError(Exception):
    """The unit answered with an exception code."""

    def __init__(self, code: int, what: str) -> None:
        self.code = code
        super().__init__(f"{what}: {_MEANINGS.get(code, 'exception')} (code {code})")


class _Raw(ModbusPDU):
    """An answer kept as bytes: decoding is done once for the whole device, not register by register."""

    rtu_byte_count_pos = 2
    payload: bytes = b""

    def decode(self, data: bytes) -> None:
        """Keep the payload."""
        if len(data) < 1 + data[0]:
            raise ValueError(f"answer says {data[0]} bytes and has {len(data) - 1}")
        self.payload = data[1 : 1 + data[0]]

    def __str__(self) -> str:
        return f"{len(self.payload)} bytes"


class _RawCoils(_Raw):
    function_code = 1


class _RawDiscrete(_Raw):
    function_code = 2


class _RawHolding(_Raw):
    function_code = 3


class _RawInput(_Raw):
    function_code = 4


_REQUESTS: dict[str, type[ModbusPDU]] = {
    "coil": ReadCoilsRequest,
    "discrete": ReadDiscreteInputsRequest,
    "holding": ReadHoldingRegistersRequest,
    "input": ReadInputRegistersRequest,
}


class Link:
    """A connection that opens itself when first used and again when it was lost.

    Requests are serialised: a gateway has one bus behind it.

    Parameters
    ----------
    name
        For messages: ``host:port`` or a serial port.
    make
        Makes an unconnected pymodbus client; takes the callback for connects and disconnects.
    connect_timeout
        Seconds to wait for the connection.
    framed
        Whether answers carry the number of their request (Modbus TCP). Where they do not (RTU), an answer
        that comes too late could be taken for the next one: after a time-out the connection is made anew.
    line
        Whether it is a serial line. It stays open after a time-out, what it still brings is thrown away: opening
        it again takes long, and resets some devices.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[Callable[[bool], None]], Any],
        *,
        connect_timeout: float,
        framed: bool,
        line: bool = False,
    ) -> None:
        self.name = name
        self.reconnects = 0
        self._make = make
        self._connect_timeout = connect_timeout
        self._framed = framed
        self._line = line
        self._lock = asyncio.Lock()
        self._client: Any = None
        self._busy = False
        self._attempts = 0
        self._silent = 0
        self._not_before = 0.0
        self._last_error = ""
        self._was_connected = False

    @property
    def retry_in(self) -> float:
        """Seconds until a connection will be tried again; 0 where it may be at once."""
        return max(0.0, self._not_before - time.monotonic())

    async def read(self, unit: int, read: Read, patience: float) -> bytes:
        """Payload of the answer to ``read``: registers in wire order, or packed bits.

        Raises
        ------
        LinkDownError, NoAnswerError, RefusedError
        """
        request = _REQUESTS[read.table](address=read.start, count=read.count, dev_id=unit)
        response = await self.request(request, patience)
        payload: bytes = response.payload
        return payload

    async def request(self, request: ModbusPDU, patience: float) -> Any:
        """Send ``request`` and return its answer.

        Raises
        ------
        LinkDownError, NoAnswerError, RefusedError
        """
        async with self._lock:
            await self._connect()
            try:
                response = await self._exchange(request, patience)
            except TimeoutError:
                self._unanswered()
                raise NoAnswerError(
                    f"{self.name} unit {request.dev_id} did not answer within {patience:.2g} s"
                ) from None
            except (ModbusException, OSError) as error:
                self._drop()
                raise LinkDownError(f"{self.name}: {error}") from None
            except asyncio.CancelledError:
                if not self._framed:
                    self._drop()
                raise
        self._silent = 0
        if response.isError():
            what = f"unit {request.dev_id}, {request.count} from {request.address}"
            if response.exception_code in GATEWAY_CODES:
                raise NoAnswerError(f"{self.name} {what}: {_MEANINGS[response.exception_code]}")
            raise RefusedError(response.exception_code, f"{self.name} {what}")
        return response

    def close(self) -> None:
        """Leave. The link can be used again and will then reconnect."""
        self._drop()
        self._was_connected = False

    async def _exchange(self, request: ModbusPDU, patience: float) -> Any:
        """Send a request and wait for its answer.

        pymodbus would do this with ``asyncio.wait_for``, which costs a turn of the loop more for each read
        and, before Python 3.12, can lose a cancellation. Framing, transport and numbering are pymodbus's.
        """
        loop = asyncio.get_running_loop()
        manager = self._client.ctx
        request.transaction_id = manager.getNextTID()
        if self._line and self._silent:
            with contextlib.suppress(OSError):
                manager.transport.sync_serial.reset_input_buffer()
        manager.recv_buffer = b""
        answer: asyncio.Future[Any] = loop.create_future()
        manager.response_future = answer
        listen_for(self._client, request)
        limit = _Limit(loop, answer, patience)
        self._busy = True
        try:
            manager.pdu_send(request)
            return await answer
        finally:
            self._busy = False
            limit.cancel()

    async def _connect(self) -> None:
        if self._client is not None and self._client.connected:
            return
        if self._client is not None:
            self._drop()
        now = time.monotonic()
        if now < self._not_before:
            raise LinkDownError(self._last_error)
        client = self._make(self._changed)
        for answer in (_RawCoils, _RawDiscrete, _RawHolding, _RawInput):
            client.register(answer)
        error: str
        try:
            async with asyncio.timeout(self._connect_timeout):
                connected = await client.connect()
            error = "connection refused or timed out"
        except (TimeoutError, OSError, ModbusException, ValueError) as failure:
            connected, error = False, str(failure) or "timed out"
        except BaseException:
            client.close()
            raise
        if not connected:
            client.close()
            self._attempts += 1
            self._last_error = f"cannot connect to {self.name}: {error}"
            self._not_before = time.monotonic() + backoff(self._attempts, most=4.0)
            raise LinkDownError(self._last_error)
        self._client = client
        self._attempts = self._silent = 0
        self.reconnects += self._was_connected
        self._was_connected = True

    def _unanswered(self) -> None:
        self._silent += 1
        # Three silences in a row, whoever was asked, may well be a connection whose other end is gone.
        if (not self._framed and not self._line) or self._silent >= 3:
            self._drop()
            self._silent = 0

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                client.close()

    def _changed(self, connected: bool) -> None:
        # pymodbus leaves a waiting request to its time-out when the connection goes; it need not wait.
        if connected or not self._busy or self._client is None:
            return
        waiting = self._client.ctx.response_future
        if not waiting.done():
            waiting.set_exception(ConnectionResetError("connection lost"))


class _Limit:
    """Ends the wait for an answer after ``patience`` [s].

    Time in which we ourselves stood still, because the machine had other things to do, is not held against the device:
    where the limit comes late, it comes once more, by as much later.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, answer: asyncio.Future[Any], patience: float) -> None:
        self._loop, self._answer, self._patience = loop, answer, patience
        self._due = loop.time() + patience
        self._timer = loop.call_at(self._due, self._reached, True)

    def cancel(self) -> None:
        """The answer is there."""
        self._timer.cancel()

    def _reached(self, first: bool) -> None:
        late = self._loop.time() - self._due
        if first and late > _STOOD_STILL:
            self._timer = self._loop.call_later(min(late, self._patience), self._reached, False)
        elif not self._answer.done():
            self._answer.set_exception(TimeoutError())
