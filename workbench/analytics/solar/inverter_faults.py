"""Inverters that convert worse than before or than their peers, and inverters that hold back power below their rating."""

from __future__ import annotations

import numpy as np
import xarray as xr

from workbench.analytics.solar.fault_fields import (
    Days,
    Faults,
    Floats,
    check,
    check_light,
    coded,
    days_of,
    field,
    median_of,
    need,
    numbers,
    quiet,
    spans_of,
    table_of,
    texts,
)
from workbench.analytics.solar.fault_segments import noise_of, segments_of
from workbench.model.errors import InputError

CLASSES = ("efficiency", "temperature derating", "power limit")
_CERTAIN = 5.0  #: standard errors
_FEWEST = 4  #: inverters, to tell what one of them could deliver
_BETWEEN = 14  #: days between two of which a derating is the same: it comes with hot days


@quiet
def inverter_faults(
    data: xr.Dataset, *, power: str = "total_ac_power", least_efficiency: float = 0.007, least_loss: float = 0.01,
    price: float | None = None,
) -> Faults:  # fmt: skip
    """Loss of conversion efficiency, and derating below the rating, each with the day it began and the energy lost.

    Efficiency: the losses of conversion are a parabola of the load (Sandia, SAND2007-5036; Schmid 1991), fitted to each inverter by
    medians; the AC energy of a day over what the parabola makes of its DC power is an index, less what all inverters of the
    plant have in common; a fall of its level is a fault. Derating: slots in which an inverter stays behind its peers at a
    steady power while a set point or a limit of the plant does not hold it; by temperature where the heat sink is hotter
    than that of its peers, or than its own otherwise, else a limit. A limit takes what is above it and nothing else: one that lacks
    with less light too, as it follows late or its modules stand askew, is at none; and one that is not hot is held at one power.

    Parameters
    ----------
    data
        dims (time, asset): ``total_ac_power`` [kW]; ``total_dc_power`` [kW] for the efficiency (or ``conversion_efficiency`` [%]);
        ``heatsink_temperature`` or ``internal_temperature`` [degC]; ``power_setpoint`` [kW]; ``expected_power`` [kW] in the place of
        peers. Coordinate ``rated_capacity`` [kW] on asset.
    power
        Field of the AC power.
    least_efficiency
        Fall of the efficiency that is worth an event [1].
    least_loss
        Share of the energy of a day that a derating takes [1].
    price
        Of energy [currency/kWh].

    Returns
    -------
    Faults
        ``fault``: ``efficiency``, ``temperature derating``, ``power limit``. Events have ``level``: the efficiency, or the power at which it
        is held over the rating. ``index``: efficiency by day over its usual one.

    Raises
    ------
    InputError
        No AC power; more AC than DC power (reversed, or another unit); night alone.
    """
    check(data)
    ac = need(data, power, "inverter")
    check_light(ac, power)
    days = days_of(data, ac)
    dc = field(data, "total_dc_power", "inverter")
    if dc is None and "conversion_efficiency" in data:
        efficiency = np.asarray(field(data, "conversion_efficiency", "inverter"))
        dc = np.where(efficiency > 10, ac / efficiency * 100.0, np.nan)
    found = _Found(data, days, price)
    names = [str(a) for a in data["asset"].values]
    if dc is None:
        found.reasons |= dict.fromkeys(names, "no total_dc_power: the efficiency is not judged")
    else:
        _efficiencies(found, ac, dc, least_efficiency)
    _deratings(found, ac, least_loss)
    return found.result()


class _Found:
    def __init__(self, data: xr.Dataset, days: Days, price: float | None) -> None:
        self.data, self.days, self.price = data, days, price
        shape = (data.sizes["time"], data.sizes["asset"])
        self.loss, self.code = np.zeros(shape), np.zeros(shape, np.int8)
        self.index = np.full((len(days.dates), shape[1]), np.nan)
        self.reasons: dict[str, str] = {}
        self.rows: list[dict[str, object]] = []
        self.parents = texts(data, "parent")

    def add(
        self, c: int, fault: int, first: int, stop: int, lost: Floats, rows: np.ndarray, *, ratio: float, level: float,
        sure: float, days: int, detail: str,
    ) -> None:  # fmt: skip
        times = self.data["time"].values
        self.loss[rows, c] += np.nan_to_num(lost)
        self.code[rows, c] = fault
        whole = np.flatnonzero((self.days.number >= first) & (self.days.number < stop))
        self.rows.append(
            {
                "asset": str(self.data["asset"].values[c]), "parent": self.parents[c], "fault": CLASSES[fault - 1],
                "begin": times[whole[0]], "end": times[whole[-1]], "ongoing": stop >= len(self.days.dates),
                "days": days, "ratio": ratio,
                "confidence": float(np.round(1.0 - 0.5 * np.exp(-max(sure - _CERTAIN, 0.0) / 10.0 - (days - 1) / 10.0), 2)),
                "lost_energy": float(np.nansum(lost)), "level": level, "detail": detail,
            }
        )  # fmt: skip

    def result(self) -> Faults:
        dims, days = ("time", "asset"), self.days
        worst = np.maximum.reduceat(self.code, days.first, axis=0)
        slots = xr.Dataset(
            {
                "loss": (dims, self.loss, {"units": "kWh"}),
                "fault": coded(self.data, self.code, CLASSES, "class of the fault"),
            },
            coords={"time": self.data["time"], "asset": self.data["asset"]},
        )
        daily = xr.Dataset(
            {
                "index": (dims, self.index, {"units": "1", "long_name": "efficiency over the usual one"}),
                "loss": (dims, days.sums(self.loss), {"units": "kWh"}),
                "fault": coded(self.data, worst, CLASSES, "class of the fault"),
            },
            coords={"time": days.dates.astype("datetime64[ns]"), "asset": self.data["asset"]},
        )
        return Faults(table_of(self.rows, ("level", "detail"), self.price), daily, slots, self.reasons, days.number)


def _efficiencies(found: _Found, ac: Floats, dc: Floats, least: float) -> None:
    days, size = found.days, ac.shape[1]
    rating = numbers(found.data, "rated_capacity")
    rating = np.where(np.isfinite(rating), rating, np.nanquantile(np.where(ac > 0, ac, np.nan), 0.995, axis=0))
    use = np.isfinite(ac) & np.isfinite(dc) & (dc > 0.05 * rating) & (ac > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        whole = np.nansum(np.where(use, ac, 0.0), axis=0) / np.nansum(np.where(use, dc, 0.0), axis=0)
    if np.nanmedian(whole) > 1.02 or np.nanmedian(whole) < 0.5:
        raise InputError(
            "AC over DC power is no efficiency: another unit, or the two are swapped", where="total_dc_power",
            found=f"{np.nanmedian(whole):.3g}", expected="0.8 to 1",
        )  # fmt: skip
    expected = np.full(ac.shape, np.nan)
    names = [str(a) for a in found.data["asset"].values]
    for c in range(size):
        rows = np.flatnonzero(use[:, c])
        if len(rows) < 20:
            found.reasons.setdefault(names[c], "hardly any slot with AC and DC power: the efficiency is not judged")
            continue
        expected[rows, c] = dc[rows, c] - _parabola(dc[rows, c], ac[rows, c], rating[c])(dc[rows, c])
    known = use & np.isfinite(expected)
    made, should = days.sums(np.where(known, ac, 0.0)), days.sums(np.where(known, expected, 0.0))
    light = should > 0.1 * np.nanquantile(should, 0.9, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        index = np.where(light, made / should, np.nan)
    if size >= _FEWEST:  # what moves all of them: temperature, a change of the metering
        common = median_of(index / np.nanmedian(index, axis=0), 3)
        index = index / np.where(np.isfinite(common), common, 1.0)[:, None]
    for c in range(size):
        own = noise_of(index[:, c])
        if not np.isfinite(own):
            continue
        noise = np.full(len(index), max(own, 0.0007))
        parts = segments_of(index[:, c], noise)
        total = int(np.isfinite(index[:, c]).sum())
        usual = max((s.level for s in parts if s.days >= min(max(7, 0.04 * total), max(total - 1, 1))), default=1.0)
        found.index[:, c] = index[:, c] / usual
        low = np.zeros(len(index), bool)
        for s in parts:
            fresh = (
                s.stop >= np.flatnonzero(np.isfinite(index[:, c]))[-1] + 1 and 1 - s.level / usual > 10 * s.deviation
            )
            if 1.0 - s.level / usual > max(least, _CERTAIN * s.deviation) and (s.days >= 2 or fresh):
                low[s.first : s.stop] = True
        for first, stop in spans_of(low, gap=1):
            here = np.isfinite(index[first:stop, c])
            ratio = float(np.nanmedian(found.index[first:stop, c]))
            rows = np.flatnonzero((days.number >= first) & (days.number < stop))
            lost = (
                np.where(np.isfinite(ac[rows, c]) & (ac[rows, c] > 0), ac[rows, c] * (1 / ratio - 1), 0.0) * days.hours
            )
            level = float(np.nansum(ac[rows, c] * use[rows, c]) / max(np.nansum(dc[rows, c] * use[rows, c]), 1e-9))
            found.add(
                c, 1, first, stop, lost, rows, ratio=ratio, level=level, sure=(1 - ratio) / own, days=int(here.sum()),
                detail=f"efficiency {100 * level:.1f} %, {100 * (1 - ratio):.1f} % below its usual",
            )  # fmt: skip


def _parabola(dc: Floats, ac: Floats, rating: float) -> np.poly1d:
    """Losses of conversion by DC power, through medians of classes of load."""
    edges = np.linspace(0.05, max(1.05, float(np.quantile(dc, 0.999)) / rating), 21) * rating
    place = np.digitize(dc, edges)
    x, y, w = [], [], []
    for n in np.unique(place):
        rows = place == n
        if rows.sum() >= 5:
            x.append(float(np.median(dc[rows])))
            y.append(float(np.median((dc - ac)[rows] / dc[rows])) * x[-1])
            w.append(float(np.sqrt(rows.sum()) / x[-1]))
    if len(x) < 4:
        share = float(np.median((dc - ac) / dc))
        return np.poly1d([share, 0.0])
    return np.poly1d(np.polyfit(x, y, 2, w=w))


def _deratings(found: _Found, ac: Floats, least: float) -> None:
    data, days, size = found.data, found.days, ac.shape[1]
    names = [str(a) for a in data["asset"].values]
    expected = field(data, "expected_power", "inverter")
    top = np.nanquantile(np.where(ac > 0, ac, np.nan), 0.9, axis=0)
    top = np.where(np.isfinite(top) & (top > 0), top, np.nan)
    rating = numbers(data, "rated_capacity")
    if expected is None:
        if size < _FEWEST:
            text = f"{size} inverters and no expected_power: {_FEWEST} are needed to tell a derating"
            for name in names:
                found.reasons[name] = "; ".join(filter(None, (found.reasons.get(name, ""), text)))
            return
        scale = top
        for _ in range(2):
            reference = median_of(np.where(ac > 0.02 * top, ac, np.nan) / scale, 3)
            base = days.sums(np.where(np.isfinite(ac) & (ac > 0.02 * top), np.nan_to_num(reference)[:, None], 0.0))
            got = days.sums(np.where(np.isfinite(reference)[:, None] & (ac > 0.02 * top), ac, 0.0))
            with np.errstate(invalid="ignore", divide="ignore"):
                scale = np.nanquantile(np.where(base > 0.1 * np.nanmax(base, axis=0), got / base, np.nan), 0.7, axis=0)
            scale = np.where(np.isfinite(scale), scale, top)
        expected = reference[:, None] * scale
        if np.isfinite(rating).any():
            expected = np.where(np.isfinite(rating), np.minimum(expected, rating), expected)
    setpoint = field(data, "power_setpoint", "inverter")
    held = np.zeros(ac.shape, bool)
    if setpoint is not None:
        full = np.where(np.isfinite(rating), rating, np.nanmax(setpoint, axis=0))
        held = (setpoint < 0.98 * full) & (ac > 0.9 * setpoint - 0.02 * full)
    elif "active_power_curtailment" in data:
        held = np.nan_to_num(data["active_power_curtailment"].transpose("time", "asset").values.astype(float)) > 0
    heat = field(data, "heatsink_temperature", "inverter")
    heat = heat if heat is not None else field(data, "internal_temperature", "inverter")
    peers = None if heat is None or size < _FEWEST else median_of(heat, 3)
    for c in range(size):
        with np.errstate(invalid="ignore"):
            high = expected[:, c] > 0.4 * top[c]
            short = high & (ac[:, c] < 0.95 * expected[:, c]) & (ac[:, c] > 0.1 * top[c]) & ~held[:, c]
        # at a steady power: next to slots of the same power, while more is expected
        flat = short & _steady(ac[:, c], expected[:, c])
        lost = np.where(flat, expected[:, c] - ac[:, c], 0.0) * days.hours
        by_day = days.sums(lost[:, None])[:, 0]
        whole = (
            days.sums(np.where(np.isfinite(ac[:, c]), np.nan_to_num(expected[:, c]), 0.0)[:, None])[:, 0] * days.hours
        )
        count = days.sums(flat[:, None].astype(float))[:, 0]
        bad = (by_day > least * np.maximum(whole, 1e-9)) & (count * days.hours >= 1.0)
        free = np.isfinite(ac[:, c]) & np.isfinite(expected[:, c]) & (expected[:, c] > 0.1 * top[c]) & ~held[:, c]
        level_kept = np.zeros(len(bad), bool)
        for day in np.flatnonzero(bad):
            rows = np.arange(*np.searchsorted(days.number, (day, day + 1)))
            bad[day], level_kept[day] = _limited(ac[rows, c], expected[rows, c], flat[rows], free[rows])
        for first, stop in spans_of(bad, gap=_BETWEEN):
            if bad[first:stop].sum() < 2 and stop < len(bad):
                continue
            rows = np.flatnonzero((days.number >= first) & (days.number < stop) & flat)
            fault, why = _cause(c, rows, heat, peers, high & ~short)
            if fault == 3 and heat is not None and level_kept[first:stop].sum() < 0.5 * bad[first:stop].sum():
                continue  # not hot, and held at no power
            limit = rating[c] if np.isfinite(rating[c]) else float(np.nanmax(ac[:, c]))
            level = float(np.nanmedian(ac[rows, c]) / limit)
            ratio = float(ac[rows, c].sum() / expected[rows, c].sum())
            # the slots beside those count too, where they are short by less
            more = flat.copy()
            for by in (1, 2):
                more[by:] |= flat[:-by]
                more[:-by] |= flat[by:]
            more &= (days.number >= first) & (days.number < stop) & np.isfinite(ac[:, c]) & (ac[:, c] > 0) & ~held[:, c]
            rows = np.flatnonzero(more)
            took = np.nan_to_num(expected[rows, c] - ac[rows, c]) * days.hours
            found.add(
                c, fault, first, stop, took, rows, ratio=ratio, level=level, sure=5.0 * float(bad[first:stop].sum()),
                days=int(bad[first:stop].sum()), detail=f"held at {100 * level:.0f} % of its rating{why}",
            )  # fmt: skip


def _limited(ac: Floats, expected: Floats, flat: np.ndarray, free: np.ndarray) -> tuple[bool, bool]:
    """Whether a limit explains a day, and whether it is one power.

    A limit takes what is above it and nothing else: with less light the inverter gives what is expected. One that follows its peers
    late, or whose modules stand askew or are cut off, lacks at any power. ``free`` are slots of some light that no order holds back.
    """
    level = float(np.median(ac[flat]))
    less = free & (expected < 0.9 * level)
    lacks, here = 1.0 - ac[less] / expected[less], 1.0 - float(ac[flat].sum() / expected[flat].sum())
    explains = less.sum() < 4 or ((np.abs(lacks) < 0.1).mean() > 0.6 and np.median(lacks) < 0.5 * here)
    more = free & (expected > 1.05 * level)
    kept = np.abs(ac[more] / level - 1.0) < 0.04
    return bool(explains), bool(more.any() and kept.mean() > 0.6)


def _steady(ac: Floats, expected: Floats) -> np.ndarray:
    """Slots whose neighbours have a power within 2 %, or whose power moves less than half as much as what is expected."""
    size = np.maximum(np.abs(ac), 1e-9)
    near = np.zeros(len(ac), bool)
    with np.errstate(invalid="ignore"):
        same = np.abs(np.diff(ac)) < 0.02 * size[1:]
        moves = np.abs(np.diff(ac)) / size[1:] < 0.5 * np.abs(np.diff(expected)) / np.maximum(
            np.abs(expected[1:]), 1e-9
        )
    pair = same | moves
    near[1:] |= pair
    near[:-1] |= pair
    return near


def _cause(
    c: int, rows: np.ndarray, heat: Floats | None, peers: Floats | None, otherwise: np.ndarray
) -> tuple[int, str]:
    if heat is None:
        return 3, "; no temperature of it is measured, so heat is not told from a limit"
    here = float(np.nanmedian(heat[rows, c]))
    other = float(np.nanmedian(heat[otherwise, c])) if otherwise.any() else np.nan
    beside = float(np.nanmedian(heat[rows, c] - peers[rows])) if peers is not None else np.nan
    if np.isfinite(beside) and beside > 5.0:
        return 2, f" at {here:.0f} degC, {beside:.0f} K above its peers"
    if np.isfinite(other) and here - other > 5.0 and not (np.isfinite(beside) and beside < 0.0):
        return 2, f" at {here:.0f} degC, {here - other:.0f} K above what it has at this power otherwise"
    return 3, f" at {here:.0f} degC, no hotter than usual"
