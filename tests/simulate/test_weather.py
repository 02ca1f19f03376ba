"""Weather: plausible, seamless, and wind as Weibull has it."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.simulate.dynamics import Clock
from workbench.simulate.weather import Climate, WeatherModel, air_density, saturation, weibull

from .conftest import DAY, NOW


def test_density_of_air():
    # dry air of the standard atmosphere, and the wet bulb of CIPM-2007's example within 0.1 %
    assert air_density(np.array(15.0), np.array(1013.25), np.array(0.0)) == pytest.approx(1.225, abs=5e-4)
    assert air_density(np.array(20.0), np.array(1013.25), np.array(50.0)) == pytest.approx(1.1992, rel=1e-3)
    assert saturation(np.array(20.0)) == pytest.approx(23.37, rel=5e-3)


def test_weibull_quantiles():
    z = np.random.default_rng(0).standard_normal(400_000)
    speed = weibull(z, 8.0, 2.0)
    assert speed.mean() == pytest.approx(8.0 * 0.8862, rel=5e-3)
    assert (speed > 8.0).mean() == pytest.approx(np.exp(-1.0), abs=4e-3)


@pytest.fixture(scope="module")
def year(demo_portfolio):
    site = demo_portfolio.sites["north_ridge"]
    climate = Climate.of(site, 1)
    clock = Clock(NOW + np.arange(0, 365 * DAY, 600 * 10**9), 600.0, site.timezone)
    return climate, clock, WeatherModel(climate, 1, site.id).at(clock)


def test_a_year_of_weather(year):
    climate, clock, weather = year
    assert weather.wind.mean() == pytest.approx(0.886 * climate.wind, rel=0.12)
    assert weather.wind.max() < 40
    assert weather.temperature.mean() == pytest.approx(climate.temperature, abs=2.5)
    month = clock.ns.astype("datetime64[ns]").astype("datetime64[M]").astype(int) % 12
    assert weather.temperature[month == 6].mean() - weather.temperature[month == 0].mean() > 12
    assert weather.cloudiness.mean() == pytest.approx(climate.clouds, abs=0.08)
    assert (weather.rain > 0).mean() == pytest.approx(climate.rain, abs=0.03)
    assert (weather.dew_point <= weather.temperature).all()
    assert weather.humidity.min() >= 5
    assert weather.humidity.max() <= 100
    assert weather.cloudiness[weather.rain > 0.5].mean() > 0.8


def test_days_are_warmer_than_nights(year):
    climate, clock, weather = year
    hour = (clock.t / 3600 + climate.longitude / 15) % 24
    assert (
        weather.temperature[(hour > 14) & (hour < 16)].mean() > weather.temperature[(hour > 3) & (hour < 5)].mean() + 5
    )
    # the wind aloft is strongest at night, its profile steepest
    assert weather.wind[(hour > 23) | (hour < 3)].mean() > weather.wind[(hour > 11) & (hour < 15)].mean()
    assert weather.shear[hour < 4].mean() > weather.shear[(hour > 12) & (hour < 16)].mean()


def test_an_instant_does_not_depend_on_what_else_is_asked(year, demo_portfolio):
    climate, clock, weather = year
    fresh = WeatherModel(climate, 1, "north_ridge")
    for i in (5000, 20, 30_000):
        alone = fresh.at(Clock(clock.ns[i : i + 1], 1.0))
        for name in ("temperature", "wind", "direction", "pressure", "cloudiness", "rain"):
            assert getattr(alone, name)[0] == pytest.approx(getattr(weather, name)[i], abs=1e-9)
