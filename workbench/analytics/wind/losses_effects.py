"""What the steps for availability and losses read and give; see :class:`workbench.steps.Effect`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.analytics.wind.categories import CATEGORIES, UNKNOWN
from workbench.analytics.wind.category_steps import SUFFIX
from workbench.analytics.wind.effects import OWN_DIMENSION
from workbench.analytics.wind.loss_steps import RELIABILITY
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


def _seconds(
    known: Known, seconds: Mapping[str, str] | None, own: Mapping[str, str] | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Fields of categories that are read where they are there, and those that are needed."""
    if seconds:
        return (), tuple(seconds.values())
    return tuple(name + SUFFIX for name in dict.fromkeys([*CATEGORIES, *(own or {})]) if name + SUFFIX in known), ()


@effect("reliability")
def _reliability(
    known: Known, *, seconds: Mapping[str, str] | None = None, own: Mapping[str, str] | None = None, **_: Any
) -> Effect:
    reads, needs = _seconds(known, seconds, own)
    return Effect(
        reads=reads,
        needs=needs,
        adds={name: units for name, (units, _) in RELIABILITY.items()},
        before=None,
        after=None,
        lazy=False,
        notes=("one figure per asset, of all the data; slots that are missing in between are unknown time",),
    )


@effect("loss_waterfall")
def _waterfall(
    known: Known,
    *,
    price: float | str | None = None,
    currency: str = "EUR",
    limit: str | None = None,
    seconds: Mapping[str, str] | None = None,
    own: Mapping[str, str] | None = None,
    expected: str = "expected_power",
    power: str = "power_output",
    output_field: str = "loss_waterfall",
    **_: Any,
) -> Effect:
    reads, named = _seconds(known, seconds, own)
    adds: dict[str, str | None] = {output_field: "kWh", f"{output_field}_level": "kWh", f"{output_field}_share": "1"}
    adds[f"{output_field}_bar"] = None
    if price is not None:
        adds[f"{output_field}_value"] = currency
    more = [name for name in (price, limit) if isinstance(name, str)]
    return Effect(
        reads=reads,
        needs=(expected, power, *named, *more),
        adds=adds,
        before=None,
        after=None,
        lazy=False,
        notes=("one waterfall per asset, of all the data that it runs on", OWN_DIMENSION),
    )
