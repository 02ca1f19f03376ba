"""Clouds that drift over a plant: what they leave of the clear sky, place by place.

A correlated normal field moves with the wind aloft; where it exceeds the quantile that the present cloudiness
sets there is cloud. Small gaps and edges come from its quick part. Under cloud the beam is gone and the sky
is dimmed, the more the fuller the sky; between clouds the sunlit edges add a little diffuse light.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from workbench.simulate.dynamics import Clock
from workbench.simulate.noise import Floats, LatticeNoise, coherence_mixing, octave_variances, red
from workbench.simulate.sun import Sun
from workbench.simulate.weather import Weather

_SPACINGS = 4.0 * 2.0 ** np.arange(9)  # 4 s to 17 min
_SPEED = 11.0  #: of the clouds, typical [m/s]
_EDGE = 0.10  #: softness of edges, in standard deviations of the field


class CloudField:
    """Clouds over the places of one site.

    Parameters
    ----------
    east, north
        [N] places [m].
    extent
        [N] size of the area each place stands for [m]: a sensor 0, an inverter's modules about 150.
    """

    def __init__(self, east: Floats, north: Floats, extent: Floats, seed: int, name: str) -> None:
        self._east, self._north = east, north
        distance = np.hypot(east[:, None] - east[None, :], north[:, None] - north[None, :])
        mixing = coherence_mixing(distance, 0.5 * _SPEED * _SPACINGS)
        variances = octave_variances(list(_SPACINGS), red(240.0))
        self._field = LatticeNoise(seed, f"{name}/clouds", list(_SPACINGS), variances, len(east), mixing)
        self._size = np.maximum(extent / _SPEED, 0.0)  # time a cloud's edge takes to cross [s]
        views, self._view = np.unique(self._size, return_inverse=True)
        self._gains = 1.0 / (1.0 + 0.5 * views[:, None] / _SPACINGS[None, :])

    def cover(self, clock: Clock, weather: Weather) -> Floats:
        """Share of each place under cloud [T, N], 0 to 1."""
        theta = np.deg2rad(weather.direction)
        speed = 6.0 + 0.8 * weather.wind
        towards = -(np.sin(theta)[:, None] * self._east + np.cos(theta)[:, None] * self._north)
        fields = self._field.at(clock.t[:, None] - towards / speed[:, None], self._gains)
        field = fields[self._view, :, np.arange(len(self._east))].T
        threshold = ndtri(np.clip(1.0 - weather.cloudiness, 1e-4, 1.0 - 1e-4))[:, None]
        softness = _EDGE + 0.01 * self._size
        return np.asarray(0.5 * (1.0 + np.tanh((field - threshold) / softness)), dtype=np.float64)

    def sky(self, clock: Clock, weather: Weather, sun: Sun) -> tuple[Floats, Floats, Floats]:
        """Global, direct normal and diffuse irradiance under the clouds [W/m2], each [T, N]."""
        cover = self.cover(clock, weather)
        cloudiness = weather.cloudiness[:, None]
        dim = 0.46 - 0.26 * cloudiness
        edges = 0.28 * cloudiness * (1.0 - cloudiness)
        clear, diffuse = sun.ghi[:, None], sun.dhi[:, None]
        dni = sun.dni[:, None] * (1.0 - cover) * (1.0 - 0.10 * cloudiness)
        dhi = (1.0 - cover) * (diffuse + edges * clear) + cover * dim * clear
        return dhi + dni * sun.cos_zenith[:, None], dni, dhi
