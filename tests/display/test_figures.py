from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from bokeh.models import Legend

from workbench.analytics import kpi, wind
from workbench.display import figures

RNG = np.random.default_rng(5)


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    speed = RNG.weibull(2, (2000, 2)) * 7
    return xr.Dataset(
        {
            "wind_speed": (("time", "asset"), speed, {"units": "m/s"}),
            "power_output": (("time", "asset"), np.minimum(2.0 * speed**3, 2050), {"units": "kW"}),
            "wind_direction": (("time", "asset"), RNG.uniform(0, 360, speed.shape)),
        },
        coords={"time": pd.date_range("2026-01-01", periods=2000, freq="10min", unit="ns"), "asset": ["A", "B"]},
    )


def test_local_time_follows_the_clock_over_its_change():
    utc = np.array(["2026-03-29T00:30", "2026-03-29T01:30"], "datetime64[ns]")
    assert figures.local_time(utc, "Europe/Berlin").astype(str).tolist() == [
        "2026-03-29T01:30:00.000000000",
        "2026-03-29T03:30:00.000000000",
    ]


def test_names_of_periods():
    months = pd.date_range("2025-12-01", periods=3, freq="MS").to_numpy()
    assert figures.period_names(months, "month") == ["Dec 25", "Jan 26", "Feb 26"]
    assert figures.period_names(months[1:], "month") == ["Jan", "Feb"]
    assert figures.period_names(months, "day") == ["1 Dec", "1 Jan", "1 Feb"]


def test_energy_stacks_the_assets_in_a_unit_that_fits(data):
    days = kpi.energy(data, by="day")
    names = figures.period_names(days["period"].values, "day")
    plot = figures.energy_figure(days, names, step=4)
    assert plot.yaxis[0].axis_label == "Energy [MWh]"
    source = plot.renderers[0].data_source.data
    total = sum(np.asarray(source[one]) for one in ("A", "B"))
    np.testing.assert_allclose(total, days["energy"].sum("asset") / 1e3)


def test_a_power_curve_draws_its_bins_and_what_was_left_out(data):
    curve = wind.power_curve(data)
    where = data["power_output"] < 1500
    plot = figures.power_curve_figure(data, curve, "A", where=where, reference=([3, 10, 25], [0, 1500, 1500]))
    (legend,) = [one for one in plot.above if isinstance(one, Legend)]
    assert [item.label.value for item in legend.items] == [
        "ten-minute values", "left out", "reference curve", "measured, mean of bin",
    ]  # fmt: skip
    bins = legend.items[-1].renderers[0].data_source.data
    assert len(bins["power"]) == int(curve["power"].sel(asset="A").notnull().sum())
    assert not [
        one for one in figures.power_curve_figure(data, curve, "A", legend=False).above if isinstance(one, Legend)
    ]


def test_a_power_curve_of_nothing_is_an_empty_plot(data):
    empty = data.where(data["wind_speed"] < -1)
    figures.power_curve_figure(empty, wind.power_curve(empty), "A")


def test_the_rose_leaves_its_legend_to_its_neighbour(data):
    assert any(isinstance(one, Legend) for one in figures.wind_rose_figure(data).above)
    assert not any(isinstance(one, Legend) for one in figures.wind_rose_figure(data, legend=False).above)
    drawn = figures.wind_rose_figure(data).above[-1].items
    assert [item.label.value for item in drawn] == [label for label, _, _ in figures.WIND_ROSE_LEGEND]


def test_shares_are_written_into_their_cells():
    plot = figures.share_heatmap(np.array([[1.0, 0.955], [np.nan, 0.5]]), ["A", "B"], ["Jan", "Feb"], name="complete")
    source = plot.renderers[0].data_source.data
    assert source["text"] == ["100", "95.5", "", "50.0"]
    assert list(plot.y_range.factors) == ["B", "A"]  # the first row is the upper one


def test_a_day_spans_its_window_whatever_is_missing(data):
    window = (pd.Timestamp("2026-01-01T23:00"), pd.Timestamp("2026-01-02T23:00"))
    line = data["power_output"].isel(asset=0).sel(time=slice(*window)).where(data["time"].dt.hour != 12)
    plot = figures.day_figure({"power": line}, window, "Europe/Berlin", y_label="Power [kW]", area=True)
    assert plot.x_range.start == pd.Timestamp("2026-01-02")
    assert plot.x_range.end == pd.Timestamp("2026-01-03")
    assert plot.y_range.start == 0
    empty = line.where(line < -1)
    figures.day_figure({"power": empty}, window, "Europe/Berlin", y_label="Power [kW]", area=True)


def test_speeds_add_up_to_all_the_time(data):
    scale, shape = wind.weibull(data["wind_speed"])
    plot = figures.speed_figure(data["wind_speed"], scale=scale, shape=shape)
    assert sum(plot.renderers[0].data_source.data["share"]) == pytest.approx(100.0)


def test_stops_stand_on_the_line_of_their_turbine():
    span = ("B", np.datetime64("2026-01-02T06:00", "ns"), np.datetime64("2026-01-02T09:00", "ns"))
    plot = figures.timeline_figure([span], ["A", "B"], (np.datetime64("2026-01-01"), np.datetime64("2026-02-01")))
    assert plot.renderers[0].data_source.data["hours"] == [3.0]
