"""Reanalysis: wind from its components, density from pressure and temperature."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from workbench.catalog.selection import selection
from workbench.model.errors import InputError
from workbench.sources.readers import DatasetReader, reader


def make(folder: Path, **keys: Any) -> DatasetReader:
    cls = reader("reanalysis")
    keys = {
        "asset_type": "weather_station",
        "cadence": "1h",
        "asset": "ERA5",
        "time": "t",
        "height": 100,
        "path": "x.csv",
        "columns": {
            "u": "wind_u",
            "v": "wind_v",
            "k": {"variable": "temperature", "units": "K"},
            "p": {"variable": "barometric_pressure", "units": "Pa"},
        },
    } | keys
    return cls("test.era5", cls.Config.model_validate(keys), folder)


# wind from the north blows to the south: v < 0
ROSE = [((0, -1), 0), ((-1, 0), 90), ((0, 1), 180), ((1, 0), 270), ((-3, -3), 45)]


def test_wind_and_density(tmp_path: Path) -> None:
    rows = "".join(f"2024-01-01 {hour:02d}:00:00,{u},{v},288.15,101325\n" for hour, ((u, v), _) in enumerate(ROSE))
    (tmp_path / "x.csv").write_text("t,u,v,k,p\n" + rows)
    data = make(tmp_path).read(selection())
    np.testing.assert_allclose(data["wind_direction"].values[:, 0], [angle for _, angle in ROSE], atol=1e-4)
    np.testing.assert_allclose(data["wind_speed"].values[:, 0], [1, 1, 1, 1, np.sqrt(18)], rtol=1e-6)
    np.testing.assert_allclose(data["air_density"].values, 1.2250, atol=2e-4)  # ISO standard atmosphere
    np.testing.assert_allclose(data["temperature"].values, 15, atol=1e-4)
    np.testing.assert_allclose(data["barometric_pressure"].values, 1013.25, rtol=1e-6)
    assert data["wind_speed"].attrs["long_name"] == "wind speed at 100 m"
    assert data["air_density"].attrs["units"] == "kg/m3"


def test_only_what_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("t,u,v,k,p\n2024-01-01 00:00:00,3,4,not read,not read\n")
    data = make(tmp_path).read(selection(variables="wind_speed"))
    assert data["wind_speed"].item() == 5
    assert set(data.data_vars) == {"wind_speed", "sample_count"}
    with pytest.raises(InputError, match="no variable 'air_densty'"):
        make(tmp_path).read(selection(variables="air_densty"))


def test_a_speed_of_the_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("t,u,v,s\n2024-01-01 00:00:00,3,4,6\n")
    data = make(tmp_path, columns={"u": "wind_u", "v": "wind_v", "s": "wind_speed"}).read(selection())
    assert data["wind_speed"].item() == 6
    assert "air_density" not in data


def test_parquet(tmp_path: Path) -> None:
    time = pl.Series("t", ["2024-01-01T00:00"]).str.to_datetime()
    pl.DataFrame({"t": time, "u": [3.0], "v": [4.0]}).write_parquet(tmp_path / "x.parquet")
    data = make(tmp_path, path="x.parquet", columns={"u": "wind_u", "v": "wind_v"}).read(selection())
    assert data["wind_speed"].item() == 5
