"""MQTT: JSON messages from devices and gateways, acknowledged when they are durable here.

References
----------
MQTT Version 5.0 and 3.1.1, OASIS Standards (4.3 quality of service, 4.4 message delivery retry).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
import orjson
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from workbench.model.errors import InputError
from workbench.model.samples import Event, Sample, SeriesKey
from workbench.model.tags import MqttMap, TagMap
from workbench.model.time import Cadence
from workbench.sources.base import (
    Capability,
    FoundTag,
    Sink,
    Source,
    SourceConfig,
    SourceError,
    backoff,
    check_config,
)
from workbench.sources.mqtt_link import Broker, BrokerError, Message, MqttLink, open_link
from workbench.sources.mqtt_message import MessageDecoder, MessageError, TopicTemplate, leaves, state_numbers
from workbench.sources.scaling import Variables

#: Messages of a topic that are remembered, so that a second delivery is known as such.
_REMEMBERED = 1024
#: Seconds without another part after which a read has all that there is.
_QUIET = 0.5


class MqttTls(BaseModel):
    """Encryption of an MQTT connection."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ca_file: str | None = Field(None, description="file of the authority that signed the broker; the system's if none")
    certificate: str | None = Field(None, description="file of our certificate, where the broker asks for one")
    private_key: str | None = Field(None, description="file of its private key")
    check_name: bool = Field(True, description="whether the broker's certificate must bear its host name")


class MqttConfig(SourceConfig):
    """Keys of a catalog entry with ``driver: mqtt``."""

    host: str = Field(description="host or host:port of the broker; the port is 1883 by default, 8883 with tls")
    port: int | None = Field(None, ge=1, le=65535, description="port, where host does not name it")
    topic: str = Field(description="topic with named parts and wildcards, such as site/{asset}/met")
    assets: list[str] | dict[str, str] = Field(
        min_length=1, description="assets, or asset to what stands for {asset} in the topic"
    )
    qos: Literal[0, 1] = Field(1, description="1: a message counts as delivered when it is durable here")
    client_id: str | None = Field(
        None, description="name the broker keeps our messages under; from the entry's name if left out"
    )
    keep_session: bool = Field(True, description="let the broker queue messages while nobody collects")
    version: Literal["auto", "5", "3.1.1"] = Field("auto", description="protocol; auto tries 5 first")
    keep_alive: int = Field(15, ge=2, le=600, description="seconds between signs of life")
    timeout: float = Field(5.0, gt=0, le=60, description="seconds to wait for the broker, and for messages in a read")
    user: str | None = None
    password: SecretStr | None = None
    tls: MqttTls | None = Field(None, description="encryption; none if left out")

    @model_validator(mode="after")
    def _sound(self) -> Self:
        template = TopicTemplate(self.topic)
        if "asset" not in template.names and len(self.assets) > 1:
            raise ValueError("several assets need {asset} in the topic")
        if len(set(self.places.values())) != len(self.places):
            raise ValueError("two assets share a place in the topic")
        return self

    @property
    def places(self) -> dict[str, str]:
        """Asset to what stands for it in the topic."""
        return dict(self.assets) if isinstance(self.assets, dict) else {asset: asset for asset in self.assets}

    @property
    def endpoint(self) -> tuple[str, int]:
        """Host and port of the broker."""
        name, colon, port = self.host.rpartition(":")
        if colon and port.isdigit():
            return name.strip("[]"), int(port)
        return self.host.strip("[]"), self.port or (8883 if self.tls else 1883)


class MqttSource(Source):
    """Subscribes to the messages of devices of one kind."""

    protocol: ClassVar[str] = "mqtt"
    capabilities: ClassVar[frozenset[Capability]] = frozenset({Capability.SUBSCRIBE, Capability.DISCOVER})
    Config: ClassVar[type[SourceConfig]] = MqttConfig

    def __init__(self, name: str, site: str, config: MqttConfig, tagmap: MqttMap) -> None:
        super().__init__(name, site)
        self.config = config
        self._series = SeriesKey(config.asset_type, config.cadence)
        self._period = Cadence.parse(config.cadence).ns
        self._variables = Variables(self._series, tagmap.tags, name)
        try:
            self._decoder = MessageDecoder(tagmap)
        except ValueError as error:
            raise InputError(str(error), where=f"{name}.tags") from None
        self._template = TopicTemplate(config.topic)
        self._assets = {place: asset for asset, place in config.places.items()}
        self._only = next(iter(config.places.values()))
        self._seen: OrderedDict[tuple[str, int, int], asyncio.Future[None]] = OrderedDict()
        self._newest: dict[str, int] = {}
        self._texts: dict[tuple[str, int], str] = {}
        self._versions = ["5", "3.1.1"] if config.version == "auto" else [config.version]

    @classmethod
    def from_config(
        cls, name: str, site: str, config: Mapping[str, Any] | SourceConfig, tagmap: TagMap | None = None
    ) -> Self:
        """A source from the keys of its catalog entry; see :class:`MqttConfig`."""
        if not isinstance(tagmap, MqttMap):
            raise InputError(
                "no MQTT tag map",
                where=f"{name}.tags",
                found=None if tagmap is None else f"protocol: {tagmap.protocol}",
                expected="a file with protocol: mqtt",
            )
        return cls(name, site, check_config(name, MqttConfig, config), tagmap)

    @property
    def series(self) -> SeriesKey:
        """The series its samples belong to."""
        return self._series

    @property
    def assets(self) -> tuple[str, ...]:
        """The assets it reads."""
        return tuple(self.config.assets)

    # -- the interface --------------------------------------------------------------------------------

    async def run(self, sink: Sink) -> None:
        """Keep a session with the broker and deliver its messages until cancelled."""
        for asset in self.assets:
            self.health.device(asset).state = "connecting"
        watch = asyncio.create_task(self._watch(), name=f"{self.name} watch")
        attempt = 0
        try:
            while True:
                began = time.monotonic()
                try:
                    async with self._open() as link:
                        await link.subscribe(self._filters(self.assets), self.config.qos)
                        await self._receive(link, sink)
                except Exception as error:  # whatever it is: a defect here must not end the source
                    attempt = 1 if time.monotonic() - began > 30.0 else attempt + 1
                    self._lost(error)
                await asyncio.sleep(backoff(attempt))
        finally:
            watch.cancel()
            for asset in self.assets:
                self.health.device(asset).state = "idle"

    async def read(self, assets: Sequence[str] | None = None) -> list[Sample]:
        """The retained or next message of each asset. Raises SourceError where none comes in time."""
        wanted = self._known(assets)
        samples: dict[str, Sample] = {}
        loop = asyncio.get_running_loop()
        try:
            async with self._open(lasting=False) as link:
                await link.subscribe(self._filters(wanted), 0)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self.config.timeout) as limit:
                        end = loop.time() + self.config.timeout
                        while not self._complete(samples, wanted):
                            for message in await link.messages():
                                self._read_one(message, samples)
                            if len(samples) == len(wanted):
                                # Of each something is there; a variable that is never sent is not waited for.
                                limit.reschedule(min(end, loop.time() + max(_QUIET, 1.5 * self._period / 1e9)))
        except BrokerError as error:
            for asset in wanted:
                self.health.device(asset).failed(str(error), "down")
            raise SourceError(f"{self.name}: {error}") from None
        if not samples:
            topics = ", ".join(self._filters(wanted)[:3])
            raise SourceError(f"{self.name}: no message within {self.config.timeout:g} s on {topics}")
        return [samples[asset] for asset in wanted if asset in samples]

    async def discover(self, pattern: str = "*", asset: str | None = None) -> list[FoundTag]:
        """What stands in the messages that come within the time-out; ``pattern`` is a glob over JSON paths."""
        from fnmatch import fnmatchcase

        wanted = self._known(None if asset is None else [asset])
        found: dict[str, FoundTag] = {}
        heard: set[str] = set()
        try:
            async with self._open(lasting=False) as link:
                await link.subscribe(self._filters(wanted), 0)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self.config.timeout):
                        while len(heard) < len(wanted):
                            for message in await link.messages():
                                heard.add((self._template.match(message.topic) or {}).get("asset", message.topic))
                                with contextlib.suppress(orjson.JSONDecodeError):
                                    for path, value in leaves(orjson.loads(message.payload)):
                                        kind = "" if value is None else type(value).__name__
                                        found.setdefault(path, FoundTag(path, path, kind, None, value))
        except BrokerError as error:
            raise SourceError(f"{self.name}: {error}") from None
        return [tag for path, tag in found.items() if fnmatchcase(path, pattern)]

    # -- receiving ------------------------------------------------------------------------------------

    async def _receive(self, link: MqttLink, sink: Sink) -> None:
        """Deliver what comes over one connection; raises BrokerError when it is lost."""
        waiting: set[asyncio.Future[None]] = set()
        try:
            while True:
                self._take(await link.messages(), link, sink, waiting)
                self._miss(link.missed())
        finally:
            # What is on its way to the disk is acknowledged before we leave, so that it need not come again.
            if waiting:
                await asyncio.wait(waiting, timeout=2.0)

    def _take(self, messages: list[Message], link: MqttLink, sink: Sink, waiting: set[asyncio.Future[None]]) -> None:
        """Pass on what is new; acknowledge it when it is durable, and what is not new when that is."""
        # What came at QoS 0, whatever was subscribed to, is held back by nobody.
        samples: dict[bool, list[Sample]] = {True: [], False: []}
        fresh: dict[tuple[str, int, int], list[Message]] = {}
        useless: list[Message] = []
        for message in messages:
            try:
                sample, texts = self._sample(message)
            except MessageError as error:
                # It will never be any better: acknowledged, so that it does not block those behind it.
                self._blame(message, error)
                sample, texts = None, {}
            if sample is None or self._is_old(message, sample):
                useless.append(message)
                continue
            identity = self._identity(message, sample)
            pending = self._seen.get(identity)
            if identity in fresh:
                fresh[identity].append(message)
            elif pending is None or (pending.done() and (pending.cancelled() or pending.exception())):
                fresh[identity] = [message]
                samples[message.qos > 0].append(sample)
                self.health.device(sample.asset).took(sample)
                self._text_events(sample, texts, sink)
            else:
                self._acknowledge_when(pending, link, [message], waiting)
        link.acknowledge(useless)
        for held, part in samples.items():
            if not part:
                continue
            durable = asyncio.ensure_future(sink.put(part, held=held))
            news = {identity: copies for identity, copies in fresh.items() if (copies[0].qos > 0) is held}
            if self._decoder.has_time:
                self._seen.update(dict.fromkeys(news, durable))
            self._acknowledge_when(durable, link, [m for copies in news.values() for m in copies], waiting)
        while len(self._seen) > _REMEMBERED * len(self.assets):
            self._seen.popitem(last=False)

    def _is_old(self, message: Message, sample: Sample) -> bool:
        """Whether a message is a retained one that tells nothing newer than what is known."""
        newest = self._newest.get(message.topic, 0)
        self._newest[message.topic] = max(newest, sample.time)
        return message.retain and sample.time <= newest

    def _identity(self, message: Message, sample: Sample) -> tuple[str, int, int]:
        """What makes a message the same as another; without a time of its own each is a new one."""
        return message.topic, sample.time, hash(message.payload) if self._decoder.has_time else id(message)

    def _sample(self, message: Message) -> tuple[Sample | None, dict[int, str]]:
        """Sample and texts of a message; no sample where it is nothing to us."""
        parts = self._template.match(message.topic)
        asset = None if parts is None else self._assets.get(parts.get("asset", self._only))
        if parts is None or asset is None or (message.retain and not self._decoder.has_time):
            return None, {}  # a stranger; or an old message of which nobody knows how old it is
        decoded = self._decoder.decode(message.payload, parts.get("variable"))
        codes, texts = state_numbers(decoded.texts, self._variables.state_names)
        for i, code in codes.items():
            decoded.raw[i] = code
        sent = decoded.sent
        if texts:
            sent = sent.copy()
            sent[[i for i in texts if self._variables.textual[i]]] = False
        values, quality = self._variables.scale(decoded.raw, None, sent)
        when = decoded.time or message.received
        return Sample(self._variables.shape, asset, when, values, quality, message.received), texts

    @property
    def _in_parts(self) -> bool:
        """Whether an asset speaks on several topics, such as one for each variable."""
        topic = self._template.filter(asset="")
        return "+" in topic or "#" in topic

    def _complete(self, samples: Mapping[str, Sample], wanted: Sequence[str]) -> bool:
        """Whether there is a message of each asset; where they come in parts, all parts of each."""
        if len(samples) < len(wanted):
            return False
        return not self._in_parts or all(_sent(sample).all() for sample in samples.values())

    def _read_one(self, message: Message, samples: dict[str, Sample]) -> None:
        try:
            sample, _ = self._sample(message)
        except MessageError as error:
            self._blame(message, error)
            return
        if sample is None:
            return
        before = samples.get(sample.asset)
        if before is not None and (before.time == sample.time or self._in_parts):
            sample = _joined(before, sample)
        elif before is not None and before.time > sample.time:
            return
        samples[sample.asset] = sample
        self.health.device(sample.asset).took(sample)

    def _acknowledge_when(
        self,
        durable: asyncio.Future[None],
        link: MqttLink,
        messages: list[Message],
        waiting: set[asyncio.Future[None]],
    ) -> None:
        # Nobody waits for our word at QoS 0: nothing of it is kept until then.
        messages = [message for message in messages if message.qos]
        if not messages:
            return

        def done(future: asyncio.Future[None]) -> None:
            waiting.discard(future)
            if not future.cancelled() and future.exception() is None:
                link.acknowledge(messages)

        waiting.add(durable)
        durable.add_done_callback(done)

    def _text_events(self, sample: Sample, texts: dict[int, str], sink: Sink) -> None:
        for i, text in texts.items():
            before = self._texts.get((sample.asset, i))
            self._texts[(sample.asset, i)] = text
            if before is not None and before != text:
                name = self._variables.names[i]
                sink.event(Event(self.site, sample.asset, sample.time, "status", name, text, source=self.name))

    # -- health ---------------------------------------------------------------------------------------

    def _blame(self, message: Message, error: MessageError) -> None:
        place = (self._template.match(message.topic) or {}).get("asset", self._only)
        asset = self._assets.get(place, self.assets[0])
        self.health.device(asset).failed(f"{message.topic}: {error}")

    def _miss(self, missed: Mapping[str, int]) -> None:
        for topic, count in missed.items():
            asset = self._assets.get((self._template.match(topic) or {}).get("asset", self._only))
            if asset is not None:
                health = self.health.device(asset)
                health.missed += count
                health.failed(f"{topic}: messages come faster than they can be read", health.state)

    def _lost(self, error: Exception) -> None:
        for asset in self.assets:
            health = self.health.device(asset)
            health.reconnects += health.last_received > 0 and health.state != "down"
            health.failed(str(error) if isinstance(error, BrokerError) else error, "down")

    async def _watch(self) -> None:
        """Tell of devices that have fallen silent though the broker is there."""
        while True:
            await asyncio.sleep(1.0)
            self.watch_silence(time.monotonic_ns())

    # -- names ----------------------------------------------------------------------------------------

    def _filters(self, assets: Sequence[str]) -> list[str]:
        places = self.config.places
        return list(dict.fromkeys(self._template.filter(asset=places[asset]) for asset in assets))

    @contextlib.asynccontextmanager
    async def _open(self, *, lasting: bool = True) -> AsyncIterator[MqttLink]:
        """A connection in the version that worked last, or else in the other."""
        async with contextlib.AsyncExitStack() as stack:
            try:
                link = await stack.enter_async_context(open_link(self._broker(lasting), self.config.timeout))
            except BrokerError as error:
                if len(self._versions) == 1 or not error.wrong_version:
                    raise
                self._versions.reverse()
                link = await stack.enter_async_context(open_link(self._broker(lasting), self.config.timeout))
            yield link

    def _broker(self, lasting: bool) -> Broker:
        config = self.config
        host, port = config.endpoint
        return Broker(
            host=host,
            port=port,
            client_id=(config.client_id or f"workbench-{self.name}") if lasting else "",
            keep_session=config.keep_session and config.qos > 0 and lasting,
            version=self._versions[0],
            keep_alive=config.keep_alive,
            user=config.user,
            password=None if config.password is None else config.password.get_secret_value(),
            tls=None if config.tls is None else config.tls.model_dump(),
        )


def _sent(sample: Sample) -> npt.NDArray[np.bool_]:
    sent = ~np.isnan(sample.values)
    return sent if sample.quality is None else sent | (sample.quality != 0)


def _joined(before: Sample, sample: Sample) -> Sample:
    """Two parts of what an asset says as one sample, at the time of the newer; that one's values come first."""
    old, new = sorted((before, sample), key=lambda part: part.time)
    sent = _sent(new)
    quality = [
        np.zeros(len(part.values), dtype=np.uint16) if part.quality is None else part.quality for part in (old, new)
    ]
    flags = np.where(sent, quality[1], quality[0])
    return Sample(
        new.shape,
        new.asset,
        new.time,
        np.where(sent, new.values, old.values),
        flags if flags.any() else None,
        max(old.received, new.received),
    )
