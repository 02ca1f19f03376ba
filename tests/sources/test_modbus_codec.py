"""Decoding against struct, one value at a time; writing is its inverse."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.model.errors import InputError
from workbench.model.tags import REGISTERS, ModbusMap
from workbench.sources.modbus_codec import ModbusCodec

FORMATS = {
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float32": "f",
    "float64": "d",
}
orders = st.sampled_from(["big", "little"])


def wire(layout: str, value: float, byte_order: str, word_order: str) -> bytes:
    """The bytes of the registers as they come over the line."""
    data = struct.pack(">" + layout, value)
    words = [data[i : i + 2] for i in range(0, len(data), 2)]
    if word_order == "little":
        words.reverse()
    return b"".join(word if byte_order == "big" else word[::-1] for word in words)


def answer(codec: ModbusCodec, memory: dict[int, bytes], **tables: bytes) -> np.ndarray:
    image = codec.image()
    for read in codec.reads:
        payload = tables.get(read.table) or b"".join(
            memory.get(register, b"\0\0") for register in range(read.start, read.end)
        )
        codec.store(image, read, payload)
    return image


def put(memory: dict[int, bytes], register: int, data: bytes) -> None:
    for i in range(0, len(data), 2):
        memory[register + i // 2] = data[i : i + 2]


@st.composite
def maps(draw):
    """A register map with a value for each tag."""
    tags, memory, expected = {}, {}, []
    register = draw(st.integers(0, 50))
    default = draw(orders), draw(orders)
    for n in range(draw(st.integers(1, 25))):
        kind = draw(st.sampled_from(list(FORMATS)))
        byte_order, word_order = draw(st.none() | orders), draw(st.none() | orders)
        if kind.startswith("float"):
            value = draw(st.floats(width=32 if kind == "float32" else 64))
        else:
            bits = int(kind.lstrip("uint"))
            low = 0 if kind.startswith("u") else -(2 ** (bits - 1))
            value = draw(st.integers(low, low + 2**bits - 1))
        register += draw(st.integers(0, 3))
        tags[f"v{n}"] = {"register": register, "type": kind, "byte_order": byte_order, "word_order": word_order}
        put(memory, register, wire(FORMATS[kind], value, byte_order or default[0], word_order or default[1]))
        expected.append(float(value))
        register += REGISTERS[kind]
    made = {
        "protocol": "modbus",
        "byte_order": default[0],
        "word_order": default[1],
        "max_registers": draw(st.integers(4, 125)),
        "tags": tags,
    }
    return ModbusMap.model_validate(made), memory, expected


@given(maps())
def test_decodes_what_struct_packs(case):
    tags, memory, expected = case
    codec = ModbusCodec(tags)
    np.testing.assert_array_equal(codec.decode(answer(codec, memory)), expected)


@given(maps())
def test_encoding_is_the_inverse(case):
    tags, memory, expected = case
    codec = ModbusCodec(tags)
    for (name, tag), value in zip(tags.tags.items(), expected, strict=True):
        if not math.isfinite(value) or abs(value) > 2**53 or (tag.type == "float32" and abs(value) > 3e38):
            continue
        registers = [int.from_bytes(memory[tag.register_ + i], "big") for i in range(tag.registers)]
        assert codec.encode(name, value) == registers


def test_bits_booleans_bcd_and_text():
    tags = ModbusMap.model_validate(
        {
            "protocol": "modbus",
            "tags": {
                "flag": {"register": 0, "type": "uint16", "bit": 3},
                "other": {"register": 0, "bit": 4},
                "on": {"register": 1, "type": "bool"},
                "four": {"register": 2, "type": "bcd16"},
                "eight": {"register": 3, "type": "bcd32"},
                "broken": {"register": 5, "type": "bcd16"},
                "serial": {"register": 6, "type": "string", "length": 4},
                "coil": {"register": 9, "table": "coil", "type": "bool"},
                "contact": {"register": 2, "table": "discrete"},
            },
        }
    )
    codec = ModbusCodec(tags)
    memory: dict[int, bytes] = {}
    put(memory, 0, struct.pack(">HHHHHH", 0b1000, 7, 0x1234, 0x1234, 0x5678, 0x12A4) + b"AB-12\0zz")
    image = answer(codec, memory, coil=b"\x01", discrete=b"\x00")
    values = dict(zip(tags.tags, codec.decode(image).tolist(), strict=True))
    assert math.isnan(values.pop("broken"))
    assert math.isnan(values.pop("serial"))
    assert values == {"flag": 1, "other": 0, "on": 1, "four": 1234, "eight": 12345678, "coil": 1, "contact": 0}
    assert codec.texts(image) == {6: "AB-12"}
    assert codec.sent is not None
    assert not codec.sent[6]
    assert codec.encode("four", 987) == [0x0987]
    assert codec.encode("coil", 1) == [1]
    for name, value in (("four", 10_000), ("on", 2), ("flag", 1), ("serial", 1)):
        with pytest.raises(ValueError, match=name):
            codec.encode(name, value)


@pytest.mark.parametrize(
    ("form", "layout", "ticks", "expected"),
    [
        ("unix_ms", "Q", 1_700_000_000_123, 1_700_000_000_123_000_000),
        ("unix_s", "I", 1_700_000_000, 1_700_000_000 * 10**9),
    ],
)
@pytest.mark.parametrize("word_order", ["big", "little"])
def test_clock_comes_in_the_first_read(form, layout, ticks, expected, word_order):
    tags = ModbusMap.model_validate(
        {
            "protocol": "modbus",
            "word_order": word_order,
            "clock": {"register": 900, "format": form},
            "tags": {"a": {"register": 0}, "b": {"register": 500}},
        }
    )
    codec = ModbusCodec(tags)
    assert codec.clock in codec.reads[0].spans
    data = wire(layout, ticks, "big", word_order)
    memory: dict[int, bytes] = {}
    put(memory, 900, data)
    assert codec.time(answer(codec, memory)) == expected
    assert codec.time_of(data) == expected


def test_an_answer_of_the_wrong_length_is_not_taken():
    codec = ModbusCodec(ModbusMap.model_validate({"protocol": "modbus", "tags": {"a": {"register": 0}}}))
    with pytest.raises(ValueError, match="answer of 2 bytes"):
        codec.store(codec.image(), codec.reads[0], b"\0\0")


@pytest.mark.parametrize(
    "tag",
    [
        {"register": 0, "table": "coil", "type": "int16"},
        {"register": 0, "type": "int32", "bit": 1},
        {"register": 65535, "type": "float32"},
        {"register": 0, "type": "string", "length": 9},
    ],
)
def test_combinations_without_sense_name_their_place(tag):
    tags = ModbusMap.model_validate({"protocol": "modbus", "max_registers": 8, "tags": {"wind_speed": tag}})
    with pytest.raises(InputError, match=r"site\.entry\.tags\.wind_speed"):
        ModbusCodec(tags, "site.entry")
