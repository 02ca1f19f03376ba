"""A change to the store on its way to one commit."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import icechunk
import numpy as np
import numpy.typing as npt
import zarr
from zarr.api.asynchronous import open_group
from zarr.core.sync import sync

from workbench.model.quality import quality_attrs, quality_name
from workbench.model.samples import SeriesKey
from workbench.store.attributes import count_attrs, variable_attrs
from workbench.store.grid import Grid, chunk_slots, grid_of
from workbench.store.telemetry import COUNT, FORMAT, Group, Snapshot

#: Most bytes of a chunk before compression.
CHUNK_BYTES = 8 << 20
#: Bytes of values that wait to be written together.
WAITING_BYTES = 64 << 20
#: Imports of a series that are remembered.
_IMPORTS = 100

_Made = TypeVar("_Made")


class Transaction:
    """Changes to the store on their way to one commit. Prepare a series before writing to it."""

    def __init__(self, session: icechunk.Session, repository: icechunk.Repository) -> None:
        self._session = session
        before = repository.readonly_session(snapshot_id=session.snapshot_id)
        #: the store as it was when the transaction began
        self.before = Snapshot(before)
        self._async_root = sync(open_group(session.store, mode="a"))
        self._root = zarr.Group(self._async_root)
        self._groups: dict[SeriesKey, Group] = {}
        self._arrays: dict[tuple[SeriesKey, str], zarr.Array[Any]] = {}
        self._applied: dict[str, Any] = {}
        self._waiting: dict[tuple[SeriesKey, str], tuple[int, npt.NDArray[Any]]] = {}
        self._waiting_bytes = 0
        self.changed = False
        self.notes: dict[str, Any] = {}

    def group(self, key: SeriesKey) -> Group | None:
        """The series as it will be."""
        return self._groups.get(key) or self.before.group(key)

    def prepare(
        self,
        key: SeriesKey,
        first: int,
        last: int,
        assets: Sequence[str],
        variables: Mapping[str, str],
        *,
        slots: int = 0,
    ) -> Group:
        """Make room for slots ``first`` to ``last`` [ns], for ``assets`` and ``variables`` (name -> f4 | f8).

        Once per series, before anything is written to it. A new series gets chunks of ``slots``, or as the
        number of its values asks for.
        """
        self.changed = True
        old = self.before.group(key)
        if old is not None:
            grid = old.grid
        else:
            step = grid_of(key.cadence).step
            grid = Grid(step, slots or chunk_slots(step, len(assets) * len(variables)))
        origin = grid.chunk_start(grid.chunk(first))
        if old is None:
            width = _asset_chunk(len(assets), grid.slots)
            size = (last - origin) // grid.step + 1
            new = Group(key, grid.step, grid.slots, origin, size, first, last, tuple(assets), {}, (), width)
            self._root.require_group(str(key))
            self._groups[key] = new
            self._create(new, {COUNT: ("u2", 0, count_attrs())})
        else:
            origin = min(origin, old.origin)
            end = max(last, old.origin + (old.size - 1) * old.step)
            known = set(old.assets)
            more = [asset for asset in assets if asset not in known]
            new = Group(
                key, old.step, old.slots, origin, (end - origin) // old.step + 1, min(first, old.first), max(last, old.last),
                (*old.assets, *more), dict(old.variables), old.flagged, old.asset_chunk, old.values,
                old.imports,
            )  # fmt: skip
            self._groups[key] = new
            self._refit(old, new)
        self._ensure(key, variables)
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
        """Write ``values`` [slots, all assets] from slot number ``start`` of the arrays on; they are kept, not copied.

        ``over`` is what stood there, for the count of values.
        """
        # A write costs little besides waiting for other threads: those of many variables wait together. Not two of one
        # array, which could be of the same chunk.
        if (key, name) in self._waiting or self._waiting_bytes > WAITING_BYTES:
            self._write_waiting()
        self._waiting[key, name] = start, values
        self._waiting_bytes += values.nbytes
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
            self._create(group, {quality_name(name): ("u2", 0, quality_attrs(name))})
            self._put(key, flagged=(*group.flagged, name))
        if flags is None:
            flags = np.zeros((size, len(group.assets)), np.uint16)
        self.write(key, quality_name(name), start, flags)

    def imported(self, key: SeriesKey, first: int, last: int) -> None:
        """Note that slots ``first`` to ``last`` [ns] came in bulk, for those who follow what changes."""
        before = self._groups[key].imports
        number = before[-1][0] + 1 if before else 1
        self._put(key, imports=(*before[1 - _IMPORTS :], (number, first, last)))

    @property
    def store(self) -> icechunk.IcechunkStore:
        """The keys and bytes underneath, for those who mend or move chunks as they are."""
        self._write_waiting()
        return self._session.store

    def recount(self, key: SeriesKey, values: int) -> None:
        """Say how many values a series holds, after chunks of it went."""
        self.changed = True
        self._groups.setdefault(key, self._held(key))
        self._put(key, values=values)

    def rewrite_axes(self, key: SeriesKey) -> None:
        """Write time and assets of a series anew; both follow from its attributes."""
        self.changed = True
        self._groups.setdefault(key, self._held(key))
        self._write_axes(None, self._groups[key])

    def forget_before(self, key: SeriesKey, first: int, values: int) -> None:
        """Say that a series begins with the slot ``first`` [ns] from now on and holds ``values``."""
        self.changed = True
        self._groups.setdefault(key, self._held(key))
        self._put(key, first=first, values=values)

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
        self._write_waiting()
        for key, group in self._groups.items():
            found = self._root[str(key)]
            found.attrs["workbench"] = group.attrs()
        about = dict(self._root.attrs.get("workbench", {}))  # type: ignore[arg-type]
        about |= {"format": FORMAT, "series": sorted({*map(str, self.before.series()), *map(str, self._groups)})}
        self._root.attrs["workbench"] = about | self._applied
        self._session.commit(message, metadata=self.notes or None)

    # -- inside ---------------------------------------------------------------------------------------

    def _held(self, key: SeriesKey) -> Group:
        held = self.before.group(key)
        if held is None:
            raise KeyError(str(key))
        return held

    def _put(self, key: SeriesKey, **changes: Any) -> Group:
        self._groups[key] = replace(self._groups[key], **changes)
        return self._groups[key]

    def _array(self, key: SeriesKey, name: str) -> zarr.Array[Any]:
        if (key, name) not in self._arrays:
            self._arrays[key, name] = self._root[f"{key}/{name}"]  # type: ignore[assignment]
        return self._arrays[key, name]

    def _write_waiting(self) -> None:
        writes = [
            self._array(key, name).async_array.setitem(slice(start, start + len(values)), values)
            for (key, name), (start, values) in self._waiting.items()
        ]
        self._waiting, self._waiting_bytes = {}, 0
        sync(_all(writes))

    def _create(self, group: Group, arrays: Mapping[str, tuple[str, float, Mapping[str, Any]]]) -> None:
        """Make arrays of a series: name to dtype, fill value and attributes."""
        from zarr.codecs import BloscCodec, Crc32cCodec, TransposeCodec

        made = sync(
            _all(
                self._async_root.create_array(
                    f"{group.key}/{name}",
                    shape=(group.size, len(group.assets)),
                    chunks=(group.slots, group.asset_chunk),
                    dtype=dtype,
                    fill_value=fill,
                    filters=[TransposeCodec(order=(1, 0))],
                    # Blosc has no checksum: a flipped bit would come back as another value.
                    compressors=(BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle"), Crc32cCodec()),
                    dimension_names=("time", "asset"),
                    attributes=_plain(attrs),
                    config={"write_empty_chunks": False},
                    overwrite=True,
                )
                for name, (dtype, fill, attrs) in arrays.items()
            )
        )
        self._arrays |= {(group.key, name): zarr.Array(array) for name, array in zip(arrays, made, strict=True)}

    def _ensure(self, key: SeriesKey, variables: Mapping[str, str]) -> None:
        """Make the arrays of variables that are not there, or too narrow (name -> f4 | f8)."""
        group = self._groups[key]
        there = group.variables
        lacking = {name: dtype for name, dtype in variables.items() if there.get(name, "") < dtype}
        self._create(group, {n: (dtype, float("nan"), variable_attrs(n, key)) for n, dtype in lacking.items()})
        self._put(key, variables={**there, **lacking})
        old = self.before.group(key)
        if old is None:
            return
        for name in lacking.keys() & there.keys():
            # A narrower array was in the way: carry its values over.
            shift = (old.origin - group.origin) // group.step
            for start in range(0, old.size, old.slots):
                values = self.before.read(key, name, start, min(start + old.slots, old.size))
                if values is not None and not np.isnan(values).all():
                    full = np.full((len(values), len(group.assets)), np.nan, lacking[name])
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
        chunks = (old.origin - new.origin) // old.grid.span
        for name in names:
            fill = float("nan") if name in old.variables else 0
            dtype = old.variables.get(name, "u2")
            attrs = dict(self._array(old.key, name).attrs)
            self._create(new, {name: (dtype, fill, attrs)})
            sync(_move_chunks(self.before.array(old.key, name), self._array(new.key, name), chunks))

    def _write_axes(self, old: Group | None, new: Group) -> None:
        from zarr.codecs import BloscCodec, Crc32cCodec

        moved = old is None or old.origin != new.origin
        if moved:
            self._arrays[new.key, "time"] = self._root.create_array(
                f"{new.key}/time",
                shape=(new.size,),
                chunks=(new.slots,),
                dtype="i8",
                fill_value=0,
                compressors=(BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle"), Crc32cCodec()),
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


async def _all(work: Iterable[Coroutine[Any, Any, _Made]]) -> list[_Made]:
    return await asyncio.gather(*work)


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


def _asset_chunk(assets: int, slots: int) -> int:
    """Assets in a chunk: room to grow to the next power of two, within the cap of bytes."""
    most = max(1, CHUNK_BYTES // (4 * slots))
    width = 4
    while width < assets and width * 2 <= most:
        width *= 2
    return min(width, most)


def _plain(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as JSON can hold them."""
    return {k: v.tolist() if isinstance(v, np.ndarray | np.generic) else v for k, v in attrs.items()}
