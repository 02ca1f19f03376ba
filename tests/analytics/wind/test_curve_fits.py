"""Curves fitted to powers that are known, and to a real turbine's."""

from __future__ import annotations

import dask
import dask.array as da
import numpy as np
import polars as pl
import pytest
import xarray as xr

from workbench.analytics.wind.curve_fits import (
    binned,
    fit,
    logistic,
    method_of_bins,
    monotone_spline,
    polynomial_regression,
)
from workbench.analytics.wind.curves import LogisticCurve, PointsCurve, curves_power
from workbench.model.errors import InputError

ALGORITHMS = ("polynomial_regression", "method_of_bins", "logistic", "monotone_spline")
TRUTH = LogisticCurve(0.0, 25.0, 2000.0, 25.0, -5.0, rating=2000, steepness=7.0, centre=9.0, floor=-5.0, asymmetry=0.8)


def sample(count: int = 20_000, noise: float = 40.0, seed: int = 1):
    rng = np.random.default_rng(seed)
    speed = np.clip(rng.weibull(2.0, count) * 9.0, 0.05, 24.9)
    return speed, TRUTH.at(speed) + rng.normal(0, noise, count)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_known_curve_is_found_again(algorithm):
    speed, power = sample()
    curve = fit(algorithm, speed, power)
    inside = np.arange(1.0, 18.0, 0.25)
    # bins follow the bend by straight lines; a polynomial over both bend and level part swings about them
    limit = 35 if algorithm == "polynomial_regression" else 20
    assert np.abs(curve.at(inside) - TRUTH.at(inside)).max() < limit
    assert curve.rmse(speed, power) == pytest.approx(40.0, rel=0.015)


def test_logistic_without_noise_gives_its_parameters_back():
    speed = np.arange(0.05, 25.0, 0.1)
    curve = logistic(speed, TRUTH.at(speed))
    for name in ("rating", "steepness", "centre", "floor", "asymmetry"):
        assert getattr(curve, name) == pytest.approx(getattr(TRUTH, name), rel=2e-3), name
    assert curve.settings()["rating"] == curve.rating


@pytest.mark.parametrize("rating", [15.0, 850.0, 2050.0, 15_000.0])
def test_logistic_finds_any_rating(rating):
    speed, power = sample(5_000)
    curve = logistic(speed, power * rating / 2000)
    assert curve.rating == pytest.approx(rating, rel=0.02)
    assert curve.rmse(speed, power * rating / 2000) == pytest.approx(40 * rating / 2000, rel=0.03)


def test_logistic_with_the_rating_held():
    speed, power = sample()
    assert logistic(speed, power, rating=2100.0).rating == 2100.0


def test_a_spline_never_falls_and_a_fit_never_exceeds_what_was_seen():
    speed, power = sample(2_000, noise=200.0)
    grid = np.linspace(0, 24.9, 1000)
    assert (np.diff(monotone_spline(speed, power).at(grid)) >= -1e-9).all()
    for algorithm in ALGORITHMS:
        curve = fit(algorithm, speed, power)
        assert np.nanmax(curve.at(grid)) <= curve.limit + 1e-9


def test_outside_its_data_a_curve_is_level_and_beyond_cut_out_zero():
    speed, power = sample()
    keep = (speed > 4) & (speed < 12)
    for algorithm in ALGORITHMS:
        curve = fit(algorithm, speed[keep], power[keep], cut_out=22.0)
        assert curve.at(20.0) == curve.at(curve.high)
        assert curve.at(22.5) == 0.0
        assert np.isnan(curve.at(np.nan))
        assert np.isfinite(curve.at([0.0, 1.0])).all()


def test_a_table_and_a_lazy_array():
    curve = PointsCurve(3.0, 25.0, 2000.0, 25.0, 0.0, (3.0, 13.0, 25.0), (0.0, 2000.0, 2000.0))
    table = curve.table()
    assert table["power"].sel(wind_speed_bin=8.0).item() == 1000.0
    assert table["power"].attrs["units"] == "kW"
    assert table.sizes["wind_speed_bin"] == 51
    values = np.array([[2.0, 8.0], [np.nan, 30.0]])
    lazy = xr.DataArray(da.from_array(values, chunks=(1, 1)), dims=("time", "asset"), coords={"asset": ["A", "B"]})
    with dask.config.set(scheduler=lambda *_, **__: pytest.fail("computed")):
        found, own = curve(lazy), curves_power({"A": curve}, lazy)
    assert found.chunks
    assert own.chunks
    np.testing.assert_array_equal(found, [[0.0, 1000.0], [np.nan, 0.0]])
    np.testing.assert_array_equal(own, [[0.0, np.nan], [np.nan, np.nan]])
    with pytest.raises(InputError, match="asset"):
        curves_power({"A": curve}, lazy.isel(asset=0))


def test_bins_are_centred_and_need_their_count():
    bins = binned([4.74, 4.75, 5.0, 5.24, 5.25, np.nan], [1, 2, 3, 4, 5, 6], 0.5, min_count=3)
    assert bins.power.tolist() == [3.0]
    assert bins.count.tolist() == [3.0]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_too_little_is_said(algorithm):
    with pytest.raises(InputError, match="too few"):
        fit(algorithm, [5.0, 5.01, np.nan], [100.0, 101.0, 1.0])
    with pytest.raises(InputError):
        fit(algorithm, [], [])


def test_a_negative_wind_speed_is_no_wind_speed():
    with pytest.raises(InputError, match="below zero"):
        method_of_bins([-1.0, 5.0], [0.0, 100.0])


def unresponsive(values: np.ndarray, count: int) -> np.ndarray:
    """Values that stay the same ``count`` times in a row, as OpenOA 3.2 flags them (the first of a run included)."""
    same = np.r_[False, np.diff(values) == 0]
    ends = np.convolve(same, np.ones(count - 1), "full")[: len(values)] >= count - 1
    flagged = ends.copy()
    for back in range(1, count):
        flagged[:-back] |= ends[back:]
    return flagged


@pytest.fixture(scope="module")
def r80711_all(test_data, require):
    """Wind speed and power of R80711 as OpenOA's example prepares the plant (project_ENGIE, release 3.2)."""
    import zipfile

    path = test_data / "wind" / "la_haute_borne.zip"
    require(path.is_file(), "la_haute_borne.zip is not among the test data")
    with zipfile.ZipFile(path) as archive, archive.open("la-haute-borne-data-2014-2015.csv") as file:
        table = pl.read_csv(
            file.read(), columns=["Wind_turbine_name", "Date_time", "P_avg", "Ws_avg", "Va_avg", "Ot_avg"]
        )
    table = (
        table.filter(pl.col("Wind_turbine_name") == "R80711")
        .with_columns(pl.col("Date_time").str.to_datetime("%Y-%m-%dT%H:%M:%S%z", time_zone="UTC"))
        .unique("Date_time", keep="first", maintain_order=True)
        .filter(pl.col("Ot_avg").is_between(-15, 45))
        .sort("Date_time")
    )
    speed, power, vane = (table[name].to_numpy() for name in ("Ws_avg", "P_avg", "Va_avg"))
    keep = ~unresponsive(vane, 3) & np.isfinite(speed) & np.isfinite(power)
    return speed[keep], power[keep]


@pytest.fixture(scope="module")
def r80711(r80711_all):
    """Filtered as in OpenOA's example of power curves (01_utils_examples)."""
    speed, power = r80711_all
    keep = ~((speed >= 5) & (speed <= 40) & ((power < 20) | (power > 2100)))
    speed, power = speed[keep], power[keep]
    top = 0.9 * power.max()
    cell = np.digitize(power, np.unique(np.append(np.arange(20, top, 100), top)), right=True)
    middle = np.array(
        [np.median(speed[cell == one]) if (cell == one).any() else np.nan for one in range(cell.max() + 1)]
    )
    keep = ~((np.abs(speed - middle[cell]) > 1.5) & (power > 20) & (power <= top))
    speed, power = speed[keep], power[keep]
    keep = ~unresponsive(speed, 3)
    return speed[keep], power[keep]


def test_logistic_of_a_real_turbine(r80711):
    speed, power = r80711
    assert len(speed) == pytest.approx(102_491, abs=30)
    curve = logistic(speed, power)
    # With the bounds that OpenOA 3.2 sets (rating 1,200 to 1,800 kW) the same data give 61.6 kW.
    assert curve.rmse(speed, power) == pytest.approx(52.76, abs=0.1)
    assert curve.limit == pytest.approx(2050, abs=15)
    # Least squares on all slots, without bins, gives 52.97 (there without the limit).
    bare = LogisticCurve(**(vars(curve) | {"limit": np.inf}))
    assert bare.rmse(speed, power) == pytest.approx(52.974, abs=0.01)


@pytest.fixture(scope="module")
def r80711_with_standstills(r80711_all):
    """Without what lies far from the median of its power bin, but with the slots in which the turbine stood in wind.

    OpenOA's bin filter alone (bins of 200 kW from 2 to 100 % of the rating, 5 median absolute deviations), without the
    window that takes the standstills out. The reference RMSE of 86.7, 80.8 and 80.3 kW name no filter; this one, found by
    search, gives all three.
    """
    speed, power = r80711_all
    edges = np.unique(np.append(np.arange(41.0, 2050.0, 200.0), 2050.0))
    cell = np.digitize(power, edges, right=True)
    keep = np.ones(len(speed), dtype=bool)
    for one in range(1, len(edges)):
        inside = cell == one
        off = np.abs(speed[inside] - np.median(speed[inside]))
        keep[inside] = off <= 5 * np.median(off)
    return speed[keep], power[keep]


def by_openoa(speed, power, bounds) -> float:
    """RMSE [kW] of its logistic at the least squares within its bounds; wind speeds have two decimals: exact by their means."""
    from scipy.optimize import least_squares

    at, place, count = np.unique(speed, return_inverse=True, return_counts=True)
    mean = np.bincount(place, power) / count
    at = np.maximum(at, 1e-9)

    def off(given):
        a, b, c, d, g = given
        with np.errstate(over="ignore"):
            return np.sqrt(count) * (d + (a - d) / (1 + (at / c) ** b) ** g - mean)

    low, high = np.transpose(bounds)
    start = np.clip([1790, -6, 9, 0.5, 1], low + 1e-6, high - 1e-6)
    best = least_squares(off, start, bounds=(low, high), x_scale=[1000, 5, 9, 1, 1])
    return float(np.sqrt((2 * best.cost + ((power - mean[place]) ** 2).sum()) / len(speed)))


def test_the_reference_figures_of_r80711(r80711_with_standstills):
    speed, power = r80711_with_standstills
    others = ((-10, -1e-3), (1e-3, 30), (1e-3, 1), (1e-3, 10))
    assert by_openoa(speed, power, ((1200, 1800), *others)) == pytest.approx(86.7, abs=0.05)
    assert by_openoa(speed, power, ((1200, 4000), *others)) == pytest.approx(80.8, abs=0.05)
    for scale in (1.0, 0.01, 0.4, 3.0):  # turbines of 20 kW to 6 MW
        assert logistic(speed, power * scale).rmse(speed, power * scale) / scale <= 80.8
        assert monotone_spline(speed, power * scale).rmse(speed, power * scale) / scale <= 80.35  # of a GAM 80.3
        assert fit("polynomial_regression", speed, power * scale).rmse(speed, power * scale) / scale <= 80.5


def test_no_curve_of_the_wind_speed_alone_does_much_better(r80711):
    speed, power = r80711
    found = {algorithm: fit(algorithm, speed, power).rmse(speed, power) for algorithm in ALGORITHMS}
    assert max(found.values()) < 53.0
    assert max(found.values()) / min(found.values()) < 1.01
    assert polynomial_regression(speed, power, degree=5).rmse(speed, power) < 55
