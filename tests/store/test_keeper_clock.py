"""The keeper goes on when the machine's clock was set: what a wrong clock noted does not hold it up."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from workbench.model.samples import NS, Batch, SeriesKey
from workbench.store import Keeper, SiteStore
from workbench.store.retention import Retention, retain

YEAR = 365 * 86_400 * NS
Make = Callable[[Sequence[int], Sequence[Sequence[float]]], Batch]


def put(site: SiteStore, batch: Make, seconds: Sequence[int]) -> None:
    site.journal.append([batch(seconds, [[s, s, s] for s in seconds])])


def test_an_hour_is_committed_though_the_clock_was_a_year_ahead(
    site: SiteStore, batch: Make, key: SeriesKey, clock: list[int], t0: int
):
    with Keeper(site, now=lambda: clock[0]) as keeper:
        put(site, batch, range(100))
        clock[0] = t0 + 100 * NS + YEAR
        assert keeper.step().committed[str(key)] == [t0 // NS // 3600]
        put(site, batch, range(100, 200))
        clock[0] = t0 + 200 * NS
        keeper.step()
        put(site, batch, range(200, 3_600))
        clock[0] = t0 + 3_700 * NS
        assert keeper.step().committed[str(key)] == [t0 // NS // 3600]
        clock[0] += 200 * NS
        assert keeper.step().trimmed
    with site.view() as view:
        assert view.series(key).tail == ()
    data = site.open(key).load()
    assert data["power_output"].values[:, 0].tolist() == list(range(3_600))
    assert int(data["sample_count"].max()) == 1
    assert site.verify() == []


def test_states_expire_though_the_clock_was_a_year_ahead_one_night(site: SiteStore, batch: Make):
    now = time.time_ns()
    with Keeper(site, now=lambda: now, late_every=0) as keeper:
        put(site, batch, [0])
        keeper.step()
        retain(site, Retention(), now=now + YEAR)
        for second in range(1, 6):
            put(site, batch, [second])
            keeper.step()
    before = len(site.snapshots())
    nights = [retain(site, Retention(), now=now + days * 86_400 * NS)[0] for days in (2, 3)]
    assert nights[0] >= before - 3  # but the last, the tag of the day and that of the beginning
    assert nights[1] == 0
    assert len(site.snapshots()) == before - nights[0]
