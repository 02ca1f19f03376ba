"""Faults: seen in the data, written down in the truth."""

from __future__ import annotations

import json

import numpy as np
import pytest

from workbench.model.errors import InputError
from workbench.model.samples import SeriesKey
from workbench.simulate.codes import code
from workbench.simulate.faults import KINDS, Fault
from workbench.simulate.ordinary import ordinary_faults
from workbench.simulate.plant import build_site
from workbench.simulate.weather import Climate

from .conftest import DAY, NOW

MINUTE = 60 * 10**9
WTG, INV = SeriesKey("wind_turbine", "1s"), SeriesKey("inverter", "5s")


def pair(portfolio, name: str, key: SeriesKey, fault: Fault, minutes: int = 60, start: int = NOW, **climate: float):
    """What a site measures without the fault, and with it."""
    site = portfolio.sites[name]
    weather = Climate.of(site, 3).with_(**climate)
    made = []
    for faults in ((), (fault,)):
        plant = build_site(site, 3, start, faults=faults, climate=weather)
        made.append(plant.history(start, start + minutes * MINUTE, "1s")[key])
    return made


def test_a_hot_bearing_warms_its_neighbours_less(demo_portfolio):
    fault = Fault("hot_bearing", "NR-T03", NOW - 5 * 3600 * 10**9, None, 30.0)
    good, bad = pair(demo_portfolio, "north_ridge", WTG, fault, wind=12.0, wind_shape=200.0)
    warmer = (bad - good).sel(asset="NR-T03").mean("time")
    assert float(warmer.gearbox_bearing_temp_de) > 25
    assert 2 < float(warmer.gearbox_bearing_temp_nde) < 15
    assert 1 < float(warmer.gearbox_oil_temp) < 8
    assert float(warmer.vibration_gearbox) > 0.5
    assert float(abs((bad - good).sel(asset="NR-T01").gearbox_bearing_temp_de).max()) < 1e-9
    assert (bad.warning_code.sel(asset="NR-T03") == 1310).all()
    assert (bad.active_alarm.sel(asset="NR-T03") == code("active_alarm", "active")).all()


def test_a_ramp_grows(demo_portfolio):
    fault = Fault("hot_bearing", "NR-T01", NOW, None, 40.0, "main_bearing_temp", ramp=7200.0)
    good, bad = pair(demo_portfolio, "north_ridge", WTG, fault, 90, wind=12.0, wind_shape=200.0)
    extra = (bad - good).main_bearing_temp.sel(asset="NR-T01").values
    assert extra[0] < 0.1
    assert extra[2700] < extra[-1]
    assert 5 < extra[-1] < 40


def test_a_stuck_sensor_repeats_itself_from_history_into_live_ticks(sim_site):
    plant = sim_site()
    plant.inject(Fault("stuck_sensor", "NR-T02", NOW - 10 * MINUTE, NOW + MINUTE, variable="gearbox_oil_temp"))
    data = plant.history(NOW - 20 * MINUTE, NOW, "1s")[WTG].gearbox_oil_temp.sel(asset="NR-T02").values
    assert len(np.unique(data[600:])) == 1 < len(np.unique(data[:600]))
    column = plant.keys[WTG][1].index("gearbox_oil_temp")
    live = [plant.tick(NOW + k * 10**9)[WTG].values[1, column] for k in range(90)]
    assert set(np.float32(live[:60])) == {np.float32(data[-1])}
    assert len(set(live[60:])) > 5


def test_a_sensor_stuck_at_a_value(sim_site):
    plant = sim_site(faults=[Fault("stuck_sensor", "NR-MAST", NOW - MINUTE, None, 0.2)])
    key = SeriesKey("met_mast", "1s")
    assert plant.tick(NOW)[key].values[0, plant.keys[key][1].index("wind_speed")] == 0.2


def test_soiled_strings_lose_their_share(demo_portfolio):
    morning = int(np.datetime64("2026-06-10T16:00", "ns").astype(np.int64))
    fault = Fault("soiled_string", "SV-INV04", morning - DAY, None, 0.10)
    good, bad = pair(demo_portfolio, "sun_valley", INV, fault, 20, morning, clouds=0.01)
    share = (bad.total_dc_power / good.total_dc_power).mean("time")
    assert float(share.sel(asset="SV-INV04")) == pytest.approx(0.90, abs=0.01)
    assert float(share.sel(asset="SV-INV01")) == pytest.approx(1.0)


def test_an_outage_stops_the_machine_and_its_wake(demo_portfolio):
    fault = Fault("outage", "CF-T02", NOW + 10 * MINUTE, NOW + 30 * MINUTE)
    _, bad = pair(demo_portfolio, "coastal_flats", WTG, fault, wind=11.0, wind_shape=200.0)
    turbine = bad.sel(asset="CF-T02")
    during = turbine.isel(time=slice(14 * 60, 29 * 60))
    assert (during.turbine_status == code("turbine_status", "fault")).all()
    assert (during.fault_code == 3001).all()
    assert (during.availability_status == code("availability_status", "forced_outage")).all()
    assert float(during.power_output.max()) < 0
    assert float(during.rotor_speed.max()) < 0.5
    after = turbine.isel(time=slice(40 * 60, None))
    assert (after.turbine_status == code("turbine_status", "generating")).all()


def test_curtailment_of_the_site_limits_every_turbine(demo_portfolio):
    fault = Fault("curtailment", "CF-GRID", NOW - MINUTE, None, 0.4)
    _, bad = pair(demo_portfolio, "coastal_flats", WTG, fault, 15, wind=16.0, wind_shape=200.0)
    settled = bad.isel(time=slice(120, None))
    assert float(settled.power_output.max()) <= 0.4 * 2050 * 1.006
    assert (settled.turbine_status == code("turbine_status", "curtailed")).mean() > 0.99
    assert float(settled.power_setpoint.mean()) == pytest.approx(820, rel=1e-3)
    assert float(settled.available_power.mean()) > 1800
    plant = build_site(demo_portfolio.sites["coastal_flats"], 3, NOW, faults=[fault])
    key = SeriesKey("grid_meter", "1s")
    frame = dict(zip(plant.keys[key][1], plant.tick(NOW)[key].values[0], strict=True))
    assert frame["curtailment_limit"] == pytest.approx(0.4 * 8200)
    assert frame["curtailment_order"] == code("curtailment_order", "active")


@pytest.mark.parametrize(
    ("kind", "magnitude", "least"), [("pitch_offset", 6.0, 0.02), ("yaw_misalignment", 20.0, 0.05)]
)
def test_a_crooked_turbine_loses_power(demo_portfolio, kind, magnitude, least):
    fault = Fault(kind, "NR-T04", NOW - 3600 * 10**9, None, magnitude)
    good, bad = pair(demo_portfolio, "north_ridge", WTG, fault, wind=8.5, wind_shape=200.0)
    share = (bad.power_output.mean("time") / good.power_output.mean("time")).sel(asset="NR-T04")
    assert 0.7 < float(share) < 1 - least
    if kind == "pitch_offset":
        apart = bad.blade_pitch_angle_2 - bad.blade_pitch_angle_1
        assert float(apart.sel(asset="NR-T04").mean()) == pytest.approx(magnitude, abs=0.2)
    else:  # the vane sees nothing of it
        assert abs(float(bad.yaw_error.sel(asset="NR-T04").mean())) < 8
        turned = (bad.nacelle_position - good.nacelle_position).sel(asset="NR-T04")
        assert float(((turned + 180) % 360 - 180).mean()) == pytest.approx(magnitude, abs=8)


def test_the_truth_is_written_down(sim_site, tmp_path):
    plant = sim_site()
    heard = []
    plant.faults.listen(heard.append)
    late = plant.inject(Fault("outage", "NR-T01", NOW + DAY, NOW + 2 * DAY))
    plant.inject(Fault("hot_bearing", "NR-T02", NOW, ramp=60.0))
    plant.faults.clear(late, NOW + DAY + 5)
    truth = plant.truth()
    assert [(one["kind"], one["asset"]) for one in truth] == [("hot_bearing", "NR-T02"), ("outage", "NR-T01")]
    assert truth[0]["magnitude"] == KINDS["hot_bearing"].magnitude
    assert truth[0]["variable"] == "gearbox_bearing_temp_de"
    assert truth[0]["start_utc"] == "2026-03-20T18:00:00Z"
    assert truth[0]["end"] is None
    assert truth[1]["end"] == NOW + DAY + 5
    assert [one["action"] for one in heard] == ["inject", "inject", "clear"]
    path = tmp_path / "faults.jsonl"
    plant.faults.write_truth(path)
    assert [json.loads(line) for line in path.read_text().splitlines()] == truth


@pytest.mark.parametrize(
    ("fault", "where"),
    [
        (Fault("hot_baering", "NR-T01", NOW), "kind"),
        (Fault("outage", "NR-T1", NOW), "asset"),
        (Fault("soiled_string", "NR-T01", NOW), "asset"),
        (Fault("stuck_sensor", "NR-T01", NOW, variable="state_of_charge"), "variable"),
        (Fault("hot_bearing", "NR-T01", NOW, variable="wind_speed"), "variable"),
        (Fault("curtailment", "NR-T01", NOW, magnitude=1.5), "magnitude"),
        (Fault("outage", "NR-T01", NOW, NOW), "end"),
    ],
)
def test_a_wrong_fault_is_refused(sim_pasts, fault, where):
    site = sim_pasts["north_ridge"][0]
    before = len(site.faults)
    with pytest.raises(InputError) as caught:
        site.inject(fault)
    assert caught.value.where == where
    assert len(site.faults) == before


def test_ordinary_faults_fit_their_site(sim_pasts):
    for name, (site, _) in sim_pasts.items():
        assets = {asset.id: asset.type for asset in site.site.assets}
        faults = ordinary_faults(assets, 5, NOW - 30 * DAY, NOW)
        assert faults == ordinary_faults(assets, 5, NOW - 30 * DAY, NOW)
        assert len(faults) >= 2
        book = type(site.faults)(assets, {kind.asset_type: names for kind, (_, names) in site.keys.items()})
        for fault in faults:
            book.inject(fault)
        assert {one["kind"] for one in book.truth()} <= set(KINDS), name
