"""Long-term energy of a plant from its operation: months against reanalysis wind, many times at once.

The months' gross energy (metered, plus what was lost to unavailability and curtailment) is regressed linearly on
the wind of a reanalysis, the regression applied to the wind of 10 to 20 years, and the long-term losses taken off
[1]_. What is uncertain is drawn: the reanalysis, the meter, the losses, the number of years, which months are
left out, which months the regression sees (a bootstrap), and the wind of a single year [2]_.

No simulation is run on its own. Least squares need only sums over the months (of x, x x, y, x y, …), and a
bootstrap only says how often each month counts: with the counts as a matrix (simulation, month) all sums are one
matrix product. y = (f_meter energy + f_loss losses) is linear in the drawn factors, hence so are its sums. The
long-term energy is linear in intercept and slope, so that for each reanalysis and number of years only the mean
wind of the calendar months and of the years is needed, known before anything is drawn.

References
----------
.. [1] J. Perr-Sauer, M. Optis, J. M. Fields, N. Bodini et al., "OpenOA: An Open-Source Codebase For Operational
   Analysis of Wind Farms", Journal of Open Source Software 6(58), 2171, https://doi.org/10.21105/joss.02171.
.. [2] N. Bodini, M. Optis, "Operational-based annual energy production uncertainty: are its components actually
   uncorrelated?", Wind Energy Science 5(4), 2020, https://doi.org/10.5194/wes-5-1435-2020.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.calendar import check_axes, slot_length
from workbench.analytics.wind.long_term import (
    MONTH_DAYS,
    chosen,
    huber_weights,
    monthly_plant,
    monthly_wind,
)
from workbench.analytics.wind.yield_daily import Resolution, daily_data, simulate_daily_yield
from workbench.analytics.wind.yield_draws import (
    Compatibility,
    Draws,
    PlantYield,
    check_settings,
    dataset,
    draw,
    drawn,
    outcome,
    plausible,
    rating_of,
    summary_of,
    without_impossible,
)
from workbench.analytics.wind.yield_models import Regression
from workbench.analytics.wind.yield_periods import tell_offset
from workbench.model.errors import InputError
from workbench.steps import progress, progress_part

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

__all__ = ["PlantYield", "YieldData", "plant_yield", "simulate_yield", "yield_data"]

_BLOCK = 8192  #: simulations at once: their counts stay in the processor's cache
_FEWEST = 3  #: months a regression needs


@dataclass(frozen=True)
class YieldData:
    """The months that a yield is computed from; made once by :func:`yield_data`, simulated as often as wished.

    Attributes
    ----------
    plant
        dims (month): see :func:`~workbench.analytics.wind.long_term.monthly_plant`; months with wind alone.
    wind
        dims (product, month): see :func:`~workbench.analytics.wind.long_term.monthly_wind`.
    rated_capacity
        Of the plant [kW].
    """

    plant: xr.Dataset
    wind: xr.DataArray
    rated_capacity: float


def plant_yield(
    plant: xr.Dataset,
    reanalysis: Mapping[str, xr.Dataset],
    *,
    resolution: Resolution = "month",
    regression: Regression = "linear",
    temperature: bool = False,
    wind_direction: bool = False,
    products: Sequence[str] | None = None,
    rated_capacity: float | None = None,
    end: str | pd.Timestamp | None = None,
    simulations: int | None = None,
    seed: int = 0,
    loss_weighting: bool = False,
    horizon_years: int = 1,
    years: tuple[int, int] = (10, 20),
    outliers: tuple[float, float] | None = None,
    compatibility: Compatibility | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> PlantYield:
    """Long-term energy of a plant with its uncertainty, from months, days or hours, in one call.

    Of months :func:`yield_data` and :func:`simulate_yield`; of days and hours
    :func:`~workbench.analytics.wind.yield_daily.daily_data` and
    :func:`~workbench.analytics.wind.yield_daily.simulate_daily_yield`, where ``regression``, ``temperature`` and
    ``wind_direction`` are told of. ``simulations`` is 10,000 for a linear regression where it is left out, 1,000 for
    splines and 100 for trees.

    Raises
    ------
    InputError
        As those; months allow a linear regression on wind alone, as they are too few for more.
    """
    if resolution == "month":
        if regression != "linear" or temperature or wind_direction:
            raise InputError(
                "months are too few for more than a straight line of the wind",
                where="resolution",
                found=f"month with {regression}{', temperature' * temperature}{', wind direction' * wind_direction}",
                expected="day or hour",
            )
        data = yield_data(plant, reanalysis, products=products, rated_capacity=rated_capacity, end=end)
        with progress_part(0, 1, told=progress):
            return simulate_yield(
                data,
                simulations=10_000 if simulations is None else simulations,
                seed=seed,
                years=years,
                outliers=outliers,
                loss_weighting=loss_weighting,
                horizon_years=horizon_years,
                compatibility=compatibility,
            )
    days = daily_data(
        plant, reanalysis, resolution=resolution, products=products, rated_capacity=rated_capacity, end=end
    )
    return simulate_daily_yield(
        days,
        regression=regression,
        temperature=temperature,
        wind_direction=wind_direction,
        simulations=simulations,
        seed=seed,
        years=years,
        outliers=outliers,
        loss_weighting=loss_weighting,
        horizon_years=horizon_years,
        compatibility=compatibility,
        progress=progress,
    )


def yield_data(
    plant: xr.Dataset,
    reanalysis: Mapping[str, xr.Dataset],
    *,
    products: Sequence[str] | None = None,
    rated_capacity: float | None = None,
    end: str | pd.Timestamp | None = None,
) -> YieldData:
    """Months of a plant and of reanalyses, checked.

    Parameters
    ----------
    plant
        dims (time) or (time, asset) with one meter: ``net_energy``, ``availability_loss``, ``curtailment_loss``
        [kWh] per slot.
    reanalysis
        By name, dims (time) or (time, asset) of one point: ``wind_speed`` [m/s], ``temperature`` [degC] and
        ``barometric_pressure`` [hPa] or ``air_density`` [kg/m3].
    products
        Names of the reanalyses to use; all if left out.
    rated_capacity
        Of the plant [kW]; its coordinate if left out.
    end
        A moment in the last month of the long term; the last whole month of the reanalyses if left out.

    Raises
    ------
    InputError
        No reanalysis; no rated capacity; less than a year, or no month in common with the reanalyses.
    """
    for name in chosen(reanalysis, products):
        check_axes(reanalysis[name], f"reanalysis.{name}")
    check_axes(plant, "plant")
    wind = monthly_wind(reanalysis, products=products, end=end)
    rated = rating_of(plant, rated_capacity)
    hours = float(slot_length(plant) / np.timedelta64(3600, "s")) if plant.sizes["time"] else 1.0
    names = ("net_energy", "availability_loss", "curtailment_loss")
    months = monthly_plant(without_impossible(plant, names, rated, hours))
    tell_offset(plant, {name: reanalysis[name] for name in wind["product"].values})
    both = np.isin(months["month"].values, wind["month"].values)
    if not both.any():
        raise InputError(
            "plant and reanalyses have no month in common",
            where="reanalysis",
            found=f"the reanalyses end {str(wind['month'].values[-1])[:7]}",
            expected=f"months of {str(months['month'].values[0])[:7]} to {str(months['month'].values[-1])[:7]}",
        )
    months = months.isel(month=both)
    there = np.isfinite(wind.sel(month=months["month"]).values).all(axis=0)
    gross = _gross(months)
    months = months.isel(month=there & (gross != 0))
    lacking = sorted(set(range(1, 13)) - set((_calendar(months["month"]) + 1).tolist()))
    if lacking:
        raise InputError(
            "less than a year: not every calendar month was measured together with the reanalyses",
            where="plant",
            found=f"{months.sizes['month']} months, none for month {', '.join(map(str, lacking))}",
            expected="every calendar month at least once, as losses and wind have their seasons",
            hint="a longer record, or a reanalysis that reaches to its end",
        )
    return YieldData(months, wind, rated)


def simulate_yield(
    data: YieldData,
    *,
    simulations: int = 10_000,
    seed: int = 0,
    meter_uncertainty: float = 0.005,
    loss_uncertainty: float = 0.05,
    years: tuple[int, int] = (10, 20),
    loss_limit: tuple[float, float] = (0.10, 0.20),
    outliers: tuple[float, float] | None = None,
    missing_limit: float = 0.01,
    loss_weighting: bool = False,
    horizon_years: int = 1,
    percentiles: Sequence[float] = (50, 75, 90, 99),
    compatibility: Compatibility | None = None,
) -> PlantYield:
    """Long-term energy of a plant with its uncertainty, by ``simulations`` draws.

    Parameters
    ----------
    seed
        Of the random numbers; the same seed gives the same result.
    meter_uncertainty, loss_uncertainty
        Standard uncertainty of the metered energy and of the losses [1].
    years
        Fewest and most years of wind the long term is taken from; drawn uniformly.
    loss_limit
        Months that lost more than this share of their gross energy stay out of the regression; drawn uniformly
        in steps of one per cent [1].
    outliers
        Range of the tuning constant of Huber's robust regression, drawn in steps of 0.1: months to which it gives
        less than full weight stay out of the regression. None finds no outliers.
    missing_limit
        Months that lack more than this share of their slots stay out [1].
    loss_weighting
        Whether a month counts in the regression by the share of its gross energy that was measured and not
        estimated, 1 less its losses. With a ``loss_limit`` up to 1 it takes the place of leaving months out.
    horizon_years
        Number of years that ``annual_energy`` is the mean of: the variability between years shrinks with its root.
    percentiles
        Probabilities of exceedance to tell [%].
    compatibility
        ``"openoa-3.2"`` reproduces what that tool does otherwise: it takes availability losses alone off the
        gross energy, although curtailed energy was added to it before; it computes the variability of 10 to 20
        years as if they were all there ever were (dividing by n and not n - 1), which is 2.5 to 5 % too small; and it
        takes their mean and their variability for those of the climate. By default both are known as a sample of as
        many years lets them be (``long_term_factor``; Student's distribution for the year): on made-up farms the 90 %
        interval of the mean then covers about 91 % of them, and 77 % without; and a single year varies by its wind alone,
        not by what the regression leaves of it (see ``benchmarks/wind_intervals_yield.py``).

    Raises
    ------
    InputError
        The reanalyses have fewer years than ``years`` asks for; too few months are left; a wrong setting.
    """
    check_settings(simulations, years, loss_limit, horizon_years, compatibility, outliers)
    wind = data.wind.values
    if data.wind.sizes["month"] < 12 * years[1]:
        raise InputError(
            "the reanalyses are too short for the long term",
            where="years",
            found=f"{data.wind.sizes['month']} whole months in common",
            expected=f"{12 * years[1]} months",
            hint=f"years=({min(years[0], data.wind.sizes['month'] // 12)}, {data.wind.sizes['month'] // 12})",
        )
    recent = wind[:, -12 * years[1] :]
    if not np.isfinite(recent).all():
        row, column = np.argwhere(~np.isfinite(recent))[0]
        raise InputError(
            "a reanalysis has a gap of a month in the long term",
            where=f"reanalysis.{data.wind['product'].values[row]}",
            found=f"nothing in {str(data.wind['month'].values[column - 12 * years[1]])[:7]}",
            hint="an `end` before it, or fewer years",
        )

    rng = np.random.default_rng(seed)
    draws = draw(
        rng,
        simulations,
        len(wind),
        meter_uncertainty=meter_uncertainty,
        loss_uncertainty=loss_uncertainty,
        years=years,
        loss_limit=loss_limit,
        outliers=outliers,
    )
    group, masks = _groups(data, draws, missing_limit)
    fit = _regressions(data, rng, group, masks, draws, loss_weighting=loss_weighting)

    product = draws.product
    long = _long_term(wind, _calendar(data.wind["month"]), years, ddof=0 if compatibility else 1)
    place = draws.years - years[0]
    weight = MONTH_DAYS / 30.0
    # energy of the calendar months of a mean year, (simulation, calendar month)
    monthly = weight * (fit["intercept"][:, None] + fit["slope"][:, None] * long.months[product, place])
    gross = monthly.sum(axis=1)
    variability = (
        fit["slope"]
        * long.spread[product, place]
        / (fit["intercept"] * weight.sum() + fit["slope"] * long.mean[product, place])
    )
    losses = {
        name: draws.loss * (monthly @ _loss_shares(data.plant, name)) / gross
        for name in ("availability_loss", "curtailment_loss")
    }
    measured = _measured_wind(data)[product]
    record = (weight * (fit["intercept"][:, None] + fit["slope"][:, None] * measured)).sum(axis=1)
    found = outcome(
        draws,
        gross=gross,
        losses=losses,
        variability=variability,
        left=fit["left"] * np.sqrt((weight**2).sum()) / gross,
        record=record,
        rng=rng,
        years=years,
        horizon_years=horizon_years,
        compatibility=compatibility,
    )
    progress(simulations, simulations, "simulations")  # all at once
    simulated = dataset(
        found
        | {
            "slope": (fit["slope"], "kWh s/m", "slope of the energy of 30 days on wind speed"),
            "intercept": (fit["intercept"], "kWh", "intercept of the energy of 30 days"),
            "r2": (fit["r2"], "1", "coefficient of determination of the regression"),
            "months": (masks.sum(axis=1)[group], "1", "months in the regression"),
        }
        | drawn(draws),
        {"seed": seed, "horizon_years": horizon_years, "compatibility": compatibility or "none", "resolution": "month"},
    )
    simulated = simulated.assign_coords(product=("simulation", data.wind["product"].values[product]))
    return PlantYield(simulated, summary_of(simulated, percentiles))


def _calendar(month: xr.DataArray) -> Ints:
    """Calendar month of each, 0 to 11."""
    return month.values.astype("datetime64[M]").astype(np.int64) % 12


def _gross(plant: xr.Dataset) -> Floats:
    """Gross energy of the months [kWh]."""
    gross: Floats = plant["energy"].values + plant["availability_loss"].values + plant["curtailment_loss"].values
    return gross


def _loss_shares(plant: xr.Dataset, name: str) -> Floats:
    """Share of gross energy lost in each calendar month, the mean of its years, [12]."""
    share = plant[name].values / _gross(plant)
    calendar = _calendar(plant["month"])
    mean: Floats = np.bincount(calendar, share, minlength=12) / np.bincount(calendar, minlength=12)
    return mean


def _measured_wind(data: YieldData) -> Floats:
    """Mean wind of the calendar months while the plant was measured, dims (product, 12)."""
    calendar = _calendar(data.plant["month"])
    wind = data.wind.sel(month=data.plant["month"]).values
    count = np.bincount(calendar, minlength=12)
    return np.stack([np.bincount(calendar, row, minlength=12) / count for row in wind])


@dataclass(frozen=True)
class _LongTerm:
    """What intercept and slope need of the long term, dims (product, number of years, …)."""

    months: Floats  #: mean wind of the calendar months, January first
    mean: Floats  #: mean over the years of the sum of days / 30 x wind
    spread: Floats  #: standard deviation of the same


def _long_term(wind: Floats, calendar: Ints, years: tuple[int, int], *, ddof: int) -> _LongTerm:
    numbers = range(years[0], years[1] + 1)
    shape = (len(wind), len(numbers))
    months, mean, spread = np.zeros((*shape, 12)), np.zeros(shape), np.zeros(shape)
    for place, number in enumerate(numbers):
        last = wind[:, -12 * number :].reshape(len(wind), number, 12)
        order = calendar[-12:]  # years begin after the last month of the long term
        months[:, place, order] = last.mean(axis=1)
        yearly = last @ (MONTH_DAYS[order] / 30.0)
        mean[:, place], spread[:, place] = yearly.mean(axis=1), yearly.std(axis=1, ddof=ddof)
    return _LongTerm(months, mean, spread)


def _groups(data: YieldData, draws: Draws, missing_limit: float) -> tuple[Ints, Bools]:
    """Simulations that regress on the same months of the same reanalysis: group of each, months of each group."""
    plant = data.plant
    gross = _gross(plant)
    wind = data.wind.sel(month=plant["month"]).values
    lost = (plant["availability_loss"].values + plant["curtailment_loss"].values) / gross
    usual = plant["missing"].values <= missing_limit
    full = data.rated_capacity * 720.0  # kWh of 30 days at full power
    made = plant["energy"].values
    distinct, inverse = np.unique(np.stack([draws.product, draws.percent, draws.tenths]), axis=1, return_inverse=True)
    masks = np.zeros((distinct.shape[1], len(gross)), bool)
    for row, (which, limit, tenth) in enumerate(distinct.T):
        speed = wind[which]
        keep = usual & plausible(speed, made, full) & (lost < limit / 100.0)
        if tenth and keep.sum() > _FEWEST:
            normal = gross[keep] * 30.0 / plant["days"].values[keep]
            keep[np.flatnonzero(keep)[huber_weights(speed[keep], normal, tenth / 10.0) < 1]] = False
        masks[row] = keep
    fewest = int(masks.sum(axis=1).min())
    if fewest < _FEWEST:
        raise InputError(
            "too few months are left for a regression",
            where="plant",
            found=f"{fewest} of {len(gross)} months: {int((~usual).sum())} lack values",
            expected=f"{_FEWEST} or more",
            hint="see `loss_limit`, `missing_limit` and `outliers`; months with large losses or gaps stay out",
        )
    keys, group = np.unique(np.column_stack([distinct[0], masks]), axis=0, return_inverse=True)
    return group.reshape(-1)[inverse.reshape(-1)], keys[:, 1:].astype(bool)


def _regressions(
    data: YieldData,
    rng: np.random.Generator,
    group: Ints,
    masks: Bools,
    draws: Draws,
    *,
    loss_weighting: bool,
) -> dict[str, Floats]:
    """Least squares of the energy of 30 days on wind, on a bootstrap of the months of each simulation."""
    plant = data.plant
    days = plant["days"].values
    energy = plant["energy"].values * 30.0 / days
    lost = (plant["availability_loss"].values + plant["curtailment_loss"].values) * 30.0 / days
    measured = 1.0 - lost / (energy + lost) if loss_weighting else np.ones(len(days))
    weights = np.clip(measured, 0.0, 1.0)
    wind = data.wind.sel(month=plant["month"]).values
    result = {name: np.empty(len(group)) for name in ("slope", "intercept", "r2", "left")}
    for start in range(0, len(group), _BLOCK):
        part = slice(start, start + _BLOCK)
        uniform = rng.random((len(group[part]), masks.shape[1]))
        for one in np.unique(group[part]):
            rows = start + np.flatnonzero(group[part] == one)
            keep = masks[one]
            n = int(keep.sum())
            index = (uniform[rows - start, :n] * n).astype(np.int64)
            index += np.arange(len(rows))[:, None] * n
            count = np.bincount(index.ravel(), minlength=len(rows) * n).reshape(len(rows), n) * weights[keep]
            # about their means, so that the differences of sums below lose no digits
            x, e, v = (part[keep] for part in (wind[draws.product[rows[0]]], energy, lost))
            middle = [float(part.mean()) for part in (x, e, v)]
            x, e, v = x - middle[0], e - middle[1], v - middle[2]
            sums = count @ np.column_stack([x, e, v, x * x, x * e, x * v, e * e, e * v, v * v])
            sums /= count.sum(axis=1, keepdims=True)
            fm, fl = draws.meter[rows], draws.loss[rows]
            mean_x, mean_y = sums[:, 0], fm * sums[:, 1] + fl * sums[:, 2]
            xx = sums[:, 3] - mean_x**2
            xy = fm * sums[:, 4] + fl * sums[:, 5] - mean_x * mean_y
            yy = fm**2 * sums[:, 6] + 2 * fm * fl * sums[:, 7] + fl**2 * sums[:, 8] - mean_y**2
            # a bootstrap of one month many times over tells nothing of the slope
            told = xx > 1e-12 * float((x * x).mean() + 1e-300)
            slope = np.divide(xy, xx, out=np.zeros(len(rows)), where=told)
            result["slope"][rows] = slope
            centre = fm * middle[1] + fl * middle[2]
            result["intercept"][rows] = mean_y + centre - slope * (mean_x + middle[0])
            result["left"][rows] = np.sqrt(np.maximum(yy - slope * xy, 0.0) * n / max(n - 2, 1))
            result["r2"][rows] = np.divide(slope * xy, yy, out=np.zeros(len(rows)), where=told & (yy > 0))
    return result
