"""What the steps for availability and losses read and give; see :class:`workbench.steps.Effect`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.analytics.wind.categories import CATEGORIES, UNKNOWN
from workbench.analytics.wind.category_steps import SUFFIX
from workbench.steps import Effect, effect

Known = Mapping[str, str | None]


@effect("availability_categories")
def _categories(
    known: Known,
    *,
    counters: Mapping[str, str] | None = None,
    status: str | None = None,
    codes: Mapping[Any, str] | None = None,
    by_production: bool = False,
    output_field: str = "information_category",
    wind_speed: str = "wind_speed",
    power: str = "power_output",
    **_: Any,
) -> Effect:
    needs = [*(counters or {}), *([status] if status else []), *((wind_speed, power) if by_production else ())]
    found = dict.fromkeys((counters or {}).values())
    if status:
        found |= dict.fromkeys(CATEGORIES if codes is None else codes.values())
    if by_production:
        found |= dict.fromkeys(("available", "unavailable"))
    found[UNKNOWN] = None
    notes = ["slots that are not in the data are in no category"]
    if by_production:
        notes.append("a turbine that stands in sufficient wind is unavailable, whatever the cause")
    return Effect(
        needs=tuple(dict.fromkeys(needs)),
        adds={name + SUFFIX: "s" for name in found} | {output_field: None},
        notes=tuple(notes),
    )


@effect("energy_losses")
def _losses(
    known: Known,
    *,
    seconds: Mapping[str, str] | None = None,
    price: float | str | None = None,
    currency: str = "EUR",
    expected: str = "expected_power",
    power: str = "power_output",
    **_: Any,
) -> Effect:
    fields = dict(seconds or {name: name + SUFFIX for name in CATEGORIES if name + SUFFIX in known})
    adds: dict[str, str | None] = {"potential_energy": "kWh", "lost_energy": "kWh"}
    adds |= {f"lost_energy_{name}": "kWh" for name in fields}
    if price is not None:
        adds["lost_value"] = currency
    named = tuple(fields.values()) if seconds else ()
    return Effect(
        reads=() if seconds else tuple(fields.values()),
        needs=(expected, power, *named, *([price] if isinstance(price, str) else [])),
        adds=adds,
        notes=("a slot of which power or expectation is missing has no losses: they are unknown",),
    )
