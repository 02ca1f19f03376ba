"""Battery: its energy balances, its limits hold."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.model.samples import SeriesKey
from workbench.simulate.battery import DEAD_BAND, FULL_RESPONSE, Batteries
from workbench.simulate.dynamics import Clock
from workbench.simulate.grid import GridState
from workbench.simulate.weather import WeatherModel

from .conftest import DAY, NOW

FINE, COARSE = SeriesKey("battery", "1s"), SeriesKey("battery", "10min")


def run(portfolio, ns, dt, solar, frequency, state=None):
    """One battery over given sun and frequency."""
    site = portfolio.sites["sun_valley"]
    battery = Batteries(site, 1)
    clock = Clock(ns, dt, site.timezone)
    from workbench.simulate.weather import Climate

    weather = WeatherModel(Climate.of(site, 1), 1, site.id).at(clock)
    grid = GridState(frequency, np.ones(len(ns)), np.zeros(len(ns)))
    state = battery.start(int(ns[0])) if state is None else state
    before = float(battery.energy(state["charge"] / (battery.ampere_hours * state["health"]), state["health"])[0])
    return battery, before, battery.step(clock, weather, solar, grid, [], state, None)["battery"]


def test_the_energy_balance_closes(demo_portfolio):
    ns = NOW + np.arange(0, 3 * DAY, 30 * 10**9)
    hour = Clock(ns, 30.0, "America/Los_Angeles").local()[1]
    solar = 6000.0 * np.clip(np.sin((hour - 6) / 12 * np.pi), 0, None)
    frequency = 60.0 + 0.05 * np.sin(np.arange(len(ns)) / 7.0)
    battery, before, values = run(demo_portfolio, ns, 30.0, solar, frequency)
    one_way = float(battery.one_way[0])
    charged = values["charge_power"].sum() * 30 / 3600
    discharged = values["discharge_power"].sum() * 30 / 3600
    assert charged > 10_000
    assert discharged > 8_000
    # the converter takes its share each way, the resistance its own, the rest is in the cells
    resistance = float(battery._resistance[0] * (3.0 - 2.0 * values["state_of_health"][0, 0] / 100.0))
    lost = (values["dc_current"] ** 2).sum() * resistance * 30 / 3600 / 1000
    assert lost > 100
    change = values["stored_energy"][-1, 0] - before
    assert change == pytest.approx(charged * one_way - discharged / one_way - lost, abs=0.001 * charged)
    np.testing.assert_allclose(
        values["charge_power"] - values["discharge_power"] + values["active_power"], -values["auxiliary_power"]
    )
    soc = values["state_of_charge"]
    assert soc.min() > 4.99
    assert soc.max() < 95.01
    assert np.abs(values["power_setpoint"]).max() <= 4000
    assert (values["active_power"] < values["power_setpoint"]).all()  # pumps and fans draw on top


def test_a_round_trip_costs_what_the_data_sheet_says(sim_pasts):
    data = sim_pasts["sun_valley"][1][COARSE]
    full_cycles = data.isel(time=slice(0, 144))
    charged = float(full_cycles.energy_charged[-1, 0] - full_cycles.energy_charged[0, 0])
    discharged = float(full_cycles.energy_discharged[-1, 0] - full_cycles.energy_discharged[0, 0])
    stored = float(full_cycles.stored_energy[-1, 0] - full_cycles.stored_energy[0, 0])
    assert discharged == pytest.approx(0.86 * (charged - stored / np.sqrt(0.86)), rel=0.03)


def test_it_charges_by_day_and_delivers_in_the_evening(sim_pasts):
    data = sim_pasts["sun_valley"][1][COARSE]
    hour = data.time.to_index().tz_localize("UTC").tz_convert("America/Los_Angeles").hour
    power = data.active_power.values[:, 0]
    assert power[(hour >= 10) & (hour < 14)].mean() < -300
    assert power[(hour >= 18) & (hour < 20)].mean() > 500
    assert -40 < power[(hour >= 1) & (hour < 5)].mean() < 0


def test_it_answers_to_the_grid(demo_portfolio):
    night = int(np.datetime64("2026-03-20T08:00", "ns").astype(np.int64)) + np.arange(60) * 10**9
    frequency = np.full(60, 60.0)
    frequency[20:40] = 60.0 - DEAD_BAND - 0.1 * FULL_RESPONSE
    _, _, values = run(demo_portfolio, night, 1.0, np.zeros(60), frequency)
    power = values["power_setpoint"][:, 0]
    assert power[:20] == pytest.approx(0.0)
    assert power[30] == pytest.approx(400.0)  # a tenth of the rating
    assert power[50:] == pytest.approx(0.0)
    assert np.abs(np.diff(power)).max() <= 0.08 * 4000 + 1e-9  # it ramps


def test_cells(sim_pasts):
    data = sim_pasts["sun_valley"][1][FINE]
    assert (data.cell_voltage_min < data.cell_voltage_mean).all()
    assert (data.cell_voltage_mean < data.cell_voltage_max).all()
    assert float(data.cell_voltage_min.min()) > 2.5
    assert float(data.cell_voltage_max.max()) < 3.65
    assert float(data.state_of_health.max()) < 100
