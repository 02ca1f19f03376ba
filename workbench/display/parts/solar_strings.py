"""Parts of the page of solar plants behind the inverters: map of the strings, inputs, trackers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from workbench.display import format as fmt
from workbench.display import markup as h
from workbench.display import theme
from workbench.display.page import Part
from workbench.display.readings import Now, SiteNow
from workbench.display.solar import SolarHealth, behind, load
from workbench.display.solar_strings import (
    KINDS,
    SHOWS,
    StringLevel,
    fault_of,
    index_of,
    kind_of,
    levels,
    lost_by,
)

if TYPE_CHECKING:
    from workbench.display.live import Live

_LEAST = 4.0  #: half of the colours' range at the least [%]
TRACKER_OFF = 5.0  #: from which a tracker is coloured [degree]


def strings_of(name: str) -> str:
    """What the map shows; what is now for a name that is none."""
    return name if name in SHOWS else "now"


def string_map(live: Live, site: str, show: str = "now", *, span: int = 8) -> Part:
    """A square for each string, inverter by inverter, coloured by its current against its peers."""

    def render(now: Now) -> str:
        found = load(live, site)
        at = now.site(site)
        if not kind_of(at):
            return h.nothing(
                "Nothing behind the inverters is measured: the portfolio has neither strings nor inputs of this site. "
                "Assets of type string or mppt, with their inverter as parent, appear here."
            )
        shown, what = levels(live, now, site, found, show)
        return _choices(site, show) + _map(shown, site, what, show, found, now)

    title = KINDS.get(kind_of(live.now.site(site)), ("", "Strings"))[1]
    return Part(
        "string-map", render, title=f"{title} against their peers", note="current, from the median behind the same inverter",
        span=span, about=(site, show), every=2,
    )  # fmt: skip


def _choices(site: str, show: str) -> str:
    links = [
        h.ask(words, {"do": "strings", "show": name}, "solar", current=name == show, site=site, show=name)
        for name, words in SHOWS.items()
    ]
    return f'<div class="maphead"><nav class="choices" aria-label="What the map shows">\n{chr(10).join(links)}\n</nav></div>\n'


def _map(shown: list[StringLevel], site: str, what: str, asked: str, found: SolarHealth | None, now: Now) -> str:
    if not shown:
        why = "the record is being read" if found is None else found.problem or "their record has no currents"
        return h.nothing(f"It is dark, or nothing is measured now; {why}.")
    known = np.array([one.deviation for one in shown])
    known = known[np.isfinite(known)]
    if not known.size:
        return h.nothing("No string has peers behind its inverter to be held against.")
    # one dead string must not make all others look alike: beyond the ends of the colours it has the last of them
    reach = max(float(np.quantile(np.abs(known), 0.95)), _LEAST)
    rows: dict[str, list[StringLevel]] = {}
    for one in shown:
        rows.setdefault(one.inverter, []).append(one)
    lines = [_row(site, name, own, reach, found) for name, own in rows.items()]
    bar = "".join(f'<i style="background:{one}"></i>' for one in theme.DIVERGING)
    words = SHOWS[what].lower() + (
        " of light, as it is dark now" if what != asked else " of light" if what == "day" else ""
    )
    kind = "strings" if len(shown) != 1 else "string"
    key = (
        f'<div class="mapkey"><span>≤ −{fmt.number(reach, decimals=0)}</span><span class="ramp">{bar}</span>'
        f"<span>≥ +{fmt.number(reach, decimals=0)} %</span><span>framed: fault found{', blank: too little light' if len(known) < len(shown) else ''}</span><span>{len(shown)} {kind}, {words}</span></div>"
    )
    return "\n".join(lines) + "\n" + key


def _row(site: str, inverter: str, own: list[StringLevel], reach: float, found: SolarHealth | None) -> str:
    there = [one.deviation for one in own if math.isfinite(one.deviation)]
    current = [one.current for one in own if math.isfinite(one.current)]
    label = h.link("solar", inverter, site=site, asset=inverter) if inverter else "no inverter known"
    words = f"{fmt.number(float(np.median(current)), decimals=1)} A a string" if current else "nothing measured"
    low = f", lowest {signed(min(there))} %" if there else ""
    squares, last = [], own[0].parent if own else ""
    for one in own:
        gap = " apart" if one.parent != last else ""
        last = one.parent
        fault = fault_of(found, one.name)
        text = f"{one.name}: {signed(one.deviation)} %" + (f", {fault}" if fault else "")
        weak = " weak" if fault else ""
        squares.append(
            f'<a class="square{weak}{gap}" href="{h.href("asset", site=site, asset=one.name)}" title="{h.esc(text)}" '
            f'aria-label="{h.esc(text)}" style="background:{colour(one.deviation, reach)}"></a>'
        )
    return (
        f'<div class="rack strings"><div><b>{label}</b><span>{words}{low}</span></div>'
        f'<div class="cells">{"".join(squares)}</div></div>'
    )


def signed(value: float) -> str:
    """A deviation with its sign."""
    text = fmt.number(value, decimals=1)
    return f"+{text}" if math.isfinite(value) and value > 0 and text.strip("0.,") else text


def colour(value: float, reach: float) -> str:
    """Colour of a deviation on the diverging scale of the theme; transparent where it is missing."""
    if not math.isfinite(value):
        return "transparent"
    steps = len(theme.DIVERGING)
    place = int(np.clip((value + reach) / (2 * reach) * steps, 0, steps - 1))
    return theme.DIVERGING[place]


def input_table(live: Live, site: str, inverter: str, *, span: int = 6) -> Part:
    """The inputs and strings of an inverter: what they read, how they do beside their peers, faults."""

    def render(now: Now) -> str:
        at, found = now.site(site), load(live, site)
        inputs = behind(at, found, "mppt").get(inverter, [])
        strings, what = levels(live, now, site, found, "now")
        if kind_of(at) != "string":
            strings = []
        own = [one for one in strings if one.inverter == inverter]
        if not inputs and not own:
            return h.nothing(f"Neither inputs nor strings of {inverter} are measured; its DC side is among its tags.")
        head = (
            "<tr><th>Input, string</th><th class=num>Current</th><th class=num>Voltage</th><th class=num>Beside peers</th>"
            "<th class=num>Index</th><th>Fault</th><th class=num>Lost</th></tr>"
        )
        rows = []
        for name in inputs or [inverter]:
            if inputs:
                rows.append(_line(at, found, name, "mppt", ("input_current", "input_voltage"), math.nan, now, "head"))
            rows += [
                _line(at, found, one.name, "string", ("current", "voltage"), one.deviation, now, "")
                for one in own
                if one.parent == name
            ]
        faults = found.told.faults if found is not None and found.told is not None else None
        if faults is not None:
            why = "; ".join(f"{kind}: {text}" for kind, text in faults.reasons.items() if kind in ("string", "mppt"))
        else:
            why = "" if found is None else found.reason("faults") or found.problem
        since = {"now": "now", "day": "the last day of light", "week": "seven days"}[what]
        note = f"Beside peers: current against the median behind the inverter, {since}. Index: of the last whole day, over its usual share."
        tail = f" Faults are not told: {h.esc(why)}." if why else ""
        return (
            f'<div class="table"><table><thead>{head}</thead>\n<tbody>{chr(10).join(rows)}</tbody></table></div>\n'
            f'<p class="quiet fineprint">{note}{tail}</p>'
        )

    return Part(
        "input-table", render, title="Inputs and strings", note="select one for its tags", span=span,
        about=(site, inverter), every=2,
    )  # fmt: skip


def _line(
    at: SiteNow,
    found: SolarHealth | None,
    asset: str,
    kind: str,
    names: tuple[str, str],
    beside: float,
    now: Now,
    css: str,
) -> str:
    current, voltage = (at.reading(asset, name) for name in names)
    fault, lost, index = fault_of(found, asset), lost_by(found, asset), index_of(found, kind, asset)
    mark = f'<span class="state s-operating_reduced">{h.mark("reduced")}{h.esc(fault)}</span>' if fault else ""
    bold = ("<b>", "</b>") if css else ('<span class="within">', "</span>")
    return (
        f"<tr><td>{bold[0]}{h.link('asset', asset, site=at.id, asset=asset)}{bold[1]}</td>"
        f"<td class=num>{h.value(current, now.time, decimals=1)}</td><td class=num>{h.value(voltage, now.time, decimals=0)}</td>"
        f"<td class=num>{signed(beside) + ' %' if math.isfinite(beside) else ''}</td>"
        f"<td class=num>{fmt.number(index, decimals=3) if math.isfinite(index) else fmt.NOTHING}</td><td>{mark}</td>"
        f"<td class=num>{fmt.number(lost, decimals=0) + ' kWh' if lost > 0 else ''}</td></tr>"
    )


def tracker_table(live: Live, site: str, inverter: str = "", *, span: int = 4) -> Part:
    """Trackers of a plant or of an inverter: where they stand and where they should."""

    def render(now: Now) -> str:
        at, found = now.site(site), load(live, site)
        groups = behind(at, found, "tracker")
        own = groups.get(inverter, []) if inverter else [one for assets in groups.values() for one in assets]
        if not own:
            of = f"of {inverter}" if inverter else "of this site"
            return h.nothing(f"No trackers {of} report: the portfolio has no asset of type tracker that belongs to it.")
        head = "<tr><th>Tracker</th><th>State</th><th class=num>Stands</th><th class=num>Target</th><th class=num>Off</th><th>Fault</th></tr>"
        rows = [_tracker(at, found, one, now) for one in own]
        return (
            f'<div class="table"><table><thead>{head}</thead>\n<tbody>{chr(10).join(rows)}</tbody></table></div>\n'
            '<p class="quiet fineprint">Degrees from level, positive to the west. A tracker that reports what it should may still stand elsewhere: '
            "faults are told from power too.</p>"
        )

    return Part("trackers", render, title="Trackers", note="", span=span, about=(site, inverter), every=2)


def _tracker(at: SiteNow, found: SolarHealth | None, asset: str, now: Now) -> str:
    stands, target = at.reading(asset, "tracker_position"), at.reading(asset, "tracker_target")
    status = at.reading(asset, "tracker_status")
    off = stands.value - target.value
    text = f"{signed(off)}°" if math.isfinite(off) else fmt.NOTHING
    css = "s-operating_reduced" if abs(off) >= TRACKER_OFF and stands.fresh(now.time) else ""
    fault = fault_of(found, asset)
    mark = f'<span class="state s-operating_reduced">{h.mark("reduced")}{h.esc(fault)}</span>' if fault else ""
    return (
        f"<tr><td>{h.link('asset', asset, site=at.id, asset=asset)}</td>"
        f"<td>{h.esc(fmt.words(status.state).lower()) if status.state else fmt.NOTHING}</td>"
        f"<td class=num>{h.value(stands, now.time, decimals=1)}</td><td class=num>{h.value(target, now.time, decimals=1)}</td>"
        f'<td class=num><span class="val"><b class="{css}">{text}</b></span></td><td>{mark}</td></tr>'
    )
