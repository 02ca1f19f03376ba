"""Long-term gross energy of each turbine: days of normal operation against the weather of a reanalysis.

Ten-minute values off the usual relation of power and wind are left out, days are summed and brought to whole days,
days that lack too much are estimated from the best correlated turbines, the energy of the days is fitted by
smooth curves of the reanalysis' wind speed, wind direction and air density, and the fit applied to every day of it
[1]_. What is found is the energy of turbines that always run as in the days they run well.

References
----------
.. [1] J. Perr-Sauer, M. Optis, J. M. Fields, N. Bodini et al., "OpenOA: An Open-Source Codebase For Operational
   Analysis of Wind Farms", Journal of Open Source Software 6(58), 2171, https://doi.org/10.21105/joss.02171.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.calendar import slot_length
from workbench.analytics.kpi import variable_of
from workbench.analytics.wind.long_term import chosen, point_density, point_of
from workbench.analytics.wind.spline import AdditiveModel, fit_additive
from workbench.model.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Days = npt.NDArray[np.datetime64]
Compatibility = Literal["openoa-3.2"]

_DAY = np.timedelta64(1, "D")
_HOUR = np.timedelta64(3600, "s")


@dataclass(frozen=True)
class TurbineEnergy:
    """What :func:`turbine_energy` finds.

    Attributes
    ----------
    energy
        dims (product, asset): ``energy`` [kWh] of a mean year, ``r2`` [1] of the fit, ``days`` it rests on.
    daily
        dims (time, asset): ``energy`` [kWh] of each day, ``completeness`` [1] of its values and ``estimated``,
        whether it comes from another turbine; NaN where neither gives it.
    summary
        One row per product: the energy of each turbine and of the ``plant`` [kWh].
    """

    energy: xr.Dataset
    daily: xr.Dataset
    summary: pd.DataFrame


def turbine_energy(
    turbines: xr.Dataset,
    reanalysis: Mapping[str, xr.Dataset],
    *,
    products: Sequence[str] | None = None,
    spread: float = 2.0,
    highest: float = 0.9,
    completeness: float = 0.9,
    correlation: float = 0.7,
    splines: int = 20,
    smoothing: float = 0.6,
    compatibility: Compatibility | None = None,
    wind_speed: str = "wind_speed",
    power: str = "power_output",
) -> TurbineEnergy:
    """Gross energy of turbines in a mean year of the reanalyses, without uncertainty.

    Parameters
    ----------
    turbines
        dims (time, asset): wind speed [m/s] and power [kW]; coordinate ``rated_capacity`` (asset) [kW].
    reanalysis
        By name, dims (time) or (time, asset) of one point: ``wind_u``, ``wind_v``, ``wind_speed`` [m/s],
        ``temperature`` [degC] and ``barometric_pressure`` [hPa] or ``air_density`` [kg/m3].
    products
        Names of the reanalyses to use; all if left out.
    spread, highest
        Values whose wind speed differs from the median of their power bin (6 % of the rating wide, up to the share
        ``highest`` of it) by more than ``spread`` standard deviations of the bin are left out.
    completeness
        Share of the values that a day needs to be used [1].
    correlation
        Days are estimated from turbines with which the daily energy is correlated better than this alone.
    splines, smoothing
        See :func:`~workbench.analytics.wind.spline.fit_additive`.
    compatibility
        ``"openoa-3.2"`` counts the begun months at either end of a reanalysis as whole ones, as that tool does; a
        last month of eight days then lowers the mean of its calendar month.

    Raises
    ------
    InputError
        No reanalysis; a turbine without data or rating; less than a year; a wrong setting.
    """
    import pandas as pd

    names = chosen(reanalysis, products)
    if compatibility not in (None, "openoa-3.2"):
        raise InputError("unknown compatibility", where="compatibility", found=compatibility, expected="openoa-3.2")
    for where, value in (("highest", highest), ("completeness", completeness)):
        if not 0 < value <= 1:
            raise InputError("no share", where=where, found=value, expected="in (0, 1]")
    daily = daily_energy(
        turbines,
        spread=spread,
        highest=highest,
        completeness=completeness,
        correlation=correlation,
        wind_speed=wind_speed,
        power=power,
    )
    assets = [str(one) for one in daily["asset"].values]
    energy, r2, days = (np.zeros((len(names), len(assets))) for _ in range(3))
    for row, name in enumerate(names):
        when, weather = _daily_weather(reanalysis[name], f"reanalysis.{name}")
        months = when.astype("datetime64[M]")
        whole = np.ones(len(when), bool)
        if compatibility is None:
            whole = _in_whole_months(reanalysis[name], when)
        known: Bools = np.asarray(np.isfinite(weather).all(axis=1))
        _, here, there = np.intersect1d(daily["time"].values.astype("datetime64[D]"), when, return_indices=True)
        for column, asset in enumerate(assets):
            made = daily["energy"].values[here, column]
            use = np.isfinite(made) & known[there]
            _reject_less_than_a_year(when[there][use], asset, name)
            x, y = weather[there][use], made[use]
            model = fit_additive(x, y, splines=splines, smoothing=smoothing)
            r2[row, column] = 1.0 - ((y - model.predict(x)) ** 2).sum() / max(((y - y.mean()) ** 2).sum(), 1e-300)
            days[row, column] = use.sum()
            energy[row, column] = _mean_year(model, weather, known & whole, months, name)
    dims = ("product", "asset")
    result = xr.Dataset(
        {
            "energy": (dims, energy, {"units": "kWh", "long_name": "gross energy of a mean year"}),
            "r2": (dims, r2, {"units": "1", "long_name": "coefficient of determination of the daily fit"}),
            "days": (dims, days.astype(np.int64), {"units": "1", "long_name": "days the fit rests on"}),
        },
        coords={"product": names, "asset": assets},
        attrs={"compatibility": compatibility or "none"},
    )
    table = pd.DataFrame(energy, index=pd.Index(names, name="product"), columns=assets)
    return TurbineEnergy(result, daily, table.assign(plant=energy.sum(axis=1)))


def daily_energy(
    turbines: xr.Dataset,
    *,
    spread: float = 2.0,
    highest: float = 0.9,
    completeness: float = 0.9,
    correlation: float = 0.7,
    wind_speed: str = "wind_speed",
    power: str = "power_output",
) -> xr.Dataset:
    """Energy of turbines by day (UTC) as if all values were of normal operation; see :func:`turbine_energy`."""
    speed, made = variable_of(turbines, wind_speed).load(), variable_of(turbines, power).load()
    if "rated_capacity" not in turbines.coords:
        raise InputError("the turbines' rated capacity is not known", where="rated_capacity", expected="kW by asset")
    rating = np.broadcast_to(np.asarray(turbines["rated_capacity"].values, dtype=np.float64), made.shape[1:])
    slot = slot_length(turbines)
    slots = float(_DAY / slot)
    day = made["time"].values.astype("datetime64[D]")
    if not len(day):
        raise InputError("there is no data", where="turbines")
    index = (day - day[0]).astype(np.int64)
    shape = (int(index[-1]) + 1, made.shape[1])
    energy, share = np.full(shape, np.nan), np.zeros(shape)
    for column, asset in enumerate(map(str, made["asset"].values)):
        if not rating[column] > 0:
            raise InputError(
                "a turbine's rated capacity is not positive", where=asset, found=rating[column], expected="kW, > 0"
            )
        v, p = (one.values[:, column].astype(np.float64) for one in (speed, made))
        rows = np.flatnonzero(np.isfinite(v) & np.isfinite(p))
        if not len(rows):
            raise InputError(
                "a turbine without data",
                where=asset,
                found=f"no time with both {wind_speed} and {power}",
                hint="leave the turbine out: turbines.drop_sel(asset=...)",
            )
        rows = rows[_usual(v[rows], p[rows], rating[column], spread, highest)]
        count = np.bincount(index[rows], minlength=shape[0])
        total = np.bincount(index[rows], p[rows], minlength=shape[0]) * float(slot / _HOUR)
        share[:, column] = count / slots
        enough = count >= completeness * slots
        energy[enough, column] = (total * slots / np.maximum(count, 1))[enough]
    filled = _estimate(energy, correlation)
    dims = ("time", "asset")
    return xr.Dataset(
        {
            "energy": (dims, filled, {"units": "kWh", "long_name": "energy of the day in normal operation"}),
            "completeness": (dims, share, {"units": "1", "long_name": "share of the day's values used"}),
            "estimated": (dims, ~np.isfinite(energy) & np.isfinite(filled), {"long_name": "from another turbine"}),
        },
        coords={
            "time": (day[0] + np.arange(shape[0]) * _DAY).astype("datetime64[ns]"),
            "asset": made["asset"].values,
        },
    )


def _usual(speed: Floats, power: Floats, rating: float, spread: float, highest: float) -> Bools:
    """Values of normal operation: possible, moving, and near the others of their power."""
    same = np.concatenate([[False], speed[1:] == speed[:-1]])
    third = same & np.concatenate([[False], same[:-1]])
    stuck = third | np.append(third[1:], False) | np.append(third[2:], [False, False])[: len(third)]
    odd = (speed < 0) | (speed > 40)
    odd |= (speed >= 5) & (speed <= 40) & ((power < 0.02 * rating) | (power > 1.2 * rating))
    low, high = np.round(0.01 * rating), np.round(highest * rating)
    edges = np.unique(np.append(np.arange(low, high, 0.06 * rating), high))
    where = np.searchsorted(edges, power, side="left")
    far = np.zeros(len(speed), bool)
    for one in range(1, len(edges)):
        inside = np.flatnonzero(where == one)
        if len(inside) > 1:
            values = speed[inside]
            far[inside] = np.abs(values - np.median(values)) > spread * values.std(ddof=1)
    usual: Bools = ~(stuck | odd | far)
    return usual


def _estimate(energy: Floats, correlation: float) -> Floats:
    """Days without energy, from the turbines best correlated, by straight lines; dims (day, asset)."""
    filled = energy.copy()
    size = energy.shape[1]
    there = np.isfinite(energy)
    related = np.full((size, size), -np.inf)
    for one in range(size):
        for other in range(size):
            both = there[:, one] & there[:, other]
            if one != other and both.sum() > 2 and np.ptp(energy[both, one]) > 0 and np.ptp(energy[both, other]) > 0:
                related[one, other] = np.corrcoef(energy[both, one], energy[both, other])[0, 1]
    for one in range(size):
        for other in np.argsort(-related[one], kind="stable"):
            missing = ~np.isfinite(filled[:, one])
            if not missing.any() or not related[one, other] > correlation:
                break
            both = there[:, one] & there[:, other]
            x, y = energy[both, other], energy[both, one]
            slope = float(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())
            rows = missing & there[:, other]
            filled[rows, one] = y.mean() + slope * (energy[rows, other] - x.mean())
    return filled


def _daily_weather(data: xr.Dataset, where: str) -> tuple[Days, Floats]:
    """Days of a reanalysis, and its wind speed, wind direction and air density of each, dims (day, 3)."""
    try:
        speed, u, v = (point_of(variable_of(data, name)) for name in ("wind_speed", "wind_u", "wind_v"))
    except InputError as error:
        raise error.at(where=where) from None
    density = point_density(data, where=where)
    day = data["time"].values.astype("datetime64[D]")
    index = (day - day[0]).astype(np.int64)
    size = int(index[-1]) + 1

    def mean(values: Floats) -> Floats:
        there = np.isfinite(values)
        count = np.bincount(index[there], minlength=size)
        total = np.bincount(index[there], values[there], minlength=size)
        with np.errstate(invalid="ignore"):
            daily: Floats = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        return daily

    # where the wind comes from, of the mean vector of the day
    direction = np.mod(180.0 + np.degrees(np.arctan2(mean(u), mean(v))), 360.0)
    days: Days = day[0] + np.arange(size) * _DAY
    return days, np.column_stack([mean(speed), direction, mean(density)])


def _in_whole_months(data: xr.Dataset, days: Days) -> Bools:
    """Days of the months that the reanalysis has from their first to their last slot."""
    time, slot = data["time"].values, slot_length(data)
    month = days.astype("datetime64[M]")
    keep = np.ones(len(days), bool)
    if time[0] - slot >= month[0].astype(time.dtype):
        keep &= month > month[0]
    if (time[-1] + slot).astype("datetime64[M]") == month[-1]:
        keep &= month < month[-1]
    return keep


def _reject_less_than_a_year(days: Days, asset: str, name: str) -> None:
    lacking = sorted(set(range(12)) - set((days.astype("datetime64[M]").astype(np.int64) % 12).tolist()))
    if lacking:
        raise InputError(
            "less than a year: not every calendar month has days to fit",
            where=asset,
            found=f"{len(days)} days together with {name}, none in month {', '.join(str(m + 1) for m in lacking)}",
            expected="days of every calendar month, as wind and density have their seasons",
        )


def _mean_year(model: AdditiveModel, weather: Floats, use: Bools, months: Days, name: str) -> float:
    """Energy of a mean year: the mean of each calendar month over the years, summed."""
    made = np.maximum(model.predict(weather[use]), 0.0)
    label, inverse = np.unique(months[use], return_inverse=True)
    total = np.bincount(inverse, made)
    calendar = label.astype(np.int64) % 12
    count = np.bincount(calendar, minlength=12)
    if (count == 0).any():
        raise InputError("a reanalysis of less than a year", where=f"reanalysis.{name}", expected="10 years or more")
    return float((np.bincount(calendar, total, minlength=12) / count).sum())
