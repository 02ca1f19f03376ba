"""Hybrid plants: where solar energy went and where the battery's came from, with panels and battery in one dataset.

Of a slot's charge as much as the panels make is from them, the rest from the grid: energy has no colour, and this is the rule
by which operators keep a battery's charge solar. What is delivered is shared alike. A loop over nothing: all by slots.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from workbench.analytics.calendar import Step, edges_of, periods, place, window_of
from workbench.analytics.storage.fields import Floats, check_signs, maybe, names_of, prepared, slot_hours, texts
from workbench.model.errors import InputError
from workbench.steps import remark, step

FLOWS = ("pv_to_battery", "pv_to_grid", "battery_to_grid", "grid_to_battery", "plant_difference")
_POWERS = {
    "inverter": ("total_ac_power", "active_power", "power_output"),
    "battery": ("active_power",),
    "grid_meter": ("active_power",),
}
_TITLES = {
    "pv_to_battery": "solar power into the battery",
    "pv_to_grid": "solar power to the grid",
    "battery_to_grid": "battery power to the grid",
    "grid_to_battery": "power from the grid into the battery",
    "plant_difference": "parts less meter: losses, own use, or what is not measured",
}


def plant_dataset(*parts: xr.Dataset) -> xr.Dataset:
    """Inverters, batteries and meters of one plant in one dataset.

    Parameters
    ----------
    parts
        Each dims (time, asset), on one grid of times: such as the series ``inverter/10min``, ``battery/10min`` and
        ``grid_meter/10min`` of a site. Fields and facts that a part lacks are missing there (NaN, NaT, an empty text).

    Raises
    ------
    InputError
        An asset stands in two parts; the parts have no time in common.
    """
    names = [str(name) for part in parts for name in part["asset"].values]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError("assets stand in more than one part", where="parts", found=", ".join(twice))
    facts = {str(n): c for part in parts for n, c in part.coords.items() if c.dims == ("asset",) and n != "asset"}
    filled = []
    for part in parts:
        prepared(part)
        blank = {}
        for name, fact in facts.items():
            if name not in part.coords:
                kind = fact.dtype.kind
                size = part.sizes["asset"]
                empty = np.full(size, np.nan) if kind in "fiub" else np.full(size, "", dtype=object)
                blank[name] = ("asset", np.full(size, np.datetime64("NaT", "ns")) if kind == "M" else empty, fact.attrs)
        filled.append(part.assign_coords(blank))
    common = filled[0]["time"].values
    for part in filled[1:]:
        common = np.intersect1d(common, part["time"].values)
    if not len(common):
        raise InputError("the parts have no time in common", where="parts", hint="bring them to one cadence first")
    kept = [part.sel(time=common) for part in filled]
    return xr.concat(kept, "asset", data_vars="all", coords="different", compat="equals", join="outer")


def kinds_of(data: xr.Dataset, kinds: Mapping[str, Sequence[str]] | None) -> dict[str, list[int]]:
    """Columns of each kind of asset: by ``kinds``, or by the coordinate ``asset_type``."""
    names = names_of(data)
    if kinds is not None:
        for kind, members in kinds.items():
            if kind not in _POWERS:
                raise InputError("no such kind", where=f"kinds.{kind}", expected=", ".join(_POWERS))
            for name in members:
                if name not in names:
                    raise InputError("no such asset", where=f"kinds.{kind}", found=name, expected=", ".join(names[:12]))
        return {kind: [names.index(name) for name in kinds.get(kind, ())] for kind in _POWERS}
    types = texts(data, "asset_type")
    return {kind: [i for i, one in enumerate(types) if one == kind] for kind in _POWERS}


def hybrid_flows(data: xr.Dataset, *, kinds: Mapping[str, Sequence[str]] | None = None) -> xr.Dataset:
    """Flows between panels, battery and grid in each slot.

    Parameters
    ----------
    data
        dims (time, asset) with inverters, batteries and, where there is one, the meter of one plant; their power is NaN for assets
        that have none: inverters ``total_ac_power`` (or ``active_power``, ``power_output``), batteries ``active_power``
        (positive while discharging) or charge and discharge, the meter ``active_power`` (positive while exporting) [kW].
        The coordinate ``asset_type`` tells which is which.
    kinds
        Names of the assets of each kind, in its place.

    Returns
    -------
    xr.Dataset
        dims (time), [kW]: ``pv_power``, ``battery_charge``, ``battery_discharge``; ``pv_to_battery``, ``pv_to_grid``,
        ``battery_to_grid``, ``grid_to_battery``, whose sums give these; ``export`` at the meter, of the parts where there is
        none; ``plant_difference``, parts less meter, NaN without one. NaN where a part that was measured before is missing.

    Raises
    ------
    InputError
        No inverter or no battery; a reversed sign of the battery.
    """
    data = prepared(data)
    columns = kinds_of(data, kinds)
    for kind in ("inverter", "battery"):
        if not columns[kind]:
            raise InputError(
                f"the data have no {kind}: this is no hybrid plant, or its parts stand in other datasets",
                where="data.asset_type",
                found=", ".join(sorted(set(texts(data, "asset_type")))) or "no coordinate asset_type",
                expected="inverter and battery",
                hint="plant_dataset(inverters, battery, meter), or kinds={'inverter': […], 'battery': […]}",
            )
    batteries = data.isel(asset=columns["battery"])
    check_signs(batteries)
    solar = _sum(data, "inverter", columns["inverter"])
    charge, discharge = maybe(batteries, "charge_power"), maybe(batteries, "discharge_power")
    own = maybe(batteries, "active_power")
    if charge is None or discharge is None or not np.isfinite(charge).any():
        if own is None:
            raise InputError(
                "no power of the battery", where="data", expected="active_power, or charge_power and discharge_power"
            )
        charge, discharge = np.maximum(-own, 0.0), np.maximum(own, 0.0)
    into, out = charge.sum(axis=1), discharge.sum(axis=1)
    made = np.maximum(solar, 0.0)
    to_battery = np.minimum(into, made)
    net = solar + out - into
    if own is not None and np.isfinite(own).any():
        net = solar + own.sum(axis=1)  # with pumps and fans
    export = net
    difference = np.full(len(net), np.nan)
    if columns["grid_meter"]:
        export = _sum(data, "grid_meter", columns["grid_meter"])
        difference = net - export
    found = {
        "pv_power": solar, "battery_charge": into, "battery_discharge": out, "pv_to_battery": to_battery,
        "pv_to_grid": made - to_battery, "battery_to_grid": out, "grid_to_battery": into - to_battery, "export": export,
        "plant_difference": difference,
    }  # fmt: skip
    return xr.Dataset(
        {n: ("time", v, {"units": "kW", "long_name": _TITLES.get(n, n.replace("_", " "))}) for n, v in found.items()},
        coords={"time": data["time"]},
    )


def _sum(data: xr.Dataset, kind: str, columns: list[int]) -> Floats:
    part = data.isel(asset=columns)
    for name in _POWERS[kind]:
        values = maybe(part, name)
        if values is not None and np.isfinite(values).any():
            some = np.isfinite(values).any(axis=0)
            if not some.all():
                remark(f"hybrid_flows: without power all along: {', '.join(np.array(names_of(part))[~some])}")
            found: Floats = values[:, some].sum(axis=1)
            return found
    raise InputError(f"no power of the {kind}", where="data", expected=" or ".join(_POWERS[kind]))


def hybrid_energy(
    data: xr.Dataset, *, by: Step | None = None, tz: str = "UTC", kinds: Mapping[str, Sequence[str]] | None = None
) -> xr.Dataset:
    """Energy between panels, battery and grid, and what of it is solar.

    Parameters
    ----------
    data, kinds
        See :func:`hybrid_flows`.
    by, tz
        By days, months or years of that clock; all at once if left out.

    Returns
    -------
    xr.Dataset
        No dims, or (period): the flows as energy [kWh], of slots in which all parts were measured; ``hours`` [h];
        ``solar_share_of_charge`` [%], of the battery's charge; ``shifted_share`` [%], of the solar energy that went through the
        battery; ``closure`` [%], parts less meter over what was exported.

    Raises
    ------
    InputError
        See :func:`hybrid_flows`.
    """
    data = prepared(data)
    flows = hybrid_flows(data, kinds=kinds)
    span = window_of(data)
    import pandas as pd

    labels, edges = pd.DatetimeIndex([span[0]]), edges_of(span)
    if by is not None:
        labels, edges = periods(span, by, tz)
    when, hours = place(data["time"].values, edges), slot_hours(data)
    metered = bool(np.isfinite(flows["plant_difference"].values).any())
    known = np.ones(len(when), dtype=bool)
    for name in flows.data_vars:
        if name != "plant_difference" or metered:
            known &= np.isfinite(flows[name].values)
    size = len(labels)
    rows = known & (when >= 0) & (when < size)
    sums = {
        str(n): np.bincount(when[rows], np.nan_to_num(flows[n].values[rows]), size) * hours for n in flows.data_vars
    }
    if not metered:
        sums["plant_difference"] = np.full(size, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = {
            "solar_share_of_charge": 100.0 * sums["pv_to_battery"] / sums["battery_charge"],
            "shifted_share": 100.0 * sums["pv_to_battery"] / sums["pv_power"],
            "closure": 100.0 * sums["plant_difference"] / np.abs(sums["export"]),
        }
    content = {n: ("period", v, {"units": "kWh"}) for n, v in sums.items()}
    content |= {n: ("period", v, {"units": "%"}) for n, v in shares.items()}
    content["hours"] = ("period", np.bincount(when[rows], minlength=size) * hours, {"units": "h"})
    result = xr.Dataset(content, coords={"period": labels.to_numpy()}, attrs={"time_zone": tz})
    return result if by is not None else result.isel(period=0, drop=True)


@step("hybrid_flows")
def add_hybrid_flows(data: xr.Dataset, *, kinds: dict[str, list[str]] | None = None) -> xr.Dataset:
    """Flows between panels, battery and grid of a plant that has them in one dataset.

    Parameters
    ----------
    data
        dims (time, asset), see :func:`hybrid_flows`.
    kinds
        Names of the assets of each kind (``inverter``, ``battery``, ``grid_meter``); by ``asset_type`` if left out.

    Returns
    -------
    The data with ``pv_to_battery``, ``pv_to_grid``, ``battery_to_grid``, ``grid_to_battery`` and ``plant_difference`` [kW], dims
    (time).

    Raises
    ------
    InputError
        There is no inverter or no battery, or the battery's sign is reversed.
    """
    data = prepared(data)
    found = hybrid_flows(data, kinds=kinds)
    return data.assign({n: found[n].variable for n in FLOWS})
