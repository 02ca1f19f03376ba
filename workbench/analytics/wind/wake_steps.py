"""The analyses of wakes as steps of a pipeline: results as fields of the turbines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from workbench.analytics.wind.energy_ratio import energy_ratio
from workbench.analytics.wind.layout import free_turbines
from workbench.analytics.wind.wake_analysis import Analysis, Grid
from workbench.analytics.wind.wake_data import farm_of
from workbench.analytics.wind.wakes import ALONE
from workbench.model.errors import InputError
from workbench.model.units import convert
from workbench.steps import remark, step


@step("wake_losses")
def wake_loss_fields(
    data: xr.Dataset,
    *,
    direction_offset: float = 0.0,
    direction_assets: Sequence[str] | None = None,
    sector: float = 90.0,
    spread: float = 7.0,
    highest: float = 0.95,
    derated_from: float = 4.5,
    wind_speed: str = "wind_speed",
    wind_direction: str = "wind_direction",
    power: str = "power_output",
) -> xr.Dataset:
    """Wake losses of the period of the data: ``wake_loss`` of each turbine, and what it would make with free wind.

    Adds ``wake_loss`` (asset) [1], its attribute ``farm`` being that of the whole farm, and ``wake_free_power`` (time,
    asset), NaN where it is not known. The long-term wind takes a reanalysis:
    :func:`~workbench.analytics.wind.wakes.wake_losses`, which says what the parameters are.

    Raises
    ------
    InputError
        As that function. A farm of one turbine has losses of 0, and a remark says why.
    """
    farm = farm_of(
        data,
        {},
        [],
        direction_offset=direction_offset,
        direction_assets=direction_assets,
        north="true",
        complete=False,
        wind_speed=wind_speed,
        wind_direction=wind_direction,
        power=power,
    )
    for note in farm.notes:
        remark(note)
    if len(farm.assets) == 1:
        remark(ALONE)
    grid = Grid.of(5.0, 1.0)
    analysis = Analysis(farm, grid, None, own=True, flat=False)
    below, odd = farm.flags(farm.deviations(highest), spread, derated_from)
    period = analysis.period(below, odd, free_turbines(farm.places, grid.directions, sector=sector).astype(np.int64))
    free = np.full((data.sizes["time"], len(farm.assets)), np.nan)
    free[np.searchsorted(data["time"].values, farm.time)] = period.could[:, :-1]
    units = {"units": str(data[power].attrs.get("units") or "kW")}
    free = convert(free, "kW", units["units"])
    loss = {"units": "1", "long_name": "wake loss of the period", "farm": float(period.losses[-1])}
    return data.assign(
        wake_loss=("asset", period.losses[:-1], loss),
        wake_free_power=(("time", "asset"), free, units | {"long_name": "power with free wind"}),
    )


@step("energy_ratio")
def energy_ratio_fields(
    data: xr.Dataset,
    *,
    reference: Sequence[str] | None = None,
    directions: tuple[float, float] = (0.0, 360.0),
    replicates: int = 200,
    block: str = "P1D",
    confidence: float = 0.9,
    seed: int = 0,
    direction_offset: float = 0.0,
    direction_assets: Sequence[str] | None = None,
    wind_speed: str = "wind_speed",
    wind_direction: str = "wind_direction",
    power: str = "power_output",
) -> xr.Dataset:
    """What each turbine makes in proportion to reference turbines at the same wind speeds and directions.

    Adds ``energy_ratio``, ``energy_ratio_low`` and ``energy_ratio_high`` (asset) [1], of the wind ``directions`` from the
    first to the second [deg], clockwise. References are the turbines named, less the turbine itself; all others if left
    out. See :func:`~workbench.analytics.wind.energy_ratio.energy_ratio`.

    Raises
    ------
    InputError
        As that function; a farm of one turbine has no reference.
    """
    names = list(map(str, data["asset"].values))
    low, high = directions
    if not (0 <= low <= 360 and 0 <= high <= 360):
        raise InputError("no wind directions", where="directions", found=directions, expected="degrees, 0 to 360")
    found = np.full((len(names), 3), np.nan)
    for number, name in enumerate(names):
        others = [one for one in (names if reference is None else reference) if one != name]
        if not others and len(names) > 1:
            remark(f"{name}: the only reference, which has no ratio to itself")
            continue
        made = energy_ratio(
            data,
            [name],
            others,
            sector=(low, high),
            replicates=replicates,
            block=block,
            confidence=confidence,
            seed=seed,
            direction_offset=direction_offset,
            direction_assets=direction_assets,
            wind_speed=wind_speed,
            wind_direction=wind_direction,
            power=power,
        )
        found[number] = [made.total[part] for part in ("ratio", "low", "high")]
    text = "energy in proportion to the references"
    return data.assign(
        energy_ratio=("asset", found[:, 0], {"units": "1", "long_name": text}),
        energy_ratio_low=("asset", found[:, 1], {"units": "1", "long_name": f"{text}, lower end"}),
        energy_ratio_high=("asset", found[:, 2], {"units": "1", "long_name": f"{text}, upper end"}),
    )
