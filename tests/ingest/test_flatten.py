"""A message taken apart: every leaf becomes something, in the vocabulary's unit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.ingest.flatten import Flat, count_leaves, flatten
from workbench.ingest.messages import RawMessage
from workbench.model.errors import InputError
from workbench.model.quality import Quality
from workbench.model.vocabulary import vocabulary

from .conftest import sample

TIME = "2025-01-15T10:30:15.234Z"


def flat(data: dict[str, Any]) -> Flat:
    return flatten(RawMessage(Path("m.json"), 1, 1, data))


def message(**fields: Any) -> dict[str, Any]:
    return {"turbine_id": "T1", "farm_id": "F", "timestamp": TIME} | fields


def values(**fields: Any) -> dict[str, float]:
    return flat(message(**fields)).readings[0].values


@pytest.mark.parametrize("name", ["wind_turbine", "inverter"])
def test_no_leaf_of_the_samples_is_lost(name: str) -> None:
    data = sample(name)
    found = flat(data)
    assert sum(found.leaves.values()) == count_leaves(data)
    assert not found.own  # all are in the vocabulary
    assert not found.records
    assert not found.states
    assert not found.renamed


def test_every_number_and_state_of_the_wind_sample() -> None:
    """Each leaf of each section, held against the message itself."""
    data = sample("wind_turbine")
    [reading] = flat(data).readings
    assert (reading.asset, reading.asset_type) == ("WIND-FARM-01-T-045", "wind_turbine")
    assert reading.time == np.datetime64("2025-01-15T10:30:15.234", "ns").astype("int64")
    leaves = {
        key: value
        for section, fields in data.items()
        if section not in ("location", "alarms", "warnings") and isinstance(fields, dict)
        for key, value in fields.items()
        if not key.endswith("_unit")
    }
    assert set(reading.values) == set(leaves)
    words = vocabulary()
    for key, value in leaves.items():
        expected = words[key].states[value] if isinstance(value, str) else value
        assert reading.values[key] == pytest.approx(expected), key


def test_strings_and_mppts_are_assets_below_their_inverter() -> None:
    found = flat(sample("inverter"))
    parts = {reading.asset: reading for reading in found.readings}
    inverter = "SOLAR-FARM-02-INV-123"
    assert list(parts) == [inverter, *(f"{inverter}/{name}" for name in ("STR-001", "STR-002", "MPPT-1", "MPPT-2"))]
    assert parts[f"{inverter}/STR-002"].values == {"voltage": 823, "current": 10.4, "power": 8.56, "status": 0}
    assert parts[f"{inverter}/MPPT-1"].values["tracking_accuracy"] == 99.2
    assert found.facts[f"{inverter}/STR-001"] == {"type": "string", "parent": inverter}
    assert found.facts[inverter] == {
        "type": "inverter",
        "farm_id": "SOLAR-FARM-02",
        "latitude": 36.7783,
        "longitude": -119.4179,
        "elevation": 92.5,
    }
    assert {reading.time for reading in found.readings} == {parts[inverter].time}


def test_alarms_and_warnings_are_events() -> None:
    [event] = flat(sample("wind_turbine")).events
    assert (event.kind, event.name, event.severity) == ("warning", "W-1205", "low")
    assert event.text == "Minor yaw misalignment detected"
    assert event.time == np.datetime64("2025-01-15T10:25:00", "ns").astype("int64")
    found = flat(message(alarms=[{"id": 7, "severity": "major", "extra": {"a": 1}}, "E-5"])).events
    assert [(e.kind, e.name, e.severity) for e in found] == [("alarm", "7", "high"), ("alarm", "E-5", "info")]
    assert found[0].attributes == {"severity": "major", "extra": {"a": 1}}
    assert found[1].time == np.datetime64(TIME[:-1], "ns").astype("int64")
    odd = flat(message(alarms=[{"code": 1, "severity": "purple"}])).events[0]
    assert (odd.severity, odd.attributes) == ("info", {"severity": "purple"})


@pytest.mark.parametrize(
    ("fields", "name", "expected"),
    [
        ({"power_output": 2.5, "power_output_unit": "MW"}, "power_output", 2500),
        ({"temperature": 59, "temperature_unit": "fahrenheit"}, "temperature", 15),
        ({"a": {"gearbox_oil_temp": 300.15, "temperature_unit": "K"}}, "gearbox_oil_temp", 27),
        ({"a": {"voltage_l1": 0.69, "voltage_unit": "kV"}}, "voltage_l1", 690),
        ({"a": {"wind_speed_80m": 36, "wind_speed_unit": "km/h"}}, "wind_speed_80m", 10),
        ({"a": {"reactive_power": 1, "power_unit": "MW"}}, "reactive_power", 1000),
        ({"a": {"power_factor": 0.98, "power_unit": "MW", "efficiency_unit": "%"}}, "power_factor", 0.98),
        ({"a": {"energy_production_today": 1, "energy_production_unit": "MWh"}}, "energy_production_today", 1000),
        ({"power_unit": "W", "a": {"active_power": 5000}}, "active_power", 5),  # said in the section around
        ({"a": {"wind_speed": 18, "unit": "km/h"}}, "wind_speed", 5),
        ({"humidity": 65}, "humidity", 65),  # no unit said: the vocabulary's
        ({"wind_speed": "7.5"}, "wind_speed", 7.5),
        ({"active_power_curtailment": True}, "active_power_curtailment", 1),
        ({"turbine_status": "Generating"}, "turbine_status", 2),
        ({"turbine_status": 2}, "turbine_status", 2),
    ],
)
def test_units_and_codes(fields: dict[str, Any], name: str, expected: float) -> None:
    assert values(**fields)[name] == pytest.approx(expected)


def test_units_reach_the_strings_of_their_section() -> None:
    data = message(dc={"power_unit": "W", "strings": [{"string_id": "S", "power": 8660}]})
    assert flat(data).readings[1].values == {"power": pytest.approx(8.66)}


def test_what_the_vocabulary_does_not_have_is_kept() -> None:
    found = flat(
        message(
            grease_level=7.5,
            grease_level_unit="mm",
            door_open=True,
            mood="sunny",
            readings=[1, 2.5],
            shifts=[{"who": "A", "hours": 8}],
            nothing=None,
            model="X-100",
            air_quality=3,
            nested={"wind_speed": 5, "deep": {"wind_speed": 6}},
        )
    )
    reading = found.readings[0]
    assert reading.values == {
        "grease_level": 7.5,
        "door_open": 1,
        "readings_1": 1,
        "readings_2": 2.5,
        "air_quality_value": 3,  # a name ending in _quality would be taken for flags
        "wind_speed": 5,
        "deep_wind_speed": 6,
    }
    assert found.own["grease_level"] == "mm"
    assert found.own["door_open"] == ""
    assert found.own["deep_wind_speed"] == "m/s"
    assert found.renamed == {"air_quality": "air_quality_value", "nested.deep.wind_speed": "deep_wind_speed"}
    assert [(e.kind, e.name, e.value) for e in found.events] == [("field", "mood", "sunny"), ("shifts", "shifts", "")]
    assert found.events[1].attributes == {"who": "A", "hours": 8}
    assert found.records == {"mood", "shifts[]"}
    assert found.facts["T1"]["model"] == "X-100"
    assert found.leaves["null"] == 1


def test_an_unknown_state_is_kept_as_a_record_and_flagged() -> None:
    found = flat(message(turbine_status="dancing"))
    assert np.isnan(found.readings[0].values["turbine_status"])
    assert found.readings[0].quality == {"turbine_status": int(Quality.INVALID)}
    assert found.states == {"turbine_status=dancing"}
    assert [(e.name, e.value) for e in found.events] == [("turbine_status", "dancing")]


@pytest.mark.parametrize(
    ("fields", "name", "kept", "said"),
    [
        ({"turbine_status": 99}, "turbine_status", 99, "turbine_status=99"),
        ({"turbine_status": "99"}, "turbine_status", 99, "turbine_status=99"),
        ({"turbine_status": 2.5}, "turbine_status", 2.5, "turbine_status=2.5"),
        ({"breaker": {"breaker_status": True}}, "breaker_status", 1, None),  # a code that it has
        ({"turbine_status": "2"}, "turbine_status", 2, None),
    ],
)
def test_codes_outside_the_vocabulary_are_kept_flagged_and_reported(
    fields: dict[str, Any], name: str, kept: float, said: str | None
) -> None:
    found = flat(message(**fields))
    reading = found.readings[0]
    assert reading.values[name] == kept
    assert reading.quality == ({} if said is None else {name: int(Quality.INVALID)})
    assert found.states == (set() if said is None else {said})


@pytest.mark.parametrize("text", ["n/a", "", "null", "NaN", "sensor broken"])
def test_a_text_where_a_number_belongs_is_a_flagged_gap(text: str) -> None:
    found = flat(message(power_output=text, wind_speed=5))
    reading = found.readings[0]
    assert np.isnan(reading.values["power_output"])
    assert reading.quality == {"power_output": int(Quality.INVALID)}
    assert found.gaps == {f"power_output={text}"}
    assert [(event.name, event.value) for event in found.events] == [("power_output", text)]


def test_what_structure_yaml_says_is_obeyed() -> None:
    """Times, identities, places, facts, and lists of assets: not one of their names stands in the code."""
    found = flatten(
        RawMessage(Path("m"), 1, 1, {
            "device_id": "D7", "asset_type": "battery", "node_id": "N1", "timestamp": "2025-01-15T11:30:15", "timestamp_utc": TIME,
            "park_id": "P", "meta": {"serial_number": 4711, "timezone": "Europe/Paris", "elevation": 12},
            "cells": [{"cell_id": "C1", "voltage": 3.3}, {"cell_id": "C2", "voltage": 3.4, "state_of_charge": 50}, {"voltage": 3.5}],
            "faults": ["F1"],
        })
    )  # fmt: skip
    assert [(r.asset, r.asset_type) for r in found.readings] == [
        ("D7", "battery"), ("D7/C1", "battery_cell"), ("D7/C2", "battery_cell"), ("D7/cells-3", "battery_cell")
    ]  # fmt: skip
    assert [r.values.get("voltage") for r in found.readings] == [None, 3.3, 3.4, 3.5]
    assert found.readings[0].time == np.datetime64(TIME[:-1], "ns").astype("int64")
    facts = {
        "type": "battery",
        "node_id": "N1",
        "park_id": "P",
        "serial_number": 4711,
        "timezone": "Europe/Paris",
        "elevation": 12,
    }
    assert found.facts["D7"] == facts
    assert found.site == "P"
    assert ("alarm", "F1") in [(event.kind, event.name) for event in found.events]
    with pytest.raises(InputError, match="did you mean 'battery'"):
        flat({"asset_id": "A", "asset_type": "batery", "timestamp": TIME})


def test_two_of_one_name_in_a_message_are_both_kept() -> None:
    strings = [{"string_id": "S", "power": 1}, {"string_id": "S", "power": 2}]
    found = flat(message(strings=strings, mppt_data=[{"mppt_id": "S", "input_power": 3}]))
    parts = {reading.asset: reading.values for reading in found.readings[1:]}
    assert parts == {"T1/S": {"power": 1}, "T1/S_2": {"power": 2}, "T1/mppt-S": {"input_power": 3}}
    assert found.twice == {"T1/S"}


@pytest.mark.parametrize(
    "time", ["2025-01-15T11:30:15.234+01:00", "2025-01-15 10:30:15.234", 1736937015.234, 1736937015234]
)
def test_times(time: object) -> None:
    assert flat(message(timestamp=time)).readings[0].time == pytest.approx(1736937015234000000, abs=300)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"timestamp": TIME, "x": 1}, "m.json:1: the message names no asset"),
        ({"turbine_id": "", "timestamp": TIME}, "m.json:1: turbine_id: not the name of an asset"),
        ({"turbine_id": ["a"], "timestamp": TIME}, "m.json:1: turbine_id: not the name of an asset"),
        ({"turbin_id": "A", "timestamp": TIME}, "the message has 'turbin_id'"),
        ({"turbine_id": "A", "timestmp": TIME}, "the message has no time"),
        ({"turbine_id": "A", "timestamp": "soon"}, 'm.json:1: timestamp: the time cannot be read\n  found:    "soon"'),
        ({"turbine_id": "A", "timestamp": None}, "timestamp: the time cannot be read"),
        ({"turbine_id": "A", "timestamp": "12:30"}, "timestamp: the time cannot be read"),
        (
            message(a={"wind_speed": 5, "wind_speed_unit": "furlong/fish"}),
            "m.json:1: a.wind_speed_unit: unknown unit 'furlong/fish'",
        ),
        (message(wind_speed=5, wind_speed_unit="kW"), "m.json:1: wind_speed: the unit of wind_speed does not fit"),
        (message(alarms=[{"code": 1, "timestamp": "x"}]), "m.json:1: alarms[0].timestamp: the time cannot be read"),
        ({"asset_id": "A", "timestamp": TIME}, "m.json:1: asset_id: the type of the asset is not known"),
    ],
)
def test_errors(data: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as caught:
        flat(data)
    assert text in str(caught.value)


def test_asset_id_with_its_type() -> None:
    assert flat({"asset_id": "A", "asset_type": "battery", "timestamp": TIME}).readings[0].asset_type == "battery"
    typed = flatten(RawMessage(Path("m"), 1, 1, {"asset_id": "A", "timestamp": TIME}), {"A": "met_mast"})
    assert typed.readings[0].asset_type == "met_mast"


LEAF = st.none() | st.booleans() | st.integers(-1000, 1000) | st.floats(-1e6, 1e6) | st.text("abc XYZ09", max_size=6)
KEY = st.sampled_from(
    [
        "wind_speed",
        "power_output",
        "x",
        "Weird Key",
        "status",
        "time_quality",
        "b_count",
        "9lives",
        "location",
        "alarms",
    ]
)
TREE = st.recursive(
    LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEY, inner, max_size=4), max_leaves=12
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(KEY, TREE, max_size=5))
def test_whatever_comes_every_leaf_is_accounted_for(fields: dict[str, Any]) -> None:
    data = json.loads(json.dumps(message(**fields)))
    found = flat(data)
    assert sum(found.leaves.values()) == count_leaves(data)
    for reading in found.readings:
        for name in reading.values:
            assert not name.endswith(("_quality", "_count")) or name in vocabulary()
