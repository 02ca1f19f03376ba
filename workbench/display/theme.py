"""Colours, fonts and plot defaults: the one place where they stand.

The look follows ISA-101: a light grey ground, data in muted blues and greys, and strong colour for what is
abnormal only. Colours of states differ in lightness too, and a state is never told by colour alone (see
``workbench.display.states``).

References
----------
ANSI/ISA-101.01-2015, Human Machine Interfaces for Process Automation Systems.
M. Okabe, K. Ito, Color Universal Design (2008): hues that stay apart for colour-blind eyes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

STATIC = Path(__file__).parent / "static"

# -- ground and ink -----------------------------------------------------------------------------------
GROUND = "#dde0e3"  #: behind everything
PANEL = "#f0f1f3"  #: cards, plots
RAISED = "#f9fafb"  #: fields, rows under the pointer
LINE = "#c8cdd2"  #: rules and borders
GRID = "#dcdfe3"  #: grid lines in plots
INK = "#1b2127"  #: numbers and headings
TEXT = "#39424b"  #: running text
MUTED = "#5f6973"  #: labels, units, ages
FAINT = "#828c95"  #: what may be overlooked
BAR = "#2b333b"  #: head of a page
LINK = "#1f4e79"

# -- abnormal: the only strong colours ------------------------------------------------------------------
FAULT = "#c3261b"
REDUCED = "#9f5b00"
MAINTENANCE = "#2b63b8"
OFFLINE = "#434b54"
STALE = "#6f7982"
NORMAL = "#7a858f"  #: operating normally is grey on purpose

#: Series in plots, in this order: muted, apart in lightness, none of them an alarm colour.
SERIES = ("#2f5f8f", "#8aa4bd", "#6f7d3c", "#a98fb4", "#1f7a78", "#9a8062", "#4d4f7c", "#b0b6bc")
MEASURED = SERIES[0]
EXPECTED = "#8b949d"
BAND = "#b9c7d5"

#: Kinds of generation.
KIND = {
    "wind": "#2f5f8f",
    "solar": "#a08a3a",
    "storage": "#7c6a94",
    "battery": "#7c6a94",
    "grid": "#5f6973",
}

#: For matrices of values: light to dark blue, readable in grey.
SEQUENTIAL = ("#eef2f6", "#d5e0ea", "#b4c8da", "#8eacc8", "#668fb5", "#44739f", "#2c5884", "#1b3f64")
#: For deviations: brown is below, blue above, grey is as expected.
DIVERGING = ("#7f4f12", "#b07f45", "#d6b892", "#e9e6e1", "#a9bfd6", "#668fb5", "#2c5884")

FONT = "'Inter', 'Inter Variable', 'Helvetica Neue', Arial, sans-serif"

#: Fonts by role [CSS px].
SIZE = {"label": "11px", "text": "13px", "title": "13px", "value": "22px", "headline": "34px"}


def colours(count: int) -> tuple[str, ...]:
    """``count`` series colours; they repeat after eight."""
    return tuple(SERIES[i % len(SERIES)] for i in range(count))


def css_variables() -> str:
    """The colours as CSS custom properties, for a ``:root`` rule."""
    named = {
        "ground": GROUND,
        "panel": PANEL,
        "raised": RAISED,
        "line": LINE,
        "grid": GRID,
        "ink": INK,
        "text": TEXT,
        "muted": MUTED,
        "faint": FAINT,
        "head": BAR,
        "link": LINK,
        "fault": FAULT,
        "reduced": REDUCED,
        "maintenance": MAINTENANCE,
        "offline": OFFLINE,
        "stale": STALE,
        "normal": NORMAL,
        "measured": MEASURED,
        "band": BAND,
        "wind": KIND["wind"],
        "solar": KIND["solar"],
        "storage": KIND["storage"],
    }
    return " ".join(f"--{name}: {colour};" for name, colour in named.items())


def bokeh_theme() -> Any:
    """The theme for Bokeh figures, as a ``bokeh.themes.Theme``.

    Put it on a document (``curdoc().theme = bokeh_theme()``), or on all plots of a notebook with ``apply``.
    """
    from bokeh.themes import Theme

    return Theme(json={"attrs": _BOKEH})


_AXIS = {
    "axis_label_text_font": FONT,
    "axis_label_text_font_size": SIZE["label"],
    "axis_label_text_font_style": "normal",
    "axis_label_text_color": MUTED,
    "axis_label_standoff": 6,
    "major_label_text_font": FONT,
    "major_label_text_font_size": SIZE["label"],
    "major_label_text_color": MUTED,
    "axis_line_color": LINE,
    "major_tick_line_color": LINE,
    "major_tick_in": 0,
    "major_tick_out": 4,
    "minor_tick_line_color": None,
}
_BOKEH: dict[str, dict[str, Any]] = {
    "figure": {
        "background_fill_color": PANEL,
        "border_fill_color": PANEL,
        "outline_line_color": None,
        "min_border_left": 6,
        "min_border_right": 10,
        "min_border_top": 6,
        "min_border_bottom": 4,
    },
    "Axis": _AXIS,
    "Grid": {"grid_line_color": GRID, "minor_grid_line_color": None},
    "Title": {
        "text_font": FONT,
        "text_font_size": SIZE["title"],
        "text_font_style": "bold",
        "text_color": INK,
        "offset": 0,
    },
    "Legend": {
        "label_text_font": FONT,
        "label_text_font_size": SIZE["label"],
        "label_text_color": TEXT,
        "background_fill_alpha": 0.0,
        "border_line_color": None,
        "glyph_height": 10,
        "glyph_width": 16,
        "spacing": 10,
        "padding": 2,
        "margin": 2,
        "label_standoff": 5,
    },
    "ColorBar": {
        "major_label_text_font": FONT,
        "major_label_text_font_size": SIZE["label"],
        "major_label_text_color": MUTED,
        "title_text_font": FONT,
        "title_text_font_size": SIZE["label"],
        "title_text_font_style": "normal",
        "background_fill_alpha": 0.0,
        "bar_line_color": None,
        "major_tick_line_color": None,
    },
    "Toolbar": {"logo": None, "autohide": True},
}


def apply() -> None:
    """Give every Bokeh, HoloViews and hvPlot picture of this process the look of the workbench.

    For notebooks and reports: one call in the first cell. Loads HoloViews' Bokeh backend.
    """
    import holoviews as hv
    from bokeh.io import curdoc
    from holoviews import opts

    theme = bokeh_theme()
    curdoc().theme = theme
    hv.extension("bokeh", logo=False)
    hv.renderer("bokeh").theme = theme
    cycle = hv.Cycle(list(SERIES))
    frame = {"responsive": True, "min_height": 280, "show_grid": True, "active_tools": []}
    hv.opts.defaults(
        opts.Curve(color=cycle, line_width=1.6, **frame),
        opts.Scatter(color=cycle, size=4, **frame),
        opts.Points(color=cycle, size=4, **frame),
        opts.Bars(color=cycle, line_color=None, **frame),
        opts.Histogram(fill_color=MEASURED, line_color=PANEL, **frame),
        opts.Area(color=cycle, line_color=None, fill_alpha=0.85, **frame),
        opts.HeatMap(cmap=list(SEQUENTIAL), line_color=PANEL, colorbar=True, responsive=True, min_height=280),
        opts.Image(cmap=list(SEQUENTIAL), colorbar=True, responsive=True, min_height=280),
        opts.Overlay(legend_position="top", responsive=True, min_height=280),
        opts.NdOverlay(legend_position="top", responsive=True, min_height=280),
    )


def report_css() -> str:
    """Style sheet for a report (HTML and PDF): the page's colours and type on white, font inlined."""
    import base64

    font = base64.b64encode((STATIC / "inter.woff2").read_bytes()).decode()
    face = (
        "@font-face{font-family:'Inter';font-weight:100 900;font-style:normal;"
        f"src:url(data:font/woff2;base64,{font}) format('woff2');}}\n"
    )
    return face + (STATIC / "report.css").read_text(encoding="utf-8")
