"""Batteries of another make than those of ``_battery_field``, to score the analyses on what they were not built with.

Nothing of the estimators' model is in it: cells are two half-cells whose balance shifts with the lithium that is lost (so the
curve of an aged cell is not that of a new one), with hysteresis, three time constants of which one is two hours, and a resistance that
follows the temperature; the dispatch is a power with limits of voltage and current, tapered at the ends; the sensors have a scale, a zero
that wanders, a resolution and gaps; the management counts by itself, with a scale and a capacity of its own, and sets itself right when
full. Settings were written down before the first score, at the seed :data:`SEED`, and stay.

References
----------
Half-cell voltages: C.-H. Chen et al., J. Electrochem. Soc. 167, 2020, 080534 (NMC 811 and graphite-silicon); E. Prada et al.,
J. Electrochem. Soc. 160, 2013, A616 (LFP); S. G. Marquis et al., J. Electrochem. Soc. 166, 2019, A3693 (LCO).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numba
import numpy as np
import pandas as pd
import xarray as xr

SEED_SEEN = 20_261  #: of the first score, looked at afterwards
SEED_SECOND = 20_263  #: of the third
SEED = 20_264  #: of the last
USES = ("solar shift", "two cycles", "frequency", "peak shaving", "backup", "depot")
CHEMISTRIES = ("NMC", "LFP", "LCO")
_CELLS = 240


@dataclass(frozen=True)
class Blind:
    """Data as measured, and the truth."""

    name: str
    data: xr.Dataset
    maker: tuple[np.ndarray, np.ndarray] = field(
        repr=False
    )  #: state of charge [%] and voltage [V] of a new cell at rest
    soc: np.ndarray = field(repr=False)  #: true, mean of each slot [%]
    health: float  #: [%]
    efficiency: float  #: of what was stored over what was taken x what was given over what was drawn [%]
    cycles: float  #: energy given over that of the battery


def _negative(x: np.ndarray) -> np.ndarray:
    return np.asarray(
        1.9793 * np.exp(-39.3631 * x) + 0.2482 - 0.0909 * np.tanh(29.8538 * (x - 0.1234))
        - 0.04478 * np.tanh(14.9159 * (x - 0.2769)) - 0.0205 * np.tanh(30.4444 * (x - 0.6103))
    )  # fmt: skip


def _positive(chemistry: str, y: np.ndarray) -> np.ndarray:
    if chemistry == "NMC":
        return np.asarray(
            -0.8090 * y + 4.4875 - 0.0428 * np.tanh(18.5138 * (y - 0.5542)) - 17.7326 * np.tanh(15.7890 * (y - 0.3117))
            + 17.5842 * np.tanh(15.9308 * (y - 0.3120))
        )  # fmt: skip
    if chemistry == "LFP":
        return np.asarray(3.4077 - 0.020269 * y + 0.5 * np.exp(-150 * y) - 0.9 * np.exp(-30 * (1 - y)))
    z = 1.062 * y
    return np.asarray(
        2.16216 + 0.07645 * np.tanh(30.834 - 54.4806 * z) + 2.1581 * np.tanh(52.294 - 50.294 * z)
        - 0.14169 * np.tanh(11.0923 - 19.8543 * z) + 0.2051 * np.tanh(1.4684 - 5.4888 * z)
        + 0.2531 * np.tanh((-z + 0.56478) / 0.1316) - 0.02167 * np.tanh((z - 0.525) / 0.006)
    )  # fmt: skip


#: Capacity of the positive over that of the negative, the lithium of both when new (in capacities of the negative), limits [V].
_BALANCE = {
    "NMC": (1.16, 1.05, 2.9, 4.18),
    "LFP": (0.98, 0.98, 2.6, 3.5),
    "LCO": (1.40, 1.33, 3.2, 4.12),
}


def cell(chemistry: str, lost: float) -> tuple[np.ndarray, float]:
    """Voltage at rest at 0, 0.1 … 100 % of a cell that has lost a share of its lithium, and its capacity in those of the negative."""
    positive, lithium, low, high = _BALANCE[chemistry]
    x = np.linspace(0.004, 0.996, 20001)
    y = (lithium * (1 - lost) - x) / positive
    keep = (y > 0.005) & (y < 0.995)
    x, v = x[keep], (_positive(chemistry, y) - _negative(x))[keep]
    v = np.maximum.accumulate(v)
    first, last = int(np.searchsorted(v, low)), int(np.searchsorted(v, high)) - 1
    first = min(first, len(v) - 2)
    last = max(min(last, len(v) - 1), first + 1)
    grid = np.linspace(x[first], x[last], 1001)
    return np.interp(grid, x, v), float(x[last] - x[first])


@numba.njit(cache=True)
def _live(
    want: np.ndarray, ocv: np.ndarray, full: float, temperature: np.ndarray, resistance: float, side: float, coulombic: float,
    start: float, rating: float, low: float, high: float, limit_low: float, limit_high: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """By the minute: current [A], voltage of a cell [V], state of charge [1], charge and discharge at the AC side [kW]."""
    n = len(want)
    current, volts, soc = np.zeros(n), np.zeros(n), np.zeros(n)
    charge, discharge, rest = np.zeros(n), np.zeros(n), np.zeros(n)
    q, one, two, come, last = start, 0.0, 0.0, 0.0, 0.0
    k1, k2 = np.exp(-1 / 6.0), np.exp(-1 / 110.0)
    for i in range(n):
        # in the middle of the minute, by the current of the one before
        at = min(max(q - last / 120.0, 0.0), 1.0) * 1000
        j = min(int(at), 999)
        e = ocv[j] + (at - j) * (ocv[j + 1] - ocv[j])
        warm = np.exp(3000.0 * (1 / (273.15 + temperature[i]) - 1 / 298.15))
        r = resistance * warm
        p = want[i]
        share = abs(p) / rating
        lost = rating * (0.0035 + (0.007 if p > 0 else 0.011) * share + 0.014 * share**2) if p != 0 else 0.0
        dc = p + lost
        if p < 0 and dc > 0:
            dc = 0.0
        # current from the power: dc = cells (e - s - r0 i) i, i over the capacity when new
        open_ = e - one - two + side * come
        inside = open_**2 - 4 * 0.5 * r * (dc * 1000 / _CELLS) / full
        c = (open_ - np.sqrt(max(inside, 0.0))) / (2 * 0.5 * r) if dc != 0 else 0.0
        # limits of charge and voltage, with a taper
        if c > 0:
            c = min(c, max((q - low) / 0.02, 0.0) * 0.5)
            if open_ - 0.5 * r * c < limit_low:
                c = max((open_ - limit_low) / (0.5 * r), 0.0)
        if c < 0:
            c = max(c, -max((high - q) / 0.02, 0.0) * 0.5)
            if open_ - 0.5 * r * c > limit_high:
                c = min((open_ - limit_high) / (0.5 * r), 0.0)
            if abs(c) < 0.004:
                c = 0.0
        v = open_ - 0.5 * r * c
        dc = c * full * v * _CELLS / 1000
        share = abs(dc) / rating
        if c != 0:
            lost = rating * (0.0035 + (0.007 if c > 0 else 0.011) * share + 0.014 * share**2)
            if c > 0:
                discharge[i] = max(dc - lost, 0.0)
            else:
                charge[i] = -dc + lost
        current[i], volts[i], soc[i], rest[i] = c * full, v, q, e
        q -= (c if c > 0 else c * coulombic) / 60.0 + 2.5e-7
        one, two = k1 * one + (1 - k1) * 0.25 * r * c, k2 * two + (1 - k2) * 0.25 * r * c
        come -= (come + np.sign(c)) * (1 - np.exp(-abs(c) / 60.0 / 0.03))
        q = min(max(q, 0.0), 1.0)
        last = c
    return current, volts, soc, charge, discharge, rest


def _wanted(use: str, minutes: int, rng: np.random.Generator) -> tuple[np.ndarray, float, float, float]:
    """Power wanted over the rating by the minute, positive while discharging; limits of charge and the first one [1]."""
    t = np.arange(minutes)
    day, clock = t // 1440, (t % 1440) / 60
    days = int(day[-1]) + 1
    sun, load = rng.beta(1.6, 1.0, days), rng.normal(1.0, 0.2, days)
    weekday = (day % 7) < 5
    if use == "solar shift":
        bell = np.maximum(np.sin((clock - 7) / 11 * np.pi), 0) * (clock > 7) * (clock < 18)
        return (
            np.where(bell > 0, -0.9 * bell * sun[day], ((clock >= 18) & (clock < 22)) * 0.6 * load[day]),
            0.06,
            0.98,
            0.5,
        )
    if use == "two cycles":
        out = ((clock >= 6.5) & (clock < 8.5)) | ((clock >= 17) & (clock < 19.5))
        into = ((clock >= 1) & (clock < 4)) | ((clock >= 11) & (clock < 14.5))
        return np.where(out, 0.9 * load[day], np.where(into, -0.8, 0.0)), 0.08, 0.95, 0.3
    if use == "frequency":
        from scipy.signal import lfilter

        noise = lfilter([np.sqrt(1 - 0.985**2)], [1, -0.985], rng.normal(0, 1, minutes))
        off = np.where(np.abs(noise) < 0.35, 0.0, noise - 0.35 * np.sign(noise))
        # it is brought back to the middle at night, and rests for an hour after
        quiet = (clock >= 2) & (clock < 4)
        return np.where(quiet, 0.0, np.clip(0.35 * off, -1, 1)), 0.1, 0.9, 0.55
    if use == "peak shaving":
        peak = weekday & (clock >= 16) & (clock < 16 + 1.6 * load[day]) & (load[day] > 0.95)
        return np.where(peak, 0.75, np.where((clock >= 22) | (clock < 3), -0.25, 0.0)), 0.1, 0.92, 0.9
    if use == "backup":
        test = (day % 7 == 2) & (clock >= 10) & (clock < 10.7 + 0.5 * sun[day])
        return np.where(test, 0.7, np.where(clock >= 13, -0.2, 0.0)), 0.05, 1.0, 0.97
    deep = rng.uniform(0.3, 1.0, days)
    out = weekday & (clock >= 7) & (clock < 7 + 3 * deep[day])
    return np.where(out, 0.6, np.where((clock >= 20) & (clock < 24), -0.5, 0.0)), 0.05, 0.97, 0.9


def battery(
    use: str,
    chemistry: str,
    *,
    days: int,
    number: int,
    drift: float = 0.0,
    drift_day: float = 0.0,
    ramp: float = 0.0,
    seed: int = SEED,
) -> Blind:
    """One battery of a use and a chemistry; the drift is of the reported state of charge [%]. Its numbers hang on ``number`` alone."""
    which = USES.index(use) * 10 + CHEMISTRIES.index(chemistry)
    rng = np.random.default_rng([seed, which, number])
    lost = rng.uniform(0.0, 0.16)
    new, first = cell(chemistry, 0.0)
    ocv, now = cell(chemistry, lost)
    health = now / first
    nominal = float(rng.choice([280.0, 560.0, 1120.0]))
    rate = {"backup": 0.33, "frequency": 1.0}.get(use, 0.5)
    mean_voltage = float(np.trapezoid(new, dx=0.001))
    rating = rate * nominal * _CELLS * mean_voltage / 1000
    minutes = days * 1440
    want, low, high, start = _wanted(use, minutes, rng)
    clock, day = (np.arange(minutes) % 1440) / 1440, np.arange(minutes) / 1440
    warm = (
        22
        + rng.uniform(-4, 4)
        + 5 * np.sin(2 * np.pi * (clock - 0.4))
        + 4 * np.sin(2 * np.pi * day / 45 + rng.uniform(0, 6))
    )
    resistance = rng.uniform(0.035, 0.07) / health
    side = {"LFP": 0.005, "NMC": 0.0015, "LCO": 0.0015}[chemistry]
    full = nominal * health
    if use == "frequency":
        # the plan for the night: back to the middle, by the power that was delivered until then
        want = want.copy()
        drawn = 0.0
        for i in range(minutes):
            hour = (i % 1440) / 60
            if hour < 2 and i % 1440 < 60:
                want[i] = np.clip(-drawn / 30.0, -0.8, 0.8) if i % 1440 == 0 else want[i - 1]
            drawn = 0.0 if i % 1440 == 60 else drawn + (want[i] / (0.94 if want[i] > 0 else 1.06))
    coulombic = rng.uniform(0.998, 0.9998)
    limits = _BALANCE[chemistry][2] + 0.05, _BALANCE[chemistry][3] + 0.03
    current, volts, soc, charge, discharge, rest = _live(
        want * rating, ocv, full, warm, resistance, side, coulombic, start, rating, low, high, limits[0], limits[1]
    )
    each = int(rng.choice([5, 10, 15]))
    rows = minutes // each

    def mean(v: np.ndarray) -> np.ndarray:
        return np.asarray(v[: rows * each].reshape(rows, each).mean(axis=1))

    def step(v: np.ndarray, size: float) -> np.ndarray:
        return np.asarray(np.round(v / size) * size)

    # the management: counts with a scale and a capacity of its own, and is set right when full
    own_scale, own_full = 1 + rng.normal(0, 0.003), full * (1 + rng.normal(0, 0.01))
    own = _managed(current * own_scale + rng.normal(0, 0.0002) * nominal, own_full, 100 * start, soc, high)
    come = (day >= drift_day) * 1.0 if ramp == 0 else np.clip((day - drift_day) / ramp, 0, 1)
    reported = step(np.clip(mean(own) + drift * mean(come), 0, 100), float(rng.choice([0.1, 0.5, 1.0])))
    wander = np.cumsum(rng.normal(0, 1, days + 1)) * 5e-5
    zero = nominal * (rng.normal(0, 0.0005) + np.interp(day, np.arange(days + 1), wander))
    seen = (1 + rng.normal(0, 0.003)) * current + zero
    noise = rng.normal(0, 1, (6, rows))
    busy_c, busy_d = mean(charge) > 0, mean(discharge) > 0
    meter = 1 + rng.normal(0, 0.002)
    unlike = rng.normal(0, 0.0007)
    cellv = step(mean(volts) + rng.normal(0, 0.0005) + 0.0007 * noise[0], 0.001)
    values = {
        "dc_current": step(mean(seen) + 0.0004 * nominal * noise[1], 0.1),
        "cell_voltage_mean": cellv,
        "dc_voltage": step(_CELLS * mean(volts) * (1 + rng.normal(0, 0.0005)) + 0.1 * noise[2], 0.1),
        "charge_power": np.maximum(step(mean(charge) * (meter + unlike) + 0.0006 * rating * noise[3] * busy_c, 0.1), 0),
        "discharge_power": np.maximum(
            step(mean(discharge) * (meter - unlike) + 0.0006 * rating * noise[4] * busy_d, 0.1), 0
        ),
        "state_of_charge": reported,
    }
    missing = rng.random(rows) < 0.002
    for begin in rng.integers(0, rows - 40, max(1, days // 20)):
        missing[begin : begin + int(rng.integers(2, 240 // each))] = True
    for v in values.values():
        v[missing] = np.nan
    stored = -(rest * current * coulombic)[current < 0].sum() * _CELLS / 60_000
    drawn_all = (rest * current)[current > 0].sum() * _CELLS / 60_000
    into, out = charge.sum() / 60, discharge.sum() / 60
    capacity = nominal * _CELLS * mean_voltage / 1000
    facts = {
        "rated_capacity": (rating, "kW"), "energy_capacity": (capacity, "kWh"), "charge_capacity": (nominal, "A h"),
        "cells_in_series": (float(_CELLS), "1"),
    }  # fmt: skip
    data = xr.Dataset(
        {k: (("time", "asset"), v[:, None]) for k, v in values.items()},
        coords={
            "time": pd.date_range("2024-03-01", periods=rows, freq=f"{each}min", unit="ns").to_numpy(),
            "asset": [f"{use} {chemistry} {number}"],
            "chemistry": ("asset", np.array([chemistry], dtype=object)),
            **{k: ("asset", [v], {"units": u}) for k, (v, u) in facts.items()},
        },
    )
    points = np.array([0, 1, 2, 3, *range(5, 96, 5), 97, 98, 99, 100])
    maker = np.round(new[points * 10], 3)
    efficiency = 100 * stored / into * out / drawn_all if into > 0 and out > 0 and drawn_all > 0 else float("nan")
    return Blind(
        f"{use} {chemistry} {number}", data, (points.astype(float), np.maximum.accumulate(maker)), 100 * mean(soc), 100 * health,
        efficiency, out / capacity,
    )  # fmt: skip


@numba.njit(cache=True)
def _managed(current: np.ndarray, full: float, first: float, soc: np.ndarray, high: float) -> np.ndarray:
    found = np.empty(len(current))
    x = first
    for i in range(len(current)):
        x -= 100 * current[i] / 60 / full
        if soc[i] > high - 0.004:
            x += 0.05 * (100 * soc[i] - x)
        x = min(max(x, 0.0), 100.0)
        found[i] = x
    return found


def batteries(days: int, numbers: int, **drift: Any) -> Iterator[Blind]:
    """All uses of all chemistries."""
    for use in USES:
        for chemistry in CHEMISTRIES:
            for number in range(numbers):
                yield battery(use, chemistry, days=days, number=number, **drift)
