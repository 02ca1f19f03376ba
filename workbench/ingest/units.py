"""Which unit a field of a nested message has.

Messages tell units beside the fields: ``power_output_unit`` for ``power_output``, but also ``voltage_unit``
for ``voltage_l1`` to ``voltage_l3``, or ``temperature_unit`` for every temperature of the section. Which unit
speaks for which term is data of the vocabulary (:meth:`Vocabulary.unit_leaf`); for a field outside of it the
longest name that is a part of the field's own counts. Where the section says nothing, those around it do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.model.errors import InputError
from workbench.model.units import check_unit, same_dimension

if TYPE_CHECKING:
    from workbench.ingest.messages import RawMessage
    from workbench.model.vocabulary import Term, Vocabulary

_ENDING = "_unit"
_BARE = ("unit", "units")


@dataclass(frozen=True)
class Units:
    """The units a section of a message states, and those around it."""

    words: Vocabulary
    stated: Mapping[str, str] = field(default_factory=dict)  #: key (``power_unit``) to unit
    around: Units | None = None

    def inside(self, data: Mapping[str, Any], message: RawMessage, path: str) -> Units:
        """The units of ``data``, a section within this one.

        Raises
        ------
        InputError
            What should be a unit is none.
        """
        stated: dict[str, str] = {}
        for key, value in data.items():
            if key in self.words or not isinstance(value, str):
                continue
            if key in _BARE and _is_unit(value):
                stated[key] = value
            if not key.endswith(_ENDING):
                continue
            try:
                stated[key] = check_unit(value)
            except InputError as error:
                raise message.error(error.message, f"{path}{key}", expected=error.expected, hint=error.hint) from error
        return Units(self.words, stated, self)

    @property
    def here(self) -> int:
        """Number of units the section itself states."""
        return len(self.stated)

    def is_unit(self, key: str) -> bool:
        """Whether ``key`` states a unit in this section."""
        return key in self.stated

    def of(self, name: str, term: Term | None) -> str | None:
        """The unit of the field ``name``; None where nobody states one."""
        key = self.words.unit_leaf(name, self.stated) if term is not None else self._nearest(name)
        if key is not None:
            return self.stated[key]
        for bare in _BARE:
            # "unit" alone speaks for what it fits; for a plain number it says nothing
            if bare in self.stated and (term is None or _speaks_for(self.stated[bare], term)):
                return self.stated[bare]
        return self.around.of(name, term) if self.around is not None else None

    def _nearest(self, name: str) -> str | None:
        parts = set(name.split("_"))
        near = [key for key in self.stated if set(key.removesuffix(_ENDING).split("_")) <= parts]
        return max(near, key=len, default=None)


def _is_unit(text: str) -> bool:
    try:
        check_unit(text)
    except InputError:
        return False
    return True


def _speaks_for(unit: str, term: Term) -> bool:
    return term.states is None and not same_dimension(term.units, "1") and same_dimension(unit, term.units)
