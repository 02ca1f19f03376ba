"""Figures of solar plants: performance by day with degradation and soiling, when a cleaning pays, faults, availability.

Plain functions from what :mod:`workbench.analytics.solar` finds to Bokeh figures, as :mod:`workbench.display.figures`; notebooks,
the report and the page draw with the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from bokeh.models import ColumnDataSource, DatetimeTickFormatter, Range1d, Span

from workbench.display import plots, theme
from workbench.display.canvas import hover
from workbench.display.format import words

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from bokeh.plotting import figure

Floats = npt.NDArray[np.float64]

#: What happens in operation, and can be changed: the rest of a waterfall is of the sky, the modules and the design.
OPERATION = ("soiling", "snow", "shading", "string", "tracker", "mppt", "grid_outage", "downtime", "curtailment")
_NAMES = {
    "dc_wiring": "DC wiring",
    "mppt": "MPPT",
    "string": "Strings",
    "tracker": "Trackers",
    "communication": "Not recorded",
    "total_ac_power": "AC power",
    "total_dc_power": "DC power",
    "total_dc_current": "DC current",
    "total_dc_voltage": "DC voltage",
    "irradiance_poa": "Irradiance, plane",
    "irradiance_ghi": "Irradiance, horizontal",
    "irradiance_dni": "Irradiance, beam",
    "irradiance_dhi": "Irradiance, diffuse",
    "irradiance_rear": "Irradiance, rear",
}
#: Categories of availability in the order they are stacked, with their colours; nights are left out.
AVAILABILITY = {
    "running": theme.MEASURED,
    "communication_loss": theme.SERIES[3],
    "inverter_outage": theme.REDUCED,
    "plant_outage": theme.SERIES[1],
    "grid_outage": theme.SERIES[4],
    "unknown": theme.BAND,
}


def title_of(name: str) -> str:
    """A category or a field as it stands in a table or on an axis."""
    return _NAMES.get(name, words(name))


def operation_losses(waterfall: pd.DataFrame) -> pd.DataFrame:
    """The rows of a loss waterfall that are of operation, see :data:`OPERATION`."""
    return waterfall.loc[[name for name in OPERATION if name in waterfall.index]]


def index_figure(daily: xr.Dataset, told: xr.Dataset, asset: str, *, height: int = 260) -> figure:
    """Performance index of each day, and medians of a month of what it is with clean modules and with their soiling.

    Parameters
    ----------
    daily
        What ``daily_performance`` gives: ``performance_index``.
    told
        ``daily`` of what ``degradation_and_soiling`` gives.
    """
    index = daily["performance_index"].sel(asset=asset)
    clean = told["clean_index"].sel(asset=asset).values
    ratio = told["soiling_ratio"].sel(asset=asset).values
    plot = plots.blank(height=height, time=True, y_label="Made over expected", tools="")
    plot.min_border_right = 24
    dots = plot.scatter(index["time"].values, index.values, size=3, color=theme.BAND, line_color=None, fill_alpha=0.9)
    time = told["time"].values
    soiled = plot.line(time, _smooth(clean * ratio), line_color=theme.REDUCED, line_width=1.4)
    line = plot.line(time, _smooth(clean), line_color=theme.MEASURED, line_width=2)
    plot.xaxis.formatter = _dates()
    known = np.concatenate([index.values, clean])
    known = known[np.isfinite(known)]
    if known.size:
        low, high = (float(one) for one in np.quantile(known, (0.01, 0.99)))
        pad = max(0.15 * (high - low), 0.02)
        plot.y_range = Range1d(start=max(0.0, low - pad), end=high + pad)
    plots.legend_above(plot, [("a day", [dots]), ("clean modules", [line]), ("with soiling", [soiled])])
    return plot


def _smooth(values: Floats, days: int = 31) -> Floats:
    """Medians about each day."""
    import pandas as pd

    found: Floats = pd.Series(values).rolling(days, center=True, min_periods=days // 3).median().to_numpy(np.float64)
    return found


def _dates() -> DatetimeTickFormatter:
    return DatetimeTickFormatter(hours="%H:%M", days="%-d %b", months="%b %Y", years="%Y")


def soiling_figure(ratio: xr.DataArray, *, height: int = 220, most: int = 8) -> figure:
    """Soiling ratio of each inverter over time, those most soiled first, ``ratio`` dims (time, asset) [1]."""
    plot = plots.blank(height=height, time=True, y_label="Soiling ratio", tools="")
    plot.xaxis.formatter = _dates()
    plot.min_border_right = 24
    order = np.argsort(np.nan_to_num(ratio.mean("time").values, nan=2.0))[:most]
    items: list[tuple[str, Sequence[Any]]] = []
    for place, colour in zip(order, theme.colours(len(order)), strict=True):
        name = str(ratio["asset"].values[place])
        source = ColumnDataSource({"x": ratio["time"].values, "y": ratio.isel(asset=int(place)).values})
        line = plot.line("x", "y", source=source, line_color=colour, line_width=1.6)
        hover(plot, [line], [("", name), ("", "@x{%d %b %Y}"), ("", "@y{0.000}")])
        items.append((name, [line]))
    if len(items) > 1:
        plots.legend_above(plot, items)
    return plot


def outlook_figure(outlook: xr.Dataset, *, currency: str, height: int = 220, most: int = 8) -> figure:
    """Gain of a cleaning on each day to come, after its cost [currency], a line per inverter; above zero it pays."""
    plot = plots.blank(height=height, time=True, y_label=f"Gain of a cleaning [{currency}]", tools="")
    plot.xaxis.formatter = _dates()
    plot.min_border_right = 24
    plot.add_layout(Span(location=0, dimension="width", line_color=theme.MUTED, line_width=1))
    gain = outlook["gain"]
    order = np.argsort(-np.nan_to_num(gain.max("day").values, nan=-np.inf))[:most]
    items: list[tuple[str, Sequence[Any]]] = []
    for place, colour in zip(order, theme.colours(len(order)), strict=True):
        name = str(outlook["asset"].values[place])
        values = gain.isel(asset=int(place)).values
        source = ColumnDataSource({"x": outlook["day"].values, "y": values})
        line = plot.line("x", "y", source=source, line_color=colour, line_width=1.6)
        hover(plot, [line], [("", name), ("", "@x{%d %b %Y}"), ("gain", f"@y{{0,0}} {currency}")])
        parts: list[Any] = [line]
        if np.isfinite(values).any():
            best = int(np.nanargmax(values))
            parts.append(plot.scatter([outlook["day"].values[best]], [values[best]], size=8, color=colour))
        items.append((name, parts))
    if len(items) > 1:
        plots.legend_above(plot, items)
    return plot


def availability_hours(category: xr.DataArray, hours: float) -> dict[str, Floats]:
    """Hours of daylight in each category of availability, by asset.

    Parameters
    ----------
    category
        ``availability_category`` of ``solar_availability``, (time, asset).
    hours
        Length of a slot [h].
    """
    names = str(category.attrs["flag_meanings"]).split()
    codes = category.transpose("time", "asset").values
    found = {name: (codes == place).sum(axis=0) * hours for place, name in enumerate(names)}
    return {name: found[name] for name in AVAILABILITY if name in found and found[name].sum() > 0}


def period_figure(
    times: npt.NDArray[np.datetime64], lines: Mapping[str, Floats], *, label: str, height: int = 230
) -> figure:
    """Values by day, month or year, a line for each name."""
    from workbench.display.wind_figures import course_figure

    plot = course_figure(times, lines, label=label, height=height)
    plot.xaxis.formatter = _dates()
    if len(times) <= 14:
        # a tick at each of the few
        plot.xaxis.ticker = [float(one.astype("datetime64[ms]").astype(np.int64)) for one in times]
        monthly = bool(np.all(times.astype("datetime64[M]").astype(times.dtype) == times))
        form = "%b %Y" if monthly and len(times) <= 7 else "%b" if monthly else "%-d %b"
        plot.xaxis.formatter = DatetimeTickFormatter(hours=form, days=form, months=form, years=form)
    return plot


def course_of(figures_by: xr.Dataset, names: Mapping[str, str]) -> dict[str, Floats]:
    """Key figures of a plant by period as lines in percent: field to its label, those that are there."""
    one = figures_by.isel(group=0) if "group" in figures_by.dims else figures_by
    return {
        label: 100.0 * one[name].values
        for name, label in names.items()
        if name in one and bool(one[name].notnull().any())
    }


_KINDS = {"mppt": "MPPT", "dc": "DC side"}


def fault_rows(events: pd.DataFrame, most: int) -> list[str]:
    """Assets of the faults that took most, at most so many, the largest first."""
    return list(dict.fromkeys(map(str, events["asset"])))[:most]


def class_words(fault: str, kind: str) -> str:
    """A fault in words, with what it is of where that does not say it: ``Stuck (tracker)``, ``Open string``."""
    return f"{words(fault)} ({ {'mppt': 'MPPT', 'dc': 'DC side'}.get(kind, kind) })".replace("( ", "(").replace(
        " )", ")"
    )
