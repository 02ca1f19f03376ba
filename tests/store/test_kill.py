"""Real processes, killed at random instants: nothing acknowledged is lost, nothing is there twice or torn."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading
import time
from pathlib import Path

import numpy as np

from workbench.model.samples import NS, Batch, SeriesKey, Shape
from workbench.store import Journal, Keeper, SiteStore

KEY = SeriesKey("wind_turbine", "1s")
T0 = 472_222 * 3_600 * NS
ASSETS = ("A", "B")
SHAPE = Shape(KEY, ("power_output", "wind_speed", "energy_production_lifetime"), ("f4", "f4", "f8"))
#: Seconds of source time a batch spans, so that a run of some seconds crosses many chunks.
STRIDE = 20


def batch_number(number: int) -> Batch:
    """Batch ``number``; every seventh is late by two hours. All variables of a sample say the same."""
    second = number * STRIDE - (7_200 if number % 7 == 6 else 0) + (number % 7)
    time_ = np.full(2, T0 + second * NS, np.int64)
    values = np.array([[number] * 3, [number + 0.5] * 3], dtype=float)
    return Batch(SHAPE, ASSETS, time_, np.arange(2, dtype=np.int32), time_, time_, np.ones(2, np.uint16), values)


def write(root: Path, done: Path, first: int) -> None:
    """Append until killed; ``done`` says the last batch that was acknowledged."""
    journal = Journal(SiteStore(root, "ridge").journal_path)
    with done.open("a", buffering=1) as file:
        number = first
        while True:
            journal.append([batch_number(number)])
            file.write(f"{number}\n")
            number += 1
            time.sleep(0.008)


def keep(root: Path) -> None:
    """Step until killed, with a clock that runs as the source time does."""
    site = SiteStore(root, "ridge")

    def now() -> int:
        with site.journal.view() as view:
            last = max((chunk.slot_max for chunk in view.chunks(KEY)), default=T0)
        return max(last, T0) + 30 * NS

    keeper = Keeper(site, now=now, grace=1, settle=5, late_every=0, linger=0)
    keeper.lock(wait=10)
    keeper.due()  # brings in all it needs
    steps = root / f"keeper-{os.getpid()}"
    steps.touch()
    while True:
        keeper.step()
        steps.write_text("one and more")


def acknowledged(done: Path) -> int:
    """Number of batches surely acknowledged (a torn last line does not count)."""
    lines = done.read_text().split("\n")[:-1] if done.exists() else []
    return int(lines[-1]) + 1 if lines else 0


def look(site: SiteStore, least: int, most: int | None = None) -> int:
    """Check the whole Dataset; returns how many batches are in it."""
    data = site.open(KEY).load()
    times = data["time"].values.astype("datetime64[ns]").astype(np.int64)
    assert (np.diff(times) == NS).all()
    counts = data["sample_count"].values
    assert counts.max() == 1, "a sample counts twice"
    power = data["power_output"].values
    assert ((~np.isnan(power)) == (counts == 1)).all(), "a sample without its value"
    for name in ("wind_speed", "energy_production_lifetime"):
        np.testing.assert_array_equal(data[name].values.astype(np.float32), power, err_msg="torn")
    a, b = (np.sort(power[:, i][~np.isnan(power[:, i])]) for i in range(2))
    np.testing.assert_array_equal(b, a + 0.5, err_msg="half a time step")
    # Late ones that came while we read may be there too, without those that came in between.
    np.testing.assert_array_equal(a[:least], np.arange(least), err_msg="acknowledged and lost")
    assert (np.diff(a) >= 1).all()
    if most is not None:
        np.testing.assert_array_equal(a, np.arange(len(a)), err_msg="lost or out of place")
        assert len(a) <= most
    return len(a)


def test_kill_writer_and_keeper_at_any_instant(tmp_path):
    chance = random.Random()  # each run at other instants
    root, done = tmp_path / "store", tmp_path / "done"
    site = SiteStore(root, "ridge")
    context = multiprocessing.get_context("forkserver")  # imports once for all that are killed
    context.set_forkserver_preload(
        ["workbench.store.statistics", "workbench.store.keeper", "workbench.model.vocabulary"]
    )
    looks = 0
    killed = {"writer": 0, "keeper": 0}

    def start(what, *args):
        process = context.Process(target=what, args=args)
        process.start()
        return process

    def kill(process):
        os.kill(process.pid, signal.SIGKILL)
        process.join()

    site.journal.append([batch_number(0)])
    done.write_text("0\n")
    writer, keepers = start(write, root, done, 1), [start(keep, root)]
    over = threading.Event()

    def kill_keepers():
        while not over.wait(0.02):
            if not keepers[-1].is_alive():
                return  # by itself: told below
            # Only one that has begun is worth killing; every other one may finish a step before.
            steps = root / f"keeper-{keepers[-1].pid}"
            if not steps.exists() or (killed["keeper"] % 2 and not steps.read_text()):
                continue
            over.wait(chance.uniform(0.0, 0.6))
            kill(keepers[-1])
            killed["keeper"] += 1
            keepers.append(start(keep, root))

    killer = threading.Thread(target=kill_keepers)
    killer.start()
    try:
        while killed["writer"] < 3 or killed["keeper"] < 3 or not site.telemetry.exists():
            pause = time.monotonic() + chance.uniform(0.3, 2.0)
            begun = acknowledged(done)
            while time.monotonic() < pause or acknowledged(done) < begun + 10:
                look(site, acknowledged(done))
                looks += 1
            assert killer.is_alive(), "the keeper ended by itself"
            assert writer.is_alive(), "the writer ended by itself"
            kill(writer)
            killed["writer"] += 1
            least = acknowledged(done)
            # What was written and not acknowledged may be there as a whole: go on behind it.
            there = look(site, least, least + 1)
            writer = start(write, root, done, there)
    finally:
        over.set()
        killer.join()
        kill(writer)
        kill(keepers[-1])
    least = acknowledged(done)
    total = look(site, least, least + 1)
    assert site.verify() == []
    last = Keeper(site, now=lambda: T0 + (total + 400) * STRIDE * NS, settle=0, late_every=0, linger=0)
    last.step()
    last.step()
    assert look(site, least, least + 1) == total
    assert site.journal.since(0, [KEY]) == []
    assert site.verify() == []
    assert looks >= 3
    last.close()
    site.close()
