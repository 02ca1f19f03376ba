"""Steps for the long-term yield: of a plant, of each turbine, and what is lost between turbines and meter.

They are about the whole period that a pipeline runs on, so that what they give is one value of each asset. The reanalyses
and the meter are other sources: entries of the catalogs, files or series of the store, by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numpy as np
import numpy.typing as npt
import xarray as xr
from pydantic import Field

from workbench.analytics.kpi import variable_of
from workbench.analytics.wind.electrical_losses import electrical_losses
from workbench.analytics.wind.plant_yield import plant_yield
from workbench.analytics.wind.turbine_energy import simulate_turbine_energy
from workbench.analytics.wind.yield_daily import Resolution
from workbench.analytics.wind.yield_draws import Compatibility
from workbench.analytics.wind.yield_models import Regression
from workbench.model.errors import InputError
from workbench.steps import progress_part, remark, step
from workbench.transforms.other_sources import Telemetry, open_other_telemetry

Floats = npt.NDArray[np.float64]
Reanalyses = list[str] | dict[str, Telemetry]
Count = Annotated[int, Field(ge=1)]

PERCENTILES = (50, 75, 90, 99)
#: Fields of the steps, with their units and what they are.
YIELD: Mapping[str, tuple[str, str]] = {
    "annual_energy": ("kWh", "energy of a year to come"),
    **{f"annual_energy_p{one}": ("kWh", f"energy of a year, exceeded with {one} %") for one in PERCENTILES},
    "long_term_energy": ("kWh", "mean annual energy of the long term"),
    "long_term_energy_std": ("kWh", "standard uncertainty of the mean annual energy of the long term"),
    "long_term_availability_loss": ("1", "availability loss of gross energy, long term"),
    "long_term_curtailment_loss": ("1", "curtailment loss of gross energy, long term"),
    "annual_energy_variability": ("1", "variability of the energy between years"),
    "long_term_r2": ("1", "coefficient of determination of the regression"),
}
TURBINES: Mapping[str, tuple[str, str]] = {
    "long_term_gross_energy": ("kWh", "gross energy of a mean year"),
    "long_term_gross_energy_std": ("kWh", "standard uncertainty of the gross energy of a mean year"),
    **{f"long_term_gross_energy_p{one}": ("kWh", f"the same, exceeded with {one} %") for one in PERCENTILES},
    "long_term_gross_energy_days": ("1", "days it rests on, mean of the simulations"),
}
ELECTRICAL: Mapping[str, tuple[str, str]] = {
    "electrical_loss": ("1", "energy lost between turbines and meter"),
    "electrical_loss_p05": ("1", "the same, not exceeded with 5 %"),
    "electrical_loss_p95": ("1", "the same, not exceeded with 95 %"),
}


@step("plant_yield")
def plant_yield_fields(
    data: xr.Dataset,
    *,
    reanalysis: Reanalyses,
    meter: Telemetry | None = None,
    resolution: Resolution = "month",
    regression: Regression = "linear",
    temperature: bool = False,
    wind_direction: bool = False,
    simulations: Count | None = None,
    seed: int = 0,
    years: tuple[int, int] = (10, 20),
    outliers: tuple[float, float] | None = None,
    loss_weighting: bool = False,
    horizon_years: Count = 1,
    end: str | None = None,
    compatibility: Compatibility | None = None,
    net_energy: str = "net_energy",
    availability_loss: str = "availability_loss",
    curtailment_loss: str = "curtailment_loss",
) -> xr.Dataset:
    """Long-term energy of each meter with its uncertainty, P50 to P99, from its record and reanalyses.

    See :func:`~workbench.analytics.wind.plant_yield.plant_yield`.

    Parameters
    ----------
    data
        dims (time, asset): energy at the meter, and what was lost, per slot [kWh]. Losses that are not there count as none.
    reanalysis
        Names of other sources, or by name the source: ``wind_speed``, ``temperature`` and
        ``barometric_pressure`` (or ``air_density``), and ``wind_u``, ``wind_v`` for wind direction.
    meter
        Another source of one asset, its name or the data, of which the fields are: for data of turbines. Each then has
        what the plant has, and the attribute ``farm`` says so.
    resolution
        ``month``, ``day`` or ``hour``: what is regressed on the wind.
    regression
        ``linear``; of days and hours also ``spline``, ``gradient_boosting`` or ``extra_trees``.
    temperature, wind_direction
        Of days and hours, whether they are regressed on as well.
    simulations
        10,000 for a linear regression, 1,000 for splines, 100 for trees where it is left out.
    seed
        Of the random numbers.
    years
        Fewest and most years of wind of the long term.
    outliers
        Range of the constant of the outlier detection; none by default.
    loss_weighting
        Whether a period counts by the share of its energy that was measured and not estimated.
    horizon_years
        Years that ``annual_energy`` is the mean of.
    end
        Of the long term; the last whole month of the reanalyses by default.
    compatibility
        ``openoa-3.2`` for that tool's figures.
    net_energy, availability_loss, curtailment_loss
        Fields.

    Returns
    -------
    The data with ``annual_energy`` (mean and ``_p50`` to ``_p99``), ``long_term_energy`` [kWh], losses and variability
    between years [1]; dims (asset).

    Raises
    ------
    InputError
        A reanalysis is missing, too short or of another kind; less than a year; all values rejected.
    """
    wind = reanalyses_of(reanalysis)
    metered = data if meter is None else _one_meter(meter)
    table = np.full((metered.sizes["asset"], len(YIELD)), np.nan)
    for row, asset in enumerate(map(str, metered["asset"].values)):
        one = metered.isel(asset=[row])
        parts = {"net_energy": variable_of(one, net_energy).load()}
        for name, field in (("availability_loss", availability_loss), ("curtailment_loss", curtailment_loss)):
            if field in one:
                parts[name] = variable_of(one, field).load()
            else:
                remark(f"without {field} nothing counts as lost: the energy is that of a plant that runs as it did")
                parts[name] = xr.zeros_like(parts["net_energy"])
        try:
            with progress_part(row, metered.sizes["asset"]):
                found = plant_yield(
                    xr.Dataset(parts, attrs=metered.attrs),
                    wind,
                    resolution=resolution,
                    regression=regression,
                    temperature=temperature,
                    wind_direction=wind_direction,
                    end=end,
                    simulations=simulations,
                    seed=seed,
                    years=years,
                    outliers=outliers,
                    loss_weighting=loss_weighting,
                    horizon_years=horizon_years,
                    compatibility=compatibility,
                ).summary
        except InputError as error:
            raise _of_asset(error, asset) from error
        annual = found.loc["annual_energy"]
        table[row] = [
            annual["mean"],
            *(annual[f"p{one}"] for one in PERCENTILES),
            found.loc["long_term_energy", "mean"],
            found.loc["long_term_energy", "std"],
            *(found.loc[name, "mean"] for name in ("availability_loss", "curtailment_loss", "variability", "r2")),
        ]
    extra = {} if compatibility is None else {"compatibility": compatibility}
    return _with(data, YIELD, table, extra) if meter is None else _of_farm(data, YIELD, table[0], extra)


@step("turbine_energy")
def turbine_energy_fields(
    data: xr.Dataset,
    *,
    reanalysis: Reanalyses,
    simulations: Count = 20,
    seed: int = 0,
    compatibility: Compatibility | None = None,
    wind_speed: str = "wind_speed",
    power: str = "power_output",
) -> xr.Dataset:
    """Long-term gross energy of each turbine with its uncertainty: what it makes where it always runs well.

    See :func:`~workbench.analytics.wind.turbine_energy.simulate_turbine_energy`.

    Parameters
    ----------
    data
        dims (time, asset): wind speed [m/s] and power [kW], a year or more; coordinate ``rated_capacity`` [kW].
    reanalysis
        Names of other sources, or by name the source: ``wind_u``, ``wind_v``, ``wind_speed``, ``temperature`` and
        ``barometric_pressure`` (or ``air_density``).
    simulations
        Number of draws.
    seed
        Of the random numbers.
    compatibility
        ``openoa-3.2`` for that tool's months at either end of a reanalysis.
    wind_speed, power
        Fields.

    Returns
    -------
    The data with ``long_term_gross_energy``, its ``_std`` and ``_p50`` to ``_p99`` [kWh], and the ``_days`` it rests on;
    dims (asset). A turbine without data is NaN, and said.

    Raises
    ------
    InputError
        No reanalysis; no turbine with data; a rating that is not positive; less than a year.
    """
    wind = reanalyses_of(reanalysis)
    power_, speed = (variable_of(data, name).load() for name in (power, wind_speed))
    there = (np.isfinite(power_.values) & np.isfinite(speed.values)).any(axis=0)
    names = [str(one) for one in data["asset"].values]
    empty = [name for name, known in zip(names, there, strict=True) if not known]
    if len(empty) == len(names):
        raise InputError("no turbine has data", where=power, found=f"{len(names)} turbines without a value")
    if empty:
        remark(f"{', '.join(empty)}: no data, hence no long-term gross energy")
    part = data.isel(asset=np.flatnonzero(there))
    found = simulate_turbine_energy(
        part,
        wind,
        simulations=simulations,
        seed=seed,
        compatibility=compatibility,
        wind_speed=wind_speed,
        power=power,
    )
    table = np.full((len(names), len(TURBINES)), np.nan)
    chosen = found.summary.drop(index="plant")
    columns = [chosen[name].to_numpy() for name in ("mean", "std", *(f"p{one}" for one in PERCENTILES))]
    table[there] = np.column_stack([*columns, found.simulations["days"].mean("simulation").values])
    return _with(data, TURBINES, table)


@step("electrical_losses")
def electrical_losses_fields(
    data: xr.Dataset,
    *,
    meter: Telemetry,
    meter_field: str = "net_energy",
    simulations: Count = 3_000,
    seed: int = 0,
    turbine_uncertainty: Annotated[float, Field(ge=0, lt=1)] = 0.005,
    meter_uncertainty: Annotated[float, Field(ge=0, lt=1)] = 0.005,
    power: str = "power_output",
) -> xr.Dataset:
    """Share of the turbines' energy that does not reach the meter, over the days that are whole in both.

    See :func:`~workbench.analytics.wind.electrical_losses.electrical_losses`.

    Parameters
    ----------
    data
        dims (time, asset): power of every turbine behind the meter [kW].
    meter
        Another source of one asset: its name, or the data.
    meter_field
        Energy of the meter per slot [kWh].
    simulations
        Number of draws.
    seed
        Of the random numbers.
    turbine_uncertainty, meter_uncertainty
        Standard uncertainty of the energy of turbines and meter [1].
    power
        Field.

    Returns
    -------
    The data with ``electrical_loss`` (without uncertainty), ``electrical_loss_p05`` and ``_p95`` [1]: that of the farm,
    the same of each asset and of the attribute ``farm``; dims (asset).

    Raises
    ------
    InputError
        A turbine without data; more than one meter; nothing in common that is whole.
    """
    other = _one_meter(meter).isel(asset=0)
    found = electrical_losses(
        data,
        variable_of(other, meter_field).load(),
        simulations=simulations,
        seed=seed,
        turbine_uncertainty=turbine_uncertainty,
        meter_uncertainty=meter_uncertainty,
        power=power,
    ).summary.iloc[0]
    row = np.array([found["loss"], found["p05"], found["p95"]], dtype=np.float64)
    return _of_farm(data, ELECTRICAL, row)


def _one_meter(source: Telemetry) -> xr.Dataset:
    """Another source of one asset; dims (time, asset)."""
    other = open_other_telemetry(source, "meter")
    if "asset" not in other.dims:
        return other.expand_dims(asset=["meter"], axis=1)
    if other.sizes["asset"] != 1:
        raise InputError(
            "one meter at a time", where="meter", found=f"{other.sizes['asset']} assets", expected="a source of one"
        )
    return other


def reanalyses_of(given: Reanalyses) -> dict[str, xr.Dataset]:
    """By name, those of a list called as the last part of where they are."""
    named: dict[str, Telemetry] = {}
    if isinstance(given, Mapping):
        named = dict(given)
    else:
        for source in given:
            short = source.replace("/", ".").rpartition(".")[2]
            named[source if short in named else short] = source
    return {name: open_other_telemetry(source, f"reanalysis.{name}") for name, source in named.items()}


def _of_asset(error: InputError, asset: str) -> InputError:
    return error.at(where=": ".join(part for part in (asset, error.where) if part))


def _with(
    data: xr.Dataset, fields: Mapping[str, tuple[str, str]], table: Floats, attrs: Mapping[str, object] | None = None
) -> xr.Dataset:
    """``data`` with fields of one value of each asset; ``table`` has dims (asset, field)."""
    made = {
        name: ("asset", table[:, column], {"units": units, "long_name": long_name, **(attrs or {})})
        for column, (name, (units, long_name)) in enumerate(fields.items())
    }
    return data.assign(made)


def _of_farm(
    data: xr.Dataset, fields: Mapping[str, tuple[str, str]], row: Floats, attrs: Mapping[str, object] | None = None
) -> xr.Dataset:
    """``data`` with fields of the whole farm: the same of each asset, and the attribute ``farm``."""
    found = _with(data, fields, np.tile(row, (data.sizes["asset"], 1)), attrs)
    for name, value in zip(fields, row, strict=True):
        found[name].attrs["farm"] = float(value)
    return found
