"""Aggregation over windows of time, by asset and by bins: telemetry keeps its times, records become fewer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import xarray as xr
from pydantic import BaseModel, ConfigDict, field_validator

from workbench.model.errors import InputError, did_you_mean
from workbench.model.keys import DurationText
from workbench.model.quality import good
from workbench.model.time import parse_duration
from workbench.model.vocabulary import vocabulary
from workbench.steps import remark, step
from workbench.transforms.aside import beside
from workbench.transforms.fields import checked, some_there

#: Names of states in which a machine is there to produce, whatever wind and sun do.
AVAILABLE = frozenset(
    {
        *("available", "partially_available", "technical_standby", "environmental_standby"),  # IEC 61400-26-1
        *("generating", "running", "standby", "ready", "ok", "online", "derated"),
    }
)
#: Width of a bin, where the pipeline does not say it: wind speed as IEC 61400-12-1 bins it [m/s].
BIN_WIDTHS = {"wind_speed": 0.5}
_FUNCTIONS = (
    "mean", "avg", "sum", "min", "max", "stddev", "count", "first", "last", "median", "availability_factor",
)  # fmt: skip
_QUANTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?)")


class Aggregation(BaseModel):
    """One statistic of one field."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    field: str
    function: str  #: one of the functions, or a quantile such as ``p90``
    output: str = ""  #: ``<field>_<function>`` by default

    @field_validator("function")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in _FUNCTIONS and not _QUANTILE.fullmatch(value):
            hint = did_you_mean(value, _FUNCTIONS)
            raise ValueError(
                f"no such function: {value!r}, one of {', '.join(_FUNCTIONS)}, p90" + (f"; {hint}" if hint else "")
            )
        return value

    @property
    def name(self) -> str:
        """What the result is called."""
        return self.output or f"{self.field}_{self.function}"


@step("statistical_aggregation")
def statistical_aggregation(
    data: xr.Dataset | pl.LazyFrame,
    *,
    aggregations: Sequence[Aggregation],
    time_window: DurationText,
    group_by: Sequence[str] = (),
    bin_widths: dict[str, float] | None = None,
    time_field: str = "timestamp",
) -> xr.Dataset | pl.LazyFrame:
    """Statistics of each window of time (UTC, counted from 1970), for each group.

    Functions: ``mean`` (``avg``), ``sum``, ``min``, ``max``, ``stddev`` (n - 1), ``count``, ``first``, ``last``,
    ``median``, quantiles ``p90``, and ``availability_factor``: the share [1] of the values of a state in which the
    machine was there to produce.

    Telemetry keeps its times: at each, the value of the window and bin that it lies in, so that a condition may ask for
    a daily and a ten-minute value at once. Values flagged as wrong do not count. Records become one for each group and
    window, with ``window_start``.

    Parameters
    ----------
    data
        Telemetry, dims (time, asset) or (time,); lazy data stay lazy, in blocks of whole windows. Or records, lazy.
    group_by
        Telemetry is always by asset (``asset``, ``turbine_id``, ``inverter_id``); ``<field>_bin`` groups by bins of a
        field, centred on multiples of their width. Of records: fields.
    bin_widths
        Width of the bins of a field, in its unit; 0.5 m/s for ``wind_speed``.
    time_field
        Of records: the field with the time.

    Raises
    ------
    InputError
        None of the fields is there, a group is not known, or a bin has no width.
    """
    wanted = [checked(Aggregation, each, f"aggregations.{number}") for number, each in enumerate(aggregations)]
    window = parse_duration(time_window).ns
    if isinstance(data, xr.Dataset):
        return _telemetry(data, wanted, window, group_by, {**BIN_WIDTHS, **(bin_widths or {})})
    return beside(data, lambda good: _records(good, wanted, window, group_by, time_field))


# -- telemetry --------------------------------------------------------------------------------------------


def _telemetry(
    data: xr.Dataset, wanted: list[Aggregation], window: int, group_by: Sequence[str], widths: dict[str, float]
) -> xr.Dataset:
    there = some_there("statistical_aggregation", [each.field for each in wanted], data, "aggregations")
    wanted = [each for each in wanted if each.field in there]
    times = data["time"].values.astype("datetime64[ns]").astype(np.int64)
    dims = ("time", "asset") if "asset" in data.dims else ("time",)
    like = xr.DataArray(np.zeros(len(times)), dims="time", coords={"time": data["time"]})
    if len(dims) == 2:
        like = like.expand_dims(asset=data["asset"].values, axis=1)
    bins = [_bins(data, name, widths) for name in group_by if not _is_asset(name)]
    fields = [_field(data, each) for each in wanted]
    arrays = [array.broadcast_like(like).transpose(*dims).data for array in (*bins, *fields)]
    how: dict[str, Any] = {"bins": len(bins), "functions": tuple(map(_how, wanted)), "window": window}
    if any(hasattr(array, "dask") for array in arrays):
        found = _lazy(times, arrays, window, how)
    else:
        found = _statistics(times.reshape(-1, *[1] * (len(dims) - 1)), *arrays, **how)
    coords = {name: data[name] for name in dims}
    return data.assign(
        {
            each.name: xr.DataArray(found[..., number], dims=dims, coords=coords, attrs=_attrs(data, each, window))
            for number, each in enumerate(wanted)
        }
    )


def _is_asset(name: str) -> bool:
    return name == "asset" or (name.endswith("_id") and not name.endswith("_bin"))


def _bins(data: xr.Dataset, name: str, widths: dict[str, float]) -> xr.DataArray:
    """Numbers of bins, NaN where there is no value."""
    base = name.removesuffix("_bin")
    if name in data.variables:
        values, width = data[name], 1.0
    elif name.endswith("_bin") and base in data.variables:
        values, width = good(data, base), widths.get(base, 0.0)
        if width <= 0:
            raise InputError(
                "a bin has no width", where="bin_widths", found=base, expected=f"bin_widths: {{{base}: 1.0}}"
            )
    else:
        known = [*(str(each) for each in data.variables), *(f"{each}_bin" for each in data.data_vars)]
        raise InputError("no such group", where="group_by", found=name, hint=did_you_mean(name, known))
    values = values.astype(np.float64)
    numbers: xr.DataArray = np.floor(values.where(np.isfinite(values)) / width + 0.5)  # type: ignore[assignment]
    return numbers


def _field(data: xr.Dataset, each: Aggregation) -> xr.DataArray:
    array = good(data, each.field) if data[each.field].dtype.kind == "f" else data[each.field]
    if each.function == "availability_factor":
        if array.dtype.kind in "fiu" and _how(each)[1] is None:
            raise InputError(
                "the states of the field are not known",
                where=f"aggregations: {each.field}",
                expected="a state of the vocabulary",
            )
        return array
    if array.dtype.kind not in "fiub":
        raise InputError(
            "a statistic of what is no number",
            where=f"aggregations: {each.field}",
            found=f"{each.function} of {array.dtype}",
            expected="availability_factor, which reads states",
        )
    return array


def _how(each: Aggregation) -> tuple[str, tuple[int, ...] | None, int]:
    """The function; for a state by numbers, the codes of those that count as available, and of unknown."""
    term = vocabulary().get(each.field)
    states = term.states if each.function == "availability_factor" and term is not None else None
    if not states:
        return each.function, None, -1
    return each.function, tuple(code for name, code in states.items() if name in AVAILABLE), states.get("unknown", -1)


def _lazy(times: npt.NDArray[np.int64], arrays: list[Any], window: int, how: dict[str, Any]) -> Any:
    """Blocks of time that hold whole windows, one after the other."""
    import dask.array as da

    first = next(array for array in arrays if hasattr(array, "dask"))
    ends = np.cumsum(first.chunks[0])
    # A block ends where its last window does.
    ends = np.unique(np.searchsorted(times // window, times[ends[ends > 0] - 1] // window, side="right"))
    chunks = (tuple(int(size) for size in np.diff(ends, prepend=0)), *first.chunks[1:])
    pieces = [da.asarray(array).rechunk(chunks) for array in arrays]  # type: ignore[no-untyped-call]
    stamps = da.from_array(  # type: ignore[no-untyped-call]
        times.reshape(-1, *[1] * (first.ndim - 1)), chunks=(chunks[0], *[(1,)] * (first.ndim - 1))
    )
    number = len(how["functions"])
    return da.map_blocks(  # type: ignore[no-untyped-call]
        _statistics,
        stamps,
        *pieces,
        **how,
        dtype=np.float64,
        new_axis=[first.ndim],
        chunks=(*chunks, (number,)),
        meta=np.empty((0,) * (first.ndim + 1)),
    )


def _statistics(
    times: npt.NDArray[np.int64],
    *arrays: npt.NDArray[Any],
    bins: int,
    functions: tuple[tuple[str, tuple[int, ...] | None, int], ...],
    window: int,
) -> npt.NDArray[np.float64]:
    """[time, …, function]: at each place the statistic of its window and bins."""
    shape = np.broadcast_shapes(times.shape, arrays[0].shape)
    columns = int(np.prod(shape[1:], dtype=int))
    group = np.broadcast_to((times // window).reshape(len(times), -1), (shape[0], columns)) * columns
    group = group + np.arange(columns)
    known = np.ones(group.shape, dtype=bool)
    for binned in arrays[:bins]:
        there = ~np.isnan(binned).reshape(group.shape)
        number = np.where(there, np.nan_to_num(binned).reshape(group.shape), 0).astype(np.int64)
        number -= number.min(initial=0)
        group, known = group * (int(number.max(initial=0)) + 1) + number, known & there
    codes, groups = pd.factorize(group.ravel())
    out = np.empty((*shape, len(functions)))
    if not out.size:
        return out
    for at, ((function, up, unknown), array) in enumerate(zip(functions, arrays[bins:], strict=True)):
        values = _available(array, up, unknown) if function == "availability_factor" else array.astype(np.float64)
        flat = values.ravel()
        ok = known.ravel() & ~np.isnan(flat)
        part = _aggregated(pd.Series(flat[ok]).groupby(codes[ok]), function)
        result = np.full(len(groups), np.nan)
        result[part.index.to_numpy()] = part.to_numpy(dtype=float)
        if function in ("count", "sum"):
            result = np.nan_to_num(result)
        out[..., at] = np.where(known.ravel(), result[codes], np.nan).reshape(shape)
    return out


def _available(raw: npt.NDArray[Any], up: tuple[int, ...] | None, unknown: int) -> npt.NDArray[np.float64]:
    """1.0 where the machine was available, NaN where nobody knows."""
    if raw.dtype.kind in "fiu":
        none = np.isnan(raw.astype(float)) | np.isin(raw, [unknown])
        return np.where(none, np.nan, np.isin(raw, up or ())).astype(float)
    texts = pd.Series(raw.ravel())
    found = np.where(texts.isna() | texts.isin(["", "unknown"]), np.nan, texts.isin(AVAILABLE)).astype(float)
    return found.reshape(raw.shape)


def _aggregated(grouped: Any, function: str) -> pd.Series[Any]:
    quantile = _QUANTILE.fullmatch(function)
    if quantile:
        return grouped.quantile(float(quantile[1]) / 100)  # type: ignore[no-any-return]
    name = {"avg": "mean", "stddev": "std", "availability_factor": "mean"}.get(function, function)
    return getattr(grouped, name)()  # type: ignore[no-any-return]


def _attrs(data: xr.Dataset, each: Aggregation, window: int) -> dict[str, Any]:
    field = data[each.field]
    attrs: dict[str, Any] = {
        "long_name": f"{each.function} of {field.attrs.get('long_name', each.field)}",
        "cell_methods": f"time: {each.function} (interval: {window // 10**9} s)",
    }
    if each.function in ("count", "availability_factor"):
        attrs["units"] = "1"
    elif "units" in field.attrs:
        attrs["units"] = field.attrs["units"]
    return attrs


# -- records ----------------------------------------------------------------------------------------------


def _records(
    data: pl.LazyFrame, wanted: list[Aggregation], window: int, group_by: Sequence[str], time_field: str
) -> pl.LazyFrame:
    from workbench.transforms.records import moment

    schema = data.collect_schema()
    for name in (*group_by, time_field):
        if name not in schema:
            raise InputError(
                "no such field in the records", where="group_by", found=name, hint=did_you_mean(name, list(schema))
            )
    there = [each for each in wanted if each.field in schema]
    if wanted and not there:
        raise InputError(
            "none of the fields is in the records",
            where="aggregations",
            found=", ".join(each.field for each in wanted),
            hint=did_you_mean(wanted[0].field, list(schema)),
        )
    for each in wanted:
        if each not in there:
            remark(f"statistical_aggregation: no field {each.field!r} in the records; what is said of it is left out")
    start = moment(pl.col(time_field), schema[time_field]).dt.truncate(f"{window // 1000}us").alias("window_start")
    made = [_expression(each).alias(each.name) for each in there]
    ordered = data.with_columns(start).sort("window_start", time_field, maintain_order=True)
    return ordered.group_by([*group_by, "window_start"], maintain_order=True).agg(made)


def _expression(each: Aggregation) -> pl.Expr:
    field = pl.col(each.field)
    quantile = _QUANTILE.fullmatch(each.function)
    if quantile:
        return field.quantile(float(quantile[1]) / 100, "linear")
    if each.function == "availability_factor":
        return field.is_in(sorted(AVAILABLE)).mean()
    if each.function in ("first", "last"):
        there = field.drop_nulls()
        return there.first() if each.function == "first" else there.last()
    names = {"avg": "mean", "stddev": "std"}
    return getattr(field, names.get(each.function, each.function))()  # type: ignore[no-any-return]
