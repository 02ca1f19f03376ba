"""Hashes of what was read and written, and versions of what it was made by, so that a figure can be traced."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

#: Bytes of lazy data that are read at once.
_AT_ONCE = 128 << 20


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes; of a folder, over the names and bytes of all files in it."""
    if path.is_dir():
        digest = hashlib.sha256()
        for one in sorted(each for each in path.rglob("*") if each.is_file()):
            digest.update(f"{one.relative_to(path)}|{file_hash(one)}|".encode())
        return digest.hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def versions(libraries: Iterable[str]) -> dict[str, str]:
    """Installed versions of ``libraries``; what is not installed is left out."""
    found = {}
    for name in libraries:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def content_hash(data: xr.Dataset) -> str:
    """SHA-256 over times, assets, and every variable's name, type and values, whatever their order in the Dataset.

    Lazy data are read in blocks of time, in bounded memory, and give what the same data in memory give.
    """
    # Variables, not arrays with their coordinates: of hundreds of tags those cost more than the hashing.
    variables = {str(name): variable for name, variable in data.variables.items()}
    names: list[str] = [name for name in ("time", "asset") if name in variables]
    names += sorted(str(name) for name in data.data_vars)
    digests = {name: hashlib.sha256() for name in names}
    for name in names:
        one = variables[name]
        digests[name].update(f"{name}|{one.dims}|{_kind(one.dtype)}|{one.shape}|".encode())
    for part in _blocks(data):
        loaded = part.compute().variables
        for name in names:
            if "time" in variables[name].dims:
                digests[name].update(_bytes(loaded[name].transpose("time", ...)))
    for name in names:
        if "time" not in variables[name].dims:
            digests[name].update(_bytes(variables[name]))
    whole = hashlib.sha256()
    for name in names:
        whole.update(digests[name].digest())
    return whole.hexdigest()


def _blocks(data: xr.Dataset) -> list[xr.Dataset]:
    if "time" not in data.dims or not any(variable.chunks for variable in data.variables.values()):
        return [data]
    rows = max(1, int(_AT_ONCE // max(1, data.nbytes // max(1, data.sizes["time"]))))
    return [data.isel(time=slice(first, first + rows)) for first in range(0, data.sizes["time"], rows)]


def _kind(dtype: Any) -> str:
    return "text" if dtype.kind in "OU" else str(dtype.str)


def _bytes(array: xr.Variable) -> bytes:
    values = array.values
    if values.dtype.kind in "OU":
        return "\0".join(str(one) for one in values.ravel()).encode() + b"\0"
    return np.ascontiguousarray(values).tobytes()
