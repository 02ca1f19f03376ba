"""Amounts in another currency, by dated rates."""

from __future__ import annotations

import re
from datetime import timedelta

import polars as pl

from workbench.model.errors import InputError
from workbench.model.time import parse_duration
from workbench.transforms.other_sources import Source, open_other, other_file
from workbench.transforms.records import amount, field, moment


def day_of(schema: pl.Schema) -> str:
    """The field that holds the day of a record. Raises InputError where none is called so."""
    known = ("order_date", "created_at", "date_created", "date", "transaction_date")
    found = next((name for name in known if name in schema), None)
    if found is None:
        raise InputError("the day of the rates is not known", where="date_field", expected="a field with the date")
    return found


def rates_of_file(file: str) -> pl.DataFrame:
    """Rates of a CSV file as the European Central Bank publishes them: units for a euro by ``__day`` and ``__code``.

    Raises
    ------
    InputError
        It cannot be read.
    """
    try:
        table = pl.read_csv(other_file(file), infer_schema_length=0)
        first = table.columns[0]
        codes = [name for name in table.columns[1:] if re.fullmatch(r"[A-Z]{3}", name.strip())]
        long = table.select(pl.col(first).str.to_date("%Y-%m-%d").alias("__day"), pl.col(codes).name.map(str.strip))
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(
            "the rates cannot be read", where="rates", found=str(error).splitlines()[0], expected="Date,USD,JPY,…"
        ) from error
    made = long.unpivot(index="__day", variable_name="__code", value_name="__rate")
    return _with_base(made.with_columns(pl.col("__rate").cast(pl.Float64, strict=False)), "EUR", "rates")


def rates_of(source: Source, day: str, code: str, rate: str, base: str | None) -> pl.DataFrame:
    """Rates of another source, a record for each day and currency: units for one of ``base``.

    Raises
    ------
    InputError
        No such field; the base is not known, or there are several.
    """
    table = open_other(source, "rates_source")
    value, dtype = field(day, table, "rates_date_field")
    price, kind = field(rate, table, "rates_field")
    told = pl.col("base") if base is None and "base" in table.collect_schema() else pl.lit(base, pl.String)
    made = table.select(
        moment(value, dtype).dt.date().alias("__day"),
        _code(field(code, table, "rates_currency_field")[0]).alias("__code"),
        amount(price, kind).alias("__rate"),
        _code(told).alias("__base"),
    ).collect()
    bases = made["__base"].unique().drop_nulls().sort().to_list()
    if len(bases) != 1:
        raise InputError(
            "the rates are of several bases" if bases else "it is not said what the rates are for one of",
            where="base_currency",
            found=", ".join(bases) or None,
            expected="the currency of which one costs so much, such as EUR",
        )
    return _with_base(made.drop("__base"), bases[0], "rates_source")


def _code(value: pl.Expr) -> pl.Expr:
    return value.cast(pl.String).str.strip_chars().str.to_uppercase()


def _with_base(table: pl.DataFrame, base: str, where: str) -> pl.DataFrame:
    """A table of rates by day, the base's own among them. Raises InputError where there are two of one day."""
    # A rate of nought or less is none.
    table = table.drop_nulls().filter((pl.col("__rate") > 0) & (pl.col("__code") != base))
    twice = table.group_by("__day", "__code").agg(pl.col("__rate").n_unique()).filter(pl.col("__rate") > 1)
    if twice.height:
        day, code, _ = twice.sort("__day", "__code").row(0)
        raise InputError("two rates of one day", where=where, found=f"{code} on {day}", expected="one")
    own = table.select("__day").unique().with_columns(pl.lit(base).alias("__code"), pl.lit(1.0).alias("__rate"))
    return pl.concat([table.unique(["__day", "__code"]), own]).sort("__day")


def with_rates(data: pl.LazyFrame, rates: pl.DataFrame, target: str, day: str, max_age: str) -> pl.LazyFrame:
    """``data`` with ``__factor``: units of ``target`` for one of ``__from`` on the day, by rates of both.

    Raises
    ------
    InputError
        No such field; ``max_age`` is no duration.
    """
    value, dtype = field(day, data, "date_field")
    age = timedelta(microseconds=parse_duration(max_age).ns / 1_000)
    rated = rates.lazy()
    goal = rated.filter(pl.col("__code") == target).select("__day", pl.col("__rate").alias("__to"))
    made = data.with_row_index("__row").with_columns(moment(value, dtype).dt.date().alias("__day")).sort("__day")
    made = made.join_asof(
        rated, on="__day", by_left="__from", by_right="__code", tolerance=age, check_sortedness=False
    ).join_asof(goal, on="__day", tolerance=age, check_sortedness=False)
    same = pl.when(pl.col("__from") == target).then(1.0)
    factor = pl.coalesce(same, pl.col("__to") / pl.col("__rate"))
    return (
        made.with_columns(factor.alias("__factor"))
        .sort("__row")
        .drop("__row", "__day", "__rate", "__to", "__code", strict=False)
    )
