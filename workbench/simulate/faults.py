"""Faults on demand, and the truth about them.

A fault changes the physics of its asset (or of one sensor) between ``start`` and ``end``. What was done is
written down by the site's :class:`FaultBook`, so that a detector's answer can be compared with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from workbench.model.errors import InputError, did_you_mean
from workbench.simulate.dynamics import Clock
from workbench.simulate.noise import Floats

FOREVER = 2**62  #: end of a fault that lasts [ns]
CLEANING_TAKES = 4 * 3600 * 10**9  #: unless told [ns]


@dataclass(frozen=True)
class FaultKind:
    """What a kind of fault does."""

    name: str
    asset_types: tuple[str, ...]
    magnitude: float  #: unless told
    units: str  #: of the magnitude
    variable: str | None  #: unless told; None where the fault is not of one variable
    text: str
    least: float = 0.0  #: range of the magnitude
    most: float = 1.0


_POWERED = ("wind_turbine", "inverter", "battery")
KINDS: dict[str, FaultKind] = {
    kind.name: kind
    for kind in (
        FaultKind(
            "hot_bearing",
            ("wind_turbine",),
            25.0,
            "K",
            "gearbox_bearing_temp_de",
            "A worn bearing: so much warmer at full load, its neighbour and the oil a little; vibration rises.",
            0.0,
            80.0,
        ),
        FaultKind(
            "stuck_sensor",
            ("*",),
            float("nan"),
            "unit of the variable",
            "wind_speed",
            "A sensor repeats one value: the magnitude, or the last before the fault.",
            -1e9,
            1e9,
        ),
        FaultKind(
            "soiled_string",
            ("inverter",),
            0.08,
            "1",
            None,
            "So much of the irradiance on the inverter's strings is lost under dirt; rain does not clean it.",
        ),
        FaultKind(
            "cleaning",
            ("inverter", "grid_meter"),
            1.0,
            "1",
            None,
            "Not a fault: people take so much of the dirt off, evenly from start to end (4 h unless told); on the grid meter, "
            "of the whole site.",
        ),
        FaultKind(
            "open_string",
            ("string",),
            0.1,
            "1",
            None,
            "So much of the current of what the sensor measures is gone: a fuse, a plug; 1 is all of it.",
        ),
        FaultKind(
            "weak_string", ("string",), 0.12, "1", None, "The string gives so much less current: old or broken modules."
        ),
        FaultKind(
            "shaded_string",
            ("string",),
            0.7,
            "1",
            None,
            "Something to the east takes so much of the beam while the sun is lower than 25 degrees in the morning.",
        ),
        FaultKind(
            "stuck_mppt",
            ("mppt",),
            650.0,
            "V",
            None,
            "The input no longer looks for the best point and stays at this voltage.",
            100.0,
            1500.0,
        ),
        FaultKind(
            "stuck_tracker",
            ("tracker",),
            float("nan"),
            "degree",
            None,
            "The tracker stands at this angle (positive to the west), or where it is; the sensor says so.",
            -90.0,
            90.0,
        ),
        FaultKind(
            "tracker_offset",
            ("tracker",),
            10.0,
            "degree",
            None,
            "The tracker stands so much further to the west than its sensor says.",
            -45.0,
            45.0,
        ),
        FaultKind(
            "soc_drift",
            ("battery",),
            0.5,
            "%/d",
            None,
            "The state of charge that the management reports runs away from the true one by so much a day.",
            -20.0,
            20.0,
        ),
        FaultKind(
            "weak_cell", ("battery_cell",), 0.08, "1", None, "The cell has lost so much of its capacity.", 0.0, 0.5
        ),
        FaultKind(
            "cell_resistance",
            ("battery_cell",),
            0.5,
            "1",
            None,
            "The cell's resistance is higher by so much: its own, or a bad joint's.",
            0.0,
            20.0,
        ),
        FaultKind("outage", _POWERED, 1.0, "1", None, "The asset stands still; it still answers."),
        FaultKind(
            "curtailment",
            (*_POWERED, "grid_meter"),
            0.5,
            "1",
            None,
            "No more than this share of the rating may be delivered; on the grid meter, of the whole site.",
        ),
        FaultKind("pitch_offset", ("wind_turbine",), 3.0, "degree", None, "One blade's zero is off.", -15.0, 15.0),
        FaultKind(
            "yaw_misalignment",
            ("wind_turbine",),
            10.0,
            "degree",
            None,
            "The vane's zero is off: the rotor stands askew while the vane says it does not.",
            -45.0,
            45.0,
        ),
    )
}


@dataclass(frozen=True)
class Fault:
    """One fault: ``kind`` at ``asset`` from ``start`` until before ``end`` [ns since 1970 UTC].

    ``end`` None: until it is cleared. ``magnitude`` and ``variable`` None: the kind's own, see :data:`KINDS`.
    ``ramp`` [s]: it grows from nothing to its magnitude in this time; a hot bearing or dirt does so.
    """

    kind: str
    asset: str
    start: int
    end: int | None = None
    magnitude: float | None = None
    variable: str | None = None
    ramp: float = 0.0

    def record(self) -> dict[str, Any]:
        """What the truth says of it: plain values, times in ns and as text."""
        return {
            "kind": self.kind,
            "asset": self.asset,
            "start": self.start,
            "end": self.end,
            "start_utc": _text(self.start),
            "end_utc": None if self.end is None else _text(self.end),
            "magnitude": None if self.magnitude is None or np.isnan(self.magnitude) else self.magnitude,
            "units": KINDS[self.kind].units,
            "variable": self.variable,
            "ramp_s": self.ramp,
        }


def _text(ns: int) -> str:
    return str(np.datetime64(ns, "ns").astype("datetime64[s]")) + "Z"


class FaultBook:
    """The faults of one site, planned and under way.

    Parameters
    ----------
    assets
        Asset to its type.
    variables
        Asset type to the variables a sensor can be stuck at.
    """

    def __init__(self, assets: dict[str, str], variables: Mapping[str, Sequence[str]]) -> None:
        self._types = assets
        self._variables = variables
        self._faults: list[Fault] = []
        self.version = 0  #: rises with every change
        self._listeners: list[Callable[[dict[str, Any]], None]] = []

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._faults)

    def __len__(self) -> int:
        return len(self._faults)

    def listen(self, listener: Callable[[dict[str, Any]], None]) -> None:
        """Call ``listener`` with the record of every fault injected or cleared from now on."""
        self._listeners.append(listener)

    def inject(self, fault: Fault) -> Fault:
        """Add ``fault``; returns it with its magnitude and variable filled in.

        Raises
        ------
        InputError
            Kind or asset is unknown, or they do not go together.
        """
        complete = self.check(fault)
        self._faults.append(complete)
        self.version += 1
        self._tell({"action": "inject", **complete.record()})
        return complete

    def clear(self, fault: Fault, now: int) -> Fault:
        """End ``fault``, as :meth:`inject` returned it, at ``now`` [ns]; returns it as it is then."""
        ended = replace(fault, end=now)
        self._faults[self._faults.index(fault)] = ended
        self.version += 1
        self._tell({"action": "clear", **ended.record()})
        return ended

    def truth(self) -> list[dict[str, Any]]:
        """A record per fault, in the order of their starts."""
        return [fault.record() for fault in sorted(self._faults, key=lambda f: (f.start, f.asset, f.kind))]

    def write_truth(self, path: Path) -> None:
        """Write :meth:`truth` as JSON lines."""
        path.write_text("".join(json.dumps(record) + "\n" for record in self.truth()), encoding="utf-8")

    def _tell(self, record: dict[str, Any]) -> None:
        for listener in self._listeners:
            listener(record)

    def check(self, fault: Fault) -> Fault:
        """``fault`` with its magnitude and variable filled in; raises InputError as :meth:`inject` does."""
        kind = KINDS.get(fault.kind)
        if kind is None:
            raise InputError(
                "no such fault", where="kind", found=fault.kind, expected=", ".join(KINDS),
                hint=did_you_mean(fault.kind, KINDS),
            )  # fmt: skip
        asset_type = self._types.get(fault.asset)
        if asset_type is None:
            raise InputError(
                "no such asset at this site", where="asset", found=fault.asset, expected=", ".join(self._types),
                hint=did_you_mean(fault.asset, self._types),
            )  # fmt: skip
        if "*" not in kind.asset_types and asset_type not in kind.asset_types:
            raise InputError(
                f"{fault.kind} cannot happen to a {asset_type}", where="asset", found=fault.asset,
                expected="a " + " or ".join(kind.asset_types),
            )  # fmt: skip
        variable = fault.variable or kind.variable
        known = self._variables.get(asset_type, ())
        if kind.name == "stuck_sensor" and fault.variable is None and variable not in known:
            variable = known[0]
        if variable is not None and variable not in known:
            raise InputError(
                f"a {asset_type} has no such variable", where="variable", found=variable,
                hint=did_you_mean(variable, known),
            )  # fmt: skip
        if kind.name == "hot_bearing" and variable not in BEARINGS:
            raise InputError("not a bearing", where="variable", found=variable, expected=", ".join(BEARINGS))
        magnitude = kind.magnitude if fault.magnitude is None else float(fault.magnitude)
        if not (np.isnan(magnitude) or kind.least <= magnitude <= kind.most):
            raise InputError(
                "magnitude out of range", where="magnitude", found=magnitude,
                expected=f"{kind.least:g} to {kind.most:g} {kind.units}",
            )  # fmt: skip
        if fault.end is not None and fault.end <= fault.start:
            raise InputError("a fault ends after it starts", where="end", found=fault.end, expected=f"> {fault.start}")
        end = fault.start + CLEANING_TAKES if kind.name == "cleaning" and fault.end is None else fault.end
        return replace(fault, magnitude=magnitude, variable=variable, end=end)


BEARINGS = (
    "gearbox_bearing_temp_de",
    "gearbox_bearing_temp_nde",
    "generator_bearing_temp_de",
    "generator_bearing_temp_nde",
    "main_bearing_temp",
)


def strength(
    faults: Iterable[Fault], kind: str, assets: Sequence[str], clock: Clock, *, variable: str | None = None
) -> Floats | None:
    """How strong faults of ``kind`` are: [T, A] sum of magnitudes, or None where there is none now.

    Ramps are counted in. ``variable`` limits it to faults of that variable.
    """
    first, last = int(clock.ns[0]), int(clock.ns[-1])
    found: Floats | None = None
    for fault in faults:
        if fault.kind != kind or fault.asset not in assets or fault.start > last:
            continue
        if (fault.end is not None and fault.end <= first) or (variable is not None and fault.variable != variable):
            continue
        if found is None:
            found = np.zeros((len(clock.ns), len(assets)))
        end = FOREVER if fault.end is None else fault.end
        on = (clock.ns >= fault.start) & (clock.ns < end)
        grown = np.ones(len(clock.ns))
        if fault.ramp > 0:
            grown = np.clip((clock.ns - fault.start) / (fault.ramp * 1e9), 0.0, 1.0)
        found[:, assets.index(fault.asset)] += on * grown * float(fault.magnitude or 0.0)
    return found


def limit(faults: Iterable[Fault], assets: Sequence[str], meter: str | None, clock: Clock) -> Floats | None:
    """The share of the rating that curtailment leaves: [T, A] in 0 to 1, or None where nothing is curtailed."""
    found: Floats | None = None
    for fault in faults:
        if fault.kind != "curtailment" or (fault.asset not in assets and fault.asset != meter):
            continue
        share = strength([fault], "curtailment", [fault.asset], clock)
        if share is None:
            continue
        if found is None:
            found = np.ones((len(clock.ns), len(assets)))
        end = FOREVER if fault.end is None else fault.end
        on = (clock.ns >= fault.start) & (clock.ns < end)
        left = np.where(on, share[:, 0], 1.0)[:, None]
        columns = slice(None) if fault.asset == meter else [assets.index(fault.asset)]
        found[:, columns] = np.minimum(found[:, columns], left)
    return found
