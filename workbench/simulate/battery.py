"""Battery storage: charge from noon's sun, deliver in the evening, answer to the grid's frequency.

Charge is what changes: by the current that the DC power and the cells' voltage make. The converter loses a share each way,
the cells what their resistance takes of that current, pumps and fans draw on top. So balances close, and a round trip splits
into cells, converter and auxiliaries.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from workbench.simulate import faults as fault_book
from workbench.simulate.cells import OCV, SOC, Cells
from workbench.simulate.codes import code
from workbench.simulate.dynamics import Clock, State, count_up, lag
from workbench.simulate.facts import number, rating, years_in_service
from workbench.simulate.faults import Fault
from workbench.simulate.grid import GridState
from workbench.simulate.noise import Floats, White, key_of, uniform
from workbench.simulate.weather import Weather

if TYPE_CHECKING:
    from workbench.model.assets import Asset, Site

CHARGE_HOURS = (9.0, 15.5)  #: by the site's clock
DISCHARGE_HOURS = (17.0, 21.5)
DEAD_BAND = 0.036  #: of the frequency response [Hz], NERC BAL-003
FULL_RESPONSE = 0.5  #: deviation beyond the dead band at which all power answers [Hz]
RAMP = 0.08  #: of the rating, per second
_AGEING = 2.0e-5  #: health lost per full cycle
_DROP = 0.07  #: voltage that a new cell loses to its resistance at rated power [V]
_USUAL = 0.5  #: share of the rating at which a data sheet's round trip is measured
_MEAN_OCV = float(np.trapezoid(np.interp(np.linspace(0, 1, 2001), SOC, OCV), dx=1 / 2000))
_GRID = np.linspace(0.0, 1.0, 2001)
#: Energy of a cell by state of charge, over its charge [V].
_ENERGY = np.concatenate(([0.0], np.cumsum(np.interp(0.5 * (_GRID[1:] + _GRID[:-1]), SOC, OCV)) / 2000.0))
_SOC_LIST, _OCV_LIST = SOC.tolist(), OCV.tolist()


@dataclass(frozen=True)
class Flow:
    """What went through batteries at [T] instants, [T, A] each; positive while discharging."""

    power: Floats  #: at the converter's AC side [kW]
    current: Floats  #: [A]
    charge: Floats  #: left after it [A h]
    drop: Floats  #: what the resistance takes of the voltage [V]
    dc_power: Floats  #: [kW]
    dc_voltage: Floats  #: [V]


class Batteries:
    """Battery systems of one site; each follows the same plan on its share of the solar power."""

    def __init__(self, site: Site, seed: int) -> None:
        self.assets: list[Asset] = site.of_type("battery")
        self.ids = tuple(asset.id for asset in self.assets)
        n = len(self.ids)
        self.rated = np.array([rating(asset) for asset in self.assets])
        self.capacity = np.array([asset.energy_capacity or 2.0 * rating(asset) for asset in self.assets])
        self.soc_min = np.array([number(asset, "soc_min", 5.0) for asset in self.assets]) / 100.0
        self.soc_max = np.array([number(asset, "soc_max", 95.0) for asset in self.assets]) / 100.0
        self.standby = np.array([number(asset, "standby_consumption", 0.003 * rating(asset)) for asset in self.assets])
        self.series = np.array([number(asset, "cells_in_series", 416.0) for asset in self.assets])
        usual = 1e3 * self.capacity / (self.series * _MEAN_OCV)
        self.ampere_hours = np.array(
            [number(asset, "charge_capacity", float(one)) for asset, one in zip(self.assets, usual, strict=True)]
        )
        self._resistance = _DROP * self.series / (1e3 * self.rated / (self.series * _MEAN_OCV))  # new, of all [Ohm]
        lost = _USUAL * _DROP / _MEAN_OCV
        trip = np.array([number(asset, "round_trip_efficiency", 0.87) for asset in self.assets])
        #: of the converter and its transformer, one way: what the data sheet's round trip leaves beside the cells
        self.one_way = np.minimum(np.sqrt(trip * (1.0 + lost) / (1.0 - lost)), 0.995)
        self.cells = Cells(site, self.assets, seed)
        self.seen_cells = self.cells.whole(n)
        self._connection = site.capacity
        self._nominal = site.grid_frequency_nominal
        u = uniform(key_of(seed, f"{site.id}/batteries"), np.arange(6 * n)).reshape(6, n) - 0.5
        self._phase = 1.0 + 0.004 * u[:3]
        self._first_soc = 0.30 + 0.2 * u[3]
        self._noise = White(seed, f"{site.id}/battery sensors", len(self.ids), 6)

    def start(self, ns: int) -> State:
        """A state to begin with: age and counters of one cycle a day since the first."""
        years = np.array([years_in_service(asset, ns) for asset in self.assets])
        cycles = np.floor(330.0 * years)
        health = 1.0 - 0.012 * np.minimum(years, 2.0) - _AGEING * cycles
        charged = np.floor(cycles * self.capacity * 0.85 / self.one_way)
        return {
            "charge": self._first_soc * self.ampere_hours * health,
            "health": health,
            "power": np.zeros(len(self.ids)),
            "cells": np.full(len(self.ids), 24.0),
            "inside": np.full(len(self.ids), 24.0),
            "charged": charged,
            "discharged": np.floor(charged * self.one_way**2),
            "cycles": cycles.astype(np.float64),
            "hours": np.floor(8700.0 * years),
        }

    def step(
        self,
        clock: Clock,
        weather: Weather,
        solar: Floats,
        grid: GridState,
        faults: Iterable[Fault],
        state: State,
        meter: str | None,
    ) -> dict[str, dict[str, Floats]]:
        """By kind of asset all variables, each [T, A]. ``solar`` [T] is what the inverters deliver [kW]."""
        n = len(self.ids)
        faults = list(faults)
        noise = self._noise.at(clock.second)
        out = fault_book.strength(faults, "outage", self.ids, clock)
        outage = np.zeros((len(clock.ns), n), dtype=bool) if out is None else out > 0
        left = fault_book.limit(faults, self.ids, meter, clock)
        ceiling = np.ones_like(outage, dtype=np.float64) if left is None else left
        ceiling = np.where(outage, 0.0, ceiling)
        _, hour = clock.local()
        off = grid.frequency - self._nominal
        response = -np.sign(off) * np.clip((np.abs(off) - DEAD_BAND) / FULL_RESPONSE, 0.0, 1.0)
        flow = self._dispatch(clock.dt, hour, solar, response, ceiling, state)
        power, dc = flow.power, flow.dc_power

        health: Floats = state["health"]
        soc = flow.charge / (self.ampere_hours * health)
        told = np.clip(100.0 * soc + _drift(faults, self.ids, clock), 0.0, 100.0)
        charge, discharge = np.maximum(-power, 0.0), np.maximum(power, 0.0)
        heat = (np.abs(power) / self.rated) ** 2
        ambient = weather.temperature[:, None]
        warm, state["cells"] = lag(23.0 + 0.12 * (ambient - 23.0) + 7.0 * heat, 5400.0, clock.dt, state["cells"])
        inside, state["inside"] = lag(ambient * 0.4 + 15.0 + 9.0 * heat, 1800.0, clock.dt, state["inside"])
        own_use = self.standby * (1.0 + 0.06 * np.abs(ambient - 22.0) + 2.5 * heat)
        terminals = np.where(outage, 0.0, power) - own_use

        per_hour = clock.dt / 3600.0
        charged, state["charged"] = count_up(charge * per_hour, state["charged"])
        discharged, state["discharged"] = count_up(discharge * per_hour, state["discharged"])
        through = 0.5 * (charge * self.one_way + discharge / self.one_way) * per_hour / self.capacity
        cycles, state["cycles"] = count_up(through, state["cycles"])
        state["health"] = health - _AGEING * through.sum(axis=0)
        hours, state["hours"] = count_up((np.abs(power) > 0.002 * self.rated) * per_hour, state["hours"])

        cells, cell_values = self._cells(clock, faults, soc, flow, warm, heat, noise[5])
        apparent = np.hypot(terminals, 0.02 * self.rated)
        reactive = 0.02 * self.rated + 0.002 * self.rated * noise[0]
        phases = (
            400.0 * (grid.voltage[:, None] + 0.005 * power / self.rated) * self._phase[:, None, :] + 0.1 * noise[1:4]
        )
        names = ("l1", "l2", "l3")
        room_up, room_down = self._taper(soc)
        values = {
            "active_power": terminals,
            "reactive_power": reactive,
            "apparent_power": apparent,
            "power_factor": np.clip(terminals / np.maximum(apparent, 1e-9), -1.0, 1.0),
            "power_setpoint": power,
            "reactive_power_setpoint": np.broadcast_to(0.02 * self.rated, power.shape),
            **{f"voltage_{name}": phases[k] for k, name in enumerate(names)},
            **{f"current_{name}": apparent * 1e3 / 3.0 / phases[k] for k, name in enumerate(names)},
            "grid_frequency": grid.frequency[:, None] * np.ones((1, n)),
            "state_of_charge": told,
            "state_of_health": np.broadcast_to(100.0 * state["health"], power.shape),
            "stored_energy": self.energy(told / 100.0, health),
            "charge_power": charge,
            "discharge_power": discharge,
            "charge_power_limit": np.where(outage, 0.0, self.rated * room_down),
            "discharge_power_limit": np.where(outage, 0.0, self.rated * room_up),
            "auxiliary_power": own_use,
            "dc_power": dc,
            "dc_voltage": flow.dc_voltage + 0.1 * noise[4],
            "dc_current": flow.current + 0.4 * noise[5],
            **cells,
            "coolant_temperature": warm - 2.5 - 1.5 * heat,
            "internal_temperature": inside,
            "heatsink_temperature": inside + 16.0 * heat,
            "ambient_temperature": ambient * np.ones((1, n)),
            "efficiency": np.broadcast_to(100.0 * self.one_way, power.shape),
            "energy_charged": charged,
            "energy_discharged": discharged,
            "cycle_count": np.floor(cycles),
            "operating_hours": hours,
            "regulation_signal": response[:, None] * np.ones((1, n)),
        }
        found = {"battery": values | self._states(power, outage, left, response)}
        racks = self.cells
        if cell_values is not None:
            found["battery_cell"] = cell_values
            found["battery_rack"] = racks.rack_values(
                clock, cell_values["voltage"], cell_values["cell_temperature"], self.series, flow.current, told
            )
        return found

    def energy(self, soc: Floats, health: Floats) -> Floats:
        """What the cells would give without resistance down to empty [kWh] at ``soc`` [T, A], 0 to 1."""
        return np.asarray(np.interp(soc, _GRID, _ENERGY) * self.ampere_hours * health * self.series / 1e3)

    def _cells(
        self, clock: Clock, faults: list[Fault], soc: Floats, flow: Flow, warm: Floats, heat: Floats, noise: Floats
    ) -> tuple[dict[str, Floats], dict[str, Floats] | None]:
        """Lowest, mean and highest of the cells of each battery [T, A]; and the cells themselves [T, C], if there are."""
        if self.seen_cells:
            voltage, temperature = self.cells.step(clock, faults, soc, flow.drop / self.series, warm, heat)
            first = np.flatnonzero(np.diff(self.cells.battery[self.cells.rack], prepend=-1))
            size = np.diff(np.append(first, len(self.cells.rack)))
            values = {}
            for name, one in (("voltage", voltage), ("temperature", temperature)):
                values[f"cell_{name}_mean"] = np.add.reduceat(one, first, axis=1) / size
                values[f"cell_{name}_min"] = np.minimum.reduceat(one, first, axis=1)
                values[f"cell_{name}_max"] = np.maximum.reduceat(one, first, axis=1)
            return values, {"voltage": voltage, "cell_temperature": temperature}
        mean = np.interp(soc, SOC, OCV) - flow.drop / self.series
        spread = 0.004 + 0.02 * np.clip(np.abs(soc - 0.5) - 0.35, 0.0, 1.0)
        return {
            "cell_voltage_mean": mean,
            "cell_voltage_min": mean - spread * (1.0 + 0.05 * noise),
            "cell_voltage_max": mean + spread * (1.0 + 0.05 * noise),
            "cell_temperature_mean": warm,
            "cell_temperature_min": warm - 1.2 - 1.0 * heat,
            "cell_temperature_max": warm + 1.5 + 2.0 * heat,
        }, None

    def _taper(self, soc: Floats) -> tuple[Floats, Floats]:
        """Share of the rating that may be delivered and taken, which falls near the limits of charge."""
        return np.clip((soc - self.soc_min) / 0.02, 0.0, 1.0), np.clip((self.soc_max - soc) / 0.03, 0.0, 1.0)

    def _dispatch(
        self, dt: float, hour: Floats, solar: Floats, response: Floats, ceiling: Floats, state: State
    ) -> Flow:
        """What goes through the batteries.

        A loop over instants: limits and state of charge hang on each other. Plain numbers are quickest here.
        """
        steps, n = ceiling.shape
        columns = [np.empty((steps, n)) for _ in range(6)]
        hours, sun, answer = hour.tolist(), solar.tolist(), response.tolist()
        health: Floats = state["health"]
        for a in range(n):
            rated, one_way, series = float(self.rated[a]), float(self.one_way[a]), float(self.series[a])
            usable = float(self.ampere_hours[a] * health[a])
            ohm = float(self._resistance[a] * (1.0 + 2.0 * (1.0 - health[a])))
            low, high = float(self.soc_min[a]) * usable, float(self.soc_max[a]) * usable
            charge, p = float(state["charge"][a]), float(state["power"][a])
            most = ceiling[:, a].tolist()
            soft = 0.02 * usable
            ramp = RAMP * rated * max(dt, 0.0)
            share = rated / float(self.rated.sum())
            volts = series * _MEAN_OCV / 1e3
            rows: list[tuple[float, float, float, float, float, float]] = []
            for i in range(steps):
                h, pv = hours[i], max(sun[i], 0.0) * share
                want = 0.0
                if CHARGE_HOURS[0] <= h < CHARGE_HOURS[1]:
                    need = (high - charge) * volts / one_way / max(CHARGE_HOURS[1] - 1.0 - h, 0.5)
                    want = -min(max(need, 0.0), 0.65 * pv)
                elif DISCHARGE_HOURS[0] <= h < DISCHARGE_HOURS[1]:
                    have = (charge - low) * volts * one_way / max(DISCHARGE_HOURS[1] - 0.4 - h, 0.5)
                    want = min(max(have, 0.0), max(self._connection * share - pv, 0.0))
                want += answer[i] * rated
                limit = most[i] * rated
                up = limit * min(max((charge - low) / soft, 0.0), 1.0)
                down = limit * min(max((high - charge) / soft, 0.0), 1.0)
                want = min(max(want, -down), up)
                p = min(max(want, p - ramp), p + ramp) if most[i] > 0 else 0.0
                soc = charge / usable
                k = min(max(bisect_right(_SOC_LIST, soc) - 1, 0), len(_SOC_LIST) - 2)
                part = (soc - _SOC_LIST[k]) / (_SOC_LIST[k + 1] - _SOC_LIST[k])
                open_volts = series * (_OCV_LIST[k] + part * (_OCV_LIST[k + 1] - _OCV_LIST[k]))
                watts = 1e3 * (p / one_way if p > 0 else p * one_way)
                # terminal power = (open - R I) I, of whose two solutions the smaller current is the one that runs
                amps = (open_volts - max(open_volts * open_volts - 4.0 * ohm * watts, 0.0) ** 0.5) / (2.0 * ohm)
                if dt > 0:  # whatever the ramp says, no more than is there or than there is room for
                    held = min(max(amps, -(high - charge) * 3600.0 / dt), (charge - low) * 3600.0 / dt)
                    if held != amps:
                        amps = held
                        watts = (open_volts - ohm * amps) * amps
                        p = watts / 1e3 * (one_way if watts > 0 else 1.0 / one_way)
                charge -= amps * dt / 3600.0
                rows.append((p, amps, charge, ohm * amps, watts / 1e3, open_volts - ohm * amps))
            for column, found in zip(columns, zip(*rows, strict=True), strict=True):
                column[:, a] = found
            state["charge"][a], state["power"][a] = charge, p
        return Flow(*columns)

    def _states(
        self, power: Floats, fault: npt.NDArray[np.bool_], left: Floats | None, response: Floats
    ) -> dict[str, Floats]:
        busy = 0.002 * self.rated
        status = np.full(power.shape, code("battery_status", "standby"))
        status[power > busy] = code("battery_status", "discharging")
        status[power < -busy] = code("battery_status", "charging")
        status[fault] = code("battery_status", "fault")
        service = np.full(power.shape, code("ancillary_service", "none"))
        service[response > 0] = code("ancillary_service", "regulation_up")
        service[response < 0] = code("ancillary_service", "regulation_down")
        limited = np.zeros(power.shape, dtype=bool) if left is None else left < 1.0
        connection = np.where(fault, code("grid_connection", "tripped"), code("grid_connection", "connected"))
        available = np.full(power.shape, code("availability_status", "available"))
        available[limited] = code("availability_status", "partially_available")
        available[fault] = code("availability_status", "forced_outage")
        mode = np.where(limited, code("operational_mode", "curtailed"), code("operational_mode", "normal"))
        return {
            "battery_status": status,
            "ancillary_service": service,
            "grid_connection": connection,
            "availability_status": available,
            "operational_mode": mode,
            "active_power_curtailment": limited.astype(np.float64),
            "reactive_power_mode": np.full(power.shape, code("reactive_power_mode", "Q_control")),
            "frequency_support": np.where(
                response[:, None] != 0, code("frequency_support", "active"), code("frequency_support", "enabled")
            )
            * np.ones(power.shape),
            "voltage_regulation": np.full(power.shape, code("voltage_regulation", "enabled")),
            "warning_code": np.zeros(power.shape),
            "fault_code": np.where(fault, 501.0, 0.0),
            "active_alarm": fault.astype(np.float64),
        }


def _drift(faults: list[Fault], ids: tuple[str, ...], clock: Clock) -> Floats | float:
    """By how much the reported state of charge has run away from the true one [%]; [T, A], or nothing."""
    found: Floats | float = 0.0
    for fault in faults:
        if fault.kind == "soc_drift":
            rate = fault_book.strength([fault], "soc_drift", ids, clock)
            if rate is not None:
                found = found + rate * ((clock.ns - fault.start) / 86_400e9)[:, None]
    return found
