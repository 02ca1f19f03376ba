"""What the steps for wakes read and give, told from their parameters alone; see :class:`workbench.steps.Effect`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.steps import Effect, effect

Known = Mapping[str, str | None]

_WHOLE = "the result is that of all the data, whatever their length"


@effect("wake_losses")
def _losses(
    known: Known,
    *,
    wind_speed: str = "wind_speed",
    wind_direction: str = "wind_direction",
    power: str = "power_output",
    **_: Any,
) -> Effect:
    return Effect(
        needs=(wind_speed, wind_direction, power),
        adds={"wake_loss": "1", "wake_free_power": known.get(power)},
        before=None,
        after=None,
        lazy=False,
        notes=(_WHOLE, "turbines stand where latitude and longitude say, and north is where direction_offset puts it"),
    )


@effect("energy_ratio")
def _ratio(
    known: Known,
    *,
    wind_speed: str = "wind_speed",
    wind_direction: str = "wind_direction",
    power: str = "power_output",
    **_: Any,
) -> Effect:
    return Effect(
        needs=(wind_speed, wind_direction, power),
        adds=dict.fromkeys(("energy_ratio", "energy_ratio_low", "energy_ratio_high"), "1"),
        before=None,
        after=None,
        lazy=False,
        notes=(_WHOLE,),
    )
