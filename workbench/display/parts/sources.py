"""Parts of the data health page: collectors, sources, devices."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from workbench.display import format as fmt
from workbench.display import markup as h
from workbench.display.collecting import Trouble, dropped_words, keeper_words, troubles, waiting_words
from workbench.display.page import Part
from workbench.display.readings import Now, SiteNow
from workbench.display.states import STATES

_DEVICE = {"ok": "operating_normal", "degraded": "operating_reduced", "down": "offline"}
_PROTOCOL = {"opcua": "OPC UA", "modbus": "Modbus", "mqtt": "MQTT", "tail": "File"}


def sources_verdict() -> Part:
    """One line: does every source deliver?"""
    return Part("sources-verdict", _verdict, bare=True)


def _verdict(now: Now) -> str:
    devices = [(site, device) for site in now.live_sites for device in site.devices()]
    ill = [
        (site, name, device)
        for site, (name, _, device, health, every) in devices
        if not site.device_well(health, every)
    ]
    silent = [site for site in now.live_sites if not site.running]
    wrong = [(site, trouble) for site in now.live_sites for trouble in troubles(site)]
    if not ill and not silent and not wrong:
        return (
            f'<div class="verdict">\n{h.mark("well")}<strong>Every source delivers</strong>\n'
            f'<span class="what">{len(devices)} devices at {len(now.live_sites)} sites.</span>\n</div>'
        )
    items = [f'<li><a href="#{h.esc(site.id)}">No collector for {h.esc(site.name)}</a></li>' for site in silent]
    items += [
        f'<li><a href="#{h.esc(site.id)}"><b>{h.esc(device)}</b> {h.esc(name.partition(".")[2])}</a></li>'
        for site, name, device in ill
        if site.running
    ][:8]
    items += [
        f'<li><a href="#{h.esc(site.id)}"><span class="state s-{trouble.state}">{h.mark(STATES[trouble.state].shape)}'
        f"{h.esc(site.name)}</span>{h.esc(fmt.shorten(trouble.words, 60))}</a></li>"
        for site, trouble in wrong
    ]
    if not ill and not silent:
        worst = any(trouble.state == "fault" for _, trouble in wrong)
        css, shape = ("bad", "fault") if worst else ("warn", "reduced")
        return (
            f'<div class="verdict {css}">\n{h.mark(shape)}<strong>Collecting needs attention</strong>\n'
            f'<ul>\n{chr(10).join(items)}\n</ul>\n<span class="count">all {len(devices)} devices deliver</span>\n</div>'
        )
    words = "No collector runs" if silent and len(silent) == len(now.live_sites) else "Some data does not arrive"
    return (
        f'<div class="verdict blind">\n{h.mark("offline")}<strong>{words}</strong>\n<ul>\n{chr(10).join(items)}\n</ul>\n'
        f'<span class="count">{len(ill)} of {len(devices)} devices silent</span>\n</div>'
    )


def collectors() -> Part:
    """A tile per site: its collector, how much it takes in, what waits."""
    return Part("collectors", _collectors, bare=True)


def _collectors(now: Now) -> str:
    tiles = [_collector(site, now) for site in now.live_sites]
    return f'<div class="assets collectors">\n{chr(10).join(tiles)}\n</div>'


def _collector(site: SiteNow, now: Now) -> str:
    health: Mapping[str, Any] = site.health or {}
    collector = health.get("collector", {})
    written = int(health.get("time", 0))
    rate = float(collector.get("values_per_s", math.nan))
    state = STATES["operating_normal"] if site.running else STATES["offline"]
    words = "runs" if site.running else "not running"
    wrong = {trouble.name: trouble for trouble in troubles(site)}
    facts = [
        ("Since", fmt.clock(int(collector.get("started", 0)), date=True, seconds=False) + " UTC"),
        (
            "Values taken in",
            fmt.number(float(collector["values"]), decimals=0) if "values" in collector else fmt.NOTHING,
        ),
        ("Late samples", _count(collector, "late")),
        ("Waiting for the journal", _told(wrong.get("waiting"), waiting_words(collector))),
        ("Dropped", _told(wrong.get("dropped"), dropped_words(collector) or _count(collector, "dropped"))),
        ("Suspect clock", _told(wrong.get("clock"), _count(collector, "clock"))),
        ("Keeper", _told(wrong.get("keeper"), keeper_words(collector) if site.running else fmt.NOTHING)),
    ]
    rows = "\n".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in facts)
    error = f'<div class="trouble">{_told(journal, journal.words)}</div>' if (journal := wrong.get("journal")) else ""
    shown = fmt.number(rate, decimals=0) if site.running else fmt.NOTHING
    return (
        f'<div class="tile" id="collector-{h.esc(site.id)}">\n<div class="label"><span>{h.esc(site.name)}</span>'
        f"{h.age(written, now.time, 2.0)}</div>\n"
        f'<div class="figure"><b>{shown}</b> <i class="unit">values/s</i></div>\n'
        f"<div>{h.state(state).replace(state.word, 'Collector ' + words)}</div>\n"
        f'<dl class="facts">\n{rows}\n</dl>\n{error}</div>'
    )


def _count(collector: Mapping[str, Any], name: str) -> str:
    return fmt.number(float(collector.get(name, math.nan)), decimals=0)


def _told(trouble: Trouble | None, text: str) -> str:
    """``text`` in the colour and with the mark of what is wrong with it, if anything is."""
    if trouble is None:
        return h.esc(text)
    return f'<span class="state s-{trouble.state}">{h.mark(STATES[trouble.state].shape)}{h.esc(text)}</span>'


def devices(site: str, name: str) -> Part:
    """A row per device of a site: state, age of its newest value, rate, errors, reconnects."""

    def render(now: Now) -> str:
        return _devices(now.site(site), now)

    return Part("devices", render, title=name, note="ages are counted from the source's own time", about=(site,))


def _devices(site: SiteNow, now: Now) -> str:
    # One set of widths, so that the tables of all sites stand in line.
    widths = "".join(f'<col style="width:{width}%">' for width in (17, 9, 9, 9, 6, 7, 8, 7, 6, 8, 14))
    head = (
        "<tr><th>Source</th><th>Device</th><th>State</th><th class=num>Newest value</th><th class=num>Delay</th>"
        "<th class=num>Values/s</th><th class=num>Samples</th><th class=num>Flagged</th><th class=num>Errors</th>"
        "<th class=num>Reconnects</th><th class=after>Last error</th></tr>"
    )
    rows = []
    before = ""
    for source, protocol, device, health, every in site.devices():
        short = source.partition(".")[2] or source
        cadence = fmt.age(every).replace(".0", "")
        first = f"{h.esc(short)} <span class=quiet>{_PROTOCOL.get(protocol, h.esc(protocol))}, {cadence}</span>"
        rows.append(_device_row(site, now, source, device, health, every, first if source != before else ""))
        before = source
    if not rows:
        return h.nothing("No collector has written about this site yet. Start one with", "workbench collect")
    return (
        f'<div class="table" id="{h.esc(site.id)}"><table class="cards">\n<colgroup>{widths}</colgroup>\n<thead>{head}</thead>\n<tbody>\n{chr(10).join(rows)}\n'
        "</tbody></table></div>"
    )


def _device_row(
    site: SiteNow, now: Now, source: str, device: str, health: Mapping[str, Any], every: float, first: str
) -> str:
    last = int(health["last_time"])
    said = str(health["state"])
    state = STATES[_DEVICE.get(said, "unknown")] if site.running else STATES["stale"]
    if site.running and said == "ok" and not site.device_well(health, every):
        state, said = STATES["stale"], "silent"
    word = said if site.running else "no collector"
    shown = h.state(state).replace(state.word, h.esc(word))
    delay = (int(health["last_received"]) - last) / 1e9 if last else math.nan
    rate = site.rates.get(f"{source}/{device}", math.nan) if site.running else math.nan
    errors = int(health["errors"])
    past = "past" if site.device_well(health, every) else "wide"  # of an error that is over one line is enough
    return (
        f'<tr><td class="source{"" if first else " none"}">{first}</td><td class=head>{h.link("asset", device, site=site.id, asset=device)}'
        f'</td>\n<td data-label="State">{shown}</td>\n'
        f'<td class=num data-label="Newest value">{h.age(last, now.time, every)}</td>\n'
        f'<td class=num data-label="Delay">{fmt.age(delay) if math.isfinite(delay) else fmt.NOTHING}</td>\n'
        f'<td class=num data-label="Values/s">{fmt.number(rate, decimals=1 if rate < 10 else 0)}</td>\n'
        f'<td class=num data-label="Samples">{fmt.number(health["samples"], decimals=0)}</td>\n'
        f'<td class=num data-label="Flagged">{fmt.number(health["bad"], decimals=0)}</td>\n'
        f'<td class=num data-label="Errors">{fmt.number(errors, decimals=0)}</td>'
        f'<td class=num data-label="Reconnects">{fmt.number(health["reconnects"], decimals=0)}</td>\n'
        f'<td class="{past} quiet error after" title="{h.esc(health["last_error"])}">{h.esc(health["last_error"])}</td></tr>'
    )
