"""Degradation and soiling together: the truth of made-up plants, and what is said where there is none to find."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.analytics.solar import degradation_and_soiling, year_on_year
from workbench.model.errors import InputError


def plant(seed: int, *, rate: float = -0.8, soiling: float = 0.002, years: int = 5, noise: float = 0.006) -> xr.Dataset:
    """Index of a plant that rain cleans at random, more often in winter."""
    rng = np.random.default_rng(seed)
    days = int(365.25 * years)
    day = np.arange(days)
    rain = rng.random(days) < 0.035 * (1 + 0.9 * np.cos(2 * np.pi * day / 365.25))
    age, since = np.zeros(days), 0
    for k in range(days):
        since = 0 if rain[k] else since + 1
        age[k] = since
    pace = soiling * rng.lognormal(0, 0.3, days)[np.cumsum(rain)]
    ratio = np.clip(1 - pace * age, 0.6, 1)
    season = 1 + 0.02 * np.cos(2 * np.pi * (day - 30) / 365.25)
    index = 0.9 * (1 + rate / 100 * day / 365.25) * season * ratio * rng.normal(1, noise, days)
    dims = ("time", "asset")
    return xr.Dataset(
        {
            "performance_index": (dims, index[:, None]),
            "insolation": (dims, rng.uniform(3, 7, days)[:, None]),
            "precipitation_amount": (dims, np.where(rain, 5.0, 0.0)[:, None]),
            "truth": (dims, ratio[:, None]),
        },
        coords={"time": pd.date_range("2016-01-01", periods=days, freq="D", unit="ns"), "asset": ["P"]},
    )


@pytest.fixture(scope="module")
def soiled():
    data = plant(3)
    return data, degradation_and_soiling(data, simulations=200)


def test_rate_and_soiling_of_a_plant_whose_truth_is_known(soiled):
    data, found = soiled
    rates = found.rates.isel(asset=0)
    light = data["insolation"].values[:, 0]
    truth = float(light @ data["truth"].values[:, 0] / light.sum())
    assert float(rates["rate"]) == pytest.approx(-0.8, abs=0.1)
    assert float(rates["soiling_ratio"]) == pytest.approx(truth, abs=0.004)
    assert float(rates["lower"]) < float(rates["rate"]) < float(rates["upper"])
    assert float(rates["upper"] - rates["lower"]) < 0.2
    assert found.simulations.sizes == {"simulation": 200, "asset": 1}
    # year on year, which knows of no soiling, is farther off
    plain = float(year_on_year(data).rates["rate"].values[0])
    assert abs(plain + 0.8) > abs(float(rates["rate"]) + 0.8)


def test_cleanings_are_those_of_the_rain(soiled):
    data, found = soiled
    rain = data["precipitation_amount"].values[:, 0] > 0
    ratio = data["truth"].values[:, 0]
    gain = np.append(0, np.diff(ratio))
    worth = np.flatnonzero(rain & (gain > 0.02))
    days = (found.cleanings["time"].to_numpy() - data["time"].values[0]) / np.timedelta64(1, "D")
    hit = [np.abs(days - day).min() <= 1 for day in worth]
    assert len(worth) > 10
    assert np.mean(hit) > 0.95
    false = [not rain[max(int(day) - 2, 0) : int(day) + 3].any() for day in days]
    assert np.mean(false) < 0.1
    assert (found.cleanings["rain"] > 0).mean() > 0.85


def test_a_clean_plant_is_found_clean_and_its_rate_as_well_as_by_a_straight_line():
    data = plant(5, soiling=0.0, rate=-0.5)
    rates = degradation_and_soiling(data, simulations=100).rates.isel(asset=0)
    assert float(rates["soiling_ratio"]) > 0.9995
    assert float(rates["rate"]) == pytest.approx(-0.5, abs=0.03)


def test_the_same_seed_gives_the_same_and_an_asset_does_not_depend_on_the_others():
    data = plant(7, years=3)
    short = degradation_and_soiling(data, simulations=20, seed=4)
    both = xr.concat([data, data.assign_coords(asset=["Q"]) * 0.98], dim="asset")
    pair = degradation_and_soiling(both, simulations=20, seed=4)
    np.testing.assert_array_equal(short.simulations["rate"], pair.simulations["rate"].isel(asset=[0]))
    # the level of the index is no matter
    assert float(pair.rates["rate"][1]) == pytest.approx(float(pair.rates["rate"][0]), abs=1e-3)


def test_snow_and_a_failed_inverter_hardly_move_the_rate():
    data = plant(9, years=3)
    index = data["performance_index"].values
    index[200:210] *= 0.3
    index[500:530] *= 0.75
    found = degradation_and_soiling(data, simulations=0)
    assert np.mean(found.daily["state"].values[200:210, 0] == 3) > 0.9
    assert float(found.rates["rate"][0]) == pytest.approx(-0.8, abs=0.25)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: data.isel(time=slice(500)), "1.4 years of data; two years are needed"),
        (lambda data: data.isel(time=slice(3)), "3 days of data; two years are needed"),
        (lambda data: data.assign(performance_index=data["performance_index"] * np.nan), "no day has"),
        (lambda data: data.assign(performance_index=data["performance_index"].where(data.time.dt.day == 1)), "300"),
    ],
)
def test_too_little_is_said_and_gives_no_figure(change, reason):
    rates = degradation_and_soiling(change(plant(1, years=3)), simulations=5).rates
    assert reason in str(rates["reason"].values[0])
    assert np.isnan(rates["rate"].values[0])


def test_rejected_values_do_not_count():
    data = plant(1, years=3)
    flags = np.full((data.sizes["time"], 1), 1, "uint16")
    data["performance_index_quality"] = (("time", "asset"), flags)
    assert "no day has" in str(degradation_and_soiling(data, simulations=0).rates["reason"].values[0])


def test_months_without_data_and_no_insolation_are_cautions():
    data = plant(2, years=3).drop_vars("insolation")
    data = data.isel(time=[k for k in range(data.sizes["time"]) if not 400 < k < 520])
    rates = degradation_and_soiling(data, simulations=0).rates
    caution = str(rates["caution"].values[0])
    assert "119 days in a row" in caution
    assert "no insolation" in caution
    assert np.isfinite(rates["rate"].values[0])


def test_what_is_no_daily_series_is_refused():
    data = plant(1, years=2)
    with pytest.raises(InputError, match="not one value a day"):
        degradation_and_soiling(data.assign_coords(time=data["time"].values[0] + np.arange(730) * 3_600_000_000_000))
    with pytest.raises(InputError, match="no variable"):
        degradation_and_soiling(data, index="energy")
    with pytest.raises(InputError, match="no share"):
        degradation_and_soiling(data, level=68)


def test_a_plant_that_is_seldom_clean_has_a_wide_range_or_none():
    """Rains of the dry south-west that never wash all off: through the two clean times of six years any line goes."""
    from benchmarks._soiled_fleet import system
    from workbench.analytics.solar import daily_performance

    never = degradation_and_soiling(daily_performance(system(20277, generator="rough").data), simulations=20)
    assert np.isnan(never.rates["rate"].item())
    assert "thoroughly clean 2 times in 6.0 years" in never.rates["reason"].item()
    loss, state = np.zeros(5 * 365), 0.06
    for day in range(len(loss)):
        state = 0.0 if day % 300 == 299 else (state + 0.0006) * (0.6 if day % 40 == 39 else 1.0)
        loss[day] = state
    year = np.arange(len(loss)) / 365.25
    noise = np.exp(np.random.default_rng(0).normal(0, 0.004, len(loss)))
    index = (1 - loss) * (1 - 0.006 * year) * noise
    seldom = degradation_and_soiling(
        xr.Dataset(
            {
                "performance_index": (("time", "asset"), index[:, None]),
                "insolation": (("time", "asset"), np.full((len(loss), 1), 5.0)),
            },
            coords={"time": pd.date_range("2015-01-01", periods=len(loss), freq="D", unit="ns"), "asset": ["A"]},
        ),
        simulations=200,
    ).rates.isel(asset=0)
    assert "hardly ever" in seldom["caution"].item()
    assert seldom["lower"].item() < -0.6 < seldom["upper"].item()
    assert seldom["std"].item() > 0.1
