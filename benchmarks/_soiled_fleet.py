"""Solar systems of known degradation and soiling: weather by pvlib's clear sky, clouds, rain and temperature, at 15 minutes.

Two generators with assumptions of their own. ``saw_tooth``: soiling grows at one rate, rain washes it off entirely. ``rough``:
the rate changes with the season, rains wash off a part only, there are snow weeks, missing weeks, and inverters that fail.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pvlib
import xarray as xr

Floats = npt.NDArray[np.float64]

#: latitude, longitude, elevation [m], UTC offset [h], mean temperature and its swing over the year [degC], share of cloudy days,
#: chance of rain on a day of the wettest and of the driest month, wettest day of the year
SITES = {
    "golden": (39.74, -105.18, 1829, -7, 10.0, 12.0, 0.35, 0.12, 0.03, 140),
    "phoenix": (33.45, -112.07, 331, -7, 23.0, 11.0, 0.15, 0.07, 0.005, 20),
    "seville": (37.39, -5.98, 10, 0, 19.0, 9.0, 0.25, 0.15, 0.003, 345),
    "newcastle": (-32.93, 151.78, 20, 10, 18.0, 6.0, 0.40, 0.15, 0.05, 60),
}
GAMMA = -0.004


@dataclass(frozen=True)
class System:
    """One system: what is measured, and the truth behind it."""

    data: xr.Dataset  #: (time, asset): power_output [kW], irradiance_poa, ambient_temperature, wind, rain
    rate: float  #: truth, of the power of the first day [%/year]
    soiling: Floats  #: truth, ratio of each day
    insolation: Floats  #: of each day [kWh/m2]
    cleaned: npt.NDArray[np.int64]  #: days on which rain or a hand washed off something worth naming

    @property
    def ratio(self) -> float:
        """Soiling ratio weighted with insolation."""
        return float(self.soiling @ self.insolation / self.insolation.sum())


@cache
def sky(site: str, years: int, minutes: int) -> pd.DataFrame:
    """Sun and clear sky of a site, by its clock."""
    latitude, longitude, elevation, offset, *_ = SITES[site]
    days = sum(366 if year % 4 == 0 else 365 for year in range(2015, 2015 + years))
    times = pd.date_range("2015-01-01", periods=days * 1440 // minutes, freq=f"{minutes}min", tz="UTC")
    middle = times + pd.Timedelta(minutes=minutes / 2) - pd.Timedelta(hours=offset)
    where = pvlib.location.Location(latitude, longitude, altitude=elevation)
    sun = where.get_solarposition(middle)
    clear = where.get_clearsky(middle, solar_position=sun)
    table = pd.concat([sun[["apparent_zenith", "zenith", "azimuth"]], clear], axis=1)
    table["extra"] = pvlib.irradiance.get_extra_radiation(middle)
    table.index = times
    return table


def ar1(rng: np.random.Generator, size: int, keep: float) -> Floats:
    """First-order autoregression of unit variance."""
    from scipy.signal import lfilter

    noise = rng.normal(0, np.sqrt(1 - keep**2), size)
    noise[0] = rng.normal()
    found: Floats = lfilter([1.0], [1.0, -keep], noise)
    return found


def weather(rng: np.random.Generator, site: str, tilt: float, years: int, minutes: int) -> dict[str, Any]:
    """True POA and temperature, and the days' rain."""
    table = sky(site, years, minutes)
    latitude, _, _, offset, mean, swing, cloudy, wet, dry, wettest = SITES[site]
    per_day = 1440 // minutes
    size = len(table)
    days = size // per_day
    of_year = np.arange(days) % 365.25
    chance = dry + (wet - dry) * (0.5 + 0.5 * np.cos(2 * np.pi * (of_year - wettest) / 365.25)) ** 2
    rain = rng.random(days) < chance
    depth = np.where(rain, rng.gamma(0.8, 8.0, days) + 0.5, 0.0)
    # clouds: some days clear, the others cloudy to a degree that lasts a day or two
    latent = ar1(rng, days, 0.5)
    is_cloudy = (latent < np.quantile(latent, cloudy)) | rain
    cover = np.where(is_cloudy, rng.beta(2, 2, days), 0.02 * rng.random(days))
    fine = ar1(rng, size, 0.9)
    index = 1 - np.repeat(cover, per_day) * np.clip(0.75 + 0.35 * fine, 0.0, 1.15)
    index = np.clip(index, 0.08, 1.05)
    ghi = table["ghi"].to_numpy() * index
    beam = np.clip((index - 0.25) / 0.75, 0, 1) ** 1.3
    dni = table["dni"].to_numpy() * beam
    cosine = np.clip(np.cos(np.radians(table["zenith"].to_numpy())), 0, 1)
    dhi = np.clip(ghi - dni * cosine, 0, None)
    facing = 180.0 if latitude > 0 else 0.0
    poa = pvlib.irradiance.get_total_irradiance(
        tilt, facing, table["apparent_zenith"].to_numpy(), table["azimuth"].to_numpy(), dni, ghi, dhi,
        dni_extra=table["extra"].to_numpy(), model="haydavies",
    )  # fmt: skip
    aoi = pvlib.irradiance.aoi(tilt, facing, table["apparent_zenith"].to_numpy(), table["azimuth"].to_numpy())
    effective = (
        np.nan_to_num(poa["poa_direct"]) * pvlib.iam.ashrae(aoi, b=0.04) + np.nan_to_num(poa["poa_diffuse"]) * 0.96
    )
    season = -np.cos(2 * np.pi * (np.arange(days) - 20) / 365.25) * np.sign(latitude)
    clock = np.cos(2 * np.pi * (np.arange(per_day) / per_day - 15 / 24))
    temperature = np.repeat(mean + swing * season + 3 * ar1(rng, days, 0.8), per_day) + np.tile(5 * clock, days)
    wind = np.clip(3 + 1.5 * ar1(rng, size, 0.95), 0.2, None)
    return {
        "poa": np.nan_to_num(poa["poa_global"]),
        "effective": effective,
        "temperature": temperature,
        "wind": wind,
        "rain": depth,
        "days": days,
        "per_day": per_day,
        "time": table.index.tz_localize(None).to_numpy() - np.timedelta64(offset, "h"),
        "facing": facing,
    }


def tooth(rng: np.random.Generator, rain: Floats, mean_loss: float) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Soiling ratio that falls at a rate and returns to 1 with rain; its mean is 1 - ``mean_loss``."""
    days = len(rain)
    washed = rain > 3.0
    clean = np.flatnonzero(washed)
    # a hand cleans where rain stays away for long
    since, age, hand = 0, np.zeros(days), rng.integers(90, 170)
    cleaned = []
    for day in range(days):
        if washed[day] or since > hand:
            if since > 3:
                cleaned.append(day)
            since, hand = 0, rng.integers(90, 170)
        age[day] = since
        since += 1
    pace = rng.lognormal(0, 0.3, days)[np.searchsorted(clean, np.arange(days))] if len(clean) < days else np.ones(days)
    loss = age * pace
    loss *= mean_loss / loss.mean()
    return 1 - np.clip(loss, 0, 0.35), np.array(cleaned, np.int64)


def rough_soiling(rng: np.random.Generator, rain: Floats, mean_loss: float) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Rate changes with the season and from week to week; a rain washes off what its depth can, a hand all of it."""
    days = len(rain)
    season = 1 + 0.7 * np.cos(2 * np.pi * (np.arange(days) - rng.uniform(0, 365)) / 365.25)
    pace = season * np.exp(0.4 * ar1(rng, days, 0.95))
    share = np.where(rain > 8, 1.0, np.where(rain > 1, np.clip(rain / 10 + rng.normal(0, 0.1, days), 0.05, 0.9), 0.0))
    hand = np.zeros(days, bool)
    hand[rng.choice(days, size=max(days // 300, 1), replace=False)] = True
    share[hand] = 1.0

    def run(scale: float) -> tuple[Floats, list[int]]:
        loss, state, cleaned = np.zeros(days), 0.0, []
        for day in range(days):
            before = state
            state = (state + scale * pace[day]) * (1 - share[day])
            state = min(state, 0.4)
            if before - state > 0.01:
                cleaned.append(day)
            loss[day] = state
        return loss, cleaned

    scale = 1e-3
    for _ in range(12):
        scale *= mean_loss / run(scale)[0].mean()
    loss, cleaned = run(scale)
    return 1 - loss, np.array(cleaned, np.int64)


def system(
    seed: int,
    *,
    soiled: bool = True,
    generator: str = "saw_tooth",
    site: str | None = None,
    rate: float | None = None,
    years: int = 6,
    minutes: int = 15,
) -> System:
    """One system of a seed."""
    rng = np.random.default_rng([20260, seed, soiled, generator == "rough"])
    rough = generator == "rough"
    site = site or list(SITES)[seed % len(SITES)]
    truth = float(rng.uniform(-2, 0)) if rate is None else rate
    tilt = float(rng.uniform(10, 35))
    w = weather(rng, site, tilt, years, minutes)
    days, per_day = w["days"], w["per_day"]
    soiling, cleaned = np.ones(days), np.zeros(0, np.int64)
    if soiled:
        make = rough_soiling if rough else tooth
        soiling, cleaned = make(rng, w["rain"], float(rng.uniform(0.04, 0.06)))
    elapsed = np.arange(days) / 365.25
    level = 1 + truth / 100 * elapsed
    temperature = pvlib.temperature.faiman(w["poa"], w["temperature"], w["wind"])
    dc = 100.0 * w["effective"] / 1000 * (1 + GAMMA * (temperature - 25))
    daily = 0.005 if rough else 0.003
    dc *= np.repeat(soiling * level * np.exp(daily * ar1(rng, days, 0.6 if rough else 0.0)), per_day)
    limit = float(rng.uniform(75, 110))  # of the inverter: some clip on cold clear days
    ac = np.clip(0.965 * dc - 0.2, 0, limit)
    ac *= np.exp(rng.normal(0, 0.008, len(ac)))
    ac = np.minimum(ac, limit)
    poa = w["poa"] * np.exp(rng.normal(0, 0.01, len(ac))) + rng.normal(0, 1.0, len(ac))
    ambient = w["temperature"] + rng.normal(0, 0.5, len(ac))
    if rough:
        _spoil(rng, ac, poa, days, per_day)
    dims = ("time", "asset")
    data = xr.Dataset(
        {
            "power_output": (dims, ac[:, None], {"units": "kW"}),
            "irradiance_poa": (dims, poa[:, None], {"units": "W/m2"}),
            "ambient_temperature": (dims, ambient[:, None], {"units": "degC"}),
            "wind_speed": (dims, (w["wind"] * np.exp(rng.normal(0, 0.1, len(ac))))[:, None], {"units": "m/s"}),
            "precipitation_amount": (dims, np.repeat(w["rain"] / per_day, per_day)[:, None], {"units": "mm"}),
        },
        coords={
            "time": w["time"],
            "asset": [f"{site}_{seed}"],
            "rated_capacity": ("asset", [100.0], {"units": "kW"}),
            "latitude": ("asset", [SITES[site][0]]),
            "longitude": ("asset", [SITES[site][1]]),
            "elevation": ("asset", [float(SITES[site][2])]),
        },
        attrs={"asset_type": "inverter"},
    )
    insolation = w["poa"].reshape(days, per_day).sum(axis=1) * minutes / 60 / 1000
    return System(data, truth, soiling, insolation, cleaned)


def _spoil(rng: np.random.Generator, ac: Floats, poa: Floats, days: int, per_day: int) -> None:
    """Snow, missing weeks, inverters that fail, single bad days; in place."""

    def spans(number: int, short: int, long: int) -> Any:
        for start in rng.integers(0, days, number):
            yield int(start), int(start + rng.integers(short, long))

    for start, end in spans(4, 3, 12):  # snow or a stop of a part
        ac[start * per_day : end * per_day] *= rng.uniform(0.0, 0.7)
    for start, end in spans(5, 5, 40):
        ac[start * per_day : end * per_day] = np.nan
    for start, end in spans(3, 10, 60):  # one inverter of a few
        ac[start * per_day : end * per_day] *= 1 - 1 / rng.integers(3, 8)
    for start, end in spans(2, 5, 30):
        poa[start * per_day : end * per_day] = np.nan
    for start in rng.integers(0, days, 60):
        first = start * per_day + int(rng.integers(per_day // 3, per_day // 2))
        ac[first : first + per_day // 6] *= rng.uniform(0, 0.9)
