"""The live edge: 100,000 values a second (50 devices × 2,000 floats) into the journal, and out of it into a ring."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.figures import Cost, Figure
from workbench.model.samples import NS, Batch, SeriesKey, Shape
from workbench.model.vocabulary import vocabulary
from workbench.store import LiveRing, SiteStore

KEY = SeriesKey("wind_turbine", "1s")
T0 = 472_222 * 3_600 * NS
SECONDS = 60


def one_second(second: int, devices: int, tags: int, rng: np.random.Generator) -> Batch:
    shape = Shape(KEY, tuple(f"tag_{i}" for i in range(tags)), ("f4",) * tags)
    time_ = np.full(devices, T0 + second * NS, np.int64)
    return Batch(
        shape,
        tuple(f"T{i:03d}" for i in range(devices)),
        time_,
        np.arange(devices, dtype=np.int32),
        time_,
        time_,
        np.ones(devices, np.uint16),
        np.round(rng.normal(100, 3, (devices, tags)), 1),
    )


def figures() -> Iterator[Figure]:
    vocabulary()  # once per process, and not what is measured here
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        site = SiteStore(Path(folder), "bench")
        batches = [one_second(second, 50, 2_000, rng) for second in range(SECONDS)]
        site.journal.append(batches[:1])
        took = []
        with Cost() as cost:
            for batch in batches[1:]:
                began = time.perf_counter()
                site.journal.append([batch])
                took.append((time.perf_counter() - began) * 1e3)
        per = cost.cpu / len(took) * 1e3
        yield Figure("append 100,000 values, CPU", round(per, 2), "ms", 10, note="one batch, one transaction, fsync")
        yield Figure("append 100,000 values, durable after", round(statistics.median(took), 2), "ms", note="median")
        yield Figure("append 100,000 values, durable after, p99", round(float(np.percentile(took, 99)), 2), "ms", 100)

        last = site.journal.last_seq
        with Cost() as cost:
            for _ in range(1000):
                site.journal.since(last)
        yield Figure("ask for news when there is none", round(cost.cpu, 4), "ms", 0.1, note="mean of 1,000")

        ring = LiveRing(site, seconds=900)
        with Cost() as cost:
            ring.load()
        yield Figure("load a ring with 6 M values of the journal", round(cost.wall, 3), "s")
        again = [one_second(SECONDS + i, 50, 2_000, rng) for i in range(20)]
        took = []
        for batch in again:
            site.journal.append([batch])
            with Cost() as cost:
                ring.poll()
            took.append(cost.cpu * 1e3)
        yield Figure("ring takes 100,000 new values", round(statistics.median(took), 2), "ms", 10, note="50 × 2,000")

    with tempfile.TemporaryDirectory() as folder:
        site = SiteStore(Path(folder), "bench")
        ring = LiveRing(site, seconds=900)
        ring.load()
        took = []
        for second in range(50):
            site.journal.append([one_second(second, 50, 200, rng)])
            with Cost() as cost:
                ring.poll()
            took.append(cost.cpu * 1e3)
        yield Figure("ring takes 10,000 new values", round(statistics.median(took), 2), "ms", 10, note="50 × 200")
