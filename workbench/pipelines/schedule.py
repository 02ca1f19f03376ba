"""Runs pipelines and reports when they are due: by ISO 8601 durations or cron lines, in one process.

What is due counts from the calendar, not from the start: ``PT5M`` is due at every fifth minute of the hour. How far
each job came is kept beside the store, so that runs missed while nothing ran are made up for as the job says:
``latest`` (the last of them), ``all``, or ``skip``. A job never runs twice at once, here or in another process.
"""

from __future__ import annotations

import collections
import contextlib
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.model.errors import InputError, InputErrors
from workbench.model.time import parse_duration
from workbench.pipelines.spec import Pipeline, check_spec
from workbench.store.telemetry import lock_file

if TYPE_CHECKING:
    from apscheduler.triggers.base import BaseTrigger

    from workbench.project import Project
    from workbench.reports import ReportDefinition

log = logging.getLogger("workbench.schedule")
STATE = "schedule.json"
#: Runs made up for at most, under the policy ``all``: what is older is let go, and said.
MOST_MISSED = 366
#: Seconds for which a run counts as just due.
GRACE = 60.0
_ENDINGS = (".json", ".yaml", ".yml")


@dataclass(frozen=True)
class Job:
    """Something that is due again and again."""

    kind: str  #: ``pipeline`` or ``report``
    name: str
    every: str  #: ISO 8601 duration, or a cron line
    missed: str  #: ``latest``, ``all`` or ``skip``
    zone: str  #: whose clock a cron line means
    run: Callable[[datetime], str]  #: does it, as of the time it was due; says what came of it

    @property
    def id(self) -> str:
        """Kind and name."""
        return f"{self.kind}:{self.name}"

    def after(self, moment: datetime) -> datetime:
        """The first time it is due after ``moment``."""
        return next_due(self.every, self.zone, moment)


def next_due(every: str, zone: str, moment: datetime) -> datetime:
    """When something that is due ``every`` so often is due next, after ``moment`` [UTC].

    A duration of fixed length counts from 1970-01-01 UTC; one of months from their first day in ``zone``.
    """
    moment = moment.astimezone(UTC)
    if every[:1] == "P":
        length = parse_duration(every)
        if not length.months:
            ns = int(moment.timestamp()) * 10**9 + moment.microsecond * 1_000
            return datetime.fromtimestamp((ns // length.ns + 1) * length.ns / 1e9, tz=UTC)
        return _months(length.months, zone, moment)
    found: datetime | None = _cron(every, zone).get_next_fire_time(None, _later(moment))
    if found is None:
        raise InputError("the cron line is never due", where="schedule", found=every)
    return found.astimezone(UTC)


def _later(moment: datetime) -> datetime:
    from datetime import timedelta

    return moment + timedelta(microseconds=1)


def _months(count: int, zone: str, moment: datetime) -> datetime:
    from zoneinfo import ZoneInfo

    local = moment.astimezone(ZoneInfo(zone))
    number = ((local.year * 12 + local.month - 1) // count + 1) * count
    return datetime(number // 12, number % 12 + 1, 1, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def _cron(line: str, zone: str) -> BaseTrigger:
    from apscheduler.triggers.cron import CronTrigger

    try:
        found: BaseTrigger = CronTrigger.from_crontab(line, timezone=zone)
    except ValueError as error:
        raise InputError("not a cron line", where="schedule", found=line, expected=str(error)) from error
    return found


# -- what there is to do ----------------------------------------------------------------------------------


def jobs_of(project: Project) -> tuple[list[Job], list[InputError]]:
    """Pipelines and reports of a project that have a schedule; and what keeps others from being run by themselves."""
    from workbench.reports import load_reports

    found: list[Job] = []
    errors: list[InputError] = []
    folder = project.catalogs / "pipelines"
    for path in sorted(one for one in folder.glob("*") if one.suffix in _ENDINGS) if folder.is_dir() else []:
        checked = check_spec(path)
        errors += checked.errors
        pipeline = checked.pipeline
        if pipeline is None or not pipeline.schedule:
            continue
        if len(pipeline.sources) != 1 or pipeline.destination is None:
            errors.append(
                InputError(
                    "a pipeline that is due by itself says what it reads and where its result goes",
                    file=path,
                    found=f"{len(pipeline.sources)} sources, {'a' if pipeline.destination else 'no'} destination",
                    expected="one source and a destination",
                )
            )
            continue
        found.append(_pipeline_job(pipeline, project))
    try:
        found += [_report_job(report, project) for report in load_reports(project.reports).values()]
    except InputErrors as error:
        errors += error.errors
    good: list[Job] = []
    for job in found:
        try:
            job.after(datetime.now(UTC))
        except InputError as error:
            errors.append(error.at(where=job.id))
        else:
            good.append(job)
    return good, errors


def _pipeline_job(pipeline: Pipeline, project: Project) -> Job:
    def run(_: datetime) -> str:
        from workbench.catalog import open_catalog
        from workbench.pipelines import load_pipeline
        from workbench.pipelines.execute import execute

        assert pipeline.file is not None  # noqa: S101
        catalog = open_catalog(project.catalogs, store=project.store)
        report = execute(load_pipeline(pipeline.file), catalog=catalog)
        return ", ".join(f"{name} {size}" for name, size in report.counts.items())

    return Job("pipeline", pipeline.name, pipeline.schedule, pipeline.missed, "UTC", run)


def _report_job(report: ReportDefinition, project: Project) -> Job:
    from workbench.model.assets import load_portfolio

    parameter = report.parameters.get("site")
    sites = load_portfolio(project.portfolio).sites
    one = sites.get(str(parameter.default)) if parameter is not None else None
    zones = {one.timezone} if one is not None else {site.timezone for site in sites.values()}

    def run(due: datetime) -> str:
        import pandas as pd

        from workbench.reports import run_report

        done = run_report(report.name, period=report.schedule.period, project=project, now=pd.Timestamp(due))
        return str(done.folder)

    # Of several clocks, UTC: a report on all sites is due once.
    zone = zones.pop() if len(zones) == 1 else "UTC"
    return Job("report", report.name, report.schedule.cron, report.schedule.missed, zone, run)


# -- doing it ---------------------------------------------------------------------------------------------


class Scheduler:
    """Runs jobs when they are due.

    Parameters
    ----------
    jobs
        What there is to do.
    folder
        Where it is kept how far each came: the root of the store.
    now
        The clock.
    """

    def __init__(
        self, jobs: list[Job], folder: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.jobs, self.folder, self.now = jobs, folder, now
        self._guard = threading.Lock()

    # -- how far each came

    def state(self) -> dict[str, str]:
        """The last due time of each job that was run, or let go; ISO 8601."""
        try:
            found = json.loads((self.folder / STATE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return {str(name): str(due) for name, due in found.items()} if isinstance(found, dict) else {}

    def _came(self, job: Job, due: datetime) -> None:
        with self._guard:
            self.folder.mkdir(parents=True, exist_ok=True)
            state = self.state() | {job.id: due.isoformat()}
            part = self.folder / f".{STATE}.part"
            part.write_text(json.dumps(state, indent=1, sort_keys=True) + "\n", encoding="utf-8")
            part.replace(self.folder / STATE)

    def due(self, job: Job) -> list[datetime]:
        """The times at which it is to be run now, the oldest first: one that is due, and those made up for."""
        now = self.now()
        held = self.state().get(job.id)
        if held is None:
            # Never seen: a pipeline brings its result up to date, a report waits for its hour.
            return [now] if job.kind == "pipeline" and job.missed != "skip" else []
        passed = self._passed(job, datetime.fromisoformat(held), now)
        if job.missed == "all":
            return passed
        # One that has just come due was not missed, whatever the policy.
        just = bool(passed) and (now - passed[-1]).total_seconds() < GRACE
        return passed[-1:] if job.missed == "latest" or just else []

    def _passed(self, job: Job, since: datetime, now: datetime) -> list[datetime]:
        """The times at which it was due after ``since``; the latest :data:`MOST_MISSED` of them."""
        found: collections.deque[datetime] = collections.deque(maxlen=MOST_MISSED)
        moment, count = job.after(since), 0
        while moment <= now:
            found.append(moment)
            moment, count = job.after(moment), count + 1
        if count > MOST_MISSED and job.missed == "all":
            log.warning("%s: %d missed runs are let go", job.id, count - MOST_MISSED)
        return list(found)

    # -- running

    def run_due(self, job: Job) -> list[str]:
        """Run a job for each time it is due now; returns what came of each. One at a time, in whatever process."""
        said: list[str] = []
        lock = self.folder / ".schedule" / f"{job.kind}-{job.name}.lock"
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(lock_file(lock, "it runs already"))
            except InputError:
                log.info("%s runs already", job.id)
                return said
            todo = self.due(job)
            said += [self._one(job, due) for due in todo]
            if not todo:
                self._let_go(job)
        return said

    def _let_go(self, job: Job) -> None:
        """What has passed and is not run does not come up again; a job never seen counts from now."""
        now, held = self.now(), self.state().get(job.id)
        passed = [now] if held is None else self._passed(job, datetime.fromisoformat(held), now)
        if passed:
            self._came(job, passed[-1])

    def _one(self, job: Job, due: datetime) -> str:
        began = time.monotonic()
        try:
            text = job.run(due)
        except Exception as error:  # what one job does wrong does not keep the others from running
            text = f"failed: {error}"
            log.error("%s, due %s: %s", job.id, due.isoformat(), error)
        else:
            log.info("%s, due %s: %s (%.1f s)", job.id, due.isoformat(), text, time.monotonic() - began)
        # A run that failed is not run again by itself: the next time it is due it is.
        self._came(job, due)
        return text

    @contextlib.contextmanager
    def running(self) -> Iterator[Any]:
        """Keep running what is due, in threads of this process, until the block ends.

        Raises
        ------
        InputError
            Another process does so for the same store.
        """
        from apscheduler.executors.pool import ThreadPoolExecutor
        from apscheduler.schedulers.background import BackgroundScheduler

        with lock_file(self.folder / ".schedule" / "schedule.lock", "a schedule runs for this store already"):
            scheduler = BackgroundScheduler(
                timezone="UTC",
                executors={"default": ThreadPoolExecutor(2)},
                # One at a time; of times that came while it ran, one.
                job_defaults={"max_instances": 1, "coalesce": True, "misfire_grace_time": None},
            )
            for job in self.jobs:
                scheduler.add_job(
                    self.run_due, _Calendar(job), args=[job], id=job.id, name=job.id, next_run_time=datetime.now(UTC)
                )
            scheduler.start()
            try:
                yield scheduler
            finally:
                scheduler.shutdown(wait=True)


def _Calendar(job: Job) -> BaseTrigger:  # noqa: N802  it gives an object of a class made for it
    """The job's times as APScheduler asks for them."""
    from apscheduler.triggers.base import BaseTrigger as Base

    class Calendar(Base):  # type: ignore[misc]
        def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
            return job.after(max(previous, now) if previous is not None else now)

    return Calendar()
