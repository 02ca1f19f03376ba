"""Measured power curves in a pipeline: a known curve is recovered, and earlier steps tell what does not count."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from pydantic import ValidationError

from workbench.analytics.wind.air_density import density_of
from workbench.analytics.wind.power_curve_iec import Instruments, iec_power_curve
from workbench.model.errors import InputError
from workbench.steps import get_step, remarks

NOISE = 20.0


def turbine(slots: int = 30_000, seed: int = 5, freq: str = "10min") -> xr.Dataset:
    """100 kW per m/s above 3 m/s, up to 1,000 kW, at 1.225 kg/m3; power in watts by noise of 20 kW."""
    rng = np.random.default_rng(seed)
    speed = rng.uniform(1.0, 20.0, (slots, 1))
    dims = ("time", "asset")
    made = np.where(speed > 3, np.clip((speed - 3) * 100, 0, 1000) + rng.normal(0, NOISE, speed.shape), -2.0)
    return xr.Dataset(
        {
            "wind_speed": (dims, speed, {"units": "m/s"}),
            "power_output": (dims, made / 1000, {"units": "MW"}),
            "air_density": (dims, np.full(speed.shape, 1.225), {"units": "kg/m3"}),
        },
        coords={
            "time": pd.date_range("2024-01-01", periods=slots, freq=freq, unit="ns"),
            "asset": ["T1"],
            "rated_capacity": ("asset", [1000.0]),
            "cut_in_wind_speed": ("asset", [3.0]),
        },
    )


@pytest.fixture(scope="module")
def measured() -> xr.Dataset:
    return turbine()


def test_a_known_curve_with_both_uncertainties(measured):
    found = get_step("iec_power_curve")(measured, instruments={"power": 3.0, "wind_speed": 0.04}).isel(asset=0)
    one = found.sel(power_curve_bin=8.0)
    count = one["power_curve_count"].item()
    assert one["power_curve"].item() == pytest.approx(500, abs=5 * NOISE / np.sqrt(count) + 2)
    # within the bin the power rises by 50 kW: its spread adds to the noise
    spread = np.hypot(NOISE, 50 / np.sqrt(12))
    assert one["power_curve_category_a"].item() == pytest.approx(spread / np.sqrt(count), rel=0.1)
    assert one["power_curve_category_b"].item() == pytest.approx(np.hypot(3.0, 4.0), rel=0.02)
    assert one["power_curve_uncertainty"].item() == pytest.approx(
        np.hypot(one["power_curve_category_a"].item(), one["power_curve_category_b"].item())
    )
    assert found["power_curve"].attrs["units"] == "kW"
    assert bool(found["power_curve_complete"])
    # 85 % of the rating is there at 11.5 m/s
    assert found["power_curve_range_low"].item() == 2.0
    assert found["power_curve_range_high"].item() == pytest.approx(17.25, abs=0.1)
    assert found["wind_speed"].dims == ("time",)  # what was there is as it was


def test_lone_stops_and_what_earlier_steps_know_do_not_count(measured):
    data = measured.copy(deep=True)
    step = get_step("iec_power_curve")
    plain = step(data, instruments={})
    stood = slice(1000, 2000)
    data["power_output"][stood] = -0.002
    found = step(data, instruments={})
    lost = int((data["wind_speed"][stood] >= 3.5).sum())
    assert (plain["power_curve_hours"] - found["power_curve_hours"]).item() == pytest.approx(lost / 6)
    seen = xr.zeros_like(measured["power_output"], dtype="int8")
    seen[stood] = 1
    for name in ("icing", "curtailment"):
        told = step(measured.assign({name: seen}), instruments={})
        assert (plain["power_curve_hours"] - told["power_curve_hours"]).item() == pytest.approx(1000 / 6), name
    partly = measured.assign(available_seconds=xr.where(seen == 1, 540.0, 600.0).transpose("time", "asset"))
    told = step(partly, instruments={})
    assert (plain["power_curve_hours"] - told["power_curve_hours"]).item() == pytest.approx(1000 / 6)


def test_curtailed_slots_that_nobody_told_show_by_their_power(measured):
    data = measured.copy(deep=True)
    high = data["wind_speed"][:500] > 9
    data["power_output"][:500] = xr.where(high, 0.3, data["power_output"][:500])
    usual, all_ = (get_step("iec_power_curve")(data, instruments={}, normal=one) for one in (True, False))
    fewer = (all_["power_curve_hours"] - usual["power_curve_hours"]).item() * 6
    assert fewer == pytest.approx(int(high.sum()), abs=3)
    at = {"asset": 0, "power_curve_bin": 30}
    assert usual["power_curve"][at].item() == pytest.approx(1000, abs=4)
    assert all_["power_curve"][at].item() < 992


def test_the_density_moves_speed_or_power(measured):
    thin = measured.assign(air_density=measured["air_density"] * 0.9)
    step = get_step("iec_power_curve")
    by_speed, by_power, as_it_is = (
        step(thin, instruments={}, **given).isel(asset=0, power_curve_bin=16)["power_curve"].item()
        for given in ({}, {"control": "stall"}, {"air_density_correction": False})
    )
    assert as_it_is == pytest.approx(500, abs=6)
    assert by_power == pytest.approx(500 / 0.9, abs=6)
    # what blows with 8 m/s at the density of reference blew faster in thin air
    assert by_speed == pytest.approx((8 / np.cbrt(0.9) - 3) * 100, abs=6)
    with remarks() as told:
        step(measured.drop_vars("air_density"), instruments={})
    assert any("without correction for its density" in one for one in told)


def test_faster_data_are_brought_to_ten_minutes(measured):
    """A bin takes 30 minutes, not 30 slots of a minute's worth."""
    minutes = measured.isel(time=np.repeat(np.arange(3000), 10))
    minutes["time"] = pd.date_range("2024-01-01", periods=30_000, freq="1min", unit="ns")
    step = get_step("iec_power_curve")
    ten = step(measured.isel(time=slice(0, 3000)), instruments={"power": 1})
    found = step(minutes, instruments={"power": 1})
    for name in ("power_curve", "power_curve_count", "power_curve_uncertainty", "power_curve_hours"):
        np.testing.assert_allclose(found[name].values, ten[name].values, rtol=1e-9, err_msg=name)
    by_hand = minutes.assign(power_output=(minutes["power_output"] * 1000).assign_attrs(units="W"))
    assert (iec_power_curve(by_hand, Instruments())["count"].values >= 3).any()
    assert np.isfinite(iec_power_curve(by_hand, Instruments())["power"].values).sum() > 30


def test_what_is_missing_is_named(measured):
    step = get_step("iec_power_curve")
    with pytest.raises(InputError, match="cut_in_wind_speed is not known"):
        step(measured.drop_vars("cut_in_wind_speed"), instruments={})
    bare = measured.drop_vars(["cut_in_wind_speed", "rated_capacity"])
    assert bool(step(bare, instruments={}, cut_in=3.0, rating=1000.0)["power_curve_complete"].all())
    with pytest.raises(ValidationError, match="powr"):
        step(measured, instruments={"powr": 3})
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        step(measured, instruments={"power": -3})
    with remarks() as told:
        few = step(measured.isel(time=slice(0, 100)), instruments={})
    assert not few["power_curve_complete"].item()
    assert any(f"T1: {few['power_curve_statement'].item()}" in one for one in told)
    assert "180 h are needed" in few["power_curve_statement"].item()


def test_la_haute_borne_as_the_function_has_it(two_years):
    """The same slots and density by hand: the same curve, and impossible temperatures do no harm."""
    data = two_years.sel(time=slice("2014-01-01", "2014-06-30"))
    instruments = {"power": 10, "wind_speed": 0.1, "wind_speed_relative": 0.02, "temperature": 1, "pressure": 3}
    found = get_step("iec_power_curve")(data, instruments=instruments, normal=False)
    made, speed = (data[name].astype("float64") for name in ("power_output", "wind_speed"))
    running = (made > 0) | (speed < data["cut_in_wind_speed"] + 0.5)
    by_hand = iec_power_curve(data, Instruments(**instruments), where=running, density=density_of(data))
    np.testing.assert_allclose(found["power_curve"].values, by_hand["power"].values)
    np.testing.assert_allclose(found["power_curve_uncertainty"].values, by_hand["combined_uncertainty"].values)
    assert found["power_curve_statement"].values.tolist() == by_hand["statement"].values.tolist()
    assert float(data["temperature"].min()) < -200
    top = np.nanmax(found["power_curve"].values, axis=1)
    assert top == pytest.approx([2050] * 4, rel=0.03)
