"""The steps: slots keep their times, and get the soiling of their day."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.model.errors import InputError
from workbench.steps import get_step, remarks


def three_hourly() -> xr.Dataset:
    """Two years of a plant that soils for 50 days and is cleaned."""
    times = pd.date_range("2021-01-01", periods=8 * 740, freq="3h", unit="ns")
    rng = np.random.default_rng(2)
    sun = np.clip(np.sin((times.hour.to_numpy() - 6) / 12 * np.pi), 0, None) * 900
    day = np.arange(len(times)) // 8
    ratio = 1 - 0.002 * (day % 50)
    power = sun / 1000 * 100 * 0.9 * ratio * rng.normal(1, 0.005, len(times))
    dims = ("time", "asset")
    return xr.Dataset(
        {
            "power_output": (dims, power[:, None], {"units": "kW"}),
            "irradiance_poa": (dims, sun[:, None], {"units": "W/m2"}),
            "cell_temperature": (dims, np.full((len(times), 1), 25.0), {"units": "degC"}),
            "truth": (dims, ratio[:, None]),
        },
        coords={"time": times, "asset": ["A"], "rated_capacity": ("asset", [100.0])},
    )


def test_the_soiling_of_each_slot_and_its_cost():
    data = three_hourly()
    made = get_step("degradation_and_soiling")(data, simulations=10)
    assert made["soiling_ratio"].values == pytest.approx(data["truth"].values, abs=0.012)
    assert float(made["degradation_rate"][0]) == pytest.approx(0, abs=0.3)
    cost = get_step("soiling_cost")(data, price=0.2, cleaning_cost=10.0)
    lost = float((data["power_output"] * 3 * (1 / data["truth"] - 1)).sum())
    assert float(cost["soiling_lost_energy"][0]) == pytest.approx(lost, rel=0.05)
    assert float(cost["soiling_loss"].sum()) == pytest.approx(float(cost["soiling_lost_energy"][0]), rel=1e-6)
    assert cost["best_cleaning"].values[0] > data["time"].values[-1]


def test_why_there_is_no_figure_is_said():
    with remarks() as told:
        made = get_step("year_on_year_degradation")(three_hourly().isel(time=slice(2000)))
    assert np.isnan(made["year_on_year_rate"].values[0])
    assert "two years are needed" in told[0]


def test_an_index_by_hours_is_refused():
    data = three_hourly().rename(truth="performance_index")
    with pytest.raises(InputError, match="less than a day"):
        get_step("degradation_and_soiling")(data)
