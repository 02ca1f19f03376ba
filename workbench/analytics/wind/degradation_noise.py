"""What residuals of a degradation may be: a part of each block and one that lasts, in many proportions.

See :mod:`~workbench.analytics.wind.degradation`, where the sources are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_BLOCK = 28  # [day], of which the numbers below tell
#: Of the variance of a residual, the share that lasts, and what a block keeps of it from the one before.
SHARES = np.array([0.0, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 1.0])
KEEPS = np.array([0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975, 0.99])
#: How often each is beforehand [per mille], dims (keep, share): learned by `benchmarks/_degradation_prior.py` from 130
#: farms of each make, none of which the benchmarks count; a tenth is spread over all, so that nothing is ruled out.
_OFTEN = np.array(
    [
        [0, 0, 0, 0, 0, 0, 1, 1, 2, 2],
        [0, 0, 0, 0, 1, 2, 2, 3, 4, 5],
        [0, 0, 0, 1, 3, 3, 4, 7, 11, 24],
        [0, 0, 0, 3, 7, 6, 8, 21, 53, 206],
        [0, 0, 0, 5, 14, 14, 15, 29, 60, 168],
        [0, 0, 0, 6, 20, 26, 12, 4, 2, 1],
        [0, 0, 0, 2, 10, 24, 14, 2, 1, 0],
        [0, 0, 0, 0, 3, 12, 27, 5, 1, 0],
        [0, 0, 0, 0, 1, 6, 23, 29, 3, 0],
        [0, 0, 0, 0, 0, 0, 6, 28, 46, 0],
    ]
)
_EVEN = 0.1


def prior() -> Floats:
    """How likely each kind of residuals is beforehand, dims (kind): keeps by shares."""
    often = _OFTEN.ravel() / _OFTEN.sum()
    found: Floats = (1 - _EVEN) * often + _EVEN / often.size
    return found


@dataclass(frozen=True)
class LastingNoise:
    """What the residuals of blocks may be: a part that lasts and a part of each block, in many proportions."""

    covariance: Floats  #: of unit variance, dims (kind, block, block)
    scale: Floats  #: its variance, times the degrees of freedom [%2], [kind]
    weight: Floats  #: how likely each kind is, [kind]
    free: int
    correlation: float  #: of a block with that before, the mean of all kinds

    @classmethod
    def of(cls, residual: Floats, where: Ints, design: Floats, block: int = _BLOCK) -> LastingNoise:
        """By the restricted likelihood of each kind and how often it is; blocks are of so many days."""
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
            return cls(covariance[:1], np.zeros(1), np.ones(1), free, 0.0)
        log = -0.5 * np.linalg.slogdet(seen)[1] - 0.5 * free * np.log(scale)
        weight = np.exp(log - log.max()) * prior()
        weight /= weight.sum()
        return cls(covariance, scale, weight, free, float(weight @ (share * keep)))

    def draw(self, row: Floats, number: int, rng: np.random.Generator) -> Floats:
        """What a sum of the blocks by ``row`` may be off by, [draw]."""
        kind = rng.choice(len(self.weight), number, p=self.weight)
        spread = np.sqrt(self.scale * np.einsum("i,kij,j->k", row, self.covariance, row))
        found: Floats = spread[kind] * rng.normal(size=number) / np.sqrt(rng.chisquare(self.free, number))
        return found
