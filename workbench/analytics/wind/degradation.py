"""Degradation: how much less a turbine makes of the same wind, year after year.

What a turbine made is held against what it was expected to make, by its own power curve of an early period (wind
speeds at one air density), or by what its neighbours make beside it in that period. The logarithm of the ratio, by
blocks of four weeks, is a straight line of time and a season [1]_. Neighbours degrade as well: beside them only the
difference is seen. The own anemometer may drift: its drift looks like degradation. Where both agree, believe it.

Turbines drift by a half percent for months for reasons that are no degradation. Such residuals are correlated, and an
interval that takes them for independent is far too narrow. Beside neighbours they are a first-order autoregression whose
coefficient is freed of its small-sample bias [2]_, from which series are drawn and the rate found again. Against the
own curve the anemometer enters, and one that is replaced reads otherwise for good: the correlation of neighbouring
blocks, which vary by themselves too, does not show it. There the residuals are a part of each block and a part that lasts
for weeks or for years, in all proportions. How likely each is by the data their restricted likelihood tells [3]_, times
how often it was found on made-up farms of two makes, one whose anemometers are never replaced and one whose are [4]_;
the interval is drawn from all of them. Few years of one turbine tell that badly. The turbines of a farm, whose sensors are
mostly alike, tell it together: each is of its farm's kind, or, with a chance of a fifth, of one of its own.

References
----------
.. [1] I. Staffell, R. Green, "How does wind farm performance decline with age?", Renewable Energy 66, 2014,
   https://doi.org/10.1016/j.renene.2013.10.041; D. C. Jordan, C. Deline, S. R. Kurtz et al., "Robust PV Degradation
   Methodology and Application", IEEE Journal of Photovoltaics 8, 2018, https://doi.org/10.1109/JPHOTOV.2017.2779779
   (year on year).
.. [2] M. G. Kendall, "Note on bias in the estimation of autocorrelation", Biometrika 41, 1954,
   https://doi.org/10.1093/biomet/41.3-4.403.
.. [3] H. D. Patterson, R. Thompson, "Recovery of inter-block information when block sizes are unequal", Biometrika 58,
   1971, https://doi.org/10.1093/biomet/58.3.545; D. A. Harville, "Bayesian inference for variance components using only
   error contrasts", Biometrika 61, 1974, https://doi.org/10.1093/biomet/61.2.383.
.. [4] N. Laird, "Nonparametric maximum likelihood estimation of a mixing distribution", Journal of the American
   Statistical Association 73, 1978, https://doi.org/10.1080/01621459.1978.10480103.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr
from pydantic import Field

from workbench.analytics.wind.air_density import density_of, normalized_wind_speed
from workbench.analytics.wind.degradation_noise import LastingNoise
from workbench.analytics.wind.yaw_misalignment import ratings, tell_reasons, values_of
from workbench.model.errors import InputError
from workbench.steps import progress, step

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Reference = Literal["own", "neighbours"]

_YEAR = 365.25
_LEAST_SLOTS = 48  # of a block
_LEAST_BLOCKS = 13


@dataclass(frozen=True)
class Degradation:
    """What :func:`degradation_rate` finds.

    Attributes
    ----------
    rates
        dims (asset): ``rate`` [%/a], negative where a turbine makes less, its ``lower`` and ``upper`` bound and
        ``std``; ``year_on_year`` and ``theil_sen``, medians of the differences of blocks a year apart and of all blocks,
        for comparison [%/a]; ``season`` [%], amplitude of the ratio over the year; ``correlation`` [1] of a block's
        residual with that before; ``years``, ``blocks`` it rests on; the texts ``reason`` (no figure) and
        ``caution``.
    performance
        dims (block, asset): ``performance`` [1], made over expected; ``block`` is the start of each.
    simulations
        dims (simulation, asset): ``rate`` [%/a].
    summary
        One row per turbine.
    """

    rates: xr.Dataset
    performance: xr.Dataset
    simulations: xr.Dataset
    summary: pd.DataFrame = field(repr=False)


def degradation_rate(
    turbines: xr.Dataset,
    *,
    reference: Reference = "own",
    neighbours: Sequence[str] | None = None,
    baseline: float = 1.0,
    block: int = 28,
    simulations: int = 1000,
    seed: int = 0,
    level: float = 0.9,
    wind_speed: str = "wind_speed",
    power: str = "power_output",
) -> Degradation:
    """Change of performance per year of each turbine, with its interval.

    Parameters
    ----------
    turbines
        dims (time, asset): power [kW] and, for ``own``, wind speed [m/s]; coordinate ``rated_capacity`` (asset)
        [kW]. The air density is taken from ``air_density``, or temperature and pressure or elevation; where it is not
        known the season takes what it does, and that is remarked.
    reference
        ``own``: the turbine's power curve of the first ``baseline`` years; ``neighbours``: what they make. Of a farm
        of one turbine only the first is there.
    neighbours
        Names of the turbines to compare with, such as those that were not repaired; all others if left out.
    baseline
        Length of the early period [a].
    block
        Length of the blocks [day].
    simulations, seed, level
        Of the interval.

    Raises
    ------
    InputError
        A field is missing, there is no neighbour, or a setting is wrong. Too little data is no error: NaN and the reason
        with less than a year; a caution with less than two, as a season and a rate are then not told apart.
    """
    import pandas as pd

    if reference not in ("own", "neighbours"):
        raise InputError("unknown reference", where="reference", found=reference, expected="own or neighbours")
    if not 0 < level < 1:
        raise InputError("no share", where="level", found=level, expected="in (0, 1)")
    if simulations < 0:
        raise InputError("a negative number", where="simulations", found=simulations, expected="0 or more")
    if not baseline > 0 or block < 1:
        raise InputError("not positive", where="baseline or block", found=f"{baseline}, {block}", expected="> 0")
    if not turbines.sizes["time"]:
        raise InputError("there is no data", where="turbines", found="0 times")
    made, rating = values_of(turbines, power), ratings(turbines)
    expected = _expected(turbines, reference, neighbours, baseline, made, rating, wind_speed)
    time = turbines["time"].values
    day = time.astype("datetime64[D]").astype(np.int64)
    number = (day - day[0]) // block if len(day) else day
    size = int(number.max(initial=0)) + 1
    # a last block of days only would count as much as a whole one
    if len(day) and (day[-1] - day[0] + 1) % block and (day[-1] - day[0] + 1) % block < block / 2:
        size -= 1
    names = [str(name) for name in turbines["asset"].values]
    ratio = np.full((size, len(names)), np.nan)
    years = np.full((size, len(names)), np.nan)
    of = 2 * len(names)  # the ratio of each, then its rate with its draws
    for column in range(len(names)):
        rows = np.flatnonzero(np.isfinite(expected[:, column]) & (number < size))
        where = number[rows]
        count = np.bincount(where, minlength=size)
        with np.errstate(invalid="ignore", divide="ignore"):
            one = np.bincount(where, made[rows, column], minlength=size) / np.bincount(
                where, expected[rows, column], minlength=size
            )
            middle = np.bincount(where, (day[rows] - day[0]) / _YEAR, minlength=size) / count
        enough = (count >= _LEAST_SLOTS) & (one > 0)
        ratio[enough, column], years[enough, column] = one[enough], middle[enough]
        progress(column + 1, of, "turbines")
    noises: list[LastingNoise | None] = [None] * len(names)
    if reference == "own":
        noises = LastingNoise.of_farm([_lasting(one, when, block) for one, when in zip(ratio.T, years.T, strict=True)])
    found = []
    for column in range(len(names)):
        rng = np.random.default_rng([seed, column])
        found.append(_rate(ratio[:, column], years[:, column], block, simulations, rng, level, noises[column]))
        progress(len(names) + column + 1, of, "turbines")
    table = pd.DataFrame([one for one, _ in found], index=pd.Index(names, name="asset"))
    units = dict.fromkeys(("rate", "lower", "upper", "std", "year_on_year", "theil_sen"), "%/year")
    units |= {"season": "%", "correlation": "1", "years": "year", "blocks": "1"}
    facts = {name: array for name, array in turbines.coords.items() if array.dims == ("asset",)}
    rates = xr.Dataset(
        {str(n): ("asset", v.to_numpy(), {"units": units[n]} if n in units else {}) for n, v in table.items()},
        coords=facts,
        attrs={"reference": reference, "level": level, "seed": seed, "simulations": simulations, "block_days": block},
    )
    starts = (day[0] + np.arange(size) * block if len(day) else np.zeros(0)).astype("datetime64[D]")
    performance = xr.Dataset(
        {"performance": (("block", "asset"), ratio, {"units": "1", "long_name": "energy made over expected"})},
        coords={"block": starts.astype("datetime64[ns]"), "asset": names},
    )
    draws = xr.Dataset(
        {"rate": (("simulation", "asset"), np.stack([d for _, d in found], axis=1), {"units": "%/year"})},
        coords={"asset": names},
        attrs={"seed": seed},
    )
    return Degradation(rates, performance, draws, table)


def _expected(
    turbines: xr.Dataset,
    reference: Reference,
    neighbours: Sequence[str] | None,
    baseline: float,
    made: Floats,
    rating: Floats,
    wind_speed: str,
) -> Floats:
    """Power expected in the slots that count [kW], dims (time, asset); NaN elsewhere."""
    names = [str(name) for name in turbines["asset"].values]
    time = turbines["time"].values
    early = (time - time[0]) / np.timedelta64(1, "D") < baseline * _YEAR if len(time) else np.zeros(0, dtype=bool)
    running = made > 0.005 * rating
    if reference == "own":
        speed = values_of(turbines, wind_speed)
        density = density_of(turbines, told_by="degradation_rate")
        if density is not None:
            rho = density.transpose("time", "asset").drop_vars(list(density.coords))
            speed = normalized_wind_speed(xr.DataArray(speed, dims=("time", "asset")), rho).values
        found = np.full(made.shape, np.nan)
        for column in range(made.shape[1]):
            found[:, column] = _by_curve(speed[:, column], made[:, column], running[:, column], early, 0.5)
        return found
    chosen = list(names if neighbours is None else neighbours)
    for name in chosen:
        if name not in names:
            raise InputError("no such turbine", where="neighbours", found=name, expected=", ".join(names[:12]))
    found = np.full(made.shape, np.nan)
    for column, name in enumerate(names):
        others = [names.index(other) for other in chosen if other != name]
        if not others:
            raise InputError(
                "a turbine has no neighbour", where="neighbours", found=name, hint="compare it with itself: own"
            )
        part = (made[:, others] / rating[others]).mean(axis=1)
        use = running[:, column] & running[:, others].all(axis=1) & (part < 0.97)
        found[:, column] = _by_curve(part, made[:, column], use, early, 0.03)
    return found


def _by_curve(x: Floats, made: Floats, use: Bools, early: Bools, width: float) -> Floats:
    """Mean power of the early slots by bins of ``x``, between their centres along straight lines; NaN beyond."""
    found = np.full(len(x), np.nan)
    use = use & np.isfinite(x) & np.isfinite(made)
    rows = np.flatnonzero(use & early)
    if len(rows) < _LEAST_SLOTS:
        return found
    number = np.floor(x[rows] / width).astype(np.int64)
    number -= number.min()
    # slots far below the others of their bin are no normal operation: derated, iced, stopping
    keep = _usual(made[rows], number)
    count = np.bincount(number[keep])
    good = count >= 10
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = (np.bincount(number[keep], x[rows][keep]) / count)[good]
        height = (np.bincount(number[keep], made[rows][keep]) / count)[good]
    if len(centre) < 3:
        return found
    inside = use & (x >= centre[0]) & (x <= centre[-1])
    curve = np.interp(x[inside], centre, height)
    # the same bound for all years, else years with more of them would look worse
    at = np.flatnonzero(inside)
    normal = made[at] > 0.5 * curve
    found[at[normal]] = curve[normal]
    return found


def _usual(made: Floats, number: Ints) -> Bools:
    order = np.argsort(number, kind="stable")
    starts = np.searchsorted(number[order], np.arange(int(number.max()) + 2))
    usual = np.zeros(len(made), dtype=bool)
    for one in range(len(starts) - 1):
        rows = order[starts[one] : starts[one + 1]]
        if len(rows):
            usual[rows] = made[rows] > 0.5 * np.median(made[rows])
    return usual


def _span(years: Floats, known: Ints, block: int) -> float:
    """From the first block to the last [a]."""
    return float(np.ptp(years[known])) + block / _YEAR if len(known) else 0.0


def _line(ratio: Floats, years: Floats, known: Ints) -> tuple[Floats, Floats]:
    """Logarithm of the ratio [%], dims (block), and mean, slope and season, dims (block, term)."""
    t = years[known]
    angle = 2 * np.pi * t
    return 100.0 * np.log(ratio[known]), np.stack([np.ones(len(t)), t - t.mean(), np.cos(angle), np.sin(angle)], axis=1)


def _lasting(ratio: Floats, years: Floats, block: int) -> LastingNoise | None:
    """What the residuals of a turbine may be, a part that lasts as long as the record among them; None of too few."""
    known = np.flatnonzero(np.isfinite(ratio))
    if len(known) < _LEAST_BLOCKS or _span(years, known, block) < 1.0:
        return None
    y, design = _line(ratio, years, known)
    solve = np.linalg.pinv(design)
    return LastingNoise.of(y - design @ (solve @ y), known - known[0], design, solve[1], block)


def _rate(
    ratio: Floats,
    years: Floats,
    block: int,
    simulations: int,
    rng: np.random.Generator,
    level: float,
    noise: LastingNoise | None,
) -> tuple[dict[str, object], Floats]:
    """What the table says of one turbine, and the draws [%/a]; without ``noise`` residuals are an autoregression."""
    nan = float("nan")
    known = np.flatnonzero(np.isfinite(ratio))
    span = _span(years, known, block)
    row: dict[str, object] = dict.fromkeys(
        ("rate", "lower", "upper", "std", "year_on_year", "theil_sen", "season", "correlation"), nan
    )
    row |= {"years": span, "blocks": len(known), "reason": "", "caution": ""}
    nothing = np.full(simulations, nan)
    if len(known) < _LEAST_BLOCKS or span < 1.0:
        row["reason"] = (
            f"{len(known)} blocks of {block} days with data over {span:.1f} years; "
            f"{_LEAST_BLOCKS} over a year are needed to see a season"
        )
        return row, nothing
    if span < 2.0 - 0.5 * block / 365.25:  # the edges of the blocks take some days of two years
        row["caution"] = f"{span:.1f} years: with less than 2 a season and a rate are not told apart"
    t = years[known]
    y, design = _line(ratio, years, known)
    solve = np.linalg.pinv(design)
    coefficient = solve @ y
    residual = y - design @ coefficient
    keep = noise.correlation if noise is not None else _correlation(residual, known, design, rng)
    free = len(y) - design.shape[1]
    draws = nothing
    if simulations:
        if noise is not None:
            off = noise.draw(simulations, rng)
        else:
            drawn = _series(residual, keep, int(known[-1] - known[0]) + 1, simulations, rng, design, known - known[0])
            # few blocks tell their own scatter badly: t instead of normal, by a chi-squared factor of each draw
            effective = max((len(y) * (1 - keep) / (1 + keep)) - design.shape[1], 3.0)
            off = (drawn @ solve[1]) * np.sqrt(effective / rng.chisquare(effective, simulations))
        draws = coefficient[1] + off
        row["lower"], row["upper"] = (float(q) for q in np.quantile(draws, [(1 - level) / 2, (1 + level) / 2]))
        row["std"] = float(draws.std(ddof=1))
    pairs = _pairs(ratio, years, round(_YEAR / block))
    plain = y - design[:, 2:] @ coefficient[2:]
    one, other = np.triu_indices(len(t), 1)
    row |= {
        "rate": float(coefficient[1]),
        "year_on_year": float(np.median(pairs)) if len(pairs) else nan,
        "theil_sen": float(np.median((plain[other] - plain[one]) / (t[other] - t[one]))),
        "season": float(np.hypot(*coefficient[2:])),
        "correlation": keep,
        "blocks": len(y),
    }
    if free < 9 and not row["caution"]:
        row["caution"] = f"{len(y)} blocks only"
    return row, draws


def _pairs(ratio: Floats, years: Floats, apart: int) -> Floats:
    """Differences of blocks about a year apart [%/a]."""
    late, soon = ratio[apart:], ratio[:-apart]
    gap = years[apart:] - years[:-apart]
    known = np.isfinite(late) & np.isfinite(soon)
    found: Floats = 100.0 * np.log(late[known] / soon[known]) / gap[known]
    return found


def _correlation(residual: Floats, known: Ints, design: Floats, rng: np.random.Generator) -> float:
    """Correlation of a block's residual with that before, freed of the bias that the fit gives it.

    For some correlations series are drawn and fitted; the one whose residuals have on average what these have is taken.
    """
    if float((residual**2).sum()) == 0 or (np.diff(known) == 1).sum() < 8:
        return 0.0
    where = known - known[0]
    trials = np.array([0.0, 0.2, 0.4, 0.6, 0.75, 0.85, 0.92, 0.97])
    noise = rng.normal(0, 1, (300, int(where[-1]) + 1))
    hat = np.linalg.pinv(design).T @ design.T
    seen = np.array(
        [_lag_one((x := _autoregression(noise, keep)[:, where]) - x @ hat, known).mean() for keep in trials]
    )
    return float(np.interp(_lag_one(residual[None], known)[0], np.maximum.accumulate(seen), trials))


def _lag_one(series: Floats, known: Ints) -> Floats:
    """Correlation of neighbouring blocks, dims (series, block)."""
    next_ = np.diff(known) == 1
    found: Floats = (series[:, 1:] * series[:, :-1])[:, next_].sum(axis=1) / (series**2).sum(axis=1)
    return found


def _autoregression(noise: Floats, keep: float) -> Floats:
    """First-order series of unit deviation, dims (series, block)."""
    from scipy.signal import lfilter

    scaled = noise.copy()
    scaled[:, 1:] *= np.sqrt(1 - keep**2)
    return np.asarray(lfilter([1.0], [1.0, -keep], scaled, axis=1), dtype=np.float64)


def _series(
    residual: Floats, keep: float, size: int, simulations: int, rng: np.random.Generator, design: Floats, where: Ints
) -> Floats:
    """Series of the autoregression, scaled so that what a fit leaves of them is what this fit left; dims (draw, block)."""
    series = _autoregression(rng.normal(0, 1, (simulations, size)), keep)[:, where]
    left = series - series @ np.linalg.pinv(design).T @ design.T
    scale = np.sqrt((residual**2).sum() / (left**2).sum(axis=1).mean())
    found: Floats = series * scale
    return found


@step("degradation_rate")
def add_degradation_rate(
    data: xr.Dataset,
    *,
    reference: Reference = "own",
    neighbours: list[str] | None = None,
    baseline: Annotated[float, Field(gt=0)] = 1.0,
    simulations: int = 500,
    seed: int = 0,
    level: float = 0.9,
    wind_speed: str = "wind_speed",
    power: str = "power_output",
    output_field: str = "degradation_rate",
) -> xr.Dataset:
    """Change of performance per year of each turbine, against its own early curve or its neighbours.

    One figure for the whole of the data, with a range; it is said where the data are too short, as less than two years
    do not tell a season from a rate.

    Parameters
    ----------
    data
        dims (time, asset).
    reference
        ``own`` or ``neighbours``.
    neighbours
        Names of the turbines to compare with; all others if left out.
    baseline
        Length of the early period [a].
    simulations, seed, level
        Of the range.
    wind_speed, power
        Fields [m/s, kW].
    output_field
        What the rate is called.

    Returns
    -------
    The data with the rate, its ``_lower`` and ``_upper`` [%/year], dims (asset).

    Raises
    ------
    InputError
        A field is missing, or there is no neighbour.
    """
    found = degradation_rate(
        data, reference=reference, neighbours=neighbours, baseline=baseline, simulations=simulations, seed=seed,
        level=level, wind_speed=wind_speed, power=power,
    ).rates  # fmt: skip
    tell_reasons("degradation_rate", found)
    names = {output_field: "rate", f"{output_field}_lower": "lower", f"{output_field}_upper": "upper"}
    titles = {"rate": "change of performance", "lower": "lower bound of it", "upper": "upper bound of it"}
    return data.assign(
        {
            name: ("asset", found[source].values, {"units": "%/year", "long_name": titles[source]})
            for name, source in names.items()
        }
    )
