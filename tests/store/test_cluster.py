"""A lazy Dataset of the store on a Dask cluster: the same code, the same numbers."""

from __future__ import annotations

import pickle
import shutil

import numpy as np
import pytest
import xarray as xr

from workbench.model.errors import InputError
from workbench.store.commit import commit_chunks


@pytest.fixture(scope="module")
def cluster():
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def filled(site, batch, key):
    """Two hours in the store, some of it flagged, and ten minutes on top of it and after it in the journal."""
    rng = np.random.default_rng(1)

    def put(seconds):
        values = rng.normal(100, 10, (len(seconds), 3)).round(1)
        flags = (rng.random(values.shape) < 0.01).astype(int) * 4
        site.journal.append(
            [batch(seconds, values, quality=flags, assets=("A", "B"), asset=rng.integers(0, 2, len(seconds)))]
        )

    put(range(0, 7_200, 2))
    with site.view() as view:
        commit_chunks(site, {key: [chunk.chunk for chunk in view.series(key).tail]})
    put(range(7_000, 7_600))
    return site


def analysis(data: xr.Dataset) -> xr.Dataset:
    usable = data["power_output"].where((data["power_output_quality"] & 4) == 0)
    means = usable.coarsen(time=600, boundary="trim").mean()
    return xr.Dataset({"mean": means, "count": data["sample_count"].coarsen(time=600, boundary="trim").sum()})


def test_a_cluster_gives_what_threads_give(filled, key, cluster):
    data = filled.open(key)
    lazy = analysis(data)
    with_threads = lazy.compute(scheduler="threads")
    on_cluster = cluster.compute(lazy).result(timeout=60)
    assert int(with_threads["count"].sum()) > 3_600
    assert np.isfinite(with_threads["mean"]).all()
    xr.testing.assert_identical(on_cluster, with_threads)


def test_what_was_opened_is_what_workers_read(filled, batch, key, cluster):
    opened = filled.open(key)
    before = opened.compute(scheduler="threads")
    filled.journal.append([batch([7_100, 9_000], [[1, 1, 1]] * 2)])
    assert filled.open(key).sizes["time"] > opened.sizes["time"]
    xr.testing.assert_identical(cluster.compute(opened).result(timeout=60), before)


def test_what_travels_to_a_worker_is_small(filled, key):
    data = filled.open(key)
    graph = data.__dask_graph__()
    assert len(pickle.dumps(dict(graph))) < 100_000
    assert len(graph) < 60  # a task per tag and chunk of time, not one per asset or minute


def test_stores_of_one_site_are_one_in_a_worker(filled):
    one, two = (pickle.loads(pickle.dumps(filled)) for _ in range(2))
    assert one is two


def test_a_worker_that_does_not_see_the_store_says_so(filled, key, cluster, tmp_path):
    opened = filled.open(key)
    shutil.move(filled.root, tmp_path / "elsewhere")
    with pytest.raises(InputError, match="the store cannot be seen from here") as found:
        cluster.compute(opened).result(timeout=60)
    assert "ridge" in str(found.value)
