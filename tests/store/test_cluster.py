"""A lazy Dataset of the store on a Dask cluster: the same code, the same numbers."""

from __future__ import annotations

import gc
import pickle
import shutil
import threading
import weakref

import dask
import numpy as np
import pytest
import xarray as xr

from workbench.model.errors import InputError
from workbench.store import SiteStore
from workbench.store import site as site_module
from workbench.store.commit import commit_chunks
from workbench.store.reader import SeriesSource


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


def _pieces():
    from workbench.store.reader import PIECES

    return len(PIECES._held)


def test_a_cluster_gives_what_threads_give(filled, key, cluster):
    data = filled.open(key)
    lazy = analysis(data)
    with_threads = lazy.compute(scheduler="threads")
    on_cluster = lazy.compute()  # unchanged: a client that is there is what Dask computes with
    assert set(cluster.run(_pieces).values()) != {0}  # workers have read the journal, not this process
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


def elsewhere(data: xr.Dataset) -> xr.Dataset:
    """The Dataset as another process has it."""
    site_module._one_of_each.cache_clear()
    there: xr.Dataset = pickle.loads(pickle.dumps(data))
    return there


def test_where_the_journal_is_not_seen_the_newest_rows_are_not_taken_for_missing(filled, key):
    opened = filled.open(key)
    filled.close()
    for path in filled.folder.glob("journal*"):
        path.unlink()
    with pytest.raises(InputError, match="the journal cannot be seen from here"):
        elsewhere(opened).compute(scheduler="threads")


def test_what_the_journal_has_given_to_the_store_is_read_from_there(filled, key):
    opened = filled.open(key)
    before = opened.compute(scheduler="threads")
    with filled.view() as view:
        commit_chunks(filled, {key: [chunk.chunk for chunk in view.series(key).tail]})
    filled.close()
    for path in filled.folder.glob("journal*"):
        path.unlink()
    xr.testing.assert_identical(elsewhere(opened).compute(scheduler="threads"), before)


@pytest.mark.parametrize("committed", [False, True])
def test_another_store_under_the_same_path_is_not_read(site, batch, key, tmp_path, committed):
    def fill(site, value):
        site.journal.append([batch(range(10), [[value] * 3] * 10)])
        if committed:
            commit_chunks(site, {key: [472_222]})
        site.journal.append([batch(range(10, 20), [[value] * 3] * 10)])
        site.close()

    fill(site, 1.0)
    opened = site.open(key)
    shutil.move(site.root, tmp_path / "elsewhere")
    fill(SiteStore(site.root, site.site), 2.0)
    with pytest.raises(InputError):
        elsewhere(opened).compute(scheduler="threads")


def test_opened_before_the_first_commit_it_does_not_show_what_was_imported_since(site, batch, key, t0):
    site.journal.append([batch([0, 9_000], [[1, 1, 1]] * 2)])
    opened = site.open(key)
    before = opened.compute(scheduler="threads")
    times = (t0 + np.arange(3_600, 4_000) * 10**9).view("datetime64[ns]")
    new = {"power_output": (("time", "asset"), np.full((400, 1), 7, np.float32))}
    site.import_dataset(key, xr.Dataset(new, coords={"time": times, "asset": ["A"]}))
    xr.testing.assert_identical(elsewhere(opened).compute(scheduler="threads"), before)


def test_a_snapshot_is_read_without_the_journal(filled, key):
    newest = filled.snapshots()[0].id
    opened = filled.open(key, snapshot=newest)
    before = opened.compute(scheduler="threads")
    filled.close()
    for path in filled.folder.glob("journal*"):
        path.unlink()
    xr.testing.assert_identical(elsewhere(opened).compute(scheduler="threads"), before)


def days(site: SiteStore, key, t0: int, number: int, assets: int) -> None:
    for day in range(number):
        times = (t0 + (day * 86_400 + np.arange(86_400)) * 10**9).view("datetime64[ns]")
        values = np.round(np.arange(86_400 * assets) % 977 / 10, 1).astype(np.float32).reshape(-1, assets)
        data = dict.fromkeys(("power_output", "wind_speed"), (("time", "asset"), values))
        coords = {"time": times, "asset": [f"T{i:02d}" for i in range(assets)]}
        site.import_dataset(key, xr.Dataset(data, coords=coords))


@pytest.mark.parametrize(("assets", "most"), [(1, 5), (10, 5), (50, 20)])
def test_tasks_are_few_and_hours_and_days_fall_on_their_borders(site, key, t0, assets, most):
    days(site, key, t0, 1, assets)
    data = site.open(key, quality=False)
    chunks = data["power_output"].chunks[0]
    assert len(chunks) <= most
    assert max(chunks) * assets <= 1_000_000
    starts = data["time"].values[np.cumsum((0, *chunks))[1:-1]]
    for start in starts:
        assert start == start.astype("datetime64[h]")
    # ten-minute means of all tags: a handful of tasks for each piece that is read, whatever the length
    means = data.coarsen(time=600, boundary="trim").mean()
    (optimised,) = dask.optimize(means)
    assert len(optimised.__dask_graph__()) < 8 * len(data.data_vars) * len(chunks)


def test_what_was_read_is_let_go_before_more_is_read(site, key, t0, monkeypatch):
    """Pieces alive at once, by two threads, are as many however long the time; the benchmark measures the memory."""
    days(site, key, t0, 3, 25)
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
    data = site.open(key, quality=False)
    means = data.coarsen(time=600, boundary="trim").mean()
    assert means.compute(scheduler="threads", num_workers=2).sizes["time"] == 3 * 144
    gc.collect()
    assert pieces == len(data.data_vars) * len(data.chunksizes["time"]) == 30
    assert most <= 4
    assert alive == 0
