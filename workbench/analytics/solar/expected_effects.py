"""What the steps for expected power and losses of solar plants read and give; see :class:`workbench.steps.Effect`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.analytics.solar.expected import FIELDS
from workbench.analytics.solar.plant_model import AIR, CELL, MODULE, SATELLITE
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
