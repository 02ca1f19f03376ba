"""What the page of batteries works out: read and assessed once for all viewers, in another thread.

The last month is assessed as the report does it; what wants a longer look (health by month, its trend, the warranty's log,
the life) is of all the record.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.catalog.money import energy_price
from workbench.display.readings import Now, Reading, SiteNow
from workbench.model.errors import InputError

if TYPE_CHECKING:
    from workbench.analytics.storage import Assessment
    from workbench.catalog.battery_plant import BatteryPlant
    from workbench.display.live import Live
    from workbench.model.assets import Site

DAYS = 30  #: length of what is assessed
SECONDS = 600.0  #: after which a site is read anew where somebody still looks
SOON = 15.0  #: the same, where there was nothing to read
TEMPERATURE = ("cell_temperature", "temperature")  #: what cells may call theirs


@dataclass
class BatteryHealth:
    """The batteries of a site, read and assessed. ``problem`` says why there is nothing where there is nothing."""

    site: Site
    plant: BatteryPlant | None = None
    told: Assessment | None = None
    problem: str = ""
    terms: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    read: int = 0  #: when [ns since 1970 UTC]

    @property
    def price(self) -> float:
        """Price of energy [currency/MWh]."""
        return energy_price(self.site).value

    @property
    def currency(self) -> str:
        """Of the price."""
        return energy_price(self.site).currency

    def last_days(self, most: int = DAYS) -> str:
        """How much of the record is shown, in words: at most so many days."""
        if self.told is None:
            return ""
        days = (self.told.window[1] - self.told.window[0]).total_seconds() / 86400
        return f"last {min(max(round(days), 2), most)} days"

    def known(self, battery: str) -> bool:
        """Whether it was assessed."""
        return self.told is not None and battery in self.told.record["asset"].values

    def value(self, part: str, name: str, battery: str) -> float:
        """One number of one battery from a part of the assessment; NaN where it is not known."""
        data = getattr(self.told, part, None)
        if data is None or name not in data or battery not in data["asset"].values:
            return float("nan")
        return float(data[name].sel(asset=battery))

    def caution(self, part: str, battery: str) -> str:
        """What makes a part's figure of a battery doubtful; empty where nothing does."""
        data = getattr(self.told, part, None)
        if data is None or "caution" not in data or "period" in data["caution"].dims or not self.known(battery):
            return ""
        return str(data["caution"].sel(asset=battery).item())

    def reason(self, part: str, battery: str) -> str:
        """Why a part says nothing of a battery."""
        if self.told is None:
            return self.problem
        if part in self.told.reasons:
            return self.told.reasons[part]
        data = getattr(self.told, part, None)
        data = getattr(data, "life", data)
        if data is None or "reason" not in data or "period" in data["reason"].dims:
            return ""
        return str(data["reason"].sel(asset=battery).item())


@dataclass(frozen=True)
class CellNow:
    """One cell as it is now."""

    name: str
    parent: str  #: rack, or battery where it has none
    voltage: Reading
    temperature: Reading


def load(live: Live, site: str) -> BatteryHealth | None:
    """The site's batteries, read in another thread and shared by all viewers; None until they are there."""
    found: BatteryHealth | None = live.remember(
        ("battery health", site),
        lambda: prepare(live, site),
        seconds=SECONDS,
        lacking=lambda found: found.told is None,
        soon=SOON,
    )
    return found


def prepare(live: Live, site: str) -> BatteryHealth:
    """Read and assess the batteries of a site: the last :data:`DAYS` days of their record."""
    import pandas as pd

    from workbench.analytics.storage import assess
    from workbench.catalog import open_catalog
    from workbench.catalog.battery_plant import battery_plant, warranty_of
    from workbench.catalog.site import SiteView

    began = time.perf_counter()
    catalog = open_catalog(live.project.catalogs, store=live.root)
    facts = catalog.portfolio.site(site)
    view = SiteView(site, catalog.portfolio, live.root)
    ends = [info.last for info in view.series() if str(info.key) == "battery/10min" and info.last is not None]
    since = pd.Timestamp(max(ends)) - pd.Timedelta(DAYS, "D") if ends else None
    terms = warranty_of(facts)
    try:
        energy_price(facts)  # what is wrong with it is told now, not by each part that needs it
        plant = battery_plant(view, catalog, since)
        last = pd.Timestamp(plant.batteries["time"].values[-1]) + pd.Timedelta("10min")
        first = pd.Timestamp(plant.batteries["time"].values[0])
        window = (max(first, last - pd.Timedelta(DAYS, "D")), last)
        told = assess(
            plant.batteries,
            window=window,
            tz=facts.timezone,
            cells=plant.cells,
            plant=plant.beside,
            terms={name: value for name, value in terms.items() if name not in ("guaranteed_energy", "end_of_life")},
            guaranteed=terms.get("guaranteed_energy"),
            end_of_life=float(terms.get("end_of_life", 70.0)),
        )
    except InputError as error:
        return BatteryHealth(facts, problem=str(error), terms=terms)
    return BatteryHealth(facts, plant, told, terms=terms, seconds=time.perf_counter() - began, read=int(live.now.time))


def battery_sites(live: Live) -> dict[str, str]:
    """Sites with batteries, id to name."""
    return {name: site.name for name, site in live.portfolio.sites.items() if any(site.of_type("battery"))}


def batteries_of(at: SiteNow) -> list[str]:
    """The batteries of a site; racks that are batteries within a battery are not among them."""
    ids = at.of_type("battery")
    return [one for one in ids if (fact := at.fact(one)) is None or fact.parent not in ids]


def parents_of(at: SiteNow, found: BatteryHealth | None) -> dict[str, str]:
    """Cell or rack to the asset it belongs to, as the portfolio or what was read has it."""
    known = dict(found.plant.parents) if found is not None and found.plant is not None else {}
    facts = at.facts.assets if at.facts is not None else ()
    return known | {asset.id: asset.parent for asset in facts if asset.parent}


def cells_now(now: Now, site: str, battery: str, found: BatteryHealth | None) -> list[CellNow]:
    """The cells of a battery: live where a source speaks of them, else their newest ten minutes."""
    at = now.site(site)
    parents = parents_of(at, found)
    ids = [one for one in at.of_type("battery_cell") if at.blocks_of(one)]
    if ids:
        return [
            CellNow(one, parents.get(one, battery), at.reading(one, "voltage"), at.reading(one, *TEMPERATURE))
            for one in ids
            if _within(one, battery, parents)
        ]
    if found is None or found.plant is None or found.plant.cells is None:
        return []
    cells = found.plant.cells
    names = [str(one) for one in cells["asset"].values]
    heat = next((name for name in TEMPERATURE if name in cells), "")
    stamp = int(cells["time"].values[-1].astype("datetime64[ns]").astype(np.int64))

    def reading(name: str, place: int) -> Reading:
        value = float(cells[name].values[-1, place]) if name and name in cells else float("nan")
        units = str(cells[name].attrs.get("units", "")) if name and name in cells else ""
        return Reading(value, stamp if np.isfinite(value) else 0, 600.0, units, names[place], name)

    return [
        CellNow(one, parents.get(one, battery), reading("voltage", place), reading(heat, place))
        for place, one in enumerate(names)
        if _within(one, battery, parents)
    ]


def has_cells(now: Now, site: str, battery: str, found: BatteryHealth) -> bool:
    """Whether single cells of a battery are measured."""
    return bool(cells_now(now, site, battery, found))


def _within(asset: str, battery: str, parents: dict[str, str]) -> bool:
    """Whether ``battery`` stands above ``asset``; so where nothing is known of what is above."""
    above, seen = parents.get(asset, ""), {asset}
    if not above:
        return True
    while above and above not in seen:
        if above == battery:
            return True
        seen.add(above)
        above = parents.get(above, "")
    return False
