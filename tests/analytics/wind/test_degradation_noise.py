from __future__ import annotations

import numpy as np
import pytest

from benchmarks._degradation_prior import learned
from workbench.analytics.wind.degradation_noise import KEEPS, SHARES, LastingNoise, prior


def noise_of(residual: np.ndarray, **changes: int) -> LastingNoise:
    year = np.arange(len(residual)) * 28 / 365.25
    design = np.stack([np.ones(len(year)), year - year.mean()], axis=1)
    left = residual - design @ np.linalg.lstsq(design, residual, rcond=None)[0]
    return LastingNoise.of(left, np.arange(len(year)), design, np.linalg.pinv(design)[1], **changes)


def test_how_often_adds_up_and_rules_nothing_out():
    assert prior().sum() == pytest.approx(1)
    assert prior().shape == (len(KEEPS) * len(SHARES),)
    assert prior().min() >= 0.001


def test_what_lasts_is_told_from_what_does_not():
    rng = np.random.default_rng(3)
    plain = rng.normal(0, 1, 65)
    steps = plain * 0.3 + 3.0 * (np.arange(65) > 20) - 2.0 * (np.arange(65) > 45)
    short, long = noise_of(plain), noise_of(steps)
    assert short.correlation < 0.35 < 0.7 < long.correlation
    row = (np.arange(65) - 32.0) / ((np.arange(65) - 32.0) ** 2).sum() * 365.25 / 28
    spread = [one.draw(4000, np.random.default_rng(0)).std() / scale for one, scale in ((short, 1.0), (long, 0.3))]
    # of single blocks the slope's deviation is a few times that of least squares, as what lasts is not ruled out; of steps many times
    least = np.sqrt((row**2).sum())
    assert least < spread[0] < 3 * least
    assert spread[1] > 6 * least


def test_the_length_of_blocks_is_taken_account_of():
    """Noise that lasts: between blocks half as long more is kept, so the same kinds are the likely ones."""
    rng = np.random.default_rng(5)
    values = np.zeros(130)
    for place in range(1, 130):
        values[place] = np.sqrt(0.8) * values[place - 1] + rng.normal()
    half, whole = noise_of(values, block=14), noise_of(values)
    # by the data alone: beforehand, each kind is as likely of either length, so that is another question
    kept = [one.likelihood @ one.kept / one.likelihood.sum() for one in (half, whole)]
    assert kept[0] == pytest.approx(kept[1], abs=0.08)
    assert half.likelihood.argmax() != whole.likelihood.argmax()


def test_turbines_of_a_farm_tell_their_noise_together():
    """Three turbines of plain noise: a fourth with few blocks is told so by them; one with steps keeps its own."""
    rng = np.random.default_rng(3)
    plain = [noise_of(rng.normal(0, 1, 65)) for _ in range(3)]
    short = noise_of(rng.normal(0, 1, 20))
    steps = noise_of(rng.normal(0, 0.3, 65) + 3.0 * (np.arange(65) > 20) - 2.0 * (np.arange(65) > 45))
    found = LastingNoise.of_farm([*plain, short, None, steps])
    assert found[4] is None
    assert all(one is None or one.weight.sum() == pytest.approx(1) for one in found)
    assert found[3].correlation < short.correlation
    assert found[5].correlation > 0.7
    alone = LastingNoise.of_farm([short])[0]
    assert alone.weight == pytest.approx(short.weight)


def test_a_turbine_without_residuals_tells_the_farm_nothing():
    one = noise_of(np.random.default_rng(4).normal(0, 1, 40))
    none = noise_of(np.zeros(40))
    found = LastingNoise.of_farm([none, one])
    assert found[0].draw(5, np.random.default_rng(0)) == pytest.approx(0)
    assert found[1].weight == pytest.approx(one.weight)


def test_shares_are_learned_from_likelihoods():
    """A third of the farms of one make are of the first kind, all of the other of the second: a sixth and five sixths.

    The chance that a turbine is not of its farm's kind leaves some of it to the more frequent one.
    """
    first, second = np.array([[1, 1e-9, 1e-9]] * 8), np.array([[1e-9, 1, 1e-9]] * 8)
    assert learned([[first, second, second], [second]]) == pytest.approx([1 / 6, 5 / 6, 0], abs=0.01)
