"""Quality flags: what is known to be wrong with a value, beside the value.

A variable ``x`` may have a companion ``x_quality`` (uint16, same dims): a CF flag variable with
``flag_masks`` and ``flag_meanings``. Zero means nothing is known against the value. A value is never
dropped or overwritten because of its quality. A missing value (NaN) with quality zero was never sent.

References
----------
CF Conventions 1.11, section 3.5 "Flags".
"""

from __future__ import annotations

from enum import IntFlag

import numpy as np
import xarray as xr

SUFFIX = "_quality"
DTYPE = np.dtype("uint16")


class Quality(IntFlag):
    """Bits of a quality variable."""

    GOOD = 0
    BAD = 1  #: the source itself says the value is bad
    UNCERTAIN = 2  #: the source says the value is uncertain
    INVALID = 4  #: NaN, infinity or a code the type cannot hold was sent
    CLOCK = 8  #: source time implausible: from the future or long past
    RANGE = 16  #: outside the valid range of the vocabulary or the asset
    RATE = 32  #: changed faster than physics allows
    STUCK = 64  #: unchanged for longer than is plausible
    SPIKE = 128  #: stands out from its neighbours in time
    DUPLICATE = 256  #: the same time stamp arrived with another value
    INCONSISTENT = 512  #: contradicts another variable
    DERIVED = 1024  #: computed from incomplete input
    NOT_CHECKED = 2048  #: a check applied but could not be evaluated
    INTERPOLATED = 4096  #: lies on a straight line between two others: a gap that was filled
    OFFSET = 8192  #: the sensor's zero, sign or scale is off for a time


def quality_name(variable: str) -> str:
    """Name of the quality variable of ``variable``."""
    return variable + SUFFIX


def is_quality(name: str) -> bool:
    """Whether ``name`` is the name of a quality variable."""
    return name.endswith(SUFFIX)


def quality_attrs(variable: str) -> dict[str, object]:
    """CF attributes of the quality variable of ``variable``."""
    bits = [flag for flag in Quality if flag is not Quality.GOOD]
    return {
        "long_name": f"quality of {variable}",
        "standard_name": "quality_flag",
        "flag_masks": np.array([int(flag) for flag in bits], dtype=DTYPE),
        "flag_meanings": " ".join(str(flag.name).lower() for flag in bits),
    }


def add_flags(data: xr.Dataset, variable: str, where: xr.DataArray, flag: Quality) -> xr.Dataset:
    """A copy of ``data`` in which ``variable`` carries ``flag`` wherever ``where`` is true.

    Values are shared with ``data``; only the quality variable is new.
    """
    name = quality_name(variable)
    values = data[variable]
    mask = where.fillna(False).astype(bool) if where.dtype.kind == "f" else where.astype(bool)
    mask = mask.drop_attrs()  # what is said of the values (their unit) is not said of their flags
    # a condition on part of the assets or times flags only there; one without a dim holds all along it
    mask = mask.reindex_like(values, fill_value=False).broadcast_like(values)
    new = mask.astype(DTYPE) * DTYPE.type(flag)
    old = data.get(name)
    combined = (new if old is None else (old.astype(DTYPE) | new)).transpose(*values.dims)
    return data.assign({name: combined.drop_attrs().assign_attrs(quality_attrs(variable))})


def clear_flags(data: xr.Dataset, variable: str, flag: Quality) -> xr.Dataset:
    """A copy of ``data`` in which no value of ``variable`` carries ``flag`` any more."""
    name = quality_name(variable)
    if name not in data:
        return data
    kept = (data[name].astype(DTYPE) & DTYPE.type(0xFFFF ^ int(flag))).astype(DTYPE)
    return data.assign({name: kept.assign_attrs(data[name].attrs)})


def count_flags(data: xr.Dataset) -> dict[str, dict[str, int]]:
    """Number of values per variable and flag: ``{variable: {flag: count}}``, zero counts left out."""
    counts: dict[str, dict[str, int]] = {}
    for name in map(str, data.data_vars):
        if not is_quality(name):
            continue
        values = np.asarray(data[name].values)
        found = {
            str(flag.name).lower(): int(np.count_nonzero(values & int(flag)))
            for flag in Quality
            if flag is not Quality.GOOD
        }
        counts[name.removesuffix(SUFFIX)] = {flag: n for flag, n in found.items() if n}
    return counts


def good(data: xr.Dataset, variable: str, *, reject: Quality | None = None) -> xr.DataArray:
    """``variable`` with flagged values as NaN.

    Parameters
    ----------
    reject
        The flags to reject; by default every flag but UNCERTAIN, DERIVED and NOT_CHECKED.
    """
    name = quality_name(variable)
    if name not in data:
        return data[variable]
    tolerated = Quality.UNCERTAIN | Quality.DERIVED | Quality.NOT_CHECKED
    mask = int(reject) if reject is not None else 0xFFFF ^ int(tolerated)
    return data[variable].where((data[name].astype(DTYPE) & DTYPE.type(mask)) == 0)
