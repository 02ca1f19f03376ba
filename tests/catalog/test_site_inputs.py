from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.catalog import open_catalog
from workbench.catalog.site import SiteView
from workbench.catalog.site_inputs import read_ten_minutes, series_cadence
from workbench.model.content import content_hash


def some(**changes: object) -> xr.Dataset:
    data = xr.Dataset(
        {"a": (("time", "asset"), np.arange(6.0).reshape(3, 2)), "b": (("time", "asset"), np.ones((3, 2)))},
        coords={"time": pd.date_range("2026-01-01", periods=3, freq="10min", unit="ns"), "asset": ["x", "y"]},
    )
    return data.assign(**changes)


def test_the_hash_is_of_the_content_alone():
    assert content_hash(some()) == content_hash(some()[["b", "a"]].assign_attrs(read="today"))
    assert content_hash(some()) == content_hash(some().chunk(time=1))
    assert content_hash(some()) != content_hash(some().isel(time=slice(0, 2)))
    assert content_hash(some()) != content_hash(some(a=some()["a"] + 1e-9))
    assert content_hash(some()) != content_hash(some().rename(a="c"))
    assert content_hash(some()) != content_hash(some().assign_coords(asset=["x", "z"]))


@pytest.fixture
def catalog(checkout: Path, sample: Path):
    return open_catalog(checkout / "catalogs", store=sample)


def test_the_store_is_read_between_the_ends_of_the_window(catalog, sample: Path):
    view = SiteView("coastal_flats", catalog.portfolio, sample)
    start, end = pd.Timestamp("2026-06-15T22:00"), pd.Timestamp("2026-06-16T00:00")
    data, about = read_ten_minutes(view, catalog, "wind_turbine", start, end, ["power_output", "no_such_variable"])
    assert data["time"].values[0] == start.to_datetime64()
    assert data.sizes == {"time": 12, "asset": 4}
    assert "rated_capacity" in data.coords
    assert (about.kind, about.name, about.slots) == ("store", "coastal_flats wind_turbine/10min", 12)
    assert about.sha256 == content_hash(data)
    assert series_cadence(view.series(), "wind_turbine") == "1s"
    assert series_cadence(view.series(), "met_mast") is None


def test_what_was_never_collected_is_none(catalog, sample: Path):
    view = SiteView("coastal_flats", catalog.portfolio, sample)
    early = pd.Timestamp("2020-01-01"), pd.Timestamp("2020-01-02")
    assert read_ten_minutes(view, catalog, "wind_turbine", *early) is None
    assert read_ten_minutes(view, catalog, "inverter", pd.Timestamp("2026-06-15"), pd.Timestamp("2026-06-16")) is None


def test_the_error_for_nothing_tells_what_there_is(catalog, sample: Path, test_data: Path):
    from workbench.catalog.site_inputs import nothing_to_read

    early = pd.Timestamp("2020-01-01"), pd.Timestamp("2020-01-02")
    collected = nothing_to_read(SiteView("coastal_flats", catalog.portfolio, sample), catalog, "wind_turbine", *early)
    assert "wind_turbine/10min from 2026-06-14T" in str(collected.found)
    filed = nothing_to_read(SiteView("la_haute_borne", catalog.portfolio, sample), catalog, "wind_turbine", *early)
    assert "la_haute_borne.scada" in str(filed.found)
    assert "nothing of it" in str(
        nothing_to_read(SiteView("coastal_flats", catalog.portfolio, sample), catalog, "battery", *early).found
    )


def test_a_wind_plant_is_found_with_its_meter_and_its_reanalyses(catalog, sample: Path, test_data: Path):
    from workbench.catalog.wind_plant import wind_plant

    view = SiteView("la_haute_borne", catalog.portfolio, sample)
    found = wind_plant(view, catalog, pd.Timestamp("2014-06-01"), pd.Timestamp("2014-06-03"))
    assert found.turbines.sizes == {"time": 288, "asset": 4}
    assert found.meter is not None
    assert set(found.meter.data_vars) == {"net_energy", "availability_loss", "curtailment_loss"}
    assert set(found.reanalysis) == {"era5", "merra2"}
    assert found.reanalysis["era5"]["time"].values[0] == np.datetime64("1999-01-01")
    assert [one.name for one in found.inputs] == [
        f"la_haute_borne.{name}" for name in ("scada", "plant", "era5", "merra2")
    ]
    assert found.inputs[2].end == "2020-05-08T22:00:00Z"
    assert not found.lacking


def test_what_a_wind_plant_lacks_is_said(catalog, sample: Path):
    from workbench.catalog.wind_plant import wind_plant

    found = wind_plant(SiteView("coastal_flats", catalog.portfolio, sample), catalog)
    assert found.meter is None
    assert not found.reanalysis
    assert set(found.lacking) == {"meter", "reanalysis"}
    assert "no entry of the driver reanalysis" in found.lacking["reanalysis"]
