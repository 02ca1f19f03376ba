"""The steps for degradation and soiling of solar plants: one value of each asset, and the soiling of each slot."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr
from pydantic import Field

from workbench.analytics.calendar import slot_length
from workbench.analytics.kpi import variable_of
from workbench.analytics.solar.cleaning import soiling_cost
from workbench.analytics.solar.degradation_soiling import degradation_and_soiling
from workbench.analytics.solar.performance_index import daily_performance
from workbench.analytics.solar.year_on_year import year_on_year
from workbench.model.errors import InputError
from workbench.steps import remark, step

_DAY = 86_400_000_000_000
#: Fields of the step ``degradation_and_soiling``: units, source, long name.
RATES = {
    "degradation_rate": ("%/year", "rate", "change of the clean plant's power, of that of the first day"),
    "degradation_rate_lower": ("%/year", "lower", "lower bound of it"),
    "degradation_rate_upper": ("%/year", "upper", "upper bound of it"),
    "mean_soiling_ratio": ("1", "soiling_ratio", "soiling ratio, weighted with insolation"),
    "mean_soiling_ratio_lower": ("1", "soiling_ratio_lower", "lower bound of it"),
    "mean_soiling_ratio_upper": ("1", "soiling_ratio_upper", "upper bound of it"),
    "cleanings": ("1", "cleanings", "number of cleanings found"),
}


@step("year_on_year_degradation")
def add_year_on_year(
    data: xr.Dataset,
    *,
    interval: Literal["block", "simple"] = "block",
    simulations: Annotated[int, Field(ge=1)] = 1000,
    seed: int = 0,
    level: Annotated[float, Field(gt=0, lt=1)] = 0.682,
    temperature_coefficient: float = -0.004,
    index: str = "performance_index",
    power: str = "power_output",
    irradiance: str = "irradiance_poa",
    compatibility: Literal["", "rdtools-3.2"] = "",
    output_field: str = "year_on_year_rate",
) -> xr.Dataset:
    """Change of a solar plant's performance per year by pairs of days a year apart, as RdTools does it.

    It knows of no soiling: for comparison with ``degradation_and_soiling``.

    Parameters
    ----------
    data
        dims (time, asset): the performance index by days, or what it is made of, see ``degradation_and_soiling``.
    interval, simulations, seed, level
        Of the range; ``simple`` takes days that follow each other for independent.
    temperature_coefficient
        Of the modules [1/K], where the index is made.
    index, power, irradiance
        Fields [1, kW, W/m²].
    compatibility
        ``rdtools-3.2``: filters and range as RdTools has them.
    output_field
        What the rate is called.

    Returns
    -------
    The data with the rate, its ``_lower`` and ``_upper`` [%/year], dims (asset).

    Raises
    ------
    InputError
        A field is missing.
    """
    daily = _daily(data, temperature_coefficient, index, power, irradiance, compatibility)
    found = year_on_year(
        daily,
        interval=interval,
        simulations=simulations,
        seed=seed,
        level=level,
        compatibility=compatibility,
        index=index,
    ).rates
    _tell("year_on_year_degradation", found)
    names = {output_field: "rate", f"{output_field}_lower": "lower", f"{output_field}_upper": "upper"}
    return data.assign(
        {
            name: ("asset", found[source].values, {"units": "%/year", "long_name": f"year on year, {source}"})
            for name, source in names.items()
        }
    )


@step("degradation_and_soiling")
def add_degradation_and_soiling(
    data: xr.Dataset,
    *,
    simulations: Annotated[int, Field(ge=0)] = 1000,
    seed: int = 0,
    level: Annotated[float, Field(gt=0, lt=1)] = 0.682,
    repeatability: Annotated[float, Field(ge=0)] = 0.03,
    temperature_coefficient: float = -0.004,
    index: str = "performance_index",
    insolation: str = "insolation",
    power: str = "power_output",
    irradiance: str = "irradiance_poa",
) -> xr.Dataset:
    """Degradation and soiling of solar plants together, with ranges; the soiling ratio of each slot.

    Parameters
    ----------
    data
        dims (time, asset), two years or more: the performance index [1] and the insolation [kWh/m²] by days, or power [kW],
        irradiance in the plane [W/m²] and a temperature [degC] at any step, of which they are made.
    simulations, seed, level
        Of the ranges.
    repeatability
        Standard deviation between years of an index of which nothing is known to have changed [%].
    temperature_coefficient
        Of the modules [1/K], where the index is made.
    index, insolation, power, irradiance
        Fields.

    Returns
    -------
    The data with ``soiling_ratio`` (time, asset) and, of each asset, ``degradation_rate`` [%/year], ``mean_soiling_ratio``, both
    with ``_lower`` and ``_upper``, and the number of ``cleanings``.

    Raises
    ------
    InputError
        A field is missing.
    """
    daily = _daily(data, temperature_coefficient, index, power, irradiance)
    found = degradation_and_soiling(
        daily, simulations=simulations, seed=seed, level=level, repeatability=repeatability, index=index,
        insolation=insolation,
    )  # fmt: skip
    _tell("degradation_and_soiling", found.rates)
    ratio = onto_slots(found.daily["soiling_ratio"], data, solar=daily is not data)
    return data.assign(
        {"soiling_ratio": (("time", "asset"), ratio, {"units": "1", "long_name": "soiling ratio"})}
        | {
            name: ("asset", found.rates[source].values.astype(np.float64), {"units": units, "long_name": title})
            for name, (units, source, title) in RATES.items()
        }
    )


@step("soiling_cost")
def add_soiling_cost(
    data: xr.Dataset,
    *,
    price: Annotated[float, Field(ge=0)],
    cleaning_cost: Annotated[float, Field(ge=0)] | None = None,
    currency: str = "EUR",
    horizon: Annotated[int, Field(ge=1)] = 365,
    temperature_coefficient: float = -0.004,
    index: str = "performance_index",
    insolation: str = "insolation",
    power: str = "power_output",
    irradiance: str = "irradiance_poa",
) -> xr.Dataset:
    """What soiling cost a solar plant in energy and money, and the day on which a cleaning pays best.

    Parameters
    ----------
    data
        dims (time, asset): as for ``degradation_and_soiling``, with the power [kW].
    price
        Of energy [currency/kWh].
    cleaning_cost
        Of one cleaning of one asset [currency]; without it there is no best day.
    currency
        Its name, for the units.
    horizon
        Days to look ahead from the end of the data.
    temperature_coefficient
        Of the modules [1/K], where the index is made.
    index, insolation, power, irradiance
        Fields.

    Returns
    -------
    The data with ``soiling_loss`` (time, asset) [kWh] and, of each asset, ``soiling_lost_energy`` [kWh], ``soiling_lost_money``,
    ``best_cleaning`` (day), ``cleaning_gain`` [currency] of it, negative where it does not pay.

    Raises
    ------
    InputError
        A field is missing.
    """
    daily = _daily(data, temperature_coefficient, index, power, irradiance)
    found = degradation_and_soiling(daily, simulations=0, index=index, insolation=insolation)
    _tell("soiling_cost", found.rates)
    solar = daily is not data
    slots = _slot_energy(data, power)
    ratio = onto_slots(found.daily["soiling_ratio"], data, solar=solar)
    energy = daily_energy(data, found.daily["soiling_ratio"], power=power, solar=solar)
    cost = soiling_cost(
        found, energy, price=price, cleaning_cost=cleaning_cost, currency=currency, horizon=horizon
    ).cost
    with np.errstate(divide="ignore", invalid="ignore"):
        lost = np.where(ratio > 0.05, slots.values * (1 / ratio - 1), np.nan)
    return data.assign(
        {
            "soiling_loss": (("time", "asset"), lost, {"units": "kWh", "long_name": "energy lost to soiling"}),
            "soiling_lost_energy": ("asset", cost["lost_energy"].values, {"units": "kWh"}),
            "soiling_lost_money": ("asset", cost["lost_money"].values, {"units": currency}),
            "best_cleaning": (
                "asset",
                cost["best_cleaning"].values,
                {"long_name": "day on which a cleaning pays best"},
            ),
            "cleaning_gain": ("asset", cost["gain"].values, {"units": currency}),
        }
    )


def _daily(
    data: xr.Dataset,
    coefficient: float,
    index: str,
    power: str,
    irradiance: str,
    compatibility: Literal["", "rdtools-3.2"] = "",
) -> xr.Dataset:
    """``data`` where they have the index by days; else made of power, irradiance and temperature."""
    if index in data:
        if data.sizes["time"] > 1 and slot_length(data) < np.timedelta64(_DAY, "ns"):
            raise InputError(
                f"{index} at less than a day", where=index, found=str(slot_length(data)), expected="daily values",
                hint="leave it out: it is made of power and irradiance",
            )  # fmt: skip
        return data
    return daily_performance(
        data, temperature_coefficient=coefficient, power=power, irradiance=irradiance, compatibility=compatibility
    )


def _places(days: npt.NDArray[np.datetime64], data: xr.Dataset, solar: bool) -> npt.NDArray[np.int64]:
    """Place of each slot among ``days``, (time, asset); by the clock of the sun where the days are."""
    time = data["time"].values.astype("datetime64[ns]").astype(np.int64)
    assets = data.sizes["asset"]
    shift = np.zeros(assets)
    if solar and "longitude" in data.coords:
        east = np.broadcast_to(np.asarray(data["longitude"].values, dtype=np.float64), (assets,))
        shift = np.where(np.isfinite(east), east, 0.0) / 360.0
    first = int(days[0].astype("datetime64[D]").astype(np.int64)) if len(days) else 0
    return (time[:, None] + (shift * _DAY).astype(np.int64)[None, :]) // _DAY - first


def _slot_energy(data: xr.Dataset, power: str) -> xr.DataArray:
    """Energy made in each slot [kWh], (time, asset); what was drawn counts as none."""
    hours = float(slot_length(data) / np.timedelta64(3_600_000_000_000, "ns"))
    return (variable_of(data, power).transpose("time", "asset") * hours).clip(min=0)


def daily_energy(data: xr.Dataset, daily: xr.DataArray, *, power: str, solar: bool = True) -> xr.DataArray:
    """Energy made on each day, as :func:`.cleaning.soiling_cost` takes it.

    Parameters
    ----------
    data
        dims (time, asset): ``power`` [kW]; coordinate ``longitude`` for days of the sun.
    daily
        dims (time, asset), a value of each day: the days wanted.
    solar
        Whether they are days of mean solar time, as those of ``daily_performance``.

    Returns
    -------
    xr.DataArray
        dims (time, asset) of ``daily`` [kWh]; NaN on days without any value.
    """
    slots = _slot_energy(data, power).values
    place = _places(daily["time"].values, data, solar)
    energy = np.full(daily.shape, np.nan)
    for column in range(energy.shape[1]):
        values = slots[:, column]
        there = np.isfinite(values) & (place[:, column] >= 0) & (place[:, column] < len(energy))
        total = np.bincount(place[there, column], values[there], minlength=len(energy))
        count = np.bincount(place[there, column], minlength=len(energy))
        energy[:, column] = np.where(count > 0, total, np.nan)
    return daily.copy(data=energy).assign_attrs({"units": "kWh", "long_name": "energy made"})


def onto_slots(daily: xr.DataArray, data: xr.Dataset, *, solar: bool = True) -> npt.NDArray[np.float64]:
    """The value of its day for each slot, (time, asset); NaN on other days. ``solar`` as in :func:`daily_energy`."""
    values = daily.transpose("time", "asset").values
    place = _places(daily["time"].values, data, solar)
    inside = (place >= 0) & (place < len(values))
    taken = np.take_along_axis(values, np.clip(place, 0, max(len(values) - 1, 0)), axis=0)
    return np.where(inside, taken, np.nan)


def _tell(name: str, rates: xr.Dataset) -> None:
    """Remark why an asset has no figure, and what makes one doubtful."""
    for kind in ("reason", "caution"):
        if kind not in rates:
            continue
        for asset, text in zip(rates["asset"].values, rates[kind].values, strict=True):
            if text:
                remark(f"{name}: {asset}: {text}")
