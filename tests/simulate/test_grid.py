"""Grid and meter."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.model.samples import SeriesKey
from workbench.simulate.dynamics import Clock
from workbench.simulate.grid import DEVIATION, Grid

from .conftest import DAY, NOW

METER = SeriesKey("grid_meter", "1s")


@pytest.fixture(scope="module")
def fortnight():
    clock = Clock(NOW + np.arange(0, 14 * DAY, 10**10), 10.0)
    return Grid(50.0, 1, "site").at(clock)


def test_frequency_wanders_as_real_ones_do(fortnight):
    deviation = fortnight.frequency - 50.0
    assert 0.012 < deviation.std() < 0.025
    assert np.percentile(np.abs(deviation), 50) < 1.1 * 0.675 * DEVIATION * 1.1
    assert abs(deviation.mean()) < 0.004
    assert deviation.min() < -0.06  # a unit was lost at least once
    assert np.abs(deviation).max() < 0.25


def test_a_second_apart_it_hardly_moves():
    clock = Clock(NOW + np.arange(0, 7200 * 10**9, 10**9), 1.0)
    grid = Grid(60.0, 1, "site").at(clock)
    steps = np.diff(grid.frequency)
    assert 0.0002 < steps.std() < 0.008
    # the rate of change is that of the half second before
    assert np.corrcoef(steps, grid.rocof[1:])[0, 1] > 0.6


def test_voltage_stays_in_its_band(fortnight):
    assert fortnight.voltage.min() > 0.95
    assert fortnight.voltage.max() < 1.05


@pytest.mark.parametrize(
    ("name", "parts"),
    [("north_ridge", [("wind_turbine/1s", "power_output")]), ("coastal_flats", [("wind_turbine/1s", "power_output")])],
)
def test_the_meter_sees_the_plant_less_losses(sim_pasts, name, parts):
    data = sim_pasts[name][1]
    total = sum(data[SeriesKey.parse(key)][variable].sum("asset") for key, variable in parts)
    meter = data[METER].active_power[:, 0]
    losses = (total - meter).values
    rated = sim_pasts[name][0].site.capacity
    assert losses.min() > -0.001 * rated  # the meter's own noise
    assert losses.max() < 0.022 * rated
    assert losses.mean() > 0.001 * rated


def test_the_solar_meter_sees_battery_and_inverters(sim_pasts):
    data = sim_pasts["sun_valley"][1]
    inverters = data[SeriesKey("inverter", "5s")].total_ac_power.sum("asset")
    battery = data[SeriesKey("battery", "1s")].active_power[:, 0]
    meter = data[METER].active_power[:, 0]
    losses = inverters + battery.sel(time=inverters.time) - meter.sel(time=inverters.time)
    assert 0.0 < float(losses.mean()) < 0.02 * 9000


def test_meter_counters(sim_pasts):
    for name in sim_pasts:
        data = sim_pasts[name][1][METER]
        for counter in ("energy_export", "energy_import", "reactive_energy_export", "reactive_energy_import"):
            assert (np.diff(data[counter].values, axis=0) >= 0).all()
        made = float(data.energy_export[-1, 0] - data.energy_export[0, 0])
        assert made == pytest.approx(float(data.active_power.clip(min=0)[1:].sum()) / 3600, rel=1e-3, abs=1e-3)
