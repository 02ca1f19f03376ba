"""How old values are when a reader's live ring has them."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import numpy as np

from workbench.model.samples import SeriesKey
from workbench.store import LiveRing

#: Ages above this count as this [ms].
MOST = 120_000


class AgeWatch(threading.Thread):
    """Polls live rings as a page does, and notes the age of each sample when it turns up.

    Age = time at which the ring has the sample − the source's own time of it [s]. Only samples whose
    source time is past ``since`` count, so that the backlog read at the start does not.
    """

    def __init__(self, rings: Mapping[str, LiveRing], *, every: float = 0.1) -> None:
        super().__init__(name="age-watch", daemon=True)
        self._rings = rings
        self._every = every
        self._since = time.time_ns()
        self._halt = threading.Event()
        self._ages: dict[tuple[str, SeriesKey], np.ndarray] = {}  #: samples per millisecond of age
        self.error: BaseException | None = None

    def run(self) -> None:
        """Poll until :meth:`stop`."""
        try:
            while not self._halt.wait(self._every):
                for site, ring in self._rings.items():
                    for batch in ring.poll():
                        if batch.shape.key.cadence == "10min":  # made by us, not by a device
                            continue
                        ages = (time.time_ns() - batch.time[batch.time >= self._since]) / 1e9
                        self._count(site, batch.shape.key, ages)
        except Exception as error:
            self.error = error
            raise

    def stop(self) -> None:
        """End the thread."""
        self._halt.set()
        self.join(10)

    def percentiles(self, *, site: str | None = None, series: SeriesKey | None = None) -> tuple[float, float]:
        """Median and 99th percentile [s, to the next millisecond] of one series, a site, or all; NaN where nothing arrived."""
        chosen = [
            counts
            for (at, key), counts in list(self._ages.items())
            if site in (None, at) and series in (None, key) and counts.any()
        ]
        if not chosen:
            return float("nan"), float("nan")
        below = np.cumsum(sum(chosen))
        p50, p99 = np.searchsorted(below, [0.50 * below[-1], 0.99 * below[-1]])
        return float(p50) / 1e3, float(p99) / 1e3

    def _count(self, site: str, key: SeriesKey, ages: np.ndarray) -> None:
        # Counts, not the ages themselves: a demonstration may run for days.
        counts = self._ages.setdefault((site, key), np.zeros(MOST + 1, np.int64))
        np.add.at(counts, np.clip(np.ceil(ages * 1e3), 0, MOST).astype(np.int64), 1)
