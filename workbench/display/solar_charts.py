"""Plots of the page of solar plants: the day against expectation, currents of strings, trackers, losses, soiling, cleaning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from bokeh.models import (
    BoxAnnotation,
    ColumnDataSource,
    DatetimeTickFormatter,
    HoverTool,
    LinearAxis,
    NumeralTickFormatter,
    Range1d,
    Span,
)

from workbench.display import theme
from workbench.display.canvas import blank
from workbench.display.figures import local_time
from workbench.display.readings import Now, total
from workbench.display.solar import CleaningAnswer, LossAnswer, SolarHealth, behind, load
from workbench.display.solar_strings import fault_of
from workbench.display.solar_today import Today, band, today
from workbench.display.wind_figures import decimals_of, energy_scale, loss_bars, set_waterfall, waterfall_figure
from workbench.model.quality import good

if TYPE_CHECKING:
    from workbench.display.live import Live
    from workbench.display.page import Page

Floats = npt.NDArray[np.float64]
_HALF = np.timedelta64(5, "m")  #: a mean belongs to the middle of its ten minutes


class _Chart:
    """A figure that is drawn when there is something new."""

    title = note = ""
    span = 6
    figure: Any
    legend: Sequence[tuple[str, str, str]] = ()

    def start(self, page: Page) -> None:
        """Draw at once what another viewer has had worked out already."""

    def update(self, now: Now) -> None:
        """Nothing: it changes with the settings, not with time."""


def _hours(plot: Any) -> None:
    plot.xaxis.formatter = DatetimeTickFormatter(hours="%H:%M", days="%H:%M", minutes="%H:%M", hourmin="%H:%M")


class TodayChart(_Chart):
    """Power of the day that runs against expected power with its band, and the irradiance; the last point is now."""

    legend = (
        (theme.KIND["solar"], "line", "measured"),
        (theme.INK, "dash", "expected"),
        (theme.BAND, "area", "nine of ten slots before"),
        (theme.FAINT, "line", "irradiance, right"),
    )

    def __init__(self, live: Live, site: str, asset: str = "", *, span: int = 8, height: int = 270) -> None:
        self.live, self.site, self.asset, self.span = live, site, asset, span
        self.tz = live.now.site(site).timezone
        self.title = f"Power{f' of {asset}' if asset else ''} against expected"
        self.note = f"the day by the clock of {self.tz}; ten-minute means, the last point is now"
        plot = self.figure = blank(height=height, time=True, y_label="AC power [kW]", tools="xpan,xwheel_zoom,reset")
        plot.x_range = Range1d()
        _hours(plot)
        plot.y_range = Range1d(0.0, 1.0)
        plot.yaxis.formatter = NumeralTickFormatter(format="0,0")
        plot.extra_y_ranges = {"light": Range1d(0.0, 1200.0)}
        right = LinearAxis(y_range_name="light", axis_label="Irradiance [W/m²]")
        right.update(**theme._BOKEH["Axis"])
        plot.add_layout(right, "right")
        self._source = ColumnDataSource({name: [] for name in ("time", "power", "expected", "low", "high", "light")})
        plot.varea("time", "low", "high", source=self._source, fill_color=theme.BAND, fill_alpha=0.6)
        plot.line("time", "light", source=self._source, y_range_name="light", line_color=theme.FAINT, line_width=1.0)
        plot.line("time", "expected", source=self._source, line_color=theme.INK, line_width=1.3, line_dash=[5, 3])
        line = plot.line("time", "power", source=self._source, line_color=theme.KIND["solar"], line_width=2.0)
        rows = [
            ("", "@time{%H:%M}"), ("measured", "@power{0,0} kW"), ("expected", "@expected{0,0} kW"), ("irradiance", "@light{0} W/m²"),
        ]  # fmt: skip
        plot.add_tools(HoverTool(renderers=[line], tooltips=rows, formatters={"@time": "datetime"}, mode="vline"))
        self._shown: tuple[Any, Any] = (None, None)

    def start(self, page: Page) -> None:
        """Draw at once what another viewer has had read already."""
        self.update(self.live.now)

    def update(self, now: Now) -> None:
        """Draw the day when it has been read, anew each minute; move the last point with each look."""
        day, found = today(self.live, self.site), load(self.live, self.site)
        if day is not None and (day is not self._shown[0] or found is not self._shown[1]):
            self._shown = (day, found)
            self._draw(day, found)
        at = now.site(self.site)
        ids = [self.asset] if self.asset else at.of_type("inverter")
        power = total((at.power(one) for one in ids), now.time)
        last = len(self._source.data["time"]) - 1
        if last >= 0 and power.there and self._runs(now):
            time = (
                local_time(np.array([np.datetime64(power.time, "ns")]), self.tz)
                .astype("datetime64[ms]")
                .astype(float)[0]
            )
            self._source.patch({"time": [(last, time)], "power": [(last, power.value)]})

    def _runs(self, now: Now) -> bool:
        day = self._shown[0]
        return day is not None and day.window[0] <= np.datetime64(now.time, "ns") < day.window[1]

    def _draw(self, day: Today, found: SolarHealth | None) -> None:
        columns = [i for i, one in enumerate(day.assets) if not self.asset or one == self.asset]
        times = local_time(day.time + _HALF, self.tz).astype("datetime64[ms]").astype(float)
        power, expected = _summed(day.power[:, columns]), _summed(day.expected[:, columns])
        limits = band(found)
        low, high = (expected * one for one in limits) if limits is not None else (expected * np.nan, expected * np.nan)
        values = {
            "power": power,
            "expected": expected,
            "low": low,
            "high": high,
            "light": np.clip(day.irradiance, 0, None),
        }
        # the last row is for what is now
        self._source.data = {"time": np.append(times, np.nan)} | {n: np.append(v, np.nan) for n, v in values.items()}
        top = np.nanmax([1.0, *power[np.isfinite(power)], *(high if limits else expected)[np.isfinite(expected)]])
        self.figure.y_range.end = 1.08 * float(top)
        window = local_time(np.array(day.window), self.tz).astype("datetime64[ms]").astype(float)
        self.figure.x_range.update(start=float(window[0]), end=float(window[1]))


def _summed(values: Floats) -> Floats:
    """Sum over the inverters in slots of which all that ever speak are known; NaN elsewhere."""
    there = np.isfinite(values)
    speak = there.any(axis=0)
    if not speak.any():
        return np.full(len(values), np.nan)
    return np.where(there[:, speak].all(axis=1), np.nansum(values[:, speak], axis=1), np.nan)


class _Courses(_Chart):
    """Lines over the last day of light, of what is behind an inverter."""

    kind, field, label = "string", "current", "Current [A]"

    def __init__(self, live: Live, site: str, inverter: str, *, span: int = 6, height: int = 400) -> None:
        self.live, self.site, self.inverter, self.span = live, site, inverter, span
        self.tz = live.now.site(site).timezone
        self.figure = blank(height=height, time=True, y_label=self.label, tools="xpan,xwheel_zoom,reset")
        self.figure.min_border_right = 20
        _hours(self.figure)
        self._none = self.figure.line([], [])  # a plot without anything on it is warned of
        self._tools = list(self.figure.tools)
        self._shown: Any = None
        self.note = f"the last day of light, by the clock of {self.tz}"

    def start(self, page: Page) -> None:
        """Draw at once what another viewer has had read already."""
        self.update(self.live.now)

    def update(self, now: Now) -> None:
        """Draw when the record has been read, and when it has been read anew."""
        found = load(self.live, self.site)
        if found is None or found is self._shown or found.plant is None:
            return
        self._shown = found
        data = getattr(found.plant, f"{self.kind}s")
        own = behind(now.site(self.site), found, self.kind).get(self.inverter, [])
        own = [one for one in own if data is not None and one in data["asset"].values]
        self.figure.renderers, self.figure.tools = [self._none], list(self._tools)
        if data is None or not own or self.field not in data:
            return
        self._draw(found, self._part(data.sel(asset=own)), own)

    def _part(self, data: Any) -> Any:
        """What is drawn of it."""
        return _last_light(data, self.field)

    def _draw(self, found: SolarHealth, data: Any, own: list[str]) -> None:
        raise NotImplementedError

    def _line(self, times: Any, values: Floats, words: str, unit: str, **look: Any) -> None:
        source = ColumnDataSource({"time": times, "value": values})
        line = self.figure.line("time", "value", source=source, **look)
        tips = [("", "@time{%H:%M}"), (words, f"@value{{0.0}} {unit}")]
        self.figure.add_tools(HoverTool(renderers=[line], tooltips=tips, formatters={"@time": "datetime"}))


def _last_light(data: Any, field: str) -> Any:
    """The slots of the last day in which anything is to be seen, from six hours before the last of them."""
    values = np.abs(good(data, field).transpose("time", "asset").values)
    top = np.nanmax(np.where(np.isfinite(values), values, 0.0), axis=1, initial=0.0)
    bright = np.flatnonzero(top > 0.03 * max(float(top.max(initial=0.0)), 1e-9))
    if not bright.size:
        return data.isel(time=slice(-144, None))
    breaks = np.flatnonzero(np.diff(bright) > 24)
    first = bright[breaks[-1] + 1] if breaks.size else bright[0]
    return data.isel(time=slice(max(int(first) - 3, 0), int(bright[-1]) + 4))


class StringChart(_Courses):
    """Currents of the strings of an inverter: the median in ink, those with a fault or far off in colour."""

    title = "Currents of the strings"
    legend = (
        (theme.BAND, "line", "strings"),
        (theme.INK, "line", "their median"),
        (theme.REDUCED, "line", "fault found"),
    )

    def _draw(self, found: SolarHealth, data: Any, own: list[str]) -> None:
        values = good(data, self.field).transpose("time", "asset").values.astype(float)
        times = local_time(data["time"].values + _HALF, self.tz)
        for place, name in enumerate(own):
            fault = fault_of(found, name)
            look = (
                {"line_color": theme.REDUCED, "line_width": 1.8}
                if fault
                else {"line_color": theme.BAND, "line_width": 1.3}
            )
            self._line(times, values[:, place], f"{name}{', ' + fault if fault else ''}", "A", **look)
        with np.errstate(all="ignore"):
            known = np.isfinite(values).any(axis=1)
            middle = np.full(len(values), np.nan)
            middle[known] = np.nanmedian(values[known], axis=1)
        self._line(times, middle, "median", "A", line_color=theme.INK, line_width=1.6)


class TrackerChart(_Courses):
    """Where the trackers of an inverter stood over the last day, and where they should have."""

    kind, field, label = "tracker", "tracker_position", "Angle to the west [°]"
    title = "Angles of the trackers"
    legend = (
        (theme.INK, "dash", "target"),
        (theme.SERIES[0], "line", "position"),
        (theme.REDUCED, "line", "fault found"),
    )

    def __init__(self, live: Live, site: str, inverter: str, *, span: int = 6, height: int = 200) -> None:
        super().__init__(live, site, inverter, span=span, height=height)
        self.note = f"24 hours, by the clock of {self.tz}"

    def _part(self, data: Any) -> Any:
        return data.isel(time=slice(-144, None))  # one that is stuck is never dark

    def _draw(self, found: SolarHealth, data: Any, own: list[str]) -> None:
        times = local_time(data["time"].values + _HALF, self.tz)
        for place, name in enumerate(own):
            one = good(data, self.field).sel(asset=name).values.astype(float)
            fault = fault_of(found, name)
            colour = theme.REDUCED if fault else theme.SERIES[(0, 4, 2, 3)[place % 4]]
            self._line(times, one, f"{name}{', ' + fault if fault else ''}", "°", line_color=colour, line_width=1.8)
            if "tracker_target" in data:
                goal = good(data, "tracker_target").sel(asset=name).values.astype(float)
                self._line(times, goal, f"{name}, target", "°", line_color=theme.INK, line_width=1.1, line_dash=[5, 3])


class LossChart(_Chart):
    """From what the light on the modules could have made to what was delivered."""

    title = "Where the energy went"
    note = "what takes less than 0.05 % is in the table alone"

    def __init__(self, *, span: int = 6, height: int = 400) -> None:
        self.span = span
        self.figure = waterfall_figure(["potential", "actual"], np.zeros(2), totals=(0, 1), height=height)
        self.figure.min_border_left = 66

    def show(self, answer: LossAnswer) -> None:
        """Draw an answer."""
        if answer.waterfall is None:
            set_waterfall(self.figure, ["potential", "actual"], np.zeros(2), (0, 1))
            return
        names, values, totals = loss_bars(answer.waterfall, least=5e-4)
        names = [{"Dc wiring": "DC wiring", "Mppt": "MPPT"}.get(name, name) for name in names]
        factor, unit = energy_scale(float(values[0]))
        changes = np.delete(np.abs(values), totals) * factor
        self.figure.xaxis.major_label_orientation = 0.5
        self.figure.yaxis.axis_label = f"Energy [{unit}]"
        set_waterfall(
            self.figure, names, values * factor, totals, decimals=decimals_of(float(changes.max(initial=0.0)))
        )


class SoilingChart(_Chart):
    """Performance of each day, that of the clean plant, and what soiling leaves of it."""

    title = "Performance of the days"
    note = "energy over what the light and the temperature should give"
    legend = (
        (theme.BAND, "dot", "days"),
        (theme.INK, "line", "clean plant, mean of 31 days"),
        (theme.REDUCED, "line", "with soiling"),
    )

    def __init__(self, found: SolarHealth, asset: str, *, span: int = 6, height: int = 280) -> None:
        self.found, self.span = found, span
        self.figure = blank(height=height, time=True, y_label="Index [1]", tools="xpan,xwheel_zoom,box_zoom,reset")
        self.figure.min_border_right = 24
        self.figure.xaxis.formatter = DatetimeTickFormatter(days="%-d %b", months="%b %Y", years="%Y")
        self._days = ColumnDataSource({"time": [], "value": []})
        self._lines = ColumnDataSource({"time": [], "clean": [], "soiled": []})
        dots = self.figure.scatter("time", "value", source=self._days, size=4, color=theme.BAND)
        self.figure.line("time", "soiled", source=self._lines, line_color=theme.REDUCED, line_width=1.2)
        self.figure.line("time", "clean", source=self._lines, line_color=theme.INK, line_width=1.5)
        tips = [("", "@time{%-d %b %Y}"), ("index", "@value{0.000}")]
        self.figure.add_tools(HoverTool(renderers=[dots], tooltips=tips, formatters={"@time": "datetime"}))
        self.show(asset)

    def show(self, asset: str) -> None:
        """Draw an inverter."""
        told = self.found.told
        if told is None or told.daily is None or "performance_index" not in told.daily:
            return
        one = told.daily["performance_index"].sel(asset=asset)
        values = one.values.astype(float)
        # single days far off say nothing here and would squeeze the rest
        middle = float(np.nanmedian(values)) if np.isfinite(values).any() else 1.0
        values = np.where(np.abs(values - middle) > 0.5 * middle, np.nan, values)
        self._days.data = {"time": one["time"].values, "value": values}
        if told.degradation is not None:
            daily = told.degradation.daily.sel(asset=asset)
            # the days' clearness is in it too: of single days it hides what a trend is
            rolled = daily["clean_index"].rolling(time=31, center=True, min_periods=8).mean()
            clean = rolled.values
            self._lines.data = {
                "time": daily["time"].values, "clean": clean, "soiled": clean * daily["soiling_ratio"].values,
            }  # fmt: skip


class CleaningChart(_Chart):
    """What a cleaning of all inverters would gain, after its cost, on each day to come."""

    title = "Gain of a cleaning"
    note = "of all, after its cost"

    def __init__(self, currency: str, *, span: int = 5, height: int = 280) -> None:
        self.span = span
        self.figure = blank(height=height, time=True, y_label=f"Gain [{currency}]", tools="")
        self.figure.min_border_right, self.figure.min_border_left = 24, 66
        self.figure.xaxis.formatter = DatetimeTickFormatter(days="%-d %b", months="%b %Y", years="%Y")
        self._source = ColumnDataSource({"time": [], "gain": []})
        line = self.figure.line("time", "gain", source=self._source, line_color=theme.MEASURED, line_width=1.8)
        tips = [("cleaned on", "@time{%-d %b %Y}"), ("gain", f"@gain{{0,0}} {currency}")]
        self.figure.add_tools(
            HoverTool(renderers=[line], tooltips=tips, formatters={"@time": "datetime"}, mode="vline")
        )
        self.figure.add_layout(Span(location=0, dimension="width", line_color=theme.FAINT, line_width=1))
        self.figure.add_layout(BoxAnnotation(bottom=0, fill_color=theme.RAISED, fill_alpha=0.6, level="underlay"))
        self._best = Span(location=0, dimension="height", line_color=theme.REDUCED, line_dash="dashed", visible=False)
        self.figure.add_layout(self._best)

    def show(self, answer: CleaningAnswer) -> None:
        """Draw an answer."""
        self._source.data = {"time": answer.day, "gain": answer.gain}
        self._best.visible = bool(answer.gain.size) and float(answer.gain.max()) > 0
        if answer.gain.size:
            best = answer.day[int(np.argmax(answer.gain))]
            self._best.location = float(best.astype("datetime64[ms]").astype(np.int64))
