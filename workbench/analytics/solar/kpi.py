"""Key figures of solar plants by IEC 61724-1: yields, losses, performance ratios, energy performance index, efficiencies.

Rule for what is missing: a figure that compares two measurements uses the slots in which both are there, on both sides, and says
what share of the daylight that was. Nothing is filled in. Irradiance below zero counts as zero (the night offset of a thermopile),
power below zero as it is (own use). Several inverters are put together by sums: energies over energies, ratings over ratings, so that a figure
of a plant is that of its inverters weighted by rating, and an inverter without data is on neither side.

References
----------
.. [1] IEC 61724-1:2021, Photovoltaic system performance, part 1: Monitoring.
.. [2] T. Dierauf et al., "Weather-Corrected Performance Ratio", NREL/TP-5200-57991, 2013, https://doi.org/10.2172/1078057.
.. [3] D. L. King, W. E. Boyson, J. A. Kratochvil, "Photovoltaic Array Performance Model", SAND2004-3535, 2004,
   https://doi.org/10.2172/919131: temperature of modules and cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.calendar import Step, edges_of, periods, place, slot_length, window_of
from workbench.analytics.kpi import variable_of
from workbench.analytics.solar.checks import check_heat, check_irradiance, check_plant, check_power, kilowatts
from workbench.analytics.solar.kpi_figures import Sums, extensive, frame
from workbench.analytics.solar.rating import area_of, coefficient_of, coordinate, power_name, rating_of, zone_of
from workbench.model.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]

#: A year's mean temperature may rest on this many days.
_YEAR = 330
#: Module temperature by [3]_, open rack, glass/cell/polymer.
_A, _B, _DELTA = -3.56, -0.075, 3.0
_BLOCK = 32


@dataclass(frozen=True)
class Indicators:
    """What :func:`performance_indicators` finds.

    Attributes
    ----------
    assets
        dims (period, asset): :data:`FIGURES`, ``reason`` why one is NaN, ``caution`` what makes them doubtful.
    groups
        The same by groups of assets, dims (period, group).
    cautions
        What holds for all of it.
    """

    assets: xr.Dataset
    groups: xr.Dataset
    cautions: tuple[str, ...]


def performance_indicators(
    data: xr.Dataset,
    *,
    by: Step | None = "month",
    timezone: str = "",
    group: str = "",
    power: str = "",
    dc_power: str = "total_dc_power",
    irradiance: str = "irradiance_poa",
    expected: str = "expected_power",
    temperature_coefficient: float | None = None,
    module_reference: float | None = None,
    cell_reference: float | None = None,
    least_coverage: float = 0.9,
) -> Indicators:
    """Key figures of each inverter and of groups of them, by days, months or years of the site's clock.

    Parameters
    ----------
    data
        dims (time, asset): ``power`` [kW] (left out: ``total_ac_power``, ``power_output`` or ``active_power``, the first that is
        there) and ``irradiance`` in the plane [W/m²], of each asset or (time); where they are there also ``dc_power``, ``expected``
        [kW] and a temperature of module, cell or air [degC] with ``wind_speed`` [m/s]. Flagged values count as missing.
        Coordinates (asset): ``dc_capacity`` [kW] of the modules at STC (else ``rated_capacity``, which is said),
        ``rated_capacity`` [kW] AC, ``module_area`` [m²] (else told from ``module_count``, ``module_power_stc``, ``module_efficiency``), ``latitude``, ``longitude`` for the daylight.
    by, timezone
        Periods of this clock, from local midnight; None for the whole. Zone: the attribute ``timezone``, else UTC.
    group
        Coordinate of the assets by which they are put together, such as ``farm_id``; all together where left out.
    temperature_coefficient
        γ of the modules' power [1/K]; left out, the coordinate ``module_temp_coeff_power`` [%/K], else -0.004, which is said.
    module_reference, cell_reference
        Annual mean temperature weighted with irradiance [degC], of a typical year, for the annual and the weather-corrected
        performance ratio; from the data where they hold a year.
    least_coverage
        Below this share of the daylight a figure carries a caution.

    Returns
    -------
    Indicators

    Raises
    ------
    InputError
        There is no power or no irradiance; the coefficient is not one; ``by`` is an hour; there is no such coordinate or zone.
    """
    import pandas as pd

    if by == "hour":
        raise InputError("key figures by hours", where="by", found=by, expected="day, month, year")
    check_plant(data)
    name = power_name(data, power)
    for needed in (name, irradiance):
        if needed not in data:
            variable_of(data, needed)  # raises with the nearest
    slot = slot_length(data)
    hours = float(slot / np.timedelta64(3_600_000_000_000, "ns"))
    cautions: list[str] = []
    zone = zone_of(data, timezone, cautions)
    groups = _groups(data, group)
    window = window_of(data)
    labels, edges = periods(window, by, zone) if by else (pd.DatetimeIndex([window[0]]), edges_of(window))
    at = place(data["time"].values, edges)
    light, lit = _daylight(data, slot, edges, cautions)
    fields = {n: variable_of(data, n) for n in (name, irradiance, dc_power, expected) if n in data}
    if expected in fields:
        fields[expected] = kilowatts(fields[expected])
    check_irradiance(data, irradiance)
    check_power(data, name, coordinate(data, "rated_capacity"))
    for field in (dc_power, expected):
        if field in data:
            check_power(data, field, rating_of(data))
    heat = _temperatures(data, cautions)
    modules, inverter, area = coordinate(data, "dc_capacity"), coordinate(data, "rated_capacity"), area_of(data)
    coefficient = coefficient_of(data, temperature_coefficient, cautions if heat else [])
    if not np.isfinite(modules).all() and np.isfinite(inverter).any():
        cautions.append(
            "no dc_capacity: rated_capacity stands for the rating of the modules, where it is that of the inverter ratios are too high"
        )
    rating = np.where(np.isfinite(modules), modules, inverter)
    span = float((data["time"].values[-1] - data["time"].values[0]) / np.timedelta64(86_400_000_000_000, "ns"))
    refs = (module_reference, cell_reference)
    parts: list[Sums] = []
    for begin in range(0, data.sizes["asset"], _BLOCK):
        block = slice(begin, begin + _BLOCK)
        shape = (data.sizes["time"], len(rating[block]))
        made = _array(fields[name], block, shape)
        sun = np.clip(_array(fields[irradiance], block, shape), 0, None)
        others = {
            key: _array(fields[field], block, shape) if field in fields else None
            for key, field in (("dc", dc_power), ("expected", expected))
        }
        warm = {n: _array(field, block, shape) for n, field in heat.items()}
        lights = light[:, block] if light.shape[1] > 1 else light
        parts.append(
            _sums(made, sun, others, warm, at, len(labels), hours, lights, coefficient[block], refs, span >= _YEAR)
        )
    sums = {key: np.concatenate([part[key] for part in parts], axis=1) for key in parts[0]}
    sums["day"] = np.broadcast_to(lit, sums["n"].shape).astype(np.float64)
    whole_of = extensive(sums, rating, inverter, area, hours)
    missing = {
        "dc": f"no {dc_power}", "expected": f"no {expected}", "temperature": "no temperature of module, cell or air",
        "year": "less than a year of data to tell the mean temperature, and no module_reference or cell_reference",
    }  # fmt: skip
    assets = frame(whole_of, missing, labels, "asset", data["asset"].values, least_coverage)
    names, column = groups
    together = {
        key: np.stack([values[:, column == k].sum(axis=1) for k in range(len(names))], axis=1)
        for key, values in whole_of.items()
    }
    whole = frame(together, missing, labels, "group", names, least_coverage)
    for result in (assets, whole):
        result.attrs.update({"timezone": zone, "by": by or "all"})
    coords = {n: at_ for n, at_ in data.coords.items() if at_.dims == ("asset",) and n != "asset"}
    return Indicators(assets.assign_coords(coords), whole, tuple(cautions))


def _array(field: xr.DataArray, block: slice, shape: tuple[int, int]) -> Floats:
    part = field.isel(asset=block) if "asset" in field.dims else field
    values = np.asarray(part.transpose("time", ...).values, dtype=np.float64)
    return np.broadcast_to(values if values.ndim == 2 else values[:, None], shape)


def _groups(data: xr.Dataset, group: str) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.intp]]:
    if not group:
        return np.array(["all"], dtype=object), np.zeros(data.sizes["asset"], dtype=np.intp)
    if group not in data.coords or data[group].dims != ("asset",):
        there = [str(n) for n, at in data.coords.items() if at.dims == ("asset",) and n != "asset"]
        raise InputError("no such coordinate of the assets", where="group", found=group, expected=", ".join(there))
    names, column = np.unique(data[group].values.astype(str), return_inverse=True)
    return names.astype(object), column


def _daylight(
    data: xr.Dataset, slot: np.timedelta64, edges: pd.DatetimeIndex, cautions: list[str]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Whether the sun is up in each slot of the data, (time, asset or 1), and slots with sun in each period, gaps included."""
    import pandas as pd
    import pvlib

    time = data["time"].values
    grid = np.arange(time[0], time[-1] + slot, slot)
    latitude, longitude = (
        np.asarray(data[n].values, dtype=np.float64) * np.ones(data.sizes["asset"]) if n in data.coords else None
        for n in ("latitude", "longitude")
    )
    if latitude is None or longitude is None or not np.isfinite(latitude + longitude).all():
        cautions.append("no latitude and longitude: shares of slots are of day and night")
        counted = np.bincount(np.clip(place(grid, edges), 0, len(edges) - 2), minlength=len(edges) - 1)
        return np.ones((len(time), 1), dtype=bool), counted[:, None]
    spots, column = np.unique(np.round(np.stack([latitude, longitude], axis=1), 1), axis=0, return_inverse=True)
    column = np.ravel(column)
    up = np.empty((len(grid), len(spots)), dtype=bool)
    middle = pd.DatetimeIndex(grid).tz_localize("UTC") + pd.Timedelta(slot) / 2
    for k, (lat, lon) in enumerate(spots):
        up[:, k] = pvlib.solarposition.get_solarposition(middle, lat, lon)["elevation"].to_numpy() > 0
    where = np.clip(place(grid, edges), 0, len(edges) - 2)
    counted = np.stack([np.bincount(where, up[:, k], minlength=len(edges) - 1) for k in range(len(spots))], axis=1)
    there = np.clip(np.searchsorted(grid, time), 0, len(grid) - 1)
    return up[there][:, column], counted.astype(np.int64)[:, column]


def _temperatures(data: xr.Dataset, cautions: list[str]) -> dict[str, xr.DataArray]:
    """The first temperature that is there, by kind (cell, module, air), with the wind for that of the air."""
    for kind, names in (
        ("module", ("module_temperature", "panel_temperature")),
        ("cell", ("cell_temperature",)),
        ("air", ("ambient_temperature", "temperature")),
    ):
        for name in names:
            if name not in data:
                continue
            check_heat(data, name)
            found = {kind: variable_of(data, name)}
            if kind == "air":
                cautions.append(f"no temperature of the modules: modelled from {name} (Sandia, open rack)")
                if "wind_speed" in data:
                    found["wind"] = variable_of(data, "wind_speed")
                else:
                    cautions.append("no wind_speed: 1 m/s at the modules")
            return found
    return {}


def _heat(warm: dict[str, Floats], sun: Floats) -> tuple[Floats, Floats]:
    """Temperature of module and cell [degC]."""
    import pvlib

    if "module" in warm:
        return warm["module"], warm["module"] + sun / 1000.0 * _DELTA
    if "cell" in warm:
        return warm["cell"] - sun / 1000.0 * _DELTA, warm["cell"]
    wind = np.where(np.isfinite(warm["wind"]), np.clip(warm["wind"], 0, None), 1.0) if "wind" in warm else 1.0
    module: Floats = pvlib.temperature.sapm_module(sun, warm["air"], wind, _A, _B)
    return module, module + sun / 1000.0 * _DELTA


def _sums(
    made: Floats,
    sun: Floats,
    others: dict[str, Floats | None],
    warm: dict[str, Floats],
    at: npt.NDArray[np.intp],
    count: int,
    hours: float,
    light: npt.NDArray[np.bool_],
    coefficient: Floats,
    refs: tuple[float | None, float | None],
    year: bool,
) -> Sums:
    """Sums of the slots of each period, (period, asset); energies [kWh], irradiations [kWh/m²], numbers of daylight slots."""
    found, first = np.unique(at, return_index=True)

    def total(values: Floats, where: npt.NDArray[np.bool_]) -> Floats:
        out = np.zeros((count, values.shape[1]))
        out[found] = np.add.reduceat(np.where(where, values, 0.0), first, axis=0)
        return out

    ones = np.ones_like(made)
    there = np.isfinite(made)
    both = there & np.isfinite(sun)
    sums = {
        "e_all": total(made, there) * hours, "n_all": total(ones, there & light), "slots": total(ones, there),
        "e": total(made, both) * hours, "h": total(sun, both) * hours / 1000, "n": total(ones, both & light),
    }  # fmt: skip
    zero = np.zeros_like(sums["e"])
    for name, keys in {"dc": ("e_dc", "h_dc", "ac_dc", "n_dc"), "expected": ("e_exp", "exp", "n_exp")}.items():
        if others[name] is None:
            sums |= dict.fromkeys(keys, zero)
    dc, want = others["dc"], others["expected"]
    if dc is not None:
        use = both & np.isfinite(dc)
        sums |= {"e_dc": total(dc, use) * hours, "h_dc": total(sun, use) * hours / 1000, "ac_dc": total(made, use) * hours,
                 "n_dc": total(ones, use & light)}  # fmt: skip
    if want is not None:
        use = there & np.isfinite(want)
        sums |= {"e_exp": total(made, use) * hours, "exp": total(want, use) * hours, "n_exp": total(ones, use & light)}
    if not warm:
        return sums | dict.fromkeys(("e_t", "h_25", "n_t"), zero) | dict.fromkeys(("h_year", "h_cell"), zero * np.nan)
    module, cell = _heat(warm, sun)
    use = both & np.isfinite(module)
    sums |= {"e_t": total(made, use) * hours, "n_t": total(ones, use & light)}
    sums["h_25"] = total(sun * (1 + coefficient * (module - 25.0)), use) * hours / 1000
    for key, heat, given in (("h_year", module, refs[0]), ("h_cell", cell, refs[1])):
        weight = np.where(np.isfinite(sun) & np.isfinite(heat), sun, 0.0)
        if given is not None:
            usual: Floats = np.full(made.shape[1], given)
        elif year:
            with np.errstate(invalid="ignore", divide="ignore"):
                usual = np.where(weight > 0, heat * weight, 0).sum(axis=0) / weight.sum(axis=0)
        else:
            usual = np.full(made.shape[1], np.nan)
        sums[key] = (
            total(sun * (1 + coefficient * (heat - np.where(np.isfinite(usual), usual, 0.0))), use) * hours / 1000
        )
        sums[key] = np.where(np.isfinite(usual), sums[key], np.nan)
    return sums
