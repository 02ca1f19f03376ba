"""Putting clocks right: values go where they belong, and come back."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from workbench.analytics.wind import clock_shift_correction, clock_shift_detection
from workbench.model.errors import InputError
from workbench.model.quality import count_flags


def late(slots: int = 6) -> tuple[xr.Dataset, xr.Dataset]:
    """A farm, and the same with a turbine whose clock was ahead for forty days."""
    rng = np.random.default_rng(2)
    rows = 120 * 144
    wind = 8 + 2.5 * np.convolve(rng.normal(0, 1, rows + 99), np.exp(-np.arange(100) / 20), mode="valid")[:rows] / 3
    own = wind[:, None] + rng.normal(0, 0.5, (rows, 4))
    data = xr.Dataset(
        {"wind_speed": (("time", "asset"), own, {"units": "m/s"}), "temperature": (("time", "asset"), own * 2)},
        coords={
            "time": np.datetime64("2024-01-01", "ns") + np.arange(rows) * np.timedelta64(600, "s"),
            "asset": list("ABCD"),
            "rated_capacity": ("asset", np.full(4, 2000.0)),
        },
        attrs={"cadence": "10min"},
    )
    wrong = data.copy(deep=True)
    for name in data.data_vars:
        wrong[name][5_000 + slots : 11_000, 2] = data[name].values[5_000 : 11_000 - slots, 2]
        wrong[name][5_000 : 5_000 + slots, 2] = np.nan
    return data, wrong


def test_values_go_back_to_where_they_were():
    data, wrong = late()
    flagged = clock_shift_detection(wrong)
    assert {float(one) for one in np.unique(flagged["clock_shift"])} == {0.0, 60.0}
    assert count_flags(flagged)["wind_speed"]["clock"] == pytest.approx(6_000, abs=20)
    assert not (flagged["wind_speed_quality"][:, [0, 1, 3]] > 0).any()
    right = clock_shift_correction(flagged)
    assert count_flags(right) == {"wind_speed": {}, "temperature": {}}
    there = right["wind_speed"].sel(time=data["time"])
    same = there == data["wind_speed"]
    # but for the hour that the clock cut off at its end, and the slots by which the instants are off
    assert int((~same).sum()) <= 6 + 12
    moved = right["clock_correction"].sel(time=data["time"][7_000], asset="C")
    assert float(moved) == -60.0
    assert set(right.coords) == set(flagged.coords)


def test_undone_it_is_as_it_was():
    _, wrong = late()
    flagged = clock_shift_detection(wrong)
    right = clock_shift_correction(flagged)
    back = clock_shift_correction(right, undo=True).sel(time=wrong["time"])
    lost = right["clock_correction"].attrs["overwritten"]
    off = (back["wind_speed"] != wrong["wind_speed"]) & wrong["wind_speed"].notnull()
    assert int(off.sum()) <= lost
    assert lost <= 12
    again = count_flags(back)["wind_speed"]["clock"]
    assert count_flags(flagged)["wind_speed"]["clock"] - again <= 12  # the hour that is missing holds no values to flag


def test_values_that_leave_the_grid_make_it_grow():
    data, _ = late()
    data["clock_shift"] = (("time", "asset"), np.tile([0.0, 0.0, 60.0, -120.0], (data.sizes["time"], 1)))
    right = clock_shift_correction(data)
    assert right.sizes["time"] == data.sizes["time"] + 6 + 12
    assert int(right["wind_speed"].notnull().sum()) == data["wind_speed"].size
    assert right["clock_correction"].attrs["overwritten"] == 0


def test_it_is_made_once_and_undone_once():
    data, wrong = late()
    with pytest.raises(InputError, match="the shifts are not in the data"):
        clock_shift_correction(data)
    right = clock_shift_correction(clock_shift_detection(wrong, flag=False))
    assert "wind_speed_quality" not in right
    with pytest.raises(InputError, match="already"):
        clock_shift_correction(right)
    with pytest.raises(InputError, match="no correction"):
        clock_shift_correction(clock_shift_correction(right, undo=True), undo=True)
