"""One connection to an MQTT broker, through paho's network thread."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

#: Messages a broker may have under way to us unacknowledged. Its default, often 20, would throttle a plant
#: whose messages are acknowledged only when they are on disk.
_IN_FLIGHT = 10_000
#: How long a broker keeps our session and its queue while we are away [s].
_SESSION_EXPIRY = 7 * 86_400
#: CONNACK codes by which a broker says that it does not speak this version (3.1.1: 1; 5: 0x84).
_WRONG_VERSION = (1, 132)


class BrokerError(Exception):
    """The broker, or the connection to it, did not do what was asked."""

    def __init__(self, message: str, *, wrong_version: bool = False) -> None:
        self.wrong_version = wrong_version
        super().__init__(message)


@dataclass(frozen=True)
class Broker:
    """How to reach a broker."""

    host: str
    port: int
    client_id: str = ""
    keep_session: bool = False
    version: str = "5"
    keep_alive: int = 15
    user: str | None = None
    password: str | None = None
    tls: dict[str, Any] | None = None


@dataclass(slots=True)
class Message:
    """A message as it came; ``number`` is what it is acknowledged by."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    number: int
    received: int


class MqttLink:
    """A connection. Make it with :func:`open_link`; it is of no use after it was lost.

    Messages are not acknowledged until :meth:`acknowledge` is called.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._loop = asyncio.get_running_loop()
        self._arrived: deque[Message] = deque()
        self._news = asyncio.Event()
        self._woken = threading.Event()
        self._connected: asyncio.Future[None] = self._loop.create_future()
        self._subscribed: dict[int, asyncio.Future[None]] = {}
        self._lost = ""
        self._came = self._acknowledged = 0  # messages at QoS 1, each counted by one thread
        self._closing = False
        self._missed: dict[str, int] = {}
        self._counting = threading.Lock()
        five = broker.version == "5"
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=broker.client_id,
            protocol=MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311,
            clean_session=None if five else not broker.keep_session,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        if broker.user is not None:
            self._client.username_pw_set(broker.user, broker.password)
        if broker.tls is not None:
            self._client.tls_set_context(_tls_context(broker, broker.tls))
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message

    # -- on the loop ----------------------------------------------------------------------------------

    async def connect(self, patience: float) -> None:
        """Connect within ``patience`` [s]. Raises BrokerError."""
        broker = self._broker
        options: dict[str, Any] = {}
        if broker.version == "5":
            options["clean_start"] = not broker.keep_session
            options["properties"] = properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.ReceiveMaximum = _IN_FLIGHT
            if broker.keep_session:
                properties.SessionExpiryInterval = _SESSION_EXPIRY
        self._client.connect_timeout = patience
        where = f"{broker.host}:{broker.port}"
        try:
            # The only blocking call of paho: its socket connects in a thread, so that no other device waits.
            await self._loop.run_in_executor(
                None, lambda: self._client.connect(broker.host, broker.port, broker.keep_alive, **options)
            )
        except (OSError, ValueError) as error:
            raise BrokerError(f"cannot connect to {where}: {error}") from None
        self._client.loop_start()
        try:
            async with asyncio.timeout(patience):
                await self._connected
        except TimeoutError:
            # A broker that does not know the version may say nothing at all (amqtt).
            raise BrokerError(
                f"cannot connect to {where}: no answer within {patience:g} s", wrong_version=True
            ) from None

    async def subscribe(self, filters: Sequence[str], qos: int) -> None:
        """Subscribe to topic filters. Raises BrokerError where the broker refuses one."""
        for start in range(0, len(filters), 100):
            # paho numbers the request itself; the answer may be there before subscribe returns.
            _, number = self._client.subscribe([(each, qos) for each in filters[start : start + 100]])
            if number is None:
                raise BrokerError(self._lost or "connection lost")
            answer = self._subscribed.setdefault(number, self._loop.create_future())
            try:
                async with asyncio.timeout(10.0):
                    await answer
            except TimeoutError:
                raise BrokerError("no answer to a subscription") from None

    async def messages(self) -> list[Message]:
        """All that has arrived, at least one. Raises BrokerError when the connection is lost."""
        while not self._arrived:
            if self._lost:
                raise BrokerError(self._lost)
            await self._news.wait()
            self._news.clear()
            self._woken.clear()
        batch = []
        with contextlib.suppress(IndexError):
            while True:
                batch.append(self._arrived.popleft())
        return batch

    def missed(self) -> dict[str, int]:
        """By topic, how many messages had no room since the last call."""
        if not self._missed:
            return {}
        with self._counting:
            missed, self._missed = self._missed, {}
        return missed

    def acknowledge(self, messages: Iterable[Message]) -> None:
        """Tell the broker that it may forget these messages."""
        if self._lost:
            return  # numbers are of their connection: the broker will send these again
        for message in messages:
            if message.qos:
                self._acknowledged += 1
                self._client.ack(message.number, message.qos)

    async def close(self) -> None:
        """Say good-bye and leave."""
        self._closing = True
        with contextlib.suppress(Exception):
            self._client.disconnect()
        await self._loop.run_in_executor(None, self._client.loop_stop)
        self._connected.cancel()

    # -- in paho's thread -----------------------------------------------------------------------------

    def _call(self, function: Any, *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(function, *arguments)

    def _on_connect(self, client: Client, userdata: Any, flags: Any, code: Any, properties: Any) -> None:
        self._call(self._settle_connect, int(code.value), str(code))

    def _on_disconnect(self, client: Client, userdata: Any, flags: Any, code: Any, properties: Any) -> None:
        self._call(self._settle_lost, str(code))

    def _on_subscribe(self, client: Client, userdata: Any, number: int, codes: list[Any], properties: Any) -> None:
        refused = [str(code) for code in codes if code.value >= 128]
        self._call(self._settle_subscribe, number, refused)

    def _on_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        if not message.qos and len(self._arrived) >= _IN_FLIGHT:
            # The broker waits for nobody at QoS 0: what comes faster than it can be looked at has no room.
            with self._counting:
                self._missed[topic] = self._missed.get(topic, 0) + 1
            return
        self._came += message.qos > 0
        while message.qos and self._came - self._acknowledged > _IN_FLIGHT and not self._closing:
            # More than was agreed: mosquitto sends all it has kept once the first are acknowledged. It has to
            # wait in the socket, and the broker with it.
            time.sleep(0.005)
        self._arrived.append(
            Message(topic, bytes(message.payload), message.qos, message.retain, message.mid, time.time_ns())
        )
        # One wake-up for all messages of a burst.
        if not self._woken.is_set():
            self._woken.set()
            self._call(self._news.set)

    # -- on the loop again ----------------------------------------------------------------------------

    def _settle_connect(self, code: int, text: str) -> None:
        if self._connected.done():
            return
        if code == 0:
            self._connected.set_result(None)
        else:
            where = f"{self._broker.host}:{self._broker.port}"
            self._connected.set_exception(
                BrokerError(f"{where} does not let us in: {text}", wrong_version=code in _WRONG_VERSION)
            )

    def _settle_lost(self, text: str) -> None:
        self._lost = self._lost or f"connection to {self._broker.host}:{self._broker.port} lost: {text}"
        self._news.set()
        if not self._connected.done():
            # A broker that does not know the version may simply hang up.
            self._connected.set_exception(BrokerError(self._lost, wrong_version=True))
        for answer in self._subscribed.values():
            if not answer.done():
                answer.set_exception(BrokerError(self._lost))

    def _settle_subscribe(self, number: int, refused: list[str]) -> None:
        answer = self._subscribed.setdefault(number, self._loop.create_future())
        if answer.done():
            return
        if refused:
            answer.set_exception(BrokerError(f"subscription refused: {', '.join(refused)}"))
        else:
            answer.set_result(None)


@contextlib.asynccontextmanager
async def open_link(broker: Broker, patience: float) -> AsyncIterator[MqttLink]:
    """A connected link, closed on leaving. Raises BrokerError where it cannot be made."""
    link = MqttLink(broker)
    try:
        await link.connect(patience)
        yield link
    finally:
        await asyncio.shield(link.close())


def _tls_context(broker: Broker, tls: dict[str, Any]) -> ssl.SSLContext:
    """The files are read anew for each connection: a renewed certificate counts from the next try."""
    where = f"cannot connect to {broker.host}:{broker.port}"
    for key in ("ca_file", "certificate", "private_key"):
        if tls[key] and not Path(tls[key]).is_file():
            raise BrokerError(f"{where}: tls.{key}: {tls[key]} does not exist")
    try:
        context = ssl.create_default_context(cafile=tls["ca_file"])
        if tls["certificate"]:
            context.load_cert_chain(tls["certificate"], tls["private_key"])
    except (OSError, ValueError) as error:  # SSLError is an OSError
        files = ", ".join(str(tls[key]) for key in ("ca_file", "certificate", "private_key") if tls[key])
        raise BrokerError(f"{where}: no good certificate or key in {files}: {error}") from None
    context.check_hostname = bool(tls["check_name"])
    return context
