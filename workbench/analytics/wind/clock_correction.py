"""The steps for clocks that were off: flag what :mod:`workbench.analytics.wind.clock_shift` finds, and put it right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.wind.clock_shift import MINUTE, clock_shifts
from workbench.analytics.wind.neighbours import on_slots
from workbench.analytics.wind.ten_minute import COUNT, ten_minute
from workbench.model.errors import InputError
from workbench.model.keys import DurationText
from workbench.model.quality import DTYPE, Quality, is_quality, quality_attrs, quality_name
from workbench.steps import remark, step

if TYPE_CHECKING:
    import polars as pl

SHIFT, CORRECTED = "clock_shift", "clock_correction"


@step("clock_shift_detection")
def clock_shift_detection(
    data: xr.Dataset,
    *,
    variable: str = "wind_speed",
    reference: str = "",
    largest: DurationText = "PT3H",
    smallest: DurationText = "PT20M",
    resolution: DurationText = "PT30M",
    tz: str | None = None,
    flag: bool = True,
) -> xr.Dataset:
    """Find times at which a turbine's clock was off; see :func:`clock_shifts`.

    Parameters
    ----------
    reference
        Field to compare with, such as the wind speed of a reanalysis; the other turbines where empty.
    tz
        Zone of the site; the attribute ``timezone`` of the data where left out.
    flag
        Whether to flag CLOCK all measured values of the times.

    Returns
    -------
    The data with ``clock_shift`` [min], positive where time stamps are late; NaN where a turbine could not be judged.
    """
    data = ten_minute(data)
    table = clock_shifts(
        data,
        variable=variable,
        reference=data[reference] if reference else None,
        largest=largest,
        smallest=smallest,
        resolution=resolution,
        tz=tz or data.attrs.get("timezone"),
    )
    for asset, why in table.filter(table["reason"].is_not_null()).select("asset", "reason").iter_rows():
        remark(f"clock_shift_detection: {asset} is not judged: {why}")
    shift = shifts_of(table, data)
    data = data.assign({SHIFT: shift})
    return _flagged(data, np.abs(shift.values) > 0, create=True) if flag else data


def shifts_of(table: pl.DataFrame, data: xr.Dataset) -> xr.DataArray:
    """The shifts of a table of :func:`clock_shifts` at the times of ``data``, (time, asset) [min]."""
    found = on_slots(table, "shift", data)
    coords = {name: data[name] for name in ("time", "asset")}
    attrs = {"units": "min", "long_name": "time stamps late by"}
    return xr.DataArray(found, dims=("time", "asset"), coords=coords, attrs=attrs)


def _flagged(
    data: xr.Dataset,
    where: npt.NDArray[np.bool_],
    *,
    create: bool = False,
    clear: npt.NDArray[np.bool_] | None = None,
) -> xr.Dataset:
    """CLOCK set on all measured variables at [time, asset], after it was cleared at ``clear``; ``create`` flags that are not there."""
    added = {}
    for name in _measured(data):
        old = data.get(quality_name(name))
        if old is None and not create:
            continue
        bits = np.zeros(where.shape, DTYPE) if old is None else old.transpose("time", "asset").values.astype(DTYPE)
        if clear is not None:
            bits = np.where(clear, bits & DTYPE.type(0xFFFF ^ int(Quality.CLOCK)), bits)
        added[quality_name(name)] = (("time", "asset"), bits | where * DTYPE.type(Quality.CLOCK), quality_attrs(name))
    return data.assign(added)


def _measured(data: xr.Dataset) -> list[str]:
    return [
        str(name)
        for name, array in data.data_vars.items()
        if array.dtype.kind == "f"
        and {"time", "asset"} == set(array.dims)
        and not is_quality(str(name))
        and name not in (SHIFT, CORRECTED, COUNT)
    ]


@step("clock_shift_correction")
def clock_shift_correction(data: xr.Dataset, *, undo: bool = False) -> xr.Dataset:
    """Put values where they belong by the shifts that ``clock_shift_detection`` found; with ``undo`` put them back.

    Everything by time and asset is moved, flags included, but flags CLOCK of the shift are taken away. The grid grows at
    its ends where values leave it. ``clock_correction`` [min] says of each value by how much it was moved: the time that
    was written is ``time - clock_correction``. Where two values meet (the hour after a clock was set back), the one that
    needed no moving stays; how many were lost so is remarked and in the attribute ``overwritten`` of
    ``clock_correction``. All others come back with ``undo``.

    Raises
    ------
    InputError
        There are no shifts, or the correction was made already, or was not made.
    """
    from workbench.transforms.quality import slot_ns

    source = CORRECTED if undo else SHIFT
    if source not in data:
        hint = "no correction was made" if undo else "the shifts are not in the data: see clock_shift_detection"
        raise InputError(hint, expected=source)
    if not undo and CORRECTED in data:
        raise InputError("the correction was made already", where=CORRECTED)
    slot = slot_ns(data)
    minutes = np.nan_to_num(data[source].transpose("time", "asset").values)
    by = -np.round(minutes * MINUTE / slot).astype(np.int64)  # a stamp that is late moves back, and undone forward
    size = len(by)
    index = np.arange(size)[:, None] + by
    before, after = max(0, -int(index.min(initial=0))), max(0, int(index.max(initial=0)) - size + 1)
    stamps = data["time"].values.astype("datetime64[ns]")
    first = stamps[0] - np.timedelta64(before * slot, "ns")
    grown = first + np.arange(before + size + after) * np.timedelta64(slot, "ns")
    index = index + before
    column = np.broadcast_to(np.arange(by.shape[1]), by.shape)
    holds = _holding(data)
    origin = np.full((len(grown), by.shape[1]), -1, dtype=np.int64)
    row = np.broadcast_to(np.arange(size)[:, None], by.shape)
    taken = 0
    for moved in (True, False):  # those that stay come last and win
        here = holds & ((by != 0) == moved)
        taken += int((origin[index[here], column[here]] >= 0).sum())
        origin[index[here], column[here]] = row[here]
    made = {}
    there, safe = origin >= 0, np.maximum(origin, 0)
    for name, array in data.data_vars.items():
        if {"time", "asset"} != set(array.dims):
            continue
        old = np.take_along_axis(array.transpose("time", "asset").values, safe, axis=0)
        fill: Any = np.nan if array.dtype.kind == "f" else np.zeros((), array.dtype)
        made[name] = (("time", "asset"), np.where(there, old, fill).astype(array.dtype), array.attrs)
    others = {n: a.variable for n, a in data.data_vars.items() if n not in made and "time" not in a.dims}
    coords = {n: a.variable for n, a in data.coords.items() if "time" not in a.dims}
    for name, array in data.data_vars.items():
        if name not in made and "time" in array.dims:
            others[name] = array.reindex(time=grown).variable
    result = xr.Dataset({**made, **others}, coords={"time": grown, **coords}, attrs=data.attrs)
    amount = np.where(there, np.take_along_axis(by, safe, axis=0), 0) * (slot / MINUTE)
    if undo:
        result = result.drop_vars(CORRECTED)
        return _flagged(result, amount != 0)
    if taken:
        remark(f"clock_shift_correction: {taken} values met another at the same time and were left out")
    attrs = {"units": "min", "long_name": "time stamp corrected by", "overwritten": taken}
    result[CORRECTED] = (("time", "asset"), amount.astype(np.float32), attrs)
    return _flagged(result, np.zeros(amount.shape, bool), clear=amount != 0)


def _holding(data: xr.Dataset) -> npt.NDArray[np.bool_]:
    """Where any measured value is, [time, asset]."""
    found = np.zeros((data.sizes["time"], data.sizes["asset"]), bool)
    for name in _measured(data):
        found |= np.isfinite(data[name].transpose("time", "asset").values)
    return found
