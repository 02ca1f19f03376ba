"""The journal: what a site has taken in and the store does not hold yet.

A SQLite file in WAL mode with ``synchronous=FULL``: when :meth:`Journal.append` returns, the batches are on
the disk. One process appends, the keeper deletes what the store has, any number of processes read, each
thread on its own connection. Numbers (``seq``) only ever grow, also over deletions and restarts.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
import time
import uuid
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.model.errors import InputError
from workbench.model.samples import Batch, SeriesKey, Shape
from workbench.store import block
from workbench.store.block import Row
from workbench.store.grid import chunk_slots, grid_of
from workbench.store.journal_view import ID_AND_LAST, JournalView, Names

#: Written into a new journal; a newer program may refuse or convert an older file by it.
FORMAT = 2
#: Pages of the WAL after which the appending process itself folds it into the file; the keeper does it
#: sooner, so that no append pays for it.
_CHECKPOINT_PAGES = 8_000
#: Bytes deleted in one transaction, so that an append never waits long.
_TRIM_BYTES = 8 << 20
_SCHEMA = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE series(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, slots INTEGER NOT NULL);
CREATE TABLE shapes(id INTEGER PRIMARY KEY, series INTEGER NOT NULL, content TEXT NOT NULL, UNIQUE(series, content));
CREATE TABLE assets(id INTEGER PRIMARY KEY, series INTEGER NOT NULL, name TEXT NOT NULL, UNIQUE(series, name));
CREATE TABLE rows(
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    series INTEGER NOT NULL, chunk INTEGER NOT NULL, shape INTEGER NOT NULL,
    slot_min INTEGER NOT NULL, slot_max INTEGER NOT NULL,
    n INTEGER NOT NULL, flags INTEGER NOT NULL, crc INTEGER NOT NULL, block BLOB NOT NULL);
CREATE INDEX rows_by_chunk ON rows(series, chunk, slot_min, slot_max, shape, n);
CREATE TABLE damaged(
    seq INTEGER PRIMARY KEY,
    series INTEGER, chunk INTEGER, shape INTEGER, slot_min INTEGER, slot_max INTEGER,
    n INTEGER, flags INTEGER, crc INTEGER, block BLOB);
"""


class Journal:
    """The journal in a file; made with its folder by the first append.

    Parameters
    ----------
    path
        ``<store>/<site>/journal.sqlite``.
    stored
        Slots in a chunk of a series in the store, 0 where it holds nothing of it; a new series takes the same.
    """

    def __init__(self, path: str | Path, *, stored: Callable[[SeriesKey], int] | None = None) -> None:
        self.path = Path(path)
        self._stored = stored
        self._expected: dict[SeriesKey, int] = {}
        self.names = Names()
        #: seq -> what was found, for rows that do not match their checksum
        self.damaged: dict[int, str] = {}
        self._lock = threading.RLock()
        self._local = threading.local()
        self._readers: weakref.WeakSet[_Reader] = weakref.WeakSet()
        self._pid = os.getpid()
        self._writer: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None  #: the file ``names`` are of

    # -- writing --------------------------------------------------------------------------------------

    def expect(self, key: SeriesKey, assets: int) -> None:
        """Say how many assets a series will have: that decides how long its chunks are when it begins."""
        self._expected[key] = assets

    def append(self, batches: Sequence[Batch], *, meta: Mapping[str, Any] | None = None) -> int:
        """Write batches durably, all or none, and return the number of the last.

        Parameters
        ----------
        batches
            Each is split where it crosses a border of chunks.
        meta
            Notes to keep in the same transaction, see :meth:`JournalView.meta`.

        Raises
        ------
        InputError
            The file cannot be written: no room, no permission, damaged.
        """
        with self._lock, self._told():
            connection = self._write_connection()
            last = 0
            with self._transaction(connection):
                for batch in batches:
                    for row in self._encoded(connection, batch):
                        last = connection.execute(_INSERT, row).lastrowid or last
                for key, value in (meta or {}).items():
                    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", [key, json.dumps(value)])
                if not last:
                    last = connection.execute(ID_AND_LAST).fetchone()[1]
            return int(last)

    def trim(self, key: SeriesKey, chunk: int, through: int, *, pause: float = 0.002) -> int:
        """Delete rows of a chunk with numbers up to ``through``; returns how many.

        Works in small transactions and rests between them, so that an appending process gets its turn.
        Damaged rows are set aside, not deleted.
        """
        with self._lock, self._told():
            connection = self._write_connection()
            self.names.load(connection)
            number = self.names.series_ids.get(key)
            rows = connection.execute(
                "SELECT seq, shape, n FROM rows INDEXED BY rows_by_chunk WHERE series = ? AND chunk = ? AND seq <= ?"
                " ORDER BY seq",
                [number, chunk, through],
            ).fetchall()
        for part in self._parts(rows):
            with self.view() as view:
                view.look_at(part)  # notes the damaged ones
            with self._lock, self._told():
                began = time.perf_counter()
                with self._transaction(connection):
                    for seq in part:
                        if seq in self.damaged:
                            connection.execute(_SET_ASIDE, [seq])
                        connection.execute("DELETE FROM rows WHERE seq = ?", [seq])
                    connection.execute(
                        "INSERT OR REPLACE INTO meta VALUES ('trimmed', max(?, coalesce("
                        "(SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'trimmed'), 0)))",
                        [part[-1]],
                    )
                took = time.perf_counter() - began
            time.sleep(max(pause, took))
        return len(rows)

    def tidy(self, *, pages: int = 2_000) -> None:
        """Fold the WAL into the file, and give disk space back where much of the file is free."""
        if not self.path.exists():
            return
        with self._lock, self._told():
            connection = self._write_connection()
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            (free,) = connection.execute("PRAGMA freelist_count").fetchone()
            (total,) = connection.execute("PRAGMA page_count").fetchone()
            if free > max(20_000, total // 2):
                connection.execute(f"PRAGMA incremental_vacuum({pages})").fetchall()

    def close(self) -> None:
        """Close every connection this object has opened; one that a thread is reading with when it has read."""
        with self._lock:
            if self._writer is not None:
                with contextlib.suppress(sqlite3.Error):
                    self._writer.close()
            readers, self._writer = list(self._readers), None
            self._readers.clear()
            self._local = threading.local()
        for reader in readers:
            reader.close()

    # -- reading --------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def view(self) -> Iterator[JournalView]:
        """The journal as it is now, for a series of questions that belong together.

        While a view is open the file cannot shrink its WAL: keep it short.
        """
        with self._told(), self._reading() as reader:
            if reader is None:
                yield JournalView(self.names)
                return
            connection = reader.connection
            nested = connection.in_transaction
            if not nested:
                connection.execute("BEGIN")
            try:
                with self._lock:
                    # One that is just being left behind: its numbers say something else than the new file's.
                    names = self.names if reader.file == self._file else Names()
                    view = JournalView(names, connection, self.report_damage)
                yield view
            finally:
                if not nested and connection.in_transaction:
                    connection.execute("ROLLBACK")

    def since(self, seq: int, keys: Iterable[SeriesKey] | None = None) -> list[Batch]:
        """Batches with a number above ``seq``, in order; only of the series ``keys`` where given."""
        if not self.has_news(seq):
            return []
        with self.view() as view:
            return [view.batch(row) for row in view.after(seq, keys)]

    def has_news(self, seq: int) -> bool:
        """Whether a row with a number above ``seq`` was ever written; much cheaper than asking for it."""
        return self.last_seq > seq

    @property
    def last_seq(self) -> int:
        """The highest number ever given; 0 where there is none."""
        with self._told(), self._reading() as reader:
            if reader is None:
                return 0
            found = reader.connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'rows'").fetchone()
            return 0 if found is None else int(found[0])

    @property
    def trimmed_seq(self) -> int:
        """The highest number ever deleted; 0 where there is none."""
        with self.view() as view:
            return int(view.meta("trimmed") or 0)

    def report_damage(self, row: Row) -> None:
        """Note a row that does not match its checksum."""
        if row.seq not in self.damaged:
            import logging

            text = f"{self.path}: row {row.seq} does not match its checksum and is left out"
            self.damaged[row.seq] = text
            logging.getLogger("workbench.store").warning(text)

    # -- inside ---------------------------------------------------------------------------------------

    def _encoded(self, connection: sqlite3.Connection, batch: Batch) -> Iterator[tuple[object, ...]]:
        key = batch.shape.key
        series, shape = self._series_id(connection, batch), self._shape_id(connection, batch.shape)
        grid = self.names.grid(key)
        ids = self._asset_numbers(connection, key, batch)
        for part in _by_chunk(batch, grid.span):
            if not len(part):
                continue
            slot_min, slot_max = int(part.slot.min()), int(part.slot.max())
            flags, data = block.encode(part, slot_min, grid.step, ids[part.asset])
            facts = (shape, slot_min, slot_max, len(part), flags)
            yield series, grid.chunk(slot_min), *facts, block.checksum(facts, data), data

    def _series_id(self, connection: sqlite3.Connection, batch: Batch) -> int:
        key = batch.shape.key
        if key not in self.names.series_ids:
            slots = self._stored(key) if self._stored is not None else 0
            if not slots:
                assets = max(self._expected.get(key, 0), len(batch.assets))
                slots = chunk_slots(grid_of(key.cadence).step, assets * len(batch.shape.variables))
            connection.execute("INSERT OR IGNORE INTO series(name, slots) VALUES (?, ?)", [str(key), slots])
            self.names.load(connection)
        return self.names.series_ids[key]

    def _shape_id(self, connection: sqlite3.Connection, shape: Shape) -> int:
        if shape not in self.names.shape_ids:
            content = json.dumps([shape.variables, shape.dtypes])
            series = self.names.series_ids[shape.key]
            connection.execute("INSERT OR IGNORE INTO shapes(series, content) VALUES (?, ?)", [series, content])
            self.names.load(connection)
        return self.names.shape_ids[shape]

    def _asset_numbers(self, connection: sqlite3.Connection, key: SeriesKey, batch: Batch) -> npt.NDArray[np.int32]:
        """Number of each of the batch's assets in the journal; -1 for one that is named without a sample."""
        known = self.names.asset_ids[key]
        places = np.unique(batch.asset)
        names = [batch.assets[place] for place in places]
        new = [name for name in names if name not in known]
        if new:
            # All at once: the names are put in order after each load.
            series = self.names.series_ids[key]
            rows = [(series, name) for name in new]
            connection.executemany("INSERT OR IGNORE INTO assets(series, name) VALUES (?, ?)", rows)
            self.names.load(connection)
            known = self.names.asset_ids[key]
        ids = np.full(len(batch.assets), -1, dtype=np.int32)
        ids[places] = [known[name] for name in names]
        return ids

    def _parts(self, rows: Sequence[tuple[int, int, int]]) -> Iterator[list[int]]:
        part: list[int] = []
        size = 0
        for seq, shape, n in rows:
            part.append(seq)
            size += n * (block.HEAD + block.layout_of(self.names.shapes[shape]).width)
            if size > _TRIM_BYTES or len(part) >= 500:
                yield part
                part, size = [], 0
        if part:
            yield part

    @contextlib.contextmanager
    def _transaction(self, connection: sqlite3.Connection) -> Iterator[None]:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            self.names = Names()  # may hold numbers that were rolled back
            raise

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise InputError(
                "the journal cannot be used",
                file=self.path,
                found=f"{type(error).__name__}: {error}",
                hint="see that the disk has room and the folder can be written; look into it with: workbench store verify",
            ) from error

    def _fresh(self) -> None:
        if self._pid != os.getpid():  # a connection must not cross a fork
            self._readers, self._writer = weakref.WeakSet(), None
            self._local, self._pid = threading.local(), os.getpid()
            self._lock = threading.RLock()

    def _write_connection(self) -> sqlite3.Connection:
        self._fresh()
        if self._writer is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=30.0, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA busy_timeout = 30000")
            _prepare(connection, self.path)
            self._names_of(_identity(self.path))
            self.names.load(connection)
            self._writer = connection
        return self._writer

    def _names_of(self, file: tuple[int, int] | None) -> None:
        """Begin the names anew where they are those of another file."""
        if self._file not in (None, file):
            self.names = Names()
        self._file = file

    @contextlib.contextmanager
    def _reading(self) -> Iterator[_Reader | None]:
        """The thread's connection for reading, which nobody closes meanwhile; None where there is no file yet."""
        while True:
            reader = self._reader()
            if reader is None:
                yield None
                return
            if reader.take():
                break
        try:
            yield reader
        finally:
            reader.give_back()

    def _reader(self) -> _Reader | None:
        self._fresh()
        reader: _Reader | None = getattr(self._local, "reader", None)
        file = _identity(self.path)
        if reader is not None and file not in (None, reader.file) and not reader.busy:
            # Another file has taken its place (a repair, a store made anew): the one that is open gets no more rows.
            reader.close()
        if reader is None or reader.ended:
            if file is None:
                return None
            connection = sqlite3.connect(
                f"{self.path.resolve().as_uri()}?mode=ro",
                uri=True,
                timeout=10.0,
                isolation_level=None,
                check_same_thread=False,
            )
            # A file that is only just being made has no tables yet.
            if connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'rows'").fetchone()[0] == 0:
                connection.close()
                return None
            reader = _Reader(connection, file)
            with self._lock:
                self._names_of(file)
                self._readers.add(reader)
                self._local.reader = reader
        return reader


class _Reader:
    """A thread's connection for reading. It goes with its thread, or when it is closed and nobody reads with it."""

    def __init__(self, connection: sqlite3.Connection, file: tuple[int, int]) -> None:
        self.connection = connection
        self.file = file
        self.ended = False
        self._users = 0
        self._lock = threading.Lock()
        # Not when the process ends: a thread may still be reading then.
        weakref.finalize(self, connection.close).atexit = False

    @property
    def busy(self) -> bool:
        """Whether its thread is reading with it."""
        return self._users > 0

    def take(self) -> bool:
        """Begin to read; False where it was closed."""
        with self._lock:
            self._users += not self.ended
            return not self.ended

    def give_back(self) -> None:
        """End reading."""
        with self._lock:
            self._users -= 1
            if self.ended and not self._users:
                self.connection.close()

    def close(self) -> None:
        """Let nobody begin to read any more, and close as soon as nobody reads."""
        with self._lock:
            self.ended = True
            if not self._users:
                # SQLite ends the process, not the call, where a connection is closed under a thread that uses it.
                self.connection.close()


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from another of the same name; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


_SET_ASIDE = (
    "INSERT OR REPLACE INTO damaged"
    " SELECT seq, series, chunk, shape, slot_min, slot_max, n, flags, crc, block FROM rows WHERE seq = ?"
)
_INSERT = "INSERT INTO rows(series, chunk, shape, slot_min, slot_max, n, flags, crc, block) VALUES (?,?,?,?,?,?,?,?,?)"


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Set a connection up for writing, and lay the tables out in a new file."""
    new = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    if new:
        connection.execute("PRAGMA page_size = 8192")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit = {128 << 20}")
    if new:
        connection.execute("BEGIN IMMEDIATE")
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            connection.execute("INSERT INTO meta VALUES ('format', ?)", [str(FORMAT)])
            connection.execute("INSERT INTO meta VALUES ('id', ?)", [uuid.uuid4().hex])
        connection.execute("COMMIT")
    (found,) = connection.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()
    if int(found) != FORMAT:
        raise InputError(
            "journal of another format",
            file=path,
            found=found,
            expected=str(FORMAT),
            hint="another version of the workbench wrote it: read it with that one, or move it away",
        )


def _by_chunk(batch: Batch, span: int) -> Iterator[Batch]:
    """The parts of a batch that lie in one chunk each."""
    chunk = batch.slot // span
    if not len(chunk) or (chunk[0] == chunk).all():
        yield batch
        return
    for number in np.unique(chunk):
        at = np.flatnonzero(chunk == number)
        yield Batch(
            batch.shape,
            batch.assets,
            batch.slot[at],
            batch.asset[at],
            batch.time[at],
            batch.received[at],
            batch.count[at],
            batch.values[at],
            None if batch.quality is None else batch.quality[at],
            replace=batch.replace,
        )
