from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from workbench.model.samples import NS
from workbench.store import SiteStore
from workbench.store.commit import commit_chunks
from workbench.store.grid import Grid, chunk_slots, grid_of


@pytest.mark.parametrize(
    ("step", "slots"),
    [(NS, 3_600), (5 * NS, 2_880), (10 * NS, 1_440), (60 * NS, 1_440), (600 * NS, 4_320), (NS // 10, 600)],
)
def test_a_small_site_has_long_chunks(step, slots):
    assert chunk_slots(step) == slots


@pytest.mark.parametrize(
    ("step", "width", "slots"),
    [
        (NS, 50 * 200, 3_600),  # 36 M values an hour
        (NS, 500 * 200, 600),  # the specification's turbines: 60 M in ten minutes
        (5 * NS, 100_000 * 3, 120),  # and its panels: 36 M in ten minutes
        (NS, 1_000_000, 600),  # not below ten minutes, whatever it holds
        (600 * NS, 500 * 1_000, 144),  # ten-minute statistics of the turbines: a day
    ],
)
def test_a_large_site_has_shorter_ones(step, width, slots):
    assert chunk_slots(step, width) == slots


def test_chunks_of_one_length_lie_within_those_of_another():
    lengths = {chunk_slots(NS, width) for width in (1, 10**5, 10**6)}
    assert all(max(lengths) % length == 0 for length in lengths)
    assert grid_of("1s", 600) == Grid(NS, 600)


def test_a_series_keeps_the_length_of_its_first_chunk(site, batch, key, t0):
    site.journal.expect(key, 1_000_000)
    site.journal.append([batch([0, 599, 600], [[1, 1, 1]] * 3)])
    with site.view() as view:
        assert [chunk.rows for chunk in view.series(key).tail] == [1, 1]
        chunks = [chunk.chunk for chunk in view.series(key).tail]
    commit_chunks(site, {key: chunks})
    other = SiteStore(site.root, site.site)  # that expects nothing
    other.journal.append([batch([601, 1_200], [[2, 2, 2]] * 2)])
    with other.view() as view:
        assert view.series(key).group.slots == 600
        assert len(view.series(key).tail) == 2
    other.close()
    assert site.open(key)["wind_speed"].count() == 5


def test_journal_and_store_may_differ_in_the_length_of_their_chunks(site, batch, key, t0):
    site.journal.expect(key, 1_000_000)
    site.journal.append([batch([10, 700, 3_700], [[1, 1, 1]] * 3, quality=[[0, 4, 0]] * 3)])
    # What is imported before the first commit makes chunks as its own size asks for: an hour.
    times = (t0 + np.arange(5, 3_605, 5) * NS).astype("datetime64[ns]")
    past = xr.Dataset(
        {"wind_speed": (("time", "asset"), np.full((len(times), 1), 7.0))}, coords={"time": times, "asset": ["A"]}
    )
    site.import_dataset(key, past)

    def seen():
        data = site.open(key).load()
        wind = data["wind_speed"].isel(asset=0).to_series().dropna()
        marked = data["wind_speed_quality"].isel(asset=0).to_series()
        return wind.to_dict(), marked[marked > 0].to_dict()

    before = seen()
    assert len(before[0]) == 720 + 1  # seconds 10 and 700 are in both
    assert len(before[1]) == 3
    with site.view() as view:
        assert view.series(key).group.slots == 3_600
        tail = [chunk.chunk for chunk in view.series(key).tail]
    assert tail == [t0 // NS // 600 + part for part in (0, 1, 6)]
    for part in tail:
        commit_chunks(site, {key: [part]})
        assert seen() == before
    with site.view() as view:
        assert not view.series(key).tail
    assert not list(site.verify())


def test_an_import_of_many_assets_makes_short_chunks(tmp_path, key, t0):
    site = SiteStore(tmp_path, "large")
    times = (t0 + np.arange(3) * NS).astype("datetime64[ns]")
    names = [f"A{i}" for i in range(60_000)]
    data = xr.Dataset(
        {"wind_speed": (("time", "asset"), np.ones((3, len(names)), np.float32))},
        coords={"time": times, "asset": names},
    )
    site.import_dataset(key, data)
    with site.view() as view:
        assert view.series(key).group.slots == 600
    assert int(site.open(key)["wind_speed"].sum()) == 180_000
    site.close()
