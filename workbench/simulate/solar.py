"""Solar inverters: light on their modules, DC, AC. The sensors beside them are in :mod:`.pyranometer`.

References
----------
.. [1] Faiman, "Assessing the outdoor operating temperature of photovoltaic modules", 2008 (module temperature).
.. [2] Dobos, "PVWatts version 5 manual", NREL/TP-6A20-62641, 2014 (DC power, inverter efficiency).
.. [3] Souka, Safwat, 1966 (incidence angle modifier, ASHRAE form).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from workbench.simulate import faults as fault_book
from workbench.simulate.cloud import CloudField
from workbench.simulate.codes import code
from workbench.simulate.dynamics import Clock, State, count_up, lag, today, today_state
from workbench.simulate.facts import number, positions, rating, years_in_service
from workbench.simulate.faults import Fault
from workbench.simulate.grid import GridState
from workbench.simulate.noise import Floats, White, key_of, uniform
from workbench.simulate.soiling import SOILING, cleaned, soil
from workbench.simulate.strings import Inputs, InputState, Strings, off_best
from workbench.simulate.sun import Mounting, Sun, SunTable, transpose
from workbench.simulate.tracker import Trackers, on_tables
from workbench.simulate.weather import Weather

if TYPE_CHECKING:
    from workbench.model.assets import Asset, Site

FAIMAN_U0, FAIMAN_U1 = 25.0, 6.84  #: [W/(m2 K)], [W s/(m3 K)]
MODULE_TAU = 300.0  #: thermal time constant of a module [s]
_REFERENCE_EFFICIENCY = 0.9637  #: of PVWatts' inverter curve
_AT_RATED = _REFERENCE_EFFICIENCY / (0.9858 - 2 * (0.0162 * 0.0059) ** 0.5)  #: that at full load over the best
_LOSSES = 0.035  #: mismatch and wiring on the DC side
CELL_ABOVE = 3.0  #: cell above back of module at 1,000 W/m2 [K]; King et al., SAND2004-3535
_EXTENT = 150.0  #: of an inverter's modules [m]


@dataclass(frozen=True)
class Sunshine:
    """Irradiance at [T] instants and [N] places: inverters first, then sensors. All [W/m2]."""

    ghi: Floats
    dni: Floats
    dhi: Floats
    poa: Floats
    effective: Floats  #: what passes the glass, before dirt
    sun: Sun


def mounting_of(site: Site) -> Mounting:
    """The mounting that the portfolio names; fixed at a usual tilt where it names none."""
    layout = site.layout
    if layout is None:
        south = site.latitude >= 0
        return Mounting(tilt=round(0.76 * abs(site.latitude) + 3.1), azimuth=180.0 if south else 0.0)
    return Mounting(
        tracking=layout.mounting != "fixed",
        tilt=layout.tilt,
        azimuth=layout.azimuth,
        max_angle=layout.max_angle,
        backtrack=layout.backtrack,
        ground_coverage_ratio=layout.ground_coverage_ratio,
        albedo=layout.albedo,
    )


class Sky:
    """Irradiance at the inverters and sensors of a site."""

    def __init__(self, site: Site, inverters: list[Asset], sensors: list[Asset], seed: int) -> None:
        self.table = SunTable(site.latitude, site.longitude, site.elevation, mounting_of(site))
        places = inverters + sensors
        east, north = positions(places, site)
        extent = np.array([_EXTENT] * len(inverters) + [0.0] * len(sensors))
        self._clouds = CloudField(east, north, extent, seed, site.id)

    def at(self, clock: Clock, weather: Weather) -> Sunshine:
        """Irradiance at the instants of ``clock``."""
        sun = self.table.at(clock)
        ghi, dni, dhi = self._clouds.sky(clock, weather, sun)
        beam, other = transpose(sun, ghi, dni, dhi, self.table.mounting.albedo)
        glass = np.clip(1.0 - 0.05 * (1.0 / np.maximum(sun.cos_incidence, 0.05) - 1.0), 0.0, 1.0)
        return Sunshine(ghi, dni, dhi, beam + other, beam * glass[:, None] + 0.96 * other, sun)


def inverter_efficiency(share: Floats, nominal: Floats) -> Floats:
    """Efficiency of an inverter at ``share`` of its DC rating, by the curve of PVWatts; 0 at no load."""
    z = np.maximum(share, 1e-4)
    curve = -0.0162 * z - 0.0059 / z + 0.9858
    return np.asarray(np.clip(nominal / _REFERENCE_EFFICIENCY * curve, 0.0, 1.0), dtype=np.float64)


class Inverters:
    """All inverters of one plant."""

    def __init__(self, site: Site, assets: list[Asset], seed: int) -> None:
        self.assets = assets
        self.ids = tuple(asset.id for asset in assets)
        n = len(assets)
        self.rated = np.array([rating(asset) for asset in assets])
        self.dc_rated = np.array([asset.dc_capacity or 1.25 * rating(asset) for asset in assets])
        self._efficiency = np.array([number(asset, "efficiency_max", 0.98) for asset in assets]) * _AT_RATED
        self._night = np.array([number(asset, "night_consumption", 0.0005 * rating(asset)) for asset in assets])
        self._gamma = np.array([(a.module.temp_coeff_power if a.module else -0.37) / 100.0 for a in assets])
        strings = [a.strings.modules if a.strings else 27 for a in assets]
        self._vmp = np.array([m * (a.module.v_mp if a.module else 31.0) for m, a in zip(strings, assets, strict=True)])
        self._voc = np.array([m * (a.module.v_oc if a.module else 37.0) for m, a in zip(strings, assets, strict=True)])
        self._ac_voltage = np.array([number(asset, "ac_voltage", 547.0) for asset in assets])
        u = uniform(key_of(seed, f"{site.id}/inverters"), np.arange(8 * n)).reshape(8, n) - 0.5
        self._own = 1.0 + 0.02 * u[0]
        self._soiling_rate = SOILING * (1.0 + 0.4 * u[1])
        self._phase = 1.0 + 0.004 * u[2:5]
        self._first_soiling = 0.025 + 0.02 * u[5]
        self._insulation = 3000.0 + 2000.0 * u[6]
        self._noise = White(seed, f"{site.id}/inverter sensors", len(self.ids), 8)
        self.inputs = Inputs(site, assets, seed)
        self.strings = Strings(site, self.inputs, seed)
        self._ratio = np.array([a.module.i_mp / a.module.i_sc if a.module else 0.93 for a in assets])

    def start(self, ns: int) -> State:
        """A state to begin with."""
        years = np.array([years_in_service(asset, ns) for asset in self.assets])
        lifetime = np.floor(0.245 * self.rated * 8766.0 * years * self._own)
        return {
            "module": np.full(len(self.ids), 15.0),
            "inside": np.full(len(self.ids), 20.0),
            "soiling": self._first_soiling.copy(),
            "setpoint": self.rated.copy(),
            "lifetime": lifetime,
            "hours": np.floor(4300.0 * years),
            **today_state(lifetime, "today"),
        }

    def step(
        self,
        clock: Clock,
        weather: Weather,
        wind: Floats,
        light: Sunshine,
        grid: GridState,
        faults: Iterable[Fault],
        state: State,
        meter: str | None,
        tables: tuple[Trackers, Floats] | None = None,
    ) -> tuple[dict[str, Floats], InputState]:
        """All variables, each [T, A], and what the inputs do.

        ``wind`` [T] is the speed at the modules [m/s]; ``tables`` the site's trackers and where they point [T, K].
        """
        n = len(self.ids)
        faults = list(faults)
        noise = self._noise.at(clock.second)
        poa, effective, lit = self._light(light, tables)
        ambient = weather.temperature[:, None]

        kept = cleaned(faults, self.ids, meter, clock)
        soiling = soil(clock.dt, weather.rain, self._soiling_rate, state, kept)
        dirty = fault_book.strength(faults, "soiled_string", self.ids, clock)
        lost = np.zeros_like(poa) if dirty is None else np.clip(dirty, 0.0, 1.0)
        clean = (1.0 - soiling) * (1.0 - lost)
        seen = effective * clean
        settled = ambient + poa / (FAIMAN_U0 + FAIMAN_U1 * wind[:, None])
        module, state["module"] = lag(settled, MODULE_TAU, clock.dt, state["module"])
        cell = module + CELL_ABOVE * poa / 1000.0
        heat = 1.0 + self._gamma * (cell - 25.0)
        each = self.dc_rated * self._own * clean * heat * ((1.0 - _LOSSES) / 1000.0)
        possible = np.maximum(self.inputs.spread(each) * lit * self.inputs.share, 0.0)  # of each input
        strength = self.strings.strength(clock, faults, light) if self.strings.ids else None
        if strength is not None:
            possible = possible * self.strings.of_inputs(strength, possible.shape[1])
        sunny = np.clip(seen / 1000.0, 0.0, 1.5)
        low = np.maximum(1.0 + 0.035 * np.log(np.maximum(sunny, 1e-3)), 0.0)
        best = self._vmp * (1.0 - 0.0036 * (cell - 25.0)) * low
        opened = self._voc * (1.0 - 0.0027 * (cell - 25.0)) * low
        held_at = self._held(faults, clock)
        if held_at is not None:
            off = off_best(
                held_at, self.inputs.spread(best), self.inputs.spread(opened), self._ratio[self.inputs.owner]
            )
            possible = np.where(np.isnan(held_at), possible, possible * off)
        dc_possible = self.inputs.total(possible)

        out = fault_book.strength(faults, "outage", self.ids, clock)
        outage = np.zeros(poa.shape, dtype=bool) if out is None else out > 0
        left = fault_book.limit(faults, self.ids, meter, clock)
        order = np.broadcast_to(self.rated, poa.shape) if left is None else self.rated * left
        setpoint, state["setpoint"] = lag(order, 5.0, clock.dt, state["setpoint"])
        dc_nominal = self.rated / self._efficiency
        awake = (dc_possible > 0.004 * self.dc_rated) & ~outage
        ac_possible = dc_possible * inverter_efficiency(dc_possible / dc_nominal, self._efficiency)
        held = setpoint * (1.0 - 0.0012 * np.abs(noise[0]))  # no controller holds a limit to the last watt
        ac = np.where(awake, np.minimum(ac_possible, held), 0.0)
        limited = awake & (ac_possible > held)
        ordered = limited & (setpoint < 0.999 * self.rated)
        # where the inverter limits, it moves the modules off their best point: less current at a higher voltage
        efficiency = inverter_efficiency(ac / self._efficiency / dc_nominal, self._efficiency)
        dc = np.where(limited, ac / np.maximum(efficiency, 0.1), np.where(awake, dc_possible, 0.0))
        used = np.where(dc_possible > 0, dc / np.maximum(dc_possible, 1e-9), 0.0)
        voltage = np.where(awake, best + (opened - best) * np.clip(1.0 - used, 0.0, 1.0) ** 0.6, opened)
        voltage = np.where(poa > 1.0, np.maximum(voltage, 0.0), 0.0)
        inputs = self._inputs(possible, used, voltage, held_at, awake, lit, soiling)
        current = self.inputs.total(inputs.current)
        voltage = np.where(current > 1e-6, dc * 1e3 / np.maximum(current, 1e-6), voltage)

        net = np.where(awake, ac, -self._night)
        load = ac / self.rated
        inside, state["inside"] = lag(ambient + 6.0 + 26.0 * load, 1500.0, clock.dt, state["inside"])
        reactive = ac * 0.12 + 0.002 * self.rated * noise[0] * awake
        apparent = np.hypot(ac, reactive)
        phases = self._ac_voltage / np.sqrt(3) * (grid.voltage[:, None] + 0.008 * load) * self._phase[:, None, :]
        phases = phases + 0.1 * noise[1:4]
        per_hour = clock.dt / 3600.0
        lifetime, state["lifetime"] = count_up(ac * per_hour, state["lifetime"])
        hours, state["hours"] = count_up(awake * per_hour, state["hours"])
        day, _ = clock.local()
        energy = today(lifetime, day, state, "today")
        column = np.ones((1, n))
        names = ("l1", "l2", "l3")
        values = {
            "total_ac_power": net,
            "total_dc_power": dc,
            "total_dc_voltage": voltage,
            "total_dc_current": current,
            "dc_link_voltage": voltage,
            **{f"voltage_{name}": phases[k] for k, name in enumerate(names)},
            **{
                f"current_{name}": np.where(awake, apparent * 1e3 / 3.0 / phases[k], 0.0)
                for k, name in enumerate(names)
            },
            "frequency": grid.frequency[:, None] * column,
            "reactive_power": np.where(awake, reactive, 0.0),
            "apparent_power": np.where(awake, apparent, 0.0),
            "power_factor": np.where(awake, ac / np.maximum(apparent, 1e-9), 1.0),
            "total_harmonic_distortion": np.where(awake, 1.4 + 0.12 / np.maximum(load, 0.02) + 0.05 * noise[4], 0.0),
            "insulation_resistance": self._insulation * (1.0 - 0.5 * weather.humidity[:, None] / 100.0)
            + 5.0 * noise[5],
            "irradiance_poa": np.clip(poa + 0.8 * noise[6], 0.0, None),
            "irradiance_ghi": light.ghi[:, :n],
            "irradiance_dni": light.dni[:, :n],
            "irradiance_dhi": light.dhi[:, :n],
            "module_temperature": module + 0.1 * noise[7],
            "cell_temperature": cell,
            "ambient_temperature": ambient + 0.1 * noise[5],
            "wind_speed": wind[:, None] * column,
            "conversion_efficiency": np.where(awake, 100.0 * ac / np.maximum(dc, 1e-9), 0.0).clip(0.0, 100.0),
            "performance_ratio": np.clip(
                np.where(poa > 20.0, ac / self.dc_rated / np.maximum(poa, 1.0) * 1000.0, 0.0), 0.0, 2.0
            ),
            "capacity_utilization": net / self.rated,
            "capacity_factor": net / self.rated,
            "available_power": np.where(outage, 0.0, np.minimum(ac_possible, self.rated)),
            "power_setpoint": setpoint,
            "reactive_power_setpoint": ac * 0.12,
            "energy_today": energy,
            "energy_lifetime": lifetime,
            "specific_yield": energy / self.dc_rated,
            "operating_hours": hours,
            "internal_temperature": inside,
            "heatsink_temperature": inside + 14.0 * load,
            "transformer_temperature": inside + 6.0 + 24.0 * load**2,
        }
        return values | _states(awake, outage, limited, ordered, poa, inside, lost), inputs

    def _light(self, light: Sunshine, tables: tuple[Trackers, Floats] | None) -> tuple[Floats, Floats, Floats]:
        """In the plane and behind the glass of inverters [T, A], and behind the glass of inputs [T, K] [W/m2]."""
        n = len(self.ids)
        poa, effective = light.poa[:, :n], light.effective[:, :n]
        lit = self.inputs.spread(effective)
        if tables is None:
            return poa, effective, lit
        trackers, rotation = tables
        column = {name: k for k, name in enumerate(self.inputs.names)}
        column |= {name: int(k) for name, k in zip(self.ids, self.inputs.first, strict=True) if name not in column}
        fed = [(t, column[name]) for t, name in enumerate(trackers.feeds) if name in column]
        if not fed:
            return poa, effective, lit
        t, k = (np.array(part) for part in zip(*fed, strict=True))
        at = self.inputs.owner[k]
        found = on_tables(
            light.sun, trackers.mounting, rotation[:, t], light.ghi[:, at], light.dni[:, at], light.dhi[:, at]
        )
        plane = self.inputs.spread(poa).copy()
        lit = lit.copy()
        for input_ in np.unique(k):  # the mean of the tables of an input
            plane[:, input_] = found.poa[:, k == input_].mean(axis=1)
            lit[:, input_] = found.effective[:, k == input_].mean(axis=1)
        share = self.inputs.share
        return self.inputs.total(plane * share), self.inputs.total(lit * share), lit

    def _held(self, faults: list[Fault], clock: Clock) -> Floats | None:
        """Voltage [T, K] at which stuck inputs stay, NaN where they follow; None where all do."""
        found = None
        for fault in faults:
            one = fault_book.strength([fault], "stuck_mppt", self.inputs.names, clock)
            if one is not None and (one > 0).any():
                found = np.full(one.shape, np.nan) if found is None else found
                found = np.where(one > 0, one, found)
        return found

    def _inputs(
        self, possible: Floats, used: Floats, voltage: Floats, held_at: Floats | None, awake: npt.NDArray[np.bool_],
        lit: Floats, dirt: Floats,
    ) -> InputState:  # fmt: skip
        power = possible * self.inputs.spread(np.where(awake, used, 0.0))
        volts = np.array(self.inputs.spread(voltage))
        if held_at is not None:
            volts = np.where(np.isnan(held_at) | (power <= 0), volts, held_at)
        current = np.where(volts > 1.0, power * 1e3 / np.maximum(volts, 1.0), 0.0)
        return InputState(power, volts, current, lit / 1000.0, dirt)


def _states(
    awake: npt.NDArray[np.bool_],
    outage: npt.NDArray[np.bool_],
    limited: npt.NDArray[np.bool_],
    ordered: npt.NDArray[np.bool_],
    poa: Floats,
    inside: Floats,
    lost: Floats,
) -> dict[str, Floats]:
    def pick(variable: str, default: str, *cases: tuple[npt.NDArray[np.bool_], str]) -> Floats:
        chosen = np.full(poa.shape, code(variable, default))
        for where, name in cases:  # the later case wins
            chosen[where] = code(variable, name)
        return chosen

    warning = np.where(inside > 65.0, 201.0, 0.0)
    fault = np.where(outage, 101.0, 0.0)
    return {
        "operating_state": pick(
            "operating_state",
            "sleeping",
            (~awake & (poa > 1.0), "standby"),
            (awake, "running"),
            (limited, "throttled"),
            (outage, "fault"),
        ),
        "grid_connection": pick("grid_connection", "disconnected", (awake, "connected"), (outage, "tripped")),
        "active_power_curtailment": pick("active_power_curtailment", "inactive", (ordered, "active")),
        "reactive_power_mode": pick("reactive_power_mode", "PF_control"),
        "voltage_regulation": pick("voltage_regulation", "enabled"),
        "frequency_support": pick("frequency_support", "enabled"),
        "operational_mode": pick("operational_mode", "normal", (ordered, "curtailed")),
        "availability_status": pick(
            "availability_status", "available", (ordered, "partially_available"), (outage, "forced_outage")
        ),
        "warning_code": warning,
        "fault_code": fault,
        "active_alarm": pick("active_alarm", "clear", ((warning > 0) | (fault > 0), "active")),
    }
