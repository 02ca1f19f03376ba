"""How old values are when a live ring has them."""

from __future__ import annotations

import math

import numpy as np

from workbench.demo.ages import MOST, AgeWatch
from workbench.model.samples import SeriesKey

WIND, SUN = SeriesKey("wind_turbine", "1s"), SeriesKey("inverter", "5s")


def test_percentiles_by_series_and_site():
    watch = AgeWatch({})
    assert all(math.isnan(value) for value in watch.percentiles())
    ages = np.random.default_rng(1).gamma(2.0, 0.2, 5000)
    watch._count("a", WIND, ages[:3000])
    watch._count("a", WIND, ages[3000:])
    watch._count("b", SUN, np.array([2.0, 3e6]))
    p50, p99 = watch.percentiles(site="a", series=WIND)
    assert abs(p50 - np.percentile(ages, 50)) <= 0.002
    assert abs(p99 - np.percentile(ages, 99)) <= 0.01
    assert watch.percentiles(site="b") == (2.0, MOST / 1e3)
    assert watch.percentiles(site="c")[0] != watch.percentiles(site="c")[0]
