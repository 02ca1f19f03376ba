"""Steps for the losses of solar plants: of each slot, and as a waterfall."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
import xarray as xr
from pydantic import Field

from workbench.analytics.solar.expected import blocks
from workbench.analytics.solar.loss_waterfall import price_of, say_blank, solar_loss_waterfall, solar_losses
from workbench.analytics.solar.losses import CATEGORIES, LossModel
from workbench.analytics.solar.plane import Incidence, Stamp, Transposition
from workbench.analytics.solar.plant_model import Options, Spectral, TemperatureModel
from workbench.model.errors import InputError
from workbench.steps import step

Price = Annotated[float, Field(ge=0)] | str | None


@step("solar_losses")
def solar_losses_fields(
    data: xr.Dataset,
    *,
    price: Price = None,
    currency: str = "EUR",
    facts: Mapping[str, float | str | bool] | None = None,
    module: str | Mapping[str, float] | None = None,
    inverter: str | Mapping[str, float] | None = None,
    transposition: Transposition = "haydavies",
    incidence: Incidence = "physical",
    spectral: Spectral = "none",
    temperature_model: TemperatureModel = "faiman",
    stamp: Stamp = "start",
    power: str = "total_ac_power",
    dc_power: str = "total_dc_power",
    limit: str = "power_setpoint",
    counter: str = "energy_lifetime",
    losses: Mapping[str, str] | None = None,
) -> xr.Dataset:
    """Energy that each inverter lost in each slot, by cause, and what it was worth; the causes sum to potential less actual.

    The order of the causes and what each is told by: :mod:`~workbench.analytics.solar.losses`.

    Parameters
    ----------
    data
        dims (time, asset): AC power [kW], irradiance [W/m²], a temperature [degC], and what tells losses, where it is there. See
        :func:`~workbench.analytics.solar.loss_waterfall.solar_losses`.
    price
        [currency/MWh], or the field that has it.
    currency
        Its name, for the units.
    facts, module, inverter, transposition, incidence, spectral, temperature_model, stamp
        As for ``solar_expected_power``.
    power, dc_power, limit, counter
        Fields [kW, kW, kW, kWh]; all but the first may be missing.
    losses
        Category to the field [kWh] that has its energy.

    Returns
    -------
    The data with ``potential_energy``, ``actual_energy``, ``lost_energy``, ``lost_energy_<category>`` [kWh], with a price ``lost_value``
    [currency]. Unknown where irradiance or temperature is.

    Raises
    ------
    InputError
        A field is missing, in another unit or of reversed sign.
    """
    model = LossModel(
        data, facts=facts, module=module, inverter=inverter,
        options=Options(transposition, incidence, spectral, temperature_model, stamp),
        power=power, dc_power=dc_power, limit=limit, counter=counter, losses=losses,
    )  # fmt: skip
    names = [f"lost_energy_{name}" for name in CATEGORIES if name in model.categories]
    wanted = [
        "potential_energy",
        "actual_energy",
        "lost_energy",
        *names,
        *(["lost_value"] if price is not None else []),
    ]
    dtype = model.model.dtype
    out = {name: np.full(model.shape, np.nan, dtype) for name in wanted}
    worth = None if price is None else price_of(data, price)
    for part in blocks(model.shape):
        slot = model.block(part)
        out["potential_energy"][part], out["actual_energy"][part] = slot.potential, slot.actual
        out["lost_energy"][part] = slot.potential - slot.actual
        known = np.isfinite(slot.potential)
        for name in names:
            out[name][part] = np.where(known, slot.lost[name.removeprefix("lost_energy_")], np.nan)
        if worth is not None:
            out["lost_value"][part] = (slot.potential - slot.actual) * worth.block(part) / 1000.0
    blank = ~np.isfinite(out["potential_energy"]).any(axis=0) & ~model.model.facts.measures
    say_blank(data, blank, "its losses are unknown")
    units = {name: currency if name == "lost_value" else "kWh" for name in wanted}
    titles = {name: name.replace("_", " ").replace("lost energy ", "energy lost, ") for name in wanted}
    return data.assign(
        {
            name: (("time", "asset"), values, {"units": units[name], "long_name": titles[name]})
            for name, values in out.items()
        }
    )


@step("solar_loss_waterfall")
def solar_loss_waterfall_fields(
    data: xr.Dataset,
    *,
    price: Price = None,
    currency: str = "EUR",
    group: str | None = None,
    by: Literal["day", "month", "year"] | None = None,
    timezone: str = "UTC",
    facts: Mapping[str, float | str | bool] | None = None,
    module: str | Mapping[str, float] | None = None,
    inverter: str | Mapping[str, float] | None = None,
    transposition: Transposition = "haydavies",
    incidence: Incidence = "physical",
    spectral: Spectral = "none",
    temperature_model: TemperatureModel = "faiman",
    stamp: Stamp = "start",
    power: str = "total_ac_power",
    dc_power: str = "total_dc_power",
    limit: str = "power_setpoint",
    counter: str = "energy_lifetime",
    losses: Mapping[str, str] | None = None,
    output_field: str = "loss_waterfall",
) -> xr.Dataset:
    """From irradiance × rating to the energy that was made, one bar for each cause of loss; it closes exactly.

    The bars are ``potential``, the causes in the order of :mod:`~workbench.analytics.solar.losses`, ``actual``: the shape of the
    wind farms' ``loss_waterfall``.

    Parameters
    ----------
    data
        As for ``solar_losses``.
    price, currency
        [currency/MWh], or the field that has it.
    group
        Coordinate by asset, such as ``farm_id``: the waterfall of each of its values too.
    by
        Waterfalls of each day, month or year of the clock ``timezone``; of the whole time if left out.
    facts, module, inverter, transposition, incidence, spectral, temperature_model, stamp, power, dc_power, limit, counter, losses
        As for ``solar_losses``.
    output_field
        What the energy is called.

    Returns
    -------
    The data with ``output_field`` [kWh], losses below zero, ``_level`` [kWh] after the bar, ``_share`` of the potential [1], with a
    price ``_value`` [currency]; dims (asset, ``<output_field>_bar``), with ``by`` (``<output_field>_period``, asset, bar). With ``group``
    ``<output_field>_group`` [kWh], dims ([period,] ``<output_field>_<group>``, bar).

    Raises
    ------
    InputError
        A field or the coordinate is missing.
    """
    found = solar_losses(
        data, facts=facts, module=module, inverter=inverter,
        options=Options(transposition, incidence, spectral, temperature_model, stamp),
        power=power, dc_power=dc_power, limit=limit, counter=counter, losses=losses, price=price, currency=currency, by=by,
        tz=timezone,
    )  # fmt: skip
    bar, period = f"{output_field}_bar", f"{output_field}_period"
    front = (period,) if by is not None else ()
    potential, actual = (found[name].values[..., None] for name in ("potential_energy", "actual_energy"))
    lost = np.moveaxis(found["lost_energy"].values, 0, -1)
    energy = np.concatenate([potential, -lost + 0.0, actual], axis=-1)
    level = np.concatenate([np.cumsum(energy[..., :-1], axis=-1), actual], axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(potential != 0, energy / potential, np.nan)
    dims = (*front, "asset", bar)
    fields = {
        output_field: (dims, energy, {"units": "kWh", "long_name": "energy, losses below zero"}),
        f"{output_field}_level": (dims, level, {"units": "kWh", "long_name": "energy that is left"}),
        f"{output_field}_share": (dims, share, {"units": "1", "long_name": "share of the energy that was possible"}),
    }
    if price is not None:
        money = np.moveaxis(found["lost_value"].values, 0, -1)
        none = np.zeros_like(potential)
        value = np.concatenate([none, -money + 0.0, none], axis=-1)
        fields[f"{output_field}_value"] = (dims, value, {"units": currency, "long_name": "value of the bar"})
    coords: dict[str, object] = {bar: np.array(["potential", *found["category"].values, "actual"], dtype=object)}
    if by is not None:
        coords[period] = found["period"].values
    if group is not None:
        solar_loss_waterfall(found, group=group)  # says which there are
        kinds = found[group].values
        ones = list(dict.fromkeys(kinds))
        summed = np.stack([energy[..., kinds == one, :].sum(axis=-2) for one in ones], axis=-2)
        dim = f"{output_field}_{group}"
        if dim in fields or dim in (bar, period):
            raise InputError("the name of a field of the waterfall", where="group", found=group)
        fields[f"{output_field}_group"] = (
            (*front, dim, bar),
            summed,
            {"units": "kWh", "long_name": f"energy by {group}, losses below zero"},
        )
        coords[dim] = np.array(ones, dtype=object)
    return data.assign(fields).assign_coords(coords)
