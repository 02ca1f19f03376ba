"""The empty figure in the workbench's look: axes with quantity and unit, legend, what the pointer shows.

``plots`` and ``figures`` draw on it; use it for drawings of your own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bokeh.models import (
    DataRange1d,
    DatetimeTickFormatter,
    HoverTool,
    Legend,
    LegendItem,
    NoOverlap,
    NumeralTickFormatter,
    Range1d,
)
from bokeh.plotting import figure

from workbench.display import theme
from workbench.display.format import unit


def time_axis() -> Any:
    """A formatter for time axes: clock times, and the date where it changes."""
    return DatetimeTickFormatter(
        milliseconds="%H:%M:%S",
        seconds="%H:%M:%S",
        minsec="%H:%M:%S",
        minutes="%H:%M",
        hourmin="%H:%M",
        hours="%H:%M",
        days="%d %b",
        months="%b %Y",
        years="%Y",
        context=DatetimeTickFormatter(hours="%d %b", hourmin="%d %b", minutes="%d %b", days="%Y", minsec="%d %b"),
        context_which="start",
        hide_repeats=False,
    )


def axis_label(name: str, units: str | None) -> str:
    """``Wind speed [m/s]``; the name alone where there is no unit."""
    shown = unit(units)
    return f"{name} [{shown}]" if shown else name


def blank(
    *,
    height: int = 280,
    time: bool = False,
    x_label: str = "",
    y_label: str = "",
    title: str = "",
    tools: str = "xpan,xwheel_zoom,box_zoom,reset",
    **options: Any,
) -> figure:
    """An empty figure in the workbench's look that takes the width it is given.

    Parameters
    ----------
    height
        [px]
    time
        The horizontal axis is time (UTC).
    """
    plot = figure(
        height=height,
        sizing_mode="stretch_width",
        x_axis_type="datetime" if time else "auto",
        tools=tools,
        title=title or None,
        **options,
    )
    dress(plot)
    plot.xaxis.axis_label = x_label or None
    plot.yaxis.axis_label = y_label or None
    if time:
        plot.xaxis.formatter = time_axis()
        plot.xaxis.major_label_policy = NoOverlap(min_distance=8)  # on a phone there is no room for all of them
    elif isinstance(plot.x_range, DataRange1d | Range1d):
        plot.xaxis.formatter = NumeralTickFormatter(format="0,0.[00]")
    if isinstance(plot.y_range, DataRange1d | Range1d):
        plot.yaxis.formatter = NumeralTickFormatter(format="0,0.[000]")
    return plot


def dress(plot: figure) -> figure:
    """Put the theme's attributes on ``plot`` itself, so that it looks the same in any document."""
    for name, values in theme._BOKEH.items():
        targets: Sequence[Any]
        if name == "figure":
            targets = [plot]
        elif name == "Axis":
            targets = plot.axis
        elif name == "Grid":
            targets = plot.grid
        elif name == "Toolbar":
            targets = [plot.toolbar]
        elif name == "Title" and plot.title is not None:
            targets = [plot.title]
        else:
            continue
        for target in targets:
            target.update(**values)
    return plot


def legend_above(plot: figure, items: Sequence[tuple[str, Sequence[Any]]]) -> None:
    """A one-line legend above the plot; clicking an entry hides what it names."""
    legend = Legend(
        items=[LegendItem(label=label, renderers=list(renderers)) for label, renderers in items],
        orientation="horizontal",
        click_policy="hide",
        location="top_left",
        **theme._BOKEH["Legend"],
    )
    plot.add_layout(legend, "above")


def hover(plot: figure, renderers: Sequence[Any], rows: Sequence[tuple[str, str]], *, mode: str = "mouse") -> None:
    """Show ``rows`` of (label, value) at the pointer; ``@time`` is written as a time."""
    plot.add_tools(
        HoverTool(
            renderers=list(renderers),
            tooltips=list(rows),
            formatters={"@time": "datetime"},
            mode=mode,
            point_policy="follow_mouse",
        )
    )
