"""Expressions over arrays: xarray or numpy, lazy where those are.

A condition is worked out as what is *true* and what is *false*; what is neither is unknown. So the usual
question (where is it true?) costs what it costs by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from workbench.expressions.check import Checker, Kind
from workbench.expressions.nodes import (
    COMPARISONS,
    Among,
    Binary,
    Call,
    Default,
    Holds,
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
)

DAY = 86_400 * 10**9
_CONTRARY = {"<": ">=", ">": "<=", "<=": ">", ">=": "<"}


class Arrays:
    """Works out the parts of one expression.

    Parameters
    ----------
    lookup
        A field's array.
    checker
        Knows the kinds of the fields.
    now
        [ns since 1970 UTC]
    holds
        Kleene value (0, 1, 2 for unknown) of ``FOR`` from what is true and false.
    """

    def __init__(
        self, lookup: Callable[[str], Any], checker: Checker, now: int, holds: Callable[[Any, Any, int], Any]
    ) -> None:
        self._lookup, self._checker, self._now, self._holds = lookup, checker, now, holds
        self._parts: dict[tuple[int, bool], Any] = {}

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
            return self._holds(self.true(node.of), self.false(node.of), node.length) == (1 if wanted else 0)
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
        days = any(isinstance(each, Moment | Now) and each.day for each in (left, right))
        if days:
            a, b = (_day(each) for each in (a, b))
        return a, b

    # -- values ---------------------------------------------------------------------------------------

    def moment(self, node: Node) -> Any:
        """A time; datetime64[ns], NaT where it is missing."""
        if isinstance(node, Moment):
            return np.datetime64(node.value, "ns")
        if isinstance(node, Now):
            return np.datetime64(self._now - (self._now % DAY if node.day else 0), "ns")
        return self._value(node, self.moment, np.datetime64("NaT", "ns"))

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
        if isinstance(node, Scaled):
            return self.number(node.of) * np.float64(node.factor) + np.float64(node.offset)
        if isinstance(node, Negative):
            return -self.number(node.of)
        if isinstance(node, Name):
            found = self._lookup(node.name)
            return found if found.dtype == np.float64 else found.astype(np.float64)
        if isinstance(node, Binary):
            with np.errstate(all="ignore"):
                return _calculated(node.op, self.number(node.left), self.number(node.right))
        if isinstance(node, Call) and node.name in ("ABS", "SQRT", "ROUND", "MIN", "MAX"):
            with np.errstate(all="ignore"):
                return _function(node.name, [self.number(each) for each in node.args])
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
    if isinstance(values, xr.DataArray):
        return values.isnull()
    import pandas as pd

    found = pd.isna(values)
    return np.bool_(found) if np.ndim(found) == 0 else np.asarray(found)


def _where(condition: Any, one: Any, other: Any) -> Any:
    if any(isinstance(each, xr.DataArray) for each in (condition, one, other)):
        return xr.where(condition, one, other, keep_attrs=False)  # type: ignore[no-untyped-call]
    if isinstance(one, str) or one is None or isinstance(other, str) or other is None:
        one, other = (
            np.asarray(each, dtype=object) if each is None or isinstance(each, str) else each for each in (one, other)
        )
    return np.where(condition, one, other)


def _day(value: Any) -> Any:
    if isinstance(value, xr.DataArray):
        return value.dt.floor("D")
    return np.asarray(value).astype("datetime64[D]").astype("datetime64[ns]")


def _calculated(op: str, a: Any, b: Any) -> Any:
    if op == "+":
        return a + b
    if op == "-":
        return a - b
    if op == "*":
        return a * b
    if op == "/":
        return a / b
    if op == "^":
        return power(a, b)
    return remainder(a, b)


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


def _function(name: str, args: list[Any]) -> Any:
    if name == "ABS":
        return np.abs(args[0])
    if name == "SQRT":
        return np.sqrt(args[0])
    if name == "ROUND":
        scale = np.float64(10.0) ** (args[1] if len(args) > 1 else 0.0)
        return rounded(args[0], scale)
    found = args[0]
    for each in args[1:]:
        found = np.minimum(found, each) if name == "MIN" else np.maximum(found, each)
    return found
