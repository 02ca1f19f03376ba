from __future__ import annotations

import gc
import multiprocessing
import sqlite3
import threading
from pathlib import Path

import numpy as np
import pytest

from workbench.model.errors import InputError
from workbench.model.samples import NS, SeriesKey
from workbench.store import Journal


@pytest.fixture
def journal(tmp_path):
    found = Journal(tmp_path / "ridge" / "journal.sqlite")
    yield found
    found.close()


def same(a, b):
    assert a.shape == b.shape
    names = [[x.assets[i] for i in x.asset] for x in (a, b)]
    assert names[0] == names[1]
    for part in ("slot", "time", "received", "count"):
        np.testing.assert_array_equal(getattr(a, part), getattr(b, part))
    expected = a.values.copy()
    narrow = [d == "f4" for d in a.shape.dtypes]
    expected[:, narrow] = expected[:, narrow].astype(np.float32)
    np.testing.assert_array_equal(expected, b.values)
    quality = np.zeros(a.values.shape, np.uint16) if a.quality is None else a.quality
    np.testing.assert_array_equal(quality, np.zeros_like(quality) if b.quality is None else b.quality)


def test_what_goes_in_comes_out(journal, batch):
    first = batch([0.25, 0.5], [[1.1, np.nan, 1e9 + 1], [np.inf, 2, 3]], assets=("B", "A"), asset=[1, 0], count=[3, 1])
    second = batch([1], [[4, 5, 6]], quality=[[0, 4, 2]])
    assert journal.append([first, second]) == 2
    found = journal.since(0)
    assert [b.seq for b in found] == [1, 2]
    same(first, found[0])
    same(second, found[1])


def test_nothing_is_there_before_the_first_append(journal):
    assert journal.since(0) == []
    assert journal.last_seq == 0
    assert not journal.path.exists()


def test_since_gives_only_what_is_newer_and_asked_for(journal, batch):
    other = SeriesKey("met_mast", "1s")
    journal.append([batch([0], [[1, 2, 3]])])
    journal.append([batch([1], [[9]], variables=("wind_speed",), key=other)])
    last = journal.append([batch([2], [[4, 5, 6]])])
    assert [b.seq for b in journal.since(1)] == [2, 3]
    assert [b.shape.key for b in journal.since(0, [other])] == [other]
    assert journal.since(0, [SeriesKey("inverter", "5s")]) == []
    assert journal.since(last) == []


def test_a_batch_over_a_border_of_chunks_becomes_a_row_for_each(journal, batch, key):
    journal.append([batch([3599, 3600, 3601, 10], [[i, i, i] for i in range(4)])])
    found = journal.since(0)
    assert [len(b) for b in found] == [2, 2]
    assert [list(b.values[:, 0]) for b in found] == [[0, 3], [1, 2]]
    with journal.view() as view:
        chunks = view.chunks(key)
    assert [(c.rows, c.values) for c in chunks] == [(1, 6), (1, 6)]
    assert chunks[1].chunk == chunks[0].chunk + 1


def test_an_append_is_all_or_nothing(journal, batch):
    journal.append([batch([0], [[1, 2, 3]])])
    broken = batch([1], [[1, 2, 3]], assets=("new",))
    broken.asset = np.array([7], np.int32)
    with pytest.raises(IndexError):
        journal.append([batch([1], [[1, 2, 3]], assets=("other",)), broken])
    assert journal.last_seq == 1
    journal.append([batch([2], [[1, 2, 3]], assets=("third",))])
    assert journal.since(1)[0].assets == ("A", "third")


def test_numbers_are_never_given_twice(journal, batch, key):
    journal.append([batch([0], [[1, 2, 3]]), batch([1], [[1, 2, 3]])])
    with journal.view() as view:
        (chunk,) = view.chunks(key)
    assert journal.trim(key, chunk.chunk, 2) == 2
    assert journal.since(0) == []
    assert journal.trimmed_seq == 2
    journal.close()
    again = Journal(journal.path)
    assert again.append([batch([2], [[1, 2, 3]])]) == 3
    again.close()


def test_assets_in_any_order_are_kept_once(journal, batch):
    for order in (("A", "B", "C"), ("C", "A"), ("B",)):
        n = len(order)
        journal.append([batch([0] * n, [[ord(a), 0, 0] for a in order], assets=order, asset=range(n))])
    with sqlite3.connect(journal.path) as raw:
        assert raw.execute("SELECT count(*) FROM assets").fetchone() == (3,)
    for found in journal.since(0):
        assert [ord(found.assets[i]) for i in found.asset] == list(found.values[:, 0])


def test_a_damaged_row_is_told_and_left_out(journal, batch, key):
    for second in range(3):
        journal.append([batch([second], [[second, 2, 3]])])
    journal.close()
    with sqlite3.connect(journal.path) as raw:
        (block,) = raw.execute("SELECT block FROM rows WHERE seq = 2").fetchone()
        raw.execute("UPDATE rows SET block = ? WHERE seq = 2", [bytes([block[0] ^ 1]) + block[1:]])
    assert [b.seq for b in journal.since(0)] == [1, 3]
    assert list(journal.damaged) == [2]
    with journal.view() as view:
        assert [line for line in view.check() if "row 2" in line]
        (chunk,) = view.chunks(key)
    # Trimming keeps the evidence.
    journal.trim(key, chunk.chunk, 3)
    with sqlite3.connect(journal.path) as raw:
        assert raw.execute("SELECT seq, block FROM damaged").fetchall() == [(2, bytes([block[0] ^ 1]) + block[1:])]


def test_a_damaged_file_is_told_in_words(journal, batch):
    journal.append([batch([0], [[1, 2, 3]])])
    journal.close()
    for path in journal.path.parent.glob("journal.sqlite-*"):
        path.unlink()
    journal.path.write_bytes(b"this is no database" * 1000)
    with pytest.raises(InputError, match="journal cannot be used"):
        journal.since(0)
    with pytest.raises(InputError, match="journal cannot be used"):
        journal.append([batch([0], [[1, 2, 3]])])


def test_another_format_is_refused(journal, batch):
    journal.append([batch([0], [[1, 2, 3]])])
    journal.close()
    with sqlite3.connect(journal.path) as raw:
        raw.execute("UPDATE meta SET value = '99' WHERE key = 'format'")
    with pytest.raises(InputError, match="another format"):
        journal.append([batch([0], [[1, 2, 3]])])


def test_a_view_does_not_see_what_comes_after_it(journal, batch, key):
    journal.append([batch([0], [[1, 2, 3]])])
    with journal.view() as view:
        done = threading.Thread(target=lambda: journal.append([batch([1], [[1, 2, 3]])]))
        done.start()
        done.join()
        assert view.last_seq == 1
        assert [row.seq for row in view.rows(key)] == [1]
        assert list(view.after(0)) == list(view.rows(key))
    assert journal.last_seq == 2


def test_meta_is_kept_with_its_rows(journal, batch):
    journal.append([batch([0], [[1, 2, 3]])], meta={"done": {"seq": 1, "pending": [5]}})
    with journal.view() as view:
        assert view.meta("done") == {"seq": 1, "pending": [5]}
        assert view.meta("nothing") is None


def test_rows_of_a_range_of_time(journal, batch, key, t0):
    for second in (0, 100, 3700, 7300):
        journal.append([batch([second], [[second, 0, 0]])])
    with journal.view() as view:
        seconds = [(row.slot_min - t0) // NS for row in view.rows(key, start=t0 + 50 * NS, end=t0 + 7300 * NS)]
    assert seconds == [100, 3700]


def _append_many(path, name, n):
    import sys

    sys.path.insert(0, path.parent.as_posix())
    from workbench.model.samples import Batch, Shape

    journal = Journal(path)
    shape = Shape(SeriesKey(name, "1s"), ("a", "b"), ("f4", "f8"))
    for i in range(n):
        slot = np.array([i * NS], np.int64)
        one = np.ones(1, np.uint16)
        journal.append(
            [Batch(shape, (f"{name}{i % 7}",), slot, np.zeros(1, np.int32), slot, slot, one, np.array([[i, i]]))]
        )
    journal.close()


def test_processes_write_and_read_at_once(tmp_path):
    path = tmp_path / "journal.sqlite"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_append_many, args=(path, name, 60)) for name in ("x", "y")]
    for writer in writers:
        writer.start()
    journal, seen, last = Journal(path), [], 0
    while any(writer.is_alive() for writer in writers) or journal.has_news(last):
        for found in journal.since(last):
            last = found.seq
            seen.append((found.shape.key.asset_type, found.assets[found.asset[0]], int(found.values[0, 0])))
    for writer in writers:
        writer.join()
    journal.close()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert sorted(seen) == sorted((name, f"{name}{i % 7}", i) for name in "xy" for i in range(60))


def test_the_file_gives_space_back(journal, batch, key):
    wide = tuple(f"v{i}" for i in range(400))
    # A file of 200 MB and more would take long here: look at the pages instead of the file.
    for second in range(200):
        journal.append(
            [
                batch(
                    [second] * 50,
                    np.full((50, 400), second),
                    assets=[f"T{i}" for i in range(50)],
                    asset=range(50),
                    variables=wide,
                )
            ]
        )
    with journal.view() as view:
        (chunk,) = view.chunks(key)
    journal.trim(key, chunk.chunk, chunk.seq_max, pause=0)
    before = _pages(journal.path)
    for second in range(200, 300):
        journal.append(
            [
                batch(
                    [second] * 50,
                    np.full((50, 400), second),
                    assets=[f"T{i}" for i in range(50)],
                    asset=range(50),
                    variables=wide,
                )
            ]
        )
    assert _pages(journal.path) == before  # the room is used again


def _pages(path):
    with sqlite3.connect(path) as raw:
        return raw.execute("PRAGMA page_count").fetchone()[0]


def open_files(path):
    return sum(entry.resolve() == path for entry in Path("/proc/self/fd").iterdir())


def test_a_journal_closed_while_a_thread_reads_is_read_to_the_end(journal, batch):
    journal.append([batch([i], [[i, 2, 3]]) for i in range(3)])
    reading, closed, found = threading.Event(), threading.Event(), []

    def read():
        with journal.view() as view:
            rows = view.after(0)
            found.append(next(rows).seq)
            reading.set()
            closed.wait(10)
            found.extend(row.seq for row in rows)

    thread = threading.Thread(target=read)
    thread.start()
    assert reading.wait(10)
    journal.close()
    closed.set()
    thread.join(10)
    assert found == [1, 2, 3]
    assert open_files(journal.path) == 0
    assert journal.last_seq == 3  # asked again, it opens again


def test_a_thread_that_ends_leaves_nothing_open(journal, batch):
    journal.append([batch([0], [[1, 2, 3]])])
    for _ in range(5):
        thread = threading.Thread(target=lambda: journal.since(0))
        thread.start()
        thread.join(10)
    gc.collect()
    # The writer's, and one that SQLite keeps for the next reader: it may not close one while another holds a lock.
    assert open_files(journal.path) <= 2
