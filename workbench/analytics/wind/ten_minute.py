"""Ten-minute values of faster data: what the analyses of wind farms work on, made by themselves where need be.

Means of what is not flagged as wrong; directions as vectors, states and counters by their last value. Data at ten
minutes or slower pass unchanged.
"""

from __future__ import annotations

import itertools
from typing import Any, Literal

import numba
import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.calendar import check_axes
from workbench.analytics.plausible import plausible
from workbench.model.quality import DTYPE, Quality, is_quality, quality_attrs, quality_name
from workbench.model.vocabulary import vocabulary
from workbench.steps import remark, step

PERIOD = 600 * 10**9  #: [ns]
COUNT = "sample_count"
Kind = Literal["measurement", "angle", "held"]

#: Flags whose values do not enter a mean: all but those that only tell of doubt.
_REJECT = 0xFFFF ^ int(Quality.UNCERTAIN | Quality.DERIVED | Quality.NOT_CHECKED)


def kind_of(name: str) -> Kind:
    """How a variable is summed up, by the vocabulary: angles on the circle, states and counters by their last value."""
    term = vocabulary().get(name)
    if term is None or term.kind in ("measurement", "setpoint"):
        return "measurement"
    return "angle" if term.kind == "angle" else "held"


@step("ten_minute_means")
def ten_minute(data: xr.Dataset, *, statistics: bool = False, least: float = 0.0) -> xr.Dataset:
    """Ten-minute means of faster data (1 Hz, one minute); data at ten minutes or slower come back as they are.

    Periods begin at full ten minutes of UTC and carry the time of their start. Values flagged as wrong and impossible ones do not count. Of
    directions (vocabulary: angle) the circular mean is taken, of states and counters the last value.

    Parameters
    ----------
    data
        dims (time, asset), times ascending; lazy data stay lazy.
    statistics
        Whether to add ``<variable>_min``, ``_max``, ``_std`` (of the population) and ``_count`` of measurements, ``_std``
        (after Yamartino) and ``_count`` of angles.
    least
        Share [1] of the samples of a period that must count; with fewer the value is missing.

    Returns
    -------
    xr.Dataset
        dims (time, asset), each ten minutes from the first sample to the last: the variables, in 64 bits where they were and
        in 32 else; quality with the flag DERIVED where samples are missing or did not count; ``sample_count``, samples
        with any value, summed where it is there. The attribute ``cadence`` is ``10min``. What has other dims is kept.

    Raises
    ------
    InputError
        Times are not in order, one is there twice, or they have a zone.
    """
    check_axes(data)
    times = data["time"].values.astype("datetime64[ns]").astype(np.int64)
    if len(times) < 2:
        return data
    steps = np.diff(times)
    usual = int(np.median(steps[steps > 0])) if (steps > 0).any() else PERIOD
    if usual >= PERIOD:
        return data
    remark(f"ten_minute_means: data every {usual / 1e9:g} s are brought to ten minutes")
    slots = times // PERIOD
    starts = np.arange(slots[0], slots[-1] + 1)
    rows = np.append(np.searchsorted(slots, starts), len(slots)).astype(np.int64)
    fits = max(1, round(PERIOD / usual))
    made: dict[str, Any] = {}
    names = [
        str(name)
        for name, array in data.data_vars.items()
        if {"time", "asset"} == set(array.dims) and array.dtype.kind in "fiub" and not is_quality(str(name))
    ]
    received: Any = None
    for name in names:
        array = plausible(data[name], name).transpose("time", "asset")
        if name == COUNT:
            continue
        quality = data.get(quality_name(name))
        bits = None if quality is None else quality.transpose("time", "asset").data
        kind: Kind = "held" if array.dtype.kind == "b" else kind_of(name)
        term = vocabulary().get(name)
        low = -180.0 if term is not None and (term.valid_min or 0.0) < 0 else 0.0
        found = _summarised(array.data, bits, rows, kind, low, least * fits)
        dtype = np.float64 if array.dtype == np.float64 else np.float32
        dims = ("time", "asset")
        made[name] = (dims, found[0].astype(dtype), array.attrs)
        count = found[4]
        derived = ((count > 0) & (count < fits)).astype(DTYPE) * DTYPE.type(Quality.DERIVED)
        if quality is not None or _certainly_any(derived):
            made[quality_name(name)] = (dims, derived, quality_attrs(name))
        if statistics:
            extra = {
                "measurement": ("_min", "_max", "_std", "_count"),
                "angle": ("_std", "_count"),
                "held": ("_count",),
            }
            for suffix in extra[kind]:
                if name + suffix not in data:
                    attrs = dict(array.attrs) if suffix != "_count" else {"units": "1"}
                    attrs["long_name"] = f"{suffix[1:]} of {array.attrs.get('long_name', name)}"
                    values = found[{"_min": 1, "_max": 2, "_std": 3, "_count": 4}[suffix]]
                    made[name + suffix] = (dims, values.astype(dtype), attrs)
        received = count if received is None else np.maximum(received, count)
    if COUNT in data:
        samples = data[COUNT].transpose("time", "asset").data.astype(np.float64)
        received = _summarised(samples, None, rows, "measurement", 0.0, 0.0)
        received = received[0] * received[4]
    if received is not None:
        made[COUNT] = (("time", "asset"), received.astype(np.float32), {"units": "1", "long_name": "samples"})
    kept = {n: a for n, a in data.variables.items() if "time" not in a.dims}
    coords = {n: a for n, a in kept.items() if n in data.coords}
    coords["time"] = xr.Variable("time", (starts * PERIOD).astype("datetime64[ns]"), data["time"].attrs)
    others = {n: a for n, a in kept.items() if n not in data.coords}
    return xr.Dataset({**made, **others}, coords=coords, attrs={**data.attrs, "cadence": "10min"})


def _certainly_any(derived: Any) -> bool:
    """Of lazy data nothing is known yet: then there are flags."""
    return hasattr(derived, "dask") or bool(derived.any())


def _summarised(values: Any, bits: Any, rows: npt.NDArray[np.int64], kind: Kind, low: float, fewest: float) -> Any:
    """[mean, least, most, standard deviation, count] each [period, asset]."""
    if not hasattr(values, "dask") and not hasattr(bits, "dask"):
        return _block(values, bits, rows=rows, kind=kind, low=low, fewest=fewest)
    import dask.array as da

    values = da.asarray(values)  # type: ignore[no-untyped-call]
    # blocks of whole periods: each ends where the last of its periods does
    ends = np.unique(np.searchsorted(rows, np.cumsum(values.chunks[0])))
    ends = ends[ends > 0]
    chunks = (tuple(int(n) for n in np.diff(rows[ends], prepend=0)), *values.chunks[1:])
    parts = []
    columns = np.cumsum((0, *chunks[1]))
    values = values.rechunk(chunks)
    bits = None if bits is None else da.asarray(bits).rechunk(chunks)  # type: ignore[no-untyped-call]
    from dask.delayed import delayed

    work = delayed(_block, pure=True)
    for first, stop in zip((0, *ends[:-1]), ends, strict=True):
        own = rows[first : stop + 1] - rows[first]
        line = []
        for left, right in itertools.pairwise(columns):
            at = (slice(int(rows[first]), int(rows[stop])), slice(int(left), int(right)))
            block = work(values[at], None if bits is None else bits[at], rows=own, kind=kind, low=low, fewest=fewest)
            line.append(da.from_delayed(block, (5, int(stop - first), int(right - left)), np.float64))  # type: ignore[no-untyped-call]
        parts.append(da.concatenate(line, axis=2))  # type: ignore[no-untyped-call]
    return da.concatenate(parts, axis=1)  # type: ignore[no-untyped-call]


def _block(
    values: npt.NDArray[Any],
    bits: npt.NDArray[Any] | None,
    *,
    rows: npt.NDArray[np.int64],
    kind: Kind,
    low: float,
    fewest: float,
) -> npt.NDArray[np.float64]:
    if values.dtype.kind != "f":
        values = values.astype(np.float64)
    flags = np.zeros((1, 1), np.uint16) if bits is None else np.asarray(bits).astype(np.uint16)
    code = {"measurement": 0, "angle": 1, "held": 2}[kind]
    return np.asarray(_kernel(values, flags, bits is not None, rows, code, low, fewest, _REJECT))


@numba.njit(cache=True, nogil=True)
def _kernel(
    values: Any, flags: Any, flagged: bool, rows: Any, kind: int, low: float, fewest: float, reject: int
) -> Any:
    columns = values.shape[1]
    out = np.full((5, rows.size - 1, columns), np.nan)
    for period in range(rows.size - 1):
        for column in range(columns):
            n, first, second, last = 0, 0.0, 0.0, np.nan
            least, most, shift = np.inf, -np.inf, 0.0
            for row in range(rows[period], rows[period + 1]):
                value = float(values[row, column])
                if not np.isfinite(value) or (flagged and flags[row, column] & reject):
                    continue
                if kind == 0:
                    if n == 0:
                        shift = value  # sums about the first value keep their digits
                    first += value - shift
                    second += (value - shift) ** 2
                    least, most = min(least, value), max(most, value)
                elif kind == 1:
                    first += np.sin(np.deg2rad(value))
                    second += np.cos(np.deg2rad(value))
                last = value
                n += 1
            out[4, period, column] = n
            if n == 0 or n < fewest:
                continue
            if kind == 0:
                mean = first / n
                out[0, period, column] = shift + mean
                out[1, period, column] = least
                out[2, period, column] = most
                out[3, period, column] = np.sqrt(max(second / n - mean * mean, 0.0))
            elif kind == 1:
                s, c = first / n, second / n
                out[0, period, column] = (np.rad2deg(np.arctan2(s, c)) - low) % 360.0 + low
                spread = np.sqrt(min(max(1.0 - s * s - c * c, 0.0), 1.0))
                out[3, period, column] = np.rad2deg(np.arcsin(spread) * (1.0 + 0.1547005383792515 * spread**3))
            else:
                out[0, period, column] = last
    return out
