"""Times that stand twice: whether they are of the hour in which a clock is set back."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.analytics.calendar import check_axes
from workbench.model.doubled_hour import doubled_hour, zones_set_back
from workbench.model.errors import InputError


def local(start: str, end: str, tz: str) -> np.ndarray:
    """Ten-minute times as the clock of a zone shows them."""
    return pd.date_range(start, end, freq="10min", tz="UTC").tz_convert(tz).tz_localize(None).to_numpy()


def twice(times: np.ndarray) -> np.ndarray:
    found, count = np.unique(times, return_counts=True)
    return found[count > 1]


@pytest.mark.parametrize(
    ("tz", "day", "hour"),
    [
        ("Europe/Paris", "2015-10-25", "02:00 to 03:00 on 25 Oct 2015"),
        ("America/Chicago", "2024-11-03", "01:00 to 02:00 on 03 Nov 2024"),
        ("Australia/Sydney", "2024-04-07", "02:00 to 03:00 on 07 Apr 2024"),
    ],
)
def test_the_hour_of_autumn_is_known_in_zones(tz, day, hour):
    start = pd.Timestamp(day) - pd.Timedelta("1D")
    text, zone = doubled_hour(twice(local(str(start), str(start + pd.Timedelta("3D")), tz))) or ("", "")
    assert hour in text
    assert tz in zones_set_back(pd.Timestamp(f"{day}T{hour[:5]}").to_pydatetime())
    assert zone in zones_set_back(pd.Timestamp(f"{day}T{hour[:5]}").to_pydatetime())


def test_two_autumns_are_told_together():
    text, zone = doubled_hour(twice(local("2014-06-01", "2016-01-01", "Europe/Paris"))) or ("", "")
    assert "26 Oct 2014 and one other day" in text
    assert zone == "Europe/Paris"


def test_other_doubles_are_not_taken_for_it():
    autumn = twice(local("2015-10-24", "2015-10-27", "Europe/Paris"))
    assert doubled_hour(np.array(["2015-10-25T12:00"], "datetime64[s]")) is None
    assert doubled_hour(np.append(autumn, np.datetime64("2015-12-01T02:00"))) is None
    assert doubled_hour(np.zeros(0, "datetime64[s]")) is None
    assert zones_set_back(dt.datetime(2015, 10, 25, 1, 30)) == ["Europe/London"]


def test_the_error_of_a_table_says_so(tmp_path: Path):
    from workbench.pipelines.inputs import _table

    times = local("2015-10-24", "2015-10-27", "Europe/Paris")
    pd.DataFrame({"time": times, "asset": "A", "wind_speed": 5.0}).to_csv(tmp_path / "scada.csv", index=False)
    with pytest.raises(InputError) as error:
        _table(tmp_path / "scada.csv")
    assert "Europe/Paris show twice when daylight saving ends" in str(error.value)
    assert "ambiguous: infer" in str(error.value)


def test_the_error_of_an_analysis_says_so():
    times = np.sort(local("2015-10-24", "2015-10-27", "Europe/Paris"))
    data = xr.Dataset({"wind_speed": ("time", np.ones(len(times)))}, coords={"time": times})
    with pytest.raises(InputError, match="daylight saving ends"):
        check_axes(data)
    other = data.isel(time=[0, 1, 1, 2])
    with pytest.raises(InputError, match="drop_duplicates"):
        check_axes(other)
