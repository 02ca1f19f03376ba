"""The collector's life: start every source, watch them, stop without losing anything."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import structlog

from workbench.collect.clock import OwnClock
from workbench.collect.devices import DeviceWatch
from workbench.collect.health import HealthFile
from workbench.collect.intake import SiteIntake
from workbench.model.errors import InputError
from workbench.model.samples import NS, Event
from workbench.sources.base import Source
from workbench.store import Journal, Records, SiteStore

log = structlog.get_logger("workbench.collect")

#: Seconds before a writer that broke is started again.
_WRITER_PAUSE = 1.0
#: Seconds from one start of the keeper to the next, at least.
_KEEPER_PAUSE = 5.0
#: Seconds that a keeper has for what it is at when all ends.
_KEEPER_GRACE = 30.0


@dataclasses.dataclass
class _Site:
    name: str
    folder: Path
    sources: list[Source]
    intake: SiteIntake
    journal: Journal
    health: HealthFile
    lock: IO[str]
    devices: DeviceWatch
    last_values: int = 0
    rate: float = 0.0


class Collector:
    """Collects from ``sources`` into the store below ``root`` until stopped.

    Each site has its own journal and its own lock, so that a second collector may run for other sites.
    A keeper process of its own turns journal into store, so that its work never delays a reading.

    Parameters
    ----------
    root
        Root of the store.
    sources
        The live entries of the catalogs.
    flush
        Seconds between two writes to the journal.
    keeper
        Whether to run the keeper process.
    clock
        The machine's own.

    Raises
    ------
    InputError
        There is nothing to collect, or another collector already serves one of the sites.
    """

    def __init__(
        self,
        root: Path,
        sources: Sequence[Source],
        *,
        flush: float = 0.2,
        keeper: bool = True,
        clock: OwnClock | None = None,
    ) -> None:
        if not sources:
            raise InputError(
                "no live source to collect from",
                expected="at least one catalog entry with a live driver (modbus, opcua, mqtt, tail)",
                hint="see: workbench catalog list",
            )
        self.root = root
        self.clock = clock or OwnClock()
        self.started = time.time_ns()
        self.records = Records(root / "records.sqlite")
        self.sites: dict[str, _Site] = {}
        self._with_keeper = keeper
        self._keeper: subprocess.Popen[bytes] | None = None
        self._keeper_began = 0.0
        self._keeper_restarts = 0
        self._keeper_told: int | None = None
        self._stop = asyncio.Event()
        try:
            for site in sorted({source.site for source in sources}):
                self.sites[site] = self._open(site, [s for s in sources if s.site == site], flush)
        except BaseException:
            self._release()
            raise

    def _open(self, site: str, sources: list[Source], flush: float) -> _Site:
        folder = self.root / site
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "collector.lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            owner = lock.read().strip()
            lock.close()
            raise InputError(
                f"another collector already collects {site}",
                file=folder,
                found=f"process {owner}" if owner else None,
                hint="stop it first, or choose other sites with --site",
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        journal = SiteStore(self.root, site).journal
        for key in {source.series for source in sources}:
            journal.expect(key, len({asset for source in sources if source.series == key for asset in source.assets}))

        def recall(key: str) -> Any:
            with journal.view() as view:
                return view.meta(key)

        intake = SiteIntake(site, journal.append, self.records.add_events, every=flush, recall=recall, clock=self.clock)
        return _Site(site, folder, sources, intake, journal, HealthFile(folder), lock, DeviceWatch(site))

    # -- running --------------------------------------------------------------------------------------

    async def run(self, *, on_ready: Callable[[], None] | None = None) -> None:
        """Collect until :meth:`stop`, SIGTERM or SIGINT; then write what is left and end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(NotImplementedError, RuntimeError):  # not in the main thread
                loop.add_signal_handler(number, self.stop)
        self._start_keeper()
        writers = [
            asyncio.create_task(self._run_intake(site), name=f"intake {site.name}") for site in self.sites.values()
        ]
        readers = [
            asyncio.create_task(self._run_source(source, site), name=f"source {source.name}")
            for site in self.sites.values()
            for source in site.sources
        ]
        log.info("collecting", sites=len(self.sites), sources=len(readers), store=str(self.root))
        if on_ready is not None:
            on_ready()
        try:
            while not self._stop.is_set():
                self._watch_clock()
                self._watch_devices()
                self._write_health()
                self._watch_keeper()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), 1.0)
        finally:
            log.info("stopping")
            for task in readers:
                task.cancel()
            await asyncio.gather(*readers, return_exceptions=True)
            for site in self.sites.values():
                site.intake.close()
            await asyncio.gather(*writers, return_exceptions=True)
            await self._stop_keeper()
            self._write_health(stopped=True)
            self._release()
            log.info("stopped", **self.totals())

    def stop(self) -> None:
        """Ask :meth:`run` to end."""
        self._stop.set()

    def totals(self) -> dict[str, int]:
        """Samples, values, late samples and so on over all sites since the start."""
        counts = [site.intake.counts for site in self.sites.values()]
        names = ("samples", "values", "late", "clock", "dropped", "dropped_values", "dropped_events")
        return {name: sum(getattr(c, name) for c in counts) for name in names}

    async def _run_intake(self, site: _Site) -> None:
        # What sources put waits in the intake, whoever writes it: a writer that breaks is replaced, and seen.
        while True:
            try:
                await site.intake.run()
                if site.intake.closing:
                    return
                error = "ended by itself"
                log.error("writer ended by itself", site=site.name, waiting=site.intake.waiting)
            except Exception as failure:
                error = f"{type(failure).__name__}: {failure}"
                log.exception("writer failed", site=site.name, waiting=site.intake.waiting)
            site.intake.counts.journal_error = f"writer failed: {error}"
            await asyncio.sleep(_WRITER_PAUSE)

    async def _run_source(self, source: Source, site: _Site) -> None:
        # Sources mend themselves; should one end all the same, that is a defect to be seen, not a silence.
        while True:
            try:
                await source.run(site.intake)
                log.error("source ended by itself", source=source.name)
            except asyncio.CancelledError:
                raise
            except Exception as error:
                log.exception("source failed", source=source.name)
                for asset in source.assets:
                    source.health.device(asset).failed(error, "down")
            await asyncio.sleep(5.0)

    # -- health ---------------------------------------------------------------------------------------

    def _watch_clock(self) -> None:
        by = self.clock.step()
        if by:
            way = "forward" if by > 0 else "back"
            text = f"The clock of the collector's machine was set {way} by {abs(by) / 1e9:.1f} s"
            log.warning("the machine's clock was set", seconds=round(by / 1e9, 1))
            for site in self.sites.values():
                site.intake.event(Event(site.name, "", self.clock.now(), "clock", "set", way, text, "medium"))

    def _watch_devices(self) -> None:
        now = time.monotonic_ns()
        for site in self.sites.values():
            for source in site.sources:
                source.watch_silence(now)
                for event in site.devices.changes(source, now):
                    site.intake.event(event)

    def _write_health(self, *, stopped: bool = False) -> None:
        for site in self.sites.values():
            counts = site.intake.counts
            site.rate += 0.2 * ((counts.values - site.last_values) - site.rate)
            site.last_values = counts.values
            content: dict[str, Any] = {
                "pid": os.getpid(),
                "started": self.started,
                "stopped": time.time_ns() if stopped else 0,
                "values_per_s": round(site.rate, 1),
                "waiting": site.intake.waiting,
                "journal_backlog_s": round(site.intake.backlog, 3),
                "keeper": self._keeper is not None and self._keeper.poll() is None,
                "keeper_restarts": self._keeper_restarts,
                "clock_steps": self.clock.steps,
                "clock_back_s": round(self.clock.back / NS, 1),
                **dataclasses.asdict(counts),
            }
            try:
                site.health.write(content, site.sources)
            except OSError as error:
                log.error("health could not be written", site=site.name, error=str(error))

    # -- keeper ---------------------------------------------------------------------------------------

    def _start_keeper(self) -> None:
        if self._with_keeper:
            command = [sys.executable, "-m", "workbench.store.keeper", str(self.root), *self.sites]
            # In its own session, so that Ctrl-C reaches only the collector, which then ends it in order.
            # It ends with us, also where we are killed before it has looked who we are.
            us = {**os.environ, "WORKBENCH_PARENT": str(os.getpid())}
            self._keeper = subprocess.Popen(command, start_new_session=True, env=us)
            self._keeper_began = time.monotonic()

    def _watch_keeper(self) -> None:
        if self._keeper is None or self._keeper.poll() is None:
            return
        if self._keeper.returncode != self._keeper_told:
            self._keeper_told = self._keeper.returncode
            log.error("keeper ended, starting another", code=self._keeper.returncode)
        # One that ends at once would keep a core busy: it is seen as not running until its next try.
        if time.monotonic() - self._keeper_began >= _KEEPER_PAUSE:
            self._keeper_restarts += 1
            self._keeper_told = None
            self._start_keeper()

    async def _stop_keeper(self) -> None:
        if self._keeper is None:
            return
        self._keeper.terminate()
        ended = asyncio.create_task(asyncio.to_thread(self._keeper.wait, _KEEPER_GRACE))
        while not (await asyncio.wait({ended}, timeout=1.0))[0]:
            self._write_health()
        try:
            await ended
        except subprocess.TimeoutExpired:
            # Safe: a commit is whole or absent, and the journal keeps what was not committed.
            log.warning("keeper does not end, killed", seconds=_KEEPER_GRACE)
            self._keeper.kill()
            await asyncio.to_thread(self._keeper.wait)

    def _release(self) -> None:
        for site in self.sites.values():
            site.journal.close()
            site.lock.close()
        self.records.close()
