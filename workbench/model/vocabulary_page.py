"""The page of the docs that shows the vocabulary, and the tables of the command line."""

from __future__ import annotations

from collections.abc import Iterable

from workbench.model.vocabulary import Term, Vocabulary

#: Topics in the order a reader expects them; others follow.
ORDER = ("wind", "weather", "solar", "storage", "grid", "market")

_INTRODUCTION = """\
# Vocabulary

<!-- Generated from workbench/model/terms/*.yaml by: workbench vocabulary page --out docs/vocabulary.md -->

The names that variables have everywhere: in the store, in catalogs and tag maps, in expressions, on pages and in
reports. A name has one unit and one list of states, whatever kind of asset has it; description, range and IEC name may
differ by kind of asset, and are then given for each.

- **Unit**: of every stored value. Sources convert to it; `1` is a plain number. Reactive power is in kvar.
- **Range**: what is plausible for any such asset. A value outside is kept and flagged `range`, never dropped.
- **CF**: the [CF standard name](https://cfconventions.org/standard-names.html). **IEC**: logical node and data name of
  IEC 61400-25-2; nodes that do not begin with W are those of IEC 61850-7-4, on which it builds.
- **Kind**: *angle* wraps, its statistics are circular; *counter* only rises, or is set back; *status* is a code with
  named states; *setpoint* is what was asked for, not what was measured.
- Variables are kept in 32-bit floats but for those marked *64 bit*.
"""


def page(words: Vocabulary) -> str:
    """The vocabulary as a page of Markdown."""
    topics = sorted(words.topics.values(), key=lambda topic: (_rank(topic.name), topic.name))
    parts = [_INTRODUCTION, _contents(words)]
    for topic in topics:
        terms = [term for term in words.values() if term.topic == topic.name]
        parts.append(f"## {topic.title}\n\n{topic.about}\n\n{table(terms)}\n")
        states = [term for term in terms if term.states]
        if states:
            parts.append("States, with the codes they are kept as:\n\n" + "\n".join(map(_states, states)) + "\n")
    parts.append(_structure(words))
    return "\n".join(parts)


def table(terms: Iterable[Term]) -> str:
    """Terms as a table of Markdown."""
    rows = ["| name | unit | kind | meaning | range | CF | IEC | assets |", "|---|---|---|---|---|---|---|---|"]
    for term in terms:
        kind = ("" if term.kind == "measurement" else term.kind) + (", 64 bit" if term.dtype == "f8" else "")
        cells = (
            f"`{term.name}`",
            "" if term.kind == "status" else term.units,
            kind.removeprefix(", "),
            _meaning(term),
            _range(term),
            _code(term.standard_name),
            _code(term.iec61400_25) + _others(term),
            ", ".join(name.replace("_", " ") for name in term.asset_types),
        )
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def _rank(topic: str) -> int:
    return ORDER.index(topic) if topic in ORDER else len(ORDER)


def _contents(words: Vocabulary) -> str:
    return f"{len(words)} names in {len(words.topics)} topics.\n"


def _code(text: str | None) -> str:
    return f"`{text}`" if text else ""


def _meaning(term: Term) -> str:
    """Long name and description, and what differs by kind of asset."""
    name = term.long_name[:1].upper() + term.long_name[1:]
    text = f"{name}. {term.description}".strip()
    for kind, changes in term.per_type.items():
        said = changes.get("description") or changes.get("long_name")
        if said:
            text += f" *{kind.replace('_', ' ')}*: {said}"
    return text


def _range(term: Term) -> str:
    if term.states or term.valid_min is None or term.valid_max is None:
        return ""
    text = f"{_number(term.valid_min)} … {_number(term.valid_max)}"
    for kind, changes in term.per_type.items():
        if "valid_min" in changes:
            text += f"; *{kind.replace('_', ' ')}*: {_number(changes['valid_min'])} … {_number(changes['valid_max'])}"
    return text


def _others(term: Term) -> str:
    return "".join(
        f"; *{kind.replace('_', ' ')}*: `{changes['iec61400_25']}`"
        for kind, changes in term.per_type.items()
        if "iec61400_25" in changes
    )


def _number(value: float) -> str:
    return f"{value:,.10g}" if abs(value) < 1e9 else f"{value:.0e}"


def _states(term: Term) -> str:
    states = term.states or {}
    return f"- `{term.name}`: " + ", ".join(f"{code} {state}" for state, code in states.items())


def _structure(words: Vocabulary) -> str:
    """What the other leaves of a message are."""
    structure = words.structure
    lines = [
        "## Leaves of a message that are no variables",
        "",
        "A message may be nested as it likes: only the names of its leaves matter. Beside variables there are",
        "",
    ]
    said = {
        "identity": "say which asset, site or part it is about",
        "time": "say when",
        "location": "say where; kept with the asset",
        "record": "hold what happened; each becomes a record",
        "fact": "say what the asset is; kept with it",
    }
    for role, leaves in structure.roles.items():
        lines.append(f"- *{role}*: {', '.join(f'`{leaf}`' for leaf in sorted(leaves))}: they {said[role]}.")
    lines.append(
        "- *unit*: any leaf that ends in `_unit`. `power_output_unit` speaks for `power_output`; these speak for"
        " several leaves of their block and of the objects inside it:"
    )
    for leaf, patterns in structure.unit_leaves.items():
        lines.append(f"    - `{leaf}`: {', '.join(f'`{pattern}`' for pattern in patterns)}")
    lines += ["", "Lists of objects that become assets of their own kind below the asset of the message:", ""]
    for key, child in structure.children.items():
        lines.append(f"- `{key}`: each a {child.asset_type}, named by its `{child.identity}`")
    return "\n".join(lines) + "\n"
