"""What each step for records reads and gives, told from its parameters alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from workbench.expressions import compile_expression
from workbench.steps import Effect, effect
from workbench.transforms.aside import REJECTED
from workbench.transforms.effects import Known, once
from workbench.transforms.fields import checked
from workbench.transforms.records import Mapping as FieldMapping

_PLACE = re.compile(r"\{([^{}]*)\}")


@effect("field_mapping")
def _mapping(known: Known, *, mappings: Sequence[FieldMapping]) -> Effect:
    wanted = [checked(FieldMapping, each, "mappings") for each in mappings]
    notes = ["of several sources of one field, the first that has a value"]
    if any(each.platforms for each in wanted):
        notes.append("platforms restrict a mapping where the records say their platform")
    return Effect(
        reads=once(each.source for each in wanted),
        adds=dict.fromkeys((each.destination for each in wanted), None),
        notes=tuple(notes),
    )


@effect("field_operation")
def _operation(known: Known, *, field_name: str, output_field: str = "", **_: Any) -> Effect:
    return Effect(needs=(field_name,), adds={output_field or field_name: None})


@effect("field_calculation")
def _calculation(
    known: Known,
    *,
    field_name: str,
    operation: str = "formula",
    formula: str | None = None,
    source_field: str | None = None,
    currency_field: str = "currency",
    date_field: str | None = None,
    **_: Any,
) -> Effect:
    if operation == "formula":
        return Effect(needs=compile_expression(formula).names if formula else (), adds={field_name: None})
    return Effect(
        reads=(str(source_field), "total"),
        needs=(currency_field, *([date_field] if date_field else [])),
        adds={field_name: None, f"{field_name}_note": None},
        notes=("amounts may be text; where there is no source field, total is taken",),
    )


@effect("field_addition")
def _addition(
    known: Known, *, field_name: str, formula: str | None = None, template: str | None = None, **more: Any
) -> Effect:
    names = compile_expression(formula).names if formula else tuple(_PLACE.findall(template or ""))
    if more.get("ignore_missing"):
        return Effect(reads=once(names), adds={field_name: None})
    return Effect(needs=once(names), adds={field_name: None})


@effect("field_selection")
def _selection(known: Known, *, field_names: Sequence[str]) -> Effect:
    others = tuple(name for name in known if name not in field_names)
    # What is nested, or only part of `<prefix>*` so far, is a field by its own name from here on.
    adds = {name: None for name in field_names if name not in known}
    return Effect(needs=tuple(field_names), adds=adds, removes=others, notes=("no other field goes on",))


@effect("platform_identification")
def _platforms(known: Known, *, platforms: Mapping[str, Sequence[str]], output_field: str = "platform") -> Effect:
    own = [output_field] if output_field in known else []
    return Effect(
        reads=once([*(name for fields in platforms.values() for name in fields), *own]),
        adds={output_field: None},
        notes=("what a record says itself of its platform counts more than the fields it has",),
    )


def _keys(on: Any, left_on: Any) -> tuple[str, ...]:
    given = on if on is not None else left_on
    return () if given is None else (given,) if isinstance(given, str) else tuple(given)


def _brought(fields: Any, prefix: str) -> dict[str, str | None]:
    if isinstance(fields, Mapping):
        names = list(fields.values())
    else:  # what is nested comes by its last name
        names = [name.rpartition(".")[2] for name in ([fields] if isinstance(fields, str) else fields or ())]
    return dict.fromkeys((f"{prefix}{name}" for name in names), None)


@effect("record_join")
def _join(
    known: Known, *, on: Any = None, left_on: Any = None, how: str = "left", fields: Any = None, prefix: str = "",
    **_: Any,
) -> Effect:  # fmt: skip
    adds = {} if how in ("semi", "anti") else _brought(fields, prefix) or {f"{prefix}*": None}
    return Effect(needs=_keys(on, left_on), adds=adds)


@effect("field_lookup")
def _lookup(
    known: Known, *, fields: Any, on: Any = None, left_on: Any = None, prefix: str = "", flag_field: str = "", **_: Any
) -> Effect:
    flag = {flag_field: None} if flag_field else {}
    return Effect(needs=_keys(on, left_on), adds=_brought(fields, prefix) | flag)


@effect("record_deduplication")
def _deduplication(known: Known, *, key_fields: Any, time_field: str | None = None, **_: Any) -> Effect:
    return Effect(needs=(*_keys(key_fields, None), *([time_field] if time_field else [])))


@effect("field_removal")
def _removal(known: Known, *, field_names: Sequence[str]) -> Effect:
    return Effect(removes=tuple(field_names), notes=("a field that is not there is passed over",))


@effect("record_expansion")
def _expansion(known: Known, *, source_field: str, output_prefix: str = "") -> Effect:
    # What is nested inside is not told by the parameters: `<prefix>*`.
    return Effect(needs=(source_field,), adds={f"{output_prefix}*": None}, removes=(source_field,))


@effect("record_filter")
def _filter(known: Known, *, condition: Any) -> Effect:
    return Effect(needs=compile_expression(condition).names)


@effect("field_validation")
def _validation(known: Known, *, field_name: str, **_: Any) -> Effect:
    return Effect(
        needs=(field_name,), adds={REJECTED: None}, notes=("records that do not pass are kept aside, with the reason",)
    )


@effect("field_masking")
def _masking(known: Known, *, field_name: str, **_: Any) -> Effect:
    return Effect(needs=(field_name,), adds={field_name: None})
