"""Whole sites: the same for all, seamless from past to present, inside the vocabulary."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from workbench.model.errors import InputError
from workbench.model.quality import Quality, is_quality, quality_name
from workbench.model.samples import SeriesKey
from workbench.model.vocabulary import vocabulary
from workbench.simulate.dynamics import Clock, lag, latch
from workbench.simulate.history import summarise
from workbench.simulate.sensors import QualityRates

from .conftest import DAY, NOW, SIMULATED

SECOND = 10**9

PROGRAM = """
import hashlib, sys
from workbench.model.assets import load_portfolio
from workbench.simulate.plant import build_site
portfolio = load_portfolio(sys.argv[1])
digest = hashlib.sha256()
for name in ("coastal_flats", "sun_valley"):
    site = build_site(portfolio.sites[name], 7, int(sys.argv[2]))
    for k in range(40):
        for key, frame in site.tick(int(sys.argv[2]) + k * 10**9).items():
            digest.update(str(key).encode() + frame.values.tobytes())
print(digest.hexdigest())
"""


def test_the_same_seed_gives_the_same_plant_in_any_process():
    folder = Path(__file__).resolve().parents[2] / "catalogs" / "portfolio"
    command = [sys.executable, "-c", PROGRAM, str(folder), str(NOW)]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    first, second = (run.communicate()[0] for run in runs)
    assert all(run.returncode == 0 for run in runs)
    assert first == second
    assert len(first.strip()) == hashlib.sha256().digest_size * 2


def test_another_seed_gives_another_plant(sim_site):
    a, b = (sim_site("coastal_flats", seed=seed).tick(NOW) for seed in (1, 2))
    key = SeriesKey("wind_turbine", "1s")
    assert (a[key].values != b[key].values).mean() > 0.5


@pytest.mark.parametrize("name", SIMULATED)
def test_every_value_is_in_the_vocabulary_and_its_range(sim_pasts, name):
    words = vocabulary()
    for key, data in sim_pasts[name][1].items():
        for variable in data.data_vars:
            term = words.get(variable)
            if key.cadence == "10min" and variable.startswith("cell_temperature_") and key.asset_type != "battery":
                term = None  # a statistic that bears the name of another variable
            if term is None:
                assert key.cadence == "10min" or is_quality(variable) or variable == "sample_count", variable
                continue
            term = term.for_type(key.asset_type)
            assert key.asset_type in term.asset_types, variable
            values = data[variable].values
            assert np.isfinite(values).all(), variable
            assert term.valid_min <= values.min(), variable
            assert values.max() <= term.valid_max, variable
            if term.states:
                assert set(np.unique(values)) <= set(term.states.values()), variable


def test_the_fields_of_the_specifications_streams_are_there(sim_pasts):
    turbine = set(sim_pasts["north_ridge"][0].keys[SeriesKey("wind_turbine", "1s")][1])
    assert turbine >= {
        "power_output", "turbine_status", "operational_mode", "availability_status", "rotor_speed", "generator_speed",
        "blade_pitch_angle", "nacelle_position", "yaw_error", "wind_speed", "wind_speed_80m", "wind_speed_100m",
        "wind_direction", "air_density", "temperature", "humidity", "barometric_pressure", "active_power",
        "reactive_power", "voltage_l1", "voltage_l2", "voltage_l3", "current_l1", "current_l2", "current_l3",
        "power_factor", "grid_frequency", "gearbox_bearing_temp_de", "gearbox_bearing_temp_nde",
        "generator_bearing_temp_de", "generator_bearing_temp_nde", "gearbox_oil_temp", "gearbox_oil_pressure",
        "vibration_tower_top", "vibration_drivetrain", "hydraulic_pressure", "capacity_factor", "power_coefficient",
        "theoretical_power", "performance_ratio", "energy_production_today", "energy_production_lifetime",
    }  # fmt: skip
    inverter = set(sim_pasts["sun_valley"][0].keys[SeriesKey("inverter", "5s")][1])
    assert inverter >= {
        "total_dc_power", "total_dc_voltage", "total_dc_current", "total_ac_power", "voltage_l1", "current_l1",
        "frequency", "power_factor", "reactive_power", "total_harmonic_distortion", "irradiance_poa", "irradiance_ghi",
        "irradiance_dni", "irradiance_dhi", "module_temperature", "ambient_temperature", "wind_speed",
        "conversion_efficiency", "performance_ratio", "capacity_utilization", "energy_today", "energy_lifetime",
        "specific_yield", "operating_state", "grid_connection", "internal_temperature", "fault_code", "warning_code",
        "active_power_curtailment", "reactive_power_mode", "voltage_regulation", "frequency_support",
    }  # fmt: skip


@pytest.mark.parametrize("name", SIMULATED)
def test_live_ticks_are_the_history_they_would_have_been(demo_portfolio, name):
    from workbench.simulate.plant import build_site

    long, short = (build_site(demo_portfolio.sites[name], 3, NOW) for _ in range(2))
    turn = NOW + 1800 * SECOND
    expected = long.history(NOW, turn + 120 * SECOND, "1s")
    before = short.history(NOW, turn, "1s")
    frames = [short.tick(turn + k * SECOND) for k in range(120)]
    for key, (assets, variables) in short.keys.items():
        late = expected[key].sel(time=slice(np.datetime64(turn, "ns"), None))
        live = np.stack([frame[key].values for frame in frames if key in frame])
        assert live.shape == (late.sizes["time"], len(assets), len(variables))
        for v, variable in enumerate(variables):
            np.testing.assert_allclose(
                live[:, :, v], late[variable].values, rtol=2e-6, atol=2e-4, err_msg=f"{key} {variable}"
            )
            if vocabulary()[variable].kind == "counter" and "today" not in variable:
                assert (live[0, :, v] >= before[key][variable].values[-1] - 1e-6).all()


@pytest.mark.parametrize("name", SIMULATED)
def test_counters_never_fall_across_both_grains_and_into_live_ticks(demo_portfolio, name):
    from workbench.simulate.plant import build_site

    site = build_site(demo_portfolio.sites[name], 3, NOW)
    past = site.past(NOW - 6 * 3600 * SECOND, NOW, fine=1200)
    frames = [site.tick(NOW + k * SECOND) for k in range(20)]
    for key, (_, variables) in site.keys.items():
        for v, variable in enumerate(variables):
            if vocabulary()[variable].kind != "counter" or "today" in variable:
                continue
            coarse = past[SeriesKey(key.asset_type, "10min")][variable].values
            fine = past[key][variable].values
            live = np.stack([frame[key].values[:, v] for frame in frames if key in frame])
            # ten-minute counters are those at the end of the period: the fine ones begin after the last before
            whole = np.concatenate((coarse[:-2], fine, live))
            assert (np.diff(whole, axis=0) >= -1e-6).all(), variable
            np.testing.assert_allclose(coarse[-1], fine[-1], err_msg=variable)


def test_energy_is_not_lost_where_the_grain_changes(sim_site):
    plant = sim_site()
    made = plant.past(NOW - 4 * 3600 * SECOND, NOW, fine=2 * 3600)
    coarse = made[SeriesKey("wind_turbine", "10min")]
    total = coarse.energy_production_lifetime.diff("time").sum("time")
    mean = coarse.power_output.clip(min=0).isel(time=slice(1, None)).sum("time") / 6
    np.testing.assert_allclose(total, mean, rtol=0.02)


def test_statistics_are_those_of_the_seconds(sim_pasts):
    for name in SIMULATED:
        past = sim_pasts[name][1]
        for key in (key for key in past if key.cadence != "10min"):
            fine, coarse = past[key], past[SeriesKey(key.asset_type, "10min")]
            last = coarse.time.values[-3]
            window = fine.sel(time=slice(last, last + np.timedelta64(600, "s") - np.timedelta64(1, "ns")))
            for variable in ("active_power", "power_output", "total_ac_power", "irradiance_ghi", "wind_speed"):
                if variable not in fine or quality_name(variable) in fine:
                    continue
                found = coarse.sel(time=last)
                np.testing.assert_allclose(found[variable], window[variable].mean("time"), rtol=1e-4, atol=1e-3)
                np.testing.assert_allclose(found[variable + "_max"], window[variable].max("time"), rtol=1e-6)
                np.testing.assert_allclose(found[variable + "_std"], window[variable].std("time"), rtol=1e-3, atol=1e-3)
                assert (found[variable + "_count"] == window.sizes["time"]).all()


def test_statistics_are_made_as_the_store_makes_them():
    statistics = pytest.importorskip("workbench.store.statistics")
    rng = np.random.default_rng(1)
    values = rng.normal(180, 60, (3, 60, 4))
    usable = rng.random((3, 60, 4)) > 0.2
    usable[0, :, 1] = False
    for kind in ("measurement", "angle", "held"):
        for mask in (usable, np.ones_like(usable)):
            expected = statistics.summarise(values, mask, kind)
            found = summarise(values, None if mask.all() else mask, kind)
            for (suffix, ours), theirs in zip(found, expected, strict=True):
                np.testing.assert_allclose(ours, theirs, rtol=1e-9, err_msg=kind + suffix)


def test_history_of_both_cadences_agrees_with_the_past(sim_site):
    a, b = sim_site("coastal_flats"), sim_site("coastal_flats")
    start = NOW - 5 * 3600 * SECOND
    past = a.past(start, NOW)
    statistics = b.history(start, NOW, "10min")
    seconds = b.history(NOW - 3 * 3600 * SECOND, NOW, "1s")
    for key, data in {**statistics, **seconds}.items():
        for variable in ("active_power", "grid_frequency"):
            np.testing.assert_allclose(data[variable], past[key][variable], rtol=1e-6)
    with pytest.raises(InputError, match="cadence"):
        a.history(start, NOW, "7min")
    with pytest.raises(InputError, match="substep"):
        a.past(start, NOW, substep=7)


def test_ticks_that_are_skipped_or_repeated(sim_site):
    a, b = sim_site("coastal_flats"), sim_site("coastal_flats")
    for k in range(60):
        a.tick(NOW + k * SECOND)
    b.tick(NOW)
    b.tick(NOW + 57 * SECOND)  # after a gap
    key = SeriesKey("wind_turbine", "1s")
    last = b.tick(NOW + 59 * SECOND)[key].values
    np.testing.assert_allclose(last, a.tick(NOW + 59 * SECOND)[key].values, rtol=0.02, atol=1.5)
    again = b.tick(NOW + 59 * SECOND)[key].values
    np.testing.assert_array_equal(again[:, 0:1], last[:, 0:1])
    old = b.tick(NOW + 30 * SECOND)[key].values  # an old time does not turn the state back
    assert np.isfinite(old).all()
    assert b.time == NOW + 59 * SECOND


def test_slow_series_come_at_their_own_cadence(sim_site):
    plant = sim_site("sun_valley")
    key = SeriesKey("inverter", "5s")
    assert [key in plant.tick(NOW + k * SECOND) for k in range(11)] == [k % 5 == 0 for k in range(11)]


def test_doubtful_values_are_marked_and_kept(sim_site):
    often = sim_site(quality=QualityRates(spells_per_day=2000.0, bad=0.5))
    data = often.history(NOW, NOW + 1800 * SECOND, "1s")[SeriesKey("wind_turbine", "1s")]
    marked = [name for name in data.data_vars if is_quality(name)]
    assert len(marked) > 20
    seen = set(np.unique(np.concatenate([data[name].values.ravel() for name in marked])).tolist())
    assert seen == {0, Quality.BAD, Quality.UNCERTAIN}
    never = sim_site(quality=QualityRates(spells_per_day=0.0))
    clean = never.history(NOW, NOW + 600 * SECOND, "1s")[SeriesKey("wind_turbine", "1s")]
    assert not [name for name in clean.data_vars if is_quality(name)]
    np.testing.assert_array_equal(clean.power_output, data.power_output.sel(time=clean.time))
    # live frames carry the same marks
    live = sim_site(quality=QualityRates(spells_per_day=2000.0, bad=0.5))
    key = SeriesKey("wind_turbine", "1s")
    for k in range(0, 60, 7):
        frame = live.tick(NOW + k * SECOND)[key]
        for v, name in enumerate(live.keys[key][1]):
            expected = data[quality_name(name)].values[k] if quality_name(name) in data else np.zeros(6)
            np.testing.assert_array_equal(np.zeros(6) if frame.quality is None else frame.quality[:, v], expected)


def test_a_site_with_nothing_to_simulate(demo_portfolio):
    from dataclasses import replace

    from workbench.simulate.plant import build_site

    with pytest.raises(InputError, match="nothing"):
        build_site(replace(demo_portfolio.sites["north_ridge"], assets=[]), 1, NOW)


def test_any_site_of_the_portfolio_can_be_simulated(demo_portfolio):
    from workbench.simulate.plant import build_site

    plant = build_site(demo_portfolio.sites["la_haute_borne"], 1, NOW)
    frame = plant.tick(NOW)[SeriesKey("wind_turbine", "1s")]
    assert frame.values.shape[0] == 4
    assert np.isfinite(frame.values).all()


def test_a_lag_in_pieces_is_the_lag_at_once():
    x = np.random.default_rng(0).normal(size=(100, 3))
    whole, end = lag(x, 20.0, 3.0, np.zeros(3))
    state = np.zeros(3)
    parts = []
    for piece in (x[:1], x[1:40], x[40:]):
        y, state = lag(piece, 20.0, 3.0, state)
        parts.append(y)
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-12)
    np.testing.assert_allclose(state, end)
    step, _ = lag(np.ones((50, 1)), 10.0, 1.0, np.zeros(1))
    assert step[9, 0] == pytest.approx(1 - np.exp(-1.0))


def test_a_latch_holds():
    on = np.array([0, 1, 0, 0, 0, 1, 1], dtype=bool)[:, None]
    off = np.array([0, 0, 0, 1, 0, 0, 1], dtype=bool)[:, None]
    held, last = latch(on, off, np.array([False]))
    assert held[:, 0].tolist() == [False, True, True, False, False, True, False]
    assert last.tolist() == [False]


def test_local_days_have_23_to_25_hours():
    spring = int(np.datetime64("2026-03-29T00:00", "ns").astype(np.int64))  # Berlin goes to summer time at 01:00 UTC
    clock = Clock(spring + np.arange(-DAY, 2 * DAY, 600 * SECOND), 600.0, "Europe/Berlin")
    day, hour = clock.local()
    assert hour.min() >= 0
    assert hour.max() < 24
    lengths = np.unique(day, return_counts=True)[1] / 6
    assert 23.0 in lengths.tolist()
