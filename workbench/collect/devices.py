"""What becomes of the devices: told in the log, and kept as records."""

from __future__ import annotations

import structlog

from workbench.model.samples import NS, Event
from workbench.sources.base import DeviceHealth, Source

log = structlog.get_logger("workbench.collect")

#: A state that does not last so long [ns] is not told of: a lost packet is no outage.
_LASTS = 1 * NS
_SEVERITY = {"down": "medium", "degraded": "low", "ok": "info"}


class DeviceWatch:
    """Compares the states of a site's devices with what was told of them last.

    A device that goes down, does not do all it should or comes back is a line in the log and an event of the
    kind ``source``, named by the source, with the time at which its state changed.
    """

    def __init__(self, site: str) -> None:
        self.site = site
        self._told: dict[tuple[str, str], str] = {}

    def changes(self, source: Source, now: int) -> list[Event]:
        """Events of the devices behind ``source`` that have changed and stayed so; ``now`` by ``time.monotonic_ns``."""
        events = []
        for asset in source.assets:
            health = source.health.device(asset)
            name = (source.name, asset)
            before = self._told.get(name, "")
            # On its way up or down nothing is known of it, and one stopped by us has not failed.
            if health.state == before or health.state not in _SEVERITY or health.lasts(now) < _LASTS:
                continue
            self._told[name] = health.state
            _log(source, asset, before, health)
            if before or health.state != "ok":  # the first word of a device that is well is no news
                events.append(self._event(source, asset, before, health))
        return events

    def _event(self, source: Source, asset: str, before: str, health: DeviceHealth) -> Event:
        text = "answers again" if health.state == "ok" else f"{health.state}: {health.last_error}"
        return Event(
            site=self.site,
            asset=asset,
            time=health.since,
            kind="source",
            name=source.name,
            value=health.state,
            text=text,
            severity=_SEVERITY[health.state],
            source=source.name,
            attributes={"before": before} if before else {},
        )


def _log(source: Source, asset: str, before: str, health: DeviceHealth) -> None:
    about = {"source": source.name, "device": asset, "before": before or None, "since": health.since}
    if health.state == "ok":
        log.info("device is back" if before else "device answers", reconnects=health.reconnects, **about)
    else:
        word = "device is down" if health.state == "down" else "device is degraded"
        log.warning(word, error=health.last_error, errors=health.errors, **about)
