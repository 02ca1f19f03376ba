"""Inputs, strings, trackers and dirt of a solar plant: they add up, and each kind of fault shows where it should."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pvlib
import pytest

from workbench.model.samples import SeriesKey
from workbench.simulate.codes import code
from workbench.simulate.dynamics import Clock
from workbench.simulate.faults import Fault
from workbench.simulate.plant import build_site
from workbench.simulate.soiling import cleaned, soil
from workbench.simulate.solar import mounting_of
from workbench.simulate.strings import off_best
from workbench.simulate.sun import SunTable
from workbench.simulate.tracker import on_tables
from workbench.simulate.weather import Climate

from .conftest import DAY

MORNING = int(np.datetime64("2026-06-15T14:00", "ns").astype(np.int64))  # 7:00 by the site's clock
NOON = MORNING + 6 * 3600 * 10**9
MINUTE = 60 * 10**9
KINDS = ("inverter/5s", "mppt/10s", "string/10s", "tracker/10s", "irradiance_sensor/1s")


@pytest.fixture(scope="module")
def sunny(demo_portfolio):
    """``sunny(start, minutes, *faults)``: Sun Valley on a bright day, by kind of asset."""
    site = demo_portfolio.sites["sun_valley"]
    climate = Climate.of(site, 3).with_(clouds=0.01, temperature=25.0)
    kept: dict[object, dict] = {}

    def make(start: int, minutes: int, *faults: Fault):
        key = (start, minutes, faults)
        if key not in kept:
            plant = build_site(site, 3, start, faults=faults, climate=climate)
            data = plant.history(start, start + minutes * MINUTE, "1s")
            kept[key] = {name.partition("/")[0]: data[SeriesKey(*name.split("/"))] for name in KINDS}
        return kept[key]

    return make


def summed(values, owner: dict[str, str]) -> pd.DataFrame:
    """Values (time, asset) summed by what each asset belongs to."""
    frame = values.to_pandas()
    return frame.T.groupby([owner[name] for name in frame.columns]).sum().T


def test_currents_add_up_from_strings_to_inverters(sunny, demo_portfolio):
    found = sunny(NOON, 10)
    parents = {asset.id: asset.parent for asset in demo_portfolio.site("sun_valley").assets}
    inputs = summed(found["string"].current, parents)
    np.testing.assert_allclose(inputs, found["mppt"].input_current.to_pandas()[inputs.columns], rtol=0.006)
    inverters = summed(found["mppt"].input_current, parents)
    whole = found["inverter"].total_dc_current.to_pandas()
    common = inverters.index.intersection(whole.index)
    assert len(common) > 50
    np.testing.assert_allclose(inverters.loc[common], whole.loc[common, inverters.columns], rtol=0.005)
    # not to the last digit: strings differ, and so do their sensors
    share = found["string"].current.mean("time").to_series()
    assert 0.005 < float(share.std() / share.mean()) < 0.02
    np.testing.assert_allclose(
        found["string"].power, found["string"].voltage * found["string"].current / 1000, rtol=1e-5, atol=1e-3
    )


def test_strings_answer_to_their_own_faults(sunny):
    faults = (
        Fault("open_string", "SV-INV01-S02", MORNING - DAY, None, 0.1),
        Fault("open_string", "SV-INV01-S04", MORNING - DAY, None, 1.0),
        Fault("weak_string", "SV-INV02-S07", MORNING - DAY, None, 0.2),
        Fault("shaded_string", "SV-INV03-S01", MORNING - DAY, None, 0.8),
    )
    good, bad = sunny(NOON, 10), sunny(NOON, 10, *faults)
    ratio = (bad["string"].current.mean("time") / good["string"].current.mean("time")).to_series()
    assert ratio["SV-INV01-S02"] == pytest.approx(0.9, abs=0.01)
    assert ratio["SV-INV01-S04"] == pytest.approx(0.0, abs=0.005)
    assert ratio["SV-INV02-S07"] == pytest.approx(0.8, abs=0.01)
    assert ratio["SV-INV03-S01"] == pytest.approx(1.0, abs=0.005)  # only in the morning
    others = ratio.drop([fault.asset for fault in faults])
    assert others.between(0.985, 1.015).all()
    status = bad["string"].status.isel(time=0).to_series()
    assert status["SV-INV01-S04"] == code("status", "open_circuit")
    assert (status.drop("SV-INV01-S04") == code("status", "normal")).all()
    lost = (
        1.0 - (bad["inverter"].total_dc_power.mean("time") / good["inverter"].total_dc_power.mean("time")).to_series()
    )
    assert lost["SV-INV01"] == pytest.approx(0.11, abs=0.02)  # 1.1 of ten boxes
    assert lost["SV-INV08"] == pytest.approx(0.0, abs=1e-6)
    early = (
        (sunny(MORNING, 10, *faults)["string"].current / sunny(MORNING, 10)["string"].current).mean("time").to_series()
    )
    assert early["SV-INV03-S01"] < 0.75


def test_an_input_that_sticks_loses_power_at_its_voltage(sunny):
    fault = Fault("stuck_mppt", "SV-INV04-M2", NOON - DAY, None, 600.0)
    good, bad = sunny(NOON, 10), sunny(NOON, 10, fault)
    stuck = bad["mppt"].sel(asset="SV-INV04-M2")
    np.testing.assert_allclose(stuck.input_voltage, 600.0, atol=1.0)
    share = float((stuck.input_power / good["mppt"].input_power.sel(asset="SV-INV04-M2")).mean())
    assert 0.75 < share < 0.95
    np.testing.assert_allclose(
        bad["mppt"].input_power.sel(asset="SV-INV04-M1"), good["mppt"].input_power.sel(asset="SV-INV04-M1"), rtol=0.01
    )


def test_power_off_the_best_point_falls_on_both_sides():
    best, opened = np.array(31.2), np.array(37.2)
    at = [float(off_best(np.array(v), best, opened, 12.98 / 13.9)) for v in (0.0, 20.0, 31.2, 35.0, 37.2)]
    assert at[2] == pytest.approx(1.0, abs=1e-6)
    assert [at[0], at[4]] == pytest.approx([0.0, 0.0], abs=1e-6)
    assert 0.6 < at[1] < 0.7
    assert 0.3 < at[3] < 0.95


def test_trackers_follow_pvlib_and_their_tables_get_the_light_of_it(sunny, demo_portfolio):
    found = sunny(MORNING, 10)
    tracker = found["tracker"]
    site = demo_portfolio.site("sun_valley")
    times = pd.DatetimeIndex(tracker.time.values, tz="UTC")
    sun = pvlib.solarposition.get_solarposition(times, site.latitude, site.longitude, site.elevation)
    plane = pvlib.tracking.singleaxis(
        sun["apparent_zenith"], sun["azimuth"], axis_azimuth=180, max_angle=60, backtrack=True, gcr=0.4
    )
    np.testing.assert_allclose(tracker.tracker_target.isel(asset=0), plane["tracker_theta"], atol=0.1)
    assert float(tracker.tracker_target.max()) < 0  # to the east
    assert float(np.abs(tracker.tracker_error).max()) < 1.2
    assert (tracker.tracker_status == code("tracker_status", "backtracking")).all()
    # the sensor on a table measures what the plane of the ideal tracker gets, as near as the steps allow
    poa = found["irradiance_sensor"].irradiance_poa.mean("time").to_series()
    assert poa["SV-PYR02"] == pytest.approx(poa["SV-PYR01"], rel=0.04)


def test_light_on_tables_is_that_of_the_ideal_plane_when_they_stand_there(demo_portfolio):
    from workbench.simulate.sun import transpose

    site = demo_portfolio.site("sun_valley")
    mounting = mounting_of(site)
    table = SunTable(site.latitude, site.longitude, site.elevation, mounting)
    sun = table.at(Clock(NOON // DAY * DAY + np.arange(0, DAY, 300 * 10**9), 300.0))
    ghi, dni, dhi = (part[:, None] for part in (sun.ghi, sun.dni, sun.dhi))
    beam, other = transpose(sun, ghi, dni, dhi, mounting.albedo)
    found = on_tables(sun, mounting, sun.rotation[:, None], ghi, dni, dhi)
    up = sun.cos_zenith > 0.1
    np.testing.assert_allclose(found.poa[up], (beam + other)[up], rtol=0.002)
    # backtracking leaves no shade; tables that follow the sun without it do shade each other when it is low
    west = np.sin(np.deg2rad(sun.zenith)) * np.cos(np.deg2rad(sun.azimuth - 270.0))
    facing = np.clip(np.rad2deg(np.arctan2(west, np.cos(np.deg2rad(sun.zenith)))), -60, 60)[:, None]
    low = up & (np.abs(facing[:, 0]) > np.abs(sun.rotation) + 5)
    assert low.any()
    assert (on_tables(sun, mounting, facing, ghi, dni, dhi).effective[low] < found.effective[low]).all()


def test_a_tracker_that_sticks_and_one_whose_sensor_lies(sunny):
    stuck = Fault("stuck_tracker", "SV-TRK06A", MORNING - DAY, None, 30.0)
    off = Fault("tracker_offset", "SV-TRK07B", MORNING - DAY, None, 20.0)
    good, bad = sunny(MORNING, 10), sunny(MORNING, 10, stuck, off)
    trackers = bad["tracker"]
    np.testing.assert_allclose(trackers.tracker_position.sel(asset="SV-TRK06A"), 30.0, atol=0.5)
    assert (trackers.tracker_status.sel(asset="SV-TRK06A") == code("tracker_status", "stalled")).all()
    assert float(trackers.motor_current.sel(asset="SV-TRK06A").max()) < 0.1
    assert float(np.abs(trackers.tracker_error.sel(asset="SV-TRK07B")).max()) < 1.2  # nobody sees it
    share = (bad["mppt"].input_power.mean("time") / good["mppt"].input_power.mean("time")).to_series()
    assert share["SV-INV06-M1"] < 0.75
    assert 0.3 < share["SV-INV07-M2"] < 0.99
    assert share.drop(["SV-INV06-M1", "SV-INV07-M2"]).between(0.985, 1.015).all()
    strings = (bad["string"].current.mean("time") / good["string"].current.mean("time")).to_series()
    assert strings[[f"SV-INV06-S{k:02d}" for k in range(1, 6)]].max() < 0.75
    assert strings[[f"SV-INV06-S{k:02d}" for k in range(6, 11)]].between(0.97, 1.03).all()


def test_trackers_stow_in_wind(demo_portfolio):
    site = demo_portfolio.sites["sun_valley"]
    windy = Climate.of(site, 3).with_(wind=30.0, wind_shape=200.0)
    plant = build_site(site, 3, MORNING, climate=windy)
    values = plant.tick(MORNING)[SeriesKey("tracker", "10s")].values
    names = plant.keys[SeriesKey("tracker", "10s")][1]
    assert (values[:, names.index("tracker_status")] == code("tracker_status", "wind_stow")).all()
    assert np.abs(values[:, names.index("tracker_position")]).max() < 0.5


def test_soiling_builds_up_rain_washes_and_hands_clean():
    state = {"soiling": np.array([0.02, 0.02])}
    dry = soil(3600.0, np.zeros(240), np.array([0.002, 0.002]), state)
    assert dry[-1] == pytest.approx([0.04, 0.04])
    clock = Clock(NOON + np.arange(1, 361) * MINUTE, 60.0)
    work = Fault("cleaning", "A", NOON, NOON + 4 * 3600 * 10**9, 0.9)
    kept = cleaned([work], ["A", "B"], "GRID", clock)
    after = soil(60.0, np.zeros(360), np.array([0.0, 0.0]), state, kept)
    assert after[-1] == pytest.approx([0.004, 0.04])
    assert 0.004 < after[100, 0] < 0.04  # evenly, while they work
    everywhere = cleaned([Fault("cleaning", "GRID", NOON, NOON + MINUTE, 1.0)], ["A", "B"], "GRID", clock)
    assert np.prod(everywhere, axis=0).max() < 1e-5
    wet = soil(60.0, np.full(120, 3.0), np.array([0.002, 0.002]), state)
    assert wet[-1].max() < 0.001


def test_a_cleaning_shows_in_power_in_the_sensor_and_in_the_truth(demo_portfolio):
    site = demo_portfolio.sites["sun_valley"]
    dry = Climate.of(site, 3).with_(clouds=0.01, temperature=25.0, rain=1e-6)
    start = NOON - 5 * DAY
    plant = build_site(site, 3, start, climate=dry, faults=[Fault("cleaning", "SV-GRID", NOON - DAY)])
    assert plant.truth()[0]["end"] == NOON - DAY + 4 * 3600 * 10**9
    data = plant.history(start, NOON, "10min")
    inverter, sensor = data[SeriesKey("inverter", "10min")], data[SeriesKey("irradiance_sensor", "10min")]
    ratio = sensor.soiling_ratio.isel(asset=0)
    days = pd.DataFrame(plant.soiling()).pivot_table(index="day", columns="asset", values="soiling_ratio")
    fall = days["SV-INV01"].diff().iloc[2:5]
    assert fall.between(-0.0030, -0.0015).all()
    assert days.iloc[-1].min() > 0.995 > days.iloc[4].max()
    assert float(ratio[-1]) > 0.99 > float(ratio[0])
    lit = (sensor.irradiance_poa.isel(asset=0) > 600) & (inverter.total_ac_power.max("asset") < 830)
    index = (inverter.total_dc_power / (1 - 0.0035 * (inverter.cell_temperature - 25))).sum(
        "asset"
    ) / sensor.irradiance_poa.isel(asset=0)
    before = float(index.where(lit & (inverter.time < np.datetime64(NOON - 2 * DAY, "ns"))).mean())
    after = float(index.where(lit & (inverter.time > np.datetime64(NOON - DAY // 2, "ns"))).mean())
    dirt = float(1 - days.iloc[2:5].mean().mean())
    assert after / before - 1 == pytest.approx(dirt, abs=0.012)
