"""The rolling benchmark's rivals compute what we do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CODE = """
import os
os.environ["SCALE_OF_LOAD"] = "0.01"
import numpy as np, polars as pl
from benchmarks import rolling
from workbench.transforms.rolling import rolling_statistics
data = rolling.dataset(3)
features = [{"field": f"field_{n}", "statistics": rolling.STATISTICS} for n in range(rolling.FIELDS)]
ours = rolling_statistics(data, windows=list(rolling.WINDOWS), features=features)
for frame, label in zip(rolling.by_polars(data), ("1h", "24h", "7d"), strict=True):
    for asset in ("T00", "T02"):
        one = frame.sort("asset", "time").filter(pl.col("asset") == asset)
        for name in rolling.STATISTICS:
            mine = ours[f"field_1_{name}_{label}"].sel(asset=asset).values
            theirs = one[f"1_{name}"].to_numpy().astype(float)
            both = np.isfinite(mine) & np.isfinite(theirs)
            assert both.mean() > 0.95, (name, label, both.mean())
            np.testing.assert_allclose(mine[both], theirs[both], rtol=1e-6, atol=1e-6, err_msg=f"{name} {label}")
"""


def test_polars_agrees_with_us(checkout: Path):
    done = subprocess.run([sys.executable, "-c", CODE], cwd=checkout, capture_output=True, text=True, timeout=170)
    assert done.returncode == 0, done.stderr[-2000:]
