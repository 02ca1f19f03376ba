"""Which unit a field of a nested message has.

Messages tell units beside the fields: ``power_output_unit`` for ``power_output``, but also ``voltage_unit``
for ``voltage_l1`` to ``voltage_l3``, or ``temperature_unit`` for every temperature of the section. The nearest
statement wins: the field's own, then the longest name that is a part of the field's, then one for the same
kind of quantity; then those of the section around; then the vocabulary's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from workbench.model.errors import InputError
from workbench.model.units import check_unit, same_dimension

if TYPE_CHECKING:
    from workbench.ingest.messages import RawMessage
    from workbench.model.vocabulary import Term

_ENDINGS = ("_unit", "_units")


@dataclass(frozen=True)
class Units:
    """The units a section of a message states, and those around it."""

    stated: Mapping[str, str] = field(default_factory=dict)  #: stem (``power``) to unit
    keys: frozenset[str] = frozenset()  #: the keys that state them
    fields: frozenset[str] = frozenset()  #: the section's other keys
    around: Units | None = None

    def inside(self, data: Mapping[str, Any], message: RawMessage, path: str) -> Units:
        """The units of ``data``, a section within this one.

        Raises
        ------
        InputError
            What should be a unit is none.
        """
        stated: dict[str, str] = {}
        keys = set()
        for key, value in data.items():
            ending = next((end for end in _ENDINGS if key.endswith(end) and len(key) > len(end)), None)
            if ending is None or not isinstance(value, str):
                continue
            try:
                stated[key.removesuffix(ending)] = check_unit(value)
            except InputError as error:
                raise message.error(error.message, f"{path}{key}", expected=error.expected, hint=error.hint) from error
            keys.add(key)
        return Units(stated, frozenset(keys), frozenset(data) - keys, self)

    @property
    def here(self) -> int:
        """Number of units the section itself states."""
        return len(self.keys)

    def is_unit(self, key: str) -> bool:
        """Whether ``key`` states a unit."""
        return key in self.keys

    def of(self, name: str, term: Term | None) -> str | None:
        """The unit of the field ``name``; None where nobody states one."""
        if name in self.stated:
            return self.stated[name]
        parts = set(name.split("_"))
        near = [stem for stem in self.stated if set(stem.split("_")) <= parts and _fits(self.stated[stem], term)]
        if near:
            return self.stated[max(near, key=len)]
        if term is not None and not term.states and not _same(term.units, "1"):
            # A stem that is no field itself speaks for all fields of its kind: temperature_unit. Not so for
            # plain numbers: the percent of one field says nothing of the power factor beside it.
            general = {unit for stem, unit in self.stated.items() if stem not in self.fields and _fits(unit, term)}
            if len(general) == 1:
                return general.pop()
        return self.around.of(name, term) if self.around is not None else None


def _fits(unit: str, term: Term | None) -> bool:
    return term is None or _same(unit, term.units)


@lru_cache(maxsize=4096)
def _same(a: str, b: str) -> bool:
    return same_dimension(a, b)
