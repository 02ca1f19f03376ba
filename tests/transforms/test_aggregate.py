from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr

from workbench.model.errors import InputError
from workbench.model.vocabulary import vocabulary
from workbench.steps import remarks
from workbench.transforms.aggregate import statistical_aggregation

DAILY = [
    {"field": "power_output", "function": "mean", "output": "avg_power"},
    {"field": "power_output", "function": "stddev", "output": "power_stddev"},
    {"field": "power_output", "function": "p90"},
    {"field": "power_output", "function": "count", "output": "n"},
]


@pytest.fixture
def data():
    rng = np.random.default_rng(1)
    times = pd.date_range("2025-01-01", periods=3 * 144, freq="10min")
    wind = rng.uniform(3, 12, (len(times), 2))
    power = wind**3
    power[5, 0] = np.nan
    found = xr.Dataset(
        {"wind_speed": (("time", "asset"), wind), "power_output": (("time", "asset"), power, {"units": "kW"})},
        coords={"time": times, "asset": ["T1", "T2"]},
    )
    flags = np.zeros(power.shape, np.uint16)
    flags[7, 1] = 16
    found["power_output_quality"] = (("time", "asset"), flags)
    return found


def test_daily_values_stand_at_every_time_of_the_day(data):
    found = statistical_aggregation(data, group_by=["turbine_id"], time_window="P1D", aggregations=DAILY)
    usable = data["power_output"].where(data["power_output_quality"] == 0).to_pandas()
    for name, expected in {
        "avg_power": usable.resample("1D").mean(),
        "power_stddev": usable.resample("1D").std(),
        "power_output_p90": usable.resample("1D").quantile(0.9),
        "n": usable.resample("1D").count(),
    }.items():
        got = found[name].to_pandas()
        np.testing.assert_allclose(got.iloc[::144], expected, err_msg=name)
        assert (got.groupby(got.index.floor("D")).nunique() == 1).all().all()
    assert found["avg_power"].attrs["units"] == "kW"
    assert found["n"].attrs["units"] == "1"


def test_by_bins_of_wind_speed(data):
    found = statistical_aggregation(
        data, group_by=["turbine_id", "wind_speed_bin"], time_window="P1D", aggregations=DAILY
    )
    frame = data[["wind_speed", "power_output"]].where(data["power_output_quality"] == 0).isel(asset=1).to_dataframe()
    bins = np.floor(data["wind_speed"].isel(asset=1).values / 0.5 + 0.5)
    expected = frame["power_output"].groupby([frame.index.floor("D"), bins]).transform("mean")
    np.testing.assert_allclose(found["avg_power"].isel(asset=1), expected)
    with pytest.raises(InputError, match="a bin has no width"):
        statistical_aggregation(data, group_by=["power_output_bin"], time_window="P1D", aggregations=DAILY)
    with pytest.raises(InputError, match="did you mean 'wind_speed_bin'"):
        statistical_aggregation(data, group_by=["wind_sped_bin"], time_window="P1D", aggregations=DAILY)


def test_availability_is_the_share_of_states_in_which_a_machine_is_there(data):
    states = vocabulary()["availability_status"].states
    codes = np.full(data["wind_speed"].shape, float(states["available"]))
    codes[:36, 0] = states["unavailable"]
    codes[36:72, 0] = np.nan
    data["availability_status"] = (("time", "asset"), codes)
    wanted = [{"field": "availability_status", "function": "availability_factor", "output": "availability"}]
    found = statistical_aggregation(data, group_by=["turbine_id"], time_window="P1D", aggregations=wanted)
    np.testing.assert_allclose(found["availability"].values[::144], [[72 / 108, 1], [1, 1], [1, 1]])
    texts = np.where(codes == states["available"], "available", "fault").astype(object)
    data["availability_status"] = (("time", "asset"), texts)
    found = statistical_aggregation(data, time_window="P1D", aggregations=wanted)
    np.testing.assert_allclose(found["availability"].values[::144], [[0.5, 1], [1, 1], [1, 1]])


def test_records_become_one_for_each_group_and_window():
    records = pl.LazyFrame(
        {
            "machine_id": ["M1", "M1", "M1", "M2"],
            "timestamp": [
                "2025-01-15T10:30:05Z",
                "2025-01-15T10:40:00Z",
                "2025-01-15T11:00:00Z",
                "2025-01-15T10:59:59Z",
            ],
            "temperature": [75.0, 85.0, None, 60.0],
            "vibration_level": [None, 2.8, 3.0, None],
        }
    )
    wanted = [
        {"field": "temperature", "function": "avg"},
        {"field": "temperature", "function": "max"},
        {"field": "vibration_level", "function": "avg"},
        {"field": "pressure", "function": "avg"},
    ]
    with remarks() as told:
        found = statistical_aggregation(
            records, group_by=["machine_id"], time_window="PT1H", aggregations=wanted
        ).collect()
    rows = {(row["machine_id"], row["window_start"].hour): row for row in found.to_dicts()}
    assert len(rows) == 3
    assert rows["M1", 10]["temperature_avg"] == 80.0
    assert rows["M1", 10]["temperature_max"] == 85.0
    assert rows["M1", 11]["temperature_avg"] is None
    assert rows["M1", 11]["vibration_level_avg"] == 3.0
    assert rows["M2", 10]["vibration_level_avg"] is None
    assert told == ["statistical_aggregation: no field 'pressure' in the records; what is said of it is left out"]
    with pytest.raises(InputError, match="did you mean 'machine_id'"):
        statistical_aggregation(records, group_by=["machine"], time_window="PT1H", aggregations=wanted)


def test_an_unknown_function_is_told(data):
    with pytest.raises(InputError, match="did you mean 'stddev'"):
        statistical_aggregation(data, time_window="P1D", aggregations=[{"field": "wind_speed", "function": "stdev"}])
