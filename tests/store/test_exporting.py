from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import xarray as xr

from workbench.model.errors import InputError
from workbench.store.commit import commit_chunks


@pytest.fixture
def filled(site, batch, key):
    for second in (0, 1, 3, 3600, 7200):
        values = [[second, np.nan, 1e9], [second + 1, 5, 1e9 + 1]]
        site.journal.append(
            [batch([second] * 2, values, assets=("A", "B"), asset=[0, 1], quality=[[0, 4, 0], [0, 0, 0]])]
        )
        if second == 3600:
            with site.view() as view:
                commit_chunks(site, {key: [chunk.chunk for chunk in view.series(key).tail]})
    return site


def test_parquet(filled, key, tmp_path, monkeypatch):
    monkeypatch.setattr("workbench.store.exporting._VALUES", 1000)  # several pieces
    told = []
    out = filled.export(key, tmp_path / "x.parquet", progress=lambda done, total: told.append((done, total)))
    table = pl.read_parquet(out)
    data = filled.open(key).load()
    assert table.height == data.sizes["time"] * 2
    assert table.schema["time"] == pl.Datetime("ns", "UTC")
    assert table["asset"][:4].to_list() == ["A", "B", "A", "B"]
    got = table["power_output"].to_numpy().reshape(-1, 2)
    np.testing.assert_array_equal(got, data["power_output"].values)
    assert table["wind_speed"].null_count() + 5 == table.height  # missing is null, not NaN
    assert table["wind_speed_quality"][0] == 4
    assert told[-1] == (7201, 7201)
    assert len(told) == 3


def test_netcdf(filled, key, tmp_path):
    out = filled.export(key, tmp_path / "x.nc")
    data = filled.open(key).load()
    with xr.open_dataset(out, engine="h5netcdf") as found:
        found.load()
    assert found.attrs["Conventions"].startswith("CF")
    for name in data.data_vars:
        np.testing.assert_array_equal(found[name].values, data[name].values)
    np.testing.assert_array_equal(found["time"].values, data["time"].values)
    assert list(found["asset"].values) == ["A", "B"]
    assert found["power_output"].attrs["units"] == "kW"
    assert found["power_output"].dtype == np.float32


def test_a_part(filled, key, tmp_path, t0):
    out = filled.export(
        key,
        tmp_path / "x.parquet",
        time=slice(t0, t0 + 2 * 10**9),
        assets=["B"],
        variables=["wind_speed"],
        quality=False,
    )
    table = pl.read_parquet(out)
    assert table.columns == ["time", "asset", "wind_speed", "sample_count"]
    assert table["wind_speed"].to_list() == [5, 5]


def test_nothing_half_written_stays(filled, key, tmp_path, monkeypatch):
    def fail(done, total):
        raise KeyboardInterrupt

    for name in ("x.parquet", "x.nc"):
        (tmp_path / name).write_text("before")
        with pytest.raises(KeyboardInterrupt):
            filled.export(key, tmp_path / name, progress=fail)
        assert (tmp_path / name).read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["x.nc", "x.parquet"]


def test_what_cannot_be_written_is_told(filled, key, tmp_path):
    with pytest.raises(InputError, match="type of file"):
        filled.export(key, tmp_path / "x.csv")
    with pytest.raises(InputError, match="folder is not there"):
        filled.export(key, tmp_path / "no" / "x.nc")
    with pytest.raises(InputError, match="nothing to export"):
        filled.export(key, tmp_path / "x.nc", time=slice("1999", "2000"))
