from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.model.samples import NS, SeriesKey
from workbench.store import Keeper
from workbench.store.statistics import PERIOD, has_statistics, kind_of, summarise

TEN = SeriesKey("wind_turbine", "10min")


def test_measurements_against_pandas():
    rng = np.random.default_rng(3)
    values = rng.normal(1e3, 5, (4, 600, 3))
    values[rng.random(values.shape) < 0.3] = np.nan
    values[1, :, 2] = np.nan
    usable = np.isfinite(values)
    mean, least, most, std, count = summarise(values.astype(np.float32), usable, "measurement")
    for p in range(4):
        for a in range(3):
            x = pd.Series(values[p, :, a].astype(np.float32).astype(float))
            expected = [x.mean(), x.min(), x.max(), x.std(ddof=0), x.count()]
            got = [found[p, a] for found in (mean, least, most, std, count)]
            np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-9)


def test_angles_go_round_north():
    values = np.array([350.0, 10.0, 355.0, 5.0, np.nan]).reshape(1, 5, 1)
    mean, std, count = summarise(values, np.isfinite(values), "angle")
    assert min(mean[0, 0], 360 - mean[0, 0]) < 1e-9
    assert count[0, 0] == 4
    # For a narrow spread the circular deviation is the plain one.
    assert std[0, 0] == pytest.approx(np.std([-10, 10, -5, 5]), rel=0.01)
    mean, _, _ = summarise(np.array([170.0, 190.0]).reshape(1, 2, 1), np.ones((1, 2, 1), bool), "angle", -180.0)
    assert mean[0, 0] == pytest.approx(-180) or mean[0, 0] == pytest.approx(180)


def test_opposed_angles_have_the_widest_spread_of_yamartino():
    values = np.array([0.0, 180.0]).reshape(1, 2, 1)
    _, std, _ = summarise(values, np.ones_like(values, dtype=bool), "angle")
    assert std[0, 0] == pytest.approx(103.923, abs=0.01)  # 90 · 2/√3


def test_states_and_counters_keep_the_last_good_value():
    values = np.array([1.0, 2.0, 3.0, np.nan]).reshape(1, 4, 1)
    usable = np.array([True, True, False, False]).reshape(1, 4, 1)
    last, count = summarise(values, usable, "held")
    assert (last[0, 0], count[0, 0]) == (2, 2)
    last, count = summarise(values, np.zeros_like(usable), "held")
    assert np.isnan(last[0, 0])
    assert count[0, 0] == 0


def test_kinds_come_from_the_vocabulary():
    assert kind_of("power_output") == "measurement"
    assert kind_of("wind_direction") == "angle"
    assert kind_of("operating_state") == "held"
    assert kind_of("energy_production_lifetime") == "held"
    assert kind_of("never_heard_of") == "measurement"


def test_which_series_have_them():
    assert has_statistics(SeriesKey("x", "1s"))
    assert has_statistics(SeriesKey("x", "1min"))
    assert not has_statistics(TEN)
    assert not has_statistics(SeriesKey("x", "15min"))


NAMES = ("power_output", "wind_direction", "operating_state", "energy_production_lifetime")


def run(site, batch, clock, seconds, **more):
    values = [[s, 350 + s % 20, s // 300, 1e9 + s] for s in seconds]
    site.journal.append([batch(seconds, values, variables=NAMES, **more)])


@pytest.fixture
def keeper(site, clock):
    with Keeper(site, now=lambda: clock[0]) as found:
        yield found


def test_the_keeper_closes_periods_in_the_vocabulary_terms(site, batch, clock, keeper, t0):
    run(site, batch, clock, range(1200))
    clock[0] = t0 + 600 * NS + 14 * NS
    assert keeper.step().periods == 0
    clock[0] = t0 + 600 * NS + 15 * NS
    assert keeper.step().periods == 1
    clock[0] = t0 + 1300 * NS
    assert keeper.step().periods == 1
    assert keeper.step().periods == 0
    data = site.open(TEN).load()
    np.testing.assert_allclose(data["power_output"].values[:, 0], [299.5, 899.5])
    np.testing.assert_array_equal(data["power_output_max"].values[:, 0], [599, 1199])
    np.testing.assert_array_equal(data["power_output_count"].values[:, 0], [600, 600])
    np.testing.assert_array_equal(data["sample_count"].values[:, 0], [600, 600])
    np.testing.assert_array_equal(data["operating_state"].values[:, 0], [1, 3])
    np.testing.assert_array_equal(data["energy_production_lifetime"].values[:, 0], [1e9 + 599, 1e9 + 1199])
    np.testing.assert_allclose(data["wind_direction"].values[:, 0], 359.5, rtol=1e-6)
    assert "wind_direction_min" not in data
    assert "operating_state_std" not in data
    assert data["power_output"].attrs["cell_methods"] == "time: mean"
    assert data["power_output_std"].attrs["cell_methods"] == "time: standard_deviation"
    assert data["power_output_min"].attrs["units"] == "kW"
    assert data["power_output_count"].attrs["units"] == "1"
    assert data["operating_state"].attrs["cell_methods"] == "time: point"


def test_late_samples_and_a_restart_compute_anew(site, batch, clock, keeper, t0):
    run(site, batch, clock, range(0, 600, 2))
    clock[0] = t0 + 700 * NS
    keeper.step()
    keeper.close()
    with Keeper(site, now=lambda: clock[0]) as second:
        assert second.step().periods == 0
        run(site, batch, clock, range(1, 600, 2))
        assert second.step().periods == 1
    data = site.open(TEN).load()
    assert data["power_output_count"].item() == 600
    assert data["sample_count"].item() == 600
    assert data["power_output"].item() == pytest.approx(299.5)


def test_bad_values_do_not_count(site, batch, clock, keeper, t0):
    run(site, batch, clock, range(10))
    site.journal.append([batch([3, 4, 5], [[1e6], [2e6], [7]], variables=("power_output",), quality=[[1], [4], [2]])])
    clock[0] = t0 + 700 * NS
    keeper.step()
    data = site.open(TEN).load()
    assert data["power_output_count"].item() == 8
    assert data["power_output_max"].item() == 9
    assert data["sample_count"].item() == 10  # three instants were said twice


def test_imported_seconds_get_statistics_too(site, batch, clock, keeper, t0):
    run(site, batch, clock, range(1200))
    clock[0] = t0 + 1300 * NS
    keeper.step()
    old = site.open("wind_turbine/1s").load()
    moved = old.assign_coords(time=old["time"] - np.timedelta64(86_400, "s"))
    site.import_dataset("wind_turbine/1s", moved)
    assert keeper.step().periods == 2
    assert keeper.step().periods == 0
    data = site.open(TEN, time=slice(t0 - 86_400 * NS, t0 - 86_400 * NS + 2 * PERIOD)).load()
    np.testing.assert_array_equal(data["power_output_count"].values[:, 0], [600, 600])
