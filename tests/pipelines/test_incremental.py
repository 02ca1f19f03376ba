"""A pipeline run in pieces gives what it gives at once, late data included."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.catalog import open_catalog
from workbench.model.errors import InputError
from workbench.pipelines import load_pipeline
from workbench.pipelines.execute import records_of
from workbench.pipelines.incremental import PROGRESS, advance
from workbench.store import SiteStore
from workbench.store.results import open_result

SERIES = "ridge/wind_turbine/10min"
SPEC = {
    "pipeline_id": "PIECES",
    "steps": [
        {
            "type": "data_quality_flagging",
            "rules": [{"field": "wind_speed", "rule": "range_check", "parameters": {"min": 0, "max": 40}}],
        },
        {
            "type": "rolling_statistics",
            "windows": ["PT3H", "P1D"],
            "features": [{"field": "wind_speed", "statistics": ["mean", "max", "stddev", "count"]}],
        },
        {
            "type": "statistical_aggregation",
            "time_window": "P1D",
            "aggregations": [{"field": "power_output", "function": "mean", "output": "daily"}],
        },
        {
            "type": "conditional_classification",
            "field_name": "state",
            "conditions": [
                {"condition": "wind_speed > 12 FOR PT1H", "value": "strong"},
                {"condition": "daily < 500", "value": "weak"},
                {"condition": "DEFAULT", "value": "normal"},
            ],
        },
    ],
}
PORTFOLIO = """\
id: ridge
name: Ridge
kind: wind
timezone: UTC
latitude: 50.0
longitude: 8.0
elevation: 200
grid_frequency_nominal: 50
capacity: 4000
assets:
  - {id: A, type: wind_turbine, rated_capacity: 2000}
  - {id: B, type: wind_turbine, rated_capacity: 2000}
"""
SLOTS = 4 * 144


def weather() -> xr.Dataset:
    rng = np.random.default_rng(7)
    wind = 9 + np.cumsum(rng.normal(0, 0.6, (SLOTS, 2)), axis=0) * 0.5
    data = xr.Dataset(
        {
            "wind_speed": (("time", "asset"), wind),
            "power_output": (("time", "asset"), np.clip(wind, 0, 14) * 100 + rng.normal(0, 9, (SLOTS, 2))),
        },
        coords={"time": pd.date_range("2026-03-01", periods=SLOTS, freq="10min", unit="ns"), "asset": ["A", "B"]},
    )
    return data.where(xr.DataArray(rng.random((SLOTS, 2)) > 0.02, dims=("time", "asset")))


@pytest.fixture
def project(tmp_path: Path):
    """Catalog of one site, and its pipeline."""
    (tmp_path / "catalogs" / "portfolio").mkdir(parents=True)
    (tmp_path / "catalogs" / "portfolio" / "ridge.yaml").write_text(PORTFOLIO)
    spec = tmp_path / "pieces.json"
    spec.write_text(json.dumps(SPEC))
    return open_catalog(tmp_path / "catalogs", store=tmp_path / "store"), load_pipeline(spec), tmp_path


def put(catalog, data: xr.Dataset) -> None:
    store = SiteStore(catalog.store, "ridge")
    store.import_dataset("wind_turbine/10min", data)
    store.close()


def same(one: xr.Dataset, other: xr.Dataset) -> None:
    assert set(one.data_vars) == set(other.data_vars)
    for name in one.data_vars:
        if one[name].dtype.kind == "f":
            np.testing.assert_allclose(one[name].values, other[name].values, rtol=1e-9, atol=1e-9, err_msg=str(name))
        else:
            np.testing.assert_array_equal(one[name].values, other[name].values, err_msg=str(name))


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(cuts=st.lists(st.integers(1, SLOTS - 1), min_size=1, max_size=3, unique=True), late=st.randoms())
def test_in_pieces_as_at_once(cuts, late, project):
    catalog, pipeline, folder = project
    for each in ("store", "pieces", "once"):
        shutil.rmtree(folder / each, ignore_errors=True)
    whole = weather()
    edges = [0, *sorted(cuts), SLOTS]
    pieces = [whole.isel(time=slice(low, high)) for low, high in itertools.pairwise(edges)]
    late.shuffle(pieces)  # what is older may come later
    for piece in pieces:
        put(catalog, piece)
        advance(pipeline, SERIES, folder / "pieces", catalog=catalog)
    advance(pipeline, SERIES, folder / "once", catalog=catalog)
    with open_result(folder / "pieces").load() as one, open_result(folder / "once").load() as other:
        assert one.sizes["time"] == SLOTS
        same(one, other)


def test_only_what_changed_is_made_again(project):
    catalog, pipeline, folder = project
    whole = weather()
    put(catalog, whole)
    first = advance(pipeline, SERIES, folder / "out", catalog=catalog)
    assert first.counts == {"days": 4, "changed": 4, "made": 4}
    again = advance(pipeline, SERIES, folder / "out", catalog=catalog)
    assert again.counts == {"days": 4, "changed": 0, "made": 0}
    assert again.run == ""  # nothing was done, nothing is recorded
    before = {path.name: path.read_bytes() for path in (folder / "out").glob("*.nc")}
    put(catalog, whole.isel(time=slice(300, 301)) + 1)  # a late correction on the third day
    told: list[str] = []
    third = advance(pipeline, SERIES, folder / "out", catalog=catalog, tell=told.append)
    # Its own day, the one before, whose windows of a day end in it, and the one after, which looks back.
    assert third.counts["changed"] == 1
    assert third.counts["made"] == 3
    after = {path.name: path.read_bytes() for path in (folder / "out").glob("*.nc")}
    assert before["2026-03-03.nc"] != after["2026-03-03.nc"]
    assert before["2026-03-01.nc"] == after["2026-03-01.nc"]
    runs = records_of(catalog).runs("pipeline", "PIECES")
    assert runs.height == 2
    event = json.loads(runs["detail"][0])["lineage"]
    assert event["eventType"] == "COMPLETE"
    steps = event["run"]["facets"]["workbench_run"]["steps"]
    assert [one["type"] for one in steps] == [one["type"] for one in SPEC["steps"]]
    assert all(one["out"]["variables"] > one["in"]["variables"] for one in steps[1:])
    assert all(3 * 144 <= one["in"]["times"] == one["out"]["times"] for one in steps)
    assert list(event["inputs"][0]["facets"]["workbench_content"]["counts"]["days"]) == ["2026-03-03"]


def test_the_same_input_gives_the_same_bytes(project):
    catalog, pipeline, folder = project
    put(catalog, weather())
    for name in ("one", "two"):
        advance(pipeline, SERIES, folder / name, catalog=catalog)
    files = sorted(path.name for path in (folder / "one").glob("*.nc"))
    assert len(files) == 4
    assert all((folder / "one" / name).read_bytes() == (folder / "two" / name).read_bytes() for name in files)


def test_what_breaks_off_goes_on(project, monkeypatch):
    import workbench.catalog.export as export

    catalog, pipeline, folder = project
    put(catalog, weather())
    real, written = export.write, []

    def failing(data, out, **how):
        if len(written) == 2:
            raise InputError("the disk is full", file=out)
        written.append(out)
        return real(data, out, **how)

    monkeypatch.setattr(export, "write", failing)
    with pytest.raises(InputError, match="the disk is full"):
        advance(pipeline, SERIES, folder / "out", catalog=catalog)
    assert len(list((folder / "out").glob("*.nc"))) == 2
    assert not [path for path in (folder / "out").iterdir() if path.name.endswith(".nc") and path.name.startswith(".")]
    assert records_of(catalog).runs("pipeline")["status"].to_list() == ["failed"]
    monkeypatch.setattr(export, "write", real)
    advance(pipeline, SERIES, folder / "out", catalog=catalog)
    advance(pipeline, SERIES, folder / "once", catalog=catalog)
    same(open_result(folder / "out").load(), open_result(folder / "once").load())


def test_another_pipeline_makes_all_anew(project):
    catalog, pipeline, folder = project
    put(catalog, weather())
    advance(pipeline, SERIES, folder / "out", catalog=catalog)
    pipeline.file.write_text(json.dumps(SPEC | {"description": "changed"}))
    again = advance(load_pipeline(pipeline.file), SERIES, folder / "out", catalog=catalog)
    assert again.counts["made"] == 4
    (folder / "out" / PROGRESS).write_text("{ half")
    assert advance(load_pipeline(pipeline.file), SERIES, folder / "out", catalog=catalog).counts["made"] == 4


def test_one_run_at_a_time(project):
    from workbench.store.telemetry import lock_file

    catalog, pipeline, folder = project
    put(catalog, weather())
    (folder / "out").mkdir()
    with lock_file(folder / "out" / ".lock", "-"), pytest.raises(InputError, match="another run is at work"):
        advance(pipeline, SERIES, folder / "out", catalog=catalog)
    with pytest.raises(InputError, match="nothing was made yet"):
        open_result(folder / "out")
