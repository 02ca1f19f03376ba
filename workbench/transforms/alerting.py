"""Alerts out of conditions: what is wrong, how bad it is, and where it was true."""

from __future__ import annotations

import itertools
import string
from collections.abc import Iterable, Sequence
from typing import Annotated

import polars as pl
import xarray as xr
from pydantic import AfterValidator, Field

from workbench.expressions import Expression, compile_expression
from workbench.expressions.nodes import Holds, Node, children
from workbench.model.errors import BadValue, InputError, did_you_mean
from workbench.steps import remark, step
from workbench.transforms.anomaly import IDS
from workbench.transforms.rules import Condition

#: Column of records that holds the alerts of each.
ALERTS = "alerts"
_ALERT = {"alert_type": pl.String(), "severity": pl.String(), "message": pl.String()}
#: What a field is called once an aggregation has made one value of those of a window.
_AVERAGES = ("avg", "mean")
#: Fields with the time of a record.
TIMES = ("window_start", "timestamp", "time")
#: What a field that no record has can be.
_KINDS: tuple[pl.DataType, ...] = (pl.Float64(), pl.String(), pl.Boolean(), pl.Datetime("us"))
_MOST_KINDS = 256
_HELPERS = ("__row", "__time", "__by", "__fired")


def _template(value: str) -> str:
    try:
        _pieces(value)
    except InputError as error:
        raise BadValue(error.message, expected=str(error.expected)) from error
    return value


#: A text with ``{field}`` where the value of a field is to stand.
Template = Annotated[str, AfterValidator(_template)]
_Name = Annotated[str, Field(min_length=1)]


@step("conditional_alert")
def conditional_alert(
    data: xr.Dataset | pl.LazyFrame,
    *,
    condition: Condition,
    alert_type: _Name,
    severity: _Name,
    message: Template = "",
    output_field: str = "",
    group_by: Sequence[str] | None = None,
    time_field: str = "",
) -> xr.Dataset | pl.LazyFrame:
    """An alert wherever a condition is true. Where it is unknown, because a value is missing, there is none.

    A field of the condition that is not there stands for ``<field>_avg`` or ``<field>_mean`` where the data has just
    one of these, as an aggregation leaves them: that is remarked. What is not there at all is remarked too and is
    unknown: ``a > 1 AND b > 1`` without ``b`` is never true, ``a > 1 OR b > 1`` goes by ``a``.

    Parameters
    ----------
    data
        Telemetry, any dims; lazy data stay lazy. Or records, lazy.
    condition
        An expression as text or as an object; see ``docs/expressions.md``.
    alert_type, severity
        What is wrong, such as ``maintenance_required``, and how bad it is, such as ``high``.
    message
        For the one who reads the alert; ``{field}`` stands for a value. The condition by default.
    output_field
        Of telemetry the name of the variable, ``alert_type`` by default. Of records the column, ``alerts`` by default.
    group_by, time_field
        Of records, for ``FOR``: what tells machines apart (their ids by default), and the time (by default
        ``window_start``, ``timestamp`` or ``time``).

    Returns
    -------
    Telemetry with a variable that is true where the alert is, with ``alert_type``, ``severity``, ``condition`` and
    ``message`` (as it stands, not filled in) as attributes. Records with a list of alerts, each with ``alert_type``,
    ``severity`` and ``message``: several steps add to the same list, in their order, and it is empty where none is.

    Raises
    ------
    InputError
        Telemetry has none of the fields of the condition, or another variable of the name; the column of records is
        something else than a list of alerts; kinds or units in the condition do not go together.
    """
    expression = compile_expression(condition)
    if expression.is_default:
        raise InputError("DEFAULT is no condition of an alert", where="condition")
    text = message or str(expression).replace("{", "{{").replace("}", "}}")
    if isinstance(data, xr.Dataset):
        return _telemetry(data, expression, alert_type, severity, text, output_field or alert_type)
    return _records(data, expression, alert_type, severity, text, output_field or ALERTS, group_by, time_field)


def _pieces(message: str) -> list[tuple[str, str | None]]:
    """``[(text, field behind it)]`` of a template."""
    try:
        parsed = list(string.Formatter().parse(message))
    except ValueError as error:
        raise InputError(f"not a message: {error}", where="message", found=message, expected="{field}") from error
    if any(name is not None and (not name or kind or format_) for _, name, format_, kind in parsed):
        raise InputError(
            "a place of the message names a field only", where="message", found=message, expected="{field}"
        )
    return [(text, name) for text, name, _, _ in parsed]


def _resolved(names: Iterable[str], known: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """What stands for names that are not there; and those for which nothing does. Both are remarked."""
    instead: dict[str, str] = {}
    missing: list[str] = []
    for name in dict.fromkeys(names):
        if name in known:
            continue
        averages = [f"{name}_{each}" for each in _AVERAGES if f"{name}_{each}" in known]
        if len(averages) == 1:
            instead[name] = averages[0]
            remark(f"conditional_alert: {name} is read as {averages[0]}")
            continue
        missing.append(name)
        hint = f"both {' and '.join(averages)} are there" if averages else did_you_mean(name, known)
        remark(f"conditional_alert: no field {name!r} in the data; it is unknown" + (f" ({hint})" if hint else ""))
    return instead, missing


# -- telemetry --------------------------------------------------------------------------------------------


def _telemetry(
    data: xr.Dataset, expression: Expression, alert_type: str, severity: str, message: str, name: str
) -> xr.Dataset:
    known = [str(each) for each in data.variables]
    if name in known:
        raise InputError(
            "the alert would hide a variable that is there", where="alert_type", found=name, expected="output_field"
        )
    instead, missing = _resolved(expression.names, known)
    if missing and len(missing) == len(expression.names):
        raise InputError(
            "none of the fields is in the data",
            where="condition",
            found=", ".join(missing),
            hint=did_you_mean(missing[0], known),
        )
    asked = data.assign({each: data[there] for each, there in instead.items()})
    # None is no number and no text: it goes with either, and is unknown.
    fired = expression.true(asked.assign({each: xr.DataArray(None) for each in missing}))
    attrs = {
        "long_name": f"alert: {alert_type.replace('_', ' ')}",
        "alert_type": alert_type,
        "severity": severity,
        "condition": str(expression),
        "message": message,
    }
    return data.assign({name: fired.drop_attrs().assign_attrs(attrs)})


# -- records ----------------------------------------------------------------------------------------------


def _records(
    data: pl.LazyFrame,
    expression: Expression,
    alert_type: str,
    severity: str,
    message: str,
    column: str,
    group_by: Sequence[str] | None,
    time_field: str,
) -> pl.LazyFrame:
    from workbench.transforms.records import path, paths

    schema = data.collect_schema()
    own = pl.List(pl.Struct(_ALERT))
    if column in schema and schema[column] not in (own, pl.List(pl.Null), pl.Null):
        raise InputError(
            "not a list of alerts", where="output_field", found=f"{column}: {schema[column]}", expected=str(own)
        )
    pieces = _pieces(message)
    instead, missing = _resolved((*expression.names, *(name for _, name in pieces if name)), paths(schema))
    there = {
        name: found
        for name in (*expression.names, *(name for _, name in pieces if name))
        if (found := path(instead.get(name, name), schema)) is not None
    }
    absent = [name for name in expression.names if name in missing]
    alert = pl.struct(
        pl.lit(alert_type).alias("alert_type"),
        pl.lit(severity).alias("severity"),
        _filled(pieces, there).alias("message"),
    )
    none = pl.lit([], dtype=own)
    before = pl.col(column).cast(own).fill_null(none) if column in schema else none
    if expression.names and len(absent) == len(expression.names):
        return data.with_columns(before.alias(column))
    # Names that no column of the records has, for as long as the condition is asked.
    brought = [there[name][0].alias(name) for name in expression.names if name in there and name not in schema]
    types = {name: there[name][1] for name in expression.names if name in there}
    nothing, fired = _compiled(expression, types, absent, ordered=_holds(expression.node))
    frame = _in_order(data, schema, group_by, time_field) if _holds(expression.node) else data
    frame = frame.with_columns(*brought, *(pl.lit(None, kind).alias(name) for name, kind in nothing.items()))
    frame = frame.with_columns(fired.fill_null(value=False).alias("__fired"))
    added = pl.concat_list(before, pl.concat_list(alert).cast(own))
    frame = frame.with_columns(pl.when("__fired").then(added).otherwise(before).alias(column))
    if _holds(expression.node):
        frame = frame.sort("__row")
    return frame.drop(*_HELPERS, *(name for name in expression.names if name not in schema), strict=False)


def _compiled(
    expression: Expression, types: dict[str, pl.DataType], absent: list[str], *, ordered: bool
) -> tuple[dict[str, pl.DataType], pl.Expr]:
    """The condition; and the types that fields which no record has go into it with, as the condition wants them."""
    helpers = {"__time": pl.Datetime("us"), "__by": pl.Int64()} if ordered else {}
    error: InputError | None = None
    for kinds in itertools.islice(itertools.product(_KINDS, repeat=len(absent)), _MOST_KINDS):
        nothing = dict(zip(absent, kinds, strict=True))
        schema = pl.Schema({**types, **nothing, **helpers})
        try:
            return nothing, expression.polars(schema, time="__time", by="__by" if ordered else None)
        except InputError as found:
            error = error or found
    raise error or InputError("the condition cannot be evaluated", where="condition")


def _in_order(data: pl.LazyFrame, schema: pl.Schema, group_by: Sequence[str] | None, time_field: str) -> pl.LazyFrame:
    """In the order of time, with ``__row``, ``__time`` and the number of the machine, ``__by``, for ``FOR``."""
    from workbench.transforms.records import field, moment

    names = [time_field] if time_field else [name for name in TIMES if name in schema]
    if not names:
        raise InputError("FOR needs the time of the records", where="time_field", expected=" or ".join(TIMES))
    keys = [name for name in IDS if name in schema] if group_by is None else group_by
    # A record without a time is of no machine, and in no run of another.
    told = pl.struct(*[field(name, data, "group_by")[0].alias(name) for name in keys], pl.col("__time").is_null())
    return (
        data.with_row_index("__row")
        .with_columns(moment(*field(names[0], data, "time_field")).alias("__time"))
        .with_columns(told.rank("dense").cast(pl.Int64).alias("__by"))
        .sort("__time", maintain_order=True)
    )


def _filled(pieces: list[tuple[str, str | None]], there: dict[str, tuple[pl.Expr, pl.DataType]]) -> pl.Expr:
    """The message of each record; a value that is missing is ``unknown`` in it."""
    parts: list[pl.Expr] = []
    for text, name in pieces:
        parts.append(pl.lit(text))
        if name is None:
            continue
        if name not in there:
            parts.append(pl.lit("unknown"))
            continue
        value, dtype = there[name]
        if dtype.is_nested():
            raise InputError("a message has single values only", where="message", found=f"{name}: {dtype}")
        value = value.round_sig_figs(6) if dtype.is_float() else value
        parts.append(value.cast(pl.String).fill_null("unknown"))
    return pl.concat_str(parts) if parts else pl.lit("")


def _holds(node: Node) -> bool:
    return isinstance(node, Holds) or any(_holds(each) for each in children(node))
