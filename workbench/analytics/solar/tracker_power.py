"""What the course of a day's power tells of a tracker: the angle at which it stands, or by which it is off."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import xarray as xr

from workbench.analytics.solar.fault_fields import Bools, Days, Floats, Ints, field, median_of
from workbench.analytics.solar.tracker_sky import Sky, gain_of

_ANGLES = np.arange(-60.0, 60.1, 5.0)  #: at which a tracker may stand [degree]
_OFFSETS = np.array([-30, -25, -20, -15, -10, -7.5, 7.5, 10, 15, 20, 25, 30.0])  #: by which it may be off [degree]
_BEAM = (0.5, 1.5)  #: what the beam may do to one that stands, of what the sky says
FEWEST = 4  #: trackers, to compare one of them with the others
_DOUBT = 3  #: days in a row on which power and position contradict each other
_TELLING = 10.0  #: distance of a position from where it should be, that power would show [degree]
_SAME = 12.5  #: between two angles told from power that may be the same [degree]


@dataclass
class Daily:
    """What each day says of each tracker, [day, asset]."""

    fault: np.ndarray  #: code, 0 for none; -1 where the day does not tell
    angle: Floats  #: at which it stood, or by which it was off [degree]
    error: Floats  #: usual distance from where it should be [degree]
    lean: Ints | None = None  #: code of what its power looks like, though too little for one day to tell; as ``fault``
    leans: Floats | None = None  #: the angle of that [degree]
    #: where its position is not believed, what its power says: 1 it stands, 2 it is off, -1 it tracks; else 0
    instead: Ints | None = None


def by_power(data: xr.Dataset, power: Floats, days: Days, sky: Sky, names: list[str]) -> tuple[Daily, dict[str, str]]:
    """The angle or offset that fits each day's course of power best; see Notes of :func:`tracker_faults`."""
    total, size = len(days.dates), power.shape[1]
    out = Daily(np.full((total, size), -1, np.int8), np.full((total, size), np.nan), np.full((total, size), np.nan))
    reference, scale, own = _reference(data, power, days)
    if reference is None:
        text = f"{size} trackers and no irradiance_poa: four are needed to compare, or the irradiance"
        return out, dict.fromkeys(names, text)
    use = np.isfinite(reference) & (sky.elevation > 8.0)
    weight = np.where(use, np.nan_to_num(reference), 0.0)
    weight = weight / max(float(weight.max()), 1e-9)
    beam = days.sums((weight * sky.beam)[:, None])[:, 0] / np.maximum(days.sums(weight[:, None])[:, 0], 1e-9)
    light = days.sums(weight[:, None])[:, 0]
    bright = light > 0.25 * np.nanmedian(light)
    telling = bright & (beam > 0.3)
    weight = weight * sky.beam  # the angle shows in the beam, and in the rest what is not known of the sky
    sun = days.sums(weight[:, None])[:, 0]
    labels = np.r_[np.zeros(1), _ANGLES, _OFFSETS]
    kinds = np.r_[[0], np.ones(len(_ANGLES)), np.full(len(_OFFSETS), 2)].astype(np.int8)
    nulls, covered = np.full((total, size), np.nan), np.zeros((total, size), bool)
    best, fits = np.zeros((2, total, size), np.int64), np.full((2, total, size), np.nan)
    even = np.full((total, size), np.nan)
    for where in sky.places:
        gains = np.stack(
            [
                np.ones(len(power)),
                *(gain_of(sky, where, at) for at in _ANGLES),
                *(gain_of(sky, where, None, d) for d in _OFFSETS),
            ]
        )
        off = np.nan_to_num(gains, nan=1.0) - 1.0
        for c in np.flatnonzero(sky.place == where):
            with np.errstate(invalid="ignore", divide="ignore"):
                ratio = power[:, c] / (scale[c] * np.nan_to_num(reference, nan=np.inf))
            # what stands or is clipped tells nothing of the angle
            good = use & np.isfinite(ratio) & (ratio > 0.02) & ~own[:, c]
            w = np.where(good, weight, 0.0)
            r = np.where(good, ratio - 1.0, 0.0)
            there = days.sums(w[:, None])
            covered[:, c] = there[:, 0] > 0.5 * sun
            null, along = days.sums((w * r * r)[:, None]), days.sums((w * r * off).T)
            square = days.sums((w * off * off).T)
            some = np.maximum(there[:, 0], 1e-9)
            nulls[:, c] = np.sqrt(null[:, 0] / some)
            even[:, c] = np.sqrt(np.clip(null[:, 0] - days.sums((w * r)[:, None])[:, 0] ** 2 / some, 0, None) / some)
            # as the sky says; and, of those that stand, with more or less beam than it says: under clouds that is known badly
            much = np.where(kinds == 1, np.clip(along / np.maximum(square, 1e-9), *_BEAM), 1.0)
            for n, k in enumerate((np.ones_like(much), much)):
                misfit = np.clip(null - 2 * k * along + k * k * square, 0, None)
                best[n, :, c] = np.argmin(misfit, axis=1)
                fits[n, :, c] = np.sqrt(misfit.min(axis=1) / some)
    usual = np.nanmedian(np.where(telling[:, None] & covered, nulls, np.nan), axis=0)
    far = nulls > np.fmax(4.0 * usual, 0.035)
    # far from the course of a tracked one, and much nearer to that of another angle: the sky is not known well enough for more;
    # and nearer than to one that lacks the same share at all hours, as with a string that is open
    found = far & (nulls > 1.6 * fits[0]) & (even > 1.25 * fits[0])
    # off, but like no angle: not told
    verdict = np.where(found, kinds[best[0]], np.where(far, -1, 0))
    out.fault[:] = np.where(covered & telling[:, None], verdict, -1)
    out.angle[:] = labels[best[0]]
    if size >= FEWEST:
        apart = median_of(np.where(covered, nulls, np.nan), 3)[:, None]
        seen = (nulls > np.fmax(1.2 * apart, 0.02)) & (nulls > 1.3 * fits[0]) & (even > 1.1 * fits[0])
        out.lean = np.where(
            covered & telling[:, None], np.where(found | seen, kinds[best[0]], np.minimum(verdict, 0)), -1
        )
        out.leans = labels[best[0]]
        # a day of clouds tells of one that is much farther off than those beside it
        again = (out.fault < 0) & covered & (sun > 0.05 * np.nanmedian(sun))[:, None] & far & (nulls > 4.0 * apart)
        again &= (nulls > 1.6 * fits[1]) & (even > 1.25 * fits[1]) & (kinds[best[1]] == 1)
        out.fault[again], out.angle[again] = 1, labels[best[1]][again]
    out.angle[out.fault < 0] = np.nan
    return out, {}


def _reference(data: xr.Dataset, power: Floats, days: Days) -> tuple[Floats | None, Floats, Bools]:
    """Power that a tracked one has, over its usual share; the shares; and slots in which an asset stands."""
    size = power.shape[1]
    top = np.nanquantile(np.where(power > 0, power, np.nan), 0.9, axis=0)
    top = np.where(np.isfinite(top) & (top > 0), top, np.nanmedian(top))
    stands = power < 0.02 * top
    if size >= FEWEST:
        scale = top
        for _ in range(3):
            reference = median_of(np.where(stands, np.nan, power) / scale, 3)
            base = days.sums(np.where(np.isfinite(power) & ~stands, np.nan_to_num(reference)[:, None], 0.0))
            got = days.sums(np.where(np.isfinite(reference)[:, None] & ~stands, power, 0.0))
            with np.errstate(invalid="ignore", divide="ignore"):
                daily = np.where(base > 0.1 * np.nanmax(base, axis=0), got / base, np.nan)
            # most days are without a fault, or the best of them are
            scale = np.nanquantile(daily, 0.6, axis=0)
            scale = np.where(np.isfinite(scale) & (scale > 0), scale, top)
        return reference, scale, stands
    poa = field(data, "irradiance_poa", "inverter")
    if poa is None:
        return None, top, stands
    reference = median_of(poa) / 1000.0
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(reference[:, None] > 0.3, power / reference[:, None], np.nan)
    return reference, np.nanmedian(ratio, axis=0), stands


def doubted(daily: Daily, by: Daily, code: int) -> Daily:
    """``daily``, as positions say it, with ``code`` where power contradicts them on days in a row, each time in the same way.

    Either the power is that of one that stands or is off while its position is where it should be: then the angle is the power's. Or
    the position is off by so much that power would show it, and the power is that of one that tracks.
    """
    fault, angle, instead = daily.fault.copy(), daily.angle.copy(), np.zeros(daily.fault.shape, np.int64)
    if by.lean is None or by.leans is None:
        return daily
    hidden = (daily.fault == 0) & (by.lean > 0)
    seeming = np.isin(daily.fault, (1, 2)) & (by.lean == 0) & (daily.error > _TELLING)
    for c in range(fault.shape[1]):
        told = np.flatnonzero((by.lean[:, c] >= 0) & (daily.fault[:, c] >= 0))
        says = np.where(hidden[told, c], by.lean[told, c], np.where(seeming[told, c], -1, 0))
        at = np.where(hidden[told, c], by.leans[told, c], daily.angle[told, c])
        cuts = (says[1:] != says[:-1]) | (np.abs(np.diff(at)) > _SAME)
        edges = np.r_[0, np.flatnonzero(cuts) + 1, len(told)] if len(told) else np.zeros(1, int)
        for first, stop in pairwise(edges.tolist()):
            if says[first] == 0 or stop - first < _DOUBT:
                continue
            days = slice(told[first], told[stop - 1] + 1)
            fault[days, c], angle[days, c], instead[days, c] = code, np.median(at[first:stop]), says[first]
            # what its position says until the next day on which the power tells is not believed
            fault[days.stop : told[stop] if stop < len(told) else len(fault), c] = -1
    return Daily(fault, angle, daily.error, instead=instead)
