"""What the steps for batteries and hybrid plants read and give; see :class:`workbench.steps.Effect`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workbench.analytics.storage.hybrid import FLOWS
from workbench.analytics.storage.log_steps import CELLS, LOG
from workbench.analytics.storage.thermal import ALARMS
from workbench.steps import Effect, effect

Known = Mapping[str, str | None]

_POWER = ("charge_power", "discharge_power", "active_power", "auxiliary_power")
_DC = ("dc_power", "dc_voltage", "dc_current")
_CELL = ("cell_voltage_mean", "cell_voltage_min", "cell_voltage_max")
_SIGNS = ("active_power", "dc_power", "dc_current", "dc_voltage", "state_of_charge", "charge_power", "discharge_power")
_WHOLE = ("one figure per asset, of all the data, whatever their length",)


def _there(known: Known, *names: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if name in known))


def _bounds(name: str, units: str) -> dict[str, str | None]:
    return {name: units, f"{name}_lower": units, f"{name}_upper": units}


def _effect(
    known: Known, reads: tuple[str, ...], adds: Mapping[str, str | None], *, needs: tuple[str, ...] = (),
    after: int | None = None, notes: tuple[str, ...] = _WHOLE,
) -> Effect:  # fmt: skip
    """All of them look at the whole of the past, and are not lazy: counts go from slot to slot."""
    left = tuple(n for n in (_there(known, *reads) if known else reads) if n not in needs)
    return Effect(reads=left, needs=needs, adds=adds, before=None, after=after, lazy=False, notes=notes)


@effect("battery_sign_correction")
def _signs(known: Known, **_: Any) -> Effect:
    fields = ("active_power", "dc_power", "dc_current", "charge_power", "discharge_power")
    adds = {name: known.get(name) for name in _there(known, *fields)}
    return _effect(
        known, _SIGNS, adds, notes=("a sign is told from all the data; too little of them leave it as it is",)
    )


@effect("soc_recount")
def _recount(known: Known, **_: Any) -> Effect:
    notes = ["the capacity when new and the chemistry are facts of the asset"]
    if "state_of_charge" not in known:
        notes.append("without state_of_charge the count begins at the first rest, and no drift is told")
    if not _there(known, *_CELL) and "dc_voltage" not in known:
        notes.append("without a voltage the count is never set right")
    adds = {"soc_recount": "%", "soc_recount_std": "%", "soc_drift": "%", "soc_drift_alarm": None}
    # resistance and signs are told from all the data; the health says whether the curve is that of an aged cell
    return _effect(known, (*_SIGNS, *_CELL, *_POWER, "state_of_health"), adds, notes=tuple(notes))


@effect("battery_health")
def _health(known: Known, *, output_field: str = "health_estimate", **_: Any) -> Effect:
    notes = list(_WHOLE)
    if not _there(known, "cell_voltage_mean", "cell_voltage_min", "dc_voltage"):
        notes.append("without cell voltage: by the reported state of charge, which is what the management takes it for")
    return _effect(known, (*_SIGNS, *_CELL, *_POWER), _bounds(output_field, "%"), notes=tuple(notes))


@effect("battery_efficiency")
def _efficiency(known: Known, **_: Any) -> Effect:
    names = ("round_trip", "round_trip_cell", "round_trip_converter", "round_trip_auxiliary", "round_trip_system")
    notes = list(_WHOLE)
    if not _there(known, *_DC):
        notes.append("without DC power cells and converter are not told apart")
    stored = ("stored_energy", "soc_recount", "soc_recount_std", "state_of_health")
    adds = dict.fromkeys((*names, "round_trip_lower", "round_trip_upper"), "%")
    return _effect(known, (*_POWER, *_DC, *_SIGNS, *_CELL, *stored), adds, notes=tuple(notes))


@effect("battery_cycles")
def _cycles(known: Known, *, soc: str = "state_of_charge", **_: Any) -> Effect:
    adds = {
        "equivalent_full_cycles": "1",
        "rainflow_cycles": "1",
        "depth_mean": "%",
        "depth_p95": "%",
        "soc_resting": "%",
    }
    return _effect(known, (*_POWER, *_SIGNS), adds, needs=(soc,))


@effect("cell_spread")
def _spread(known: Known, *, output_field: str = "cell_voltage_spread", **_: Any) -> Effect:
    return Effect(needs=("cell_voltage_min", "cell_voltage_max"), adds={output_field: "V"}, lazy=False)


@effect("thermal_alarms")
def _thermal(known: Known, **_: Any) -> Effect:
    heat = (
        "cell_temperature_max",
        "cell_temperature_min",
        "cell_temperature_mean",
        "ambient_temperature",
        "coolant_temperature",
    )
    adds: dict[str, str | None] = {f"thermal_{name}": None for name in ALARMS} | {"temperature_excess": "K"}
    return _effect(known, (*heat, *_POWER, *_SIGNS), adds, notes=("what is usual is learned from the first days",))


@effect("usable_energy")
def _usable(known: Known, **_: Any) -> Effect:
    adds = {"usable_energy": "kWh", "usable_energy_of_nominal": "%"}
    return _effect(known, ("soc_recount", "state_of_charge", "cell_temperature_mean", *_POWER, *_DC, *_SIGNS), adds)


@effect("battery_remaining_life")
def _life(known: Known, *, health: str = "state_of_health", cycles: str = "cycle_count", **_: Any) -> Effect:
    return _effect(known, (), _bounds("remaining_life", "year"), needs=(health, cycles))


@effect("hybrid_flows")
def _hybrid(known: Known, **_: Any) -> Effect:
    reads = ("total_ac_power", "active_power", "power_output", *_POWER, *_SIGNS)
    return _effect(known, reads, dict.fromkeys(FLOWS, "kW"), notes=("a battery is charged by the panels first",))


@effect("battery_health_trend")
def _trend(known: Known, *, output_field: str = "health_change", **_: Any) -> Effect:
    adds = {"health_month": None, "health_by_month": "%", **_bounds(output_field, "%/year")}
    return _effect(known, (*_SIGNS, *_CELL, *_POWER), adds, notes=(*_WHOLE, "a trend wants six months"))


@effect("battery_warranty_log")
def _warranty(known: Known, **_: Any) -> Effect:
    heat = ("cell_temperature_max", "cell_temperature_mean", "energy_discharged")
    adds = {"warranty_period": None, "warranty_breaches": "1"} | {
        f"warranty_{name}": units for name, units in LOG.items()
    }
    return _effect(known, (*_POWER, *_SIGNS, *heat), adds, notes=("by periods of the site's clock",))


@effect("weakest_cells")
def _weakest(known: Known, **_: Any) -> Effect:
    return Effect(
        reads=_there(known, "current"),
        needs=("voltage",),
        adds={name: units for name, (units, _) in CELLS.items()},
        before=None,
        after=None,
        lazy=False,
        notes=_WHOLE,
    )
