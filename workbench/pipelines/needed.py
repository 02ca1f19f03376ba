"""Which fields of its records a pipeline needs, so that no others are read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from workbench.expressions import compile_expression
from workbench.pipelines.spec import Pipeline
from workbench.transforms.effects import holds


def needed_fields(pipeline: Pipeline) -> frozenset[str] | None:
    """Fields that the result depends on, dotted for nested ones; None where that is all of them.

    A pipeline tells it by a ``field_selection``; without one, all that comes in goes out. The result with no other
    fields read is the same. One field too many is no harm, so what a step may look at counts as needed.
    """
    need: set[str] | None = None
    for one in reversed(pipeline.steps):
        given = one.parameters
        if one.step.name == "field_selection":
            need = set(given["field_names"])
            continue
        if need is None:
            continue
        if one.step.name == "record_expansion":
            need = _before_expansion(need, given["source_field"], given.get("output_prefix", ""))
            continue
        tells = _READS.get(one.step.name)
        more = None if tells is None else tells(given)
        need = None if more is None else need | more
    return None if need is None else frozenset(need)


def _before_expansion(need: set[str], source: str, prefix: str) -> set[str]:
    elements = {f"{source}.{name.removeprefix(prefix)}" for name in need if prefix and name.startswith(prefix)}
    # A list of values goes by its own name, and so may be what is asked for.
    whole = not elements or f"{prefix}{source}" in need
    return (need - {source}) | elements | ({source} if whole else set())


def _of_expression(text: Any) -> set[str] | None:
    """Names in an expression; None where it looks at times as well, which it does not name."""
    if text is None:
        return set()
    expression = compile_expression(text)
    return None if holds(expression.node) else set(expression.names)


def _listed(*given: Any) -> set[str]:
    return {name for each in given if each for name in ([each] if isinstance(each, str) else each)}


def _mapping(given: Mapping[str, Any]) -> set[str]:
    names = [each["source"] if isinstance(each, Mapping) else each.source for each in given["mappings"]]
    return {*names, "platform"}


def _calculation(given: Mapping[str, Any]) -> set[str] | None:
    if given.get("operation", "formula") == "formula":
        return _of_expression(given.get("formula"))
    dated = given.get("rates") is not None or given.get("rates_source") is not None
    if dated and not given.get("date_field"):
        return None  # the step looks for a field that is called like a date
    names = {"total", given.get("currency_field", "currency")}
    return names | _listed(given.get("source_field"), given.get("date_field"))


def _addition(given: Mapping[str, Any]) -> set[str] | None:
    return (
        set(re.findall(r"\{([^{}]*)\}", given["template"]))
        if given.get("template")
        else _of_expression(given.get("formula"))
    )


def _platforms(given: Mapping[str, Any]) -> set[str]:
    return _listed(given.get("output_field", "platform"), *given["platforms"].values())


def _own_key(given: Mapping[str, Any]) -> set[str]:
    return _listed(given.get("on"), given.get("left_on"))


def _field(given: Mapping[str, Any]) -> set[str]:
    return {given["field_name"]}


#: What a step looks at beside what its result passes on; one that is not here may look at everything.
_READS: dict[str, Callable[[Mapping[str, Any]], set[str] | None]] = {
    "field_addition": _addition,
    "field_calculation": _calculation,
    "field_lookup": _own_key,
    "field_mapping": _mapping,
    "field_masking": _field,
    "field_operation": _field,
    "field_removal": lambda given: _listed(given["field_names"]),
    "field_validation": _field,
    "platform_identification": _platforms,
    "record_deduplication": lambda given: _listed(given["key_fields"], given.get("time_field")),
    "record_filter": lambda given: _of_expression(given["condition"]),
    "record_join": _own_key,
}
