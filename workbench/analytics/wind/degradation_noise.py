"""What residuals of a degradation may be: a part of each block and one that lasts, in many proportions.

Sensors and turbines of one farm are mostly of one make: which proportions they have, all of them tell together.

See :mod:`~workbench.analytics.wind.degradation`, where the sources are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_BLOCK = 28  # [day], of which the numbers below tell
#: Of the variance of a residual, the share that lasts, and what a block keeps of it from the one before.
SHARES = np.array([0.0, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 1.0])
KEEPS = np.array([0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975, 0.99])
#: How often each is a farm's beforehand [per mille], dims (keep, share): learned by `benchmarks/_degradation_prior.py` from
#: 130 farms of each make, none of which the benchmarks count; a tenth is spread over all, so that nothing is ruled out.
_OFTEN = np.array(
    [
        [0, 0, 0, 0, 0, 0, 0, 1, 3, 6],
        [0, 0, 0, 0, 0, 0, 3, 3, 2, 1],
        [0, 0, 0, 0, 0, 1, 1, 1, 1, 4],
        [0, 0, 0, 0, 1, 1, 1, 7, 38, 321],
        [0, 0, 0, 0, 7, 10, 5, 14, 32, 149],
        [0, 0, 0, 0, 43, 77, 6, 0, 0, 0],
        [0, 0, 0, 1, 5, 72, 4, 0, 0, 0],
        [0, 0, 0, 1, 2, 8, 26, 0, 0, 0],
        [0, 0, 0, 0, 1, 2, 23, 23, 0, 0],
        [0, 0, 0, 0, 0, 0, 3, 33, 54, 0],
    ]
)
_EVEN = 0.1
#: How likely it is that a turbine's noise is not of its farm's kind, such as after another sensor was mounted.
_APART = 0.2


def prior() -> Floats:
    """How likely each kind of residuals is beforehand, dims (kind): keeps by shares."""
    often = _OFTEN.ravel() / _OFTEN.sum()
    found: Floats = (1 - _EVEN) * often + _EVEN / often.size
    return found


def pooled(likelihood: Floats, before: Floats) -> tuple[Floats, Floats]:
    """How likely each kind is of the farm, dims (kind), and of each turbine, dims (turbine, kind).

    A turbine's noise is of the farm's kind, or, with a chance of a fifth, of one of its own.

    Parameters
    ----------
    likelihood
        Of each turbine's residuals by kind, the largest 1, dims (turbine, kind).
    before
        How likely each kind is beforehand, dims (kind).
    """
    alone = (likelihood @ before)[:, None]
    like = (1 - _APART) * likelihood
    both = like + _APART * alone
    log = np.log(before) + np.log(both).sum(axis=0)
    farm = np.exp(log - log.max())
    farm /= farm.sum()
    same = like / both
    each: Floats = farm * same + ((1 - same) @ farm)[:, None] * likelihood * before / alone
    return farm, each


@dataclass(frozen=True)
class LastingNoise:
    """What the residuals of blocks may be: a part that lasts and a part of each block, in many proportions."""

    variance: Floats  #: of a sum of the blocks, times the degrees of freedom, [kind]
    likelihood: Floats  #: of each kind, the largest 1, [kind]
    weight: Floats  #: how likely each kind is, [kind]
    free: int
    kept: Floats  #: correlation of a block with that before, [kind]

    @classmethod
    def of(cls, residual: Floats, where: Ints, design: Floats, row: Floats, block: int = _BLOCK) -> LastingNoise:
        """By the restricted likelihood of each kind and how often it is; ``row`` is the sum, blocks are of so many days."""
        apart = np.abs(where[:, None] - where[None, :])
        share, keep = (grid.ravel() for grid in np.meshgrid(SHARES, KEEPS ** (block / _BLOCK)))
        covariance = share[:, None, None] * keep[:, None, None] ** apart + (1 - share)[:, None, None] * np.eye(
            len(where)
        )
        # contrasts that the fit has no part in: of them nothing is lost by it
        contrasts = np.linalg.svd(design, full_matrices=True)[0][:, design.shape[1] :]
        seen = contrasts.T @ covariance @ contrasts
        y = contrasts.T @ residual
        free = len(y)
        scale = np.einsum(
            "i,ki->k", y, np.linalg.solve(seen, np.broadcast_to(y[:, None], (*seen.shape[:2], 1)))[..., 0]
        )
        if not scale.min() > 1e-20:
            return cls(np.zeros(1), np.ones(1), np.ones(1), free, np.zeros(1))
        log = -0.5 * np.linalg.slogdet(seen)[1] - 0.5 * free * np.log(scale)
        likelihood = np.exp(log - log.max())
        # the sum alone: the covariances of a turbine's kinds take megabytes, those of twenty years fifty
        variance = scale * np.einsum("i,kij,j->k", row, covariance, row)
        return cls(variance, likelihood, pooled(likelihood[None], prior())[1][0], free, share * keep)

    @staticmethod
    def of_farm(turbines: Sequence[LastingNoise | None]) -> list[LastingNoise | None]:
        """The same with the weights that all turbines of a farm give together; None stays None."""
        told = [one for one in turbines if one is not None and len(one.weight) > 1]
        if not told:
            return list(turbines)
        weights = iter(pooled(np.stack([one.likelihood for one in told]), prior())[1])
        return [
            replace(one, weight=next(weights)) if one is not None and len(one.weight) > 1 else one for one in turbines
        ]

    @property
    def correlation(self) -> float:
        """Of a block with that before, the mean of all kinds."""
        return float(self.weight @ self.kept)

    def draw(self, number: int, rng: np.random.Generator) -> Floats:
        """What the sum may be off by, [draw]."""
        kind = rng.choice(len(self.weight), number, p=self.weight)
        spread = np.sqrt(self.variance)
        found: Floats = spread[kind] * rng.normal(size=number) / np.sqrt(rng.chisquare(self.free, number))
        return found
