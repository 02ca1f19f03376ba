"""Local time stamps at the changes of their zone's clock."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench.analytics.clock_changes import zone_changes
from workbench.analytics.wind import clock_changes
from workbench.model.errors import InputError

UTC = pd.date_range("2024-01-01", "2025-01-01", freq="10min", inclusive="left", tz="UTC")


def local(zone: str) -> np.ndarray:
    return UTC.tz_convert(zone).tz_localize(None).to_numpy().astype("datetime64[ns]")


@pytest.mark.parametrize(
    ("zone", "hours"),
    [("Europe/Paris", 1.0), ("America/Denver", 1.0), ("Australia/Sydney", 1.0), ("Australia/Lord_Howe", 0.5)],
)
def test_the_changes_of_a_zone_are_those_that_pandas_has(zone, hours):
    found = zone_changes(zone, int(UTC[0].value), int(UTC[-1].value))
    assert [abs(one.minutes) for one in found] == [60 * hours] * 2
    for one in found:
        at = pd.Timestamp(one.at, tz="UTC")
        before, after = ((at - pd.Timedelta("1s")).tz_convert(zone), at.tz_convert(zone))
        assert (after.utcoffset() - before.utcoffset()).total_seconds() / 60 == one.minutes


@pytest.mark.parametrize("zone", ["Europe/Paris", "America/Denver", "Australia/Sydney", "Australia/Lord_Howe"])
def test_a_clock_that_follows_and_one_that_does_not(zone):
    rng = np.random.default_rng(1)
    follows = clock_changes(rng.permutation(local(zone)), zone)
    assert follows["clock"].to_list() == ["followed", "followed"]
    assert follows.filter(follows["change"] < 0)["doubled"].item() == follows["usual"][0]
    standard = clock_changes(UTC.tz_localize(None).to_numpy(), zone)
    assert standard["clock"].to_list() == ["not_followed", "not_followed"]
    assert standard["missing"].to_list() == [0, 0]


def test_an_hour_lost_and_no_data():
    stamps = local("Europe/Paris")
    hour = (stamps >= np.datetime64("2024-10-27T02:00")) & (stamps < np.datetime64("2024-10-27T03:00"))
    assert clock_changes(stamps[~hour], "Europe/Paris")["clock"].to_list() == ["followed", "hour_lost"]
    days = (stamps >= np.datetime64("2024-10-26")) & (stamps < np.datetime64("2024-10-29"))
    assert clock_changes(stamps[~days], "Europe/Paris")["clock"].to_list() == ["followed", "no_data"]


def test_no_changes_no_rows_and_no_zone():
    assert clock_changes(local("Asia/Tokyo"), "Asia/Tokyo").is_empty()
    assert clock_changes(np.array([], "datetime64[ns]"), "Europe/Paris").is_empty()
    with pytest.raises(InputError, match="no such time zone"):
        clock_changes(local("UTC"), "Europe/Nowhere")


def test_the_dirty_turbine_follows_its_zone_and_loses_an_hour_each_autumn(test_data: Path, require):
    path = test_data / "wind" / "ge_turbine_10min.csv.gz"
    require(path.exists(), f"{path.name} is not among the test data")
    stamps = pd.to_datetime(pd.read_csv(path, usecols=["dttm"])["dttm"]).to_numpy()
    table = clock_changes(stamps, "America/Chicago")
    spring, autumn = table.filter(table["change"] > 0), table.filter(table["change"] < 0)
    assert (len(spring), len(autumn)) == (8, 8)
    assert set(spring["clock"]) <= {"followed", "no_data"}
    assert set(autumn["clock"]) <= {"kept_one", "no_data"}
    assert (autumn["clock"] == "kept_one").sum() >= 5
