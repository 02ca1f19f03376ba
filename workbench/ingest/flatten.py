"""From a nested message to readings of assets, events and facts, with nothing left over.

Every leaf of a message ends as exactly one of: a value (a variable of an asset, in the vocabulary's unit), a
unit of values, the identity or place of an asset (a fact), a time, a part of an event, or a record of what
has no number. :class:`Flat` counts them, so that the sum can be checked.

Lists of objects with an id of their own (``strings``, ``mppt_data``) are assets below the one that reports:
``<inverter>/<string>``. ``alarms`` and ``warnings`` are events. Which keys are which stands in the vocabulary's
``structure.yaml``, and nowhere else.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.ingest.messages import RawMessage
from workbench.ingest.units import Units
from workbench.model.errors import InputError, did_you_mean
from workbench.model.quality import Quality, is_quality
from workbench.model.samples import Event
from workbench.model.vocabulary import ASSET_TYPES, Term, vocabulary

SEVERITIES = ("info", "low", "medium", "high", "critical")
_SEVERITY_WORDS = {
    "minor": "low",
    "warning": "medium",
    "moderate": "medium",
    "major": "high",
    "error": "high",
    "fatal": "critical",
}
_RESERVED = ("sample_count", "time", "asset", "gap")
_RESERVED_ENDINGS = ("_quality", "_time", "_min", "_max", "_std", "_count")


@dataclass
class Reading:
    """What a message says of one asset at one instant [ns]."""

    asset: str
    asset_type: str
    time: int
    values: dict[str, float] = field(default_factory=dict)
    quality: dict[str, int] = field(default_factory=dict)


@dataclass
class Flat:
    """A message taken apart."""

    site: str | None  #: as the message names it
    readings: list[Reading] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)  #: asset to its facts
    own: dict[str, str] = field(default_factory=dict)  #: variable outside the vocabulary to its unit
    records: set[str] = field(default_factory=set)  #: paths of texts and lists kept as records
    renamed: dict[str, str] = field(default_factory=dict)  #: path to the variable it was stored as
    states: set[str] = field(default_factory=set)  #: ``variable=text`` of states the vocabulary does not have
    gaps: set[str] = field(default_factory=set)  #: ``variable=text`` where a number was expected
    twice: set[str] = field(default_factory=set)  #: assets whose name another part of the message had already
    leaves: Counter[str] = field(default_factory=Counter)  #: what became of how many leaves


def flatten(message: RawMessage, types: Mapping[str, str] | None = None) -> Flat:
    """Take ``message`` apart.

    Parameters
    ----------
    message
        The JSON object.
    types
        Type by asset id, of the portfolio: for messages that name an ``asset_id`` without its type.

    Raises
    ------
    InputError
        No asset id, no time or one that cannot be read, a unit that does not fit its field.
    """
    data, structure = message.data, vocabulary().structure
    asset, kind, used = _identity(message, types or {})
    site = next((str(data[key]) for key in structure.sites if data.get(key)), None)
    flat = Flat(site)
    times = structure.roles["time"]
    time_key = next((key for key in times if key in data), None)
    if time_key is None:
        raise message.error("the message has no time", expected="a key " + " or ".join(times), hint=_near(data, times))
    walk = _Walk(message, flat)
    reading = walk.reading(asset, kind, walk.time(data[time_key], time_key))
    flat.leaves["time"] += 1
    flat.leaves["identity"] += len(used)
    rest = {key: value for key, value in data.items() if key not in used and key != time_key}
    walk.section(reading, rest, "", Units(walk.words))
    return flat


def _identity(message: RawMessage, types: Mapping[str, str]) -> tuple[str, str, set[str]]:
    """Asset, its type, and the keys that said so."""
    data, structure = message.data, vocabulary().structure
    for key, kind in structure.asset_types.items():
        if key in data:
            return _name(message, key, data[key]), kind, {key}
    # those that name an asset of any type, the plainest first
    plain = [key for key in structure.roles["identity"] if key not in structure.asset_types]
    plain = sorted((key for key in plain if key not in structure.sites), key=lambda key: key != "asset_id")
    for key in plain:
        if key not in data:
            continue
        asset = _name(message, key, data[key])
        said = data.get("asset_type")
        if said is not None and said not in ASSET_TYPES:
            hint = did_you_mean(str(said), ASSET_TYPES)
            raise message.error(
                "no such type of asset", "asset_type", found=said, expected=", ".join(ASSET_TYPES), hint=hint
            )
        kind = str(said) if said is not None else types.get(asset, "")
        if kind:
            return asset, kind, {key} | ({"asset_type"} if said is not None else set())
        raise message.error("the type of the asset is not known", key, found=asset, expected="a key asset_type")
    known = [*structure.asset_types, *plain]
    raise message.error("the message names no asset", expected="a key " + ", ".join(known), hint=_near(data, known))


def _name(message: RawMessage, key: str, value: object) -> str:
    if isinstance(value, (str, int)) and not isinstance(value, bool) and str(value).strip():
        return str(value).strip()
    raise message.error("not the name of an asset", key, found=json.dumps(value), expected="a text")


def _near(data: Mapping[str, object], known: Sequence[str]) -> str | None:
    for key in data:
        if did_you_mean(str(key), known):
            return f"the message has {key!r}"
    return None


class _Walk:
    """Goes through a message once."""

    def __init__(self, message: RawMessage, flat: Flat) -> None:
        self.message = message
        self.flat = flat
        self.words = vocabulary()
        self.structure = self.words.structure
        self.children: dict[str, str] = {}  # asset below the one that reports, to its type

    def reading(self, asset: str, kind: str, time: int) -> Reading:
        found = Reading(asset, kind, time)
        self.flat.readings.append(found)
        self.flat.facts.setdefault(asset, {})["type"] = kind
        return found

    def fact(self, asset: str, key: str, value: object) -> None:
        self.flat.facts.setdefault(asset, {})[key] = value
        self.flat.leaves["fact"] += 1

    def time(self, value: object, where: str) -> int:
        """``value`` as ns since 1970 UTC; a time without zone is UTC, a number is seconds or milliseconds."""
        import pandas as pd

        try:
            if isinstance(value, bool) or value is None:
                raise ValueError
            if isinstance(value, (int, float)):
                # seconds until the year 5138, milliseconds from 1973 on
                unit = 1_000_000 if abs(value) >= 1e11 else 1_000_000_000
                return value * unit if isinstance(value, int) else round(value * unit)
            stamp = pd.Timestamp(str(value))
            if pd.isna(stamp) or not re.match(r"\d{4}-\d\d-\d\d", str(value)):
                raise ValueError
            stamp = stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp.tz_convert("UTC")
            return int(stamp.as_unit("ns").value)
        except (ValueError, TypeError, OverflowError):
            raise self.message.error(
                "the time cannot be read", where, found=json.dumps(value), expected="such as 2025-01-15T10:30:15.234Z"
            ) from None

    def section(self, reading: Reading, data: Mapping[str, Any], path: str, around: Units) -> None:
        """One object of the message: its fields, its units, the objects and lists in it."""
        units = around.inside(data, self.message, path)
        self.flat.leaves["unit"] += units.here
        for key, value in data.items():
            where = f"{path}{key}"
            if units.is_unit(key):
                continue
            if isinstance(value, dict):
                if key == "location" or (value and set(value) <= set(self.structure.roles["location"])):
                    self.location(reading, value, where)
                else:
                    self.section(reading, value, f"{where}.", units)
            elif isinstance(value, list):
                self.items(reading, key, value, where, units)
            else:
                self.leaf(reading, key, value, where, units)

    def location(self, reading: Reading, data: Mapping[str, Any], where: str) -> None:
        places = self.structure.roles["location"]
        here = {key: value for key, value in data.items() if key in places and not isinstance(value, (dict, list))}
        for key, value in here.items():
            self.place(reading, key, value, f"{where}.{key}")
        rest = {key: value for key, value in data.items() if key not in here}
        if rest:
            self.section(reading, rest, f"{where}.", Units(self.words))

    def place(self, reading: Reading, key: str, value: object, where: str) -> None:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            self.fact(reading.asset, key, float(value))
        elif key == "timezone" and isinstance(value, str):
            self.fact(reading.asset, key, value)
        elif value is None:
            self.flat.leaves["null"] += 1
        else:
            self.record(reading, where, value)

    def items(self, reading: Reading, key: str, values: list[Any], where: str, units: Units) -> None:
        """A list: assets below this one, events, numbers, or a record."""
        child, kind = self.structure.children.get(key), self.structure.records.get(key)
        for index, item in enumerate(values):
            at = f"{where}[{index}]"
            if isinstance(item, dict) and child is not None:
                self.child(reading, child.identity, child.asset_type, item, at, units, f"{key}-{index + 1}")
            elif isinstance(item, dict) and kind is None and (id_key := self.known_id(item)) is not None:
                self.child(reading, id_key, self.structure.asset_types[id_key], item, at, units)
            elif kind is not None:
                self.event(reading, kind, item, at)
            elif isinstance(item, dict):
                self.flat.records.add(re.sub(r"\[\d+\]", "[]", at))
                self.event(reading, key, item, at)
            elif isinstance(item, list):
                self.record(reading, at, item)
            else:
                self.leaf(reading, f"{key}_{index + 1}", item, at, units, unit_of=key)

    def known_id(self, item: Mapping[str, Any]) -> str | None:
        return next((key for key in self.structure.asset_types if key in item), None)

    def child(
        self,
        reading: Reading,
        id_key: str,
        kind: str,
        item: Mapping[str, Any],
        where: str,
        units: Units,
        unnamed: str | None = None,
    ) -> None:
        """An asset below the one that reports; ``unnamed`` is its name where it does not say one."""
        if unnamed is not None and item.get(id_key) is None:
            own = unnamed
            self.flat.renamed[re.sub(r"\[\d+\]", "[]", f"{where}.{id_key}")] = "its place in the list"
        else:
            own = _name(self.message, f"{where}.{id_key}", item[id_key])
            self.flat.leaves["identity"] += 1
        name = f"{reading.asset}/{own}"
        if self.children.get(name, kind) != kind:  # a string and an MPPT may both be number 1
            name = f"{reading.asset}/{kind}-{own}"
        if name in self.children:
            self.flat.twice.add(name)
            number = next(n for n in range(2, len(self.children) + 3) if f"{name}_{n}" not in self.children)
            name = f"{name}_{number}"
        self.children[name] = kind
        time_key = next((key for key in self.structure.roles["time"] if key in item), None)
        time = reading.time if time_key is None else self.time(item[time_key], f"{where}.{time_key}")
        child = self.reading(name, kind, time)
        self.flat.facts[name]["parent"] = reading.asset
        self.flat.leaves["time"] += time_key is not None
        said = {id_key, time_key} if item.get(id_key) is not None else {time_key}
        self.section(child, {key: value for key, value in item.items() if key not in said}, f"{where}.", units)

    def event(self, reading: Reading, kind: str, item: object, where: str) -> None:
        data = dict(item) if isinstance(item, dict) else {"code": item}
        self.flat.leaves["event"] += count_leaves(data)
        time_key = next((key for key in self.structure.roles["time"] if key in data), None)
        time = reading.time if time_key is None else self.time(data.pop(time_key), f"{where}.{time_key}")
        name = _first(data, ("code", "id", "name", "alarm_code", "warning_code"))
        text = _first(data, ("description", "message", "text"))
        said = str(data.get("severity", "info")).lower()
        severity = _SEVERITY_WORDS.get(said, said)
        if severity in SEVERITIES:
            data.pop("severity", None)
        else:
            severity = "info"  # the word itself stays among the attributes
        if said != severity and severity in SEVERITIES and said in _SEVERITY_WORDS:
            data["severity"] = said
        value = _first(data, ("value", "state", "status"))
        self.flat.events.append(
            Event("", reading.asset, time, kind, name or kind, value, text, severity, "ingest", attributes=data)
        )

    def record(self, reading: Reading, where: str, value: object) -> None:
        """Keep what is no number and no state as a record."""
        self.flat.leaves["record"] += count_leaves(value)
        self.flat.records.add(re.sub(r"\[\d+\]", "[]", where))
        text = value if isinstance(value, str) else json.dumps(value)
        self.flat.events.append(Event("", reading.asset, reading.time, "field", where, text, source="ingest"))

    def leaf(
        self, reading: Reading, key: str, value: object, where: str, units: Units, unit_of: str | None = None
    ) -> None:
        """One field."""
        if value is None:
            self.flat.leaves["null"] += 1
            return
        role = self.words.role(key)
        if role in ("fact", "identity"):
            self.fact(reading.asset, key, value)
            return
        if role == "location":
            self.place(reading, key, value, where)
            return
        term = self.words.get(key)
        if isinstance(value, str):
            number = self.text(reading, key, value, where, term)
            if number is None:
                return
        else:
            number = float(value)  # type: ignore[arg-type]  # bool, int or float: JSON has no other leaf
        unknown = term is not None and term.states is not None and math.isfinite(number) and term.code(number) is None
        name = self.variable(reading, key, where, term)
        unit = units.of(unit_of or key, term)
        if term is not None and unit is not None and unit != term.units:
            number = self.converted(number, unit, term, where)
        if name != key or term is None:
            self.flat.own[name] = (term.units if term is not None else unit) or ""
        reading.values[name] = number
        if unknown:
            self.flat.states.add(f"{key}={value}")
        if unknown or not math.isfinite(number):
            reading.quality[name] = int(Quality.INVALID)
        self.flat.leaves["value"] += 1

    def converted(self, number: float, unit: str, term: Term, where: str) -> float:
        from workbench.model.units import convert

        try:
            return float(convert(number, unit, term.units))
        except InputError as error:
            raise self.message.error(
                f"the unit of {term.name} does not fit",
                where,
                found=repr(unit),
                expected=f"a unit that converts to {term.units}",
                hint=error.hint,
            ) from error

    def text(self, reading: Reading, key: str, value: str, where: str, term: Term | None) -> float | None:
        """The number that a text stands for: a state's code, or digits. None where it was kept as a record."""
        if term is not None and term.states is not None:
            codes = {_state(name): code for name, code in term.states.items()}
            code = codes.get(_state(value))
            if code is not None:
                return float(code)
            try:
                return float(int(value))  # a code written as text
            except ValueError:
                self.flat.states.add(f"{key}={value}")
        elif term is not None:
            try:
                number = float(value)
            except ValueError:
                number = math.nan
            if math.isfinite(number):
                return number
            self.flat.gaps.add(f"{key}={value}")
        if term is not None:
            # nothing was measured, and that is told: a gap without a flag would say that nothing was sent
            name = self.variable(reading, key, where, term)
            reading.values[name] = math.nan
            reading.quality[name] = int(Quality.INVALID)
        self.record(reading, where, value)
        return None

    def variable(self, reading: Reading, key: str, where: str, term: Term | None) -> str:
        """Name under which ``key`` is stored: its own, unless it is taken or means something else to us."""
        name = key if term is not None else _tidy(key)
        if name in reading.values:
            name = _tidy("_".join(re.sub(r"\[\d+\]", "", where).split(".")[-2:]))
            while name in reading.values:
                name += "_2"
        if name != key:
            self.flat.renamed[re.sub(r"\[\d+\]", "[]", where)] = name
        return name


def _tidy(key: str) -> str:
    """``key`` as the name of a variable of one's own."""
    name = (
        re.sub(r"\W+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key), flags=re.ASCII).strip("_").lower() or "field"
    )
    if name[0].isdigit():
        name = f"field_{name}"
    if name in _RESERVED or is_quality(name) or name.endswith(_RESERVED_ENDINGS):
        name += "_value"
    return name


def _state(text: str) -> str:
    return re.sub(r"[\s-]+", "_", text.strip().lower())


def _first(data: dict[str, Any], keys: Sequence[str]) -> str:
    for key in keys:
        if data.get(key) is not None and not isinstance(data[key], (dict, list)):
            return str(data.pop(key))
    return ""


def count_leaves(value: object) -> int:
    """Number of values in a JSON value that are no object and no list."""
    if isinstance(value, dict):
        return sum(map(count_leaves, value.values()))
    if isinstance(value, list):
        return sum(map(count_leaves, value))
    return 1
