"""Which drivers there are, found by name and loaded when first asked for.

A third party adds one through an entry point of the group ``workbench.sources``::

    [project.entry-points."workbench.sources"]
    bacnet = "my_package.bacnet:BacnetSource"
"""

from __future__ import annotations

import importlib
import importlib.metadata
from functools import cache
from typing import cast

from workbench.model.errors import InputError, did_you_mean
from workbench.sources.base import Source

GROUP = "workbench.sources"

_BUILT_IN = {
    "modbus": "workbench.sources.modbus:ModbusSource",
    "mqtt": "workbench.sources.mqtt:MqttSource",
    "opcua": "workbench.sources.opcua:OpcUaSource",
    "tail": "workbench.sources.tail:TailSource",
}


def drivers() -> tuple[str, ...]:
    """Names of all live drivers, in alphabetical order. Loads none of them."""
    found = {point.name for point in importlib.metadata.entry_points(group=GROUP)}
    return tuple(sorted(found | set(_BUILT_IN)))


@cache
def driver(name: str) -> type[Source]:
    """The class of the driver ``name``.

    Its ``Config`` is the pydantic model of its catalog keys, its ``from_config`` makes a source.

    Raises
    ------
    InputError
        There is no such driver, or the package that offers it does not hold what it promises.
    """
    if name in _BUILT_IN:
        module, _, attribute = _BUILT_IN[name].partition(":")
        return cast("type[Source]", getattr(importlib.import_module(module), attribute))
    for point in importlib.metadata.entry_points(group=GROUP, name=name):
        loaded = point.load()
        if not (isinstance(loaded, type) and issubclass(loaded, Source)):
            raise InputError(
                f"driver {name!r} is not a source", found=point.value, expected="a subclass of workbench.sources.Source"
            )
        return loaded
    known = drivers()
    raise InputError(
        "unknown driver", where="driver", found=name, expected=", ".join(known), hint=did_you_mean(name, known)
    )
