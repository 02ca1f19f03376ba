"""One Modbus device: read it, decode it, remember what it refuses, keep its pace."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field

import numpy as np

from workbench.model.quality import Quality
from workbench.model.samples import Event, Sample
from workbench.sources.base import DeviceHealth, Sink, SourceError, backoff
from workbench.sources.modbus_clock import PhaseLock, next_slot
from workbench.sources.modbus_codec import ModbusCodec
from workbench.sources.modbus_link import (
    ILLEGAL_ADDRESS,
    ILLEGAL_FUNCTION,
    ILLEGAL_VALUE,
    Link,
    LinkDownError,
    NoAnswerError,
    RefusedError,
)
from workbench.sources.modbus_plan import Read, Span, split_read
from workbench.sources.scaling import Variables

#: How often a poll whose reads straddled an update of the device is done again at once.
_TORN_TRIES = 3


@dataclass
class Pace:
    """How a device is polled.

    ``period`` and ``offset`` [ns]; ``phase`` is the place in the slot (0 to 1) at which a device without a
    clock is read; ``timeout`` and ``probe_timeout`` [s], the second for a device that is known to be silent.
    """

    period: int
    offset: int
    phase: float
    timeout: float
    probe_timeout: float
    retry_refused: float = 60.0


@dataclass
class ModbusDevice:
    """A unit behind a link. ``poll`` reads it once; ``run`` does so for ever."""

    source: str
    site: str
    asset: str
    unit: int
    link: Link
    codec: ModbusCodec
    variables: Variables
    health: DeviceHealth
    pace: Pace
    refused: dict[Span, str] = field(default_factory=dict)  #: what the device does not hold, and what it said

    def __post_init__(self) -> None:
        self._reads = list(self.codec.reads)
        self._image = self.codec.image()
        self._texts: dict[int, str] = {}
        self._lock = PhaseLock(self.pace.period, self.pace.offset)
        self._index: dict[Span, list[int]] = {}
        for i, span in enumerate(self.codec.spans):
            self._index.setdefault(span, []).append(i)
        self._probe_at = 0.0
        self._probes = 0
        self._round_trip = 0.0
        self._silent = 0
        self._down = self._seen = False
        self._failing: dict[Span, str] = {}

    # -- one poll -------------------------------------------------------------------------------------

    async def poll(self, *, fresh: bool = False) -> Sample | None:
        """Read everything once; None where the device has not updated since the last poll.

        Parameters
        ----------
        fresh
            Take what is there, whether or not it was seen before.

        Raises
        ------
        LinkDownError, NoAnswerError
            The device cannot be reached.
        SourceError
            It answers, but refuses everything.
        """
        began = time.time_ns()
        clock = self.codec.clock
        torn, tick, passed = False, 0, 0
        for turn in range(_TORN_TRIES):
            self._failing.clear()
            planned = self._reads
            good: list[Read] = []
            for place, read in enumerate(planned):
                sent = time.monotonic_ns()
                good += await self._fetch(read)
                if place == 0 and not self._is_news(sent, fresh or turn > 0):
                    self._reads = good + planned[1:]
                    return None
            if good != planned:
                self._reads = sorted(good, key=lambda read: clock not in read.spans)
            before, tick = tick, self._tick()
            passed += turn > 0 and tick != before
            torn = clock is not None and tick != 0 and len(good) > 1 and await self._read_clock(clock) != tick
            if not torn:
                break
        if all(span in self.refused or span in self._failing for span in self._index):
            reason = next(iter({**self.refused, **self._failing}.values()), "there is nothing to read")
            raise SourceError(f"{self.asset}: every register is refused: {reason}")
        received = time.time_ns()
        raw = self.codec.decode(self._image)
        flags = None
        unread = [i for span in (*self.refused, *self._failing) for i in self._index.get(span, ())]
        if unread or torn:
            flags = np.zeros(len(raw), dtype=np.uint16)
            flags[unread] = Quality.BAD
            raw[unread] = np.nan
            if torn:  # parts of two updates: each value is true, their common time is not
                flags |= np.uint16(Quality.UNCERTAIN)
        values, quality = self.variables.scale(raw, flags, self.codec.sent)
        when = tick or (began + received) // 2
        sample = Sample(self.variables.shape, self.asset, when, values, quality, received)
        if passed and not self._lock.free:  # torn, and given way to the next when asked for again
            self._missed(passed)
        self.health.took(sample, "degraded" if torn or self._failing or self.refused else "ok")
        self._tell(torn)
        return sample

    def _missed(self, updates: int) -> None:
        self.health.missed += updates
        self.health.failed(f"{updates} updates of the device were not read", self.health.state)

    def _tick(self) -> int:
        """The device's clock as last read [ns]; 0 where it has none."""
        clock = self.codec.clock
        if clock is None or clock in self.refused or clock in self._failing:
            return 0
        return self.codec.time(self._image)

    def _is_news(self, sent: int, fresh: bool) -> bool:
        tick = self._tick()
        if tick == 0:
            return True
        missed = self._lock.missed
        news = self._lock.observe(tick, sent, time.monotonic_ns())
        if self._lock.missed > missed:
            self._missed(self._lock.missed - missed)
        return news or fresh

    async def _fetch(self, read: Read) -> list[Read]:
        """Read a block into the image and return it, or the parts of it that the device does answer."""
        began = time.monotonic()
        try:
            payload = await self.link.read(self.unit, read, self._timeout)
        except RefusedError as refusal:
            if refusal.code not in (ILLEGAL_ADDRESS, ILLEGAL_VALUE, ILLEGAL_FUNCTION):
                # Busy or broken for the moment: these values are missing now, the plan stays.
                self._failing.update(dict.fromkeys(read.spans, str(refusal)))
                return [read]
            parts = [] if refusal.code == ILLEGAL_FUNCTION else split_read(read)
            if not parts:
                self.refused.update(dict.fromkeys(read.spans, str(refusal)))
                self._probe_at = time.monotonic() + self.pace.retry_refused
                self.health.failed(f"refused: {refusal}")
            return [good for part in parts for good in await self._fetch(part)]
        self._round_trip = time.monotonic() - began
        try:
            self.codec.store(self._image, read, payload)
        except ValueError as error:
            raise NoAnswerError(f"{self.asset}: {error}") from None
        return [read]

    async def _read_clock(self, clock: Span) -> int:
        payload = await self.link.read(self.unit, Read(clock.table, clock.start, clock.count, (clock,)), self._timeout)
        if len(payload) != 2 * clock.count:
            raise NoAnswerError(f"{self.asset}: answer of {len(payload)} bytes to a read of the clock")
        return self.codec.time_of(payload)

    @property
    def _timeout(self) -> float:
        if self._silent == 0:
            return self.pace.timeout
        return min(self.pace.timeout, max(self.pace.probe_timeout, 2 * self._round_trip))

    def _tell(self, torn: bool) -> None:
        if torn:
            self.health.failed("updates faster than it can be read: values of one poll are of different times")
        elif self._failing:
            self.health.failed(next(iter(self._failing.values())))

    # -- for ever -------------------------------------------------------------------------------------

    async def run(self, sink: Sink) -> None:
        """Poll in step with the device until cancelled."""
        self.health.state = "connecting"
        # Devices of one source do not all start at once; one without a clock starts at its place in the slot.
        await asyncio.sleep(self.pace.offset / 1e9 if self.codec.clock is not None else self._pause())
        while True:
            try:
                await self._probe_refused()
                sample = await self.poll()
            except Exception as error:  # whatever it is: a defect here must not silence the other devices of the source
                await self._wait_out(error)
                continue
            if self._down:
                self.health.reconnects += self._seen
                self._silent, self._down = 0, False
            self._seen = True
            if sample is not None:
                sink.put([sample])
                self._text_events(sink, sample.time)
            await asyncio.sleep(self._pause())

    def _pause(self) -> float:
        """Seconds until the next poll."""
        if self._lock.tick and self._tick():
            now = time.monotonic_ns()
            return (self._lock.next_poll(now) - now) / 1e9
        now = time.time_ns()
        return (next_slot(now, self.pace.period, self.pace.phase) - now) / 1e9

    async def _wait_out(self, error: Exception) -> None:
        known = isinstance(error, LinkDownError | NoAnswerError | SourceError)
        self.health.failed(str(error) if known else error)
        self._down = True
        if isinstance(error, LinkDownError):
            # Nothing is known against the device. The link paces the tries; its devices follow one by one.
            self.health.state = "down"
            await asyncio.sleep(self.link.retry_in + random.uniform(0.02, 0.2))
            return
        self._silent += 1
        self.health.state = "down" if self._silent > 2 else "degraded"
        # The first silence may be one lost packet: ask again while the update is still there.
        await asyncio.sleep(0.05 if self._silent == 1 else backoff(self._silent - 1, first=0.25))

    async def _probe_refused(self) -> None:
        """Now and then ask for one refused value; should it be there now, plan everything anew."""
        if not self.refused or time.monotonic() < self._probe_at:
            return
        self._probe_at = time.monotonic() + self.pace.retry_refused
        spans = list(self.refused)
        span = spans[self._probes % len(spans)]
        self._probes += 1
        try:
            await self.link.read(self.unit, Read(span.table, span.start, span.count, (span,)), self._timeout)
        except RefusedError:
            return
        self.refused.clear()
        self._reads = list(self.codec.reads)

    def _text_events(self, sink: Sink, when: int) -> None:
        for i, text in self.codec.texts(self._image).items():
            if self.codec.spans[i] in self.refused or self.codec.spans[i] in self._failing:
                continue
            before = self._texts.get(i)
            self._texts[i] = text
            if before is not None and before != text:
                name = self.variables.names[i]
                sink.event(Event(self.site, self.asset, when, "status", name, text, source=self.source))
