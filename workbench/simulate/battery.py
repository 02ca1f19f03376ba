"""Battery storage: charge from noon's sun, deliver in the evening, answer to the grid's frequency.

Energy stored changes by what goes through the converter and the cells, each way at the square root of the
round-trip efficiency; pumps and fans draw on top of it. So energy balances close: charged x efficiency -
discharged / efficiency = change of the energy stored.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from workbench.simulate import faults as fault_book
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
#: Open-circuit voltage of an LFP cell by state of charge.
_SOC = np.array([0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.97, 1.0])
_OCV = np.array([2.80, 3.08, 3.18, 3.245, 3.285, 3.30, 3.33, 3.345, 3.37, 3.45])
_RESISTANCE = 0.055  #: voltage drop of a cell at rated power [V]


class Batteries:
    """Battery systems of one site; each follows the same plan on its share of the solar power."""

    def __init__(self, site: Site, seed: int) -> None:
        self.assets: list[Asset] = site.of_type("battery")
        self.ids = tuple(asset.id for asset in self.assets)
        n = len(self.ids)
        self.rated = np.array([rating(asset) for asset in self.assets])
        self.capacity = np.array([asset.energy_capacity or 2.0 * rating(asset) for asset in self.assets])
        self.one_way = np.sqrt([number(asset, "round_trip_efficiency", 0.87) for asset in self.assets])
        self.soc_min = np.array([number(asset, "soc_min", 5.0) for asset in self.assets]) / 100.0
        self.soc_max = np.array([number(asset, "soc_max", 95.0) for asset in self.assets]) / 100.0
        self.standby = np.array([number(asset, "standby_consumption", 0.003 * rating(asset)) for asset in self.assets])
        self._cells = np.array([number(asset, "cells_in_series", 416.0) for asset in self.assets])
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
            "stored": self._first_soc * self.capacity * health,
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
    ) -> dict[str, Floats]:
        """All variables, each [T, A]. ``solar`` [T] is what the inverters deliver [kW]."""
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
        power, stored = self._dispatch(clock.dt, hour, solar, response, ceiling, state)

        health: Floats = state["health"]
        usable = self.capacity * health
        soc = stored / usable
        charge, discharge = np.maximum(-power, 0.0), np.maximum(power, 0.0)
        heat = (np.abs(power) / self.rated) ** 2
        ambient = weather.temperature[:, None]
        cells, state["cells"] = lag(23.0 + 0.12 * (ambient - 23.0) + 7.0 * heat, 5400.0, clock.dt, state["cells"])
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

        dc = np.where(power > 0, power / self.one_way, power * self.one_way)
        mean = np.interp(soc, _SOC, _OCV) - _RESISTANCE * dc / self.rated
        spread = 0.004 + 0.02 * np.clip(np.abs(soc - 0.5) - 0.35, 0.0, 1.0)
        string = mean * self._cells
        apparent = np.hypot(terminals, 0.02 * self.rated)
        reactive = 0.02 * self.rated + 0.002 * self.rated * noise[0]
        phases = (
            400.0 * (grid.voltage[:, None] + 0.005 * power / self.rated) * self._phase[:, None, :] + 0.1 * noise[1:4]
        )
        names = ("l1", "l2", "l3")
        room_up, room_down = self._taper(stored, usable)
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
            "state_of_charge": 100.0 * soc,
            "state_of_health": np.broadcast_to(100.0 * state["health"], power.shape),
            "stored_energy": stored,
            "charge_power": charge,
            "discharge_power": discharge,
            "charge_power_limit": np.where(outage, 0.0, self.rated * room_down),
            "discharge_power_limit": np.where(outage, 0.0, self.rated * room_up),
            "dc_power": dc,
            "dc_voltage": string + 0.1 * noise[4],
            "dc_current": dc * 1e3 / string,
            "cell_voltage_mean": mean,
            "cell_voltage_min": mean - spread * (1.0 + 0.05 * noise[5]),
            "cell_voltage_max": mean + spread * (1.0 + 0.05 * noise[5]),
            "cell_temperature_mean": cells,
            "cell_temperature_min": cells - 1.2 - 1.0 * heat,
            "cell_temperature_max": cells + 1.5 + 2.0 * heat,
            "coolant_temperature": cells - 2.5 - 1.5 * heat,
            "internal_temperature": inside,
            "heatsink_temperature": inside + 16.0 * heat,
            "ambient_temperature": ambient * np.ones((1, n)),
            "efficiency": np.broadcast_to(100.0 * self.one_way**2, power.shape),
            "energy_charged": charged,
            "energy_discharged": discharged,
            "cycle_count": np.floor(cycles),
            "operating_hours": hours,
            "regulation_signal": response[:, None] * np.ones((1, n)),
        }
        return values | self._states(power, outage, left, response)

    def _taper(self, stored: Floats, usable: Floats) -> tuple[Floats, Floats]:
        """Share of the rating that may be delivered and taken, which falls near the limits of charge."""
        soc = stored / usable
        return np.clip((soc - self.soc_min) / 0.02, 0.0, 1.0), np.clip((self.soc_max - soc) / 0.03, 0.0, 1.0)

    def _dispatch(
        self, dt: float, hour: Floats, solar: Floats, response: Floats, ceiling: Floats, state: State
    ) -> tuple[Floats, Floats]:
        """Power at the converter, positive while discharging, and energy stored; [T, A] [kW], [kWh].

        A loop over instants: limits and state of charge hang on each other. Plain numbers are quickest here.
        """
        steps, n = ceiling.shape
        power, stored = np.empty((steps, n)), np.empty((steps, n))
        hours, sun, answer = hour.tolist(), solar.tolist(), response.tolist()
        for a in range(n):
            rated, one_way = float(self.rated[a]), float(self.one_way[a])
            usable = float(self.capacity[a] * state["health"][a])
            low, high = float(self.soc_min[a]) * usable, float(self.soc_max[a]) * usable
            energy, p = float(state["stored"][a]), float(state["power"][a])
            most = ceiling[:, a].tolist()
            soft = 0.02 * usable
            ramp = RAMP * rated * max(dt, 0.0)
            share = rated / float(self.rated.sum())
            for i in range(steps):
                h, pv = hours[i], max(sun[i], 0.0) * share
                want = 0.0
                if CHARGE_HOURS[0] <= h < CHARGE_HOURS[1]:
                    need = (high - energy) / one_way / max(CHARGE_HOURS[1] - 1.0 - h, 0.5)
                    want = -min(max(need, 0.0), 0.65 * pv)
                elif DISCHARGE_HOURS[0] <= h < DISCHARGE_HOURS[1]:
                    have = (energy - low) * one_way / max(DISCHARGE_HOURS[1] - 0.4 - h, 0.5)
                    want = min(max(have, 0.0), max(self._connection * share - pv, 0.0))
                want += answer[i] * rated
                limit = most[i] * rated
                up = limit * min(max((energy - low) / soft, 0.0), 1.0)
                down = limit * min(max((high - energy) / soft, 0.0), 1.0)
                want = min(max(want, -down), up)
                p = min(max(want, p - ramp), p + ramp) if most[i] > 0 else 0.0
                # whatever the ramp says, no more than is there or than there is room for
                p = min(p, (energy - low) * one_way * 3600.0 / dt) if p > 0 and dt > 0 else p
                p = max(p, -(high - energy) / one_way * 3600.0 / dt) if p < 0 and dt > 0 else p
                energy += (-p * one_way if p < 0 else -p / one_way) * dt / 3600.0
                power[i, a], stored[i, a] = p, energy
            state["stored"][a], state["power"][a] = energy, p
        return power, stored

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
