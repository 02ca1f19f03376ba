"""What a pipeline file says: read, checked against the steps, every error found at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from workbench.model.errors import InputError, InputErrors, did_you_mean
from workbench.model.yamlfile import YamlFile, load_yaml, validation_errors
from workbench.steps import Step, steps

_NAMES = ("pipeline_id", "transformation_id", "name")
_LISTS = ("transformations", "components", "steps")
_KEYS = {*_NAMES, *_LISTS, "description", "schedule"}
#: Keys of a step that are not parameters of its function.
_STEP_KEYS = {"type", "name", "description", "parameters"}


@dataclass(frozen=True)
class PipelineStep:
    """One step of a pipeline with its checked parameters."""

    step: Step
    parameters: Mapping[str, Any]
    name: str = ""


@dataclass(frozen=True)
class Pipeline:
    """A checked pipeline."""

    name: str
    steps: tuple[PipelineStep, ...]
    description: str = ""
    file: Path | None = field(default=None, compare=False)


def load_pipeline(path: Path) -> Pipeline:
    """Read and check a pipeline file (YAML, or JSON, which is YAML).

    Raises
    ------
    InputErrors
        With every error of the file: unknown keys, step types that are not installed, parameters that are
        missing, unknown or of the wrong type; each with its line.
    """
    source = load_yaml(path)
    data = source.data
    if not isinstance(data, dict):
        raise InputErrors([InputError("not a pipeline", file=path, found=type(data).__name__, expected="a mapping")])
    errors = [
        InputError(
            "unknown key",
            file=path,
            line=source.line((key,)),
            where=str(key),
            expected=", ".join(sorted(_KEYS)),
            hint=did_you_mean(str(key), _KEYS),
        )
        for key in data
        if key not in _KEYS
    ]
    lists = [key for key in _LISTS if isinstance(data.get(key), list)]
    if len(lists) != 1:
        errors.append(
            InputError(
                "a pipeline has one list of steps",
                file=path,
                line=1,
                found=", ".join(lists) or "none",
                expected=" or ".join(_LISTS),
            )
        )
        raise InputErrors(errors)
    made: list[PipelineStep] = []
    for number, content in enumerate(data[lists[0]]):
        try:
            made.append(_step(source, path, (lists[0], number), content))
        except InputErrors as several:
            errors.extend(several.errors)
    if errors:
        raise InputErrors(errors)
    name = next((str(data[key]) for key in _NAMES if data.get(key)), path.stem)
    return Pipeline(name, tuple(made), str(data.get("description", "")), path)


def _step(source: YamlFile, path: Path, place: tuple[str | int, ...], content: object) -> PipelineStep:
    where = f"{place[0]}[{place[1]}]"

    def wrong(message: str, below: str | None = None, **more: Any) -> InputErrors:
        at = place if below is None else (*place, below)
        named = where if below is None else f"{where}.{below}"
        return InputErrors([InputError(message, file=path, line=source.line(at), where=named, **more)])

    if not isinstance(content, dict) or not isinstance(content.get("type"), str):
        raise wrong("a step needs a type", found=content, expected="a mapping with the key type")
    known = steps()
    kind = content["type"]
    if kind not in known:
        raise wrong(
            "no step of this type is installed",
            "type",
            found=kind,
            expected=", ".join(known),
            hint=did_you_mean(kind, known),
        )
    nested = content.get("parameters") or {}
    if not isinstance(nested, dict):
        raise wrong("parameters are a mapping", "parameters", found=nested)
    flat = {str(key): value for key, value in content.items() if key not in _STEP_KEYS}
    twice = sorted(set(flat) & set(nested))
    if twice:
        raise wrong("a parameter stands both flat and under parameters", twice[0], found=", ".join(twice))
    found = known[kind]
    try:
        checked = found.check({**flat, **nested})
    except ValidationError as error:
        below = (*place, "parameters") if nested else place
        raise InputErrors(validation_errors(error, source, place=below, model=found.parameters)) from error
    return PipelineStep(found, checked, str(content.get("name", "")))
