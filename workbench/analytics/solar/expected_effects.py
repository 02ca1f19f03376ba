"""What the steps for expected power and losses of solar plants read and give; see :class:`workbench.steps.Effect`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.analytics.solar.expected import FIELDS
from workbench.analytics.solar.losses import FOUND, SHARES, SNOW_DEPTH, STATES, categories_of
from workbench.analytics.solar.plant_model import AIR, CELL, MODULE, SATELLITE
from workbench.analytics.wind.effects import OWN_DIMENSION
from workbench.steps import Effect, effect

Known = Mapping[str, str | None]

_SUN = "the sun is looked at in the middle of each slot"


def _weather(known: Known, given: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...], list[str], bool]:
    """Fields that are used where they are there, those needed, what is assumed, and whether irradiance is horizontal."""
    plane = str(given.get("irradiance", "irradiance_poa"))
    horizontal = str(given.get("horizontal", "irradiance_ghi"))
    satellite = str(given.get("satellite", SATELLITE))
    more = [str(given.get(name, f"irradiance_{short}")) for name, short in (("beam", "dni"), ("diffuse", "dhi"))]
    light = [name for name in (plane, horizontal, satellite) if name in known]
    heat = [next(name for name in kind if name in known) for kind in (CELL, MODULE, AIR) if set(kind) & set(known)]
    notes = [_SUN]
    if light and plane not in known:
        notes.append(f"without {plane} it is modelled from {light[0]}, tilt and azimuth")
    if not {*CELL, *MODULE} & set(known) and "wind_speed" not in known:
        notes.append("without wind_speed it is 1 m/s at the modules")
    if not light:
        return (plane, horizontal, satellite), (), notes, False
    reads = [*light, *heat, *[name for name in (*more, "wind_speed") if name in known]]
    needs = [] if heat else [AIR[0]]
    if given.get("spectral", "none") != "none":
        needs.append("humidity")
    return tuple(reads), tuple(needs), notes, bool({horizontal, satellite} & set(known))


@effect("solar_expected_power")
def _expected(known: Known, *, output_field: str = "expected_power", **given: Any) -> Effect:
    reads, needs, notes, horizontal = _weather(known, given)
    adds = {
        output_field if name == "expected_power" else name: units or None
        for name, (units, _) in FIELDS.items()
        if horizontal or name != "irradiance_poa_modelled"
    }
    return Effect(reads=reads, needs=needs, adds=adds, lazy=False, notes=tuple(notes))


def _losses(known: Known, given: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...], list[str], list[str]]:
    """Fields used where they are there, those needed, the categories, and what is assumed."""
    reads, needs, notes, _ = _weather(known, given)
    power = str(given.get("power", "total_ac_power"))
    named = dict(given.get("losses") or {})
    price = given.get("price")
    names = ("dc_power", "total_dc_power"), ("limit", "power_setpoint"), ("counter", "energy_lifetime")
    more = [str(given.get(name, default)) for name, default in names]
    more += [*(field for field, _ in SHARES.values()), SNOW_DEPTH, *STATES, f"{power}_clipping"]
    more += [f"{name}_loss" for name in FOUND]
    categories = categories_of(list(known), named, spectral=given.get("spectral", "none") != "none")
    if power not in known:
        # then nothing is said of the rest: the one field that must be there is missing
        return (), (power,), categories, notes
    reads = tuple(dict.fromkeys((*reads, *(name for name in more if name in known))))
    needs = tuple(dict.fromkeys((power, *needs, *named.values(), *([price] if isinstance(price, str) else []))))
    return reads, needs, categories, notes


@effect("solar_losses")
def _slots(known: Known, *, price: float | str | None = None, currency: str = "EUR", **given: Any) -> Effect:
    reads, needs, categories, notes = _losses(known, {**given, "price": price})
    names = ("potential_energy", "actual_energy", "lost_energy", *(f"lost_energy_{name}" for name in categories))
    adds: dict[str, str | None] = dict.fromkeys(names, "kWh")
    if price is not None:
        adds["lost_value"] = currency
    # gaps are told by the counter before and after them
    return Effect(reads=reads, needs=needs, adds=adds, before=None, after=None, lazy=False, notes=tuple(notes))


@effect("solar_loss_waterfall")
def _waterfall(
    known: Known,
    *,
    price: float | str | None = None,
    currency: str = "EUR",
    group: str | None = None,
    by: str | None = None,
    output_field: str = "loss_waterfall",
    **given: Any,
) -> Effect:
    reads, needs, _, notes = _losses(known, {**given, "price": price})
    adds: dict[str, str | None] = {
        output_field: "kWh",
        f"{output_field}_level": "kWh",
        f"{output_field}_share": "1",
        f"{output_field}_bar": None,
    }
    if by is not None:
        adds[f"{output_field}_period"] = None
    if group is not None:
        adds |= {f"{output_field}_group": "kWh", f"{output_field}_{group}": None}
    if price is not None:
        adds[f"{output_field}_value"] = currency
    notes = ["one waterfall per asset, of all the data that it runs on", OWN_DIMENSION, *notes]
    return Effect(reads=reads, needs=needs, adds=adds, before=None, after=None, lazy=False, notes=tuple(notes))
