"""Degradation and soiling of solar plants, estimated together, with intervals.

Soiling only ever takes away, at a rate, until rain or a hand takes it off: a saw-tooth. An estimate of the trend that does not
know of it charges the soiling of a dry last year to the modules. Here the logarithm of the daily performance index is

    log level + log(1 + rate × years) + season + clearness of the day + log(1 − loss) + noise,

the loss a saw-tooth whose pieces, cleanings and rates are found by dynamic programming and Kalman filters together with the
rest (:mod:`.soiling_kernel`). The level of the *clean* days tells the rate. What rates of soiling and how thorough cleanings the
plant has, it tells itself (empirical Bayes). Snow and stops of days are pieces that do not count; a part
that stands for weeks may be taken for soiling.

How it differs from the year-on-year of RdTools and its SRR [1]_: those know one of the two at a time, and SRR needs the rate
to be known. CODS [2]_ shares the aim of a joint estimate.

The rate is in % of the power of the first day per year, along a straight line: what a warranty means by it.

Intervals are those of series made up from what was found, the saw-tooth found anew in each, residuals drawn by blocks
(45 days). Three things widen them. That pieces agree less than their noise lets expect: a sandwich by pieces. That soiling is no straight
line, rains half wash and pieces are taken for one another: :data:`MISFIT`, fixed on made-up plants (rainy and dry, thorough and
partial cleanings) on which nothing is scored. That no plant and sensor repeat a year's index exactly: ``repeatability``.

References
----------
.. [1] M. G. Deceglie, L. Micheli, M. Muller, "Quantifying Soiling Loss Directly From PV Yield", IEEE Journal of Photovoltaics
   8(2), 2018, https://doi.org/10.1109/JPHOTOV.2017.2784682.
.. [2] Å. Skomedal, M. G. Deceglie, "Combined Estimation of Degradation and Soiling Losses in Photovoltaic Systems", IEEE
   Journal of Photovoltaics 10(6), 2020, https://doi.org/10.1109/JPHOTOV.2020.3018219.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.kpi import variable_of
from workbench.analytics.solar.checks import check_plant, without_codes
from workbench.analytics.solar.soiling_fit import YEAR, Fit, bootstrap, clean_level, clustered, fit_plant
from workbench.analytics.solar.soiling_kernel import CLEAN, FULL, OUT, PARTIAL
from workbench.model.errors import InputError
from workbench.steps import teller

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]

#: By how much the errors of rate and soiling ratio of soiled plants exceed what the model alone expects.
MISFIT = (1.8, 2.5)
#: What a cleaning that is taken for thorough may leave of the usual soiling, where such are few: a fifth, by judgement.
_LEFT = 0.2
#: Times at which a mostly soiled plant has to be clean for a rate to be told: through two any line goes.
_FEWEST_CLEAN = 3
_LEAST_DAYS = 300
_BLOCK = 45
_ORDERS = 4
_RATES = {
    "rate": "%/year",
    "lower": "%/year",
    "upper": "%/year",
    "std": "%/year",
    "soiling_ratio": "1",
    "soiling_ratio_lower": "1",
    "soiling_ratio_upper": "1",
    "soiling_rate": "%/day",
    "cleanings": "1",
    "years": "year",
    "days": "1",
    "excluded": "1",
    "noise": "%",
}


@dataclass(frozen=True)
class DegradationSoiling:
    """What :func:`degradation_and_soiling` finds.

    Attributes
    ----------
    rates
        dims (asset): ``rate`` of the clean plant [%/year of the power of the first day], ``lower``, ``upper``, ``std``;
        ``soiling_ratio`` [1] weighted with insolation, with bounds; ``soiling_rate`` [%/day], median of the pieces; number of
        ``cleanings``; ``years`` and ``days`` it rests on, ``excluded`` days (outliers, stops); ``noise`` of a day [%]; the
        texts ``reason`` (no figure) and ``caution``.
    daily
        dims (time, asset): ``soiling_ratio``, NaN where it is not known; ``clean_index``, that of the plant without soiling;
        ``state``, 0 clean, 1 soiled since a thorough cleaning, 2 since a partial one, 3 does not count.
    cleanings
        ``asset``, ``time`` (first day after it), ``gain`` [1] of soiling ratio, ``thorough``, ``rain`` [mm] of that day and
        the two before (null where not known), in order of time.
    simulations
        dims (simulation, asset): ``rate`` [%/year], ``soiling_ratio``.
    """

    rates: xr.Dataset
    daily: xr.Dataset
    cleanings: pd.DataFrame = field(repr=False)
    simulations: xr.Dataset = field(repr=False)


def degradation_and_soiling(
    daily: xr.Dataset,
    *,
    simulations: int = 1000,
    seed: int = 0,
    level: float = 0.682,
    repeatability: float = 0.03,
    index: str = "performance_index",
    insolation: str = "insolation",
    progress: Callable[[int, int], None] | None = None,
) -> DegradationSoiling:
    """Degradation, soiling and cleanings of each plant from its daily performance index.

    Parameters
    ----------
    daily
        dims (time, asset), a value a day such as :func:`.performance_index.daily_performance` gives: the index [1] and
        the insolation [kWh/m²]; ``precipitation_amount`` [mm] is put beside the cleanings, not used.
    simulations, seed, level
        Of the intervals.
    repeatability
        Standard deviation between years of an index of which nothing is known to have changed [%].

    Raises
    ------
    InputError
        The index is missing, days are not in order or no days, a setting is wrong. Too little data, or a mostly soiled plant
        that was thoroughly clean less than three times, is no error: NaN and the
        reason. Without insolation all days count alike, which is a caution.
    """
    import pandas as pd

    if not 0 < level < 1:
        raise InputError("no share", where="level", found=level, expected="in (0, 1)")
    if simulations < 0 or repeatability < 0:
        raise InputError("negative", where="simulations or repeatability", found=f"{simulations}, {repeatability}")
    check_plant(daily)
    values = without_codes(variable_of(daily, index).transpose("time", "asset").values.astype(np.float64), index)
    names = [str(name) for name in daily["asset"].values]
    days, place = calendar_days(daily)
    size = int(place[-1]) + 1 if len(place) else 0
    known = insolation in daily
    light = variable_of(daily, insolation).transpose("time", "asset").values if known else np.ones(values.shape)
    rain = daily["precipitation_amount"].transpose("time", "asset").values if "precipitation_amount" in daily else None
    shape = (size, len(names))
    ratio, clean = np.full(shape, np.nan), np.full(shape, np.nan)
    state = np.full(shape, OUT, np.int8)
    draws = np.full((simulations, len(names), 2), np.nan)
    rows: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []
    tell = teller(progress, "plants")
    for column, name in enumerate(names):
        one, sun = np.full(size, np.nan), np.full(size, np.nan)
        one[place], sun[place] = values[:, column], light[:, column]
        row, fit, first = _plant(one, sun, days)
        if not known and not row["reason"]:
            row["caution"] = "; ".join(filter(None, [row["caution"], "no insolation: all days count alike"]))
        if fit is not None:
            last = first + len(fit.y)
            there = fit.kinds != OUT
            ratio[first:last, column] = np.where(there, 1 - fit.loss, np.nan)
            clean[first:last, column] = np.exp(clean_level(fit.years, fit.season, fit.coefficients))
            # a day that is far off what its piece says counts as little as a stop; the soiling goes on below it
            state[first:last, column] = np.where(np.isfinite(one[first:last]) & (fit.weight <= 0), OUT, fit.kinds)
            rng = np.random.default_rng([seed, column])
            found = _intervals(fit, sun[first:last], rng, simulations, level, repeatability)
            row |= found[0]
            draws[:, column] = found[1]
            wet = (
                None
                if rain is None
                else np.bincount(place, np.nan_to_num(rain[:, column]), minlength=size).astype(np.float64)
            )
            events += _cleanings(fit, name, days[first:last], None if wet is None else wet[first:last])
        rows.append(row)
        tell(column + 1, len(names))
    table = pd.DataFrame(rows, index=pd.Index(names, name="asset"))
    facts = {key: at for key, at in daily.coords.items() if at.dims == ("asset",)}
    rates = xr.Dataset(
        {str(n): ("asset", v.to_numpy(), {"units": _RATES[str(n)]} if n in _RATES else {}) for n, v in table.items()},
        coords=facts,
        attrs={"level": level, "seed": seed, "simulations": simulations, "repeatability_percent": repeatability},
    )
    dims = ("time", "asset")
    told = xr.Dataset(
        {
            "soiling_ratio": (dims, ratio, {"units": "1", "long_name": "soiling ratio"}),
            "clean_index": (dims, clean, {"units": "1", "long_name": "performance index without soiling"}),
            "state": (
                dims,
                state,
                {
                    "flag_values": np.array([CLEAN, FULL, PARTIAL, OUT], np.int8),
                    "flag_meanings": "clean soiled soiled_since_partial_cleaning excluded",
                },
            ),
        },
        coords={"time": days.astype("datetime64[ns]")} | facts,
        attrs={"cadence": "P1D"},
    )
    columns = ["asset", "time", "gain", "thorough", "rain"]
    made = xr.Dataset(
        {
            "rate": (("simulation", "asset"), draws[:, :, 0], {"units": "%/year"}),
            "soiling_ratio": (("simulation", "asset"), draws[:, :, 1], {"units": "1"}),
        },
        coords={"asset": names},
        attrs={"seed": seed},
    )
    return DegradationSoiling(rates, told, pd.DataFrame(events, columns=columns), made)


def calendar_days(daily: xr.Dataset) -> tuple[npt.NDArray[np.datetime64], npt.NDArray[np.int64]]:
    """All days from the first to the last, and the place of each time among them.

    Raises
    ------
    InputError
        Two times are of one day, or not in order.
    """
    day = daily["time"].values.astype("datetime64[D]")
    if not len(day):
        return day, np.zeros(0, np.int64)
    place = (day - day[0]).astype(np.int64)
    if len(place) > 1 and int(np.diff(place).min()) < 1:
        raise InputError(
            "not one value a day in order of time",
            where="time",
            found=f"{len(place):,} times on {len(np.unique(place)):,} days",
            expected="daily values",
            hint="daily_performance makes them of 15-minute values",
        )
    return np.arange(day[0], day[-1] + 1), place


def _plant(index: Floats, sun: Floats, days: npt.NDArray[np.datetime64]) -> tuple[dict[str, Any], Fit | None, int]:
    """Fit of one plant or the reason why there is none, and its first day."""
    nan = float("nan")
    row: dict[str, Any] = dict.fromkeys(_RATES, nan) | {"reason": "", "caution": ""}
    good = np.flatnonzero(np.isfinite(index) & (index > 0))
    span = (int(good[-1] - good[0]) + 1) / YEAR if len(good) else 0.0
    row |= {"years": span, "days": len(good), "cleanings": 0, "excluded": int(np.isfinite(index).sum() - len(good))}
    if not len(good):
        row["reason"] = "no day has a usable performance index"
    elif span < 2 - 3 / YEAR:
        there = f"{span:.1f} years" if span >= 0.95 else f"{round(span * YEAR)} days"
        row["reason"] = f"{there} of data; two years are needed to tell a season from a trend"
    elif len(good) < _LEAST_DAYS:
        row["reason"] = f"{len(good)} days with a performance index; {_LEAST_DAYS} are needed"
    if row["reason"]:
        return row, None, 0
    first, last = int(good[0]), int(good[-1]) + 1
    date = days[first:last]
    of_year = (date - date.astype("datetime64[Y]")).astype(np.float64)
    fit = fit_plant(index[first:last], sun[first:last], of_year, orders=_ORDERS)
    gap = int(np.diff(good).max(initial=1)) - 1
    cautions = []
    if gap > 60:
        cautions.append(f"{gap} days in a row without data")
    if span < 3:
        cautions.append(f"{span:.1f} years: two or three tell little of a rate")
    if seldom := _seldom_clean(fit):
        cautions.append("hardly ever thoroughly clean: the level of the clean plant is a guess")
    if 0 < seldom < _FEWEST_CLEAN:
        row["reason"] = (
            f"thoroughly clean {seldom} time{'s' if seldom > 1 else ''} in {span:.1f} years: the level of the clean plant, "
            f"and with it the rate, is told from {_FEWEST_CLEAN} times on"
        )
        return row, None, 0
    use = (fit.weight > 0) & (fit.kinds != OUT)
    row["excluded"] += int(np.isfinite(index[first:last]).sum() - use.sum())
    row["caution"] = "; ".join(cautions)
    return row, fit, first


def _seldom_clean(fit: Fit) -> int:
    """How often a plant was thoroughly clean, at the least 1, where that is seldom; 0 where it is often enough."""
    soiled = (fit.kinds == FULL) | (fit.kinds == PARTIAL)
    times = int(np.isin(fit.pieces.kinds, (CLEAN, FULL)).sum())
    few = soiled.mean() > 0.5 and int((fit.pieces.kinds == FULL).sum()) < 2 * len(fit.y) / YEAR
    return max(times, 1) if few else 0


def _intervals(
    fit: Fit, sun: Floats, rng: np.random.Generator, simulations: int, level: float, repeatability: float
) -> tuple[dict[str, Any], Floats]:
    there = fit.kinds != OUT
    light = np.where(there & np.isfinite(sun), sun, 0.0)
    soiled = (fit.kinds == FULL) | (fit.kinds == PARTIAL)
    ratio = float(light @ (1 - fit.loss) / light.sum()) if light.sum() > 0 else float("nan")
    rate = 100 * fit.rate
    of_piece = np.isin(fit.pieces.kinds, (FULL, PARTIAL))
    length = (fit.pieces.ends - fit.pieces.starts)[of_piece]
    pace = np.repeat(fit.rates[of_piece], length)
    row: dict[str, Any] = {
        "rate": rate,
        "soiling_ratio": ratio,
        "soiling_rate": 100 * float(np.median(pace)) if len(pace) else 0.0,
        "cleanings": len(_starts(fit)),
        "noise": 100 * float(np.median(np.abs(fit.residual[np.isfinite(fit.residual)])) * 1.4826
                             / np.sqrt(np.median(fit.weight[fit.weight > 0]))),
    }  # fmt: skip
    draws = np.full((simulations, 2), np.nan)
    if not simulations:
        return row, draws
    made = bootstrap(fit, sun, rng, simulations, _BLOCK)
    share = min(float(soiled.mean()) / 0.3, 1.0)
    wide = max(np.sqrt(clustered(fit)[1, 1] / fit.covariance[1, 1]), 1.0) * (1 + (MISFIT[0] - 1) * share)
    years = len(fit.y) / YEAR
    # what a straight line through as many yearly values makes of their scatter
    yearly = repeatability * np.sqrt(12 / (years * max(years**2 - 1, 1.0)))
    draws[:, 0] = rate + wide * 100 * (made[:, 0] - np.median(made[:, 0])) + yearly * rng.standard_normal(simulations)
    draws[:, 1] = ratio + (1 + (MISFIT[1] - 1) * share) * (made[:, 1] - np.median(made[:, 1]))
    if seldom := _seldom_clean(fit):
        # the line goes through the few levels at which the plant was clean, if the cleanings took off all
        left = _LEFT * (1 - ratio)
        draws[:, 0] += 100 * left * np.sqrt(12 / seldom) / years * rng.standard_normal(simulations)
        draws[:, 1] += left * rng.standard_normal(simulations)  # what all of them leave alike
    draws[:, 1] = np.clip(draws[:, 1], 0.0, 1.0)
    bounds = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    row |= {
        "lower": float(bounds[0, 0]),
        "upper": float(bounds[1, 0]),
        "std": float(draws[:, 0].std(ddof=1)) if simulations > 1 else float("nan"),
        "soiling_ratio_lower": float(bounds[0, 1]),
        "soiling_ratio_upper": float(bounds[1, 1]),
    }
    return row, draws


def _starts(fit: Fit) -> list[int]:
    """Pieces before which a cleaning took something off that is worth naming: a part of a percent and of the noise."""
    pieces, found = fit.pieces, []
    for k in range(1, len(pieces.starts)):
        if pieces.kinds[k] == OUT or pieces.kinds[k - 1] in (OUT, CLEAN):
            continue
        day = int(pieces.starts[k])
        if fit.loss[day - 1] - fit.loss[day] > 0.002:
            found.append(k)
    return found


def _cleanings(fit: Fit, name: str, days: npt.NDArray[np.datetime64], rain: Floats | None) -> list[dict[str, Any]]:
    rows = []
    for k in _starts(fit):
        day = int(fit.pieces.starts[k])
        rows.append(
            {
                "asset": name,
                "time": days[day].astype("datetime64[ns]"),
                "gain": float(fit.loss[day - 1] - fit.loss[day]),
                "thorough": bool(fit.pieces.kinds[k] != PARTIAL),
                "rain": None if rain is None else float(rain[max(day - 2, 0) : day + 1].sum()),
            }
        )
    return rows
