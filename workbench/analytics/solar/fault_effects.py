"""What the steps for faults of solar plants read and give; see :class:`workbench.steps.Effect`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.analytics.solar.string_faults import FIELDS
from workbench.analytics.solar.tracker_faults import POWERS
from workbench.steps import Effect, effect

Known = Mapping[str, str | None]

_WHOLE = "what is usual is learned from all the data that it runs on"


def _adds(name: str) -> dict[str, str | None]:
    return {f"{name}_fault": None, f"{name}_fault_loss": "kWh", f"{name}_index": "1"}


@effect("string_faults")
def _strings(known: Known, *, kind: str = "", **_: Any) -> Effect:
    kinds = [kind] if kind else [k for k, names in FIELDS.items() if names[0] in known or names[2] in known]
    names = FIELDS[kinds[0] if kinds else "string"]
    there = tuple(name for name in names if name in known)
    return Effect(
        reads=there or (names[0], names[2]), adds=_adds("string"), before=None, after=None, lazy=False, notes=(_WHOLE,)
    )


@effect("tracker_faults")
def _trackers(known: Known, *, power: str = "", **_: Any) -> Effect:
    made = [power] if power else [name for name in POWERS if name in known][:1]
    there = [n for n in ("tracker_position", "tracker_target", "tracker_status", "wind_speed") if n in known]
    sky = [n for n in ("irradiance_ghi", "irradiance_dni", "irradiance_dhi", "irradiance_poa") if n in known]
    if "tracker_target" not in known and "tracker_error" in known:
        there.append("tracker_error")
    notes = [_WHOLE]
    if "tracker_position" not in known:
        notes.append("without tracker_position the course of power tells of a tracker, on days with sun alone")
    reads = (*there, *made, *sky) if there or made else ("tracker_position", *POWERS)
    return Effect(
        reads=tuple(dict.fromkeys(reads)), adds=_adds("tracker") | {"tracker_index": "degree"}, before=None, after=None,
        lazy=False, notes=tuple(notes),
    )  # fmt: skip


@effect("inverter_faults")
def _inverters(known: Known, *, power: str = "total_ac_power", **_: Any) -> Effect:
    more = (
        "total_dc_power", "conversion_efficiency", "expected_power", "power_setpoint", "active_power_curtailment",
        "heatsink_temperature", "internal_temperature",
    )  # fmt: skip
    notes = [_WHOLE]
    if "total_dc_power" not in known and "conversion_efficiency" not in known:
        notes.append("without total_dc_power the efficiency is not judged")
    if "power_setpoint" not in known and "active_power_curtailment" not in known:
        notes.append("without power_setpoint what the grid holds back looks like a limit, unless all have it")
    return Effect(
        reads=tuple(n for n in more if n in known), needs=(power,), adds=_adds("inverter"), before=None, after=None,
        lazy=False, notes=tuple(notes),
    )  # fmt: skip
