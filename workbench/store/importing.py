"""Bulk history straight into the store: whole chunks, one commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.model.errors import InputError
from workbench.model.quality import is_quality, quality_name
from workbench.model.samples import SeriesKey
from workbench.store.attributes import base_of
from workbench.store.commit import stored_region
from workbench.store.fold import MOST
from workbench.store.grid import grid_of
from workbench.store.telemetry import COUNT, Group
from workbench.store.transaction import Transaction

if TYPE_CHECKING:
    from workbench.store.site import SiteStore


@dataclass(frozen=True)
class ImportReport:
    """What an import brought."""

    slots: int
    values: int  #: values that are not missing
    chunks: int


def import_dataset(site: SiteStore, key: SeriesKey, data: xr.Dataset, *, wait: float = 120.0) -> ImportReport:
    """Write ``data``, dims (time, asset), over what the store holds; see ``SiteStore.import_dataset``."""
    variables = _checked(key, data)
    slots, order = _slots(key, data)
    if not len(slots) or not data.sizes["asset"]:
        return ImportReport(0, 0, 0)
    if order is not None:
        data = data.isel(time=order)
    data = data.transpose("time", "asset", ...)
    assets = [str(name) for name in data["asset"].values]
    values = chunks = 0
    with site.telemetry.transaction(f"import {key}", wait=wait) as change:
        old = change.before.group(key)
        group = change.prepare(key, int(slots[0]), int(slots[-1]), assets, variables)
        places = {name: place for place, name in enumerate(group.assets)}
        columns = np.array([places[name] for name in assets])
        numbers = slots // group.grid.span
        for number in np.unique(numbers):
            first, stop = np.searchsorted(numbers, [number, number + 1])
            part = data.isel(time=slice(int(first), int(stop)))
            values += _Chunk(change, old, group, int(number), slots[first:stop], columns).write(part, variables)
            chunks += 1
        change.imported(key, int(slots[0]), int(slots[-1]))
        change.notes = {"import": str(key), "slots": len(slots), "values": values}
    return ImportReport(len(slots), values, chunks)


class _Chunk:
    """One chunk of an import."""

    def __init__(
        self,
        change: Transaction,
        old: Group | None,
        group: Group,
        chunk: int,
        slots: npt.NDArray[np.int64],
        columns: npt.NDArray[np.intp],
    ) -> None:
        grid = group.grid
        self.change, self.old, self.group = change, old, group
        self.start = max(grid.chunk_start(chunk), group.origin)
        end = min(grid.chunk_start(chunk + 1), group.origin + group.size * group.step)
        self.size = (end - self.start) // grid.step
        self.at = (self.start - group.origin) // grid.step
        self.lines = (slots - self.start) // grid.step
        self.columns = columns
        self.unique = len(slots) < 2 or bool((np.diff(self.lines) > 0).all())

    def write(self, part: xr.Dataset, variables: Mapping[str, str]) -> int:
        """Write all variables, their quality and the counts; returns how many values came."""
        part = part.compute()
        any_sent = np.zeros((len(self.lines), len(self.columns)), dtype=bool)
        total = 0
        for name in variables:
            values = np.asarray(part[name].values, dtype=self.group.variables[name])
            marks = part[quality_name(name)].values.astype(np.uint16) if quality_name(name) in part else None
            present = ~np.isnan(values)
            total += int(np.count_nonzero(present))
            sent = present if marks is None else present | (marks != 0)
            any_sent |= sent
            if not sent.any():
                continue
            self._write(name, values, sent)
            self._write_quality(name, marks, sent)
        if COUNT in part:
            counts = part[COUNT].values.astype(np.uint16)
            any_sent |= counts > 0
        else:
            counts = any_sent.astype(np.uint16)
        self._write(COUNT, self._together(counts, any_sent), any_sent)
        return total

    def _write(self, name: str, values: npt.NDArray[Any], sent: npt.NDArray[np.bool_]) -> None:
        before = stored_region(self.change, self.old, self.group, name, self.start, self.size)
        laid = self._laid(self._base(before, values.dtype), values, sent)
        self.change.write(self.group.key, name, self.at, laid, over=before)

    def _write_quality(self, name: str, marks: npt.NDArray[np.uint16] | None, sent: npt.NDArray[np.bool_]) -> None:
        other = quality_name(name)
        before = stored_region(self.change, self.old, self.group, other, self.start, self.size)
        if before is None and (marks is None or not marks.any()):
            return
        new = np.zeros(sent.shape, np.uint16) if marks is None else marks
        flags = self._laid(self._base(before, new.dtype), new, sent)
        self.change.write_quality(self.group.key, name, self.at, flags, self.size)

    def _base(self, before: npt.NDArray[Any] | None, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        if before is None:
            shape = (self.size, len(self.group.assets))
            return np.full(shape, np.nan if dtype.kind == "f" else 0, dtype=dtype)
        return np.array(before, dtype=dtype)

    def _laid(self, base: npt.NDArray[Any], values: npt.NDArray[Any], sent: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        """``values`` over ``base`` where they were sent; of several in a slot the last."""
        if self.unique and sent.all():
            base[self.lines[:, None], self.columns[None, :]] = values
            return base
        places = self.lines[:, None] * base.shape[1] + self.columns[None, :]
        base.reshape(-1)[places[sent]] = values[sent]
        return base

    def _together(self, counts: npt.NDArray[np.uint16], sent: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint16]:
        """Counts of samples that share a slot, summed and given to each of them."""
        if self.unique:
            return counts
        total = np.zeros((self.size, counts.shape[1]), dtype=np.int64)
        np.add.at(total, self.lines, np.where(sent, counts, 0))
        return np.minimum(total[self.lines], MOST).astype(np.uint16)


def _checked(key: SeriesKey, data: xr.Dataset) -> dict[str, str]:
    """Variables to import with their dtypes."""
    from workbench.model.vocabulary import vocabulary

    for dim in ("time", "asset"):
        if dim not in data.dims or dim not in data.coords:
            raise InputError(
                f"the data has no dimension {dim!r} with a coordinate",
                where=str(key),
                found=", ".join(map(str, data.dims)) or "no dimension",
                expected="dims (time, asset)",
            )
    if data["time"].dtype.kind != "M":
        raise InputError(
            "time is not of a time type", where=str(key), found=data["time"].dtype, expected="datetime64, UTC"
        )
    assets = [str(name) for name in data["asset"].values]
    twice = sorted(name for name, times in Counter(assets).items() if times > 1)
    if twice:
        raise InputError("an asset stands twice", where=str(key), found=", ".join(twice))
    words = vocabulary()
    found: dict[str, str] = {}
    for variable in data.data_vars:
        name = str(variable)
        values = data[name]
        if name == COUNT or is_quality(name):
            continue
        if set(values.dims) != {"time", "asset"} or values.dtype.kind not in "fiub":
            raise InputError(
                "a variable that is no number over (time, asset)",
                where=f"{key}.{name}",
                found=f"{values.dtype} over ({', '.join(map(str, values.dims))})",
                expected="numbers; states as their codes",
                hint="leave it out with data.drop_vars(...)",
            )
        base, _ = base_of(name)
        # A name the vocabulary does not know keeps the width it came in.
        wide = values.dtype.itemsize > 4 or values.dtype in (np.dtype("i4"), np.dtype("u4"))
        found[name] = words.dtype(base) if base in words else ("f8" if wide else "f4")
    if not found:
        raise InputError("the data has no variable to import", where=str(key))
    return found


def _slots(key: SeriesKey, data: xr.Dataset) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.intp] | None]:
    """Slot of each time step [ns], ascending, and the order that brings the data there (None: as it is)."""
    step = grid_of(key.cadence).step
    stamps = data["time"].values.astype("datetime64[ns]")
    if np.isnat(stamps).any():
        raise InputError("a time is missing", where=str(key), found="NaT")
    times = stamps.astype(np.int64)
    slots = times - times % step
    if len(slots) > 1 and (np.diff(times) < 0).any():
        order = np.argsort(times, kind="stable")
        return slots[order], order
    return slots, None
