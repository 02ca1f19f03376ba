"""La Haute Borne from CSV to a validated, flagged Dataset.

From the zip archive with the CSV inside (41 MB, 420,480 rows) to ``time × asset`` on the regular ten-minute
grid: 105,120 × 4, seven variables and the sample count; duplicates found, range, stuck and gap flags, asset
coordinates. CPU time is that of all threads after the imports, the best of several runs; memory is the peak
of the whole process in the first run, imports included.

The rival is pandas, doing what OpenOA's example does to load the turbines' data (read, offsets to UTC, drop
repeated rows, turbine by turbine), without OpenOA's own import and without any flag; in a process of its own.
"""

from __future__ import annotations

import os

# A second thread of the parser waits by spinning: it costs CPU and wins nothing on a file of this size.
os.environ.setdefault("POLARS_MAX_THREADS", "1")

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Cost, Figure, peak_memory_mb

RUNS = 5
#: Where the archive is, beside the checkout, unless told otherwise.
os.environ.setdefault("WORKBENCH_TEST_DATA", str(Path(__file__).parents[2] / "shared" / "data"))


def figures() -> Iterator[Figure]:
    import dask.array  # noqa: F401  # xarray imports it with the first Dataset
    import numpy as np
    import pandas as pd  # noqa: F401
    import pint  # noqa: F401  # as it does this
    import polars as pl  # noqa: F401
    import xarray as xr

    from workbench.catalog import bridge, open_catalog  # noqa: F401
    from workbench.model.vocabulary import vocabulary
    from workbench.sources import files, tables  # noqa: F401
    from workbench.transforms.quality import flag_quality, gap_table, quality_table

    vocabulary()
    xr.Dataset({"x": ("time", np.zeros(2))})
    entry = open_catalog()["la_haute_borne.scada"]

    times = []
    for run in range(RUNS):
        with Cost() as cost:
            data = flag_quality(entry.read())
        times.append(cost.cpu)
        if run == 0:
            memory = peak_memory_mb()
            said = check(data, quality_table(data), gap_table(data))
        del data
    rival = json.loads(
        subprocess.run(
            [sys.executable, "-m", "benchmarks.la_haute_borne", "--rival", str(entry.reader().files()[0])],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
    )
    every = ", ".join(f"{t:.2f}" for t in times)
    yield Figure(
        "CSV to validated, flagged Dataset",
        min(times),
        "CPU-s",
        target=0.6,
        rival="pandas as OpenOA loads it, no flags",
        rival_value=rival["cpu"],
        note=f"best of {RUNS} ({every}); {said}",
    )
    yield Figure(
        "peak memory",
        memory,
        "MB",
        target=350,
        rival="pandas as OpenOA loads it, no flags",
        rival_value=rival["memory"],
    )


def check(data, table, gaps) -> str:
    """That the work was done; what was found, in words."""
    assert dict(data.sizes) == {"time": 105_120, "asset": 4}, data.sizes
    assert data.attrs["duplicate_rows"] == 48, data.attrs
    flagged = {name: int(table[name].sum()) for name in ("duplicate", "range", "stuck")}
    assert all(flagged.values()), flagged
    words = ", ".join(f"{count:,} {name}" for name, count in flagged.items())
    return f"flags: {words}; {len(gaps):,} gaps"


def rival(path: Path) -> None:
    import pandas as pd

    with Cost() as cost:
        with zipfile.ZipFile(path) as archive, archive.open("la-haute-borne-data-2014-2015.csv") as file:
            scada = pd.read_csv(file)
        scada["Date_time"] = pd.to_datetime(scada["Date_time"], utc=True).dt.tz_localize(None)
        scada = scada.drop_duplicates(subset=["Wind_turbine_name", "Date_time"])
        parts = {name: part.set_index("Date_time").sort_index() for name, part in scada.groupby("Wind_turbine_name")}
        for part in parts.values():
            part["energy_kwh"] = part["P_avg"] / 6
    assert len(parts) == 4
    print(json.dumps({"cpu": cost.cpu, "memory": peak_memory_mb()}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--rival"]:
        rival(Path(sys.argv[2]))
    else:
        for figure in figures():
            print(figure)
