"""Figures of availability from what each slot was told to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.calendar import Step, edges_of, periods, place, window_of
from workbench.analytics.solar.availability_inputs import Inputs

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

#: Categories of a slot, by their code; of an inverter and of the plant (``partial_outage`` is of the plant alone).
CATEGORIES = (
    "running", "night", "communication_loss", "inverter_outage", "plant_outage", "grid_outage", "unknown", "partial_outage",
)  # fmt: skip
RUNNING, NIGHT, SILENT, INVERTER, PLANT, GRID, UNKNOWN, PARTIAL = range(8)


@dataclass(frozen=True)
class Availability:
    """What :func:`.availability.solar_availability` finds.

    Attributes
    ----------
    slots
        dims (time, asset): ``availability_category`` (codes of :data:`CATEGORIES`), ``outage_loss`` [kWh], ``outage_loss_possible``
        [kWh], what is lost if what is unknown was an outage; dims (time): ``plant_category``, ``plant_loss``, ``plant_energy`` [kWh].
    figures
        dims (period, asset) and, with ``plant_`` before the name, (period): ``time_availability``, ``energy_availability`` [1],
        ``lost_energy``, ``lost_energy_possible``, ``energy`` [kWh], ``known`` [1] (share of daylight slots whose category is
        known), ``reason`` where a figure is not there; with a price ``lost_money``.
    outages
        A row for each outage of the whole plant: ``start``, ``end``, ``kind`` (outage, communication, grid, unknown),
        ``expected_energy``, ``made_energy``, ``lowest_energy``, ``lost_energy`` [kWh].
    cautions
        What was missing and what that means for the result.
    """

    slots: xr.Dataset
    figures: xr.Dataset
    outages: pd.DataFrame
    cautions: tuple[str, ...]


@dataclass
class State:
    """What the slots were told to be."""

    online: Bools  #: (time, asset)
    share: Floats  #: size of each inverter as a part of the plant, (asset)
    whole: Floats  #: what the whole plant would make by those that report [kW], (time)
    lost: Floats  #: (time, asset) [kW]
    possible: Floats  #: (time, asset) [kW]
    category: npt.NDArray[np.int8]  #: (time, asset)
    made: Floats  #: of the plant [kW], (time); NaN where not known
    day: Bools  #: (time)
    partial: Bools | None = None  #: (time), a part of the plant stood, and not which is told


@dataclass
class Event:
    """An outage of the whole plant, or what looked like one."""

    start: int
    end: int  #: last slot
    kind: str
    expected: float
    made: float
    lowest: float
    lost: float


def result_of(
    given: Inputs,
    state: State,
    events: list[Event],
    by: Step | None,
    price: float | None,
    currency: str,
    count_grid: bool,
) -> Availability:
    """Put slots, figures and the list of outages together."""
    import pandas as pd

    hours, share, category = given.hours, state.share, state.category
    # an inverter that stands while the grid is away does so for the grid
    grid = given.grid_down[:, None] & np.isin(category, (INVERTER, PLANT))
    category = np.where(grid, GRID, category).astype(np.int8)
    own = np.zeros_like(state.lost) if given.power is None else np.where(state.online, np.nan_to_num(given.power), 0.0)
    unheard = (category == SILENT) | ((category == UNKNOWN) & ~state.online)
    raw = own + np.where(unheard, share * np.nan_to_num(state.whole)[:, None], 0.0)
    none = raw.sum(axis=1) <= 0
    raw = np.where(none[:, None], share, raw)
    made = raw * (state.made / raw.sum(axis=1))[:, None] * hours
    lost, possible = state.lost * hours, state.possible * hours
    plant = _plant_category(category)
    if state.partial is not None:
        plant = np.where(state.partial, PARTIAL, plant).astype(np.int8)
    dims, one = ("time", "asset"), ("time",)
    flags = {"flag_values": np.arange(len(CATEGORIES), dtype=np.int8), "flag_meanings": " ".join(CATEGORIES)}
    slots = xr.Dataset(
        {
            "availability_category": (dims, category, {"long_name": "category of the slot"} | flags),
            "outage_loss": (dims, lost, {"units": "kWh", "long_name": "energy lost by outages"}),
            "outage_loss_possible": (dims, possible, {"units": "kWh", "long_name": "energy lost, had the unknown been outages"}),
            "plant_category": (one, plant, {"long_name": "category of the plant's slot"} | flags),
            "plant_loss": (one, lost.sum(axis=1), {"units": "kWh", "long_name": "energy the plant lost by outages"}),
            "plant_energy": (one, made.sum(axis=1), {"units": "kWh", "long_name": "energy the plant made"}),
        },
        coords={"time": given.time, "asset": given.asset},
    )  # fmt: skip
    window = window_of(slots.assign_attrs(cadence=given.cadence))
    labels, edges = periods(window, by, given.zone) if by else (pd.DatetimeIndex([window[0]]), edges_of(window))
    at = place(given.time, edges)
    keep = state.day[:, None] & ((category != GRID) | count_grid)
    counted = keep & (category != UNKNOWN)
    down = counted & np.isin(category, (INVERTER, PLANT, GRID))
    lost_counted = np.where((category != GRID) | count_grid, lost, 0.0)
    possible_counted = np.where((category != GRID) | count_grid, possible, 0.0)
    sums = {
        name: np.stack([np.bincount(at, values[:, k], minlength=len(labels)) for k in range(len(share))], axis=1).astype(np.float64)
        for name, values in {
            "day": keep, "known": counted, "down": down, "lost_energy": lost_counted, "lost_energy_possible": possible_counted,
            "energy": made,
        }.items()
    }  # fmt: skip
    figures = _figures(sums, price, currency)
    # of the plant: time by the size of the inverters, energies summed
    weighted = {n: v * share if n in ("day", "known", "down") else v for n, v in sums.items()}
    whole = {name: values.sum(axis=1, keepdims=True) for name, values in weighted.items()}
    for name, (values, attrs) in _figures(whole, price, currency).items():
        figures[f"plant_{name}"] = (values[:, 0], attrs)
    result = xr.Dataset(
        {n: (("period", "asset") if v.ndim == 2 else ("period",), v, a) for n, (v, a) in figures.items()},
        coords={"period": labels.to_numpy(), "asset": given.asset},
    )
    table = pd.DataFrame(
        [
            {
                "start": given.time[e.start], "end": given.time[e.end], "kind": e.kind, "expected_energy": e.expected,
                "made_energy": e.made, "lowest_energy": e.lowest, "lost_energy": e.lost,
            }
            for e in events
        ],
        columns=["start", "end", "kind", "expected_energy", "made_energy", "lowest_energy", "lost_energy"],
    )  # fmt: skip
    return Availability(slots, result, table, given.cautions)


def _figures(
    sums: dict[str, Floats], price: float | None, currency: str
) -> dict[str, tuple[npt.NDArray[np.generic], dict[str, str]]]:
    day, known, down, lost = (sums[name] for name in ("day", "known", "down", "lost_energy"))
    with np.errstate(invalid="ignore", divide="ignore"):
        time = np.where(known > 0, 1 - down / known, np.nan)
        energy = np.where(lost + sums["energy"] > 0, 1 - lost / (lost + sums["energy"]), np.nan)
        share = np.where(day > 0, known / day, np.nan)
    reason = np.where(
        day <= 0, "no daylight in the period", np.where(known <= 0, "no slot whose category is known", "")
    )
    reason = np.where(
        (reason == "") & ~np.isfinite(lost),
        "nothing ever ran, and neither expected power nor rating tell what was lost",
        reason,
    )
    reason = np.where((reason == "") & ~np.isfinite(energy), "neither energy made nor lost", reason).astype(object)
    out: dict[str, tuple[npt.NDArray[np.generic], dict[str, str]]] = {
        "time_availability": (time, {"units": "1", "long_name": "availability by time, of daylight whose category is known"}),
        "energy_availability": (energy, {"units": "1", "long_name": "energy made over made and lost by outages"}),
        "lost_energy": (lost, {"units": "kWh", "long_name": "energy lost by outages"}),
        "lost_energy_possible": (sums["lost_energy_possible"], {"units": "kWh", "long_name": "energy lost, had the unknown been outages"}),
        "energy": (sums["energy"], {"units": "kWh", "long_name": "energy made"}),
        "known": (share, {"units": "1", "long_name": "share of daylight slots whose category is known"}),
        "reason": (reason, {"long_name": "why a figure is not there"}),
    }  # fmt: skip
    if price is not None:
        out["lost_money"] = (lost * price, {"units": currency, "long_name": "worth of the energy lost by outages"})
    return out


def _plant_category(category: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    stand = np.isin(category, (INVERTER, PLANT, GRID))
    plant = np.full(len(category), RUNNING, dtype=np.int8)
    plant[(category == SILENT).any(axis=1)] = SILENT
    plant[(category == UNKNOWN).any(axis=1)] = UNKNOWN
    plant[stand.any(axis=1)] = PARTIAL
    plant[stand.all(axis=1)] = PLANT
    plant[(category == GRID).mean(axis=1) > 0.5] = GRID
    plant[(category == NIGHT).all(axis=1)] = NIGHT
    return plant
