"""The tree of an expression. Nodes are values: equal where they say the same, wherever they stood."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Span = tuple[int, int]  #: first character and the one behind the last

COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")
ARITHMETIC = ("+", "-", "*", "/", "%", "^")


@dataclass(frozen=True)
class Node:
    """A part of an expression."""

    span: Span = field(default=(0, 0), compare=False, kw_only=True)


@dataclass(frozen=True)
class Number(Node):
    """A number."""

    value: float


@dataclass(frozen=True)
class Text(Node):
    """A text."""

    value: str


@dataclass(frozen=True)
class Truth(Node):
    """``true`` or ``false``."""

    value: bool


@dataclass(frozen=True)
class Missing(Node):
    """``null``: a value that is not there."""


@dataclass(frozen=True)
class Moment(Node):
    """A time [ns since 1970 UTC]; ``day`` where it is a whole day."""

    value: int
    day: bool = False


@dataclass(frozen=True)
class Length(Node):
    """A duration, such as ``PT10M`` [ns]: a number of seconds."""

    value: int


@dataclass(frozen=True)
class Now(Node):
    """``now()``, or ``today()`` where ``day``."""

    day: bool = False


@dataclass(frozen=True)
class Name(Node):
    """A field of the data."""

    name: str


@dataclass(frozen=True)
class Negative(Node):
    """``-x``."""

    of: Node


@dataclass(frozen=True)
class Not(Node):
    """``NOT x``."""

    of: Node


@dataclass(frozen=True)
class Binary(Node):
    """Arithmetic, a comparison, or ``AND`` and ``OR``."""

    op: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Among(Node):
    """``x IN (…)``."""

    of: Node
    values: tuple[Node, ...]


@dataclass(frozen=True)
class Call(Node):
    """``ABS MIN MAX SQRT ROUND IF COALESCE``; ``ANY`` and ``ALL`` are spelled out when they are read."""

    name: Literal["ABS", "MIN", "MAX", "SQRT", "ROUND", "IF", "COALESCE"]
    args: tuple[Node, ...]


@dataclass(frozen=True)
class Holds(Node):
    """``x FOR P3D``; ``length`` [ns]."""

    of: Node
    length: int


@dataclass(frozen=True)
class Scaled(Node):
    """A number in another unit: ``x * factor + offset``. Put in by the check of units."""

    of: Node
    factor: float
    offset: float = 0.0


@dataclass(frozen=True)
class AsTime(Node):
    """What is a text, or of a kind nobody knows, as a time. Put in by the check of kinds."""

    of: Node


@dataclass(frozen=True)
class Default(Node):
    """``DEFAULT``: what holds where nothing before it did."""


def children(node: Node) -> tuple[Node, ...]:
    """The nodes below a node."""
    if isinstance(node, Negative | Not | Holds | Scaled | AsTime):
        return (node.of,)
    if isinstance(node, Binary):
        return (node.left, node.right)
    if isinstance(node, Among):
        return (node.of, *node.values)
    return node.args if isinstance(node, Call) else ()


def whole_day(node: Node) -> bool:
    """Whether a time is a day as a whole: ``today()``, ``'2025-01-31'``, and either some whole days away."""
    if isinstance(node, Binary) and node.op in ("+", "-"):
        one, other = node.left, node.right
        if isinstance(one, Length):
            one, other = other, one
        return isinstance(other, Length) and other.value % (86_400 * 10**9) == 0 and whole_day(one)
    return isinstance(node, Moment | Now) and node.day


def too_large(node: Node, most: int, highest: int) -> bool:
    """Whether a tree has more nodes than ``most`` once all is spelled out, or is higher than ``highest``.

    The condition of an ``IF`` counts twice, as what is true there and what is false; what is looked for in a list,
    once for each value.
    """
    todo, count = [(node, 1)], 0
    while todo:
        each, height = todo.pop()
        count += 1
        if count > most or height > highest:
            return True
        below = getattr(each, "args", None) or children(each)
        if isinstance(each, Call) and each.name == "IF":
            below = (*below, each.args[0])
        if isinstance(each, Among):
            below = (*below, *[each.of] * (len(each.values) - 1))
        todo.extend((inner, height + 1) for inner in below)
    return False


def names(node: Node) -> tuple[str, ...]:
    """Fields an expression asks for, in order, each once."""
    found = {node.name: None} if isinstance(node, Name) else {}
    for each in children(node):
        found |= dict.fromkeys(names(each))
    return tuple(found)
