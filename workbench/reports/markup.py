"""Pieces of a report as HTML: title block, key figures, tables, notes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from workbench.display.format import NOTHING, number, percent, unit


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    key: str
    title: str
    units: str = ""  #: shown in the head; decides the decimals where ``decimals`` is not given
    decimals: int | None = None
    share: bool = False  #: a fraction, shown in percent
    text: bool = False  #: words, set to the left
    bar: float | None = None  #: a light bar behind the number; this value fills the cell


@dataclass(frozen=True)
class Figure:
    """A key figure."""

    name: str  #: for machines, such as ``energy``
    label: str
    value: float | None
    units: str = ""
    decimals: int | None = None
    note: str = ""  #: what it rests on
    share: bool = False  #: a fraction, shown in percent

    def shown(self) -> tuple[str, str]:
        """Number and unit as they are read."""
        if self.share:
            text = percent(self.value, decimals=1 if self.decimals is None else self.decimals)
            return text.rstrip("%").strip("\u202f "), "%"
        return number(self.value, self.units, decimals=self.decimals), unit(self.units)


def title_block(kicker: str, title: str, subtitle: str, facts: Sequence[tuple[str, str]]) -> str:
    """Head of a report: what, of what, when; and a line of facts."""
    listed = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>" for name, text in facts)
    return (
        f'<header class="wb-title"><p class="wb-kicker">{escape(kicker)}</p><h1>{escape(title)}</h1>'
        f'<p class="wb-subtitle">{escape(subtitle)}</p><dl class="wb-facts">{listed}</dl></header>'
    )


def figures_block(figures: Sequence[Figure]) -> str:
    """Key figures side by side."""
    cells = []
    for one in figures:
        # a dash with a unit and an interval of dashes reads as a fault of the page
        told = one.value is not None and math.isfinite(one.value)
        value, units = one.shown() if told else ("not told", "")
        note = f'<span class="wb-note">{escape(one.note)}</span>' if one.note else ""
        cells.append(
            f'<div class="wb-kpi"><span class="wb-label">{escape(one.label)}</span>'
            f'<span class="wb-value">{value}<small>{escape(units)}</small></span>{note}</div>'
        )
    return f'<div class="wb-kpis">{"".join(cells)}</div>'


def table_block(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[Column],
    *,
    title: str = "",
    total: Mapping[str, Any] | None = None,
    note: str = "",
) -> str:
    """A table with a head that names units; ``total`` is a last row set apart."""
    head = "".join(f'<th scope="col"{_class(column)}>{escape(column.title)}{_units(column)}</th>' for column in columns)
    body = "".join(_row(row, columns) for row in rows)
    foot = f"<tfoot>{_row(total, columns)}</tfoot>" if total is not None else ""
    caption = f"<caption>{escape(title)}</caption>" if title else ""
    after = f'<p class="wb-note">{escape(note)}</p>' if note else ""
    return (
        f'<div class="wb-table{" wb-short" if len(rows) <= 16 else ""}"><table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody>{foot}</table>'
        f"{after}</div>"
    )


def _units(column: Column) -> str:
    shown = "%" if column.share else unit(column.units)
    return f' <span class="wb-unit">{escape(shown)}</span>' if shown else ""


def _class(column: Column) -> str:
    return ' class="wb-text"' if column.text else ""


def _row(row: Mapping[str, Any], columns: Sequence[Column]) -> str:
    return "<tr>" + "".join(_cell(row.get(column.key), column) for column in columns) + "</tr>"


def _cell(value: Any, column: Column) -> str:
    style = ""
    if column.bar and isinstance(value, int | float | np.number) and np.isfinite(value):
        width = 100.0 * float(np.clip(float(value) / column.bar, 0.0, 1.0))
        style = f' style="background:linear-gradient(90deg,var(--wb-bar) {width:.1f}%,transparent 0)"'
    return f"<td{_class(column)}{style}>{escape(cell_text(value, column))}</td>"


def cell_text(value: Any, column: Column) -> str:
    """A value as it stands in a table."""
    if value is None:
        return NOTHING
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float | np.number):
        if column.share:
            return number(float(value) * 100.0, decimals=1 if column.decimals is None else column.decimals)
        return number(float(value), column.units, decimals=column.decimals)
    return str(value)


def table_text(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> str:
    """The same table as plain text, for those who read the notebook's file."""
    lines = [[column.title + (f" [{unit(column.units)}]" if unit(column.units) else "") for column in columns]]
    lines += [[cell_text(row.get(column.key), column) for column in columns] for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if column.text else text.rjust(width)
            for text, width, column in zip(line, widths, columns, strict=True)
        ).rstrip()
        for line in lines
    )


def legend_block(entries: Sequence[tuple[str, str, str]]) -> str:
    """One legend for several plots: (label, colour, ``line``, ``dash`` or ``square``) each."""
    shapes = {
        "line": '<path d="M0 5h18" stroke="{0}" stroke-width="2.2"/>',
        "dash": '<path d="M0 5h18" stroke="{0}" stroke-width="1.6" stroke-dasharray="5 3"/>',
        "square": '<path d="M4 0h10v10h-10z" fill="{0}"/>',
    }
    if not entries:
        return ""
    marks = "".join(
        f'<span><svg width="18" height="10" aria-hidden="true">{shapes[shape].format(colour)}</svg>{escape(label)}</span>'
        for label, colour, shape in entries
    )
    return f'<div class="wb-legend">{marks}</div>'


def note_block(text: str, *, warning: bool = False) -> str:
    """A remark set apart from the text."""
    kind = "wb-remark wb-warning" if warning else "wb-remark"
    return f'<p class="{kind}">{escape(text)}</p>'
