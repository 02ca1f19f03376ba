"""What the steps for degradation and soiling of solar plants read and give; see :class:`workbench.steps.Effect`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.analytics.solar.soiling_steps import RATES
from workbench.steps import Effect, effect

Known = Mapping[str, str | None]

_WHOLE = "one value of each asset, of all the data that it runs on"
_TEMPERATURES = ("cell_temperature", "module_temperature", "panel_temperature")
_AIR = ("ambient_temperature", "temperature")


def _sources(
    known: Known, index: str, power: str, irradiance: str
) -> tuple[tuple[str, ...], tuple[str, ...], list[str]]:
    """Fields that must be there, those used where they are, and what is assumed."""
    if index in known or not (power in known and irradiance in known):
        return (index,), (), []
    notes = [f"without {index} it is made of {power}, {irradiance} and temperature by the model of PVWatts"]
    for name in (*_TEMPERATURES, *_AIR):
        if name in known:
            wind = name in _AIR and "wind_speed" in known
            if name in _AIR and not wind:
                notes.append("without wind_speed it is 1 m/s at the modules")
            return (power, irradiance, name), ("wind_speed",) if wind else (), notes
    return (power, irradiance, "cell_temperature"), (), notes


@effect("year_on_year_degradation")
def _year_on_year(
    known: Known,
    *,
    index: str = "performance_index",
    power: str = "power_output",
    irradiance: str = "irradiance_poa",
    output_field: str = "year_on_year_rate",
    **_: Any,
) -> Effect:
    needs, reads, notes = _sources(known, index, power, irradiance)
    return Effect(
        reads=reads,
        needs=needs,
        adds=dict.fromkeys((output_field, f"{output_field}_lower", f"{output_field}_upper"), "%/year"),
        before=None,
        after=None,
        lazy=False,
        notes=(_WHOLE, *notes),
    )


@effect("degradation_and_soiling")
def _degradation(
    known: Known,
    *,
    index: str = "performance_index",
    insolation: str = "insolation",
    power: str = "power_output",
    irradiance: str = "irradiance_poa",
    **_: Any,
) -> Effect:
    needs, reads, notes = _sources(known, index, power, irradiance)
    if index in known and insolation in known:
        reads = (*reads, insolation)
    elif index in known:
        notes.append(f"without {insolation} all days count alike")
    adds: dict[str, str | None] = {name: units for name, (units, _, _) in RATES.items()}
    return Effect(
        reads=reads,
        needs=needs,
        adds={"soiling_ratio": "1"} | adds,
        before=None,
        after=None,
        lazy=False,
        notes=(_WHOLE, *notes),
    )


@effect("soiling_cost")
def _cost(
    known: Known,
    *,
    currency: str = "EUR",
    index: str = "performance_index",
    insolation: str = "insolation",
    power: str = "power_output",
    irradiance: str = "irradiance_poa",
    **_: Any,
) -> Effect:
    needs, reads, notes = _sources(known, index, power, irradiance)
    if index in known and insolation in known:
        reads = (*reads, insolation)
    return Effect(
        reads=reads,
        needs=tuple(dict.fromkeys((*needs, power))),
        adds={
            "soiling_loss": "kWh",
            "soiling_lost_energy": "kWh",
            "soiling_lost_money": currency,
            "best_cleaning": None,
            "cleaning_gain": currency,
        },
        before=None,
        after=None,
        lazy=False,
        notes=(_WHOLE, *notes),
    )
