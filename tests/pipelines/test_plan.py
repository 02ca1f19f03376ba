"""A plan tells where every field comes from, and what is missing, before anything runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench.pipelines import check_spec, load_pipeline
from workbench.pipelines.plan import plan
from workbench.transforms.effects import Fields

ROLL = {
    "type": "rolling_statistics",
    "windows": ["PT1H"],
    "features": [{"field": "wind_speed", "statistics": ["mean"]}, {"field": "gust", "statistics": ["max"]}],
}


def made(folder: Path, *steps: dict, **more) -> object:
    """A pipeline whose steps stand at the lines 2, 3, 4 …"""
    path = folder / "pipe.json"
    rest = json.dumps(more)[1:-1]
    path.write_text('{"name": "x & y <z>", ' + (rest + ", " if rest else "") + '"steps": [\n')
    path.write_text(path.read_text() + ",\n".join(map(json.dumps, steps)) + "]}")
    return load_pipeline(path)


def told(errors) -> list[tuple]:
    return [(each.message, each.line, each.found) for each in errors]


@pytest.fixture(scope="session")
def specs(test_data, require) -> Path:
    folder = test_data.parent / "seed" / "specs"
    require(folder.is_dir(), "the specification is not beside the test data")
    return folder


def test_where_each_field_comes_from(tmp_path):
    pipeline = made(
        tmp_path,
        ROLL,
        {
            "type": "conditional_classification",
            "field_name": "state",
            "conditions": [{"condition": "wind_speed_mean_1h > 5 AND temperature > 0 FOR PT2H", "value": "on"}],
        },
        {"type": "anomaly_detection", "field_name": "temperature", "algorithm": "ewma"},
    )
    found = plan(pipeline)
    assert found.from_source == ("wind_speed", "gust", "temperature")
    assert [(one.from_source, one.from_steps) for one in found.steps] == [
        (("wind_speed", "gust"), ()),
        (("temperature",), ("wind_speed_mean_1h",)),
        (("temperature",), ()),
    ]
    assert (found.errors, found.warnings, found.every) == ((), (), False)
    assert [one.effect.before for one in found.steps] == [3_600 * 10**9, 7_200 * 10**9, None]
    assert (found.before, found.after, found.lazy) == (None, 0, True)
    known = {"wind_speed": "m/s", "gust": None, "temperature": "degC", "pressure": "hPa"}
    found = plan(pipeline, known)
    assert found.errors == found.warnings == ()
    assert found.fields == known | {
        "wind_speed_mean_1h": "m/s",
        "gust_max_1h": None,
        "state": None,
        "temperature_anomaly_score": "1",
        "temperature_anomaly": None,
    }


def test_what_is_missing_is_an_error_or_a_warning_with_its_line(tmp_path):
    pipeline = made(
        tmp_path,
        {"type": "mark_gaps"},
        ROLL,
        {"type": "unit_conversion", "conversions": [{"field": "temprature", "to_unit": "degF"}]},
    )
    found = plan(pipeline, {"wind_speed": "m/s", "temperature": "degC"})
    assert told(found.warnings) == [("a field is not there; what is said of it is passed over", 3, "gust")]
    assert told(found.errors) == [("none of the fields of the step is there", 4, "temprature")]
    assert found.errors[0].where == "step 3 (unit_conversion)"
    assert found.errors[0].hint == "did you mean 'temperature'?"
    # What it would have made is there for the steps after it: one mistake is told once.
    again = made(tmp_path, ROLL, {"type": "mark_gaps", "variables": ["gust_max_1h"]})
    assert told(plan(again, {"x": None}).errors) == [("none of the fields of the step is there", 2, "wind_speed, gust")]


@pytest.mark.parametrize("known", [None, {"a": None, "b": None, "c": None}], ids=["blind", "told"])
def test_a_removed_field_is_gone(tmp_path, known):
    pipeline = made(
        tmp_path,
        {"type": "field_removal", "field_names": ["b"]},
        {"type": "record_filter", "condition": "a > 1"},
        {"type": "record_filter", "condition": "b > 1"},
        {"type": "field_mapping", "mappings": [{"source": "b", "destination": "d"}]},
        {"type": "field_addition", "field_name": "b", "value": 1},
        {"type": "record_filter", "condition": "b > 1"},
    )
    found = plan(pipeline, known)
    assert [(line, name) for _, line, name in told(found.errors)] == [(4, "b"), (5, "b")]
    assert found.from_source == ("a",)
    assert found.steps[5].from_steps == ("b",)


def test_what_a_selection_keeps_is_there_and_nothing_else(tmp_path):
    pipeline = made(
        tmp_path,
        {"type": "record_expansion", "source_field": "items", "output_prefix": "item_"},
        {"type": "field_selection", "field_names": ["id", "item_price", "billing.email"]},
        {"type": "record_filter", "condition": "item_price > 1"},
        {"type": "field_operation", "field_name": "billing.email", "operation": "lowercase", "output_field": "mail"},
        {"type": "record_filter", "condition": "item_name = 'x'"},
    )
    found = plan(pipeline, Fields(dict.fromkeys(("id", "items", "billing", "note")), "records"))
    assert told(found.errors) == [("a field that the step needs is not there", 6, "item_name")]
    assert set(found.fields) == {"id", "item_price", "billing.email", "mail"}


def test_records_become_fewer_and_alerts_have_a_column(tmp_path):
    known = Fields(dict.fromkeys(("machine_id", "timestamp", "temperature", "note")), "records")
    pipeline = made(
        tmp_path,
        {
            "type": "statistical_aggregation",
            "group_by": ["machine_id"],
            "time_window": "PT1H",
            "aggregations": [{"field": "temperature", "function": "avg"}],
        },
        {"type": "conditional_alert", "condition": "temperature > 80", "alert_type": "hot", "severity": "high"},
        {"type": "field_selection", "field_names": ["machine_id", "window_start", "temperature_avg", "alerts"]},
        {"type": "record_filter", "condition": "note = 'x'"},
    )
    found = plan(pipeline, known)
    assert told(found.errors) == [("a field that the step needs is not there", 5, "note")]
    assert set(found.fields) == {"machine_id", "window_start", "temperature_avg", "alerts"}
    # The steps alone tell that these are records.
    assert plan(pipeline).steps[0].effect.needs == ("machine_id", "timestamp")
    assert told(plan(pipeline, {"machine_id": None, "temperature": None}).errors)[0] == (
        "a field that the step needs is not there",
        2,
        "timestamp",
    )


def test_a_platform_that_the_records_say_is_enough(tmp_path):
    pipeline = made(tmp_path, {"type": "platform_identification", "platforms": {"shopify": ["created_at"]}})
    assert plan(pipeline, {"platform": None}).errors == ()
    assert told(plan(pipeline, {"id": None}).errors) == [("none of the fields of the step is there", 2, "created_at")]


def test_no_false_alarm_without_data(specs, checkout):
    seen = 0
    for path in sorted([*specs.glob("*.json"), *(checkout / "catalogs" / "pipelines").iterdir()]):
        pipeline = check_spec(path).pipeline
        if pipeline is None:
            continue
        seen += 1
        found = plan(pipeline)
        assert found.errors == found.warnings == (), path.name
        assert all(one.effect is not None for one in found.steps), path.name
        assert found.from_source or found.every, path.name
        # With just what it asks for there is no alarm either.
        blind = plan(pipeline, dict.fromkeys(name.split(".")[0] for name in found.from_source))
        assert blind.errors == blind.warnings == (), path.name
    assert seen >= 15


def test_the_picture_escapes_what_others_wrote(tmp_path):
    pipeline = made(tmp_path, {"type": "unit_conversion", "conversions": [{"field": "<b>", "to_unit": "kW"}]})
    for text in (plan(pipeline)._repr_html_(), plan(pipeline, {"<b>": "MW"})._repr_html_()):
        assert "x &amp; y &lt;z&gt;" in text
        assert "&lt;b&gt;" in text
        assert "<b>]" not in text
        assert "<z>" not in text
        assert text.count("<b>") == 2  # the heads of the two boxes
