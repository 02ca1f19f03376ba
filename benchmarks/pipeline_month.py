"""A pipeline over a month of 1 Hz data of one site, lazily, from the store to a file; and kept up to date day by day.

20 turbines × 30 days in the store, written by the benchmark. The pipeline flags, rolls over an hour, classifies by a
condition that must hold for twenty minutes, aggregates by ten minutes, and what it made goes to Zarr: 52 M rows. It runs
in a process of its own. Then the same as a result that is kept up to date: the whole month once, and again after a late
correction of one minute.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Cost, Figure, peak_memory_mb

#: A thirtieth, one of the days, does in a test of this module.
SCALE = float(os.environ.get("SCALE_OF_LOAD", "1"))
DAYS, ASSETS = max(1, round(30 * SCALE)), 20
T0 = 1_735_689_600  # 2025-01-01 UTC [s]
BOUND = 1_500.0  #: of memory [MB]
SPEC = """
pipeline_id: MONTH
steps:
  - type: data_quality_flagging
    rules:
      - {field: power_output, rule: range_check, parameters: {min: -50, max: 2100}}
      - {field: wind_speed, rule: stuck_value, parameters: {time_window: PT10M}}
  - type: rolling_statistics
    windows: [PT1H]
    features: [{field: wind_speed, statistics: [mean, stddev]}]
  - type: statistical_aggregation
    time_window: PT10M
    aggregations: [{field: power_output, function: mean, output: power_10min}]
  - type: conditional_classification
    field_name: state
    conditions:
      - {condition: wind_speed > 11 FOR PT20M, value: windy}
      - {condition: DEFAULT, value: normal}
"""


def figures() -> Iterator[Figure]:
    rows = DAYS * 86_400 * ASSETS
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        once = child(folder, "once")
        yield Figure(f"pipeline over {DAYS} days, {rows / 1e6:,.0f} M rows", round(once["wall"], 1), "s")
        yield Figure("CPU of it", round(once["cpu"], 1), "s")
        yield Figure("its memory, most", round(once["memory"]), "MB", BOUND)
        first = child(folder, "first")
        yield Figure("the same as a result, all days", round(first["wall"], 1), "s", note=f"{first['made']} days made")
        yield Figure("its memory, most", round(first["memory"]), "MB", BOUND)
        again = child(folder, "again")
        about = f"{again['made']} days made"
        yield Figure("after a correction of one minute", round(again["wall"], 1), "s", note=about)
        nothing = child(folder, "nothing")
        yield Figure(
            "when nothing has changed", round(nothing["wall"], 2), "s", 2.0, note=f"{nothing['made']} days made"
        )


def write(folder: Path) -> None:
    import numpy as np
    import xarray as xr

    from workbench.store import SiteStore

    site = SiteStore(folder / "store", "month")
    rng = np.random.default_rng(1)
    last = np.full(ASSETS, 9.0)
    for day in range(DAYS):
        steps = rng.standard_normal((86_400, ASSETS), dtype=np.float32) * np.float32(0.03)
        wind = np.abs(np.cumsum(steps, axis=0) + last)
        last = 9 + 0.9 * (wind[-1] - 9)
        wind[rng.random(wind.shape) < 0.002] = np.nan
        power = 2_050 * np.clip((wind / 12) ** 3, 0, 1)
        data = xr.Dataset(
            {
                "wind_speed": (("time", "asset"), np.round(wind, 1).astype(np.float32)),
                "power_output": (("time", "asset"), np.round(power).astype(np.float32)),
            },
            coords={
                "time": ((T0 + day * 86_400 + np.arange(86_400)) * 10**9).astype("datetime64[ns]"),
                "asset": [f"T{i:02d}" for i in range(ASSETS)],
            },
        )
        site.import_dataset("wind_turbine/1s", data)
    site.close()
    (folder / "catalogs" / "portfolio").mkdir(parents=True)
    (folder / "catalogs" / "portfolio" / "month.yaml").write_text(
        "id: month\nname: Month\nkind: wind\ntimezone: UTC\nlatitude: 50\nlongitude: 8\nelevation: 200\n"
        "grid_frequency_nominal: 50\ncapacity: 40000\nassets:\n  - {id: T00, type: wind_turbine}\n"
    )
    (folder / "spec.yaml").write_text(SPEC)


def correct(folder: Path) -> None:
    import numpy as np
    import xarray as xr

    from workbench.store import SiteStore

    at = T0 + (DAYS // 2) * 86_400 + 43_200
    times = ((at + np.arange(60)) * 10**9).astype("datetime64[ns]")
    values = (("time", "asset"), np.full((60, 1), 12.5, np.float32))
    site = SiteStore(folder / "store", "month")
    site.import_dataset("wind_turbine/1s", xr.Dataset({"wind_speed": values}, coords={"time": times, "asset": ["T03"]}))
    site.close()


def work(folder: Path, way: str) -> None:
    from workbench.catalog import open_catalog
    from workbench.pipelines import load_pipeline
    from workbench.pipelines.execute import execute

    if way == "again":
        correct(folder)
    with Cost() as cost:
        catalog = open_catalog(folder / "catalogs", store=folder / "store")
        goal = str(folder / "out.zarr") if way == "once" else "month/results/features"
        report = execute(load_pipeline(folder / "spec.yaml"), "month/wind_turbine/1s", goal, catalog=catalog)
    made = report.counts.get("made", DAYS)
    print(json.dumps({"cpu": cost.cpu, "wall": cost.wall, "memory": peak_memory_mb(), "made": made}))


def child(folder: str, way: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.pipeline_month", folder, way]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    work(Path(sys.argv[1]), sys.argv[2])
