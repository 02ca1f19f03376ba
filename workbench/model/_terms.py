"""Read and check the files of the vocabulary."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from workbench.model.errors import InputError
from workbench.model.vocabulary import AssetType, Child, Kind, Structure, Term, Topic
from workbench.model.yamlfile import YamlFile, load_yaml, validation_errors

_IEC = r"^[A-Z]{4}\.[A-Z][A-Za-z0-9]*(\.phs[A-C]{1,2})?$"
_NAME = r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$"
Range = Annotated[list[float], Field(min_length=2, max_length=2)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _PerType(_Strict):
    name: str | None = None
    description: str | None = None
    valid: Range | None = None
    iec: Annotated[str, Field(pattern=_IEC)] | None = None

    def changes(self) -> dict[str, Any]:
        found: dict[str, Any] = {"long_name": self.name, "description": self.description, "iec61400_25": self.iec}
        if self.valid is not None:
            found["valid_min"], found["valid_max"] = self.valid
        return {key: value for key, value in found.items() if value is not None}


class _TermSpec(_Strict):
    name: str
    units: str = "1"
    description: str = Field(min_length=1)
    cf: Annotated[str, Field(pattern=_NAME)] | None = None
    iec: Annotated[str, Field(pattern=_IEC)] | None = None
    valid: Range | None = None
    kind: Kind = "measurement"
    dtype: Literal["f4", "f8"] = "f4"
    states: dict[str, int] | None = None
    types: list[AssetType]
    per_type: dict[AssetType, _PerType] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fits_together(self) -> _TermSpec:
        if self.valid is not None and self.valid[0] >= self.valid[1]:
            raise ValueError("the valid range is empty")
        if self.kind == "angle" and (self.valid is None or self.valid[1] - self.valid[0] != 360):
            raise ValueError("an angle wraps: its valid range must be one turn, such as [0, 360]")
        if self.states is not None:
            if self.kind != "status":
                raise ValueError("only a status has states")
            if len(set(self.states.values())) != len(self.states):
                raise ValueError("two states have the same code")
            if any(" " in state for state in self.states):
                raise ValueError("the name of a state is one word")
            if self.dtype == "f4" and max(map(abs, self.states.values())) >= 2**24:
                raise ValueError("codes of 2**24 and more need dtype f8")
        elif self.kind == "status" and self.valid is None:
            raise ValueError("a status needs states, or the valid range of its codes")
        for kind in self.per_type:
            if kind not in self.types:
                raise ValueError(f"per_type speaks of {kind}, which is not among its types")
        return self

    def term(self, name: str, topic: str) -> Term:
        low, high = self.valid or (None, None)
        if self.states is not None:
            low, high = float(min(self.states.values())), float(max(self.states.values()))
        return Term(
            name=name,
            units=self.units,
            long_name=self.name,
            description=self.description,
            standard_name=self.cf,
            iec61400_25=self.iec,
            valid_min=low,
            valid_max=high,
            dtype=self.dtype,
            kind=self.kind,
            states=self.states,
            asset_types=tuple(self.types),
            topic=topic,
            per_type={kind: spec.changes() for kind, spec in self.per_type.items()},
        )


class _TermsFile(_Strict):
    title: str
    about: str = ""
    terms: dict[Annotated[str, Field(pattern=_NAME)], _TermSpec]


class _ChildSpec(_Strict):
    asset_type: AssetType
    identity: str


class _StructureFile(_Strict):
    roles: dict[Literal["identity", "time", "location", "record", "fact"], list[str]]
    sites: list[str]
    records: dict[str, str]
    children: dict[str, _ChildSpec]
    asset_types: dict[str, AssetType]
    unit_leaves: dict[str, list[str]]

    @model_validator(mode="after")
    def _of_one_mind(self) -> _StructureFile:
        identities = self.roles.get("identity", [])
        for leaf in (*self.sites, *self.asset_types, *(child.identity for child in self.children.values())):
            if leaf not in identities:
                raise ValueError(f"{leaf!r} is not among the roles as an identity")
        if set(self.records) != set(self.roles.get("record", [])):
            raise ValueError("the lists of records are not those among the roles")
        return self


@dataclass
class Reading:
    """What a folder of YAML files says, and everything that is wrong with it."""

    terms: dict[str, Term]
    topics: dict[str, Topic]
    structure: Structure
    errors: list[InputError]


def read_folder(folder: Path, *more: Path) -> Reading:
    """Read the YAML files of ``folder``, and the terms of the files in the folders ``more``, which add to it."""
    terms: dict[str, Term] = {}
    topics: dict[str, Topic] = {}
    places: dict[str, str] = {}
    structure = Structure()
    errors: list[InputError] = []
    paths = sorted(folder.glob("*.yaml"))
    if not paths:
        errors.append(InputError("no vocabulary here", file=folder, expected="YAML files with the key 'terms'"))
    for path in [*paths, *(path for other in more for path in sorted(other.glob("*.yaml")))]:
        try:
            file = load_yaml(path)
        except InputError as error:
            errors.append(error)
            continue
        if path.stem == "structure" and path.parent == folder:
            structure = _structure(file, errors) or structure
            continue
        try:
            spec_file = _TermsFile.model_validate(file.data)
        except ValidationError as error:
            errors += validation_errors(error, file, model=_TermsFile)
            continue
        topics[path.stem] = Topic(path.stem, spec_file.title, spec_file.about)
        for name, spec in spec_file.terms.items():
            line = file.line(("terms", name))
            if name in terms:
                errors.append(
                    InputError(
                        "the name occurs twice",
                        file=path,
                        line=line,
                        where=name,
                        found=f"also in {places[name]}",
                        hint="give a variable of your own another name" if path.parent != folder else None,
                    )
                )
                continue
            terms[name], places[name] = spec.term(name, path.stem), f"{path.name}:{line}"
    return Reading(terms, topics, structure, errors)


def _structure(file: YamlFile, errors: list[InputError]) -> Structure | None:
    try:
        spec = _StructureFile.model_validate(file.data)
    except ValidationError as error:
        errors += validation_errors(error, file, model=_StructureFile)
        return None
    return Structure(
        roles={role: tuple(leaves) for role, leaves in spec.roles.items()},
        sites=tuple(spec.sites),
        records=dict(spec.records),
        children={key: Child(child.asset_type, child.identity) for key, child in spec.children.items()},
        asset_types=dict(spec.asset_types),
        unit_leaves={leaf: tuple(patterns) for leaf, patterns in spec.unit_leaves.items()},
    )
