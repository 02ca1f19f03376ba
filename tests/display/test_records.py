from __future__ import annotations

import time

import pytest

from workbench.display import records as shown
from workbench.display.records import newest_records
from workbench.model.samples import NS, Event
from workbench.store import Records


@pytest.fixture
def store(tmp_path):
    """``store(events)``: a store with those records, the first the newest."""
    shown._cache.clear()
    now = time.time_ns()

    def write(*events):
        Records(tmp_path / "records.sqlite").add_events(
            [
                Event("a", asset, now - i * NS, kind, f"e{i}", severity=severity)
                for i, (asset, kind, severity) in enumerate(events)
            ]
        )
        return tmp_path

    return write


def names(rows):
    return [row["name"] for row in rows]


def test_newest_first_and_no_more_than_asked_for(store):
    root = store(*[("X", "status", "info")] * 20)
    assert names(newest_records(root, limit=4)) == ["e0", "e1", "e2", "e3"]


def test_an_alarm_stays_though_another_device_flaps(store):
    root = store(*[("X", "status", "info")] * 50, ("Y", "alarm", "high"), ("Y", "alarm", "high"))
    assert names(newest_records(root, limit=6)) == ["e0", "e1", "e2", "e3", "e50", "e51"]
    assert names(newest_records(root, asset="Y", limit=6)) == ["e50", "e51"]


def test_alarms_leave_room_for_what_is_newer(store):
    root = store(*[("X", "status", "info")] * 2, *[("Y", "alarm", "high")] * 30)
    assert names(newest_records(root, limit=6)) == ["e0", "e1", "e2", "e3", "e4", "e5"]


def test_sources_that_come_and_go_hide_nothing(store):
    root = store(*[("X", "source", "medium")] * 300, ("Y", "status", "info"))
    assert names(newest_records(root, limit=6)) == ["e300"]


def test_looking_creates_nothing(tmp_path):
    assert newest_records(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
