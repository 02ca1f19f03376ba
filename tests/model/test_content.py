"""The hash of data is that of its content, however it is held."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.model import content
from workbench.model.content import content_hash, file_hash


def data(rows: int = 50) -> xr.Dataset:
    values = np.arange(2.0 * rows).reshape(rows, 2)
    return xr.Dataset(
        {
            "a": (("time", "asset"), values),
            "state": (("time", "asset"), np.where(values % 3 == 0, "on", "")),
            "fact": ("asset", [1, 2]),
        },
        coords={"time": pd.date_range("2026-01-01", periods=rows, freq="min"), "asset": ["A", "B"]},
    )


@pytest.mark.parametrize("rows", [1, 50])
def test_the_same_content_has_the_same_hash(rows, monkeypatch):
    one = data(rows)
    sha = content_hash(one)
    assert sha == content_hash(one[["state", "fact", "a"]])
    assert sha == content_hash(one.assign(state=one["state"].astype(object)))
    assert sha == content_hash(one.assign_attrs(snapshot="x"))
    monkeypatch.setattr(content, "_AT_ONCE", 100)  # lazy data in many blocks
    for chunks in ({"time": 7}, {"time": -1, "asset": 1}):
        assert sha == content_hash(one.chunk(chunks))


def test_any_change_changes_it():
    one = data()
    changed = one.copy(deep=True)
    changed["a"][3, 1] += 1e-9
    shas = [
        content_hash(each)
        for each in (
            one,
            changed,
            one.isel(time=slice(1, None)),
            one.assign_coords(asset=["A", "C"]),
            one.assign_coords(time=one["time"] + np.timedelta64(1, "ns")),
            one.rename(a="b"),
            one.assign(a=one["a"].astype("float32")),
            one.transpose("asset", "time"),
            one.assign(a=one["a"].where(one["a"] > 0)),
        )
    ]
    assert len(set(shas)) == len(shas)


def test_files_and_folders(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a").write_text("1")
    first = file_hash(tmp_path / "x")
    assert first == file_hash(tmp_path / "x")
    assert file_hash(tmp_path / "x" / "a") == "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"
    (tmp_path / "x" / "a").rename(tmp_path / "x" / "b")
    second = file_hash(tmp_path / "x")
    (tmp_path / "x" / "b").write_text("2")
    assert len({first, second, file_hash(tmp_path / "x")}) == 3
