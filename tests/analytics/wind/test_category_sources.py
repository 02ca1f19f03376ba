"""Every second of every slot in exactly one category, from counters, codes and SCADA."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.analytics.wind.availability import production_state
from workbench.analytics.wind.categories import CategoryTable
from workbench.analytics.wind.category_seconds import (
    category_frame,
    category_totals,
    combine_categories,
    dominant_category,
    status_codes,
)
from workbench.analytics.wind.category_sources import from_counters, from_production, from_status
from workbench.model.errors import InputError

NAN = np.nan
TOWIE = {
    "wtc_ScReToOp_timeon": "available",
    "wtc_ScEnvSto_timeon": "environmental_standby",
    "wtc_ScComSto_timeon": "requested_shutdown",
    "wtc_ScTurSto_timeon": "forced_outage",
    "wtc_ScGrdSto_timeon": "grid_outage",
}


def at(seconds: xr.Dataset, category: str, asset: int = 0) -> list[float]:
    return seconds["seconds"].sel(category=category).values[:, asset].tolist()


def counted(dataset, **fields: list[float]) -> xr.Dataset:
    return dataset({name: [[value] for value in values] for name, values in fields.items()})


@pytest.fixture(scope="session")
def hill_of_towie(test_data: Path, require) -> xr.Dataset:
    """Status counters of 21 turbines in July and August 2024, dims (time, asset) [s]; time stamps were ends."""
    import zipfile

    path = test_data / "wind" / "hill_of_towie_status_2024_07_08.zip"
    require(path.exists(), "hill_of_towie_status_2024_07_08.zip is not among the test data")
    with zipfile.ZipFile(path) as archive:
        parts = [
            pl.read_csv(archive.read(name), columns=["TimeStamp", "StationId", *TOWIE]) for name in archive.namelist()
        ]
    table = pl.concat(parts).unique(["TimeStamp", "StationId"])  # the end of July is in both files
    ends = table["TimeStamp"].str.to_datetime().to_numpy().astype("datetime64[ns]")
    times = np.arange(ends.min(), ends.max() + np.timedelta64(1, "s"), np.timedelta64(600, "s")) - np.timedelta64(
        600, "s"
    )
    row = ((ends - ends.min()) // np.timedelta64(600, "s")).astype(int)
    column = table["StationId"].to_numpy() - 2304510
    data = xr.Dataset(coords={"time": times, "asset": [f"T{n:02d}" for n in range(1, 22)]}, attrs={"cadence": "10min"})
    for name in TOWIE:
        values = np.full((len(times), 21), NAN)
        values[row, column] = table[name].to_numpy()
        data[name] = (("time", "asset"), values, {"units": "s"})
    return data


def test_hill_of_towie(hill_of_towie):
    found = from_counters(hill_of_towie, TOWIE)
    total = found["seconds"].sum("category")
    assert (total == 600.0).all()
    assert found["seconds"].sum().item() == 21 * 8929 * 600.0

    # 186,281 turbine slots, eleven of them without counters
    assert found["missing_slots"].sum().item() == 21 * 8929 - 186_281 + 11
    told = 186_281 - 11
    shares = {
        name: 100 * sum(found["seconds"].sel(category=name).values.ravel()) / 600 / told for name in TOWIE.values()
    }
    raw = {c: 100 * np.nansum(hill_of_towie[name].values) / 600 / told for name, c in TOWIE.items()}
    # ready to operate 97.81 %; in 0.2 % of the slots a stop was counted as well, and goes first
    assert raw["available"] == pytest.approx(97.81, abs=0.02)
    assert shares["available"] == pytest.approx(97.80, abs=0.03)
    assert shares["available"] < raw["available"]
    assert shares["forced_outage"] == pytest.approx(raw["forced_outage"], abs=1e-4)  # it goes before all others
    assert shares["requested_shutdown"] < raw["requested_shutdown"]  # most of it while faulty as well
    assert found["overlap_seconds"].sum().item() == pytest.approx(191 * 3600, rel=0.01)
    assert found["unclaimed_seconds"].sum().item() == pytest.approx(346 * 3600, rel=0.01)
    assert category_frame(found)["farm_share"].sum() == pytest.approx(100.0, abs=1e-9)


def test_overlap_goes_by_priority_and_is_counted(dataset):
    data = counted(dataset, ready=[600.0, 500.0, 0.0], stop=[0.0, 200.0, 600.0], market=[0.0, 0.0, 600.0])
    kinds = {"ready": "available", "stop": "forced_outage", "market": "requested_shutdown"}
    found = from_counters(data, kinds)
    assert at(found, "available") == [600.0, 400.0, 0.0]
    assert at(found, "forced_outage") == [0.0, 200.0, 600.0]
    assert at(found, "requested_shutdown") == [0.0, 0.0, 0.0]
    assert found["overfilled_slots"].item() == 2
    assert found["overlap_seconds"].item() == 700.0
    other = from_counters(data, kinds, table=CategoryTable.load({"first": ["requested_shutdown"]}))
    assert at(other, "requested_shutdown") == [0.0, 0.0, 600.0]
    assert at(other, "forced_outage") == [0.0, 200.0, 0.0]


def test_what_no_counter_claims_is_unknown_and_counted(dataset):
    data = counted(dataset, ready=[599.5, 400.0, NAN, -5.0, 900.0], stop=[0.0, NAN, NAN, 100.0, 0.0])
    found = from_counters(data, {"ready": "available", "stop": "forced_outage"})
    assert at(found, "available") == [600.0, 400.0, 0.0, 0.0, 600.0]
    assert at(found, "unknown") == [0.0, 200.0, 600.0, 500.0, 0.0]
    counts = {name: found[name].item() for name in ("missing_slots", "underfilled_slots", "impossible_values")}
    assert counts == {"missing_slots": 1, "underfilled_slots": 2, "impossible_values": 2}
    assert found["unclaimed_seconds"].item() == 700.0


def test_units_of_time_are_converted_and_slots_that_lack_are_unknown(dataset):
    data = counted(dataset, ready=[10.0, 5.0])
    data["ready"].attrs["units"] = "min"
    start = pd.Timestamp(data["time"].values[0])
    found = from_counters(data, {"ready": "available"}, window=(start, start + pd.Timedelta(minutes=30)))
    assert at(found, "available") == [600.0, 300.0, 0.0]
    assert at(found, "unknown") == [0.0, 300.0, 600.0]


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.permutations(sorted(TOWIE.values())))
def test_any_counters_sum_to_the_slot(seed, first):
    rng = np.random.default_rng(seed)
    times = pd.date_range("2024-01-01", periods=7, freq="10min")
    data = xr.Dataset(coords={"time": times, "asset": ["A", "B"]}, attrs={"cadence": "10min"})
    for name in TOWIE:
        values = rng.uniform(-100, 900, (7, 2)) * rng.integers(0, 2, (7, 2))
        data[name] = (("time", "asset"), np.where(rng.random((7, 2)) < 0.2, NAN, values))
    found = from_counters(data, TOWIE, table=CategoryTable.load({"first": first}))["seconds"]
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum("category"), 600.0, rtol=0, atol=1e-9)


def test_bad_counters_are_refused(dataset):
    data = counted(dataset, ready=[600.0, 600.0])
    with pytest.raises(InputError, match="forced_outage"):
        from_counters(data, {"ready": "forced_outge"})
    with pytest.raises(InputError, match="no variable 'redy'"):
        from_counters(data, {"redy": "available"})
    with pytest.raises(InputError, match="no counters"):
        from_counters(data, {})
    data["ready"].attrs["units"] = "kW"
    with pytest.raises(InputError, match=r"counters\.ready"):
        from_counters(data, {"ready": "available"})


def test_status_of_a_slot(dataset):
    codes = status_codes()
    data = counted(dataset, availability_status=[codes["available"], codes["grid_outage"], NAN, 77.0])
    found = from_status(data)
    assert at(found, "available") == [600.0, 0.0, 0.0, 0.0]
    assert at(found, "grid_outage") == [0.0, 600.0, 0.0, 0.0]
    assert at(found, "unknown") == [0.0, 0.0, 600.0, 600.0]
    assert (found["missing_slots"].item(), found["unmapped_slots"].item()) == (1, 1)
    assert dominant_category(found).values.ravel().tolist() == [0, codes["grid_outage"], 12, 12]
    own = from_status(data, codes={"0": "available", 77: "bats"}, table=CategoryTable(own={"bats": "suspended"}))
    assert at(own, "bats") == [0.0, 0.0, 0.0, 600.0]
    assert dominant_category(own).values[3, 0] == codes["suspended"]


def test_scada_alone_and_how_sources_complete_each_other(dataset):
    data = counted(dataset, wind_speed=[2.0, 8.0, 9.0, NAN], power_output=[0.0, 900.0, 0.0, 5.0])
    scada = from_production(production_state(data))
    assert at(scada, "available") == [600.0, 600.0, 0.0, 0.0]
    assert at(scada, "unavailable") == [0.0, 0.0, 600.0, 0.0]
    assert at(scada, "unknown") == [0.0, 0.0, 0.0, 600.0]
    data["ready"] = data["power_output"].copy(data=[[600.0], [300.0], [400.0], [500.0]]).drop_attrs()
    both = combine_categories(from_counters(data, {"ready": "available"}), scada)
    assert at(both, "available") == [600.0, 600.0, 400.0, 500.0]
    assert at(both, "unavailable") == [0.0, 0.0, 200.0, 0.0]
    assert at(both, "unknown") == [0.0, 0.0, 0.0, 100.0]
    with pytest.raises(InputError, match="same slots"):
        combine_categories(scada, scada.isel(time=slice(1, None)))


def test_months_of_the_sites_clock_sum_to_one(hill_of_towie):
    found = from_counters(hill_of_towie.isel(asset=[3]), TOWIE)
    months = category_totals(found, by="month", tz="Europe/London")
    # 23:50 UTC is past midnight in July; the last slot of August ends after midnight of September there
    assert months["period"].dt.month.values.tolist() == [7, 8, 9]
    np.testing.assert_allclose(months["share"].sum("category"), 1.0, atol=1e-12)
    assert months["hours"].sum("period").sum().item() == pytest.approx(8929 / 6)
