from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from workbench.analytics.wind.wakes import ALONE, wake_losses
from workbench.model.errors import InputError

#: As test/regression/wake_losses.py of OpenOA 3.2, which turns the directions by a northing it read off two pairs.
EXAMPLE = {"direction_offset": 15.85, "direction_assets": ["R80711", "R80721", "R80736"], "no_wakes_from": 15.0}


@pytest.mark.parametrize(
    ("speedy", "period", "long_term"),
    [
        # test_wake_losses_without_UQ and ..._with_heterogeneity_corrections of OpenOA 3.2 [%]: turbines, plant
        (
            False,
            [-11.727658, 10.898059, 4.065239, -1.910556, 0.340045],
            [-9.713340, 10.282598, 2.933038, -2.034775, 0.373332],
        ),
        (
            True,
            [-0.077131, 2.223721, 0.278168, 4.298961, 1.670518],
            [0.482218, 2.671905, -0.158225, 3.490358, 1.610428],
        ),
    ],
)
def test_la_haute_borne(example_turbines, reanalyses, speed_ups, speedy, period, long_term):
    """To its six decimals."""
    found = wake_losses(
        example_turbines,
        reanalyses,
        speed_ups=speed_ups if speedy else None,
        compatibility="openoa-3.2",
        **EXAMPLE,
    )
    assert found.summary.index.tolist() == ["R80711", "R80721", "R80736", "R80790", "plant"]
    assert (100 * found.summary["period"]).tolist() == pytest.approx(period, abs=1.1e-6)
    assert (100 * found.summary["long_term"]).tolist() == pytest.approx(long_term, abs=1.1e-6)
    assert found.slots == 98_138


def test_what_the_compatibility_changes(example_turbines, reanalyses):
    """A turbine with free wind loses nothing to wakes; the farm's loss stays what it is to 0.1 %."""
    ours, theirs = (wake_losses(example_turbines, reanalyses, compatibility=c, **EXAMPLE) for c in (None, "openoa-3.2"))
    assert ours.summary.loc["plant", "period"] == pytest.approx(theirs.summary.loc["plant", "period"], abs=1e-3)
    assert theirs.summary.loc["R80711", "period"] < -0.1
    assert ours.summary.loc["R80711", "period"] > -0.05
    free = ours.by_direction["free"].sel(asset="R80711").values
    losses = ours.by_direction["period"].sel(asset="R80711").values
    assert losses[free] == pytest.approx(0.0, abs=0.03)  # a slot may lie in the neighbouring sector
    assert ours.slots > theirs.slots


def test_parts_make_the_whole(example_turbines, reanalyses):
    found = wake_losses(example_turbines, reanalyses, **EXAMPLE)
    for table in (found.by_direction, found.by_speed):
        for name in ("period", "long_term"):
            share = table[f"energy_{name}"]
            assert float(share.sum()) == pytest.approx(1.0)
            # losses of parts, weighted by what could have been made there
            could = share / (1 - table[name].sel(asset="plant"))
            whole = float((table[name].sel(asset="plant") * could).sum() / could.sum())
            # hours count alike by wind speed, slots in the whole: a few have fewer slots
            assert whole == pytest.approx(found.summary.loc["plant", name], abs=5e-4)
    assert found.coverage[["measured", "filled", "left_out"]].sum(axis=1).tolist() == pytest.approx([1.0, 1.0])
    assert found.coverage["years"].tolist() == pytest.approx([20.0, 20.0], abs=0.01)
    assert float(found.wind.sum()) == pytest.approx(1.0)


def test_known_losses_are_found(made_farm):
    """Of a made-up farm; terrain of 0.3 % of the wind speed may cost that much of the energy, and twice per turbine."""
    found = wake_losses(made_farm.turbines, made_farm.reanalysis, years=2).summary
    assert made_farm.long_term[-1] > 0.02
    assert found.loc["plant", "period"] == pytest.approx(made_farm.period[-1], abs=3e-3)
    assert found.loc["plant", "long_term"] == pytest.approx(made_farm.long_term[-1], abs=3e-3)
    assert found["long_term"].to_numpy() == pytest.approx(made_farm.long_term, abs=6e-3)


def test_without_wakes_there_are_no_losses(made_farm):
    """Turbines that all make the same, whatever the wind."""
    data = made_farm.turbines
    same = data.assign(
        power_output=data["power_output"].isel(asset=[0] * 4).assign_coords(asset=data["asset"]),
        wind_speed=data["wind_speed"].isel(asset=[0] * 4).assign_coords(asset=data["asset"]),
    )
    assert wake_losses(same, made_farm.reanalysis, years=2).summary.abs().max().max() < 1e-12


def test_a_mast_and_offsets_by_turbine_turn_the_wind(made_farm):
    data = made_farm.turbines
    mast = data["wind_direction"].isel(asset=0, drop=True)
    one = wake_losses(data, wind_direction=mast).summary
    assert one.equals(wake_losses(data, direction_assets=["T1"]).summary)
    assert one.equals(wake_losses(data, wind_direction=(mast - 40) % 360, direction_offset=40.0).summary)
    off = data.assign(wind_direction=(data["wind_direction"] - xr.DataArray([10.0, 0, 0, -20], dims="asset")) % 360)
    again = wake_losses(off, direction_offset={"T1": 10.0, "T4": -20.0}).summary
    assert again["period"].to_numpy() == pytest.approx(wake_losses(data).summary["period"].to_numpy(), abs=1e-9)
    assert "long_term" not in one


def test_sensors_that_disagree_are_named(made_farm):
    data = made_farm.turbines
    turned = data.assign(wind_direction=data["wind_direction"] + xr.DataArray([0.0, 0, 0, 40], dims="asset"))
    assert any(note.startswith("T4") for note in wake_losses(turned).notes)


def test_turbines_count_while_others_are_silent(made_farm):
    """A turbine without half of its data takes nothing from the others'."""
    data = made_farm.turbines
    half = data["power_output"].copy()
    half[: half.sizes["time"] // 2, 3] = np.nan
    found = wake_losses(data.assign(power_output=half))
    assert found.slots > 0.95 * data.sizes["time"]
    assert wake_losses(data.assign(power_output=half), compatibility="openoa-3.2").slots < 0.51 * data.sizes["time"]


def test_one_turbine_has_no_wakes(made_farm):
    found = wake_losses(made_farm.turbines.isel(asset=[0]), made_farm.reanalysis, years=2)
    assert (found.summary == 0).all(axis=None)
    assert ALONE in found.notes


def test_bad_input(made_farm):
    data, wind = made_farm.turbines, made_farm.reanalysis
    silent = data["power_output"].copy()
    silent[:, 2] = np.nan
    with pytest.raises(InputError, match=r"^T3: a turbine without data"):
        wake_losses(data.assign(power_output=silent))
    with pytest.raises(InputError, match="rated capacity is not positive"):
        wake_losses(data.assign_coords(rated_capacity=("asset", [2500.0, 0.0, 2500.0, 2500.0])))
    with pytest.raises(InputError, match="latitude"):
        wake_losses(data.drop_vars("latitude"))
    with pytest.raises(InputError, match=r"reanalysis\.made.*wind_u"):
        wake_losses(data, {"made": wind["made"].drop_vars("wind_u")})
    with pytest.raises(InputError, match="no reanalysis named"):
        wake_losses(data, wind, products=["era5"])
    with pytest.raises(InputError, match="too few hours together"):
        wake_losses(data, {"made": wind["made"].isel(time=slice(0, 5000))}, years=1)
    with pytest.raises(InputError, match="no time has wind direction"):
        wake_losses(data.assign(wind_direction=data["wind_direction"] * np.nan))
    with pytest.raises(InputError, match="T9"):
        wake_losses(data, direction_assets=["T9"])
    with pytest.raises(InputError, match="T4"):
        wake_losses(data, speed_ups=xr.DataArray(
            np.ones((2, 3)), dims=("wind_direction", "asset"),
            coords={"wind_direction": [0, 180], "asset": ["T1", "T2", "T3"]},
        ))  # fmt: skip
    for wrong in ({"sector": 180}, {"direction_bin": 7}, {"speed_bin": 0}, {"highest": 1.2}, {"spread": 0}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            wake_losses(data, **wrong)
    with pytest.raises(InputError, match="compatibility"):
        wake_losses(data, compatibility="other")
