"""What a site takes in: samples gather for a moment, go to the journal as batches, and are then acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import structlog

from workbench.collect.changes import StatusWatch
from workbench.collect.clock import OwnClock
from workbench.model.quality import Quality
from workbench.model.samples import NS, Batch, Event, Sample, SeriesKey, Shape
from workbench.model.time import Cadence

log = structlog.get_logger("workbench.collect")

#: A source time further ahead of our clock than this is not believed [ns].
MOST_AHEAD = 60 * NS
#: A source time further behind our clock than this is not believed [ns].
MOST_BEHIND = 30 * 86_400 * NS

#: A sample no older than this [ns] when it arrives may have been stamped by our clock, as of a device without one.
_GIVEN_HERE = 5 * NS
#: Seconds between two words about samples, or events, that are dropped.
_TELL_EVERY = 10.0
#: Seconds between two of the last tries to write before the end.
_LAST_PAUSE = 0.5
#: Events that wait for the records at most.
_MOST_EVENTS = 100_000
#: Before the keys of our notes, so that they are apart from the journal's own.
_NOTE = "collect: "


class Append(Protocol):
    """Writes batches, and notes in the same transaction; ``Journal.append`` is one."""

    def __call__(self, batches: list[Batch], *, meta: Mapping[str, Any] | None = None) -> int:
        """The journal's last number."""
        ...


@dataclass
class IntakeCounts:
    """What a site has taken in since the collector started."""

    samples: int = 0
    values: int = 0  #: values sent, whatever their quality; NaN for "not sent" is not counted
    late: int = 0  #: samples of a slot older than the newest of their asset
    clock: int = 0  #: samples whose source time was not believed
    dropped: int = 0  #: samples given up because neither disk nor memory had room
    dropped_values: int = 0  #: values in them
    dropped_events: int = 0  #: events given up for the same reason
    batches: int = 0
    seq: int = 0  #: the journal's last durable number
    append_ms: float = 0.0  #: the slowest of the newest appends
    journal_error: str = ""  #: why the journal does not take batches at the moment


class SiteIntake:
    """Sink of all sources of one site.

    Samples put between two flushes are written together: one transaction, one fsync, however many sources
    there are. Until the journal has them they stay here, whether it is slow or the disk is full: what sources
    hold back for always, of the rest up to ``most_waiting`` samples and ``most_values`` values.

    Parameters
    ----------
    append
        Writes batches and notes durably, together, and returns the journal's last number; runs in a thread of
        its own.
    record
        Writes events; runs in the same thread.
    every
        Seconds between flushes.
    recall
        Gives a note that ``append`` wrote in this life or an earlier one; None where there is none.
    clock
        The machine's own.
    """

    def __init__(
        self,
        site: str,
        append: Append,
        record: Callable[[list[Event]], object],
        *,
        every: float = 0.2,
        most_waiting: int = 1_000_000,
        most_values: int = 50_000_000,
        recall: Callable[[str], Any] | None = None,
        clock: OwnClock | None = None,
    ) -> None:
        self.site = site
        self._clock = clock or OwnClock()
        self.counts = IntakeCounts()
        self._append = append
        self._record = record
        self._every = every
        self._most_waiting, self._most_values = most_waiting, most_values
        self._recall = recall
        self._waiting = _Room()
        self._writing = _Room()
        self._events: list[Event] = []
        self._notes: dict[str, Any] = {}
        self._states: dict[str, Any] = {}
        self._durable: asyncio.Future[None] | None = None
        self._newest: dict[tuple[SeriesKey, str], int] = {}
        self._steps: dict[SeriesKey, int] = {}
        self._watch = StatusWatch(site, self.recall)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix=f"journal-{site}")
        self._closing = asyncio.Event()
        self._dropped_told = self._events_told = -math.inf

    # -- the Sink -------------------------------------------------------------------------------------

    def put(self, samples: Sequence[Sample], *, held: bool = False) -> Awaitable[None]:
        """Take samples; the returned awaitable is done when the journal has them.

        Those that are not ``held`` may be given up where there is no room for them; that is counted.
        """
        now, back = self._clock.now(), self._clock.back
        counts = self.counts
        for sample in samples:
            sample.received = sample.received or now
            believed = self._clock.believable(sample.time, behind=MOST_BEHIND, ahead=MOST_AHEAD)
            key = sample.shape.key
            newest = self._newest.get((key, sample.asset), 0)
            if not believed:
                self._mistrust(sample, sample.received + back)
            elif back and sample.time < newest and 0 <= sample.received - sample.time < _GIVEN_HERE:
                # The clock that was set is the one that it was stamped by. Its slot is taken, by another sample.
                self._mistrust(sample, sample.time + back)
            if sample.time >= newest:
                if sample.time == newest:
                    # The rest of an update that came in parts, or the same one delivered again: the count of
                    # a slot is of distinct instants.
                    sample.count = 0
                self._newest[(key, sample.asset)] = sample.time
            else:
                step = self._steps.get(key) or self._steps.setdefault(key, Cadence.parse(key.cadence).ns)
                counts.late += sample.time // step < newest // step
            if changes := self._watch.changes(sample):
                self._keep_events([], *changes)
        self._waiting.put(samples, held=held)
        self._make_room()
        if self._durable is None:
            self._durable = asyncio.get_running_loop().create_future()
        return asyncio.shield(self._durable)

    def event(self, event: Event) -> None:
        """Take an event."""
        self._keep_events([], event)

    def remember(self, key: str, value: Any) -> None:
        """Keep a note in one transaction with the samples put before it since the last flush."""
        self._notes[_NOTE + key] = value

    def recall(self, key: str) -> Any:
        """The note last remembered under ``key``; None where there is none."""
        if _NOTE + key in self._notes:
            return self._notes[_NOTE + key]
        return None if self._recall is None else self._recall(_NOTE + key)

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
            if await self.flush() and not self._left:
                break
            # The states are noted in a flush after the one that recorded their changes: no reason to wait.
            if self.counts.journal_error or self._events:
                await asyncio.sleep(_LAST_PAUSE)
        self._give_up()
        self._writer.shutdown(wait=True)

    def close(self) -> None:
        """Ask :meth:`run` to write what is left and end."""
        self._closing.set()

    @property
    def closing(self) -> bool:
        """Whether :meth:`close` was called."""
        return self._closing.is_set()

    async def flush(self) -> bool:
        """Write what waits; False where the journal refused it (it then waits on)."""
        if not self._left and not self._watch.news:
            return True
        self._states |= self._watch.notes()
        states = dict(self._states)
        room, self._waiting = self._waiting, _Room()
        samples = room.samples()
        events, self._events = self._events, []
        notes, self._notes = self._notes, {}
        durable, self._durable = self._durable, None
        loop = asyncio.get_running_loop()
        if samples or notes:
            self._writing = room
            try:
                began = time.perf_counter()
                batches, seq = await loop.run_in_executor(self._writer, self._write, samples, notes)
            except Exception as error:
                self._writing = _Room()
                self._keep(room, events, notes, durable)
                message = f"{type(error).__name__}: {error}"
                if message != self.counts.journal_error:
                    log.error("journal refused a batch", site=self.site, error=message, waiting=len(self._waiting))
                self.counts.journal_error = message
                return False
            self._writing = _Room()
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
                self._keep_events(events)
                return True
        # A state is known for good only when its change is on record: should we die between the two, the change
        # is seen again, not lost.
        for key, value in states.items():
            self.remember(key, value)
            if self._states.get(key) is value:
                del self._states[key]
        return True

    @property
    def waiting(self) -> int:
        """Samples that are not durable yet."""
        return len(self._waiting) + len(self._writing)

    @property
    def backlog(self) -> float:
        """Seconds for which the oldest sample has been waiting."""
        oldest = self._writing.oldest or self._waiting.oldest
        return 0.0 if oldest is None else max(0.0, (time.time_ns() - oldest.received) / 1e9)

    @property
    def _left(self) -> bool:
        return bool(self._waiting or self._events or self._notes)

    def _write(self, samples: list[Sample], notes: dict[str, Any]) -> tuple[list[Batch], int]:
        batches = to_batches(samples)
        return batches, self._append(batches, meta=notes) if notes else self._append(batches)

    def _give_up(self) -> None:
        """The end: what could not be written until now is lost, and that is said."""
        if self._waiting:
            room, self._waiting = self._waiting, _Room()
            self._dropped_told = -math.inf
            self._drop(room.samples(), "the journal did not take them before the stop")
        if self._events:
            log.error("events given up", site=self.site, events=len(self._events))
            self.counts.dropped_events += len(self._events)
            self._events = []

    def _drop(self, samples: list[Sample], reason: str) -> None:
        counts = self.counts
        counts.dropped += len(samples)
        counts.dropped_values += sum(int(np.count_nonzero(~np.isnan(sample.values))) for sample in samples)
        now = time.monotonic()
        if now - self._dropped_told >= _TELL_EVERY:
            self._dropped_told = now
            log.error(
                "samples dropped",
                site=self.site,
                reason=reason,
                samples=counts.dropped,
                values=counts.dropped_values,
                error=counts.journal_error,
            )

    def _keep_events(self, before: list[Event], *after: Event) -> None:
        """Put events before and after those that wait, as far as there is room."""
        self._events[:0] = before
        self._events.extend(after)
        surplus = len(self._events) - _MOST_EVENTS
        if surplus <= 0:
            return
        del self._events[:surplus]
        self.counts.dropped_events += surplus
        now = time.monotonic()
        if now - self._events_told >= _TELL_EVERY:
            self._events_told = now
            log.error("events dropped", site=self.site, events=self.counts.dropped_events)

    def _keep(
        self,
        room: _Room,
        events: list[Event],
        notes: dict[str, Any],
        durable: asyncio.Future[None] | None,
    ) -> None:
        self._waiting = room.followed_by(self._waiting)
        self._keep_events(events)
        self._notes = notes | self._notes
        self._make_room()
        if durable is None:
            return
        if self._durable is None:
            self._durable = durable
        else:  # new samples came meanwhile: both wait for the same next flush
            self._durable.add_done_callback(lambda _: None if durable.done() else durable.set_result(None))

    def _make_room(self) -> None:
        lost = self._waiting.give_up(
            self._most_waiting - self._writing.loose_samples, self._most_values - self._writing.loose_values
        )
        if lost:
            self._drop(lost, "neither disk nor memory had room")

    def _mistrust(self, sample: Sample, time: int) -> None:
        """Put a sample with an impossible time into the slot of ``time``, flagged."""
        self.counts.clock += 1
        flags = sample.quality if sample.quality is not None else np.zeros(len(sample.values), dtype=np.uint16)
        # Only what was sent: a flag on a value that was not sent would say that it came, and erase the one there.
        sent = ~np.isnan(sample.values) | (flags != 0)
        sample.quality = np.where(sent, flags | np.uint16(Quality.CLOCK), flags)
        sample.time = time


class _Room:
    """Samples that wait, in the order in which they came; those that are loose may be given up."""

    def __init__(self) -> None:
        self._held: deque[tuple[int, Sample]] = deque()
        self._loose: deque[tuple[int, Sample]] = deque()
        self._next = 0
        self.loose_values = 0

    def __len__(self) -> int:
        return len(self._held) + len(self._loose)

    @property
    def loose_samples(self) -> int:
        return len(self._loose)

    @property
    def oldest(self) -> Sample | None:
        return min((queue[0] for queue in (self._held, self._loose) if queue), default=(0, None))[1]

    def put(self, samples: Sequence[Sample], *, held: bool) -> None:
        (self._held if held else self._loose).extend(enumerate(samples, self._next))
        self._next += len(samples)
        if not held:
            self.loose_values += sum(len(sample.values) for sample in samples)

    def samples(self) -> list[Sample]:
        found = [*self._held, *self._loose]
        if self._held and self._loose:
            found.sort(key=lambda each: each[0])
        return [sample for _, sample in found]

    def followed_by(self, other: _Room) -> _Room:
        """What is here and then what is in ``other``."""
        self._held.extend((self._next + number, sample) for number, sample in other._held)
        self._loose.extend((self._next + number, sample) for number, sample in other._loose)
        self._next += other._next
        self.loose_values += other.loose_values
        return self

    def give_up(self, most_samples: int, most_values: int) -> list[Sample]:
        """The oldest loose samples, until no more than so many are left of them and of their values."""
        lost = []
        while self._loose and (len(self._loose) > most_samples or self.loose_values > most_values):
            _, sample = self._loose.popleft()
            self.loose_values -= len(sample.values)
            lost.append(sample)
        return lost


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
