"""The gap between the yield a plant was built on and the one it has, as a step of a pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated

import numpy as np
import numpy.typing as npt
import xarray as xr
from pydantic import Field

from workbench.analytics.kpi import variable_of
from workbench.analytics.wind.gap_analysis import Assessment, Compatibility, Operation, gap_analysis
from workbench.model.errors import InputError
from workbench.model.keys import UnitText
from workbench.model.units import convert
from workbench.steps import progress, remark, step

Floats = npt.NDArray[np.float64]
Energy = Annotated[float, Field(gt=0)]

#: Class of loss to the field that tells it, of those that earlier steps give.
KNOWN: Mapping[str, str] = {
    "availability": "long_term_availability_loss",
    "electrical": "electrical_loss",
    "curtailment": "long_term_curtailment_loss",
    "wake": "wake_loss_long_term",
}
WITHIN = ("wake", "turbine", "blade_degradation")


@step("yield_gap")
def yield_gap_fields(
    data: xr.Dataset,
    *,
    net_energy: Energy,
    gross_energy: Energy,
    losses: Mapping[str, float],
    unit: UnitText = "kWh",
    operation_energy: float | str = "long_term_energy",
    ideal_energy: float | str = "long_term_gross_energy",
    operation_losses: Mapping[str, float | str] | None = None,
    within: Sequence[str] = WITHIN,
    simulations: Annotated[int, Field(ge=0)] = 10_000,
    seed: int = 0,
    compatibility: Compatibility | None = None,
    output_field: str = "yield_gap",
) -> xr.Dataset:
    """Gap between the energy yield assessment and the long-term yield of operation, as a waterfall that closes.

    ``net_energy``, ``gross_energy`` and ``losses`` are the assessment's; those of operation are fields of earlier steps
    (``plant_yield``, ``turbine_energy``, ``electrical_losses``, ``wake_losses``), or numbers. It is about the farm: of a field by
    asset its attribute ``farm`` counts, which those of a whole farm have; else energies are added up, and losses are the
    mean weighted by energy. See :mod:`~workbench.analytics.wind.gap_analysis`.

    Parameters
    ----------
    data
        dims (time, asset).
    net_energy, gross_energy
        Of the assessment, P50 of a year [unit].
    losses
        Of the assessment by class, share of what those before it left [1]: ``availability``, ``electrical``, ``turbine``,
        ``blade_degradation``, ``wake``, and others as they are called.
    unit
        Of the energies that are given as numbers.
    operation_energy
        Long-term energy of a year: field [kWh], or number [unit].
    ideal_energy
        Long-term gross energy of the turbines: the same.
    operation_losses
        By class a field [1], or a share; if left out those of ``availability``, ``electrical``, ``curtailment`` and ``wake`` that
        earlier steps told.
    within
        Classes that the ideal energy has been diminished by already, as it is measured at the turbines.
    simulations, seed
        Of the range of each bar. The figures of operation are drawn from normal distributions with the deviations that earlier
        steps told (``<field>_std``, or ``_p05`` and ``_p95``), one apart from the other; those of a field by asset all together,
        as they have the wind in common. What is a number, and the assessment, has none. No range with 0.
    compatibility
        ``openoa-3.2`` for that tool's bars.
    output_field
        What the bars are called.

    Returns
    -------
    The data with ``output_field``, its ``_lower`` and ``_upper`` (90 %), ``_start`` and ``_end`` [kWh], dims
    (``<output_field>_bar``): ``expected``, the changes, of which the last is ``unexplained``, and ``actual``. A bar of which no
    deviation is known has no range.

    Raises
    ------
    InputError
        A field is missing, is not of one value for each asset, or is not known of every one; an energy or a loss that is
        none.
    """
    given = known_losses(data) if operation_losses is None else dict(operation_losses)
    if operation_losses is None:
        told = [
            name for name, field in given.items() if data[field].attrs.get("compatibility") and name == "curtailment"
        ]
        for name in told:  # that tool's energy has not been diminished by it
            del given[name]
        lacking = [name for name in ("availability", "electrical") if name not in given]
        if lacking:
            remark(f"yield_gap: nothing tells the loss by {', '.join(lacking)}; it is part of the unexplained")
    weight = None if not isinstance(operation_energy, str) else _by_asset(data, operation_energy)
    net, ideal = (
        _total(data, each) if isinstance(each, str) else _kwh(each, unit) for each in (operation_energy, ideal_energy)
    )
    shares = {name: _mean(data, each, weight) if isinstance(each, str) else each for name, each in given.items()}
    assessment = Assessment(_kwh(net_energy, unit), _kwh(gross_energy, unit), dict(losses))
    found = gap_analysis(
        assessment, Operation(net, ideal, shares, tuple(within)), compatibility=compatibility
    ).waterfall
    drawn = _drawn(data, (operation_energy, net), (ideal_energy, ideal), given, shares, weight, simulations, seed)
    if drawn is not None:
        ranges = gap_analysis(assessment, replace(drawn, within=tuple(within)), compatibility=compatibility).waterfall
        found = found.assign(p05=ranges["p05"], p95=ranges["p95"])
    progress(1, 1)  # all draws at once
    dim = f"{output_field}_bar"
    labels = {
        "value": ("", "energy, or its change"),
        "p05": ("_lower", "energy, or its change: lower end of 90 %"),
        "p95": ("_upper", "energy, or its change: upper end of 90 %"),
        "start": ("_start", "start of the bar"),
        "end": ("_end", "its end"),
    }
    made = {
        output_field + ending: (dim, found[column].to_numpy(), {"units": "kWh", "long_name": label})
        for column, (ending, label) in labels.items()
    }
    return data.assign(made).assign_coords({dim: np.array(list(map(str, found.index)), dtype=object)})


def _drawn(
    data: xr.Dataset,
    net: tuple[float | str, float],
    ideal: tuple[float | str, float],
    given: Mapping[str, float | str],
    shares: Mapping[str, float],
    weight: xr.DataArray | None,
    simulations: int,
    seed: int,
) -> Operation | None:
    """Operation as draws; None where no deviation of its figures is known, or nothing is to be drawn."""
    stds = {name: _deviation(data, field) for name, field in (("net", net[0]), ("ideal", ideal[0]))}
    stds |= {f"loss {name}": _deviation_of_loss(data, field, weight) for name, field in given.items()}
    if not simulations or not any(stds.values()):
        return None
    off = {  # each has its own random numbers, so that one more changes no other
        name: std * np.random.default_rng([seed, number]).standard_normal(simulations)
        for number, (name, std) in enumerate(stds.items())
    }
    energies = [
        np.maximum(value + off[name], 1.0) if stds[name] else value
        for name, value in (("net", net[1]), ("ideal", ideal[1]))
    ]
    drawn: dict[str, Floats | float] = {
        name: np.clip(share + off[key], 0.0, 0.999) if stds[key := f"loss {name}"] else share
        for name, share in shares.items()
    }
    return Operation(energies[0], energies[1], drawn)


def _deviation(data: xr.Dataset, field: float | str) -> float:
    """Standard deviation of an energy of the farm [kWh]; 0 where none is known."""
    known = isinstance(field, str) and f"{field}_std" in data
    found = _total(data, f"{field}_std") if known else 0.0
    return found if np.isfinite(found) else 0.0


def _deviation_of_loss(data: xr.Dataset, field: float | str, weight: xr.DataArray | None) -> float:
    """The same of a loss [1]; by its 90 % where that is what is told."""
    if isinstance(field, str) and f"{field}_std" in data:
        found = _mean(data, f"{field}_std", weight)
    elif isinstance(field, str) and f"{field}_p05" in data and f"{field}_p95" in data:
        low, high = (_mean(data, f"{field}_{end}", weight) for end in ("p05", "p95"))
        found = (high - low) / (2 * 1.6449)  # as wide as that of a normal distribution
    else:
        found = 0.0
    return max(found, 0.0) if np.isfinite(found) else 0.0


def known_losses(there: Mapping[str, object] | xr.Dataset) -> dict[str, str]:
    """Of each class of loss the field, of those that are there."""
    return {name: field for name, field in KNOWN.items() if field in there}


def _kwh(value: float, unit: str) -> float:
    return float(convert(value, unit, "kWh"))


def _by_asset(data: xr.Dataset, name: str) -> xr.DataArray:
    """Values of a field, one for each asset."""
    values = variable_of(data, name).load()
    if values.dims not in (("asset",), ()):
        raise InputError("not one value for each asset", where=name, found=str(values.dims), expected="dims (asset)")
    return values


def _whole(data: xr.Dataset, name: str) -> xr.DataArray:
    values = _by_asset(data, name)
    lacking = [] if not values.dims else [str(one) for one in data["asset"].values[values.isnull().values]]
    if lacking or bool(values.isnull().any()):
        raise InputError(
            "not known of every asset, so that the farm's is not", where=name, found=", ".join(lacking[:10]) or "NaN"
        )
    return values


def _total(data: xr.Dataset, name: str) -> float:
    """Energy of the farm [kWh]."""
    values = _by_asset(data, name)
    total = float(values.attrs["farm"]) if "farm" in values.attrs else float(_whole(data, name).sum())
    return _kwh(total, str(values.attrs.get("units") or "kWh"))


def _mean(data: xr.Dataset, name: str, weight: xr.DataArray | None) -> float:
    """Loss of the farm [1]."""
    values = _by_asset(data, name)
    if "farm" in values.attrs:
        return float(values.attrs["farm"])
    values = _whole(data, name)
    if not values.dims or weight is None or not weight.dims or "farm" in weight.attrs:
        return float(values.mean())
    return float((values * weight).sum() / weight.sum())
