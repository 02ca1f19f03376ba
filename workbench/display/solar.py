"""What the page of solar plants works out: read and assessed once for all viewers, answered for each setting.

The last year of the record is assessed with the functions of the solar report, in another thread; what depends on a slider is
worked out from that in hundredths of a second. The day that runs has its own, shorter way: :mod:`workbench.display.solar_today`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from workbench.catalog.money import PRICE, energy_price
from workbench.display.readings import SiteNow
from workbench.model.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from workbench.analytics.solar.assessment import Assessment
    from workbench.analytics.solar.kpi import Indicators
    from workbench.catalog.solar_plant import SolarPlant
    from workbench.display.live import Live
    from workbench.model.assets import Site

Floats = npt.NDArray[np.float64]

DAYS = 365  #: length of what is assessed; degradation and soiling are told from all of the record
SECONDS = 600.0  #: after which a site is read anew where somebody still looks
SOON = 15.0  #: the same, where there was nothing to read
CLEANING = 0.6  #: of one cleaning, where ``cleaning_cost`` says nothing [currency/kW of modules]
WHOLE = "all"  #: the plant, where an inverter may be named


@dataclass(frozen=True)
class LossSettings:
    """What a viewer may set of the losses."""

    period: str = ""  #: a key of :attr:`SolarHealth.periods`; the longest if empty
    asset: str = WHOLE
    price: float = PRICE  #: [currency/MWh]


@dataclass(frozen=True)
class LossAnswer:
    """Losses for one setting."""

    settings: LossSettings
    waterfall: pd.DataFrame | None  #: of :func:`solar_loss_waterfall`, ``value`` by the price of the settings
    expected: float = float("nan")  #: [kWh]
    known: float = float("nan")  #: share of the slots that are known [1]
    reason: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class CleaningSettings:
    """What a viewer may set of soiling and cleaning."""

    price: float = PRICE  #: [currency/MWh]
    cost: float = 500.0  #: of one cleaning of one inverter's modules [currency]


@dataclass(frozen=True)
class CleaningAnswer:
    """Cost of soiling and the best cleaning for one setting, or why it is not known."""

    settings: CleaningSettings
    table: pd.DataFrame | None = (
        None  #: index asset: ``lost_energy`` [kWh], ``lost_money``, ``best_cleaning``, ``gain``, ``interval``
    )
    day: npt.NDArray[np.datetime64] = field(default_factory=lambda: np.zeros(0, "datetime64[ns]"))
    gain: Floats = field(default_factory=lambda: np.zeros(0))  #: of cleaning all on that day, after its cost [currency]
    reason: str = ""
    seconds: float = 0.0


@dataclass
class SolarHealth:
    """The inverters of a site, read and assessed. ``problem`` says why there is nothing where there is nothing."""

    site: Site
    plant: SolarPlant | None = None
    told: Assessment | None = None
    monthly: Indicators | None = None
    problem: str = ""
    terms: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    read: int = 0  #: when [ns since 1970 UTC]

    @property
    def price(self) -> float:
        """Price of energy [currency/MWh]."""
        return energy_price(self.site).value

    @property
    def cleaning_cost(self) -> float:
        """Of one cleaning of one inverter's modules [currency]."""
        if "cleaning_cost" in self.terms:
            return float(self.terms["cleaning_cost"])
        sizes = [float(one.dc_capacity or one.rated_capacity or 0.0) for one in self.site.of_type("inverter")]
        return max(20.0, round(CLEANING * sum(sizes) / max(len(sizes), 1), -1))

    @property
    def currency(self) -> str:
        """Of the price."""
        return energy_price(self.site).currency

    @property
    def inverters(self) -> list[str]:
        """Those that were assessed."""
        return [] if self.told is None else [str(one) for one in self.told.record["asset"].values]

    def reason(self, part: str) -> str:
        """Why a part of the assessment says nothing."""
        if self.told is None:
            return self.problem
        return self.told.reasons.get(part, "")

    # -- losses ---------------------------------------------------------------------------------------

    @cached_property
    def periods(self) -> dict[str, list[int]]:
        """Words of a period to the places of its days among those of the losses, the longest first."""
        if self.told is None or self.told.losses is None or "period" not in self.told.losses.dims:
            return {}
        days = self.told.losses["period"].values.astype("datetime64[D]")
        count = len(days)
        found = {f"all {count} days" if count < DAYS else "last 12 months": list(range(count))}
        for length in (30, 7):
            if count > length:
                found[f"last {length} days"] = list(range(count - length, count))
        if count > 1:
            # the last day may still run
            found[f"{_day(days[-2])}, the day before the last"] = [count - 2]
        found[f"{_day(days[-1])}, the last day"] = [count - 1]
        months = days.astype("datetime64[M]")
        for month in np.unique(months)[::-1]:
            rows = np.flatnonzero(months == month)
            if len(rows) < count:
                found[month.astype("datetime64[D]").item().strftime("%B %Y")] = rows.tolist()
        return found

    def losses(self, settings: LossSettings) -> LossAnswer:
        """What each category lost in a period."""
        began = time.perf_counter()
        if self.told is None or self.told.losses is None:
            return LossAnswer(settings, None, reason=self.reason("losses") or "nothing was assessed")
        longest = next(iter(self.periods), "")
        places = self.periods.get(settings.period or longest)
        assets = None if settings.asset in ("", WHOLE) else [settings.asset]
        waterfall = self.told.waterfall(assets, places)
        chosen = self.told.losses if assets is None else self.told.losses.sel(asset=assets)
        chosen = chosen if places is None else chosen.isel(period=places)
        expected = float(chosen["expected_energy"].sum())
        if waterfall is None or not float(waterfall["energy"].iloc[0]) > 0:
            words = "no slot with irradiance and a temperature in this period"
            return LossAnswer(settings, None, reason=words, seconds=time.perf_counter() - began)
        waterfall = waterfall.assign(value=waterfall["energy"] / 1e3 * settings.price)
        known = float(chosen["known_share"].mean())
        return LossAnswer(settings, waterfall, expected, known, seconds=time.perf_counter() - began)

    # -- soiling --------------------------------------------------------------------------------------

    @cached_property
    def _daily_energy(self) -> Any:
        from workbench.analytics.solar.soiling_steps import daily_energy

        assert self.told is not None  # noqa: S101  asked for by `cleaning` alone
        assert self.told.degradation is not None  # noqa: S101
        return daily_energy(self.told.record, self.told.degradation.daily["soiling_ratio"], power=self.told.power)

    def cleaning(self, settings: CleaningSettings) -> CleaningAnswer:
        """Cost of soiling, and what a cleaning of all inverters would gain on each day to come."""
        from workbench.analytics.solar.cleaning import soiling_cost

        began = time.perf_counter()
        if self.told is None or self.told.degradation is None:
            why = self.reason("cleaning") or self.reason("degradation")
            return CleaningAnswer(settings, reason=why or "soiling is not known")
        try:
            found = soiling_cost(
                self.told.degradation, self._daily_energy, price=settings.price / 1000.0, cleaning_cost=settings.cost,
                currency=self.currency,
            )  # fmt: skip
        except InputError as error:
            return CleaningAnswer(settings, reason=str(error), seconds=time.perf_counter() - began)
        gain = found.outlook["gain"].values
        known = np.isfinite(gain).any(axis=0)
        if not known.any():
            why = next((str(text) for text in found.cost["reason"].values if text), "soiling is not known")
            return CleaningAnswer(settings, reason=why, seconds=time.perf_counter() - began)
        days = found.outlook["day"].values
        total = np.nansum(gain[:, known], axis=1)
        return CleaningAnswer(settings, found.summary, days, total, seconds=time.perf_counter() - began)


def _day(day: np.datetime64) -> str:
    return f"{day.astype('datetime64[D]').item():%-d %B}"


def load(live: Live, site: str) -> SolarHealth | None:
    """The site's solar plant, read in another thread and shared by all viewers; None until it is there."""
    found: SolarHealth | None = live.remember(
        ("solar health", site),
        lambda: prepare(live, site),
        seconds=SECONDS,
        lacking=lambda found: found.told is None,
        soon=SOON,
    )
    return found


def prepare(live: Live, site: str) -> SolarHealth:
    """Read and assess a solar plant: the last :data:`DAYS` days of its record."""
    import pandas as pd

    from workbench.analytics.solar.assessment import assess
    from workbench.analytics.solar.kpi import performance_indicators
    from workbench.catalog import open_catalog
    from workbench.catalog.site import SiteView
    from workbench.catalog.solar_plant import solar_plant, terms_of

    began = time.perf_counter()
    catalog = open_catalog(live.project.catalogs, store=live.root)
    facts = catalog.portfolio.site(site)
    terms = terms_of(facts)
    found = SolarHealth(facts, terms=terms, read=int(live.now.time))
    try:
        plant = solar_plant(SiteView(site, catalog.portfolio, live.root), catalog)
        step = pd.Timedelta(np.median(np.diff(plant.inverters["time"].values[:50])))
        last = pd.Timestamp(plant.inverters["time"].values[-1]) + step
        first = pd.Timestamp(plant.inverters["time"].values[0])
        window = (max(first, last - pd.Timedelta(DAYS, "D")), last)
        told = assess(
            plant.inverters, window=window, tz=facts.timezone, by="day", price=found.price, currency=found.currency,
            cleaning_cost=found.cleaning_cost, contracted=float(terms.get("contracted_capacity_ratio", 0.95)),
            without=("capacity",), give_way=live.give_way, **plant.given,
        )  # fmt: skip
    except InputError as error:
        found.problem = str(error)
        return found
    found.plant, found.told = plant, told
    found.monthly = told.attempt(
        "monthly",
        lambda: performance_indicators(
            told.data, by="month", timezone=told.tz, power=told.power, irradiance=told.irradiance
        ),
    )
    if told.degradation is not None:
        found.cleaning(CleaningSettings(found.price, found.cleaning_cost))  # what a first answer needs besides
    found.seconds = time.perf_counter() - began
    return found


def solar_sites(live: Live) -> dict[str, str]:
    """Sites with inverters, id to name."""
    return {name: site.name for name, site in live.portfolio.sites.items() if any(site.of_type("inverter"))}


def parents_of(at: SiteNow, found: SolarHealth | None) -> dict[str, str]:
    """String, input or tracker to the asset it belongs to, as the portfolio or what was read has it."""
    known = dict(found.plant.parents) if found is not None and found.plant is not None else {}
    facts = at.facts.assets if at.facts is not None else ()
    return known | {asset.id: asset.parent for asset in facts if asset.parent}


def behind(at: SiteNow, found: SolarHealth | None, kind: str) -> dict[str, list[str]]:
    """Assets of a kind by the inverter they belong to; what belongs to none stands under an empty name."""
    from workbench.analytics.solar.plant_record import inverter_of

    parents, inverters = parents_of(at, found), set(at.of_type("inverter"))
    groups: dict[str, list[str]] = {one: [] for one in at.of_type("inverter")}
    for asset in at.of_type(kind):
        groups.setdefault(inverter_of(asset, parents, inverters), []).append(asset)
    return {name: assets for name, assets in groups.items() if assets}
