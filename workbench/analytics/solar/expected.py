"""Power that each inverter should have made, by pvlib's models from measured or satellite irradiance.

The stages are those of pvlib's ModelChain: irradiance in the plane (measured, else brought there from the horizontal), what the
glass takes of the beam, the spectrum where asked for, the temperature of the cells, the modules (PVWatts, or the single-diode
model where a module is named), wiring and mismatch, the inverter (PVWatts, or Sandia's model where an inverter is named), its
limit. :mod:`~workbench.analytics.solar.plant_model` names the sources.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.solar.array_facts import array_facts
from workbench.analytics.solar.checks import check_plant
from workbench.analytics.solar.plane import Incidence, Stamp, Transposition
from workbench.analytics.solar.plant_model import (
    SATELLITE,
    Options,
    PlantModel,
    Source,
    Spectral,
    TemperatureModel,
)
from workbench.steps import remark, step

#: Values of one block: so many that the stages of a block stay a few hundred MB, whatever the fleet.
BLOCK = 1_000_000

#: Fields of :func:`expected_power`, with unit and name.
FIELDS: Mapping[str, tuple[str, str]] = {
    "expected_power": ("kW", "AC power that the inverter should make"),
    "expected_dc_power": ("kW", "DC power that the modules should give"),
    "cell_temperature_modelled": ("degC", "temperature of the cells that was used"),
    "irradiance_poa_modelled": ("W/m2", "irradiance in the plane of the modules, modelled"),
    "irradiance_source": ("", "where the irradiance in the plane is from"),
}


def expected_power(
    data: xr.Dataset,
    *,
    facts: Mapping[str, float | str | bool] | None = None,
    module: str | Mapping[str, float] | None = None,
    inverter: str | Mapping[str, float] | None = None,
    transposition: Transposition = "haydavies",
    incidence: Incidence = "physical",
    spectral: Spectral = "none",
    temperature_model: TemperatureModel = "faiman",
    stamp: Stamp = "start",
    irradiance: str = "irradiance_poa",
    horizontal: str = "irradiance_ghi",
    beam: str = "irradiance_dni",
    diffuse: str = "irradiance_dhi",
    satellite: str = SATELLITE,
) -> xr.Dataset:
    """AC and DC power that each inverter should make in each slot, and what it rests on.

    Parameters
    ----------
    data
        dims (time, asset), time in UTC. Irradiance in the plane of the modules [W/m²]; where it is missing, slot by slot, from
        global horizontal irradiance with the beam's or the diffuse, or alone (Erbs), at last that of a satellite. Temperature
        [degC]: ``cell_temperature``, else ``module_temperature`` or ``panel_temperature`` (the cells 3 K above at 1000 W/m²), else
        ``ambient_temperature`` or ``temperature`` with ``wind_speed`` [m/s]. Each of the asset, or (time) for all, or of a sensor
        among the assets (``asset_type`` irradiance_sensor, weather_station, met_mast) that stands for those of its ``farm_id``.
        The facts of each asset as coordinates: see :func:`~workbench.analytics.solar.array_facts.array_facts`.
    facts, module, inverter
        Facts of all assets, see there.
    transposition
        From the horizontal to the plane.
    incidence
        What glass takes of the beam: ``physical`` (De Soto), ``ashrae``, ``martin_ruiz``, or ``none``, as for a reference cell. Where
        only irradiance in the plane is known, the beam's share is told from it, see
        :func:`~workbench.analytics.solar.plane.beam_share`.
    spectral
        ``first_solar``: by air mass and the water in the air, from ``humidity`` [%] and temperature.
    temperature_model
        Where the temperature is that of the air.
    stamp
        What a time stamp tells of its slot: its start, as everywhere here, its end, or its middle, as for momentary values. The sun
        is looked at in the middle.
    irradiance, horizontal, beam, diffuse, satellite
        Fields [W/m²].

    Returns
    -------
    xr.Dataset
        dims (time, asset): ``expected_power``, ``expected_dc_power`` [kW], NaN where irradiance or temperature is not known;
        ``cell_temperature_modelled`` [degC]; ``irradiance_source`` (``Source``); ``irradiance_poa_modelled`` [W/m²] where horizontal
        irradiance is there. In single precision where all input is.

    Raises
    ------
    InputError
        Neither irradiance in the plane nor what makes it, no temperature, no rating, an unknown module or inverter, irradiance in
        kW/m², of reversed sign, or with the sun down.
    """
    check_plant(data)
    known = array_facts(data, facts, module=module, inverter=inverter)
    options = Options(
        transposition, incidence, spectral, temperature_model, stamp, irradiance, horizontal, beam, diffuse, satellite
    )
    model = PlantModel(data, known, options)
    shape = (data.sizes["time"], data.sizes["asset"])
    names = [name for name in FIELDS if name != "irradiance_poa_modelled" or _horizontal(model)]
    out: dict[str, npt.NDArray[np.generic]] = {
        name: np.zeros(shape, np.uint8) if name == "irradiance_source" else np.full(shape, np.nan, model.dtype)
        for name in names
    }
    for part in blocks(shape):
        found = model.block(part)
        out["expected_power"][part] = found.ac
        out["expected_dc_power"][part] = found.dc
        out["cell_temperature_modelled"][part] = found.cell
        out["irradiance_source"][part] = found.source
        if found.modelled is not None:
            out["irradiance_poa_modelled"][part] = found.modelled
    _tell(out["irradiance_source"], out["expected_power"])
    result = xr.Dataset(coords={name: data[name] for name in data.coords if set(data[name].dims) <= {"time", "asset"}})
    for name, values in out.items():
        units, title = FIELDS[name]
        attrs = {"units": units, "long_name": title} if units else _flags(title)
        result[name] = (("time", "asset"), values, attrs)
    return result


def blocks(shape: tuple[int, int]) -> list[slice]:
    """Spans of time of which the values of all assets fit in a block."""
    rows = max(1, BLOCK // max(shape[1], 1))
    return [slice(start, min(start + rows, shape[0])) for start in range(0, shape[0], rows)]


def _horizontal(model: PlantModel) -> bool:
    return model.ghi is not None or model.satellite is not None


def _flags(title: str) -> dict[str, object]:
    return {
        "long_name": title,
        "flag_values": np.array([int(one) for one in Source], "uint8"),
        "flag_meanings": " ".join(one.name.lower() for one in Source),
    }


def _tell(source: npt.NDArray[np.generic], power: npt.NDArray[np.generic]) -> None:
    """Remark what was not measured in the plane, and what is not known at all."""
    count = np.bincount(source.ravel().astype(np.int64), minlength=len(Source))
    if count[Source.MEASURED_PLANE] and count[Source.TRANSPOSED :].any():
        filled = ", ".join(
            f"{count[one]} {one.name.lower()}" for one in list(Source)[Source.TRANSPOSED :] if count[one]
        )
        remark(f"expected power: slots without irradiance in the plane are modelled: {filled}")
    lacking = int((~np.isfinite(power.astype(np.float64, copy=False))).sum())
    if lacking:
        remark(f"expected power: {lacking} of {power.size} values are not known: irradiance or temperature is missing")


@step("solar_expected_power")
def solar_expected_power(
    data: xr.Dataset,
    *,
    facts: Mapping[str, float | str | bool] | None = None,
    module: str | Mapping[str, float] | None = None,
    inverter: str | Mapping[str, float] | None = None,
    transposition: Transposition = "haydavies",
    incidence: Incidence = "physical",
    spectral: Spectral = "none",
    temperature_model: TemperatureModel = "faiman",
    stamp: Stamp = "start",
    irradiance: str = "irradiance_poa",
    horizontal: str = "irradiance_ghi",
    beam: str = "irradiance_dni",
    diffuse: str = "irradiance_dhi",
    satellite: str = SATELLITE,
    output_field: str = "expected_power",
) -> xr.Dataset:
    """Power that each inverter should make, from measured, horizontal or satellite irradiance, by pvlib's models.

    Parameters
    ----------
    data
        dims (time, asset): irradiance [W/m²], a temperature [degC]; facts of the assets as coordinates. See
        :func:`expected_power`.
    facts, module, inverter
        Facts of all assets; module and inverter by their names in the tables of the CEC, or their parameters.
    transposition, incidence, spectral, temperature_model
        Which models.
    stamp
        What a time stamp tells of its slot.
    irradiance, horizontal, beam, diffuse, satellite
        Fields [W/m²]: in the plane, global horizontal, beam, diffuse, global horizontal by satellite.
    output_field
        What the expected AC power is called.

    Returns
    -------
    The data with ``output_field``, ``expected_dc_power`` [kW], ``cell_temperature_modelled`` [degC], ``irradiance_source``, and where
    horizontal irradiance is there ``irradiance_poa_modelled`` [W/m²].

    Raises
    ------
    InputError
        See :func:`expected_power`.
    """
    found = expected_power(
        data, facts=facts, module=module, inverter=inverter, transposition=transposition, incidence=incidence,
        spectral=spectral, temperature_model=temperature_model, stamp=stamp, irradiance=irradiance, horizontal=horizontal,
        beam=beam, diffuse=diffuse, satellite=satellite,
    )  # fmt: skip
    return data.assign({output_field if name == "expected_power" else name: found[name] for name in found.data_vars})
