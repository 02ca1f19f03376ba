"""OPC UA servers that do less than was asked: nodes that come later, refusals, short queues, lost messages."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

import numpy as np
import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.server.monitored_item_service import MonitoredItemService
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary
from harness import Told
from harness_opcua import NAMESPACE, OpcUaHarness
from structlog.testing import capture_logs

from workbench.model.quality import Quality
from workbench.model.tags import OpcUaMap
from workbench.sources.opcua_session import Session
from workbench.sources.registry import driver

S = 10**9


@pytest.fixture(params=["subscribe", "poll"])
async def server(opcua_thread, request):
    made = OpcUaHarness(request.param, shared=opcua_thread)
    await made.start()
    yield made
    await made.release()


@pytest.fixture
async def subscribed(opcua_thread):
    made = OpcUaHarness("subscribe", shared=opcua_thread)
    await made.start()
    yield made
    await made.release()


async def make_node(server: OpcUaHarness, folder: str, name: str, value: float, *, number: str = ""):
    """A variable that the gateway only now hears of."""
    thread = server.thread

    async def make():
        index = await thread.server.get_namespace_index(NAMESPACE)
        park = await thread.server.nodes.objects.get_child([f"{index}:Park", f"{index}:T1"])
        above = await park.add_folder(index, folder)
        where = ua.NodeId(number, index) if number else index
        return await above.add_variable(where, f"{index}:{name}" if number else name, value, ua.VariantType.Float)

    node = await thread.call(make())
    now = datetime.now(UTC)
    data = ua.DataValue(ua.Variant(value, ua.VariantType.Float), ua.StatusCode(ua.StatusCodes.Good), now, now)
    await thread.write(node, data)
    return node


def last(sink, variable: str):
    """Newest value of a variable of T1 that came, and its flag."""
    for sample in reversed(sink.of("T1")):
        i = sample.shape.variables.index(variable)
        if not np.isnan(sample.values[i]):
            return float(sample.values[i]), 0 if sample.quality is None else int(sample.quality[i])
    return None


async def test_nodes_that_appear_later_are_found(server, sink, running, eventually):
    source = server.source(server.config() | {"retry_missing": 0.2}, extra=True)
    health = source.health.device("T1")
    async with running(source, sink):
        await server.tell("T1", Told(time.time_ns()))
        await eventually(lambda: sink.of("T1"))
        assert health.state == "degraded"
        assert "1 of 6 nodes are not on the server: Park/T1/Nacelle/Direction" in health.last_error
        await asyncio.sleep(0.5)
        assert health.errors == 1, "told once, not at every look"
        await make_node(server, "Nacelle", "Direction", 271.0)
        await eventually(lambda: last(sink, "nacelle_position") == (271.0, Quality.GOOD))
        await server.tell("T1", Told(time.time_ns()))
        await eventually(lambda: health.state == "ok")
        assert source.health.device("T2").state == "degraded", "its node is still not there"


async def test_items_that_were_refused_are_tried_again(subscribed, sink, running, eventually):
    """A node id needs no looking for: the server refuses to watch it until it is there."""

    async def index():
        return await subscribed.thread.server.get_namespace_index(NAMESPACE)

    number = await subscribed.thread.call(index())
    tags = OpcUaMap.model_validate(
        {
            "protocol": "opcua",
            "namespace": NAMESPACE,
            "tags": {
                "wind_speed": {"node": "Met/WindSpeed"},
                "nacelle_position": {"node": f"ns={number};s=late"},
            },
        }
    )
    config = subscribed.config() | {"retry_missing": 0.2, "assets": {"T1": "Park/T1"}}
    source = driver("opcua").from_config(
        "test_site.opcua", "test_site", {"asset_type": "wind_turbine", "cadence": "200ms", **config}, tags
    )
    health = source.health.device("T1")
    async with running(source, sink):
        await subscribed.tell("T1", Told(time.time_ns()))
        await eventually(lambda: sink.of("T1"))
        assert health.state == "degraded"
        assert "1 of 2 nodes cannot be subscribed to: nacelle_position: BadNodeIdUnknown" in health.last_error
        assert sink.of("T1")[-1].quality.tolist() == [0, Quality.BAD]
        await make_node(subscribed, "Late", "late", 271.0, number="late")
        await eventually(lambda: last(sink, "nacelle_position") == (271.0, Quality.GOOD))
        assert health.state == "ok"
        assert health.errors == 1


async def test_a_server_that_grants_less_than_asked_is_told_of_once(subscribed, sink, running, eventually, monkeypatch):
    monkeypatch.setattr(MonitoredItemService, "_revise_queue_size", lambda self, size: min(size, 2))
    source = subscribed.source()
    with capture_logs() as logs:
        async with running(source, sink):
            await subscribed.tell("T1", Told(time.time_ns()))
            await eventually(lambda: sink.of("T1"))
            await subscribed.stop()
            await eventually(lambda: source.health.device("T1").state == "down")
            before = source.health.device("T1").errors
            await subscribed.start()
            await subscribed.tell("T1", Told(time.time_ns()))
            await eventually(lambda: source.health.device("T1").state == "ok", 15)
    told = [line for line in logs if line["event"] == "server grants less than asked"]
    assert [line["cuts"] for line in told] == [["keeps 2 values per node between two messages, not 10"]]
    assert before >= 2, "that, and the lost connection"


class Lossy:
    """A protocol that loses one message with values, before or after it can be had again."""

    def __init__(self, real, *, for_good: bool) -> None:
        self.real, self.for_good = real, for_good
        self.due = self.lost = False

    def __getattr__(self, name: str):
        return getattr(self.real, name)

    async def send_request(self, request, timeout=None):
        if isinstance(request, ua.RepublishRequest) and self.for_good:
            raise ua.UaStatusCodeError(ua.StatusCodes.BadMessageNotAvailable)
        data = await self.real.send_request(request, timeout)
        if isinstance(request, ua.PublishRequest) and self.due and not self.lost:
            response = struct_from_binary(ua.PublishResponse, data.copy())
            message = response.Parameters.NotificationMessage
            if message.NotificationData:
                self.lost, message.NotificationData = True, []
                return Buffer(struct_to_binary(response))  # a keep-alive in its place
        return data


@pytest.mark.parametrize("for_good", [False, True])
async def test_a_message_that_is_missing_is_asked_for_again(
    subscribed, sink, running, eventually, monkeypatch, for_good
):
    lossy: list[Lossy] = []
    real = Session._protocol.fget

    def protocol(session):
        if not lossy or lossy[0].real is not real(session):
            lossy[:] = [Lossy(real(session), for_good=for_good)]
        return lossy[0]

    monkeypatch.setattr(Session, "_protocol", property(protocol))
    source = subscribed.source()
    start = time.time_ns() // S * S
    told = [start + n * 200_000_000 for n in range(8)]
    async with running(source, sink):
        for n, when in enumerate(told):
            lossy and setattr(lossy[0], "due", n >= 4)
            await subscribed.tell("T1", Told(when, power_output=100.0 + n))
            if n != 4:
                await eventually(lambda when=when: when in sink.times("T1"))
            else:
                await eventually(lambda: lossy[0].lost)
    health = source.health.device("T1")
    powers = {s.time: s.values[0] for s in sink.of("T1") if not np.isnan(s.values[0])}
    if for_good:
        assert health.missed == 1
        assert "1 messages of the server are lost" in health.last_error
    else:
        assert powers == {when: 100.0 + n for n, when in enumerate(told)}
        assert health.missed == 0
