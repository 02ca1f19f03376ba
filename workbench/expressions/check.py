"""Kinds and units: what an expression gives, and that nothing in it is compared or added that cannot be."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal

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
from workbench.expressions.parse import ExpressionError, wrong
from workbench.expressions.times import read_time
from workbench.model.errors import InputError, did_you_mean
from workbench.model.units import check_unit, combined, line, raised, same_dimension

What = Literal["number", "text", "truth", "time", "any"]
_WORDS: dict[What, str] = {
    "number": "a number",
    "text": "a text",
    "truth": "a condition",
    "time": "a time",
    "any": "a value",
}


@dataclasses.dataclass(frozen=True)
class Kind:
    """What a part of an expression gives; ``unit`` of a number, empty where it is not known."""

    what: What = "any"
    unit: str = ""

    def __str__(self) -> str:
        return _WORDS[self.what] + (f" [{self.unit}]" if self.unit else "")


_ANY, _TRUTH, _NUMBER, _TIME = Kind(), Kind("truth"), Kind("number"), Kind("time")
_SECONDS = Kind("number", "s")


class Checker:
    """Checks the tree of one text.

    Parameters
    ----------
    text
        What was parsed, for messages.
    known
        Kinds of fields; None where any name may be meant.
    """

    def __init__(self, text: str, known: Mapping[str, Kind] | None) -> None:
        self.text, self.known = text, known
        # By identity: what is asked for again, and what was checked, is not worked out again, however deep.
        self._done: dict[int, tuple[Node, tuple[Node, Kind]]] = {}

    def wrong(
        self, node: Node, message: str, *, expected: str | None = None, hint: str | None = None
    ) -> ExpressionError:
        """The error at a node."""
        return wrong(self.text, node.span, message, expected=expected, hint=hint)

    def check(self, node: Node) -> tuple[Node, Kind]:
        """The node with conversions of units put in, and what it gives.

        Raises
        ------
        ExpressionError
            A field is not known; kinds or units do not go together.
        """
        if id(node) not in self._done:
            found = self._checked(node)
            self._done[id(node)] = node, found
            self._done[id(found[0])] = found[0], found
        return self._done[id(node)][1]

    def _checked(self, node: Node) -> tuple[Node, Kind]:
        if isinstance(node, Number):
            return node, _NUMBER
        if isinstance(node, Text):
            return node, Kind("text")
        if isinstance(node, Truth | Default):
            return node, _TRUTH
        if isinstance(node, Moment | Now | AsTime):
            return node, _TIME
        if isinstance(node, Length):
            return node, _SECONDS
        if isinstance(node, Scaled):
            return node, _NUMBER  # in the unit of what stands beside it, once that was checked
        if isinstance(node, Missing):
            return node, _ANY
        if isinstance(node, Name):
            return node, self._name(node)
        if isinstance(node, Negative):
            of, kind = self._number(node.of)
            return dataclasses.replace(node, of=of), kind
        if isinstance(node, Not | Holds):
            return dataclasses.replace(node, of=self._condition(node.of)), _TRUTH
        if isinstance(node, Among):
            return self._among(node)
        if isinstance(node, Call):
            return self._call(node)
        if isinstance(node, Binary):
            if node.op in ("AND", "OR"):
                return dataclasses.replace(
                    node, left=self._condition(node.left), right=self._condition(node.right)
                ), _TRUTH
            return self._comparison(node) if node.op in COMPARISONS else self._arithmetic(node)
        raise TypeError(type(node).__name__)

    def _name(self, node: Name) -> Kind:
        if self.known is None:
            return _ANY
        if node.name not in self.known:
            raise self.wrong(node, "no such field", hint=did_you_mean(node.name, self.known))
        return self.known[node.name]

    def _condition(self, node: Node) -> Node:
        checked, kind = self.check(node)
        if kind.what not in ("truth", "any") and not _is_flag(checked, kind):
            raise self.wrong(node, f"{kind} stands where a condition should", hint="compare it: x > 0")
        return checked

    def _number(self, node: Node) -> tuple[Node, Kind]:
        checked, kind = self.check(node)
        if kind.what not in ("number", "any"):
            raise self.wrong(node, f"{kind} stands where a number should")
        return checked, kind if kind.what == "number" else _NUMBER

    def _comparison(self, node: Binary) -> tuple[Node, Kind]:
        (left, a), (right, b) = self.check(node.left), self.check(node.right)
        if "time" in (a.what, b.what):
            (left, a), (right, b) = self._as_time(left, a), self._as_time(right, b)
        flags = "truth" in (a.what, b.what) and (_is_flag(left, a) or _is_flag(right, b))
        if "any" not in (a.what, b.what) and a.what != b.what and not flags:
            raise self.wrong(node, f"{a} is compared with {b}")
        if "truth" in (a.what, b.what) and node.op not in ("=", "!="):
            raise self.wrong(node, "conditions are equal or not; neither is less")
        if a.what == b.what == "number":
            left, right, _ = self._agree(node, left, a, right, b, "compared with")
        return dataclasses.replace(node, left=left, right=right), _TRUTH

    def _as_time(self, node: Node, kind: Kind) -> tuple[Node, Kind]:
        """What stands beside a time, as one: a text, and what nobody knows the kind of; all else as it is."""
        if isinstance(node, Text):
            when = read_time(node.value)
            if when is None:
                raise self.wrong(node, "not a time", expected="such as 2025-01-31 or 2025-01-31T12:00:00Z")
            return Moment(when, day=len(node.value) == 10, span=node.span), _TIME
        if kind.what not in ("text", "any") or isinstance(node, Missing):
            return node, kind
        return AsTime(node, span=node.span), _TIME

    def _among(self, node: Among) -> tuple[Node, Kind]:
        of, kind = self.check(node.of)
        if any(self.check(each)[1].what == "time" for each in node.values):
            of, _ = self._as_time(of, kind)
        values: list[Node] = []
        for each in node.values:
            one = self._comparison(Binary("=", of, each, span=each.span))[0]
            values.append(one.right if isinstance(one, Binary) else one)
        return dataclasses.replace(node, of=of, values=tuple(values)), _TRUTH

    def _arithmetic(self, node: Binary) -> tuple[Node, Kind]:
        if node.op in ("+", "-"):
            found = self._of_times(node)
            if found is not None:
                return found
        (left, a), (right, b) = self._number(node.left), self._number(node.right)
        made = dataclasses.replace(node, left=left, right=right)
        if node.op in ("+", "-", "%"):
            words = {"+": "added to", "-": "taken from", "%": "divided by"}[node.op]
            left, right, unit = self._agree(node, left, a, right, b, words)
            if node.op == "-" and a.unit and b.unit and unit in ("degC", "degF"):
                unit = "K" if unit == "degC" else "delta_degF"  # a difference of temperatures is none
            return dataclasses.replace(node, left=left, right=right), Kind("number", unit)
        if node.op == "^":
            exponent = right.value if isinstance(right, Number) else None
            if b.unit not in ("", "1"):
                raise self.wrong(node.right, f"an exponent has no unit, this is {b}")
            if a.unit and exponent is not None:
                return made, Kind("number", raised(a.unit, exponent))
            return made, _NUMBER
        if node.op == "/" and a.unit and b.unit and a.unit != b.unit and same_dimension(a.unit, b.unit):
            # kW by MW is a share, and stands beside plain numbers: 0.5, not 500 kW/MW.
            left, right, _ = self._agree(node, left, a, right, b, "divided by")
            return dataclasses.replace(node, left=left, right=right), Kind("number", "1")
        if a.unit and b.unit:
            return made, Kind("number", combined(a.unit, b.unit, node.op))
        if a.unit and isinstance(right, Number):
            return made, a
        if b.unit and isinstance(left, Number) and node.op == "*":
            return made, b
        return made, _NUMBER  # a field whose unit nobody knows

    def _of_times(self, node: Binary) -> tuple[Node, Kind] | None:
        """A time and a duration later or earlier, or what lies between two times; None where neither side is one."""
        (left, a), (right, b) = self.check(node.left), self.check(node.right)
        # A text is a time where it stands beside a time or a duration: it can be nothing else there.
        if a.what == "time" or _is_duration(a):
            right, b = self._as_time(right, b) if b.what == "text" else (right, b)
        if b.what == "time" or _is_duration(b):
            left, a = self._as_time(left, a) if a.what == "text" else (left, a)
        if "time" not in (a.what, b.what):
            return None
        if node.op == "-":
            left, a = self._as_time(left, a)  # nothing else can have a time taken from it
            right, b = self._as_time(right, b)  # of a kind nobody knows: what time has passed is the usual question
            if a.what == b.what == "time":
                return dataclasses.replace(node, left=left, right=right), _SECONDS
            if a.what != "time" and not isinstance(left, Missing):
                raise self.wrong(node, f"a time is taken from {a}", hint="write time - duration, or time - time")
        elif a.what == b.what:
            raise self.wrong(node, "a time is added to a time", hint="time - time is a duration")
        if a.what == "time":
            right = self._duration(right, b)
        else:
            left = self._duration(left, a)
        return dataclasses.replace(node, left=left, right=right), _TIME

    def _duration(self, node: Node, kind: Kind) -> Node:
        """What is added to a time, in seconds."""
        if isinstance(node, Missing):
            return node
        if not _is_duration(kind):
            raise self.wrong(
                node,
                f"{kind} stands where a duration should",
                expected="such as PT10M, or a number with a unit of time",
            )
        return self._agree(node, node, _SECONDS, node, kind, "added to")[1]

    def _agree(self, at: Node, left: Node, a: Kind, right: Node, b: Kind, words: str) -> tuple[Node, Node, str]:
        """Both sides in one unit: that of the left; a number without a unit takes the other's."""
        if not a.unit or not b.unit or a.unit == b.unit:
            return left, right, a.unit or b.unit
        if not same_dimension(a.unit, b.unit):
            raise self.wrong(at, f"[{b.unit}] is {words} [{a.unit}]", expected=f"units of one kind, as [{a.unit}] is")
        factor, offset = line(b.unit, a.unit)
        if (factor, offset) != (1.0, 0.0):
            right = Scaled(right, factor, offset, span=right.span)
        return left, right, a.unit

    def _call(self, node: Call) -> tuple[Node, Kind]:
        if node.name == "IF":
            condition = self._condition(node.args[0])
            rest, kind = self._same(node, node.args[1:])
            return dataclasses.replace(node, args=(condition, *rest)), kind
        if node.name == "COALESCE":
            rest, kind = self._same(node, node.args)
            return dataclasses.replace(node, args=tuple(rest)), kind
        found = [self._number(each) for each in node.args]
        args = [each for each, _ in found]
        first = found[0][1]
        if node.name in ("MIN", "MAX"):
            rest, kind = self._same(node, node.args)
            return dataclasses.replace(node, args=tuple(rest)), kind if kind.what == "number" else _NUMBER
        if node.name == "ROUND" and len(args) == 2:
            digits = args[1].value if isinstance(args[1], Number) else -1.0
            if digits not in range(16):
                raise self.wrong(node.args[1], "the number of digits is a plain number", expected="0 to 15")
        if node.name == "SQRT" and first.unit:
            first = Kind("number", raised(first.unit, 0.5))
        return dataclasses.replace(node, args=tuple(args)), first

    def _same(self, at: Node, args: Sequence[Node]) -> tuple[list[Node], Kind]:
        """Values of one kind and unit."""
        found = [self.check(each) for each in args]
        if any(kind.what == "time" for _, kind in found):
            found = [self._as_time(each, kind) for each, kind in found]
        kinds = {kind.what for _, kind in found} - {"any"}
        if len(kinds) > 1:
            one, other = sorted(_WORDS[what] for what in kinds)[:2]
            raise self.wrong(at, f"{one} and {other} stand for each other")
        what: What = next(iter(kinds), "any")
        made, unit = [], ""
        base = next(((node, kind) for node, kind in found if kind.unit), None)
        for node, kind in found:
            checked = node
            if base is not None and kind.unit:
                _, checked, unit = self._agree(at, base[0], base[1], node, kind, "beside")
            made.append(checked)
        return made, Kind(what, unit)


def _is_flag(node: Node, kind: Kind) -> bool:
    """Whether a number may stand as a condition, 0 for false: telemetry has no truth that may be missing."""
    return isinstance(node, Name) and kind.what == "number" and not kind.unit


def _is_duration(kind: Kind) -> bool:
    return kind.what == "number" and bool(kind.unit) and same_dimension(kind.unit, "s")


def kinds_of(fields: Mapping[str, str | Kind | None]) -> dict[str, Kind]:
    """Kinds from what is known of fields: a unit, the word ``text``, ``truth`` or ``time``, or nothing.

    Raises
    ------
    InputError
        A unit is none.
    """
    found: dict[str, Kind] = {}
    for name, given in fields.items():
        if isinstance(given, Kind):
            found[name] = given
        elif given is None:
            found[name] = _ANY
        elif given in ("text", "truth", "time", "number"):
            found[name] = Kind(given)  # type: ignore[arg-type]
        else:
            try:
                found[name] = Kind("number", check_unit(given))
            except InputError as error:
                raise error.at(where=name) from error
    return found
