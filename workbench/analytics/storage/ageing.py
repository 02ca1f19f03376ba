"""Ageing of batteries: loss by time and by use, and how long until the end of life, with intervals.

The loss of health is start + a sqrt(age) + b cycles^z, a and b not negative: the calendar part grows with the root of time
as the layer on the anode does, the part by use about linearly with what passed through [1]_. The exponent z is not known
beforehand; each of a few is weighted by how well it fits, so that an interval holds what the choice of a law would hide.
Health that was measured wanders about its course for weeks: residuals are a first-order autoregression. A knee, where
ageing turns to something else, is in no interval: nothing before it tells of it.

References
----------
.. [1] J. Schmalstieg, S. Käbitz, M. Ecker, D. U. Sauer, "A holistic aging model for Li(NiMnCo)O2 based 18650 lithium-ion
   batteries", Journal of Power Sources 257, 2014, https://doi.org/10.1016/j.jpowsour.2014.02.012; K. Smith, A. Saxon, M.
   Keyser et al., "Life prediction model for grid-connected Li-ion battery energy storage system", American Control
   Conference 2017, https://doi.org/10.23919/ACC.2017.7963578.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from workbench.analytics.storage.fields import Floats, facts_of, need, prepared, tell
from workbench.model.errors import InputError
from workbench.steps import progress, remark, step

EXPONENTS = (0.5, 0.75, 1.0, 1.25, 1.5)
_FEWEST = 6
_YEAR = 365.25


@dataclass(frozen=True)
class Ageing:
    """What :func:`remaining_life` finds.

    Attributes
    ----------
    life
        dims (asset): ``remaining_years`` [year], median from the last observation on, ``lower``, ``upper``; NaN where it is
        beyond the horizon, and then ``caution`` says so; ``end_of_life``, the date of the median, where the observations have
        dates; ``calendar`` [%/sqrt(year)], ``cycle`` [%], loss of a thousand cycles from new, ``exponent`` [1], medians;
        ``health_new`` [%], by the fit; ``residual`` [%], standard deviation; ``correlation`` [1] of residuals; ``observations``;
        the texts ``reason`` and ``caution``.
    course
        dims (ahead, asset): ``state_of_health`` [%], ``lower``, ``upper``; ``ahead`` [year] from the last observation.
    """

    life: xr.Dataset
    course: xr.Dataset


def remaining_life(
    health: xr.Dataset,
    *,
    end_of_life: float = 70.0,
    cycles_per_year: float | None = None,
    horizon: float = 30.0,
    exponents: Sequence[float] = EXPONENTS,
    simulations: int = 1000,
    seed: int = 0,
    level: float = 0.9,
) -> Ageing:
    """Ageing law of each battery and the time until its health falls to ``end_of_life``, with intervals.

    Parameters
    ----------
    health
        dims (period, asset): ``state_of_health`` [%]; ``std`` [%] where known, else all count alike; ``age`` [year] since new
        (the time of ``period`` since ``in_service`` if left out; a battery aged by use alone has zeros); ``cycles`` [1],
        equivalent full cycles since new.
    end_of_life
        Health at which it ends [%].
    cycles_per_year
        Future use [1/year]; that of the observations if left out.
    horizon
        How far ahead is looked [year].
    exponents
        Of the part by use; one of them settles the law.
    simulations, seed, level
        Of the interval.

    Raises
    ------
    InputError
        A field is missing or a setting is wrong. Too few observations are no error: NaN and the reason.
    """
    if not 0 < level < 1 or not horizon > 0 or not exponents or min(exponents) <= 0 or simulations < 20:
        raise InputError(
            "a setting is wrong", where="level, horizon, exponents or simulations", found=f"{level}, {horizon}"
        )
    for name in ("state_of_health", "cycles"):
        if name not in health:
            raise InputError(
                "a field is missing",
                where=f"health.{name}",
                expected="state_of_health [%], cycles [1], dims (period, asset)",
            )
    if "asset" not in health.dims:
        health = health.expand_dims(asset=["battery"])
    soh = health["state_of_health"].transpose("period", "asset").values.astype(np.float64)
    use = health["cycles"].transpose("period", "asset").values.astype(np.float64)
    std = health["std"].transpose("period", "asset").values.astype(np.float64) if "std" in health else np.ones_like(soh)
    age = _ages(health)
    ahead = np.linspace(0.0, horizon, 601)
    size = soh.shape[1]
    names = (
        "remaining_years", "lower", "upper", "calendar", "cycle", "exponent", "health_new", "residual", "correlation",
        "observations",
    )  # fmt: skip
    table = {n: np.full(size, np.nan) for n in names}
    course = {n: np.full((len(ahead), size), np.nan) for n in ("state_of_health", "lower", "upper")}
    dates = np.full(size, np.datetime64("NaT", "ns"), dtype="datetime64[ns]")
    reason, caution = np.full(size, "", dtype=object), np.full(size, "", dtype=object)
    for column in range(size):
        progress(column, size, "batteries")
        known = np.isfinite(soh[:, column]) & np.isfinite(use[:, column]) & np.isfinite(age[:, column])
        rows = np.flatnonzero(known)
        table["observations"][column] = len(rows)
        if len(rows) < _FEWEST:
            reason[column] = f"{len(rows)} observations of health; {_FEWEST} are needed"
            continue
        t, n, y = age[rows, column], use[rows, column], soh[rows, column]
        weight = 1.0 / np.where(std[rows, column] > 0, std[rows, column], 1.0)
        rate = cycles_per_year
        if rate is None:
            rate = float(np.ptp(n) / np.ptp(t)) if np.ptp(t) > 0 else float("nan")
        if not np.isfinite(rate):
            reason[column] = "the age does not change and cycles_per_year is not given: the future use is unknown"
            continue
        drawn, residual, keep = _draws(t, n, y, weight, exponents, simulations, np.random.default_rng([seed, column]))
        future = _course(drawn, t[-1] + ahead, n[-1] + rate * ahead)
        years = _crossing(future, ahead, end_of_life)
        half = (1 - level) / 2
        quantiles = np.quantile(np.where(np.isnan(years), np.inf, years), [half, 0.5, 1 - half], method="inverted_cdf")
        table["lower"][column], table["remaining_years"][column], table["upper"][column] = (
            q if np.isfinite(q) else np.nan for q in quantiles
        )
        beyond = float(np.isnan(years).mean())
        if beyond > half:
            caution[column] = (
                f"{100 * beyond:.0f} % of the simulations do not come to {end_of_life:g} % within {horizon:g} years"
            )
        if np.ptp(y) < 3 * residual:
            caution[column] = "; ".join(
                w for w in (caution[column], "hardly any loss was seen yet beside the scatter") if w
            )
        course["lower"][:, column], course["state_of_health"][:, column], course["upper"][:, column] = np.quantile(
            future, [half, 0.5, 1 - half], axis=0
        )
        table["calendar"][column] = np.median(drawn["calendar"])
        table["cycle"][column] = np.median(drawn["cycle"])
        table["exponent"][column] = np.median(drawn["exponent"])
        table["health_new"][column] = np.median(drawn["start"])
        table["residual"][column], table["correlation"][column] = residual, keep
        if health["period"].dtype.kind == "M" and np.isfinite(table["remaining_years"][column]):
            last = health["period"].values[rows[-1]].astype("datetime64[ns]")
            dates[column] = last + np.timedelta64(round(table["remaining_years"][column] * _YEAR * 86400), "s")
    progress(size, size, "batteries")
    units = {
        "calendar": "%/year^0.5", "cycle": "%", "exponent": "1", "health_new": "%", "residual": "%", "correlation": "1",
        "observations": "1",
    }  # fmt: skip
    facts = facts_of(health)
    life = xr.Dataset(
        {n: ("asset", v, {"units": units.get(n, "year")}) for n, v in table.items()},
        coords=facts,
        attrs={"end_of_life": end_of_life, "level": level, "seed": seed, "simulations": simulations},
    ).assign(end_of_life=("asset", dates), reason=("asset", reason), caution=("asset", caution))
    found = xr.Dataset(
        {n: (("ahead", "asset"), v, {"units": "%"}) for n, v in course.items()},
        coords={"ahead": ("ahead", ahead, {"units": "year"}), **facts},
    )
    return Ageing(life, found)


def _ages(health: xr.Dataset) -> Floats:
    """Age [year], [period, asset]."""
    if "age" in health:
        return np.asarray(health["age"].transpose("period", "asset").values, dtype=np.float64)
    if health["period"].dtype.kind != "M":
        raise InputError(
            "neither an age nor dates", where="health.age", found=str(health["period"].dtype), expected="age [year]"
        )
    times = health["period"].values.astype("datetime64[ns]")
    size = health.sizes["asset"]
    begin = np.full(size, times[0])
    if "in_service" in health.coords:
        given = health["in_service"].values.astype("datetime64[ns]")
        begin = np.where(np.isnat(given), begin, given)
    else:
        remark("remaining_life: no in_service: the age is counted from the first period")
    found: Floats = np.maximum((times[:, None] - begin) / np.timedelta64(86400, "s") / _YEAR, 0.0)
    return found


def _fits(design: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Least squares of columns of ``y`` [n, draw] with all but the first coefficient not negative; [part, draw] and the squares left.

    With two such parts there are four sets of parts to try; the best of those without a negative coefficient is the answer.
    """
    parts = design.shape[1]
    best = np.full(y.shape[1], np.inf)
    found = np.zeros((parts, y.shape[1]))
    for mask in range(2 ** (parts - 1)):
        use = [0] + [k + 1 for k in range(parts - 1) if mask >> k & 1]
        coefficient = np.linalg.pinv(design[:, use]) @ y
        left = ((y - design[:, use] @ coefficient) ** 2).sum(axis=0)
        good = (coefficient[1:] >= 0).all(axis=0) & (left < best)
        best = np.where(good, left, best)
        full = np.zeros_like(found)
        full[use] = coefficient
        found = np.where(good, full, found)
    return found, best


def _draws(
    t: Floats, n: Floats, y: Floats, weight: Floats, exponents: Sequence[float], size: int, rng: np.random.Generator
) -> tuple[dict[str, Floats], float, float]:
    """Laws that the observations allow: ``start`` [%], ``calendar``, ``cycle``, ``exponent``, each [draw]; residual and its correlation."""
    weight = weight / np.sqrt((weight**2).mean())
    loss = 100.0 - y
    designs, means, lefts = [], [], []
    for z in exponents:
        design = np.stack([np.ones(len(t)), np.sqrt(t), (n / 1000.0) ** z], axis=1)
        coefficient, left = _fits(design * weight[:, None], (loss * weight)[:, None])
        designs.append(design)
        means.append(design @ coefficient[:, 0])
        lefts.append(float(left[0]))
    best = int(np.argmin(lefts))
    residual = (loss - means[best]) * weight
    keep = _correlation(residual)
    effective = max(len(t) * (1 - keep) / (1 + keep), 4.0)
    odds = np.exp(-0.5 * effective * (np.log(np.maximum(lefts, 1e-12)) - np.log(max(lefts[best], 1e-12))))
    picks = rng.choice(len(exponents), size, p=odds / odds.sum())
    free = max(effective - 3.0, 1.0)
    scale = np.sqrt(lefts[best] / max(len(t) - 3, 1)) * np.sqrt(free / rng.chisquare(free, size))
    found = {k: np.empty(size) for k in ("start", "calendar", "cycle", "exponent")}
    for pick in np.unique(picks):
        at = np.flatnonzero(picks == pick)
        noise = _series(keep, len(t), len(at), rng) * scale[at] / weight[:, None]
        drawn = (means[pick][:, None] + noise) * weight[:, None]
        coefficient, _ = _fits(designs[pick] * weight[:, None], drawn)
        found["start"][at], found["calendar"][at] = 100.0 - coefficient[0], coefficient[1]
        found["cycle"][at], found["exponent"][at] = coefficient[2], exponents[pick]
    return found, float(np.sqrt(lefts[best] / max(len(t) - 3, 1))), keep


def _correlation(residual: Floats) -> float:
    """Of a residual with the one before, freed of most of the bias of a short series; in [0, 0.95]."""
    square = float((residual**2).sum())
    if len(residual) < 8 or square == 0:
        return 0.0
    seen = float((residual[1:] * residual[:-1]).sum()) / square
    return float(np.clip(seen + (1 + 4 * max(seen, 0.0)) / len(residual), 0.0, 0.95))


def _series(keep: float, size: int, draws: int, rng: np.random.Generator) -> Floats:
    """First-order series of unit deviation, [size, draw]."""
    noise = rng.normal(0, 1, (size, draws))
    noise[1:] *= np.sqrt(1 - keep**2)
    for i in range(1, size):
        noise[i] += keep * noise[i - 1]
    return noise


def _course(drawn: dict[str, Floats], t: Floats, n: Floats) -> Floats:
    """Health [%] at ages and cycles, [draw, time]."""
    used = (n / 1000.0)[None, :] ** drawn["exponent"][:, None]
    found: Floats = drawn["start"][:, None] - drawn["calendar"][:, None] * np.sqrt(t) - drawn["cycle"][:, None] * used
    return found


def _crossing(course: Floats, ahead: Floats, limit: float) -> Floats:
    """Years until each draw is at the limit, [draw]; zero where it is below at once, NaN where it never is."""
    under = course <= limit
    at = np.argmax(under, axis=1)
    some = under.any(axis=1)
    before = np.maximum(at - 1, 0)
    rows = np.arange(len(course))
    high, low = course[rows, before], course[rows, at]
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.where(high > low, (high - limit) / (high - low), 0.0)
    found = np.where(at == 0, 0.0, ahead[before] + part * (ahead[at] - ahead[before]))
    return np.where(some, found, np.nan)


@step("battery_remaining_life")
def add_remaining_life(
    data: xr.Dataset,
    *,
    health: str = "state_of_health",
    cycles: str = "cycle_count",
    end_of_life: float = 70.0,
    cycles_per_year: float | None = None,
    simulations: int = 1000,
    seed: int = 0,
    level: float = 0.9,
) -> xr.Dataset:
    """Years until each battery's health is at the end of life, from the course of a field of its health and of its cycles.

    Parameters
    ----------
    data
        dims (time, asset): health [%] and equivalent full cycles since new [1] at each time; the coordinate ``in_service``. What is
        the management's own estimate is told on as it stands; monthly values of :func:`state_of_health` say more.
    health, cycles
        Fields.
    end_of_life
        Health at which it ends [%].
    cycles_per_year
        Future use [1/year]; that of the data if left out.
    simulations, seed, level
        Of the interval.

    Returns
    -------
    The data with ``remaining_life``, its ``_lower`` and ``_upper`` [year], dims (asset), from the last time on.

    Raises
    ------
    InputError
        A field is missing.
    """
    data = prepared(data)
    soh, use = need(data, health), need(data, cycles)
    week = data["time"].values.astype("datetime64[D]").astype(np.int64) // 7
    _, first, group = np.unique(week, return_index=True, return_inverse=True)
    table = {n: np.full((len(first), soh.shape[1]), np.nan) for n in ("state_of_health", "cycles")}
    for g in range(len(first)):
        rows = group == g
        for name, values in (("state_of_health", soh), ("cycles", use)):
            for column in range(soh.shape[1]):
                some = values[rows, column][np.isfinite(values[rows, column])]
                if len(some):
                    table[name][g, column] = np.median(some)
    observed = xr.Dataset(
        {n: (("period", "asset"), v) for n, v in table.items()},
        coords={"period": data["time"].values[first], **facts_of(data)},
    )
    found = remaining_life(
        observed,
        end_of_life=end_of_life,
        cycles_per_year=cycles_per_year,
        simulations=simulations,
        seed=seed,
        level=level,
    ).life
    tell("battery_remaining_life", found)
    names = {"remaining_life": "remaining_years", "remaining_life_lower": "lower", "remaining_life_upper": "upper"}
    return data.assign({n: ("asset", found[s].values, {"units": "year"}) for n, s in names.items()})
