from __future__ import annotations

import pytest
import xarray as xr

from workbench.analytics.wind.northing import direction_offset
from workbench.model.errors import InputError


def test_a_known_offset_is_found():
    """Of a made-up farm whose sensors show 137 degrees too little; to 1 degree."""
    from benchmarks._wake_farm import made_farm

    farm = made_farm(11, turbines=5, days=150, years=1, offset=137.0, offset_error=0.0, sensor_error=0.0, terrain=0.01)
    found = direction_offset(farm.turbines, replicates=15)
    assert found.offset == pytest.approx(137.0, abs=1.0)
    assert abs(found.offset - 137.0) < 3 * max(found.std, 0.3)
    assert found.interval[0] <= found.offset <= found.interval[1]
    assert float(found.fit["offset"][int(found.fit["residual"].values.argmin())]) == pytest.approx(found.offset, abs=1)
    assert "Add +13" in found.statement
    again = direction_offset(farm.turbines, replicates=15)
    assert again.offset == found.offset
    assert again.std == found.std


def test_la_haute_borne(example_turbines):
    """OpenOA 3.2 reads 15.85 degrees to grid north off the lowest points of two pairs' ratios, one of which it doubts.

    All pairs together, with the wakes of all turbines, agree to 2 degrees on somewhat more: 18.5. The sensor of R80790
    is known to turn.
    """
    found = direction_offset(
        example_turbines, direction_assets=["R80711", "R80721", "R80736"], north="utm", replicates=10
    )
    assert 15.85 < found.offset < 15.85 + 3.5
    assert found.pairs["offset"].notna().sum() >= 4
    assert (found.pairs["offset"] - found.offset).abs().max() < 2
    assert found.sensors.loc["R80790", "drift"] > 10
    assert "R80790 turned" in found.statement


def test_bad_input(made_farm):
    data = made_farm.turbines
    with pytest.raises(InputError, match="one turbine"):
        direction_offset(data.isel(asset=[0]))
    with pytest.raises(InputError, match="close enough"):
        direction_offset(data, furthest=1.0)
    with pytest.raises(InputError, match="too few days"):
        direction_offset(data.isel(time=slice(0, 1000)))
    with pytest.raises(InputError, match="rotor"):
        direction_offset(data.drop_vars("rotor_diameter"))


def test_a_mast_has_no_sensors_of_turbines(made_farm):
    mast: xr.DataArray = made_farm.turbines["wind_direction"].isel(asset=0, drop=True)
    found = direction_offset(made_farm.turbines, wind_direction=mast, replicates=3)
    assert abs(found.offset) < 6
    assert len(found.sensors) == 0
