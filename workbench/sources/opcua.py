"""OPC UA: subscribe to, poll, write and discover the nodes of controllers and SCADA servers.

References
----------
OPC UA Part 4: Services, release 1.05 (5.12 monitored items, 5.13 subscriptions, 7.22 data change filter).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import structlog

from workbench.model.errors import InputError
from workbench.model.samples import Sample, SeriesKey
from workbench.model.tags import OpcUaMap, TagMap
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
    run_together,
)
from workbench.sources.modbus_clock import next_slot
from workbench.sources.opcua_config import OpcUaConfig
from workbench.sources.opcua_gather import Gathered, Gatherer
from workbench.sources.opcua_session import (
    Endpoint,
    Granted,
    Item,
    NodeId,
    Place,
    Session,
    SessionError,
    connect,
    is_node_id,
    ua,
)
from workbench.sources.scaling import Variables

log = structlog.get_logger("workbench.sources")

#: Steps back of an asset's nodes within so many seconds are one setting of its clock.
_ONE_RESET = 5.0


@dataclass
class Nodes:
    """The nodes of a session by handle."""

    found: dict[int, NodeId] = field(default_factory=dict)
    absent: dict[int, Place] = field(default_factory=dict)  #: not on the server
    refused: dict[int, str] = field(default_factory=dict)  #: on it, but not to be subscribed to, and why

    async def look(self, session: Session, namespace: str | None) -> dict[int, NodeId]:
        """Look for what is absent; what was found by that."""
        places = dict(self.absent)
        nodes = await session.resolve(list(places.values()), namespace)
        new = {handle: node for handle, node in zip(places, nodes, strict=True) if node is not None}
        self.found |= new
        self.absent = {handle: place for handle, place in places.items() if handle not in new}
        return new


class OpcUaSource(Source):
    """Subscribes to or polls the nodes of assets of one kind."""

    protocol: ClassVar[str] = "opcua"
    capabilities: ClassVar[frozenset[Capability]] = frozenset(Capability)
    Config: ClassVar[type[SourceConfig]] = OpcUaConfig

    def __init__(self, name: str, site: str, config: OpcUaConfig, tagmap: OpcUaMap) -> None:
        super().__init__(name, site)
        self.config = config
        self._map = tagmap
        self._series = SeriesKey(config.asset_type, config.cadence)
        self._period = Cadence.parse(config.cadence).ns
        self._variables = Variables(self._series, tagmap.tags, name)
        self._set_back: dict[str, float] = {}
        self._cuts: dict[str, str] = {}  #: what was told of what the server does not grant
        self._incomplete: set[str] = set()  #: assets of which nodes are absent or refused

    @classmethod
    def from_config(
        cls, name: str, site: str, config: Mapping[str, Any] | SourceConfig, tagmap: TagMap | None = None
    ) -> Self:
        """A source from the keys of its catalog entry; see :class:`OpcUaConfig`."""
        if not isinstance(tagmap, OpcUaMap):
            raise InputError(
                "no OPC UA tag map",
                where=f"{name}.tags",
                found=None if tagmap is None else f"protocol: {tagmap.protocol}",
                expected="a file with protocol: opcua",
            )
        return cls(name, site, check_config(name, OpcUaConfig, config), tagmap)

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
        """Hold a session with each server and deliver what it publishes until cancelled."""
        try:
            await run_together(
                asyncio.create_task(self._serve(url, assets, sink), name=f"{self.name} {url}")
                for url, assets in self._servers(self.assets).items()
            )
        finally:
            for asset in self.assets:
                self.health.device(asset).state = "idle"

    async def read(self, assets: Sequence[str] | None = None) -> list[Sample]:
        """Ask the servers once, now. Raises SourceError where none answers."""
        servers = self._servers(self._known(assets))
        answers = await asyncio.gather(*(self._read_server(url, group) for url, group in servers.items()))
        samples = [sample for answer in answers if isinstance(answer, list) for sample in answer]
        errors = [str(answer) for answer in answers if isinstance(answer, Exception)]
        if not samples:
            raise SourceError(f"{self.name}: " + ("; ".join(errors) or "no value of any of these assets"))
        return samples

    async def write(self, asset: str, variable: str, value: float | bool | str) -> None:
        """Write one value, in the vocabulary's unit or as a state's name."""
        self._known([asset])
        where = f"{self.name}: {asset} {variable}"
        try:
            raw = self._variables.raw(variable, value)
            if not self._variables.writable(variable):
                raise ValueError(f"{variable} is not writable in the tag map")
            kind, sent = _as_variant(self._map.tags[variable].type, raw)
        except (ValueError, OverflowError) as error:
            raise SourceError(f"{where}: {error}") from None
        try:
            async with connect(self._endpoint(self.config.server(asset))) as session:
                (node,) = await session.resolve([self._place(asset, variable)], self._map.namespace)
                if node is None:
                    raise SessionError(f"no node {self._place(asset, variable)}")
                await session.write(node, sent, kind)
        except SessionError as error:
            raise SourceError(f"{where}: {error}") from None

    async def discover(self, pattern: str = "*", asset: str | None = None) -> list[FoundTag]:
        """Variables whose browse path matches the glob, such as ``**/Grid/*``.

        Paths count from the asset's folder, or from Objects where no asset is named. ``*`` stays within a
        name, ``**`` runs over several; ``*`` alone matches everything.
        """
        from workbench.sources.opcua_browse import discover

        url = self.config.server(self.assets[0] if asset is None else self._known([asset])[0])
        try:
            async with connect(self._endpoint(url)) as session:
                start: NodeId | None = ua.NodeId(ua.ObjectIds.ObjectsFolder)
                if asset is not None:
                    (start,) = await session.resolve([Place(self.config.folder(asset))], self._map.namespace)
                if start is None:
                    raise SessionError(f"no folder {self.config.folder(asset or '')}")
                return await discover(session, start, pattern)
        except SessionError as error:
            raise SourceError(f"{self.name}: {error}") from None

    # -- a session ------------------------------------------------------------------------------------

    async def _serve(self, url: str, assets: Sequence[str], sink: Sink) -> None:
        """One server, for ever."""
        gatherer = self._gatherer(assets)
        attempt = 0
        for asset in assets:
            self.health.device(asset).state = "connecting"
        while True:
            began = time.monotonic()
            try:
                async with connect(self._endpoint(url)) as session:
                    nodes = await self._find(session, assets, gatherer)
                    if self.config.mode == "subscribe":
                        await self._subscribe(session, nodes, gatherer, assets, sink)
                    else:
                        await self._poll(session, nodes, gatherer, assets, sink)
            except Exception as error:  # whatever it is: a defect here must not end the source
                # A session that held for a while earns a quick return.
                attempt = 1 if time.monotonic() - began > 30.0 else attempt + 1
                for asset in assets:
                    health = self.health.device(asset)
                    health.reconnects += health.last_received > 0 and health.state != "down"
                    health.failed(str(error) if isinstance(error, SessionError) else error, "down")
            await asyncio.sleep(backoff(attempt))

    async def _find(self, session: Session, assets: Sequence[str], gatherer: Gatherer) -> Nodes:
        """All nodes of all assets: those that the server has, and those that it has not."""
        wanted = {
            gatherer.handle(asset, variable): self._place(asset, variable)
            for asset in assets
            for variable in self._map.tags
        }
        nodes = Nodes(absent=wanted)
        await nodes.look(session, self._map.namespace)
        for asset in assets:
            self.health.device(asset).state = "ok"
        self._tell_missing(nodes, gatherer, assets)
        return nodes

    def _tell_missing(self, nodes: Nodes, gatherer: Gatherer, assets: Sequence[str]) -> None:
        """Note in the health, and for the flags of the samples, what is missing of ``assets``."""
        missing: dict[str, tuple[list[int], list[int]]] = {asset: ([], []) for asset in assets}
        for place, handles in enumerate((list(nodes.absent), list(nodes.refused))):
            for handle in handles:
                if (owner := gatherer.names(handle)[0]) in missing:
                    missing[owner][place].append(handle)
        for asset, (absent, refused) in missing.items():
            gatherer.absent([*absent, *refused], asset)
            health = self.health.device(asset)
            self._incomplete.discard(asset)
            if not absent and not refused:
                health.state = "ok"
                continue
            self._incomplete.add(asset)
            count = len(self._map.tags)
            if absent:
                text = f"{len(absent)} of {count} nodes are not on the server: {nodes.absent[absent[0]]}, …"
            else:
                variable, reason = gatherer.names(refused[0])[1], nodes.refused[refused[0]]
                text = f"{len(refused)} of {count} nodes cannot be subscribed to: {variable}: {reason}, …"
            health.failed(text, "down" if len(absent) + len(refused) == count else "degraded")

    async def _subscribe(
        self, session: Session, nodes: Nodes, gatherer: Gatherer, assets: Sequence[str], sink: Sink
    ) -> None:
        if not nodes.found:
            raise SessionError("none of the nodes is on the server")
        config = self.config
        sampling = config.sampling_interval if config.sampling_interval is not None else self._period / 2e9
        how: dict[str, Any] = {"sampling": sampling, "queue": config.queue_size, "trigger": config.trigger}
        publishing = config.publishing_interval or min(self._period / 1e10, 0.25)
        subscription, nodes.refused = await session.subscribe(self._items(nodes.found), publishing=publishing, **how)
        if nodes.refused:
            self._tell_missing(nodes, gatherer, assets)
        self._tell_granted(session.granted, config.queue_size, publishing, assets)

        async def add(more: Mapping[int, NodeId]) -> dict[int, str]:
            return await session.monitor(subscription, self._items(more), **how)

        async def listen() -> None:
            async for publication in session.publications():
                if publication.lost:
                    self._tell_lost(publication.lost, assets)
                if len(publication.values):
                    self._deliver(gatherer.gather(publication.values, time.time_ns()), sink)

        await run_together(
            [
                asyncio.create_task(listen(), name=f"{self.name} publications"),
                asyncio.create_task(
                    self._look_again(session, nodes, gatherer, assets, add), name=f"{self.name} missing nodes"
                ),
            ]
        )

    async def _poll(
        self, session: Session, nodes: Nodes, gatherer: Gatherer, assets: Sequence[str], sink: Sink
    ) -> None:
        if not nodes.found:
            raise SessionError("none of the nodes is on the server")

        async def add(_: Mapping[int, NodeId]) -> dict[int, str]:
            return {}

        async def ask() -> None:
            while True:
                handles = list(nodes.found)
                values = await session.read(list(nodes.found.values()))
                values.handle = [handles[place] for place in values.handle]
                self._deliver(gatherer.gather(values, time.time_ns()), sink)
                now = time.time_ns()
                await asyncio.sleep((next_slot(now, self._period, 0.3) - now) / 1e9)

        await run_together(
            [
                asyncio.create_task(ask(), name=f"{self.name} poll"),
                asyncio.create_task(
                    self._look_again(session, nodes, gatherer, assets, add), name=f"{self.name} missing nodes"
                ),
            ]
        )

    async def _look_again(
        self,
        session: Session,
        nodes: Nodes,
        gatherer: Gatherer,
        assets: Sequence[str],
        add: Callable[[Mapping[int, NodeId]], Awaitable[dict[int, str]]],
    ) -> None:
        """Now and then look for what is missing, and take it in where it is there now."""
        while True:
            await asyncio.sleep(self.config.retry_missing)
            if not nodes.absent and not nodes.refused:
                continue
            before = {*nodes.absent, *nodes.refused}
            try:
                new = await nodes.look(session, self._map.namespace)
                again = new | {handle: nodes.found[handle] for handle in nodes.refused}
                if again:
                    nodes.refused = await add(again)
            except (SessionError, ua.UaError, OSError, TimeoutError) as error:
                # Whether the connection still holds is for the other task to say.
                log.warning("missing nodes were not looked for", source=self.name, error=str(error))
                continue
            changed = before - {*nodes.absent, *nodes.refused}
            if changed:
                log.info("nodes have appeared", source=self.name, nodes=len(changed))
                owners = {gatherer.names(handle)[0] for handle in changed}
                self._tell_missing(nodes, gatherer, [asset for asset in assets if asset in owners])

    def _items(self, nodes: Mapping[int, NodeId]) -> list[Item]:
        tags = list(self._map.tags.values())
        return [Item(handle, node, tags[handle % len(tags)].deadband) for handle, node in nodes.items()]

    def _tell_granted(self, granted: Granted, queue: int, publishing: float, assets: Sequence[str]) -> None:
        """Say once where the server grants less than what every update needs."""
        cuts = []
        if granted.queue < queue:
            cuts.append(f"keeps {granted.queue} values per node between two messages, not {queue}")
        if granted.sampling > self._period / 1e9:
            cuts.append(f"looks at a value only every {granted.sampling:g} s")
        if granted.publishing > 2 * publishing:
            cuts.append(f"sends a message every {granted.publishing:g} s, not {publishing:g} s")
        text = "the server " + ", ".join(cuts) if cuts else ""
        for asset in assets:
            if cuts and self._cuts.get(asset) != text:
                health = self.health.device(asset)
                health.failed(f"{text}: updates between may be lost", health.state)
        if cuts and self._cuts.get(assets[0]) != text:
            log.warning(
                "server grants less than asked", source=self.name, server=self.config.server(assets[0]), cuts=cuts
            )
        self._cuts.update(dict.fromkeys(assets, text))

    def _tell_lost(self, messages: int, assets: Sequence[str]) -> None:
        log.warning("messages of the server are lost", source=self.name, messages=messages)
        for asset in assets:
            health = self.health.device(asset)
            health.missed += messages
            health.failed(f"{messages} messages of the server are lost", health.state)

    async def _read_server(self, url: str, assets: Sequence[str]) -> list[Sample] | Exception:
        gatherer = self._gatherer(assets)
        try:
            async with connect(self._endpoint(url)) as session:
                nodes = (await self._find(session, assets, gatherer)).found
                if not nodes:
                    raise SessionError(f"{url}: none of the nodes is on the server")
                values = await session.read(list(nodes.values()))
        except SessionError as error:
            for asset in assets:
                self.health.device(asset).failed(str(error), "down")
            return error
        handles = list(nodes)
        values.handle = [handles[place] for place in values.handle]
        gathered = gatherer.gather(values, time.time_ns(), repeated=True)
        for sample in gathered.samples:
            self.health.device(sample.asset).took(sample)
        return gathered.samples

    def _deliver(self, gathered: Gathered, sink: Sink) -> None:
        for sample in gathered.samples:
            health = self.health.device(sample.asset)
            # Nodes that are missing: a sample does not mend that.
            health.took(sample, "degraded" if sample.asset in self._incomplete else "ok")
        for asset, ns in gathered.set_back.items():
            # The nodes of an asset may follow one by one: that is still one clock, set once.
            told, self._set_back[asset] = self._set_back.get(asset, -math.inf), time.monotonic()
            if time.monotonic() - told < _ONE_RESET:
                continue
            health = self.health.device(asset)
            health.clock_resets += 1
            health.failed(f"the source's clock was set back by {ns / 1e9:.0f} s", health.state)
            log.warning("clock set back", source=self.name, device=asset, seconds=round(ns / 1e9, 3))
        for asset in gathered.overflowed:
            self.health.device(asset).failed("the server's queue ran over: values were lost; see queue_size")
        if gathered.samples:
            sink.put(gathered.samples)
        for event in gathered.events:
            sink.event(event)

    # -- names ----------------------------------------------------------------------------------------

    def _gatherer(self, assets: Sequence[str]) -> Gatherer:
        return Gatherer(self.site, self.name, self._variables, assets, self._period)

    def _place(self, asset: str, variable: str) -> Place:
        folder, node = self.config.folder(asset), self._map.tags[variable].node
        # A node id stands for itself; the place of the asset may be a part of it.
        return Place(folder, node.replace("{asset}", folder) if is_node_id(node) else node)

    def _servers(self, assets: Sequence[str]) -> dict[str, list[str]]:
        servers: dict[str, list[str]] = {}
        for asset in assets:
            servers.setdefault(self.config.server(asset), []).append(asset)
        return servers

    def _endpoint(self, url: str) -> Endpoint:
        config = self.config
        return Endpoint(url, config.user, config.password, config.security, config.timeout)


def _as_variant(kind: str, raw: float) -> tuple[Any, object]:
    """Variant type and Python value for a tag's type; ValueError where the value does not fit."""
    if kind == "string":
        raise ValueError("text cannot be written")
    types = {
        "float": ua.VariantType.Float,
        "double": ua.VariantType.Double,
        "int16": ua.VariantType.Int16,
        "int32": ua.VariantType.Int32,
        "int64": ua.VariantType.Int64,
        "uint16": ua.VariantType.UInt16,
        "uint32": ua.VariantType.UInt32,
        "boolean": ua.VariantType.Boolean,
    }
    if kind in ("float", "double"):
        return types[kind], raw
    if kind == "boolean":
        if raw not in (0.0, 1.0):
            raise ValueError(f"{raw:g} is neither true nor false")
        return types[kind], bool(raw)
    number = round(raw)
    bits = int(kind.lstrip("uint"))
    low, high = (0, 2**bits - 1) if kind.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    if not low <= number <= high:
        raise ValueError(f"{raw:g} does not fit {kind}")
    return types[kind], number
