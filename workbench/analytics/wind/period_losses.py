"""From ten-minute data of turbines to what each category lost: the usual chain of the steps, in one call."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from workbench.analytics.calendar import Step, Window
from workbench.analytics.kpi import variable_of
from workbench.analytics.wind.air_density import STANDARD_DENSITY
from workbench.analytics.wind.availability import production_state
from workbench.analytics.wind.availability_rules import time_availability
from workbench.analytics.wind.category_seconds import combine_categories
from workbench.analytics.wind.category_sources import from_production, from_status
from workbench.analytics.wind.losses import energy_losses
from workbench.analytics.wind.potential_energy import ordinary_slots, potential_power
from workbench.analytics.wind.power_curve import curve_power, normal_operation, power_curve
from workbench.model.quality import good

STATUS, DIRECTION = "availability_status", "wind_direction"


@dataclass(frozen=True)
class Operation:
    """A record of turbines divided into categories, with what they could have made.

    Attributes
    ----------
    seconds
        Seconds of each category: see :func:`~workbench.analytics.wind.category_seconds.stack`.
    usual
        Slots in normal operation, (time, asset).
    curve
        The turbines' own power curves, from those slots.
    wind_speed
        What the curves are made from: at standard density where the density is known, (time, asset) [m/s].
    power
        Measured power that was not rejected, (time, asset) [kW].
    potential
        See :func:`~workbench.analytics.wind.potential_energy.potential_power`.
    told_by
        Where the categories are from: ``status`` or ``production``.
    """

    seconds: xr.Dataset
    usual: xr.DataArray
    curve: xr.Dataset
    wind_speed: xr.DataArray
    power: xr.DataArray
    potential: xr.Dataset
    told_by: str

    def losses(
        self,
        window: Window | None = None,
        *,
        price: float | xr.DataArray | None = None,
        currency: str = "EUR",
        by: Step | None = None,
        tz: str = "UTC",
    ) -> xr.Dataset:
        """Energy lost by category in ``window``; see :func:`~workbench.analytics.wind.losses.energy_losses`."""
        return energy_losses(
            self.within(window),
            self._cut(self.power, window),
            self._cut(self.potential["potential_power"], window),
            price=price,
            currency=currency,
            by=by,
            tz=tz,
        )

    def availability(self, window: Window | None = None, *, by: Step | None = None, tz: str = "UTC") -> xr.Dataset:
        """Time-based operational availability in ``window``."""
        return time_availability(self.within(window), by=by, tz=tz)

    def within(self, window: Window | None) -> xr.Dataset:
        """The seconds of the categories in ``window``."""
        return self.seconds if window is None else self.seconds.isel(time=_inside(self.seconds["time"], window))

    @staticmethod
    def _cut(values: xr.DataArray, window: Window | None) -> xr.DataArray:
        return values if window is None else values.isel(time=_inside(values["time"], window))


def _inside(time: xr.DataArray, window: Window) -> np.ndarray:
    first, last = (np.datetime64(edge, "ns") for edge in window)
    return np.flatnonzero((time.values >= first) & (time.values < last))


def operation(
    data: xr.Dataset,
    *,
    cut_in: float = 3.5,
    cut_out: float = 25.0,
    margin: float = 0.5,
    density: xr.DataArray | None = None,
    bin_width: float = 0.5,
    min_count: int = 3,
    spread: float = 5.0,
) -> Operation:
    """Divide a record into categories and tell what the turbines could have made.

    Where the data have an ``availability_status`` it tells the category, and production what it leaves open; otherwise
    production does. The potential is by the turbine's own power curve of normal operation and by its neighbours, these by
    wind direction where the data have a ``wind_direction``.

    Parameters
    ----------
    data
        dims (time, asset): ``wind_speed`` [m/s], ``power_output`` [kW]; coordinate ``rated_capacity`` [kW].
    cut_in, cut_out, margin
        See :func:`~workbench.analytics.wind.availability.production_state` [m/s].
    density
        Air density [kg/m3], (time, asset): wind speeds are then brought to 1.225 kg/m3.
    bin_width, min_count
        Of the curves.
    spread
        See :func:`~workbench.analytics.wind.power_curve.normal_operation`.

    Raises
    ------
    InputError
        Wind speed or power is missing.
    """
    for name in ("wind_speed", "power_output"):
        variable_of(data, name)
    speed, power = (good(data, name).transpose("time", "asset") for name in ("wind_speed", "power_output"))
    if density is not None:
        speed = (speed * np.cbrt(density / STANDARD_DENSITY)).transpose("time", "asset").assign_attrs(speed.attrs)
    plain = data[[]].assign(wind_speed=speed, power_output=power)
    seconds = from_production(
        production_state(data.assign(power_output=power), cut_in=cut_in, cut_out=cut_out, margin=margin)
    )
    told_by = "production"
    if STATUS in data and bool(data[STATUS].notnull().any()):
        seconds, told_by = combine_categories(from_status(data), seconds), "status"
    usual = normal_operation(plain, ordinary_slots(seconds, power), bin_width=bin_width, spread=spread)
    curve = power_curve(plain, where=usual, bin_width=bin_width, min_count=min_count)
    expected = curve_power(curve, speed, cut_out=cut_out)
    direction = good(data, DIRECTION) if DIRECTION in data and "time" in data[DIRECTION].dims else None
    potential = potential_power(power, usual, expected, direction=direction)
    return Operation(seconds, usual, curve, speed, power, potential, told_by)
