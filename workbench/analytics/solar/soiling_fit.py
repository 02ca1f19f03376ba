"""One plant's trend, season and soiling together, from its daily index; see :mod:`.degradation_soiling`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench.analytics.solar.soiling_kernel import (
    FULL,
    OUT,
    PARTIAL,
    kinds_of,
    normal_equations,
    partition,
    replicate,
    smooth,
)

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

YEAR = 365.25
MOST_TREND = 0.08  #: per year; what changes faster is no degradation
_QUANTILES = (0.5, 0.7, 0.85, 0.95)  # of the index, where the clean plant is first looked for
_TURNS = 12


@dataclass(frozen=True)
class Prior:
    """What is thought of pieces before they are seen."""

    rate: float = 0.001  #: of soiling [1/day]
    rate_var: float = 0.0015**2
    wander: float = 0.0  #: variance that the loss gains in a day beside its rate
    penalty: tuple[float, ...] = (10.0, 16.0, 0.0, 16.0, 4.0, 0.04)  #: see ``partition``

    @property
    def state(self) -> tuple[float, float, float]:
        """What the filters take."""
        return self.rate, self.rate_var, self.wander


@dataclass
class Pieces:
    """Pieces of the saw-tooth, [piece]."""

    starts: Ints
    ends: Ints
    kinds: Ints
    before: Floats  #: loss at the end of the piece before


_NONE = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))


@dataclass
class Fit:
    """What fits best.

    ``y`` is the logarithm of the index, ``weight`` 1 / variance (0: no value, or an outlier), ``coefficients`` those of
    log level, rate (per year, of the level of the first day), season.
    """

    y: Floats
    weight: Floats
    years: Floats
    season: Floats  # (day, harmonics)
    coefficients: Floats
    pieces: Pieces
    loss: Floats
    kinds: Ints
    rates: Floats
    at_start: Floats
    residual: Floats  #: standardised
    covariance: Floats
    objective: float
    candidates: Bools
    prior: Prior
    places: list[tuple[Floats, float, Floats]]

    @property
    def rate(self) -> float:
        """Change of the clean plant's power per year, of that of the first day."""
        return float(self.coefficients[1])


def harmonics(day_of_year: Floats, number: int) -> Floats:
    """Cosines, then sines of the year and its parts, (day, 2 × number)."""
    angle = 2 * np.pi * day_of_year[:, None] / YEAR * np.arange(1, number + 1)[None, :]
    return np.concatenate([np.cos(angle), np.sin(angle)], axis=1)


def clearness(insolation: Floats) -> Floats:
    """How far each day's insolation is below that of the clear days around, less a tenth; 0 where it is not known."""
    half = 20
    padded = np.concatenate([np.full(half, np.nan), insolation, np.full(half, np.nan)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1)
    top = np.full(len(insolation), np.nan)
    known = np.isfinite(windows).any(axis=1)
    top[known] = np.nanquantile(windows[known], 0.9, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.clip(insolation / top, 0.0, 1.2) - 0.9
    return np.where(np.isfinite(share), share, 0.0)


def noise_scale(y: Floats, insolation: Floats) -> Floats:
    """Standard deviation of each day's index, by its insolation: from differences to the days around it."""
    size = len(y)
    known = np.flatnonzero(np.isfinite(y))
    off = np.full(size, np.nan)
    if len(known) > 10:
        v = y[known]
        near = known[2:] - known[:-2] <= 6
        middle = v[1:-1] - 0.5 * (v[2:] + v[:-2])
        off[known[1:-1][near]] = np.abs(middle[near]) / np.sqrt(1.5)
    there = np.isfinite(off) & np.isfinite(insolation)
    if there.sum() < 100:
        return np.full(size, max(1.4826 * float(np.nanmedian(off)) if there.any() else 0.01, 1e-4))
    edges = np.quantile(insolation[there], np.linspace(0, 1, 9))
    middle_of = np.zeros(8)
    scale = np.zeros(8)
    number = np.clip(np.searchsorted(edges, insolation[there], side="right") - 1, 0, 7)
    for k in range(8):
        middle_of[k] = np.median(insolation[there][number == k]) if (number == k).any() else edges[k]
        scale[k] = 1.4826 * np.median(off[there][number == k]) if (number == k).any() else np.nan
    floor = max(0.3 * float(np.nanmedian(scale)), 1e-4)
    scale = np.where(np.isfinite(scale), np.maximum(scale, floor), np.nanmedian(scale))
    # the difference of a cloudy day to clear neighbours is the cloudy day's, that of a clear day partly theirs
    found: Floats = np.interp(np.where(np.isfinite(insolation), insolation, np.median(middle_of)), middle_of, scale)
    return found


def running_median(values: Floats, half: int) -> Floats:
    """Median of the days within ``half`` of each, without missing ones."""
    padded = np.concatenate([np.full(half, np.nan), values, np.full(half, np.nan)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1)
    known = np.isfinite(windows).any(axis=1)
    found = np.full(len(values), np.nan)
    found[known] = np.nanmedian(windows[known], axis=1)
    return found


def quantile_start(y: Floats, weight: Floats, design: Floats, share: float) -> Floats:
    """Coefficients of the ``share`` quantile of ``y``, roughly: by reweighted least squares."""
    use = weight > 0
    x, v = design[use], y[use]
    found = np.linalg.lstsq(x, v, rcond=None)[0]
    found[0] += np.quantile(v - x @ found, share)
    for _ in range(15):
        off = v - x @ found
        w = np.where(off > 0, share, 1 - share) / np.maximum(np.abs(off), 0.003)
        found = np.linalg.lstsq(x * np.sqrt(w)[:, None], v * np.sqrt(w), rcond=None)[0]
    return np.asarray(found, dtype=np.float64)


def design_of(years: Floats, season: Floats, rate: float) -> Floats:
    """Derivatives of the log of ``level × (1 + rate × years) × season`` by log level, rate and season."""
    trend = years / np.maximum(1 + rate * years, 0.1)
    return np.concatenate([np.ones((len(years), 1)), trend[:, None], season], axis=1)


def clean_level(years: Floats, season: Floats, coefficients: Floats) -> Floats:
    """Logarithm of the clean plant's index."""
    found: Floats = coefficients[0] + np.log(np.maximum(1 + coefficients[1] * years, 0.05)) + season @ coefficients[2:]
    return found


def losses(y: Floats, weight: Floats, level: Floats) -> tuple[Floats, Floats]:
    """Loss of each day against the clean plant, and its weight; 0 where there is no value.

    The noise is that of the logarithm: the loss of a day that shows half has half of it.
    """
    shown = np.where(weight > 0, np.exp(np.clip(np.where(weight > 0, y - level, 0.0), -3, 3)), 1.0)
    loss: Floats = 1 - shown
    precision: Floats = weight / shown**2
    return loss, precision


def improve(
    y: Floats, weight: Floats, years: Floats, season: Floats, coefficients: Floats, pieces: Pieces, prior: Prior,
    ridge: Floats, turns: int = 3,
) -> tuple[Floats, Floats, float]:  # fmt: skip
    """Level, trend and season given the pieces: coefficients, their information matrix, −2 log likelihood."""
    size = len(coefficients)
    normal, objective = np.zeros((size, size)), np.inf
    nothing = np.zeros((0, size))
    for _ in range(turns):
        loss, precision = losses(y, weight, clean_level(years, season, coefficients))
        design = design_of(years, season, coefficients[1])
        columns = np.column_stack([loss, (1 - loss)[:, None] * design])
        products, logs = normal_equations(
            columns, precision, pieces.starts, pieces.ends, pieces.kinds, pieces.before, *prior.state, nothing
        )
        normal = products[1:, 1:] + np.diag(ridge)
        step = -np.linalg.solve(normal, products[1:, 0] + ridge * coefficients)
        objective = float(products[0, 0] + logs)
        coefficients = coefficients + step
        coefficients[1] = min(max(coefficients[1], -MOST_TREND), MOST_TREND)
    return coefficients, normal, objective


def alternate(
    y: Floats, weight: Floats, years: Floats, season: Floats, start: Floats, candidates: Bools, prior: Prior,
    ridge: Floats, turns: int = _TURNS,
) -> tuple[Floats, Pieces, float, Floats]:  # fmt: skip
    """Pieces given the clean plant, and the clean plant given the pieces, until neither changes."""
    coefficients = start.copy()
    before: Ints | None = None
    penalty = np.array(prior.penalty)
    pieces, cost, normal = Pieces(*_NONE), np.inf, np.zeros((len(start), len(start)))
    for _ in range(turns):
        loss, precision = losses(y, weight, clean_level(years, season, coefficients))
        *found, cost = partition(loss, precision, candidates, penalty, *prior.state)
        cost += float(ridge @ coefficients**2)
        pieces = Pieces(*found)
        coefficients, normal, _objective = improve(y, weight, years, season, coefficients, pieces, prior, ridge)
        # a plant that is never clean has no level of its own: any would do
        cost += 1000.0 * float(((pieces.kinds == PARTIAL).sum() + 1) > 0.9 * ((pieces.kinds != OUT).sum() + 1) + 1)
        key = np.concatenate([pieces.starts, pieces.kinds])
        if before is not None and len(before) == len(key) and bool((before == key).all()):
            break
        before = key
    return coefficients, pieces, float(cost), normal


def search(
    y: Floats, weight: Floats, years: Floats, season: Floats, found: tuple[Floats, Pieces, float, Floats],
    candidates: Bools, prior: Prior, ridge: Floats, passes: int = 3,
) -> tuple[tuple[Floats, Pieces, float, Floats], list[tuple[Floats, float, Floats]]]:  # fmt: skip
    """The best of what ``alternate`` finds from around; and all the places that it found.

    Pieces and clean plant hold each other in place: from a wrong level the alternation does not come back by itself.
    """
    orders = (season.shape[1] - 2) // 2
    directions = [(0, 0.004), (0, 0.01), (1, 0.0015), (2, 0.004), (2 + orders, 0.004)]
    middle = float(years.mean())
    best = found
    places = [(found[0], found[2], found[3])]
    for _ in range(passes):
        before = best[2]
        for place, size in directions:
            for sign in (1.0, -1.0):
                start = best[0].copy()
                start[place] += sign * size
                if place == 1:
                    start[0] -= sign * size * middle
                trial = alternate(y, weight, years, season, start, candidates, prior, ridge, 6)
                places.append((trial[0], trial[2], trial[3]))
                if trial[2] < best[2] - 1e-6:
                    best = trial
        if best[2] > before - 0.1:
            break
    return best, places


def candidate_days(weight: Floats) -> Bools:
    """Days on which a piece may begin, and the end: all that have a value."""
    size = len(weight)
    found = np.zeros(size + 1, bool)
    found[:size] = weight > 0
    found[0] = found[size] = True
    return found


def learn(pieces: Pieces, rates: Floats, rate_vars: Floats, share: float, prior: Prior) -> Prior:
    """What the pieces found say of pieces: how often they begin, how often clean, at which rates."""
    soiled = (pieces.kinds == FULL) | (pieces.kinds == PARTIAL)
    length = (pieces.ends - pieces.starts)[soiled].astype(np.float64)
    hazard = min(soiled.sum() / length.sum(), 0.3)
    mean = float(np.average(rates[soiled], weights=length))
    var = float(np.average((rates[soiled] - mean) ** 2 + rate_vars[soiled], weights=length))
    mean = max(mean, 1e-5)
    # that some cleanings are thorough is what tells the level of the clean plant
    partial = min((float((pieces.kinds == PARTIAL).sum()) + 1.0) / (float(soiled.sum()) + 4.0), 0.5)
    begin = -2 * np.log(hazard)
    return Prior(
        rate=mean,
        rate_var=max(var, (0.2 * mean) ** 2),
        wander=prior.wander,
        penalty=(
            begin - 2 * np.log(1 - partial),
            begin - 2 * np.log(partial),
            begin + 4.0,
            prior.penalty[3],
            prior.penalty[4],
            -2 * np.log(1 - hazard),
        ),
    )


def inflation(z: Floats, use: Bools) -> float:
    """By how much days that resemble those before them tell less than as many that do not: 1 + 2 Σ autocorrelations."""
    z = np.where(use, np.clip(z, -3, 3), np.nan)
    var = float(np.nanmean(z * z))
    total = 1.0
    for lag in range(1, 8):
        keep = float(np.nanmean(z[lag:] * z[:-lag])) / var
        if not keep > 0.05:
            break
        total += 2 * keep
    return float(np.clip(total, 1.0, 6.0))


def ridge_of(orders: int) -> Floats:
    """Precision of what is thought of the coefficients beforehand: a rate of some percent, seasons of some percent."""
    return np.concatenate(
        [[1e-6, 1 / 0.015**2], 1 / np.tile(0.05 / np.arange(1, orders + 1) ** 1.5, 2) ** 2, [100.0, 100.0]]
    )


def fit_plant(index: Floats, insolation: Floats, day_of_year: Floats, *, orders: int = 4) -> Fit:
    """Trend, season and soiling of one plant from its daily index; NaN where there is none."""
    size = len(index)
    with np.errstate(invalid="ignore", divide="ignore"):
        y = np.where(np.isfinite(index) & (index > 0), np.log(index), np.nan)
    years = np.arange(size) / YEAR
    dim = clearness(insolation)
    season = np.column_stack([harmonics(day_of_year, orders), dim, dim * dim])
    scale = noise_scale(y, insolation)
    local = running_median(y, 7)
    spread = np.hypot(scale, 1.4826 * np.nanmedian(np.abs(y - local)))
    outlier = np.abs(y - local) > 5 * spread
    weight = np.where(np.isfinite(y) & ~outlier, 1 / scale**2, 0.0)
    y0 = np.where(np.isfinite(y), y, 0.0)
    candidates = candidate_days(weight)
    prior = Prior()
    ridge = ridge_of(orders)
    base = np.concatenate([np.ones((size, 1)), years[:, None], season[:, [0, orders]]], axis=1)
    starts: list[tuple[Floats, Pieces, float, Floats]] = []
    places: list[tuple[Floats, float, Floats]] = []
    for share in _QUANTILES:
        rough = quantile_start(y0, weight, base, share)
        start = np.zeros(2 + season.shape[1])
        start[:2] = rough[:2]
        start[[2, 2 + orders]] = rough[2:]
        starts.append(alternate(y0, weight, years, season, start, candidates, prior, ridge))
    coefficients, pieces, cost, normal = min(starts, key=lambda one: one[2])
    for turn in range(3):
        level = clean_level(years, season, coefficients)
        u, precision = losses(y0, weight, level)
        mean, _, rates, rate_vars, _ = smooth(
            u, precision, pieces.starts, pieces.ends, pieces.kinds, pieces.before, *prior.state
        )
        kinds = kinds_of(pieces.starts, pieces.ends, pieces.kinds, size)
        off = y0 - level - np.log(1 - mean)
        use = (weight > 0) & (kinds != OUT)
        factor = 1.4826 * np.median(np.abs(off[use]) * np.sqrt(weight[use]))
        if turn == 0:
            weight = weight / max(factor, 0.5) ** 2 / inflation(off * np.sqrt(weight) / factor, use)
        z = off * np.sqrt(weight)
        weight = np.where((kinds != OUT) & (np.abs(z) > 5), 0.0, weight)
        soiled = (pieces.kinds == FULL) | (pieces.kinds == PARTIAL)
        share = float(((kinds == FULL) | (kinds == PARTIAL)).mean())
        if soiled.sum() >= 6 and share > 0.3:
            prior = learn(pieces, rates, rate_vars, share, prior)
            trials = []
            for times in (0.0, 0.1, 0.4, 1.6, 6.4):
                trial = Prior(prior.rate, prior.rate_var, times * prior.rate**2, prior.penalty)
                trials.append((improve(y0, weight, years, season, coefficients, pieces, trial, ridge)[2], trial))
            prior = min(trials, key=lambda one: one[0])[1]
        here = alternate(y0, weight, years, season, coefficients, candidates, prior, ridge)
        if turn > 0:
            here, places = search(y0, weight, years, season, here, candidates, prior, ridge)
        coefficients, pieces, cost, normal = here
    level = clean_level(years, season, coefficients)
    u, precision = losses(y0, weight, level)
    mean, _, rates, _, at_start = smooth(
        u, precision, pieces.starts, pieces.ends, pieces.kinds, pieces.before, *prior.state
    )
    kinds = kinds_of(pieces.starts, pieces.ends, pieces.kinds, size)
    residual = np.where((weight > 0) & (kinds != OUT), (y0 - level - np.log(1 - mean)) * np.sqrt(weight), np.nan)
    return Fit(
        y0, weight, years, season, coefficients, pieces, mean, kinds, rates, at_start, residual,
        np.asarray(np.linalg.inv(normal), dtype=np.float64), cost, candidates, prior, places,
    )  # fmt: skip


def clustered(fit: Fit, longest: int = 45) -> Floats:
    """Covariance of the coefficients from how the pieces of the saw-tooth agree, whatever their noise is like.

    A piece is a cluster (the clean time in parts of ``longest`` days): what its shape is wrong in counts once.
    """
    loss, precision = losses(fit.y, fit.weight, clean_level(fit.years, fit.season, fit.coefficients))
    columns = np.column_stack([loss, (1 - loss)[:, None] * design_of(fit.years, fit.season, fit.coefficients[1])])
    p = fit.pieces
    scores = np.zeros((len(loss), columns.shape[1] - 1))
    normal_equations(columns, precision, p.starts, p.ends, p.kinds, p.before, *fit.prior.state, scores)
    number = np.searchsorted(p.starts, np.arange(len(loss)), side="right")
    part = (np.arange(len(loss)) - p.starts[number - 1]) // longest
    _, label = np.unique(number * 1000 + part, return_inverse=True)
    count = int(label.max()) + 1
    sums = np.stack([np.bincount(label, scores[:, c], minlength=count) for c in range(scores.shape[1])], axis=1)
    middle = sums.T @ sums * count / max(count - scores.shape[1], 1)
    found: Floats = fit.covariance @ middle @ fit.covariance
    return found


def bootstrap_days(fit: Fit) -> Bools:
    """Days on which a piece of made-up data may begin: where one does, the days around, and where the loss jumps down."""
    size = len(fit.y)
    found = np.zeros(size + 1, bool)
    for start in fit.pieces.starts:
        found[max(start - 2, 0) : start + 3] = True
    loss, precision = losses(fit.y, fit.weight, clean_level(fit.years, fit.season, fit.coefficients))
    half = 5
    total = np.concatenate([[0.0], np.cumsum(precision * loss)])
    weight = np.concatenate([[0.0], np.cumsum(precision)])
    place = np.arange(size + 1)
    low, high = np.maximum(place - half, 0), np.minimum(place + half, size)
    with np.errstate(invalid="ignore", divide="ignore"):
        before = (total[place] - total[low]) / (weight[place] - weight[low])
        after = (total[high] - total[place]) / (weight[high] - weight[place])
        sharp = (before - after) / np.sqrt(1 / (weight[place] - weight[low]) + 1 / (weight[high] - weight[place]))
    sharp = np.where(np.isfinite(sharp), sharp, 0.0)
    padded = np.concatenate([np.zeros(2), sharp, np.zeros(2)])
    top = np.lib.stride_tricks.sliding_window_view(padded, 5).max(axis=1)
    found |= (sharp > 1.5) & (sharp >= top)
    found &= fit.candidates
    found[0] = found[size] = True
    return found


def bootstrap(
    fit: Fit, insolation: Floats, rng: np.random.Generator, number: int, block: int, turns: int = 2
) -> Floats:
    """Rate [1/year] and soiling ratio of ``number`` made-up series, (number, 2)."""
    residual = fit.residual[np.isfinite(fit.residual)]
    residual = residual - residual.mean()
    size = len(fit.y)
    scatter = 1 / np.sqrt(np.where(fit.weight > 0, fit.weight, 1.0))
    blocks = rng.integers(0, len(residual), (number, -(-size // block)))
    random = rng.standard_normal((number, size)) if fit.prior.wander > 0 else np.zeros((number, size))
    where = np.where(np.isfinite(insolation), insolation, 0.0)
    p = fit.pieces
    weight = np.where(fit.kinds == OUT, 0.0, fit.weight)
    ridge = ridge_of((fit.season.shape[1] - 2) // 2)
    found: Floats = replicate(
        random, blocks, residual, scatter, weight, fit.years, fit.season, fit.coefficients, ridge,
        p.starts, p.ends, p.kinds, fit.at_start, fit.rates, bootstrap_days(fit), np.array(fit.prior.penalty),
        *fit.prior.state, where, turns,
    )  # fmt: skip
    return found
