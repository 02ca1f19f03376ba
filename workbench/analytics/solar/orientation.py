"""Tilt, azimuth and fixed or tracking, told from power or plane-of-array irradiance, and compared with the records.

Of each time of day and part of the season the highest values are those under a clear sky. The plane whose clear-sky irradiance
has the same course is the array's; a tracker's course is flat where that of any fixed plane is round. Clear sky: Ineichen and
Perez with a Linke turbidity of 3, isotropic diffuse, by pvlib.

Clocks have to be right first: four minutes are a degree of azimuth.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import xarray as xr

from workbench.analytics.solar.checks import check_plant
from workbench.analytics.solar.clipping import clipping_of
from workbench.analytics.solar.outliers import outliers_of
from workbench.analytics.solar.series import DAY, Bools, Floats, Grid, Ints, Sun, grid_of, sun_of
from workbench.analytics.solar.stale import lines_of, stale_of
from workbench.model.errors import InputError
from workbench.steps import remark, step

#: Days that make one clear day together, and days with data that it takes.
_BLOCK, _FEWEST = 12, 5
#: Candidates [degree].
_TILTS = np.arange(0.0, 91.0, 5.0)
_AZIMUTHS = np.arange(0.0, 360.0, 10.0)
_LIMITS = (45.0, 52.0, 60.0)
_STEEP = 35.0
_LINKE, _ALBEDO = 3.0, 0.2
#: Sun at least this high [degree]: horizons and low light.
_HIGH = 12.0
#: A value this share off the best plane is cloudy or no plane's.
_CLOUDY = 0.2
#: A tracker fits better than any fixed plane by this share of the misfit.
_TRACKS = 0.75
#: Below this share of the variance explained nothing is told; spread of tilt and azimuth at least [degree].
_EXPLAINED, _LEAST = 0.85, 2.0
#: Where trackers are told from planes [degree of sun], and what they explain of a course that is nearly flat there.
_UP, _EXPLAINED_UP = 25.0, 0.3


class Mounting(IntEnum):
    """How modules stand."""

    UNKNOWN = 0
    FIXED = 1
    SINGLE_AXIS = 2


class Agreement(IntEnum):
    """What the records say."""

    NOT_COMPARED = 0
    AGREES = 1
    DIFFERS = 2


@dataclass(frozen=True)
class Orientation:
    """How the modules of an asset stand, as its power says."""

    mounting: Mounting
    tilt: float = float("nan")  #: [degree]; of a tracker's axis
    azimuth: float = float("nan")  #: [degree]; of a tracker's axis
    tilt_uncertainty: float = float("nan")  #: standard [degree]
    azimuth_uncertainty: float = float("nan")  #: standard [degree]
    explained: float = float("nan")  #: share of the variance of the clear days [1]
    reason: str = ""


@step("orientation_check")
def orientation_check(
    data: xr.Dataset, *, variable: str = "total_ac_power", tilt_tolerance: float = 8.0, azimuth_tolerance: float = 12.0
) -> xr.Dataset:
    """Infer tilt, azimuth and mounting from power or plane-of-array irradiance, and compare them with the records.

    Parameters
    ----------
    data
        dims (time, asset): power in any unit; coordinates ``latitude`` and ``longitude`` [degree] of the assets, ``elevation`` [m] where known; the
        records ``tilt``, ``azimuth`` [degree] and ``mounting`` (fixed, single_axis) as coordinates or fields by asset,
        where there are any.
    tilt_tolerance, azimuth_tolerance
        [degree]: what the records may differ beside the uncertainty. The azimuth of a flat array is not compared.

    Returns
    -------
    xr.Dataset
        The data with ``inferred_tilt``, ``inferred_azimuth`` [degree], their ``_uncertainty``, ``inferred_mounting``,
        ``orientation_fit`` [1] and ``orientation_agreement``, dims (asset). What is not told is NaN, with a remark.

    Raises
    ------
    InputError
        No such field, no coordinates, or times of no one cadence.
    """
    found = infer_orientation(data, variable=variable)
    agreement = np.zeros(len(found), "uint8")
    for column, (asset, one) in enumerate(zip(map(str, data["asset"].values), found, strict=True)):
        if one.mounting is Mounting.UNKNOWN:
            remark(f"orientation_check: {asset} is not told: {one.reason}")
            continue
        differences, compared = _differences(data, column, one, tilt_tolerance, azimuth_tolerance)
        if compared:
            agreement[column] = Agreement.DIFFERS if differences else Agreement.AGREES
        if differences:
            remark(f"orientation_check: {asset} differs from the records: {', '.join(differences)}")
    return data.assign(
        {
            "inferred_tilt": _field([one.tilt for one in found], "tilt told from power", "degree"),
            "inferred_tilt_uncertainty": _field(
                [one.tilt_uncertainty for one in found], "standard uncertainty of the tilt", "degree"
            ),
            "inferred_azimuth": _field([one.azimuth for one in found], "azimuth told from power", "degree"),
            "inferred_azimuth_uncertainty": _field(
                [one.azimuth_uncertainty for one in found], "standard uncertainty of the azimuth", "degree"
            ),
            "inferred_mounting": _codes([one.mounting for one in found], Mounting, "mounting told from power"),
            "orientation_fit": _field([one.explained for one in found], "share of the variance explained", "1"),
            "orientation_agreement": _codes(agreement, Agreement, "orientation against the records"),
        }
    )


def _field(values: Any, name: str, units: str) -> Any:
    return "asset", np.array(values, dtype=np.float64), {"units": units, "long_name": name}


def _codes(values: Any, kinds: type[IntEnum], name: str) -> Any:
    attrs = {
        "long_name": name,
        "flag_values": np.array([int(one) for one in kinds], "uint8"),
        "flag_meanings": " ".join(one.name.lower() for one in kinds),
    }
    return "asset", np.array([int(one) for one in values], "uint8"), attrs


def _differences(
    data: xr.Dataset, column: int, one: Orientation, tilt_tolerance: float, azimuth_tolerance: float
) -> tuple[list[str], bool]:
    """What differs from the records, and whether anything was compared."""
    found, compared = [], False
    mounting = str(_record(data, "mounting", column) or "")
    if mounting:
        compared = True
        if mounting != one.mounting.name.lower():
            found.append(f"mounting {mounting} recorded, {one.mounting.name.lower()} by its power")
    if one.mounting is not Mounting.FIXED or mounting not in ("", "fixed"):
        return found, compared
    tilt, azimuth = (_record(data, name, column) for name in ("tilt", "azimuth"))
    if tilt is not None and np.isfinite(tilt):
        compared = True
        if abs(one.tilt - tilt) > tilt_tolerance + 2.0 * one.tilt_uncertainty:
            found.append(f"tilt {tilt:g} recorded, {one.tilt:.0f} by its power")
    if azimuth is not None and np.isfinite(azimuth) and one.tilt > 5.0:
        compared = True
        off = abs((one.azimuth - azimuth + 180.0) % 360.0 - 180.0)
        # the flatter, the less an azimuth matters and is told
        if off > (azimuth_tolerance + 2.0 * one.azimuth_uncertainty) / min(1.0, one.tilt / 20.0):
            found.append(f"azimuth {azimuth:g} recorded, {one.azimuth:.0f} by its power")
    return found, compared


def _record(data: xr.Dataset, name: str, column: int) -> Any:
    if name not in data.variables:
        return None
    return np.broadcast_to(data[name].values, data.sizes["asset"])[column]


def infer_orientation(data: xr.Dataset, *, variable: str = "total_ac_power") -> list[Orientation]:
    """Tilt, azimuth and mounting of each asset, in their order; see :func:`orientation_check`.

    A tracker is one with a level axis from north to south. At least five days with data are taken; a season or more tells the tilt
    better than a week.

    Raises
    ------
    InputError
        No such field, no coordinates, or times of no one cadence.
    """
    check_plant(data)
    for name in ("latitude", "longitude"):
        if name not in data.coords or not np.isfinite(np.asarray(data.coords[name].values, dtype=float)).all():
            raise InputError("the sun's position takes the place of each asset", where=name, expected="degrees")
    grid = grid_of(data, variable)
    size = data.sizes["asset"]
    place = np.stack(
        [
            np.broadcast_to(np.asarray(data.coords[name].values, dtype=float), size)
            if name in data.coords
            else np.zeros(size)
            for name in ("latitude", "longitude", "elevation")
        ]
    ).T
    skies: dict[tuple[Any, ...], _Sky] = {}
    return [
        _of_asset(grid, column, place[column], skies, irradiance=variable.startswith("irradiance"))
        for column in range(size)
    ]


@dataclass(frozen=True)
class _Sky:
    """The clear sky of a place at some times."""

    zenith: Floats
    azimuth: Floats
    ghi: Floats
    dni: Floats
    dhi: Floats
    north: bool = True  #: of the equator

    def at(self, where: Bools) -> _Sky:
        """The times of ``where``."""
        zenith, azimuth, ghi, dni, dhi = (
            one[where] for one in (self.zenith, self.azimuth, self.ghi, self.dni, self.dhi)
        )
        return _Sky(zenith, azimuth, ghi, dni, dhi, self.north)

    def plane(self, tilt: Floats, azimuth: Floats) -> Floats:
        """Irradiance on planes [time, plane]; tilt and azimuth broadcast against it."""
        from pvlib.irradiance import aoi_projection, get_ground_diffuse, isotropic

        column = [one[:, None] for one in (self.zenith, self.azimuth, self.ghi, self.dni, self.dhi)]
        beam = column[3] * np.maximum(aoi_projection(tilt, azimuth, column[0], column[1]), 0.0)
        return np.asarray(beam + isotropic(tilt, column[4]) + get_ground_diffuse(tilt, column[2], _ALBEDO))

    def tracked(self, limit: float) -> Floats:
        """Irradiance on a table that follows the sun about a level axis from north to south, [time]."""
        from pvlib.tracking import singleaxis

        table = singleaxis(self.zenith, self.azimuth, 0.0, 0.0, limit, backtrack=False)
        tilt, azimuth = np.nan_to_num(table["surface_tilt"]), np.nan_to_num(table["surface_azimuth"])
        return self.plane(tilt[:, None], azimuth[:, None])[:, 0]


def _sky(times: Ints, place: Floats) -> _Sky:
    import pandas as pd
    from pvlib.location import Location

    where = Location(place[0], place[1], altitude=float(np.nan_to_num(place[2])))
    stamps = pd.DatetimeIndex(times, tz="UTC")
    position = where.get_solarposition(stamps)
    clear = where.get_clearsky(stamps, model="ineichen", solar_position=position, linke_turbidity=_LINKE)
    parts = [position["apparent_zenith"], position["azimuth"], clear["ghi"], clear["dni"], clear["dhi"]]
    zenith, azimuth, ghi, dni, dhi = (part.to_numpy(dtype=float) for part in parts)
    return _Sky(zenith, azimuth, ghi, dni, dhi, bool(place[0] >= 0))


def _of_asset(
    grid: Grid, column: int, place: Floats, skies: dict[tuple[Any, ...], _Sky], *, irradiance: bool
) -> Orientation:
    values = grid.values[:, column]
    sun = sun_of(grid.times, values, grid.slot)
    if not np.isfinite(sun.noon) or not np.isfinite(sun.scale):
        return Orientation(Mounting.UNKNOWN, reason="no course of the day")
    if np.unique(sun.day[np.isfinite(values)]).size < _FEWEST:
        return Orientation(Mounting.UNKNOWN, reason=f"fewer than {_FEWEST} days of data")
    rows, power, block = _clear(values, sun, grid.slot)
    key = (round(float(place[0]), 2), round(float(place[1]), 2), float(np.nan_to_num(place[2])), rows.tobytes())
    if key not in skies:
        skies[key] = _sky(grid.times[rows] + grid.slot // 2, place)
    sky = skies[key]
    high = sky.zenith < 90.0 - _HIGH
    if high.sum() < 30:
        return Orientation(Mounting.UNKNOWN, reason="too few slots with the sun up: are the clocks right?")
    heat = None if irradiance else _air(grid.times[rows], float(place[0]))
    tilt, azimuth, _, explained = _fit(sky, power, high, heat)
    # with a low sun rows shade each other and trackers turn back: the two are told apart where it is high
    up = high & (90.0 - sky.zenith > min(_UP, 0.5 * float((90.0 - sky.zenith[high]).max())))
    tracked, told = _tracker(sky, power, up, heat)
    if told > _EXPLAINED_UP and tracked < _TRACKS * _fit(sky, power, up, heat)[2]:
        return Orientation(Mounting.SINGLE_AXIS, 0.0, 180.0, explained=told)
    if explained < _EXPLAINED:
        why = f"no plane explains more than {explained:.0%} of the clear days: clouds, shade or a clock that is off"
        return Orientation(Mounting.UNKNOWN, explained=explained, reason=why)
    halves = [high & (block % 2 == odd) for odd in (0, 1)]
    parts = [_fit(sky, power, half, heat) for half in halves] if min(half.sum() for half in halves) >= 30 else []
    spread = np.array([_LEAST, _LEAST])
    if parts:
        off = np.array([parts[0][0] - parts[1][0], (parts[0][1] - parts[1][1] + 180.0) % 360.0 - 180.0])
        spread = np.maximum(np.abs(off) / 2.0, spread)
    return Orientation(Mounting.FIXED, tilt, azimuth, float(spread[0]), float(spread[1]), explained)


def _clear(values: Floats, sun: Sun, slot: int) -> tuple[Ints, Floats, Ints]:
    """The highest values of each slot of the day in each block of days: rows, values, block."""
    lines = lines_of(values, sun, slot)
    bad = outliers_of(values, sun, slot) | lines | stale_of(values, sun, slot, lines)
    power = np.where(bad, np.nan, np.abs(values - sun.night))
    clipped = clipping_of(values, sun, slot)[0]
    per_day = max(1, round(DAY / slot))
    # at one minute a quarter of an hour is enough
    bins = np.minimum((sun.since / DAY * min(per_day, 96)).astype(np.int64), min(per_day, 96) - 1)
    block = (sun.day - sun.day.min()) // _BLOCK
    lit = np.isfinite(power) & (power > 0.02 * sun.scale)
    order = np.lexsort((power[lit], bins[lit], block[lit]))
    rows = np.flatnonzero(lit)[order]
    last = np.flatnonzero(np.diff(block[rows] * 1000 + bins[rows], append=-1))
    rows = rows[last]
    rows = rows[~clipped[rows]]  # a limit says nothing of the sky, nor do the clouds below it
    return rows, power[rows], block[rows]


def _misfit(shapes: Floats, power: Floats, weight: Floats) -> Floats:
    """Weighted mean squared misfit of each shape [time, plane] with the scale that fits it best."""
    pw = power * weight
    crossed, squared = pw @ shapes, weight @ shapes**2
    return np.asarray((pw @ power - crossed**2 / np.maximum(squared, 1e-12)) / weight.sum())


def _sunny(shape: Floats, power: Floats, weight: Floats) -> Floats:
    """The weights without what lies well below the shape: blocks without a clear sky at that time of day."""
    ratio = power / np.maximum(shape, 1.0)
    inside = (weight > 0) & (shape > 20.0)
    if inside.sum() < 30:
        return weight
    usual = float(np.quantile(ratio[inside], 0.75))
    return np.where(inside & (ratio > (1.0 - _CLOUDY) * usual) & (ratio < (1.0 + _CLOUDY) * usual), 1.0, 0.0)


def _fit(sky: _Sky, power: Floats, where: Bools, heat: Floats | None) -> tuple[float, float, float, float]:
    """Tilt, azimuth [degree], misfit and share of the variance explained of the best fixed plane."""
    part = sky.at(where)
    air = None if heat is None else heat[where]
    some = power[where]
    weight = np.ones(len(some))
    tilts, azimuths = (one.ravel() for one in np.meshgrid(_TILTS, _AZIMUTHS, indexing="ij"))
    best = tilt = azimuth = np.inf
    for width in (0.0, 4.0, 4.0, 2.0, 0.5):
        if width:
            span = np.arange(-3, 4) * width
            tilts, azimuths = (one.ravel() for one in np.meshgrid(tilt + span, azimuth + 2 * span, indexing="ij"))
            tilts = np.clip(tilts, 0.0, 90.0)
        shapes = _warm(part.plane(tilts[None, :], azimuths[None, :]), air)
        misfit = _misfit(shapes, some, weight)
        # nobody builds steep planes that face the pole
        pole = np.cos(np.radians(azimuths - (180.0 if sky.north else 0.0))) < -0.5
        misfit[pole & (tilts > _STEEP)] = np.inf
        k = int(np.argmin(misfit))
        tilt, azimuth, best = float(tilts[k]), float(azimuths[k]) % 360.0, float(misfit[k])
        if width != 2.0:
            weight = _sunny(shapes[:, k], some, np.ones(len(some)))
            best = float(_misfit(shapes[:, [k]], some, weight)[0])
    return tilt, azimuth, best, _explained(best, some, weight)


def _tracker(sky: _Sky, power: Floats, where: Bools, heat: Floats | None) -> tuple[float, float]:
    """Misfit and share of the variance explained of the best tracker."""
    found = []
    some, air = power[where], None if heat is None else heat[where]
    for limit in _LIMITS:
        shape = _warm(sky.tracked(limit)[where][:, None], air)
        weight = _sunny(shape[:, 0], some, np.ones(len(some)))
        misfit = float(_misfit(shape, some, weight)[0])
        found.append((misfit, _explained(misfit, some, weight)))
    return min(found)


def _explained(misfit: float, power: Floats, weight: Floats) -> float:
    mean = float(np.average(power, weights=weight))
    variance = float(np.average((power - mean) ** 2, weights=weight))
    return 1.0 - misfit / variance if variance > 0 else 0.0


def _warm(plane: Floats, air: Floats | None) -> Floats:
    """What modules make of an irradiance: 0.4 % less for each kelvin, which cells lie 0.03 K m2/W over the air."""
    if air is None:
        return plane
    return np.asarray(plane * (1.0 - 0.004 * (air[:, None] + 0.03 * plane - 25.0)))


def _air(times: Ints, latitude: float) -> Floats:
    """What the air's temperature is by day in a climate of that latitude [degC], for want of a measured one."""
    season = 2.0 * np.pi * (times / (365.2425 * DAY) - 20.0 / 365.2425)
    return np.asarray(30.0 - 0.4 * abs(latitude) - 0.3 * latitude * np.cos(season))
