"""The page of the docs with the keys that each driver takes, made from the models that check them."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

_INTRODUCTION = """\
# Keys of catalogs

<!-- Generated from the drivers' models by: workbench catalog page --out docs/catalog-keys.md -->

What catalogs are and how they are written: [Catalogs](catalogs.md). Here is every key there is; `workbench catalog check`
knows the same, and names the nearest for one that does not exist. A key without a default must be given.

## A catalog file
| key | value | default | meaning |
|---|---|---|---|
| `site` | text | none | site in the portfolio that the entries belong to; live and store entries need one |
| `description` | text | none | what the file is about |
| `entries` | mapping of names (a-z, 0-9, _) to entries | | the entries |

## Every entry
| key | value | default | meaning |
|---|---|---|---|
| `driver` | text | | one of those below |
| `description` | text | none | one sentence for people |
| `licence` | text | none | under what terms the data may be used; kept with the data |
"""

_COMMON = ("driver", "description", "licence")
#: Where a model says nothing itself.
_MEANINGS = {
    "user": "name to sign in with",
    "password": "to sign in with; write it as `${secret:NAME}`",
    "private_key_password": "of the key's file; write it as `${secret:NAME}`",
    "port": "TCP port, where host does not name it",
    "mode": "see [Catalogs](catalogs.md)",
    "policy": "security policy of the server",
}


def page() -> str:
    """The keys of all drivers of the house and of their tag maps, in Markdown."""
    from workbench.catalog.spec import StoreConfig
    from workbench.model.tags import ModbusMap, MqttMap, OpcUaMap
    from workbench.sources import readers, registry

    parts = [_INTRODUCTION, "## Live sources\n"]
    below: dict[str, type[BaseModel]] = {}
    for name in registry.drivers():
        source = registry.driver(name)
        if source.__module__.startswith("workbench."):
            parts.append(_section(f"`driver: {name}`", source.Config, below))
    parts.append("## Files\n")
    for name in readers.readers():
        reader = readers.reader(name)
        if reader.__module__.startswith("workbench."):
            parts.append(_section(f"`driver: {name}`", reader.Config, below))
    parts += ["## The store\n", _section("`driver: store`", StoreConfig, below), "## Tag maps\n"]
    parts += [
        _section(f"`protocol: {model.model_fields['protocol'].annotation.__args__[0]}`", model, below)  # type: ignore[union-attr]
        for model in (ModbusMap, OpcUaMap, MqttMap)
    ]
    parts.append("## Parts\nMappings that stand as the value of a key above.\n")
    told: set[str] = set()
    while rest := {name: model for name, model in below.items() if name not in told}:
        for name, model in rest.items():
            told.add(name)
            parts.append(_section(name, model, below))
    return "\n".join(parts)


def _section(title: str, model: type[BaseModel], below: dict[str, type[BaseModel]]) -> str:
    lines = [f"### {title}", "| key | value | default | meaning |", "|---|---|---|---|"]
    for name, info in model.model_fields.items():
        key = info.alias or name
        if key in _COMMON and "driver" in title:
            continue
        cells = (f"`{key}`", _value(info, below), _default(info), info.description or _MEANINGS.get(key, ""))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _value(info: FieldInfo, below: dict[str, type[BaseModel]]) -> str:
    return _kind(info.annotation, info.metadata, below)


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return ""
    value = info.get_default(call_default_factory=True, validated_data={})
    if value is None or value == "" or (isinstance(value, (list, Mapping)) and not value):
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"`{value}`"


def _kind(annotation: Any, limits: Iterable[Any], below: dict[str, type[BaseModel]]) -> str:
    """What a value is, in words."""
    origin, inside = get_origin(annotation), get_args(annotation)
    if hasattr(annotation, "__metadata__"):
        return _kind(inside[0], [*limits, *annotation.__metadata__], below)
    if origin in (Union, types.UnionType):
        kinds = [_kind(part, limits, below) for part in inside if part is not type(None)]
        return " or ".join(dict.fromkeys(kinds))
    if origin is Literal:
        return ", ".join(f"`{str(value).lower() if isinstance(value, bool) else value}`" for value in inside)
    if origin is list:
        return f"list of {_kind(inside[0], [], below)}"
    if origin in (dict, Mapping):
        return f"mapping to {_kind(inside[1], [], below)}"
    if annotation in (int, float):
        return ("whole number" if annotation is int else "number") + _range(limits)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        name = annotation.__name__.removeprefix("_")
        below.setdefault(name, annotation)
        return f"[{name}](#{name.lower()})"
    return {bool: "true or false", str: "text", SecretStr: "secret text"}.get(annotation, "text")


def _range(limits: Iterable[Any]) -> str:
    found: list[Any] = []
    for one in limits:
        found += one.metadata if isinstance(one, FieldInfo) else [one]
    signs = {"Ge": "≥", "Gt": ">", "Le": "≤", "Lt": "<"}  # classes that pydantic itself takes from another package
    kinds = [(type(one).__name__, one) for one in found]
    texts = [f"{signs[kind]} {getattr(one, kind.lower())}" for kind, one in kinds if kind in signs]
    return " " + ", ".join(texts) if texts else ""
