"""The disk runs full and has room again: nothing acknowledged is lost, and it goes on by itself."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from workbench.collect.intake import SiteIntake
from workbench.model.samples import NS, Batch, Sample, SeriesKey, Shape
from workbench.store import Keeper, SiteStore

KEY = SeriesKey("wind_turbine", "1s")
NAMES = tuple(f"x{i}" for i in range(2000))
SHAPE = Shape(KEY, NAMES, ("f4",) * len(NAMES))


@pytest.fixture
def small_disk(tmp_path: Path, require) -> Iterator[Path]:
    """A file system of 24 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m,huge=never", "tmpfs", disk], capture_output=True, check=False
    )
    require(made.returncode == 0, "may not mount a file system here")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def fill(disk: Path) -> Path:
    """Write until there is no room, to the last block."""
    path = disk / "ballast"
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    return path


def sample(number: int, now: int) -> Sample:
    return Sample(SHAPE, "A", now - 600 * NS + number * NS, np.full(len(NAMES), number, dtype=float))


async def test_a_full_disk_delays_and_loses_nothing(small_disk: Path):
    site = SiteStore(small_disk, "ridge")
    intake = SiteIntake("ridge", site.journal.append, lambda events: None, every=0.02)
    running = asyncio.create_task(intake.run())
    now = time.time_ns() // NS * NS
    acknowledged: set[int] = set()

    async def put(number: int) -> None:
        await intake.put([sample(number, now)])
        acknowledged.add(number)

    waiting = [asyncio.create_task(put(number)) for number in range(20)]
    await asyncio.wait_for(asyncio.gather(*waiting), 20)
    ballast = fill(small_disk)
    later = [asyncio.create_task(put(number)) for number in range(20, 60)]
    deadline = time.monotonic() + 20
    while not intake.counts.journal_error and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    assert "full" in intake.counts.journal_error
    # What was acknowledged is there and can be read, on the full disk.
    assert float(site.open(KEY, variables="x7")["x7"].count()) == len(acknowledged)
    before = len(acknowledged)
    assert before < 60
    await asyncio.sleep(1.5)
    ballast.unlink()
    await asyncio.wait_for(asyncio.gather(*later), 30)
    assert intake.counts.journal_error == ""
    assert intake.counts.dropped == 0
    intake.close()
    await running
    data = site.open(KEY, variables=["x0", "x1999"]).load()
    assert float(data["x0"].count()) == 60
    np.testing.assert_array_equal(data["x0"].values[:, 0], np.arange(60))
    assert int(data["sample_count"].max()) == 1
    assert site.verify() == []
    site.close()


async def test_the_keeper_survives_a_full_disk(small_disk: Path):
    """A commit that finds no room leaves the store as it was; the next one does it."""
    site = SiteStore(small_disk, "ridge")
    now = [1_700_000_000 // 3600 * 3600 * NS]
    noise = np.random.default_rng(1)
    stamps = now[0] + np.arange(300) * NS
    ones = np.ones(300, np.uint16)
    values = noise.normal(size=(300, 300)).astype("f4")
    shape = Shape(KEY, NAMES[:300], ("f4",) * 300)
    site.journal.append([Batch(shape, ("A",), stamps, np.zeros(300, np.int32), stamps, stamps, ones, values)])
    now[0] += 4000 * NS
    ballast = fill(small_disk)
    keeper = Keeper(site, now=lambda: now[0], settle=1, grace=1, linger=0)
    failed = 0
    for _ in range(2):
        try:
            failed += bool(keeper.step().trouble)
        except Exception:
            failed += 1
    assert failed == 2
    fresh = SiteStore(small_disk, "ridge")
    np.testing.assert_array_equal(fresh.open(KEY, variables="x5")["x5"].values[:, 0], values[:, 5])
    ballast.unlink()
    report = keeper.step()
    assert report.chunks >= 1
    assert report.trouble == []
    np.testing.assert_array_equal(fresh.open(KEY, variables="x5")["x5"].values[:, 0], values[:, 5])
    assert fresh.verify() == []
    keeper.close()
    fresh.close()
    site.close()
