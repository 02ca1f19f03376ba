"""Random processes: the same for all who ask, with the spectra they promise."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.simulate.noise import (
    LatticeNoise,
    White,
    coherence_mixing,
    kaimal,
    key_of,
    normal,
    octave_variances,
    red,
    uniform,
    words,
)

T0 = 1_770_000_000.0


def test_words_never_change():
    # a change here is a change of every simulated plant there ever was
    assert [int(word) for word in words(key_of(1, "a"), np.arange(3))] == [
        6846785208416448563,
        9868800280270855591,
        9679365355088788091,
    ]


def test_uniform_and_normal_have_their_moments():
    u = uniform(key_of(2, "u"), np.arange(200_000))
    assert u.min() > 0.0
    assert u.max() < 1.0
    assert u.mean() == pytest.approx(0.5, abs=0.005)
    z = normal(key_of(2, "z"), np.arange(200_000))
    assert z.mean() == pytest.approx(0.0, abs=0.01)
    assert z.std() == pytest.approx(1.0, abs=0.01)


def test_white_noise_is_a_function_of_the_second():
    noise = White(5, "sensors", 4, 7)
    many = noise.at(np.arange(1000, 1100))
    alone = noise.at(np.array([1042]))
    assert many.shape == (7, 100, 4)
    np.testing.assert_array_equal(alone[:, 0], many[:, 42])
    long = White(5, "sensors", 4, 7).at(np.arange(20_000))
    assert long.std() == pytest.approx(1.0, abs=0.01)
    correlation = np.corrcoef(long.transpose(1, 0, 2).reshape(20_000, -1).T) - np.eye(28)
    assert np.abs(correlation).max() < 0.05  # channels and assets know nothing of each other


def test_an_instant_alone_is_the_instant_among_many():
    spacings = [2.0, 8.0, 32.0, 128.0]
    noise = LatticeNoise(1, "n", spacings, octave_variances(spacings, red(60.0)), columns=3)
    t = T0 + np.arange(0.0, 5000.0, 7.0)
    many = noise.at(t)
    fresh = LatticeNoise(1, "n", spacings, octave_variances(spacings, red(60.0)), columns=3)
    for i in (0, 17, 400, 3):  # backwards too
        np.testing.assert_allclose(fresh.at(t[i : i + 1])[0], many[i], rtol=0, atol=1e-12)


def test_own_times_shift_the_process():
    spacings = [4.0, 64.0]
    noise = LatticeNoise(1, "n", spacings, [0.3, 0.7], columns=2)
    t = T0 + np.arange(200.0)
    shifted = noise.at(t[:, None] - np.array([0.0, 25.0]))
    np.testing.assert_allclose(shifted[25:, 1], noise.at(t)[:-25, 1], atol=1e-9)


def test_variance_is_one_between_lattice_places_too():
    noise = LatticeNoise(9, "v", [10.0], [1.0], columns=400)
    values = noise.at(T0 + np.arange(0.0, 4000.0, 2.5))
    by_place = values.reshape(-1, 4, 400).std(axis=(0, 2))
    np.testing.assert_allclose(by_place, 1.0, atol=0.02)


def test_red_noise_has_its_correlation_time():
    spacings = list(1.0 * 2.0 ** np.arange(11))
    noise = LatticeNoise(4, "ou", spacings, octave_variances(spacings, red(90.0)), columns=40)
    values = noise.at(T0 + np.arange(0.0, 20_000.0, 5.0))
    for lag, expected in ((30.0, np.exp(-1 / 3)), (90.0, np.exp(-1.0))):
        k = int(lag / 5)
        found = (values[k:] * values[:-k]).mean() / values.var()
        assert found == pytest.approx(expected, abs=0.08)


def test_kaimal_falls_by_five_thirds():
    spacings = list(2.0 * 2.0 ** np.arange(8))
    noise = LatticeNoise(4, "k", spacings, octave_variances(spacings, kaimal(340.2, 9.0)), columns=60)
    values = noise.at(T0 + np.arange(0.0, 8192.0))
    power = (np.abs(np.fft.rfft(values, axis=0)) ** 2).mean(axis=1)
    frequency = np.fft.rfftfreq(8192, 1.0)
    band = (frequency > 0.015) & (frequency < 0.15)
    slope = np.polyfit(np.log(frequency[band]), np.log(power[band]), 1)[0]
    assert slope == pytest.approx(-5 / 3, abs=0.25)


def test_neighbours_share_more_of_the_slow_than_of_the_quick():
    place = np.array([0.0, 300.0, 1200.0])
    mixing = coherence_mixing(np.abs(place[:, None] - place[None, :]), [100.0, 2000.0])
    for j, spacing in enumerate((5.0, 80.0)):
        noise = LatticeNoise(1, f"c{j}", [spacing], [1.0], columns=3, mixing=mixing[j : j + 1])
        values = noise.at(T0 + np.arange(0.0, 3000 * spacing, spacing))
        correlation = np.corrcoef(values.T)
        reach = (100.0, 2000.0)[j]
        assert correlation[0, 1] == pytest.approx(np.exp(-300 / reach), abs=0.06)
        assert correlation[0, 2] == pytest.approx(np.exp(-1200 / reach), abs=0.06)
        assert correlation[0, 1] > correlation[0, 2]
