"""What the steps for wakes read and give, told from their parameters alone; see :class:`workbench.steps.Effect`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.analytics.wind.effects import OWN_DIMENSION
from workbench.analytics.wind.wake_steps import OFFSETS, STATISTICS
from workbench.steps import Effect, effect

Known = Mapping[str, str | None]

_WHOLE = "the result is that of all the data, whatever their length"


_PLACES = "turbines stand where latitude and longitude say, and north is where direction_offset puts it"


def _given(offset: float | str) -> tuple[str, ...]:
    return (offset,) if isinstance(offset, str) else ()


@effect("direction_offset")
def _offset(
    known: Known,
    *,
    wind_direction: str = "wind_direction",
    power: str = "power_output",
    output_field: str = "wind_direction_offset",
    **_: Any,
) -> Effect:
    return Effect(
        needs=(wind_direction, power),
        adds={output_field + ending: "degree" for ending in OFFSETS},
        before=None,
        after=None,
        lazy=False,
        notes=(_WHOLE,),
    )


@effect("wake_losses")
def _losses(
    known: Known,
    *,
    reanalysis: Any = None,
    simulations: int = 0,
    direction_offset: float | str = 0.0,
    wind_speed: str = "wind_speed",
    wind_direction: str = "wind_direction",
    power: str = "power_output",
    **_: Any,
) -> Effect:
    losses = ["wake_loss", *(["wake_loss_long_term"] if reanalysis is not None else [])]
    drawn = [f"{name}_{ending}" for name in losses for ending in STATISTICS] if simulations else []
    return Effect(
        needs=(wind_speed, wind_direction, power, *_given(direction_offset)),
        adds=dict.fromkeys([*losses, *drawn], "1") | {"wake_free_power": known.get(power)},
        before=None,
        after=None,
        lazy=False,
        notes=(_WHOLE, _PLACES),
    )


@effect("modelled_wakes")
def _modelled(
    known: Known,
    *,
    direction_offset: float | str = 0.0,
    wind_speed: str = "wind_speed",
    wind_direction: str = "wind_direction",
    power: str = "power_output",
    output_field: str = "modelled_wake_loss",
    **_: Any,
) -> Effect:
    adds: dict[str, str | None] = dict.fromkeys(
        (output_field, f"{output_field}_difference", f"{output_field}_by_direction"), "1"
    )
    return Effect(
        needs=(wind_speed, wind_direction, power, *_given(direction_offset)),
        adds=adds | {f"{output_field}_direction": "degree"},
        before=None,
        after=None,
        lazy=False,
        notes=(_WHOLE, _PLACES, OWN_DIMENSION),
    )


@effect("energy_ratio")
def _ratio(
    known: Known,
    *,
    direction_offset: float | str = 0.0,
    wind_speed: str = "wind_speed",
    wind_direction: str = "wind_direction",
    power: str = "power_output",
    **_: Any,
) -> Effect:
    return Effect(
        needs=(wind_speed, wind_direction, power, *_given(direction_offset)),
        adds=dict.fromkeys(("energy_ratio", "energy_ratio_low", "energy_ratio_high"), "1"),
        before=None,
        after=None,
        lazy=False,
        notes=(_WHOLE,),
    )


@effect("energy_ratio_uplift")
def _uplift(
    known: Known,
    *,
    state: str = "",
    direction_offset: float | str = 0.0,
    wind_speed: str = "wind_speed",
    wind_direction: str = "wind_direction",
    power: str = "power_output",
    output_field: str = "energy_ratio_uplift",
    **_: Any,
) -> Effect:
    return Effect(
        needs=(wind_speed, wind_direction, power, *([state] if state else []), *_given(direction_offset)),
        adds=dict.fromkeys((output_field, f"{output_field}_low", f"{output_field}_high"), "1"),
        before=None,
        after=None,
        lazy=False,
        notes=(_WHOLE,),
    )
