"""Names, ratings and clocks that the figures of solar plants share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.calendar import slot_length
from workbench.analytics.kpi import variable_of
from workbench.analytics.solar.checks import fact, rating
from workbench.model.errors import InputError

Floats = npt.NDArray[np.float64]

#: Names of AC power, the first that is there.
AC_POWER = ("total_ac_power", "power_output", "active_power")


#: Temperature coefficient of the power of crystalline silicon [1/K].
_USUAL = -0.004


def power_name(data: xr.Dataset, power: str = "", *, required: bool = True) -> str:
    """Name of the AC power in ``data``: ``power``, or the first of :data:`AC_POWER`; empty where there is none.

    Raises
    ------
    InputError
        ``required``, and there is none.
    """
    if power:
        return power if power in data or required else ""
    for name in AC_POWER:
        if name in data:
            return name
    if required:
        raise InputError(
            "no AC power", where="power", found=", ".join(map(str, data.data_vars)), expected=", ".join(AC_POWER)
        )
    return ""


def coordinate(data: xr.Dataset, name: str) -> Floats:
    """The coordinate ``name`` of each asset; NaN where it is not known or not above zero."""
    return rating(data, name)


def rating_of(data: xr.Dataset) -> Floats:
    """Rating of each asset [kW]: of the modules, else of the inverter; NaN where neither is known."""
    modules, inverter = coordinate(data, "dc_capacity"), coordinate(data, "rated_capacity")
    return np.where(np.isfinite(modules), modules, inverter)


def area_of(data: xr.Dataset) -> Floats:
    """Area of the modules of each asset [m²]; NaN where it is not known."""
    told = coordinate(data, "module_area")
    stc = coordinate(data, "module_count") * coordinate(data, "module_power_stc") / 1000.0
    return np.where(np.isfinite(told), told, stc / coordinate(data, "module_efficiency"))


def coefficient_of(data: xr.Dataset, given: float | None, cautions: list[str]) -> Floats:
    """Temperature coefficient of the modules' power of each asset [1/K]; where only assumed, that is added to ``cautions``.

    Raises
    ------
    InputError
        ``given`` is none.
    """
    count = data.sizes.get("asset", 1)
    if given is not None:
        if not -0.02 < given < 0.005:
            raise InputError(
                "no temperature coefficient of modules",
                where="temperature_coefficient",
                found=given,
                expected="1/K, such as -0.004 (not %/K)",
            )
        return np.full(count, given)
    told = np.full(count, np.nan)
    if "module_temp_coeff_power" in data.coords:
        told = fact(data, "module_temp_coeff_power") / 100.0
        small = (told > -1e-4) & (told < 0)
        if small.any():
            found = 100.0 * float(told[small][0])
            raise InputError(
                "cannot be", where="module_temp_coeff_power", found=found, expected="%/K, such as -0.4",
                hint=f"in 1/K? then it is {100 * found:g} %/K",
            )  # fmt: skip
    known = (told > -0.02) & (told < 0.005)
    if not known.all():
        cautions.append(f"temperature coefficient of the modules not known: {_USUAL} 1/K")
    return np.where(known, told, _USUAL)


def zone_of(data: xr.Dataset, timezone: str, cautions: list[str]) -> str:
    """Zone of the site's clock: ``timezone``, the attribute of the data, else UTC, which is added to ``cautions``.

    Raises
    ------
    InputError
        There is no such zone.
    """
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    name = timezone or str(data.attrs.get("timezone") or "")
    if not name:
        cautions.append("no time zone of the site: days and months are those of UTC")
        return "UTC"
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise InputError("no such time zone", where="timezone", found=name, expected="such as Europe/Berlin") from error
    return name


def day_numbers(time: npt.NDArray[np.datetime64], zone: str) -> npt.NDArray[np.int64]:
    """Number of the local day of each time, from 0."""
    import pandas as pd

    local = pd.DatetimeIndex(time).tz_localize("UTC").tz_convert(zone).tz_localize(None)
    days = local.to_numpy().astype("datetime64[D]").astype(np.int64)
    found: npt.NDArray[np.int64] = days - days.min()
    return found


def with_weather(data: xr.Dataset, weather: xr.Dataset, names: tuple[str, ...]) -> xr.Dataset:
    """``data`` with those of the fields ``names`` that only ``weather`` has, dims (time), from the middles of its slots to those of the data.

    Between two values no further apart than two of its slots; flagged values count as missing.

    Raises
    ------
    InputError
        ``weather`` is of several assets, or has no time in common with the data.
    """
    if "asset" in weather.dims:
        if weather.sizes["asset"] != 1:
            found = list(map(str, weather["asset"].values))
            raise InputError("weather of several assets", where="weather", found=found, expected="a source of one")
        weather = weather.isel(asset=0, drop=True)
    wanted = [name for name in names if name not in data and name in weather]
    slot = slot_length(weather)
    at = (data["time"].values + slot_length(data) // 2).astype("datetime64[ns]").astype(np.int64)
    added = {}
    for name in wanted:
        field = variable_of(weather, name)
        there = field.notnull().values
        stamps = (weather["time"].values[there] + slot // 2).astype("datetime64[ns]").astype(np.int64)
        if not len(stamps) or stamps[-1] < at[0] or stamps[0] > at[-1]:
            raise InputError(
                f"no {name} in the time of the data",
                where="weather",
                found=f"{weather['time'].values[0]} to {weather['time'].values[-1]}",
                expected=f"{data['time'].values[0]} to {data['time'].values[-1]}",
            )
        values = np.interp(at, stamps, field.values[there], left=np.nan, right=np.nan)
        after = np.clip(np.searchsorted(stamps, at), 1, max(len(stamps) - 1, 1))
        apart = np.diff(stamps, append=stamps[-1])[after - 1] > 2 * slot.astype("timedelta64[ns]").astype(np.int64)
        added[name] = ("time", np.where(apart, np.nan, values), dict(field.attrs))
    return data.assign(added)
