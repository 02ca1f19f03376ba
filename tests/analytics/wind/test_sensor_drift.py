"""Sensors that drift: put into La Haute Borne, steps, and farms where nothing drifts."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from workbench.analytics.wind import sensor_drift, sensor_drift_correction, sensor_drift_detection
from workbench.analytics.wind.sensor_drift import DAY, MONTH
from workbench.model.errors import InputError
from workbench.model.quality import Quality, add_flags, count_flags

START = 60_000


def months(data: xr.Dataset) -> np.ndarray:
    return np.maximum(np.arange(data.sizes["time"]) - START, 0) / 144 / MONTH


def farm(seed: int, days: int = 365, turbines: int = 5) -> xr.Dataset:
    """Turbines in one wind, each with a bias that wanders from day to day (AR(1)) as those of real ones do."""
    rng = np.random.default_rng(seed)
    rows = days * 144
    wind = rng.gamma(6, 1.4, (days, 1)).repeat(144, axis=0)
    wander = np.zeros((days, turbines))
    for day in range(1, days):
        wander[day] = 0.8 * wander[day - 1] + rng.normal(0, 0.01, turbines)
    own = wind * np.exp(wander.repeat(144, axis=0)) * rng.normal(1, 0.08, (rows, turbines))
    return xr.Dataset(
        {"wind_speed": (("time", "asset"), own, {"units": "m/s"})},
        coords={
            "time": np.datetime64("2024-01-01", "ns") + np.arange(rows) * np.timedelta64(600, "s"),
            "asset": [f"T{i}" for i in range(turbines)],
        },
    )


@pytest.mark.parametrize(("rate", "asset"), [(2.0, 2), (-2.0, 1), (1.0, 3)])
def test_a_drift_of_percents_a_month_is_found(two_years, rate, asset):
    data = two_years.copy(deep=True)
    data["wind_speed"][:, asset] *= np.exp(rate / 100 * months(data))
    table = sensor_drift(data)
    row = table.row(asset, named=True)
    assert row["kind"] == "drift"
    assert row["rate"] == pytest.approx(rate, abs=0.3)
    assert abs(np.datetime64(row["onset"], "ns") - data["time"].values[START]) <= np.timedelta64(45, "D")
    assert row["alarm"] > row["onset"]
    # of the three that were left alone, none but R80711, whose nacelle sensors were replaced (northing: 2015-11-27)
    others = table.filter((table["kind"] != "none") & (table["asset"] != row["asset"]))
    assert set(others["asset"]) <= {"R80711"}


def test_a_thermometer_that_drifts_is_found_and_the_others_are_left_alone(two_years):
    assert sensor_drift(two_years, variable="temperature")["kind"].to_list() == ["none"] * 4
    data = two_years.copy(deep=True)
    data["temperature"][:, 0] += 0.2 * months(data)
    table = sensor_drift(data, variable="temperature")
    assert table["kind"].to_list() == ["drift", "none", "none", "none"]
    assert table["rate"][0] == pytest.approx(0.2, abs=0.02)
    assert table["unit"][0] == "degC"


def test_a_step_is_no_drift(two_years):
    data = two_years.copy(deep=True)
    data["wind_speed"][START:, 2] *= 1.08
    row = sensor_drift(data).row(2, named=True)
    assert row["kind"] == "step"
    assert row["deviation"] == pytest.approx(100 * np.log(1.08), abs=1.5)
    assert abs(np.datetime64(row["onset"], "ns") - data["time"].values[START]) <= np.timedelta64(14, "D")


def test_farms_where_nothing_drifts_are_quiet_and_drifts_are_found():
    """Precision and recall over farms of known truth."""
    false = hits = 0
    errors = []
    for seed in range(6):
        data = farm(seed)
        false += int((sensor_drift(data)["kind"] != "none").sum())
        since = np.maximum(np.arange(data.sizes["time"]) - 20_000, 0) / 144 / MONTH
        data["wind_speed"][:, seed % 5] *= np.exp(-0.02 * since)
        table = sensor_drift(data)
        row = table.row(seed % 5, named=True)
        hits += row["kind"] == "drift"
        false += int((table["kind"] != "none").sum()) - (row["kind"] != "none")
        errors.append((row["rate"] + 2.0) / row["rate_uncertainty"])
    assert hits == 6  # recall 1
    assert false == 0  # of 54 sensors left alone
    assert np.abs(errors).max() < 4  # the uncertainty is honest


def test_the_step_flags_from_where_it_matters(two_years):
    data = two_years.copy(deep=True)
    data["wind_speed"][:, 2] *= np.exp(0.02 * months(data))
    made = sensor_drift_detection(data)
    drift = made["wind_speed_drift"]
    assert drift.attrs["units"] == "%"
    assert float(drift[-1, 2]) == pytest.approx(2 * months(data)[-1], abs=2.5)
    assert int((made["wind_speed_quality"][:, 2] & 512 > 0).sum()) == int((abs(drift[:, 2]) > 3).sum())
    assert count_flags(sensor_drift_detection(data, flag=False)) == count_flags(data)


def test_one_turbine_and_little_data_say_why(two_years):
    table = sensor_drift(two_years.isel(asset=[0]))
    assert table["reason"].to_list() == ["fewer than two neighbours, and no reference"]
    short = sensor_drift(two_years.isel(time=slice(0, 50 * 144)))
    assert set(short["reason"]) == {"fewer than 12 weeks in common"}
    assert np.isnan(sensor_drift_detection(two_years.isel(asset=[0]))["wind_speed_drift"]).all()
    assert DAY == 86_400 * 10**9


@pytest.mark.parametrize(("variable", "unit"), [("wind_speed", "%"), ("temperature", "degC")])
def test_the_correction_brings_a_drift_back_and_is_undone_to_the_last_bit(two_years, variable, unit):
    wrong = two_years.copy(deep=True)
    if unit == "%":
        wrong[variable][:, 2] *= np.exp(0.02 * months(wrong))
    else:
        wrong[variable][:, 2] += 0.2 * months(wrong)
    # a flag of another check stays where the detection flags nothing
    wrong = add_flags(wrong, variable, wrong[variable].isel(time=slice(10, 20)).notnull(), Quality.INCONSISTENT)
    flagged = sensor_drift_detection(wrong, variable=variable)
    right = sensor_drift_correction(flagged, variable=variable)
    off, before = (one[variable][-4000:, 2].values - two_years[variable][-4000:, 2].values for one in (right, wrong))
    assert abs(np.nanmean(off)) < 0.25 * abs(np.nanmean(before))
    assert sensor_drift(right, variable=variable)["kind"][2] == "none"
    np.testing.assert_array_equal(right[f"{variable}_raw"], wrong[variable])
    early = right[variable].isel(time=slice(0, START - 8000))
    np.testing.assert_array_equal(early, wrong[variable].isel(time=slice(0, START - 8000)))
    bits = right[f"{variable}_quality"]
    assert not (bits[-4000:, 2] & int(Quality.INCONSISTENT)).any()
    assert (bits[10:20] & int(Quality.INCONSISTENT)).any()
    with pytest.raises(InputError, match="taken out already"):
        sensor_drift_correction(right, variable=variable)
    back = sensor_drift_correction(right, variable=variable, undo=True)
    assert set(back) == set(flagged)
    for name in flagged:
        np.testing.assert_array_equal(back[name], flagged[name])
    with pytest.raises(InputError, match="no drift was taken out"):
        sensor_drift_correction(back, variable=variable, undo=True)


def test_the_correction_needs_the_detection_and_leaves_alone_what_was_not_judged(two_years):
    with pytest.raises(InputError, match="not in the data"):
        sensor_drift_correction(two_years)
    one = sensor_drift_detection(two_years.isel(asset=[0]))
    np.testing.assert_array_equal(sensor_drift_correction(one)["wind_speed"], one["wind_speed"])
    unflagged = sensor_drift_detection(two_years, flag=False)
    assert count_flags(sensor_drift_correction(unflagged)) == count_flags(unflagged)
