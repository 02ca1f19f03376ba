"""A wind farm's slots and the wind climate around it, as the analyses of wakes take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.calendar import slot_length
from workbench.analytics.kpi import variable_of
from workbench.analytics.wind.layout import North, circular_mean, positions, wrapped
from workbench.analytics.wind.long_term import point_of
from workbench.model.errors import InputError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

_HOUR = np.timedelta64(1, "h")
#: Power bins of the filter by share of what it covers, where it begins by share of the rating; the strongest wind [m/s]
#: and the most power by share of the rating that are possible.
_POWER_BIN, _LOWEST, _STRONGEST, _OVER = 0.04, 0.01, 40.0, 1.2


@dataclass(frozen=True)
class Climate:
    """Hourly wind of a reanalysis: all of it, and beside each slot of the farm."""

    name: str
    time: npt.NDArray[np.datetime64]  #: hours, those with wind only
    speed: Floats
    direction: Floats
    beside: Floats  #: wind speed in the hour of each slot of the farm; NaN where there is none
    beside_direction: Floats

    def span(self, end: np.datetime64, years: int) -> tuple[Floats, Floats]:
        """Wind speed and wind direction of the ``years`` up to the hour ``end``."""
        import pandas as pd

        start = (pd.Timestamp(end) - pd.DateOffset(years=years)).to_datetime64()
        use = (self.time > start) & (self.time <= end)
        if not use.any():
            raise InputError(
                "the reanalysis has none of those years", where=f"reanalysis.{self.name}", found=f"to {end}"
            )
        return self.speed[use], self.direction[use]

    def kept(self, slots: Bools) -> Climate:
        """Beside some of the slots."""
        return replace(self, beside=self.beside[slots], beside_direction=self.beside_direction[slots])

    def reach(self, end: np.datetime64, years: int) -> float:
        """How many of the ``years`` up to ``end`` it has."""
        hours = len(self.span(end, years)[0])
        return min(float(years), round(hours / 8766.0, 2))


@dataclass(frozen=True)
class Farm:
    """The slots of a wind farm with a known wind direction."""

    assets: list[str]
    time: npt.NDArray[np.datetime64]
    power: Floats  #: dims (slot, asset); NaN where power or wind speed is missing
    speed: Floats
    direction: Floats  #: of the farm, in [0, 360)
    rating: Floats
    places: Floats
    climates: list[Climate]
    slot: np.timedelta64
    left_out: int  #: slots without what they need
    notes: tuple[str, ...]

    @property
    def hour(self) -> tuple[Ints, Ints]:
        """Index of the hour of each slot, and the first slot of each hour."""
        _, first, index = np.unique(self.time.astype("datetime64[h]"), return_index=True, return_inverse=True)
        return index.astype(np.int64), first.astype(np.int64)

    def turned(self, by: float) -> Farm:
        """With a wind direction that is ``by`` [deg] more."""
        return replace(self, direction=(self.direction + by) % 360.0)

    def deviations(self, highest: float) -> tuple[Floats, Floats]:
        """Median wind speed of the power bin of each value, and its median absolute deviation; (slot, asset).

        Bins cover 1 % of the rating to the share ``highest`` of it in 25 steps; 0 and infinity outside.
        """
        center, spread = np.zeros_like(self.power), np.full_like(self.power, np.inf)
        for column, rating in enumerate(self.rating):
            power, speed = self.power[:, column], self.speed[:, column]
            low, high = _LOWEST * rating, highest * rating
            edges = np.arange(low, high, _POWER_BIN * (highest - _LOWEST) * rating)
            edges = np.unique(np.append(edges, high).clip(low, high))
            where = np.searchsorted(edges, power, side="left")
            where[~np.isfinite(power)] = 0
            order = np.argsort(where, kind="stable")
            begin = np.searchsorted(where[order], np.arange(1, len(edges) + 1))
            for one in range(len(edges) - 1):
                inside = order[begin[one] : begin[one + 1]]
                if len(inside):
                    center[inside, column] = middle = np.median(speed[inside])
                    spread[inside, column] = np.median(np.abs(speed[inside] - middle))
        return center, spread

    def flags(self, deviations: tuple[Floats, Floats], spread: float, start: float) -> tuple[Bools, Bools]:
        """Slots of turbines below their curve, and those whose wind speed is not to be used; (slot, asset).

        Below: no power from the wind speed ``start`` [m/s] on, or a wind speed more than ``spread`` median absolute
        deviations above that of its power. Not to be used: those, and wind speeds as far below.
        """
        center, mad = deviations
        with np.errstate(invalid="ignore"):
            limit = spread * mad
            stopped = (self.speed >= start) & (self.speed <= _STRONGEST)
            stopped &= (self.power < _LOWEST * self.rating) | (self.power > _OVER * self.rating)
            below: Bools = stopped | (self.speed > center + limit)
            odd: Bools = below | (self.speed < center - limit)
        return below, odd


def farm_of(
    turbines: xr.Dataset,
    reanalysis: Mapping[str, xr.Dataset],
    names: Sequence[str],
    *,
    direction_offset: float | Mapping[str, float],
    direction_assets: Sequence[str] | None,
    north: North,
    complete: bool,
    wind_speed: str,
    wind_direction: str | xr.DataArray,
    power: str,
) -> Farm:
    """Slots with a wind direction; with ``complete`` those that lack nothing at all."""
    speed, made = (variable_of(turbines, name).load().values.astype(np.float64) for name in (wind_speed, power))
    assets = list(map(str, turbines["asset"].values))
    if not turbines.sizes.get("time", 0):
        raise InputError("there is no data", where="turbines")
    rating = ratings(turbines)
    both = np.isfinite(speed) & np.isfinite(made)
    for column, asset in enumerate(assets):
        if not both[:, column].any():
            raise InputError(
                "a turbine without data",
                where=asset,
                found=f"no time with both {wind_speed} and {power}",
                hint="leave the turbine out: turbines.drop_sel(asset=...); its wake is then taken for none",
            )
    direction, measured, notes = wind_from(turbines, wind_direction, direction_assets, direction_offset)
    time = turbines["time"].values
    climates = [_climate(reanalysis[name], name, time) for name in names]
    keep = np.isfinite(direction)
    if complete:
        keep &= both.all(axis=1) & measured
        for climate in climates:
            keep &= np.isfinite(climate.beside)
    else:
        keep &= both.any(axis=1)
    if not keep.any():
        raise InputError(
            "no time has wind direction, wind speed and power",
            where="turbines",
            found=f"{int(both.any(axis=1).sum())} times with wind speed and power, "
            f"{int(np.isfinite(direction).sum())} with a direction",
        )
    if not np.where(both[keep], made[keep], 0.0).sum() > 0:
        raise InputError("the farm makes no energy", where=power, found="a sum of 0 or less", expected="power > 0")
    blank = ~both[keep]
    power_kept, speed_kept = np.where(blank, np.nan, made[keep]), np.where(blank, np.nan, speed[keep])
    return Farm(
        assets,
        time[keep],
        np.ascontiguousarray(power_kept),
        np.ascontiguousarray(speed_kept),
        direction[keep],
        rating,
        positions(turbines, north=north),
        [one.kept(keep) for one in climates],
        slot_length(turbines),
        int((~keep).sum()),
        notes,
    )


def ratings(turbines: xr.Dataset) -> Floats:
    """Rated capacity [kW] of each turbine."""
    if "rated_capacity" not in turbines.coords:
        raise InputError("the turbines' rated capacity is not known", where="rated_capacity", expected="kW by asset")
    known = np.asarray(turbines["rated_capacity"].values, dtype=np.float64)
    rating: Floats = np.array(np.broadcast_to(known, (turbines.sizes["asset"],)))
    for asset, value in zip(turbines["asset"].values, rating, strict=True):
        if not value > 0:
            raise InputError(
                "a turbine's rated capacity is not positive", where=str(asset), found=value, expected="kW, > 0"
            )
    return rating


def wind_from(
    turbines: xr.Dataset,
    wind_direction: str | xr.DataArray,
    assets: Sequence[str] | None,
    offset: float | Mapping[str, float],
) -> tuple[Floats, Bools, tuple[str, ...]]:
    """Where the wind of the farm comes from, [time]; times at which all turbines say so; what to know of it.

    The mean vector of the turbines in ``assets``; ``offset`` [deg] is added to what they measure.
    """
    time = turbines["time"]
    if isinstance(wind_direction, xr.DataArray):
        if isinstance(offset, Mapping):
            raise InputError("one offset for a direction that is not the turbines'", where="direction_offset")
        if wind_direction.dims != ("time",):
            raise InputError("the wind direction has dims (time)", where="wind_direction", found=wind_direction.dims)
        values = np.asarray(wind_direction.reindex(time=time).values, dtype=np.float64)
        return (values + offset) % 360.0, np.isfinite(values), ()
    table = variable_of(turbines, wind_direction).load().values.astype(np.float64)
    names = list(map(str, turbines["asset"].values))
    chosen = names if assets is None else list(assets)
    for name in [*chosen, *(offset if isinstance(offset, Mapping) else ())]:
        if name not in names:
            raise InputError("no such turbine", where="direction_assets", found=name, hint=did_you_mean(name, names))
    if not chosen:
        raise InputError("no turbine to take the wind direction from", where="direction_assets")
    if isinstance(offset, Mapping):
        table = table + np.array([offset.get(name, 0.0) for name in names])
    else:
        table = table + offset
    used = table[:, [names.index(name) for name in chosen]]
    mean = circular_mean(used, axis=1)
    notes = []
    for column, name in enumerate(chosen):
        away = wrapped(used[:, column] - mean)
        middle = float(np.nanmedian(away)) if np.isfinite(away).any() else np.nan
        if abs(middle) > 10.0:
            notes.append(f"{name}: its wind direction is {middle:+.0f} degrees from the mean; see direction_assets")
    return mean, np.asarray(np.isfinite(table).all(axis=1)), tuple(notes)


def _climate(data: xr.Dataset, name: str, time: npt.NDArray[np.datetime64]) -> Climate:
    try:
        speed, u, v = (point_of(variable_of(data, one)) for one in ("wind_speed", "wind_u", "wind_v"))
    except InputError as error:
        raise error.at(where=f"reanalysis.{name}") from None
    there = np.isfinite(speed) & np.isfinite(u) & np.isfinite(v)
    if not there.any():
        raise InputError("a reanalysis without wind", where=f"reanalysis.{name}")
    hours = data["time"].values.astype("datetime64[h]")[there]
    direction = (180.0 + np.degrees(np.arctan2(u[there], v[there]))) % 360.0
    wanted = time.astype("datetime64[h]")
    place = np.minimum(np.searchsorted(hours, wanted), len(hours) - 1)
    beside, turned = (np.where(hours[place] == wanted, one[place], np.nan) for one in (speed[there], direction))
    together = len(np.unique(wanted[np.isfinite(beside)]))
    if len(wanted) and not together:
        raise InputError(
            "too few hours together with the reanalysis: none",
            where=f"reanalysis.{name}",
            found=f"{hours[0]} to {hours[-1]}",
            expected=f"hours of {wanted[0]} to {wanted[-1]}",
        )
    return Climate(name, hours, speed[there], direction, beside, turned)


def speed_up_factors(table: xr.DataArray | pd.DataFrame, assets: Sequence[str], direction: Floats) -> Floats:
    """Wind speed at each turbine in proportion to the farm's mean, dims (slot, asset), by wind direction.

    Parameters
    ----------
    table
        dims (wind_direction, asset), or a DataFrame with the directions [deg] as its index and a column for each
        turbine [1]; between its directions it is linear, and it goes round.

    Raises
    ------
    InputError
        A turbine is missing, a factor is not positive.
    """
    import pandas as pd

    frame: pd.DataFrame
    if isinstance(table, pd.DataFrame):
        frame = table
    else:
        names, values = table["asset"].values, table.transpose("wind_direction", "asset").values
        frame = pd.DataFrame(values, index=table["wind_direction"].values, columns=names)
    frame = frame.rename(columns=str)
    missing = [asset for asset in assets if asset not in frame.columns]
    if missing:
        raise InputError(
            "a turbine without speed-up factors", where="speed_ups", found=missing[0], expected=", ".join(assets)
        )
    values = frame[list(assets)].to_numpy(np.float64)
    if not (values > 0).all():
        raise InputError("a speed-up factor is not positive", where="speed_ups", expected="about 1")
    at = np.asarray(frame.index, dtype=np.float64)
    if len(at) > 1 and at[0] == 0.0 and at[-1] == 360.0:
        at, values = at[:-1], values[:-1]
    return np.column_stack([np.interp(direction, at, column, period=360.0) for column in values.T])
