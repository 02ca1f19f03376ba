"""What the performance page works out and draws, on the real farm, without a browser."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.display.performance import CurveSettings, LossSettings, YieldSettings, prepare, wind_sites
from workbench.display.performance_charts import (
    CurveChart,
    LossWaterfall,
    YieldDistribution,
    YieldRegression,
    YieldWind,
)


@pytest.fixture
def live(wind_live):
    return wind_live


@pytest.fixture
def farm(wind_farm):
    return wind_farm


def test_the_same_settings_give_the_same_yield(farm):
    one, two = (farm.yields(YieldSettings(simulations=1000)) for _ in range(2))
    assert one.found.summary.equals(two.found.summary)
    # OpenOA's own 1,000 simulations: 12.313 GWh with a standard error of 0.037
    assert one.found.summary.loc["annual_energy", "mean"] / 1e6 == pytest.approx(12.3, abs=0.15)
    assert one.seconds > 0


def test_each_setting_moves_what_it_is_about(farm):
    usual = farm.yields(YieldSettings(simulations=3000)).found
    assert (
        farm.yields(YieldSettings(simulations=3000, products=("era5",))).found.simulations["product"] == "era5"
    ).all()
    few = farm.yields(YieldSettings(simulations=3000, years=(3, 4))).found
    assert set(np.unique(few.simulations["years"])) == {3, 4}
    early = farm.yields(YieldSettings(simulations=3000, last_year=farm.last_years[1] - 3))
    assert str(early.data.wind["month"].values[-1])[:7] == f"{farm.last_years[1] - 3}-12"
    robust = farm.yields(YieldSettings(simulations=3000, outliers=True)).found
    assert robust.simulations["months"].mean() < usual.simulations["months"].mean()


def test_no_more_years_than_there_are(farm):
    answer = farm.yields(YieldSettings(simulations=300, years=(10, 40)))
    assert answer.years == (10, 20)
    assert answer.found.simulations["years"].max() <= 20


def test_an_answer_that_there_is_not_gives_its_reason(farm):
    answer = farm.yields(YieldSettings(products=("jra55",)))
    assert answer.found is None
    assert "jra55" in answer.reason
    for chart in (YieldDistribution(), YieldRegression(), YieldWind()):
        chart.show(answer)
        assert all(len(column) == 0 for source in chart.figure.renderers for column in source.data_source.data.values())


def test_charts_draw_the_answer(farm):
    answer = farm.yields(YieldSettings(simulations=1000))
    bars, months, wind = YieldDistribution(), YieldRegression(), YieldWind()
    for chart in (bars, months, wind):
        chart.show(answer)
    share = bars._bars.data["share"]
    assert 99 < share.sum() <= 100
    assert bars._marks[0].location < bars._marks[1].location
    assert len(months._months.data["x"]) == answer.data.plant.sizes["month"] == 24
    index = wind._bars.data["index"]
    assert np.mean(index[-20:]) == pytest.approx(100.0)
    # both years of measurement are drawn as such: they end in April as the long term does
    assert (wind._bars.data["colour"] == wind.legend[1][0]).sum() == 2


def test_curves_follow_their_settings(farm):
    usual, narrow = farm.curves(CurveSettings()), farm.curves(CurveSettings(bin_width=0.25, spread=2.0))
    assert narrow.used.sum() < usual.used.sum() <= usual.considered.sum()
    assert narrow.curve.sizes["wind_speed_bin"] > usual.curve.sizes["wind_speed_bin"]
    thin = farm.curves(CurveSettings(standard_density=False))
    assert np.nanmean(thin.wind_speed) > np.nanmean(usual.wind_speed)  # the air up there is thinner than 1.225 kg/m3
    chart = CurveChart(farm, "R80721")
    chart.show(usual)
    assert 0 < len(chart._used.data["x"]) <= 1500
    assert max(chart._curve.data["y"]) == pytest.approx(2000, rel=0.03)  # it hardly ever reaches its 2,050 kW


def test_losses_close_and_follow_their_settings(farm):
    whole, one = farm.losses(LossSettings()), farm.losses(LossSettings(year=2015, asset="R80721", price=100.0))
    for answer in (whole, one):
        energy = answer.waterfall["energy"]
        assert energy.iloc[:-1].sum() == pytest.approx(energy.iloc[-1], rel=1e-12)
        assert 0.97 < answer.availability < 1
    assert one.waterfall["energy"].iloc[0] < whole.waterfall["energy"].iloc[0] / 4
    lost = one.waterfall.loc["unavailable"]
    assert lost["value"] == pytest.approx(lost["energy"] / 1e3 * 100)
    chart = LossWaterfall()
    chart.show(one)
    drawn = chart.figure.renderers[0].data_source.data
    assert drawn["name"][0] == "Potential"
    assert drawn["high"][0] == pytest.approx(one.waterfall["energy"].iloc[0] / 1e3)
    assert chart.figure.x_range.factors == drawn["name"]


def test_a_site_without_data_says_so(live):
    found = prepare(live, "north_ridge")
    assert found.plant is None
    assert "north_ridge has no ten-minute data" in found.problem
    assert found.yields(YieldSettings()).reason == found.problem


def test_only_wind_farms_are_offered(live):
    assert "la_haute_borne" in wind_sites(live)
    assert "sun_valley" not in wind_sites(live)
