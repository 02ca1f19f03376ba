"""NetCDF and Zarr: lazy, mapped, selected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from workbench.catalog.selection import selection
from workbench.model.errors import InputError
from workbench.model.quality import Quality
from workbench.sources.readers import DatasetReader, reader


def make(driver: str, folder: Path, **keys: Any) -> DatasetReader:
    cls = reader(driver)
    return cls("test.entry", cls.Config.model_validate({"asset_type": "wind_turbine"} | keys), folder)


def example(hours: int = 3, start: str = "2024-01-01") -> xr.Dataset:
    time = np.datetime64(start, "ns") + np.arange(hours) * np.timedelta64(1, "h")
    values = np.arange(hours * 2, dtype="f4").reshape(2, hours)
    return xr.Dataset(
        {
            "pw": (("turbine", "date"), values, {"units": "MW"}),
            "pw_quality": (("turbine", "date"), np.full((2, hours), int(Quality.BAD), "u2")),
            "ws": (("turbine", "date"), values + 0.5, {"units": "m/s"}),
        },
        coords={"date": time, "turbine": np.array(["A", "B"], object)},
    )


def save(data: xr.Dataset, path: Path) -> None:
    if path.suffix == ".zarr":
        data.to_zarr(path, consolidated=False)
    else:
        data.to_netcdf(path, engine="h5netcdf")


FORMS = [("netcdf", "x.nc"), ("zarr", "x.zarr")]
MAPPING = {
    "time": "date",
    "asset": "turbine",
    "names": {"A": "T1", "B": "T2"},
    "columns": {"pw": "power_output", "ws": "wind_speed"},
}


@pytest.mark.parametrize(("driver", "name"), FORMS)
def test_mapping_and_selection(tmp_path: Path, driver: str, name: str) -> None:
    save(example(), tmp_path / name)
    found = make(driver, tmp_path, path=name, **MAPPING)
    data = found.read(selection())
    assert data["power_output"].dims == ("time", "asset")
    assert data["power_output"].chunks is not None  # lazy
    assert data["power_output"].values.tolist() == [[0, 3000], [1000, 4000], [2000, 5000]]
    assert data["power_output"].attrs["units"] == "kW"
    assert (data["power_output_quality"] == int(Quality.BAD)).all()
    assert list(data["asset"].values) == ["T1", "T2"]
    part = found.read(selection(slice("2024-01-01T01:00", "2024-01-01T02:00"), assets="T2", variables="wind_speed"))
    assert part["wind_speed"].values.tolist() == [[4.5]]
    assert "power_output" not in part
    assert found.contents().variables == {"power_output": "kW", "wind_speed": "m/s"}
    assert found.contents().assets == ("T1", "T2")
    with pytest.raises(InputError, match="no asset 'T3'"):
        found.read(selection(assets="T3"))


@pytest.mark.parametrize(("driver", "name"), FORMS)
def test_several_files(tmp_path: Path, driver: str, name: str) -> None:
    save(example(2, "2024-01-02"), tmp_path / f"a-{name}")
    save(example(3, "2024-01-01"), tmp_path / f"b-{name}")
    data = make(driver, tmp_path, path="*" + name, **MAPPING).read(selection())
    assert data.sizes == {"time": 5, "asset": 2}
    assert data.indexes["time"].is_monotonic_increasing


def test_a_file_of_one_asset_as_it_is(tmp_path: Path) -> None:
    one = example().rename(date="time", ws="wind_speed").isel(turbine=0, drop=True)[["wind_speed"]]
    save(one, tmp_path / "x.nc")
    data = make("netcdf", tmp_path, path="x.nc", asset_id="T1").read(selection())
    assert data["wind_speed"].values.tolist() == [[0.5], [1.5], [2.5]]
    assert list(data["asset"].values) == ["T1"]
    with pytest.raises(InputError, match="no column 'asset'"):
        make("netcdf", tmp_path, path="x.nc").read(selection())


def test_errors(tmp_path: Path) -> None:
    (tmp_path / "x.nc").write_text("no")
    with pytest.raises(InputError, match="cannot open the netcdf file"):
        make("netcdf", tmp_path, path="x.nc").read(selection())
    with pytest.raises(InputError, match="no such file"):
        make("zarr", tmp_path, path="y.zarr").read(selection())
    save(example(), tmp_path / "z.nc")
    with pytest.raises(InputError, match="no column 'power'\n  expected: one of"):
        make("netcdf", tmp_path, path="z.nc", **(MAPPING | {"columns": {"power": "power_output"}})).read(selection())
    with pytest.raises(InputError, match="'pov' is not in the vocabulary"):
        make("netcdf", tmp_path, path="z.nc", **(MAPPING | {"columns": {"pw": "pov"}})).read(selection())
