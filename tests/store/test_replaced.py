"""What goes on under a process that stays: a journal's file gives way to another, snapshots come and go."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from workbench.store import SiteStore
from workbench.store.commit import commit_chunks
from workbench.store.journal import Journal
from workbench.store.ring import LiveRing


def test_the_new_file_is_read_by_its_own_names(tmp_path, batch, key):
    path = tmp_path / "journal.sqlite"
    reader = Journal(path)
    for number, (asset, variable) in enumerate([("A", "power_output"), ("B", "wind_speed")]):
        writer = Journal(tmp_path / f"new{number}.sqlite")
        writer.append([batch(range(5), [[number]] * 5, assets=(asset,), variables=(variable,))])
        writer.close()
        writer.path.rename(path)
        (found,) = reader.since(0)
        assert found.assets == (asset,)
        assert found.shape.variables == (variable,)
        assert (found.values == number).all()
    reader.close()


def test_a_view_that_is_open_stays_with_its_file(tmp_path, batch, key):
    path = tmp_path / "journal.sqlite"
    reader = Journal(path)
    for number, rows in enumerate((5, 7)):
        writer = Journal(tmp_path / f"new{number}.sqlite")
        writer.append([batch(range(rows), [[1, 1, 1]] * rows)])
        writer.close()
    (tmp_path / "new0.sqlite").rename(path)
    with reader.view() as view:
        (tmp_path / "new1.sqlite").rename(path)
        assert [chunk.values for chunk in view.chunks(key)] == [15]
        with reader.view() as inner:
            assert [chunk.values for chunk in inner.chunks(key)] == [15]
    with reader.view() as view:
        assert [chunk.values for chunk in view.chunks(key)] == [21]
    reader.close()


@pytest.mark.parametrize("committed", [False, True])
def test_a_worker_that_has_read_a_store_reads_the_one_made_anew_in_its_place(site, batch, key, committed):
    for value in (1.0, 2.0, 3.0):
        there = SiteStore(site.root, site.site)
        there.journal.append([batch(range(10), [[value] * 3] * 10)])
        if committed:
            commit_chunks(there, {key: [472_222]})
        there.journal.append([batch(range(10, 20), [[value] * 3] * 10)])
        opened = site.open(key)
        assert np.unique(opened["power_output"].compute(scheduler="threads")) == [value]
        there.close()
        shutil.rmtree(site.root)


def test_live_data_go_on_after_a_broken_journal_was_mended(site, batch):
    collector = SiteStore(site.root, site.site)
    for first in range(0, 6_000, 300):
        collector.journal.append([batch(range(first, first + 300), [[1, 1, 1]] * 300)])
    collector.close()  # which folds the WAL into the file
    ring = LiveRing(site)
    ring.poll()
    content = bytearray(collector.journal_path.read_bytes())
    middle = len(content) // 2 // 8192 * 8192
    content[middle : middle + 8192] = bytes(range(256)) * 32
    collector.journal_path.write_bytes(bytes(content))
    assert collector.repair().mended
    collector.journal.append([batch(range(6_000, 6_002), [[2, 2, 2]] * 2)])
    (news,) = ring.poll()
    assert (news.values == 2).all()
    collector.close()


def test_a_worker_that_stays_does_not_keep_every_snapshot_it_was_ever_asked_for(site, batch, key):
    worker = SiteStore(site.root, site.site)
    for second in range(12):
        site.journal.append([batch([second], [[1, 1, 1]])])
        commit_chunks(site, {key: [472_222]})
        with site.view() as view:
            worker.snapshot_by_id(view.snapshot.id)
    assert len(worker._snapshots) <= 8
    worker.close()
