"""Plots of the workbench in a notebook, below each other or side by side, with titles and legends."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from workbench.display import theme

if TYPE_CHECKING:
    import panel as pn
    from bokeh.plotting import figure

#: A mark by its kind, as inline style with a place for the colour.
_MARKS = {
    "area": "width:11px;height:11px;background:{0}",
    "dot": "width:8px;height:8px;border-radius:4px;background:{0}",
    "line": "width:18px;border-top:2px solid {0};vertical-align:middle",
    "dash": "width:18px;border-top:2px dashed {0};vertical-align:middle",
}


def side_by_side(
    *plots: figure,
    titles: Sequence[str] = (),
    legends: Sequence[Sequence[tuple[str, str, str]]] = (),
    columns: int = 0,
) -> pn.GridBox | pn.Column:
    """Plots as one output of a cell, after :func:`workbench.display.theme.apply`.

    Parameters
    ----------
    titles
        One per plot, drawn as the plot's own.
    legends
        One per plot, of (colour, ``area``, ``dot``, ``line`` or ``dash``, text), as the charts of
        :mod:`workbench.display.performance_charts` have them; below the plot.
    columns
        Plots beside each other; all if left out.
    """
    import panel as pn

    cells: list[Any] = []
    for place, plot in enumerate(plots):
        if place < len(titles):
            plot.title = titles[place]  # Bokeh makes a Title of it
            plot.title.update(**theme._BOKEH["Title"])
        parts: list[Any] = [pn.pane.Bokeh(plot, sizing_mode="stretch_width")]  # type: ignore[no-untyped-call]
        if place < len(legends) and legends[place]:
            text = legend(legends[place])
            parts.append(pn.pane.HTML(text, sizing_mode="stretch_width"))  # type: ignore[no-untyped-call]
        cells.append(pn.Column(*parts, sizing_mode="stretch_width"))
    if len(cells) == 1:
        return cells[0]  # type: ignore[no-any-return]
    return pn.GridBox(*cells, ncols=columns or len(cells), sizing_mode="stretch_width")


def legend(entries: Sequence[tuple[str, str, str]]) -> str:
    """HTML of a legend: (colour, kind of mark, text) each."""
    marks = [
        f'<span style="display:inline-block;margin-right:5px;{_MARKS[kind].format(colour)}"></span>{escape(text)}'
        for colour, kind, text in entries
    ]
    style = f"font:12px {theme.FONT},sans-serif;color:{theme.MUTED}"
    return f'<div style="{style}">' + " &ensp; ".join(marks) + "</div>"
