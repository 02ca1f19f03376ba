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
        Telemetry, dims (time, asset); it is read. Or records, lazy.
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
    return _records(data, wanted, window, group_by, time_field)


# -- telemetry --------------------------------------------------------------------------------------------


def _telemetry(
    data: xr.Dataset, wanted: list[Aggregation], window: int, group_by: Sequence[str], widths: dict[str, float]
) -> xr.Dataset:
    there = some_there("statistical_aggregation", [each.field for each in wanted], data, "aggregations")
    times = data["time"].values.astype("datetime64[ns]").astype(np.int64)
    shape = (len(times), data.sizes.get("asset", 1))
    group = np.broadcast_to((times // window)[:, None] * shape[1] + np.arange(shape[1]), shape)
    known = np.ones(shape, dtype=bool)
    for name in group_by:
        if name == "asset" or (name.endswith("_id") and not name.endswith("_bin")):
            continue
        bins, there_too = _bins(data, name, widths, shape)
        group = group * (int(bins.max(initial=0)) + 1) + bins
        known = known & there_too
    codes, groups = pd.factorize(group.ravel())
    found: dict[str, xr.DataArray] = {}
    for each in wanted:
        if each.field not in there:
            continue
        values = _values(data, each, shape)
        result = np.full(len(groups), np.nan)
        ok = known.ravel() & ~np.isnan(values)
        grouped = pd.Series(values[ok]).groupby(codes[ok])
        part = _aggregated(grouped, each.function)
        result[part.index.to_numpy()] = part.to_numpy(dtype=float)
        if each.function in ("count", "sum"):
            result = np.nan_to_num(result)
        back = np.where(known.ravel(), result[codes], np.nan).reshape(shape)
        found[each.name] = _like(data, back, each, window)
    return data.assign(found)


def _bins(
    data: xr.Dataset, name: str, widths: dict[str, float], shape: tuple[int, int]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    base = name.removesuffix("_bin")
    if name in data.variables:
        values = np.broadcast_to(data[name].transpose("time", ...).values.reshape(shape[0], -1), shape).astype(float)
        width = 1.0
    elif name.endswith("_bin") and base in data.variables:
        values, width = _plain(good(data, base), shape), widths.get(base, 0.0)
        if width <= 0:
            raise InputError(
                "a bin has no width", where="bin_widths", found=base, expected=f"bin_widths: {{{base}: 1.0}}"
            )
    else:
        known = [*(str(each) for each in data.variables), *(f"{each}_bin" for each in data.data_vars)]
        raise InputError("no such group", where="group_by", found=name, hint=did_you_mean(name, known))
    there = np.isfinite(values)
    number = np.floor(np.where(there, values, 0.0) / width + 0.5).astype(np.int64)
    return number - number.min(initial=0), there


def _values(data: xr.Dataset, each: Aggregation, shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    """[time × asset] of a field; of a state, 1.0 where the machine was available."""
    array = good(data, each.field) if data[each.field].dtype.kind == "f" else data[each.field]
    if each.function != "availability_factor":
        return _plain(array, shape).ravel()
    raw = np.broadcast_to(array.transpose("time", ...).values.reshape(shape[0], -1), shape)
    if raw.dtype.kind in "fiu":
        term = vocabulary().get(each.field)
        if term is None or not term.states:
            raise InputError(
                "the states of the field are not known",
                where=f"aggregations: {each.field}",
                expected="a state of the vocabulary",
            )
        up = [code for name, code in term.states.items() if name in AVAILABLE]
        unknown = np.isnan(raw.astype(float)) | np.isin(raw, [term.states.get("unknown", -1)])
        return np.where(unknown, np.nan, np.isin(raw, up)).ravel()
    texts = pd.Series(raw.ravel())
    return np.where(texts.isna() | texts.isin(["", "unknown"]), np.nan, texts.isin(AVAILABLE)).astype(float)


def _plain(array: xr.DataArray, shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    values = array.transpose("time", ...).values
    return np.broadcast_to(values.reshape(len(values), -1), shape).astype(np.float64)


def _aggregated(grouped: Any, function: str) -> pd.Series[Any]:
    quantile = _QUANTILE.fullmatch(function)
    if quantile:
        return grouped.quantile(float(quantile[1]) / 100)  # type: ignore[no-any-return]
    name = {"avg": "mean", "stddev": "std", "availability_factor": "mean"}.get(function, function)
    return getattr(grouped, name)()  # type: ignore[no-any-return]


def _like(data: xr.Dataset, values: npt.NDArray[np.float64], each: Aggregation, window: int) -> xr.DataArray:
    field = data[each.field]
    dims = ("time", "asset") if "asset" in data.dims else ("time",)
    attrs: dict[str, Any] = {
        "long_name": f"{each.function} of {field.attrs.get('long_name', each.field)}",
        "cell_methods": f"time: {each.function} (interval: {window // 10**9} s)",
    }
    if each.function in ("count", "availability_factor"):
        attrs["units"] = "1"
    elif "units" in field.attrs:
        attrs["units"] = field.attrs["units"]
    return xr.DataArray(
        values if len(dims) == 2 else values[:, 0], dims=dims, coords={d: data[d] for d in dims}, attrs=attrs
    )


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
