"""Availability by rules: by hand, with grace, in time and in energy, and what is wrong in a rule set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.analytics.wind.availability import availability_by_status
from workbench.analytics.wind.availability_rules import (
    OPERATIONAL,
    TECHNICAL,
    AvailabilityRules,
    production_availability,
    time_availability,
)
from workbench.analytics.wind.categories import CATEGORIES, CategoryTable
from workbench.analytics.wind.category_seconds import stack
from workbench.analytics.wind.category_sources import from_status
from workbench.model.errors import InputError

CONTRACT = """
name: service contract
available: [available, partially_available, technical_standby]
unavailable: [forced_outage, planned_corrective_action, scheduled_maintenance, unavailable]
excluded: [requested_shutdown, environmental_standby, grid_outage, suspended, force_majeure, unknown]
grace:
  - {categories: [scheduled_maintenance], hours: 2, per: year}
"""


@pytest.fixture
def contract(tmp_path: Path) -> AvailabilityRules:
    path = tmp_path / "contract.yaml"
    path.write_text(CONTRACT)
    return AvailabilityRules.load(path)


def hours_of(start: str, table: CategoryTable | None = None, **hours: list[float]) -> xr.Dataset:
    """Slots of an hour of one turbine; the rest is unknown."""
    size = len(next(iter(hours.values())))
    coords = {"time": pd.date_range(start, periods=size, freq="h"), "asset": ["A"]}
    arrays = {
        k: xr.DataArray(3600.0 * np.array(v)[:, None], dims=("time", "asset"), coords=coords) for k, v in hours.items()
    }
    arrays["unknown"] = 3600.0 - sum(arrays.values())
    return stack(arrays, 3600.0, table or CategoryTable(), {})


def test_views_of_user_and_machine():
    seconds = hours_of("2024-01-01", available=[1, 0, 0, 0.5], grid_outage=[0, 1, 0, 0], forced_outage=[0, 0, 1, 0])
    user, machine = (time_availability(seconds, rules).sel(asset="A") for rules in (OPERATIONAL, TECHNICAL))
    assert user["availability"].item() == pytest.approx(1.5 / 3.5)
    assert machine["availability"].item() == pytest.approx(2.5 / 3.5)
    assert user["excluded_hours"].item() == 0.5
    assert user["farm_availability"].item() == user["availability"].item()
    assert "forced_outage" in user.attrs["rules"]


def test_the_machines_view_is_that_of_the_status(dataset):
    rng = np.random.default_rng(0)
    data = dataset({"availability_status": rng.choice([0.0, 2, 5, 6, 7, 9, 11, 12, np.nan], (500, 3))})
    ours = time_availability(from_status(data), TECHNICAL)["availability"]
    np.testing.assert_allclose(ours, availability_by_status(data)["availability"])


def test_grace_is_used_up_in_the_order_of_time_and_anew_each_year(contract):
    seconds = hours_of("2024-12-31T20:00", available=[0, 1, 0, 0, 0, 1, 0], scheduled_maintenance=[1, 0, 1, 1, 1, 0, 1])
    # 2024: three hours of maintenance, two of them forgiven; 2025: two, both forgiven
    found = time_availability(seconds, contract, by="year")
    assert found["grace_hours"].values.ravel().tolist() == [2, 2]
    assert found["unavailable_hours"].values.ravel().tolist() == [1, 0]
    assert found["availability"].values.ravel().tolist() == [0.75, 1.0]
    # by a clock that is an hour ahead the fourth hour is of the new year
    ahead = time_availability(seconds, contract, by="year", tz="Europe/Paris")
    assert ahead["unavailable_hours"].values.ravel().tolist() == [0, 1]
    assert time_availability(seconds, contract)["grace_hours"].item() == 4


def test_production_weighs_by_energy(contract):
    seconds = hours_of(
        "2024-01-01", available=[1, 0, 1, 0, 0], forced_outage=[0, 1, 0, 0, 0], grid_outage=[0, 0, 0, 1, 0]
    )
    coords = {"time": seconds["time"].values, "asset": ["A"]}

    def hourly(*values: float) -> xr.DataArray:
        return xr.DataArray(np.array(values)[:, None], dims=("time", "asset"), coords=coords)

    power, potential = hourly(900, 0, 100, 0, 5), hourly(1000, 2000, 100, 1500, 5)
    found = production_availability(seconds, power, potential, contract).sel(asset="A")
    assert found["potential_energy"].item() == 3100
    assert found["lost_energy"].item() == 2000
    assert found["availability"].item() == pytest.approx(1 - 2000 / 3100)
    user = production_availability(seconds, power, potential)
    assert user["availability"].item() == pytest.approx(1 - 3500 / 4600)
    assert np.isnan(production_availability(seconds, power, potential * np.nan)["availability"].item())


def test_grace_counts_in_energy_too(contract):
    seconds = hours_of("2024-01-01", available=[0] * 4, scheduled_maintenance=[1] * 4)
    power = xr.DataArray(
        np.zeros((4, 1)), dims=("time", "asset"), coords={"time": seconds["time"].values, "asset": ["A"]}
    )
    found = production_availability(seconds, power, power + np.array([[100], [200], [300], [400]]), contract)
    assert found["availability"].item() == pytest.approx(1 - 700 / 1000)


def test_a_category_of_ones_own_counts_as_its_parent_unless_named(contract):
    table = CategoryTable(own={"bats": "environmental_standby"})
    seconds = hours_of("2024-01-01", table, available=[1, 0], bats=[0, 1])
    assert time_availability(seconds, contract)["availability"].item() == 1.0
    told = contract.model_dump() | {"unavailable": (*contract.unavailable, "bats")}
    assert time_availability(seconds, AvailabilityRules.load(told))["availability"].item() == 0.5
    with pytest.raises(InputError, match="bats"):
        time_availability(hours_of("2024-01-01", available=[1]), AvailabilityRules.load(told))


def test_rules_can_be_read(contract):
    frame = contract.frame()
    assert set(frame.index) == set(CATEGORIES)
    assert frame.loc["scheduled_maintenance", "grace"] == "first 2 h per year and turbine: available"
    for rules in (OPERATIONAL, TECHNICAL):
        assert set(rules.frame().index) == set(CATEGORIES)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (", unavailable]", "]", "missing: unavailable"),
        ("technical_standby]", "technical_standby, forced_outage]", "twice: forced_outage"),
        ("hours: 2", "hours: -2", "grace.0.hours"),
        ("per: year", "per: week", "grace.0.per"),
    ],
)
def test_what_is_wrong_in_rules_is_told(old: str, new: str, message: str):
    import yaml

    with pytest.raises(InputError, match=message):
        AvailabilityRules.load(yaml.safe_load(CONTRACT.replace(old, new)))
