"""The met mast: anemometers and vanes at several heights, thermometer, barometer, rain gauge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.simulate.dynamics import Clock
from workbench.simulate.facts import positions
from workbench.simulate.noise import Floats, White
from workbench.simulate.weather import Weather
from workbench.simulate.wind import Wind, profile

if TYPE_CHECKING:
    from workbench.model.assets import Site

HEIGHTS = (10, 40, 50, 60, 80, 94, 100, 120)  #: of wind speed [m]; above the mast's top by a lidar at its foot
VANES = (10, 40, 50, 60, 80, 100)
_VEER = 0.02  #: turn of the wind with height [degree/m]


class Masts:
    """Met masts of a site. They stand free of wakes."""

    def __init__(self, site: Site, reference: float, seed: int) -> None:
        self.assets = site.of_type("met_mast")
        self.ids = tuple(asset.id for asset in self.assets)
        self.east, self.north = positions(self.assets, site)
        self._reference = reference
        self._top = np.array([asset.height or reference for asset in self.assets])
        self._noise = White(seed, f"{site.id}/mast sensors", len(self.ids), 16)

    def step(self, clock: Clock, weather: Weather, wind: Wind) -> dict[str, Floats]:
        """All variables, each [T, M]."""
        n = len(self.ids)
        noise = self._noise.at(clock.second)
        column = np.ones((1, n))
        mean = wind.speed[:, None]
        gust = wind.intensity[:, None] * wind.point[:, -n:]
        direction = wind.direction[:, None] + wind.swing[:, -n:]
        top = np.clip(mean * (self._top / self._reference) ** weather.shear[:, None] * (1.0 + gust), 0.0, 60.0)
        values: dict[str, Floats] = {"wind_speed": np.clip(top + 0.03 * noise[0], 0.0, None)}
        for k, height in enumerate(HEIGHTS):
            at = profile(mean, weather.shear, float(height), self._reference)
            # gusts are about as large in m/s at all heights
            speed = at + (mean * gust) * 0.97
            values[f"wind_speed_{height}m"] = np.clip(speed + 0.03 * noise[1 + k % 8], 0.0, 60.0)
        for height in VANES:
            values[f"wind_direction_{height}m"] = (direction + _VEER * (height - self._top) + 0.5 * noise[9]) % 360.0
        values["wind_direction"] = (direction + 0.5 * noise[9]) % 360.0
        theta = np.deg2rad(values["wind_direction"])
        values |= {
            "wind_u": -values["wind_speed"] * np.sin(theta),
            "wind_v": -values["wind_speed"] * np.cos(theta),
            "wind_speed_vertical": 0.5 * wind.intensity[:, None] * mean * noise[10] * 0.6,
            "turbulence_intensity": wind.intensity[:, None] * column,
            "wind_shear_exponent": weather.shear[:, None] * column,
            "temperature": weather.temperature[:, None] + 0.03 * noise[11],
            "dew_point": weather.dew_point[:, None] * column,
            "humidity": np.clip(weather.humidity[:, None] + 0.2 * noise[12], 0.0, 100.0),
            "barometric_pressure": weather.pressure[:, None] + 0.02 * noise[13],
            "air_density": weather.density[:, None] * column,
            "precipitation": weather.rain[:, None] * column,
            "visibility": 1000.0 * np.clip(40.0 * (1.0 - weather.humidity[:, None] / 103.0), 0.2, 40.0) * column,
            "ice_detected": np.broadcast_to(
                ((weather.temperature < -1.0) & (weather.humidity > 95.0))[:, None], direction.shape
            ).astype(np.float64),
        }
        return values
