"""Amounts in another currency, by dated rates."""

from __future__ import annotations

import re

import polars as pl

from workbench.model.errors import InputError
from workbench.transforms.records import field, moment


def day_of(schema: pl.Schema) -> str:
    """The field that holds the day of a record. Raises InputError where none is called so."""
    known = ("order_date", "created_at", "date_created", "date", "transaction_date")
    found = next((name for name in known if name in schema), None)
    if found is None:
        raise InputError("the day of the rates is not known", where="date_field", expected="a field with the date")
    return found


def with_rates(data: pl.LazyFrame, file: str, target: str, day: str) -> pl.LazyFrame:
    """``data`` with ``__factor``: units of ``target`` for one of ``__from`` on the day."""
    try:
        table = pl.read_csv(file, infer_schema_length=0)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(
            "the rates cannot be read", where="rates", found=str(error), expected="Date,USD,JPY,…"
        ) from error
    first = table.columns[0]
    codes = [name.strip() for name in table.columns[1:] if re.fullmatch(r"[A-Z]{3}", name.strip())]
    long = (
        table.select(pl.col(first).str.to_date("%Y-%m-%d").alias("__day"), *codes)
        .unpivot(index="__day", variable_name="__code", value_name="__rate")
        .with_columns(pl.col("__rate").cast(pl.Float64, strict=False))
        .drop_nulls()
    )
    euro = long.select("__day").unique().with_columns(pl.lit("EUR").alias("__code"), pl.lit(1.0).alias("__rate"))
    rated = pl.concat([long, euro]).sort("__day").lazy()
    goal = rated.filter(pl.col("__code") == target).select("__day", pl.col("__rate").alias("__to"))
    value, dtype = field(day, data, "date_field")
    made = data.with_row_index("__row").with_columns(moment(value, dtype).dt.date().alias("__day")).sort("__day")
    made = made.join_asof(
        rated, on="__day", by_left="__from", by_right="__code", strategy="backward", check_sortedness=False
    ).join_asof(goal, on="__day", strategy="backward", check_sortedness=False)
    same = pl.when(pl.col("__from") == target).then(1.0)
    factor = pl.coalesce(same, pl.col("__to") / pl.col("__rate"))
    return (
        made.with_columns(factor.alias("__factor"))
        .sort("__row")
        .drop("__row", "__day", "__rate", "__to", "__code", strict=False)
    )
