"""Flags stand beside values, can be added, counted and undone, and never touch a value."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from workbench.model.quality import (
    Quality,
    add_flags,
    clear_flags,
    count_flags,
    good,
    is_quality,
    quality_attrs,
    quality_name,
)


@pytest.fixture
def data() -> xr.Dataset:
    values = np.array([[1.0, 2.0], [np.nan, 900.0], [3.0, -5.0]])
    return xr.Dataset({"power_output": (("time", "asset"), values)}, coords={"asset": ["A", "B"]})


def test_flags_are_added_beside_the_values(data):
    flagged = add_flags(data, "power_output", data.power_output > 100, Quality.RANGE)
    assert flagged.power_output_quality.dtype == np.uint16
    assert flagged.power_output_quality.dims == ("time", "asset")
    assert flagged.power_output_quality.values.tolist() == [[0, 0], [0, 16], [0, 0]]
    xr.testing.assert_identical(flagged.power_output, data.power_output)
    assert "power_output_quality" not in data


def test_flags_add_up_and_the_same_flag_counts_once(data):
    once = add_flags(data, "power_output", data.power_output > 100, Quality.RANGE)
    twice = add_flags(once, "power_output", data.power_output > 100, Quality.RANGE)
    xr.testing.assert_identical(once, twice)
    more = add_flags(twice, "power_output", data.power_output < 0, Quality.SPIKE | Quality.RANGE)
    assert count_flags(more) == {"power_output": {"range": 2, "spike": 1}}


def test_a_condition_may_be_given_for_one_dim_and_in_another_order(data):
    bad_asset = xr.DataArray([False, True], dims="asset", coords={"asset": ["A", "B"]})
    flagged = add_flags(data, "power_output", bad_asset, Quality.BAD)
    assert flagged.power_output_quality.values.tolist() == [[0, 1], [0, 1], [0, 1]]
    swapped = add_flags(data, "power_output", (data.power_output > 100).transpose("asset", "time"), Quality.BAD)
    assert swapped.power_output_quality.dims == ("time", "asset")


def test_a_condition_on_part_of_the_assets_flags_only_those(data):
    flagged = add_flags(data, "power_output", data.power_output.sel(asset=["B"]) > 0, Quality.BAD)
    assert flagged.power_output_quality.dtype == np.uint16
    assert flagged.power_output_quality.values.tolist() == [[0, 1], [0, 1], [0, 0]]


def test_an_unknown_condition_does_not_flag(data):
    unknown = data.power_output * 0 + 1  # NaN where the value is missing
    assert count_flags(add_flags(data, "power_output", unknown, Quality.STUCK)) == {"power_output": {"stuck": 5}}


def test_flags_can_be_undone_one_by_one(data):
    flagged = add_flags(data, "power_output", data.power_output > 0, Quality.RANGE)
    flagged = add_flags(flagged, "power_output", data.power_output > 0, Quality.SPIKE)
    cleared = clear_flags(flagged, "power_output", Quality.RANGE)
    assert count_flags(cleared) == {"power_output": {"spike": 4}}
    assert cleared.power_output_quality.attrs == flagged.power_output_quality.attrs
    xr.testing.assert_identical(clear_flags(data, "power_output", Quality.RANGE), data)


def test_good_values(data):
    assert good(data, "power_output") is data["power_output"] or good(data, "power_output").equals(data.power_output)
    flagged = add_flags(data, "power_output", data.power_output > 100, Quality.RANGE)
    flagged = add_flags(flagged, "power_output", data.power_output < 0, Quality.UNCERTAIN)
    np.testing.assert_array_equal(good(flagged, "power_output"), [[1, 2], [np.nan, np.nan], [3, -5]])
    np.testing.assert_array_equal(
        good(flagged, "power_output", reject=Quality.UNCERTAIN), [[1, 2], [np.nan, 900], [3, np.nan]]
    )


def test_the_attributes_are_those_of_a_cf_flag_variable():
    attrs = quality_attrs("wind_speed")
    meanings = str(attrs["flag_meanings"]).split()
    assert attrs["standard_name"] == "quality_flag"
    assert len(meanings) == len(attrs["flag_masks"]) == 14
    assert dict(zip(meanings, attrs["flag_masks"].tolist(), strict=True))["stuck"] == Quality.STUCK
    assert attrs["flag_masks"].dtype == np.uint16
    assert len(set(attrs["flag_masks"].tolist())) == 14


def test_names():
    assert quality_name("wind_speed") == "wind_speed_quality"
    assert is_quality("wind_speed_quality")
    assert not is_quality("wind_speed")


def test_flags_stay_lazy(data):
    pytest.importorskip("dask")
    lazy = data.chunk({"time": 1})
    flagged = add_flags(lazy, "power_output", lazy.power_output > 100, Quality.RANGE)
    assert flagged.chunks
    assert count_flags(flagged) == {"power_output": {"range": 1}}


@given(st.lists(st.integers(0, 4095), min_size=1, max_size=20), st.sampled_from([flag for flag in Quality if flag]))
def test_adding_then_clearing_a_flag_leaves_the_others(before, flag):
    values = xr.DataArray(np.zeros(len(before)), dims="time")
    data = xr.Dataset({"x": values, "x_quality": ("time", np.array(before, np.uint16))})
    there_and_back = clear_flags(add_flags(data, "x", values == 0, flag), "x", flag)
    assert there_and_back.x_quality.values.tolist() == [one & ~int(flag) for one in before]
