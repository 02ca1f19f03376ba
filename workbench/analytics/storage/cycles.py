"""Cycles of batteries: rainflow counts, equivalent full cycles, depth of discharge, where a battery rests.

The count is that of ASTM E1049-85 (2017), 5.4.4: half cycles are counted as halves. It is compiled, as a year of five
hundred batteries has 26 million values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np
import xarray as xr

from workbench.analytics.calendar import Step, edges_of, periods, place, window_of
from workbench.analytics.storage.fields import (
    Floats,
    Ints,
    fact,
    facts_of,
    maybe,
    names_of,
    need,
    power_of,
    prepared,
    slot_hours,
)
from workbench.model.errors import InputError
from workbench.steps import step

if TYPE_CHECKING:
    import pandas as pd

_IDLE = 0.01  #: of the rating: power below it is rest


@numba.njit(cache=True, nogil=True)
def _reversals(values: Floats, least: float) -> Ints:
    """Rows of the turning points, ends included; a turn counts where the series comes back by more than ``least``."""
    found = np.empty(len(values), dtype=np.int64)
    size = 0
    low = high = -1
    direction = 0
    for i in range(len(values)):
        if np.isnan(values[i]):
            continue
        if low < 0:
            low = high = i
            continue
        if values[i] > values[high] or (direction >= 0 and values[i] == values[high]):
            high = i
        if values[i] < values[low] or (direction <= 0 and values[i] == values[low]):
            low = i
        if direction >= 0 and values[high] - values[i] > least:
            if direction == 0 and low < high and size == 0:
                found[size] = low
                size += 1
            found[size] = high
            size += 1
            direction, low = -1, i
        elif direction <= 0 and values[i] - values[low] > least:
            if direction == 0 and high < low and size == 0:
                found[size] = high
                size += 1
            found[size] = low
            size += 1
            direction, high = 1, i
        if direction == 1 and values[i] >= values[high]:
            high = i
        if direction == -1 and values[i] <= values[low]:
            low = i
    if size and direction == 1 and high != found[size - 1]:
        found[size] = high
        size += 1
    elif size and direction == -1 and low != found[size - 1]:
        found[size] = low
        size += 1
    return found[:size]


@numba.njit(cache=True, nogil=True)
def _rainflow(values: Floats, rows: Ints) -> tuple[Floats, Floats, Floats, Ints, Ints]:
    n = len(rows)
    depth, mean, count = np.empty(n), np.empty(n), np.empty(n)
    first, last = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    stack = np.empty(n, dtype=np.int64)
    size = found = 0
    for i in range(n):
        stack[size] = rows[i]
        size += 1
        while size >= 3:
            x = abs(values[stack[size - 1]] - values[stack[size - 2]])
            y = abs(values[stack[size - 2]] - values[stack[size - 3]])
            if x < y:
                break
            a, b = stack[size - 3], stack[size - 2]
            depth[found], mean[found], first[found], last[found] = y, (values[a] + values[b]) / 2, a, b
            if size == 3:  # it holds the start of the series
                count[found] = 0.5
                stack[0], stack[1] = stack[1], stack[2]
                size = 2
            else:
                count[found] = 1.0
                stack[size - 3] = stack[size - 1]
                size -= 2
            found += 1
    for i in range(size - 1):
        a, b = stack[i], stack[i + 1]
        depth[found], mean[found] = abs(values[b] - values[a]), (values[a] + values[b]) / 2
        first[found], last[found], count[found] = a, b, 0.5
        found += 1
    return depth[:found], mean[:found], count[:found], first[:found], last[:found]


def rainflow(values: Floats, least: float = 0.0) -> tuple[Floats, Floats, Floats, Ints, Ints]:
    """Cycles of a series by ASTM E1049-85, in the order in which they close.

    Parameters
    ----------
    values
        [n]; missing values are passed over.
    least
        Turns smaller than this are none.

    Returns
    -------
    range, mean
        Of each cycle, in the unit of the values.
    count
        1, or 0.5 for a half cycle.
    first, last
        Rows of its two ends.
    """
    series = np.ascontiguousarray(values, dtype=np.float64)
    return _rainflow(series, _reversals(series, float(least)))


def cycle_table(data: xr.Dataset, *, soc: str = "", least: float = 1.0) -> pd.DataFrame:
    """Each cycle of each battery.

    Parameters
    ----------
    data
        dims (time, asset): ``soc_recount`` or ``state_of_charge`` [%]; ``cell_temperature_mean`` [degC] where there is one.
    soc
        The field to count; the first of the two that is there if left out.
    least
        Depth below which a turn is noise [%].

    Returns
    -------
    One row per cycle: ``asset``, ``start``, ``end`` (from one end of the range to the other), ``depth`` [%], ``mean_soc`` [%],
    ``count`` (1 or 0.5), ``hours`` [h], ``temperature`` [degC], mean from start to end.

    Raises
    ------
    InputError
        No state of charge.
    """
    import pandas as pd

    data = prepared(data)
    levels = _soc(data, soc)
    heat = maybe(data, "cell_temperature_mean")
    times, hours = data["time"].values, slot_hours(data) if data.sizes["time"] > 1 else 0.0
    tables = []
    for column, name in enumerate(names_of(data)):
        depth, mean, count, first, last = rainflow(levels[:, column], least)
        table = pd.DataFrame(
            {
                "asset": name,
                "start": times[first],
                "end": times[last],
                "depth": depth,
                "mean_soc": mean,
                "count": count,
                "hours": (last - first) * hours,
            }
        )
        if heat is not None:
            known = np.isfinite(heat[:, column])
            total = np.concatenate([[0.0], np.cumsum(np.where(known, heat[:, column], 0.0))])
            number = np.concatenate([[0], np.cumsum(known)])
            seen = number[last + 1] - number[first]
            table["temperature"] = np.where(seen > 0, (total[last + 1] - total[first]) / np.maximum(seen, 1), np.nan)
        else:
            table["temperature"] = np.nan
        tables.append(table.sort_values("start"))
    return pd.concat(tables, ignore_index=True)


def _soc(data: xr.Dataset, name: str) -> Floats:
    if name:
        return need(data, name)
    return need(data, "soc_recount" if "soc_recount" in data else "state_of_charge", "and cycles are of it")


def cycle_summary(
    data: xr.Dataset, *, by: Step | None = None, tz: str = "UTC", soc: str = "", least: float = 1.0
) -> xr.Dataset:
    """How each battery is used: cycles, depth, where it rests.

    Parameters
    ----------
    data
        As for :func:`cycle_table`; with power (see :func:`~workbench.analytics.storage.fields.power_of`) and
        ``energy_capacity`` also what passed through; ``rated_capacity`` tells rest.
    by, tz
        By days, months or years of that clock; all at once if left out. Each period is counted by itself.
    soc, least
        See :func:`cycle_table`.

    Returns
    -------
    xr.Dataset
        dims (asset) or (period, asset): ``equivalent_full_cycles`` [1], half the sum of all changes of the state of charge that
        are no noise; ``energy_full_cycles`` [1], energy discharged over energy capacity when new; ``cycles`` [1], rainflow
        cycles; ``depth_mean``, ``depth_p95`` [%], weighted by count; ``soc_mean``, ``soc_resting`` [%], mean at rest;
        ``soc_lowest``, ``soc_highest`` [%]; ``resting`` [1], share of the time; ``hours`` [h] with a state of charge; ``reason``.

    Raises
    ------
    InputError
        No state of charge, or a reversed sign.
    """
    data = prepared(data)
    levels = _soc(data, soc)
    span = window_of(data)
    import pandas as pd

    labels, edges = pd.DatetimeIndex([span[0]]), edges_of(span)
    if by is not None:
        labels, edges = periods(span, by, tz)
    when, hours = place(data["time"].values, edges), slot_hours(data)
    try:
        power = power_of(data)
    except InputError as error:
        if "sign" in error.message:
            raise
        power = None
    rating, new = fact(data, "rated_capacity"), fact(data, "energy_capacity")
    names = (
        "equivalent_full_cycles", "energy_full_cycles", "cycles", "depth_mean", "depth_p95", "soc_mean", "soc_resting",
        "soc_lowest", "soc_highest", "resting", "hours",
    )  # fmt: skip
    shape = (len(labels), data.sizes["asset"])
    table = {n: np.full(shape, np.nan) for n in names}
    reason = np.full(shape, "", dtype=object)
    for row in range(shape[0]):
        rows = np.flatnonzero(when == row)
        for column in range(shape[1]):
            level = levels[rows, column]
            known = np.isfinite(level)
            table["hours"][row, column] = known.sum() * hours
            if known.sum() < 3:
                reason[row, column] = f"{known.sum()} slots with a state of charge"
                continue
            depth, _, count, _, _ = rainflow(level, least)
            found = {"equivalent_full_cycles": float((depth * count).sum()) / 100.0, "cycles": float(count.sum())}
            if len(depth):
                order = np.argsort(depth)
                share = np.cumsum(count[order]) / count.sum()
                found["depth_mean"] = float((depth * count).sum() / count.sum())
                found["depth_p95"] = float(depth[order][np.searchsorted(share, 0.95)])
            found |= {
                "soc_mean": float(level[known].mean()),
                "soc_lowest": float(level[known].min()),
                "soc_highest": float(level[known].max()),
            }
            if power is not None:
                out, into = power.discharge[rows, column], power.charge[rows, column]
                flow = out + into
                top = rating[column] if np.isfinite(rating[column]) else np.nanmax(flow, initial=0.0)
                rest = known & (flow < _IDLE * top)
                measured = known & np.isfinite(flow)
                if measured.any():
                    found["resting"] = float(rest.sum() / measured.sum())
                    found["energy_full_cycles"] = float(np.nansum(out)) * hours / new[column]
                if rest.any():
                    found["soc_resting"] = float(level[rest].mean())
            for name, value in found.items():
                table[name][row, column] = value
    per_cent = {"depth_mean", "depth_p95", "soc_mean", "soc_resting", "soc_lowest", "soc_highest"}
    units = {n: "%" if n in per_cent else "h" if n == "hours" else "1" for n in names}
    result = xr.Dataset(
        {n: (("period", "asset"), v, {"units": units[n]}) for n, v in table.items()},
        coords={"period": labels.to_numpy(), **facts_of(data)},
        attrs={"least": least, "time_zone": tz},
    ).assign(reason=(("period", "asset"), reason))
    return result if by is not None else result.isel(period=0, drop=True)


@step("battery_cycles")
def add_cycles(data: xr.Dataset, *, soc: str = "state_of_charge", least: float = 1.0) -> xr.Dataset:
    """Equivalent full cycles, depth and resting state of charge of each battery, for the whole of the data.

    Parameters
    ----------
    data
        dims (time, asset), see :func:`cycle_summary`.
    soc
        The state of charge to count [%].
    least
        Depth below which a turn is noise [%].

    Returns
    -------
    The data with ``equivalent_full_cycles``, ``rainflow_cycles`` [1], ``depth_mean``, ``depth_p95`` and ``soc_resting`` [%], dims
    (asset).

    Raises
    ------
    InputError
        No state of charge, or a reversed sign.
    """
    data = prepared(data)
    found = cycle_summary(data, soc=soc, least=least)
    names = {
        "equivalent_full_cycles": "equivalent_full_cycles", "rainflow_cycles": "cycles", "depth_mean": "depth_mean",
        "depth_p95": "depth_p95", "soc_resting": "soc_resting",
    }  # fmt: skip
    return data.assign({n: ("asset", found[s].values, {"units": found[s].attrs["units"]}) for n, s in names.items()})
