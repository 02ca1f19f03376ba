"""Plots on live pages: one viewer's Bokeh figure, whose columns are streamed or patched."""

from __future__ import annotations

import math
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from bokeh.models import BoxAnnotation, ColumnDataSource, CustomJSTickFormatter, DataRange1d, HoverTool, Range1d, Span

from workbench.display import format as fmt
from workbench.display import theme
from workbench.display.canvas import axis_label, blank
from workbench.display.expectation import (
    POA,
    module_temperature,
    site_density,
    site_irradiance,
    solar_power,
    wind_power,
)
from workbench.display.history import (
    RANGES,
    STATISTICS,
    Course,
    PowerHistory,
    Range,
    course,
    delay,
    is_step,
    kind_of,
    recent_course,
)
from workbench.display.readings import POWER, Now, SiteNow
from workbench.display.stack import RELOAD_SECONDS, layers, past, point, stack, stores
from workbench.display.states import STALE_AFTER
from workbench.model.vocabulary import vocabulary

if TYPE_CHECKING:
    from workbench.display.live import Live
    from workbench.display.page import Page

FINE_RELOAD_SECONDS = 60.0  #: the same, where the past is shown as collected
LABEL_WIDTH = 30  #: characters of an axis label in one line; beyond it would be cut off


def _ms(time: npt.NDArray[np.datetime64]) -> npt.NDArray[np.float64]:
    return time.astype("datetime64[ms]").astype(np.int64).astype(float)


class PowerTrend:
    """Power of the last hours as stacked areas: by site, or by kind of generation at one site.

    Ten-minute means from the store; the last point is now and moves with each look.
    """

    def __init__(self, live: Live, *, site: str = "", hours: float = 24.0, span: int = 7, height: int = 236) -> None:
        self.live, self.site, self.hours, self.span = live, site, hours, span
        self.title = f"Power, last {hours:g} hours"
        self.note = "ten-minute means, the last point is now; UTC"
        sites = [live.now.site(site)] if site else live.now.live_sites
        self._areas = layers(sites, by_kind=bool(site))
        self.figure = blank(height=height, time=True, y_label="Power [MW]", tools="xpan,xwheel_zoom,reset")
        self.figure.x_range.range_padding = 0
        self._source = ColumnDataSource({name: [] for name in ("time", "net", *self._areas)})
        colours = [theme.KIND[key] for key in self._areas] if site else list(theme.colours(len(self._areas)))
        if self._areas:
            self.figure.varea_stack(
                list(self._areas), x="time", source=self._source, fill_color=colours, fill_alpha=0.85
            )
        line = self.figure.line("time", "net", source=self._source, line_color=theme.INK, line_width=1.3)
        total = "Net, with storage" if stores(sites) else "Total"
        self.legend = [(colour, "area", words) for colour, words in zip(colours, self._areas.values(), strict=True)]
        self.legend.append((theme.INK, "line", total))
        rows = [("", "@time{%a %H:%M} UTC"), ("net", "@net{0.00} MW")]
        rows += [(words, f"@{{{name}}}{{0.00}} MW") for name, words in self._areas.items()]
        self.figure.add_tools(
            HoverTool(renderers=[line], tooltips=rows, formatters={"@time": "datetime"}, mode="vline")
        )
        self.figure.add_layout(Span(location=0, dimension="width", line_color=theme.FAINT, line_width=1))
        self._shown: dict[str, PowerHistory] | None = None

    def start(self, page: Page) -> None:
        """Draw at once what another viewer has had read already."""
        self.update(self.live.now)

    def update(self, now: Now) -> None:
        """Draw the past when it has been read, anew every few minutes; move the last point with each look."""
        found = past(self.live, [self.site] if self.site else list(self._areas), self.hours)
        if found and found is not self._shown:
            self._shown = found
            self._source.data = stack(found, list(self._areas), self.site, now)
        elif self._shown:
            last = len(self._source.data["time"]) - 1
            now_row = point(now, list(self._areas), self.site)
            self._source.patch({name: [(last, value)] for name, value in now_row.items()})


def with_gaps(
    time: npt.NDArray[np.float64], value: npt.NDArray[np.float64], longest: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Values without missing ones, and a break wherever two are further apart than ``longest`` [ms].

    A sample or two that did not come is the rhythm of a source; a longer silence is shown as a gap.
    """
    keep = np.isfinite(value)
    time, value = time[keep], value[keep]
    after = np.flatnonzero(np.diff(time) > longest) + 1
    return np.insert(time, after, time[after] - 1), np.insert(value, after, math.nan)


class PowerExpectation:
    """Power against expectation: the last day as points, the expectation as a line, each asset now as a mark.

    Wind: power over wind speed for each turbine, and the power curve. Solar: AC power over irradiance on the
    modules, and what that irradiance should give.
    """

    def __init__(self, live: Live, site: str, *, span: int = 5, height: int = 326) -> None:
        self.live, self.site, self.span = live, site, span
        at = live.now.site(site)
        self.wind = bool(at.of_type("wind_turbine"))
        self.assets = at.of_type("wind_turbine") if self.wind else at.of_type("inverter")
        self.title = "Power against expectation"
        self.note = "points: ten-minute means; marks: now"
        what = "Wind speed [m/s]" if self.wind else "Irradiance on the modules [W/m²]"
        each = "Power of a turbine [kW]" if self.wind else "Power of an inverter [kW]"
        self.figure = blank(height=height, x_label=what, y_label=each, tools="pan,wheel_zoom,reset")
        self._past = ColumnDataSource({"x": [], "y": [], "asset": []})
        self._now = ColumnDataSource({"x": [], "y": [], "asset": [], "state": [], "colour": []})
        self.figure.scatter("x", "y", source=self._past, size=3.5, color=theme.SERIES[1], alpha=0.45)
        line = self._curve(at)
        marks = self.figure.scatter(
            "x", "y", source=self._now, size=11, fill_color="colour", line_color="#ffffff", line_width=1.5
        )
        tips = [("", "@asset, @state"), (what.split(" [")[0], "@x{0.0}"), ("power", "@y{0,0} kW")]
        self.figure.add_tools(HoverTool(renderers=[marks], tooltips=tips))
        self.legend = [(theme.SERIES[1], "dot small", "last 24 h"), (theme.MEASURED, "dot", "now, each asset")]
        if line is not None:
            self.legend.append((theme.INK, "dash", self._expected_words(at)))
        self.figure.x_range.start = 0
        self._shown: dict[str, list[Any]] | None = None

    def _expected_words(self, at: SiteNow) -> str:
        density = site_density(at) if self.wind else math.nan
        return f"expected at {fmt.quantity(density, 'kg/m3', decimals=2)}" if math.isfinite(density) else "expected"

    def _curve(self, at: SiteNow) -> Any:
        asset = at.fact(self.assets[0]) if self.assets else None
        if asset is None:
            return None
        x = np.linspace(0, 25, 126) if self.wind else np.linspace(0, 1200, 61)
        # As it should be in the air of now; the points of the day scatter about it as the air changed.
        y = wind_power(asset, x, site_density(at)) if self.wind else solar_power(asset, x, module_temperature(at, x))
        if not np.isfinite(y).any():
            return None
        self.figure.x_range.end = float(x[-1])
        return self.figure.line(x, y, line_color=theme.INK, line_width=1.5, line_dash=[5, 3])

    def start(self, page: Page) -> None:
        """Draw at once what another viewer has had read already."""
        self.update(self.live.now)

    def _read(self) -> dict[str, list[Any]]:
        at = self.live.now.site(self.site)
        found: dict[str, list[Any]] = {"x": [], "y": [], "asset": []}
        sensor, light = site_irradiance(at)
        common = None if self.wind else course(self.live, self.site, sensor, light, RANGES["24h"])
        for asset in self.assets:
            power = self._power_course(at, asset)
            own = course(self.live, self.site, asset, "wind_speed" if self.wind else POA[0], RANGES["24h"])
            other = own if common is None or own.finite.size else common
            _, here, there = np.intersect1d(power.time, other.time, return_indices=True)
            x, y = other.value[there], power.value[here]
            keep = np.isfinite(x) & np.isfinite(y)
            found["x"] += list(np.round(x[keep], 3))
            found["y"] += list(np.round(y[keep], 2))
            found["asset"] += [asset] * int(keep.sum())
        return found

    def _power_course(self, at: SiteNow, asset: str) -> Course:
        for name in POWER[at.assets[asset]]:
            found = course(self.live, self.site, asset, name, RANGES["24h"])
            if found.finite.size:
                return found
        return found

    def update(self, now: Now) -> None:
        """Draw the last day when it has been read; put the marks where the assets are now."""
        found = self.live.remember(("expectation", self.site), lambda: self._read(), seconds=RELOAD_SECONDS)
        if found is not None and found is not self._shown:
            self._shown = found
            self._past.data = dict(found)
        at = now.site(self.site)
        sensor, light = site_irradiance(at)
        shared = None if self.wind else at.reading(sensor, light or POA[0])
        rows = []
        for asset in self.assets:
            x = at.reading(asset, "wind_speed" if self.wind else POA[0])
            x = x if shared is None or x.there else shared
            power, state = at.power(asset), at.states.get(asset)
            if state is None or not (x.fresh(now.time) and power.fresh(now.time)):
                continue
            colour = state.colour if state.abnormal else theme.MEASURED
            rows.append((x.value, power.value, asset, state.word, colour))
        columns = list(zip(*rows, strict=True)) if rows else [()] * 5
        names = ("x", "y", "asset", "state", "colour")
        data = {name: list(column) for name, column in zip(names, columns, strict=True)}
        if data["asset"] == list(self._now.data["asset"]):
            last = self._now.data
            self._now.patch(
                {n: [(i, v) for i, v in enumerate(data[n]) if v != last[n][i]] for n in names if n != "asset"}
            )
        else:
            self._now.data = data


class TagTrend:
    """One tag over time: the last minutes live, or a range of the past from the store."""

    title = ""
    note = ""
    legend = ()

    def __init__(
        self, live: Live, site: str, asset: str, tag: str, past: Range, *, span: int = 12, height: int = 290
    ) -> None:
        self.live, self.site, self.asset, self.span = live, site, asset, span
        self.tag, self.range = tag, past
        self._end = live.now.time / 1e6
        window = Range1d(self._end - 1000 * past.seconds, self._end)
        self.figure = blank(height=height, time=True, x_label="Time [UTC]", x_range=window)
        self._source = ColumnDataSource({"time": [], "value": [], "low": [], "high": []})
        self._band = self.figure.varea(
            "time", "low", "high", source=self._source, fill_color=theme.BAND, fill_alpha=0.6
        )
        self._line = self.figure.line("time", "value", source=self._source, line_color=theme.MEASURED, line_width=1.6)
        self._step = self.figure.step(
            "time", "value", source=self._source, line_color=theme.MEASURED, line_width=1.6, mode="after"
        )
        self._hover = HoverTool(
            renderers=[self._line, self._step], mode="vline", formatters={"@time": "datetime"}, tooltips=[]
        )
        self.figure.add_tools(self._hover)
        self._loading = BoxAnnotation(fill_color=theme.PANEL, fill_alpha=0.6, visible=False)
        self.figure.add_layout(self._loading)
        self._last = 0.0
        self._asked = 0
        self._read = 0  #: when the past was read [ns]
        self._dress()

    def choose(self, *, tag: str | None = None, span: str | None = None) -> None:
        """Show another tag or range."""
        self.tag = tag or self.tag
        self.range = RANGES.get(span or "", self.range)
        self._dress()
        self._load()

    def _dress(self) -> None:
        term = vocabulary().get(self.tag)
        units = term.units if term else ""
        name = fmt.words(term.long_name) if term else fmt.words(self.tag)
        self.figure.yaxis.axis_label = "\n".join(wrap(axis_label(name, units), LABEL_WIDTH))
        step = is_step(self.tag)
        self._line.visible, self._step.visible = not step, step
        self._band.visible = not step and not self.range.fine
        rows = [("", "@time{%F %T} UTC"), (name, f"@value{{0,0.000}} {fmt.unit(units)}")]
        if self._band.visible:
            rows.append(("10-min min to max", "@low{0,0.00} to @high{0,0.00}"))
        self._hover.tooltips = rows
        if term is not None and term.states:
            self.figure.yaxis.ticker = sorted(term.states.values())
            names = {code: fmt.words(word) for word, code in term.states.items()}
            self.figure.yaxis.formatter = CustomJSTickFormatter(
                args={"names": {str(code): word for code, word in names.items()}},
                code="return names[String(tick)] ?? String(tick)",
            )
            self.figure.yaxis.axis_label = "\n".join(wrap(name, LABEL_WIDTH))
        elif isinstance(self.figure.yaxis[0].formatter, CustomJSTickFormatter):
            plain = blank(height=100, time=True)
            self.figure.yaxis.ticker = plain.yaxis[0].ticker
            self.figure.yaxis.formatter = plain.yaxis[0].formatter

    def start(self, page: Page) -> None:
        """Show what there is; read the past in another thread."""
        self._page = page
        self._load()

    def _load(self, *, again: bool = False) -> None:
        self._asked += 1
        self._read = self.live.now.time
        if self.range.live:
            self._show(recent_course(self.live, self.site, self.asset, self.tag), self._asked)
            return
        asked, tag, choice = self._asked, self.tag, self.range
        self._loading.visible = not again
        self._page.later(
            lambda: course(self.live, self.site, self.asset, tag, choice),
            lambda found: self._show(found, asked, again=again),
        )

    def _show(self, found: Course, asked: int, *, again: bool = False) -> None:
        if asked != self._asked:
            return  # the viewer has chosen something else since
        time = _ms(found.time)
        value = found.value
        if self.range.fine:
            time, value = with_gaps(time, value, 1000 * STALE_AFTER * self._every())
        else:
            time = time + 1000 * delay(self.tag, STATISTICS)
        low, high = (found.low, found.high) if not self.range.fine else (value, value)
        self._source.data = {"time": list(time), "value": list(value), "low": list(low), "high": list(high)}
        self._last = float(time[-1]) if time.size else 0.0
        self._loading.visible = False
        self._move(self.live.now, force=not again)
        self._fit(value, low, high)

    def _fit(self, *columns: npt.NDArray[np.float64]) -> None:
        """Room above and below, so that a steady value is drawn in the middle and not as noise at full height."""
        finite = np.concatenate([column[np.isfinite(column)] for column in columns])
        axis: DataRange1d = self.figure.y_range
        # What a counter adds is small beside what it has counted.
        size = 0.0 if kind_of(self.tag) == "counter" else float(np.abs(finite).max(initial=0.0)) or 1.0
        axis.update(min_interval=max(size * 0.01, 1e-6), range_padding=0.12)

    def update(self, now: Now) -> None:
        """Add the newest value, and move on; a range of the past is read anew now and then."""
        if not self.range.live:
            if now.time - self._read > 1e9 * (FINE_RELOAD_SECONDS if self.range.fine else RELOAD_SECONDS):
                self._load(again=True)
            return
        reading = now.site(self.site).reading(self.asset, self.tag)
        at = reading.time / 1e6
        if reading.there and at > self._last:
            new = {"time": [at], "value": [reading.value], "low": [reading.value], "high": [reading.value]}
            keep = max(60, int(self.range.seconds / reading.every)) + 5
            if self._last and at - self._last > 1000 * STALE_AFTER * reading.every:
                new = {name: [math.nan, *column] for name, column in new.items()}
                new["time"][0] = at - 1
            self._source.stream(new, rollover=keep)
            self._last = at
        self._move(now)

    def _every(self) -> float:
        return self.live.now.site(self.site).reading(self.asset, self.tag).every

    def _move(self, now: Now, *, force: bool = False) -> None:
        """Let the window end now, unless the viewer has moved it to look at something."""
        window = self.figure.x_range
        if not force and abs(window.end - self._end) > 1:
            return
        self._end = now.time / 1e6
        start = self._end - 1000 * self.range.seconds
        window.update(start=start, end=self._end, reset_start=start, reset_end=self._end)
