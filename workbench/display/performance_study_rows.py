"""Rows of wakes, yaw, degradation and gap on the page of a wind farm's performance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from workbench.display import controls
from workbench.display.controls import Answers, Controls
from workbench.display.format import words
from workbench.display.parts.performance_studies import aging_table, gap_table, study_lacking, wake_table, yaw_table
from workbench.display.performance_aging import DRAWS as TURBINE_DRAWS
from workbench.display.performance_aging import AgingSettings, YawSettings
from workbench.display.performance_gap import USUAL, GapSettings
from workbench.display.performance_study_charts import (
    FARM,
    GapWaterfall,
    Intervals,
    TurbineLines,
    WakeDirections,
    WakeIntervals,
)
from workbench.display.performance_wakes import DRAWS, SECTORS, WakeSettings

if TYPE_CHECKING:
    from workbench.display.page import Page
    from workbench.display.performance import Performance
    from workbench.display.performance_aging import AgingAnswer, YawAnswer
    from workbench.display.performance_gap import GapAnswer
    from workbench.display.performance_wakes import WakeAnswer

_ALL = "all"


def _names(performance: Performance) -> list[str]:
    return [str(one) for one in performance.plant.turbines["asset"].values] if performance.plant else []


def wake_rows(page: Page, performance: Performance) -> None:
    """Wakes: each turbine's loss with its interval, and by wind direction."""
    if performance.plant is None:
        return
    study, site, names = performance.wakes, performance.site.id, _names(performance)
    if study.reason:
        page.row(study_lacking(site, "Wakes", f"No wakes: {study.reason}."))
        return
    usual = WakeSettings()
    widgets = {
        "asset": controls.choice("By wind direction, of", [FARM, *names], FARM),
        "sector": controls.number("Sector of free wind [°]", 40, 150, 5, usual.sector, form="0"),
        "turn": controls.number("Wind turned beside what is found [°]", -20, 20, 1, usual.turn, form="0"),
        "spread": controls.number("Below its curve beyond, deviations", 3, 15, 1, usual.spread, form="0"),
        "direction_bin": controls.steps("Bins of the wind direction", {f"{one:g}°": one for one in SECTORS}, 5.0),
        "simulations": controls.steps("Simulations of the interval", {f"{one:,}": one for one in DRAWS}, 100),
    }
    if performance.plant.reanalysis:
        widgets |= {
            "no_wakes_from": controls.whole("Unmeasured wind has no wakes from [m/s]", 8, 25, 13),
            "years": controls.whole("Years of the long term", 2, 20, usual.years),
        }
    card = Controls("Wakes", widgets)
    losses, directions = WakeIntervals(names), WakeDirections()

    def settings() -> WakeSettings:
        given = card.values
        return WakeSettings(
            sector=float(given["sector"]),
            turn=float(given["turn"]),
            spread=float(given["spread"]),
            no_wakes_from=float(given.get("no_wakes_from", usual.no_wakes_from)),
            years=int(given.get("years", usual.years)),
            direction_bin=float(given["direction_bin"]),
            simulations=int(given["simulations"]),
        )

    def show(answer: WakeAnswer) -> None:
        losses.show(answer)
        directions.show(answer, str(card.values["asset"]))
        page.replace("wake-table", wake_table(site, answer))

    def work(wanted: WakeSettings) -> WakeAnswer | None:
        return study.answer(wanted) if study.ready else None

    answers = Answers(page, settings, work, show, study.finer)
    card.watch(answers.ask)
    page.ready(lambda: page.later(lambda: study.prepare(page.give_way), lambda _: answers.ask(), slow=True))
    page.row(card, losses, directions)
    page.row(wake_table(site))


def yaw_rows(page: Page, performance: Performance) -> None:
    """Yaw misalignment of each turbine with its interval, by wind speed, and what makes it doubtful."""
    if performance.plant is None:
        return
    study, site, names = performance.yaw, performance.site.id, _names(performance)
    if study.reason:
        page.row(study_lacking(site, "Yaw misalignment", f"No yaw misalignment: {study.reason}."))
        return
    usual = YawSettings()
    card = Controls(
        "Yaw misalignment",
        {
            "asset": controls.choice("By wind speed, of", [_ALL, *names], _ALL if len(names) <= 8 else names[0]),
            "power": controls.between("Power used, least and most [% of rated]", 1, 95, usual.power),
            "largest_vane": controls.number("Vane used, about its median up to [°]", 5, 45, 1, 25.0, form="0"),
            "spread": controls.number("Left out beyond, deviations", 2.0, 10.0, 0.5, usual.spread),
            "simulations": controls.steps("Simulations", {f"{one:,}": one for one in TURBINE_DRAWS}, 300),
            "noise": controls.switch("The vane may be noisy", value=True),
        },
    )
    angles = Intervals(names, title="Static yaw misalignment", label="Misalignment [°]", unit="°")
    speeds = TurbineLines(
        names,
        title="Misalignment by wind speed",
        label="Misalignment [°]",
        x_label="Wind speed [m/s]",
        tip=("", "@y{0.0}°"),
    )

    def settings() -> YawSettings:
        given = card.values
        return YawSettings(
            power=(int(given["power"][0]), int(given["power"][1])),
            largest_vane=float(given["largest_vane"]),
            spread=float(given["spread"]),
            noise=bool(given["noise"]),
            simulations=int(given["simulations"]),
        )

    def show(answer: YawAnswer) -> None:
        if answer.found is None:
            angles.clear()
            speeds.clear()
        else:
            told, by = answer.found.misalignment, answer.found.by_wind_speed
            angles.draw(*(told[name].sel(asset=names).values for name in ("yaw_misalignment", "lower", "upper")))
            lines = {name: by["yaw_misalignment"].sel(asset=name).values for name in names}
            speeds.draw(by["wind_bin"].values, lines, str(card.values["asset"]))
        page.replace("yaw-table", yaw_table(site, answer))

    answers = Answers(page, settings, study.answer, show, study.finer)
    card.watch(answers.ask)
    page.ready(answers.ask)
    page.ready(lambda: page.later(lambda: study.prepare(page.give_way), lambda _: answers.ask(), slow=True))
    page.row(card, angles, speeds)
    page.row(yaw_table(site))


def aging_rows(page: Page, performance: Performance) -> None:
    """Degradation of each turbine with its interval, and its course."""
    if performance.plant is None:
        return
    study, site, names = performance.aging, performance.site.id, _names(performance)
    if study.reason:
        page.row(study_lacking(site, "Degradation", f"No degradation: {study.reason}."))
        return
    usual = AgingSettings()
    # less than half a year has no season, and there has to be something to compare with
    most = max(1.0, np.floor(4 * (study.years - 0.5)) / 4)
    widgets = {"asset": controls.choice("Course of", [_ALL, *names], _ALL if len(names) <= 8 else names[0])}
    if not study.alone:
        widgets["reference"] = controls.choice("Held against", list(_REFERENCES), next(iter(_REFERENCES)))
    widgets |= {
        "baseline": controls.number("Years to compare with, from the first", 0.5, float(most), 0.25, 1.0, form="0.00"),
        "block": controls.whole("Days of a block", 7, 56, usual.block),
        "simulations": controls.steps("Simulations", {f"{one:,}": one for one in TURBINE_DRAWS}, 1_000),
    }
    card = Controls("Degradation", widgets)
    rates = Intervals(names, title="Change of performance", label="Change per year [%]", unit="%")
    course = TurbineLines(
        names, title="Course of performance", label="Made of expected [%]", level=100.0, tip=("", "@y{0.0} %")
    )

    def settings() -> AgingSettings:
        given = card.values
        return AgingSettings(
            reference=_REFERENCES[given["reference"]] if "reference" in given else "own",  # type: ignore[arg-type]
            baseline=float(given["baseline"]),
            block=int(given["block"]),
            simulations=int(given["simulations"]),
        )

    def show(answer: AgingAnswer) -> None:
        if answer.found is None:
            rates.clear()
            course.clear()
        else:
            told, made = answer.found.rates, answer.found.performance
            rates.draw(*(told[name].sel(asset=names).values for name in ("rate", "lower", "upper")))
            lines = {name: 100 * made["performance"].sel(asset=name).values for name in names}
            course.draw(made["block"].values, lines, str(card.values["asset"]))
        page.replace("aging-table", aging_table(site, answer))

    answers = Answers(page, settings, study.answer, show)
    card.watch(answers.ask)
    page.ready(answers.ask)
    page.row(card, rates, course)
    page.row(aging_table(site))


_REFERENCES = {"its own early curve": "own", "its neighbours": "neighbours"}


def gap_rows(page: Page, performance: Performance) -> None:
    """The gap to the assessment that was made before the farm was built."""
    study, site = performance.gap, performance.site.id
    if performance.plant is None:
        return
    if study.reason:
        page.row(
            study_lacking(site, "Gap to the assessment", f"No gap to a pre-construction assessment: {study.reason}.")
        )
        return
    begin = study.assessed
    card = Controls(
        "Assessment",
        {"energy": controls.amount("Energy of a year, P50 [GWh]", begin.energy, step=0.1)}
        | {name: controls.amount(f"{words(name)} [%]", begin.losses[name], high=90.0) for name in USUAL},
        note="before construction: P50, losses",
        paired=True,
    )
    chart = GapWaterfall()

    def settings() -> GapSettings:
        given = card.values
        return GapSettings(float(given["energy"] or 0.0), {name: float(given[name] or 0.0) for name in USUAL})

    def show(answer: GapAnswer) -> None:
        chart.show(answer)
        page.replace("gap-table", gap_table(site, answer, in_catalog=study.in_catalog))

    def work(wanted: GapSettings) -> GapAnswer | None:
        return study.answer(wanted) if study.ready else None

    answers = Answers(page, settings, work, show)

    def prepared(_: None) -> None:
        if not card.values["energy"]:
            card.widgets["energy"].value = study.assessed.energy
        answers.ask()

    card.watch(answers.ask)
    page.ready(lambda: page.later(lambda: study.prepare(page.give_way), prepared, slow=True))
    page.row(card, chart, gap_table(site))
