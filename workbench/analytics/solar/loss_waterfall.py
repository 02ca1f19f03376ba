"""Losses of a solar plant summed up by inverter, plant, portfolio and period, what they were worth, and the waterfall of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.calendar import Step, grouped, sum_by
from workbench.analytics.solar.expected import blocks
from workbench.analytics.solar.losses import LossModel
from workbench.analytics.solar.plant_model import Options
from workbench.analytics.solar.weather import Columns, columns_of
from workbench.model.errors import InputError, did_you_mean
from workbench.steps import remark

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def solar_losses(
    data: xr.Dataset,
    *,
    facts: Mapping[str, float | str | bool] | None = None,
    module: str | Mapping[str, float] | None = None,
    inverter: str | Mapping[str, float] | None = None,
    options: Options | None = None,
    power: str = "total_ac_power",
    dc_power: str = "total_dc_power",
    limit: str = "power_setpoint",
    counter: str = "energy_lifetime",
    losses: Mapping[str, str] | None = None,
    price: float | str | xr.DataArray | None = None,
    currency: str = "EUR",
    by: Step | None = None,
    tz: str = "UTC",
) -> xr.Dataset:
    """Potential, actual and lost energy of each category, and the money lost, summed block by block.

    Parameters
    ----------
    data
        dims (time, asset), time in UTC: AC power [kW], and what :func:`~workbench.analytics.solar.expected.expected_power` takes. Where
        they are there: DC power, limit [kW], energy counter [kWh], ``soiling_ratio`` [1], ``snow_cover`` [1, share of the modules] or
        ``snow_depth`` [m], ``shading_share`` [1, of the power], ``operating_state``, ``grid_connection``, ``availability_status``,
        ``active_power_curtailment``, ``<power>_clipping`` (``solar_data_quality``), and ``string_loss``, ``tracker_loss``, ``mppt_loss``,
        ``snow_loss``, ``shading_loss`` [kWh of each slot].
    facts, module, inverter
        See :func:`~workbench.analytics.solar.array_facts.array_facts`.
    options
        Models of the expected power.
    power, dc_power, limit, counter
        Fields; all but the first may be missing.
    losses
        Category to the field [kWh] that has its energy.
    price
        Of energy [currency/MWh]: one, a field, or by time. Energy of slots without a price is counted in ``unpriced_energy``.
    by
        ``day``, ``month`` or ``year`` of the clock ``tz``; the whole time if left out.

    Returns
    -------
    xr.Dataset
        dims (category, asset), with ``by`` (category, period, asset): ``lost_energy`` [kWh], with a price ``lost_value`` [currency].
        dims ([period,] asset): ``potential_energy`` (irradiance in the plane × DC rating), ``expected_energy`` (AC, of a plant without
        faults), ``actual_energy``, ``left_out_energy`` (made in slots without irradiance or temperature, in no sum) [kWh],
        ``known_share`` [1] of the slots. In every cell ``lost_energy`` sums to potential less actual.

    Raises
    ------
    InputError
        As ``expected_power``; power is missing, in W, or of reversed sign.
    """
    from workbench.analytics.solar.losses import CATEGORIES  # the order

    model = LossModel(
        data, facts=facts, module=module, inverter=inverter, options=options, power=power, dc_power=dc_power, limit=limit,
        counter=counter, losses=losses,
    )  # fmt: skip
    length = np.full(model.shape[0], model.hours * 3600.0)
    group, labels = grouped(data["time"].values, length, by, tz)
    names = [name for name in CATEGORIES if name in model.categories]
    worth = None if price is None else price_of(data, price)
    shape = (len(labels), model.shape[1])
    lost = np.zeros((len(names), *shape))
    value = np.zeros((len(names), *shape))
    sums = {
        name: np.zeros(shape) for name in ("potential", "expected", "actual", "left_out", "known", "slots", "unpriced")
    }
    for part in blocks(model.shape):
        low, high = int(group[part][0]), int(group[part][-1]) + 1
        here = group[part] - low
        slot = model.block(part)
        known = np.isfinite(slot.potential)
        money = None if worth is None else worth.block(part) / 1000.0

        def add(to: Floats, values: Floats, here: Ints = here, low: int = low, high: int = high) -> None:
            to[low:high] += sum_by(values, here, high - low)

        made = model.fields.power.block(part) * model.hours
        for name, values in (
            ("potential", np.where(known, slot.potential, 0.0)),
            ("expected", np.where(known, slot.expected, 0.0)),
            ("actual", np.where(known, slot.actual, 0.0)),
            ("left_out", np.where(known, 0.0, np.nan_to_num(made))),
            ("known", known.astype(np.float64)),
            ("slots", np.ones(known.shape)),
        ):
            add(sums[name], values)
        if money is not None:
            unpriced = known & ~np.isfinite(money)
            if unpriced.any():
                add(sums["unpriced"], np.where(unpriced, slot.potential - slot.actual, 0.0))
            money = np.nan_to_num(money)
        for row, name in enumerate(names):
            energy = np.where(known, slot.lost[name], 0.0)
            add(lost[row], energy)
            if money is not None:
                add(value[row], energy * money)
    left = float(sums["left_out"].sum())
    if left > 1e-3 * max(float(sums["actual"].sum()), 1e-9):
        remark(f"losses: {left:.0f} kWh were made in slots without irradiance or temperature and are in no sum")
    blank = (sums["known"].sum(axis=0) == 0) & ~model.model.facts.measures
    say_blank(data, blank, "its energies are 0 and its known_share too")
    dims = ("category", "period", "asset")
    fields: dict[str, tuple[tuple[str, ...], Floats, dict[str, str]]] = {
        "lost_energy": (dims, lost, {"units": "kWh", "long_name": "energy lost"})
    }
    if worth is not None:
        fields["lost_value"] = (dims, value, {"units": currency, "long_name": "value of the energy lost"})
        fields["unpriced_energy"] = (
            dims[1:],
            sums["unpriced"],
            {"units": "kWh", "long_name": "energy lost without a price"},
        )
    for name in ("potential", "expected", "actual", "left_out"):
        fields[f"{name}_energy"] = (
            dims[1:],
            sums[name],
            {"units": "kWh", "long_name": f"{name.replace('_', ' ')} energy"},
        )
    with np.errstate(invalid="ignore", divide="ignore"):
        share = sums["known"] / sums["slots"]
    fields["known_share"] = (dims[1:], share, {"units": "1", "long_name": "share of the slots known"})
    result = xr.Dataset(
        fields,
        coords={"category": np.array(names, dtype=object), "period": np.array(labels, dtype="datetime64[ns]")}
        | {name: at for name, at in data.coords.items() if at.dims in (("asset",), ())},
    )
    return result if by is not None else result.isel(period=0, drop=True)


def price_of(data: xr.Dataset, price: float | str | xr.DataArray) -> Columns:
    """[currency/MWh] as columns over the whole time."""
    size = data.sizes["asset"]
    if isinstance(price, str):
        found = columns_of(data, price)
        if found is None:
            raise InputError(
                "no such field", where="price", found=price, hint=did_you_mean(price, map(str, data.data_vars))
            )
        return found
    if isinstance(price, xr.DataArray) and price.dims:
        on = price.reindex(time=data["time"].values) if "time" in price.coords else price
        found = columns_of(xr.Dataset({"price": on}, coords=data.coords, attrs=data.attrs), "price")
        if found is not None:
            return found
    return Columns("price", np.full((data.sizes["time"], 1), float(price)), np.zeros(size, np.intp))


def say_blank(data: xr.Dataset, blank: npt.NDArray[np.bool_], what: str) -> None:
    """Remark which assets have nothing to tell losses from."""
    if blank.any():
        which = ", ".join(map(str, data["asset"].values[blank][:10]))
        remark(f"losses: of {which} no slot has irradiance and temperature: {what}")


def solar_loss_waterfall(losses: xr.Dataset, *, group: str | None = None) -> pd.DataFrame:
    """From potential to actual energy, one step to a row; it closes exactly.

    Parameters
    ----------
    losses
        From :func:`solar_losses`, all inverters and periods of it together; select (``losses.sel(asset=["INV01"])``,
        ``losses.isel(period=0)``) for less.
    group
        Coordinate by asset, such as ``farm_id``, or ``asset``: one waterfall for each of its values.

    Returns
    -------
    pandas.DataFrame
        Index ``step``, with ``group`` (group, ``step``): ``potential``, the categories in their order, ``actual``. Columns ``energy``
        [kWh], negative for a loss; ``level`` [kWh] after the step; ``share`` of the potential [1]; with a price ``value`` [currency].

    Raises
    ------
    InputError
        There is no such coordinate.
    """
    import pandas as pd

    if group is not None:
        if group not in losses.coords or losses[group].dims != ("asset",):
            names = [str(name) for name, at in losses.coords.items() if at.dims == ("asset",)]
            raise InputError("no fact of the assets", where="group", found=group, expected=", ".join(names),
                             hint=did_you_mean(group, names))  # fmt: skip
        values = losses[group].values
        tables = {
            one: solar_loss_waterfall(losses.isel(asset=np.flatnonzero(values == one))) for one in dict.fromkeys(values)
        }
        frame: pd.DataFrame = pd.concat(tables, names=[group])
        frame.attrs = next(iter(tables.values())).attrs
        return frame
    over = [name for name in ("period", "asset") if name in losses["lost_energy"].dims]
    lost = losses["lost_energy"].sum(over).values
    potential, actual = (float(losses[name].sum()) for name in ("potential_energy", "actual_energy"))
    names = ["potential", *map(str, losses["category"].values), "actual"]
    energy = np.array([potential, *(-lost + 0.0), actual])
    frame = pd.DataFrame({"energy": energy}, index=pd.Index(names, name="step"))
    frame["level"] = [*np.cumsum(energy[:-1]), actual]
    frame["share"] = frame["energy"] / potential if potential else np.nan
    if "lost_value" in losses:
        frame["value"] = [np.nan, *(-losses["lost_value"].sum(over).values + 0.0), np.nan]
        frame.attrs = {"currency": losses["lost_value"].attrs.get("units", "")}
    return frame
