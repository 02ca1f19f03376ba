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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import icechunk
import numpy as np
import numpy.typing as npt
import zarr

from workbench.model.errors import InputError
from workbench.model.quality import quality_attrs, quality_name
from workbench.model.samples import SeriesKey
from workbench.store.attributes import count_attrs, variable_attrs
from workbench.store.grid import Grid, grid_of

FORMAT = 1
BRANCH = "main"
COUNT = "sample_count"
#: Most bytes of a chunk before compression.
CHUNK_BYTES = 8 << 20
#: Time chunks whose references share a manifest.
_MANIFEST_CHUNKS = 48
#: Imports of a series that are remembered.
_IMPORTS = 100

# The one warning is that local storage wants a single committing process: the lock sees to that.
icechunk.set_logs_filter("error")


class TelemetryError(Exception):
    """The store cannot be read or written: names the place and what was seen."""


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
        if session is not None:
            with contextlib.suppress(zarr.errors.GroupNotFoundError):  # as created, before the first commit
                self._root = zarr.open_group(session.store, mode="r")
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
        """
        with self.committing(wait=wait):
            repository = self._open(create=True)
            if repository is None:
                raise TelemetryError(f"{self.folder}: could not be made")
            session = repository.writable_session(BRANCH)
            change = Transaction(session, repository)
            yield change
            change.finish(message)

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


class Transaction:
    """Changes to the store on their way to one commit. Prepare a series before writing to it."""

    def __init__(self, session: icechunk.Session, repository: icechunk.Repository) -> None:
        self._session = session
        before = repository.readonly_session(snapshot_id=session.snapshot_id)
        #: the store as it was when the transaction began
        self.before = Snapshot(before)
        self._root = zarr.open_group(session.store, mode="a")
        self._groups: dict[SeriesKey, Group] = {}
        self._arrays: dict[tuple[SeriesKey, str], zarr.Array[Any]] = {}
        self._applied: dict[str, Any] = {}
        self.changed = False
        self.notes: dict[str, Any] = {}

    def group(self, key: SeriesKey) -> Group | None:
        """The series as it will be."""
        return self._groups.get(key) or self.before.group(key)

    def prepare(
        self, key: SeriesKey, first: int, last: int, assets: Sequence[str], variables: Mapping[str, str]
    ) -> Group:
        """Make room for slots ``first`` to ``last`` [ns], for ``assets`` and ``variables`` (name -> f4 | f8).

        Once per series, before anything is written to it.
        """
        self.changed = True
        old = self.before.group(key)
        grid = old.grid if old is not None else grid_of(key.cadence)
        origin = grid.chunk_start(grid.chunk(first))
        if old is None:
            width = _asset_chunk(len(assets), grid.slots)
            size = (last - origin) // grid.step + 1
            new = Group(key, grid.step, grid.slots, origin, size, first, last, tuple(assets), {}, (), width)
            self._root.require_group(str(key))
            self._groups[key] = new
            self._create(new, COUNT, "u2", 0, count_attrs())
        else:
            origin = min(origin, old.origin)
            end = max(last, old.origin + (old.size - 1) * old.step)
            more = [asset for asset in assets if asset not in set(old.assets)]
            new = Group(
                key, old.step, old.slots, origin, (end - origin) // old.step + 1, min(first, old.first), max(last, old.last),
                (*old.assets, *more), dict(old.variables), old.flagged, old.asset_chunk, old.values,
                old.imports,
            )  # fmt: skip
            self._groups[key] = new
            self._refit(old, new)
        for name, dtype in variables.items():
            self._ensure(key, name, dtype)
        self._write_axes(old, self._groups[key])
        return self._groups[key]

    def write(
        self,
        key: SeriesKey,
        name: str,
        start: int,
        values: npt.NDArray[Any],
        *,
        over: npt.NDArray[Any] | None = None,
    ) -> None:
        """Write ``values`` [slots, all assets] from slot number ``start`` of the arrays on.

        ``over`` is what stood there, for the count of values.
        """
        self._array(key, name)[start : start + len(values)] = values
        if values.dtype.kind == "f":
            new = int(np.count_nonzero(~np.isnan(values)))
            old = 0 if over is None else int(np.count_nonzero(~np.isnan(over)))
            if new != old:
                self._put(key, values=self._groups[key].values + new - old)

    def write_quality(
        self, key: SeriesKey, name: str, start: int, flags: npt.NDArray[np.uint16] | None, size: int
    ) -> None:
        """Write the quality of a variable for ``size`` slots; None for all good."""
        group = self._groups[key]
        if name not in group.flagged:
            if flags is None:
                return
            self._create(group, quality_name(name), "u2", 0, quality_attrs(name))
            self._put(key, flagged=(*group.flagged, name))
        if flags is None:
            flags = np.zeros((size, len(group.assets)), np.uint16)
        self.write(key, quality_name(name), start, flags)

    def imported(self, key: SeriesKey, first: int, last: int) -> None:
        """Note that slots ``first`` to ``last`` [ns] came in bulk, for those who follow what changes."""
        before = self._groups[key].imports
        number = before[-1][0] + 1 if before else 1
        self._put(key, imports=(*before[1 - _IMPORTS :], (number, first, last)))

    def applied(self, journal: str, floor: Mapping[str, int], chunks: Mapping[str, Mapping[int, int]]) -> None:
        """Note which journal rows the store holds after this commit."""
        self.changed = True
        self._applied = {
            "journal": journal,
            "floor": dict(floor),
            "applied": {name: {str(c): s for c, s in found.items()} for name, found in chunks.items() if found},
        }

    def finish(self, message: str) -> None:
        """Commit, where something changed."""
        if not self.changed:
            return
        for key, group in self._groups.items():
            found = self._root[str(key)]
            found.attrs["workbench"] = group.attrs()
        about = dict(self._root.attrs.get("workbench", {}))  # type: ignore[arg-type]
        about |= {"format": FORMAT, "series": sorted({*map(str, self.before.series()), *map(str, self._groups)})}
        self._root.attrs["workbench"] = about | self._applied
        self._session.commit(message, metadata=self.notes or None)

    # -- inside ---------------------------------------------------------------------------------------

    def _put(self, key: SeriesKey, **changes: Any) -> Group:
        from dataclasses import replace

        self._groups[key] = replace(self._groups[key], **changes)
        return self._groups[key]

    def _array(self, key: SeriesKey, name: str) -> zarr.Array[Any]:
        if (key, name) not in self._arrays:
            self._arrays[key, name] = self._root[f"{key}/{name}"]  # type: ignore[assignment]
        return self._arrays[key, name]

    def _create(self, group: Group, name: str, dtype: str, fill: float, attrs: Mapping[str, Any]) -> None:
        from zarr.codecs import BloscCodec, TransposeCodec

        self._arrays[group.key, name] = self._root.create_array(
            f"{group.key}/{name}",
            shape=(group.size, len(group.assets)),
            chunks=(group.slots, group.asset_chunk),
            dtype=dtype,
            fill_value=fill,
            filters=[TransposeCodec(order=(1, 0))],
            compressors=BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle"),
            dimension_names=("time", "asset"),
            attributes=_plain(attrs),
            config={"write_empty_chunks": False},
            overwrite=True,
        )

    def _ensure(self, key: SeriesKey, name: str, dtype: str) -> None:
        group = self._groups[key]
        there = group.variables.get(name)
        if there is not None and there >= dtype:
            return
        self._create(group, name, dtype, float("nan"), variable_attrs(name, key))
        self._put(key, variables={**group.variables, name: dtype})
        old = self.before.group(key)
        if there is not None and old is not None:
            # A narrower array is in the way: carry its values over.
            shift = (old.origin - group.origin) // group.step
            for start in range(0, old.size, old.slots):
                values = self.before.read(key, name, start, min(start + old.slots, old.size))
                if values is not None and not np.isnan(values).all():
                    full = np.full((len(values), len(group.assets)), np.nan, dtype)
                    full[:, : values.shape[1]] = values
                    self.write(key, name, shift + start, full, over=full)

    def _refit(self, old: Group, new: Group) -> None:
        """Bring the arrays of a series to their new extent."""
        names = [COUNT, *old.variables, *map(quality_name, old.flagged)]
        if new.origin != old.origin:
            self._shift(old, new, names)
        elif (new.size, len(new.assets)) != (old.size, len(old.assets)):
            for name in names:
                self._array(new.key, name).resize((new.size, len(new.assets)))

    def _shift(self, old: Group, new: Group, names: Sequence[str]) -> None:
        """Begin the arrays earlier: the chunks move by whole numbers, as the bytes they are."""
        from zarr.core.sync import sync

        chunks = (old.origin - new.origin) // old.grid.span
        for name in names:
            fill = float("nan") if name in old.variables else 0
            dtype = old.variables.get(name, "u2")
            attrs = dict(self._array(old.key, name).attrs)
            self._create(new, name, dtype, fill, attrs)
            sync(_move_chunks(self.before.array(old.key, name), self._array(new.key, name), chunks))

    def _write_axes(self, old: Group | None, new: Group) -> None:
        from zarr.codecs import BloscCodec

        moved = old is None or old.origin != new.origin
        if moved:
            self._arrays[new.key, "time"] = self._root.create_array(
                f"{new.key}/time",
                shape=(new.size,),
                chunks=(new.slots,),
                dtype="i8",
                fill_value=0,
                compressors=BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle"),
                dimension_names=("time",),
                attributes={
                    "units": "nanoseconds since 1970-01-01T00:00:00",
                    "calendar": "proleptic_gregorian",
                    "standard_name": "time",
                    "long_name": "start of the slot, UTC",
                },
                overwrite=True,
            )
        start = 0 if moved or old is None else old.size
        if new.size > start:
            array = self._array(new.key, "time")
            array.resize((new.size,))
            for at in range(start, new.size, 1 << 20):
                stop = min(at + (1 << 20), new.size)
                array[at:stop] = new.origin + np.arange(at, stop, dtype=np.int64) * new.step
        if old is None or old.assets != new.assets:
            names = self._root.create_array(
                f"{new.key}/asset",
                shape=(len(new.assets),),
                chunks=(max(len(new.assets), 1),),
                dtype=str,
                dimension_names=("asset",),
                attributes={"long_name": "asset", "cf_role": "timeseries_id"},
                overwrite=True,
            )
            names[:] = np.array(new.assets, dtype=np.dtypes.StringDType())


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


async def _move_chunks(source: zarr.Array[Any], target: zarr.Array[Any], chunks: int) -> None:
    """Copy the chunks of ``source`` to ``target``, ``chunks`` further along time, without decoding them."""
    from zarr.core.buffer import default_buffer_prototype

    prefix = source.store_path.path + "/c/"
    async for key in source.store_path.store.list_prefix(source.store_path.path):
        if not key.startswith(prefix):  # the array's own description
            continue
        time, asset = key.removeprefix(prefix).split("/")
        content = await source.store_path.store.get(key, default_buffer_prototype())
        if content is not None:
            await target.store_path.store.set(f"{target.store_path.path}/c/{int(time) + chunks}/{asset}", content)


def _config() -> icechunk.RepositoryConfig:
    split = icechunk.ManifestSplittingConfig.from_dict(
        {icechunk.ManifestSplitCondition.AnyArray(): {icechunk.ManifestSplitDimCondition.Axis(0): _MANIFEST_CHUNKS}}
    )
    config = icechunk.RepositoryConfig.default()
    config.manifest = icechunk.ManifestConfig(splitting=split)
    return config


def _asset_chunk(assets: int, slots: int) -> int:
    """Assets in a chunk: room to grow to the next power of two, within the cap of bytes."""
    most = max(1, CHUNK_BYTES // (4 * slots))
    width = 4
    while width < assets and width * 2 <= most:
        width *= 2
    return min(width, most)


def has_array(group: Group, name: str) -> bool:
    """Whether a series has an array of this name."""
    return name in group.variables or name == COUNT or name.removesuffix("_quality") in group.flagged


def _plain(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as JSON can hold them."""
    return {k: v.tolist() if isinstance(v, np.ndarray | np.generic) else v for k, v in attrs.items()}


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
