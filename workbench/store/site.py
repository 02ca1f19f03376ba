"""One site's telemetry: journal and store as one."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.model.errors import InputError, did_you_mean
from workbench.model.samples import SeriesKey
from workbench.store.grid import series_key
from workbench.store.journal import Journal
from workbench.store.selection import chosen, time_range

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from workbench.store.importing import ImportReport
    from workbench.store.inspect import SnapshotInfo, StoreInfo
    from workbench.store.news import Mark
    from workbench.store.reader import SeriesSource, SeriesView, SiteView
    from workbench.store.repair import RepairReport
    from workbench.store.telemetry import Snapshot, Telemetry


@dataclass(frozen=True)
class SeriesInfo:
    """What is known of a series without reading its values."""

    key: SeriesKey
    assets: tuple[str, ...]
    variables: tuple[str, ...]
    first: np.datetime64 | None  #: start of the first slot with a sample, UTC
    last: np.datetime64 | None  #: start of the last
    step: int  #: length of a slot [ns]
    journal_rows: int  #: rows that are not in the store yet
    journal_values: int
    stored: bool  #: whether the store holds any of it

    @property
    def slots(self) -> int:
        """Number of slots from the first to the last."""
        if self.first is None or self.last is None:
            return 0
        return int((self.last - self.first).astype("timedelta64[ns]").astype("int64")) // self.step + 1


class SiteStore:
    """Telemetry of one site.

    Safe to share between threads; each process makes its own. Nothing is created by looking.

    Parameters
    ----------
    root
        Root of the store; the site has the folder ``<root>/<site>``.
    site
        Id of the site.
    """

    def __init__(self, root: str | Path, site: str) -> None:
        self.root = Path(root)
        self.site = site
        self.folder = self.root / site
        self.journal_path = self.folder / "journal.sqlite"
        self.journal = Journal(self.journal_path, stored=self._slots)
        self._telemetry: Telemetry | None = None
        self._snapshots: dict[str, Snapshot] = {}
        self._lock = threading.Lock()
        self._views = threading.local()

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process may have another working directory.
        return _one_of_each, (self.root.resolve(), self.site)

    def __repr__(self) -> str:
        return f"SiteStore({str(self.root)!r}, {self.site!r})"

    @property
    def telemetry(self) -> Telemetry:
        """The store's side, for those who commit."""
        from workbench.store.telemetry import Telemetry

        with self._lock:
            if self._telemetry is None:
                self._telemetry = Telemetry(self.folder / "telemetry")
            return self._telemetry

    def close(self) -> None:
        """Close the journal's connections."""
        self.journal.close()

    def _slots(self, key: SeriesKey) -> int:
        """Slots in a chunk of what the store holds of a series; 0 for none."""
        try:
            group = self.telemetry.snapshot().group(key) if self.telemetry.exists() else None
        except Exception:
            # A store that cannot be read keeps nobody from collecting; chunks of another length only cost more.
            return 0
        return 0 if group is None else group.slots

    # -- looking --------------------------------------------------------------------------------------

    def exists(self) -> bool:
        """Whether there is anything of this site."""
        return self.journal_path.exists() or self.telemetry.exists()

    @contextlib.contextmanager
    def view(self) -> Iterator[SiteView]:
        """Journal and store at one instant; keep it short. Inside another of the same thread: the same one."""
        from workbench.store.reader import site_view

        outer = self.current_view()
        if outer is not None:
            yield outer
            return
        with site_view(self) as view:
            self._views.view = view
            try:
                yield view
            finally:
                self._views.view = None

    def current_view(self) -> SiteView | None:
        """The view this thread has open."""
        found: SiteView | None = getattr(self._views, "view", None)
        return found

    def series(self) -> list[SeriesInfo]:
        """Every series of the site."""
        with self.view() as view:
            return [_info(view.series(key)) for key in view.known()]

    def open(
        self,
        key: SeriesKey | str,
        *,
        time: slice | None = None,
        assets: str | Iterable[str] | None = None,
        variables: str | Iterable[str] | None = None,
        quality: bool = True,
        snapshot: str | None = None,
    ) -> xr.Dataset:
        """A series as a lazy Dataset, dims (time, asset).

        Journal and store together, as they are now; values are read when computed. Time is a regular grid
        from the first to the last slot of the series inside ``time``; NaN where nothing came. Late samples
        of an hour that is still in the journal may show in what is computed later. It stays readable for a day
        after the store went on; computing it later raises an InputError that says so.

        Parameters
        ----------
        time
            ``slice(start, end)``, half open, UTC; ns, text, datetime or Timestamp; None for an open end.
        assets, variables
            Names, in the order wanted; all by default.
        quality
            Whether to give ``<variable>_quality`` beside each variable.
        snapshot
            Id or tag of a snapshot of the store (see :meth:`snapshots`), to read the store as it was then,
            without the journal.

        Raises
        ------
        InputError
            The series, an asset or a variable is not known: names the nearest.
        """
        key = series_key(key)
        source, dtypes = self.source(key, time=time, assets=assets, variables=variables, snapshot=snapshot)
        return self._lazy(source, dtypes, quality=quality)

    def _lazy(self, source: SeriesSource, dtypes: dict[str, str], **how: Any) -> xr.Dataset:
        from workbench.store.reader import build

        key = source.key
        about = {"site": self.site, "series": str(key), "asset_type": key.asset_type, "cadence": key.cadence}
        return build(source, dtypes, attrs=about | {"snapshot": source.snapshot_id}, **how)

    def source(
        self,
        key: SeriesKey,
        *,
        time: slice | None = None,
        assets: str | Iterable[str] | None = None,
        variables: str | Iterable[str] | None = None,
        snapshot: str | None = None,
    ) -> tuple[SeriesSource, dict[str, str]]:
        """What :meth:`open` reads from, and the dtype of each variable; for reading without Dask."""
        from workbench.store.journal_view import JournalView, Names
        from workbench.store.reader import SeriesSource, SiteView

        start, end = time_range(time)
        with self.view() as view:
            journal_id, through = view.journal.id, view.journal.last_seq
            held = view.snapshot
            if snapshot is not None:
                held = self.telemetry.snapshot(at=snapshot)
                journal_id, through = "", 0
                view = SiteView(JournalView(Names()), held)
            series = view.series(key)
            if series.first is None or series.last is None:
                self.unknown(key, view)
        within = f"{self.site} {key}"
        names = chosen("variable", variables, list(series.variables), within=within)
        places = chosen("asset", assets, series.assets, within=within)
        first, size = _extent(series, start, end)
        self._hold(held)
        source = SeriesSource(
            self,
            series,
            snapshot=held.id,
            journal_id=journal_id,
            through=through,
            start=first,
            size=size,
            assets=places,
            variables=names,
        )
        return source, series.variables

    def tree(self, *, time: slice | None = None, quality: bool = True) -> xr.DataTree:
        """All series as a tree: ``<asset_type>/<cadence>``."""
        import xarray as xr

        with self.view() as view:
            keys = [key for key in view.known() if view.series(key).first is not None]
        tree = xr.DataTree.from_dict({f"/{key}": self.open(key, time=time, quality=quality) for key in keys})
        tree.attrs = {"site": self.site}
        return tree

    def latest(self, key: SeriesKey | str, *, assets: Any = None, variables: Any = None) -> xr.Dataset:
        """The newest value of each variable and asset.

        Dims (asset); beside each variable ``<variable>_time``, the exact source time where the journal still
        has it and otherwise the start of the slot (NaT where nothing was found), and its quality. Looks back
        over the newest chunk of time and the one before it.

        Raises
        ------
        InputError
            The series, an asset or a variable is not known.
        """
        from workbench.store.latest import latest

        return latest(self, series_key(key), assets, variables)

    # -- what is new ----------------------------------------------------------------------------------

    def mark(self) -> Mark:
        """The state of the site now, for :meth:`changed`; take it before reading."""
        from workbench.store.news import mark

        return mark(self)

    def changed(self, key: SeriesKey | str, since: Mark) -> list[tuple[int, int]] | None:
        """Spans of time [ns since 1970 UTC, half-open] in which a series may have changed since a mark.

        None where that cannot be told: then everything may have.
        """
        from workbench.store.news import changed

        return changed(self, series_key(key), since)

    # -- bringing and taking --------------------------------------------------------------------------

    def import_dataset(self, key: SeriesKey | str, data: xr.Dataset, *, wait: float = 120.0) -> ImportReport:
        """Write history straight into the store: whole chunks, one commit.

        ``data`` has dims (time, asset), numeric variables, and where known ``<variable>_quality`` and
        ``sample_count``. Merged with what is there: what it has replaces, what it has not (NaN) leaves what is
        there. Importing the same again changes nothing. Times need no order and no regular grid.

        Parameters
        ----------
        wait
            Seconds to wait for another committing process.

        Raises
        ------
        InputError
            The data is not of this form, or another process commits for longer than ``wait``.
        """
        from workbench.store.importing import import_dataset

        return import_dataset(self, series_key(key), data, wait=wait)

    def export(
        self,
        key: SeriesKey | str,
        out: str | Path,
        *,
        time: slice | None = None,
        assets: str | Iterable[str] | None = None,
        variables: str | Iterable[str] | None = None,
        quality: bool = True,
        progress: Callable[[int, int], None] | None = None,
    ) -> Path:
        """Write a series to ``out``: ``.parquet`` (a row per time and asset) or ``.nc`` (NetCDF-4, CF).

        Memory stays bounded whatever the length; the file appears whole or not at all.

        Parameters
        ----------
        progress
            Called with slots done and slots in all.

        Raises
        ------
        InputError
            The series, an asset or a variable is not known, nothing is there, or the file's type is neither.
        """
        from workbench.store.exporting import export

        source, dtypes = self.source(series_key(key), time=time, assets=assets, variables=variables)
        # By the store's own chunks: of hundreds of variables at once, longer ones are more than fits.
        data = self._lazy(source, dtypes, quality=quality, together=0)
        return export(data, Path(out), progress=progress)

    def info(self) -> StoreInfo:
        """Size and content of the site's store, without reading values."""
        from workbench.store.inspect import info

        return info(self)

    def verify(self) -> list[str]:
        """Read everything; a sentence for each thing that is wrong, none where all is well."""
        from workbench.store.inspect import verify

        return list(verify(self))

    def repair(self) -> RepairReport:
        """Mend what can be mended: damaged journal rows, a broken journal, unreadable chunks and commits.

        Nothing is thrown away; what cannot be used is moved aside. The collector must not run.

        Raises
        ------
        InputError
            A collector or keeper serves the site.
        """
        from workbench.store.repair import repair

        return repair(self)

    def tidy(self, *, now: int | None = None) -> tuple[int, int]:
        """Expire old snapshots and collect their files now; returns snapshots expired and bytes freed.

        What keeps a snapshot of each day for 60 days, and all of the last 24 hours, happens each night by
        itself. Readers may read meanwhile.
        """
        import time

        from workbench.store.retention import Retention, retain

        found = retain(self, Retention(), now=time.time_ns() if now is None else now, force=True)
        if self.journal_path.exists():
            self.journal.tidy()
        return found

    def trim(
        self, *, older_than: int, series: SeriesKey | str | None = None, dry: bool = False
    ) -> dict[SeriesKey, int]:
        """Forget telemetry of whole chunks that end before ``older_than`` [ns]; returns values forgotten by series.

        Files go when the snapshots that know them expire. Records stay. ``dry``: only say what would go.

        Raises
        ------
        InputError
            Another process commits, or the series is not known.
        """
        from workbench.store.trimming import trim

        return trim(self, older_than=older_than, series=None if series is None else series_key(series), dry=dry)

    def snapshots(self) -> list[SnapshotInfo]:
        """States of the store that can be opened again, the newest first."""
        from workbench.store.inspect import snapshots

        return snapshots(self)

    # -- inside ---------------------------------------------------------------------------------------

    def snapshot_by_id(self, snapshot: str) -> Snapshot:
        """The store as it was at a commit; empty where there was none.

        Raises
        ------
        InputError
            The snapshot has expired.
        """
        from workbench.store.telemetry import Snapshot

        with self._lock:
            found = self._snapshots.get(snapshot)
        if found is not None:
            return found
        if not snapshot:
            return Snapshot(None)
        try:
            found = self.telemetry.snapshot(at=snapshot)
        except Exception:
            self.expect(snapshot)
            raise
        self._hold(found)
        return found

    def _hold(self, snapshot: Snapshot) -> None:
        """Keep a snapshot open; only the last few, since one comes with each hour and a process may stay for months."""
        with self._lock:
            self._snapshots[snapshot.id] = snapshot
            while len(self._snapshots) > 8:
                self._snapshots.pop(next(iter(self._snapshots)))

    def expect(self, snapshot: str) -> None:
        """Raise the InputError for a Dataset whose snapshot has expired; nothing where it has not."""
        if not snapshot or self.telemetry.holds(snapshot):
            return
        # The newest state would do for most of it. But it may hold other values, and none where something was
        # forgotten: half of an analysis would be of one state, half of another, and nobody would know.
        raise self.expired(f"snapshot {snapshot}")

    def expired(self, found: str) -> InputError:
        """The error for a Dataset that cannot be read any more as it was opened."""
        return InputError(
            "what was opened has expired",
            where=self.site,
            found=found,
            hint="open it again: a state can be read for a day after the next one took its place; what was in the"
            " journal then, until it is trimmed from the store",
        )

    def unknown(self, key: SeriesKey, view: SiteView) -> None:
        """Raise the InputError for a series that is not there."""
        known = [str(found) for found in view.known() if view.series(found).first is not None]
        raise InputError(
            f"{self.site} has no series {str(key)!r}",
            where="series",
            found=str(key),
            expected=", ".join(known) or "the site has no data yet",
            hint=did_you_mean(str(key), known),
        )


def _info(series: SeriesView) -> SeriesInfo:
    return SeriesInfo(
        key=series.key,
        assets=series.assets,
        variables=tuple(series.variables),
        first=_stamp(series.first),
        last=_stamp(series.last),
        step=series.grid.step,
        journal_rows=sum(chunk.rows for chunk in series.tail),
        journal_values=sum(chunk.values for chunk in series.tail),
        stored=series.group is not None,
    )


def _stamp(ns: int | None) -> np.datetime64 | None:
    import numpy as np

    return None if ns is None else np.datetime64(ns, "ns")


def _extent(series: SeriesView, start: int | None, end: int | None) -> tuple[int, int]:
    """First slot [ns] and number of slots of what is asked; slots that begin inside [start, end)."""
    if series.first is None or series.last is None:
        return 0, 0
    first = series.first if start is None else max(series.first, series.grid.ceil(start))
    stop = series.last + series.grid.step
    if end is not None:
        stop = min(stop, series.grid.ceil(end))
    return first, max(0, (stop - first) // series.grid.step)


@functools.lru_cache(maxsize=64)
def _one_of_each(root: Path, site: str) -> SiteStore:
    """The store of a site that came from another process: one for all that came, so that it is opened once."""
    return SiteStore(root, site)
