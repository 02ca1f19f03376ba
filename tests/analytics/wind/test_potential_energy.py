"""Potential power: the hidden truth of simulated farms, and real turbines whose power is hidden."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.analytics.wind.availability import production_state
from workbench.analytics.wind.category_sources import from_production
from workbench.analytics.wind.potential_energy import Source, neighbour_power, ordinary_slots, potential_power
from workbench.analytics.wind.power_curve import curve_power, normal_operation, power_curve
from workbench.model.errors import InputError

RATED = 2000.0


def farm(assets: int = 6, slots: int = 6000, seed: int = 1) -> xr.Dataset:
    """Turbines in one wind that each sees a little differently, ``power`` what they could make [kW]."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 0.35, slots)
    wind = 8.0 + 3.0 * np.sin(np.arange(slots) / 300.0) + np.convolve(rng.normal(0, 1, slots), np.ones(50) / 7, "same")
    speeds = np.clip(
        wind[:, None] * rng.uniform(0.93, 1.07, assets) + noise[:, None] + rng.normal(0, 0.3, (slots, assets)), 0, 24
    )
    power = np.clip(RATED * ((speeds - 3) / 9) ** 3, 0, RATED) * (speeds > 3)
    return xr.Dataset(
        {"wind_speed": (("time", "asset"), speeds), "power": (("time", "asset"), power)},
        coords={
            "time": pd.date_range("2024-01-01", periods=slots, freq="10min"),
            "asset": [f"T{n}" for n in range(assets)],
        },
        attrs={"cadence": "10min"},
    )


def stopped(data: xr.Dataset, seed: int = 2) -> xr.DataArray:
    """Slots in which each turbine stands: 12 stays of a day; (time, asset)."""
    rng = np.random.default_rng(seed)
    mask = np.zeros(data["power"].shape, bool)
    for column in range(mask.shape[1]):
        for start in rng.integers(0, len(mask) - 144, 6):
            mask[start : start + 144, column] = True
    return data["power"].copy(data=mask)


def test_neighbours_tell_what_a_stopped_turbine_would_have_made():
    data = farm()
    stands = stopped(data)
    made = data["power"].where(~stands, 0.0)
    found = neighbour_power(made, ~stands)
    told, truth = found["neighbour_power"].where(stands).sum("time"), data["power"].where(stands).sum("time")
    np.testing.assert_allclose(told, truth, rtol=0.02)
    assert found["neighbour_count"].max().item() == 5
    off = (found["neighbour_power"] - data["power"]).where(stands)
    assert found["error_std"].mean().item() == pytest.approx(float(np.sqrt((off**2).mean())), rel=0.15)


def test_both_are_no_worse_than_either():
    data = farm(seed=3)
    stands = stopped(data, 4)
    rng = np.random.default_rng(5)
    expected = data["power"] + rng.normal(0, 120.0, data["power"].shape)
    made = data["power"].where(~stands, 0.0)
    worse = {}
    for method in ("curve", "neighbours", "both"):
        found = potential_power(made, ~stands, expected, method=method)
        worse[method] = float(np.sqrt((((found["potential_power"] - data["power"]).where(stands)) ** 2).mean()))
    assert worse["both"] < min(worse["curve"], worse["neighbours"])
    assert found["curve_error"].values == pytest.approx(120.0, rel=0.05)


def test_one_falls_back_to_the_other_and_says_so():
    data = farm(assets=3)
    stands = data["power"].copy(data=np.zeros(data["power"].shape, bool))
    stands[100:200, 0] = True
    stands[150:300] = True  # all of them
    expected = data["power"].copy()
    expected[120:160, 0] = np.nan
    expected[250:260, 0] = np.nan
    found = potential_power(data["power"].where(~stands), ~stands, expected)
    source = found["potential_source"].values[:, 0]
    assert (source[100:120] == Source.BOTH).all()
    assert (source[120:150] == Source.NEIGHBOURS).all()
    assert (source[150:160] == Source.NONE).all()
    assert (source[160:250] == Source.CURVE).all()
    assert found["untold_slots"].values.tolist() == [20, 0, 0]
    assert np.isnan(found["potential_power"].values[150:160, 0]).all()


def test_a_turbine_alone_has_its_curve():
    data = farm(assets=1)
    runs = data["power"] >= 0
    found = potential_power(data["power"], runs, data["power"])
    assert (found["potential_source"] == Source.CURVE).all()
    with pytest.raises(InputError, match="alone has no neighbours"):
        potential_power(data["power"], runs, method="neighbours")
    with pytest.raises(InputError, match="no power by a curve"):
        potential_power(data["power"], runs, method="curve")


def test_turbines_that_never_ran_together_are_no_neighbours():
    data = farm(assets=2)
    runs = data["power"].copy(data=np.ones(data["power"].shape, bool))
    runs[:3000, 0], runs[3000:, 1] = False, False
    found = neighbour_power(data["power"], runs)
    assert found["neighbour_power"].isnull().all()
    assert np.isnan(found["error_std"].values).all()


def waked(seed: int = 1) -> tuple[xr.Dataset, xr.DataArray]:
    """A farm in which T0 makes half of its power in the wake, from the south; and the directions, (time, asset)."""
    data = farm(assets=4, slots=12_000, seed=seed)
    rng = np.random.default_rng(seed)
    truth = np.cumsum(rng.normal(0, 4.0, 12_000)) % 360.0
    in_wake = np.abs(truth - 180.0) < 40.0
    power = data["power"].values.copy()
    power[in_wake, 0] *= 0.5
    vanes = (truth[:, None] + rng.normal(0, 3.0, (12_000, 4))) % 360.0
    vanes[6_000:, 3] = (vanes[6_000:, 3] + 120.0) % 360.0  # one that was turned does not matter
    return data.assign(power=(("time", "asset"), power)), data["power"].copy(data=vanes)


def test_in_a_wake_a_neighbour_tells_less_power():
    data, direction = waked()
    stands = stopped(data)
    made = data["power"].where(~stands, 0.0)
    errors = {}
    for name, given in (("none", None), ("sectors", direction), ("farm", direction[:, 0].drop_vars("asset"))):
        told = neighbour_power(made, ~stands, direction=given)
        off = (told["neighbour_power"] - data["power"]).where(stands)[:, 0]
        errors[name] = float(np.sqrt((off**2).mean()))
        assert told["neighbour_power"].notnull().all()
    assert errors["sectors"] < 0.75 * errors["none"]
    assert errors["farm"] < 0.75 * errors["none"]


def test_without_directions_or_with_few_slots_all_of_them_tell():
    data, direction = waked()
    stands = stopped(data)
    made = data["power"].where(~stands, 0.0)
    plain = neighbour_power(made, ~stands)
    xr.testing.assert_identical(neighbour_power(made, ~stands, direction=direction * np.nan), plain)
    xr.testing.assert_identical(neighbour_power(made, ~stands, direction=direction, sector=1.0), plain)
    one = neighbour_power(made, ~stands, direction=direction, sector=360.0)
    np.testing.assert_allclose(one["neighbour_power"], plain["neighbour_power"])
    with pytest.raises(InputError, match="no width of a sector"):
        neighbour_power(made, ~stands, direction=direction, sector=0.0)
    with pytest.raises(InputError, match="no series of directions"):
        neighbour_power(made, ~stands, direction=direction.isel(time=0))


def test_directions_make_the_potential_of_real_turbines_better(two_years):
    """Each turbine is hidden for every fifth ten days, one at a time: energy of a day by its neighbours."""
    power = two_years["power_output"]
    plain = two_years[["wind_speed", "power_output"]]
    usual = normal_operation(plain, ordinary_slots(from_production(production_state(two_years)), power))
    day = np.arange(power.sizes["time"]) // 144
    hidden = usual.copy(data=(day[:, None] // 10) % 5 == np.arange(4))
    errors = {}
    for name, direction in (("none", None), ("sectors", two_years["wind_direction"])):
        told = neighbour_power(power, usual & ~hidden, direction=direction)["neighbour_power"]
        off = (told - power).where(usual & hidden).fillna(0.0).transpose("time", "asset").values
        daily = np.stack([np.bincount(day, one) for one in off.T]) / 6
        errors[name] = float(np.sqrt((daily**2).sum() / (hidden.values.sum() / 144)))
    # of all days, each turbine hidden in each: 910 and 719 kWh
    assert errors["sectors"] < 0.85 * errors["none"]


def test_hidden_days_of_real_turbines(haute_borne):
    """A turbine is hidden for 40 days in all; what it made then is told within three per cent by all three ways."""
    data = haute_borne[0][["wind_speed", "power_output"]].load()
    seconds = from_production(production_state(data))
    usual = normal_operation(data, ordinary_slots(seconds, data["power_output"]))
    day = np.arange(data.sizes["time"]) // 144
    hidden = xr.DataArray(day % 9 == 4, dims="time", coords={"time": data["time"]})
    expected = curve_power(power_curve(data, where=usual & ~hidden), data["wind_speed"])
    for method in ("curve", "neighbours", "both"):
        off = []
        for name in data["asset"].values[::2]:
            runs = usual & ~(hidden & (data["asset"] == name))
            told = potential_power(data["power_output"], runs, expected, method=method)["potential_power"]
            told = told.sel(asset=name).where(usual.sel(asset=name) & hidden)
            truth = data["power_output"].sel(asset=name).where(told.notnull())
            off.append(float(told.sum() / truth.sum()) - 1)
        assert np.abs(off).max() < 0.06, (method, off)
        assert abs(np.mean(off)) < 0.02, (method, off)
