"""Energy lost by category, what it was worth, and the way from what was possible to what was made.

The model has three layers, as IEC 61400-26-1 has it [1]_: of each category its time, its potential energy and its actual
energy. Of a slot, the potential energy is divided by the seconds of the categories; what was made belongs to those of them
in which a turbine produces, what was drawn from the grid to those in which it stands (where there are none: to all). What a
category lost is its potential less its actual energy, so that the losses sum to potential less actual, slot by slot.

What is lost while in service has names of its own: *curtailment*, as far as a limit explains it; *derating*, the rest while
``partially_available``; *performance*, the rest, of either sign.

References
----------
.. [1] IEC 61400-26-1:2019; the layers of energy were IEC TS 61400-26-2:2014 before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.calendar import Step, grouped, sum_by
from workbench.analytics.plausible import plausible
from workbench.analytics.wind.categories import UNKNOWN
from workbench.analytics.wind.category_seconds import Floats, table_of
from workbench.model.errors import InputError
from workbench.steps import progress

if TYPE_CHECKING:
    import pandas as pd

Bools = npt.NDArray[np.bool_]

_BLOCK = 2_048  #: slots at once: those of a hundred turbines stay in the processor's cache

#: Losses in service, by name.
CURTAILMENT, DERATING, PERFORMANCE = "curtailment", "derating", "performance"


@dataclass(frozen=True)
class SlotEnergies:
    """Potential and actual energy of each slot, and how it is divided; dims (time, asset)."""

    seconds: Floats  #: (category, time, asset) [s]
    length: Floats  #: (time, 1) [s]
    potential: Floats  #: [kWh], zero where not known
    actual: Floats  #: [kWh], zero where not known
    known: Bools
    assumed: Bools  #: power is missing and taken for nothing, as the turbine stood all the slot
    producing: Bools  #: (category)
    produces: Floats  #: seconds of the producing categories [s]
    rates: tuple[Floats, Floats, Floats]  #: [kWh/s]: potential; actual of what produces; actual of the others

    def of(self, row: int) -> tuple[Floats, Floats]:
        """Potential and actual energy [kWh] of one category."""
        potential, producing, others = self.rates
        mine = self.seconds[row]
        return potential * mine, (producing if self.producing[row] else others) * mine


def _rates(potential: Floats, actual: Floats, length: Floats, produces: Floats) -> tuple[Floats, Floats, Floats]:
    """Energy of a second: what is made belongs to those that produce, what is drawn to the others; else to all."""
    stands = length - produces
    fed = actual >= 0
    by_all = actual / length
    with np.errstate(divide="ignore", invalid="ignore"):
        producing = np.where(fed, actual / produces, np.where(stands > 0, 0.0, by_all))
        others = np.where(fed, np.where(produces > 0, 0.0, by_all), actual / stands)
    # a slot without any time of the kind has none to give it to
    return potential / length, np.where(produces > 0, producing, 0.0), np.where(stands > 0, others, 0.0)


def slot_energies(
    seconds: xr.Dataset, power: xr.DataArray, potential: xr.DataArray, *, stopped_is_zero: bool = True
) -> SlotEnergies:
    """Energy of each slot from power and potential power [kW]; see :func:`energy_losses`."""
    table = table_of(seconds)
    values = seconds["seconds"].values
    length = seconds["slot_seconds"].values[:, None]
    made, could = (_on_slots(seconds, each, name) for each, name in ((power, "power"), (potential, "potential")))
    names = [str(one) for one in seconds["category"].values]
    # what nobody knows may have been production
    producing = np.array([table.in_service(name) or name == UNKNOWN for name in names])
    produces = values[producing].sum(axis=0)
    assumed = np.zeros(made.shape, bool)
    if stopped_is_zero:
        assumed = ~np.isfinite(made) & (produces == 0) & np.isfinite(could)
        made = np.where(assumed, 0.0, made)
    known = np.isfinite(made) & np.isfinite(could)
    hours = length / 3600.0
    able, got = np.where(known, could, 0.0) * hours, np.where(known, made, 0.0) * hours
    whole = np.broadcast_to(length, made.shape)
    rates = _rates(able, got, length, produces)
    return SlotEnergies(values, whole, able, got, known, assumed, producing, produces, rates)


def _on_slots(seconds: xr.Dataset, values: xr.DataArray, name: str) -> Floats:
    """``values`` as (time, asset) on the slots of ``seconds``, NaN where there are none."""
    if not set(values.dims) <= {"time", "asset"} or "time" not in values.dims:
        raise InputError("not a value of each slot", where=name, found=str(values.dims), expected="dims (time, asset)")
    times, wanted = values["time"].values, seconds["time"].values
    first = int(np.searchsorted(times, wanted[0]))
    if np.array_equal(times[first : first + len(wanted)], wanted):
        values = values.isel(time=slice(first, first + len(wanted)))
    else:
        values = values.astype(np.float64).reindex(time=wanted)
    assets = seconds["asset"].values
    if "asset" not in values.dims:
        values = values.expand_dims(asset=assets)
    elif not np.array_equal(values["asset"].values, assets):
        lacking = sorted(set(map(str, assets)) - set(map(str, values["asset"].values)))
        if lacking:
            raise InputError("there is nothing of some turbines", where=name, found=", ".join(lacking[:10]))
        values = values.sel(asset=assets)
    values = values.transpose("time", "asset")
    return np.asarray(values.values, dtype=np.float64)


def energy_losses(
    seconds: xr.Dataset,
    power: xr.DataArray,
    potential: xr.DataArray,
    *,
    price: float | xr.DataArray | None = None,
    currency: str = "EUR",
    limit: xr.DataArray | None = None,
    by: Step | None = None,
    tz: str = "UTC",
    stopped_is_zero: bool = True,
) -> xr.Dataset:
    """Potential, actual and lost energy of each category, and the money lost.

    Parameters
    ----------
    seconds
        See :func:`~workbench.analytics.wind.category_seconds.stack`.
    power, potential
        Measured power and what the turbine would have made, dims (time, asset) [kW]; for the second see
        :func:`~workbench.analytics.wind.potential_energy.potential_power`. Slots where either is missing stay out of all
        sums and are counted.
    price
        Of energy [currency/MWh]: one, or dims (time) or (time, asset) on the slots. Energy of slots without a price is
        counted in ``unpriced_energy``.
    limit
        Most power that was allowed [kW], dims (time, asset) or (time); missing is no limit.
    by
        ``"day"``, ``"month"`` or ``"year"`` of the clock ``tz``; the whole time if left out.
    stopped_is_zero
        A slot without power, all of which the turbine stood, made nothing; otherwise it is not known.

    Returns
    -------
    xr.Dataset
        dims (category, asset), with ``by`` (category, period, asset): ``potential_energy``, ``actual_energy``,
        ``lost_energy``, of that ``curtailed_energy`` [kWh]; with a price ``lost_value`` and ``curtailed_value``
        [currency]. dims ([period,] asset): ``known_share`` of the time [1], ``assumed_hours`` [h] by
        ``stopped_is_zero``, and ``unpriced_energy`` [kWh] lost.

    Raises
    ------
    InputError
        A field is not of these slots and turbines.
    """
    power, potential = (plausible(one, "power_output") for one in (power, potential))
    group, labels = grouped(seconds["time"].values, seconds["slot_seconds"].values, by, tz)
    names = ["potential_energy", "actual_energy", "lost_energy", "curtailed_energy"]
    names += ["lost_value", "curtailed_value"] if price is not None else []
    shape = (seconds.sizes["category"], len(labels), seconds.sizes["asset"])
    found = {name: np.zeros(shape) for name in names}
    more = {name: np.zeros(shape[1:]) for name in ("known", "assumed", "unpriced", "hours")}
    for start in range(0, seconds.sizes["time"], _BLOCK):
        part = slice(start, start + _BLOCK)
        low, high = int(group[part][0]), int(group[part][-1]) + 1
        block = seconds.isel(time=part)
        slot = slot_energies(block, power, potential, stopped_is_zero=stopped_is_zero)
        worth = None if price is None else _price(block, price)

        def add(to: Floats, values: Floats, part: slice = part, low: int = low, high: int = high) -> None:
            to[low:high] += sum_by(values, group[part] - low, high - low)

        hours = slot.length / 3600.0
        for name, values in (
            ("hours", hours),
            ("known", np.where(slot.known, hours, 0.0)),
            ("assumed", np.where(slot.assumed, hours, 0.0)),
        ):
            add(more[name], values)
        for row, parts in enumerate(_each_category(slot, _curtailed(block, slot, limit), worth)):
            for name, values in parts.items():
                add(more[name] if name == "unpriced" else found[name][row], values)
        progress(min(start + _BLOCK, seconds.sizes["time"]), seconds.sizes["time"], "slots")
    dims = ("category", "period", "asset")
    per_asset = {
        "known_share": (
            more["known"] / np.where(more["hours"] > 0, more["hours"], np.nan),
            "1",
            "share of the time known",
        ),
        "assumed_hours": (more["assumed"], "h", "time taken for no production"),
    }
    if price is not None:
        per_asset["unpriced_energy"] = (more["unpriced"], "kWh", "energy lost without a price")
    result = xr.Dataset(
        {
            name: (
                dims,
                values,
                {"units": currency if name.endswith("value") else "kWh", "long_name": name.replace("_", " ")},
            )
            for name, values in found.items()
        }
        | {
            name: (dims[1:], values, {"units": units, "long_name": label})
            for name, (values, units, label) in per_asset.items()
        },
        coords={
            "category": seconds["category"],
            "parent": seconds["parent"],
            "period": np.array(labels, dtype="datetime64[ns]"),
            "asset": seconds["asset"].values,
        },
    )
    return result if by is not None else result.isel(period=0, drop=True)


def _each_category(slot: SlotEnergies, limited: Floats | None, worth: Floats | None) -> Iterator[dict[str, Floats]]:
    """Of one category after the other what each slot adds to the sums; dims (time, asset)."""
    money = None if worth is None else np.nan_to_num(worth) / 1000.0
    priced = None if worth is None or np.isfinite(worth).all() else np.isfinite(worth)
    if limited is not None:
        limited = np.divide(limited, slot.produces, out=np.zeros_like(limited), where=slot.produces > 0)
    for row in range(len(slot.seconds)):
        could, made = slot.of(row)
        lost = could - made
        parts = {"potential_energy": could, "actual_energy": made, "lost_energy": lost}
        if limited is not None and slot.producing[row]:
            parts["curtailed_energy"] = limited * slot.seconds[row]
        if money is not None:
            parts["lost_value"] = lost * money
            if "curtailed_energy" in parts:
                parts["curtailed_value"] = parts["curtailed_energy"] * money
        if priced is not None:
            parts["unpriced"] = np.where(priced, 0.0, lost)
        yield parts


def _curtailed(seconds: xr.Dataset, slot: SlotEnergies, limit: xr.DataArray | None) -> Floats | None:
    """Energy [kWh] of each slot's producing time that a limit explains.

    While it produces a turbine could make ``potential`` and made ``actual``; the limit explains what lies above it, and
    no more than was lost.
    """
    if limit is None:
        return None
    most = _on_slots(seconds, limit, "limit")
    most = np.where(np.isfinite(most), np.maximum(most, 0.0) * slot.produces / 3600.0, np.inf)
    could = slot.potential * slot.produces / slot.length
    made = np.where((slot.actual >= 0) & (slot.produces > 0), slot.actual, 0.0)
    return np.clip(could - np.maximum(most, made), 0.0, None)


def _price(seconds: xr.Dataset, price: float | xr.DataArray) -> Floats:
    shape = (seconds.sizes["time"], seconds.sizes["asset"])
    if isinstance(price, xr.DataArray) and price.dims:
        return _on_slots(seconds, price, "price")
    return np.full(shape, float(price))


def loss_waterfall(losses: xr.Dataset) -> pd.DataFrame:
    """From potential to actual energy, one step to a row; it closes exactly.

    Parameters
    ----------
    losses
        From :func:`energy_losses`, of the whole time or of one period, and all turbines of it together; select one
        (``losses.sel(asset=["T01"])``) for a turbine's own.

    Returns
    -------
    pandas.DataFrame
        Index ``step``: ``potential``, the categories in which the turbine stood or nothing is known, ``derating``,
        ``curtailment``, ``performance``, ``actual``. Columns ``energy`` [kWh], negative for a loss; ``level`` [kWh] after
        the step; ``share`` of the potential [1]; with a price ``value`` [currency].
    """
    import pandas as pd

    if "period" in losses.dims:
        raise InputError(
            "several periods", where="losses", found=f"{losses.sizes['period']}", hint="losses.isel(period=0)"
        )
    table = table_of(losses)
    priced = "lost_value" in losses
    names = [str(one) for one in losses["category"].values]

    def total(variable: str, rows: list[int]) -> float:
        return float(losses[variable].values[rows].sum()) if rows else 0.0

    every = list(range(len(names)))
    standing = [row for row in every if not table.in_service(names[row])]
    derated = [row for row in every if table.parent(names[row]) == "partially_available"]
    potential, actual = total("potential_energy", every), total("actual_energy", every)
    # a slot's part of curtailment that falls on unknown time stays with `unknown`
    serving = [row for row in every if table.in_service(names[row])]
    curtailed = total("curtailed_energy", serving)
    steps = {
        names[row]: (total("lost_energy", [row]), total("lost_value", [row]) if priced else 0.0) for row in standing
    }
    if derated:
        value = total("lost_value", derated) - total("curtailed_value", derated) if priced else 0.0
        steps[DERATING] = (total("lost_energy", derated) - total("curtailed_energy", derated), value)
    if curtailed:
        steps[CURTAILMENT] = (curtailed, total("curtailed_value", serving) if priced else 0.0)
    rest = potential - actual - sum(energy for energy, _ in steps.values())
    money = total("lost_value", every) - sum(value for _, value in steps.values()) if priced else 0.0
    steps[PERFORMANCE] = (rest, money)
    rows, level = [("potential", potential, potential, np.nan)], potential
    for name, (energy, value) in steps.items():
        level -= energy
        rows.append((name, -energy, level, -value))
    rows.append(("actual", actual, actual, np.nan))
    frame = pd.DataFrame(rows, columns=["step", "energy", "level", "value"]).set_index("step")
    frame.insert(2, "share", frame["energy"] / potential if potential else np.nan)
    frame.attrs = {"currency": losses["lost_value"].attrs.get("units", "")} if priced else {}
    return frame if priced else frame.drop(columns="value")
