"""The gap between the yield a plant was built on and the one it has, as a step of a pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy as np
import xarray as xr
from pydantic import Field

from workbench.analytics.kpi import variable_of
from workbench.analytics.wind.gap_analysis import Assessment, Compatibility, Operation, gap_analysis
from workbench.model.errors import InputError
from workbench.model.keys import UnitText
from workbench.model.units import convert
from workbench.steps import remark, step

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
    compatibility
        ``openoa-3.2`` for that tool's bars.
    output_field
        What the bars are called.

    Returns
    -------
    The data with ``output_field``, ``_start`` and ``_end`` [kWh], dims (``<output_field>_bar``): ``expected``, the changes, of which
    the last is ``unexplained``, and ``actual``.

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
    found = gap_analysis(
        Assessment(_kwh(net_energy, unit), _kwh(gross_energy, unit), dict(losses)),
        Operation(net, ideal, shares, tuple(within)),
        compatibility=compatibility,
    ).waterfall
    dim = f"{output_field}_bar"
    labels = {
        "value": ("", "energy, or its change"),
        "start": ("_start", "start of the bar"),
        "end": ("_end", "its end"),
    }
    made = {
        output_field + ending: (dim, found[column].to_numpy(), {"units": "kWh", "long_name": label})
        for column, (ending, label) in labels.items()
    }
    return data.assign(made).assign_coords({dim: np.array(list(map(str, found.index)), dtype=object)})


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
