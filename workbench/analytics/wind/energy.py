"""Energy of wind farms against what was to be expected, and against the meter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from workbench.analytics.calendar import Step, Window, periods, place, slot_length, window_of
from workbench.analytics.kpi import variable_of
from workbench.model.errors import InputError

if TYPE_CHECKING:
    from workbench.model.assets import PowerCurve

_HOUR = np.timedelta64(3600, "s")


def expected_energy(
    data: xr.Dataset,
    curves: Mapping[str, PowerCurve],
    *,
    where: xr.DataArray | None = None,
    density: xr.DataArray | None = None,
    wind_speed: str = "wind_speed",
    power: str = "power_output",
) -> xr.Dataset:
    """Energy of turbines beside what their reference curves give at the measured wind.

    Both are summed over the same slots: those with wind speed and power (and ``where``).

    Parameters
    ----------
    curves
        Reference curve by asset; assets without one get NaN.
    density
        Air density [kg/m3]; wind speeds are brought to the density of the curve by (rho / rho0)^(1/3)
        (IEC 61400-12-1, 9.1.5).

    Returns
    -------
    xr.Dataset
        dims (asset): ``energy``, ``expected`` [kWh], ``ratio`` [1] and ``hours`` [h] compared.
    """
    speed, made = variable_of(data, wind_speed).load(), variable_of(data, power).load()
    both = speed.notnull() & made.notnull()
    if where is not None:
        both = both & where
    hours = float(slot_length(data) / _HOUR)
    could = np.full(speed.shape, np.nan)
    for column, asset in enumerate(map(str, speed["asset"].values)):
        curve = curves.get(asset)
        if curve is None:
            continue
        fast = speed.values[:, column].astype(np.float64)
        if density is not None:
            fast = fast * np.cbrt(density.transpose("time", "asset").values[:, column] / curve.air_density)
        could[:, column] = curve.at(fast)
    expected = xr.DataArray(could, dims=speed.dims, coords=speed.coords).where(both).sum("time", min_count=1) * hours
    energy = made.astype(np.float64).where(both).sum("time", min_count=1) * hours
    return xr.Dataset(
        {
            "energy": energy.assign_attrs(units="kWh", long_name="energy in the slots compared"),
            "expected": expected.assign_attrs(units="kWh", long_name="energy by the reference curve"),
            "ratio": (energy / expected.where(expected > 0)).assign_attrs(units="1", long_name="measured / expected"),
            "hours": (both.sum("time") * hours).assign_attrs(units="h", long_name="time compared"),
        }
    )


def electrical_loss(
    turbines: xr.Dataset,
    meter: xr.DataArray,
    *,
    by: Step = "month",
    tz: str = "UTC",
    window: Window | None = None,
    power: str = "power_output",
) -> xr.Dataset:
    """Energy lost between turbines and meter, over the slots in which all turbines and the meter have values.

    Parameters
    ----------
    turbines
        Power of every turbine of the farm [kW], dims (time, asset).
    meter
        Net energy per slot [kWh], dims (time).

    Returns
    -------
    xr.Dataset
        dims (period): ``turbines``, ``meter`` [kWh] and ``loss`` [1] = 1 - meter / turbines, NaN for a period
        without such slots; scalars ``total_loss`` [1] and ``slots_compared`` [1], their share of the window.

    Raises
    ------
    InputError
        The meter has other time slots than the turbines.
    """
    if "asset" in meter.dims:
        raise InputError("one meter at a time", where="meter", expected="dims (time)")
    made = variable_of(turbines, power).load()
    if not len(np.intersect1d(made["time"].values, meter["time"].values)):
        raise InputError("meter and turbines have no time in common", where="meter")
    farm = made.astype(np.float64).sum("asset", skipna=False) * float(slot_length(turbines) / _HOUR)
    farm, net = xr.align(farm, meter.astype(np.float64), join="inner")
    both = (farm.notnull() & net.notnull()).values
    span = window_of(turbines, window)
    labels, edges = periods(span, by, tz)
    where = place(farm["time"].values[both], edges)
    inside = (where >= 0) & (where < len(labels))
    sums = [
        np.bincount(where[inside], part.values[both][inside], minlength=len(labels)).astype(np.float64)
        for part in (farm, net)
    ]
    with np.errstate(invalid="ignore", divide="ignore"):
        loss = np.where(sums[0] > 0, 1.0 - sums[1] / sums[0], np.nan)
        total = 1.0 - sums[1].sum() / sums[0].sum() if sums[0].sum() > 0 else np.nan
    slots = (span[1] - span[0]).to_timedelta64() / slot_length(turbines)
    return xr.Dataset(
        {
            "turbines": ("period", sums[0], {"units": "kWh", "long_name": "energy of the turbines"}),
            "meter": ("period", sums[1], {"units": "kWh", "long_name": "energy at the meter"}),
            "loss": ("period", loss, {"units": "1", "long_name": "electrical loss"}),
            "total_loss": ((), total, {"units": "1", "long_name": "electrical loss"}),
            "slots_compared": (
                (),
                float(inside.sum() / slots),
                {"units": "1", "long_name": "share of the time compared"},
            ),
        },
        coords={"period": labels.to_numpy()},
    )
