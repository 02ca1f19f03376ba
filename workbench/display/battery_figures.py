"""Figures of batteries: charge against its recount, health and life, efficiency, cycles, cells.

Plain functions from what :mod:`workbench.analytics.storage` finds to Bokeh figures, as :mod:`workbench.display.figures`;
notebooks, the report and the page draw with the same. Times are UTC and are shown by the clock of ``tz``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from bokeh.models import (
    ColorBar,
    ColumnDataSource,
    DatetimeTickFormatter,
    FactorRange,
    LinearColorMapper,
    NoOverlap,
    NumeralTickFormatter,
    Range1d,
    Span,
    Whisker,
)

from workbench.display import plots, theme
from workbench.display.canvas import hover
from workbench.display.figures import day_figure
from workbench.display.format import number, unit

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from bokeh.plotting import figure

Floats = npt.NDArray[np.float64]

FLOWS = {
    "pv_to_grid": ("panels to grid", theme.SERIES[1]),
    "pv_to_battery": ("panels to battery", theme.SERIES[0]),
    "battery_to_grid": ("battery to grid", theme.SERIES[4]),
    "grid_to_battery": ("grid to battery", theme.SERIES[3]),
}
#: Bars of :func:`waterfall_bars`, as they follow.
LOSSES = ("cells", "converter", "auxiliaries")


def charge_figure(
    reported: xr.DataArray, counted: xr.Dataset | None, window: tuple[Any, Any], tz: str, *, height: int = 240
) -> figure:
    """State of charge of one battery as it reports it, beside the recount with its band of two standard uncertainties.

    Parameters
    ----------
    reported
        dims (time) [%].
    counted
        What ``recount`` gives, of this battery: ``soc_recount`` and ``soc_recount_std`` [%], dims (time).
    """
    lines = {"reported": reported}
    bands = {}
    if counted is not None and bool(counted["soc_recount"].notnull().any()):
        name = "counted again, with its band"
        lines = {name: counted["soc_recount"], **lines}
        spread = 2 * counted["soc_recount_std"]
        bands[name] = ((counted["soc_recount"] - spread).clip(0, 100), (counted["soc_recount"] + spread).clip(0, 100))
    plot = day_figure(
        lines, window, tz, y_label="State of charge [%]", height=height, bands=bands,
        colours=(theme.MEASURED, theme.REDUCED) if len(lines) == 2 else (theme.REDUCED,),
    )  # fmt: skip
    plot.y_range.update(start=0, end=100)
    return plot


def points_figure(
    times: npt.NDArray[np.datetime64],
    values: Mapping[str, tuple[Floats, Floats, Floats]],
    *,
    label: str,
    height: int = 230,
    course: tuple[npt.NDArray[np.datetime64], Floats, Floats, Floats] | None = None,
    level: tuple[float, str] | None = None,
    course_name: str = "forecast",
) -> figure:
    """A value with its interval by period for each battery, and where it goes.

    Parameters
    ----------
    times
        Beginnings of the periods, by the clock they are to be shown in.
    values
        Battery to value, lower and upper end, [period] each.
    course
        Times, value, lower and upper of what is to come.
    level
        A line across: where, and what it is.
    """
    plot = plots.blank(height=height, time=True, y_label=label, tools="")
    plot.min_border_right = 30
    plot.xaxis.formatter = DatetimeTickFormatter(hours="%H:%M", days="%-d %b", months="%b %Y", years="%Y")
    items: list[tuple[str, Sequence[Any]]] = []
    everything = [np.zeros(0)]
    if course is not None:
        when, middle, low, high = course
        area = plot.varea(when, low, high, fill_color=theme.BAND, fill_alpha=0.5)
        line = plot.line(when, middle, line_color=theme.INK, line_width=1.4, line_dash=[5, 3])
        items.append((course_name, [line, area]))
        everything += [low, high]
    for (name, (value, low, high)), colour in zip(values.items(), theme.colours(len(values)), strict=True):
        known = np.isfinite(value)
        source = ColumnDataSource({"time": times[known], "value": value[known], "low": low[known], "high": high[known]})
        plot.add_layout(
            Whisker(
                base="time", lower="low", upper="high", source=source, line_color=colour, line_width=1.2,
                upper_head=None, lower_head=None,
            )
        )  # fmt: skip
        dots = plot.scatter("time", "value", source=source, size=7, color=colour)
        rows = [("", f"{name}, @time{{%-d %b %Y}}"), (label, "@value{0.00}"), ("interval", "@low{0.00} to @high{0.00}")]
        hover(plot, [dots], rows)
        items.append((name, [dots]))
        everything += [low[known], high[known]]
    edges = np.concatenate(everything)
    edges = edges[np.isfinite(edges)]
    if edges.size:
        least, most = float(edges.min()), float(edges.max())
        pad = max(0.12 * (most - least), 0.2)
        plot.y_range = Range1d(start=least - pad, end=most + pad)
    if len(times) and course is None:
        first, last = times[0], times[-1]
        room = np.timedelta64(2, "D") if last - first < np.timedelta64(62, "D") else (last - first) // 20
        if first == last:
            room = np.timedelta64(1, "D")
        plot.x_range = Range1d(start=_moment(first - room), end=_moment(last + room))
        if len(times) <= 6:
            # a tick at each of the few, in words that do not hang on how far they are apart
            plot.xaxis.ticker = [float(one.astype("datetime64[ms]").astype(np.int64)) for one in times]
            monthly = bool(np.all(times.astype("datetime64[M]").astype(times.dtype) == times))
            words = "%b %Y" if monthly else "%-d %b"
            plot.xaxis.formatter = DatetimeTickFormatter(hours=words, days=words, months=words, years=words)
    if level is not None:
        plot.add_layout(Span(location=level[0], dimension="width", line_color=theme.REDUCED, line_width=1.2))
        mark = plot.line([], [], line_color=theme.REDUCED, line_width=1.2)
        items.append((level[1], [mark]))
        if isinstance(plot.y_range, Range1d) and course is not None:
            plot.y_range.start = min(float(plot.y_range.start), level[0] - 1)
    if len(items) > 1:
        plots.legend_above(plot, items)
    return plot


def _moment(time: np.datetime64) -> Any:
    import pandas as pd

    return pd.Timestamp(time).to_pydatetime()


def waterfall_bars(trip: xr.Dataset) -> tuple[list[str], Floats]:
    """Where the energy of a round trip went [kWh]: charged, lost in cells, converter and auxiliaries, delivered.

    Parameters
    ----------
    trip
        What ``round_trip_efficiency`` gives, of one battery or summed over several (no dims).

    Returns
    -------
    Names of the bars and their energies; the first and the last are totals, and the others add up to their difference.
    Cells and converter are told apart where the DC side is measured. What the battery holds more at the end than at
    the beginning is a bar of its own.
    """
    one = {name: float(trip[name]) for name in trip.data_vars if trip[name].dtype.kind == "f"}
    taken, given, change = one["energy_in"], one["energy_out"], np.nan_to_num(one["energy_change"])
    lost = taken - given - change
    cell, converter = one.get("efficiency_cell", np.nan), one.get("efficiency_converter", np.nan)
    names, values = ["charged"], [taken]
    if np.isfinite(cell) and np.isfinite(converter) and cell < 100 and converter < 100:
        # each takes its share of what is lost, by the logarithm of its efficiency: the product is the whole
        parts = np.array([np.log(cell / 100), np.log(converter / 100)])
        share = parts / parts.sum() if parts.sum() else np.array([0.5, 0.5])
        names += ["cells", "converter"]
        values += [-lost * float(share[0]), -lost * float(share[1])]
    else:
        names.append("cells and converter")
        values.append(-lost)
    own = one.get("energy_auxiliary", np.nan)
    if np.isfinite(own) and own > 0:
        names.append("auxiliaries")
        values.append(-own)
    if abs(change) > 1e-3 * max(taken, 1e-9):
        names.append("kept" if change > 0 else "from before")
        values.append(-change)
    names.append("delivered, net")
    values.append(float(np.sum(values)))
    return names, np.array(values)


def depth_figure(cycles: pd.DataFrame, *, height: int = 220) -> figure:
    """How deep the cycles went: number of cycles (halves as halves) by their depth, ten classes."""
    edges = np.arange(0.0, 101.0, 10.0)
    plot = plots.blank(
        height=height, x_label="Depth of the cycle [%]", y_label="Cycles", tools="", x_range=Range1d(0, 100)
    )
    plot.xaxis.ticker = list(range(0, 101, 20))
    plot.min_border_right = 14  # half of the last label
    items: list[tuple[str, Sequence[Any]]] = []
    names = list(dict.fromkeys(cycles["asset"]))
    bottom = np.zeros(len(edges) - 1)
    for name, colour in zip(names, theme.colours(len(names)), strict=True):
        one = cycles[cycles["asset"] == name]
        count = np.histogram(np.clip(one["depth"], 0, 99.999), edges, weights=one["count"])[0]
        source = ColumnDataSource(
            {"left": edges[:-1], "right": edges[1:], "bottom": bottom, "top": bottom + count, "count": count}
        )
        bars = plot.quad(
            left="left", right="right", bottom="bottom", top="top", source=source, fill_color=colour, line_color="white"
        )
        hover(plot, [bars], [("", name), ("depth", "@left to @right %"), ("cycles", "@count{0.0}")])
        items.append((name, [bars]))
        bottom = bottom + count
    if len(items) > 1:
        plots.legend_above(plot, items)
    plot.y_range.update(start=0)
    return plot


def resting_figure(soc: xr.DataArray, *, height: int = 220) -> figure:
    """Share of the time that batteries spend at each state of charge, ``soc`` dims (time, asset) [%]."""
    edges = np.arange(0.0, 101.0, 5.0)
    plot = plots.blank(
        height=height, x_label="State of charge [%]", y_label="Share of the time [%]", tools="", x_range=Range1d(0, 100)
    )
    plot.xaxis.ticker = list(range(0, 101, 20))
    plot.min_border_right = 14  # half of the last label
    items: list[tuple[str, Sequence[Any]]] = []
    assets = [str(one) for one in soc["asset"].values]
    width = 4.2 / len(assets)
    for place, (name, colour) in enumerate(zip(assets, theme.colours(len(assets)), strict=True)):
        values = soc.sel(asset=name).values
        values = values[np.isfinite(values)]
        share = 100.0 * np.histogram(np.clip(values, 0, 99.999), edges)[0] / max(1, len(values))
        left = edges[:-1] + 0.4 + place * width
        source = ColumnDataSource(
            {"left": left, "right": left + width, "top": share, "low": edges[:-1], "high": edges[1:]}
        )
        bars = plot.quad(
            left="left", right="right", bottom=0, top="top", source=source, fill_color=colour, line_color=None
        )
        hover(plot, [bars], [("", name), ("charge", "@low to @high %"), ("time", "@top{0.0} %")])
        items.append((name, [bars]))
    if len(items) > 1:
        plots.legend_above(plot, items)
    plot.y_range.update(start=0)
    return plot


def use_figure(cycles: xr.DataArray, names: Sequence[str], *, height: int = 200) -> figure:
    """Equivalent full cycles by period, ``cycles`` dims (period, asset), the batteries stacked."""
    plot = plots.blank(height=height, x_range=list(names), y_label="Full cycles", tools="")
    plot.xgrid.visible = False
    assets = [str(one) for one in cycles["asset"].values]
    values = np.nan_to_num(cycles.transpose("period", "asset").values)
    # names of assets may hold what a column of Bokeh cannot be called by
    columns = {f"battery{place}": values[:, place] for place in range(len(assets))}
    source = ColumnDataSource({"name": list(names), **columns})
    drawn = plot.vbar_stack(
        list(columns), x="name", width=0.7, source=source, fill_color=theme.colours(len(assets)), line_color="white",
        line_width=0.6,
    )  # fmt: skip
    for asset, column, bars in zip(assets, columns, drawn, strict=True):
        hover(plot, [bars], [("", f"{asset}, @name"), ("full cycles", f"@{column}{{0.00}}")])
    if len(assets) > 1:
        plots.legend_above(plot, [(asset, [bars]) for asset, bars in zip(assets, drawn, strict=True)])
    plot.y_range.update(start=0)
    plot.xaxis.major_label_policy = NoOverlap(min_distance=8)  # of a month's days, those there is room for
    return plot


def flows_of(energy: xr.Dataset) -> list[str]:
    """The flows of a plant that are no trifle, in the order in which they are stacked."""
    total = sum(float(energy[key].sum()) for key in FLOWS)
    return [key for key in FLOWS if float(energy[key].sum()) > 1e-3 * total]


def flow_figure(energy: xr.Dataset, names: Sequence[str], *, height: int = 240, legend: bool = True) -> figure:
    """Where the energy of a plant with panels and battery went, stacked bars by period.

    Parameters
    ----------
    energy
        What ``hybrid_energy`` gives by periods, [kWh].
    names
        Of the periods.
    legend
        False where one stands beside it.
    """
    keys = flows_of(energy)
    values = {key: np.nan_to_num(energy[key].values) for key in keys}
    most = float(np.sum(list(values.values()), axis=0).max(initial=0.0)) if values else 0.0
    factor, units = (1e-3, "MWh") if most >= 3e3 else (1.0, "kWh")
    plot = plots.blank(height=height, x_range=list(names), y_label=f"Energy [{units}]", tools="")
    plot.xgrid.visible = False
    source = ColumnDataSource({"name": list(names), **{key: values[key] * factor for key in keys}})
    drawn = plot.vbar_stack(
        keys, x="name", width=0.74, source=source, fill_color=[FLOWS[key][1] for key in keys], line_color="white",
        line_width=0.6,
    )  # fmt: skip
    for key, bars in zip(keys, drawn, strict=True):
        hover(plot, [bars], [("", "@name"), (FLOWS[key][0], f"@{key}{{0,0.0}} {units}")])
    if legend:
        plots.legend_above(plot, [(FLOWS[key][0], [bars]) for key, bars in zip(keys, drawn, strict=True)])
    plot.y_range.update(start=0)
    plot.xaxis.major_label_policy = NoOverlap(min_distance=8)  # of a month's days, those there is room for
    return plot


def cell_map_figure(
    values: Floats,
    cells: Sequence[str],
    parents: Sequence[str],
    *,
    name: str,
    units: str,
    middle: float | None = None,
    marked: Sequence[str] = (),
    height: int = 0,
) -> figure:
    """A heat map of cells: one square per cell, rows by rack (or battery), so many in a row as fit.

    Parameters
    ----------
    values
        One per cell; missing ones stay blank.
    middle
        The value that is usual: colours go apart from it on both sides. Without it they go from low to high.
    marked
        Cells that get a frame: the weakest.
    """
    order: dict[str, list[int]] = {}
    for place, parent in enumerate(parents):
        order.setdefault(str(parent), []).append(place)
    longest = max(map(len, order.values()), default=1)
    wide = min(longest, 26)
    rows: list[str] = []
    x, y, text = [], [], []
    for parent, places in order.items():
        for start in range(0, len(places), wide):
            row = parent if start == 0 else f"{parent} {start + 1}–{min(start + wide, len(places))}"
            rows.append(row)
            for at, place in enumerate(places[start : start + wide]):
                x.append(at + 1)
                y.append(row)
                text.append(place)
    shown = np.asarray(values, float)[text]
    known = shown[np.isfinite(shown)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    palette: Sequence[str] = theme.SEQUENTIAL
    if middle is not None:
        reach = max(high - middle, middle - low, 1e-9)
        low, high, palette = middle - reach, middle + reach, theme.DIVERGING
    mapper = LinearColorMapper(palette=list(palette), low=low, high=high or 1.0, nan_color="rgba(0,0,0,0)")
    plot = plots.blank(
        height=height or 86 + 24 * len(rows), x_range=Range1d(0.4, wide + 0.6), tools="",
        y_range=FactorRange(factors=list(reversed(rows))), x_label="Place in the row",
    )  # fmt: skip
    plot.grid.visible = False
    frames = ["#000000" if cells[place] in marked else "#ffffff" for place in text]
    source = ColumnDataSource(
        {
            "x": x,
            "y": y,
            "value": shown,
            "cell": [cells[place] for place in text],
            "frame": frames,
            "wide": [2.0 if one == "#000000" else 0.7 for one in frames],
        }
    )
    squares = plot.rect(
        "x", "y", width=0.94, height=0.88, source=source, fill_color={"field": "value", "transform": mapper},
        line_color="frame", line_width="wide",
    )  # fmt: skip
    shown_unit = unit(units)
    hover(plot, [squares], [("", "@cell"), (name, f"@value{{0.0[00]}} {shown_unit}")])
    bar = ColorBar(
        color_mapper=mapper, height=8, width=220, location=(0, 0), title=f"{name} [{shown_unit}]", padding=2,
        title_text_font_size="11px", title_text_font=theme.FONT, title_text_font_style="normal",
        title_text_color=theme.TEXT, major_label_text_font=theme.FONT, major_label_text_font_size="10px",
        background_fill_alpha=0.0, bar_line_color=None, formatter=NumeralTickFormatter(format="0,0.[000]"),
        orientation="horizontal",
    )  # fmt: skip
    plot.add_layout(bar, "above")
    return plot


def interval(value: float, low: float, high: float, *, decimals: int = 1) -> str:
    """``95.2 [93.9, 96.5]``; a dash where nothing is known."""
    if not np.isfinite(value):
        return "–"
    if not (np.isfinite(low) and np.isfinite(high)):
        return number(value, decimals=decimals)
    return f"{number(value, decimals=decimals)} [{number(low, decimals=decimals)}, {number(high, decimals=decimals)}]"
