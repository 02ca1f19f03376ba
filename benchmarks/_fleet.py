"""What the benchmarks of collection share: a project, a collector, a reader, and the comparison with what was said.

The devices say values that are functions of second, device and tag, so that nothing has to be written down to
compare the store with it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.figures import Figure, Watched
from workbench.model.samples import SeriesKey

SITE = "fleet"
ASSET_TYPE = "wind_turbine"
KEY = SeriesKey(ASSET_TYPE, "1s")


def seconds_of_load(default: int) -> int:
    """How long to collect [s]; ``SECONDS_OF_LOAD`` overrides it."""
    return int(os.environ.get("SECONDS_OF_LOAD", default))


def asset(device: int) -> str:
    return f"D{device:03d}"


def tag(number: int) -> str:
    return f"tag_{number:04d}"


def values(second: np.ndarray | int, device: np.ndarray | int, tags: int) -> np.ndarray:
    """What a device says at a second [..., tags]: exact in float32, another number each second and for each tag."""
    whole = (np.asarray(second) + 97 * np.asarray(device)) % 4096
    return whole[..., None] + np.arange(tags) / 2048.0


def lay_out(root: Path, devices: int, tags: int, tag_map: Mapping[str, Any], entry: Mapping[str, Any]) -> None:
    """A project with one site and one live entry; ``entry`` has what is the driver's own."""
    catalogs = root / "catalogs"
    for folder in ("portfolio", "tags", "vocabulary"):
        (catalogs / folder).mkdir(parents=True)
    site = {
        "id": SITE, "name": "Fleet", "kind": "wind", "country": "DE", "timezone": "UTC", "latitude": 54.0,
        "longitude": 9.0, "elevation": 10, "grid_frequency_nominal": 50, "capacity": 100_000,
        "assets": [
            {"id": asset(i), "type": ASSET_TYPE, "latitude": 54.0, "longitude": 9.0, "rated_capacity": 2000}
            for i in range(devices)
        ],
    }  # fmt: skip
    term = {"units": "kW", "name": "a tag", "description": "Made up.", "types": [ASSET_TYPE]}
    terms = {"title": "Tags", "terms": {tag(i): term for i in range(tags)}}
    common = {"description": "Devices", "asset_type": ASSET_TYPE, "cadence": "1s", "tags": "tags/fleet.yaml"}
    catalog = {"site": SITE, "entries": {"scada": common | dict(entry)}}
    for path, content in (
        ("portfolio/fleet.yaml", site),
        ("tags/fleet.yaml", dict(tag_map)),
        ("vocabulary/fleet.yaml", terms),
        ("fleet.yaml", catalog),
    ):
        (catalogs / path).write_text(yaml.safe_dump(content))


@dataclass
class Outcome:
    """What a run gave."""

    seconds: int
    expected: int
    lost: int
    wrong: int
    twice: int
    age_p50: float
    age_p99: float
    collector: Watched
    keeper: Watched
    device: Watched
    disk_mb: float

    def figures(self, *, age: float, cores: float, memory: float | None = None, devices: str) -> Iterator[Figure]:
        """The figures, against targets for the age at the 99th percentile [s], CPU [cores] and memory [MB]."""
        about = f"{self.expected:,} values in {self.seconds} s"
        yield Figure("values lost or wrong", self.lost + self.wrong, "values", 0, note=about)
        yield Figure("values twice", self.twice, "values", 0)
        yield Figure("age at a reader's live ring, median", round(self.age_p50, 3), "s")
        yield Figure("age at a reader's live ring, p99", round(self.age_p99, 3), "s", age)
        yield Figure("collector", round(self.collector.share, 3), "core", cores, note="reads, decodes, journals")
        yield Figure("collector's memory, most", round(self.collector.peak_mb), "MB", memory)
        yield Figure("keeper", round(self.keeper.share, 3), "core", note="statistics and commits")
        yield Figure("keeper's memory, most", round(self.keeper.peak_mb), "MB")
        yield Figure("the devices (not ours)", round(self.device.share, 3), "core", note=devices)
        yield Figure("on disk at the end", round(self.disk_mb), "MB", note="journal and store")


def run(
    module: str,
    arguments: Sequence[object],
    *,
    devices: int,
    tags: int,
    tag_map: Mapping[str, Any],
    entry: Mapping[str, Any],
    seconds: int,
    silent: Sequence[int] = (),
) -> Outcome:
    """Start devices (``python -m module arguments``) and collector, wait, stop, compare.

    ``silent`` are devices that never answer: they are not expected to be there.
    """
    from workbench.demo.ages import AgeWatch
    from workbench.store import LiveRing, SiteStore

    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as ending:
        root = Path(folder)
        store = root / "store"
        lay_out(root, devices, tags, tag_map, entry)
        command = [sys.executable, "-m", module, *map(str, arguments)]
        speaking = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        ending.callback(speaking.kill)
        assert speaking.stdout is not None
        if not speaking.stdout.readline():
            raise RuntimeError("the devices did not start")
        collector = subprocess.Popen(
            [sys.executable, "-m", "workbench", "collect", "--store", str(store)],
            cwd=root, env={**os.environ, "PYTHONPATH": str(Path.cwd())}, stdout=sys.stderr, stderr=sys.stderr,
        )  # fmt: skip
        ending.callback(collector.kill)
        site = SiteStore(store, SITE)
        deadline = time.monotonic() + 90
        while len(_there(site)) < devices - len(silent):
            if time.monotonic() > deadline or collector.poll() is not None:
                raise RuntimeError("the collector did not find the devices")
            time.sleep(0.2)
        time.sleep(5)
        ring = LiveRing(site, seconds=30)
        ring.load()
        ages = AgeWatch({SITE: ring})
        began = int(time.time()) + 1
        watched = (Watched(collector.pid), Watched.child_of(collector.pid), Watched(speaking.pid))
        ages.start()
        for _ in range(seconds):
            time.sleep(1)
            for one in watched:
                one.look()
        ended = int(time.time()) - 3
        ages.stop()
        collector.send_signal(signal.SIGTERM)
        if code := collector.wait(120):
            raise RuntimeError(f"the collector ended with {code}")
        speaking.terminate()
        speaking.wait(20)
        size = sum(path.stat().st_size for path in (store / SITE).rglob("*") if path.is_file())
        lost, wrong, twice, expected = compare(site, began, ended, [i for i in range(devices) if i not in silent], tags)
        site.close()
        p50, p99 = ages.percentiles()
        return Outcome(ended - began, expected, lost, wrong, twice, p50, p99, *watched, disk_mb=size / 1e6)


def _there(site: Any) -> tuple[str, ...]:
    found = [info.assets for info in site.series() if info.key == KEY] if site.journal_path.exists() else []
    return found[0] if found else ()


def compare(site: Any, began: int, ended: int, devices: Sequence[int], tags: int) -> tuple[int, int, int, int]:
    """Values lost, wrong, twice, expected, from second ``began`` until before ``ended``; in portions."""
    lost = wrong = twice = expected = 0
    numbers = np.array(devices)
    for first in range(began, ended, 60):
        seconds = np.arange(first, min(first + 60, ended))
        window = slice(int(seconds[0]) * 10**9, (int(seconds[-1]) + 1) * 10**9)
        data = site.open(KEY, time=window, assets=[asset(i) for i in devices], quality=False).load()
        data = data.reindex(time=seconds.astype("datetime64[s]").astype("datetime64[ns]"))
        true = values(seconds[:, None], numbers[None, :], tags).astype(np.float32)
        for i in range(tags):
            got = data[tag(i)].values
            missing = np.isnan(got)
            lost += int(missing.sum())
            wrong += int((~missing & (got != true[:, :, i])).sum())
        expected += true.size
        counts = np.nan_to_num(data["sample_count"].values).astype(np.int64)
        twice += int(np.clip(counts - 1, 0, None).sum()) * tags
    return lost, wrong, twice, expected
