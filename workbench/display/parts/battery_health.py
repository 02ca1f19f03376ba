"""Parts of the page of batteries."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from workbench.display import format as fmt
from workbench.display import markup as h
from workbench.display.battery import BatteryHealth, batteries_of, load
from workbench.display.battery_figures import interval
from workbench.display.page import Part
from workbench.display.parts.site import reading_rows
from workbench.display.readings import Now, Reading, SiteNow

if TYPE_CHECKING:
    from workbench.display.live import Live

HOT, VERY_HOT, UNEVEN = 45.0, 55.0, 8.0  #: limits of cells [degC], [K]; those of ThermalLimits


def battery_choice(site: str, battery: str) -> Part:
    """The batteries of a site to choose from, with their charge and power."""

    def render(now: Now) -> str:
        at = now.site(site)
        links = []
        for one in batteries_of(at):
            charge, power = at.reading(one, "state_of_charge"), at.power(one)
            here = ' aria-current="true"' if one == battery else ""
            links.append(
                f'<a href="{h.href("battery", site=site, battery=one)}"{here}>{h.esc(one)} {h.value(charge, now.time)} '
                f"{h.value(power, now.time, scale=True, sign=True)}</a>"
            )
        return '<nav class="choices" aria-label="Battery">\n' + "\n".join(links) + "\n</nav>"

    return Part("battery-choice", render, bare=True, about=(site, battery))


def battery_now(site: str, battery: str) -> Part:
    """State of a battery now, in figures: charge, power, what it may do, cells, alarms."""

    def render(now: Now) -> str:
        at = now.site(site)
        return '<div class="tiles six">' + "\n".join(_now_tiles(at, battery, now)) + "</div>"

    return Part("battery-now", render, bare=True, about=(site, battery))


def _now_tiles(at: SiteNow, battery: str, now: Now) -> list[str]:
    fact = at.fact(battery)
    charge, power = at.reading(battery, "state_of_charge"), at.power(battery)
    stored, status = at.reading(battery, "stored_energy"), at.reading(battery, "battery_status")
    size = fmt.quantity(fact.energy_capacity, "kWh", scale=True) if fact and fact.energy_capacity else ""
    held = h.value(stored, now.time, scale=True) if stored.there else ""
    of = f"{held} of {size}" if held and size else held or (f"of {size}" if size else "")
    way = "discharging" if power.value > 1 else "charging" if power.value < -1 else "resting"
    into, out = at.reading(battery, "charge_power_limit"), at.reading(battery, "discharge_power_limit")
    hottest = at.reading(battery, "cell_temperature_max", "cell_temperature_mean")
    coldest, around = at.reading(battery, "cell_temperature_min"), at.reading(battery, "ambient_temperature")
    low, high = at.reading(battery, "cell_voltage_min"), at.reading(battery, "cell_voltage_max")
    apart = Reading(1000 * (high.value - low.value), min(low.time, high.time), high.every, "mV", battery)
    alarms = alarms_now(at, battery, now)
    said = ", ".join(alarms) if alarms else "limits of temperature kept, no code shown"
    count = str(len(alarms)) if alarms else "None"
    if not at.fresh(battery):
        count, said = "–", "nothing new is known"
    return [
        h.tile(
            "State of charge",
            h.value(charge, now.time, decimals=1),
            age_text=h.age(charge.time, now.time, charge.every),
            below=f"{h.bar(charge.value / 100, css='storage')}{of}",
            css="big",
        ),
        h.tile(
            "Power",
            h.value(power, now.time, scale=True, sign=True),
            below=f"{h.deviation(power.value / at.rated(battery))}"
            f"{way if power.fresh(now.time) else 'unknown'}{', ' + fmt.words(status.state).lower() if status.state and status.state != way else ''}",
        ),
        h.tile(
            "May deliver",
            h.value(out, now.time, scale=True),
            below=f"may charge {h.value(into, now.time, scale=True)}" if into.there else "limit not measured",
        ),
        h.tile(
            "Hottest cell",
            h.value(hottest, now.time, decimals=1),
            below=f"coldest {h.value(coldest, now.time, decimals=1)}, around {h.value(around, now.time, decimals=1)}",
        ),
        h.tile(
            "Spread of the cells",
            h.value(apart, now.time, decimals=0),
            below=f"{h.value(low, now.time, decimals=3)} to {h.value(high, now.time, decimals=3)}"
            if low.there
            else "no cells reported",
        ),
        h.tile(
            "Alarms",
            f'<span class="val"><b class="{"word s-fault" if alarms else "word"}">{count}</b></span>',
            below=h.esc(said),
        ),
    ]


def alarms_now(at: SiteNow, battery: str, now: Now) -> list[str]:
    """What is wrong with a battery now, in words: its own alarms and codes, and its temperatures."""
    found = []
    if at.reading(battery, "active_alarm").state == "active":
        found.append("its own alarm")
    for name, word in (("fault_code", "fault code"), ("warning_code", "warning code")):
        reading = at.reading(battery, name)
        if reading.fresh(now.time) and reading.value > 0:
            found.append(f"{word} {reading.value:.0f}")
    hottest = at.reading(battery, "cell_temperature_max", "cell_temperature_mean")
    coldest = at.reading(battery, "cell_temperature_min")
    if hottest.fresh(now.time) and hottest.value > HOT:
        found.append(f"{'very hot' if hottest.value > VERY_HOT else 'hot'}: {hottest.value:.1f} °C")
    if hottest.fresh(now.time) and coldest.fresh(now.time) and hottest.value - coldest.value > UNEVEN:
        found.append(f"uneven: {hottest.value - coldest.value:.1f} K")
    if coldest.fresh(now.time) and coldest.value < 0 and at.power(battery).value < -1:
        found.append("charged in the cold")
    return found


def battery_rows(site: str, battery: str, *, span: int = 4) -> Part:
    """What the battery reports beside the tiles."""
    names = (
        "grid_connection",
        "ancillary_service",
        "dc_voltage",
        "dc_current",
        "dc_power",
        "auxiliary_power",
        "state_of_health",
        "cell_voltage_mean",
        "coolant_temperature",
        "cycle_count",
    )

    def render(now: Now) -> str:
        at = now.site(site)
        rows = reading_rows([at.reading(battery, name) for name in names], now)
        return (
            rows
            + f'\n<p class="quiet fineprint">{h.link("asset", "All tags of " + battery, site=site, asset=battery)}</p>'
        )

    return Part("battery-rows", render, title="Reported now", note="+ discharging", span=span, about=(site, battery))


def battery_reading(live: Live, site: str, name: str) -> Part:
    """Stands on the page while the record is read and assessed; then the page loads anew."""

    def render(_: Now) -> str:
        if load(live, site) is not None:
            return '<div class="start" data-reload><h2>Ready</h2></div>'
        return (
            f'<div class="start"><h2>Assessing the batteries of {h.esc(name)} …</h2>'
            "<p>Health, efficiency, cycles and cells from the record; some seconds, once. What is above is live already.</p></div>"
        )

    return Part("battery-reading", render, about=(site,))


def battery_nothing(site: str, reason: str) -> Part:
    """What is missing where nothing can be assessed."""
    lines = "".join(f"<p>{h.esc(line.strip())}</p>" for line in reason.splitlines())
    return Part(
        "battery-nothing",
        lambda _: f'<div class="start"><h2>There is no record to assess yet</h2>{lines}</div>',
        about=(site, reason),
    )


def health_tiles(found: BatteryHealth, battery: str) -> Part:
    """What the assessment found, in figures with their intervals."""
    return Part(
        "health-tiles",
        lambda _: _health_tiles(found, battery),
        bare=True,
        about=(found.site.id, battery, str(found.read)),
    )


def _health_tiles(found: BatteryHealth, battery: str) -> str:
    told = found.told
    if told is None or not found.known(battery):
        return h.nothing(f"No record of {battery}.")
    days = (told.window[1] - told.window[0]).total_seconds() / 86400

    def value(part: str, name: str) -> float:
        return found.value(part, name, battery)

    def of(part: str, units: str, decimals: int = 1) -> str:
        name = {"health": "state_of_health", "efficiency": "efficiency"}[part]
        low, high = value(part, "lower"), value(part, "upper")
        doubt = found.caution(part, battery)
        return (
            f"90 %: {fmt.number(low, decimals=decimals)} to {fmt.number(high, decimals=decimals)} {units}"
            + (f"; {h.esc(doubt)}" if doubt else "")
            if math.isfinite(value(part, name))
            else h.esc(found.reason(part, battery) or "not known")
        )

    rate = value("health_trend", "rate")
    trend = f"{fmt.number(rate, decimals=2)} %/year" if math.isfinite(rate) else "no trend yet"
    lost = told.lost_energy
    energy = float(lost.sel(asset=battery)) if lost is not None else math.nan
    money = f"{fmt.number(energy / 1e3 * found.price, decimals=0)} {found.currency} at {found.price:g}/MWh"
    reported = value("cycles", "equivalent_full_cycles")
    drift = _last(found, battery)
    alarm = told.drift is not None and bool(told.drift["soc_drift_alarm"].sel(asset=battery).any())
    life = told.life.life if told.life is not None else None
    years = float(life["remaining_years"].sel(asset=battery)) if life is not None else math.nan
    usable = value("usable", "of_nominal")
    if life is not None and math.isfinite(years):
        last = h.tile(
            "Remaining life",
            _figure(years, "years", 1),
            below=f"90 %: {interval(years, *(float(life[key].sel(asset=battery)) for key in ('lower', 'upper'))).partition('[')[2].rstrip(']')}",
        )
    else:
        promised = found.terms.get("guaranteed_energy")
        last = h.tile(
            "Usable energy",
            _figure(usable, "% of nominal", 1),
            below=(f"promised {promised:g} %, " if promised else "")
            + (
                f"{fmt.number(value('usable', 'discharges'), decimals=0)} whole discharges"
                if math.isfinite(usable)
                else h.esc(found.reason("usable", battery))
            ),
        )
    tiles = [
        h.tile(
            "State of health",
            _figure(value("health", "state_of_health"), "%", 1),
            below=f"{of('health', '%')}; {trend}",
            css="big",
        ),
        h.tile(
            "Round trip",
            _figure(value("efficiency", "efficiency"), "%", 1),
            below=of("efficiency", "%")
            + (
                f"; with auxiliaries {fmt.number(value('efficiency', 'efficiency_system'), decimals=1)} %"
                if math.isfinite(value("efficiency", "efficiency_system"))
                else ""
            ),
        ),
        h.tile(
            "Lost in round trips",
            _figure(energy / 1e3, "MWh", 1),
            below=money if math.isfinite(energy) else "not known",
        ),
        h.tile(
            "Full cycles",
            _figure(reported, "", 1),
            below=f"depth {fmt.number(value('cycles', 'depth_mean'), decimals=0)} %, at rest {fmt.number(value('cycles', 'soc_resting'), decimals=0)} % charged"
            if math.isfinite(reported)
            else h.esc(found.reason("cycles", battery) or "not known"),
        ),
        h.tile(
            "Charge off by",
            _figure(drift[0], "%", 1, sign=True),
            below=(f"± {fmt.number(drift[1], decimals=1)}, " if math.isfinite(drift[1]) else "")
            + ("drifted: see the alarm" if alarm else "no drift")
            if math.isfinite(drift[0])
            else h.esc(found.reason("drift", battery) or "the count is not sure enough to tell"),
        ),
        last,
    ]
    begin, end = (f"{one:%-d %b %H:%M}" for one in told.window)
    return (
        f'<div class="tiles six">{"".join(tiles)}</div>\n<p class="quiet fineprint">Of {fmt.number(days, decimals=0)} days, {begin} to '
        f"{end} UTC; health by month, trend, log and life of all the record. Assessed in {found.seconds:.1f} s, anew every ten minutes.</p>"
    )


def _last(found: BatteryHealth, battery: str) -> tuple[float, float]:
    """Newest drift of the charge and its standard uncertainty [%]; NaN where unknown."""
    if found.told is None or found.told.drift is None:
        return math.nan, math.nan
    one = found.told.drift.sel(asset=battery)
    known = np.flatnonzero(np.isfinite(one["soc_drift"].values))
    if not known.size:
        return math.nan, math.nan
    return float(one["soc_drift"].values[known[-1]]), float(one["soc_drift_std"].values[known[-1]])


def _figure(value: float, unit: str, decimals: int, *, sign: bool = False) -> str:
    if not math.isfinite(value):
        return '<span class="val"><b class="word">not told</b></span>'
    text = fmt.number(value, decimals=decimals)
    if sign and value > 0:
        text = "+" + text
    return f'<span class="val"><b>{text}</b><i>{unit}</i></span>'


def warranty(found: BatteryHealth, battery: str, *, span: int = 7) -> Part:
    """The log of the warranty by month, and what went beyond its terms."""
    return Part(
        "warranty",
        lambda _: _warranty(found, battery),
        title="Cycles and warranty",
        note="by month of the record",
        span=span,
        about=(found.site.id, battery, str(found.read)),
    )


#: Terms of a warranty in words, with their units.
_TERMS = {
    "cycles_per_year": ("full cycles a year", ""),
    "throughput": ("throughput in all", " MWh"),
    "mean_soc": ("mean charge", " %"),
    "resting_soc": ("charge at rest", " %"),
    "mean_temperature": ("mean of the cells", " °C"),
    "hours_above": ("hours a year above the hottest allowed", " h"),
    "rate": ("power over energy", " 1/h"),
    "depth": ("depth of a cycle", " %"),
}


def _warranty(found: BatteryHealth, battery: str) -> str:
    told = found.told
    if told is None or told.log is None or not found.known(battery):
        return h.nothing(found.reason("warranty", battery) or "Nothing could be logged.")
    columns = (
        ("energy_discharged", "Discharged", "MWh", 0),
        ("equivalent_full_cycles", "Full cycles", "", 1),
        ("depth_p95", "Depth", "%", 0),
        ("soc_resting", "At rest", "%", 0),
        ("temperature_mean", "Cells", "°C", 1),
        ("temperature_max", "Hottest", "°C", 1),
        ("hours_hot", f"Over {told.terms.temperature:g} °C", "h", 1),
        ("rate_max", "Rate", "1/h", 2),
    )
    log = told.log.sel(asset=battery).isel(period=slice(-6, None))
    head = "<tr><th>Month</th>" + "".join(
        f"<th class=num>{title}{f' [{unit}]' if unit else ''}</th>" for _, title, unit, _ in columns
    )
    rows = []
    for place, month in enumerate(log["period"].values):
        cells = "".join(
            f"<td class=num>{fmt.number(float(log[name].values[place]), decimals=digits) if name in log else '–'}</td>"
            for name, _, _, digits in columns
        )
        rows.append(f"<tr><td>{np.datetime_as_string(month, 'M')}</td>{cells}</tr>")
    throughput = float(log["throughput"].values[-1])
    terms = told.terms
    limited = [
        f"{words} {value:g}{unit}"
        for name, (words, unit) in _TERMS.items()
        if (value := getattr(terms, name)) is not None
    ]
    lines: list[str] = []
    if told.breaches is not None and len(told.breaches):
        lines = [
            f'<p class="beyond">{h.mark("reduced")}<b>{h.esc(fmt.words(str(one["term"])))}</b> '
            f"{str(one['period'])[:7]}: {fmt.number(float(one['value']), decimals=1)}, "
            f"allowed {fmt.number(float(one['allowed']), decimals=1)}</p>"
            for one in told.breaches[told.breaches["asset"] == battery].to_dict("records")
        ]
    if not lines:
        lines.append(
            f'<p class="quiet fineprint">Within the terms: {h.esc(", ".join(limited))}.</p>'
            if limited
            else '<p class="quiet fineprint">No terms are known: give the site attributes such as <code>warranty_cycles_per_year</code>.</p>'
        )
    counter = f"Throughput in all {fmt.number(throughput, decimals=0)} MWh."
    return (
        f'<div class="table"><table><thead>{head}</tr></thead>\n<tbody>'
        + "\n".join(rows)
        + "</tbody></table></div>\n"
        + "\n".join(lines)
        + f'\n<p class="quiet fineprint">{counter}</p>'
    )


def thermal_log(found: BatteryHealth, battery: str, *, span: int = 5) -> Part:
    """Alarms of temperature of the last month, the newest first."""
    return Part(
        "thermal-log",
        lambda _: _thermal_log(found, battery),
        title="Alarms of temperature",
        note=found.last_days(),
        span=span,
        about=(found.site.id, battery, str(found.read)),
    )


def _thermal_log(found: BatteryHealth, battery: str) -> str:
    told = found.told
    if told is None or told.events is None:
        return h.nothing(found.reason("thermal", battery) or "The temperatures of the cells are not measured.")
    events = told.events[told.events["asset"] == battery].sort_values("start", ascending=False).head(8)
    why = found.reason("thermal", battery)
    line = f'<p class="quiet fineprint">Not to be told: {h.esc(why)}.</p>' if why else ""
    if not len(events):
        good = "No cell was above 45 °C, none was charged below 0 °C, none lay 8 K from another or rose by 5 K in ten minutes."
        return h.nothing(good) + "\n" + line
    rows = "\n".join(
        f"<tr><td>{one['start']:%-d %b %H:%M}</td><td>{h.esc(fmt.words(str(one['alarm'])))}</td>"
        f"<td class=num>{fmt.number(float(one['hours']), decimals=1)} h</td><td class=num>{fmt.number(float(one['peak']), decimals=1)} °C</td></tr>"
        for one in events.to_dict("records")
    )
    head = "<tr><th>From [UTC]</th><th>Alarm</th><th class=num>Length</th><th class=num>Hottest cell</th></tr>"
    return f'<div class="table"><table><thead>{head}</thead>\n<tbody>{rows}</tbody></table></div>\n{line}'


__all__ = [
    "alarms_now",
    "battery_choice",
    "battery_nothing",
    "battery_now",
    "battery_reading",
    "battery_rows",
    "health_tiles",
    "thermal_log",
    "warranty",
]
