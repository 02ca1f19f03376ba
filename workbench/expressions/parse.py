"""From text to a tree.

::

    condition  = either [ "FOR" duration ]
    either     = both { ("OR" | "||") both }
    both       = no { ("AND" | "&&") no }
    no         = ("NOT" | "!") no | compared
    compared   = sum [ ("=" | "==" | "!=" | "<>" | "<" | "<=" | ">" | ">=") sum | ["NOT"] "IN" "(" sum { "," sum } ")" ]
    sum        = product { ("+" | "-") product }
    product    = signed { ("*" | "/" | "%") signed }
    signed     = "-" signed | power
    power      = atom [ "^" signed ]
    atom       = number | duration | text | "true" | "false" | "null" | name { "." name } | function "(" … ")" | "(" condition ")"

A duration is ISO 8601 in capitals, of weeks, days, hours, minutes and seconds: ``PT10M``, ``P30D``; so no field can be
called that. Words are read in any case; ``^`` binds before a sign, as in mathematics: ``-2^2`` is -4.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NoReturn

from workbench.expressions.nodes import (
    COMPARISONS,
    Among,
    Binary,
    Call,
    Default,
    Holds,
    Length,
    Missing,
    Name,
    Negative,
    Node,
    Not,
    Now,
    Number,
    Text,
    Truth,
    too_large,
)
from workbench.model.errors import InputError, did_you_mean
from workbench.model.time import parse_duration

#: Limits of what is read at all.
MOST_CHARACTERS, MOST_PARTS, MOST_DEPTH = 4_000, 400, 40
#: Of its tree once all is spelled out: nodes, and how high they stand on each other.
MOST_NODES, MOST_HEIGHT = 2_000, 100
#: Functions, with how few and how many values each takes.
FUNCTIONS: dict[str, tuple[int, int]] = {
    "ABS": (1, 1),
    "ALL": (1, 64),
    "ANY": (1, 64),
    "COALESCE": (1, 64),
    "IF": (2, 3),
    "MAX": (1, 64),
    "MIN": (1, 64),
    "NOW": (0, 0),
    "ROUND": (1, 2),
    "SQRT": (1, 1),
    "TODAY": (0, 0),
}
WORDS = {"AND", "OR", "NOT", "IN", "FOR", "DEFAULT", "TRUE", "FALSE", "NULL"}
#: A field; a dot stands between the parts of a path.
NAME = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
DURATION = r"P(?=\d|T\d)(?:\d+[YMWD])*(?:T(?:\d+(?:\.\d+)?[HMS])+)?(?![\w.])"
_TOKEN = re.compile(
    r"(?P<blank>\s+)"
    r"|(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))"
    r"|(?P<text>'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\")"
    rf"|(?P<duration>{DURATION})"
    rf"|(?P<name>{NAME})"
    r"|(?P<sign>==|!=|<>|<=|>=|&&|\|\||[-+*/%^=<>(),!])"
)
_DURATIONS = "an ISO 8601 duration such as PT10M, PT6H or P3D"
_SAME = {"==": "=", "<>": "!=", "&&": "AND", "||": "OR", "!": "NOT"}


class ExpressionError(InputError):
    """An expression that is wrong, with a caret under the place."""


def wrong(
    text: str, span: tuple[int, int], message: str, *, expected: str | None = None, hint: str | None = None
) -> ExpressionError:
    """The error at ``span`` of ``text``."""
    first, last = span
    low = max(0, first - 60)  # of a long expression, what is around the place
    shown = text[low : max(last, low) + 60].replace("\n", " ").replace("\t", " ")
    caret = " " * (first - low) + "^" * max(1, min(last - first, 60))
    return ExpressionError(message, found=f"{shown}\n            {caret}", expected=expected, hint=hint)


def parse(text: str) -> Node:
    """The tree of ``text``.

    Raises
    ------
    ExpressionError
        It does not read as an expression, or is longer or deeper than the limits.
    """
    if len(text) > MOST_CHARACTERS:
        raise ExpressionError(
            "the expression is too long", found=f"{len(text)} characters", expected=f"at most {MOST_CHARACTERS}"
        )
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = self._tokens()
        self.at = 0
        self.depth = 0

    def _tokens(self) -> list[tuple[str, str, int, int]]:
        found, at = [], 0
        while at < len(self.text):
            match = _TOKEN.match(self.text, at)
            if match is None:
                char = self.text[at]
                message = "a text does not end" if char in "'\"" else f"{char!r} has no meaning here"
                if char.isdigit():
                    message = "not a number"
                raise wrong(self.text, (at, at + 1), message)
            kind, word = str(match.lastgroup), match.group()
            if kind == "name" and word.upper() in WORDS:
                kind, word = "word", word.upper()
            if kind != "blank":
                found.append((kind, _SAME.get(word, word), at, match.end()))
            at = match.end()
            if len(found) > MOST_PARTS:
                raise wrong(
                    self.text, (at - 1, at), "the expression has too many parts", expected=f"at most {MOST_PARTS}"
                )
        return found

    # -- looking ahead --------------------------------------------------------------------------------

    @property
    def now(self) -> tuple[str, str, int, int]:
        if self.at < len(self.tokens):
            return self.tokens[self.at]
        return "end", "", len(self.text), len(self.text) + 1

    def take(self, *words: str) -> str | None:
        """The next token where it is one of ``words``."""
        kind, word, _, _ = self.now
        if kind in ("sign", "word") and word in words:
            self.at += 1
            return word
        return None

    def fail(self, message: str, *, expected: str | None = None, hint: str | None = None) -> NoReturn:
        _, _, first, last = self.now
        raise wrong(self.text, (first, last), message, expected=expected, hint=hint)

    def span(self, first: int) -> tuple[int, int]:
        return first, self.tokens[self.at - 1][3] if self.at else first

    # -- grammar --------------------------------------------------------------------------------------

    def whole(self) -> Node:
        if not self.tokens:
            self.fail("the expression is empty")
        if self.take("DEFAULT"):
            node: Node = Default(span=self.span(0))
        else:
            node = self.condition()
        if self.now[0] != "end":
            hint = did_you_mean(self.now[1], ["AND", "OR", "FOR", "IN"]) if self.now[0] == "name" else None
            self.fail("the expression should end here", hint=hint)
        return self.small(node)

    def small(self, node: Node) -> Node:
        if too_large(node, MOST_NODES, MOST_HEIGHT):
            raise wrong(
                self.text,
                node.span,
                "the expression is too large once all is spelled out",
                expected=f"at most {MOST_NODES} values and operations, at most {MOST_HEIGHT} on each other",
            )
        return node

    def condition(self) -> Node:
        self.depth += 1
        if self.depth > MOST_DEPTH:
            self.fail("the expression is too deep", expected=f"at most {MOST_DEPTH} levels")
        first = self.now[2]
        node = self.chain(("OR",), lambda: self.chain(("AND",), self.no))
        if self.take("FOR"):
            if self.now[0] not in ("name", "duration"):
                self.fail("a duration is missing after FOR", expected=_DURATIONS)
            node = Holds(node, self.length(), span=self.span(first))
        self.depth -= 1
        return node

    def length(self) -> int:
        """The duration that stands here [ns]."""
        _, word, low, high = self.now
        try:
            length = parse_duration(word).ns
        except InputError as error:
            raise wrong(self.text, (low, high), "not a duration", expected=_DURATIONS, hint=error.hint) from error
        if length > 2**62:
            raise wrong(self.text, (low, high), "the duration is too long", expected="at most 146 years")
        self.at += 1
        return length

    def chain(self, ops: tuple[str, ...], inner: Callable[[], Node]) -> Node:
        first = self.now[2]
        node = inner()
        while op := self.take(*ops):
            node = Binary(op, node, inner(), span=self.span(first))
        return node

    def no(self) -> Node:
        first, count = self.now[2], 0
        while self.take("NOT"):
            count += 1
        node = self.compared()
        for _ in range(count):
            node = Not(node, span=self.span(first))
        return node

    def compared(self) -> Node:
        first = self.now[2]
        left = self.sum()
        if op := self.take(*COMPARISONS):
            right = self.sum()
            if self.now[1] in COMPARISONS:
                self.fail("comparisons do not follow each other", hint="write a < b AND b < c")
            return self.spread(op, left, right, self.span(first))
        negated = self.now[1] == "NOT" and self.at + 1 < len(self.tokens) and self.tokens[self.at + 1][1] == "IN"
        if negated:
            self.at += 1
        if self.take("IN"):
            if not self.take("("):
                self.fail("a list in parentheses is missing after IN")
            values = tuple(self.list_of(self.sum))
            node: Node = Among(left, values, span=self.span(first))
            return Not(node, span=self.span(first)) if negated else node
        return left

    def spread(self, op: str, left: Node, right: Node, span: tuple[int, int]) -> Node:
        """``ANY(a, b) > 0.8`` is ``a > 0.8 OR b > 0.8``; ALL likewise with AND."""
        for side, other in ((left, right), (right, left)):
            if isinstance(side, _Several):
                if isinstance(other, _Several):
                    raise wrong(self.text, span, f"{side.word} stands on one side of a comparison only")
                parts = [
                    Binary(op, each, right, span=span) if side is left else Binary(op, left, each, span=span)
                    for each in side.args
                ]
                return self.small(_joined("OR" if side.word == "ANY" else "AND", parts, span))
        return Binary(op, left, right, span=span)

    def sum(self) -> Node:
        return self.chain(("+", "-"), lambda: self.chain(("*", "/", "%"), self.signed))

    def signed(self) -> Node:
        first, count = self.now[2], 0
        while self.take("-"):
            count += 1
        node = self.power()
        for _ in range(count):
            node = Negative(node, span=self.span(first))
        return node

    def power(self) -> Node:
        first = self.now[2]
        node = self.atom()
        if self.take("^"):
            self.depth += 1
            if self.depth > MOST_DEPTH:
                self.fail("the expression is too deep", expected=f"at most {MOST_DEPTH} levels")
            node = Binary("^", node, self.signed(), span=self.span(first))
            self.depth -= 1
        return node

    def atom(self) -> Node:
        kind, word, first, last = self.now
        if kind == "sign" and word == "(":
            self.at += 1
            node = self.condition()
            if not self.take(")"):
                self.fail("a closing parenthesis is missing")
            return node
        if kind == "duration":
            return Length(self.length(), span=(first, last))
        self.at += 1
        if kind == "number":
            return Number(float(word), span=(first, last))
        if kind == "text":
            inner = re.sub(r"\\(.)", lambda match: "\n" if match[1] == "n" else match[1], word[1:-1])
            return Text(inner, span=(first, last))
        if kind == "word" and word in ("TRUE", "FALSE"):
            return Truth(word == "TRUE", span=(first, last))
        if kind == "word" and word == "NULL":
            return Missing(span=(first, last))
        if kind == "name":
            return self.call(word, first, last) if self.now[1] == "(" else Name(word, span=(first, last))
        self.at -= 1
        return self.fail("a value is missing" if kind == "end" else "a value should stand here")

    def call(self, word: str, first: int, last: int) -> Node:
        name = word.upper()
        if name not in FUNCTIONS:
            raise wrong(
                self.text,
                (first, last),
                "no such function",
                expected="one of " + ", ".join(FUNCTIONS),
                hint=did_you_mean(name, FUNCTIONS),
            )
        self.at += 1
        args = tuple(self.list_of(self.condition)) if self.now[1] != ")" else ()
        if not args:
            self.at += 1
        span = self.span(first)
        least, most = FUNCTIONS[name]
        if not least <= len(args) <= most:
            takes = str(least) if least == most else f"{least} to {most}"
            raise wrong(self.text, span, f"{name} takes {takes} values", expected=takes)
        if name in ("ANY", "ALL"):
            return _Several(name, args, span=span)
        if name in ("NOW", "TODAY"):
            return Now(name == "TODAY", span=span)
        return Call(name, args, span=span)  # type: ignore[arg-type]

    def list_of(self, inner: Callable[[], Node]) -> list[Node]:
        found = [inner()]
        while self.take(","):
            found.append(inner())
        if not self.take(")"):
            self.fail("a comma or a closing parenthesis is missing")
        return found


class _Several(Node):
    """``ANY(…)`` or ``ALL(…)``, until it is known whether it is compared."""

    def __init__(self, word: str, args: tuple[Node, ...], *, span: tuple[int, int]) -> None:
        object.__setattr__(self, "span", span)
        object.__setattr__(self, "word", word)
        object.__setattr__(self, "args", args)

    word: str
    args: tuple[Node, ...]


def _joined(op: str, parts: Sequence[Node], span: tuple[int, int]) -> Node:
    node = parts[0]
    for each in parts[1:]:
        node = Binary(op, node, each, span=span)
    return node


def spelled_out(node: Node) -> Node:
    """``node`` with each ``ANY`` and ``ALL`` that is not compared joined by OR or AND."""
    import dataclasses

    if isinstance(node, _Several):
        return _joined("OR" if node.word == "ANY" else "AND", [spelled_out(each) for each in node.args], node.span)
    if isinstance(node, Negative | Not | Holds):
        return dataclasses.replace(node, of=spelled_out(node.of))
    if isinstance(node, Binary):
        return dataclasses.replace(node, left=spelled_out(node.left), right=spelled_out(node.right))
    if isinstance(node, Among):
        return dataclasses.replace(
            node, of=spelled_out(node.of), values=tuple(spelled_out(each) for each in node.values)
        )
    if isinstance(node, Call):
        return dataclasses.replace(node, args=tuple(spelled_out(each) for each in node.args))
    return node
