"""One plant's trend, season and soiling together, from its daily index; see :mod:`.degradation_soiling`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench.analytics.solar.soiling_kernel import FULL, OUT, PARTIAL, loss_of, partition, solve

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

YEAR = 365.25
LONGEST = 400  #: days of a piece of the saw-tooth
MOST_RATE = 0.02  #: soiling of a day; what falls faster is something else
_QUANTILES = (0.5, 0.7, 0.85, 0.95)  # of the index, where the clean plant is first looked for
_TURNS = 12


@dataclass
class Pieces:
    """Pieces of the saw-tooth, [piece]."""

    starts: Ints
    ends: Ints
    kinds: Ints
    at_start: Floats  #: loss of the first day
    rates: Floats  #: loss of a day

    def copy(self) -> Pieces:
        return Pieces(self.starts, self.ends, self.kinds, self.at_start.copy(), self.rates.copy())


@dataclass
class Fit:
    """What fits best.

    ``y`` is the logarithm of the index, ``weight`` 1 / variance (0: no value, or an outlier), ``coefficients`` those of
    ``design``: level, trend (of the logarithm, per year, at the first day), season.
    """

    y: Floats
    weight: Floats
    years: Floats
    season: Floats  # (day, harmonics)
    coefficients: Floats
    pieces: Pieces
    loss: Floats
    kinds: Ints
    residual: Floats  #: standardised
    covariance: Floats
    objective: float
    candidates: Bools
    prior: tuple[float, float]
    penalty: Floats

    @property
    def rate(self) -> float:
        """Change of the clean plant's power per year, of that of the first day."""
        return float(self.coefficients[1])


def harmonics(day_of_year: Floats, number: int) -> Floats:
    angle = 2 * np.pi * day_of_year[:, None] / YEAR * np.arange(1, number + 1)[None, :]
    return np.concatenate([np.cos(angle), np.sin(angle)], axis=1)


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
    return found


def design_of(years: Floats, season: Floats, rate: float) -> Floats:
    """Derivatives of the log of ``level × (1 + rate × years) × season`` by log level, rate and season."""
    trend = years / np.maximum(1 + rate * years, 0.1)
    return np.concatenate([np.ones((len(years), 1)), trend[:, None], season], axis=1)


def clean_level(years: Floats, season: Floats, coefficients: Floats) -> Floats:
    """Logarithm of the clean plant's index."""
    found: Floats = (
        coefficients[0] + np.log(np.maximum(1 + coefficients[1] * years, 0.05)) + season @ coefficients[2:]
    )
    return found


def alternate(
    y: Floats, weight: Floats, years: Floats, season: Floats, start: Floats, candidates: Bools,
    penalty: Floats, prior: tuple[float, float], turns: int, ridge: Floats,
) -> tuple[Floats, Pieces, float, Floats]:  # fmt: skip
    """Pieces given the clean plant, and the clean plant given the pieces, until neither changes."""
    coefficients = start.copy()
    before: Ints | None = None
    pieces, cost, normal = None, np.inf, np.zeros((len(start), len(start)))
    for _ in range(turns):
        level = clean_level(years, season, coefficients)
        loss = np.where(weight > 0, 1 - np.exp(np.where(weight > 0, y - level, 0.0)), 0.0)
        *found, cost = partition(loss, weight, candidates, LONGEST, penalty, prior[0], prior[1], MOST_RATE)
        pieces = Pieces(*found)
        for _ in range(3):
            design = design_of(years, season, coefficients[1])
            base = np.log(np.maximum(1 + coefficients[1] * years, 0.05)) - design[:, 1] * coefficients[1]
            coefficients, normal = solve(
                y - base, weight, design, pieces.starts, pieces.ends, pieces.kinds, pieces.at_start, pieces.rates,
                prior[0], prior[1], ridge,
            )  # fmt: skip
            coefficients[1] = min(max(coefficients[1], -0.15), 0.15)
        key = np.concatenate([pieces.starts, pieces.kinds])
        if before is not None and len(before) == len(key) and bool((before == key).all()):
            break
        before = key
    assert pieces is not None
    return coefficients, pieces, float(cost), normal


def candidate_days(y: Floats, weight: Floats) -> Bools:
    """Days on which a piece may begin, and the end: all that have a value, or follow one that has not."""
    size = len(y)
    found = np.zeros(size + 1, bool)
    found[:size] = weight > 0
    found[0] = found[size] = True
    return found


def fit_plant(
    index: Floats, insolation: Floats, day_of_year: Floats, *, harmonics_number: int = 2,
    penalties: tuple[float, float, float, float, float] = (14.0, 22.0, 16.0, 4.0, 0.0), second: bool = True,
) -> Fit:  # fmt: skip
    """Trend, season and soiling of one plant from its daily index; NaN where there is none."""
    size = len(index)
    with np.errstate(invalid="ignore", divide="ignore"):
        y = np.where(np.isfinite(index) & (index > 0), np.log(index), np.nan)
    years = np.arange(size) / YEAR
    season = harmonics(day_of_year, harmonics_number)
    scale = noise_scale(y, insolation)
    local = running_median(y, 7)
    spread = np.hypot(scale, 1.4826 * np.nanmedian(np.abs(y - local)))
    outlier = np.abs(y - local) > 5 * spread
    weight = np.where(np.isfinite(y) & ~outlier, 1 / scale**2, 0.0)
    y0 = np.where(np.isfinite(y), y, 0.0)
    candidates = candidate_days(y0, weight)
    penalty = np.array(penalties)
    prior = (0.0, 0.0)
    ridge = np.array([0.0, 1.0] + [1.0 / 0.05**2] * season.shape[1])
    base = np.concatenate([np.ones((size, 1)), years[:, None], season[:, [0, harmonics_number]]], axis=1)
    best = None
    for share in _QUANTILES:
        rough = quantile_start(y0, weight, base, share)
        start = np.zeros(2 + season.shape[1])
        start[:2] = rough[:2]
        start[[2, 2 + harmonics_number]] = rough[2:]
        found = alternate(y0, weight, years, season, start, candidates, penalty, prior, _TURNS, ridge)
        if best is None or found[2] < best[2]:
            best = found
    assert best is not None
    coefficients, pieces, cost, normal = best
    for turn in range(2 if second else 0):
        level = clean_level(years, season, coefficients)
        loss, kinds = loss_of(pieces.starts, pieces.ends, pieces.kinds, pieces.at_start, pieces.rates, size)
        off = y0 - level - np.log(1 - loss)
        use = (weight > 0) & (kinds != OUT)
        # the differences of days told the scale; what the fit leaves tells it better
        factor = 1.4826 * np.median(np.abs(off[use]) * np.sqrt(weight[use]))
        weight = weight / max(factor, 0.5) ** 2
        z = off * np.sqrt(weight)
        weight = np.where((kinds != OUT) & (np.abs(z) > 5), 0.0, weight)
        soiled = (pieces.kinds == FULL) | (pieces.kinds == PARTIAL)
        share = float(((kinds == FULL) | (kinds == PARTIAL)).mean())
        if soiled.sum() >= 6 and share > 0.3:
            length = (pieces.ends - pieces.starts)[soiled]
            hazard = soiled.sum() / length.sum()
            mean = float(np.average(pieces.rates[soiled], weights=length))
            var = float(np.average((pieces.rates[soiled] - mean) ** 2, weights=length))
            prior = (mean, 1 / max(var, (0.2 * mean) ** 2))
            full = -2 * np.log(hazard)
            penalty = np.array([full, full + 8.0, 16.0, 4.0, full + 4.0])
        coefficients, pieces, cost, normal = alternate(
            y0, weight, years, season, coefficients, candidates, penalty, prior, _TURNS, ridge
        )
    level = clean_level(years, season, coefficients)
    loss, kinds = loss_of(pieces.starts, pieces.ends, pieces.kinds, pieces.at_start, pieces.rates, size)
    residual = np.where((weight > 0) & (kinds != OUT), (y0 - level - np.log(1 - loss)) * np.sqrt(weight), np.nan)
    return Fit(
        y0, weight, years, season, coefficients, pieces, loss, kinds, residual, np.linalg.inv(normal), cost,
        candidates, prior, penalty,
    )  # fmt: skip
