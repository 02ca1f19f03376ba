from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from workbench.analytics.wind.energy import electrical_loss, expected_energy
from workbench.model.assets import PowerCurve
from workbench.model.errors import InputError

CURVE = PowerCurve(wind_speed=[3, 10, 25], power=[0, 700, 700])
NAN = np.nan


def test_expected_energy_compares_the_same_slots(dataset):
    data = dataset({"wind_speed": [[10.0, 10.0], [10.0, NAN]], "power_output": [[600.0, 350.0], [NAN, 350.0]]})
    found = expected_energy(data, {"A": CURVE})
    assert found["energy"].sel(asset="A").item() == pytest.approx(100.0)
    assert found["ratio"].sel(asset="A").item() == pytest.approx(6 / 7)
    assert np.isnan(found["ratio"].sel(asset="B").item())
    assert found["hours"].values.tolist() == pytest.approx([1 / 6, 1 / 6])


def test_thin_air_lowers_what_is_expected(dataset):
    data = dataset({"wind_speed": [[8.0]], "power_output": [[300.0]]}).assign_attrs(cadence="10min")
    thin = xr.full_like(data["wind_speed"], 1.225 * 0.9**3)
    found = expected_energy(data, {"A": CURVE}, density=thin)
    assert found["expected"].item() == pytest.approx(float(CURVE.at(7.2)) / 6)


def test_electrical_loss_leaves_out_slots_with_anything_missing(dataset):
    data = dataset({"power_output": [[600.0, 600.0], [600.0, NAN], [600.0, 600.0]]})
    meter = xr.DataArray([196.0, 98.0, NAN], dims="time", coords={"time": data["time"]})
    found = electrical_loss(data, meter)
    assert found["total_loss"].item() == pytest.approx(0.02)
    assert found["slots_compared"].item() == pytest.approx(1 / 3)


def test_a_meter_of_another_time_is_told(dataset):
    data = dataset({"power_output": [[600.0]] * 2})
    other = dataset({"net_energy": [[1.0]] * 2}, start="2016-01-01")["net_energy"]
    with pytest.raises(InputError, match="no time in common"):
        electrical_loss(data, other.isel(asset=0, drop=True))
    with pytest.raises(InputError, match="one meter"):
        electrical_loss(data, other)


def test_la_haute_borne_electrical_loss_is_what_openoa_publishes(haute_borne, haute_borne_window):
    """OpenOA's example gives 0.019995 over the complete months of both years (threshold 0.95).

    Here every ten minutes with all values of 2015 count, so that a tenth of it either way is allowed.
    """
    turbines, plant = haute_borne
    meter = plant["net_energy"].isel(asset=0, drop=True)
    found = electrical_loss(turbines, meter, tz="Europe/Paris", window=haute_borne_window)
    assert float(found["total_loss"]) == pytest.approx(0.019994645742960393, rel=0.1)
    assert found["loss"].values == pytest.approx(0.02, abs=0.001)
    assert float(found["slots_compared"]) > 0.97
