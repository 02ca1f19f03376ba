"""State of charge counted again, and an alarm where what the battery's management reports has run off.

The current is counted from slot to slot; at rest the voltage tells the state of charge and the count is drawn to it as
far as the voltage is surer than the count. The count also learns what it does wrong between rests: the zero of the current's
sensor and the charge capacity. It is a Kalman filter of these three, one pass forward, so that a live run gives what a run
over the whole history gives [1]_.

References
----------
.. [1] G. L. Plett, "Extended Kalman filtering for battery management systems of LiPB-based HEV battery packs", Journal
   of Power Sources 134, 2004, https://doi.org/10.1016/j.jpowsour.2004.02.033 (here the voltage is asked at rest alone).
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.storage.fields import (
    Bools,
    Floats,
    check_signs,
    facts_of,
    hours_since,
    maybe,
    names_of,
    prepared,
    slot_hours,
)
from workbench.analytics.storage.open_circuit import Curves, OpenCircuitCurve, charge_capacity, curves_of
from workbench.analytics.storage.rests import current_of, rests
from workbench.analytics.storage.soc_moves import LEARNED, moves
from workbench.model.errors import InputError
from workbench.steps import remark, step

_OFFSET = 0.002  #: standard deviation of the current sensor's zero [1/h]; 1/500 of a full charge per hour
_OFFSET_WALK = 1e-4  #: by which it wanders in a day [1/h]
_CAPACITY = 0.05  #: standard uncertainty of the capacity [1]
_CAPACITY_WALK = 2e-4  #: by which it changes in a day [1]
_AGAIN = 2.0  #: time after which a rest that lasts is asked again [h]
_REPORTED = 5.0  #: of what the management reports, where the count begins with it [%]
_SETTLED = 5.0  #: first days, in which the count is still drawn to the voltage [day]
_SURE = 4.0  #: standard uncertainties of a difference that stands from the beginning
_CHANGED = 3.0  #: usual deviations of one that has come since
_LEAST = 1.25  #: thresholds that it must have
_MOVES = 2.0  #: days within which the report must have moved for that
_AGED = 0.1  #: capacity lost of a battery, whose curve is taken for that of a new one [1]
_FRESH = 3.0  #: a count less sure than this says nothing of the reported [%]


@numba.njit(cache=True, nogil=True)
def _count(
    rate: Floats, anchor: Floats, deviation: Floats, floor: Floats, hours: float, soc: float, spread: float,
    zero: float, short: float,
) -> tuple[Floats, Floats, Bools, Floats, Floats]:  # fmt: skip
    """Count one battery: ``rate`` [1/h] positive while discharging, states in [%]; ``zero`` of the sensor and ``short``fall of the
    capacity are what it begins with.

    Returns the state of charge, its deviation, where it was drawn to the voltage, the sensor's zero [1/h] and the capacity
    over the one given [1].
    """
    n = len(rate)
    found, sure, drawn = np.full(n, np.nan), np.full(n, np.nan), np.zeros(n, dtype=np.bool_)
    zeros, factors = np.full(n, np.nan), np.full(n, np.nan)
    x = soc
    # their covariances, written out: three by three
    pxx, pzz, pss, pxz, pxs, pzs = spread**2, _OFFSET**2, _CAPACITY**2, 0.0, 0.0, 0.0
    last, used, when = -1e9, 1e9, 0
    move = 100.0 * hours / 2.0
    for i in range(n):
        known = not np.isnan(rate[i])
        flow = rate[i] if known else 0.0
        # half the slot before its mean, so that the state is that of the slot's middle
        for half in range(2):
            if known:
                x -= move * (flow - zero) * (1.0 + short)
                a, b = move, -move * flow
                pxx += (
                    a * (2 * pxz + a * pzz + 2 * b * pzs) + b * (2 * pxs + b * pss) + 0.05 * (0.02 * move * flow) ** 2
                )
                pxz += a * pzz + b * pzs
                pxs += a * pzs + b * pss
            else:
                pxx += (50.0 * hours / 2.0) ** 2
            pzz += _OFFSET_WALK**2 * hours / 48.0
            pss += _CAPACITY_WALK**2 * hours / 48.0
            if half == 0:
                # not at every slot of a rest, as their errors are the same; again when the voltage has become surer
                due = abs(x - last) > 1.0 or deviation[i] < 0.7 * used or (i - when) * hours >= _AGAIN
                if not np.isnan(anchor[i]) and due:
                    total = pxx + deviation[i] ** 2
                    off = anchor[i] - x
                    gx, gz, gs = pxx / total, pxz / total, pxs / total
                    x, zero, short = x + gx * off, zero + gz * off, short + gs * off
                    pzz, pss, pzs = pzz - gz * pxz, pss - gs * pxs, pzs - gz * pxs
                    pxx, pxz, pxs = pxx - gx * pxx, pxz - gx * pxz, pxs - gx * pxs
                    pxx = max(pxx, floor[i] ** 2)  # the curve's own error does not average out
                    last, used, when = x, deviation[i], i
                    drawn[i] = True
                elif abs(x - last) > 1.0:
                    used = 1e9
                x = min(max(x, -10.0), 110.0)
                found[i], sure[i] = x, np.sqrt(pxx)
                zeros[i], factors[i] = zero, 1.0 / (1.0 + short)
    return found, sure, drawn, zeros, factors


def recount(data: xr.Dataset, *, curve: Curves | None = None, smooth: bool = False) -> xr.Dataset:
    """State of charge counted from the current and set right by the voltage at rest.

    Parameters
    ----------
    data
        dims (time, asset): ``dc_current`` [A], or ``dc_power`` [kW] with ``dc_voltage`` [V]; ``cell_voltage_mean`` [V], or
        ``dc_voltage`` with the coordinate ``cells_in_series``; ``state_of_charge`` [%] where there is one: the count
        begins with it. Coordinates: ``energy_capacity`` [kWh] or ``charge_capacity`` [A h] when new; ``chemistry``.
    curve
        Voltage at rest, one for all or by asset; that of the chemistry if left out.
    smooth
        Whether later rests count as well, which a report may want: it is surer before a rest, and no longer what a live
        run would have said.

    Returns
    -------
    xr.Dataset
        dims (time, asset): ``soc_recount`` [%] and its standard uncertainty ``soc_recount_std`` [%]; ``soc_reset``, whether the
        voltage drew it there. dims (asset): ``current_zero`` [A] and ``capacity_factor`` [1] (capacity over that when
        new) as the count had learned them in the end, ``resets``, and ``reason``, the text where there is no count or no
        voltage ever set it right. Values lean on earlier slots alone unless ``smooth``.

    Raises
    ------
    InputError
        No current; a reversed sign; no capacity of any battery.

    Notes
    -----
    Without a reported state of charge the count is missing until the first rest. In a gap it stays and becomes unsure.
    """
    data = prepared(data)
    check_signs(data)
    curves = curves_of(data, curve)
    capacity = charge_capacity(data, curves)
    if not np.isfinite(capacity).any():
        raise InputError(
            "the charge capacity of no battery is known",
            where="data",
            expected="the coordinate charge_capacity [A h], or energy_capacity [kWh] with cells_in_series and chemistry",
        )
    seen = rests(data, curves, capacity)
    reported = maybe(data, "state_of_charge")
    shape = seen.current.shape
    soc, sure = np.full(shape, np.nan), np.full(shape, np.nan)
    drawn = np.zeros(shape, dtype=bool)
    zero, factor = np.full(shape[1], np.nan), np.full(shape[1], np.nan)
    reasons = np.full(shape[1], "", dtype=object)
    for column in range(shape[1]):
        full, rate = capacity[column], seen.current[:, column]
        if not np.isfinite(full):
            reasons[column] = (
                "the charge capacity is not known: energy_capacity, cells_in_series or chemistry is missing"
            )
            continue
        if not np.isfinite(rate).any():
            reasons[column] = "no current was measured"
            continue
        first = np.full(0, np.nan) if reported is None else reported[np.isfinite(reported[:, column]), column][:1]
        start, spread = (float(first[0]), _REPORTED) if len(first) else (50.0, 40.0)
        found = _count(
            rate / full, seen.charge[:, column], seen.deviation[:, column], seen.systematic[:, column],
            slot_hours(data), start, spread, 0.0, 0.0,
        )  # fmt: skip
        soc[:, column], sure[:, column], drawn[:, column] = found[0], found[1], found[2]
        if smooth and drawn[:, column].any():
            # again with what it had learned in the end, so that the first days are not counted with the capacity of the data sheet
            zero_, short = _learned(found)
            found = _count(
                rate / full, seen.charge[:, column], seen.deviation[:, column], seen.systematic[:, column],
                slot_hours(data), start, spread, zero_, short,
            )  # fmt: skip
            back = _count(
                -rate[::-1] / full, seen.charge[::-1, column], seen.deviation[::-1, column], seen.systematic[::-1, column],
                slot_hours(data), 50.0, 40.0, -zero_, short,
            )  # fmt: skip
            # both know the voltage of the slot itself: the surer of the two says how sure the mean is at the least
            one, other = 1.0 / found[1] ** 2, 1.0 / back[1][::-1] ** 2
            soc[:, column] = (one * found[0] + other * back[0][::-1]) / (one + other)
            both = drawn[:, column] | back[2][::-1]
            sure[:, column] = np.where(both, np.minimum(found[1], back[1][::-1]), (one + other) ** -0.5)
        known = np.flatnonzero(np.isfinite(rate))[-1]
        zero[column], factor[column] = found[3][known] * full, found[4][known]
        if not len(first):
            before = slice(0, int(np.argmax(drawn[:, column])) if drawn[:, column].any() else None)
            soc[before, column] = sure[before, column] = np.nan
        if not drawn[:, column].any():
            reasons[column] = _why(curves[column] is None, seen.resting[:, column], rate, bool(len(first)))
    dims = ("time", "asset")
    return xr.Dataset(
        {
            "soc_recount": (dims, soc, {"units": "%", "long_name": "state of charge, counted again"}),
            "soc_recount_std": (dims, sure, {"units": "%", "long_name": "standard uncertainty of it"}),
            "soc_reset": (dims, drawn, {"long_name": "set right by the voltage at rest"}),
            "current_zero": ("asset", zero, {"units": "A", "long_name": "zero of the current's sensor"}),
            "capacity_factor": ("asset", factor, {"units": "1", "long_name": "charge capacity over that when new"}),
            "resets": ("asset", drawn.sum(axis=0), {"units": "1"}),
            "reason": ("asset", reasons),
        },
        coords={"time": data["time"], **facts_of(data)},
    )


def _learned(found: tuple[Floats, Floats, Bools, Floats, Floats]) -> tuple[float, float]:
    """Zero of the sensor [1/h] and shortfall of the capacity [1] at the end of a count."""
    return float(found[3][-1]), float(1.0 / found[4][-1] - 1.0)


def _why(no_curve: bool, resting: Bools, rate: Floats, begun: bool) -> str:
    rest = f"{100 * resting[np.isfinite(rate)].mean():.0f} % of the time at rest"
    if no_curve:
        text = "no open-circuit curve: give one, or the chemistry"
    elif resting.any():
        text = f"the voltage at rest never told the state of charge within 5 % ({rest}), as on the plateau of LFP, or is missing"
    else:
        text = f"the battery never rests long enough ({rest})"
    return (
        f"counted from the first value reported and never set right: {text}" if begun else f"no state of charge: {text}"
    )


def soc_drift(
    data: xr.Dataset,
    *,
    threshold: float = 2.0,
    window: float = 24.0,
    reference_days: float = 0.0,
    curve: Curves | None = None,
) -> xr.Dataset:
    """How far the reported state of charge is from the count, and an alarm.

    Parameters
    ----------
    data
        As for :func:`recount`, with ``state_of_charge``; ``soc_recount`` and ``soc_recount_std`` are used where they are there.
    threshold
        Difference at which there is an alarm [%]. It must also be twice its standard uncertainty. There is an alarm as well where the
        report moves by as much within two days while the current does not, whatever the voltage tells; it stands until the voltage
        finds the report right, or it moves back.
    window
        Length of the mean before each time [h].
    reference_days
        The median difference of so many first days is taken for a matter of definition and not of drift [day].

    Returns
    -------
    xr.Dataset
        That of :func:`recount` with dims (time, asset): ``soc_drift`` [%], reported less counted, weighted mean of the window
        before each time; ``soc_drift_std`` [%]; ``soc_move`` [%], 0 where none stands; ``soc_drift_alarm``. dims (asset): ``first_alarm``, NaT where there is
        none; ``reason``.

    Raises
    ------
    InputError
        As :func:`recount`; no reported state of charge; a setting that is not positive.
    """
    if not threshold > 0 or not window > 0 or reference_days < 0:
        raise InputError("not positive", where="threshold or window", found=f"{threshold}, {window}", expected="> 0")
    data = prepared(data)
    reported = maybe(data, "state_of_charge")
    if reported is None:
        raise InputError(
            "there is no reported state of charge that could drift", where="data", expected="state_of_charge"
        )
    counted = data if {"soc_recount", "soc_recount_std"} <= set(data) else recount(data, curve=curve)
    soc = counted["soc_recount"].transpose("time", "asset").values
    sure = counted["soc_recount_std"].transpose("time", "asset").values
    off = np.where(sure <= _FRESH, reported - soc, np.nan)
    times = data["time"].values
    if reference_days:
        early = times < times[0] + np.timedelta64(round(reference_days * 86400), "s")
        if not np.isfinite(off[early]).any():
            raise InputError(
                "no count is sure enough in the days of reference", where="reference_days", found=reference_days
            )
        off = off - np.nanmedian(off[early], axis=0)
    weight = np.where(np.isfinite(off), 1.0 / sure**2, 0.0)
    begin = np.searchsorted(times, times - np.timedelta64(round(window * 3600), "s"), side="right")
    total = _since(weight, begin)
    with np.errstate(invalid="ignore", divide="ignore"):
        enough = _since((weight > 0).astype(np.float64), begin) * slot_hours(data) >= min(3.0, window / 4)
        mean = np.where(enough, _since(weight * np.nan_to_num(off), begin) / total, np.nan)
        # errors of a day are one error: no root of the number of slots
        deviation = np.where(enough, np.sqrt(_since((weight > 0).astype(np.float64), begin) / total), np.nan)
        curves = curves_of(data, curve)
        moved, likely = _moved(data, reported, curves, threshold, soc, sure)
        aged = _aged(counted, curves, soc)
        alarm = _off(mean, deviation, aged, likely, hours_since(data) / 24.0, threshold)
    held = np.zeros(alarm.shape)
    for column in range(alarm.shape[1]):
        with np.errstate(invalid="ignore"):
            sound = (np.abs(mean[:, column]) < threshold) & (2 * deviation[:, column] < threshold)
        held[:, column] = _held(moved[:, column], sound, threshold)
    alarm |= held != 0
    dims = ("time", "asset")
    first = np.array(
        [times[np.argmax(a)] if a.any() else np.datetime64("NaT", "ns") for a in alarm.T], dtype="datetime64[ns]"
    )
    reason = counted["reason"].values.copy() if "reason" in counted else np.full(alarm.shape[1], "", dtype=object)
    for column in range(alarm.shape[1]):
        if not reason[column] and not np.isfinite(mean[:, column]).any():
            reason[column] = f"the count was never surer than {_FRESH:g} %"
    result = counted if counted is not data else xr.Dataset(coords={"time": data["time"], **facts_of(data)})
    return result.assign(
        soc_drift=(dims, mean, {"units": "%", "long_name": "reported less counted state of charge"}),
        soc_drift_std=(dims, deviation, {"units": "%", "long_name": "standard uncertainty of it"}),
        soc_move=(
            dims,
            held,
            {"units": "%", "long_name": "move of the reported state of charge that no current explains"},
        ),
        soc_drift_alarm=(dims, alarm, {"long_name": f"state of charge off by {threshold:g} % or more"}),
        first_alarm=("asset", first),
        reason=("asset", reason),
    )


def _off(mean: Floats, deviation: Floats, aged_: Floats, likely: Floats, days: Floats, threshold: float) -> Bools:
    """Where the report is off, [time, asset].

    Most of the count's uncertainty is the curve's, which stays as it is: of the first :data:`LEARNED` days is learned how report and count
    usually lie apart and by how much that goes to and fro, and a change is held against that. It may be the count's as well, which a
    voltage at another state of charge has drawn elsewhere: so the report must have moved otherwise than the current too, or the change be
    surer than both counts are. What is off from the beginning must be so by more than the curve can be, that of an aged cell too.
    """
    with np.errstate(invalid="ignore"):
        sure = np.abs(mean) >= _SURE * np.hypot(deviation, aged_)
        found: Bools = (np.abs(mean) >= threshold) & sure & (days >= _SETTLED)[:, None]
        early, late = (days >= _SETTLED) & (days < LEARNED), days >= LEARNED
        back = np.searchsorted(days, days - _MOVES)
        for column in range(mean.shape[1]):
            told = early & np.isfinite(mean[:, column])
            if told.sum() < 10:
                continue
            known = mean[told, column]
            usual, before = float(np.median(known)), float(np.median(deviation[told, column]))
            spread = max(float(np.percentile(np.abs(known - usual), 95)) / 2.0, _LEAST * threshold / _CHANGED)
            change = mean[:, column] - usual
            way = np.sign(change)
            seen = _highest_since(np.nan_to_num(likely[:, column]), back)
            seen = np.where(way > 0, seen, _highest_since(np.nan_to_num(-likely[:, column]), back))
            change = np.abs(change)
            told_by = (seen >= 2) & (change >= 2 * deviation[:, column])
            told_by |= change >= _SURE * np.hypot(deviation[:, column], before)
            found[:, column] |= late & (change >= _CHANGED * spread) & told_by
            # beside what is usual of this battery no more than that is off
            found[:, column] &= ~(late & (change < threshold) & (np.abs(usual) < _FRESH))
    return found


@numba.njit(cache=True, nogil=True)
def _highest_since(values: Floats, begin: npt.NDArray[np.intp]) -> Floats:
    """Highest of the values from ``begin``, which never falls, to each."""
    found = np.empty(len(values))
    best = 0
    for i in range(len(values)):
        if best < begin[i]:
            best = begin[i]
            for k in range(begin[i], i):
                if values[k] >= values[best]:
                    best = k
        if values[i] >= values[best]:
            best = i
        found[i] = values[best]
    return found


def _aged(counted: xr.Dataset, curves: list[OpenCircuitCurve | None], soc: Floats) -> Floats:
    """What ageing makes of the state of charge that the voltage told last, standard uncertainty [time, asset] [%]; 0 where it is not known."""
    found = np.zeros(soc.shape)
    if "soc_reset" not in counted:
        return found
    drawn = counted["soc_reset"].transpose("time", "asset").values
    for column, curve in enumerate(curves):
        if curve is None or not drawn[:, column].any():
            continue
        last = np.maximum.accumulate(np.where(drawn[:, column], np.arange(len(soc)), -1))
        at = curve.ageing_at(np.clip(soc[np.maximum(last, 0), column], 0.0, 100.0), _AGED)
        found[:, column] = np.where(last >= 0, at, 0.0)
    return found


def _moved(
    data: xr.Dataset,
    reported: Floats,
    curves: list[OpenCircuitCurve | None],
    threshold: float,
    soc: Floats,
    sure: Floats,
) -> tuple[Floats, Floats]:
    """Moves of the report that no current explains, [time, asset] [%], 0 where there is none, or the voltage finds it right after it; and
    any, over their standard uncertainty.
    """
    found, likely = np.zeros(reported.shape), np.full(reported.shape, np.nan)
    try:
        current = current_of(data)
    except InputError:  # counted elsewhere, and no current kept
        return found, likely
    capacity = charge_capacity(data, curves)
    for column in np.flatnonzero(np.isfinite(capacity)):
        found[:, column], _, likely[:, column] = moves(
            reported[:, column], current[:, column] / capacity[column], slot_hours(data), threshold
        )
    with np.errstate(invalid="ignore"):
        right = (np.abs(reported - soc) < threshold) & (2 * sure < threshold)
    return np.where(right, 0.0, found), likely


@numba.njit(cache=True, nogil=True)
def _held(moved: Floats, sound: Bools, threshold: float) -> Floats:
    """A move stands until the voltage finds the report right, or it moves back."""
    found = np.zeros(len(moved))
    stands, before = 0.0, 0.0
    for i in range(len(moved)):
        if moved[i] != 0.0 and before == 0.0:
            stands = moved[i] if stands == 0.0 or stands * moved[i] > 0 else stands + moved[i]
        before = moved[i]
        if abs(stands) < threshold or (sound[i] and moved[i] == 0.0):
            stands = 0.0
        found[i] = stands
    return found


def _since(values: Floats, begin: npt.NDArray[np.intp]) -> Floats:
    """Sums of the rows from ``begin`` to each row."""
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    found: Floats = sums[1:] - sums[begin]
    return found


@step("soc_recount")
def add_recount(
    data: xr.Dataset, *, threshold: float = 2.0, window: float = 24.0, reference_days: float = 0.0
) -> xr.Dataset:
    """State of charge counted again from the current, set right by the voltage at rest, and an alarm where the reported one drifts.

    Parameters
    ----------
    data
        dims (time, asset): current or power and voltage on the DC side, ``state_of_charge`` [%]; coordinates
        ``energy_capacity`` or ``charge_capacity``, ``chemistry``.
    threshold
        Difference at which there is an alarm [%].
    window
        Length of the mean that is held against it [h].
    reference_days
        First days whose median difference is a matter of definition and no drift [day].

    Returns
    -------
    The data with ``soc_recount``, ``soc_recount_std``, ``soc_drift`` [%] and ``soc_drift_alarm``, dims (time, asset); without
    a reported state of charge the drift is missing.

    Raises
    ------
    InputError
        There is no current, no capacity, or a sign is reversed.
    """
    data = prepared(data)
    if "state_of_charge" in data:
        found = soc_drift(
            data.drop_vars(["soc_recount", "soc_recount_std"], errors="ignore"),
            threshold=threshold,
            window=window,
            reference_days=reference_days,
        )
    else:
        remark("soc_recount: no reported state of charge: counted from the voltage at rest alone, and no drift is told")
        found = recount(data)
        missing = found["soc_recount"] * np.nan
        found = found.assign(soc_drift=missing.assign_attrs(units="%"), soc_drift_alarm=missing.notnull().drop_attrs())
    for name, text in zip(names_of(data), found["reason"].values, strict=True):
        if text:
            remark(f"soc_recount: {name}: {text}")
    return data.assign({n: found[n] for n in ("soc_recount", "soc_recount_std", "soc_drift", "soc_drift_alarm")})
