"""The cells of a battery: a map that is coloured by what they read now, and a table of the weakest."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from workbench.display import format as fmt
from workbench.display import markup as h
from workbench.display import theme
from workbench.display.battery import BatteryHealth, CellNow, cells_now, load
from workbench.display.page import Part
from workbench.display.readings import Now

if TYPE_CHECKING:
    from workbench.display.live import Live

SHOWS = {"deviation": "Deviation", "voltage": "Voltage", "temperature": "Temperature"}
_UNITS = {"deviation": "mV", "voltage": "V", "temperature": "°C"}
_DIGITS = {"deviation": 1, "voltage": 3, "temperature": 1}
MOST = 600  #: cells drawn at once; beyond them a rack is one square until it is chosen
_LEAST = {"deviation": 2.0, "voltage": 0.004, "temperature": 1.0}  #: half of the colours' range at the least


def show_of(name: str) -> str:
    """What the map shows; the deviation for a name that is none."""
    return name if name in SHOWS else "deviation"


def cell_map(live: Live, site: str, battery: str, show: str = "deviation", rack: str = "", *, span: int = 8) -> Part:
    """A square for each cell, rack by rack, coloured by its voltage, its deviation from the median of its rack, or its temperature."""

    def render(now: Now) -> str:
        found = load(live, site)
        cells = cells_now(now, site, battery, found)
        if not cells:
            return _none(found, battery)
        return _choices(site, battery, show, rack) + _map(cells, now, site, battery, show, rack, _weak(found))

    return Part(
        "cell-map",
        render,
        title=f"Cells{f' of {rack}' if rack else ''}",
        note="framed: the weakest by the last month",
        span=span,
        about=(site, battery, show, rack),
        every=2,
    )


def _none(found: BatteryHealth | None, battery: str) -> str:
    why = found.reason("cells", battery) if found is not None else ""
    return h.nothing(
        f"Single cells of {battery} are not measured: {why or 'the record is being read'}. "
        "Lowest, mean and highest cell are among the tiles and the tags."
    )


def _choices(site: str, battery: str, show: str, rack: str) -> str:
    links = [
        h.ask(
            words, {"do": "cells", "show": name, "rack": rack}, "battery",
            current=name == show, site=site, battery=battery, show=name, rack=rack,
        )
        for name, words in SHOWS.items()
    ]  # fmt: skip
    back = (
        h.ask(
            "All racks", {"do": "cells", "show": show, "rack": ""}, "battery", css="chip", site=site, battery=battery,
            show=show,
        )
        if rack
        else ""
    )  # fmt: skip
    return f'<div class="maphead"><nav class="choices" aria-label="What the map shows">\n{chr(10).join(links)}\n</nav>{back}</div>\n'


def cell_values(cells: list[CellNow], show: str) -> np.ndarray:
    """What the map shows of each cell; the deviation [mV] is from the median of its rack."""
    if show == "temperature":
        return np.array([cell.temperature.value for cell in cells])
    voltage = np.array([cell.voltage.value for cell in cells])
    if show == "voltage":
        return voltage
    parents = np.array([cell.parent for cell in cells])
    found = np.full(len(cells), np.nan)
    for parent in dict.fromkeys(parents):
        rows = parents == parent
        if np.isfinite(voltage[rows]).any():
            found[rows] = 1000.0 * (voltage[rows] - np.nanmedian(voltage[rows]))
    return found


def _map(cells: list[CellNow], now: Now, site: str, battery: str, show: str, rack: str, weak: set[str]) -> str:
    values = cell_values(cells, show)
    known = values[np.isfinite(values)]
    if not known.size:
        return h.nothing("No cell has a value now.")
    middle = 0.0 if show == "deviation" else float(np.median(known))
    # one far-off cell must not make all others look alike: beyond the ends of the colours it has the last of them
    off = np.abs(known - middle)
    reach = max(float(np.quantile(off, 0.95)), _LEAST[show])
    beyond = bool(off.max() > reach)
    racks: dict[str, list[int]] = {}
    for place, cell in enumerate(cells):
        racks.setdefault(cell.parent, []).append(place)
    if rack in racks:
        racks = {rack: racks[rack]}
    whole = sum(map(len, racks.values())) > MOST
    rows = []
    for name, places in racks.items():
        one = values[places]
        there = one[np.isfinite(one)]
        low, high = (float(there.min()), float(there.max())) if there.size else (math.nan, math.nan)
        digits = _DIGITS[show]
        label = h.ask(
            h.esc(name), {"do": "cells", "show": show, "rack": name}, "battery", site=site, battery=battery, show=show, rack=name
        ) if name != battery else h.esc(name)  # fmt: skip
        if whole:
            worst = float(there[np.abs(there - middle).argmax()]) if there.size else math.nan
            squares = f'<i class="square" style="background:{colour(worst, middle, reach)}"></i>'
        else:
            squares = "".join(
                _square(cells[place], values[place], middle, reach, show, site, weak, now) for place in places
            )
        rows.append(
            f'<div class="rack"><div><b>{label}</b><span>{fmt.number(low, decimals=digits)} to '
            f'{fmt.number(high, decimals=digits)} {_UNITS[show]}</span></div><div class="cells">{squares}</div></div>'
        )
    newest = max((cell.voltage.time for cell in cells), default=0)
    every = max((cell.voltage.every for cell in cells), default=1.0)
    ends = [fmt.number(middle + side * reach, decimals=_DIGITS[show]) for side in (-1, 0, 1)]
    bar = "".join(f'<i style="background:{one}"></i>' for one in theme.DIVERGING)
    low_end, high_end = ("≤ ", "≥ ") if beyond else ("", "")
    key = (
        f'<div class="mapkey"><span>{low_end}{ends[0]}</span><span class="ramp">{bar}</span>'
        f"<span>{high_end}{ends[2]} {_UNITS[show]}</span>"
    )
    return (
        "\n".join(rows)
        + f"\n{key}<span>{len(cells)} {'cell' if len(cells) == 1 else 'cells'}, {h.age(newest, now.time, every)}</span></div>"
    )


def _square(
    cell: CellNow, value: float, middle: float, reach: float, show: str, site: str, weak: set[str], now: Now
) -> str:
    stale = "" if cell.voltage.fresh(now.time) or cell.temperature.fresh(now.time) else " stale"
    css = f"square{' weak' if cell.name in weak else ''}{stale}"
    words = f"{cell.name}: {fmt.number(value, decimals=_DIGITS[show])} {_UNITS[show]}"
    return (
        f'<a class="{css}" href="{h.href("asset", site=site, asset=cell.name)}" title="{h.esc(words)}" '
        f'aria-label="{h.esc(words)}" style="background:{colour(value, middle, reach)}"></a>'
    )


def colour(value: float, middle: float, reach: float) -> str:
    """Colour of a value on the diverging scale of the theme; transparent where it is missing."""
    if not math.isfinite(value):
        return "transparent"
    steps = len(theme.DIVERGING)
    place = int(np.clip((value - middle + reach) / (2 * reach) * steps, 0, steps - 1))
    return theme.DIVERGING[place]


def _weak(found: BatteryHealth | None) -> set[str]:
    if found is None or found.told is None or found.told.cells is None:
        return set()
    table = found.told.cells
    return set(table.loc[table["kind"] != "", "cell"].head(12).astype(str))


def weakest(found: BatteryHealth, battery: str, *, span: int = 4) -> Part:
    """The weakest cells with what is the matter with them; without single cells the spread of the battery."""
    return Part(
        "weakest",
        lambda _: _weakest(found, battery),
        title="Weakest cells",
        note="last month, beside the median of their rack",
        span=span,
        about=(found.site.id, battery, str(found.read)),
    )


def _weakest(found: BatteryHealth, battery: str) -> str:
    told = found.told
    if told is None:
        return h.nothing(found.problem)
    rows: list[str] = []
    if told.cells is not None and found.plant is not None:
        own = [
            one
            for one in told.cells.to_dict("records")
            if found.plant.battery_of(str(one["cell"])) in (battery, one["cell"])
        ][:8]
        rows = [
            f"<tr><td>{h.link('asset', str(one['cell']), site=found.site.id, asset=str(one['cell']))}</td><td>{h.esc(one['kind'] or 'like the others')}</td>"
            f"<td class=num>{fmt.number(float(one['low_end']), decimals=1)}</td><td class=num>{fmt.number(float(one['high_end']), decimals=1)}</td>"
            f"<td class=num>{fmt.number(float(one['score']), decimals=1)}</td></tr>"
            for one in own
        ]
        head = (
            "<tr><th>Cell</th><th>What it is</th><th class=num>Empty [mV]</th><th class=num>Full [mV]</th>"
            "<th class=num>Distance</th></tr>"
        )
        note = "Distance in robust standard deviations of the rack: 4 and more stand out."
        return (
            f'<div class="table"><table><thead>{head}</thead>\n<tbody>{chr(10).join(rows)}</tbody></table></div>\n'
            f'<p class="quiet fineprint">{note}</p>'
        )
    if told.spread is None:
        return h.nothing(found.reason("spread", battery))
    lines = [
        ("Spread at rest", "at_rest", "mV", 1),
        ("Median", "median", "mV", 1),
        ("95 % below", "p95", "mV", 1),
        ("Growth", "growth", "mV/month", 2),
        ("Days above 50 mV", "days_above", "", 0),
    ]
    rows = [
        f"<tr><td>{title}</td><td class=num>{fmt.number(found.value('spread', name, battery), decimals=digits)} {unit}</td></tr>"
        for title, name, unit, digits in lines
    ]
    why = found.reason("spread", battery)
    return (
        f"<table>\n<tbody>{chr(10).join(rows)}</tbody></table>\n"
        f'<p class="quiet fineprint">Which cell it is cannot be told: {h.esc(found.reason("cells", battery))}.'
        f"{' Growth: ' + h.esc(why) + '.' if why else ''}</p>"
    )
