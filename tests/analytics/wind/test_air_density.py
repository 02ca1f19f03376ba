from __future__ import annotations

import dask
import numpy as np
import pytest
import xarray as xr

from workbench.analytics.wind.air_density import (
    add_air_density,
    air_density,
    density_normalization,
    density_of,
    normalized_power,
    normalized_wind_speed,
    standard_pressure,
    vapour_pressure,
)
from workbench.model.errors import InputError
from workbench.steps import remarks

NAN = np.nan


def celsius(*values: float) -> xr.DataArray:
    return xr.DataArray(list(values), dims="time", attrs={"units": "degC"})


@pytest.mark.parametrize(
    ("elevation", "temperature", "pressure", "density"),
    # ISO 2533 (the same as the US Standard Atmosphere 1976), geopotential heights; to the digits printed
    [
        (0, 15.0, 1013.25, 1.2250),
        (500, 11.75, 954.61, 1.1673),
        (1000, 8.5, 898.75, 1.1116),
        (2000, 2.0, 794.95, 1.0065),
    ],
)
def test_dry_air_is_that_of_the_standard_atmosphere(elevation, temperature, pressure, density):
    assert standard_pressure(elevation).item() / 100 == pytest.approx(pressure, rel=2e-4)
    given = air_density(celsius(temperature), pressure=xr.DataArray(pressure), humidity=0.0)
    assert given.item() == pytest.approx(density, rel=2e-4)
    assert air_density(celsius(temperature), elevation=elevation, humidity=0.0).item() == pytest.approx(
        density, rel=4e-4
    )


@pytest.mark.parametrize(("temperature", "density"), [(0.0, 1.2929), (20.0, 1.2041)])
def test_dry_air_at_other_temperatures(temperature, density):
    # 1.2929 and 1.2041 kg/m3 at 101,325 Pa are in every handbook; real air is 0.06 % denser than ideal at 0 degC
    assert air_density(celsius(temperature), humidity=0.0).item() == pytest.approx(density, rel=1e-3)


@pytest.mark.parametrize(("temperature", "dew", "density"), [(20.0, 0.525, 1.199), (40.0, 0.1663, 1.122)])
def test_moist_air_is_that_of_a_table(temperature, dew, density):
    # Moist air at 760 mmHg and a dew point of 10 degC: https://constructionwork.com/resource/density-of-moist-air, three
    # decimals. The relative humidity is 1,228.1 Pa over 2,339.3 and 7,384.9 Pa (saturation by IAPWS-IF97).
    found = air_density(celsius(temperature), pressure=xr.DataArray(1013.25), humidity=dew)
    assert found.item() == pytest.approx(density, abs=1e-3)


@pytest.mark.parametrize(("temperature", "pressure"), [(0.01, 611.7), (10, 1228.1), (20, 2339.3), (30, 4247.0)])
def test_vapour_pressure_is_near_that_of_steam_tables(temperature, pressure):
    # IAPWS-IF97; the formula of the standard is a plain exponential, off by up to five per cent here
    assert vapour_pressure(xr.DataArray(temperature + 273.15)).item() == pytest.approx(pressure, rel=0.055)


def test_units_are_those_that_the_inputs_name():
    plain = air_density(celsius(20.0), pressure=xr.DataArray(1000.0), humidity=0.8)
    same = air_density(
        xr.DataArray([293.15], dims="time", attrs={"units": "K"}),
        pressure=xr.DataArray(100.0, attrs={"units": "kPa"}),
        humidity=xr.DataArray(80.0, attrs={"units": "%"}),
    )
    assert same.item() == pytest.approx(plain.item(), rel=1e-12)
    assert same.attrs == {"units": "kg/m3", "long_name": "air density", "standard_name": "air_density"}
    with pytest.raises(InputError, match="convert"):
        air_density(celsius(20.0), pressure=xr.DataArray(1.0, attrs={"units": "m"}))


def test_missing_humidity_is_half_and_missing_temperature_is_missing():
    humidity = xr.DataArray([NAN, 0.5], dims="time")
    found = air_density(celsius(20.0, 20.0), humidity=humidity)
    assert found.values[0] == found.values[1]
    assert np.isnan(air_density(celsius(NAN)).item())


@pytest.fixture
def turbines(dataset):
    data = dataset(
        {
            "temperature": [[10.0, 20.0], [NAN, 30.0]],
            "wind_speed": [[8.0, 9.0], [10.0, 11.0]],
            "power_output": [[500, 900]] * 2,
        },
        elevation=[400.0, 800.0],
        hub_height=[80.0, 90.0],
        rated_capacity=[2000.0, 2000.0],
    )
    data["wind_speed"].attrs = {"units": "m/s", "long_name": "wind speed"}
    return data


def test_step_takes_the_height_of_the_hub_and_says_so(turbines):
    with remarks() as told:
        found = add_air_density(turbines)["air_density"]
    assert found.dims == ("time", "asset")
    assert found.values[0, 0] == pytest.approx(air_density(celsius(10.0), elevation=480.0).item())
    assert found.values[1, 1] == pytest.approx(air_density(celsius(30.0), elevation=890.0).item())
    assert np.isnan(found.values[1, 0])
    assert any("50 %" in one for one in told)
    assert any("standard atmosphere" in one for one in told)


def test_step_prefers_what_was_measured(turbines):
    measured = turbines.assign(
        barometric_pressure=xr.full_like(turbines["temperature"], 950.0).assign_attrs(units="hPa"),
        humidity=xr.full_like(turbines["temperature"], 90.0),
    )
    with remarks() as told:
        found = add_air_density(measured, output_field="rho")["rho"]
    assert told == []
    assert found.values[0, 1] == pytest.approx(
        air_density(celsius(20.0), pressure=xr.DataArray(950.0), humidity=0.9).item()
    )


def test_without_temperature_or_height_there_is_no_density(turbines):
    with pytest.raises(InputError, match="temperature"):
        add_air_density(turbines.drop_vars("temperature"))
    with pytest.raises(InputError, match="neither the pressure nor the elevation"):
        add_air_density(turbines.drop_vars("elevation"))
    with remarks() as told:
        assert density_of(turbines.drop_vars("temperature")) is None
    assert len(told) == 1


def test_lazy_stays_lazy(turbines):
    lazy = turbines[["temperature", "wind_speed"]].chunk({"time": 1}).assign_coords(turbines.coords)
    with dask.config.set(scheduler=lambda *_, **__: pytest.fail("computed")):
        found = density_normalization(lazy, reference_density="site_mean")["wind_speed_normalized"]
    assert found.chunks
    xr.testing.assert_allclose(
        found.compute(), density_normalization(turbines, reference_density="site_mean")["wind_speed_normalized"]
    )


def test_normalisation_by_control():
    rho = xr.DataArray([1.225 * 0.9**3])
    assert normalized_wind_speed(xr.DataArray([10.0]), rho).item() == pytest.approx(9.0)
    # a turbine in thin air makes less; at 1.225 it would make more
    assert normalized_power(xr.DataArray([729.0]), rho).item() == pytest.approx(1000.0)


def test_normalisation_keeps_the_energy_of_the_wind(turbines):
    given = turbines.assign(air_density=xr.full_like(turbines["temperature"], 1.1).assign_attrs(units="kg/m3"))
    pitch = density_normalization(given)["wind_speed_normalized"]
    np.testing.assert_allclose(1.1 * given["wind_speed"] ** 3, 1.225 * pitch**3)
    assert pitch.attrs == {
        "units": "m/s",
        "long_name": "wind speed at the density of reference",
        "reference_density": 1.225,
    }
    stall = density_normalization(given, control="stall", output_field="p")["p"]
    np.testing.assert_allclose(stall, given["power_output"] * 1.225 / 1.1)
    own = density_normalization(given, reference_density="site_mean")["wind_speed_normalized"]
    np.testing.assert_allclose(own, given["wind_speed"])
