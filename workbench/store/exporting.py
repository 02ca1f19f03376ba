"""Writes a series to a file, chunk by chunk."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from workbench.model.errors import InputError

#: Values read at once.
_VALUES = 20_000_000
Progress = Callable[[int, int], None]


def export(data: xr.Dataset, out: Path, *, progress: Progress | None = None) -> Path:
    """Write ``data`` to ``out`` (``.parquet`` or ``.nc``); see ``SiteStore.export``."""
    writers = {".parquet": _parquet, ".nc": _netcdf}
    writer = writers.get(out.suffix.lower())
    if writer is None:
        raise InputError(
            "a type of file that is not written", where="--out", found=out.name, expected=".parquet or .nc"
        )
    if not out.parent.is_dir():
        raise InputError("the folder is not there", where="--out", found=out.parent)
    if not data.sizes["time"]:
        raise InputError("nothing to export: the series has no slot in that range", where="time")
    draft = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        writer(data, draft, progress or (lambda done, total: None))
        draft.replace(out)
    finally:
        with contextlib.suppress(FileNotFoundError):
            draft.unlink()
    return out


def _pieces(data: xr.Dataset, progress: Progress) -> Iterator[tuple[int, xr.Dataset]]:
    """Stretches of whole chunks, computed, each with the place it begins at."""
    total = data.sizes["time"]
    chunks = data.chunksizes.get("time", (total,))
    per_slot = max(1, len(data.data_vars) * data.sizes["asset"])
    start = stop = 0
    for length in chunks:
        if stop > start and (stop + length - start) * per_slot > _VALUES:
            yield start, data.isel(time=slice(start, stop)).compute()
            progress(stop, total)
            start = stop
        stop += length
    yield start, data.isel(time=slice(start, stop)).compute()
    progress(total, total)


def _parquet(data: xr.Dataset, path: Path, progress: Progress) -> None:
    import json

    import pyarrow as pa
    import pyarrow.parquet as pq

    assets = data["asset"].values.astype(str)
    about = {"attrs": data.attrs, "variables": {str(name): _plain(data[name].attrs) for name in data.data_vars}}
    fields = [pa.field("time", pa.timestamp("ns", tz="UTC")), pa.field("asset", pa.string())]
    for name in data.data_vars:
        units = str(data[name].attrs.get("units", ""))
        dtype = pa.from_numpy_dtype(data[name].dtype)
        fields.append(pa.field(str(name), dtype, metadata={"units": units} if units else None))
    schema = pa.schema(fields, metadata={"workbench": json.dumps(about)})
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for _, piece in _pieces(data, progress):
            n = piece.sizes["time"]
            columns = [
                pa.array(np.repeat(piece["time"].values, len(assets)), type=schema.field("time").type),
                pa.array(np.tile(assets, n)),
            ]
            # NaN is this store's "nothing came"; a table says null.
            columns += [
                pa.array(piece[name].values.reshape(-1), from_pandas=piece[name].dtype.kind == "f")
                for name in data.data_vars
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))


def _netcdf(data: xr.Dataset, path: Path, progress: Progress) -> None:
    import h5netcdf
    import h5py

    n, m = data.sizes["time"], data.sizes["asset"]
    chunk = (min(n, max(1, max(data.chunksizes.get("time", (n,))))), m)
    with h5netcdf.File(path, "w") as file:
        file.dimensions = {"time": n, "asset": m}
        file.attrs.update({"Conventions": "CF-1.11", "featureType": "timeSeries", **_plain(data.attrs)})
        times = file.create_variable("time", ("time",), dtype="i8")
        times.attrs.update(
            {"units": "nanoseconds since 1970-01-01T00:00:00", "calendar": "proleptic_gregorian"}
            | _plain(data["time"].attrs)
        )
        times[:] = data["time"].values.astype("datetime64[ns]").astype(np.int64)
        names = file.create_variable("asset", ("asset",), dtype=h5py.string_dtype())
        names.attrs.update({"cf_role": "timeseries_id", **_plain(data["asset"].attrs)})
        names[:] = data["asset"].values.astype(object)
        arrays: dict[str, Any] = {}
        for name in map(str, data.data_vars):
            dtype = data[name].dtype
            arrays[name] = file.create_variable(
                name, ("time", "asset"), dtype=dtype, chunks=chunk, compression="gzip", compression_opts=4, shuffle=True,
                fillvalue=dtype.type(np.nan) if dtype.kind == "f" else None,
            )  # fmt: skip
            arrays[name].attrs.update(_plain(data[name].attrs))
        for start, piece in _pieces(data, progress):
            for name, array in arrays.items():
                array[start : start + piece.sizes["time"]] = piece[name].values


def _plain(attrs: Any) -> dict[str, Any]:
    """Attributes without what no file format takes."""
    return {
        str(k): v.tolist() if isinstance(v, np.ndarray | np.generic) else v for k, v in attrs.items() if v is not None
    }
