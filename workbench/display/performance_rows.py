"""Rows of the page of a wind farm's performance: settings at the left, what they give at the right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.display import controls
from workbench.display.controls import Answers, Controls
from workbench.display.parts.performance import loss_table, turbine_curves, yield_tiles
from workbench.display.performance import (
    SIMULATIONS,
    CurveSettings,
    LossSettings,
    Performance,
    YieldAnswer,
    YieldSettings,
)
from workbench.display.performance_charts import (
    CurveChart,
    LossWaterfall,
    YieldDistribution,
    YieldRegression,
    YieldWind,
)

if TYPE_CHECKING:
    from workbench.display.page import Page
    from workbench.display.performance import CurveAnswer, LossAnswer

_CURVES = CurveSettings()


def yield_rows(page: Page, performance: Performance) -> None:
    """Long-term yield: figures, its distribution, the months, the wind of the years."""
    site = performance.site.id
    page.row(yield_tiles(site))
    if performance.plant is None or performance.plant.lacking:
        lacking = performance.yields(YieldSettings())
        page.ready(lambda: page.replace("yield-tiles", yield_tiles(site, lacking)))
        return
    first, last = performance.last_years
    card = Controls(
        "Long-term yield",
        {
            "simulations": controls.steps("Simulations", {f"{one:,}": one for one in SIMULATIONS}, 10_000),
            "years": controls.between("Years of wind, fewest and most", 2, 21, (10, 20)),
            "last_year": controls.whole("Long term ends with", first, last, last),
            "loss_limit": controls.between("Months that lost more stay out [%]", 1, 50, (10, 20)),
            "outliers": controls.switch("Leave out months far from the line", value=False),
            "products": controls.several("Reanalyses", performance.products),
        },
        note="drawn between two ends",
    )

    def settings() -> YieldSettings:
        given = card.values
        return YieldSettings(
            simulations=int(given["simulations"]),
            years=(int(given["years"][0]), int(given["years"][1])),
            last_year=int(given["last_year"]),
            loss_limit=(int(given["loss_limit"][0]), int(given["loss_limit"][1])),
            outliers=bool(given["outliers"]),
            products=tuple(given["products"]),
        )

    charts = (YieldDistribution(span=5), YieldRegression(span=4), YieldWind(span=12))

    def show(answer: YieldAnswer) -> None:
        for chart in charts:
            chart.show(answer)
        page.replace("yield-tiles", yield_tiles(site, answer))

    answers = Answers(page, settings, performance.yields, show)
    card.watch(answers.ask)
    page.ready(answers.ask)
    page.row(card, charts[0], charts[1])
    page.row(charts[2])


def curve_rows(page: Page, performance: Performance) -> None:
    """Power curves and what they say of each turbine."""
    if performance.plant is None:
        return
    names = [str(one) for one in performance.plant.turbines["asset"].values]
    card = Controls(
        "Power curves",
        {
            "asset": controls.choice("Turbine", names, names[0]),
            "bin_width": controls.number("Width of a bin [m/s]", 0.25, 2.0, 0.25, _CURVES.bin_width, form="0.00"),
            "spread": controls.number("Left out beyond, standard deviations", 1.5, 10.0, 0.5, _CURVES.spread),
            "margin": controls.number(
                "Standstill counts above cut-in by [m/s]", 0.0, 3.0, 0.25, _CURVES.margin, form="0.00"
            ),
            "min_count": controls.whole("Slots that a bin needs", 1, 50, _CURVES.min_count),
            "standard_density": controls.switch("Wind at 1.225 kg/m³", value=performance.density is not None),
        },
    )
    chart = CurveChart(performance, names[0], span=5)

    def settings() -> CurveSettings:
        given = card.values
        return CurveSettings(
            bin_width=float(given["bin_width"]),
            spread=float(given["spread"]),
            margin=float(given["margin"]),
            min_count=int(given["min_count"]),
            standard_density=bool(given["standard_density"]),
        )

    def show(answer: CurveAnswer) -> None:
        chart.asset = str(card.values["asset"])
        chart.show(answer)
        page.replace("turbine-curves", turbine_curves(performance, chart.asset, answer))

    answers = Answers(page, settings, performance.curves, show)
    card.watch(answers.ask)
    page.ready(answers.ask)
    page.row(card, chart, turbine_curves(performance, names[0]))


def loss_rows(page: Page, performance: Performance) -> None:
    """Availability, and what each category lost in energy and money."""
    if performance.plant is None or performance.operation is None:
        return
    names = [str(one) for one in performance.plant.turbines["asset"].values]
    years = {"all of the record": 0} | {str(year): year for year in performance.years}
    card = Controls(
        "Losses",
        {
            "year": controls.choice("Time", list(years), "all of the record"),
            "asset": controls.choice("Turbine", ["all", *names], "all"),
            "price": controls.number("Price of energy [EUR/MWh]", 0.0, 200.0, 5.0, LossSettings().price, form="0"),
        },
    )
    chart = LossWaterfall(span=5)

    def settings() -> LossSettings:
        given = card.values
        asset = str(given["asset"])
        return LossSettings(years[str(given["year"])], "" if asset == "all" else asset, float(given["price"]))

    def show(answer: LossAnswer) -> None:
        chart.show(answer)
        page.replace("loss-table", loss_table(performance.site.id, answer))

    answers = Answers(page, settings, performance.losses, show)
    card.watch(answers.ask)
    page.ready(answers.ask)
    page.row(card, chart, loss_table(performance.site.id))
