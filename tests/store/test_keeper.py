from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import xarray as xr

from workbench.model.errors import InputError
from workbench.model.samples import NS
from workbench.store import Keeper, SiteStore
from workbench.store.commit import commit_chunks
from workbench.store.retention import Retention, retain
from workbench.store.trouble import told


@pytest.fixture
def keeper(site, clock):
    with Keeper(site, now=lambda: clock[0], late_every=300, linger=120) as found:
        yield found


def put(site, batch, seconds):
    site.journal.append([batch(seconds, [[s, s, s] for s in seconds])])


def test_a_chunk_is_committed_once_when_it_is_full(site, batch, key, clock, keeper, t0):
    put(site, batch, [10, 3599])
    clock[0] = t0 + 3_659 * NS
    assert keeper.step().chunks == 0
    clock[0] = t0 + 3_660 * NS
    report = keeper.step()
    assert report.committed == {"wind_turbine/1s": [t0 // NS // 3600]}
    assert report.trimmed == 0
    assert len(site.journal.since(0, [key])) == 1  # who follows the news may still ask for it
    clock[0] += 121 * NS
    assert keeper.step().trimmed == 1
    assert site.journal.since(0, [key]) == []
    assert keeper.step().idle
    assert site.open(key).sizes["time"] == 3590


def test_a_series_that_cannot_be_summed_up_holds_nothing_else_up(
    site, batch, key, clock, keeper, t0, monkeypatch: pytest.MonkeyPatch
):
    from workbench.store import keeper as module

    real = module.statistics_batches

    def broken(store, series, periods, *, received):
        if series == key:
            raise ValueError("not this one")
        return real(store, series, periods, received=received)

    other = xr.Dataset(
        {"wind_speed": (("time", "asset"), np.ones((1200, 1)))},
        coords={
            "time": (t0 + np.arange(1200) * NS).astype("datetime64[ns]"),
            "asset": ["M"],
        },
    )
    site.import_dataset("met_mast/1s", other)
    put(site, batch, [10, 1199])
    monkeypatch.setattr(module, "statistics_batches", broken)
    clock[0] = t0 + 4_000 * NS
    report = keeper.step()
    assert report.trouble == [f"statistics of {site.site} {key} failed: ValueError: not this one"]
    assert report.periods == 2
    monkeypatch.undo()
    assert keeper.step().trouble == []
    assert site.open("wind_turbine/10min").sizes["time"] == 2


def test_late_samples_are_committed_every_few_minutes(site, batch, key, clock, keeper, t0):
    put(site, batch, [10, 20])
    clock[0] = t0 + 4_000 * NS
    assert keeper.step().chunks == 1
    for second in (11, 12):
        put(site, batch, [second])
        clock[0] += 100 * NS
        assert keeper.step().chunks == 0
    clock[0] += 150 * NS
    assert keeper.step().chunks == 1
    assert site.open(key)["sample_count"].sum() == 4


def test_a_large_backlog_is_committed_early(site, batch, key, clock, t0):
    put(site, batch, range(100))
    before = site.open(key).load()
    clock[0] = t0 + 100 * NS
    with Keeper(site, now=lambda: clock[0], backlog=300) as keeper:
        assert keeper.step().chunks == 1
        put(site, batch, range(100, 110))
        clock[0] += 200 * NS
        assert keeper.step().chunks == 0
        with site.view() as view:
            (tail,) = view.series(key).tail
        assert tail.rows == 1  # the rest was taken and trimmed
    after = site.open(key).load()
    xr.testing.assert_equal(after.isel(time=slice(0, 100)), before)
    assert after.sizes["time"] == 110


def test_a_second_keeper_is_refused(site, keeper):
    with pytest.raises(InputError, match=f"another keeper serves ridge[^?]*process {os.getpid()}"):
        Keeper(site).step()
    keeper.close()
    with Keeper(site) as second:
        assert second.step().idle


def test_nothing_to_keep_makes_nothing(site, keeper):
    assert keeper.step().idle
    assert not site.exists()


def test_a_journal_put_back_anew_is_not_taken_for_the_old(site, batch, key, clock, keeper, t0):
    for second in range(5):
        put(site, batch, [second])
    clock[0] = t0 + 4_000 * NS
    keeper.step()
    site.close()
    for path in site.folder.glob("journal.sqlite*"):
        path.unlink()
    again = SiteStore(site.root, site.site)
    put(again, batch, [7])  # number 1 again, in another journal
    assert again.open(key)["sample_count"].sum() == 6
    clock[0] += 4_000 * NS
    keeper.close()
    with Keeper(again, now=lambda: clock[0]) as second:
        second.step()
    assert again.open(key)["sample_count"].sum() == 6
    assert again.verify() == []
    again.close()


def test_old_states_expire_and_one_a_day_stays(site, batch, key, clock, keeper, t0):
    for hour in range(4):
        put(site, batch, [hour * 3600 + 1])
        clock[0] = t0 + (hour + 1) * 3_700 * NS
        keeper.step()
    states = len(site.snapshots())
    assert states >= 5
    before = site.open(key).load()
    # Snapshots carry the real clock: look back from three days ahead.
    later = time.time_ns() + 3 * 86_400 * NS
    expired, collected = retain(site, Retention(), now=later, force=True)
    assert expired >= states - 2
    assert collected >= 0
    tagged = [tag for snapshot in site.snapshots() for tag in snapshot.tags]
    assert len(tagged) == 1
    assert tagged[0].startswith("day-")
    xr.testing.assert_equal(site.open(key).load(), before)
    assert site.open(key, snapshot=tagged[0]).sizes["time"] > 0
    assert site.verify() == []
    # Once a night, and only then.
    assert retain(site, Retention(), now=later) == (0, 0)
    retain(site, Retention(days=1), now=later + 30 * 86_400 * NS)
    assert [tag for snapshot in site.snapshots() for tag in snapshot.tags] == []


def test_its_own_process_keeps_and_ends_on_sigterm(site, batch, key):
    hour = time.time_ns() // (3_600 * NS) - 2
    seconds = [hour * 3_600 + s - 472_222 * 3_600 for s in range(5)]
    put(site, batch, seconds)
    before = site.open(key).load()
    command = [sys.executable, "-m", "workbench.store.keeper", str(site.root), site.site]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 90
        while not site.telemetry.exists() or site.telemetry.snapshot().group(key) is None:
            assert time.monotonic() < until
            assert process.poll() is None
            time.sleep(0.1)
        with pytest.raises(InputError, match="another keeper"):
            Keeper(site).lock()
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    xr.testing.assert_equal(site.open(key).load(), before)
    np.testing.assert_array_equal(site.open("wind_turbine/10min")["sample_count"].values, [[5]])


def test_it_ends_where_the_one_who_started_it_is_gone_already(site, batch):
    put(site, batch, range(5))
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait(30)
    command = [sys.executable, "-m", "workbench.store.keeper", str(site.root), site.site]
    done = subprocess.run(
        command, env={**os.environ, "WORKBENCH_PARENT": str(gone.pid)}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_what_fails_is_said_where_status_looks_and_the_other_sites_go_on(site, batch, key):
    sound = SiteStore(site.root, "valley")
    hour = time.time_ns() // (3_600 * NS) - 2 - 472_222
    for one in (site, sound):
        put(one, batch, [hour * 3_600 + second for second in range(5)])
    commit_chunks(site, {key: [472_222 + hour]})
    for path in (site.folder / "telemetry" / "snapshots").iterdir():
        path.write_bytes(path.read_bytes()[:50])
    put(site, batch, [hour * 3_600 + 5])
    command = [sys.executable, "-m", "workbench.store.keeper", str(site.root), site.site, sound.site]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while not (told(site.folder) and sound.telemetry.exists()):
            assert time.monotonic() < until
            time.sleep(0.05)
    finally:
        process.terminate()
        process.wait(60)
    [line] = told(site.folder)
    assert line.startswith("the keeper failed, trying again: ")
    assert "\n" not in line
    assert len(line) < 300
    assert told(sound.folder) == []
