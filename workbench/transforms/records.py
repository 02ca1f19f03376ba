"""Steps for records: nested JSON, orders, transactions. polars throughout, lazy: one plan for a whole pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict

from workbench.expressions import compile_expression
from workbench.model.errors import InputError, did_you_mean
from workbench.steps import remark, step
from workbench.transforms.fields import checked
from workbench.transforms.rules import Condition, Formula


class Mapping(BaseModel):
    """A field by another name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str  #: dotted for what is nested: ``billing.email``
    destination: str
    platforms: tuple[str, ...] = ()  #: only in records of these platforms; all by default


def path(name: str, schema: pl.Schema) -> tuple[pl.Expr, pl.DataType] | None:
    """A field by its dotted path, and its type; None where the schema has it not."""
    if name in schema:
        return pl.col(name), schema[name]
    head, *rest = name.split(".")
    if head not in schema or not rest:
        return None
    found, dtype = pl.col(head), schema[head]
    for part in rest:
        fields = {field.name: field.dtype for field in dtype.fields} if isinstance(dtype, pl.Struct) else {}
        if part not in fields:
            return None
        found, dtype = found.struct.field(part), fields[part]  # type: ignore[assignment]
    return found, dtype


def paths(schema: pl.Schema) -> list[str]:
    """Every path that :func:`path` finds."""
    found: list[str] = []

    def walk(name: str, dtype: Any) -> None:
        found.append(name)
        if isinstance(dtype, pl.Struct):
            for field in dtype.fields:
                walk(f"{name}.{field.name}", field.dtype)

    for name, dtype in schema.items():
        walk(name, dtype)
    return found


def field(name: str, data: pl.LazyFrame, where: str) -> tuple[pl.Expr, pl.DataType]:
    """A field by its dotted path, and its type; an InputError at ``where`` where the records have it not."""
    schema = data.collect_schema()
    found = path(name, schema)
    if found is None:
        raise InputError(
            "no such field in the records", where=where, found=name, hint=did_you_mean(name, paths(schema))
        )
    return found


@step("field_mapping")
def field_mapping(data: pl.LazyFrame, *, mappings: Sequence[Mapping]) -> pl.LazyFrame:
    """Fields by other names, also out of what is nested; of several for one name the first that has a value.

    Parameters
    ----------
    data
        Records. ``platform`` says where each came from, for mappings that name ``platforms``; where no record says
        so, such a mapping applies wherever its source is.
    mappings
        :class:`Mapping`, or mappings of its keys. A source that no record has is remarked.

    Raises
    ------
    InputError
        None of the sources is there.
    """
    wanted = [checked(Mapping, each, f"mappings.{number}") for number, each in enumerate(mappings)]
    schema = data.collect_schema()
    told = "platform" in schema
    if not told and any(each.platforms for each in wanted):
        remark("field_mapping: the records say no platform; each mapping applies where its source has a value")
    columns: dict[str, list[pl.Expr]] = {}
    for each in wanted:
        found = path(each.source, schema)
        if found is None:
            remark(f"field_mapping: no field {each.source!r} in the records")
            continue
        value = found[0]
        if each.platforms and told:
            value = pl.when(pl.col("platform").is_in(list(each.platforms))).then(value)
        columns.setdefault(each.destination, []).append(value)
    if wanted and not columns:
        names = [each.source for each in wanted]
        raise InputError(
            "none of the fields is in the records",
            where="mappings",
            found=", ".join(names),
            hint=did_you_mean(names[0], paths(schema)),
        )
    for name, values in columns.items():
        # What the record has under that name already comes last.
        own = [pl.col(name)] if name in schema and not any(each.source == name for each in wanted) else []
        columns[name] = [*values, *own]
    return data.with_columns(pl.coalesce(*values).alias(name) for name, values in columns.items())


Operation = Literal["lowercase", "uppercase", "titlecase", "trim", "number", "date", "text"]


@step("field_operation")
def field_operation(
    data: pl.LazyFrame,
    *,
    field_name: str,
    operation: Operation,
    output_field: str = "",
    format: str | None = None,  # noqa: A002
) -> pl.LazyFrame:
    """One operation on a field: ``lowercase``, ``uppercase``, ``titlecase``, ``trim``, ``number``, ``date``, ``text``.

    ``number`` reads amounts as people write them (``"$1,234.50"``); what is none becomes missing. ``date`` reads ISO
    8601 or ``format`` (as strptime).

    Raises
    ------
    InputError
        No such field.
    """
    value, dtype = field(field_name, data, "field_name")
    text = value if dtype == pl.String else value.cast(pl.String)
    operations: dict[str, Any] = {
        "lowercase": text.str.to_lowercase,
        "uppercase": text.str.to_uppercase,
        "titlecase": text.str.to_titlecase,
        "trim": text.str.strip_chars,
        "number": lambda: amount(value, dtype),
        "date": lambda: moment(value, dtype, format),
        "text": lambda: text,
    }
    return data.with_columns(operations[operation]().alias(output_field or field_name))


def amount(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """A number out of text such as ``$1,234.50``; missing where there is none."""
    if dtype.is_numeric():
        return value.cast(pl.Float64)
    plain = value.cast(pl.String).str.replace_all(r"[\s,]|^[^\d.+-]+|[^\d.]+$", "")
    return plain.cast(pl.Float64, strict=False)


def moment(value: pl.Expr, dtype: pl.DataType, format_: str | None = None) -> pl.Expr:
    """A time in UTC out of text; missing where there is none."""
    if dtype.is_temporal():
        return value.cast(pl.Datetime("us"))
    text = value.cast(pl.String)
    if format_ is not None:
        return text.str.to_datetime(format_, strict=False, time_unit="us")
    zoned = text.str.to_datetime("%+", strict=False, time_unit="us", time_zone="UTC").dt.replace_time_zone(None)
    return pl.coalesce(
        zoned,
        text.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", strict=False, time_unit="us"),
        text.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", strict=False, time_unit="us"),
        text.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us")),
    )


@step("field_calculation")
def field_calculation(
    data: pl.LazyFrame,
    *,
    field_name: str,
    operation: Literal["formula", "convert_currency"] = "formula",
    formula: Formula | None = None,
    source_field: str | None = None,
    target_currency: str | None = None,
    currency_field: str = "currency",
    date_field: str | None = None,
    rates: str | None = None,
) -> pl.LazyFrame:
    """A field worked out from others: a ``formula``, or an amount in another currency.

    Parameters
    ----------
    data
        Records.
    formula
        An expression over fields; texts that are amounts count as numbers.
    source_field, currency_field, target_currency
        The amount, what says its currency, and the one wanted. Where a record has not the source but ``total``, that
        is taken, as shops call it either way.
    date_field, rates
        The day of each record, and a CSV file of rates per euro as the European Central Bank publishes them (a row a
        day, ``Date,USD,…``); days without a rate take the last one before. An amount whose currency or rate nobody
        knows becomes missing, and ``<field_name>_note`` says why.

    Raises
    ------
    InputError
        A parameter that the operation needs is missing; no such field; the rates cannot be read.
    """
    if operation == "formula":
        if formula is None:
            raise InputError("the formula is missing", where="formula")
        return data.with_columns(_worked_out(data, formula).alias(field_name))
    if source_field is None or target_currency is None:
        raise InputError("convert_currency needs source_field and target_currency", where="parameters")
    schema = data.collect_schema()
    sources = [found for name in dict.fromkeys((source_field, "total")) if (found := path(name, schema))]
    if not sources:
        raise InputError(
            "no such field in the records",
            where="source_field",
            found=source_field,
            hint=did_you_mean(source_field, paths(schema)),
        )
    value = pl.coalesce(*[amount(*each) for each in sources])
    currency, _ = field(currency_field, data, "currency_field")
    from workbench.transforms.currency import day_of, with_rates

    made = data.with_columns(value.alias("__amount"), currency.alias("__from"))
    if rates is None:
        factor: pl.Expr = pl.when(pl.col("__from") == target_currency).then(1.0)
        reason = "no rates for "
    else:
        made = with_rates(made, rates, target_currency, date_field or day_of(schema))
        factor, reason = pl.col("__factor"), "no rate for "
    converted = pl.col("__amount") * factor
    note = pl.when(pl.col("__amount").is_not_null() & converted.is_null()).then(
        pl.lit(reason) + pl.col("__from").fill_null("an amount without a currency")
    )
    made = made.with_columns(converted.alias(field_name), note.alias(f"{field_name}_note"))
    return made.drop("__amount", "__from", *([] if rates is None else ["__factor"]))


def _worked_out(data: pl.LazyFrame, formula: str) -> pl.Expr:
    """A formula over records; nested fields by their paths."""
    schema = data.collect_schema()
    expression = compile_expression(formula)
    flat = {name: found for name in expression.names if (found := path(name, schema))}
    known = pl.Schema({**schema, **{name: dtype for name, (_, dtype) in flat.items()}})
    made = expression.polars(known)
    nested = [name for name in flat if name not in schema]
    if nested:
        raise InputError(
            "a formula takes no nested fields",
            where=formula,
            found=", ".join(nested),
            hint="bring them up by field_mapping",
        )
    return made


@step("field_addition")
def field_addition(
    data: pl.LazyFrame,
    *,
    field_name: str,
    value: str | float | bool | None = None,
    operation: Literal["constant", "calculate", "formula"] = "constant",
    formula: Formula | None = None,
) -> pl.LazyFrame:
    """A field that the records have not: the same ``value`` in all, or worked out by a ``formula``.

    Raises
    ------
    InputError
        Neither is given, or both.
    """
    if (value is None) == (formula is None):
        raise InputError("a value or a formula, one of them", where="value")
    made = pl.lit(value) if formula is None else _worked_out(data, formula)
    return data.with_columns(made.alias(field_name))


@step("field_removal")
def field_removal(data: pl.LazyFrame, *, field_names: Sequence[str]) -> pl.LazyFrame:
    """Leave fields out. One that is not there is remarked."""
    schema = data.collect_schema()
    for name in field_names:
        if name not in schema:
            remark(f"field_removal: no field {name!r} in the records")
    return data.drop([name for name in field_names if name in schema])


@step("record_expansion")
def record_expansion(data: pl.LazyFrame, *, source_field: str, output_prefix: str = "") -> pl.LazyFrame:
    """A row for each element of a list, with the element's fields beside the record's own.

    Parameters
    ----------
    data
        Records. One whose list is empty or missing stays, with the new fields missing.
    source_field
        The list; of objects (each of their fields becomes one, with the prefix) or of values.

    Raises
    ------
    InputError
        No such field, or it is no list; a new field would hide one that is there.
    """
    _, dtype = field(source_field, data, "source_field")
    if not isinstance(dtype, pl.List):
        raise InputError("not a list", where="source_field", found=f"{source_field}: {dtype}")
    inner = dtype.inner
    exploded = data.explode(source_field, empty_as_null=True, keep_nulls=True)
    if not isinstance(inner, pl.Struct):
        return exploded.rename({source_field: f"{output_prefix}{source_field}"}) if output_prefix else exploded
    names = [field.name for field in inner.fields]
    hidden = [name for name in names if f"{output_prefix}{name}" in data.collect_schema()]
    if hidden:
        raise InputError(
            "a new field would hide one that is there", where="output_prefix", found=f"{output_prefix}{hidden[0]}"
        )
    fields = [pl.col(source_field).struct.field(name).alias(f"{output_prefix}{name}") for name in names]
    return exploded.with_columns(fields).drop(source_field)


@step("record_filter")
def record_filter(data: pl.LazyFrame, *, condition: Condition) -> pl.LazyFrame:
    """Keep the records for which the condition is true; unknown is not."""
    return data.filter(compile_expression(condition).polars(data.collect_schema()))
