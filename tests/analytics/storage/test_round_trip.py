"""Efficiency net of what is stored more or less in the end, its parts, its interval."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.analytics.storage import recount, round_trip_efficiency
from workbench.analytics.storage.round_trip import one_way


def test_one_way_is_what_closes_the_balance():
    for way, taken, given in ((0.93, 100.0, 50.0), (0.93, 100.0, 120.0), (0.7, 10.0, 4.9)):
        change = way * taken - given / way
        assert one_way(taken, given, change) == pytest.approx(way)


@pytest.mark.parametrize(
    ("profile", "chemistry"),
    [
        ("commercial", "NMC"), ("peak shaving", "LFP"), ("frequency", "NMC"), ("frequency", "LFP"), ("residential", "NMC"),
        ("residential, hard", "LFP"), ("telecom", "NMC"),
    ],
)  # fmt: skip
def test_within_three_tenths_of_a_point(field_of, profile, chemistry):
    from benchmarks._battery_field import Plant

    days = (20, 50) if profile == "telecom" else (120, 150)
    made = field_of(profile, days=days, plant=Plant(chemistry=chemistry))
    counted = recount(made.data, smooth=True)[["soc_recount", "soc_recount_std"]]
    found = round_trip_efficiency(made.data.assign(counted)).isel(asset=0)
    assert float(found["efficiency"]) == pytest.approx(made.efficiency, abs=0.3)
    assert found["lower"] < made.efficiency < found["upper"]
    assert float(found["efficiency_system"]) == pytest.approx(made.efficiency_system, abs=0.5)
    assert float(found["efficiency_cell"] * found["efficiency_converter"]) / 100 == pytest.approx(
        float(found["efficiency"])
    )


def test_a_change_of_the_content_does_not_count(plain):
    data = plain(4.75)  # it ends full
    found = round_trip_efficiency(data).isel(asset=0)
    naive = 100 * float(found["energy_out"] / found["energy_in"])
    assert naive < 72
    assert float(found["efficiency"]) == pytest.approx(100 * 0.92**2, abs=0.05)
    assert float(found["efficiency_cell"]) == pytest.approx(100, abs=0.05)
    assert float(found["efficiency_converter"]) == pytest.approx(100 * 0.92**2, abs=0.05)
    assert float(found["energy_auxiliary"]) == pytest.approx(2 * 4.75 * 24, rel=0.01)


def test_a_gap_counts_on_neither_side(plain):
    data = plain(6).copy(deep=True)
    for name in ("charge_power", "discharge_power", "active_power"):
        data[name][60 + 144 : 100 + 144] = np.nan  # the charging of one day
    found = round_trip_efficiency(data).isel(asset=0)
    assert float(found["efficiency"]) == pytest.approx(100 * 0.92**2, abs=0.3)
    assert float(found["hours"]) == pytest.approx(6 * 24 - 40 / 6, abs=0.01)


def test_by_days_with_wider_intervals(plain):
    data = plain(6).drop_vars(["dc_power", "dc_voltage"])  # by the change of the content alone
    days, whole = round_trip_efficiency(data, by="day"), round_trip_efficiency(data)
    assert days.sizes["period"] == 6
    np.testing.assert_allclose(days["efficiency"], 100 * 0.92**2, atol=0.2)
    width = (days["upper"] - days["lower"]).values
    assert width.min() > 3 * float(whole["upper"][0] - whole["lower"][0])


def test_the_current_tells_what_a_state_of_charge_that_is_off_does_not(plain):
    import xarray as xr

    rng = np.random.default_rng(3)
    data = plain(6)
    seen = 1000 * data["dc_power"] / data["dc_voltage"] + 2.0 + rng.normal(0, 0.5, data["dc_power"].shape)
    ramp = xr.DataArray(np.linspace(0, 8.0, data.sizes["time"]), dims="time")
    data = data.drop_vars("stored_energy").assign(dc_current=seen, state_of_charge=data["state_of_charge"] + ramp)
    found = round_trip_efficiency(data, soc_uncertainty=4.0).isel(asset=0)
    by_content = round_trip_efficiency(data.drop_vars(["dc_current", "dc_power"]), soc_uncertainty=4.0).isel(asset=0)
    assert float(found["energy_change"]) > 70  # kWh, of which there are none
    assert float(by_content["efficiency"]) > 100 * 0.92**2 + 1
    assert float(found["efficiency"]) == pytest.approx(100 * 0.92**2, abs=0.3)
    assert found["lower"] < 100 * 0.92**2 < found["upper"]
    sure = round_trip_efficiency(data, soc_uncertainty=0.3).isel(asset=0)
    assert "do not go together" in sure["caution"].item()
    days = round_trip_efficiency(data, by="day", soc_uncertainty=4.0)
    assert ((days["lower"] < 100 * 0.92**2) & (days["upper"] > 100 * 0.92**2)).all()


def test_from_the_active_power_alone_and_what_is_lost_by_that(plain):
    data = plain(6)[["active_power", "state_of_charge"]]
    found = round_trip_efficiency(data).isel(asset=0)
    assert np.isnan(found["efficiency_cell"])
    assert np.isnan(found["efficiency_system"])
    # auxiliaries are in it, as nothing tells them apart
    assert float(found["efficiency"]) < 100 * 0.92**2 - 1


def test_without_state_of_charge_the_interval_says_so(plain):
    data = plain(6)[["charge_power", "discharge_power"]]
    found = round_trip_efficiency(data).isel(asset=0)
    assert "no state of charge" in found["caution"].item()
    known = round_trip_efficiency(plain(6)).isel(asset=0)
    assert float(found["upper"] - found["lower"]) > 5 * float(known["upper"] - known["lower"])


def test_an_idle_battery_has_no_efficiency_but_a_reason(plain):
    data = plain(6)
    found = round_trip_efficiency(data.where(data["time"].dt.hour < 8, drop=True)).isel(asset=0)
    assert np.isnan(found["efficiency"])
    assert found["reason"].item()


def test_the_demo_battery_is_as_its_data_sheet_says(demo_battery):
    found = round_trip_efficiency(demo_battery).isel(asset=0)
    # the sheet's is at half power; at less, the resistance of the cells takes less
    assert 86.0 <= float(found["efficiency"]) < 87.0
    assert 97.0 < float(found["efficiency_cell"]) < 99.5
    # what the sheet's round trip leaves beside the cells at half power, where they lose 35 mV of 3.28 V each way
    assert float(found["efficiency_converter"]) == pytest.approx(86.0 * (3.28 + 0.035) / (3.28 - 0.035), abs=0.2)
    assert 70 < float(found["efficiency_system"]) < 86
    without = demo_battery.drop_vars("stored_energy")
    assert float(round_trip_efficiency(without)["efficiency"][0]) == pytest.approx(float(found["efficiency"]), abs=0.3)
