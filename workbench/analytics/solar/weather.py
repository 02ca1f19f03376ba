"""Irradiance, temperature and wind as a plant's models take them: of each inverter, or of a sensor that stands for many.

Here wrong input is told: irradiance in kW/m², of reversed sign, or of a clock that is not UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.kpi import variable_of
from workbench.analytics.solar.array_facts import sensors_of
from workbench.analytics.solar.checks import LIGHT, check_irradiance
from workbench.model.errors import InputError
from workbench.steps import remark

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]

_BEHIND = 93.0  #: zenith beyond which there is no light to speak of [degree]
_WRONG, _DOUBTFUL = 0.02, 0.001  #: shares of the energy that come with the sun down


@dataclass(frozen=True)
class Columns:
    """A field as the columns that differ, [time, column], and which of them is an asset's."""

    name: str
    values: npt.NDArray[Any]
    of: Ints  #: (asset)

    def block(self, part: slice) -> Floats:
        """(time, asset) in float64."""
        return self.values[part].astype(np.float64)[:, self.of]


def columns_of(data: xr.Dataset, name: str) -> Columns | None:
    """``name`` of ``data``: (time, asset), or (time) for all assets; None where there is no such field.

    Where sensors are among the assets (coordinate ``asset_type``), they stand for the assets of their plant (``farm_id``) that
    have not one value of their own: by the median of several.
    """
    if name not in data:
        return None
    raw = data[name]
    if "time" not in raw.dims or not set(raw.dims) <= {"time", "asset"}:
        raise InputError(
            "not a value of each slot", where=name, found=str(raw.dims), expected="dims (time, asset) or (time)"
        )
    kept = variable_of(data, name)
    values = kept.transpose("time", ...).values
    if values.dtype.kind not in "fiu":
        values = values.astype(np.float64)
    size = data.sizes["asset"]
    if values.ndim == 1:
        return Columns(name, values[:, None], np.zeros(size, np.intp))
    of = np.arange(size)
    measure = sensors_of(data)
    if not measure.any():
        return Columns(name, values, of)
    known = np.isfinite(values).any(axis=0)
    farms = np.asarray(data["farm_id"].values if "farm_id" in data.coords else np.full(size, ""), dtype=object)
    farms = np.broadcast_to(farms, (size,))
    more: list[npt.NDArray[Any]] = []
    for farm in dict.fromkeys(farms):
        lacking = (farms == farm) & ~known & ~measure
        telling = (farms == farm) & known & measure
        if not lacking.any() or not telling.any():
            continue
        with np.errstate(all="ignore"):
            some = values[:, telling]
            one = some[:, 0] if some.shape[1] == 1 else _median(some)
        of[lacking] = size + len(more)
        more.append(one)
        told = ", ".join(map(str, data["asset"].values[telling]))
        remark(f"{name}: {int(lacking.sum())} assets have none of their own and take that of {told}")
    return Columns(name, np.column_stack([values, *more]) if more else values, of)


def _median(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    out = np.full(len(values), np.nan, values.dtype)
    there = np.isfinite(values).any(axis=1)
    out[there] = np.nanmedian(values[there], axis=1)
    return out


def irradiance_of(data: xr.Dataset, name: str, zenith: Floats | None = None) -> Columns | None:
    """Irradiance ``name`` [W/m²], what is a little below zero as zero; None where there is no such field.

    Parameters
    ----------
    zenith
        Of the sun, (time, asset or 1) [degree], where it is known.

    Raises
    ------
    InputError
        It never reaches 20 W/m², is below zero by day, or comes with the sun down.
    """
    if name in data:
        check_irradiance(data, name)
    found = columns_of(data, name)
    if found is None:
        return None
    if zenith is not None:
        _check_clock(data, found, zenith)
    return Columns(name, np.maximum(found.values, found.values.dtype.type(0)), found.of)


def _check_clock(data: xr.Dataset, found: Columns, zenith: Floats) -> None:
    """Light while the sun is down tells a clock that is not UTC."""
    names = [str(one) for one in data["asset"].values]
    seen: dict[tuple[int, int], float] = {}
    for row, column in enumerate(found.of):
        place = row if zenith.shape[1] > 1 else 0
        if (int(column), 0) in seen:
            continue
        values = found.values[:, column]
        with np.errstate(invalid="ignore"):
            light = np.where(values > LIGHT, values, 0.0)
        total = float(light.sum())
        share = float(light[zenith[:, place] > _BEHIND].sum()) / total if total > 0 else 0.0
        seen[int(column), 0] = share
        if share > _WRONG:
            raise InputError(
                "irradiance while the sun is down",
                where=f"{found.name} of {names[row]}",
                found=f"{100 * share:.1f} % of its energy",
                expected="times in UTC, longitude in degrees east",
                hint="local time without a zone? see timestamp_normalization and solar_clock_shift_detection",
            )
        if share > _DOUBTFUL:
            remark(
                f"{found.name} of {names[row]}: {100 * share:.1f} % of its energy comes with the sun down: is its clock right?"
            )
