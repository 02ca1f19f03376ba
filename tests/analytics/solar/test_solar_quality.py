"""The steps: flags with counts, nothing lost, everything undone."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from workbench.analytics.solar import (
    clipped_values,
    interpolated_values,
    solar_data_quality,
    solar_level_correction,
    solar_quality_table,
    stale_values,
)
from workbench.model.errors import InputError
from workbench.model.quality import Quality
from workbench.steps import remarks


@pytest.fixture
def faulty(plant) -> xr.Dataset:
    """Two inverters of one month: A with faults, B without."""
    one = plant(30, limit=70.0)
    data = xr.concat([one, one.assign_coords(asset=["B"])], dim="asset").transpose("time", "asset")
    data["total_ac_power"].attrs["units"] = "kW"
    values = data["total_ac_power"].values
    bright = np.flatnonzero(values[:, 0] > 30)
    values[bright[20] : bright[20] + 60, 0] = values[bright[20], 0]  # stuck
    values[12 * 96 : 16 * 96, 0] *= -1  # reversed
    values[20 * 96 :, 0] *= 1000  # W
    return data


def test_each_fault_has_its_flag_and_the_good_one_none(faulty):
    with remarks() as told:
        found = solar_data_quality(faulty)
    table = solar_quality_table(found).rows_by_key("asset", named=True)
    (bad,), (good,) = table["A"], table["B"]
    assert bad["stuck"] == 60
    assert 14 * 96 * 0.9 < bad["offset"] < 14 * 96 * 1.1  # four days reversed, ten in other units
    assert good["stuck"] == good["offset"] == good["interpolated"] == 0
    assert good["clipped"] == pytest.approx(bad["clipped"], rel=0.1)  # units and signs do not hide the limit
    assert any("W for kW" in text for text in told)
    np.testing.assert_array_equal(found["total_ac_power"], faulty["total_ac_power"])


def test_units_and_signs_are_put_right_and_undone_bit_for_bit(faulty):
    found = solar_data_quality(faulty)
    fixed = solar_level_correction(found)
    good, mended = fixed["total_ac_power"].values[:, 1], fixed["total_ac_power"].values[:, 0]
    stuck = (found["total_ac_power_quality"].values[:, 0] & Quality.STUCK) > 0
    same = np.isclose(mended, good, rtol=1e-5, atol=0.5) | stuck
    assert same.mean() > 0.98  # but for the days on which it changed
    np.testing.assert_array_equal(fixed["total_ac_power_measured"], faulty["total_ac_power"])
    bits = fixed["total_ac_power_quality"].values[15 * 96 - 30, 0]
    assert bits & Quality.DERIVED
    assert not bits & Quality.OFFSET
    xr.testing.assert_identical(solar_level_correction(fixed, undo=True), found)
    with pytest.raises(InputError, match="made already"):
        solar_level_correction(fixed)
    with pytest.raises(InputError, match="no correction was made"):
        solar_level_correction(found, undo=True)


def test_a_large_night_offset_is_flagged_and_taken_off(plant):
    data = plant(20).rename(total_ac_power="irradiance_poa")
    truth = data["irradiance_poa"].values.copy()
    data["irradiance_poa"][:] -= 4.0
    found = solar_data_quality(data)
    assert solar_quality_table(found)["offset"].to_list() == [20 * 96]
    fixed = solar_level_correction(found, variable="irradiance_poa")
    np.testing.assert_allclose(fixed["irradiance_poa"], truth, atol=1e-5)


def test_flags_that_were_there_stay(faulty):
    flags = np.zeros(faulty["total_ac_power"].shape, "uint16")
    flags[5] = Quality.BAD
    found = solar_data_quality(faulty.assign(total_ac_power_quality=(("time", "asset"), flags)))
    assert (found["total_ac_power_quality"].values[5] & Quality.BAD).all()


def test_bad_input(plant):
    data = plant(5)
    with pytest.raises(InputError, match="no power or irradiance"):
        solar_data_quality(data.rename(total_ac_power="mystery"))
    with pytest.raises(InputError, match="see solar_data_quality"):
        solar_level_correction(data)
    data["total_ac_power"][:] = 3.0
    with remarks() as told:
        found = solar_data_quality(data)
    assert any("no course of the day" in text for text in told)
    assert not found["total_ac_power_quality"].any()


@pytest.mark.parametrize(
    ("kind", "seed", "find", "precision", "recall"),
    [
        ("stale", 5, stale_values, 0.99, 0.99),  # runs of three to five in a record of 0.001 % steps
        ("stale", 9, stale_values, 0.99, 0.99),  # the same in shares of the rating
        ("interpolated", 6, interpolated_values, 0.99, 0.98),  # minutes in whole watts
        ("interpolated", 57, interpolated_values, 0.8, 0.0),  # steps of 100 W: dusk is straight, and no line
        ("clipping", 0, clipped_values, 0.95, 0.99),  # a limit that flickers, between clouds
        ("clipping", 2, clipped_values, 0.95, 0.99),  # single hours at the limit
    ],
)
def test_labelled_records(kind, seed, find, precision, recall, score):
    from benchmarks._labelled_records import record

    one = record(seed, kind)
    found = score(find(one.data).values[:, 0], one.truth)
    assert found[0] >= precision
    assert found[1] >= recall
