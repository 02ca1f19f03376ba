"""MQTT beyond the common suite: durability, redelivery, retained messages, malformed ones, topics."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime

import numpy as np
import orjson
import pytest
from harness import Told
from harness_mqtt import MqttHarness, find_mosquitto, message
from hypothesis import given
from hypothesis import strategies as st

from workbench.model.quality import Quality
from workbench.model.tags import MqttMap
from workbench.sources.base import SourceError
from workbench.sources.mqtt_link import Message
from workbench.sources.mqtt_message import (
    MessageDecoder,
    MessageError,
    TopicTemplate,
    leaves,
    parse_path,
    parse_time,
    pick,
)
from workbench.sources.registry import driver

MS = 1_000_000


@pytest.fixture
async def broker(require):
    require(find_mosquitto(), "mosquitto is not installed")
    made = MqttHarness()
    await made.start()
    yield made
    await made.stop()
    made.clean()


async def test_nothing_is_acknowledged_before_it_is_durable(broker, make_sink, running, eventually):
    """A collector that dies before its journal has a message gets the message again."""
    lost = make_sink(durable=False)
    async with running(broker.source(), lost):
        await asyncio.sleep(0.3)
        told = [Told(1_700_000_000_000_000_000 + n * 200 * MS) for n in range(5)]
        for each in told:
            await broker.tell("T1", each)
        await eventually(lambda: len(lost.samples) == 5)
    again = make_sink()
    async with running(broker.source(), again):
        await eventually(lambda: len(again.samples) >= 5)
        await asyncio.sleep(0.3)
    assert again.times("T1") == [each.time for each in told]
    third = make_sink()
    async with running(broker.source(), third):
        await asyncio.sleep(0.5)
    # acknowledged by now: only the retained one comes, as on every subscription
    assert third.times("T1") in ([], [told[-1].time])


async def test_messages_wait_at_the_broker_while_nobody_collects(broker, make_sink, running, eventually):
    first = make_sink()
    async with running(broker.source(), first):
        await asyncio.sleep(0.3)
        await broker.tell("T1", Told(1000 * MS))
        await eventually(lambda: first.samples)
    for n in range(2, 12):
        await broker.tell("T1", Told(n * 1000 * MS))
    second = make_sink()
    async with running(broker.source(), second):
        await eventually(lambda: len(set(second.times("T1"))) >= 10)
    assert sorted(set(second.times("T1")) | {1000 * MS}) == [n * 1000 * MS for n in range(1, 12)]


async def test_acknowledged_while_leaving(broker, make_sink, running, eventually):
    """What becomes durable during the stop is acknowledged on the way out."""
    slow = make_sink(durable=False)
    task = asyncio.create_task(broker.source().run(slow))
    await asyncio.sleep(0.3)
    await broker.publish("site/T1/met", orjson.dumps(message(Told(5000 * MS))), retain=False)
    await eventually(lambda: slow.samples)
    task.cancel()
    await asyncio.sleep(0.1)
    slow.pending[0].set_result(None)
    with pytest.raises(asyncio.CancelledError):
        await task
    after = make_sink()
    async with running(broker.source(), after):
        await asyncio.sleep(0.5)
    assert after.samples == []


async def test_the_same_message_again_is_not_new(broker, sink, running, eventually):
    async with running(broker.source(), sink):
        await asyncio.sleep(0.3)
        payload = orjson.dumps(message(Told(1000 * MS)))
        for _ in range(3):
            await broker.publish("site/T1/met", payload, retain=False)
        other = orjson.dumps(message(Told(1000 * MS, wind_speed=9.0)))  # same time, but it says something else
        await broker.publish("site/T1/met", other, retain=False)
        late = orjson.dumps(message(Told(500 * MS)))  # late data is data
        await broker.publish("site/T1/met", late, retain=False)
        await eventually(lambda: len(sink.samples) >= 3)
        await asyncio.sleep(0.2)
    assert sink.times("T1") == [1000 * MS, 1000 * MS, 500 * MS]


async def test_a_retained_message_is_not_new_after_a_reconnect(broker, sink, running, eventually):
    source = broker.source()
    async with running(source, sink):
        await asyncio.sleep(0.3)
        await broker.tell("T1", Told(1000 * MS))
        await eventually(lambda: len(sink.samples) == 1)
        await broker.stop()
        await eventually(lambda: source.health.device("T1").state == "down")
        await broker.start()
        await broker.tell("T2", Told(2000 * MS))
        await eventually(lambda: sink.of("T2"), 15)
    assert sink.times("T1") == [1000 * MS]
    assert source.health.device("T1").reconnects == 1


async def test_malformed_messages_are_counted_and_do_not_block(broker, sink, running, eventually):
    source = broker.source()
    bad = [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"17",
        b"{}",
        b'{"meta": {"time": "yesterday"}, "ambient": 5}',
        b'{"meta": {"time": 1e300}, "ambient": 5}',
        b'{"meta": {"time": true}, "ambient": 5}',
        b'{"meta": {"time": 5}, "nothing": "known"}',
    ]
    async with running(source, sink):
        await asyncio.sleep(0.3)
        for payload in bad:
            await broker.publish("site/T1/met", payload, retain=False)
        await broker.tell("T1", Told(1000 * MS))
        await eventually(lambda: sink.samples)
        health = source.health.device("T1")
        assert health.errors == len(bad)
        assert health.last_error.startswith("site/T1/met:")
        assert health.samples == 1
        assert source.health.device("T2").errors == 0


async def test_strangers_are_left_alone(broker, sink, running, eventually):
    source = broker.source(broker.config() | {"topic": "site/+/met", "assets": ["T1"]})
    async with running(source, sink):
        await asyncio.sleep(0.3)
        await broker.publish("site/whoever/met", orjson.dumps(message(Told(1000 * MS))))
        await eventually(lambda: sink.samples)
    assert sink.samples[0].asset == "T1", "without {asset} all messages are of the only one"
    only = broker.source(broker.config() | {"topic": "site/{asset}/#", "assets": {"T1": "one"}})
    assert only._filters(["T1"]) == ["site/one/#"]


async def test_a_topic_for_each_variable(broker, sink, running, eventually):
    tags = MqttMap.model_validate({"protocol": "mqtt", "tags": {"wind_speed": {}, "power_output": {"units": "W"}}})
    keys = {
        "asset_type": "wind_turbine",
        "cadence": "1s",
        "host": f"127.0.0.1:{broker.port}",
        "topic": "p/{asset}/{variable}",
        "assets": {"T1": "one"},
        "timeout": 1.0,
    }
    source = driver("mqtt").from_config("site.entry", "site", keys, tags)
    async with running(source, sink):
        await asyncio.sleep(0.3)
        await broker.publish("p/one/power_output", b"7000", retain=False)
        await broker.publish("p/one/wind_speed", b"4.5", retain=True)
        await broker.publish("p/one/something_else", b"1", retain=False)
        await eventually(lambda: len(sink.samples) == 2 and source.health.device("T1").errors == 1)
    np.testing.assert_array_equal(sink.samples[0].values, [np.nan, 7.0])
    np.testing.assert_array_equal(sink.samples[1].values, [4.5, np.nan])
    assert all(sample.quality is None for sample in sink.samples)
    assert all(abs(sample.time - time.time_ns()) < 20e9 for sample in sink.samples)
    with pytest.raises(SourceError, match="no message"):
        await source.read()  # the retained one has no time of its own: nobody knows how old it is


PARTS = MqttMap.model_validate(
    {
        "protocol": "mqtt",
        "time": "t",
        "time_format": "unix_ns",
        "tags": {
            "wind_speed": {"path": "v"},
            "power_output": {"path": "v", "units": "W"},
            "ambient_temperature": {"path": "v"},
        },
    }
)


@pytest.mark.parametrize("never_sent", [False, True])
async def test_a_read_waits_for_all_parts_and_keeps_the_quality_of_each(broker, never_sent):
    keys = {
        "asset_type": "wind_turbine",
        "cadence": "200ms",
        "host": f"127.0.0.1:{broker.port}",
        "topic": "p/{asset}/{variable}",
        "assets": {"T1": "one", "T2": "two"},
        "timeout": 20.0,
    }
    for asset in ("one", "two"):
        for n, (name, value) in enumerate(
            {"wind_speed": None, "power_output": 7000, "ambient_temperature": 15}.items()
        ):
            if not (never_sent and n == 2):
                payload = orjson.dumps({"t": (1000 + n) * MS, "v": value})
                await broker.publish(f"p/{asset}/{name}", payload, retain=True)
    began = time.monotonic()
    first, second = await driver("mqtt").from_config("site.entry", "site", keys, PARTS).read()
    assert time.monotonic() - began < 10, "what is never sent is not waited for"
    assert (first.asset, second.asset) == ("T1", "T2")
    for sample in (first, second):
        np.testing.assert_array_equal(sample.values, [np.nan, 7.0, np.nan if never_sent else 15.0])
        assert sample.quality.tolist() == [Quality.INVALID, 0, 0]
        assert sample.time == (1001 if never_sent else 1002) * MS


def test_a_read_takes_the_newest_of_each_variable():
    keys = {
        "asset_type": "wind_turbine",
        "cadence": "200ms",
        "host": "127.0.0.1",
        "topic": "p/{asset}/{variable}",
        "assets": {"T1": "one"},
    }
    source = driver("mqtt").from_config("site.entry", "site", keys, PARTS)
    samples: dict = {}
    for when, value in ((2000, 8.0), (1000, 5.0), (3000, None), (2500, 6.0)):
        payload = orjson.dumps({"t": when * MS, "v": value})
        source._read_one(Message("p/one/wind_speed", payload, 1, False, 1, time.time_ns()), samples)
    assert samples["T1"].time == 3000 * MS
    assert samples["T1"].quality.tolist() == [Quality.INVALID, 0, 0]


async def test_wrong_password(broker, sink):
    await broker.stop()
    broker.options = ["allow_anonymous false"]
    await broker.start()
    with pytest.raises(SourceError, match=r"does not let us in.*[Nn]ot auth"):
        await broker.source(broker.config() | {"user": "u", "password": "p"}).read()


async def test_a_broker_that_speaks_the_old_version_only(sink, running, eventually):
    """amqtt knows MQTT 3.1.1 and says nothing to a client that speaks 5."""
    server = MqttHarness("amqtt")
    await server.start()
    try:
        source = server.source(server.config() | {"timeout": 1.0})
        async with running(source, sink):
            await asyncio.sleep(1.5)
            for n in range(1, 4):
                await server.tell("T1", Told(n * 1000 * MS))
            await eventually(lambda: len(sink.samples) >= 3)
        assert sorted(set(sink.times("T1"))) == [n * 1000 * MS for n in range(1, 4)]
    finally:
        await server.stop()
        server.clean()


async def test_silent_devices_are_told_of(broker, sink, running, eventually):
    source = broker.source()
    async with running(source, sink):
        await asyncio.sleep(0.3)
        await broker.tell("T1", Told(1000 * MS))
        await eventually(lambda: "no message for" in source.health.device("T1").last_error)
        assert source.health.device("T1").state == "degraded"


# -- topics, paths, times -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "topic", "parts"),
    [
        ("site/{asset}/met", "site/A/met", {"asset": "A"}),
        ("site/{asset}/met", "site/A/met/x", None),
        ("+/{asset}/#", "x/A/b/c", {"asset": "A"}),
        ("{region}/wtg-{asset}/{variable}", "eu/wtg-7/power", {"region": "eu", "asset": "7", "variable": "power"}),
        ("a.b/{asset}", "aXb/A", None),
    ],
)
def test_topics(template, topic, parts):
    assert TopicTemplate(template).match(topic) == parts


def test_filters():
    template = TopicTemplate("{region}/wtg-{asset}/{variable}/#")
    assert template.filter(asset="7") == "+/wtg-7/+/#"


@pytest.mark.parametrize("template", ["a/#/b", "a/b#", "x+/y", "{asset}/{asset}", "a/{asset", "a/asset}"])
def test_topics_without_sense(template):
    with pytest.raises(ValueError, match=r"."):
        TopicTemplate(template)


names = st.text(st.characters(codec="ascii", exclude_characters=".[]", categories=["L", "N"]), min_size=1, max_size=5)
trees = st.recursive(
    st.floats(allow_nan=False) | st.booleans() | st.none() | st.text(max_size=3),
    lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(names, inner, min_size=1, max_size=3),
    max_leaves=12,
)


@given(trees)
def test_every_leaf_is_found_at_its_path(tree):
    for path, value in leaves(tree):
        found = pick(tree, parse_path(path))
        assert found == value or (found is None and value is None)


@pytest.mark.parametrize("text", ["a..b", ".a", "a[", "a[x]", "a]b", "[0]x"])
def test_paths_without_sense(text):
    with pytest.raises(ValueError, match="not a path"):
        parse_path(text)


@pytest.mark.parametrize(
    ("value", "form", "expected"),
    [
        ("2023-11-14T22:13:20Z", "iso8601", 1_700_000_000 * 10**9),
        ("2023-11-14T22:13:20.123Z", "iso8601", 1_700_000_000_123 * MS),
        ("2023-11-14T22:13:20.123456789Z", "iso8601", 1_700_000_000_123_456_789),
        ("2023-11-14T23:13:20.1234567+01:00", "iso8601", 1_700_000_000_123_456_700),
        ("2023-11-14 22:13:20", "iso8601", 1_700_000_000 * 10**9),
        (1_700_000_000, "unix_s", 1_700_000_000 * 10**9),
        (1_700_000_000.25, "unix_s", 1_700_000_000_250 * MS),
        (1_700_000_000_123, "unix_ms", 1_700_000_000_123 * MS),
        (1_700_000_000_123_456_789, "unix_ns", 1_700_000_000_123_456_789),
    ],
)
def test_times(value, form, expected):
    assert parse_time(value, form) == expected


@given(st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1)))
def test_iso_times_are_exact(stamp):
    ns = (stamp - datetime(1970, 1, 1)) // datetime.resolution * 1000
    assert parse_time(stamp.isoformat() + "Z", "iso8601") == ns


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("soon", "iso8601"),
        (5, "iso8601"),
        (None, "unix_s"),
        ("5", "unix_s"),
        (float("nan"), "unix_ms"),
        (1e40, "unix_s"),
    ],
)
def test_times_without_sense(value, form):
    with pytest.raises(MessageError):
        parse_time(value, form)


def test_null_was_sent_and_missing_was_not():
    tags = MqttMap.model_validate({"protocol": "mqtt", "tags": {n: {"path": n} for n in ("a", "b", "c", "d", "e")}})
    decoded = MessageDecoder(tags).decode(b'{"a": null, "c": true, "d": "text", "e": 1.5}')
    assert decoded.sent.tolist() == [True, False, True, True, True]
    np.testing.assert_array_equal(decoded.raw, [np.nan, np.nan, 1.0, np.nan, 1.5])
    assert decoded.texts == {3: "text"}
