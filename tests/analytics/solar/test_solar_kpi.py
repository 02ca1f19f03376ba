"""Key figures of IEC 61724-1: by hand, by periods of the local clock, and with what is missing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.analytics.solar.kpi import performance_indicators
from workbench.model.errors import InputError
from workbench.model.quality import Quality, add_flags
from workbench.steps import get_step, remarks

GAMMA = -0.004
DIMS = ("time", "asset")


def year(hours: int = 8760, start: str = "2022-12-31T23:00") -> xr.Dataset:
    """Two inverters at 40 N, 0 E, hourly, of the year 2023 at UTC+1: warm in summer, 0.9 of what the modules would give."""
    times = pd.date_range(start, periods=hours, freq="h", unit="ns")
    hour, day = times.hour.to_numpy(), times.day_of_year.to_numpy()
    sun = np.clip(np.sin((hour - 6) / 12 * np.pi), 0, None) * 900
    module = 15 - 12 * np.cos(2 * np.pi * day / 365) + 0.03 * sun
    made = sun / 1000 * (1 + GAMMA * (module - 25)) * 0.9
    power = np.outer(made, [100.0, 200.0])

    def both(values: np.ndarray, units: str) -> tuple[tuple[str, str], np.ndarray, dict[str, str]]:
        return DIMS, np.repeat(values[:, None], 2, axis=1), {"units": units}

    return xr.Dataset(
        {
            "total_ac_power": (DIMS, power, {"units": "kW"}),
            "total_dc_power": (DIMS, power / 0.97, {"units": "kW"}),
            "expected_power": (DIMS, power * 1.1, {"units": "kW"}),
            "irradiance_poa": both(sun, "W/m2"),
            "module_temperature": both(module, "degC"),
        },
        coords={
            "time": times,
            "asset": ["A", "B"],
            "dc_capacity": ("asset", [100.0, 200.0]),
            "rated_capacity": ("asset", [80.0, 160.0]),
            "module_area": ("asset", [500.0, 1000.0]),
            "latitude": ("asset", [40.0, 40.0]),
            "longitude": ("asset", [0.0, 0.0]),
            "farm_id": ("asset", ["north", "south"]),
        },
        attrs={"timezone": "Etc/GMT-1"},
    )


@pytest.fixture(scope="module")
def plant() -> xr.Dataset:
    return year()


def test_the_figures_by_their_definitions(plant):
    found = performance_indicators(plant, by="year", temperature_coefficient=GAMMA)
    one = found.assets.isel(period=0, asset=0)
    sun, power = (plant[name].values[:, 0] for name in ("irradiance_poa", "total_ac_power"))
    module, irradiation = plant["module_temperature"].values[:, 0], sun.sum() / 1000
    expected = {
        "energy": power.sum(), "specific_yield": power.sum() / 100, "capacity_factor": power.sum() / (80 * 8760),
        "irradiation": irradiation, "reference_yield": irradiation, "final_yield": power.sum() / 100,
        "array_yield": power.sum() / 97, "capture_loss": irradiation - power.sum() / 97,
        "system_loss": power.sum() / 97 - power.sum() / 100, "total_loss": irradiation - power.sum() / 100,
        "performance_ratio": power.sum() / 100 / irradiation, "performance_ratio_25": 0.9,
        "energy_performance_index": 1 / 1.1, "system_efficiency": power.sum() / (irradiation * 500),
        "array_efficiency": power.sum() / 0.97 / (irradiation * 500), "coverage": 1.0,
    }  # fmt: skip
    for name, value in expected.items():
        assert float(one[name]) == pytest.approx(value, rel=1e-9), name
    mean = (sun * module).sum() / sun.sum()
    cell = module + 3 * sun / 1000
    mean_cell = (sun * cell).sum() / sun.sum()
    annual = power.sum() / 100 / (sun / 1000 * (1 + GAMMA * (module - mean))).sum()
    weather = power.sum() / 100 / (sun / 1000 * (1 + GAMMA * (cell - mean_cell))).sum()
    assert float(one["performance_ratio_annual"]) == pytest.approx(annual, rel=1e-9)
    assert float(one["performance_ratio_weather"]) == pytest.approx(weather, rel=1e-9)
    # over a whole year the corrections to the year's own mean take nothing off
    assert annual == pytest.approx(float(one["performance_ratio"]), rel=1e-9)
    assert set(found.assets["reason"].values.ravel()) == set(found.groups["reason"].values.ravel()) == {""}
    assert found.cautions == ()


def test_corrected_ratios_do_not_follow_the_seasons(plant):
    monthly = performance_indicators(plant, by="month", temperature_coefficient=GAMMA).groups.isel(group=0)
    spread = {
        name: float(np.ptp(monthly[name].values)) for name in monthly if str(name).startswith("performance_ratio")
    }
    assert spread["performance_ratio"] > 0.05
    assert spread["performance_ratio_25"] < 1e-9
    assert spread["performance_ratio_annual"] < 0.005
    assert spread["performance_ratio_weather"] < 0.005


def test_periods_begin_at_local_midnight(plant):
    months = performance_indicators(plant, by="month").assets
    assert list(months["period"].dt.month.values) == list(range(1, 13))
    assert (months["period"].dt.day == 1).all()
    january = plant["total_ac_power"].sel(time=slice("2022-12-31T23:00", "2023-01-31T22:00"))
    assert months["energy"].values[0] == pytest.approx(january.sum("time").values)
    days = performance_indicators(plant, by="day").assets
    assert days.sizes["period"] == 365
    assert days["energy"].sum("period").values == pytest.approx(months["energy"].sum("period").values)


def test_a_plant_is_its_inverters_weighted_by_rating(plant):
    worse = plant.assign(total_ac_power=plant["total_ac_power"] * xr.DataArray([1.0, 0.7], dims="asset"))
    found = performance_indicators(worse, by="year")
    ratios = found.assets["performance_ratio"].values[0]
    assert found.groups["performance_ratio"].item() == pytest.approx((ratios[0] * 100 + ratios[1] * 200) / 300)
    assert found.groups["energy"].item() == pytest.approx(found.assets["energy"].sum())
    by_farm = performance_indicators(worse, by="year", group="farm_id").groups
    assert list(by_farm["group"].values) == ["north", "south"]
    assert by_farm["performance_ratio"].values[0] == pytest.approx(ratios)


def test_missing_slots_are_left_out_on_both_sides(plant):
    gone = plant["irradiance_poa"].where(plant["time"].dt.hour > 9)
    silent = plant["total_ac_power"].where(plant["time"].dt.hour < 15)
    found = performance_indicators(plant.assign(irradiance_poa=gone, total_ac_power=silent), by="year").groups
    kept = plant.isel(time=np.isin(plant["time"].dt.hour.values, range(10, 15)))
    ratio = kept["total_ac_power"].sum() / 300 / (kept["irradiance_poa"].isel(asset=0).sum() / 1000)
    assert float(found["performance_ratio"].squeeze()) == pytest.approx(float(ratio))
    assert 0.3 < float(found["coverage"].squeeze()) < 0.5
    assert "less than 90%" in str(found["caution"].values.squeeze())


def test_flags_are_respected(plant):
    wrong = plant["total_ac_power"].where(plant["time"].dt.month != 6, 5.0)
    flagged = add_flags(plant.assign(total_ac_power=wrong), "total_ac_power", wrong == 5.0, Quality.STUCK)
    june = performance_indicators(flagged, by="month").assets.isel(period=5)
    assert np.isnan(june["performance_ratio"].values).all()
    assert "no power in the daylight" in june["reason"].values[0]


def test_a_gap_of_months_has_a_reason_and_the_rest_its_figures(plant):
    gap = plant.sel(time=(plant["time"].dt.month < 3) | (plant["time"].dt.month > 5)).assign_attrs(cadence="1h")
    found = performance_indicators(gap, by="month").assets.isel(asset=0)
    assert found.sizes["period"] == 12
    for period in (3, 4):
        assert "no power in the daylight" in found["reason"].values[period]
        assert float(found["coverage"][period]) == 0
    ratio = found["performance_ratio"].values
    assert np.isfinite(ratio[[0, 1, 5, 11]]).all()
    for name in found.data_vars:  # never NaN without a reason
        if found[name].dtype.kind == "f":
            bad = np.flatnonzero(np.isnan(found[name].values))
            assert all(str(name) in found["reason"].values[k] for k in bad)


def test_what_is_not_there_is_named(plant):
    few = plant[["total_ac_power", "irradiance_poa"]].drop_vars(["dc_capacity", "module_area", "latitude"])
    found = performance_indicators(few.isel(time=slice(0, 800)).drop_attrs(), by=None)
    text = found.groups["reason"].values[0, 0]
    assert "array_yield, capture_loss, system_loss, array_efficiency: no total_dc_power" in text
    assert "energy_performance_index: no expected_power" in text
    assert "system_efficiency: no module_area" in text
    assert "performance_ratio_25" in text
    said = " ".join(found.cautions)
    assert "no time zone" in said
    assert "no dc_capacity" in said
    assert "no latitude" in said
    cold = performance_indicators(plant.isel(time=slice(0, 800)), by=None)
    assert "performance_ratio_annual, performance_ratio_weather: less than a year" in cold.groups["reason"].values[0, 0]
    given = performance_indicators(plant.isel(time=slice(0, 800)), by=None, module_reference=30.0, cell_reference=32.0)
    assert np.isfinite(given.groups["performance_ratio_weather"].values).all()


def test_night_offsets_units_and_zero_ratings(plant):
    reference = performance_indicators(plant, by="year").assets
    night = plant.assign(
        irradiance_poa=(plant["irradiance_poa"] - 4).where(plant["irradiance_poa"] <= 0, plant["irradiance_poa"])
    )
    assert performance_indicators(night, by="year").assets["performance_ratio"].values == pytest.approx(
        reference["performance_ratio"].values
    )
    watts = plant.assign(total_ac_power=(plant["total_ac_power"] * 1000).assign_attrs(units="W"))
    assert performance_indicators(watts, by="year").assets["energy"].values == pytest.approx(reference["energy"].values)
    unrated = plant.assign_coords(dc_capacity=("asset", [0.0, 200.0]), rated_capacity=("asset", [0.0, 160.0]))
    found = performance_indicators(unrated, by="year")
    assert np.isnan(found.assets["performance_ratio"].values[0, 0])
    assert "no rating" in found.assets["reason"].values[0, 0]
    # the other inverter's ratio is the plant's: energy without a rating is on neither side
    assert found.groups["performance_ratio"].item() == pytest.approx(float(reference["performance_ratio"][0, 1]))
    with pytest.raises(InputError):
        performance_indicators(plant.assign(irradiance_poa=plant["irradiance_poa"].assign_attrs(units="degC")))


def test_night_only(plant):
    night = plant.isel(time=plant["time"].dt.hour.values < 4).assign_attrs(cadence="1h").isel(time=slice(0, 4))
    found = performance_indicators(night, by=None).groups
    assert "no daylight in the period" in found["reason"].values[0, 0]
    assert np.isnan(found["performance_ratio"].values).all()


def test_air_and_wind_stand_in_for_the_modules(plant):
    air = plant["module_temperature"] - 0.03 * plant["irradiance_poa"]
    modelled = plant.drop_vars("module_temperature").assign(ambient_temperature=air.assign_attrs(units="degC"))
    found = performance_indicators(modelled, by="year")
    assert "no temperature of the modules: modelled from ambient_temperature (Sandia, open rack)" in found.cautions
    assert "no wind_speed: 1 m/s at the modules" in found.cautions
    assert 0.88 < float(found.groups["performance_ratio_25"].squeeze()) < 0.93


def test_what_is_refused(plant):
    with pytest.raises(InputError, match="no AC power"):
        performance_indicators(plant.drop_vars("total_ac_power"))
    with pytest.raises(InputError, match="irradiance_poa"):
        performance_indicators(plant.drop_vars("irradiance_poa"))
    with pytest.raises(InputError, match="hours"):
        performance_indicators(plant, by="hour")
    with pytest.raises(InputError, match=r"not %/K"):
        performance_indicators(plant, temperature_coefficient=-0.4)
    with pytest.raises(InputError, match="coordinate of the assets"):
        performance_indicators(plant, group="country")
    local = plant.assign_coords(time=plant.indexes["time"].tz_localize("UTC").tz_convert("Europe/Paris"))
    with pytest.raises(InputError, match="UTC without a zone"):
        performance_indicators(local)


def test_the_step(plant):
    with remarks() as told:
        made = get_step("solar_kpi")(plant.drop_vars("total_dc_power"), by="year", group="farm_id")
    assert made["kpi_performance_ratio"].dims == ("kpi_period", "asset")
    assert made["kpi_plant_performance_ratio"].dims == ("kpi_period", "kpi_group")
    assert any("no total_dc_power" in text for text in told)
    assert made["total_ac_power"].identical(plant["total_ac_power"])
