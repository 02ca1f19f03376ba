"""Additive models of penalised splines: y = a + f1(x1) + f2(x2) + …, each f a smooth curve.

Each f is a sum of uniform cubic B-splines between the smallest and the largest value seen, whose second
differences of neighbouring coefficients are penalised [1]_. Beyond them it goes on as a straight line.

References
----------
.. [1] P. H. C. Eilers, B. D. Marx, "Flexible smoothing with B-splines and penalties", Statistical Science 11(2),
   1996, https://doi.org/10.1214/ss/1038425655.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench.model.errors import InputError

Floats = npt.NDArray[np.float64]

_DEGREE = 3
#: Pulls every coefficient to zero, by far too weakly to be seen: it alone decides how the mean is shared between
#: the curves, which the data do not tell.
_RIDGE = float(np.sqrt(np.finfo(np.float64).eps))


@dataclass(frozen=True)
class Basis:
    """Uniform cubic B-splines between ``low`` and ``high``, ``size`` of them."""

    low: float
    high: float
    size: int

    def at(self, x: Floats) -> Floats:
        """Their values at ``x``, dims (x, spline); straight lines beyond the ends."""
        from scipy.interpolate import BSpline

        step = 1.0 / (self.size - _DEGREE)
        knots = np.arange(-_DEGREE, self.size + 1) * step
        spline = BSpline(knots, np.eye(self.size), _DEGREE)
        width = (self.high - self.low) or 1.0
        place = (np.asarray(x, dtype=np.float64) - self.low) / width
        inside = np.clip(place, 0.0, 1.0)
        values: Floats = np.asarray(spline(inside), dtype=np.float64)
        beyond = np.flatnonzero(place != inside)
        if len(beyond):
            slope = spline.derivative()(inside[beyond])
            values[beyond] += (place - inside)[beyond, None] * slope
        return values


@dataclass(frozen=True)
class AdditiveModel:
    """A fitted model; see :func:`fit_additive`."""

    bases: tuple[Basis, ...]
    coefficients: Floats

    def predict(self, x: Floats) -> Floats:
        """The model at ``x``, dims (point, variable); dims (point) or (point, series)."""
        predicted: Floats = _design(self.bases, x) @ self.coefficients
        return predicted


def fit_additive(x: Floats, y: Floats, *, splines: int = 20, smoothing: float = 0.6) -> AdditiveModel:
    """Fit y = a + sum_i f_i(x_i) by penalised least squares.

    Parameters
    ----------
    x
        dims (point, variable), finite.
    y
        dims (point) or (point, series), finite; several series are fitted at once, each on its own.
    splines
        Number of B-splines of each variable, four or more.
    smoothing
        Weight of the penalty on squared second differences; the larger the smoother.

    Raises
    ------
    InputError
        Fewer than four splines, or fewer points than variables and an intercept need.
    """
    if splines <= _DEGREE:
        raise InputError("too few splines", where="splines", found=splines, expected=f"{_DEGREE + 1} or more")
    if len(y) < 2 * x.shape[1] + 1:
        raise InputError("too few points for a fit", found=len(y), expected=f"{2 * x.shape[1] + 1} or more")
    bases = tuple(Basis(float(column.min()), float(column.max()), splines) for column in x.T)
    design = _design(bases, x)
    bend = np.diff(np.eye(splines), n=2, axis=0)
    gram = design.T @ design
    for row in range(len(bases)):
        part = slice(1 + row * splines, 1 + (row + 1) * splines)
        gram[part, part] += smoothing * bend.T @ bend
    gram[np.diag_indices_from(gram)] += _RIDGE
    # one small system: a decomposition of the tall matrix takes ten times as long, and the threads it starts more;
    # the digits it would save are lost where the data tell nothing, in what the curves share of the mean
    coefficients = np.linalg.solve(gram, design.T @ y)
    return AdditiveModel(bases, np.asarray(coefficients, dtype=np.float64))


def _design(bases: tuple[Basis, ...], x: Floats) -> Floats:
    """A column of ones, then the splines of each variable."""
    parts = [np.ones((len(x), 1)), *(basis.at(column) for basis, column in zip(bases, x.T, strict=True))]
    return np.concatenate(parts, axis=1)
