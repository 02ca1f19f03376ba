"""The interface every source implements, and the health every source reports."""

from __future__ import annotations

import abc
import asyncio
import time
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar, Protocol, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from workbench.model.errors import InputError, InputErrors, did_you_mean
from workbench.model.errors import SourceError as SourceError  # its home is down there, its name is ours
from workbench.model.keys import AssetTypeName, CadenceText, check_host, check_url
from workbench.model.samples import NS, Event, Sample, SeriesKey
from workbench.model.secrets import masked
from workbench.model.tags import TagMap
from workbench.model.time import Cadence
from workbench.model.yamlfile import Complaint, complaint


class Capability(StrEnum):
    """What a source can do."""

    POLL = "poll"
    SUBSCRIBE = "subscribe"
    WRITE = "write"
    DISCOVER = "discover"


class Sink(Protocol):
    """Where a running source puts what it reads."""

    def put(self, samples: Sequence[Sample], *, held: bool = False) -> Awaitable[None]:
        """Take samples at once; the returned awaitable is done when they are durable.

        The samples are taken by the call itself, whether or not the awaitable is awaited. A source that can
        hold back its own acknowledgement (MQTT at QoS 1) does so until then, and says that they are ``held``:
        it lets only so many wait, and they are never given up. Of other samples, the oldest are given up and
        counted where they come faster than they can be stored.
        """
        ...

    def event(self, event: Event) -> None:
        """Take an event."""
        ...

    def remember(self, key: str, value: Any) -> None:
        """Keep a note that is durable together with the samples put before it: both or neither.

        ``value`` is what JSON can hold. A source that knows its place in what it reads notes it here.
        """
        ...

    def recall(self, key: str) -> Any:
        """The note last remembered under ``key``, also by an earlier collector; None where there is none."""
        ...


#: A source time further ahead of our clock than this [ns] is not believed.
_MOST_AHEAD = 60 * NS
#: Cadences, and at least so many ns, for which a device may be silent.
_SILENT_CADENCES, _SILENT_LEAST = 5, 5 * NS


def silence_limit(cadence: str) -> int:
    """For how long a device that reports at ``cadence`` may be silent [ns] before it is not well."""
    return max(_SILENT_CADENCES * Cadence.parse(cadence).ns, _SILENT_LEAST)


@dataclass
class DeviceHealth:
    """Health of one device (asset) behind a source. Times are ns since 1970 UTC, 0 for never."""

    state: str = "idle"  #: idle, connecting, ok, degraded, down
    since: int = 0  #: when it came into that state
    last_time: int = 0  #: source time of the newest sample
    last_received: int = 0
    samples: int = 0
    values: int = 0
    bad: int = 0  #: values that came with a quality flag
    errors: int = 0
    last_error: str = ""
    reconnects: int = 0
    missed: int = 0  #: updates of the device that are known to be lost
    clock_resets: int = 0  #: times at which the source's clock was set back

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "state" and value != getattr(self, "state", None):
            object.__setattr__(self, "since", time.time_ns())
            # Beside it, by a clock that nobody can set: for how long it has been so, and silent.
            object.__setattr__(self, "_came", time.monotonic_ns())
            object.__setattr__(self, "_heard", time.monotonic_ns())
        object.__setattr__(self, name, value)

    def lasts(self, now: int) -> int:
        """For how long it has been in its state [ns]; ``now`` by ``time.monotonic_ns``."""
        return now - int(getattr(self, "_came", now))

    def silence(self, now: int) -> int:
        """For how long nothing was heard, since it was reached [ns]; ``now`` by ``time.monotonic_ns``."""
        return now - int(getattr(self, "_heard", now))

    def took(self, sample: Sample, state: str = "ok") -> None:
        """Count a sample that arrived, and note the state that the device is in with it."""
        self.state = state
        object.__setattr__(self, "_heard", time.monotonic_ns())
        self.last_received = sample.received or time.time_ns()
        # One stamp from the future must not look fresh for ever.
        believed = self.last_time <= self.last_received + _MOST_AHEAD
        self.last_time = max(self.last_time, sample.time) if believed else sample.time
        self.samples += sample.count
        self.values += len(sample.values)
        if sample.quality is not None:
            self.bad += int((sample.quality != 0).sum())

    def failed(self, error: BaseException | str, state: str = "degraded") -> None:
        """Count an error."""
        self.errors += 1
        text = f"{type(error).__name__}: {error}" if isinstance(error, BaseException) else error
        self.last_error = masked(text)  # it goes into a file, onto pages and screens
        self.state = state


@dataclass
class SourceHealth:
    """Health of a source: one row per device."""

    devices: dict[str, DeviceHealth] = field(default_factory=dict)

    def device(self, asset: str) -> DeviceHealth:
        """The row of ``asset``, made where it is new."""
        return self.devices.setdefault(asset, DeviceHealth())


@dataclass(frozen=True)
class FoundTag:
    """A tag that discovery found on a device."""

    address: str  #: as the tag map would write it
    name: str
    type: str = ""
    units: str | None = None
    value: object = None


class SourceConfig(BaseModel):
    """Keys of a catalog entry that every live driver understands."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    asset_type: AssetTypeName = Field(description="type of the assets behind this entry, such as wind_turbine")
    cadence: CadenceText = Field(description="how often each asset reports, such as 1s or 5s")
    tags: str | None = Field(None, description="file of the tag map, relative to the catalogs folder")

    # of those drivers that have such a key
    _host = field_validator("host", check_fields=False)(lambda value: value if value is None else check_host(value))
    _url = field_validator("url", check_fields=False)(lambda value: value if value is None else check_url(value))


_Config = TypeVar("_Config", bound=BaseModel)


def check_config(name: str, model: type[_Config], config: Mapping[str, Any] | BaseModel) -> _Config:
    """``config`` as a ``model``.

    Raises
    ------
    InputError
        A key is unknown, missing or has a wrong value; names the entry and the key.
    """
    if isinstance(config, model):
        return config
    keys = config.model_dump() if isinstance(config, BaseModel) else dict(config)
    try:
        return model.model_validate(keys)
    except ValidationError as error:
        allowed = [field.alias or key for key, field in model.model_fields.items()]
        errors = []
        for found in error.errors():
            told = complaint(found, found["loc"], model)
            if found["type"] == "extra_forbidden":
                told = Complaint(told.message, hint=did_you_mean(str(found["loc"][-1]), allowed))
            elif found["type"] == "missing":
                told = Complaint(told.message)
            errors.append(InputError(where=".".join([name, *map(str, found["loc"])]), **asdict(told)))
        raise errors[0] if len(errors) == 1 else InputErrors(errors) from None


class Source(abc.ABC):
    """One entry of a catalog that speaks to devices.

    A source is made from its checked configuration and does nothing until asked. ``run`` is for the
    collector; ``read``, ``write`` and ``discover`` connect by themselves, do their work and leave.
    """

    protocol: ClassVar[str]
    capabilities: ClassVar[frozenset[Capability]]
    Config: ClassVar[type[SourceConfig]]

    @classmethod
    def from_config(
        cls, name: str, site: str, config: Mapping[str, Any] | SourceConfig, tagmap: TagMap | None = None
    ) -> Self:
        """A source from the keys of its catalog entry.

        Parameters
        ----------
        name
            ``<site>.<entry>``, for messages and health.
        site
            The site its assets belong to.
        config
            The entry's keys beyond ``description`` and ``driver``, or the checked ``Config``.
        tagmap
            The tag map named by the key ``tags``.

        Raises
        ------
        InputError
            A key or the tag map is wrong.
        """
        raise InputError(f"{cls.__name__} cannot be made from a catalog entry", where=name)

    def __init__(self, name: str, site: str) -> None:
        self.name = name  #: ``<site>.<entry>``
        self.site = site
        self.health = SourceHealth()

    @property
    @abc.abstractmethod
    def series(self) -> SeriesKey:
        """The series its samples belong to."""

    @property
    @abc.abstractmethod
    def assets(self) -> tuple[str, ...]:
        """The assets it reads."""

    @abc.abstractmethod
    async def run(self, sink: Sink) -> None:
        """Connect and deliver samples until cancelled.

        Never raises for what a device or a network does: it counts the error in ``health``, waits with
        jittered back-off (at most 10 s) and tries again. One device never delays another.
        """

    @abc.abstractmethod
    async def read(self, assets: Sequence[str] | None = None) -> list[Sample]:
        """Ask the devices once, now. Raises SourceError where none answers."""

    async def write(self, asset: str, variable: str, value: float | bool | str) -> None:
        """Write one value, in the vocabulary's unit or as a state's name, to a device.

        Raises SourceError where it is refused or not possible.
        """
        raise SourceError(f"{self.name}: {self.protocol} sources cannot write")

    async def discover(self, pattern: str = "*", asset: str | None = None) -> list[FoundTag]:
        """Tags whose path matches the glob ``pattern``."""
        raise SourceError(f"{self.name}: {self.protocol} sources cannot discover")

    def watch_silence(self, now: int) -> None:
        """Call devices degraded that say they are well and have not been heard for longer than is usual.

        The collector asks for this each second; ``now`` by ``time.monotonic_ns``: silence is no matter of the
        time of day, which may be set.
        """
        limit = silence_limit(self.series.cadence)
        for asset in self.assets:
            health = self.health.device(asset)
            silence = health.silence(now)
            if health.state == "ok" and silence > limit:
                heard = max(health.last_received, health.since)  # one that never spoke: since it was reached
                since = datetime.fromtimestamp(heard // NS, UTC).strftime("%Y-%m-%d %H:%M:%S")
                health.failed(f"silent since {since} UTC: no message for {silence / 1e9:.0f} s")

    def _known(self, assets: Sequence[str] | None) -> tuple[str, ...]:
        """``assets``, or all; raises SourceError for one that is not behind this source."""
        if assets is None:
            return self.assets
        for asset in assets:
            if asset not in self.assets:
                hint = did_you_mean(asset, self.assets)
                raise SourceError(f"{self.name}: no asset {asset!r}" + (f", {hint}" if hint else ""))
        return tuple(assets)


def backoff(attempt: int, *, first: float = 0.5, most: float = 7.0) -> float:
    """Seconds to wait before try number ``attempt`` (from 1): doubling, capped, with ±25 % jitter.

    With the longest jitter more than a second is left of ten, to connect, to ask and to store what comes.
    """
    import random

    return float(min(most, first * 2 ** min(attempt - 1, 16)) * random.uniform(0.75, 1.25))


async def sleep_until(when: float) -> None:
    """Sleep until ``when`` on the clock of the running loop; return at once if it has passed."""
    delay = when - asyncio.get_running_loop().time()
    if delay > 0:
        await asyncio.sleep(delay)


async def run_together(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Wait for ``tasks``, which end only when cancelled; cancelling this call ends them all."""
    waiting = set(tasks)
    try:
        await asyncio.gather(*waiting)
    finally:
        # Before Python 3.12 asyncio.wait_for, which the protocol libraries use, loses a cancellation that
        # coincides with its result: so it is asked for until it is done.
        while waiting:
            for task in waiting:
                task.cancel()
            _, waiting = await asyncio.wait(waiting, timeout=0.5)
