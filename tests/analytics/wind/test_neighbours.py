"""What the other turbines say."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as some

from workbench.analytics.wind.neighbours import others_direction, others_median, reference_of, wrapped

VALUES = some.arrays(
    float, some.array_shapes(min_dims=2, max_dims=2, max_side=7), elements=st.integers(-4, 4) | st.just(float("nan"))
)


@settings(max_examples=60, derandomize=True)
@given(VALUES)
def test_the_median_of_the_others_is_that_of_numpy(values):
    found = others_median(values)
    for row in range(values.shape[0]):
        for column in range(values.shape[1]):
            others = np.delete(values[row], column)
            others = others[~np.isnan(others)]
            want = np.median(others) if len(others) >= 2 else np.nan
            np.testing.assert_equal(found[row, column], want)


@settings(max_examples=40, derandomize=True)
@given(st.floats(0, 360), st.integers(0, 99))
def test_directions_turn_with_the_wind(angle, seed):
    angles = np.random.default_rng(seed).normal(0, 20, (5, 6))
    turned = others_direction((angles + angle) % 360)
    np.testing.assert_allclose(wrapped(turned - angle), others_median(angles), atol=1e-9)


def test_an_hourly_reference_lies_between_its_times_and_not_beyond_them():
    hours = np.datetime64("2024-01-01", "ns") + np.array([0, 1, 2, 8, 9, 10]) * np.timedelta64(3600, "s")
    reference = xr.DataArray([350.0, 10.0, 30.0, 90.0, 100.0, 110.0], dims="time", coords={"time": hours})
    times = np.datetime64("2024-01-01T00:30", "ns") + np.arange(25) * np.timedelta64(1800, "s")
    data = xr.Dataset(coords={"time": times, "asset": ["A", "B"]})
    found = reference_of(data, np.zeros((25, 2)), reference, circular=True)
    assert wrapped(found[0, 0]) == pytest.approx(0, abs=1e-9)
    assert found[1, 1] == pytest.approx(10)
    assert np.isnan(found[5:14]).all()  # no wind is made up over a gap of six hours
    assert np.isnan(found[20:]).all()
