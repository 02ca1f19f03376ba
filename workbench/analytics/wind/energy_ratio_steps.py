"""The energy ratio of turbines, and its change, as steps of a pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from pydantic import Field

from workbench.analytics.kpi import variable_of
from workbench.analytics.wind.energy_ratio import EnergyRatio, Weighting, energy_ratio, energy_uplift
from workbench.analytics.wind.upgrade import moment
from workbench.analytics.wind.wake_steps import offset_in
from workbench.model.errors import InputError
from workbench.model.keys import MomentText
from workbench.steps import progress_part, remark, step

Floats = npt.NDArray[np.float64]
Confidence = Annotated[float, Field(gt=0, lt=1)]


@step("energy_ratio")
def energy_ratio_fields(
    data: xr.Dataset,
    *,
    reference: Sequence[str] | None = None,
    directions: tuple[float, float] = (0.0, 360.0),
    replicates: int = 200,
    block: str = "P1D",
    confidence: Confidence = 0.9,
    seed: int = 0,
    direction_offset: float | str = 0.0,
    direction_assets: Sequence[str] | None = None,
    wind_speed: str = "wind_speed",
    wind_direction: str = "wind_direction",
    power: str = "power_output",
) -> xr.Dataset:
    """What each turbine makes in proportion to reference turbines at the same wind speeds and directions.

    Adds ``energy_ratio``, ``energy_ratio_low`` and ``energy_ratio_high`` (asset) [1], of the wind ``directions`` from the
    first to the second [deg], clockwise. References are the turbines named, less the turbine itself; all others if left
    out. ``direction_offset`` is a number [deg], or the field that has it. See
    :func:`~workbench.analytics.wind.energy_ratio.energy_ratio`.

    Raises
    ------
    InputError
        As that function; a farm of one turbine has no reference.
    """
    names = list(map(str, data["asset"].values))
    common = _bootstrap(directions, replicates, block, confidence, seed)
    common |= _fields(data, direction_offset, direction_assets, wind_speed, wind_direction, power)
    found = np.full((len(names), 3), np.nan)
    for number, name in enumerate(names):
        others = [one for one in (names if reference is None else reference) if one != name]
        if not others and len(names) > 1:
            remark(f"{name}: the only reference, which has no ratio to itself")
            continue
        with progress_part(number, len(names), "turbines"):
            found[number] = _range(energy_ratio(data, [name], others, **common))
    return _with(data, "energy_ratio", found, "energy in proportion to the references")


@step("energy_ratio_uplift")
def energy_ratio_uplift(
    data: xr.Dataset,
    *,
    test: Annotated[list[str], Field(min_length=1)],
    when: MomentText = "",
    until: MomentText = "",
    state: str = "",
    reference: Sequence[str] | None = None,
    weighting: Weighting = "least",
    directions: tuple[float, float] = (0.0, 360.0),
    replicates: int = 200,
    block: str = "P1D",
    confidence: Confidence = 0.9,
    seed: int = 0,
    direction_offset: float | str = 0.0,
    direction_assets: Sequence[str] | None = None,
    wind_speed: str = "wind_speed",
    wind_direction: str = "wind_direction",
    power: str = "power_output",
    output_field: str = "energy_ratio_uplift",
) -> xr.Dataset:
    """Change of the energy ratio of turbines with another control, such as wake steering, at the same winds.

    Before against after a time, or with against without by a field that says whether it is on. To see what steering brings,
    name the turbines that are steered and those in their wakes. See
    :func:`~workbench.analytics.wind.energy_ratio.energy_uplift`.

    Parameters
    ----------
    data
        dims (time, asset).
    test
        Names of the turbines; each is held against the references alone.
    when, until
        Time of the change (UTC); what is between the two counts for neither side.
    state
        Field that is 1 where the control is on and 0 where it is off, of the turbine or of the whole farm; instead of
        ``when``.
    reference
        Names of the turbines to compare with; all that are not in ``test`` if left out.
    weighting
        Bins count by the smaller number of slots of the two (``least``), or by their ``sum``.
    directions, replicates, block, confidence, seed, direction_offset, direction_assets
        As for ``energy_ratio``.
    wind_speed, wind_direction, power
        Fields [m/s], [deg], [kW].
    output_field
        What the change is called.

    Returns
    -------
    The data with ``output_field``, its ``_low`` and ``_high``, share of the ratio before [1], dims (asset); NaN of the other
    turbines.

    Raises
    ------
    InputError
        Neither a time nor a state, or a state that is always the same; no such turbine; no slot with all that is needed on
        one side.
    """
    if bool(when) == bool(state):
        raise InputError(
            "either the time of the change or its state", where="when", found="both" if when else "neither"
        )
    names = list(map(str, data["asset"].values))
    others = [name for name in names if name not in test] if reference is None else list(reference)
    common = _bootstrap(directions, replicates, block, confidence, seed)
    common |= _fields(data, direction_offset, direction_assets, wind_speed, wind_direction, power)
    found = np.full((len(names), 3), np.nan)
    tested = list(dict.fromkeys(test))
    for number, name in enumerate(tested):
        off, on = _sides(data, name, when, until, state)
        with progress_part(number, len(tested), "turbines"):
            made = energy_uplift(data.isel(time=off), data.isel(time=on), [name], others, weighting=weighting, **common)
        found[names.index(name)] = _range(made)
    return _with(data, output_field, found, "change of the energy ratio")


def _sides(
    data: xr.Dataset, asset: str, when: str, until: str, state: str
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Times without and with the change."""
    if when:
        time, start = data["time"].values, moment(when, "when")
        end = moment(until, "until") if until else start
        if end < start:
            raise InputError("it ends before it begins", where="until", found=until, expected=f"after {when}")
        off, on = time < start, time >= end
    else:
        values = variable_of(data, state).load()
        if "asset" in values.dims and asset in values["asset"].values:
            values = values.sel(asset=asset)
        off, on = values.values == 0, values.values == 1
        if off.ndim != 1 or len(off) != data.sizes["time"]:
            raise InputError("not a value for each time", where=state, found=str(values.dims), expected="dims (time)")
    for side, text in ((off, "before or without"), (on, "after or with")):
        if not side.any():
            raise InputError("one side has no slot", where="when" if when else "state", found=f"none {text}")
    return off, on


def _bootstrap(
    directions: tuple[float, float], replicates: int, block: str, confidence: float, seed: int
) -> dict[str, Any]:
    low, high = directions
    if not (0 <= low <= 360 and 0 <= high <= 360):
        raise InputError("no wind directions", where="directions", found=directions, expected="degrees, 0 to 360")
    return {"sector": (low, high), "replicates": replicates, "block": block, "confidence": confidence, "seed": seed}


def _fields(
    data: xr.Dataset,
    direction_offset: float | str,
    direction_assets: Sequence[str] | None,
    wind_speed: str,
    wind_direction: str,
    power: str,
) -> dict[str, Any]:
    return {
        "direction_offset": offset_in(data, direction_offset),
        "direction_assets": direction_assets,
        "wind_speed": wind_speed,
        "wind_direction": wind_direction,
        "power": power,
    }


def _range(found: EnergyRatio) -> list[float]:
    return [found.total[part] for part in ("ratio", "low", "high")]


def _with(data: xr.Dataset, name: str, table: Floats, label: str) -> xr.Dataset:
    """``data`` with a figure of each asset and its range; ``table`` has dims (asset, 3)."""
    ends = {"": "", "_low": ", lower end", "_high": ", upper end"}
    return data.assign(
        {
            name + ending: ("asset", table[:, column], {"units": "1", "long_name": label + text})
            for column, (ending, text) in enumerate(ends.items())
        }
    )
