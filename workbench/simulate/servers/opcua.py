"""An OPC UA server by asyncua: a folder per device, vendor-like names, every tag written every tick."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

from workbench.model.errors import InputError
from workbench.model.tags import OpcUaMap
from workbench.simulate.servers.encode import OpcUaEncoder
from workbench.simulate.servers.net import Address, bind_error, check_free, parse_address

if TYPE_CHECKING:
    from asyncua.server.server import Server

#: Namespace of the browse names where the tag map names none.
NAMESPACE = "urn:workbench:simulate"

_BAD_WAITING_FOR_INITIAL_DATA = 0x80320000
_UNECE = "http://www.opcfoundation.org/UA/units/un/cefact"


def parse_url(url: str, where: str | None = None) -> Address:
    """Host and port of an ``opc.tcp://`` address; InputError where it is none."""
    parts = urlsplit(url)
    if parts.scheme != "opc.tcp":
        raise InputError(
            "not an OPC UA address", where=where, found=url, expected="opc.tcp://127.0.0.1:48400/workbench"
        )
    return parse_address(parts.netloc, default_port=4840, where=where)


class _Device:
    """The nodes of one device, in the order of its encoder's variables."""

    def __init__(self, folder: str, tags: OpcUaMap, variables: Sequence[str]) -> None:
        self.folder = folder
        self.tags = tags
        self.encoder = OpcUaEncoder(tags, variables)
        self.nodes: list[Any] = []
        self.types: list[Any] = []
        self.pending: list[Any] = []


class OpcUaServer:
    """An OPC UA server on one port with a folder per device.

    Parameters
    ----------
    url
        ``opc.tcp://host:port/path``; port 0 takes a free one, see :attr:`url` after :meth:`start`.
    name
        Entry served, for messages.
    bind
        Host to listen on, where it is not the one of the URL.

    Notes
    -----
    Anonymous, without encryption, and read-only to clients: it is meant for one machine. Before its first
    tick a node says Bad_WaitingForInitialData, so that a client never takes a zero for a measurement.
    """

    def __init__(self, url: str, name: str = "opcua", *, bind: str | None = None) -> None:
        self.url = url
        named = parse_url(url, name)
        self.address = named if bind is None else Address(bind, named.port)
        self.name = name
        self._devices: dict[str, _Device] = {}
        self._server: Server | None = None

    def add(self, asset: str, folder: str, tags: OpcUaMap, variables: Sequence[str]) -> tuple[str, ...]:
        """Serve ``asset`` in ``folder`` (a path of names); see ``ModbusServer.add``."""
        if any(device.folder == folder for device in self._devices.values()):
            raise InputError("two assets share a folder", where=f"{self.name}.assets.{asset}", found=folder)
        device = _Device(folder, tags, variables)
        self._devices[asset] = device
        return device.encoder.variables

    async def prepare(self) -> None:
        """Build the address space, which takes a few seconds."""
        from asyncua.server.server import Server

        ua = _ua()

        server = Server()
        await server.init()
        server.set_endpoint(self.url)
        server.socket_address = (self.address.host, self.address.port)
        server.set_server_name("Workbench simulated plant")
        await server.set_application_uri("urn:workbench:simulate:server")
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        server.set_identity_tokens([ua.AnonymousIdentityToken])
        self._server = server
        for device in self._devices.values():
            await self._build(device)

    async def start(self) -> None:
        """Listen. Raises InputError where the port cannot be had."""
        check_free(self.address, self.name)
        if self._server is None:
            await self.prepare()
        await self.publish()
        server = cast("Server", self._server)
        try:
            await server.start()
        except OSError as error:
            self._server = None
            raise bind_error(error, self.address, self.name) from error
        port = cast(Any, server.bserver).port
        self.url = self.url.replace(f":{self.address.port}", f":{port}", 1)
        self.address = Address(self.address.host, port)

    async def _build(self, device: _Device) -> None:
        """The folders and variables of one device."""
        from workbench.model.vocabulary import vocabulary

        ua = _ua()
        server = cast("Server", self._server)
        index = await server.register_namespace(device.tags.namespace or NAMESPACE)
        folders: dict[str, Any] = {"": server.nodes.objects}
        words = vocabulary()

        async def folder(path: str) -> Any:
            if path not in folders:
                above, _, leaf = path.rpartition("/")
                parent = await folder(above)
                known = ua.NodeId(path.replace("/", "."), index)
                if known in server.iserver.aspace:  # shared by two devices, such as Park/WTG01 and Park/WTG02
                    folders[path] = server.get_node(known)
                else:
                    folders[path] = await parent.add_folder(known, ua.QualifiedName(leaf, index))
            return folders[path]

        for variable in device.encoder.variables:
            tag = device.tags.tags[variable]
            above, _, leaf = f"{device.folder}/{tag.node}".rpartition("/")
            parent = await folder(above)
            kind = _variant_type(tag.type)
            zero = False if tag.type == "boolean" else 0
            identifier = f"{above}.{leaf}".replace("/", ".")
            node = await parent.add_variable(
                ua.NodeId(identifier, index), ua.QualifiedName(leaf, index), ua.Variant(zero, kind), kind
            )
            term = words.get(variable)
            units = tag.units or ("" if term is None else term.units)
            if units and not tag.states:
                # the unit code is that of UNECE Rec. 20; -1 says that only the name is given (part 8, 5.6.3)
                text = ua.LocalizedText(units)
                await node.add_property(
                    ua.NodeId(f"{identifier}.EngineeringUnits", index),
                    ua.QualifiedName("EngineeringUnits", 0),
                    ua.EUInformation(_UNECE, -1, text, text),
                )
            waiting = ua.DataValue(ua.Variant(None, ua.VariantType.Null), ua.StatusCode(_BAD_WAITING_FOR_INITIAL_DATA))
            await server.iserver.aspace.write_attribute_value(node.nodeid, ua.AttributeIds.Value, waiting)
            device.nodes.append(node.nodeid)
            device.types.append(kind)

    def encode(
        self, asset: str, time: int, values: npt.NDArray[np.float64], quality: npt.NDArray[np.uint16] | None = None
    ) -> npt.NDArray[np.float64]:
        """Prepare a tick of ``asset`` for :meth:`publish`; what a reader will see is returned."""
        ua = _ua()
        device = self._devices[asset]
        encoded, seen = device.encoder.encode(values, quality)
        kinds = device.types or [_variant_type(tag.type) for tag in device.tags.tags.values()]
        stamp = datetime.fromtimestamp(time / 1e9, tz=UTC)
        server_stamp = datetime.now(tz=UTC)
        make = _value_type()
        device.pending = [
            make(
                ua.Variant(None, ua.VariantType.Null) if value.raw is None else ua.Variant(value.raw, kind),
                ua.StatusCode(value.status),
                stamp,
                server_stamp,
            )
            for value, kind in zip(encoded, kinds, strict=True)
        ]
        return seen

    async def publish(self) -> None:
        """Write what was prepared: all tags of all devices, without giving way to a subscription between."""
        ua = _ua()
        if self._server is None:
            return  # start will
        write, attribute = self._server.iserver.aspace.write_attribute_value, ua.AttributeIds.Value
        for device in self._devices.values():
            for node, value in zip(device.nodes, device.pending, strict=False):
                (await write(node, attribute, value)).check()
            device.pending = []

    async def stop(self) -> None:
        """Close the port and all sessions."""
        if self._server is not None:
            server, self._server = self._server, None
            await server.stop()

    def describe(self, asset: str) -> tuple[str, str]:
        """Address of the server, and the place of ``asset`` there."""
        return self.url, f"folder {self._devices[asset].folder}"


@cache
def _value_type() -> Any:
    """A DataValue that is shared instead of copied.

    asyncua copies each value deeply for each monitored item, which is most of the cost of a tick. Those of
    a tick are never changed, so one will do.
    """

    class TickValue(_ua().DataValue):  # type: ignore[misc]
        def __deepcopy__(self, memo: object) -> Any:
            return self

    return TickValue


def _ua() -> Any:
    """The types of OPC UA; imported late because it takes most of a second, untyped because generated."""
    from asyncua import ua

    return ua


def _variant_type(name: str) -> Any:
    ua = _ua()
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
    return types[name]
