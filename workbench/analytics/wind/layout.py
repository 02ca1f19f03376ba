"""Where turbines stand to each other, and which of them have free wind.

A turbine has free wind from a direction if none of the others stands upstream of it within a sector around that
direction; that is how wakes are told apart from operating data [1]_.

References
----------
.. [1] R. J. Barthelmie, L. E. Jensen, "Evaluation of wind farm efficiency and wind turbine wakes at the Nysted offshore
   wind farm", Wind Energy 13(6), 573-586, 2010, https://doi.org/10.1002/we.408.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.model.errors import InputError

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
North = Literal["true", "utm"]

#: WGS 84: semi-major axis [m] and square of the eccentricity.
_AXIS, _ECCENTRICITY_2 = 6_378_137.0, 0.00669437999014


def positions(turbines: xr.Dataset, *, north: North = "true") -> Floats:
    """Place of each turbine [m] east and north of their mean, dims (asset, 2).

    Parameters
    ----------
    turbines
        Coordinates ``latitude`` and ``longitude`` (asset) [deg], WGS 84.
    north
        ``"utm"`` turns the axes to the grid north of the UTM zone of the mean longitude, as maps in UTM have it; it
        differs from true north by up to 3 degrees.

    Raises
    ------
    InputError
        A coordinate is missing, or not known for a turbine.

    Notes
    -----
    On the tangent plane of the ellipsoid, with its two radii of curvature: exact to 1e-5 over 20 km. The convergence
    of the meridian is atan(tan(lon - lon0) sin(lat)).
    """
    found = {}
    for name in ("latitude", "longitude"):
        if name not in turbines.coords:
            raise InputError(f"the turbines' {name} is not known", where=name, expected="degrees by asset")
        found[name] = np.broadcast_to(np.asarray(turbines[name].values, dtype=np.float64), (turbines.sizes["asset"],))
        for asset, value in zip(turbines["asset"].values, found[name], strict=True):
            if not np.isfinite(value):
                raise InputError(f"a turbine without {name}", where=str(asset), expected="degrees")
    lat, lon = np.radians(found["latitude"]), np.radians(found["longitude"])
    middle, center = lat.mean(), lon.mean()
    bent = 1.0 - _ECCENTRICITY_2 * np.sin(middle) ** 2
    east = (lon - center) * np.cos(lat) * _AXIS / np.sqrt(bent)
    northward = (lat - middle) * _AXIS * (1.0 - _ECCENTRICITY_2) / bent**1.5
    if north == "utm":
        zone = np.floor((180.0 + np.degrees(center)) / 6.0)
        turn = np.arctan(np.tan(center - np.radians(zone * 6.0 - 177.0)) * np.sin(middle))
        east, northward = (
            east * np.cos(turn) - northward * np.sin(turn),
            east * np.sin(turn) + northward * np.cos(turn),
        )
    elif north != "true":
        raise InputError("unknown north", where="north", found=north, expected="true or utm")
    return np.column_stack([east, northward])


def bearings(places: Floats) -> Floats:
    """Direction [deg] from each turbine (rows) to each other one (columns), in [0, 360); NaN to itself."""
    off = places[None, :, :] - places[:, None, :]
    found: Floats = np.degrees(np.arctan2(off[..., 0], off[..., 1])) % 360.0
    np.fill_diagonal(found, np.nan)
    return found


def distances(places: Floats) -> Floats:
    """Distance [m] between turbines, dims (asset, asset)."""
    found: Floats = np.hypot(*np.moveaxis(places[None, :, :] - places[:, None, :], -1, 0))
    return found


def wrapped(angle: Floats) -> Floats:
    """Angles [deg] in [-180, 180)."""
    turned: Floats = (angle + 180.0) % 360.0 - 180.0
    return turned


def free_turbines(places: Floats, directions: Floats, *, sector: float = 90.0) -> Bools:
    """Which turbines have free wind, dims (direction, asset).

    Parameters
    ----------
    directions
        Where the wind comes from [deg].
    sector
        Width [deg] of the sector in which no other turbine may stand upstream.

    Raises
    ------
    InputError
        ``sector`` is not between 0 and 180: beyond, no turbine would be free.
    """
    if not 0 < sector < 180:
        raise InputError("no width of a sector", where="sector", found=sector, expected="degrees, 0 to 180")
    off = np.abs(wrapped(directions[:, None, None] - bearings(places)[None, :, :]))
    waked = off <= 0.5 * sector  # never of itself: NaN
    free: Bools = np.asarray(~waked.any(axis=2))
    return free


def circular_mean(degrees: Floats, axis: int = 0) -> Floats:
    """Mean direction [deg] in [0, 360) over an axis, of those that are there; NaN where none is."""
    angle = np.radians(degrees)
    there = np.isfinite(degrees)
    s, c = (np.where(there, part, 0.0).sum(axis=axis) for part in (np.sin(angle), np.cos(angle)))
    mean: Floats = np.where(there.any(axis=axis), np.degrees(np.arctan2(s, c)) % 360.0, np.nan)
    return mean
