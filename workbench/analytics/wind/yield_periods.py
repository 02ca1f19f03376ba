"""Days or hours of a plant and of reanalyses, and what a year's energy is made up of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.calendar import check_axes, slot_length
from workbench.analytics.kpi import variable_of
from workbench.analytics.wind.long_term import (
    MONTH_DAYS,
    chosen,
    clock_offset,
    density_corrected,
    point_of,
)
from workbench.analytics.wind.yield_draws import rating_of, without_impossible
from workbench.analytics.wind.yield_models import Record, Wanted
from workbench.model.errors import InputError
from workbench.steps import remark

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Times = npt.NDArray[np.datetime64]
PartOfMonth = Literal["day", "hour"]

NAMES = ("net_energy", "availability_loss", "curtailment_loss")
_HOUR = np.timedelta64(1, "h")
_UNIT: Mapping[str, str] = {"day": "D", "hour": "h"}
_LENGTH: Mapping[str, np.timedelta64] = {"day": np.timedelta64(24, "h"), "hour": _HOUR}


@dataclass(frozen=True)
class DailyData:
    """The days or hours that a yield is computed from; made once by :func:`daily_data`, simulated as often as wished.

    Attributes
    ----------
    plant
        dims (time): ``energy``, ``availability_loss``, ``curtailment_loss`` [kWh] of the period that begins at each
        time, and ``missing`` [1], the largest share of its slots without one of them; periods with wind alone.
    weather
        dims (product, time): ``wind_speed`` [m/s], corrected for air density, and where every reanalysis has them
        ``temperature`` [degC] and ``wind_direction`` [degree] of the mean vector; every period from the first that
        all have to the end of the long term, NaN where there is nothing.
    rated_capacity
        Of the plant [kW].
    resolution
        ``day`` or ``hour``.
    """

    plant: xr.Dataset
    weather: xr.Dataset
    rated_capacity: float
    resolution: PartOfMonth

    @property
    def hours(self) -> float:
        """Length of a period [h]."""
        return 24.0 if self.resolution == "day" else 1.0

    @property
    def products(self) -> list[str]:
        """Names of the reanalyses."""
        return [str(name) for name in self.weather["product"].values]

    def gross(self) -> Floats:
        """Gross energy of the periods [kWh]."""
        made, *lost = (self.plant[name].values for name in ("energy", *NAMES[1:]))
        gross: Floats = made + lost[0] + lost[1]
        return gross

    def lost_share(self) -> Floats:
        """Share of the gross energy of the periods that was lost; all of it where there is a loss but no energy."""
        lost = (self.plant["availability_loss"] + self.plant["curtailment_loss"]).values
        gross = self.gross()
        share: Floats = np.where(gross > 0, lost / np.where(gross > 0, gross, 1.0), (lost > 0).astype(np.float64))
        return share

    def measured_share(self) -> Floats:
        """Share of the gross energy of the periods that was measured and not estimated."""
        return np.clip(1.0 - self.lost_share(), 0.0, 1.0)

    def month_shares(self, name: str) -> Floats:
        """Share of the gross energy lost in each calendar month, [12]."""
        month = _calendar_month(self.plant["time"].values)
        lost = np.bincount(month, self.plant[name].values, minlength=12)
        gross = np.bincount(month, self.gross(), minlength=12)
        share: Floats = np.where(gross > 0, lost / np.where(gross > 0, gross, 1.0), 0.0)
        return share

    def rows(self) -> Ints:
        """Places of the plant's times among those of the weather."""
        places: Ints = np.searchsorted(self.weather["time"].values, self.plant["time"].values)
        return places

    def inputs(self, product: int, *, temperature: bool, wind_direction: bool) -> Floats:
        """What is regressed on, dims (time of the weather, variable): speed, temperature, sine and cosine.

        Raises
        ------
        InputError
            A reanalysis does not have it.
        """
        weather = self.weather
        for name, asked in (("temperature", temperature), ("wind_direction", wind_direction)):
            if asked and name not in weather:
                raise InputError(
                    f"not every reanalysis has {name.replace('_', ' ')}",
                    where=name,
                    found=", ".join(self.products),
                    expected="temperature [degC]" if name == "temperature" else "wind_u and wind_v [m/s]",
                )
        columns = [weather["wind_speed"].values[product]]
        if temperature:
            columns.append(weather["temperature"].values[product])
        if wind_direction:
            angle = np.radians(weather["wind_direction"].values[product])
            columns += [np.sin(angle), np.cos(angle)]
        return np.column_stack(columns)

    def record(self, inputs: Floats) -> Record:
        """What a regression on ``inputs`` sees; what is missing of the inputs is 0, and to be left out."""
        lost = self.plant["availability_loss"].values + self.plant["curtailment_loss"].values
        month = self.plant["time"].values.astype("datetime64[M]").astype(np.int64)
        return Record(np.nan_to_num(inputs[self.rows()]), self.plant["energy"].values, lost, month)

    def year_edges(self, most: int) -> Times:
        """The end of the long term, and the beginnings of its last years, latest first, [most + 1].

        Raises
        ------
        InputError
            The reanalyses have fewer years than ``most``.
        """
        import pandas as pd

        time = self.weather["time"].values
        end = pd.Timestamp(time[-1]) + pd.Timedelta(hours=self.hours)
        edges = np.array([(end - pd.DateOffset(years=back)).to_datetime64() for back in range(most + 1)])
        if edges[-1] < time[0]:
            there = (
                int(
                    np.searchsorted(
                        -edges.astype("datetime64[ns]").astype(np.int64), -time[0].astype(np.int64), side="right"
                    )
                )
                - 1
            )
            raise InputError(
                "the reanalyses are too short for the long term",
                where="years",
                found=f"{str(time[0])[:10]} to {str(end)[:10]} in common, {there} whole years",
                expected=f"{most} years",
                hint=f"years=({min(10, there)}, {there})",
            )
        return edges

    def wanted(self, inputs: Floats, edges: Times, others: Floats, *, by_day: bool) -> Wanted:
        """The energy of each calendar month of each of the last years (latest first), of a mean year of the record
        (by days of the calendar with ``by_day``), and of all of the long term by ``others``.

        Raises
        ------
        InputError
            A month without any weather.
        """
        time = self.weather["time"].values
        known: Bools = np.asarray(np.isfinite(inputs).all(axis=1))
        back = len(edges) - 1 - np.searchsorted(edges[::-1], time, side="right")  # whole years before the end
        cell = np.where((back >= 0) & (back < len(edges) - 1), back * 12 + _calendar_month(time), -1)
        cells = 12 * (len(edges) - 1)
        expected = np.bincount(cell[cell >= 0], minlength=cells)
        there = np.bincount(cell[(cell >= 0) & known], minlength=cells)
        if (there == 0).any():
            at = time[np.flatnonzero(cell == int(np.argmin(there)))[0]]
            raise InputError(
                "a reanalysis has a gap of a month in the long term",
                where="reanalysis",
                found=f"nothing in {str(at)[:7]}",
                hint="an `end` before it, or fewer years",
            )
        scale = np.where(known & (cell >= 0), (expected / there)[cell], 0.0)
        rows = self.rows()
        extra = np.zeros((len(time), 1 + others.shape[1]))
        extra[:, 1:] = others
        extra[rows, 0] = self._record_weights(known[rows], by_day=by_day)
        return Wanted(np.nan_to_num(inputs), np.where(known, cell, -1), scale, cells, extra * known[:, None])

    def _record_weights(self, known: Bools, *, by_day: bool) -> Floats:
        """What each period of the record counts in a mean year of it, as far as its weather is ``known``."""
        time = self.plant["time"].values
        if by_day:
            _, group, count = np.unique(_calendar_code(time), return_inverse=True, return_counts=True)
            return np.asarray(1.0 / count[group], dtype=np.float64)
        month = _calendar_month(time)
        count = np.bincount(month[known], minlength=12)
        weights: Floats = (MONTH_DAYS * 24 / self.hours / np.maximum(count, 1))[month] * known
        return weights

    def calendar_weights(self, years: tuple[int, int], edges: Times) -> Floats:
        """What the losses of OpenOA 3.2 are sums of: for each number of years the shares of the two losses of a day
        (or hour) of the calendar over how often it is there, and one over that; dims (time of the weather, 3 n).

        Raises
        ------
        InputError
            A day (or hour) of the calendar was not measured.
        """
        time = self.plant["time"].values
        code, group, count = np.unique(_calendar_code(time), return_inverse=True, return_counts=True)
        needed = 365 * 24 / self.hours
        if len(code) < needed:
            raise InputError(
                f"not every {self.resolution} of the calendar was measured",
                where="plant",
                found=len(code),
                expected=int(needed),
                hint="without `compatibility` every calendar month is enough",
            )
        gross = self.gross()
        shares = np.zeros((2, len(code)))
        for row, name in enumerate(NAMES[1:]):
            lost = self.plant[name].values
            share = np.where(gross != 0, lost / np.where(gross != 0, gross, 1.0), 0.0)
            shares[row] = np.bincount(group, share) / count
        long = self.weather["time"].values
        found = _calendar_code(long)
        place = np.minimum(np.searchsorted(code, found), len(code) - 1)
        there = code[place] == found
        columns = []
        for number in range(years[0], years[1] + 1):
            inside = long >= edges[number]
            often = np.bincount(found[inside], minlength=int(found.max()) + 1)[found]
            weight = inside / np.maximum(often, 1)
            columns += [*(shares[row][place] * there * weight for row in range(2)), weight]
        return np.column_stack(columns)


def daily_data(
    plant: xr.Dataset,
    reanalysis: Mapping[str, xr.Dataset],
    *,
    resolution: PartOfMonth = "day",
    products: Sequence[str] | None = None,
    rated_capacity: float | None = None,
    end: str | pd.Timestamp | None = None,
) -> DailyData:
    """Days or hours of a plant and of reanalyses, checked.

    Parameters
    ----------
    plant, reanalysis, products, rated_capacity
        As :func:`~workbench.analytics.wind.plant_yield.yield_data` takes them.
    resolution
        ``day`` (of UTC, as the reanalyses' are) or ``hour``.
    end
        A moment in the last period of the long term; the end of the last whole month of the reanalyses if left out.

    Raises
    ------
    InputError
        No reanalysis; no rated capacity; slots longer than a period; less than a year, or nothing in common.
    """
    if resolution not in _UNIT:
        raise InputError("unknown resolution", where="resolution", found=resolution, expected=", ".join(_UNIT))
    names = chosen(reanalysis, products)
    check_axes(plant, "plant")
    for name in names:
        check_axes(reanalysis[name], f"reanalysis.{name}")
    rated = rating_of(plant, rated_capacity)
    weather = _weather(reanalysis, names, resolution, end)
    made = _plant(plant, resolution, rated)
    tell_offset(plant, {name: reanalysis[name] for name in names})
    there = np.isfinite(weather["wind_speed"].values).all(axis=0)
    both = np.isin(made["time"].values, weather["time"].values[there])
    if not both.any():
        raise InputError(
            "plant and reanalyses have nothing in common",
            where="reanalysis",
            found=f"the reanalyses end {str(weather['time'].values[-1])[:10]}",
            expected=f"times of {str(made['time'].values[0])[:10]} to {str(made['time'].values[-1])[:10]}",
        )
    made = made.isel(time=both & (made["missing"].values < 1.0))
    lacking = sorted(set(range(12)) - set(_calendar_month(made["time"].values).tolist()))
    if lacking:
        raise InputError(
            "less than a year: not every calendar month was measured together with the reanalyses",
            where="plant",
            found=f"{made.sizes['time']} {resolution}s, none in month {', '.join(str(m + 1) for m in lacking)}",
            expected="every calendar month at least once, as losses and wind have their seasons",
            hint="a longer record, or a reanalysis that reaches to its end",
        )
    return DailyData(made, weather, rated, resolution)


def tell_offset(plant: xr.Dataset, reanalysis: Mapping[str, xr.Dataset]) -> None:
    """Say where the clock of a plant seems to be off by an hour or more against every reanalysis."""
    made = point_of(variable_of(plant, NAMES[0]))
    found = {name: clock_offset(made, plant["time"].values, data) for name, data in reanalysis.items()}
    if min(map(abs, found.values())) >= 1.0:
        told = ", ".join(
            f"{abs(hours):g} h {'late' if hours > 0 else 'early'} to {name}" for name, hours in found.items()
        )
        remark(f"the times of the plant's energy seem off ({told}): are they UTC? They are taken as they are")


def _weather(
    reanalysis: Mapping[str, xr.Dataset], names: Sequence[str], resolution: str, end: str | pd.Timestamp | None
) -> xr.Dataset:
    unit = _UNIT[resolution]
    parts, firsts, lasts = [], [], []
    for name in names:
        data = reanalysis[name]
        time = data["time"].values
        if not len(time):
            raise InputError("a reanalysis without times", where=f"reanalysis.{name}")
        slot = slot_length(data)
        label = time.astype(f"datetime64[{unit}]")
        if slot > _LENGTH[resolution]:
            raise InputError(
                f"a reanalysis that has no {resolution}s",
                where=f"reanalysis.{name}",
                found=f"a value every {slot / _HOUR:g} h",
            )
        parts.append((label, _by_period(data, label, name)))
        # a period of which the first slot is missing is none, as is a month of which the last is
        firsts.append(label[0] if unit == "h" or time[0] - slot < label[0].astype(time.dtype) else label[0] + 1)
        month = time[-1].astype("datetime64[M]")
        whole = (time[-1] + slot).astype("datetime64[M]") > month
        lasts.append(((month + 1) if whole else month).astype(f"datetime64[{unit}]") - 1)
    first, last = max(firsts), min(lasts)
    if end is not None:
        import pandas as pd

        wanted = pd.Timestamp(end).to_datetime64().astype(f"datetime64[{unit}]")
        latest = min(label[-1] for label, _ in parts)
        if wanted > latest:
            raise InputError("the reanalyses end before that", where="end", found=str(wanted), expected=f"{latest}")
        last = wanted
    if last < first:
        raise InputError("the reanalyses have no time in common", where="reanalysis", found=", ".join(names))
    labels = np.arange(first, last + 1)
    variables: dict[str, tuple[tuple[str, str], Floats, dict[str, str]]] = {}
    about = {
        "wind_speed": ("m/s", "mean wind speed, corrected for air density"),
        "temperature": ("degC", "mean temperature"),
        "wind_direction": ("degree", "direction of the mean wind"),
    }
    for variable, (units, long_name) in about.items():
        if not all(variable in values for _, values in parts):
            continue
        table = np.full((len(names), len(labels)), np.nan)
        for row, (label, values) in enumerate(parts):
            place = (labels - label[0]).astype(np.int64)
            inside = (place >= 0) & (place < len(values[variable]))
            table[row, inside] = values[variable][place[inside]]
        variables[variable] = (("product", "time"), table, {"units": units, "long_name": long_name})
    return xr.Dataset(variables, coords={"product": list(names), "time": labels.astype("datetime64[ns]")})


def _by_period(data: xr.Dataset, label: Times, name: str) -> dict[str, Floats]:
    index = (label - label[0]).astype(np.int64)
    size = int(index[-1]) + 1

    def mean(values: Floats) -> Floats:
        there = np.isfinite(values)
        count = np.bincount(index[there], minlength=size)
        total = np.bincount(index[there], values[there], minlength=size)
        found: Floats = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        return found

    found = {"wind_speed": mean(density_corrected(data, where=f"reanalysis.{name}"))}
    if "temperature" in data:
        celsius = mean(point_of(variable_of(data, "temperature")))
        found["temperature"] = np.where(np.abs(celsius + 13.0) <= 60.0, celsius, np.nan)  # of 200 to 320 K
    if {"wind_u", "wind_v"} <= set(data.data_vars):
        u, v = (mean(point_of(variable_of(data, one))) for one in ("wind_u", "wind_v"))
        found["wind_direction"] = np.mod(180.0 + np.degrees(np.arctan2(u, v)), 360.0)
    return found


def _plant(plant: xr.Dataset, resolution: str, rated: float) -> xr.Dataset:
    unit = _UNIT[resolution]
    slot = slot_length(plant)
    if slot > _LENGTH[resolution]:
        raise InputError(
            f"a plant whose energy is not known by {resolution}s",
            where="plant",
            found=f"a value every {slot / _HOUR:g} h",
            hint="resolution='month'",
        )
    if not plant.sizes["time"]:
        raise InputError("there is no data", where="plant")
    plant = without_impossible(plant, NAMES, rated, float(slot / _HOUR))
    label = plant["time"].values.astype(f"datetime64[{unit}]")
    index = (label - label[0]).astype(np.int64)
    size = int(index[-1]) + 1
    slots = float(_LENGTH[resolution] / slot)
    missing = np.zeros(size)
    variables: dict[str, tuple[str, Floats, dict[str, str]]] = {}
    for key, name in zip(("energy", *NAMES[1:]), NAMES, strict=True):
        values = point_of(variable_of(plant, name))
        there = np.isfinite(values)
        total = np.bincount(index[there], values[there], minlength=size).astype(np.float64)
        missing = np.maximum(missing, 1.0 - np.bincount(index[there], minlength=size) / slots)
        variables[key] = ("time", total, {"units": "kWh", "long_name": name.replace("_", " ")})
    variables["missing"] = ("time", missing, {"units": "1", "long_name": "share of the slots without a value"})
    return xr.Dataset(variables, coords={"time": (label[0] + np.arange(size)).astype("datetime64[ns]")})


def _calendar_month(time: Times) -> Ints:
    """0 to 11."""
    month: Ints = time.astype("datetime64[M]").astype(np.int64) % 12
    return month


def _calendar_code(time: Times) -> Ints:
    """A number of each hour of each day of the calendar."""
    days = time.astype("datetime64[D]")
    day = (days - time.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64)
    hour = (time.astype("datetime64[h]") - days.astype("datetime64[h]")).astype(np.int64)
    code: Ints = (_calendar_month(time) * 31 + day) * 24 + hour
    return code
