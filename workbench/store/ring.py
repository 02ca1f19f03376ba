"""The live ring: the newest minutes of a site in memory, one per process, shared by all its viewers.

Fed by asking the journal for rows beyond the last seen. One thread polls, any number read.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from workbench.model.errors import InputError, did_you_mean
from workbench.model.samples import NS, Batch, SeriesKey
from workbench.store.grid import series_key
from workbench.store.ring_series import SeriesRing
from workbench.store.selection import chosen

if TYPE_CHECKING:
    import xarray as xr

    from workbench.store.site import SiteStore

#: Span before the newest slot of which the exact source times are looked up when loading [ns].
_EXACT = 60 * NS

Listener = Callable[[list[Batch]], None]


class Latest(NamedTuple):
    """The newest value of a variable: its exact source time [ns since 1970 UTC] and quality."""

    value: float
    time: int
    quality: int

    def age(self, now: int | None = None) -> float:
        """Age [s]."""
        return ((time.time_ns() if now is None else now) - self.time) / NS


class LatestTable(NamedTuple):
    """The newest values of a series as arrays [asset, variable]; time 0 and NaN where nothing ever came."""

    assets: tuple[str, ...]
    variables: tuple[str, ...]
    value: npt.NDArray[np.float64]
    time: npt.NDArray[np.int64]
    quality: npt.NDArray[np.uint16]


class LiveRing:
    """The newest ``seconds`` of a site.

    Parameters
    ----------
    store
        The site.
    seconds
        Length of the ring [s].
    keys
        Series to hold; all by default, those that turn up later included.
    """

    def __init__(self, store: SiteStore, seconds: float = 900, keys: Iterable[SeriesKey | str] | None = None) -> None:
        if not seconds > 0:
            raise InputError("a ring has a length", where="seconds", found=seconds, expected="more than 0")
        self.store = store
        self.seconds = float(seconds)
        self.seq = -1  #: number of the last journal row folded in; -1 before loading
        self._keys = None if keys is None else [series_key(key) for key in keys]
        self._rings: dict[SeriesKey, SeriesRing] = {}
        self._listeners: list[Listener] = []
        self._lock = threading.RLock()

    # -- filling --------------------------------------------------------------------------------------

    def load(self) -> None:
        """Fill the ring anew from journal and store."""
        with self._lock, self.store.view() as view:
            # All inside one view: what is loaded and what will be news meet without overlap or gap.
            rings: dict[SeriesKey, SeriesRing] = {}
            for key in view.known():
                series = view.series(key)
                if series.last is None or (self._keys is not None and key not in self._keys):
                    continue
                ring = rings[key] = SeriesRing(key, self.seconds)
                ring.grow(series.assets, series.variables)
                recent = series.last - max(_EXACT, 5 * ring.step)
                for row in view.journal.rows(key, start=recent, end=series.last + ring.step):
                    ring.remember(view.journal.batch(row))
                first = series.last - (ring.slots - 1) * ring.step
                ring.fill(*self.store.source(key, time=slice(first, None)))
            self._rings, self.seq = rings, view.journal.last_seq

    def poll(self) -> list[Batch]:
        """Fold in what came since; returns it. Loads the ring first where that has not happened."""
        with self._lock:
            if self.seq < 0:
                self.load()
                return []
            if not self.store.journal.has_news(self.seq):
                return []
            with self.store.journal.view() as journal:
                missed = int(journal.meta("trimmed") or 0) > self.seq
                news = [] if missed else [journal.batch(row) for row in journal.after(self.seq, self._keys)]
                through = journal.last_seq
            if missed:
                # Away for so long that news has left the journal.
                self.load()
                return []
            for batch in news:
                key = batch.shape.key
                ring = self._rings.get(key)
                if ring is None:
                    ring = self._rings[key] = SeriesRing(key, self.seconds)
                ring.fold(batch)
            self.seq = through
            listeners = list(self._listeners) if news else []
        for listener in listeners:
            listener(news)
        return news

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with the new batches of each poll; the function returned ends it."""
        self._listeners.append(listener)

        def end() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return end

    # -- reading --------------------------------------------------------------------------------------

    def keys(self) -> list[SeriesKey]:
        """Series in the ring."""
        with self._lock:
            return sorted(self._rings)

    def dataset(
        self,
        key: SeriesKey | str,
        variables: str | Iterable[str] | None = None,
        assets: str | Iterable[str] | None = None,
        seconds: float | None = None,
        *,
        quality: bool = True,
    ) -> xr.Dataset:
        """The newest ``seconds`` (default: all the ring holds) as a Dataset of NumPy arrays.

        Dims (time, asset); the last slot is the newest of the series. A copy: it does not change.

        Raises
        ------
        InputError
            The series, a variable or an asset is not known.
        """
        import xarray as xr

        from workbench.model.quality import quality_attrs, quality_name
        from workbench.store.attributes import count_attrs, variable_attrs
        from workbench.store.telemetry import COUNT

        with self._lock:
            ring = self._ring(key)
            within = f"{self.store.site} {ring.key}"
            names = chosen("variable", variables, ring.variables, within=within)
            places = chosen("asset", assets, ring.assets, within=within)
            stamps, values, flags, counts = ring.window(names, places, seconds)
        found: dict[str, Any] = {}
        for name in names:
            found[name] = (("time", "asset"), values[name], variable_attrs(name, ring.key))
            if quality:
                found[quality_name(name)] = (("time", "asset"), flags[name], quality_attrs(name))
        found[COUNT] = (("time", "asset"), counts, count_attrs())
        return xr.Dataset(
            found,
            coords={
                "time": (
                    "time",
                    stamps.view("datetime64[ns]"),
                    {"standard_name": "time", "long_name": "start of the slot, UTC"},
                ),
                "asset": ("asset", np.array(places, dtype=object).astype(str), {"long_name": "asset"}),
            },
            attrs={
                "site": self.store.site,
                "series": str(ring.key),
                "asset_type": ring.key.asset_type,
                "cadence": ring.key.cadence,
            },
        )

    def latest(self, key: SeriesKey | str) -> dict[str, dict[str, Latest]]:
        """The newest value of each variable, by asset and variable; what never came is left out."""
        table = self.latest_table(key)
        found: dict[str, dict[str, Latest]] = {}
        for i, asset in enumerate(table.assets):
            there = np.flatnonzero(table.time[i])
            found[asset] = {
                table.variables[j]: Latest(float(table.value[i, j]), int(table.time[i, j]), int(table.quality[i, j]))
                for j in there
            }
        return found

    def latest_table(self, key: SeriesKey | str) -> LatestTable:
        """The newest value of each variable as arrays, for pages with many."""
        with self._lock:
            ring = self._ring(key)
            return LatestTable(
                tuple(ring.assets), tuple(ring.variables),
                ring.last_value.copy(), ring.last_time.copy(), ring.last_quality.copy(),
            )  # fmt: skip

    def age(self, key: SeriesKey | str, now: int | None = None) -> dict[str, float]:
        """Seconds since the source time of the newest sample, by asset; infinite where none came."""
        now = time.time_ns() if now is None else now
        with self._lock:
            ring = self._ring(key)
            newest = ring.last_time.max(axis=1) if ring.variables else np.zeros(len(ring.assets), np.int64)
            return {
                asset: (now - int(at)) / NS if at else float("inf")
                for asset, at in zip(ring.assets, newest, strict=True)
            }

    @property
    def nbytes(self) -> int:
        """Memory of the ring [bytes]."""
        with self._lock:
            return sum(ring.nbytes for ring in self._rings.values())

    # -- inside ---------------------------------------------------------------------------------------

    def _ring(self, key: SeriesKey | str) -> SeriesRing:
        key = series_key(key)
        if key not in self._rings:
            known = [str(found) for found in sorted(self._rings)]
            raise InputError(
                f"the live ring of {self.store.site} has no series {str(key)!r}",
                where="series",
                found=str(key),
                expected=", ".join(known) or "nothing has arrived yet",
                hint=did_you_mean(str(key), known),
            )
        return self._rings[key]
