"""Records of solar plants with faults of known place, drawn anew for each seed: cadence, site, weather, unit, rounding, nights, faults.

Irradiance is pvlib's clear sky on a tilted plane times an index of clearness that goes by minutes: days are clear, broken or
overcast, each like the one before, and a broken day goes in and out of cloud. Nothing here is shared with the methods that are scored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pvlib
import xarray as xr
from scipy.signal import lfilter

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

KINDS = ("stale", "interpolated", "outliers", "clipping", "none")
#: Minutes of a slot, and days of the record at least and at most.
CADENCES = {1: (25, 40), 5: (45, 150), 15: (60, 400), 30: (120, 500), 60: (200, 730)}
NIGHTS = ("zero", "missing", "left out", "negative", "noisy")
ROUNDINGS = ("none", "single", "0.001 %", "0.1 %", "1 %", "whole")
LIMITS = ("hard", "noisy", "warm", "soft", "set point")


@dataclass(frozen=True)
class Record:
    """One series and the truth of it."""

    data: xr.Dataset
    truth: Bools  #: [slot]
    doubt: Bools  #: [slot] neither right nor wrong: where a soft limit begins
    about: dict[str, object]  #: what was drawn


def record(seed: int, kind: str) -> Record:
    """A record with faults of one kind (or none)."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    slot = int(rng.choice(list(CADENCES)))
    days = int(rng.integers(*CADENCES[slot]))
    times, power, clear = _plant(rng, slot, days)
    about: dict[str, object] = {"slot": slot, "days": days}
    truth, doubt = np.zeros(len(power), bool), np.zeros(len(power), bool)
    if kind == "clipping":
        power, truth, doubt = _clipped(rng, times, power, about)
    rounding = str(rng.choice(ROUNDINGS, p=[0.3, 0.1, 0.25, 0.2, 0.05, 0.1]))
    rated = float(np.exp(rng.uniform(np.log(3.0), np.log(3000.0))))  # kW
    unit = str(rng.choice(["kW", "W", "share"]))
    full = {"kW": rated, "W": 1000.0 * rated, "share": 1.0}[unit]
    if rounding == "whole" and full < 50:
        rounding = "0.001 %"  # whole kilowatts of a roof are steps of many per cent
    nights = str(rng.choice(NIGHTS))
    about |= {"rounding": rounding, "unit": unit, "nights": nights, "full": full}
    values = _round(_night(rng, power, clear, nights), rounding, full)
    if kind in ("stale", "interpolated", "outliers"):
        values, truth = _faults(rng, kind, values, clear, rounding, full, about)
    elif kind == "clipping":
        truth &= clear > 0
    keep = np.ones(len(values), bool) if nights != "left out" else ((clear > 0) | truth)
    times, values, truth, doubt = times[keep], values[keep], truth[keep], doubt[keep]
    data = xr.Dataset(
        {"total_ac_power": (("time", "asset"), values[:, None])},
        coords={"time": times.tz_localize(None).as_unit("ns").to_numpy(), "asset": [f"{kind}-{seed}"]},
    )
    return Record(data, truth, doubt, about)


def _plant(rng: np.random.Generator, slot: int, days: int) -> tuple[pd.DatetimeIndex, Floats, Floats]:
    """Times, power as a share of the rating, and clear-sky irradiance in the plane over 1000 W/m², [slot]."""
    zone = float(rng.uniform(-150, 150))
    place = pvlib.location.Location(rng.uniform(18, 54), zone, altitude=rng.uniform(0, 1500))
    first = pd.Timestamp("2015-01-01", tz="UTC") + pd.Timedelta(days=int(rng.integers(0, 2500)))
    times = pd.date_range(first, periods=days * 1440 // slot, freq=f"{slot}min")
    middle = times + pd.Timedelta(minutes=slot / 2)
    sun = place.get_solarposition(middle)
    sky = place.get_clearsky(middle, model="ineichen", solar_position=sun, linke_turbidity=rng.uniform(2, 4))
    tilt, azimuth = rng.uniform(0, 45), rng.normal(180, 25)
    clearness = _clearness(rng, days, slot)
    beam = np.clip((clearness - 0.25) / 0.75, 0, None)
    plane = pvlib.irradiance.get_total_irradiance(
        tilt, azimuth, sun["apparent_zenith"], sun["azimuth"],
        sky["dni"] * beam, sky["ghi"] * clearness, np.minimum(sky["dhi"] * (1 + 1.5 * (1 - beam)), sky["ghi"] * clearness),
    )["poa_global"].fillna(0.0).to_numpy()  # fmt: skip
    clear = np.where(sun["apparent_elevation"] > 0.3, sky["ghi"].fillna(0.0), 0.0) / 1000.0
    plane = np.clip(plane, 0, None) * (clear > 0)
    year = 2 * np.pi * (times.dayofyear.to_numpy() - 110) / 365.25
    day = 2 * np.pi * ((times.hour + times.minute / 60).to_numpy() + zone / 15 - 9) / 24
    cell = rng.uniform(5, 20) + 10 * np.sin(year) + 5 * np.sin(day) + 0.03 * plane
    direct = plane / 1000 * (1 - 0.004 * (cell - 25)) * (1 + rng.uniform(0.001, 0.005) * rng.normal(size=len(plane)))
    power = np.clip(direct - 0.006 - 0.02 * direct**2, 0, None)
    return times, power, np.where(power > 0, clear, 0.0)


def _clearness(rng: np.random.Generator, days: int, slot: int) -> Floats:
    """Irradiance over that of a clear sky: minutes, averaged to slots."""
    stay = rng.uniform(0.3, 0.7)
    share = rng.dirichlet([4, 4, 2])
    kind = np.empty(days, int)
    for day in range(days):
        kind[day] = kind[day - 1] if day and rng.random() < stay else rng.choice(3, p=share)
    minutes = np.repeat(kind, 1440)
    size = len(minutes)
    quick, slow = (
        lfilter([np.sqrt(1 - a * a)], [1, -a], rng.normal(size=size)) for a in (np.exp(-1 / 12), np.exp(-1 / 90))
    )
    cover = 1 / (1 + np.exp(-4 * (0.7 * quick + 0.7 * slow)))  # of a broken day: mostly in or out of cloud
    edge = 0.12 * np.exp(-((cover - 0.25) ** 2) / 0.02)  # beside a cloud it is brighter than under a clear sky
    found = np.select(
        [minutes == 0, minutes == 1],
        [1 + 0.004 * slow, 1 - 0.7 * cover + edge],
        np.clip(0.3 + 0.12 * slow + 0.04 * quick, 0.05, 0.9),
    )
    return np.asarray(found.reshape(-1, slot).mean(axis=1))


def _night(rng: np.random.Generator, power: Floats, clear: Floats, nights: str) -> Floats:
    dark = clear <= 0
    values = power.copy()
    if nights == "negative":
        values[dark] = -rng.uniform(0.0005, 0.004)
    elif nights == "noisy":
        values[dark] = -rng.uniform(0.0005, 0.002) * rng.uniform(0.5, 1.5, int(dark.sum()))
    elif nights == "missing":
        values[dark] = np.nan
    else:
        values[dark] = 0.0
    return values


def _round(values: Floats, rounding: str, full: float) -> Floats:
    """In the unit, as the recorder writes it."""
    if rounding == "none":
        return values * full
    if rounding == "single":
        return (values * full).astype(np.float32).astype(float)
    # a recorder rounds to decimals: to the power of ten at or below the share asked for
    share = {"0.001 %": 1e-5, "0.1 %": 1e-3, "1 %": 1e-2}.get(rounding)
    decimals = 0 if share is None else -int(np.floor(np.log10(share * full) + 1e-9))
    return np.round(values * full, decimals)


def _clipped(
    rng: np.random.Generator, times: pd.DatetimeIndex, power: Floats, about: dict[str, object]
) -> tuple[Floats, Bools, Bools]:
    how = str(rng.choice(LIMITS))
    limit = np.full(len(power), float(np.quantile(power[power > 0.05], rng.uniform(0.75, 0.95))))
    if how == "warm":  # the limit falls in the heat of the year, by days
        heat = np.clip(np.sin(2 * np.pi * (times.dayofyear.to_numpy() - 110) / 365.25), 0, None)
        limit *= 1 - 0.02 * np.round(heat, 1)
    elif how == "set point":  # for a part of the record a lower one
        a, b = np.sort(rng.uniform(0.2, 0.8, 2))
        at = np.arange(len(power)) / len(power)
        limit = np.where((at > a) & (at < max(b, a + 0.15)), 0.8 * limit, limit)
    truth, doubt = power >= limit, np.zeros(len(power), bool)
    about["limit"] = how
    if how == "soft":  # the last per cent before the limit is rounded off
        width = 0.01 * limit
        ease = width * np.log1p(np.exp(np.clip((limit - power) / width, -50, 50)))
        truth, doubt = power >= 1.02 * limit, (power < 1.02 * limit) & (power > 0.98 * limit)
        return np.where(power > 0.9 * limit, limit - ease, power), truth, doubt
    held = np.minimum(power, limit)
    if how == "noisy":
        held = np.where(truth, limit * (1 + rng.uniform(-0.003, 0.003, len(power))), held)
    else:
        held = np.where(truth, limit * (1 + rng.normal(0, 1e-4, len(power))), held)
    return held, truth, doubt


def _faults(
    rng: np.random.Generator,
    kind: str,
    clean: Floats,
    clear: Floats,
    rounding: str,
    full: float,
    about: dict[str, object],
) -> tuple[Floats, Bools]:
    values, truth = clean.copy(), np.zeros(len(clean), bool)
    top = float(np.nanquantile(clean, 0.99))
    bright = np.flatnonzero(np.nan_to_num(clean) > 0.1 * top)
    bright = bright[(bright > 20) & (bright < len(clean) - 400)]
    short = bool(rng.random() < 0.5)
    about["short"] = short
    for first in rng.choice(bright, len(bright) // 150 + 5, replace=False):
        if kind == "outliers":
            if truth[first - 10 : first + 11].any() or not np.isfinite(clean[first - 1 : first + 2]).all():
                continue
            way = rng.random()
            level = clean[first] / top
            stray = -rng.uniform(0.1, 0.6) if way < 0.35 else level + rng.uniform(0.5, 1.5) if way < 0.7 else 0.0
            if way >= 0.7 and min(clean[first - 1 : first + 2]) < 0.4 * top:
                continue  # a drop to nothing out of the middle of the day
            values[first], truth[first] = _as_recorded(stray * top, rounding, full), True
            continue
        long = int(rng.integers(3, 6) if short else rng.integers(6, 60))
        stop = first + long + (2 if kind == "interpolated" else 0)
        if truth[first - 5 : stop + 5].any() or not np.isfinite(clean[[first, stop - 1]]).all():
            continue
        if kind == "stale":
            if np.isnan(clean[first:stop]).any():
                continue
            values[first:stop], truth[first:stop] = clean[first], True
        else:
            inside = np.arange(first + 1, stop - 1)
            line = np.interp(inside, [first, stop - 1], clean[[first, stop - 1]])
            values[inside] = line if rounding in ("none", "single") else _as_recorded(line, rounding, full)
            truth[inside] = True
    return values, truth


def _as_recorded(values: float | Floats, rounding: str, full: float) -> Floats:
    return _round(np.asarray(values, dtype=float) / full, rounding, full)
