"""State of health from field cycles, partial ones too, with an interval; and capacity from whole discharges.

Two rests at different states of charge and the charge counted between them tell the capacity [1]_. Pairs of rests share
rests, and a current sensor that is a little off adds up to much. Hence all rests of a week are one straight line: the state of
charge by the voltage against the charge counted, whose slope is one over the capacity, with a start and a drift of the
count (the sensor's zero) for each week. The state of charge has the error, the counted charge next to none, so that it is
the regressor and the slope is not diluted.

References
----------
.. [1] G. L. Plett, "Recursive approximate weighted total least squares estimation of battery cell total capacity", Journal
   of Power Sources 196, 2011, https://doi.org/10.1016/j.jpowsour.2010.09.048.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from workbench.analytics.calendar import Step, edges_of, periods, place, window_of
from workbench.analytics.storage.fields import (
    Bools,
    Floats,
    Ints,
    check_signs,
    fact,
    facts_of,
    hours_since,
    maybe,
    need,
    power_of,
    prepared,
    slot_hours,
)
from workbench.analytics.storage.open_circuit import (
    Curves,
    OpenCircuitCurve,
    cell_voltage,
    charge_capacity,
    curves_of,
)
from workbench.analytics.storage.rests import rests
from workbench.model.errors import InputError
from workbench.steps import remark, step

if TYPE_CHECKING:
    import pandas as pd

_ZERO = 0.002  #: standard deviation of the current sensor's zero [1/h]
_FEWEST = 4  #: rests a capacity is told from
_LEAST_SWING = 15.0  #: of the state of charge between rests [%]


def state_of_health(
    data: xr.Dataset,
    *,
    by: Step | None = None,
    tz: str = "UTC",
    curve: Curves | None = None,
    block_days: float = 7.0,
    current_uncertainty: float = 0.005,
    level: float = 0.9,
) -> xr.Dataset:
    """Capacity and state of health of each battery from what it did in the field, with an interval.

    Parameters
    ----------
    data
        dims (time, asset). By the voltage at rest: ``dc_current`` [A], or ``dc_power`` [kW] with ``dc_voltage`` [V];
        ``cell_voltage_mean`` [V], or ``dc_voltage`` with the coordinate ``cells_in_series``; the coordinates
        ``charge_capacity`` [A h], or ``energy_capacity`` [kWh] when new; ``chemistry``, or ``curve``. Without cell voltage,
        by what is reported: ``state_of_charge`` [%], power on the DC or AC side, ``energy_capacity``.
    by, tz
        By months or years of that clock; all at once if left out.
    curve
        Voltage at rest, one for all or by asset.
    block_days
        Time in which the sensor's zero is taken for one [day].
    current_uncertainty
        Standard uncertainty of the current's (or power's) scale [1]. It is in the interval as it does not average out.
    level
        Of the interval.

    Returns
    -------
    xr.Dataset
        dims (asset) or (period, asset): ``state_of_health`` [%], ``lower``, ``upper``, ``std`` [%]; ``charge_capacity_now``
        [A h], NaN by the reported state of charge; ``rests``, ``swing`` [%], the widest of a week; ``method``:
        ``voltage`` or ``reported``; the texts ``reason`` (no figure) and ``caution``.

    Raises
    ------
    InputError
        A field is missing, a sign is reversed, or a setting is wrong.

    Notes
    -----
    By the reported state of charge the figure is what the management takes the capacity for: a check, no measurement.
    """
    if not 0 < level < 1 or not block_days > 0 or current_uncertainty < 0:
        raise InputError("a setting is wrong", where="level or block_days", found=f"{level}, {block_days}")
    data = prepared(data)
    check_signs(data)
    span = window_of(data)
    import pandas as pd

    labels = pd.DatetimeIndex([span[0]])
    edges = edges_of(span)
    if by is not None:
        labels, edges = periods(span, by, tz)
    curves = curves_of(data, curve)
    when = place(data["time"].values, edges)
    hours = hours_since(data)
    names = ("state_of_health", "lower", "upper", "std", "charge_capacity_now", "rests", "swing")
    shape = (len(labels), data.sizes["asset"])
    table = {name: np.full(shape, np.nan) for name in names}
    words = {name: np.full(shape, "", dtype=object) for name in ("method", "reason", "caution")}
    told = _by_voltage(data, curves)
    for column in range(shape[1]):
        one = told[column]
        if one.reason:
            other = _by_report(data, column)
            other.caution = f"{one.reason}; by the reported state of charge: what the management takes the capacity for"
            other.reason = f"{one.reason}; {other.reason}" if other.reason else ""
            one = other
        for row in range(shape[0]):
            words["method"][row, column] = one.method
            words["caution"][row, column] = "" if one.reason else one.caution
            if one.reason:
                words["reason"][row, column] = one.reason
                continue
            at = np.flatnonzero((when == row) & np.isfinite(one.soc))
            fit = _fit(one, at, hours, block_days)
            table["rests"][row, column], table["swing"][row, column] = len(at), fit.swing
            if fit.reason:
                words["reason"][row, column] = fit.reason
                continue
            _enter(table, (row, column), one, fit, current_uncertainty, level)
    units = {"rests": "1", "charge_capacity_now": "A h"}
    result = xr.Dataset(
        {n: (("period", "asset"), v, {"units": units.get(n, "%")}) for n, v in table.items()}
        | {n: (("period", "asset"), v) for n, v in words.items()},
        coords={"period": labels.to_numpy(), **facts_of(data)},
        attrs={"level": level, "window_start": str(span[0]), "window_end": str(span[1])},
    )
    return result if by is not None else result.isel(period=0, drop=True)


@dataclass
class _Told:
    """What one battery's line is drawn through: state of charge [%] at times, and the charge taken out until then."""

    method: str = "voltage"
    soc: Floats | None = None  #: [time], NaN but at rests
    deviation: Floats | None = None
    systematic: Floats | None = None
    out: Floats | None = None  #: [time], [A h] or [kWh], NaN after a gap's start until it is counted again
    part: Ints | None = None  #: number of the run without gaps
    new: float = np.nan  #: capacity when new
    reason: str = ""
    caution: str = ""


@dataclass
class _Line:
    slope: float = np.nan  #: one over the capacity
    deviation: float = np.nan  #: by chance, in proportion to the slope
    systematic: float = np.nan  #: of the curve, in proportion to the slope
    swing: float = np.nan
    free: float = np.nan
    reason: str = ""


def _enter(
    table: dict[str, Floats], place_: tuple[int, int], one: _Told, fit: _Line, scale: float, level: float
) -> None:
    from scipy.stats import t

    capacity = 1.0 / fit.slope
    health = 100.0 * capacity / one.new
    std = health * float(np.sqrt(fit.deviation**2 + fit.systematic**2 + scale**2))
    # Student's for the part by chance, the normal for what is stated
    by_chance = float(t.ppf((1 + level) / 2, max(fit.free, 1.0))) * fit.deviation
    stated = float(t.ppf((1 + level) / 2, np.inf)) * float(np.hypot(fit.systematic, scale))
    half = health * float(np.hypot(by_chance, stated))
    row = {"state_of_health": health, "lower": health - half, "upper": health + half, "std": std}
    row["charge_capacity_now"] = capacity if one.method == "voltage" else np.nan
    for name, value in row.items():
        table[name][place_] = value


def _runs(flow: Floats, hours: float) -> tuple[Floats, Ints]:
    """Charge taken out until the middle of each slot, and the number of the run without gaps."""
    gap = ~np.isfinite(flow)
    steps = np.where(gap, 0.0, flow) * hours
    return np.cumsum(steps) - steps / 2, np.cumsum(gap)


def _by_voltage(data: xr.Dataset, curves: list[OpenCircuitCurve | None]) -> list[_Told]:
    size = data.sizes["asset"]
    if cell_voltage(data) is None:
        return [_Told(reason="there is no cell voltage, nor the number of cells in series") for _ in range(size)]
    capacity = charge_capacity(data, curves)
    try:
        seen = rests(data, curves, capacity)
    except InputError as error:
        return [_Told(reason=error.message) for _ in range(size)]
    found = []
    for column in range(size):
        one = _Told(new=float(capacity[column]))
        if curves[column] is None:
            one.reason = "no open-circuit curve: the chemistry is unknown"
        elif not np.isfinite(one.new):
            one.reason = "the capacity when new is unknown"
        else:
            one.out, one.part = _runs(seen.current[:, column], slot_hours(data))
            keep = _best(seen.charge[:, column], seen.deviation[:, column], seen.resting[:, column])
            one.soc = np.where(keep, seen.charge[:, column], np.nan)
            one.deviation, one.systematic = seen.deviation[:, column], seen.systematic[:, column]
            if not keep.any():
                rest = 100 * float(seen.resting[:, column].mean())
                one.reason = f"no rest whose voltage tells the state of charge within 5 % ({rest:.0f} % of the time at rest)"
        found.append(one)
    return found


def _best(soc: Floats, deviation: Floats, resting: Bools) -> Bools:
    """The slot of each rest at which the voltage is surest, the last of those that are equally sure."""
    keep = np.zeros(len(soc), dtype=bool)
    starts = np.flatnonzero(np.diff(resting.astype(np.int8), prepend=0) == 1)
    ends = np.flatnonzero(np.diff(resting.astype(np.int8), append=0) == -1)
    for start, end in zip(starts, ends, strict=True):
        rows = np.arange(start, end + 1)
        rows = rows[np.isfinite(soc[rows])]
        if len(rows):
            least = deviation[rows].min()
            keep[rows[deviation[rows] <= 1.05 * least][-1]] = True
    return keep


def _by_report(data: xr.Dataset, column: int) -> _Told:
    one = _Told(method="reported", new=float(fact(data, "energy_capacity")[column]))
    soc = maybe(data, "state_of_charge")
    if soc is None or not np.isfinite(soc[:, column]).any():
        one.reason = "nor is a state of charge reported"
        return one
    if not np.isfinite(one.new):
        one.reason = "nor is the energy capacity known"
        return one
    power = power_of(data.isel(asset=[column]))
    if power.dc is not None:
        flow = power.dc[:, 0]
    else:
        rated = fact(data, "round_trip_efficiency")[column]
        way = float(np.sqrt(rated)) if np.isfinite(rated) else 0.93
        flow = power.discharge[:, 0] / way - power.charge[:, 0] * way
    one.out, one.part = _runs(flow, slot_hours(data))
    # every second hour, as neighbours tell the same
    every = max(1, round(2.0 / slot_hours(data)))
    keep = np.arange(len(flow)) % every == 0
    one.soc = np.where(keep & np.isfinite(flow), soc[:, column], np.nan)
    one.deviation, one.systematic = np.full(len(flow), 1.0), np.full(len(flow), 1.0)
    return one


def _fit(one: _Told, at: Ints, hours: Floats, block_days: float) -> _Line:
    """The line of all blocks: slope in common, start and drift of each."""
    assert one.soc is not None
    assert one.deviation is not None
    assert one.systematic is not None
    assert one.out is not None
    assert one.part is not None
    line = _Line()
    if len(at) < _FEWEST:
        line.reason = f"{len(at)} rests that tell the state of charge; {_FEWEST} are needed"
        return line
    block = np.floor((hours[at] - hours[at[0]]) / (24 * block_days)).astype(np.int64)
    group = np.unique(block * (int(one.part.max()) + 1) + one.part[at], return_inverse=True)[1]
    y, x, t = one.soc[at] / 100.0, one.out[at] / one.new, hours[at] / 24.0
    swing = [np.ptp(y[group == g]) for g in range(group.max() + 1)]
    line.swing = 100.0 * float(max(swing))
    if line.swing < _LEAST_SWING:
        line.reason = f"the rests of no week lie more than {line.swing:.0f} % apart; {_LEAST_SWING:g} % are needed"
        return line
    sigma = one.deviation[at] / 100.0
    own = np.ones(len(y))
    gradient: Floats = np.zeros(len(y))
    for _ in range(8):
        weight = own / sigma**2
        # what start and drift of its block leave of x; the drift has the prior of a sensor's zero
        left, rest_y = _without_blocks(x, y, t, weight, group)
        information = float((weight * left * x).sum())
        if not information > 0:
            break
        slope = -float((weight * left * y).sum()) / information
        residual = rest_y + slope * left
        spread = np.maximum(np.abs(residual) / sigma, 1e-12)
        own = np.minimum(1.0, 2.0 / spread)  # Huber
        gradient = weight * left / information
    if not information > 0 or not slope > 0:
        line.reason = "the charge counted and the state of charge do not go together"
        return line
    blocks = np.bincount(group, gradient * residual)
    count = int((np.bincount(group) > 2).sum())
    free = max(len(y) - 2 * (group.max() + 1) - 1, 1)
    model = float(np.sqrt((gradient**2 * sigma**2).sum() * max(1.0, float((own * (residual / sigma) ** 2).sum()) / free)))
    chance = model if count < 6 else max(model / 2, float(np.sqrt((blocks**2).sum() * count / (count - 1))))
    bins = np.floor(10.0 * np.clip(y, 0, 0.999)).astype(np.int64)
    common = np.bincount(bins, gradient * one.systematic[at] / 100.0)
    line.slope = slope / one.new
    line.deviation, line.free = chance / slope, float(count - 1 if count >= 6 else free)
    line.systematic = float(np.sqrt((common**2).sum())) / slope
    return line


def _without_blocks(x: Floats, y: Floats, t: Floats, weight: Floats, group: Ints) -> tuple[Floats, Floats]:
    """``x`` and ``y`` less the start and the drift of each block [day], the drift held by the prior of a sensor's zero."""
    found = []
    total = np.bincount(group, weight)
    middle = (np.bincount(group, weight * t) / total)[group]
    apart = t - middle
    held = np.bincount(group, weight * apart**2) + 1.0 / (24 * _ZERO) ** 2
    for series in (x, y):
        off = series - (np.bincount(group, weight * series) / total)[group]
        found.append(off - apart * (np.bincount(group, weight * apart * off) / held)[group])
    return found[0], found[1]


def learn_curve(
    data: xr.Dataset, *, capacity: Floats | None = None, least: int = 20, uncertainty: float = 0.005
) -> dict[str, OpenCircuitCurve]:
    """The voltage at rest of each battery by the state of charge it reports, from a time in which that is believed.

    Parameters
    ----------
    data
        dims (time, asset): ``cell_voltage_mean`` [V] (or DC voltage and cells in series), DC current, ``state_of_charge`` [%].
    capacity
        Charge capacity [A h], [asset]; by the coordinates if left out.
    least
        Rests a curve is made of; batteries with fewer are left out and remarked.
    uncertainty
        Of a voltage beside the curve [V].

    Returns
    -------
    Curve by asset. Beyond the states of charge that were seen it goes on at the slope of the chemistry's curve, or flat.

    Raises
    ------
    InputError
        A field is missing.
    """
    from sklearn.isotonic import IsotonicRegression

    data = prepared(data)
    soc = need(data, "state_of_charge", "by which a curve is learned")
    voltage = cell_voltage(data)
    if voltage is None:
        raise InputError("there is no cell voltage", where="data", expected="cell_voltage_mean")
    typical = curves_of(data)
    full = charge_capacity(data, typical) if capacity is None else np.asarray(capacity, dtype=np.float64)
    resting = rests(data, [None] * data.sizes["asset"], full).resting
    found = {}
    for column, name in enumerate(map(str, data["asset"].values)):
        at = resting[:, column] & np.isfinite(soc[:, column]) & np.isfinite(voltage[:, column])
        bins = np.round(soc[at, column] / 2.0).astype(np.int64)
        if at.sum() < least or len(np.unique(bins)) < 3:
            remark(f"learn_curve: {name}: {at.sum()} slots at rest at {len(np.unique(bins))} states of charge: no curve")
            continue
        x = np.array([np.median(soc[at, column][bins == b]) for b in np.unique(bins)])
        v = np.array([np.median(voltage[at, column][bins == b]) for b in np.unique(bins)])
        v = IsotonicRegression().fit_transform(x, v, np.bincount(bins)[np.unique(bins)])
        x, first = np.unique(x, return_index=True)
        found[name] = _extended(x, v[first], typical[column], uncertainty)
    return found


def _extended(x: Floats, v: Floats, typical: OpenCircuitCurve | None, uncertainty: float) -> OpenCircuitCurve:
    ends_x, ends_v = [0.0, 100.0], [float(v[0]), float(v[-1])]
    if typical is not None:
        ends_v[0] -= float(typical.at(x[0]) - typical.at(0.0))
        ends_v[1] += float(typical.at(100.0) - typical.at(x[-1]))
    low, high = x[0] > 0.5, x[-1] < 99.5
    soc = np.concatenate([ends_x[:1] if low else [], x, ends_x[1:] if high else []])
    volt = np.concatenate([ends_v[:1] if low else [], v, ends_v[1:] if high else []])
    return OpenCircuitCurve(soc, np.maximum.accumulate(volt), uncertainty, uncertainty / 2)


def discharge_capacity(
    data: xr.Dataset, *, cut_off: float, voltage: str = "voltage", current: str = "current", least: float = 0.05
) -> pd.DataFrame:
    """Charge and energy of each whole discharge, down to a voltage.

    Parameters
    ----------
    data
        dims (time, asset), times of any spacing: ``voltage`` [V] and ``current`` [A], positive while discharging, of a cell or
        of a string.
    cut_off
        A discharge counts until the voltage is first below it [V]; one that never comes there is no whole one.
    least
        A discharge is where the current is above this share of its largest.

    Returns
    -------
    One row per discharge: ``asset``, ``start``, ``end``, ``charge`` [A h], ``energy`` [Wh], ``whole``.

    Raises
    ------
    InputError
        A field is missing.
    """
    import pandas as pd

    data = prepared(data)
    v, i = need(data, voltage), need(data, current)
    hours, times = hours_since(data), data["time"].values
    rows = []
    for column, name in enumerate(map(str, data["asset"].values)):
        there = np.flatnonzero(np.isfinite(v[:, column]) & np.isfinite(i[:, column]))
        vv, ii, hh = v[there, column], i[there, column], hours[there]
        if not len(there):
            continue
        on = np.concatenate([[False], ii > least * np.max(np.abs(ii)), [False]])
        edge = np.flatnonzero(np.diff(on.astype(np.int8)))
        for start, end in zip(edge[::2], edge[1::2], strict=True):
            first = max(start - 1, 0)  # the current came up between the sample before and this
            below = np.flatnonzero(vv[start:end] < cut_off)
            last = start + int(below[0]) if len(below) else min(end, len(ii) - 1)
            if last <= first:
                continue
            span = slice(first, last + 1)
            rows.append(
                {
                    "asset": name, "start": times[there[start]], "end": times[there[last]],
                    "charge": float(np.trapezoid(ii[span], hh[span])),
                    "energy": float(np.trapezoid(ii[span] * vv[span], hh[span])), "whole": bool(len(below)),
                }  # fmt: skip
            )
    return pd.DataFrame(rows, columns=["asset", "start", "end", "charge", "energy", "whole"])


@step("battery_health")
def add_state_of_health(
    data: xr.Dataset, *, current_uncertainty: float = 0.005, level: float = 0.9, output_field: str = "health_estimate"
) -> xr.Dataset:
    """State of health of each battery from partial cycles, with an interval; one figure for the whole of the data.

    Parameters
    ----------
    data
        dims (time, asset), see :func:`state_of_health`.
    current_uncertainty
        Standard uncertainty of the current's scale [1].
    level
        Of the interval.
    output_field
        What it is called.

    Returns
    -------
    The data with the health, its ``_lower`` and ``_upper`` [%], dims (asset).

    Raises
    ------
    InputError
        A field is missing or a sign is reversed.
    """
    data = prepared(data)
    found = state_of_health(data, current_uncertainty=current_uncertainty, level=level)
    tell("battery_health", found)
    names = {output_field: "state_of_health", f"{output_field}_lower": "lower", f"{output_field}_upper": "upper"}
    titles = {"state_of_health": "state of health, estimated", "lower": "lower bound of it", "upper": "upper bound of it"}
    return data.assign(
        {n: ("asset", found[s].values, {"units": "%", "long_name": titles[s]}) for n, s in names.items()}
    )


def tell(name: str, found: xr.Dataset) -> None:
    """Remark why batteries have no figure, or what weakens it."""
    for kind in ("reason", "caution"):
        if kind in found:
            for asset, text in zip(found["asset"].values, found[kind].values, strict=True):
                if text:
                    remark(f"{name}: {asset}: {text}")
