"""Air density, and wind speed or power brought to a density of reference.

References
----------
.. [1] IEC 61400-12-1:2017, Power performance measurements of electricity producing wind turbines, 9.1.5.
.. [2] ISO 2533:1975, Standard atmosphere.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import xarray as xr
from pydantic import Field

from workbench.analytics.kpi import variable_of
from workbench.model.errors import InputError
from workbench.model.units import convert
from workbench.steps import remark, step

STANDARD_DENSITY = 1.225  #: [kg/m3] at sea level and 15 degC (ISO 2533)
STANDARD_PRESSURE = 101_325.0  #: [Pa] at sea level (ISO 2533)
R_DRY, R_VAPOUR = 287.05, 461.5  #: gas constants of dry air and of water vapour [J/(kg K)], of [1]_
HUMIDITY_UNKNOWN = 0.5  #: relative [1], where it is not measured [1]_

Control = Literal["pitch", "stall"]


def vapour_pressure(temperature: xr.DataArray) -> xr.DataArray:
    """Pressure of saturated water vapour [Pa] at a temperature [K], by the formula of IEC 61400-12-1."""
    found: xr.DataArray = xr.ufuncs.exp(0.0631846 * temperature) * 0.0000205
    return found.drop_attrs(deep=False).assign_attrs(units="Pa", long_name="saturation pressure of water vapour")


def standard_pressure(elevation: xr.DataArray | float) -> xr.DataArray:
    """Pressure [Pa] of the standard atmosphere (ISO 2533) at an elevation above sea level [m], up to 11 km."""
    height = elevation if isinstance(elevation, xr.DataArray) else xr.DataArray(elevation)
    found: xr.DataArray = STANDARD_PRESSURE * (1.0 - 2.25577e-5 * height) ** 5.25588
    return found.drop_attrs(deep=False).assign_attrs(units="Pa", long_name="air pressure, standard atmosphere")


def _in(values: xr.DataArray | float, units: str, where_none: str) -> xr.DataArray:
    """``values`` in ``units``; ``where_none`` is what they are in where they do not say it."""
    array = values if isinstance(values, xr.DataArray) else xr.DataArray(values)
    return convert(array, str(array.attrs.get("units") or where_none), units)


def air_density(
    temperature: xr.DataArray,
    *,
    pressure: xr.DataArray | None = None,
    elevation: xr.DataArray | float = 0.0,
    humidity: xr.DataArray | float = HUMIDITY_UNKNOWN,
) -> xr.DataArray:
    """Density of moist air [kg/m3], as IEC 61400-12-1 computes it.

    rho = (B / R0 - phi Pw (1 / R0 - 1 / Rw)) / T, with the pressure B [Pa], the relative humidity phi [1], the
    temperature T [K], the gas constants R0 and Rw, and Pw = 0.0000205 exp(0.0631846 T) [Pa].

    Each input is taken in the unit that its attributes name, else in the one given here. Lazy inputs stay lazy.

    Parameters
    ----------
    temperature
        Of the air [degC].
    pressure
        Of the air at hub height [hPa]; where it is not measured, that of the standard atmosphere (ISO 2533) at
        ``elevation``.
    elevation
        Of the hub above sea level [m].
    humidity
        Relative [1]; a half where it is not measured, and where a value is missing.

    Returns
    -------
    xr.DataArray
        The dims of the inputs together [kg/m3]; NaN where temperature or pressure is missing or no air has it (100 degC
        or more, below zero), or a humidity is impossible.

    Raises
    ------
    InputError
        A unit is of another kind, such as a pressure in degrees.
    """
    kelvin = _in(temperature, "K", "degC")
    pascal = standard_pressure(elevation) if pressure is None else _in(pressure, "Pa", "hPa")
    moist = _in(humidity, "1", "1").fillna(HUMIDITY_UNKNOWN)
    kelvin = kelvin.where((kelvin > 150.0) & (kelvin < 373.0))  # no air of a wind farm: a sensor that failed
    pascal, moist = (
        one.where((one >= 0) & (one < most)) if isinstance(one, xr.DataArray) else one
        for one, most in ((pascal, 2e5), (moist, 1.2))
    )
    density: xr.DataArray = (pascal / R_DRY - moist * vapour_pressure(kelvin) * (1.0 / R_DRY - 1.0 / R_VAPOUR)) / kelvin
    return density.drop_attrs(deep=False).assign_attrs(
        units="kg/m3", long_name="air density", standard_name="air_density"
    )


def density_of(
    data: xr.Dataset,
    *,
    temperature: str = "temperature",
    pressure: str = "barometric_pressure",
    humidity: str = "humidity",
    measured: str = "air_density",
    told_by: str = "air_density",
) -> xr.DataArray | None:
    """Air density [kg/m3] from what the data have; None, remarked, where they have no temperature or no height.

    That is ``measured`` where it is there. Else it is computed from temperature, pressure and humidity; without
    pressure, from the elevation of the hub (coordinates ``elevation`` and ``hub_height``); without humidity, for 50 %.
    What was assumed is remarked in the name of the step ``told_by``.
    """
    if measured in data.data_vars:
        return _in(variable_of(data, measured), "kg/m3", "kg/m3")
    if temperature not in data.data_vars:
        remark(f"{told_by}: no field {temperature!r} in the data; the air density is not known")
        return None
    moist: xr.DataArray | float = HUMIDITY_UNKNOWN
    if humidity in data.data_vars:
        moist = variable_of(data, humidity)
        moist = moist if moist.attrs.get("units") else moist.assign_attrs(units="%")
    else:
        remark(f"{told_by}: humidity is not measured; 50 % is taken (IEC 61400-12-1)")
    if pressure in data.data_vars:
        return air_density(variable_of(data, temperature), pressure=variable_of(data, pressure), humidity=moist)
    if "elevation" not in data.coords:
        remark(f"{told_by}: neither {pressure!r} nor the elevation is known; the air density is not known")
        return None
    hub = data["elevation"].astype(np.float64)
    if "hub_height" in data.coords:
        hub = hub + data["hub_height"].fillna(0.0)
    remark(f"{told_by}: pressure is not measured; that of the standard atmosphere at the hub is taken (ISO 2533)")
    keep = [name for name in hub.coords if name not in hub.dims]  # facts come back with the temperature
    return air_density(variable_of(data, temperature), elevation=hub.drop_vars(keep).drop_attrs(), humidity=moist)


@step("air_density")
def add_air_density(
    data: xr.Dataset,
    *,
    temperature: str = "temperature",
    pressure: str = "barometric_pressure",
    humidity: str = "humidity",
    output_field: str = "air_density",
) -> xr.Dataset:
    """Air density from pressure, temperature and humidity (IEC 61400-12-1).

    Where pressure is not measured, it is that of the standard atmosphere (ISO 2533) at the elevation of the hub, from
    the coordinates ``elevation`` and ``hub_height`` [m]; where humidity is not, it is 50 %. Both are remarked.

    Parameters
    ----------
    data
        dims (time, asset).
    temperature, pressure, humidity
        Fields [degC, hPa, %], or in the unit that they name. The pressure is taken as that at the hub.
    output_field
        What the density is called.

    Returns
    -------
    The data with the density [kg/m3], NaN where the temperature or a measured pressure is missing.

    Raises
    ------
    InputError
        There is no temperature, or neither a pressure nor an elevation.

    References
    ----------
    IEC 61400-12-1:2017, 9.1.5; ISO 2533:1975.
    """
    variable_of(data, temperature)
    found = density_of(data, temperature=temperature, pressure=pressure, humidity=humidity, measured="")
    if found is None:
        raise InputError(
            "neither the pressure nor the elevation is known",
            where="pressure",
            found=f"no field {pressure!r}",
            expected="a measured pressure, or the coordinate elevation [m]",
        )
    return data.assign({output_field: _like(found, data[temperature])})


def _like(array: xr.DataArray, other: xr.DataArray) -> xr.DataArray:
    """``array`` in the order of dims of ``other``."""
    return array.transpose(*[dim for dim in other.dims if dim in array.dims], ...)


def normalized_wind_speed(
    wind_speed: xr.DataArray, density: xr.DataArray, reference: xr.DataArray | float = STANDARD_DENSITY
) -> xr.DataArray:
    """Wind speed at which a turbine of active power control would make the same power at the reference density.

    v_n = v (rho / rho0)^(1/3), in the unit of ``wind_speed``; IEC 61400-12-1:2017, 9.1.5.
    """
    found = wind_speed.astype(np.float64) * np.cbrt(density / reference)
    return found.drop_attrs(deep=False).assign_attrs(wind_speed.attrs)


def normalized_power(
    power: xr.DataArray, density: xr.DataArray, reference: xr.DataArray | float = STANDARD_DENSITY
) -> xr.DataArray:
    """Power that a stall-regulated turbine would make at the reference density.

    P_n = P rho0 / rho, in the unit of ``power``; IEC 61400-12-1:2017, 9.1.5.
    """
    found = power.astype(np.float64) * (reference / density)
    return found.drop_attrs(deep=False).assign_attrs(power.attrs)


@step("density_normalization")
def density_normalization(
    data: xr.Dataset,
    *,
    control: Control = "pitch",
    reference_density: Annotated[float, Field(gt=0.5, lt=2.0)] | Literal["site_mean"] = STANDARD_DENSITY,
    wind_speed: str = "wind_speed",
    power: str = "power_output",
    density: str = "air_density",
    output_field: str = "",
) -> xr.Dataset:
    """Wind speed (pitch) or power (stall) brought to one air density.

    A turbine of active power control gets the wind speed v (rho / rho0)^(1/3), a stall-regulated one the power
    P rho0 / rho (IEC 61400-12-1). The density is the field ``density`` where it is there, else computed as the step
    ``air_density`` does.

    Parameters
    ----------
    data
        dims (time, asset).
    control
        How the power is limited: by ``pitch`` or by ``stall``.
    reference_density
        [kg/m3], or ``site_mean``: the mean of all times and assets of the data, so that it depends on them.
    wind_speed, power, density
        Fields; only the one of ``wind_speed`` and ``power`` that ``control`` asks for is needed.
    output_field
        ``<field>_normalized`` where it is left out.

    Returns
    -------
    The data with the normalised field, in the unit of the field. Its attribute ``reference_density`` is the number, or
    ``site_mean``.

    Raises
    ------
    InputError
        The field is not there, or the density cannot be known.

    References
    ----------
    IEC 61400-12-1:2017, 9.1.5.
    """
    name = wind_speed if control == "pitch" else power
    values = variable_of(data, name)
    rho = density_of(data, measured=density, told_by="density_normalization")
    if rho is None:
        raise InputError(
            "the air density is not known",
            where="density",
            expected=f"a field {density!r}, or temperature with pressure or the coordinate elevation",
        )
    goal = rho.mean() if reference_density == "site_mean" else reference_density
    found = normalized_wind_speed(values, rho, goal) if control == "pitch" else normalized_power(values, rho, goal)
    label = f"{values.attrs.get('long_name', name)} at the density of reference"
    kept = {key: found.attrs[key] for key in ("units", "standard_name") if key in found.attrs}
    found = found.drop_attrs(deep=False).assign_attrs(kept, long_name=label, reference_density=reference_density)
    own = data[name].attrs.get("units")
    if own and "units" in kept:
        found = convert(found, str(kept["units"]), str(own))
    return data.assign({output_field or f"{name}_normalized": _like(found, data[name])})
