"""Sun and module plane of each asset over time: where the sun stands, how the modules face it, what of its beam they take.

pvlib computes all of it. Assets of one place (to 0.01 degree: the sun moves by half of that at most) and one mounting share the
figures. The sun's position is that in the middle of the slot, as a mean over a slot tells of its middle; pvlib's own examples with
hourly data do the same. A slot in whose middle the sun is below the horizon has no beam.

References
----------
.. [1] D. G. Erbs, S. A. Klein, J. A. Duffie, "Estimation of the diffuse radiation fraction for hourly, daily and monthly-average
   global radiation", Solar Energy 28(4), 1982, https://doi.org/10.1016/0038-092X(82)90302-4.
.. [2] W. De Soto, S. A. Klein, W. A. Beckman, "Improvement and validation of a model for photovoltaic array performance", Solar
   Energy 80(1), 2006, https://doi.org/10.1016/j.solener.2005.06.010 (incidence, ``physical``).
.. [3] B. Marion, "A model for deriving the direct normal and diffuse horizontal irradiance from the global tilted irradiance",
   Solar Energy 122, 2015, https://doi.org/10.1016/j.solener.2015.10.024 (the idea of the split of what was measured in the plane).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numba
import numpy as np
import numpy.typing as npt

from workbench.analytics.solar.array_facts import ArrayFacts

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
Stamp = Literal["start", "middle", "end"]
Incidence = Literal["physical", "ashrae", "martin_ruiz", "none"]
Transposition = Literal["isotropic", "haydavies", "perez", "perez-driesse"]

_ROUND = 2  #: decimals of a degree that make one place
_LEAST_COS = 0.065  #: of the zenith, as pvlib's erbs takes it


@dataclass(frozen=True)
class Geometry:
    """Sun and planes; arrays (time, place) or (time, plane) [degree, 1]; ``*_of`` say which are an asset's."""

    zenith: Floats  #: (time, place), with refraction
    sun_azimuth: Floats  #: (time, place)
    extra: Floats  #: (time, 1) outside the atmosphere [W/m²]
    airmass: Floats  #: (time, place) relative, NaN at night
    pressure: Floats  #: (place) [Pa]
    tilt: Floats  #: (time, plane)
    azimuth: Floats  #: (time, plane)
    cosine: Floats  #: (time, plane) of the angle of incidence, not below 0
    taken: Floats  #: (time, plane) share of the beam that the glass lets in
    place_of: Ints  #: (asset)
    plane_of: Ints  #: (asset)
    place_of_plane: Ints  #: (plane)


def sun_times(times: npt.NDArray[np.datetime64], slot: np.timedelta64, stamp: Stamp) -> npt.NDArray[np.datetime64]:
    """The moment of each slot at which the sun is looked at: its middle. ``stamp`` is what the times tell of their slots."""
    half = slot.astype("timedelta64[ns]") // 2
    shift = {"start": half, "middle": half * 0, "end": -half}[stamp]
    return np.asarray(times.astype("datetime64[ns]") + shift)


def geometry(moments: npt.NDArray[np.datetime64], facts: ArrayFacts, incidence: Incidence) -> Geometry:
    """Sun and planes of the assets at ``moments`` [UTC]; for planes that are not told tilt and azimuth are 0."""
    import pandas as pd
    import pvlib

    index = pd.DatetimeIndex(moments, tz="UTC")
    # of a sensor no plane is wanted
    place = np.stack(
        [np.round(np.nan_to_num(facts[name]), _ROUND) for name in ("latitude", "longitude")] + [facts["elevation"]], 1
    )
    places, place_of = np.unique(place, axis=0, return_inverse=True)
    place_of = place_of.reshape(-1)
    # of assets that share a place the first one's own figures: those of one asset alone are exact
    first = np.array([int(np.argmax(place_of == k)) for k in range(len(places))])
    columns: list[tuple[Floats, Floats]] = []
    for row in first:
        latitude, longitude, height = (
            float(np.nan_to_num(facts[name][row])) for name in ("latitude", "longitude", "elevation")
        )
        found = pvlib.solarposition.get_solarposition(
            index, latitude, longitude, altitude=height, pressure=pvlib.atmosphere.alt2pres(height)
        )
        columns.append((found["apparent_zenith"].to_numpy(np.float64), found["azimuth"].to_numpy(np.float64)))
    zenith, sun_azimuth = (np.stack([one[k] for one in columns], 1) for k in (0, 1))
    stands = np.column_stack(
        [place_of, facts.texts["mounting"] == "single_axis", facts.texts["mounting"] == "dual_axis"]
        + [np.nan_to_num(facts[k]) for k in ("tilt", "azimuth", "tracker_max_angle", "backtrack")]
        + [facts["ground_coverage_ratio"]]
    ).astype(np.float64)
    planes, plane_of = np.unique(stands, axis=0, return_inverse=True)
    faces = [_plane(row, zenith[:, int(row[0])], sun_azimuth[:, int(row[0])]) for row in planes]
    tilt, azimuth = (np.stack([one[k] for one in faces], 1) for k in (0, 1))
    place_of_plane = planes[:, 0].astype(np.intp)
    angle = pvlib.irradiance.aoi(tilt, azimuth, zenith[:, place_of_plane], sun_azimuth[:, place_of_plane])
    cosine = np.clip(np.cos(np.deg2rad(angle)), 0.0, None)
    return Geometry(
        zenith,
        sun_azimuth,
        np.asarray(pvlib.irradiance.get_extra_radiation(index.day_of_year.to_numpy()), dtype=np.float64)[:, None],
        np.asarray(pvlib.atmosphere.get_relative_airmass(zenith), dtype=np.float64),
        np.asarray(pvlib.atmosphere.alt2pres(facts["elevation"][first]), dtype=np.float64),
        tilt,
        azimuth,
        cosine,
        _taken(angle, incidence),
        place_of,
        plane_of.reshape(-1),
        place_of_plane,
    )


def _plane(row: Floats, zenith: Floats, sun_azimuth: Floats) -> tuple[Floats, Floats]:
    """Tilt and azimuth of one plane over time; trackers lie flat at night."""
    import pvlib

    _, single, dual, tilt, azimuth, most, back, coverage = row
    if dual:
        up = zenith < 90
        return np.where(up, zenith, 0.0), np.where(up, sun_azimuth, 180.0)
    if not single:
        return np.full_like(zenith, tilt), np.full_like(zenith, azimuth)
    found = pvlib.tracking.singleaxis(
        zenith, sun_azimuth, axis_tilt=tilt, axis_azimuth=azimuth, max_angle=most, backtrack=bool(back), gcr=coverage
    )
    faces = (np.asarray(found[name], dtype=np.float64) for name in ("surface_tilt", "surface_azimuth"))
    slope, direction = faces
    return np.nan_to_num(slope, nan=tilt), np.nan_to_num(direction, nan=azimuth)


def _taken(angle: Floats, incidence: Incidence) -> Floats:
    import pvlib

    if incidence == "none":
        return np.ones_like(angle)
    model = {"physical": pvlib.iam.physical, "ashrae": pvlib.iam.ashrae, "martin_ruiz": pvlib.iam.martin_ruiz}[
        incidence
    ]
    return np.clip(np.nan_to_num(np.asarray(model(angle), dtype=np.float64)), 0.0, None)


def beam_share(poa: Floats, cosine: Floats, cos_zenith: Floats, extra: Floats, tilt: Floats, albedo: Floats) -> Floats:
    """Share of the beam in irradiance measured in the plane alone, by Erbs' diffuse fraction [1]_ turned round.

    The clearness is sought whose horizontal beam and diffuse irradiance, brought to the plane under an even sky, give what was
    measured [3]_; above the clearest sky that of 1 is taken. Where the beam comes in so flat that two clearnesses do, it is one of
    them. All arguments (time, column), irradiance [W/m²], tilt [degree]; gives [1].
    """
    view = 0.5 * (1.0 + np.cos(np.deg2rad(tilt)))
    arrays = np.broadcast_arrays(poa, cosine, cos_zenith, extra, view, albedo)
    found: Floats = _split(*(np.ascontiguousarray(one, dtype=np.float64) for one in arrays))
    return found


@numba.njit(cache=True, nogil=True)
def _diffuse(kt: float) -> float:
    if kt <= 0.22:
        return 1.0 - 0.09 * kt
    if kt <= 0.8:
        return 0.9511 + kt * (-0.1604 + kt * (4.388 + kt * (-16.638 + kt * 12.336)))
    return 0.165


@numba.njit(cache=True, nogil=True)
def _split(poa: Any, cosine: Any, cos_zenith: Any, extra: Any, view: Any, albedo: Any) -> Any:
    out = np.zeros(poa.shape)
    for t in range(poa.shape[0]):
        for a in range(poa.shape[1]):
            up, facing, measured = cos_zenith[t, a], cosine[t, a], poa[t, a]
            # as pvlib: from 87 degrees of zenith on there is no beam
            if not measured > 0.0 or up < 0.0523 or facing <= 0.0:
                continue
            across = extra[t, a] * max(up, _LEAST_COS)
            low, high, beam, total = 0.0, 1.0, 0.0, 1.0
            for _ in range(14):
                kt = 0.5 * (low + high)
                fraction = _diffuse(kt)
                ghi = kt * across
                beam = ghi * (1.0 - fraction) / up * facing
                total = beam + ghi * (fraction * view[t, a] + albedo[t, a] * (1.0 - view[t, a]))
                if total < measured:
                    low = kt
                else:
                    high = kt
            out[t, a] = beam / total
    return out
