"""What is known of a portfolio at one instant: plain, immutable, shared by all viewers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from workbench.display import format as fmt
from workbench.display.states import STALE_AFTER, STATUS_VARIABLES, State, state_of
from workbench.model.samples import SeriesKey
from workbench.model.vocabulary import vocabulary

if TYPE_CHECKING:
    from workbench.model.assets import Asset, Portfolio, Site

#: Where a kind of asset says its active power [kW]; the first that has a value counts.
POWER: dict[str, tuple[str, ...]] = {
    "wind_turbine": ("power_output", "active_power"),
    "inverter": ("total_ac_power", "active_power", "power_output"),
    "battery": ("active_power", "dc_power"),
    "grid_meter": ("active_power",),
}
ENERGY_TODAY = ("energy_production_today", "energy_today")
#: Kinds of generation by kind of asset.
GENERATION = {"wind_turbine": "wind", "inverter": "solar", "battery": "storage"}
#: Kinds that are parts of other assets: too many to stand beside them, so they are shown where something is wrong.
PARTS = ("mppt", "string", "tracker", "battery_rack", "battery_cell")
TYPE_WORDS = {
    "wind_turbine": "Wind turbines",
    "inverter": "Inverters",
    "battery": "Batteries",
    "battery_rack": "Battery racks",
    "battery_cell": "Battery cells",
    "met_mast": "Met masts",
    "irradiance_sensor": "Irradiance sensors",
    "grid_meter": "Grid meters",
    "weather_station": "Weather stations",
    "tracker": "Trackers",
    "string": "Strings",
    "mppt": "MPPTs",
    "substation": "Substations",
    "market": "Markets",
    "plant": "Plants",
}


def kind_word(kind: str, *, many: bool = False) -> str:
    """A kind of asset in words: ``Wind turbine``, ``Batteries``."""
    words = TYPE_WORDS.get(kind, fmt.words(kind))
    return words if many else words.replace("ies", "y").removesuffix("s")


@dataclass(frozen=True, slots=True)
class Reading:
    """One value with all that must be shown beside it."""

    value: float = math.nan
    time: int = 0  #: source time [ns since 1970 UTC]; 0 is never
    every: float = 1.0  #: cadence [s]
    units: str = ""
    asset: str = ""
    variable: str = ""
    quality: int = 0  #: flags, see ``workbench.model.quality``

    @property
    def there(self) -> bool:
        """Whether there is a value."""
        return self.time > 0 and math.isfinite(self.value)

    def age(self, now: int) -> float:
        """Seconds since its source time; infinite where there is no value."""
        return (now - self.time) / 1e9 if self.time > 0 else math.inf

    def fresh(self, now: int) -> bool:
        """Whether it is at most five cadences old."""
        return self.there and self.age(now) <= STALE_AFTER * self.every

    @property
    def state(self) -> str | None:
        """Name of the state, where the variable is a status and the code is known."""
        return state_name(self.variable, self.value)


@dataclass(frozen=True, slots=True)
class Total(Reading):
    """A sum over assets, with how many of them it holds: a sum must not fall in silence because a device fell silent."""

    reporting: int = 0  #: assets whose reading is in the sum
    of: int = 0  #: assets that should be in it

    @property
    def partial(self) -> bool:
        """Whether assets are missing from the sum."""
        return self.reporting < self.of


def total(readings: Iterable[Reading], now: int) -> Total:
    """The sum of the readings that are fresh at ``now`` [ns]; its time is that of the oldest of them."""
    given = list(readings)
    return summed([reading for reading in given if reading.fresh(now)], given)


def summed(counted: Sequence[Reading], given: Sequence[Reading]) -> Total:
    """Sum of ``counted``, which are some of ``given``; sums among them count for the assets they hold."""
    units = next((reading.units for reading in (*counted, *given) if reading.units), "")
    of = sum(reading.of if isinstance(reading, Total) else 1 for reading in given)
    if not counted:  # nothing to show, but since when
        return Total(
            time=max((reading.time for reading in given), default=0),
            every=max((reading.every for reading in given), default=1.0),
            units=units,
            of=of,
        )
    return Total(
        sum(reading.value for reading in counted),
        min(reading.time for reading in counted),
        max(reading.every for reading in counted),
        units,
        reporting=sum(reading.reporting if isinstance(reading, Total) else 1 for reading in counted),
        of=of,
    )


def day_start(now: int, tz: str) -> int:
    """Midnight [ns] of the day that the clock of ``tz`` shows at ``now`` [ns].

    Where the clock shows midnight twice, the first; where it skips midnight, the instant at which it does.
    """
    local = datetime.fromtimestamp(now // 10**9, tz=fmt.zone(tz))
    # fold=0 takes the offset from before the change: the earlier of two midnights, the end of a gap.
    return int(local.replace(hour=0, minute=0, second=0, fold=0).timestamp()) * 10**9


def state_name(variable: str, code: float) -> str | None:
    """Name of a status variable's code, as the vocabulary has it."""
    term = vocabulary().get(variable)
    if term is None or not term.states or not math.isfinite(code):
        return None
    return next((name for name, known in term.states.items() if known == code), None)


@dataclass(frozen=True)
class Block:
    """Newest value of each variable of each asset of a series."""

    key: SeriesKey
    every: float  #: cadence [s]
    assets: tuple[str, ...]
    variables: tuple[str, ...]
    values: npt.NDArray[np.float64]  #: [asset, variable]
    times: npt.NDArray[np.int64]  #: [asset, variable] ns since 1970 UTC, 0 for never
    quality: npt.NDArray[np.uint16]  #: [asset, variable]

    @cached_property
    def _column(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.variables)}

    @cached_property
    def _row(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.assets)}

    def reading(self, asset: str, variable: str) -> Reading:
        """The newest value; an empty reading where there is none."""
        row, column = self._row.get(asset), self._column.get(variable)
        units = vocabulary().attrs(variable).get("units", "")
        if row is None or column is None:
            return Reading(every=self.every, units=units, asset=asset, variable=variable)
        value, time = float(self.values[row, column]), int(self.times[row, column])
        return Reading(value, time, self.every, units, asset, variable, int(self.quality[row, column]))

    def newest(self, asset: str) -> int:
        """Time of the asset's newest value [ns], 0 for never."""
        row = self._row.get(asset)
        return int(self.times[row].max(initial=0)) if row is not None else 0


@dataclass(frozen=True)
class SiteNow:
    """One site at one instant."""

    id: str
    now: int  #: [ns since 1970 UTC]
    facts: Site | None
    blocks: Mapping[SeriesKey, Block] = field(default_factory=dict)
    health: Mapping[str, Any] | None = None  #: as the collector writes it, with ``running``
    rates: Mapping[str, float] = field(default_factory=dict)  #: values per second by ``<source>/<device>``
    trouble: str = ""  #: why the store could not be read at the last look

    # -- what it is -----------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Name for people."""
        return str(self.facts.name) if self.facts is not None else self.id

    @property
    def live(self) -> bool:
        """Whether it has live sources: a collector wrote of it, or recent values are there."""
        return self.health is not None or bool(self.blocks)

    @property
    def running(self) -> bool:
        """Whether its collector runs."""
        return bool(self.health and self.health.get("running"))

    @property
    def timezone(self) -> str:
        """IANA name of its time zone."""
        return str(self.facts.timezone) if self.facts is not None else "UTC"

    @cached_property
    def assets(self) -> dict[str, str]:
        """Kind by asset id: the portfolio's order, then what only the store knows."""
        found = {asset.id: str(asset.type) for asset in (self.facts.assets if self.facts else ())}
        for key, block in self.blocks.items():
            for asset in block.assets:
                found.setdefault(asset, key.asset_type)
        return found

    @cached_property
    def _asset_facts(self) -> dict[str, Asset]:
        return {asset.id: asset for asset in (self.facts.assets if self.facts else ())}

    def fact(self, asset: str) -> Asset | None:
        """The asset in the portfolio."""
        return self._asset_facts.get(asset)

    def of_type(self, *types: str) -> list[str]:
        """Ids of the assets of these kinds, one kind after the other."""
        return [asset for wanted in types for asset, kind in self.assets.items() if kind == wanted]

    def rated(self, asset: str) -> float:
        """Rated power [kW]; NaN where it is not known."""
        fact = self.fact(asset)
        value = getattr(fact, "rated_capacity", None)
        return float(value) if value else math.nan

    # -- what it says ---------------------------------------------------------------------------------

    @cached_property
    def _where(self) -> dict[str, list[Block]]:
        found: dict[str, list[Block]] = {}
        for block in sorted(self.blocks.values(), key=lambda block: block.every):
            for asset in block.assets:
                found.setdefault(asset, []).append(block)
        return found

    def blocks_of(self, asset: str) -> list[Block]:
        """The series that carry the asset, the fastest first."""
        return self._where.get(asset, [])

    def reading(self, asset: str, *variables: str) -> Reading:
        """The newest value of the first of ``variables`` that has one."""
        empty = Reading(asset=asset, variable=variables[0] if variables else "")
        for variable in variables:
            for block in self.blocks_of(asset):
                found = block.reading(asset, variable)
                if found.there:
                    return found
                empty = found
        return empty

    def power(self, asset: str) -> Reading:
        """Active power [kW]; of a battery, positive while it discharges."""
        return self.reading(asset, *POWER.get(self.assets.get(asset, ""), ("active_power",)))

    def newest(self, asset: str) -> int:
        """Time of its newest value [ns], 0 for never."""
        return max((block.newest(asset) for block in self.blocks_of(asset)), default=0)

    def every(self, asset: str) -> float:
        """Its fastest cadence [s]."""
        return min((block.every for block in self.blocks_of(asset)), default=1.0)

    def fresh(self, asset: str) -> bool:
        """Whether its newest value is at most five cadences old."""
        newest = self.newest(asset)
        return newest > 0 and (self.now - newest) / 1e9 <= STALE_AFTER * self.every(asset)

    @cached_property
    def states(self) -> dict[str, State]:
        """State by asset, for assets that a live source speaks of."""
        return {
            asset: self._state(asset)
            for asset, kind in self.assets.items()
            if self.live and (kind not in PARTS or self.blocks_of(asset))
        }

    def _state(self, asset: str) -> State:
        statuses = {name: said for name in STATUS_VARIABLES if (said := self.reading(asset, name).state) is not None}
        limited = self.reading(asset, "active_power_curtailment").state == "active"
        known = self.newest(asset) > 0
        return state_of(statuses, fresh=self.fresh(asset), known=known, limited=limited)

    def abnormal(self) -> list[tuple[str, State]]:
        """Assets that somebody should look at, the worst first."""
        found = [(asset, state) for asset, state in self.states.items() if state.abnormal]
        return sorted(found, key=lambda pair: -pair[1].severity)

    @cached_property
    def power_by_kind(self) -> dict[str, Total]:
        """Active power [kW] of wind, solar and storage; kinds the site does not have are left out."""
        found = {}
        for kind, generation in GENERATION.items():
            ids = self.of_type(kind)
            if ids:
                found[generation] = total((self.power(asset) for asset in ids), self.now)
        return found

    @property
    def net_power(self) -> Total:
        """Wind, solar and storage together [kW]."""
        return total(self.power_by_kind.values(), self.now)

    @property
    def generation(self) -> Total:
        """Wind and solar together [kW]."""
        return total((power for kind, power in self.power_by_kind.items() if kind != "storage"), self.now)

    def capacity(self, *types: str) -> float:
        """Rated power of the assets of these kinds, by default of all that generate [kW]."""
        ids = self.of_type(*(types or ("wind_turbine", "inverter")))
        known = [rated for asset in ids if math.isfinite(rated := self.rated(asset))]
        return sum(known)

    @property
    def energy_today(self) -> Total:
        """Energy generated since local midnight, as the devices count it [kWh]."""
        given = [self.reading(asset, *ENERGY_TODAY) for asset in self.of_type("wind_turbine", "inverter")]
        # A stopped device keeps its count: what it made today it has made, so staleness does not drop it here.
        # A count from before midnight is that of another day.
        midnight = day_start(self.now, self.timezone)
        counted = [reading for reading in given if reading.there and reading.time >= midnight]
        newest = max((reading.time for reading in counted or given), default=0)
        return replace(summed(counted, given), time=newest, units="kWh")

    @property
    def frequency(self) -> Reading:
        """Grid frequency [Hz]: the meter's, or that of the first device that measures it."""
        order = self.of_type("grid_meter", "wind_turbine", "inverter", "battery")
        for asset in order:
            found = self.reading(asset, "grid_frequency", "frequency")
            if found.fresh(self.now):
                return found
        return self.reading(order[0], "grid_frequency", "frequency") if order else Reading(units="Hz")

    # -- how well it is heard -------------------------------------------------------------------------

    def devices(self) -> Iterator[tuple[str, str, str, Mapping[str, Any], float]]:
        """Source, protocol, device, health of the device, cadence [s]."""
        for name, source in (self.health or {}).get("sources", {}).items():
            every = cadence_seconds(str(source["series"]).partition("/")[2])
            for device, health in source["devices"].items():
                yield name, str(source["protocol"]), device, health, every

    def device_well(self, health: Mapping[str, Any], every: float) -> bool:
        """Whether a device delivers: it says so, and its newest value is fresh."""
        young = (self.now - int(health["last_time"])) / 1e9 <= max(STALE_AFTER * every, 5.0)
        return bool(self.running and health["state"] == "ok" and young)


@dataclass(frozen=True)
class Now:
    """The portfolio at one instant."""

    time: int  #: [ns since 1970 UTC]
    tick: int  #: counts the looks at the store
    portfolio: Portfolio
    sites: Mapping[str, SiteNow]

    def site(self, name: str) -> SiteNow:
        """The site of that id; an empty one where nothing is known of it."""
        found = self.sites.get(name)
        return found if found is not None else SiteNow(name, self.time, self.portfolio.sites.get(name))

    @property
    def live_sites(self) -> list[SiteNow]:
        """Sites with live sources."""
        return [site for site in self.sites.values() if site.live]

    @property
    def empty(self) -> bool:
        """Whether nothing was ever collected."""
        return not self.live_sites


def cadence_seconds(text: str) -> float:
    """Length of a cadence [s]; one second for what is none."""
    from workbench.model.errors import InputError
    from workbench.model.time import Cadence

    try:
        return Cadence.parse(text).seconds
    except (InputError, ValueError):
        return 1.0
