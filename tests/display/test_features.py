"""What pipelines made, as the asset page shows it."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.catalog import open_catalog
from workbench.display import format as fmt
from workbench.display.parts.features import asset_features, results_of
from workbench.pipelines import load_pipeline
from workbench.pipelines.incremental import advance
from workbench.store import SiteStore

SPEC = {
    "pipeline_id": "FEATURES",
    "name": "Features <of> the turbine",
    "steps": [
        {
            "type": "data_quality_flagging",
            "rules": [{"field": "wind_speed", "rule": "physical_limit", "parameters": {"max": 40}}],
        },
        {
            "type": "rolling_statistics",
            "windows": ["PT1H"],
            "features": [{"field": "gearbox_oil_temp", "statistics": ["mean", "trend"], "output_prefix": "oil"}],
        },
        {
            "type": "conditional_classification",
            "field_name": "oil",
            "conditions": [
                {"condition": "oil_mean_1h > 60", "value": "hot"},
                {"condition": "DEFAULT", "value": "normal"},
            ],
        },
    ],
}


@pytest.fixture
def live(tmp_path, checkout):
    """A store with two days of ten-minute data of two turbines, and what a pipeline made of it."""
    n = 288
    times = pd.date_range("2026-03-01", periods=n, freq="10min", unit="ns")
    wind = np.full((n, 2), 8.0)
    wind[250:253, 0] = 99.0
    oil = np.column_stack([np.linspace(50, 70, n), np.full(n, 50.0)])
    data = xr.Dataset(
        {"wind_speed": (("time", "asset"), wind), "gearbox_oil_temp": (("time", "asset"), oil, {"units": "degC"})},
        coords={"time": times, "asset": ["NR-T01", "NR-T02"]},
    )
    store = SiteStore(tmp_path / "store", "north_ridge")
    store.import_dataset("wind_turbine/10min", data)
    store.close()
    (tmp_path / "spec.json").write_text(json.dumps(SPEC))
    catalog = open_catalog(checkout / "catalogs", store=tmp_path / "store")
    folder = tmp_path / "store" / "north_ridge" / "results" / "features"
    advance(load_pipeline(tmp_path / "spec.json"), "north_ridge/wind_turbine/10min", folder, catalog=catalog)
    now = SimpleNamespace(time=int(times[-1].value) + 900 * 10**9)
    return SimpleNamespace(root=tmp_path / "store", now=now, remember=lambda key, work, seconds: work())


def test_flags_and_features_of_the_last_day(live):
    (made,) = results_of(live, "north_ridge", "NR-T01")
    assert made.pipeline == "Features <of> the turbine"
    assert made.flags == (("wind_speed", "range", 3),)
    found = {feature.name: feature for feature in made.features}
    assert set(found) == {"oil_mean_1h", "oil_trend_1h", "oil"}
    assert found["oil_mean_1h"].value == pytest.approx(69.8, abs=0.2)
    assert len(found["oil_mean_1h"].course) == 144
    assert fmt.unit(found["oil_trend_1h"].units) == "°C/h"
    assert found["oil"].value == "hot"
    (other,) = results_of(live, "north_ridge", "NR-T02")
    assert other.flags == ()
    assert results_of(live, "north_ridge", "NR-T09") == []


def test_the_part_shows_them(live):
    html = asset_features(live, "north_ridge", "NR-T01").render(live.now)
    assert "Features &lt;of&gt; the turbine" in html
    assert "<b>wind_speed</b> 3 range" in html
    assert "Hot" in html
    assert "°C/h" in html
    assert "none flagged" in asset_features(live, "north_ridge", "NR-T02").render(live.now)
    nothing = asset_features(live, "north_ridge", "NR-T09").render(live.now)
    assert "workbench schedule" in nothing
