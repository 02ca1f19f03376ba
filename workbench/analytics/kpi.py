"""Figures that every kind of plant has: energy, capacity factor, completeness, extremes, battery throughput.

Nothing missing is filled in: each figure is computed from what was measured and not rejected, and comes with
the share of the time that this was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.calendar import (
    Step,
    Window,
    check_axes,
    edges_of,
    expected_slots,
    periods,
    place,
    slot_length,
    window_of,
)
from workbench.analytics.plausible import plausible
from workbench.model.errors import InputError, did_you_mean
from workbench.model.quality import DTYPE, Quality, good, is_quality, quality_name
from workbench.model.units import convert
from workbench.model.vocabulary import vocabulary

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]

_STATISTICS = ("_min", "_max", "_std", "_count")
_HOUR = np.timedelta64(3600, "s")


def variable_of(data: xr.Dataset, name: str) -> xr.DataArray:
    """``name`` of ``data`` as (time, asset) without rejected and impossible values.

    In the unit of the vocabulary, where it names another in ``units`` (power in MW). What cannot have been measured counts
    as missing: :func:`~workbench.analytics.plausible.plausible`.

    Raises
    ------
    InputError
        There is no such variable (with the nearest), its unit is of another kind, it is text where the vocabulary has numbers, or times or assets are
        none (:func:`~workbench.analytics.calendar.check_axes`).
    """
    check_axes(data)
    if name not in data:
        there = [str(one) for one in data.data_vars if not is_quality(str(one))]
        raise InputError(
            f"the data has no variable {name!r}", expected=", ".join(there[:12]), hint=did_you_mean(name, there)
        )
    values = good(data, name)
    term, unit = vocabulary().get(name), values.attrs.get("units")
    if values.dtype.kind not in "fiub" and term is not None and not term.states:
        raise InputError("values are no numbers", where=name, found=str(values.dtype), expected=term.units)
    if term is not None and not term.states and term.units and unit and unit != term.units:
        try:
            values = convert(values, str(unit), term.units)
        except InputError as error:
            raise error.at(where=name) from None
    values = plausible(values, name)
    return values if set(values.dims) != {"time", "asset"} else values.transpose("time", "asset")


def coverage(data: xr.Dataset, variable: str, *, cadence: str | None = None) -> xr.DataArray:
    """Share of each slot that was measured, in [0, 1]; (time, asset).

    Parameters
    ----------
    data
        Ten-minute statistics, or samples.
    cadence
        Of the samples behind the statistics, such as ``"1s"``; with it the share is the number of usable
        samples (``<variable>_count``) over what fits in a slot. Without it a slot with a value counts whole.
    """
    there = variable_of(data, variable).notnull()
    count = data.get(f"{variable}_count")
    if cadence is None or count is None:
        share = there.astype(np.float64)
    else:
        from workbench.model.time import Cadence

        fits = slot_length(data) / Cadence.parse(cadence).timedelta
        share = (count.transpose("time", "asset").astype(np.float64) / fits).clip(0.0, 1.0).where(there, 0.0)
    return share.assign_attrs(units="1", long_name=f"share of the slot measured, {variable}")


def energy(
    data: xr.Dataset,
    variable: str = "power_output",
    *,
    by: Step | None = None,
    tz: str = "UTC",
    window: Window | None = None,
    measured: xr.DataArray | None = None,
) -> xr.Dataset:
    """Energy delivered, from mean power per slot.

    Parameters
    ----------
    data
        dims (time, asset); power [kW], mean of each slot.
    variable
        Name of the power.
    by
        Split by days, months or years of the clock ``tz``; as a whole if left out.
    window
        What should have been measured, [start, end) in UTC; the span of the data if left out.
    measured
        Share of each slot that was measured, see :func:`coverage`; whole slots if left out.

    Returns
    -------
    xr.Dataset
        dims (asset) or (period, asset): ``energy`` [kWh], of what was measured alone, NaN where nothing was;
        ``hours`` measured and ``hours_expected`` [h]; ``completeness`` [1], their ratio; ``peak`` [kW], the
        largest slot mean; with the coordinate ``rated_capacity`` [kW] also ``capacity_factor`` [1] =
        energy / (rating x hours measured). ``period`` is the local start of each.
    """
    power = variable_of(data, variable).load()
    slot = slot_length(data)
    hours = float(slot / _HOUR)
    span = window_of(data, window)
    import pandas as pd

    labels: pd.DatetimeIndex
    if by is None:
        labels, edges = pd.DatetimeIndex([span[0]]), edges_of(span)
    else:
        labels, edges = periods(span, by, tz)
    values = power.values.astype(np.float64)
    share = np.isfinite(values).astype(np.float64) if measured is None else _aligned(measured, power)
    share = np.where(np.isfinite(values), share, 0.0)
    where = place(power["time"].values, edges)
    shape = (len(labels), values.shape[1])
    delivered, covered, peak = np.zeros(shape), np.zeros(shape), np.full(shape, np.nan)
    worth = np.nan_to_num(values) * share * hours
    for i in range(len(labels)):
        rows = where == i
        delivered[i], covered[i] = worth[rows].sum(axis=0), share[rows].sum(axis=0) * hours
        if rows.any():
            peak[i] = np.fmax.reduce(values[rows], axis=0)
    expected = expected_slots(edges, slot) * hours
    with np.errstate(invalid="ignore", divide="ignore"):
        content = {
            "energy": (np.where(covered > 0, delivered, np.nan), "kWh", "energy delivered while measured"),
            "hours": (covered, "h", "time measured"),
            "hours_expected": (np.broadcast_to(expected[:, None], shape).copy(), "h", "time in the period"),
            "completeness": (covered / expected[:, None], "1", "share of the time measured"),
            "peak": (peak, "kW", "largest slot mean"),
        }
        if "rated_capacity" in data.coords:
            rating = data["rated_capacity"].values.astype(np.float64)
            factor = np.where(covered > 0, delivered / (rating * covered), np.nan)
            content["capacity_factor"] = (factor, "1", "capacity factor while measured")
    result = xr.Dataset(
        {n: (("period", "asset"), v, {"units": u, "long_name": t}) for n, (v, u, t) in content.items()},
        coords={"period": labels.to_numpy(), **{n: c for n, c in power.coords.items() if c.dims == ("asset",)}},
        attrs={"window_start": str(span[0]), "window_end": str(span[1]), "time_zone": tz},
    )
    return result if by is not None else result.isel(period=0, drop=True)


def _aligned(share: xr.DataArray, power: xr.DataArray) -> Floats:
    return (
        np.asarray(share.transpose("time", "asset").values, dtype=np.float64)
        if share.shape == power.shape
        else (np.asarray(share.reindex_like(power, fill_value=0.0).transpose("time", "asset").values, dtype=np.float64))
    )


def total(energies: xr.Dataset) -> xr.Dataset:
    """A farm's figures from those of its assets, as :func:`energy` gives them.

    ``energy`` [kWh] adds up; ``capacity_factor`` and ``completeness`` are weighted by the rating of the assets
    where it is known. Peaks do not add up and are left out.
    """
    hours = energies["hours"]
    rating = energies.coords.get("rated_capacity")
    weight = xr.ones_like(hours) if rating is None else rating
    could, should = (weight * hours).sum("asset"), (weight * energies["hours_expected"]).sum("asset")
    result = energies[["energy"]].sum("asset", min_count=1, keep_attrs=True)
    result["completeness"] = (could / should).assign_attrs(units="1", long_name="share of the capacity measured")
    if rating is not None:
        factor = result["energy"] / could.where(could > 0)
        result["capacity_factor"] = factor.assign_attrs(units="1", long_name="capacity factor while measured")
    return result


def extremes(data: xr.Dataset, variable: str) -> xr.Dataset:
    """Smallest and largest value of a variable by asset, and when.

    Where ten-minute statistics have them, the extremes of the samples inside the slots are taken
    (``<variable>_min``, ``<variable>_max``), otherwise those of the slot values.

    Returns
    -------
    xr.Dataset
        dims (asset): ``min``, ``max`` in the variable's unit, ``min_time``, ``max_time`` (start of the slot, UTC;
        NaT where nothing was measured).
    """
    result = {}
    times = data["time"].values
    for which, pick, worst in (("min", np.argmin, np.inf), ("max", np.argmax, -np.inf)):
        name = f"{variable}_{which}" if f"{variable}_{which}" in data else variable
        values = variable_of(data, name).load()
        filled = np.where(np.isfinite(values.values), values.values, worst)
        attrs = {k: v for k, v in data[variable].attrs.items() if k in ("units", "long_name")}
        if not len(times):
            result[which] = ("asset", np.full(values.sizes["asset"], np.nan), attrs)
            result[f"{which}_time"] = ("asset", np.full(values.sizes["asset"], np.datetime64("NaT", "ns")), {})
            continue
        at = pick(filled, axis=0)
        best = np.take_along_axis(filled, at[None], axis=0)[0]
        there = np.isfinite(best)
        result[which] = ("asset", np.where(there, best, np.nan), attrs)
        result[f"{which}_time"] = ("asset", np.where(there, times[at], np.datetime64("NaT", "ns")), {})
    return xr.Dataset(result, coords={"asset": data["asset"]})


def completeness(data: xr.Dataset, variables: list[str] | None = None, *, window: Window | None = None) -> xr.Dataset:
    """How much of what should have been measured is there, and how much of it is believed.

    Returns
    -------
    xr.Dataset
        dims (variable, asset): ``expected``, ``received`` (slots with a value), ``rejected`` (received, but flagged
        as :func:`workbench.model.quality.good` rejects) [1]; ``completeness`` = received / expected, ``usable``
        = (received - rejected) / expected [1]; and dims (flag, variable, asset): ``flagged``, values per flag.
    """
    names = variables if variables is not None else measured_variables(data)
    (expected,) = expected_slots(edges_of(window_of(data, window)), slot_length(data))
    flags = [flag for flag in Quality if flag is not Quality.GOOD]
    shape = (len(names), data.sizes["asset"])
    received, rejected = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    flagged = np.zeros((len(flags), *shape), np.int64)
    for row, name in enumerate(names):
        values = data[name].transpose("time", "asset").values
        there = np.isfinite(values)
        received[row] = there.sum(axis=0)
        rejected[row] = received[row] - np.isfinite(variable_of(data, name).values).sum(axis=0)
        bits = data.get(quality_name(name))
        if bits is None:
            continue
        raw = bits.transpose("time", "asset").values.astype(DTYPE)
        for i, flag in enumerate(flags):
            flagged[i, row] = ((raw & DTYPE.type(flag)) != 0).sum(axis=0)
    dims = ("variable", "asset")
    whole = max(int(expected), 1)
    return xr.Dataset(
        {
            "expected": (dims, np.full(shape, expected), {"units": "1", "long_name": "slots in the window"}),
            "received": (dims, received, {"units": "1", "long_name": "slots with a value"}),
            "rejected": (dims, rejected, {"units": "1", "long_name": "values not believed"}),
            "completeness": (dims, received / whole, {"units": "1", "long_name": "share received"}),
            "usable": (dims, (received - rejected) / whole, {"units": "1", "long_name": "share received and believed"}),
            "flagged": (("flag", *dims), flagged, {"units": "1", "long_name": "values with the flag"}),
        },
        coords={"variable": names, "asset": data["asset"].values, "flag": [str(f.name).lower() for f in flags]},
    )


def sample_quality(data: xr.Dataset, variable: str) -> xr.DataArray:
    """Share of the samples received that were usable, by asset; (asset) [1], NaN where none came.

    From ten-minute statistics: samples that entered the mean (``<variable>_count``) over samples received
    (``sample_count``); without these, slots whose value is not rejected over slots with a value.
    """
    count, samples = data.get(f"{variable}_count"), data.get("sample_count")
    usable, received = variable_of(data, variable).notnull(), data[variable].notnull()
    if count is not None and samples is not None:
        used = count.astype(np.float64).fillna(0.0)
        # imported history may hold the statistics without the number of samples
        got = xr.where(samples > used, samples, used)  # type: ignore[no-untyped-call]
        top, bottom = used.sum("time"), got.astype(np.float64).sum("time")
    else:
        top, bottom = usable.sum("time"), received.sum("time")
    share: xr.DataArray = top / bottom.where(bottom > 0)
    return share.assign_attrs(units="1", long_name=f"usable samples, {variable}")


def measured_variables(data: xr.Dataset) -> list[str]:
    """The variables of ``data`` that were measured: without quality, counts and other statistics."""
    return [
        name
        for name in map(str, data.data_vars)
        if not is_quality(name)
        and name != "sample_count"
        and {"time", "asset"} == set(data[name].dims)
        and data[name].dtype.kind == "f"
        and not any(name.endswith(end) and name.removesuffix(end) in data for end in _STATISTICS)
    ]


def counter_increase(data: xr.Dataset, variable: str, *, window: Window | None = None) -> xr.DataArray:
    """How far a counter rose within the window, by asset; a step down is taken as a reset to zero.

    Parameters
    ----------
    data
        Slots carry the counter's last value; with a slot before ``window`` the first step counts too.
    window
        [start, end) in UTC; the span of the data if left out.

    Returns
    -------
    xr.DataArray
        dims (asset), in the counter's unit; NaN where fewer than two values are there.
    """
    counter = variable_of(data, variable).load()
    start, end = window_of(data, window)
    times = counter["time"].values
    values = counter.values.astype(np.float64)
    inside = (times >= start.to_datetime64()) & (times < end.to_datetime64())
    result = np.full(values.shape[1], np.nan)
    for column in range(values.shape[1]):
        good_rows = np.flatnonzero(np.isfinite(values[:, column]) & (times < end.to_datetime64()))
        if len(good_rows) < 2 or not inside[good_rows].any():
            continue
        series = values[good_rows, column]
        steps = np.diff(series)
        steps = np.where(steps < 0, series[1:], steps)
        result[column] = steps[inside[good_rows[1:]]].sum()
    attrs = {k: v for k, v in data[variable].attrs.items() if k == "units"}
    return xr.DataArray(result, dims="asset", coords={"asset": data["asset"].values}, attrs=attrs)


def battery(data: xr.Dataset, *, window: Window | None = None, power: str = "active_power") -> xr.Dataset:
    """Energy in and out of batteries, from their counters where they have them, else from mean power.

    Power is positive while discharging. A mean that hides changes of direction inside a slot understates
    the throughput; counters (``energy_charged``, ``energy_discharged``) do not.

    Returns
    -------
    xr.Dataset
        dims (asset): ``charged``, ``discharged`` and their sum ``throughput`` [kWh] at the AC terminals; with the
        coordinate ``energy_capacity`` [kWh] also ``cycles`` [1] = throughput / (2 x capacity). The attribute
        ``method`` is ``counters`` or ``mean power``.
    """
    if {"energy_charged", "energy_discharged"} <= set(data.data_vars):
        method = "counters"
        charged = counter_increase(data, "energy_charged", window=window)
        discharged = counter_increase(data, "energy_discharged", window=window)
    else:
        method = "mean power"
        start, end = window_of(data, window)
        span = data.sel(time=(data["time"] >= start.to_datetime64()) & (data["time"] < end.to_datetime64()))
        worth = variable_of(span, power) * float(slot_length(data) / _HOUR)
        charged = (-worth).clip(min=0).sum("time", min_count=1)
        discharged = worth.clip(min=0).sum("time", min_count=1)
    result = xr.Dataset(
        {
            "charged": charged.drop_vars(set(charged.coords) - {"asset"}),
            "discharged": discharged.drop_vars(set(discharged.coords) - {"asset"}),
        },
        attrs={"method": method},
    )
    result["throughput"] = result["charged"] + result["discharged"]
    for name in ("charged", "discharged", "throughput"):
        result[name].attrs = {"units": "kWh", "long_name": f"energy {name}" if name != "throughput" else name}
    if "energy_capacity" in data.coords:
        capacity = xr.DataArray(data["energy_capacity"].values, dims="asset", coords={"asset": data["asset"].values})
        cycles = result["throughput"] / (2.0 * capacity)
        result["cycles"] = cycles.assign_attrs(units="1", long_name="equivalent full cycles")
    return result


def performance_ratio(
    inverters: xr.Dataset,
    irradiance: xr.DataArray,
    *,
    power: str = "total_ac_power",
    minimum: float = 0.0,
) -> xr.Dataset:
    """Performance ratio of inverters over the slots in which power and irradiance were both measured.

    PR = (E / P0) / (H / G0) with E the AC energy [kWh], P0 the DC rating of the modules at standard test
    conditions (coordinate ``dc_capacity`` [kW]), H the irradiation in the plane of the array [kWh/m2] and
    G0 = 1 kW/m2 [1]_. It is not corrected for temperature.

    Parameters
    ----------
    irradiance
        In the plane of the array [W/m2], dims (time), mean of each slot.
    minimum
        Slots with less irradiance are left out [W/m2].

    Returns
    -------
    xr.Dataset
        dims (asset): ``performance_ratio`` [1], ``energy`` [kWh], ``irradiation`` [kWh/m2], ``hours`` [h].

    References
    ----------
    .. [1] IEC 61724-1:2021, Photovoltaic system performance, part 1, 14.3.1.
    """
    if "dc_capacity" not in inverters.coords:
        raise InputError("the DC rating of the inverters is not known", expected="the coordinate dc_capacity [kW]")
    made = variable_of(inverters, power)
    made, sun = xr.align(made, irradiance, join="inner")
    hours = float(slot_length(inverters) / _HOUR)
    both = made.notnull() & (sun > minimum)
    delivered = made.where(both).sum("time", min_count=1) * hours
    irradiation = (sun * xr.ones_like(made)).where(both).sum("time", min_count=1) * hours / 1000.0
    ratio = (delivered / inverters["dc_capacity"]) / irradiation.where(irradiation > 0)
    return xr.Dataset(
        {
            "performance_ratio": ratio.assign_attrs(units="1", long_name="performance ratio"),
            "energy": delivered.assign_attrs(units="kWh", long_name="AC energy"),
            "irradiation": irradiation.assign_attrs(units="kWh/m2", long_name="irradiation in the plane of the array"),
            "hours": (both.sum("time") * hours).assign_attrs(units="h", long_name="time compared"),
        }
    )
