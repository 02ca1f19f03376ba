"""Panels and battery in one dataset: flows add up, and the solar share of the charge is told."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from workbench.analytics.storage import hybrid_energy, hybrid_flows, plant_dataset
from workbench.model.errors import InputError


@pytest.fixture(scope="module")
def plant(demo_site) -> xr.Dataset:
    """Inverters, battery and meter of the demo plant in one dataset; fields that a kind lacks are missing there."""
    parts = [
        demo_site["inverter"][["total_ac_power"]],
        demo_site["battery"][["active_power", "charge_power", "discharge_power", "state_of_charge"]],
        demo_site["grid_meter"][["active_power"]],
    ]
    return plant_dataset(*parts)


def test_the_demo_plant_adds_up(plant):
    flows = hybrid_flows(plant)
    np.testing.assert_allclose(flows["pv_to_battery"] + flows["grid_to_battery"], flows["battery_charge"], atol=1e-6)
    np.testing.assert_allclose(
        flows["pv_to_battery"] + flows["pv_to_grid"], np.maximum(flows["pv_power"], 0), atol=1e-6
    )
    for name in ("pv_to_battery", "pv_to_grid", "battery_to_grid", "grid_to_battery"):
        assert float(flows[name].min()) >= 0
    found = hybrid_energy(plant)
    assert 80 < float(found["solar_share_of_charge"]) <= 100
    assert abs(float(found["closure"])) < 5  # what the transformer and the cables take
    days = hybrid_energy(plant, by="day", tz="America/Los_Angeles")
    assert float(days["pv_power"].sum()) == pytest.approx(float(found["pv_power"]))


def test_by_names_and_without_a_meter(plant):
    inverters = [str(a) for a in plant["asset"].values if str(a).startswith("SV-INV")]
    bare = plant.drop_vars("asset_type")
    named = hybrid_energy(bare, kinds={"inverter": inverters, "battery": ["SV-BESS"]})
    assert float(named["pv_to_battery"]) == pytest.approx(float(hybrid_energy(plant)["pv_to_battery"]), rel=1e-6)
    assert np.isnan(named["closure"])


def test_what_is_no_hybrid_plant(plant, plain):
    with pytest.raises(InputError, match="no inverter"):
        hybrid_flows(plain(2))
    with pytest.raises(InputError, match="no battery"):
        hybrid_flows(plant.sel(asset=plant["asset_type"] == "inverter"))
    with pytest.raises(InputError, match="no such asset"):
        hybrid_flows(plant, kinds={"inverter": ["X"], "battery": ["SV-BESS"]})
    wrong = plant.copy(deep=True)
    at = plant["asset"].values.tolist().index("SV-BESS")
    wrong["active_power"][:, at] *= -1
    with pytest.raises(InputError, match="sign is reversed"):
        hybrid_flows(wrong)
