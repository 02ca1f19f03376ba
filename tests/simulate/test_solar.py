"""Solar plant: sun, clouds, modules, inverters."""

from __future__ import annotations

import numpy as np
import pvlib
import pytest

from workbench.model.samples import SeriesKey
from workbench.simulate.codes import code
from workbench.simulate.dynamics import Clock
from workbench.simulate.faults import Fault
from workbench.simulate.plant import build_site
from workbench.simulate.soiling import soil
from workbench.simulate.solar import inverter_efficiency, mounting_of
from workbench.simulate.sun import Mounting, SunTable, transpose
from workbench.simulate.weather import Climate

from .conftest import DAY, NOW, still

INVERTER, COARSE = SeriesKey("inverter", "5s"), SeriesKey("inverter", "10min")
SENSOR = SeriesKey("irradiance_sensor", "10min")
CLOCK = Clock(NOW // DAY * DAY + np.arange(0, DAY, 97 * 10**9), 97.0, "America/Los_Angeles")


@pytest.fixture(scope="module")
def table() -> SunTable:
    return SunTable(36.7783, -119.4179, 92.5, Mounting(tracking=True))


def test_the_sun_is_where_it_is(table):
    import pandas as pd

    sun = table.at(CLOCK)
    exact = pvlib.solarposition.get_solarposition(pd.DatetimeIndex(CLOCK.ns, tz="UTC"), 36.7783, -119.4179, 92.5)
    up = exact["apparent_elevation"].to_numpy() > 1
    np.testing.assert_allclose(sun.zenith[up], exact["apparent_zenith"].to_numpy()[up], atol=0.03)
    np.testing.assert_allclose(sun.azimuth[up], exact["azimuth"].to_numpy()[up], atol=0.1)


def test_transposition_is_pvlibs(table):
    sun = table.at(CLOCK)
    up = sun.cos_zenith > 0.15
    dni, dhi = 0.8 * sun.dni[:, None], 1.3 * sun.dhi[:, None]
    ghi = dhi + dni * sun.cos_zenith[:, None]
    beam, other = transpose(sun, ghi, dni, dhi, 0.2)
    aoi = np.rad2deg(np.arccos(sun.cos_incidence))
    sky = pvlib.irradiance.haydavies(
        sun.tilt,
        0.0,
        dhi[:, 0],
        dni[:, 0],
        sun.extra,
        projection_ratio=sun.cos_incidence / sun.cos_zenith.clip(0.01745),
    )
    expected = dni[:, 0] * np.cos(np.deg2rad(aoi)) + sky + pvlib.irradiance.get_ground_diffuse(sun.tilt, ghi[:, 0], 0.2)
    np.testing.assert_allclose((beam + other)[up, 0], expected[up], rtol=1e-6)


def test_trackers_turn_with_the_sun(table):
    fixed = SunTable(36.7783, -119.4179, 92.5, Mounting(tilt=30.0))
    a, b = table.at(CLOCK), fixed.at(CLOCK)
    assert a.cos_incidence.sum() > 1.1 * b.cos_incidence.sum()
    assert a.tilt.max() <= 60.0
    assert set(b.tilt) == {30.0}


def test_a_site_without_a_layout_gets_a_usual_one(demo_portfolio):
    from dataclasses import replace

    site = demo_portfolio.sites["sun_valley"]
    assert mounting_of(site).tracking
    assert mounting_of(replace(site, layout=None, latitude=-30.0)) == Mounting(tilt=26.0, azimuth=0.0)


def test_inverter_efficiency_is_pvwatts():
    share = np.linspace(0.02, 1.0, 50)
    nominal = np.array(0.98)
    ac = share * 100.0 * inverter_efficiency(share, nominal)
    np.testing.assert_allclose(ac, pvlib.inverter.pvwatts(share * 100.0, 100.0, 0.98).clip(max=100), rtol=2e-3)


def test_irradiance_stays_within_the_clear_sky(sim_pasts):
    data = sim_pasts["sun_valley"][1][SENSOR]
    ghi, dni, dhi = data.irradiance_ghi, data.irradiance_dni, data.irradiance_dhi
    assert float(dni.max()) < 1000
    assert float(ghi.max()) < 1100
    closure = ghi - dhi - dni * np.cos(np.deg2rad(data.solar_zenith)).clip(min=0)
    assert float(np.abs(closure).max()) < 25  # calibrations differ, and the minute bends within ten
    night = data.solar_zenith > 95
    assert float(ghi.where(night).max()) < 1
    assert float(ghi.where(night).min()) > -4


def test_night_and_noon(sim_pasts):
    data = sim_pasts["sun_valley"][1][COARSE]
    night = sim_pasts["sun_valley"][1][SENSOR].solar_zenith.isel(asset=0, drop=True) > 95
    power = data.total_ac_power
    assert float(power.where(night).max()) == pytest.approx(-0.08)  # its own use
    assert (data.operating_state.where(night) == code("operating_state", "sleeping")).sum() == int(night.sum()) * 8
    assert float(data.total_ac_power_max.max()) <= 875.0 * 1.0025
    assert float(power.max()) > 600
    day = data.total_dc_power_min > 100
    assert float(data.conversion_efficiency.where(day).min()) > 95
    assert float(data.conversion_efficiency.max()) < 98.51
    ratio = data.performance_ratio.where(day & (data.total_ac_power < 850))
    assert 0.75 < float(ratio.mean()) < 1.0


def test_clipping_raises_the_voltage(demo_portfolio):
    site = demo_portfolio.sites["sun_valley"]
    noon = int(np.datetime64("2026-04-20T18:00", "ns").astype(np.int64))
    climate = Climate.of(site, 3).with_(clouds=0.01, temperature=0.0)  # cool modules deliver more
    data = still(build_site(site, 3, noon, climate=climate)).history(noon, noon + 600 * 10**9, "1s")[INVERTER]
    assert float(data.total_ac_power.min()) == pytest.approx(875.0, rel=0.005)
    assert (data.operating_state == code("operating_state", "throttled")).all()
    np.testing.assert_allclose(data.total_dc_power, data.total_dc_voltage * data.total_dc_current / 1e3, rtol=1e-4)
    assert float(data.available_power.max()) <= 875.0
    order = Fault("curtailment", "SV-GRID", noon - 600 * 10**9, None, 0.4)
    plant = still(build_site(site, 3, noon, climate=climate, faults=[order]))
    less = plant.history(noon, noon + 600 * 10**9, "1s")[INVERTER]
    assert float(less.total_ac_power.mean()) == pytest.approx(350.0, rel=0.003)
    assert float((less.total_dc_voltage - data.total_dc_voltage).min()) > 20  # away from the modules' best point
    assert float(less.total_dc_voltage.max()) < 27 * 37.2 * 1.1


def test_clouds_pass_over_one_inverter_after_the_other(demo_portfolio):
    site = demo_portfolio.sites["sun_valley"]
    noon = int(np.datetime64("2026-06-10T19:00", "ns").astype(np.int64))
    plant = still(build_site(site, 3, noon, climate=Climate.of(site, 3).with_(clouds=0.5)))  # half the sky
    poa = plant.history(noon, noon + 7200 * 10**9, "1s")[INVERTER].irradiance_poa
    together = np.corrcoef(poa.values.T)
    assert together[0, 1] > together[0, 3] + 0.05  # 200 m apart, and 600 m
    assert 0.2 < together[0, 3] < 0.99
    assert float(poa.std("time").mean()) > 80


def test_soiling_builds_up_and_rain_washes():
    state = {"soiling": np.array([0.02])}
    dry = soil(3600.0, np.zeros(240), np.array([0.001]), state)
    assert dry[-1, 0] == pytest.approx(0.03)
    assert (np.diff(dry[:, 0]) > 0).all()
    wet = soil(60.0, np.full(120, 3.0), np.array([0.001]), state)
    assert wet[-1, 0] < 0.001


def test_energy_today_starts_again_at_the_sites_midnight(sim_pasts):
    data = sim_pasts["sun_valley"][1][COARSE]
    local = data.time.to_index().tz_localize("UTC").tz_convert("America/Los_Angeles")
    resets = np.flatnonzero(np.diff(data.energy_today.values[:, 0]) < 0)
    assert len(resets) == 2
    for row in resets:
        assert local[row].date() < local[row + 1].date()
    assert (np.diff(data.energy_lifetime.values, axis=0) >= 0).all()
