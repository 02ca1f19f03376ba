"""Zero, sign and scale."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.analytics.solar import level_shifts, night_offsets, signs
from workbench.model.errors import InputError


def test_the_labelled_shift_of_pvanalytics_is_found_on_its_day(labelled):
    data, truth = labelled("shift")
    table = level_shifts(data)
    assert table.height == 2
    day = pd.Timestamp(data["time"].values[truth][0])
    assert abs(pd.Timestamp(table["start"][1]) - day) <= pd.Timedelta(days=1)


def test_a_level_of_its_own_within_three_years(system_50):
    data = system_50.copy(deep=True)
    data["total_ac_power"].loc[{"time": slice("2012-06-01", "2012-09-30")}] *= 0.7
    table = level_shifts(data)
    assert table.height == 3
    assert table["level"][1] == pytest.approx(0.7, abs=0.06)
    for found, true in zip(table["start"].to_list()[1:], ("2012-06-01", "2012-10-01"), strict=True):
        assert abs(pd.Timestamp(found) - pd.Timestamp(true)) < pd.Timedelta(days=5)
    assert level_shifts(system_50)["level"].to_list() == [1.0]


def test_watts_among_kilowatts_are_named(serf_east):
    data = serf_east.copy(deep=True)
    data["total_ac_power"][3000:6000] *= 1000
    table = level_shifts(data)
    assert table["note"].to_list() == [None, "1000: W for kW", None]


def test_a_step_against_a_reference_needs_no_years(plant):
    data = plant(90)
    data["irradiance_poa"] = data["total_ac_power"] * 10
    data["total_ac_power"][40 * 96 :] *= 0.85
    table = level_shifts(data, reference="irradiance_poa")
    np.testing.assert_allclose(table["level"], [1 / 0.85, 1.0], rtol=0.01)


def test_signs_and_night_offsets(plant):
    data = plant(30)
    data["total_ac_power"][10 * 96 : 20 * 96] *= -1
    data["total_ac_power"][:] -= 3.0
    # Golden's days of the sun begin at 7 h UTC
    found = signs(data).values[:, 0]
    expected = np.ones(30 * 96)
    expected[10 * 96 : 20 * 96] = -1
    bright = np.abs(data["total_ac_power"].values[:, 0] + 3.0) > 5
    assert (found == expected)[bright].mean() > 0.99
    np.testing.assert_allclose(night_offsets(data, variable="total_ac_power"), -3.0, atol=1e-9)
    assert (signs(plant(30)) == 1).all()


def test_bad_input(plant):
    with pytest.raises(InputError, match="between 0 and 1"):
        level_shifts(plant(5), smallest=2.0)
    assert "days" in level_shifts(plant(5))["reason"][0]
