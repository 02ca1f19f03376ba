"""Figures of reports and analyses: plain functions from analysed data to Bokeh figures.

They take what :mod:`workbench.analytics` gives and draw in the look of :mod:`workbench.display.plots`; notebooks,
pages and reports use the same. Times are drawn as they are given: bring them to the site's clock first where the
reader lives by it (:func:`local_time`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr
from bokeh.models import (
    ColumnDataSource,
    DatetimeTickFormatter,
    FactorRange,
    HoverTool,
    LinearColorMapper,
    Range1d,
)
from bokeh.models.annotations import Legend, Span
from bokeh.plotting import figure

from workbench.display import plots, theme
from workbench.display.format import number, unit

Floats = npt.NDArray[np.float64]

_USED = ("#d3deea", "#9db8d2", "#6a93bb", "#3f709f")
_LEFT_OUT = ("#e6cfae", "#cf9f63", "#b5762c", "#8f5512")
#: What :func:`power_curve_figure` draws, for one legend beside several of them: label, colour, shape.
POWER_CURVE_LEGEND = (
    ("ten-minute values, dark where many", _USED[2], "square"),
    ("left out of the curve", _LEFT_OUT[1], "square"),
    ("measured, mean of bin", theme.REDUCED, "line"),
    ("reference curve", theme.INK, "dash"),
)
#: The classes of speed that :func:`wind_rose_figure` draws.
WIND_ROSE_LEGEND = tuple(
    (label, theme.SEQUENTIAL[2 + i], "square")
    for i, label in enumerate(("0–4 m/s", "4–8 m/s", "8–12 m/s", "12–16 m/s", "≥ 16 m/s"))
)


def local_time(times: npt.NDArray[np.datetime64], tz: str) -> npt.NDArray[np.datetime64]:
    """UTC times as the clock of ``tz`` shows them, without a zone."""
    moments = pd.DatetimeIndex(times).tz_localize("UTC").tz_convert(tz).tz_localize(None)
    return np.asarray(moments.as_unit("ns").to_numpy())


def month_names(labels: npt.NDArray[np.datetime64]) -> list[str]:
    """``Jan``, ``Feb``; with the year where there is more than one."""
    index = pd.DatetimeIndex(labels)
    pattern = "%b" if index.year.nunique() <= 1 else "%b %y"
    return [str(one) for one in index.strftime(pattern)]


def period_names(labels: npt.NDArray[np.datetime64], step: str) -> list[str]:
    """Names of hours, days, months or years for an axis."""
    if step == "month":
        return month_names(labels)
    return [str(one) for one in pd.DatetimeIndex(labels).strftime({"hour": "%H", "day": "%-d %b", "year": "%Y"}[step])]


def energy_figure(
    energies: xr.Dataset, names: Sequence[str], *, height: int = 270, step: int = 1, markers: Floats | None = None
) -> figure:
    """Energy by period, a bar per period with the assets stacked.

    Parameters
    ----------
    energies
        ``energy`` [kWh] with dims (period, asset).
    names
        Of the periods.
    step
        Label every so many bars.
    markers
        Something to compare with by period [kWh], drawn as a dash across each bar.
    """
    values = np.nan_to_num(energies["energy"].transpose("period", "asset").values)
    most = float(values.sum(axis=1).max(initial=0.0))
    factor, units = _energy_scale(most)
    plot = plots.blank(height=height, x_range=list(names), y_label=f"Energy [{units}]", tools="")
    plot.xgrid.visible = False
    assets = [str(one) for one in energies["asset"].values]
    source = ColumnDataSource({"name": list(names), **{a: values[:, i] * factor for i, a in enumerate(assets)}})
    drawn = plot.vbar_stack(
        assets, x="name", width=0.74, source=source, fill_color=theme.colours(len(assets)), line_color="white",
        line_width=0.6,
    )  # fmt: skip
    items: list[tuple[str, Sequence[Any]]] = []
    for asset, renderer in zip(assets, drawn, strict=True):
        _hover(plot, [renderer], [("", "@name"), (asset, f"@{{{asset}}}{{0,0.00}} {units}")])
        items.append((asset, [renderer]))
    if markers is not None:
        marks = plot.dash(list(names), markers * factor, size=22, line_color=theme.INK, line_width=1.6)
        items.append(("expected", [marks]))
    if len(items) > 1:
        plots.legend_above(plot, items)
    plot.y_range.update(start=0)
    if step > 1:
        _thin(plot, names, step)
    return plot


def _energy_scale(kilowatt_hours: float) -> tuple[float, str]:
    return (1e-6, "GWh") if kilowatt_hours >= 3e6 else (1e-3, "MWh") if kilowatt_hours >= 3e3 else (1.0, "kWh")


def _thin(plot: figure, names: Sequence[str], step: int) -> None:
    """Show every ``step``-th name of a categorical axis only."""
    shown = {name: (name if i % step == 0 else "") for i, name in enumerate(names)}
    from bokeh.models import CustomJSTickFormatter

    plot.xaxis.formatter = CustomJSTickFormatter(args={"shown": shown}, code="return shown[tick] ?? tick")
    plot.xaxis.major_tick_line_color = None


def power_curve_figure(
    data: xr.Dataset,
    curve: xr.Dataset,
    asset: str,
    *,
    reference: tuple[Sequence[float], Sequence[float]] | None = None,
    where: xr.DataArray | None = None,
    wind_speed: str = "wind_speed",
    power: str = "power_output",
    height: int = 270,
    legend: bool = True,
) -> figure:
    """Measured power curve of one turbine over the density of its ten-minute values.

    Parameters
    ----------
    data
        Wind speed [m/s], as the curve was made from, and power [kW]; dims (time, asset).
    curve
        From :func:`workbench.analytics.wind.power_curve.power_curve`.
    reference
        Wind speeds [m/s] and powers [kW] of the curve to compare with.
    where
        Slots that made the curve; the others are drawn in brown.
    """
    one = data.sel(asset=asset)
    speed = np.asarray(one[wind_speed].values, float)
    made = np.asarray(one[power].values, float)
    used = np.ones(speed.shape, bool) if where is None else np.asarray(where.sel(asset=asset).values, bool)
    finite = np.isfinite(speed) & np.isfinite(made)
    top_speed = float(np.ceil(max(16.0, np.nanmax(np.where(finite, speed, np.nan), initial=16.0))))
    top_power = float(np.nanmax(np.where(finite, made, np.nan), initial=1.0)) * 1.06
    plot = plots.blank(
        height=height, x_label="Wind speed [m/s]", y_label="Power [kW]", tools="",
        x_range=_range(0, top_speed), y_range=_range(-0.03 * top_power, top_power),
    )  # fmt: skip
    items: list[tuple[str, Sequence[Any]]] = []
    cells = [(used, _USED, "ten-minute values"),
             (~used, _LEFT_OUT, "left out")]  # fmt: skip
    for chosen, colours, label in cells:
        drawn = _density(plot, speed[finite & chosen], made[finite & chosen], top_speed, top_power, colours)
        if drawn is not None:
            items.append((label, [drawn]))
    if reference is not None:
        line = plot.line(list(reference[0]), list(reference[1]), line_color=theme.INK, line_width=1.4, line_dash=[5, 3])
        items.append(("reference curve", [line]))
    bins = curve.sel(asset=asset)
    there = np.isfinite(bins["power"].values)
    source = ColumnDataSource(
        {
            "speed": bins["wind_speed"].values[there],
            "power": bins["power"].values[there],
            "count": bins["count"].values[there],
            "low": (bins["power"] - 1.96 * bins["power_uncertainty"]).values[there],
            "high": (bins["power"] + 1.96 * bins["power_uncertainty"]).values[there],
        }
    )
    line = plot.line("speed", "power", source=source, line_color=theme.REDUCED, line_width=1.6)
    dots = plot.scatter("speed", "power", source=source, size=4, color=theme.REDUCED)
    items.append(("measured, mean of bin", [line, dots]))
    _hover(
        plot,
        [dots],
        [("wind speed", "@speed{0.00} m/s"), ("power", "@power{0,0} kW"), ("95 % of the mean", "@low{0,0} – @high{0,0} kW"),
         ("values", "@count{0,0}")],
    )  # fmt: skip
    if legend:
        plots.legend_above(plot, items)
    return plot


def _density(plot: figure, x: Floats, y: Floats, x_top: float, y_top: float, colours: Sequence[str]) -> Any:
    """Points as shaded cells: dense ones dark; None where there are none."""
    if not len(x):
        return None
    columns, rows = 90, 70
    counts, _, _ = np.histogram2d(y, x, bins=[rows, columns], range=[[-0.03 * y_top, y_top], [0.0, x_top]])
    shade = np.where(counts > 0, np.log10(np.maximum(counts, 1.0)), np.nan)
    high = max(float(np.nanmax(shade)), 0.5)
    mapper = LinearColorMapper(palette=list(colours), low=0.0, high=high, nan_color="rgba(0,0,0,0)")
    look: dict[str, Any] = {"color_mapper": mapper, "level": "underlay"}
    plot.image(image=[shade], x=0.0, y=-0.03 * y_top, dw=x_top, dh=1.03 * y_top, **look)
    # an image has no mark in a legend: a square outside of the picture stands for it
    return plot.scatter([-99.0], [-99.0], marker="square", size=8, color=colours[-2])


def deviation_figure(
    curve: xr.Dataset, reference: Mapping[str, Any], *, height: int = 250, low: float = 4.0, high: float = 15.0
) -> figure:
    """Measured power less the reference curve by wind speed, a line per turbine.

    Parameters
    ----------
    reference
        By asset, something with ``.at(wind speed) -> power`` [kW].
    low, high
        Wind speeds shown [m/s].
    """
    plot = plots.blank(
        height=height,
        x_label="Wind speed [m/s]",
        y_label="Measured − reference [kW]",
        tools="",
        x_range=_range(low, high),
    )
    items: list[tuple[str, Sequence[Any]]] = []
    assets = [str(one) for one in curve["asset"].values if str(one) in reference]
    for asset, colour in zip(assets, theme.colours(len(assets)), strict=True):
        one = curve.sel(asset=asset)
        keep = np.isfinite(one["power"].values) & (one["wind_speed"].values >= low) & (one["wind_speed"].values <= high)
        speed = one["wind_speed"].values[keep]
        source = ColumnDataSource({"speed": speed, "off": one["power"].values[keep] - reference[asset].at(speed)})
        line = plot.line("speed", "off", source=source, line_color=colour, line_width=1.8)
        dots = plot.scatter("speed", "off", source=source, size=4, color=colour)
        _hover(plot, [dots], [(asset, "@off{+0,0} kW"), ("at", "@speed{0.00} m/s")])
        items.append((asset, [line, dots]))
    plot.add_layout(Span(location=0.0, dimension="width", line_color=theme.MUTED, line_width=1))
    plots.legend_above(plot, items)
    return plot


def wind_rose_figure(
    data: xr.Dataset,
    *,
    wind_speed: str = "wind_speed",
    direction: str = "wind_direction",
    height: int = 330,
    sectors: int = 16,
    legend: bool = True,
) -> figure:
    """How often the wind blows from where, and how fast; rejected values are left out.

    ``legend=False`` where :data:`WIND_ROSE_LEGEND` stands beside it.
    """
    from workbench.model.quality import good

    plot = plots.wind_rose(good(data, direction), good(data, wind_speed), height=height, sectors=sectors)
    if not legend:
        plot.above = [one for one in plot.above if not isinstance(one, Legend)]
    return plot


def speed_figure(
    speeds: xr.DataArray, *, scale: float = np.nan, shape: float = np.nan, width: float = 0.5, height: int = 330
) -> figure:
    """Distribution of wind speeds, and the Weibull distribution fitted to it.

    Parameters
    ----------
    speeds
        [m/s]
    scale, shape
        A [m/s] and k of the Weibull distribution; not drawn where missing.
    width
        Of the classes [m/s].
    """
    values = np.asarray(speeds.values, float).ravel()
    values = values[np.isfinite(values)]
    top = float(np.ceil(max(values.max(initial=0.0), 10.0)))
    edges = np.arange(0.0, top + width, width)
    counts, _ = np.histogram(values, bins=edges)
    share = 100.0 * counts / max(1, len(values))
    plot = plots.blank(
        height=height, x_label="Wind speed [m/s]", y_label=f"Share of the time per {width:g} m/s [%]", tools="",
        x_range=_range(0, top),
    )  # fmt: skip
    source = ColumnDataSource({"left": edges[:-1], "right": edges[1:], "share": share})
    bars = plot.quad(
        left="left", right="right", top="share", bottom=0, source=source, fill_color=theme.BAND, line_color="white"
    )
    _hover(plot, [bars], [("wind speed", "@left{0.0} – @right{0.0} m/s"), ("time", "@share{0.00} %")])
    items: list[tuple[str, Sequence[Any]]] = [("measured", [bars])]
    if np.isfinite(scale) and np.isfinite(shape):
        x = np.linspace(0.01, top, 200)
        density = shape / scale * (x / scale) ** (shape - 1) * np.exp(-((x / scale) ** shape))
        line = plot.line(x, 100.0 * width * density, line_color=theme.INK, line_width=1.6)
        items.append((f"Weibull, A = {number(scale, decimals=2)} m/s, k = {number(shape, decimals=2)}", [line]))
    plots.legend_above(plot, items)
    plot.y_range.update(start=0)
    return plot


def share_heatmap(
    shares: Floats,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    name: str,
    low: float = 90.0,
    height: int | None = None,
) -> figure:
    """A matrix of shares in percent with the numbers in it: light is full, dark is missing.

    Parameters
    ----------
    shares
        [rows, columns], fractions; missing values stay blank.
    low
        Shares at or below it have the darkest colour [%].
    """
    values = 100.0 * np.asarray(shares, float)
    plot = plots.blank(
        height=height or 44 + 30 * len(rows), x_range=list(columns), y_range=FactorRange(factors=list(reversed(rows))), tools="",
        x_axis_location="above",
    )  # fmt: skip
    plot.grid.visible = False
    plot.axis.axis_line_color = None
    plot.axis.major_tick_line_color = None
    palette = list(reversed(theme.SEQUENTIAL[:6]))
    mapper = LinearColorMapper(palette=palette, low=low, high=100.0, nan_color="rgba(0,0,0,0)")
    row, column = np.meshgrid(np.arange(len(rows)), np.arange(len(columns)), indexing="ij")
    flat = values.ravel()
    dark = flat < low + 0.35 * (100.0 - low)
    text = [
        ("" if not np.isfinite(v) else number(v, decimals=0 if v >= 99.95 or len(columns) > 16 else 1)) for v in flat
    ]
    source = ColumnDataSource(
        {
            "row": [rows[int(i)] for i in row.ravel()],
            "column": [columns[int(i)] for i in column.ravel()],
            "value": flat,
            "text": text,
            "ink": np.where(dark, "#ffffff", theme.TEXT),
        }
    )
    cells = plot.rect(
        "column", "row", width=1, height=1, source=source, fill_color={"field": "value", "transform": mapper},
        line_color="white", line_width=1.5,
    )  # fmt: skip
    plot.text(
        "column", "row", text="text", source=source, text_color="ink", text_align="center", text_baseline="middle",
        text_font_size="10px", text_font={"value": theme.FONT},
    )  # fmt: skip
    _hover(plot, [cells], [("", "@row, @column"), (name, "@value{0.00} %")])
    return plot


def timeline_figure(
    spans: Sequence[tuple[str, Any, Any]], rows: Sequence[str], window: tuple[Any, Any], *, label: str = "",
    height: int | None = None,
) -> figure:  # fmt: skip
    """When something was so: bars on a line of time per row, such as stops by turbine.

    Parameters
    ----------
    spans
        (row, start, end) each.
    window
        Start and end of the axis.
    """
    plot = plots.blank(
        height=height or 50 + 26 * len(rows), time=True, y_range=FactorRange(factors=list(reversed(rows))), tools=""
    )
    plot.x_range = _time_range(*window)
    plot.min_border_right = 34  # room for the last label
    plot.xaxis.formatter = DatetimeTickFormatter(hours="%H:%M", days="%-d %b", months="%b %Y", years="%Y")
    plot.ygrid.visible = False
    source = ColumnDataSource(
        {
            "row": [one[0] for one in spans],
            "start": np.array([one[1] for one in spans], "datetime64[ns]"),
            "end": np.array([one[2] for one in spans], "datetime64[ns]"),
            "hours": [(pd.Timestamp(one[2]) - pd.Timestamp(one[1])) / pd.Timedelta(1, "h") for one in spans],
        }
    )
    bars = plot.hbar(
        y="row", left="start", right="end", height=0.62, source=source, fill_color=theme.REDUCED,
        line_color=theme.REDUCED, line_width=0.8,
    )  # fmt: skip
    tool = HoverTool(
        renderers=[bars],
        tooltips=[
            ("", "@row"),
            (label or "from", "@start{%F %H:%M}"),
            ("to", "@end{%F %H:%M}"),
            ("hours", "@hours{0.0}"),
        ],
        formatters={"@start": "datetime", "@end": "datetime"},
    )
    plot.add_tools(tool)
    return plot


def day_figure(
    lines: Mapping[str, xr.DataArray],
    window: tuple[Any, Any],
    tz: str,
    *,
    y_label: str,
    height: int = 230,
    colours: Sequence[str] | None = None,
    bands: Mapping[str, tuple[xr.DataArray, xr.DataArray]] | None = None,
    zero: bool = True,
    area: bool = False,
) -> figure:
    """Lines over the hours of a site's day (or days).

    Parameters
    ----------
    lines
        Name to (time) array, UTC.
    window
        UTC; the axis spans it whole, so that a gap is seen.
    bands
        Name of a line to its lowest and highest, drawn behind it.
    zero
        Begin the axis at zero where nothing is below.
    area
        Fill the first line down to zero.
    """
    plot = plots.blank(height=height, time=True, y_label=y_label, tools="")
    first, last = (local_time(np.array([pd.Timestamp(one).to_datetime64()]), tz)[0] for one in window)
    plot.x_range = _time_range(first, last)
    plot.min_border_right = 22  # room for the last label
    whole_day = (last - first) <= np.timedelta64(26, "h")
    plot.xaxis.formatter = DatetimeTickFormatter(hours="%H:%M", days="%H:%M" if whole_day else "%-d %b", months="%b %Y")
    items: list[tuple[str, Sequence[Any]]] = []
    for (name, line), colour in zip(lines.items(), colours or theme.colours(len(lines)), strict=False):
        times = local_time(line["time"].values, tz)
        units = unit(line.attrs.get("units"))
        if bands and name in bands:
            low, high = bands[name]
            plot.varea(times, low.values.astype(float), high.values.astype(float), fill_color=colour, fill_alpha=0.18)
        values = np.asarray(line.values, float)
        if area and not items:
            _areas(plot, times, values, colour)
        source = ColumnDataSource({"time": times, "value": values})
        drawn = plot.line("time", "value", source=source, line_color=colour, line_width=1.6)
        tool = HoverTool(
            renderers=[drawn], tooltips=[("", "@time{%H:%M}"), (name, f"@value{{0,0.00}} {units}")],
            formatters={"@time": "datetime"}, mode="mouse",
        )  # fmt: skip
        plot.add_tools(tool)
        items.append((name, [drawn]))
    if len(items) > 1:
        plots.legend_above(plot, items)
    highest = max(
        (float(np.nanmax(np.asarray(one.values, float))) for one in lines.values() if one.notnull().any()), default=0
    )
    lowest = min(
        (float(np.nanmin(np.asarray(one.values, float))) for one in lines.values() if one.notnull().any()), default=0
    )
    if zero and lowest > -0.02 * highest:
        plot.y_range.update(start=0)
    return plot


def _areas(plot: figure, times: npt.NDArray[np.datetime64], values: Floats, colour: str) -> None:
    """Fill below a line, gaps left open."""
    there = np.isfinite(values)
    for run in np.split(np.arange(len(values)), np.flatnonzero(np.diff(there.astype(np.int8))) + 1):
        if len(run) and there[run[0]]:
            plot.varea(times[run], np.zeros(len(run)), values[run], fill_color=colour, fill_alpha=0.18)


def _range(start: float, end: float) -> Any:
    return Range1d(start=start, end=end)


def _time_range(start: Any, end: Any) -> Any:
    first, last = (pd.Timestamp(moment).to_pydatetime() for moment in (start, end))
    return Range1d(start=first, end=last)


def _hover(plot: figure, renderers: Sequence[Any], rows: Sequence[tuple[str, str]]) -> None:
    plot.add_tools(HoverTool(renderers=list(renderers), tooltips=list(rows), point_policy="follow_mouse"))
