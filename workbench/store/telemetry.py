"""The store: an Icechunk repository per site, a group per series, an array per tag.

Group ``<asset_type>/<cadence>`` holds ``time`` and ``asset`` coordinates, an array (time, asset) per
variable, ``<variable>_quality`` where some value was ever flagged, and ``sample_count``; ``xarray.open_zarr``
reads it as it stands. What a reader must know (extent, assets, variables) stands in the group's attributes,
so that opening costs one read however many tags there are.

A chunk is one chunk of time by up to ``asset_chunk`` assets, laid out asset by asset before compression:
neighbours in time resemble each other more than neighbours in the field do.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import icechunk
import numpy as np
import numpy.typing as npt
import zarr

from workbench.model.errors import InputError
from workbench.model.samples import SeriesKey
from workbench.store.grid import Grid

if TYPE_CHECKING:
    from workbench.store.transaction import Transaction

FORMAT = 1
BRANCH = "main"
COUNT = "sample_count"
#: Time chunks whose references share a manifest.
_MANIFEST_CHUNKS = 48

#: Id that Icechunk gives the state of a new repository, before the first commit.
_AS_CREATED = "1CECHNKREP0F1RSTCMT0"

# The one warning is that local storage wants a single committing process: the lock sees to that.
icechunk.set_logs_filter("error")


class TelemetryError(Exception):
    """The store cannot be read or written: names the place and what was seen."""


class AheadError(InputError):
    """The last commit is later than the machine's clock says it is now: the store takes none before that."""


@dataclass(frozen=True)
class Group:
    """What the store holds of a series; times are starts of slots [ns since 1970 UTC]."""

    key: SeriesKey
    step: int
    slots: int  #: slots in a chunk
    origin: int  #: first slot of the arrays, on a border of chunks
    size: int  #: slots in the arrays
    first: int  #: first slot with a sample
    last: int
    assets: tuple[str, ...]
    variables: dict[str, str]  #: name -> f4 | f8
    flagged: tuple[str, ...]  #: variables with a quality array
    asset_chunk: int
    values: int = 0  #: values that are not missing
    imports: tuple[tuple[int, int, int], ...] = ()  #: the latest imports: number, first and last slot [ns]

    @property
    def grid(self) -> Grid:
        """The grid its chunks lie on."""
        return Grid(self.step, self.slots)

    def attrs(self) -> dict[str, Any]:
        """As it stands in the group's attributes."""
        return {
            "format": FORMAT,
            "step": self.step,
            "slots": self.slots,
            "origin": self.origin,
            "size": self.size,
            "first": self.first,
            "last": self.last,
            "assets": list(self.assets),
            "variables": self.variables,
            "flagged": list(self.flagged),
            "asset_chunk": self.asset_chunk,
            "values": self.values,
            "imports": [list(found) for found in self.imports],
        }

    @classmethod
    def from_attrs(cls, key: SeriesKey, attrs: Mapping[str, Any]) -> Group:
        """From the group's attributes."""
        numbers = {
            name: int(attrs[name])
            for name in ("step", "slots", "origin", "size", "first", "last", "asset_chunk", "values")
        }
        return cls(
            key=key,
            assets=tuple(attrs["assets"]),
            variables=dict(attrs["variables"]),
            flagged=tuple(attrs["flagged"]),
            imports=tuple((int(n), int(first), int(last)) for n, first, last in attrs["imports"]),
            **numbers,
        )


@dataclass(frozen=True)
class Applied:
    """Which rows of a journal a snapshot holds.

    All rows of a series with a number up to ``floor[series]``, and beyond it those of a chunk with a number
    up to ``chunks[series][chunk]``. Says nothing about another journal than ``journal``.
    """

    journal: str
    floor: dict[str, int]
    chunks: dict[str, dict[int, int]]

    def through(self, journal: str, key: SeriesKey, chunk: int) -> int:
        """The number through which the rows of a chunk are in the store."""
        if journal != self.journal:
            return 0
        return max(self.floor.get(str(key), 0), self.chunks.get(str(key), {}).get(chunk, 0))

    def all_through(self, journal: str, key: SeriesKey) -> int:
        """The number through which all rows of a series are in the store."""
        return self.floor.get(str(key), 0) if journal == self.journal else 0


class Snapshot:
    """The store as it was at one commit. Safe to read from several threads."""

    def __init__(self, session: icechunk.Session | None) -> None:
        self._session = session
        self.id = "" if session is None else session.snapshot_id
        self._arrays: dict[tuple[SeriesKey, str], zarr.Array[Any]] = {}
        self._groups: dict[SeriesKey, Group | None] = {}
        self._root: zarr.Group | None = None
        if session is not None and self.id != _AS_CREATED:
            try:
                self._root = zarr.open_group(session.store, mode="r")
            except zarr.errors.GroupNotFoundError as error:
                # So Icechunk tells of a commit whose file is damaged. It must not be taken for an empty store.
                raise TelemetryError(f"the commit {self.id} cannot be read") from error
        about: dict[str, Any] = (
            {} if self._root is None else cast(dict[str, Any], self._root.attrs.get("workbench", {}))
        )
        self._series = tuple(SeriesKey.parse(text) for text in about.get("series", []))
        self.applied = Applied(
            about.get("journal", ""),
            about.get("floor", {}),
            {
                name: {int(chunk): seq for chunk, seq in found.items()}
                for name, found in about.get("applied", {}).items()
            },
        )

    def series(self) -> tuple[SeriesKey, ...]:
        """Series in the store."""
        return self._series

    def group(self, key: SeriesKey) -> Group | None:
        """What is there of a series; None where it is not in the store."""
        if key not in self._groups:
            found = None
            if key in self._series and self._root is not None:
                found = Group.from_attrs(key, self._root[str(key)].attrs["workbench"])  # type: ignore[arg-type]
            self._groups[key] = found
        return self._groups[key]

    def read(self, key: SeriesKey, name: str, start: int, stop: int) -> npt.NDArray[Any] | None:
        """Slots ``start`` to ``stop`` (numbers in the arrays) of an array, all assets; None if it is not there."""
        group = self.group(key)
        if group is None or not has_array(group, name):
            return None
        return np.asarray(self.array(key, name)[start:stop])

    def array(self, key: SeriesKey, name: str) -> zarr.Array[Any]:
        """An array of a series."""
        found = self._arrays.get((key, name))
        if found is None:
            if self._root is None:
                raise KeyError(f"{key}/{name}")
            found = self._arrays[key, name] = cast("zarr.Array[Any]", self._root[f"{key}/{name}"])
        return found


class Telemetry:
    """The repository of one site, in ``folder``; made by the first transaction."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._repository: icechunk.Repository | None = None
        self._snapshot: Snapshot | None = None
        self._pid = os.getpid()

    def exists(self) -> bool:
        """Whether something was ever committed."""
        return (self.folder / "refs" / f"branch.{BRANCH}").exists()

    def snapshot(self, *, at: str | None = None) -> Snapshot:
        """The newest snapshot, or the one with the id or tag ``at``.

        Raises
        ------
        InputError
            There is no snapshot ``at``.
        """
        repository = self._open()
        if repository is None:
            if at is not None:
                raise InputError("no such snapshot", where="snapshot", found=at)
            return Snapshot(None)
        try:
            with self._lock:
                if at is not None:
                    tagged = at in repository.list_tags()
                    if tagged:
                        return Snapshot(repository.readonly_session(tag=at))
                    return Snapshot(repository.readonly_session(snapshot_id=at))
                newest = repository.lookup_branch(BRANCH)
                if self._snapshot is None or self._snapshot.id != newest:
                    self._snapshot = Snapshot(repository.readonly_session(snapshot_id=newest))
                return self._snapshot
        except icechunk.IcechunkError as error:
            if at is not None:
                raise InputError(
                    "no such snapshot", where="snapshot", found=at, hint="older ones expire; one per day is kept"
                ) from error
            raise TelemetryError(f"{self.folder}: {_first_line(error)}") from error

    def holds(self, snapshot: str) -> bool:
        """Whether a snapshot has not expired."""
        # By the files: an open repository remembers what it has read of those that are gone.
        if not (self.folder / "snapshots" / snapshot).exists():
            return False
        repository = Telemetry(self.folder)._open()
        if repository is None:
            return False
        try:
            tagged = {repository.lookup_tag(tag) for tag in repository.list_tags()}
            return snapshot in tagged or any(one.id == snapshot for one in repository.ancestry(branch=BRANCH))
        except icechunk.IcechunkError:
            return True  # not expired, but damaged

    @contextlib.contextmanager
    def transaction(self, message: str, *, wait: float = 0.0) -> Iterator[Transaction]:
        """Change the store: all of it in one commit when the block ends, nothing where it fails.

        Parameters
        ----------
        wait
            Seconds to wait for another committing process to end.

        Raises
        ------
        InputError
            Another process is committing.
        AheadError
            The last commit is from a time that is yet to come.
        """
        with self.committing(wait=wait):
            self._expect_past()
            repository = self._open(create=True)
            if repository is None:
                raise TelemetryError(f"{self.folder}: could not be made")
            session = repository.writable_session(BRANCH)
            from workbench.store.transaction import Transaction

            change = Transaction(session, repository)
            yield change
            change.finish(message)

    def ahead(self) -> datetime | None:
        """When the last commit was made, where that is yet to come by the machine's clock."""
        last = None
        # Twice: an open repository remembers what it has read, and that may have been mended since.
        for _ in range(2):
            repository = self._open()
            if repository is None:
                return None
            last = repository.lookup_snapshot(repository.lookup_branch(BRANCH)).written_at
            if last < datetime.now(UTC):
                return None
            self.forget()
        return last

    def _expect_past(self) -> None:
        # Icechunk would say so too, after all the work.
        if last := self.ahead():
            raise AheadError(
                "the store's last commit is from a time that is yet to come",
                file=self.folder,
                found=f"{last:%Y-%m-%d %H:%M:%S}Z",
                expected="a time before the machine's clock: it was set back, or was ahead when that was committed",
                hint="nothing is lost: the journal keeps what comes, and the store takes it when that time has come,"
                " or after: workbench store repair",
            )

    @contextlib.contextmanager
    def committing(self, *, wait: float = 0.0) -> Iterator[None]:
        """Hold the lock of the one committing process."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with lock_file(
            self.folder.parent / "committer.lock", "another process is committing to this site's store", wait=wait
        ):
            yield

    def repository(self) -> icechunk.Repository | None:
        """The repository; None where nothing was ever committed."""
        return self._open()

    def forget(self) -> None:
        """Open the repository anew, where its files were changed underneath."""
        with self._lock:
            self._repository = self._snapshot = None

    def _open(self, *, create: bool = False) -> icechunk.Repository | None:
        with self._lock:
            if self._pid != os.getpid():
                self._repository, self._snapshot, self._pid = None, None, os.getpid()
            if self._repository is None:
                if not create and not self.exists():
                    return None
                storage = icechunk.local_filesystem_storage(str(self.folder))
                try:
                    if self.exists():
                        self._repository = icechunk.Repository.open(storage, config=_config())
                    else:
                        self.folder.mkdir(parents=True, exist_ok=True)
                        self._repository = icechunk.Repository.create(storage, config=_config())
                except (icechunk.IcechunkError, ValueError, OSError) as error:
                    raise TelemetryError(f"{self.folder}: {_first_line(error)}") from error
            return self._repository


@contextlib.contextmanager
def lock_file(path: Path, refusal: str, *, wait: float = 0.0) -> Iterator[IO[str]]:
    """Hold an exclusive lock on ``path``; it ends with the process, however that ends.

    Raises
    ------
    InputError
        Another process holds it for longer than ``wait`` seconds.
    """
    import time

    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a+")
    try:
        until = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if time.monotonic() < until:
                    time.sleep(0.05)
                    continue
                file.seek(0)
                owner = file.read().strip()
                raise InputError(
                    refusal,
                    file=path,
                    found=f"process {owner}" if owner else None,
                    hint="stop it, or wait until it has ended",
                ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield file
    finally:
        file.close()


def _config() -> icechunk.RepositoryConfig:
    split = icechunk.ManifestSplittingConfig.from_dict(
        {icechunk.ManifestSplitCondition.AnyArray(): {icechunk.ManifestSplitDimCondition.Axis(0): _MANIFEST_CHUNKS}}
    )
    config = icechunk.RepositoryConfig.default()
    config.manifest = icechunk.ManifestConfig(splitting=split)
    return config


def has_array(group: Group, name: str) -> bool:
    """Whether a series has an array of this name."""
    return name in group.variables or name == COUNT or name.removesuffix("_quality") in group.flagged


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
