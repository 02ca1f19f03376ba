"""Rows of the page of solar plants that answer to a slider: settings at the left, what they give beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.display import controls
from workbench.display.controls import Answers, Controls
from workbench.display.parts.solar_assessed import soiling_table, solar_loss_table
from workbench.display.solar import WHOLE, CleaningAnswer, CleaningSettings, LossAnswer, LossSettings, SolarHealth
from workbench.display.solar_charts import CleaningChart, LossChart, SoilingChart

if TYPE_CHECKING:
    from workbench.display.page import Page


def loss_rows(page: Page, found: SolarHealth, asset: str = "") -> None:
    """What each category lost in a period: energy and money."""
    if found.told is None or found.told.losses is None:
        page.row(solar_loss_table(found, found.losses(LossSettings()), span=12))
        return
    periods = list(found.periods)
    asset = asset or (found.inverters[0] if len(found.inverters) == 1 else "")
    names = [asset] if asset else [WHOLE, *found.inverters]
    top = max(200.0, 2 * found.price)
    widgets = {
        "period": controls.choice("Period", periods, periods[0]),
        "asset": controls.choice("Inverter", names, names[0]),
        "price": controls.number(f"Price of energy [{found.currency}/MWh]", 0.0, top, 1.0, found.price, form="0"),
    }
    if asset:
        widgets.pop("asset")
    card = Controls("Losses", widgets, note="by the site’s calendar", span=3)
    chart = LossChart(span=5)

    def settings() -> LossSettings:
        given = card.values
        return LossSettings(str(given["period"]), asset or str(given["asset"]), float(given["price"]))

    def show(answer: LossAnswer) -> None:
        chart.show(answer)
        page.replace("solar-loss-table", solar_loss_table(found, answer, span=4))

    answers = Answers(page, settings, found.losses, show)
    card.watch(answers.ask)
    page.ready(answers.ask)
    page.row(card, chart, solar_loss_table(found, span=4))


def soiling_rows(page: Page, found: SolarHealth, asset: str = "") -> None:
    """Degradation and soiling with their intervals, and when to clean; the reason where they cannot be told."""
    if found.told is None or found.told.degradation is None:
        page.row(soiling_table(found))
        return
    names = [asset] if asset else found.inverters
    top, dear = max(200.0, 2 * found.price), max(200.0, 4 * found.cleaning_cost)
    widgets = {
        "price": controls.number(f"Price of energy [{found.currency}/MWh]", 0.0, top, 1.0, found.price, form="0"),
        "cost": controls.number(
            f"One cleaning, of one inverter [{found.currency}]", 0.0, dear, dear / 100, found.cleaning_cost, form="0"
        ),
        "asset": controls.choice("Inverter drawn", names, names[0]),
    }
    if len(names) == 1:
        widgets.pop("asset")
    card = Controls("Soiling and cleaning", widgets, span=3)
    days, chart = SoilingChart(found, names[0], span=5), CleaningChart(found.currency, span=4)

    def settings() -> CleaningSettings:
        return CleaningSettings(float(card.values["price"]), float(card.values["cost"]))

    def show(answer: CleaningAnswer) -> None:
        chart.show(answer)
        days.show(str(card.values.get("asset", names[0])))
        page.replace("soiling-table", soiling_table(found, answer))

    answers = Answers(page, settings, found.cleaning, show)
    card.watch(answers.ask)
    page.ready(answers.ask)
    page.row(card, days, chart)
    page.row(soiling_table(found))
