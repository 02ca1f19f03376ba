"""OPC UA beyond the common suite: the wire, gathering, limits, browsing, users, refusals."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

import numpy as np
import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary
from harness import Told
from harness_opcua import OpcUaHarness, ServerThread, Users
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.model.errors import InputError
from workbench.model.quality import Quality
from workbench.model.samples import SeriesKey
from workbench.model.tags import OpcUaMap
from workbench.sources.base import SourceError, check_config
from workbench.sources.opcua_browse import glob_pattern
from workbench.sources.opcua_config import OpcUaConfig
from workbench.sources.opcua_gather import Gatherer
from workbench.sources.opcua_session import Item, Place, Session, connect
from workbench.sources.opcua_wire import UnusualError, Values, published, read_results
from workbench.sources.scaling import Variables

NUMBERS = {
    ua.VariantType.Boolean: st.booleans(),
    ua.VariantType.SByte: st.integers(-128, 127),
    ua.VariantType.Byte: st.integers(0, 255),
    ua.VariantType.Int16: st.integers(-(2**15), 2**15 - 1),
    ua.VariantType.UInt16: st.integers(0, 2**16 - 1),
    ua.VariantType.Int32: st.integers(-(2**31), 2**31 - 1),
    ua.VariantType.UInt32: st.integers(0, 2**32 - 1),
    ua.VariantType.Int64: st.integers(-(2**53), 2**53),
    ua.VariantType.UInt64: st.integers(0, 2**53),
    ua.VariantType.Float: st.floats(width=32),
    ua.VariantType.Double: st.floats(),
    ua.VariantType.String: st.text(max_size=8),
    ua.VariantType.Null: st.none(),
}
stamps = st.none() | st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


@st.composite
def data_values(draw):
    kind = draw(st.sampled_from(list(NUMBERS)))
    status = draw(st.sampled_from([0, 0x40A40000, 0x808C0000, 0x480]))
    return ua.DataValue(ua.Variant(draw(NUMBERS[kind]), kind), ua.StatusCode(status), draw(stamps), draw(stamps))


def expected(data: ua.DataValue) -> tuple[float, int, int]:
    value = data.Value.Value
    number = float(value) if isinstance(value, bool | int | float) else float("nan")
    stamp = data.SourceTimestamp or data.ServerTimestamp
    ns = 0 if stamp is None else (stamp - datetime(1970, 1, 1, tzinfo=UTC)) // datetime.resolution * 1000
    return number, data.StatusCode.value, ns


@settings(max_examples=60, deadline=None)
@given(st.lists(data_values(), max_size=12), st.integers(1, 2**32 - 1))
def test_publish_responses_read_as_asyncua_writes_them(values, sequence):
    response = ua.PublishResponse()
    response.Parameters.SubscriptionId = 77
    response.Parameters.AvailableSequenceNumbers = [1, 2, 3]
    message = response.Parameters.NotificationMessage
    message.SequenceNumber = sequence
    items = [ua.MonitoredItemNotification(ClientHandle=1000 + i, Value=value) for i, value in enumerate(values)]
    message.NotificationData = [ua.DataChangeNotification(MonitoredItems=items)] if items else []
    got = published(struct_to_binary(response))
    assert (got.subscription, got.sequence, got.empty) == (77, sequence, not items)
    assert got.values.handle == [1000 + i for i in range(len(values))]
    want = [expected(value) for value in values]
    np.testing.assert_array_equal(got.values.value, [number for number, _, _ in want])
    assert got.values.status == [status for _, status, _ in want]
    assert got.values.time == [when for _, _, when in want]
    texts = {i: v.Value.Value for i, v in enumerate(values) if isinstance(v.Value.Value, str)}
    assert got.values.texts == texts


@settings(max_examples=60, deadline=None)
@given(st.lists(data_values(), max_size=12))
def test_read_responses_read_as_asyncua_writes_them(values):
    response = ua.ReadResponse()
    response.Results = values
    got = read_results(struct_to_binary(response))
    np.testing.assert_array_equal(got.value, [expected(value)[0] for value in values])
    assert got.status == [expected(value)[1] for value in values]
    assert got.time == [expected(value)[2] for value in values]


def test_arrays_and_structures_are_left_to_asyncua():
    for value in ([1.0, 2.0], ua.EUInformation()):
        response = ua.ReadResponse()
        response.Results = [ua.DataValue(ua.Variant(value))]
        with pytest.raises(UnusualError):
            read_results(struct_to_binary(response))


@given(st.integers(0, 200))
def test_bytes_cut_short_are_unusual_not_a_crash(length):
    response = ua.ReadResponse()
    response.Results = [ua.DataValue(ua.Variant(1.5, ua.VariantType.Double))] * 3
    data = struct_to_binary(response)
    if length < len(data) - 4:
        with pytest.raises(UnusualError):
            read_results(data[:length])


def test_the_end_of_a_subscription_is_seen():
    response = ua.PublishResponse()
    message = response.Parameters.NotificationMessage
    message.NotificationData = [ua.StatusChangeNotification(Status=ua.StatusCode(ua.StatusCodes.BadTimeout))]
    assert published(struct_to_binary(response)).ended == ua.StatusCodes.BadTimeout


# -- gathering ------------------------------------------------------------------------------------------

TAGS = OpcUaMap.model_validate(
    {
        "protocol": "opcua",
        "tags": {
            "wind_speed": {"node": "a"},
            "power_output": {"node": "b", "units": "W"},
            "turbine_status": {"node": "c", "type": "string"},
            "serial_number": {"node": "d", "type": "string"},
        },
    }
)
S = 10**9


@pytest.fixture
def gatherer() -> Gatherer:
    variables = Variables(SeriesKey("wind_turbine", "1s"), TAGS.tags)
    return Gatherer("site", "site.entry", variables, ["A", "B"], S)


def rows(*each: tuple[int, float, int, int]) -> Values:
    made = Values()
    for handle, value, status, time_ns in each:
        made.handle.append(handle)
        made.value.append(value)
        made.status.append(status)
        made.time.append(time_ns)
    return made


def test_values_of_one_slot_make_one_sample_per_asset(gatherer):
    got = gatherer.gather(rows((0, 5.0, 0, 10 * S), (1, 7000.0, 0, 10 * S), (4, 6.0, 0, 10 * S)), 11 * S)
    assert [(s.asset, s.time) for s in got.samples] == [("A", 10 * S), ("B", 10 * S)]
    np.testing.assert_array_equal(got.samples[0].values, [5.0, 7.0, np.nan, np.nan])
    np.testing.assert_array_equal(got.samples[1].values, [6.0, np.nan, np.nan, np.nan])
    assert got.samples[0].quality is None, "what was not sent is not flagged"
    assert got.samples[0].received == 11 * S


def test_two_updates_in_one_slot_make_two_samples_in_order(gatherer):
    got = gatherer.gather(
        rows((0, 1.0, 0, 10 * S), (0, 2.0, 0, 10 * S + 5), (1, 7000.0, 0, 10 * S + 5), (0, 3.0, 0, 11 * S)), 12 * S
    )
    np.testing.assert_array_equal([s.values[0] for s in got.samples], [1.0, 2.0, 3.0])
    assert [s.time for s in got.samples] == sorted(s.time for s in got.samples)
    assert got.samples[0].values[1] == 7.0


def test_what_was_seen_is_left_out(gatherer):
    first = rows((0, 1.0, 0, 10 * S), (4, 1.0, 0, 10 * S))
    assert len(gatherer.gather(first, 0).samples) == 2
    assert gatherer.gather(first, 0).samples == []
    (only,) = gatherer.gather(rows((0, 1.0, 0, 10 * S), (4, 1.5, 0, 11 * S)), 0).samples
    assert only.asset == "B"
    assert len(gatherer.gather(first, 0, repeated=True).samples) == 2


def test_a_clock_that_was_set_back_silences_nobody(gatherer):
    gatherer.gather(rows((0, 1.0, 0, 1000 * S), (4, 1.0, 0, 1000 * S)), 1000 * S)
    got = gatherer.gather(rows((0, 2.0, 0, 700 * S), (4, 2.0, 0, 1001 * S)), 1001 * S)
    assert [(s.asset, s.time) for s in got.samples] == [("A", 700 * S), ("B", 1001 * S)]
    assert got.set_back == {"A": 300 * S}
    got = gatherer.gather(rows((0, 3.0, 0, 701 * S)), 1002 * S)
    assert [s.time for s in got.samples] == [701 * S]
    assert got.set_back == {}, "told once"


def test_a_stamp_from_the_future_blocks_no_node(gatherer):
    now = 1_000_000 * S
    gatherer.gather(rows((0, 1.0, 0, 10 * now)), now)
    got = gatherer.gather(rows((0, 2.0, 0, now), (0, 3.0, 0, now + S)), now + S)
    np.testing.assert_array_equal([s.values[0] for s in got.samples], [2.0, 3.0])
    assert got.set_back == {"A": 9 * now}


def test_slow_series_too_are_freed_from_a_stamp_a_little_ahead():
    slow = Gatherer("site", "site.entry", Variables(SeriesKey("wind_turbine", "10min"), TAGS.tags), ["A"], 600 * S)
    slow.gather(rows((0, 1.0, 0, 10_100 * S)), 10_000 * S)
    got = slow.gather(rows((0, 1.0, 0, 10_010 * S)), 10_010 * S)
    assert [s.time for s in got.samples] == [10_010 * S]
    assert got.set_back == {"A": 90 * S}


def test_a_change_of_status_at_the_same_time_is_news(gatherer):
    bad = 0x808C0000
    gatherer.gather(rows((0, 5.0, 0, 10 * S), (4, 6.0, 0, 10 * S)), 11 * S)
    # One server repeats the value that it now calls bad, another one does not.
    again = rows((0, 5.0, bad, 10 * S), (4, np.nan, bad, 10 * S))
    first, second = gatherer.gather(again, 12 * S).samples
    assert (first.time, first.values[0], first.quality[0]) == (10 * S, 5.0, Quality.BAD)
    assert (second.time, second.values[0], second.quality[0]) == (10 * S, 6.0, Quality.BAD)
    assert gatherer.gather(again, 13 * S).samples == [], "once"
    (good,) = gatherer.gather(rows((0, 5.0, 0, 10 * S)), 14 * S).samples
    assert good.quality is None
    (other,) = gatherer.gather(rows((0, 5.5, 0, 10 * S)), 15 * S).samples
    assert other.values[0] == 5.5


def test_changes_of_status_within_one_message(gatherer):
    bad = 0x808C0000
    got = gatherer.gather(rows((0, 5.0, 0, 10 * S), (0, np.nan, bad, 10 * S), (0, np.nan, bad, 10 * S)), 11 * S)
    assert [(s.values[0], s.quality is not None) for s in got.samples] == [(5.0, False), (5.0, True)]


def test_status_codes_become_flags_and_values_are_kept(gatherer):
    bad, uncertain, overflow, waiting = 0x808C0000, 0x40A40000, 0x480, 0x80320000
    got = gatherer.gather(
        rows((0, 99.0, bad, S), (1, 5000.0, uncertain, S), (4, 1.0, overflow, S), (5, 2.0, waiting, S)), S
    )
    first, second = got.samples
    np.testing.assert_array_equal(first.values[:2], [99.0, 5.0])
    assert first.quality.tolist() == [Quality.BAD, Quality.UNCERTAIN, 0, 0]
    assert second.quality is None
    assert np.isnan(second.values[1]), "a node that never had a value says nothing"
    assert got.overflowed == {"B"}


def test_names_of_states_are_codes_and_other_text_is_an_event(gatherer):
    def say(state: str, serial: str, when: int):
        made = rows((2, np.nan, 0, when), (3, np.nan, 0, when))
        made.texts = {0: state, 1: serial}
        return gatherer.gather(made, when)

    got = say("generating", "SN1", S)
    assert got.samples[0].values[2] == 2.0
    assert got.samples[0].quality is None
    assert got.events == []
    got = say("no such state", "SN2", 2 * S)
    assert [(e.name, e.value) for e in got.events] == [("serial_number", "SN2")]
    assert np.isnan(got.samples[0].values[2])
    assert got.samples[0].quality.tolist() == [0, 0, Quality.INVALID, 0], "text is no serial number gone wrong"


def test_nodes_that_are_not_there_are_bad(gatherer):
    gatherer.absent([gatherer.handle("A", "power_output")], "A")
    first, second = gatherer.gather(rows((0, 1.0, 0, S), (4, 1.0, 0, S)), S).samples
    assert first.quality.tolist() == [0, Quality.BAD, 0, 0]
    assert second.quality is None
    assert gatherer.names(gatherer.handle("B", "wind_speed")) == ("B", "wind_speed")


# -- with a server --------------------------------------------------------------------------------------


@pytest.fixture
async def server(opcua_thread):
    made = OpcUaHarness("subscribe", shared=opcua_thread)
    await made.start()
    yield made
    await made.release()


async def test_requests_are_split_by_the_servers_limits(server):
    """A server that takes three at once is asked for three at once."""
    source = server.source()
    async with connect(source._endpoint(server.thread.url)) as session:
        asked: list[int] = []
        session._limits |= {"read": 3, "translate": 3, "monitor": 3}
        places = [source._place(asset, name) for asset in ("T1", "T2") for name in source._map.tags]
        nodes = await session.resolve(places, source._map.namespace)
        assert None not in nodes
        await server.tell("T1", Told(time.time_ns()))
        original = session._read_values

        async def counted(part):
            asked.append(len(part))
            return await original(part)

        session._read_values = counted
        values = await session.read(nodes)
        assert asked == [3, 3, 3, 1]
        assert values.handle == list(range(10))
        _, refused = await session.subscribe(
            [Item(i, node) for i, node in enumerate(nodes)],
            publishing=0.05,
            sampling=0,
            queue=5,
            trigger="StatusValueTimestamp",
        )
        assert refused == {}


async def test_limits_are_asked_of_the_server(server):
    thread = server.thread
    node = thread.server.get_node(ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead)
    before = await thread.call(node.read_value())
    await thread.call(node.write_value(7, ua.VariantType.UInt32))
    try:
        async with connect(server.source()._endpoint(thread.url)) as session:
            assert [len(part) for part in session.batches("read", range(20))] == [7, 7, 6]
            assert isinstance(session, Session)
    finally:
        await thread.call(node.write_value(before, ua.VariantType.UInt32))


async def test_paths_with_indices_node_ids_and_without_a_namespace(server):
    async with connect(server.source()._endpoint(server.thread.url)) as session:
        index = await session.namespace("urn:test:vendor")
        exact = server.nodes["T1"]["Met/WindSpeed"].nodeid
        folder = (await session.resolve([Place("Park/T1")], "urn:test:vendor"))[0]
        found = await session.resolve(
            [
                Place("Park/T1", "Met/WindSpeed"),
                Place(f"{index}:Park/{index}:T1", f"{index}:Met/{index}:WindSpeed"),
                Place("anything", exact.to_string()),
                Place(folder.to_string(), "Met/WindSpeed"),
                Place("Park/T1", "Met/Nothing"),
            ],
            None,
        )
        assert [node and node.to_string() for node in found] == [exact.to_string()] * 4 + [None]


async def test_discovery_by_glob(server):
    await server.tell("T1", Told(time.time_ns()))
    source = server.source()
    found = {tag.address: tag for tag in await source.discover("**/Met/*")}
    assert set(found) == {f"Park/{asset}/Met/{name}" for asset in ("T1", "T2") for name in ("WindSpeed", "Ambient")}
    wind = found["Park/T1/Met/WindSpeed"]
    assert (wind.name, wind.type, wind.units, wind.value) == ("WindSpeed", "float", "m/s", 8.25)
    assert [tag.address for tag in await source.discover("State", asset="T2")] == ["State"]


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("*", "a/b/c", True),
        ("**/Grid/*", "Grid/P", True),
        ("**/Grid/*", "x/y/Grid/P", True),
        ("**/Grid/*", "Grid/Sub/P", False),
        ("Grid/**", "Grid/Sub/P", True),
        ("G?id/P.1", "Grid/P.1", True),
        ("G?id/P.1", "Grid/Px1", False),
    ],
)
def test_globs(pattern, path, fits):
    assert bool(glob_pattern(pattern).fullmatch(path)) is fits


async def test_unchanged_values_with_a_new_time_arrive(server, sink, running, eventually):
    async with running(server.source(), sink):
        for n in range(4):
            await server.tell("T1", Told(1_700_000_000_000_000_000 + n * 200_000_000))
            await eventually(lambda n=n: len({s.time for s in sink.of("T1")}) == n + 1)
    assert all(sample.values[1] == 8.25 for sample in sink.of("T1"))


async def test_the_stored_value_becomes_flagged_when_its_status_changes(server, tmp_path, running, eventually):
    from workbench.collect import SiteIntake
    from workbench.store import SiteStore

    site = SiteStore(tmp_path, "site")
    intake = SiteIntake("site", site.journal.append, [].extend, every=0.05)
    writing = asyncio.create_task(intake.run())
    source = server.source()
    told = Told(time.time_ns() // 1_000_000 * 1_000_000)

    def stored():
        return site.open("wind_turbine/200ms").load().sel(asset="T1").max("time")

    async with running(source, intake):
        await server.tell("T1", told)
        await eventually(lambda: site.series() and stored()["wind_speed"] == 8.25)
        told.bad = True
        await server.tell("T1", told)
        # Each node is notified by itself: that something has come does not say that the flag has.
        await eventually(lambda: stored()["wind_speed_quality"] != 0)
    intake.close()
    await writing
    data = stored()
    assert data["wind_speed"] == 8.25
    assert data["wind_speed_quality"] == Quality.BAD
    assert data["power_output_quality"] == 0
    assert data["sample_count"] == 1


async def test_a_server_whose_clock_is_set_back_goes_on(server, sink, running, eventually):
    now = time.time_ns() // 1_000_000 * 1_000_000
    source = server.source()
    async with running(source, sink):
        await server.tell("T1", Told(now))
        await eventually(lambda: now in sink.times("T1"))
        for n in range(3):
            await server.tell("T1", Told(now - 300 * S + n * S))
            await eventually(lambda n=n: now - 300 * S + n * S in sink.times("T1"))
        health = source.health.device("T1")
        assert health.clock_resets == 1
        assert "clock was set back by 300 s" in health.last_error
        assert health.state == "ok"


async def test_a_password_that_expires_and_is_good_again(running, sink, eventually):
    """The device is called down and why; what is tried again in vain counts, and nothing has to be started anew."""
    users = Users("operator", "right")
    thread = ServerThread(users)
    server = OpcUaHarness("subscribe", shared=thread)
    await server.start()
    try:
        wrong = server.source(server.config() | {"user": "operator", "password": "wrong"})
        with pytest.raises(SourceError, match="does not let us in"):
            await wrong.read()
        source = server.source(server.config() | {"user": "operator", "password": "right"})
        health = source.health.device("T1")
        async with running(source, sink):
            await server.tell("T1", Told(time.time_ns()))
            await eventually(lambda: sink.of("T1"))
            users.known = ("operator", "another")
            await server.stop()
            await server.start()
            await eventually(lambda: "does not let us in" in health.last_error, 15)
            assert "BadUserAccessDenied" in health.last_error
            assert health.state == "down"
            errors = health.errors
            await asyncio.sleep(2.0)
            assert health.state == "down"
            assert health.errors - errors <= 4, "tried without a pause"
            users.known = ("operator", "right")
            before = len(sink.samples)
            await server.tell("T1", Told(time.time_ns()))
            await eventually(lambda: len(sink.samples) > before, 12)
            assert health.state == "ok"
            assert health.reconnects == 1
    finally:
        await server.stop()
        thread.end()


async def test_encrypted_connection_needs_its_files(server, tmp_path):
    files = {"certificate": str(tmp_path / "none.der"), "private_key": str(tmp_path / "none.pem")}
    security = files | {"trust_any": True}
    source = server.source(server.config() | {"security": security, "timeout": 1.0})
    with pytest.raises(SourceError, match=r"cannot connect.*none\.der: the certificate cannot be read"):
        await source.read()


@pytest.mark.parametrize("keys", [{}, {"server_certificate": "wtg.der", "trust_any": True}])
def test_security_says_whom_it_trusts(keys):
    files = {"certificate": "c.pem", "private_key": "c.key.pem"}
    entry = {"asset_type": "wind_turbine", "cadence": "1s", "url": "opc.tcp://h:1", "assets": {"T1": "P"}}
    with pytest.raises(InputError) as caught:
        check_config("test_site.opcua", OpcUaConfig, entry | {"security": files | keys})
    assert caught.value.where == "test_site.opcua.security"
    assert "server_certificate" in str(caught.value)
    assert "trust_any" in str(caught.value)


async def test_a_connection_that_falls_silent_is_given_up(server, sink, running, eventually, monkeypatch):
    """The other end is gone without a word: no keep-alive for three of its times."""
    gate = _Gate(server.thread.port)
    await gate.open()
    monkeypatch.setattr("workbench.sources.opcua_session._KEEP_ALIVE", 0.2)
    source = server.source(server.config() | {"url": f"opc.tcp://127.0.0.1:{gate.port}/test", "timeout": 1.0})
    try:
        async with running(source, sink):
            await server.tell("T1", Told(time.time_ns()))
            await eventually(lambda: sink.of("T1"))
            gate.jammed = True
            await eventually(lambda: source.health.device("T1").state == "down", 10)
            gate.jammed = False
            before = len(sink.samples)
            await server.tell("T1", Told(time.time_ns()))
            await eventually(lambda: len(sink.samples) > before, 10)
            assert source.health.device("T1").reconnects == 1
    finally:
        await gate.close()


class _Gate:
    """A TCP relay that can stop relaying without closing anything."""

    def __init__(self, to: int) -> None:
        self.to, self.port, self.jammed = to, 0, False
        self._tasks: set[asyncio.Task] = set()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()

    async def _relay(self, reader, writer) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.to)
        for source, target in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._pump(source, target))
            self._tasks.add(task)

    async def _pump(self, source, target) -> None:
        while data := await source.read(65536):
            if not self.jammed:
                target.write(data)
        target.close()
