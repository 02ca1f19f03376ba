"""Readers that give a Dataset from files: the interface, and the registry of drivers.

A reader is to a file what a :class:`~workbench.sources.base.Source` is to a device. Drivers are known by
registered name only: a catalog can name a driver, never a module or a class. Third parties add a driver
with an entry point in the group ``workbench.readers``.
"""

from __future__ import annotations

import abc
import importlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel

from workbench.model.errors import InputError, did_you_mean

if TYPE_CHECKING:
    import xarray as xr

GROUP = "workbench.readers"

# Names to their homes, so that listing the drivers imports none of them.
_BUILT_IN = {
    "csv": "workbench.sources.files:CsvReader",
    "parquet": "workbench.sources.files:ParquetReader",
    "ndjson": "workbench.sources.files:NdjsonReader",
    "netcdf": "workbench.sources.arrays:NetcdfReader",
    "zarr": "workbench.sources.arrays:ZarrReader",
    "reanalysis": "workbench.sources.reanalysis:ReanalysisReader",
    "records": "workbench.sources.records:RecordsReader",
}


@dataclass(frozen=True)
class Selection:
    """What part of an entry is asked for; None means all.

    ``start`` and ``end`` are ns since 1970 UTC, half-open.
    """

    start: int | None = None
    end: int | None = None
    assets: tuple[str, ...] | None = None
    variables: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Contents:
    """What a reader can say of itself without reading values."""

    where: tuple[str, ...]
    variables: dict[str, str] = field(default_factory=dict)  #: variable to unit
    assets: tuple[str, ...] = ()  #: empty where only the data tell
    cadence: str | None = None
    asset_type: str | None = None


class DatasetReader(abc.ABC):
    """One file entry of a catalog.

    Parameters
    ----------
    name
        ``<site>.<entry>``, for messages.
    config
        The checked keys of the entry, an instance of :attr:`Config`.
    folder
        The folder that relative paths start from: that of the catalog file.
    """

    driver: ClassVar[str]
    Config: ClassVar[type[BaseModel]]
    in_portfolio: ClassVar[bool] = True  #: its assets stand at the site; False for what only surrounds it

    def __init__(self, name: str, config: BaseModel, folder: Path) -> None:
        self.name = name
        self.folder = folder

    @abc.abstractmethod
    def read(self, selection: Selection) -> xr.Dataset:
        """The selected part as a Dataset with dims (time, asset); raises InputError for a missing or wrong file."""

    @abc.abstractmethod
    def contents(self) -> Contents:
        """Where the data are and what is in them."""

    def problems(self) -> list[InputError]:
        """What can be told to be wrong without reading values: missing files, unknown variables."""
        return []


@cache
def _entry_points() -> dict[str, str]:
    return {point.name: point.value for point in entry_points(group=GROUP)}


def readers() -> list[str]:
    """Names of the registered drivers, sorted."""
    return sorted({*_BUILT_IN, *_entry_points()})


def reader(name: str) -> type[DatasetReader]:
    """The reader class registered as ``name``; raises InputError where none is."""
    home = _BUILT_IN.get(name) or _entry_points().get(name)
    if home is None:
        raise InputError(
            f"unknown driver {name!r}",
            expected="one of " + ", ".join(readers()),
            hint=did_you_mean(name, readers()),
        )
    module, _, attribute = home.partition(":")
    found = getattr(importlib.import_module(module), attribute)
    if not (isinstance(found, type) and issubclass(found, DatasetReader)):
        raise InputError(f"driver {name!r} is no DatasetReader", found=home)
    return found


def wanted(names: Sequence[str], selected: tuple[str, ...] | None, what: str, entry: str) -> list[str]:
    """The ``selected`` of ``names``, in the order selected; raises InputError naming an unknown one."""
    if selected is None:
        return list(names)
    for name in selected:
        if name not in names:
            raise InputError(
                f"no {what} {name!r} in {entry}",
                expected="one of " + ", ".join(names),
                hint=did_you_mean(name, names),
            )
    return list(selected)
