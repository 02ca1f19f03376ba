"""From the vocabulary's number to a device's number and back.

A tag map tells a reader how to decode a device. Here stands the inverse, for the simulator: each tag
becomes a :class:`Channel` that turns a value in the vocabulary's unit into the raw number the device holds,
and tells what a reader of that raw number will see: scaled, rounded, saturated and cut to float32 as the
wire demands. The simulator writes down what is seen, so that the truth compares exactly with what is read.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from workbench.model.errors import InputError, did_you_mean
from workbench.model.tags import ModbusTag, MqttTag, OpcUaTag

#: Smallest and largest raw number of each integer type.
LIMITS: dict[str, tuple[int, int]] = {
    "int16": (-(2**15), 2**15 - 1),
    "uint16": (0, 2**16 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint64": (0, 2**64 - 1),
    "bcd16": (0, 9_999),
    "bcd32": (0, 99_999_999),
    "bool": (0, 1),
    "boolean": (0, 1),
}

_FLOATS = {"float32": "single", "float": "single", "float64": "double", "double": "double"}

#: Decimals a JSON device gives its readings with.
JSON_DECIMALS = 4

_SINGLE = struct.Struct("<f")


@dataclass(slots=True)
class Channel:
    """How one variable stands in one kind of device.

    ``to_device`` is factor and shift from the vocabulary's unit to the device's, ``to_vocabulary`` back.
    """

    variable: str
    kind: str  #: ``single``, ``double``, ``json``, or a key of :data:`LIMITS`
    to_device: tuple[float, float] = (1.0, 0.0)
    to_vocabulary: tuple[float, float] = (1.0, 0.0)
    scale: float = 1.0
    offset: float = 0.0
    device_codes: dict[int, int] = field(default_factory=dict)  #: vocabulary's code to the device's
    vocabulary_codes: dict[int, int] = field(default_factory=dict)  #: and back

    @property
    def integer(self) -> bool:
        """Whether the device holds an integer, which cannot say "no value"."""
        return self.kind in LIMITS

    def raw(self, value: float) -> int | float | None:
        """The number the device holds for ``value`` [vocabulary's unit]; None where there is none to hold.

        Integers are rounded to the nearest and saturate at the limits of their type, as transmitters do.
        """
        if math.isnan(value):
            return None if self.integer else math.nan
        if self.device_codes:
            code = self.device_codes.get(round(value))
            return code if code is None or self.integer else float(code)
        factor, shift = self.to_device
        number = (value * factor + shift - self.offset) / self.scale
        limits = LIMITS.get(self.kind)
        if limits is not None:
            return min(max(round(number), limits[0]), limits[1]) if math.isfinite(number) else None
        if self.kind == "single":
            return _to_single(number)
        return round(number, JSON_DECIMALS) if self.kind == "json" else number

    def seen(self, raw: int | float | None) -> float:
        """What a reader makes of ``raw`` [vocabulary's unit]; NaN where there is nothing to read."""
        if raw is None or raw != raw:
            return math.nan
        if self.vocabulary_codes:
            return float(self.vocabulary_codes.get(int(raw), math.nan))
        # scale and unit folded into one line first, as readers do it: the same rounding to the last bit
        factor, shift = self.to_vocabulary
        value = float(raw) * (factor * self.scale) + (factor * self.offset + shift)
        return value if math.isfinite(value) else math.nan


def _to_single(number: float) -> float:
    """``number`` as float32 holds it; beyond its range, infinity."""
    try:
        return float(_SINGLE.unpack(_SINGLE.pack(number))[0])
    except OverflowError:
        return math.copysign(math.inf, number)


def channel(variable: str, tag: ModbusTag | OpcUaTag | MqttTag) -> Channel:
    """The channel of ``tag`` for the vocabulary's ``variable``.

    Raises
    ------
    InputError
        Where the type cannot carry a number, or the tag names a state the vocabulary has not.
    """
    kind = "json" if isinstance(tag, MqttTag) else _FLOATS.get(tag.type, tag.type)
    if kind == "string":
        raise InputError(
            "a text register cannot carry a variable",
            where=f"tags.{variable}.type",
            found=kind,
            expected="a number: " + ", ".join([*LIMITS, *_FLOATS]),
        )
    if tag.scale == 0:
        raise InputError("a scale of zero has no inverse", where=f"tags.{variable}.scale", found=0)
    if tag.states:
        device, vocabulary = _codes(variable, tag.states)
        return Channel(variable, kind, device_codes=device, vocabulary_codes=vocabulary)
    there, back = _conversion(variable, tag.units)
    return Channel(variable, kind, there, back, tag.scale, tag.offset)


def _codes(variable: str, states: Mapping[int, str]) -> tuple[dict[int, int], dict[int, int]]:
    from workbench.model.vocabulary import vocabulary

    term = vocabulary().get(variable)
    known = dict(term.states or {}) if term is not None else {}
    to_device: dict[int, int] = {}
    to_vocabulary: dict[int, int] = {}
    for code, name in states.items():
        if name not in known:
            raise InputError(
                f"no such state of {variable}",
                where=f"tags.{variable}.states.{code}",
                found=name,
                expected=", ".join(known) or "a variable with states",
                hint=did_you_mean(name, known),
            )
        # several device codes may mean one state: the first is the one the simulator sends
        to_device.setdefault(known[name], code)
        to_vocabulary[code] = known[name]
    return to_device, to_vocabulary


def _conversion(variable: str, device: str | None) -> tuple[tuple[float, float], tuple[float, float]]:
    """Factor and shift from the vocabulary's unit to ``device``, and back."""
    identity = (1.0, 0.0)
    if device is None:
        return identity, identity
    from workbench.model.units import convert
    from workbench.model.vocabulary import vocabulary

    term = vocabulary().get(variable)
    if term is None or term.units == device:
        return identity, identity

    def line(start: str, end: str) -> tuple[float, float]:
        # a wide base keeps the rounding of an offset unit (°F) out of the factor
        zero, one, wide = np.asarray(convert(np.array([0.0, 1.0, 1e6]), start, end), dtype=float)
        return (float(one), 0.0) if zero == 0.0 else (float(wide - zero) / 1e6, float(zero))

    return line(term.units, device), line(device, term.units)
