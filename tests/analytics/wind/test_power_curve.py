from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from workbench.analytics.wind.availability import Production, production_state
from workbench.analytics.wind.power_curve import (
    annual_energy,
    curve_power,
    normal_operation,
    power_curve,
    rayleigh_energy,
)

NAN = np.nan


def test_bins_are_centred_on_multiples_of_the_width(dataset):
    speeds = [4.74, 4.75, 5.0, 5.24, 5.25]
    data = dataset({"wind_speed": [[v] for v in speeds], "power_output": [[p] for p in (1.0, 2.0, 3.0, 4.0, 5.0)]})
    curve = power_curve(data, min_count=1)
    at = dict(zip(curve["wind_speed_bin"].values.tolist(), curve["count"].isel(asset=0).values.tolist(), strict=True))
    assert (at[4.5], at[5.0], at[5.5]) == (1, 3, 1)
    middle = curve.sel(wind_speed_bin=5.0).isel(asset=0)
    assert middle["power"].item() == pytest.approx(3.0)
    assert middle["wind_speed"].item() == pytest.approx((4.75 + 5.0 + 5.24) / 3)
    assert middle["power_std"].item() == pytest.approx(1.0)
    assert middle["power_uncertainty"].item() == pytest.approx(1 / np.sqrt(3))


def test_bins_with_too_few_values_are_missing_but_counted(dataset):
    data = dataset({"wind_speed": [[5.0], [5.0], [8.0]], "power_output": [[100.0], [120.0], [700.0]]})
    curve = power_curve(data, min_count=2).isel(asset=0)
    assert np.isnan(curve["power"].sel(wind_speed_bin=8.0).item())
    assert curve["count"].sel(wind_speed_bin=8.0).item() == 1
    assert curve["power"].sel(wind_speed_bin=5.0).item() == 110.0
    assert curve["hours"].item() == pytest.approx(0.5)


def test_missing_values_and_slots_not_wanted_stay_out(dataset):
    data = dataset({"wind_speed": [[5.0], [5.0], [NAN], [5.0]], "power_output": [[100.0], [NAN], [300.0], [900.0]]})
    where = xr.DataArray([[True], [True], [True], [False]], dims=("time", "asset"), coords=data["power_output"].coords)
    curve = power_curve(data, min_count=1, where=where).isel(asset=0)
    assert curve["count"].sum().item() == 1
    assert curve["power"].sel(wind_speed_bin=5.0).item() == 100.0


def test_no_data_at_all_gives_an_empty_curve(dataset):
    curve = power_curve(dataset({"wind_speed": [[NAN], [NAN]], "power_output": [[NAN], [NAN]]}))
    assert curve["count"].sum().item() == 0
    assert curve["power"].isnull().all()


def test_density_moves_the_wind_speed_by_the_cube_root(dataset):
    data = dataset({"wind_speed": np.full((3, 1), 10.0), "power_output": np.full((3, 1), 1000.0)})
    density = xr.full_like(data["power_output"], 1.225 * 0.9**3)
    curve = power_curve(data, density=density).isel(asset=0)
    assert curve["wind_speed"].sel(wind_speed_bin=9.0).item() == pytest.approx(9.0)


def test_annual_energy_of_a_constant_power_is_the_share_of_time_it_blows():
    # P = 1,000 kW from 5 to 15 m/s (and a ramp from 4.5): F(15) - F(5) of the year, plus half of the ramp
    def below(v):
        return 1 - np.exp(-np.pi / 4 * (v / 8) ** 2)

    speed = np.arange(5.0, 15.01, 0.5)
    expected = 8760 * 1000 * (below(15) - below(5) + 0.5 * (below(5) - below(4.5)))
    assert rayleigh_energy(speed, np.full(len(speed), 1000.0), 8.0) == pytest.approx(expected)


def test_annual_energy_skips_an_asset_without_a_curve(dataset):
    data = dataset({"wind_speed": [[5.0, NAN]] * 3, "power_output": [[100.0, NAN]] * 3})
    found = annual_energy(power_curve(data), 7.0)
    assert found.values[0] > 0
    assert np.isnan(found.values[1])


def test_curve_power_interpolates_and_stops_at_cut_out(dataset):
    data = dataset({"wind_speed": [[4.0]] * 3 + [[6.0]] * 3, "power_output": [[100.0]] * 3 + [[300.0]] * 3})
    curve = power_curve(data)
    asked = dataset({"wind_speed": [[3.0], [5.0], [20.0], [26.0], [NAN]]})["wind_speed"]
    found = curve_power(curve, asked, cut_out=25.0).values.ravel()
    assert found[:4].tolist() == [0.0, 200.0, 300.0, 0.0]
    assert np.isnan(found[4])


def test_derated_and_impossible_slots_are_unusual(dataset):
    rng = np.random.default_rng(2)
    speed = rng.uniform(5, 11, (4000, 1))
    power = 2.0 * speed**3 * (1 + rng.normal(0, 0.03, speed.shape))
    power[:40] *= 0.4  # curtailed
    data = dataset({"wind_speed": speed, "power_output": power}, rated_capacity=[2050.0])
    keep = normal_operation(data, xr.ones_like(data["power_output"], dtype=bool))
    strong = speed[:40, 0] > 7  # below, the slope inside a bin hides a deviation
    assert not keep.values[:40][strong].any()
    assert keep.values[40:].mean() > 0.999


def test_la_haute_borne_curves_agree_with_each_other(haute_borne):
    turbines, _ = haute_borne
    state = production_state(turbines)
    normal = normal_operation(turbines, (state == Production.PRODUCING) | (state == Production.OUTSIDE))
    assert normal.sum().item() / (state != Production.NO_INFORMATION).sum().item() > 0.985
    curve = power_curve(turbines, where=normal)
    part = curve["power"].sel(wind_speed_bin=slice(5.0, 12.0))
    assert (part.diff("wind_speed_bin") > 0).all()
    spread = (part.max("asset") - part.min("asset")) / part.mean("asset")
    assert float(spread.sel(wind_speed_bin=slice(7.0, 12.0)).max()) < 0.06
    # four equal machines of 2,050 kW: at 15 m/s they are at their rating
    assert curve["power"].sel(wind_speed_bin=15.0).values == pytest.approx(2010, abs=35)
    assert (curve["hours"] > 180).all()
