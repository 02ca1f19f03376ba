"""Lazy in, lazy out: a pipeline on a series of the store, by threads and unchanged on a Dask cluster."""

from __future__ import annotations

import json
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from workbench.pipelines import load_pipeline, run
from workbench.store import SiteStore
from workbench.store.reader import SeriesSource

HOURS = 30
SPEC = {
    "pipeline_id": "LAZY",
    "steps": [
        {
            "type": "data_quality_flagging",
            "rules": [
                {"field": "power_output", "rule": "range_check", "parameters": {"min": -50, "max": 2000}},
                {"field": "wind_speed", "rule": "stuck_value", "parameters": {"time_window": "PT1M"}},
                {"field": "wind_speed", "rule": "spike", "parameters": {"time_window": "PT5M"}},
            ],
        },
        {"type": "unit_conversion", "conversions": [{"field": "power_output", "to_unit": "MW", "output_field": "mw"}]},
        {
            "type": "rolling_statistics",
            "windows": ["PT10M", "PT1H"],
            "features": [{"field": "wind_speed", "statistics": ["mean", "stddev", "max"]}],
        },
        {
            "type": "statistical_aggregation",
            "group_by": ["wind_speed_bin"],
            "time_window": "PT2H",
            "aggregations": [{"field": "power_output", "function": "mean", "output": "binned"}],
        },
        {
            "type": "anomaly_detection",
            "field_name": "power_output",
            "algorithm": "z_score",
            "parameters": {"baseline_period": "PT1H"},
        },
        {
            "type": "calculated_health_indicators",
            "indicators": [{"name": "gust", "formula": "wind_speed_max_10min / wind_speed_mean_1h"}],
        },
        {
            "type": "conditional_classification",
            "field_name": "state",
            "conditions": [
                {"condition": "wind_speed > 11 FOR PT20M", "value": "windy"},
                {"condition": "DEFAULT", "value": "normal"},
            ],
        },
    ],
}


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A store with thirty hours of 1 Hz data of two turbines: thirty chunks."""
    folder = tmp_path_factory.mktemp("lazy")
    site = SiteStore(folder, "ridge")
    rng = np.random.default_rng(2)
    n = HOURS * 3_600
    wind = 10 + np.cumsum(rng.normal(0, 0.02, (n, 2)), axis=0)
    wind[5_000:5_090] = 7.0
    wind[rng.random((n, 2)) < 0.01] = np.nan
    data = xr.Dataset(
        {
            "wind_speed": (("time", "asset"), np.round(wind, 2)),
            "power_output": (("time", "asset"), np.round(wind * 100 + rng.normal(0, 5, (n, 2)), 1), {"units": "kW"}),
        },
        coords={
            "time": ((1_735_689_600 + np.arange(n)) * 10**9).astype("datetime64[ns]"),
            "asset": ["A", "B"],
        },
    )
    site.import_dataset("wind_turbine/1s", data)
    site.close()
    return folder


@pytest.fixture(scope="module")
def opened(root) -> xr.Dataset:
    return SiteStore(root, "ridge").open("wind_turbine/1s")


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    path = tmp_path_factory.mktemp("spec") / "lazy.json"
    path.write_text(json.dumps(SPEC))
    return load_pipeline(path)


@pytest.fixture(scope="module")
def eager(opened, pipeline) -> xr.Dataset:
    return run(pipeline, opened.load(scheduler="threads").copy())


def same(found: xr.Dataset, expected: xr.Dataset) -> None:
    assert set(found.data_vars) == set(expected.data_vars)
    for name in found.data_vars:
        one, other = found[name].values, expected[name].values
        if one.dtype.kind == "f":
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9, err_msg=str(name))
        else:
            np.testing.assert_array_equal(one, other, err_msg=str(name))


def test_it_stays_lazy_and_gives_the_same(opened, pipeline, eager):
    lazy = run(pipeline, opened.chunk(time=3_600))
    assert [name for name, array in lazy.data_vars.items() if not array.chunks] == []
    same(lazy.compute(scheduler="threads"), eager)
    assert set(np.unique(eager["state"])) == {"windy", "normal"}


def test_a_cluster_gives_what_threads_give(opened, pipeline):
    from distributed import Client, LocalCluster

    lazy = run(pipeline, opened.chunk(time=3_600))
    with_threads = lazy.compute(scheduler="threads")
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
        ) as cluster,
        Client(cluster),
    ):
        xr.testing.assert_identical(lazy.compute(), with_threads)


def test_little_of_it_is_in_memory_at_once(root, pipeline, monkeypatch, tmp_path):
    """Pieces of the store alive at once, written by two threads: as many however long the time."""
    from workbench.catalog.export import write

    alive, most, pieces, lock = 0, 0, 0, threading.RLock()
    read = SeriesSource.read

    def count(change: int) -> None:
        nonlocal alive, most
        with lock:
            alive += change
            most = max(most, alive)

    def watched(*args):
        nonlocal pieces
        found = read(*args)
        count(1)
        with lock:
            pieces += 1
        weakref.finalize(found, count, -1)
        return found

    monkeypatch.setattr(SeriesSource, "read", watched)
    fresh = SiteStore(root, "ridge").open("wind_turbine/1s")
    write(run(pipeline, fresh), tmp_path / "out.zarr")
    with xr.open_zarr(tmp_path / "out.zarr", consolidated=False) as made:
        assert made.sizes["time"] == HOURS * 3_600
    assert pieces >= 2
    assert most <= max(8, pieces // 2)
