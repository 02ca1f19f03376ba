"""Tag maps: how a device names and encodes the variables of the vocabulary.

A tag map is the part of a catalog that says, for one kind of device, where each variable stands. The
sources read it to decode, the simulator reads the same file to serve: one description, two sides.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

ModbusType = Literal[
    "bool", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64", "string", "bcd16", "bcd32"
]
ModbusTable = Literal["holding", "input", "coil", "discrete"]

#: 16-bit registers each numeric type takes.
REGISTERS: dict[str, int] = {
    "bool": 1,
    "int16": 1,
    "uint16": 1,
    "bcd16": 1,
    "int32": 2,
    "uint32": 2,
    "float32": 2,
    "bcd32": 2,
    "int64": 4,
    "uint64": 4,
    "float64": 4,
}


class _Tag(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    units: str | None = Field(None, description="unit the device sends; the vocabulary's unit if left out")
    scale: float = Field(1.0, description="value = raw * scale + offset, in the device's unit")
    offset: float = Field(0.0, description="see scale")
    states: dict[int, str] | None = Field(None, description="device code to the vocabulary's state name")


class ModbusTag(_Tag):
    """One variable in a Modbus register map."""

    register_: int = Field(alias="register", ge=0, le=65535, description="protocol address, counting from 0")
    table: ModbusTable = Field("holding", description="kind of register")
    type: ModbusType = Field("float32", description="how the value is encoded")
    byte_order: Literal["big", "little"] | None = Field(
        None, description="bytes within a register; the map's if left out"
    )
    word_order: Literal["big", "little"] | None = Field(
        None, description="registers within a value; the map's if left out"
    )
    bit: int | None = Field(None, ge=0, le=15, description="take one bit of a uint16")
    length: int | None = Field(None, ge=1, description="registers of a string")
    writable: bool = Field(False, description="whether it may be written")

    @property
    def registers(self) -> int:
        """Number of 16-bit registers the value takes."""
        return self.length or 1 if self.type == "string" else REGISTERS[self.type]


class ModbusClock(BaseModel):
    """Where a device keeps the time at which it took its values.

    ``unix_ms``: uint64 milliseconds since 1970 UTC; ``unix_s``: uint32 seconds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    register_: int = Field(alias="register", ge=0, le=65535, description="protocol address, counting from 0")
    table: ModbusTable = Field("holding", description="kind of register")
    format: Literal["unix_ms", "unix_s"] = Field(
        "unix_ms", description="unix_ms: uint64 milliseconds since 1970 UTC; unix_s: uint32 seconds"
    )


class ModbusMap(BaseModel):
    """A Modbus register map: defaults and a tag per variable."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    protocol: Literal["modbus"] = Field(description="the driver that the map is for")
    description: str = Field("", description="what kind of device it is of")
    byte_order: Literal["big", "little"] = Field("big", description="bytes within a register")
    word_order: Literal["big", "little"] = Field("big", description="registers within a value")
    max_registers: int = Field(125, ge=1, le=125, description="most registers the device answers at once")
    max_gap: int = Field(16, ge=0, description="unused registers worth reading over to save a request")
    clock: ModbusClock | None = Field(None, description="where the device keeps its own time; ours if left out")
    tags: dict[str, ModbusTag] = Field(description="variable of the vocabulary to where it stands")


class OpcUaTag(_Tag):
    """One variable below a device's folder; ``node`` is a browse path of names separated by ``/``."""

    node: str = Field(description="browse path of names separated by /, below the asset's folder")
    type: Literal["float", "double", "int16", "int32", "int64", "uint16", "uint32", "boolean", "string"] = Field(
        "float", description="type of the node; a written value is sent as one"
    )
    deadband: float = Field(0.0, ge=0.0, description="absolute, in the device's unit")
    writable: bool = Field(False, description="whether it may be written")


class OpcUaMap(BaseModel):
    """OPC UA tags of one kind of device."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    protocol: Literal["opcua"] = Field(description="the driver that the map is for")
    description: str = Field("", description="what kind of device it is of")
    namespace: str | None = Field(None, description="namespace URI of the browse names")
    tags: dict[str, OpcUaTag] = Field(description="variable of the vocabulary to where it stands")


class MqttTag(_Tag):
    """One variable in a JSON message; ``path`` is dotted (``wind.speed[0]``), empty for a bare number."""

    path: str = Field("", description="dotted path in the message, such as wind.speed[0]; empty for a bare number")


class MqttMap(BaseModel):
    """JSON tags of one kind of message. ``time`` is the dotted path of the message's own time stamp."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    protocol: Literal["mqtt"] = Field(description="the driver that the map is for")
    description: str = Field("", description="what kind of device it is of")
    time: str | None = Field(
        None, description="dotted path of the message's own time stamp; the time of arrival if left out"
    )
    time_format: Literal["iso8601", "unix_s", "unix_ms", "unix_ns"] = Field(
        "iso8601", description="how the time stamp is written"
    )
    tags: dict[str, MqttTag] = Field(description="variable of the vocabulary to where it stands")

    @field_validator("time")
    @classmethod
    def _no_empty_path(cls, value: str | None) -> str | None:
        if value == "":
            raise ValueError("the path of the time stamp is empty; leave the key out to use the time of arrival")
        return value


TagMap = ModbusMap | OpcUaMap | MqttMap
