"""Parts of the page of solar plants that were assessed: losses, key figures, degradation and soiling, faults."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.display import format as fmt
from workbench.display import markup as h
from workbench.display.page import Part
from workbench.display.parts.solar_now import plant_figures
from workbench.display.readings import Now
from workbench.display.solar import CleaningAnswer, LossAnswer, SolarHealth, load
from workbench.display.wind_figures import decimals_of, energy_scale

if TYPE_CHECKING:
    from workbench.display.live import Live

#: Key figures to choose from: field, words, factor, unit, decimals, whether few is bad.
FIGURES = {
    "ratio": ("performance_ratio", "Performance ratio", 100.0, "%", 1),
    "ratio25": ("performance_ratio_25", "Ratio at 25 °C", 100.0, "%", 1),
    "index": ("energy_performance_index", "Of expected", 100.0, "%", 1),
    "available": ("energy_availability", "Availability", 100.0, "%", 1),
    "yield": ("specific_yield", "Yield", 1.0, "kWh/kWp", 2),
    "capacity": ("capacity_factor", "Capacity factor", 100.0, "%", 1),
}
STEPS = {"day": "Days", "month": "Months"}
_COLUMNS = {"day": 14, "month": 13}
LOW = 0.96  #: of the median of its period, below which an inverter is coloured
FAULTS = 12  #: that are shown at once
_WORDS = {"dc_wiring": "DC wiring", "mppt": "MPPT", "own_use": "own use"}


def category(name: str) -> str:
    """A category of losses in words."""
    return _WORDS.get(name, fmt.words(name).lower())


def solar_reading(live: Live, site: str, name: str) -> Part:
    """Stands on the page while the record is read and assessed; then the page loads anew."""

    def render(_: Now) -> str:
        if load(live, site) is not None:
            return '<div class="start" data-reload><h2>Ready</h2></div>'
        return (
            f'<div class="start"><h2>Assessing the inverters of {h.esc(name)} …</h2>'
            "<p>Losses, key figures, faults, degradation and soiling from the record; some seconds, once. What is above is live already.</p></div>"
        )

    return Part("solar-reading", render, about=(site,))


def solar_nothing(site: str, reason: str) -> Part:
    """What is missing where nothing can be assessed."""
    lines = "".join(f"<p>{h.esc(line.strip())}</p>" for line in reason.splitlines())
    return Part(
        "solar-nothing",
        lambda _: f'<div class="start"><h2>There is no record to assess yet</h2>{lines}</div>',
        about=(site, reason),
    )


def assessed_tiles(found: SolarHealth, asset: str = "") -> Part:
    """What the assessment found, in figures."""
    return Part(
        "assessed-tiles", lambda _: _assessed(found, asset), bare=True, about=(found.site.id, asset, str(found.read))
    )


def _assessed(found: SolarHealth, asset: str) -> str:
    told = found.told
    if told is None:
        return h.nothing(found.problem)
    figures = plant_figures(found, asset)
    lost = figures["expected"] - figures["made"]
    rates = told.degradation.rates if told.degradation is not None else None
    rate, rate_words = _rate(rates, asset, found)
    events = told.faults.events if told.faults is not None else None
    if events is not None and asset and len(events):
        events = events[events["inverter"] == asset]
    open_ = int(events["ongoing"].astype(bool).sum()) if events is not None and len(events) else 0
    tiles = [
        h.tile("Performance ratio", percent(figures["ratio"]), below=_ratio_words(told, asset), css="big"),
        h.tile(
            "Availability",
            percent(figures["availability"]),
            below=f"by energy; {fmt.percent(figures['time_availability'])} by time"
            if math.isfinite(figures["availability"])
            else h.esc(found.reason("availability")),
        ),
        h.tile(
            "Made of expected",
            percent(figures["index"]),
            below=f"{_energy(figures['made'])} of {_energy(figures['expected'])}"
            if math.isfinite(figures["index"])
            else h.esc(found.reason("losses")),
        ),
        h.tile(
            "Below expected",
            f'<span class="val"><b>{_energy(lost)}</b></span>' if math.isfinite(lost) else "–",
            below=f"{fmt.number(figures['money'], decimals=0)} {found.currency} at {found.price:g}/MWh"
            if math.isfinite(lost)
            else "",
        ),
        h.tile("Degradation", rate, below=rate_words),
        h.tile(
            "Faults",
            f'<span class="val"><b class="word">{open_ or "None"}</b></span>' if events is not None else "–",
            below=(
                f"{len(events)} in the period, {_energy(float(np.nansum(events['lost_energy'].astype(float))))} lost"
                if len(events)
                else "none in the period"
            )
            if events is not None
            else h.esc(found.reason("faults")),
        ),
    ]
    first, last = told.window
    return (
        f'<div class="tiles six">{"".join(tiles)}</div>\n<p class="quiet fineprint">{first:%-d %b %Y} to {last:%-d %b %Y %H:%M} UTC, '
        f"degradation and soiling of all the record. Assessed in {found.seconds:.1f} s, anew every ten minutes.</p>"
    )


def percent(value: float, decimals: int = 1) -> str:
    """A share as a figure of a tile."""
    if not math.isfinite(value):
        return '<span class="val"><b class="word">–</b></span>'
    return f'<span class="val"><b>{fmt.number(100 * value, decimals=decimals)}</b><i>%</i></span>'


def _energy(kilowatt_hours: float) -> str:
    if not math.isfinite(kilowatt_hours):
        return fmt.NOTHING
    factor, unit = energy_scale(kilowatt_hours)
    value = kilowatt_hours * factor
    return f"{fmt.number(value, decimals=0 if abs(value) >= 100 else 1)} {unit}"


def _ratio_words(told: Any, asset: str) -> str:
    if told.kpi is None:
        return h.esc(told.reasons.get("kpi", ""))
    one = told.kpi.assets.sel(asset=asset) if asset else told.kpi.groups.isel(group=0)
    warm = float(one["performance_ratio_25"].values.squeeze())
    at = f"{fmt.percent(warm)} at 25 °C; " if math.isfinite(warm) else ""
    return f"{at}yield {fmt.number(float(one['specific_yield'].values.squeeze()), decimals=0)} kWh/kWp"


def _rate(rates: Any, asset: str, found: SolarHealth) -> tuple[str, str]:
    """Figure and words of the degradation: of an inverter, or the median of all."""
    if rates is None:
        why = found.reason("degradation") or "not told"
        return '<span class="val"><b class="word">Not yet</b></span>', h.esc(_short(why))
    some = rates.sel(asset=[asset]) if asset else rates
    known = some["rate"].values
    if not np.isfinite(known).any():
        return '<span class="val"><b class="word">Not yet</b></span>', h.esc(_short(str(some["reason"].values[0])))
    value = float(np.nanmedian(known))
    if len(known) > 1:
        words = f"median of {int(np.isfinite(known).sum())} inverters, {fmt.number(float(np.nanmin(known)), decimals=2)} to {fmt.number(float(np.nanmax(known)), decimals=2)}"
    else:
        words = f"90 %: {fmt.number(float(some['lower'].values[0]), decimals=2)} to {fmt.number(float(some['upper'].values[0]), decimals=2)}"
    return f'<span class="val"><b>{fmt.number(value, decimals=2)}</b><i>%/year</i></span>', words


def _short(text: str, most: int = 90) -> str:
    return fmt.shorten(text, most)


# -- losses -----------------------------------------------------------------------------------------------


def solar_loss_table(found: SolarHealth, answer: LossAnswer | None = None, *, span: int = 3) -> Part:
    """Energy, share and money of each category."""
    about = "" if answer is None else repr(answer.settings)
    return Part(
        "solar-loss-table", lambda _: _loss_table(found, answer), title="Categories", span=span,
        about=(found.site.id, str(found.read), about),
    )  # fmt: skip


def _loss_table(found: SolarHealth, answer: LossAnswer | None) -> str:
    if answer is None:
        return h.nothing("Working out the losses …")
    if answer.waterfall is None:
        return h.nothing(f"No losses can be told: {answer.reason}.")
    potential, actual = float(answer.waterfall["energy"].iloc[0]), float(answer.waterfall["energy"].iloc[-1])
    factor, unit = energy_scale(potential)
    # one more than the figure beside it: what is small there stands here
    digits = min(decimals_of(float(answer.waterfall["energy"].iloc[1:-1].abs().max()) * factor) + 1, 3)
    rows = []
    for name, row in answer.waterfall.iterrows():
        energy, whole = float(row["energy"]), name in ("potential", "actual")
        if not whole and abs(energy) <= 1e-4 * potential:
            continue
        words = f"<b>{category(str(name))}</b>" if whole else h.esc(category(str(name)))
        money = "" if whole else fmt.number(float(row["value"]), decimals=0)
        rows.append(
            f"<tr><td>{words}</td><td class=num>{fmt.number(energy * factor, decimals=digits)}</td>"
            f"<td class=num>{fmt.percent(energy / potential)}</td><td class=num>{money}</td></tr>"
        )
    head = f"<tr><th></th><th class=num>{unit}</th><th class=num>Of potential</th><th class=num>{h.esc(found.currency)}</th></tr>"
    share = fmt.percent(actual / answer.expected) if answer.expected > 0 else fmt.NOTHING
    return (
        f'<div class="table"><table><thead>{head}</thead>\n<tbody>{chr(10).join(rows)}</tbody></table></div>\n'
        f'<p class="quiet fineprint">Potential: irradiance in the plane times the modules’ rating. Expected of a plant without faults {_energy(answer.expected)}; made {share} of it. '
        f"Known {fmt.percent(answer.known)} of the time. Worked out in {1000 * answer.seconds:.0f} ms.</p>"
    )


# -- key figures ------------------------------------------------------------------------------------------


def figure_of(name: str) -> str:
    """The key figure of that name; the performance ratio for a name that is none."""
    return name if name in FIGURES else "ratio"


def step_of(name: str) -> str:
    """``day`` or ``month``."""
    return name if name in STEPS else "day"


def kpi_table(found: SolarHealth, figure: str = "ratio", step: str = "day", asset: str = "", *, span: int = 12) -> Part:
    """A key figure by inverter and by day or month."""
    return Part(
        "kpi-table", lambda _: _kpi_table(found, figure, step, asset), title="Key figures",
        note="of IEC 61724-1; coloured where below the others", span=span, about=(found.site.id, figure, step, asset, str(found.read)),
    )  # fmt: skip


def kpi_values(found: SolarHealth, figure: str, step: str) -> tuple[Any, Any, str]:
    """A figure by inverter (asset, period) and of the plant (period), with why it is not there."""
    told, name = found.told, FIGURES[figure][0]
    if told is None:
        return None, None, found.problem
    if figure == "available":
        if step == "month" or told.availability_by is None:
            why = (
                "availability is told by days here"
                if told.availability_by is not None
                else found.reason("availability")
            )
            return None, None, why
        table = told.availability_by.figures
        return table[name].transpose("asset", "period"), table[f"plant_{name}"], ""
    source = found.monthly if step == "month" else told.kpi_by
    if source is None:
        return None, None, found.reason("monthly" if step == "month" else "kpi")
    texts = dict.fromkeys(_why(str(text), name) for text in source.assets["reason"].values.ravel())
    why = "; ".join(text for text in texts if text)
    return source.assets[name].transpose("asset", "period"), source.groups[name].isel(group=0), why


def _why(text: str, name: str) -> str:
    """Of reasons such as ``energy, yield: no power; ratio: no light`` that of one figure."""
    for clause in text.split("; "):
        names, _, why = clause.partition(": ")
        if name in names.split(", "):
            return why
    return ""


def _kpi_table(found: SolarHealth, figure: str, step: str, asset: str) -> str:
    _, _, factor, unit, digits = FIGURES[figure]
    where = {"site": found.site.id, "asset": asset}

    def links(options: dict[str, str], which: str) -> str:
        rows = [
            h.ask(
                words, {"do": "kpi", "figure": name if which == "figure" else figure, "step": name if which == "step" else step},
                "solar", current=name == (figure if which == "figure" else step), **where,
            )
            for name, words in options.items()
        ]  # fmt: skip
        return f'<nav class="choices wrap" aria-label="{which}">\n{chr(10).join(rows)}\n</nav>'

    head = f'<div class="maphead">{links({key: one[1] for key, one in FIGURES.items()}, "figure")}{links(STEPS, "step")}</div>\n'
    table, whole, why = kpi_values(found, figure, step)
    if table is None:
        return head + h.nothing(why or "Not told.")
    last = table["period"].values[-_COLUMNS[step] :]
    table, whole = table.sel(period=last), whole.sel(period=last)
    form = "%-d %b" if step == "day" else "%b %Y"
    titles = "".join(f"<th class=num>{one.astype('datetime64[D]').item().strftime(form)}</th>" for one in last)
    values = table.values.astype(float)
    with np.errstate(all="ignore"):
        middle = np.array([np.nanmedian(one) if np.isfinite(one).any() else np.nan for one in values.T])
    names = [str(one) for one in table["asset"].values]
    rows = []
    if len(names) > 1:
        cells = "".join(f"<td class=num><b>{_cell(v, factor, digits)}</b></td>" for v in whole.values.astype(float))
        rows.append(f"<tr><td><b>Plant</b></td>{cells}</tr>")
    for place, name in enumerate(names):
        if asset and name != asset:
            continue
        cells = "".join(
            f'<td class=num><span class="val"><b class="{"s-operating_reduced" if len(names) > 2 and v < LOW * m else "plain"}">'
            f"{_cell(v, factor, digits)}</b></span></td>"
            for v, m in zip(values[place], middle, strict=True)
        )
        rows.append(f"<tr><td>{h.link('solar', name, site=found.site.id, asset=name)}</td>{cells}</tr>")
    note = f"{FIGURES[figure][1]} [{unit}], periods by the clock of {found.site.timezone}."
    told = found.told
    caution = "; ".join(told.kpi.cautions) if told is not None and told.kpi is not None else ""
    return (
        head
        + f'<div class="table"><table class="dense"><thead><tr><th>Inverter</th>{titles}</tr></thead>\n<tbody>{chr(10).join(rows)}</tbody>'
        f'</table></div>\n<p class="quiet fineprint">{note}{" " + h.esc(fmt.words(caution)) + "." if caution else ""}'
        f"{' Where a figure is missing: ' + h.esc(why) + '.' if why and not np.isfinite(values).all() else ''}</p>"
    )


def _cell(value: float, factor: float, digits: int) -> str:
    return fmt.number(value * factor, decimals=digits) if math.isfinite(value) else fmt.NOTHING


# -- degradation and soiling ------------------------------------------------------------------------------


def soiling_table(found: SolarHealth, answer: CleaningAnswer | None = None, *, span: int = 12) -> Part:
    """Rate, soiling and cleaning by inverter, with intervals, for the price and cost that are set."""
    about = "" if answer is None else repr(answer.settings)
    return Part(
        "soiling-table", lambda _: _soiling_table(found, answer), title="Degradation and soiling",
        note="rates of the clean plant, 90 % intervals", span=span, about=(found.site.id, str(found.read), about),
    )  # fmt: skip


def _soiling_table(found: SolarHealth, answer: CleaningAnswer | None) -> str:
    told = found.told
    if told is None or told.degradation is None:
        why = found.reason("degradation") or "not told"
        return h.nothing(f"Degradation and soiling cannot be told yet: {why}.")
    rates, table = told.degradation.rates, None if answer is None else answer.table
    rows = []
    for name in found.inverters:
        one = rates.sel(asset=name)

        def value(field: str, digits: int, factor: float = 1.0, one: Any = one) -> str:
            return fmt.number(factor * float(one[field]), decimals=digits)

        if not math.isfinite(float(one["rate"])):
            rows.append(
                f'<tr><td>{h.esc(name)}</td><td class="wide quiet" colspan=8>{h.esc(str(one["reason"].item()))}</td></tr>'
            )
            continue
        cost: Any = table.loc[name] if table is not None and name in table.index else None
        money, best, gain, often = fmt.NOTHING, fmt.NOTHING, fmt.NOTHING, fmt.NOTHING
        if cost is not None:
            money = fmt.number(float(cost["lost_money"]), decimals=0)
            gain = fmt.number(float(cost["gain"]), decimals=0)
            pays = float(cost["gain"]) > 0
            best = (
                f"{cost['best_cleaning']:%-d %b %Y}"
                if pays and not np.isnat(np.datetime64(cost["best_cleaning"]))
                else "does not pay"
            )
            span = float(cost["interval"])
            often = f"{fmt.number(span, decimals=0)} days" if math.isfinite(span) else "never"
        rows.append(
            f"<tr><td>{h.link('solar', name, site=found.site.id, asset=name)}</td>"
            f"<td class=num><b>{value('rate', 2)}</b></td><td class=num>{value('lower', 2)} to {value('upper', 2)}</td>"
            f"<td class=num><b>{value('soiling_ratio', 1, 100)}</b></td>"
            f"<td class=num>{value('soiling_ratio_lower', 1, 100)} to {value('soiling_ratio_upper', 1, 100)}</td>"
            f"<td class=num>{value('soiling_rate', 3)}</td><td class=num>{money}</td><td class=num>{best}</td>"
            f"<td class=num>{gain}</td><td class=num>{often}</td></tr>"
        )
    unit = h.esc(found.currency)
    head = (
        "<tr><th>Inverter</th><th class=num>%/year</th><th class=num>90 %</th><th class=num>Soiling ratio [%]</th><th class=num>90 %</th>"
        f"<th class=num>Soiling [%/day]</th><th class=num>Cost so far [{unit}]</th><th class=num>Best cleaning</th>"
        f"<th class=num>Gain [{unit}]</th><th class=num>By hand every</th></tr>"
    )
    cautions = "; ".join(dict.fromkeys(str(text) for text in rates["caution"].values if text))
    said = (
        ""
        if answer is None
        else f" {h.esc(answer.reason)}"
        if answer.reason
        else f" Worked out in {1000 * answer.seconds:.0f} ms."
    )
    return (
        f'<div class="table"><table><thead>{head}</thead>\n<tbody>{chr(10).join(rows)}</tbody></table></div>\n'
        f'<p class="quiet fineprint">{_advice(found, answer)}{said}'
        f"{' Caution: ' + h.esc(cautions) + '.' if cautions else ''}</p>"
    )


def _advice(found: SolarHealth, answer: CleaningAnswer | None) -> str:
    """When to clean, in words."""
    if answer is None or not answer.gain.size:
        return ""
    best = int(np.argmax(answer.gain))
    if answer.gain[best] <= 0:
        return f"No cleaning pays at {answer.settings.price:g} {found.currency}/MWh and {answer.settings.cost:g} {found.currency} each."
    day = answer.day[best].astype("datetime64[D]").item()
    return (
        f"<b>Clean all inverters around {day:%-d %B %Y}</b>: it brings {fmt.number(float(answer.gain[best]), decimals=0)} {found.currency} "
        f"more than it costs, at {answer.settings.price:g} {found.currency}/MWh and {answer.settings.cost:g} {found.currency} each."
    )


# -- faults -----------------------------------------------------------------------------------------------


def fault_table(found: SolarHealth, asset: str = "", *, span: int = 12) -> Part:
    """Faults of strings, inputs, trackers and inverters, the dearest first."""
    return Part(
        "solar-faults", lambda _: _fault_table(found, asset), title="Faults",
        note="strings, inputs, trackers, inverters; the dearest first", span=span, about=(found.site.id, asset, str(found.read)),
    )  # fmt: skip


def _fault_table(found: SolarHealth, asset: str) -> str:
    told = found.told
    if told is None or told.faults is None:
        return h.nothing(f"Faults cannot be told: {found.reason('faults') or 'not told'}.")
    events = told.faults.events
    if asset and len(events):
        events = events[events["inverter"] == asset]
    why = "; ".join(f"{kind}: {text}" for kind, text in told.faults.reasons.items() if text)
    note = f'<p class="quiet fineprint">Not told: {h.esc(why)}.</p>' if why else ""
    if not len(events):
        return h.nothing("No fault was found in the period.") + note
    order = events.assign(lost_energy=events["lost_energy"].astype(float)).sort_values(
        ["ongoing", "lost_energy"], ascending=[False, False]
    )
    rows = []
    for one in order.head(FAULTS).to_dict("records"):
        lost = float(one["lost_energy"])
        money = lost / 1e3 * found.price
        until = "lasts" if bool(one["ongoing"]) else f"{one['end']:%-d %b %Y}"
        mark = (
            f'<span class="state s-operating_reduced">{h.mark("reduced")}{until}</span>'
            if bool(one["ongoing"])
            else until
        )
        rows.append(
            f"<tr><td>{h.link('asset', str(one['asset']), site=found.site.id, asset=str(one['asset']))}</td>"
            f"<td>{h.esc(category(str(one['kind'])))}</td><td>{h.esc(str(one['fault']))}</td><td>{one['begin']:%-d %b %Y}</td><td>{mark}</td>"
            f"<td class=num>{fmt.number(float(one['days']), decimals=0)}</td><td class=num>{fmt.percent(float(one['ratio']))}</td>"
            f"<td class=num>{fmt.percent(float(one['confidence']), decimals=0)}</td>"
            f"<td class=num>{fmt.number(lost, decimals=0) if math.isfinite(lost) else fmt.NOTHING}</td>"
            f"<td class=num>{fmt.number(money, decimals=0) if math.isfinite(money) else fmt.NOTHING}</td></tr>"
        )
    head = (
        "<tr><th>Asset</th><th>Kind</th><th>Fault</th><th>First day</th><th>Until</th><th class=num>Days</th><th class=num>Of expected</th>"
        f"<th class=num>Sure</th><th class=num>Lost [kWh]</th><th class=num>Lost [{h.esc(found.currency)}]</th></tr>"
    )
    rest = len(events) - min(len(events), FAULTS)
    total = float(np.nansum(events["lost_energy"].astype(float)))
    more = f" {rest} more are not shown." if rest else ""
    return (
        f'<div class="table"><table><thead>{head}</thead>\n<tbody>{chr(10).join(rows)}</tbody></table></div>\n'
        f'<p class="quiet fineprint">{len(events)} in all, {_energy(total)} lost, {fmt.number(total / 1e3 * found.price, decimals=0)} '
        f"{h.esc(found.currency)} at {found.price:g}/MWh. Energies are of the whole event.{more}</p>{note}"
    )
