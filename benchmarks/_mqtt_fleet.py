"""Devices and broker of the MQTT benchmark: ``python -m benchmarks._mqtt_fleet PORT DEVICES TAGS``.

mosquitto as the broker; one publisher for all devices, QoS 1, a message a second for each, spread over the second.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import orjson
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks._fleet import asset, tag, values
from workbench.simulate.servers.broker import find_mosquitto


def tag_map(tags: int) -> dict[str, object]:
    return {
        "protocol": "mqtt",
        "time": "t",
        "time_format": "unix_ms",
        "tags": {tag(i): {"path": tag(i)} for i in range(tags)},
    }


async def serve(port: int, devices: int, tags: int) -> None:
    names = [tag(i) for i in range(tags)]
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as ending:
        config = Path(folder) / "mosquitto.conf"
        config.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\nlog_dest none\nmax_queued_messages 100000\nuser root\n"
        )
        broker = subprocess.Popen([find_mosquitto() or "mosquitto", "-c", str(config)])  # noqa: ASYNC220
        ending.callback(broker.kill)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, asyncio.current_task().cancel)  # type: ignore[union-attr]
        await asyncio.sleep(0.5)
        client = paho.Client(CallbackAPIVersion.VERSION2)
        client.max_inflight_messages_set(20_000)
        client.connect("127.0.0.1", port)
        client.loop_start()
        print("serving", flush=True)
        second = int(time.time())
        while True:
            second += 1
            for device in range(devices):
                due = second + 0.8 * device / devices
                if due > time.time():
                    await asyncio.sleep(due - time.time())
                said = dict(zip(names, values(second, device, tags).tolist(), strict=True))
                client.publish(f"fleet/{asset(device)}", orjson.dumps({"t": second * 1000, **said}), qos=1)


if __name__ == "__main__":
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(serve(*map(int, sys.argv[1:4])))
