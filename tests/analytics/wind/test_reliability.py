"""Failures counted by hand, what the period cuts, and known rates recovered with their coverage."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from workbench.analytics.wind.category_events import from_events, resolve_events
from workbench.analytics.wind.reliability import reliability, stays, stays_of_intervals
from workbench.model.errors import InputError

START = pd.Timestamp("2024-01-01")
DAY = (START, START + pd.Timedelta(days=1))


def outages(*hours: tuple[float, float | None], asset: str = "A") -> pl.DataFrame:
    moment = [[None if h is None else START.value + round(h * 3.6e12) for h in one] for one in hours]
    return pl.DataFrame(
        {
            "asset": [asset] * len(hours),
            "start": [one[0] for one in moment],
            "end": [one[1] for one in moment],
            "category": ["forced_outage"] * len(hours),
        },
        schema={"asset": pl.String, "start": pl.Int64, "end": pl.Int64, "category": pl.String},
    ).with_columns(pl.col("start", "end").cast(pl.Datetime("ns")))


def test_failures_repairs_and_what_the_period_cuts():
    table = outages((-2, 1), (5, 6.5), (10, 10.5), (23, None))
    seconds = from_events(table, window=DAY, assets=["A", "B"])
    found = reliability(seconds).sel(asset="A")
    assert found["down_hours"].item() == pytest.approx(4.0)
    assert (found["failures"].item(), found["repairs"].item()) == (3, 2)
    assert (found["open_at_start"].item(), found["open_at_end"].item()) == (1, 1)
    assert found["mtbf"].item() == pytest.approx(20 / 3)
    assert found["mttr"].item() == pytest.approx((1.5 + 0.5 + 1) / 2)  # the repair under way counts with its time
    assert found["failure_rate"].item() == pytest.approx(3 / 20 * 8766)
    exact = stays_of_intervals(resolve_events(table, window=DAY, assets=["A", "B"]))
    assert exact["hours"].to_list() == pytest.approx([1, 1.5, 0.5, 1])
    same = reliability(seconds, exact).sel(asset="A")
    for name in found.data_vars:
        assert same[name].item() == pytest.approx(found[name].item(), nan_ok=True), name


def test_no_failure_has_no_mtbf_but_a_bound():
    found = reliability(from_events(outages(), window=DAY, assets=["A"])).isel(asset=0)
    assert np.isnan(found["mtbf"].item())
    assert np.isnan(found["mttr"].item())
    assert found["failure_rate"].item() == 0
    # 90 %: the upper end of no events is -ln(0.05)
    assert found["failure_rate_high"].item() == pytest.approx(-np.log(0.05) / 24 * 8766)
    assert found["mtbf_high"].item() == np.inf


def test_farm_is_all_turbines_together():
    table = pl.concat([outages((1, 2), (3, 4)), outages((5, 9), asset="B")])
    found = reliability(from_events(table, window=DAY, assets=["A", "B"]))
    assert found["farm_failures"].item() == 3
    assert found["farm_mtbf"].item() == pytest.approx((48 - 6) / 3)
    assert found["farm_mttr"].item() == pytest.approx(2.0)


def test_restarts_that_fail_are_one_failure_and_silence_ends_none():
    table = outages((2, 3), (3.25, 4), (8, 9))
    seconds = from_events(table, window=DAY, assets=["A"])
    assert stays(seconds).height == 3
    merged = stays(seconds, merge="PT30M")
    assert merged["hours"].to_list() == pytest.approx([1.75, 1.0])
    line = resolve_events(table, window=DAY, assets=["A"])
    assert stays_of_intervals(line, merge="PT30M")["hours"].to_list() == pytest.approx([1.75, 1.0])
    silent = pl.concat([outages((2, 3), (4, 5)), outages((3, 4)).with_columns(category=pl.lit("unknown"))])
    quiet = from_events(silent, window=DAY, assets=["A"])
    assert stays(quiet)["hours"].to_list() == pytest.approx([2.0])


def test_known_rates_are_recovered_and_covered():
    """200 turbines of the same known rate: estimate within its error, nine in ten intervals hold it."""
    rng = np.random.default_rng(4)
    mtbf, mttr, names = 400.0, 12.0, [f"T{n}" for n in range(200)]
    tables = []
    for name in names:
        moment, rows = -5_000.0 + rng.exponential(mtbf), []
        while moment < 8766 / 2:
            end = moment + rng.exponential(mttr)
            rows.append((moment, end))
            moment = end + rng.exponential(mtbf)
        tables.append(outages(*rows, asset=name))
    window = (START, START + pd.Timedelta(days=182))
    table = pl.concat(tables)
    seconds = from_events(table, window=window, assets=names, slot="1d")
    line = resolve_events(table, window=window, assets=names)
    found = reliability(seconds, stays_of_intervals(line))
    n = found["farm_failures"].item()
    assert n > 1_500
    assert found["farm_mtbf"].item() == pytest.approx(mtbf, rel=3 / np.sqrt(n))
    assert found["farm_mttr"].item() == pytest.approx(mttr, rel=3 / np.sqrt(n))
    covered = (found["mtbf_low"] <= mtbf) & (found["mtbf_high"] >= mtbf)
    assert 0.86 <= covered.mean().item() <= 0.97  # the exact interval covers a little more than it says
    assert found["open_at_start"].sum().item() > 0


def test_bad_input_is_told():
    seconds = from_events(outages(), window=DAY, assets=["A"])
    with pytest.raises(InputError, match="forced_outage"):
        reliability(seconds, categories=["forced_outge"])
    with pytest.raises(InputError, match="confidence"):
        reliability(seconds, confidence=90)
    with pytest.raises(InputError, match=r"(?s)not there.*B"):
        reliability(seconds, stays(from_events(outages((1, 2), asset="B"), window=DAY, assets=["B"])))
