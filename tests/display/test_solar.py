"""What the page of solar plants works out and shows, without a browser."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.analytics.solar.assessment import Assessment
from workbench.analytics.solar.assessment_faults import FaultsFound
from workbench.analytics.solar.kpi import performance_indicators
from workbench.analytics.solar.loss_waterfall import solar_losses
from workbench.catalog.solar_plant import SolarPlant
from workbench.display import solar_charts, solar_strings, solar_today, theme
from workbench.display.parts import solar_assessed, solar_now
from workbench.display.parts import solar_strings as string_parts
from workbench.display.readings import Now
from workbench.display.solar import CleaningSettings, LossSettings, SolarHealth

INVERTERS = ["SV-INV01", "SV-INV02", "SV-INV03"]
WEAK = "SV-INV01-S02"


def record(days: int = 3) -> xr.Dataset:
    """Three inverters of 875 kW under a clear sky; the second makes a tenth less."""
    times = pd.date_range("2025-06-01 07:00", periods=144 * days, freq="10min", unit="ns")
    clock = ((times.hour + times.minute / 60).to_numpy() - 7) % 24
    light = 900.0 * np.clip(np.sin((clock - 5) / 14 * np.pi), 0, None) * (clock > 5) * (clock < 19)
    power = np.minimum(0.85 * light, 875.0)[:, None] * np.array([1.0, 0.9, 1.0])
    both = ("time", "asset")
    return xr.Dataset(
        {
            "total_ac_power": (both, power, {"units": "kW"}),
            "total_dc_power": (both, power / 0.97, {"units": "kW"}),
            "irradiance_poa": (both, np.repeat(light[:, None], 3, axis=1), {"units": "W/m2"}),
            "module_temperature": (both, np.full((times.size, 3), 35.0), {"units": "degC"}),
        },
        coords={
            "time": times, "asset": INVERTERS, "rated_capacity": ("asset", [875.0] * 3),
            "dc_capacity": ("asset", [1093.5] * 3), "latitude": ("asset", [36.8] * 3), "longitude": ("asset", [-119.4] * 3),
        },
        attrs={"timezone": "America/Los_Angeles"},
    )  # fmt: skip


def currents(data: xr.Dataset) -> xr.Dataset:
    """Boxes of ten strings behind the first inverter; one of them has lost a tenth."""
    names = [f"SV-INV01-S{i:02d}" for i in range(1, 6)]
    share = np.array([1.0, 0.9, 1.0, 1.01, 0.99])
    values = 0.09 * data["irradiance_poa"].values[:, :1] * share
    return xr.Dataset({"current": (("time", "asset"), values, {"units": "A"})}, {"time": data["time"], "asset": names})


@pytest.fixture(scope="module")
def found(portfolio) -> SolarHealth:
    data = record()
    window = (pd.Timestamp(data["time"].values[0]), pd.Timestamp(data["time"].values[-1]) + pd.Timedelta("10min"))
    told = Assessment(window, "America/Los_Angeles", "day", 60.0, "USD", data, "total_ac_power")
    zone = {"timezone": told.tz, "power": told.power}
    told.kpi, told.kpi_by = (performance_indicators(data, by=by, **zone) for by in (None, "day"))
    told.losses = solar_losses(data, price=60.0, currency="USD", by="day", tz=told.tz)
    told.reasons = {"degradation": "3 days of data; two years are needed", "availability": "left out"}
    event = {
        "asset": WEAK, "parent": "SV-INV01-M1", "fault": "open string", "begin": pd.Timestamp("2025-06-02 12:00"),
        "end": window[1], "ongoing": True, "days": 2, "ratio": 0.9, "confidence": 0.95, "lost_energy": 120.0,
        "kind": "string", "inverter": "SV-INV01",
    }  # fmt: skip
    told.faults = FaultsFound(pd.DataFrame([event]), {}, {}, {"tracker": "no data of trackers"})
    strings = currents(data)
    parents = {str(one): "SV-INV01" for one in strings["asset"].values}
    plant = SolarPlant(data, (), None, None, strings, None, None, parents, {}, (), {})
    site = portfolio.site("sun_valley")
    site = replace(site, attributes=site.attributes | {"energy_price": 50.0})
    made = SolarHealth(site, plant, told, seconds=1.0)
    made.monthly = performance_indicators(data, by="month", **zone)
    return made


def now_of(site) -> Now:
    return Now(site.now, 1, None, {site.id: site})


def live_of(found, now) -> SimpleNamespace:
    return SimpleNamespace(remember=lambda key, *_, **__: found if key[0] == "solar health" else None, now=now)


def test_deviations_are_from_the_peers_in_the_same_light():
    light = np.array([0.0, 5.0, 10.0])[:, None]
    values = light * np.array([1.0, 1.0, 0.9, 0.5, 0.5])
    out = solar_strings.deviations(values, ["A", "A", "A", "B", "B"])
    assert out == pytest.approx([0, 0, -10, 0, 0])
    # what is missing in the bright hours is not charged to the string; alone there is no peer
    values[2, 2] = np.nan
    assert solar_strings.deviations(values, ["A", "A", "A", "B", "C"])[2:] == pytest.approx(
        [-10, math.nan, math.nan], nan_ok=True
    )
    assert np.isnan(solar_strings.deviations(np.full((2, 2), 0.1), ["A", "A"])).all()  # dusk


def test_at_night_the_last_day_stands_for_now(found, make_site):
    names = [f"SV-INV01-S{i:02d}" for i in range(1, 6)]
    dark = make_site("sun_valley", {"string": {one: {"current": 0.02} for one in names}})
    bright = make_site("sun_valley", {"string": {one: {"current": 80.0 if one != WEAK else 60.0} for one in names}})
    for site, shown, low in ((dark, "day", -10.0), (bright, "now", -25.0)):
        now = now_of(site)
        given, what = solar_strings.levels(live_of(found, now), now, "sun_valley", found, "now")
        own = {one.name: one for one in given if math.isfinite(one.deviation)}
        assert what == shown
        assert len(own) == 5
        assert own[WEAK].deviation == pytest.approx(low, abs=0.2)
        assert own[WEAK].inverter == "SV-INV01"
    assert own[WEAK].current == pytest.approx(6.0)  # ten in parallel


def test_the_map_names_strings_and_frames_those_with_a_fault(found, make_site):
    names = [f"SV-INV01-S{i:02d}" for i in range(1, 6)]
    site = make_site("sun_valley", {"string": {one: {"current": 50.0} for one in names}})
    now = now_of(site)
    html = string_parts.string_map(live_of(found, now), "sun_valley").render(now)
    assert f'class="square weak" href="asset?site=sun_valley&amp;asset={WEAK}"' in html
    assert f"{WEAK}: 0.0 %, open string" in html
    assert 'href="solar?site=sun_valley&amp;asset=SV-INV01"' in html
    assert string_parts.colour(math.nan, 5.0) == "transparent"
    assert string_parts.colour(-9.0, 5.0) == theme.DIVERGING[0]
    assert string_parts.strings_of("nonsense") == "now"
    table = string_parts.input_table(live_of(found, now), "sun_valley", "SV-INV01").render(now)
    assert "open string" in table
    assert "120 kWh" in table
    empty = make_site("pvdaq_50", {})
    nothing = string_parts.string_map(live_of(None, now_of(empty)), "pvdaq_50").render(now_of(empty))
    assert "Nothing behind the inverters is measured" in nothing


def test_losses_answer_for_a_period_an_inverter_and_a_price(found):
    assert list(found.periods) == ["all 3 days", "2 June, the day before the last", "3 June, the last day"]
    whole = found.losses(LossSettings())
    day = found.losses(LossSettings("2 June, the day before the last", "SV-INV02", 100.0))
    for answer in (whole, day):
        energy = answer.waterfall["energy"]
        assert energy.iloc[:-1].sum() == pytest.approx(energy.iloc[-1], rel=1e-9)
    # potential is light times modules; a third of three days
    assert day.waterfall["energy"].iloc[0] == pytest.approx(whole.waterfall["energy"].iloc[0] / 9)
    assert day.waterfall["value"].iloc[1:-1].sum() == pytest.approx(
        0.1 * (day.waterfall["energy"].iloc[-1] - day.waterfall["energy"].iloc[0])
    )
    html = solar_assessed.solar_loss_table(found, day).render(None)
    assert "DC wiring" in html
    assert "unexplained" in html
    chart = solar_charts.LossChart()
    chart.show(whole)
    assert chart.figure.x_range.factors[0] == "Potential"
    assert "left out" in solar_assessed.solar_loss_table(
        found, SolarHealth(found.site, problem="left out").losses(LossSettings())
    ).render(None)


def test_key_figures_colour_what_is_below_the_others(found):
    html = solar_assessed.kpi_table(found).render(None)
    low = html[html.index("SV-INV02</a>") : html.index("SV-INV03</a>")]
    assert low.count("s-operating_reduced") == 3
    assert html.count("s-operating_reduced") == 3
    ratio = float(found.told.kpi.groups["performance_ratio"].values.squeeze())
    assert ratio == pytest.approx(0.85 * 2.9 / 3 / 1.0935, rel=0.01)
    assert solar_now.plant_figures(found)["ratio"] == ratio
    months = solar_assessed.kpi_table(found, "yield", "month").render(None)
    assert "Jun 2025" in months
    assert "left out" in solar_assessed.kpi_table(found, "available", "day").render(None)
    assert solar_assessed.figure_of("nonsense") == "ratio"


def test_faults_have_their_first_day_energy_and_money(found):
    html = solar_assessed.fault_table(found).render(None)
    assert "2 Jun 2025" in html
    assert "<td class=num>120</td><td class=num>6</td>" in html  # 0.12 MWh at 50
    assert "Not told: tracker: no data of trackers" in html
    assert "No fault was found" in solar_assessed.fault_table(found, "SV-INV02").render(None)


def test_what_cannot_be_told_says_why(found):
    assert "two years are needed" in solar_assessed.soiling_table(found).render(None)
    assert "two years are needed" in found.cleaning(CleaningSettings()).reason
    tiles = solar_assessed.assessed_tiles(found).render(None)
    assert "Not yet" in tiles
    assert "two years are needed" in tiles
    nothing = SolarHealth(found.site, problem="no data of inverters")
    assert "no data of inverters" in solar_assessed.fault_table(nothing).render(None)


def test_the_day_that_runs_has_its_ratio_and_index():
    data = record(1)
    window = (data["time"].values[0], data["time"].values[-1])
    day = solar_today._told(data, "total_ac_power", window, "today, 1 Jun")
    assert day.reason == ""
    ratio, index, energy = day.figures("SV-INV01")
    assert ratio == pytest.approx(0.85 / 1.0935, rel=0.01)
    assert day.figures("SV-INV02")[1] == pytest.approx(0.9 * index, rel=0.01)
    assert energy == pytest.approx(float(data["irradiance_poa"][:, 0].sum()) / 6000)
    assert math.isnan(day.figures("another")[0])
    # a sum lacks what an inverter that speaks at all did not say
    power = np.array([[1.0, 2.0, np.nan], [1.0, np.nan, np.nan]])
    assert solar_charts._summed(power) == pytest.approx([3.0, math.nan], nan_ok=True)


def test_midnights_are_those_of_the_site():
    start = pd.Timestamp("2026-03-08 08:00").value  # the clocks go forward in California
    first, last = solar_today._window(start, "America/Los_Angeles")
    assert (last - first) == np.timedelta64(23, "h")


@pytest.fixture(scope="module")
def dirty(portfolio) -> SolarHealth:
    """An inverter under dust: 0.3 % a day, washed off every 50 days, over 2.2 years."""
    from workbench.analytics.solar.degradation_soiling import degradation_and_soiling

    days = pd.date_range("2023-01-01", periods=800, unit="ns")
    share = (1 - 0.003 * (np.arange(800) % 50)) * (1 - 0.01 * np.arange(800) / 365.25)
    index = share * np.exp(np.random.default_rng(1).normal(0, 0.01, 800))
    daily = xr.Dataset(
        {"performance_index": (("time", "asset"), index[:, None]), "insolation": (("time", "asset"), np.full((800, 1), 6.0))},
        coords={"time": days, "asset": ["SV-INV01"]},
    )  # fmt: skip
    hours = pd.date_range("2023-01-01", periods=800 * 24, freq="h", unit="ns")
    power = np.repeat(share, 24) * 800.0 * ((hours.hour >= 10) & (hours.hour < 18))
    data = xr.Dataset(
        {"total_ac_power": (("time", "asset"), power[:, None], {"units": "kW"})}, {"time": hours, "asset": ["SV-INV01"]}
    )
    told = Assessment((hours[0], hours[-1]), "UTC", "day", 60.0, "USD", data, "total_ac_power")
    told.daily, told.degradation = daily, degradation_and_soiling(daily, simulations=40, seed=1)
    return SolarHealth(portfolio.site("sun_valley"), told=told)


def test_a_dearer_cleaning_comes_later_and_gains_less(dirty):
    cheap, dear = (dirty.cleaning(CleaningSettings(60.0, cost)) for cost in (100.0, 100_000.0))
    assert cheap.gain.max() > 0 > dear.gain.max()
    assert cheap.table.loc["SV-INV01", "interval"] < dear.table.loc["SV-INV01", "interval"]
    double = dirty.cleaning(CleaningSettings(120.0, 100.0))
    assert double.table["lost_money"].sum() == pytest.approx(2 * cheap.table["lost_money"].sum())
    # 0.3 % a day, 7.35 % on average, of 6,400 kWh a day
    assert cheap.table["lost_energy"].sum() == pytest.approx(0.0735 * 6400 * 800, rel=0.12)
    words = solar_assessed.soiling_table(dirty, cheap).render(None)
    assert "Clean all inverters around" in words
    assert "No cleaning pays" in solar_assessed.soiling_table(dirty, dear).render(None)
    chart = solar_charts.CleaningChart("USD")
    chart.show(cheap)
    assert chart._best.visible
    chart.show(dear)
    assert not chart._best.visible
    days = solar_charts.SoilingChart(dirty, "SV-INV01")
    lines = days._lines.data
    assert np.nanmin(lines["soiled"] / lines["clean"]) == pytest.approx(1 - 0.003 * 49, abs=0.02)
