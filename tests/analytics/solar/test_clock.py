"""Clocks against the sun: daylight saving in a real record, and errors put into others."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from workbench.analytics.solar import (
    daily_performance,
    degradation_and_soiling,
    solar_clock_shift_detection,
    solar_clock_shifts,
    year_on_year,
)
from workbench.analytics.wind.clock_correction import clock_shift_correction
from workbench.model.errors import InputError
from workbench.steps import remarks

#: Changes of the clock in the United States in the record, UTC.
CHANGES = ["2011-11-06 08:00", "2012-03-11 09:00", "2012-11-04 08:00", "2013-03-10 09:00", "2013-11-03 08:00"]


def test_every_daylight_saving_transition_of_system_50_is_found_within_two_days(system_50):
    table = solar_clock_shifts(system_50)
    assert table["shift"].to_list() == [60.0, 0.0, 60.0, 0.0, 60.0, 0.0]
    starts = table["start"].to_list()[1:]
    assert len(starts) == len(CHANGES)
    for found, true in zip(starts, CHANGES, strict=True):
        assert abs(pd.Timestamp(found) - pd.Timestamp(true)) <= pd.Timedelta(days=2)


def test_with_the_zone_they_are_dated_to_the_hour(system_50):
    starts = solar_clock_shifts(system_50, tz="America/Denver")["start"].to_list()[1:]
    # when the clock goes forward its first new stamp is an hour later than the moment
    late = [0, 1, 0, 1, 0]
    assert [pd.Timestamp(one) for one in starts] == [
        pd.Timestamp(true) + pd.Timedelta(hours=hours) for true, hours in zip(CHANGES, late, strict=True)
    ]


def test_the_repair_leaves_no_shift_and_can_be_undone(system_50):
    data = system_50.assign_attrs(timezone="America/Denver")
    found = solar_clock_shift_detection(data)
    assert set(np.unique(found["clock_shift"])) == {0.0, 60.0}
    assert int((found["total_ac_power_quality"] > 0).sum()) == int((found["clock_shift"] > 0).sum())
    repaired = clock_shift_correction(found)
    assert solar_clock_shifts(repaired)["shift"].to_list() == [0.0]
    back = clock_shift_correction(repaired, undo=True)["total_ac_power"].reindex(time=data["time"])
    np.testing.assert_array_equal(back, data["total_ac_power"])


def test_the_rate_after_our_repair_is_that_after_the_repair_by_time_zone(pvanalytics):
    from benchmarks.solar_degradation import pvdaq_50

    found = {}
    for clock in ("raw", "zone", "sun"):
        daily = daily_performance(pvdaq_50(pvanalytics, clock), temperature_coefficient=-0.005)
        both = (year_on_year(daily), degradation_and_soiling(daily, simulations=0))
        found[clock] = np.array([float(one.rates["rate"][0]) for one in both])
    assert np.abs(found["sun"] - found["zone"]).max() <= 0.05
    assert np.abs(found["raw"] - found["zone"]).min() > 0.2


def test_local_time_without_a_zone_is_told_from_utc(system_50):
    local = system_50.assign_coords(time=system_50["time"] - np.timedelta64(7, "h"))
    found = solar_clock_shifts(local)
    assert set(found["shift"].to_list()) == {-420.0, -360.0}
    assert found.height == 6


def test_without_coordinates_the_steps_are_found_all_the_same(system_50):
    bare = system_50.drop_vars(["latitude", "longitude", "elevation"])
    table = solar_clock_shifts(bare)
    assert np.diff(table["shift"].to_list()).tolist() == [-60.0, 60.0, -60.0, 60.0, -60.0]
    with remarks() as told:
        solar_clock_shift_detection(bare, flag=False)
    assert any("holds longest" in text for text in told)


@pytest.mark.parametrize("minutes", [-90, 30, 60, 600])
@pytest.mark.parametrize("azimuth", [180.0, 120.0])
def test_a_span_with_a_wrong_clock_is_found(plant, minutes, azimuth):
    data = plant(80, azimuth=azimuth, slot="30min")
    values = data["total_ac_power"].values[:, 0]
    first, stop, slots = 25 * 48, 60 * 48, minutes // 30
    moved = values.copy()
    moved[first:stop] = np.roll(values, slots)[first:stop]
    table = solar_clock_shifts(data.assign(total_ac_power=(("time", "asset"), moved[:, None])))
    assert [abs(shift) for shift in table["shift"]] == [0.0, abs(minutes), 0.0]
    assert np.sign(table["shift"][1]) == np.sign(minutes)
    off = table["start"].cast(pl.Int64).to_numpy()[1:] - data["time"].values[[first, stop]].astype(np.int64)
    assert np.abs(off).max() <= 2 * 86_400e9


def test_a_right_clock_is_left_alone(plant, serf_east):
    for data in (plant(60, azimuth=120.0), serf_east):
        assert solar_clock_shifts(data)["shift"].to_list() == [0.0]


def test_what_cannot_be_judged_says_why(plant):
    table = solar_clock_shifts(plant(5))
    assert table["shift"].to_list() == [None]
    assert "5 days" in table["reason"][0] or "4 days" in table["reason"][0]
    with remarks() as told:
        found = solar_clock_shift_detection(plant(5))
    assert found["clock_shift"].isnull().all()
    assert any("not judged" in text for text in told)
    with pytest.raises(InputError, match="no such time zone"):
        solar_clock_shifts(plant(20), tz="Mars/Olympus")
