"""Plots in the workbench's look: plain functions from arrays to Bokeh figures.

Pages, notebooks and reports draw with these. Values are numpy arrays or xarray objects; times are UTC. Every
axis names its quantity and unit, every plot shows its values under the pointer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from bokeh.models import ColumnDataSource, Range1d
from bokeh.plotting import figure

from workbench.display import theme
from workbench.display.canvas import axis_label as axis_label
from workbench.display.canvas import blank as blank
from workbench.display.canvas import dress as dress
from workbench.display.canvas import hover
from workbench.display.canvas import legend_above as legend_above
from workbench.display.canvas import time_axis as time_axis
from workbench.display.format import unit, words

Array = npt.NDArray[np.float64]


def _label(values: xr.DataArray) -> str:
    return str(values.attrs.get("long_name") or words(str(values.name or "value")))


def trend(
    data: xr.DataArray | Mapping[str, xr.DataArray],
    *,
    height: int = 260,
    title: str = "",
    band: tuple[xr.DataArray, xr.DataArray] | None = None,
    flagged: xr.DataArray | None = None,
    y_label: str = "",
) -> figure:
    """Values over time: one line per asset, or per entry of a mapping.

    Parameters
    ----------
    data
        dims (time) or (time, asset); or a mapping of labels to (time) arrays that share a unit.
    band
        Lower and upper (time), such as minimum and maximum within ten minutes: a band behind the line.
    flagged
        Boolean (time): where a value carries a quality flag; drawn as open marks. For a single line.

    Returns
    -------
    bokeh.plotting.figure
        Time in UTC on the horizontal axis.
    """
    lines = _lines(data)
    first = next(iter(lines.values()))
    single = len(lines) == 1
    label = y_label or axis_label(_label(first) if not isinstance(data, Mapping) else "", first.attrs.get("units"))
    plot = blank(height=height, time=True, title=title, y_label=label)
    if band is not None:
        low, high = band
        source = ColumnDataSource({"time": low["time"].values, "low": low.values, "high": high.values})
        plot.varea("time", "low", "high", source=source, fill_color=theme.BAND, fill_alpha=0.55)
    items = []
    shown = unit(first.attrs.get("units"))
    for (name, line), colour in zip(lines.items(), theme.colours(len(lines)), strict=True):
        source = ColumnDataSource({"time": line["time"].values, "value": np.asarray(line.values, dtype=float)})
        drawn = plot.line("time", "value", source=source, line_color=colour, line_width=1.5)
        items.append((name, [drawn]))
        rows = [("time", "@time{%F %T} UTC"), ("" if single else name, f"@value{{0,0.00}} {shown}")]
        hover(plot, [drawn], rows, mode="vline" if single else "mouse")
    if flagged is not None and bool(flagged.any()):
        bad = first.where(flagged, drop=True)
        marks = plot.scatter(
            bad["time"].values, bad.values, size=5, marker="circle", fill_color=None, line_color=theme.REDUCED
        )
        items.append(("flagged", [marks]))
    if len(items) > 1:
        legend_above(plot, items)
    return plot


def _lines(data: xr.DataArray | Mapping[str, xr.DataArray]) -> dict[str, xr.DataArray]:
    if isinstance(data, Mapping):
        return dict(data)
    if "asset" in data.dims:
        return {str(asset): data.sel(asset=asset) for asset in data["asset"].values}
    return {_label(data): data}


def stacked(data: Mapping[str, xr.DataArray], *, height: int = 260, title: str = "", y_label: str = "") -> figure:
    """Parts of a whole over time, as stacked areas, in the order of ``data`` from the bottom up.

    Parameters
    ----------
    data
        Labels to (time) arrays on the same times, in the same unit. Missing values count as nothing.
    """
    first = next(iter(data.values()))
    units = first.attrs.get("units")
    columns: dict[str, Any] = {"time": first["time"].values}
    columns |= {name: np.nan_to_num(np.asarray(part.values, dtype=float)) for name, part in data.items()}
    source = ColumnDataSource(columns)
    plot = blank(height=height, time=True, title=title, y_label=y_label or axis_label("", units).strip())
    areas = plot.varea_stack(list(data), x="time", source=source, fill_color=theme.colours(len(data)), fill_alpha=0.85)
    legend_above(plot, [(name, [area]) for name, area in zip(data, areas, strict=True)])
    top = ColumnDataSource({"time": columns["time"], "total": sum(columns[name] for name in data)})
    line = plot.line("time", "total", source=top, line_color=theme.INK, line_width=1.2)
    hover(plot, [line], [("time", "@time{%F %H:%M} UTC"), ("total", f"@total{{0,0.0}} {unit(units)}")], mode="vline")
    return plot


def power_curve(
    wind_speed: xr.DataArray | Array,
    power: xr.DataArray | Array,
    *,
    expected: tuple[Array, Array] | None = None,
    binned: tuple[Array, Array] | None = None,
    flagged: npt.NDArray[np.bool_] | None = None,
    units: str = "kW",
    height: int = 320,
    title: str = "",
) -> figure:
    """Power over wind speed: points as measured, the curve that was expected, the mean of the bins.

    Parameters
    ----------
    wind_speed, power
        Same shape; wind speed [m/s], power in ``units``.
    expected
        Wind speed [m/s] and power of the reference curve.
    binned
        Wind speed [m/s] and mean power per bin, as IEC 61400-12-1 makes them.
    flagged
        Points left out of an analysis; drawn lighter.
    """
    speed, made = np.ravel(np.asarray(wind_speed, float)), np.ravel(np.asarray(power, float))
    keep = np.isfinite(speed) & np.isfinite(made)
    out = np.zeros_like(keep) if flagged is None else np.ravel(flagged)
    plot = blank(
        height=height,
        title=title,
        x_label="Wind speed [m/s]",
        y_label=axis_label("Power", units),
        tools="pan,wheel_zoom,box_zoom,reset",
        output_backend="webgl" if keep.sum() > 20_000 else "canvas",
    )
    items = []
    if (keep & out).any():
        marks = plot.scatter(speed[keep & out], made[keep & out], size=3, color=theme.STALE, alpha=0.35)
        items.append(("left out", [marks]))
    alpha = float(np.clip(400.0 / max(1, int(keep.sum())), 0.12, 0.6))
    points = plot.scatter(speed[keep & ~out], made[keep & ~out], size=3.5, color=theme.MEASURED, alpha=alpha)
    items.append(("measured", [points]))
    if expected is not None:
        line = plot.line(*expected, line_color=theme.INK, line_width=1.6, line_dash=[5, 3])
        items.append(("expected", [line]))
    if binned is not None:
        line = plot.line(*binned, line_color=theme.REDUCED, line_width=2)
        dots = plot.scatter(*binned, size=5, color=theme.REDUCED)
        items.append(("mean of bin", [line, dots]))
        hover(plot, [dots], [("wind speed", "@x{0.0} m/s"), ("power", f"@y{{0,0}} {units}")])
    legend_above(plot, items)
    plot.x_range.start = 0
    return plot


def rose_table(
    direction: xr.DataArray | Array, speed: xr.DataArray | Array, *, sectors: int = 16, edges: Sequence[float] = ()
) -> tuple[Array, list[str]]:
    """Share of time by sector and class of wind speed.

    Parameters
    ----------
    direction
        Where the wind comes from [degree], clockwise from north.
    speed
        [m/s], same shape.
    sectors
        Number of sectors; the first is centred on north.
    edges
        Lower edges of the speed classes [m/s]; by default 0, 4, 8, 12, 16.

    Returns
    -------
    shares, labels
        [sectors, classes] fractions of the finite samples, that add up to 1; labels of the classes.
    """
    lower = np.asarray(edges or (0.0, 4.0, 8.0, 12.0, 16.0))
    angle, fast = np.ravel(np.asarray(direction, float)), np.ravel(np.asarray(speed, float))
    keep = np.isfinite(angle) & np.isfinite(fast)
    width = 360.0 / sectors
    sector = (np.floor((angle[keep] + width / 2) / width).astype(int)) % sectors
    klass = np.clip(np.searchsorted(lower, fast[keep], side="right") - 1, 0, len(lower) - 1)
    counts = np.zeros((sectors, len(lower)))
    np.add.at(counts, (sector, klass), 1.0)
    labels = [f"{a:g}–{b:g} m/s" for a, b in pairwise(lower)] + [f"≥ {lower[-1]:g} m/s"]
    return counts / max(1.0, counts.sum()), labels


def wind_rose(
    direction: xr.DataArray | Array,
    speed: xr.DataArray | Array,
    *,
    sectors: int = 16,
    edges: Sequence[float] = (),
    height: int = 320,
    title: str = "",
) -> figure:
    """How often the wind blows from where, and how fast; see ``rose_table`` for the parameters."""
    shares, labels = rose_table(direction, speed, sectors=sectors, edges=edges)
    most = float(shares.sum(axis=1).max()) or 0.1
    step = next(s for s in (0.02, 0.05, 0.1, 0.2, 0.5) if most / s <= 4.2 or s == 0.5)
    rim = np.ceil(most / step) * step
    side = height - 44  # a circle stays a circle whatever the width of the page
    plot = figure(
        frame_width=side,
        frame_height=side,
        align="center",
        tools="",
        title=title or None,
        x_range=Range1d(-1.18 * rim, 1.18 * rim),
        y_range=Range1d(-1.18 * rim, 1.18 * rim),
    )
    dress(plot)
    plot.axis.visible = False
    plot.grid.visible = False
    rings = np.arange(step, rim + step / 2, step)
    plot.circle(np.zeros_like(rings), np.zeros_like(rings), radius=rings, fill_color=None, line_color=theme.GRID)
    colours = theme.SEQUENTIAL[2:]
    width = 2 * np.pi / sectors
    inner = np.zeros(sectors)
    middle = np.pi / 2 - np.arange(sectors) * width
    names = [_COMPASS[round(i * 16 / sectors) % 16] for i in range(sectors)]
    items = []
    for k, label in enumerate(labels):
        outer = inner + shares[:, k]
        source = ColumnDataSource(
            {
                "inner": inner,
                "outer": outer,
                "start": middle - 0.44 * width,
                "end": middle + 0.44 * width,
                "sector": names,
                "share": shares[:, k] * 100,
                "total": shares.sum(axis=1) * 100,
            }
        )
        wedges = plot.annular_wedge(
            x=0,
            y=0,
            inner_radius="inner",
            outer_radius="outer",
            start_angle="start",
            end_angle="end",
            source=source,
            fill_color=colours[min(k, len(colours) - 1)],
            line_color=theme.PANEL,
            line_width=0.5,
        )
        rows = [("from", "@sector"), (label, "@share{0.0} %"), ("all speeds", "@total{0.0} %")]
        hover(plot, [wedges], rows)
        items.append((label, [wedges]))
        inner = outer
    text = {
        "text_font": {"value": theme.FONT},
        "text_font_size": "11px",
        "text_align": "center",
        "text_baseline": "middle",
    }
    for i, name in enumerate("NESW"):
        angle = np.pi / 2 - i * np.pi / 2
        plot.text(1.1 * rim * np.cos(angle), 1.1 * rim * np.sin(angle), [name], text_color=theme.TEXT, **text)
    at = np.deg2rad(67.5)
    plot.text(
        rings * np.cos(at),
        rings * np.sin(at),
        [f"{100 * r:.0f} %" for r in rings],
        text_color=theme.MUTED,
        **(text | {"text_font_size": "10px"}),
    )
    legend_above(plot, items)
    return plot


_COMPASS = ("N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW")


def bars(
    labels: Sequence[str],
    values: Mapping[str, Array] | Array,
    *,
    units: str = "",
    height: int = 260,
    title: str = "",
    y_label: str = "",
) -> figure:
    """Values by category: one bar per label, or stacked bars where ``values`` is a mapping of parts."""
    parts = dict(values) if isinstance(values, Mapping) else {"value": np.asarray(values, float)}
    plot = blank(
        height=height,
        title=title,
        x_range=list(labels),
        y_label=y_label or axis_label("", units).strip(),
        tools="",
    )
    plot.xgrid.visible = False
    source = ColumnDataSource({"label": list(labels), **{k: np.nan_to_num(v) for k, v in parts.items()}})
    drawn = plot.vbar_stack(
        list(parts), x="label", width=0.72, source=source, fill_color=theme.colours(len(parts)), line_color=None
    )
    for name, renderer in zip(parts, drawn, strict=True):
        head = name if len(parts) > 1 else (y_label or "value")
        hover(plot, [renderer], [("", "@label"), (head, f"@{{{name}}}{{0,0.0}} {unit(units)}")])
    if len(parts) > 1:
        legend_above(plot, [(name, [renderer]) for name, renderer in zip(parts, drawn, strict=True)])
    if all(np.nanmin(v, initial=0.0) >= 0 for v in parts.values()):
        plot.y_range.start = 0
    return plot


def heatmap(
    values: Array,
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    units: str = "",
    name: str = "value",
    low: float | None = None,
    high: float | None = None,
    diverging: bool = False,
    height: int = 280,
    title: str = "",
) -> figure:
    """A matrix of values as colours, rows from the top down.

    Parameters
    ----------
    values
        [rows, columns]; missing values stay blank.
    low, high
        Ends of the colour scale; the data's by default (symmetric about zero where ``diverging``).
    """
    from bokeh.models import BasicTicker, ColorBar, LinearColorMapper

    grid = np.asarray(values, float)
    finite = grid[np.isfinite(grid)]
    bottom = low if low is not None else (float(finite.min()) if finite.size else 0.0)
    top = high if high is not None else (float(finite.max()) if finite.size else 1.0)
    if diverging and low is None and high is None:
        top = max(abs(bottom), abs(top)) or 1.0
        bottom = -top
    if not top > bottom:
        top = bottom + 1.0
    plot = blank(height=height, title=title, x_range=list(columns), y_range=list(reversed(rows)), tools="")
    plot.grid.visible = False
    mapper = LinearColorMapper(
        palette=list(theme.DIVERGING if diverging else theme.SEQUENTIAL),
        low=bottom,
        high=top,
        nan_color="rgba(0,0,0,0)",
    )
    row, column = np.meshgrid(np.arange(len(rows)), np.arange(len(columns)), indexing="ij")
    source = ColumnDataSource(
        {
            "row": [rows[i] for i in row.ravel().tolist()],
            "column": [columns[j] for j in column.ravel().tolist()],
            "value": grid.ravel(),
        }
    )
    cells = plot.rect(
        "column",
        "row",
        width=1,
        height=1,
        source=source,
        fill_color={"field": "value", "transform": mapper},
        line_color=theme.PANEL,
    )
    hover(plot, [cells], [("", "@row, @column"), (name, f"@value{{0,0.00}} {unit(units)}")])
    plot.add_layout(
        ColorBar(
            color_mapper=mapper,
            width=9,
            title=unit(units) or None,
            ticker=BasicTicker(desired_num_ticks=5),
            **theme._BOKEH["ColorBar"],
        ),
        "right",
    )
    return plot
