"""How often residuals of degradation last: learned from made-up farms of two makes, none of which a benchmark counts.

``python -m benchmarks._degradation_prior`` prints the tables ``_OFTEN`` of :mod:`workbench.analytics.wind.degradation_noise`: the
likelihood of each kind of residuals of every turbine, and by expectation and maximisation the shares of the kinds that
make all those of a make likeliest. It stops after 100 rounds: to the end it would leave a few points, each as if known.
Takes some minutes.
"""

from __future__ import annotations

import numpy as np

from benchmarks import _other_farms
from benchmarks._drift_farms import drift_farm
from workbench.analytics.wind import degradation_noise as noise
from workbench.analytics.wind import degradation_rate

FARMS, ROUNDS = 130, 100


def likelihoods(make: str, farms: int = FARMS) -> np.ndarray:
    """Dims (turbine, kind), of training farms; the highest of each turbine is 1."""
    rows = []
    for number in range(farms):
        if make == "other":
            data = _other_farms.worn_farm((_other_farms.TRAINING, number))[0]
        else:
            rates = np.random.default_rng(900_000 + number).uniform(-0.015, 0.002, 4)
            data = drift_farm(5_000 + number, years=5.0, rates=rates)
        ratio = degradation_rate(data, simulations=0).performance["performance"].values
        for one in ratio.T:
            known = np.flatnonzero(np.isfinite(one))
            if len(known) < 13:
                continue
            year = known * 28 / 365.25
            angle = 2 * np.pi * year
            design = np.stack([np.ones(len(known)), year - year.mean(), np.cos(angle), np.sin(angle)], axis=1)
            y = 100 * np.log(one[known])
            solve = np.linalg.pinv(design)
            log = noise.LastingNoise.of(y - design @ (solve @ y), known - known[0], design, solve[1]).likelihood
            rows.append(np.exp(log - log.max()))
    return np.array(rows)


def learned(make: np.ndarray, rounds: int = ROUNDS) -> np.ndarray:
    """Shares of the kinds, dims (kind), from the likelihoods of a make."""
    share = np.full(make.shape[1], 1 / make.shape[1])
    for _ in range(rounds):
        share = (make * share / (make @ share)[:, None]).mean(axis=0)
    return share


if __name__ == "__main__":
    for name in ("house", "other"):
        found = learned(likelihoods(name))
        print(np.round(1000 * found).astype(int).reshape(len(noise.KEEPS), len(noise.SHARES)).tolist())
