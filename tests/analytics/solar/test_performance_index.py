"""The daily performance index."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.analytics.solar import clipping_limit, daily_performance
from workbench.model.errors import InputError


def fortnight(days: int = 14, index: float = 0.85) -> xr.Dataset:
    """Clear days by quarter hours at 150° east, the sun highest at 2:00 UTC."""
    times = pd.date_range("2024-02-29 14:00", periods=96 * days, freq="15min", unit="ns")
    hour = (times.hour + times.minute / 60 + 10) % 24
    sun = np.clip(np.cos((hour - 12) / 6.5 * np.pi / 2), 0, None) * 1000
    power = sun / 1000 * (1 - 0.004 * (45 - 25)) * 100 * index
    dims = ("time", "asset")
    return xr.Dataset(
        {
            "power_output": (dims, np.asarray(power)[:, None]),
            "irradiance_poa": (dims, np.asarray(sun)[:, None]),
            "cell_temperature": (dims, np.full((len(times), 1), 45.0)),
        },
        coords={
            "time": times,
            "asset": ["A"],
            "rated_capacity": ("asset", [100.0]),
            "longitude": ("asset", [150.0]),
        },
    )


def test_index_and_insolation_of_whole_days_by_the_sun():
    data = fortnight()
    daily = daily_performance(data)
    assert daily.sizes["time"] == 14
    assert daily["performance_index"].values == pytest.approx(0.85, abs=1e-12)
    total = float(data["irradiance_poa"].sum()) / 4 / 1000
    assert float(daily["insolation"].sum()) == pytest.approx(total)
    assert str(daily["time"].values[0])[:10] == "2024-03-01"


def test_a_stop_of_an_hour_does_not_change_the_index():
    data = fortnight()
    data["power_output"].values[96 * 5 + 48 : 96 * 5 + 52] *= 0.2
    daily = daily_performance(data)
    assert float(daily["performance_index"][5, 0]) == pytest.approx(0.85)
    assert float(daily["used"][5, 0]) < 1
    rough = daily_performance(data, compatibility="rdtools-3.2")
    assert float(np.nanmin(rough["performance_index"])) < 0.83


def test_clipping_is_left_out_by_what_is_expected():
    data = fortnight(days=60)
    rng = np.random.default_rng(1)
    data["power_output"] = (data["power_output"] * rng.normal(1, 0.005, data["power_output"].shape)).clip(max=60)
    daily = daily_performance(data)
    assert float(daily["clipping_limit"][0]) == pytest.approx(60, rel=0.01)
    assert daily["performance_index"].values == pytest.approx(0.85, abs=0.01)
    assert np.isnan(clipping_limit(fortnight(60)["power_output"].values[:, 0] * rng.normal(1, 0.03, 96 * 60), 100.0))


def test_bad_input():
    data = fortnight()
    with pytest.raises(InputError, match="no temperature"):
        daily_performance(data.drop_vars("cell_temperature"))
    with pytest.raises(InputError, match="never reaches"):
        daily_performance(data.assign(irradiance_poa=data["irradiance_poa"] / 1000))
    with pytest.raises(InputError, match="no irradiance"):
        daily_performance(data.assign(irradiance_poa=data["irradiance_poa"] * np.nan))
    with pytest.raises(InputError, match="coefficient"):
        daily_performance(data, temperature_coefficient=-0.4)
    with pytest.raises(InputError, match="irradiance_poa"):
        daily_performance(data.drop_vars("irradiance_poa"))
