"""Cells: how far their voltages lie apart, and which are the weakest and why.

Of a battery that reports its lowest and highest cell alone the spread is told; which cell it is takes data of cells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from workbench.analytics.storage.fields import Bools, Floats, facts_of, hours_since, maybe, need, prepared, texts
from workbench.steps import step

if TYPE_CHECKING:
    import pandas as pd

_CELLS_NEEDED = 4  #: in one battery, to call one of them an outlier
_SPIKE = 3.5  #: robust standard deviations from the others


def cell_voltage_spread(data: xr.Dataset) -> xr.DataArray:
    """Highest less lowest cell voltage of each battery, (time, asset) [V].

    Parameters
    ----------
    data
        dims (time, asset): ``cell_voltage_min`` and ``cell_voltage_max`` [V].

    Raises
    ------
    InputError
        They are not there: the battery reports no cells.
    """
    data = prepared(data)
    why = "the battery reports no cells; without them a spread cannot be told"
    found = need(data, "cell_voltage_max", why) - need(data, "cell_voltage_min", why)
    return xr.DataArray(
        np.where(found >= 0, found, np.nan), dims=("time", "asset"), coords={"time": data["time"], **facts_of(data)},
        attrs={"units": "V", "long_name": "highest less lowest cell voltage"},
    )  # fmt: skip


def cell_spread(data: xr.Dataset, *, limit: float = 0.05, level: float = 0.9) -> xr.Dataset:
    """Spread of each battery's cells: at rest and under load, its growth, and its days above a limit.

    Parameters
    ----------
    data
        dims (time, asset): ``cell_voltage_min``, ``cell_voltage_max`` [V]; ``dc_current`` [A] and ``state_of_charge`` [%] where there.
    limit
        Spread at rest between 20 and 80 % of charge, beyond which cells want balancing [V].
    level
        Of the interval of the growth.

    Returns
    -------
    xr.Dataset
        dims (asset): ``median``, ``p95`` [mV] of all slots, ``at_rest`` [mV] (median where the current is below a fiftieth of its
        largest, between 20 and 80 % of charge if that is known), ``growth``, ``growth_lower``, ``growth_upper`` [mV/month],
        Theil-Sen of the days' medians at rest; ``growing``, whether the interval is above zero and a tenth of the spread;
        ``days_above``; ``days``; ``reason``.

    Raises
    ------
    InputError
        The battery reports no cells.
    """
    from scipy.stats import theilslopes

    data = prepared(data)
    spread = 1000.0 * cell_voltage_spread(data).values
    current, soc = maybe(data, "dc_current"), maybe(data, "state_of_charge")
    quiet = np.isfinite(spread)
    if current is not None:
        with np.errstate(invalid="ignore"):
            quiet &= np.abs(current) < 0.02 * np.nanmax(np.abs(current), axis=0, initial=0.0)
    if soc is not None:
        middle = quiet & (soc > 20) & (soc < 80)
        # a battery that never rests in the middle is told where it rests
        quiet = np.where(middle.sum(axis=0) >= 20, middle, quiet)
    day = data["time"].values.astype("datetime64[D]").astype(np.int64)
    names = ("median", "p95", "at_rest", "growth", "growth_lower", "growth_upper", "days_above", "days")
    table = {n: np.full(spread.shape[1], np.nan) for n in names}
    growing, reason = np.zeros(spread.shape[1], dtype=bool), np.full(spread.shape[1], "", dtype=object)
    for column in range(spread.shape[1]):
        values = spread[np.isfinite(spread[:, column]), column]
        if not len(values):
            reason[column] = "no cell voltages were measured"
            continue
        table["median"][column], table["p95"][column] = np.percentile(values, [50, 95])
        rows = np.flatnonzero(quiet[:, column])
        if not len(rows):
            reason[column] = "never at rest: the spread at rest and its growth are not told"
            continue
        days, group = np.unique(day[rows], return_inverse=True)
        middle_of = np.array([np.median(spread[rows[group == g], column]) for g in range(len(days))])
        table["at_rest"][column] = np.median(middle_of)
        table["days"][column], table["days_above"][column] = len(days), (middle_of > 1000 * limit).sum()
        if len(days) < 10:
            reason[column] = f"{len(days)} days with a rest: too few for a growth"
            continue
        slope, _, low, high = theilslopes(middle_of, days, level)
        table["growth"][column], table["growth_lower"][column], table["growth_upper"][column] = (
            30.44 * s for s in (slope, low, high)
        )
        growing[column] = low > 0 and 30.44 * slope > 0.1 * table["at_rest"][column]
    units = dict.fromkeys(names[:3], "mV") | dict.fromkeys(names[3:6], "mV/month") | dict.fromkeys(names[6:], "1")
    result = xr.Dataset({n: ("asset", v, {"units": units[n]}) for n, v in table.items()}, coords=facts_of(data))
    return result.assign(growing=("asset", growing), reason=("asset", reason))


def weakest_cells(cells: xr.Dataset, *, current: xr.DataArray | None = None, parent: str = "parent") -> pd.DataFrame:
    """Cells by how far they fall behind the others of their battery, and in what way.

    Parameters
    ----------
    cells
        dims (time, asset), an asset per cell (or cells in parallel): ``voltage`` [V]; ``current`` [A] where there is one.
        Coordinate ``parent`` (asset): the battery or rack; all are of one where it is missing.
    current
        Of the battery, positive while discharging: dims (time) or (time, asset) with batteries as assets [A]; in the
        place of ``current``.
    parent
        The coordinate that groups them.

    Returns
    -------
    One row per cell, weakest first: ``cell``, ``parent``; ``low_end``, ``high_end`` [mV], median beside the median cell while the
    battery is in the lowest and highest tenth of its voltage, freed of resistance; ``resistance`` [mOhm] above the median
    cell's; ``self_discharge`` [mV/month], by which it falls against the others at rest; ``score``, the largest of these in
    robust standard deviations of its battery; ``kind``: ``low capacity`` (low when empty, high when full), ``behind`` (low at
    both ends: less charged), ``ahead``, ``resistance``, ``self-discharge``, or empty where it is like the others; ``reason``.

    Raises
    ------
    InputError
        No voltage of cells.
    """
    import pandas as pd

    cells = prepared(cells)
    voltage = need(cells, "voltage", "that of each cell; a battery without cells has its spread at most")
    groups = np.array(texts(cells, parent), dtype=object)
    hours = hours_since(cells)
    own = maybe(cells, "current")
    rows = []
    for group in dict.fromkeys(groups):
        columns = np.flatnonzero(groups == group)
        flow = None if own is None else own[:, columns]
        if current is not None:
            at = current.reindex(time=cells["time"].values)
            picked = at if "asset" not in at.dims else at.sel(asset=group) if group in at["asset"].values else None
            flow = (
                None if picked is None else np.repeat(np.asarray(picked.values, float)[:, None], len(columns), axis=1)
            )
        found = _of_battery(voltage[:, columns], flow, hours)
        for number, column in enumerate(columns):
            rows.append(
                {"cell": str(cells["asset"].values[column]), "parent": str(group)}
                | {k: v[number] for k, v in found.items()}
            )
    table = pd.DataFrame(rows)
    return table.sort_values("score", ascending=False, na_position="last", kind="stable").reset_index(drop=True)


def _of_battery(voltage: Floats, flow: Floats | None, hours: Floats) -> dict[str, np.ndarray]:
    size = voltage.shape[1]
    nan = np.full(size, np.nan)
    found = {"low_end": nan.copy(), "high_end": nan.copy(), "resistance": nan.copy(), "self_discharge": nan.copy()}
    blank = found | {"score": nan.copy(), "kind": np.full(size, "", dtype=object)}
    if size < _CELLS_NEEDED:
        return blank | {
            "reason": np.full(size, f"{size} cells in the battery: {_CELLS_NEEDED} are needed to compare", dtype=object)
        }
    rows = np.flatnonzero(np.isfinite(voltage).sum(axis=1) >= max(_CELLS_NEEDED, size // 2))
    if len(rows) < 20:
        return blank | {"reason": np.full(size, f"{len(rows)} times at which most cells were measured", dtype=object)}
    v, t = voltage[rows], hours[rows]
    middle = np.nanmedian(v, axis=1)
    off = v - middle[:, None]
    rest, usual = np.ones(len(rows), dtype=bool), 1.0
    if flow is not None:
        i = flow[rows]
        step_i, step_v = np.diff(i, axis=0), np.diff(off, axis=0)
        use = np.isfinite(step_i) & np.isfinite(step_v) & (np.diff(rows) == 1)[:, None]
        total = np.where(use, step_i**2, 0.0).sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            slope = np.where(total > 0, -np.where(use, step_i * step_v, 0.0).sum(axis=0) / total, np.nan)
        found["resistance"] = 1000.0 * slope
        # that of the median cell
        i_mid, v_mid = np.diff(np.nanmedian(i, axis=1)), np.diff(middle)
        together = np.isfinite(i_mid) & np.isfinite(v_mid) & (np.diff(rows) == 1)
        square = float((i_mid[together] ** 2).sum())
        usual = max(-1000.0 * float((i_mid[together] * v_mid[together]).sum()) / square, 1e-6) if square > 0 else 1.0
        off = off + np.nan_to_num(slope) * np.nan_to_num(i)
        with np.errstate(invalid="ignore"):
            rest = np.nanmedian(np.abs(i), axis=1) < 0.02 * np.nanmax(np.abs(i), initial=0.0)
    low, high = np.quantile(middle, [0.1, 0.9])
    for name, at in (("low_end", middle <= low), ("high_end", middle >= high)):
        found[name] = 1000.0 * np.nanmedian(off[at], axis=0)
    # at rest and away from the ends, where the voltage hangs least on how the cells are charged
    calm = rest & (middle > low) & (middle < high)
    calm = calm if calm.sum() >= 20 else rest
    found["self_discharge"] = _falls(off, t, calm)
    # no difference that a sensor of a millivolt, or two per cent of a resistance, may make
    least = {"low_end": 0.5, "high_end": 0.5, "resistance": 0.02 * usual, "self_discharge": 1.0}
    scores = {n: _robust(values, least[n]) for n, values in found.items()}
    kind = np.full(size, "", dtype=object)
    score = np.fmax.reduce([np.abs(s) for s in scores.values()])
    under, over = scores["low_end"], scores["high_end"]
    kind[(under < -_SPIKE) & (over < -_SPIKE)] = "behind"
    kind[(under > _SPIKE) & (over > _SPIKE)] = "ahead"
    kind[((under < -_SPIKE) | (over > _SPIKE)) & (kind == "")] = "low capacity"
    kind[(scores["resistance"] > _SPIKE) & (np.abs(scores["resistance"]) >= score - 1e-9)] = "resistance"
    kind[(scores["self_discharge"] > _SPIKE) & (np.abs(scores["self_discharge"]) >= score - 1e-9)] = "self-discharge"
    return found | {
        "score": score,
        "kind": kind,
        "reason": np.full(size, "" if flow is not None else "no current: resistance is not told", dtype=object),
    }


def _falls(off: Floats, t: Floats, use: Bools) -> Floats:
    """How fast each cell falls behind at rest [mV/month]; zero with less than five days."""
    day = np.floor(t[use] / 24.0).astype(np.int64)
    days = np.unique(day)
    if len(days) < 5:
        return np.zeros(off.shape[1])
    daily = np.array([np.nanmedian(off[use][day == d], axis=0) for d in days])
    x = (days - days.mean())[:, None]
    with np.errstate(invalid="ignore"):
        slope = np.nansum(x * (daily - np.nanmean(daily, axis=0)), axis=0) / np.nansum(
            np.where(np.isfinite(daily), x**2, 0.0), axis=0
        )
    return np.asarray(-1000.0 * 30.44 * slope, dtype=np.float64)


def _robust(values: Floats, least: float) -> Floats:
    """Distance from the median in robust standard deviations, which are ``least`` or more."""
    if not np.isfinite(values).any():
        return np.zeros(len(values))
    middle = np.nanmedian(values)
    spread = 1.4826 * np.nanmedian(np.abs(values - middle))
    found: Floats = np.nan_to_num((values - middle) / max(float(spread), least))
    return found


@step("cell_spread")
def add_cell_spread(data: xr.Dataset, *, output_field: str = "cell_voltage_spread") -> xr.Dataset:
    """Highest less lowest cell voltage of each battery at each time.

    Parameters
    ----------
    data
        dims (time, asset): ``cell_voltage_min``, ``cell_voltage_max`` [V].
    output_field
        What the spread is called.

    Returns
    -------
    The data with the spread [V], dims (time, asset).

    Raises
    ------
    InputError
        The battery reports no cells.
    """
    data = prepared(data)
    return data.assign({output_field: cell_voltage_spread(data).drop_vars(list(facts_of(data)), errors="ignore")})
