"""Plots of a wind farm's performance: yield, its wind, and power curves; each draws an answer when it is given one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from bokeh.models import BoxAnnotation, ColumnDataSource, HoverTool, NoOverlap, Range1d, Span

from workbench.display import theme
from workbench.display.canvas import blank
from workbench.display.performance import CurveAnswer, LossAnswer, Performance, YieldAnswer
from workbench.display.wind_figures import decimals_of, loss_bars, set_waterfall, waterfall_figure

if TYPE_CHECKING:
    from workbench.display.page import Page
    from workbench.display.readings import Now

Floats = npt.NDArray[np.float64]

_POINTS = 1500  #: slots drawn of one turbine
_BINS = 48


class _Chart:
    """A figure that is drawn when an answer comes, not with each look at the store."""

    title = note = ""
    span = 6
    figure: Any
    legend: Sequence[tuple[str, str, str]] = ()

    def start(self, page: Page) -> None:
        """Nothing: the page asks for the first answer."""

    def _keep_room(self) -> None:
        """Room for the widest labels from the start: what stands beside a plot is not cleared when it moves."""
        self.figure.min_border_left = 66

    def update(self, now: Now) -> None:
        """Nothing: it changes with the settings, not with time."""


class YieldDistribution(_Chart):
    """Energy of a single year and of the mean year: how often the simulations gave it."""

    title = "Annual energy"
    legend = (
        (theme.MEASURED, "area", "any one year"),
        (theme.INK, "line", "mean of the long term"),
        (theme.REDUCED, "dash", "P90 and P50 of one year"),
    )

    def __init__(self, *, span: int = 5, height: int = 250) -> None:
        self.span = span
        self.figure = blank(
            height=height, x_label="Energy of a year [GWh]", y_label="Share of simulations [%]", tools=""
        )
        self._bars = ColumnDataSource({"left": [], "right": [], "share": []})
        self._line = ColumnDataSource({"x": [], "y": []})
        self.figure.quad(
            left="left",
            right="right",
            top="share",
            bottom=0,
            source=self._bars,
            fill_color=theme.MEASURED,
            fill_alpha=0.55,
            line_color=None,
        )
        self.figure.line("x", "y", source=self._line, line_color=theme.INK, line_width=1.6)
        self.figure.y_range.start = 0
        self._marks = [
            Span(
                location=0,
                dimension="height",
                line_color=theme.REDUCED,
                line_dash="dashed",
                line_width=1.4,
                visible=False,
            )
            for _ in range(2)
        ]
        for mark in self._marks:
            self.figure.add_layout(mark)
        tips = [("energy", "@left{0.00} to @right{0.00} GWh"), ("share", "@share{0.0} %")]
        self.figure.add_tools(HoverTool(renderers=[self.figure.renderers[0]], tooltips=tips))
        self._keep_room()

    def show(self, answer: YieldAnswer) -> None:
        """Draw an answer."""
        if answer.found is None:
            self._bars.data = {"left": [], "right": [], "share": []}
            self._line.data = {"x": [], "y": []}
            for mark in self._marks:
                mark.visible = False
            return
        draws = answer.found.simulations
        one, mean = draws["annual_energy"].values / 1e6, draws["long_term_energy"].values / 1e6
        # a few runaway draws of a small number must not squeeze the rest
        low, high = np.percentile(one, [0.1, 99.9])
        count = int(min(_BINS, max(8, np.sqrt(one.size))))
        edges = np.linspace(low, high, count + 1)
        share = np.histogram(one, edges)[0] / one.size * 100
        self._bars.data = {"left": edges[:-1], "right": edges[1:], "share": share}
        of_mean = np.histogram(mean, edges)[0] / mean.size * 100
        self._line.data = {"x": (edges[1:] + edges[:-1]) / 2, "y": of_mean}
        for mark, rank in zip(self._marks, (10, 50), strict=True):
            mark.location, mark.visible = float(np.percentile(one, rank)), True


class YieldRegression(_Chart):
    """Energy of the months against the wind of the reanalyses, and the line through them."""

    title = "Months measured"
    note = "energy of 30 days, losses added"
    legend = (
        (theme.MEASURED, "dot", "in the regression"),
        (theme.REDUCED, "dot", "left out"),
        (theme.INK, "line", "mean of the regressions"),
    )

    def __init__(self, *, span: int = 4, height: int = 250) -> None:
        self.span = span
        self.figure = blank(height=height, x_label="Wind speed of the month [m/s]", y_label="Energy [MWh]", tools="")
        self._months = ColumnDataSource({name: [] for name in ("x", "y", "month", "lost", "colour")})
        self._line = ColumnDataSource({"x": [], "y": []})
        self.figure.line("x", "y", source=self._line, line_color=theme.INK, line_width=1.6)
        dots = self.figure.scatter(
            "x", "y", source=self._months, size=8, fill_color="colour", line_color=theme.PANEL, fill_alpha=0.9
        )
        tips = [("month", "@month"), ("wind", "@x{0.00} m/s"), ("energy", "@y{0,0} MWh"), ("lost", "@lost{0.0} %")]
        self.figure.add_tools(HoverTool(renderers=[dots], tooltips=tips))
        self._keep_room()

    def show(self, answer: YieldAnswer) -> None:
        """Draw an answer."""
        if answer.found is None or answer.data is None:
            self._months.data = {name: [] for name in self._months.data}
            self._line.data = {"x": [], "y": []}
            return
        plant, draws = answer.data.plant, answer.found.simulations
        wind = answer.data.wind.sel(month=plant["month"]).mean("product").values
        lost = (plant["availability_loss"] + plant["curtailment_loss"]).values
        gross = plant["energy"].values + lost
        share = lost / gross * 100
        limit = sum(answer.settings.loss_limit) / 2
        self._months.data = {
            "x": wind,
            "y": gross * 30 / plant["days"].values / 1e3,
            "month": plant["month"].values.astype("datetime64[M]").astype(str),
            "lost": share,
            "colour": np.where(share < limit, theme.MEASURED, theme.REDUCED),
        }
        ends = np.array([wind.min() - 0.3, wind.max() + 0.3])
        slope, intercept = float(draws["slope"].mean()), float(draws["intercept"].mean())
        self._line.data = {"x": ends, "y": (intercept + slope * ends) / 1e3}


class YieldWind(_Chart):
    """Wind of each year against the long term, and the years that the long term is taken from."""

    title = "Wind of the years"
    note = "mean of the reanalyses against that of the years used at most"
    legend = (
        (theme.BAND, "area", "a year"),
        (theme.MEASURED, "area", "measured at the plant"),
        (theme.EXPECTED, "dash", "always used; from the left edge at most"),
    )

    def __init__(self, *, span: int = 12, height: int = 190) -> None:
        self.span = span
        self.figure = blank(height=height, y_label="Wind [% of mean]", tools="", y_range=Range1d(80, 120))
        self._bars = ColumnDataSource({name: [] for name in ("year", "index", "speed", "colour")})
        bars = self.figure.vbar(
            "year", top="index", bottom=0, width=0.8, source=self._bars, fill_color="colour", line_color=None
        )
        self._most = BoxAnnotation(fill_color=theme.EXPECTED, fill_alpha=0.12, line_color=None, visible=False)
        self._fewest = Span(
            location=0, dimension="height", line_color=theme.EXPECTED, line_dash="dashed", visible=False
        )
        self.figure.add_layout(self._most)
        self.figure.add_layout(self._fewest)
        self.figure.add_layout(Span(location=100, dimension="width", line_color=theme.MUTED, line_width=1))
        self.figure.xaxis.ticker.desired_num_ticks = 14
        self.figure.xaxis.formatter.format = "0"
        self.figure.xaxis.major_label_policy = NoOverlap(min_distance=8)
        tips = [("year", "@year"), ("wind", "@speed{0.00} m/s"), ("of the mean", "@index{0.0} %")]
        self.figure.add_tools(HoverTool(renderers=[bars], tooltips=tips))
        self._keep_room()

    def show(self, answer: YieldAnswer) -> None:
        """Draw an answer."""
        if answer.found is None or answer.data is None:
            self._bars.data = {name: [] for name in self._bars.data}
            self._most.visible = self._fewest.visible = False
            return
        wind = answer.data.wind.mean("product")
        months = wind["month"].values.astype("datetime64[M]").astype(np.int64)
        values = wind.values
        # years end with the last month of the long term, as those of the regression do
        count = len(values) // 12
        yearly = values[len(values) - 12 * count :].reshape(count, 12).mean(axis=1)
        ends = months[-1] - 12 * np.arange(count)[::-1]
        year = ends / 12 + 1970 - 5.5 / 12  # the middle of each
        few, most = answer.years
        normal = float(yearly[-most:].mean())
        measured = answer.data.plant["month"].values.astype("datetime64[M]").astype(np.int64)
        inside = (ends >= measured.min() + 5) & (ends - 11 <= measured.max() - 5)
        index = yearly / normal * 100
        self._bars.data = {
            "year": year,
            "index": index,
            "speed": yearly,
            "colour": np.where(inside, theme.MEASURED, theme.BAND),
        }
        self.figure.y_range.start = float(min(index.min(), 100) - 3)
        self.figure.y_range.end = float(max(index.max(), 100) + 2)
        last = year[-1] + 0.5
        self._most.left, self._most.right, self._most.visible = last - most, last, True
        self._fewest.location, self._fewest.visible = last - few, True


class CurveChart(_Chart):
    """The measured power curve of one turbine, the slots it is made of and those left out, and the reference."""

    legend = (
        (theme.BAND, "dot", "ten-minute means"),
        (theme.REDUCED, "dot", "left out"),
        (theme.MEASURED, "line", "measured, means of the bins"),
        (theme.INK, "dash", "reference"),
    )

    def __init__(self, performance: Performance, asset: str, *, span: int = 5, height: int = 330) -> None:
        self.span, self.title = span, "Power curve"
        self._performance, self.asset = performance, asset
        self.figure = blank(height=height, x_label="Wind speed [m/s]", y_label="Power [kW]", tools="")
        self._used = ColumnDataSource({"x": [], "y": []})
        self._out = ColumnDataSource({"x": [], "y": []})
        self._curve = ColumnDataSource({name: [] for name in ("x", "y", "count", "low", "high")})
        self._reference = ColumnDataSource({"x": [], "y": []})
        self.figure.scatter("x", "y", source=self._used, size=2.5, color=theme.BAND)
        self.figure.scatter("x", "y", source=self._out, size=3, color=theme.REDUCED, alpha=0.7)
        self.figure.line("x", "y", source=self._reference, line_color=theme.INK, line_dash="dashed", line_width=1.4)
        line = self.figure.line("x", "y", source=self._curve, line_color=theme.MEASURED, line_width=2)
        tips = [("wind speed", "@x{0.0} m/s"), ("power", "@y{0,0} kW"), ("slots", "@count{0,0}")]
        self.figure.add_tools(HoverTool(renderers=[line], tooltips=tips, mode="vline"))
        self._keep_room()

    def show(self, answer: CurveAnswer) -> None:
        """Draw an answer for the turbine chosen."""
        plant = self._performance.plant
        assert plant is not None  # noqa: S101  there is no answer without data
        names = plant.turbines["asset"].values.tolist()
        column = names.index(self.asset)
        speed = answer.wind_speed[:, column]
        power = plant.turbines["power_output"].transpose("time", "asset").values[:, column]
        used, out = answer.used[:, column], answer.considered[:, column] & ~answer.used[:, column]
        for source, rows in ((self._used, used), (self._out, out)):
            shown = _some(np.flatnonzero(rows & np.isfinite(speed) & np.isfinite(power)))
            source.data = {"x": speed[shown], "y": power[shown]}
        one = answer.curve.sel(asset=self.asset)
        there = np.isfinite(one["power"].values)
        spread = one["power_uncertainty"].values[there]
        mean = one["power"].values[there]
        self._curve.data = {
            "x": one["wind_speed"].values[there],
            "y": mean,
            "count": one["count"].values[there],
            "low": mean - spread,
            "high": mean + spread,
        }
        reference = next((each.power_curve for each in self._performance.site.assets if each.id == self.asset), None)
        self._reference.data = (
            {"x": [], "y": []} if reference is None else {"x": reference.wind_speed, "y": reference.power}
        )


class LossWaterfall(_Chart):
    """From what the turbines could have made to what they made."""

    title = "Losses"
    note = "categories of IEC 61400-26-1"

    def __init__(self, *, span: int = 5, height: int = 300) -> None:
        self.span = span
        self.figure = waterfall_figure(["potential", "actual"], np.zeros(2), totals=(0, 1), height=height)
        self._keep_room()

    def show(self, answer: LossAnswer) -> None:
        """Draw an answer."""
        names, values, totals = loss_bars(answer.waterfall)
        changes = np.delete(np.abs(values), totals)
        set_waterfall(
            self.figure, names, values / 1e3, totals, decimals=decimals_of(float(changes.max(initial=0.0)) / 1e3)
        )


def _some(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """At most so many of ``rows``, spread evenly and the same each time."""
    if len(rows) <= _POINTS:
        return rows
    return rows[np.linspace(0, len(rows) - 1, _POINTS).astype(np.int64)]
