"""Steps that bring telemetry of many makers under one set of names, units and ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar

import numpy as np
import xarray as xr
from pydantic import BaseModel, ConfigDict, ValidationError

from workbench.model.errors import InputError, did_you_mean
from workbench.model.keys import UnitText
from workbench.model.quality import quality_attrs, quality_name
from workbench.model.time import localize
from workbench.model.units import convert
from workbench.steps import remark, step

_Model = TypeVar("_Model", bound=BaseModel)
#: Relative difference from which on two fields that mean the same contradict each other.
CONFLICT = 1e-6


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Conversion(_Strict):
    """One field into another unit."""

    field: str
    to_unit: UnitText
    from_unit: UnitText | None = None  #: what the data says by default
    output_field: str = ""  #: the field itself by default


class Standard(_Strict):
    """One field out of several that mean the same."""

    source_fields: tuple[str, ...]
    destination_field: str
    default_unit: UnitText | None = None  #: of the result; a source without a unit is taken to be in it


def checked(model: type[_Model], given: _Model | Mapping[str, Any], where: str) -> _Model:
    """``given`` as a ``model``. Raises InputError with the place."""
    if isinstance(given, model):
        return given
    try:
        return model.model_validate(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, (where, *first["loc"])))
        raise InputError(first["msg"].removeprefix("Value error, "), where=place, found=str(first["input"])) from error


def some_there(step_: str, names: Sequence[str], data: xr.Dataset, where: str) -> list[str]:
    """Those of ``names`` that the data has; the others are remarked, and none at all is an InputError."""
    known = [str(name) for name in data.variables]
    there = [name for name in names if name in known]
    if names and not there:
        raise InputError(
            "none of the fields is in the data",
            where=where,
            found=", ".join(dict.fromkeys(names)),
            hint=did_you_mean(names[0], known),
        )
    for name in dict.fromkeys(names):
        if name not in there:
            remark(f"{step_}: no field {name!r} in the data; what is said of it is left out")
    return there


@step("timestamp_normalization")
def timestamp_normalization(
    data: xr.Dataset,
    *,
    operation: Literal["convert_to_utc"] = "convert_to_utc",
    source_timezone_field: str | None = None,
    source_timezone: str | None = None,
    output_field: str = "timestamp_utc",
    ambiguous: Literal["raise", "infer", "earlier", "later", "missing"] = "infer",
    nonexistent: Literal["raise", "shift_forward", "missing"] = "raise",
) -> xr.Dataset:
    """Times in UTC.

    The time of a Dataset is UTC as soon as its messages said an offset, and an explicit offset wins over every
    time zone named here. Only times that were read without one (``time.attrs["time_zone"] == "local"``) are
    taken to be local to the zone. Where the clock behind the time stamps was set is found
    (:func:`workbench.transforms.clock.clock_shifts`) and remarked; nothing is moved.

    Parameters
    ----------
    data
        dims (time, …)
    source_timezone, source_timezone_field
        Name of the zone (``America/Denver``), or the field, coordinate or attribute that holds it.
    output_field
        What the times in UTC are called, dims (time,).
    ambiguous, nonexistent
        What local times mean that occur twice or not at all, as clocks are changed.

    Raises
    ------
    InputError
        Local times without a zone; a time that is not clear under the policies.
    """
    times = data["time"]
    _tell_shifts(times.values)
    local = times.attrs.get("time_zone") == "local"
    zone = source_timezone or _zone_in(data, source_timezone_field)
    if not local:
        if source_timezone_field and zone is None:
            remark(
                f"timestamp_normalization: no field {source_timezone_field!r} in the data; not needed, its time stamps "
                "carry their offset"
            )
        return data.assign({output_field: ("time", times.values, {"long_name": "time, UTC", "standard_name": "time"})})
    if zone is None:
        raise InputError(
            "the times are local, and no time zone is known",
            where="source_timezone_field",
            found=source_timezone_field,
            expected="a field of the data with the zone's name, or source_timezone",
        )
    import pandas as pd

    utc = localize(pd.DatetimeIndex(times.values), zone, ambiguous=ambiguous, nonexistent=nonexistent)
    values = utc.to_numpy().astype("datetime64[ns]")
    attrs = {name: value for name, value in times.attrs.items() if name != "time_zone"}
    made = data.assign_coords(time=("time", values, attrs))
    return made.assign({output_field: ("time", values, {"long_name": "time, UTC", "standard_name": "time"})})


def _tell_shifts(times: Any) -> None:
    from workbench.transforms.clock import clock_shifts, words

    shifts = clock_shifts(times)
    if shifts:
        told = "; ".join(map(words, shifts[:5])) + (f"; and {len(shifts) - 5} more" if len(shifts) > 5 else "")
        remark(f"timestamp_normalization: the clock of the time stamps was set: {told}")


def _zone_in(data: xr.Dataset, name: str | None) -> str | None:
    for each in (name, name.rpartition(".")[2] if name else None):
        if each and each in data.variables:
            values = {str(value) for value in np.atleast_1d(data[each].values).ravel() if value not in (None, "")}
            if len(values) > 1:
                raise InputError("several time zones in one Dataset", where=each, found=", ".join(sorted(values)))
            return next(iter(values), None)
        if each and each in data.attrs:
            return str(data.attrs[each])
    return None


@step("unit_conversion")
def unit_conversion(data: xr.Dataset, *, conversions: Sequence[Conversion]) -> xr.Dataset:
    """Fields in other units, offsets included (15 °C is 59 °F).

    Parameters
    ----------
    data
        Any dims; lazy data stay lazy.
    conversions
        :class:`Conversion`, or mappings of its keys. What the data itself says of a field's unit counts more than
        ``from_unit``; where they differ, that is remarked.

    Raises
    ------
    InputError
        None of the fields is there, a unit is unknown or cannot be converted.
    """
    wanted = [checked(Conversion, each, f"conversions.{number}") for number, each in enumerate(conversions)]
    there = some_there("unit_conversion", [each.field for each in wanted], data, "conversions")
    found: dict[str, xr.DataArray] = {}
    for each in wanted:
        if each.field not in there:
            continue
        values = data[each.field]
        own = values.attrs.get("units")
        start = str(own) if own else each.from_unit
        if start is None:
            raise InputError("the unit is not known", where=f"conversions: {each.field}", expected="from_unit")
        if own and each.from_unit and not _same(str(own), each.from_unit):
            remark(f"unit_conversion: {each.field} is in {own}, as the data says, not in {each.from_unit}")
        changed = convert(values.assign_attrs(units=start), start, each.to_unit)
        goal = each.output_field or each.field
        found[goal] = changed
        if goal != each.field and quality_name(each.field) in data:
            found[quality_name(goal)] = data[quality_name(each.field)].assign_attrs(quality_attrs(goal))
    return data.assign(found)


def _same(one: str, other: str) -> bool:
    return bool(np.isclose(float(convert(1.0, one, other)), 1.0) and np.isclose(float(convert(0.0, one, other)), 0.0))


@step("field_standardization")
def field_standardization(data: xr.Dataset, *, mappings: Sequence[Standard]) -> xr.Dataset:
    """One field out of several that mean the same: at each place the first that has a value.

    Parameters
    ----------
    data
        Any dims.
    mappings
        :class:`Standard`, or mappings of its keys. Sources are brought to ``default_unit``. Where a later source
        contradicts the one that is taken, that is remarked (not for lazy data).

    Raises
    ------
    InputError
        None of the sources of any mapping is there.
    """
    wanted = [checked(Standard, each, f"mappings.{number}") for number, each in enumerate(mappings)]
    every = [name for each in wanted for name in each.source_fields]
    known = set(map(str, data.data_vars))
    if every and not known & set(every):
        some_there("field_standardization", every, data, "mappings")
    found: dict[str, xr.DataArray] = {}
    for each in wanted:
        sources = [name for name in each.source_fields if name in known]
        if not sources:
            remark(
                f"field_standardization: none of {', '.join(each.source_fields)} is in the data; no {each.destination_field}"
            )
            continue
        brought = [_brought(data[name], each.default_unit) for name in sources]
        result = brought[0]
        for name, other in zip(sources[1:], brought[1:], strict=True):
            _tell_conflicts(each.destination_field, sources[0], result, name, other)
            result = result.where(result.notnull(), other)
        attrs = {"long_name": each.destination_field.replace("_", " "), "units": result.attrs.get("units")}
        attrs["source_fields"] = ", ".join(sources)
        found[each.destination_field] = result.assign_attrs({k: v for k, v in attrs.items() if v is not None})
    return data.assign(found)


def _brought(values: xr.DataArray, unit: str | None) -> xr.DataArray:
    own = values.attrs.get("units")
    if unit is None:
        return values
    return convert(values, str(own), unit) if own else values.assign_attrs(units=unit)


def _tell_conflicts(goal: str, taken: str, result: xr.DataArray, name: str, other: xr.DataArray) -> None:
    if result.chunks or other.chunks or result.dtype.kind != "f" or other.dtype.kind != "f":
        return
    scale = np.maximum(np.abs(result), np.abs(other))
    differ = int((np.abs(result - other) > CONFLICT * scale).sum())
    if differ:
        both = int((result.notnull() & other.notnull()).sum())
        remark(f"field_standardization: {goal} is {taken}; {name} differs from it in {differ} of {both} values")


@step("asset_identification")
def asset_identification(
    data: xr.Dataset,
    *,
    operation: Literal["create_unified_id"] = "create_unified_id",
    prefix_field: str = "asset_type",
    id_field: str = "asset",
    output_field: str = "unified_asset_id",
    separator: str = "-",
) -> xr.Dataset:
    """An id for each asset that no asset of another kind has: ``wind_turbine-T-045``.

    Parameters
    ----------
    data
        dims (…, asset)
    prefix_field, id_field
        Coordinates or attributes. A field that is called an id (``turbine_id``, ``inverter_id``) and is not there
        is the asset itself; the type of asset may stand in the Dataset's attributes.

    Returns
    -------
    xr.Dataset
        With the coordinate ``output_field`` on ``asset``.

    Raises
    ------
    InputError
        The data has no assets, or no such field.
    """
    if "asset" not in data.coords:
        raise InputError("the data has no assets", where="asset", expected="a coordinate asset")
    count = data.sizes["asset"]
    prefixes = _on_assets(data, prefix_field, count)
    if prefixes is None:
        raise InputError(
            "no such field in the data",
            where="prefix_field",
            found=prefix_field,
            expected="a coordinate on asset, or an attribute of the data",
            hint=did_you_mean(prefix_field, [*map(str, data.variables), *map(str, data.attrs)]),
        )
    ids = _on_assets(data, id_field, count)
    if ids is None:
        if not id_field.endswith("_id") and id_field != "asset":
            raise InputError(
                "no such field in the data", where="id_field", found=id_field, expected="such as turbine_id"
            )
        remark(f"asset_identification: no field {id_field!r} in the data; the asset's own name is taken")
        ids = [str(name) for name in data["asset"].values]
    made = [f"{prefix}{separator}{one}" for prefix, one in zip(prefixes, ids, strict=True)]
    if len(set(made)) < len(made):
        twice = next(name for name in made if made.count(name) > 1)
        raise InputError("an id is not unique", where=output_field, found=twice)
    return data.assign_coords({output_field: ("asset", np.array(made, dtype=object).astype(str))})


def _on_assets(data: xr.Dataset, name: str, count: int) -> list[str] | None:
    if name in data.variables and data[name].dims in ((), ("asset",)):
        return [str(value) for value in np.broadcast_to(data[name].values, (count,))]
    return [str(data.attrs[name])] * count if name in data.attrs else None
