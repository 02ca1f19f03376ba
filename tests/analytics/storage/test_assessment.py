from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.analytics.storage.conftest import battery
from workbench.analytics import storage
from workbench.model.errors import InputError


@pytest.fixture(scope="module")
def told(demo_site):
    window = (pd.Timestamp("2026-03-10"), pd.Timestamp("2026-03-20"))
    return storage.assess(
        demo_site["battery"],
        window=window,
        tz="America/Los_Angeles",
        plant=(demo_site["inverter"], demo_site["grid_meter"]),
        terms={"cycles_per_year": 10, "mean_temperature": 60.0},
        guaranteed=50.0,
    )


def test_its_parts_are_those_of_the_functions(told, demo_site):
    data = told.data
    assert data["time"].values[0] == np.datetime64("2026-03-10")
    assert data.sizes["time"] == 1440
    alone = storage.round_trip_efficiency(data)
    xr.testing.assert_equal(told.efficiency["efficiency"], alone["efficiency"])
    assert 80 < float(told.efficiency["efficiency"][0]) < 95
    assert (
        float(told.health["lower"][0])
        < float(demo_site["battery"]["state_of_health"].mean())
        < float(told.health["upper"][0]) + 1
    )
    assert told.by == "day"
    assert told.cycles_by.sizes["period"] >= 10
    assert float(told.usable["passed"][0]) == 1
    energy = told.energy
    assert float(energy["pv_to_battery"] + energy["grid_to_battery"]) == pytest.approx(float(energy["battery_charge"]))


def test_what_was_lost_is_what_came_in_and_neither_stayed_nor_came_out(told):
    trip = told.efficiency.isel(asset=0)
    lost = float(told.lost_energy[0]) - float(trip["energy_auxiliary"])
    assert lost == pytest.approx(float(trip["energy_in"] - trip["energy_out"] - trip["energy_change"]))
    assert 0.05 * float(trip["energy_in"]) < lost < 0.25 * float(trip["energy_in"])


def test_the_terms_of_a_warranty_are_held_against_the_months(told):
    assert told.breaches["term"].unique().tolist() == ["cycles per year, pro rata"]
    assert set(pd.DatetimeIndex(told.breaches["period"]).month) == {3}


def test_what_cannot_be_told_has_its_reason(told):
    assert told.cells is None
    assert "no data of single cells" in told.reasons["cells"]
    assert "\n" not in told.reasons["cells"]
    assert "6 are needed" in str(told.life.life["reason"].item())
    assert "a trend wants" in str(told.health_trend["reason"].item())


def test_a_battery_that_tells_little_is_assessed_as_far_as_it_goes():
    poor = battery(3)[["active_power", "state_of_charge"]].drop_vars("chemistry", errors="ignore")
    found = storage.assess(poor)
    assert found.drift is None
    assert found.thermal is None
    assert {"drift", "spread", "cells", "thermal", "hybrid"} <= set(found.reasons)
    assert float(found.cycles["cycles"][0]) > 2
    assert np.isfinite(float(found.efficiency["efficiency"][0]))


def test_reversed_signs_are_put_right_first_and_said():
    usual = storage.assess(battery(5))
    turned = battery(5)
    turned["active_power"] = -turned["active_power"]
    found = storage.assess(turned)
    assert any("turned around" in text for text in found.remarks)
    xr.testing.assert_allclose(found.efficiency["efficiency"], usual.efficiency["efficiency"])


def test_cells_are_compared_within_their_rack():
    whole = battery(6)
    rng = np.random.default_rng(2)
    names = [f"R{1 + i // 10}-C{i % 10}" for i in range(20)]
    soc = whole["state_of_charge"].values[:, [0]]
    voltage = 3.2 + 0.001 * soc + rng.normal(0, 0.0006, 20) + rng.normal(0, 0.0003, (len(soc), 20))
    voltage[:, 10:] += 0.02  # another rack at another level: no fault of its cells
    voltage[:, 7] += 0.0008 * (soc[:, 0] - 50)  # lower when empty, higher when full
    cells = xr.Dataset(
        {"voltage": (("time", "asset"), voltage, {"units": "V"})},
        coords={"time": whole["time"], "asset": names, "parent": ("asset", [one[:2] for one in names])},
    )
    found = storage.assess(whole, cells=cells)
    first = found.cells.iloc[0]
    assert (first["cell"], first["kind"], first["parent"]) == ("R1-C7", "low capacity", "R1")
    assert (found.cells["kind"].iloc[1:] == "").all()


def test_a_window_without_data_and_an_unknown_term_are_errors():
    with pytest.raises(InputError, match="no data in the window"):
        storage.assess(battery(2), window=(pd.Timestamp("2026-01-01"), pd.Timestamp("2026-02-01")))
    with pytest.raises(InputError, match="no such term"):
        storage.assess(battery(2), terms={"cycles": 100})
