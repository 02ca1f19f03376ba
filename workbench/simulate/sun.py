"""Where the sun stands, what a clear sky gives, and how the modules face it.

pvlib computes each whole minute once; in between is interpolated. A minute's figures do not depend on what
else was asked, so a live tick and a month of history see the same sun.

References
----------
.. [1] Ineichen, Perez, "A new airmass independent formulation for the Linke turbidity coefficient", Solar
   Energy 73, 2002 (clear sky, by pvlib).
.. [2] Hay, Davies, "Calculation of the solar radiation incident on an inclined surface", 1980 (transposition).
.. [3] Anderson, Mikofski, "Slope-aware backtracking for single-axis trackers", NREL/TP-5K00-76626, 2020 (pvlib).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench.simulate.dynamics import Clock
from workbench.simulate.noise import Floats

_AHEAD = 60  #: minutes computed beyond what was asked


@dataclass(frozen=True)
class Mounting:
    """How modules stand. Angles in degree; ``azimuth`` is that of fixed modules, or of a tracker's axis."""

    tracking: bool = False
    tilt: float = 25.0
    azimuth: float = 180.0
    max_angle: float = 60.0
    backtrack: bool = True
    ground_coverage_ratio: float = 0.4
    albedo: float = 0.2


@dataclass(frozen=True)
class Sun:
    """Sun, clear sky and module plane at [T] instants. Irradiances [W/m2], angles [degree]."""

    zenith: Floats
    azimuth: Floats
    cos_zenith: Floats  #: never below zero
    cos_incidence: Floats  #: on the modules, never below zero
    tilt: Floats
    rotation: Floats  #: of trackers about their axis; 0 is flat, positive towards the west
    ghi: Floats
    dni: Floats
    dhi: Floats
    extra: Floats  #: outside the atmosphere


class SunTable:
    """Sun, clear sky and module plane of one place."""

    def __init__(self, latitude: float, longitude: float, elevation: float, mounting: Mounting) -> None:
        import pandas as pd
        import pvlib

        self._latitude, self._longitude, self._elevation = latitude, longitude, elevation
        self.mounting = mounting
        days = pd.date_range("2019-01-15", periods=12, freq="30D", tz="UTC")
        self._linke: Floats = np.asarray(
            pvlib.clearsky.lookup_linke_turbidity(days, latitude, longitude, interp_turbidity=False), dtype=np.float64
        )
        self._first = 0
        self._table = np.zeros((0, 10))

    def at(self, clock: Clock) -> Sun:
        """Interpolated figures at the instants of ``clock``."""
        minute = clock.t / 60.0
        first, last = int(minute[0]), int(minute[-1]) + 1
        if first < self._first or last >= self._first + len(self._table):
            self._first = first
            self._table = self._compute(np.arange(first, last + _AHEAD, dtype=np.int64))
        index = np.floor(minute).astype(np.intp) - self._first
        part = (minute - np.floor(minute))[:, None]
        rows = self._table[index] * (1 - part) + self._table[index + 1] * part
        sine, cosine, zenith, incidence, tilt, rotation, ghi, dni, dhi, extra = rows.T
        return Sun(
            zenith,
            np.rad2deg(np.arctan2(sine, cosine)) % 360.0,
            np.maximum(np.cos(np.deg2rad(zenith)), 0.0),
            np.maximum(incidence, 0.0),
            tilt,
            rotation,
            ghi,
            dni,
            dhi,
            extra,
        )

    def _compute(self, minutes: npt.NDArray[np.int64]) -> Floats:
        """[len(minutes), 10] figures at whole minutes since 1970."""
        import pandas as pd
        import pvlib

        times = pd.DatetimeIndex(minutes * 60_000_000_000, tz="UTC")
        position = pvlib.solarposition.ephemeris(times, self._latitude, self._longitude, temperature=15.0)
        zenith = position["apparent_zenith"].to_numpy(dtype=np.float64)
        azimuth = position["azimuth"].to_numpy(dtype=np.float64)
        # between the middles of the months, by the day of the year
        place = (times.day_of_year.to_numpy() - 15.0) / 30.4375
        month = np.floor(place).astype(np.intp)
        part = place - month
        linke = self._linke[month % 12] * (1 - part) + self._linke[(month + 1) % 12] * part
        extra = pvlib.irradiance.get_extra_radiation(times.day_of_year.to_numpy())
        airmass = pvlib.atmosphere.get_relative_airmass(zenith)
        absolute = pvlib.atmosphere.get_absolute_airmass(airmass, pvlib.atmosphere.alt2pres(self._elevation))
        with np.errstate(divide="ignore", invalid="ignore"):  # high mountains divide by nothing at night
            sky = pvlib.clearsky.ineichen(zenith, absolute, linke, altitude=self._elevation, dni_extra=extra)
        tilt, face = self._plane(zenith, azimuth)
        incidence = pvlib.irradiance.aoi_projection(tilt, face, zenith, azimuth)
        west = np.cos(np.deg2rad(face - west_of(self.mounting.azimuth)))
        rotation = np.where(west >= 0, tilt, -tilt) if self.mounting.tracking else np.zeros_like(tilt)
        columns = (
            np.sin(np.deg2rad(azimuth)), np.cos(np.deg2rad(azimuth)), zenith, incidence, tilt, rotation,
            sky["ghi"], sky["dni"], sky["dhi"], extra,
        )  # fmt: skip
        return np.stack([np.nan_to_num(np.asarray(column, dtype=np.float64)) for column in columns], axis=1)

    def _plane(self, zenith: Floats, azimuth: Floats) -> tuple[Floats, Floats]:
        """Tilt and azimuth of the modules [degree]; trackers lie flat at night."""
        import pvlib

        m = self.mounting
        if not m.tracking:
            return np.full_like(zenith, m.tilt), np.full_like(zenith, m.azimuth)
        plane = pvlib.tracking.singleaxis(
            zenith,
            azimuth,
            axis_azimuth=m.azimuth,
            max_angle=m.max_angle,
            backtrack=m.backtrack,
            gcr=m.ground_coverage_ratio,
        )
        tilt = np.nan_to_num(np.asarray(plane["surface_tilt"], dtype=np.float64))
        return tilt, np.nan_to_num(np.asarray(plane["surface_azimuth"], dtype=np.float64), nan=m.azimuth)


def west_of(axis_azimuth: float) -> float:
    """The direction across a tracker's axis that lies to the west [degree]; that to the north of an east-west axis."""
    return ((axis_azimuth + 90.0) % 180.0 + 180.0) % 360.0


def transpose(sun: Sun, ghi: Floats, dni: Floats, dhi: Floats, albedo: float) -> tuple[Floats, Floats]:
    """Beam (with the circumsolar part) and other irradiance on the modules [W/m2], after Hay and Davies.

    ``ghi``, ``dni``, ``dhi`` are [T, N].
    """
    beam_share = np.clip(dni / np.maximum(sun.extra, 1.0)[:, None], 0.0, 1.0)
    ratio = (sun.cos_incidence / np.maximum(sun.cos_zenith, 0.01745))[:, None]
    view = (0.5 * (1.0 + np.cos(np.deg2rad(sun.tilt))))[:, None]
    beam = dni * sun.cos_incidence[:, None] + dhi * beam_share * ratio
    other = dhi * (1.0 - beam_share) * view + ghi * albedo * (1.0 - view)
    return np.asarray(beam, dtype=np.float64), np.asarray(other, dtype=np.float64)
