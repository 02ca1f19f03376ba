from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.analytics.calendar import expected_slots, periods, place, slot_length, window_of
from workbench.model.errors import InputError
from workbench.model.time import parse_period

TEN = np.timedelta64(600, "s")


def test_days_at_both_edges_of_daylight_saving_have_23_and_25_hours():
    for month, day, hours in (("2015-03", 28, 23), ("2015-10", 24, 25)):
        labels, edges = periods(parse_period(month, "Europe/Paris"), "day", "Europe/Paris")
        assert len(labels) == 31
        assert expected_slots(edges, TEN)[day] == hours * 6
        assert labels[day].day == day + 1


def test_months_begin_at_local_midnight():
    labels, edges = periods(parse_period("2015", "Europe/Paris"), "month", "Europe/Paris")
    assert [str(label)[:10] for label in labels] == [f"2015-{m:02d}-01" for m in range(1, 13)]
    assert edges[0] == pd.Timestamp("2014-12-31T23:00")
    assert edges[6] == pd.Timestamp("2015-06-30T22:00")
    assert expected_slots(edges, TEN).sum() == 365 * 144


def test_hours_are_shown_twice_where_the_clock_is_set_back():
    labels, edges = periods(parse_period("2015-10-25", "Europe/Paris"), "hour", "Europe/Paris")
    assert len(labels) == 25
    assert [label.hour for label in labels[:5]] == [0, 1, 2, 2, 3]
    assert len(edges) == 26


def test_a_window_that_cuts_months_is_kept_to():
    window = (pd.Timestamp("2015-01-10"), pd.Timestamp("2015-03-05"))
    labels, edges = periods(window, "month")
    assert [label.month for label in labels] == [1, 2, 3]
    assert edges[0] == window[0]
    assert edges[-1] == window[1]


def test_place_puts_times_into_half_open_periods():
    edges = pd.DatetimeIndex(["2015-01-01", "2015-01-02", "2015-01-03"])
    times = np.array(
        ["2014-12-31T23:59", "2015-01-01", "2015-01-01T23:59", "2015-01-02", "2015-01-03"], "datetime64[ns]"
    )
    assert place(times, edges).tolist() == [-1, 0, 0, 1, 2]


def test_slots_are_counted_by_their_start():
    edges = pd.DatetimeIndex(["2015-01-01T00:05", "2015-01-01T00:25"]).as_unit("ns")
    assert expected_slots(edges, TEN).tolist() == [2]  # 00:10 and 00:20


def test_slot_length_is_the_cadence_or_the_commonest_step():
    times = pd.to_datetime(["2015-01-01T00:00", "2015-01-01T00:10", "2015-01-01T00:20", "2015-01-01T01:00"]).as_unit(
        "ns"
    )
    data = xr.Dataset(coords={"time": times})
    assert slot_length(data) == TEN
    assert slot_length(data.assign_attrs(cadence="5s")) == np.timedelta64(5, "s")
    with pytest.raises(InputError, match="too few times"):
        slot_length(data.isel(time=slice(0, 1)))


def test_without_data_and_window_there_is_no_span():
    with pytest.raises(InputError, match="no window"):
        window_of(xr.Dataset(coords={"time": np.array([], "datetime64[ns]")}))


def test_an_unknown_step_is_told():
    with pytest.raises(InputError, match="unknown step"):
        periods(parse_period("2015"), "week")
