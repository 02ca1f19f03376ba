"""Records of another source, for steps that look something up or join: who runs a step says how a name is opened."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path

import polars as pl

from workbench.model.errors import InputError

#: What a step takes as another source: records, or the name of a file or of a catalog's entry.
Source = pl.LazyFrame | pl.DataFrame | str

Resolver = Callable[[str], pl.LazyFrame]
Locator = Callable[[str], Path]

_resolver: ContextVar[Resolver | None] = ContextVar("other_sources", default=None)
_locator: ContextVar[Locator | None] = ContextVar("other_files", default=None)


@contextlib.contextmanager
def others(resolver: Resolver, locator: Locator | None = None) -> Iterator[None]:
    """Inside the block ``resolver`` opens what steps call other sources by name, and ``locator`` finds their files."""
    token, where = _resolver.set(resolver), _locator.set(locator)
    try:
        yield
    finally:
        _resolver.reset(token)
        _locator.reset(where)


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
    resolver = _resolver.get()
    if resolver is None:
        raise InputError(
            "another source is given by its name, and nothing here opens names",
            where=where,
            found=source,
            expected="a polars frame",
            hint="give the frame itself, or run the step in a pipeline",
        )
    try:
        return resolver(source)
    except InputError as error:
        raise error.at(where=": ".join(part for part in (where, error.where) if part)) from error


def name_of(source: Source) -> str:
    """What another source is called in a message."""
    return source if isinstance(source, str) else "the other source"
