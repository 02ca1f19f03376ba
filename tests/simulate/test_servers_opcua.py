"""The OPC UA server, browsed, read and subscribed to by asyncua's own client."""

from __future__ import annotations

import asyncio
import socket
from datetime import UTC, datetime

import numpy as np
import pytest
import pytest_asyncio
from asyncua import Client, ua

from workbench.model.errors import InputError
from workbench.model.quality import Quality
from workbench.model.tags import OpcUaMap
from workbench.model.vocabulary import vocabulary
from workbench.simulate.servers.opcua import OpcUaServer, parse_url

T = 1_700_000_000 * 10**9
URI = "urn:vendor:test"
STATES = list(vocabulary()["turbine_status"].states)
#: the vendor numbers the states from 100, in its own order
VENDOR = {100 + i: name for i, name in enumerate(reversed(STATES))}
TAGS = OpcUaMap.model_validate(
    {
        "protocol": "opcua",
        "namespace": URI,
        "tags": {
            "power_output": {"node": "Grid/ActivePower", "units": "W", "type": "double"},
            "gearbox_bearing_temp_de": {"node": "Drivetrain/GearboxBearingTempDE", "units": "degF"},
            "turbine_status": {"node": "Status/OperatingState", "type": "int32", "states": VENDOR},
        },
    }
)
NAMES = list(TAGS.tags)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def park():
    server = OpcUaServer("opc.tcp://127.0.0.1:0/workbench", "farm.scada")
    server.add("T1", "Park/WTG01", TAGS, NAMES)
    server.add("T2", "Park/WTG02", TAGS, NAMES)
    await server.start()
    yield server
    await server.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def client(park):
    async with Client(park.url) as client:
        yield client


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def node(client: Client, path: str):
    index = await client.get_namespace_index(URI)
    return await client.nodes.objects.get_child([f"{index}:{name}" for name in path.split("/")])


async def test_before_the_first_tick_there_is_no_value(client):
    with pytest.raises(ua.UaStatusCodeError) as caught:
        await (await node(client, "Park/WTG02/Grid/ActivePower")).read_value()
    assert caught.value.code == ua.StatusCodes.BadWaitingForInitialData


async def test_a_client_reads_what_the_truth_says(park, client):
    running = vocabulary()["turbine_status"].states[STATES[0]]
    seen = park.encode("T1", T, np.array([2850.5, 65.5, running]))
    await park.publish()
    power = await node(client, "Park/WTG01/Grid/ActivePower")
    data = await power.read_data_value()
    assert data.Value.VariantType == ua.VariantType.Double
    assert data.Value.Value == 2850500.0
    assert data.SourceTimestamp == datetime.fromtimestamp(T / 1e9, tz=UTC)
    assert data.StatusCode.is_good()
    assert seen[0] == 2850.5
    fahrenheit = await (await node(client, "Park/WTG01/Drivetrain/GearboxBearingTempDE")).read_value()
    assert fahrenheit == np.float32(65.5 * 1.8 + 32)
    assert seen[1] == pytest.approx((fahrenheit - 32) / 1.8, abs=1e-6)
    code = await (await node(client, "Park/WTG01/Status/OperatingState")).read_value()
    assert VENDOR[code] == STATES[0]
    assert code != running
    assert seen[2] == running


async def test_engineering_units_are_told(client):
    power = await node(client, "Park/WTG01/Grid/ActivePower")
    unit = await (await power.get_child("0:EngineeringUnits")).read_value()
    assert unit.DisplayName.Text == "W"


async def test_quality_becomes_a_status_code(park, client):
    flags = np.array([Quality.BAD, Quality.UNCERTAIN, 0], dtype=np.uint16)
    seen = park.encode("T1", T + 10**9, np.array([1.0, 20.0, 0.0]), flags)
    await park.publish()
    bad = await (await node(client, "Park/WTG01/Grid/ActivePower")).read_data_value(raise_on_bad_status=False)
    assert bad.StatusCode.value == ua.StatusCodes.BadSensorFailure
    assert bad.Value.Value is None
    bearing = await node(client, "Park/WTG01/Drivetrain/GearboxBearingTempDE")
    uncertain = await bearing.read_data_value(raise_on_bad_status=False)
    assert uncertain.StatusCode.is_uncertain()
    assert np.isnan(seen[0])
    assert uncertain.Value.Value == np.float32(68.0)


class Inbox:
    def __init__(self) -> None:
        self.news: list[tuple[str, ua.DataValue]] = []

    def datachange_notification(self, node, value, data) -> None:
        self.news.append((node.nodeid.Identifier, data.monitored_item.Value))


async def test_a_subscription_gets_every_tick_even_of_a_value_that_stands_still(park, client):
    inbox = Inbox()
    subscription = await client.create_subscription(50, inbox)
    nodes = [await node(client, f"Park/WTG01/{tag.node}") for tag in TAGS.tags.values()]
    monitor = ua.DataChangeFilter(Trigger=ua.DataChangeTrigger.StatusValueTimestamp)
    await subscription._subscribe(nodes, ua.AttributeIds.Value, monitor, queuesize=10)
    running = vocabulary()["turbine_status"].states[STATES[0]]
    for second in range(100, 105):
        park.encode("T1", T + second * 10**9, np.array([5.0, 20.0, running]))
        await park.publish()
    for _ in range(100):
        if len(inbox.news) >= 18:
            break
        await asyncio.sleep(0.05)
    await subscription.delete()
    stamps = [data.SourceTimestamp.timestamp() for name, data in inbox.news if name.endswith("ActivePower")]
    assert stamps[-5:] == [T / 1e9 + second for second in range(100, 105)]


async def test_clients_cannot_write(client):
    power = await node(client, "Park/WTG01/Grid/ActivePower")
    with pytest.raises(ua.UaStatusCodeError):
        await power.write_value(ua.DataValue(ua.Variant(1.0, ua.VariantType.Double)))


async def test_folders_are_not_shared(park):
    with pytest.raises(InputError, match="share a folder"):
        park.add("T3", "Park/WTG01", TAGS, NAMES)


async def test_a_taken_port_is_an_input_error():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = OpcUaServer(f"opc.tcp://127.0.0.1:{taken.getsockname()[1]}/x", "farm.scada")
        with pytest.raises(InputError, match="in use"):
            await server.start()


async def test_urls():
    assert parse_url("opc.tcp://127.0.0.1:48400/workbench") == ("127.0.0.1", 48400)
    assert parse_url("opc.tcp://plc/x") == ("plc", 4840)
    with pytest.raises(InputError, match="OPC UA address"):
        parse_url("http://127.0.0.1:4840")
