"""Writes a Dataset to a file: NetCDF, Parquet, CSV or Zarr. What is there is whole, or it is not there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.model import wholefile

if TYPE_CHECKING:
    import xarray as xr

#: Slots that are turned into rows at once: bounds the memory of a table of a large Dataset.
_ROWS_AT_ONCE = 500_000
#: Bytes up to which a NetCDF file is written out of memory; a larger one by way of a second file.
_WHOLE = 256 << 20


def write(data: xr.Dataset, out: Path, *, overwrite: bool = False) -> Path:
    """Write ``data`` to ``out``, in the form its ending says.

    ``.nc`` and ``.zarr`` keep everything; ``.parquet`` and ``.csv`` are tables with a row per time and asset
    (rows in which nothing was measured are left out), units in the Parquet metadata; ``.ndjson`` and ``.json``
    have an object for each such row, without what is missing.

    Raises
    ------
    InputError
        The ending is not known, the file is there already, or it cannot be written.
    """
    check_goal(out, overwrite=overwrite)
    # A pool of our own: leaving it waits for every thread, so that none writes on after a failure. It is handed to
    # each computation, not set for Dask as a whole: others may compute in this process at the same time.
    with wholefile.whole(out) as part, ThreadPoolExecutor(os.cpu_count()) as pool:
        _WRITERS[out.suffix.lower()](_plain(data), part, pool)
    return out


def check_goal(out: Path, *, overwrite: bool = False) -> None:
    """Raise InputError where :func:`write` could not write to ``out``."""
    wholefile.check_goal(out, _WRITERS, overwrite=overwrite)


def _plain(data: xr.Dataset) -> xr.Dataset:
    """``data`` with nothing in it that a file cannot hold: None in coordinates, odd attributes."""
    coords: dict[str, Any] = {}
    for name, array in data.coords.items():
        if array.dtype.kind not in "OU":
            continue
        values = array.values
        if all(value is None or isinstance(value, str) for value in values.flat):
            # texts of variable length, which NetCDF and Zarr both specify
            texts = np.array([str(value or "") for value in values.flat], dtype=object)
            coords[str(name)] = (array.dims, texts.reshape(values.shape), array.attrs)
        else:
            data = data.drop_vars(str(name))
    data = data.assign_coords(coords)
    # Of no values nothing would tell that they are texts.
    empty = [name for name, array in data.data_vars.items() if array.dtype.kind == "O" and not array.size]
    data = data.assign({name: data[name].astype("<U1") for name in empty})
    data.attrs = {key: _attribute(value) for key, value in data.attrs.items() if value is not None}
    for variable in data.variables.values():
        variable.attrs = {key: _attribute(value) for key, value in variable.attrs.items() if value is not None}
        variable.encoding = {}
    return data


def _attribute(value: Any) -> Any:
    if isinstance(value, (str, int, float, np.ndarray, np.generic)) and not isinstance(value, bool):
        return value
    if isinstance(value, bool):
        return int(value)
    return str(value)


def _netcdf(data: xr.Dataset, path: Path, pool: ThreadPoolExecutor) -> None:
    # lossless and about a third of the size
    encoding = {str(name): {"zlib": True, "complevel": 4} for name in data.data_vars if data[name].size}
    if data.nbytes <= _WHOLE:
        # in one piece after the other: threads would put them into the file in an order that no two runs share
        data.compute(scheduler="threads", pool=pool).to_netcdf(path, engine="h5netcdf", encoding=encoding)
        return
    scratch = path.with_name(f"{path.stem}.chunks{path.suffix}")
    try:
        writing: Any = data.to_netcdf(scratch, engine="h5netcdf", encoding=encoding, compute=False)
        writing.compute(scheduler="threads", pool=pool)
        _in_order(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)


def _in_order(scratch: Path, path: Path) -> None:
    """Copy a NetCDF file so that its bytes depend on its content alone, not on the order in which it was written.

    HDF5 copies a variable chunk by chunk in the order of its index, compressed as it is. The dimension scales are
    made anew: they hold addresses within the file.
    """
    import h5py

    with h5py.File(scratch, "r") as source, h5py.File(path, "w", track_order=True) as goal:
        for name in source:
            source.copy(source[name], goal, name=name, without_attrs=True)
            _copy_attributes(source[name], goal[name])
        _copy_attributes(source, goal)
        scales = [name for name in source if source[name].is_scale]
        for name in scales:
            goal[name].make_scale(source[name].attrs["NAME"].decode())
        for name in source:
            if name in scales:
                continue
            for axis, dimension in enumerate(source[name].dims):
                for scale in dimension.values():
                    goal[name].dims[axis].attach_scale(goal[scale.name])


def _copy_attributes(source: Any, goal: Any) -> None:
    """The attributes of a part of an HDF5 file but for those that say what is a dimension of what."""
    for name in source.attrs:
        if name not in ("CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST"):
            kind = source.attrs.get_id(name)
            goal.attrs.create(name, source.attrs[name], shape=kind.shape, dtype=kind.dtype)


def _zarr(data: xr.Dataset, path: Path, pool: ThreadPoolExecutor) -> None:
    # texts of variable length, which Zarr specifies; those of a fixed length only this library reads
    texts = [name for name, array in data.data_vars.items() if array.dtype.kind == "U" or _lazy_text(array)]
    data = data.assign({name: data[name].fillna("").astype(np.dtypes.StringDType()) for name in texts})
    writing: Any = data.to_zarr(path, mode="w", consolidated=False, compute=False)
    writing.compute(scheduler="threads", pool=pool)


def _lazy_text(array: xr.DataArray) -> bool:
    return array.dtype.kind == "O" and array.chunks is not None


def _parquet(data: xr.Dataset, path: Path, pool: ThreadPoolExecutor) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer = None
    try:
        for table in _tables(data, pool):
            if writer is None:
                units = {
                    f"units:{name}": str(a.attrs["units"]) for name, a in data.data_vars.items() if "units" in a.attrs
                }
                schema = table.schema.with_metadata({**units, "entry": str(data.attrs.get("entry", ""))})
                writer = pq.ParquetWriter(path, schema, compression="zstd")
            writer.write_table(table.cast(schema) if isinstance(table, pa.Table) else table)
    finally:
        if writer is not None:
            writer.close()


def _csv(data: xr.Dataset, path: Path, pool: ThreadPoolExecutor) -> None:
    from pyarrow import csv

    writer = None
    try:
        for table in _tables(data, pool):
            writer = writer or csv.CSVWriter(path, table.schema)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


def _ndjson(data: xr.Dataset, path: Path, pool: ThreadPoolExecutor) -> None:
    with path.open("wb") as file:
        for line in _objects(data, pool):
            file.write(line + b"\n")


def _json(data: xr.Dataset, path: Path, pool: ThreadPoolExecutor) -> None:
    with path.open("wb") as file:
        for number, line in enumerate(_objects(data, pool)):
            file.write((b",\n" if number else b"[\n") + line)
        file.write(b"\n]\n" if file.tell() else b"[]\n")


def _objects(data: xr.Dataset, pool: ThreadPoolExecutor) -> Iterator[bytes]:
    import orjson
    import pyarrow as pa

    for table in _tables(data, pool):
        columns = [*table.column_names]
        for at, field in enumerate(table.schema):
            if pa.types.is_timestamp(field.type):
                table = table.set_column(at, field.name, _stamps(table[field.name]))
        for row in zip(*(column.to_pylist() for column in table.columns), strict=True):
            kept = {name: value for name, value in zip(columns, row, strict=True) if value is not None}
            yield orjson.dumps(kept, default=str)


def _stamps(times: Any) -> Any:
    """ISO 8601 with Z; a fraction only where there is one."""
    import pyarrow as pa

    texts = np.datetime_as_string(times.to_numpy().astype("datetime64[ns]"), unit="ns").tolist()
    return pa.array([None if text == "NaT" else text.rstrip("0").rstrip(".") + "Z" for text in texts], pa.string())


def _tables(data: xr.Dataset, pool: ThreadPoolExecutor) -> Any:
    """``data`` as Arrow tables: time, asset, then the variables; a slot in which nothing came has no row."""
    import pyarrow as pa

    dims = tuple(dim for dim in ("time", "asset") if dim in data.dims)
    names = [str(name) for name, array in data.data_vars.items() if set(array.dims) <= set(dims)]
    measured = [name for name in names if data[name].dtype.kind == "f" and data[name].dims]
    width = max(1, data.sizes.get("asset", 1))
    step = max(1, _ROWS_AT_ONCE // width)
    for first in range(0, max(1, data.sizes["time"]), step):
        part = data.isel(time=slice(first, first + step)).compute(scheduler="threads", pool=pool)
        axes = np.meshgrid(*(part[dim].values for dim in dims), indexing="ij")
        columns: dict[str, Any] = {
            dim: (axis.astype(object).astype(str) if dim == "asset" else axis).ravel()
            for dim, axis in zip(dims, axes, strict=True)
        }
        shape = {dim: part.sizes[dim] for dim in dims}
        for name in names:
            spread = part[name].variable.set_dims(shape)  # type: ignore[no-untyped-call]
            columns[name] = spread.transpose(*dims).values.ravel()
        if measured:
            there = ~np.logical_and.reduce([np.isnan(columns[name]) for name in measured])
            columns = {name: values[there] for name, values in columns.items()}
        yield pa.table({name: _column(name, values) for name, values in columns.items()})


def _column(name: str, values: Any) -> Any:
    """Values as Arrow holds them; NaN as nothing, not as a number."""
    import pandas as pd
    import pyarrow as pa

    if name == "time":  # it would be written without its zone
        return pa.array(values, pa.timestamp("ns", "UTC"))
    # Texts are texts where all of them are missing, too: every block of a table has one and the same type.
    texts = values.dtype.kind == "U" or (
        values.dtype.kind == "O" and all(isinstance(each, str) or pd.isna(each) for each in values)
    )
    return pa.array(values, pa.string() if texts else None, from_pandas=True)


_WRITERS: dict[str, Callable[[xr.Dataset, Path, ThreadPoolExecutor], None]] = {
    ".nc": _netcdf,
    ".parquet": _parquet,
    ".csv": _csv,
    ".zarr": _zarr,
    ".ndjson": _ndjson,
    ".json": _json,
}
