"""Racks and cells of a battery, and what the storage analyses make of them."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.analytics import storage
from workbench.model.assets import with_assets
from workbench.model.samples import SeriesKey
from workbench.simulate.faults import Fault
from workbench.simulate.plant import build_site

from .conftest import DAY, NOW

WEAK, RESISTIVE = "SV-BESS-R2-C05", "SV-BESS-R3-C07"


@pytest.fixture(scope="module")
def past(demo_portfolio):
    """Four days of a battery with two bad cells, whose reported charge runs away in the last two; and the plant."""
    faults = (
        Fault("weak_cell", WEAK, NOW - 6 * DAY, None, 0.05),
        Fault("cell_resistance", RESISTIVE, NOW - 6 * DAY, None, 0.6),
        Fault("soc_drift", "SV-BESS", NOW - 2 * DAY, None, 2.0),
    )
    plant = build_site(demo_portfolio.site("sun_valley"), 3, NOW - 4 * DAY, faults=faults)
    found = plant.past(NOW - 4 * DAY, NOW, fine=600)
    wanted = ("battery", "battery_rack", "battery_cell")
    return {kind: with_assets(found[SeriesKey(kind, "10min")], demo_portfolio) for kind in wanted}, plant


def test_racks_carry_the_batterys_current_at_its_voltage(past):
    battery, rack = past[0]["battery"].isel(asset=0, drop=True), past[0]["battery_rack"]
    np.testing.assert_allclose(rack.dc_current.sum("asset"), battery.dc_current, atol=4.0)
    np.testing.assert_allclose(rack.dc_voltage.mean("asset"), battery.dc_voltage, rtol=0.006)
    assert set(rack.parent.values) == {"SV-BESS"}
    cells = past[0]["battery_cell"]
    assert cells.sizes["asset"] == 48
    for name, how in (("min", "min"), ("max", "max")):
        of_cells = getattr(cells.voltage, how)("asset")
        np.testing.assert_allclose(getattr(rack[f"cell_voltage_{name}"], how)("asset"), of_cells, atol=0.01)
        np.testing.assert_allclose(battery[f"cell_voltage_{name}"], of_cells, atol=0.01)


def test_the_bad_cells_are_found_and_what_is_wrong_with_them(past):
    current = past[0]["battery"].dc_current.isel(asset=0, drop=True) / 4
    found = storage.weakest_cells(past[0]["battery_cell"], current=current).set_index("cell")
    assert set(found.index[:2]) == {WEAK, RESISTIVE}
    assert found.kind[WEAK] == "low capacity"
    assert found.kind[RESISTIVE] == "resistance"
    assert (found.kind.iloc[4:] == "").all()


def test_a_round_trip_splits_as_it_was_made(past):
    data, plant = past
    before = data["battery"].sel(time=slice(None, np.datetime64(NOW - 2 * DAY, "ns")))
    found = storage.round_trip_efficiency(before).isel(asset=0)
    converter = 100.0 * float(plant._batteries.one_way[0]) ** 2
    assert float(found.efficiency_converter) == pytest.approx(converter, abs=0.3)
    assert 97.0 < float(found.efficiency_cell) < 99.0
    assert float(found.efficiency) == pytest.approx(86.0, abs=0.8)  # the data sheet's
    assert 90.0 < float(found.efficiency_auxiliary) < 99.9
    own = before.auxiliary_power.mean() * before.sizes["time"] / 6
    assert float(found.energy_auxiliary) == pytest.approx(float(own), rel=0.02)


def test_the_reported_charge_runs_away(past):
    battery = past[0]["battery"].isel(asset=0)
    low = battery.where(battery.state_of_charge > 50)  # what can be discharged is what the management believes
    assert float((low.stored_energy / low.state_of_charge).std()) < 1.5
    counted = -(battery.dc_current / 6).cumsum("time") / 58.80 / (battery.state_of_health / 100)
    off = battery.state_of_charge - counted
    first, last = (float(off.isel(time=part).mean()) for part in (slice(200, 280), slice(-40, None)))
    assert last - first == pytest.approx(4.0, abs=1.0)
    facts = {name: float(battery[name]) for name in ("charge_capacity", "cells_in_series", "energy_capacity")}
    assert facts == {"charge_capacity": 5880.0, "cells_in_series": 416.0, "energy_capacity": 8000.0}
    assert str(battery.chemistry.values) == "LFP"
