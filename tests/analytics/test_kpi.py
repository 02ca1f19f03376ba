from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.analytics import kpi
from workbench.model.errors import InputError
from workbench.model.quality import Quality, add_flags

NAN = np.nan


def hours(count: int, start: str = "2015-01-01") -> tuple[pd.Timestamp, pd.Timestamp]:
    first = pd.Timestamp(start)
    return first, first + pd.Timedelta(hours=count)


def test_energy_is_the_sum_of_slot_means_and_nothing_missing_is_invented(dataset):
    data = dataset(
        {"power_output": [[600.0, NAN], [600.0, NAN], [NAN, NAN], [1200.0, NAN]]}, rated_capacity=[2000.0, 2000.0]
    )
    result = kpi.energy(data)
    assert result["energy"].values[0] == pytest.approx(400.0)  # (600 + 600 + 1200) kW x 1/6 h
    assert np.isnan(result["energy"].values[1])  # nothing measured is not zero
    assert result["hours"].values.tolist() == pytest.approx([0.5, 0.0])
    assert result["completeness"].values.tolist() == pytest.approx([0.75, 0.0])
    assert result["capacity_factor"].values[0] == pytest.approx(400.0 / (2000.0 * 0.5))
    assert result["peak"].values[0] == 1200.0
    assert result["energy"].attrs["units"] == "kWh"


def test_flagged_values_do_not_count(dataset):
    data = dataset({"power_output": [[600.0], [9e9], [600.0]]})
    data = add_flags(data, "power_output", data["power_output"] > 1e6, Quality.RANGE)
    result = kpi.energy(data)
    assert result["energy"].item() == pytest.approx(200.0)
    assert result["completeness"].item() == pytest.approx(2 / 3)


def test_the_window_says_what_should_be_there(dataset):
    data = dataset({"power_output": np.full((6, 1), 600.0)})
    result = kpi.energy(data, window=hours(4))
    assert result["hours_expected"].item() == 4
    assert result["completeness"].item() == pytest.approx(0.25)


def test_energy_by_month_of_the_local_clock_adds_up(dataset):
    rng = np.random.default_rng(4)
    data = dataset({"power_output": rng.uniform(0, 2000, (144 * 90 - 6, 2))}, start="2014-12-31T23:00")
    window = (pd.Timestamp("2014-12-31T23:00"), pd.Timestamp("2015-03-31T22:00"))
    months = kpi.energy(data, by="month", tz="Europe/Paris", window=window)
    assert [str(label)[:7] for label in months["period"].values] == ["2015-01", "2015-02", "2015-03"]
    assert months["hours_expected"].isel(asset=0).values.tolist() == [744, 672, 743]  # the clock skips an hour in March
    whole = kpi.energy(data, window=window)
    np.testing.assert_allclose(months["energy"].sum("period"), whole["energy"])


def test_energy_of_a_partly_measured_slot_counts_its_part(dataset):
    data = dataset({"power_output": [[600.0], [600.0]], "power_output_count": [[600.0], [150.0]]}).assign_attrs(
        cadence="10min"
    )
    share = kpi.coverage(data, "power_output", cadence="1s")
    assert share.values.ravel().tolist() == [1.0, 0.25]
    result = kpi.energy(data, measured=share)
    assert result["energy"].item() == pytest.approx(125.0)
    assert result["completeness"].item() == pytest.approx(0.625)
    assert kpi.coverage(data, "power_output").values.ravel().tolist() == [1.0, 1.0]


def test_lazy_data_gives_the_same(dataset):
    data = dataset({"power_output": np.random.default_rng(1).uniform(0, 9, (1000, 3))})
    xr.testing.assert_allclose(kpi.energy(data.chunk(time=100)), kpi.energy(data))


def test_total_weighs_by_rating_and_hours(dataset):
    data = dataset({"power_output": [[1000.0, 500.0], [1000.0, NAN]]}, rated_capacity=[2000.0, 1000.0])
    farm = kpi.total(kpi.energy(data))
    assert farm["energy"].item() == pytest.approx(2500 / 6)
    assert farm["capacity_factor"].item() == pytest.approx(0.5)
    assert farm["completeness"].item() == pytest.approx((2000 * 2 + 1000) / (3000 * 2))


def test_extremes_come_from_the_samples_where_they_are_kept(dataset):
    data = dataset(
        {
            "grid_frequency": [[50.0], [50.02]],
            "grid_frequency_min": [[49.9], [49.97]],
            "grid_frequency_max": [[50.1], [50.04]],
        }
    )
    found = kpi.extremes(data, "grid_frequency")
    assert (found["min"].item(), found["max"].item()) == (49.9, 50.1)
    assert found["max_time"].values[0] == np.datetime64("2015-01-01T00:00", "ns")
    plain = kpi.extremes(data[["grid_frequency"]], "grid_frequency")
    assert (plain["min"].item(), plain["max"].item()) == (50.0, 50.02)


def test_extremes_of_nothing_are_missing(dataset):
    found = kpi.extremes(dataset({"grid_frequency": [[NAN], [NAN]]}), "grid_frequency")
    assert np.isnan(found["min"].item())
    assert np.isnat(found["min_time"].values[0])
    assert np.isnan(kpi.extremes(dataset({"x": np.empty((0, 1))}), "x")["max"].item())


def test_completeness_counts_received_rejected_and_each_flag(dataset):
    data = dataset({"wind_speed": [[5.0, NAN], [99.0, NAN], [6.0, 7.0], [6.0, 7.0]]})
    data = add_flags(data, "wind_speed", data["wind_speed"] > 75, Quality.RANGE)
    data = add_flags(data, "wind_speed", data["wind_speed"] == 7.0, Quality.UNCERTAIN)
    found = kpi.completeness(data, window=(pd.Timestamp("2015-01-01"), pd.Timestamp("2015-01-01T01:00")))
    assert found["expected"].values.tolist() == [[6, 6]]
    assert found["received"].values.tolist() == [[4, 2]]
    assert found["rejected"].values.tolist() == [[1, 0]]  # an uncertain value is still believed
    assert found["usable"].values.ravel().tolist() == pytest.approx([3 / 6, 2 / 6])
    assert found["flagged"].sel(flag="range").values.tolist() == [[1, 0]]
    assert found["flagged"].sel(flag="uncertain").values.tolist() == [[0, 2]]


def test_measured_variables_leave_out_statistics_and_quality(dataset):
    data = dataset(
        dict.fromkeys(
            ("power_output", "power_output_min", "power_output_count", "sample_count", "voltage_min"), np.ones((2, 1))
        )
    )
    data = add_flags(data, "power_output", data["power_output"] > 0, Quality.BAD)
    assert kpi.measured_variables(data) == ["power_output", "voltage_min"]


def test_sample_quality_is_used_over_received(dataset):
    data = dataset({"p": [[1.0], [1.0]], "p_count": [[600.0], [300.0]], "sample_count": [[600.0], [600.0]]})
    assert kpi.sample_quality(data, "p").item() == pytest.approx(0.75)
    assert kpi.sample_quality(data.drop_vars("sample_count"), "p").item() == 1.0
    assert np.isnan(kpi.sample_quality(dataset({"p": [[NAN]] * 3}), "p").item())


def test_a_counter_counts_from_the_slot_before_and_survives_a_reset(dataset):
    data = dataset({"energy_charged": [[100.0], [110.0], [NAN], [130.0], [5.0], [9.0]]})
    window = (pd.Timestamp("2015-01-01T00:10"), pd.Timestamp("2015-01-01T01:00"))
    # 100 -> 110 -> (missing) -> 130, reset, 0 -> 5 -> 9
    assert kpi.counter_increase(data, "energy_charged", window=window).item() == pytest.approx(10 + 20 + 5 + 4)
    assert np.isnan(kpi.counter_increase(data.isel(time=slice(0, 1)), "energy_charged", window=window).item())


def test_battery_by_counters_and_by_power(dataset):
    power = [[-600.0], [-600.0], [300.0], [NAN]]
    counters = {
        "energy_charged": [[0.0], [100.0], [200.0], [200.0]],
        "energy_discharged": [[0.0], [0.0], [0.0], [50.0]],
    }
    data = dataset({"active_power": power, **counters}, energy_capacity=[1000.0])
    by_counter = kpi.battery(data)
    assert by_counter.attrs["method"] == "counters"
    assert (by_counter["charged"].item(), by_counter["discharged"].item()) == (200.0, 50.0)
    assert by_counter["cycles"].item() == pytest.approx(250 / 2000)
    by_power = kpi.battery(data[["active_power"]])
    assert by_power.attrs["method"] == "mean power"
    assert (by_power["charged"].item(), by_power["discharged"].item()) == pytest.approx((200.0, 50.0))


def test_performance_ratio_compares_only_what_both_measured(dataset):
    data = dataset({"total_ac_power": [[80.0], [80.0], [NAN]]}, dc_capacity=[100.0])
    sun = xr.DataArray([1000.0, NAN, 1000.0], dims="time", coords={"time": data["time"]})
    found = kpi.performance_ratio(data, sun)
    assert found["performance_ratio"].item() == pytest.approx(0.8)
    assert found["hours"].item() == pytest.approx(1 / 6)
    with pytest.raises(InputError, match="DC rating"):
        kpi.performance_ratio(data.drop_vars("dc_capacity"), sun)


def test_a_missing_variable_names_the_nearest(dataset):
    with pytest.raises(InputError, match="power_output"):
        kpi.energy(dataset({"power_output": [[1.0]]}), "power_outptu")


def test_la_haute_borne_energy_of_a_year(haute_borne, haute_borne_window):
    """Sums of the published CSV (UTC year 2015: 13,395 MWh), less the hour and the 24 doubted values that differ."""
    turbines, _ = haute_borne
    year = kpi.energy(turbines, window=haute_borne_window)
    assert float(year["energy"].sum()) / 1e3 == pytest.approx(13_391, abs=5)
    assert (year["energy"] / 1e3).round(0).values.tolist() == pytest.approx([3800, 2949, 3206, 3436], abs=2)
    assert float(kpi.total(year)["capacity_factor"]) == pytest.approx(0.1883, abs=0.0003)
    months = kpi.energy(turbines, by="month", tz="Europe/Paris", window=haute_borne_window)
    np.testing.assert_allclose(months["energy"].sum("period"), year["energy"], rtol=1e-6)
