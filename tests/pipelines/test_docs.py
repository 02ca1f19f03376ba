"""What docs/pipelines.md says, is so."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import xarray as xr

from workbench.pipelines import load_pipeline, run
from workbench.steps import steps


def test_the_example_runs_and_every_step_is_named(checkout, tmp_path):
    text = (checkout / "docs" / "pipelines.md").read_text()
    (example,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    path = tmp_path / "gearbox.json"
    path.write_text(example)
    data = xr.Dataset(
        {"gearbox_oil_temp": (("time", "asset"), np.full((12, 1), 85.0))},
        coords={"time": pd.date_range("2025-01-01", periods=12, freq="10min"), "asset": ["A"]},
    )
    found = run(load_pipeline(path), data)
    assert found["gearbox"].values[-1, 0] == "hot"
    assert "oil_trend_7d" in found
    assert set(re.findall(r"`(\w+)`", text)) >= set(steps())
