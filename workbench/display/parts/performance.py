"""Parts of the page of a wind farm's performance."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from workbench.display import format as fmt
from workbench.display import markup as h
from workbench.display.page import Part
from workbench.display.performance import CurveAnswer, LossAnswer, Performance, YieldAnswer, load
from workbench.display.readings import Now
from workbench.display.wind_figures import decimals_of

if TYPE_CHECKING:
    from workbench.display.live import Live


def performance_reading(live: Live, site: str, name: str) -> Part:
    """Stands on the page while a farm's history is read; then the page loads anew."""

    def render(_: Now) -> str:
        if load(live, site) is not None:
            return '<div class="start" data-reload><h2>Ready</h2></div>'
        return (
            f'<div class="start"><h2>Reading the history of {h.esc(name)} …</h2>'
            "<p>Turbines, meter and reanalyses; some seconds, once.</p></div>"
        )

    return Part("performance-reading", render, about=(site,))


def performance_nothing(site: str, reason: str) -> Part:
    """What is missing where nothing can be worked out."""
    lines = "".join(f"<p>{h.esc(line.strip())}</p>" for line in reason.splitlines())
    return Part(
        "performance-nothing",
        lambda _: f'<div class="start"><h2>There is nothing to work out yet</h2>{lines}</div>',
        about=(site, reason),
    )


def yield_tiles(site: str, answer: YieldAnswer | None = None) -> Part:
    """The long-term yield in figures."""
    about = "" if answer is None else repr(answer.settings)
    return Part("yield-tiles", lambda _: _yield_tiles(answer), bare=True, about=(site, about))


def _yield_tiles(answer: YieldAnswer | None) -> str:
    if answer is None:
        tiles = [h.tile(name, "…") for name in ("Annual energy, P50", "P90", "Uncertainty", "Losses", "Wind")]
        return f'<div class="tiles five">{"".join(tiles)}</div>'
    if answer.found is None:
        lines = "<br>".join(h.esc(line.strip()) for line in answer.reason.splitlines())
        return f'<div class="verdict warn">{h.mark("reduced")}<strong>No long-term yield</strong><span class="what">{lines}</span></div>'
    rows: dict[str, dict[str, float]] = answer.found.summary.drop(columns="unit").to_dict("index")  # type: ignore[assignment]
    one, mean = rows["annual_energy"], rows["long_term_energy"]
    losses = [rows[name]["mean"] for name in ("availability_loss", "curtailment_loss")]
    windiness = rows["windiness"]["mean"]
    more = "more" if windiness >= 1 else "less"
    draws = answer.found.simulations
    months = draws["months"].values
    tiles = [
        h.tile(
            "Annual energy, P50",
            _value(one["p50"] / 1e6, "GWh", 2),
            below=f"long-term mean {fmt.number(mean['mean'] / 1e6, decimals=2)} GWh",
            css="big",
        ),
        h.tile(
            "P90 of one year",
            _value(one["p90"] / 1e6, "GWh", 2),
            below=f"P75 {fmt.number(one['p75'] / 1e6, decimals=2)}, P99 {fmt.number(one['p99'] / 1e6, decimals=2)} GWh",
        ),
        h.tile(
            "Uncertainty of one year",
            _value(100 * one["cv"], "%", 1),
            below=f"of the long-term mean {fmt.percent(mean['cv'])}; years vary by {fmt.percent(rows['variability']['mean'])}",
        ),
        h.tile(
            "Losses",
            _value(100 * sum(losses), "%", 2),
            below=f"availability {fmt.number(100 * losses[0], decimals=2)} %, curtailment {fmt.number(100 * losses[1], decimals=2)} %",
        ),
        h.tile(
            "Long term against record",
            _value(100 * (windiness - 1), "%", 1, sign=True),
            below=f"a usual year gives {more} than those measured; {_range(*answer.years)} years of wind"
            + (", all there are" if answer.years[1] < answer.settings.years[1] else ""),
        ),
        h.tile(
            "Regression",
            f'<span class="val"><b>{fmt.number(float(draws["r2"].mean()), decimals=2)}</b><i>R²</i></span>',
            below=f"{_range(int(months.min()), int(months.max()))} months; {len(draws['simulation']):,} simulations in "
            f"{fmt.number(1000 * answer.seconds, decimals=0)} ms",
        ),
    ]
    return f'<div class="tiles six">{"".join(tiles)}</div>'


def _range(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"


def _value(value: float, unit: str, decimals: int, *, sign: bool = False) -> str:
    text = fmt.number(value, decimals=decimals)
    if sign and value > 0:
        text = "+" + text
    return f'<span class="val"><b>{text}</b><i>{unit}</i></span>'


def turbine_curves(performance: Performance, asset: str, answer: CurveAnswer | None = None, *, span: int = 4) -> Part:
    """What the curves say of each turbine, for the settings."""
    about = "" if answer is None else repr(answer.settings)
    return Part(
        "turbine-curves",
        lambda _: _turbine_curves(performance, answer),
        title="Turbines",
        note="" if answer is None else f"worked out in {1000 * answer.seconds:.0f} ms",
        span=span,
        about=(performance.site.id, asset, about),
    )


def _turbine_curves(performance: Performance, answer: CurveAnswer | None) -> str:
    if answer is None or performance.plant is None:
        return h.nothing("Working out the curves …")
    head = (
        "<tr><th>Turbine</th><th class=num>Against reference</th><th class=num>Availability</th>"
        "<th class=num>Hours used</th><th class=num>Left out</th></tr>"
    )
    rows = []
    considered, used = answer.considered.sum(axis=0), answer.used.sum(axis=0)
    for column, name in enumerate(performance.plant.turbines["asset"].values.tolist()):
        share = 1 - used[column] / considered[column] if considered[column] else math.nan
        available = float(answer.availability["availability"].sel(asset=name))
        cells = (
            fmt.percent(answer.deviation[column]),
            fmt.percent(available),
            f"{fmt.number(used[column] / 6, decimals=0)} h",
            fmt.percent(share),
        )
        rows.append(f"<tr><td>{h.esc(name)}</td>" + "".join(f"<td class=num>{cell}</td>" for cell in cells) + "</tr>")
    whole = answer.deviation[np.isfinite(answer.deviation)]
    words = ""
    if whole.size > 1:
        low = int(np.nanargmin(answer.deviation))
        worst = performance.plant.turbines["asset"].values[low]
        words = f"{worst} makes the least of its wind: {fmt.percent(answer.deviation[low])} of its reference curve."
    seconds = f"Worked out in {1000 * answer.seconds:.0f} ms."
    return (
        f'<div class="table"><table><thead>{head}</thead>\n<tbody>' + "\n".join(rows) + "</tbody></table></div>\n"
        f'<p class="quiet fineprint">{h.esc(words)} By nacelle wind speeds: compare turbines and settings, not with a guarantee. '
        f"Availability is by production. {seconds}</p>"
    )


def loss_table(site: str, answer: LossAnswer | None = None, *, span: int = 4) -> Part:
    """Availability, stops, and the energy and money of each category."""
    about = "" if answer is None else repr(answer.settings)
    return Part("loss-table", lambda _: _loss_table(answer), title="Categories", span=span, about=(site, about))


def _loss_table(answer: LossAnswer | None) -> str:
    if answer is None:
        return h.nothing("Working out the losses …")
    head = "<tr><th></th><th class=num>Energy</th><th class=num>Of potential</th><th class=num>Money</th></tr>"
    rows = []
    potential = float(answer.waterfall["energy"].iloc[0])
    digits = decimals_of(float(answer.waterfall["energy"].iloc[1:-1].abs().max()) / 1e3)
    for name, row in answer.waterfall.iterrows():
        energy, value = float(row["energy"]), float(row["value"])
        total = name in ("potential", "actual")
        if not total and abs(energy) <= 1e-5 * potential:
            continue
        money = "" if total else f"{fmt.number(value / 1e3, decimals=1)} kEUR"
        share = fmt.percent(energy / potential, decimals=2) if potential else "–"
        words = f"<b>{fmt.words(str(name))}</b>" if total else fmt.words(str(name))
        rows.append(
            f"<tr><td>{words}</td><td class=num>{fmt.number(energy / 1e3, decimals=digits)} MWh</td><td class=num>{share}</td>"
            f"<td class=num>{money}</td></tr>"
        )
    count, between, repair = answer.failures
    stops = f"{count} stops in wind" if answer.told_by == "production" else f"{count} forced outages"
    if count and math.isfinite(between):
        stops += f", one in {fmt.number(between, decimals=0)} h, {fmt.number(repair, decimals=1)} h each"
    return (
        f'<div class="table"><table><thead>{head}</thead>\n<tbody>' + "\n".join(rows) + "</tbody></table></div>\n"
        f'<p class="quiet fineprint">Available {fmt.percent(answer.availability, decimals=2)} of the time, told by {answer.told_by}; '
        f"{stops}. Potential by the turbine's own curve and its neighbours, known {fmt.percent(answer.known)} of the time. "
        f"Worked out in {1000 * answer.seconds:.0f} ms.</p>"
    )
