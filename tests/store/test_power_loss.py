"""What is acknowledged is on the disk: the journal survives being cut at any byte behind it.

When the power goes, what the operating system had not yet written may be missing from the end of the WAL, or
be there in part. A copy of the files, the WAL cut at a random byte or filled with noise from there, is such a
disk. Everything that was acknowledged before the cut has to be there, and nothing half.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from workbench.store import Journal, SiteStore


def wal(folder: Path) -> Path:
    return folder / "journal.sqlite-wal"


def test_every_append_is_synced_before_it_returns(site, batch):
    site.journal.append([batch([0], [[1, 1, 1]])])
    connection = site.journal._write_connection()
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL: fsync of the WAL at each commit


def test_sync_calls_are_really_made(site, batch, tmp_path, require):
    """The kernel's own account: one fdatasync or fsync at least for each append."""
    strace = shutil.which("strace")
    require(strace, "no strace here")
    import subprocess
    import sys

    code = (
        "import numpy as np, sys\n"
        "from workbench.model.samples import NS, Batch, SeriesKey, Shape\n"
        "from workbench.store import Journal\n"
        "shape = Shape(SeriesKey('wind_turbine', '1s'), ('power_output',), ('f4',))\n"
        "journal = Journal(sys.argv[1])\n"
        "one = np.array([1], dtype=np.int64)\n"
        "for k in range(21):\n"
        "    t = one * k * NS\n"
        "    journal.append([Batch(shape, ('A',), t, np.zeros(1, np.int32), t, t, np.ones(1, np.uint16), np.ones((1, 1)))])\n"
        "    if k == 0: print('begun', file=open('/dev/fd/2', 'w'), flush=True)\n"
    )
    log = tmp_path / "calls"
    subprocess.run(
        [
            strace,
            "-f",
            "-e",
            "trace=fsync,fdatasync",
            "-o",
            str(log),
            sys.executable,
            "-c",
            code,
            str(tmp_path / "j.sqlite"),
        ],
        check=True,
        capture_output=True,
    )
    calls = [line for line in log.read_text().splitlines() if "sync(" in line]
    assert len(calls) >= 21


@pytest.mark.parametrize("tail", ["cut", "noise", "zeros"])
def test_cut_anywhere_behind_what_was_acknowledged(site, batch, key, tmp_path, tail):
    chance = random.Random()  # each run at other places
    folder = site.folder
    ends = []  # size of the WAL when a batch was acknowledged
    for number in range(40):
        second = number * 3
        site.journal.append([batch([second, second + 1], [[number] * 3, [number] * 3])])
        ends.append(wal(folder).stat().st_size)
    content = wal(folder).read_bytes()
    assert ends[-1] > ends[0], "the WAL was folded in between: make the test shorter"
    for attempt in range(25):
        at = chance.randrange(ends[0], len(content))
        copy = tmp_path / f"{tail}{attempt}" / "ridge"
        copy.mkdir(parents=True)
        shutil.copy(folder / "journal.sqlite", copy)
        end = {"cut": b"", "noise": chance.randbytes(len(content) - at), "zeros": bytes(len(content) - at)}[tail]
        wal(copy).write_bytes(content[:at] + end)
        after = SiteStore(copy.parent, "ridge")
        data = after.open(key).load()
        power = data["power_output"].values[:, 0]
        acknowledged = sum(size <= at for size in ends)
        there = np.unique(power[~np.isnan(power)])
        np.testing.assert_array_equal(there, np.arange(len(there)))
        assert len(there) >= acknowledged
        assert (np.bincount(power[~np.isnan(power)].astype(int)) == 2).all(), "half a batch"
        assert after.verify() == []
        # and it goes on
        after.journal.append([batch([500], [[77, 77, 77]])])
        assert float(after.open(key)["power_output"][-1, 0]) == 77
        after.close()


def test_a_journal_cut_at_any_byte_is_told_and_nothing_false_is_given(site, batch, key, tmp_path):
    """Worse than power loss: the main file itself ends early. It is told, and what is given is right."""
    for number in range(40):
        site.journal.append([batch([number * 3], [[number] * 3])])
    site.close()
    with sqlite3.connect(site.journal_path) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw.close()
    content = site.journal_path.read_bytes()
    chance = random.Random()
    for attempt in range(15):
        at = chance.randrange(1, len(content))
        copy = tmp_path / f"main{attempt}" / "ridge"
        copy.mkdir(parents=True)
        (copy / "journal.sqlite").write_bytes(content[:at])
        hurt = SiteStore(copy.parent, "ridge")
        sound = hurt.verify() == []  # where the cut took nothing but the unused end of a page
        assert hurt.repair().idle == sound, at
        assert hurt.verify() == [], at
        if hurt.series():
            data = hurt.open(key).load()
            power = data["power_output"].values[:, 0]
            there = ~np.isnan(power)
            seconds = (data["time"].values[there] - np.datetime64("2023-11-14T22:00", "ns")) // np.timedelta64(3, "s")
            np.testing.assert_array_equal(power[there], seconds)
            assert not sound or there.sum() == 40
        else:
            assert not sound
        assert hurt.journal.append([batch([500], [[77, 77, 77]])]) > 0
        hurt.close()


def test_a_second_process_may_not_have_seen_more_than_is_durable(site, batch, key):
    site.journal.append([batch([0], [[1, 1, 1]])])
    other = Journal(site.journal_path)
    connection = site.journal._write_connection()
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO meta VALUES ('x', '1')")
    assert len(other.since(0, [key])) == 1
    with other.view() as view:
        assert view.meta("x") is None
    connection.execute("ROLLBACK")
    other.close()
