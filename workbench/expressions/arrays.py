"""Expressions over arrays: xarray or numpy, lazy where those are.

A condition is worked out as what is *true* and what is *false*; what is neither is unknown. So the usual
question (where is it true?) costs what it costs by hand.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from workbench.expressions.check import Checker, Kind
from workbench.expressions.nodes import (
    COMPARISONS,
    Among,
    AsTime,
    Binary,
    Call,
    Default,
    Holds,
    Length,
    Missing,
    Moment,
    Name,
    Negative,
    Node,
    Not,
    Now,
    Number,
    Scaled,
    Text,
    Truth,
    whole_day,
)
from workbench.expressions.times import DAY, SECOND, between_all, days, in_ns, moved_all, read_times

_MOMENT, _NUMBER, _OBJECT = np.dtype("datetime64[ns]"), np.dtype(np.float64), np.dtype(object)
_CONTRARY = {"<": ">=", ">": "<=", "<=": ">", ">=": "<"}


class Arrays:
    """Works out the parts of one expression.

    Parameters
    ----------
    lookup
        A field's array, numpy or an xarray Variable: all are of one Dataset, and align.
    checker
        Knows the kinds of the fields.
    now
        [ns since 1970 UTC]
    holds
        Kleene value (0, 1, 2 for unknown) of ``FOR`` from that of its condition.
    """

    def __init__(
        self, lookup: Callable[[str], Any], checker: Checker, now: int, holds: Callable[[Any, int], Any]
    ) -> None:
        self._lookup, self._checker, self._now, self._holds = lookup, checker, now, holds
        self._parts: dict[tuple[int, bool], Any] = {}
        self._held_by: dict[int, Any] = {}

    def kind(self, node: Node) -> Kind:
        """What a checked node gives."""
        return self._checker.check(node)[1] if not isinstance(node, Scaled) else self._checker.check(node.of)[1]

    # -- conditions -----------------------------------------------------------------------------------

    def true(self, node: Node) -> Any:
        """Where a condition is true."""
        return self._part(node, True)

    def false(self, node: Node) -> Any:
        """Where a condition is false."""
        return self._part(node, False)

    def _part(self, node: Node, wanted: bool) -> Any:
        key = id(node), wanted
        if key not in self._parts:
            self._parts[key] = self._worked_out(node, wanted)
        return self._parts[key]

    def _worked_out(self, node: Node, wanted: bool) -> Any:
        if isinstance(node, Truth):
            return np.bool_(node.value is wanted)
        if isinstance(node, Default):
            return np.bool_(wanted)
        if isinstance(node, Missing):
            return np.bool_(False)
        if isinstance(node, Not):
            return self._part(node.of, not wanted)
        if isinstance(node, Name):
            return _known(self._lookup(node.name), wanted)
        if isinstance(node, Holds):
            return self._held(node) == (1 if wanted else 0)
        if isinstance(node, Among):
            found = [self._compared("=", node.of, each, wanted) for each in node.values]
            return _joined(found, either=wanted)
        if isinstance(node, Call):
            return self._chosen(node, wanted)
        if isinstance(node, Binary) and node.op in COMPARISONS:
            return self._compared(node.op, node.left, node.right, wanted)
        if isinstance(node, Binary) and node.op in ("AND", "OR"):
            parts = [self._part(node.left, wanted), self._part(node.right, wanted)]
            return _joined(parts, either=(node.op == "OR") is wanted)
        raise TypeError(type(node).__name__)

    def _held(self, node: Holds) -> Any:
        if id(node) not in self._held_by:
            true, false = self.true(node.of), self.false(node.of)
            state = true.astype(np.int8) + (~(true | false)).astype(np.int8) * np.int8(2)
            self._held_by[id(node)] = self._holds(state, node.length)
        return self._held_by[id(node)]

    def _chosen(self, node: Call, wanted: bool) -> Any:
        if node.name == "IF":
            then = self.true(node.args[0]) & self._part(node.args[1], wanted)
            if len(node.args) < 3:
                return then
            return then | (self.false(node.args[0]) & self._part(node.args[2], wanted))
        found: Any = np.bool_(False)
        open_: Any = np.bool_(True)  # where nothing before it is known
        for each in node.args:
            found = found | (open_ & self._part(each, wanted))
            open_ = open_ & ~(self.true(each) | self.false(each))
        return found

    def _compared(self, op: str, left: Node, right: Node, wanted: bool) -> Any:
        kinds = {self.kind(left).what, self.kind(right).what} - {"any"}
        if not kinds or isinstance(left, Missing) or isinstance(right, Missing):
            return self._nowhere(left, right)
        what = "truth" if "truth" in kinds else kinds.pop()
        if what == "truth":
            same = wanted is (op == "=")
            both = [self.true(left), self.true(right)], [self.false(left), self.false(right)]
            if same:
                return (both[0][0] & both[0][1]) | (both[1][0] & both[1][1])
            return (both[0][0] & both[1][1]) | (both[1][0] & both[0][1])
        if what == "number":
            a, b = self.number(left), self.number(right)
        elif what == "time":
            a, b = self._times(left, right)
        else:
            return _texts(op, self._texts(left), self._texts(right), wanted)
        if op in ("=", "!="):
            return a == b if wanted is (op == "=") else (a < b) | (a > b)
        return _ordered(op if wanted else _CONTRARY[op], a, b)

    def _nowhere(self, *nodes: Node) -> Any:
        found: Any = np.bool_(False)
        for node in nodes:
            if isinstance(node, Name):
                found = found & (self._lookup(node.name) != self._lookup(node.name))
        return found

    def _times(self, left: Node, right: Node) -> tuple[Any, Any]:
        """Both sides, NaT where missing; a whole day is compared with whole days."""
        a, b = self.moment(left), self.moment(right)
        if whole_day(left) or whole_day(right):
            a, b = (_each(days, _MOMENT, each) for each in (a, b))
        return a, b

    # -- values ---------------------------------------------------------------------------------------

    def moment(self, node: Node) -> Any:
        """A time; datetime64[ns], NaT where it is missing."""
        if isinstance(node, Moment):
            return np.datetime64(node.value, "ns")
        if isinstance(node, Now):
            return np.datetime64(self._now - (self._now % DAY if node.day else 0), "ns")
        if isinstance(node, AsTime):
            return _each(read_times, _MOMENT, self._texts(node.of))
        if isinstance(node, Binary):
            time, other = node.left, node.right
            if self.kind(time).what != "time":
                time, other = other, time
            seconds = self.number(other)
            return _each(moved_all, _MOMENT, self.moment(time), -seconds if node.op == "-" else seconds)
        found = self._value(node, self.moment, np.datetime64("NaT", "ns"))
        return found if found.dtype == _MOMENT else _each(in_ns, _MOMENT, found)

    def _texts(self, node: Node) -> Any:
        """A text; None where it is missing."""
        if isinstance(node, Text):
            return node.value
        return self._value(node, self._texts, None)

    def _value(self, node: Node, inner: Callable[[Node], Any], missing: Any) -> Any:
        if isinstance(node, Missing):
            return missing
        if isinstance(node, Name):
            return self._lookup(node.name)
        if isinstance(node, Call) and node.name == "IF":
            rest = inner(node.args[2]) if len(node.args) > 2 else missing
            found = _where(self.false(node.args[0]), rest, missing)
            return _where(self.true(node.args[0]), inner(node.args[1]), found)
        if isinstance(node, Call) and node.name == "COALESCE":
            found = inner(node.args[-1])
            for each in reversed(node.args[:-1]):
                one = inner(each)
                found = _where(_absent(one), found, one)
            return found
        raise TypeError(type(node).__name__)

    def number(self, node: Node) -> Any:
        """A number as float64; NaN where it is missing."""
        if isinstance(node, Number):
            return np.float64(node.value)
        if isinstance(node, Length):
            return np.float64(node.value / SECOND)
        if isinstance(node, Scaled):
            factor, offset = node.factor, node.offset
            return _each(lambda x: x * factor + offset, _NUMBER, self.number(node.of))
        if isinstance(node, Negative):
            return -self.number(node.of)
        if isinstance(node, Name):
            found = self._lookup(node.name)
            return found if found.dtype == np.float64 else found.astype(np.float64)
        if isinstance(node, Binary) and self.kind(node.left).what == "time":
            return _each(between_all, _NUMBER, self.moment(node.left), self.moment(node.right))
        if isinstance(node, Binary):
            return _each(_CALCULATED[node.op], _NUMBER, self.number(node.left), self.number(node.right))
        if isinstance(node, Call) and node.name in ("ABS", "SQRT", "ROUND", "MIN", "MAX"):
            return _each(_FUNCTIONS[node.name], _NUMBER, *[self.number(each) for each in node.args])
        return self._value(node, self.number, np.float64("nan"))

    def value(self, node: Node) -> Any:
        """Whatever it gives; a condition as 1.0, 0.0 and NaN for unknown."""
        what = self.kind(node).what
        if what == "truth":
            known = _where(self.false(node), np.float64(0.0), np.float64("nan"))
            return _where(self.true(node), np.float64(1.0), known)
        return {"text": self._texts, "time": self.moment}.get(what, self.number)(node)


def _known(values: Any, wanted: bool) -> Any:
    if values.dtype.kind == "b":
        return values if wanted else ~values
    if values.dtype.kind == "O":
        return values == wanted
    return ((values < 0) | (values > 0)) if wanted else values == 0


def _joined(parts: list[Any], *, either: bool) -> Any:
    found = parts[0]
    for each in parts[1:]:
        found = found | each if either else found & each
    return found


def _ordered(op: str, a: Any, b: Any) -> Any:
    if op == "<":
        return a < b
    if op == "<=":
        return a <= b
    return a > b if op == ">" else a >= b


def _texts(op: str, a: Any, b: Any, wanted: bool) -> Any:
    there = ~(_absent(a) | _absent(b))
    if op in ("=", "!="):
        return there & ((a == b) if wanted is (op == "=") else (a != b))
    a, b = (_where(_absent(each), "", each) for each in (a, b))
    return there & _ordered(op if wanted else _CONTRARY[op], a, b)


def _absent(values: Any) -> Any:
    if isinstance(values, xr.Variable):
        return values.isnull()
    import pandas as pd

    found = pd.isna(values)
    return np.bool_(found) if np.ndim(found) == 0 else np.asarray(found)


def _where(condition: Any, one: Any, other: Any) -> Any:
    plain = _plain((condition, one, other))
    if (
        plain is not None
        and plain[0] is not None
        and all(getattr(each, "dtype", _OBJECT).kind in "bfM" for each in plain[1])
    ):
        return xr.Variable(plain[0], np.where(*plain[1]))
    if any(isinstance(each, xr.Variable) for each in (condition, one, other)):
        return xr.where(condition, one, other, keep_attrs=False)  # type: ignore[no-untyped-call]
    if isinstance(one, str) or one is None or isinstance(other, str) or other is None:
        one, other = (
            np.asarray(each, dtype=object) if each is None or isinstance(each, str) else each for each in (one, other)
        )
    return np.where(condition, one, other)


def _each(work: Callable[..., Any], dtype: np.dtype[Any], *parts: Any) -> Any:
    """``work`` on arrays of numpy, piece by piece where they are lazy."""

    def quietly(*values: Any) -> Any:
        with np.errstate(all="ignore"):
            return work(*values)

    plain = _plain(parts)
    if plain is None:
        return xr.apply_ufunc(quietly, *parts, dask="parallelized", output_dtypes=[dtype], keep_attrs=False)
    dims, values = plain
    return quietly(*values) if dims is None else xr.Variable(dims, quietly(*values))


def _plain(parts: Sequence[Any]) -> tuple[tuple[Any, ...] | None, list[Any]] | None:
    """Dims (None of plain numbers alone) and values, where all that have dims have the same and none is lazy."""
    wide = [each for each in parts if isinstance(each, xr.Variable)]
    if any(each.dims != wide[0].dims or each.chunks is not None for each in wide):
        return None
    return wide[0].dims if wide else None, [each.values if isinstance(each, xr.Variable) else each for each in parts]


def power(a: Any, b: Any) -> Any:
    """``a ^ b``; NaN where one is missing, also for what numpy says 1 (missing ^ 0, 1 ^ missing)."""
    found = np.float_power(a, b)
    if isinstance(b, np.float64) and b == np.floor(b) and b != 0:
        return found
    # A root of what is negative is no number, of infinity neither.
    none = ((a < 0) & (b != np.floor(b))) | (a != a) | (b != b)
    return _where(none, np.float64("nan"), found)


def remainder(a: Any, b: Any) -> Any:
    """``a % b``, with the sign of the divisor."""
    return a - np.floor(a / b) * b


def rounded(x: Any, scale: Any) -> Any:
    """``x`` to whole parts of 1 / ``scale``, halves away from zero."""
    return np.copysign(np.floor(np.abs(x) * scale + 0.5) / scale, x)


def _rounded(x: Any, digits: Any = 0.0) -> Any:
    return rounded(x, np.float64(10.0) ** digits)


def _least(*values: Any) -> Any:
    return functools.reduce(np.minimum, values)


def _greatest(*values: Any) -> Any:
    return functools.reduce(np.maximum, values)


_CALCULATED: dict[str, Callable[..., Any]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": remainder,
    "^": power,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "ABS": np.abs,
    "SQRT": np.sqrt,
    "ROUND": _rounded,
    "MIN": _least,
    "MAX": _greatest,
}
