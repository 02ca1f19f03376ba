from __future__ import annotations

import gzip
import json
import os
import time

import pytest

from workbench.display.live import Live
from workbench.display.page import Part
from workbench.display.wallboard import Producer, Wallboard
from workbench.model.errors import InputError
from workbench.project import Project

FILE = """
from workbench.display import Part, Wallboard, live_view
board = Wallboard("Mine", live_view())
board.row(Part("one", lambda now: f"<p>{now.tick}</p>"), [Part("two", lambda now: "two"), Part("three", lambda now: "three")])
board.show()
"""


@pytest.fixture
def live(checkout, tmp_path):
    live = Live(Project(checkout), tmp_path / "store")
    live.look()
    yield live
    live.stop()


@pytest.fixture
def producer(live, tmp_path):
    path = tmp_path / "wallboard.py"
    path.write_text(FILE)
    return Producer(live, path, idle=0.2)


def looked(live):
    """A look as the thread makes it: parts first, then who listens."""
    now = live.look()
    for key, (_, _, render) in list(live._parts.items()):
        live._render(key, render, now)
    for listener in list(live._listeners):
        listener(now)


def test_any_number_of_questions_is_answered_by_one_snapshot(producer):
    found = [producer.snapshot() for _ in range(50)]
    assert producer.made == 1
    assert all(one is found[0] for one in found)
    content = json.loads(found[0].body)
    assert [part["all"] for part in content["parts"].values()] == ["<p>1</p>", "two", "three"]
    assert gzip.decompress(found[0].packed) == found[0].body


def test_each_look_makes_one_snapshot_with_another_etag(producer, live):
    before = producer.snapshot()
    looked(live)
    after = producer.snapshot()
    assert producer.made == 2
    assert (after.tick, after.etag != before.etag) == (2, True)
    assert "<p>2</p>" in after.body.decode()


def test_it_rests_when_nobody_asks(producer, live):
    producer.snapshot()
    assert live.statistics() == {"pages": 1, "parts": 3}
    time.sleep(0.3)
    looked(live)
    assert live.statistics() == {"pages": 0, "parts": 0}
    assert producer.made == 1
    assert producer.snapshot().tick == 2  # and is there again for whoever comes


def test_an_edited_file_is_another_board(producer, live):
    producer.snapshot()
    layout = producer.layout
    producer.path.write_text(FILE.replace('"two")', '"changed")'))
    os.utime(producer.path, ns=(1, 1))
    looked(live)
    assert "changed" in producer.snapshot().body.decode()
    assert producer.layout != layout
    assert live.statistics() == {"pages": 1, "parts": 3}


def test_a_file_that_makes_no_board_is_told(producer):
    producer.path.write_text("x = 1\n")
    with pytest.raises(InputError, match="makes no wallboard"):
        producer.snapshot()
    producer.path.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        producer.snapshot()


def test_only_parts_stand_on_it(live):
    board = Wallboard("Mine", live)
    with pytest.raises(InputError, match=r"only parts"):
        board.row(object())
    board.row(Part("a", lambda now: "a"), [Part("b", lambda now: "b"), Part("c", lambda now: "c")])
    board.row(Part("d", lambda now: "d"))
    assert [holder.id for holder in board.holders] == ["w0", "w1", "w2", "w3"]
