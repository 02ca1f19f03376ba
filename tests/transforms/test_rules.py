from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.model.errors import InputError
from workbench.model.quality import Quality, count_flags
from workbench.steps import get_step, remarks
from workbench.transforms.rolling import rolling_statistics
from workbench.transforms.rules import (
    calculated_health_indicators,
    conditional_classification,
    data_quality_flagging,
)


def telemetry(freq="10min", **fields):
    rows = len(next(iter(fields.values())))
    return xr.Dataset(
        {name: (("time", "asset"), np.array(values, dtype=float)) for name, values in fields.items()},
        coords={
            "time": pd.date_range("2025-01-01", periods=rows, freq=freq),
            "asset": ["T1", "T2"],
            "rated_capacity": ("asset", [2000.0, np.nan], {"units": "kW"}),
        },
    )


def flagged(data, name, flag):
    return np.argwhere(data[f"{name}_quality"].values & int(flag)).tolist()


def test_ranges_are_numbers_or_expressions_and_what_cannot_be_told_is_not_passed():
    data = telemetry(power_output=[[2050, 5000], [2150, 1], [-5, np.nan], [np.nan, 3]])
    data["power_output"].attrs["units"] = "kW"
    rule = {
        "field": "power_output",
        "rule": "range_check",
        "parameters": {"min": 0, "max": "rated_capacity * 1.05", "flag_name": "power_out_of_range"},
    }
    found = data_quality_flagging(data, rules=[rule])
    assert flagged(found, "power_output", Quality.RANGE) == [[1, 0], [2, 0]]
    assert flagged(found, "power_output", Quality.NOT_CHECKED) == [[0, 1], [1, 1], [3, 1]]
    assert found["power_out_of_range"].values.tolist() == [[False, False], [True, False], [True, False], [False, False]]
    np.testing.assert_array_equal(found["power_output"], data["power_output"])
    with remarks() as told:
        found = data_quality_flagging(data.drop_vars("rated_capacity"), rules=[rule])
    assert "needs rated_capacity, not in the data: power_output is not checked" in told[0]
    assert count_flags(found)["power_output"] == {"range": 1, "not_checked": 5}


def test_fast_changes_are_flagged_over_a_window_of_time():
    data = telemetry("20s", wind_speed=[[8, 8], [10, 8], [12, 8], [14, 8], [14, 8], [14, 20]])
    rule = {"field": "wind_speed", "rule": "rate_of_change", "parameters": {"max_delta": 5, "time_window": "PT1M"}}
    found = data_quality_flagging(data, rules=[rule])
    # Within a minute (the values of 60 s, the oldest left out) T1 rises by 4 at most.
    assert flagged(found, "wind_speed", Quality.RATE) == [[5, 1]]
    rule["parameters"]["max_delta"] = 3.5
    assert flagged(data_quality_flagging(data, rules=[rule]), "wind_speed", Quality.RATE) == [[2, 0], [3, 0], [5, 1]]


def test_spikes_stuck_values_and_contradictions():
    rng = np.random.default_rng(1)
    one = rng.normal(50, 1, (60, 2))
    one[30, 0] = 80.0
    one[40:50, 1] = 51.25
    two = one + 0.1
    two[20, 0] += 9
    data = telemetry(a=one, b=two)
    found = data_quality_flagging(
        data,
        rules=[
            {"field": "a", "rule": "spike", "parameters": {"time_window": "PT3H", "threshold": 6}},
            {"field": "a", "rule": "stuck_value", "parameters": {"time_window": "PT1H"}},
            {"field": "a", "rule": "cross_check", "parameters": {"other_field": "b", "tolerance": 1}},
        ],
    )
    assert flagged(found, "a", Quality.SPIKE) == [[30, 0]]
    assert flagged(found, "a", Quality.STUCK) == [[row, 1] for row in range(45, 50)]
    assert flagged(found, "a", Quality.INCONSISTENT) == [[20, 0]]


def test_few_values_take_more_standard_deviations():
    """Of normal noise five standard deviations of six values are passed once in 400 times; by Student's t hardly ever."""
    rng = np.random.default_rng(2)
    one = rng.normal(50, 1, (20_000, 2))
    truth = rng.integers(100, len(one), 40)
    one[truth, 0] += 60.0
    data = telemetry(a=one)

    def struck(**given) -> set[tuple[int, int]]:
        rule = {"field": "a", "rule": "spike", "parameters": {"time_window": "PT1H", **given}}
        return set(map(tuple, flagged(data_quality_flagging(data, rules=[rule]), "a", Quality.SPIKE)))

    meant = {(row, 0) for row in truth}
    with remarks() as told:
        plain = struck(threshold=5)
    assert any("PT1H holds 6 values" in text and "34.4" in text for text in told)
    assert len(plain - meant) > 50
    with remarks() as told:
        rare = struck()
    assert not any("PT1H holds" in text for text in told)
    assert len(rare - meant) <= 1
    assert len(rare & meant) >= 30


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"field": "wind_sped", "rule": "range_check", "parameters": {"min": 0}}, "did you mean"),
        ({"field": "wind_speed", "rule": "range_check"}, "min and max"),
        (
            {"field": "wind_speed", "rule": "rate_of_change", "parameters": {"max_delta": 5}},
            "max_delta and time_window",
        ),
        ({"field": "wind_speed", "rule": "rang_check"}, "Input should be"),
        ({"field": "wind_speed", "rule": "range_check", "parameters": {"max": "wind_speed +"}}, "a value is missing"),
    ],
)
def test_wrong_rules_are_told(rule, message):
    with pytest.raises(InputError, match=message):
        data_quality_flagging(telemetry(wind_speed=[[1, 2]], x_1=[[1, 2]]), rules=[rule])


CASES = [
    {"condition": "score > 0.8 AND availability < 0.95", "value": "requires_investigation"},
    {"condition": "deviation < -5 FOR PT30M", "value": "underperforming"},
    {"condition": "availability < 0.90", "value": "reliability_concern"},
    {"condition": "DEFAULT", "value": "normal"},
]


def test_the_first_condition_that_is_true_gives_the_class():
    data = telemetry(
        score=[[0.9, 0.9], [0.9, np.nan], [0.1, 0.1], [0.1, 0.1], [0.1, 0.1]],
        availability=[[0.9, 1], [0.99, 0.8], [1, 1], [1, 1], [1, np.nan]],
        deviation=[[0, -6], [-6, -6], [-6, -6], [-6, -6], [-6, -1]],
    )
    found = conditional_classification(data, field_name="status", conditions=CASES)
    assert found["status"].values.tolist() == [
        ["requires_investigation", "normal"],
        ["normal", "reliability_concern"],
        ["normal", "normal"],
        ["normal", "underperforming"],
        ["underperforming", "normal"],
    ]
    lazy = conditional_classification(data.chunk(time=2), field_name="status", conditions=CASES)
    assert lazy["status"].chunks
    np.testing.assert_array_equal(lazy["status"].compute(), found["status"])


def test_conditions_on_what_is_not_there_are_passed_over_and_remarked():
    data = telemetry(availability=[[0.8, 1.0]])
    with remarks() as told:
        found = conditional_classification(data, field_name="status", conditions=CASES)
    assert found["status"].values.tolist() == [["reliability_concern", "normal"]]
    assert len(told) == 2
    with pytest.raises(InputError, match="none of the conditions can be evaluated"):
        conditional_classification(data, field_name="s", conditions=[{"condition": "x > 1", "value": "a"}, CASES[-1]])
    with pytest.raises(InputError, match="DEFAULT takes all that is left"):
        conditional_classification(data, field_name="s", conditions=CASES[::-1])


def test_indicators_are_formulas_over_fields_and_statistics_on_demand():
    rng = np.random.default_rng(1)
    data = telemetry(gearbox_oil_temp=rng.normal(60, 2, (300, 2)), nde=rng.normal(50, 2, (300, 2)))
    with remarks() as told:
        found = calculated_health_indicators(
            data,
            indicators=[
                {"name": "delta", "formula": "gearbox_oil_temp - nde", "description": "Difference"},
                {
                    "name": "z",
                    "formula": "(gearbox_oil_temp - gearbox_oil_temp_mean_24h) / gearbox_oil_temp_stddev_24h",
                },
                {"name": "twice", "formula": "delta * 2"},
                {"name": "unknown", "formula": "blade_angle * 2"},
            ],
        )
    rolled = rolling_statistics(
        data, windows=["PT24H"], features=[{"field": "gearbox_oil_temp", "statistics": ["mean", "stddev"]}]
    )
    expected = (data["gearbox_oil_temp"] - rolled["gearbox_oil_temp_mean_24h"]) / rolled["gearbox_oil_temp_stddev_24h"]
    np.testing.assert_allclose(found["z"], expected)
    np.testing.assert_allclose(found["twice"], 2 * found["delta"])
    assert found["delta"].attrs["long_name"] == "Difference"
    assert "unknown" not in found
    assert [each.split(":")[1].split()[0] for each in told] == [
        "gearbox_oil_temp_mean_24h",
        "gearbox_oil_temp_stddev_24h",
        "'blade_angle",
    ]


def test_a_pipeline_file_with_a_wrong_expression_is_told_before_it_runs():
    with pytest.raises(ValueError, match="a value is missing"):
        get_step("conditional_classification").check(
            {"field_name": "s", "conditions": [{"condition": "a >", "value": "x"}]}
        )


def test_gaps_and_duplicates_are_counted():
    times = np.datetime64("2026-01-01", "ns") + np.array([0, 10, 20, 30, 30, 40, 50, 60]) * np.timedelta64(60, "s")
    values = np.array([1.0, np.nan, 3.0, 4.0, 5.0, np.nan, np.nan, 8.0])
    data = xr.Dataset({"x": ("time", values, {"units": "kW"})}, coords={"time": times})
    rules = [
        {"field": "x", "rule": "gap", "parameters": {"flag_name": "missing"}},
        {"field": "x", "rule": "gap", "parameters": {"flag_name": "long_gap", "time_window": "PT25M"}},
        {"field": "x", "rule": "duplicate"},
    ]
    with remarks() as told:
        found = data_quality_flagging(data, rules=rules)
    assert found["missing"].values.tolist() == [False, True, False, False, False, True, True, False]
    assert found["long_gap"].values.tolist() == [False, False, False, False, False, True, True, False]
    assert count_flags(found)["x"] == {"duplicate": 1}
    lazy = data_quality_flagging(data.isel(time=[0, 1, 2, 3, 5, 6, 7]).chunk(time=2), rules=rules[:2])
    assert lazy["long_gap"].chunks
    assert lazy["long_gap"].values.tolist() == [False, False, False, False, True, True, False]
    assert "units" not in found["x_quality"].attrs
    assert "units" not in found["missing"].attrs
    assert told == [
        "data_quality_flagging: gap struck 3 of 8 slots of x",
        "data_quality_flagging: gap struck 2 of 8 slots of x",
        "data_quality_flagging: duplicate struck 1 of 5 values of x",
    ]


def test_calm_may_stay_the_same():
    times = np.datetime64("2026-01-01", "ns") + np.arange(40) * np.timedelta64(600, "s")
    values = np.concatenate([np.zeros(20), np.full(20, 7.0)])
    data = xr.Dataset({"wind_speed": ("time", values)}, coords={"time": times})
    rule = {"field": "wind_speed", "rule": "stuck_value", "parameters": {"time_window": "PT1H", "above": 0.5}}
    found = data_quality_flagging(data, rules=[rule])
    assert not found["wind_speed_quality"].values[:20].any()
    assert found["wind_speed_quality"].values[27:].all()


@pytest.mark.parametrize("rule", ["rate_of_change", "spike", "stuck_value"])
def test_a_window_shorter_than_the_cadence_is_remarked(rule):
    data = telemetry(wind_speed=[[8, 8], [40, 8], [8, 8], [8, 8]])
    how = {"field": "wind_speed", "rule": rule, "parameters": {"max_delta": 5, "time_window": "PT10M"}}
    if rule != "rate_of_change":
        del how["parameters"]["max_delta"]
    with remarks() as told:
        data_quality_flagging(data, rules=[how])
    assert any("holds two values" in one for one in told)
