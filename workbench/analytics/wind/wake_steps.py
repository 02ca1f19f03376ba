"""The analyses of wakes as steps of a pipeline: results as fields of the turbines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from pydantic import Field

from workbench.analytics.kpi import variable_of
from workbench.analytics.wind.layout import free_turbines
from workbench.analytics.wind.northing import direction_offset as offset_of
from workbench.analytics.wind.wake_analysis import Analysis, Grid, Period
from workbench.analytics.wind.wake_data import Farm, farm_of
from workbench.analytics.wind.wake_simulation import simulate_wake_losses
from workbench.analytics.wind.wakes import ALONE, wake_losses
from workbench.analytics.wind.yield_steps import Count, Reanalyses, reanalyses_of
from workbench.model.errors import InputError
from workbench.model.units import convert
from workbench.steps import progress_part, remark, step

Floats = npt.NDArray[np.float64]

#: Statistics of the losses where they are simulated, by the ending of their field.
STATISTICS: Mapping[str, str] = {
    "mean": "mean of the simulations",
    "std": "standard uncertainty",
    "p5": "not exceeded with 5 %",
    "p95": "not exceeded with 95 %",
}
#: Fields of the step ``direction_offset``, by their ending.
OFFSETS: Mapping[str, str] = {
    "": "to be added to the wind direction",
    "_std": "its standard uncertainty",
    "_low": "lower end of its 90 % range",
    "_high": "upper end of its 90 % range",
}


@step("direction_offset")
def direction_offset_fields(
    data: xr.Dataset,
    *,
    direction_assets: Sequence[str] | None = None,
    furthest: Annotated[float, Field(gt=0)] = 12.0,
    replicates: Count = 40,
    seed: int = 0,
    wind_direction: str = "wind_direction",
    power: str = "power_output",
    output_field: str = "wind_direction_offset",
) -> xr.Dataset:
    """How far a farm's wind direction is off north, by the wakes that its turbines show.

    The steps for wakes take the field for their ``direction_offset``. See
    :func:`~workbench.analytics.wind.northing.direction_offset`.

    Parameters
    ----------
    data
        dims (time, asset), thirty days or more; coordinates ``latitude``, ``longitude`` [deg], ``rated_capacity`` [kW] and
        ``rotor_diameter`` [m].
    direction_assets
        Turbines whose mean is the wind direction; all if left out.
    furthest
        Pairs up to this distance are used [rotor diameters].
    replicates, seed
        Of the range.
    wind_direction, power
        Fields [deg], [kW].
    output_field
        What the offset is called.

    Returns
    -------
    The data with the offset, its ``_std``, ``_low`` and ``_high`` [degree]: that of the farm, the same of each asset and of
    the attribute ``farm``; dims (asset). What to think of it is remarked.

    Raises
    ------
    InputError
        One turbine; none close enough to another; a coordinate is missing; too few days.
    """
    found = offset_of(
        data,
        direction_assets=direction_assets,
        furthest=furthest,
        replicates=replicates,
        seed=seed,
        wind_direction=wind_direction,
        power=power,
    )
    remark(f"direction_offset: {found.statement}")
    values = (found.offset, found.std, *found.interval)
    size = data.sizes["asset"]
    return data.assign(
        {
            output_field + ending: (
                "asset",
                np.full(size, value),
                {"units": "degree", "long_name": f"wind direction offset: {label}", "farm": float(value)},
            )
            for (ending, label), value in zip(OFFSETS.items(), values, strict=True)
        }
    )


@step("wake_losses")
def wake_loss_fields(
    data: xr.Dataset,
    *,
    reanalysis: Reanalyses | None = None,
    years: Count = 20,
    no_wakes_from: float | None = 13.0,
    simulations: Annotated[int, Field(ge=0)] = 0,
    seed: int = 0,
    direction_offset: float | str = 0.0,
    direction_uncertainty: Annotated[float, Field(ge=0)] = 0.0,
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

    Adds ``wake_loss`` (asset) [1] and ``wake_free_power`` (time, asset), NaN where it is not known. With a ``reanalysis``
    also ``wake_loss_long_term`` (asset) [1], the losses in its wind of the last ``years``. With ``simulations`` each loss has a
    ``_mean``, ``_std``, ``_p5`` and ``_p95`` (asset) [1] besides, with days, settings and terrain drawn as
    :func:`~workbench.analytics.wind.wake_simulation.simulate_wake_losses` does, and the direction with
    ``direction_uncertainty`` [deg]; their mean is another figure than that without, as that function says.

    The attribute ``farm`` of each is that of the whole farm. ``direction_offset`` is a number [deg], or the field that has it,
    such as that of the step ``direction_offset``. :func:`~workbench.analytics.wind.wakes.wake_losses` says what the other
    parameters are.

    Raises
    ------
    InputError
        As those functions. A farm of one turbine has losses of 0, and a remark says why.
    """
    offset = offset_in(data, direction_offset)
    fields = {"wind_speed": wind_speed, "wind_direction": wind_direction, "power": power}
    given: dict[str, Any] = {"sector": sector, "spread": spread, "highest": highest, "derated_from": derated_from}
    parts = 1 + (reanalysis is not None) + (simulations > 0)
    with progress_part(0, parts, "period"):
        farm, _, period = period_of(data, offset, direction_assets, fields=fields, **given)
    free = np.full((data.sizes["time"], len(farm.assets)), np.nan)
    free[np.searchsorted(data["time"].values, farm.time)] = period.could[:, :-1]
    losses = {"wake_loss": (period.losses, "wake loss of the period")}
    wind = None if reanalysis is None else reanalyses_of(reanalysis)
    common: dict[str, Any] = {"direction_offset": offset, "direction_assets": direction_assets, **fields}
    common["no_wakes_from"] = no_wakes_from
    if wind is not None:
        with progress_part(1, parts, "long term"):
            long = wake_losses(data, wind, years=years, **given, **common)
        losses["wake_loss_long_term"] = (long.summary["long_term"].to_numpy(), "wake loss of the long term")
    if simulations:
        with progress_part(parts - 1, parts):
            drawn = simulate_wake_losses(
                data,
                wind,
                simulations=simulations,
                seed=seed,
                direction_uncertainty=direction_uncertainty,
                years=(min(10, years), years),
                **common,
            )
        for note in drawn.notes:
            remark(note)
        for name, source in zip(list(losses), ("period", "long_term"), strict=False):
            for ending, label in STATISTICS.items():
                losses[f"{name}_{ending}"] = (drawn.summary[source, ending].to_numpy(), f"{losses[name][1]}, {label}")
    watts = {"units": str(data[power].attrs.get("units") or "kW"), "long_name": "power with free wind"}
    free = convert(free, "kW", watts["units"])
    made = {name: of_turbines(values, label) for name, (values, label) in losses.items()}
    return data.assign(made).assign(wake_free_power=(("time", "asset"), free, watts))


def of_turbines(values: Floats, label: str, units: str = "1") -> tuple[str, Floats, dict[str, Any]]:
    """A field of values of the turbines, the farm's last."""
    return "asset", values[:-1], {"units": units, "long_name": label, "farm": float(values[-1])}


def offset_in(data: xr.Dataset, given: float | str) -> float | dict[str, float]:
    """An offset of the wind directions [deg]; of a field, that of each turbine."""
    if not isinstance(given, str):
        return given
    values = variable_of(data, given)
    if values.dims != ("asset",) or not bool(values.notnull().all()):
        raise InputError(
            "not one offset for each turbine",
            where="direction_offset",
            found=given,
            expected="dims (asset), none missing",
        )
    return {str(name): float(value) for name, value in zip(data["asset"].values, values.values, strict=True)}


def period_of(
    data: xr.Dataset,
    offset: float | dict[str, float],
    direction_assets: Sequence[str] | None,
    *,
    sector: float,
    spread: float,
    highest: float,
    derated_from: float,
    fields: Mapping[str, Any],
) -> tuple[Farm, Grid, Period]:
    """The farm's slots and what they give; what is to be known of them is remarked."""
    farm = farm_of(
        data,
        {},
        [],
        direction_offset=offset,
        direction_assets=direction_assets,
        north="true",
        complete=False,
        **fields,
    )
    for note in farm.notes:
        remark(note)
    if len(farm.assets) == 1:
        remark(ALONE)
    grid = Grid.of(5.0, 1.0)
    analysis = Analysis(farm, grid, None, own=True, flat=False)
    below, odd = farm.flags(farm.deviations(highest), spread, derated_from)
    free = free_turbines(farm.places, grid.directions, sector=sector).astype(np.int64)
    return farm, grid, analysis.period(below, odd, free)
