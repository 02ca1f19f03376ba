"""Health of a site's collection, written each second where every reader can see it."""

from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path
from typing import Any

import orjson

from workbench.sources.base import Source

FILE = "health.json"
#: Seconds after which a health file no longer speaks of a running collector.
FRESH = 10.0


class HealthFile:
    """Writes ``<store>/<site>/health.json`` whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, collector: dict[str, Any], sources: list[Source]) -> None:
        """Replace the file by the health of ``sources`` as it is now."""
        content = {
            "time": time.time_ns(),
            "collector": collector,
            "sources": {
                source.name: {
                    "protocol": source.protocol,
                    "series": str(source.series),
                    "devices": {asset: dataclasses.asdict(source.health.device(asset)) for asset in source.assets},
                }
                for source in sources
            },
        }
        draft = self.path.with_suffix(f".{os.getpid()}.tmp")
        draft.write_bytes(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY))
        draft.replace(self.path)


def read_health(folder: Path) -> dict[str, Any] | None:
    """The newest health of the site in ``folder``, with ``running`` added; None where there is none.

    ``running`` is False where the file is older than ten seconds or its collector said good-bye.
    """
    path = folder / FILE
    try:
        content: dict[str, Any] = orjson.loads(path.read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return None
    age = (time.time_ns() - content["time"]) / 1e9
    content["running"] = age < FRESH and not content["collector"].get("stopped")
    return content
