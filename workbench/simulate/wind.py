"""The wind at the places of a site: mean, turbulence, and how neighbours see the same gusts.

Turbulence has Kaimal's spectrum. A gust travels with the wind: a place downstream sees it later (Taylor's
frozen turbulence), and the further apart two places are, the less they share of the quick part (Davenport's
exponential coherence).

References
----------
.. [1] IEC 61400-1:2019, 6.3.2.2 (normal turbulence), 6.3.1.3 (profile), annex C (Kaimal, coherence).
.. [2] Taylor, "The spectrum of turbulence", Proc. R. Soc. A 164, 1938.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.simulate.dynamics import Clock
from workbench.simulate.noise import Floats, LatticeNoise, coherence_mixing, kaimal, octave_variances
from workbench.simulate.weather import Climate, Weather

#: Integral length of the along-wind component above 60 m [m], IEC 61400-1.
LENGTH = 340.2
#: Wind speed at which the spectrum is placed on the time axis [m/s].
REFERENCE_SPEED = 9.0
#: Lattice spacings of the turbulence [s]. Slower changes belong to the weather.
SPACINGS = 2.0 * 2.0 ** np.arange(8)
#: Reach of a lattice in units of wind speed times spacing: a decay of about 4 at its frequency, between the 1 to 3
#: found along the wind and the 10 and more across it.
_COHERENCE = 0.8
_LONGEST_DELAY = 900.0  #: [s]


@dataclass(frozen=True)
class Wind:
    """Wind at [T] instants and [N] places, without wakes."""

    speed: Floats  #: [T] mean at reference height [m/s]
    direction: Floats  #: [T] mean direction it comes from, unwrapped [degree]
    intensity: Floats  #: [T] ambient turbulence intensity [1]
    point: Floats  #: [T, N] turbulence as an anemometer sees it, standard normal
    rotor: Floats  #: [T, N] the same, averaged over a rotor and its inertia
    swing: Floats  #: [T, N] departure of the direction from its mean [degree]


class WindField:
    """Wind of one site.

    Parameters
    ----------
    climate
        Long-term figures.
    east, north
        [N] places [m].
    diameter
        Rotor diameter that averages gusts [m].
    inertia
        Time constant with which the drive train follows [s].
    seed, name
        Name the random streams.
    """

    def __init__(
        self,
        climate: Climate,
        east: Floats,
        north: Floats,
        seed: int,
        name: str,
        *,
        diameter: float = 100.0,
        inertia: float = 4.0,
    ) -> None:
        self.climate = climate
        self._east, self._north = east, north
        variances = octave_variances(list(SPACINGS), kaimal(LENGTH, REFERENCE_SPEED))
        distance = np.hypot(east[:, None] - east[None, :], north[:, None] - north[None, :])
        mixing = coherence_mixing(distance, _COHERENCE * REFERENCE_SPEED * SPACINGS)
        self._gusts = LatticeNoise(seed, f"{name}/gusts", list(SPACINGS), variances, len(east), mixing)
        self._swings = LatticeNoise(seed, f"{name}/swings", list(SPACINGS), variances, len(east), mixing)
        frequency = 1.0 / (3.0 * SPACINGS)
        averaged = 1.0 / (1.0 + 0.5 * diameter / (REFERENCE_SPEED * SPACINGS))
        followed = 1.0 / np.sqrt(1.0 + (2 * np.pi * frequency * inertia) ** 2)
        self._gains = np.stack([np.ones_like(SPACINGS), averaged * followed])

    def at(self, clock: Clock, weather: Weather) -> Wind:
        """Wind at the instants of ``clock``."""
        theta = np.deg2rad(weather.direction)
        towards = -(np.sin(theta)[:, None] * self._east + np.cos(theta)[:, None] * self._north)  # [m] downwind
        delay = towards / np.maximum(weather.wind, 4.0)[:, None]
        own_time = clock.t[:, None] - np.clip(delay, -_LONGEST_DELAY, _LONGEST_DELAY)
        point, rotor = self._gusts.at(own_time, self._gains)
        intensity = turbulence_intensity(weather, self.climate.turbulence)
        swing = np.rad2deg(0.8 * intensity)[:, None] * self._swings.at(own_time)
        return Wind(weather.wind, weather.direction, intensity, point, rotor, swing)


def turbulence_intensity(weather: Weather, reference: float) -> Floats:
    """Ambient turbulence intensity [T].

    The mean of the normal turbulence model, sigma = I_ref (0.75 U + 3.8 m/s), more by a convective day and less
    by a clear night.
    """
    speed = np.maximum(weather.wind, 3.0)
    factor = 1.0 - 0.25 * np.clip(weather.stability, -1.0, 1.0)
    return np.asarray(np.minimum(reference * (0.75 + 3.8 / speed) * factor, 0.4), dtype=np.float64)


def profile(speed: Floats, shear: Floats, height: float, reference: float) -> Floats:
    """Wind speed at ``height`` from that at ``reference`` [m] by the power law, exponent ``shear`` [T]."""
    factor = (height / reference) ** shear
    return np.asarray(speed * (factor[:, None] if speed.ndim == 2 else factor), dtype=np.float64)
