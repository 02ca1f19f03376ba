"""Records for pages: read seldom, shared by all viewers, never created by looking."""

from __future__ import annotations

import threading
import time
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.store import Records

_cache: dict[tuple[Path, str, str, int], tuple[float, list[dict[str, object]]]] = {}
_lock = threading.Lock()
#: Seconds for which what was read is good enough.
FRESH = 3.0


@lru_cache(maxsize=8)
def _records(path: Path) -> Records:
    from workbench.store import Records

    return Records(path)


def newest_records(root: Path, *, site: str = "", asset: str = "", limit: int = 8) -> list[dict[str, object]]:
    """The newest records of a store, of one site or asset where named; the time is ns since 1970 UTC.

    What happened to sources (connected, lost) is left out: it is on the page of data health.
    """
    path = root / "records.sqlite"
    if not path.exists():
        return []
    key = (path, site, asset, limit)
    with _lock:
        found = _cache.get(key)
        if found is not None and time.monotonic() - found[0] < FRESH:
            return found[1]
    frame = _records(path).events(site=site or None, asset=asset or None, limit=4 * limit)
    rows = [
        {**row, "time": int(stamp)}
        for row, stamp in zip(frame.drop("time").to_dicts(), frame["time"].to_physical(), strict=True)
        if row["kind"] != "source"
    ][:limit]
    with _lock:
        if len(_cache) > 256:
            _cache.clear()
        _cache[key] = (time.monotonic(), rows)
    return rows
