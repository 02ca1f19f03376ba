"""Tilt, azimuth and tracking told from power."""

from __future__ import annotations

import pandas as pd
import pytest

from workbench.analytics.solar import Mounting, infer_orientation, orientation_check
from workbench.model.errors import InputError
from workbench.steps import remarks

from .conftest import GOLDEN, as_data


@pytest.mark.parametrize(("tilt", "azimuth"), [(10, 180), (25, 215), (40, 135)])
def test_a_plane_is_found_under_clouds_and_a_limit(plant, tilt, azimuth):
    (found,) = infer_orientation(plant(240, slot="30min", tilt=tilt, azimuth=azimuth, limit=90.0))
    assert found.mounting is Mounting.FIXED
    assert found.tilt == pytest.approx(tilt, abs=5)
    assert found.azimuth == pytest.approx(azimuth, abs=8)
    assert found.explained > 0.97


def test_serf_east_is_what_the_records_say(serf_east):
    recorded = serf_east.assign_coords(
        tilt=("asset", [45.0]), azimuth=("asset", [158.0]), mounting=("asset", ["fixed"])
    )
    found = orientation_check(recorded)
    assert found["orientation_agreement"].values.tolist() == [1]
    assert float(found["inferred_tilt"][0]) == pytest.approx(45, abs=5)
    assert float(found["inferred_azimuth"][0]) == pytest.approx(158, abs=12)


def test_wrong_records_are_named(serf_east):
    recorded = serf_east.assign_coords(
        tilt=("asset", [10.0]), azimuth=("asset", [240.0]), mounting=("asset", ["single_axis"])
    )
    with remarks() as told:
        found = orientation_check(recorded)
    assert found["orientation_agreement"].values.tolist() == [2]
    assert "mounting single_axis recorded, fixed by its power" in told[0]
    with remarks() as told:
        orientation_check(recorded.drop_vars("mounting"))
    assert "tilt 10 recorded" in told[0]
    assert "azimuth 240 recorded" in told[0]
    assert orientation_check(serf_east)["orientation_agreement"].values.tolist() == [0]


def test_a_real_tracker_is_told_from_planes(pvanalytics):
    """NREL's single-axis tracker, a week of June 2010."""
    table = pd.read_csv(pvanalytics / "nrel_1axis_tracker_mesa_ac_power.csv")
    series = pd.Series(table["ac_power"].to_numpy(), index=pd.to_datetime(table["measured_on"], utc=True))
    (found,) = infer_orientation(as_data(series, **GOLDEN))
    assert found.mounting is Mounting.SINGLE_AXIS


def test_what_is_not_told_says_why(plant):
    data = plant(3)
    with remarks() as told:
        found = orientation_check(data)
    assert found["inferred_tilt"].isnull().all()
    assert "fewer than 5 days" in told[0]
    off = plant(40, slot="30min")
    off = off.assign_coords(time=off["time"] + pd.Timedelta("11h").to_timedelta64())
    (late,) = infer_orientation(off)
    assert late.mounting is Mounting.UNKNOWN
    assert "clock" in late.reason
    with pytest.raises(InputError, match="place of each asset"):
        infer_orientation(data.drop_vars("latitude"))
