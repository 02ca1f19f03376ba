from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr

from workbench.display.charts import with_gaps
from workbench.display.history import RANGES, Course, _binned, delay, grid, increase, is_step, range_of, thin
from workbench.model.samples import NS


def course(time, value):
    value = np.asarray(value, float)
    return Course((np.asarray(time) * NS).astype("datetime64[ns]"), value, value, value)


def test_thin_keeps_mean_and_extremes():
    found = thin(course(np.arange(1200), np.arange(1200.0)), "power_output")
    assert list(found.value) == [299.5, 899.5]
    assert list(found.low) == [0.0, 600.0]
    assert list(found.high) == [599.0, 1199.0]
    assert found.time[1] == np.datetime64(600, "s")


def test_thin_ignores_missing_values_and_keeps_empty_bins_empty():
    value = np.full(1200, np.nan)
    value[5] = 4.0
    found = thin(course(np.arange(1200), value), "power_output")
    assert found.value[0] == 4.0
    assert math.isnan(found.value[1])


def test_thin_keeps_the_last_state_and_never_averages_angles():
    value = np.where(np.arange(600) < 500, 2.0, 7.0)
    assert thin(course(np.arange(600), value), "turbine_status").value[0] == 7.0
    assert thin(course([0, 1], [359.0, 1.0]), "wind_direction").value[0] == 1.0


def test_thin_keeps_the_last_setpoint_and_count_that_is_there():
    value = np.where(np.arange(600) < 500, 2000.0, 3000.0)
    value[-5:] = np.nan
    setpoint = thin(course(np.arange(600), value), "power_setpoint")
    assert (setpoint.low[0], setpoint.value[0], setpoint.high[0]) == (2000.0, 3000.0, 3000.0)
    counted = thin(course(np.arange(1200), np.arange(1200.0)), "energy_export")
    assert list(counted.value) == [599.0, 1199.0]
    nothing = thin(course([0, 1, 600, 601], [5.0, 6.0, np.nan, np.nan]), "energy_export").value
    assert nothing[0] == 6.0
    assert math.isnan(nothing[1])


def test_steps_are_what_the_vocabulary_says_jumps():
    steps = ("turbine_status", "power_setpoint", "curtailment_limit", "energy_export", "cycle_count", "wind_direction")
    assert all(map(is_step, steps))
    assert not any(map(is_step, ("power_output", "gearbox_oil_temp", "not_in_the_vocabulary")))


def test_a_slots_value_is_drawn_when_it_was_so():
    assert delay("power_output", 600.0) == 300.0  # a mean, in the middle
    assert delay("turbine_status", 600.0) == delay("energy_export", 600.0) == 600.0  # the last, at the end
    assert delay("wind_direction", 600.0) == delay("power_setpoint", 600.0) == 0.0  # a mean that lasts for the slot


def test_increase_of_a_counter_that_is_set_back():
    assert increase(course([0, 1, 2, 3, 4], [10.0, 12.0, np.nan, 1.0, 4.0])) == 6.0
    assert increase(course([0], [10.0])) == 0.0
    assert math.isnan(increase(course([], [])))


def test_thin_of_nothing():
    assert thin(course([], []), "power_output").time.size == 0


def test_binned_means_are_summed_over_assets():
    slots = grid(1_764_000_000 * NS, 1.0)
    assert slots.size == 7
    time = (slots[0] + np.array([0, 300, 600]) * NS).astype("datetime64[ns]")
    power = np.array([[100.0, 10.0], [200.0, np.nan], [np.nan, np.nan]])
    data = xr.Dataset({"power_output": (("time", "asset"), power)}, coords={"time": time, "asset": ["a", "b"]})
    total = _binned(data, "power_output", slots)
    assert total[0] == 160.0  # the mean of a, and what there is of b
    assert math.isnan(total[1])  # nobody said anything: not zero
    assert math.isnan(total[-1])


def test_gaps_break_the_line():
    time, value = with_gaps(np.array([0.0, 1000, 2000, 9000, 10000]), np.array([1.0, np.nan, 3, 4, 5]), 5000)
    assert list(time) == [0, 2000, 8999, 9000, 10000]
    assert math.isnan(value[2])
    assert with_gaps(np.array([]), np.array([]), 10)[0].size == 0


@pytest.mark.parametrize("name", RANGES)
def test_ranges(name):
    assert range_of(name).name == name


def test_unknown_range_is_the_live_one():
    assert range_of("never").live
