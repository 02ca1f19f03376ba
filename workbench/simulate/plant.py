"""A simulated site: weather, machines, storage and meters, second by second or a month at once.

One step of the models takes any number of equally spaced instants and carries the state on, so a live tick is
a step of one instant and history is the same step over many.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from workbench.model.errors import InputError
from workbench.model.samples import NS, SeriesKey
from workbench.simulate import faults as fault_book
from workbench.simulate.battery import Batteries
from workbench.simulate.dynamics import Clock, State
from workbench.simulate.facts import positions
from workbench.simulate.faults import Fault, FaultBook
from workbench.simulate.grid import Grid, GridState, Meter
from workbench.simulate.mast import Masts
from workbench.simulate.noise import Floats
from workbench.simulate.pyranometer import IrradianceSensors
from workbench.simulate.sensors import Doubt, Flags, QualityRates, stick
from workbench.simulate.solar import Inverters, Sky, Sunshine, mounting_of
from workbench.simulate.station import Stations
from workbench.simulate.tracker import Trackers
from workbench.simulate.turbine import Turbines
from workbench.simulate.weather import Climate, Weather, WeatherModel
from workbench.simulate.wind import Wind, WindField, profile

if TYPE_CHECKING:
    import xarray as xr

    from workbench.model.assets import Asset, Site

#: How often each kind of asset reports.
CADENCES = {
    "wind_turbine": "1s",
    "met_mast": "1s",
    "inverter": "5s",
    "irradiance_sensor": "1s",
    "battery": "1s",
    "grid_meter": "1s",
    "weather_station": "10s",
    "tracker": "10s",
    "mppt": "10s",
    "string": "10s",
    "battery_rack": "10s",
    "battery_cell": "10s",
}
SPIN_UP = 26 * 3600  #: the models run so long before the start, so that nothing shows their first guess [s]
SPIN_UP_STEP = 60  #: [s]

_GAP = 10  #: between ticks, beyond which what passed is computed step by step [s]

Values = dict[str, dict[str, Floats]]


@dataclass(frozen=True)
class Frame:
    """One tick of one series, in the vocabulary's units."""

    values: Floats  #: [assets, variables]
    quality: npt.NDArray[np.uint16] | None = None  #: [assets, variables], None where all is good


@dataclass(frozen=True)
class Block:
    """What a step of many instants gives of one kind of asset."""

    clock: Clock
    variables: tuple[str, ...]
    values: dict[str, Floats]  #: [T, A] by variable
    quality: Flags | None  #: [T, A, variables]


@dataclass(frozen=True)
class Outside:
    """What the machines of a site meet at [T] instants: a function of time alone."""

    weather: Weather
    grid: GridState
    low: Floats  #: [T] wind near the ground [m/s]
    wind: Wind | None
    light: Sunshine | None


_Cut = TypeVar("_Cut")
_AHEAD = 32  #: seconds of it made at once for live ticks


def _cut(whole: _Cut, at: slice) -> _Cut:
    """The instants ``at`` of a dataclass of arrays whose first axis is time, nested ones included."""
    parts = {}
    for field in fields(whole):  # type: ignore[arg-type]
        value = getattr(whole, field.name)
        parts[field.name] = value[at] if isinstance(value, np.ndarray) else value and _cut(value, at)
    return type(whole)(**parts)


class SimulatedSite:
    """One simulated site. See :func:`build_site`."""

    def __init__(
        self,
        site: Site,
        seed: int,
        start: int,
        *,
        faults: Iterable[Fault] = (),
        quality: QualityRates | None = None,
        climate: Climate | None = None,
    ) -> None:
        self.site = site
        self.seed = seed
        self.climate = climate or Climate.of(site, seed)
        self._meter = Meter(site, seed)
        self._meter_id = self._meter.ids[0] if self._meter.ids else None
        self._grid = Grid(site.grid_frequency_nominal, seed, site.id)
        self._weather = WeatherModel(self.climate, seed, site.id)
        self._turbines = Turbines(site, seed) if site.of_type("wind_turbine") else None
        self._reference = float(self._turbines.facts.hub.mean()) if self._turbines else 10.0
        self._masts = Masts(site, self._reference, seed) if site.of_type("met_mast") else None
        inverters, sensors = site.of_type("inverter"), site.of_type("irradiance_sensor")
        self._inverters = Inverters(site, inverters, seed) if inverters else None
        self._sensors = IrradianceSensors(site, sensors, seed) if sensors else None
        self._sky = Sky(site, inverters, sensors, seed) if inverters or sensors else None
        self._trackers = (
            Trackers(site, mounting_of(site), seed) if self._sky is not None and site.of_type("tracker") else None
        )
        self._stations = Stations(site, max(self._reference, 80.0), seed) if site.of_type("weather_station") else None
        self._batteries = Batteries(site, seed) if site.of_type("battery") else None
        self._wind = self._wind_field(site, seed)
        self._ids: dict[str, tuple[str, ...]] = {kind: ids for kind in CADENCES if (ids := self._ids_of(kind))}
        if not self._ids:
            raise InputError(
                "nothing at this site can be simulated", where=site.id, expected="one of " + ", ".join(CADENCES)
            )
        self._variables: dict[str, tuple[str, ...]] = {}
        self._doubts = {
            kind: Doubt(quality or QualityRates(), seed, f"{site.id}/{kind}") for kind in self._ids
        }  # fmt: skip
        self._state: State = {}
        self._time = 0
        self._checkpoints: dict[int, tuple[int, State]] = {}
        self._orders: dict[str, Fault] = {}  #: curtailment by order, under way
        self._known_faults = 0
        self._dirt: dict[int, Floats] = {}  #: by local day
        self._ahead_first = -1
        self._ahead: Outside | None = None
        self.faults = FaultBook({a.id: a.type for a in site.assets}, self._variables)
        self.reset(start)
        for fault in faults:
            self.inject(fault)
        if len(self.faults):
            self.reset(start)

    def _ids_of(self, kind: str) -> tuple[str, ...]:
        """The assets of a kind that are simulated: parts, where what they are parts of is."""
        if kind == "mppt":
            return self._inverters.inputs.ids if self._inverters else ()
        if kind == "string":
            return self._inverters.strings.ids if self._inverters else ()
        if kind in ("battery_rack", "battery_cell"):
            seen = self._batteries.cells if self._batteries and self._batteries.seen_cells else None
            return () if seen is None else seen.rack_ids if kind == "battery_rack" else seen.cell_ids
        if kind == "tracker" and self._trackers is None:
            return ()
        return tuple(asset.id for asset in self.site.of_type(kind))

    def _wind_field(self, site: Site, seed: int) -> WindField:
        """The wind at turbines and masts; at plants without either, at one place."""
        places: list[Asset] = site.of_type("wind_turbine") + site.of_type("met_mast")
        east, north = positions(places, site) if places else (np.zeros(1), np.zeros(1))
        diameter = float(self._turbines.facts.diameter.mean()) if self._turbines else 0.0
        return WindField(self.climate, east, north, seed, site.id, diameter=diameter)

    @property
    def keys(self) -> dict[SeriesKey, tuple[tuple[str, ...], tuple[str, ...]]]:
        """Series to its assets and variables, the axes of its frames."""
        return {
            SeriesKey(kind, CADENCES[kind]): (self._ids[kind], self._variables[kind]) for kind in self._ids
        }  # fmt: skip

    @property
    def time(self) -> int:
        """The instant its state stands at [ns since 1970 UTC]: that of the last tick, or one step before the first."""
        return self._time

    # -- faults ---------------------------------------------------------------------------------------

    def inject(self, fault: Fault) -> Fault:
        """Inject a fault, before or while the site runs; returns it complete. See :class:`.faults.FaultBook`."""
        return self.faults.inject(fault)

    def order(self, asset: str, variable: str, value: float) -> None:
        """Follow an order from outside: a ``power_setpoint`` [kW] below the rating curtails the machine.

        The controller ramps down to it; the rating or more ends it. Nothing comes of other orders.
        """
        rated = next((one.rated_capacity for one in self.site.assets if one.id == asset), None)
        if variable != "power_setpoint" or not rated:
            return
        now = self._time + NS  # from the next tick on
        if asset in self._orders:
            self.faults.clear(self._orders.pop(asset), now)
        share = max(0.0, value / float(rated))
        if share < 1.0:
            self._orders[asset] = self.inject(Fault("curtailment", asset, now, magnitude=share))

    def truth(self) -> list[dict[str, Any]]:
        """The faults of this site, a record each."""
        return self.faults.truth()

    def soiling(self) -> list[dict[str, Any]]:
        """The light that dirt takes from each inverter at the end of each local day, or by now; a record a day and inverter.

        ``soiling_ratio`` is what is left of the light; what a fault ``soiled_string`` takes is not in it.
        """
        assets = self._inverters.ids if self._inverters else ()
        return [
            {"day": str(np.datetime64(day, "D")), "asset": asset, "soiling_ratio": round(1.0 - float(lost), 6)}
            for day, dirt in sorted(self._dirt.items())
            for asset, lost in zip(assets, dirt, strict=True)
        ]

    # -- time -----------------------------------------------------------------------------------------

    def reset(self, start: int) -> None:
        """Forget the state and settle into one just before ``start`` [ns since 1970 UTC]."""
        start = int(start) // NS * NS
        begin = start - SPIN_UP * NS
        self._state = {"stuck": {}}
        for kind, model in self._stateful():
            self._state[kind] = model.start(begin)
        self._time = begin - SPIN_UP_STEP * NS
        self._checkpoints = {}
        for _ in self._run(begin, start - SPIN_UP_STEP * NS, SPIN_UP_STEP):
            pass
        # the last stretch by seconds, so that live ticks continue at their own pace
        for _ in self._run(start - SPIN_UP_STEP * NS, start, 1):
            pass
        self._checkpoints = {start: (self._time, copy.deepcopy(self._state))}

    def _stateful(self) -> Iterator[tuple[str, Any]]:
        for kind, model in (
            ("wind_turbine", self._turbines),
            ("inverter", self._inverters),
            ("irradiance_sensor", self._sensors),
            ("tracker", self._trackers),
            ("battery", self._batteries),
            ("grid_meter", self._meter if self._meter.ids else None),
        ):
            if model is not None:
                yield kind, model

    def tick(self, t_ns: int) -> dict[SeriesKey, Frame]:
        """The site at ``t_ns`` [ns since 1970 UTC], a whole second.

        Called once per second; after a gap the state moves on by what has passed. A time that is not after
        the last gives that time's weather and leaves the state as it is. Series slower than a second are in
        the result at whole multiples of their cadence only.
        """
        if int(t_ns) < self._time:
            kept = self._time, copy.deepcopy(self._state)
            self._time = int(t_ns)
            frames = self.tick(t_ns)
            self._time, self._state = kept
            return frames
        if int(t_ns) - self._time > _GAP * NS:  # the machines ran on while nobody looked
            step = 1 if int(t_ns) - self._time <= 7200 * NS else SPIN_UP_STEP
            for _ in self._run(self._time + step * NS, int(t_ns), step):
                pass
        dt = (int(t_ns) - self._time) / NS
        clock = Clock(np.array([int(t_ns)], dtype=np.int64), dt, self.site.timezone)
        values = self._step(clock)
        self._time = int(t_ns)
        frames = {}
        for kind, found in values.items():
            key = SeriesKey(kind, CADENCES[kind])
            if int(t_ns) % cadence_ns(kind) == 0:
                names = self._variables[kind]
                block = np.array([found[name][0] for name in names], dtype=np.float64)
                flags = self._doubts[kind].at(clock, len(self._ids[kind]), len(names))
                frames[key] = Frame(np.ascontiguousarray(block.T), None if flags is None else flags[0])
        return frames

    def _run(self, start: int, end: int, step: int) -> Iterator[tuple[Clock, Values]]:
        """Steps of the models over [``start``, ``end``) every ``step`` seconds, in chunks; carries the state on."""
        gap = start - self._time
        if gap > step * NS:  # a coarser run ended before: bring the state to one step before the start
            instant = np.array([start - step * NS], dtype=np.int64)
            self._step(Clock(instant, gap / NS - step, self.site.timezone))
            self._time = int(instant[0])
        chunk = max(1, (86_400 if step >= 10 else 1_800) // step)
        count = max(0, (end - start) // (step * NS))
        for at in range(0, count, chunk):
            size = min(chunk, count - at)
            instants = start + (at + np.arange(size, dtype=np.int64)) * (step * NS)
            clock = Clock(instants, float(step), self.site.timezone)
            values = self._step(clock)
            self._time = int(instants[-1])
            yield clock, values
            self._checkpoints[int(instants[-1]) + step * NS] = (self._time, copy.deepcopy(self._state))

    def _step(self, clock: Clock) -> Values:
        """All variables at the instants of ``clock``: by kind of asset, by variable [T, A]."""
        faults = list(self.faults)
        state, meter = self._state, self._meter_id
        outside = self._outside_at(clock)
        weather, wind, grid, low = outside.weather, outside.wind, outside.grid, outside.low
        found: Values = {}
        power = np.zeros(len(clock.ns))
        reactive = np.zeros(len(clock.ns))
        if self._turbines and wind:
            turbines = self._turbines.step(clock, weather, wind, grid, faults, state["wind_turbine"], meter)
            found["wind_turbine"] = turbines
            power = power + turbines["power_output"].sum(axis=1)
            reactive = reactive + turbines["reactive_power"].sum(axis=1)
        if self._masts and wind:
            found["met_mast"] = self._masts.step(clock, weather, wind)
        tables = None
        if self._trackers and outside.light:
            found["tracker"], turned = self._trackers.step(
                clock, weather, low, outside.light.sun, faults, state["tracker"]
            )  # fmt: skip
            tables = self._trackers, turned
        if self._inverters and outside.light:
            inverters, inputs = self._inverters.step(
                clock, weather, low, outside.light, grid, faults, state["inverter"], meter, tables
            )  # fmt: skip
            found["inverter"] = inverters
            days = clock.local()[0]
            for last in np.flatnonzero(np.diff(days, append=days[-1] + 1)):
                self._dirt[int(days[last])] = inputs.dirt[last]
            power = power + inverters["total_ac_power"].sum(axis=1)
            reactive = reactive + inverters["reactive_power"].sum(axis=1)
            if self._inverters.inputs.ids and self._due("mppt", clock):
                found["mppt"] = self._inverters.inputs.step(clock, inputs)
            if self._inverters.strings.ids and self._due("string", clock):
                found["string"] = self._inverters.strings.step(clock, inputs, outside.light, faults)
        if self._sensors and outside.light:
            found["irradiance_sensor"] = self._sensors.step(
                clock, weather, low, outside.light, faults, state["irradiance_sensor"], meter, tables
            )
        if self._stations and self._due("weather_station", clock):
            found["weather_station"] = self._stations.step(clock, weather)
        if self._batteries:
            found |= self._batteries.step(clock, weather, power, grid, faults, state["battery"], meter)
            power = power + found["battery"]["active_power"].sum(axis=1)
            reactive = reactive + found["battery"]["reactive_power"].sum(axis=1)
        if self._meter.ids:
            left = fault_book.limit(faults, [self._meter.ids[0]], None, clock)
            found["grid_meter"] = self._meter.step(
                clock, power, reactive, None if left is None else left[:, 0], grid, state["grid_meter"]
            )
        for kind, values in found.items():
            if kind not in self._variables:
                self._variables[kind] = tuple(values)
            stick(values, self._ids[kind], faults, clock, state["stuck"])
        return found

    @staticmethod
    def _due(kind: str, clock: Clock) -> bool:
        """Whether a kind that has no state of its own is to be computed: in a single instant, only where it reports."""
        return len(clock.ns) > 1 or int(clock.ns[0]) % cadence_ns(kind) == 0

    def _outside_at(self, clock: Clock) -> Outside:
        """What the machines meet. It has no state, so for live ticks it is made for some seconds at once."""
        second = int(clock.ns[0]) // NS
        if len(clock.ns) > 1 or int(clock.ns[0]) % NS:
            return self._outside(clock)
        first = second // _AHEAD * _AHEAD
        if first != self._ahead_first or self._ahead is None:
            instants = (first + np.arange(_AHEAD, dtype=np.int64)) * NS
            self._ahead_first = first
            self._ahead = self._outside(Clock(instants, 1.0, self.site.timezone))
        at = second - first
        return _cut(self._ahead, slice(at, at + 1))

    def _outside(self, clock: Clock) -> Outside:
        weather = self._weather.at(clock)
        # near the ground the wind is that of the profile; its gusts matter little to modules
        low = profile(weather.wind, weather.shear, 2.0, max(self._reference, 80.0))
        wind = self._wind.at(clock, weather) if self._turbines or self._masts else None
        light = self._sky.at(clock, weather) if self._sky else None
        return Outside(weather, self._grid.at(clock), low, wind, light)

    # -- past -----------------------------------------------------------------------------------------

    def history(self, start: int, end: int, cadence: str) -> dict[SeriesKey, xr.Dataset]:
        """What was measured in [``start``, ``end``); see :func:`workbench.simulate.history.history`."""
        from workbench.simulate.history import history

        return history(self, start, end, cadence)

    def past(self, start: int, end: int, *, fine: int = 3 * 3600, substep: int = 30) -> dict[SeriesKey, xr.Dataset]:
        """A past of two grains at once; see :func:`workbench.simulate.history.past`."""
        from workbench.simulate.history import past

        return past(self, start, end, fine=fine, substep=substep)

    def blocks(self, start: int, end: int, step: int) -> Iterator[dict[str, Block]]:
        """Run the models over [``start``, ``end``) every ``step`` seconds and give what was measured, in chunks.

        Continues from the state kept for ``start`` or the nearest before it; where there is none, settles
        into one first. Afterwards live ticks continue from ``end``.
        """
        self._seek(start)
        for clock, values in self._run(start, end, step):
            yield {
                kind: Block(
                    clock,
                    self._variables[kind],
                    found,
                    self._doubts[kind].at(clock, len(self._ids[kind]), len(self._variables[kind])),
                )
                for kind, found in values.items()
            }

    def _seek(self, start: int) -> None:
        """Bring the state to just before ``start``."""
        if self.faults.version != self._known_faults:
            self._known_faults = self.faults.version
            changed = min((fault.start for fault in self.faults), default=0)
            self._checkpoints = {t: s for t, s in self._checkpoints.items() if t <= changed}
        kept = [t for t in self._checkpoints if t <= start and start - t <= 2 * 86_400 * NS]
        if not kept:
            self.reset(start)
            return
        at = max(kept)
        self._time, self._state = self._checkpoints[at][0], copy.deepcopy(self._checkpoints[at][1])
        for _ in self._run(at, start, 1 if start - at <= 7200 * NS else SPIN_UP_STEP):
            pass


def cadence_ns(kind: str) -> int:
    """How often a kind of asset reports [ns]."""
    return int(CADENCES[kind].removesuffix("s")) * NS


def build_site(
    site: Site,
    seed: int,
    start: int,
    *,
    faults: Iterable[Fault] = (),
    quality: QualityRates | None = None,
    climate: Climate | None = None,
) -> SimulatedSite:
    """A simulated plant for ``site``.

    Parameters
    ----------
    site
        From the portfolio: its turbines, masts, inverters, sensors, batteries and meters are simulated, with
        their ratings, power curves, data sheets and places.
    seed
        The same seed, site and start give the same plant, bit for bit, in any process.
    start
        When live ticks are to begin [ns since 1970 UTC].
    faults
        To inject from the beginning; more with :meth:`SimulatedSite.inject`.
    quality
        How often sensors mark their values as doubtful.
    climate
        Long-term weather; guessed from the place where it is not given.

    Raises
    ------
    InputError
        A fact that the models need is missing, or a fault does not fit.
    """
    return SimulatedSite(site, seed, start, faults=faults, quality=quality, climate=climate)


def build_sites(sites: Mapping[str, Site], seed: int, start: int) -> dict[str, SimulatedSite]:
    """:func:`build_site` for each of ``sites``."""
    return {name: build_site(site, seed, start) for name, site in sites.items()}
