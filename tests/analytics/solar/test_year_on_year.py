"""Year on year beside RdTools."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.analytics.solar import year_on_year
from workbench.model.errors import InputError


def series() -> xr.Dataset:
    """Five years by a formula, with missing days and two missing months."""
    k = np.arange(1827)
    values = 0.9 * (1 - 0.012 * k / 365.25) * (1 + 0.03 * np.cos(2 * np.pi * k / 365.25))
    values *= 1 + 0.012 * np.sin(17.0 * k * k)
    values[(k % 11 == 3) | ((k > 700) & (k < 760))] = np.nan
    return xr.Dataset(
        {"performance_index": (("time", "asset"), values[:, None])},
        coords={"time": pd.date_range("2015-01-01", periods=1827, freq="D", unit="ns"), "asset": ["A"]},
    )


@pytest.mark.parametrize(
    ("kept", "rate", "lower", "upper", "exceedance", "pairs"),
    [
        # a missing day stays in the table, as RdTools' TrendAnalysis hands it on: its anniversary has no pair
        (True, -1.2046188585, -1.23670837, -1.17911604, -1.25944510, 1097),
        # without them the last day before the anniversary stands for it
        (False, -1.2058132610, -1.23775861, -1.18253032, -1.25724824, 1228),
    ],
)
def test_figures_of_rdtools(kept: bool, rate: float, lower: float, upper: float, exceedance: float, pairs: int):
    # RdTools 3.2.1, degradation_year_on_year of the same series; its interval is drawn 10,000 times
    data = series() if kept else series().dropna("time")
    rates = year_on_year(data, compatibility="rdtools-3.2").rates.isel(asset=0)
    assert float(rates["rate"]) == pytest.approx(rate, abs=1e-8)
    assert float(rates["lower"]) == pytest.approx(lower, abs=0.004)
    assert float(rates["upper"]) == pytest.approx(upper, abs=0.004)
    assert float(rates["exceedance"]) == pytest.approx(exceedance, abs=0.006)
    assert int(rates["pairs"]) == pairs


def test_order_statistics_are_what_drawing_gives():
    found = year_on_year(series(), interval="simple")
    slopes = found.slopes["A"][1]
    rng = np.random.default_rng(0)
    medians = np.median(rng.choice(slopes, (4000, len(slopes))), axis=1)
    low, high = np.quantile(medians, [0.159, 0.841])
    assert float(found.rates["lower"][0]) == pytest.approx(low, abs=0.004)
    assert float(found.rates["upper"][0]) == pytest.approx(high, abs=0.004)


def test_leap_days_and_slots_within_the_day():
    times = pd.date_range("2015-01-01", "2018-12-31 12:00", freq="12h", unit="ns")
    years = (times - times[0]) / pd.Timedelta("365D")
    data = xr.Dataset(
        {"performance_index": (("time", "asset"), (1 - 0.01 * years.to_numpy())[:, None])},
        coords={"time": times, "asset": ["A"]},
    )
    found = year_on_year(data, recenter=False)
    assert found.slopes["A"][1] == pytest.approx(-1.0, abs=1e-9)


def test_less_than_two_years_gives_the_reason_and_disorder_an_error():
    data = series()
    short = year_on_year(data.isel(time=slice(600))).rates
    assert "two years are needed" in str(short["reason"].values[0])
    assert np.isnan(short["rate"].values[0])
    with pytest.raises(InputError, match="not in order"):
        year_on_year(data.isel(time=slice(None, None, -1)))
    with pytest.raises(InputError, match="unknown interval"):
        year_on_year(data, interval="jackknife")
