"""Simulated devices that publish JSON over MQTT, with the broker they publish to."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import orjson

from workbench.model.errors import InputError
from workbench.model.tags import MqttMap
from workbench.simulate.servers.broker import Broker, BrokerKind
from workbench.simulate.servers.encode import MqttEncoder
from workbench.simulate.servers.net import Address, reachable

if TYPE_CHECKING:
    from paho.mqtt.client import Client


class MqttServer:
    """A broker, and a client that publishes a retained QoS 1 message per device and tick.

    Parameters
    ----------
    broker
        Which broker to start, see :class:`Broker`.
    name
        Entry served, for messages.
    """

    def __init__(self, address: Address, broker: BrokerKind = "auto", name: str = "mqtt") -> None:
        self.address = address
        self.name = name
        self.broker = Broker(address, broker, name)
        self._devices: dict[str, tuple[str, int, MqttEncoder]] = {}
        self._pending: dict[str, bytes] = {}
        self._sent = 0
        self._acknowledged = 0
        self._client: Client | None = None

    def add(self, asset: str, topic: str, tags: MqttMap, variables: Sequence[str], qos: int = 1) -> tuple[str, ...]:
        """Publish ``asset`` on ``topic``; see ``ModbusServer.add``."""
        if any(other == topic for other, _, _ in self._devices.values()):
            raise InputError("two assets share a topic", where=f"{self.name}.assets.{asset}", found=topic)
        if any(sign in topic for sign in "+#{}"):
            raise InputError(
                "cannot publish to a pattern", where=f"{self.name}.topic", found=topic, expected="a topic per asset"
            )
        encoder = MqttEncoder(tags, variables)
        self._devices[asset] = (topic, qos, encoder)
        return encoder.variables

    def encode(
        self, asset: str, time: int, values: npt.NDArray[np.float64], quality: npt.NDArray[np.uint16] | None = None
    ) -> npt.NDArray[np.float64]:
        """Prepare a tick of ``asset`` for :meth:`publish`; what a reader will see is returned.

        The messages have no room for ``quality``: a reader sees the number, or null.
        """
        message, seen = self._devices[asset][2].encode(values, time)
        self._pending[asset] = orjson.dumps(message)
        return seen

    async def publish(self) -> None:
        """Hand what was prepared to the broker; paho keeps and repeats it until acknowledged."""
        if self._client is None:
            return  # start will
        for asset, payload in self._pending.items():
            topic, qos, _ = self._devices[asset]
            self._client.publish(topic, payload, qos=qos, retain=True)
            self._sent += 1
        self._pending = {}

    async def prepare(self) -> None:
        """Nothing takes time before listening."""

    async def start(self) -> None:
        """Start the broker and connect. Raises InputError where the port cannot be had."""
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        await self.broker.start()
        client = Client(CallbackAPIVersion.VERSION2, client_id=f"workbench-simulate-{self.address.port}")
        client.reconnect_delay_set(1, 5)
        connected = threading.Event()
        client.on_connect = lambda *_: connected.set()
        client.on_publish = self._on_publish
        client.connect_async(reachable(self.address.host), self.address.port, keepalive=30)
        client.loop_start()
        # a broker that is slow to greet is no reason to fail: paho sends what waits when it is there
        await asyncio.to_thread(connected.wait, 5.0)
        self._client = client
        await self.publish()

    async def stop(self) -> None:
        """Wait for what is on its way, then end client and broker."""
        if self._client is not None:
            client, self._client = self._client, None
            loop = asyncio.get_running_loop()
            end = loop.time() + 3.0
            while self._acknowledged < self._sent and loop.time() < end:  # noqa: ASYNC110 (paho counts in its thread)
                await asyncio.sleep(0.02)
            client.disconnect()
            await asyncio.to_thread(client.loop_stop)
        await self.broker.stop()

    def _on_publish(self, *_: object) -> None:
        self._acknowledged += 1

    def describe(self, asset: str) -> tuple[str, str]:
        """Address of the broker, and the place of ``asset`` there."""
        return f"mqtt://{self.address}", f"topic {self._devices[asset][0]}"
