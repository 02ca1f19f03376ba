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
    writing: Any = data.to_netcdf(path, engine="h5netcdf", encoding=encoding, compute=False)
    writing.compute(scheduler="threads", pool=pool)


def _zarr(data: xr.Dataset, path: Path, pool: ThreadPoolExecutor) -> None:
    writing: Any = data.to_zarr(path, mode="w", consolidated=False, compute=False)
    writing.compute(scheduler="threads", pool=pool)


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

    for table in _tables(data, pool):
        columns = [*table.column_names]
        table = table.set_column(0, "time", _stamps(table["time"]))
        for row in zip(*(column.to_pylist() for column in table.columns), strict=True):
            kept = {name: value for name, value in zip(columns, row, strict=True) if value is not None}
            yield orjson.dumps(kept, default=str)


def _stamps(times: Any) -> Any:
    """ISO 8601 with Z; a fraction only where there is one."""
    import pyarrow as pa

    texts = np.datetime_as_string(times.to_numpy().astype("datetime64[ns]"), unit="ns")
    return pa.array([text.rstrip("0").rstrip(".") + "Z" if "." in text else text + "Z" for text in texts.tolist()])


def _tables(data: xr.Dataset, pool: ThreadPoolExecutor) -> Any:
    """``data`` as Arrow tables: time, asset, then the variables; a slot in which nothing came has no row."""
    import pyarrow as pa

    names = [str(name) for name, array in data.data_vars.items() if set(array.dims) <= {"time", "asset"}]
    measured = [name for name in names if data[name].dtype.kind == "f"]
    width = max(1, data.sizes.get("asset", 1))
    step = max(1, _ROWS_AT_ONCE // width)
    for first in range(0, max(1, data.sizes["time"]), step):
        part = data.isel(time=slice(first, first + step)).compute(scheduler="threads", pool=pool)
        time, asset = np.meshgrid(part["time"].values, part["asset"].values.astype(str), indexing="ij")
        columns: dict[str, Any] = {"time": time.ravel(), "asset": asset.ravel()}
        for name in names:
            columns[name] = (
                part[name]
                .broadcast_like(part[measured[0]] if measured else part[name])
                .transpose("time", "asset")
                .values.ravel()
            )
        if measured:
            there = ~np.logical_and.reduce([np.isnan(columns[name]) for name in measured])
            columns = {name: values[there] for name, values in columns.items()}
        arrays = {
            # pyarrow would write datetime64 without its zone, and NaN as a number rather than nothing
            name: pa.array(values, pa.timestamp("ns", "UTC")) if name == "time" else pa.array(values, from_pandas=True)
            for name, values in columns.items()
        }
        yield pa.table(arrays)


_WRITERS: dict[str, Callable[[xr.Dataset, Path, ThreadPoolExecutor], None]] = {
    ".nc": _netcdf,
    ".parquet": _parquet,
    ".csv": _csv,
    ".zarr": _zarr,
    ".ndjson": _ndjson,
    ".json": _json,
}
