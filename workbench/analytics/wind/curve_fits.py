"""Power curves fitted to measured wind speeds and powers, each by least squares.

All start from narrow bins of wind speed: their counts, mean speeds and mean powers say nearly all that the data say of a
smooth curve. In bins of 0.1 m/s a curve bent by 50 kW/(m/s)2 differs from its mean by 0.02 kW, far below what a fit can tell;
a hundred thousand slots become some two hundred points.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from numpy.polynomial import chebyshev

from workbench.analytics.wind.curves import (
    FASTEST,
    Curve,
    Floats,
    LogisticCurve,
    PointsCurve,
    PolynomialCurve,
    SplineCurve,
    scaled,
)
from workbench.model.errors import InputError

Algorithm = Literal["polynomial_regression", "method_of_bins", "logistic", "monotone_spline"]

NARROW = 0.1  #: width of the bins that a smooth curve is fitted to [m/s]
DEGREE = 9  #: of a polynomial: the lowest that follows the knee at rated power
MIN_COUNT = 3  #: slots of ten minutes in a bin, the 30 minutes of IEC 61400-12-1


@dataclass(frozen=True)
class Binned:
    """Counts and means of bins that have values, by rising wind speed."""

    speed: Floats  #: mean wind speed [m/s]
    power: Floats  #: mean power [kW]
    count: Floats

    @property
    def limit(self) -> float:
        """Highest mean power [kW] of the bins."""
        return float(self.power.max())


def binned(wind_speed: npt.ArrayLike, power: npt.ArrayLike, width: float, min_count: int = 1) -> Binned:
    """Means over bins of ``width`` [m/s] centred on its multiples; bins with fewer than ``min_count`` are left out.

    Raises
    ------
    InputError
        No bin has as many, or a wind speed is below zero or impossible.
    """
    speed, made = np.asarray(wind_speed, np.float64).ravel(), np.asarray(power, np.float64).ravel()
    there = np.isfinite(speed) & np.isfinite(made)
    if not there.all():
        speed, made = speed[there], made[there]
    if len(speed) and speed.min() < 0:
        raise InputError("a wind speed is below zero", where="wind_speed", found=f"{speed.min():g} m/s")
    if len(speed) and speed.max() > FASTEST:
        raise InputError(
            "a wind speed is impossible",
            where="wind_speed",
            found=f"{speed.max():g} m/s",
            expected=f"0 to {FASTEST:g} m/s",
            hint="flag_quality flags what cannot be",
        )
    cell = (speed * (1.0 / width) + 0.5).astype(np.int64)
    count = np.bincount(cell).astype(np.float64)
    keep = count >= max(min_count, 1)
    if not keep.any():
        raise InputError("too few values for a power curve", found=f"{len(speed)}", expected=f"{min_count} in a bin")
    n = count[keep]
    return Binned(np.bincount(cell, speed)[keep] / n, np.bincount(cell, made)[keep] / n, n)


def _limit(wind_speed: npt.ArrayLike, power: npt.ArrayLike, fallback: Binned) -> float:
    """Highest mean power [kW] of bins of 0.5 m/s with enough values: narrower ones scatter above it."""
    try:
        return binned(wind_speed, power, 0.5, MIN_COUNT).limit
    except InputError:
        return fallback.limit


def method_of_bins(
    wind_speed: npt.ArrayLike,
    power: npt.ArrayLike,
    *,
    bin_width: float = 0.5,
    min_count: int = MIN_COUNT,
    cut_out: float = 25.0,
) -> PointsCurve:
    """Straight lines between the means of bins (IEC 61400-12-1); nothing below half a bin under the first.

    Parameters
    ----------
    wind_speed, power
        [m/s], [kW], of one turbine; missing values are left out.
    bin_width
        [m/s]; bins are centred on its multiples.
    min_count
        Slots that a bin needs.
    cut_out
        Beyond it the curve is zero [m/s].

    Raises
    ------
    InputError
        No bin has enough values.
    """
    bins = binned(wind_speed, power, bin_width, min_count)
    speeds, powers = tuple(bins.speed.tolist()), tuple(bins.power.tolist())
    low, high = speeds[0] - bin_width / 2, speeds[-1]
    return PointsCurve(max(low, 0.0), high, bins.limit, max(cut_out, high), min(powers[0], 0.0), speeds, powers)


def logistic(
    wind_speed: npt.ArrayLike, power: npt.ArrayLike, *, rating: float | None = None, cut_out: float = 25.0
) -> LogisticCurve:
    """Five-parameter logistic by least squares, with a free rating.

    Levenberg-Marquardt with the analytic Jacobian, on narrow bins. The upper asymptote is whatever fits best, and may lie
    beyond what the turbine can give; the curve itself never exceeds the highest mean power of a bin of 0.5 m/s.

    Parameters
    ----------
    wind_speed, power
        [m/s], [kW], of one turbine; missing values are left out.
    rating
        Holds the upper asymptote [kW]; free where it is left out.
    cut_out
        Beyond it the curve is zero [m/s].

    Raises
    ------
    InputError
        Fewer than six bins of 0.1 m/s have values.

    References
    ----------
    M. Lydia et al., IEEE Transactions on Sustainable Energy 4 (2013) 827-835,
    https://doi.org/10.1109/TSTE.2013.2247641.
    """
    from scipy.optimize import least_squares

    bins = binned(wind_speed, power, NARROW)
    if len(bins.speed) < 6:
        raise InputError(
            "too few wind speeds for a logistic curve", found=f"{len(bins.speed)} bins", expected="six of 0.1 m/s"
        )
    top = _limit(wind_speed, power, bins)
    size = max(abs(top), 1.0)
    speed = np.log(np.maximum(bins.speed, 1e-3))
    goal, weight = bins.power / size, np.sqrt(bins.count / bins.count.sum())
    fixed = None if rating is None else rating / size

    # Steepness, centre and asymmetry are positive: their logarithms are free.
    def parts(given: Floats) -> tuple[Any, ...]:
        a, log_b, log_c, d, log_g = given if fixed is None else np.insert(given, 0, fixed)
        b, g = np.exp(log_b), np.exp(log_g)
        ratio = np.exp(np.clip(-b * (speed - log_c), -700.0, 700.0))
        share = np.exp(-g * np.log1p(ratio))
        return a, b, log_c, d, g, ratio, share

    def residual(given: Floats) -> Floats:
        a, *_, d, _g, _ratio, share = parts(given)
        found: Floats = weight * (d + (a - d) * share - goal)
        return found

    def jacobian(given: Floats) -> Floats:
        a, b, log_c, d, g, ratio, share = parts(given)
        bent = (a - d) * share * g * ratio / (1.0 + ratio)
        columns = np.stack(
            [share, bent * b * (speed - log_c), -bent * b, 1.0 - share, -(a - d) * share * g * np.log1p(ratio)], axis=1
        )
        found: Floats = weight[:, None] * (columns if fixed is None else columns[:, 1:])
        return found

    half = float(np.interp(0.5, np.maximum.accumulate(goal), bins.speed))
    start = np.array([1.0 if fixed is None else fixed, np.log(6.0), np.log(max(half, 1.0)), 0.0, 0.0])
    start = start if fixed is None else start[1:]
    found = least_squares(residual, start, jac=jacobian, method="lm", xtol=1e-10, ftol=1e-12, max_nfev=500)
    a, b, log_c, d, g, *_ = parts(found.x)
    low, high = float(bins.speed[0]), float(bins.speed[-1])
    return LogisticCurve(
        min(low, 1.0),
        high,
        top,
        max(cut_out, high),
        float(d * size),
        rating=float(a * size),
        steepness=float(b),
        centre=float(np.exp(log_c)),
        floor=float(d * size),
        asymmetry=float(g),
    )


def polynomial_regression(
    wind_speed: npt.ArrayLike,
    power: npt.ArrayLike,
    *,
    degree: int = DEGREE,
    bin_width: float = 0.5,
    cut_out: float = 25.0,
) -> PolynomialCurve:
    """Polynomial in the wind speed by least squares, between standstill and rated power.

    It is fitted from the last wind speed at which bins give next to nothing (half a per cent of the highest) to the first at
    which they give 99 % of it: a polynomial that has to be level at both ends swings in between. Outside, the curve is
    level at the mean of the data there. Where the data end before, so does the polynomial.

    Parameters
    ----------
    wind_speed, power
        [m/s], [kW], of one turbine; missing values are left out.
    degree
        Of the polynomial; lower where there are too few bins for it.
    bin_width
        Of the bins that tell how far the data reach [m/s].
    cut_out
        Beyond it the curve is zero [m/s].

    Raises
    ------
    InputError
        Fewer than three narrow bins lie in the range.
    """
    wide = binned(wind_speed, power, bin_width, MIN_COUNT)
    bins = binned(wind_speed, power, min(NARROW, bin_width))
    full = np.flatnonzero(wide.power >= 0.99 * wide.limit)
    moving = np.flatnonzero(wide.power > 0.005 * wide.limit)
    first = max(int(moving[0]) - 1, 0) if len(moving) else 0
    last = int(full[0]) if len(full) and full[0] > first + 1 else len(wide.speed) - 1
    low, high = float(wide.speed[first]), float(wide.speed[last])
    inside = (bins.speed >= low) & (bins.speed <= high)
    return polynomial_of(
        bins.speed[inside],
        bins.power[inside],
        bins.count[inside],
        degree=min(degree, max(last - first - 1, 1)),
        limit=wide.limit,
        cut_out=max(cut_out, high),
        below=_mean(bins, bins.speed < low, float(wide.power[first])),
        above=_mean(bins, bins.speed > high, np.nan) if last < len(wide.speed) - 1 else np.nan,
    )


def _mean(bins: Binned, where: npt.NDArray[np.bool_], otherwise: float) -> float:
    return float(np.average(bins.power[where], weights=bins.count[where])) if where.any() else otherwise


def polynomial_of(
    speed: Floats,
    power: Floats,
    weight: Floats,
    *,
    degree: int,
    limit: float,
    cut_out: float,
    below: float,
    above: float = np.nan,
) -> PolynomialCurve:
    """Polynomial through points of rising speed, each counting ``weight`` times."""
    if len(speed) < 3 or speed[-1] <= speed[0]:
        raise InputError("too few wind speeds for a polynomial", found=f"{len(speed)} bins", expected="three or more")
    low, high = float(speed[0]), float(speed[-1])
    degree = min(degree, len(speed) - 1)
    found = chebyshev.chebfit(scaled(speed, low, high), power, degree, w=np.sqrt(weight))
    return PolynomialCurve(low, high, limit, cut_out, below, tuple(found.tolist()), above)


def monotone_spline(
    wind_speed: npt.ArrayLike,
    power: npt.ArrayLike,
    *,
    bin_width: float = 0.5,
    min_count: int = MIN_COUNT,
    cut_out: float = 25.0,
) -> SplineCurve:
    """Rising smooth curve through the means of bins: isotonic regression, then monotone cubic interpolation.

    Parameters
    ----------
    wind_speed, power
        [m/s], [kW], of one turbine; missing values are left out.
    bin_width
        [m/s]; bins are centred on its multiples.
    min_count
        Slots that a bin needs.
    cut_out
        Beyond it the curve is zero [m/s].

    Raises
    ------
    InputError
        Fewer than two bins have enough values.

    References
    ----------
    R. E. Barlow et al., Statistical Inference under Order Restrictions, Wiley 1972 (isotonic regression); F. N. Fritsch and
    J. Butland, https://doi.org/10.1137/0905021.
    """
    from scipy.optimize import isotonic_regression

    bins = binned(wind_speed, power, bin_width, min_count)
    if len(bins.speed) < 2:
        raise InputError("too few wind speeds for a spline", found=f"{len(bins.speed)} bin", expected="two or more")
    rising = isotonic_regression(bins.power, weights=bins.count).x
    low, high = float(bins.speed[0]), float(bins.speed[-1])
    return SplineCurve(
        low,
        high,
        float(rising[-1]),
        max(cut_out, high),
        float(rising[0]),
        tuple(bins.speed.tolist()),
        tuple(rising.tolist()),
    )


def fit(
    algorithm: Algorithm,
    wind_speed: npt.ArrayLike,
    power: npt.ArrayLike,
    *,
    bin_width: float = 0.5,
    degree: int = DEGREE,
    cut_out: float = 25.0,
) -> Curve:
    """The curve that ``algorithm`` fits to measured wind speeds [m/s] and powers [kW]."""
    ways: dict[str, Callable[[], Curve]] = {
        "polynomial_regression": lambda: polynomial_regression(
            wind_speed, power, degree=degree, bin_width=bin_width, cut_out=cut_out
        ),
        "method_of_bins": lambda: method_of_bins(wind_speed, power, bin_width=bin_width, cut_out=cut_out),
        "logistic": lambda: logistic(wind_speed, power, cut_out=cut_out),
        "monotone_spline": lambda: monotone_spline(wind_speed, power, bin_width=bin_width, cut_out=cut_out),
    }
    return ways[algorithm]()
