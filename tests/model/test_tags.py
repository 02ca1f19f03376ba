"""Tag maps: what is allowed in them and what is not."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from workbench.model.tags import REGISTERS, ModbusMap, ModbusTag, MqttMap, OpcUaMap, TagMap


def test_a_modbus_map():
    read = ModbusMap.model_validate(
        {
            "protocol": "modbus",
            "word_order": "little",
            "clock": {"register": 0},
            "tags": {
                "power_output": {"register": 100, "type": "int32", "scale": 0.1, "units": "kW"},
                "turbine_status": {"register": 102, "type": "uint16", "states": {1: "generating"}},
            },
        }
    )
    assert read.tags["power_output"].registers == 2
    assert read.tags["power_output"].scale == 0.1
    assert read.tags["turbine_status"].states == {1: "generating"}
    assert read.clock is not None
    assert read.clock.format == "unix_ms"
    assert read.max_registers == 125


@pytest.mark.parametrize(("kind", "registers"), sorted(REGISTERS.items()))
def test_registers_by_type(kind, registers):
    assert ModbusTag.model_validate({"register": 0, "type": kind}).registers == registers


def test_registers_of_a_string_are_its_length():
    assert ModbusTag.model_validate({"register": 0, "type": "string", "length": 8}).registers == 8


@pytest.mark.parametrize(
    "tag",
    [
        {"register": -1},
        {"register": 65536},
        {"register": 0, "type": "float16"},
        {"register": 0, "bit": 16},
        {"register": 0, "regster": 1},
        {"type": "uint16"},
    ],
)
def test_a_wrong_modbus_tag_is_refused(tag):
    with pytest.raises(ValidationError):
        ModbusTag.model_validate(tag)


def test_a_device_answers_at_most_125_registers():
    with pytest.raises(ValidationError):
        ModbusMap.model_validate({"protocol": "modbus", "max_registers": 126, "tags": {}})


def test_opcua_and_mqtt_maps():
    opcua = OpcUaMap.model_validate(
        {"protocol": "opcua", "tags": {"wind_speed": {"node": "Nacelle/WindSpd", "deadband": 0.1}}}
    )
    assert opcua.tags["wind_speed"].type == "float"
    mqtt = MqttMap.model_validate({"protocol": "mqtt", "time": "ts", "tags": {"wind_speed": {"path": "wind.speed[0]"}}})
    assert mqtt.time_format == "iso8601"
    with pytest.raises(ValidationError, match="path of the time stamp is empty"):
        MqttMap.model_validate({"protocol": "mqtt", "time": "", "tags": {}})


@pytest.mark.parametrize(("protocol", "expected"), [("modbus", ModbusMap), ("opcua", OpcUaMap), ("mqtt", MqttMap)])
def test_the_protocol_says_which_map_it_is(protocol, expected):
    assert isinstance(TypeAdapter(TagMap).validate_python({"protocol": protocol, "tags": {}}), expected)
