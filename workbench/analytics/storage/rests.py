"""Rests of batteries, and the state of charge that the voltage tells there."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import xarray as xr

from workbench.analytics.storage.fields import Bools, Floats, maybe, slot_hours
from workbench.analytics.storage.open_circuit import OpenCircuitCurve, cell_voltage, cells_of
from workbench.model.errors import InputError

RELAXATION = 0.5  #: time in which polarisation dies away to a third [h]
SLOW = 2.5  #: and its slow part, of the lithium that spreads within particles and electrodes [h]
_SLOW_SHARE = 0.2  #: of the quick drop, standard uncertainty of that part [1]
_AGED = 0.1  #: capacity lost of a battery whose health is not reported [1]
REST_RATE = 0.02  #: a current below this share of the capacity per hour is rest [1/h]
_REMEMBERED = 0.03  #: and what is left of earlier current, fading with RELAXATION [1/h]
_WORST = 5.0  #: a voltage that tells the state of charge less well is not asked [%]


@dataclass(frozen=True)
class Rests:
    """What rests tell; each [time, asset].

    Attributes
    ----------
    charge
        State of charge by the voltage [%]; NaN where the battery does not rest or the voltage does not tell.
    deviation
        Its standard uncertainty [%].
    systematic
        The part that is the same in every cycle [%].
    resting
        Whether it rests.
    current
        Positive while discharging [A].
    voltage
        Of a cell at rest, freed of the small current's drop [V]; NaN where it does not rest.
    left
        Drop of the current that fades with :data:`RELAXATION`, were its slow part as large as the quick one [V]; negative after discharging.
    slow
        The same with :data:`SLOW`.
    """

    charge: Floats
    deviation: Floats
    systematic: Floats
    resting: Bools
    current: Floats
    voltage: Floats
    left: Floats
    slow: Floats


@numba.njit(cache=True, nogil=True)
def _memory(rate: Floats, keep: float) -> Floats:
    """Earlier current that fades, [time]; after a gap as if it had run at half its capacity per hour."""
    found = np.empty(len(rate))
    left = 0.5
    for i in range(len(rate)):
        left = 0.5 if np.isnan(rate[i]) else keep * left + (1.0 - keep) * abs(rate[i])
        found[i] = left
    return found


@numba.njit(cache=True, nogil=True)
def _signed(rate: Floats, keep: float) -> Floats:
    """Earlier current that fades, with its sign, [time]; none after a gap."""
    found = np.empty(len(rate))
    left = 0.0
    for i in range(len(rate)):
        left = 0.0 if np.isnan(rate[i]) else keep * left + (1.0 - keep) * rate[i]
        found[i] = left
    return found


def current_of(data: xr.Dataset) -> Floats:
    """DC current [time, asset] [A]: measured, or DC power over DC voltage.

    Raises
    ------
    InputError
        Neither is there.
    """
    current = maybe(data, "dc_current")
    if current is not None:
        return current
    power, voltage = maybe(data, "dc_power"), maybe(data, "dc_voltage")
    if voltage is None:
        mean = maybe(data, "cell_voltage_mean")
        voltage = None if mean is None else mean * cells_of(data)
    if power is None or voltage is None:
        raise InputError(
            "there is no DC current to count",
            where="data",
            expected="dc_current [A], or dc_power [kW] with dc_voltage [V]",
            hint="battery_health with the reported state of charge and the AC power, which says less",
        )
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(voltage > 0, 1000.0 * power / voltage, np.nan)


def rests(data: xr.Dataset, curves: list[OpenCircuitCurve | None], capacity: Floats) -> Rests:
    """Rests of each battery and what its voltage tells there.

    Parameters
    ----------
    data
        dims (time, asset), see :func:`current_of` and :func:`~workbench.analytics.storage.open_circuit.cell_voltage`.
    curves, capacity
        Of each battery; charge capacity [A h].

    Notes
    -----
    A battery rests while its current, and what fades of that before, are small. The voltage is freed of the small
    current's drop by the resistance that the voltage's changes show; half a resistance's worth of the fading current is
    taken as uncertainty.
    """
    current, voltage = current_of(data), cell_voltage(data)
    shape = current.shape
    charge, deviation, systematic, volts, fading, slow = (np.full(shape, np.nan) for _ in range(6))
    health = maybe(data, "state_of_health")
    resting = np.zeros(shape, dtype=bool)
    keep = float(np.exp(-slot_hours(data) / RELAXATION))
    for column in range(shape[1]):
        full, curve = capacity[column], curves[column]
        if not np.isfinite(full):
            continue
        rate = current[:, column] / full
        left = _memory(rate, keep)
        with np.errstate(invalid="ignore"):
            resting[:, column] = (np.abs(rate) < REST_RATE) & (left < _REMEMBERED)
        if curve is None or voltage is None:
            continue
        at = resting[:, column] & np.isfinite(voltage[:, column])
        if not at.any():
            continue
        resistance = _resistance(rate, voltage[:, column])
        open_ = voltage[at, column] + resistance * rate[at]
        lasting = _signed(rate, float(np.exp(-slot_hours(data) / SLOW)))
        known = np.zeros(0) if health is None else health[np.isfinite(health[:, column]), column]
        ageing = curve.ageing(1.0 - float(np.median(known)) / 100.0 if len(known) else _AGED)
        off = np.sqrt(
            curve.uncertainty**2
            + (0.5 * resistance * left[at]) ** 2
            + (_SLOW_SHARE * resistance * lasting[at]) ** 2
            + ageing**2
        )
        found = curve.deviation(open_, off)
        charge[at, column] = np.where(found <= _WORST, curve.charge(open_), np.nan)
        deviation[at, column] = np.where(found <= _WORST, found, np.nan)
        systematic[at, column] = curve.deviation(open_, float(np.hypot(curve.systematic, ageing)))
        volts[at, column] = open_
        fading[at, column] = -resistance * _signed(rate, keep)[at]
        slow[at, column] = -resistance * lasting[at]
    return Rests(charge, deviation, systematic, resting, current, volts, fading, slow)


def _resistance(rate: Floats, voltage: Floats) -> float:
    """Voltage drop of a cell at its capacity per hour [V]: by the changes from slot to slot; 50 mV where they do not tell."""
    up, fall = np.diff(rate), -np.diff(voltage)
    with np.errstate(invalid="ignore"):
        use = (np.abs(up) > 0.005) & np.isfinite(fall)
    if use.sum() < 20 or (up[use] ** 2).sum() < 20 * 0.02**2:
        return 0.05
    up, fall = up[use], fall[use]
    # large changes weigh most; steep ends of the curve, where the voltage moves by itself, least
    weight = np.ones(len(up))
    found = 0.05
    for _ in range(5):
        found = float((weight * up * fall).sum() / (weight * up**2).sum())
        off = np.abs(fall - found * up)
        weight = np.minimum(1.0, 1.5 * np.median(off) / np.maximum(off, 1e-9))
    return float(np.clip(found, 0.0, 0.5))
