"""Limits and closure of irradiance after QCRad, and what they say of each component.

References
----------
.. [1] C. N. Long, Y. Shi, An automated quality assessment and control algorithm for surface radiation measurements, The Open
   Atmospheric Science Journal 2 (2008) 23-37, doi:10.2174/1874282300802010023.
.. [2] C. N. Long, E. G. Dutton, BSRN Global Network recommended QC tests, V2.0 (2002).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import xarray as xr

from workbench.analytics.solar.checks import check_plant
from workbench.analytics.solar.series import Bools, Floats, grid_of
from workbench.model.errors import InputError
from workbench.model.quality import Quality, add_flags
from workbench.steps import remark, step

CLOSURE, CHECK = "irradiance_closure", "irradiance_check"


@dataclass(frozen=True)
class Limit:
    """Values from ``low`` to ``factor * Sa * mu0 ** power + plus`` [W/m2]; Sa: sun's beam outside of the atmosphere."""

    low: float
    factor: float
    power: float
    plus: float


#: Physically possible [1]_, table 1.
POSSIBLE = {
    "irradiance_ghi": Limit(-4.0, 1.5, 1.2, 100.0),
    "irradiance_dhi": Limit(-4.0, 0.95, 1.2, 50.0),
    "irradiance_dni": Limit(-4.0, 1.0, 0.0, 0.0),
}
#: Extremely rare.
RARE = {
    "irradiance_ghi": Limit(-2.0, 1.2, 1.2, 50.0),
    "irradiance_dhi": Limit(-2.0, 0.75, 1.2, 30.0),
    "irradiance_dni": Limit(-2.0, 0.95, 0.2, 10.0),
}
#: Zenith [degree], share that GHI / (DHI + DNI cos z) may be off 1, and the largest DHI / GHI.
CLOSE = ((75.0, 0.08, 1.05), (93.0, 0.15, 1.10))
#: Closure and ratio are tested above [W/m2].
LEAST = 50.0


class Check(IntEnum):
    """What the comparison of the components says of a slot."""

    NOT_TESTED = 0
    CLOSED = 1
    NOT_CLOSED = 2
    RATIO = 3  #: diffuse above global: the shade or the tracker is off


@step("irradiance_quality")
def irradiance_quality(
    data: xr.Dataset,
    *,
    ghi: str = "irradiance_ghi",
    dhi: str = "irradiance_dhi",
    dni: str = "irradiance_dni",
    rare: bool = True,
) -> xr.Dataset:
    """Flag irradiance that is impossible, rare, or contradicts the other components.

    RANGE: outside of the physically possible; UNCERTAIN: outside of the extremely rare limits; INCONSISTENT: GHI is not DHI + DNI cos z
    within 8 % (15 % for a sun below 15 degrees), or the diffuse is above the global part. A sum that is not closed does not
    tell which of the three is wrong: all three are flagged; a diffuse above the global part tells that it is not the beam.

    Parameters
    ----------
    data
        dims (time, asset): the components that are there [W/m2], means over their slots; coordinates ``latitude`` and ``longitude``
        [degree], ``elevation`` [m] where known. Times are UTC: repair clocks first.
    rare
        Whether to test for rare values.

    Returns
    -------
    xr.Dataset
        The data with flags, and where all three components are there ``irradiance_closure`` [1], GHI / (DHI + DNI cos z), and
        ``irradiance_check``: not_tested, closed, not_closed, ratio.

    Raises
    ------
    InputError
        No component is there, or no coordinates.
    """
    names = {"irradiance_ghi": ghi, "irradiance_dhi": dhi, "irradiance_dni": dni}
    there = {kind: name for kind, name in names.items() if name in data}
    if not there:
        raise InputError("no irradiance to check", expected=", ".join(names.values()))
    check_plant(data)
    zenith, extra = sun_position(data)
    cosine = np.maximum(np.cos(np.radians(zenith)), 0.0)
    values = {kind: data[name].transpose("time", "asset").values.astype(np.float64) for kind, name in there.items()}

    def mask(where: Bools) -> xr.DataArray:
        return xr.DataArray(where, dims=("time", "asset"), coords={n: data[n] for n in ("time", "asset")})

    flagged = data
    for kind, name in there.items():
        flagged = add_flags(flagged, name, mask(_outside(values[kind], POSSIBLE[kind], cosine, extra)), Quality.RANGE)
        if rare:
            unlikely = _outside(values[kind], RARE[kind], cosine, extra)
            flagged = add_flags(flagged, name, mask(unlikely), Quality.UNCERTAIN)
    if len(there) < 3:
        missing = ", ".join(name for kind, name in names.items() if kind not in there)
        remark(f"irradiance_quality: no closure without {missing}")
        return flagged
    closure, check = _closure(values, zenith, cosine)
    wrong = {
        "irradiance_ghi": check >= Check.NOT_CLOSED,
        "irradiance_dhi": check >= Check.NOT_CLOSED,
        "irradiance_dni": check == Check.NOT_CLOSED,
    }
    for kind, name in there.items():
        flagged = add_flags(flagged, name, mask(wrong[kind]), Quality.INCONSISTENT)
    meanings = {
        "flag_values": np.array([int(one) for one in Check], "uint8"),
        "flag_meanings": " ".join(one.name.lower() for one in Check),
    }
    return flagged.assign(
        {
            CLOSURE: (("time", "asset"), closure, {"units": "1", "long_name": "GHI over DHI + DNI cos z"}),
            CHECK: (("time", "asset"), check, {"long_name": "comparison of irradiance components", **meanings}),
        }
    )


def sun_position(data: xr.Dataset) -> tuple[Floats, Floats]:
    """Zenith [degree] of the middle of each slot and the beam outside of the atmosphere [W/m2], [time, asset].

    Raises
    ------
    InputError
        No coordinates.
    """
    import pandas as pd
    from pvlib.irradiance import get_extra_radiation
    from pvlib.solarposition import get_solarposition

    for name in ("latitude", "longitude"):
        if name not in data.coords or not np.isfinite(np.asarray(data.coords[name].values, dtype=float)).all():
            raise InputError("the sun's position takes the place of each asset", where=name, expected="degrees")
    some = next(name for name, array in data.data_vars.items() if {"time", "asset"} == set(array.dims))
    grid = grid_of(data, str(some))
    times = pd.DatetimeIndex(grid.times[grid.rows] + grid.slot // 2, tz="UTC")
    size = data.sizes["asset"]
    place = [
        np.broadcast_to(np.asarray(data.coords[name].values, dtype=float), size)
        if name in data.coords
        else np.zeros(size)
        for name in ("latitude", "longitude", "elevation")
    ]
    known: dict[tuple[float, ...], Floats] = {}
    zenith = np.empty((len(times), size))
    for column, (lat, lon, high) in enumerate(zip(*place, strict=True)):
        # assets of a plant share a sun: 0.01 degree is 1 km
        key = (round(float(lat), 2), round(float(lon), 2), float(np.nan_to_num(high)))
        if key not in known:
            known[key] = get_solarposition(times, key[0], key[1], altitude=key[2])["zenith"].to_numpy(dtype=float)
        zenith[:, column] = known[key]
    extra = np.asarray(get_extra_radiation(times), dtype=float)[:, None]
    return zenith, extra


def _outside(values: Floats, limit: Limit, cosine: Floats, extra: Floats) -> Bools:
    high = limit.factor * extra * cosine**limit.power + limit.plus
    with np.errstate(invalid="ignore"):
        return np.asarray((values < limit.low) | (values > high))


def _closure(values: dict[str, Floats], zenith: Floats, cosine: Floats) -> tuple[Floats, np.ndarray]:
    ghi, dhi, dni = (values[f"irradiance_{kind}"] for kind in ("ghi", "dhi", "dni"))
    total = dhi + dni * cosine
    known = np.isfinite(ghi) & np.isfinite(total)
    check = np.zeros(ghi.shape, "uint8")
    closure = np.full(ghi.shape, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        up = known & (zenith < CLOSE[-1][0])
        tested = up & (total > LEAST)
        closure[tested] = (ghi / total)[tested]
        limits = np.where(zenith < CLOSE[0][0], CLOSE[0][1], CLOSE[1][1])
        check[tested] = np.where(np.abs(closure - 1.0) <= limits, Check.CLOSED, Check.NOT_CLOSED)[tested]
        ratio = np.where(zenith < CLOSE[0][0], CLOSE[0][2], CLOSE[1][2])
        check[up & (ghi > LEAST) & (dhi / ghi > ratio)] = Check.RATIO
    return closure, check
