"""The met mast's messages, received by paho, through either broker."""

from __future__ import annotations

import asyncio
import os
import queue
import signal
import socket
import struct
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import orjson
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from workbench.model.errors import InputError
from workbench.model.tags import MqttMap
from workbench.simulate.servers.broker import Broker, find_mosquitto
from workbench.simulate.servers.mqtt import MqttServer
from workbench.simulate.servers.net import Address

T = 1_700_000_000 * 10**9
TAGS = MqttMap.model_validate(
    {
        "protocol": "mqtt",
        "time": "time",
        "tags": {"wind_speed": {"path": "wind.speed"}, "pressure": {"path": "air.pressure", "scale": 0.1}},
    }
)
TOPIC = "workbench/north_ridge/met/NR-MAST"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(params=["mosquitto", "amqtt"])
async def mast(request, require):
    if request.param == "mosquitto":
        require(find_mosquitto(), "mosquitto is not installed")
    server = MqttServer(Address("127.0.0.1", free_port()), request.param, "north_ridge.mast")
    server.add("NR-MAST", TOPIC, TAGS, ["wind_speed", "pressure"])
    await server.start()
    yield server
    await server.stop()


def subscriber(port: int) -> tuple[paho.Client, queue.Queue]:
    inbox: queue.Queue = queue.Queue()
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.on_message = lambda _client, _data, message: inbox.put(message)
    client.on_connect = lambda client, *_: client.subscribe("workbench/+/met/#", qos=1)
    client.on_subscribe = lambda *_: inbox.put(None)
    client.connect("127.0.0.1", port)
    client.loop_start()
    return client, inbox


async def next_message(inbox: queue.Queue):
    return await asyncio.to_thread(inbox.get, True, 10)


async def test_messages_arrive_as_the_truth_says_and_are_retained(mast):
    client, inbox = subscriber(mast.address.port)
    try:
        assert await next_message(inbox) is None  # subscribed
        for second in range(3):
            seen = mast.encode("NR-MAST", T + second * 10**9, np.array([8.123456, 950.01 + second]))
            await mast.publish()
            message = await next_message(inbox)
            body = orjson.loads(message.payload)
            assert message.topic == TOPIC
            assert message.qos == 1
            assert body["time"] == f"2023-11-14T22:13:2{second}.000Z"
            assert body["wind"]["speed"] == seen[0] == 8.1235
            assert body["air"]["pressure"] * 0.1 == seen[1]
    finally:
        client.disconnect()
        client.loop_stop()
    late, inbox = subscriber(mast.address.port)
    try:
        messages = [await next_message(inbox), await next_message(inbox)]
        kept = next(message for message in messages if message is not None)
        assert kept.retain
        assert orjson.loads(kept.payload)["time"] == "2023-11-14T22:13:22.000Z"
    finally:
        late.disconnect()
        late.loop_stop()


async def test_stop_leaves_no_process(require):
    require(find_mosquitto(), "mosquitto is not installed")
    broker = Broker(Address("127.0.0.1", free_port()), "mosquitto")
    await broker.start()
    pid = broker.pid
    assert pid is not None
    os.kill(pid, 0)
    await broker.stop()
    await broker.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_killed_simulator_leaves_no_broker(require):
    require(find_mosquitto(), "mosquitto is not installed")
    require(sys.platform == "linux", "the kernel ends children of a killed parent on Linux only")
    script = textwrap.dedent(
        f"""
        import asyncio
        from workbench.simulate.servers.broker import Broker
        from workbench.simulate.servers.net import Address
        async def main():
            broker = Broker(Address("127.0.0.1", {free_port()}), "mosquitto")
            await broker.start()
            print(broker.pid, flush=True)
            await asyncio.sleep(60)
        asyncio.run(main())
        """
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    pid = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait(10)
    parent.stdout.close()
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0]
        except FileNotFoundError:
            return
        if state == "Z":  # ended, and waiting for whoever adopted it
            return
        time.sleep(0.05)
    pytest.fail("mosquitto outlived its parent")


@pytest.mark.parametrize("kind", ["mosquitto", "amqtt"])
async def test_a_taken_port_is_an_input_error(kind, require):
    if kind == "mosquitto":
        require(find_mosquitto(), "mosquitto is not installed")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        broker = Broker(Address("127.0.0.1", taken.getsockname()[1]), kind, "north_ridge.mast")
        with pytest.raises(InputError, match=r"north_ridge\.mast: port \d+ is in use"):
            await broker.start()
        await broker.stop()


def test_topics_are_names_not_patterns():
    server = MqttServer(Address("127.0.0.1", 1), "amqtt")
    server.add("A", "a/b", TAGS, ["wind_speed", "pressure"])
    with pytest.raises(InputError, match="share a topic"):
        server.add("B", "a/b", TAGS, ["wind_speed", "pressure"])
    with pytest.raises(InputError, match="pattern"):
        server.add("C", "a/+", TAGS, ["wind_speed", "pressure"])


async def test_a_client_that_hangs_up_upsets_nobody(mast, caplog):
    # a CONNECT of MQTT 5, which amqtt refuses, and a reset before its answer is there
    connect = bytes([0x10, 14, 0, 4, *b"MQTT", 5, 2, 0, 60, 0, 0, 1, ord("x")])
    for _ in range(5):
        client = socket.create_connection(("127.0.0.1", mast.address.port))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sendall(connect)
        client.close()
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.1)
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []
