"""A session with one OPC UA server: connect, find nodes, read, write, subscribe."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from asyncua import ua as asyncua_types
from asyncua.client.client import Client
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary
from pydantic import SecretStr

from workbench.model.errors import InputError
from workbench.sources.opcua_security import APPLICATION_URI, NotLetInError, OpcUaSecurity, refusal, secure
from workbench.sources.opcua_wire import Published, UnusualError, Values, published, read_results

# Generated code whose annotations do not agree with its use: of no help to a type checker.
ua: Any = asyncua_types
NodeId: TypeAlias = Any

# asyncua logs a traceback for each connection that goes; the health of the source tells it once and in order.
if logging.getLogger("asyncua").level == logging.NOTSET:
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)

#: Used where a server states no limit of its own.
_DEFAULT_BATCH = 1000
#: Publish requests under way at once, so that the server never waits for one.
_PUBLISH_REQUESTS = 3
#: Messages missing in a row above which they are not asked for one by one.
_MOST_AGAIN = 100
#: Numbers of messages run up to here and begin at 1 again.
_LAST_NUMBER = 0xFFFFFFFF
#: Seconds between signs of life of a subscription that has nothing to say.
_KEEP_ALIVE = 2.0


class SessionError(Exception):
    """The server, or the connection to it, did not do what was asked."""


@dataclass(frozen=True)
class Endpoint:
    """How to reach a server."""

    url: str
    user: str | None = None
    password: SecretStr | None = None
    security: OpcUaSecurity | None = None
    timeout: float = 4.0


@dataclass(frozen=True)
class Item:
    """A node to subscribe to."""

    handle: int
    node: NodeId
    deadband: float = 0.0


@dataclass
class Granted:
    """What a server made of the intervals [s] and queues asked for: of each the worst that it granted."""

    publishing: float = 0.0
    sampling: float = 0.0
    queue: int = 0


@dataclass(frozen=True)
class Place:
    """Where a node stands: ``path`` below ``start``, each a browse path or a node id (``ns=2;s=WTG01.Power``)."""

    start: str
    path: str = ""

    def __str__(self) -> str:
        return self.path if is_node_id(self.path) else f"{self.start}/{self.path}".strip("/")


class Session:
    """A connected session. Make it with :func:`connect`."""

    def __init__(self, client: Client, timeout: float) -> None:
        self.client = client
        self.granted = Granted()
        self._timeout = timeout
        self._limits: dict[str, int] = {}

    @property
    def _protocol(self) -> Any:
        protocol = self.client.uaclient.protocol
        if protocol is None:
            raise SessionError("connection lost")
        return protocol

    # -- what the server can do at once ---------------------------------------------------------------

    async def learn_limits(self) -> None:
        """Ask the server for its operation limits; a server that has none keeps our defaults."""
        names = {
            "read": "MaxNodesPerRead",
            "browse": "MaxNodesPerBrowse",
            "translate": "MaxNodesPerTranslateBrowsePathsToNodeIds",
            "monitor": "MaxMonitoredItemsPerCall",
        }
        base = "Server_ServerCapabilities_OperationLimits_"
        nodes = [ua.NodeId(getattr(ua.ObjectIds, base + name)) for name in names.values()]
        with contextlib.suppress(ua.UaError):
            values = await self._read_values(nodes)
            for key, value, status in zip(names, values.value, values.status, strict=True):
                if status == 0 and value == value and value > 0:
                    self._limits[key] = int(value)

    def batches(self, what: str, items: Sequence[Any]) -> Iterable[Sequence[Any]]:
        """``items`` in parts that the server takes at once for ``what`` (read, browse, translate, monitor)."""
        size = min(self._limits.get(what, _DEFAULT_BATCH), _DEFAULT_BATCH)
        return (items[i : i + size] for i in range(0, len(items), size))

    # -- nodes ----------------------------------------------------------------------------------------

    async def namespace(self, uri: str) -> int:
        """Index of a namespace. Raises SessionError where the server has it not."""
        found = await self.client.get_namespace_array()
        if uri not in found:
            raise SessionError(f"the server has no namespace {uri!r}; it has {', '.join(map(repr, found))}")
        return int(found.index(uri))

    async def resolve(self, places: Sequence[Place], namespace: str | None) -> list[NodeId | None]:
        """Nodes at ``places``; None for each that is not there.

        A browse path is names separated by ``/``, each with an optional namespace index (``2:Grid``). Names
        without an index are of ``namespace``; where that is not given, each namespace of the server is tried.
        """
        if namespace is not None:
            candidates = [await self.namespace(namespace)]
        else:
            count = len(await self.client.get_namespace_array())
            candidates = [*range(count - 1, 0, -1), 0]
        starts = [_as_node_id(place.start) for place in places]
        found: list[NodeId | None] = [
            _as_node_id(place.path) or (start if not place.path else None)
            for place, start in zip(places, starts, strict=True)
        ]
        for index in candidates:
            missing = [i for i, node in enumerate(found) if node is None]
            for part in self.batches("translate", missing):
                request = [_browse_path(places[i], starts[i], index) for i in part]
                answers = await self.client.uaclient.translate_browsepaths_to_nodeids(request)
                for i, answer in zip(part, answers, strict=True):
                    if answer.StatusCode.is_good() and answer.Targets:
                        found[i] = answer.Targets[0].TargetId
        return found

    # -- values ---------------------------------------------------------------------------------------

    async def read(self, nodes: Sequence[NodeId]) -> Values:
        """Values of ``nodes``; ``handle`` of each is its place among them."""
        out = Values()
        start = 0
        for part in self.batches("read", nodes):
            values = await self._read_values(part)
            out.texts.update({start + row: text for row, text in values.texts.items()})
            out.handle.extend(start + place for place in values.handle)
            out.value.extend(values.value)
            out.status.extend(values.status)
            out.time.extend(values.time)
            start += len(part)
        return out

    async def _read_values(self, nodes: Sequence[NodeId]) -> Values:
        request = ua.ReadRequest()
        request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
        request.Parameters.NodesToRead = [
            ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.Value) for node in nodes
        ]
        data = bytes(await self._protocol.send_request(request, self._timeout))
        try:
            values = read_results(data)
        except UnusualError:
            response = struct_from_binary(ua.ReadResponse, Buffer(data))
            response.ResponseHeader.ServiceResult.check()
            values = Values()
            for place, value in enumerate(response.Results):
                _add(values, place, value)
        if len(values) != len(nodes):
            raise SessionError(f"{len(values)} values in answer to a read of {len(nodes)}")
        return values

    async def write(self, node: NodeId, value: object, kind: Any) -> None:
        """Write one value. Raises SessionError where the server refuses it."""
        data = ua.DataValue(ua.Variant(value, kind))
        (status,) = await self.client.uaclient.write_attributes([node], [data])
        if not status.is_good():
            raise SessionError(f"refused: {status.name}")

    # -- subscription ---------------------------------------------------------------------------------

    async def subscribe(
        self, items: Sequence[Item], *, publishing: float, sampling: float, queue: int, trigger: str
    ) -> tuple[int, dict[int, str]]:
        """Subscribe to ``items``; the subscription's id and, per handle, why an item was refused.

        Parameters
        ----------
        publishing, sampling
            Intervals [s].
        queue
            Values the server keeps per item between two publishes.
        trigger
            Name of a ``ua.DataChangeTrigger``.
        """
        request = ua.CreateSubscriptionRequest()
        wanted = request.Parameters
        wanted.RequestedPublishingInterval = publishing * 1000
        wanted.RequestedMaxKeepAliveCount = max(1, math.ceil(_KEEP_ALIVE / publishing))
        wanted.RequestedLifetimeCount = 30 * wanted.RequestedMaxKeepAliveCount
        wanted.MaxNotificationsPerPublish = 0
        wanted.PublishingEnabled = True
        # Straight through the protocol: asyncua's own publish loop, which decodes slowly, is not to start.
        data = await self._protocol.send_request(request, self._timeout)
        answer = struct_from_binary(ua.CreateSubscriptionResponse, data)
        answer.ResponseHeader.ServiceResult.check()
        made = answer.Parameters
        self.silence = 3.0 * made.RevisedMaxKeepAliveCount * made.RevisedPublishingInterval / 1000 + 1.0
        self.granted = Granted(made.RevisedPublishingInterval / 1000, 0.0, queue)
        refused = await self.monitor(int(made.SubscriptionId), items, sampling=sampling, queue=queue, trigger=trigger)
        return int(made.SubscriptionId), refused

    async def monitor(
        self, subscription: int, items: Sequence[Item], *, sampling: float, queue: int, trigger: str
    ) -> dict[int, str]:
        """Add ``items`` to a subscription; per handle, why an item was refused. See :meth:`subscribe`."""
        refused: dict[int, str] = {}
        for part in self.batches("monitor", items):
            params = ua.CreateMonitoredItemsParameters()
            params.SubscriptionId = subscription
            params.TimestampsToReturn = ua.TimestampsToReturn.Both
            params.ItemsToCreate = [_monitored(item, sampling, queue, trigger) for item in part]
            results = await self.client.uaclient.create_monitored_items(params)
            for item, result in zip(part, results, strict=True):
                if result.StatusCode.is_good():
                    self.granted.queue = min(self.granted.queue, int(result.RevisedQueueSize))
                    self.granted.sampling = max(self.granted.sampling, result.RevisedSamplingInterval / 1000)
                else:
                    refused[item.handle] = result.StatusCode.name
        return refused

    async def publications(self) -> AsyncIterator[Published]:
        """What the server publishes, keep-alives included, in order.

        A message that is missing by its number is asked for again; what the server does not have any more is
        counted in ``lost`` of the next.

        Raises
        ------
        SessionError
            The server has been silent for three of its keep-alive times, or ended the subscription.
        """
        acknowledge: list[Any] = []
        expected = 0
        had: deque[int] = deque(maxlen=_MOST_AGAIN)
        waiting: deque[asyncio.Task[Buffer]] = deque()

        def ask() -> None:
            request = ua.PublishRequest()
            request.Parameters.SubscriptionAcknowledgements = acknowledge.copy()
            acknowledge.clear()
            # No time-out on the request: it stays with the server until there is something to say.
            waiting.append(asyncio.create_task(self._protocol.send_request(request, 0)))

        try:
            for _ in range(_PUBLISH_REQUESTS):
                ask()
            while True:
                try:
                    async with asyncio.timeout(self.silence):
                        data = bytes(await waiting[0])
                except TimeoutError:
                    raise SessionError(f"nothing heard for {self.silence:.0f} s") from None
                waiting.popleft()
                publication = _published(data)
                missing = range(expected, publication.sequence) if expected else range(0)
                if len(missing) <= _MOST_AGAIN:
                    for number in missing:
                        again = await self._republish(publication.subscription, number)
                        if again is None:
                            publication.lost += 1
                            continue
                        acknowledge.append(_receipt(again))
                        had.append(number)
                        yield again
                else:
                    publication.lost = len(missing)
                after = publication.sequence + (not publication.empty)  # a keep-alive tells the number to come
                wrapped = expected - after > _LAST_NUMBER // 2
                expected = 1 if after > _LAST_NUMBER else after if wrapped else max(expected, after)
                if not publication.empty:
                    acknowledge.append(_receipt(publication))
                ask()
                if publication.sequence in had and not publication.empty:
                    continue  # not lost, only overtaken
                yield publication
                if publication.ended is not None:
                    raise SessionError(f"the server ended the subscription: {ua.StatusCode(publication.ended).name}")
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _republish(self, subscription: int, number: int) -> Published | None:
        """A message once more; None where the server does not have it any more."""
        request = ua.RepublishRequest()
        request.Parameters.SubscriptionId = subscription
        request.Parameters.RetransmitSequenceNumber = number
        try:
            data = await self._protocol.send_request(request, self._timeout)
            response = struct_from_binary(ua.RepublishResponse, data)
            response.ResponseHeader.ServiceResult.check()
        except ua.UaStatusCodeError:
            return None
        again = _read_message(subscription, response.NotificationMessage)
        return again if again.sequence == number and not again.empty else None


def _receipt(publication: Published) -> Any:
    return ua.SubscriptionAcknowledgement(SubscriptionId=publication.subscription, SequenceNumber=publication.sequence)


@contextlib.asynccontextmanager
async def connect(endpoint: Endpoint) -> AsyncIterator[Session]:
    """A session with the server at ``endpoint``, closed on leaving.

    Raises
    ------
    SessionError
        It cannot be reached, or does not let us in.
    """
    client = Client(endpoint.url, timeout=endpoint.timeout, watchdog_intervall=endpoint.timeout)
    client.name = client.description = "Workbench"
    client.application_uri = APPLICATION_URI
    if endpoint.user is not None:
        client.set_user(endpoint.user)
    if endpoint.password is not None:
        client.set_password(endpoint.password.get_secret_value())
    try:
        async with asyncio.timeout(3 * endpoint.timeout):
            if endpoint.security is not None:
                await secure(client, endpoint.security)
            await client.connect()
    except (ua.UaError, OSError, TimeoutError, ValueError, InputError, NotLetInError) as error:
        if (why := refusal(error)) is not None:
            raise SessionError(f"{endpoint.url} does not let us in: {why}") from None
        text = str(error) or ("timed out" if isinstance(error, TimeoutError) else type(error).__name__)
        raise SessionError(f"cannot connect to {endpoint.url}: {text}") from None
    except AssertionError:  # all that asyncua makes of a fault in place of a channel
        own = f": does it trust our certificate, {endpoint.security.certificate}?" if endpoint.security else ""
        raise SessionError(f"{endpoint.url} does not let us in: it opens no secure channel{own}") from None
    session = Session(client, endpoint.timeout)
    try:
        await session.learn_limits()
        yield session
    except (ua.UaError, OSError, TimeoutError) as error:
        raise SessionError(f"{endpoint.url}: {str(error) or type(error).__name__}") from error
    finally:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(2.0):
                await client.disconnect()


def _published(data: bytes) -> Published:
    try:
        return published(data)
    except UnusualError:
        pass
    response = struct_from_binary(ua.PublishResponse, Buffer(data))
    response.ResponseHeader.ServiceResult.check()
    return _read_message(int(response.Parameters.SubscriptionId), response.Parameters.NotificationMessage)


def _read_message(subscription: int, message: Any) -> Published:
    notifications = message.NotificationData or []
    result = Published(subscription, int(message.SequenceNumber), Values(), empty=not notifications)
    for notification in notifications:
        if isinstance(notification, ua.DataChangeNotification):
            for item in notification.MonitoredItems:
                _add(result.values, int(item.ClientHandle), item.Value)
        elif isinstance(notification, ua.StatusChangeNotification):
            result.ended = int(notification.Status.value)
    return result


def _add(values: Values, handle: int, data: Any) -> None:
    stamp = data.SourceTimestamp or data.ServerTimestamp
    value = None if data.Value is None else data.Value.Value
    status = 0 if data.StatusCode is None else int(data.StatusCode.value)
    values.add(handle, value, status, 0 if stamp is None else _ticks(stamp))


def _ticks(stamp: datetime) -> int:
    """A time in units of 100 ns since 1601, the clock of the wire."""
    aware = stamp if stamp.tzinfo is not None else stamp.replace(tzinfo=UTC)
    return (aware - datetime(1601, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 10


def _monitored(item: Item, sampling: float, queue: int, trigger: str) -> Any:
    watch = ua.DataChangeFilter()
    watch.Trigger = getattr(ua.DataChangeTrigger, trigger)
    watch.DeadbandType = int(ua.DeadbandType.Absolute if item.deadband else ua.DeadbandType.None_)
    watch.DeadbandValue = item.deadband
    parameters = ua.MonitoringParameters()
    parameters.ClientHandle = item.handle
    parameters.SamplingInterval = sampling * 1000
    parameters.QueueSize = queue
    parameters.DiscardOldest = True
    parameters.Filter = watch
    request = ua.MonitoredItemCreateRequest()
    request.ItemToMonitor = ua.ReadValueId(NodeId=item.node, AttributeId=ua.AttributeIds.Value)
    request.MonitoringMode = ua.MonitoringMode.Reporting
    request.RequestedParameters = parameters
    return request


def is_node_id(text: str) -> bool:
    """Whether ``text`` is written as a node id rather than a browse path."""
    return text.startswith(("ns=", "i=", "s=", "g=", "b="))


def _as_node_id(text: str) -> NodeId | None:
    if not is_node_id(text):
        return None
    try:
        return ua.NodeId.from_string(text)
    except (ua.UaError, ValueError):
        raise SessionError(f"not a node id: {text!r}") from None


def _browse_path(place: Place, start: NodeId | None, namespace: int) -> Any:
    result = ua.BrowsePath()
    result.StartingNode = start if start is not None else ua.NodeId(ua.ObjectIds.ObjectsFolder)
    names = place.path if start is not None else f"{place.start}/{place.path}"
    for name in names.strip("/").split("/"):
        index, colon, rest = name.partition(":")
        own = bool(colon) and index.isdigit()
        element = ua.RelativePathElement()
        element.ReferenceTypeId = ua.NodeId(ua.ObjectIds.HierarchicalReferences)
        element.IsInverse = False
        element.IncludeSubtypes = True
        element.TargetName = ua.QualifiedName(rest if own else name, int(index) if own else namespace)
        result.RelativePath.Elements.append(element)
    return result
