"""Information categories of IEC 61400-26-1 and which of them counts where several claim the same second.

The categories are those of the vocabulary's ``availability_status``: the standard's [1]_, with full performance and
ready standby drawn together as ``available``, and ``unavailable`` for a stop whose kind nobody told. A contract may divide
one further (noise, bats, ice): such a category of one's own names the one it belongs to.

The default priority is this module's: a stop goes before service, and among stops the one that would have kept the turbine
standing whatever else was mended goes first. The standard leaves room for other orders, and contracts use it: print the
table, compare, change.

    from workbench.analytics.wind import CategoryTable
    print(CategoryTable().frame())
    mine = CategoryTable.load("categories.yaml")

with

.. code-block:: yaml

    first: [scheduled_maintenance]          # before all others; or `priority`, the whole order
    own: {bats: environmental_standby}      # counted on its own, belongs to environmental_standby

References
----------
.. [1] IEC 61400-26-1:2019, Availability for wind energy generation systems.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from workbench.model.errors import BadValue, InputError, InputErrors, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

M = TypeVar("M", bound=BaseModel)

UNKNOWN = "unknown"

#: Category: where it stands in the standard's model, and what it means. Highest priority first.
CATEGORIES: Mapping[str, tuple[str, str]] = {
    "force_majeure": ("force majeure", "an extraordinary event beyond anyone's control"),
    "suspended": ("non-operative", "work on it was broken off: weather, access, safety, a dispute"),
    "forced_outage": ("non-operative", "a fault, damage or failure that nobody planned"),
    "planned_corrective_action": ("non-operative", "retrofit, upgrade or repair planned after an inspection"),
    "scheduled_maintenance": ("non-operative", "maintenance by the plan"),
    "unavailable": ("non-operative", "not operative, and nobody told why"),
    "grid_outage": ("operative, out of service", "out of electrical specification: grid lost or out of its limits"),
    "requested_shutdown": ("operative, out of service", "stopped on request: owner, grid operator, market, authority"),
    "environmental_standby": (
        "operative, out of service",
        "out of environmental specification: storm, ice, heat, cold",
    ),
    "technical_standby": (
        "operative, out of service",
        "the turbine's own business: self test, cable unwinding, heating",
    ),
    "partially_available": ("operative, in service", "produces, or could, with a limited output"),
    "available": ("operative, in service", "produces with full performance, or is ready and waits for wind"),
    UNKNOWN: ("information unavailable", "nobody knows"),
}
#: In these a turbine produces.
IN_SERVICE = ("available", "partially_available")


class CategoryTable(BaseModel):
    """Which categories there are and which goes first; :meth:`frame` shows it.

    Attributes
    ----------
    priority
        All categories, the one that wins first. ``unknown`` is always last: it is what nothing claims.
    own
        Categories of one's own: name to the category it belongs to. One that ``priority`` does not name stands
        just before that.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    priority: tuple[str, ...] = tuple(CATEGORIES)
    own: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _whole(cls, value: Any) -> Any:
        """``first`` in place of the whole order, and categories of one's own in their places."""
        if not isinstance(value, Mapping):
            return value
        told = dict(value)
        own = dict(told.get("own") or {})
        if "first" in told:
            if "priority" in told:
                raise BadValue("`first` and `priority` exclude each other", hint="the whole order, or what goes first")
            first = [str(one) for one in told.pop("first")]
            told["priority"] = (*first, *(one for one in CATEGORIES if one not in first))
        order = [str(one) for one in told.get("priority", CATEGORIES)]
        for name, parent in own.items():
            if name not in order and parent in order:
                order.insert(order.index(parent), name)
        told["priority"] = tuple([one for one in order if one != UNKNOWN] + [UNKNOWN])
        return told

    @model_validator(mode="after")
    def _consistent(self) -> CategoryTable:
        for name, parent in self.own.items():
            if name in CATEGORIES:
                raise BadValue(f"{name!r} is a category of the standard", hint="give your own another name")
            if parent not in CATEGORIES:
                raise BadValue(f"{name!r} belongs to {parent!r}, which is none", hint=did_you_mean(parent, CATEGORIES))
        known = {*CATEGORIES, *self.own}
        for name in self.priority:
            if name not in known:
                raise BadValue(f"{name!r} is no category", hint=did_you_mean(name, known))
        lacking = sorted(known - set(self.priority))
        if lacking or len(set(self.priority)) != len(self.priority):
            twice = sorted({one for one in self.priority if self.priority.count(one) > 1})
            raise BadValue(
                "the order does not name every category once",
                hint=f"missing: {', '.join(lacking) or 'none'}; twice: {', '.join(twice) or 'none'}",
            )
        return self

    @classmethod
    def load(cls, source: str | Path | Mapping[str, Any]) -> CategoryTable:
        """From a YAML file or a mapping; InputError with what is wrong in it, and where."""
        return load_model(cls, source)

    def parent(self, name: str) -> str:
        """The category of the standard that ``name`` is or belongs to."""
        return self.own.get(name, name)

    def check(self, names: Iterable[str], where: str) -> None:
        """InputError where one of ``names`` is no category."""
        for name in names:
            if name not in self.priority:
                raise InputError(
                    "no such category",
                    where=where,
                    found=name,
                    expected=", ".join(self.priority),
                    hint=did_you_mean(str(name), self.priority),
                )

    def in_service(self, name: str) -> bool:
        """Whether a turbine produces in it."""
        return self.parent(name) in IN_SERVICE

    def frame(self) -> pd.DataFrame:
        """Priority, category, where the standard has it and what it means, one to a row."""
        import pandas as pd

        rows = [
            (number, name, CATEGORIES[self.parent(name)][0], self._meaning(name))
            for number, name in enumerate(self.priority, 1)
        ]
        return pd.DataFrame(rows, columns=["priority", "category", "standard", "meaning"]).set_index("priority")

    def _meaning(self, name: str) -> str:
        return f"part of {self.own[name]}" if name in self.own else CATEGORIES[name][1]


def load_model(model: type[M], source: str | Path | Mapping[str, Any]) -> M:
    """``model`` from a YAML file or a mapping; InputError with file, line and key of each mistake."""
    from workbench.model.yamlfile import YamlFile, load_yaml, validation_errors

    file = YamlFile(Path("mapping"), source) if isinstance(source, Mapping) else load_yaml(source)
    try:
        return model.model_validate(file.data)
    except ValidationError as error:
        raise InputErrors(validation_errors(error, file, model=model)) from error
