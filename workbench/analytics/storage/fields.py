"""Reading the fields of batteries: units, signs and times checked, one battery or many.

Analyses of this folder read through these functions, so that a wrong unit, a reversed sign or a local clock is told
once and in the same words everywhere. Power and current are positive while discharging, as in the vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.calendar import check_axes, slot_length
from workbench.model.errors import InputError, did_you_mean
from workbench.model.quality import good, is_quality
from workbench.model.units import convert
from workbench.model.vocabulary import vocabulary
from workbench.steps import remark, step

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

SIGNED = ("active_power", "dc_power", "dc_current")  #: positive while discharging
_FACTS = {"rated_capacity": "kW", "energy_capacity": "kWh", "soc_min": "%", "soc_max": "%", "charge_capacity": "A h"}
_OF_CELLS = ("voltage", "current")
_FEWEST = 20  #: slots that a sign is told from


def prepared(data: xr.Dataset) -> xr.Dataset:
    """``data`` with dims (time, asset) and times that can be those of UTC.

    Data of one battery may lack the dimension ``asset``.

    Raises
    ------
    InputError
        No times; times with a zone; times that repeat or go back, as those of a local clock do in autumn.
    """
    if "time" not in data.dims:
        raise InputError("the data have no dimension 'time'", where="data", found=", ".join(map(str, data.dims)))
    times = data["time"].values
    if times.dtype.kind != "M":
        raise InputError(
            "times that are not UTC without a zone",
            where="data.time",
            found=str(times.dtype),
            expected="datetime64, UTC",
            hint="the step `timestamp_normalization`, or index.tz_convert('UTC').tz_localize(None)",
        )
    back = np.flatnonzero(np.diff(times) <= np.timedelta64(0, "ns"))
    if len(back):
        raise InputError(
            "times repeat or go back: a local clock without its zone, or rows out of order",
            where="data.time",
            found=f"{times[back[0] + 1]} after {times[back[0]]}",
            expected="rising times in UTC",
            hint="the step `timestamp_normalization` with the site's zone, or sort the rows",
        )
    if "asset" not in data.dims:
        name = str(data["asset"].values) if "asset" in data.coords else "battery"
        facts = [str(c) for c in data.coords if c not in ("time", "asset") and data[c].ndim == 0]
        data = data.drop_vars("asset", errors="ignore").reset_coords(facts)
        data = data.expand_dims(asset=[name]).assign_coords({c: ("asset", [data[c].values]) for c in facts})
    check_axes(data, "data")
    return data


def maybe(data: xr.Dataset, name: str) -> Floats | None:
    """The field ``name`` as [time, asset] in the unit of the vocabulary, rejected values NaN; None where it is not there.

    Raises
    ------
    InputError
        Its unit cannot be converted, or most of its values cannot be of that unit.
    """
    if name not in data:
        return None
    values = good(data, name)
    if "time" not in values.dims:
        raise InputError("the field has no times", where=name, found=str(values.dims), expected="(time, asset)")
    known = vocabulary().get(name)
    given = str(data[name].attrs.get("units", "") or "")
    found = np.asarray(values.transpose("time", "asset").values, dtype=np.float64)
    found = np.where(np.isinf(found), np.nan, found)  # of no sensor
    if known is None:
        return found
    kinds = set(texts(data, "asset_type")) & set(known.asset_types)
    known = known.for_type(kinds.pop() if len(kinds) == 1 else "battery_cell" if name in _OF_CELLS else "battery")
    if given and given != known.units:
        try:
            found = np.asarray(convert(found, given, known.units), dtype=np.float64)
        except InputError as error:
            raise error.at(where=name) from error
    _plausible(data, name, found, known.units, known.valid_min, known.valid_max)
    return found


def need(data: xr.Dataset, name: str, why: str = "") -> Floats:
    """As :func:`maybe`; an error where the field is not there or has no value at all."""
    found = maybe(data, name)
    there = [str(one) for one in data.data_vars if not is_quality(str(one))]
    if found is None:
        raise InputError(
            f"the data have no field {name!r}{f', {why}' if why else ''}",
            where="data",
            expected=", ".join(there[:12]),
            hint=did_you_mean(name, there),
        )
    return found


def _plausible(data: xr.Dataset, name: str, found: Floats, units: str, least: float | None, most: float | None) -> None:
    known = np.isfinite(found)
    for column in range(found.shape[1]):
        some = found[known[:, column], column]
        if len(some) < 3:
            continue
        asset = str(data["asset"].values[column])
        # a power below zero is a matter of its sign, and a little below zero of its sensor
        floor = -np.inf if least is None or name.endswith("_power") else least - 0.01 * ((most or least) - least)
        outside = (some < floor) | (some > (np.inf if most is None else most))
        if outside.mean() > 0.5:
            raise InputError(
                f"most values of {asset} cannot be in {units}: another unit than the field says?",
                where=name,
                found=f"median {np.median(some):g}",
                expected=f"{least:g} to {most:g} {units}",
                hint="set the attribute 'units' to what they are, or the step `unit_conversion`",
            )
        if name == "state_of_charge" and some.max() <= 1.0 and np.ptp(some) > 0.05:
            raise InputError(
                f"the values of {asset} look like shares of one, and not like per cent",
                where=name,
                found=f"{some.min():g} to {some.max():g}",
                expected="0 to 100 %",
                hint="set its attribute 'units' to '1'",
            )
        rating = fact(data, "rated_capacity")[column]
        if name.endswith("_power") and np.isfinite(rating) and np.quantile(np.abs(some), 0.99) > 20 * rating:
            raise InputError(
                f"the power of {asset} is far above its rating: watts taken for kilowatts?",
                where=name,
                found=f"{np.quantile(np.abs(some), 0.99):,.0f} kW",
                expected=f"up to the rating, {rating:,.0f} kW",
                hint="set the attribute 'units' to what they are",
            )


def fact(data: xr.Dataset, name: str) -> Floats:
    """A number of each asset from its coordinate, [asset]; NaN where unknown."""
    size = data.sizes.get("asset", 1)
    if name not in data.coords:
        return np.full(size, np.nan)
    found = np.broadcast_to(np.asarray(data[name].values, dtype=np.float64), (size,)).copy()
    given, wanted = str(data[name].attrs.get("units", "") or ""), _FACTS.get(name)
    return found if not wanted or not given else np.asarray(convert(found, given, wanted), dtype=np.float64)


def texts(data: xr.Dataset, name: str) -> list[str]:
    """A text of each asset from its coordinate, [asset]; empty where unknown."""
    size = data.sizes.get("asset", 1)
    return [str(v) for v in data[name].values] if name in data.coords else [""] * size


def names_of(data: xr.Dataset) -> list[str]:
    """Names of the assets."""
    return [str(name) for name in data["asset"].values]


def facts_of(data: xr.Dataset) -> dict[str, xr.DataArray]:
    """Coordinates on ``asset``, to put on a result."""
    return {str(n): c for n, c in data.coords.items() if c.dims == ("asset",)}


def slot_hours(data: xr.Dataset) -> float:
    """Length of a slot [h]."""
    return float(slot_length(data) / np.timedelta64(3600, "s"))


def hours_since(data: xr.Dataset) -> Floats:
    """Hours since the first time, [time]."""
    times = data["time"].values
    return np.asarray((times - times[0]) / np.timedelta64(3600, "s"), dtype=np.float64) if len(times) else np.zeros(0)


@dataclass(frozen=True)
class Power:
    """Power of batteries, each [time, asset] and [kW]; NaN where it is not known.

    Attributes
    ----------
    charge, discharge
        At the converter's AC side, both without sign.
    dc
        At the battery's terminals, positive while discharging; None where not measured.
    terminal
        At the AC terminals with what auxiliaries draw, positive while delivering; None where it is not told apart.
    auxiliary
        Of pumps, fans and controls; None where it is not told apart.
    source
        Where charge and discharge are from: ``charge_power`` or ``active_power``.
    """

    charge: Floats
    discharge: Floats
    dc: Floats | None
    terminal: Floats | None
    auxiliary: Floats | None
    source: str


def power_of(data: xr.Dataset) -> Power:
    """Power of batteries from the fields that are there.

    ``charge_power`` and ``discharge_power`` are taken before the sign of ``active_power``: the mean of a slot in
    which both were done hides part of each. The DC power is ``dc_power``, or ``dc_voltage`` x ``dc_current``. Auxiliaries
    are ``auxiliary_power``, or what ``active_power`` lacks of discharge less charge.

    Raises
    ------
    InputError
        There is neither; a sign is reversed.
    """
    check_signs(data)
    charge, discharge = maybe(data, "charge_power"), maybe(data, "discharge_power")
    terminal, own = maybe(data, "active_power"), maybe(data, "auxiliary_power")
    source = "charge_power"
    if charge is None or discharge is None:
        if terminal is None:
            found = need(data, "active_power", "nor charge_power and discharge_power")
        else:
            found = terminal if own is None else terminal + own
        charge, discharge = np.maximum(-found, 0.0), np.maximum(found, 0.0)
        source = "active_power"
        if own is None:
            terminal = None
        if slot_hours(data) > 1 / 12:
            remark(
                "charge and discharge are told by the sign of active_power: where both were done within one slot of "
                f"{60 * slot_hours(data):g} min, their difference alone is seen"
            )
    elif terminal is not None and own is None:
        own = discharge - charge - terminal
        if np.isfinite(own).any() and np.nanmedian(own) < -0.002 * max(
            float(np.nanmax(np.abs(terminal), initial=0.0)), 1e-9
        ):
            own, terminal = None, None  # another meter: behind a transformer, or before the auxiliaries
    dc = maybe(data, "dc_power")
    if dc is None:
        voltage, current = maybe(data, "dc_voltage"), maybe(data, "dc_current")
        dc = None if voltage is None or current is None else voltage * current / 1000.0
    return Power(charge, discharge, dc, terminal, own, source)


def reversed_signs(data: xr.Dataset) -> xr.Dataset:
    """Which fields of which batteries have the sign of charging for that of discharging.

    The state of charge falls while a battery discharges. Where it is not measured, the voltage tells: it falls as
    the discharge current rises.

    Parameters
    ----------
    data
        dims (time, asset); any of ``active_power``, ``dc_power`` [kW], ``dc_current`` [A] with ``state_of_charge``
        [%] or ``dc_voltage`` [V]; ``charge_power`` and ``discharge_power`` [kW], which have no sign.

    Returns
    -------
    xr.Dataset
        dims (asset): for each of these fields whether it is reversed; False also where there is too little to tell.
    """
    data = prepared(data)
    charge = maybe(data, "state_of_charge")
    voltage = maybe(data, "dc_voltage")
    found: dict[str, Bools] = {}
    for name in SIGNED:
        flow = maybe(data, name)
        if flow is None:
            continue
        flags = np.zeros(flow.shape[1], dtype=bool)
        for column in range(flow.shape[1]):
            likeness = np.nan
            if charge is not None:
                change = np.full(len(flow), np.nan)
                change[1:-1] = charge[2:, column] - charge[:-2, column]
                likeness = _likeness(flow[:, column], change)
            if np.isnan(likeness) and voltage is not None:
                likeness = _likeness(np.diff(flow[:, column]), np.diff(voltage[:, column]))
            flags[column] = likeness > 0.3
        found[name] = flags
    for name in ("charge_power", "discharge_power"):
        flow = maybe(data, name)
        if flow is not None:
            size = np.nanmax(np.abs(flow), axis=0, initial=0.0)
            with np.errstate(invalid="ignore"):
                found[name] = (np.nansum(flow < -0.02 * size, axis=0) > 3) & ~(flow > 0.02 * size).any(axis=0)
    return xr.Dataset({n: ("asset", v) for n, v in found.items()}, coords={"asset": data["asset"]})


def _likeness(flow: Floats, change: Floats) -> float:
    """Correlation about zero of two series while there is a flow; NaN with too little of it."""
    with np.errstate(invalid="ignore"):
        use = np.isfinite(flow) & np.isfinite(change) & (np.abs(flow) > 0.02 * np.nanmax(np.abs(flow), initial=0.0))
    if use.sum() < _FEWEST:
        return float("nan")
    size = float(np.sqrt((flow[use] ** 2).sum() * (change[use] ** 2).sum()))
    return float((flow[use] * change[use]).sum()) / size if size > 0 else float("nan")


def check_signs(data: xr.Dataset) -> None:
    """An error where :func:`reversed_signs` finds a field reversed."""
    found = reversed_signs(data)
    for name in found.data_vars:
        wrong = [str(a) for a in found["asset"].values[found[name].values]]
        if wrong:
            raise InputError(
                "the sign is reversed: the state of charge (or the voltage) rises where it should fall",
                where=str(name),
                found=f"{', '.join(wrong[:6])}: positive while charging",
                expected="positive while discharging; charge_power and discharge_power without sign",
                hint="the step `battery_sign_correction` before this one, or correct_signs(data)",
            )


def tell(name: str, found: xr.Dataset) -> None:
    """Remark why batteries have no figure, or what weakens it."""
    for kind in ("reason", "caution"):
        if kind in found:
            for asset, text in zip(found["asset"].values, found[kind].values, strict=True):
                if text:
                    remark(f"{name}: {asset}: {text}")


@step("battery_sign_correction")
def correct_signs(data: xr.Dataset) -> xr.Dataset:
    """Power and current of batteries with the sign of the vocabulary: positive while discharging.

    A field is turned around where the state of charge, or the voltage, says that it is reversed; which it were is
    remarked. Where there is too little to tell it stays as it is.

    Parameters
    ----------
    data
        dims (time, asset), see :func:`reversed_signs`.

    Returns
    -------
    The data with ``active_power``, ``dc_power``, ``dc_current``, ``charge_power`` and ``discharge_power`` put right.

    Raises
    ------
    InputError
        Times that cannot be UTC, or units that cannot be.
    """
    found = reversed_signs(data)
    changed: dict[str, xr.DataArray] = {}
    for name in map(str, found.data_vars):
        wrong = found[name].values
        if data[name].dtype.kind not in "fiu":
            raise InputError("no numbers", where=name, found=str(data[name].dtype), expected="numbers")
        if wrong.any():
            remark(f"battery_sign_correction: {name} turned around for {', '.join(found['asset'].values[wrong])}")
        sign = np.where(wrong, -1, 1).astype(data[name].dtype)
        factor = xr.DataArray(sign, dims="asset") if "asset" in data[name].dims else sign[0]
        changed[name] = (data[name] * factor).transpose(*data[name].dims).assign_attrs(data[name].attrs)
    return data.assign(changed)
