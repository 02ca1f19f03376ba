"""Encoders: what goes on the wire reads back as what they promise, whatever type and byte order."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.model.errors import InputError
from workbench.model.quality import Quality
from workbench.model.tags import REGISTERS, ModbusMap, MqttMap, OpcUaMap
from workbench.simulate.servers.channels import LIMITS
from workbench.simulate.servers.encode import (
    BAD_NO_DATA,
    BAD_SENSOR,
    ModbusEncoder,
    MqttEncoder,
    OpcUaEncoder,
    parse_path,
)

T = 1_700_000_000 * 10**9
INTEGERS = ["int16", "uint16", "int32", "uint32", "int64", "uint64", "bcd16", "bcd32"]
FLOATS = ["float32", "float64"]
ORDERS = st.sampled_from(["big", "little"])


def modbus(tags: dict, **defaults: object) -> ModbusMap:
    return ModbusMap.model_validate({"protocol": "modbus", "tags": tags, **defaults})


def read_registers(registers: list[int], kind: str, byte_order: str, word_order: str) -> float:
    """An independent reader: bytes in the order of the standard, then unpacked big-endian."""
    words = [struct.pack(">H", register) for register in registers]
    if byte_order == "little":
        words = [word[::-1] for word in words]
    if word_order == "little":
        words = words[::-1]
    data = b"".join(words)
    if kind.startswith("bcd"):
        return int(data.hex())
    return (
        struct.unpack(">" + {"float32": "f", "float64": "d"}.get(kind, ""), data)[0]
        if kind in FLOATS
        else int.from_bytes(data, "big", signed=kind.startswith("int"))
    )


@given(
    kind=st.sampled_from(INTEGERS),
    byte_order=ORDERS,
    word_order=ORDERS,
    value=st.floats(-1e6, 1e6),
    scale=st.sampled_from([1.0, 0.1, 0.01, 10.0, 1 / 3]),
    offset=st.sampled_from([0.0, -40.0, 273.15]),
)
def test_integers_scale_round_and_saturate(kind, byte_order, word_order, value, scale, offset):
    tag = {
        "register": 3,
        "type": kind,
        "scale": scale,
        "offset": offset,
        "byte_order": byte_order,
        "word_order": word_order,
    }
    encoder = ModbusEncoder(modbus({"x": tag}), ["x"])
    tables, seen = encoder.encode(np.array([value]), T)
    assert encoder.blocks == {"holding": (3, REGISTERS[kind])}
    raw = read_registers(tables["holding"], kind, byte_order, word_order)
    low, high = LIMITS[kind]
    assert low <= raw <= high
    assert seen[0] == pytest.approx(raw * scale + offset, rel=1e-12, abs=1e-12)
    if low < raw < high:
        assert abs(seen[0] - value) <= scale / 2 * (1 + 1e-9) + abs(value) * 1e-12
    else:
        assert raw in (low, high) or abs(seen[0] - value) <= scale


@given(kind=st.sampled_from(FLOATS), byte_order=ORDERS, word_order=ORDERS, value=st.floats(allow_nan=True, width=32))
def test_floats_read_back_to_the_bit(kind, byte_order, word_order, value):
    tag = {"register": 0, "type": kind, "byte_order": byte_order, "word_order": word_order}
    tables, seen = ModbusEncoder(modbus({"x": tag}), ["x"]).encode(np.array([value]), T)
    raw = read_registers(tables["holding"], kind, byte_order, word_order)
    assert raw == value or (math.isnan(raw) and math.isnan(value))
    # infinity is no number: readers take it as missing
    assert (seen[0] == value) if math.isfinite(value) else math.isnan(seen[0])


@given(value=st.floats(-1e30, 1e30))
def test_a_double_is_seen_as_float32_where_the_register_is_one(value):
    _, seen = ModbusEncoder(modbus({"x": {"register": 0}}), ["x"]).encode(np.array([value]), T)
    assert seen[0] == np.float64(np.float32(value))


def test_word_swapped_float_as_vendors_document_it():
    # 123.456 = 0x42F6E979: "CDAB" order sends E979 first
    tables, _ = ModbusEncoder(modbus({"x": {"register": 0}}, word_order="little"), ["x"]).encode(np.array([123.456]), T)
    assert tables["holding"] == [0xE979, 0x42F6]


def test_clock_and_values_stand_in_one_image():
    tags = {"a": {"register": 10, "type": "int16"}, "b": {"register": 14, "type": "uint32"}}
    encoder = ModbusEncoder(modbus(tags, clock={"register": 4}), ["b", "a"])
    tables, seen = encoder.encode(np.array([70000.0, -5.0]), T)
    image = tables["holding"]
    assert encoder.blocks["holding"] == (4, 12)
    assert read_registers(image[0:4], "uint64", "big", "big") == T // 10**6
    assert read_registers(image[6:7], "int16", "big", "big") == -5
    assert read_registers(image[10:12], "uint32", "big", "big") == 70000
    assert seen.tolist() == [-5.0, 70000.0]


def test_clock_in_seconds_follows_the_word_order():
    clock = {"register": 0, "format": "unix_s", "table": "input"}
    tables, _ = ModbusEncoder(
        modbus({"a": {"register": 5, "table": "input"}}, clock=clock, word_order="little"), ["a"]
    ).encode(np.array([1.0]), T)
    assert read_registers(tables["input"][:2], "uint32", "big", "little") == T // 10**9


def test_bits_share_a_register():
    tags = {name: {"register": 7, "type": "uint16", "bit": bit} for name, bit in [("a", 0), ("b", 3), ("c", 15)]}
    tables, seen = ModbusEncoder(modbus(tags), ["a", "b", "c"]).encode(np.array([1.0, 0.0, 1.0]), T)
    assert tables["holding"] == [0x8001]
    assert seen.tolist() == [1.0, 0.0, 1.0]


def test_an_integer_register_keeps_its_value_where_there_is_none():
    encoder = ModbusEncoder(modbus({"x": {"register": 0, "type": "int16", "scale": 0.1}}), ["x"])
    encoder.encode(np.array([12.3]), T)
    tables, seen = encoder.encode(np.array([np.nan]), T)
    assert tables["holding"] == [123]
    assert seen[0] == pytest.approx(12.3)


def test_maps_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="share register 1"):
        ModbusEncoder(modbus({"a": {"register": 0}, "b": {"register": 1, "type": "int16"}}), ["a", "b"])
    with pytest.raises(InputError, match="no such variable"):
        ModbusEncoder(modbus({"a": {"register": 0}}), ["b"])
    with pytest.raises(InputError, match="text register"):
        ModbusEncoder(modbus({"a": {"register": 0, "type": "string", "length": 4}}), ["a"])
    with pytest.raises(InputError, match="zero"):
        ModbusEncoder(modbus({"a": {"register": 0, "scale": 0.0}}), ["a"])


def opcua(tags: dict) -> OpcUaMap:
    return OpcUaMap.model_validate({"protocol": "opcua", "tags": tags})


def test_opcua_values_carry_the_quality():
    tags = {
        name: {"node": name, "type": kind}
        for name, kind in [("f", "float"), ("d", "double"), ("i", "int32"), ("b", "boolean")]
    }
    encoder = OpcUaEncoder(opcua(tags), ["f", "d", "i", "b"])
    values, seen = encoder.encode(np.array([0.1, 0.1, 2.6, 1.0]))
    assert [value.status for value in values] == [0, 0, 0, 0]
    assert seen.tolist() == [np.float64(np.float32(0.1)), 0.1, 3.0, 1.0]
    assert values[3].raw is True

    flags = np.array([Quality.BAD, Quality.UNCERTAIN, 0, 0], dtype=np.uint16)
    values, seen = encoder.encode(np.array([0.1, 0.1, np.nan, 0.0]), flags)
    assert values[0].raw is None
    assert values[0].status == BAD_SENSOR
    assert values[1].raw == 0.1
    assert values[1].status >> 30 == 1  # severity: uncertain
    assert values[2].raw is None
    assert values[2].status == BAD_NO_DATA
    assert np.isnan(seen[[0, 2]]).all()


def mqtt(tags: dict, **more: object) -> MqttMap:
    return MqttMap.model_validate({"protocol": "mqtt", "tags": tags, **more})


def test_messages_nest_by_path():
    tags = {
        "a": {"path": "wind.speed[1]"},
        "b": {"path": "wind.speed[0]"},
        "c": {"path": "air.temperature"},
        "d": {"path": "x"},
    }
    message, seen = MqttEncoder(mqtt(tags, time="meta.time"), ["a", "b", "c", "d"]).encode(
        np.array([1.23456789, 2.0, np.nan, 4.0]), T + 5 * 10**6
    )
    assert message == {
        "meta": {"time": "2023-11-14T22:13:20.005Z"},
        "wind": {"speed": [2.0, 1.2346]},
        "air": {"temperature": None},
        "x": 4.0,
    }
    assert seen[0] == 1.2346
    assert np.isnan(seen[2])


@pytest.mark.parametrize(("form", "stamp"), [("unix_s", T // 10**9), ("unix_ms", T // 10**6), ("unix_ns", T)])
def test_message_time_formats(form, stamp):
    message, _ = MqttEncoder(mqtt({"a": {"path": "a"}}, time="t", time_format=form), ["a"]).encode(np.array([1.0]), T)
    assert message["t"] == stamp


def test_a_bare_number_is_the_whole_message():
    message, seen = MqttEncoder(mqtt({"a": {}}), ["a"]).encode(np.array([3.25]), T)
    assert message == 3.25
    assert seen.tolist() == [3.25]
    with pytest.raises(InputError, match="bare number"):
        MqttEncoder(mqtt({"a": {}, "b": {"path": "b"}}), ["a", "b"])


def test_paths():
    assert parse_path("wind.speed[0].mean") == ("wind", "speed", 0, "mean")
    assert parse_path("") == ()
