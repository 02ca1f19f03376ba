"""Ten-minute values of faster data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.analytics.wind import power_curve, production_state, ten_minute
from workbench.model.errors import InputError
from workbench.model.quality import Quality, add_flags
from workbench.steps import remarks


def fast(rows: int = 7_200, seed: int = 1, step: str = "1s") -> xr.Dataset:
    rng = np.random.default_rng(seed)
    shape = (rows, 3)
    return xr.Dataset(
        {
            "wind_speed": (("time", "asset"), rng.gamma(8, 1, shape), {"units": "m/s"}),
            "power_output": (("time", "asset"), rng.normal(900, 60, shape).astype("f4"), {"units": "kW"}),
            "wind_direction": (("time", "asset"), rng.normal(0, 15, shape) % 360, {"units": "degree"}),
            "yaw_error": (("time", "asset"), rng.normal(179, 5, shape)),
            "turbine_status": (("time", "asset"), rng.integers(0, 4, shape).astype("f4")),
        },
        coords={
            "time": pd.date_range("2024-01-01 00:03", periods=rows, freq=step, unit="ns"),
            "asset": list("ABC"),
            "rated_capacity": ("asset", [2000.0] * 3),
        },
        attrs={"site": "x", "cadence": step},
    )


def test_means_are_those_of_pandas_and_directions_are_circular():
    data = fast()
    made = ten_minute(data, statistics=True)
    frame = data["wind_speed"].to_pandas().resample("10min")
    np.testing.assert_allclose(made["wind_speed"], frame.mean(), rtol=1e-12)
    np.testing.assert_allclose(made["wind_speed_std"], frame.std(ddof=0), rtol=1e-9)
    np.testing.assert_allclose(made["wind_speed_min"], frame.min())
    np.testing.assert_allclose(made["wind_speed_max"], frame.max())
    assert made["wind_speed_count"].values[:, 0].tolist() == [420, *[600] * 11, 180]
    assert made["time"].values[0] == np.datetime64("2024-01-01T00:00")
    off = (made["wind_direction"] + 180) % 360 - 180
    assert abs(off).max() < 3  # an arithmetic mean would say about 180
    assert 13 < float(made["wind_direction_std"].mean()) < 17
    lasts = data["turbine_status"].to_pandas().resample("10min").last()
    np.testing.assert_array_equal(made["turbine_status"], lasts)
    assert made.attrs == {"site": "x", "cadence": "10min"}
    assert made["rated_capacity"].values.tolist() == [2000.0] * 3
    assert made["power_output"].dtype == np.float32


def test_what_is_flagged_does_not_count_and_what_is_incomplete_is_derived():
    data = fast()
    where = data["wind_speed"] > 12
    made = ten_minute(add_flags(data, "wind_speed", where, Quality.SPIKE))
    np.testing.assert_allclose(
        made["wind_speed"], data["wind_speed"].where(~where).to_pandas().resample("10min").mean(), rtol=1e-9
    )
    assert (made["wind_speed_quality"] == int(Quality.DERIVED)).all()
    clean = ten_minute(data)
    assert clean["wind_speed_quality"].values[:, 0].tolist() == [1024, *[0] * 11, 1024]  # the first and last are cut
    few = ten_minute(data, least=0.5)
    assert np.isnan(few["wind_speed"].values[-1]).all()
    assert np.isfinite(few["wind_speed"].values[:-1]).all()


@pytest.mark.parametrize("chunks", [{"time": 1_000}, {"time": 1_801, "asset": 2}, {"time": 100_000}, {"time": 7}])
def test_lazy_data_stay_lazy_and_give_the_same(chunks):
    data = add_flags(fast(), "wind_speed", fast()["wind_speed"] > 12, Quality.SPIKE)
    if chunks["time"] == 7:
        data = data.isel(time=slice(0, 1_300))
    lazy = ten_minute(data.chunk(chunks))
    eager = ten_minute(data)
    assert lazy["wind_speed"].chunks
    assert set(eager.data_vars) <= set(lazy.data_vars)
    for name in eager.data_vars:
        np.testing.assert_allclose(lazy[name].values, eager[name].values, rtol=1e-12, err_msg=str(name))


def test_gaps_are_missing_and_slow_data_pass_unchanged():
    data = fast()
    times = data["time"].values
    hole = (times >= np.datetime64("2024-01-01T00:20")) & (times < np.datetime64("2024-01-01T00:40"))
    made = ten_minute(data.isel(time=~hole))
    assert np.isnan(made["wind_speed"].values[2:4]).all()
    assert made["sample_count"].values[2:4].sum() == 0
    assert made.sizes["time"] == 13
    slow = ten_minute(data)
    assert ten_minute(slow) is slow
    hourly = fast(20, step="1h")
    assert ten_minute(hourly) is hourly
    with pytest.raises(InputError, match="not in order"):
        ten_minute(data.isel(time=slice(None, None, -1)))


def test_the_analyses_make_them_by_themselves():
    data = fast(60_000, seed=3)
    made = 2000 / (1 + np.exp(-(data["wind_speed"] - 8)))
    data["power_output"] = made.assign_attrs(units="kW")
    with remarks() as told:
        state = production_state(data)
        curve = power_curve(data)
    assert any("1 s" in one for one in told)
    assert state.sizes["time"] == 101
    xr.testing.assert_identical(curve, power_curve(ten_minute(data)))
    xr.testing.assert_identical(state, production_state(ten_minute(data)))
