"""Damage of every part, and what a repair makes of it."""

from __future__ import annotations

import random
import shutil
import sqlite3

import numpy as np
import pytest
from typer.testing import CliRunner

from workbench.cli.store import app
from workbench.model.errors import InputError
from workbench.model.samples import NS
from workbench.store import Keeper, SiteStore
from workbench.store.commit import commit_chunks
from workbench.store.reader import PIECES


@pytest.fixture
def filled(site, batch, key):
    """Two hours: the first in the store, the second in the journal; noise, so that chunks are files."""
    for second in range(0, 7200, 300):
        site.journal.append([batch(range(second, second + 300), np.random.default_rng(second).normal(0, 1, (300, 3)))])
    with site.view() as view:
        commit_chunks(site, {key: [view.series(key).tail[0].chunk]})
    return site


@pytest.fixture
def before(filled, key):
    return filled.open(key).load()


def fold_wal(site):
    site.close()
    with sqlite3.connect(site.journal_path) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw.close()
    for suffix in ("-wal", "-shm"):
        site.journal_path.with_name(site.journal_path.name + suffix).unlink(missing_ok=True)


def test_nothing_to_mend(filled, before, key):
    assert filled.repair().idle
    assert filled.open(key).load().identical(before)


def test_a_damaged_row_is_moved_aside_and_the_rest_stays(filled, before, key, t0):
    with sqlite3.connect(filled.journal_path) as raw:
        raw.execute("UPDATE rows SET crc = crc + 1 WHERE seq = 15")
    report = filled.repair()
    assert len(report.mended) == 1
    assert len(report.lost) == 1
    assert "row 15 of wind_turbine/1s, samples from" in report.lost[0]
    assert filled.verify() == []
    assert len(list(filled.folder.glob("journal.damaged-*.sqlite"))) == 1
    after = filled.open(key)["power_output"].load()
    gone = np.isnan(after.values[:, 0])
    assert gone.sum() == 300
    np.testing.assert_array_equal(after.values[~gone], before["power_output"].values[~gone])
    assert filled.repair().idle


def test_a_broken_file_is_carried_into_a_new_one(filled, before, key, batch):
    fold_wal(filled)
    content = bytearray(filled.journal_path.read_bytes())
    middle = len(content) // 2 // 8192 * 8192
    content[middle : middle + 8192] = random.Random(1).randbytes(8192)
    filled.journal_path.write_bytes(bytes(content))
    report = filled.repair()
    assert "were carried into a new one" in report.mended[0]
    assert filled.verify() == []
    assert len(list(filled.folder.glob("journal.broken-*.sqlite"))) == 1
    after = filled.open(key).load()
    values, was = after["power_output"].values[:, 0], before["power_output"].values[:, 0]
    there = ~np.isnan(values)
    np.testing.assert_array_equal(values[there], was[: len(values)][there])
    assert there.sum() >= 3600  # what the store has, at the least
    assert after["sample_count"].max() == 1
    # It goes on: numbers grow beyond all that were ever given.
    with filled.view() as view:
        last = view.journal.last_seq
    assert filled.journal.append([batch([7300], [[1, 1, 1]])]) == last + 1
    assert last >= 24


def test_a_journal_whose_beginning_is_gone_keeps_its_identity(filled, key, before):
    fold_wal(filled)
    content = filled.journal_path.read_bytes()
    filled.journal_path.write_bytes(b"x" * 8192 + content[8192:])
    report = filled.repair()
    assert report.mended
    assert filled.verify() == []
    np.testing.assert_array_equal(filled.open(key)["power_output"].values[:3600], before["power_output"].values[:3600])


@pytest.mark.parametrize("harm", ["gone", "halved", "one bit"])
def test_whatever_chunk_cannot_be_read_becomes_missing(filled, before, key, harm, tmp_path):
    filled.close()
    names = sorted(path.name for path in (filled.folder / "telemetry" / "chunks").iterdir())
    assert len(names) >= 3
    losses = []
    for number, name in enumerate(names):
        root = tmp_path / f"copy{number}"
        shutil.copytree(filled.root, root)
        PIECES.clear()
        hurt = SiteStore(root, filled.site)
        chunk = hurt.folder / "telemetry" / "chunks" / name
        content = bytearray(chunk.read_bytes())
        content[len(content) // 2] ^= 1
        if harm == "gone":
            chunk.unlink()
        else:
            chunk.write_bytes(bytes(content[: len(content) // 2] if harm == "halved" else content))
        said = hurt.verify()
        assert any("cannot be read" in line for line in said), name
        report = hurt.repair()
        assert len(report.mended) == 1
        assert hurt.verify() == []
        after = hurt.open(key).load()
        lost = 0
        for variable in ("power_output", "wind_speed", "energy_production_lifetime"):
            gone = np.isnan(after[variable].values)
            lost += int(gone.sum())
            np.testing.assert_array_equal(after[variable].values[~gone], before[variable].values[~gone])
        assert hurt.info().values == 3 * 3600 - lost
        if lost:
            assert report.lost[0].endswith("of A to A from 2023-11-14T22:00:00Z to 2023-11-14T23:00:00Z")
        losses.append(lost)
        hurt.close()
    assert losses.count(3600) == 3  # one for each variable; time, assets and counts cost no value


def test_a_last_commit_that_cannot_be_read_gives_way_to_the_one_before(filled, before, key, clock, t0):
    was = {path.name for path in (filled.folder / "telemetry" / "snapshots").iterdir()}
    clock[0] = t0 + 7200 * NS
    with filled.view() as view:
        commit_chunks(filled, {key: [view.series(key).tail[-1].chunk]})
    (new,) = [path for path in (filled.folder / "telemetry" / "snapshots").iterdir() if path.name not in was]
    new.write_bytes(b"\0" * new.stat().st_size)
    fresh = SiteStore(filled.root, filled.site)  # nothing of it in memory
    assert fresh.verify() != []
    report = fresh.repair()
    assert any("back at that of" in line for line in report.mended)
    # The journal still has what that commit held: nothing is lost.
    assert fresh.open(key).load().identical(before.assign_attrs(fresh.open(key).attrs))
    assert fresh.verify() == []


def test_not_while_a_keeper_serves_the_site(filled):
    with Keeper(filled), pytest.raises(InputError, match="a keeper serves ridge"):
        filled.repair()


def test_trim_forgets_whole_chunks_and_no_more(filled, before, key, t0):
    with filled.view() as view:
        commit_chunks(filled, {key: [view.series(key).tail[-1].chunk]})
    assert filled.trim(older_than=t0 + 3599 * NS) == {}
    assert filled.trim(older_than=t0 + 3700 * NS, series=key) == {key: 3 * 3600}
    after = filled.open(key).load()
    assert after.sizes["time"] == 3600
    np.testing.assert_array_equal(after["power_output"].values, before["power_output"].values[3600:])
    assert filled.verify() == []
    assert filled.info().values == 3 * 3600
    assert filled.trim(older_than=t0 + 3700 * NS) == {}
    with pytest.raises(InputError, match="no series"):
        filled.trim(older_than=t0, series="wind_turbine/2s")


def test_tidy_gives_back_what_only_old_snapshots_know(filled, key, t0):
    import time

    filled.trim(older_than=t0 + 3700 * NS)
    size = filled.info().bytes
    expired, freed = filled.tidy(now=time.time_ns() + 100 * 86_400 * NS)
    assert expired >= 1
    assert freed > 0
    assert filled.info().bytes < size
    assert filled.verify() == []


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


def test_the_commands(filled, key):
    filled.close()
    with sqlite3.connect(filled.journal_path) as raw:
        raw.execute("UPDATE rows SET crc = crc + 1 WHERE seq = 15")
    raw.close()
    store = ("--store", filled.root)
    assert run("verify", *store).exit_code == 1
    mended = run("repair", *store)
    assert mended.exit_code == 1
    assert "lost: journal: row 15 of wind_turbine/1s" in mended.output
    assert run("verify", *store).exit_code == 0
    assert run("repair", *store).output == "ridge: nothing to mend\n"
    dry = run("trim", "--older-than", "P1Y", *store)
    assert "would be forgotten: wind_turbine/1s 10,800 values" in dry.output
    assert filled.info().values == 10_800
    assert "forgotten: wind_turbine/1s 10,800 values" in run("trim", "--older-than", "P1Y", "--yes", *store).output
    assert filled.info().values == 0
    assert run("tidy", *store).output.startswith("ridge: 0 snapshots expired")
