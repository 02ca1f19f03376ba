"""Strings and inputs beside their peers: who is compared with whom, the usual share of each, and its index by days."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from workbench.analytics.solar.fault_fields import Bools, Days, Floats, Ints, median_of, numbers, texts
from workbench.analytics.solar.fault_segments import noise_of, segments_of

FEWEST = 4  #: in a group, to call one of them different from the others
_AROUND = 7  #: days before and after, whose median a day is held against
_MOST_APART = 0.12  #: difference of the contrast of mornings and evenings within one orientation


@dataclass(frozen=True)
class Peers:
    """One group: assets that get the same sun and run when the others run."""

    columns: Ints  #: of the data
    name: str
    #: whether they share one inverter or combiner; else one that stands is told from its own current
    together: bool


@dataclass
class Compared:
    """Assets of one group beside the median of the group."""

    reference: Floats  #: [slot] median of the group, each over its usual share; NaN where too few are known
    valid: Bools  #: [slot, asset] light enough, measured, and the parent runs
    stopped: Bools  #: [slot, asset] it stands, as one that is not compared within its own parent
    share: Floats  #: [asset] usual share of the reference
    index: Floats  #: [day, asset] what it gave of what its share says; NaN where too little is known
    parts: Floats  #: [part, day, asset] the same for morning, noon and evening
    noise: Floats  #: [day, asset] standard deviation of the index
    even: bool  #: whether the group's usual shares are alike, so that one that is low from the first day shows


def groups_of(
    data: xr.Dataset, values: Floats, days: Days, parent: str, orientation: str
) -> tuple[list[Peers], dict[int, str]]:
    """Groups of assets by parent and orientation; and why an asset is in none.

    Orientation is the coordinate ``orientation``, or tilt and azimuth; where none of them is there it is told from how much
    of its energy an asset gives before noon. An asset with too few peers at its own parent is compared with all of its orientation.
    """
    parents = texts(data, parent)
    facing = texts(data, orientation)
    if not any(facing) and "azimuth" in data.coords:
        tilt, azimuth = numbers(data, "tilt"), numbers(data, "azimuth")
        facing = [f"{round(a / 5) * 5:g}/{round(t / 5) * 5:g}" for a, t in zip(azimuth, tilt, strict=True)]
    if not any(facing):
        facing = _facing(values, days)
    kinds = texts(data, "asset_type")
    whole = [k == "inverter" for k in kinds]
    key = np.array([f"{p}|{f}" for p, f in zip(parents, facing, strict=True)])
    facing_, alone = np.array(facing), []
    out = []
    for name in dict.fromkeys(key.tolist()):
        columns = np.flatnonzero(key == name)
        if len(columns) >= FEWEST and not any(whole[c] for c in columns):
            out.append(Peers(columns, name, together=True))
        else:
            alone.extend(columns.tolist())
    reasons: dict[int, str] = {}
    for name in dict.fromkeys(facing_[alone].tolist()):
        columns = np.flatnonzero(facing_ == name)
        lone = [c for c in alone if facing_[c] == name]
        if len(columns) >= FEWEST:
            out.append(
                Peers(columns, f"|{name}", together=len(set(np.array(parents)[columns])) <= 1 and not any(whole))
            )
        else:
            reasons |= {
                c: f"{len(columns)} of its orientation: {FEWEST} are needed to compare, it is not judged" for c in lone
            }
    return out, reasons


def _facing(values: Floats, days: Days) -> list[str]:
    """A name per orientation, by how energy lies before and after noon: levels of the contrast that lie apart."""
    early, late = (days.phase < -0.75)[:, None], (days.phase > 0.75)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        positive = np.clip(np.nan_to_num(values), 0, None)
        am, pm = days.sums(positive * early), days.sums(positive * late)
        contrast = np.nanmedian(np.where(am + pm > 0, (pm - am) / (am + pm), np.nan), axis=0)
    contrast = np.nan_to_num(contrast, nan=float(np.nanmedian(contrast)) if np.isfinite(contrast).any() else 0.0)
    order = np.argsort(contrast)
    step = np.r_[0, np.cumsum(np.diff(contrast[order]) > _MOST_APART)]
    level = np.empty(len(order), int)
    level[order] = step
    return [f"orientation {n + 1}" for n in level]


def compared(
    values: Floats, days: Days, group: Peers, *, low_light: float, parallel: Floats, clipped: Bools | None
) -> Compared:
    """``values`` [slot, asset of the group] beside the median of the group.

    The usual share of each is its level on days on which nothing was wrong; see :func:`_usual`.
    """
    q = values / parallel
    size = q.shape[1]
    top = np.nanquantile(np.where(q > 0, q, np.nan), 0.9, axis=0) if np.isfinite(q).any() else np.ones(size)
    middle = np.nanmedian(top)
    # one that never gives anything, or a fault of the sensor, does not make its own yardstick
    share = np.where(np.isfinite(top) & (top > 0.2 * middle), top, middle)
    running = q
    if clipped is not None:
        running = np.where(clipped, np.nan, running)
    stopped = np.zeros(q.shape, dtype=bool)
    if not group.together:
        stands = running < 0.02 * middle
        # the slots beside a stop are stopped in part
        zero = stands.copy()
        stands[1:] |= zero[:-1]
        stands[:-1] |= zero[1:]
        stopped = stands & _bright(running / share, low_light)[:, None]
        running = np.where(stopped, np.nan, running)
    least = max(3, int(np.ceil(0.3 * size)))
    even, found = False, np.zeros((0, size))
    for _ in range(3):
        reference = median_of(running / share, least)
        weight = _weight(running, reference, share)
        valid, found, _ = _daily(running, reference, share, days, low_light, weight)
        share, even = _usual(found, share)
    reference = median_of(running / share, least)
    weight = _weight(running, reference, share)
    valid, index, covered = _daily(running, reference, share, days, low_light, weight)
    index = np.where(covered >= 0.25, index, np.nan)
    parts = []
    for part in (days.phase < -1.25, np.abs(days.phase) <= 1.25, days.phase > 1.25):
        _, one, cover = _daily(running, np.where(part, reference, np.nan), share, days, low_light, weight)
        parts.append(np.where(cover >= 0.25, one, np.nan))
    whole = np.array(parts)
    return Compared(reference, valid, stopped, share * parallel, index, whole, _noise(index, covered), even)


def _bright(values: Floats, low_light: float) -> Bools:
    """Slots in which some of the group give what the light says."""
    high = np.nanmax(np.where(np.isfinite(values), values, -np.inf), axis=1)
    top = np.quantile(high[np.isfinite(high)], 0.98) if np.isfinite(high).any() else 0.0
    return np.asarray(high > low_light * top)


def _weight(q: Floats, reference: Floats, share: Floats) -> Floats:
    """How much each slot tells, [slot]: less where clouds or low sun put the peers apart."""
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = 1.4826 * median_of(np.abs(q / share / reference[:, None] - 1.0), 3)
        bright = reference > 0.5 * np.quantile(reference[np.isfinite(reference)], 0.98)
    usual = np.nanquantile(apart[bright], 0.25) if np.isfinite(apart[bright]).any() else np.nan
    if not usual > 0:
        return np.ones(len(apart))
    near = np.nan_to_num(apart, nan=float(np.nanmax(apart)))  # of few peers it is known badly
    near[1:-1] = (near[:-2] + near[1:-1] + near[2:]) / 3.0
    return np.asarray(np.maximum(1.0 / (1.0 + (near / (2.0 * usual)) ** 2), 0.01))


def _daily(
    q: Floats, reference: Floats, share: Floats, days: Days, low_light: float, weight: Floats
) -> tuple[Bools, Floats, Floats]:
    """Which slots count; sums by day over those of the reference; and how much of the reference they cover."""
    known = np.isfinite(reference)
    top = np.quantile(reference[known], 0.98) if known.any() else np.nan
    with np.errstate(invalid="ignore"):
        light = known & (reference > low_light * top)
        valid = light[:, None] & np.isfinite(q)
        usual = np.where(light, reference * weight, 0.0)
        base = days.sums(np.where(valid, usual[:, None], 0.0))
        whole = days.sums(usual[:, None])
        found = days.sums(np.where(valid, q * weight[:, None], 0.0)) / np.where(base > 0, base, np.nan) / share
        covered = base / np.where(whole > 0, whole, np.nan)
        energy = days.sums(np.where(light, reference, 0.0)[:, None])
    # a day of hardly any light tells nothing
    usual = np.nanmedian(np.where(energy > 0, energy, np.nan))
    covered = np.where(energy > 0.03 * usual, covered, np.nan)
    return valid, found, np.nan_to_num(covered)


def _noise(index: Floats, covered: Floats) -> Floats:
    """Standard deviation of each day's index: of the asset, more on days on which all of the group scatter, or half is missing."""
    own = np.array([noise_of(column) for column in index.T])
    usual = float(np.nanmedian(own)) if np.isfinite(own).any() else 0.01
    own = np.where(np.isfinite(own), own, usual)
    size = np.clip(own / usual, 0.7, 3.0) if usual > 0 else np.ones(len(own))
    apart = 1.4826 * median_of(np.abs(index - _around(index)))
    day = np.fmax(apart, usual)
    noise = np.maximum(size[None, :] * day[:, None], 0.002)
    return np.asarray(noise / np.sqrt(np.clip(covered, 0.05, 1.0)), dtype=np.float64)


def _around(index: Floats) -> Floats:
    """Median of the days around each, [day, asset]."""
    padded = np.pad(index, ((_AROUND, _AROUND), (0, 0)), constant_values=np.nan)
    near = np.lib.stride_tricks.sliding_window_view(padded, 2 * _AROUND + 1, axis=0)
    return median_of(near.reshape(-1, near.shape[-1])).reshape(index.shape)


def _usual(index: Floats, share: Floats) -> tuple[Floats, bool]:
    """The share of each asset on days on which nothing was wrong, and whether the group's are alike.

    Of levels that last, the highest that the group's spread allows: a fault takes away. Where assets of a group are not alike
    (another number of modules in parallel), it is the first that lasts.
    """
    noise = _noise(index, np.isfinite(index).astype(float))
    levels: list[list[tuple[float, int]]] = []
    for column in range(index.shape[1]):
        days = int(np.isfinite(index[:, column]).sum())
        found = segments_of(index[:, column], noise[:, column])
        level, length = np.array([s.level for s in found]), np.array([s.days for s in found])
        alike = (np.abs(level[None, :] - level[:, None]) < 0.015 * np.abs(level)[:, None]) @ length
        enough = min(max(7, 0.04 * days), max(days - 1, 1))
        lasting = [(s.level, s.days) for s, n in zip(found, alike, strict=True) if n >= enough]
        levels.append(lasting or [(s.level, s.days) for s in found])
    tops = np.array([max((level for level, _ in one), default=np.nan) for one in levels]) * share
    middle = float(np.nanmedian(tops))
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = float(1.4826 * np.nanmedian(np.abs(np.log(np.where(tops > 0, tops, np.nan) / middle))))
    even = bool(np.isfinite(spread) and spread < 0.05)
    most = 1.0 + max(0.08, 3 * spread)
    out = share.copy()
    for column, one in enumerate(levels):
        if not one:
            continue
        sizes = np.array([(level * share[column], days) for level, days in one])
        if not even:
            first = sizes[sizes[:, 0] > 0.1 * middle]
            out[column] = first[0, 0] if len(first) else middle
            continue
        fit = sizes[sizes[:, 0] <= most * middle]
        high = fit[:, 0].max() if len(fit) else middle
        if high < middle / most:  # never as the others are
            out[column] = middle
            continue
        near = fit[fit[:, 0] >= 0.965 * high]
        out[column] = float((near[:, 0] * near[:, 1]).sum() / near[:, 1].sum())
    return out, even
