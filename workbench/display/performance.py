"""What the page of a wind farm's performance works out: prepared once for all viewers, answered for each setting.

Reading and preparing takes seconds and happens once; an answer takes some hundredths of one, so that a slider may be
moved and the figures follow.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from workbench.model.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from workbench.analytics.wind.period_losses import Operation
    from workbench.analytics.wind.plant_yield import PlantYield, YieldData
    from workbench.catalog.wind_plant import WindPlant
    from workbench.display.live import Live
    from workbench.display.performance_aging import AgingStudy, YawStudy
    from workbench.display.performance_gap import GapStudy
    from workbench.display.performance_wakes import WakeStudy
    from workbench.model.assets import Site

Floats = npt.NDArray[np.float64]

_FLAGGED = (
    "power_output",
    "wind_speed",
    "temperature",
    "wind_direction",
    "nacelle_position",
    "yaw_error",
    "blade_pitch_angle",
)
SECONDS = 900.0  #: after which a farm is read anew where somebody still looks
SOON = 10.0  #: the same, where there was nothing to read
SIMULATIONS = (300, 1_000, 3_000, 10_000, 30_000, 100_000)


@dataclass(frozen=True)
class YieldSettings:
    """What a viewer may set of the long-term yield."""

    simulations: int = 10_000
    years: tuple[int, int] = (10, 20)  #: of wind that the long term is taken from, fewest and most
    last_year: int = 0  #: the long term ends with it; 0 where the reanalyses end
    loss_limit: tuple[int, int] = (10, 20)  #: months that lost more stay out [%]
    outliers: bool = False  #: whether months far from the line stay out
    products: tuple[str, ...] = ()  #: reanalyses; all if empty


@dataclass(frozen=True)
class CurveSettings:
    """What a viewer may set of the power curves."""

    bin_width: float = 0.5  #: [m/s]
    spread: float = 5.0  #: how far from the median of its bin a slot may lie, in robust standard deviations
    margin: float = 0.5  #: added to cut-in before a standstill counts [m/s]
    min_count: int = 3  #: slots that a bin needs
    standard_density: bool = True  #: wind speeds brought to 1.225 kg/m3


@dataclass(frozen=True)
class YieldAnswer:
    """The yield for one setting, or why there is none."""

    settings: YieldSettings
    found: PlantYield | None = None
    data: YieldData | None = None
    years: tuple[int, int] = (0, 0)  #: those of the settings, as far as there is wind
    reason: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class CurveAnswer:
    """Curves for one setting."""

    settings: CurveSettings
    curve: xr.Dataset  #: of :func:`workbench.analytics.wind.power_curve`
    used: npt.NDArray[np.bool_]  #: (time, asset)
    considered: npt.NDArray[np.bool_]  #: (time, asset), slots in which the turbine produced
    wind_speed: Floats  #: (time, asset) [m/s], at the density of the settings
    availability: xr.Dataset
    deviation: Floats  #: energy of each turbine against its reference curve [1]; NaN without one
    seconds: float = 0.0


@dataclass(frozen=True)
class LossSettings:
    """What a viewer may set of the losses."""

    year: int = 0  #: of the site's calendar; 0 is all of the record
    asset: str = ""  #: a turbine; all of them if empty
    price: float = 60.0  #: [currency/MWh]


@dataclass(frozen=True)
class LossAnswer:
    """Losses for one setting."""

    settings: LossSettings
    waterfall: pd.DataFrame
    availability: float  #: by time [1]
    known: float  #: share of the time in which potential and actual energy are known [1]
    failures: tuple[int, float, float]  #: stops, hours between them, hours to the end of one
    told_by: str
    seconds: float = 0.0


@dataclass
class Performance:
    """A wind farm, read and prepared. ``problem`` says why there is nothing where there is nothing."""

    site: Site
    plant: WindPlant | None = None
    problem: str = ""
    density: xr.DataArray | None = None
    operation: Operation | None = None
    _yields: dict[Any, YieldData] = field(default_factory=dict)
    _losses: dict[tuple[int, str], tuple[pd.DataFrame, float, float, tuple[int, float, float], str]] = field(
        default_factory=dict
    )

    @property
    def products(self) -> tuple[str, ...]:
        """Names of the reanalyses."""
        return tuple(self.plant.reanalysis) if self.plant else ()

    @property
    def last_years(self) -> tuple[int, int]:
        """The first and the last year that the long term can end with; (0, 0) where there is no yield."""
        if self.plant is None or self.plant.lacking or self.plant.meter is None:
            return (0, 0)
        newest = min(_year(one["time"].values[-1]) for one in self.plant.reanalysis.values())
        # months of wind and energy are needed together, so no earlier than the last of the record
        return (min(_year(self.plant.meter["time"].values[-1]), newest), newest)

    @cached_property
    def wakes(self) -> WakeStudy:
        """What the turbines take from each other."""
        from workbench.display.performance_wakes import WakeStudy

        return WakeStudy(self._there)

    @cached_property
    def yaw(self) -> YawStudy:
        """Whether the rotors look into the wind."""
        from workbench.display.performance_aging import YawStudy

        return YawStudy(self._there)

    @cached_property
    def aging(self) -> AgingStudy:
        """Whether the turbines make less of the same wind year after year."""
        from workbench.display.performance_aging import AgingStudy

        return AgingStudy(self._there)

    @cached_property
    def gap(self) -> GapStudy:
        """What is missing to what was assessed."""
        from workbench.display.performance_gap import GapStudy

        return GapStudy(self)

    @property
    def _there(self) -> WindPlant:
        assert self.plant is not None  # noqa: S101  the page asks where there is data
        return self.plant

    def yields(self, settings: YieldSettings) -> YieldAnswer:
        """The long-term yield for ``settings``."""
        from workbench.analytics.wind import simulate_yield

        began = time.perf_counter()
        if self.plant is None or self.plant.lacking:
            lacking = "; ".join(self.plant.lacking.values()) if self.plant else self.problem
            return YieldAnswer(settings, reason=lacking)
        try:
            data = self._months(settings)
            there = data.wind.sizes["month"] // 12
            years = (min(settings.years[0], there), min(settings.years[1], there))
            found = simulate_yield(
                data,
                simulations=settings.simulations,
                years=years,
                loss_limit=(settings.loss_limit[0] / 100, settings.loss_limit[1] / 100),
                outliers=(1.5, 3.0) if settings.outliers else None,
            )
        except InputError as error:
            return YieldAnswer(settings, reason=str(error), seconds=time.perf_counter() - began)
        return YieldAnswer(settings, found, data, years, seconds=time.perf_counter() - began)

    def _months(self, settings: YieldSettings) -> YieldData:
        """The months for the reanalyses and the end of the long term; kept, as they take longer than the draws."""
        from workbench.analytics.wind import yield_data

        assert self.plant is not None  # noqa: S101  asked for by `yields` alone
        assert self.plant.meter is not None  # noqa: S101
        key = (settings.products, settings.last_year)
        if key not in self._yields:
            last = settings.last_year
            end = f"{last}-12-15" if last and last < self.last_years[1] else None
            rated = float(sum(asset.rated_capacity or 0.0 for asset in self.site.of_type("wind_turbine")))
            self._yields[key] = yield_data(
                self.plant.meter,
                self.plant.reanalysis,
                products=settings.products or None,
                rated_capacity=rated or None,
                end=end,
            )
        return self._yields[key]

    @property
    def years(self) -> tuple[int, ...]:
        """Years of the site's calendar that the record touches."""
        if self.plant is None:
            return ()
        first, last = (_year(self.plant.turbines["time"].values[at]) for at in (0, -1))
        return tuple(range(first, last + 1))

    def losses(self, settings: LossSettings) -> LossAnswer:
        """What each category lost in a year or in all of the record."""
        began = time.perf_counter()
        key = (settings.year, settings.asset)
        if key not in self._losses:
            self._losses[key] = self._lost(*key)
        energy, available, known, failures, told_by = self._losses[key]
        # one price for all energy: money need not be summed slot by slot
        waterfall = energy.assign(value=energy["energy"] / 1e3 * settings.price)
        taken = time.perf_counter() - began
        return LossAnswer(settings, waterfall, available, known, failures, told_by, taken)

    def _lost(self, year: int, asset: str) -> tuple[pd.DataFrame, float, float, tuple[int, float, float], str]:
        from workbench.analytics.wind import loss_waterfall, reliability
        from workbench.model.time import parse_period

        assert self.operation is not None  # noqa: S101  the page asks where there is data
        window = parse_period(str(year), self.site.timezone) if year else None
        found, seconds = self.operation.losses(window), self.operation.within(window)
        share = self.operation.availability(window)
        available = float(share["availability"].sel(asset=asset) if asset else share["farm_availability"])
        if asset:
            found, seconds = found.sel(asset=[asset]), seconds.sel(asset=[asset])
        down = ("unavailable",) if self.operation.told_by == "production" else ("forced_outage",)
        stops = reliability(seconds, categories=down)
        failures = (int(stops["failures"].sum()), float(stops["farm_mtbf"]), float(stops["farm_mttr"]))
        return loss_waterfall(found), available, float(found["known_share"].mean()), failures, self.operation.told_by

    def curves(self, settings: CurveSettings) -> CurveAnswer:
        """Power curves and availability of the turbines for ``settings``."""
        from workbench.analytics import wind
        from workbench.analytics.wind.availability import Production
        from workbench.model.quality import good

        assert self.plant is not None  # noqa: S101  the page asks where there is data
        began = time.perf_counter()
        data = self.plant.turbines
        cut_in, cut_out = limits_of(self.site)
        state = wind.production_state(data, cut_in=cut_in, cut_out=cut_out, margin=settings.margin)
        speed = good(data, "wind_speed").transpose("time", "asset")
        if settings.standard_density and self.density is not None:
            speed = speed * np.cbrt(self.density / 1.225)
        plain = data[[]].assign(wind_speed=speed, power_output=good(data, "power_output").transpose("time", "asset"))
        producing = state == Production.PRODUCING
        used = wind.normal_operation(plain, producing, bin_width=settings.bin_width, spread=settings.spread)
        curve = wind.power_curve(plain, where=used, bin_width=settings.bin_width, min_count=settings.min_count)
        return CurveAnswer(
            settings,
            curve,
            used.values,
            producing.values,
            speed.values.astype(np.float64),
            wind.availability(state),
            self._against_reference(plain, used.values),
            seconds=time.perf_counter() - began,
        )

    def _against_reference(self, data: xr.Dataset, used: npt.NDArray[np.bool_]) -> Floats:
        """Energy of each turbine in its used slots against its reference curve in the same wind [1]."""
        found = np.full(data.sizes["asset"], np.nan)
        curves = {one.id: one.power_curve for one in self.site.of_type("wind_turbine") if one.power_curve}
        for column, name in enumerate(data["asset"].values.tolist()):
            rows = used[:, column]
            if name in curves and rows.any():
                expected = float(np.sum(curves[name].at(data["wind_speed"].values[rows, column])))
                found[column] = (
                    float(data["power_output"].values[rows, column].sum()) / expected if expected else np.nan
                )
        return found


def limits_of(site: Site) -> tuple[float, float]:
    """Cut-in and cut-out of a site's turbines [m/s]; the usual ones where no data sheet tells."""
    sheet = next((one.data_sheet for one in site.of_type("wind_turbine")), None)
    low, high = (getattr(sheet, f"{name}_wind_speed", None) for name in ("cut_in", "cut_out"))
    return float(low or 3.5), float(high or 25.0)


def _year(time: np.datetime64) -> int:
    return int(time.astype("datetime64[Y]").astype(np.int64)) + 1970


def load(live: Live, site: str) -> Performance | None:
    """The farm's performance, read in another thread and shared by all viewers; None until it is there."""
    found: Performance | None = live.remember(
        ("wind performance", site),
        lambda: prepare(live, site),
        seconds=SECONDS,
        lacking=lambda found: found.plant is None,
        soon=SOON,
    )
    return found


def prepare(live: Live, site: str) -> Performance:
    """Read a farm and prepare what does not depend on settings."""
    from workbench.analytics import wind
    from workbench.analytics.wind.period_losses import operation
    from workbench.catalog import open_catalog
    from workbench.catalog.site import SiteView
    from workbench.catalog.wind_plant import wind_plant
    from workbench.model.quality import good
    from workbench.transforms.quality import flag_quality

    catalog = open_catalog(live.project.catalogs, store=live.root)
    facts = catalog.portfolio.site(site)
    try:
        plant = wind_plant(SiteView(site, catalog.portfolio, live.root), catalog)
    except InputError as error:
        return Performance(facts, problem=str(error))
    names = [one for one in _FLAGGED if one in plant.turbines]
    lacking = {"power_output", "wind_speed"} - set(names)
    if lacking:
        return Performance(facts, problem=f"the turbines do not tell {' and '.join(sorted(lacking))}")
    plant = replace(plant, turbines=flag_quality(plant.turbines, variables=names))
    density = None
    if "temperature" in names:
        hub: xr.DataArray | float = facts.elevation + 80.0
        if {"elevation", "hub_height"} <= set(plant.turbines.coords):
            hub = plant.turbines["elevation"] + plant.turbines["hub_height"]
        density = wind.air_density(good(plant.turbines, "temperature"), elevation=hub)
        # where the temperature is missing the usual density of the turbine stands in
        density = density.fillna(density.median("time"))
    cut_in, cut_out = limits_of(facts)
    done = operation(plant.turbines, cut_in=cut_in, cut_out=cut_out, density=density)
    found = Performance(facts, plant, density=density, operation=done)
    # What a first answer needs besides (months, compiled kernels, modules) nobody has to wait for.
    found.yields(YieldSettings())
    found.curves(CurveSettings())
    found.losses(LossSettings())
    _warm(found)
    return found


def _warm(found: Performance) -> None:
    from workbench.display.performance_aging import AgingSettings, YawSettings

    found.yaw.answer(YawSettings())
    found.aging.answer(AgingSettings())


def wind_sites(live: Live) -> dict[str, str]:
    """Sites with wind turbines, id to name."""
    return {name: site.name for name, site in live.portfolio.sites.items() if any(site.of_type("wind_turbine"))}
