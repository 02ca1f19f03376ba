"""Reading entries of files: values, selection, coordinates, description."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import workbench
from workbench.catalog import open_catalog, open_portfolio
from workbench.model.errors import InputError

Write = Callable[..., Path]


def test_dataset(folder: Path) -> None:
    data = open_catalog(folder)["hill.scada"].read()
    assert dict(data.sizes) == {"time": 4, "asset": 2}
    np.testing.assert_array_equal(
        data["power_output"].values,
        np.array([[100.5, 200.5], [110.5, np.nan], [np.nan, np.nan], [130.5, 230.5]], "f4"),
    )
    assert data["power_output"].dtype == "f4"
    assert data["power_output"].attrs["units"] == "kW"
    assert data["time"].dtype == "datetime64[ns]"
    assert list(data["asset"].values) == ["T1", "T2"]
    assert data["sample_count"].values.tolist() == [[1, 1], [1, 0], [0, 0], [1, 1]]
    assert data.attrs["entry"] == "hill.scada"
    assert data.attrs["site"] == "hill"


def test_facts_of_assets_are_coordinates(folder: Path) -> None:
    data = open_catalog(folder)["hill.scada"].read(assets="T1")
    assert data["rated_capacity"].values.tolist() == [2000.0]
    assert data["latitude"].values.tolist() == [48.01]
    assert data["asset_type"].values.tolist() == ["wind_turbine"]
    assert data["farm_id"].values.tolist() == ["hill"]


@pytest.mark.parametrize(
    "time",
    [
        slice("2024-01-01T00:10", "2024-01-01T00:30"),
        slice(pd.Timestamp("2024-01-01T01:10", tz="Europe/Paris"), pd.Timestamp("2024-01-01T00:30")),
        slice(datetime(2024, 1, 1, 0, 10, tzinfo=UTC), np.datetime64("2024-01-01T00:30")),
    ],
)
def test_time_is_half_open_and_utc(folder: Path, time: slice) -> None:
    data = open_catalog(folder)["hill.scada"].read(time=time)
    assert data["time"].values.astype("datetime64[m]").astype(str).tolist() == ["2024-01-01T00:10"]


def test_periods_as_text(folder: Path) -> None:
    entry = open_catalog(folder)["hill.scada"]
    assert entry.read(time="2024-01-01").sizes["time"] == 4
    assert entry.read(time="2024-01-01T00:00/2024-01-01T00:15").sizes["time"] == 2
    assert entry.read(time="2023").sizes["time"] == 0


def test_selection_of_assets_and_variables(folder: Path) -> None:
    data = open_catalog(folder)["hill.scada"].read(assets=["T2"], variables=["wind_speed"])
    assert list(data["asset"].values) == ["T2"]
    assert set(data.data_vars) == {"wind_speed", "sample_count"}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"variables": ["wind_sped"]}, "no variable 'wind_sped' in hill.scada"),
        ({"assets": ["T3"]}, "no asset 'T3' in hill.scada"),
        ({"time": slice("yesterday-ish", None)}, "time: not a time"),
        ({"time": slice("2024-01-02", "2024-01-01")}, "time: the span of time is empty"),
        ({"time": slice("2024-01-01", "2024-01-02", "1h")}, "time: a step in time is not possible here"),
    ],
)
def test_wrong_selection(folder: Path, asked: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        open_catalog(folder)["hill.scada"].read(**asked)
    assert message in str(caught.value)


def test_describe(folder: Path) -> None:
    assert open_catalog(folder)["hill.scada"].describe() == {
        "name": "hill.scada",
        "description": "Ten-minute means",
        "driver": "csv",
        "kind": "file",
        "site": "hill",
        "asset_type": "wind_turbine",
        "cadence": "10min",
        "licence": None,
        "where": [str(folder / "data" / "scada.csv")],
        "assets": ["T1", "T2"],
        "variables": {"power_output": "kW", "wind_speed": "m/s"},
        "span": None,
    }


def test_mapping(folder: Path) -> None:
    catalog = open_catalog(folder)
    assert list(catalog) == ["hill.scada"]
    assert "hill.scada" in catalog
    assert "hill.other" not in catalog
    assert len(catalog) == 1
    assert repr(catalog["hill.scada"]) == "<Entry hill.scada (csv): Ten-minute means>"


def test_one_file_as_a_catalog(folder: Path) -> None:
    assert list(open_catalog(folder / "hill.yaml")) == ["hill.scada"]


def test_the_catalog_of_the_project(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_PROJECT", str(folder.parent))
    assert list(workbench.open_catalog()) == ["hill.scada"]
    assert list(workbench.open_portfolio().sites) == ["hill"]
    assert list(open_portfolio(folder / "portfolio").sites) == ["hill"]


def test_a_file_has_no_live_values(folder: Path) -> None:
    with pytest.raises(InputError, match="read from files; it has no live values"):
        open_catalog(folder)["hill.scada"].live()
    with pytest.raises(InputError, match="is not a live source"):
        open_catalog(folder)["hill.scada"].source()


def test_opening_does_not_load_drivers(folder: Path) -> None:
    """Listing a catalog must not cost the import of every protocol library."""
    import subprocess
    import sys

    code = (
        "import sys; from workbench.catalog import open_catalog; c = open_catalog(sys.argv[1]); list(c.entries);"
        "print(*sorted({'pymodbus', 'asyncua', 'paho', 'intake', 'polars', 'dask', 'xarray'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""


def test_the_catalogs_of_the_checkout_are_well(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORKBENCH_TEST_DATA", raising=False)
    errors = [error for error in open_catalog(checkout / "catalogs").check() if error.message != "no such file"]
    assert errors == []
