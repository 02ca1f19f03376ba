from __future__ import annotations

import dask
import numpy as np
import pytest
import xarray as xr

from workbench.analytics.wind.power_curve_comparison import in_form, manufacturer_curves, power_curve_comparison
from workbench.model.assets import PowerCurve, load_portfolio, with_assets
from workbench.model.errors import InputError
from workbench.steps import get_step, remarks

NAN = np.nan
ALGORITHMS = ("polynomial_regression", "method_of_bins", "logistic", "monotone_spline")
TABLE = PowerCurve(wind_speed=[3, 5, 7, 9, 11, 13, 25], power=[0, 200, 550, 1100, 1700, 2000, 2000])


@pytest.fixture
def mm82(checkout) -> PowerCurve:
    curve = load_portfolio(checkout / "catalogs" / "portfolio").asset("R80711").power_curve
    assert curve is not None
    return curve


@pytest.fixture
def turbines(dataset):
    """Half a year of three turbines that follow the table at 1.225 kg/m3; the third has no table."""
    rng = np.random.default_rng(3)
    speed = rng.weibull(2.0, (26_000, 3)) * 8.5
    power = TABLE.at(speed) + np.where(speed > 3, rng.normal(0, 20, speed.shape), 0)
    data = dataset({"wind_speed": speed, "power_output": power}, rated_capacity=[2000.0] * 3)
    texts = np.array([TABLE.as_text(), TABLE.as_text(), ""], dtype=object)
    return data.assign_coords(manufacturer_power_curve=("asset", texts))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_table_in_each_form(mm82, algorithm):
    curve = in_form(mm82, algorithm)
    grid = np.arange(3.0, 25.01, 0.25)
    # 1 % of the rating, and 2 % for the logistic, which has one bend too few
    assert np.abs(curve.at(grid) - mm82.at(grid)).max() < (41 if algorithm == "logistic" else 20.5)
    assert curve.at([2.9, 25.1]).tolist() == [0.0, 0.0]
    assert curve.limit == 2050


def test_a_table_as_points_is_the_table(mm82):
    grid = np.linspace(0, 30, 301)
    np.testing.assert_allclose(in_form(mm82, "method_of_bins").at(grid), mm82.at(grid))


def test_deviation_and_index(dataset):
    data = dataset(
        {"wind_speed": [[7.0], [7.0], [3.1], [NAN], [7.0]], "power_output": [[495.0], [605.0], [5.0], [9.0], [NAN]]}
    )
    data = data.assign_coords(manufacturer_power_curve=("asset", np.array([TABLE.as_text()], dtype=object)))
    found = power_curve_comparison(data, algorithm="method_of_bins", air_density_correction=False).isel(asset=0)
    np.testing.assert_allclose(found["expected_power"], [550, 550, 10, NAN, 550])
    np.testing.assert_allclose(found["power_deviation"], [-55, 55, -5, NAN, NAN])
    # at 3.1 m/s half a per cent of the rating is expected: no percentage of next to nothing
    np.testing.assert_allclose(found["power_deviation_percentage"], [-10, 10, NAN, NAN, NAN])
    np.testing.assert_allclose(found["performance_index"], [0.9, 1.1, NAN, NAN, NAN])
    assert {name: found[name].attrs["units"] for name in found if name not in data} == {
        "expected_power": "kW",
        "power_deviation": "kW",
        "power_deviation_percentage": "%",
        "performance_index": "1",
    }


def test_only_the_fields_asked_for_and_the_parameters_of_the_specification(turbines):
    given = {
        "reference_curve": "manufacturer_power_curve",
        "bin_width": 0.5,
        "bin_unit": "m/s",
        "air_density_correction": True,
    }
    with remarks() as told:
        found = get_step("power_curve_comparison")(
            turbines, algorithm="polynomial_regression", output_fields=["performance_index"], **given
        )
    assert set(found.data_vars) - set(turbines.data_vars) == {"performance_index"}
    assert float(found["performance_index"].sel(asset="A").mean()) == pytest.approx(1.0, abs=0.01)
    assert found["performance_index"].sel(asset="C").isnull().all()
    assert any("no manufacturer_power_curve of C" in one for one in told)
    assert any("without correction for the air density" in one for one in told)


def test_units_of_the_fields_and_of_the_bins(turbines):
    plain = power_curve_comparison(turbines, air_density_correction=False)
    other = turbines.assign(
        wind_speed=(turbines["wind_speed"] * 3.6).assign_attrs(units="km/h"),
        power_output=(turbines["power_output"] / 1000).assign_attrs(units="MW"),
    )
    found = power_curve_comparison(other, air_density_correction=False, bin_width=1.8, bin_unit="km/h")
    np.testing.assert_allclose(found["expected_power"] * 1000, plain["expected_power"], rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(found["performance_index"], plain["performance_index"], rtol=1e-9)
    assert found["power_deviation"].attrs["units"] == "MW"


@pytest.mark.parametrize("control", ["pitch", "stall"])
def test_thin_air_is_corrected_for(dataset, control):
    rho, speed = 1.0, np.linspace(4, 12, 50)[:, None]
    power = TABLE.at(speed * np.cbrt(rho / 1.225)) if control == "pitch" else TABLE.at(speed) * rho / 1.225
    data = dataset({"wind_speed": speed, "power_output": power, "air_density": np.full_like(speed, rho)})
    data = data.assign_coords(manufacturer_power_curve=("asset", np.array([TABLE.as_text()], dtype=object)))
    with remarks() as told:
        found = power_curve_comparison(data, algorithm="method_of_bins", control=control)
    assert told == []
    np.testing.assert_allclose(found["power_deviation"], 0.0, atol=1e-9)
    bare = power_curve_comparison(data, algorithm="method_of_bins", control=control, air_density_correction=False)
    assert float(bare["power_deviation_percentage"].mean()) < -10


def test_a_table_for_other_air_is_met_at_its_own_density(dataset):
    table = TABLE.model_copy(update={"air_density": 1.1})
    data = dataset({"wind_speed": [[7.0]], "power_output": [[550.0]], "air_density": [[1.1]]})
    data = data.assign_coords(manufacturer_power_curve=("asset", np.array([table.as_text()], dtype=object)))
    assert power_curve_comparison(data, algorithm="method_of_bins")["power_deviation"].item() == pytest.approx(0.0)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_history_finds_the_day_on_which_a_turbine_gets_worse(turbines, algorithm):
    worse = turbines.copy(deep=True)
    change = 20_000
    worse["power_output"][change:, 0] *= 0.92
    found = power_curve_comparison(
        worse, algorithm=algorithm, reference_curve="historical", baseline_period="P30D", retrain_period="P7D"
    )
    index = found["performance_index"].where(worse["wind_speed"] > 6).isel(asset=0)
    assert float(index[:change].mean()) == pytest.approx(1.0, abs=0.01)
    assert float(index[change : change + 1000].mean()) == pytest.approx(0.92, abs=0.01)
    # a month later that is its history: nothing is different any more
    assert float(index[-500:].mean()) == pytest.approx(1.0, abs=0.015)


def test_history_learns_only_from_before_and_not_from_stops(turbines):
    stopped = turbines.copy(deep=True)
    stopped["power_output"][5000:7000, 1] = -5.0
    how = {"reference_curve": "historical", "baseline_period": "P30D", "air_density_correction": False}
    found = power_curve_comparison(stopped, **how)["expected_power"]
    assert found[:432].isnull().all()
    assert found[432 + 1008 :].notnull().all()
    good = found.isel(asset=1)[7000:9000]
    near = TABLE.at(turbines["wind_speed"].values[7000:9000, 1])
    assert float(np.abs(good - near).mean()) < 25
    later = turbines.copy(deep=True)
    later["power_output"][15_000:] = 0.0
    np.testing.assert_array_equal(
        power_curve_comparison(later, **how)["expected_power"][:15_000],
        power_curve_comparison(turbines, **how)["expected_power"][:15_000],
    )


def test_history_of_lazy_data_is_the_same(turbines):
    how = {"reference_curve": "historical", "baseline_period": "P20D", "air_density_correction": False}
    lazy = turbines.chunk({"time": 5_000, "asset": 2}).assign_coords(turbines.coords)
    with dask.config.set(scheduler=lambda *_, **__: pytest.fail("computed")):
        found = power_curve_comparison(lazy, **how)
    eager = power_curve_comparison(turbines, **how)
    assert found["expected_power"].chunks
    for name in ("expected_power", "power_deviation_percentage"):
        np.testing.assert_allclose(found[name].compute(), eager[name])


def test_without_any_table_it_is_history_and_said(turbines):
    with remarks() as told:
        found = power_curve_comparison(turbines.drop_vars("manufacturer_power_curve"), baseline_period="P30D")
    assert any("no asset has a manufacturer_power_curve; the comparison is with history" in one for one in told)
    assert found["expected_power"][5_000:].notnull().all()
    with remarks() as told:
        short = power_curve_comparison(turbines.isel(time=slice(0, 100)), reference_curve="historical")
    assert short["expected_power"].isnull().all()
    assert any("nothing is expected" in one for one in told)


def test_the_portfolio_brings_the_table(checkout, dataset):
    data = dataset({"wind_speed": [[8.0]], "power_output": [[700.0]]}).assign_coords(asset=["R80711"])
    known = with_assets(data, load_portfolio(checkout / "catalogs" / "portfolio"))
    assert manufacturer_curves(known)["R80711"].rated_power == 2050
    assert power_curve_comparison(known, algorithm="method_of_bins", air_density_correction=False)[
        "expected_power"
    ].item() == pytest.approx(767)


def test_bad_input_is_told(turbines):
    broken = turbines.assign_coords(manufacturer_power_curve=("asset", np.array(["{}", "", "3 MW"], dtype=object)))
    with pytest.raises(InputError, match="no power curve"):
        power_curve_comparison(broken)
    with pytest.raises(InputError, match="wind_speed"):
        power_curve_comparison(turbines.drop_vars("wind_speed"))
    with pytest.raises(InputError, match="not measured by turbine"):
        power_curve_comparison(turbines.isel(asset=0))
    with pytest.raises(InputError, match="not in order"):
        power_curve_comparison(turbines.isel(time=slice(None, None, -1)), reference_curve="historical")
    with pytest.raises(InputError, match="convert"):
        power_curve_comparison(turbines.assign(wind_speed=turbines["wind_speed"].assign_attrs(units="kW")))


def test_a_flagged_wind_speed_gives_no_expectation(turbines):
    from workbench.model.quality import Quality, add_flags

    where = xr.zeros_like(turbines["wind_speed"], dtype=bool)
    where[3, 0] = True
    found = power_curve_comparison(add_flags(turbines, "wind_speed", where, Quality.RANGE))
    assert np.isnan(found["expected_power"].values[3, 0])
