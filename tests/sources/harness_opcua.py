"""An asyncua server with a folder per device."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

from asyncua import Server, ua
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.user_managers import UserManager
from harness import ASSETS, Harness, Told, free_port

from workbench.model.tags import OpcUaMap

NAMESPACE = "urn:test:vendor"
TAGS: dict[str, Any] = {
    "protocol": "opcua",
    "namespace": NAMESPACE,
    "tags": {
        "power_output": {"node": "Grid/ActivePower", "type": "int32", "units": "W", "scale": 100},
        "wind_speed": {"node": "Met/WindSpeed", "type": "float"},
        "ambient_temperature": {"node": "Met/Ambient", "type": "double", "units": "degF"},
        "turbine_status": {"node": "State", "type": "uint16", "states": {10: "generating", 20: "fault"}},
        "power_setpoint": {"node": "Grid/Setpoint", "type": "float", "writable": True},
    },
}
EXTRA = {"nacelle_position": {"node": "Nacelle/Direction"}}
_TYPES = {
    "Grid/ActivePower": ua.VariantType.Int32,
    "Met/WindSpeed": ua.VariantType.Float,
    "Met/Ambient": ua.VariantType.Double,
    "State": ua.VariantType.UInt16,
    "Grid/Setpoint": ua.VariantType.Float,
}


class Users(UserManager):
    def __init__(self, name: str, password: str) -> None:
        self.known = (name, password)

    def get_user(self, iserver, username=None, password=None, certificate=None):
        return User(role=UserRole.User) if (username, password) == self.known else None


class ServerThread:
    """An asyncua server on a loop of its own: making one takes a second or two, so tests share it."""

    def __init__(self, users: Users | None = None) -> None:
        self.port = free_port()
        self.url = f"opc.tcp://127.0.0.1:{self.port}/test"
        self.server: Any = None
        self._users = users
        self._park: Any = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    async def call(self, coroutine: Any) -> Any:
        """Run a coroutine on the server's loop."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self._loop))

    async def start(self) -> None:
        if self.server is None:
            await self.call(self._start())

    async def stop(self) -> None:
        if self.server is not None:
            await self.call(self._stop())

    def end(self) -> None:
        asyncio.run_coroutine_threadsafe(self._finish(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    async def _finish(self) -> None:
        if self.server is not None:
            await self._stop()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _start(self) -> None:
        server = Server(user_manager=self._users) if self._users else Server()
        await server.init()
        server.set_endpoint(self.url)
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        server.set_identity_tokens([ua.UserNameIdentityToken if self._users else ua.AnonymousIdentityToken])
        await server.register_namespace(NAMESPACE)
        await server.start()
        self.server, self._park = server, None

    async def _stop(self) -> None:
        server, self.server = self.server, None
        await server.stop()

    async def build(self) -> dict[str, dict[str, Any]]:
        """A fresh folder with both devices; asset to path to node."""
        return await self.call(self._build())

    async def _build(self) -> dict[str, dict[str, Any]]:
        server = self.server
        index = await server.get_namespace_index(NAMESPACE)
        if self._park is not None:
            await server.delete_nodes([self._park], recursive=True)
        self._park = park = await server.nodes.objects.add_folder(index, "Park")
        nodes: dict[str, dict[str, Any]] = {}
        for asset in ASSETS:
            folder = await park.add_folder(index, asset)
            parents = {name: await folder.add_folder(index, name) for name in ("Grid", "Met")}
            nodes[asset] = {}
            for path, kind in _TYPES.items():
                above, _, leaf = path.rpartition("/")
                nodes[asset][path] = await parents.get(above, folder).add_variable(index, leaf, 0, kind)
            for node in nodes[asset].values():  # as a gateway that has not yet heard of its devices
                waiting = ua.DataValue(
                    ua.Variant(None, ua.VariantType.Null), ua.StatusCode(ua.StatusCodes.BadWaitingForInitialData)
                )
                await server.iserver.aspace.write_attribute_value(node.nodeid, ua.AttributeIds.Value, waiting)
            await nodes[asset]["Grid/Setpoint"].set_writable()
            text = ua.LocalizedText("m/s")
            await nodes[asset]["Met/WindSpeed"].add_property(
                0, "EngineeringUnits", ua.EUInformation("", -1, text, text)
            )
        return nodes

    async def write(self, node: Any, value: Any) -> None:
        await self.call(self.server.iserver.aspace.write_attribute_value(node.nodeid, ua.AttributeIds.Value, value))


class OpcUaHarness(Harness):
    def __init__(self, mode: str = "subscribe", shared: ServerThread | None = None) -> None:
        super().__init__("opcua")
        if mode == "poll":
            self.gaps["every update"] = "a poll is in no step with the server: what changes twice between is read once"
        self.mode = mode
        self.thread = shared or ServerThread()
        self._own = shared is None
        self.nodes: dict[str, dict[str, Any]] = {}
        self._kinds: dict[Any, ua.VariantType] = {}

    async def start(self) -> None:
        await self.thread.start()
        self.nodes = await self.thread.build()

    async def stop(self) -> None:
        await self.thread.stop()

    async def release(self) -> None:
        if self._own:
            self.thread.end()

    async def tell(self, asset: str, told: Told) -> None:
        stamp = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=told.time // 1000)
        status = ua.StatusCodes.BadSensorFailure if told.bad else ua.StatusCodes.Good
        status = ua.StatusCodes.UncertainSensorNotAccurate if told.uncertain else status
        values = {
            "Grid/ActivePower": (round(told.power_output * 10), ua.StatusCodes.Good),
            "Met/WindSpeed": (told.wind_speed, status),
            "Met/Ambient": (told.fahrenheit, ua.StatusCodes.Good),
            "State": (told.code, ua.StatusCodes.Good),
        }
        for path, (value, code) in values.items():
            variant = ua.Variant(value, _TYPES[path])
            if path == "Met/WindSpeed":
                kind = ua.VariantType.String if told.words else _TYPES[path]
                await self._retype(self.nodes[asset][path], kind)
                variant = ua.Variant("strong" if told.words else value, kind)
            data = ua.DataValue(variant, ua.StatusCode(code), stamp, stamp)
            await self.thread.write(self.nodes[asset][path], data)

    async def _retype(self, node: Any, kind: ua.VariantType) -> None:
        if self._kinds.get(node.nodeid, _TYPES["Met/WindSpeed"]) != kind:
            self._kinds[node.nodeid] = kind
            data = ua.DataValue(ua.Variant(ua.NodeId(kind.value), ua.VariantType.NodeId))
            aspace = self.thread.server.iserver.aspace
            await self.thread.call(aspace.write_attribute_value(node.nodeid, ua.AttributeIds.DataType, data))

    async def silence(self, asset: str) -> None:
        """The gateway has lost the device: its folder is gone."""
        nodes = self.nodes.pop(asset)
        await self.thread.call(self.thread.server.delete_nodes(list(nodes.values())))

    def tags(self, *, extra: bool = False) -> OpcUaMap:
        tags = {**TAGS["tags"], **EXTRA} if extra else TAGS["tags"]
        return OpcUaMap.model_validate({**TAGS, "tags": tags})

    def config(self) -> dict[str, Any]:
        return {
            "url": self.thread.url,
            "mode": self.mode,
            "publishing_interval": 0.05,
            "sampling_interval": 0,
            "assets": {"T1": "Park/T1", "T2": "Park/T2"},
        }

    @property
    def served_at(self) -> int:
        return self.thread.port

    def config_at(self, port: int) -> dict[str, Any]:
        return {**self.config(), "url": f"opc.tcp://127.0.0.1:{port}/test", "timeout": 1.0}

    def wrong_config(self) -> dict[str, Any]:
        return {**self.config(), "url": f"opc.tcp://127.0.0.1:{free_port()}/test", "timeout": 0.5}
