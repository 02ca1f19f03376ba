"""Tables of wakes, yaw, degradation and gap on the page of a wind farm's performance, and why there are none."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from workbench.display import format as fmt
from workbench.display import markup as h
from workbench.display.page import Part
from workbench.display.performance_aging import AgingAnswer, YawAnswer
from workbench.display.performance_gap import GapAnswer
from workbench.display.performance_study_charts import bar_name
from workbench.display.performance_wakes import WakeAnswer

_CAUTION = "Caution"
_MEANWHILE = "Being worked out; it takes some seconds, once. All else on this page can be used meanwhile."


def study_lacking(site: str, title: str, reason: str) -> Part:
    """In the place of a section that cannot be."""
    return Part("study-lacking", lambda _: h.nothing(reason), title=title, about=(site, title, reason))


def _table(head: Sequence[tuple[str, bool]], rows: Sequence[Sequence[str]], text: str, *, cards: bool = True) -> str:
    """A table; the columns of which the second of ``head`` is true are numbers. With ``cards`` rows are cards on a phone."""
    if head[-1][0] == _CAUTION and not any(row[-1] for row in rows):
        head, rows = head[:-1], [row[:-1] for row in rows]
    top = "".join(f"<th{_css(name, number)}>{h.esc(name)}</th>" for name, number in head)

    def cell(place: int, content: str) -> str:
        name, number = head[place]
        if place == 0:
            return f'<td class="head">{content}</td>'
        label = "" if name == _CAUTION else f' data-label="{h.esc(name)}"'
        return f"<td{_css(name, number)}{label}>{content}</td>"

    body = "\n".join(f"<tr>{''.join(cell(*each) for each in enumerate(row))}</tr>" for row in rows)
    css = ' class="cards"' if cards else ""
    return (
        f'<div class="table"><table{css}><thead><tr>{top}</tr></thead>\n<tbody>{body}</tbody></table></div>\n'
        f'<p class="quiet fineprint">{text}</p>'
    )


def _css(name: str, number: bool) -> str:
    if number:
        return ' class="num"'
    return ' class="wide whole after"' if name == _CAUTION else ""


def _part(name: str, title: str, site: str, answer: object, html: str, *, span: int = 12) -> Part:
    return Part(name, lambda _: html, title=title, span=span, about=(site, str(hash((repr(answer), html)))))


def _number(value: float, decimals: int, unit: str = "") -> str:
    if not math.isfinite(value):
        return "–"
    # as the numbers of other parts: a narrow space before the sign of percent, none before that of degrees
    return fmt.number(float(value), decimals=decimals) + ("\u202f%" if unit == "%" else unit)


def _signed(value: float, decimals: int, unit: str) -> str:
    return ("+" if round(value, decimals) > 0 else "") + _number(value, decimals, unit)


def _took(seconds: float) -> str:
    return f"Worked out in {1000 * seconds:.0f} ms"


def wake_table(site: str, answer: WakeAnswer | None = None) -> Part:
    """Wake losses of each turbine."""
    about = None if answer is None else answer.settings
    return _part("wake-table", "Wakes of the turbines", site, about, _wakes(answer))


def _wakes(answer: WakeAnswer | None) -> str:
    if answer is None:
        return h.nothing(_MEANWHILE)
    if answer.losses is None:
        return h.nothing(f"No wakes: {answer.reason}")
    summary, drawn, kind = 100 * answer.losses.summary, answer.drawn, answer.kind
    head = [("Turbine", False), ("Record", True), ("Long term", True), ("Simulated mean", True)]
    rows = []
    for name, row in summary.iterrows():
        many = None if drawn is None else 100 * drawn.summary[kind].loc[str(name)]
        rows.append(
            (
                "<b>Farm</b>" if name == "plant" else h.esc(name),
                _number(row["period"], 2, "%"),
                _number(row.get("long_term", math.nan), 2, "%"),
                "…" if many is None else _number(many["mean"], 2, "%"),
                "…" if many is None else f"{_number(many['p5'], 1)} to {_number(many['p95'], 1, '%')}",
            )
        )
    said = [f"Wind directions turned by {answer.offset:+.1f}° ({answer.told})."]
    if kind == "period":
        said.append("There is no reanalysis, and so no long term.")
    said.append(
        "A loss below zero is a better place, not a wake; the simulations allow for places that differ and do not have the "
        "measured loss in their middle."
    )
    said += [f"{note[0].upper()}{note[1:]}." for note in answer.notes]
    told = _took(answer.seconds)
    if drawn is None:
        said.append(f"{told}; the interval of {answer.settings.simulations} simulations is being worked out.")
    else:
        count = drawn.simulations.sizes["simulation"]
        said.append(f"{told}, the interval of {count} simulations in {answer.seconds_drawn:.1f} s.")
    return _table([*head, ("90 % interval", True)], rows, h.esc(" ".join(said)))


def yaw_table(site: str, answer: YawAnswer | None = None) -> Part:
    """Yaw misalignment of each turbine, and how much it is to be doubted."""
    about = None if answer is None else answer.settings
    return _part("yaw-table", "Yaw of the turbines", site, about, _yaw(answer))


def _yaw(answer: YawAnswer | None) -> str:
    if answer is None:
        return h.nothing(_MEANWHILE)
    if answer.found is None:
        return h.nothing(f"No yaw misalignment: {answer.reason}")
    found, moving = answer.found.misalignment, answer.moving
    head = [
        ("Turbine", False), ("Misalignment", True), ("90 % interval", True), ("Loss in partial load", True),
        ("Swings about it", True), ("Slots", True), (_CAUTION, False),
    ]  # fmt: skip
    rows = []
    for name in found["asset"].values.tolist():
        one = found.sel(asset=name)
        swing = "…" if moving is None else _number(float(moving["std"].sel(asset=name)), 1, "°")
        rows.append(
            (
                h.esc(name),
                _signed(float(one["yaw_misalignment"]), 1, "°"),
                _between(float(one["lower"]), float(one["upper"]), 1, "°") if answer.whole else "…",
                fmt.percent(float(one["energy_loss"]), decimals=2) if np.isfinite(one["energy_loss"]) else "–",
                swing,
                _number(float(one["slots"]), 0),
                h.esc(one["reason"].item() or one["caution"].item() or ""),
            )
        )
    doubt = answer.doubt or "How far other settings move the angles is being worked out."
    said = (
        f"<b>Doubt.</b> {h.esc(_sentence(doubt))} The interval is that of chance and of the vane's noise alone; an "
        "anemometer that depends on the yaw error moves the angle unseen by this turbine's own records."
    )
    count = f"{answer.settings.simulations:,} simulations of each turbine"
    plain = f" Positive: the nacelle should point further clockwise. {_took(answer.seconds)}; " + (
        f"intervals by {count}." if answer.whole else f"the intervals of {count} are being worked out."
    )
    return _table(head, rows, said + plain)


def aging_table(site: str, answer: AgingAnswer | None = None) -> Part:
    """Degradation of each turbine, and its performance of each year."""
    about = None if answer is None else answer.settings
    return _part("aging-table", "Degradation of the turbines", site, about, _aging(answer))


def _aging(answer: AgingAnswer | None) -> str:
    if answer is None:
        return h.nothing(_MEANWHILE)
    if answer.found is None:
        return h.nothing(f"No degradation: {answer.reason}")
    rates, course = answer.found.rates, answer.found.performance["performance"]
    year = course["block"].values.astype("datetime64[Y]").astype(int) + 1970
    years = [int(one) for one in np.unique(year)][-5:]
    head = [("Turbine", False), ("Change per year", True), ("90 % interval", True), ("Year on year", True)]
    head += [(str(one), True) for one in years] + [(_CAUTION, False)]
    rows = []
    for name in rates["asset"].values.tolist():
        one, mine = rates.sel(asset=name), course.sel(asset=name).values
        means = []
        for each in years:
            there = mine[(year == each) & np.isfinite(mine)]
            means.append(fmt.percent(float(there.mean())) if there.size else "–")
        rows.append(
            (
                h.esc(name),
                _signed(float(one["rate"]), 2, "%"),
                _between(float(one["lower"]), float(one["upper"]), 1, "%"),
                _signed(float(one["year_on_year"]), 2, "%"),
                *means,
                h.esc(one["reason"].item() or one["caution"].item() or ""),
            )
        )
    own = answer.settings.reference == "own"
    against = "its own early power curve" if own else "its neighbours, as they were early on"
    doubt = (
        "an anemometer that drifts looks like degradation: hold it against the neighbours as well."
        if own
        else "neighbours age as well: it is the difference."
    )
    said = (
        f"Years: what was made of what was expected by {against}. Air density and season are taken out of the rates; {doubt} "
        f"{_took(answer.seconds)}, {answer.settings.simulations:,} simulations of each turbine with it."
    )
    return _table(head, rows, h.esc(said))


def gap_table(site: str, answer: GapAnswer | None = None, *, in_catalog: bool = False, span: int = 4) -> Part:
    """Bars of the gap, in figures."""
    about = None if answer is None else answer.settings
    return _part("gap-table", "Gap to the assessment", site, about, _gap(answer, in_catalog), span=span)


def _gap(answer: GapAnswer | None, in_catalog: bool) -> str:
    if answer is None:
        return h.nothing(_MEANWHILE)
    if answer.found is None or answer.operation is None:
        return h.nothing(f"No gap: {answer.reason}")
    table = answer.found.waterfall.drop(index="assessment_rounding")
    whole = answer.settings.energy
    rows = []
    for name, row in table.iterrows():
        total = row["kind"] == "total"
        value = float(row["value"])
        cells = (
            f"<b>{bar_name(str(name))}</b>" if total else h.esc(bar_name(str(name))),
            _number(value, 2) if total else _signed(value, 2, ""),
            fmt.percent(value / whole) if total else _signed(100 * value / whole, 1, "%"),
            _between(float(row["p05"]), float(row["p95"]), 2, ""),
        )
        rows.append(cells)
    head = [("", False), ("GWh", True), ("Of P50", True), ("90 % interval", True)]
    found = ", ".join(
        f"{fmt.words(name).lower()} {100 * float(np.mean(loss)):.1f} %"
        for name, loss in answer.operation.losses.items()
    )
    begun = (
        "Figures to begin with are those of the catalog."
        if in_catalog
        else "The catalog has no assessment of this site: the figures to begin with are operation's own energy with losses as they are "
        "often assumed; type those of yours."
    )
    said = (
        f"{begun} Gross energy of the assessment {answer.settings.gross:.2f} GWh. Operation lost: {found}. Turbine, blades and "
        f"what else is not told apart are in the ideal energy. {' '.join(answer.notes)}"
    )
    return _table(head, rows, h.esc(said), cards=False)


def _between(low: float, high: float, decimals: int, unit: str) -> str:
    if not (math.isfinite(low) and math.isfinite(high)):
        return "–"
    return f"{_number(low, decimals)} to {_number(high, decimals, unit)}"


def _sentence(text: str) -> str:
    text = text.removeprefix("parabola: ").strip()
    return text[:1].upper() + text[1:]
