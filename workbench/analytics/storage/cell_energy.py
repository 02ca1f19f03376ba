"""Energy stored in the cells and drawn from them, by the current: what the losses of one way are told apart from the other's by.

Their ratio needs no scale of the current, as that is in both; but a zero that is off by a thousandth of the capacity per hour makes several
per cent of it in a month. The sensor itself shows its zero while the converter stands still. The change of the content, by the state of
charge, tells the same: what was stored is what was drawn, what the content gained and what discharged by itself. Both are put together
as surely as each is; neither is believed alone. Of the charge that goes in a little does not come out again [1]_.

References
----------
.. [1] A. J. Smith, J. C. Burns, S. Trussler and J. R. Dahn, "Precision measurements of the coulombic efficiency of lithium-ion batteries and
   of electrode materials for lithium-ion batteries", J. Electrochem. Soc. 157, 2010, A196, https://doi.org/10.1149/1.3268129.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy.ndimage import minimum_filter1d

from workbench.analytics.storage.fields import Bools, Floats, Ints, Power, maybe, slot_hours
from workbench.analytics.storage.open_circuit import charge_capacity, curves_of

_ZERO = 0.002  #: standard deviation of the current sensor's zero, over the capacity [1/h]
_STANDBY = 5e-5  #: current that flows while the converter stands still, over the capacity, standard uncertainty [1/h]
_IDLE = 1e-4  #: of the largest power, below which the converter stands still [1]
_AROUND = 0.5  #: before and after which it must stand still too, as a little power may be below what a meter tells [h]
_LEAST_IDLE = 3.0  #: time at which the sensor shows its zero [h]
_PLAIN = 4.0  #: times its noise that a current has which flows while no power is told
#: Charge that comes out over that which goes in, mean and standard uncertainty [1]. What is lost by time [1]_ is in the self-discharge.
_COULOMBIC = (0.9995, 0.0005)
_BY_ITSELF = (0.01, 0.01)  #: of the capacity in thirty days, the same [1]
_SCALE = 0.02  #: of the content's measure against the charge's, standard uncertainty [1]


@dataclass(frozen=True)
class CellEnergy:
    """Of one battery; each [time], NaN where it is not told.

    Attributes
    ----------
    stored, drawn
        At the voltage at rest, in the measure of the content [kWh].
    per_zero
        By how much a zero of the sensor of one full charge per hour, taken for discharging, would raise what is drawn less what is
        stored [kWh h], where the battery is used.
    charging
        Of ``per_zero``, the part that is lacking in what is stored [1].
    full
        Content of the full battery [kWh].
    idle
        Where the converter stands still and the sensor shows its zero.
    noise
        Of a slot's current [1/h], 0 where no zero is shown.
    """

    stored: Floats
    drawn: Floats
    per_zero: Floats
    charging: Floats
    full: float
    idle: Bools
    noise: float


def cell_energies(data: xr.Dataset, power: Power, content: Floats) -> list[CellEnergy | None]:
    """What went into the cells of each battery and came out of them; None where no current tells it.

    Of a slot in which both were done the energies tell how much, as the current's mean is their difference.
    """
    size = content.shape[1]
    current = maybe(data, "dc_current")
    if current is None:
        volts, dc = maybe(data, "dc_voltage"), maybe(data, "dc_power")
        if volts is None or dc is None:
            return [None] * size
        with np.errstate(invalid="ignore", divide="ignore"):
            current = np.where(volts > 0, 1000.0 * dc / volts, np.nan)
    soc = maybe(data, "soc_recount")
    soc = maybe(data, "state_of_charge") if soc is None else soc
    curves = curves_of(data)
    nominal = charge_capacity(data, curves)
    found: list[CellEnergy | None] = []
    for column, curve in enumerate(curves):
        level = np.ones(len(content))
        if curve is not None and soc is not None:
            level = np.nan_to_num(curve.at(soc[:, column]), nan=curve.mean_voltage) / curve.mean_voltage
        found.append(
            _one(
                current[:, column],
                level,
                content[:, column],
                power.charge[:, column],
                power.discharge[:, column],
                slot_hours(data),
                nominal[column],
            )
        )
    return found


def _one(
    current: Floats, level: Floats, content: Floats, charge: Floats, discharge: Floats, hours: float, nominal: float
) -> CellEnergy | None:
    known = np.isfinite(current) & np.isfinite(content)
    if known.sum() < 20:
        return None
    least = max(0.04 * float(np.ptp(content[known])), 1e-6)
    per = slope_of(-level * current, content, known, hours, least)  # [A h / kWh]
    if not np.isfinite(per):
        return None
    full = nominal / per if np.isfinite(nominal) else float(np.max(content[known]))
    with np.errstate(invalid="ignore"):
        largest = np.nanmax(charge + discharge, initial=0.0)
        still = known & (charge + discharge < _IDLE * largest)
        both = (charge > 1e-3 * discharge) & (discharge > 1e-3 * charge)
    rate = current / (per * full)
    idle = minimum_filter1d(still, 2 * max(1, round(_AROUND / hours)) + 1, mode="nearest")
    zero, noise = _zero(rate, idle, hours)
    with np.errstate(invalid="ignore"):
        # a converter that has just begun or ended takes from the cells for itself what its meter does not show
        still &= idle | (np.abs(rate - zero) < _PLAIN * noise)
    flow = level * (rate - zero) * full * hours
    passed = np.where(both, (charge + discharge) * hours, np.abs(flow))
    into, out = np.where(still, 0.0, (passed - flow) / 2), np.where(still, 0.0, (passed + flow) / 2)
    into[~known] = out[~known] = np.nan
    share = np.where(both, 0.5, np.where(flow < 0, 1.0, 0.0))
    return CellEnergy(into, out, np.where(still, 0.0, level * full * hours), share, full, idle, noise)


def _zero(rate: Floats, idle: Bools, hours: float) -> tuple[Floats, float]:
    """Zero of the sensor [1/h], [time], as it is shown day by day while the converter stands still, and the noise of a slot [1/h]; 0 and 0 where it is not."""
    if idle.sum() * hours < _LEAST_IDLE:
        return np.zeros(len(rate)), 0.0
    at = np.arange(len(rate)) * hours / 24.0
    day = np.unique(np.floor(at[idle]), return_inverse=True)[1]
    count = np.bincount(day)
    shown = np.bincount(day, rate[idle]) / count
    noise = float(np.sqrt(np.mean((rate[idle] - shown[day]) ** 2)))
    return np.interp(at, np.bincount(day, at[idle]) / count, shown), max(noise, 1e-9)


def stored_over_drawn(
    cells: CellEnergy, rows: Ints, change: float, variance: float, days: float
) -> tuple[float, float, float]:
    """Energy stored over energy drawn [1], the standard uncertainty of its logarithm, and by how many its parts are at odds.

    Parameters
    ----------
    cells
        Of one battery.
    rows
        Slots it is asked of.
    change, variance
        Of the content over these slots [kWh], [kWh^2]; NaN where it is not known.
    days
        How long these are [day].
    """
    into, out = float(np.nansum(cells.stored[rows])), float(np.nansum(cells.drawn[rows]))
    per = cells.per_zero[rows]
    into_zero, out_zero = float((per * cells.charging[rows]).sum()), float((per * (1 - cells.charging[rows])).sum())
    if not into > 0 or not out > 0:
        return float("nan"), float("nan"), 0.0
    zero_std = _ZERO
    if cells.noise:
        zero_std = float(np.hypot(_STANDBY, cells.noise / np.sqrt(max(cells.idle[rows].sum(), 1))))
    # unknowns: coulombic efficiency, what is left of the zero, self-discharge [kWh]; by priors and by one observation
    mean = np.array([_COULOMBIC[0], 0.0, _BY_ITSELF[0] * cells.full * days / 30.0])
    cov = np.diag([_COULOMBIC[1], zero_std, _BY_ITSELF[1] * cells.full * days / 30.0]) ** 2
    odds = 0.0
    if np.isfinite(change):
        h = np.array([into, mean[0] * into_zero + out_zero, -1.0])
        total = float(h @ cov @ h) + variance + (_SCALE * change) ** 2
        off = change - (mean[0] * into - out - mean[2])
        gain = cov @ h / total
        mean, cov = mean + gain * off, cov - np.outer(gain, h @ cov)
        odds = abs(off) / np.sqrt(total)
    stored, drawn = mean[0] * (into + mean[1] * into_zero), out - mean[1] * out_zero
    if not stored > 0 or not drawn > 0:
        return float("nan"), float("nan"), odds
    g = np.array([1.0 / mean[0], mean[0] * into_zero / stored + out_zero / drawn, 0.0])
    return stored / drawn, float(np.sqrt(max(g @ cov @ g, 0.0))), odds


def slope_of(flow: Floats, content: Floats, known: Bools, hours: float, least: float) -> float:
    """What of ``flow`` [1/h] changes ``content`` by one; NaN where the content swings too little.

    Counted within blocks of two days less a start and a drift each, as losses and a sensor's zero add up to much over months.
    """
    run = np.cumsum(~known)
    block = (np.arange(len(content)) * hours // 48.0).astype(np.int64)
    group = np.unique((block * (run[-1] + 1) + run)[known], return_inverse=True)[1]
    if not len(group):
        return float("nan")
    steps = np.where(known, flow, 0.0) * hours
    count_, part, t = (np.cumsum(steps) - steps / 2)[known], content[known], np.arange(len(content))[known] * hours
    count = np.bincount(group)

    def without(series: Floats) -> Floats:
        apart = t - (np.bincount(group, t) / count)[group]
        off = series - (np.bincount(group, series) / count)[group]
        square = np.bincount(group, apart**2)
        slope = np.bincount(group, apart * off) / np.where(square > 0, square, 1.0)
        found: Floats = off - apart * slope[group]
        return found

    count_, part = without(count_), without(part)
    spread = float((part**2).mean())
    if spread < least**2:
        return float("nan")
    told = float((count_ * part).mean()) / spread
    residual = float(((count_ - told * part) ** 2).mean())
    return told if told > 0 and residual < 0.1 * told**2 * spread else float("nan")
