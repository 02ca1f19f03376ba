"""Figures of wind performance: waterfall, categories, wakes by direction, one value per turbine with its interval.

Plain functions from what :mod:`workbench.analytics.wind` finds to Bokeh figures, as :mod:`workbench.display.figures`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from bokeh.models import ColumnDataSource, LabelSet, Span, Whisker
from bokeh.transform import dodge

from workbench.display import plots, theme
from workbench.display.canvas import hover
from workbench.display.format import number, words

if TYPE_CHECKING:
    import pandas as pd
    from bokeh.plotting import figure

Floats = npt.NDArray[np.float64]

#: Colours of the categories of IEC 61400-26-1: producing is calm, what failed is not.
CATEGORY = {
    "available": theme.BAND,
    "unavailable": theme.REDUCED,
    "partially_available": "#8aa4bd",
    "technical_standby": "#a9b08b",
    "environmental_standby": "#c7cba8",
    "requested_shutdown": "#a98fb4",
    "grid_outage": "#4d4f7c",
    "scheduled_maintenance": "#7da0d6",
    "planned_corrective_action": theme.MAINTENANCE,
    "forced_outage": theme.FAULT,
    "suspended": theme.REDUCED,
    "force_majeure": "#9a8062",
    "unknown": "#d9dde1",
}


def colour_of(category: str, place: int = 0) -> str:
    """Colour of a category; one of the series colours for one's own."""
    return CATEGORY.get(category, theme.SERIES[place % len(theme.SERIES)])


def energy_scale(kilowatt_hours: float) -> tuple[float, str]:
    """Factor and unit that show an energy [kWh] best."""
    size = abs(kilowatt_hours)
    return (1e-6, "GWh") if size >= 3e6 else (1e-3, "MWh") if size >= 3e3 else (1.0, "kWh")


def decimals_of(change: float) -> int:
    """Decimals with which a change shows two digits or more."""
    size = abs(change)
    return 0 if size >= 10 or not size else 1 if size >= 1 else 2


def waterfall_figure(
    names: Sequence[str],
    values: Floats,
    *,
    totals: Sequence[int],
    height: int = 300,
    unit: str = "MWh",
    factor: float = 1e-3,
    decimals: int = 0,
) -> figure:
    """Bars from one total to another, each beginning where the one before ended.

    Parameters
    ----------
    names
        Of the bars.
    values
        Of the totals, and of the changes between them [kWh or whatever ``factor`` brings to ``unit``].
    totals
        Places of the bars that are totals: they begin at zero.
    """
    plot = plots.blank(height=height, x_range=list(names), y_range=(0.0, 1.0), y_label=f"Energy [{unit}]", tools="")
    plot.xgrid.visible = False
    plot.xaxis.major_label_orientation = 0.5 if len(names) > 6 else 0.0
    source = ColumnDataSource({key: [] for key in ("name", "low", "high", "colour", "text")})
    drawn = plot.vbar("name", bottom="low", top="high", width=0.62, source=source, fill_color="colour", line_color=None)
    plot.add_layout(
        LabelSet(
            x="name",
            y="high",
            text="text",
            source=source,
            text_align="center",
            y_offset=3,
            text_font_size="11px",
            text_color=theme.TEXT,
            text_font={"value": theme.FONT},
        )
    )
    hover(plot, [drawn], [("", "@name"), ("", f"@text {unit}")])
    set_waterfall(plot, names, np.asarray(values, float) * factor, totals, decimals=decimals)
    return plot


def set_waterfall(
    plot: figure, names: Sequence[str], values: Floats, totals: Sequence[int], *, decimals: int = 0
) -> None:
    """Give a waterfall other bars, in the unit of its axis."""
    start, end, level = np.zeros(len(values)), np.zeros(len(values)), 0.0
    for place, value in enumerate(values):
        start[place], end[place] = (0.0, value) if place in totals else (level, level + value)
        level = end[place]
    changes = [place for place in range(len(values)) if place not in totals]
    low, high = np.minimum(start, end), np.maximum(start, end)
    texts = [number(float(value), decimals=decimals) for value in values]
    # the changes are small beside the totals: the axis begins where they can be seen
    top, least = float(high.max(initial=0.0)), float(low[changes].min(initial=level))
    floor = max(0.0, least - 0.35 * (top - least))
    floor = floor if floor > 0.3 * top else 0.0
    plot.x_range.factors = list(names)
    plot.y_range.start, plot.y_range.end = floor, top + 0.1 * (top - floor) if top > floor else floor + 1.0
    plot.renderers[0].data_source.data = {
        "name": list(names),
        "low": np.where(np.isin(np.arange(len(values)), totals), np.minimum(floor, low), low),
        "high": high,
        "colour": [
            theme.NORMAL if place in totals else theme.REDUCED if value < 0 else theme.MEASURED
            for place, value in enumerate(values)
        ],
        "text": [f"+{text}" if place in changes and values[place] > 0 else text for place, text in enumerate(texts)],
    }


def category_figure(
    hours: Mapping[str, Floats], assets: Sequence[str], *, height: int = 260, least: float = 0.9, unit: str = "%"
) -> figure:
    """Shares of the time in each category, a bar per turbine.

    Parameters
    ----------
    hours
        By category, one value per turbine [h].
    least
        Where the axis begins [1]: most of the time is spent in one category.
    """
    total = np.sum(list(hours.values()), axis=0)
    share = {
        name: np.divide(values, total, out=np.zeros(len(total)), where=total > 0) * 100
        for name, values in hours.items()
    }
    first = next(iter(share.values()))
    begin = 100 * least if len(first) and float(first.min()) > 100 * least + 1 else 0.0
    plot = plots.blank(
        height=height, x_range=list(assets), y_label=f"Share of the time [{unit}]", tools="", y_range=(begin, 100)
    )
    plot.xgrid.visible = False
    source = ColumnDataSource({"asset": list(assets), **share})
    drawn = plot.vbar_stack(
        list(share),
        x="asset",
        width=0.62,
        source=source,
        fill_color=[colour_of(name, place) for place, name in enumerate(share)],
        line_color=theme.PANEL,
    )
    for name, renderer in zip(share, drawn, strict=True):
        hover(plot, [renderer], [("", "@asset"), (words(name), f"@{{{name}}}{{0.00}} %")])
    if len(assets) > 12:
        plot.xaxis.major_label_orientation = 1.0
    return plot


def interval_figure(
    assets: Sequence[str],
    value: Floats,
    lower: Floats,
    upper: Floats,
    *,
    label: str,
    height: int = 230,
    zero: float | None = 0.0,
) -> figure:
    """One value per turbine with its interval; turbines without a value stand there empty.

    Parameters
    ----------
    label
        Of the axis, with the unit.
    zero
        A line of reference.
    """
    source = ColumnDataSource({"asset": list(assets), "value": value, "lower": lower, "upper": upper})
    plot = plots.blank(height=height, x_range=list(assets), y_label=label, tools="")
    plot.xgrid.visible = False
    if zero is not None:
        plot.add_layout(Span(location=zero, dimension="width", line_color=theme.MUTED, line_width=1))
    whisker = Whisker(
        base="asset", lower="lower", upper="upper", source=source, line_color=theme.MEASURED, line_width=1.6
    )
    for head in (whisker.upper_head, whisker.lower_head):
        head.size, head.line_color = 9, theme.MEASURED
    plot.add_layout(whisker)
    dots = plot.scatter("asset", "value", source=source, size=8, color=theme.MEASURED)
    # whiskers are not seen by the range of the axis
    ends = [float(one) for one in (*lower, *upper) if np.isfinite(one)] + ([zero] if zero is not None else [])
    if ends:
        pad = 0.1 * (max(ends) - min(ends) or 1.0)
        plot.y_range.start, plot.y_range.end = min(ends) - pad, max(ends) + pad
    hover(plot, [dots], [("", "@asset"), ("", "@value{0.00} (@lower{0.00} to @upper{0.00})")])
    if len(assets) > 12:
        plot.xaxis.major_label_orientation = 1.0
    return plot


def direction_figure(
    direction: Floats,
    lines: Mapping[str, Floats],
    *,
    label: str,
    band: tuple[Floats, Floats] | None = None,
    bars: Floats | None = None,
    zero: float | None = 0.0,
    height: int = 260,
) -> figure:
    """Something by wind direction, with a band around the first line, and how much of the energy comes from there.

    Parameters
    ----------
    direction
        Centres of the sectors, rising [deg].
    lines
        By name, one value per sector.
    bars
        Share by sector [1]; drawn at the foot, in proportion to its largest.
    """
    plot = plots.blank(height=height, x_label="Wind direction [°]", y_label=label, tools="", x_range=(0, 360))
    plot.xaxis.ticker = list(range(0, 361, 45))
    plot.min_border_right = 16  # half of the last label
    known = np.concatenate([values[np.isfinite(values)] for values in lines.values()] or [np.zeros(0)])
    if band is not None:
        known = np.concatenate([known, *(edge[np.isfinite(edge)] for edge in band)])
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    if zero is not None:
        low, high = min(low, zero), max(high, zero)
        plot.add_layout(Span(location=zero, dimension="width", line_color=theme.MUTED, line_width=1))
    pad = 0.06 * (high - low or 1.0)
    floor = low - pad
    if bars is not None and np.nanmax(bars) > 0:
        tall = 0.22 * (high - low or 1.0)
        floor = low - pad - tall
        width = 0.9 * float(np.median(np.diff(direction))) if len(direction) > 1 else 5.0
        source = ColumnDataSource({"x": direction, "top": floor + tall * bars / np.nanmax(bars), "share": bars * 100})
        drawn = plot.vbar(
            "x", top="top", bottom=floor, width=width, source=source, fill_color=theme.BAND, line_color=None
        )
        hover(plot, [drawn], [("from", "@x°"), ("energy", "@share{0.0} %")])
    plot.y_range.start, plot.y_range.end = floor, high + pad
    if band is not None:
        plot.varea(direction, band[0], band[1], fill_color=theme.BAND, fill_alpha=0.6)
    items: list[tuple[str, Sequence[Any]]] = []
    for (name, values), colour in zip(lines.items(), theme.colours(len(lines)), strict=True):
        source = ColumnDataSource({"x": direction, "y": values})
        line = plot.line("x", "y", source=source, line_color=colour, line_width=1.8)
        hover(plot, [line], [("", name), ("from", "@x°"), ("", "@y{0.00}")])
        items.append((name, [line]))
    if len(items) > 1:
        plots.legend_above(plot, items)
    return plot


def pairs_figure(
    names: Sequence[str], first: Floats, second: Floats, words_of: tuple[str, str], *, label: str, height: int = 240
) -> figure:
    """Two bars for each name, such as the period and the long term."""
    source = ColumnDataSource({"name": list(names), "first": first, "second": second})
    plot = plots.blank(height=height, x_range=list(names), y_label=label, tools="")
    plot.xgrid.visible = False
    plot.add_layout(Span(location=0, dimension="width", line_color=theme.MUTED, line_width=1))
    items: list[tuple[str, Sequence[Any]]] = []
    for key, word, shift, colour in (
        ("first", words_of[0], -0.17, theme.BAND),
        ("second", words_of[1], 0.17, theme.MEASURED),
    ):
        drawn = plot.vbar(
            dodge("name", shift, range=plot.x_range),
            top=key,
            width=0.32,
            source=source,
            fill_color=colour,
            line_color=None,
        )
        hover(plot, [drawn], [("", "@name"), (word, f"@{key}{{0.00}}")])
        items.append((word, [drawn]))
    plots.legend_above(plot, items)
    return plot


def course_figure(
    times: npt.NDArray[np.datetime64], lines: xr.DataArray | Mapping[str, Floats], *, label: str, height: int = 230
) -> figure:
    """Values over time, a line per turbine with a dot for each value."""
    plot = plots.blank(height=height, time=True, y_label=label, tools="")
    plot.min_border_right = 24
    given: dict[str, Floats]
    if isinstance(lines, xr.DataArray):
        given = {str(name): lines.sel(asset=name).values for name in lines["asset"].values}
    else:
        given = dict(lines)
    items: list[tuple[str, Sequence[Any]]] = []
    for (name, values), colour in zip(given.items(), theme.colours(len(given)), strict=True):
        source = ColumnDataSource({"x": times, "y": values})
        line = plot.line("x", "y", source=source, line_color=colour, line_width=1.5)
        dots = plot.scatter("x", "y", source=source, size=4, color=colour)
        hover(plot, [dots], [("", name), ("", "@x{%d %b %Y}"), ("", "@y{0.000}")])
        items.append((name, [line, dots]))
    if len(items) > 1:
        plots.legend_above(plot, items)
    return plot


def loss_bars(waterfall: pd.DataFrame, *, least: float = 1e-5) -> tuple[list[str], Floats, list[int]]:
    """Names, energies [kWh] and places of the totals of a loss waterfall; what nobody would see (``least`` of the first) is left out."""
    least *= abs(float(waterfall["energy"].iloc[0]))
    shown = [
        step
        for step in waterfall.index
        if step in ("potential", "actual") or abs(float(waterfall.loc[step, "energy"])) > least
    ]
    names = [words(str(step)) for step in shown]
    values = np.array([float(waterfall.loc[step, "energy"]) for step in shown])
    return names, values, [place for place, step in enumerate(shown) if step in ("potential", "actual")]
