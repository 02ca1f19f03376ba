"""Measured power curves by the method of bins, normal operation, annual energy.

References
----------
.. [1] IEC 61400-12-1:2022, Power performance measurements of electricity producing wind turbines.
.. [2] IEC 61400-12-2:2022, Power performance based on nacelle anemometry.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.calendar import slot_length
from workbench.analytics.kpi import variable_of
from workbench.analytics.wind.air_density import STANDARD_DENSITY
from workbench.analytics.wind.curves import FASTEST
from workbench.analytics.wind.ten_minute import ten_minute
from workbench.steps import remark

Floats = npt.NDArray[np.float64]

_HOUR = np.timedelta64(3600, "s")


def normal_operation(
    data: xr.Dataset,
    candidates: xr.DataArray,
    *,
    bin_width: float = 0.5,
    spread: float = 5.0,
    tolerance: float = 0.1,
    wind_speed: str = "wind_speed",
    power: str = "power_output",
) -> xr.DataArray:
    """Slots in which a turbine produced as it usually does at that wind speed; (time, asset), boolean.

    IEC 61400-12-1 leaves out slots in which the turbine was faulty, stopped or curtailed. Where no status tells,
    they show as power far from the usual: a slot is left out when it differs from the median of its wind speed
    bin by more than ``spread`` times the scaled median absolute deviation and by more than ``tolerance`` of the
    rating. What was left out should be told with the curve.

    Parameters
    ----------
    candidates
        Slots to consider, (time, asset), boolean: all but those without information or production; of ten minutes, as
        faster data are brought to these first.
    bin_width
        [m/s]
    spread
        In (robust) standard deviations.
    tolerance
        Share of ``rated_capacity``, or of the largest power where that is not known.
    """
    data = ten_minute(data)
    speed, made = variable_of(data, wind_speed).load(), variable_of(data, power).load()
    keep = candidates.transpose("time", "asset").values & np.isfinite(speed.values) & np.isfinite(made.values)
    index = bins_of(speed.values, bin_width)
    rating = (
        data["rated_capacity"].values if "rated_capacity" in data.coords else np.nanmax(made.values, axis=0, initial=0)
    )
    result = keep.copy()
    for column in range(keep.shape[1]):
        rows = np.flatnonzero(keep[:, column])
        powers = made.values[rows, column].astype(np.float64)
        result[rows, column] = usual(index[rows, column], powers, spread, tolerance * float(rating[column]))
    return xr.DataArray(result, dims=("time", "asset"), coords=made.coords, attrs={"long_name": "normal operation"})


def usual(index: npt.NDArray[np.int64], power: Floats, spread: float, least: float) -> npt.NDArray[np.bool_]:
    """Which powers [kW] lie near the median of their bin: see :func:`normal_operation`.

    Parameters
    ----------
    index
        Bin of each power.
    spread, least
        How far off is still usual: standard deviations by the median absolute deviation, and at least [kW].
    """
    result = np.zeros(len(power), dtype=bool)
    if not len(power):
        return result
    order = np.argsort(index, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(index[order])) + 1):
        off = np.abs(power[group] - np.median(power[group]))
        result[group] = off <= max(spread * 1.4826 * float(np.median(off)), least)
    return result


def power_curve(
    data: xr.Dataset,
    *,
    where: xr.DataArray | None = None,
    bin_width: float = 0.5,
    min_count: int = 3,
    density: xr.DataArray | None = None,
    reference_density: float = STANDARD_DENSITY,
    wind_speed: str = "wind_speed",
    power: str = "power_output",
) -> xr.Dataset:
    """Measured power curve by the method of bins of IEC 61400-12-1.

    Bins are ``bin_width`` wide and centred on its multiples. Of each the mean wind speed and mean power are
    taken, and the standard uncertainty of category A of the power, s / sqrt(N).

    With nacelle wind speeds the curve tells how a turbine compares to itself and its neighbours; it is no
    measurement of power performance in the sense of the standard, since the rotor disturbs the anemometer and
    the transfer function to the free wind is not applied.

    Parameters
    ----------
    data
        dims (time, asset): wind speed [m/s] and power [kW], ten-minute means; faster data are brought to these first, and
        ``where`` and ``density`` have then to be of ten minutes.
    where
        Slots to use, boolean (time, asset), see :func:`normal_operation`; all with both values if left out.
    min_count
        Slots a bin needs; the standard asks for 30 minutes, which is three.
    density
        Air density [kg/m3] of the slots; wind speeds are then brought to ``reference_density`` by
        V (rho / rho0)^(1/3), as the standard does for turbines with active power control.

    Returns
    -------
    xr.Dataset
        dims (asset, wind_speed_bin): ``wind_speed`` [m/s], ``power``, ``power_std``, ``power_uncertainty`` [kW], all
        NaN in bins with fewer than ``min_count`` slots, and ``count``; dims (asset): ``hours`` [h] of data used. The
        standard calls a data base complete from 180 h on. The attribute ``impossible`` counts slots left out for a wind
        speed that cannot be.
    """
    data = ten_minute(data)
    speed, made = variable_of(data, wind_speed).load(), variable_of(data, power).load()
    fast, worth = speed.values.astype(np.float64), made.values.astype(np.float64)
    if density is not None:
        rho = density.transpose("time", "asset").values
        fast = fast * np.cbrt(rho / reference_density)
    with np.errstate(invalid="ignore"):
        keep = (fast >= 0) & np.isfinite(fast) & np.isfinite(worth)  # an impossible density makes a wind speed negative
    if where is not None:
        keep &= where.transpose("time", "asset").values.astype(bool)
    odd = keep & ~((fast >= 0) & (fast <= FASTEST))
    if odd.any():
        remark(f"power_curve: {int(odd.sum())} slots with a wind speed outside 0 to {FASTEST:g} m/s are left out")
        keep &= ~odd
    top = float(np.ceil(fast[keep].max() / bin_width)) if keep.any() else 0.0
    size, assets = int(top) + 1, fast.shape[1]
    cell = (bins_of(fast, bin_width) + np.arange(assets)[None, :] * size)[keep]
    speeds, powers = fast[keep], worth[keep]

    def summed(weights: Floats | None = None) -> Floats:
        return np.bincount(cell, weights, minlength=size * assets).reshape(assets, size).astype(np.float64)

    count = summed()
    enough = count >= min_count
    n = np.where(enough, count, np.nan)
    mean_speed, mean_power = summed(speeds) / n, summed(powers) / n
    off = powers - np.nan_to_num(mean_power).ravel()[cell]
    with np.errstate(invalid="ignore", divide="ignore"):
        std = np.sqrt(summed(off * off) / np.where(n > 1, n - 1, np.nan))
        uncertainty = std / np.sqrt(n)
    dims = ("asset", "wind_speed_bin")
    hours = keep.sum(axis=0) * float(slot_length(data) / _HOUR)
    return xr.Dataset(
        {
            "wind_speed": (dims, mean_speed, {"units": "m/s", "long_name": "mean wind speed of the bin"}),
            "power": (dims, mean_power, {"units": "kW", "long_name": "mean power of the bin"}),
            "power_std": (dims, std, {"units": "kW", "long_name": "standard deviation of power"}),
            "power_uncertainty": (dims, uncertainty, {"units": "kW", "long_name": "category A standard uncertainty"}),
            "count": (dims, count.astype(np.int64), {"units": "1", "long_name": "slots in the bin"}),
            "hours": ("asset", hours, {"units": "h", "long_name": "hours of data used"}),
        },
        coords={
            "asset": data["asset"].values,
            "wind_speed_bin": (
                "wind_speed_bin",
                np.arange(size) * bin_width,
                {"units": "m/s", "long_name": "bin centre"},
            ),
        },
        attrs={
            "bin_width": bin_width,
            "min_count": min_count,
            "impossible": int(odd.sum()),
            "reference_density": reference_density if density is not None else 0.0,
        },
    )


def bins_of(speed: npt.NDArray[np.floating], width: float) -> npt.NDArray[np.int64]:
    """Index of the bin centred on ``index * width``; the lower edge belongs to the bin. Missing speeds give 0."""
    return np.floor(np.nan_to_num(speed.astype(np.float64)) / width + 0.5).astype(np.int64)


def curve_power(curve: xr.Dataset, wind_speed: xr.DataArray, *, cut_out: float = 25.0) -> xr.DataArray:
    """Power [kW] that measured curves give at ``wind_speed`` [m/s] (time, asset).

    Linear between the bins; nothing below the first, the last bin's power above it up to ``cut_out``.
    """
    result = np.full(wind_speed.shape, np.nan)
    speeds = wind_speed.transpose("time", "asset").values
    for column, asset in enumerate(wind_speed["asset"].values):
        if asset not in curve["asset"].values:
            continue
        one = curve.sel(asset=asset)
        there = np.isfinite(one["power"].values)
        if not there.any():
            continue
        x, y = one["wind_speed"].values[there], one["power"].values[there]
        result[:, column] = np.interp(speeds[:, column], x, y, left=0.0)
        result[:, column] = np.where(speeds[:, column] > cut_out, 0.0, result[:, column])
    return xr.DataArray(
        np.where(np.isfinite(speeds), result, np.nan),
        dims=("time", "asset"),
        coords={"time": wind_speed["time"], "asset": wind_speed["asset"]},
        attrs={"units": "kW", "long_name": "power by the measured curve"},
    )


def annual_energy(curve: xr.Dataset, mean_wind_speed: float) -> xr.DataArray:
    """Annual energy [MWh] of measured curves in a Rayleigh wind climate, as IEC 61400-12-1, 9.3, computes it.

    AEP = 8760 h x sum_i (F(V_i) - F(V_i-1)) (P_i-1 + P_i) / 2 with F(V) = 1 - exp(-pi/4 (V / mean)^2), beginning
    with P = 0 half a metre per second below the first bin. Nothing is added beyond the last measured bin.

    Returns
    -------
    xr.DataArray
        dims (asset) [MWh]; NaN for an asset without a curve.
    """
    yearly = np.full(curve.sizes["asset"], np.nan)
    for row in range(curve.sizes["asset"]):
        one = curve.isel(asset=row)
        there = np.isfinite(one["power"].values)
        if there.any():
            yearly[row] = rayleigh_energy(one["wind_speed"].values[there], one["power"].values[there], mean_wind_speed)
    return xr.DataArray(
        yearly / 1000.0,
        dims="asset",
        coords={"asset": curve["asset"].values},
        attrs={"units": "MWh", "long_name": f"annual energy at a mean wind speed of {mean_wind_speed:g} m/s"},
    )


def rayleigh_energy(wind_speed: Floats, power: Floats, mean_wind_speed: float) -> float:
    """Energy [kWh] of a year of one curve, points of rising wind speed [m/s] and power [kW]; see annual_energy."""
    speed = np.concatenate([[max(float(wind_speed[0]) - 0.5, 0.0)], wind_speed])
    made = np.concatenate([[0.0], power])
    below = 1.0 - np.exp(-np.pi / 4.0 * (speed / mean_wind_speed) ** 2)
    return float(8760.0 * np.sum(np.diff(below) * (made[1:] + made[:-1]) / 2.0))
