from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import curve_fit

from workbench.analytics.wind.yaw_cosine import CosineBins, CosineTurbine, fit_cosines
from workbench.model.errors import InputError


def test_curves_are_those_of_least_squares():
    rng = np.random.default_rng(3)
    angles = np.arange(-15.0, 16.0)
    height = 700 * np.cos(np.deg2rad(angles - rng.uniform(-6, 6, (20, 1)))) ** rng.uniform(1.5, 4, (20, 1))
    height *= 1 + rng.normal(0, 0.01, height.shape)
    used = rng.random(height.shape) < 0.8
    peak, exponent = fit_cosines(angles, height, used)

    def curve(x, a, x0, n):
        return a * np.cos(np.deg2rad(x - x0)) ** n

    for row in range(len(height)):
        seen = used[row]
        theirs, _ = curve_fit(curve, angles[seen], height[row, seen], [height[row, seen].max(), 0.0, 2.0])
        assert (peak[row], exponent[row]) == pytest.approx(theirs[1:], abs=1e-3)


def test_a_curve_of_two_bins_is_none():
    peak, exponent = fit_cosines(np.array([-1.0, 0.0, 1.0]), np.ones((1, 3)), np.array([[True, False, True]]))
    assert np.isnan(peak[0])
    assert np.isnan(exponent[0])


def test_outliers_of_a_power_bin_are_left_out():
    """100 slots of one power, one of them at a wind speed far off: beyond 7 deviations it does not count."""
    speed = np.append(np.linspace(6.9, 7.1, 99), 7.4)
    settings = CosineBins(wind_speeds=(7.0,), least=1, wind_speed_width=2.0)
    turbine = CosineTurbine.of(np.full(100, 500.0), speed, np.zeros(100), None, 2000.0, settings)
    assert turbine.fit().slots[0, 0] == 99


@pytest.mark.parametrize(
    "wrong",
    [{"wind_speeds": ()}, {"vane_width": 0.0}, {"power_bins": 0}, {"highest": 0.0}, {"drawn_highest": (0.0, 1)}],
)
def test_wrong_settings(wrong):
    with pytest.raises(InputError, match=r"no wind speed|not positive|no bin|no range"):
        CosineBins(**wrong)
