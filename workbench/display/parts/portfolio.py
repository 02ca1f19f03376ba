"""Parts of the portfolio page: is everything well, and how much do we make?"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.display import format as fmt
from workbench.display import markup as h
from workbench.display.collecting import troubles
from workbench.display.page import Part
from workbench.display.readings import GENERATION, Now, Reading, SiteNow, kind_word, summed, total
from workbench.display.states import STATES, State

if TYPE_CHECKING:
    from workbench.display.live import Live

#: Deviation of the grid frequency that is shown as abnormal [Hz].
FREQUENCY_LIMIT = 0.1
KIND_WORDS = {"wind": "Wind", "solar": "Solar", "storage": "Storage"}


# -- is it well? ----------------------------------------------------------------------------------------


def verdict() -> Part:
    """One line that says whether the portfolio is well, and what to look at if it is not."""
    return Part("verdict", _verdict, bare=True)


def _verdict(now: Now) -> str:
    return verdict_line(now.live_sites, whole="Portfolio")


def verdict_line(sites: Sequence[SiteNow], *, whole: str, limit: int = 7) -> str:
    """The line for abnormal assets, for sites without a collector, and for what is wrong with collecting."""
    silent = [site for site in sites if not site.running]
    unread = [site for site in sites if site.trouble]
    wrong = [(site, trouble) for site in sites for trouble in troubles(site)]
    found = [(site, asset, state) for site in sites for asset, state in site.abnormal()]
    assets = sum(len(site.states) for site in sites)
    items = [
        f'<li><a href="{h.href("sources")}">{h.state(STATES["offline"], word=False)}<span>No collector for '
        f"<b>{h.esc(site.name)}</b></span></a></li>"
        for site in silent
    ]
    items += [
        f'<li><a href="{h.href("sources")}">{h.state(STATES["offline"], word=False)}<span>The store of '
        f"<b>{h.esc(site.name)}</b> cannot be read</span></a></li>"
        for site in unread
    ]
    items += [
        f'<li><a href="{h.href("sources")}#{h.esc(site.id)}"><span class="state s-{trouble.state}">'
        f"{h.mark(STATES[trouble.state].shape)}{h.esc(site.name)}</span>{h.esc(fmt.shorten(trouble.words, 60))}</a></li>"
        for site, trouble in wrong
    ]
    found = sorted(found, key=lambda item: -item[2].severity)
    # An asset is stale because its collector is silent: said once for the site, not once per asset.
    quiet = {site.id for site in silent}
    found = [item for item in found if not (item[2].name in ("stale", "unknown") and item[0].id in quiet)]
    for site, asset, state in found[:limit]:
        items.append(
            f'<li><a href="{h.href("asset", site=site.id, asset=asset)}"><b>{h.esc(asset)}</b>{h.state(state)}</a></li>'
        )
    more = len(found) - limit
    if more > 0:
        items.append(f'<li class="count">and {more} more</li>')
    if not items:
        return (
            f'<div class="verdict">\n{h.mark("well")}<strong>{h.esc(whole)} is well</strong>\n'
            f'<span class="what">All {assets} assets operate normally, every source delivers.</span>\n</div>'
        )
    worst = max(
        [*(state.severity for *_, state in found), *(STATES[trouble.state].severity for _, trouble in wrong)], default=0
    )
    if silent or unread:
        css, shape, words = "blind", "offline", "No live data" if len(silent) == len(sites) else "Partly without data"
    elif worst >= STATES["offline"].severity:
        css, shape = ("bad", "fault") if worst >= STATES["fault"].severity else ("blind", "offline")
        words = f"{whole} needs attention"
    elif not found:
        css, shape, words = "warn", "reduced", "Collecting needs attention"
    else:
        css, shape, words = "warn", "reduced", f"{whole} runs, with limits"
    return (
        f'<div class="verdict {css}">\n{h.mark(shape)}<strong>{h.esc(words)}</strong>\n'
        f"<ul>\n{chr(10).join(items)}\n</ul>\n"
        f'<span class="count">{len(found)} of {assets} assets abnormal</span>\n</div>'
    )


# -- figures --------------------------------------------------------------------------------------------


def power_now() -> Part:
    """Power of the whole portfolio now."""
    return Part("power", _power, bare=True, span=3, narrow=12)


def _power(now: Now) -> str:
    power = total((site.net_power for site in now.live_sites), now.time)
    capacity = sum(site.capacity("wind_turbine", "inverter") for site in now.live_sites)
    return h.tile(
        "Power now, net",
        h.value(power, now.time, scale=True) + h.reporting(power),
        age_text=h.age(power.time, now.time, power.every),
        below=f"{h.bar(power.value / capacity if capacity else math.nan)}"
        f"of {fmt.quantity(capacity, 'kW', scale=True)} installed wind and solar",
        css="big",
    )


def by_kind() -> Part:
    """Power by wind, solar and storage."""
    return Part("by-kind", _by_kind, bare=True, span=3, narrow=12)


def _by_kind(now: Now) -> str:
    lines, shown = [], []
    for kind, words in KIND_WORDS.items():
        types = [asset_type for asset_type, name in GENERATION.items() if name == kind]
        readings = [site.power_by_kind[kind] for site in now.live_sites if kind in site.power_by_kind]
        if not readings:
            continue
        power = total(readings, now.time)
        shown.append(power)
        rated = sum(site.capacity(*types) for site in now.live_sites)
        share = power.value / rated if rated else math.nan
        drawn = h.deviation(share) if kind == "storage" else h.bar(share, css=kind)
        lines.append(
            f"<div><span>{words}{h.reporting(power, short=True)}</span>{drawn}"
            f"{h.value(power, now.time, scale=True, sign=kind == 'storage')}</div>"
        )
    whole = total(shown, now.time)
    body = f'<div class="rows">\n{chr(10).join(lines)}\n</div>'
    return (
        f'<div class="tile">\n<div class="label"><span>By type, of rated power</span>'
        f"{h.age(whole.time, now.time, whole.every)}</div>\n{body}\n</div>"
    )


def capacity_factor() -> Part:
    """Generation now over rated power."""
    return Part("capacity-factor", _capacity_factor, bare=True, span=2, narrow=6)


def _capacity_factor(now: Now) -> str:
    generation = total((site.generation for site in now.live_sites), now.time)
    capacity = sum(site.capacity() for site in now.live_sites)
    share = Reading(100 * generation.value / capacity if capacity else math.nan, generation.time, generation.every, "%")
    return h.tile(
        "Capacity factor now",
        h.value(share, now.time) + h.reporting(generation, short=True),
        age_text=h.age(share.time, now.time, share.every),
        below="wind and solar, of rated power",
    )


def energy_today() -> Part:
    """Energy made since midnight at each site."""
    return Part("energy", _energy, bare=True, span=2, narrow=6)


def _energy(now: Now) -> str:
    given = [site.energy_today for site in now.live_sites]
    energy = summed([reading for reading in given if reading.there], given)
    return h.tile(
        "Energy today",
        h.value(energy, now.time, scale=True) + h.reporting(energy, short=True),
        age_text=h.age(energy.time, now.time, energy.every),
        below="since midnight at each site",
    )


def frequency() -> Part:
    """Grid frequency at each site, as deviation from nominal."""
    return Part("frequency", _frequency, bare=True, span=2, narrow=12)


def _frequency(now: Now) -> str:
    lines, oldest = [], Reading()
    for site in now.live_sites:
        reading = site.frequency
        nominal = site.facts.grid_frequency_nominal if site.facts else 50.0
        off = abs(reading.value - nominal) > FREQUENCY_LIMIT
        oldest = reading if not oldest.time or 0 < reading.time < oldest.time else oldest
        css = "off" if off and reading.fresh(now.time) else ""
        lines.append(f'<div class="{css}"><span>{h.esc(site.name)}</span>{h.value(reading, now.time)}</div>')
    return (
        f'<div class="tile">\n<div class="label"><span>Grid frequency</span>{h.age(oldest.time, now.time, oldest.every)}'
        f'</div>\n<div class="rows plain">\n{chr(10).join(lines)}\n</div>\n</div>'
    )


# -- by farm, by state ----------------------------------------------------------------------------------


def sites(*, span: int = 7) -> Part:
    """A row per site: power, capacity factor, energy today, states, data."""
    return Part("sites", _sites, title="Sites", note="select a site for its assets", span=span)


def _sites(now: Now) -> str:
    head = (
        "<tr><th>Site</th><th class=num>Power</th><th></th><th class=num>Cap. factor</th><th class=num>Energy today</th>"
        "<th class=after>Normal</th><th class=num>Resource</th><th class=num>Age</th></tr>"
    )
    rows = [_site_row(site, now) for site in now.sites.values()]
    return f'<div class="table"><table class="cards">\n<thead>{head}</thead>\n<tbody>\n{chr(10).join(rows)}\n</tbody></table></div>'


def _site_row(site: SiteNow, now: Now) -> str:
    name = h.link("site", site.name, site=site.id)
    kind = fmt.words(str(site.facts.kind)).replace("Solar storage", "Solar + storage") if site.facts else ""
    if not site.live:
        return (
            f'<tr><td class="head">{name} <span class="quiet">{h.esc(kind)}</span></td>'
            '<td colspan="7" class="quiet whole">no live source; history only</td></tr>'
        )
    power = site.net_power
    capacity = site.capacity()
    share = site.generation.value / capacity if capacity else math.nan
    factor = Reading(100 * share, site.generation.time, site.generation.every, "%")
    energy = site.energy_today
    resource = resource_reading(site)
    abnormal = Counter(state.name for _, state in site.abnormal())
    states = " ".join(
        f'<span class="state s-{name}" title="{STATES[name].word}">{h.mark(STATES[name].shape)}{count}'
        f'<span class="sr"> {STATES[name].word}</span></span>'
        for name, count in abnormal.items()
    )
    well = len(site.states) - sum(abnormal.values())
    normal = f'<span class="quiet">{well} of {len(site.states)}</span>'
    return (
        f'<tr><td class="head">{name} <span class="quiet">{h.esc(kind)}</span></td>\n'
        f'<td class=num data-label="Power"><span>{h.reporting(power, short=True)} {h.value(power, now.time, scale=True)}</span></td>\n'
        f'<td class="drawn">{h.bar(share, css=_fill(site))}</td>\n'
        f'<td class=num data-label="Capacity factor">{h.value(factor, now.time)}</td>\n'
        f'<td class=num data-label="Energy today">{h.value(energy, now.time, scale=True)}</td>\n'
        f'<td class=after data-label="Normal"><span>{normal} {states}</span></td>\n'
        f'<td class=num data-label="{"Irradiance" if resource.variable.startswith("irr") else "Wind"}">'
        f"{h.value(resource, now.time)}</td>\n"
        f'<td class=num data-label="Age">{h.age(power.time, now.time, power.every)}</td></tr>'
    )


def _fill(site: SiteNow) -> str:
    return "solar" if site.of_type("inverter") else "wind"


def resource_reading(site: SiteNow) -> Reading:
    """Wind speed or irradiance at the site: the mast's or sensor's, or the mean of the turbines'."""
    for kind, names in (
        ("irradiance_sensor", ("irradiance_poa", "irradiance_ghi")),
        ("weather_station", ("irradiance_poa", "irradiance_ghi", "wind_speed")),
        ("met_mast", ("wind_speed", "wind_speed_80m", "wind_speed_100m")),
    ):
        for asset in site.of_type(kind):
            found = site.reading(asset, *names)
            if found.there:
                return found
    readings = [r for asset in site.of_type("wind_turbine") if (r := site.reading(asset, "wind_speed")).fresh(site.now)]
    if not readings:
        return Reading()
    mean = sum(r.value for r in readings) / len(readings)
    return Reading(mean, min(r.time for r in readings), readings[0].every, readings[0].units)


def state_matrix(*, span: int = 5) -> Part:
    """Assets by state: a row per site and type, a column per state."""
    return Part("states", _matrix, title="Assets by state", note="colour and shape mark what is abnormal", span=span)


def _matrix(now: Now) -> str:
    head = "".join(
        f'<th scope="col"><span class="state s-{state.name}">{h.mark(state.shape)}{state.word}</span></th>'
        for state in STATES.values()
    )
    rows = []
    for site in now.live_sites:
        rows.append(
            f'<tr class="group"><td colspan="{len(STATES) + 1}">{h.link("site", site.name, site=site.id)}</td></tr>'
        )
        kinds: dict[str, list[str]] = {}
        for asset in site.states:
            kinds.setdefault(site.assets[asset], []).append(asset)
        for kind, ids in kinds.items():
            cells = "\n".join(
                _cell(site, state, [a for a in ids if site.states[a] is state]) for state in STATES.values()
            )
            rows.append(f'<tr><td class="sub">{h.esc(kind_word(kind, many=True))}</td>\n{cells}</tr>')
    return (
        f'<div class="table"><table class="matrix">\n<thead><tr><th><span class="sr">Site and type</span></th>{head}</tr></thead>\n'
        f"<tbody>\n{chr(10).join(rows)}\n</tbody></table></div>"
    )


def _cell(site: SiteNow, state: State, ids: list[str]) -> str:
    if not ids:
        return '<td class="zero">·</td>'
    if not state.abnormal:
        return f'<td class="some">{len(ids)}</td>'
    where = h.href("asset", site=site.id, asset=ids[0]) if len(ids) == 1 else h.href("site", site=site.id)
    names = h.esc(", ".join(ids))
    return f'<td><a class="hit s-{state.name}" href="{where}" title="{names}" aria-label="{state.word}: {names}">{len(ids)}</a></td>'


# -- data and records -----------------------------------------------------------------------------------


def data_health(*, span: int = 5) -> Part:
    """How well the sources deliver, a row per site."""
    return Part("data-health", _data_health, title="Data health", note="select a row for its devices", span=span)


def _data_health(now: Now) -> str:
    head = (
        "<tr><th>Site</th><th>Collector</th><th class=num>Devices</th><th class=num>Values/s</th>"
        "<th class=num>Errors</th><th class=num>Newest</th></tr>"
    )
    rows = []
    for site in now.live_sites:
        devices = list(site.devices())
        well = sum(site.device_well(health, every) for *_, health, every in devices)
        errors = sum(int(health["errors"]) for *_, health, _ in devices)
        newest = max((int(health["last_time"]) for *_, health, _ in devices), default=0)
        rate = float((site.health or {}).get("collector", {}).get("values_per_s", math.nan))
        runs = h.state(STATES["operating_normal"] if site.running else STATES["offline"])
        runs = runs.replace(STATES["operating_normal"].word, "runs").replace(STATES["offline"].word, "not running")
        some = "" if well == len(devices) else ' class="state s-stale"'
        rows.append(
            f'<tr><td><a href="{h.href("sources")}#{h.esc(site.id)}">{h.esc(site.name)}</a></td><td>{runs}</td>'
            f"<td class=num><span{some}>{well} of {len(devices)}</span></td>"
            f"<td class=num>{fmt.number(rate, decimals=0) if site.running else fmt.NOTHING}</td>"
            f"<td class=num>{fmt.number(errors, decimals=0)}</td>"
            f"<td class=num>{h.age(newest, now.time, 2.0)}</td></tr>"
        )
    silent = "\n".join(_collecting_troubles(now) + _silent_devices(now, limit=4))
    table = f'<div class="table"><table>\n<thead>{head}</thead>\n<tbody>\n{chr(10).join(rows)}\n</tbody></table></div>'
    return table + (f'\n<ul class="silent">\n{silent}\n</ul>' if silent else "")


def _collecting_troubles(now: Now) -> list[str]:
    """A line for each thing that is wrong with the collecting."""
    return [
        f'<li><span class="state s-{trouble.state}">{h.mark(STATES[trouble.state].shape)}{h.esc(site.name)}</span>'
        f"<span>{h.esc(trouble.words)}</span></li>"
        for site in now.live_sites
        for trouble in troubles(site)
    ]


def _silent_devices(now: Now, *, limit: int) -> list[str]:
    """A line for each device that should deliver and does not, with what it said last."""
    lines = [
        f"<li>{h.state(STATES['stale'], word=False)}<b>{h.link('asset', device, site=site.id, asset=device)}</b> "
        f'{h.age(int(health["last_time"]), now.time, every)} <span class="quiet">{h.esc(health["last_error"])}</span></li>'
        for site in now.live_sites
        if site.running
        for _, _, device, health, every in site.devices()
        if not site.device_well(health, every)
    ]
    more = len(lines) - limit
    return [*lines[:limit], f'<li class="quiet">and {more} more</li>'] if more > 0 else lines


def recent_records(live: Live, *, site: str = "", asset: str = "", span: int = 7, limit: int = 8) -> Part:
    """What happened lately: alarms, warnings, changes of state."""
    from workbench.display.records import newest_records

    def render(now: Now) -> str:
        return records_table(
            newest_records(live.root, site=site, asset=asset, limit=limit), now, site=site, asset=asset
        )

    title = "Alarms and events"
    return Part(
        "records", render, title=title, note="newest first", span=span, every=5, about=(site, asset, str(limit))
    )


def _when(time: int, now: int) -> str:
    """Time of day, with the date where it was not today."""
    return fmt.clock(time, date=fmt.clock(time, date=True)[:10] != fmt.clock(now, date=True)[:10])


_SEVERITY = {"critical": "fault", "high": "fault", "medium": "operating_reduced", "low": "operating_reduced"}


def records_table(records: list[dict[str, object]], now: Now, *, site: str = "", asset: str = "") -> str:
    """Records as a table, without the columns that are the same in all rows."""
    if not records:
        return h.nothing("Nothing has been recorded yet: alarms, warnings and changes of state appear here.")
    rows = []
    for record in records:
        time = int(str(record["time"]))
        where = now.site(str(record["site"]))
        severity = str(record["severity"])
        kind = str(record["kind"])
        word = fmt.words(severity if severity != "info" else kind)
        state = _SEVERITY.get(severity)
        shown = (
            f'<span class="state s-{state}">{h.mark(STATES[state].shape)}{h.esc(word)}</span>' if state else h.esc(word)
        )
        what = (
            fmt.words(str(record["text"]).replace(" → ", " to "))
            or f"{fmt.words(str(record['name']))}: {fmt.words(str(record['value'])).lower()}"
        )
        cells = [f"<td>{_when(time, now.time)} {h.age(time, now.time)}</td>", f"<td>{shown}</td>"]
        if not asset:
            place = h.link("asset", str(record["asset"]), site=where.id, asset=str(record["asset"]))
            cells.append(f"<td>{place}</td>" if record["asset"] else f"<td>{h.esc(where.name)}</td>")
        cells.append(f'<td class="wide">{h.esc(what)}</td>')
        rows.append("<tr>" + "".join(cells) + "</tr>")
    place = "" if asset else "<th>Asset</th>"
    head = f"<tr><th>Time, UTC, and age</th><th>Severity</th>{place}<th>What</th></tr>"
    return f'<div class="table"><table class="events">\n<thead>{head}</thead>\n<tbody>\n{chr(10).join(rows)}\n</tbody></table></div>'
