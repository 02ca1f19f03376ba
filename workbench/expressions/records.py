"""What records need beside the expressions themselves: kinds of columns, and ``FOR`` over their times."""

from __future__ import annotations

import numpy as np
import polars as pl

from workbench.expressions.check import Kind


def kind_of(dtype: pl.DataType) -> Kind:
    """What a column of a type gives."""
    if dtype.is_numeric():
        return Kind("number")
    if dtype == pl.Boolean:
        return Kind("truth")
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return Kind("text")
    return Kind("time") if dtype in (pl.Date, pl.Datetime) else Kind()


def hold_expression(condition: pl.Expr, length: int, *, time: str, by: str | None, gap: int | None) -> pl.Expr:
    """``condition FOR length`` [ns], over rows in the order of their ``time``, each ``by`` for itself."""
    from workbench.expressions.holds import TRUE, UNKNOWN, held, usual_gap

    def work(rows: pl.Series) -> pl.Series:
        times = rows.struct.field("t").to_numpy().astype("datetime64[ns]").astype(np.int64)
        given = rows.struct.field("c").cast(pl.Int8).fill_null(UNKNOWN).to_numpy()
        out = pl.Series(held(given, times, length, usual_gap(times) if gap is None else gap))
        return (out == TRUE).set(out == UNKNOWN, None)

    found = pl.struct(pl.col(time).alias("t"), condition.alias("c")).map_batches(work, return_dtype=pl.Boolean)
    return found if by is None else found.over(by)
