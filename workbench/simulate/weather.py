"""Weather of a site as a function of seed and time: temperature, pressure, humidity, cloud, rain, and the wind's mean.

Slow processes only (ten minutes and more). Turbulence is in :mod:`.wind`, the cloud field in :mod:`.cloud`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import log_ndtr, ndtr

from workbench.simulate.dynamics import Clock
from workbench.simulate.noise import Floats, LatticeNoise, key_of, octave_variances, red, uniform

if TYPE_CHECKING:
    from workbench.model.assets import Site

HOUR = 3600.0
KELVIN = 273.15
#: Gas constants of dry air and water vapour [J/(kg K)].
R_DRY, R_VAPOUR = 287.05, 461.5


@dataclass(frozen=True)
class Climate:
    """Long-term figures of a site's weather.

    :meth:`of` guesses them from latitude and height above the sea: plausible, not measured.
    """

    latitude: float
    longitude: float
    elevation: float
    temperature: float  #: annual mean [degC]
    seasonal: float  #: amplitude over the year [K]
    diurnal: float  #: amplitude over a cloudless day [K]
    clouds: float  #: mean cloudiness [1]
    rain: float  #: share of time with rain [1]
    wind: float  #: Weibull scale at hub height [m/s]
    wind_shape: float  #: Weibull shape [1]
    nocturnal: float  #: share of the wind's variance in its daily cycle, strongest at night aloft [1]
    shear: float  #: mean exponent of the wind profile [1]
    turbulence: float  #: reference turbulence intensity, IEC 61400-1 [1]
    prevailing: float  #: direction the wind mostly comes from [degree]

    @classmethod
    def of(cls, place: Site, seed: int) -> Climate:
        """Figures for ``place``; the seed varies the wind a little."""
        latitude = abs(place.latitude)
        inland = min(1.0, max(0.0, place.elevation) / 600.0)
        windy = bool(place.of_type("wind_turbine"))  # nobody builds them where it is calm
        clouds = float(np.clip(0.22 + 0.02 * (latitude - 33.0), 0.2, 0.65))
        u = uniform(key_of(seed, f"{place.id}/climate"), np.arange(3))
        return cls(
            latitude=place.latitude,
            longitude=place.longitude,
            elevation=place.elevation,
            temperature=30.0 - 0.45 * max(latitude - 10.0, 0.0) - 6.5e-3 * place.elevation,
            seasonal=(0.16 + 0.06 * inland) * latitude + 1.0 + 12.0 * (0.65 - clouds),
            diurnal=3.5 + 2.5 * inland + 9.0 * (0.65 - clouds),
            clouds=clouds,
            rain=0.012 + 0.14 * max(clouds - 0.25, 0.0),
            wind=(8.5 if windy else 4.8) * (0.97 + 0.06 * float(u[0])),
            wind_shape=2.15,
            nocturnal=0.03 + 0.10 * inland,
            shear=0.12 + 0.06 * inland,
            turbulence=0.10 + 0.03 * inland,
            prevailing=(205.0 if place.latitude >= 0 else 315.0) + 40.0 * (float(u[1]) - 0.5),
        )

    def with_(self, **changes: float) -> Climate:
        """A copy in which some figures are others."""
        return replace(self, **changes)


@dataclass(frozen=True)
class Weather:
    """Weather at [T] instants."""

    temperature: Floats  #: [degC] at 2 m
    dew_point: Floats  #: [degC]
    humidity: Floats  #: [%]
    pressure: Floats  #: [hPa] at the site
    density: Floats  #: [kg/m3]
    cloudiness: Floats  #: share of the sky [1]
    rain: Floats  #: [mm/h]
    wind: Floats  #: mean speed at hub height [m/s]
    direction: Floats  #: mean direction the wind comes from, unwrapped [degree]
    shear: Floats  #: exponent of the wind profile [1]
    stability: Floats  #: from -1, a convective day, to 1, a clear night


def saturation(temperature: Floats) -> Floats:
    """Saturation vapour pressure over water [hPa] at ``temperature`` [degC]; Magnus, WMO-No. 8 annex 4.B."""
    return np.asarray(6.112 * np.exp(17.62 * temperature / (243.12 + temperature)), dtype=np.float64)


def air_density(temperature: Floats, pressure: Floats, humidity: Floats) -> Floats:
    """Density of moist air [kg/m3], IEC 61400-12-1:2017 equation 12.

    ``temperature`` [degC], ``pressure`` [hPa], ``humidity`` [%].
    """
    kelvin = temperature + KELVIN
    vapour = humidity / 100 * saturation(temperature) * 100
    return np.asarray((pressure * 100 / R_DRY - vapour * (1 / R_DRY - 1 / R_VAPOUR)) / kelvin, dtype=np.float64)


def weibull(z: Floats, scale: float, shape: float) -> Floats:
    """The quantile of a Weibull distribution that a standard normal ``z`` stands for."""
    return np.asarray(scale * (-log_ndtr(-z)) ** (1 / shape), dtype=np.float64)


_WIND, _TURN, _TURN_FAST, _HEAT, _PRESSURE, _CLOUD, _RAIN = range(7)
_SPACINGS = 600.0 * 2.0 ** np.arange(10)  # 10 min to 3.6 days


class WeatherModel:
    """Weather of one site."""

    def __init__(self, climate: Climate, seed: int, name: str) -> None:
        self.climate = climate
        spectra = np.stack(
            [
                octave_variances(list(_SPACINGS), red(scale * HOUR))
                for scale in (9.0, 18.0, 1.0, 30.0, 24.0, 7.0, 0.7)  # in the order of the columns above
            ],
            axis=1,
        )
        self._noise = LatticeNoise(seed, f"{name}/weather", list(_SPACINGS), spectra, columns=spectra.shape[1])
        self._first = 0
        self._table = np.zeros((len(fields(Weather)), 0))
        # thresholds of normal numbers that give the wanted mean cloudiness and share of rain
        self._dry = float(-_quantile(climate.rain))
        self._cloud_shift = float(_quantile(climate.clouds)) * np.sqrt(1 + _CLOUD_SPREAD**2)

    def at(self, clock: Clock) -> Weather:
        """Weather at the instants of ``clock``: that of whole minutes, and linear in between."""
        minute = clock.t / 60.0
        first, last = int(minute[0]), int(minute[-1]) + 1
        if first < self._first or last >= self._first + self._table.shape[1]:
            self._first = first
            self._table = self._minutes(np.arange(first, last + _AHEAD, dtype=np.float64) * 60.0)
        index = np.floor(minute).astype(np.intp) - self._first
        part = minute - np.floor(minute)
        return Weather(*(self._table[:, index] * (1.0 - part) + self._table[:, index + 1] * part))

    def _minutes(self, t: Floats) -> Floats:
        """[fields of Weather, T] at ``t`` [s since 1970]."""
        c = self.climate
        n = self._noise.at(t)
        solar_hour = (t / HOUR + c.longitude / 15.0) % 24.0
        year = 2 * np.pi * (t / 86400.0 / 365.2425 - 0.06)  # coldest about 22 January
        summer = -np.cos(year) * (1.0 if c.latitude >= 0 else -1.0)
        day = np.cos(2 * np.pi * (solar_hour - 15.0) / 24.0)

        cloudiness = ndtr((n[:, _CLOUD] + self._cloud_shift) / _CLOUD_SPREAD)
        wet = 0.8 * n[:, _CLOUD] + 0.6 * n[:, _RAIN] - self._dry
        rain = 3.5 * np.clip(wet, 0.0, None) ** 1.4

        base = c.temperature + c.seasonal * summer + 3.2 * n[:, _HEAT]
        temperature = base + c.diurnal * day * (1.0 - 0.6 * cloudiness) * (0.8 + 0.2 * summer)
        spread = 2.0 + (4.0 + 6.0 * max(0.0, 0.65 - c.clouds)) * (1.0 - cloudiness)
        dew_point = np.minimum(base - spread, temperature - 0.2)
        humidity = np.clip(100.0 * saturation(dew_point) / saturation(temperature), 5.0, 100.0)
        z = np.sqrt(1.0 - c.nocturnal) * n[:, _WIND] + np.sqrt(2.0 * c.nocturnal) * np.cos(
            2 * np.pi * (solar_hour - 1.0) / 24.0
        )
        wind = weibull(z, c.wind, c.wind_shape)
        sea_level = 1015.0 + 7.0 * n[:, _PRESSURE] - 3.0 * n[:, _CLOUD] - 2.0 * n[:, _WIND]
        pressure = sea_level * np.exp(-9.80665 * c.elevation / (R_DRY * (c.temperature + KELVIN)))
        calm = 1.0 / (1.0 + (wind / 9.0) ** 2)
        stability = -day * (1.0 - 0.7 * cloudiness) * np.sqrt(calm)
        weather = Weather(
            temperature=temperature,
            dew_point=dew_point,
            humidity=humidity,
            pressure=pressure,
            density=air_density(temperature, pressure, humidity),
            cloudiness=cloudiness,
            rain=rain,
            wind=wind,
            direction=c.prevailing + 55.0 * n[:, _TURN] + 9.0 * n[:, _TURN_FAST],
            shear=c.shear + 0.10 * stability,
            stability=stability,
        )
        return np.stack([getattr(weather, field.name) for field in fields(Weather)])


_AHEAD = 20  #: minutes computed beyond what was asked
_CLOUD_SPREAD = 0.45  #: how sharply the sky is either clear or covered


def _quantile(share: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(share))
