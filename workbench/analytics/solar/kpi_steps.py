"""The steps for key figures, availability and capacity test of solar plants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr
from pydantic import Field

from workbench.analytics.solar.availability import solar_availability
from workbench.analytics.solar.capacity_filters import Filters
from workbench.analytics.solar.capacity_test import Conditions, capacity_test
from workbench.analytics.solar.kpi import performance_indicators
from workbench.analytics.solar.rating import with_weather
from workbench.steps import remark, step
from workbench.transforms.other_sources import Telemetry, open_other_telemetry

#: What the step ``solar_kpi`` takes of the weather beside the irradiance, where the data do not have it.
WEATHER = ("module_temperature", "ambient_temperature", "temperature", "wind_speed")
#: Fields of the step ``solar_availability`` of each asset: units.
AVAILABILITY = {
    "time_availability": "1",
    "energy_availability": "1",
    "outage_lost_energy": "kWh",
    "outage_lost_energy_possible": "kWh",
    "availability_known": "1",
}
_SOURCE = {
    "outage_lost_energy": "lost_energy",
    "outage_lost_energy_possible": "lost_energy_possible",
    "availability_known": "known",
}


@step("solar_kpi")
def add_solar_kpi(
    data: xr.Dataset,
    *,
    by: Literal["day", "month", "year", "all"] = "month",
    timezone: str = "",
    group: str = "",
    weather: Telemetry | None = None,
    power: str = "",
    dc_power: str = "total_dc_power",
    irradiance: str = "irradiance_poa",
    expected: str = "expected_power",
    temperature_coefficient: Annotated[float, Field(gt=-0.02, lt=0.005)] | None = None,
    module_reference: float | None = None,
    cell_reference: float | None = None,
    least_coverage: Annotated[float, Field(ge=0, le=1)] = 0.9,
) -> xr.Dataset:
    """Yields, losses, performance ratios and efficiencies of a solar plant by IEC 61724-1, by days, months or years.

    See :func:`~workbench.analytics.solar.kpi.performance_indicators`.

    Parameters
    ----------
    data
        dims (time, asset): power [kW], irradiance in the plane [W/m²]; DC and expected power [kW] and a temperature [degC] where they
        are there. Coordinates ``dc_capacity``, ``rated_capacity`` [kW], ``module_area`` [m²].
    by, timezone
        Periods of this clock, from local midnight; the attribute ``timezone`` of the data where left out.
    group
        Coordinate of the assets by which they are put together; all together where left out.
    weather
        Another source, of one station, for irradiance, temperature and wind speed that the data do not have; brought to their slots.
    power, dc_power, irradiance, expected
        Fields; power left out: the first of ``total_ac_power``, ``power_output``, ``active_power``.
    temperature_coefficient
        Of the modules [1/K]; left out, of the coordinate ``module_temp_coeff_power``, else -0.004.
    module_reference, cell_reference
        Mean temperature of a typical year weighted with irradiance [degC]; from the data where they hold a year.
    least_coverage
        Below this share of the daylight a figure carries a caution.

    Returns
    -------
    The data with ``kpi_<figure>`` by (kpi_period, asset), ``kpi_plant_<figure>`` by (kpi_period, kpi_group), and with each of them
    ``reason`` and ``caution`` in words.

    Raises
    ------
    InputError
        There is no power or irradiance, or no such coordinate or zone.
    """
    source = data
    if weather is not None:
        source = with_weather(data, open_other_telemetry(weather, "weather"), (irradiance, *WEATHER))
    found = performance_indicators(
        source, by=None if by == "all" else by, timezone=timezone, group=group, power=power, dc_power=dc_power,
        irradiance=irradiance, expected=expected, temperature_coefficient=temperature_coefficient,
        module_reference=module_reference, cell_reference=cell_reference, least_coverage=least_coverage,
    )  # fmt: skip
    for text in found.cautions:
        remark(f"solar_kpi: {text}")
    _tell("solar_kpi", found.groups["reason"].values)
    fields = {}
    for prefix, result, dim in (("kpi_", found.assets, "asset"), ("kpi_plant_", found.groups, "kpi_group")):
        for name, field in result.data_vars.items():
            values = field.values.astype(str) if field.dtype.kind == "O" else field.values
            fields[f"{prefix}{name}"] = (("kpi_period", dim), values, field.attrs)
    return data.assign_coords(
        kpi_period=found.groups["period"].values, kpi_group=found.groups["group"].values.astype(str)
    ).assign(fields)


@step("solar_availability")
def add_solar_availability(
    data: xr.Dataset,
    *,
    meter: Telemetry | None = None,
    power: str = "",
    meter_power: str = "active_power",
    meter_energy: str = "energy_export",
    expected: str = "expected_power",
    irradiance: str = "irradiance_poa",
    price: Annotated[float, Field(ge=0)] | None = None,
    currency: str = "EUR",
    quantiles: tuple[float, float] = (0.01, 0.99),
    count_grid: bool = True,
    timezone: str = "",
) -> xr.Dataset:
    """Availability of a solar plant by time and energy; loss of communication told apart from loss of energy.

    See :func:`~workbench.analytics.solar.availability.solar_availability`.

    Parameters
    ----------
    data
        dims (time, asset): the inverters of one plant, power [kW]; expected power [kW] or irradiance [W/m²] where they are there.
    meter
        The plant's meter: power [kW] and counter [kWh].
    power, meter_power, meter_energy, expected, irradiance
        Fields; power left out: the first of ``total_ac_power``, ``power_output``, ``active_power``.
    price, currency
        Of energy [currency/kWh].
    quantiles
        Of the errors of the expected energy; below the lower one a gap of the whole plant was an outage.
    count_grid
        Whether outages of the grid count against the plant.
    timezone
        The clock of the site; the attribute ``timezone`` of the data where left out.

    Returns
    -------
    The data with ``availability_category`` and ``outage_loss`` [kWh] of each slot, and of each asset ``time_availability``, ``energy_availability``,
    ``outage_lost_energy`` and ``outage_lost_energy_possible`` [kWh], ``availability_known`` [1], ``availability_reason``, with a price
    ``outage_lost_money``. The figures of the plant are in their attribute ``plant``; slots that the record lacks are counted.

    Raises
    ------
    InputError
        There is power neither of the inverters nor of the meter.
    """
    found = solar_availability(
        data, meter=None if meter is None else open_other_telemetry(meter, "meter"), power=power, meter_power=meter_power, meter_energy=meter_energy, expected=expected,
        irradiance=irradiance, timezone=timezone, price=price, currency=currency, quantiles=quantiles,
        count_grid=count_grid,
    )  # fmt: skip
    for text in found.cautions:
        remark(f"solar_availability: {text}")
    figures = found.figures.isel(period=0)
    _tell("solar_availability", figures["reason"].values)
    slots = found.slots.sel(time=data["time"].values)
    fields = {name: slots[name] for name in ("availability_category", "outage_loss", "outage_loss_possible")}
    for name in [*AVAILABILITY, *(["outage_lost_money"] if price is not None else [])]:
        source = "lost_money" if name == "outage_lost_money" else _SOURCE.get(name, name)
        plant = float(figures[f"plant_{source}"])
        fields[name] = figures[source].drop_vars("period").assign_attrs(plant=plant)
    fields["availability_reason"] = figures["reason"].drop_vars("period").astype(str)
    return data.assign(fields)


@step("solar_capacity_test")
def add_capacity_test(
    data: xr.Dataset,
    *,
    method: Literal["astm_e2848", "iec_61724_2", "expected"] = "astm_e2848",
    target: Annotated[float, Field(gt=0)] | None = None,
    contracted: Annotated[float, Field(gt=0, lt=2)] = 0.95,
    condition_irradiance: Annotated[float, Field(gt=0)] | None = None,
    condition_temperature: float | None = None,
    condition_wind_speed: Annotated[float, Field(ge=0)] | None = None,
    irradiance_range: tuple[float, float] = (400.0, 1500.0),
    stability: Annotated[float, Field(gt=0)] | None = 0.1,
    clipping: bool = True,
    temperature_coefficient: Annotated[float, Field(gt=-0.02, lt=0.005)] | None = None,
    level: Annotated[float, Field(gt=0, lt=1)] = 0.95,
    instruments: Annotated[float, Field(ge=0)] = 0.0,
    power: str = "",
    irradiance: str = "irradiance_poa",
    expected: str = "expected_power",
    output_field: str = "capacity",
) -> xr.Dataset:
    """Capacity test of a solar plant by ASTM E2848, IEC TS 61724-2 or against expected power.

    See :func:`~workbench.analytics.solar.capacity_test.capacity_test`.

    Parameters
    ----------
    data
        dims (time, asset): power [kW], irradiance in the plane [W/m²], by method a temperature [degC] and wind speed [m/s].
    method
        Regression, correction to conditions, or the ratio to expected power.
    target
        Power promised at the conditions [kW]; from the expected power where left out.
    contracted
        Least ratio.
    condition_irradiance, condition_temperature, condition_wind_speed
        Reporting conditions [W/m², degC, m/s]; chosen from the data by ASTM E2939 where left out.
    irradiance_range, stability, clipping
        Filters: irradiance [W/m²], most change of it between slots [1], slots at the inverter's limit left out.
    temperature_coefficient
        Of the modules [1/K].
    level, instruments
        Of the interval; standard uncertainty of the instruments as a share.
    power, irradiance, expected
        Fields.
    output_field
        What the capacity is called.

    Returns
    -------
    The data with, of each asset, ``capacity`` [kW] and its ``_lower``, ``_upper``, ``_target``, ``_ratio``, ``_ratio_lower``, ``_ratio_upper``,
    ``_rows``, and in words ``_verdict``, ``_reason``, ``_caution``.

    Raises
    ------
    InputError
        A field is missing, or neither target nor expected power is there.
    """
    found = capacity_test(
        data, method=method, target=target, contracted=contracted,
        conditions=Conditions(condition_irradiance, condition_temperature, condition_wind_speed),
        filters=Filters(irradiance=irradiance_range, stability=stability, clipping=clipping),
        temperature_coefficient=temperature_coefficient, level=level, instruments=instruments, power=power,
        irradiance=irradiance, expected=expected,
    )  # fmt: skip
    results = found.results
    for asset, column in found.filters.items():
        remark(f"solar_capacity_test: {asset}: slots left: " + ", ".join(f"{n} {v}" for n, v in column.items()))
    fields = {}
    for name, source in capacity_names(output_field).items():
        field = results[source]
        fields[name] = field.astype(str) if field.dtype.kind == "O" else field
    _tell("solar_capacity_test", results["reason"].values)
    return data.assign(fields)


def capacity_names(output_field: str) -> dict[str, str]:
    """Fields of the step ``solar_capacity_test``, and what they are in its results."""
    numbers = {
        "": "capacity",
        "_lower": "capacity_lower",
        "_upper": "capacity_upper",
        "_target": "target",
        "_rows": "rows",
    }
    ratios = {f"_ratio{end}": f"capacity_ratio{end}" for end in ("", "_lower", "_upper")}
    words = {f"_{name}": name for name in ("verdict", "reason", "caution")}
    return {f"{output_field}{end}": source for end, source in (numbers | ratios | words).items()}


def _tell(name: str, reasons: npt.NDArray[np.generic] | Sequence[str]) -> None:
    """Remark each reason once."""
    for text in dict.fromkeys(map(str, np.ravel(np.asarray(reasons)))):
        if text:
            remark(f"{name}: {text}")
