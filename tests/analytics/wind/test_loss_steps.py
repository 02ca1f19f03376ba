"""Reliability and the waterfall from fields of categories, as a pipeline has them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.analytics.wind.reliability import reliability
from workbench.model.errors import InputError
from workbench.steps import get_step, remarks

SLOTS = 144


@pytest.fixture
def day() -> xr.Dataset:
    """Two turbines, ten minutes each: the first fails twice, one hour each, the second never; both can make 600 kW."""
    failed = np.zeros((SLOTS, 2))
    failed[12:18, 0] = failed[30:36, 0] = 600.0
    dims = ("time", "asset")
    made = np.where(failed > 0, 0.0, 500.0)
    return xr.Dataset(
        {
            "forced_outage_seconds": (dims, failed, {"units": "s"}),
            "available_seconds": (dims, 600.0 - failed, {"units": "s"}),
            "power_output": (dims, made, {"units": "kW"}),
            "expected_power": (dims, np.full((SLOTS, 2), 600.0), {"units": "kW"}),
        },
        coords={"time": pd.date_range("2024-01-01", periods=SLOTS, freq="10min", unit="ns"), "asset": ["A", "B"]},
    )


def test_two_failures_by_hand(day):
    with remarks() as told:
        found = get_step("reliability")(day)
    assert found["mtbf"].values == pytest.approx([22 / 2, np.nan], nan_ok=True)
    assert found["mttr"].values == pytest.approx([1.0, np.nan], nan_ok=True)
    assert found["failures"].values.tolist() == found["repairs"].values.tolist() == [2, 0]
    assert found["failure_rate"].values == pytest.approx([2 / 22 * 8766, 0])
    # the farm is both together, not the mean of the two
    assert found["mtbf"].attrs["farm"] == pytest.approx((22 + 24) / 2)
    # of no failure in 24 h: ln(20) is the upper end with 90 %
    assert found["mtbf_low"].values[1] == pytest.approx(24 / np.log(20))
    assert found["mtbf"].attrs["units"] == "h"
    assert told == ["reliability: no failure of B: there is no MTBF, only its lower end"]


def test_failures_close_together_are_one(day):
    found = get_step("reliability")(day, merge="PT2H")
    assert found["failures"].values.tolist() == [1, 0]
    assert found["down_hours"].values.tolist() == [2, 0]


def test_slots_that_are_missing_are_unknown_time_and_end_no_failure(day):
    whole = get_step("reliability")(day)
    holes = np.r_[14:16, 60:72]
    with remarks() as told:
        found = get_step("reliability")(day.isel(time=np.setdiff1d(np.arange(SLOTS), holes)))
    assert found["failures"].values.tolist() == whole["failures"].values.tolist()
    assert found["unknown_hours"].values == pytest.approx([14 / 6, 14 / 6])
    assert found["up_hours"].values == pytest.approx(whole["up_hours"].values - [2, 14 / 6])
    assert told[0].startswith("14 slots are missing")


def test_what_no_source_tells_is_not_zero(day):
    with pytest.raises(InputError, match="no source tells") as caught:
        get_step("reliability")(day, categories=["unavailable"])
    assert caught.value.expected == "of forced_outage, available"
    with pytest.raises(InputError, match="no such category"):
        get_step("reliability")(day, categories=["forced_outages"])
    with pytest.raises(InputError, match="no seconds of any category"):
        get_step("reliability")(day[["power_output"]])
    with pytest.raises(InputError, match="order"):
        get_step("reliability")(day.isel(time=slice(None, None, -1)), slot="PT10M")


def test_a_category_of_ones_own_counts_with_the_one_it_belongs_to(day):
    mine = day.rename(forced_outage_seconds="gearbox_seconds")
    found = get_step("reliability")(mine, own={"gearbox": "forced_outage"})
    assert found["mtbf"].values == pytest.approx([11, np.nan], nan_ok=True)
    fields = {"suspended": "forced_outage_seconds", "available": "available_seconds"}
    other = get_step("reliability")(day, seconds=fields, categories=["suspended"])
    assert other["mttr"].values == pytest.approx([1, np.nan], nan_ok=True)
    # of what no field tells nothing is known
    del fields["available"]
    blind = get_step("reliability")(day, seconds=fields, categories=["suspended"])
    assert blind["up_hours"].values.tolist() == [0, 0]
    assert blind["unknown_hours"].values.tolist() == [22, 24]


def test_as_the_function_after_the_step_before(two_years):
    """La Haute Borne: what production tells, by the pipeline and by hand."""
    from workbench.analytics.wind.availability import production_state
    from workbench.analytics.wind.category_sources import from_production

    part = two_years.sel(time=slice("2014-03-01", "2014-05-31"))
    fields = get_step("availability_categories")(part, by_production=True)
    found = get_step("reliability")(fields, categories=["unavailable"], merge="PT1H")
    by_hand = reliability(from_production(production_state(part)), categories=("unavailable",), merge="PT1H")
    for name in ("mtbf", "mttr", "failures", "up_hours", "down_hours", "unknown_hours"):
        assert found[name].values == pytest.approx(by_hand[name].values), name
        assert found[name].attrs["farm"] == pytest.approx(by_hand[f"farm_{name}"].item()), name
    assert found["failures"].attrs["farm"] > 20
    alone = get_step("reliability")(fields.isel(asset=[2]), categories=["unavailable"], merge="PT1H")
    assert alone["mtbf"].item() == alone["mtbf"].attrs["farm"] == pytest.approx(found["mtbf"].values[2])


def test_the_waterfall_closes_and_is_what_was_lost(day):
    lost = get_step("energy_losses")(day, price=50.0)
    found = get_step("loss_waterfall")(day, price=50.0)
    bars = found["loss_waterfall"].to_pandas()
    assert list(bars.columns) == ["potential", "forced_outage", "unknown", "performance", "actual"]
    # 600 kW for two hours; 100 kW short in the others
    assert bars.loc["A"].tolist() == pytest.approx([600 * 24, -1200, 0, -2200, 500 * 22])
    assert bars.loc["B"].tolist() == pytest.approx([600 * 24, 0, 0, -2400, 500 * 24])
    assert (bars["potential"] + bars.iloc[:, 1:-1].sum(axis=1)).tolist() == pytest.approx(bars["actual"].tolist())
    assert bars["forced_outage"].tolist() == pytest.approx(
        (-lost["lost_energy_forced_outage"].sum("time")).values.tolist()
    )
    level = found["loss_waterfall_level"].to_pandas()
    assert level["performance"].tolist() == pytest.approx(bars["actual"].tolist())
    value = found["loss_waterfall_value"].sum("loss_waterfall_bar").values
    assert value == pytest.approx(-lost["lost_value"].sum("time").values)
    assert found["loss_waterfall_share"].sel(loss_waterfall_bar="forced_outage").values == pytest.approx([-2 / 24, 0])


def test_a_limit_explains_curtailment_of_the_one_it_held_down(day):
    limit = np.full((SLOTS, 2), np.nan)
    limit[:, 1] = 550.0
    limited = day.assign(most=(("time", "asset"), limit / 1000, {"units": "MW"}))
    bars = get_step("loss_waterfall")(limited, limit="most", output_field="bars")["bars"].to_pandas()
    assert bars["curtailment"].tolist() == pytest.approx([0, -50 * 24])
    assert bars["performance"].tolist() == pytest.approx([-2200, -50 * 24])


def test_a_slot_without_power_is_left_out_unless_it_stood(day):
    day["power_output"][12:18, 0] = np.nan
    out, stood = (
        get_step("loss_waterfall")(day, stopped_is_zero=one)["loss_waterfall"].to_pandas() for one in (False, True)
    )
    assert out.loc["A", ["potential", "forced_outage"]].tolist() == pytest.approx([600 * 23, -600])
    assert stood.loc["A", ["potential", "forced_outage"]].tolist() == pytest.approx([600 * 24, -1200])
