from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from workbench.display.expectation import (
    Performance,
    expected_now,
    module_temperature,
    performance,
    site_density,
    solar_power,
    wind_power,
)
from workbench.display.readings import Now


def test_power_by_the_curve_in_thin_air(portfolio):
    turbine = next(asset for asset in portfolio.sites["north_ridge"].assets if asset.type == "wind_turbine")
    at_reference = wind_power(turbine, [6.0, 8.0])
    thin = wind_power(turbine, [6.0, 8.0], 1.09)
    assert (thin < at_reference).all()
    assert thin == pytest.approx(wind_power(turbine, np.array([6.0, 8.0]) * (1.09 / 1.225) ** (1 / 3)))
    assert wind_power(turbine, [6.0], math.nan) == pytest.approx(at_reference[:1])
    assert wind_power(turbine, 50.0) == 0.0
    assert np.isnan(wind_power(None, [6.0])).all()


def test_cut_out_is_at_a_speed_whatever_the_air(portfolio):
    turbine = next(asset for asset in portfolio.sites["coastal_flats"].assets if asset.type == "wind_turbine")
    assert turbine.power_curve is not None
    top = turbine.power_curve.wind_speed[-1]
    for density in (1.0, 1.225, 1.35):
        assert wind_power(turbine, top - 0.1, density) == turbine.power_curve.power[-1]
        assert wind_power(turbine, top + 0.1, density) == 0.0


def test_expected_now_is_of_this_instant(make_site, portfolio):
    site = make_site("north_ridge", {"wind_turbine": {"NR-T01": {"wind_speed": 8.0, "air_density": 1.1}}})
    assert expected_now(site, "NR-T01") == pytest.approx(float(wind_power(site.fact("NR-T01"), 8.0, 1.1)))
    assert math.isnan(expected_now(site, "NR-T02"))
    values = {
        "inverter": {"SV-INV01": {"irradiance_poa": 400.0}, "SV-INV02": {"total_ac_power": 1.0}},
        "irradiance_sensor": {"SV-PYR01": {"irradiance_poa": 800.0, "module_temperature": 40.0}},
    }
    sun = make_site("sun_valley", values)
    assert expected_now(sun, "SV-INV01") == pytest.approx(float(solar_power(sun.fact("SV-INV01"), 400.0, 40.0)))
    assert expected_now(sun, "SV-INV02") == pytest.approx(float(solar_power(sun.fact("SV-INV02"), 800.0, 40.0)))


def test_density_is_the_turbines_own_or_the_masts(make_site):
    values = {"wind_turbine": {"NR-T01": {"air_density": 1.1}}, "met_mast": {"NR-MAST": {"air_density": 1.2}}}
    site = make_site("north_ridge", values)
    assert site_density(site, "NR-T01") == 1.1
    assert site_density(site, "NR-T02") == site_density(site) == 1.2
    assert site_density(make_site("north_ridge", values, ages={"NR-T01": 3600}), "NR-T01") == 1.1
    assert math.isnan(site_density(make_site("north_ridge", {"met_mast": {"NR-MAST": {"air_density": 0.0}}})))


def test_modules_are_as_warm_as_air_and_light_make_them(make_site):
    site = make_site("sun_valley", {"irradiance_sensor": {"SV-PYR01": {"ambient_temperature": 10.0}}})
    assert list(module_temperature(site, [0.0, 1000.0])) == [10.0, 40.0]
    assert list(module_temperature(make_site("sun_valley", {}), [0.0])) == [45.0]


def test_cold_modules_give_more_and_never_more_than_the_inverter(portfolio):
    inverter = next(asset for asset in portfolio.sites["sun_valley"].assets if asset.type == "inverter")
    assert solar_power(inverter, 500.0, 10.0) > solar_power(inverter, 500.0, 45.0)
    assert solar_power(inverter, 1400.0, 10.0) == inverter.rated_capacity
    assert np.isnan(solar_power(None, 500.0))


def test_low_is_said_where_something_was_to_be_expected():
    assert Performance(400.0, 600.0, 1000.0).low
    assert not Performance(580.0, 600.0, 1000.0).low
    assert not Performance(10.0, 100.0, 1000.0).low
    assert math.isnan(Performance(1.0, 10.0, 1000.0).ratio)


def test_only_what_is_heard_is_compared(make_site, portfolio, now_ns):
    values = {"wind_turbine": {a: {"wind_speed": 9.0, "power_output": 1000.0} for a in ("NR-T01", "NR-T02")}}
    site = make_site("north_ridge", values, ages={"NR-T02": 60})

    def recent(name, key, assets, variables):
        return xr.Dataset(
            {one: (("time", "asset"), np.full((600, 1), values["wind_turbine"][assets[0]][one])) for one in variables}
        )

    live = SimpleNamespace(now=Now(now_ns, 1, portfolio, {"north_ridge": site}), recent=recent)
    found = performance(live, "north_ridge")
    assert list(found) == ["NR-T01"]
    assert found["NR-T01"].power == 1000.0
    assert found["NR-T01"].expected == pytest.approx(float(wind_power(site.fact("NR-T01"), 9.0)))
