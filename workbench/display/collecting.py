"""What is wrong with the collecting itself, as a site's health file tells it: for the first line and the data health."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.display import format as fmt
from workbench.display.readings import SiteNow

#: Samples that have waited for the journal longer than this wait too long [s]; it is written several times a second.
LONGEST_WAIT = 5.0
#: Where the health file does not say how long they wait: so many samples of each device are too many.
MOST_WAITING = 10


@dataclass(frozen=True)
class Trouble:
    """One thing that is wrong: the row it belongs to, what to say, and the state whose colour and mark it gets."""

    name: str
    words: str
    state: str  #: in ``workbench.display.states.STATES``


def troubles(site: SiteNow) -> list[Trouble]:
    """What is wrong with the collecting of a site, the worst first; nothing where all is well."""
    health = site.health or {}
    collector: Mapping[str, Any] = health.get("collector", {})
    found = []
    if error := collector.get("journal_error"):
        found.append(Trouble("journal", f"journal refuses samples: {error}", "fault"))
    if lost := dropped_words(collector):
        found.append(Trouble("dropped", f"{lost} dropped", "fault"))
    if site.running and not keeper_runs(collector):
        found.append(Trouble("keeper", f"keeper {keeper_words(collector)}", "operating_reduced"))
    if site.running:
        found += [Trouble("keeper", words, "operating_reduced") for words in health.get("keeper_trouble", [])]
    if site.running and _waits_too_long(site, collector):
        found.append(Trouble("waiting", f"{waiting_words(collector)} waiting for the journal", "operating_reduced"))
    if clock := int(collector.get("clock") or 0):
        found.append(Trouble("clock", f"{_samples(clock)} with a suspect clock", "operating_reduced"))
    return found


def dropped_words(collector: Mapping[str, Any]) -> str:
    """What was given up because neither disk nor memory had room; nothing where nothing was."""
    samples, events = int(collector.get("dropped") or 0), int(collector.get("dropped_events") or 0)
    return " and ".join(_count(count, what) for count, what in ((samples, "sample"), (events, "event")) if count)


def keeper_runs(collector: Mapping[str, Any]) -> bool:
    """Whether the keeper runs; True where the health file does not tell."""
    return keeper_words(collector).startswith(("runs", fmt.NOTHING))


def keeper_words(collector: Mapping[str, Any]) -> str:
    """The keeper's state in words, and how often it had to be started again."""
    said, again = collector.get("keeper"), int(collector.get("keeper_restarts") or 0)
    if isinstance(said, Mapping):
        said = said.get("state", said.get("running"))
    if said is None:
        return fmt.NOTHING
    if isinstance(said, str):
        words = "runs" if said in ("ok", "running") else said.replace("_", " ")
    else:
        words = "runs" if said else "not running"
    return f"{words}, started again {_count(again, 'time')}" if again else words


def waiting_words(collector: Mapping[str, Any]) -> str:
    """How many samples wait for the journal, and for how long where that is worth saying."""
    waiting, since = collector.get("waiting"), backlog(collector)
    if waiting is None:
        return fmt.age(since) if since > 0 else fmt.NOTHING
    text = _samples(int(waiting))
    return f"{text}, for {fmt.age(since)}" if since >= 1.0 else text


def backlog(collector: Mapping[str, Any]) -> float:
    """How long the oldest sample has waited for the journal [s]; 0 where the health file does not tell."""
    return float(collector.get("journal_backlog_s") or 0.0)


def _waits_too_long(site: SiteNow, collector: Mapping[str, Any]) -> bool:
    if collector.get("journal_backlog_s") is not None:
        return backlog(collector) > LONGEST_WAIT
    return int(collector.get("waiting") or 0) > MOST_WAITING * max(1, len(list(site.devices())))


def _samples(count: int) -> str:
    return _count(count, "sample")


def _count(count: int, what: str) -> str:
    return f"{fmt.number(count, decimals=0)} {what}{'' if count == 1 else 's'}"
