"""How the strings (or inputs) of a solar plant do beside each other: now, over the last day of light, over a week.

A string is held against the median of those behind its inverter, each by the number of strings in parallel that its sensor measures;
so clouds, dusk and an inverter that limits are common to all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from workbench.display.readings import Now, Reading, SiteNow
from workbench.display.solar import SolarHealth, behind, parents_of
from workbench.model.quality import good

if TYPE_CHECKING:
    import xarray as xr

    from workbench.display.live import Live

Floats = npt.NDArray[np.float64]

SHOWS = {"now": "Now", "day": "Last day", "week": "7 days"}
LIGHT = 0.3  #: current of a string from which it is compared [A]
KINDS = {"string": ("current", "Strings"), "mppt": ("input_current", "Inputs")}


@dataclass(frozen=True)
class StringLevel:
    """A string, or an input, beside its peers."""

    name: str
    inverter: str
    parent: str  #: the input it hangs on, or the inverter
    current: float  #: of one string in parallel [A]
    deviation: float  #: from the median of those behind its inverter [%]; NaN where it cannot be told
    reading: Reading  #: what its sensor reads now


def kind_of(at: SiteNow) -> str:
    """What there is behind the inverters: ``string``, ``mppt`` or nothing."""
    return next((kind for kind in KINDS if at.of_type(kind)), "")


def levels(live: Live, now: Now, site: str, found: SolarHealth | None, show: str) -> tuple[list[StringLevel], str]:
    """The strings of a site, and what is shown of them: that of ``show``, or the last day where it is dark now."""
    at = now.site(site)
    kind = kind_of(at)
    if not kind:
        return [], show
    name = KINDS[kind][0]
    groups, parents = behind(at, found, kind), parents_of(at, found)
    ids = [one for assets in groups.values() for one in assets]
    of = [inverter for inverter, assets in groups.items() for _ in assets]
    counts = np.array([_count(at, one) for one in ids])
    readings = [at.reading(one, name) for one in ids]
    given = np.array([one.value if one.fresh(now.time) else np.nan for one in readings]) / counts
    if show == "now" and (not np.isfinite(given).any() or float(np.nanmax(given)) < LIGHT):
        show = "day"
    if show == "now":
        current, deviation = given, deviations(given[None, :], of)
    else:
        past = of_record(live, site, found, kind, ids)
        if past is None:
            return [], show
        values = past / counts
        bright = np.flatnonzero(np.nanmax(np.where(np.isfinite(values), values, 0.0), axis=1, initial=0.0) > LIGHT)
        rows = _rows(bright, 1 if show == "day" else 7)
        values = values[rows]
        known = np.isfinite(values).sum(axis=0)
        current = np.where(known > 0, np.nansum(values, axis=0) / np.maximum(known, 1), np.nan)
        deviation = deviations(values, of)
    return [
        StringLevel(one, of[i], parents.get(one, of[i]), float(current[i]), float(deviation[i]), readings[i])
        for i, one in enumerate(ids)
    ], show


def _count(at: SiteNow, asset: str) -> float:
    fact = at.fact(asset)
    return float(fact.strings.count) if fact is not None and fact.strings is not None else 1.0


def _rows(bright: npt.NDArray[np.int64], days: int) -> npt.NDArray[np.int64]:
    """Those of ``bright`` slots that lie in the last days of light; a night parts two days."""
    if not bright.size:
        return bright
    nights = np.flatnonzero(np.diff(bright) > 24)  # four hours without light
    start = nights[-days] + 1 if len(nights) >= days else 0
    return bright[start:]


def of_record(live: Live, site: str, found: SolarHealth | None, kind: str, ids: list[str]) -> Floats | None:
    """Ten-minute means of the currents of the last eight days [A], (time, string)."""
    data: xr.Dataset | None = None
    if found is not None and found.plant is not None:
        data = found.plant.strings if kind == "string" else found.plant.mppts
    name = KINDS[kind][0]
    if data is None or name not in data:
        return None
    data = data.isel(time=slice(-8 * 144, None))
    return np.asarray(good(data, name).reindex(asset=ids).transpose("time", "asset").values, dtype=np.float64)


def deviations(values: Floats, groups: list[str]) -> Floats:
    """How far each column is from the median of its group [%], as sums over the rows in which there is light.

    Parameters
    ----------
    values
        [time, string].
    groups
        Of each column. A group of one has no peers.
    """
    out = np.full(values.shape[1], np.nan)
    of = np.array(groups, dtype=object)
    for group in dict.fromkeys(groups):
        columns = np.flatnonzero(of == group)
        some = values[:, columns]
        known = np.isfinite(some).sum(axis=1)
        rows = known >= 2
        if len(columns) < 2 or not rows.any():
            continue
        some = some[rows]
        middle = np.nanmedian(some, axis=1)
        bright = middle >= LIGHT
        if not bright.any():
            continue
        some, middle = some[bright], middle[bright]
        both = np.isfinite(some)
        under = np.where(both, middle[:, None], 0.0).sum(axis=0)
        over = np.where(both, some, 0.0).sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            out[columns] = np.where(under > 0, 100.0 * (over / under - 1.0), np.nan)
    return out


def fault_of(found: SolarHealth | None, asset: str) -> str:
    """Class of the fault an asset has at the end of what was assessed; empty where it has none or nothing is known."""
    if found is None or found.told is None or found.told.faults is None:
        return ""
    events = found.told.faults.events
    own = events[(events["asset"] == asset) & events["ongoing"].astype(bool)] if len(events) else events
    return str(own["fault"].iloc[-1]) if len(own) else ""


def index_of(found: SolarHealth | None, kind: str, asset: str) -> float:
    """Index of an asset to its peers, the last of which it has one [1]."""
    if found is None or found.told is None or found.told.faults is None:
        return float("nan")
    daily = found.told.faults.daily.get(kind)
    if daily is None or "index" not in daily or asset not in daily["asset"].values:
        return float("nan")
    values = daily["index"].sel(asset=asset).values
    known = values[np.isfinite(values)]
    return float(known[-1]) if known.size else float("nan")


def lost_by(found: SolarHealth | None, asset: str) -> float:
    """Energy that the faults of an asset took [kWh]; NaN where nothing is known."""
    if found is None or found.told is None or found.told.faults is None:
        return float("nan")
    events = found.told.faults.events
    return float(events.loc[events["asset"] == asset, "lost_energy"].sum()) if len(events) else 0.0
