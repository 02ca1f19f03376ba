"""Year on year: the median of how the index of each day differs from that of the same day a year before.

The method of RdTools [1]_, for comparison: it knows of no soiling, and charges a dirtier last year to the modules. See
:func:`.degradation_soiling.degradation_and_soiling` for what the workbench takes by default.

References
----------
.. [1] D. C. Jordan, C. Deline, S. R. Kurtz et al., "Robust PV Degradation Methodology and Application", IEEE Journal of
   Photovoltaics 8, 2018, https://doi.org/10.1109/JPHOTOV.2017.2779779; its figures are those of RdTools 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.kpi import variable_of
from workbench.analytics.solar.checks import check_plant, without_codes
from workbench.model.errors import InputError
from workbench.steps import progress

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_DAY = 86_400_000_000_000
_TOLERANCE = 8 * _DAY
_UNITS = {"rate": "%/year", "lower": "%/year", "upper": "%/year", "exceedance": "%/year", "pairs": "1", "years": "year"}
_MOST = 20_000  #: pairs of which blocks are drawn; of more, blocks are of their medians


@dataclass(frozen=True)
class YearOnYear:
    """What :func:`year_on_year` finds.

    Attributes
    ----------
    rates
        dims (asset): ``rate`` [%/year of the median of the first year], ``lower``, ``upper``, ``exceedance``: the rate that
        is exceeded with the probability asked for; ``pairs``, ``years``, the text ``reason`` where there is no figure.
    slopes
        Of each asset the differences [%/year], and the later of the two times each is of.
    """

    rates: xr.Dataset
    slopes: dict[str, tuple[npt.NDArray[np.datetime64], Floats]] = field(repr=False)


def year_on_year(
    data: xr.Dataset,
    *,
    interval: Literal["block", "simple"] = "block",
    block: int = 30,
    simulations: int = 1000,
    seed: int = 0,
    level: float = 0.682,
    exceedance: float = 0.95,
    recenter: bool = True,
    index: str = "performance_index",
    compatibility: Literal["", "rdtools-3.2"] = "",
) -> YearOnYear:
    """Rate of change from pairs of times a year apart, without a model of soiling.

    Parameters
    ----------
    data
        dims (time, asset): the performance index [1] by days, weeks or any step below, in order of time.
    interval
        ``block``: slopes are drawn in blocks of ``block`` days, as neighbours resemble each other. ``simple``: one by one,
        as RdTools does by default; what the median of very many such draws scatters by is known without drawing (order
        statistics), so it is the same every time.
    simulations, seed, level, exceedance
        Of the interval.
    recenter
        Whether the index is brought to a median of 1 in the first year; without it it is taken as it is.
    compatibility
        ``rdtools-3.2``: the interval is ``simple``, and a day of the table whose anniversary is in it without a value has no
        pair. By default the last value up to eight days before the anniversary stands for it, as RdTools does for days that
        are not in its table at all. Where no day is missing the rate is RdTools' either way.

    Raises
    ------
    InputError
        The index is missing, times are not in order, a setting is wrong. Less than two years is no error: NaN and the reason.
    """
    import pandas as pd

    if not 0 < level < 1 or not 0 < exceedance < 1:
        raise InputError("no share", where="level or exceedance", found=f"{level}, {exceedance}", expected="in (0, 1)")
    if block < 1 or simulations < 1:
        raise InputError("below 1", where="block or simulations", found=f"{block}, {simulations}", expected="1 or more")
    if interval not in ("block", "simple"):
        raise InputError("unknown interval", where="interval", found=interval, expected="block or simple")
    check_plant(data)
    values = without_codes(variable_of(data, index).transpose("time", "asset").values.astype(np.float64), index)
    stamp = data["time"].values.astype("datetime64[ns]")
    time = stamp.astype(np.int64)
    if len(time) > 1 and int(np.diff(time).min()) <= 0:
        raise InputError("times that are not in order", where="time", expected="each later than the one before")
    rough = compatibility == "rdtools-3.2"
    simple = interval == "simple" or rough
    later = (pd.DatetimeIndex(stamp) + pd.DateOffset(years=1)).as_unit("ns").to_numpy().astype(np.int64)
    rows, slopes = [], {}
    for column, name in enumerate(map(str, data["asset"].values)):
        there = np.isfinite(values[:, column])
        known = np.flatnonzero(there | (rough and there.any()))
        row: dict[str, Any] = dict.fromkeys(("rate", "lower", "upper", "exceedance"), float("nan"))
        row |= {"pairs": 0, "years": 0.0, "reason": ""}
        t, v = time[known], values[known, column]
        found, when = np.zeros(0), t[:0]
        if len(t) > 1:
            step = int(np.median(np.diff(t)))
            row["years"] = float((t[-1] - t[0] + step) / (365.25 * _DAY))
            if (v > 0).any() and t[-1] >= (pd.Timestamp(t[0]) + pd.DateOffset(years=2)).as_unit("ns").value - step:
                found, when = _slopes(t, v, later[known], recenter)
                when, found = when[np.isfinite(found)], found[np.isfinite(found)]
        slopes[name] = (when.astype("datetime64[ns]"), found)
        if len(found):
            row |= {"rate": float(np.median(found)), "pairs": len(found)}
            if simple:
                bounds = _ordered(found, [(1 - level) / 2, (1 + level) / 2, 1 - exceedance])
            else:
                rng = np.random.default_rng([seed, column])
                drawn = _drawn(found, when, block, simulations, rng)
                bounds = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2, 1 - exceedance])
            row |= dict(zip(("lower", "upper", "exceedance"), map(float, bounds), strict=True))
        else:
            row["reason"] = (
                "no value of the index"
                if not len(t)
                else "the index is not above zero"
                if not (v > 0).any()
                else f"{row['years']:.1f} years of data, and no pairs a year apart; two years are needed"
            )
        rows.append(row)
        progress(column + 1, len(data["asset"]), "plants")
    table = pd.DataFrame(rows)
    facts = {key: at for key, at in data.coords.items() if at.dims == ("asset",)}
    rates = xr.Dataset(
        {str(n): ("asset", v.to_numpy(), {"units": _UNITS[str(n)]} if n in _UNITS else {}) for n, v in table.items()},
        coords=facts,
        attrs={"level": level, "interval": "simple" if simple else f"blocks of {block} days", "seed": seed},
    )
    return YearOnYear(rates, slopes)


def _slopes(time: Ints, values: Floats, later: Ints, recenter: bool) -> tuple[Floats, Ints]:
    """Differences to the last time a year before or up to eight days earlier [%/year of the first year's median]."""
    if recenter:
        early = values[time <= time[0] + 364 * _DAY]
        small = float(np.quantile(np.nan_to_num(early), 0.99)) / 1000
        values = values / float(np.median(early[early > small]))
    # of Feb 28 and 29, whose anniversaries are one, the 28th counts; RdTools takes the one that its sorting leaves last
    date = time.astype("datetime64[ns]").astype("datetime64[D]")
    month = date.astype("datetime64[M]")
    usual = np.flatnonzero(~((month.astype(np.int64) % 12 == 1) & ((date - month).astype(np.int64) == 28)))
    before = np.searchsorted(later[usual], time, side="right") - 1
    there = before >= 0
    there[there] = time[there] - later[usual[before[there]]] <= _TOLERANCE
    now, then = np.flatnonzero(there), usual[before[there]]
    apart = (time[now] - time[then]) / (365.0 * _DAY)
    return 100.0 * (values[now] - values[then]) / apart, time[now]


def _ordered(values: Floats, shares: list[float]) -> Floats:
    """Quantiles of the median of samples drawn from ``values`` with replacement: binomial order statistics."""
    from scipy.stats import binom

    size = len(values)
    ranks = np.sort(values)
    # the median of a draw lies at or below the k-th value when at least half of the draw does
    k = np.arange(1, size + 1)
    chance = binom.sf(np.ceil(size / 2) - 1, size, k / size)
    place = np.searchsorted(chance, np.asarray(shares))
    found: Floats = ranks[np.clip(place, 0, size - 1)]
    return found


def _drawn(values: Floats, when: Ints, block: int, simulations: int, rng: np.random.Generator) -> Floats:
    """Medians of samples drawn in circular blocks of days."""
    day = when // _DAY
    if len(values) > _MOST:
        # a day's median in place of its slots: they are one draw in any case
        cut = np.flatnonzero(np.diff(day, prepend=day[0] - 1))
        values = np.array([np.median(part) for part in np.split(values, cut[1:])])
    size = len(values)
    length = min(block, max(size // 3, 1))
    starts = rng.integers(0, size, (simulations, -(-size // length)))
    found = np.empty(simulations)
    for k in range(simulations):
        rows = (starts[k][:, None] + np.arange(length)[None, :]).ravel()[:size] % size
        found[k] = np.median(values[rows])
    return found
