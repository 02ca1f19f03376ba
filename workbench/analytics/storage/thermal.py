"""Temperatures of batteries: alarms with their events, and more heat than the load explains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from workbench.analytics.storage.fields import (
    Bools,
    Floats,
    fact,
    facts_of,
    hours_since,
    maybe,
    names_of,
    power_of,
    prepared,
    slot_hours,
)
from workbench.model.errors import InputError
from workbench.steps import remark, step

if TYPE_CHECKING:
    import pandas as pd

ALARMS = ("hot", "very_hot", "cold_charge", "uneven", "rising", "excess")


@dataclass(frozen=True)
class ThermalLimits:
    """Limits of cells; those of the maker go before these, which are usual for lithium iron phosphate.

    Attributes
    ----------
    hot, very_hot
        Highest cell temperature [degC].
    cold_charge
        Lowest cell temperature at which it may be charged; below it lithium plates [degC].
    uneven
        Hottest above coldest cell [K].
    rising
        Rise of the hottest cell within ten minutes, or a slot where that is longer [K].
    excess
        Above what ambient temperature and load explain [K].
    """

    hot: float = 45.0
    very_hot: float = 55.0
    cold_charge: float = 0.0
    uneven: float = 8.0
    rising: float = 5.0
    excess: float = 5.0


def thermal_alarms(
    data: xr.Dataset, *, limits: ThermalLimits | None = None, hold: float = 10.0, baseline_days: float = 14.0
) -> xr.Dataset:
    """Which alarms each battery's temperatures give at each time.

    Parameters
    ----------
    data
        dims (time, asset): ``cell_temperature_max`` [degC] (or ``cell_temperature_mean``); ``cell_temperature_min``; power or
        ``dc_current`` for charging; ``ambient_temperature`` or ``coolant_temperature`` [degC] for the excess.
    limits
        See :class:`ThermalLimits`.
    hold
        How long a condition must hold [min]; ``very_hot`` and ``rising`` hold at once.
    baseline_days
        First days in which what is usual is learned [day]; an excess is told after them.

    Returns
    -------
    xr.Dataset
        dims (time, asset): ``thermal_hot``, ``thermal_very_hot``, ``thermal_cold_charge``, ``thermal_uneven``,
        ``thermal_rising``, ``thermal_excess``, each whether it is so; ``temperature_excess`` [K], NaN in the baseline.
        dims (asset): ``reason``, which alarms cannot be told and why.

    Raises
    ------
    InputError
        No cell temperature.
    """
    limits = limits or ThermalLimits()
    data = prepared(data)
    top, low, mean = (maybe(data, f"cell_temperature_{k}") for k in ("max", "min", "mean"))
    hottest = top if top is not None else mean
    if hottest is None:
        raise InputError(
            "there is no cell temperature", where="data", expected="cell_temperature_max or cell_temperature_mean"
        )
    lacking = [] if top is not None else ["cell_temperature_max: the mean is taken, which hides a hot cell"]
    shape, hours = hottest.shape, slot_hours(data)
    none = np.zeros(shape, dtype=bool)
    slots = max(1, int(np.ceil(hold / 60.0 / hours - 1e-9)))
    load = _load(data)
    with np.errstate(invalid="ignore"):
        found = {"hot": _held(hottest > limits.hot, slots), "very_hot": hottest > limits.very_hot}
        coldest = low if low is not None else mean
        if coldest is None or load is None:
            found["cold_charge"] = none
            lacking.append("cold_charge: lowest cell temperature or power is missing")
        else:
            found["cold_charge"] = _held((coldest < limits.cold_charge) & (load < -0.01), slots)
        if low is None or top is None:
            found["uneven"] = none
            lacking.append("uneven: the lowest cell temperature is missing")
        else:
            found["uneven"] = _held(top - low > limits.uneven, slots)
        back = max(1, round(1 / 6 / hours))
        rise = np.full(shape, np.nan)
        rise[back:] = hottest[back:] - hottest[:-back]
        found["rising"] = rise > limits.rising
        excess, why = _excess(data, hottest, load, baseline_days)
        found["excess"] = _held(excess > limits.excess, slots)
    if why:
        lacking.append(f"excess: {why}")
    dims = ("time", "asset")
    return xr.Dataset(
        {f"thermal_{n}": (dims, found[n]) for n in ALARMS}
        | {
            "temperature_excess": (
                dims,
                excess,
                {"units": "K", "long_name": "hottest cell above what ambient and load explain"},
            )
        },
        coords={"time": data["time"], **facts_of(data)},
    ).assign(reason=("asset", np.full(shape[1], "; ".join(lacking), dtype=object)))


def thermal_events(alarms: xr.Dataset, data: xr.Dataset) -> pd.DataFrame:
    """The spans of alarms: one row per ``asset``, ``alarm``, ``start``, ``end``, ``hours`` and ``peak``, the hottest cell then [degC].

    Parameters
    ----------
    alarms
        What :func:`thermal_alarms` gives.
    data
        What it was given.
    """
    import pandas as pd

    data = prepared(data)
    top = maybe(data, "cell_temperature_max")
    hottest = top if top is not None else maybe(data, "cell_temperature_mean")
    times, slot = data["time"].values, slot_hours(data)
    rows = []
    for name in ALARMS:
        flags = alarms[f"thermal_{name}"].transpose("time", "asset").values
        for column, asset in enumerate(names_of(data)):
            edges = np.flatnonzero(np.diff(np.concatenate([[0], flags[:, column].astype(np.int8), [0]])))
            for start, end in zip(edges[::2], edges[1::2], strict=True):
                peak = np.nan if hottest is None else np.nanmax(hottest[start:end, column])
                rows.append(
                    {
                        "asset": asset,
                        "alarm": name,
                        "start": times[start],
                        "end": times[end - 1] + np.timedelta64(round(slot * 3600), "s"),
                        "hours": (end - start) * slot,
                        "peak": float(peak),
                    }
                )
    table = pd.DataFrame(rows, columns=["asset", "alarm", "start", "end", "hours", "peak"])
    return table.sort_values(["start", "asset"], kind="stable").reset_index(drop=True)


def _load(data: xr.Dataset) -> Floats | None:
    """Power or current over its rating or largest, positive while discharging; None where neither is there."""
    try:
        power = power_of(data)
    except InputError as error:
        if "sign" in error.message:
            raise
        current = maybe(data, "dc_current")
        return None if current is None else current / np.maximum(np.nanmax(np.abs(current), axis=0, initial=0.0), 1e-9)
    flow = power.discharge - power.charge
    rating = fact(data, "rated_capacity")
    return flow / np.where(np.isfinite(rating), rating, np.maximum(np.nanmax(np.abs(flow), axis=0, initial=0.0), 1e-9))


def _held(flags: Bools, slots: int) -> Bools:
    """Where a condition has held for so many slots."""
    if slots <= 1:
        return flags
    sums = np.concatenate([np.zeros((1, flags.shape[1]), dtype=np.int64), np.cumsum(flags, axis=0)])
    found = np.zeros_like(flags)
    found[slots - 1 :] = sums[slots:] - sums[:-slots] == slots
    return found


def _excess(data: xr.Dataset, hottest: Floats, load: Floats | None, baseline_days: float) -> tuple[Floats, str]:
    """Hottest cell above a straight line of ambient temperature and load, both as they fade with hours; why it is not told."""
    from scipy.signal import lfilter

    nothing = np.full(hottest.shape, np.nan)
    around = maybe(data, "ambient_temperature")
    around = around if around is not None else maybe(data, "coolant_temperature")
    if around is None or load is None:
        return nothing, "ambient (or coolant) temperature or power is missing"
    hours = hours_since(data)
    early = hours < 24 * baseline_days
    if early.all():
        return nothing, f"the data are no longer than the {baseline_days:g} days of the baseline"
    slot = slot_hours(data)
    for column in range(hottest.shape[1]):
        parts = [np.ones(len(hours))]
        for fades in (0.05, 1.0, 4.0, 12.0):
            keep = float(np.exp(-slot / fades))
            for series in (around[:, column], load[:, column] ** 2, np.abs(load[:, column])):
                filled = np.nan_to_num(series, nan=float(np.nanmean(series)) if np.isfinite(series).any() else 0.0)
                parts.append(lfilter([1 - keep], [1, -keep], filled, zi=[keep * filled[0]])[0])
        design = np.stack(parts, axis=1)
        use = early & np.isfinite(hottest[:, column])
        if use.sum() < 100:
            continue
        # a little ridge: the parts are much alike
        scale = design[use].std(axis=0)
        scale[0] = 1.0
        scaled = design / np.where(scale > 1e-9, scale, 1.0)
        gram = scaled[use].T @ scaled[use] + 1e-3 * use.sum() * np.diag([0.0] + [1.0] * (len(parts) - 1))
        weights = np.linalg.solve(gram, scaled[use].T @ hottest[use, column])
        nothing[:, column] = np.where(early, np.nan, hottest[:, column] - scaled @ weights)
    return nothing, ""


@step("thermal_alarms")
def add_thermal_alarms(
    data: xr.Dataset,
    *,
    hot: float = 45.0,
    very_hot: float = 55.0,
    cold_charge: float = 0.0,
    uneven: float = 8.0,
    rising: float = 5.0,
    excess: float = 5.0,
    hold: float = 10.0,
    baseline_days: float = 14.0,
) -> xr.Dataset:
    """Alarms of the cells' temperatures: too hot, charged in the cold, uneven, rising, more than the load explains.

    Parameters
    ----------
    data
        dims (time, asset), see :func:`thermal_alarms`.
    hot, very_hot, cold_charge
        [degC].
    uneven, rising, excess
        [K].
    hold
        How long a condition must hold [min].
    baseline_days
        First days in which what is usual is learned [day].

    Returns
    -------
    The data with ``thermal_hot``, ``thermal_very_hot``, ``thermal_cold_charge``, ``thermal_uneven``, ``thermal_rising``,
    ``thermal_excess`` and ``temperature_excess`` [K], dims (time, asset).

    Raises
    ------
    InputError
        No cell temperature.
    """
    data = prepared(data)
    limits = ThermalLimits(hot, very_hot, cold_charge, uneven, rising, excess)
    found = thermal_alarms(data, limits=limits, hold=hold, baseline_days=baseline_days)
    for text in dict.fromkeys(found["reason"].values):
        if text:
            remark(f"thermal_alarms: not told: {text}")
    return data.assign({str(n): found[n].variable for n in found.data_vars if n != "reason"})
