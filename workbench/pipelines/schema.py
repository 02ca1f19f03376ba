"""The JSON schema of pipeline files, made from the signatures of the steps: for completion in an editor."""

from __future__ import annotations

import inspect
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from workbench.pipelines.spec import LISTS, STEP_KEYS, Endpoint
from workbench.steps import Step, steps


class _Schema(GenerateJsonSchema):
    """What JSON cannot say (a polars frame given from Python) is left out of a union, not an error."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012  pydantic's own name


def pipeline_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a pipeline file, with every installed step."""
    found = steps()
    definitions: dict[str, Any] = {}
    variants = []
    for name, one in found.items():
        definitions[f"step_{name}"] = _step(one, definitions)
        variants.append({"$ref": f"#/$defs/step_{name}"})
    endpoint = _model(Endpoint, definitions)
    any_step = {
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"enum": list(found), "description": "What the step does"}},
        "allOf": [
            {"if": {"properties": {"type": {"const": name}}}, "then": ref}
            for name, ref in zip(found, variants, strict=True)
        ],
    }
    definitions["step"] = any_step
    text = {"type": "string"}
    properties: dict[str, Any] = {
        "$schema": text,
        "pipeline_id": text,
        "transformation_id": text,
        "name": text,
        "description": text,
        "schedule": {"type": "string", "description": "ISO 8601 duration such as PT5M, or a cron line of five fields"},
        "missed": {"enum": ["latest", "all", "skip"], "description": "What becomes of runs that were missed"},
        "sources": {"type": "array", "items": {"anyOf": [text, endpoint]}},
        "destination": {"anyOf": [text, endpoint]},
    }
    properties |= {key: {"type": "array", "items": {"$ref": "#/$defs/step"}, "minItems": 1} for key in LISTS}
    pipeline = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "oneOf": [{"required": [key]} for key in LISTS],
    }
    definitions["pipeline"] = pipeline
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Pipeline",
        "anyOf": [
            {"$ref": "#/$defs/pipeline"},
            {
                "type": "object",
                "required": ["pipeline"],
                "properties": {"$schema": text, "pipeline": {"$ref": "#/$defs/pipeline"}},
                "additionalProperties": False,
            },
        ],
        "$defs": definitions,
    }


def _step(one: Step, definitions: dict[str, Any]) -> dict[str, Any]:
    parameters = _model(one.parameters, definitions)
    own = parameters.get("properties", {})
    keys: dict[str, Any] = {key: {"type": "string"} for key in STEP_KEYS - {"parameters"}}
    keys["type"] = {"const": one.name}
    nested = {"type": "object", "properties": own, "additionalProperties": False}
    found: dict[str, Any] = {
        "type": "object",
        "description": (inspect.getdoc(one.function) or "").strip(),
        "properties": {**keys, "parameters": nested, **own},
        "required": ["type"],
        "additionalProperties": False,
    }
    # A parameter stands beside the type, or under ``parameters``.
    either = [
        {
            "anyOf": [
                {"required": [name]},
                {"required": ["parameters"], "properties": {"parameters": {"required": [name]}}},
            ]
        }
        for name in parameters.get("required", [])
    ]
    return found | ({"allOf": either} if either else {})


def _model(model: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    found = TypeAdapter(model).json_schema(ref_template="#/$defs/{model}", schema_generator=_Schema)
    definitions |= found.pop("$defs", {})
    return found
