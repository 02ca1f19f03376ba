"""Events and logs of codes as one line of time, cut into slots, to the nanosecond."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.analytics.wind.categories import CATEGORIES, CategoryTable
from workbench.analytics.wind.category_events import from_events, from_status_changes, resolve_events
from workbench.model.errors import InputError

START = pd.Timestamp("2024-01-01")
HOUR = (START, START + pd.Timedelta(hours=1))


def minutes(*values: float | None) -> list[dt.datetime | None]:
    return [None if one is None else START.to_pydatetime() + dt.timedelta(minutes=one) for one in values]


def events(*rows: tuple[str, float, float | None, str]) -> pl.DataFrame:
    assets, starts, ends, kinds = (list(one) for one in zip(*rows, strict=True))
    return pl.DataFrame({"asset": assets, "start": minutes(*starts), "end": minutes(*ends), "category": kinds})


def test_events_by_priority():
    table = events(
        ("A", -30, 5, "scheduled_maintenance"),  # begun before
        ("A", 15, 40, "requested_shutdown"),
        ("A", 20, 25.5, "forced_outage"),
        ("A", 55, None, "forced_outage"),  # goes on
        ("B", 70, 80, "forced_outage"),  # out of the window
    )
    found = from_events(table, window=HOUR, assets=["A", "B"])
    mine = found["seconds"].sel(asset="A")
    assert mine.sel(category="scheduled_maintenance").values.tolist() == [300, 0, 0, 0, 0, 0]
    assert mine.sel(category="requested_shutdown").values.tolist() == [0, 300, 270, 600, 0, 0]
    assert mine.sel(category="forced_outage").values.tolist() == [0, 0, 330, 0, 0, 300]
    assert mine.sel(category="available").values.tolist() == [300, 300, 0, 0, 600, 300]
    assert (found["seconds"].sel(asset="B", category="available") == 600).all()
    assert found["overlap_seconds"].values.tolist() == [330.0, 0.0]
    assert found["open_events"].values.tolist() == [1, 0]
    assert found["events"].values.tolist() == [4, 0]


def test_lines_of_time_have_no_gap():
    table = events(("A", 10, 20, "forced_outage"), ("A", 20, 30, "forced_outage"), ("A", 15, 25, "grid_outage"))
    line = resolve_events(table, window=HOUR, assets=["A", "B"])
    assert line["category"].to_list() == ["available", "forced_outage", "available", "available"]
    assert line["seconds"].to_list() == [600.0, 1200.0, 1800.0, 3600.0]
    assert line.filter(pl.col("asset") == "A")["start"][1:].to_list() == line["end"][:2].to_list()


EVENT = st.tuples(
    st.sampled_from("ABC"),
    st.integers(-3_000_000, 12_000_000),  # [ms]
    st.integers(0, 5_000_000),
    st.sampled_from(sorted(CATEGORIES)),
)


@settings(max_examples=60)
@given(st.lists(EVENT, max_size=40), st.permutations(sorted(CATEGORIES)))
def test_any_events_sum_to_the_period_and_the_first_in_the_order_holds(rows, order):
    table = CategoryTable(priority=tuple(order))
    window = (START, START + pd.Timedelta(hours=3))
    frame = pl.DataFrame(
        {
            "asset": [row[0] for row in rows],
            "start": [START.value // 10**6 + row[1] for row in rows],
            "end": [START.value // 10**6 + row[1] + row[2] for row in rows],
            "category": [row[3] for row in rows],
        },
        schema={"asset": pl.String, "start": pl.Int64, "end": pl.Int64, "category": pl.String},
    ).with_columns(pl.col("start", "end").cast(pl.Datetime("ms")))
    found = from_events(frame, window=window, assets=list("ABC"), table=table)["seconds"]
    np.testing.assert_allclose(found.sum("category"), 600.0, rtol=0, atol=1e-9)
    line = resolve_events(frame, window=window, assets=list("ABC"), table=table)
    assert line["seconds"].sum() == pytest.approx(3 * 3 * 3600)
    # the same, one second after the other
    moments = np.arange(0, 3 * 3600 * 1000, 97_003)
    for asset in "ABC":
        mine = line.filter(pl.col("asset") == asset)
        starts = (mine["start"].to_numpy() - np.datetime64(START, "ns")) // np.timedelta64(1, "ms")
        for moment in moments[:: max(len(moments) // 12, 1)]:
            holding = [row[3] for row in rows if row[0] == asset and row[1] <= moment < row[1] + row[2]]
            best = min(holding, key=table.priority.index, default="available")
            assert mine["category"][int(np.searchsorted(starts, moment, side="right")) - 1] == best


def test_codes_pandas_and_zones():
    table = pd.DataFrame(
        {
            "asset": ["A", "A"],
            "start": pd.to_datetime(["2024-01-01T01:10+01:00", "2024-01-01T01:30+01:00"]),
            "end": pd.to_datetime(["2024-01-01T01:20+01:00", "2024-01-01T01:30+01:00"]),
            "code": [13, 14],
        }
    )
    found = from_events(table, window=HOUR, assets=["A"], codes={13: "forced_outage", 14: "grid_outage"}, slot="1h")
    assert found["seconds"].sel(category="forced_outage").item() == 600.0
    with pytest.raises(InputError, match=r"(?s)no category.*14"):
        from_events(table, window=HOUR, assets=["A"], codes={13: "forced_outage"})


def test_without_word_of_the_turbine_it_is_unknown():
    table = events(("A", 0, 10, "forced_outage"))
    times = pd.date_range(START, periods=6, freq="10min")
    word = xr.DataArray(
        [[False], [False], [True], [True]], dims=("time", "asset"), coords={"time": times[:4], "asset": ["A"]}
    )
    found = from_events(table, window=HOUR, assets=["A"], informed=word)["seconds"].squeeze("asset")
    assert found.sel(category="forced_outage").values.tolist() == [600, 0, 0, 0, 0, 0]
    assert found.sel(category="unknown").values.tolist() == [0, 600, 0, 0, 600, 600]
    assert found.sel(category="available").values.tolist() == [0, 0, 600, 600, 0, 0]


def test_a_code_holds_until_the_next_but_not_for_ever():
    changes = pl.DataFrame({"asset": ["A", "A", "A"], "time": minutes(5, 35, 35), "code": ["run", "stop", "run"]})
    kinds = {"run": "available", "stop": "forced_outage"}
    found = from_status_changes(changes, window=HOUR, assets=["A", "B"], codes=kinds)["seconds"]
    assert found.sel(asset="A", category="available").values.tolist() == [300, 600, 600, 600, 600, 600]
    assert found.sel(category="unknown").sum("time").values.tolist() == [300, 3600]
    short = from_status_changes(changes, window=HOUR, assets=["A"], codes=kinds, longest="PT10M")["seconds"]
    assert short.sel(category="available").values.ravel().tolist() == [300, 300, 0, 300, 300, 0]


@pytest.mark.parametrize(("days", "slot"), [(182, "1d"), (366, "1d"), (1096, "1h"), (31, "10min")])
def test_no_slot_of_the_window_is_lost(days: int, slot: str):
    window = (START, START + pd.Timedelta(days=days))
    found = from_events(events(("A", 0, None, "forced_outage")), window=window, assets=["A"], slot=slot)
    assert found["seconds"].sel(category="forced_outage").sum().item() == days * 86_400
    assert found["seconds"].sum().item() == days * 86_400


def test_bad_events_are_refused():
    good = events(("A", 0, 10, "forced_outage"))
    with pytest.raises(InputError, match="end before they begin"):
        from_events(events(("A", 0, 10, "forced_outage"), ("A", 10, 5, "suspended")), window=HOUR, assets=["A"])
    with pytest.raises(InputError, match="not asked for"):
        from_events(good, window=HOUR, assets=["A1"])
    with pytest.raises(InputError, match="no column 'end'"):
        from_events(good.drop("end"), window=HOUR, assets=["A"])
    with pytest.raises(InputError, match="forced_outage"):
        from_events(events(("A", 0, 10, "forced outage")), window=HOUR, assets=["A"])
    with pytest.raises(InputError, match="no start"):
        from_events(good.with_columns(start=pl.lit(None, pl.Datetime)), window=HOUR, assets=["A"])
    with pytest.raises(InputError, match="not a time"):
        from_events(good.with_columns(start=pl.lit("x")), window=HOUR, assets=["A"])
    with pytest.raises(InputError, match="whole number"):
        from_events(good, window=(START, START + pd.Timedelta(minutes=15)), assets=["A"])
