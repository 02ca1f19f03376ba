"""The warranty log and what goes beyond it."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.analytics.storage import WarrantyTerms, warranty_breaches, warranty_log
from workbench.model.errors import InputError


def test_the_log_of_two_months(plain):
    data = plain(59).copy(deep=True)
    data["cell_temperature_max"][40 * 144 : 40 * 144 + 12] = 48.0
    log = warranty_log(data).isel(asset=0)
    assert log["period"].dt.strftime("%Y-%m").values.tolist() == ["2025-01", "2025-02"]
    np.testing.assert_allclose(log["energy_discharged"], np.array([31, 28]) * 0.8 * 0.92, rtol=0.01)
    np.testing.assert_allclose(log["energy_charged"], np.array([31, 28]) * 0.8 / 0.92, rtol=0.01)
    np.testing.assert_allclose(log["throughput"], np.cumsum([31, 28]) * 0.8 * 0.92, rtol=0.01)
    np.testing.assert_allclose(log["equivalent_full_cycles"], np.array([31, 28]) * 0.8, rtol=0.02)
    np.testing.assert_allclose(log["hours_hot"], [0, 2])
    np.testing.assert_allclose(log["completeness"], 1)
    np.testing.assert_allclose(log["rate_max"], 0.2 / 0.92, rtol=0.01)
    assert "throughput" in log["reason"].item()


def test_breaches(plain):
    data = plain(59).copy(deep=True)
    data["cell_temperature_max"][40 * 144 : 40 * 144 + 12] = 48.0
    log = warranty_log(data)
    found = warranty_breaches(log, {"cycles_per_year": 250, "hours_above": 10, "rate": 0.5, "throughput": 30})
    assert found["term"].tolist() == ["cycles per year, pro rata"] * 2 + [
        "throughput",
        "hours above the temperature, pro rata",
    ]
    assert found["allowed"][0] == pytest.approx(250 * 31 / 365.25, rel=0.01)
    assert warranty_breaches(log, WarrantyTerms(cycles_per_year=365)).empty
    with pytest.raises(InputError, match="no such term"):
        WarrantyTerms.of({"cycle_per_year": 250})
    with pytest.raises(InputError, match="another temperature"):
        warranty_breaches(log, {"hours_above": 10, "temperature": 40})


def test_the_counter_of_the_battery_knows_what_was_before(demo_battery):
    log = warranty_log(demo_battery, tz="America/Los_Angeles")
    assert float(log["throughput"][-1, 0]) == pytest.approx(float(demo_battery["energy_discharged"][-1, 0]) / 1000)
    assert float(log["temperature_max"].max()) < 45


def test_without_cells_or_charge_the_log_says_what_it_lacks(plain):
    log = warranty_log(plain(40)[["charge_power", "discharge_power"]])
    for word in ("temperatures", "cycles", "throughput"):
        assert word in log["reason"].item()
    assert np.isfinite(log["energy_full_cycles"]).all()
