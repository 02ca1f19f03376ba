"""Takes files of messages into a site's journal: all of a file or nothing, and never twice."""

from __future__ import annotations

import hashlib
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from workbench.catalog.facts import SiteFacts
from workbench.ingest.flatten import Flat, Reading, flatten
from workbench.ingest.messages import RawMessage, read_messages
from workbench.model.errors import InputError, did_you_mean
from workbench.model.samples import Batch, Event, SeriesKey, Shape

if TYPE_CHECKING:
    from workbench.model.assets import Portfolio


@dataclass
class IngestReport:
    """What became of the files."""

    files: int = 0
    messages: int = 0
    known: int = 0  #: messages that had been taken in before: nothing was done with them
    samples: int = 0
    values: int = 0
    events: Counter[str] = field(default_factory=Counter)  #: new events by kind
    variables: set[str] = field(default_factory=set)
    assets: dict[str, str] = field(default_factory=dict)  #: asset to its type
    sites: set[str] = field(default_factory=set)
    new_sites: set[str] = field(default_factory=set)  #: sites that the portfolio does not know
    own: dict[str, str] = field(default_factory=dict)  #: variable outside the vocabulary, kept with this unit
    records: set[str] = field(default_factory=set)  #: paths of texts kept as records
    renamed: dict[str, str] = field(default_factory=dict)  #: path to the variable it was stored as
    states: set[str] = field(default_factory=set)  #: states that the vocabulary does not have
    gaps: set[str] = field(default_factory=set)  #: texts where numbers were expected
    twice: set[str] = field(default_factory=set)  #: assets whose name occurred twice in a message
    overwritten: int = 0  #: samples of which a later one in the same slot replaced values
    facts: int = 0
    _slots: dict[tuple[str, str, str, int], tuple[str, ...]] = field(default_factory=dict, repr=False)

    @property
    def wrong(self) -> bool:
        """Whether something is wrong with the data, that was taken in all the same."""
        return bool(self.states or self.gaps or self.twice)

    def add(self, flat: Flat) -> None:
        """Count a message that was taken in."""
        self.samples += sum(1 for reading in flat.readings if reading.values)
        self.values += sum(len(reading.values) for reading in flat.readings)
        self.facts += flat.leaves["fact"]
        for reading in flat.readings:
            self.variables.update(reading.values)
            self.assets[reading.asset] = reading.asset_type
        self.own.update(flat.own)
        self.records |= flat.records
        self.renamed.update(flat.renamed)
        self.states |= flat.states
        self.gaps |= flat.gaps
        self.twice |= flat.twice

    def count_overwritten(self, site: str, readings: Iterable[Reading], step: int) -> None:
        """Count the samples whose slot [``step`` ns] held values of the same variables already."""
        for reading in readings:
            place = (site, reading.asset_type, reading.asset, reading.time // step)
            before = self._slots.get(place, ())
            self.overwritten += any(name in reading.values for name in before)
            self._slots[place] = tuple({*before, *reading.values}) if before else tuple(reading.values)


def ingest(
    files: Sequence[Path], store: Path, portfolio: Portfolio, *, site: str | None = None, cadence: str = "1s"
) -> IngestReport:
    """Take files of nested JSON or NDJSON messages into the store.

    Each file goes in whole or not at all. A message that was taken in before, from whatever file, is not
    taken in again.

    Parameters
    ----------
    files
        JSON (one message or a list) or NDJSON, also gzipped.
    store
        Root folder of the store.
    portfolio
        Sites and assets. An asset that it has goes to its site; otherwise the message's farm id names the
        site (``WIND-FARM-01`` → ``wind_farm_01``), which need not be in the portfolio.
    site
        The site of all messages, whatever they say.
    cadence
        Length of the slots of the series.

    Raises
    ------
    InputError
        A file is wrong: with file, line and place. Nothing of it was taken in.
    """
    from workbench.model.time import Cadence

    step = int(Cadence.parse(cadence).ns)
    if site is not None and site not in portfolio.sites and not (store / site).is_dir():
        raise InputError(
            f"no site {site!r} in the portfolio",
            where="--site",
            expected="one of " + ", ".join(portfolio.sites),
            hint=did_you_mean(site, portfolio.sites),
        )
    report = IngestReport()
    for path in files:
        _one_file(path, store, portfolio, site, cadence, step, report)
        report.files += 1
    return report


def _one_file(
    path: Path, store: Path, portfolio: Portfolio, site: str | None, cadence: str, step: int, report: IngestReport
) -> None:
    types = {asset.id: asset.type for asset in portfolio.assets()}
    homes = {asset.id: asset.site for asset in portfolio.assets()}
    by_site: dict[str, list[tuple[int, Flat]]] = {}
    messages = read_messages(path)
    for message in messages:
        flat = flatten(message, types)
        goal = site or _site(message, flat, homes)
        for reading in flat.readings:
            if types.get(reading.asset, reading.asset_type) != reading.asset_type:
                raise message.error(
                    f"{reading.asset} is not of type {reading.asset_type}",
                    found=f"{types[reading.asset]} in the portfolio",
                )
        by_site.setdefault(goal, []).append((_fingerprint(message, goal), flat))
    report.messages += len(messages)
    for goal, flats in by_site.items():
        _into_site(goal, flats, store, cadence, step, report)
        report.sites.add(goal)
        if goal not in portfolio.sites:
            report.new_sites.add(goal)


def _site(message: RawMessage, flat: Flat, homes: Mapping[str, str]) -> str:
    home = homes.get(flat.readings[0].asset)
    if home is not None:
        return home
    if flat.site is None:
        raise message.error(
            "the message names no site, and the portfolio does not have its asset",
            found=flat.readings[0].asset,
            hint="give --site, or a key farm_id",
        )
    slug = re.sub(r"[^a-z0-9]+", "_", flat.site.lower()).strip("_")
    if not slug:
        raise message.error("not the name of a site", "farm_id", found=flat.site)
    return slug


def _fingerprint(message: RawMessage, site: str) -> int:
    content = orjson.dumps(message.data, option=orjson.OPT_SORT_KEYS)
    digest = hashlib.blake2b(content, digest_size=8, key=site.encode()[:64]).digest()
    return int.from_bytes(digest, "big", signed=True)


def _into_site(
    site: str, flats: Iterable[tuple[int, Flat]], store: Path, cadence: str, step: int, report: IngestReport
) -> None:
    from workbench.store import Records, SiteStore

    folder = store / site
    folder.mkdir(parents=True, exist_ok=True)
    seen = Seen(folder / "ingested.sqlite")
    try:
        given = dict(flats)
        report.known += len(given) - len(new := {mark: flat for mark, flat in given.items() if mark not in seen})
        if not new:
            return
        now = time.time_ns()
        readings = [reading for flat in new.values() for reading in flat.readings]
        batches = make_batches(readings, cadence, step, now)
        facts = SiteFacts(folder)
        own: dict[str, str] = {}
        for flat in new.values():
            own |= flat.own
            facts.learn(flat.facts, flat.own)
        _check_units(site, facts, own)
        # What gives the values their meaning is there before them; the marks that end it all come last, so that
        # an interrupted run is done again and not taken for done.
        facts.save()
        keeper = SiteStore(store, site)
        try:
            keeper.journal.append(batches)
        finally:
            keeper.close()
        records = Records(store / "records.sqlite")
        try:
            events = [_at_site(event, site) for flat in new.values() for event in flat.events]
            records.add_events(events)
        finally:
            records.close()
        seen.add(new)
    finally:
        seen.close()
    report.count_overwritten(site, readings, step)
    for flat in new.values():
        report.add(flat)
    report.events.update(event.kind for event in events)


def _check_units(site: str, facts: SiteFacts, own: Mapping[str, str]) -> None:
    """A variable of one's own keeps the unit that it first had."""
    for name, unit in own.items():
        if unit and facts.variables[name] != unit:
            raise InputError(
                f"the unit of {name} at {site} changes", found=unit, expected=facts.variables[name], file=facts.path
            )


def _at_site(event: Event, site: str) -> Event:
    event.site = site
    return event


def make_batches(readings: Sequence[Reading], cadence: str, step: int, received: int) -> list[Batch]:
    """``readings`` as blocks of samples of one shape, in order of time."""
    from workbench.model.vocabulary import vocabulary

    words = vocabulary()
    groups: dict[tuple[str, tuple[str, ...]], list[Reading]] = {}
    for reading in readings:
        if reading.values:
            groups.setdefault((reading.asset_type, tuple(reading.values)), []).append(reading)
    batches = []
    for (kind, variables), members in groups.items():
        members.sort(key=lambda one: one.time)
        dtypes = tuple("f8" if words.get(name) is None else words.dtype(name) for name in variables)
        shape = Shape(SeriesKey(kind, cadence), variables, dtypes)
        assets = tuple(dict.fromkeys(reading.asset for reading in members))
        place = {asset: index for index, asset in enumerate(assets)}
        times = np.array([reading.time for reading in members], np.int64)
        flags = np.array([[one.quality.get(name, 0) for name in variables] for one in members], np.uint16)
        batches.append(
            Batch(
                shape,
                assets,
                slot=times // step * step,
                asset=np.array([place[one.asset] for one in members], np.int32),
                time=times,
                received=np.full(len(members), received, np.int64),
                count=np.ones(len(members), np.uint16),
                values=np.array([list(one.values.values()) for one in members], np.float64),
                quality=flags if flags.any() else None,
            )
        )
    return batches


class Seen:
    """Marks of the messages that a site has taken in."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, timeout=30)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute("CREATE TABLE IF NOT EXISTS messages (mark INTEGER PRIMARY KEY)")

    def __contains__(self, mark: int) -> bool:
        return self._connection.execute("SELECT 1 FROM messages WHERE mark = ?", [mark]).fetchone() is not None

    def add(self, marks: Iterable[int]) -> None:
        """Keep ``marks``, all or none."""
        with self._connection:
            self._connection.executemany("INSERT OR IGNORE INTO messages VALUES (?)", [(mark,) for mark in marks])

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def report_rows(report: IngestReport) -> list[tuple[str, str]]:
    """``report`` as rows of a table: what, how much."""
    kinds = Counter(report.assets.values())
    rows: list[tuple[str, Any]] = [
        ("files", report.files),
        ("messages", f"{report.messages} ({report.known} taken in before)" if report.known else report.messages),
        (
            "sites",
            ", ".join(f"{s} (not in the portfolio)" if s in report.new_sites else s for s in sorted(report.sites)),
        ),
        ("values", f"{report.values:,}"),
        ("variables", len(report.variables)),
        ("assets", ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or "0"),
        ("records", ", ".join(f"{count} {kind}" for kind, count in report.events.items()) or "0"),
        ("facts of assets", report.facts),
        (
            "outside the vocabulary, kept",
            ", ".join(f"{n} [{u or 'no unit'}]" for n, u in sorted(report.own.items())) or "none",
        ),
    ]
    if report.renamed:
        rows.append(("stored under another name", ", ".join(f"{p} → {n}" for p, n in sorted(report.renamed.items()))))
    if report.records:
        rows.append(("texts kept as records", ", ".join(sorted(report.records))))
    if report.states:
        rows.append(("states not in the vocabulary", ", ".join(sorted(report.states))))
    if report.gaps:
        rows.append(("texts where numbers belong, flagged", ", ".join(sorted(report.gaps))))
    if report.twice:
        rows.append(("names twice in a message, numbered", ", ".join(sorted(report.twice))))
    if report.overwritten:
        rows.append(
            ("replaced by a later one in their slot", f"{report.overwritten:,} samples; a finer cadence keeps them")
        )
    return [(name, str(value)) for name, value in rows]
