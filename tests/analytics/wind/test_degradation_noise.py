from __future__ import annotations

import numpy as np
import pytest

from benchmarks._degradation_prior import learned
from workbench.analytics.wind.degradation_noise import KEEPS, SHARES, LastingNoise, of_one_farm, priors


def noise_of(residual: np.ndarray, **changes: int) -> LastingNoise:
    year = np.arange(len(residual)) * 28 / 365.25
    design = np.stack([np.ones(len(year)), year - year.mean()], axis=1)
    left = residual - design @ np.linalg.lstsq(design, residual, rcond=None)[0]
    row = np.linalg.pinv(design)[1]
    return LastingNoise.of(left, np.arange(len(year)), design, row, **changes)


def test_how_often_adds_up_and_rules_nothing_out():
    assert priors().sum(axis=1) == pytest.approx(1)
    assert priors().shape == (3, len(KEEPS) * len(SHARES))
    assert priors().min() > 0
    assert priors().mean(axis=0).min() >= 0.001


def test_what_lasts_is_told_from_what_does_not():
    rng = np.random.default_rng(3)
    plain = rng.normal(0, 1, 65)
    steps = plain * 0.3 + 3.0 * (np.arange(65) > 20) - 2.0 * (np.arange(65) > 45)
    short, long = noise_of(plain), noise_of(steps)
    assert short.correlation < 0.35 < 0.7 < long.correlation
    spread = [one.draw(4000, np.random.default_rng(0)).std() / scale for one, scale in ((short, 1.0), (long, 0.3))]
    # of single blocks the slope's deviation is a few times that of least squares, as what lasts is not ruled out; of steps many times
    year = np.arange(65) * 28 / 365.25
    least = 1 / np.sqrt(((year - year.mean()) ** 2).sum())
    assert least < spread[0] < 3 * least
    assert spread[1] > 6 * least


def forgetting(keep: float, rng: np.random.Generator, size: int = 65) -> np.ndarray:
    series = rng.normal(0, 1, size)
    for place in range(1, size):
        series[place] = keep * series[place - 1] + np.sqrt(1 - keep**2) * series[place]
    return series


def test_turbines_of_a_farm_tell_each_other_what_they_are_like():
    """Drifts that forget themselves in two months, beside turbines alike and beside turbines with shifts for years."""
    rng = np.random.default_rng(11)
    one = noise_of(forgetting(0.63, rng))
    alike = [noise_of(forgetting(0.63, rng)) for _ in range(5)]
    shifted = [noise_of(rng.normal(0, 0.5, 65) + 2.0 * (np.arange(65) > at)) for at in (15, 25, 35, 45, 55)]
    spread = [
        of_one_farm([one, *others])[0].draw(4000, np.random.default_rng(0)).std() for others in (alike, [], shifted)
    ]
    assert spread[0] < spread[1] < spread[2]
    assert spread[0] < 0.8 * spread[2]


def test_a_turbine_that_tells_nothing_changes_nothing():
    rng = np.random.default_rng(12)
    one, flat = noise_of(forgetting(0.63, rng)), noise_of(np.zeros(65))
    alone, beside = of_one_farm([one])[0], of_one_farm([None, one, flat])
    assert beside[0] is None
    assert beside[2] is flat
    np.testing.assert_allclose(beside[1].weight, alone.weight)
    assert alone.weight.sum() == pytest.approx(1)


def test_the_length_of_blocks_is_taken_account_of():
    """Noise that lasts: between blocks half as long more is kept, so the same kinds are the likely ones."""
    rng = np.random.default_rng(5)
    values = np.zeros(130)
    for place in range(1, 130):
        values[place] = np.sqrt(0.8) * values[place - 1] + rng.normal()
    half, whole = noise_of(values, block=14), noise_of(values)
    assert half.correlation == pytest.approx(whole.correlation, abs=0.08)
    assert half.weight.argmax() != whole.weight.argmax()


def test_shares_are_learned_from_likelihoods():
    """A third is surely of the first kind, the others of the second; what no turbine shows has no share."""
    make = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0]], float)
    assert learned(make) == pytest.approx([1 / 3, 2 / 3, 0])
    # one that may be either goes with the many
    assert learned(np.vstack([make, [0.5, 0.5, 0]])) == pytest.approx([1 / 3, 2 / 3, 0], abs=1e-6)
