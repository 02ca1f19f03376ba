"""A month of 1 Hz data of one site: ten-minute means of 20 tags and a power curve, lazily.

Written by the benchmark: 20 turbines × 20 tags × 30 days, 1,037 M values with some missing, 4.1 GB decoded, four times
what the analysis may use. It runs in a process of its own: by threads, then unchanged on a local Dask cluster of two
workers, and in the rival's way: every tag read whole for each day with plain xarray from the same Zarr arrays, resampled
by pandas.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks.figures import Cost, Figure, peak_memory_mb

#: A thirtieth, one of the days, does in a test of this module.
SCALE = float(os.environ.get("SCALE_OF_LOAD", "1"))
DAYS, ASSETS, TAGS = max(1, round(30 * SCALE)), 20, 20
T0 = 1_735_689_600  # 2025-01-01 UTC [s]
RATED = 2_050.0  #: of each turbine [kW]
BOUND = 1_024.0  #: of memory [MB]


def figures() -> Iterator[Figure]:
    values = DAYS * 86_400 * ASSETS * TAGS
    with tempfile.TemporaryDirectory() as folder:
        with Cost() as cost:
            write(Path(folder))
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
        about = f"{values / 1e6:,.0f} M values, {size / values:.2f} B/value, {values * 4 / 1e9:.1f} GB decoded"
        yield Figure(f"write {DAYS} days", round(cost.wall), "s", note=about)
        ways = {way: child(folder, way) for way in ("threads", "cluster", "pandas")}
    lazy, cluster, rival = ways["threads"], ways["cluster"], ways["pandas"]
    name = "xarray and pandas, a day at a time"
    for label, of, unit, target in (
        ("10-min means of 20 tags and power curve", "wall", "s", None),
        ("CPU of it", "cpu", "s", None),
        ("its memory, most", "memory", "MB", BOUND),
    ):
        yield Figure(label, round(lazy[of], 1), unit, target, rival=name, rival_value=round(rival[of], 1))
    about = f"and {cluster['start']:.1f} s for its start"
    yield Figure("unchanged on a cluster of two workers", round(cluster["wall"], 1), "s", note=about)
    yield Figure("CPU of it, cluster and start", round(cluster["cpu"], 1), "s")
    about = f"{cluster['memory']:.0f} MB in the process that asks"
    yield Figure("memory of its largest worker", round(cluster["worker"]), "MB", BOUND, note=about)
    yield Figure("results that differ from those of threads, bit by bit", int(lazy["bits"] != cluster["bits"]), "", 0)
    assert len(lazy["sums"]) == len(rival["sums"]) > TAGS
    worst = max(abs(a - b) / max(abs(b), 1) for a, b in zip(lazy["sums"], rival["sums"], strict=True))
    yield Figure("means that differ from the rival's, relative", float(f"{worst:.1g}"), "1", 1e-5, note="float32 means")
    # A mean that differs in its seventh digit may fall into the next bin.
    moved = sum(abs(a - b) for a, b in zip(lazy["periods"], rival["periods"], strict=True)) / 2
    about = f"of {sum(lazy['periods']):,}"
    yield Figure("periods in another bin of the curve than the rival's", moved, "", DAYS * ASSETS * 0.144, note=about)


def write(folder: Path) -> None:
    """The month, a day at a time through the store's import: wind that wanders, power by a curve, drifting tags."""
    import numpy as np
    import xarray as xr

    from workbench.store import SiteStore

    site = SiteStore(folder, "month")
    rng = np.random.default_rng(1)
    last = rng.normal(50, 5, (TAGS, ASSETS))
    for day in range(DAYS):
        times = ((T0 + day * 86_400 + np.arange(86_400)) * 10**9).astype("datetime64[ns]")
        steps = rng.standard_normal((TAGS, 86_400, ASSETS), dtype=np.float32)
        walk = np.cumsum(steps * np.float32(0.02), axis=1) + last[:, None]
        last = 50 + 0.9 * (walk[:, -1] - 50)
        steps = walk + rng.standard_normal((86_400, ASSETS), dtype=np.float32) * np.float32(0.3)
        wind = np.abs(steps[0] - 42)
        power = RATED * np.clip((wind / 12) ** 3, 0, 1)
        names = ["wind_speed", "power_output", *(f"tag_{i:02d}" for i in range(TAGS - 2))]
        content = [wind, power, *steps[2:]]
        for asset in range(ASSETS):  # each is silent for some minutes a day, a tag for some more
            first, tag = rng.integers(80_000), rng.integers(TAGS)
            for each in content:
                each[first : first + 1_000, asset] = np.nan
            content[tag][first : first + 3_000, asset] = np.nan
        data = xr.Dataset(
            {n: (("time", "asset"), np.round(v, 1).astype(np.float32)) for n, v in zip(names, content, strict=True)},
            coords={"time": times, "asset": [f"T{i:02d}" for i in range(ASSETS)]},
        )
        site.import_dataset(site_key(), data)
    site.close()


def site_key():  # type: ignore[no-untyped-def]
    from workbench.model.samples import SeriesKey

    return SeriesKey("wind_turbine", "1s")


def analysis(data):  # type: ignore[no-untyped-def]
    """Ten-minute means (time, asset) of every tag, and the power curve by bins of 0.5 m/s: mean power, periods."""
    import dask
    import numpy as np
    import xarray as xr

    means = data.coarsen(time=600, boundary="trim").mean()
    number = np.floor(means["wind_speed"] / 0.5 + 0.5)
    curve = []
    for each in range(51):
        power = means["power_output"].where(number == each)
        curve.append(xr.Dataset({"power": power.mean(), "periods": power.count()}))
    return dask.compute(means, xr.concat(curve, dim=xr.Variable("wind_speed", 0.5 * np.arange(51))))


def by_pandas(folder: str):  # type: ignore[no-untyped-def]
    """The same from the same files, as it is done without a lazy Dataset."""
    import icechunk
    import numpy as np
    import pandas as pd
    import xarray as xr

    storage = icechunk.local_filesystem_storage(f"{folder}/month/telemetry")
    session = icechunk.Repository.open(storage).readonly_session("main")
    data = xr.open_zarr(session.store, group="wind_turbine/1s", consolidated=False, chunks=None)
    names = [name for name in data.data_vars if name != "sample_count"]
    parts = []
    for day in range(DAYS):
        one = data[names].isel(time=slice(day * 86_400, (day + 1) * 86_400)).load()
        frames = {name: one[name].to_pandas().resample("10min").mean() for name in names}
        parts.append(pd.concat(frames, axis=1))
    frame = pd.concat(parts)
    number = np.floor(frame["wind_speed"].to_numpy() / 0.5 + 0.5)
    power = frame["power_output"].to_numpy()
    inside = [power[number == each] for each in range(51)]
    inside = [each[~np.isnan(each)] for each in inside]
    return frame, [each.mean() if len(each) else np.nan for each in inside], [len(each) for each in inside]


def run(folder: str, way: str) -> dict[str, object]:
    import hashlib

    import numpy as np

    from workbench.store import SiteStore

    found: dict[str, object] = {}
    with Cost() as all_of_it, ExitStack() as stack:
        if way == "cluster":
            with Cost() as start:
                from distributed import Client, LocalCluster

                here = LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None)
                client = stack.enter_context(Client(stack.enter_context(here)))
            found["start"] = start.wall
        with Cost() as cost:
            if way == "pandas":
                frame, curve, periods = by_pandas(folder)
                names = sorted(set(frame.columns.get_level_values(0)))
                values = [frame[name].to_numpy() for name in names]
            else:
                data = SiteStore(folder, "month").open(site_key(), quality=False).drop_vars("sample_count")
                means, lines = analysis(data)
                values = [means[name].transpose("time", "asset").values for name in sorted(means.data_vars)]
                curve, periods = lines["power"].values, lines["periods"].values
        if way == "cluster":
            found["worker"] = max(client.run(peak_memory_mb).values())
    content = [np.ascontiguousarray(each).tobytes() for each in [*values, np.array(curve), np.array(periods)]]
    # What is compared with other software: means by tag, asset and hour of the day.
    hourly = [np.nanmean(each.reshape(DAYS, 24, 6, -1).astype(float), axis=(0, 2)).ravel() for each in values]
    return found | {
        "wall": cost.wall,
        "cpu": all_of_it.cpu,  # workers count when they have ended
        "memory": peak_memory_mb(),
        "bits": hashlib.sha256(b"".join(content)).hexdigest(),
        "sums": np.concatenate(hourly).tolist(),
        "periods": [int(each) for each in periods],
    }


def child(folder: str, way: str) -> dict:  # type: ignore[type-arg]
    """Run one way in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.store_month", folder, way]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


if __name__ == "__main__":
    print(json.dumps(run(*sys.argv[1:3])))
