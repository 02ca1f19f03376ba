from __future__ import annotations

import json
import logging

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from bokeh.core.validation import check_integrity
from bokeh.embed import json_item

from workbench.display import plots, theme


@pytest.fixture
def wind():
    time = pd.date_range("2025-01-01", periods=200, freq="10min")
    values = 8 + 3 * np.sin(np.arange(200) / 30)
    return xr.DataArray(
        values,
        dims="time",
        coords={"time": time},
        name="wind_speed",
        attrs={"units": "m s-1", "long_name": "Wind speed"},
    )


def figures(wind):
    rng = np.random.default_rng(1)
    both = xr.concat([wind, wind + 1], dim=pd.Index(["A", "B"], name="asset"))
    return {
        "trend": plots.trend(wind, band=(wind - 1, wind + 1), flagged=wind > 10),
        "trend of assets": plots.trend(both.transpose("time", "asset")),
        "stacked": plots.stacked({"a": wind, "b": wind * 2}),
        "power curve": plots.power_curve(
            wind, wind**3, expected=(np.arange(20.0), np.arange(20.0) ** 3), binned=(np.arange(5.0), np.arange(5.0))
        ),
        "wind rose": plots.wind_rose(rng.uniform(0, 360, 300), rng.weibull(2, 300) * 8),
        "bars": plots.bars(["Jan", "Feb"], {"x": np.array([1.0, 2.0]), "y": np.array([np.nan, 1.0])}, units="MWh"),
        "heat map": plots.heatmap(rng.random((3, 4)) - 0.5, rows=list("abc"), columns=list("wxyz"), diverging=True),
        "empty heat map": plots.heatmap(np.full((1, 1), np.nan), rows=["a"], columns=["b"]),
    }


def test_figures_are_sound(wind, caplog):
    for name, figure in figures(wind).items():
        with caplog.at_level(logging.WARNING, logger="bokeh"):
            found = check_integrity(figure.references())
        assert not found.error, name
        assert json.dumps(json_item(figure, theme=theme.bokeh_theme()))


def test_axes_name_quantity_and_unit(wind):
    assert plots.trend(wind).yaxis[0].axis_label == "Wind speed [m/s]"
    assert plots.axis_label("Power", "kW") == "Power [kW]"
    assert plots.axis_label("Factor", "1") == "Factor"


def test_figures_carry_the_theme(wind):
    figure = plots.trend(wind)
    assert figure.background_fill_color == theme.PANEL
    assert figure.toolbar.logo is None
    assert figure.yaxis[0].major_label_text_font == theme.FONT


def test_colours_repeat_and_are_not_alarm_colours():
    assert len(theme.colours(20)) == 20
    assert not set(theme.SERIES) & {theme.FAULT, theme.REDUCED, theme.MAINTENANCE}


def test_theme_applies_to_holoviews(wind):
    hv = pytest.importorskip("holoviews")
    theme.apply()
    figure = hv.render(hv.Curve(wind.values))
    assert figure.renderers[0].glyph.line_color in theme.SERIES
    assert hv.renderer("bokeh").theme is not None


def test_report_css_holds_its_font():
    css = theme.report_css()
    assert "data:font/woff2;base64," in css
    assert "http" not in css


def test_the_font_comes_with_its_licence():
    assert "SIL Open Font License" in (theme.STATIC / "inter-LICENSE.txt").read_text(encoding="utf-8")
    assert (theme.STATIC / "inter.woff2").stat().st_size < 150_000
