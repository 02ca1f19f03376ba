"""The measured power curve of IEC 61400-12-1 as a step of a pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
import xarray as xr
from pydantic import Field

from workbench.analytics.calendar import slot_length
from workbench.analytics.kpi import variable_of
from workbench.analytics.wind.air_density import STANDARD_DENSITY, Control, density_of
from workbench.analytics.wind.category_steps import SUFFIX
from workbench.analytics.wind.curtailment import CURTAILMENT
from workbench.analytics.wind.icing import ICING
from workbench.analytics.wind.power_curve import normal_operation
from workbench.analytics.wind.power_curve_iec import Instruments, iec_power_curve
from workbench.analytics.wind.ten_minute import ten_minute
from workbench.model.units import convert
from workbench.steps import remark, step

Instrument = Literal["power", "power_relative", "wind_speed", "wind_speed_relative", "temperature", "pressure"]
AVAILABLE = f"available{SUFFIX}"
_STEP = "iec_power_curve"

#: By ending of the name: the variable of the function, its unit and what it is. Dims (asset, bin), then (asset).
BY_BIN: Mapping[str, tuple[str, str, str]] = {
    "": ("power", "kW", "mean power of the bin"),
    "_wind_speed": ("wind_speed", "m/s", "mean wind speed of the bin"),
    "_count": ("count", "1", "slots in the bin"),
    "_std": ("power_std", "kW", "standard deviation of power"),
    "_category_a": ("power_uncertainty", "kW", "category A standard uncertainty of power"),
    "_category_b": ("category_b", "kW", "category B standard uncertainty of power"),
    "_uncertainty": ("combined_uncertainty", "kW", "combined standard uncertainty of power"),
}
BY_ASSET: Mapping[str, tuple[str, str | None, str]] = {
    "_hours": ("hours", "h", "hours of data used"),
    "_range_low": ("range_low", "m/s", "lowest wind speed the data base needs"),
    "_range_high": ("range_high", "m/s", "highest wind speed the data base needs"),
    "_bins_needed": ("bins_needed", "1", "bins in the range"),
    "_bins_filled": ("bins_filled", "1", "bins in the range with 30 minutes"),
    "_complete": ("complete", None, "whether the data base is complete"),
    "_statement": ("statement", None, "what the data base lacks"),
}


@step(_STEP)
def iec_power_curve_fields(
    data: xr.Dataset,
    *,
    instruments: Mapping[Instrument, Annotated[float, Field(ge=0)]],
    normal: bool = True,
    air_density_correction: bool = True,
    reference_density: Annotated[float, Field(gt=0.5, lt=2.0)] = STANDARD_DENSITY,
    control: Control = "pitch",
    bin_width: Annotated[float, Field(gt=0)] = 0.5,
    cut_in: float | None = None,
    rating: Annotated[float, Field(gt=0)] | None = None,
    wind_speed: str = "wind_speed",
    power: str = "power_output",
    output_field: str = "power_curve",
) -> xr.Dataset:
    """Measured power curve of each turbine by the bins of IEC 61400-12-1, with its uncertainty and completeness.

    Slots count in which the turbine ran, or the wind was below cut-in. Where earlier steps told more, a slot does not count
    that was iced (``icing``), curtailed (``curtailment``), or not available all of it (``available_seconds``). See
    :mod:`~workbench.analytics.wind.power_curve_iec`, which says what is left out of the uncertainty. By nacelle wind speeds
    it is no measurement of power performance in the sense of the standard.

    Parameters
    ----------
    data
        dims (time, asset); faster data are brought to ten minutes.
    instruments
        Standard uncertainties (k = 1) of category B: ``power`` [kW], ``power_relative`` [1], ``wind_speed`` [m/s],
        ``wind_speed_relative`` [1], ``temperature`` [K], ``pressure`` [hPa]; those not named are zero.
    normal
        Whether to leave out slots far from what is usual at their wind speed, which is how unknown stops and limits show.
    air_density_correction, reference_density
        Whether wind speed (pitch) or power (stall) is brought to a density, and to which [kg/m3]. The density is the field
        ``air_density``, or that of temperature and pressure.
    control
        How the turbine limits its power.
    bin_width
        Of the bins, centred on its multiples [m/s].
    cut_in, rating
        [m/s], [kW]; the coordinates ``cut_in_wind_speed`` and ``rated_capacity`` if left out.
    wind_speed, power
        Fields [m/s], [kW], or in the units that they name.
    output_field
        What the curve is called.

    Returns
    -------
    The data with ``output_field`` [kW], its ``_wind_speed`` [m/s], ``_count``, ``_std``, ``_category_a``, ``_category_b`` and
    ``_uncertainty`` [kW], dims (asset, ``<output_field>_bin``), NaN in bins of less than 30 minutes; and dims (asset)
    ``_hours`` [h], ``_range_low``, ``_range_high`` [m/s], ``_bins_needed``, ``_bins_filled``, ``_complete`` and, as text,
    ``_statement``.

    Raises
    ------
    InputError
        A field is missing, or cut-in and rating are told by nobody.

    References
    ----------
    IEC 61400-12-1:2017, Power performance measurements of electricity producing wind turbines, clause 9 and annex E.
    """
    used = ten_minute(data)
    made, speed = (_in(used, name, unit) for name, unit in ((power, "kW"), (wind_speed, "m/s")))
    facts = {name: array for name, array in used.coords.items() if array.dims in (("asset",), ())}
    plain = xr.Dataset({"wind_speed": speed, "power_output": made}).assign_coords(facts)
    running = made > 0
    slowest = cut_in if cut_in is not None else plain.coords.get("cut_in_wind_speed")
    if slowest is not None:
        running |= speed < slowest + bin_width
    where = running & _allowed(used)
    if normal:
        where = normal_operation(plain, where, bin_width=bin_width)
    density = density_of(used, told_by=_STEP) if air_density_correction else None
    if air_density_correction and density is None:
        remark(f"{_STEP}: the curve is that of the air as it was, without correction for its density")
    found = iec_power_curve(
        plain,
        Instruments(**dict(instruments)),
        where=where,
        density=density,
        reference_density=reference_density,
        control=control,
        bin_width=bin_width,
        cut_in=cut_in,
        rating=rating,
    )
    for asset, whole, text in zip(
        found["asset"].values, found["complete"].values, found["statement"].values, strict=True
    ):
        if not whole:
            remark(f"{_STEP}: {asset}: {text}")
    dim = f"{output_field}_bin"
    fields = {
        output_field + ending: (
            ("asset", dim) if ending in BY_BIN else ("asset",),
            found[source].values,
            {"long_name": label} | ({"units": units} if units else {}),
        )
        for ending, (source, units, label) in (*BY_BIN.items(), *BY_ASSET.items())
    }
    fields[output_field][2]["reference_density"] = found.attrs["reference_density"] or "none"
    centres = (dim, found["wind_speed_bin"].values, {"units": "m/s", "long_name": "bin centre"})
    return data.assign(fields).assign_coords({dim: centres})


def _allowed(data: xr.Dataset) -> xr.DataArray | bool:
    """Slots that earlier steps do not speak against."""
    keep: xr.DataArray | bool = True
    for name in (ICING, CURTAILMENT):
        if name in data:
            keep = keep & (data[name].load() <= 0)
    if AVAILABLE in data:
        seconds = float(slot_length(data) / np.timedelta64(1, "s"))
        keep = keep & (data[AVAILABLE].load() >= seconds - 1.0)
    return keep


def _in(data: xr.Dataset, name: str, units: str) -> xr.DataArray:
    values = variable_of(data, name).load().astype(np.float64)
    unit = str(values.attrs.get("units") or units)
    return convert(values.assign_attrs(units=unit), unit, units)
