"""The keeper: closes ten-minute statistics, turns journal into store, trims, expires old snapshots.

Runs in a process of its own beside the collector: ``python -m workbench.store.keeper ROOT SITE…``. It may be
killed at any instant; the next one goes on where it ended.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from workbench.model.samples import NS, SeriesKey
from workbench.store import trouble
from workbench.store.attributes import STATISTICS_CADENCE
from workbench.store.commit import commit_chunks, trim_applied
from workbench.store.inspect import line_of
from workbench.store.retention import Retention, retain
from workbench.store.site import SiteStore
from workbench.store.statistics import PERIOD, has_statistics, statistics_batches
from workbench.store.telemetry import AheadError, lock_file

#: Ten-minute periods of a series computed in one step, and in one portion of it.
_PERIODS_A_STEP, _PERIODS_AT_ONCE = 144, 36


@dataclass
class KeeperReport:
    """What a step of the keeper did."""

    site: str
    periods: int = 0  #: ten-minute periods computed, over all series
    chunks: int = 0  #: chunks committed
    values: int = 0  #: values committed
    rows: int = 0  #: journal rows committed
    trimmed: int = 0  #: journal rows deleted
    expired: int = 0  #: snapshots expired
    collected: int = 0  #: bytes given back by collection
    seconds: float = 0.0
    committed: dict[str, list[int]] = field(default_factory=dict)  #: series -> chunks
    trouble: list[str] = field(default_factory=list)  #: what failed while the rest went on

    @property
    def idle(self) -> bool:
        """Whether there was nothing to do."""
        return not (self.periods or self.chunks or self.trimmed or self.expired)


class Keeper:
    """Keeps the store of one site.

    Parameters
    ----------
    store
        The site.
    now
        The clock [ns since 1970 UTC].
    grace
        Seconds after the end of a ten-minute period until it is computed: time for stragglers.
    settle
        Seconds after the end of a chunk until it is committed.
    late_every
        Least seconds between two commits of the same chunk for late samples.
    linger
        Seconds a row stays in the journal at least, in the store or not: those who follow the news (rings,
        alerts) ask for it there.
    backlog
        Values in the journal of one chunk from which on it is committed before it is full, so that a very
        large site whose chunks are long does not pile up hours in the journal.
    retention
        How long snapshots are kept.
    """

    def __init__(
        self,
        store: SiteStore,
        *,
        now: Callable[[], int] = time.time_ns,
        grace: float = 15.0,
        settle: float = 60.0,
        late_every: float = 300.0,
        linger: float = 120.0,
        backlog: int = 192_000_000,
        retention: Retention | None = None,
    ) -> None:
        self.store = store
        self._now = now
        self._grace = int(grace * NS)
        self._settle = int(settle * NS)
        self._late_every = int(late_every * NS)
        self._linger = int(linger * NS)
        self._backlog = backlog
        self._retention = retention or Retention()
        self._committed: dict[tuple[SeriesKey, int], int] = {}
        self._lock = contextlib.ExitStack()
        self._file: IO[str] | None = None
        self._marks: list[tuple[int, int]] = []
        self._told: set[str] = set()
        self._left: list[str] | None = None

    def __enter__(self) -> Keeper:
        self.lock()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def lock(self, *, wait: float = 0.0) -> None:
        """Become this site's one keeper; the first step does it otherwise.

        Raises
        ------
        InputError
            Another keeper serves the site.
        """
        if self._file is None:
            self._file = self._lock.enter_context(
                lock_file(self.store.folder / "keeper.lock", f"another keeper serves {self.store.site}", wait=wait)
            )

    def close(self) -> None:
        """Let another keeper take over."""
        self._lock.close()
        self._file = None

    def step(self) -> KeeperReport:
        """Do what is due now."""
        self.lock()
        began = time.perf_counter()
        report = KeeperReport(self.store.site)
        self._statistics(report)
        if self.store.journal_path.exists():
            self._commit(report)
            self._trim(report)
            self.store.journal.tidy()
        if self.store.telemetry.exists():
            report.expired, report.collected = retain(self.store, self._retention, now=self._now())
        report.seconds = time.perf_counter() - began
        self.tell(report.trouble)
        return report

    def tell(self, lines: list[str]) -> None:
        """Leave what cannot be done where those who look at the site's health find it."""
        if lines != self._left:
            self._left = lines
            trouble.tell(self.store.folder, lines)

    # -- statistics -----------------------------------------------------------------------------------

    def _statistics(self, report: KeeperReport) -> None:
        if not self.store.exists():
            return
        with self.store.view() as view:
            keys = [key for key in view.known() if has_statistics(key)]
        for key in keys:
            try:
                self._statistics_of(key, report)
            except Exception as error:
                # One series that cannot be summed up must not keep the others, and the store, waiting.
                text = f"statistics of {self.store.site} {key} failed: {type(error).__name__}: {error}"
                report.trouble.append(text)
                if text not in self._told:
                    logging.getLogger(__name__).exception("statistics of %s %s failed", self.store.site, key)
                self._told.add(text)

    def _statistics_of(self, key: SeriesKey, report: KeeperReport) -> None:
        name = f"statistics {key}"
        with self.store.view() as view:
            before = {"seq": 0, "imports": 0, "pending": []} | (view.journal.meta(name) or {})
            spans = view.journal.spans(key, after=before["seq"])
            group = view.snapshot.group(key)
            imports = () if group is None else group.imports
            state = {
                "seq": max(before["seq"], view.journal.last_seq) if spans else before["seq"],
                "imports": imports[-1][0] if imports else before["imports"],
            }
        spans += [(first, last) for number, first, last in imports if number > before["imports"]]
        pending = set(before["pending"])
        for first, last in spans:
            pending.update(range(first - first % PERIOD, last + 1, PERIOD))
        closed = sorted(period for period in pending if period + PERIOD + self._grace <= self._now())
        # The newest first, in portions: what is long past must not hold up what is new.
        due = closed[-_PERIODS_A_STEP:]
        for at in range(len(due), 0, -_PERIODS_AT_ONCE):
            part = due[max(0, at - _PERIODS_AT_ONCE) : at]
            batches = statistics_batches(self.store, key, part, received=self._now())
            pending.difference_update(part)
            # Result and note in one transaction: killed in between, it is done again as a whole.
            self.store.journal.append(batches, meta={name: state | {"pending": sorted(pending)}})
            report.periods += len(part)
        if not due and spans:
            self.store.journal.append([], meta={name: state | {"pending": sorted(pending)}})

    # -- commit ---------------------------------------------------------------------------------------

    def _commit(self, report: KeeperReport) -> None:
        due = self.due()
        if not due:
            return
        try:
            done = commit_chunks(self.store, due)
        except AheadError as error:
            # Until then, or a repair, the journal keeps what comes; all else goes on.
            text = f"nothing goes from the journal into the store: {error.message}, {error.found}"
            report.trouble.append(text)
            if text not in self._told:
                logging.getLogger(__name__).error("%s: %s", self.store.site, text)
            self._told.add(text)
            return
        now = self._now()
        for key, chunks in done.chunks.items():
            report.committed[str(key)] = chunks
            report.chunks += len(chunks)
            for chunk in chunks:
                self._committed[key, chunk] = now
        report.rows += done.rows
        report.values += done.values
        for old in [place for place, when in self._committed.items() if now - when > 10 * self._late_every]:
            del self._committed[old]

    def _trim(self, report: KeeperReport) -> None:
        """Delete what the store holds and every reader of news has had time to see."""
        now = self._now()
        self._marks.append((now, self.store.journal.last_seq))
        seen = [mark for mark in self._marks if mark[0] <= now - self._linger]
        if seen:
            self._marks = self._marks[len(seen) - 1 :]
            report.trimmed += trim_applied(self.store, through=seen[-1][1])

    def due(self) -> dict[SeriesKey, list[int]]:
        """Chunks to commit now: full ones, those with late samples, those that have grown too large."""
        now = self._now()
        found: dict[SeriesKey, list[int]] = {}
        with self.store.view() as view:
            for key in view.journal.series():
                grid = view.journal.names.grid(key)
                pending = (view.journal.meta(f"statistics {key}") or {}).get("pending", [])
                # The last ten minutes of a chunk are written when they are computed, after it has ended.
                settle = self._settle + (self._grace if key.cadence == STATISTICS_CADENCE else 0)
                for chunk in view.series(key).tail:
                    end = grid.chunk_start(chunk.chunk + 1)
                    full = now >= end + settle
                    waiting = any(end - grid.span < period + PERIOD and period < end for period in pending)
                    last = self._committed.get((key, chunk.chunk))
                    # One that is yet to come was noted by a clock that was ahead.
                    again = last is None or not 0 <= now - last < self._late_every
                    if (full and not waiting and again) or chunk.values >= self._backlog:
                        found.setdefault(key, []).append(chunk.chunk)
        return found


def keeper_main(
    root: str | Path,
    sites: Sequence[str],
    *,
    every: float = 2.0,
    stop: Callable[[], bool] | None = None,
    lock_wait: float = 60.0,
) -> None:
    """Keep the stores of ``sites`` until SIGTERM or SIGINT, or until the process that started this one is gone.

    A step that has begun is finished. Trouble at one site is logged and does not stop the others. Who started it
    is said by the environment variable ``WORKBENCH_PARENT``: one that was killed meanwhile is no parent any more.

    Raises
    ------
    InputError
        Another keeper serves one of the sites.
    """
    import signal
    import threading

    log = logging.getLogger("workbench.store.keeper")
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    _be_quiet()
    parent = int(os.environ.get("WORKBENCH_PARENT") or os.getppid())
    with contextlib.ExitStack() as held:
        keepers = [Keeper(SiteStore(root, site)) for site in sites]
        for keeper in keepers:
            held.callback(keeper.close)
            keeper.lock(wait=lock_wait)
        while not stopped.is_set() and os.getppid() == parent and not (stop is not None and stop()):
            for keeper in keepers:
                if stopped.is_set():
                    break
                try:
                    report = keeper.step()
                except Exception as error:
                    log.exception("keeper of %s failed, trying again", keeper.store.site)
                    keeper.tell([f"the keeper failed, trying again: {line_of(error)}"])
                    continue
                if report.chunks or report.expired:
                    log.info(
                        "%s: %d chunks committed (%d values), %d rows trimmed, %d snapshots expired, %.1f s",
                        report.site, report.chunks, report.values, report.trimmed, report.expired, report.seconds,
                    )  # fmt: skip
            stopped.wait(every)


def _be_quiet() -> None:
    """Give way to the collector: a lower priority, and no more threads than needed."""
    import zarr

    with contextlib.suppress(OSError):
        os.nice(5)
    zarr.config.set({"threading.max_workers": 1, "async.concurrency": 2})


if __name__ == "__main__":
    import sys

    from workbench.model.errors import InputError

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        keeper_main(sys.argv[1], sys.argv[2:])
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
