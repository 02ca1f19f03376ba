"""Dynamic yaw error: how far the rotor looks past the wind while it turns, and what that costs.

Power falls with the yaw error as cos^n, n about 2 in partial load, and not at all where the turbine is at its rating.
The mean of that loss over what a turbine does is more than the loss of its mean error; the difference is the dynamic
part, which a controller that follows faster could win at most.

Means of ten minutes hide what happens within them; where the deviation of the vane is recorded
(``<vane>_std``) it is added.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from pydantic import Field

from workbench.analytics.calendar import slot_length
from workbench.analytics.kpi import variable_of
from workbench.analytics.wind.yaw_misalignment import ratings
from workbench.model.errors import InputError
from workbench.steps import progress, step

Floats = npt.NDArray[np.float64]

_HOUR = np.timedelta64(3600, "s")
_LARGEST = 45.0  # [degree]; farther off the turbine does not follow the wind at all
_ONE = {"units": "1"}
_DEGREE = {"units": "degree"}


def yaw_loss(
    turbines: xr.Dataset,
    *,
    optimum: xr.DataArray | float = 0.0,
    exponent: xr.DataArray | float = 2.0,
    power: str = "power_output",
    vane: str = "yaw_error",
) -> xr.DataArray:
    """Power that the yaw error costs in each slot [kW], dims (time, asset); lazy where the data are.

    P (1 / cos^n(v - optimum) - 1), at most what lacks to the rating. NaN where power or vane is missing; zero where
    the turbine stands, and where it is more than 45 degrees off, for then it does not follow the wind.

    Parameters
    ----------
    turbines
        dims (time, asset): power [kW], vane angle [degree]; coordinate ``rated_capacity`` [kW].
    optimum
        Vane angle at which the rotor looks into the wind [degree], dims (asset) or one for all: the mean vane
        angle and the static misalignment together.
    exponent
        n of the cosine, dims (asset) or one for all.

    Raises
    ------
    InputError
        A field or the rating is missing.
    """
    made, shown = variable_of(turbines, power), variable_of(turbines, vane)
    limit = xr.DataArray(ratings(turbines), dims="asset", coords={"asset": turbines["asset"]})
    off = (shown - optimum + 180.0) % 360.0 - 180.0
    share: Any = np.cos(np.deg2rad(off.where(np.abs(off) <= _LARGEST, 0.0))) ** exponent
    inner = f"{vane}_std"
    if inner in turbines:
        # mean of cos^n over what the vane did within the slot, to the second order
        spread = variable_of(turbines, inner).fillna(0.0) * (np.pi / 180.0)
        share = share * (1 - (exponent / 2 * spread**2).clip(max=0.5))
    lost = np.minimum(made / share - made, (limit - made).clip(min=0.0)).where(made > 0, 0.0)
    lost = lost.where(made.notnull() & shown.notnull())
    found: xr.DataArray = lost.transpose(*made.dims).drop_attrs(deep=False)
    return found.assign_attrs(units=made.attrs.get("units", "kW"), long_name="power lost by yaw error")


def dynamic_yaw_error(
    turbines: xr.Dataset,
    *,
    optimum: xr.DataArray | float = 0.0,
    exponent: xr.DataArray | float = 2.0,
    simulations: int = 500,
    seed: int = 0,
    level: float = 0.9,
    power: str = "power_output",
    vane: str = "yaw_error",
) -> xr.Dataset:
    """Distribution of the yaw error of turbines in operation, and the energy it costs.

    Parameters
    ----------
    turbines, optimum, exponent
        See :func:`yaw_loss`.
    simulations, seed, level
        Of the interval of the loss: days are drawn with replacement.

    Returns
    -------
    xr.Dataset
        dims (asset): ``mean``, ``std``, ``rms``, ``p05``, ``p50``, ``p95`` [degree] of the error while power is made;
        ``beyond`` [1], share of the time more than 10 degrees off; ``energy`` and ``lost`` [kWh];
        ``loss`` [1] = lost / (energy + lost), its ``lower`` and ``upper`` bound; ``loss_static`` [1], what
        the mean error alone costs, and ``loss_dynamic``, the rest; ``hours`` [h]; ``reason``, text where there is no
        figure. The error is that of the vane: what the vane shows wrong by chance is counted as error.

    Raises
    ------
    InputError
        A field or the rating is missing, or a setting is wrong.
    """
    if not 0 < level < 1:
        raise InputError("no share", where="level", found=level, expected="in (0, 1)")
    if simulations < 0:
        raise InputError("a negative number", where="simulations", found=simulations, expected="0 or more")
    lost = yaw_loss(turbines, optimum=optimum, exponent=exponent, power=power, vane=vane).values
    made = variable_of(turbines, power).values.astype(np.float64)
    shown = variable_of(turbines, vane) - optimum
    off = ((shown + 180.0) % 360.0 - 180.0).transpose("time", "asset").values.astype(np.float64)
    inner = f"{vane}_std"
    within = variable_of(turbines, inner).values.astype(np.float64) if inner in turbines else np.zeros_like(off)
    hours = float(slot_length(turbines) / _HOUR)
    limit = ratings(turbines)
    powers = np.broadcast_to(np.asarray(exponent, dtype=np.float64), (made.shape[1],))
    day = turbines["time"].values.astype("datetime64[D]").astype(np.int64)
    names = (
        "mean", "std", "rms", "p05", "p50", "p95", "beyond", "energy", "lost", "loss", "lower", "upper",
        "loss_static", "loss_dynamic", "hours",
    )  # fmt: skip
    table = {name: np.full(made.shape[1], np.nan) for name in names}
    reasons = np.full(made.shape[1], "", dtype=object)
    for column in range(made.shape[1]):
        progress(column, made.shape[1], "turbines")
        rows = np.flatnonzero((made[:, column] > 0) & (np.abs(off[:, column]) <= _LARGEST))
        table["hours"][column] = len(rows) * hours
        if not len(rows):
            reasons[column] = f"no slot with both {power} above zero and {vane}"
            continue
        error, p, gone = off[rows, column], made[rows, column], lost[rows, column]
        spread = np.nan_to_num(within[rows, column])
        mean = float(error.mean())
        variance = float(error.var() + (spread**2).mean())
        p05, p50, p95 = np.percentile(error, [5, 50, 95])
        # the mean error alone, where it costs anything
        flat = np.minimum(p / np.cos(np.deg2rad(mean)) ** powers[column] - p, np.maximum(limit[column] - p, 0.0))
        energy, total = float(p.sum()) * hours, float(gone.sum()) * hours
        static = float(flat.sum()) * hours / (energy + float(flat.sum()) * hours)
        loss = total / (energy + total)
        days = day[rows] - day[rows[0]]
        daily = np.stack([np.bincount(days, p), np.bincount(days, gone)])[:, np.bincount(days) > 0]
        if simulations and daily.shape[1] >= 5:
            rng = np.random.default_rng([seed, column])
            size = daily.shape[1]
            sums = rng.multinomial(size, np.full(size, 1 / size), simulations) @ daily.T
            bounds = np.quantile(sums[:, 1] / sums.sum(axis=1), [(1 - level) / 2, (1 + level) / 2])
            table["lower"][column], table["upper"][column] = bounds
        found = {
            "mean": mean, "std": variance**0.5, "rms": (variance + mean**2) ** 0.5, "p05": p05, "p50": p50, "p95": p95,
            "beyond": float((np.abs(error) > 10.0).mean()), "energy": energy, "lost": total, "loss": loss,
            "loss_static": static, "loss_dynamic": loss - static,
        }  # fmt: skip
        for name, value in found.items():
            table[name][column] = value
    progress(made.shape[1], made.shape[1], "turbines")
    units = dict.fromkeys(("mean", "std", "rms", "p05", "p50", "p95"), "degree")
    units |= {"energy": "kWh", "lost": "kWh", "hours": "h"}
    facts = {name: array for name, array in turbines.coords.items() if array.dims == ("asset",)}
    result = xr.Dataset(
        {name: ("asset", values, {"units": units.get(name, "1")}) for name, values in table.items()},
        coords=facts,
        attrs={"level": level, "seed": seed, "within_slots": "yes" if inner in turbines else "no"},
    )
    return result.assign(reason=("asset", reasons))


@step("dynamic_yaw_error")
def add_dynamic_yaw_error(
    data: xr.Dataset,
    *,
    optimum: float | str = 0.0,
    exponent: Annotated[float, Field(gt=0, le=6)] = 2.0,
    power: str = "power_output",
    vane: str = "yaw_error",
    output_field: str = "yaw_loss",
) -> xr.Dataset:
    """Power lost by the yaw error of each slot, P (1 / cos^n - 1).

    Parameters
    ----------
    data
        dims (time, asset), with the coordinate ``rated_capacity``.
    optimum
        Vane angle at which the rotor looks into the wind [degree]: a number, or a field such as
        ``yaw_misalignment``.
    exponent
        n of the cosine.
    power, vane
        Fields [kW, degree].
    output_field
        What the loss is called.

    Returns
    -------
    The data with the loss, in the unit of the power; NaN where power or vane is missing. An optimum that is not known
    is taken as zero.

    Raises
    ------
    InputError
        A field or the rated capacity is missing.
    """
    at: xr.DataArray | float = optimum if not isinstance(optimum, str) else data[optimum].fillna(0.0)
    return data.assign({output_field: yaw_loss(data, optimum=at, exponent=exponent, power=power, vane=vane)})
