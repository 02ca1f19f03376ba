"""What is read of a solar plant: real data of files, and a store with what lies behind the inverters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench.analytics.solar import assess
from workbench.catalog import open_catalog
from workbench.catalog.site import SiteView
from workbench.catalog.solar_plant import LOOK_BACK, SolarPlant, solar_plant, terms_of
from workbench.model.assets import Site
from workbench.model.errors import InputError

WINDOW = (pd.Timestamp("2011-06-01T07:00"), pd.Timestamp("2011-07-01T07:00"))


def view_of(site: str, store: Path) -> tuple[SiteView, object]:
    catalog = open_catalog(store=store)
    return SiteView(site, catalog.portfolio, store), catalog


@pytest.fixture
def pvdaq(test_data: Path, checkout: Path, require, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SolarPlant:
    require((test_data / "solar" / "pvanalytics").is_dir(), "solar/pvanalytics is not among the test data")
    monkeypatch.setenv("WORKBENCH_TEST_DATA", str(test_data))
    monkeypatch.setenv("WORKBENCH_PROJECT", str(checkout))
    view, catalog = view_of("pvdaq_50", tmp_path)
    with pytest.raises(InputError, match="inverter"):
        solar_plant(view, catalog, end=pd.Timestamp("2001-01-01"))
    return solar_plant(view, catalog, *WINDOW)


def test_files_of_other_steps_are_read_from_the_beginning_of_the_record(pvdaq: SolarPlant):
    times = pvdaq.inverters["time"].values
    assert np.diff(times).max() == np.timedelta64(15, "m")
    assert times[0] < WINDOW[0].to_datetime64()
    assert times[-1] < WINDOW[1].to_datetime64()
    assert [one.name for one in pvdaq.inputs] == ["pvdaq_50.power", "pvdaq_50.weather"]
    (weather,) = pvdaq.weather
    assert float(weather["irradiance_ghi"].max()) > 900
    assert pvdaq.strings is None
    assert pvdaq.lacking["string"] == "no data of strings"
    assert float(pvdaq.inverters["tilt"][0]) == 58.0


def test_real_data_are_told_with_their_clock_put_right(pvdaq: SolarPlant):
    told = assess(pvdaq.inverters, window=WINDOW, tz="Etc/GMT+7", without=("orientation", "degradation"), **pvdaq.given)
    assert set(told.clocks["shift"]) == {60.0}  # daylight saving, that the stamps do not have
    whole = told.kpi.groups.isel(period=0, group=0)
    assert 0.85 < float(whole["energy_performance_index"]) < 1.15
    bars = told.waterfall()
    assert bars["energy"].iloc[:-1].sum() == pytest.approx(bars["energy"].iloc[-1], rel=1e-9)
    assert set(told.reasons) == {"orientation", "degradation", "cleaning"}
    late = assess(
        pvdaq.inverters, window=WINDOW, tz="Etc/GMT+7", without=("clocks", "orientation", "degradation", "faults"),
        **pvdaq.given,
    )  # fmt: skip
    ratio = (told.data["total_ac_power"] / told.data["expected_power"]).where(told.data["expected_power"] > 0.5)
    wrong = (late.data["total_ac_power"] / late.data["expected_power"]).where(late.data["expected_power"] > 0.5)
    assert float(ratio.std()) < 0.7 * float(wrong.std())


def test_a_store_has_what_lies_behind_the_inverters(sample: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WORKBENCH_PROJECT", str(checkout))
    view, catalog = view_of("sun_valley", sample)
    plant = solar_plant(view, catalog, pd.Timestamp("2026-06-15T07:00"), pd.Timestamp("2026-06-16T07:00"))
    assert plant.inverters.sizes["asset"] == 8
    assert {part.attrs["asset_type"] for part in plant.weather} == {"irradiance_sensor", "weather_station"}
    assert (plant.mppts.sizes["asset"], plant.strings.sizes["asset"], plant.trackers.sizes["asset"]) == (16, 80, 8)
    assert plant.parents["SV-INV03-S04"] == "SV-INV03-M1"
    assert plant.feeds["SV-TRK05A"] == "SV-INV05-M1"
    assert plant.meter is None
    assert plant.lacking["meter"] == "the meter counts battery too"
    assert plant.strings["time"].values[0] >= np.datetime64("2026-06-15T07:00") - np.timedelta64(LOOK_BACK, "D")


def test_terms_of_a_site():
    place = {
        "timezone": "UTC",
        "latitude": 0.0,
        "longitude": 0.0,
        "elevation": 0.0,
        "grid_frequency_nominal": 50.0,
        "capacity": 1.0,
        "assets": (),
    }
    site = Site(id="x", name="X", kind="solar", attributes={"cleaning_cost": 90, "else": "y"}, **place)
    assert terms_of(site) == {"cleaning_cost": 90.0}
