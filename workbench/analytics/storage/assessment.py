"""All that is told of the batteries of a plant, in one place: what a report, a page and a notebook show.

Nothing is worked out here that a function of this folder does not give. What cannot be told has its reason in
:attr:`Assessment.reasons`, under the name of the part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import xarray as xr

from workbench.analytics.calendar import Step, Window
from workbench.analytics.storage.ageing import Ageing, remaining_life
from workbench.analytics.storage.cells import cell_spread, weakest_cells
from workbench.analytics.storage.cycles import cycle_summary, cycle_table
from workbench.analytics.storage.fields import correct_signs, fact, prepared, texts
from workbench.analytics.storage.health import state_of_health
from workbench.analytics.storage.health_trend import health_trend
from workbench.analytics.storage.hybrid import hybrid_energy, plant_dataset
from workbench.analytics.storage.open_circuit import Curves
from workbench.analytics.storage.recount import recount, soc_drift
from workbench.analytics.storage.round_trip import round_trip_efficiency
from workbench.analytics.storage.thermal import ThermalLimits, thermal_alarms, thermal_events
from workbench.analytics.storage.usable_energy import usable_energy, usable_energy_tests
from workbench.analytics.storage.warranty import WarrantyTerms, warranty_breaches, warranty_log
from workbench.model.errors import InputError
from workbench.model.quality import good
from workbench.steps import remarks

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")
#: Fields of batteries that an assessment reads where they are there.
FIELDS = (
    "active_power", "charge_power", "discharge_power", "auxiliary_power", "dc_power", "dc_voltage", "dc_current",
    "state_of_charge", "state_of_health", "stored_energy", "energy_charged", "energy_discharged", "cycle_count",
    "cell_voltage_min", "cell_voltage_max", "cell_voltage_mean", "cell_temperature_min", "cell_temperature_max",
    "cell_temperature_mean", "ambient_temperature", "coolant_temperature",
)  # fmt: skip
_POWER = ("total_ac_power", "power_output", "active_power", "charge_power", "discharge_power", "auxiliary_power")
#: Fields of single cells.
CELL_FIELDS = ("voltage", "current", "cell_temperature", "temperature", "state_of_charge", "state_of_health")
#: Parts of an assessment, in the words of a text.
PARTS = {
    "drift": "state of charge",
    "health": "state of health",
    "health_trend": "trend of the health",
    "efficiency": "round-trip efficiency",
    "cycles": "cycles",
    "spread": "spread of the cells",
    "cells": "single cells",
    "thermal": "temperatures",
    "usable": "usable energy",
    "warranty": "warranty",
    "life": "remaining life",
    "hybrid": "flows between panels, battery and grid",
}


@dataclass
class Assessment:
    """What is known of batteries; a part that could not be told is None, with its reason.

    ``by`` is the step of the parts that go by periods. Names of datasets and their fields are those of the functions
    named.
    """

    window: Window
    tz: str
    by: Step
    record: xr.Dataset  #: all that was given, signs put right, with ``soc_recount`` where it could be counted
    terms: WarrantyTerms
    drift: xr.Dataset | None = None  #: :func:`soc_drift`, of the window, as a live run would have said
    recount: xr.Dataset | None = None  #: :func:`recount`, of the window, later rests counted too
    health: xr.Dataset | None = None  #: :func:`state_of_health` of the window
    health_by: xr.Dataset | None = None  #: the same by month of the record
    health_trend: xr.Dataset | None = None  #: :func:`health_trend` of the record
    efficiency: xr.Dataset | None = None  #: :func:`round_trip_efficiency` of the window
    efficiency_by: xr.Dataset | None = None
    cycles: xr.Dataset | None = None  #: :func:`cycle_summary` of the window
    cycles_by: xr.Dataset | None = None
    each_cycle: pd.DataFrame | None = None  #: :func:`cycle_table` of the window
    spread: xr.Dataset | None = None  #: :func:`cell_spread` of the window
    cells: pd.DataFrame | None = None  #: :func:`weakest_cells` of the window
    thermal: xr.Dataset | None = None  #: :func:`thermal_alarms` of the window
    events: pd.DataFrame | None = None  #: :func:`thermal_events` of the window
    usable: xr.Dataset | None = None  #: :func:`usable_energy` of the window
    tests: pd.DataFrame | None = None  #: :func:`usable_energy_tests` of the window
    log: xr.Dataset | None = None  #: :func:`warranty_log` of the record, by month
    breaches: pd.DataFrame | None = None  #: :func:`warranty_breaches` of months in the window
    life: Ageing | None = None  #: :func:`remaining_life` from the months of the record
    energy: xr.Dataset | None = None  #: :func:`hybrid_energy` of the window
    energy_by: xr.Dataset | None = None
    reasons: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    @property
    def data(self) -> xr.Dataset:
        """The record within the window."""
        return within(self.record, self.window)

    @property
    def lost_energy(self) -> xr.DataArray | None:
        """Energy lost in round trips and auxiliaries of the window [kWh], (asset)."""
        if self.efficiency is None:
            return None
        found = self.efficiency
        own = found["energy_auxiliary"].fillna(0.0)
        return (found["energy_in"] - found["energy_out"] - found["energy_change"].fillna(0.0) + own).assign_attrs(
            units="kWh"
        )

    def attempt(self, name: str, work: Callable[[], T]) -> T | None:
        """What ``work`` gives; None, with the reason noted, where it cannot be told."""
        try:
            return work()
        except InputError as error:
            more = [f"{word}: {text}" for word, text in (("found", error.found), ("expected", error.expected)) if text]
            self.reasons[name] = f"{error.message} ({'; '.join(more)})" if more else error.message
            return None


def within(data: xr.Dataset, window: Window) -> xr.Dataset:
    """The slots of ``data`` inside a half-open window [UTC]."""
    times = data["time"].values
    keep = (times >= window[0].to_datetime64()) & (times < window[1].to_datetime64())
    return data.isel(time=np.flatnonzero(keep))


def assess(
    record: xr.Dataset,
    *,
    window: Window | None = None,
    tz: str = "UTC",
    by: Step | None = None,
    cells: xr.Dataset | None = None,
    plant: tuple[xr.Dataset, ...] = (),
    terms: WarrantyTerms | Mapping[str, Any] | None = None,
    guaranteed: float | None = None,
    end_of_life: float = 70.0,
    limits: ThermalLimits | None = None,
    curve: Curves | None = None,
    level: float = 0.9,
    simulations: int = 1000,
    seed: int = 0,
    give_way: Callable[[], None] = lambda: None,
) -> Assessment:
    """Everything about batteries in a window of time, with all of their record for what wants a longer look.

    Parameters
    ----------
    record
        dims (time, asset): :data:`FIELDS` of the batteries, as far as they are measured; facts as coordinates.
    window
        Half-open [UTC]; all of the record if left out. Health by month, its trend, the warranty log and the life are of
        the record up to the window's end.
    tz, by
        Clock and step of the parts that go by periods; days up to two months and months beyond them if left out.
    cells
        dims (time, asset), an asset per cell: ``voltage`` [V], ``current`` [A] where there is one, coordinate ``parent``.
    plant
        Data of inverters and meters on the grid of times of ``record``, for the flows between panels, battery and grid.
    terms
        See :class:`WarrantyTerms`; nothing is limited if left out.
    guaranteed
        See :func:`usable_energy` [%].
    end_of_life, simulations, seed
        See :func:`remaining_life`.
    limits
        See :func:`thermal_alarms`.
    curve
        Voltage at rest, see :func:`recount`.
    level
        Of all intervals.
    give_way
        Called between the parts.

    Raises
    ------
    InputError
        No times, or none in the window; terms that are none. What a part lacks is no error: see ``reasons``.
    """
    import pandas as pd

    record = prepared(record)
    if not record.sizes["time"]:
        raise InputError("the batteries have no data", where="record", found="no times")
    if window is None:
        from workbench.analytics.calendar import window_of

        window = window_of(record)
    record = record.isel(time=np.flatnonzero(record["time"].values < window[1].to_datetime64()))
    if not within(record, window).sizes["time"]:
        raise InputError(
            "the batteries have no data in the window", where="window", found=f"{window[0]} to {window[1]}"
        )
    if by is None:
        by = "month" if (window[1] - window[0]) > pd.Timedelta(62, "D") else "day"
    limited = terms if isinstance(terms, WarrantyTerms) else WarrantyTerms(**_known_terms(terms or {}))
    with remarks() as told:
        found = Assessment(window, tz, by, correct_signs(record), limited)
        _counted(found, curve)
        give_way()
        data = found.data
        found.health = found.attempt("health", lambda: state_of_health(data, curve=curve, level=level))
        found.health_by = found.attempt(
            "health", lambda: state_of_health(found.record, by="month", tz=tz, curve=curve, level=level)
        )
        if found.health_by is not None:
            found.health_trend = health_trend(found.health_by, level=level)
        give_way()
        found.efficiency = found.attempt("efficiency", lambda: round_trip_efficiency(data, level=level))
        found.efficiency_by = found.attempt(
            "efficiency", lambda: round_trip_efficiency(data, by=by, tz=tz, level=level)
        )
        found.cycles = found.attempt("cycles", lambda: cycle_summary(data))
        found.cycles_by = found.attempt("cycles", lambda: cycle_summary(data, by=by, tz=tz))
        found.each_cycle = found.attempt("cycles", lambda: cycle_table(data))
        give_way()
        found.spread = found.attempt("spread", lambda: cell_spread(data, level=level))
        found.cells = found.attempt("cells", lambda: _weakest(cells, data, found.window))
        give_way()
        # what is usual is learned from the first days of the record, and those of the window are told by it
        alarms = found.attempt("thermal", lambda: thermal_alarms(found.record, limits=limits))
        if alarms is not None:
            found.thermal = within(alarms, window)
            found.events = thermal_events(found.thermal, data)
        found.usable = found.attempt("usable", lambda: usable_energy(data, guaranteed=guaranteed))
        found.tests = found.attempt("usable", lambda: usable_energy_tests(data))
        found.log = found.attempt(
            "warranty", lambda: warranty_log(found.record, by="month", tz=tz, hot=limited.temperature)
        )
        if found.log is not None:
            found.breaches = warranty_breaches(_months_of(found.log, window, tz), limited)
        give_way()
        found.life = found.attempt("life", lambda: _life(found, end_of_life, level, simulations, seed))
        give_way()
        joined = found.attempt("hybrid", lambda: _plant(found, plant))
        if joined is not None:
            found.energy = found.attempt("hybrid", lambda: hybrid_energy(joined, tz=tz))
            found.energy_by = found.attempt("hybrid", lambda: hybrid_energy(joined, by=by, tz=tz))
        found.remarks = list(told)
    return found


def _known_terms(given: Mapping[str, Any]) -> dict[str, Any]:
    from dataclasses import fields

    known = {one.name for one in fields(WarrantyTerms)}
    for name in given:
        if name not in known:
            raise InputError("no such term of a warranty", where="terms", found=name, expected=", ".join(sorted(known)))
    return dict(given)


def _counted(found: Assessment, curve: Curves | None) -> None:
    """State of charge counted again: as a live run would have it, and with later rests for all that follows."""
    drift = found.attempt("drift", lambda: soc_drift(found.record, curve=curve))
    counted = found.attempt("drift", lambda: recount(found.record, curve=curve, smooth=True))
    if drift is not None:
        found.drift = within(drift, found.window)
    if counted is not None:
        found.recount = within(counted, found.window)
        # a count that nothing ever set right says no more than the reported state of charge
        sure = counted["resets"].values > 0
        if sure.all():
            found.record = found.record.assign(counted[["soc_recount", "soc_recount_std"]])


def _weakest(cells: xr.Dataset | None, data: xr.Dataset, window: Window) -> pd.DataFrame:
    if cells is None or not cells.sizes.get("asset"):
        raise InputError(
            "there are no data of single cells", where="cells", expected="an asset per cell with its voltage"
        )
    cells = within(prepared(cells), window)
    if "current" in cells or "dc_current" not in data:
        return weakest_cells(cells)
    current = data["dc_current"]
    parents = dict.fromkeys(texts(cells, "parent"))
    if set(parents) <= set(map(str, data["asset"].values)):
        return weakest_cells(cells, current=current)
    if data.sizes["asset"] == 1:
        # racks in parallel share the current of their battery
        return weakest_cells(cells, current=current.isel(asset=0, drop=True) / len(parents))
    return weakest_cells(cells)


def _months_of(log: xr.Dataset, window: Window, tz: str) -> xr.Dataset:
    from workbench.analytics.calendar import periods

    inside = periods(window, "month", tz)[0].to_numpy()
    return log.isel(period=np.flatnonzero(np.isin(log["period"].values, inside)))


def _life(found: Assessment, end_of_life: float, level: float, simulations: int, seed: int) -> Ageing:
    if found.health_by is None or found.log is None:
        missing = "state of health" if found.health_by is None else "throughput"
        name = "health" if found.health_by is None else "warranty"
        raise InputError(f"the {missing} by month is not known: {found.reasons[name]}", where="life")
    capacity = fact(found.record, "energy_capacity") / 1000.0
    cycles = found.log["throughput"].reindex(period=found.health_by["period"].values) / xr.DataArray(
        capacity, dims="asset"
    )
    seen = found.health_by[["state_of_health", "std"]].assign(cycles=cycles)
    return remaining_life(seen, end_of_life=end_of_life, level=level, simulations=simulations, seed=seed)


def _plant(found: Assessment, plant: tuple[xr.Dataset, ...]) -> xr.Dataset:
    parts = [one for one in (within(prepared(part), found.window) for part in plant) if one.sizes["time"]]
    if not parts:
        raise InputError("there are no panels beside the battery", where="plant", expected="data of inverters")
    return plant_dataset(*(_power(one) for one in (*parts, found.data)))


def _power(data: xr.Dataset) -> xr.Dataset:
    """Power alone, rejected values missing: quality flags of assets that lack a field would be none."""
    names = [name for name in _POWER if name in data]
    return data[[]].assign({name: good(data, name) for name in names})
