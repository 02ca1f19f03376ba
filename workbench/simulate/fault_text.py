"""Faults as a user writes them: ``hot_bearing:NR-T03:25:ramp=10min`` on the command line, or a YAML list."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.model.errors import InputError, did_you_mean
from workbench.simulate.faults import KINDS, Fault

if TYPE_CHECKING:
    from workbench.simulate.plant import SimulatedSite

#: What may be said about a fault beyond kind, asset and magnitude.
KEYS = ("kind", "asset", "magnitude", "variable", "ramp", "after", "for")
_FORM = "kind:asset[:magnitude][:variable=…][:ramp=…][:after=…][:for=…]"


def parse_fault(text: str, now: int, *, where: str = "--fault") -> Fault:
    """A fault from its text.

    Parameters
    ----------
    text
        ``kind:asset``, then in any order a bare magnitude and ``key=value``: ``variable``, and the durations
        ``ramp``, ``after`` (it begins so long after ``now``) and ``for`` (it lasts so long; else for good).
    now
        When the simulation begins [ns since 1970 UTC].

    Raises
    ------
    InputError
        It is not of this form. Whether kind, asset and magnitude go together is told when it is injected.

    Examples
    --------
    >>> parse_fault("outage:SV-INV02:after=30s:for=5min", 0)
    Fault(kind='outage', asset='SV-INV02', start=30000000000, end=330000000000, magnitude=None, variable=None, ramp=0.0)
    """
    kind, *rest = [part.strip() for part in text.split(":")]
    if not rest or not rest[0]:
        raise InputError("not a fault", where=where, found=text, expected=_FORM, hint="for example outage:SV-INV02")
    keys: dict[str, Any] = {"kind": kind, "asset": rest[0]}
    for part in rest[1:]:
        name, sign, value = part.partition("=")
        if not sign:
            name, value = "magnitude", name
        if name in keys:
            raise InputError(f"{name} is told twice", where=where, found=text)
        keys[name] = value
    return _fault(keys, now, where)


def load_faults(path: Path, now: int) -> list[Fault]:
    """Faults from a YAML file: a list of texts as :func:`parse_fault` takes them, or of mappings of :data:`KEYS`.

    Raises
    ------
    InputError
        Naming file and item.
    """
    return [_item(item, now, number, path) for number, item in enumerate(_items(path))]


class FaultFile:
    """A file of faults that is looked at again while a simulation runs.

    A line added to it injects a fault then and there; a line taken out clears it. A file that is gone, or is
    wrong, changes nothing; what is wrong with it is told once, to ``tell``.
    """

    def __init__(self, path: Path, plants: Mapping[str, SimulatedSite], tell: Callable[[str], None]) -> None:
        self.path, self._plants, self._tell = path, plants, tell
        self._stamp: tuple[int, int] | None = None
        self._there: dict[str, tuple[SimulatedSite, Fault]] = {}

    def load(self, now: int) -> None:
        """Read the file for the first time; raises InputError where it is wrong."""
        self._stamp = self._stamped()
        self._change(_items(self.path), now)

    def look(self, now: int) -> None:
        """Follow what has changed in the file, at ``now`` [ns]."""
        stamp = self._stamped()
        if stamp is None or stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._change(_items(self.path), now)
        except InputError as error:
            self._tell(str(error))

    def _stamped(self) -> tuple[int, int] | None:
        try:
            about = self.path.stat()
        except OSError:
            return None
        return about.st_mtime_ns, about.st_size

    def _change(self, items: list[Any], now: int) -> None:
        wanted = {json.dumps(item, sort_keys=True, default=str): item for item in items}
        # All of them are looked at before the first is injected.
        new = {
            text: _item(item, now, number, self.path)
            for number, (text, item) in enumerate(wanted.items())
            if text not in self._there
        }
        for fault in new.values():
            plant_of(self._plants, fault.asset).faults.check(fault)
        for text in [text for text in self._there if text not in wanted]:
            plant, fault = self._there.pop(text)
            if fault.end is None or fault.end > now:
                plant.faults.clear(fault, max(now, fault.start + 1))
        for text, fault in new.items():
            (complete,) = inject(self._plants, [fault])
            self._there[text] = (plant_of(self._plants, fault.asset), complete)


def _item(item: object, now: int, number: int, path: Path) -> Fault:
    try:
        if isinstance(item, Mapping):
            return _fault(dict(item), now, f"[{number}]")
        return parse_fault(str(item), now, where=f"[{number}]")
    except InputError as error:
        error.file = str(path)
        raise


def _items(path: Path) -> list[Any]:
    import yaml

    try:
        items = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from None
    except yaml.YAMLError as error:
        raise InputError(f"not YAML: {error}", file=path) from None
    if items is None:
        return []
    if not isinstance(items, list):
        raise InputError("not a list of faults", file=path, expected=f"items such as - {_FORM}")
    return items


def _fault(keys: Mapping[str, Any], now: int, where: str) -> Fault:
    from workbench.model.time import parse_duration

    for key in keys:
        if key not in KEYS:
            raise InputError(
                f"unknown key {key!r}", where=where, expected=", ".join(KEYS), hint=did_you_mean(str(key), KEYS)
            )
    for key in ("kind", "asset"):
        if key not in keys:
            raise InputError(f"a fault needs the key {key!r}", where=where, expected=_FORM)
    kind = str(keys["kind"])
    if kind not in KINDS:
        raise InputError(
            "no such fault", where=where, found=kind, expected=", ".join(KINDS), hint=did_you_mean(kind, KINDS)
        )
    magnitude = keys.get("magnitude")
    try:
        size = None if magnitude is None else float(magnitude)
    except (TypeError, ValueError):
        raise InputError(
            "the magnitude is a number", where=where, found=magnitude, expected=f"[{KINDS[kind].units}]"
        ) from None
    ns = {key: parse_duration(str(keys[key])).ns if key in keys else 0 for key in ("ramp", "after", "for")}
    start = now + ns["after"]
    return Fault(
        kind,
        str(keys["asset"]),
        start,
        start + ns["for"] if "for" in keys else None,
        size,
        None if keys.get("variable") is None else str(keys["variable"]),
        ns["ramp"] / 1e9,
    )


def inject(plants: Mapping[str, SimulatedSite], faults: Iterable[Fault]) -> list[Fault]:
    """Inject each fault at the plant that has its asset; returns them complete.

    Raises
    ------
    InputError
        No plant has the asset, or the fault does not fit it.
    """
    return [plant_of(plants, fault.asset).inject(fault) for fault in faults]


def plant_of(plants: Mapping[str, SimulatedSite], asset: str) -> SimulatedSite:
    """The plant that has ``asset``; raises InputError where none has."""
    assets = {name: plant for plant in plants.values() for ids, _ in plant.keys.values() for name in ids}
    if asset not in assets:
        raise InputError(
            "no such asset is simulated",
            where="asset",
            found=asset,
            expected=", ".join(assets),
            hint=did_you_mean(asset, assets),
        )
    return assets[asset]


def kinds_text() -> str:
    """A line per kind of fault, for help texts."""
    return "\n".join(f"{kind.name}: {kind.text} Magnitude [{kind.units}]." for kind in KINDS.values())
