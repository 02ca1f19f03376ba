from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.model.samples import NS
from workbench.store.commit import commit_chunks
from workbench.store.news import Mark, merged


def covered(spans, time):
    return any(start <= time < end for start, end in spans)


def test_rows_of_the_journal_are_told(site, batch, key, t0):
    site.journal.append([batch([0, 1], [[1], [2]], variables=("power_output",))])
    seen = site.mark()
    assert site.changed(key, seen) == []
    site.journal.append([batch([5], [[3]], variables=("power_output",))])
    assert site.changed(key, seen) == [(t0 + 5 * NS, t0 + 6 * NS)]


def test_a_commit_in_between_hides_nothing(site, batch, key, t0):
    site.journal.append([batch([0], [[1]], variables=("power_output",))])
    chunk = t0 // (3_600 * NS)
    commit_chunks(site, {key: [chunk]})
    seen = site.mark()
    site.journal.append([batch([7], [[3]], variables=("power_output",))])
    commit_chunks(site, {key: [chunk]})
    with site.view() as view:
        assert view.snapshot.id != seen.snapshot
    found = site.changed(key, seen)
    assert found is not None
    assert covered(found, t0 + 7 * NS)
    assert not covered(found, t0 + 7_200 * NS)


def test_what_cannot_be_told_is_everything(site, batch, key):
    site.journal.append([batch([0], [[1]], variables=("power_output",))])
    seen = site.mark()
    assert site.changed(key, Mark(seen.snapshot, "another", seen.seq)) is None
    with site.view() as view:
        chunks = [one.chunk for one in view.journal.chunks(key)]
    commit_chunks(site, {key: chunks})
    assert site.changed(key, Mark("GONE", seen.journal, seen.seq)) is None


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.sampled_from("acm"), st.integers(0, 9_000)), min_size=1, max_size=8))
def test_every_difference_lies_in_a_span_that_is_told(steps, tmp_path_factory, batch, key, t0):
    from workbench.store import SiteStore

    site = SiteStore(tmp_path_factory.mktemp("news"), "site")
    site.journal.append([batch([0], [[0.0]], variables=("power_output",))])
    seen, before = site.mark(), site.open(key)["power_output"].load()
    for number, (what, second) in enumerate(steps, 1):
        if what == "a":
            site.journal.append([batch([second], [[float(number)]], variables=("power_output",))])
        elif what == "c":
            with site.view() as view:
                commit_chunks(site, {key: [one.chunk for one in view.journal.chunks(key)]})
        else:
            seen, before = site.mark(), site.open(key)["power_output"].load()
    after = site.open(key)["power_output"].load()
    old = before.reindex_like(after)
    differs = ~((after == old) | (after.isnull() & old.isnull()))
    times = after["time"].values[differs.any("asset").values].astype("int64")
    spans = site.changed(key, seen)
    assert spans is None or all(covered(spans, int(time)) for time in times)
    site.close()


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], []),
        ([(3, 4), (1, 2)], [(1, 2), (3, 4)]),
        ([(1, 3), (2, 5), (5, 6)], [(1, 6)]),
        ([(1, 9), (2, 3)], [(1, 9)]),
    ],
)
def test_spans_that_touch_are_one(spans, expected):
    assert merged(spans) == expected
    assert np.all([start < end for start, end in merged(spans)])
