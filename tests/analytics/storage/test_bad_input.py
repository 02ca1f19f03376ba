"""Batteries whose times or assets are none are refused by every analysis in the same words."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.analytics import storage
from workbench.model.errors import InputError

ANALYSES = {
    "reversed_signs": storage.reversed_signs,
    "round_trip_efficiency": storage.round_trip_efficiency,
    "cycle_summary": storage.cycle_summary,
    "thermal_alarms": storage.thermal_alarms,
    "usable_energy": storage.usable_energy,
    "state_of_health": storage.state_of_health,
}
FAULTS = {
    "two of a name": (lambda d: d.assign_coords(asset=["B1", "B1"]), "asset is there twice"),
    "no batteries": (lambda d: d.isel(asset=slice(0)), "no asset"),
    "a time is missing": (
        lambda d: d.assign_coords(time=np.r_[d["time"].values[:5], [np.datetime64("NaT")], d["time"].values[6:]]),
        "a time is missing",
    ),
    "backwards": (lambda d: d.isel(time=slice(None, None, -1)), "repeat or go back"),
    "numbers": (lambda d: d.assign_coords(time=np.arange(d.sizes["time"])), "UTC without a zone"),
}


@pytest.mark.parametrize("name", ANALYSES)
def test_times_and_batteries_that_are_none_are_refused(name, plain):
    data = plain(3, assets=2)
    for spoil, says in FAULTS.values():
        with pytest.raises(InputError, match=says):
            ANALYSES[name](spoil(data))
