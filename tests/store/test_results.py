"""Results of pipelines beside a site's telemetry, a file per day."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.catalog.export import write
from workbench.model.errors import InputError
from workbench.store.results import open_result, result_folder, result_names


def put(folder, day: str, **more) -> None:
    times = pd.date_range(day, periods=3, freq="h", unit="ns")
    values = np.full((3, 2), float(pd.Timestamp(day).day))
    made = xr.Dataset({"x": (("time", "asset"), values)}, coords={"time": times, "asset": ["A", "B"]})
    folder.mkdir(parents=True, exist_ok=True)
    write(made.assign(more), folder / f"{day}.nc", overwrite=True)


def test_days_are_one_result(tmp_path):
    folder = result_folder(tmp_path, "ridge", "features")
    assert folder == tmp_path / "ridge" / "results" / "features"
    assert result_names(tmp_path, "ridge") == []
    for day in ("2026-03-02", "2026-03-01", "2026-03-04"):
        put(folder, day)
    (folder / "progress.json").write_text("{}")
    (folder / ".2026-03-05.nc.part.nc").write_text("not yet whole")
    (folder.parent / "empty").mkdir()
    assert result_names(tmp_path, "ridge") == ["features"]
    found = open_result(folder)
    assert found["x"].chunks
    assert found["x"].values[:, 0].tolist() == [1, 1, 1, 2, 2, 2, 4, 4, 4]
    assert (np.diff(found["time"].values) > np.timedelta64(0)).all()
    found.close()
    part = open_result(folder, start="2026-03-02", end="2026-03-03")
    assert np.unique(part["x"].values).tolist() == [2]
    part.close()


def test_what_is_not_there_is_told(tmp_path):
    folder = result_folder(tmp_path, "ridge", "features")
    with pytest.raises(InputError, match="nothing was made yet"):
        open_result(folder)
    put(folder, "2026-03-01")
    with pytest.raises(InputError, match="did you mean 'features'"):
        open_result(result_folder(tmp_path, "ridge", "feature"))
    with pytest.raises(InputError, match="nothing was made yet"):
        open_result(folder, start="2026-04-01")
    for name in ("", "../x", ".hidden", "a/b", "a b"):
        with pytest.raises(InputError, match="not a name for a result"):
            result_folder(tmp_path, "ridge", name)


def test_an_asset_that_comes_later_is_missing_before(tmp_path):
    folder = result_folder(tmp_path, "ridge", "features")
    put(folder, "2026-03-01")
    put(folder, "2026-03-02")
    with xr.open_dataset(folder / "2026-03-01.nc", engine="h5netcdf") as whole:
        first = whole.load()
    write(first.sel(asset=["A"]), folder / "2026-03-01.nc", overwrite=True)
    with open_result(folder) as found:
        assert found["asset"].values.tolist() == ["A", "B"]
        assert np.isnan(found["x"].sel(asset="B").values[:3]).all()
