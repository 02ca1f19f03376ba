"""What the steps for key figures, availability and capacity test of solar plants read and give; see :class:`workbench.steps.Effect`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.analytics.solar.kpi_figures import FIGURES
from workbench.analytics.solar.kpi_steps import AVAILABILITY, capacity_names
from workbench.analytics.solar.rating import AC_POWER
from workbench.steps import Effect, effect

Known = Mapping[str, str | None]

_MODULE = ("module_temperature", "panel_temperature", "cell_temperature")
_AIR = ("ambient_temperature", "temperature")


def _power(known: Known, power: str) -> str:
    return power or next((name for name in AC_POWER if name in known), AC_POWER[0])


@effect("solar_kpi")
def _kpi(
    known: Known,
    *,
    power: str = "",
    dc_power: str = "total_dc_power",
    irradiance: str = "irradiance_poa",
    expected: str = "expected_power",
    weather: Any = None,
    **_: Any,
) -> Effect:
    heat = next((name for name in (*_MODULE, *_AIR) if name in known), None)
    reads = [name for name in (dc_power, expected, heat) if name is not None and name in known]
    if heat in _AIR and "wind_speed" in known:
        reads.append("wind_speed")
    adds: dict[str, str | None] = {"kpi_period": None, "kpi_group": None}
    for prefix in ("kpi_", "kpi_plant_"):
        adds |= {prefix + name: units for name, (units, _) in FIGURES.items()}
        adds |= {f"{prefix}reason": None, f"{prefix}caution": None}
    return Effect(
        reads=tuple(reads),
        needs=(_power(known, power), *((irradiance,) if weather is None or irradiance in known else ())),
        adds=adds,
        before=None,
        after=None,
        lazy=False,
        notes=("figures of all the data that it runs on, by periods of the site's clock",),
    )


@effect("solar_availability")
def _availability(
    known: Known,
    *,
    meter: Any = None,
    power: str = "",
    expected: str = "expected_power",
    irradiance: str = "irradiance_poa",
    price: float | None = None,
    currency: str = "EUR",
    **_: Any,
) -> Effect:
    own = _power(known, power)
    wanted = expected if expected in known else irradiance
    reads = tuple(name for name in (wanted, "grid_connection", "energy_lifetime") if name in known)
    adds: dict[str, str | None] = {"availability_category": None, "outage_loss": "kWh", "outage_loss_possible": "kWh"}
    adds |= AVAILABILITY | {"availability_reason": None}
    if price is not None:
        adds["outage_lost_money"] = currency
    notes = ["one value of each asset, of all the data that it runs on"]
    if meter is None:
        notes.append("without a meter an inverter that sends nothing is unknown, one that sends zero stands")
    return Effect(
        reads=reads if meter is None or own not in known else (own, *reads),
        needs=(own,) if meter is None else (),
        adds=adds,
        before=None,
        after=None,
        lazy=False,
        notes=tuple(notes),
    )


@effect("solar_capacity_test")
def _capacity(
    known: Known,
    *,
    method: str = "astm_e2848",
    target: float | None = None,
    power: str = "",
    irradiance: str = "irradiance_poa",
    expected: str = "expected_power",
    clipping: bool = True,
    output_field: str = "capacity",
    **_: Any,
) -> Effect:
    own = _power(known, power)
    needs = [own, irradiance]
    if method == "astm_e2848":
        needs += [next((name for name in _AIR if name in known), _AIR[0]), "wind_speed"]
    elif method == "iec_61724_2":
        names = ("module_temperature", "cell_temperature", "panel_temperature")
        needs.append(next((name for name in names if name in known), names[0]))
    if target is None or method == "expected":
        needs.append(expected)
    flagged = f"{own}_clipping"
    words = ("verdict", "reason", "caution")
    units = {"": "kW", "_lower": "kW", "_upper": "kW", "_target": "kW"}
    adds: dict[str, str | None] = {
        name: None if source in words else units.get(name.removeprefix(output_field), "1")
        for name, source in capacity_names(output_field).items()
    }
    return Effect(
        reads=(flagged,) if clipping and flagged in known else (),
        needs=tuple(needs),
        adds=adds,
        before=None,
        after=None,
        lazy=False,
        notes=("one value of each asset, of all the data that it runs on",),
    )
