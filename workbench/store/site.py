"""One site's telemetry: journal and store as one."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator, Mapping
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

    from workbench.store.reader import SeriesView, SiteView
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
        self.journal = Journal(self.journal_path)
        self._telemetry: Telemetry | None = None
        self._snapshots: dict[str, Snapshot] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return SiteStore, (self.root, self.site)

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

    # -- looking --------------------------------------------------------------------------------------

    def exists(self) -> bool:
        """Whether there is anything of this site."""
        return self.journal_path.exists() or self.telemetry.exists()

    @contextlib.contextmanager
    def view(self) -> Iterator[SiteView]:
        """Journal and store at one instant; keep it short."""
        from workbench.store.reader import site_view

        with site_view(self) as view:
            yield view

    def series(self) -> list[SeriesInfo]:
        """Every series of the site."""
        with self.view() as view:
            return [_info(view.series(key)) for key in view.keys()]

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
        that arrive after opening may show in what is computed later.

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
        from workbench.store import reader
        from workbench.store.reader import SiteView

        key = series_key(key)
        start, end = time_range(time)
        with self.view() as view:
            journal_id, through = view.journal.id, view.journal.last_seq
            held = view.snapshot
            if snapshot is not None:
                held = self.telemetry.snapshot(at=snapshot)
                view = SiteView(type(view.journal)(self.journal, None), held)  # noqa: PLW2901
            series = view.series(key)
            if series.first is None or series.last is None:
                self._unknown(key, view)
        within = f"{self.site} {key}"
        names = chosen("variable", variables, list(series.variables), within=within)
        places = chosen("asset", assets, series.assets, within=within)
        first, size = _extent(series, start, end)
        with self._lock:
            self._snapshots[held.id] = held
            while len(self._snapshots) > 8:
                self._snapshots.pop(next(iter(self._snapshots)))
        source = reader.SeriesSource(
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
        about = {"site": self.site, "series": str(key), "asset_type": key.asset_type, "cadence": key.cadence}
        return reader.build(source, series.variables, quality=quality, attrs=about | {"snapshot": held.id})

    def tree(self, *, time: slice | None = None, quality: bool = True) -> xr.DataTree:
        """All series as a tree: ``<asset_type>/<cadence>``."""
        import xarray as xr

        with self.view() as view:
            keys = [key for key in view.keys() if view.series(key).first is not None]
        tree = xr.DataTree.from_dict({f"/{key}": self.open(key, time=time, quality=quality) for key in keys})
        tree.attrs = {"site": self.site}
        return tree

    def snapshot_by_id(self, snapshot: str) -> Snapshot:
        """The store as it was at a commit; where that has expired, as it is now."""
        with self._lock:
            found = self._snapshots.get(snapshot)
        if found is not None:
            return found
        if not snapshot:
            return self.telemetry.snapshot()
        try:
            found = self.telemetry.snapshot(at=snapshot)
        except InputError:
            return self.telemetry.snapshot()
        with self._lock:
            self._snapshots[snapshot] = found
        return found

    def _unknown(self, key: SeriesKey, view: SiteView) -> None:
        known = [str(found) for found in view.keys() if view.series(found).first is not None]
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
    assert series.first is not None
    assert series.last is not None
    first = series.first if start is None else max(series.first, series.grid.ceil(start))
    stop = series.last + series.grid.step
    if end is not None:
        stop = min(stop, series.grid.ceil(end))
    return first, max(0, (stop - first) // series.grid.step)
