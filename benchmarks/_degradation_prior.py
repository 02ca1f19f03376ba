"""How often residuals of degradation last: learned from made-up farms of both makes, none of which a benchmark counts.

``python -m benchmarks._degradation_prior`` prints the table ``_OFTEN`` of :mod:`workbench.analytics.wind.degradation_noise`: the
likelihood of each kind of residuals of every turbine, and by expectation and maximisation the shares of the kinds of
farms that make all of them likeliest, both makes counting alike. It stops after 10 rounds: to the end it would leave a few
points that are those two makes' own. Takes a minute.
"""

from __future__ import annotations

import numpy as np

from benchmarks import _other_farms
from benchmarks._drift_farms import drift_farm
from workbench.analytics.wind import degradation_noise as noise
from workbench.analytics.wind import degradation_rate

FARMS, ROUNDS = 130, 10


def likelihoods(make: str, farms: int = FARMS, first: int = 0) -> list[np.ndarray]:
    """Of training farms, dims (turbine, kind) each; each turbine's largest is 1."""
    found = []
    for number in range(first, first + farms):
        if make == "other":
            data = _other_farms.worn_farm((_other_farms.TRAINING, number))[0]
        else:
            rates = np.random.default_rng(900_000 + number).uniform(-0.015, 0.002, 4)
            data = drift_farm(5_000 + number, years=5.0, rates=rates)
        ratio = degradation_rate(data, simulations=0).performance["performance"].values
        rows = []
        for one in ratio.T:
            known = np.flatnonzero(np.isfinite(one))
            if len(known) < 13:
                continue
            year = known * 28 / 365.25
            angle = 2 * np.pi * year
            design = np.stack([np.ones(len(known)), year - year.mean(), np.cos(angle), np.sin(angle)], axis=1)
            y = 100 * np.log(one[known])
            residual = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
            rows.append(noise.LastingNoise.of(residual, known - known[0], design, np.linalg.pinv(design)[1]).likelihood)
        found.append(np.array(rows))
    return found


def learned(makes: list[list[np.ndarray]], rounds: int = ROUNDS) -> np.ndarray:
    """Shares of the kinds among farms, dims (kind), from the likelihoods of each make's farms."""
    size = makes[0][0].shape[1]
    share = np.full(size, 1 / size)
    for _ in range(rounds):
        parts = [[noise.pooled(farm, share)[0] for farm in make] for make in makes]
        share = np.maximum(np.mean([np.mean(part, axis=0) for part in parts], axis=0), 1e-12)
    return share


if __name__ == "__main__":
    found = learned([likelihoods("house"), likelihoods("other")])
    print(np.round(1000 * found).astype(int).reshape(len(noise.KEEPS), len(noise.SHARES)).tolist())
