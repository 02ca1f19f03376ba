"""Condition monitoring of a turbine: temperatures with thermal inertia, pressures, vibration.

Each temperature follows, with a time constant, what the load, the speed and its surroundings would settle it
to: one thermal node per part, a network of first order as in lumped-parameter models of drive trains. The
figures are chosen to look like those of megawatt-class turbines; they are no maker's.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from workbench.simulate import faults as fault_book
from workbench.simulate.dynamics import Clock, State, count_up, lag
from workbench.simulate.facts import TurbineFacts
from workbench.simulate.faults import BEARINGS, Fault
from workbench.simulate.noise import Floats, key_of, uniform
from workbench.simulate.weather import Weather

MINUTE = 60.0
_AIR = ("nacelle_temperature", "hub_temperature")
_AIR_TAU = np.array([35.0, 25.0]) * MINUTE
_PARTS = (
    "gearbox_oil_temp",
    "generator_bearing_temp_de",
    "generator_bearing_temp_nde",
    "main_bearing_temp",
    "generator_winding_temp",
    "converter_temperature",
    "transformer_temperature",
)
_PARTS_TAU = np.array([40.0, 18.0, 18.0, 60.0, 12.0, 6.0, 90.0]) * MINUTE
_BEARINGS = ("gearbox_bearing_temp_de", "gearbox_bearing_temp_nde")
_BEARINGS_TAU = np.array([12.0, 12.0]) * MINUTE


class Condition:
    """Temperatures, pressures and vibration of the turbines of a farm."""

    def __init__(self, facts: TurbineFacts, seed: int, name: str) -> None:
        n = len(facts.ids)
        self.ids = facts.ids
        self._rated = facts.rated
        u = uniform(key_of(seed, f"{name}/condition"), np.arange(16 * n)).reshape(16, n) - 0.5
        self._own = 4.0 * u[:9]  # each machine is a little different [K]
        self._rough = 1.0 + 0.3 * u[9:13]
        self._pump = 300.0 + 240.0 * (u[13] + 0.5)  # period of the hydraulic pump [s]
        self._pump_phase = u[14]

    def start(self) -> State:
        """Temperatures to settle from."""
        n = len(self.ids)
        return {
            "air": np.full((2, n), 20.0),
            "parts": np.full((len(_PARTS), n), 45.0),
            "bearings": np.full((2, n), 50.0),
        }

    def step(
        self,
        clock: Clock,
        weather: Weather,
        load: Floats,
        speed: Floats,
        gusts: Floats,
        wind: Floats,
        faults: Iterable[Fault],
        noise: Floats,
        state: State,
    ) -> dict[str, Floats]:
        """Variables of condition, each [T, A].

        Parameters
        ----------
        load, speed
            [T, A] power and rotor speed over their ratings.
        gusts, wind
            [T, A] standard deviation and mean of the wind at the rotor [m/s].
        noise
            [10, T, A] standard normal.
        """
        ambient = weather.temperature[:, None]
        load2 = load * load
        hot = {name: fault_book.strength(faults, "hot_bearing", self.ids, clock, variable=name) for name in BEARINGS}
        worn = {name: 0.0 if extra is None else extra * (0.3 + 0.7 * load) * np.minimum(speed, 1.0)
                for name, extra in hot.items()}  # fmt: skip
        worn_gearbox = worn["gearbox_bearing_temp_de"] + worn["gearbox_bearing_temp_nde"]

        air_target = np.stack([ambient + 5.0 + 13.0 * load, ambient + 4.0 + 5.0 * load], axis=1)
        air, state["air"] = _settle(air_target, _AIR_TAU, clock.dt, state["air"])
        nacelle = air[:, 0]
        oil = nacelle + 12.0 * speed + 26.0 * load
        oil = np.maximum(np.where(oil > 55.0, 55.0 + 0.35 * (oil - 55.0), oil), 12.0)  # cooler above, heater below
        parts_target = np.stack(
            [
                oil + 0.12 * worn_gearbox,
                nacelle + 12.0 * speed + 26.0 * load + worn["generator_bearing_temp_de"],
                nacelle + 11.0 * speed + 24.0 * load + worn["generator_bearing_temp_nde"],
                nacelle + 6.0 * speed + 7.0 * load + worn["main_bearing_temp"],
                nacelle + 14.0 * speed + 22.0 * load + 34.0 * load2,
                nacelle + 6.0 + 17.0 * load,
                nacelle + 16.0 + 32.0 * load2,
            ],
            axis=1,
        )
        parts_target = parts_target + self._own[:7]
        parts, state["parts"] = _settle(parts_target, _PARTS_TAU, clock.dt, state["parts"])
        bearing_target = np.stack(
            [
                parts[:, 0] + 2.0 * speed + 6.5 * load + worn["gearbox_bearing_temp_de"]
                + 0.2 * worn["gearbox_bearing_temp_nde"],
                parts[:, 0] + 1.5 * speed + 5.5 * load + worn["gearbox_bearing_temp_nde"]
                + 0.2 * worn["gearbox_bearing_temp_de"],
            ],
            axis=1,
        )  # fmt: skip
        bearing_target = bearing_target + self._own[7:9]
        bearings, state["bearings"] = _settle(bearing_target, _BEARINGS_TAU, clock.dt, state["bearings"])

        values: dict[str, Floats] = {}
        for k, name in enumerate(_AIR):
            values[name] = air[:, k]
        for k, name in enumerate(_PARTS):
            values[name] = parts[:, k] + 0.08 * noise[k % 5]
        for k, name in enumerate(_BEARINGS):
            values[name] = bearings[:, k] + 0.08 * noise[k + 5]
        values["generator_temperature"] = values["generator_winding_temp"] - 3.0 - 2.0 * load

        oil_temp = parts[:, 0]
        viscosity = 320.0 * np.exp(-0.047 * (np.clip(oil_temp, -20.0, 110.0) - 40.0) * 0.9)
        pumped = np.where(speed > 0.1, 1.0, 0.35)
        values["gearbox_oil_pressure"] = np.clip(
            pumped * (1.2 + 1.1 * np.minimum(speed, 1.1)) * (np.clip(viscosity, 40, 900) / 140.0) ** 0.25
            + 0.02 * noise[7], 0.0, 12.0)  # fmt: skip
        values["gearbox_oil_viscosity"] = viscosity
        values["gearbox_oil_level"] = np.clip(72.0 - 6.0 * speed + 0.05 * (oil_temp - 50.0) + self._own[0], 0, 100)
        values["gearbox_oil_water_content"] = np.maximum(90.0 + 8.0 * self._own[1] + 0.4 * weather.humidity[:, None], 0)
        shed = clock.dt * (6e-6 * speed + 2e-5 * np.abs(worn_gearbox))
        particles, state["particles"] = count_up(shed * np.ones_like(load), state["particles"])
        values["gearbox_oil_particle_count"] = np.floor(particles)
        saw = (clock.t[:, None] / self._pump + self._pump_phase) % 1.0
        values["hydraulic_pressure"] = np.where(
            saw < 0.06, 168.0 + 22.0 * saw / 0.06, 190.0 - 22.0 * (saw - 0.06) / 0.94
        )

        shake = np.exp(0.10 * noise[8])
        wear = 0.06 * np.abs(worn_gearbox)
        turning = np.minimum(speed, 1.2)
        drive = (0.25 + 1.3 * turning**2 + 1.1 * load) * shake * self._rough[0]
        values["vibration_drivetrain"] = drive + wear
        values["vibration_gearbox"] = (0.2 + 1.5 * turning**2 + 1.0 * load) * shake * self._rough[1] + 1.3 * wear
        values["vibration_generator"] = (0.2 + 1.1 * turning**2 + 0.8 * load) * shake * self._rough[2] + 0.02 * np.abs(
            worn["generator_bearing_temp_de"] + worn["generator_bearing_temp_nde"]
        )
        values["vibration_main_bearing"] = (0.15 + 0.5 * turning**2 + 0.5 * load) * shake * self._rough[3]
        sway = 0.3 + 0.9 * gusts + 0.8 * np.exp(-(((speed - 0.62) / 0.06) ** 2)) * (speed > 0.3)
        values["vibration_tower_top"] = sway * np.exp(0.15 * noise[9])
        values["tower_acceleration_x"] = 0.035 * sway * noise[8]
        values["tower_acceleration_y"] = 0.02 * sway * noise[9]
        bend = 900.0 * np.minimum((wind / 11.0) ** 2, 1.3) * np.minimum(turning, 1.0) + 60.0
        for k in range(3):
            values[f"blade_strain_{k + 1}"] = bend * (1.0 + 0.02 * k) + 90.0 * gusts * noise[k]
        cold = (weather.temperature < -1.0) & (weather.humidity > 95.0)
        values["ice_detected"] = np.broadcast_to(cold[:, None], load.shape).astype(np.float64)
        return values


def _settle(target: Floats, tau: Floats, dt: float, last: Floats) -> tuple[Floats, Floats]:
    """:func:`lag` over [T, K, A] with a time constant per K."""
    if len(target) == 1:
        return lag(target, tau[:, None], dt, last)
    parts = [lag(target[:, k], float(tau[k]), dt, last[k]) for k in range(len(tau))]
    return np.stack([part[0] for part in parts], axis=1), np.stack([part[1] for part in parts])
