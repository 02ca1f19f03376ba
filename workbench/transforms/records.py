"""Steps for records: nested JSON, orders, transactions. polars throughout, lazy: one plan for a whole pipeline."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextvars import copy_context
from typing import Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict

from workbench.expressions import compile_expression
from workbench.model.errors import InputError, did_you_mean
from workbench.steps import remark, step
from workbench.transforms.aside import REJECTED, beside, rejected
from workbench.transforms.fields import checked
from workbench.transforms.other_sources import Source
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


def remark_counted(value: pl.Expr, flag: pl.Expr, text: str, dtype: pl.DataType, *, left_out: bool = False) -> pl.Expr:
    """``value`` as it is, and a remark when it is computed: how many records are flagged.

    A lazy plan does not know before; it is told to whom a remark would be told now. ``text`` has ``{count}`` and
    ``{all}``. With ``left_out``, ``flag`` is how many records there were, and the count is of those that are gone.
    """
    context = copy_context()

    def tell(columns: Sequence[pl.Series]) -> pl.Series:
        values, flags = columns
        rows = len(values)
        count = (int(flags[0]) - rows if rows else 0) if left_out else int(flags.sum() or 0)
        if count:
            context.copy().run(remark, text.format(count=count, all=rows))
        return values

    return pl.map_batches([value, flag], tell, return_dtype=dtype)


@step("platform_identification")
def platform_identification(
    data: pl.LazyFrame, *, platforms: dict[str, Sequence[str]], output_field: str = "platform"
) -> pl.LazyFrame:
    """Which platform each record is from, by the fields it has; what a record says itself counts more.

    Parameters
    ----------
    platforms
        Fields by platform, dotted for nested ones: the first platform of which a record has all.

    Raises
    ------
    InputError
        A platform without fields; the records have the fields of none.
    """
    schema = data.collect_schema()
    found = pl.col(output_field) if output_field in schema else pl.lit(None, pl.String)
    known = output_field in schema
    for platform, names in platforms.items():
        if not names:
            raise InputError("a platform without fields", where=f"platforms.{platform}")
        values = [path(name, schema) for name in names]
        there = [each[0].is_not_null() for each in values if each is not None]
        if len(there) == len(values):
            found, known = pl.coalesce(found, pl.when(pl.all_horizontal(there)).then(pl.lit(platform))), True
    if not known:
        raise InputError(
            "the records have the fields of no platform",
            where="platforms",
            found=", ".join(schema),
            expected="; ".join(f"{platform}: {', '.join(names)}" for platform, names in platforms.items()),
        )
    text = "platform_identification: {count:,} of {all:,} records are of no platform that is named"
    return data.with_columns(remark_counted(found, found.is_null(), text, pl.String()).alias(output_field))


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
    rates_source: Source | None = None,
    rates_date_field: str = "date",
    rates_currency_field: str = "currency",
    rates_field: str = "rate",
    base_currency: str | None = None,
    rates_max_age: str = "P10D",
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
        knows becomes missing, ``<field_name>_note`` says why, and how many they are is remarked when the result is
        computed.
    rates_source, rates_date_field, rates_currency_field, rates_field, base_currency
        In place of ``rates``: another source (a frame, a file or an entry of a catalog) with a record for each day
        and currency, and what they are called in it. A rate is in units of the currency for one of
        ``base_currency``, which the field ``base`` of the source says by default.
    rates_max_age
        How long a rate holds where there is no later one (ISO 8601): over weekends and holidays, not for ever.

    Raises
    ------
    InputError
        A parameter that the operation needs is missing; no such field; the rates cannot be read, or there are two of
        one day and currency.
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
    from workbench.transforms.currency import day_of, rates_of, rates_of_file, with_rates

    if rates is not None and rates_source is not None:
        raise InputError("rates or rates_source, one of them", where="rates_source")
    code = currency.cast(pl.String).str.strip_chars().str.to_uppercase()
    goal = target_currency.strip().upper()
    made = data.with_columns(value.alias("__amount"), code.alias("__from"))
    if rates is None and rates_source is None:
        factor: pl.Expr = pl.when(pl.col("__from") == goal).then(1.0)
        reason = "no rates for "
    else:
        if rates_source is None:
            table = rates_of_file(str(rates))
        else:
            table = rates_of(rates_source, rates_date_field, rates_currency_field, rates_field, base_currency)
        made = with_rates(made, table, goal, date_field or day_of(schema), rates_max_age)
        factor, reason = pl.col("__factor"), "no rate for "
    converted = pl.col("__amount") * factor
    unknown = pl.col("__amount").is_not_null() & factor.is_null()
    note = pl.when(unknown).then(pl.lit(reason) + pl.col("__from").fill_null("an amount without a currency"))
    text = f"field_calculation: {{count:,}} of {{all:,}} amounts of {field_name} have no rate and are missing"
    made = made.with_columns(
        remark_counted(converted, unknown, text, pl.Float64()).alias(field_name), note.alias(f"{field_name}_note")
    )
    return made.drop("__amount", "__from", "__factor", strict=False)


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
    operation: Literal["constant", "calculate", "formula", "template"] = "constant",
    formula: Formula | None = None,
    template: str | None = None,
    ignore_missing: bool = False,
) -> pl.LazyFrame:
    """A field that the records have not: one ``value`` in all, a ``formula``, or a text by a ``template``.

    Parameters
    ----------
    data
        Records.
    template
        A text with fields in braces, dotted for nested ones: ``{platform}_{id}``. The result is missing where one of
        them is.
    ignore_missing
        Leave out what a record has not, and the spaces around it: a name without its first name.

    Raises
    ------
    InputError
        None of the three is given, or several; no such field.
    """
    if sum(each is not None for each in (value, formula, template)) != 1:
        raise InputError("a value, a formula or a template, one of them", where="value")
    if template is not None:
        made = _filled(data, template, ignore_missing=ignore_missing)
    else:
        made = pl.lit(value) if formula is None else _worked_out(data, formula)
    return data.with_columns(made.alias(field_name))


def _filled(data: pl.LazyFrame, template: str, *, ignore_missing: bool) -> pl.Expr:
    """A text with the fields in braces filled in."""
    parts = re.split(r"\{([^{}]*)\}", template)
    schema = data.collect_schema()
    filled: list[pl.Expr] = []
    values: list[pl.Expr] = []
    for number, part in enumerate(parts):
        if number % 2 == 0:
            filled.append(pl.lit(part))
            continue
        if ignore_missing and path(part, schema) is None:
            remark(f"field_addition: no field {part!r} in the records")
            continue
        values.append(field(part, data, "template")[0].cast(pl.String))
        filled.append(values[-1])
    if not values:
        raise InputError(
            "no field in the template", where="template", found=template, expected="such as {platform}_{id}"
        )
    if not ignore_missing:
        return pl.concat_str(filled)
    text = pl.concat_str(filled, ignore_nulls=True).str.replace_all(r"\s+", " ").str.strip_chars()
    return pl.when(pl.any_horizontal([each.is_not_null() for each in values])).then(text)


@step("field_removal")
def field_removal(data: pl.LazyFrame, *, field_names: Sequence[str]) -> pl.LazyFrame:
    """Leave fields out. One that is not there is remarked."""
    schema = data.collect_schema()
    for name in field_names:
        if name not in schema:
            remark(f"field_removal: no field {name!r} in the records")
    return data.drop([name for name in field_names if name in schema])


@step("field_selection")
def field_selection(data: pl.LazyFrame, *, field_names: Sequence[str]) -> pl.LazyFrame:
    """These fields and no others, in this order: the form that whoever reads the result counts on.

    Raises
    ------
    InputError
        No such field.
    """
    return beside(
        data, lambda good: good.select([field(name, good, "field_names")[0].alias(name) for name in field_names])
    )


@step("record_expansion")
def record_expansion(data: pl.LazyFrame, *, source_field: str, output_prefix: str = "") -> pl.LazyFrame:
    """A row for each element of a list, with the element's fields beside the record's own.

    Parameters
    ----------
    data
        Records. One whose list is empty or missing stays, with the new fields missing.
    source_field
        The list, dotted where it is nested; of objects (each of their fields becomes one, with the prefix) or of values.

    Raises
    ------
    InputError
        No such field, or it is no list; a new field would hide one that is there.
    """
    value, dtype = field(source_field, data, "source_field")
    if not isinstance(dtype, pl.List):
        raise InputError("not a list", where="source_field", found=f"{source_field}: {dtype}")
    if source_field not in data.collect_schema():  # nested: its elements stand beside what it is in
        source_field = source_field.rpartition(".")[2]
        if source_field in data.collect_schema():
            raise InputError("a new field would hide one that is there", where="source_field", found=source_field)
        data = data.with_columns(value.alias(source_field))
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
    """Keep the records for which the condition is true; unknown is not. Those kept aside by a check stay aside."""
    wanted = compile_expression(condition).polars(data.collect_schema())
    return data.filter(wanted | rejected() if REJECTED in data.collect_schema() else wanted)
