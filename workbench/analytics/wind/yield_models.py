"""Regressions of a plant's energy on the wind of a reanalysis, many bootstraps of the same record at once.

``linear`` and ``spline`` (an additive model of penalised splines, see :mod:`workbench.analytics.wind.spline`) are
linear in their coefficients: what is wanted of the long term is a sum of its rows of the design matrix, known before
anything is drawn, and a bootstrap only weighs the rows of the record. The normal equations of all simulations are
one matrix product (weights, row) @ (row, products of two columns) and a batch of small systems.

``gradient_boosting`` [1]_ and ``extra_trees`` [2]_ are fitted one simulation after the other, by scikit-learn.

References
----------
.. [1] J. H. Friedman, "Greedy function approximation: a gradient boosting machine", Annals of Statistics 29(5), 2001,
   https://doi.org/10.1214/aos/1013203451.
.. [2] P. Geurts, D. Ernst, L. Wehenkel, "Extremely randomized trees", Machine Learning 63, 2006,
   https://doi.org/10.1007/s10994-006-6226-1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from workbench.analytics.wind.spline import Basis
from workbench.model.errors import InputError, did_you_mean

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Regression = Literal["linear", "spline", "gradient_boosting", "extra_trees"]

#: Simulations where none are asked for: a linear one takes about 30 µs, one of splines 2 ms, one of trees 0.2 s.
SIMULATIONS: Mapping[str, int] = {"linear": 10_000, "spline": 1_000, "gradient_boosting": 100, "extra_trees": 100}

_SETTINGS: Mapping[str, Mapping[str, float]] = {
    "linear": {},
    "spline": {"splines": 20, "smoothing": 0.6},
    # shallow trees with leaves of several days: deep ones learn the noise of single days by heart
    "gradient_boosting": {"trees": 100, "depth": 3, "rate": 0.1, "leaf": 5, "share": 1.0},
    # a least size of leaves would stop them: of one variable a single random split is tried, and would often fail it
    "extra_trees": {"trees": 50, "split": 20},
}
_MANY = 5_000  #: rows from which histograms of the inputs are quicker than sorted values
_ROWS = 2_048  #: of a product of two columns at once
_BLOCK = 256  #: simulations at once


@dataclass(frozen=True)
class Record:
    """What a regression sees, the valid rows and the others."""

    inputs: Floats  #: dims (row, variable)
    energy: Floats  #: metered [kWh], [row]
    lost: Floats  #: [kWh], [row]
    month: Ints  #: in which each is, rising, [row]


@dataclass(frozen=True)
class Wanted:
    """Sums of predictions: of the rows of each cell by their weight, then of all rows by other weights."""

    inputs: Floats  #: dims (row, variable)
    cell: Ints  #: of each row, -1 for none
    weight: Floats  #: [row]
    cells: int
    others: Floats  #: dims (row, other)

    def of(self, values: Floats) -> Floats:
        """The sums of ``values``, dims (row, column): dims (cell and other, column)."""
        edges = np.flatnonzero(np.diff(self.cell)) + 1
        starts = np.concatenate([[0], edges])
        sums = np.add.reduceat(values * self.weight[:, None], starts, axis=0)
        total = np.zeros((self.cells + 1, values.shape[1]))
        np.add.at(total, self.cell[starts], sums)  # -1 is the last, which is left off
        return np.concatenate([total[:-1], self.others.T @ values])


@dataclass(frozen=True)
class Simulated:
    """What comes out of the simulations of one reanalysis."""

    sums: Floats  #: dims (simulation, cell and other)
    r2: Floats  #: [simulation]
    unseen: Floats  #: r2 of the rows left out, NaN where there are fewer than three
    lasting: (
        Floats  #: what is left of the rows left out: variance of its sum over a month, per row [kWh2], [simulation]
    )


def settings_of(regression: str, given: Mapping[str, float] | None) -> dict[str, float]:
    """The settings of a regression, those left out as they are by default.

    Raises
    ------
    InputError
        No such regression or setting.
    """
    if regression not in _SETTINGS:
        raise InputError(
            "no such regression",
            where="regression",
            found=regression,
            expected=", ".join(_SETTINGS),
            hint=did_you_mean(regression, _SETTINGS),
        )
    known = _SETTINGS[regression]
    for name in given or {}:
        if name not in known:
            raise InputError(
                f"{regression} has no such setting",
                where=f"settings.{name}",
                expected=", ".join(known) or "none",
                hint=did_you_mean(name, known),
            )
    return dict(known) | dict(given or {})


def simulate(
    regression: Regression,
    record: Record,
    wanted: Wanted,
    weights: Callable[[int, int], tuple[Floats, Floats]],
    meter: Floats,
    loss: Floats,
    seeds: Ints,
    *,
    settings: Mapping[str, float] | None = None,
    tell: Callable[[int], None] | None = None,
) -> Simulated:
    """Regress f_meter energy + f_loss lost on the inputs for each simulation, and sum the predictions.

    Parameters
    ----------
    weights
        Given the first simulation and the one after the last, the weight of each row in the regression, and whether
        it is valid but left out; both dims (simulation, row).
    meter, loss
        Factors of each simulation, [simulation].
    seeds
        Of what a regression draws itself, [simulation].
    settings
        See :func:`settings_of`.
    tell
        Called with the number of simulations that are done.
    """
    chosen = settings_of(regression, settings)
    if regression in ("linear", "spline"):
        design = _Design.of(record.inputs, chosen if regression == "spline" else None)
        return _by_normal_equations(design, record, wanted, weights, meter, loss, tell)
    return _by_trees(regression, chosen, record, wanted, weights, meter, loss, seeds, tell)


@dataclass(frozen=True)
class _Design:
    """Columns that a prediction is a linear combination of, and the penalty on their coefficients."""

    middle: Floats
    scale: Floats
    bases: tuple[Basis, ...]
    penalty: Floats

    @classmethod
    def of(cls, inputs: Floats, spline: Mapping[str, float] | None) -> _Design:
        """Of straight lines, or of splines with ``splines`` and ``smoothing``."""
        if spline is None:
            scale = inputs.std(axis=0)
            return cls(inputs.mean(axis=0), np.where(scale > 0, scale, 1.0), (), np.zeros((inputs.shape[1] + 1,) * 2))
        size = int(spline["splines"])
        if size < 4:
            raise InputError("too few splines", where="settings.splines", found=size, expected="4 or more")
        bases = tuple(Basis(float(column.min()), float(column.max()), size) for column in inputs.T)
        bend = np.diff(np.eye(size), n=2, axis=0)
        penalty = np.zeros((1 + size * len(bases),) * 2)
        for row in range(len(bases)):
            part = slice(1 + row * size, 1 + (row + 1) * size)
            penalty[part, part] = float(spline["smoothing"]) * bend.T @ bend
        return cls(np.zeros(0), np.zeros(0), bases, penalty)

    def at(self, inputs: Floats) -> Floats:
        """The columns, dims (row, column); splines go on level beyond what the record has seen, as the power of turbines does."""
        ones = np.ones((len(inputs), 1))
        if not self.bases:
            return np.concatenate([ones, (inputs - self.middle) / self.scale], axis=1)
        parts = [
            basis.at(np.clip(column, basis.low, basis.high)) for basis, column in zip(self.bases, inputs.T, strict=True)
        ]
        return np.concatenate([ones, *parts], axis=1)


def _by_normal_equations(
    model: _Design,
    record: Record,
    wanted: Wanted,
    weights: Callable[[int, int], tuple[Floats, Floats]],
    meter: Floats,
    loss: Floats,
    tell: Callable[[int], None] | None,
) -> Simulated:
    design = model.at(record.inputs)
    goal = wanted.of(model.at(wanted.inputs))
    n, size = len(meter), design.shape[1]
    upper = np.triu_indices(size)
    # the level is fitted, so that taking off the mean changes nothing but the digits that are lost
    middle = record.energy.mean()
    result = Simulated(np.empty((n, len(goal))), *np.empty((3, n)))
    for start in range(0, n, _BLOCK):
        part = slice(start, min(start + _BLOCK, n))
        weight, unseen = weights(part.start, part.stop)
        many = part.stop - part.start
        gram, right = np.zeros((many, len(upper[0]))), np.zeros((many, 2, size))
        for row in range(0, len(design), _ROWS):
            some = slice(row, row + _ROWS)
            block, w = design[some], weight[:, some]
            gram += w @ (block[:, upper[0]] * block[:, upper[1]])
            right[:, 0] += (w * (record.energy[some] - middle)) @ block
            right[:, 1] += (w * record.lost[some]) @ block
        system = np.empty((many, size, size))
        system[:, upper[0], upper[1]] = system[:, upper[1], upper[0]] = gram
        system += model.penalty
        # as weak as in a fit of one, see `spline`
        system[:, range(size), range(size)] += np.sqrt(np.finfo(np.float64).eps) * (size > 1)
        sums = meter[part, None] * right[:, 0] + loss[part, None] * right[:, 1]
        coefficients = np.linalg.solve(system, sums[:, :, None])[:, :, 0]
        # of the mean taken off, f_meter mean
        coefficients[:, 0] += meter[part] * middle
        result.sums[part] = coefficients @ goal.T
        found = coefficients @ design.T
        true = meter[part, None] * record.energy + loss[part, None] * record.lost
        result.r2[part], result.unseen[part] = _r2(true, found, weight), _r2(true, found, unseen)
        result.lasting[part] = _lasting(true - found, unseen, record.month)
        if tell is not None:
            tell(many)
    return result


def _r2(true: Floats, found: Floats, weight: Floats) -> Floats:
    """Weighted coefficient of determination of each row, [simulation]; NaN of fewer than three values."""
    total = np.maximum(weight.sum(axis=1), 1e-300)
    mean = np.einsum("ij,ij->i", weight, true) / total
    off = true - mean[:, None]
    spread = np.einsum("ij,ij,ij->i", weight, off, off)
    off = true - found
    rest = np.einsum("ij,ij,ij->i", weight, off, off)
    enough = ((weight > 0).sum(axis=1) > 2) & (spread > 0)
    r2: Floats = np.where(enough, 1.0 - rest / np.where(spread > 0, spread, 1.0), np.nan)
    return r2


def _lasting(left: Floats, unseen: Floats, month: Ints) -> Floats:
    """Variance of the sum over a month of what is left of the rows ``unseen``, per row, [simulation]; 0 of none."""
    starts = np.concatenate([[0], np.flatnonzero(np.diff(month)) + 1])
    sums = np.add.reduceat(left * unseen, starts, axis=1)
    found: Floats = (sums**2).sum(axis=1) / np.maximum(unseen.sum(axis=1), 1.0)
    return found


def _by_trees(
    regression: str,
    settings: Mapping[str, float],
    record: Record,
    wanted: Wanted,
    weights: Callable[[int, int], tuple[Floats, Floats]],
    meter: Floats,
    loss: Floats,
    seeds: Ints,
    tell: Callable[[int], None] | None,
) -> Simulated:
    n = len(meter)
    result = Simulated(np.empty((n, wanted.cells + wanted.others.shape[1])), *np.empty((3, n)))
    # trees compare single precision; both sides in it, they are converted once
    seen, asked = record.inputs.astype(np.float32), wanted.inputs.astype(np.float32)
    both = np.concatenate([seen, asked])
    for one in range(n):
        weight, unseen = weights(one, one + 1)
        true = meter[one] * record.energy + loss[one] * record.lost
        use = np.flatnonzero(weight[0] > 0)
        model = _estimator(regression, settings, len(seen), int(seeds[one]))
        model.fit(seen[use], true[use], sample_weight=weight[0, use])
        found = np.asarray(model.predict(both), dtype=np.float64)
        result.sums[one] = wanted.of(found[len(seen) :, None])[:, 0]
        here = found[None, : len(seen)]
        result.r2[one], result.unseen[one] = _r2(true[None], here, weight)[0], _r2(true[None], here, unseen)[0]
        result.lasting[one] = _lasting(true[None] - here, unseen, record.month)[0]
        if tell is not None:
            tell(1)
    return result


def _estimator(regression: str, settings: Mapping[str, float], rows: int, seed: int) -> Any:
    from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingRegressor, HistGradientBoostingRegressor

    trees = int(settings["trees"])
    if regression == "extra_trees":
        split = int(settings["split"])
        return ExtraTreesRegressor(n_estimators=trees, min_samples_split=split, random_state=seed, n_jobs=1)
    leaf, depth, rate = int(settings["leaf"]), int(settings["depth"]), float(settings["rate"])
    if rows >= _MANY:
        return HistGradientBoostingRegressor(
            max_iter=trees,
            max_depth=depth,
            learning_rate=rate,
            min_samples_leaf=leaf,
            early_stopping=False,
            random_state=seed,
        )
    return GradientBoostingRegressor(
        n_estimators=trees,
        max_depth=depth,
        learning_rate=rate,
        min_samples_leaf=leaf,
        subsample=float(settings["share"]),
        random_state=seed,
    )
