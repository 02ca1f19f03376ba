"""Records that a check did not let pass: they go on with their reasons, and no later step loses or counts them."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

#: The reasons, a list of texts; empty for a record that passed every check.
REJECTED = "_rejected"
#: A record that was kept aside before a step that gives records another form: whole, as JSON.
WHOLE = "_record"


def rejected() -> pl.Expr:
    """Whether a record is kept aside."""
    return pl.col(REJECTED).list.len().fill_null(0) > 0


def beside(data: pl.LazyFrame, work: Callable[[pl.LazyFrame], pl.LazyFrame]) -> pl.LazyFrame:
    """What ``work`` makes of the records that passed; those kept aside stay, behind them.

    Where ``work`` gives records other fields, those kept aside are whole in the field ``_record``, as JSON.
    """
    schema = data.collect_schema()
    if REJECTED not in schema:
        return work(data)
    made = work(data.filter(~rejected()))
    bad = data.filter(rejected())
    after = made.collect_schema()
    if dict(after) == dict(schema):
        return pl.concat([made, bad])
    reasons = pl.lit([], dtype=pl.List(pl.String))
    made = made.drop([name for name in (REJECTED, WHOLE) if name in after])
    made = made.with_columns(reasons.alias(REJECTED), pl.lit(None, dtype=pl.String).alias(WHOLE))
    own = pl.struct(pl.exclude(REJECTED, WHOLE)).struct.json_encode()
    whole = pl.coalesce(pl.col(WHOLE), own) if WHOLE in schema else own
    return pl.concat([made, bad.select(pl.col(REJECTED), whole.alias(WHOLE))], how="diagonal")
