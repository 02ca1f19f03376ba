"""Plots of the page of batteries: the course of the charge, which lives, and pictures of what was assessed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from bokeh.models import ColumnDataSource, HoverTool, Range1d

from workbench.display import battery_figures, figures, theme
from workbench.display.battery import DAYS, BatteryHealth, load
from workbench.display.canvas import blank
from workbench.display.history import EMPTY, RANGES, Course, course
from workbench.display.wind_figures import energy_scale, waterfall_figure

if TYPE_CHECKING:
    from workbench.display.live import Live
    from workbench.display.page import Page
    from workbench.display.readings import Now

Floats = npt.NDArray[np.float64]

WEEK = 7  #: days of courses by ten minutes
_RELOAD = 60.0  #: seconds after which the course that was reported is read anew


class Drawn:
    """A figure that was drawn of what was assessed; it stays until the page is loaded anew."""

    def __init__(self, title: str, figure: Any, *, note: str = "", span: int = 4) -> None:
        self.title, self.figure, self.note, self.span = title, figure, note, span
        self.legend: Sequence[tuple[str, str, str]] = ()

    def start(self, page: Page) -> None:
        """Nothing: it is drawn already."""

    def update(self, now: Now) -> None:
        """Nothing: it changes with the assessment, not with each look."""


class ChargeCourse:
    """State of charge of the last day as the battery reports it, beside the count and its band; the last point is now."""

    note = "band: two standard uncertainties of the count; the last point is now; UTC"

    def __init__(self, live: Live, site: str, battery: str, *, span: int = 8, height: int = 270) -> None:
        self.live, self.site, self.battery, self.span = live, site, battery, span
        self.title = "State of charge, last 24 hours"
        self.legend = (
            (theme.REDUCED, "line", "reported"),
            (theme.MEASURED, "line", "counted again"),
            (theme.BAND, "area", "band of the count"),
        )
        self.figure = blank(height=height, time=True, y_label="State of charge [%]", tools="xpan,xwheel_zoom,reset")
        self.figure.y_range = Range1d(start=0, end=100)
        self.figure.x_range.range_padding = 0.01
        self._reported = ColumnDataSource({"time": [], "value": []})
        self._counted = ColumnDataSource({name: [] for name in ("time", "value", "low", "high")})
        self.figure.varea("time", "low", "high", source=self._counted, fill_color=theme.BAND, fill_alpha=0.7)
        counted = self.figure.line("time", "value", source=self._counted, line_color=theme.MEASURED, line_width=1.8)
        reported = self.figure.line("time", "value", source=self._reported, line_color=theme.REDUCED, line_width=1.5)
        for line, words in ((counted, "counted"), (reported, "reported")):
            tips = [("", "@time{%a %H:%M} UTC"), (words, "@value{0.0} %")]
            self.figure.add_tools(HoverTool(renderers=[line], tooltips=tips, formatters={"@time": "datetime"}))
        self._shown: tuple[Any, Any] = (None, None)

    def start(self, page: Page) -> None:
        """Draw at once what another viewer has had read already."""
        self.update(self.live.now)

    def _read(self) -> Course:
        return course(self.live, self.site, self.battery, "state_of_charge", RANGES["24h"])

    def update(self, now: Now) -> None:
        """Draw the past when it has been read, anew every minute; move the last point with each look."""
        past = self.live.remember(("charge", self.site, self.battery), self._read, seconds=_RELOAD)
        found = load(self.live, self.site)
        told = found.told if found is not None else None
        # what was read anew is another object
        if past is not None and (past is not self._shown[0] or told is not self._shown[1]):
            self._shown = (past, told)
            if not past.finite.size and told is not None:
                past = self._of_record(told)  # a battery that is silent: the last day there is
            time = past.time.astype("datetime64[ms]").astype(np.int64).astype(float)
            # a mean belongs to the middle of its ten minutes; the last row is for what is now
            self._reported.data = {
                "time": np.append(time + 300_000.0, now.time / 1e6),
                "value": np.append(past.value, np.nan),
            }
            self._counted.data = self._band(told, past)
        reading = now.site(self.site).reading(self.battery, "state_of_charge")
        last = len(self._reported.data["time"]) - 1
        if last >= 0 and reading.fresh(now.time):
            self._reported.patch({"time": [(last, reading.time / 1e6)], "value": [(last, reading.value)]})

    def _of_record(self, told: Any) -> Course:
        data = told.data
        if "state_of_charge" not in data or self.battery not in data["asset"].values:
            return EMPTY
        one = data["state_of_charge"].sel(asset=self.battery).isel(time=slice(-144, None))
        values = one.values.astype(np.float64)
        return Course(one["time"].values, values, values, values, "record")

    def _band(self, told: Any, past: Course) -> dict[str, Floats]:
        if (
            not past.time.size
            or told is None
            or told.recount is None
            or self.battery not in told.recount["asset"].values
        ):
            return {name: np.zeros(0) for name in ("time", "value", "low", "high")}
        since = past.time[0]
        one = told.recount.sel(asset=self.battery)
        one = one.isel(time=np.flatnonzero(one["time"].values >= since))
        value, spread = one["soc_recount"].values, 2 * one["soc_recount_std"].values
        return {
            "time": one["time"].values.astype("datetime64[ms]").astype(np.int64) + 300_000.0,
            "value": value,
            "low": np.clip(value - spread, 0, 100),
            "high": np.clip(value + spread, 0, 100),
        }


def drawn(found: BatteryHealth, battery: str, which: str, *, span: int = 4, height: int = 230) -> Drawn | None:
    """A picture of the assessment: ``health``, ``efficiency``, ``losses``, ``depth``, ``use``, ``spread``, ``heat`` or
    ``flows``; None where there is nothing to draw, the reason standing with the figures.
    """
    if not found.known(battery):
        return None
    title, note, make = _PICTURES[which]
    figure = make(found, battery, height)
    if figure is None:
        return None
    made = Drawn(title, figure, note=note if isinstance(note, str) else found.last_days(note), span=span)
    if which == "flows" and found.told is not None and found.told.energy_by is not None:
        # beside the figure, as it would not fit above it on a phone
        keys = battery_figures.flows_of(found.told.energy_by)
        made.legend = [(battery_figures.FLOWS[key][1], "area", battery_figures.FLOWS[key][0]) for key in keys]
    return made


def _points(data: Any, names: tuple[str, str, str], battery: str) -> tuple[Floats, Floats, Floats] | None:
    if data is None:
        return None
    value, low, high = (data[name].sel(asset=battery).values for name in names)
    return (value, low, high) if np.isfinite(value).any() else None


def _health(found: BatteryHealth, battery: str, height: int) -> Any:
    assert found.told is not None  # noqa: S101  asked for by `drawn` alone
    points = _points(found.told.health_by, ("state_of_health", "lower", "upper"), battery)
    if points is None or found.told.health_by is None:
        return None
    life, course_ = found.told.life, None
    months = found.told.health_by["period"].values
    if life is not None and bool(life.course["state_of_health"].sel(asset=battery).notnull().any()):
        one = life.course.sel(asset=battery)
        one = one.isel(ahead=np.flatnonzero(one["ahead"].values <= 5.0))
        when = months[-1] + (one["ahead"].values * 365.25 * 86400e9).astype("timedelta64[ns]")
        course_ = (when, one["state_of_health"].values, one["lower"].values, one["upper"].values)
    return battery_figures.points_figure(
        months, {battery: points}, label="State of health [%]", height=height, course=course_
    )


def _efficiency(found: BatteryHealth, battery: str, height: int) -> Any:
    assert found.told is not None  # noqa: S101
    points = _points(found.told.efficiency_by, ("efficiency", "lower", "upper"), battery)
    if points is None or found.told.efficiency_by is None:
        return None
    return battery_figures.points_figure(
        found.told.efficiency_by["period"].values, {battery: points}, label="Round trip [%]", height=height
    )


def _losses(found: BatteryHealth, battery: str, height: int) -> Any:
    assert found.told is not None  # noqa: S101
    if not np.isfinite(found.value("efficiency", "efficiency", battery)) or found.told.efficiency is None:
        return None
    names, values = battery_figures.waterfall_bars(found.told.efficiency.sel(asset=battery))
    factor, unit = energy_scale(float(values[0]))
    digits = 1 if abs(values[0]) * factor < 1000 else 0
    figure = waterfall_figure(
        names, values, totals=[0, len(names) - 1], factor=factor, unit=unit, decimals=digits, height=height
    )
    figure.xaxis.major_label_orientation = 0.5  # their words are wider than the bars on a phone
    return figure


def _depth(found: BatteryHealth, battery: str, height: int) -> Any:
    assert found.told is not None  # noqa: S101
    cycles = found.told.each_cycle
    if cycles is None or not (cycles["asset"] == battery).any():
        return None
    return battery_figures.depth_figure(cycles[cycles["asset"] == battery], height=height)


def _use(found: BatteryHealth, battery: str, height: int) -> Any:
    assert found.told is not None  # noqa: S101
    if found.told.cycles_by is None:
        return None
    names = figures.period_names(found.told.cycles_by["period"].values, found.told.by)
    one = found.told.cycles_by["equivalent_full_cycles"].sel(asset=[battery])
    return battery_figures.use_figure(one, names, height=height)


def _spread(found: BatteryHealth, battery: str, height: int) -> Any:
    from workbench.analytics.storage import cell_voltage_spread

    assert found.told is not None  # noqa: S101
    data, span = _week(found.told.data)
    if not {"cell_voltage_min", "cell_voltage_max"} <= set(data):
        return None
    apart = (1000.0 * cell_voltage_spread(data).sel(asset=battery)).assign_attrs(units="mV")
    return figures.day_figure(
        {"spread": apart}, span, found.site.timezone, y_label="Highest less lowest [mV]", height=height
    )


def _heat(found: BatteryHealth, battery: str, height: int) -> Any:
    assert found.told is not None  # noqa: S101
    data, span = _week(found.told.data.sel(asset=battery))
    words = {
        "cell_temperature_max": ("hottest", theme.REDUCED),
        "cell_temperature_mean": ("mean", theme.SERIES[0]),
        "cell_temperature_min": ("coldest", theme.SERIES[1]),
        "ambient_temperature": ("surroundings", theme.FAINT),
    }
    there = [key for key in words if key in data and bool(data[key].notnull().any())]
    if not there:
        return None
    return figures.day_figure(
        {words[key][0]: data[key] for key in there}, span, found.site.timezone, y_label="Temperature [°C]",
        height=height, zero=False, colours=[words[key][1] for key in there],
    )  # fmt: skip


def _flows(found: BatteryHealth, _: str, height: int) -> Any:
    assert found.told is not None  # noqa: S101
    if found.told.energy_by is None:
        return None
    names = figures.period_names(found.told.energy_by["period"].values, found.told.by)
    return battery_figures.flow_figure(found.told.energy_by, names, height=height, legend=False)


def _week(data: Any) -> tuple[Any, tuple[Any, Any]]:
    """The last seven days of ``data``, or as many as there are, and their beginning and end."""
    times = data["time"].values
    begin = max(times[0], times[-1] - np.timedelta64(WEEK, "D"))
    return data.isel(time=np.flatnonzero(times >= begin)), (begin, times[-1] + np.timedelta64(10, "m"))


#: Title, note or the greatest number of days that are shown, and what draws it.
_PICTURES: dict[str, tuple[str, str | int, Callable[[BatteryHealth, str, int], Any]]] = {
    "health": ("State of health", "by month, with 90 % intervals", _health),
    "efficiency": ("Round-trip efficiency", "with 90 % intervals", _efficiency),
    "losses": ("Where the energy went", DAYS, _losses),
    "depth": ("Depth of the cycles", DAYS, _depth),
    "use": ("Equivalent full cycles", "", _use),
    "spread": ("Spread of the cells", WEEK, _spread),
    "heat": ("Temperatures of the cells", WEEK, _heat),
    "flows": ("Panels, battery and grid", "", _flows),
}
