"""What a pipeline file says: read, checked against the steps, every error found at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from workbench.model.errors import InputError, InputErrors, did_you_mean
from workbench.model.jsonfile import load_plain
from workbench.model.time import parse_duration
from workbench.model.yamlfile import Place, YamlFile, validation_errors
from workbench.steps import Step, steps

_NAMES = ("pipeline_id", "transformation_id", "name")
#: Keys under which the steps may stand.
LISTS = ("transformations", "components", "steps")
_KEYS = {*_NAMES, *LISTS, "$schema", "description", "schedule", "missed", "sources", "destination"}
#: What may become of runs that were missed: the last of them is made up for, all of them, or none.
MISSED = ("latest", "all", "skip")
#: Keys of a step that are not parameters of its function.
STEP_KEYS = {"type", "name", "description", "parameters"}
#: Files of the specification that are no pipelines, by the key that tells them.
_OTHER_KINDS = {
    "dashboard_id": "a dashboard",
    "alert_system_id": "alert rules",
    "integration_id": "integrations",
    "reports": "reports",
}
_CRON = re.compile(r"[\d*/,\-A-Za-z]+( +[\d*/,\-A-Za-z]+){4}")


class NotInstalled(InputError):  # noqa: N818  what is wrong is not the file
    """A step type, or a kind of file, that this installation does not have; ``found`` is its name."""


class Endpoint(BaseModel):
    """Where data comes from or goes to: an entry of a catalog, by its ``connection`` or ``name``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = ""
    type: str = ""
    connection: str = ""
    description: str = ""


@dataclass(frozen=True)
class PipelineStep:
    """One step of a pipeline with its checked parameters."""

    step: Step
    parameters: Mapping[str, Any]
    name: str = ""
    line: int | None = field(default=None, compare=False)


@dataclass(frozen=True, repr=False)
class Pipeline:
    """A checked pipeline."""

    name: str  #: its id
    steps: tuple[PipelineStep, ...]
    description: str = ""
    file: Path | None = field(default=None, compare=False)
    title: str = ""  #: its name for people
    schedule: str = ""  #: ISO 8601 duration or cron expression
    missed: str = "latest"  #: one of :data:`MISSED`
    sources: tuple[Endpoint, ...] = ()
    destination: Endpoint | None = None

    def __repr__(self) -> str:
        return f"<Pipeline {self.name}: {', '.join(one.step.name for one in self.steps)}>"

    def _repr_html_(self) -> str:
        from workbench.pipelines.plan import diagram

        return diagram(self)


@dataclass
class Checked:
    """What a check found: the pipeline where nothing is wrong, else everything that is."""

    file: Path
    pipeline: Pipeline | None = None
    errors: list[InputError] = field(default_factory=list)
    missing: list[NotInstalled] = field(default_factory=list)  #: step types that are not installed


def load_pipeline(path: str | Path) -> Pipeline:
    """Read and check a pipeline file: YAML, or JSON with or without comments.

    Raises
    ------
    InputErrors
        With every error of the file: unknown keys, step types that are not installed, parameters that are
        missing, unknown or of the wrong type; each with its line.
    """
    checked = check_spec(path)
    if checked.pipeline is None:
        raise InputErrors(sorted([*checked.errors, *checked.missing], key=lambda error: error.line or 0))
    return checked.pipeline


def check_spec(path: str | Path) -> Checked:
    """Check a pipeline file; nothing is raised for what the file says.

    One of these shapes: ``{transformation_id, transformations: […]}``, ``{pipeline_id, schedule, components:
    […]}``, ``{transformations: […]}``, ``{pipeline: {name, schedule, sources, transformations, destination}}``.
    """
    path = Path(path)
    checked = Checked(path)
    try:
        source = load_plain(path)
    except InputErrors as error:
        checked.errors += error.errors
        return checked
    except InputError as error:
        checked.errors.append(error)
        return checked
    place: Place = ()
    data = source.data
    if isinstance(data, dict) and set(data) - {"$schema"} == {"pipeline"} and isinstance(data["pipeline"], dict):
        place, data = ("pipeline",), data["pipeline"]
    if not isinstance(data, dict):
        found = type(data).__name__ if data is not None else "nothing"
        checked.errors.append(InputError("not a pipeline", file=path, found=found, expected="a mapping"))
        return checked
    if not any(key in data for key in LISTS):
        for key, kind in _OTHER_KINDS.items():
            if key in data:
                checked.missing.append(
                    NotInstalled(
                        "files of this kind cannot be run",
                        file=path,
                        line=source.line((*place, key)),
                        where=key,
                        found=kind,
                        expected="a pipeline: a list of steps under " + ", ".join(LISTS),
                    )
                )
                return checked
    _Check(source, place, data, checked).all()
    return checked


class _Check:
    """One pass over the mapping of a pipeline at ``place``."""

    def __init__(self, source: YamlFile, place: Place, data: dict[Any, Any], checked: Checked) -> None:
        self.source, self.place, self.data, self.checked = source, place, data, checked

    def all(self) -> None:
        """Check it, and make the pipeline where nothing is wrong."""
        for key in self.data:
            if key not in _KEYS:
                self._wrong(
                    "unknown key", (key,), expected=", ".join(sorted(_KEYS)), hint=did_you_mean(str(key), _KEYS)
                )
        for key in (*_NAMES, "description", "schedule"):
            if key in self.data and not isinstance(self.data[key], str):
                self._wrong("a text is expected", (key,), found=self.data[key])
        schedule = self._schedule()
        if self.data.get("missed", MISSED[0]) not in MISSED:
            found, hint = self.data["missed"], did_you_mean(str(self.data["missed"]), MISSED)
            self._wrong("not a policy", ("missed",), found=found, expected=", ".join(MISSED), hint=hint)
        sources, destination = self._endpoints()
        lists = [key for key in LISTS if key in self.data]
        made: list[PipelineStep] = []
        if len(lists) != 1:
            self._wrong(
                "a pipeline has one list of steps", (), found=", ".join(lists) or "none", expected=" or ".join(LISTS)
            )
        elif not isinstance(self.data[lists[0]], list):
            self._wrong("the steps are a list", (lists[0],), found=type(self.data[lists[0]]).__name__)
        else:
            found = (self._step((lists[0], number), one) for number, one in enumerate(self.data[lists[0]]))
            made = [one for one in found if one is not None]
            if not self.data[lists[0]]:
                self._wrong("the pipeline has no steps", (lists[0],), expected="one at least")
        if self.checked.errors or self.checked.missing:
            return
        ids = [str(self.data[key]) for key in _NAMES if self.data.get(key)]
        self.checked.pipeline = Pipeline(
            ids[0] if ids else self.checked.file.stem,
            tuple(made),
            str(self.data.get("description", "")),
            self.checked.file,
            str(self.data.get("name", "")),
            schedule,
            str(self.data.get("missed", MISSED[0])),
            sources,
            destination,
        )

    def _wrong(self, message: str, below: Place, **more: Any) -> None:
        self.checked.errors.append(self._error(InputError, message, below, **more))

    def _error(self, kind: type[InputError], message: str, below: Place, **more: Any) -> Any:
        full = (*self.place, *below)
        return kind(message, file=self.checked.file, line=self.source.line(full), where=_path(full) or None, **more)

    def _schedule(self) -> str:
        text = self.data.get("schedule", "")
        if not text or not isinstance(text, str) or _CRON.fullmatch(text.strip()):
            return str(text)
        try:
            parse_duration(text)
        except InputError as error:
            self._wrong(
                "not a schedule",
                ("schedule",),
                found=text,
                expected="an ISO 8601 duration such as PT5M, or a cron expression of five fields such as 0 6 * * *",
                hint=error.hint,
            )
        return text

    def _endpoints(self) -> tuple[tuple[Endpoint, ...], Endpoint | None]:
        found: list[Endpoint] = []
        listed = self.data.get("sources", [])
        if not isinstance(listed, list):
            self._wrong("the sources are a list", ("sources",), found=type(listed).__name__)
            listed = []
        places: list[tuple[Place, Any]] = [(("sources", number), one) for number, one in enumerate(listed)]
        if self.data.get("destination") is not None:
            places.append((("destination",), self.data["destination"]))
        for below, content in places:
            one = {"name": content} if isinstance(content, str) else content
            try:
                found.append(Endpoint.model_validate(one))
            except ValidationError as error:
                place = (*self.place, *below)
                self.checked.errors += validation_errors(error, self.source, place=place, model=Endpoint)
                continue
            if not (found[-1].name or found[-1].connection):
                self._wrong("an entry of a catalog is missing", below, expected="connection or name")
        whole = len(found) == len(places)
        destination = found.pop() if whole and places and places[-1][0] == ("destination",) else None
        return tuple(found), destination

    def _step(self, below: Place, content: object) -> PipelineStep | None:
        if not isinstance(content, dict) or not isinstance(content.get("type"), str):
            self._wrong("a step needs a type", below, found=content, expected="a mapping with the key type")
            return None
        known = steps()
        kind = content["type"]
        if kind not in known:
            self.checked.missing.append(
                self._error(
                    NotInstalled,
                    "no step of this type is installed",
                    (*below, "type"),
                    found=kind,
                    expected=", ".join(known),
                    hint=did_you_mean(kind, known),
                )
            )
            return None
        nested = content.get("parameters") or {}
        if not isinstance(nested, dict):
            self._wrong("parameters are a mapping", (*below, "parameters"), found=nested)
            return None
        flat = {str(key): value for key, value in content.items() if key not in STEP_KEYS}
        twice = sorted(set(flat) & set(nested))
        if twice:
            self._wrong("a parameter stands both flat and under parameters", (*below, twice[0]), found=", ".join(twice))
            return None
        found = known[kind]
        try:
            checked = found.check({**flat, **nested})
        except ValidationError as error:
            self.checked.errors += self._complaints(error, below, nested, found.parameters)
            return None
        line = self.source.line((*self.place, *below))
        return PipelineStep(found, checked, str(content.get("name", "")), line)

    def _complaints(
        self, error: ValidationError, below: Place, nested: Mapping[str, Any], model: type[BaseModel]
    ) -> list[InputError]:
        """The complaints about a step's parameters, wherever each of them stands."""
        place = (*self.place, *below)
        apart = sorted({str(one["loc"][0]) if one["loc"] else "" for one in error.errors()} & set(nested))
        found = validation_errors(error, self.source, place=(*place, "parameters") if nested else place, model=model)
        if not nested:
            return found
        told = []
        for one in found:
            # What stands flat beside ``parameters`` has its line there.
            key = (one.where or "").removeprefix(_path((*place, "parameters"), dots=True) + ".").split(".")[0]
            if key not in apart and (*place, key) in self.source.lines:
                one = one.at(line=self.source.line((*place, key)))
            told.append(one)
        return told


def _path(place: Place, *, dots: bool = False) -> str:
    """``transformations[2].rules[0].field``."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) and not dots else f".{part}"
    return text.removeprefix(".")
