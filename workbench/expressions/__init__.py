"""The expression language: one small grammar for conditions and formulas, safe, with units, in three worlds.

``compile_expression("wind_speed > 3 AND power_output < 0 FOR PT1H")`` gives an :class:`Expression`, which works on
arrays (xarray, lazy where those are), on records (polars) and on one sample at a time (live), with the same answer
on all three.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from workbench.expressions.check import Checker, Kind, kinds_of
from workbench.expressions.nodes import Default, Node, names
from workbench.expressions.parse import FUNCTIONS, ExpressionError, parse, spelled_out
from workbench.expressions.spell import from_object, spell
from workbench.model.errors import InputError, did_you_mean

if TYPE_CHECKING:
    import polars as pl
    import xarray as xr

    from workbench.expressions.sample import Sampled

__all__ = ["FUNCTIONS", "Expression", "ExpressionError", "Kind", "compile_expression"]


#: What a result is called while it gets its coordinates: nothing else can be.
_RESULT = "\0result"


def compile_expression(source: Any, fields: Mapping[str, str | Kind | None] | None = None) -> Expression:
    """An expression from its text, from an object form, or from a plain number or truth.

    Parameters
    ----------
    source
        ``"a > 0.8 AND b < 0.95"``; ``{"and": [{"field": "a", "operator": ">", "value": 80}]}``.
    fields
        What is known of the fields, by name: a unit, or ``text``, ``truth``, ``time``, ``number``; None for
        nothing. Where given, kinds and units are checked now; else when the data is there.

    Raises
    ------
    ExpressionError
        With a caret under the place.
    InputError
        An object form is wrong; names the place.
    """
    text = from_object(source)
    node = spelled_out(parse(text))
    expression = Expression(text, node)
    if fields is not None:
        expression.check(fields)
        expression._fields = kinds_of(fields)
    return expression


class Expression:
    """A condition or formula that can be read; see :func:`compile_expression`."""

    def __init__(self, text: str, node: Node) -> None:
        self.text, self.node = text, node
        self._fields: dict[str, Kind] = {}
        #: fields it asks for
        self.names = names(node)

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def __str__(self) -> str:
        return spell(self.node)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and self.node == other.node

    def __hash__(self) -> int:
        return hash(self.node)

    @property
    def is_default(self) -> bool:
        """Whether it is ``DEFAULT``."""
        return isinstance(self.node, Default)

    def check(self, fields: Mapping[str, str | Kind | None]) -> Kind:
        """What it gives, when the fields are these. Raises ExpressionError where that does not go together."""
        return Checker(self.text, kinds_of(fields)).check(self.node)[1]

    # -- arrays ---------------------------------------------------------------------------------------

    def true(self, data: xr.Dataset, *, now: int | None = None, gap: int | None = None) -> xr.DataArray:
        """Where the condition is true; unknown is not.

        Parameters
        ----------
        data
            Any dims; fields may be variables or coordinates (the facts of assets).
        now
            For ``now()`` and ``today()`` [ns since 1970 UTC]; the clock's by default.
        gap
            The longest gap that does not end a run of ``FOR`` [ns]; three usual steps by default.

        Raises
        ------
        ExpressionError
            A field is not there, or kinds and units do not go together.
        """
        node, work = self._arrays(data, now, gap)
        return _dressed(data, work.true(node))

    def false(self, data: xr.Dataset, *, now: int | None = None, gap: int | None = None) -> xr.DataArray:
        """Where the condition is false; unknown is not. As :meth:`true`."""
        node, work = self._arrays(data, now, gap)
        return _dressed(data, work.false(node))

    def evaluate(self, data: xr.Dataset, *, now: int | None = None, gap: int | None = None) -> xr.DataArray:
        """What it gives: a number (NaN where missing), a text, a time; a condition as 1, 0 and NaN for unknown.

        ``attrs["units"]`` where the unit is known. As :meth:`true`.
        """
        node, work = self._arrays(data, now, gap)
        found = _dressed(data, work.value(node))
        unit = work.kind(node).unit
        return found.assign_attrs(units=unit) if unit else found

    def _arrays(self, data: xr.Dataset, now: int | None, gap: int | None) -> tuple[Node, Any]:
        from workbench.expressions.arrays import Arrays

        there = {name: _kind(data[name]) for name in self.names if name in data.variables}
        self._all_there(there, [str(name) for name in data.variables])
        checker = Checker(self.text, kinds_of(there))
        node, _ = checker.check(self.node)
        moment = time.time_ns() if now is None else now
        return node, Arrays(functools.partial(_bare, data), checker, moment, _Holder(data, gap))

    # -- records --------------------------------------------------------------------------------------

    def polars(
        self,
        schema: pl.Schema,
        *,
        time: str = "time",
        by: str | None = None,
        now: int | None = None,
        gap: int | None = None,
    ) -> pl.Expr:
        """As a polars expression; null where missing or unknown.

        Parameters
        ----------
        schema
            Of the frame it will be used on.
        time, by
            Columns that ``FOR`` goes by: the time, ascending, and what tells assets apart.
        now, gap
            As in :meth:`true`.

        Raises
        ------
        ExpressionError
            A field is not there, or kinds do not go together.
        """
        import time as clock

        from workbench.expressions.frames import Frames
        from workbench.expressions.records import hold_expression, kind_of

        there: dict[str, str | Kind | None] = {name: kind_of(schema[name]) for name in self.names if name in schema}
        self._all_there(there, list(schema))
        for name, kind in self._fields.items():
            # A column has no unit of its own, and one that is null throughout no kind either.
            if (kind.unit and there.get(name) == Kind("number")) or there.get(name) == Kind():
                there[name] = kind
        checker = Checker(self.text, kinds_of(there))
        node, _ = checker.check(self.node)
        made = Frames(
            schema,
            checker,
            clock.time_ns() if now is None else now,
            lambda condition, length: hold_expression(condition, length, time=time, by=by, gap=gap),
        )
        return made.make(node)

    # -- samples --------------------------------------------------------------------------------------

    def sampled(self, fields: Mapping[str, str | Kind | None], *, gap: int) -> Sampled:
        """For one sample after the other of one asset; see :class:`workbench.expressions.sample.Sampled`.

        Parameters
        ----------
        fields
            As in :func:`compile_expression`.
        gap
            The longest gap that does not end a run of ``FOR`` [ns].
        """
        from workbench.expressions.sample import Sampled

        checker = Checker(self.text, kinds_of(fields))
        return Sampled(checker.check(self.node)[0], checker, gap)

    def _all_there(self, there: Mapping[str, object], known: list[str]) -> None:
        for name in self.names:
            if name not in there:
                raise InputError(
                    "no such field in the data", where=self.text, found=name, hint=did_you_mean(name, known)
                )


def _bare(data: xr.Dataset, name: str) -> xr.Variable:
    """A field without coordinates and attributes: all are of one Dataset, so that aligning them would only cost."""
    found: xr.Variable = data.variables[name].to_base_variable()
    found.attrs = {}
    return found


def _dressed(data: xr.Dataset, found: Any) -> xr.DataArray:
    """A result with the coordinates that go with its dims."""
    import xarray as xr

    if not isinstance(found, xr.Variable):
        return xr.DataArray(found)
    return xr.Dataset(coords=data.coords).assign({_RESULT: found})[_RESULT].rename(None)


def _kind(array: xr.DataArray) -> Kind:
    letter = array.dtype.kind
    if letter in "fiu":
        units = str(array.attrs.get("units", ""))
        return Kind("number", "" if units.startswith(("seconds since", "nanoseconds since")) else units)
    return {"b": Kind("truth"), "M": Kind("time"), "U": Kind("text"), "T": Kind("text")}.get(letter, _object(array))


def _object(array: xr.DataArray) -> Kind:
    """What objects are, by the first that is there."""
    if array.dtype.kind != "O":
        return Kind()
    first = next((each for each in array.values.ravel() if each is not None and each == each), None)
    return Kind("truth" if isinstance(first, bool) else "text" if isinstance(first, str) else "any")


class _Holder:
    """``FOR`` over the time of a Dataset."""

    def __init__(self, data: xr.Dataset, gap: int | None) -> None:
        self._data, self._gap = data, gap

    def __call__(self, state: Any, length: int) -> xr.Variable:
        import numpy as np
        import xarray as xr

        from workbench.expressions.holds import held, held_lazily, usual_gap

        if "time" not in self._data.dims:
            raise InputError("FOR needs data with a time", where="FOR", expected="a dimension time")
        times = self._data["time"].values.astype("datetime64[ns]").astype(np.int64)
        gap = usual_gap(times) if self._gap is None else self._gap
        state = state + xr.Variable("time", np.zeros(len(times), np.int8))  # what is the same at all times
        rows = state.transpose("time", ...)
        work = held_lazily if rows.chunks else held
        return xr.Variable(rows.dims, work(rows.data, times, length, gap)).transpose(*state.dims)
