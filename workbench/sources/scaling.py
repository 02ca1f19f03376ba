"""From what a device sends to what the vocabulary means: scale, offset, unit and states, worked out once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench.model.errors import InputError, did_you_mean
from workbench.model.quality import Quality
from workbench.model.samples import SeriesKey, Shape
from workbench.model.tags import ModbusTag, MqttTag, OpcUaTag

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.uint16]
AnyTag = ModbusTag | OpcUaTag | MqttTag

_F4_MOST = float(np.finfo(np.float32).max)
_F8_MOST = float(np.finfo(np.float64).max)


@dataclass(frozen=True)
class _Curve:
    """A unit conversion that is not a straight line (decibels, say), both ways."""

    forward: Callable[[Floats], Floats]
    back: Callable[[Floats], Floats]


class Variables:
    """The variables of a tag map: their shape, and how raw values become theirs.

    Parameters
    ----------
    key
        The series the samples belong to.
    tags
        Variable name to tag.
    where
        Prefix of messages, such as the name of the entry.

    Raises
    ------
    InputError
        A unit cannot be converted to the vocabulary's, or a state is not one of the variable's.
    """

    def __init__(self, key: SeriesKey, tags: Mapping[str, AnyTag], where: str = "") -> None:
        from workbench.model.vocabulary import vocabulary

        words = vocabulary()
        self.names = tuple(tags)
        self.index = {name: i for i, name in enumerate(self.names)}
        self.shape = Shape(key, self.names, tuple(words.dtype(name) for name in self.names))
        n = len(self.names)
        self._tags = [tags[name] for name in self.names]
        self._factor = np.ones(n)
        self._shift = np.zeros(n)
        self._curves: dict[int, _Curve] = {}
        self._states: dict[int, dict[int, float]] = {}
        self.textual = np.zeros(n, dtype=bool)  #: [v] those whose text is not a number gone wrong
        self.state_names: dict[int, dict[str, int]] = {}  #: index → state name → vocabulary code
        self._most = np.array([_F4_MOST if kind == "f4" else _F8_MOST for kind in self.shape.dtypes])
        for i, name in enumerate(self.names):
            tag, term = self._tags[i], words.get(name)
            place = f"{where}.tags.{name}" if where else f"tags.{name}"
            target = None if term is None else term.units
            factor, shift, curve = _affine(tag.units, target, place)
            if curve is not None:
                self._curves[i] = curve
            self._factor[i] = factor * tag.scale
            self._shift[i] = factor * tag.offset + shift
            known = {} if term is None or term.states is None else term.states
            if known:
                self.state_names[i] = dict(known)
            if tag.states is not None:
                self._states[i] = _state_table(tag.states, known, place)
            string = getattr(tag, "type", "") == "string"
            self.textual[i] = not known and (string or (term is None and tag.units is None))
        self._plain = bool(np.all(self._factor == 1.0) and np.all(self._shift == 0.0))

    def __len__(self) -> int:
        return len(self.names)

    def scale(
        self, raw: Floats, flags: Flags | None = None, sent: npt.NDArray[np.bool_] | None = None
    ) -> tuple[Floats, Flags | None]:
        """Values in the vocabulary's units and codes, and their quality.

        Parameters
        ----------
        raw
            What the device sent, [..., len(self)], NaN where it sent nothing or no number.
        flags
            Quality known so far, of the same shape, or None for all good.
        sent
            Where something was sent; None for everywhere. What was sent but is no number that the variable
            can hold (NaN, infinity, a code without a meaning) becomes NaN, flagged INVALID.

        Returns
        -------
        values, quality
            Both of the shape of ``raw``; quality is None where every value is good.
        """
        values = raw if self._plain else raw * self._factor + self._shift
        if self._plain and (self._states or self._curves):
            values = raw.copy()
        for i, table in self._states.items():
            codes = np.atleast_1d(raw[..., i]).tolist()
            values[..., i] = np.reshape([table.get(code, np.nan) for code in codes], raw.shape[:-1])
        for i, curve in self._curves.items():
            values[..., i] = curve.forward(np.atleast_1d(values[..., i])).reshape(raw.shape[:-1])
        # A comparison with NaN is false, so this one line finds NaN, infinities and what overflows float32.
        invalid = ~(np.abs(values) <= self._most)
        if sent is not None:
            invalid &= sent
        if invalid.any():
            values = np.where(invalid, np.nan, values)
            more = invalid.astype(np.uint16) * np.uint16(Quality.INVALID)
            # What the source itself calls bad needs no second reason for being no number.
            flags = more if flags is None else np.where(flags & np.uint16(Quality.BAD), flags, flags | more)
        if flags is not None and not flags.any():
            flags = None
        return values, flags

    def raw(self, name: str, value: float | bool | str) -> float:
        """What to send to a device so that variable ``name`` becomes ``value``: the inverse of :meth:`scale`.

        Raises
        ------
        ValueError
            The variable is unknown, or ``value`` is no state of it, or no number.
        """
        if name not in self.index:
            hint = did_you_mean(name, self.names)
            raise ValueError(f"no variable {name!r}" + (f", {hint}" if hint else ""))
        i = self.index[name]
        if isinstance(value, str):
            if i not in self.state_names or value not in self.state_names[i]:
                known = ", ".join(self.state_names.get(i, {})) or "a number"
                raise ValueError(f"{value!r} is not a state of {name!r} (expected {known})")
            value = float(self.state_names[i][value])
        if i in self._states:
            for code, meaning in self._states[i].items():
                if meaning == float(value):
                    return float(code)
            raise ValueError(f"the device has no code for {name} = {value}")
        number = np.array([float(value)])
        if not np.isfinite(number[0]):
            raise ValueError(f"{name} = {value} is no number")
        if i in self._curves:
            number = self._curves[i].back(number)
        return float((number[0] - self._shift[i]) / self._factor[i])

    def writable(self, name: str) -> bool:
        """Whether the tag map allows to write variable ``name``."""
        return name in self.index and bool(getattr(self._tags[self.index[name]], "writable", False))


def _affine(unit: str | None, target: str | None, place: str) -> tuple[float, float, _Curve | None]:
    """``(a, b, None)`` with target = a·unit + b, or ``(1, 0, curve)`` where it is not a straight line."""
    if unit is None or not target or unit == target:
        return 1.0, 0.0, None
    from workbench.model.units import convert

    def change(values: Floats, source: str, to: str) -> Floats:
        return np.asarray(convert(values, source, to), dtype=np.float64)

    try:
        # A wide base keeps the rounding of an offset unit (°F) out of the factor.
        zero, one, middle, wide = change(np.array([0.0, 1.0, 500.0, 1e6]), unit, target)
    except InputError as error:
        raise InputError(
            error.message, where=f"{place}.units", found=unit, expected=f"a unit that converts to {target!r}"
        ) from error
    factor = float((wide - zero) / 1e6)
    if np.allclose([one, middle], [zero + factor, zero + 500.0 * factor], rtol=1e-9, atol=1e-9 * abs(factor)):
        return (float(one), 0.0, None) if zero == 0.0 else (factor, float(zero), None)
    return 1.0, 0.0, _Curve(lambda v: change(v, unit, target), lambda v: change(v, target, unit))


def _state_table(states: Mapping[int, str], known: Mapping[str, int], place: str) -> dict[int, float]:
    table: dict[int, float] = {}
    for code, name in states.items():
        if name not in known:
            raise InputError(
                "not a state of this variable",
                where=f"{place}.states.{code}",
                found=name,
                expected=", ".join(known) or "no states: the vocabulary gives this variable none",
                hint=did_you_mean(name, known),
            )
        table[code] = float(known[name])
    return table
