"""Expressions over records: as polars expressions, which a lazy plan takes in."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl

from workbench.expressions.arrays import power, remainder, rounded
from workbench.expressions.check import Checker
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
    names,
    whole_day,
)
from workbench.expressions.times import DAY, FIRST_YEAR, LAST_YEAR, SECOND, between_all, moved_all, read_times

_TIME = pl.Datetime("ns")
_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


class Frames:
    """Makes the polars expression of each part; null is missing or unknown.

    Parameters
    ----------
    schema
        Types of the columns.
    checker
        Knows the kinds of the fields.
    now
        [ns since 1970 UTC]
    holds
        ``FOR`` over a condition.
    """

    def __init__(self, schema: pl.Schema, checker: Checker, now: int, holds: Callable[[pl.Expr, int], pl.Expr]) -> None:
        self._schema, self._checker, self._now, self._holds = schema, checker, now, holds

    def make(self, node: Node) -> pl.Expr:
        """The expression of a checked node."""
        if isinstance(node, Number):
            return pl.lit(node.value, pl.Float64)
        if isinstance(node, Length):
            return pl.lit(node.value / SECOND, pl.Float64)
        if isinstance(node, Text):
            return pl.lit(node.value, pl.String)
        if isinstance(node, Truth | Default):
            return pl.lit(value=node.value if isinstance(node, Truth) else True)
        if isinstance(node, Missing):
            return pl.lit(None)
        if isinstance(node, Moment):
            return pl.lit(np.datetime64(node.value, "ns")).cast(_TIME)
        if isinstance(node, Now):
            return pl.lit(np.datetime64(self._now - (self._now % DAY if node.day else 0), "ns")).cast(_TIME)
        if isinstance(node, Name):
            return self._column(node.name)
        if isinstance(node, Scaled):
            return _number(self._operand(node.of) * node.factor + node.offset)
        if isinstance(node, AsTime):
            return self._as_time(node.of)
        if isinstance(node, Negative):
            return -self._operand(node.of)
        if isinstance(node, Not):
            return ~self._condition(node.of)
        if isinstance(node, Holds):
            return self._holds(self._condition(node.of), node.length)
        if isinstance(node, Among):
            parts = [self._compared("=", node.of, each) for each in node.values]
            return pl.any_horizontal(parts) if len(parts) > 1 else parts[0]
        if isinstance(node, Call):
            return self._call(node)
        if isinstance(node, Binary):
            if node.op == "AND":
                return self._condition(node.left) & self._condition(node.right)
            if node.op == "OR":
                return self._condition(node.left) | self._condition(node.right)
            if node.op in COMPARISONS:
                return self._compared(node.op, node.left, node.right)
            if "time" in self._kinds(node):
                return self._of_times(node)
            return _calculated(node.op, self._operand(node.left), self._operand(node.right))
        raise TypeError(type(node).__name__)

    def _column(self, name: str) -> pl.Expr:
        dtype = self._schema[name]
        if dtype.is_float():
            return pl.col(name).cast(pl.Float64).fill_nan(None)
        if dtype.is_numeric():
            return pl.col(name).cast(pl.Float64)
        if not dtype.is_temporal():
            return pl.col(name)
        found = pl.col(name)
        if isinstance(dtype, pl.Datetime) and dtype.time_zone:
            found = found.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        if isinstance(dtype, pl.Datetime) and dtype.time_unit == "ns":
            return found
        if isinstance(dtype, pl.Datetime | pl.Date):  # what nanoseconds do not reach is missing: 9999, for ever
            found = pl.when(found.dt.year().is_between(FIRST_YEAR, LAST_YEAR)).then(found)
        return found.cast(_TIME)

    def _kinds(self, node: Binary) -> tuple[str, str]:
        return self._checker.check(node.left)[1].what, self._checker.check(node.right)[1].what

    def _as_time(self, node: Node) -> pl.Expr:
        if isinstance(node, Name) and self._schema[node.name].is_temporal():
            return self._column(node.name)
        made = self.make(node).cast(pl.String)
        return made.map_batches(
            lambda values: pl.Series(read_times(values.to_numpy()), dtype=_TIME),
            return_dtype=_TIME,
            is_elementwise=True,
        )

    def _of_times(self, node: Binary) -> pl.Expr:
        one, other = self._kinds(node)
        if one == other:
            return _worked(between_all, self.make(node.left), self.make(node.right))
        time, seconds = (node.left, node.right) if one == "time" else (node.right, node.left)
        moved = self._operand(seconds)
        return _worked(moved_all, self.make(time), -moved if node.op == "-" else moved, dtype=_TIME)

    def _operand(self, node: Node) -> pl.Expr:
        """A number, also where nothing in it says so."""
        made = self.make(node)
        return made.cast(pl.Float64) if isinstance(node, Missing | Call) else made

    def _condition(self, node: Node) -> pl.Expr:
        made = self.make(node)
        if isinstance(node, Missing):
            return made.cast(pl.Boolean)
        numeric = isinstance(node, Name) and self._schema[node.name].is_numeric()
        return made != 0.0 if numeric else made

    def _compared(self, op: str, left: Node, right: Node) -> pl.Expr:
        if isinstance(left, Missing) or isinstance(right, Missing):
            return pl.lit(None, pl.Boolean)
        if not names(left) and names(right):
            # polars (2.1) takes the length of what stands left for that of the result.
            left, right, op = right, left, _MIRRORED.get(op, op)
        kinds = {self._checker.check(each)[1].what for each in (left, right)}
        made = self._condition if "truth" in kinds else self.make
        a, b = made(left), made(right)
        if whole_day(left) or whole_day(right):
            a, b = (each if whole_day(node) else each.dt.truncate("1d") for each, node in ((a, left), (b, right)))
        match op:
            case "=":
                return a == b
            case "!=":
                return a != b
            case "<":
                return a < b
            case "<=":
                return a <= b
            case ">":
                return a > b
        return a >= b

    def _call(self, node: Call) -> pl.Expr:
        if node.name == "IF":
            condition = self._condition(node.args[0])
            rest = self.make(node.args[2]) if len(node.args) > 2 else pl.lit(None)
            # Where the condition is unknown, so is the result.
            return pl.when(condition).then(self.make(node.args[1])).when(~condition).then(rest).otherwise(None)
        if node.name == "COALESCE":
            return pl.coalesce(*[self.make(each) for each in node.args])
        args: Sequence[pl.Expr] = [self._operand(each) for each in node.args]
        if node.name == "ABS":
            return args[0].abs()
        if node.name == "SQRT":
            return _number(args[0].sqrt())
        if node.name == "ROUND":
            scale = 10.0 ** (node.args[1].value if len(node.args) > 1 and isinstance(node.args[1], Number) else 0.0)
            return _worked(lambda x: rounded(x, scale), args[0])
        # A value that is not there leaves nothing to choose from: NaN goes through.
        choose = np.minimum if node.name == "MIN" else np.maximum
        return _worked(lambda *each: functools.reduce(choose, each), *args)


def _number(made: pl.Expr) -> pl.Expr:
    """A number that is missing where it is NaN.

    polars spells ``fill_nan`` out as a choice that holds its expression three times: a sum of twenty would be
    3^20 of them.
    """
    return made.map_batches(lambda values: values.fill_nan(None), return_dtype=pl.Float64, is_elementwise=True)


def _worked(work: Callable[..., Any], *parts: pl.Expr, dtype: pl.DataType | None = None) -> pl.Expr:
    """Numbers (or ``dtype``) by a function of numpy on numbers and times, NaN and NaT where one is missing: what polars
    reckons in another way, or only by holding a part several times.
    """
    result = pl.Float64() if dtype is None else dtype

    def plain(column: pl.Series) -> Any:
        return (column if column.dtype == _TIME else column.cast(pl.Float64).fill_null(np.nan)).to_numpy()

    def batch(columns: Sequence[pl.Series]) -> pl.Series:
        with np.errstate(all="ignore"):
            found = pl.Series(np.atleast_1d(work(*(plain(each) for each in columns))), dtype=result)
        return found.fill_nan(None) if dtype is None else found

    return pl.map_batches(parts, batch, return_dtype=result, is_elementwise=True)


def _calculated(op: str, a: pl.Expr, b: pl.Expr) -> pl.Expr:
    if op == "+":
        return _number(a + b)
    if op == "-":
        return _number(a - b)
    if op == "*":
        return _number(a * b)
    if op == "/":
        # polars multiplies by the reciprocal of a fixed divisor: 3 / 10 would not be 0.3.
        return _worked(np.divide, a, b)
    return _worked(power if op == "^" else remainder, a, b)
