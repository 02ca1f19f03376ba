"""What soiling costs, and when a cleaning pays best.

What was lost: the energy of a day, divided by its soiling ratio, is what a clean plant would have made [1]_.

What a cleaning on a day to come brings: the loss expected by then, times the value of the energy of each day after, as long as
no rain would have cleaned anyway. Months' rates of soiling, chances of a natural cleaning and energies are those the
plant has shown; months with few days lean on the whole year.

References
----------
.. [1] IEC 61724-1:2021, Photovoltaic system performance, Part 1: Monitoring (soiling ratio); M. G. Deceglie, L. Micheli, M. Muller,
   IEEE Journal of Photovoltaics 8(2), 2018, https://doi.org/10.1109/JPHOTOV.2017.2784682.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.solar.degradation_soiling import DegradationSoiling
from workbench.model.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]

_LEAN = 30.0  # days of the whole year's mean that a month's own figure is mixed with


@dataclass(frozen=True)
class SoilingCost:
    """What :func:`soiling_cost` finds.

    Attributes
    ----------
    cost
        dims (asset): ``lost_energy`` [kWh] and ``lost_money`` by soiling in the period; with the cost of a cleaning also
        ``best_cleaning`` (day), ``gain`` [money] of that cleaning after its cost (negative: it does not pay),
        ``interval`` [day], how often to clean by hand if it never rained; the text ``reason`` where there is no figure.
    daily
        dims (time, asset): ``soiling_loss`` [kWh].
    outlook
        dims (day, asset): of a cleaning on each day to come, ``gain`` [money] after its cost; ``expected_loss`` [1] by then.
    """

    cost: xr.Dataset
    daily: xr.Dataset
    outlook: xr.Dataset
    summary: pd.DataFrame = field(repr=False)


def soiling_cost(
    found: DegradationSoiling,
    energy: xr.DataArray,
    *,
    price: float | xr.DataArray,
    cleaning_cost: float | None = None,
    currency: str = "EUR",
    horizon: int = 365,
) -> SoilingCost:
    """Energy and money lost by soiling, and the best day for the next cleaning.

    Parameters
    ----------
    found
        From :func:`.degradation_soiling.degradation_and_soiling`.
    energy
        dims (time, asset): energy made each day, all of it [kWh]. Days without a value count as the mean of their month
        in the outlook, and as nothing in what was lost.
    price
        Of energy [money/kWh]: a number, or (time) or (time, asset) a day for the past; the mean of it is used for the outlook.
    cleaning_cost
        Of one cleaning of one asset [money]; without it there is no outlook.
    horizon
        Days to look ahead.

    Raises
    ------
    InputError
        A price or cost is negative, the energy is no number or has other assets, or there is no day in common.
    """
    import pandas as pd

    if cleaning_cost is not None and cleaning_cost < 0:
        raise InputError("negative cost", where="cleaning_cost", found=cleaning_cost)
    if horizon < 1:
        raise InputError("no day ahead", where="horizon", found=horizon, expected="1 or more")
    daily = found.daily
    if energy.dtype.kind not in "fiu":
        raise InputError("not numbers", where="energy", found=str(energy.dtype), expected="energy of each day [kWh]")
    made = energy.transpose("time", "asset")
    if [str(a) for a in made["asset"].values] != [str(a) for a in daily["asset"].values]:
        raise InputError("other assets than the soiling", where="energy", found=list(map(str, made["asset"].values)))
    made = made.assign_coords(time=made["time"].values.astype("datetime64[D]").astype("datetime64[ns]"))
    made = made.reindex(time=daily["time"])
    if not len(daily["time"]) or not bool(made.notnull().any()):
        raise InputError("no day of which soiling and energy are known", where="energy")
    worth = price if isinstance(price, xr.DataArray) else xr.DataArray(float(price))
    if bool((worth < 0).any()):
        raise InputError("negative price", where="price", found=float(worth.min()), hint="soiling then saves money")
    if "time" in worth.dims:
        worth = worth.reindex(time=daily["time"], method="ffill")
    lost = (made * (1 / daily["soiling_ratio"] - 1)).where(daily["soiling_ratio"] > 0.05)
    lost = lost.transpose("time", "asset").assign_attrs(units="kWh", long_name="energy lost to soiling")
    money = (lost * worth).sum("time")
    names = [str(name) for name in daily["asset"].values]
    rows: list[dict[str, Any]] = []
    last = daily["time"].values[-1].astype("datetime64[D]")
    ahead = last + 1 + np.arange(horizon)
    gains, losses = np.full((horizon, len(names)), np.nan), np.full((horizon, len(names)), np.nan)
    for column, name in enumerate(names):
        reason = str(found.rates["reason"].values[column])
        row: dict[str, Any] = {
            "lost_energy": float("nan") if reason else float(lost[:, column].sum()),
            "lost_money": float("nan") if reason else float(money[column]),
            "best_cleaning": np.datetime64("NaT", "ns"),
            "gain": float("nan"),
            "interval": float("nan"),
            "reason": reason,
        }
        if cleaning_cost is not None and not reason:
            value = float(worth.mean() if "asset" not in worth.dims else worth.isel(asset=column).mean())
            one = _outlook(found, name, column, made.values[:, column], lost.values[:, column], ahead, value)
            gains[:, column], losses[:, column] = one[0] - cleaning_cost, one[1]
            best = int(np.argmax(gains[:, column]))
            row["best_cleaning"] = ahead[best].astype("datetime64[ns]")
            row["gain"] = float(gains[best, column])
            # the cost of a cleaning equals what soiling has taken since the last: n² r E p / 2 = cost
            pace = one[2] * one[3] * value
            row["interval"] = float(np.sqrt(2 * cleaning_cost / pace)) if pace > 0 else float("inf")
        rows.append(row)
    table = pd.DataFrame(rows, index=pd.Index(names, name="asset"))
    units = {"lost_energy": "kWh", "lost_money": currency, "gain": currency, "interval": "day"}
    facts = {key: at for key, at in daily.coords.items() if at.dims == ("asset",)}
    cost = xr.Dataset(
        {str(n): ("asset", v.to_numpy(), {"units": units[str(n)]} if n in units else {}) for n, v in table.items()},
        coords=facts,
        attrs={"currency": currency, "cleaning_cost": float("nan") if cleaning_cost is None else cleaning_cost},
    )
    outlook = xr.Dataset(
        {
            "gain": (("day", "asset"), gains, {"units": currency, "long_name": "gain of a cleaning on the day"}),
            "expected_loss": (("day", "asset"), losses, {"units": "1", "long_name": "loss by soiling expected"}),
        },
        coords={"day": ahead.astype("datetime64[ns]"), "asset": names},
    )
    return SoilingCost(cost, lost.to_dataset(name="soiling_loss"), outlook, table)


def _by_month(month: npt.NDArray[np.int64], values: Floats, weight: Floats) -> Floats:
    """Weighted mean of each month, mixed with that of the year."""
    total = float(weight.sum())
    whole = float((values * weight).sum() / total) if total > 0 else 0.0
    count = np.bincount(month, weight, minlength=12)
    found: Floats = (np.bincount(month, values * weight, minlength=12) + _LEAN * whole) / (count + _LEAN)
    return found


def _outlook(
    found: DegradationSoiling,
    name: str,
    column: int,
    made: Floats,
    lost: Floats,
    ahead: npt.NDArray[np.datetime64],
    price: float,
) -> tuple[Floats, Floats, float, float]:
    """Gain of a cleaning on each day before its cost, loss expected by then, mean rate [1/day], mean clean energy [kWh/day]."""
    time = found.daily["time"].values.astype("datetime64[D]")
    month = time.astype("datetime64[M]").astype(np.int64) % 12
    loss = 1 - found.daily["soiling_ratio"].values[:, column]
    known = np.isfinite(loss).astype(np.float64)
    grown = np.diff(loss, append=np.nan)
    rising = (np.isfinite(grown) & (grown >= 0)).astype(np.float64)
    rate = _by_month(month, np.where(rising > 0, grown, 0.0), rising)
    cleaned = np.zeros(len(time))
    events = found.cleanings[found.cleanings["asset"] == name]
    cleaned[(events["time"].to_numpy().astype("datetime64[D]") - time[0]).astype(np.int64)] = 1.0
    chance = np.clip(_by_month(month, cleaned, known), 0.0, 1.0)
    clean = np.where(np.isfinite(made), made + np.nan_to_num(lost), 0.0)
    energy = _by_month(month, clean, np.isfinite(made).astype(np.float64))
    there = np.flatnonzero(known)
    to_come = ahead.astype("datetime64[M]").astype(np.int64) % 12
    size = len(ahead)
    expected = np.zeros(size)
    state = float(loss[there[-1]]) if len(there) else 0.0
    for k in range(size):
        state = (state + rate[to_come[k]]) * (1 - chance[to_come[k]])
        expected[k] = state
    # value of a unit of loss taken away on a day: this day's energy, and the next day's unless it is cleaned anyway
    worth = np.zeros(size + 1)
    for k in range(size - 1, -1, -1):
        tomorrow = 1 - (chance[to_come[k + 1]] if k + 1 < size else 1.0)
        worth[k] = energy[to_come[k]] * price + tomorrow * worth[k + 1]
    return expected * worth[:-1], expected, float(rate.mean()), float(energy.mean())
