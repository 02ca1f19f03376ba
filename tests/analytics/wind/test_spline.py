from __future__ import annotations

import numpy as np
import pytest

from workbench.analytics.wind.spline import Basis, fit_additive
from workbench.model.errors import InputError


def test_splines_sum_to_one_and_go_on_straight():
    basis = Basis(2.0, 12.0, 9)
    x = np.linspace(-3, 20, 47)
    values = basis.at(x)
    assert values.shape == (47, 9)
    assert values.sum(axis=1) == pytest.approx(1.0)
    left = basis.at(np.array([0.0, 1.0, 2.0]))
    assert left[0] - left[1] == pytest.approx(left[1] - left[2])
    right = basis.at(np.array([12.0, 13.0, 14.0]))
    assert right[1] - right[0] == pytest.approx(right[2] - right[1])


def test_a_sum_of_curves_is_found_again():
    rng = np.random.default_rng(2)
    x = rng.uniform([0, 0], [10, 6], (600, 2))
    y = 3 + np.sin(x[:, 0]) + 0.5 * (x[:, 1] - 3) ** 2
    model = fit_additive(x, y, smoothing=0.01)
    inner = rng.uniform([0.5, 0.5], [9.5, 5.5], (200, 2))
    expected = 3 + np.sin(inner[:, 0]) + 0.5 * (inner[:, 1] - 3) ** 2
    assert model.predict(inner) == pytest.approx(expected, abs=0.02)


def test_the_larger_the_penalty_the_straighter():
    x = np.linspace(0, 10, 200)[:, None]
    y = np.sin(x[:, 0]) + 0.3 * x[:, 0]
    line = fit_additive(x, y, smoothing=1e9).predict(x)
    assert line == pytest.approx(np.polyval(np.polyfit(x[:, 0], y, 1), x[:, 0]), abs=1e-3)


def test_a_variable_that_never_changes_does_no_harm():
    x = np.column_stack([np.linspace(0, 10, 50), np.ones(50)])
    assert fit_additive(x, 2 * x[:, 0]).predict(x) == pytest.approx(2 * x[:, 0], abs=1e-4)


def test_too_few():
    with pytest.raises(InputError, match="too few splines"):
        fit_additive(np.zeros((10, 1)), np.zeros(10), splines=3)
    with pytest.raises(InputError, match="too few points"):
        fit_additive(np.zeros((2, 1)), np.zeros(2))
