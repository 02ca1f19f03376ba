"""Weather stations near the ground, as solar plants have them: the weather of :mod:`.weather`, measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.simulate.dynamics import Clock
from workbench.simulate.noise import Floats, White, key_of, uniform
from workbench.simulate.weather import Weather
from workbench.simulate.wind import profile

if TYPE_CHECKING:
    from workbench.model.assets import Site

_TIPS = 0.1  #: rain that a gauge tells [mm/h]


class Stations:
    """Weather stations of one site."""

    def __init__(self, site: Site, reference: float, seed: int) -> None:
        self.assets = site.of_type("weather_station")
        self.ids = tuple(asset.id for asset in self.assets)
        self._height = np.array([asset.height or 3.0 for asset in self.assets])
        self._reference = reference
        n = len(self.ids)
        u = uniform(key_of(seed, f"{site.id}/stations"), np.arange(2 * n)).reshape(2, n) - 0.5
        self._gauge = 1.0 + 0.06 * u[0]
        self._vane = 3.0 * u[1]
        self._noise = White(seed, f"{site.id}/station sensors", n, 5)

    def step(self, clock: Clock, weather: Weather) -> dict[str, Floats]:
        """All variables, each [T, W]."""
        noise = self._noise.at(clock.second)
        wind = np.stack(
            [profile(weather.wind, weather.shear, float(height), self._reference) for height in self._height], axis=1
        )
        rain = weather.rain[:, None] * self._gauge
        return {
            "wind_speed": np.maximum(wind * (1.0 + 0.15 * noise[0]), 0.0),
            "wind_direction": (weather.direction[:, None] + self._vane + 6.0 * noise[1]) % 360.0,
            "temperature": weather.temperature[:, None] + 0.05 * noise[2],
            "humidity": np.clip(weather.humidity[:, None] + 0.4 * noise[3], 0.0, 100.0),
            "barometric_pressure": weather.pressure[:, None] + 0.02 * noise[4],
            "precipitation": np.where(rain >= _TIPS, rain, 0.0),
        }
