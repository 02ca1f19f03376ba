"""The chain from ten-minute data to losses, on turbines whose losses are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.analytics.wind import loss_waterfall
from workbench.analytics.wind.period_losses import operation
from workbench.model.errors import InputError

DAYS = 120
STOP = slice(25 * 144, 27 * 144)  # two days


@pytest.fixture(scope="module")
def farm() -> xr.Dataset:
    """Three turbines in nearly the same wind, the first of which stands for two days."""
    rng = np.random.default_rng(4)
    time = pd.date_range("2024-01-01", periods=DAYS * 144, freq="10min", unit="ns")
    shared = (
        8.5
        + 2.5 * np.sin(np.arange(time.size) / 300)
        + np.convolve(rng.normal(0, 3, time.size), np.ones(36) / 36, "same")
    )
    speed = np.clip(shared[:, None] + rng.normal(0, 0.3, (time.size, 3)), 0, None)
    power = np.clip(2000 * ((speed - 3) / 9) ** 2 * (speed > 3), 0, 2000) * rng.normal(1, 0.02, speed.shape)
    power[STOP, 0] = -5.0
    return xr.Dataset(
        {
            "wind_speed": (("time", "asset"), speed, {"units": "m/s"}),
            "power_output": (("time", "asset"), power, {"units": "kW"}),
        },
        coords={"time": time, "asset": ["A", "B", "C"], "rated_capacity": ("asset", [2000.0] * 3, {"units": "kW"})},
        attrs={"asset_type": "wind_turbine"},
    )


def test_a_stop_costs_what_the_wind_would_have_given(farm: xr.Dataset) -> None:
    found = operation(farm)
    assert found.told_by == "production"
    losses = found.losses(price=50.0)
    lost = losses["lost_energy"].sel(asset="A", category="unavailable")
    speed = farm["wind_speed"].values[STOP, 0]
    truth = float(np.clip(2000 * ((speed - 3) / 9) ** 2 * (speed > 3), 0, 2000)[speed >= 4].sum() / 6)
    assert float(lost) == pytest.approx(truth, rel=0.05)
    assert float(losses["lost_value"].sel(asset="A", category="unavailable")) == pytest.approx(float(lost) * 0.05)
    assert float(losses["lost_energy"].sel(asset="B", category="unavailable")) == 0
    waterfall = loss_waterfall(losses)
    assert waterfall["energy"].iloc[:-1].sum() == pytest.approx(waterfall["energy"].iloc[-1], rel=1e-12)


def test_a_window_is_part_of_the_whole(farm: xr.Dataset) -> None:
    found = operation(farm)
    halves = [("2024-01-01", "2024-02-01"), ("2024-02-01", "2024-05-01")]
    parts = [found.losses(window)["potential_energy"].sum() for window in halves]
    assert float(sum(parts)) == pytest.approx(float(found.losses()["potential_energy"].sum()), rel=1e-12)
    january = found.availability(halves[0])
    assert float(january["availability"].sel(asset="A")) == pytest.approx(1 - 2 / 31, abs=0.01)
    assert float(found.availability(halves[1])["farm_availability"]) == 1.0


def test_a_status_tells_before_production_does(farm: xr.Dataset) -> None:
    status = xr.full_like(farm["power_output"], np.nan)
    status[STOP, 0] = 4.0
    from workbench.analytics.wind.category_seconds import status_codes

    code = status_codes()["scheduled_maintenance"]
    told = farm.assign(availability_status=status.where(status.isnull(), code))
    found = operation(told)
    assert found.told_by == "status"
    hours = found.seconds["seconds"].sel(category="scheduled_maintenance").sum("time") / 3600
    assert float(hours.sel(asset="A")) == pytest.approx(48.0)
    assert float(found.seconds["seconds"].sum()) == pytest.approx(DAYS * 86400 * 3)


def test_without_wind_it_is_said(farm: xr.Dataset) -> None:
    with pytest.raises(InputError, match="wind_speed"):
        operation(farm.drop_vars("wind_speed"))


def test_one_turbine(farm: xr.Dataset) -> None:
    found = operation(farm.isel(asset=[0]))
    assert float(found.losses()["lost_energy"].sel(category="unavailable").sum()) > 0
