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

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.calendar import slot_length
from workbench.analytics.kpi import variable_of
from workbench.analytics.wind.long_term import bin_deviation, chosen, point_density, point_of
from workbench.analytics.wind.spline import fit_additive
from workbench.model.errors import InputError
from workbench.steps import teller

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
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


@dataclass(frozen=True)
class SimulatedTurbineEnergy:
    """What :func:`simulate_turbine_energy` finds.

    Attributes
    ----------
    simulations
        dims (simulation, asset): ``energy`` [kWh] of a mean year, ``days`` it rests on; dims (simulation): ``plant``
        [kWh], all turbines, and what was drawn: ``product``, ``power_factor``, ``spread``, ``highest``,
        ``completeness`` [1].
    summary
        One row per turbine and ``plant``: ``mean``, ``std`` [kWh], ``cv`` [1] and ``p50``, ``p75``, ``p90``,
        ``p99`` [kWh], the value exceeded with that probability.
    """

    simulations: xr.Dataset
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
    farm = _farm(turbines, wind_speed, power)
    daily = farm.dataset(*farm.daily(farm.deviations(highest), spread, completeness), correlation)
    assets = farm.assets
    energy, r2, days = (np.zeros((len(names), len(assets))) for _ in range(3))
    for row, name in enumerate(names):
        weather = _weather(reanalysis[name], name, begun=compatibility is not None)
        farm.reject_less_than_a_year(weather, name)
        made = daily["energy"].values
        energy[row], r2[row], days[row] = _mean_years(farm, made, weather, splines=splines, smoothing=smoothing)
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
    farm = _farm(turbines, wind_speed, power)
    return farm.dataset(*farm.daily(farm.deviations(highest), spread, completeness), correlation)


@dataclass(frozen=True)
class _Turbine:
    """The values of one turbine that have wind speed and power."""

    day: Ints  #: since the first of the farm
    speed: Floats
    power: Floats
    normal: Bools  #: possible and moving
    rating: float

    def deviation(self, highest: float) -> Floats:
        """Distance of the wind speed from the median of its power bin, in standard deviations of the bin."""
        low, high = np.round(0.01 * self.rating), np.round(highest * self.rating)
        edges = np.unique(np.append(np.arange(low, high, 0.06 * self.rating), high))
        return bin_deviation(self.speed, self.power, edges)


@dataclass(frozen=True)
class _Farm:
    """Turbines by day."""

    assets: list[str]
    turbines: list[_Turbine]
    days: Days
    slots: float  #: of a day
    hours: float  #: of a slot

    def deviations(self, highest: float) -> list[Floats]:
        """Of each turbine, see :meth:`_Turbine.deviation`."""
        return [turbine.deviation(highest) for turbine in self.turbines]

    def daily(self, deviations: list[Floats], spread: float, completeness: float) -> tuple[Floats, Floats]:
        """Energy of the days that are complete enough [kWh], and share of their values used, dims (day, asset)."""
        shape = (len(self.days), len(self.turbines))
        energy, share = np.full(shape, np.nan), np.zeros(shape)
        for column, (turbine, deviation) in enumerate(zip(self.turbines, deviations, strict=True)):
            use = turbine.normal & (deviation <= spread)
            day = turbine.day[use]
            count = np.bincount(day, minlength=shape[0])
            total = np.bincount(day, turbine.power[use], minlength=shape[0]) * self.hours
            share[:, column] = count / self.slots
            enough = count >= completeness * self.slots
            energy[enough, column] = (total * self.slots / np.maximum(count, 1))[enough]
        return energy, share

    def dataset(self, energy: Floats, share: Floats, correlation: float) -> xr.Dataset:
        """Days with those missing estimated."""
        filled = _estimate(energy, correlation)
        dims = ("time", "asset")
        estimated = ~np.isfinite(energy) & np.isfinite(filled)
        return xr.Dataset(
            {
                "energy": (dims, filled, {"units": "kWh", "long_name": "energy of the day in normal operation"}),
                "completeness": (dims, share, {"units": "1", "long_name": "share of the day's values used"}),
                "estimated": (dims, estimated, {"long_name": "from another turbine"}),
            },
            coords={"time": self.days.astype("datetime64[ns]"), "asset": self.assets},
        )

    def reject_less_than_a_year(self, weather: _Weather, name: str) -> None:
        """An error where a calendar month was never measured together with the reanalysis."""
        known = np.isin(self.days, weather.days[weather.known])
        for asset, turbine in zip(self.assets, self.turbines, strict=True):
            there = np.bincount(turbine.day, minlength=len(self.days)) > 0
            months = self.days[known & there].astype("datetime64[M]").astype(np.int64) % 12
            lacking = sorted(set(range(12)) - set(months.tolist()))
            if lacking:
                raise InputError(
                    "less than a year: not every calendar month was measured",
                    where=asset,
                    found=f"{len(months)} days together with {name}, none in month "
                    f"{', '.join(str(m + 1) for m in lacking)}",
                    expected="days of every calendar month, as wind and density have their seasons",
                )


def _farm(turbines: xr.Dataset, wind_speed: str, power: str) -> _Farm:
    speed, made = variable_of(turbines, wind_speed).load(), variable_of(turbines, power).load()
    if "rated_capacity" not in turbines.coords:
        raise InputError("the turbines' rated capacity is not known", where="rated_capacity", expected="kW by asset")
    rating = np.broadcast_to(np.asarray(turbines["rated_capacity"].values, dtype=np.float64), made.shape[1:])
    slot = slot_length(turbines)
    day = made["time"].values.astype("datetime64[D]")
    if not len(day):
        raise InputError("there is no data", where="turbines")
    index = (day - day[0]).astype(np.int64)
    farm = []
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
        v, p = v[rows], p[rows]
        farm.append(_Turbine(index[rows], v, p, _normal(v, p, rating[column]), float(rating[column])))
    days = day[0] + np.arange(int(index[-1]) + 1) * _DAY
    return _Farm(list(map(str, made["asset"].values)), farm, days, float(_DAY / slot), float(slot / _HOUR))


def _normal(speed: Floats, power: Floats, rating: float) -> Bools:
    """Values that are possible, and whose wind speed does not stand still for three in a row."""
    same = np.concatenate([[False], speed[1:] == speed[:-1]])
    third = same & np.concatenate([[False], same[:-1]])
    stuck = third | np.append(third[1:], False) | np.append(third[2:], [False, False])[: len(third)]
    odd = (speed < 0) | (speed > 40)
    odd |= (speed >= 5) & (speed <= 40) & ((power < 0.02 * rating) | (power > 1.2 * rating))
    normal: Bools = ~(stuck | odd)
    return normal


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


@dataclass(frozen=True)
class _Weather:
    """A reanalysis by day."""

    name: str
    days: Days
    values: Floats  #: wind speed, wind direction and air density, dims (day, 3)
    known: Bools  #: days with all three
    counted: Bools  #: days of the months that count for a mean year


def _weather(data: xr.Dataset, name: str, *, begun: bool) -> _Weather:
    """The days of a reanalysis; with ``begun`` those of begun months count as well."""
    where = f"reanalysis.{name}"
    try:
        speed, u, v = (point_of(variable_of(data, one)) for one in ("wind_speed", "wind_u", "wind_v"))
    except InputError as error:
        raise error.at(where=where) from None
    density = point_density(data, where=where)
    if not len(speed):
        raise InputError("a reanalysis without times", where=where)
    day = data["time"].values.astype("datetime64[D]")
    index = (day - day[0]).astype(np.int64)
    size = int(index[-1]) + 1

    def mean(values: Floats) -> Floats:
        there = np.isfinite(values)
        count = np.bincount(index[there], minlength=size)
        total = np.bincount(index[there], values[there], minlength=size)
        daily: Floats = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        return daily

    # where the wind comes from, of the mean vector of the day
    direction = np.mod(180.0 + np.degrees(np.arctan2(mean(u), mean(v))), 360.0)
    days: Days = day[0] + np.arange(size) * _DAY
    values = np.column_stack([mean(speed), direction, mean(density)])
    known: Bools = np.asarray(np.isfinite(values).all(axis=1))
    whole = np.ones(size, bool) if begun else _in_whole_months(data, days)
    return _Weather(name, days, values, known, known & whole)


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


def _mean_years(
    farm: _Farm, made: Floats, weather: _Weather, *, splines: int, smoothing: float
) -> tuple[Floats, Floats, Floats]:
    """Energy of a mean year [kWh], r2 of the fit and days it rests on, [asset]; from days (day, asset)."""
    _, here, there = np.intersect1d(farm.days, weather.days, return_indices=True)
    use = np.isfinite(made[here]) & weather.known[there][:, None]
    months = weather.days[weather.counted].astype("datetime64[M]")
    label, inverse = np.unique(months, return_inverse=True)
    calendar = label.astype(np.int64) % 12
    count = np.bincount(calendar, minlength=12)
    if (count == 0).any():
        raise InputError(
            "a reanalysis of less than a year", where=f"reanalysis.{weather.name}", expected="10 years or more"
        )
    energy, r2 = np.zeros(made.shape[1]), np.zeros(made.shape[1])
    # turbines that rest on the same days are fitted together
    same, group = np.unique(use.T, axis=0, return_inverse=True)
    for one in range(len(same)):
        columns = np.flatnonzero(group.reshape(-1) == one)
        x, y = weather.values[there[same[one]]], made[here[same[one]]][:, columns]
        try:
            model = fit_additive(x, y, splines=splines, smoothing=smoothing)
        except InputError as error:
            raise error.at(
                where=farm.assets[columns[0]],
                hint="days that are complete enough are too few: see `completeness` and `spread`",
            ) from None
        rest = ((y - model.predict(x)) ** 2).sum(axis=0)
        r2[columns] = 1.0 - rest / np.maximum(((y - y.mean(axis=0)) ** 2).sum(axis=0), 1e-300)
        long_term = np.maximum(model.predict(weather.values[weather.counted]), 0.0)
        for column, series in zip(columns, long_term.T, strict=True):
            # the mean of each calendar month over the years, summed
            energy[column] = (np.bincount(calendar, np.bincount(inverse, series), minlength=12) / count).sum()
    return energy, r2, use.sum(axis=0).astype(np.float64)


def simulate_turbine_energy(
    turbines: xr.Dataset,
    reanalysis: Mapping[str, xr.Dataset],
    *,
    products: Sequence[str] | None = None,
    simulations: int = 100,
    seed: int = 0,
    power_uncertainty: float = 0.005,
    spread: tuple[float, float] = (1.5, 3.0),
    highest: tuple[float, float] = (0.8, 0.9),
    completeness: tuple[float, float] = (0.85, 0.95),
    correlation: float = 0.7,
    splines: int = 20,
    smoothing: float = 0.6,
    compatibility: Compatibility | None = None,
    wind_speed: str = "wind_speed",
    power: str = "power_output",
    progress: Callable[[int, int], None] | None = None,
) -> SimulatedTurbineEnergy:
    """:func:`turbine_energy` with its uncertainty: reanalysis, power and the settings of the filters are drawn.

    The settings are drawn uniformly between the two values given, ``highest`` in steps of 0.01. How far each
    value is from the others of its power does not depend on ``spread``, so that it is computed once for each
    ``highest``; the fit is linear in power, so that the factor of the power scales its result.

    Parameters
    ----------
    spread
        OpenOA 3.2 draws from 1.0 on. A filter of one standard deviation leaves out a third of the values of normal
        operation, and with them nearly every day (at La Haute Borne all but 11 of 730); what is then fitted is
        arbitrary, and the deviation of the result three times as large. Hence 1.5; ``days`` tells what was left.
    seed
        Of the random numbers; the same seed gives the same result.
    power_uncertainty
        Standard uncertainty of the turbines' power [1].
    progress
        Called with what is done and all there is to do.

    Raises
    ------
    InputError
        As :func:`turbine_energy`.
    """
    import pandas as pd

    names = chosen(reanalysis, products)
    if simulations < 1:
        raise InputError("at least one simulation", where="simulations", found=simulations, expected="1 or more")
    for where, (low, high) in (("spread", spread), ("highest", highest), ("completeness", completeness)):
        if not 0 < low <= high or (where != "spread" and high > 1):
            raise InputError("no range", where=where, found=(low, high), expected="above 0, the smaller first")
    rng = np.random.default_rng(seed)
    product = rng.integers(0, len(names), simulations)
    factor = rng.normal(1.0, power_uncertainty, simulations)
    spreads = rng.uniform(*spread, simulations)
    percent = rng.integers(round(highest[0] * 100), round(highest[1] * 100) + 1, simulations)
    shares = rng.uniform(*completeness, simulations)

    farm = _farm(turbines, wind_speed, power)
    weather = [_weather(reanalysis[name], name, begun=compatibility is not None) for name in names]
    for one in weather:
        farm.reject_less_than_a_year(one, one.name)
    energy, days = np.zeros((simulations, len(farm.assets))), np.zeros((simulations, len(farm.assets)))
    done, tell = 0, teller(progress, "simulations")
    for level in np.unique(percent):
        deviations = farm.deviations(level / 100.0)
        for row in np.flatnonzero(percent == level):
            made = _estimate(farm.daily(deviations, spreads[row], shares[row])[0], correlation)
            energy[row], _, days[row] = _mean_years(
                farm, made, weather[product[row]], splines=splines, smoothing=smoothing
            )
            done += 1
            tell(done, simulations)
    energy *= factor[:, None]
    both, one_dim, unit = ("simulation", "asset"), "simulation", {"units": "1"}
    draws = xr.Dataset(
        {
            "energy": (both, energy, {"units": "kWh", "long_name": "gross energy of a mean year"}),
            "days": (both, days.astype(np.int64), unit | {"long_name": "days the fit rests on"}),
            "plant": (one_dim, energy.sum(axis=1), {"units": "kWh", "long_name": "gross energy of all turbines"}),
            "power_factor": (one_dim, factor, unit | {"long_name": "factor of the power"}),
            "spread": (one_dim, spreads, unit | {"long_name": "standard deviations from the usual wind speed"}),
            "highest": (one_dim, percent / 100.0, unit | {"long_name": "share of the rating up to which to filter"}),
            "completeness": (one_dim, shares, unit | {"long_name": "share of the values a day needs"}),
        },
        coords={"asset": farm.assets, "product": (one_dim, np.array(names)[product])},
        attrs={"seed": seed, "compatibility": compatibility or "none"},
    )
    table = np.column_stack([energy, energy.sum(axis=1)])
    summary = pd.DataFrame(
        {"mean": table.mean(axis=0), "std": table.std(axis=0), "cv": table.std(axis=0) / table.mean(axis=0)}
        | {f"p{one}": np.percentile(table, 100 - one, axis=0) for one in (50, 75, 90, 99)},
        index=pd.Index([*farm.assets, "plant"], name="asset"),
    )
    return SimulatedTurbineEnergy(draws, summary)
