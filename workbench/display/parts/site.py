"""Parts of a site's page."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.display import format as fmt
from workbench.display import markup as h
from workbench.display.drawing import Place, rose, site_layout
from workbench.display.expectation import Performance, expected_now, performance, site_irradiance
from workbench.display.history import RANGES, course
from workbench.display.page import Part
from workbench.display.parts.portfolio import FREQUENCY_LIMIT, resource_reading, verdict_line
from workbench.display.plots import rose_table
from workbench.display.readings import PARTS, Now, Reading, SiteNow, kind_word

if TYPE_CHECKING:
    from workbench.display.live import Live


def site_subtitle(at: SiteNow) -> str:
    """What and where a site is, in a few words."""
    facts = at.facts
    if facts is None:
        return ""
    kind = {"solar_storage": "Solar and storage"}.get(str(facts.kind), fmt.words(str(facts.kind)))
    north, east = ("N" if facts.latitude >= 0 else "S"), ("E" if facts.longitude >= 0 else "W")
    place = f"{abs(facts.latitude):.2f}° {north}, {abs(facts.longitude):.2f}° {east}"
    return f"{kind}, {fmt.quantity(facts.capacity, 'kW', scale=True)} at the grid, {place}, {facts.elevation:.0f} m"


def site_verdict(site: str) -> Part:
    """One line that says whether the site is well."""

    def render(now: Now) -> str:
        at = now.site(site)
        line = verdict_line([at], whole=at.name) if at.live else _not_live()
        if at.of_type("wind_turbine"):
            chip = f'<a class="chip" href="{h.href("performance", site=site)}">Performance</a>'
            line = line.removesuffix("</div>") + f"{chip}\n</div>"
        if at.of_type("inverter"):
            chip = f'<a class="chip" href="{h.href("solar", site=site)}">Solar</a>'
            line = line.removesuffix("</div>") + f"{chip}\n</div>"
        if at.of_type("battery"):
            chip = f'<a class="chip" href="{h.href("battery", site=site)}">Batteries</a>'
            line = line.removesuffix("</div>") + f"{chip}\n</div>"
        return line

    return Part("site-verdict", render, bare=True, about=(site,))


def _not_live() -> str:
    return (
        f'<div class="verdict">\n{h.mark("unknown")}<strong>No live source</strong>\n<span class="what">'
        "This site is in the portfolio without a live source; its history can be read in notebooks and reports.</span>\n</div>"
    )


# -- figures --------------------------------------------------------------------------------------------


def site_tiles(live: Live, site: str) -> list[Part]:
    """The figures of a site: power, against expectation, energy, the resource, the grid."""

    def measured(now: Now) -> dict[str, Performance]:
        return live.remember(("performance", site), lambda: performance(live, site), seconds=5.0) or {}

    makers: dict[str, Callable[[SiteNow, Now], str]] = {
        "power": _power,
        "expectation": lambda at, now: _expectation(measured(now)),
        "energy": _energy,
        "resource": _resource,
        "frequency": _frequency,
    }
    if live.now.site(site).of_type("battery"):
        makers["storage"] = _storage
    span = 12 // len(makers) if 12 % len(makers) == 0 else 2
    first = 12 - span * (len(makers) - 1)

    def part(name: str, width: int, narrow: int) -> Part:
        make = makers[name]
        return Part(
            f"site-{name}", lambda now: make(now.site(site), now), bare=True, span=width, narrow=narrow, about=(site,)
        )

    first_name, *others = makers
    return [part(first_name, first, 12), *(part(name, span, 6) for name in others)]


def _power(at: SiteNow, now: Now) -> str:
    power, capacity = at.net_power, at.capacity()
    share = at.generation.value / capacity if capacity else math.nan
    name = "Power now, net" if at.of_type("battery") else "Power now"
    css = "solar" if at.of_type("inverter") else "wind"
    return h.tile(
        name,
        h.value(power, now.time, scale=True) + h.reporting(power),
        age_text=h.age(power.time, now.time, power.every),
        below=f"{h.bar(share, css=css)}generates {fmt.percent(share)} of {fmt.quantity(capacity, 'kW', scale=True)}",
        css="big",
    )


def _expectation(found: dict[str, Performance]) -> str:
    power = sum(one.power for one in found.values())
    expected = sum(one.expected for one in found.values())
    rated = sum(one.rated for one in found.values())
    ratio = 100 * power / expected if expected > 0.02 * rated else math.nan
    low = sum(one.low for one in found.values())
    below = f"of {fmt.quantity(expected, 'kW', scale=True)} expected" if found else "nothing to compare"
    if found and math.isnan(ratio):
        below = "too little to expect now"
    if low:
        below += f', <span class="state s-operating_reduced">{h.mark("reduced")}{low} clearly below</span>'
    return h.tile(
        "Against expectation",
        f'<span class="val{"" if found else " stale"}"><b>{fmt.number(ratio, decimals=1)}</b><i>%</i></span>',
        age_text='<span class="age">last 10 min</span>',
        below=below,
    )


def _energy(at: SiteNow, now: Now) -> str:
    energy = at.energy_today
    return h.tile(
        "Energy today",
        h.value(energy, now.time, scale=True) + h.reporting(energy, short=True),
        age_text=h.age(energy.time, now.time, energy.every),
        below=f"since midnight, {h.esc(at.timezone.partition('/')[2].replace('_', ' ') or at.timezone)}",
    )


def _resource(at: SiteNow, now: Now) -> str:
    reading = resource_reading(at)
    if reading.variable.startswith("irradiance"):
        warm = at.reading(reading.asset, "module_temperature")
        label = "Irradiance on the modules" if reading.variable.endswith("poa") else "Horizontal irradiance"
        below = f"modules at {fmt.quantity(warm.value, warm.units)}" if warm.there else ""
    else:
        label = "Wind speed"
        below = f"at {h.esc(reading.asset)}" if reading.asset else "mean of the turbines"
    return h.tile(label, h.value(reading, now.time), age_text=h.age(reading.time, now.time, reading.every), below=below)


def _frequency(at: SiteNow, now: Now) -> str:
    reading = at.frequency
    nominal = at.facts.grid_frequency_nominal if at.facts else 50.0
    off = reading.value - nominal
    word = f"{fmt.number(1000 * off, decimals=0)} mHz from {nominal:g} Hz" if reading.there else ""
    if reading.there and off > 0:
        word = "+" + word
    if abs(off) > FREQUENCY_LIMIT and reading.fresh(now.time):
        word = f'<span class="state s-fault">{h.mark("fault")}{word}</span>'
    return h.tile(
        "Grid frequency", h.value(reading, now.time), age_text=h.age(reading.time, now.time, reading.every), below=word
    )


def _storage(at: SiteNow, now: Now) -> str:
    asset = at.of_type("battery")[0]
    charge = at.reading(asset, "state_of_charge")
    return h.tile(
        "State of charge",
        h.value(charge, now.time),
        age_text=h.age(charge.time, now.time, charge.every),
        below=h.bar(charge.value / 100, css="storage"),
    )


# -- layout and assets ----------------------------------------------------------------------------------


def layout(site: str, *, span: int = 5) -> Part:
    """The site as it stands: assets at their positions, north up, with state and power."""

    def render(now: Now) -> str:
        at = now.site(site)
        whole = [asset for asset, kind in at.assets.items() if kind not in PARTS]
        places = [place for asset in whole if (place := _place(at, asset)) is not None]
        if not places:
            return h.nothing("No positions are known; give latitude and longitude in the portfolio.")
        return site_layout(places, wind_from=_wind_from(at), name=at.name)

    return Part("layout", render, title="Layout", note="north up; select an asset", span=span, about=(site,), every=2)


def _place(at: SiteNow, asset: str) -> Place | None:
    fact = at.fact(asset)
    if fact is None or fact.latitude is None or fact.longitude is None:
        return None
    kind, reading = at.assets[asset], _main(at, asset)
    heading = at.reading(asset, "nacelle_position").value if kind == "wind_turbine" else math.nan
    load = at.reading(asset, "state_of_charge").value / 100 if kind == "battery" else reading.value / at.rated(asset)
    if reading.fresh(at.now):
        value, units = fmt.scaled(reading.value, reading.units)
        label = f"{fmt.number(value, units, decimals={'MW': 2, 'kW': 0}.get(units))} {units}"
    else:
        label = "stale" if reading.there else fmt.NOTHING
    return Place(
        asset,
        kind,
        fact.latitude,
        fact.longitude,
        at.states.get(asset),
        label,
        h.href("asset", site=at.id, asset=asset),
        heading,
        load,
    )


def _main(at: SiteNow, asset: str) -> Reading:
    """The one value that says most about an asset."""
    kind = at.assets[asset]
    if kind in ("met_mast", "weather_station"):
        return at.reading(asset, "wind_speed", "wind_speed_80m", "irradiance_poa", "temperature")
    if kind == "irradiance_sensor":
        return at.reading(asset, "irradiance_poa", "irradiance_ghi")
    return at.power(asset)


def _wind_from(at: SiteNow) -> float:
    for asset in at.of_type("met_mast", "weather_station", "wind_turbine"):
        reading = at.reading(asset, "wind_direction", "wind_direction_80m")
        if reading.fresh(at.now):
            return reading.value
    return math.nan


def asset_cards(live: Live, site: str, *, span: int = 7) -> Part:
    """A card per asset: state, power, against expectation, age. The abnormal ones come first; parts, where they are abnormal."""

    def render(now: Now) -> str:
        at = now.site(site)
        found = live.remember(("performance", site), lambda: performance(live, site), seconds=5.0) or {}
        shown = [
            asset
            for asset, kind in at.assets.items()
            if kind not in PARTS or ((state := at.states.get(asset)) is not None and state.abnormal)
        ]
        order = sorted(shown, key=lambda asset: -at.states[asset].severity if asset in at.states else 0)
        cards = [_card(at, asset, found.get(asset), now) for asset in order]
        return f'<div class="assets{" many" if len(cards) > 9 else ""}">\n{chr(10).join(cards)}\n</div>'

    note = "abnormal first; bar: power now, tick: expected now" if live.now.site(site).live else "select an asset"
    return Part("assets", render, title="Assets", note=note, span=span, about=(site,))


def _card(at: SiteNow, asset: str, measured: Performance | None, now: Now) -> str:
    if not at.live:
        return _quiet_card(at, asset)
    state, kind, reading = at.states.get(asset), at.assets[asset], _main(at, asset)
    side, drawn = Reading(), ""
    if kind == "wind_turbine":
        side = at.reading(asset, "wind_speed")
    elif kind == "battery":
        side = at.reading(asset, "state_of_charge")
    elif kind == "grid_meter":
        side = at.reading(asset, "grid_frequency", "frequency")
    elif kind in ("met_mast", "weather_station"):
        side = at.reading(asset, "temperature", "ambient_temperature")
    elif kind == "irradiance_sensor":
        side = at.reading(asset, "module_temperature")
    elif kind == "inverter":
        side = at.reading(asset, "internal_temperature", "heatsink_temperature")
    rated = at.rated(asset)
    if kind in ("wind_turbine", "inverter"):
        expected = expected_now(at, asset) / rated
        css = "low" if measured is not None and measured.low else ("solar" if kind == "inverter" else "wind")
        drawn = h.bar(reading.value / rated if reading.fresh(now.time) else math.nan, mark_at=expected, css=css)
    elif kind == "battery":
        drawn = h.deviation(reading.value / rated if reading.fresh(now.time) else math.nan)
    else:
        drawn = '<span class="bar none"></span>'
    css = f"abnormal is-{state.name}" if state is not None and state.abnormal else ""
    where = h.href("asset", site=at.id, asset=asset)
    newest, every = at.newest(asset), at.every(asset)
    beside = h.value(side, now.time) if side.variable else ""
    return (
        f'<a class="asset {css}" href="{where}"><div><span class="id">{h.esc(asset)}</span>'
        f"{h.state(state) if state is not None else ''}</div>\n"
        f"<div>{h.value(reading, now.time, scale=kind != 'inverter', sign=kind == 'battery')}{h.age(newest, now.time, every)}</div>\n{drawn}\n"
        f'<div class="small"><span>{_beside_word(kind)}</span>{beside}</div></a>'
    )


def _quiet_card(at: SiteNow, asset: str) -> str:
    """An asset that no live source speaks of: what it is, instead of values that will never come."""
    rated = fmt.quantity(at.rated(asset), "kW", scale=True) if math.isfinite(at.rated(asset)) else ""
    return (
        f'<a class="asset" href="{h.href("asset", site=at.id, asset=asset)}"><div><span class="id">{h.esc(asset)}</span></div>\n'
        f'<div class="small"><span>{h.esc(kind_word(at.assets[asset]))}</span><span>{rated}</span></div></a>'
    )


def _beside_word(kind: str) -> str:
    return {
        "wind_turbine": "Nacelle wind",
        "battery": "State of charge",
        "grid_meter": "Frequency",
        "met_mast": "Temperature",
        "weather_station": "Temperature",
        "irradiance_sensor": "Modules",
        "inverter": "Cabinet",
    }.get(kind, "")


# -- resource -------------------------------------------------------------------------------------------


def wind_rose(live: Live, site: str, *, hours: float = 7 * 24, span: int = 3) -> Part:
    """Where the wind came from in the last days, and how fast; an arrow for now."""

    def work() -> Any:
        at = live.now.site(site)
        for asset in at.of_type("met_mast", "weather_station", "wind_turbine"):
            name = next((n for n in ("wind_direction", "wind_direction_80m") if at.reading(asset, n).there), "")
            if not name:
                continue
            direction = course(live, site, asset, name, RANGES["7d"])
            speed = course(live, site, asset, "wind_speed", RANGES["7d"])
            _, a, b = np.intersect1d(direction.time, speed.time, return_indices=True)
            if a.size:
                return (*rose_table(direction.value[a], speed.value[b]), asset)
        return ()

    def render(now: Now) -> str:
        found = live.remember(("rose", site), work, seconds=600.0)
        if found is None:
            return h.nothing("Reading the last days …")
        if not found:
            return h.nothing("Nothing at this site measures both direction and speed of the wind.")
        shares, labels, asset = found
        drawn = rose(shares, labels, now={"direction": _wind_from(now.site(site))})
        return (
            drawn + f'\n<p class="quiet">Share of time by direction, {h.esc(asset)}, ten-minute means. Arrow: now.</p>'
        )

    return Part("rose", render, title="Wind rose, last 7 days", span=span, about=(site,), every=5)


def irradiance(live: Live, site: str, *, span: int = 4) -> Part:
    """Irradiance and temperatures now, and the course of the day."""

    def work() -> Any:
        at = live.now.site(site)
        sensor, name = site_irradiance(at)
        return course(live, site, sensor, name, RANGES["24h"]).value if sensor else np.array([])

    def render(now: Now) -> str:
        at = now.site(site)
        sensor, _ = site_irradiance(at)
        if not sensor:
            return h.nothing("Nothing at this site measures irradiance.")
        past = live.remember(("irradiance", site), work, seconds=300.0)
        names = (
            "irradiance_poa",
            "irradiance_ghi",
            "irradiance_dni",
            "irradiance_dhi",
            "module_temperature",
            "ambient_temperature",
            "temperature",
        )
        rows = reading_rows([at.reading(sensor, name) for name in names], now)
        drawn = h.spark(past if past is not None else [], width=300, height=104, points=144)
        most = float(np.nanmax(past)) if past is not None and np.isfinite(past).any() else math.nan
        peak = f", at most {fmt.quantity(most, 'W/m2')}" if math.isfinite(most) else ""
        return f'<div class="course">{drawn}<span class="quiet">irradiance, last 24 h{peak}</span></div>\n{rows}'

    return Part("irradiance", render, title="Irradiance and temperature", span=span, about=(site,))


def battery(site: str, *, span: int = 4) -> Part:
    """The battery: charge, power, limits, temperatures."""

    def render(now: Now) -> str:
        at = now.site(site)
        blocks = []
        for asset in at.of_type("battery"):
            charge, power = at.reading(asset, "state_of_charge"), at.power(asset)
            fact = at.fact(asset)
            size = fmt.quantity(fact.energy_capacity, "kWh", scale=True) if fact and fact.energy_capacity else ""
            way = "discharging" if power.value > 1 else "charging" if power.value < -1 else "resting"
            names = (
                "stored_energy",
                "state_of_health",
                "dc_voltage",
                "dc_current",
                "cell_temperature_max",
                "charge_power_limit",
                "discharge_power_limit",
                "cycle_count",
            )
            blocks.append(
                f'<div class="rows battery"><div><span>Charge{f" of {size}" if size else ""}</span>'
                f"{h.bar(charge.value / 100, css='storage')}{h.value(charge, now.time)}</div>\n"
                f"<div><span>Power, {way if power.fresh(now.time) else 'unknown'}</span>{h.deviation(power.value / at.rated(asset))}"
                f"{h.value(power, now.time, scale=True, sign=True)}</div></div>\n"
                + reading_rows([at.reading(asset, "battery_status"), *(at.reading(asset, n) for n in names)], now)
            )
        return "\n".join(blocks)

    return Part("battery", render, title="Battery", note="+ discharging, − charging", span=span, about=(site,))


def grid_meter(site: str, *, span: int = 4) -> Part:
    """The meter at the point of connection."""

    def render(now: Now) -> str:
        at = now.site(site)
        names = (
            "active_power",
            "reactive_power",
            "power_factor",
            "grid_frequency",
            "frequency",
            "voltage_l1_l2",
            "voltage_l1",
            "current_l1",
            "energy_export_today",
            "energy_export",
            "energy_import",
            "breaker_status",
        )
        rows = [reading_rows([at.reading(asset, name) for name in names], now) for asset in at.of_type("grid_meter")]
        return "\n".join(rows) or h.nothing("No grid meter at this site.")

    return Part("meter", render, title="Grid connection", note="+ to the grid", span=span, about=(site,))


def reading_rows(readings: list[Reading], now: Now) -> str:
    """A row per reading that was ever there: name, value with unit, age."""
    from workbench.model.vocabulary import vocabulary

    rows = []
    for reading in readings:
        if not reading.there:
            continue
        term = vocabulary().get(reading.variable)
        name = fmt.words(term.long_name if term else reading.variable)
        scale = fmt.unit(reading.units) in ("kW", "kWh", "kvar")
        rows.append(
            f"<tr><td>{h.esc(name)}</td><td class=num>{h.value(reading, now.time, scale=scale)}</td>"
            f"<td class=num>{h.age(reading.time, now.time, reading.every)}</td></tr>"
        )
    if not rows:
        return h.nothing("Nothing has arrived yet.")
    return f"<table>\n<tbody>\n{chr(10).join(rows)}\n</tbody></table>"
