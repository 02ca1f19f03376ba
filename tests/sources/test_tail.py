"""Growing files beyond the common suite: partial lines, rotation, truncation, where to start."""

from __future__ import annotations

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
