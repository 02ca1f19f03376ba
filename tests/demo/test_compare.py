"""The comparison finds what is lost, wrong or there twice, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from workbench.demo.compare import compare, compare_series
from workbench.model.samples import SeriesKey

KEY = SeriesKey("wind_turbine", "1s")
T0 = np.datetime64("2026-01-01T00:00:00", "ns")
N = 20


def _data(assets: tuple[str, ...] = ("A", "B")) -> xr.Dataset:
    times = T0 + np.arange(N) * np.timedelta64(1, "s")
    rng = np.random.default_rng(1)
    shape = (N, len(assets))
    return xr.Dataset(
        {
            "power_output": (("time", "asset"), rng.normal(1000, 1, shape)),
            "wind_speed": (("time", "asset"), rng.normal(8, 1, shape)),
        },
        coords={"time": times, "asset": np.array(assets, object)},
    )


def _stored(truth: xr.Dataset) -> xr.Dataset:
    stored = truth.astype(np.float32)
    stored["sample_count"] = (("time", "asset"), np.ones((N, truth.sizes["asset"]), np.uint16))
    return stored


def _compare(truth: xr.Dataset, stored: xr.Dataset, end: int = N):
    return compare_series(KEY, truth, stored, latest_start=T0, end=T0 + np.timedelta64(end, "s"))


def test_equal_at_the_stored_width_is_nothing_lost():
    truth = _data()
    result = _compare(truth, _stored(truth))
    assert (result.expected, result.lost, result.wrong, result.duplicates) == (N * 4, 0, 0, 0)


def test_each_absent_value_is_lost():
    truth = _data()
    stored = _stored(truth)
    stored["wind_speed"][5, 1] = np.nan
    stored = stored.isel(time=np.arange(N) != 7)
    result = _compare(truth, stored)
    assert result.lost == 1 + 4
    assert result.wrong == 0
    assert any("wind_speed" in line and "lost" in line for line in result.examples)


def test_another_value_is_wrong_not_lost():
    truth = _data()
    stored = _stored(truth)
    stored["power_output"][3, 0] += 0.5
    result = _compare(truth, stored)
    assert (result.lost, result.wrong) == (0, 1)
    assert "sent" in result.examples[0]


def test_a_repeated_stamp_and_a_surplus_sample_are_duplicates():
    truth = _data()
    stored = _stored(truth)
    stored["sample_count"][4, 0] = 3
    twice = xr.concat([stored, stored.isel(time=[2])], "time").sortby("time")
    result = _compare(truth, twice)
    assert result.duplicates == 2 + 1


def test_a_slot_without_a_sample_is_no_surplus():
    truth = _data()
    stored = _stored(truth)
    stored["sample_count"][4, 0] = 0
    assert stored["sample_count"].dtype == np.uint16
    assert _compare(truth, stored).duplicates == 0


def test_the_window_begins_with_the_first_value_but_not_after_the_latest_start():
    truth = _data()
    stored = _stored(truth)
    stored["power_output"][:6, 0] = np.nan
    stored["wind_speed"][:6, 0] = np.nan
    late_start = T0 + np.timedelta64(10, "s")
    result = compare_series(KEY, truth, stored, latest_start=late_start, end=T0 + np.timedelta64(N, "s"))
    assert result.lost == 0
    assert result.first["A"] == T0 + np.timedelta64(6, "s")
    early = compare_series(
        KEY, truth, stored, latest_start=T0 + np.timedelta64(3, "s"), end=T0 + np.timedelta64(N, "s")
    )
    assert early.lost == 3 * 2


@pytest.mark.parametrize("known", [True, False])
def test_a_source_that_never_delivered_has_lost_everything(known: bool):
    truth = _data()
    stored = {KEY: _stored(truth).sel(asset=["A"])} if known else {}
    (result,) = compare({KEY: truth}, stored, latest_start=T0, end=T0 + np.timedelta64(N, "s"))
    assert result.lost == (N * 2 if known else N * 4)


def test_what_was_never_sent_is_not_expected():
    truth = _data()
    truth["wind_speed"][:, 1] = np.nan
    result = _compare(truth, _stored(truth))
    assert result.expected == N * 3
    assert result.lost == 0
