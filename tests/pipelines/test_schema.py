"""The JSON schema that editors check pipeline files by: it takes what runs, and refuses what does not."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from workbench.model.jsonfile import without_comments
from workbench.pipelines import check_spec
from workbench.pipelines.schema import pipeline_schema
from workbench.steps import steps

STEP = {
    "type": "rolling_statistics",
    "windows": ["PT1H"],
    "features": [{"field": "wind_speed", "statistics": ["mean"]}],
}


@pytest.fixture(scope="module")
def schema() -> dict:
    return pipeline_schema()


@pytest.fixture(scope="module")
def validator(schema) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema)


@pytest.fixture(scope="session")
def specs(test_data, require) -> Path:
    folder = test_data.parent / "seed" / "specs"
    require(folder.is_dir(), "the specification is not beside the test data")
    return folder


def content(path: Path) -> object:
    text = path.read_text()
    return yaml.safe_load(text) if path.suffix == ".yaml" else json.loads(without_comments(text))


def references(node: object) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*map(references, node.values()))
    return set().union(*map(references, node)) if isinstance(node, list) else set()


def test_it_is_a_schema_with_every_step(schema):
    jsonschema.Draft202012Validator.check_schema(schema)
    assert {reference.removeprefix("#/$defs/") for reference in references(schema)} == set(schema["$defs"])
    assert {f"step_{name}" for name in steps()} <= set(schema["$defs"])
    assert pipeline_schema() == schema
    json.dumps(schema)


def test_two_models_of_one_name_are_told_apart(schema):
    from pydantic import TypeAdapter

    from workbench.pipelines.schema import _Schema

    for one in steps().values():
        own = TypeAdapter(one.parameters).json_schema(ref_template="#/$defs/{model}", schema_generator=_Schema)
        for name, definition in own.get("$defs", {}).items():
            assert schema["$defs"][name] == definition, f"{one.name}: {name}"


def test_it_takes_what_runs(validator, specs, checkout):
    seen = 0
    for path in sorted([*specs.glob("*.json"), *(checkout / "catalogs" / "pipelines").iterdir()]):
        if check_spec(path).pipeline is None:
            continue
        seen += 1
        errors = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(content(path))]
        assert errors == [], path.name
    assert seen >= 15


@pytest.mark.parametrize(
    "shape",
    [
        {"transformation_id": "X", "name": "T", "description": "d", "transformations": [STEP]},
        {"pipeline_id": "X", "schedule": "PT5M", "components": [{"name": "n", **STEP}]},
        {"transformations": [STEP]},
        {
            "$schema": "s",
            "pipeline": {
                "name": "X",
                "schedule": "0 6 * * *",
                "missed": "all",
                "sources": [{"name": "a", "type": "api", "connection": "b.c"}, "d.e"],
                "transformations": [
                    {"type": STEP["type"], "parameters": {k: v for k, v in STEP.items() if k != "type"}}
                ],
                "destination": {"connection": "f.g"},
            },
        },
        {"steps": [{"type": STEP["type"], "windows": STEP["windows"], "parameters": {"features": STEP["features"]}}]},
        {"steps": [{"type": "anomaly_detection", "field_name": "x", "lambda": 0.3}, {"type": "mark_gaps"}]},
        {"steps": [{"type": "conditional_alert", "condition": {"and": []}, "alert_type": "a", "severity": "b"}]},
    ],
)
def test_every_shape_is_taken(validator, shape):
    validator.validate(shape)


def changed(**more) -> dict:
    return {"steps": [{**copy.deepcopy(STEP), **more}]}


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": []},
        {"steps": {}},
        {"steps": [STEP], "components": [STEP]},
        {"name": "x"},
        {"steps": [STEP], "schedul": "PT1H"},
        {"steps": [STEP], "missed": "some"},
        {"steps": [STEP], "sources": "a"},
        {"steps": [STEP], "sources": [{"nme": "a"}]},
        {"pipeline": {"steps": [STEP]}, "name": "x"},
        {"steps": [{"windows": ["PT1H"]}]},
        {"steps": [{"type": "rolling_statistic"}]},
        changed(window="PT1H"),
        changed(parameters={"window": "PT1H"}),
        changed(windows=5),
        changed(features=[{"field": "x", "statistics": ["meen"]}]),
        changed(features=[{"field": "x"}]),
        changed(features=[{"field": "x", "statistics": ["mean"], "prefix": "p"}]),
        {"steps": [{"type": "rolling_statistics", "windows": ["PT1H"]}]},
        {"steps": [{"type": "rolling_statistics", "parameters": {"windows": ["PT1H"]}}]},
        {"steps": [{"type": "record_filter"}]},
        {"steps": [{"type": "anomaly_detection", "field_name": "x", "contamination": 0.9}]},
    ],
)
def test_what_is_wrong_is_refused(validator, wrong, tmp_path):
    assert not validator.is_valid(wrong)
    (tmp_path / "wrong.json").write_text(json.dumps(wrong))
    found = check_spec(tmp_path / "wrong.json")
    assert found.errors or found.missing  # as the check does
