"""Strings, MPPT inputs and inverters' DC sides against their peers: which lost what, since when, and of which kind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from workbench.analytics.solar.clipping import clipped_values
from workbench.analytics.solar.fault_fields import (
    Bools,
    Days,
    Faults,
    Floats,
    check,
    check_light,
    coded,
    days_of,
    field,
    median_of,
    need,
    numbers,
    quiet,
    spans_of,
    table_of,
    texts,
)
from workbench.analytics.solar.fault_segments import noise_of, segments_of
from workbench.analytics.solar.string_peers import Compared, Peers, compared, groups_of
from workbench.model.errors import InputError

#: Classes, by which one stands where two are seen at once.
CLASSES = (
    "sensor", "input out", "open string", "mppt stuck", "shorted modules", "shaded", "weak string",
)  # fmt: skip
#: Fields of current, voltage and power by kind of asset.
FIELDS = {
    "string": ("current", "voltage", "power"),
    "mppt": ("input_current", "input_voltage", "input_power"),
    "inverter": ("total_dc_current", "total_dc_voltage", "total_dc_power"),
}
_STRAY = 8.0  #: standard deviations that one day alone must be off
_CERTAIN = 5.0  #: those of a level that lasts
_VOLTAGE = 0.006  #: least change of a voltage: below a third of one module of forty
_WEEKS = 21  #: days before and after a fault from which the energy expected in it is set
_FLAT = 0.15  #: spread of a voltage within a day, of that of its peers, below which it does not move


@dataclass
class _Span:
    """Days [first, stop) of one asset in which something is wrong."""

    column: int  #: in its group
    first: int
    stop: int
    ratio: float
    sure: float  #: deficit in standard errors
    kind: str = ""
    detail: str = ""


@quiet
def string_faults(
    data: xr.Dataset, *, kind: str = "", parent: str = "parent", orientation: str = "orientation",
    least_loss: float = 0.04, low_light: float = 0.1, least_days: int = 2, nominal_voltage: float | None = None,
    price: float | None = None,
) -> Faults:  # fmt: skip
    """Faults of strings, MPPT inputs or inverters' DC sides, by comparison with their peers.

    Each is held against the median of its peers, each over its usual share: those of the same parent and orientation, or where
    they are fewer than four all of its orientation. So clouds, low light, an inverter that stands or limits, and missing data are
    common to all and do not count; a gain of a sensor or a mismatch of modules is part of the usual share. A share is learned
    from all the data: the highest level that lasts. Faults are changes of the level of the daily index.

    Parameters
    ----------
    data
        dims (time, asset), an asset per string (``current`` [A], ``voltage`` [V], ``power`` [kW]), per MPPT (``input_current``, …) or
        per inverter (``total_dc_current``, …): the current or the power at least. Coordinates on asset, where there: ``parent``
        (inverter or combiner), ``orientation`` (any text) or ``tilt`` and ``azimuth`` [degree], ``string_count`` (strings in
        parallel behind one measurement: then an open one is told by its share), ``modules_per_string``, ``asset_type``.
    kind
        ``string``, ``mppt`` or ``inverter``; by default by the fields that are there.
    parent, orientation
        Coordinates.
    least_loss
        Share of current or power that is worth an event [1].
    low_light
        Share of the usual top below which a slot is too dark to tell [1].
    least_days
        Days that an event lasts at least; a current that stops, and a clear fall on the last day of the data, need not.
    nominal_voltage
        For the energy where neither voltage nor power is measured [V].
    price
        Of energy [currency/kWh].

    Returns
    -------
    Faults
        ``fault``: ``open string`` (no current, or the share of one of those in parallel), ``input out`` (an input of several strings
        without current), ``weak string`` (low all day: dirt, age, mismatch), ``shaded`` (low at some hours), ``shorted modules`` (voltage
        low by thirds of a module: shorted modules, or bypass diodes), ``mppt stuck`` (its voltage does not move), ``sensor`` (reversed or
        of another scale; nothing is lost). ``index``: what was measured over what its share of the peers says.

    Raises
    ------
    InputError
        Neither current nor power; another unit than the field says; reversed signs throughout; night alone; parameters out of range.

    Notes
    -----
    Kinds of faults after IEC 62446-3 and IEA PVPS T13-10 (2018); a bypass diode bridges a third of a usual module. A current sensor
    that gives zero looks like an open string. What all peers suffer alike cannot be seen.
    """
    if not 0 < least_loss < 1 or not 0 < low_light < 1 or least_days < 1:
        raise InputError(
            "a parameter is out of range", where="least_loss, low_light, least_days",
            found=f"{least_loss}, {low_light}, {least_days}", expected="0 to 1, 0 to 1, 1 or more",
        )  # fmt: skip
    check(data)
    kind = kind or _kind(data)
    names = FIELDS[kind]
    current, voltage, power = (field(data, name, kind) for name in names)
    values, main = (current, names[0]) if current is not None else (power, names[2])
    if values is None:
        values = need(data, names[0], kind, "nor a power")
    check_light(values, main)
    scaled = _check_power(current, voltage, power, names[2])
    if power is None:
        volts = voltage if voltage is not None else nominal_voltage
        power = None if current is None or volts is None else current * volts / 1000.0
    days = days_of(data, values)
    groups, why = groups_of(data, values, days, parent, orientation)
    names_ = [str(a) for a in data["asset"].values]
    reasons = {names_[c]: text for c, text in why.items()}
    clipped = None
    if kind == "inverter":
        clipped = np.asarray(clipped_values(data, variable=names[2] if names[2] in data else main).values)
    found = _Found(data, days, kind, texts(data, parent), price)
    for group in groups:
        at = group.columns
        view = _View(
            values[:, at], None if voltage is None else voltage[:, at], None if power is None else power[:, at],
            None if scaled is None else scaled[:, at], np.nan_to_num(numbers(data, "string_count")[at], nan=1.0),
            numbers(data, "modules_per_string")[at], kind,
        )  # fmt: skip
        side = None if clipped is None else clipped[:, at]
        beside = compared(view.values, days, group, low_light=low_light, parallel=view.parallel, clipped=side)
        spans = _spans(beside, view, days, least_loss, least_days)
        found.add(group, view, beside, spans, side)
    if power is None:
        reasons |= {
            a: "no power and no voltage: the energy lost cannot be told (nominal_voltage=…)"
            for a in names_
            if a not in reasons
        }
    return found.result(reasons)


def _kind(data: xr.Dataset) -> str:
    for kind, names in FIELDS.items():
        if names[0] in data or names[2] in data:
            return kind
    raise InputError(
        "there is neither a current nor a power of strings, MPPTs or inverters", where="data",
        found=", ".join(str(n) for n in list(data.data_vars)[:12]),
        expected="current, input_current or total_dc_current; or the power",
    )  # fmt: skip


def _check_power(current: Floats | None, voltage: Floats | None, power: Floats | None, name: str) -> Floats | None:
    """Power over current times voltage, [slot, asset]; None where one is not measured."""
    if current is None or voltage is None or power is None:
        return None
    product = current * voltage / 1000.0
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(np.abs(product) > 0.1 * np.nanquantile(np.abs(product), 0.98), power / product, np.nan)
    usual = float(np.nanmedian(ratio)) if np.isfinite(ratio).any() else np.nan
    if np.isfinite(usual) and not 0.5 < abs(usual) < 2.0:
        raise InputError(
            f"{name} is not current times voltage: watts taken for kilowatts?", where=name,
            found=f"{usual:.4g} times current x voltage", expected="about 1",
            hint="set the attribute 'units' to what they are, or the step `unit_conversion`",
        )  # fmt: skip
    return np.asarray(ratio)


@dataclass
class _View:
    """What is measured of one group."""

    values: Floats  #: current, or power where it is not measured
    voltage: Floats | None
    power: Floats | None
    scaled: Floats | None  #: power over current times voltage
    parallel: Floats
    modules: Floats
    kind: str


def _spans(beside: Compared, view: _View, days: Days, least_loss: float, least_days: int) -> list[_Span]:
    """All that is wrong in one group, one kind at a time, the surer one where two are of the same days."""
    out: list[_Span] = []
    ends = len(days.dates)
    for column in range(view.values.shape[1]):
        index, noise = beside.index[:, column], beside.noise[:, column]
        known = np.flatnonzero(np.isfinite(index))
        if not len(known):
            continue
        last = int(known[-1]) + 1
        n = view.parallel[column]
        # one of those in parallel is told even where it is less
        least = min(least_loss, max(0.6 / n, 0.02)) if n > 1 else least_loss
        spans = _low_spans(index, noise, least, least_days, last)
        spans += _high_spans(index, noise, last)
        for span in spans:
            span.column = column
            span.first, span.stop = _widened(span, index, noise)
            _classify(span, beside, view, days)
        out += [s for s in spans if s.kind]
        out += _part_spans(column, beside, view, days, 2.5 * least_loss)
    out += _voltage_spans(beside, view, days, least_days)
    for one in out:
        known = np.flatnonzero(np.isfinite(beside.index[:, one.column]))
        if one.stop > known[-1]:
            one.stop = ends  # days without light or data after it do not end it
    return _priority(out)


def _low_spans(index: Floats, noise: Floats, least: float, least_days: int, last: int) -> list[_Span]:
    found = segments_of(index, noise)
    off = np.array([1.0 - s.level for s in found])
    error = np.array([s.deviation for s in found])
    low = off > np.maximum(least, _CERTAIN * error)
    # what borders on it and is hardly better belongs to it
    for order in (range(1, len(found)), range(len(found) - 2, -1, -1)):
        for k in order:
            beside = off[k - 1] if order.step == 1 else off[k + 1]
            if (low[k - 1] if order.step == 1 else low[k + 1]) and off[k] > max(0.6 * beside, 0.5 * least):
                low[k] = True
    days = np.zeros(len(index), bool)
    for k, s in enumerate(found):
        days[s.first : s.stop] = low[k]
    out = []
    for first, stop in spans_of(days, gap=1):
        here = np.arange(first, stop)[np.isfinite(index[first:stop])]
        if not len(here):
            continue
        ratio = float(np.average(index[here], weights=1 / noise[here] ** 2))
        total, wrong = 1.0 - ratio, float(np.sum(1 / noise[here] ** 2) ** -0.5)
        fresh = stop >= last and len(here) <= 2 and total > _STRAY * wrong
        if total > 0.5:
            out.append(_Span(0, first, stop, ratio, total / wrong))
            continue
        before = np.arange(max(first - 30, 0), first)
        before = before[np.isfinite(index[before]) & ~days[before]]
        if not len(before) and total < 2 * least:
            continue  # it was so from the first day on: no change, and peers differ by as much
        if len(here) < 4 and total < max(1.5 * least, _STRAY * wrong) and not fresh:
            continue  # clouds that some got and others did not
        if len(before) and total < 1.5 * least and float(np.mean(index[before])) - ratio < 0.75 * least:
            continue  # a slow change with the season, of no day of its own
        if len(here) >= least_days or fresh:
            out.append(_Span(0, first, stop, ratio, total / wrong))
    return out


def _high_spans(index: Floats, noise: Floats, last: int) -> list[_Span]:
    """A sensor that reads more than its peers, or below zero."""
    high = np.zeros(len(index), bool)
    for s in segments_of(index, noise):
        if s.level > 1.1 and s.level - 1 > _CERTAIN * s.deviation:
            high[s.first : s.stop] = s.days >= 2 or s.stop >= last
    return [
        _Span(0, first, stop, float(np.nanmedian(index[first:stop])), 10.0) for first, stop in spans_of(high, gap=1)
    ]


def _widened(span: _Span, index: Floats, noise: Floats) -> tuple[int, int]:
    """With the days in part of which it was so: those on which it began and ended."""
    first, stop, off = span.first, span.stop, 1.0 - span.ratio
    before = np.flatnonzero(np.isfinite(index[:first]))
    if len(before) and first - before[-1] <= 2:
        day = int(before[-1])
        if (1.0 - index[day]) * np.sign(off) > max(0.15 * abs(off), 3 * noise[day]):
            first = day
    after = np.flatnonzero(np.isfinite(index[stop:]))
    if len(after) and after[0] <= 1:
        day = stop + int(after[0])
        if (1.0 - index[day]) * np.sign(off) > max(0.15 * abs(off), 3 * noise[day]):
            stop = day + 1
    return first, stop


def _classify(span: _Span, beside: Compared, view: _View, days: Days) -> None:
    c = span.column
    here = (days.number >= span.first) & (days.number < span.stop) & beside.valid[:, c]
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = view.values[here, c] / (beside.reference[here] * beside.share[c])
    middle = float(np.median(ratio)) if len(ratio) else span.ratio
    n, level = float(view.parallel[c]), span.ratio
    inner = beside.index[span.first + 1 : span.stop - 1, c]
    if np.isfinite(inner).sum() >= 1:  # without the days on which it began and ended
        level = float(np.nanmedian(inner))
    if middle < -0.2:
        span.kind, span.detail = "sensor", "reversed"
    elif level > 1.0:
        span.kind, span.detail = "sensor", f"reads {level:.2f} times what its peers say"
    elif view.scaled is not None and _other_scale(view.scaled[:, c], here):
        span.kind, span.detail = "sensor", "power is not current times voltage as before"
    elif 0.09 < middle < 0.115:
        span.kind, span.detail = "sensor", "a tenth of what its peers say: another scale"
    elif middle < 0.04:
        whole = view.kind != "string" and n > 1
        span.kind, span.detail = ("input out" if whole else "open string"), "no current while its peers run"
    else:
        count = (1.0 - level) * n
        profile = _profile(c, span, beside, view, days)
        if profile is not None:
            span.kind, span.detail = "shaded", profile
        elif (
            n > 1
            and round(count) >= 1
            and abs(count - round(count)) < max(0.3, 0)
            and abs(count - round(count)) / n < 0.04
        ):
            span.kind, span.detail = "open string", f"as {round(count)} of {n:.0f} strings open"
        else:
            span.kind, span.detail = "weak string", "low at all hours"


def _other_scale(scaled: Floats, here: Bools) -> bool:
    inside, outside = scaled[here], scaled[~here]
    if not (np.isfinite(inside).sum() >= 4 and np.isfinite(outside).sum() >= 4):
        return False
    return abs(float(np.nanmedian(inside) / np.nanmedian(outside)) - 1.0) > 0.1


def _profile(column: int, span: _Span, beside: Compared, view: _View, days: Days) -> str | None:
    """The hours at which it is low, where it is not at others: those of a shadow."""
    hour = np.clip(np.round(days.phase).astype(int) + 8, 0, 16)
    inside = (days.number >= span.first) & (days.number < span.stop)
    valid = beside.valid[:, column]
    near = np.abs(days.number - (span.first + span.stop) / 2) < (span.stop - span.first) / 2 + 30
    low = np.zeros(17)
    weight = np.zeros(17)
    usual = beside.reference * beside.share[column]
    for n, rows in enumerate((valid & inside, valid & ~inside & near)):
        base = np.bincount(hour[rows], usual[rows], minlength=17)
        got = np.bincount(hour[rows], view.values[rows, column], minlength=17)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.where(base > 0, got / base, np.nan)
        if n == 0:
            low, weight = ratio, base / max(base.sum(), 1e-9)
        else:
            low = low / np.where(np.isfinite(ratio) & (ratio > 0.5), ratio, 1.0)
    use = (weight > 0.03) & np.isfinite(low)
    if use.sum() < 4:
        return None
    deficit = 1.0 - low[use]
    best = float(np.quantile(deficit, 0.2))
    worst = float(deficit.max())
    if worst > 0.08 and best < 0.35 * worst and best < 0.05:
        hours = np.flatnonzero(use)[deficit > 0.5 * worst] - 8
        return f"low from {hours.min() - 0.5:+.1f} to {hours.max() + 0.5:+.1f} h of noon"
    return None


def _part_spans(column: int, beside: Compared, view: _View, days: Days, least: float) -> list[_Span]:
    """Shadows that take too little of the day to show in the whole of it."""
    out = []
    for part in beside.parts:
        index = part[:, column]
        if np.isfinite(index).sum() < 10:
            continue
        usual = np.nanmedian(index)
        index = index / usual if usual > 0.5 else index
        noise = beside.noise[:, column] * 2.0
        low = np.zeros(len(index), bool)
        for s in segments_of(index, noise):
            if 1.0 - s.level > max(least, _CERTAIN * s.deviation):
                low[s.first : s.stop] = True
        for first, stop in spans_of(low, gap=2):
            whole = beside.index[first:stop, column]
            if stop - first < 5 or not np.isfinite(whole).any():
                continue
            ratio = float(np.nanmedian(whole))
            span = _Span(column, first, stop, ratio, _CERTAIN, "shaded")
            profile = _profile(column, span, beside, view, days)
            if 1.0 - ratio > 0.01 and profile is not None:
                span.detail = profile
                out.append(span)
    return out


def _voltage_spans(beside: Compared, view: _View, days: Days, least_days: int) -> list[_Span]:
    """Inputs whose voltage is low by thirds of a module, or does not move."""
    if view.voltage is None or view.kind == "inverter":
        return []
    v = np.where(beside.valid & (view.voltage > 1.0), view.voltage, np.nan)
    if view.kind == "string" and _one_bus(v):
        return []
    per_module = np.where(np.isfinite(view.modules) & (view.modules > 0), view.modules, 1.0)
    v = v / per_module if np.isfinite(view.modules).all() else v
    middle = median_of(v, 3)
    ratio = v / middle[:, None]
    size, total = v.shape[1], len(days.dates)
    daily, spread = np.full((total, size), np.nan), np.full((total, size), np.nan)
    edges = np.r_[days.first, len(v)]
    for day in range(total):
        rows = slice(edges[day], edges[day + 1])
        enough = np.isfinite(v[rows]).sum(axis=0) >= 6
        if enough.any():
            daily[day, enough] = np.nanmedian(ratio[rows][:, enough], axis=0)
            spread[day, enough] = np.nanstd(v[rows][:, enough], axis=0)
    usual = median_of(spread, 3)
    moves = usual > 0.004 * np.nanmedian(middle)
    out: list[_Span] = []
    for c in range(size):
        with np.errstate(invalid="ignore"):
            flat = moves & (spread[:, c] < _FLAT * usual)
        # days of little light in between tell nothing of it
        silent = ~moves | ~np.isfinite(spread[:, c])
        for first, stop in spans_of(flat, gap=0) if not silent.any() else _joined(flat, silent):
            if stop - first >= least_days:
                out.append(
                    _Span(c, first, stop, float(np.nanmedian(beside.index[first:stop, c])), 10.0, "mppt stuck",
                          f"voltage stays at {np.nanmedian(view.voltage[_rows(days, first, stop), c]):.0f} V")
                )  # fmt: skip
        out += _shorted(c, daily[:, c], beside, view, least_days)
    return out


def _rows(days: Days, first: int, stop: int) -> Bools:
    return (days.number >= first) & (days.number < stop)


def _joined(flat: Bools, silent: Bools) -> list[tuple[int, int]]:
    """Spans of ``flat`` across days that tell nothing."""
    out: list[tuple[int, int]] = []
    for first, stop in spans_of(flat):
        if out and silent[out[-1][1] : first].all():
            out[-1] = (out[-1][0], stop)
        else:
            out.append((first, stop))
    return out


def _one_bus(v: Floats) -> bool:
    """Whether the strings share their voltage: then it says nothing of one of them."""
    with np.errstate(invalid="ignore"):
        apart = np.nanstd(v / median_of(v, 3)[:, None] / np.nanmedian(v / median_of(v, 3)[:, None], axis=0), axis=1)
    return bool(np.nanmedian(apart) < 2e-4) if np.isfinite(apart).any() else True


def _shorted(c: int, daily: Floats, beside: Compared, view: _View, least_days: int) -> list[_Span]:
    own = noise_of(daily)
    if not np.isfinite(own):
        return []
    # voltages of cloudy days differ more
    noise = np.maximum(own, 0.0008) * np.clip(beside.noise[:, c] / np.nanmedian(beside.noise[:, c]), 1.0, 4.0)
    found = segments_of(daily, noise)
    lasting = [s.level for s in found if s.days >= max(7, 0.08 * np.isfinite(daily).sum())]
    usual = max(lasting, default=float(np.nanmedian(daily)))
    low = np.zeros(len(daily), bool)
    for s in found:
        off = 1.0 - s.level / usual
        current = np.nanmedian(beside.index[s.first : s.stop, c]) if s.stop > s.first else np.nan
        if off > max(_VOLTAGE, _CERTAIN * s.deviation) and current > 0.95 and s.days >= least_days:
            low[s.first : s.stop] = True
    out = []
    for first, stop in spans_of(low, gap=1):
        ratio = float(np.nanmedian(daily[first:stop])) / usual
        thirds = (1.0 - ratio) * 3.0 * view.modules[c]
        text = f"voltage {100 * (1 - ratio):.1f} % low"
        if np.isfinite(thirds):
            text += f", {round(max(thirds, 1.0))} thirds of a module"
        out.append(_Span(c, first, stop, ratio, 8.0, "shorted modules", text))
    return out


def _priority(spans: list[_Span]) -> list[_Span]:
    """One event of each time: the kind that goes before, with the days of the others that touch it where it is the same."""
    kept: list[_Span] = []
    for span in sorted(spans, key=lambda s: (s.column, CLASSES.index(s.kind), s.first)):
        clash = [k for k in kept if k.column == span.column and min(k.stop, span.stop) - max(k.first, span.first) > 0]
        if not clash:
            kept.append(span)
            continue
        shared = sum(min(k.stop, span.stop) - max(k.first, span.first) for k in clash)
        if all(k.kind == span.kind for k in clash):
            clash[0].first = min(clash[0].first, span.first)
            clash[0].stop = max(clash[0].stop, span.stop)
        elif shared < 0.3 * (span.stop - span.first) and span.kind != "shaded":
            # the days that are left
            before, after = min(k.first for k in clash), max(k.stop for k in clash)
            if before - span.first >= span.stop - after:
                span.stop = before
            else:
                span.first = after
            if span.stop - span.first >= 2:
                kept.append(span)
    return kept


class _Found:
    """Events and fields of all groups."""

    def __init__(self, data: xr.Dataset, days: Days, kind: str, parents: list[str], price: float | None) -> None:
        self.data, self.days, self.kind, self.parents, self.price = data, days, kind, parents, price
        shape, daily = (data.sizes["time"], data.sizes["asset"]), (len(days.dates), data.sizes["asset"])
        self.loss, self.code = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.int8)
        self.index = np.full(daily, np.nan)
        self.rows: list[dict[str, object]] = []

    def add(self, group: Peers, view: _View, beside: Compared, spans: list[_Span], clipped: Bools | None) -> None:
        self.index[:, group.columns] = beside.index
        judged = {c: [s for s in spans if s.column == c] for c in {s.column for s in spans}}
        power = _PowerOf(view, beside, self.days, judged, clipped)
        times = self.data["time"].values
        for span in sorted(spans, key=lambda s: (s.column, s.first)):
            column = int(group.columns[span.column])
            rows = np.flatnonzero(_rows(self.days, span.first, span.stop))
            first, last = _exact(rows, span, beside, view)
            rows = rows[(rows >= first) & (rows <= last)]
            lost = power.lost(span, rows)
            told = np.nan_to_num(lost)
            self.loss[rows, column] += told.astype(np.float32)
            self.code[rows, column] = CLASSES.index(span.kind) + 1
            ongoing = span.stop >= len(self.days.dates)
            seen = int(np.isfinite(beside.index[span.first : span.stop, span.column]).sum())
            self.rows.append(
                {
                    "asset": str(self.data["asset"].values[column]),
                    "parent": self.parents[column],
                    "fault": span.kind,
                    "begin": times[rows[0]],
                    "end": times[rows[-1]],
                    "ongoing": ongoing,
                    "days": seen,
                    "ratio": span.ratio,
                    "confidence": _confidence(span, seen),
                    "lost_energy": float(lost.sum()) if np.isfinite(lost).all() else np.nan,
                    "detail": span.detail,
                }
            )

    def result(self, reasons: dict[str, str]) -> Faults:
        table = table_of(self.rows, ("detail",), self.price)
        days, dims = self.days, ("time", "asset")
        coords = {"asset": self.data["asset"]}
        worst = np.maximum.reduceat(self.code, days.first, axis=0)
        daily = xr.Dataset(
            {
                "index": (dims, self.index, {"units": "1", "long_name": "measured over what the peers say"}),
                "loss": (dims, days.sums(self.loss.astype(np.float64)), {"units": "kWh", "long_name": "energy lost to faults"}),
                "fault": coded(self.data, worst, CLASSES, "class of the fault"),
            },
            coords={"time": days.dates.astype("datetime64[ns]"), **coords},
        )  # fmt: skip
        slots = xr.Dataset(
            {
                "loss": (dims, self.loss, {"units": "kWh", "long_name": "energy lost to faults"}),
                "fault": coded(self.data, self.code, CLASSES, "class of the fault"),
            },
            coords={"time": self.data["time"], **coords},
        )
        return Faults(table, daily.assign_attrs(place=days.number), slots, reasons)


def _exact(rows: np.ndarray, span: _Span, beside: Compared, view: _View) -> tuple[int, int]:
    """First and last slot of a fault that shows in single slots; of the others the whole days."""
    if span.ratio > 0.6 and span.ratio < 1.1:
        return int(rows[0]), int(rows[-1])
    valid = rows[beside.valid[rows, span.column]]
    if not len(valid):
        return int(rows[0]), int(rows[-1])
    ratio = view.values[valid, span.column] / (beside.reference[valid] * beside.share[span.column])
    off = (ratio - 1.0) / (min(span.ratio, 2.0) - 1.0) > 0.5
    if not off.any():
        return int(rows[0]), int(rows[-1])
    at = np.flatnonzero(off)
    # what is dark or missing before the first slot of which it is known belongs to neither; a later one ends it
    first = int(valid[at[0]]) if at[0] > 0 else int(rows[0])
    last = int(valid[at[-1]]) if at[-1] < len(valid) - 1 else int(rows[-1])
    return first, last


def _confidence(span: _Span, days: int) -> float:
    """Between 0.5 for what was just seen to 1 for many standard errors on many days."""
    return float(np.round(1.0 - 0.5 * np.exp(-max(span.sure - _CERTAIN, 0.0) / 10.0 - (days - 1) / 10.0), 2))


class _PowerOf:
    """Power that the peers say, in the place of what a fault left."""

    def __init__(
        self, view: _View, beside: Compared, days: Days, spans: dict[int, list[_Span]], clipped: Bools | None
    ) -> None:
        self.view, self.beside, self.days, self.clipped = view, beside, days, clipped
        self.expected: dict[int, Floats] = {}
        if view.power is None or not spans:
            return
        p = np.where(beside.stopped, np.nan, view.power)
        top = np.nanquantile(np.where(p > 0, p, np.nan), 0.9, axis=0)
        like = beside.share / np.nanmedian(beside.share)
        top = np.where(np.isfinite(top) & (top > 0.2 * np.nanmedian(top) * like), top, np.nanmedian(top) * like)
        wrong = np.zeros(p.shape, bool)
        for column, found in spans.items():
            for span in found:
                wrong[_rows(days, span.first, span.stop), column] = True
        clean = np.where(wrong, np.nan, p)
        for _ in range(2):
            reference = median_of(clean / top, 2)
            top = self._scaled(clean, reference, top)
        self.reference, self.power, self.wrong = reference, p, wrong
        for column in spans:
            self.expected[column] = top[column] * reference
            if clipped is not None:
                held = clipped[:, column]
                limit = np.nanmedian(p[held, column]) if held.any() else np.inf
                self.expected[column] = np.minimum(self.expected[column], limit)

    def _scaled(self, p: Floats, reference: Floats, top: Floats) -> Floats:
        use = self.beside.valid & np.isfinite(p) & np.isfinite(reference)[:, None]
        if self.clipped is not None:
            use &= ~self.clipped
        base = np.where(use, reference[:, None], 0.0).sum(axis=0)
        got = np.where(use, np.nan_to_num(p), 0.0).sum(axis=0)
        light = np.nansum(np.where(use.any(axis=1), reference, 0.0))
        known = base > 0.02 * light
        scale = np.where(known, got / np.where(base > 0, base, 1.0), np.nan)
        # what was never right takes the scale of the others
        return np.where(
            known, scale, np.nanmedian(scale / self.beside.share) * self.beside.share if known.any() else top
        )

    def _beside(self, span: _Span) -> float:
        """What it gave of what is expected in the weeks before and after: seasons and dirt move a share by a per cent or so."""
        c, number = span.column, self.days.number
        near = (number >= span.first - _WEEKS) & (number < span.stop + _WEEKS)
        p, e = self.power[:, c], self.expected[c]
        use = near & ~self.wrong[:, c] & self.beside.valid[:, c] & np.isfinite(p) & np.isfinite(e)
        if len(np.unique(number[use])) < 5:
            return 1.0
        return float(np.clip(p[use].sum() / e[use].sum(), 0.9, 1.1))

    def lost(self, span: _Span, rows: np.ndarray) -> Floats:
        """Energy lost in each of ``rows`` [kWh]; NaN where it cannot be told, 0 for a sensor."""
        if span.kind == "sensor":
            return np.zeros(len(rows))
        if span.column not in self.expected:
            return np.full(len(rows), np.nan)
        expected, actual = self.expected[span.column][rows], self.power[rows, span.column]
        expected = expected * self._beside(span)
        stopped = self.beside.stopped[rows, span.column]
        both = np.isfinite(expected) & np.isfinite(actual)
        share = 1.0 - actual[both].sum() / expected[both].sum() if both.any() and expected[both].sum() > 0 else 0.0
        if span.kind == "shorted modules":  # the voltage tells it better than the power
            actual, share = np.full(len(rows), np.nan), 1.0 - span.ratio
        lost = np.where(np.isfinite(actual), expected - actual, share * expected)
        lost = np.where(stopped, 0.0, np.nan_to_num(lost)) * self.days.hours
        return np.asarray(lost if lost.sum() > 0 else np.zeros(len(rows)))
