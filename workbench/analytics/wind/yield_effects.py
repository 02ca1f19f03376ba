"""What the steps for the long-term yield read and give; see :class:`workbench.steps.Effect`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.analytics.wind.yield_steps import ELECTRICAL, TURBINES, YIELD
from workbench.steps import Effect, effect

Known = Mapping[str, str | None]

_WHOLE = "one value of each asset, of all the data that it runs on"


def _units(fields: Mapping[str, tuple[str, str]]) -> dict[str, str | None]:
    return {name: units for name, (units, _) in fields.items()}


@effect("plant_yield")
def _plant(
    known: Known,
    *,
    net_energy: str = "net_energy",
    availability_loss: str = "availability_loss",
    curtailment_loss: str = "curtailment_loss",
    **_: Any,
) -> Effect:
    losses = (availability_loss, curtailment_loss)
    notes = [f"without {name} nothing counts as lost" for name in losses if name not in known]
    return Effect(
        reads=tuple(name for name in losses if name in known),
        needs=(net_energy,),
        adds=_units(YIELD),
        before=None,
        after=None,
        lazy=False,
        notes=(_WHOLE, *notes),
    )


@effect("turbine_energy")
def _turbines(known: Known, *, wind_speed: str = "wind_speed", power: str = "power_output", **_: Any) -> Effect:
    return Effect(
        needs=(wind_speed, power), adds=_units(TURBINES), before=None, after=None, lazy=False, notes=(_WHOLE,)
    )


@effect("electrical_losses")
def _electrical(known: Known, *, power: str = "power_output", **_: Any) -> Effect:
    return Effect(needs=(power,), adds=_units(ELECTRICAL), before=None, after=None, lazy=False, notes=(_WHOLE,))
