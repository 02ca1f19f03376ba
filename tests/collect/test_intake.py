"""Samples become durable before they are acknowledged, whatever the disk does meanwhile."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest
from structlog.testing import capture_logs

from workbench.collect.intake import SiteIntake, to_batches
from workbench.model.quality import Quality
from workbench.model.samples import NS, Batch, Event, Sample, SeriesKey, Shape
from workbench.store import SiteStore

KEY = SeriesKey("wind_turbine", "1s")
SHAPE = Shape(KEY, ("power_output", "wind_speed"), ("f4", "f4"))
STATUS = Shape(KEY, ("power_output", "turbine_status"), ("f4", "f4"))
OTHER = Shape(KEY, ("power_output",), ("f4",))


class Disk:
    """A journal in memory that can be full."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.events: list[Event] = []
        self.full = False

    def append(self, batches: list[Batch]) -> int:
        if self.full:
            raise OSError(28, "No space left on device")
        self.batches.extend(batches)
        return len(self.batches)

    def values(self) -> list[float]:
        return [float(value) for batch in self.batches for value in batch.values[:, 0]]


def sample(asset: str = "T1", ago: float = 0.0, value: float = 1.0, shape: Shape = SHAPE, **more) -> Sample:
    return Sample(shape, asset, time.time_ns() - int(ago * NS), np.full(len(shape.variables), value), **more)


def intake(disk: Disk, **options) -> SiteIntake:
    return SiteIntake("site", disk.append, disk.events.extend, every=0.02, **options)


async def stop(sink: SiteIntake, task: asyncio.Task) -> None:
    sink.close()
    await asyncio.wait_for(task, 10)


async def test_acknowledged_only_when_the_journal_has_it():
    disk = Disk()
    sink = intake(disk)
    acknowledged = asyncio.ensure_future(sink.put([sample(value=7.0)]))
    await asyncio.sleep(0.05)
    assert not acknowledged.done()
    task = asyncio.create_task(sink.run())
    await asyncio.wait_for(acknowledged, 5)
    assert disk.values() == [7.0]
    await stop(sink, task)


async def test_a_full_disk_holds_samples_back_and_loses_none():
    disk = Disk()
    sink = intake(disk)
    task = asyncio.create_task(sink.run())
    disk.full = True
    first = asyncio.ensure_future(sink.put([sample(value=1.0)]))
    await asyncio.sleep(0.1)
    second = asyncio.ensure_future(sink.put([sample(value=2.0)]))
    await asyncio.sleep(0.1)
    assert not first.done()
    assert "No space left" in sink.counts.journal_error
    assert sink.waiting == 2
    disk.full = False
    await asyncio.wait_for(asyncio.gather(first, second), 5)
    assert disk.values() == [1.0, 2.0]
    assert sink.counts.journal_error == ""
    assert sink.counts.dropped == 0
    await stop(sink, task)


async def test_what_has_no_room_is_counted_as_dropped_oldest_first():
    disk = Disk()
    disk.full = True
    sink = intake(disk, most_waiting=3)
    sink.put([sample(value=float(number)) for number in range(5)])
    assert not await sink.flush()
    assert sink.counts.dropped == 2
    disk.full = False
    assert await sink.flush()
    assert disk.values() == [2.0, 3.0, 4.0]


async def test_a_journal_that_is_slow_fills_no_more_memory_than_there_is_room():
    """Nothing fails here: samples only come faster than they are written."""
    disk = Disk()
    sink = intake(disk, most_waiting=50, most_values=60)
    for number in range(100):
        sink.put([sample(value=float(number))])
        sink.put([sample("T2", value=1000.0 + number)], held=True)
        assert sink.waiting <= 30 + number + 1  # two values each
    assert sink.counts.dropped == 70
    assert await sink.flush()
    values = disk.values()
    assert [value for value in values if value < 1000] == [float(number) for number in range(70, 100)]
    assert [value for value in values if value >= 1000] == [1000.0 + number for number in range(100)]


async def test_what_is_put_back_stays_before_what_came_meanwhile():
    disk = Disk()
    disk.full = True
    sink = intake(disk)
    for number in range(3):
        sink.put([sample(value=float(number))], held=number == 1)
        assert not await sink.flush()
    disk.full = False
    assert await sink.flush()
    assert disk.values() == [0.0, 1.0, 2.0]


async def test_events_that_have_no_room_are_counted(monkeypatch):
    monkeypatch.setattr("workbench.collect.intake._MOST_EVENTS", 3)
    disk = Disk()
    sink = intake(disk)
    with capture_logs() as logs:
        for number in range(5):
            sink.event(Event("site", "T1", number, "test", "tick"))
    await sink.flush()
    assert [event.time for event in disk.events] == [2, 3, 4]
    assert sink.counts.dropped_events == 2
    assert len([line for line in logs if line["event"] == "events dropped"]) == 1


async def test_stopping_writes_what_is_left():
    disk = Disk()
    sink = intake(disk)
    task = asyncio.create_task(sink.run())
    await asyncio.sleep(0.05)
    sink.put([sample(value=3.0)])
    await stop(sink, task)
    assert disk.values() == [3.0]


async def test_an_impossible_time_goes_to_the_slot_of_arrival_flagged():
    disk = Disk()
    sink = intake(disk)
    sink.put([sample(ago=-3600), sample(ago=40 * 86_400), sample()])
    await sink.flush()
    (batch,) = disk.batches
    now = time.time_ns()
    assert (np.abs(batch.time - now) < 5 * NS).all()
    assert batch.quality is not None
    assert (batch.quality[:2] == int(Quality.CLOCK)).all()
    assert (batch.quality[2] == 0).all()
    assert sink.counts.clock == 2


async def test_parts_of_an_update_with_a_wrong_clock_do_not_erase_each_other(tmp_path):
    """A device whose clock is off says each variable by itself, as OPC UA does: all of them are stored."""
    site = SiteStore(tmp_path, "site")
    sink = SiteIntake("site", site.journal.append, [].extend)
    ahead = time.time_ns() + 600 * NS
    sink.put([Sample(SHAPE, "T1", ahead, np.array([5.0, np.nan])), Sample(SHAPE, "T1", ahead, np.array([np.nan, 7.0]))])
    bad = Sample(SHAPE, "T2", ahead, np.array([np.nan, np.nan]), np.array([int(Quality.BAD), 0], np.uint16))
    sink.put([bad])
    assert await sink.flush()
    data = site.open(KEY).load().max("time")
    assert data["power_output"].sel(asset="T1") == 5.0
    assert data["wind_speed"].sel(asset="T1") == 7.0
    assert data["power_output_quality"].sel(asset="T1") == Quality.CLOCK
    assert data["power_output_quality"].sel(asset="T2") == Quality.CLOCK | Quality.BAD
    assert data["wind_speed_quality"].sel(asset="T2") == 0


async def test_late_samples_are_counted_and_kept():
    disk = Disk()
    sink = intake(disk)
    sink.put([sample(value=1.0), sample(ago=30, value=2.0)])
    await sink.flush()
    assert sink.counts.late == 1
    assert sorted(disk.values()) == [1.0, 2.0]


async def test_a_status_stamped_a_little_before_the_rest_is_neither_late_nor_unheard():
    """A server sends the analogue values of an instant first, the status node, stamped a moment before, after."""
    disk = Disk()
    sink = intake(disk)
    slot = time.time_ns() // NS * NS
    for second, state in enumerate((2.0, 3.0)):
        at = slot - (1 - second) * NS
        sink.put([Sample(STATUS, "T1", at + 500, np.array([1.0, np.nan]))])
        sink.put([Sample(STATUS, "T1", at + 400, np.array([np.nan, state]))])
    await sink.flush()
    assert sink.counts.late == 0
    (event,) = disk.events
    assert (event.name, event.time) == ("turbine_status", slot + 400)
    sink.put([Sample(STATUS, "T1", slot - 1, np.array([2.0, np.nan]))])
    assert sink.counts.late == 1


class Notebook(Disk):
    """A journal in memory that keeps notes, and records that can be out of order."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: dict[str, object] = {}
        self.refused = False

    def append(self, batches: list[Batch], *, meta=None) -> int:
        last = super().append(batches)
        self.notes |= meta or {}
        return last

    def record(self, events: list[Event]) -> None:
        if self.refused:
            raise OSError(5, "Input/output error")
        self.events.extend(events)

    def intake(self) -> SiteIntake:
        return SiteIntake("site", self.append, self.record, every=0.02, recall=self.notes.get)


async def test_a_state_that_changed_while_nobody_collected_is_an_event():
    disk = Notebook()
    now = time.time_ns()
    for n, state in enumerate((2.0, 3.0)):
        sink = disk.intake()
        task = asyncio.create_task(sink.run())
        sink.put([Sample(STATUS, "T1", now + n * NS, np.array([1.0, state]))])
        await stop(sink, task)
    (event,) = disk.events
    assert (event.time, event.attributes["before"]) == (now + NS, "generating")


async def test_a_change_that_is_not_on_record_yet_is_not_known_after_a_crash():
    disk = Notebook()
    now = time.time_ns()
    first = disk.intake()
    first.put([Sample(STATUS, "T1", now, np.array([1.0, 2.0]))])
    await first.flush()
    await first.flush()
    disk.refused = True
    first.put([Sample(STATUS, "T1", now + NS, np.array([1.0, 3.0]))])
    await first.flush()
    await first.flush()
    assert disk.events == []
    disk.refused = False
    second = disk.intake()  # the first is dead
    second.put([Sample(STATUS, "T1", now + 2 * NS, np.array([1.0, 3.0]))])
    await second.flush()
    assert [event.name for event in disk.events] == ["turbine_status"]


async def test_notes_are_written_with_the_samples_before_them_or_not_at_all():
    disk = Notebook()
    sink = disk.intake()
    disk.full = True
    sink.put([sample(value=1.0)])
    sink.remember("file", {"offset": 10})
    assert sink.recall("file") == {"offset": 10}
    assert not await sink.flush()
    assert disk.notes == {}
    sink.put([sample(value=2.0)])
    sink.remember("file", {"offset": 20})
    disk.full = False
    assert await sink.flush()
    assert disk.values() == [1.0, 2.0]
    assert disk.intake().recall("file") == {"offset": 20}
    assert disk.intake().recall("other") is None


async def test_what_cannot_be_written_at_the_end_is_counted_and_said(monkeypatch):
    monkeypatch.setattr("workbench.collect.intake._LAST_PAUSE", 0.01)
    disk = Disk()
    disk.full = True
    sink = intake(disk)
    task = asyncio.create_task(sink.run())
    half = sample()
    half.values[1] = np.nan
    acknowledged = asyncio.ensure_future(sink.put([sample(), half]))
    sink.event(Event("site", "T1", 1, "test", "tick"))
    with capture_logs() as logs:
        await stop(sink, task)
    assert (sink.waiting, sink.counts.dropped, sink.counts.dropped_values) == (0, 2, 3)
    assert sink.counts.dropped_events == 1
    assert not acknowledged.done()
    told = [line for line in logs if line["event"] == "samples dropped"]
    assert [(line["samples"], line["values"]) for line in told] == [(2, 3)]
    assert "No space left" in told[0]["error"]


async def test_samples_that_are_dropped_are_told_of_now_and_then():
    disk = Disk()
    disk.full = True
    sink = intake(disk, most_waiting=1)
    with capture_logs() as logs:
        for _ in range(5):
            sink.put([sample(), sample()])
            await sink.flush()
    assert sink.counts.dropped == 9
    assert [line["samples"] for line in logs if line["event"] == "samples dropped"] == [1], "not five times"


async def test_the_backlog_is_the_age_of_the_oldest_sample_that_waits():
    disk = Disk()
    sink = intake(disk)
    assert sink.backlog == 0.0
    sink.put([sample(received=time.time_ns() - 3 * NS), sample()])
    assert 3.0 <= sink.backlog < 4.0
    disk.full = True
    await sink.flush()
    assert sink.backlog >= 3.0
    disk.full = False
    await sink.flush()
    assert sink.backlog == 0.0


async def test_values_counted_are_those_that_were_sent():
    disk = Disk()
    sink = intake(disk)
    half = sample()
    half.values[1] = np.nan
    sink.put([sample(), half])
    await sink.flush()
    assert sink.counts.values == 3


@pytest.mark.parametrize("quality", [None, int(Quality.UNCERTAIN)])
def test_batches_hold_each_sample_once_in_its_slot(quality: int | None):
    flags = None if quality is None else np.full(2, quality, np.uint16)
    samples = [sample("T1"), sample("T2", quality=flags), sample("T1", shape=OTHER)]
    two, one = to_batches(samples)
    assert (two.assets, one.assets) == (("T1", "T2"), ("T1",))
    assert two.asset.tolist() == [0, 1]
    assert (two.slot % NS == 0).all()
    assert (two.slot <= two.time).all()
    assert (two.time - two.slot < NS).all()
    if quality is None:
        assert two.quality is None
    else:
        assert two.quality is not None
        assert two.quality.tolist() == [[0, 0], [quality, quality]]


async def test_parts_of_one_update_count_as_one():
    disk = Disk()
    sink = intake(disk)
    whole = sample("T1")
    rest = Sample(OTHER, "T1", whole.time, np.ones(1))
    again = Sample(SHAPE, "T1", whole.time, np.ones(2))
    later = Sample(SHAPE, "T1", whole.time + NS // 2, np.ones(2))
    sink.put([whole])
    sink.put([rest, again, later])
    await sink.flush()
    assert sum(int(batch.count.sum()) for batch in disk.batches) == 2
    assert sum(len(batch) for batch in disk.batches) == 4
