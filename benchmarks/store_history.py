"""History: import, commit from the journal, size, and reading it back.

Signals: slow drift plus noise, rounded to a tenth, as SCADA sends them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr

from benchmarks.figures import Cost, Figure
from workbench.model.samples import NS, Batch, SeriesKey, Shape
from workbench.model.vocabulary import vocabulary
from workbench.store import SiteStore
from workbench.store.commit import commit_chunks

KEY = SeriesKey("wind_turbine", "1s")
T0 = 472_222 * 3_600 * NS


def signal(slots: int, assets: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = np.cumsum(rng.normal(0, 0.05, (slots, assets)), axis=0) + rng.normal(0, 0.3, (slots, assets)) + 50
    return np.round(x, 1).astype(np.float32)


def dataset(slots: int, assets: int, tags: int) -> xr.Dataset:
    times = (T0 + np.arange(slots, dtype=np.int64) * NS).view("datetime64[ns]")
    return xr.Dataset(
        {f"tag_{i}": (("time", "asset"), signal(slots, assets, i)) for i in range(tags)},
        coords={"time": times, "asset": [f"T{i:03d}" for i in range(assets)]},
    )


def figures() -> Iterator[Figure]:
    vocabulary()  # once per process, and not what is measured here
    with tempfile.TemporaryDirectory() as folder:
        data = dataset(4 * 3600, 6, 60)
        site = SiteStore(Path(folder), "bench")
        with Cost() as cost:
            site.import_dataset(KEY, data)
        yield Figure("import 6 turbines × 60 tags × 4 h at 1 Hz", round(cost.wall, 2), "s", 2.0)
        yield Figure("size of noisy data in tenths", round(site.info().bytes_per_value, 2), "B/value", 2.0)
        with Cost() as cost:
            site.open(KEY)
        yield Figure("open a series of 60 tags, cold", round(cost.wall * 1e3, 1), "ms")
        with Cost() as cost:
            site.open(KEY, quality=False)
        yield Figure("open a series of 60 tags, again", round(cost.wall * 1e3, 1), "ms")

    with tempfile.TemporaryDirectory() as folder:
        site = SiteStore(Path(folder), "bench")
        site.import_dataset(KEY, dataset(86_400, 50, 2))
        opened = site.open(KEY, variables=["tag_1"], quality=False)
        with Cost() as cost:
            values = opened["tag_1"].load()
        with Cost() as more:
            values.coarsen(time=600).mean()
        about = f"4.3 M values, {cost.wall:.2f} s of it to read them"
        yield Figure(
            "one tag × 50 assets × 1 day and its 10-min mean", round(cost.wall + more.wall, 3), "s", 1.0, note=about
        )

    with tempfile.TemporaryDirectory() as folder:
        assets, tags = 50, 200
        site = SiteStore(Path(folder), "bench")
        values = np.stack([signal(3600, assets, i) for i in range(tags)], axis=2)
        shape = Shape(KEY, tuple(f"tag_{i}" for i in range(tags)), ("f4",) * tags)
        names = tuple(f"T{i:03d}" for i in range(assets))
        for second in range(0, 3600, 10):
            site.journal.append([_second(shape, names, s, values[s]) for s in range(second, second + 10)])
        size = values.size
        del values
        with Cost() as cost:
            report = commit_chunks(site, {KEY: [T0 // (3600 * NS)]})
        assert report.values == size
        yield Figure(
            "commit an hour of 50 assets × 200 tags", round(size / cost.cpu / 1e6, 1), "M values/CPU-s", 10, "more"
        )
        with site.view() as view:
            (chunk,) = view.journal.chunks(KEY)
        with Cost() as cost:
            site.journal.trim(KEY, chunk.chunk, chunk.seq_max)
        yield Figure("trim it from the journal, CPU", round(cost.cpu, 2), "s", note=f"{report.rows:,} rows")
        yield Figure("size in the store", round(site.info().bytes_per_value, 2), "B/value", 4.0)


def _second(shape: Shape, assets: tuple[str, ...], second: int, values: np.ndarray) -> Batch:
    n = len(assets)
    time = np.full(n, T0 + second * NS, np.int64)
    return Batch(
        shape, assets, time, np.arange(n, dtype=np.int32), time, time, np.ones(n, np.uint16), values.astype(float)
    )
