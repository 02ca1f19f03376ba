"""Reading a journal: its names, and all its rows as they are at one instant."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from workbench.model.samples import Batch, SeriesKey, Shape
from workbench.store import block
from workbench.store.block import Row
from workbench.store.grid import Grid, grid_of

_COLUMNS = "seq, series, shape, slot_min, slot_max, n, flags, crc, block"
ID_AND_LAST = (
    "SELECT (SELECT value FROM meta WHERE key = 'id'),"
    " coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'rows'), 0)"
)


class ChunkRows(NamedTuple):
    """Journal rows of one chunk of a series; slots are starts [ns]."""

    chunk: int
    slot_min: int
    slot_max: int
    seq_min: int
    seq_max: int
    rows: int
    values: int


class Names:
    """Series, shapes and assets of a journal by their numbers. They are only ever added to."""

    def __init__(self) -> None:
        self.series: dict[int, SeriesKey] = {}
        self.series_ids: dict[SeriesKey, int] = {}
        self.slots: dict[SeriesKey, int] = {}  #: slots in a chunk of each series
        self.shapes: dict[int, Shape] = {}
        self.shape_ids: dict[Shape, int] = {}
        self.assets: dict[SeriesKey, tuple[str, ...]] = {}
        self.asset_ids: dict[SeriesKey, dict[str, int]] = {}
        #: series -> [asset number] index into ``assets`` of the series, -1 elsewhere
        self.places: dict[SeriesKey, npt.NDArray[np.int32]] = {}

    def load(self, connection: sqlite3.Connection) -> None:
        """Read what was added since."""
        for number, name, slots in connection.execute(
            "SELECT id, name, slots FROM series WHERE id > ?", [max(self.series, default=0)]
        ):
            self.add_series(number, SeriesKey.parse(name), slots)
        known = max(self.shapes, default=0)
        for number, series, content in connection.execute("SELECT * FROM shapes WHERE id > ? ORDER BY id", [known]):
            variables, dtypes = json.loads(content)
            self.add_shape(number, Shape(self.series[series], tuple(variables), tuple(dtypes)))
        known = max((max(ids.values()) for ids in self.asset_ids.values() if ids), default=0)
        grown = set()
        for number, series, name in connection.execute("SELECT * FROM assets WHERE id > ? ORDER BY id", [known]):
            key = self.series[series]
            self.asset_ids[key][name] = number
            grown.add(key)
        for key in grown:
            self.arrange(key)

    def grid(self, key: SeriesKey) -> Grid:
        """The grid by which the journal's rows of a series are numbered."""
        return grid_of(key.cadence, self.slots.get(key, 0))

    def add_series(self, number: int, key: SeriesKey, slots: int) -> None:
        """Take a series in, with ``slots`` in a chunk."""
        self.series[number] = key
        self.slots[key] = slots
        self.series_ids[key] = number
        self.asset_ids[key] = {}
        self.arrange(key)

    def add_shape(self, number: int, shape: Shape) -> None:
        """Take a shape in."""
        self.shapes[number] = shape
        self.shape_ids[shape] = number

    def arrange(self, key: SeriesKey) -> None:
        """Bring the assets of a series into the order of their numbers."""
        ids = self.asset_ids[key]
        self.assets[key] = tuple(ids)
        places = np.full(max(ids.values(), default=0) + 1, -1, dtype=np.int32)
        places[list(ids.values())] = np.arange(len(ids), dtype=np.int32)
        self.places[key] = places

    def variables(self, key: SeriesKey) -> dict[str, str]:
        """Variables ever seen in a series, with the widest dtype each came in."""
        found: dict[str, str] = {}
        for shape in self.shapes.values():
            if shape.key == key:
                for name, dtype in zip(shape.variables, shape.dtypes, strict=True):
                    found[name] = max(found.get(name, dtype), dtype)
        return found


class JournalView:
    """A journal as it is at one instant: all its answers belong together.

    Made by ``Journal.view``. Rows that are damaged are left out and given to ``report``. Without a
    ``connection`` it is an empty journal.
    """

    def __init__(
        self, names: Names, connection: sqlite3.Connection | None = None, report: Callable[[Row], None] | None = None
    ) -> None:
        self._connection = connection
        self._report = report
        self.names = names
        self.id = ""
        self.last_seq = 0
        if connection is not None:
            # The first read fixes the instant.
            self.id, self.last_seq = connection.execute(ID_AND_LAST).fetchone()
            self.names.load(connection)

    def series(self) -> list[SeriesKey]:
        """Series ever seen."""
        return list(self.names.series_ids)

    def chunks(self, key: SeriesKey, *, after: int = 0, only: int | None = None) -> list[ChunkRows]:
        """Chunks of a series with rows numbered above ``after``, in order of time; or ``only`` that chunk."""
        number = self.names.series_ids.get(key)
        if self._connection is None or number is None:
            return []
        width = {i: len(shape.variables) for i, shape in self.names.shapes.items() if shape.key == key}
        found: dict[int, ChunkRows] = {}
        for chunk, shape, first, last, low, high, rows, n in self._connection.execute(
            "SELECT chunk, shape, min(slot_min), max(slot_max), min(seq), max(seq), count(*), sum(n)"
            " FROM rows INDEXED BY rows_by_chunk WHERE series = ? AND seq > ? AND chunk BETWEEN ? AND ?"
            " GROUP BY chunk, shape",
            [number, after, *((-(1 << 62), 1 << 62) if only is None else (only, only))],
        ):
            new = ChunkRows(chunk, first, last, low, high, rows, n * width[shape])
            old = found.get(chunk)
            if old is not None:
                new = ChunkRows(
                    chunk,
                    min(old.slot_min, new.slot_min),
                    max(old.slot_max, new.slot_max),
                    min(old.seq_min, new.seq_min),
                    max(old.seq_max, new.seq_max),
                    old.rows + new.rows,
                    old.values + new.values,
                )
            found[chunk] = new
        return [found[chunk] for chunk in sorted(found)]

    def chunk(self, key: SeriesKey, chunk: int, *, after: int = 0) -> ChunkRows | None:
        """The rows of one chunk numbered above ``after``; None where there are none."""
        return next((found for found in self.chunks(key, after=after, only=chunk)), None)

    def spans(self, key: SeriesKey, *, after: int) -> list[tuple[int, int]]:
        """First and last slot [ns] of each row of a series with a number above ``after``."""
        number = self.names.series_ids.get(key)
        if self._connection is None or number is None:
            return []
        query = "SELECT DISTINCT slot_min, slot_max FROM rows NOT INDEXED WHERE seq > ? AND series = ?"
        return self._connection.execute(query, [after, number]).fetchall()

    def rows(
        self,
        key: SeriesKey,
        *,
        after: int = 0,
        through: int | None = None,
        start: int | None = None,
        end: int | None = None,
        chunk: int | None = None,
    ) -> Iterator[Row]:
        """Sound rows of a series in the order of their numbers.

        ``after`` < seq ≤ ``through``; only rows that may have samples in slots from ``start`` until before
        ``end`` [ns]; only those of ``chunk``.
        """
        number = self.names.series_ids.get(key)
        if self._connection is None or number is None:
            return
        wheres, values = ["series = ?", "seq > ?"], [number, after]
        if chunk is not None:
            wheres.append("chunk = ?")
            values.append(chunk)
        elif start is not None and end is not None:
            span = self.names.grid(key).span
            wheres.append("chunk BETWEEN ? AND ?")
            values += [start // span, (end - 1) // span]
        for where, value in (("seq <= ?", through), ("slot_max >= ?", start), ("slot_min < ?", end)):
            if value is not None:
                wheres.append(where)
                values.append(value)
        # Numbers first: sorting them is cheap, sorting the blocks is not.
        seqs = [
            seq
            for (seq,) in self._connection.execute(
                f"SELECT seq FROM rows INDEXED BY rows_by_chunk WHERE {' AND '.join(wheres)} ORDER BY seq",  # noqa: S608
                values,
            )
        ]
        yield from self._sound(self._by_number(seqs))

    def after(self, seq: int, keys: Iterable[SeriesKey] | None = None) -> Iterator[Row]:
        """Sound rows with a number above ``seq``, in order."""
        if self._connection is None:
            return
        query, values = f"SELECT {_COLUMNS} FROM rows WHERE seq > ?", [seq]  # noqa: S608
        if keys is not None:
            numbers = [self.names.series_ids[key] for key in keys if key in self.names.series_ids]
            query += f" AND series IN ({','.join(map(str, numbers))})"
        yield from self._sound(Row(*found) for found in self._connection.execute(query + " ORDER BY seq", values))

    def look_at(self, seqs: Sequence[int]) -> None:
        """Read rows, so that damage is reported."""
        for _ in self._sound(self._by_number(seqs)):
            pass

    def batch(self, row: Row) -> Batch:
        """A row as the batch it was made from."""
        shape = self.names.shapes[row.shape]
        key = shape.key
        return block.decode(row, shape, grid_of(key.cadence).step, self.names.assets[key], self.names.places[key])

    def meta(self, key: str) -> Any:
        """A note kept by :meth:`Journal.append`; None where there is none."""
        if self._connection is None:
            return None
        found = self._connection.execute("SELECT value FROM meta WHERE key = ?", [key]).fetchone()
        return None if found is None else json.loads(found[0])

    def check(self) -> Iterator[str]:
        """Read every row; a sentence for each that is damaged."""
        if self._connection is None:
            return
        for (line,) in self._connection.execute("PRAGMA integrity_check(20)"):
            if line != "ok":
                yield f"journal: {line}"
        for found in self._connection.execute(f"SELECT {_COLUMNS} FROM rows ORDER BY seq"):  # noqa: S608
            row = Row(*found)
            if not block.is_sound(row):
                yield f"journal: row {row.seq} of {self.names.series.get(row.series)} does not match its checksum"
        for seq, series in self._connection.execute("SELECT seq, series FROM damaged ORDER BY seq"):
            yield f"journal: row {seq} of {self.names.series.get(series)} was damaged and set aside"

    def _by_number(self, seqs: Sequence[int]) -> Iterator[Row]:
        if self._connection is None:
            return
        query = f"SELECT {_COLUMNS} FROM rows WHERE seq = ?"  # noqa: S608
        for seq in seqs:
            yield Row(*self._connection.execute(query, [seq]).fetchone())

    def _sound(self, rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            if block.is_sound(row):
                yield row
            else:
                if self._report is not None:
                    self._report(row)
