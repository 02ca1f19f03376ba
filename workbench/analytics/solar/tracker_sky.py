"""The sun over trackers, by pvlib: where they should stand, and what a plane that stands elsewhere gets."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import xarray as xr

from workbench.analytics.solar import fault_fields
from workbench.analytics.solar.fault_fields import Days, Floats, Ints, days_of, median_of, numbers
from workbench.model.errors import InputError

_SUN = 3.0  #: elevation below which a plane is not worth a look [degree]


@dataclass
class Sky:
    """Sun and irradiance at the middle of each slot, and the geometry of each kind of tracker."""

    elevation: Floats  #: [slot, degree]
    zenith: Floats
    azimuth: Floats
    dni: Floats
    ghi: Floats
    dhi: Floats
    beam: Floats  #: share of the beam in the horizontal irradiance
    angle: Floats  #: [slot, asset] where trackers should stand [degree, positive towards the west]
    limit: Floats  #: [asset] largest angle [degree]
    place: Ints  #: [asset] its kind of geometry
    axis: list[
        tuple[float, float, float, bool, float]
    ]  #: tilt, azimuth, largest angle, backtrack, coverage of each kind
    measured: bool  #: whether the irradiance was measured
    ideal: list[Floats] = field(default_factory=list)  #: angle of each kind, [slot]
    across: list[Floats] = field(default_factory=list)  #: angle of the sun about the axis of each kind, [slot, degree]
    tracked: list[Floats] = field(default_factory=list)  #: irradiance on the tracked plane of each kind [W/m²]

    @property
    def places(self) -> list[int]:
        """Numbers of the kinds of geometry."""
        return list(range(len(self.axis)))


def sky_of(data: xr.Dataset, power: Floats | None, *, needed: bool) -> Sky | None:
    """The sky over ``data``; None where latitude and longitude are not known and not ``needed``.

    Raises
    ------
    InputError
        They are needed and not there, or cannot be.
    """
    import pvlib

    latitude, longitude = numbers(data, "latitude"), numbers(data, "longitude")
    if not (np.isfinite(latitude).any() and np.isfinite(longitude).any()):
        if not needed:
            return None
        raise InputError(
            "where the trackers stand is not known, and so not where they should point", where="latitude, longitude",
            found="no coordinates of that name", expected="degrees on each asset; or a tracker_target",
        )  # fmt: skip
    here, there = float(np.nanmedian(latitude)), float(np.nanmedian(longitude))
    if not -90 <= here <= 90 or not -180 <= there <= 180:
        raise InputError("no such place", where="latitude, longitude", found=f"{here:g}, {there:g}")
    times = pd.DatetimeIndex(data["time"].values, tz="UTC")
    times = times + pd.Timedelta(np.median(np.diff(data["time"].values)) / 2)
    where = pvlib.location.Location(here, there, altitude=float(np.nan_to_num(np.nanmean(numbers(data, "elevation")))))
    sun = where.get_solarposition(times)
    zenith, azimuth = sun["apparent_zenith"].to_numpy(), sun["azimuth"].to_numpy()
    size = data.sizes["asset"]
    tilt = np.nan_to_num(numbers(data, "tilt"), nan=0.0)
    axis_azimuth = np.nan_to_num(numbers(data, "azimuth"), nan=180.0 if here > 0 else 0.0)
    limit = numbers(data, "tracker_max_angle")  # as the portfolio names it
    limit = np.nan_to_num(np.where(np.isfinite(limit), limit, numbers(data, "max_angle")), nan=60.0)
    backtrack = np.nan_to_num(numbers(data, "backtrack"), nan=1.0) > 0.5
    cover = np.nan_to_num(numbers(data, "ground_coverage_ratio"), nan=0.4)
    kinds: dict[tuple[float, float, float, bool, float], int] = {}
    place = np.array(
        [
            kinds.setdefault(
                (float(tilt[c]), float(axis_azimuth[c]), float(limit[c]), bool(backtrack[c]), float(cover[c])),
                len(kinds),
            )
            for c in range(size)
        ],
        dtype=np.int64,
    )
    clear = where.get_clearsky(times, solar_position=sun)
    elevation, size_ = 90.0 - zenith, len(times)
    dni, ghi, dhi = (clear[k].to_numpy() for k in ("dni", "ghi", "dhi"))
    sky = Sky(
        elevation, zenith, azimuth, dni, ghi, dhi, np.zeros(size_), np.zeros((size_, size)), limit, place, list(kinds), False
    )  # fmt: skip
    for one in kinds:
        found = pvlib.tracking.singleaxis(zenith, azimuth, one[0], one[1], one[2], one[3], one[4])
        angle = np.asarray(found["tracker_theta"], dtype=np.float64)
        # pvlib turns by the right hand about the axis: towards the west is positive where it points south
        west = 1.0 if np.cos(np.radians(one[1] - 180.0)) > 0 else -1.0
        sky.ideal.append(west * angle)
        sky.across.append(np.asarray(pvlib.shading.projected_solar_zenith_angle(zenith, azimuth, one[0], one[1])))
    sky.angle = np.stack([sky.ideal[int(p)] for p in place], axis=1)
    sky.ghi, sky.dni, sky.dhi, sky.measured = _irradiance(data, sky, times, sun, clear, power)
    sky.tracked = [_plane(sky, n, sky.ideal[n], slice(None)) for n in sky.places]
    with np.errstate(invalid="ignore", divide="ignore"):
        sky.beam = np.clip(np.where(sky.ghi > 1, 1 - sky.dhi / sky.ghi, 0.0), 0.0, 1.0)
    return sky


def _irradiance(
    data: xr.Dataset, sky: Sky, times: pd.DatetimeIndex, sun: pd.DataFrame, clear: pd.DataFrame, power: Floats | None
) -> tuple[Floats, Floats, Floats, bool]:
    """Horizontal, beam and diffuse irradiance: measured, or the clear sky under the clouds that the power tells of.

    ``sky`` has that of the clear sky so far.
    """
    import pvlib

    found = {k: fault_fields.field(data, f"irradiance_{k}", "weather_station") for k in ("ghi", "dni", "dhi")}
    have = {k: np.clip(median_of(v), 0, None) for k, v in found.items() if v is not None}
    cosine = np.clip(np.cos(np.radians(sun["apparent_zenith"].to_numpy())), 0, 1)
    ghi = clear["ghi"].to_numpy()
    if "ghi" in have:
        ghi = np.nan_to_num(have["ghi"])
        if "dni" in have and "dhi" in have:
            return ghi, np.nan_to_num(have["dni"]), np.nan_to_num(have["dhi"]), True
    elif power is not None:
        usual = np.nanquantile(np.where(power > 0, power, np.nan), 0.9, axis=0)
        share = median_of(power / usual)
        plane = _plane(sky, 0, sky.ideal[0], slice(None))
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.where(plane > 50, share / plane, np.nan)
            # a clear slot gives what the best of the weeks around give
            best = (
                pd.Series(ratio)
                .groupby(np.arange(len(times)) // max(1, int(14 * _per_day(times))))
                .transform(lambda x: x.quantile(0.9))
            )
            clear_of = np.nan_to_num(np.clip(ratio / best.to_numpy(), 0.08, 1.0), nan=1.0)
        # a plane gets a third without the sun and all in it: the share of the slot in which it shone (Angstrom 1924)
        shone = np.clip((clear_of - 1 / 3) / (2 / 3), 0.0, 1.0)
        dark = replace(sky, ghi=np.zeros(len(times)), dhi=np.zeros(len(times)))
        direct = _plane(dark, 0, sky.ideal[0], slice(None))
        with np.errstate(invalid="ignore", divide="ignore"):
            rest = np.where(plane > direct + 1.0, (clear_of * plane - shone * direct) / (plane - direct), 0.0)
        dni, dhi = shone * clear["dni"].to_numpy(), np.clip(rest, 0, None) * clear["dhi"].to_numpy()
        return dni * cosine + dhi, dni, dhi, False
    # Erbs, Klein and Duffie (1982), as in pvlib
    parts = pvlib.irradiance.erbs(ghi, sun["zenith"].to_numpy(), times)
    dni = np.minimum(np.nan_to_num(np.asarray(parts["dni"])), 1.1 * clear["dni"].to_numpy())
    return ghi, dni, np.clip(ghi - dni * cosine, 0, None), "ghi" in have


def _per_day(times: pd.DatetimeIndex) -> float:
    return float(pd.Timedelta("1D") / pd.Series(times).diff().median())


def _plane(sky: Sky, place: int, angle: Floats, rows: slice | Ints) -> Floats:
    """Irradiance on a plane turned by ``angle`` about the axis [W/m²], in rows that all turn alike.

    Of the beam is lost what the row in front shades (Anderson and Mikofski 2020, NREL/TP-5K00-76626, level ground).
    """
    import pvlib

    tilt, azimuth, _, _, cover = sky.axis[place]
    west = 1.0 if np.cos(np.radians(azimuth - 180.0)) > 0 else -1.0
    face = pvlib.tracking.calc_surface_orientation(west * angle, axis_tilt=tilt, axis_azimuth=azimuth)
    slope, facing = np.asarray(face["surface_tilt"]), np.asarray(face["surface_azimuth"])
    zenith, sun = sky.zenith[rows], sky.azimuth[rows]
    aoi = pvlib.irradiance.aoi(slope, facing, zenith, sun)
    direct = sky.dni[rows] * np.clip(np.cos(np.radians(aoi)), 0, None)
    direct = direct * np.nan_to_num(np.asarray(pvlib.iam.ashrae(np.clip(aoi, 0, 90), b=0.04)))
    across = sky.across[place][rows]
    wide = cover * np.abs(np.cos(np.radians(across - west * angle)))  # of a row, as the sun sees it
    free = np.clip(np.cos(np.radians(across)), 0, None)  # from one row to the next
    direct = direct * np.where(wide > free, free / np.maximum(wide, 1e-6), 1.0)
    diffuse = sky.dhi[rows] * (1 + np.cos(np.radians(slope))) / 2
    ground = 0.2 * sky.ghi[rows] * (1 - np.cos(np.radians(slope))) / 2
    return np.asarray(np.nan_to_num(direct) + 0.96 * np.nan_to_num(diffuse + ground))


def gain_of(
    sky: Sky, place: int, angle: float | Floats | None, offset: float = 0.0, rows: slice | Ints | None = None
) -> Floats:
    """Irradiance on a plane at ``angle`` (None: where it should be, and ``offset``) over that of the tracked one; 1 in the dark."""
    at = slice(None) if rows is None else rows
    ideal = sky.ideal[place][at]
    turned = (
        np.clip(ideal + offset, -90, 90) if angle is None else np.broadcast_to(np.asarray(angle, float), ideal.shape)
    )
    usual = sky.tracked[place][at]
    found = _plane(sky, place, np.asarray(turned), at)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where((sky.elevation[at] > _SUN) & (usual > 5.0) & np.isfinite(turned), found / usual, 1.0)


def days_by_sun(data: xr.Dataset, sky: Sky | None, values: Floats) -> Days:
    """Days of the sun: by its elevation where it is known."""
    if sky is not None:
        return days_of(data, np.clip(sky.elevation, 0, None)[:, None])
    # positions tell of noon by where they pass zero; a plane that moves has its largest angles early and late
    weight = np.nan_to_num(np.abs(np.diff(values, axis=0, prepend=values[:1])))
    return days_of(data, np.minimum(weight, np.quantile(weight, 0.95)))
