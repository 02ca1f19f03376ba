"""Uncertainty and completeness of a measured power curve, as IEC 61400-12-1 asks for them.

Left out: flow distortion, terrain, site calibration and the other components of the wind speed that only a mast brings; they
go into the one number for the wind speed that :class:`Instruments` takes. For turbulence, bring the power to a turbulence of
reference before, see :mod:`workbench.analytics.wind.turbulence`.

References
----------
.. [1] IEC 61400-12-1:2017, Power performance measurements of electricity producing wind turbines, clause 9 and annex E.
.. [2] T. Burton et al., Wind Energy Handbook, Wiley 2001, 4.11.2 (sensitivities to temperature and pressure).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from workbench.analytics.calendar import slot_length
from workbench.analytics.kpi import variable_of
from workbench.analytics.wind.air_density import STANDARD_DENSITY, Control, normalized_power
from workbench.analytics.wind.power_curve import Floats, power_curve
from workbench.analytics.wind.ten_minute import ten_minute
from workbench.model.errors import InputError

T0, B0 = 288.15, 1013.25  #: temperature [K] and pressure [hPa] of the standard atmosphere at sea level
HOURS = 180.0  #: of data that a data base needs [h]
MINUTES = 30.0  #: that each of its bins needs [min]


@dataclass(frozen=True)
class Instruments:
    """Standard uncertainties (category B) of what is measured, of coverage factor 1.

    A constant part and one that grows with the value are added as squares.
    """

    power: float = 0.0  #: [kW]
    power_relative: float = 0.0  #: of the power [1]
    wind_speed: float = 0.0  #: [m/s]
    wind_speed_relative: float = 0.0  #: of the wind speed [1]
    temperature: float = 0.0  #: [K]
    pressure: float = 0.0  #: [hPa]

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value >= 0:
                raise InputError(
                    "an uncertainty is below zero",
                    where=name,
                    found=f"{value}",
                    expected="zero or more, standard (k = 1)",
                )


def iec_power_curve(
    data: xr.Dataset,
    instruments: Instruments,
    *,
    where: xr.DataArray | None = None,
    density: xr.DataArray | None = None,
    reference_density: float = STANDARD_DENSITY,
    control: Control = "pitch",
    bin_width: float = 0.5,
    cut_in: float | None = None,
    rating: float | None = None,
    wind_speed: str = "wind_speed",
    power: str = "power_output",
) -> xr.Dataset:
    """Measured power curve with the uncertainties of category A and B, and whether its data base is complete.

    Parameters
    ----------
    data
        dims (time, asset): wind speed [m/s] and power [kW], ten-minute means; faster data are brought to these first.
    instruments
        Uncertainties of the measurements.
    where, density, reference_density, bin_width
        As :func:`workbench.analytics.wind.power_curve.power_curve` takes them.
    control
        ``pitch``: the density moves the wind speed; ``stall``: the power.
    cut_in, rating
        Wind speed [m/s] and power [kW]; the coordinates ``cut_in_wind_speed`` and ``rated_capacity`` by default.

    Returns
    -------
    xr.Dataset
        What ``power_curve`` gives, and dims (asset, wind_speed_bin): ``category_b``, ``combined_uncertainty`` [kW];
        and what :func:`completeness` gives.

    Raises
    ------
    InputError
        A field is missing, or cut-in and rating are told by nobody.
    """
    data = ten_minute(data)
    slot = slot_length(data) / np.timedelta64(60, "s")
    least = max(int(np.ceil(MINUTES / slot)), 1)
    if density is not None and control == "stall":
        data = data.assign({power: normalized_power(variable_of(data, power), density, reference_density)})
        density = None
    curve = power_curve(
        data,
        where=where,
        bin_width=bin_width,
        min_count=least,
        density=density,
        reference_density=reference_density,
        wind_speed=wind_speed,
        power=power,
    )
    b = category_b(curve, instruments, control=control)
    told = completeness(
        curve,
        cut_in=_fact(data, "cut_in_wind_speed", cut_in),
        rating=_fact(data, "rated_capacity", rating),
        least=least,
    )
    both = b.copy(data=np.hypot(curve["power_uncertainty"].values, b.values))
    both.attrs["long_name"] = "combined standard uncertainty of power"
    return curve.assign({"category_b": b, "combined_uncertainty": both, **told.data_vars})


def _fact(data: xr.Dataset, name: str, given: float | None) -> xr.DataArray:
    if given is None and name not in data.coords:
        raise InputError(f"{name} is not known", where=name, expected=f"the coordinate {name}, or a number")
    values = data[name].values if given is None else np.full(data.sizes["asset"], given)
    return xr.DataArray(values.astype(np.float64), dims="asset", coords={"asset": data["asset"].values})


def category_b(curve: xr.Dataset, instruments: Instruments, *, control: Control = "pitch") -> xr.DataArray:
    """Standard uncertainty of category B of the power of each bin [kW]; dims (asset, wind_speed_bin).

    u_B,i^2 = u_P,i^2 + (c_V,i u_V,i)^2 + (c_T,i u_T)^2 + (c_B,i u_B)^2, with the sensitivity to the wind speed
    c_V,i = abs(P_i - P_i-1) / (V_i - V_i-1), of the first bin that to the next. To temperature and pressure they are
    c_T,i = P_i / 288.15 K and c_B,i = P_i / 1013.25 hPa where the density moves the power (stall). Where it moves the wind
    speed (pitch), V (rho / rho0)^(1/3) and rho = B / (R T) give c_V,i V_i / 3 in the place of P_i.

    Parameters
    ----------
    curve
        From :func:`workbench.analytics.wind.power_curve.power_curve`.
    """
    power, speed = curve["power"].values, curve["wind_speed"].values
    slope = np.full(power.shape, np.nan)
    for row in range(power.shape[0]):
        there = np.flatnonzero(np.isfinite(power[row]))
        if len(there) > 1:
            steps = np.abs(np.diff(power[row, there])) / np.diff(speed[row, there])
            slope[row, there] = np.concatenate([steps[:1], steps])
    moved = power if control == "stall" else slope * speed / 3.0
    square = (
        instruments.power**2
        + (instruments.power_relative * power) ** 2
        + slope**2 * (instruments.wind_speed**2 + (instruments.wind_speed_relative * speed) ** 2)
        + (moved * instruments.temperature / T0) ** 2
        + (moved * instruments.pressure / B0) ** 2
    )
    attrs = {"units": "kW", "long_name": "category B standard uncertainty of power"}
    return curve["power"].copy(data=np.sqrt(square)).drop_attrs(deep=False).assign_attrs(attrs)


def completeness(curve: xr.Dataset, *, cut_in: xr.DataArray, rating: xr.DataArray, least: int = 3) -> xr.Dataset:
    """Whether the data base of a curve is complete: 180 h in all, and 30 minutes in every bin of the range.

    The range goes from 1 m/s below cut-in to 1.5 times the wind speed at 85 % of the rating. Bins count whose centre lies
    in it.

    Parameters
    ----------
    curve
        From :func:`workbench.analytics.wind.power_curve.power_curve`.
    cut_in, rating
        dims (asset) [m/s], [kW].
    least
        Slots that are 30 minutes.

    Returns
    -------
    xr.Dataset
        dims (asset): ``range_low``, ``range_high`` [m/s], the second NaN where the curve does not reach 85 % of the
        rating; ``bins_needed``, ``bins_filled`` [1]; ``complete``, boolean; ``statement``, text.
    """
    assets, centres = curve["asset"].values, curve["wind_speed_bin"].values
    width = float(centres[1] - centres[0]) if len(centres) > 1 else 0.5
    rows: list[tuple[Any, ...]] = []
    for row in range(len(assets)):
        power, speed = curve["power"].values[row], curve["wind_speed"].values[row]
        low, goal = float(cut_in.values[row]) - 1.0, 0.85 * float(rating.values[row])
        high = 1.5 * _reached(speed[np.isfinite(power)], power[np.isfinite(power)], goal)
        # a bin that no slot of the whole farm reached is not among the centres
        wanted = (
            range(int(np.ceil(low / width - 1e-9)), int(np.floor(high / width + 1e-9)) + 1) if high > 0 else range(0)
        )
        count = curve["count"].values[row]
        filled = [index for index in wanted if 0 <= index < len(count) and count[index] >= least]
        missing = [f"{index * width:g}" for index in wanted if index not in filled]
        hours = float(curve["hours"].values[row])
        whole = bool(high > 0 and not missing and hours >= HOURS)
        rows.append((low, high, len(wanted), len(filled), whole, _statement(hours, low, high, missing)))
    columns = list(zip(*rows, strict=True)) if rows else [()] * 6
    kinds = {
        "range_low": (np.float64, "m/s", "lowest wind speed the data base needs"),
        "range_high": (np.float64, "m/s", "highest wind speed the data base needs"),
        "bins_needed": (np.int64, "1", "bins in the range"),
        "bins_filled": (np.int64, "1", "bins in the range with 30 minutes"),
        "complete": (np.bool_, "", "data base complete"),
        "statement": (object, "", "what the data base lacks"),
    }
    found: dict[str, Any] = {}
    for (name, (dtype, units, label)), column in zip(kinds.items(), columns, strict=True):
        attrs = {"long_name": label} | ({"units": units} if units else {})
        found[name] = ("asset", np.array(column, dtype=dtype), attrs)
    return xr.Dataset(found, coords={"asset": assets})


def _reached(speed: Floats, power: Floats, goal: float) -> float:
    """Wind speed at which a curve first has the power ``goal``; NaN where it never has."""
    above = np.flatnonzero(power >= goal)
    if not len(above) or not np.isfinite(goal):
        return float("nan")
    at = above[0]
    if at == 0:
        return float(speed[0])
    share = (goal - power[at - 1]) / (power[at] - power[at - 1])
    return float(speed[at - 1] + share * (speed[at] - speed[at - 1]))


def _statement(hours: float, low: float, high: float, missing: list[str]) -> str:
    lacks = []
    if hours < HOURS:
        lacks.append(f"{hours:.1f} h of data, {HOURS:g} h are needed")
    if not high > 0:
        lacks.append("the curve does not reach 85 % of the rating, so the range is open")
    elif missing:
        lacks.append(f"less than {MINUTES:g} minutes at {', '.join(missing)} m/s")
    span = f" from {low:.1f} to {high:.1f} m/s" if high > 0 else ""
    return f"complete{span}: {hours:.1f} h" if not lacks else f"incomplete{span}: {'; '.join(lacks)}"
