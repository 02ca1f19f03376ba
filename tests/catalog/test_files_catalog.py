"""The example entries: one weather station in five kinds of file gives one Dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from workbench.catalog import open_catalog

KINDS = ["csv", "parquet", "ndjson", "netcdf", "zarr"]


@pytest.mark.parametrize("kind", KINDS)
def test_all_kinds_give_the_same(checkout: Path, kind: str) -> None:
    catalog = open_catalog(checkout / "catalogs" / "files.yaml")
    assert [name.partition(".")[2] for name in catalog] == KINDS
    entry = catalog[f"files.{kind}"]
    assert entry.problems() == []
    data, expected = entry.read().compute(), catalog["files.parquet"].read()
    assert list(data["asset"].values) == ["WS-1"]
    np.testing.assert_array_equal(data["time"].values, expected["time"].values)
    for name in ("wind_speed", "wind_direction", "temperature", "barometric_pressure"):
        np.testing.assert_allclose(data[name].values, expected[name].values, rtol=1e-4)
        assert data[name].attrs["units"] == expected[name].attrs["units"]
    assert entry.describe()["variables"] == {
        "wind_speed": "m/s",
        "wind_direction": "degree",
        "temperature": "degC",
        "barometric_pressure": "hPa",
    }
    assert entry.read(time="2024-06-21", variables="temperature").sizes["time"] == 24
