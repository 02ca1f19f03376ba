"""Capacity of whole discharges, beside the published capacity of each cycle of a cell of NASA."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.analytics.storage import discharge_capacity


@pytest.fixture(scope="module")
def nasa(test_data, require):
    """B0005: its series as one Dataset, cycles an hour apart, and the published capacities."""
    folder = test_data / "solar" / "nasa_battery"
    require(folder.is_dir(), "nasa_battery is not among the test data")
    series = pd.read_csv(folder / "B0005_timeseries.csv.gz")
    longest = series["Time"].max() + 3600
    seconds = series["Time"] + series["cycle_idx"] * longest
    times = np.datetime64("2008-04-02", "ns") + (1e9 * seconds).round().astype("int64").to_numpy().astype(
        "timedelta64[ns]"
    )
    data = xr.Dataset(
        {
            "voltage": (("time", "asset"), series["Voltage_measured"].to_numpy()[:, None], {"units": "V"}),
            "current": (("time", "asset"), -series["Current_measured"].to_numpy()[:, None], {"units": "A"}),
        },
        coords={"time": times, "asset": ["B0005"]},
    )
    return data, pd.read_csv(folder / "B0005_discharge.csv")["capacity"].to_numpy()


def test_nasa_b0005(nasa):
    """B. Saha, K. Goebel, Battery Data Set, NASA Ames 2007: discharged with 2 A to 2.7 V, capacity to there."""
    data, published = nasa
    found = discharge_capacity(data, cut_off=2.7)
    assert len(found) == len(published) == 168
    assert found["whole"].all()
    assert np.abs(found["charge"] / published - 1).mean() < 1e-3
    assert np.abs(found["charge"] / published - 1).max() < 3e-3
    assert (found["energy"] / found["charge"]).between(3.2, 3.6).all()


def test_a_discharge_that_does_not_come_to_the_end_is_no_whole_one(nasa):
    data, _ = nasa
    found = discharge_capacity(data.isel(time=slice(0, 120)), cut_off=2.7)
    assert found["whole"].tolist() == [False]
    idle = discharge_capacity(
        (data * 0 + 3.7).isel(time=slice(0, 3)).assign(current=0 * data["current"][:3]), cut_off=2.7
    )
    assert idle.empty
