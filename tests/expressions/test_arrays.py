"""Telemetry: times by assets, facts of assets beside it, lazy data."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
import xarray as xr

from workbench.expressions import compile_expression

SECOND = 10**9
TIMES, ASSETS = 60, 4


@pytest.fixture
def data():
    """Values around the limits, with what is missing and infinite; times with gaps; facts of the assets."""
    rng = np.random.default_rng(4)
    times = np.cumsum(rng.choice([1, 1, 1, 2, 7], TIMES)).astype("datetime64[s]").astype("datetime64[ns]")

    def values():
        found = rng.normal(0, 1, (TIMES, ASSETS)).round(1)
        found[rng.random(found.shape) < 0.1] = np.nan
        found[rng.random(found.shape) < 0.05] = np.inf
        return found

    return xr.Dataset(
        {"a": (("time", "asset"), values()), "b": (("time", "asset"), values()), "wide": ("time", values()[:, 0])},
        coords={
            "time": times,
            "asset": [f"T{number}" for number in range(ASSETS)],
            "limit": ("asset", [0.5, 0.0, np.nan, -1.0]),
            "kind": ("asset", np.array(["wind", "solar", "wind", "battery"], dtype=object)),
            "site_limit": 0.25,
        },
    )


#: Conditions, and what each asks of ``FOR``.
CONDITIONS = [
    "a > limit",
    "a > limit * 2 AND b < site_limit",
    "kind = 'wind' AND a > 0",
    "kind IN ('wind', 'battery') OR NOT b > wide",
    "a > -1 FOR PT3S",
    "a > limit FOR PT2S",
    "(a > -1 FOR PT3S) AND NOT (b > 0 FOR PT2S)",
    "IF(kind = 'solar', a, b) > site_limit",
    "ANY(a, b, wide) > 1",
    "ALL(a, b) > limit FOR PT2S",
    "COALESCE(a, limit, 0) >= 0",
    "(a / b) ^ 2 > MAX(limit, 0) OR a % 0.3 > 0.1",
]
GAP = 3 * SECOND


@pytest.mark.parametrize("text", CONDITIONS)
def test_each_asset_is_as_if_it_were_alone(data, text):
    """The whole array, the records of one asset after the other, and a sample at a time: one answer."""
    expression = compile_expression(text)
    found = expression.evaluate(data, now=0, gap=GAP).transpose("time", "asset")
    assert found.shape == (TIMES, ASSETS)
    names = ["a", "b", "wide", "limit", "kind", "site_limit"]
    frame = pl.from_pandas(
        data.drop_attrs()
        .reset_coords(["limit", "kind", "site_limit"])
        .to_dataframe()
        .reset_index()[["time", "asset", *names]]
    ).sort("asset", "time")
    made = expression.polars(frame.schema, by="asset", now=0, gap=GAP)
    records = frame.with_columns(made.alias("r"))
    fields = {name: "text" if name == "kind" else "number" for name in names}
    seen = set()
    for number, (asset, rows) in enumerate(records.group_by("asset", maintain_order=True)):
        assert asset[0] == data["asset"].values[number]
        arrays = [None if value != value else bool(value) for value in found[:, number].values]
        assert rows["r"].to_list() == arrays, asset
        live = expression.sampled(fields, gap=GAP)
        moments = data["time"].values.astype("datetime64[ns]").astype(np.int64)
        assert [live(row, int(now)) for row, now in zip(rows.to_dicts(), moments, strict=True)] == arrays, asset
        seen |= set(arrays)
    assert len(seen) > 1  # a comparison of answers that are all the same would say little


@pytest.mark.parametrize("text", CONDITIONS)
@pytest.mark.parametrize("chunks", [{"time": 13}, {"time": 13, "asset": 1}])
def test_lazy_in_lazy_out(data, text, chunks):
    expression = compile_expression(text)
    lazy = data.chunk(chunks)
    found = expression.evaluate(lazy, now=0, gap=GAP)
    assert found.chunks
    xr.testing.assert_identical(
        found.transpose("time", "asset").compute(scheduler="threads"),
        expression.evaluate(data, now=0, gap=GAP).transpose("time", "asset"),
    )


def test_true_and_false_leave_the_unknown_over(data):
    expression = compile_expression("a > limit OR b > site_limit")
    true, false, value = (work(data) for work in (expression.true, expression.false, expression.evaluate))
    assert not (true & false).any()
    np.testing.assert_array_equal((~true & ~false).values, np.isnan(value.transpose(*true.dims).values))


def test_no_times_and_no_assets_are_no_answer_and_no_error(data):
    for empty in (data.isel(time=slice(0)), data.isel(asset=slice(0))):
        for text in ("a > limit AND kind = 'wind'", "a > 0 FOR PT3S"):
            found = compile_expression(text).true(empty)
            assert found.size == 0


def test_for_needs_no_threads_that_stand_each_other_in_the_way():
    """Where numba has neither OpenMP nor TBB, its threads end a process that calls them from two threads."""
    work = (
        "import numpy as np, xarray as xr\n"
        "from workbench.expressions import compile_expression\n"
        "t = np.arange('2025-01-01', '2025-01-11', dtype='M8[m]').astype('M8[ns]')\n"
        "x = np.random.default_rng(0).normal(-6, 1, (len(t), 40))\n"
        "d = xr.Dataset({'x': (('time', 'asset'), x)}, coords={'time': t}).chunk(asset=1)\n"
        "print(int(compile_expression('x < -5 FOR PT30M').true(d).sum().compute(scheduler='threads', num_workers=8)))\n"
    )
    environment = os.environ | {"NUMBA_THREADING_LAYER": "workqueue", "NUMBA_NUM_THREADS": "2"}
    found = subprocess.run([sys.executable, "-c", work], capture_output=True, text=True, env=environment, timeout=150)
    assert found.returncode == 0, found.stderr[-500:]
    assert int(found.stdout) > 0
