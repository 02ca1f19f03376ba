"""Every analysis on data that are wrong: a clear error, or the figure of what is left, and never a warning of numpy's.

One farm, one fault at a time. A fault is either refused (an InputError that names a place) or taken out.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.analytics import wind
from workbench.analytics.calendar import check_axes
from workbench.analytics.kpi import variable_of
from workbench.analytics.plausible import plausible
from workbench.model.errors import InputError
from workbench.model.quality import Quality
from workbench.steps import get_step, remarks

DAYS, N = 25, 3
DIMS = ("time", "asset")


def made_farm() -> xr.Dataset:
    rng = np.random.default_rng(1)
    shape = (DAYS * 144, N)
    wind_ = np.abs(8 + 3 * np.sin(np.arange(shape[0]) / 97.0)[:, None] + rng.normal(0, 0.6, shape))
    vane = rng.normal(0, 4, shape)
    power = np.clip(2050 * np.maximum((wind_ - 3) / 9.5, 0) ** 1.8 * np.cos(np.radians(vane)) ** 2, 0, 2050)
    direction = (200 + np.cumsum(rng.normal(0, 2, shape[0]))[:, None] + rng.normal(0, 2, shape)) % 360
    fields = {
        "wind_speed": (wind_, "m/s"),
        "power_output": (power, "kW"),
        "wind_direction": (direction, "degree"),
        "nacelle_position": ((direction - vane) % 360, "degree"),
        "yaw_error": (vane, "degree"),
        "blade_pitch_angle": (np.where(power > 1900, 8.0, -1.0), "degree"),
        "temperature": (10 + rng.normal(0, 1, shape), "degC"),
        "barometric_pressure": (np.full(shape, 950.0), "hPa"),
        "ready_time": (np.where(rng.random(shape) < 0.9, 600.0, 0.0), "s"),
        "stop_time": (np.where(rng.random(shape) < 0.05, 600.0, 0.0), "s"),
    }
    place = {
        "rated_capacity": [2050.0] * N,
        "latitude": [48.450, 48.454, 48.458],
        "longitude": [5.580, 5.583, 5.586],
        "rotor_diameter": [82.0] * N,
        "hub_height": [80.0] * N,
    }
    return xr.Dataset(
        {name: (DIMS, values, {"units": units}) for name, (values, units) in fields.items()},
        coords={
            "time": pd.date_range("2015-01-01", periods=shape[0], freq="10min", unit="ns"),
            "asset": [f"T{n}" for n in range(N)],
            **{name: ("asset", values) for name, values in place.items()},
        },
        attrs={"cadence": "10min"},
    )


FARM = made_farm()


def changed(data: xr.Dataset, value: float, share: float = 0.02) -> xr.Dataset:
    where = np.random.default_rng(0).random((data.sizes["time"], data.sizes["asset"])) < share
    return data.map(lambda each: each.where(~where, value).assign_attrs(each.attrs))


def rated(data: xr.Dataset, value: float) -> xr.Dataset:
    return data.assign_coords(rated_capacity=("asset", np.full(data.sizes["asset"], value)))


def local(data: xr.Dataset) -> xr.Dataset:
    """Time stamps of Paris over the autumn of 2015, without saying so."""
    stamps = pd.date_range("2015-10-01", periods=data.sizes["time"], freq="10min", tz="UTC", unit="ns")
    return data.assign_coords(time=stamps.tz_convert("Europe/Paris").tz_localize(None))


def zoned(data: xr.Dataset) -> xr.Dataset:
    return data.assign_coords(time=data.indexes["time"].tz_localize("UTC").tz_convert("Europe/Paris"))


def dead(data: xr.Dataset) -> xr.Dataset:
    alive = xr.DataArray(data["asset"].values != "T1", dims="asset")
    return data.map(lambda each: each.where(alive).assign_attrs(each.attrs))


def flagged(data: xr.Dataset) -> xr.Dataset:
    bad = {f"{n}_quality": (DIMS, np.full(a.shape, int(Quality.BAD), "uint16")) for n, a in data.data_vars.items()}
    return data.assign(bad)


def seconds(data: xr.Dataset) -> xr.Dataset:
    return wind.from_counters(data, {"ready_time": "available", "stop_time": "forced_outage"})


def meter(data: xr.Dataset) -> xr.DataArray:
    return (variable_of(data, "power_output").sum("asset", skipna=False) / 6).assign_attrs(units="kWh")


FUNCTIONS = {
    "air_density": lambda d: wind.air_density(d["temperature"], pressure=d["barometric_pressure"]),
    "annual_energy": lambda d: wind.annual_energy(wind.power_curve(d), 7.5),
    "availability": lambda d: wind.availability(wind.production_state(d)),
    "normal_operation": lambda d: wind.normal_operation(d, wind.production_state(d) == 1),
    "category_totals": lambda d: wind.category_totals(seconds(d), by="month", tz="Europe/Paris"),
    "time_availability": lambda d: wind.time_availability(seconds(d), by="day"),
    "reliability": lambda d: wind.reliability(seconds(d)),
    "energy_losses": lambda d: wind.energy_losses(seconds(d), d["power_output"], d["power_output"] * 1.05, by="month"),
    "potential_power": lambda d: wind.potential_power(
        d["power_output"], wind.ordinary_slots(seconds(d), d["power_output"]), d["power_output"]
    ),
    "electrical_losses": lambda d: wind.electrical_losses(d, meter(d), simulations=5, completeness=0.5),
    "daily_energy": wind.daily_energy,
    "wake_losses": wind.wake_losses,
    "direction_offset": lambda d: wind.direction_offset(d, replicates=2),
    "energy_ratio": lambda d: wind.energy_ratio(d, ["T0"], ["T2"], replicates=20),
    "static_yaw_misalignment": lambda d: wind.static_yaw_misalignment(d, simulations=3),
    "dynamic_yaw_error": lambda d: wind.dynamic_yaw_error(d, simulations=3),
    "upgrade_uplift": lambda d: wind.upgrade_uplift(d, ["T0"], "2015-01-15", simulations=3),
    "degradation_rate": lambda d: wind.degradation_rate(d, simulations=3, baseline=0.08, block=7),
    "wind_rose": wind.wind_rose,
    "sensor_drift": wind.sensor_drift,
    "northing_jumps": wind.northing_jumps,
    "clock_shifts": wind.clock_shifts,
    "icing_summary": lambda d: wind.icing_summary(wind.icing_detection(d)),
    "curtailment_detection": wind.curtailment_detection,
    "power_curve_comparison": lambda d: get_step("power_curve_comparison")(d, reference_curve="historical"),
    "availability_categories": lambda d: get_step("availability_categories")(d, by_production=True),
}
FAULTS = {
    "one turbine without data": dead,
    "no data": lambda d: d.map(lambda each: each.where(False).assign_attrs(each.attrs)),
    "no times": lambda d: d.isel(time=slice(0)),
    "no turbines": lambda d: d.isel(asset=slice(0)),
    "one slot": lambda d: d.isel(time=[0]),
    "one turbine": lambda d: d.isel(asset=[0]),
    "negative": lambda d: d.map(lambda each: (-abs(each) - 1).assign_attrs(each.attrs)),
    "zeros": lambda d: d.map(lambda each: (each * 0).assign_attrs(each.attrs)),
    "codes": lambda d: changed(d, -9999.0),
    "infinite": lambda d: changed(d, np.inf),
    "rating of 0": lambda d: rated(d, 0.0),
    "no rating": lambda d: d.drop_vars("rated_capacity"),
    "flagged": flagged,
    "gap of weeks": lambda d: d.isel(time=np.r_[0:1000, 3300 : d.sizes["time"]]),
    "two days": lambda d: d.isel(time=slice(288)),
    "local time": local,
    "zone": zoned,
    "backwards": lambda d: d.isel(time=slice(None, None, -1)),
    "twice": lambda d: d.isel(time=np.r_[0:50, 49 : d.sizes["time"]]),
    "no place": lambda d: d.drop_vars(["latitude", "longitude"]),
    "no power": lambda d: d.drop_vars("power_output").assign(power_output=lambda x: x["ready_time"] * np.nan),
}


NEED_NEIGHBOURS = {"direction_offset", "energy_ratio", "upgrade_uplift"}


def outcome(name: str, data: xr.Dataset) -> InputError | None:
    try:
        FUNCTIONS[name](data)
    except InputError as error:
        return error
    return None


@pytest.mark.parametrize("name", FUNCTIONS)
def test_bad_input_is_refused_by_name_or_taken_out(name):
    for fault, spoil in FAULTS.items():
        data = spoil(FARM)
        with warnings.catch_warnings(), remarks():
            warnings.simplefilter("error", RuntimeWarning)
            refusal = outcome(name, data)
        if refusal is not None:
            assert refusal.where or refusal.expected or refusal.found, f"{fault}: {refusal}"
            assert fault != "one turbine" or name in NEED_NEIGHBOURS, str(refusal)


@pytest.mark.parametrize("value", [-9999.0, 1e9, np.inf])
@pytest.mark.parametrize("name", ["annual_energy", "daily_energy", "degradation_rate", "potential_power", "wind_rose"])
def test_a_code_for_missing_is_missing(name, value):
    def figures(data: xr.Dataset) -> np.ndarray:
        found = FUNCTIONS[name](data)
        if name == "degradation_rate":
            found = found.performance["performance"]
        part = {"daily_energy": "energy", "potential_power": "potential_power", "wind_rose": "wind_speed"}.get(name)
        return np.asarray((found if part is None else found[part]).values, dtype=np.float64)

    codes, blank = changed(FARM, value), changed(FARM, np.nan)
    with remarks() as told:
        np.testing.assert_allclose(figures(codes), figures(blank))
    assert any("count as missing" in each for each in told)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (local, "set back in autumn"),
        (zoned, "without a zone"),
        (FAULTS["backwards"], "not in order"),
        (FAULTS["twice"], "there twice"),
        (lambda d: d.assign_coords(time=np.arange(d.sizes["time"])), "without a zone"),
        (lambda d: d.assign_coords(time=d["time"].values.astype(str)), "without a zone"),
        (lambda d: d.assign_coords(time=np.r_[d["time"].values[:5], [np.datetime64("NaT")], d["time"].values[6:]]), "missing"),
        (lambda d: d.assign_coords(asset=["A", "B", "A"]), "asset is there twice"),
        (FAULTS["no turbines"], "no asset"),
    ],
)  # fmt: skip
def test_times_and_assets_that_are_none(spoil, says):
    with pytest.raises(InputError, match=says):
        check_axes(spoil(FARM))


def test_units_that_are_named_are_converted():
    power = FARM["power_output"]
    other = FARM.assign(power_output=(power / 1000).assign_attrs(units="MW"))
    np.testing.assert_allclose(variable_of(other, "power_output"), power)
    assert variable_of(other, "power_output").attrs["units"] == "kW"
    with pytest.raises(InputError, match=r"power_output.*'degC' to 'kW'"):
        variable_of(FARM.assign(power_output=power.assign_attrs(units="degC")), "power_output")
    with pytest.raises(InputError, match="no numbers"):
        variable_of(FARM.assign(power_output=power.astype(str)), "power_output")


def test_plausible_keeps_what_can_be_and_stays_lazy():
    power = FARM["power_output"].copy()
    power[0], power[1], power[2] = [-300.0, 3000.0, 400.0], [-500.0, 3200.0, np.nan], [-np.inf, np.inf, 0.0]
    found = plausible(power, "power_output")
    np.testing.assert_array_equal(np.isnan(found[:3]), [[0, 0, 0], [1, 1, 1], [1, 1, 0]])
    lazy = plausible(power.chunk(time=100), "power_output")
    assert lazy.chunks is not None
    xr.testing.assert_equal(lazy.compute(), found)
    battery = power.assign_coords(asset_type=("asset", ["battery"] * N))
    assert plausible(battery, "power_output")[1, 0] == -500.0
    assert plausible(power.drop_vars("rated_capacity"), "power_output")[1, 1] == 3200.0
    assert plausible(rated(power.to_dataset(), 0.0)["power_output"], "power_output")[1, 1] == 3200.0
