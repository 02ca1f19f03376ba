"""A pipeline over a series of the store, done again only where something changed: a file per day, and how far it came.

The folder of the result holds ``YYYY-MM-DD.nc`` for each day of UTC, whole or not there, and ``progress.json``: the
pipeline and the series it was made from, the state of the store that was seen, and of each day the hash of what was
read. A run asks the store what may have changed since, compares hashes, and works out again the days whose results
reach what did change. So late data count, a crash loses only the day under way, and running in pieces gives what
running at once gives.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.model.content import content_hash, file_hash
from workbench.pipelines import lineage
from workbench.pipelines.execute import RunReport, other_sources, recorded
from workbench.pipelines.inputs import fields_of
from workbench.pipelines.plan import Plan, plan
from workbench.pipelines.run import stages
from workbench.pipelines.spec import Pipeline
from workbench.steps import remarks

if TYPE_CHECKING:
    import xarray as xr

    from workbench.catalog import Catalog, SiteView
    from workbench.model.samples import SeriesKey
    from workbench.store.news import Mark

DAY = 86_400 * 10**9
PROGRESS = "progress.json"
#: Changed when the form of the files does: then all is made anew.
_FORM = 1
#: Values of the input in memory at once, at most.
_AT_ONCE = 30_000_000
#: Slots read beyond what steps say they reach: a run of ``FOR`` looks at the slots beside it.
_MARGIN = 16


@dataclass
class _Progress:
    """What the folder says of itself."""

    made_from: dict[str, Any]
    mark: dict[str, Any] | None = None
    days: dict[str, str] = field(default_factory=dict)  #: day to the hash of its input

    @classmethod
    def read(cls, folder: Path, made_from: dict[str, Any]) -> _Progress:
        """As it was left; a new one where the folder is of another pipeline, series or form."""
        path = folder / PROGRESS
        try:
            found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        except (OSError, ValueError):
            found = {}
        if not isinstance(found, dict) or found.get("made_from") != made_from:
            return cls(made_from)
        return cls(made_from, found.get("mark"), dict(found.get("days", {})))

    def write(self, folder: Path) -> None:
        """Whole, in one rename."""
        part = folder / f".{PROGRESS}.part"
        text = json.dumps({"made_from": self.made_from, "mark": self.mark, "days": self.days}, indent=1, sort_keys=True)
        part.write_text(text + "\n", encoding="utf-8")
        part.replace(folder / PROGRESS)


def advance(
    pipeline: Pipeline,
    source: str,
    folder: Path,
    *,
    catalog: Catalog | None = None,
    tell: Callable[[str], None] | None = None,
) -> RunReport:
    """Bring the result of ``pipeline`` on a series of the store up to date.

    Parameters
    ----------
    source
        ``<site>/<asset_type>/<cadence>``.
    folder
        Of the result, made where it is missing; read it with :func:`workbench.store.results.open_result`.
    tell
        Called with each day that is worked out.

    Returns
    -------
    RunReport
        ``counts``: days looked at, changed, and made anew. Nothing changed: nothing is written, and no run recorded.

    Raises
    ------
    InputError
        No such series; a step does not find what it needs; another run is at work in the folder.
    """
    from workbench.catalog import SiteView, open_catalog
    from workbench.store.grid import series_key

    catalog = catalog if catalog is not None else open_catalog()
    site, _, series = source.partition("/")
    view = SiteView(site, catalog.portfolio, catalog.store)
    key = series_key(series)
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        return _Advance(pipeline, view, key, source, folder, catalog, tell).go()


class _Advance:
    def __init__(
        self,
        pipeline: Pipeline,
        view: SiteView,
        key: SeriesKey,
        source: str,
        folder: Path,
        catalog: Catalog,
        tell: Callable[[str], None] | None,
    ) -> None:
        self.pipeline, self.view, self.key, self.source = pipeline, view, key, source
        self.folder, self.catalog, self.tell = folder, catalog, tell
        self.steps: list[dict[str, Any]] = []  #: per step its type, and what went in and came out
        self.store = view.store
        self.seen = self.store.mark()  # first: what comes while this runs is news for the next
        self.data = view.telemetry(key)
        spec = lineage.spec_of(pipeline.file).get("sha256", repr(pipeline.steps))
        facts = self.data.drop_vars(["time", *self.data.data_vars]).reset_coords()
        made_from = {"form": _FORM, "spec": spec, "series": source, "facts": content_hash(facts)}
        self.progress = _Progress.read(folder, {**made_from, "workbench": lineage.PRODUCER})

    def go(self) -> RunReport:
        """One run."""
        found = plan(self.pipeline, fields_of(self.data))
        if found.errors:
            raise found.errors[0]
        reach = found.before, found.after
        seen, data = self.seen, _used(self.data, found)
        days = _days(data["time"].values)
        changed = self._changed(data, days, seen)
        todo = _reached(changed, days, reach)
        todo |= {day for day in days if not self._file(day).exists()}
        counts = {"days": len(days), "changed": len(changed), "made": len(todo)}
        if not todo:
            self.progress.mark = seen.as_dict()
            self.progress.write(self.folder)
            return RunReport("", self.pipeline.name, counts=counts)
        window = (_text(min(todo)), _text(max(todo) + 1))
        with recorded(self.pipeline, self.catalog, None, window=window) as record, remarks() as told:
            record.report.remarks = told
            record.report.counts = counts
            record.inputs.append(self._input(data, changed, seen))
            # The newest first: it is what is looked at.
            for batch in reversed(list(_batches(sorted(todo), reach, data))):
                self._make(data, batch, reach)
                record.report.outputs += [self._file(day) for day in batch]
            self.progress.mark = seen.as_dict()
            self.progress.days |= {_text(day): digest for day, digest in changed.items()}
            self.progress.write(self.folder)
            record.outputs += [self._output(path) for path in record.report.outputs]
            record.report.steps = self.steps
        return record.report

    def _changed(self, data: xr.Dataset, days: range, seen: Mark) -> dict[int, str]:
        """Days whose input is not what it was, with its hash."""
        suspects = set(days)
        since = self._mark()
        if since is not None:
            spans = self.store.changed(self.key, since)
            if spans is not None:
                touched = {day for start, end in spans for day in range(start // DAY, (end - 1) // DAY + 1)}
                suspects = {day for day in days if day in touched or _text(day) not in self.progress.days}
        found: dict[int, str] = {}
        # Many days at once: chunks of the store are as long as a month.
        for those in _runs(sorted(suspects), _AT_ONCE // _a_day(data)):
            loaded = _part(data, those[0] * DAY, (those[-1] + 1) * DAY).load()
            for day in those:
                digest = content_hash(_part(loaded, day * DAY, (day + 1) * DAY))
                if self.progress.days.get(_text(day)) != digest:
                    found[day] = digest
        return found

    def _mark(self) -> Mark | None:
        from workbench.store.news import Mark

        held = self.progress.mark
        return Mark(str(held["snapshot"]), str(held["journal"]), int(held["seq"])) if held else None

    def _make(self, data: xr.Dataset, batch: list[int], reach: tuple[int | None, int | None]) -> None:
        """Work out the days of a batch, which follow each other, and write each."""
        from workbench.catalog.export import write

        first, stop = batch[0] * DAY, (batch[-1] + 1) * DAY
        before, after = reach
        margin = _MARGIN * _step(data)
        low = None if before is None else first - before - margin * bool(before)
        high = None if after is None else stop + after + margin * bool(after)
        part = _part(data, low, high)
        if self.tell is not None:
            self.tell(" to ".join(dict.fromkeys((_text(batch[0]), _text(batch[-1])))))
        with other_sources(self.catalog):
            made = self._run(part.load())
        for day in reversed(batch):
            one = _part(made, day * DAY, (day + 1) * DAY).compute()
            new = " ".join(str(name) for name in made.data_vars if name not in data.variables)
            title = self.pipeline.title or self.pipeline.name
            about = {"pipeline": self.pipeline.name, "title": title, "made_from": self.source, "made": new}
            one.attrs = {**one.attrs, **about}
            one.attrs.pop("snapshot", None)  # the same input gives the same file
            write(one, self._file(day), overwrite=True)

    def _run(self, data: xr.Dataset) -> xr.Dataset:
        """The steps on a batch; what went into each and came out is added to what the batches before had."""
        made = data
        for number, (one, found) in enumerate(stages(self.pipeline, data)):
            if number == len(self.steps):
                self.steps.append({"type": one.step.name, "in": Counter(), "out": Counter()})
            for way, each in (("in", made), ("out", found)):
                self.steps[number][way]["times"] += each.sizes["time"]
                self.steps[number][way]["variables"] = len(each.data_vars)
            made = found
        return made

    def _file(self, day: int) -> Path:
        return self.folder / f"{_text(day)}.nc"

    def _input(self, data: xr.Dataset, changed: Mapping[int, str], seen: Mark) -> dict[str, Any]:
        import hashlib

        whole = hashlib.sha256("".join(changed[day] for day in sorted(changed)).encode()).hexdigest()
        return lineage.dataset(
            self.source,
            kind="store",
            sha256=whole,
            fields=fields_of(data),
            counts={"days": {_text(day): digest for day, digest in sorted(changed.items())}},
            state=f"{seen.snapshot}+{seen.journal}:{seen.seq}",
        )

    def _output(self, path: Path) -> dict[str, Any]:
        return lineage.dataset(path.name, kind=f"file:{self.folder.name}", sha256=file_hash(path), fields={}, counts={})


def _used(data: xr.Dataset, found: Plan) -> xr.Dataset:
    """The fields that the pipeline asks for, with their flags: the others are not read."""
    if found.every:
        return data
    names = {name.split(".")[0] for name in found.from_source}
    return data.drop_vars(
        [name for name in data.data_vars if str(name) not in names and str(name).removesuffix("_quality") not in names]
    )


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One run at a time in a folder."""
    from workbench.store.telemetry import lock_file

    with lock_file(folder / ".lock", "another run is at work in this folder"):
        yield


def _step(data: xr.Dataset) -> int:
    times = data["time"].values
    return int(np.diff(times[:2]).astype("timedelta64[ns]").astype("int64")[0]) if len(times) > 1 else DAY


def _days(times: np.ndarray[Any, Any]) -> range:
    """Numbers of the days of UTC from the first time to the last."""
    if not len(times):
        return range(0)
    ends = times[[0, -1]].astype("datetime64[ns]").astype("int64")
    return range(int(ends[0]) // DAY, int(ends[1]) // DAY + 1)


def _text(day: int) -> str:
    return str(np.datetime64(day, "D"))


def _part(data: xr.Dataset, start: int | None, end: int | None) -> xr.Dataset:
    times = data["time"].values.astype("datetime64[ns]").astype("int64")
    low = 0 if start is None else int(np.searchsorted(times, start))
    high = len(times) if end is None else int(np.searchsorted(times, end))
    return data.isel(time=slice(low, high))


def _reached(changed: Mapping[int, str], days: range, reach: tuple[int | None, int | None]) -> set[int]:
    """Days with a value that reaches a time of a day that changed."""
    before, after = reach
    found: set[int] = set()
    for day in changed:
        first = days.start if after is None else (day * DAY - after) // DAY
        last = days.stop - 1 if before is None else ((day + 1) * DAY - 1 + before) // DAY
        found |= set(range(max(first, days.start), min(last, days.stop - 1) + 1))
    return found


def _a_day(data: xr.Dataset) -> int:
    """Values in a day."""
    return max(1, sum(array.size for array in data.variables.values()) // max(1, len(_days(data["time"].values))))


def _batches(days: list[int], reach: tuple[int | None, int | None], data: xr.Dataset) -> Iterator[list[int]]:
    """Days that are worked out together: as many as a run reaches, so that little is read twice; in bounded memory."""
    if None in reach:  # every batch would read everything
        return _runs(days, len(days) or 1)
    reaches = sum(-(-(each or 0) // DAY) for each in reach)
    return _runs(days, min(_AT_ONCE // _a_day(data) - reaches, 4 * (reaches + 1)))


def _runs(days: list[int], most: int) -> Iterator[list[int]]:
    """Days that follow each other, ``most`` of them at most."""
    batch: list[int] = []
    for day in days:
        if batch and (day != batch[-1] + 1 or len(batch) >= most):
            yield batch
            batch = []
        batch.append(day)
    if batch:
        yield batch
