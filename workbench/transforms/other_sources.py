"""Another source, for steps that look something up, join or compare: who runs a step says how a name is opened."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import TypeVar

import polars as pl
import xarray as xr

from workbench.model.errors import InputError

#: What a step takes as another source: records, or the name of a file or of a catalog's entry.
Source = pl.LazyFrame | pl.DataFrame | str

#: What a step takes as telemetry of another source: a Dataset, or the name of a file, an entry or a series.
Telemetry = xr.Dataset | str

T = TypeVar("T")
Resolver = Callable[[str], pl.LazyFrame]
TelemetryResolver = Callable[[str], xr.Dataset]
Locator = Callable[[str], Path]

_resolver: ContextVar[Resolver | None] = ContextVar("other_sources", default=None)
_telemetry: ContextVar[TelemetryResolver | None] = ContextVar("other_telemetry", default=None)
_locator: ContextVar[Locator | None] = ContextVar("other_files", default=None)


@contextlib.contextmanager
def others(
    resolver: Resolver, telemetry: TelemetryResolver | None = None, locator: Locator | None = None
) -> Iterator[None]:
    """Inside the block steps find what they call by name.

    ``resolver`` opens records, ``telemetry`` Datasets, ``locator`` says where a file is that is read beside the data.
    """
    token, second, third = _resolver.set(resolver), _telemetry.set(telemetry), _locator.set(locator)
    try:
        yield
    finally:
        _resolver.reset(token)
        _telemetry.reset(second)
        _locator.reset(third)


def other_file(name: str) -> Path:
    """Where a file is that a step reads beside its data; who runs the step looks for it, and notes that it was read."""
    locator = _locator.get()
    return locator(name) if locator else Path(name)


def open_other(source: Source, where: str = "source") -> pl.LazyFrame:
    """Another source's records, lazy.

    Raises
    ------
    InputError
        A name, and nobody said how names are opened; or what the resolver raises, with the parameter's name.
    """
    if isinstance(source, pl.LazyFrame):
        return source
    if isinstance(source, pl.DataFrame):
        return source.lazy()
    return _opened(_resolver.get(), source, where, "a polars frame", "the frame")


def open_other_telemetry(source: Telemetry, where: str = "source") -> xr.Dataset:
    """Another source's telemetry.

    Raises
    ------
    InputError
        A name, and nobody said how names are opened; or what the resolver raises, with the parameter's name.
    """
    if isinstance(source, xr.Dataset):
        return source
    return _opened(_telemetry.get(), source, where, "an xarray Dataset", "the Dataset")


def _opened(resolver: Callable[[str], T] | None, name: str, where: str, expected: str, itself: str) -> T:
    """What is called ``name``; the errors of both kinds of sources."""
    if resolver is None:
        raise InputError(
            "another source is given by its name, and nothing here opens names",
            where=where,
            found=name,
            expected=expected,
            hint=f"give {itself} itself, or run the step in a pipeline",
        )
    try:
        return resolver(name)
    except InputError as error:
        raise error.at(where=": ".join(part for part in (where, error.where) if part)) from error


def name_of(source: Source) -> str:
    """What another source is called in a message."""
    return source if isinstance(source, str) else "the other source"
