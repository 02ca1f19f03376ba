"""Where categories come from: status counters, a status of each slot, or SCADA alone.

Each source gives the seconds of each slot, turbine and category, in the one form of
:mod:`~workbench.analytics.wind.category_seconds`; :func:`combine_categories` completes one by another. What a source
could not use is counted. Events and logs are in :mod:`~workbench.analytics.wind.category_events`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.calendar import Window, slot_length
from workbench.analytics.kpi import variable_of
from workbench.analytics.wind.availability import Production
from workbench.analytics.wind.categories import UNKNOWN, CategoryTable
from workbench.analytics.wind.category_seconds import share_out, slot_edges, stack, status_codes
from workbench.model.errors import InputError
from workbench.model.units import convert

#: A counter of more than so many slots [1] has not counted seconds of one; it is missing.
TOO_LONG = 2.0
_SCADA = {
    int(Production.PRODUCING): "available",
    int(Production.OUTSIDE): "available",
    int(Production.NOT_PRODUCING): "unavailable",
}


# -- counters ---------------------------------------------------------------------------------------------


def from_counters(
    data: xr.Dataset,
    counters: Mapping[str, str],
    *,
    table: CategoryTable | None = None,
    window: Window | None = None,
    tolerance: float = 1.0,
) -> xr.Dataset:
    """Categories from counters that tell how many seconds of each slot a state held.

    Counters overlap (a turbine stopped for the market that is faulty as well counts in both) and leave gaps. The category
    of higher priority takes its seconds first, the next what is left; seconds that no counter claims are ``unknown``.

    Parameters
    ----------
    data
        dims (time, asset): the counters, in [s] or a unit of time that they name.
    counters
        Field to category. Several of one category add up.
    window
        What should be there; the span of the data if left out. Slots that lack altogether are ``unknown``.
    tolerance
        A slot that lacks no more than this [s] is rounded up: its largest counter gets the rest.

    Returns
    -------
    xr.Dataset
        See :func:`~workbench.analytics.wind.category_seconds.stack`, and (asset): ``missing_slots`` without any
        counter, ``overfilled_slots`` and ``overlap_seconds`` claimed twice, ``underfilled_slots`` and
        ``unclaimed_seconds``, and ``impossible_values``: negative ones and those of more than two slots, taken as
        missing, and others longer than the slot, cut to it.

    Raises
    ------
    InputError
        A field or category that is not there; a unit that is no time.
    """
    table = table or CategoryTable()
    slot = float(slot_length(data) / np.timedelta64(1, "s"))
    read = counters_in_seconds(data, counters, table)
    if window is not None:
        times = slot_edges(window, f"{slot:g}s")[:-1]
        read = {name: each.reindex(time=times) for name, each in read.items()}
    shape = next(iter(read.values())).shape
    claims: dict[str, npt.NDArray[np.float64]] = {}
    known, impossible = np.zeros(shape, bool), np.zeros(shape[1], np.int64)
    for name, each in read.items():
        values = each.values
        wrong = (values < 0) | (values > slot + tolerance)
        impossible += wrong.sum(axis=0)
        values = np.where((values < 0) | (values > TOO_LONG * slot), np.nan, np.minimum(values, slot))
        known |= np.isfinite(values)
        category = counters[name]
        claims[category] = claims.get(category, 0.0) + np.nan_to_num(values)
    total = sum(claims.values())
    assert isinstance(total, np.ndarray)  # noqa: S101  # there is one counter or more
    lacks = slot - total
    nearly = (lacks > 0) & (lacks <= tolerance)
    if nearly.any():
        names = list(claims)
        largest = np.argmax(np.stack([claims[name] for name in names]), axis=0)
        for row, name in enumerate(names):
            claims[name] = np.where(nearly & (largest == row), claims[name] + lacks, claims[name])
        lacks = np.where(nearly, 0.0, lacks)
    coords = {"time": next(iter(read.values()))["time"].values, "asset": data["asset"].values}
    arrays = {name: xr.DataArray(values, dims=("time", "asset"), coords=coords) for name, values in claims.items()}
    over, under = known & (lacks < -tolerance), known & (lacks > 0)
    counts = {
        "missing_slots": (~known).sum(axis=0),
        "overfilled_slots": over.sum(axis=0),
        "overlap_seconds": np.where(over, -lacks, 0.0).sum(axis=0),
        "underfilled_slots": under.sum(axis=0),
        "unclaimed_seconds": np.where(under, lacks, 0.0).sum(axis=0),
        "impossible_values": impossible,
    }
    return stack(share_out(arrays, slot, table), slot, table, counts)


def counters_in_seconds(data: xr.Dataset, counters: Mapping[str, str], table: CategoryTable) -> dict[str, xr.DataArray]:
    """The counters in seconds, dims (time, asset); lazy where they are."""
    if not counters:
        raise InputError("no counters are named", where="counters", found="{}", expected="field: category")
    table.check(counters.values(), "counters")
    found = {}
    for name in counters:
        values = variable_of(data, name)
        unit = str(values.attrs.get("units") or "s")
        try:
            found[name] = convert(values.astype(np.float64).assign_attrs(units=unit), unit, "s").drop_attrs(deep=False)
        except InputError as error:
            raise error.at(where=f"counters.{name}") from error
    return found


# -- a state of each slot ---------------------------------------------------------------------------------


def from_status(
    data: xr.Dataset,
    *,
    status: str = "availability_status",
    codes: Mapping[Any, str] | None = None,
    window: Window | None = None,
    table: CategoryTable | None = None,
) -> xr.Dataset:
    """Categories from a field that holds one code for each slot; a slot counts whole.

    Parameters
    ----------
    codes
        Code to category; those of the vocabulary's ``availability_status`` if left out. A code without a category, and
        no code, are ``unknown``.

    Returns
    -------
    xr.Dataset
        See :func:`~workbench.analytics.wind.category_seconds.stack`, and (asset): ``missing_slots``, ``unmapped_slots``.
    """
    table = table or CategoryTable()
    said = variable_of(data, status).load()
    slot = float(slot_length(data) / np.timedelta64(1, "s"))
    if window is not None:
        said = said.astype(np.float64).reindex(time=slot_edges(window, f"{slot:g}s")[:-1])
    claims = status_claims(said, codes, slot, table)
    known = sum(each.values > 0 for each in claims.values())
    there = said.notnull().values
    counts = {"missing_slots": (~there).sum(axis=0), "unmapped_slots": (there & ~np.asarray(known, bool)).sum(axis=0)}
    return stack(share_out(claims, slot, table), slot, table, counts)


def status_claims(
    said: xr.DataArray, codes: Mapping[Any, str] | None, slot: float, table: CategoryTable
) -> dict[str, xr.DataArray]:
    """By category, the slot's length [s] where its code says so, else 0; lazy where the codes are."""
    if codes is None:
        codes = {code: name for name, code in status_codes().items()}
    table.check(codes.values(), "codes")
    by_name: dict[str, list[Any]] = {}
    for code, name in codes.items():
        by_name.setdefault(name, []).append(_number(code, said))
    return {
        name: said.isin(wanted).astype(np.float64).drop_attrs(deep=False) * slot
        for name, wanted in by_name.items()
        if name != UNKNOWN
    } or {"available": said.isin([]).astype(np.float64)}


def _number(code: Any, said: xr.DataArray) -> Any:
    """``code`` as the values are; a mapping read from JSON has texts for keys."""
    if said.dtype.kind in "fiu" and isinstance(code, str):
        try:
            return float(code)
        except ValueError:
            raise InputError("not a number, as the field's values are", where="codes", found=code) from None
    return code


def from_production(state: xr.DataArray, *, table: CategoryTable | None = None) -> xr.Dataset:
    """Categories from SCADA alone: what the slot's wind and power say of the turbine.

    Parameters
    ----------
    state
        From :func:`~workbench.analytics.wind.availability.production_state`. A turbine that produces, or for which there is
        too little or too much wind, is ``available``; one that stands in sufficient wind is ``unavailable``: why, power
        and wind do not tell.
    """
    table = table or CategoryTable()
    slot = float(slot_length(state) / np.timedelta64(1, "s"))
    claims = status_claims(state, _SCADA, slot, table)
    missing = (state == int(Production.NO_INFORMATION)).sum("time").values
    return stack(share_out(claims, slot, table), slot, table, {"missing_slots": missing})


def production_claims(state: xr.DataArray, slot: float, table: CategoryTable) -> dict[str, xr.DataArray]:
    """The claims of :func:`from_production`; lazy where the state is."""
    return status_claims(state, _SCADA, slot, table)
