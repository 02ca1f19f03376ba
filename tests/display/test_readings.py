from __future__ import annotations

import math

import numpy as np
import pytest

from workbench.display.readings import Now, Reading, cadence_seconds, day_start, kind_word, state_name, total
from workbench.model.samples import NS
from workbench.model.vocabulary import vocabulary


def code(variable, state):
    return float(vocabulary()[variable].states[state])


def turbines(**power):
    return {
        "wind_turbine": {
            asset.replace("_", "-"): {"power_output": value, "turbine_status": code("turbine_status", "generating")}
            for asset, value in power.items()
        }
    }


def test_power_adds_up_what_is_fresh(make_site):
    site = make_site("north_ridge", turbines(NR_T01=1000.0, NR_T02=500.0, NR_T03=700.0), ages={"NR-T03": 60})
    assert site.power_by_kind["wind"].value == 1500.0
    assert site.generation.value == site.net_power.value == 1500.0
    assert site.states["NR-T03"].name == "stale"
    assert site.states["NR-T01"].name == "operating_normal"
    assert site.states["NR-T04"].name == "unknown"


def test_the_sum_is_as_old_as_its_oldest_part(make_site, now_ns):
    site = make_site("north_ridge", turbines(NR_T01=1.0, NR_T02=2.0), ages={"NR-T02": 4})
    assert site.power_by_kind["wind"].age(now_ns) == pytest.approx(4.0)


def test_nothing_fresh_is_nothing_not_zero(make_site, now_ns):
    site = make_site("north_ridge", turbines(NR_T01=1000.0), ages={"NR-T01": 100})
    assert not site.net_power.there
    assert math.isnan(site.net_power.value)


def test_battery_counts_in_the_net_but_is_not_generation(make_site):
    values = {
        "inverter": {"SV-INV01": {"total_ac_power": 600.0}},
        "battery": {"SV-BESS": {"active_power": -400.0}},
    }
    site = make_site("sun_valley", values)
    assert site.generation.value == 600.0
    assert site.net_power.value == 200.0
    assert site.capacity() == 8 * 875.0


def test_stale_after_five_cadences(make_site):
    for age, fresh in ((24.0, True), (26.0, False)):
        site = make_site(
            "sun_valley", {"inverter": {"SV-INV01": {"total_ac_power": 1.0}}}, ages={"SV-INV01": age}, every=5.0
        )
        assert site.fresh("SV-INV01") is fresh


def test_first_variable_that_has_a_value(make_site):
    site = make_site("north_ridge", {"wind_turbine": {"NR-T01": {"power_output": math.nan, "active_power": 7.0}}})
    assert site.power("NR-T01").value == 7.0
    assert site.power("NR-T01").units == "kW"
    assert not site.reading("NR-T01", "rotor_speed").there
    assert site.reading("NR-T01", "rotor_speed").units == "rpm"


def test_frequency_is_the_meters_if_it_is_fresh(make_site):
    values = {
        "wind_turbine": {"NR-T01": {"grid_frequency": 60.1}},
        "grid_meter": {"NR-GRID": {"grid_frequency": 59.9}},
    }
    assert make_site("north_ridge", values).frequency.value == 59.9
    assert make_site("north_ridge", values, ages={"NR-GRID": 60}).frequency.value == 60.1


def test_energy_today_keeps_what_a_silent_device_has_made(make_site):
    values = {"wind_turbine": {a: {"energy_production_today": 100.0} for a in ("NR-T01", "NR-T02")}}
    assert make_site("north_ridge", values, ages={"NR-T02": 4000}).energy_today.value == 200.0


def test_abnormal_first_the_worst(make_site):
    values = turbines(NR_T01=1.0, NR_T02=1.0)
    values["wind_turbine"]["NR-T01"]["turbine_status"] = code("turbine_status", "curtailed")
    values["wind_turbine"]["NR-T02"]["turbine_status"] = code("turbine_status", "fault")
    found = [(asset, state.name) for asset, state in make_site("north_ridge", values).abnormal()]
    assert found[0] == ("NR-T02", "fault")
    assert found[-1] == ("NR-T01", "operating_reduced")


def test_device_is_well_only_while_it_delivers(make_site, now_ns):
    site = make_site("north_ridge", {})
    device = {"state": "ok", "last_time": now_ns - 2 * NS}
    assert site.device_well(device, 1.0)
    assert not site.device_well({**device, "last_time": now_ns - 30 * NS}, 1.0)
    assert not site.device_well({**device, "state": "down"}, 1.0)
    assert not make_site("north_ridge", {}, running=False).device_well(device, 1.0)


def test_site_without_live_source_has_no_states(portfolio, now_ns):
    now = Now(now_ns, 1, portfolio, {})
    site = now.site("la_haute_borne")
    assert not site.live
    assert site.states == {}
    assert site.abnormal() == []
    assert now.empty
    assert now.site("nowhere").assets == {}


def test_reading_tells_its_state():
    assert state_name("turbine_status", code("turbine_status", "fault")) == "fault"
    assert state_name("turbine_status", 99.0) is None
    assert state_name("power_output", 1.0) is None
    assert state_name("turbine_status", math.nan) is None
    assert Reading().age(10) == math.inf


def test_cadence_seconds():
    assert cadence_seconds("1s") == 1.0
    assert cadence_seconds("10min") == 600.0
    assert cadence_seconds("whatever") == 1.0
    assert np.isclose(cadence_seconds("5s"), 5.0)


def test_a_sum_says_how_many_of_its_assets_report(make_site, now_ns):
    site = make_site("north_ridge", turbines(NR_T01=1000.0, NR_T02=500.0, NR_T03=700.0), ages={"NR-T03": 60})
    power = site.net_power
    assert (power.value, power.reporting, power.of) == (1500.0, 2, 6)  # three were never heard
    assert power.partial
    whole = total([site.net_power, make_site("coastal_flats", {}).net_power], now_ns)
    assert (whole.value, whole.reporting, whole.of) == (1500.0, 2, 10)


def test_a_sum_of_all_says_nothing(make_site):
    site = make_site("north_ridge", turbines(**{f"NR_T0{i}": 100.0 for i in range(1, 7)}))
    assert not site.net_power.partial
    assert (site.net_power.reporting, site.net_power.of) == (6, 6)


def test_a_sum_of_nothing_keeps_its_unit(make_site):
    site = make_site("north_ridge", turbines(NR_T01=1.0), ages={"NR-T01": 100})
    power = site.net_power
    assert (power.units, power.reporting, power.of) == ("kW", 0, 6)
    assert not power.there
    assert power.age(site.now) == pytest.approx(100.0)  # not "never"


def test_energy_today_leaves_out_what_was_counted_on_another_day(make_site, now_ns):
    values = {"wind_turbine": {a: {"energy_production_today": 100.0} for a in ("NR-T01", "NR-T02")}}
    midnight = day_start(now_ns, "America/Chicago")
    since = (now_ns - midnight) / NS
    energy = make_site("north_ridge", values, ages={"NR-T02": since + 1}).energy_today
    assert (energy.value, energy.reporting, energy.of) == (100.0, 1, 6)
    assert make_site("north_ridge", values, ages={"NR-T02": since}).energy_today.value == 200.0
    nothing = make_site("north_ridge", values, ages={"NR-T01": 2 * 86_400, "NR-T02": 2 * 86_400}).energy_today
    assert not nothing.there
    assert nothing.units == "kWh"


@pytest.mark.parametrize(
    ("now", "tz", "midnight"),
    [
        ("2025-11-24T16:00", "America/Chicago", "2025-11-24T06:00"),
        ("2025-11-24T05:59:59", "America/Chicago", "2025-11-23T06:00"),
        ("2025-03-09T20:00", "America/Chicago", "2025-03-09T06:00"),  # a day of 23 hours
        ("2025-11-02T20:00", "America/Chicago", "2025-11-02T05:00"),  # a day of 25 hours
        ("2025-03-30T12:00", "Europe/Paris", "2025-03-29T23:00"),
        ("2025-10-26T12:00", "Europe/Paris", "2025-10-25T22:00"),
        ("2025-09-07T15:00", "America/Santiago", "2025-09-07T04:00"),  # the clock skips midnight
        ("2025-11-02T15:00", "America/Havana", "2025-11-02T04:00"),  # the clock shows midnight twice
        ("2025-11-24T16:00", "UTC", "2025-11-24T00:00"),
    ],
)
def test_midnight_of_the_site(now, tz, midnight):
    at, expected = (int(np.datetime64(text, "ns").astype(np.int64)) for text in (now, midnight))
    assert day_start(at + 5, tz) == expected


def test_kinds_in_words():
    assert [kind_word(kind) for kind in ("wind_turbine", "battery", "mppt", "fuel_cell")] == [
        "Wind turbine", "Battery", "MPPT", "Fuel cell",
    ]  # fmt: skip
    assert kind_word("battery", many=True) == "Batteries"
