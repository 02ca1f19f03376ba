from __future__ import annotations

import pickle

import numpy as np
import pytest
import xarray as xr

from workbench.model.errors import InputError
from workbench.model.samples import NS, SeriesKey
from workbench.store import Keeper, SiteStore
from workbench.store.commit import commit_chunks, trim_applied
from workbench.store.telemetry import Snapshot


def fill(site, batch, seconds, assets=("A", "B")):
    for second in seconds:
        values = [[second + i, i, 1e9 + second] for i in range(len(assets))]
        site.journal.append([batch([second] * len(assets), values, assets=assets, asset=range(len(assets)))])


def commit_all(site, key):
    with site.view() as view:
        chunks = [chunk.chunk for chunk in view.series(key).tail]
    commit_chunks(site, {key: chunks})


def test_journal_and_store_are_one_dataset(site, batch, key, t0):
    fill(site, batch, range(3590, 3600))
    commit_all(site, key)
    trim_applied(site)
    fill(site, batch, range(3600, 3610))
    data = site.open(key)
    assert data.sizes == {"time": 20, "asset": 2}
    np.testing.assert_array_equal(data["power_output"].sel(asset="B"), np.arange(3591, 3611))
    np.testing.assert_array_equal(data["energy_production_lifetime"].sel(asset="A"), 1e9 + np.arange(3590, 3610))
    assert data["power_output"].dtype == np.float32
    assert data["energy_production_lifetime"].dtype == np.float64
    assert data["time"].values[0] == np.datetime64(t0 + 3590 * NS, "ns")
    assert (data["sample_count"] == 1).all()


def test_attributes_come_from_the_vocabulary(site, batch, key):
    fill(site, batch, [0])
    data = site.open(key)
    assert data["power_output"].attrs["units"] == "kW"
    assert data["wind_speed"].attrs["standard_name"] == "wind_speed"
    assert data["power_output"].attrs["ancillary_variables"] == "power_output_quality"
    assert "flag_masks" in data["power_output_quality"].attrs
    assert data.attrs["site"] == "ridge"
    assert data.attrs["series"] == "wind_turbine/1s"
    assert "power_output_quality" not in site.open(key, quality=False)


def test_gaps_are_missing_and_time_is_regular(site, batch, key):
    fill(site, batch, [0, 1, 5])
    fill(site, batch, [2], assets=("A",))
    data = site.open(key).load()
    assert data.sizes["time"] == 6
    np.testing.assert_array_equal(data["power_output"].sel(asset="A"), [0, 1, 2, np.nan, np.nan, 5])
    np.testing.assert_array_equal(data["sample_count"].sel(asset="B"), [1, 1, 0, 0, 0, 1])


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, 3, [0, 1, 2]),
        (1, None, [1, 2, 3, 4]),
        (None, 2, [0, 1]),
        (1.5, 3.5, [2, 3]),
        (-100, 100, [0, 1, 2, 3, 4]),
        (10, 20, []),
        (2, 2, []),
    ],
)
def test_a_range_of_time_is_half_open(site, batch, key, t0, start, end, expected, stored):
    fill(site, batch, range(5))
    if stored:
        commit_all(site, key)
    at = [None if s is None else t0 + round(s * NS) for s in (start, end)]
    data = site.open(key, time=slice(*at), assets="A", variables="power_output").load()
    assert list(data["power_output"].values[:, 0]) == expected
    as_text = [None if a is None else str(np.datetime64(a, "ns")) for a in at]
    xr.testing.assert_identical(site.open(key, time=slice(*as_text), assets="A", variables="power_output").load(), data)


def test_what_is_not_known_is_told_with_the_nearest_name(site, batch, key):
    with pytest.raises(InputError, match="no data yet"):
        site.open(key)
    fill(site, batch, [0])
    with pytest.raises(InputError, match="did you mean 'power_output'"):
        site.open(key, variables=["power_outptu"])
    with pytest.raises(InputError, match="no asset 'X'"):
        site.open(key, assets=["A", "X"])
    with pytest.raises(InputError, match="did you mean 'wind_turbine/1s'"):
        site.open("wind_turbin/1s")
    with pytest.raises(InputError, match="not a series"):
        site.open("wind_turbine")
    with pytest.raises(InputError, match="not a time"):
        site.open(key, time=slice("yesterdayish", None))
    with pytest.raises(InputError, match="ends before"):
        site.open(key, time=slice("2026-01-02", "2026-01-01"))


def test_assets_and_variables_come_in_the_order_asked(site, batch, key):
    fill(site, batch, range(3), assets=("A", "B", "C"))
    commit_all(site, key)
    fill(site, batch, range(3, 6), assets=("C", "B"))
    data = site.open(key, assets=["C", "A"], variables=["wind_speed", "power_output"], quality=False).load()
    assert list(data["asset"].values) == ["C", "A"]
    assert list(data.data_vars) == ["wind_speed", "power_output", "sample_count"]
    np.testing.assert_array_equal(data["power_output"].sel(asset="C"), [2, 3, 4, 3, 4, 5])
    np.testing.assert_array_equal(data["power_output"].sel(asset="A"), [0, 1, 2, np.nan, np.nan, np.nan])


def test_opening_reads_no_values(site, batch, key, monkeypatch):
    fill(site, batch, range(5))
    commit_all(site, key)
    fill(site, batch, range(5, 8))
    monkeypatch.setattr(Snapshot, "read", lambda *_: pytest.fail("values were read"))
    monkeypatch.setattr("workbench.store.fold.Fold.__init__", lambda *_, **__: pytest.fail("rows were read"))
    data = site.open(key)
    assert data["power_output"].chunks is not None


def test_an_open_dataset_survives_commit_and_trim(site, batch, key):
    fill(site, batch, range(3590, 3610))
    data = site.open(key)
    before = site.open(key).load()
    commit_all(site, key)
    trim_applied(site)
    assert site.journal.since(0) == []
    xr.testing.assert_identical(data.load(), before)


def test_an_open_dataset_does_not_see_later_samples(site, batch, key):
    fill(site, batch, range(5))
    data = site.open(key)
    site.journal.append([batch([2], [[99, 99, 99]])])
    np.testing.assert_array_equal(data["power_output"].sel(asset="A").values, [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(site.open(key)["power_output"].sel(asset="A").values, [0, 1, 99, 3, 4])


def test_the_store_reads_plainly_with_xarray(site, batch, key):
    fill(site, batch, range(3590, 3610))
    site.journal.append([batch([3600], [[1, 2, 3]], quality=[[0, 4, 0]])])
    ours = site.open(key).load()
    commit_all(site, key)
    session = site.telemetry.repository().readonly_session("main")
    plain = xr.open_zarr(session.store, group=str(key), consolidated=False).load()
    plain = plain.sel(time=ours["time"].values)
    for name in plain.data_vars:
        np.testing.assert_array_equal(plain[name].values, ours[name].values)
    assert list(plain["asset"].values) == list(ours["asset"].values)
    assert plain["power_output"].attrs["units"] == "kW"


def test_older_data_moves_the_beginning(site, batch, key):
    fill(site, batch, [7200, 7201])
    commit_all(site, key)
    fill(site, batch, [100], assets=("A", "N"))
    before = site.open(key).load()
    commit_all(site, key)
    after = site.open(key).load()
    xr.testing.assert_equal(before, after)
    assert after.sizes["time"] == 7102
    assert site.verify() == []


def test_a_wider_type_takes_over(site, batch, key):
    narrow = batch([0], [[1e-3]], variables=("x",), dtypes=("f4",))
    wide = batch([1], [[1 + 1e-12]], variables=("x",), dtypes=("f8",))
    site.journal.append([narrow])
    commit_all(site, key)
    site.journal.append([wide])
    for _ in range(2):
        data = site.open(key)["x"]
        assert data.dtype == np.float64
        assert data.values[:, 0].tolist() == [np.float32(1e-3), 1 + 1e-12]
        commit_all(site, key)
    assert site.verify() == []


def test_many_assets_take_several_chunks(site, batch, key):
    fill(site, batch, [0], assets=("A",))
    commit_all(site, key)
    many = tuple(f"T{i:03d}" for i in range(40))
    fill(site, batch, [1, 3600], assets=many)
    before = site.open(key).load()
    commit_all(site, key)
    xr.testing.assert_equal(site.open(key).load(), before)
    assert site.verify() == []


def test_it_can_travel_to_another_process(site, batch, key):
    fill(site, batch, range(3))
    commit_all(site, key)
    fill(site, batch, range(3, 5))
    data = site.open(key)
    xr.testing.assert_identical(pickle.loads(pickle.dumps(data)).load(), data.load())


def test_an_older_state_can_be_read(site, batch, key):
    fill(site, batch, range(3))
    commit_all(site, key)
    first = site.snapshots()[0].id
    fill(site, batch, range(3, 6))
    commit_all(site, key)
    assert site.open(key, snapshot=first).sizes["time"] == 3
    assert site.open(key).sizes["time"] == 6
    assert site.open(key).attrs["snapshot"] == site.snapshots()[0].id
    with pytest.raises(InputError, match="no such snapshot"):
        site.open(key, snapshot="day-1999-01-01")


def test_latest_has_exact_times_and_looks_back(site, batch, key, t0):
    fill(site, batch, [3500])
    commit_all(site, key)
    trim_applied(site)
    site.journal.append([batch([3601.25], [[7, np.nan, 3]], quality=[[0, 0, 2]])])
    latest = site.latest(key)
    assert latest["power_output"].sel(asset="A") == 7
    assert latest["power_output_time"].sel(asset="A").values == np.datetime64(t0 + 3601_250_000_000, "ns")
    assert latest["wind_speed"].sel(asset="A") == 0
    assert latest["wind_speed_time"].sel(asset="A").values == np.datetime64(t0 + 3500 * NS, "ns")
    assert latest["energy_production_lifetime_quality"].sel(asset="A") == 2
    assert latest["power_output"].sel(asset="B") == 3501
    assert list(site.latest(key, assets="B", variables=["wind_speed"])["wind_speed"].values) == [1]


def test_tree_and_series(site, batch, key):
    assert site.series() == []
    assert not site.exists()
    fill(site, batch, range(3))
    mast = SeriesKey("met_mast", "1min")
    site.journal.append([batch([60], [[5]], variables=("wind_speed",), key=mast, step=60 * NS)])
    assert [str(info.key) for info in site.series()] == ["met_mast/1min", "wind_turbine/1s"]
    info = site.series()[1]
    assert info.slots == 3
    assert info.assets == ("A", "B")
    assert info.journal_rows == 3
    assert not info.stored
    tree = site.tree()
    assert tree["met_mast/1min"]["wind_speed"].values.tolist() == [[5]]
    assert tree["wind_turbine/1s"].sizes["time"] == 3


def test_two_sites_do_not_meet(tmp_path, batch, key):
    a, b = SiteStore(tmp_path, "a"), SiteStore(tmp_path, "b")
    a.journal.append([batch([0], [[1, 2, 3]])])
    with Keeper(a), Keeper(b):
        assert not b.exists()
        assert a.open(key).sizes["time"] == 1


def test_what_is_delivered_twice_counts_once(site, batch, key):
    """After a kill a broker delivers again what it saw no acknowledgement for."""
    site.journal.append([batch([1, 2, 3], [[1, 1, 1], [2, 2, 2], [3, 3, 3]])])
    site.journal.append([batch([2, 3, 4], [[2, 2, 2], [3, 3, 3], [4, 4, 4]])])
    site.journal.append([batch([4.25], [[5, 5, 5]])])  # another instant in the slot
    data = site.open(key).load()
    np.testing.assert_array_equal(data["sample_count"].values[:, 0], [1, 1, 1, 2])
    np.testing.assert_array_equal(data["power_output"].values[:, 0], [1, 2, 3, 5])
