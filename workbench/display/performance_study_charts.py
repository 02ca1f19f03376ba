"""Plots of wakes, yaw, degradation and gap on the page of a wind farm's performance; each draws what it is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from bokeh.models import ColumnDataSource, DatetimeTickFormatter, HoverTool, Label, NoOverlap, Range1d, Span, Whisker

from workbench.display import theme
from workbench.display.canvas import blank
from workbench.display.format import words
from workbench.display.performance_charts import _Chart
from workbench.display.performance_gap import USUAL, GapAnswer
from workbench.display.performance_wakes import WakeAnswer
from workbench.display.wind_figures import set_waterfall, waterfall_figure

Floats = npt.NDArray[np.float64]

FARM = "farm"
_MANY = 8  #: turbines of which each has a line; of more the one chosen


class Intervals(_Chart):
    """One value per turbine with its interval, and where ``middle`` is given that of the simulations."""

    def __init__(
        self,
        names: Sequence[str],
        *,
        title: str,
        label: str,
        unit: str,
        middle: str = "",
        found: str = "found",
        span: int = 4,
        height: int = 290,
    ) -> None:
        self.title, self.span, self._names = title, span, list(names)
        self.legend = ((theme.MEASURED, "dot", found), (theme.EXPECTED, "line", "90 % interval"))
        if middle:
            self.legend = (*self.legend, (theme.EXPECTED, "dot small", middle))
        self.figure = blank(height=height, x_range=self._names, y_range=Range1d(-1, 1), y_label=label, tools="")
        self.figure.xgrid.visible = False
        if len(self._names) > 6:
            self.figure.xaxis.major_label_orientation = 1.0
        self.figure.add_layout(Span(location=0, dimension="width", line_color=theme.MUTED, line_width=1))
        self._rows = ColumnDataSource({name: [] for name in ("asset", "value", "lower", "upper", "middle")})
        self._known = ColumnDataSource({name: [] for name in ("asset", "lower", "upper")})
        whisker = Whisker(
            base="asset", lower="lower", upper="upper", source=self._known, line_color=theme.EXPECTED, line_width=2
        )
        for head in (whisker.upper_head, whisker.lower_head):
            head.size, head.line_color = 9, theme.EXPECTED
        self.figure.add_layout(whisker)
        if middle:
            self.figure.scatter(
                "asset", "middle", source=self._rows, size=6, fill_color=theme.PANEL, line_color=theme.EXPECTED,
                line_width=1.6,
            )  # fmt: skip
        self._nothing = _nothing(self.figure)
        dots = self.figure.scatter("asset", "value", source=self._rows, size=9, color=theme.MEASURED)
        tips = [("", "@asset"), ("", f"@value{{0.00}} {unit}"), ("90 %", f"@lower{{0.00}} to @upper{{0.00}} {unit}")]
        self.figure.add_tools(HoverTool(renderers=[dots], tooltips=tips))
        self._keep_room()

    def draw(self, value: Floats, lower: Floats, upper: Floats, middle: Floats | None = None) -> None:
        """Draw one value for each name; NaN is not drawn."""
        rows = {"value": value, "lower": lower, "upper": upper}
        rows["middle"] = np.full(len(value), np.nan) if middle is None else middle
        self._rows.data = {"asset": self._names} | rows
        self._nothing.visible = not np.isfinite(value).any()
        known = np.isfinite(lower) & np.isfinite(upper)
        self._known.data = {
            "asset": [name for name, one in zip(self._names, known, strict=True) if one],
            "lower": lower[known],
            "upper": upper[known],
        }
        # whiskers are not seen by the range of the axis
        ends = np.concatenate([[0.0], *(each[np.isfinite(each)] for each in rows.values())])
        pad = 0.1 * (float(np.ptp(ends)) or 1.0)
        self.figure.y_range.start, self.figure.y_range.end = float(ends.min()) - pad, float(ends.max()) + pad

    def clear(self) -> None:
        """Nothing to draw."""
        nothing = np.full(len(self._names), np.nan)
        self.draw(nothing, nothing, nothing)


class WakeIntervals(Intervals):
    """Wake losses of the turbines and of the farm."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(
            [*names, FARM], title="Wake losses", label="Loss [%]", unit="%", middle="mean of the simulations",
            found="measured", height=330,
        )  # fmt: skip

    def show(self, answer: WakeAnswer) -> None:
        """Draw an answer."""
        if answer.losses is None:
            self.clear()
            return
        value = 100 * answer.losses.summary[answer.kind].to_numpy(np.float64)
        nothing = np.full(len(value), np.nan)
        if answer.drawn is None:
            self.draw(value, nothing, nothing)
            return
        rows = 100 * answer.drawn.summary[answer.kind]
        self.draw(value, *(rows[name].to_numpy(np.float64) for name in ("p5", "p95", "mean")))


class WakeDirections(_Chart):
    """Wake loss by wind direction of the farm or a turbine, its interval, and where the energy comes from."""

    title = "Wake loss by wind direction"
    legend = (
        (theme.SERIES[0], "line", "record"),
        (theme.SERIES[2], "line", "long term"),
        (theme.BAND, "area", "90 % interval"),
        (theme.LINE, "area", "share of the energy"),
    )

    def __init__(self, *, span: int = 5, height: int = 330) -> None:
        self.span = span
        self.figure = blank(
            height=height, x_label="Wind direction [°]", y_label="Loss [%]", tools="", x_range=Range1d(0, 360),
            y_range=Range1d(-1, 1),
        )  # fmt: skip
        self.figure.xaxis.ticker = list(range(0, 361, 45))
        self.figure.min_border_right = 18  # half of the last label
        self._share = ColumnDataSource({name: [] for name in ("x", "top", "share", "width")})
        self._band = ColumnDataSource({name: [] for name in ("x", "low", "high")})
        self._lines = {
            name: ColumnDataSource({"x": [], "y": []}) for name in ("period", "long_term")
        }  # drawn over each other in this order
        self.figure.extra_y_ranges = {"share": Range1d(0, 1)}
        bars = self.figure.vbar(
            "x", top="top", bottom=0, width="width", source=self._share, fill_color=theme.LINE, line_color=None,
            y_range_name="share",
        )  # fmt: skip
        self.figure.varea("x", "low", "high", source=self._band, fill_color=theme.BAND, fill_alpha=0.7)
        self.figure.add_layout(Span(location=0, dimension="width", line_color=theme.MUTED, line_width=1))
        for (name, source), colour in zip(self._lines.items(), (theme.SERIES[0], theme.SERIES[2]), strict=True):
            line = self.figure.line("x", "y", source=source, line_color=colour, line_width=1.8)
            tips = [("", words(name) if name != "period" else "Record"), ("from", "@x°"), ("loss", "@y{0.0} %")]
            self.figure.add_tools(HoverTool(renderers=[line], tooltips=tips))
        self.figure.add_tools(HoverTool(renderers=[bars], tooltips=[("from", "@x°"), ("energy", "@share{0.0} %")]))
        self._keep_room()

    def show(self, answer: WakeAnswer, asset: str) -> None:
        """Draw an answer for one turbine, or for the farm."""
        if answer.losses is None:
            for source in (self._share, self._band, *self._lines.values()):
                source.data = {name: [] for name in source.data}
            return
        name = "plant" if asset == FARM else asset
        by = answer.losses.by_direction
        at = np.append(by["wind_direction"].values, 360.0)  # north is at both ends
        known = [np.zeros(1)]
        for kind, source in self._lines.items():
            values = 100 * by[kind].sel(asset=name).values if kind in by else np.full(len(at) - 1, np.nan)
            values = np.append(values, values[0])
            source.data = {"x": at, "y": values}
            known.append(values)
        self._band.data = {"x": [], "low": [], "high": []}
        if answer.drawn is not None:
            drawn = 100 * answer.drawn.by_direction[answer.kind].sel(asset=name)
            edges = [np.append(each, each[0]) for each in (drawn.sel(statistic=one).values for one in ("p5", "p95"))]
            self._band.data = {"x": at, "low": edges[0], "high": edges[1]}
            known += edges
        share = np.append(by["energy_period"].values, by["energy_period"].values[0]) * 100
        most = float(np.nanmax(share)) or 1.0
        width = np.full(len(at), 0.9 * (at[1] - at[0]))
        self._share.data = {"x": at, "top": share, "share": share, "width": width}
        self.figure.extra_y_ranges["share"].end = 6.0 * most
        every = np.concatenate(known)
        every = every[np.isfinite(every)]
        low, high = float(every.min()), float(every.max())
        size = (high - low) or 1.0
        # the foot is for the energy
        self.figure.y_range.start, self.figure.y_range.end = low - 0.26 * size, high + 0.06 * size


class TurbineLines(_Chart):
    """Something of each turbine along an axis: all of them, or the one chosen."""

    def __init__(
        self,
        names: Sequence[str],
        *,
        title: str,
        label: str,
        x_label: str = "",
        level: float = 0.0,
        tip: tuple[str, str] = ("", "@y{0.00}"),
        span: int = 5,
        height: int = 290,
    ) -> None:
        self.title, self.span, self._names = title, span, list(names)
        time = not x_label
        colours = theme.colours(len(names))
        if len(names) <= _MANY:
            self.legend = tuple((colour, "line", name) for colour, name in zip(colours, names, strict=True))
        self.figure = blank(
            height=height, time=time, x_label=x_label, y_label=label, tools="", x_range=Range1d(0, 1),
            y_range=Range1d(level - 1, level + 1),
        )  # fmt: skip
        self._level, self._nothing = level, _nothing(self.figure)
        if time:
            self.figure.min_border_right = 26
            self.figure.xaxis.formatter = DatetimeTickFormatter(days="%d %b", months="%b %Y", years="%Y")
            self.figure.xaxis.major_label_policy = NoOverlap(min_distance=12)
        self.figure.add_layout(Span(location=level, dimension="width", line_color=theme.MUTED, line_width=1))
        self._sources: dict[str, ColumnDataSource] = {}
        dots: list[Any] = []
        for name, colour in zip(self._names, colours, strict=True):
            source = ColumnDataSource({"x": [], "y": []})
            self._sources[name] = source
            self.figure.line("x", "y", source=source, line_color=colour, line_width=1.6)
            dots.append(self.figure.scatter("x", "y", source=source, size=5, color=colour, name=name))
        where = ("from", "@x{%d %b %Y}") if time else ("at", "@x{0} m/s")
        formats = {"@x": "datetime"} if time else {}
        self.figure.add_tools(HoverTool(renderers=dots, tooltips=[("", "$name"), where, tip], formatters=formats))
        self._keep_room()

    def draw(self, x: npt.NDArray[np.generic], values: Mapping[str, Floats], chosen: str) -> None:
        """Draw the turbine ``chosen``; all where it is none of them."""
        at = x.astype("datetime64[ms]").astype(np.float64) if x.dtype.kind == "M" else x.astype(np.float64)
        shown = [name for name in self._sources if name == chosen or chosen not in self._sources]
        for name, source in self._sources.items():
            source.data = {"x": at, "y": values[name]} if name in shown else {"x": [], "y": []}
        every = np.concatenate([np.array([self._level]), *(values[name] for name in shown)])
        every = every[np.isfinite(every)]
        self._nothing.visible = len(every) < 2
        for axis, ends in ((self.figure.x_range, at), (self.figure.y_range, every)):
            if len(ends):
                pad = 0.06 * (float(np.ptp(ends)) or 1.0)
                axis.start, axis.end = float(ends.min()) - pad, float(ends.max()) + pad

    def clear(self) -> None:
        """Nothing to draw."""
        for source in self._sources.values():
            source.data = {"x": [], "y": []}
        self._nothing.visible = True


class GapWaterfall(_Chart):
    """From the energy that was assessed to that of operation."""

    title = "From the assessment to operation"
    legend = (
        (theme.NORMAL, "area", "energy of a year"),
        (theme.MEASURED, "area", "more than assessed"),
        (theme.REDUCED, "area", "less"),
    )

    def __init__(self, *, span: int = 5, height: int = 330) -> None:
        self.span = span
        names = ["Assessment", "Ideal energy", *(words(name) for name in USUAL), "Operation"]
        self.figure = waterfall_figure(
            names, np.zeros(len(names)), totals=(0, len(names) - 1), height=height, unit="GWh", factor=1.0
        )
        self.figure.xaxis.major_label_orientation = 0.7
        self._keep_room()

    def show(self, answer: GapAnswer) -> None:
        """Draw an answer."""
        if answer.found is None:
            set_waterfall(self.figure, ["Assessment", "Operation"], np.zeros(2), (0, 1))
            return
        table = answer.found.waterfall.drop(index="assessment_rounding")
        totals = [place for place, kind in enumerate(table["kind"]) if kind == "total"]
        set_waterfall(
            self.figure, [bar_name(str(bar)) for bar in table.index], table["value"].to_numpy(), totals, decimals=2
        )


def _nothing(figure: Any) -> Label:
    """Words in the place of what cannot be drawn; not to be seen at first."""
    words_ = Label(
        x=12, y=14, x_units="screen", y_units="screen", text="Nothing to draw: the table below says why", visible=False,
        text_color=theme.MUTED, text_font=theme.FONT, text_font_size="12px",
    )  # fmt: skip
    figure.add_layout(words_)
    return words_


def bar_name(bar: str) -> str:
    """What a bar of the gap is called."""
    return {"expected": "Assessment", "actual": "Operation"}.get(bar, words(bar))
