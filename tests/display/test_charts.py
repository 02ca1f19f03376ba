"""Plots of live pages, over a view that gives what the test says."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from workbench.display import charts
from workbench.display.history import RANGES, Course, PowerHistory, grid
from workbench.display.readings import Now
from workbench.model.samples import NS

VALUES = {
    "wind_turbine": {
        f"NR-T0{i}": {"power_output": 500.0, "gearbox_bearing_temp_nde": 50.0, "energy_production_lifetime": 6e7 + i}
        for i in range(1, 7)
    }
}


@pytest.fixture
def live(make_site, portfolio, now_ns, monkeypatch):
    """A view of one site; ``live.after(seconds, silent=True)`` moves on."""
    slots = grid(now_ns, 1.0)
    past = PowerHistory(slots.astype("datetime64[ns]"), {"wind": np.full(slots.size, 3000.0)})

    def now(seconds=0.0, *, silent=False):
        at = now_ns + int(seconds * NS)
        site = make_site(
            "north_ridge", VALUES, at=at, ages=dict.fromkeys(VALUES["wind_turbine"], 60 if silent else 0.5)
        )
        return Now(at, 1, portfolio, {"north_ridge": site})

    view = SimpleNamespace(now=now(), remember=lambda key, work, seconds=60.0: {"north_ridge": past}, reads=[])

    def after(seconds, *, silent=False):
        view.now = now(seconds, silent=silent)
        return view.now

    def course(live, site, asset, tag, span):
        view.reads.append((tag, span.name))
        time = (now_ns // NS // 600 * 600 + 600 * np.arange(-6, 0)) * NS
        value = 100.0 + np.arange(6)
        return Course(time.astype("datetime64[ns]"), value, value - 1, value + 1, "wind_turbine/10min")

    monkeypatch.setattr(charts, "course", course)
    view.after = after
    return view


class Page:
    """Does at once what a page does later."""

    def later(self, work, then):
        then(work())


def trend(live, tag, span="24h"):
    made = charts.TagTrend(live, "north_ridge", "NR-T01", tag, RANGES[span])
    made.start(Page())
    return made


def test_power_trend_ends_in_what_is_now(live):
    chart = charts.PowerTrend(live, hours=1.0)
    chart.update(live.now)
    assert chart._source.data["net"][-1] == pytest.approx(3.0)
    assert chart._source.data["north_ridge"][0] == pytest.approx(3.0)


@pytest.mark.parametrize("site", ["", "north_ridge"])
def test_when_nobody_reports_power_ends_in_nothing_and_not_in_zero(live, site):
    chart = charts.PowerTrend(live, hours=1.0, site=site)
    chart.update(live.now)
    chart.update(live.after(1.0, silent=True))
    assert math.isnan(chart._source.data["net"][-1])
    assert chart._source.data["net"][0] == pytest.approx(3.0)


def test_a_long_name_is_broken_into_lines(live):
    label = trend(live, "gearbox_bearing_temp_nde").figure.yaxis[0].axis_label
    assert label.endswith("[°C]")
    assert all(len(line) <= charts.LABEL_WIDTH for line in label.split("\n"))


def test_time_axis_names_its_zone(live):
    assert trend(live, "power_output").figure.xaxis[0].axis_label == "Time [UTC]"


def test_means_are_drawn_in_the_middle_of_their_slot(live, now_ns):
    first = trend(live, "power_output")._source.data["time"][0]
    assert first % 600_000 == 300_000


def test_a_past_that_stays_open_is_read_anew(live):
    chart = trend(live, "power_output")
    chart.update(live.after(10))
    assert len(live.reads) == 1
    chart.update(live.after(charts.RELOAD_SECONDS + 11))
    assert len(live.reads) == 2
    assert chart.figure.x_range.end == pytest.approx(live.now.time / 1e6)


def test_a_reading_anew_leaves_the_viewers_window_alone(live):
    chart = trend(live, "power_output")
    chart.figure.x_range.update(start=1.0, end=2.0)
    chart.update(live.after(charts.RELOAD_SECONDS + 1))
    assert (chart.figure.x_range.start, chart.figure.x_range.end) == (1.0, 2.0)


def test_a_counter_fills_the_height(live):
    assert trend(live, "energy_production_lifetime").figure.y_range.min_interval < 1
    assert trend(live, "power_output").figure.y_range.min_interval > 1


def test_setpoints_and_counters_are_drawn_in_steps(live):
    for tag, step in (("power_setpoint", True), ("energy_production_lifetime", True), ("power_output", False)):
        chart = trend(live, tag)
        assert (chart._step.visible, chart._line.visible) == (step, not step)


def test_the_choice_of_a_tag_is_drawn_anew(live):
    chart = trend(live, "power_output")
    chart.choose(tag="gearbox_bearing_temp_nde", span="7d")
    assert live.reads[-1] == ("gearbox_bearing_temp_nde", "7d")
    assert chart.range.name == "7d"
