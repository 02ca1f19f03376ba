"""Voltage at rest by state of charge: curves of usual chemistries, or one learned from a battery's own rests.

A voltage tells the state of charge as well as the curve is steep. Between 20 and 90 % a cell of lithium iron
phosphate has next to no slope; there its rests tell next to nothing, and the uncertainty that is given says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.storage.fields import Floats, fact, maybe, names_of, texts
from workbench.model.errors import InputError

#: Error of an aged curve over the capacity lost [V], by the state of charge [%]; of iron phosphate. It is what
#: ``aged_curve`` leaves of curves of half-cells in the literature, at balances of the electrodes 5 % about theirs.
AGED_UNLIKE = ((0.0, 10.0, 20.0, 85.0, 92.0, 100.0), (0.6, 0.4, 0.25, 0.25, 0.35, 0.35))
AGED_UNLIKE_FLAT = ((0.0, 10.0, 30.0, 40.0, 100.0), (1.0, 0.3, 0.2, 0.06, 0.06))
_GRID = np.linspace(0.0, 100.0, 1001)


@dataclass(frozen=True)
class OpenCircuitCurve:
    """Voltage of a cell at rest.

    Attributes
    ----------
    soc
        State of charge, rising from 0 to 100 [%].
    voltage
        Of a cell at rest, never falling [V].
    uncertainty
        Standard uncertainty of the voltage of a rested cell beside the curve, hysteresis and sensor included [V].
    systematic
        The part of it that is the same in every cycle, as that of the curve itself [V].
    of_new_cell
        Whether it is that of the cell when new. The curve of a cell that has aged is another (see ``aged_curve``), which is then
        allowed for; not so of one that was measured or learned lately.

    Raises
    ------
    InputError
        The points are not rising.
    """

    soc: Floats
    voltage: Floats
    uncertainty: float = 0.005
    systematic: float = 0.002
    of_new_cell: bool = True
    _fine: Floats = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        soc, voltage = np.asarray(self.soc, dtype=np.float64), np.asarray(self.voltage, dtype=np.float64)
        if len(soc) < 2 or len(soc) != len(voltage) or (np.diff(soc) <= 0).any() or (np.diff(voltage) < 0).any():
            raise InputError(
                "an open-circuit curve rises", where="curve", found=f"{soc.tolist()}, {voltage.tolist()}"[:120]
            )
        object.__setattr__(self, "soc", soc)
        object.__setattr__(self, "voltage", voltage)
        # a plateau gets the least of slopes, so that the inverse is a function
        object.__setattr__(self, "_fine", np.interp(_GRID, soc, voltage) + 1e-7 * _GRID)

    def at(self, soc: npt.ArrayLike) -> Floats:
        """Voltage at rest [V] at states of charge [%]."""
        return np.asarray(np.interp(np.asarray(soc, dtype=np.float64), self.soc, self.voltage), dtype=np.float64)

    def charge(self, voltage: npt.ArrayLike) -> Floats:
        """State of charge [%] at voltages at rest [V]; the ends of the curve beyond them."""
        return np.asarray(np.interp(np.asarray(voltage, dtype=np.float64), self._fine, _GRID), dtype=np.float64)

    def deviation(self, voltage: npt.ArrayLike, uncertainty: npt.ArrayLike | None = None) -> Floats:
        """Standard uncertainty of that state of charge [%], by the curve's slope within the voltage's uncertainty [V]."""
        off = np.asarray(self.uncertainty if uncertainty is None else uncertainty, dtype=np.float64)
        v = np.asarray(voltage, dtype=np.float64)
        low, high = self.charge(v - off), self.charge(v + off)
        # at an end of the curve one side is cut off: the other tells
        half = np.maximum(high - low, 2 * np.minimum(self.charge(v) - low, 100.0)) / 2
        found: Floats = np.maximum(half, np.maximum(high - self.charge(v), 0.1))
        return found

    @property
    def flat(self) -> bool:
        """Whether it is that of iron phosphate, by its mean voltage."""
        return self.mean_voltage < 3.35

    def ageing(self, lost: float) -> float:
        """Standard uncertainty of the voltage of a cell that has lost a share of its capacity, against that of the new one [V]."""
        return (0.12 if self.flat else 0.25) * max(lost, 0.0) if self.of_new_cell else 0.0

    def ageing_at(self, soc: npt.ArrayLike, lost: float) -> Floats:
        """Standard uncertainty of the state of charge by the voltage of a cell that has lost a share of its capacity [%], at states of charge [%].

        At the ends of the range it is more than :meth:`ageing` has it, which is that of the middle.
        """
        at = np.asarray(soc, dtype=np.float64)
        if not self.of_new_cell:
            return np.zeros(at.shape)
        volts = lost * np.interp(at, *(AGED_UNLIKE_FLAT if self.flat else AGED_UNLIKE))
        return self.deviation(self.at(at), volts)

    @property
    def mean_voltage(self) -> float:
        """Mean over the charge: energy over charge of a cell [V]."""
        return float(np.trapezoid(self._fine, _GRID) / 100.0)

    def energy_share(self, soc: npt.ArrayLike) -> Floats:
        """Share of the energy that is in the cell [1] at states of charge [%]."""
        steps = np.concatenate([[0.0], np.cumsum((self._fine[1:] + self._fine[:-1]) / 2)])
        return np.asarray(np.interp(np.asarray(soc, dtype=np.float64), _GRID, steps / steps[-1]), dtype=np.float64)


def _curve(voltage: list[float], uncertainty: float, systematic: float) -> OpenCircuitCurve:
    soc = np.array([0.0, 5.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 97.0, 100.0])
    return OpenCircuitCurve(soc, np.array(voltage), uncertainty, systematic)


#: Typical curves against graphite at 25 degC, of no maker in particular: good for finding where a count has run off. For
#: figures of health learn the battery's own with :func:`learn_curve`, or give the maker's.
CURVES: dict[str, OpenCircuitCurve] = {
    "LFP": _curve([2.80, 3.08, 3.18, 3.245, 3.265, 3.285, 3.2925, 3.30, 3.315, 3.33, 3.345, 3.37, 3.45], 0.004, 0.002),
    "NMC": _curve([3.00, 3.37, 3.45, 3.55, 3.61, 3.65, 3.70, 3.79, 3.90, 4.00, 4.09, 4.15, 4.19], 0.008, 0.005),
    "NCA": _curve([3.00, 3.30, 3.42, 3.53, 3.60, 3.65, 3.71, 3.80, 3.90, 4.00, 4.08, 4.14, 4.18], 0.008, 0.005),
    "LCO": _curve([3.00, 3.60, 3.68, 3.74, 3.77, 3.80, 3.83, 3.88, 3.95, 4.03, 4.11, 4.17, 4.20], 0.008, 0.005),
}

Curves = OpenCircuitCurve | Mapping[str, OpenCircuitCurve]


def curves_of(data: xr.Dataset, curve: Curves | None = None) -> list[OpenCircuitCurve | None]:
    """The curve of each asset: that given (one for all, or by asset), else that of its ``chemistry``; None where unknown."""
    if isinstance(curve, OpenCircuitCurve):
        return [curve] * data.sizes["asset"]
    found = []
    for name, chemistry in zip(names_of(data), texts(data, "chemistry"), strict=True):
        own = None if curve is None else curve.get(name)
        found.append(own or CURVES.get(chemistry.upper().replace("LIFEPO4", "LFP").strip()))
    return found


def cells_of(data: xr.Dataset) -> Floats:
    """Cells in series of each battery: the coordinate, or DC voltage over mean cell voltage; NaN where neither."""
    cells = fact(data, "cells_in_series")
    string, cell = maybe(data, "dc_voltage"), maybe(data, "cell_voltage_mean")
    if string is None or cell is None:
        return cells
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(cell > 0.5, string / cell, np.nan)
    for column in np.flatnonzero(np.isnan(cells) & np.isfinite(ratio).any(axis=0)):
        cells[column] = np.round(np.nanmedian(ratio[:, column]))
    return cells


def cell_voltage(data: xr.Dataset) -> Floats | None:
    """Mean voltage of the cells [time, asset] [V]: measured, or DC voltage over the number in series; None where neither."""
    mean = maybe(data, "cell_voltage_mean")
    if mean is not None:
        return mean
    low, high = maybe(data, "cell_voltage_min"), maybe(data, "cell_voltage_max")
    string, cells = maybe(data, "dc_voltage"), fact(data, "cells_in_series")
    if string is not None and np.isfinite(cells).any():
        return string / cells
    return None if low is None or high is None else (low + high) / 2


def charge_capacity(data: xr.Dataset, curves: list[OpenCircuitCurve | None]) -> Floats:
    """Charge capacity when new [A h], [asset]: the coordinate ``charge_capacity``, or energy over mean voltage; NaN where unknown."""
    given = fact(data, "charge_capacity")
    mean = np.array([np.nan if one is None else one.mean_voltage for one in curves])
    by_energy = 1000.0 * fact(data, "energy_capacity") / (cells_of(data) * mean)
    return np.where(np.isfinite(given), given, by_energy)
