from __future__ import annotations

import multiprocessing

import dask.array as da
import numpy as np
import pytest
import xarray as xr

from workbench.model.errors import InputError
from workbench.model.quality import Quality
from workbench.model.samples import NS
from workbench.store import SiteStore, transaction


def history(t0, seconds, assets=("A", "B"), **variables):
    times = (t0 + np.asarray(seconds) * NS).astype("int64").view("datetime64[ns]")
    n = (len(times), len(assets))
    found = {
        name: (("time", "asset"), np.broadcast_to(np.asarray(values, dtype=float)[:, None], n).copy())
        for name, values in variables.items()
    }
    return xr.Dataset(found, coords={"time": times, "asset": list(assets)})


@pytest.mark.parametrize("together", [0, transaction.WAITING_BYTES])
def test_what_is_imported_is_there(site, key, t0, monkeypatch, together):
    monkeypatch.setattr(transaction, "WAITING_BYTES", together)
    data = history(
        t0, range(3590, 7300), power_output=np.arange(3710), energy_production_lifetime=1e9 + np.arange(3710)
    )
    report = site.import_dataset(key, data)
    assert (report.slots, report.values, report.chunks) == (3710, 4 * 3710, 3)
    found = site.open(key).load()
    np.testing.assert_array_equal(found["power_output"], data["power_output"])
    np.testing.assert_array_equal(found["energy_production_lifetime"], data["energy_production_lifetime"])
    assert found["power_output"].dtype == np.float32
    assert (found["sample_count"] == 1).all()
    assert len(site.snapshots()) == 2  # the empty beginning and one commit
    assert site.info().values == 4 * 3710
    assert not site.journal_path.exists()


def test_it_merges_with_store_and_journal(site, batch, key, t0):
    site.import_dataset(
        key, history(t0, range(10), assets=("A",), power_output=np.arange(10), wind_speed=np.arange(10))
    )
    site.journal.append([batch([5], [[50]], variables=("power_output",))])
    site.import_dataset(key, history(t0, range(3, 8), assets=("N", "A"), power_output=[103, np.nan, 105, 106, 107]))
    found = site.open(key).load()
    np.testing.assert_array_equal(found["power_output"].sel(asset="A"), [0, 1, 2, 103, 4, 50, 106, 107, 8, 9])
    np.testing.assert_array_equal(found["wind_speed"].sel(asset="A"), np.arange(10))
    np.testing.assert_array_equal(found["sample_count"].sel(asset="N"), [0, 0, 0, 1, 0, 1, 1, 1, 0, 0])
    assert found["sample_count"].sel(asset="A").values[5] == 2
    assert site.verify() == []


def test_the_same_again_changes_nothing(site, key, t0):
    data = history(t0, range(20), power_output=np.arange(20))
    data["power_output_quality"] = (("time", "asset"), np.full((20, 2), int(Quality.UNCERTAIN), np.uint16))
    data["sample_count"] = (("time", "asset"), np.full((20, 2), 7, np.uint16))
    site.import_dataset(key, data)
    before = site.open(key).load()
    assert (before["power_output_quality"] == 2).all()
    assert (before["sample_count"] == 7).all()
    site.import_dataset(key, data)
    xr.testing.assert_identical(site.open(key).load().drop_attrs(), before.drop_attrs())
    assert site.info().values == 40


def test_times_out_of_order_off_the_grid_and_twice(site, key, t0):
    data = history(t0, [5.2, 1.0, 1.7, 3.3], assets=("A",), power_output=[5, 1, 2, 3])
    site.import_dataset(key, data)
    found = site.open(key).load()
    np.testing.assert_array_equal(found["power_output"].values[:, 0], [2, np.nan, 3, np.nan, 5])
    np.testing.assert_array_equal(found["sample_count"].values[:, 0], [2, 0, 1, 0, 1])


def test_dims_in_another_order_codes_and_lazy_data(site, t0):
    data = history(t0, np.arange(50) * 600, power_output=np.arange(50)).transpose("asset", "time").chunk({"time": 7})
    data["operating_state"] = (("asset", "time"), np.full((2, 50), 3))
    data["unheard_of"] = (("asset", "time"), da.full((2, 50), 1 + 1e-12))
    site.import_dataset("wind_turbine/10min", data)
    found = site.open("wind_turbine/10min").load()
    assert found["power_output"].shape == (50, 2)
    assert found["operating_state"].dtype == np.float32
    assert (found["unheard_of"] == 1 + 1e-12).all()  # an unknown name keeps its width


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.rename(asset="turbine"), "no dimension 'asset'"),
        (lambda d: d.assign_coords(time=np.arange(3)), "not of a time type"),
        (lambda d: d.assign_coords(asset=["A", "A"]), "asset stands twice"),
        (lambda d: d.assign(note=(("time", "asset"), np.full((3, 2), "x"))), "no number"),
        (lambda d: d.assign(rated=("asset", [1.0, 2.0])), "no number"),
        (lambda d: d.drop_vars("power_output"), "no variable"),
        (lambda d: d.assign_coords(time=[*d.time.values[:2], np.datetime64("NaT")]), "time is missing"),
    ],
)
def test_data_of_another_form_is_refused(site, key, t0, change, said):
    with pytest.raises(InputError, match=said):
        site.import_dataset(key, change(history(t0, range(3), power_output=range(3))))
    assert not site.exists()


def test_nothing_imported_makes_no_commit(site, key, t0):
    assert site.import_dataset(key, history(t0, [], power_output=[])).slots == 0
    assert not site.exists()


def _import(root, number, t0):
    from workbench.model.samples import SeriesKey

    data = history(t0, range(number * 100, number * 100 + 100), power_output=np.full(100, number))
    SiteStore(root, "ridge").import_dataset(SeriesKey("wind_turbine", "1s"), data)


def test_processes_import_one_after_the_other(site, key, t0):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_import, args=(site.root, number, t0)) for number in (0,)]
    for process in processes:
        process.start()
    for number in (1, 2, 3):
        _import(site.root, number, t0)
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0]
    found = site.open(key)["power_output"].values[:, 0]
    np.testing.assert_array_equal(found, np.repeat(range(4), 100))


def test_another_committer_is_told(site, key, t0):
    with site.telemetry.committing(), pytest.raises(InputError, match="another process is committing"):
        site.import_dataset(key, history(t0, range(3), power_output=range(3)), wait=0.1)


def test_a_failed_import_leaves_nothing(site, key, t0, monkeypatch):
    site.import_dataset(key, history(t0, range(3), power_output=range(3)))
    before = site.open(key).load()
    monkeypatch.setattr(
        "workbench.store.transaction.Transaction.finish", lambda *_: (_ for _ in ()).throw(OSError("full"))
    )
    with pytest.raises(OSError, match="full"):
        site.import_dataset(key, history(t0, range(10), wind_speed=range(10)))
    xr.testing.assert_identical(site.open(key).load(), before)
