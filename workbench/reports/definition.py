"""What a report is: a small YAML file beside its notebook."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from workbench.model.errors import InputError, InputErrors, did_you_mean
from workbench.model.yamlfile import YamlFile, load_yaml, validation_errors

Value = str | int | float | bool
Output = Literal["notebook", "html", "pdf", "manifest"]

#: Types of parameters as they are written in YAML, and the annotation in the notebook.
TYPES: dict[str, type] = {"str": str, "int": int, "float": float, "bool": bool}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Parameter(_Strict):
    """A parameter of a report."""

    type: Literal["str", "int", "float", "bool"]
    default: Value
    description: str
    choices: list[Value] | None = None
    minimum: float | None = None
    maximum: float | None = None
    units: str = ""

    @model_validator(mode="after")
    def _default_fits(self) -> Parameter:
        self.convert(self.default)
        return self

    def convert(self, value: object) -> Value:
        """``value``, also as text, as this parameter's type; ValueError where it is none or not allowed."""
        converted = _as(self.type, value)
        if self.choices is not None and converted not in self.choices:
            raise ValueError(f"not one of {', '.join(map(str, self.choices))}")
        if isinstance(converted, int | float) and not isinstance(converted, bool):
            if self.minimum is not None and converted < self.minimum:
                raise ValueError(f"less than {self.minimum:g}")
            if self.maximum is not None and converted > self.maximum:
                raise ValueError(f"more than {self.maximum:g}")
        return converted


class Schedule(_Strict):
    """When a report is due: for ``workbench schedule``, or for cron, systemd or Airflow, which call ``report run``."""

    cron: str = Field(description="five fields, in the clock of the site")
    period: str = Field(description="the period to report on then, such as yesterday or last-month")
    missed: Literal["latest", "all", "skip"] = Field("latest", description="what becomes of runs that were missed")

    @field_validator("cron")
    @classmethod
    def _five_fields(cls, text: str) -> str:
        if len(text.split()) != 5:
            raise ValueError("a cron line has five fields")
        return text


class ReportDefinition(_Strict):
    """A report as its YAML file says it."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str
    description: str
    notebook: str
    schedule: Schedule
    parameters: dict[str, Parameter] = Field(default_factory=dict)
    outputs: list[Output] = ["notebook", "html", "pdf", "manifest"]
    recipients: list[str] = Field(default_factory=list)
    site_kinds: list[str] | None = Field(None, description="kinds of site it is for; all if left out")

    _file: YamlFile | None = None

    @field_validator("parameters")
    @classmethod
    def _period_is_there_already(cls, given: dict[str, Parameter]) -> dict[str, Parameter]:
        if "period" in given:
            raise ValueError("period is a parameter of every report and not declared")
        return given

    @property
    def path(self) -> Path:
        """Path of the YAML file."""
        assert self._file is not None  # noqa: S101  # set by load_definition
        return self._file.path

    @property
    def notebook_path(self) -> Path:
        """Path of the notebook."""
        return self.path.parent / self.notebook

    def check(self, given: Mapping[str, object]) -> dict[str, Value]:
        """All parameters, ``given`` ones converted and the others at their defaults.

        Raises
        ------
        InputError
            One is unknown, of a wrong type or not allowed; names the nearest.
        """
        for name in given:
            if name not in self.parameters:
                raise InputError(
                    f"the report {self.name} has no parameter {name!r}",
                    where="param",
                    expected=", ".join(self.parameters) or "none",
                    hint=did_you_mean(name, self.parameters),
                )
        values: dict[str, Value] = {name: one.default for name, one in self.parameters.items()}
        for name, value in given.items():
            try:
                values[name] = self.parameters[name].convert(value)
            except ValueError as error:
                one = self.parameters[name]
                choices = ", ".join(map(str, one.choices)) if one.choices else None
                limits = " … ".join("" if x is None else f"{x:g}" for x in (one.minimum, one.maximum))
                raise InputError(
                    f"the parameter cannot be taken: {error}",
                    where=f"param {name}",
                    found=value,
                    expected=choices or f"{one.type} {limits} {one.units}".rstrip(" …").strip(),
                    hint=did_you_mean(str(value), map(str, one.choices)) if one.choices else None,
                ) from None
        return values


def _as(kind: str, value: object) -> Value:
    if kind == "bool":
        if isinstance(value, bool):
            return value
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if str(value).lower() in words:
            return words[str(value).lower()]
        raise ValueError("not a truth value (true or false)")
    if isinstance(value, bool):
        raise ValueError(f"not a value of type {kind}")
    if kind == "str":
        return str(value)
    try:
        if kind == "int":
            if isinstance(value, float) and not value.is_integer():
                raise ValueError
            return int(str(value)) if isinstance(value, str) else int(value)  # type: ignore[call-overload]
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ValueError("not a whole number" if kind == "int" else "not a number") from None
    if number != number or number in (float("inf"), float("-inf")):
        raise ValueError("not a finite number")
    return number


def load_definition(path: Path) -> ReportDefinition:
    """Read one definition and hold it against its notebook.

    Raises
    ------
    InputError
        Something in the file is wrong, the notebook is missing, or its cell tagged ``parameters`` does not declare
        the same parameters with the same types and defaults.
    """
    file = load_yaml(path)
    if not isinstance(file.data, dict):
        raise InputError("not a report", file=path, expected="a mapping with name, title, notebook, …")
    try:
        definition = ReportDefinition.model_validate(file.data)
    except ValidationError as error:
        errors = validation_errors(error, file, model=ReportDefinition)
        raise errors[0] if len(errors) == 1 else InputErrors(errors) from error
    definition = definition.model_copy()
    object.__setattr__(definition, "_file", file)
    _compare(definition, file)
    return definition


def _compare(definition: ReportDefinition, file: YamlFile) -> None:
    """Hold the definition against the parameters cell of its notebook."""
    notebook = definition.notebook_path
    if not notebook.is_file():
        near = did_you_mean(definition.notebook, [one.name for one in file.path.parent.glob("*.ipynb")])
        raise InputError(
            "there is no such notebook", file=file.path, line=file.line(("notebook",)), where="notebook",
            found=definition.notebook, hint=near,
        )  # fmt: skip
    declared = notebook_parameters(notebook)
    wanted: dict[str, tuple[str, object]] = {
        name: (one.type, one.default) for name, one in definition.parameters.items()
    }
    for name, (kind, default) in wanted.items():
        line = file.line(("parameters", name))
        if name not in declared:
            raise InputError(
                f"the notebook has no parameter {name!r}", file=file.path, line=line, where=f"parameters.{name}",
                expected=", ".join(declared), hint=did_you_mean(name, declared),
            )  # fmt: skip
        there, there_default = declared[name]
        if there != kind or there_default != default:
            raise InputError(
                "the notebook declares the parameter otherwise", file=file.path, line=line,
                where=f"parameters.{name}", found=f"{kind} = {default!r}",
                expected=f"{there} = {there_default!r}, as in {notebook.name}",
            )  # fmt: skip
    for name in declared:
        if name not in wanted and name != "period":
            raise InputError(
                f"the notebook's parameter {name!r} is not in the definition", file=file.path,
                line=file.line(("parameters",)), where="parameters", found=f"{name} in {notebook.name}",
            )  # fmt: skip
    if declared.get("period", ("", ""))[0] != "str":
        raise InputError("the notebook needs a parameter 'period: str'", file=notebook)


def notebook_parameters(notebook: Path) -> dict[str, tuple[str, object]]:
    """Parameters that a notebook's cell tagged ``parameters`` declares: name to (type, default).

    Raises
    ------
    InputError
        There is no such cell, or an assignment in it has no type or no plain default.
    """
    try:
        content = json.loads(notebook.read_text(encoding="utf-8"))
        cells = content["cells"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError("not a notebook", file=notebook, found=str(error)) from error
    tagged = [i for i, one in enumerate(cells) if "parameters" in one.get("metadata", {}).get("tags", [])]
    if not tagged:
        raise InputError("no cell is tagged 'parameters'", file=notebook, hint="tag the cell that assigns them")
    number, found = tagged[0] + 1, dict[str, tuple[str, object]]()
    for statement in ast.parse("".join(cells[tagged[0]]["source"])).body:
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            raise InputError(
                "a parameter needs a type", file=notebook, where=f"cell {number}", found=ast.unparse(statement),
                expected="name: type = default  # what it is",
            )  # fmt: skip
        try:
            default = ast.literal_eval(statement.value) if statement.value is not None else None
        except ValueError:
            default = None
        kind = ast.unparse(statement.annotation)
        if kind not in TYPES or not isinstance(default, TYPES[kind]):
            raise InputError(
                "a parameter needs a plain type and a default of it", file=notebook, where=f"cell {number}",
                found=ast.unparse(statement), expected="one of " + ", ".join(TYPES),
            )  # fmt: skip
        found[statement.target.id] = (kind, default)
    return found


def load_reports(folder: Path) -> dict[str, ReportDefinition]:
    """All reports of a folder, by name.

    Raises
    ------
    InputErrors
        With everything that is wrong with any of them.
    """
    found: dict[str, ReportDefinition] = {}
    errors: list[InputError] = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            definition = load_definition(path)
        except InputErrors as error:
            errors += error.errors
            continue
        except InputError as error:
            errors.append(error)
            continue
        if definition.name in found:
            errors.append(InputError("the name is taken", file=path, where="name", found=definition.name))
        found[definition.name] = definition
    if errors:
        raise errors[0] if len(errors) == 1 else InputErrors(errors)
    return found


def find_report(folder: Path, name: str) -> ReportDefinition:
    """The report ``name``; only its own file has to be right. InputError with the nearest where there is none."""
    own = folder / f"{name}.yaml"
    if own.is_file():
        definition = load_definition(own)
        if definition.name == name:
            return definition
    reports = load_reports(folder) if folder.is_dir() else {}
    if name not in reports:
        raise InputError(
            f"no report {name!r}",
            file=folder,
            expected=", ".join(reports) or "there are none",
            hint=did_you_mean(name, reports),
        )
    return reports[name]
