"""mosquitto as broker, paho as the device."""

from __future__ import annotations

import asyncio
import math
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import orjson
import paho.mqtt.client as paho
from harness import Harness, Told, free_port
from paho.mqtt.enums import CallbackAPIVersion

from workbench.model.tags import MqttMap

TAGS: dict[str, Any] = {
    "protocol": "mqtt",
    "time": "meta.time",
    "time_format": "unix_ns",
    "tags": {
        "power_output": {"path": "grid.power", "units": "W", "scale": 100},
        "wind_speed": {"path": "wind[0].speed"},
        "ambient_temperature": {"path": "ambient", "units": "degF"},
        "turbine_status": {"path": "state", "states": {10: "generating", 20: "fault"}},
    },
}
EXTRA = {"nacelle_position": {"path": "nacelle.direction"}}


def find_mosquitto() -> str | None:
    return shutil.which("mosquitto", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))


def message(told: Told) -> dict[str, Any]:
    return {
        "meta": {"time": told.time},
        "grid": {"power": round(told.power_output * 10)},
        "wind": [{"speed": "strong" if told.words else None if math.isnan(told.wind_speed) else told.wind_speed}],
        "ambient": told.fahrenheit,
        "state": told.code,
    }


class MqttHarness(Harness):
    def __init__(self, kind: str = "mosquitto") -> None:
        super().__init__(
            "mqtt",
            {
                "bad": "a JSON number has no status",
                "unknown tag": "what is not in a message was not sent: there is nothing to flag",
                "write": "the driver does not publish",
            },
        )
        self.kind = kind
        self.port = free_port()
        self.options: list[str] = ["allow_anonymous true"]
        self._silent: set[str] = set()
        self._process: subprocess.Popen | None = None
        self._embedded: Any = None
        self._folder = Path(tempfile.mkdtemp(prefix="test-mosquitto-"))
        self._device: paho.Client | None = None
        self.user: tuple[str, str] | None = None

    async def start(self) -> None:
        if self.kind == "amqtt":
            from amqtt.broker import Broker

            self._embedded = Broker(
                {
                    "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{self.port}"}},
                    "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
                }
            )
            await self._embedded.start()
            return
        config = self._folder / "mosquitto.conf"
        lines = [
            f"listener {self.port} 127.0.0.1",
            *self.options,
            "persistence true",
            f"persistence_location {self._folder}/",
            "log_dest none",
            "user root" if os.geteuid() == 0 else "",
        ]
        config.write_text("\n".join(lines) + "\n")
        self._process = subprocess.Popen([find_mosquitto() or "mosquitto", "-c", str(config)])
        for _ in range(200):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                break
            except OSError:
                await asyncio.sleep(0.02)

    async def stop(self) -> None:
        if self._device is not None:
            device, self._device = self._device, None
            device.disconnect()
            await asyncio.to_thread(device.loop_stop)
        if self._embedded is not None:
            embedded, self._embedded = self._embedded, None
            await embedded.shutdown()
        if self._process is not None:
            process, self._process = self._process, None
            process.terminate()
            await asyncio.to_thread(process.wait)

    def clean(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    async def device(self) -> paho.Client:
        if self._device is None:
            self._device = paho.Client(CallbackAPIVersion.VERSION2)
            if self.user:
                self._device.username_pw_set(*self.user)
            await asyncio.to_thread(self._device.connect, "127.0.0.1", self.port)
            self._device.loop_start()
        return self._device

    async def publish(self, topic: str, payload: bytes, *, retain: bool = True) -> None:
        info = (await self.device()).publish(topic, payload, qos=1, retain=retain)
        await asyncio.to_thread(info.wait_for_publish, 5)

    async def tell(self, asset: str, told: Told) -> None:
        if asset not in self._silent:
            await self.publish(f"site/{asset}/met", orjson.dumps(message(told)))

    async def silence(self, asset: str) -> None:
        self._silent.add(asset)

    def tags(self, *, extra: bool = False) -> MqttMap:
        tags = {**TAGS["tags"], **EXTRA} if extra else TAGS["tags"]
        return MqttMap.model_validate({**TAGS, "tags": tags})

    def config(self) -> dict[str, Any]:
        return {"host": f"127.0.0.1:{self.port}", "topic": "site/{asset}/met", "assets": ["T1", "T2"], "timeout": 1.0}

    def wrong_config(self) -> dict[str, Any]:
        return {**self.config(), "host": f"127.0.0.1:{free_port()}", "timeout": 0.5}
