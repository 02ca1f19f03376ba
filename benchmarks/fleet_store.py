"""The specification's portfolio through journal and store: 500 turbines × 200 tags at 1 s and 100,000 panels at 5 s.

Batches are generated, a simulated second after the other as fast as it goes, appended to the journal, and turned into
statistics and store by the keeper with a clock that runs as the samples do. A *share of a core* is CPU time by
simulated time: 0.1 means that a tenth of one core keeps up. Memory is the process's largest, so each size runs in a
process of its own. Values wander like measured ones and have a sensor's resolution.

The table shows how cost grows with tags, assets and hours, three sizes each.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure, peak_memory_mb

#: What a fiftieth of the full load does in a test of this module.
SCALE = float(os.environ.get("SCALE_OF_LOAD", "1"))
#: Hours of the whole portfolio; memory does not grow with them, once a chunk is full.
FULL_HOURS = 1.0


def figures() -> Iterator[Figure]:
    wind = child("wind_turbine", "1s", 500, 200, FULL_HOURS)
    solar = child("panel", "5s", 100_000, 3, FULL_HOURS)
    both = {name: wind[name] + solar[name] for name in wind}
    rate = both["values"] / 1e6 / FULL_HOURS / 3600
    about = f"{both['values'] / 1e6:,.0f} M values of {FULL_HOURS * SCALE:g} h, {rate / SCALE:.2f} M values/s"
    yield Figure("journal, share of a core", round(both["append"], 3), "core", 1.0, note=about)
    yield Figure("statistics and store, share of a core", round(both["keep"], 3), "core", 1.0, note="a keeper per site")
    yield Figure("memory, most: wind site", round(wind["memory"]), "MB")
    yield Figure("memory, most: solar site", round(solar["memory"]), "MB")
    yield Figure("store", round(both["bytes"] / both["stored"], 2), "B/value", 4.0)
    yield Figure("files an hour", round(both["files"] / FULL_HOURS / SCALE), "files")
    for words, sizes in (
        ("tags", [(125, tags, 0.5) for tags in (50, 100, 200)]),
        ("assets", [(assets, 50, 0.5) for assets in (125, 250, 500)]),
        ("hours", [(50, 50, hours) for hours in (1.0, 2.0, 4.0)]),
    ):
        for assets, tags, hours in sizes:
            found = child("wind_turbine", "1s", assets, tags, hours)
            share = (found["append"] + found["keep"]) * 1e3
            about = f"{found['memory']:.0f} MB, {found['bytes'] / 1e6:.1f} MB on disk in {found['files']:.0f} files"
            name = f"growth with {words}: {assets} × {tags}, {hours * SCALE:g} h"
            yield Figure(name, round(share, 2), "1/1000 core", note=about)


def child(asset_type: str, cadence: str, assets: int, tags: int, hours: float) -> dict[str, float]:
    """Run one size in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.fleet_store", asset_type, cadence]
    command += [str(assets), str(tags), str(hours * SCALE)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return {name: float(value) for name, value in json.loads(done.stdout.splitlines()[-1]).items()}


def run(asset_type: str, cadence: str, assets: int, tags: int, hours: float) -> dict[str, float]:
    import time

    import numpy as np

    from workbench.model.samples import NS, Batch, SeriesKey, Shape
    from workbench.model.time import Cadence
    from workbench.store import Keeper, SiteStore
    from workbench.store.grid import grid_of

    key = SeriesKey(asset_type, cadence)
    step = Cadence.parse(cadence).ns
    shape = Shape(key, tuple(f"tag_{i:03d}" for i in range(tags)), ("f4",) * tags)
    names = tuple(f"A{i:06d}" for i in range(assets))
    rng = np.random.default_rng(1)
    now = [1_700_006_400 * NS]
    values = rng.normal(100, 20, (assets, tags))
    spend = {"append": 0.0, "keep": 0.0}
    with tempfile.TemporaryDirectory() as folder:
        site = SiteStore(Path(folder), "bench")
        keeper = Keeper(site, now=lambda: now[0])
        order, ones = np.arange(assets, dtype=np.int32), np.ones(assets, np.uint16)
        ticks = int(hours * 3600e9 / step)
        total = 0
        for tick in range(ticks):
            values += rng.standard_normal((assets, tags), dtype=np.float32) * 0.2
            stamp = np.full(assets, now[0], np.int64)
            batch = Batch(shape, names, stamp, order, stamp, stamp, ones, np.round(values, 1))
            began = time.process_time()
            site.journal.append([batch])
            spend["append"] += time.process_time() - began
            total += assets * tags
            now[0] += step
            if tick % max(1, 60 * NS // step) == 0:
                began = time.process_time()
                keeper.step()
                spend["keep"] += time.process_time() - began
        now[0] += grid_of(cadence).span + 100 * NS  # every chunk is over: the rest is committed too
        began = time.process_time()
        for _ in range(3):
            keeper.step()
            now[0] += 200 * NS
        spend["keep"] += time.process_time() - began
        keeper.close()
        info = site.info()
        files = sum(1 for path in (site.folder / "telemetry").rglob("*") if path.is_file())
        # Statistics wait in the journal until their thirty days are full; the series itself has gone to the store.
        assert not any(one.journal_values for one in info.series if one.key == key), "left in the journal"
        site.close()
        seconds = ticks * step / 1e9
        return {
            "values": total,
            "stored": info.values,
            "append": spend["append"] / seconds,
            "keep": spend["keep"] / seconds,
            "memory": peak_memory_mb(),
            "bytes": info.bytes,
            "files": files,
        }


if __name__ == "__main__":
    kind, cadence, *numbers = sys.argv[1:6]
    print(json.dumps(run(kind, cadence, int(numbers[0]), int(numbers[1]), float(numbers[2]))))
