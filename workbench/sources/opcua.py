"""OPC UA: subscribe to, poll, write and discover the nodes of controllers and SCADA servers.

References
----------
OPC UA Part 4: Services, release 1.05 (5.12 monitored items, 5.13 subscriptions, 7.22 data change filter).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import structlog
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

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
from workbench.sources.opcua_gather import Gathered, Gatherer
from workbench.sources.opcua_session import (
    Endpoint,
    Item,
    NodeId,
    OpcUaSecurity,
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


class OpcUaAddress(BaseModel):
    """Where one asset is found, where it is not the entry's server."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    node: str = Field(description="browse path of the asset's folder below Objects, or a node id")
    url: str | None = Field(None, description="its own server; the entry's if left out")


class OpcUaConfig(SourceConfig):
    """Keys of a catalog entry with ``driver: opcua``."""

    url: str | None = Field(None, description="opc.tcp://host:port/path")
    assets: dict[str, str | OpcUaAddress] = Field(
        min_length=1, description="asset to the browse path of its folder below Objects, or to {node, url}"
    )
    mode: Literal["subscribe", "poll"] = "subscribe"
    publishing_interval: float | None = Field(
        None,
        gt=0,
        le=60,
        description="seconds between two messages of the server; a tenth of the cadence, at most 0.25, if left out",
    )
    sampling_interval: float | None = Field(
        None, ge=0, description="seconds between two looks of the server at a value; half the cadence if left out"
    )
    queue_size: int = Field(10, ge=1, description="values the server keeps per node between two messages")
    trigger: Literal["Status", "StatusValue", "StatusValueTimestamp"] = Field(
        "StatusValueTimestamp", description="what makes a value news; by default a new time stamp does"
    )
    timeout: float = Field(4.0, gt=0, le=60, description="seconds to wait for an answer")
    user: str | None = None
    password: SecretStr | None = None
    security: OpcUaSecurity | None = Field(None, description="signature and encryption; none if left out")

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        for asset in self.assets:
            if not self.server(asset).startswith("opc.tcp://"):
                raise ValueError(f"{asset} needs a url such as opc.tcp://host:4840/path, in the entry or its own")
        return self

    def server(self, asset: str) -> str:
        """URL of the server of ``asset``; empty where none is given."""
        address = self.assets[asset]
        return (address.url if isinstance(address, OpcUaAddress) else None) or self.url or ""

    def folder(self, asset: str) -> str:
        """Browse path or node id of ``asset``."""
        address = self.assets[asset]
        return (address.node if isinstance(address, OpcUaAddress) else address).strip("/")


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
                        await self._subscribe(session, nodes, gatherer, sink)
                    else:
                        await self._poll(session, nodes, gatherer, sink)
            except Exception as error:  # whatever it is: a defect here must not end the source
                # A session that held for a while earns a quick return.
                attempt = 1 if time.monotonic() - began > 30.0 else attempt + 1
                for asset in assets:
                    health = self.health.device(asset)
                    health.reconnects += health.last_received > 0 and health.state != "down"
                    health.failed(str(error) if isinstance(error, SessionError) else error, "down")
            await asyncio.sleep(backoff(attempt))

    async def _find(self, session: Session, assets: Sequence[str], gatherer: Gatherer) -> dict[int, NodeId]:
        """Handle to node, for all variables of all assets that the server has."""
        wanted = [(asset, variable) for asset in assets for variable in self._map.tags]
        places = [self._place(asset, variable) for asset, variable in wanted]
        found = await session.resolve(places, self._map.namespace)
        handles = [gatherer.handle(asset, variable) for asset, variable in wanted]
        for asset in assets:
            missing = {
                handle: place
                for handle, place, node, (owner, _) in zip(handles, places, found, wanted, strict=True)
                if node is None and owner == asset
            }
            gatherer.absent(missing, asset)
            health = self.health.device(asset)
            health.state = "ok" if not missing else "degraded"
            self._incomplete.discard(asset)
            if missing:
                self._incomplete.add(asset)
                first = next(iter(missing.values()))
                health.failed(f"{len(missing)} of {len(self._map.tags)} nodes are not on the server: {first}, …")
            if len(missing) == len(self._map.tags):
                health.state = "down"
        return {handle: node for handle, node in zip(handles, found, strict=True) if node is not None}

    async def _subscribe(self, session: Session, nodes: Mapping[int, NodeId], gatherer: Gatherer, sink: Sink) -> None:
        if not nodes:
            raise SessionError("none of the nodes is on the server")
        config = self.config
        tags = list(self._map.tags.values())
        items = [Item(handle, node, tags[handle % len(tags)].deadband) for handle, node in nodes.items()]
        sampling = config.sampling_interval if config.sampling_interval is not None else self._period / 2e9
        _, refused = await session.subscribe(
            items,
            publishing=config.publishing_interval or min(self._period / 1e10, 0.25),
            sampling=sampling,
            queue=config.queue_size,
            trigger=config.trigger,
        )
        for handle, reason in refused.items():
            asset, variable = gatherer.names(handle)
            self._incomplete.add(asset)
            self.health.device(asset).failed(f"{variable} cannot be subscribed to: {reason}")
        async for publication in session.publications():
            if len(publication.values):
                self._deliver(gatherer.gather(publication.values, time.time_ns()), sink)

    async def _poll(self, session: Session, nodes: Mapping[int, NodeId], gatherer: Gatherer, sink: Sink) -> None:
        if not nodes:
            raise SessionError("none of the nodes is on the server")
        handles, ids = list(nodes), list(nodes.values())
        while True:
            values = await session.read(ids)
            values.handle = [handles[place] for place in values.handle]
            self._deliver(gatherer.gather(values, time.time_ns()), sink)
            now = time.time_ns()
            await asyncio.sleep((next_slot(now, self._period, 0.3) - now) / 1e9)

    async def _read_server(self, url: str, assets: Sequence[str]) -> list[Sample] | Exception:
        gatherer = self._gatherer(assets)
        try:
            async with connect(self._endpoint(url)) as session:
                nodes = await self._find(session, assets, gatherer)
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
