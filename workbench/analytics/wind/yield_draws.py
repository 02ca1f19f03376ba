"""What is drawn for a long-term yield, and the table of what comes out; of months, days and hours alike.

See :mod:`workbench.analytics.wind.plant_yield` for the method and its references.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.kpi import variable_of
from workbench.model.errors import InputError
from workbench.steps import remark

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Compatibility = Literal["openoa-3.2"]

_SUMMARISED = (
    "annual_energy",
    "long_term_energy",
    "availability_loss",
    "curtailment_loss",
    "variability",
    "windiness",
    "r2",
)


@dataclass(frozen=True)
class PlantYield:
    """What a simulation of a plant's long-term yield finds.

    Attributes
    ----------
    simulations
        dims (simulation): ``annual_energy`` of any one year (or mean of ``horizon_years``) and
        ``long_term_energy``, the mean of all years [kWh]; ``availability_loss``, ``curtailment_loss`` [1] of gross
        energy; ``variability``, between years by their wind [1] (a single year's energy differs also by what the
        regression leaves of it); ``windiness``, gross energy of that year (or mean) over the
        measured one [1]; ``r2`` [1] of the regression; and what was drawn: ``product``, ``years``, ``loss_limit``
        [1], ``meter_factor``, ``loss_factor``, ``long_term_factor`` [1]. Of months also ``slope`` [kWh s/m] and ``intercept`` [kWh] of the
        energy of 30 days, and ``months`` used; of days and hours ``periods`` used and ``r2_unseen`` [1], the
        coefficient of determination on those that the bootstrap left out.
    summary
        One row per quantity: ``unit``, ``mean``, ``std``, ``cv`` (std / mean) and ``p50``, ``p75``, …: the value
        exceeded with that probability.
    """

    simulations: xr.Dataset
    summary: pd.DataFrame


@dataclass(frozen=True)
class Draws:
    """What is drawn of each simulation, [simulation]."""

    product: Ints  #: place of the reanalysis
    meter: Floats  #: factor of the metered energy
    loss: Floats  #: factor of the losses
    years: Ints  #: of the long term
    percent: Ints  #: largest loss of a period in the regression [%]
    tenths: Ints  #: constant of the outlier detection [1/10]; 0 for none
    one_year: Floats  #: of the standard normal distribution


def draw(
    rng: np.random.Generator,
    simulations: int,
    products: int,
    *,
    meter_uncertainty: float,
    loss_uncertainty: float,
    years: tuple[int, int],
    loss_limit: tuple[float, float],
    outliers: tuple[float, float] | None,
) -> Draws:
    """All that is drawn but the bootstrap; the order is part of what a seed stands for."""
    product = rng.integers(0, products, simulations)
    meter = rng.normal(1.0, meter_uncertainty, simulations)
    loss = rng.normal(1.0, loss_uncertainty, simulations)
    number = rng.integers(years[0], years[1] + 1, simulations)
    percent = rng.integers(round(loss_limit[0] * 100), round(loss_limit[1] * 100) + 1, simulations)
    tenths = np.zeros(simulations, np.int64)
    if outliers is not None:
        tenths = rng.integers(round(outliers[0] * 10), round(outliers[1] * 10) + 1, simulations)
    return Draws(product, meter, loss, number, percent, tenths, rng.normal(0.0, 1.0, simulations))


def check_settings(
    simulations: int,
    years: tuple[int, int],
    loss_limit: tuple[float, float],
    horizon_years: int,
    compatibility: str | None,
    outliers: tuple[float, float] | None,
) -> None:
    """An error that names the setting that is wrong."""
    if simulations < 1:
        raise InputError("at least one simulation", where="simulations", found=simulations, expected="1 or more")
    if not 2 <= years[0] <= years[1]:
        raise InputError("no range of years", where="years", found=years, expected="two or more, the smaller first")
    if not 0 < loss_limit[0] <= loss_limit[1] <= 1:
        raise InputError("no range of shares", where="loss_limit", found=loss_limit, expected="within (0, 1]")
    if horizon_years < 1:
        raise InputError("at least a year", where="horizon_years", found=horizon_years, expected="1 or more")
    if compatibility not in (None, "openoa-3.2"):
        raise InputError("unknown compatibility", where="compatibility", found=compatibility, expected="openoa-3.2")
    if outliers is not None and not 0 < outliers[0] <= outliers[1]:
        raise InputError("no range of constants", where="outliers", found=outliers, expected="above 0, rising")


def rating_of(plant: xr.Dataset, given: float | None) -> float:
    """Rated capacity of a plant [kW]: ``given``, or the sum of its coordinate.

    Raises
    ------
    InputError
        It is not known, or not positive.
    """
    rated = given
    if rated is None:
        rated = float(np.sum(plant["rated_capacity"].values)) if "rated_capacity" in plant.coords else np.nan
    if not 0 < rated < np.inf:
        raise InputError(
            "the plant's rated capacity is not known", where="rated_capacity", found=rated, expected="kW, > 0"
        )
    return rated


def without_impossible(plant: xr.Dataset, names: Sequence[str], rated: float, hours: float) -> xr.Dataset:
    """``plant`` with energy and losses that cannot be taken out (they are missing then); how many is said.

    Impossible are energies of a slot beyond 1.5 times, or below -0.2 times, that of the rated capacity [kWh], and losses
    below 0 or beyond 1.5 times the same. Totals of months or days do not show a single one of them.
    """
    full = 1.5 * rated * hours
    changed: dict[str, xr.DataArray] = {}
    for name in names:
        values = variable_of(plant, name)
        low = -0.2 * rated * hours if name == names[0] else -1e-6 * rated * hours
        odd = (values < low) | (values > full) | np.isinf(values)
        count = int(odd.sum())
        if count:
            remark(f"{count} impossible values of {name} (outside {low:.4g} to {full:.6g} kWh) count as missing")
            changed[name] = values.where(~odd)
    return plant.assign(changed) if changed else plant


def plausible(speed: Floats, made: Floats, full: float) -> Bools:
    """Periods that can be: wind of 0 to 40 m/s, energy up to 1.2 of full power, more than 2 % of it above 5 m/s."""
    odd = (speed < 0) | (speed > 40) | (made > 1.2 * full) | ((speed >= 5) & (made < 0.02 * full))
    return ~odd


def dataset(
    variables: Mapping[str, tuple[npt.NDArray[np.generic], str, str]], attrs: Mapping[str, object]
) -> xr.Dataset:
    """A data set, dims (simulation), of values, units and long name of each."""
    return xr.Dataset(
        {
            name: ("simulation", values, {"units": units, "long_name": long_name})
            for name, (values, units, long_name) in variables.items()
        },
        attrs=dict(attrs),
    )


def drawn(draws: Draws) -> dict[str, tuple[npt.NDArray[np.generic], str, str]]:
    """What was drawn, for :func:`dataset`."""
    return {
        "years": (draws.years, "1", "years of wind of the long term"),
        "loss_limit": (draws.percent / 100.0, "1", "largest loss of a period in the regression"),
        "meter_factor": (draws.meter, "1", "factor of the metered energy"),
        "loss_factor": (draws.loss, "1", "factor of the losses"),
    }


def outcome(
    draws: Draws,
    *,
    gross: Floats,
    losses: Mapping[str, Floats],
    variability: Floats,
    left: Floats,
    record: Floats,
    rng: np.random.Generator,
    years: tuple[int, int],
    horizon_years: int,
    compatibility: str | None,
) -> dict[str, tuple[npt.NDArray[np.generic], str, str]]:
    """Net energy and its like, for :func:`dataset`; from gross energy of a mean year and of the record's [kWh].

    ``left`` is what the regression leaves of the energy of a year, its deviation [1].
    """
    taken = losses["availability_loss"]
    if compatibility is None:
        taken = taken + losses["curtailment_loss"]
    spread = variability.mean() / np.sqrt(horizon_years)
    mean = np.ones(len(gross))
    if compatibility is None:
        # What 10 to 20 years tell of the years there might be: their variability is not known better than a sample of as
        # many is (so that Student's distribution takes the place of the normal), and the mean of the most years is one
        # of many. (How far that of fewer years is off it is in the draws already.)
        free = draws.years - 1.0
        unknown = np.sqrt(free / rng.chisquare(free))
        spread = spread * unknown
        mean = mean + rng.normal(0.0, 1.0, len(gross)) * unknown * variability / np.sqrt(years[1])
    gross = gross * mean
    energy = gross * (1.0 - taken)
    year = whole = 1.0 + draws.one_year * spread
    if compatibility is None:
        # years differ by their wind, as the regression sees it, and by what it does not see
        whole = 1.0 + draws.one_year * np.hypot(spread, np.sqrt(np.mean(left**2) / horizon_years))
    return {
        "annual_energy": (energy * whole, "kWh", "energy of a year"),
        "long_term_energy": (energy, "kWh", "mean annual energy of the long term"),
        "availability_loss": (losses["availability_loss"], "1", "availability loss of gross energy"),
        "curtailment_loss": (losses["curtailment_loss"], "1", "curtailment loss of gross energy"),
        "variability": (variability, "1", "variability between years"),
        "long_term_factor": (mean, "1", "mean of the years there might be over that of the years there were"),
        "windiness": (gross / record * year, "1", "gross energy of a year over that measured"),
    }


def summary_of(simulations: xr.Dataset, percentiles: Sequence[float]) -> pd.DataFrame:
    """One row per quantity: mean, spread and the values exceeded with each of the probabilities [%]."""
    import pandas as pd

    rows = []
    # by r / (n + 1): between the 5th and the 95th of a hundred draws are 89 of them, and 89 % of what might be drawn
    as_theirs = simulations.attrs.get("compatibility", "none") != "none"
    places: Literal["linear", "weibull"] = "linear" if as_theirs else "weibull"
    names = [name for name in _SUMMARISED if name in simulations]
    for name in names:
        values = simulations[name].values
        mean, std = float(values.mean()), float(values.std())
        exceeded = np.percentile(values, [100.0 - one for one in percentiles], method=places)
        rows.append(
            {"unit": simulations[name].attrs["units"], "mean": mean, "std": std, "cv": std / abs(mean) if mean else 0.0}
            | {f"p{one:g}": float(value) for one, value in zip(percentiles, exceeded, strict=True)}
        )
    return pd.DataFrame(rows, index=pd.Index(names, name="quantity"))
