"""What is due when, what becomes of what was missed, and that nothing runs twice at once."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from workbench.model.errors import InputError
from workbench.pipelines.schedule import STATE, Job, Scheduler, jobs_of, next_due
from workbench.project import Project
from workbench.store.telemetry import lock_file


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("every", "zone", "moment", "expected"),
    [
        ("PT5M", "UTC", "2026-03-01T10:02:31", "2026-03-01T10:05:00"),
        ("PT5M", "UTC", "2026-03-01T10:05:00", "2026-03-01T10:10:00"),  # after, not at
        ("P1D", "UTC", "2026-03-01T10:05:00", "2026-03-02T00:00:00"),
        ("P1M", "Europe/Paris", "2026-03-01T10:05:00", "2026-03-31T22:00:00"),  # summer time by then
        ("P3M", "UTC", "2026-02-10T00:00:00", "2026-04-01T00:00:00"),
        ("30 5 * * *", "America/Chicago", "2026-03-07T12:00:00", "2026-03-08T10:30:00"),  # clocks went forward
        ("30 5 * * *", "UTC", "2026-03-07T05:30:00", "2026-03-08T05:30:00"),
        ("0 6 1 * *", "UTC", "2026-03-07T05:30:00", "2026-04-01T06:00:00"),
    ],
)
def test_when_it_is_due(every, zone, moment, expected):
    assert next_due(every, zone, at(moment)) == at(expected)


def test_a_cron_line_that_is_none(tmp_path):
    with pytest.raises(InputError, match="not a cron line"):
        next_due("61 * * * *", "UTC", at("2026-03-01T10:00:00"))


class Bench:
    """A clock that is set, and a job that notes when it was run for."""

    def __init__(self, folder, missed: str, kind: str = "report", every: str = "PT1H", fails: bool = False) -> None:
        self.clock = at("2026-03-01T10:10:00")
        self.ran: list[str] = []
        self.fails = fails
        self.job = Job(kind, "one", every, missed, "UTC", self.run)
        self.scheduler = Scheduler([self.job], folder, now=lambda: self.clock)

    def run(self, due: datetime) -> str:
        if self.fails:
            raise RuntimeError("no luck")
        self.ran.append(f"{due:%H:%M}")
        return "done"

    def go(self, hours: float) -> list[str]:
        self.clock += timedelta(hours=hours)
        return self.scheduler.run_due(self.job)


def test_a_report_waits_for_its_hour_and_a_pipeline_begins_at_once(tmp_path):
    report, pipeline = Bench(tmp_path / "a", "latest"), Bench(tmp_path / "b", "latest", kind="pipeline")
    assert report.go(0) == []
    assert pipeline.go(0) == ["done"]
    assert pipeline.go(0) == []  # not again for the same time
    report.go(1)
    pipeline.go(1)
    assert (report.ran, pipeline.ran) == (["11:00"], ["10:10", "11:00"])


@pytest.mark.parametrize(
    ("missed", "expected"),
    [("latest", ["15:00"]), ("all", ["11:00", "12:00", "13:00", "14:00", "15:00"]), ("skip", [])],
)
def test_what_was_missed(missed, expected, tmp_path):
    bench = Bench(tmp_path, missed)
    bench.go(0)
    bench.go(5)  # nothing ran for five hours
    assert bench.ran == expected
    bench.go(0)  # it does not come up again
    assert bench.ran == expected
    bench.clock = at("2026-03-01T16:00:00.5")
    bench.go(0)
    assert bench.ran == [*expected, "16:00"]  # what has just come due was not missed


def test_a_run_that_fails_is_said_and_keeps_nothing_from_running(tmp_path):
    bench = Bench(tmp_path, "all", fails=True)
    bench.go(0)
    assert bench.go(2) == ["failed: no luck", "failed: no luck"]
    bench.fails = False
    bench.go(1)
    assert bench.ran == ["13:00"]


def test_a_state_that_is_damaged_is_begun_anew(tmp_path):
    bench = Bench(tmp_path, "latest")
    bench.go(0)
    (tmp_path / STATE).write_text("{ half")
    assert bench.go(3) == []
    assert bench.go(1) == ["done"]


def test_one_at_a_time_in_whatever_process(tmp_path):
    bench = Bench(tmp_path, "latest")
    bench.go(0)
    with lock_file(tmp_path / ".schedule" / "report-one.lock", "-"):
        assert bench.go(1) == []
    assert bench.go(0) == ["done"]


def test_it_keeps_running_what_is_due(tmp_path):
    ran: list[datetime] = []
    inside: list[int] = []
    together = threading.Lock()

    def run(due: datetime) -> str:
        assert together.acquire(blocking=False), "twice at once"
        inside.append(1)
        time.sleep(1.3)  # longer than its period
        ran.append(due)
        together.release()
        return "done"

    scheduler = Scheduler([Job("pipeline", "fast", "PT1S", "latest", "UTC", run)], tmp_path)
    with scheduler.running():
        deadline = time.monotonic() + 30
        while len(ran) < 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        with pytest.raises(InputError, match="runs for this store already"), Scheduler([], tmp_path).running():
            pass
    assert len(ran) >= 3
    assert ran == sorted(set(ran))


def test_jobs_of_a_project(tmp_path, checkout):
    found = {job.id: job for job in jobs_of(Project(checkout))[0]}
    assert found["report:daily_operations"].every == "30 5 * * *"
    assert all(job.missed in ("latest", "all", "skip") for job in found.values())


def test_a_schedule_without_a_source_is_told(tmp_path, checkout):
    folder = tmp_path / "catalogs" / "pipelines"
    folder.mkdir(parents=True)
    (tmp_path / "catalogs" / "portfolio").mkdir()
    spec = {"pipeline_id": "X", "schedule": "PT5M", "steps": [{"type": "mark_gaps"}]}
    (folder / "x.json").write_text(json.dumps(spec))
    (folder / "y.json").write_text(json.dumps(spec | {"sources": ["a"], "destination": "b", "schedule": "99 * * * *"}))
    (folder / "z.json").write_text(json.dumps(spec | {"sources": ["a"], "destination": "b"}))
    jobs, errors = jobs_of(Project(tmp_path))
    assert [job.id for job in jobs] == ["pipeline:X"]
    assert ["one source and a destination" in str(error) for error in errors] == [True, False]
    assert "not a cron line" in str(errors[1])
