"""How old values are when a reader's live ring has them."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import numpy as np

from workbench.model.samples import SeriesKey
from workbench.store import LiveRing


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
        self._ages: dict[tuple[str, SeriesKey], list[np.ndarray]] = {}
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
                        self._ages.setdefault((site, batch.shape.key), []).append(ages)
        except Exception as error:
            self.error = error
            raise

    def stop(self) -> None:
        """End the thread."""
        self._halt.set()
        self.join(10)

    def percentiles(self, *, site: str | None = None, series: SeriesKey | None = None) -> tuple[float, float]:
        """Median and 99th percentile [s] of one series, a site, or all; NaN where nothing arrived."""
        chosen = [
            block
            for (at, key), blocks in self._ages.items()
            if site in (None, at) and series in (None, key)
            for block in blocks
        ]
        ages = np.concatenate(chosen) if chosen else np.array([])
        if not len(ages):
            return float("nan"), float("nan")
        p50, p99 = np.percentile(ages, [50, 99])
        return float(p50), float(p99)
