"""The day of a solar plant that runs: ten-minute means against expected power, read anew every two minutes.

Expected power is that of the solar analyses (:func:`workbench.analytics.solar.expected_power`), from the same record; between its
last slot and now the simpler model of :mod:`workbench.display.expectation` stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from workbench.display import format as fmt
from workbench.display.readings import day_start
from workbench.model.errors import InputError
from workbench.model.quality import good

if TYPE_CHECKING:
    import xarray as xr

    from workbench.display.live import Live
    from workbench.display.solar import SolarHealth

Floats = npt.NDArray[np.float64]

NS = 1_000_000_000
SECONDS = 120.0  #: after which the day is read anew
STEP = 600 * NS
LIGHT = 50.0  #: irradiance from which it is day for what is compared [W/m2]


@dataclass(frozen=True)
class Today:
    """A day of the site's clock: ten-minute means, dims (slot) and (slot, inverter); missing where nothing is known.

    Where the sun has not risen yet it is the day before.
    """

    day: str  #: in words
    window: tuple[np.datetime64, np.datetime64]  #: midnight to midnight of the site's clock [UTC]
    time: npt.NDArray[np.datetime64]
    assets: tuple[str, ...]
    power: Floats  #: AC [kW]
    expected: Floats  #: [kW]
    irradiance: Floats  #: in the plane, mean of the inverters [W/m2]
    dc: Floats  #: [kW]
    modules: Floats  #: rating of the modules [kW], (inverter)
    reason: str = ""  #: why expected power is not known

    def figures(self, asset: str = "") -> tuple[float, float, float]:
        """Performance ratio [1], index of energy made to energy expected [1], and irradiation [kWh/m2]; of an inverter or of all.

        Ratios are of the slots in which both sides are known.
        """
        columns = (
            list(range(len(self.assets))) if not asset else [i for i, one in enumerate(self.assets) if one == asset]
        )
        if not columns or not self.time.size:
            return float("nan"), float("nan"), float("nan")
        light = np.clip(self.irradiance, 0, None)
        made, expected, modules = self.power[:, columns], self.expected[:, columns], self.modules[columns]
        both = np.isfinite(made) & np.isfinite(light)[:, None] & np.isfinite(modules)
        under = float((light[:, None] * modules / 1000.0)[both].sum())
        ratio = float(made[both].sum()) / under if under > 0 else float("nan")
        also = np.isfinite(made) & np.isfinite(expected)
        wanted = float(expected[also].sum())
        index = float(made[also].sum()) / wanted if wanted > 0 else float("nan")
        return ratio, index, float(np.nansum(light)) / 6.0 / 1000.0


def today(live: Live, site: str) -> Today | None:
    """The day that runs, shared by all viewers; None until it has been read."""
    found: Today | None = live.remember(("solar today", site), lambda: read_today(live, site), seconds=SECONDS)
    return found


def read_today(live: Live, site: str) -> Today:
    """Read the day of a site that runs, or the one before where the sun has not risen."""
    at = live.now.site(site)
    start = day_start(live.now.time, at.timezone)
    found = _read(live, site, start)
    if found is None or not bool(
        (np.nan_to_num(found.power) > 0).any() or (np.nan_to_num(found.irradiance) > LIGHT).any()
    ):
        before = _read(live, site, day_start(start - 2 * 3600 * NS, at.timezone))
        found = before if before is not None else found
    if found is None:
        none, no_time = np.zeros((0, 0)), np.zeros(0, "datetime64[ns]")
        why = "no ten-minute means of inverters in the store"
        return Today("today", _window(start, at.timezone), no_time, (), none, none, np.zeros(0), none, np.zeros(0), why)
    return found


def _window(start: int, tz: str) -> tuple[np.datetime64, np.datetime64]:
    """From ``start`` [ns], a midnight, to the next of the clock of ``tz``."""
    local = datetime.fromtimestamp(start // NS, tz=fmt.zone(tz))
    noon = (local + timedelta(hours=36)).timestamp()  # noon of the next day, whatever the clock does between
    return np.datetime64(start, "ns"), np.datetime64(day_start(int(noon) * NS, tz), "ns")


def _read(live: Live, site: str, start: int) -> Today | None:
    from workbench.analytics.solar.plant_record import WEATHER, plant_record
    from workbench.analytics.solar.rating import power_name
    from workbench.catalog.site import SiteView
    from workbench.catalog.solar_plant import INVERTER, SENSORS

    view = SiteView(site, live.portfolio, live.root)
    at = live.now.site(site)
    window = _window(start, at.timezone)
    there = {str(info.key): info for info in view.series()}

    def part(kind: str, names: tuple[str, ...]) -> xr.Dataset | None:
        info = there.get(f"{kind}/10min")
        wanted = [name for name in names if info is not None and name in info.variables]
        if info is None or not wanted:
            return None
        data = view.telemetry(info.key, time=slice(window[0], window[1]), variables=wanted).load()
        return data if data.sizes["time"] else None

    inverters = part("inverter", (*INVERTER, *WEATHER))
    if inverters is None:
        return None
    weather = [one for one in (part(kind, WEATHER) for kind in SENSORS) if one is not None]
    record = plant_record(inverters, *weather)
    name = power_name(record)
    return _told(record, name, window, _words(live.now.time, start, at.timezone))


def _words(now: int, start: int, tz: str) -> str:
    day = datetime.fromtimestamp(start // NS, tz=fmt.zone(tz))
    running = day_start(now, tz) == start
    return f"today, {day:%-d %b}" if running else f"the last day, {day:%-d %b}"


def _told(record: xr.Dataset, power: str, window: tuple[np.datetime64, np.datetime64], words: str) -> Today:
    from workbench.analytics.solar.expected import expected_power
    from workbench.analytics.solar.plant_record import USED, with_expected
    from workbench.analytics.solar.rating import coordinate

    reason = ""
    try:
        record = with_expected(record, expected_power(record))
    except InputError as error:
        reason = error.message
    shape = (record.sizes["time"], record.sizes["asset"])

    def field(name: str) -> Floats:
        if name not in record:
            return np.full(shape, np.nan)
        one = good(record, name)
        return np.array(np.broadcast_to(_matrix(one), shape), dtype=np.float64)

    light = field(USED if USED in record else "irradiance_poa")
    known = np.isfinite(light)
    mean = np.where(known.any(axis=1), np.nansum(light, axis=1) / np.maximum(known.sum(axis=1), 1), np.nan)
    modules = coordinate(record, "dc_capacity")
    rated = coordinate(record, "rated_capacity")
    return Today(
        words, window, record["time"].values, tuple(str(one) for one in record["asset"].values), field(power),
        field("expected_power"), mean, field("total_dc_power"), np.where(np.isfinite(modules), modules, rated), reason,
    )  # fmt: skip


def _matrix(one: xr.DataArray) -> Any:
    return one.transpose("time", "asset").values if "asset" in one.dims else one.values[:, None]


def band(found: SolarHealth | None) -> tuple[float, float] | None:
    """Between which shares of expected power nine of ten slots of the days before lay, the plant as a whole; None without them."""
    if found is None or found.told is None or "expected_power" not in found.told.record:
        return None
    record = found.told.record
    made = good(record, found.told.power).transpose("time", "asset").values
    expected = record["expected_power"].transpose("time", "asset").values
    rows = slice(-30 * 144, None)
    made, expected = made[rows], expected[rows]
    both = np.isfinite(made) & np.isfinite(expected)
    under, over = np.where(both, expected, 0.0).sum(axis=1), np.where(both, made, 0.0).sum(axis=1)
    counts = under > 0.1 * under.max(initial=0.0)
    if counts.sum() < 36:
        return None
    low, high = np.quantile(over[counts] / under[counts], (0.05, 0.95))
    return float(low), float(high)
