"""Operational records: what happened, and what was run. SQLAlchemy on SQLite; a URL switches to PostgreSQL."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from workbench.model.errors import InputError
from workbench.model.samples import Event

if TYPE_CHECKING:
    import polars as pl

metadata = sa.MetaData()

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True, comment="hash of what makes the event the same event"),
    sa.Column("site", sa.Text, nullable=False),
    sa.Column("asset", sa.Text, nullable=False),
    sa.Column("time", sa.BigInteger, nullable=False, comment="ns since 1970 UTC, the source's own time"),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("attributes", sa.JSON, nullable=False),
    sa.Index("events_by_site_time", "site", "time"),
    sa.Index("events_by_asset_time", "asset", "time"),
    sa.Index("events_by_time", "time"),
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False, comment="report, pipeline, import, …"),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("started", sa.BigInteger, nullable=False, comment="ns since 1970 UTC"),
    sa.Column("ended", sa.BigInteger, comment="ns since 1970 UTC; null while it runs"),
    sa.Column("status", sa.Text, nullable=False, comment="running, done, failed"),
    sa.Column("parameters", sa.JSON, nullable=False),
    sa.Column("detail", sa.JSON, nullable=False),
    sa.Index("runs_by_name", "kind", "name", "started"),
)


class Records:
    """The records of a portfolio.

    Parameters
    ----------
    where
        Path of a SQLite file (made where it is missing) or a database URL, such as
        ``postgresql+psycopg://user@host/db``.

    Raises
    ------
    InputError
        The database cannot be opened; a password in the URL is not shown.
    """

    def __init__(self, where: str | Path) -> None:
        text = str(where)
        if "://" not in text:
            path = Path(where)
            path.parent.mkdir(parents=True, exist_ok=True)
            text = f"sqlite:///{path}"
        try:
            url = sa.engine.make_url(text)
            self.where = url.render_as_string(hide_password=True)
            options: dict[str, Any] = {"connect_args": {"timeout": 30}} if url.get_backend_name() == "sqlite" else {}
            self._engine = sa.create_engine(url, pool_pre_ping=url.get_backend_name() != "sqlite", **options)
            if url.get_backend_name() == "sqlite":
                sa.event.listen(self._engine, "connect", _tune_sqlite)
            metadata.create_all(self._engine)
        except (sa.exc.SQLAlchemyError, ModuleNotFoundError) as error:
            raise InputError(
                "the records cannot be opened",
                where=getattr(self, "where", "records"),
                found=str(getattr(error, "orig", None) or error).strip().splitlines()[0],
                expected="a path, or a database URL such as postgresql+psycopg://user@host/database",
            ) from error

    # -- events ---------------------------------------------------------------------------------------

    def add_events(self, new: Sequence[Event]) -> int:
        """Write events; those already there stay as they are. Returns how many were new."""
        if not new:
            return 0
        rows = list({row["id"]: row for row in map(_event_row, new)}.values())
        with self._engine.begin() as connection:
            added = 0
            for at in range(0, len(rows), 500):  # far below any database's limit of parameters
                insert = self._insert(events).values(rows[at : at + 500]).on_conflict_do_nothing()
                added += len(connection.execute(insert.returning(events.c.id)).all())
        return added

    def events(
        self,
        site: str | None = None,
        asset: str | None = None,
        start: object = None,
        end: object = None,
        kind: str | Sequence[str] | None = None,
        *,
        severity: str | Sequence[str] | None = None,
        limit: int | None = None,
        newest_first: bool = True,
    ) -> pl.DataFrame:
        """Events with ``start`` ≤ time < ``end``, the newest first.

        ``start`` and ``end`` may be ns since 1970 UTC, datetimes, or texts. Columns: time (datetime[ns],
        UTC), site, asset, kind, name, value, text, severity, source, attributes (JSON text).
        """
        import polars as pl

        columns = [column for column in events.c if column.name != "id"]
        query = sa.select(*columns)
        if site is not None:
            query = query.where(events.c.site == site)
        if asset is not None:
            query = query.where(events.c.asset == asset)
        if start is not None:
            query = query.where(events.c.time >= _ns(start))
        if end is not None:
            query = query.where(events.c.time < _ns(end))
        for column, wanted in ((events.c.kind, kind), (events.c.severity, severity)):
            if wanted is not None:
                query = query.where(column.in_([wanted] if isinstance(wanted, str) else list(wanted)))
        order = events.c.time.desc() if newest_first else events.c.time.asc()
        query = query.order_by(order, events.c.id)
        if limit is not None:
            query = query.limit(limit)
        with self._engine.connect() as connection:
            found = connection.execute(query).all()
        schema = {column.name: pl.Int64 if column.name == "time" else pl.String for column in columns}
        rows = [(*row[:1], *row[1:-1], json.dumps(row[-1])) for row in found]
        frame = pl.DataFrame(rows, schema=schema, orient="row")
        return frame.with_columns(pl.col("time").cast(pl.Datetime("ns", "UTC"))).select(
            "time", *[name for name in schema if name != "time"]
        )

    # -- runs -----------------------------------------------------------------------------------------

    def start_run(
        self, kind: str, name: str, parameters: Mapping[str, Any] | None = None, *, run: str | None = None
    ) -> str:
        """Note that something has begun; returns its id. A ``run`` already there begins anew."""
        import uuid

        run = run or uuid.uuid4().hex
        row = {
            "id": run,
            "kind": kind,
            "name": name,
            "started": time.time_ns(),
            "ended": None,
            "status": "running",
            "parameters": dict(parameters or {}),
            "detail": {"process": os.getpid(), "host": socket.gethostname()},
        }
        insert = self._insert(runs).values(row)
        update = insert.on_conflict_do_update(index_elements=["id"], set_={k: v for k, v in row.items() if k != "id"})
        with self._engine.begin() as connection:
            connection.execute(update)
        return run

    def end_run(self, run: str, status: str = "done", detail: Mapping[str, Any] | None = None) -> None:
        """Note that a run has ended.

        Raises
        ------
        InputError
            There is no such run.
        """
        update = (
            sa.update(runs)
            .where(runs.c.id == run)
            .values(ended=time.time_ns(), status=status, detail=dict(detail or {}))
        )
        with self._engine.begin() as connection:
            if connection.execute(update).rowcount == 0:
                raise InputError("no such run", where="run", found=run)

    def runs(self, kind: str | None = None, name: str | None = None, *, limit: int | None = None) -> pl.DataFrame:
        """Runs, the newest first; columns id, kind, name, started, ended, status, parameters, detail."""
        import polars as pl

        query = sa.select(runs).order_by(runs.c.started.desc(), runs.c.id)
        if kind is not None:
            query = query.where(runs.c.kind == kind)
        if name is not None:
            query = query.where(runs.c.name == name)
        if limit is not None:
            query = query.limit(limit)
        with self._engine.connect() as connection:
            found = connection.execute(query).all()
        times = {"started", "ended"}
        schema = {column.name: pl.Int64 if column.name in times else pl.String for column in runs.c}
        rows = [(*row[:-2], json.dumps(row[-2]), json.dumps(row[-1])) for row in found]
        frame = pl.DataFrame(rows, schema=schema, orient="row")
        return frame.with_columns(pl.col("started", "ended").cast(pl.Datetime("ns", "UTC")))

    # -- inside ---------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _insert(self, table: sa.Table) -> Any:
        from sqlalchemy.dialects import postgresql, sqlite

        return (postgresql if self._engine.dialect.name == "postgresql" else sqlite).insert(table)


def _tune_sqlite(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()


def _event_row(event: Event) -> dict[str, Any]:
    same = (event.site, event.asset, event.time, event.kind, event.name, event.value, event.source)
    return {
        "id": hashlib.blake2b(json.dumps(same).encode(), digest_size=16).hexdigest(),
        "site": event.site,
        "asset": event.asset,
        "time": int(event.time),
        "kind": event.kind,
        "name": event.name,
        "value": event.value,
        "text": event.text,
        "severity": event.severity,
        "source": event.source,
        "attributes": event.attributes,
    }


def _ns(when: object) -> int:
    if isinstance(when, int):
        return when
    from workbench.store.selection import time_ns

    return time_ns(when, where="start/end")
