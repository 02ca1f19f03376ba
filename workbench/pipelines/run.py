"""Runs a pipeline on a Dataset."""

from __future__ import annotations

from collections.abc import Callable

import xarray as xr

from workbench.model.errors import InputError
from workbench.pipelines.spec import Pipeline, PipelineStep


def run(pipeline: Pipeline, data: xr.Dataset, *, tell: Callable[[PipelineStep], None] | None = None) -> xr.Dataset:
    """Apply the steps of ``pipeline`` to ``data``, in order.

    Parameters
    ----------
    data
        Dims (time, asset). It is not changed.
    tell
        Called before each step.

    Raises
    ------
    InputError
        A step does not find what it needs; the step is named.
    """
    for number, one in enumerate(pipeline.steps):
        if tell is not None:
            tell(one)
        try:
            data = one.step.function(data, **one.parameters)
        except InputError as error:
            raise InputError(
                error.message,
                file=error.file or pipeline.file,
                line=error.line,
                where=f"step {number + 1} ({one.step.name})" + (f": {error.where}" if error.where else ""),
                found=error.found,
                expected=error.expected,
                hint=error.hint,
            ) from error
    return data
