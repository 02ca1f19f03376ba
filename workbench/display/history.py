"""The past of a site for pages: the right series for the range, small enough to draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from workbench.display.readings import GENERATION, POWER, cadence_seconds
from workbench.model.samples import SeriesKey
from workbench.model.vocabulary import vocabulary

if TYPE_CHECKING:
    import xarray as xr

    from workbench.display.live import Live
    from workbench.store import SeriesInfo

NS = 1_000_000_000
STATISTICS = 600.0  #: cadence of the statistics that are kept as data arrives [s]


@dataclass(frozen=True)
class Range:
    """A choice of how far a trend looks back."""

    name: str
    words: str
    seconds: int
    fine: bool  #: from the series as collected; otherwise from ten-minute statistics

    @property
    def live(self) -> bool:
        """Whether the trend grows with each new value."""
        return self.name == "15min"


RANGES = {
    choice.name: choice
    for choice in (
        Range("15min", "15 min live", 900, True),
        Range("1h", "1 h", 3_600, True),
        Range("24h", "24 h", 86_400, False),
        Range("7d", "7 d", 7 * 86_400, False),
        Range("30d", "30 d", 30 * 86_400, False),
    )
}


def range_of(name: str) -> Range:
    """The range of that name; the live one for a name that is none."""
    return RANGES.get(name, RANGES["15min"])


@dataclass(frozen=True)
class Course:
    """The course of a value: times [datetime64, UTC], values, and the band between minimum and maximum."""

    time: npt.NDArray[np.datetime64]
    value: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    series: str = ""

    @property
    def finite(self) -> npt.NDArray[np.float64]:
        """The values that are there."""
        return self.value[np.isfinite(self.value)]


_NONE = np.array([], dtype=np.float64)
EMPTY = Course(np.array([], "datetime64[ns]"), _NONE, _NONE, _NONE)


def recent_course(live: Live, site: str, asset: str, tag: str) -> Course:
    """The newest minutes of a tag, from the live ring."""
    at = live.now.site(site)
    for block in at.blocks_of(asset):
        if tag in block.variables:
            data = live.recent(site, block.key, assets=[asset], variables=[tag])
            if data is None:
                return EMPTY
            values = data[tag].values[:, 0].astype(float)
            return Course(data["time"].values, values, values, values, str(block.key))
    return EMPTY


def course(live: Live, site: str, asset: str, tag: str, span: Range) -> Course:
    """A tag over a range of the past, from the series that suits the range. Reads the store: may take a while."""
    store = live.site_store(site)
    if not store.exists():
        return EMPTY
    infos = [info for info in store.series() if asset in info.assets and tag in info.variables]
    chosen = _choose(infos, fine=span.fine)
    if chosen is None:
        return EMPTY
    start = live.now.time - span.seconds * NS
    wanted = [tag]
    if not span.fine:
        wanted += [name for name in (f"{tag}_min", f"{tag}_max") if name in chosen.variables]
    data = store.open(chosen.key, time=slice(start, None), assets=[asset], variables=wanted, quality=False).load()
    value = _column(data, tag)
    low = _column(data, f"{tag}_min") if f"{tag}_min" in data else value
    high = _column(data, f"{tag}_max") if f"{tag}_max" in data else value
    found = Course(data["time"].values, value, low, high, str(chosen.key))
    return found if span.fine or cadence_seconds(chosen.key.cadence) >= 60 else thin(found, tag)


def thin(found: Course, tag: str, seconds: int = 600) -> Course:
    """A fine course in bins: mean, minimum and maximum of each. What goes in steps keeps its last value."""
    slots = found.time.astype("datetime64[s]").astype(np.int64) // seconds
    if slots.size == 0:
        return found
    edges = np.flatnonzero(np.diff(slots, prepend=slots[0] - 1))
    ends = np.append(edges[1:], slots.size) - 1
    there = np.isfinite(found.value)
    count = np.add.reduceat(there.astype(float), edges)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(count > 0, np.add.reduceat(np.where(there, found.value, 0.0), edges) / count, np.nan)
    low = np.fmin.reduceat(found.value, edges)
    high = np.fmax.reduceat(found.value, edges)
    if is_step(tag):
        newest = np.maximum.accumulate(np.where(there, np.arange(slots.size), -1))[ends]
        mean = np.where(newest >= edges, found.value[newest], np.nan)
        if kind_of(tag) in ("status", "angle"):
            low = high = mean  # there is no order in them
    time = (slots[edges] * seconds).astype("datetime64[s]").astype("datetime64[ns]")
    return Course(time, mean, low, high, found.series)


def kind_of(tag: str) -> str:
    """The vocabulary's kind of a tag: measurement, status, angle, setpoint or counter; measurement for an unknown one."""
    term = vocabulary().get(tag)
    return term.kind if term is not None else "measurement"


def is_step(tag: str) -> bool:
    """Whether a tag jumps from value to value: states, setpoints, counters, and angles, which wrap."""
    return kind_of(tag) in ("status", "setpoint", "counter", "angle")


def delay(tag: str, seconds: float) -> float:
    """How far into a slot of statistics its value belongs [s]; a slot is stamped at its start.

    A mean belongs to the middle, where it is drawn as a line; drawn as a step it lasts for the slot. What was
    kept as the last value of the slot (states, counters) was known at its end.
    """
    return {"measurement": seconds / 2, "status": seconds, "counter": seconds}.get(kind_of(tag), 0.0)


def increase(found: Course) -> float:
    """How much a counter went up over its course; one that was set back counts from zero. NaN for no values."""
    value = found.finite
    if value.size == 0:
        return float("nan")
    steps = np.diff(value)
    return float(np.where(steps >= 0, steps, value[1:]).sum())


def _column(data: xr.Dataset, name: str) -> npt.NDArray[np.float64]:
    return data[name].values[:, 0].astype(float)


def _choose(infos: list[SeriesInfo], *, fine: bool) -> SeriesInfo | None:
    """The finest series, or the ten-minute statistics (where there are none, the finest that exists)."""
    if not infos:
        return None
    by_step = sorted(infos, key=lambda info: info.step)
    if fine:
        return by_step[0]
    return next((info for info in by_step if info.step >= STATISTICS * NS), by_step[0])


# -- power of a site ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PowerHistory:
    """Power of a site in ten-minute means: times [datetime64, UTC] and [kW] by kind of generation."""

    time: npt.NDArray[np.datetime64]
    power: dict[str, npt.NDArray[np.float64]]


def grid(end: int, hours: float) -> npt.NDArray[np.int64]:
    """Starts of the ten-minute slots of the last hours [ns], the running one last."""
    step = int(STATISTICS) * NS
    last = end // step * step
    return np.arange(last - int(hours * 3600 * NS) // step * step, last + 1, step)


def power_history(live: Live, site: str, hours: float) -> PowerHistory:
    """Ten-minute means of a site's power over the last hours. Reads the store: may take a while."""
    slots = grid(live.now.time, hours)
    found: dict[str, npt.NDArray[np.float64]] = {}
    store = live.site_store(site)
    infos = store.series() if store.exists() else []
    for kind, generation in GENERATION.items():
        chosen = _choose([i for i in infos if i.key.asset_type == kind and _power_name(kind, i)], fine=False)
        if chosen is not None:
            found[generation] = _site_power(live, site, kind, chosen, slots)
    return PowerHistory(slots.astype("datetime64[ns]"), found)


def _power_name(kind: str, info: SeriesInfo) -> str:
    return next((name for name in POWER[kind] if name in info.variables), "")


def _site_power(
    live: Live, site: str, kind: str, info: SeriesInfo, slots: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    name = _power_name(kind, info)
    window = slice(int(slots[0]), None)
    data = live.site_store(site).open(info.key, time=window, variables=[name], quality=False).load()
    total = _binned(data, name, slots)
    # The statistics of the last minutes are not closed yet: the ring has them.
    for key in (block.key for block in live.now.site(site).blocks.values() if block.key.asset_type == kind):
        recent = live.recent(site, key, variables=[name]) if _carries(live, site, key, name) else None
        if recent is not None:
            fresh = _binned(recent, name, slots)
            total = np.where(np.isfinite(total), total, fresh)
    return total


def _carries(live: Live, site: str, key: SeriesKey, name: str) -> bool:
    return name in live.now.site(site).blocks[key].variables


def _binned(data: xr.Dataset, name: str, slots: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Mean over each slot of each asset, summed over assets; NaN where no asset said anything."""
    values = data[name].transpose("time", "asset").values.astype(float)
    step = int(STATISTICS) * NS
    place = (data["time"].values.astype("datetime64[ns]").astype(np.int64) - slots[0]) // step
    inside = (place >= 0) & (place < slots.size)
    place, values = place[inside], values[inside]
    there = np.isfinite(values)
    sums = np.zeros((slots.size, values.shape[1]))
    counts = np.zeros_like(sums)
    np.add.at(sums, place, np.where(there, values, 0.0))
    np.add.at(counts, place, there)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(counts > 0, sums / counts, np.nan)
    return np.where((counts > 0).any(axis=1), np.nansum(means, axis=1), np.nan)
