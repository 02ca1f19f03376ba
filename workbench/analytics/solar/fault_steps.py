"""The steps for faults of strings, trackers and inverters: energy lost in each slot, class of the fault, daily index."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import xarray as xr
from pydantic import Field

from workbench.analytics.solar.fault_fields import Faults
from workbench.analytics.solar.inverter_faults import inverter_faults
from workbench.analytics.solar.string_faults import string_faults
from workbench.analytics.solar.tracker_faults import tracker_faults
from workbench.steps import remark, step


@step("string_faults")
def add_string_faults(
    data: xr.Dataset,
    *,
    kind: Literal["", "string", "mppt", "inverter"] = "",
    least_loss: Annotated[float, Field(gt=0, lt=1)] = 0.04,
    low_light: Annotated[float, Field(gt=0, lt=1)] = 0.1,
    least_days: Annotated[int, Field(ge=1)] = 2,
    nominal_voltage: Annotated[float, Field(gt=0)] | None = None,
    parent: str = "parent",
    orientation: str = "orientation",
) -> xr.Dataset:
    """Strings, MPPT inputs or inverters' DC sides that fall behind their peers: class, index and energy lost.

    The table of events, with days and confidence, is what the function ``string_faults`` gives.

    Parameters
    ----------
    data
        dims (time, asset): ``current`` [A], ``voltage`` [V], ``power`` [kW] of strings, or the fields of MPPTs or inverters.
    kind
        Of the assets; by default by the fields that are there.
    least_loss
        Share that is worth an event.
    low_light
        Share of the usual top below which a slot is too dark to tell.
    least_days
        That an event lasts.
    nominal_voltage
        For the energy where neither voltage nor power is measured [V].
    parent, orientation
        Coordinates on asset.

    Returns
    -------
    The data with ``string_fault`` (codes), ``string_fault_loss`` [kWh] of each slot and ``string_index`` [1] of its day.

    Raises
    ------
    InputError
        Neither current nor power; another unit than the field says; reversed signs throughout; night alone.
    """
    found = string_faults(
        data, kind=kind, least_loss=least_loss, low_light=low_light, least_days=least_days,
        nominal_voltage=nominal_voltage, parent=parent, orientation=orientation,
    )  # fmt: skip
    return _with(data, found, "string")


def _with(data: xr.Dataset, found: Faults, name: str) -> xr.Dataset:
    """``data`` with what was found, by slot; what could not be judged is remarked."""
    for asset, text in found.reasons.items():
        remark(f"{name}_faults: {asset}: {text}")
    for _, row in found.events.iterrows():
        until = "on" if row["ongoing"] else f"to {row['end']:%Y-%m-%d}"
        remark(
            f"{name}_faults: {row['asset']}: {row['fault']} from {row['begin']:%Y-%m-%d} {until}, {row['detail']}; "
            f"{row['lost_energy']:,.0f} kWh lost"
        )
    index = found.daily["index"].transpose("time", "asset").values[found.day]
    dims = ("time", "asset")
    unknown = np.array([str(a) in found.reasons for a in data["asset"].values])
    loss = found.slots["loss"].transpose("time", "asset").values.astype(np.float64)
    loss[:, unknown] = np.nan
    return data.assign(
        {
            f"{name}_fault": found.slots["fault"].reset_coords(drop=True).drop_vars(["time", "asset"], errors="ignore"),
            f"{name}_fault_loss": (dims, loss, {"units": "kWh", "long_name": f"energy lost to {name} faults"}),
            f"{name}_index": (dims, index, dict(found.daily["index"].attrs)),
        }
    )


@step("tracker_faults")
def add_tracker_faults(
    data: xr.Dataset,
    *,
    power: str = "",
    least_angle: Annotated[float, Field(gt=0)] = 10.0,
    least_offset: Annotated[float, Field(gt=0)] = 3.0,
    stow_wind: float = 12.0,
) -> xr.Dataset:
    """Trackers that stand still, are off or wander, from their positions or from power alone, and the energy lost.

    The table of events, with angles and days, is what the function ``tracker_faults`` gives.

    Parameters
    ----------
    data
        dims (time, asset): ``tracker_position`` [degree] with ``tracker_target`` or latitude and longitude; or a power [kW] of
        four trackers or more with latitude and longitude.
    power
        Field of the power; by default the first of those usual for strings, inputs and inverters.
    least_angle
        From where it should be, of one that stands [degree].
    least_offset
        Of a lasting difference in measured positions [degree].
    stow_wind
        Above it a position near the stow is taken for one [m/s].

    Returns
    -------
    The data with ``tracker_fault`` (codes), ``tracker_fault_loss`` [kWh] of each slot and ``tracker_index`` [degree], the usual
    distance from the target on its day, NaN from power alone.

    Raises
    ------
    InputError
        Neither a position nor a power; the sun is needed and no place is known; another unit; night alone.
    """
    found = tracker_faults(data, power=power, least_angle=least_angle, least_offset=least_offset, stow_wind=stow_wind)
    return _with(data, found, "tracker")


@step("inverter_faults")
def add_inverter_faults(
    data: xr.Dataset,
    *,
    power: str = "total_ac_power",
    least_efficiency: Annotated[float, Field(gt=0, lt=1)] = 0.007,
    least_loss: Annotated[float, Field(gt=0, lt=1)] = 0.01,
) -> xr.Dataset:
    """Inverters that convert worse than they did, or hold power back below their rating, and the energy lost.

    The table of events, with days and levels, is what the function ``inverter_faults`` gives.

    Parameters
    ----------
    data
        dims (time, asset): AC power, ``total_dc_power`` [kW]; heat sink temperature [degC], ``power_setpoint`` [kW].
    power
        Field of the AC power.
    least_efficiency
        Fall of the efficiency that is worth an event.
    least_loss
        Share of the energy of a day that a derating takes.

    Returns
    -------
    The data with ``inverter_fault`` (codes), ``inverter_fault_loss`` [kWh] of each slot and ``inverter_index`` [1], the efficiency of
    its day over the usual one.

    Raises
    ------
    InputError
        No AC power; more AC than DC power; night alone.
    """
    found = inverter_faults(data, power=power, least_efficiency=least_efficiency, least_loss=least_loss)
    return _with(data, found, "inverter")
