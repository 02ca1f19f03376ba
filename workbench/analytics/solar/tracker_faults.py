"""Single-axis trackers that stand still, or off what they should: from their angle, or from power alone."""

from __future__ import annotations

import numpy as np
import xarray as xr

from workbench.analytics.solar.fault_fields import (
    Bools,
    Days,
    Faults,
    Floats,
    check,
    check_light,
    coded,
    field,
    median_of,
    numbers,
    quantile_of,
    quiet,
    table_of,
    texts,
)
from workbench.analytics.solar.tracker_power import FEWEST, Daily, by_power, doubted
from workbench.analytics.solar.tracker_sky import Sky, days_by_sun, gain_of, sky_of
from workbench.model.errors import InputError

CLASSES = ("stuck", "offset", "erratic", "position sensor")
#: Fields of power that may tell of a tracker, in order.
POWERS = ("total_dc_power", "power", "input_power", "total_ac_power", "power_output")
_STOWED = ("stowed", "wind_stow", "snow_stow", "night", "manual", "communication_loss")
_WEEKS = 21  #: days before and after a fault from which the energy expected in it is set
_STILL = 2.0  #: degrees that a tracker that stands still may seem to move in a day


@quiet
def tracker_faults(
    data: xr.Dataset, *, power: str = "", least_angle: float = 10.0, least_offset: float = 3.0,
    stow_wind: float = 12.0, price: float | None = None,
) -> Faults:  # fmt: skip
    """Trackers that stand still, are off, or wander, each with the day it began and the energy lost.

    Where ``tracker_position`` is measured it is held against ``tracker_target``, or, where there is none, against the angle
    of pvlib's ``tracking.singleaxis`` (with backtracking). A position that most trackers share, one by status stowed, and one near
    the stow position in wind are no faults. Without positions the power tells: the course of a day beside the peers (or, with
    fewer than four, beside ``irradiance_poa`` of the tracked plane) is compared with what the sun would give a plane that stands at
    each angle, and a plane that is off by each offset; days of little beam do not tell. Where both are measured, of four trackers or
    more, a position that power contradicts on three such days in a row, each time in the same way, is not believed.

    Parameters
    ----------
    data
        dims (time, asset): ``tracker_position`` [degree], ``tracker_target`` [degree], ``tracker_status``, ``wind_speed`` [m/s]; or a
        power. ``irradiance_ghi``, ``irradiance_dni``, ``irradiance_dhi`` [W/m²] where there, else the clear sky scaled by the power.
        Coordinates on asset: ``latitude``, ``longitude`` [degree], needed but for positions with a target and no power;
        ``azimuth`` of the axis [degree, 180], ``tilt`` of the axis [degree, 0], ``tracker_max_angle`` [degree, 60], ``backtrack`` [1],
        ``ground_coverage_ratio`` [0.4], ``dc_capacity`` or ``rated_capacity`` [kW] for the energy where no power is measured.
    power
        Field of the power; by default the first there of ``total_dc_power``, ``power``, ``input_power``, ``total_ac_power``.
    least_angle
        From where it should be, that a tracker that stands still is off at some time of the day [degree].
    least_offset
        Of a lasting difference in measured positions [degree]; from power alone offsets of 7.5 and more are told.
    stow_wind
        Above it a position near the stow (within 10 degrees of level, or of the largest angle) is taken for one [m/s].
    price
        Of energy [currency/kWh].

    Returns
    -------
    Faults
        ``fault``: ``stuck``, ``offset``, ``erratic``, ``position sensor`` (power contradicts it: the tracker is off and its position hides
        that, or the other way round, where nothing is lost). Events have ``angle``: where it stood, or by which it was off, and ``source``:
        ``position`` or ``power``. ``index``: usual distance from the target by day [degree], NaN for power alone.

    Raises
    ------
    InputError
        Neither a position nor a power; no latitude and longitude where the sun is needed; another unit; night alone.

    Notes
    -----
    Angle of a tracker: Anderson and Mikofski (2020), NREL/TP-5K00-76626, as in pvlib. The energy is that of the plane alone: a tracker
    that stands also shades its neighbours' rows, which is charged to them. Rows of one that is off
    shade each other, on level ground.
    """
    check(data)
    if least_angle <= 0 or least_offset <= 0:
        raise InputError(
            "an angle is not above zero", where="least_angle, least_offset", found=f"{least_angle}, {least_offset}"
        )
    position = field(data, "tracker_position", "tracker")
    named = power or next((name for name in POWERS if name in data), "")
    made = field(data, named, "inverter") if named else None
    if position is None and made is None:
        raise InputError(
            "there is neither a position nor a power of trackers", where="data",
            found=", ".join(str(n) for n in list(data.data_vars)[:12]), expected=f"tracker_position, or {', '.join(POWERS)}",
        )  # fmt: skip
    target = field(data, "tracker_target", "tracker")
    if target is None and position is not None and "tracker_error" in data:
        target = position - np.asarray(field(data, "tracker_error", "tracker"))
    sky = sky_of(data, made, needed=position is None or target is None)
    days = days_by_sun(data, sky, np.asarray(made if made is not None else position))
    if made is not None:
        check_light(made, named)
    names = [str(a) for a in data["asset"].values]
    reasons: dict[str, str] = {}
    if position is not None:
        should = target if target is not None else np.asarray(sky.angle if sky is not None else np.nan)
        daily = _by_position(data, position, should, days, sky, least_angle, least_offset, stow_wind)
        if made is not None and sky is not None and made.shape[1] >= FEWEST:
            daily = doubted(daily, by_power(data, made, days, sky, names)[0], CLASSES.index("position sensor") + 1)
    elif made is not None and sky is not None:
        daily, reasons = by_power(data, made, days, sky, names)
    for c in np.flatnonzero(~np.isfinite(position if position is not None else np.asarray(made)).any(axis=0)):
        reasons[names[c]] = f"no value of {'tracker_position' if position is not None else named}: it is not judged"
    expected = _expected(made, days, daily, data)
    return _result(data, days, daily, expected, made, sky, position, reasons, price, names)


def _by_position(
    data: xr.Dataset, position: Floats, target: Floats, days: Days, sky: Sky | None, least: float, offset: float, stow_wind: float
) -> Daily:  # fmt: skip
    light = sky.elevation[:, None] > 5.0 if sky is not None else np.abs(days.phase)[:, None] < 5.0
    known = light & np.isfinite(position) & np.isfinite(target) & ~_stowed(data, position, target, sky, stow_wind)
    error = np.where(known, position - target, np.nan)
    total, size = len(days.dates), position.shape[1]
    out = Daily(np.full((total, size), -1, np.int8), np.full((total, size), np.nan), np.full((total, size), np.nan))
    edges = np.r_[days.first, len(position)]
    for day in range(total):
        rows = slice(edges[day], edges[day + 1])
        enough = known[rows].sum(axis=0) >= max(4, 2.0 / days.hours)
        if not enough.any():
            continue
        e = error[rows][:, enough]
        p = np.where(known[rows], position[rows], np.nan)[:, enough]
        t = np.where(known[rows], target[rows], np.nan)[:, enough]
        middle = quantile_of(e, 0.5)
        largest = quantile_of(np.abs(e), 0.95)
        low, high = quantile_of(p, 0.05), quantile_of(p, 0.95)
        low_t, high_t = quantile_of(t, 0.05), quantile_of(t, 0.95)
        apart = quantile_of(np.abs(e - middle), 0.5)
        fault = np.zeros(len(middle), np.int8)
        fault[quantile_of(np.abs(e), 0.8) > least] = 3
        fault[(np.abs(middle) > offset) & (apart < max(1.5, 0.25 * offset))] = 2
        fault[(high - low < _STILL) & (largest > least) & (high_t - low_t > 2 * _STILL)] = 1
        out.fault[day, enough] = fault
        out.angle[day, enough] = np.where(fault == 1, quantile_of(p, 0.5), middle)
        out.error[day, enough] = quantile_of(np.abs(e), 0.5)
    return out


def _stowed(data: xr.Dataset, position: Floats, target: Floats, sky: Sky | None, stow_wind: float) -> Bools:
    """Slots in which a tracker was put elsewhere: by its status, with most of the others, or in wind."""
    out = np.zeros(position.shape, bool)
    if "tracker_status" in data:
        status = data["tracker_status"].transpose("time", "asset").values
        if status.dtype.kind in "OUS":
            out |= np.isin(status.astype(str), _STOWED)
        else:
            # 1 stowed, 3 wind_stow, 4 snow_stow, 5 night, 6 manual, 9 communication_loss, of the vocabulary
            out |= np.isin(np.nan_to_num(status.astype(float), nan=0.0), (1, 3, 4, 5, 6, 9))
    if position.shape[1] >= FEWEST:
        away = np.abs(position - target) > 5.0
        common = median_of(position)
        most = (away & (np.abs(position - common[:, None]) < 5.0)).sum(axis=1) > 0.5 * np.isfinite(position).sum(axis=1)
        out |= most[:, None]
    wind = field(data, "wind_speed", "tracker")
    if wind is not None:
        limit = sky.limit if sky is not None else np.full(position.shape[1], 60.0)
        near = (np.abs(position) < 10.0) | (np.abs(np.abs(position) - limit) < 10.0)
        windy = np.nan_to_num(np.nanmax(wind, axis=1)) > stow_wind
        # a stow is held for a while after the last gust
        held = windy.copy()
        for back in range(1, max(2, 1 + round(0.5 / max(_slot(data), 1e-6)))):
            held[back:] |= windy[:-back]
        out |= held[:, None] & near
    return out


def _slot(data: xr.Dataset) -> float:
    times = data["time"].values
    return float(np.median(np.diff(times)) / np.timedelta64(3600, "s"))


def _expected(made: Floats | None, days: Days, daily: Daily, data: xr.Dataset) -> Floats | None:
    """Power without a fault, (slot, asset): of the peers, on the scale of the days without one; None where it is not told."""
    if made is None or made.shape[1] < FEWEST:
        return None
    wrong = (daily.fault > 0)[days.number]
    clean = np.where(wrong, np.nan, made)
    top = np.nanquantile(np.where(made > 0, made, np.nan), 0.9, axis=0)
    top = np.where(np.isfinite(top) & (top > 0), top, np.nanmedian(top))
    scale = top
    for _ in range(2):
        reference = median_of(clean / scale, 2)
        both = np.isfinite(clean) & np.isfinite(reference)[:, None] & (clean > 0.02 * top)
        base = np.where(both, np.nan_to_num(reference)[:, None], 0.0).sum(axis=0)
        got = np.where(both, clean, 0.0).sum(axis=0)
        rows = both.any(axis=1)
        known = base > 0.05 * np.nansum(reference[rows])
        capacity = numbers(data, "dc_capacity")
        like = capacity if np.isfinite(capacity).all() else np.ones(len(top))
        usual = np.nanmedian(np.where(known, got / np.maximum(base, 1e-9) / like, np.nan)) * like
        scale = np.where(known, got / np.maximum(base, 1e-9), usual)
    return np.asarray(reference[:, None] * scale)


def _result(
    data: xr.Dataset, days: Days, daily: Daily, expected: Floats | None, made: Floats | None, sky: Sky | None,
    position: Floats | None, reasons: dict[str, str], price: float | None, names: list[str],
) -> Faults:  # fmt: skip
    shape = (data.sizes["time"], data.sizes["asset"])
    loss, code = np.zeros(shape), np.zeros(shape, np.int8)
    parents, times = texts(data, "parent"), data["time"].values
    source = "power" if position is None else "position"
    rows_: list[dict[str, object]] = []
    ratios = None if expected is None or made is None else _ratios(made, expected, days)
    for c in range(shape[1]):
        runs = _runs(daily.fault[:, c], daily.angle[:, c])
        if ratios is not None:  # of those that power tells
            of_power = [
                r for r in runs if position is None or (daily.instead is not None and daily.instead[r[0], c] > 0)
            ]
            runs = sorted([*_wide(of_power, ratios[:, c]), *(r for r in runs if r not in of_power)])
        for first, stop, kind in runs:
            seen = int((daily.fault[first:stop, c] == kind).sum())
            # a few days that do not tell do not end it
            ongoing = len(days.dates) - stop <= 5 and not (daily.fault[stop:, c] >= 0).any()
            stop = len(days.dates) if ongoing else stop
            rows = np.flatnonzero((days.number >= first) & (days.number < stop))
            angle = float(np.nanmedian(daily.angle[first:stop, c][daily.fault[first:stop, c] == kind]))
            rows = _exact(rows, c, kind, angle, position)
            says = np.zeros(1, np.int64) if daily.instead is None else daily.instead[first:stop, c]
            instead = int(says[np.argmax(says != 0)])
            if instead < 0:
                lost, how = np.zeros(len(rows)), "not lost"
            else:
                lost, how = _lost(rows, c, kind, angle, expected, made, sky, position, data, days, daily.fault <= 0)
            # two faults may share the hours of a day: they are charged once
            loss[rows, c] = np.maximum(loss[rows, c], np.nan_to_num(lost))
            code[rows, c] = kind
            if not np.isfinite(lost).all():
                reasons.setdefault(names[c], how)
            ratio = np.nan
            if made is not None and np.isfinite(lost).all() and (lost.sum() > 0):
                got = np.nansum(made[rows, c]) * days.hours
                ratio = float(got / (got + lost.sum()))
            standing, off = f"at {angle:.0f} degrees", f"off by {angle:+.1f} degrees"
            what = standing if kind == 1 else off
            if instead:
                what = (
                    f"{off} by its position, tracking by its power"
                    if instead < 0
                    else f"tracking by its position, {standing if instead == 1 else off} by its power"
                )
            rows_.append(
                {
                    "asset": names[c], "parent": parents[c], "fault": CLASSES[kind - 1], "begin": times[rows[0]],
                    "end": times[rows[-1]], "ongoing": ongoing, "days": seen, "ratio": ratio,
                    "confidence": round(1.0 - (0.2 if position is not None else 0.4) * float(np.exp(-(seen - 1) / 3)), 2),
                    "lost_energy": float(lost.sum()) if np.isfinite(lost).all() else np.nan,
                    "angle": angle, "source": source, "detail": f"{what}; energy {how}" if np.isfinite(lost).all() else what,
                }
            )  # fmt: skip
    dims = ("time", "asset")
    worst = np.zeros((len(days.dates), shape[1]), np.int8)
    np.maximum.at(worst, days.number, code)
    slots = xr.Dataset(
        {"loss": (dims, loss, {"units": "kWh"}), "fault": coded(data, code, CLASSES, "class of the fault")},
        coords={"time": data["time"], "asset": data["asset"]},
    )
    table = xr.Dataset(
        {
            "index": (dims, daily.error, {"units": "degree", "long_name": "usual distance of the tracker from its target"}),
            "loss": (dims, days.sums(loss), {"units": "kWh"}),
            "fault": coded(data, worst, CLASSES, "class of the fault"),
        },
        coords={"time": days.dates.astype("datetime64[ns]"), "asset": data["asset"]},
    )  # fmt: skip
    return Faults(table_of(rows_, ("angle", "source", "detail"), price), table, slots, reasons, days.number)


def _ratios(made: Floats, expected: Floats, days: Days) -> Floats:
    """Energy of each day over what is expected, [day, asset]."""
    both = np.isfinite(made) & np.isfinite(expected) & (made > 0.004 * np.nanmax(made, axis=0))
    base = days.sums(np.where(both, expected, 0.0))
    found = days.sums(np.where(both, made, 0.0)) / np.where(base > 0, base, np.nan)
    # a day of which little is known
    return np.where(base > 0.05 * np.nanquantile(base, 0.9, axis=0), found, np.nan)


def _widened(ratio: Floats, first: int, stop: int) -> tuple[int, int]:
    """With the days beside it that do not tell an angle and yet lack energy: those of clouds, and those in part."""
    off = 1.0 - float(np.nanmedian(ratio[first:stop])) if np.isfinite(ratio[first:stop]).any() else 0.0
    least = max(0.12 * off, 0.015)
    while first > 0 and 1.0 - ratio[first - 1] > least:
        first -= 1
    while stop < len(ratio) and 1.0 - ratio[stop] > least:
        stop += 1
    return first, stop


def _wide(runs: list[tuple[int, int, int]], ratio: Floats) -> list[tuple[int, int, int]]:
    """Spans widened by :func:`_widened`; those that then touch are one, of the kind of the longest."""
    out: list[tuple[int, int, int]] = []
    longest = 0
    for first, stop, kind in runs:
        begin, end = _widened(ratio, first, stop)
        if out and begin < out[-1][1]:
            kept = kind if stop - first > longest else out[-1][2]
            out[-1] = (min(out[-1][0], begin), max(out[-1][1], end), kept)
            longest = max(longest, stop - first)
        else:
            out.append((begin, end, kind))
            longest = stop - first
    return out


def _runs(fault: np.ndarray, angle: Floats) -> list[tuple[int, int, int]]:
    """Spans of one fault at one angle, across days that do not tell."""
    out: list[tuple[int, int, int]] = []
    level = np.nan
    fault = fault.copy()
    told = np.flatnonzero(fault >= 0)
    for before, day, after in zip(told[:-2], told[1:-1], told[2:], strict=True):
        # one day among others of one kind and angle says the same, badly
        alike = fault[before] == fault[after] > 0 and abs(angle[before] - angle[after]) < 12.5
        if alike and fault[day] > 0 and (fault[day] != fault[before] or abs(angle[day] - angle[before]) >= 12.5):
            fault[day] = -1
    for day in np.flatnonzero(fault >= 0):
        kind = int(fault[day])
        if (
            kind
            and out
            and out[-1][2] == kind
            and (fault[out[-1][1] : day] < 0).all()
            and (kind == 3 or abs(angle[day] - level) < 12.5)
        ):
            out[-1] = (out[-1][0], int(day) + 1, kind)
        elif kind:
            out.append((int(day), int(day) + 1, kind))
            level = angle[day]
    return out


def _exact(rows: np.ndarray, c: int, kind: int, angle: float, position: Floats | None) -> np.ndarray:
    """From the slot on from which it stood, where its position is measured: also on the day before."""
    if position is None or kind != 1:
        return rows
    near = np.abs(position[:, c] - angle) < _STILL
    back = int(rows[0])
    while back > 0 and (near[back - 1] or not np.isfinite(position[back - 1, c])) and rows[0] - back < 400:
        back -= 1
    inside = rows[near[rows]]
    end = int(inside[-1]) if len(inside) else int(rows[-1])
    first = int(np.flatnonzero(near[back : end + 1])[0]) + back if near[back : end + 1].any() else int(rows[0])
    return np.arange(first, end + 1)


def _lost(
    rows: np.ndarray, c: int, kind: int, angle: float, expected: Floats | None, made: Floats | None, sky: Sky | None,
    position: Floats | None, data: xr.Dataset, days: Days, clean: Bools,
) -> tuple[Floats, str]:  # fmt: skip
    """Energy lost in each of ``rows`` [kWh], and what it was told from; NaN where it cannot be told."""
    hours = days.hours
    if expected is not None and made is not None:
        usual = expected[rows, c]
        number = days.number
        near = (number >= number[rows[0]] - _WEEKS) & (number <= number[rows[-1]] + _WEEKS)
        near &= (clean[number, c]) & np.isfinite(made[:, c]) & np.isfinite(expected[:, c])
        near &= made[:, c] > 0.02 * np.nanmax(made[:, c])
        if near.any() and len(np.unique(number[near])) >= 5:  # seasons and dirt move a share by a per cent or so
            usual = usual * float(np.clip(made[near, c].sum() / expected[near, c].sum(), 0.9, 1.1))
        stands = made[rows, c] < 0.004 * np.nanmax(made[:, c])
        both = np.isfinite(usual) & np.isfinite(made[rows, c]) & ~stands
        share = 1 - made[rows, c][both].sum() / usual[both].sum() if both.any() and usual[both].sum() > 0 else 0.0
        lost = np.where(both, usual - made[rows, c], np.where(np.isnan(made[rows, c]), share * usual, 0.0))
        lost = np.nan_to_num(lost) * hours
        return (lost if lost.sum() > 0 else np.zeros(len(rows))), "by its peers"
    if sky is None:
        return np.full(
            len(rows), np.nan
        ), "without a power of peers, and without latitude and longitude, energy is not told"
    where = int(sky.place[c])
    if position is not None:
        gain = gain_of(sky, where, position[rows, c], rows=rows)
    else:
        gain = gain_of(sky, where, angle, rows=rows) if kind == 1 else gain_of(sky, where, None, angle, rows=rows)
    if made is not None:
        with np.errstate(invalid="ignore", divide="ignore"):
            lost = made[rows, c] * (1.0 / np.clip(gain, 0.05, None) - 1.0) * hours
        return np.nan_to_num(lost), "by the irradiance of both planes"
    capacity = numbers(data, "dc_capacity")
    capacity = np.where(np.isfinite(capacity), capacity, numbers(data, "rated_capacity"))[c]
    if not np.isfinite(capacity):
        return np.full(len(rows), np.nan), "no power and no capacity: energy is not told"
    lost = capacity * sky.tracked[where][rows] / 1000.0 * 0.85 * (1.0 - gain) * hours
    return np.nan_to_num(lost), "of the capacity at a performance ratio of 0.85"
