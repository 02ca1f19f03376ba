"""Electrical losses between the turbines and the meter of the plant, with their uncertainty.

References
----------
.. [1] J. Perr-Sauer, M. Optis, J. M. Fields, N. Bodini et al., "OpenOA: An Open-Source Codebase For Operational
   Analysis of Wind Farms", Journal of Open Source Software 6(58), 2171, https://doi.org/10.21105/joss.02171.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.calendar import slot_length
from workbench.analytics.kpi import variable_of
from workbench.model.errors import InputError
from workbench.steps import progress

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Days = npt.NDArray[np.datetime64]
Compared = Literal["day", "month"]

_DAY = np.timedelta64(1, "D")
_HOUR = np.timedelta64(3600, "s")


@dataclass(frozen=True)
class ElectricalLosses:
    """What :func:`electrical_losses` finds.

    Attributes
    ----------
    loss
        Share of the turbines' energy that does not reach the meter [1], without uncertainty.
    periods
        dims (period): ``turbines``, ``meter`` [kWh], ``completeness`` [1] of the turbines' data, and ``compared``,
        whether the period counts.
    simulations
        dims (simulation): ``loss``, ``turbine_factor``, ``meter_factor``, ``completeness_limit`` [1].
    summary
        One row: ``loss``, ``mean``, ``std``, ``p05``, ``p50``, ``p95`` [1], ``periods`` compared.
    """

    loss: float
    periods: xr.Dataset
    simulations: xr.Dataset
    summary: pd.DataFrame


def electrical_losses(
    turbines: xr.Dataset,
    meter: xr.DataArray,
    *,
    simulations: int = 1,
    seed: int = 0,
    turbine_uncertainty: float = 0.005,
    meter_uncertainty: float = 0.005,
    completeness: float | tuple[float, float] = 0.95,
    power: str = "power_output",
) -> ElectricalLosses:
    """Energy lost between the turbines and the meter, 1 - meter / turbines, over periods that are whole in both.

    With a meter that is read daily or more often, these are the days (UTC) on which every turbine and the meter
    have every value. With a meter that is read monthly, these are the months of which the turbines have at least
    the share ``completeness``; the turbines' energy is brought to whole months by the share that was measured.

    Only two factors are uncertain besides that share, and the loss depends on them alone, so that nothing is
    summed again for a simulation: loss = 1 - (meter / turbines) (f_meter / f_turbines), f ~ N(1, uncertainty).

    Parameters
    ----------
    turbines
        dims (time, asset): power of every turbine of the farm [kW].
    meter
        dims (time): net energy per slot [kWh], time stamped by the start of the slot.
    simulations
        Number of draws.
    seed
        Of the random numbers; the same seed gives the same result.
    turbine_uncertainty, meter_uncertainty
        Standard uncertainty of the turbines' and of the meter's energy [1]; the 0.5 % of [1]_ if left out.
    completeness
        Share of the turbines' values a month needs [1]; a pair is drawn from uniformly, and the loss without
        uncertainty takes its middle. It concerns meters read monthly alone: days must be whole.

    Raises
    ------
    InputError
        A turbine without data; meter and turbines with no whole period in common; energy that is not positive.
    """
    import pandas as pd

    if "asset" in meter.dims:
        raise InputError("one meter at a time", where="meter", found=f"dims {meter.dims}", expected="dims (time)")
    if simulations < 1:
        raise InputError("at least one simulation", where="simulations", found=simulations, expected="1 or more")
    low, high = completeness if isinstance(completeness, tuple) else (completeness, completeness)
    if not 0 < low <= high <= 1:
        raise InputError("no share", where="completeness", found=completeness, expected="in (0, 1], the smaller first")
    made = variable_of(turbines, power).load()
    _reject_empty(made, power)
    unit: Compared = "month" if _step(meter) >= 28 * _DAY else "day"
    table = _monthly(made, turbines, meter) if unit == "month" else _daily(made, turbines, meter)

    rng = np.random.default_rng(seed)
    factor_turbines = rng.normal(1.0, turbine_uncertainty, simulations)
    factor_meter = rng.normal(1.0, meter_uncertainty, simulations)
    limit = rng.uniform(low, high, simulations)
    if unit == "day":
        middle, limit = 1.0, np.ones(simulations)
    else:
        middle = (low + high) / 2
    ratio = _ratio(table, np.concatenate([[middle], limit]), unit)
    loss = 1.0 - ratio[1:] * factor_meter / factor_turbines
    progress(simulations, simulations, "simulations")  # all at once
    compared = table["completeness"].values >= middle
    table["compared"] = ("period", compared, {"long_name": "whether the period counts"})
    one = {"units": "1"}
    draws = xr.Dataset(
        {
            "loss": ("simulation", loss, one | {"long_name": "electrical loss"}),
            "turbine_factor": ("simulation", factor_turbines, one | {"long_name": "factor of the turbines' energy"}),
            "meter_factor": ("simulation", factor_meter, one | {"long_name": "factor of the meter's energy"}),
            "completeness_limit": ("simulation", limit, one | {"long_name": "share of the values a period needs"}),
        },
        attrs={"seed": seed, "compared_by": unit},
    )
    p05, p50, p95 = np.percentile(loss, [5, 50, 95])
    summary = pd.DataFrame(
        {
            "loss": [1.0 - ratio[0]],
            "mean": [loss.mean()],
            "std": [loss.std()],
            "p05": [p05],
            "p50": [p50],
            "p95": [p95],
            "periods": [int(compared.sum())],
        },
        index=pd.Index(["electrical loss"], name="quantity"),
    )
    return ElectricalLosses(float(1.0 - ratio[0]), table, draws, summary)


def _step(meter: xr.DataArray) -> np.timedelta64:
    """Commonest step of the meter's times; months of 28 to 31 days are told by being that long."""
    steps = np.diff(meter["time"].values)
    if not len(steps):
        raise InputError("too few readings", where="meter", found=f"{meter.sizes['time']} values", expected="2 or more")
    middle: np.timedelta64 = np.sort(steps)[len(steps) // 2]
    if _DAY < middle < 28 * _DAY:
        raise InputError(
            "a meter that is read neither daily nor monthly",
            where="meter",
            found=f"a reading every {middle / _DAY:g} days",
            expected="readings within days, every day or every month",
        )
    return middle


def _reject_empty(made: xr.DataArray, power: str) -> None:
    """An error that names the turbines without a single value."""
    empty = made["asset"].values[~np.isfinite(made.values).any(axis=0)]
    if len(empty):
        raise InputError(
            f"a turbine without data: {', '.join(map(str, empty))}",
            where=power,
            expected="values of every turbine, as the meter counts them all",
            hint="leave the turbine out if the meter does not count it; otherwise find its data",
        )


def _days(made: xr.DataArray, slots: int) -> tuple[Days, Floats, Floats]:
    """Days; mean power of the farm's measured slots summed, dims (day, turbine); values, dims (day, turbine)."""
    day = made["time"].values.astype("datetime64[D]")
    first = day[0]
    index = (day - first).astype(np.int64)
    size = int(index[-1]) + 1
    assets = made.sizes["asset"]
    values = made.values.astype(np.float64)
    there = np.isfinite(values)
    cell = index[:, None] * assets + np.arange(assets)[None, :]
    total = np.bincount(cell[there], values[there], minlength=size * assets).reshape(size, assets)
    count = np.bincount(cell[there], minlength=size * assets).reshape(size, assets)
    if count.max() > slots:
        raise InputError("more values on a day than slots", where="time", found=int(count.max()), expected=str(slots))
    days: Days = first + np.arange(size) * _DAY
    return days, total.astype(np.float64), count.astype(np.float64)


def _daily(made: xr.DataArray, turbines: xr.Dataset, meter: xr.DataArray) -> xr.Dataset:
    """Days of turbines and meter; complete is a day with every value of all turbines and of the meter."""
    slot = slot_length(turbines)
    slots = int(_DAY // slot)
    days, total, count = _days(made, slots)
    energy = total.sum(axis=1) * float(slot / _HOUR)
    share = count.sum(axis=1) / (slots * made.sizes["asset"])
    readings = int(_DAY // _step(meter))
    net = meter.values.astype(np.float64)
    there = np.isfinite(net)
    where = (meter["time"].values.astype("datetime64[D]") - days[0]).astype(np.int64)
    inside = there & (where >= 0) & (where < len(days))
    metered = np.bincount(where[inside], net[inside], minlength=len(days)).astype(np.float64)
    number = np.bincount(where[inside], minlength=len(days))
    return _table(days, energy, metered, np.where(number >= readings, share, 0.0))


def _monthly(made: xr.DataArray, turbines: xr.Dataset, meter: xr.DataArray) -> xr.Dataset:
    """Months of a meter read monthly, beside the turbines' energy brought to whole months."""
    slot = slot_length(turbines)
    slots = int(_DAY // slot)
    days, total, count = _days(made, slots)
    with np.errstate(invalid="ignore", divide="ignore"):
        # each turbine's day as if whole, by what was measured of it
        whole = np.where(count > 0, total * slots / count, np.nan) * float(slot / _HOUR)
    month = days.astype("datetime64[M]")
    labels = meter["time"].values.astype("datetime64[M]")
    energy, share = np.zeros(len(labels)), np.zeros(len(labels))
    for row, label in enumerate(labels):
        inside = month == label
        length = int(((label + 1).astype("datetime64[D]") - label.astype("datetime64[D]")) // _DAY)
        known = np.isfinite(whole[inside]).sum(axis=0)
        share[row] = count[inside].sum() / (length * slots * made.sizes["asset"])
        if known.size and (known > 0).all():
            # days without any value count as the mean of those with; as nothing they would hide the loss
            energy[row] = float((np.nansum(whole[inside], axis=0) * length / known).sum())
        else:
            share[row] = 0.0
    net = meter.values.astype(np.float64)
    share[~np.isfinite(net)] = 0.0
    return _table(labels, energy, np.nan_to_num(net), share)


def _table(labels: Days, energy: Floats, metered: Floats, share: Floats) -> xr.Dataset:
    return xr.Dataset(
        {
            "turbines": ("period", energy, {"units": "kWh", "long_name": "energy of the turbines"}),
            "meter": ("period", metered, {"units": "kWh", "long_name": "energy at the meter"}),
            "completeness": ("period", share, {"units": "1", "long_name": "share of the values of the period"}),
        },
        coords={"period": labels.astype("datetime64[ns]")},
    )


def _ratio(table: xr.Dataset, limits: Floats, unit: Compared) -> Floats:
    """Meter / turbines over the periods at least as complete as each limit, [n]."""
    share = table["completeness"].values
    order = np.argsort(-share, kind="stable")
    met = np.concatenate([[0.0], np.cumsum(table["meter"].values[order])])
    made = np.concatenate([[0.0], np.cumsum(table["turbines"].values[order])])
    taken = np.searchsorted(-share[order], -limits, side="right")
    if (taken == 0).any():
        best = float(share.max(initial=0.0))
        raise InputError(
            f"no {unit} in common is whole enough to be compared",
            where="completeness" if unit == "month" else "turbines",
            found=f"at best {best:.1%} of the values of a {unit}",
            expected=f"{float(limits[taken == 0].min()):.1%}",
            hint="lower `completeness`" if unit == "month" else "compare slots: workbench.analytics.wind.energy",
        )
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio: Floats = met[taken] / made[taken]
    if not np.isfinite(ratio).all() or (made[taken] <= 0).any():
        raise InputError(
            "the turbines' energy over the periods compared is not positive",
            where="turbines",
            found=f"{made[taken].min():.6g} kWh",
            expected="more than 0",
        )
    return ratio
