"""Topics and JSON messages: which asset a message is of, when it was taken, and what it says."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from workbench.model.tags import MqttMap

Path = tuple[str | int, ...]

_MISSING = object()
_NUMBERS = frozenset({float, int, bool, type(None)})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST = 2**63


class MessageError(ValueError):
    """A message that does not say what the tag map expects."""


# -- topics ---------------------------------------------------------------------------------------------


class TopicTemplate:
    """A topic with named parts, such as ``site/{asset}/met``, and MQTT wildcards.

    ``{asset}`` stands for the asset's place in the topic, ``{variable}`` for a variable of the tag map
    (a topic for each), any other name for any text. ``+`` is one level, ``#`` at the end all that follow.

    Raises
    ------
    ValueError
        A part is not well formed.
    """

    def __init__(self, template: str) -> None:
        self.template = template
        levels = template.split("/")
        pattern = []
        self.names: list[str] = []
        for place, level in enumerate(levels):
            if level == "#":
                if place != len(levels) - 1:
                    raise ValueError("# may stand at the end of a topic only")
                pattern.append(".*")
            elif level == "+":
                pattern.append("[^/]*")
            elif "#" in level or "+" in level:
                raise ValueError(f"a wildcard fills a level of the topic alone, not {level!r}")
            else:
                pattern.append(self._level(level))
        if len(set(self.names)) != len(self.names):
            raise ValueError("a part of the topic is named twice")
        self._pattern = re.compile("/".join(pattern))

    def _level(self, level: str) -> str:
        text = ""
        for literal, name in re.findall(r"([^{}]*)(?:\{(\w+)\})?", level):
            text += re.escape(literal)
            if name:
                self.names.append(name)
                text += f"(?P<{name}>[^/]+)"
        if re.sub(r"\{\w+\}", "", level).strip("{}") != re.sub(r"\{\w+\}", "", level):
            raise ValueError(f"braces do not match in {level!r}")
        return text

    def match(self, topic: str) -> dict[str, str] | None:
        """Named parts of ``topic``, None where it does not fit."""
        found = self._pattern.fullmatch(topic)
        return None if found is None else found.groupdict()

    def filter(self, **parts: str) -> str:
        """The MQTT topic filter with ``parts`` filled in; a level with a part left open becomes ``+``."""
        levels = []
        for level in self.template.split("/"):
            filled = re.sub(r"\{(\w+)\}", lambda m: parts.get(m[1], m[0]), level)
            levels.append("+" if re.search(r"\{\w+\}", filled) else filled)
        return "/".join(levels)


# -- JSON paths -----------------------------------------------------------------------------------------


def parse_path(text: str) -> Path:
    """``wind.speed[0]`` as ``("wind", "speed", 0)``; empty text is the whole message.

    Raises
    ------
    ValueError
        It is not a dotted path.
    """
    path: list[str | int] = []
    for part in text.split(".") if text else ():
        found = re.fullmatch(r"([^\[\]]*)((?:\[\d+\])*)", part)
        if found is None or not (found[1] or found[2]):
            raise ValueError(f"not a path: {text!r} (expected names and [numbers], such as wind.speed[0])")
        if found[1]:
            path.append(found[1])
        path.extend(int(number) for number in re.findall(r"\d+", found[2]))
    return tuple(path)


def pick(tree: Any, path: Path) -> Any:
    """What stands at ``path``; a marker that equals nothing where there is nothing."""
    for step in path:
        if isinstance(step, str):
            if not isinstance(tree, dict) or step not in tree:
                return _MISSING
        elif not isinstance(tree, list) or step >= len(tree):
            return _MISSING
        tree = tree[step]
    return tree


def leaves(tree: Any, path: str = "") -> list[tuple[str, Any]]:
    """Every leaf of a message with its dotted path."""
    if isinstance(tree, dict):
        return [leaf for key, item in tree.items() for leaf in leaves(item, f"{path}.{key}".lstrip("."))]
    if isinstance(tree, list):
        return [leaf for i, item in enumerate(tree) for leaf in leaves(item, f"{path}[{i}]")]
    return [(path, tree)]


# -- messages -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Decoded:
    """A message taken apart: ``time`` is 0 where it has none; ``sent`` [v] is where something was sent."""

    time: int
    raw: npt.NDArray[np.float64]
    sent: npt.NDArray[np.bool_]
    texts: dict[int, str]


class MessageDecoder:
    """Decodes the messages of one kind of device.

    Parameters
    ----------
    tags
        The tag map.
    columns
        Whether paths are names of columns, dots and all, rather than dotted paths.

    Raises
    ------
    ValueError
        A path is not well formed.
    """

    def __init__(self, tags: MqttMap, *, columns: bool = False) -> None:
        read: Callable[[str], Path] = (lambda text: (text,)) if columns else parse_path
        self._time = None if tags.time is None else read(tags.time)
        self._format = tags.time_format
        paths = [read(tag.path) for tag in tags.tags.values()]
        self._width = len(paths)
        self._all = np.ones(self._width, dtype=bool)
        self._all.setflags(write=False)
        self._index = {name: i for i, name in enumerate(tags.tags)}
        self._paths = list(enumerate(paths))
        # Most messages are flat: one look-up each, without a walk.
        self._flat = [path[0] for path in paths] if all(_is_key(path) for path in paths) else None

    @property
    def has_time(self) -> bool:
        """Whether messages carry their own time."""
        return self._time is not None

    def decode(self, payload: bytes, variable: str | None = None) -> Decoded:
        """Take a message apart.

        Parameters
        ----------
        payload
            JSON.
        variable
            The only variable the message speaks of, where its topic says so.

        Raises
        ------
        MessageError
            It is no JSON, has no time where the map expects one, or nothing that the map knows.
        """
        try:
            message = orjson.loads(payload)
        except orjson.JSONDecodeError as error:
            raise MessageError(f"not JSON: {error}") from None
        return self.take(message, variable)

    def take(self, message: Any, variable: str | None = None) -> Decoded:
        """Take a message apart that is no longer text; as :meth:`decode`."""
        time = 0 if self._time is None else parse_time(pick(message, self._time), self._format)
        paths: Sequence[tuple[int, Path]] = self._paths
        if variable is not None:
            if variable not in self._index:
                raise MessageError(f"no variable {variable!r} in the tag map")
            paths = [self._paths[self._index[variable]]]
        elif self._flat is not None and isinstance(message, dict):
            get = message.get
            values = [get(key, _MISSING) for key in self._flat]
            if _NUMBERS.issuperset(map(type, values)):  # all there, all numbers or null: no walk at all
                return Decoded(time, np.array(values, dtype=np.float64), self._all, {})
            return self._collect(time, enumerate(values))
        return self._collect(time, [(i, pick(message, path)) for i, path in paths])

    def _collect(self, time: int, found: Any) -> Decoded:
        numbers = [np.nan] * self._width
        sent = [False] * self._width
        texts: dict[int, str] = {}
        for i, value in found:
            if value is _MISSING:
                continue
            sent[i] = True
            if isinstance(value, float | int):  # true and false count as 1 and 0
                numbers[i] = value
            elif isinstance(value, str):
                texts[i] = value
        if True not in sent:
            raise MessageError("nothing in the message is in the tag map")
        return Decoded(time, np.array(numbers, dtype=np.float64), np.array(sent), texts)


def _is_key(path: Path) -> bool:
    return len(path) == 1 and isinstance(path[0], str)


def parse_time(value: Any, form: str) -> int:
    """A time stamp as ns since 1970 UTC.

    Parameters
    ----------
    value
        What the message holds.
    form
        ``iso8601`` (without an offset it is UTC), ``unix_s``, ``unix_ms`` or ``unix_ns``.

    Raises
    ------
    MessageError
        It is no such time.
    """
    if value is _MISSING or value is None:
        raise MessageError("the message has no time stamp")
    if form == "iso8601":
        if not isinstance(value, str):
            raise MessageError(f"not an ISO 8601 time: {value!r}")
        # Digits beyond microseconds are kept aside: datetime has no room for them.
        found = re.search(r"[.,]\d{6}(\d{1,3})", value)
        try:
            stamp = datetime.fromisoformat(value if found is None else value[: found.start(1)] + value[found.end(1) :])
        except ValueError:
            raise MessageError(f"not an ISO 8601 time: {value!r}") from None
        stamp = stamp if stamp.tzinfo is not None else stamp.replace(tzinfo=UTC)
        micro = (stamp - _EPOCH) // (datetime.resolution)
        return micro * 1000 + (0 if found is None else int(found[1].ljust(3, "0")))
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise MessageError(f"not a time in {form}: {value!r}")
    factor = {"unix_s": 10**9, "unix_ms": 10**6, "unix_ns": 1}[form]
    # A float of seconds since 1970 is good to a microsecond at most.
    exact = abs(value) < 1e20 and (value * factor if isinstance(value, int) else round(value * factor / 1000) * 1000)
    if exact is False or not -_MOST <= exact < _MOST:
        raise MessageError(f"not a time in {form}: {value!r}")
    return int(exact)


def state_numbers(
    texts: Mapping[int, str], states: Mapping[int, Mapping[str, int]]
) -> tuple[dict[int, int], dict[int, str]]:
    """Text values that name a state of their variable, as its code; and the other texts."""
    codes = {i: states[i][text] for i, text in texts.items() if i in states and text in states[i]}
    return codes, {i: text for i, text in texts.items() if i not in codes}
