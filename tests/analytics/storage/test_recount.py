"""The count finds the true state of charge, says how sure it is, and tells a reported one that runs off."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from workbench.analytics.storage import CURVES, recount, soc_drift
from workbench.model.errors import InputError


@pytest.fixture
def kept():
    """The typical curves, of made-up cells that keep their curve while they lose capacity (as real ones do not: see ``aged_curve``)."""
    return {name: replace(curve, of_new_cell=False) for name, curve in CURVES.items()}


@pytest.mark.parametrize(
    ("profile", "chemistry", "within"),
    [
        ("frequency", "NMC", 0.6),
        ("residential, hard", "NMC", 1.0),
        ("residential, hard", "LFP", 2.0),
        ("telecom", "LFP", 1.0),
    ],
)
def test_the_true_state_of_charge_is_found(field_of, kept, profile, chemistry, within):
    from benchmarks._battery_field import Plant, Sensors

    # the sensor's zero alone would run off by 1 % a day, and the capacity is 8 % less than the data sheet says
    made = field_of(profile, plant=Plant(chemistry=chemistry), sensors=Sensors(drift=6.0))
    found = recount(made.data, curve=kept[chemistry])
    error = (found["soc_recount"].values[:, 0] - made.soc)[5 * 144 :]
    assert np.sqrt((error**2).mean()) < within
    spread = found["soc_recount_std"].values[5 * 144 :, 0]
    assert (np.abs(error) < 2 * spread).mean() > 0.75
    assert float(found["current_zero"][0]) == pytest.approx(0.4, abs=0.15)
    smooth = recount(made.data, curve=kept[chemistry], smooth=True)
    assert np.sqrt(((smooth["soc_recount"].values[:, 0] - made.soc) ** 2).mean()) < 1.5 * within


@pytest.mark.parametrize(
    ("profile", "chemistry"),
    [
        ("commercial", "NMC"), ("commercial", "LFP"), ("peak shaving", "LFP"), ("frequency", "NMC"), ("residential", "NMC"),
        ("residential", "LFP"), ("residential, hard", "LFP"), ("telecom", "NMC"), ("telecom", "LFP"),
    ],
)  # fmt: skip
def test_a_drift_of_three_per_cent_is_flagged_within_two_days(field_of, profile, chemistry):
    from benchmarks._battery_field import Plant, Sensors

    drift = Sensors(drift=-3.0, drift_from=15.0)  # downwards, as it may stand at 100 % for days
    made = field_of(profile, days=(20, 50), plant=Plant(chemistry=chemistry), sensors=drift)
    found = soc_drift(made.data)
    day = (found["first_alarm"].values[0] - made.data["time"].values[0]) / np.timedelta64(1, "D")
    assert 15.0 < day <= 17.0
    sound = field_of(profile, days=(20, 50), plant=Plant(chemistry=chemistry))
    assert not soc_drift(sound.data)["soc_drift_alarm"].any()


@pytest.mark.parametrize("size", [3.0, -3.0])
def test_a_drift_that_no_voltage_tells_is_seen_against_the_current(size):
    """On a plateau for a month: 10 A h of noise and a zero that is off must not hide it, nor make one."""
    from workbench.analytics.storage.soc_moves import moves

    rng = np.random.default_rng(4)
    hours = np.arange(30 * 24 * 4) / 4
    rate = 0.1 * np.sin(2 * np.pi * hours / 11) + 0.003 * rng.normal(0, 1, len(hours))
    soc = 50 - 100 * (np.cumsum(rate) - rate / 2) / 4 / 0.85
    reported = np.round(soc + rng.normal(0, 0.3, len(hours)))
    measured = rate + 0.001
    moved, *_ = moves(reported, measured, 0.25, 2.0)
    assert not moved.any()
    off = reported + size * (hours >= 480)
    moved, unsure, _ = moves(off, measured, 0.25, 2.0)
    first = int(np.argmax(moved != 0))
    assert 480 <= hours[first] <= 480 + 48
    # the mean of six hours with the rounding of a per cent
    assert moved[first + 24] == pytest.approx(size, abs=3 * unsure[first + 24])
    # a slot that is lost now and then is no gap
    measured[11::22] = np.nan  # at the turns of the current
    moved, _, likely = moves(off, measured, 0.25, 2.0)
    assert 480 <= hours[int(np.argmax(moved != 0))] <= 480 + 48
    assert np.isfinite(likely[100:]).mean() > 0.8


def test_a_live_run_says_what_the_whole_says(field_of):
    data = field_of("frequency", days=(0, 12)).data
    whole, part = recount(data), recount(data.isel(time=slice(0, 900)))
    np.testing.assert_allclose(part["soc_recount"], whole["soc_recount"][:900], atol=0.02)


def test_without_a_reported_state_of_charge_it_begins_at_the_first_rest(field_of):
    made = field_of("residential, hard")
    found = recount(made.data.drop_vars("state_of_charge"))
    soc = found["soc_recount"].values[:, 0]
    first = int(np.argmax(np.isfinite(soc)))
    assert found["soc_reset"].values[first, 0]
    assert np.isnan(soc[:first]).all()
    assert np.abs(soc[first + 500 :] - made.soc[first + 500 :]).mean() < 1.0


def test_in_a_gap_the_count_becomes_unsure(field_of, kept):
    data = field_of("frequency").data.copy(deep=True)
    data["dc_current"][1000:1060] = np.nan
    found = recount(data, curve=kept["NMC"])
    assert float(found["soc_recount_std"][1059, 0]) > 20
    assert float(found["soc_recount_std"][1500, 0]) < 2


def test_without_voltage_it_is_said_that_nothing_sets_it_right(field_of):
    data = field_of("frequency").data.drop_vars(["cell_voltage_mean", "dc_voltage"])
    found = recount(data)
    assert "never set right" in found["reason"].item()
    assert np.isfinite(found["soc_recount"]).all()
    unknown = recount(field_of("frequency").data.assign_coords(chemistry=("asset", ["XYZ"])))
    assert "open-circuit curve" in unknown["reason"].item()


def test_bad_input(field_of):
    data = field_of("frequency").data
    with pytest.raises(InputError, match="no DC current"):
        recount(data.drop_vars(["dc_current", "dc_power"]))
    with pytest.raises(InputError, match="charge capacity of no battery"):
        recount(data.drop_vars(["charge_capacity", "energy_capacity"]))
    with pytest.raises(InputError, match="no reported state of charge"):
        soc_drift(data.drop_vars("state_of_charge"))


def test_a_farm_is_its_batteries_one_by_one(field_of):
    import xarray as xr

    one = field_of("frequency", days=(0, 12)).data
    other = field_of("telecom", days=(0, 12), asset="B2", seed=5).data
    both = soc_drift(xr.concat([one, other], "asset", coords="minimal", compat="override"))
    for name, alone in (("B1", one), ("B2", other)):
        np.testing.assert_allclose(both["soc_drift"].sel(asset=name), soc_drift(alone)["soc_drift"][:, 0])


def test_the_demo_battery_is_counted(demo_battery):
    found = soc_drift(demo_battery)
    assert int(found["resets"][0]) > 15
    late = slice(5 * 144, None)
    off = (found["soc_recount"] - demo_battery["state_of_charge"]).values[late]
    assert np.abs(off).max() < 2.0
    assert not found["soc_drift_alarm"].any()
