"""Catalog entries, seen from the other side of the wire: what a server must show for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.model.errors import InputError
from workbench.model.samples import SeriesKey
from workbench.model.tags import TagMap
from workbench.simulate.servers.modbus import Framing
from workbench.simulate.servers.net import parse_address

#: Drivers that can be served.
DRIVERS = ("modbus", "mqtt", "opcua")


@dataclass(frozen=True)
class ServedEntry:
    """A live catalog entry, seen from the other side of the wire.

    ``address`` is what the entry names: ``host:port``, or an ``opc.tcp://`` URL. ``assets`` maps each asset
    to its place there: Modbus unit id, OPC UA folder, MQTT topic.
    """

    name: str  #: ``<site>.<entry>``
    site: str
    driver: str
    series: SeriesKey
    address: str
    assets: Mapping[str, int | str]
    tags: TagMap
    framing: Framing = "tcp"
    qos: int = 1


def served_entries(name: str, site: str, driver: str, keys: Mapping[str, Any], tags: TagMap) -> list[ServedEntry]:
    """What to serve for one catalog entry: usually one, more where assets have addresses of their own.

    Parameters
    ----------
    keys
        The keys of the entry, references replaced, as the driver's ``Config`` dumps them.

    Raises
    ------
    InputError
        The simulator cannot stand in for this entry.
    """
    if driver not in DRIVERS:
        raise InputError(
            "the simulator does not speak this", where=f"{name}.driver", found=driver, expected=", ".join(DRIVERS)
        )
    series = SeriesKey(str(keys["asset_type"]), str(keys["cadence"]))
    places = {"modbus": _modbus_places, "opcua": _opcua_places, "mqtt": _mqtt_places}[driver](name, keys)
    groups: dict[str, dict[str, int | str]] = {}
    for asset, (address, place) in places.items():
        groups.setdefault(address, {})[asset] = place
    framing: Framing = "rtu" if keys.get("transport") == "rtu_over_tcp" else "tcp"
    return [
        ServedEntry(name, site, driver, series, address, assets, tags, framing, int(keys.get("qos") or 0))
        for address, assets in groups.items()
    ]


_Places = dict[str, tuple[str, int | str]]


def _modbus_places(name: str, keys: Mapping[str, Any]) -> _Places:
    if keys.get("transport") == "serial":
        raise InputError("a serial line cannot be simulated", where=f"{name}.transport", expected="tcp, rtu_over_tcp")
    places: _Places = {}
    for asset, own in keys["assets"].items():
        more = own if isinstance(own, Mapping) else {"unit": own}
        host, port = more.get("host") or keys.get("host"), more.get("port") or keys.get("port")
        address = parse_address(str(host), default_port=port or 502, where=f"{name}.host")
        places[asset] = (str(address), int(more.get("unit", 1)))
    return places


def _opcua_places(name: str, keys: Mapping[str, Any]) -> _Places:
    places: _Places = {}
    for asset, own in keys["assets"].items():
        more = own if isinstance(own, Mapping) else {"node": own}
        places[asset] = (str(more.get("url") or keys.get("url")), str(more["node"]).strip("/"))
    return places


def _mqtt_places(name: str, keys: Mapping[str, Any]) -> _Places:
    address = parse_address(str(keys["host"]), default_port=keys.get("port") or 1883, where=f"{name}.host")
    assets = keys["assets"]
    parts = assets if isinstance(assets, Mapping) else {asset: asset for asset in assets}
    return {asset: (str(address), str(keys["topic"]).replace("{asset}", str(part))) for asset, part in parts.items()}
