"""Energy of faults brought onto inverters."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.analytics.solar import solar_losses, string_faults, with_fault_losses
from workbench.model.errors import InputError
from workbench.steps import get_step, remarks

from .test_faults import changed, strings, trackers


def inverters(times: object) -> xr.Dataset:
    return xr.Dataset(coords={"time": times, "asset": ["I1", "I2"]})


def test_energy_of_strings_goes_over_their_input_to_the_inverter():
    data = changed(strings(), 1, 0.0, 15).assign_coords(parent=("asset", ["I1-M1"] * 10))
    steps = get_step("string_faults")(data)
    lost = float(string_faults(data).events["lost_energy"].sum())
    made = with_fault_losses(inverters(data["time"].values), steps, parents={"I1-M1": "I1"})
    assert float(made["string_loss"].sel(asset="I1").sum()) == pytest.approx(lost, rel=1e-4)
    assert float(made["string_loss"].sel(asset="I2").sum()) == 0.0
    # the input tells the same energy: it counts once
    whole = steps[["string_fault", "string_fault_loss"]].isel(asset=[1]).drop_vars("parent")
    whole = whole.assign_coords(asset=["I1-M1"], parent=("asset", ["I1"]))
    twice = with_fault_losses(inverters(data["time"].values), steps, whole)
    assert float(twice["string_loss"].sum()) == pytest.approx(lost, rel=1e-4)
    with remarks() as said:
        none = with_fault_losses(inverters(data["time"].values), steps)
    assert any("no inverter" in text for text in said)
    assert float(none["string_loss"].sum()) == 0.0


def test_parts_of_other_times_or_without_losses_are_refused():
    data = strings()
    steps = get_step("string_faults")(changed(data, 1, 0.0, 15))
    with pytest.raises(InputError, match="other times"):
        with_fault_losses(inverters(data["time"].values[1:]), steps)
    with pytest.raises(InputError, match="no energy"):
        with_fault_losses(inverters(data["time"].values), data)


def test_faults_become_bars_of_the_losses():
    data = trackers(position=False)
    found = get_step("tracker_faults")(data.assign_coords(parent=("asset", ["I1"] * 6)))
    times = pd.DatetimeIndex(data["time"].values)
    plant = inverters(times).assign(
        total_ac_power=(("time", "asset"), np.repeat(data["total_dc_power"].sum("asset").values[:, None] * 0.9, 2, axis=1)),
        irradiance_poa=(("time", "asset"), np.repeat(data["total_dc_power"].isel(asset=[0]).values * 10, 2, axis=1)),
        module_temperature=(("time", "asset"), np.full((len(times), 2), 25.0)),
    )  # fmt: skip
    plant = plant.assign_coords(dc_capacity=("asset", [700.0] * 2), rated_capacity=("asset", [650.0] * 2))
    told = solar_losses(with_fault_losses(plant, found))
    bar = told["lost_energy"].sel(category="tracker")
    # slots in which it got more than its peers are no loss there
    lost = float(found["tracker_fault_loss"].clip(min=0).sum())
    assert float(bar.sel(asset="I1")) == pytest.approx(lost, rel=0.005)
    assert float(bar.sel(asset="I2")) == 0.0
