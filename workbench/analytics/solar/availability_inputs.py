"""What availability is told from: power of the inverters, of the meter, its counter, and the power expected; or what stands for them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.calendar import slot_length
from workbench.analytics.kpi import variable_of
from workbench.analytics.solar.checks import check_irradiance, check_plant, check_power, kilowatts
from workbench.analytics.solar.rating import coordinate, day_numbers, power_name, rating_of, zone_of
from workbench.model.errors import InputError

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

#: Codes of ``grid_connection`` (disconnected, islanded, tripped) and of ``breaker_status`` (open) without a grid.
_AWAY, _OPEN = (0, 3, 4), (1,)


@dataclass
class Inputs:
    """The inputs on one grid of slots; what is not there is NaN (or None for the inverters)."""

    time: npt.NDArray[np.datetime64]
    asset: npt.NDArray[np.generic]
    cadence: str
    hours: float
    zone: str
    power: Floats | None  #: (time, asset) [kW]
    meter: Floats  #: (time) [kW]
    counter: Floats  #: (time) [kWh], at the end of the slot
    expected: Floats  #: (time), of the plant, in any unit
    unit: float  #: power of the plant over it [kW], by what it is made of; NaN where that is not known
    rating: Floats  #: (asset) [kW], NaN where not known
    grid_down: Bools  #: (time)
    reports_zero: Bools  #: (time): meter or inverters report, and report nothing made
    local_day: Ints  #: (time), number of the day of the site's clock
    cautions: tuple[str, ...] = field(default=())

    def counted(self, first: int, last: int, made: Floats) -> float:
        """Energy by the counter from slot ``first`` to ``last`` [kWh]; NaN where it does not tell."""
        before = np.flatnonzero(np.isfinite(self.counter[:first]))
        after = np.flatnonzero(np.isfinite(self.counter[last:]))
        if not len(before) or not len(after):
            return float("nan")
        low, high = int(before[-1]), int(after[0]) + last
        # what was made between the reading and the outage is known from the slots
        beside = np.nansum(made[low + 1 : first]) + np.nansum(made[last + 1 : high + 1])
        return float(self.counter[high] - self.counter[low] - beside * self.hours)


def inputs_of(
    data: xr.Dataset,
    meter: xr.Dataset | None,
    *,
    power: str,
    meter_power: str,
    meter_energy: str,
    expected: str,
    irradiance: str,
    timezone: str,
) -> Inputs:
    """Bring the inputs to one grid without gaps, and find what stands for those that are not there.

    Raises
    ------
    InputError
        See :func:`.availability.solar_availability`.
    """
    check_plant(data)
    name = power_name(data, power, required=False)
    if name:
        check_power(data, name, coordinate(data, "rated_capacity"))
    slot = slot_length(data)
    if data.sizes["time"] < 2:
        raise InputError("too few times", where="time", found=data.sizes["time"], expected="two or more")
    cautions: list[str] = []
    zone = zone_of(data, timezone, cautions)
    whole = _regular(data, slot)
    time = whole["time"].values
    hours = float(slot / np.timedelta64(3_600_000_000_000, "ns"))
    made = variable_of(whole, name).transpose("time", "asset").values.astype(np.float64) if name else None
    if made is not None and not np.isfinite(made).any():
        made = None
    own = _meter(meter, whole)
    at_meter, counter = _series(own, meter_power), _series(own, meter_energy)
    if own is None:
        at_meter = counter = np.full(len(time), np.nan)
    if not np.isfinite(counter).any() and "energy_lifetime" in whole:
        counters = variable_of(whole, "energy_lifetime").transpose("time", "asset").values.astype(np.float64)
        counter = counters.sum(axis=1)
        cautions.append("no counter of the meter: the sum of the inverters' own counters in its place")
    has_counter, has_meter = np.isfinite(counter).any(), np.isfinite(at_meter).any()
    if not has_meter and has_counter:
        at_meter = np.full(len(time), np.nan)
        at_meter[1:] = np.diff(counter) / hours
        at_meter = np.where(at_meter >= 0, at_meter, np.nan)
        cautions.append("no power of the meter: the increase of its counter in its place")
    elif not has_meter:
        cautions.append(
            "no meter: an inverter that sends nothing while others run is unknown, one that sends zero stands"
        )
    if not has_counter:
        cautions.append(
            "no energy counter: gaps in which nothing at all was sent are unknown, lost energy lies between two bounds"
        )
    if made is None and not np.isfinite(at_meter).any():
        raise InputError(
            "neither power of inverters nor of a meter", where="power", found=", ".join(map(str, data.data_vars)),
            expected="total_ac_power (time, asset) [kW], or a meter with active_power or energy_export",
        )  # fmt: skip
    if made is None:
        cautions.append(
            "no power of inverters: a part that stood is told by days below the better days, and not which it was"
        )
    wanted, unit = _expected(whole, expected, irradiance, made if made is not None else at_meter[:, None], cautions)
    if made is None:
        zero = np.isfinite(at_meter)
    else:
        # a meter at zero, or without one inverters that all report
        zero = (np.isfinite(at_meter) if has_meter else np.zeros(len(time), bool)) | np.isfinite(made).all(axis=1)
    return Inputs(
        time, whole["asset"].values, str(data.attrs.get("cadence") or _text(slot)), hours, zone, made, at_meter, counter,
        wanted, unit, rating_of(whole), _grid(whole, own), zero, day_numbers(time, zone), tuple(cautions),
    )  # fmt: skip


def _text(slot: np.timedelta64) -> str:
    return f"PT{round(float(slot / np.timedelta64(1, 's')))}S"


def _regular(data: xr.Dataset, slot: np.timedelta64) -> xr.Dataset:
    """Every slot from first to last, missing ones as NaN: a gap in the record is an outage like any other."""
    time = data["time"].values
    grid = np.arange(time[0], time[-1] + slot, slot)
    return data if len(grid) == len(time) and (grid == time).all() else data.reindex(time=grid)


def _meter(meter: xr.Dataset | None, data: xr.Dataset) -> xr.Dataset | None:
    if meter is None:
        return None
    if "asset" in meter.dims:
        if meter.sizes["asset"] != 1:
            raise InputError(
                "more than one meter",
                where="meter",
                found=list(map(str, meter["asset"].values)),
                expected="the plant's meter",
            )
        meter = meter.isel(asset=0)
    if not np.isin(meter["time"].values, data["time"].values).any():
        raise InputError(
            "meter and inverters have no time in common", where="meter",
            found=f"{meter['time'].values[0]} to {meter['time'].values[-1]}",
            expected=f"{data['time'].values[0]} to {data['time'].values[-1]}",
        )  # fmt: skip
    return meter.reindex(time=data["time"].values)


def _series(meter: xr.Dataset | None, name: str) -> Floats:
    if meter is None or name not in meter:
        return np.full(0 if meter is None else meter.sizes["time"], np.nan)
    found: Floats = variable_of(meter, name).values.astype(np.float64)
    return found


def _grid(data: xr.Dataset, meter: xr.Dataset | None) -> Bools:
    away = np.zeros(data.sizes["time"], dtype=bool)
    if "grid_connection" in data:
        states = data["grid_connection"].transpose("time", "asset").values
        away |= np.isin(states, _AWAY).mean(axis=1) > 0.5
    if meter is not None and "breaker_status" in meter:
        away |= np.isin(meter["breaker_status"].values, _OPEN)
    return away


def _expected(
    data: xr.Dataset, expected: str, irradiance: str, made: Floats, cautions: list[str]
) -> tuple[Floats, float]:
    """Power expected of the plant in any unit, by what there is to tell it from; and its unit [kW]."""
    for name in (expected, irradiance):
        if name not in data:
            continue
        field = variable_of(data, name)
        if name == expected:
            field = kilowatts(field)
            check_power(data, name, rating_of(data))
        else:
            check_irradiance(data, name)
        values = field.transpose("time", ...).values.astype(np.float64)
        unit = float(values.shape[1]) if values.ndim == 2 else 1.0
        if name != expected:
            unit = float(rating_of(data).sum()) / 1000.0
        if values.ndim == 2:
            there = np.isfinite(values)
            # the mean of those that are known: an inverter without a figure is no outage
            with np.errstate(invalid="ignore"):
                values = np.where(there, values, 0).sum(axis=1) / np.where(there.any(axis=1), there.sum(axis=1), np.nan)
        if np.isfinite(values).any() and np.nanmax(values) > 0:
            if name != expected:
                cautions.append(f"no {expected}: {irradiance} in its place, without temperature")
            return np.clip(_filled(values, data, made), 0, None), unit
    cautions.append(
        f"neither {expected} nor {irradiance}: "
        + ("a clear sky" if _placed(data) else "the plant's usual day")
        + " in its place, which knows no clouds"
    )
    return _stand_in(data, made), float("nan")


def _placed(data: xr.Dataset) -> bool:
    return all(
        name in data.coords and np.isfinite(np.asarray(data[name].values, dtype=float)).any()
        for name in ("latitude", "longitude")
    )


def _stand_in(data: xr.Dataset, made: Floats) -> Floats:
    if _placed(data):
        import pandas as pd
        import pvlib

        lat, lon = (float(np.nanmean(np.asarray(data[name].values, dtype=float))) for name in ("latitude", "longitude"))
        middle = pd.DatetimeIndex(data["time"].values).tz_localize("UTC") + pd.Timedelta(slot_length(data)) / 2
        sun = pvlib.solarposition.get_solarposition(middle, lat, lon)
        sky: Floats = pvlib.clearsky.haurwitz(sun["apparent_zenith"])["ghi"].to_numpy()
        clear: Floats = np.where(sky > 20, sky, 0.0)
        return clear
    total = made.sum(axis=1)
    slot = slot_length(data)
    of_day = ((data["time"].values - data["time"].values.astype("datetime64[D]")) // slot).astype(np.int64)
    usual = np.zeros(of_day.max() + 1)
    for number in np.unique(of_day):
        values = total[(of_day == number) & np.isfinite(total)]
        usual[number] = np.median(values) if len(values) else 0.0
    typical: Floats = np.clip(usual, 0, None)[of_day]
    return typical


def _filled(values: Floats, data: xr.Dataset, made: Floats) -> Floats:
    """Where a sensor sends nothing either, the shape of a usual day, at the level of what is known."""
    gap = ~np.isfinite(values)
    if not gap.any():
        return values
    shape = _stand_in(data, made)
    both = ~gap & (shape > 0)
    scale = values[both].sum() / shape[both].sum() if both.any() else 1.0
    return np.where(gap, shape * scale, values)
