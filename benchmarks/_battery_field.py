"""Field cycles of batteries of known truth, from the state-of-charge profiles of real uses.

The profile says how the state of charge goes; a model of cells, converter and auxiliaries says what would be measured. The
truth (health, efficiency, state of charge) is the model's own, by the minute; what is measured is means over slots with noise,
a zero of the current's sensor that is off, and a management whose state of charge runs off when asked to.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

PROFILES = {
    "commercial": "Commercial PV-BESS (NREL).csv",
    "peak shaving": "Commercial peak shaving.csv",
    "frequency": "Frequency containment reserve.csv",
    "residential": "Residential PV-BESS (CA, mild).csv",
    "residential, hard": "Residential PV-BESS (Germany, aggressive).csv",
    "telecom": "Telecom backup power and peak shaving.csv",
}
#: Voltage of cells at rest; made up, and smoother than the curves that the analyses know.
SOC = np.array([0, 2, 5, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90, 95, 97, 100.0])
OCV = {
    "NMC": np.array(
        [3.0, 3.2, 3.36, 3.455, 3.51, 3.552, 3.607, 3.65, 3.703, 3.79, 3.9, 3.997, 4.088, 4.135, 4.152, 4.191]
    ),
    "LFP": np.array(
        [2.8, 2.95, 3.08, 3.178, 3.215, 3.246, 3.266, 3.284, 3.2925, 3.3, 3.316, 3.33, 3.345, 3.362, 3.3705, 3.451]
    ),
}


@dataclass(frozen=True)
class Plant:
    """A battery as it is."""

    chemistry: str = "NMC"
    health: float = 0.92  #: capacity over that when new
    charge_capacity: float = 1000.0  #: when new [A h]
    cells: int = 200
    resistance: float = 0.05  #: drop of a cell at a full charge per hour [V]
    coulombic: float = 0.9995
    loss_fixed: float = 0.004  #: of the converter, of its rating, while it works
    loss_linear: float = 0.008
    loss_square: float = 0.012
    auxiliary: float = 1.5  #: [kW]
    rate: float = 0.5  #: rating, full charges per hour


@dataclass(frozen=True)
class Sensors:
    """How it is measured."""

    current_zero: float = 0.4  #: [A]
    current_noise: float = 0.5  #: of a slot [A]
    voltage_noise: float = 0.001  #: of a cell, of a slot [V]
    power_noise: float = 0.0005  #: of the rating, of a mean over ten minutes
    soc_noise: float = 0.2  #: [%]
    drift: float = 0.0  #: of the reported state of charge after ``drift_from`` days [%]
    drift_from: float = 0.0
    drift_ramp: float = 0.0  #: days over which it comes


@dataclass(frozen=True)
class Field:
    """Data as measured, and the truth."""

    data: xr.Dataset
    soc: np.ndarray = field(repr=False)  #: true, mean of each slot [%]
    health: float  #: [%]
    efficiency: float  #: AC to AC without auxiliaries: stored over taken x given over drawn [%]
    efficiency_cell: float  #: DC to DC [%]
    efficiency_system: float  #: with auxiliaries [%]


def profile(folder: Path, name: str) -> tuple[np.ndarray, float]:
    """State of charge [%] and the time between its values [h]."""
    table = pd.read_csv(folder / PROFILES[name])
    step = float(np.median(np.diff(table["Time_s"]))) / 3600
    return np.clip(100.0 * table["SOC"].to_numpy(), 0.0, 100.0), step


def measured(
    soc: np.ndarray,
    step: float,
    *,
    days: tuple[float, float] = (0, 30),
    plant: Plant | None = None,
    sensors: Sensors | None = None,
    seed: int = 0,
    asset: str = "B1",
    slot: float = 1 / 6,
) -> Field:
    """What a battery that follows the profile's state of charge shows from day to day.

    The truth of the efficiency is what was stored over what was taken, times what was given over what was drawn from the store,
    energies in the store at the voltage of rest. Where the days end as they began it is what was given over what was taken. (That of the
    whole system, with auxiliaries, is of the same days with a way back to where they began.)
    """
    plant, sensors = plant or Plant(), sensors or Sensors()
    rng = np.random.default_rng(seed)
    fine = 1 / 60  # the model's own step [h]
    at = np.arange(round(24 * (days[1] - days[0]) / fine) + 1) * fine + 24 * days[0]
    # slower than the rating, as a profile of another battery may ask for more
    path = np.interp(at, np.arange(len(soc)) * step, soc)
    flow = np.clip(-np.diff(path) / 100 / fine, -plant.rate, plant.rate)  # full charges per hour, discharge positive
    path = path[0] - 100 * np.concatenate([[0], np.cumsum(flow)]) * fine
    if path.min() < 0 or path.max() > 100:
        path = np.clip(path, 0, 100)
        flow = -np.diff(path) / 100 / fine
    back = path[0] - path[-1]
    middle = (path[:-1] + path[1:]) / 2
    truth = _run(plant, flow, middle)
    closed = truth
    if abs(back) > 1e-6:
        way = flow[(flow < 0) if back > 0 else (flow > 0)]
        way = way if len(way) else np.array([-0.2 if back > 0 else 0.2])
        # as it is usually charged, or discharged, until it is where it began
        rounds = int(np.ceil(abs(back) / 100 / fine / np.abs(way).sum())) + 1
        way = np.tile(way, rounds)[
            : int(np.searchsorted(np.cumsum(np.abs(np.tile(way, rounds))) * fine, abs(back) / 100)) + 1
        ]
        way[-1] += -back / 100 / fine - way.sum()
        at_way = path[-1] - 100 * (np.cumsum(way) - way / 2) * fine
        closed = _run(plant, np.append(flow, way), np.append(middle, at_way))
    each = round(slot / fine)
    rows = len(flow) // each
    mean = {k: v[: rows * each].reshape(rows, each).mean(axis=1) for k, v in truth.items()}
    noise = {k: rng.normal(0, 1, rows) for k in ("i", "v", "p", "c", "d", "dc", "soc")}
    rating = plant.rate * plant.charge_capacity * plant.cells * 3.6 / 1000
    true_soc = ((path[:-1] + path[1:]) / 2)[: rows * each].reshape(rows, each).mean(axis=1)
    day = np.arange(rows) * slot / 24
    with np.errstate(invalid="ignore", divide="ignore"):
        come = (
            np.clip((day - sensors.drift_from) / sensors.drift_ramp, 0, 1)
            if sensors.drift_ramp
            else (day >= sensors.drift_from) * 1.0
        )
    reported = np.clip(true_soc + sensors.drift * come + sensors.soc_noise * noise["soc"], 0, 100)
    busy = mean["charge"] + mean["discharge"] > 0
    values = {
        "dc_current": mean["current"] + sensors.current_zero + sensors.current_noise * noise["i"],
        "cell_voltage_mean": mean["cell"] + sensors.voltage_noise * noise["v"],
        "dc_voltage": plant.cells * (mean["cell"] + sensors.voltage_noise * noise["v"]),
        "charge_power": np.maximum(
            mean["charge"] + sensors.power_noise * rating * noise["c"] * (mean["charge"] > 0), 0
        ),
        "discharge_power": np.maximum(
            mean["discharge"] + sensors.power_noise * rating * noise["d"] * (mean["discharge"] > 0), 0
        ),
        "dc_power": mean["dc"] + sensors.power_noise * rating * noise["dc"] * busy,
        "active_power": mean["discharge"]
        - mean["charge"]
        - plant.auxiliary
        + sensors.power_noise * rating * noise["p"],
        "state_of_charge": reported,
    }
    mean_voltage = float(np.trapezoid(np.interp(np.linspace(0, 100, 2001), SOC, OCV[plant.chemistry]), dx=1 / 2000))
    facts = {
        "rated_capacity": (rating, "kW"),
        "energy_capacity": (plant.charge_capacity * plant.cells * mean_voltage / 1000, "kWh"),
        "charge_capacity": (plant.charge_capacity, "A h"),
        "cells_in_series": (float(plant.cells), "1"),
    }
    data = xr.Dataset(
        {k: (("time", "asset"), v[:, None]) for k, v in values.items()},
        coords={
            "time": pd.date_range("2025-01-01", periods=rows, freq=pd.Timedelta(hours=slot), unit="ns").to_numpy(),
            "asset": [asset],
            "chemistry": ("asset", np.array([plant.chemistry], dtype=object)),
            **{k: ("asset", [v], {"units": u}) for k, (v, u) in facts.items()},
        },
    )
    out = np.maximum(closed["discharge"] - closed["charge"] - plant.auxiliary, 0).sum()
    into = np.maximum(closed["charge"] + plant.auxiliary - closed["discharge"], 0).sum()
    content = np.interp(middle, SOC, OCV[plant.chemistry]) * flow
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = -content[flow < 0].sum() / content[flow > 0].sum()
        whole = ratio * truth["discharge"].sum() / truth["charge"].sum()
        cells = ratio * np.maximum(truth["dc"], 0).sum() / np.maximum(-truth["dc"], 0).sum()
    return Field(data, true_soc, 100 * plant.health, 100 * whole, 100 * cells, 100 * out / into)


def _run(plant: Plant, flow: np.ndarray, soc: np.ndarray) -> dict[str, np.ndarray]:
    """By the model's step: current [A], voltage of a cell [V], powers [kW]."""
    full = plant.charge_capacity * plant.health
    # what is charged is a little more than what is stored
    rate = np.where(flow < 0, flow / plant.coulombic, flow)
    current = rate * full
    # polarisation follows the current with half an hour
    keep = np.exp(-1 / 60 / 0.3)
    from scipy.signal import lfilter

    slow = lfilter([1 - keep], [1, -keep], rate)
    cell = np.interp(soc, SOC, OCV[plant.chemistry]) - plant.resistance * (0.6 * rate + 0.4 * slow)
    dc = current * cell * plant.cells / 1000
    rating = plant.rate * plant.charge_capacity * plant.cells * 3.6 / 1000
    share = np.abs(dc) / rating
    loss = rating * (plant.loss_fixed * (share > 1e-4) + plant.loss_linear * share + plant.loss_square * share**2)
    return {
        "current": current, "cell": cell, "dc": dc,
        "charge": np.where(dc < 0, -dc + loss, 0.0),
        "discharge": np.where(dc > 0, np.maximum(dc - loss, 0.0), 0.0),
    }  # fmt: skip
