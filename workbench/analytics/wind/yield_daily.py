"""Long-term energy of a plant from its days or hours: more to regress on than months have, hence by curves and trees.

The method is that of :mod:`workbench.analytics.wind.plant_yield`, whose references hold; days (or hours) take the place
of months, and the regression may be any of :mod:`workbench.analytics.wind.yield_models`, on wind speed and, where
asked for, temperature and wind direction (its sine and cosine).

Two things are other than with months. Neighbouring days err alike (of weather the reanalysis does not see, of a plant
that runs badly for a week): a bootstrap of single days takes them for more than they are, so that stretches of
``block_days`` are drawn [1]_. (At La Haute Borne the standard error of the mean residual of splines is 1.0 % by single
days, and 1.2 to 1.5 % by months.) And shares of what was lost on single days are no measure of it: on a calm day nearly
all may be lost of next to nothing. Losses are those of calendar months, lost over gross energy; by how much they might
have been others the same bootstrap tells.

Of m stretches a record has, m - 1 are drawn with replacement, as the mean of m would vary by (m - 1) / m of what it does
[2]_. What a regression leaves of the days that a bootstrap did not draw, summed by months, is the part of a year that the
reanalysis does not see; a single year varies by it as well as by its wind.

A regression on days flattens: wind of a reanalysis that is off by the day makes windy years look less windy than they
were, and years more alike than they are, by 5 to 10 % of their deviation. ``benchmarks/wind_intervals_yield.py`` measures
what the intervals cover on made-up farms of two makes.

References
----------
.. [1] H. R. Künsch, "The jackknife and the bootstrap for general stationary observations", Annals of Statistics 17(3),
   1989, https://doi.org/10.1214/aos/1176347265; in its circular form: D. N. Politis, J. P. Romano, "A circular block-
   resampling procedure for stationary data", in: Exploring the Limits of Bootstrap, Wiley, 1992.
.. [2] J. N. K. Rao, C. F. J. Wu, "Resampling inference with complex survey data", Journal of the American Statistical
   Association 83, 1988, https://doi.org/10.1080/01621459.1988.10478591.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from workbench.analytics.wind.long_term import MONTH_DAYS, bin_deviation
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
    summary_of,
)
from workbench.analytics.wind.yield_models import SIMULATIONS, Regression, settings_of, simulate
from workbench.analytics.wind.yield_periods import DailyData, daily_data
from workbench.model.errors import InputError
from workbench.steps import teller

__all__ = ["DailyData", "Resolution", "daily_data", "simulate_daily_yield"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Resolution = Literal["month", "day", "hour"]

_FEWEST = 60  #: periods a regression needs
_LOSSES = ("availability_loss", "curtailment_loss")


def simulate_daily_yield(
    data: DailyData,
    *,
    regression: Regression = "linear",
    temperature: bool = False,
    wind_direction: bool = False,
    settings: Mapping[str, float] | None = None,
    simulations: int | None = None,
    seed: int = 0,
    meter_uncertainty: float = 0.005,
    loss_uncertainty: float = 0.05,
    years: tuple[int, int] = (10, 20),
    loss_limit: tuple[float, float] = (0.10, 0.20),
    outliers: tuple[float, float] | None = None,
    missing_limit: float = 0.01,
    block_days: int = 30,
    loss_weighting: bool = False,
    horizon_years: int = 1,
    percentiles: Sequence[float] = (50, 75, 90, 99),
    compatibility: Compatibility | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> PlantYield:
    """Long-term energy of a plant with its uncertainty, by ``simulations`` draws, from days or hours.

    Parameters
    ----------
    regression
        ``linear``, ``spline`` (an additive model), ``gradient_boosting`` or ``extra_trees``.
    temperature, wind_direction
        Whether they are regressed on beside the wind speed.
    settings
        Of the regression: ``splines``, ``smoothing``; ``trees``, ``depth``, ``rate``, ``leaf``, ``share`` (of the
        rows each tree sees) of boosting; ``trees`` and ``split``, the fewest rows to be split, of extra trees.
    simulations
        10,000 for a linear regression, 1,000 for splines, 100 for trees where it is left out.
    outliers
        Range of a number of standard deviations, drawn in steps of 0.1: periods whose wind differs by more from the
        median of those of like energy (6 % of full power) stay out of the regression. None finds no outliers.
    block_days
        Length of the stretches that the bootstrap draws [day]; 1 draws single days.
    progress
        Called with the number of simulations done and to do.
    compatibility
        ``"openoa-3.2"`` reproduces what that tool does otherwise, beside what
        :func:`~workbench.analytics.wind.plant_yield.simulate_yield` tells: losses are means of the shares of single
        days (hours), by day (hour) of the calendar, which makes the availability loss of La Haute Borne 1.3 % in place of
        1.2 %; the bootstrap draws single days (hours); and of each reanalysis and loss limit the first constant
        drawn for outliers serves for all.

    The other parameters are those of :func:`~workbench.analytics.wind.plant_yield.simulate_yield`, periods for months.

    Raises
    ------
    InputError
        As there; an input that a reanalysis does not have; an unknown regression or setting.
    """
    count = SIMULATIONS.get(regression, 0) if simulations is None else simulations
    settings_of(regression, settings)
    check_settings(count, years, loss_limit, horizon_years, compatibility, outliers)
    if block_days < 1:
        raise InputError("at least a day", where="block_days", found=block_days, expected="1 or more")
    edges = data.year_edges(years[1])
    products = data.products
    inputs = [data.inputs(row, temperature=temperature, wind_direction=wind_direction) for row in range(len(products))]

    rng = np.random.default_rng(seed)
    draws = draw(
        rng,
        count,
        len(products),
        meter_uncertainty=meter_uncertainty,
        loss_uncertainty=loss_uncertainty,
        years=years,
        loss_limit=loss_limit,
        outliers=outliers,
    )
    seeds = rng.integers(0, 2**31 - 1, count)
    group, masks = _masks(data, draws, inputs, missing_limit, first=compatibility is not None)
    block = 1 if compatibility is not None else max(1, round(block_days * 24 / data.hours))
    measured = data.measured_share() if loss_weighting else np.ones(data.plant.sizes["time"])

    done, told = 0, teller(progress, "simulations")

    def tell(number: int) -> None:
        nonlocal done
        done += number
        told(done, count)

    by_day = compatibility is not None
    others = data.calendar_weights(years, edges) if by_day else np.zeros((data.weather.sizes["time"], 0))
    sums: Floats = np.empty((count, 12 * years[1] + 1 + others.shape[1]))
    r2, unseen, lasting, sampled = (*np.empty((3, count)), np.ones(count))
    gross, lost = data.gross(), data.lost_share() * data.gross()
    for row in range(len(products)):
        rows = np.flatnonzero(draws.product == row)
        wanted = data.wanted(inputs[row], edges, others, by_day=by_day)
        record = data.record(inputs[row])

        def weights(first: int, last: int, rows: Ints = rows) -> tuple[Floats, Floats]:
            some = rows[first:last]
            count = _bootstrap(rng, len(some), len(measured), block)
            if not by_day:
                sampled[some] = _relative(count, lost, gross)
            valid = masks[group[some]]
            return count * valid * measured, ((count == 0) & valid).astype(np.float64)

        found = simulate(
            regression,
            record,
            wanted,
            weights,
            draws.meter[rows],
            draws.loss[rows],
            seeds[rows],
            settings=settings,
            tell=tell,
        )
        sums[rows], r2[rows], unseen[rows], lasting[rows] = found.sums, found.r2, found.unseen, found.lasting

    found_ = _mean_years(data, draws, sums, years, by_day)
    simulated = dataset(
        outcome(
            draws,
            gross=found_["gross"],
            losses={name: draws.loss * sampled * found_[name] for name in _LOSSES},
            variability=found_["variability"],
            left=np.sqrt(lasting * MONTH_DAYS.sum() * 24 / data.hours) / found_["gross"],
            record=found_["record"],
            rng=rng,
            years=years,
            horizon_years=horizon_years,
            compatibility=compatibility,
        )
        | {
            "r2": (r2, "1", "coefficient of determination of the regression"),
            "r2_unseen": (unseen, "1", "the same of what the bootstrap left out"),
            "periods": (masks.sum(axis=1)[group], "1", "periods in the regression"),
        }
        | drawn(draws),
        {
            "seed": seed,
            "horizon_years": horizon_years,
            "compatibility": compatibility or "none",
            "resolution": data.resolution,
            "regression": regression,
        },
    )
    simulated = simulated.assign_coords(product=("simulation", np.asarray(products)[draws.product]))
    return PlantYield(simulated, summary_of(simulated, percentiles))


def _masks(
    data: DailyData, draws: Draws, inputs: Sequence[Floats], missing_limit: float, *, first: bool
) -> tuple[Ints, Bools]:
    """Rows of the record each simulation may see: group of each, rows of each group; with ``first`` see there."""
    tenths = draws.tenths
    if first and tenths.any():
        kept: dict[tuple[int, int], int] = {}
        pairs = zip(draws.product.tolist(), draws.percent.tolist(), tenths.tolist(), strict=True)
        tenths = np.array([kept.setdefault((product, percent), tenth) for product, percent, tenth in pairs])
    distinct, group = np.unique(np.stack([draws.product, draws.percent, tenths]), axis=1, return_inverse=True)
    plant, full = data.plant, data.rated_capacity * data.hours
    made, gross = plant["energy"].values, data.gross()
    lost, usual = data.lost_share(), plant["missing"].values <= missing_limit
    edges = np.unique(np.append(np.arange(0.01 * full, 0.85 * full, 0.06 * full), 0.85 * full))
    masks = np.zeros((distinct.shape[1], len(gross)), bool)
    deviations: dict[tuple[int, int], Floats] = {}
    for row, (product, percent, tenth) in enumerate(distinct.T):
        seen = inputs[product][data.rows()]
        keep = usual & np.isfinite(seen).all(axis=1) & plausible(seen[:, 0], made, full) & (lost < percent / 100.0)
        if tenth:
            if (product, percent) not in deviations:
                far = np.zeros(len(keep))
                far[keep] = bin_deviation(seen[keep, 0], gross[keep], edges)
                deviations[product, percent] = far
            keep &= deviations[product, percent] <= tenth / 10.0
        masks[row] = keep
    fewest = int(masks.sum(axis=1).min())
    if fewest < _FEWEST:
        raise InputError(
            f"too few {data.resolution}s are left for a regression",
            where="plant",
            found=f"{fewest} of {len(gross)}: {int((~usual).sum())} lack values",
            expected=f"{_FEWEST} or more",
            hint="see `loss_limit`, `missing_limit` and `outliers`",
        )
    return group.reshape(-1), masks


def _bootstrap(rng: np.random.Generator, many: int, size: int, block: int) -> Floats:
    """How often each row of the record is drawn, dims (simulation, row)."""
    block = min(block, size)
    # of m stretches m - 1 are drawn: the mean of m drawn from m varies by (m - 1) / m of what theirs does
    stretches = max(-(-size // block) - (block > 1), 1)
    starts = (rng.random((many, stretches)) * size).astype(np.int64)
    starts += np.arange(many)[:, None] * size
    begun = np.bincount(starts.ravel(), minlength=many * size).reshape(many, size)
    # a stretch that begins near the end goes on at the beginning
    around = np.concatenate([np.zeros((many, 1), np.int64), begun[:, size - block + 1 :], begun], axis=1).cumsum(axis=1)
    count: Floats = (around[:, block:] - around[:, :-block]).astype(np.float64)
    return count


def _relative(count: Floats, lost: Floats, gross: Floats) -> Floats:
    """Share lost of what is drawn over that of the record, [simulation]: how losses are known from a sample of them."""
    drawn_ = count @ np.column_stack([lost, gross])
    share = drawn_[:, 0] / np.maximum(drawn_[:, 1], 1e-300)
    whole = float(lost.sum() / gross.sum()) if gross.sum() > 0 else 0.0
    return share / whole if whole > 0 else np.ones(len(share))


def _mean_years(data: DailyData, draws: Draws, sums: Floats, years: tuple[int, int], others: bool) -> dict[str, Floats]:
    """Gross energy of a mean year and of the record's [kWh], shares lost, variability, each [simulation]."""
    size = 12 * years[1]
    energy = sums[:, :size].reshape(len(sums), years[1], 12)  # the last year first
    found = {name: np.empty(len(sums)) for name in ("gross", "variability", *_LOSSES)}
    shares = {name: data.month_shares(name) for name in _LOSSES}
    for number in np.unique(draws.years):
        rows = np.flatnonzero(draws.years == number)
        part = energy[rows, :number]
        yearly, monthly = part.sum(axis=2), part.mean(axis=1)
        gross = yearly.mean(axis=1)
        found["gross"][rows] = gross
        found["variability"][rows] = yearly.std(axis=1, ddof=0 if others else 1) / gross
        for place, name in enumerate(_LOSSES):
            if others:
                first = size + 1 + 3 * (number - years[0])
                found[name][rows] = sums[rows, first + place] / sums[rows, first + 2]
            else:
                found[name][rows] = monthly @ shares[name] / gross
    if (found["gross"] <= 0).any():
        raise InputError(
            "the regression gives no energy",
            where="plant",
            found=f"{found['gross'].min():.6g} kWh in a year",
            expected="more than 0",
            hint="more of the record, or a plainer regression",
        )
    return found | {"record": sums[:, size]}
