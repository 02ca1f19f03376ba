"""What residuals of a degradation may be: a part of each block and one that lasts, in many proportions; told by a farm together.

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
#: How often each is on farms of two makes [per mille], dims (make, keep, share): learned by
#: `benchmarks/_degradation_prior.py` from 130 farms of each, none of which the benchmarks count.
_OFTEN = np.array(
    [
        [
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            [0, 0, 0, 0, 0, 0, 0, 0, 4, 690],
            [0, 0, 0, 0, 0, 0, 0, 0, 9, 296],
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ],
        [
            [0, 0, 0, 0, 0, 0, 1, 6, 11, 21],
            [0, 0, 0, 0, 0, 2, 7, 7, 4, 2],
            [0, 0, 0, 0, 3, 7, 2, 0, 0, 0],
            [0, 0, 0, 3, 16, 11, 1, 0, 0, 0],
            [0, 0, 0, 8, 49, 52, 12, 3, 2, 3],
            [0, 0, 0, 5, 58, 166, 81, 15, 0, 0],
            [0, 0, 0, 0, 5, 19, 38, 21, 5, 0],
            [0, 0, 0, 0, 2, 6, 23, 6, 2, 0],
            [0, 0, 0, 0, 1, 12, 23, 45, 2, 0],
            [0, 0, 0, 0, 0, 0, 29, 67, 130, 0],
        ],
    ]
)
_EVEN = 0.02  #: spread over all kinds, so that none is ruled out


def priors() -> Floats:
    """How likely each kind of residuals is beforehand, dims (make, kind): keeps by shares.

    The last make is like none that was learned from: all kinds are as likely.
    """
    often = _OFTEN.reshape(len(_OFTEN), -1) / _OFTEN.sum(axis=(1, 2))[:, None]
    even = np.full((1, often.shape[1]), 1 / often.shape[1])
    return np.concatenate([(1 - _EVEN) * often + _EVEN * even, even])


@dataclass(frozen=True)
class LastingNoise:
    """What the residuals of blocks may be: a part that lasts and a part of each block, in many proportions."""

    variance: Floats  #: of a sum of the blocks, times the degrees of freedom, [kind]
    likelihood: Floats  #: logarithm of the restricted likelihood of each kind, [kind]
    weight: Floats  #: how likely each kind is, [kind]
    free: int
    last: Floats  #: of a block with that before, by kind

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
            return cls(np.zeros(1), np.zeros(1), np.ones(1), free, np.zeros(1))
        log = -0.5 * np.linalg.slogdet(seen)[1] - 0.5 * free * np.log(scale)
        variance = scale * np.einsum("i,kij,j->k", row, covariance, row)
        return cls(variance, log, _likely(log, priors().mean(axis=0)), free, share * keep)

    @property
    def correlation(self) -> float:
        """Of a block with that before, the mean of all kinds."""
        return float(self.weight @ self.last)

    def draw(self, number: int, rng: np.random.Generator) -> Floats:
        """What the sum may be off by, [draw]."""
        kind = rng.choice(len(self.weight), number, p=self.weight)
        found: Floats = (
            np.sqrt(self.variance[kind]) * rng.normal(size=number) / np.sqrt(rng.chisquare(self.free, number))
        )
        return found


def of_one_farm(turbines: Sequence[LastingNoise | None]) -> list[LastingNoise | None]:
    """The same residuals as those of one farm, whose turbines are of one make: what all of them show tells of which.

    None stays None: a turbine with too little data. Of a single turbine no more is told than before.
    """
    known = [one for one in turbines if one is not None and len(one.weight) > 1]
    if not known:
        return list(turbines)
    makes = priors()
    seen = np.zeros(len(makes))
    for one in known:
        seen += np.log(makes @ np.exp(one.likelihood - one.likelihood.max()))
    often = np.exp(seen - seen.max())
    found: list[LastingNoise | None] = []
    for turbine in turbines:
        if turbine is None or len(turbine.weight) == 1:
            found.append(turbine)
            continue
        own = np.array([_likely(turbine.likelihood, make) for make in makes])
        found.append(replace(turbine, weight=(often / often.sum()) @ own))
    return found


def _likely(log: Floats, prior: Floats) -> Floats:
    weight = np.exp(log - log.max()) * prior
    found: Floats = weight / weight.sum()
    return found
