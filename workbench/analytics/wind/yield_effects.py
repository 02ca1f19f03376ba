"""What the steps for the long-term yield read and give; see :class:`workbench.steps.Effect`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.analytics.wind.effects import OWN_DIMENSION
from workbench.analytics.wind.gap_steps import known_losses
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
    meter: Any = None,
    net_energy: str = "net_energy",
    availability_loss: str = "availability_loss",
    curtailment_loss: str = "curtailment_loss",
    **_: Any,
) -> Effect:
    if meter is not None:
        return Effect(adds=_units(YIELD), before=None, after=None, lazy=False, notes=(_WHOLE, "that of the meter"))
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


@effect("yield_gap")
def _gap(
    known: Known,
    *,
    operation_energy: float | str = "long_term_energy",
    ideal_energy: float | str = "long_term_gross_energy",
    operation_losses: Mapping[str, float | str] | None = None,
    output_field: str = "yield_gap",
    **_: Any,
) -> Effect:
    given = (operation_energy, ideal_energy, *(operation_losses or {}).values())
    losses = tuple(known_losses(known).values()) if operation_losses is None else ()
    ranges = [f"{name}_{end}" for name in (*given, *losses) if isinstance(name, str) for end in ("std", "p05", "p95")]
    return Effect(
        reads=(*losses, *(name for name in ranges if name in known)),
        needs=tuple(dict.fromkeys(name for name in given if isinstance(name, str))),
        adds=dict.fromkeys(
            (output_field, *(f"{output_field}_{end}" for end in ("lower", "upper", "start", "end"))), "kWh"
        )
        | {f"{output_field}_bar": None},
        before=None,
        after=None,
        lazy=False,
        notes=("one waterfall of the whole farm", OWN_DIMENSION),
    )
