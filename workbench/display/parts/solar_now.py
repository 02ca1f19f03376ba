"""Parts of the page of solar plants that live: the plants of the portfolio, a plant now, its inverters."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from workbench.display import format as fmt
from workbench.display import markup as h
from workbench.display.expectation import Performance, expected_now, performance, site_irradiance
from workbench.display.page import Part
from workbench.display.readings import Now, Reading, SiteNow, total
from workbench.display.solar import SolarHealth, load, solar_sites
from workbench.display.solar_today import LIGHT, Today, today

if TYPE_CHECKING:
    from workbench.display.live import Live

LOW = 0.9  #: index below which an inverter is coloured


def solar_plants(live: Live) -> Part:
    """The solar plants of the portfolio: power against expectation, and how the last year went."""
    known = solar_sites(live)

    def render(now: Now) -> str:
        rows = [_plant_row(live, now.site(site), now) for site in known]
        if not rows:
            return h.nothing("No site of the portfolio has inverters.")
        head = (
            "<tr><th>Plant</th><th class=num>Power now</th><th class=num>Expected now</th><th class=num>Irradiance</th>"
            "<th class=num>Performance ratio</th><th class=num>Availability</th><th class=num>Made</th><th class=num>Expected</th>"
            "<th class=num>Of expected</th><th>By day</th><th>Period</th></tr>"
        )
        return (
            f'<div class="table"><table class="cards"><thead>{head}</thead>\n<tbody>{chr(10).join(rows)}</tbody></table></div>\n'
            '<p class="quiet fineprint">Now: by the modules’ irradiance and temperature. The rest is assessed from the last twelve months of each '
            "record, in the background. Availability by energy.</p>"
        )

    return Part("solar-plants", render, title="Solar plants", note="select a plant for its inverters", every=2)


def _cells(*cells: tuple[str, str]) -> str:
    return "".join(f'<td class=num data-label="{name}">{text}</td>' for name, text in cells)


def _plant_row(live: Live, at: SiteNow, now: Now) -> str:
    inverters = at.of_type("inverter")
    name = h.link("solar", at.name, site=at.id)
    head = f'<tr><td class="head">{name} <span class=quiet>{len(inverters)} inverter{"s" if len(inverters) != 1 else ""}</span></td>'
    if at.live:
        power = total((at.power(one) for one in inverters), now.time)
        due = _expected(at)
        sensor, light_name = site_irradiance(at)
        light = at.reading(sensor, light_name)
        live_cells: tuple[tuple[str, str], ...] = (
            ("Power now", h.value(power, now.time, scale=True)),
            ("Expected now", _amount(due, "kW") if math.isfinite(due) else fmt.NOTHING),
            ("Irradiance", h.value(light, now.time, decimals=0) if light.there else fmt.NOTHING),
        )
    else:
        live_cells = tuple((one, "not live") for one in ("Power now", "Expected now", "Irradiance"))
    found = load(live, at.id)
    if found is None:
        return head + _cells(*live_cells) + '<td class="whole quiet" colspan=7>being assessed …</td></tr>'
    if found.told is None:
        why = found.problem.splitlines()[0] if found.problem else "nothing to assess"
        return head + _cells(*live_cells) + f'<td class="whole quiet wide" colspan=7>{h.esc(why)}</td></tr>'
    figures = plant_figures(found)
    first, last = found.told.window
    form = "%b %Y" if (last - first).days > 62 else "%-d %b"
    told = (
        ("Performance ratio", fmt.percent(figures["ratio"])),
        ("Availability", fmt.percent(figures["availability"])),
        ("Made", _amount(figures["made"], "kWh")),
        ("Expected", _amount(figures["expected"], "kWh")),
        ("Of expected", coloured(figures["index"])),
    )
    return (
        head
        + _cells(*live_cells, *told)
        + f'<td class="course drawn" data-label="By day">{_by_day(found)}</td>'
        + f'<td class="quiet" data-label="Period">{first.strftime(form)} to {last.strftime(form)}</td></tr>'
    )


def _by_day(found: SolarHealth) -> str:
    """Course of the days' energy over what was expected."""
    told = found.told
    if told is None or told.losses is None or "period" not in told.losses.dims:
        return ""
    expected = told.losses["expected_energy"].sum("asset").values
    made = told.losses["actual_energy"].sum("asset").values
    enough = expected > 0.05 * expected.max(initial=0.0)
    return h.spark(np.where(enough, np.clip(made / np.where(enough, expected, 1.0), 0.0, 1.5), np.nan))


def _amount(value: float, units: str) -> str:
    return h.esc(fmt.quantity(value, units, scale=True)) if math.isfinite(value) else fmt.NOTHING


def plant_figures(found: SolarHealth, asset: str = "") -> dict[str, float]:
    """Figures of a plant, or of one of its inverters, over all that was assessed; NaN where one is not known.

    ``ratio`` and ``availability`` (by energy) [1], ``made`` and ``expected`` [kWh] in the slots that are known, ``index`` [1] of the two,
    ``money`` lost [currency].
    """
    told, none = found.told, float("nan")
    figures = dict.fromkeys(("ratio", "availability", "time_availability", "made", "expected", "index", "money"), none)
    if told is None:
        return figures
    if told.kpi is not None:
        one = told.kpi.assets.sel(asset=asset) if asset else told.kpi.groups.isel(group=0)
        figures["ratio"] = float(one["performance_ratio"].values.squeeze())
    if told.availability is not None:
        table = (
            told.availability.figures.isel(period=0)
            if "period" in told.availability.figures.dims
            else told.availability.figures
        )
        for name in ("energy_availability", "time_availability"):
            value = table[name].sel(asset=asset) if asset else table[f"plant_{name}"]
            figures["availability" if name.startswith("energy") else name] = float(value)
    if told.losses is not None:
        one = told.losses.sel(asset=[asset]) if asset else told.losses
        figures["made"], figures["expected"] = (float(one[f"{name}_energy"].sum()) for name in ("actual", "expected"))
        if figures["expected"] > 0:
            figures["index"] = figures["made"] / figures["expected"]
        figures["money"] = (figures["expected"] - figures["made"]) / 1e3 * found.price
    return figures


def _expected(at: SiteNow) -> float:
    known = [one for one in (expected_now(at, asset) for asset in at.of_type("inverter")) if math.isfinite(one)]
    return sum(known) if known else math.nan


def solar_tiles(live: Live, site: str, asset: str = "") -> Part:
    """A plant or an inverter now: power against expectation, irradiance, the day so far."""

    def render(now: Now) -> str:
        at = now.site(site)
        return '<div class="tiles six">' + "\n".join(_tiles(live, at, asset, now)) + "</div>"

    return Part("solar-tiles", render, bare=True, about=(site, asset))


def _tiles(live: Live, at: SiteNow, asset: str, now: Now) -> list[str]:
    ids = [asset] if asset else at.of_type("inverter")
    power = at.power(asset) if asset else total((at.power(one) for one in ids), now.time)
    rated = sum(one for one in map(at.rated, ids) if math.isfinite(one)) or math.nan
    due = expected_now(at, asset) if asset else _expected(at)
    sensor, light_name = site_irradiance(at)
    light = at.reading(sensor, light_name)
    warm = at.reading(sensor, "module_temperature")
    dark = light.fresh(now.time) and light.value < LIGHT
    measured = live.remember(("performance", at.id), lambda: performance(live, at.id), seconds=5.0) or {}
    index = _index(measured, ids)
    day = today(live, at.id)
    ratio, of_day, energy = day.figures(asset) if day is not None else (math.nan, math.nan, math.nan)
    made = total((at.reading(one, "energy_today", "energy_production_today") for one in ids), now.time)
    running = sum(1 for one in ids if at.fresh(one) and at.power(one).value > 1)
    tiles = [
        h.tile(
            "AC power",
            h.value(power, now.time, scale=True),
            age_text=h.age(power.time, now.time, power.every),
            below=f"{h.bar(power.value / rated, mark_at=due / rated, css='solar')}of {fmt.quantity(rated, 'kW', scale=True)}; tick: expected",
            css="big",
        ),
        h.tile(
            "Expected now",
            _figure(*_scaled(due)) if math.isfinite(due) else _word(fmt.NOTHING),
            below="by irradiance and temperature of the modules" if math.isfinite(due) else "no irradiance now",
        ),
        h.tile(
            "Against expected",
            _word("Too dim" if power.fresh(now.time) and power.value > 0 else "Night")
            if dark
            else _figure(100 * index, "%", 1)
            if math.isfinite(index)
            else _word(fmt.NOTHING),
            below="too little light to compare" if dark else "mean of the last ten minutes",
        ),
        h.tile(
            "Irradiance",
            h.value(light, now.time, decimals=0) if light.there else _word("Not measured"),
            below=f"modules {h.value(warm, now.time, decimals=1)}"
            if warm.there
            else "temperature of modules not measured",
            age_text=h.age(light.time, now.time, light.every) if light.there else "",
        ),
        h.tile(
            f"Performance ratio {day.day.partition(',')[0] if day is not None else 'today'}",
            _figure(100 * ratio, "%", 1) if math.isfinite(ratio) else _word(fmt.NOTHING),
            below=f"{fmt.percent(of_day)} of expected; {fmt.number(energy, decimals=2)} kWh/m²"
            if math.isfinite(of_day)
            else h.esc(fmt.shorten(day.reason, 60))
            if day is not None and day.reason
            else "of the day so far",
        ),
        h.tile(
            "Energy today",
            h.value(made, now.time, scale=True),
            below=f"{running} of {len(ids)} inverters deliver" if not asset else "",
        ),
    ]
    if asset:
        tiles[-1] = h.tile("Energy today", h.value(made, now.time, scale=True), below=_efficiency_words(at, asset, now))
    return tiles


def _index(measured: dict[str, Performance], ids: list[str]) -> float:
    given = [measured[one] for one in ids if one in measured]
    due = sum(one.expected for one in given)
    rated = sum(one.rated for one in given)
    return sum(one.power for one in given) / due if given and due > 0.03 * rated else math.nan


def _scaled(kilowatts: float) -> tuple[float, str, int]:
    value, units = fmt.scaled(kilowatts, "kW")
    return float(value or 0.0), units, 2 if units == "MW" else 0


def _figure(value: float, unit: str, decimals: int) -> str:
    return f'<span class="val"><b>{fmt.number(value, decimals=decimals)}</b><i>{unit}</i></span>'


def _word(text: str) -> str:
    return f'<span class="val"><b class="word">{text}</b></span>'


def efficiency(at: SiteNow, asset: str, now: Now) -> Reading:
    """AC power over DC power of an inverter [%]; what it reports itself where it does not measure its DC side."""
    ac, dc = at.power(asset), at.reading(asset, "total_dc_power")
    if ac.fresh(now.time) and dc.fresh(now.time):
        rated = at.rated(asset)
        if dc.value > 0.02 * (rated if math.isfinite(rated) else dc.value):
            return Reading(100.0 * ac.value / dc.value, min(ac.time, dc.time), max(ac.every, dc.every), "%", asset)
        return Reading(units="%", asset=asset)
    return at.reading(asset, "conversion_efficiency")


def _efficiency_words(at: SiteNow, asset: str, now: Now) -> str:
    found = efficiency(at, asset, now)
    return f"DC to AC now {h.value(found, now.time, decimals=1)}" if found.there else "delivers nothing to speak of now"


def inverter_table(live: Live, site: str, *, span: int = 12) -> Part:
    """A row per inverter: power, expected, index, state, efficiency, temperature, the day so far."""

    def render(now: Now) -> str:
        at = now.site(site)
        ids = at.of_type("inverter")
        measured = live.remember(("performance", site), lambda: performance(live, site), seconds=5.0) or {}
        day = today(live, site)
        head = (
            '<tr><th>Inverter</th><th>State</th><th class=num>Power</th><th class="hide-s"></th><th class=num>Expected</th>'
            "<th class=num>Index</th><th class=num>DC to AC</th><th class=num>Inside</th><th class=num>Ratio of the day</th>"
            "<th class=num>Of expected</th></tr>"
        )
        rows = [_inverter_row(at, one, measured.get(one), day, now) for one in ids]
        return f'<div class="table"><table class="cards"><thead>{head}</thead>\n<tbody>{chr(10).join(rows)}</tbody></table></div>'

    return Part(
        "inverters", render, title="Inverters", note="select one for its inputs, strings and trackers", span=span,
        about=(site,), every=2,
    )  # fmt: skip


def _inverter_row(at: SiteNow, asset: str, measured: Performance | None, day: Today | None, now: Now) -> str:
    power, rated, due = at.power(asset), at.rated(asset), expected_now(at, asset)
    state = at.states.get(asset)
    index = _index({asset: measured} if measured is not None else {}, [asset])
    warm = at.reading(asset, "internal_temperature", "heatsink_temperature")
    ratio, of_day, _ = day.figures(asset) if day is not None else (math.nan, math.nan, math.nan)
    ratio_now = efficiency(at, asset, now)
    low = "low" if measured is not None and measured.low else "solar"
    drawn = h.bar(power.value / rated if power.fresh(now.time) else math.nan, mark_at=due / rated, css=low)
    return (
        f'<tr><td class="head">{h.link("solar", asset, site=at.id, asset=asset)}</td>'
        f'<td data-label="State">{h.state(state) if state is not None else "not live"}</td>'
        f'<td class=num data-label="Power">{h.value(power, now.time, decimals=0)}</td><td class="drawn hide-s">{drawn}</td>'
        + _cells(
            ("Expected", f"{fmt.number(due, decimals=0)} kW" if math.isfinite(due) else fmt.NOTHING),
            ("Index", coloured(index)),
            ("DC to AC", h.value(ratio_now, now.time, decimals=1) if ratio_now.there else fmt.NOTHING),
            ("Inside", h.value(warm, now.time, decimals=0)),
            ("Ratio of the day", fmt.percent(ratio)),
            ("Of expected", coloured(of_day)),
        )
        + "</tr>"
    )


def coloured(index: float) -> str:
    """An index of what was made to what was expected, in colour where it is low."""
    text = fmt.percent(index)
    return f'<span class="val"><b class="s-operating_reduced">{text}</b></span>' if index < LOW else text


def inverter_choice(site: str, asset: str) -> Part:
    """The inverters of a plant to choose from."""

    def render(now: Now) -> str:
        at = now.site(site)
        links = []
        for one in at.of_type("inverter"):
            here = ' aria-current="true"' if one == asset else ""
            links.append(f'<a href="{h.href("solar", site=site, asset=one)}"{here}>{h.esc(one)}</a>')
        return '<nav class="choices wrap" aria-label="Inverter">\n' + "\n".join(links) + "\n</nav>"

    return Part("inverter-choice", render, bare=True, about=(site, asset))
