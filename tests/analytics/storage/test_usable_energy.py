"""Usable energy from whole discharges."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.analytics.storage import usable_energy, usable_energy_tests
from workbench.model.errors import InputError


def test_whole_discharges_are_found_and_measured(plain):
    data = plain(6, health=0.9).assign_coords(soc_min=("asset", [5.0]), soc_max=("asset", [95.0]))
    table = usable_energy_tests(data, least_share=0.8)
    assert len(table) == 6
    # 80 % of 900 kWh at 92 %
    np.testing.assert_allclose(table["energy"], 0.8 * 900 * 0.92, rtol=0.01)
    np.testing.assert_allclose(table["energy_window"], 0.9 * 900 * 0.92, rtol=0.01)
    np.testing.assert_allclose(table["of_nominal"], 100 * 0.9 * 0.92, rtol=0.01)
    np.testing.assert_allclose(table["energy_dc"], 0.8 * 900, rtol=0.01)
    np.testing.assert_allclose(table["power"], 180 * 0.92, rtol=0.02)
    found = usable_energy(data, guaranteed=85).isel(asset=0)
    assert float(found["passed"]) == 0
    assert float(usable_energy(data, guaranteed=80)["passed"][0]) == 1


def test_without_a_whole_discharge_it_is_said(plain):
    found = usable_energy(plain(3), least_share=0.95).isel(asset=0)
    assert np.isnan(found["usable_energy"])
    assert "no discharge went through" in found["reason"].item()


def test_a_gap_in_the_power_makes_no_test(plain):
    data = plain(2).copy(deep=True)
    for name in ("charge_power", "discharge_power", "active_power", "dc_power"):
        data[name][110:112] = np.nan
    assert len(usable_energy_tests(data, least_share=0.7)) == 1


def test_the_demo_battery(demo_battery):
    found = usable_energy(demo_battery).isel(asset=0)
    assert int(found["discharges"]) >= 3
    health = float(demo_battery["state_of_health"][-1, 0])
    assert float(found["of_nominal"]) == pytest.approx(health * np.sqrt(0.86), abs=2.0)


def test_bad_settings(plain):
    with pytest.raises(InputError, match="too small"):
        usable_energy(plain(2), least_share=0.1)
