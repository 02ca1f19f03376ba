"""What soiling costs and when to clean."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.analytics.solar import DegradationSoiling, soiling_cost
from workbench.model.errors import InputError


def known(rate: float = 0.001, every: int = 100, days: int = 800) -> tuple[DegradationSoiling, xr.DataArray]:
    """Soiling at a rate that is cleaned after ``every`` days, and 1,000 kWh a day when clean."""
    day = np.arange(days)
    ratio = 1 - rate * (day % every)
    times = pd.date_range("2023-01-01", periods=days, freq="D", unit="ns")
    dims = ("time", "asset")
    daily = xr.Dataset({"soiling_ratio": (dims, ratio[:, None])}, coords={"time": times, "asset": ["A"]})
    cleaned = times[every::every]
    events = pd.DataFrame({"asset": "A", "time": cleaned, "gain": 0.1, "thorough": True, "rain": None})
    rates = xr.Dataset({"reason": ("asset", [""])}, coords={"asset": ["A"]})
    return DegradationSoiling(rates, daily, events, xr.Dataset()), daily["soiling_ratio"] * 1000.0


def test_energy_and_money_lost():
    found, energy = known()
    cost = soiling_cost(found, energy, price=0.1).cost
    lost = float((1000 - energy).sum())
    assert float(cost["lost_energy"][0]) == pytest.approx(lost)
    assert float(cost["lost_money"][0]) == pytest.approx(0.1 * lost)
    assert cost["lost_money"].attrs["units"] == "EUR"
    assert np.isnat(cost["best_cleaning"].values[0])


def test_without_rain_the_best_day_is_the_one_of_calculus():
    # never cleaned: the gain of a cleaning on day d of a horizon H is r (d0 + d) (H − d) E p, largest at (H − d0) / 2
    found, energy = known(rate=0.0005, every=10_000, days=101)
    plan = soiling_cost(found, energy, price=0.1, cleaning_cost=500.0, horizon=365)
    best = int((plan.cost["best_cleaning"].values[0] - plan.outlook["day"].values[0]) / np.timedelta64(1, "D"))
    assert best == pytest.approx((365 - 100) / 2, abs=3)
    gain = 0.0005 * (100 + best) * (365 - best) * 1000 * 0.1 - 500
    assert float(plan.cost["gain"][0]) == pytest.approx(gain, rel=0.03)
    assert float(plan.cost["interval"][0]) == pytest.approx(np.sqrt(2 * 500 / (0.0005 * 1000 * 0.1)), rel=0.03)


def test_rain_makes_a_cleaning_worth_less_and_a_dear_one_does_not_pay():
    dry, energy = known(rate=0.0005, every=10_000, days=401)
    wet, wet_energy = known(rate=0.0005, every=20, days=401)
    gains = [
        float(soiling_cost(f, e, price=0.1, cleaning_cost=0.0).cost["gain"][0])
        for f, e in ((dry, energy), (wet, wet_energy))
    ]
    assert gains[0] > 5 * gains[1] > 0
    assert float(soiling_cost(wet, wet_energy, price=0.1, cleaning_cost=1e4).cost["gain"][0]) < 0


def test_bad_input():
    found, energy = known()
    with pytest.raises(InputError, match="negative cost"):
        soiling_cost(found, energy, price=0.1, cleaning_cost=-1.0)
    with pytest.raises(InputError, match="negative price"):
        soiling_cost(found, energy, price=-0.1)
    with pytest.raises(InputError, match="other assets"):
        soiling_cost(found, energy.assign_coords(asset=["B"]), price=0.1)
    with pytest.raises(InputError, match="no day"):
        soiling_cost(found, energy * np.nan, price=0.1)
