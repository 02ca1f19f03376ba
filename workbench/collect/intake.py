"""What a site takes in: samples gather for a moment, go to the journal as batches, and are then acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import structlog

from workbench.collect.changes import StatusWatch
from workbench.model.quality import Quality
from workbench.model.samples import NS, Batch, Event, Sample, SeriesKey, Shape
from workbench.model.time import Cadence

log = structlog.get_logger("workbench.collect")

#: A source time further ahead of our clock than this is not believed [ns].
MOST_AHEAD = 60 * NS
#: A source time further behind our clock than this is not believed [ns].
MOST_BEHIND = 30 * 86_400 * NS


@dataclass
class IntakeCounts:
    """What a site has taken in since the collector started."""

    samples: int = 0
    values: int = 0  #: values sent, whatever their quality; NaN for "not sent" is not counted
    late: int = 0  #: samples older than the newest of their asset
    clock: int = 0  #: samples whose source time was not believed
    dropped: int = 0  #: samples given up because neither disk nor memory had room
    batches: int = 0
    seq: int = 0  #: the journal's last durable number
    append_ms: float = 0.0  #: the slowest of the newest appends
    journal_error: str = ""  #: why the journal does not take batches at the moment


class SiteIntake:
    """Sink of all sources of one site.

    Samples put between two flushes are written together: one transaction, one fsync, however many sources
    there are. Until the journal has them they stay here; where the disk is full they wait, up to
    ``most_waiting`` samples.

    Parameters
    ----------
    append
        Writes batches durably and returns the journal's last number; runs in a thread of its own.
    record
        Writes events; runs in the same thread.
    every
        Seconds between flushes.
    """

    def __init__(
        self,
        site: str,
        append: Callable[[list[Batch]], int],
        record: Callable[[list[Event]], object],
        *,
        every: float = 0.2,
        most_waiting: int = 1_000_000,
    ) -> None:
        self.site = site
        self.counts = IntakeCounts()
        self._append = append
        self._record = record
        self._every = every
        self._most_waiting = most_waiting
        self._waiting: list[Sample] = []
        self._events: list[Event] = []
        self._durable: asyncio.Future[None] | None = None
        self._newest: dict[tuple[SeriesKey, str], int] = {}
        self._watch = StatusWatch(site)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix=f"journal-{site}")
        self._closing = asyncio.Event()

    # -- the Sink -------------------------------------------------------------------------------------

    def put(self, samples: Sequence[Sample]) -> Awaitable[None]:
        """Take samples; the returned awaitable is done when the journal has them."""
        now = time.time_ns()
        counts = self.counts
        for sample in samples:
            sample.received = sample.received or now
            if not now - MOST_BEHIND <= sample.time <= now + MOST_AHEAD:
                self._mistrust(sample)
            name = (sample.shape.key, sample.asset)
            newest = self._newest.get(name, 0)
            if sample.time >= newest:
                if sample.time == newest:
                    # The rest of an update that came in parts, or the same one delivered again: the count of
                    # a slot is of distinct instants.
                    sample.count = 0
                self._newest[name] = sample.time
                self._events.extend(self._watch.changes(sample))
            else:
                counts.late += 1
        self._waiting.extend(samples)
        if self._durable is None:
            self._durable = asyncio.get_running_loop().create_future()
        return asyncio.shield(self._durable)

    def event(self, event: Event) -> None:
        """Take an event."""
        self._events.append(event)

    # -- the journal's side ---------------------------------------------------------------------------

    async def run(self) -> None:
        """Flush until :meth:`close` is called, then once more."""
        while not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), self._every)
            if not await self.flush():
                # Do not hammer a full disk.
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), 1.0)
        for _ in range(5):
            if await self.flush():
                break
            await asyncio.sleep(0.5)
        self._writer.shutdown(wait=True)

    def close(self) -> None:
        """Ask :meth:`run` to write what is left and end."""
        self._closing.set()

    async def flush(self) -> bool:
        """Write what waits; False where the journal refused it (it then waits on)."""
        samples, self._waiting = self._waiting, []
        events, self._events = self._events, []
        durable, self._durable = self._durable, None
        if not samples and not events:
            return True
        loop = asyncio.get_running_loop()
        if samples:
            try:
                began = time.perf_counter()
                batches, seq = await loop.run_in_executor(self._writer, self._write, samples)
            except Exception as error:
                self._keep(samples, events, durable)
                message = f"{type(error).__name__}: {error}"
                if message != self.counts.journal_error:
                    log.error("journal refused a batch", site=self.site, error=message, waiting=len(self._waiting))
                self.counts.journal_error = message
                return False
            counts = self.counts
            counts.append_ms = max(counts.append_ms * 0.98, (time.perf_counter() - began) * 1e3)
            counts.samples += len(samples)
            counts.values += sum(int(np.count_nonzero(~np.isnan(batch.values))) for batch in batches)
            counts.batches += len(batches)
            counts.seq = seq
            if counts.journal_error:
                log.info("journal takes batches again", site=self.site)
                counts.journal_error = ""
        if durable is not None and not durable.done():
            durable.set_result(None)
        if events:
            try:
                await loop.run_in_executor(self._writer, self._record, events)
            except Exception as error:
                log.error("records refused events", site=self.site, error=str(error), events=len(events))
                self._events[:0] = events[-10_000:]
        return True

    @property
    def waiting(self) -> int:
        """Samples that are not durable yet."""
        return len(self._waiting)

    def _write(self, samples: list[Sample]) -> tuple[list[Batch], int]:
        batches = to_batches(samples)
        return batches, self._append(batches)

    def _keep(self, samples: list[Sample], events: list[Event], durable: asyncio.Future[None] | None) -> None:
        self._waiting[:0] = samples
        self._events[:0] = events
        surplus = len(self._waiting) - self._most_waiting
        if surplus > 0:
            del self._waiting[:surplus]
            self.counts.dropped += surplus
        if durable is None:
            return
        if self._durable is None:
            self._durable = durable
        else:  # new samples came meanwhile: both wait for the same next flush
            self._durable.add_done_callback(lambda _: None if durable.done() else durable.set_result(None))

    def _mistrust(self, sample: Sample) -> None:
        """Put a sample with an impossible time into the slot of its arrival, flagged."""
        self.counts.clock += 1
        flags = sample.quality if sample.quality is not None else np.zeros(len(sample.values), dtype=np.uint16)
        # Only what was sent: a flag on a value that was not sent would say that it came, and erase the one there.
        sent = ~np.isnan(sample.values) | (flags != 0)
        sample.quality = np.where(sent, flags | np.uint16(Quality.CLOCK), flags)
        sample.time = sample.received


def to_batches(samples: Sequence[Sample]) -> list[Batch]:
    """Samples as batches, one per shape, in the order in which they came."""
    groups: dict[Shape, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.shape, []).append(sample)
    return [_batch(shape, group) for shape, group in groups.items()]


def _batch(shape: Shape, samples: list[Sample]) -> Batch:
    n = len(samples)
    places: dict[str, int] = {}
    asset = np.fromiter((places.setdefault(s.asset, len(places)) for s in samples), dtype=np.int32, count=n)
    times = np.fromiter((s.time for s in samples), dtype=np.int64, count=n)
    step = Cadence.parse(shape.key.cadence).ns
    quality = None
    if any(s.quality is not None for s in samples):
        quality = np.zeros((n, len(shape.variables)), dtype=np.uint16)
        for row, s in enumerate(samples):
            if s.quality is not None:
                quality[row] = s.quality
    return Batch(
        shape=shape,
        assets=tuple(places),
        slot=times - times % step,
        asset=asset,
        time=times,
        received=np.fromiter((s.received for s in samples), dtype=np.int64, count=n),
        count=np.fromiter((min(s.count, 65_535) for s in samples), dtype=np.uint16, count=n),
        values=np.stack([s.values for s in samples]),
        quality=quality,
    )
