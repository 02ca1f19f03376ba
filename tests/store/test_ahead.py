"""A store whose last commit was made while the machine's clock was ahead."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import icechunk
import pytest
import xarray as xr
from typer.testing import CliRunner

from workbench.cli import app
from workbench.collect.health import HealthFile, read_health, troubles
from workbench.model.errors import InputError
from workbench.model.samples import NS, Batch, SeriesKey
from workbench.store import Keeper, SiteStore
from workbench.store.restamp import restamp, stamped
from workbench.store.telemetry import BRANCH, AheadError, TelemetryError

Make = Callable[[Sequence[int], Sequence[Sequence[float]]], Batch]
YEAR = timedelta(days=365)


def put(site: SiteStore, batch: Make, seconds: Sequence[int]) -> None:
    site.journal.append([batch(seconds, [[s, s, s] for s in seconds])])


def times(site: SiteStore) -> list[datetime]:
    """When the commits were made, the newest first."""
    site.telemetry.forget()
    repository = site.telemetry.repository()
    assert repository is not None
    return [one.written_at for one in repository.ancestry(branch=BRANCH)]


def made_ahead(site: SiteStore, by: timedelta, commits: int) -> None:
    """The last commits are now such as a clock that is ``by`` ahead had made them."""
    repository = site.telemetry.repository()
    assert repository is not None
    for place, one in enumerate(repository.ancestry(branch=BRANCH)):
        if place < commits:
            path = site.folder / "telemetry" / "snapshots" / one.id
            path.write_bytes(stamped(path.read_bytes(), one.written_at, one.written_at + by))
    site.telemetry.forget()


@pytest.fixture
def filled(site: SiteStore, batch: Make, clock: list[int], t0: int) -> SiteStore:
    """An hour in the store, in four commits."""
    clock[0] = t0 + 4_000 * NS
    with Keeper(site, now=lambda: clock[0], late_every=0, linger=0) as keeper:
        for quarter in range(4):
            put(site, batch, range(quarter * 900, quarter * 900 + 900, 9))
            assert keeper.step().chunks
    return site


def test_it_takes_nothing_until_then_says_so_and_loses_nothing(
    filled: SiteStore, batch: Make, key: SeriesKey, clock: list[int], caplog: pytest.LogCaptureFixture
):
    before = filled.open(key).load()
    made_ahead(filled, YEAR, 2)
    put(filled, batch, [3_600, 7_199])
    clock[0] += 3_700 * NS
    HealthFile(filled.folder).write({"stopped": 0, "keeper": True}, [])
    with Keeper(filled, now=lambda: clock[0], late_every=0, linger=0) as keeper:
        for _ in range(3):
            report = keeper.step()
            assert report.chunks == 0
            assert len(report.trouble) == 1
        health = read_health(filled.folder)
        assert health is not None
        assert any("from the journal into the store" in line for line in troubles(health, time.time_ns()))
        assert len([line for line in caplog.messages if "from the journal into the store" in line]) == 1
        with pytest.raises(AheadError, match=r"yet to come[^?]*workbench store repair"):
            filled.trim(older_than=clock[0])
        assert any("the last commit is from" in line for line in filled.verify())
        xr.testing.assert_equal(filled.open(key).load().isel(time=slice(0, before.sizes["time"])), before)
        assert int(filled.open(key)["sample_count"].sum()) == 402
        with pytest.raises(InputError, match="a keeper serves"):
            filled.repair()
    opened = filled.open(key)
    told = CliRunner().invoke(app, ["store", "repair", filled.site, "--store", str(filled.root)])
    assert "2 commits were from a time that is yet to come" in told.output
    assert filled.verify() == []
    with Keeper(filled, now=lambda: clock[0], late_every=0, linger=0) as keeper:
        assert str(key) in keeper.step().committed
    health = read_health(filled.folder)
    assert health is not None
    assert not any("into the store" in line for line in troubles(health, time.time_ns()))
    xr.testing.assert_equal(opened.compute(), filled.open(key).load())
    assert int(filled.open(key)["sample_count"].sum()) == 402
    assert filled.repair().idle


def test_icechunk_itself_takes_nothing_until_then(filled: SiteStore, clock: list[int], monkeypatch: pytest.MonkeyPatch):
    """Why all this is: the day it does, it can go."""
    made_ahead(filled, YEAR, 1)
    monkeypatch.setattr(filled.telemetry, "ahead", lambda: None)
    with pytest.raises(icechunk.IcechunkError, match="timestamp"):
        filled.trim(older_than=clock[0])


def test_it_goes_on_by_itself_when_that_time_has_come(filled: SiteStore, batch: Make, clock: list[int], key: SeriesKey):
    with Keeper(filled, now=lambda: clock[0], late_every=0, linger=0) as keeper:
        made_ahead(filled, timedelta(seconds=3), 1)
        put(filled, batch, [3_700])
        clock[0] += 3_700 * NS
        assert keeper.step().trouble
        time.sleep(max(0.0, (times(filled)[0] - datetime.now(UTC)).total_seconds()) + 0.01)
        report = keeper.step()
        assert report.trouble == []
        assert report.chunks
        assert not (filled.folder / "keeper.json").exists()
    assert int(filled.open(key)["sample_count"].sum()) == 401


@pytest.mark.parametrize("commits", [2, 4, 5])
def test_all_commits_keep_their_order(filled: SiteStore, commits: int):
    """Also where the store was made while the clock was ahead: its beginning is a commit like the others."""
    made_ahead(filled, YEAR, commits)
    assert filled.repair().lost == []
    found = times(filled)
    assert len(found) == 5
    assert found == sorted(set(found), reverse=True)
    assert found[0] < datetime.now(UTC)
    assert filled.verify() == []
    filled.tidy(now=time.time_ns() + 2 * 86_400 * NS)
    assert len(filled.snapshots()) <= 3
    assert filled.verify() == []


def test_a_file_that_is_not_as_expected_stays_as_it_was(filled: SiteStore):
    """As one of a later version of Icechunk may be: said, and nothing is touched."""
    made_ahead(filled, YEAR, 3)
    folder = filled.folder / "telemetry" / "snapshots"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    repository = filled.telemetry.repository()
    assert repository is not None
    tip = folder / next(iter(repository.ancestry(branch=BRANCH))).id
    tip.write_bytes(before[tip.name][:38] + b"\0" + before[tip.name][39:])
    before[tip.name] = tip.read_bytes()
    with pytest.raises(TelemetryError, match="the time of a commit cannot be set"):
        restamp(filled.telemetry, datetime.now(UTC))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
