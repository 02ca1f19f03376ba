"""Expressions over one sample at a time: for live values, with a memory for ``FOR``."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from workbench.expressions.check import Checker
from workbench.expressions.holds import FALSE, TRUE, UNKNOWN
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
from workbench.expressions.times import DAY, SECOND, as_time, between, moved, read_time

Values = Mapping[str, Any]
Work = Callable[[Values, int], Any]


class Run:
    """Whether a condition has held for a length of time: :func:`workbench.expressions.holds.hold`, a sample at a time."""

    def __init__(self, length: int, gap: int) -> None:
        self._length, self._gap = length, gap
        self._start = self._last = 0
        self._running = self._after_false = self._seen = False

    def add(self, now: int, value: bool | None) -> bool | None:
        """Take in the condition at ``now`` [ns]."""
        if value is None:
            return None
        if not value:
            self._running, self._after_false, self._seen, self._last = False, True, True, now
            return False
        broken = not self._seen or now - self._last > self._gap
        if broken or not self._running:
            self._start = now
            self._after_false = self._after_false and not broken
        self._running, self._seen, self._last = True, True, now
        if now - self._start >= self._length:
            return True
        return False if self._after_false else None


class Sampled:
    """Works an expression out for a sample; None is missing or unknown.

    One object serves one asset, because it remembers for how long a condition has held.

    Parameters
    ----------
    gap
        The longest gap between two samples that does not end a run [ns].
    """

    def __init__(self, node: Node, checker: Checker, gap: int) -> None:
        self._checker, self._gap = checker, gap
        self._work = self._make(node)

    def __call__(self, values: Values, now: int) -> Any:
        """The result for ``values`` at ``now`` [ns since 1970 UTC]; a field left out is missing."""
        return self._work(values, now)

    def _make(self, node: Node) -> Work:
        if isinstance(node, Number | Text | Truth | Default | Missing):
            fixed = {Missing: None, Default: True}.get(type(node), getattr(node, "value", None))
            return lambda values, now: fixed
        if isinstance(node, Moment):
            when = node.value
            return lambda values, now: when
        if isinstance(node, Length):
            length = node.value / SECOND
            return lambda values, now: length
        if isinstance(node, AsTime):
            return _strict(_moment, self._make(node.of))
        if isinstance(node, Now):
            day = node.day
            return lambda values, now: now - now % DAY if day else now
        if isinstance(node, Name):
            name = node.name
            return lambda values, now: _plain(values.get(name))
        if isinstance(node, Scaled):
            inner, factor, offset = self._make(node.of), node.factor, node.offset
            return _strict(lambda x: x * factor + offset, inner)
        if isinstance(node, Negative):
            return _strict(lambda x: -x, self._make(node.of))
        if isinstance(node, Not):
            of = self._condition(node.of)
            return lambda values, now: None if (x := of(values, now)) is None else not x
        if isinstance(node, Holds):
            of, run = self._condition(node.of), Run(node.length, self._gap)
            return lambda values, now: run.add(now, of(values, now))
        if isinstance(node, Among):
            return _either([self._compared("=", node.of, each) for each in node.values], stop=True)
        if isinstance(node, Call):
            return self._call(node)
        if isinstance(node, Binary):
            if node.op in ("AND", "OR"):
                return _either([self._condition(node.left), self._condition(node.right)], stop=node.op == "OR")
            if node.op in COMPARISONS:
                return self._compared(node.op, node.left, node.right)
            if self._is_time(node.left) or self._is_time(node.right):
                return self._of_times(node)
            return _strict(_CALCULATED[node.op], self._make(node.left), self._make(node.right))
        raise TypeError(type(node).__name__)

    def _is_time(self, node: Node) -> bool:
        return self._checker.check(node)[1].what == "time"

    def _of_times(self, node: Binary) -> Work:
        left, right = self._make(node.left), self._make(node.right)
        if not self._is_time(node.left):
            left, right = right, left
        elif self._is_time(node.right):
            return _strict(between, left, right)
        return _strict((lambda time, s: moved(time, -s)) if node.op == "-" else moved, left, right)

    def _condition(self, node: Node) -> Work:
        made = self._make(node)

        def work(values: Values, now: int) -> bool | None:
            found = made(values, now)
            return None if found is None else bool(found)

        return work

    def _compared(self, op: str, left: Node, right: Node) -> Work:
        kinds = {self._checker.check(each)[1].what for each in (left, right)}
        if "truth" in kinds:
            return _strict(_COMPARED[op], self._condition(left), self._condition(right))
        a, b = self._make(left), self._make(right)
        if whole_day(left) or whole_day(right):
            return _strict(lambda x, y: _COMPARED[op](x - x % DAY, y - y % DAY), a, b)
        return _strict(_COMPARED[op], a, b)

    def _call(self, node: Call) -> Work:
        if node.name == "IF":
            condition = self._condition(node.args[0])
            then = self._make(node.args[1])
            rest = self._make(node.args[2]) if len(node.args) > 2 else (lambda values, now: None)

            def choose(values: Values, now: int) -> Any:
                found, one, other = condition(values, now), then(values, now), rest(values, now)
                return None if found is None else one if found else other

            return choose
        made = [self._make(each) for each in node.args]
        if node.name == "COALESCE":

            def first(values: Values, now: int) -> Any:
                found = [each(values, now) for each in made]  # all of them: each may have a memory
                return next((value for value in found if value is not None), None)

            return first
        if node.name == "ROUND":
            scale = 10.0 ** (node.args[1].value if len(node.args) > 1 and isinstance(node.args[1], Number) else 0.0)
            return _strict(lambda x: math.copysign(_floor(abs(x) * scale + 0.5) / scale, x), made[0])
        simple: dict[str, Callable[..., Any]] = {"ABS": abs, "SQRT": _root, "MIN": min, "MAX": max}
        if len(made) == 1 and node.name in ("MIN", "MAX"):
            return made[0]
        return _strict(simple[node.name], *made)


def kleene(value: bool | None) -> int:
    """A result as the arrays have it."""
    return UNKNOWN if value is None else TRUE if value else FALSE


def _plain(value: Any) -> Any:
    """A value as this module reckons: numbers as float, times as ns, missing as None."""
    if isinstance(value, dt.date | np.datetime64):
        return as_time(value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool | str) or value is None:
        return value
    try:
        found = float(value)
    except (TypeError, ValueError):  # a live value may be anything: what is no number is not there
        return None
    except OverflowError:
        found = math.inf if value > 0 else -math.inf
    return None if math.isnan(found) else found


def _moment(value: Any) -> int | None:
    """A time that came as one, or as a text; numbers are float here, and none."""
    return read_time(value) if isinstance(value, str) else value if type(value) is int else None


def _strict(work: Callable[..., Any], *parts: Work) -> Work:
    """``work`` on values that are all there; None where one is not, or the result is no number."""

    def call(values: Values, now: int) -> Any:
        found = [part(values, now) for part in parts]
        if None in found:
            return None
        try:
            result = work(*found)
        except TypeError:  # a text where a number should be, of a field whose kind nobody said
            return None
        return None if isinstance(result, float) and math.isnan(result) else result

    return call


def _either(parts: list[Work], *, stop: bool) -> Work:
    """OR where ``stop`` is true, AND where it is false, of three values."""

    def call(values: Values, now: int) -> bool | None:
        found = [part(values, now) for part in parts]  # all of them: each may have a memory
        return stop if stop in found else None if None in found else not stop

    return call


def _divided(x: float, y: float) -> float:
    with np.errstate(all="ignore"):
        return float(np.float64(x) / np.float64(y))


def _floor(x: float) -> float:
    return x if math.isinf(x) or math.isnan(x) else float(math.floor(x))


def _power(x: float, y: float) -> float:
    if x < 0 and y != _floor(y):
        return math.nan
    with np.errstate(all="ignore"):
        return float(np.float_power(x, y))


def _root(x: float) -> float:
    return math.sqrt(x) if x >= 0 else math.nan


_CALCULATED: dict[str, Callable[[float, float], float]] = {
    "+": lambda x, y: x + y,
    "-": lambda x, y: x - y,
    "*": lambda x, y: x * y,
    "/": _divided,
    "%": lambda x, y: x - _floor(_divided(x, y)) * y,
    "^": _power,
}
_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda x, y: x == y,
    "!=": lambda x, y: x != y,
    "<": lambda x, y: x < y,
    "<=": lambda x, y: x <= y,
    ">": lambda x, y: x > y,
    ">=": lambda x, y: x >= y,
}
