"""Runs a pipeline on telemetry or on records."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import xarray as xr

from workbench.model.errors import InputError
from workbench.pipelines.spec import Pipeline, PipelineStep

if TYPE_CHECKING:
    import polars as pl

Data = TypeVar("Data", "xr.Dataset", "pl.LazyFrame")


def run(pipeline: Pipeline, data: Data, *, tell: Callable[[PipelineStep], None] | None = None) -> Data:
    """Apply the steps of ``pipeline`` to ``data``, in order.

    Parameters
    ----------
    data
        Telemetry, dims (time, asset), or records as a lazy polars frame. It is not changed, and lazy data stay lazy.
    tell
        Called before each step.

    Returns
    -------
    The same kind. Records that a check did not let pass are in it, with their reasons; see
    :func:`workbench.transforms.record_checks.split_rejected`.

    Raises
    ------
    InputError
        A step does not find what it needs, or works on the other kind of data; the step is named.
    """
    found: Any = data
    for _, found in stages(pipeline, data, tell=tell):  # noqa: B007  the last is what is wanted
        pass
    return found  # type: ignore[no-any-return]


def stages(
    pipeline: Pipeline, data: Any, *, tell: Callable[[PipelineStep], None] | None = None
) -> Iterator[tuple[PipelineStep, Any]]:
    """Each step of ``pipeline`` and what it made of what the one before gave; see :func:`run`."""
    found: Any = data
    for number, one in enumerate(pipeline.steps):
        if tell is not None:
            tell(one)
        where = f"step {number + 1} ({one.step.name})"
        wanted = works_on(one.step.function)
        given = "telemetry" if isinstance(found, xr.Dataset) else "records"
        if given not in wanted:
            raise InputError(
                f"the step works on {' or '.join(wanted)}",
                file=pipeline.file,
                line=one.line,
                where=where,
                found=given,
            )
        try:
            found = one.step.function(found, **one.parameters)
        except InputError as error:
            raise InputError(
                error.message,
                file=error.file or pipeline.file,
                line=error.line or one.line,
                where=where + (f": {error.where}" if error.where else ""),
                found=error.found,
                expected=error.expected,
                hint=error.hint,
            ) from error
        yield one, found


def works_on(function: Callable[..., Any]) -> tuple[str, ...]:
    """``telemetry``, ``records``, or both, by the first argument of a step."""
    hints = typing.get_type_hints(function)
    first = next((hint for name, hint in hints.items() if name != "return"), None)
    kinds = typing.get_args(first) or (first,)
    return tuple("telemetry" if kind is xr.Dataset else "records" for kind in kinds)
