"""Availability of solar plants by time and energy; what was not sent is told apart from what was not made.

The thinking is that of Anderson and Blumenthal [1]_ and of RdTools' ``AvailabilityAnalysis``, whose example is reproduced:

- Some inverters silent, some not: those that report say what a whole plant would make in this slot. Where the meter shows less than
  that by more than three quarters of the smallest silent inverter, power was lost; where it does not, only the message was.
- All silent: the energy counter, which goes on counting, says after the gap what was made in it. Less than the lowest that the
  expected energy of so many slots lets expect is an outage, of the expected less the counted energy; else it is a loss of communication.

Silent inverters that report zero are taken to stand before those that report nothing; which of several stood is told by their
sizes where that is clear (``unknown`` where it is not; the energy is told anyway).

References
----------
.. [1] K. Anderson, R. Blumenthal, "Overcoming communications outages in inverter downtime analysis", IEEE PVSC 2020,
   https://doi.org/10.1109/PVSC45281.2020.9300635.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.calendar import Step
from workbench.analytics.solar.availability_figures import (
    CATEGORIES,
    GRID,
    INVERTER,
    NIGHT,
    PLANT,
    RUNNING,
    SILENT,
    UNKNOWN,
    Availability,
    Event,
    State,
    result_of,
)
from workbench.analytics.solar.availability_inputs import Inputs, inputs_of
from workbench.model.errors import InputError

__all__ = ["CATEGORIES", "Availability", "solar_availability"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

#: An inverter is online above this share of its 99 % quantile; it is day above this share of the expected power's.
_LOW = 0.001
#: Share of the smallest silent inverter that must be missing at the meter.
_MISSING = 0.75
#: An outage has a slot with this share of the expected power's 99 % quantile; below it inverters start when they like.
_MATTERS = 0.05
#: Net consumption of a plant that stands, as a share of what it should have made: a counter may go back by that.
_OWN_USE = 0.05


def solar_availability(
    data: xr.Dataset,
    *,
    meter: xr.Dataset | None = None,
    power: str = "",
    meter_power: str = "active_power",
    meter_energy: str = "energy_export",
    expected: str = "expected_power",
    irradiance: str = "irradiance_poa",
    by: Step | None = None,
    timezone: str = "",
    price: float | None = None,
    currency: str = "EUR",
    quantiles: tuple[float, float] = (0.01, 0.99),
    count_grid: bool = True,
) -> Availability:
    """Time- and energy-based availability of the inverters of one plant, with lost energy.

    Parameters
    ----------
    data
        dims (time, asset), the inverters behind one meter: ``power`` [kW]; ``expected`` [kW] (time, asset), or ``irradiance`` [W/m²] in
        its place; ``grid_connection`` (status) tells outages of the grid where it is there. Gaps in time are filled with missing slots.
    meter
        dims (time) or (time, asset) with one asset: power at the meter [kW], its counter [kWh] at the end of each slot, ``breaker_status``.
    power
        Left out: ``total_ac_power``, ``power_output`` or ``active_power``, the first that is there.
    by, timezone
        Figures by days, months or years of this clock; of the whole by default. Zone: the data's attribute ``timezone``, else UTC.
    price
        Of energy [currency/kWh].
    quantiles
        Of the errors of the expected energy, whose lower one tells an outage.
    count_grid
        Whether an outage of the grid counts against the plant; else such slots are in no figure.

    Returns
    -------
    Availability
        Without inverters' power, the meter, its counter, or the expected power it is told from the others, and ``cautions`` says how.

    Raises
    ------
    InputError
        There is neither power of the inverters nor of the meter; meter and inverters have no time in common; times without order; a
        price below zero.
    """
    if price is not None and price < 0:
        raise InputError("negative price", where="price", found=price, expected="0 or more per kWh")
    if not 0 <= quantiles[0] < quantiles[1] <= 1:
        raise InputError(
            "quantiles out of order", where="quantiles", found=list(quantiles), expected="such as [0.01, 0.99]"
        )
    given = inputs_of(
        data, meter, power=power, meter_power=meter_power, meter_energy=meter_energy, expected=expected,
        irradiance=irradiance, timezone=timezone,
    )  # fmt: skip
    state = _partial(given)
    events = _events(given, state, quantiles)
    return result_of(given, state, events, by, price, currency, count_grid)


def _sizes(power: Floats, online: Bools, rating: Floats) -> Floats:
    """Size of each inverter as a part of the plant, from slots in which all that ever run do."""
    ever = online.any(axis=0)
    together = online[:, ever].all(axis=1)
    if ever.any() and together.sum() >= 20:
        among = power[:, ever][together]
        size = np.full(power.shape[1], np.nan)
        size[ever] = np.median(among / among.mean(axis=1, keepdims=True), axis=0)
    else:
        size = np.array(
            [
                np.quantile(column[on], 0.99) if on.any() else np.nan
                for column, on in zip(power.T, online.T, strict=True)
            ]
        )
    known = np.isfinite(size)
    if known.any() and not known.all():  # an inverter that never ran is as large as its rating says, or as the others
        told = np.isfinite(rating) & (rating > 0)
        usable = known & told
        per_kw = np.median(size[usable] / rating[usable]) if usable.any() else np.nan
        size = np.where(known, size, np.where(told & np.isfinite(per_kw), rating * per_kw, np.median(size[known])))
    if not known.any():
        size = np.where(np.isfinite(rating) & (rating > 0), rating, 1.0)
    part: Floats = size / size.sum()
    return part


def _partial(given: Inputs) -> State:
    """What the slots tell in which some inverters report: who stands, and who is only not heard."""
    top = np.nanquantile(given.expected, 0.99) if np.isfinite(given.expected).any() else 0.0
    day = given.expected > _LOW * top
    if given.power is None:
        return _without_inverters(given, day)
    power = np.nan_to_num(given.power)
    low = np.quantile(power, 0.99, axis=0) * _LOW
    online = power > np.maximum(low, 0)
    share = _sizes(power, online, given.rating)
    heard = (online * share).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        # the mean over inverters of power by size, as the example has it, not power of all by size of all
        whole = np.where(online, power / share, 0).sum(axis=1) / online.sum(axis=1)
    whole = np.where(heard > 0, whole, np.nan)
    zero = np.isfinite(given.power) & ~online
    gone = ~np.isfinite(given.power)
    silent = ~online & (heard > 0)[:, None]
    zeros, gones = ((mask & silent) * share for mask in (zero, gone))
    metered = np.clip(given.meter, 0, None)
    smallest = np.where(silent, share, np.inf).min(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        seen = metered / whole
        missing = 1 - seen
        down = silent.any(axis=1) & (missing > _MISSING * smallest)
        fraction = np.where(down, 1 - np.clip(seen, heard, 1), 0.0)
    told = np.isfinite(seen)
    # without a meter a zero is believed, and nothing is known of an inverter that says nothing
    fraction = np.where(told, fraction, zeros.sum(axis=1))
    first = np.minimum(fraction, zeros.sum(axis=1))
    allotted = _spread(zeros, first) + _spread(gones, fraction - first)
    base = np.where(told & (fraction < 1), metered / np.where(fraction < 1, 1 - fraction, 1), whole)
    lost = np.nan_to_num(allotted * base[:, None])
    with np.errstate(invalid="ignore", divide="ignore"):
        degree = np.where(silent, allotted / share, 0.0)
    category = np.where(online, RUNNING, SILENT).astype(np.int8)
    category[silent & (degree >= 0.75)] = INVERTER
    category[silent & (degree > 0.25) & (degree < 0.75)] = UNKNOWN
    category[silent & gone & ~told[:, None]] = UNKNOWN
    possible = np.where(silent & gone & ~told[:, None], np.nan_to_num(whole)[:, None] * share, lost)
    made = np.where(told, metered, power.sum(axis=1, where=online) + np.nan_to_num(whole) * gones.sum(axis=1))
    made = np.where(told | (heard > 0), made, np.nan)
    # all inverters silent while the meter shows power: nothing stands
    by_meter = np.nanquantile(metered, 0.99) * _LOW if np.isfinite(metered).any() else np.inf
    running = (heard == 0) & (metered > max(by_meter, 0.0))
    made = np.where((heard == 0) & ~running, np.nan, made)
    category[~day & ~online.any(axis=1)] = NIGHT
    return State(online, share, whole, lost, possible, category, made, day)


def _spread(parts: Floats, amount: Floats) -> Floats:
    """``amount`` (time) spread over assets as ``parts`` (time, asset) are."""
    total = parts.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        out: Floats = np.where(total[:, None] > 0, parts * (amount / total)[:, None], 0.0)
    return out


def _without_inverters(given: Inputs, day: Bools) -> State:
    """The meter alone: a day far below the better days, each by what was expected, is one of a partial outage."""
    rating = given.rating
    known = np.isfinite(rating) & (rating > 0)
    share = np.where(known, rating, 1.0) if known.all() else np.ones(len(rating))
    share = share / share.sum()
    metered = np.clip(given.meter, 0, None)
    low = np.nanquantile(metered, 0.99) * _LOW
    heard = metered > low
    dates = given.local_day
    use = day & heard
    made = np.bincount(dates[use], metered[use], minlength=dates.max() + 1)
    wanted = np.bincount(dates[use], given.expected[use], minlength=dates.max() + 1)
    possible = np.bincount(dates[day], given.expected[day], minlength=dates.max() + 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(wanted > 0.2 * possible, made / wanted, np.nan)
    finite = np.sort(ratio[np.isfinite(ratio)])
    level = float(np.median(finite[len(finite) // 2 :])) if len(finite) else np.nan
    # day-to-day scatter of the better half widens what may pass for normal
    scatter = float(np.std(finite[len(finite) // 2 :]) / level) if len(finite) > 3 else 0.0
    poor = ratio < level * (1 - max(0.1, 3 * scatter))
    want = given.expected * level
    part = poor[dates] & use
    lost = np.where(part, np.clip(want * (1 - np.nan_to_num(ratio / level)[dates]), 0, None), 0.0)
    category = np.where(heard[:, None], RUNNING, SILENT) * np.ones((1, len(rating)), dtype=np.int8)
    category = category.astype(np.int8)
    category[part] = UNKNOWN  # which inverter it was the meter cannot tell
    category[~day & ~heard] = NIGHT
    spread = lost[:, None] * share
    return State(
        np.repeat(heard[:, None], len(rating), axis=1), share, np.where(heard, metered, np.nan), spread, spread,
        category, np.where(heard, metered, np.nan), day, part,
    )  # fmt: skip


def _bounds(made: Floats, wanted: Floats, quantiles: tuple[float, float]) -> tuple[Ints, Floats]:
    """Lower quantile of the error of expected energy by the number of slots, from windows of normal slots."""
    lengths = 2 ** np.arange(1, int(np.log2(len(made))) if len(made) > 3 else 1)
    lower = []
    for length in lengths:
        sums = [np.concatenate([[0.0], np.cumsum(values)]) for values in (made, wanted)]
        actual, should = (total[length:] - total[:-length] for total in sums)
        lower.append(float(np.quantile(actual / should - 1, quantiles[0])))
    return lengths.astype(np.int64), np.array(lower)


def _events(given: Inputs, state: State, quantiles: tuple[float, float]) -> list[Event]:
    """Outages of the whole plant; ``state`` is completed in place."""
    day = state.day
    total_lost = state.lost.sum(axis=1)
    normal = day & (total_lost == 0) & (state.made > 0) & (state.category != UNKNOWN).all(axis=1)
    if not normal.any():
        normal = day & (state.made > 0)
    # a plant that never ran has no level of its own: that of the expected power itself, or of irradiance and rating
    scale = state.made[normal].sum() / given.expected[normal].sum() if normal.any() else given.unit
    wanted = np.where(day, given.expected * scale, 0.0)
    lengths, lower = _bounds(state.made[normal], wanted[normal], quantiles)
    matters = given.expected > _MATTERS * np.nanquantile(given.expected, 0.99)
    light = np.flatnonzero(day)
    silent = ~np.isfinite(state.made[light])
    edges = np.diff(np.concatenate([[0], silent.astype(np.int8), [0]]))
    events: list[Event] = []
    for begin, end in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1, strict=True):
        inside = light[begin : end + 1]
        if not matters[inside].any():
            state.category[inside] = NIGHT
            state.made[inside] = 0.0
            continue
        first = light[begin - 1] + 1 if begin else 0
        last = light[end + 1] - 1 if end + 1 < len(light) else len(day) - 1
        events.append(_event(given, state, wanted, first, last, inside, lengths, lower))
    state.made = np.where(np.isfinite(state.made), state.made, 0.0)
    return events


def _event(
    given: Inputs, state: State, wanted: Floats, first: int, last: int, inside: Ints, lengths: Ints, lower: Floats
) -> Event:
    hours = given.hours
    should = float(wanted[first : last + 1].sum() * hours)
    error = float(np.interp(len(inside), lengths, lower)) if len(lengths) else -0.5
    lowest = (1 + error) * should
    grid = given.grid_down[inside].mean() > 0.5
    made = given.counted(first, last, state.made)
    share = state.share
    shape = np.where(np.isin(np.arange(first, last + 1), inside), wanted[first : last + 1], 0.0)
    shape = shape / shape.sum()
    if np.isfinite(made) and made >= -_OWN_USE * should:
        real = made < lowest
        kind = "grid" if real and grid else "outage" if real else "communication"
        loss = should - made if real else 0.0
    else:
        # what reports zero stands; what reports nothing may have run
        zero = given.reports_zero[inside]
        made = 0.0 if zero.all() else np.nan
        loss = float(wanted[inside][zero].sum() * hours)
        kind = ("grid" if grid else "outage") if zero.all() else "unknown"
        shape = np.where(np.isin(np.arange(first, last + 1), inside[zero]), wanted[first : last + 1], 0.0)
        shape = shape / shape.sum() if shape.sum() > 0 else shape
        rest = np.where(np.isin(np.arange(first, last + 1), inside), wanted[first : last + 1], 0.0)
        state.possible[first : last + 1] = rest[:, None] * share
    power = shape * loss / hours
    state.lost[first : last + 1] = power[:, None] * share
    if kind != "unknown":
        state.possible[first : last + 1] = state.lost[first : last + 1]
        state.category[inside] = {"grid": GRID, "outage": PLANT, "communication": SILENT}[kind]
        state.made[first : last + 1] = shape * made / hours
    else:
        state.category[inside] = np.where(given.reports_zero[inside], GRID if grid else PLANT, UNKNOWN)[:, None]
        state.made[first : last + 1] = 0.0
    dark = np.setdiff1d(np.arange(first, last + 1), inside)
    state.category[dark] = NIGHT
    return Event(first, last, kind, should, made, lowest, loss if kind != "unknown" or loss > 0 else np.nan)
