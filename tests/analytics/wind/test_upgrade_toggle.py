from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from benchmarks._drift_farms import drift_farm
from workbench.analytics.wind import toggle_uplift, upgrade_uplift
from workbench.model.errors import InputError


@pytest.fixture(scope="module")
def toggled() -> tuple[xr.Dataset, xr.DataArray]:
    """Half a year of half hours, six hours on and six off; T1 makes 3 % more when it is on, and for an hour after."""
    slots = round(0.5 * 365.25 * 48)
    on = (np.arange(slots) // 12) % 2 == 1
    gain = np.zeros((slots, 4))
    gain[:, 0] = np.where(on, 0.03, 0.0)
    gain[1:, 0] = np.maximum(gain[1:, 0], gain[:-1, 0])
    data = drift_farm(8, years=0.5, turbines=4, minutes=30, gain=gain)
    return data, xr.DataArray(on.astype(float), dims="time")


def test_an_injected_uplift_is_found_and_covered(toggled):
    data, state = toggled
    one = toggle_uplift(data, ["T1"], state, settle="PT1H").summary.loc["T1"]
    assert one["lower"] < 2.6 < one["upper"]  # of 3 % in partial load, some is lost at the rating
    assert one["claimed"]
    # a state that has no effect
    assert not toggle_uplift(data, ["T2"], state, references=["T3", "T4"]).summary.loc["T2", "claimed"]


def test_it_is_surer_than_before_and_after(toggled):
    data, state = toggled
    by_toggle = toggle_uplift(data, ["T1"], state).summary.loc["T1", "std"]
    by_time = upgrade_uplift(data, ["T1"], "2015-04-02").summary.loc["T1", "std"]
    assert by_toggle < by_time


def test_slots_after_a_switch_do_not_count(toggled):
    data, state = toggled
    counts = [
        toggle_uplift(data, ["T1"], state, settle=settle, simulations=0).uplift[["slots_with", "slots_without"]]
        for settle in ("PT0S", "PT1H")
    ]
    for name in ("slots_with", "slots_without"):
        assert counts[1][name].item() / counts[0][name].item() == pytest.approx(10 / 12, abs=0.01)


def test_an_unknown_state_counts_for_neither(toggled):
    data, state = toggled
    unknown = state.copy()
    unknown[:4000] = np.nan
    whole, part = (toggle_uplift(data, ["T1"], one, simulations=0).uplift for one in (state, unknown))
    assert part["slots_with"] < 0.6 * whole["slots_with"]


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (xr.DataArray(np.ones(8766), dims="time"), "never switched"),
        (xr.DataArray(np.arange(8766) % 3, dims="time"), "neither on nor off"),
        (xr.DataArray(np.ones(5), dims="time"), "not a value for each time"),
        ("on", "no variable"),
    ],
)
def test_wrong_states(toggled, state, message):
    with pytest.raises(InputError, match=message):
        toggle_uplift(toggled[0], ["T1"], state)
