"""Modbus at scale: 50 devices × 2,000 float32 at 1 s (100,000 values/s), decoded, into the store, for five minutes.

The devices are a process of their own, so is the collector (``workbench collect`` on a catalog, with its keeper)
and so is the reader whose live ring gives the ages. At the end the store is compared with what the devices said,
value by value: what they say at a second is a function of the second.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import yaml

from benchmarks._modbus_fleet import tag_map, values
from benchmarks.figures import Figure, Watched, free_port
from workbench.model.samples import SeriesKey

DEVICES, TAGS = 50, 2_000
SECONDS = int(os.environ.get("SECONDS_OF_LOAD", "300"))
KEY = SeriesKey("wind_turbine", "1s")


def lay_out(root: Path, port: int) -> None:
    assets = [f"D{i:03d}" for i in range(DEVICES)]
    catalogs = root / "catalogs"
    (catalogs / "portfolio").mkdir(parents=True)
    (catalogs / "tags").mkdir()
    (catalogs / "vocabulary").mkdir()
    site = {
        "id": "fleet", "name": "Fleet", "kind": "wind", "country": "DE", "timezone": "UTC", "latitude": 54.0,
        "longitude": 9.0, "elevation": 10, "grid_frequency_nominal": 50, "capacity": 100_000,
        "assets": [
            {"id": name, "type": "wind_turbine", "latitude": 54.0, "longitude": 9.0, "rated_capacity": 2000}
            for name in assets
        ],
    }  # fmt: skip
    entry = {
        "description": "Devices", "driver": "modbus", "asset_type": "wind_turbine", "cadence": "1s",
        "tags": "tags/fleet.yaml", "host": f"127.0.0.1:{port}", "connection": "device",
        "assets": {name: i + 1 for i, name in enumerate(assets)},
    }  # fmt: skip
    (catalogs / "portfolio" / "fleet.yaml").write_text(yaml.safe_dump(site))
    (catalogs / "tags" / "fleet.yaml").write_text(yaml.safe_dump(tag_map(TAGS)))
    term = {"units": "kW", "name": "a tag", "description": "Made up.", "types": ["wind_turbine"]}
    terms = {"title": "Tags", "terms": dict.fromkeys(tag_map(TAGS)["tags"], term)}  # type: ignore[call-overload]
    (catalogs / "vocabulary" / "fleet.yaml").write_text(yaml.safe_dump(terms))
    (catalogs / "fleet.yaml").write_text(yaml.safe_dump({"site": "fleet", "entries": {"scada": entry}}))


def figures() -> Iterator[Figure]:
    from workbench.demo.ages import AgeWatch
    from workbench.store import LiveRing, SiteStore

    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as ending:
        root, port = Path(folder), free_port()
        lay_out(root, port)
        store = root / "data" / "store"
        command = [sys.executable, "-m", "benchmarks._modbus_fleet", str(port), str(DEVICES), str(TAGS)]
        devices = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        ending.callback(devices.kill)
        assert devices.stdout is not None
        devices.stdout.readline()
        environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
        collector = subprocess.Popen(
            [sys.executable, "-m", "workbench", "collect", "--store", str(store)],
            cwd=root, env=environment, stdout=sys.stderr, stderr=sys.stderr,
        )  # fmt: skip
        ending.callback(collector.kill)
        site = SiteStore(store, "fleet")
        deadline = time.monotonic() + 60
        while (not site.journal_path.exists() or not site.series()) and time.monotonic() < deadline:
            time.sleep(0.2)
        time.sleep(5)  # every device has been found
        ring = LiveRing(site, seconds=30)
        ring.load()
        ages = AgeWatch({"fleet": ring})
        began = int(time.time()) + 1
        usage, keeper, server = Watched(collector.pid), Watched.child_of(collector.pid), Watched(devices.pid)
        ages.start()
        for _ in range(SECONDS):
            time.sleep(1)
            for one in (usage, keeper, server):
                one.look()
        ended = int(time.time()) - 2
        ages.stop()
        shares = {name: one.share for name, one in (("c", usage), ("k", keeper), ("s", server))}
        collector.send_signal(signal.SIGTERM)
        code = collector.wait(120)
        devices.terminate()
        devices.wait(10)
        lost, wrong, twice, expected = compare(site, began, ended)
        p50, p99 = ages.percentiles()
        size = sum(path.stat().st_size for path in (store / "fleet").rglob("*") if path.is_file())
        site.close()
        if code:
            raise RuntimeError(f"the collector ended with {code}")
    about = f"{expected:,} values in {ended - began} s"
    yield Figure("values lost or wrong", lost + wrong, "values", 0, note=about)
    yield Figure("values twice", twice, "values", 0)
    yield Figure("age at a reader's live ring, median", round(p50, 3), "s")
    yield Figure("age at a reader's live ring, p99", round(p99, 3), "s", 1.0)
    yield Figure("collector", round(shares["c"], 3), "core", 1.0, note="reads, decodes, journals")
    yield Figure("collector's memory, most", round(usage.peak_mb), "MB", 1500)
    yield Figure("keeper", round(shares["k"], 3), "core", note="statistics and commits")
    yield Figure("keeper's memory, most", round(keeper.peak_mb), "MB")
    yield Figure("the devices (not ours)", round(shares["s"], 3), "core", note="pymodbus servers")
    yield Figure("on disk at the end", round(size / 1e6), "MB", note="journal and store")


def compare(site: object, began: int, ended: int) -> tuple[int, int, int, int]:
    """Values lost, wrong, twice, expected; in portions."""
    lost = wrong = twice = expected = 0
    numbers = np.arange(DEVICES)
    for first in range(began, ended, 60):
        last = min(first + 60, ended)
        seconds = np.arange(first, last)
        window = slice(first * 10**9, last * 10**9)
        data = site.open(KEY, time=window, quality=False).load()  # type: ignore[attr-defined]
        data = data.reindex(time=seconds.astype("datetime64[s]").astype("datetime64[ns]"))
        data = data.sel(asset=[f"D{i:03d}" for i in numbers])
        true = values(seconds[:, None], numbers[None, :], TAGS)
        for i in range(TAGS):
            got = data[f"tag_{i:04d}"].values
            missing = np.isnan(got)
            lost += int(missing.sum())
            wrong += int((~missing & (got != true[:, :, i].astype(np.float32))).sum())
        expected += true.size
        counts = np.nan_to_num(data["sample_count"].values).astype(np.int64)
        twice += int(np.clip(counts - 1, 0, None).sum()) * TAGS
    return lost, wrong, twice, expected
