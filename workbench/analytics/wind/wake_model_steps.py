"""What a wake model makes of a farm's layout, beside what was measured, as a step of a pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import xarray as xr
from pydantic import BaseModel, ConfigDict, Field, model_validator

from workbench.analytics.wind.power_curve_comparison import REFERENCE, manufacturer_curves
from workbench.analytics.wind.wake_analysis import Grid, Period, lost
from workbench.analytics.wind.wake_comparison import modelled_wakes
from workbench.analytics.wind.wake_data import Farm
from workbench.analytics.wind.wake_model import Curve, Engine, Model
from workbench.analytics.wind.wake_steps import of_turbines, offset_in, period_of
from workbench.analytics.wind.wakes import wake_losses
from workbench.analytics.wind.yield_steps import Count, Reanalyses, reanalyses_of
from workbench.model.assets import PowerCurve
from workbench.model.errors import InputError
from workbench.steps import progress_part, remark, step


class ThrustCurve(BaseModel):
    """Thrust coefficient of a turbine by wind speed."""

    model_config = ConfigDict(extra="forbid")

    wind_speed: list[float] = Field(min_length=2, description="rising [m/s]")
    coefficient: list[Annotated[float, Field(ge=0)]] = Field(description="at each wind speed [1]")

    @model_validator(mode="after")
    def _one_for_each(self) -> ThrustCurve:
        if len(self.coefficient) != len(self.wind_speed):
            raise ValueError(f"{len(self.wind_speed)} wind speeds but {len(self.coefficient)} coefficients")
        if any(b <= a for a, b in zip(self.wind_speed, self.wind_speed[1:], strict=False)):
            raise ValueError("the wind speeds must rise")
        return self


@step("modelled_wakes")
def modelled_wake_fields(
    data: xr.Dataset,
    *,
    reanalysis: Reanalyses | None = None,
    years: Count = 20,
    no_wakes_from: float | None = 13.0,
    curve: PowerCurve | None = None,
    thrust: ThrustCurve | None = None,
    model: Model = "gaussian",
    growth: Annotated[float, Field(gt=0)] | None = None,
    direction_spread: Annotated[float, Field(ge=0)] = 5.0,
    engine: Engine = "workbench",
    direction_offset: float | str = 0.0,
    direction_assets: Sequence[str] | None = None,
    sector: float = 90.0,
    spread: float = 7.0,
    highest: float = 0.95,
    derated_from: float = 4.5,
    wind_speed: str = "wind_speed",
    wind_direction: str = "wind_direction",
    power: str = "power_output",
    output_field: str = "modelled_wake_loss",
) -> xr.Dataset:
    """Wake losses as a wake model has them, in the wind of the period or of the long term, beside those measured in it.

    See :func:`~workbench.analytics.wind.wake_comparison.modelled_wakes`.

    Parameters
    ----------
    data
        dims (time, asset): wind speed, wind direction and power; coordinates ``latitude``, ``longitude`` [deg],
        ``rotor_diameter`` [m] and, with PyWake, ``hub_height`` [m].
    reanalysis
        Names of other sources, or by name the source, as for ``wake_losses``: the wind is that of its last ``years``. If left
        out it is that of the data.
    years, no_wakes_from
        Of the long term, as for ``wake_losses``.
    curve
        Power curve of all turbines [m/s], [kW]; the coordinate ``manufacturer_power_curve`` if left out.
    thrust
        Thrust curve of all turbines; guessed from the power curve by momentum theory if left out.
    model
        ``gaussian`` or ``jensen``.
    growth
        Of the wake by distance [1]; the usual one on land if left out.
    direction_spread
        Standard deviation of the wind direction within what is averaged [deg].
    engine
        ``pywake`` for the deficits of PyWake, where that is installed.
    direction_offset, direction_assets, sector, spread, highest, derated_from
        As for ``wake_losses``.
    wind_speed, wind_direction, power
        Fields [m/s], [deg], [kW].
    output_field
        What the losses are called.

    Returns
    -------
    The data with ``output_field`` [1] and its ``_difference``, measured less modelled [1], dims (asset), the attribute ``farm``
    being that of the whole farm and ``model`` which model it is; and ``_by_direction`` [1], dims (asset,
    ``<output_field>_direction``).

    Raises
    ------
    InputError
        No power curve, or several; a coordinate is missing; PyWake is asked for and not installed; as ``wake_losses``.
    """
    offset = offset_in(data, direction_offset)
    fields: dict[str, Any] = {"wind_speed": wind_speed, "wind_direction": wind_direction, "power": power}
    given: dict[str, Any] = {"sector": sector, "spread": spread, "highest": highest, "derated_from": derated_from}
    speeds, powers = _curve_of(data, curve)
    settings: dict[str, Any] = {
        "model": model,
        "growth": growth,
        "direction_spread": direction_spread,
        "engine": engine,
    }
    settings["thrust"] = None if thrust is None else (thrust.wind_speed, thrust.coefficient)
    if reanalysis is not None:
        with progress_part(0, 2, "measured"):
            losses = wake_losses(
                data, reanalyses_of(reanalysis), direction_offset=offset, direction_assets=direction_assets, years=years,
                no_wakes_from=no_wakes_from, **given, **fields,
            )  # fmt: skip
        for note in losses.notes:
            remark(note)
        with progress_part(1, 2, "modelled"):
            found = modelled_wakes(data, losses, (speeds, powers), **settings)
        measured = losses.summary["long_term"].to_numpy()
    else:
        farm, grid, period = period_of(data, offset, direction_assets, fields=fields, **given)
        found = modelled_wakes(data, _wind(farm, grid, period), (speeds, powers), **settings)
        measured = lost(period.actual.sum(axis=0), period.potential.sum(axis=0))
    wind = "long term" if reanalysis is not None else "period"
    loss = found.summary["model"].to_numpy()
    made: dict[str, tuple[Any, Any, dict[str, Any]]] = {
        output_field: of_turbines(loss, f"wake loss by a model, wind of the {wind}"),
        f"{output_field}_difference": of_turbines(measured - loss, "wake loss measured less that of the model"),
    }
    dim = f"{output_field}_direction"
    by_direction = found.by_direction["model"].transpose("asset", "wind_direction").values
    attrs = {"units": "1", "long_name": "wake loss by a model, by wind direction"}
    made[f"{output_field}_by_direction"] = (("asset", dim), by_direction[:-1], attrs)
    for _, _, each in made.values():
        each["model"] = found.statement
    centres = (dim, found.by_direction["wind_direction"].values, {"units": "degree", "long_name": "wind direction"})
    return data.assign(made).assign_coords({dim: centres})


def _curve_of(data: xr.Dataset, given: PowerCurve | None) -> Curve:
    """Power [kW] by wind speed [m/s] of all turbines."""
    if given is None:
        known = manufacturer_curves(data)
        curves = {one.as_text(): one for one in known.values()}
        if len(known) < data.sizes["asset"] or len(curves) != 1:
            lacking = [str(name) for name in data["asset"].values if str(name) not in known]
            raise InputError(
                "the turbines have no power curve in common",
                where="curve",
                found=f"no {REFERENCE} of {', '.join(lacking)}" if lacking else f"{len(curves)} curves",
                expected="{wind_speed: [...], power: [...]}, in m/s and kW",
            )
        (given,) = curves.values()
    return given.wind_speed, given.power


def _wind(farm: Farm, grid: Grid, period: Period) -> xr.DataArray:
    """How often each free wind was there in the period, dims (wind_direction, wind_speed)."""
    known = np.isfinite(period.free_speed)
    place = grid.nearest(farm.direction[known]) * grid.shape[1] + grid.speed(period.free_speed[known]).clip(0)
    count = np.bincount(place, period.weight[known], minlength=grid.shape[0] * grid.shape[1])
    return xr.DataArray(
        count.reshape(grid.shape),
        dims=("wind_direction", "wind_speed"),
        coords={"wind_direction": grid.directions, "wind_speed": grid.speeds},
    )
