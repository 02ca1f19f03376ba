"""Snapshots expire, files are collected and old hours are forgotten while readers read, here and in another process."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from workbench.model.errors import InputError
from workbench.model.samples import NS, Batch, SeriesKey, Shape
from workbench.store import Keeper, SiteStore
from workbench.store.commit import commit_chunks, trim_applied
from workbench.store.reader import PIECES
from workbench.store.retention import Retention, retain

KEY = SeriesKey("wind_turbine", "1s")
T0 = 472_222 * 3_600 * NS
HOUR, DAY = 3_600, 86_400 * NS
#: Seconds for which a state that gave way to the next one stays.
STAYS = 3.0
SHORT = Retention(all_hours=STAYS / HOUR)


def told(second: np.ndarray) -> np.ndarray:
    """What stands in a slot, the only thing that was ever written there: noise, so that chunks are files."""
    return np.sin(second * 12.9898) * 43_758.5453 % 1.0


def samples(seconds: range, tags: int = 3) -> Batch:
    at = np.array(seconds, dtype=np.int64)
    time_ = T0 + at * NS
    n = len(at)
    shape = Shape(KEY, tuple(f"x{i}" for i in range(tags)), ("f8",) * tags)
    values = np.stack([told(at) + i for i in range(tags)], axis=1)
    return Batch(shape, ("A",), time_, np.zeros(n, np.int32), time_, time_, np.ones(n, np.uint16), values)


def commit(site: SiteStore) -> None:
    """As the keeper does: what the journal holds goes into the store, and leaves the journal."""
    with site.view() as view:
        commit_chunks(site, {KEY: [chunk.chunk for chunk in view.series(KEY).tail]})
    trim_applied(site)


def put_hour(site: SiteStore, hour: int, tags: int = 3) -> None:
    site.journal.append([samples(range(hour * HOUR, (hour + 1) * HOUR, 6), tags)])


def expired(call: Callable[[], object]) -> bool:
    """Whether ``call`` says that what was opened has expired, and what to do; any other trouble is one."""
    try:
        call()
    except InputError as error:
        if "expired" not in error.message or "open it again" not in str(error.hint):
            raise
        return True
    return False


# -- readers beside it ------------------------------------------------------------------------------------


class State:
    """Hours that are surely there: those from the first that is kept until before the last acknowledged."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def say(self, kept: int, through: int) -> None:
        draft = self.path.with_suffix(".tmp")
        draft.write_text(json.dumps([kept, through]))
        draft.replace(self.path)

    def read(self) -> tuple[int, int]:
        kept, through = json.loads(self.path.read_text())
        return kept, through


def look(site: SiteStore, state: State) -> None:
    """Open anew and read all: every value is one that was written, and none that should be there is missing."""
    began = time.monotonic()
    _, through = state.read()
    try:
        data = site.open(KEY, quality=False).load()
    except InputError as error:
        # Where it was held up for longer than a state stays; else this is no outcome.
        if "expired" not in error.message or time.monotonic() - began < STAYS:
            raise
        return
    kept, _ = state.read()
    seconds = (data["time"].values.astype("datetime64[ns]").astype(np.int64) - T0) // NS
    for i in range(3):
        values = data[f"x{i}"].values[:, 0]
        there = ~np.isnan(values)
        np.testing.assert_array_equal(values[there], told(seconds[there]) + i, err_msg="never written")
        expected = np.arange(kept * HOUR, through * HOUR, 6)
        missing = np.setdiff1d(expected, seconds[there])
        assert not len(missing), f"hour {missing[0] // HOUR} of {kept} to {through} is not there"
    assert int(data["sample_count"].max()) == 1


def read_on(site: SiteStore, marks: Path, who: str) -> None:
    """Read until it is over: with what is opened now, and with what was opened at the beginning."""
    began = site.open(KEY, quality=False)
    first = began.compute()
    told_so = False
    while not (marks / "over").exists():
        look(site, State(marks / "state"))
        if expired(lambda: xr.testing.assert_identical(began.compute(), first)):
            told_so = True
        else:
            assert not told_so, "what has expired does not come back"
        (marks / f"{who} {'was told' if told_so else 'read on'}").touch()


def reader(root: Path, marks: Path, who: str) -> None:
    """A thread, or a process, that reads; what goes wrong stands in a file."""
    try:
        read_on(SiteStore(root, "ridge"), marks, who)
    except BaseException:
        (marks / f"{who} failed").write_text(traceback.format_exc())


def test_readers_read_while_states_expire_and_hours_are_forgotten(site: SiteStore, tmp_path: Path):
    state = State(tmp_path / "state")
    for hour in range(3):
        put_hour(site, hour)
        commit(site)
    state.say(0, 3)

    def seen(what: str) -> bool:
        failed = [path.read_text() for path in tmp_path.glob("* failed")]
        assert not failed, failed[0]
        return all((tmp_path / f"{who} {what}").exists() for who in ("thread", "process"))

    context = multiprocessing.get_context("forkserver")
    readers = [
        context.Process(target=reader, args=(site.root, tmp_path, "process")),
        threading.Thread(target=reader, args=(site.root, tmp_path, "thread")),
    ]
    for one in readers:
        one.start()
    deadline = time.monotonic() + 90
    hour, kept, gone = 3, 0, 0
    try:
        while not seen("read on"):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        while gone < 12 or not seen("was told"):
            assert time.monotonic() < deadline
            put_hour(site, hour)
            site.journal.append([samples(range(hour * HOUR - 1800 + 1, hour * HOUR - 1700, 6))])  # late
            commit(site)
            hour += 1
            state.say(kept, hour)
            if hour % 3 == 0:
                kept = hour - 3
                state.say(kept, hour)
                assert site.trim(older_than=T0 + kept * HOUR * NS)
            gone += retain(site, SHORT, now=time.time_ns(), force=True)[0]
            assert site.tidy() == (0, 0)  # by the usual rule nothing of today goes
    finally:
        (tmp_path / "over").touch()
        for one in readers:
            one.join(60)
    assert seen("was told")
    assert site.verify() == []


# -- what was opened before -------------------------------------------------------------------------------


@pytest.fixture
def before(site: SiteStore) -> SiteStore:
    """Three hours in the store, a commit each, long ago by the clocks of the tests below."""
    for hour in range(3):
        put_hour(site, hour)
        commit(site)
    return site


def test_what_was_opened_says_that_it_has_expired_and_gives_nothing_else(before: SiteStore):
    """Late samples and a trim came since: neither shows, and nothing that was there reads as missing."""
    first = before.snapshots()[0].id
    opened, named = before.open(KEY), before.open(KEY, snapshot=first)
    parcel = pickle.dumps(opened)
    before.journal.append([samples(range(1, HOUR, 6))])
    commit(before)
    before.trim(older_than=T0 + 2 * HOUR * NS)
    before.tidy(now=time.time_ns() + 2 * DAY)
    assert first not in {one.id for one in before.snapshots()}
    for data in (opened, named, pickle.loads(parcel)):
        assert expired(data["x0"].compute)
        assert expired(data.isel(time=slice(-60, None))["sample_count"].compute)  # also where it is the same
    again = SiteStore(before.root, before.site)
    with pytest.raises(InputError, match="no such snapshot"):
        again.open(KEY, snapshot=first)
    assert again.open(KEY).load().sizes["time"] == HOUR - 5
    again.close()


def test_a_state_stays_for_a_day_after_it_gave_way(before: SiteStore):
    """The last commit may be days old when the next one comes: who opened it a minute ago reads on."""
    opened = before.open(KEY)
    first = opened.compute()
    written = before.snapshots()[0].time
    time.sleep(1.1)
    at = time.time_ns()
    time.sleep(1.1)
    before.trim(older_than=T0 + 2 * HOUR * NS)  # a day and a second after the commits, by the clock below
    assert written < np.datetime64(at, "ns")
    before.tidy(now=at + DAY)
    xr.testing.assert_identical(opened.compute(), first)
    before.tidy(now=time.time_ns() + 2 * DAY)
    assert expired(opened.compute)


def test_what_was_in_the_journal_and_is_forgotten_since_does_not_read_as_missing(before: SiteStore):
    put_hour(before, 3)
    opened = before.open(KEY)
    parcel = pickle.dumps(opened)
    first = opened.compute()
    commit(before)
    put_hour(before, 4)
    commit(before)
    PIECES.clear()
    xr.testing.assert_identical(opened.compute(), first)  # from the store now, as it was
    before.trim(older_than=T0 + 3 * HOUR * NS)
    PIECES.clear()
    xr.testing.assert_identical(opened.compute(), first)  # what was forgotten, its snapshot knows
    before.trim(older_than=T0 + 4 * HOUR * NS)
    PIECES.clear()
    for data in (opened, pickle.loads(parcel)):
        assert expired(data["x0"].compute)
        assert expired(data.isel(time=slice(-60, None))["sample_count"].compute)


# -- files ------------------------------------------------------------------------------------------------


def count(site: SiteStore) -> int:
    return sum(len(files) for _, _, files in os.walk(site.folder / "telemetry"))


def filled(root: Path, *, tags: int = 4, hours: int = 6, late: int = 0, steps: int = 0, days: int = 1) -> int:
    """Files of a site after ``days`` nights: a commit per hour, ``late`` more for late samples, keeper steps."""
    site = SiteStore(root, "ridge")
    now = [T0]
    with Keeper(site, now=lambda: now[0], late_every=0, linger=0) as keeper:
        for hour in range(hours):
            put_hour(site, hour, tags)
            commit(site)
            for n in range(late):
                site.journal.append([samples(range(hour * HOUR + 1 + n * 60, hour * HOUR + 50 + n * 60, 6), tags)])
                commit(site)
            for _ in range(steps):
                now[0] += NS
                keeper.step()
    before = count(site)
    for night in range(1, days + 1):
        site.tidy(now=time.time_ns() + (night + 1) * DAY)
    after = count(site)
    assert after <= before + 1  # the tag of the day
    assert site.verify() == []
    assert site.open(KEY, quality=False).load()["x0"].count() == hours * (600 + 9 * late)
    site.close()
    return after


def test_files_grow_with_tags_and_hours_and_with_nothing_else(tmp_path: Path):
    base = filled(tmp_path / "base")
    assert base < 2 * 4 * 6, "a file per tag and hour, and not half as many beside them"
    assert filled(tmp_path / "late", late=4) <= base
    assert filled(tmp_path / "steps", steps=10) <= base
    assert filled(tmp_path / "nights", days=5) <= base
    tags = filled(tmp_path / "tags", tags=8) - base
    hours = filled(tmp_path / "hours", hours=12) - base
    # Each tag more is a file an hour and its list of chunks; each hour more is a file per tag and the count.
    assert 4 * 6 <= tags <= 4 * (6 + 2)
    assert 6 * 4 <= hours <= 6 * (4 + 2)
