from __future__ import annotations

import numpy as np
import pytest

from workbench.analytics.wind.wakes import ALONE, wake_losses
from workbench.model.errors import InputError
from workbench.steps import get_step, remarks


def test_losses_as_fields(made_farm):
    found = get_step("wake_losses")(made_farm.turbines, direction_assets=["T1", "T2"])
    whole = wake_losses(made_farm.turbines, direction_assets=["T1", "T2"]).summary["period"]
    assert found["wake_loss"].values.tolist() == whole.iloc[:-1].tolist()
    assert found["wake_loss"].attrs["farm"] == whole["plant"]
    free, made = found["wake_free_power"], found["power_output"]
    assert free.dims == ("time", "asset")
    both = np.isfinite(free) & np.isfinite(made)
    lost = 1 - float(made.where(both).sum() / free.where(both).sum())
    assert lost == pytest.approx(whole["plant"], abs=1e-9)


def test_ratios_as_fields(made_farm):
    found = get_step("energy_ratio")(made_farm.turbines, replicates=20)
    assert (found["energy_ratio_low"] < found["energy_ratio"]).all()
    assert (found["energy_ratio"] < found["energy_ratio_high"]).all()
    with remarks() as told:
        one = get_step("energy_ratio")(made_farm.turbines, replicates=20, reference=["T2"])
    assert one["energy_ratio"].isnull().values.tolist() == [False, True, False, False]
    assert told == ["T2: the only reference, which has no ratio to itself"]


def test_one_turbine(made_farm):
    alone = made_farm.turbines.isel(asset=[0])
    with remarks() as told:
        found = get_step("wake_losses")(alone)
    assert found["wake_loss"].item() == 0.0
    assert ALONE in told
    with pytest.raises(InputError, match="farm of one turbine"):
        get_step("energy_ratio")(alone)
