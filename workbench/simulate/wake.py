"""Wakes of a wind farm, after Jensen and Frandsen.

References
----------
.. [1] Jensen, "A note on wind generator interaction", Risø-M-2411, 1983.
.. [2] Katic, Højstrup, Jensen, "A simple model for cluster efficiency", EWEC 1986 (squares of deficits add).
.. [3] IEC 61400-1:2019 annex E.2 (effective turbulence in wakes, after Frandsen).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from workbench.simulate.noise import Floats

#: Growth of a wake's radius per distance [1], onshore.
DECAY = 0.065
_STEP = 1  #: of the tables over direction [degree]


def thrust(speed: Floats, rated: float) -> Floats:
    """Thrust coefficient of a pitch-controlled turbine: 0.82 up to near rated, falling after.

    ``speed`` and ``rated`` [m/s]. The fall follows from constant power: Ct goes with (rated / speed)^2.7.
    """
    return np.asarray(0.82 * np.minimum(1.0, (0.92 * rated / np.maximum(speed, 1.0)) ** 2.7), dtype=np.float64)


class WakeModel:
    """Deficits and added turbulence between the turbines of one farm.

    Parameters
    ----------
    east, north
        [A] positions [m].
    diameter
        [A] rotor diameters [m].
    decay
        Growth of the wake's radius per distance [1].
    """

    def __init__(self, east: Floats, north: Floats, diameter: Floats, decay: float = DECAY) -> None:
        theta = np.deg2rad(np.arange(0, 360, _STEP))
        de = east[:, None] - east[None, :]  # [i, j]: from j to i
        dn = north[:, None] - north[None, :]
        # the wind goes towards (-sin, -cos) of the direction it comes from
        along = -(np.sin(theta)[:, None, None] * de + np.cos(theta)[:, None, None] * dn)
        across = np.abs(np.cos(theta)[:, None, None] * de - np.sin(theta)[:, None, None] * dn)
        upstream = along > 0.5 * diameter[None, None, :]
        distance = np.where(upstream, along, 1.0)
        radius = 0.5 * diameter[None, None, :] + decay * distance
        share = _overlap(across, radius, 0.5 * diameter[None, :, None] * np.ones_like(radius))
        spread = (diameter[None, None, :] / (2 * radius)) ** 2
        #: [360, i, j] squared deficit per (1 - sqrt(1 - Ct))^2
        self._deficit = np.where(upstream, (spread * share) ** 2, 0.0)
        # Frandsen: added sigma over speed 1 / (1.5 + 0.8 s / sqrt(Ct)), where the rotor stands in the wake
        spacing = distance / diameter[None, None, :]
        self._added = np.where(upstream & (spacing < 25), share / (1.5 + 0.8 * spacing / np.sqrt(0.8)), 0.0) ** 2

    def at(
        self, direction: Floats, speed: Floats, rated: float, running: npt.NDArray[np.bool_]
    ) -> tuple[Floats, Floats]:
        """Factor on the wind speed, and added turbulence.

        Parameters
        ----------
        direction
            [T] the wind comes from [degree], any turn.
        speed
            [T] free wind at hub height [m/s].
        rated
            Wind speed at which the turbines reach their rating [m/s].
        running
            [T, A] whether each turbine takes energy from the wind.

        Returns
        -------
        [T, A] factor (at most 1), and [T, A] added turbulence intensity.
        """
        place = (direction / _STEP) % len(self._deficit)
        low = place.astype(np.intp) % len(self._deficit)
        high = (low + 1) % len(self._deficit)
        part = (place - np.floor(place))[:, None, None]
        induction = (1.0 - np.sqrt(1.0 - thrust(speed, rated))) ** 2
        on = running[:, None, :]
        table = self._deficit[low] * (1 - part) + self._deficit[high] * part
        deficit = np.sqrt(np.where(on, table, 0.0).sum(axis=2) * induction[:, None])
        added = np.where(on, self._added[low] * (1 - part) + self._added[high] * part, 0.0).max(axis=2)
        strength = (thrust(speed, rated) / 0.82)[:, None]
        return 1.0 - np.minimum(deficit, 0.9), np.sqrt(added * strength)


def _overlap(distance: Floats, wake: Floats, rotor: Floats) -> Floats:
    """Share of a disc of radius ``rotor`` inside one of radius ``wake`` whose centre is ``distance`` away."""
    d = np.maximum(distance, 1e-6)
    inside = distance <= wake - rotor
    outside = distance >= wake + rotor
    a = np.arccos(np.clip((d**2 + rotor**2 - wake**2) / (2 * d * rotor), -1, 1))
    b = np.arccos(np.clip((d**2 + wake**2 - rotor**2) / (2 * d * wake), -1, 1))
    lens = rotor**2 * (a - np.sin(2 * a) / 2) + wake**2 * (b - np.sin(2 * b) / 2)
    return np.asarray(
        np.where(inside, 1.0, np.where(outside, 0.0, lens / (np.pi * rotor**2))).clip(0.0, 1.0), dtype=np.float64
    )
