"""Records for pages: read seldom, shared by all viewers, never created by looking."""

from __future__ import annotations

import threading
import time
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.store import Records

_cache: dict[tuple[Path, str, str, int], tuple[float, list[dict[str, object]]]] = {}
_lock = threading.Lock()
#: Seconds for which what was read is good enough.
FRESH = 3.0
DAY = 86_400 * 10**9
SEVERE = ("critical", "high", "medium")
MOST_READ = 5_000  #: records looked through for a page


@lru_cache(maxsize=8)
def _records(path: Path) -> Records:
    from workbench.store import Records

    return Records(path)


def newest_records(root: Path, *, site: str = "", asset: str = "", limit: int = 8) -> list[dict[str, object]]:
    """The newest records of a store, of one site or asset where named; the time is ns since 1970 UTC.

    Half of the rows are kept for what was severe in the last day, so that a device that changes its state
    every few seconds does not push an alarm off the page. What happened to sources (connected, lost) is left
    out: it is on the page of data health.
    """
    path = root / "records.sqlite"
    if not path.exists():
        return []
    key = (path, site, asset, limit)
    with _lock:
        found = _cache.get(key)
        if found is not None and time.monotonic() - found[0] < FRESH:
            return found[1]
    where = {"site": site or None, "asset": asset or None}
    severe = _newest(path, limit // 2, **where, severity=SEVERE, start=time.time_ns() - DAY)
    rows = list(severe)
    for row in _newest(path, limit, **where):
        if len(rows) < limit and row not in severe:
            rows.append(row)
    rows.sort(key=lambda row: -int(str(row["time"])))
    with _lock:
        if len(_cache) > 256:
            _cache.clear()
        _cache[key] = (time.monotonic(), rows)
    return rows


def _newest(path: Path, count: int, **where: Any) -> list[dict[str, object]]:
    """The newest ``count`` records that are not of sources, however many of sources lie between them."""
    limit = 4 * count
    while True:
        frame = _records(path).events(**where, limit=limit)
        rows = [
            {**row, "time": int(stamp)}
            for row, stamp in zip(frame.drop("time").to_dicts(), frame["time"].to_physical(), strict=True)
            if row["kind"] != "source"
        ][:count]
        if len(rows) >= count or len(frame) < limit or limit > MOST_READ:
            return rows
        limit *= 8
