from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from benchmarks._drift_farms import drift_farm
from workbench.analytics.wind import UpliftSettings, toggle_uplift, upgrade_uplift
from workbench.model.errors import InputError
from workbench.steps import get_step, remarks

WHEN = "2016-01-01"


@pytest.fixture(scope="module")
def farm() -> xr.Dataset:
    """Five turbines for two years, hourly, of which none was upgraded."""
    return drift_farm(3, years=2, turbines=5)


def better(farm: xr.Dataset, gain: float, asset: str = "T1") -> xr.Dataset:
    """``farm`` with more power of one turbine from WHEN on, rating or not."""
    after = (farm["time"] >= np.datetime64(WHEN)) & (farm["asset"] == asset)
    return farm.assign(power_output=farm["power_output"].where(~after, farm["power_output"] * (1 + gain)))


def test_an_injected_uplift_is_found_and_covered(farm):
    found = upgrade_uplift(better(farm, 0.04), ["T1"], WHEN)
    one = found.summary.loc["T1"]
    assert one["uplift"] == pytest.approx(4.0, abs=1.5)
    assert one["lower"] <= 4.0 <= one["upper"]
    assert one["claimed"]
    # one and the same weather: the difference to no uplift is what was injected
    assert one["uplift"] - upgrade_uplift(farm, ["T1"], WHEN).summary.loc["T1", "uplift"] == pytest.approx(4.0, abs=0.1)
    assert found.placebo["asset"].values.tolist() == ["T2", "T3", "T4", "T5"]
    curve = found.by_power["uplift"].sel(asset="T1")
    assert np.isfinite(curve).sum() > 15


def test_no_uplift_is_claimed_no_more_often_than_intervals_say():
    """Ten farms without an upgrade: of 95 % intervals three or more are wrong with a chance of 1 % only."""
    claims = []
    for seed in range(10):
        data = drift_farm(40 + seed, years=1, turbines=4)
        claims.append(upgrade_uplift(data, ["T2"], "2015-07-02", seed=seed, simulations=200).summary["claimed"].item())
    assert sum(claims) <= 2


def test_la_haute_borne_by_alternate_weeks_has_no_uplift(example_scada):
    """A/A: every other week against the rest; nothing was done, and nothing is claimed for any of the turbines."""
    week = (example_scada["time"].values.astype("datetime64[D]").astype(int) // 7) % 2
    state = xr.DataArray(week.astype(float), dims="time")
    settings = UpliftSettings(block=14)  # with both states in each
    for turbine in example_scada["asset"].values:
        one = toggle_uplift(example_scada, [turbine], state, settings=settings).summary.loc[turbine]
        assert not one["claimed"], turbine
        assert abs(one["uplift"]) < 2


def test_la_haute_borne_year_against_year(example_scada):
    """The drift of the four against each other, 1 to 3 % from a year to the next, is in the interval.

    R80711 gained 3 % on the others in 2015 (3.4 % by wind direction), not more than what four turbines may drift.
    """
    for turbine in example_scada["asset"].values:
        one = upgrade_uplift(example_scada, [turbine], "2015-01-01").summary.loc[turbine]
        assert not one["claimed"], turbine
        assert one["std"] == pytest.approx(np.hypot(one["std_chance"], one["std_drift"]))
        # the interval is not so wide that nothing could be found
        assert one["upper"] - one["lower"] < 20
        if turbine == "R80711":
            assert one["uplift"] == pytest.approx(3.0, abs=0.6)


def test_the_north_of_one_nacelle_may_move(farm):
    data = better(farm, 0.04)
    moved = data["wind_direction"].copy()
    moved[data["time"] >= np.datetime64(WHEN), 2] = (moved[data["time"] >= np.datetime64(WHEN), 2] + 40) % 360
    one, other = (
        upgrade_uplift(d, ["T1"], WHEN, simulations=0).summary.loc["T1", "uplift"]
        for d in (data, data.assign(wind_direction=moved))
    )
    assert other == pytest.approx(one, abs=0.4)


def test_same_seed_same_result(farm):
    one, other, third = (upgrade_uplift(farm, ["T1"], WHEN, seed=seed, simulations=50).uplift for seed in (1, 1, 2))
    xr.testing.assert_identical(one, other)
    assert one["std"] != third["std"]


def test_without_references_the_own_anemometer_is_taken_and_it_is_said(farm):
    alone = better(farm, 0.05).sel(asset=["T1"])
    one = upgrade_uplift(alone, ["T1"], WHEN).summary.loc["T1"]
    assert one["uplift"] == pytest.approx(5.0, abs=2.0)
    assert "anemometer" in one["caution"]
    with pytest.raises(InputError, match="neither references nor a wind speed"):
        upgrade_uplift(alone.drop_vars("wind_speed"), ["T1"], WHEN)
    two = upgrade_uplift(better(farm, 0.05), ["T1"], WHEN, references=["T2"]).summary.loc["T1"]
    assert "drift" in two["caution"]


def test_too_little_data_is_a_reason(farm):
    one = upgrade_uplift(farm, ["T1"], "2014-06-01").summary.loc["T1"]
    assert np.isnan(one["uplift"])
    assert one["reason"].startswith("0 slots without")
    short = upgrade_uplift(farm.sel(time=slice("2015-12-14", None)), ["T1"], WHEN).summary.loc["T1"]
    assert "blocks of 7 days" in short["reason"]
    assert not short["claimed"]


def test_three_days_of_a_wind_farm_are_not_enough(test_data, require):
    """The nine turbines of wind-up's test data, of one month of January: as they come, with a clear answer."""
    path = test_data / "wind" / "windup_mrg_3days_9wtg.parquet"
    require(path.exists(), "windup_mrg_3days_9wtg.parquet is not among the test data")
    table = pd.read_parquet(path)
    power = table["ActivePowerMean"].unstack(level=0)
    yaw = table["YawAngleMean"].unstack(level=0)
    data = xr.Dataset(
        {"power_output": (("time", "asset"), power.to_numpy()), "wind_direction": (("time", "asset"), yaw.to_numpy())},
        coords={
            "time": power.index.to_numpy().astype("datetime64[ns]"),
            "asset": power.columns.to_numpy().astype(str),
            "rated_capacity": ("asset", np.full(9, 2300.0)),
        },
    )
    one = upgrade_uplift(data, ["MRG_T01"], data["time"].values[220]).summary.loc["MRG_T01"]
    assert np.isnan(one["uplift"])
    assert "needed" in one["reason"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"upgraded": ["T9"]}, "no such turbine"),
        ({"upgraded": []}, "no turbine was upgraded"),
        ({"references": ["T1", "T2"]}, "its own reference"),
        ({"until": "2015-01-01"}, "ends before it begins"),
        ({"when": "yesterday-ish"}, "no time"),
        ({"level": 2.0}, "no share"),
    ],
)
def test_wrong_input(farm, changed, message):
    given = {"upgraded": ["T1"], "when": WHEN} | changed
    with pytest.raises(InputError, match=message):
        upgrade_uplift(farm, given.pop("upgraded"), given.pop("when"), **given)


def test_the_step_by_time_and_by_state(farm):
    data = better(farm, 0.04)
    on = (data["time"] >= np.datetime64(WHEN)).astype(float).expand_dims(asset=data["asset"], axis=1)
    step = get_step("upgrade_uplift")
    by_time = step(data, upgraded=["T1"], when=f"{WHEN}T01:00:00+01:00", simulations=50)
    assert by_time["uplift"].sel(asset="T1") == pytest.approx(4.0, abs=1.5)
    assert np.isnan(by_time["uplift"].sel(asset="T2"))
    by_state = step(data.assign(on=on), upgraded=["T1"], state="on", simulations=50)
    assert by_state["uplift"].sel(asset="T1") == pytest.approx(by_time["uplift"].sel(asset="T1").item(), abs=0.2)
    weekly = data.assign(on=("time", (np.arange(data.sizes["time"]) // 1008 % 2).astype(float)))
    settled = step(weekly, upgraded=["T1"], state="on", settle="P2D", simulations=20)["uplift"].sel(asset="T1").item()
    by_hand = toggle_uplift(weekly, ["T1"], "on", settle="P2D", simulations=20).uplift["uplift"].item()
    assert settled == by_hand != step(weekly, upgraded=["T1"], state="on", simulations=20)["uplift"].sel(asset="T1")
    as_yaml_has_it = step(data, upgraded=["T1"], when=dt.date.fromisoformat(str(WHEN)[:10]), simulations=20)
    assert as_yaml_has_it["uplift"].sel(asset="T1") == pytest.approx(4.0, abs=1.5)
    with pytest.raises(InputError, match="either the time"):
        step(data, upgraded=["T1"])
    with remarks() as told:
        step(data.isel(time=slice(0, 50)), upgraded=["T1"], when=WHEN)
    assert any("needed" in one for one in told)
