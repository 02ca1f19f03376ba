"""Where the wind comes from and how fast."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from workbench.analytics.kpi import variable_of

_COMPASS = ("N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW")


def wind_rose(
    data: xr.Dataset,
    *,
    sectors: int = 16,
    edges: Sequence[float] = (0.0, 4.0, 8.0, 12.0, 16.0),
    wind_speed: str = "wind_speed",
    direction: str = "wind_direction",
) -> xr.Dataset:
    """Frequency of wind by sector and class of speed, over all assets and times with both values.

    Parameters
    ----------
    sectors
        Number of them; the first is centred on north.
    edges
        Lower edges of the classes of speed [m/s]; the last is open.

    Returns
    -------
    xr.Dataset
        dims (sector, speed_class): ``frequency`` [1], adds up to 1; dims (sector): ``wind_speed``, mean [m/s], NaN for
        a sector that never occurred, and ``energy_flux``, its share of the sum of the cubes of the speed [1].
        Coordinates: ``sector`` middle [degree], ``speed_class`` lower edge [m/s], ``name`` of the sector.
    """
    speed, angle = variable_of(data, wind_speed).values.ravel(), variable_of(data, direction).values.ravel()
    there = np.isfinite(speed) & np.isfinite(angle)
    speed, angle = speed[there].astype(np.float64), angle[there].astype(np.float64)
    width = 360.0 / sectors
    sector = np.floor((angle + width / 2) / width).astype(np.int64) % sectors
    lower = np.asarray(edges, dtype=np.float64)
    group = np.clip(np.searchsorted(lower, speed, side="right") - 1, 0, len(lower) - 1)
    counts = np.bincount(sector * len(lower) + group, minlength=sectors * len(lower)).reshape(sectors, len(lower))
    number = counts.sum(axis=1)
    cubes = np.bincount(sector, speed**3, minlength=sectors)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(sector, speed, minlength=sectors) / np.where(number > 0, number, np.nan)
    whole = max(int(counts.sum()), 1)
    names = [_COMPASS[round(i * 16 / sectors) % 16] if 16 % sectors == 0 else f"{i * width:g}°" for i in range(sectors)]
    return xr.Dataset(
        {
            "frequency": (("sector", "speed_class"), counts / whole, {"units": "1", "long_name": "share of the time"}),
            "wind_speed": ("sector", mean, {"units": "m/s", "long_name": "mean wind speed"}),
            "energy_flux": (
                "sector",
                cubes / max(float(cubes.sum()), 1e-12),
                {"units": "1", "long_name": "share of the energy in the wind"},
            ),
        },
        coords={
            "sector": ("sector", np.arange(sectors) * width, {"units": "degree", "long_name": "wind from"}),
            "speed_class": ("speed_class", lower, {"units": "m/s", "long_name": "lower edge"}),
            "name": ("sector", names),
        },
        attrs={"samples": int(counts.sum())},
    )


def weibull(speed: xr.DataArray) -> tuple[float, float]:
    """Scale A [m/s] and shape k [1] of the Weibull distribution, by maximum likelihood; NaN for too few values.

    Speeds of zero are left out: the distribution has none.

    References
    ----------
    J. V. Seguro, T. W. Lambert, Modern estimation of the parameters of the Weibull wind speed distribution,
    J. Wind Eng. Ind. Aerodyn. 85 (2000) 75-84, equations 5 and 6.
    """
    values = np.asarray(speed.values, dtype=np.float64).ravel()
    values = values[np.isfinite(values) & (values > 0)]
    if len(values) < 10 or np.ptp(values) == 0:
        return float("nan"), float("nan")
    logs = np.log(values)
    shape = 2.0
    for _ in range(100):
        powers = values**shape
        new = 1.0 / (float((powers * logs).sum() / powers.sum()) - float(logs.mean()))
        if abs(new - shape) < 1e-9 * shape:
            shape = new
            break
        shape = 0.5 * (shape + new)  # the plain iteration oscillates
    return float((values**shape).mean() ** (1.0 / shape)), float(shape)
