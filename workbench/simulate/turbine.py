"""Wind turbines: from wind at the rotor to all that a turbine's controller reports.

Pitch-controlled, variable speed, doubly fed or full converter; with gearbox. The power curve of the
portfolio is taken to be the truth about the rotor; around it stand the controller's states, the drive train,
yaw, temperatures and counters.

References
----------
.. [1] IEC 61400-12-1:2017, 9.1.5: density correction of the wind speed, (rho / rho0)^(1/3).
.. [2] Burton et al., "Wind Energy Handbook", 3rd ed., chapters 3 and 8: rotor speed and pitch control.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from workbench.simulate import faults as fault_book
from workbench.simulate.codes import code
from workbench.simulate.dynamics import Clock, State, count_up, lag, latch, today, today_state, wrap
from workbench.simulate.facts import TurbineFacts, positions, years_in_service
from workbench.simulate.faults import Fault
from workbench.simulate.grid import GridState
from workbench.simulate.noise import Floats, White, key_of, uniform
from workbench.simulate.turbine_condition import Condition
from workbench.simulate.wake import WakeModel
from workbench.simulate.weather import Weather
from workbench.simulate.wind import Wind, profile

if TYPE_CHECKING:
    from workbench.model.assets import Site

Bools = npt.NDArray[np.bool_]

YAW_DEAD_BAND = 8.0  #: of the filtered yaw error [degree]
YAW_RATE = 0.4  #: [degree/s]
YAW_FILTER = 60.0  #: [s]
#: Warnings and faults of the controller, by code. The specification's sample has W-1205.
WARNINGS = {1205: "Minor yaw misalignment detected", 1310: "Gearbox bearing temperature high",
            1320: "Generator bearing temperature high", 1330: "Main bearing temperature high",
            1405: "Rotor blade iced"}  # fmt: skip
FAULTS = {3001: "Stopped by fault"}
_SPIN_UP = 25.0  #: time constant of start and stop [s]
_CHANNELS = 17  #: of sensor noise


class Turbines:
    """All turbines of one farm."""

    def __init__(self, site: Site, seed: int) -> None:
        self.site = site
        self.assets = site.of_type("wind_turbine")
        self.ids = tuple(asset.id for asset in self.assets)
        self.facts = TurbineFacts.of(self.assets)
        self.east, self.north = positions(self.assets, site)
        self.wakes = WakeModel(self.east, self.north, self.facts.diameter)
        self.condition = Condition(self.facts, seed, site.id)
        u = uniform(key_of(seed, f"{site.id}/turbines"), np.arange(8 * len(self.ids))).reshape(8, -1) - 0.5
        self._terrain = 1.0 + 0.04 * u[0]  # speed-up of the place
        self._anemometer = 1.0 + 0.02 * u[1]
        self._northing = 6.0 * u[2]  # zero of the nacelle's position [degree]
        self._vane = 2.0 * u[3]  # [degree]
        self._phase = 1.0 + 0.004 * u[4:7]  # imbalance of the phases
        self._performance = 1.0 + 0.03 * u[7] - 0.005
        self._noise = White(seed, f"{site.id}/turbine sensors", len(self.ids), _CHANNELS)

    def start(self, ns: int) -> State:
        """A state to begin with; what is not settled in it settles by running the models for some hours."""
        n = len(self.ids)
        zeros = np.zeros(n)
        return {
            "nacelle": None,
            "wind_slow": np.full(n, 7.0),
            "ready": np.ones(n, dtype=bool),
            "storm": np.zeros(n, dtype=bool),
            "spin": np.ones(n),
            "rotor": 0.7 * self.facts.rotor_rated,
            "pitch": zeros.copy(),
            "setpoint": self.facts.rated.copy(),
            "yawing": np.zeros(n, dtype=bool),
            "rotor_turns": zeros.copy(),
            **self.condition.start(),
            **self._counters(ns),
        }

    def _counters(self, ns: int) -> State:
        """Counters as they stand at ``ns``: a capacity factor of about a third since the turbine's first day."""
        years = np.array([years_in_service(asset, ns) for asset in self.assets])
        hours = years * 8766.0
        lifetime = np.floor(0.33 * self.facts.rated * hours * self._performance)
        return {
            "lifetime": lifetime,
            "hours": np.floor(0.82 * hours),
            "particles": np.floor(220.0 * years),
            **today_state(lifetime, "today"),
        }

    def step(
        self,
        clock: Clock,
        weather: Weather,
        wind: Wind,
        grid: GridState,
        faults: Iterable[Fault],
        state: State,
        meter: str | None,
    ) -> dict[str, Floats]:
        """All variables, each [T, A], at the instants of ``clock``; ``state`` is carried on."""
        f = self.facts
        n = len(self.ids)
        faults = list(faults)
        noise = self._noise.at(clock.second)

        out = fault_book.strength(faults, "outage", self.ids, clock)
        outage: Bools = np.zeros((len(clock.ns), n), dtype=bool) if out is None else out > 0
        blowing = (wind.speed[:, None] > f.cut_in) & (wind.speed[:, None] < f.cut_out)
        factor, added = self.wakes.at(wind.direction, wind.speed, float(f.rated_speed.mean()), blowing & ~outage)
        mean = wind.speed[:, None] * self._terrain * factor
        intensity = np.sqrt(wind.intensity[:, None] ** 2 + added**2)
        point = np.clip(mean * (1.0 + intensity * wind.point[:, :n]), 0.0, 60.0)
        rotor_wind = np.clip(mean * (1.0 + intensity * wind.rotor[:, :n]), 0.0, 60.0)

        direction = wind.direction[:, None] + wind.swing[:, :n]
        misaligned = fault_book.strength(faults, "yaw_misalignment", self.ids, clock)
        bias = 0.0 if misaligned is None else misaligned
        nacelle, yaw_speed, held_error = self._yaw(clock, direction + bias, outage, state)
        skew = np.deg2rad(np.clip(held_error - bias, -80.0, 80.0))

        slow, state["wind_slow"] = lag(rotor_wind, 60.0, clock.dt, state["wind_slow"])
        storm, state["storm"] = latch(slow > f.cut_out, slow < f.cut_out - 3.0, state["storm"])
        ready, state["ready"] = latch(slow > f.cut_in + 0.3, slow < f.cut_in - 0.4, state["ready"])
        wanted = ready & ~storm & ~outage
        spin, state["spin"] = lag(wanted.astype(np.float64), _SPIN_UP, clock.dt, state["spin"])
        envelope = np.clip((spin - 0.6) / 0.3, 0.0, 1.0)

        off_pitch = fault_book.strength(faults, "pitch_offset", self.ids, clock)
        blade = np.zeros((len(clock.ns), n)) if off_pitch is None else off_pitch
        capture = self._performance * (1.0 - np.minimum(0.0018 * blade**2, 0.6))
        dense = (weather.density[:, None] / f.density * capture) ** (1 / 3)
        effective = rotor_wind * dense * np.cos(skew) ** (2 / 3)
        possible = np.minimum(f.power(effective), f.rated)
        left = fault_book.limit(faults, self.ids, meter, clock)
        order = np.broadcast_to(f.rated, possible.shape) if left is None else f.rated * left
        setpoint, state["setpoint"] = lag(order, 8.0, clock.dt, state["setpoint"])
        # no controller holds its rating to the last kilowatt
        produced = np.minimum(possible, setpoint) * envelope * (1.0 + 0.0015 * noise[16])
        limited = (setpoint < 0.999 * f.rated) & (possible > setpoint) & (envelope > 0)

        own_use = (
            f.rated
            * (0.0035 + 0.0015 * (np.abs(weather.temperature[:, None] - 12.0) > 14.0))
            * (1.0 + 0.05 * noise[16])
        )
        power = np.where(envelope > 0, produced, 0.0) - np.where(envelope > 0, 0.0, own_use)
        generator = np.where(envelope > 0, produced + own_use, 0.0)
        load = generator / f.rated

        target = np.clip(f.rotor_rated / (0.86 * f.rated_speed) * effective, f.rotor_min, f.rotor_rated)
        target = target * (1.0 + 0.006 * wind.rotor[:, :n])
        idle = np.where(outage, 0.0, np.minimum(0.018 * rotor_wind, 0.25) * f.rotor_rated)
        rotor, state["rotor"] = lag(spin * target + (1 - spin) * idle, 3.0, clock.dt, state["rotor"])
        speed = rotor / f.rotor_rated

        pitch = self._pitch(clock, effective, possible, setpoint, spin, outage, state)
        turns, state["rotor_turns"] = count_up(rotor / 60.0 * clock.dt, state["rotor_turns"] % 1.0)
        condition = self.condition.step(
            clock, weather, load, speed, intensity * mean, mean, faults, noise[6:16], state
        )  # fmt: skip

        error = wrap(direction + bias - nacelle) + self._vane + 0.6 * noise[0]
        shown = (nacelle + self._northing) % 360.0
        nacelle_wind = np.clip(point * self._anemometer + 0.05 * noise[1], 0.0, 60.0)
        theory = f.power(nacelle_wind * (weather.density[:, None] / f.density) ** (1 / 3))
        area = np.pi / 4 * f.diameter**2
        in_wind = 0.5e-3 * weather.density[:, None] * area * np.maximum(rotor_wind, 1.0) ** 3
        per_hour = clock.dt / 3600.0
        lifetime, state["lifetime"] = count_up(np.maximum(power, 0.0) * per_hour, state["lifetime"])
        hours, state["hours"] = count_up((envelope > 0) * per_hour, state["hours"])
        day, _ = clock.local()
        column = np.ones((1, n))

        values = {
            "power_output": power,
            "rotor_speed": rotor,
            "rotor_position": (turns * 360.0) % 360.0,
            "generator_speed": rotor * f.gear,
            "generator_torque": 0.96 * generator / np.maximum(rotor * f.gear * 2 * np.pi / 60.0, 5.0),
            "blade_pitch_angle": pitch + blade / 3.0,
            "blade_pitch_angle_1": pitch + 0.05,
            "blade_pitch_angle_2": pitch + blade,
            "blade_pitch_angle_3": pitch - 0.04,
            "nacelle_position": shown,
            "yaw_error": wrap(error),
            "yaw_speed": yaw_speed,
            "cable_windup": nacelle - 225.0,
            "wind_speed": nacelle_wind,
            "wind_speed_80m": profile(nacelle_wind, weather.shear, 80.0, float(f.hub[0])),
            "wind_speed_100m": profile(nacelle_wind, weather.shear, 100.0, float(f.hub[0])),
            "wind_direction": (shown + error) % 360.0,
            "turbulence_intensity": intensity,
            "temperature": weather.temperature[:, None] + 0.6 * load + 0.1 * noise[2],
            "humidity": np.clip(weather.humidity[:, None] + 0.3 * noise[3], 0.0, 100.0),
            "barometric_pressure": weather.pressure[:, None] - 0.118 * f.hub + 0.05 * noise[4],
            "air_density": weather.density[:, None] * column,
            "power_setpoint": setpoint,
            "available_power": np.where(outage | storm, 0.0, possible),
            "capacity_factor": power / f.rated,
            "power_coefficient": np.where(envelope > 0, produced / in_wind, 0.0),
            "theoretical_power": theory,
            "performance_ratio": np.clip(
                np.where(theory > 0.03 * f.rated, power, 0.0) / np.maximum(theory, 1.0), -1, 2
            ),
            "energy_production_today": today(lifetime, day, state, "today"),
            "energy_production_lifetime": lifetime,
            "operating_hours": hours,
            "grid_frequency": grid.frequency[:, None] * column,
        }
        values |= self._electrical(generator, load, grid, noise[5], limited)
        values |= condition
        values |= self._states(outage, storm, wanted, envelope, spin, limited, left is not None, held_error, values)
        return values

    def _yaw(self, clock: Clock, direction: Floats, outage: Bools, state: State) -> tuple[Floats, Floats, Floats]:
        """Nacelle position (unwrapped) [degree], yaw speed [degree/s], filtered yaw error [degree]; all [T, A]."""
        if state["nacelle"] is None:
            state["nacelle"], state["direction_slow"] = direction[0].copy(), direction[0].copy()
        speed = np.zeros_like(direction)
        slow, state["direction_slow"] = lag(direction, YAW_FILTER, clock.dt, state["direction_slow"])
        nacelle = np.empty_like(direction)
        before = state["nacelle"].copy()
        reach = YAW_RATE * clock.dt
        # a loop over plain numbers: where the nacelle stands decides whether it moves
        for a in range(direction.shape[1]):
            at, moving = float(state["nacelle"][a]), bool(state["yawing"][a])
            still = outage[:, a].tolist() if outage[:, a].any() else None
            track: list[float] = []
            for i, wind in enumerate(slow[:, a].tolist()):
                error = wind - at
                if moving or error > YAW_DEAD_BAND or error < -YAW_DEAD_BAND:
                    moving = (error > 1.0 or error < -1.0) and not (still and still[i])
                    if moving:
                        at += min(max(error, -reach), reach)
                track.append(at)
            nacelle[:, a] = track
            state["nacelle"][a], state["yawing"][a] = at, moving
        if clock.dt > 0:
            speed = np.empty_like(direction)
            speed[0] = nacelle[0] - before
            speed[1:] = nacelle[1:] - nacelle[:-1]
            speed /= clock.dt
        return nacelle, speed, slow - nacelle

    def _pitch(
        self,
        clock: Clock,
        effective: Floats,
        possible: Floats,
        setpoint: Floats,
        spin: Floats,
        outage: Bools,
        state: State,
    ) -> Floats:
        """Pitch angle [degree] [T, A]: fine in partial load, towards feather above rated wind and when limited."""
        f = self.facts
        above = np.maximum(effective - 0.97 * f.rated_speed, 0.0)
        shed = np.clip(1.0 - setpoint / np.maximum(possible, 1.0), 0.0, 1.0)
        running = -0.5 + 4.6 * above**0.7 + 12.0 * shed**0.7
        parked = np.where(outage, 88.0, 70.0)
        pitch, state["pitch"] = lag(spin * running + (1.0 - spin) * parked, 2.0, clock.dt, state["pitch"])
        return np.clip(pitch, -5.0, 92.0)

    def _electrical(
        self, generator: Floats, load: Floats, grid: GridState, noise: Floats, limited: Bools
    ) -> dict[str, Floats]:
        """Voltages of a 690 V machine, each phase to neutral [V], currents [A], powers."""
        phases = 690.0 / np.sqrt(3.0) * (grid.voltage[:, None] + 0.006 * load) * self._phase[:, None, :]
        phases = phases + 0.4 * noise * np.array([1.0, -0.6, 0.5])[:, None, None]
        reactive = generator * np.tan(np.arccos(0.995)) + 0.004 * self.facts.rated * noise
        apparent = np.hypot(generator, reactive)
        current = apparent * 1e3 / (3.0 * phases)
        on = generator > 0
        names = ("l1", "l2", "l3")
        return {
            "active_power": generator,
            "reactive_power": np.where(on, reactive, 0.0),
            "reactive_power_setpoint": generator * np.tan(np.arccos(0.995)),
            "apparent_power": np.where(on, apparent, 0.0),
            "power_factor": np.where(on, generator / np.maximum(apparent, 1e-9), 1.0),
            "dc_link_voltage": 1080.0 + 6.0 * noise * on,
            **{f"voltage_{name}": phases[k] for k, name in enumerate(names)},
            **{f"current_{name}": np.where(on, current[k], 0.0) for k, name in enumerate(names)},
        }

    def _states(
        self,
        outage: Bools,
        storm: Bools,
        wanted: Bools,
        envelope: Floats,
        spin: Floats,
        limited: Bools,
        ordered: bool,
        held_error: Floats,
        values: dict[str, Floats],
    ) -> dict[str, Floats]:
        """Codes of status, mode, availability, warnings and faults."""

        def pick(variable: str, default: str, *cases: tuple[Bools, str]) -> Floats:
            chosen = np.full(outage.shape, code(variable, default))
            for where, name in cases:  # the later case wins
                chosen[where] = code(variable, name)
            return chosen

        producing = envelope > 0
        iced = values["ice_detected"] > 0
        warning = np.zeros(outage.shape)
        for found, number in (
            (producing & (np.abs(held_error) > 15.0), 1205),
            (iced, 1405),
            (values["main_bearing_temp"] > 70.0, 1330),
            (np.maximum(values["generator_bearing_temp_de"], values["generator_bearing_temp_nde"]) > 92.0, 1320),
            (np.maximum(values["gearbox_bearing_temp_de"], values["gearbox_bearing_temp_nde"]) > 85.0, 1310),
        ):
            warning[found] = number
        fault = np.where(outage, 3001.0, 0.0)
        return {
            "turbine_status": pick(
                "turbine_status",
                "idling",
                (wanted & ~producing, "starting"),
                (producing, "generating"),
                (producing & limited, "curtailed"),
                (~wanted & (spin > 0.1), "stopping"),
                (storm & (spin <= 0.1), "standby"),
                (outage, "fault"),
            ),
            "operational_mode": pick("operational_mode", "normal", (limited, "curtailed"), (storm, "storm")),
            "availability_status": pick(
                "availability_status",
                "available",
                (limited, "partially_available"),
                (storm, "environmental_standby"),
                (outage, "forced_outage"),
            ),
            "active_power_curtailment": np.where(limited, code("active_power_curtailment", "active"), 0.0),
            "warning_code": warning,
            "fault_code": fault,
            "active_alarm": np.where((warning > 0) | (fault > 0), code("active_alarm", "active"), 0.0),
        }
