from __future__ import annotations

import json

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr

from workbench.model.errors import InputError
from workbench.steps import get_step, remarks
from workbench.transforms.alerting import conditional_alert

HOT = {
    "condition": "temperature > 80 AND vibration_level > 3",
    "alert_type": "maintenance_required",
    "severity": "high",
}
AS_OBJECT = {
    "and": [
        {"field": "temperature", "operator": ">", "value": 80},
        {"field": "vibration_level", "operator": ">", "value": 3.0},
    ]
}


@pytest.fixture
def records():
    return pl.LazyFrame(
        {
            "machine_id": ["A", "A", "B", "B", "A"],
            "timestamp": [f"2025-01-01T{hour:02}:00:00Z" for hour in (0, 1, 0, 1, 2)],
            "temperature": [85.0, 79.0, 90.123456789, None, 81.0],
            "vibration_level": [3.5, 3.5, 3.1, 9.0, None],
            "status": ["ok", "ok", "bad", None, "bad"],
        }
    )


@pytest.fixture
def telemetry():
    return xr.Dataset(
        {
            "temperature": (("time", "asset"), [[85.0, 79.0], [90.0, np.nan], [81.0, 95.0]], {"units": "degC"}),
            "vibration_level": (("time", "asset"), [[3.5, 3.5], [np.nan, 9.0], [2.0, 4.0]], {"units": "mm/s"}),
        },
        coords={"time": pd.date_range("2025-01-01", periods=3, freq="h"), "asset": ["A", "B"]},
    )


def fired(frame, column="alerts"):
    return [[each["alert_type"] for each in alerts] for alerts in frame.collect()[column].to_list()]


def test_records_get_their_alerts_and_unknown_is_none(records):
    found = conditional_alert(records, **HOT)
    rows = found.collect()
    assert rows["alerts"].to_list() == [
        [{"alert_type": "maintenance_required", "severity": "high", "message": HOT["condition"]}],
        [],
        [{"alert_type": "maintenance_required", "severity": "high", "message": HOT["condition"]}],
        [],
        [],
    ]
    assert rows.drop("alerts").equals(records.collect())
    assert rows.schema == found.collect_schema()
    assert fired(conditional_alert(records, **{**HOT, "condition": AS_OBJECT})) == fired(found)


def test_alerts_of_several_steps_stand_side_by_side(records):
    found = conditional_alert(records, **HOT)
    found = conditional_alert(found, condition="status = 'bad'", alert_type="bad", severity="low")
    found = conditional_alert(found, **HOT, output_field="others")
    both = ["maintenance_required", "bad"]
    assert fired(found) == [both[:1], [], both, [], both[1:]]
    assert fired(found, "others") == [both[:1], [], both[:1], [], []]


def test_a_message_says_the_values(records):
    message = "{machine_id}: {temperature} °C, {vibration_level} mm/s, {{status}} {status}"
    found = conditional_alert(records, condition="temperature > 80", alert_type="hot", severity="low", message=message)
    told = [each["message"] for alerts in found.collect()["alerts"].to_list() for each in alerts]
    assert told == [
        "A: 85.0 °C, 3.5 mm/s, {status} ok",
        "B: 90.1235 °C, 3.1 mm/s, {status} bad",
        "A: 81.0 °C, unknown mm/s, {status} bad",
    ]
    for wrong in ("{temperature:.1f}", "{temperature!r}", "{}", "{temperature"):
        with pytest.raises(InputError):
            conditional_alert(records, condition="temperature > 80", alert_type="hot", severity="low", message=wrong)
        with pytest.raises(ValueError, match="message"):
            get_step("conditional_alert").check({**HOT, "message": wrong})


def test_a_field_that_an_aggregation_renamed_is_found(records):
    averaged = records.rename({"temperature": "temperature_avg", "vibration_level": "vibration_level_mean"})
    with remarks() as told:
        found = conditional_alert(averaged, **HOT, message="{temperature}")
    assert fired(found) == fired(conditional_alert(records, **HOT))
    assert set(found.collect_schema()) == {*averaged.collect_schema(), "alerts"}
    assert found.collect()["alerts"].to_list()[0][0]["message"] == "85.0"
    assert told == [
        "conditional_alert: temperature is read as temperature_avg",
        "conditional_alert: vibration_level is read as vibration_level_mean",
    ]
    twice = averaged.with_columns(temperature_mean=1.0)
    with remarks() as told:
        assert fired(conditional_alert(twice, **HOT)) == [[]] * 5
    assert "both temperature_avg and temperature_mean are there" in told[0]


@pytest.mark.parametrize(
    ("condition", "hits"),
    [
        ("temperature > 80 AND humidity > 1", []),
        ("temperature > 80 OR humidity > 1", [0, 2, 4]),
        ("temperature > 80 OR kind = 'x' OR ABS(humidity) > 1 OR seen > '2025-01-01'", [0, 2, 4]),
        ("temperature > 80 AND NOT ready", []),
        ("humidity > 1", []),
        ("kind = 'x'", []),
        ("NOT (humidity > 1)", []),
    ],
)
def test_what_no_record_has_is_unknown_and_said(records, telemetry, condition, hits):
    with remarks() as told:
        found = conditional_alert(records, condition=condition, alert_type="x", severity="low")
        assert [row for row, names in enumerate(fired(found)) if names] == hits
    assert told
    assert all(each.startswith("conditional_alert: no field ") for each in told)
    if "temperature" in condition:
        data = conditional_alert(telemetry, condition=condition, alert_type="x", severity="low")
        assert int(data["x"].sum()) == (4 if hits else 0)


def test_nested_fields_and_odd_values(records):
    nested = records.with_columns(pl.struct(a=pl.int_range(5), b=pl.lit("q")).alias("reading"))
    found = conditional_alert(
        nested, condition="reading.a >= 3", alert_type="x", severity="low", message="{reading.b}{reading.a}"
    )
    assert found.collect()["alerts"].to_list()[3] == [{"alert_type": "x", "severity": "low", "message": "q3"}]
    assert set(found.collect_schema()) == {*nested.collect_schema(), "alerts"}
    with pytest.raises(InputError, match="single values"):
        conditional_alert(nested, **HOT, message="{reading}")
    odd = pl.LazyFrame({"temperature": [float("nan"), float("inf"), -1.0], "vibration_level": [4.0, 4.0, 4.0]})
    assert fired(conditional_alert(odd, **HOT)) == [[], ["maintenance_required"], []]
    assert fired(conditional_alert(odd.clear(), **HOT)) == []
    assert fired(conditional_alert(odd.filter(pl.col("temperature") < -5), **HOT)) == []


def test_for_goes_by_the_time_of_each_machine(records):
    rows = records.with_columns(temperature=pl.Series([85.0, 85.0, 85.0, 10.0, 85.0])).reverse()
    found = conditional_alert(rows, condition="temperature > 80 FOR PT1H", alert_type="x", severity="low")
    seen = found.collect()
    assert seen.drop("alerts").equals(rows.collect())
    hits = seen.filter(pl.col("alerts").list.len() > 0).select("machine_id", "timestamp").rows()
    assert sorted(hits) == [("A", "2025-01-01T01:00:00Z"), ("A", "2025-01-01T02:00:00Z")]
    untimed = rows.with_columns(timestamp=pl.lit(None, pl.String))
    assert fired(conditional_alert(untimed, condition="temperature > 80 FOR PT1H", alert_type="x", severity="low"))
    with pytest.raises(InputError, match="FOR needs the time"):
        conditional_alert(rows.drop("timestamp"), condition="temperature > 80 FOR PT1H", alert_type="x", severity="low")


def test_telemetry_gets_a_variable(telemetry):
    found = conditional_alert(telemetry, **HOT, message="hot: {temperature}")
    alert = found["maintenance_required"]
    assert alert.dtype == bool
    assert alert.values.tolist() == [[True, False], [False, False], [False, True]]
    assert alert.attrs == {
        "long_name": "alert: maintenance required",
        "alert_type": "maintenance_required",
        "severity": "high",
        "condition": HOT["condition"],
        "message": "hot: {temperature}",
    }
    xr.testing.assert_identical(found.drop_vars("maintenance_required"), telemetry)
    lazy = conditional_alert(telemetry.chunk(time=1), **HOT, message="hot: {temperature}")
    assert lazy["maintenance_required"].chunks is not None
    xr.testing.assert_identical(lazy.compute(), found)
    with pytest.raises(InputError, match="would hide"):
        conditional_alert(found, **HOT)
    other = conditional_alert(found, **{**HOT, "severity": "low"}, output_field="second")
    assert {"maintenance_required", "second"} <= set(other.data_vars)


def test_errors(records, telemetry):
    with pytest.raises(InputError, match="did you mean 'temperature'"):
        conditional_alert(telemetry, condition="temprature > 1", alert_type="x", severity="low")
    with pytest.raises(InputError, match="DEFAULT"):
        conditional_alert(records, condition="DEFAULT", alert_type="x", severity="low")
    with pytest.raises(InputError, match="not a list of alerts"):
        conditional_alert(records, **HOT, output_field="status")
    with pytest.raises(InputError, match="number is compared with a text"):
        conditional_alert(records, condition="temperature > 'x'", alert_type="x", severity="low")
    with pytest.raises(ValueError, match="severity"):
        get_step("conditional_alert").check({"condition": "a > 1", "alert_type": "x", "severity": ""})
    assert json.dumps(get_step("conditional_alert").parameters.model_json_schema())
