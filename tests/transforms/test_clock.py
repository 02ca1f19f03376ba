"""Where a clock was set is found; gaps and late samples are none."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from workbench.steps import remarks
from workbench.transforms.clock import clock_shifts
from workbench.transforms.fields import timestamp_normalization

T0 = np.datetime64("2025-10-26T00:00:00", "ns")


def stamps(seconds) -> np.ndarray:
    return T0 + (np.asarray(seconds, dtype=float) * 1e9).astype("int64").astype("timedelta64[ns]")


def shifts(seconds):
    return [(float((each.at - T0) / np.timedelta64(1, "s")), each.seconds) for each in clock_shifts(stamps(seconds))]


REGULAR = np.arange(0, 60 * 600, 600.0)


def test_a_clock_that_is_left_alone():
    assert shifts(REGULAR) == []
    rng = np.random.default_rng(1)
    assert shifts(REGULAR + rng.uniform(-10, 10, len(REGULAR))) == []  # it wanders by less than a twentieth
    assert shifts(np.delete(REGULAR, slice(20, 33))) == []  # a gap
    late = REGULAR.copy()
    late[30] += 200  # one sample came late
    assert shifts(late) == []
    assert shifts(REGULAR[:3]) == []


@pytest.mark.parametrize("amount", [37.0, -140.0, 290.0])
def test_it_was_set(amount):
    moved = REGULAR.copy()
    moved[30:] += amount
    assert shifts(moved) == [(30 * 600 + amount, amount)]


def test_the_hour_in_autumn():
    local = REGULAR.copy()
    local[30:] -= 3_600
    assert shifts(local) == [(30 * 600 - 3_600, -3_600.0)]


def test_set_twice_and_over_a_gap():
    moved = np.delete(REGULAR, slice(15, 20))
    moved[15:] += 100
    moved[35:] -= 100
    assert [amount for _, amount in shifts(moved)] == [100.0, -100.0]


def test_it_is_remarked_and_nothing_is_moved():
    moved = REGULAR.copy()
    moved[30:] += 37
    data = xr.Dataset({"x": ("time", np.ones(len(moved)))}, coords={"time": stamps(moved)})
    with remarks() as told:
        found = timestamp_normalization(data)
    assert told == [
        "timestamp_normalization: the clock of the time stamps was set: 37 s forward at 2025-10-26T05:00:37"
    ]
    np.testing.assert_array_equal(found["timestamp_utc"].values, data["time"].values)
