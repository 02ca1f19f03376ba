"""Daily performance index: energy made over energy expected, from power, irradiance in the plane and temperature.

The expected power is that of PVWatts [1]_, by pvlib: rated power × irradiance / 1000 W/m² × (1 + γ (cell temperature −
25 °C)). A day's index is the sum of what was made over the sum of what was expected, of the slots that tell: enough
irradiance, no clipping, no stop. Slots at which the inverter would clip are left out by what is *expected* of them, not by
what they show: chosen by what they show, there would be ever more of them the more a plant degrades, and the rate with it.
Days are those of mean solar time, so no day is cut by a time zone.

References
----------
.. [1] A. P. Dobos, "PVWatts Version 5 Manual", NREL/TP-6A20-62641, 2014, https://doi.org/10.2172/1158421.
"""

from __future__ import annotations

from typing import Literal

import numba
import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.calendar import slot_length
from workbench.analytics.kpi import variable_of
from workbench.analytics.solar.checks import check_heat, check_irradiance, check_plant, check_power, rating
from workbench.model.errors import InputError
from workbench.steps import remark

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

_NS_DAY = 86_400_000_000_000
_LEAST_SLOTS_HOURS = 1.0  # of a day that counts


def daily_performance(
    data: xr.Dataset,
    *,
    temperature_coefficient: float = -0.004,
    irradiance_range: tuple[float, float] = (200.0, 1200.0),
    clear_sky: xr.DataArray | None = None,
    clear_within: float = 0.15,
    stops: float = 0.7,
    power: str = "power_output",
    irradiance: str = "irradiance_poa",
    compatibility: Literal["", "rdtools-3.2"] = "",
) -> xr.Dataset:
    """Performance index of each day and inverter, and what it rests on.

    Parameters
    ----------
    data
        dims (time, asset): power [kW], irradiance in the plane of the modules [W/m²], of each asset or (time) of all;
        temperature of the cells, the modules or the air [degC] (``cell_temperature``, ``module_temperature``,
        ``ambient_temperature``, ``temperature``: the first that is there), for that of the air ``wind_speed`` [m/s] where
        it is known. Coordinate ``rated_capacity`` (asset) [kW] of the modules; without it the index is in units of its
        own median. Coordinate ``longitude`` for the days; without it they are those of UTC.
    temperature_coefficient
        γ of the modules [1/K].
    irradiance_range
        Irradiance of the slots that count [W/m²].
    clear_sky
        Irradiance in the plane under a clear sky [W/m²], dims as ``irradiance``: only slots within ``clear_within``
        of it are used.
    stops
        A slot below this share of its day's median is a stop or a shadow and does not count.
    compatibility
        ``rdtools-3.2``: neither stops nor clipping are looked for; days are those of UTC.

    Returns
    -------
    xr.Dataset
        dims (time, asset), time is the start of each day: ``performance_index`` [1], NaN with less than an hour that
        counts; ``insolation`` [kWh/m²], of all slots; ``energy``, ``expected_energy`` [kWh] of the slots that count;
        ``used`` [1], their share of those with irradiance enough; and (asset) ``clipping_limit`` [kW], NaN where none is
        seen. ``precipitation_amount`` [mm] where ``data`` have it.

    Raises
    ------
    InputError
        A field is missing, the coefficient is not one, there is no time, or no irradiance at all.
    """
    if not -0.02 < temperature_coefficient < 0.005:
        raise InputError(
            "no temperature coefficient of modules",
            where="temperature_coefficient",
            found=temperature_coefficient,
            expected="1/K, such as -0.004 (not %/K)",
        )
    check_plant(data)
    made_of = variable_of(data, power)
    check_power(data, power, rating(data, "rated_capacity"))
    if made_of.sizes["time"] < 2:
        raise InputError("too few times", where="time", found=made_of.sizes["time"], expected="two or more")
    made = made_of.transpose("time", "asset").values.astype(np.float64)
    shape = made.shape
    poa = _like(data, irradiance, shape)
    check_irradiance(data, irradiance)
    rough = compatibility == "rdtools-3.2"
    if not np.isfinite(poa).any():
        raise InputError("no irradiance", where=irradiance, found="only missing values", expected="W/m²")
    if float(np.nanmax(poa)) < 20:
        raise InputError(
            "irradiance that never reaches 20 W/m²", where=irradiance, found=float(np.nanmax(poa)), hint="kW/m²?"
        )
    cell = _cell_temperature(data, poa, shape)
    rated = _rated(data, made)
    expected = poa / 1000.0 * (1 + temperature_coefficient * (cell - 25.0)) * rated
    hours = float(slot_length(data) / np.timedelta64(3_600_000_000_000, "ns"))
    day, starts = _days(data, shape[1], solar=not rough)
    enough = np.isfinite(made) & np.isfinite(expected)
    enough &= (poa > irradiance_range[0]) & (poa < irradiance_range[1]) & (cell > -50) & (cell < 110)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(enough & (expected > 0), made / expected, np.nan)
    enough &= ratio > 0.01
    blank = ~enough.any(axis=0)
    if blank.any():
        which = ", ".join(map(str, data["asset"].values[blank][:10]))
        remark(f"daily_performance: {which}: no slot with power, irradiance and temperature, and so no index")
    use = enough.copy()
    if clear_sky is not None:
        clear = _values(clear_sky, shape)
        with np.errstate(invalid="ignore", divide="ignore"):
            use &= np.abs(poa / clear - 1) <= clear_within
    limit = np.full(shape[1], np.nan)
    count = len(starts)
    sums = np.zeros((4, count, shape[1]))
    for column in range(shape[1]):
        if not rough:
            limit[column] = clipping_limit(made[:, column], rated[column] if rated.ndim else float(rated))
            if np.isfinite(limit[column]):
                usual = np.nanquantile(np.where(made[:, column] < 0.9 * limit[column], ratio[:, column], np.nan), 0.9)
                use[:, column] &= (expected[:, column] * usual < 0.98 * limit[column]) & (
                    made[:, column] < 0.99 * limit[column]
                )
        sums[:, :, column] = _sum_days(
            made[:, column],
            expected[:, column],
            poa[:, column],
            enough[:, column],
            use[:, column],
            day[:, column],
            count,
            0.0 if rough else stops,
        )
    energy, wanted, number, possible = sums
    insolation = np.stack(
        [np.bincount(day[:, k], np.nan_to_num(np.clip(poa[:, k], 0, None)), minlength=count) for k in range(shape[1])],
        1,
    )
    measured = np.stack([np.bincount(day[:, k], np.isfinite(poa[:, k]), minlength=count) for k in range(shape[1])], 1)
    least = 1 if rough else max(_LEAST_SLOTS_HOURS / hours, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        index = np.where((number >= least) & (wanted > 0), energy / wanted, np.nan)
        used = number / possible
    dims = ("time", "asset")
    known = np.where(measured >= 0.9 * 24 / hours, insolation * hours / 1000.0, np.nan)
    result = xr.Dataset(
        {
            "performance_index": (dims, index, {"units": "1", "long_name": "energy made over energy expected"}),
            "insolation": (dims, known, {"units": "kWh/m2", "long_name": "insolation in the plane of the modules"}),
            "energy": (dims, energy * hours, {"units": "kWh", "long_name": "energy of the slots that count"}),
            "expected_energy": (dims, wanted * hours, {"units": "kWh", "long_name": "energy expected of them"}),
            "used": (dims, used, {"units": "1", "long_name": "share of the slots with sun that count"}),
            "clipping_limit": ("asset", limit, {"units": "kW", "long_name": "power at which the inverter clips"}),
        },
        coords={"time": starts} | {name: at for name, at in data.coords.items() if at.dims in (("asset",), ())},
        attrs={key: data.attrs[key] for key in ("asset_type", "timezone") if key in data.attrs} | {"cadence": "P1D"},
    )
    if "precipitation_amount" in data:
        rain = np.nan_to_num(_like(data, "precipitation_amount", shape))
        total = np.stack([np.bincount(day[:, k], rain[:, k], minlength=count) for k in range(shape[1])], 1)
        result["precipitation_amount"] = (dims, total, {"units": "mm", "long_name": "precipitation of the day"})
    return result


def _values(field: xr.DataArray, shape: tuple[int, ...]) -> Floats:
    values = field.transpose("time", ...).values.astype(np.float64)
    return np.broadcast_to(values if values.ndim == 2 else values[:, None], shape)


def _like(data: xr.Dataset, name: str, shape: tuple[int, ...]) -> Floats:
    return _values(variable_of(data, name), shape)


def _cell_temperature(data: xr.Dataset, poa: Floats, shape: tuple[int, ...]) -> Floats:
    import pvlib.temperature

    for name in ("cell_temperature", "module_temperature", "panel_temperature"):
        if name in data:
            check_heat(data, name)
            return _like(data, name, shape)
    for name in ("ambient_temperature", "temperature"):
        if name in data:
            wind: Floats | float = np.clip(_like(data, "wind_speed", shape), 0, None) if "wind_speed" in data else 1.0
            if isinstance(wind, np.ndarray):
                wind = np.where(np.isfinite(wind), wind, 1.0)
            check_heat(data, name)
            air = _like(data, name, shape)
            found: Floats = pvlib.temperature.faiman(np.clip(poa, 0, None), air, wind)
            return found
    raise InputError(
        "no temperature, and without one the seasons look like a change of the modules",
        where="cell_temperature",
        found=", ".join(map(str, data.data_vars)),
        expected="cell_temperature, module_temperature, ambient_temperature or temperature",
    )


def _rated(data: xr.Dataset, made: Floats) -> Floats:
    """Rated power of each asset [kW]; the largest ever seen where it is not told."""
    highest = np.nanmax(np.where(np.isfinite(made), made, -np.inf), axis=0)
    highest = np.where(np.isfinite(highest) & (highest > 0), highest, np.nan)
    if "rated_capacity" not in data.coords:
        return highest
    told = rating(data, "rated_capacity")
    return np.where(np.isfinite(told), told, highest)


def _days(data: xr.Dataset, assets: int, *, solar: bool) -> tuple[Ints, npt.NDArray[np.datetime64]]:
    """Number of the day of each slot, (time, asset), and the starts of the days by the clock of the sun."""
    time = data["time"].values.astype("datetime64[ns]").astype(np.int64)
    shift = np.zeros(assets)
    if solar and "longitude" in data.coords:
        east = np.broadcast_to(np.asarray(data["longitude"].values, dtype=np.float64), (assets,))
        shift = np.where(np.isfinite(east), east, 0.0) / 360.0
    number = (time[:, None] + (shift * _NS_DAY).astype(np.int64)[None, :]) // _NS_DAY
    first = int(number.min())
    starts = np.arange(first, int(number.max()) + 1).astype("datetime64[D]").astype("datetime64[ns]")
    return number - first, starts


def clipping_limit(power: Floats, rated: float) -> float:
    """Power at which an inverter clips [kW]: the ceiling at which its power stands too often; NaN where it does not.

    Among the slots above 0.9 of the highest power (the 99.9 % quantile), an array that is not limited thins out towards the
    top; a limit heaps up within half a percent of it.
    """
    high = power[np.isfinite(power) & (power > 0.2 * rated)]
    if len(high) < 500:
        return float("nan")
    top = float(np.quantile(high, 0.999))
    near = int((high > 0.99 * top).sum())
    below = int(((high > 0.96 * top) & (high <= 0.99 * top)).sum())
    return top if near > max(below, 0.005 * len(high)) else float("nan")


@numba.njit(cache=True, nogil=True)
def _sum_days(  # type: ignore[no-untyped-def]
    made, expected, poa, enough, use, day, count, stops
):
    """Energy, expected energy, number of slots that count and that could, of each day; (4, count)."""
    out = np.zeros((4, count))
    size = len(made)
    start = 0
    while start < size:
        end = start
        while end < size and day[end] == day[start]:
            end += 1
        here = day[start]
        ratios = np.empty(end - start)
        number = 0
        for row in range(start, end):
            if enough[row]:
                out[3, here] += 1
            if use[row]:
                ratios[number] = made[row] / expected[row]
                number += 1
        if number:
            bound = stops * np.median(ratios[:number]) if stops > 0 else 0.0
            for row in range(start, end):
                if use[row] and made[row] / expected[row] >= bound:
                    out[0, here] += made[row]
                    out[1, here] += expected[row]
                    out[2, here] += 1
        start = end
    return out
