"""Spans of days in which a string, input or inverter is off its peers, and of which kind each is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.analytics.solar.fault_fields import Bools, Days, Floats, median_down, median_last, median_of, spans_of
from workbench.analytics.solar.fault_segments import noise_of, segments_of
from workbench.analytics.solar.string_peers import Compared

#: Classes, by which one stands where two are seen at once.
CLASSES = (
    "sensor", "input out", "open string", "mppt stuck", "shorted modules", "shaded", "weak string",
)  # fmt: skip
_STRAY = 8.0  #: standard deviations that one day alone must be off
_JUST = 6.5  #: those of a fall on the last day, or the last two together
_MANY = 10  #: in parallel, of which the mean has no stray days as one alone has: ``CERTAIN`` is enough
CERTAIN = 5.0  #: those of a level that lasts
_VOLTAGE = 0.006  #: least change of a voltage: below a third of one module of forty
_BESIDE = 14  #: days before and after the begin of a fault that tell how much it takes
_UNKNOWN = 0.01  #: to which a share is known without days before
_WANDERS = 0.003  #: by which dirt and seasons move an index within those weeks
_UNLIKE = 0.05  #: by which one of the strings in parallel may differ from their mean
_FLAT = 0.15  #: spread of a voltage within a day, of that of its peers, below which it does not move


@dataclass
class Span:
    """Days [first, stop) of one asset in which something is wrong."""

    column: int  #: in its group
    first: int
    stop: int
    ratio: float
    sure: float  #: deficit in standard errors
    kind: str = ""
    detail: str = ""


@dataclass
class View:
    """What is measured of one group."""

    values: Floats  #: current, or power where it is not measured
    voltage: Floats | None
    power: Floats | None
    scaled: Floats | None  #: power over current times voltage
    parallel: Floats
    modules: Floats
    kind: str


def spans_in(beside: Compared, view: View, days: Days, least_loss: float, least_days: int) -> list[Span]:
    """All that is wrong in one group, one kind at a time, the surer one where two are of the same days."""
    out: list[Span] = []
    ends = len(days.dates)
    usual = [median_down(part) for part in beside.parts]
    for column in range(view.values.shape[1]):
        index, noise = beside.index[:, column], beside.noise[:, column]
        known = np.flatnonzero(np.isfinite(index))
        if not len(known):
            continue
        last = int(known[-1]) + 1
        n = view.parallel[column]
        # one of those in parallel is told even where it is less
        least = min(least_loss, max(0.6 / n, 0.02)) if n > 1 else least_loss
        spans = _low_spans(index, noise, least, least_days, last, CERTAIN if n >= _MANY else _JUST)
        spans += _high_spans(index, noise, last)
        for span in spans:
            span.column = column
            span.first, span.stop = _widened(span, index, noise)
            _classify(span, beside, view, days)
        out += [s for s in spans if s.kind]
        out += _part_spans(column, [float(one[column]) for one in usual], beside, view, days, 2.5 * least_loss)
    out += _voltage_spans(beside, view, days, least_days)
    for one in out:
        known = np.flatnonzero(np.isfinite(beside.index[:, one.column]))
        if one.stop > known[-1]:
            one.stop = ends  # days without light or data after it do not end it
    return _priority(out)


def _low_spans(index: Floats, noise: Floats, least: float, least_days: int, last: int, just: float) -> list[Span]:
    found = segments_of(index, noise)
    off = np.array([1.0 - s.level for s in found])
    error = np.array([s.deviation for s in found])
    low = off > np.maximum(least, CERTAIN * error)
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
            out.append(Span(0, first, stop, ratio, total / wrong))
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
            out.append(Span(0, first, stop, ratio, total / wrong))
    begun = None if any(s.stop >= last for s in out) else _just_begun(index, noise, least, last, just)
    return out if begun is None else [*out, begun]


def _just_begun(index: Floats, noise: Floats, least: float, last: int, just: float) -> Span | None:
    """A fall on the last day of the data, or in part of the one before too, of which one level cannot be made yet."""
    known = np.flatnonzero(np.isfinite(index[:last]))
    if len(known) < 10:
        return None
    day, before = int(known[-1]), int(known[-2])
    usual = float(np.median(index[known[-9:-2]]))
    off, off_before = 1.0 - index[day], 1.0 - index[before]
    sure = off / noise[day]
    part = day - before <= 3 and off_before > CERTAIN * noise[before]
    if part:
        sure = float(np.hypot(sure, off_before / noise[before]))
    if off < least or sure < just or off < 2.0 * noise[day] or 1.0 - usual > 0.3 * off:
        return None
    return Span(0, before if part else day, last, float(index[day]), sure)


def _high_spans(index: Floats, noise: Floats, last: int) -> list[Span]:
    """A sensor that reads more than its peers, or below zero."""
    high = np.zeros(len(index), bool)
    for s in segments_of(index, noise):
        lasts = s.days >= 2
        if s.level > 1.1 and s.level - 1 > (CERTAIN if lasts else _STRAY) * s.deviation:
            high[s.first : s.stop] = lasts or s.stop >= last
    return [Span(0, first, stop, float(np.nanmedian(index[first:stop])), 10.0) for first, stop in spans_of(high, gap=1)]


def _widened(span: Span, index: Floats, noise: Floats) -> tuple[int, int]:
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


def _classify(span: Span, beside: Compared, view: View, days: Days) -> None:
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
        profile = _profile(c, span, beside, view, days)
        if profile is not None:
            span.kind, span.detail = "shaded", profile
        else:
            span.kind, span.detail = _open_or_weak(span, n, *_fall(span, beside.index[:, c], beside.noise[:, c]))


def _fall(span: Span, index: Floats, noise: Floats) -> tuple[float, float]:
    """How much it fell when the fault began, of what it gave in the weeks before, and the standard error of that."""
    inner = slice(span.first + 1, span.stop - 1) if span.stop - span.first > 2 else slice(span.first, span.stop)
    after = np.arange(len(index))[inner]
    after = after[np.isfinite(index[after])][:_BESIDE]
    before = np.arange(max(span.first - 2 * _BESIDE, 0), span.first)
    before = before[np.abs(1.0 - index[before]) < 0.5 * (1.0 - span.ratio)][-_BESIDE:]
    if not len(after):
        return 1.0 - span.ratio, _UNKNOWN
    weight, weight_before = noise[after] ** -2.0, noise[before] ** -2.0
    level, wrong = float(np.average(index[after], weights=weight)), float(weight.sum() ** -0.5)
    if len(before) < 2:
        return 1.0 - level, float(np.hypot(wrong, _UNKNOWN))
    usual = float(np.average(index[before], weights=weight_before))
    return 1.0 - level / usual, float(np.sqrt(wrong**2 + 1 / weight_before.sum() + _WANDERS**2))


def _open_or_weak(span: Span, n: float, fall: float, wrong: float) -> tuple[str, str]:
    """Class of what is low at all hours by how much: the share of a whole number of the strings in parallel, or another.

    Current tells no more: of an open string and of dirt on all of them the same share is lacking in any light, at any voltage.
    """
    size = f"{100 * fall:.1f} ± {100 * wrong:.1f} %"
    if n <= 1:
        return "weak string", f"low at all hours by {size}"
    count = round(fall * n)
    allowed = float(np.hypot(3.0 * wrong, _UNLIKE * count**0.5 / n))
    if count < 1 or abs(fall - count / n) > allowed:
        return "weak string", f"low at all hours by {size}, not as with a whole number of {n:.0f} strings open"
    either = " (or all are weak: the size is not known well enough to tell)" if allowed > 0.25 / n else ""
    return "open string", f"as {count} of {n:.0f} strings open{either}: low at all hours by {size}"


def _other_scale(scaled: Floats, here: Bools) -> bool:
    inside, outside = scaled[here], scaled[~here]
    if not (np.isfinite(inside).sum() >= 4 and np.isfinite(outside).sum() >= 4):
        return False
    return abs(float(np.nanmedian(inside) / np.nanmedian(outside)) - 1.0) > 0.1


def _profile(column: int, span: Span, beside: Compared, view: View, days: Days) -> str | None:
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


def _part_spans(column: int, usual: list[float], beside: Compared, view: View, days: Days, least: float) -> list[Span]:
    """Shadows that take too little of the day to show in the whole of it; ``usual`` is the median of each part."""
    out = []
    for part, middle in zip(beside.parts, usual, strict=True):
        index = part[:, column]
        if np.isfinite(index).sum() < 10:
            continue
        index = index / middle if middle > 0.5 else index
        noise = beside.noise[:, column] * 2.0
        low = np.zeros(len(index), bool)
        for s in segments_of(index, noise):
            if 1.0 - s.level > max(least, CERTAIN * s.deviation):
                low[s.first : s.stop] = True
        for first, stop in spans_of(low, gap=2):
            whole = beside.index[first:stop, column]
            if stop - first < 5 or not np.isfinite(whole).any():
                continue
            ratio = float(np.nanmedian(whole))
            span = Span(column, first, stop, ratio, CERTAIN, "shaded")
            profile = _profile(column, span, beside, view, days)
            if 1.0 - ratio > 0.01 and profile is not None:
                span.detail = profile
                out.append(span)
    return out


def _voltage_spans(beside: Compared, view: View, days: Days, least_days: int) -> list[Span]:
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
    size = v.shape[1]
    by_day = days.table(v)
    there = np.isfinite(by_day)
    count = there.sum(axis=2)
    enough = count >= 6
    daily = np.where(enough, median_last(days.table(ratio)), np.nan)
    known = np.maximum(count, 1)
    off = np.where(there, by_day - (np.where(there, by_day, 0.0).sum(axis=2) / known)[:, :, None], 0.0)
    spread = np.where(enough, np.sqrt((off * off).sum(axis=2) / known), np.nan)
    usual = median_of(spread, 3)
    moves = usual > 0.004 * np.nanmedian(middle)
    out: list[Span] = []
    apart = np.clip(beside.noise / median_down(beside.noise), 1.0, 4.0)
    for c in range(size):
        with np.errstate(invalid="ignore"):
            flat = moves & (spread[:, c] < _FLAT * usual)
        # days of little light in between tell nothing of it
        silent = ~moves | ~np.isfinite(spread[:, c])
        for first, stop in spans_of(flat, gap=0) if not silent.any() else _joined(flat, silent):
            if stop - first >= least_days:
                out.append(
                    Span(c, first, stop, float(np.nanmedian(beside.index[first:stop, c])), 10.0, "mppt stuck",
                          f"voltage stays at {np.nanmedian(view.voltage[rows_in(days, first, stop), c]):.0f} V")
                )  # fmt: skip
        out += _shorted(c, daily[:, c], apart[:, c], beside, view, least_days)
    return out


def rows_in(days: Days, first: int, stop: int) -> Bools:
    """Slots of the days [first, stop)."""
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
        ratio = v / median_of(v, 3)[:, None]
        apart = np.nanstd(ratio / median_down(ratio), axis=1)
    return bool(np.nanmedian(apart) < 2e-4) if np.isfinite(apart).any() else True


def _shorted(c: int, daily: Floats, apart: Floats, beside: Compared, view: View, least_days: int) -> list[Span]:
    own = noise_of(daily)
    if not np.isfinite(own):
        return []
    noise = np.maximum(own, 0.0008) * apart  # voltages of cloudy days differ more
    found = segments_of(daily, noise)
    lasting = [s.level for s in found if s.days >= max(7, 0.08 * np.isfinite(daily).sum())]
    usual = max(lasting, default=float(np.nanmedian(daily)))
    low = np.zeros(len(daily), bool)
    for s in found:
        off = 1.0 - s.level / usual
        current = np.nanmedian(beside.index[s.first : s.stop, c]) if s.stop > s.first else np.nan
        if off > max(_VOLTAGE, CERTAIN * s.deviation) and current > 0.95 and s.days >= least_days:
            low[s.first : s.stop] = True
    out = []
    for first, stop in spans_of(low, gap=1):
        ratio = float(np.nanmedian(daily[first:stop])) / usual
        thirds = (1.0 - ratio) * 3.0 * view.modules[c]
        text = f"voltage {100 * (1 - ratio):.1f} % low"
        if np.isfinite(thirds):
            text += f", {round(max(thirds, 1.0))} thirds of a module"
        out.append(Span(c, first, stop, ratio, 8.0, "shorted modules", text))
    return out


def _priority(spans: list[Span]) -> list[Span]:
    """One event of each time: the kind that goes before, with the days of the others that touch it where it is the same."""
    kept: list[Span] = []
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
