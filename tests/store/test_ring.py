from __future__ import annotations

import threading

import numpy as np
import pytest
import xarray as xr

from workbench.model.errors import InputError
from workbench.model.samples import NS, SeriesKey
from workbench.store import LiveRing
from workbench.store.commit import commit_chunks, trim_applied


def commit_all(site, key):
    with site.view() as view:
        chunks = [chunk.chunk for chunk in view.series(key).tail]
    commit_chunks(site, {key: chunks})
    trim_applied(site)


def agrees(ring, site, key):
    """The ring shows what the store shows over the ring's span."""
    live = ring.dataset(key)
    whole = site.open(key).load().reindex(time=live["time"].values)
    for name in live.data_vars:
        expected = whole[name].values
        np.testing.assert_array_equal(
            live[name].values, np.nan_to_num(expected) if live[name].dtype.kind == "u" else expected
        )


def test_it_loads_the_past_and_folds_in_the_news(site, batch, key, t0):
    for second in range(3595, 3600):
        site.journal.append([batch([second], [[second, 1, 2]])])
    commit_all(site, key)
    for second in range(3600, 3603):
        site.journal.append([batch([second], [[second, 1, 2]])])
    ring = LiveRing(site, seconds=6)
    ring.load()
    data = ring.dataset(key)
    np.testing.assert_array_equal(data["power_output"].values[:, 0], range(3597, 3603))
    assert ring.poll() == []
    site.journal.append([batch([3603.5, 3604], [[7, 8, 9], [10, 11, 12]])])
    (news,) = ring.poll()
    assert len(news) == 2
    assert ring.poll() == []
    data = ring.dataset(key, variables="power_output", seconds=3, quality=False)
    np.testing.assert_array_equal(data["power_output"].values[:, 0], [3602, 7, 10])
    assert list(data.data_vars) == ["power_output", "sample_count"]
    assert ring.latest(key)["A"]["power_output"] == (10.0, t0 + 3604 * NS, 0)
    assert ring.age(key, now=t0 + 3606 * NS) == {"A": 2.0}
    agrees(ring, site, key)


def test_it_grows_with_new_assets_variables_and_series(site, batch, key):
    site.journal.append([batch([0], [[1]], variables=("power_output",))])
    ring = LiveRing(site, seconds=10)
    ring.load()
    site.journal.append([batch([1], [[2, 3]], assets=("B",), variables=("wind_speed", "power_output"))])
    site.journal.append([batch([1], [[1 + 1e-12]], variables=("power_output",), dtypes=("f8",))])
    other = SeriesKey("met_mast", "1s")
    site.journal.append([batch([1], [[4]], variables=("wind_speed",), key=other)])
    assert len(ring.poll()) == 3
    assert ring.keys() == [other, key]
    data = ring.dataset(key, seconds=2)
    assert data["power_output"].dtype == np.float64
    np.testing.assert_array_equal(data["power_output"].sel(asset="A"), [1, 1 + 1e-12])
    np.testing.assert_array_equal(data["power_output"].sel(asset="B"), [np.nan, 3])
    np.testing.assert_array_equal(data["wind_speed"].sel(asset="A"), [np.nan, np.nan])


def test_flags_late_and_old_samples(site, batch, key, t0):
    site.journal.append([batch([100], [[1, 2, 3]])])
    ring = LiveRing(site, seconds=20)
    ring.load()
    site.journal.append([batch([95], [[5, np.nan, 6]], quality=[[0, 4, 2]], count=[3])])
    site.journal.append([batch([10], [[9, 9, 9]])])  # older than the ring
    ring.poll()
    data = ring.dataset(key)
    assert data["wind_speed_quality"].values[-6, 0] == 4
    assert data["sample_count"].values[-6, 0] == 3
    assert not (data["power_output"] == 9).any()
    latest = ring.latest(key)["A"]
    assert latest["power_output"] == (1.0, t0 + 100 * NS, 0)
    agrees(ring, site, key)


def test_old_slots_leave_when_time_jumps(site, batch, key):
    ring = LiveRing(site, seconds=10)
    ring.load()
    for second in (0, 5, 7, 8, 31, 1000):
        site.journal.append([batch([second], [[second, 0, 0]])])
        ring.poll()
        data = ring.dataset(key)["power_output"].values[:, 0]
        assert len(data) == 10
        assert data[-1] == second
        agrees(ring, site, key) if second > 8 else None
    assert np.count_nonzero(~np.isnan(data)) == 1


def test_replacing_samples_replace(site, batch, key):
    ring = LiveRing(site, seconds=10)
    ring.load()
    site.journal.append([batch([0], [[1, 2, 3]], count=[600])])
    site.journal.append([batch([0], [[np.nan, 5, 3]], count=[599], replace=True)])
    ring.poll()
    data = ring.dataset(key).isel(time=-1, asset=0)
    assert np.isnan(data["power_output"])
    assert data["sample_count"] == 599
    agrees(ring, site, key)


def test_after_a_long_absence_it_loads_anew(site, batch, key):
    site.journal.append([batch([0], [[1, 2, 3]])])
    ring = LiveRing(site, seconds=5)
    ring.load()
    for second in range(1, 5):
        site.journal.append([batch([second], [[second, 0, 0]])])
    commit_all(site, key)
    assert ring.poll() == []
    np.testing.assert_array_equal(ring.dataset(key)["power_output"].values[:, 0], [1, 1, 2, 3, 4])
    assert ring.poll() == []


def test_only_the_series_asked_for(site, batch, key):
    other = SeriesKey("met_mast", "1s")
    ring = LiveRing(site, seconds=5, keys=["met_mast/1s"])
    site.journal.append([batch([0], [[1, 2, 3]]), batch([0], [[4]], variables=("wind_speed",), key=other)])
    ring.poll()
    site.journal.append([batch([1], [[1, 2, 3]])])
    assert ring.poll() == []
    assert ring.seq == site.journal.last_seq
    assert ring.keys() == [other]
    with pytest.raises(InputError, match="no series"):
        ring.dataset(key)


def test_listeners_hear_the_news(site, batch, key):
    ring = LiveRing(site, seconds=5)
    ring.load()
    heard = []
    end = ring.listen(heard.extend)
    site.journal.append([batch([0], [[1, 2, 3]])])
    ring.poll()
    end()
    site.journal.append([batch([1], [[1, 2, 3]])])
    ring.poll()
    assert [b.seq for b in heard] == [1]


def test_readers_see_whole_samples_while_it_is_filled(site, batch, key):
    ring = LiveRing(site, seconds=30)
    ring.load()
    site.journal.append([batch([0], [[0, 0, 0]])])
    ring.poll()
    over = threading.Event()
    torn = []

    def read():
        while not over.is_set():
            data = ring.dataset(key, quality=False)
            same = xr.broadcast(data["power_output"], data["wind_speed"])
            if not np.array_equal(same[0].values, same[1].values, equal_nan=True):
                torn.append(data)

    reader = threading.Thread(target=read)
    reader.start()
    for second in range(1, 60):
        site.journal.append([batch([second], [[second, second, second]])])
        ring.poll()
    over.set()
    reader.join()
    assert torn == []


def test_an_impossible_length_is_refused(site):
    with pytest.raises(InputError, match="length"):
        LiveRing(site, seconds=0)
