"""Parts of an asset's page: what it is, how it is, every tag it has."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np

from workbench.display import format as fmt
from workbench.display import markup as h
from workbench.display.history import RANGES, Course, Range, course, increase, kind_of, recent_course
from workbench.display.page import Part
from workbench.display.parts.portfolio import recent_records
from workbench.display.readings import POWER, Now, Reading, SiteNow, kind_word
from workbench.display.states import STATUS_VARIABLES
from workbench.model.vocabulary import vocabulary

if TYPE_CHECKING:
    from workbench.display.live import Live
    from workbench.model.assets import Asset

#: Groups of tags in the order of the page; the first pattern that fits a name decides.
GROUPS: tuple[tuple[str, str], ...] = (
    (
        "State",
        r"status|_mode$|_state$|alarm|fault_code|warning_code|curtail|grid_connection|regulation|support|ancillary",
    ),
    (
        "Energy and counters",
        r"^energy|reactive_energy|_energy$|lifetime|_today$|operating_hours|cycle_count|specific_yield",
    ),
    ("Temperatures", r"temp|dew_point"),
    (
        "Wind and weather",
        r"^wind_|(eastward|northward|vertical)_wind|^ice_|visibility|lightning|humidity|pressure$(?<!oil_pressure)(?<!hydraulic_pressure)|density|precipitation|gust|turbulence",
    ),
    ("Irradiance", r"irradiance|albedo|soiling|solar_"),
    ("Vibration and structure", r"vibration|tower|strain|acceleration"),
    ("Rotor and drive train", r"rotor|generator_(speed|torque)|pitch|nacelle|yaw|cable|oil|hydraulic|gearbox"),
    ("Storage", r"charge|state_of|stored|cell_|coolant"),
    (
        "Power and grid",
        r"power|voltage|current|frequency|harmonic|resistance|efficiency|capacity_factor|performance|coefficient",
    ),
    ("Other", r""),
)


def group_of(tag: str) -> str:
    """The group of tags that ``tag`` is shown in."""
    return next(name for name, pattern in GROUPS if re.search(pattern, tag))


def asset_subtitle(at: SiteNow, asset: str) -> str:
    """What an asset is, in a few words."""
    kind = at.assets.get(asset, "")
    fact = at.fact(asset)
    return f"{kind_word(kind)} at {at.name}" + (
        f", {fact.name}" if fact is not None and fact.name and fact.name != asset else ""
    )


def asset_head(site: str, asset: str) -> Part:
    """State of the asset, its main figures, what it is."""

    def render(now: Now) -> str:
        at = now.site(site)
        state, fact, kind = at.states.get(asset), at.fact(asset), at.assets.get(asset, "")
        facts = []
        if fact is not None and fact.model:
            facts.append(("Model", h.esc(_model(fact))))
        if math.isfinite(at.rated(asset)):
            facts.append(("Rated", fmt.quantity(at.rated(asset), "kW", scale=at.rated(asset) >= 1000)))
        if fact is not None and fact.rotor_diameter:
            facts.append(("Rotor", fmt.quantity(fact.rotor_diameter, "m")))
        if fact is not None and fact.hub_height:
            facts.append(("Hub height", fmt.quantity(fact.hub_height, "m")))
        if fact is not None and fact.energy_capacity:
            facts.append(("Energy", fmt.quantity(fact.energy_capacity, "kWh", scale=True)))
        if fact is not None and fact.in_service:
            facts.append(("In service", str(fact.in_service.year)))
        statuses = [
            f"{fmt.words(said).lower()}"
            for name in STATUS_VARIABLES
            if (said := at.reading(asset, name).state) is not None
        ]
        newest = at.newest(asset)
        css = {0: "", 1: "warn", 2: "warn", 3: "blind", 4: "bad"}[state.severity] if state else ""
        items = "".join(f"<div><dt>{name}</dt><dd>{text}</dd></div>" for name, text in facts)
        shape = "well" if state is not None and not state.abnormal else (state.shape if state else "unknown")
        word = state.word if state is not None else "No live source"
        return (
            f'<div class="verdict asset-line {css}">\n{h.mark(shape)}<strong>{h.esc(word)}</strong>\n'
            f'<span class="what">{h.esc(kind_word(kind))}{": " + h.esc(", ".join(statuses)) if statuses else ""} '
            f"<span class=quiet>newest value</span> {h.age(newest, now.time, at.every(asset))}</span>\n"
            f'<dl class="inline">{items}</dl>\n</div>'
        )

    return Part("asset-head", render, bare=True, about=(site, asset))


def _model(fact: Asset) -> str:
    """The name of the data sheet as words: ``senvion_mm82`` becomes ``Senvion MM82``."""
    parts = str(fact.model).split("_")
    return " ".join(part.upper() if len(part) <= 3 or not part.isalpha() else part.capitalize() for part in parts)


def tags_of(at: SiteNow, asset: str) -> list[str]:
    """Every tag of an asset that a live series carries, group by group, the way the page lists them."""
    names = {name for block in at.blocks_of(asset) for name in block.variables if at.reading(asset, name).there}
    order = [name for name, _ in GROUPS]
    return sorted(names, key=lambda tag: (order.index(group_of(tag)), _natural(_name(tag))))


def _natural(text: str) -> list[tuple[int, str]]:
    """To sort by: numbers by their size, ``3rd`` before ``11th``."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text) if part]


def main_tag(at: SiteNow, asset: str) -> str:
    """The tag shown first: power, or what the asset measures."""
    tags = tags_of(at, asset)
    wanted = [*POWER.get(at.assets.get(asset, ""), ()), "wind_speed", "irradiance_poa", "active_power"]
    return next((tag for tag in wanted if tag in tags), tags[0] if tags else "")


def _name(tag: str) -> str:
    term = vocabulary().get(tag)
    return fmt.words(term.long_name if term else tag)


def tag_head(live: Live, site: str, asset: str, tag: str, span: Range) -> Part:
    """The chosen tag: its value now, its statistics over the range, and the choice of ranges."""

    def past() -> Course:
        return course(live, site, asset, tag, span)

    def render(now: Now) -> str:
        at = now.site(site)
        reading = at.reading(asset, tag)
        if span.live:
            found = recent_course(live, site, asset, tag)
        else:
            found = live.remember(("statistics", site, asset, tag, span.name), past, seconds=120.0)
        choices = "\n".join(
            h.ask(
                choice.words,
                {"do": "range", "range": choice.name},
                "asset",
                current=choice.name == span.name,
                site=site,
                asset=asset,
                tag=tag,
                range=choice.name,
            )
            for choice in RANGES.values()
        )
        return (
            f'<div class="headline">\n<div><h2>{h.esc(_name(tag))} <code>{h.esc(tag)}</code></h2>'
            f'<div class="figure">{h.value(reading, now.time)} {h.age(reading.time, now.time, reading.every)}</div></div>\n'
            f"<dl>{_statistics(found, reading, span)}{_since(found, now.time, span)}"
            f"<div><dt>Series</dt><dd>{h.esc(_series(found, tag, span))}</dd></div></dl>\n"
            f'<nav class="choices" aria-label="Range">\n{choices}\n</nav>\n</div>'
        )

    return Part("tag-head", render, bare=True, about=(site, asset, tag, span.name))


def _statistics(found: Course | None, reading: Reading, span: Range) -> str:
    """What the value did over the range, and since when there is one where the range begins earlier."""
    kind = kind_of(reading.variable)
    figures: dict[str, float] = {}
    if kind == "counter":
        figures = {"Increase": increase(found) if found is not None else math.nan}
    elif kind not in ("status", "angle"):
        figures = dict.fromkeys(("Min", "Mean", "Max"), math.nan)
        if found is not None and found.finite.size:
            figures = {
                "Min": float(np.nanmin(found.low)),
                "Mean": float(found.finite.mean()),
                "Max": float(np.nanmax(found.high)),
            }
    over = span.words.replace(" live", "")
    rows = [
        f"<div><dt>{word}, {over}</dt><dd>{fmt.quantity(value, reading.units)}</dd></div>"
        for word, value in figures.items()
    ]
    return "".join(rows)


_KEPT = {
    "measurement": "mean, band min to max",
    "setpoint": "mean",
    "angle": "mean direction",
    "status": "last of each",
    "counter": "last of each",
}


def _series(found: Course | None, tag: str, span: Range) -> str:
    """Where the course comes from, and what stands for a slot of it."""
    if found is None or not found.series:
        return fmt.NOTHING
    return found.series if span.fine else f"{found.series}: {_KEPT[kind_of(tag)]}"


def _since(found: Course | None, now: int, span: Range) -> str:
    """Since when there are values, where the range begins earlier: an empty left half is then no riddle."""
    there = found.time[np.isfinite(found.value)] if found is not None else np.array([], "datetime64[ns]")
    if not there.size:
        return ""
    first = int(there[0].astype("datetime64[ns]").astype(np.int64))
    if first - (now - span.seconds * 10**9) < 0.1 * span.seconds * 1e9:
        return ""
    return f"<div><dt>First value</dt><dd>{fmt.clock(first, date=True, seconds=False)} UTC</dd></div>"


def tag_find() -> Part:
    """The field that searches the list of tags."""
    return Part(
        "tag-find",
        lambda _: (
            '<div class="find"><label class="sr" for="find">Search tags</label>'
            '<input id="find" type="search" data-filter="tags" autocomplete="off" spellcheck="false" '
            'placeholder="Search tags by name or unit; press / to come here">'
            '<span class="quiet" id="tags-count" role="status"></span></div>'
        ),
        bare=True,
    )


def tag_list(live: Live, site: str, asset: str, tag: str, span: Range) -> Part:
    """Every tag of the asset in groups: value, unit, age, the course of the last 15 minutes."""

    def sparks() -> dict[str, str]:
        at = live.now.site(site)
        drawn: dict[str, str] = {}
        for block in at.blocks_of(asset):
            data = live.recent(site, block.key, assets=[asset])
            for name in block.variables:
                if data is not None and name not in drawn and name in data:
                    drawn[name] = h.spark(data[name].values[:, 0], points=45)
        return drawn

    def render(now: Now) -> str:
        at = now.site(site)
        drawn = live.remember(("sparks", site, asset), sparks, seconds=10.0) or {}
        tags = tags_of(at, asset)
        if not tags:
            return h.nothing(
                "No value of this asset has arrived in the last minutes. Is its collector running?", "workbench status"
            )
        groups: dict[str, list[str]] = {}
        for name in tags:
            reading = at.reading(asset, name)
            groups.setdefault(group_of(name), []).append(
                _tag_row(at, asset, reading, drawn.get(name, ""), now, name == tag, span)
            )
        blocks = [
            f'<section data-group="{h.esc(group)}"><h3>{h.esc(group)}</h3>\n{chr(10).join(rows)}\n</section>'
            for group, rows in groups.items()
        ]
        return f'<div class="tags" id="tags">\n{chr(10).join(blocks)}\n</div>'

    count = len(tags_of(live.now.site(site), asset))
    note = f"{count} tags; course of the last 15 minutes; select one for its trend"
    return Part("tag-list", render, title="Tags", note=note, about=(site, asset, tag, span.name))


def _tag_row(at: SiteNow, asset: str, reading: Reading, drawn: str, now: Now, current: bool, span: Range) -> str:
    name = reading.variable
    words = f"{name} {_name(name)} {fmt.unit(reading.units)} {group_of(name)}".lower()
    inner = (
        f'<span class="named" title="{h.esc(name)}">{h.esc(_name(name))}</span>{drawn or h.spark([])}'
        f"{h.value(reading, now.time)}{h.age(reading.time, now.time, reading.every)}"
    )
    where = {"site": at.id, "asset": asset, "tag": name, "range": span.name}
    row = h.ask(inner, {"do": "tag", "tag": name}, "asset", css="tag", current=current, **where)
    return row.replace('<a class="tag"', f'<a class="tag" data-words="{h.esc(words)}"', 1)


def asset_records(live: Live, site: str, asset: str, *, span: int = 12) -> Part:
    """Alarms, warnings and changes of state of the asset."""
    return recent_records(live, site=site, asset=asset, span=span, limit=12)
