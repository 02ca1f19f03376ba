"""The names everything is written in: variables with units, ranges, standard names and states.

The words are data: the YAML files in ``terms/`` beside this module. Names are the leaf names of the data
streams in the specification; a name has one unit and one list of states everywhere, whatever asset has it.
A project adds terms of its own in ``catalogs/vocabulary/``.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, get_args

from workbench.model.errors import InputError, InputErrors, nearest
from workbench.model.place import project_root

FOLDER = Path(__file__).with_name("terms")

AssetType = Literal[
    "wind_turbine",
    "inverter",
    "string",
    "mppt",
    "met_mast",
    "irradiance_sensor",
    "battery",
    "battery_rack",
    "battery_cell",
    "grid_meter",
    "tracker",
    "substation",
    "weather_station",
    "market",
    "plant",
]
ASSET_TYPES: tuple[str, ...] = get_args(AssetType)

Kind = Literal["measurement", "angle", "counter", "status", "setpoint"]
Role = Literal["variable", "identity", "unit", "time", "location", "record", "fact", "unknown"]


@dataclass(frozen=True)
class Term:
    """One name of the vocabulary.

    ``valid_min`` and ``valid_max`` are plausible for any asset that has the variable [``units``]; an asset's
    own rating is tighter. An angle wraps: its valid range is one turn, and statistics of it are circular.
    """

    name: str
    units: str
    long_name: str
    description: str
    standard_name: str | None = None  #: of the CF standard name table
    iec61400_25: str | None = None  #: logical node and data name, such as ``WTUR.W``
    valid_min: float | None = None
    valid_max: float | None = None
    dtype: Literal["f4", "f8"] = "f4"
    kind: Kind = "measurement"
    states: dict[str, int] | None = None  #: name to code
    asset_types: tuple[str, ...] = ()
    topic: str = ""  #: the file it stands in
    per_type: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False, compare=False)

    def for_type(self, asset_type: str) -> Term:
        """The term as it is meant for assets of one kind: description, range and IEC name may differ."""
        changes = self.per_type.get(asset_type)
        return replace(self, **changes) if changes else self

    def attrs(self) -> dict[str, Any]:
        """CF attributes of a variable of this name.

        ``units``, ``long_name``, and where there is one ``standard_name`` and ``iec61400_25``; for a status
        ``flag_values`` and ``flag_meanings``. The valid range is left out on purpose: readers that follow CF
        hide what lies outside of a ``valid_range``, and here nothing measured is hidden, only flagged.
        """
        import numpy as np

        found: dict[str, Any] = {"units": self.units, "long_name": self.long_name}
        if self.standard_name:
            found["standard_name"] = self.standard_name
        if self.iec61400_25:
            found["iec61400_25"] = self.iec61400_25
        if self.states:
            kind = np.float64 if self.dtype == "f8" else np.float32
            found["flag_values"] = np.array(list(self.states.values()), dtype=kind)
            found["flag_meanings"] = " ".join(self.states)
        return found

    def code(self, value: object) -> float | None:
        """The number that a status is kept as.

        Parameters
        ----------
        value
            Name of a state (case, spaces and hyphens do not matter), its code, or true or false.

        Returns
        -------
        The code; None where the variable has no such state.
        """
        known = self.states or {}
        if isinstance(value, str):
            wanted = _plain(value)
            return next((float(code) for state, code in known.items() if _plain(state) == wanted), None)
        if isinstance(value, (bool, int, float)):
            number = float(value)
            return number if not known or number in known.values() else None
        return None

    def state(self, code: float) -> str | None:
        """Name of the state with that code, or None."""
        return next((state for state, number in (self.states or {}).items() if number == code), None)


def _plain(text: str) -> str:
    return text.strip().lower().replace(" ", "_").replace("-", "_")


@dataclass(frozen=True)
class Topic:
    """A file of the vocabulary."""

    name: str
    title: str
    about: str = ""


@dataclass(frozen=True)
class Child:
    """A list inside a message whose objects are assets of their own kind."""

    asset_type: str
    identity: str  #: key that names each of them


class Vocabulary(Mapping[str, Term]):
    """All terms by name, and what the other leaves of a message are."""

    def __init__(
        self,
        terms: Mapping[str, Term],
        structure: Structure | None = None,
        topics: Mapping[str, Topic] | None = None,
    ) -> None:
        self._terms = dict(terms)
        self.topics = dict(topics or {})
        self.structure = structure or Structure()
        self._attrs: dict[tuple[str, str | None], dict[str, Any]] = {}

    def __getitem__(self, name: str) -> Term:
        return self._terms[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._terms)

    def __len__(self) -> int:
        return len(self._terms)

    def __repr__(self) -> str:
        return f"<Vocabulary: {len(self)} terms>"

    def term(self, name: str, asset_type: str | None = None) -> Term:
        """The term, as it is meant for assets of ``asset_type`` where that is given.

        Raises
        ------
        InputError
            There is no such name; says which are near.
        """
        found = self._terms.get(name)
        if found is None:
            near = self.nearest(name)
            raise InputError(
                f"{name!r} is not in the vocabulary",
                found=name,
                hint=f"did you mean {near[0]!r}?" if near else "workbench vocabulary list shows all names",
            )
        return found if asset_type is None else found.for_type(asset_type)

    def attrs(self, name: str, asset_type: str | None = None) -> dict[str, Any]:
        """CF attributes of a variable, as it is meant for assets of ``asset_type`` where that is given.

        For a name that is not in the vocabulary its name and no unit.
        """
        if (name, asset_type) not in self._attrs:
            term = self._terms.get(name)
            if term is not None and asset_type is not None:
                term = term.for_type(asset_type)
            self._attrs[name, asset_type] = {"long_name": name, "units": ""} if term is None else term.attrs()
        return dict(self._attrs[name, asset_type])

    def dtype(self, name: str) -> Literal["f4", "f8"]:
        """The width a variable is kept in; ``f8`` for a name that is not in the vocabulary: nothing is lost."""
        term = self._terms.get(name)
        return "f8" if term is None else term.dtype

    def nearest(self, name: str, n: int = 3) -> list[str]:
        """Names most like ``name``, best first; none where nothing is like it."""
        return nearest(name, self._terms, n=n)

    def of_type(self, asset_type: str) -> tuple[Term, ...]:
        """The terms that assets of one kind have, as they are meant for them."""
        return tuple(term.for_type(asset_type) for term in self.values() if asset_type in term.asset_types)

    def role(self, leaf: str) -> Role:
        """What a leaf of an incoming message is: a variable, or part of the structure around variables."""
        if leaf in self._terms:
            return "variable"
        for role, leaves in self.structure.roles.items():
            if leaf in leaves:
                return role
        return "unit" if leaf.endswith("_unit") else "unknown"

    def unit_leaf(self, leaf: str, block: Mapping[str, object]) -> str | None:
        """The leaf of the same block that names the unit of ``leaf``, or None.

        ``<leaf>_unit`` comes first; then a shared one such as ``power_unit`` whose patterns match, the most
        exact (longest) pattern winning. A unit leaf also speaks for the objects inside its block: give them
        as ``{**outer, **block}``.
        """
        if leaf.endswith("_unit"):
            return None
        own = f"{leaf}_unit"
        if own in block:
            return own
        term = self._terms.get(leaf)
        if term is not None and term.kind == "status":
            return None
        best: tuple[int, str] | None = None
        for unit_leaf, patterns in self.structure.unit_leaves.items():
            if unit_leaf not in block:
                continue
            for pattern in patterns:
                if fnmatchcase(leaf, pattern):
                    rank = (len(pattern.replace("*", "")) + (0 if "*" in pattern else 100), unit_leaf)
                    best = rank if best is None or rank > best else best
        return None if best is None else best[1]


@dataclass(frozen=True)
class Structure:
    """The leaves of a message that are no variables, and how a message is put together."""

    roles: Mapping[Role, tuple[str, ...]] = field(default_factory=dict)
    sites: tuple[str, ...] = ()  #: identities that name the site
    records: Mapping[str, str] = field(default_factory=dict)  #: key of a list to the kind of record of each item
    children: Mapping[str, Child] = field(default_factory=dict)  #: key of a list to what its objects are
    asset_types: Mapping[str, str] = field(default_factory=dict)  #: identity leaf to kind of asset
    unit_leaves: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@functools.cache
def vocabulary() -> Vocabulary:
    """The vocabulary that comes with the workbench and a user's own terms, read once per process.

    Own terms stand in the folder that ``WORKBENCH_VOCABULARY`` names, or in ``catalogs/vocabulary`` of the
    project, in files like those of the vocabulary that comes with the workbench.
    """
    own = own_terms()
    return load_vocabulary(FOLDER, *([] if own is None else [own]))


def own_terms() -> Path | None:
    """Folder of a user's own terms; None where there is none.

    Raises
    ------
    InputError
        ``WORKBENCH_VOCABULARY`` names no folder.
    """
    named = os.environ.get("WORKBENCH_VOCABULARY")
    if named:
        folder = Path(named).expanduser()
        if not folder.is_dir():
            raise InputError("not a folder", where="WORKBENCH_VOCABULARY", found=named)
        return folder
    root = project_root()
    own = None if root is None else root / "catalogs" / "vocabulary"
    return own if own is not None and own.is_dir() else None


def load_vocabulary(folder: Path, *more: Path) -> Vocabulary:
    """Read a vocabulary from the YAML files of a folder, and terms that add to it from those of ``more``.

    Raises
    ------
    InputError
        A file is not what it should be: names file, line, term and key. Several make an InputErrors.
    """
    from workbench.model._terms import read_folder

    found = read_folder(folder, *more)
    if found.errors:
        raise found.errors[0] if len(found.errors) == 1 else InputErrors(found.errors)
    return Vocabulary(found.terms, found.structure, found.topics)
