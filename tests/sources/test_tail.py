"""Growing files beyond the common suite: partial lines, rotation, truncation, where to start."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest
from harness import Told
from harness_tail import HEADER, TailHarness

from workbench.model.quality import Quality
from workbench.sources.base import SourceError
from workbench.sources.tail import Follower

MS = 1_000_000


@pytest.fixture
async def log():
    made = TailHarness("csv")
    await made.start()
    yield made
    made.clean()


def append(path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_a_line_that_is_being_written_waits(tmp_path):
    path = tmp_path / "log"
    follower = Follower(path, header="", at_end=False)
    with pytest.raises(FileNotFoundError):
        follower.read()
    append(path, b"one\ntw")
    assert follower.read() == [b"one"]
    assert follower.read() == []
    append(path, b"o\r\n\nthr")
    assert follower.read() == [b"two"]
    append(path, b"ee\n")
    assert follower.read() == [b"three"]
    follower.close()


def test_rotation_gives_the_rest_of_the_old_and_then_the_new(tmp_path):
    path = tmp_path / "log"
    append(path, b"x;y\n1;2\n")
    follower = Follower(path, header=";", at_end=False)
    assert follower.read() == [b"1;2"]
    append(path, b"3;4\n5;6")
    path.rename(tmp_path / "log.1")
    append(path, b"y;z\n7;8\n")
    assert follower.read() == [b"3;4", b"5;6"]
    assert follower.columns == ["x", "y"]
    assert follower.more
    assert follower.read() == [b"7;8"]
    assert follower.columns == ["y", "z"]
    follower.close()


def test_a_file_cut_short_is_read_anew(tmp_path):
    path = tmp_path / "log"
    append(path, b"a\nb\nhalf")
    follower = Follower(path, header="", at_end=False)
    assert follower.read() == [b"a", b"b"]
    path.write_bytes(b"c\n")
    assert follower.read() == [b"c"]
    follower.close()


@pytest.mark.parametrize("tail", [b"", b"half a li"])
def test_start_at_the_end(tmp_path, tail):
    path = tmp_path / "log"
    append(path, b"x,y\n" + b"1,2\n" * 50_000 + tail)
    follower = Follower(path, header=",", at_end=True)
    assert follower.read() == []
    assert follower.columns == ["x", "y"]
    append(path, b"ne\n9,9\n")
    assert follower.read() == [tail + b"ne", b"9,9"]
    follower.close()


def test_long_files_come_in_parts(tmp_path):
    path = tmp_path / "log"
    append(path, b"".join(b"%d\n" % i for i in range(400_000)))
    follower = Follower(path, header="", at_end=False)
    lines = follower.read()
    assert follower.more
    while follower.more:
        lines += follower.read()
    assert lines == [b"%d" % i for i in range(400_000)]
    follower.close()


# -- going on after a restart ---------------------------------------------------------------------------


def resumed(path, position, header="") -> Follower:
    return Follower(path, header=header, at_end=True, resume=position)


def read_to_end(follower: Follower) -> list[bytes]:
    lines = follower.read()
    while follower.more:
        lines += follower.read()
    follower.close()
    return lines


@pytest.fixture
def half_read(tmp_path):
    """A file of which two lines and a half are there, and the position behind the second."""
    path = tmp_path / "log.csv"
    append(path, b"x,y\n1,2\n3,4\n5,")
    follower = Follower(path, header=",", at_end=False)
    assert read_to_end(follower) == [b"1,2", b"3,4"]
    assert follower.position.offset == 12
    return path, follower.position


def test_resume_in_the_same_file(half_read):
    path, position = half_read
    append(path, b"6\n7,8\n")
    follower = resumed(path, position, ",")
    assert read_to_end(follower) == [b"5,6", b"7,8"]
    assert follower.columns == ["x", "y"]
    assert not follower.gone


@pytest.mark.parametrize("way", ["renamed", "copied and cut short", "renamed, its inode taken"])
def test_resume_in_a_file_that_was_rotated_meanwhile(half_read, way):
    path, position = half_read
    append(path, b"6\n")
    if way.startswith("copied"):
        path.with_name("log.csv.1").write_bytes(path.read_bytes())
        path.write_bytes(b"")
    else:
        path.rename(path.with_name("log.csv.1"))
    append(path, b"y,z\n7,8\n9,9\n10,10\n")
    if way.endswith("taken"):
        position = position._replace(inode=path.stat().st_ino)
    follower = resumed(path, position, ",")
    assert read_to_end(follower) == [b"5,6", b"7,8", b"9,9", b"10,10"]
    assert follower.columns == ["y", "z"]
    assert not follower.gone


def test_resume_where_the_new_file_is_not_there_yet(half_read):
    path, position = half_read
    append(path, b"6\n")
    path.rename(path.with_name("log.csv.1"))
    follower = resumed(path, position, ",")
    assert follower.read() == [b"5,6"]
    with pytest.raises(FileNotFoundError):
        follower.read()
    append(path, b"x,y\n7,8\n")
    assert read_to_end(follower) == [b"7,8"]


def test_resume_where_the_file_is_gone(half_read):
    path, position = half_read
    path.unlink()
    follower = resumed(path, position, ",")
    with pytest.raises(FileNotFoundError):
        follower.read()
    append(path, b"x,y\n7,8\n")
    assert read_to_end(follower) == [b"7,8"]
    assert follower.gone


@pytest.mark.parametrize("start", ["beginning", "end"])
async def test_a_restart_loses_no_line_and_reads_none_twice(log, start, sink, running, eventually):
    config = log.config() | {"start": start}
    first = 1 if start == "beginning" else 2
    await log.tell("T1", Told(1000 * MS))
    async with running(log.source(config), sink):
        await eventually(lambda: sink.notes)
        await log.tell("T1", Told(2000 * MS))
        await eventually(lambda: 2000 * MS in sink.times("T1"))
    await log.tell("T1", Told(3000 * MS))
    async with running(log.source(config), sink):
        await log.tell("T1", Told(4000 * MS))
        await eventually(lambda: 4000 * MS in sink.times("T1"))
    assert sink.times("T1") == [n * 1000 * MS for n in range(first, 5)]


async def test_a_line_written_before_the_first_restart_is_read(log, sink, running, eventually):
    """Nothing but the end of the file was seen, and that is remembered too."""
    await log.tell("T1", Told(1000 * MS))
    async with running(log.source(), sink):
        await eventually(lambda: sink.notes)
    await log.tell("T1", Told(2000 * MS))
    async with running(log.source(), sink):
        await eventually(lambda: sink.samples)
    assert sink.times("T1") == [2000 * MS]


async def test_a_collector_that_dies_reads_again_what_is_not_durable(log, tmp_path, running, eventually):
    from workbench.collect import SiteIntake
    from workbench.store import SiteStore

    site = SiteStore(tmp_path, "site")

    def recall(key):
        with site.journal.view() as view:
            return view.meta(key)

    def intake() -> SiteIntake:
        return SiteIntake("site", site.journal.append, [].extend, recall=recall)

    config = log.config() | {"start": "beginning"}
    await log.tell("T1", Told(1000 * MS))
    first = intake()
    async with running(log.source(config), first):
        await eventually(lambda: first.waiting == 1)
        await first.flush()
        await log.tell("T1", Told(2000 * MS))
        await eventually(lambda: first.waiting == 1)  # and never written
    second = intake()
    async with running(log.source(config), second):
        await eventually(lambda: second.waiting)
        await second.flush()
    batches = site.journal.since(0)
    assert sum(len(batch) for batch in batches) == 2


async def test_a_file_waits_where_it_is_while_nothing_becomes_durable(log, make_sink, running, eventually, monkeypatch):
    monkeypatch.setattr("workbench.sources.tail_file.CHUNK", 200)
    for n in range(1, 400):
        await log.tell("T1", Told(n * 1000 * MS))
    full = make_sink(durable=False)
    async with running(log.source(log.config() | {"start": "beginning"}), full):
        await eventually(lambda: len(full.pending) == 5)
        await asyncio.sleep(0.3)
        assert len(full.pending) == 5
        held = len(full.samples)
        assert held < 100
        full.pending[0].set_result(None)
        await eventually(lambda: len(full.samples) > held)


async def test_lines_are_decoded_beside_the_loop(log, sink, running, eventually, monkeypatch):
    threads = set()
    source = log.source()
    decode = source._message

    def seen(*args):
        threads.add(threading.current_thread())
        return decode(*args)

    monkeypatch.setattr(source, "_message", seen)
    async with running(source, sink):
        await eventually(lambda: sink.notes)
        await log.tell("T1", Told(1000 * MS))
        await eventually(lambda: sink.samples)
    assert threads
    assert threading.current_thread() not in threads


@pytest.mark.parametrize(("start", "expected"), [("beginning", [1000, 2000, 3000]), ("end", [3000])])
async def test_where_to_start(log, start, expected, sink, running, eventually):
    await log.tell("T1", Told(1000 * MS))
    await log.tell("T1", Told(2000 * MS))
    async with running(log.source(log.config() | {"start": start}), sink):
        await eventually(lambda: len(sink.samples) == len(expected) - 1)
        if start == "end":
            import asyncio

            await asyncio.sleep(0.2)
        await log.tell("T1", Told(3000 * MS))
        await eventually(lambda: len(sink.samples) == len(expected))
    assert sink.times("T1") == [ms * MS for ms in expected]


async def test_a_file_that_comes_later_is_read_whole(log, sink, running, eventually):
    log.path.unlink()
    source = log.source()
    async with running(source, sink):
        await eventually(lambda: source.health.device("T1").state == "down")
        errors = source.health.device("T1").errors
        assert errors == 1, "told once"
        log.path.write_text(HEADER)
        await log.tell("T1", Told(1000 * MS))
        await eventually(lambda: sink.samples)
    assert source.health.device("T1").last_time == 1000 * MS


async def test_lines_that_cannot_be_read_are_counted(log, sink, running, eventually):
    source = log.source()
    async with running(source, sink):
        await eventually(lambda: source.health.device("T1").state == "connecting")
        for line in (b"1,2\n", b'"open\n', b"\xff\xfe,T1,1,1,1,10\n", b"never,T1,1,1,1,10\n", b"1000,T9,1,1,1,10\n"):
            append(log.path, line)
        await log.tell("T2", Told(1000 * MS))
        await eventually(lambda: sink.samples)
        assert source.health.device("T2").errors == 4
        assert "a line of 2 fields below a header of 6" not in source.health.device("T2").last_error
    assert [sample.asset for sample in sink.samples] == ["T2"]


async def test_empty_fields_were_not_sent(log):
    append(log.path, b"1000000000,T1,5,,oops,10\n")
    (sample,) = await log.source().read(["T1"])
    np.testing.assert_array_equal(sample.values, [0.5, np.nan, np.nan, 2.0])
    assert sample.quality is None or sample.quality.tolist() == [0, 0, Quality.INVALID, 0]


async def test_nothing_to_read(log):
    with pytest.raises(SourceError, match="no line of T1, T2"):
        await log.source().read()
    log.path.unlink()
    with pytest.raises(SourceError, match="No such file"):
        await log.source().read()
