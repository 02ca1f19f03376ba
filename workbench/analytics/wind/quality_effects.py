"""What the steps for the quality of SCADA data read and give; see :class:`workbench.steps.Effect`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.analytics.wind.clock_correction import CORRECTED, SHIFT
from workbench.analytics.wind.curtailment import CURTAILMENT, EXPECTED, LEVEL
from workbench.analytics.wind.icing import ICING, ICING_LOSS
from workbench.analytics.wind.northing_jumps import OFFSET
from workbench.analytics.wind.sensor_drift import DRIFT, RAW
from workbench.analytics.wind.ten_minute import COUNT
from workbench.model.quality import is_quality, quality_name
from workbench.steps import Effect, effect
from workbench.transforms.quality import GAP

Known = Mapping[str, str | None]

_WHOLE = "looks at all the data at once, whatever their length"
_NEIGHBOURS = "without a reference it takes three turbines: fewer are not judged"


def _there(known: Known, *names: str) -> tuple[str, ...]:
    return tuple(name for name in names if name and name in known)


def _measured(known: Known) -> list[str]:
    """Fields that are flagged one by one."""
    apart: frozenset[str] = getattr(known, "apart", frozenset())
    return [name for name in known if not is_quality(name) and name not in {*apart, COUNT, GAP, SHIFT, CORRECTED}]


@effect("ten_minute_means")
def _ten_minute(known: Known, *, statistics: bool = False, least: float = 0.0) -> Effect:
    notes = ["data at ten minutes or slower pass unchanged; faster data get new times"]
    if least:
        notes.append(f"of a period at least {least:.0%} of the samples must count")
    return Effect(before=None, after=None, lazy=True, every=True, notes=tuple(notes))


@effect("clock_shift_detection")
def _clock(known: Known, *, variable: str = "wind_speed", reference: str = "", flag: bool = True, **_: Any) -> Effect:
    adds: dict[str, str | None] = {SHIFT: "min"}
    if flag:
        adds |= {quality_name(name): None for name in _measured(known)}
    return Effect(
        needs=(variable, reference) if reference else (variable,),
        adds=adds,
        before=None,
        after=None,
        lazy=False,
        every=flag,
        notes=(_WHOLE,) if reference else (_WHOLE, _NEIGHBOURS),
    )


@effect("clock_shift_correction")
def _clock_correction(known: Known, *, undo: bool = False) -> Effect:
    if undo:
        return Effect(
            needs=(CORRECTED,),
            removes=(CORRECTED,),
            before=None,
            after=None,
            lazy=False,
            every=True,
        )
    return Effect(
        needs=(SHIFT,),
        adds={CORRECTED: "min"},
        before=None,
        after=None,
        lazy=False,
        every=True,
        notes=("values move to other times; the grid may grow at its ends",),
    )


@effect("northing_jump_detection")
def _northing(
    known: Known,
    *,
    direction: str = "nacelle_position",
    reference: str = "",
    wind_speed: str = "wind_speed",
    flag: bool = True,
    **_: Any,
) -> Effect:
    adds: dict[str, str | None] = {direction + OFFSET: "degree"}
    return Effect(
        reads=_there(known, wind_speed),
        needs=(direction, reference) if reference else (direction,),
        adds=adds | ({quality_name(direction): None} if flag else {}),
        before=None,
        after=None,
        lazy=False,
        notes=(_WHOLE,) if reference else (_WHOLE, _NEIGHBOURS),
    )


@effect("northing_jump_correction")
def _northing_correction(known: Known, *, direction: str = "nacelle_position", undo: bool = False) -> Effect:
    return Effect(needs=(direction, direction + OFFSET), adds={direction: known.get(direction)}, lazy=True)


@effect("icing_detection")
def _icing(
    known: Known,
    *,
    wind_speed: str = "wind_speed",
    power: str = "power_output",
    temperature: str = "temperature",
    flag: bool = True,
    **_: Any,
) -> Effect:
    adds: dict[str, str | None] = {ICING: None, ICING_LOSS: "kW"}
    return Effect(
        reads=_there(known, "barometric_pressure", "humidity", "air_density"),
        needs=(wind_speed, power, temperature),
        adds=adds | ({quality_name(wind_speed): None} if flag else {}),
        before=None,
        after=None,
        lazy=False,
        notes=(_WHOLE,),
    )


@effect("curtailment_detection")
def _curtailment(
    known: Known,
    *,
    wind_speed: str = "wind_speed",
    power: str = "power_output",
    set_point: str = "power_setpoint",
    pitch: str = "blade_pitch_angle",
    expected: str = "",
    **_: Any,
) -> Effect:
    notes = [_WHOLE]
    if set_point not in known:
        notes.append(f"without {set_point} curtailment is inferred from plateaus of the power")
    return Effect(
        reads=_there(known, set_point, pitch),
        needs=(wind_speed, power, expected) if expected else (wind_speed, power),
        adds={CURTAILMENT: None, LEVEL: "kW", EXPECTED: "kW"},
        before=None,
        after=None,
        lazy=False,
        notes=tuple(notes),
    )


@effect("sensor_drift_detection")
def _drift(
    known: Known,
    *,
    variable: str = "wind_speed",
    reference: str = "",
    compare: str | None = None,
    direction: str = "wind_direction",
    flag: bool = True,
    **_: Any,
) -> Effect:
    ratio = compare == "ratio" or (compare is None and "temp" not in variable)
    adds: dict[str, str | None] = {variable + DRIFT: "%" if ratio else known.get(variable)}
    return Effect(
        reads=_there(known, direction),
        needs=(variable, reference) if reference else (variable,),
        adds=adds | ({quality_name(variable): None} if flag else {}),
        before=None,
        after=None,
        lazy=False,
        notes=(_WHOLE,) if reference else (_WHOLE, _NEIGHBOURS),
    )


@effect("sensor_drift_correction")
def _drift_correction(known: Known, *, variable: str = "wind_speed", undo: bool = False) -> Effect:
    if undo:
        return Effect(
            needs=(variable, variable + DRIFT, variable + RAW),
            removes=(variable + RAW,),
            before=None,
            after=None,
            lazy=False,
        )
    unit = known.get(variable)
    return Effect(
        needs=(variable, variable + DRIFT),
        adds={variable: unit, variable + RAW: unit},
        before=None,
        after=None,
        lazy=False,
    )
