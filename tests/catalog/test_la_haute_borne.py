"""A real wind farm through the catalog of the checkout: four turbines, two years, known facts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from workbench.catalog import Catalog, open_catalog
from workbench.model.errors import InputError
from workbench.model.quality import count_flags
from workbench.transforms.quality import flag_quality, gap_table

TURBINES = ["R80711", "R80721", "R80736", "R80790"]


@pytest.fixture(scope="module")
def catalog(checkout: Path, test_data: Path) -> Catalog:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_TEST_DATA", str(test_data))
        opened = open_catalog(checkout / "catalogs")
        for name in ("scada", "plant", "era5", "merra2"):
            opened[f"la_haute_borne.{name}"].require()
    return opened


@pytest.fixture(scope="module")
def scada(catalog: Catalog) -> xr.Dataset:
    return catalog["la_haute_borne.scada"].read()


def test_grid(scada: xr.Dataset) -> None:
    assert dict(scada.sizes) == {"time": 105_120, "asset": 4}
    assert list(scada["asset"].values) == TURBINES
    time = scada["time"].values
    assert time[0] == np.datetime64("2014-01-01T00:00")
    assert time[-1] == np.datetime64("2015-12-31T23:50")
    assert (np.diff(time) == np.timedelta64(10, "m")).all()
    assert scada.attrs["rows"] == 420_480


def test_facts(scada: xr.Dataset) -> None:
    assert (scada["rated_capacity"] == 2050).all()
    assert (scada["hub_height"] == 80).all()
    assert (scada["rotor_diameter"] == 82).all()
    assert (scada["farm_id"] == "la_haute_borne").all()


def test_variables_and_units(scada: xr.Dataset) -> None:
    assert {str(n): a.attrs["units"] for n, a in scada.data_vars.items() if a.dtype.kind == "f"} == {
        "power_output": "kW",
        "wind_speed": "m/s",
        "wind_direction": "degree",
        "nacelle_position": "degree",
        "yaw_error": "degree",
        "blade_pitch_angle": "degree",
        "temperature": "degC",
    }


def test_values_against_the_file(scada: xr.Dataset) -> None:
    """The first and a summer row of the file: local time with offset, to UTC."""
    first = scada.sel(asset="R80736", time="2014-01-01T00:00")
    assert float(first["power_output"]) == pytest.approx(642.78003)
    assert float(first["blade_pitch_angle"]) == pytest.approx(-1.0)
    assert float(first["wind_direction"]) == pytest.approx(182.00999)


def test_energy_is_plausible(scada: xr.Dataset, catalog: Catalog) -> None:
    energy = float(scada["power_output"].sum()) / 6e6  # GWh in two years
    assert 20 < energy < 30
    factor = energy * 1e6 / (2 * 8760 * 4 * 2050)
    assert 0.15 < factor < 0.25
    # the plant's own meter (made from the turbines, with losses between) agrees
    meter = float(catalog["la_haute_borne.plant"].read()["net_energy"].sum()) / 1e6
    assert meter == pytest.approx(energy, rel=0.03)


def test_duplicates_stand_where_the_clocks_changed(scada: xr.Dataset) -> None:
    assert scada.attrs["duplicate_rows"] == 48
    twice = (scada["sample_count"] == 2).any("asset")
    hours = np.unique(scada["time"].values[twice.values].astype("datetime64[h]")).astype(str)
    assert hours.tolist() == ["2014-03-30T01", "2015-03-29T01"]
    missing = (scada["sample_count"] == 0).all("asset")
    hours = np.unique(scada["time"].values[missing.values].astype("datetime64[h]")).astype(str)
    assert hours.tolist() == ["2014-10-26T00", "2015-10-25T00"]
    assert count_flags(scada)["power_output"] == {"duplicate": 48}


def test_flagged(scada: xr.Dataset) -> None:
    flagged = flag_quality(scada)
    counts = count_flags(flagged)
    assert counts["temperature"]["range"] == int((scada["temperature"] < -60).sum()) > 0
    assert counts["blade_pitch_angle"]["range"] > 0
    assert counts["wind_speed"]["stuck"] > 0
    assert "range" not in counts["power_output"]
    for name in ("power_output", "temperature"):  # nothing measured was changed
        xr.testing.assert_identical(flagged[name], scada[name])
    gaps = gap_table(flagged)
    assert gaps["slots"].sum() == int(scada["power_output"].isnull().sum()) == 2617
    assert set(gaps["kind"]) == {"no_sample", "empty_sample"}


def test_a_month_of_one_turbine(catalog: Catalog, scada: xr.Dataset) -> None:
    part = catalog["la_haute_borne.scada"].read(time="2015-06", assets="R80721", variables=["wind_speed"])
    assert dict(part.sizes) == {"time": 30 * 144, "asset": 1}
    expected = scada["wind_speed"].sel(asset=["R80721"], time=slice("2015-06-01", "2015-06-30T23:50"))
    np.testing.assert_array_equal(part["wind_speed"].values, expected.values)


@pytest.mark.parametrize(("name", "hours", "height"), [("era5", 187_174, 100), ("merra2", 195_720, 50)])
def test_reanalysis(catalog: Catalog, name: str, hours: int, height: int) -> None:
    data = catalog[f"la_haute_borne.{name}"].read()
    assert data.sizes["time"] == hours
    assert 4 < float(data["wind_speed"].mean()) < 9
    assert 1.1 < float(data["air_density"].mean()) < 1.3
    assert 5 < float(data["temperature"].mean()) < 15
    assert data["wind_speed"].attrs["long_name"] == f"wind speed at {height} m"


def test_reanalysis_follows_the_turbines(catalog: Catalog, scada: xr.Dataset) -> None:
    era5 = catalog["la_haute_borne.era5"].read(time=slice("2014-01-01", "2016-01-01"), variables="wind_speed")
    ten_minutes = scada["wind_speed"].mean("asset")
    means = ten_minutes.values.reshape(-1, 6).mean(axis=1)
    hourly = xr.DataArray(means, dims="time", coords={"time": scada["time"].values[::6]})
    pair = xr.align(hourly, era5["wind_speed"].isel(asset=0, drop=True))
    assert float(xr.corr(*pair)) > 0.8


def test_without_the_file_the_address_is_named(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_TEST_DATA", str(tmp_path))
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    for name in ("https_proxy", "HTTPS_PROXY"):  # so that nothing is downloaded, wherever this runs
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    entry = open_catalog(checkout / "catalogs")["la_haute_borne.scada"]
    assert entry.problems() == []
    with pytest.raises(InputError) as caught:
        entry.read()
    text = str(caught.value)
    assert "cannot download https://raw.githubusercontent.com/" in text
    assert f"download it by hand and put it at {tmp_path}/wind/la_haute_borne.zip" in text


def test_without_the_variable_nothing_on_this_machine_is_looked_for(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WORKBENCH_TEST_DATA", raising=False)
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    entry = open_catalog(checkout / "catalogs")["la_haute_borne.plant"]
    [where] = entry.describe()["where"]
    assert where.startswith("https://raw.githubusercontent.com/")
    with pytest.raises(InputError) as caught:
        entry.read()
    text = str(caught.value)
    assert "la_haute_borne.yaml:" in text
    assert f"put it at {tmp_path}/cache/la_haute_borne.zip" in text
    assert "or set WORKBENCH_TEST_DATA to the folder that has wind/la_haute_borne.zip" in text
