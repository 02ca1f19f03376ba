"""State of health from field cycles, partial ones too, with an interval.

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

from collections.abc import Mapping
from dataclasses import dataclass, field

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
    names_of,
    power_of,
    prepared,
    slot_hours,
    tell,
)
from workbench.analytics.storage.joint_fit import Rested, sides
from workbench.analytics.storage.joint_fit import fit as joint_fit
from workbench.analytics.storage.open_circuit import (
    Curves,
    OpenCircuitCurve,
    cell_voltage,
    charge_capacity,
    curves_of,
)
from workbench.analytics.storage.rests import rests
from workbench.model.errors import InputError
from workbench.steps import step

_ZERO = 0.002  #: standard deviation of the current sensor's zero [1/h]
_NONE: Floats = np.zeros(0)
_NO_RUN: Ints = np.zeros(0, dtype=np.int64)
_FEWEST = 4  #: rests a capacity is told from
#: On made-up batteries whose cells are another make's 53 % of the intervals held the truth, of 90 (docs/storage.md).
_TYPICAL = "by a typical curve of the chemistry: the range does not hold what the maker's own curve differs from it"
_WIDEST = 15.0  #: half of an interval that still says something [%]
_AGAIN = 24.0  #: after which a rest that lasts is another [h]
_LATE = 1.0  #: of a rest that counts [h]
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
    for name, one in zip(names_of(data), told, strict=True):
        if one.method == "voltage" and (curve is None or (isinstance(curve, Mapping) and name not in curve)):
            one.caution = one.caution or _TYPICAL

    def fill(column: int) -> None:
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
            if one.method == "voltage":
                fit = _together(one, *_asked(one, when == row, hours), hours)
            else:
                fit = _fit(one, np.flatnonzero((when == row) & np.isfinite(one.soc)), hours, block_days)
            table["rests"][row, column], table["swing"][row, column] = fit.count, fit.swing
            if fit.reason:
                words["reason"][row, column] = fit.reason
                continue
            words["reason"][row, column] = _enter(table, (row, column), one, fit, current_uncertainty, level)

    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):  # many small matrices, for which threads wait more than they work
        for column in range(shape[1]):
            fill(column)
    units = {"rests": "1", "charge_capacity_now": "A h"}
    result = xr.Dataset(
        {n: (("period", "asset"), v, {"units": units.get(n, "%")}) for n, v in table.items()}
        | {n: (("period", "asset"), v) for n, v in words.items()},
        coords={"period": labels.to_numpy(), **facts_of(data)},
        attrs={"level": level, "window_start": str(span[0]), "window_end": str(span[1])},
    )
    return result if by is not None else result.isel(period=0, drop=True)


@dataclass(eq=False)
class _Told:
    """What one battery's line is drawn through: state of charge [%] at times, and the charge taken out until then."""

    method: str = "voltage"
    soc: Floats = field(default_factory=lambda: _NONE)  #: [time], NaN but at rests
    deviation: Floats = field(default_factory=lambda: _NONE)
    systematic: Floats = field(default_factory=lambda: _NONE)
    out: Floats = field(
        default_factory=lambda: _NONE
    )  #: [time], [A h] or [kWh], NaN after a gap's start until it is counted again
    part: Ints = field(default_factory=lambda: _NO_RUN)  #: number of the run without gaps
    new: float = np.nan  #: capacity when new
    curve: OpenCircuitCurve | None = None
    voltage: Floats = field(default_factory=lambda: _NONE)  #: of a cell at rest, [time] [V]
    left: Floats = field(default_factory=lambda: _NONE)  #: polarisation [V]
    slow: Floats = field(default_factory=lambda: _NONE)  #: its slow part [V]
    side: Floats = field(default_factory=lambda: _NONE)  #: from which it was come to
    all_rests: Floats = field(
        default_factory=lambda: _NONE
    )  #: state of charge by each rest, [time], NaN where it does not tell
    reason: str = ""
    caution: str = ""


def _asked(one: _Told, rows: Bools, hours: Floats) -> tuple[Ints, Ints]:
    """Slots of rests whose voltage is held against the count, and to which group each belongs: one rest, or a part of it.

    A group ends with its rest, where the charge has gone on by 2 %, and after some hours; of its slots the last hour counts, when most
    of the polarisation is gone.
    """
    there = np.flatnonzero(rows & np.isfinite(one.voltage))
    if not len(there):
        return there, there
    rest = np.cumsum(np.diff(there, prepend=there[0]) > 1)
    start = hours[there][np.searchsorted(rest, rest)]
    step = np.stack([rest, np.floor(50.0 * one.out[there] / one.new), (hours[there] - start) // _AGAIN])
    group = np.cumsum(np.any(np.diff(step, axis=1, prepend=step[:, :1]) != 0, axis=0))
    last = there[np.searchsorted(group, group, side="right") - 1]
    # at a bend of the curve the mean voltage of a moving charge is not that of the mean charge
    late = (hours[last] - hours[there] < _LATE) & (np.abs(one.out[last] - one.out[there]) < 0.002 * one.new)
    return there[late], np.unique(group[late], return_inverse=True)[1].astype(np.int64)


def _together(one: _Told, at: Ints, group: Ints, hours: Floats) -> _Line:
    """The capacity by all rests at once."""
    line = _Line()
    line.count = len(np.unique(group))
    if line.count < _FEWEST or one.curve is None:
        line.reason = f"{line.count} rests; {_FEWEST} are needed"
        return line
    size = np.bincount(group)

    def mean(values: Floats) -> Floats:
        found: Floats = np.bincount(group, values[at]) / size
        return found

    last = at[np.searchsorted(group, np.arange(line.count), side="right") - 1]
    found = joint_fit(
        Rested(
            mean(one.voltage), mean(one.out) / one.new, mean(hours), one.part[last], mean(one.left), mean(one.slow), mean(one.side),
            one.all_rests[last], one.deviation[last],
        ),
        one.curve,
    )  # fmt: skip
    if found is None:
        line.reason = "the charge counted, the voltages at rest and the curve do not go together"
        return line
    line.swing = found.swing
    if line.swing < _LEAST_SWING:
        line.reason = f"the rests lie no more than {line.swing:.0f} % apart; {_LEAST_SWING:g} % are needed"
        return line
    line.slope, line.deviation, line.systematic, line.free = (
        1.0 / (found.health * one.new),
        found.deviation / found.health,
        0.0,
        found.free,
    )
    return line


@dataclass
class _Line:
    slope: float = np.nan  #: one over the capacity
    deviation: float = np.nan  #: by chance, in proportion to the slope
    systematic: float = np.nan  #: of the curve, in proportion to the slope
    swing: float = np.nan
    free: float = np.nan
    count: int = 0  #: of rests
    reason: str = ""


def _enter(
    table: dict[str, Floats], place_: tuple[int, int], one: _Told, fit: _Line, scale: float, level: float
) -> str:
    """Put the figures of one battery in their place; the reason where they say too little."""
    from scipy.stats import t

    capacity = 1.0 / fit.slope
    health = 100.0 * capacity / one.new
    std = health * float(np.sqrt(fit.deviation**2 + fit.systematic**2 + scale**2))
    # Student's for the part by chance, the normal for what is stated
    by_chance = float(t.ppf((1 + level) / 2, max(fit.free, 1.0))) * fit.deviation
    stated = float(t.ppf((1 + level) / 2, np.inf)) * float(np.hypot(fit.systematic, scale))
    half = health * float(np.hypot(by_chance, stated))
    if half > _WIDEST:
        return f"the rests tell the health to {half:.0f} % only: too few, or too near to each other"
    row = {"state_of_health": health, "lower": health - half, "upper": health + half, "std": std}
    row["charge_capacity_now"] = capacity if one.method == "voltage" else np.nan
    for name, value in row.items():
        table[name][place_] = value
    return ""


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
            one.curve, one.voltage, one.left = curves[column], seen.voltage[:, column], seen.left[:, column]
            one.slow = seen.slow[:, column]
            one.side, one.all_rests = sides(seen.current[:, column] / one.new, slot_hours(data)), seen.charge[:, column]
            if not keep.any():
                rest = 100 * float(seen.resting[:, column].mean())
                one.reason = (
                    f"no rest whose voltage tells the state of charge within 5 % ({rest:.0f} % of the time at rest)"
                )
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
    line = _Line(count=len(at))
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
    model = float(
        np.sqrt((gradient**2 * sigma**2).sum() * max(1.0, float((own * (residual / sigma) ** 2).sum()) / free))
    )
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
    titles = {
        "state_of_health": "state of health, estimated",
        "lower": "lower bound of it",
        "upper": "upper bound of it",
    }
    return data.assign(
        {n: ("asset", found[s].values, {"units": "%", "long_name": titles[s]}) for n, s in names.items()}
    )
