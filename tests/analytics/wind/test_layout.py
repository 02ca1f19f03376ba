from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from workbench.analytics.wind.layout import bearings, circular_mean, distances, free_turbines, positions, wrapped
from workbench.model.errors import InputError


@pytest.fixture
def haute_borne_layout() -> xr.Dataset:
    return xr.Dataset(
        coords={
            "asset": ["R80711", "R80721", "R80736", "R80790"],
            "latitude": ("asset", [48.4569, 48.4497, 48.4461, 48.4536]),
            "longitude": ("asset", [5.5847, 5.5869, 5.5925, 5.5875]),
        }
    )


def test_bearings_in_utm_are_those_of_openoa(haute_borne_layout):
    """turbine_direction_matrix() of OpenOA 3.2, which projects to UTM zone 31; to 0.001 degrees."""
    found = bearings(positions(haute_borne_layout, north="utm"))
    assert found[0, 1:] == pytest.approx([166.575049, 152.400779, 148.624050], abs=1e-3)
    assert found[1, [0, 2, 3]] == pytest.approx([346.575049, 132.079924, 3.906543], abs=1e-3)


def test_true_north_is_off_by_the_convergence(haute_borne_layout):
    """atan(tan(5.5879 - 3) sin(48.45)) = 1.937 degrees east of the middle of zone 31."""
    true, grid = (bearings(positions(haute_borne_layout, north=one)) for one in ("true", "utm"))
    assert np.nanmean(wrapped(true - grid)) == pytest.approx(1.937, abs=1e-3)
    assert np.nanstd(wrapped(true - grid)) < 1e-6


def test_distances_and_bearings_of_a_degree():
    """One minute of latitude is a nautical mile, 1852 m, to the 0.3 % that the ellipsoid makes of it."""
    one = xr.Dataset(coords={"asset": ["S", "N"], "latitude": ("asset", [50.0, 50.0 + 1 / 60]), "longitude": 8.0})
    places = positions(one)
    assert distances(places)[0, 1] == pytest.approx(1852, rel=3e-3)
    assert bearings(places)[0, 1] == pytest.approx(0.0, abs=1e-9)
    assert bearings(places)[1, 0] == pytest.approx(180.0)


def test_who_has_free_wind():
    """Two in a row from south to north: the one upstream, both where the wind comes across."""
    places = np.array([[0.0, 0.0], [0.0, 500.0]])
    free = free_turbines(places, np.array([0.0, 40.0, 90.0, 180.0, 315.0, 314.9]), sector=90)
    assert free.tolist() == [[False, True], [False, True], [True, True], [True, False], [False, True], [True, True]]
    assert free_turbines(places[:1], np.arange(0.0, 360.0, 5.0)).all()
    with pytest.raises(InputError, match="sector"):
        free_turbines(places, np.zeros(1), sector=180)


def test_some_turbine_always_has_free_wind():
    places = np.random.default_rng(1).uniform(0, 5000, (40, 2))
    assert free_turbines(places, np.arange(0.0, 360.0, 5.0), sector=175).any(axis=1).all()


def test_mean_directions_go_round():
    assert circular_mean(np.array([[350.0, 20.0], [90.0, np.nan], [np.nan, np.nan]]), axis=1) == pytest.approx(
        [5.0, 90.0, np.nan], nan_ok=True
    )


def test_bad_input(haute_borne_layout):
    with pytest.raises(InputError, match="latitude"):
        positions(haute_borne_layout.drop_vars("latitude"))
    with pytest.raises(InputError, match=r"R80721.*longitude"):
        positions(haute_borne_layout.assign_coords(longitude=("asset", [5.0, np.nan, 5.0, 5.0])))
    with pytest.raises(InputError, match="north"):
        positions(haute_borne_layout, north="magnetic")
