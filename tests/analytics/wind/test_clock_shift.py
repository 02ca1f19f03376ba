"""Clocks that were off: the summers of La Haute Borne and of a solar plant, shifts put in, the way back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr

from workbench.analytics.wind import clock_shifts
from workbench.model.errors import InputError


def shifted(data: xr.Dataset, asset: int, first: int, stop: int, slots: int) -> xr.Dataset:
    """A turbine whose stamps are late by ``slots`` between two rows; what its clock jumped over is missing."""
    made = {}
    for name in ("wind_speed", "power_output", "temperature"):
        values = data[name].values.copy()
        if slots > 0:
            values[first + slots : stop, asset] = data[name].values[first : stop - slots, asset]
            values[first : first + slots, asset] = np.nan
        else:
            values[first : stop + slots, asset] = data[name].values[first - slots : stop, asset]
            values[stop + slots : stop, asset] = np.nan
        made[name] = (("time", "asset"), values, data[name].attrs)
    return data.assign(made)


def found_in(table: pl.DataFrame) -> list[tuple[str, str, str, float]]:
    off = table.filter(pl.col("shift") != 0).sort("start")
    return [
        (asset, str(start)[:10], str(end)[:10], shift)
        for asset, start, end, shift in off.select("asset", "start", "end", "shift").iter_rows()
    ]


def test_the_turbines_of_la_haute_borne_share_one_clock(two_years):
    table = clock_shifts(two_years)
    assert found_in(table) == []
    assert table["lag"].abs().max() < 2  # [min]
    assert table["correlation"].min() > 0.85


def test_the_clock_of_la_haute_borne_did_not_follow_summer_time(two_years, reanalyses):
    # the offsets were added later: summers sit an hour too early against ERA5
    one = two_years.isel(asset=[0, 2])
    table = clock_shifts(one, reference=reanalyses["era5"]["wind_speed"], tz="Europe/Paris")
    expected = [("2014-03-30", "2014-10-26", -60.0), ("2015-03-29", "2015-10-25", -60.0)]
    for asset in ("R80711", "R80736"):
        assert [row[1:] for row in found_in(table) if row[0] == asset] == expected
    assert table["phase"].is_between(-70, -30).all()  # what is left in the winters is the reanalysis' own


def test_without_a_zone_the_days_are_told_to_a_week_or_two(two_years, reanalyses):
    table = clock_shifts(two_years.isel(asset=[0]), reference=reanalyses["era5"]["wind_speed"])
    starts = [np.datetime64(row[1]) for row in found_in(table)]
    assert len(starts) == 2
    for found, true in zip(starts, (np.datetime64("2014-03-30"), np.datetime64("2015-03-29")), strict=True):
        assert abs(found - true) <= np.timedelta64(10, "D")


@pytest.mark.parametrize("hours", [1, -1, 2])
def test_an_hour_put_into_one_turbine_is_found_and_in_no_other(two_years, hours):
    data = shifted(two_years, 1, 30_000, 60_000, 6 * hours)
    ((asset, _, _, shift),) = found_in(table := clock_shifts(data))
    assert (asset, shift) == ("R80721", 60.0 * hours)
    row = table.filter(pl.col("shift") != 0).row(0, named=True)
    times = two_years["time"].values
    for instant, true in ((row["start"], times[30_000]), (row["end"], times[60_000])):
        assert abs(np.datetime64(instant, "ns") - true) <= np.timedelta64(3, "h")


def test_shifts_of_many_lengths_are_found_and_no_others(two_years):
    """Precision and recall over turbines, amounts and lengths from five days on."""
    rng = np.random.default_rng(1)
    data = two_years.isel(time=slice(0, 40_000))
    right = found = 0
    for case in range(8):
        asset, first = case % 4, int(rng.integers(2_000, 20_000))
        length, slots = int(rng.integers(5 * 144, 60 * 144)), int(rng.choice([-6, 3, 6, 12]))
        table = clock_shifts(shifted(data, asset, first, first + length, slots)).filter(pl.col("shift") != 0)
        found += len(table)
        for row in table.iter_rows(named=True):
            near = abs(np.datetime64(row["start"], "ns") - data["time"].values[first]) <= np.timedelta64(1, "D")
            right += near and row["shift"] == 10.0 * slots and row["asset"] == data["asset"].values[asset]
    assert right == 8  # recall 1
    assert found - right <= 1  # precision at least 8/9


def test_a_solar_plant_on_summer_time_by_its_irradiance(test_data: Path, require):
    """PVDAQ system 50 is written in the time of the wall; the irradiance beside it (NSRDB) in standard time."""
    folder = test_data / "solar" / "pvanalytics"
    path = folder / "system_50_ac_power_2_full_DST.parquet"
    require(path.exists(), f"{path.name} is not among the test data")

    def read(name: str, time: str, value: str) -> xr.DataArray:
        frame = pd.read_parquet(folder / name)
        stamps = pd.to_datetime(frame[time], utc=True).dt.tz_localize(None) - pd.Timedelta("7h")  # written as -07:00
        stamps = stamps.to_numpy().astype("datetime64[ns]")
        return xr.DataArray(frame[value].to_numpy(), dims="time", coords={"time": stamps})

    power = (
        read(path.name, "measured_on", "ac_power_2")
        .to_dataset(name="ac")
        .expand_dims(asset=["50"])
        .transpose("time", "asset")
    )
    grid = pd.date_range(power["time"].values[0], power["time"].values[-1], freq="15min", unit="ns")
    sun = read("system_50_ac_power_2_full_DST_psm3.parquet", "index", "ghi")
    found = clock_shifts(power.reindex(time=grid), variable="ac", reference=sun).filter(pl.col("shift") != 0)
    assert found["shift"].to_list() == [60.0] * 3
    changes = ["2011-11-06", "2012-03-11", "2012-11-04", "2013-03-10", "2013-11-03"]
    told = sorted([*found["start"][1:].to_list(), *found["end"].to_list()])
    for at, true in zip(told, changes, strict=True):
        assert abs(np.datetime64(at) - np.datetime64(true)) <= np.timedelta64(36, "h")


def test_what_cannot_be_judged_says_why(two_years):
    two = two_years.isel(asset=[0, 1], time=slice(0, 5_000))
    assert set(clock_shifts(two)["reason"]) == {"fewer than two neighbours, and no reference"}
    data = two_years.isel(time=slice(0, 5_000)).copy(deep=True)
    data["wind_speed"][:, 0] = np.nan
    table = clock_shifts(data)
    assert table.filter(pl.col("asset") == "R80711")["reason"].item() == "too little data in common"
    assert table.filter(pl.col("asset") != "R80711")["reason"].null_count() == 3
    with pytest.raises(InputError, match="regular grid"):
        clock_shifts(two_years.isel(time=[0, 1, 2, 5, 9]))
    with pytest.raises(InputError, match="no such time zone"):
        clock_shifts(two, tz="Europe/Pari")
    with pytest.raises(InputError, match="a reference is a series"):
        clock_shifts(two, reference=xr.DataArray([1.0], dims="x"))
