"""Monthly figures that long-term estimates rest on: wind of reanalyses, energy and losses of a plant.

Months are those of UTC, as the reanalyses' days are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.calendar import slot_length
from workbench.analytics.kpi import variable_of
from workbench.analytics.wind.air_density import air_density
from workbench.model.errors import InputError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Months = npt.NDArray[np.datetime64]

#: Mean number of days of the calendar months; February with its leap day every four years.
MONTH_DAYS: Floats = np.array([31, 28.25, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], dtype=np.float64)


def chosen(reanalysis: Mapping[str, xr.Dataset], products: Sequence[str] | None = None) -> list[str]:
    """Names of the reanalyses to use.

    Raises
    ------
    InputError
        There is none, or none of that name.
    """
    if not reanalysis:
        raise InputError(
            "no reanalysis, and without one there is no long-term wind",
            where="reanalysis",
            found="none",
            expected="at least one data set of hourly wind by name, of 10 years or more",
            hint="an entry with `driver: reanalysis` in the site's catalog, such as ERA5 or MERRA-2",
        )
    names = list(reanalysis) if products is None else list(products)
    for name in names:
        if name not in reanalysis:
            raise InputError(
                f"no reanalysis named {name!r}",
                where="products",
                expected=", ".join(reanalysis),
                hint=did_you_mean(name, reanalysis),
            )
    if not names:
        raise InputError("no reanalysis chosen", where="products", expected=f"one or more of {', '.join(reanalysis)}")
    return names


def density_corrected(data: xr.Dataset, *, where: str = "reanalysis") -> Floats:
    """Wind speed [m/s] of one point, brought to the mean density of the data by (rho / mean)^(1/3), [time].

    The density is that of IEC 61400-12-1 with a relative humidity of a half, where temperature and pressure are
    there, otherwise ``air_density``. To what density it is brought does not change an energy found by a linear
    regression, which scales with it; it does change what speed limits mean, a little.

    Raises
    ------
    InputError
        Neither temperature and pressure nor density are there, or the data have more than one point.
    """
    try:
        speed = point_of(variable_of(data, "wind_speed"))
    except InputError as error:
        raise _placed(error, where) from None
    density = point_density(data, where=where)
    if not np.isfinite(density).any():
        raise InputError(
            "a reanalysis without air density", where=where, found="no value", expected="temperature and pressure"
        )
    corrected: Floats = speed * np.cbrt(density / np.nanmean(density))
    return corrected


def point_density(data: xr.Dataset, *, where: str = "reanalysis") -> Floats:
    """Air density [kg/m3] of one point, [time]; see :func:`density_corrected`."""
    try:
        if {"temperature", "barometric_pressure"} <= set(data.data_vars):
            celsius, hectopascal = (
                variable_of(data, name).astype(np.float64) for name in ("temperature", "barometric_pressure")
            )
            return point_of(air_density(celsius, pressure=hectopascal))
        return point_of(variable_of(data, "air_density"))
    except InputError as error:
        raise _placed(error, where) from None


def _placed(error: InputError, where: str) -> InputError:
    return error.at(where=where if error.where is None else f"{where}: {error.where}")


def clock_offset(energy: Floats, time: npt.NDArray[np.datetime64], reanalysis: xr.Dataset, *, most: int = 4) -> float:
    """Hours by which the times of a plant's energy are late against the wind of a reanalysis, to a tenth.

    The lag of the best correlation of hourly values, with a parabola through the best and its neighbours; 0 where the
    reanalysis or the plant is not hourly or finer, or has nothing in common with it. Hours of local time taken for
    UTC show as an offset of as many.
    """
    hour = np.timedelta64(1, "h")
    wind_time = reanalysis["time"].values.astype("datetime64[h]")
    if len(time) < 200 or np.median(np.diff(time)) > hour or np.median(np.diff(wind_time)) > hour:
        return 0.0
    label = time.astype("datetime64[h]")
    first = label[0] - most * hour
    size = int((label[-1] - first) / hour) + 1 + most

    def hourly(values: Floats, at: npt.NDArray[np.datetime64]) -> Floats:
        index = ((at - first) / hour).astype(np.int64)
        there = np.isfinite(values) & (index >= 0) & (index < size)
        count = np.bincount(index[there], minlength=size)
        total = np.bincount(index[there], values[there], minlength=size)
        mean: Floats = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        return mean

    made, wind = hourly(energy, label), hourly(point_of(variable_of(reanalysis, "wind_speed")), wind_time)
    found = np.full(2 * most + 1, -1.0)
    for place, lag in enumerate(range(-most, most + 1)):
        x, y = wind[max(0, -lag) : size - max(0, lag)], made[max(0, lag) : size - max(0, -lag)]
        both = np.isfinite(x) & np.isfinite(y)
        if both.sum() >= 200 and np.ptp(x[both]) > 0 and np.ptp(y[both]) > 0:
            found[place] = np.corrcoef(x[both], y[both])[0, 1]
    best = int(found.argmax())
    if found[best] < 0.3 or best in (0, 2 * most):
        return 0.0 if found[best] < 0.3 else float(best - most)
    before, here, after = found[best - 1 : best + 2]
    bend = before - 2 * here + after
    return round(best - most + (0.5 * (before - after) / bend if bend < 0 else 0.0), 1)


def monthly_wind(
    reanalysis: Mapping[str, xr.Dataset],
    *,
    products: Sequence[str] | None = None,
    end: str | pd.Timestamp | None = None,
) -> xr.DataArray:
    """Mean density-corrected wind speed of the whole months that all reanalyses have.

    Parameters
    ----------
    end
        A moment in the last month to use; the last whole month if left out.

    Returns
    -------
    xr.DataArray
        dims (product, month) [m/s]; ``month`` is the start of each. A month without any value is NaN.

    Raises
    ------
    InputError
        No reanalysis, no month in common, or ``end`` outside them.
    """
    names = chosen(reanalysis, products)
    firsts, lasts, means = [], [], []
    for name in names:
        data = reanalysis[name]
        time = data["time"].values
        if not len(time):
            raise InputError("a reanalysis without times", where=f"reanalysis.{name}")
        slot = slot_length(data)
        month = time.astype("datetime64[M]")
        values = density_corrected(data, where=f"reanalysis.{name}")
        there = np.isfinite(values)
        index = (month - month[0]).astype(np.int64)
        size = int(index[-1]) + 1
        count = np.bincount(index[there], minlength=size)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(count, np.bincount(index[there], values[there], minlength=size) / count, np.nan)
        # a month of which the first or the last slots are missing is none
        whole_from = month[0] if time[0] - slot < month[0].astype(time.dtype) else month[0] + 1
        whole_to = month[-1] if (time[-1] + slot).astype("datetime64[M]") > month[-1] else month[-1] - 1
        firsts.append(whole_from)
        lasts.append(whole_to)
        means.append((month[0], mean))
    first, last = max(firsts), min(lasts)
    if end is not None:
        import pandas as pd

        wanted = pd.Timestamp(end).to_datetime64().astype("datetime64[M]")
        if wanted > last:
            raise InputError(
                "the reanalyses end before that", where="end", found=str(wanted), expected=f"at the latest {last}"
            )
        last = wanted
    if last < first:
        raise InputError(
            "the reanalyses have no whole month in common",
            where="reanalysis",
            found=", ".join(f"{n}: {a} to {b}" for n, a, b in zip(names, firsts, lasts, strict=True)),
        )
    rows = [mean[int((first - start).astype(int)) : int((last - start).astype(int)) + 1] for start, mean in means]
    return xr.DataArray(
        np.stack(rows),
        dims=("product", "month"),
        coords={"product": names, "month": np.arange(first, last + 1).astype("datetime64[ns]")},
        attrs={"units": "m/s", "long_name": "mean wind speed, corrected for air density"},
    )


def monthly_plant(
    plant: xr.Dataset,
    *,
    energy: str = "net_energy",
    availability: str = "availability_loss",
    curtailment: str = "curtailment_loss",
) -> xr.Dataset:
    """Energy and losses of a plant by month, without a first or last month that is not whole.

    Parameters
    ----------
    plant
        dims (time) or (time, asset) with one meter: net energy and what was lost [kWh] per slot.

    Returns
    -------
    xr.Dataset
        dims (month): ``energy``, ``availability_loss``, ``curtailment_loss`` [kWh], ``missing``, the largest share
        of the slots that lacks one of them, ``days`` of the month.

    Raises
    ------
    InputError
        A variable is missing or there is more than one meter; no whole month.
    """
    names = {"energy": energy, "availability_loss": availability, "curtailment_loss": curtailment}
    series = {key: point_of(variable_of(plant, name)) for key, name in names.items()}
    time = plant["time"].values
    slot = slot_length(plant)
    if not len(time):
        raise InputError("there is no data", where="plant")
    month = time.astype("datetime64[M]")
    labels = np.arange(month[0], month[-1] + 1)
    index = (month - labels[0]).astype(np.int64)
    days = ((labels + 1).astype("datetime64[D]") - labels.astype("datetime64[D]")).astype(np.int64)
    slots = days * float(np.timedelta64(1, "D") / slot)
    variables: dict[str, tuple[str, npt.NDArray[np.generic], dict[str, str]]] = {}
    missing = np.zeros(len(labels))
    for key, values in series.items():
        there = np.isfinite(values)
        total = np.bincount(index[there], values[there], minlength=len(labels))
        missing = np.maximum(missing, 1.0 - np.bincount(index[there], minlength=len(labels)) / slots)
        variables[key] = ("month", total, {"units": "kWh", "long_name": names[key].replace("_", " ")})
    variables["missing"] = ("month", missing, {"units": "1", "long_name": "share of the slots without a value"})
    variables["days"] = ("month", days, {"units": "day", "long_name": "days of the month"})
    keep = np.ones(len(labels), bool)
    # as long as a day of it is there, a month counts as begun and ended; what it lacks is told by `missing`
    day = np.timedelta64(1, "D")
    keep[0] = time[0] < labels[0].astype("datetime64[D]") + day
    keep[-1] &= time[-1] + slot > (labels[-1] + 1).astype("datetime64[D]") - day
    if not keep.any():
        raise InputError("no whole month", where="plant", found=f"{time[0]} to {time[-1]}", expected="a year or more")
    result = xr.Dataset(variables, coords={"month": labels.astype("datetime64[ns]")})
    return result.isel(month=keep)


def huber_weights(x: Floats, y: Floats, constant: float, *, most: int = 50) -> Floats:
    """Weights of Huber's robust linear regression of ``y`` on ``x``: 1 inside, below 1 for outliers, [n].

    Iteratively reweighted least squares from ordinary ones; the scale is the median absolute residual / 0.6745.
    P. J. Huber, "Robust Estimation of a Location Parameter", Annals of Mathematical Statistics 35(1), 1964,
    https://doi.org/10.1214/aoms/1177703732.
    """
    weights = np.ones(len(x))
    before = np.inf
    for _ in range(most):
        mean_x, mean_y = np.average(x, weights=weights), np.average(y, weights=weights)
        slope = float(weights @ ((x - mean_x) * (y - mean_y)) / max(float(weights @ (x - mean_x) ** 2), 1e-300))
        off = np.abs(y - mean_y - slope * (x - mean_x))
        scale = float(np.median(off)) / 0.6744897501960817
        if scale <= 1e-12 * float(np.abs(y).max(initial=0.0)):
            return np.ones(len(x))  # the median month lies on the line: no scale to tell outliers by
        z = off / scale
        weights = np.minimum(1.0, constant / np.maximum(z, 1e-300))
        loss = float(np.where(z <= constant, z * z / 2, constant * z - constant**2 / 2).sum())
        if abs(before - loss) <= 1e-10 * max(loss, 1.0):
            break
        before = loss
    return weights


def bin_deviation(values: Floats, by: Floats, edges: Floats) -> Floats:
    """Distance of ``values`` from the median of their bin of ``by``, in standard deviations of the bin, [n].

    Bins are open on the left; outside of the ``edges``, and alone in a bin, it is 0.
    """
    where = np.searchsorted(edges, by, side="left")
    far = np.zeros(len(where))
    for one in range(1, len(edges)):
        inside = np.flatnonzero(where == one)
        if len(inside) > 1:
            off = np.abs(values[inside] - np.median(values[inside]))
            std = values[inside].std(ddof=1)
            far[inside] = off / std if std > 0 else 0.0
    return far


def point_of(values: xr.DataArray) -> Floats:
    """The values of one asset, [time]."""
    if "asset" in values.dims:
        if values.sizes["asset"] != 1:
            raise InputError(
                f"{values.name} of one point or meter", found=f"{values.sizes['asset']} assets", expected="1"
            )
        values = values.isel(asset=0)
    return np.asarray(values.values, dtype=np.float64)
