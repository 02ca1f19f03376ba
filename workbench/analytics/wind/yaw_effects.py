"""What the steps for yaw, upgrades and degradation read and give; see :class:`workbench.steps.Effect`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from workbench.analytics.wind.effects import OWN_DIMENSION
from workbench.steps import Effect, effect

Known = Mapping[str, str | None]

_WHOLE = ("one figure per asset, of all the data, whatever their length",)
_DENSITY = ("air_density", "temperature", "barometric_pressure", "humidity")


def _there(known: Known, *names: str) -> tuple[str, ...]:
    return tuple(name for name in names if name in known)


def _bounds(name: str, units: str) -> dict[str, str | None]:
    return {name: units, f"{name}_lower": units, f"{name}_upper": units}


@effect("static_yaw_misalignment")
def _static(
    known: Known,
    *,
    wind_speed: str = "wind_speed",
    power: str = "power_output",
    vane: str = "yaw_error",
    pitch: str = "blade_pitch_angle",
    nacelle: str = "nacelle_position",
    output_field: str = "yaw_misalignment",
    **_: Any,
) -> Effect:
    notes = list(_WHOLE)
    if nacelle not in known:
        notes.append(f"without {nacelle} nothing is known of the vane's noise; it is taken as up to 15 %")
    return Effect(
        reads=_there(known, pitch, nacelle, f"{wind_speed}_std"),
        needs=(wind_speed, power, vane),
        adds=_bounds(output_field, "degree"),
        before=None,
        after=None,
        lazy=False,
        notes=tuple(notes),
    )


@effect("dynamic_yaw_error")
def _dynamic(
    known: Known,
    *,
    optimum: float | str = 0.0,
    power: str = "power_output",
    vane: str = "yaw_error",
    output_field: str = "yaw_loss",
    **_: Any,
) -> Effect:
    needs = (power, vane, optimum) if isinstance(optimum, str) else (power, vane)
    return Effect(reads=_there(known, f"{vane}_std"), needs=needs, adds={output_field: known.get(power) or "kW"})


@effect("upgrade_uplift")
def _uplift(
    known: Known,
    *,
    state: str = "",
    references: Sequence[str] | None = None,
    wind_speed: str = "wind_speed",
    power: str = "power_output",
    direction: str = "wind_direction",
    output_field: str = "uplift",
    **_: Any,
) -> Effect:
    return Effect(
        reads=_there(known, direction, wind_speed, *_DENSITY),
        needs=(power, state) if state else (power,),
        adds=_bounds(output_field, "%"),
        before=None,
        after=None,
        lazy=False,
        notes=_WHOLE,
    )


@effect("degradation_rate")
def _degradation(
    known: Known,
    *,
    reference: str = "own",
    wind_speed: str = "wind_speed",
    power: str = "power_output",
    output_field: str = "degradation_rate",
    **_: Any,
) -> Effect:
    own = reference == "own"
    return Effect(
        reads=_there(known, *_DENSITY) if own else (),
        needs=(power, wind_speed) if own else (power,),
        adds=_bounds(output_field, "%/year"),
        before=None,
        after=None,
        lazy=False,
        notes=(*_WHOLE, "with less than two years a season and a rate are not told apart"),
    )


@effect("yaw_settings_sweep")
def _sweep(
    known: Known,
    *,
    wind_speed: str = "wind_speed",
    power: str = "power_output",
    vane: str = "yaw_error",
    pitch: str = "blade_pitch_angle",
    nacelle: str = "nacelle_position",
    output_field: str = "yaw_misalignment_sweep",
    **_: Any,
) -> Effect:
    return Effect(
        reads=_there(known, pitch, nacelle, f"{wind_speed}_std"),
        needs=(wind_speed, power, vane),
        adds={output_field: "degree", f"{output_field}_moved": "degree", f"{output_field}_setting": None},
        before=None,
        after=None,
        lazy=False,
        notes=(*_WHOLE, OWN_DIMENSION),
    )
