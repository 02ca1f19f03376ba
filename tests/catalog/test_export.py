"""Datasets into files: whole or not at all."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
import xarray as xr

from workbench.catalog import export, open_catalog
from workbench.model.errors import InputError
from workbench.transforms.quality import flag_quality


@pytest.fixture
def data(folder: Path) -> xr.Dataset:
    return flag_quality(open_catalog(folder)["hill.scada"].read())


@pytest.mark.parametrize("name", ["x.nc", "x.zarr"])
def test_arrays_keep_everything(data: xr.Dataset, tmp_path: Path, name: str) -> None:
    path = export.write(data, tmp_path / name)
    engine = "zarr" if name.endswith("zarr") else "h5netcdf"
    with xr.open_dataset(path, engine=engine, **({"consolidated": False} if engine == "zarr" else {})) as again:
        xr.testing.assert_equal(
            again.load(), data.drop_vars([n for n in data.coords if data[n].dtype == object and n not in again.coords])
        )
        assert again["power_output"].attrs["units"] == "kW"
        assert again["power_output_quality"].dtype == "uint16"
        assert again.attrs["entry"] == "hill.scada"


def test_a_large_file_is_the_same_whatever_the_order_of_its_chunks(
    data: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads finish in any order: the bytes do not tell in which, and the content is that of a file made whole."""
    rng = np.random.default_rng(1)
    size = {"time": 40_000, "asset": 3}
    values = xr.DataArray(rng.normal(size=(40_000, 3)).round(2), dims=("time", "asset"), attrs={"units": "kW"})
    large = xr.Dataset(
        {"power_output": values, "flag": values > 1, "rank": ("asset", np.arange(3.0))},
        coords={
            "time": np.datetime64("2024-01-01", "ns") + np.arange(size["time"]) * np.timedelta64(600, "s"),
            "asset": ["T1", "T2", "T3"],
            "place": ("asset", ["Höhe", "", "Tal"]),
        },
        attrs={"entry": "a.b", "n": 3},
    )
    whole = export.write(large, tmp_path / "whole.nc")
    monkeypatch.setattr(export, "_WHOLE", 1)

    def late(block: np.ndarray) -> np.ndarray:
        time.sleep(rng.uniform(0, 0.01))
        return block

    made = []
    for n in range(4):
        lazy = large.chunk({"time": 3001, "asset": 2})
        lazy["power_output"] = lazy["power_output"].copy(data=lazy["power_output"].data.map_blocks(late))
        made.append(export.write(lazy, tmp_path / f"{n}.nc").read_bytes())
    assert len(set(made)) == 1
    assert not list(tmp_path.glob(".*"))
    with (
        xr.open_dataset(tmp_path / "0.nc", engine="h5netcdf") as one,
        xr.open_dataset(whole, engine="h5netcdf") as other,
    ):
        xr.testing.assert_identical(one.load(), other.load())


def test_tables_have_a_row_per_sample(data: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "_ROWS_AT_ONCE", 4)  # so that it takes several pieces
    table = pl.read_parquet(export.write(data, tmp_path / "x.parquet"))
    assert len(table) == 5  # the slots in which nothing came have no row
    assert table["time"].dtype == pl.Datetime("ns", "UTC")
    assert table.filter(pl.col("asset") == "T2")["power_output"].to_list() == [200.5, 230.5]
    assert pq.read_schema(tmp_path / "x.parquet").metadata[b"units:power_output"] == b"kW"
    text = pl.read_csv(export.write(data, tmp_path / "x.csv"), try_parse_dates=True)
    assert text["power_output"].to_list() == table["power_output"].to_list()
    assert text.columns == table.columns


def test_an_empty_selection(folder: Path, tmp_path: Path) -> None:
    nothing = open_catalog(folder)["hill.scada"].read(time="2030")
    for name in ("x.nc", "x.csv", "x.parquet"):
        assert export.write(nothing, tmp_path / name).exists()
    assert pl.read_parquet(tmp_path / "x.parquet").is_empty()


def test_refusals(data: xr.Dataset, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--out: cannot write files ending in '\.xls'"):
        export.write(data, tmp_path / "x.xls")
    with pytest.raises(InputError, match="--out: no such folder"):
        export.write(data, tmp_path / "no" / "x.nc")
    (tmp_path / "x.nc").write_text("mine")
    with pytest.raises(InputError, match="the file is there already"):
        export.write(data, tmp_path / "x.nc")
    assert (tmp_path / "x.nc").read_text() == "mine"
    export.write(data, tmp_path / "x.nc", overwrite=True)
    assert (tmp_path / "x.nc").stat().st_size > 1000


@pytest.mark.parametrize("name", ["x.nc", "x.csv", "x.parquet", "x.zarr"])
def test_nothing_half_written_stays(
    data: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A failure in the middle: the goal keeps what it had, and no part is left."""
    goal = tmp_path / name
    export.write(data, goal)
    before = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*"))
    monkeypatch.setattr(export, "_ROWS_AT_ONCE", 2)
    calls = 0

    def fails(block: np.ndarray) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise OSError(28, "No space left on device")
        return block

    bad = data.chunk(time=1)
    bad["power_output"] = bad["power_output"].copy(
        data=bad["power_output"].data.map_blocks(fails, dtype="f4", meta=np.array((), "f4"))
    )
    with pytest.raises(InputError, match=r"cannot write the file\n  found: .*No space left on device"):
        export.write(bad, goal, overwrite=True)
    assert sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*")) == before
