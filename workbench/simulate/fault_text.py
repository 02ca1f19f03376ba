"""Faults as a user writes them: ``hot_bearing:NR-T03:25:ramp=10min`` on the command line, or a YAML list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    import yaml

    try:
        items = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from None
    except yaml.YAMLError as error:
        raise InputError(f"not YAML: {error}", file=path) from None
    if not isinstance(items, list):
        raise InputError("not a list of faults", file=path, expected=f"items such as - {_FORM}")
    faults = []
    for number, item in enumerate(items):
        try:
            if isinstance(item, Mapping):
                faults.append(_fault(dict(item), now, f"[{number}]"))
            else:
                faults.append(parse_fault(str(item), now, where=f"[{number}]"))
        except InputError as error:
            error.file = str(path)
            raise
    return faults


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
    complete = []
    assets = {asset: plant for plant in plants.values() for ids, _ in plant.keys.values() for asset in ids}
    for fault in faults:
        if fault.asset not in assets:
            raise InputError(
                "no such asset is simulated",
                where="asset",
                found=fault.asset,
                expected=", ".join(assets),
                hint=did_you_mean(fault.asset, assets),
            )
        complete.append(assets[fault.asset].inject(fault))
    return complete


def kinds_text() -> str:
    """A line per kind of fault, for help texts."""
    return "\n".join(f"{kind.name}: {kind.text} Magnitude [{kind.units}]." for kind in KINDS.values())
