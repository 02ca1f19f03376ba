"""Health of a site's collection, written each second where every reader can see it."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from workbench.model.samples import SeriesKey
from workbench.sources.base import Source, silence_limit
from workbench.store import Journal
from workbench.store.trouble import told

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

    ``running`` is False where the file is older than ten seconds or its collector said good-bye;
    ``keeper_trouble`` is what the keeper cannot do, a sentence each.
    """
    path = folder / FILE
    try:
        content: dict[str, Any] = orjson.loads(path.read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return None
    # One from the future was written before the clock was set back, and not since.
    age = abs(time.time_ns() - content["time"]) / 1e9
    content["running"] = age < FRESH and not content["collector"].get("stopped")
    content["keeper_trouble"] = told(folder)
    return content


def newest(device: Mapping[str, Any]) -> int:
    """When a device was last heard [ns]: the source's time, but no later than it arrived; 0 for never."""
    return int(min(device["last_time"], device["last_received"]))


def device_trouble(series: str, device: Mapping[str, Any], now: int) -> str:
    """Why a device of ``series`` is not well at ``now`` [ns]; empty where it is."""
    if device["state"] != "ok":
        return str(device["state"])
    heard = newest(device)
    if now - heard > silence_limit(SeriesKey.parse(series).cadence):
        return f"newest sample {(now - heard) / 1e9:.0f} s old" if heard else "no sample yet"
    return ""


def troubles(health: Mapping[str, Any], now: int) -> list[str]:
    """What is not well at a site, by what :func:`read_health` gave of it; nothing where all is."""
    collector = health["collector"]
    if not health["running"]:
        return ["the collector is not running"]
    found = []
    if not collector["keeper"]:
        found.append("the keeper is not running: nothing goes from the journal into the store")
    found += health.get("keeper_trouble", [])
    if collector.get("journal_error"):
        found.append(f"the journal takes nothing: {collector['journal_error']}")
    if back := collector.get("clock_back_s"):
        found.append(
            f"the machine's clock was set back by {back:,.0f} s: times given here go on as before, flagged,"
            " until the collector is started anew"
        )
    for name, what in (("dropped", "samples"), ("dropped_events", "events")):
        if collector.get(name):
            found.append(f"{collector[name]:,} {what} were given up")
    for source in health["sources"].values():
        for asset, device in source["devices"].items():
            if why := device_trouble(source["series"], device, now):
                found.append(f"{asset}: {why}")
    return found


def journal_rest(folder: Path) -> dict[str, int]:
    """Rows, and values in them, that the journal of the site in ``folder`` holds and the store does not yet."""
    journal = Journal(folder / "journal.sqlite")
    try:
        with journal.view() as view:
            chunks = [chunk for key in view.series() for chunk in view.chunks(key)]
    finally:
        journal.close()
    return {"rows": sum(chunk.rows for chunk in chunks), "values": sum(chunk.values for chunk in chunks)}
