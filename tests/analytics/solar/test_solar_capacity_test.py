"""Capacity test: made-up plants whose regression is known, filters that are counted, and bad input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.analytics.solar.capacity_filters import Filters
from workbench.analytics.solar.capacity_test import Conditions, capacity_test
from workbench.model.errors import InputError
from workbench.steps import get_step, remarks

#: P = E (a1 + a2 E + a3 T + a4 v), kW of a plant of about 10 MW.
TRUE = np.array([10.8, -4e-4, -0.041, 0.013])
DIMS = ("time", "asset")
AT = Conditions(800.0, 20.0, 3.0)


def capacity(irradiance: float, air: float, wind: float) -> float:
    return float(irradiance * (TRUE @ [1, irradiance, air, wind]))


def plant(
    days: int = 20, *, seed: int = 0, daily: float = 0.004, noise: float = 0.004, factor: float = 1.0
) -> xr.Dataset:
    """Clear and broken days, 5 min; the power errs alike within a day (``daily``) and by itself (``noise``)."""
    rng = np.random.default_rng(seed)
    times = pd.date_range("2023-06-01", periods=days * 288, freq="5min", unit="ns")
    hour = times.hour.to_numpy() + times.minute.to_numpy() / 60
    day = np.arange(len(times)) // 288
    sun = np.clip(np.sin((hour - 5) / 14 * np.pi), 0, None) * rng.uniform(700, 1000, days)[day]
    sun = np.where(rng.random(len(times)) < 0.1, sun * rng.uniform(0.3, 0.9, len(times)), sun)
    air = 14 + rng.normal(0, 4, days)[day] + 9 * np.sin((hour - 9) / 24 * 2 * np.pi) + rng.normal(0, 0.5, len(times))
    wind = np.clip(rng.gamma(3, 1, days)[day] + rng.normal(0, 0.8, len(times)), 0, None)
    target = sun * (TRUE[0] + TRUE[1] * sun + TRUE[2] * air + TRUE[3] * wind)
    made = target * factor * (1 + daily * rng.normal(size=days)[day] + noise * rng.normal(size=len(times)))
    fields = {
        "total_ac_power": (made, "kW"), "expected_power": (target, "kW"), "irradiance_poa": (sun, "W/m2"),
        "ambient_temperature": (air, "degC"), "wind_speed": (wind, "m/s"), "module_temperature": (air + 0.03 * sun, "degC"),
    }  # fmt: skip
    return xr.Dataset(
        {name: (DIMS, values[:, None], {"units": units}) for name, (values, units) in fields.items()},
        coords={"time": times, "asset": ["P"], "rated_capacity": ("asset", [12_000.0])},
        attrs={"timezone": "UTC"},
    )


LOOSE = Filters(stability=None, clipping=False)


def test_the_regression_of_astm_e2848_is_found_again():
    found = capacity_test(plant(noise=0, daily=0), target=capacity(800, 20, 3), conditions=AT, filters=LOOSE)
    assert found.coefficients is not None
    assert found.coefficients.values[0] == pytest.approx(TRUE, rel=1e-6)
    one = found.results.isel(asset=0)
    assert float(one["capacity"]) == pytest.approx(capacity(800, 20, 3), rel=1e-9)
    assert float(one["capacity_ratio"]) == pytest.approx(1, rel=1e-9)
    assert int(one["passed"]) == 1


def test_its_intervals_hold_the_truth_where_days_err_alike():
    held = 0
    for seed in range(40):
        one = capacity_test(
            plant(15, seed=seed, daily=0.01), target=capacity(800, 20, 3), conditions=AT, filters=LOOSE, level=0.9
        ).results.isel(asset=0)
        held += float(one["capacity_ratio_lower"]) <= 1 <= float(one["capacity_ratio_upper"])
        # of independent slots it would be several times too small
        assert float(one["capacity_upper"] - one["capacity"]) > 3 * float(one["capacity_standard_error"])
    assert 31 <= held <= 40  # 36 of 40 expected, at least 31 with 98 %


def test_the_standard_error_is_that_of_least_squares():
    data = plant(10, daily=0)
    found = capacity_test(data, target=1e4, conditions=AT, filters=LOOSE)
    sun, air, wind, power = (
        data[n].values[:, 0] for n in ("irradiance_poa", "ambient_temperature", "wind_speed", "total_ac_power")
    )
    use = (sun >= 400) & (wind <= 15) & (power > 0)
    import statsmodels.api as sm

    fit = sm.OLS(power[use], np.stack([sun, sun**2, sun * air, sun * wind], axis=1)[use]).fit()
    told = fit.get_prediction(np.array([[800, 800**2, 800 * 20, 800 * 3.0]])).se_mean[0]
    assert int(found.results["rows"][0]) == use.sum()
    assert float(found.results["capacity_standard_error"][0]) == pytest.approx(told, rel=1e-6)


def test_reporting_conditions_are_chosen_from_the_data():
    one = capacity_test(plant(), filters=LOOSE).results.isel(asset=0)
    data = plant()
    sun, air = data["irradiance_poa"].values, data["ambient_temperature"].values
    use = sun >= 400
    at = np.percentile(sun[use], 60)
    assert float(one["condition_irradiance"]) == pytest.approx(at, rel=1e-6)
    assert float(one["condition_temperature"]) == pytest.approx(
        air[use & (np.abs(sun / at - 1) <= 0.2)].mean(), rel=1e-6
    )


@pytest.mark.parametrize("method", ["astm_e2848", "iec_61724_2", "expected"])
@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "passed"), (0.9, "failed")])
def test_against_expected_power_by_each_method(method, factor, verdict):
    found = capacity_test(plant(factor=factor), method=method, contracted=0.95)
    one = found.results.isel(asset=0)
    assert float(one["capacity_ratio"]) == pytest.approx(factor, abs=0.005)
    assert float(one["capacity_ratio_lower"]) < factor < float(one["capacity_ratio_upper"])
    assert str(one["verdict"].values).startswith(verdict)
    left = found.filters["P"]
    assert left["all"] == 20 * 288
    assert left.is_monotonic_decreasing
    assert left.iloc[-1] == int(one["rows"])
    assert left["stable irradiance"] < left["irradiance"]


def test_iec_corrects_to_conditions_by_irradiance_and_temperature():
    data = plant(5, noise=0, daily=0)
    sun, module = data["irradiance_poa"], data["module_temperature"]
    data["total_ac_power"] = (10 * sun * (1 - 0.004 * (module - 25))).assign_attrs(units="kW")
    one = capacity_test(
        data,
        method="iec_61724_2",
        target=10_000 * 0.92,
        conditions=Conditions(1000.0, 45.0),
        temperature_coefficient=-0.004,
    ).results.isel(asset=0)
    assert float(one["capacity"]) == pytest.approx(9200)
    assert float(one["capacity_ratio"]) == pytest.approx(1)


def test_the_open_case_and_the_instruments():
    one = capacity_test(plant(6, daily=0.03), contracted=1.0).results.isel(asset=0)
    assert int(one["passed"]) == -1
    assert "open" in str(one["verdict"].values)
    narrow, wide = (capacity_test(plant(), instruments=u).results for u in (0.0, 0.02))
    assert float(wide["capacity_ratio_upper"][0] - wide["capacity_ratio"][0]) > 0.039
    assert float(narrow["capacity_ratio_upper"][0] - narrow["capacity_ratio"][0]) < 0.01


def test_clipped_slots_and_outages_do_not_count():
    data = plant()
    data["total_ac_power"] = data["total_ac_power"].clip(max=6500)
    biased = capacity_test(data, filters=Filters(clipping=False)).results
    found = capacity_test(data).results
    assert float(biased["capacity_ratio"][0]) < 0.99
    assert float(found["capacity_ratio"][0]) == pytest.approx(1, abs=0.005)
    data["total_ac_power"] = plant()["total_ac_power"].where(np.arange(5760)[:, None] % 500 > 30, 0.0)
    assert float(capacity_test(data).results["capacity_ratio"][0]) == pytest.approx(1, abs=0.005)


def test_bad_input_has_a_reason_or_is_refused():
    data = plant(4)
    night = capacity_test(data.isel(time=slice(0, 40)))
    assert "0 usable slots" in str(night.results["reason"].values[0])
    assert np.isnan(night.results["capacity_ratio"].values[0])
    negative = capacity_test(data.assign(irradiance_poa=-data["irradiance_poa"].clip(max=9)))
    assert "usable slots" in str(negative.results["reason"].values[0])
    flat = data.assign(wind_speed=xr.full_like(data["wind_speed"], 0.0))
    assert "vary too little" in str(capacity_test(flat).results["reason"].values[0])
    one_day = capacity_test(data.isel(time=slice(0, 288)), filters=LOOSE)
    assert "tell no interval" in str(one_day.results["caution"].values[0])
    with pytest.raises(InputError, match="neither a target nor expected"):
        capacity_test(data.drop_vars("expected_power"))
    with pytest.raises(InputError, match="no temperature of the air"):
        capacity_test(data.drop_vars("ambient_temperature"))
    with pytest.raises(InputError, match="wind_speed"):
        capacity_test(data.drop_vars("wind_speed"))
    with pytest.raises(InputError, match="no such method"):
        capacity_test(data, method="guess")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no target"):
        capacity_test(data, target=0.0)


def test_the_step():
    with remarks() as told:
        made = get_step("solar_capacity_test")(plant(), target=capacity(800, 20, 3), condition_irradiance=800.0)
    assert made["capacity"].dims == ("asset",)
    assert made["capacity_rows"].item() > 500
    assert any("slots left: all 5760" in text for text in told)
