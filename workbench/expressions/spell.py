"""From a tree, or from an object of JSON, back to text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from workbench.expressions.nodes import (
    COMPARISONS,
    Among,
    AsTime,
    Binary,
    Call,
    Default,
    Holds,
    Length,
    Missing,
    Moment,
    Name,
    Negative,
    Node,
    Not,
    Now,
    Number,
    Scaled,
    Text,
    Truth,
)
from workbench.expressions.parse import DURATION, NAME, WORDS, parse, spelled_out
from workbench.expressions.times import DAY
from workbench.model.errors import InputError, did_you_mean
from workbench.model.time import Duration, parse_duration

_BINDING = {
    "FOR": 0,
    "OR": 1,
    "AND": 2,
    "NOT": 3,
    "compare": 4,
    "+": 5,
    "-": 5,
    "*": 6,
    "/": 6,
    "%": 6,
    "sign": 7,
    "^": 8,
}
#: Operators of the object form, by what they are called.
_OPERATORS = {
    "=": "=", "==": "=", "eq": "=", "equals": "=", "!=": "!=", "<>": "!=", "ne": "!=", "not_equals": "!=",
    "<": "<", "lt": "<", "less_than": "<", "<=": "<=", "lte": "<=", ">": ">", "gt": ">", "greater_than": ">",
    ">=": ">=", "gte": ">=", "in": "IN", "not_in": "NOT IN", "within_date_range": "within_date_range",
}  # fmt: skip


def spell(node: Node, above: int = 0) -> str:
    """The text of a tree, with the parentheses it needs in a place that binds as strong as ``above``."""
    if isinstance(node, Number):
        if abs(node.value) == float("inf"):
            return "1e999"
        return repr(node.value) if node.value != int(node.value) or abs(node.value) > 1e15 else f"{node.value:.0f}"
    if isinstance(node, Text):
        return quoted(node.value)
    if isinstance(node, Truth):
        return "true" if node.value else "false"
    if isinstance(node, Missing):
        return "null"
    if isinstance(node, Default):
        return "DEFAULT"
    if isinstance(node, Now):
        return "today()" if node.day else "now()"
    if isinstance(node, Moment):
        import numpy as np

        when = np.datetime64(node.value, "ns")
        return quoted(str(when.astype("datetime64[D]")) if node.day else f"{when}Z")
    if isinstance(node, Name):
        return node.name
    if isinstance(node, Call):
        return f"{node.name}({', '.join(spell(each) for each in node.args)})"
    if isinstance(node, Length):
        return _duration(node.value)
    if isinstance(node, Scaled | AsTime):
        return spell(node.of, above)
    if isinstance(node, Negative):
        return _wrapped(f"-{spell(node.of, _BINDING['sign'])}", _BINDING["sign"], above)
    if isinstance(node, Not):
        return _wrapped(f"NOT {spell(node.of, _BINDING['NOT'])}", _BINDING["NOT"], above)
    if isinstance(node, Holds):
        return _wrapped(f"{spell(node.of, 1)} FOR {_duration(node.length)}", _BINDING["FOR"], above)
    if isinstance(node, Among):
        values = ", ".join(spell(each, _BINDING["+"]) for each in node.values)
        return _wrapped(f"{spell(node.of, _BINDING['+'])} IN ({values})", _BINDING["compare"], above)
    if isinstance(node, Binary):
        own = _BINDING["compare"] if node.op in COMPARISONS else _BINDING[node.op]
        # From left to right; what compares does not chain, and ^ binds to the right, before a sign there.
        left = own + (node.op in COMPARISONS or node.op == "^")
        right = _BINDING["sign"] if node.op == "^" else own + 1
        return _wrapped(f"{spell(node.left, left)} {node.op} {spell(node.right, right)}", own, above)
    raise TypeError(type(node).__name__)


def _duration(ns: int) -> str:
    return str(Duration(0, *divmod(ns, DAY)))


def _wrapped(text: str, own: int, above: int) -> str:
    return f"({text})" if own < above else text


def quoted(text: str) -> str:
    """A text as an expression has it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


def from_object(content: Any, where: str = "", depth: int = 0) -> str:
    """The text of a condition that is written as an object.

    ``{and: […]}``, ``{or: […]}``, ``{not: …}``, ``{field, operator, value | values | parameters}``; a text in
    it is an expression, a number or truth stands for itself.

    Raises
    ------
    InputError
        It is none of these; names the place.
    """

    def wrong(message: str, **more: Any) -> InputError:
        return InputError(message, where=where or None, **more)

    if depth > 20:
        raise wrong("the condition is nested too deep", expected="at most 20 levels")
    if isinstance(content, bool):
        return "true" if content else "false"
    if isinstance(content, (int, float)):
        return _value(content, wrong)
    if isinstance(content, str):
        if depth == 0:
            return content
        # Read by itself, so that no parenthesis of it closes one of ours.
        return f"({spell(spelled_out(parse(content)))})"
    if not isinstance(content, Mapping):
        raise wrong(
            "not a condition", found=type(content).__name__, expected="a text, {and}, {or}, {not} or {field, operator}"
        )
    for word in ("and", "or"):
        if word in content:
            _only(content, {word}, wrong)
            parts = content[word]
            if not isinstance(parts, list) or not parts:
                raise wrong(f"{word} takes a list of conditions", found=parts)
            inner = [from_object(each, f"{where}.{word}[{at}]".lstrip("."), depth + 1) for at, each in enumerate(parts)]
            return f" {word.upper()} ".join(f"({each})" for each in inner)
    if "not" in content:
        _only(content, {"not"}, wrong)
        return f"NOT ({from_object(content['not'], f'{where}.not'.lstrip('.'), depth + 1)})"
    _only(content, {"field", "operator", "value", "values", "parameters", "duration"}, wrong)
    return _compared(content, wrong)


def _only(content: Mapping[str, Any], allowed: set[str], wrong: Any) -> None:
    for key in content:
        if key not in allowed:
            raise wrong(
                f"unknown key {key!r}",
                expected="one of " + ", ".join(sorted(allowed)),
                hint=did_you_mean(str(key), {*allowed, "and", "or", "not"}),
            )


def _compared(content: Mapping[str, Any], wrong: Any) -> str:
    name, called = content.get("field"), str(content.get("operator", "")).lower()
    if not isinstance(name, str) or not name:
        raise wrong("the field is missing", found=name, expected="field, operator, value")
    if not re.fullmatch(NAME, name) or name.upper() in WORDS or re.fullmatch(DURATION, name):
        raise wrong(
            "not the name of a field", found=name, expected="letters, digits and _, with dots between the parts"
        )
    if called not in _OPERATORS:
        raise wrong(
            "no such operator",
            found=content.get("operator"),
            expected="one of " + ", ".join(_OPERATORS),
            hint=did_you_mean(called, _OPERATORS),
        )
    operator = _OPERATORS[called]
    if operator == "within_date_range":
        return _range(name, content.get("parameters") or {}, wrong)
    if operator.endswith("IN"):
        values = content.get("values", content.get("value"))
        if not isinstance(values, list) or not values:
            raise wrong("a list of values is missing", found=values, expected="values: [...]")
        return f"{name} {operator} ({', '.join(_value(each, wrong) for each in values)})"
    if "value" not in content:
        raise wrong("the value is missing", expected="value")
    text = f"{name} {operator} {_value(content['value'], wrong)}"
    if not content.get("duration"):
        return text
    try:
        return f"{text} FOR {_duration(parse_duration(str(content['duration'])).ns)}"
    except InputError as error:
        raise wrong("not a duration", found=content["duration"], expected="such as PT6H or P3D") from error


def _value(value: Any, wrong: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        try:
            number = float(value)
        except OverflowError:
            number = float("nan")
        if number != number or abs(number) == float("inf"):
            raise wrong("not a number", found=value)
        return spell(Number(number)) if number >= 0 else spell(Negative(Number(-number)))
    if isinstance(value, str):
        return quoted(value)
    raise wrong("a value is a text, a number or true or false", found=value)


def _range(name: str, parameters: Mapping[str, Any], wrong: Any) -> str:
    import numpy as np

    parts = []
    for key in parameters:
        if key not in ("start_date", "end_date"):
            raise wrong(f"unknown key {key!r}", expected="start_date, end_date")
    for key, sign in (("start_date", ">="), ("end_date", "<")):
        if key not in parameters:
            continue
        try:
            day = np.datetime64(str(parameters[key]), "D")
        except ValueError:
            raise wrong(f"{key} is not a date", found=parameters[key], expected="such as 2025-01-31") from None
        # The last day counts whole.
        parts.append(f"{name} {sign} {quoted(str(day + (key == 'end_date')))}")
    if not parts:
        raise wrong("a date range has a start_date, an end_date or both")
    return " AND ".join(parts)
