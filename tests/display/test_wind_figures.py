"""Figures of wind performance: what they draw is what they were given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.display import theme, wind_figures


def data_of(plot, place=0):
    return plot.renderers[place].data_source.data


def test_a_waterfall_goes_from_total_to_total():
    plot = wind_figures.waterfall_figure(
        ["a", "b", "c", "d"], np.array([1000.0, -200.0, 50.0, 850.0]), totals=(0, 3), factor=1.0
    )
    drawn = data_of(plot)
    assert drawn["high"].tolist() == [1000, 1000, 850, 850]
    assert drawn["low"][1] == 800
    assert drawn["colour"] == [theme.NORMAL, theme.REDUCED, theme.MEASURED, theme.NORMAL]
    assert drawn["text"] == ["1,000", "\N{MINUS SIGN}200", "+50", "850"]
    # the changes can be seen beside totals that are much larger
    assert plot.y_range.start > 300
    small = wind_figures.waterfall_figure(["a", "b", "c"], np.array([10.0, -9.0, 1.0]), totals=(0, 2), factor=1.0)
    assert small.y_range.start == 0


def test_bars_of_a_loss_waterfall_leave_out_what_is_nothing():
    frame = pd.DataFrame({"energy": [10.0, -2.0, 0.0, 8.0]}, index=["potential", "unavailable", "unknown", "actual"])
    names, values, totals = wind_figures.loss_bars(frame)
    assert names == ["Potential", "Unavailable", "Actual"]
    assert values.tolist() == [10, -2, 8]
    assert totals == [0, 2]


def test_categories_are_shares_of_each_turbines_time():
    plot = wind_figures.category_figure(
        {"available": np.array([90.0, 50.0]), "forced_outage": np.array([10.0, 50.0])}, ["A", "B"]
    )
    assert data_of(plot)["available"].tolist() == [90, 50]
    assert plot.y_range.start == 0
    usual = wind_figures.category_figure(
        {"available": np.array([99.0, 98.0]), "forced_outage": np.array([1.0, 2.0])}, ["A", "B"]
    )
    assert usual.y_range.start == pytest.approx(90)
    assert wind_figures.colour_of("forced_outage") == theme.FAULT


def test_intervals_stay_inside_the_axis():
    plot = wind_figures.interval_figure(
        ["A", "B"], np.array([1.0, np.nan]), np.array([-3.0, np.nan]), np.array([4.0, np.nan]), label="x"
    )
    assert plot.y_range.start < -3 < 4 < plot.y_range.end


def test_directions_have_the_energy_at_their_foot():
    direction = np.arange(5.0, 360, 10)
    loss = np.where(direction < 90, 10.0, 0.0)
    plot = wind_figures.direction_figure(
        direction, {"period": loss, "long term": loss / 2}, label="Loss [%]", bars=np.ones(36) / 36
    )
    bars = data_of(plot)
    assert np.allclose(bars["share"], 100 / 36)
    assert bars["top"].max() < 0
    assert plot.y_range.end > 10


def test_pairs_and_courses_name_what_they_draw():
    plot = wind_figures.pairs_figure(["A"], np.array([1.0]), np.array([2.0]), ("period", "long term"), label="Loss [%]")
    assert data_of(plot)["second"].tolist() == [2]
    times = np.array(["2024-01-01", "2024-02-01"], "datetime64[ns]")
    values = xr.DataArray([[1.0, 2.0], [3.0, 4.0]], dims=("block", "asset"), coords={"asset": ["A", "B"]})
    course = wind_figures.course_figure(times, values, label="Performance")
    assert [item.label.value for item in course.above[0].items] == ["A", "B"]
    assert data_of(course, 2)["y"].tolist() == [2, 4]


def test_energy_is_shown_in_the_unit_that_reads_best():
    assert wind_figures.energy_scale(5e6) == (1e-6, "GWh")
    assert wind_figures.energy_scale(-5e4) == (1e-3, "MWh")
    assert wind_figures.energy_scale(12.0) == (1.0, "kWh")


def test_a_small_change_is_not_shown_as_none():
    assert [wind_figures.decimals_of(one) for one in (-283.0, 8.4, 0.03, 0.0)] == [0, 1, 2, 0]
