"""Turbulence: a made-up turbine whose curve without turbulence is known."""

from __future__ import annotations

import dask
import numpy as np
import pytest
import xarray as xr

from workbench.analytics.wind.curve_fits import binned
from workbench.analytics.wind.turbulence import ZeroTurbulence, turbulence_normalized_power, zero_turbulence_curve
from workbench.model.errors import InputError

TRUTH = ZeroTurbulence(cut_in=3.5, rating=2000.0, coefficient=0.44, diameter=82.0)


@pytest.fixture(scope="module")
def measured():
    """Ten-minute means of 1 Hz wind speeds, Gaussian within each, at intensities of about 17 %."""
    rng = np.random.default_rng(5)
    speed = np.clip(rng.weibull(2.0, 6_000) * 9.0, 0.5, 24.0)
    mixed = np.clip(rng.normal(0.17, 0.03, len(speed)), 0.05, 0.3)
    gusts = rng.standard_normal((len(speed), 600))
    gusts = (gusts - gusts.mean(axis=1, keepdims=True)) / gusts.std(axis=1, keepdims=True)
    power = TRUTH.at(np.maximum(speed[:, None] * (1 + mixed[:, None] * gusts), 0)).mean(axis=1)
    return speed, power, mixed


def test_turbulence_raises_the_foot_and_lowers_the_knee():
    knee = (2000.0 / (0.44 * 1.225 / 2 * np.pi / 4 * 82**2 / 1000)) ** (1 / 3)
    at = np.array([6.0, knee, 20.0])
    calm, gusty = (TRUTH.in_turbulence(at, np.full(3, one)) for one in (0.0, 0.15))
    np.testing.assert_allclose(calm, TRUTH.at(at))
    # E[v^3] = v^3 (1 + 3 TI^2) of Gaussian wind; cut-in takes a little of it
    assert gusty[0] == pytest.approx(calm[0] * (1 + 3 * 0.15**2), rel=0.01)
    assert gusty[1] < 0.9 * calm[1]
    assert gusty[2] == pytest.approx(2000, rel=0.01)


def test_the_curve_without_turbulence_is_found(measured):
    curve = zero_turbulence_curve(*measured, diameter=82.0)
    assert curve.rating == pytest.approx(2000, rel=2e-3)
    assert curve.coefficient == pytest.approx(0.44, abs=0.01)
    assert curve.cut_in == pytest.approx(3.5, abs=0.5)


def test_power_at_another_turbulence_is_what_it_would_have_been(measured):
    speed, power, mixed = measured
    curve = zero_turbulence_curve(*measured, diameter=82.0)
    arrays = [xr.DataArray(one, dims="time") for one in (power, speed, mixed)]
    found = turbulence_normalized_power(*arrays, curve, reference=0.08)
    truth = TRUTH.in_turbulence(speed, np.full(len(speed), 0.08))
    before, after = (np.abs(one - truth)[speed > 5].mean() for one in (power, found.values))
    assert after < 0.2 * before
    curves = [binned(speed, one, 0.5, 30) for one in (found.values, truth)]
    assert np.abs(curves[0].power - curves[1].power).max() < 20
    assert found.attrs["units"] == "kW"
    lazy = [one.chunk({"time": 1000}) for one in arrays]
    with dask.config.set(scheduler=lambda *_, **__: pytest.fail("computed")):
        later = turbulence_normalized_power(*lazy, curve, reference=0.08)
    assert later.chunks
    np.testing.assert_allclose(later.compute(), found)


def test_missing_values_stay_missing_and_nonsense_is_told(measured):
    speed, power, mixed = (one.copy() for one in measured)
    mixed[::2] = np.nan
    curve = zero_turbulence_curve(speed, power, mixed, diameter=82.0)
    found = turbulence_normalized_power(*(xr.DataArray(one, dims="time") for one in (power, speed, mixed)), curve)
    assert found[::2].isnull().all()
    assert found[1::2].notnull().all()
    with pytest.raises(InputError, match="too few"):
        zero_turbulence_curve(speed[:2], power[:2], measured[2][:2], diameter=82.0)
