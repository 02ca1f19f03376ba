"""Wakes, yaw, degradation and gap on the performance page: the figures of the analyses, at once or after a while."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from workbench.analytics import wind
from workbench.catalog.wind_plant import WindPlant
from workbench.display.parts.performance_studies import aging_table, gap_table, wake_table, yaw_table
from workbench.display.performance import Performance
from workbench.display.performance_aging import AgingSettings, AgingStudy, YawSettings, YawStudy
from workbench.display.performance_gap import USUAL, GapSettings, GapStudy
from workbench.display.performance_study_charts import (
    FARM,
    GapWaterfall,
    Intervals,
    TurbineLines,
    WakeDirections,
    WakeIntervals,
)
from workbench.display.performance_wakes import WakeSettings, WakeStudy

TURBINES = ["R80711", "R80721", "R80736", "R80790"]


def text_of(part) -> str:
    return re.sub(r"<[^>]*>", " ", part.render(None))


@pytest.fixture(scope="module")
def wakes(wind_farm):
    wind_farm.wakes.prepare()
    return wind_farm.wakes


@pytest.fixture(scope="module")
def gap(wind_farm):
    wind_farm.gap.prepare()
    return wind_farm.gap


@pytest.fixture(scope="module")
def some(wind_farm):
    """Two months of the turbines alone."""

    def make(*left_out, assets=TURBINES):
        data = wind_farm.plant.turbines.isel(time=slice(0, 60 * 144)).sel(asset=list(assets))
        kept = [name for name in data.data_vars if name.removesuffix("_quality") not in left_out]
        return WindPlant(data[kept], None, {}, (), {"meter": "no meter", "reanalysis": "no reanalysis"})

    return make


def test_wakes_are_those_of_the_analysis(wind_farm, wakes):
    data = wind.northing_jump_correction(
        wind.northing_jump_detection(wind_farm.plant.turbines, direction="wind_direction"), direction="wind_direction"
    )
    answer = wakes.answer(WakeSettings(sector=70.0, turn=3.0, spread=6.0, no_wakes_from=15.0, years=10))
    assert answer.offset == pytest.approx(wind.direction_offset(data).offset + 3.0)
    direct = wind.wake_losses(
        data, wind_farm.plant.reanalysis, direction_offset=answer.offset, sector=70.0, spread=6.0, no_wakes_from=15.0,
        years=10,
    )  # fmt: skip
    np.testing.assert_allclose(answer.losses.summary, direct.summary, atol=1e-9)
    assert answer.kind == "long_term"


def test_intervals_of_wakes_follow_and_are_kept(wakes):
    settings = WakeSettings(simulations=20, direction_bin=15.0)
    first = wakes.answer(settings)
    assert first.drawn is None
    assert "the interval of 20 simulations is being worked out" in text_of(wake_table("site", first))
    assert wakes.finer(first, lambda: False) is None
    assert wakes.answer(settings).drawn is None
    whole = wakes.finer(first, lambda: True)
    assert whole.drawn.simulations.sizes["simulation"] == 20
    assert whole.losses is first.losses
    again = wakes.answer(settings)
    assert again.drawn is whole.drawn
    assert wakes.finer(again, lambda: True) is None
    assert "the interval of 20 simulations in" in text_of(wake_table("site", whole))
    losses, directions = WakeIntervals(TURBINES), WakeDirections()
    losses.show(first)
    assert len(losses._known.data["asset"]) == 0
    losses.show(whole)
    assert losses._known.data["asset"] == [*TURBINES, FARM]
    assert losses._rows.data["value"] == pytest.approx(100 * whole.losses.summary["long_term"].to_numpy())
    assert losses.figure.y_range.start < min(losses._known.data["lower"])
    directions.show(whole, "R80721")
    line = directions._lines["long_term"].data
    assert (line["x"][0], line["x"][-1]) == (0.0, 360.0)
    assert line["y"][0] == line["y"][-1]
    assert directions._share.data["share"][:-1].sum() == pytest.approx(100.0)
    farm = line["y"].copy()
    directions.show(whole, FARM)
    assert not np.allclose(directions._lines["long_term"].data["y"], farm, equal_nan=True)


def test_yaw_is_that_of_the_analysis(wind_farm):
    settings = YawSettings(power=(10, 60), largest_vane=20.0, simulations=100)
    first = wind_farm.yaw.answer(settings)
    assert "the intervals of 100 simulations of each turbine are being worked out" in text_of(yaw_table("site", first))
    assert wind_farm.yaw.finer(first, lambda: False) is None
    answer = wind_farm.yaw.finer(first, lambda: True)
    slots = wind.YawSettings(lowest=0.1, highest=0.6, largest_vane=20.0)
    direct = wind.static_yaw_misalignment(wind_farm.plant.turbines, settings=slots, simulations=100)
    assert (first.found.misalignment["yaw_misalignment"] == direct.misalignment["yaw_misalignment"]).all()
    assert wind_farm.yaw.answer(settings).whole
    assert wind_farm.yaw.finer(answer, lambda: True) is None
    for name in ("yaw_misalignment", "lower", "upper"):
        np.testing.assert_array_equal(answer.found.misalignment[name], direct.misalignment[name])
    quiet = wind_farm.yaw.answer(replace(settings, noise=False)).found.misalignment
    assert (quiet["reliability_lower"] == 1.0).all()
    angles = Intervals(TURBINES, title="", label="", unit="")
    angles.draw(*(direct.misalignment[name].values for name in ("yaw_misalignment", "lower", "upper")))
    assert (angles._known.data["lower"] < angles._rows.data["value"]).all()


def test_the_doubt_of_yaw_follows(some):
    study = YawStudy(some())
    assert "is being worked out" in text_of(yaw_table("site", study.answer(YawSettings())))
    study.prepare()
    told = text_of(yaw_table("site", study.answer(YawSettings(spread=4.0))))
    assert "Other settings move the angle by up to" in told
    assert "How far" not in told


def test_degradation_is_that_of_the_analysis(wind_farm):
    answer = wind_farm.aging.answer(AgingSettings("neighbours", baseline=0.75, block=21, simulations=100))
    direct = wind.degradation_rate(
        wind_farm.plant.turbines, reference="neighbours", baseline=0.75, block=21, simulations=100
    )
    np.testing.assert_array_equal(answer.found.rates["rate"], direct.rates["rate"])
    told = text_of(aging_table("site", answer))
    assert "2014" in told
    assert "its neighbours" in told
    lines = TurbineLines(TURBINES, title="", label="")
    made = {name: direct.performance["performance"].sel(asset=name).values for name in TURBINES}
    lines.draw(direct.performance["block"].values, made, "R80736")
    assert [len(source.data["x"]) > 0 for source in lines._sources.values()] == [False, False, True, False]
    lines.draw(direct.performance["block"].values, made, "all")
    assert all(len(source.data["x"]) for source in lines._sources.values())


def test_the_gap_closes_and_follows_the_assessment(gap):
    begin = gap.assessed
    answer = gap.answer(begin)
    table = answer.found.waterfall
    changes = table.loc[table["kind"] == "change", "value"]
    assert begin.energy + changes.sum() == pytest.approx(table["value"].iloc[-1])
    # what the viewer begins with is operation's own energy: only losses are left
    assert changes["ideal_energy"] == pytest.approx(0.0, abs=0.02)
    assert table.loc["actual", "value"] == pytest.approx(12.3, abs=0.2)
    assert (table.loc["unexplained", "p05"] < table.loc["unexplained", "p95"]).all()
    other = gap.answer(GapSettings(begin.energy, USUAL | {"availability": 6.0}))
    assert other.found.waterfall.loc["availability", "value"] > changes["availability"]
    assert "type those of yours" in text_of(gap_table("site", answer))
    chart = GapWaterfall()
    chart.show(answer)
    assert chart.figure.x_range.factors[0] == "Assessment"
    assert chart.figure.x_range.factors[-1] == "Operation"
    assert gap.answer(GapSettings(0.0)).reason == "type the energy that the assessment expected (P50)"
    assert "wake: a loss is a share" in gap.answer(GapSettings(12.0, USUAL | {"wake": 100.0})).reason


def test_an_assessment_of_the_catalog_is_begun_with(wind_farm):
    attributes = {"assessment_energy": 12.9, "assessment_wake_loss": 3.5}
    study = GapStudy(Performance(replace(wind_farm.site, attributes=attributes), wind_farm.plant))
    assert study.in_catalog
    assert study.assessed == GapSettings(12.9, USUAL | {"wake": 3.5})


def test_what_is_missing_is_said_in_words(wind_farm, some):
    assert WakeStudy(some(assets=TURBINES[:1])).reason.startswith("one turbine")
    assert WakeStudy(some("wind_direction")).reason == "the turbines do not tell the wind direction"
    assert "yaw error" in YawStudy(some("yaw_error")).reason
    assert GapStudy(Performance(wind_farm.site, some())).reason == "no meter; no reanalysis"
    short = AgingStudy(some()).answer(AgingSettings())
    assert "needed to see a season" in text_of(aging_table("site", short))


def test_wakes_without_a_reanalysis_have_no_long_term(some):
    study = WakeStudy(some())
    assert study.answer(WakeSettings()).reason == "not worked out yet"
    study.prepare()
    answer = study.answer(WakeSettings(direction_bin=15.0))
    assert answer.kind == "period"
    told = text_of(wake_table("site", answer))
    assert "There is no reanalysis, and so no long term." in told
    WakeDirections().show(answer, FARM)


def test_a_turbine_alone_has_yaw_and_degradation(some):
    plant = some(assets=TURBINES[:1])
    assert YawStudy(plant).answer(YawSettings(simulations=100)).found is not None
    assert AgingStudy(plant).alone


def test_a_failure_is_a_reason(some, monkeypatch):
    monkeypatch.setattr("workbench.analytics.wind.northing_jump_detection", lambda *_, **__: 1 / 0)
    study = WakeStudy(some())
    study.prepare()
    assert study.ready
    assert "the log of the server says how" in study.answer(WakeSettings()).reason
