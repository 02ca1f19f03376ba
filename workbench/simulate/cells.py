"""Racks of a battery and the cells in them.

A rack's cells are in series, its racks in parallel. In place of hundreds of cells a rack has the few that the portfolio
names, each standing for an equal number in series that behave alike. They differ by capacity, by how far they are charged, by
resistance and by how warm it is where they sit; what they show differs by their sensors too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.simulate import faults as fault_book
from workbench.simulate.dynamics import Clock
from workbench.simulate.faults import Fault
from workbench.simulate.noise import Floats, White, key_of, uniform

if TYPE_CHECKING:
    from workbench.model.assets import Asset, Site

#: Open-circuit voltage of an LFP cell by state of charge; beyond its ends, as a weak cell may get.
SOC = np.array([-0.06, 0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.97, 1.0, 1.05])
OCV = np.array([2.40, 2.80, 3.08, 3.18, 3.245, 3.285, 3.30, 3.33, 3.345, 3.37, 3.45, 3.60])
_BALANCED = 0.6  #: state of charge at which the cells of a rack are alike

CAPACITY, CHARGE, RESISTANCE, WARMTH = 0.004, 0.003, 0.04, 0.7  #: half ranges of the differences; the last [K]


class Cells:
    """Racks and cells of all batteries of one site."""

    def __init__(self, site: Site, batteries: list[Asset], seed: int) -> None:
        place = {asset.id: i for i, asset in enumerate(batteries)}
        self.racks = [asset for asset in site.of_type("battery_rack") if asset.parent in place]
        self.rack_ids = tuple(asset.id for asset in self.racks)
        at = {asset.id: i for i, asset in enumerate(self.racks)}
        cells = [asset for asset in site.of_type("battery_cell") if asset.parent in at]
        cells.sort(key=lambda asset: at[str(asset.parent)])
        self.cells = cells
        self.cell_ids = tuple(asset.id for asset in cells)
        self.battery = np.array([place[str(asset.parent)] for asset in self.racks], dtype=np.intp)
        self.rack = np.array([at[str(asset.parent)] for asset in cells], dtype=np.intp)
        self.first = np.flatnonzero(np.diff(self.rack, prepend=-1))
        r, c = len(self.racks), len(cells)
        u = uniform(key_of(seed, f"{site.id}/racks"), np.arange(3 * r)).reshape(3, r) - 0.5
        good = 1.0 + 0.01 * u[0]
        self.share = good / np.bincount(self.battery, good, minlength=len(batteries))[self.battery]  # of the current
        self._rack_warmth = 1.2 * u[1]
        self._rack_zero = 0.4 * u[2]
        u = 2.0 * uniform(key_of(seed, f"{site.id}/cells"), np.arange(4 * c)).reshape(4, c) - 1.0
        self._capacity = 1.0 + CAPACITY * u[0]
        self._charge = CHARGE * u[1]
        self._resistance = 1.0 + RESISTANCE * u[2]
        self._warmth = WARMTH * u[3] + self._rack_warmth[self.rack] if c else np.zeros(0)
        self._cell_noise = White(seed, f"{site.id}/cell sensors", c, 2)
        self._rack_noise = White(seed, f"{site.id}/rack sensors", r, 3)

    def whole(self, batteries: int) -> bool:
        """Whether every battery has racks with cells."""
        return (
            bool(len(self.cells))
            and set(self.battery.tolist()) == set(range(batteries))
            and (set(self.rack.tolist()) == set(range(len(self.racks))))
        )

    def step(
        self,
        clock: Clock,
        faults: list[Fault],
        soc: Floats,
        drop: Floats,
        warm: Floats,
        heat: Floats,
    ) -> tuple[Floats, Floats]:
        """Voltage [V] and temperature [degC] of the cells, [T, C] each.

        Parameters
        ----------
        soc
            [T, A] state of charge of the batteries, 0 to 1.
        drop
            [T, A] voltage that a usual cell loses to its resistance, positive while discharging [V].
        warm
            [T, A] mean temperature of the cells [degC].
        heat
            [T, A] power over the rating, squared.
        """
        noise = self._cell_noise.at(clock.second)
        battery = self.battery[self.rack]
        capacity, resistance = self._capacity, self._resistance
        weak = fault_book.strength(faults, "weak_cell", self.cell_ids, clock)
        if weak is not None:
            capacity = np.maximum(capacity - weak, 0.3)
        bad = fault_book.strength(faults, "cell_resistance", self.cell_ids, clock)
        if bad is not None:
            resistance = resistance * (1.0 + bad)
        own = _BALANCED + (soc[:, battery] - _BALANCED) / capacity + self._charge
        voltage = np.interp(own, SOC, OCV) - drop[:, battery] * resistance + 0.0004 * noise[0]
        hotter = 1.6 * heat[:, battery] * resistance  # than its coolant
        return voltage, warm[:, battery] + self._warmth + hotter - 1.6 * heat[:, battery] + 0.1 * noise[1]

    def lowest(self, values: Floats) -> Floats:
        """The lowest of each rack [T, R] of [T, C]."""
        return np.minimum.reduceat(values, self.first, axis=1)

    def highest(self, values: Floats) -> Floats:
        """The highest of each rack [T, R]."""
        return np.maximum.reduceat(values, self.first, axis=1)

    def mean(self, values: Floats) -> Floats:
        """The mean of each rack [T, R]."""
        return np.add.reduceat(values, self.first, axis=1) / np.bincount(self.rack)

    def rack_values(
        self, clock: Clock, voltage: Floats, warm: Floats, series: Floats, current: Floats, soc: Floats
    ) -> dict[str, Floats]:
        """What the racks say, [T, R] each; ``series`` [A] is the number of cells in series, ``current`` and ``soc`` [T, A]."""
        noise = self._rack_noise.at(clock.second)
        mean = self.mean(voltage)
        return {
            "dc_voltage": mean * series[self.battery] + 0.2 * noise[0],
            "dc_current": current[:, self.battery] * self.share + self._rack_zero + 0.2 * noise[1],
            "state_of_charge": np.clip(soc[:, self.battery] + 0.02 * noise[2], 0.0, 100.0),
            "cell_voltage_min": self.lowest(voltage),
            "cell_voltage_max": self.highest(voltage),
            "cell_voltage_mean": mean,
            "cell_temperature_min": self.lowest(warm),
            "cell_temperature_max": self.highest(warm),
            "cell_temperature_mean": self.mean(warm),
        }
