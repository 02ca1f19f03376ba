from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.analytics.wind.electrical_losses import electrical_losses
from workbench.model.errors import InputError


@pytest.fixture
def farm(dataset):
    """Two turbines of 600 and 300 kW for 90 days, and a meter that gets 98 % of it."""
    days = 90
    data = dataset({"power_output": np.tile([600.0, 300.0], (days * 144, 1))})
    return data, (data["power_output"].sum("asset") / 6 * 0.98)


def test_la_haute_borne_to_the_last_digit(example_scada, example_plant):
    """OpenOA 3.2 without uncertainty, threshold 0.95, on its example: 0.019994645742960393; to 1e-9 relative."""
    meter = example_plant["net_energy"].isel(asset=0, drop=True)
    found = electrical_losses(example_scada, meter, completeness=0.95)
    assert found.loss == pytest.approx(0.019994645742960393, rel=1e-9)
    assert found.summary["periods"].item() == 695


def test_la_haute_borne_with_uncertainty(example_scada, example_plant):
    """OpenOA 3.2, 3,000 simulations: 1.9625 +- 0.6951 %, published 2.00 +- 0.70 %.

    The mean of 3,000 draws itself varies by 0.0127 %, hence 4 times that; their deviation by 0.009 %.
    """
    meter = example_plant["net_energy"].isel(asset=0, drop=True)
    found = electrical_losses(example_scada, meter, simulations=3000, completeness=(0.9, 0.995), seed=42)
    assert found.simulations["loss"].mean().item() == pytest.approx(0.019625, abs=0.0005)
    assert found.simulations["loss"].std().item() == pytest.approx(0.006951, abs=0.0003)
    many = electrical_losses(example_scada, meter, simulations=200_000, seed=1).simulations["loss"]
    # two independent factors of 0.5 %
    assert many.std().item() == pytest.approx(0.005 * np.sqrt(2) * (1 - found.loss), rel=0.01)


def test_same_seed_same_result(farm):
    one, other, third = (electrical_losses(*farm, simulations=50, seed=seed).simulations for seed in (3, 3, 4))
    xr.testing.assert_identical(one, other)
    assert not np.allclose(one["loss"], third["loss"])


def test_only_whole_days_count(farm):
    data, meter = farm
    power = data["power_output"].copy()
    power[5, 1] = np.nan  # the first day lacks a value, and would look like a gain
    meter = meter.copy()
    meter[200] = np.nan  # the second day of the meter
    found = electrical_losses(data.assign(power_output=power), meter)
    assert found.loss == pytest.approx(0.02)
    assert found.periods["compared"].values[:3].tolist() == [False, False, True]
    assert found.summary["periods"].item() == 88


def test_a_meter_read_monthly(farm):
    data, meter = farm
    monthly = meter.resample(time="MS").sum()
    power = data["power_output"].copy()
    power[: 144 * 2] = np.nan  # two days of January, which the month's completeness of 29 / 31 tells
    data = data.assign(power_output=power)
    found = electrical_losses(data, monthly, completeness=0.9)
    assert found.loss == pytest.approx(0.02)
    assert found.periods["completeness"].values == pytest.approx([29 / 31, 1, 1])
    found = electrical_losses(data, monthly, completeness=0.95)
    assert found.periods["compared"].values.tolist() == [False, True, True]
    drawn = electrical_losses(data, monthly, completeness=(0.9, 0.99), simulations=100).simulations
    assert drawn["completeness_limit"].min() >= 0.9
    assert drawn["completeness_limit"].max() <= 0.99


def test_a_single_turbine(dataset):
    data = dataset({"power_output": np.full((144 * 3, 1), 600.0)})
    assert electrical_losses(data, data["power_output"].isel(asset=0) * 0.99 / 6).loss == pytest.approx(0.01)


def test_a_turbine_without_data_is_named(farm):
    data, meter = farm
    power = data["power_output"].copy()
    power[:, 1] = np.nan
    with pytest.raises(InputError, match="a turbine without data: B"):
        electrical_losses(data.assign(power_output=power), meter)


def test_nothing_in_common(farm):
    data, meter = farm
    later = meter.assign_coords(time=meter["time"] + pd.Timedelta(days=400))
    with pytest.raises(InputError, match="no day in common is whole"):
        electrical_losses(data, later)


def test_energy_that_is_not_positive(farm):
    data, meter = farm
    with pytest.raises(InputError, match="not positive"):
        electrical_losses(data.assign(power_output=data["power_output"] * 0), meter)


@pytest.mark.parametrize("wrong", [{"simulations": 0}, {"completeness": 1.5}, {"completeness": (0.9, 0.5)}])
def test_wrong_settings_name_themselves(farm, wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        electrical_losses(*farm, **wrong)


def test_a_weekly_meter(farm):
    data, meter = farm
    with pytest.raises(InputError, match="neither daily nor monthly"):
        electrical_losses(data, meter.resample(time="7D").sum())
