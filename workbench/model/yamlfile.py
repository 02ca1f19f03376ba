"""YAML that remembers its lines, and pydantic's errors told by file, line and key.

Only plain data is read: a tag such as ``!!python/object`` is an error, not a constructor call.
"""

from __future__ import annotations

import types
from collections.abc import Hashable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, SecretBytes, SecretStr, ValidationError

from workbench.model.errors import BadValue, InputError, did_you_mean
from workbench.model.secrets import MASK

# libyaml reads ten times faster where PyYAML was built with it, and gives the same nodes and marks
_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Place = tuple[str | int, ...]  #: keys and list indices from the top of the document


@dataclass(frozen=True)
class YamlFile:
    """A YAML document and where its parts stand."""

    path: Path
    data: Any
    lines: Mapping[Place, int] = field(default_factory=dict)  #: lines count from 1

    def line(self, place: Place) -> int | None:
        """Line of ``place``, or of the nearest part around it that the file has."""
        for end in range(len(place), -1, -1):
            if place[:end] in self.lines:
                return self.lines[place[:end]]
        return None


def load_yaml(path: str | Path) -> YamlFile:
    """Read one YAML document of plain data.

    Raises
    ------
    InputError
        There is no such file; it is not YAML; a key occurs twice; a tag asks for anything but plain data.
    """
    return parse_yaml(read_text(path), path)


def read_text(path: str | Path) -> str:
    """The text of a file in UTF-8, without a mark of its order of bytes; InputError where it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError("no such file", file=path) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("cannot read the file", file=path, found=str(error)) from error


def parse_yaml(text: str, path: str | Path) -> YamlFile:
    """``text`` as a YAML document; ``path`` names it in messages. Raises as :func:`load_yaml`."""
    path = Path(path)
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        lines: dict[Place, int] = {}
        data = None if node is None else _build(loader, node, (), lines, path)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise InputError(
            "not valid YAML",
            file=path,
            line=None if mark is None else mark.line + 1,
            found=" ".join(str(part) for part in (error.context, error.problem) if part),
        ) from error
    except yaml.YAMLError as error:
        raise InputError("not valid YAML", file=path, found=str(error)) from error
    finally:
        loader.dispose()
    return YamlFile(path, data, lines)


def _build(loader: yaml.SafeLoader, node: yaml.Node, place: Place, lines: dict[Place, int], path: Path) -> Any:
    lines.setdefault(place, node.start_mark.line + 1)
    if not node.tag.startswith("tag:yaml.org,2002:") or node.tag.startswith("tag:yaml.org,2002:python"):
        raise InputError(
            "only plain data is allowed",
            file=path,
            line=node.start_mark.line + 1,
            where=".".join(map(str, place)) or None,
            found=f"the tag {node.tag.replace('tag:yaml.org,2002:', '!!')}",
        )
    if isinstance(node, yaml.MappingNode):
        own = {id(key_node) for key_node, _ in node.value}
        loader.flatten_mapping(node)  # merge keys (<<); what they bring stands first and may be replaced
        result: dict[Hashable, Any] = {}
        seen: set[Hashable] = set()
        for key_node, value_node in node.value:
            key = loader.construct_object(key_node, deep=True)
            if isinstance(key, bool):  # `on:` is the key "on": YAML 1.1 takes it for true
                key = key_node.value
            line = key_node.start_mark.line + 1
            if not isinstance(key, Hashable):
                raise InputError("a key must be plain text or a number", file=path, line=line, found=repr(key))
            if key in seen:
                raise InputError("the key occurs twice", file=path, line=line, where=".".join(map(str, (*place, key))))
            if id(key_node) in own:
                seen.add(key)
            inner = (*place, key if isinstance(key, int) else str(key))
            lines[inner] = line
            result[key] = _build(loader, value_node, inner, lines, path)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_build(loader, child, (*place, index), lines, path) for index, child in enumerate(node.value)]
    return loader.construct_object(node, deep=True)


def validation_errors(
    error: ValidationError, source: YamlFile, *, place: Place = (), model: type[BaseModel] | None = None
) -> list[InputError]:
    """The errors of a pydantic model, each with file, line and key, in the order of their lines.

    Parameters
    ----------
    error
        What ``model`` raised for the part of ``source`` at ``place``.
    model
        The model; gives the nearest valid name of an unknown key.
    """
    found: list[InputError] = []
    for detail in error.errors(include_url=False):
        loc = _in_data(detail["loc"], _at(source.data, place))
        full = (*place, *loc)
        where = ".".join(map(str, full)) or None
        line = source.line(full)
        kind = detail["type"]
        if kind == "extra_forbidden":
            keys = allowed_keys(model, loc[:-1]) if model is not None else []
            found.append(
                InputError(
                    f"unknown key {str(loc[-1])!r}",
                    file=source.path,
                    line=line,
                    where=where,
                    expected="one of " + ", ".join(keys) if keys else None,
                    hint=did_you_mean(str(loc[-1]), keys),
                )
            )
        elif kind == "missing":
            found.append(
                InputError(f"the key {str(detail['loc'][-1])!r} is missing", file=source.path, line=line, where=where)
            )
        else:
            told = complaint(detail, loc, model)
            found.append(InputError(file=source.path, line=line, where=where, **asdict(told)))
    return sorted(_distinct(found), key=lambda one: one.line or 0)


@dataclass(frozen=True)
class Complaint:
    """What is wrong with a value, as an InputError takes it."""

    message: str
    found: str | None = None
    expected: str | None = None
    hint: str | None = None


def complaint(detail: Mapping[str, Any], loc: Place, model: type[BaseModel] | None = None) -> Complaint:
    """What pydantic says of a wrong value; what stands where ``model`` has a secret is not shown."""
    message, value = detail["msg"].removeprefix("Value error, "), detail.get("input")
    if detail["type"] != "value_error":
        message = message[:1].lower() + message[1:]  # our own words begin as they should, perhaps with a name
    hidden = isinstance(value, (Mapping, list)) and detail["type"] == "value_error"
    hidden = hidden or (model is not None and _is_secret(model, loc))
    found = None if hidden else _shown(value)
    cause = (detail.get("ctx") or {}).get("error")
    if isinstance(cause, BadValue):
        return Complaint(message, found, cause.expected, cause.hint)
    return Complaint(message, found)


def allowed_keys(model: type[BaseModel], place: Place) -> list[str]:
    """The keys that ``model`` takes at ``place``, as they are written in a file."""
    keys: list[str] = []
    for one in _annotations(model, place):
        if isinstance(one, type) and issubclass(one, BaseModel):
            keys += [info.alias or name for name, info in one.model_fields.items()]
    return list(dict.fromkeys(keys))


def _is_secret(model: type[BaseModel], place: Place) -> bool:
    return any(
        kind in (SecretStr, SecretBytes) for end in range(len(place)) for kind in _annotations(model, place[: end + 1])
    )


def _annotations(model: type[BaseModel], place: Place) -> list[Any]:
    """What ``model`` takes at ``place``: each alternative."""
    found: list[Any] = [model]
    for part in place:
        following: list[Any] = []
        for one in found:
            if isinstance(one, type) and issubclass(one, BaseModel):
                for name, info in one.model_fields.items():
                    if part in (name, info.alias):
                        following += _unwrapped(info.annotation)
            elif get_origin(one) in (dict, Mapping, list, tuple) and get_args(one):
                following += _unwrapped(get_args(one)[-1])
        found = following
    return found


def _unwrapped(annotation: Any) -> list[Any]:
    """The alternatives of an annotation, without Annotated and Union around them."""
    if get_origin(annotation) in (Union, types.UnionType):
        return [inner for part in get_args(annotation) for inner in _unwrapped(part)]
    if hasattr(annotation, "__metadata__"):
        return _unwrapped(get_args(annotation)[0])
    return [annotation]


def _at(data: Any, place: Place) -> Any:
    for part in place:
        data = data[part]
    return data


def _in_data(loc: tuple[int | str, ...], data: Any) -> Place:
    """``loc`` without the parts that pydantic adds for the members of a union and for dict keys."""
    kept: list[int | str] = []
    for index, part in enumerate(loc):
        last = index == len(loc) - 1
        if isinstance(data, Mapping) and (part in data or str(part) in {str(key) for key in data}):
            data = data.get(part, next((value for key, value in data.items() if str(key) == str(part)), None))
            kept.append(part)
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
            kept.append(part)
        elif last and isinstance(data, Mapping) and part != "[key]":
            kept.append(part)  # a missing key
    return tuple(kept)


_PRIVATE = ("password", "secret", "token")


def _shown(value: object) -> str:
    text = repr(_without_secrets(value))
    return text if len(text) <= 120 else text[:117] + "..."


def _without_secrets(value: object) -> object:
    """``value`` without what stands under a key that speaks of a secret, at any depth."""
    if isinstance(value, Mapping):
        return {
            key: MASK if any(word in str(key).lower() for word in _PRIVATE) else _without_secrets(inner)
            for key, inner in value.items()
        }
    return [_without_secrets(inner) for inner in value] if isinstance(value, list) else value


def _distinct(errors: list[InputError]) -> list[InputError]:
    """One error per place and message: a union tells each of its members' complaints."""
    return list({str(error): error for error in errors}.values())
