"""Mends what can be mended of a damaged site: journal rows, the journal's file, chunks and commits of the store.

Nothing is thrown away: what cannot be used any more is moved aside, into files named with the time of the
repair, and every line of the report says what was lost and from when.
"""

from __future__ import annotations

import contextlib
import fcntl
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import icechunk
import numpy as np
import zarr

from workbench.model.errors import InputError
from workbench.model.samples import SeriesKey
from workbench.store import block
from workbench.store.block import Row
from workbench.store.inspect import line_of, when_of
from workbench.store.journal import Journal
from workbench.store.reader import PIECES
from workbench.store.restamp import restamp
from workbench.store.telemetry import BRANCH, COUNT, Group, Snapshot, TelemetryError

if TYPE_CHECKING:
    from workbench.store.site import SiteStore
    from workbench.store.transaction import Transaction

_TABLES = {
    "meta": "key, value",
    "series": "id, name, slots",
    "shapes": "id, series, content",
    "assets": "id, series, name",
    "damaged": "seq, series, chunk, shape, slot_min, slot_max, n, flags, crc, block",
}
_ROWS = "seq, series, chunk, shape, slot_min, slot_max, n, flags, crc, block"


@dataclass
class RepairReport:
    """What a repair did: a sentence each."""

    site: str
    mended: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)  #: what could not be brought back

    @property
    def idle(self) -> bool:
        """Whether there was nothing to do."""
        return not (self.mended or self.lost)


def repair(site: SiteStore) -> RepairReport:
    """Mend a site's journal and store; see ``SiteStore.repair``."""
    report = RepairReport(site.site)
    if not site.folder.is_dir():
        return report
    with _alone(site):
        stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        site.close()
        newest = _mend_commits(site, report)
        if newest is not None:
            _mend_times(site, report)
        if site.journal_path.exists():
            _mend_journal(site, stamp, newest, report)
            _mend_rows(site, stamp, report)
        if newest is not None:
            _mend_chunks(site, report)
        PIECES.clear()
        site.close()
    return report


@contextlib.contextmanager
def _alone(site: SiteStore) -> Iterator[None]:
    """Hold the locks of collector and keeper; both would write to what is being mended."""
    with contextlib.ExitStack() as held:
        for name, who in (("collector.lock", "a collector collects"), ("keeper.lock", "a keeper serves")):
            lock = held.enter_context((site.folder / name).open("a+"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.seek(0)
                raise InputError(
                    f"{who} {site.site}",
                    file=site.folder / name,
                    found=f"process {lock.read().strip()}",
                    hint="stop it before mending what it writes to",
                ) from None
        yield


# -- the journal ------------------------------------------------------------------------------------------


def _mend_journal(site: SiteStore, stamp: str, newest: Snapshot | None, report: RepairReport) -> None:
    """Where the file is no sound database, carry what can be read into a new one."""
    path = site.journal_path
    try:
        with contextlib.closing(sqlite3.connect(path)) as raw:
            found = [line for (line,) in raw.execute("PRAGMA integrity_check(3)")]
            missing = {*_TABLES, "rows"} - {name for (name,) in raw.execute("SELECT name FROM sqlite_master")}
        if found == ["ok"] and not missing:
            return
    except sqlite3.DatabaseError as error:
        found = [str(error)]
    fresh = path.with_name(f"journal.mending-{stamp}.sqlite")
    carried, unread = _carry(path, fresh, newest)
    broken = path.with_name(f"journal.broken-{stamp}.sqlite")
    for suffix in ("-wal", "-shm", ""):
        part = Path(f"{path}{suffix}")
        if part.exists():
            part.rename(f"{broken}{suffix}")
    fresh.replace(path)
    report.mended.append(
        f"journal: the file was broken ({found[0]}); {carried} rows were carried into a new one, the old is {broken.name}"
    )
    if unread:
        report.lost.append(f"journal: {unread} rows could not be read")


def _carry(old: Path, new: Path, newest: Snapshot | None) -> tuple[int, int]:
    """Copy what can be read of a broken journal; returns rows copied and rows that could not be read."""
    journal = Journal(new)
    journal.append([], meta={})
    journal.close()
    carried = unread = 0
    with contextlib.closing(sqlite3.connect(old)) as source, contextlib.closing(sqlite3.connect(new)) as goal:
        for table, columns in _TABLES.items():
            places = ", ".join("?" * (columns.count(",") + 1))
            for row in _readable(source, f"SELECT {columns} FROM {table}"):  # noqa: S608  names are our own
                goal.execute(f"INSERT OR REPLACE INTO {table}({columns}) VALUES ({places})", row)  # noqa: S608
        _restore_identity(goal, newest)
        known = {number for (number,) in goal.execute("SELECT id FROM shapes")}
        places = ", ".join("?" * (_ROWS.count(",") + 1))
        for found in _rows(source):
            if found is None or found[3] not in known:
                unread += 1
                continue
            goal.execute(f"INSERT OR REPLACE INTO rows({_ROWS}) VALUES ({places})", found)  # noqa: S608
            carried += 1
        # Numbers only ever grow, also over a repair: what the store holds counts too.
        given = [seq for (seq,) in goal.execute("SELECT max(seq) FROM rows")]
        given += [seq for (seq,) in _readable(source, "SELECT seq FROM sqlite_sequence WHERE name = 'rows'")]
        last = max([_last_applied(newest), *(seq or 0 for seq in given)])
        goal.execute("DELETE FROM sqlite_sequence WHERE name = 'rows'")
        goal.execute("INSERT INTO sqlite_sequence(name, seq) VALUES ('rows', ?)", [last])
        goal.commit()
        goal.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    for suffix in ("-wal", "-shm"):
        Path(f"{new}{suffix}").unlink(missing_ok=True)
    return carried, unread


def _restore_identity(goal: sqlite3.Connection, newest: Snapshot | None) -> None:
    """Where the journal's id was not readable, take the one that the store knows."""
    if newest is not None and newest.applied.journal:
        goal.execute("INSERT OR REPLACE INTO meta VALUES ('id', ?)", [newest.applied.journal])


def _last_applied(newest: Snapshot | None) -> int:
    if newest is None:
        return 0
    applied = newest.applied
    return max([0, *applied.floor.values(), *(seq for found in applied.chunks.values() for seq in found.values())])


def _readable(source: sqlite3.Connection, query: str) -> Iterator[tuple[Any, ...]]:
    """Rows of a query until the first that cannot be read."""
    try:
        yield from source.execute(query)
    except sqlite3.DatabaseError:
        return


def _rows(source: sqlite3.Connection) -> Iterator[tuple[Any, ...] | None]:
    """Every row of the journal that can be read, None for one that cannot."""
    # The last number given stands on a page of its own; the last row may be where the damage is.
    asked = ("SELECT seq FROM sqlite_sequence WHERE name = 'rows'", "SELECT max(seq) FROM rows NOT INDEXED")
    last = max([seq for query in asked for (seq,) in _readable(source, query) if seq is not None], default=0)
    asked = ("SELECT min(seq) FROM rows NOT INDEXED", "SELECT min(seq) FROM rows INDEXED BY rows_by_chunk")
    at = min([seq for query in asked for (seq,) in _readable(source, query) if seq is not None], default=1)
    while at <= last:
        try:
            # In one go as far as it is sound, then behind the row that is not.
            for row in source.execute(f"SELECT {_ROWS} FROM rows NOT INDEXED WHERE seq >= ? ORDER BY seq", [at]):  # noqa: S608
                yield row
                at = row[0] + 1
            return
        except sqlite3.DatabaseError:
            yield None
            at += 1


def _mend_rows(site: SiteStore, stamp: str, report: RepairReport) -> None:
    """Move rows that do not match their checksum out of the journal, into a file of their own."""
    path = site.journal_path
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as raw:
        names = dict(raw.execute("SELECT id, name FROM series"))
        bad = [(row.seq, row.series, row.slot_min, row.slot_max) for row in _unsound(raw)]
        bad += raw.execute("SELECT seq, series, slot_min, slot_max FROM damaged").fetchall()
        if not bad:
            return
        aside = path.with_name(f"journal.damaged-{stamp}.sqlite")
        raw.execute("ATTACH ? AS aside", [str(aside)])
        raw.execute("BEGIN IMMEDIATE")
        raw.execute("CREATE TABLE aside.series AS SELECT * FROM main.series")
        raw.execute("CREATE TABLE aside.shapes AS SELECT * FROM main.shapes")
        raw.execute(f"CREATE TABLE aside.rows AS SELECT {_ROWS} FROM damaged")  # noqa: S608
        for seq, *_ in bad:
            raw.execute(f"INSERT INTO aside.rows SELECT {_ROWS} FROM main.rows WHERE seq = ?", [seq])  # noqa: S608
            raw.execute("DELETE FROM main.rows WHERE seq = ?", [seq])
        raw.execute("DELETE FROM damaged")
        raw.execute("COMMIT")
    report.mended.append(f"journal: {len(bad)} damaged rows were moved to {aside.name}")
    for seq, series, first, last in sorted(bad):
        report.lost.append(
            f"journal: row {seq} of {names.get(series)}, samples from {when_of(first)} to {when_of(last)}"
        )


def _unsound(raw: sqlite3.Connection) -> Iterator[Row]:
    columns = "seq, series, shape, slot_min, slot_max, n, flags, crc, block"
    for found in raw.execute(f"SELECT {columns} FROM rows ORDER BY seq"):  # noqa: S608
        row = Row(*found)
        if not block.is_sound(row):
            yield row


# -- the store --------------------------------------------------------------------------------------------


def _mend_commits(site: SiteStore, report: RepairReport) -> Snapshot | None:
    """The newest commit that can be read; where that is not the last one, the store goes back to it."""
    if not site.telemetry.exists():
        return None
    try:
        newest = site.telemetry.snapshot()
        for key in newest.series():
            newest.group(key)
        return newest
    except (TelemetryError, icechunk.IcechunkError, zarr.errors.BaseZarrError, KeyError, ValueError, OSError) as error:
        trouble = line_of(error)
    repository = site.telemetry.repository()
    if repository is None:
        return None
    with site.telemetry.committing(wait=10.0):
        files = sorted(
            (site.folder / "telemetry" / "snapshots").iterdir(), key=lambda f: f.stat().st_mtime, reverse=True
        )
        for file in files:
            try:
                found = Snapshot(repository.readonly_session(snapshot_id=file.name))
                for key in found.series():
                    found.group(key)
            except (TelemetryError, icechunk.IcechunkError, zarr.errors.BaseZarrError, KeyError, ValueError, OSError):
                continue
            if not found.series():
                continue
            repository.reset_branch(BRANCH, file.name)
            written = datetime.fromtimestamp(file.stat().st_mtime, UTC)
            report.mended.append(
                f"store: the last commit cannot be read ({trouble}); back at that of {written:%Y-%m-%d %H:%M}Z"
            )
            report.lost.append(
                f"store: what was committed after {written:%Y-%m-%d %H:%M}Z and is no longer in the journal"
            )
            return site.telemetry.snapshot()
    report.lost.append(f"store: no commit can be read ({trouble})")
    return None


def _mend_times(site: SiteStore, report: RepairReport) -> None:
    """Set back the time of commits made while the machine's clock was ahead: no other could follow them."""
    try:
        with site.telemetry.committing(wait=10.0):
            count = restamp(site.telemetry, datetime.now(UTC))
    except TelemetryError as error:
        report.lost.append(f"store: {error}")
        return
    if count:
        site.telemetry.forget()
        report.mended.append(f"store: {count} commits were from a time that is yet to come; they are in the past now")


def _mend_chunks(site: SiteStore, report: RepairReport) -> None:
    """Make chunks that cannot be read missing, so that the rest of their array can be."""
    snapshot = site.telemetry.snapshot()
    bad: dict[SeriesKey, list[tuple[str, int, int]]] = {}
    values: dict[SeriesKey, int] = {}
    axes = [key for key in snapshot.series() if not _axes_readable(snapshot, key)]
    for key in snapshot.series():
        group = snapshot.group(key)
        if group is not None:
            found, values[key] = _unreadable(snapshot, group)
            bad |= {key: found} if found else {}
    if not bad and not axes:
        return
    with site.telemetry.transaction("repair", wait=10.0) as change:
        for key in axes:
            change.rewrite_axes(key)
            report.mended.append(f"store: time and assets of {key} were written anew")
        for key, places in bad.items():
            report.lost += _drop(change, key, places)
            change.recount(key, values[key])
        change.notes = {"repair": sum(map(len, bad.values())), "axes": [str(key) for key in axes]}
    if bad:
        report.mended.append(f"store: {sum(map(len, bad.values()))} chunks that cannot be read are missing from now on")


def _drop(change: Transaction, key: SeriesKey, places: list[tuple[str, int, int]]) -> list[str]:
    """Delete chunks as they are; a sentence for each."""
    from zarr.core.sync import sync

    group = change.before.group(key)
    if group is None:
        return []
    said = []
    for name, time, column in places:
        sync(change.store.delete(f"{key}/{name}/c/{time}/{column}"))
        start = group.origin + time * group.grid.span
        assets = group.assets[column * group.asset_chunk : (column + 1) * group.asset_chunk]
        said.append(
            f"store: {key} {name} of {assets[0]} to {assets[-1]} from {when_of(start)} to {when_of(start + group.grid.span)}"
        )
    return said


def _axes_readable(snapshot: Snapshot, key: SeriesKey) -> bool:
    try:
        return all(len(np.asarray(snapshot.array(key, axis)[:])) > 0 for axis in ("time", "asset"))
    except Exception:  # whatever a codec makes of damaged bytes
        return False


def _unreadable(snapshot: Snapshot, group: Group) -> tuple[list[tuple[str, int, int]], int]:
    """Chunks (array, number in time, number in assets) that cannot be read, and the values in those that can."""
    found: list[tuple[str, int, int]] = []
    values = 0
    quality = [f"{name}_quality" for name in group.flagged]
    for name in (*group.variables, COUNT, *quality):
        array = snapshot.array(group.key, name)
        for start in range(0, group.size, group.slots):
            for column in range(0, len(group.assets), group.asset_chunk):
                try:
                    part = np.asarray(array[start : start + group.slots, column : column + group.asset_chunk])
                except Exception:  # whatever a codec makes of damaged bytes
                    found.append((name, start // group.slots, column // group.asset_chunk))
                    continue
                if part.dtype.kind == "f":
                    values += int(np.count_nonzero(~np.isnan(part)))
    return found, values
