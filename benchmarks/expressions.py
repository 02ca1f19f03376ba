"""Expressions beside the same by hand: two comparisons on 10 million rows, and a condition that has to hold for days."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pandas as pd
import polars as pl
import xarray as xr

from benchmarks.figures import Cost, Figure

SCALE = float(os.environ.get("SCALE_OF_LOAD", "1"))


def best(work, times: int = 5) -> float:  # type: ignore[no-untyped-def]
    """The least CPU of several runs [s]."""
    found = []
    for _ in range(times):
        with Cost() as cost:
            work()
        found.append(cost.cpu)
    return min(found)


def figures() -> Iterator[Figure]:
    from workbench.expressions import compile_expression

    rng = np.random.default_rng(1)
    rows = round(10_000_000 * SCALE)
    data = xr.Dataset({name: ("row", rng.random(rows)) for name in "ab"})
    expression = compile_expression("a > 0.8 AND b < 0.95")
    a, b = data["a"].values, data["b"].values
    assert (expression.true(data).values == ((a > 0.8) & (b < 0.95))).all()
    ours, hand = best(lambda: expression.true(data)), best(lambda: (a > 0.8) & (b < 0.95))
    yield Figure(
        f"a > 0.8 AND b < 0.95, {rows:,} rows, CPU", round(ours * 1e3, 1), "ms", round(2 * hand * 1e3, 1),
        rival="numpy by hand", rival_value=round(hand * 1e3, 1),
    )  # fmt: skip
    frame = pl.DataFrame({"a": a, "b": b})
    made = expression.polars(frame.schema)
    yield Figure(
        "the same on polars, CPU", round(best(lambda: frame.select(made)) * 1e3, 1), "ms",
        rival="polars by hand", rival_value=round(best(lambda: frame.select((pl.col("a") > 0.8) & (pl.col("b") < 0.95))) * 1e3, 1),
    )  # fmt: skip

    times = pd.date_range("2025-01-01", periods=round(52_560 * SCALE), freq="10min")
    x = -6 + np.cumsum(rng.normal(0, 0.05, (len(times), 100)), axis=0) + rng.normal(0, 0.5, (len(times), 100))
    series = xr.Dataset({"x": (("time", "asset"), x)}, coords={"time": times, "asset": np.arange(100)})
    lasting = compile_expression("x < -5 FOR P3D")
    lasting.true(series)  # compiles, once on a machine
    ours = best(lambda: lasting.true(series), 3)
    long = pl.DataFrame(
        {"time": np.tile(times.values, 100), "asset": np.repeat(np.arange(100), len(times)), "x": x.T.ravel()}
    )

    def by_polars() -> pl.DataFrame:
        held = (pl.col("x") < -5).cast(pl.Int8)
        first = pl.col("time").first().over("asset")
        windows = (
            long.lazy().rolling("time", period="3d", closed="both", group_by="asset").agg(held.min().alias("held"))
        )
        return windows.with_columns(
            ((pl.col("held") == 1) & (pl.col("time") - first >= pl.duration(days=3))).alias("r")
        ).collect()

    theirs = by_polars()
    same = lasting.true(series).values == theirs["r"].to_numpy().reshape(100, -1).T
    assert same.all(), f"{(~same).sum()} differ"
    yield Figure(
        f"x < -5 FOR P3D, 100 assets × {len(times):,} times, CPU", round(ours, 3), "s", 0.2,
        rival="polars window", rival_value=round(best(by_polars, 1), 2),
    )  # fmt: skip
