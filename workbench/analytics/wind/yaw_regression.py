"""The parabola of log power over the vane angle, and its peak; see :mod:`~workbench.analytics.wind.yaw_misalignment`."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from workbench.model.errors import InputError

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Times = npt.NDArray[np.datetime64]

_BIN = 0.5  # [m/s]
_UNKNOWN = (0.85, 1.0)  # reliability of a vane that nothing is known of
#: How likely it is that a nacelle follows nothing of what the wind does at its turbine alone: nobody knows, so a half.
_NOT_FOLLOWED = 0.5
_LEAST = 500  # slots, fewer do not tell a parabola from its noise


@dataclass(frozen=True)
class YawSettings:
    """Which slots count, and how.

    Attributes
    ----------
    lowest, highest
        Wind speeds count at which the median power is between these shares of the rating [1].
    largest_pitch
        Slots with so much more than the usual pitch in partial load do not count [degree].
    spread
        Slots whose power is so many (normalised median) deviations off do not count.
    largest_vane
        Slots farther from the median do not count [degree].
    reliability
        Range of the share of the vane's variance that is yaw error of the rotor, not noise [1]. If left out it is from
        what the neighbours confirm to 1, and without neighbours from 0.85 to 1. ``(1.0, 1.0)``: no noise.
    turbulence
        Whether turbulence, where its deviation is recorded, explains power as well: it raises the mean of v^3,
        and comes with large yaw errors.
    block
        Length of the blocks that simulations draw [day].
    """

    lowest: float = 0.06
    highest: float = 0.7
    largest_pitch: float = 1.0
    spread: float = 5.0
    largest_vane: float = 25.0
    reliability: tuple[float, float] | None = None
    turbulence: bool = True
    block: int = 3

    def __post_init__(self) -> None:
        if not 0 <= self.lowest < self.highest <= 1:
            raise InputError(
                "no range of power", where="settings", found=f"{self.lowest} to {self.highest}", expected="in [0, 1]"
            )
        for name in ("largest_vane", "spread", "block"):
            if not getattr(self, name) > 0:
                raise InputError("not positive", where=f"settings.{name}", found=getattr(self, name), expected="> 0")
        if self.reliability is not None and not 0 < self.reliability[0] <= self.reliability[1] <= 1:
            raise InputError(
                "no range of shares", where="settings.reliability", found=self.reliability, expected="in (0, 1]"
            )


@dataclass(frozen=True)
class YawFit:
    """What one turbine's slots tell."""

    angle: float = np.nan
    exponent: float = np.nan
    vane: float = np.nan
    reliability: tuple[float, float] = (np.nan, np.nan)
    anemometer_slope: float = np.nan
    anemometer_slope_std: float = np.nan
    draws: Floats = field(default_factory=lambda: np.zeros(0))
    speeds: Floats = field(default_factory=lambda: np.zeros(0))
    by_speed: Floats = field(default_factory=lambda: np.zeros(0))
    slots_by_speed: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    reason: str = ""


@dataclass(frozen=True)
class YawTurbine:
    """Slots of one turbine in partial load; angles in radian."""

    block: Ints
    logarithm: Floats  #: of the power
    speed: Floats
    bin: Ints  #: of the wind speed, from 0
    vane: Floats
    other: Floats | None  #: the yaw error as the neighbours see it, NaN where they do not
    turbulence: Floats | None
    neighbour: Floats | None  #: log of the neighbours' mean wind speed, NaN where not known
    settings: YawSettings
    reason: str = ""

    @property
    def slots(self) -> int:
        """Their number."""
        return len(self.vane)

    @classmethod
    def of(
        cls,
        time: Times,
        power: Floats,
        speed: Floats,
        vane: Floats,
        pitch: Floats | None,
        nacelle: Floats | None,
        gusts: Floats | None,
        column: int,
        rating: float,
        settings: YawSettings,
    ) -> YawTurbine:
        """From the slots of all turbines, dims (time, asset); ``pitch`` of the one alone, dims (time)."""
        p, v, w = power[:, column], speed[:, column], vane[:, column]
        keep = (p > 0) & (v > 0) & np.isfinite(w)
        number = np.floor(np.where(keep, v, 0.0) / _BIN).astype(np.int64)
        partial = _partial_load(p, number, keep, rating, settings)
        keep &= partial[np.minimum(number, len(partial) - 1)]
        if pitch is not None and keep.any():
            keep &= pitch <= np.nanmedian(pitch[keep]) + settings.largest_pitch
        if keep.any():
            keep &= np.abs(w - np.median(w[keep])) <= settings.largest_vane
        other = None
        if nacelle is not None and vane.shape[1] > 1 and settings.reliability is None:
            other = _neighbours(time, vane, nacelle, column, keep)
        turbulence = None
        if settings.turbulence and gusts is not None:
            with np.errstate(invalid="ignore", divide="ignore"):
                turbulence = np.log1p(3.0 * (gusts[:, column] / v) ** 2)
            if np.isfinite(turbulence[keep]).mean() > 0.5 if keep.any() else False:
                keep &= np.isfinite(turbulence)
            else:
                turbulence = None
        number = number - (int(number[keep].min()) if keep.any() else 0)
        day = time.astype("datetime64[D]").astype(np.int64)
        rows = np.flatnonzero(keep)
        if len(rows):
            with np.errstate(divide="ignore"):
                residual = _less(np.log(p[rows])[:, None], v[rows], number[rows])[:, 0]
            off = np.abs(residual - np.median(residual))
            rows = rows[off <= settings.spread * 1.4826 * np.median(off)]
        near = None
        if speed.shape[1] > 1:
            rest = np.delete(speed, column, axis=1)
            with np.errstate(invalid="ignore", divide="ignore"):
                near = np.log(np.where(np.isfinite(rest).all(axis=1), rest.mean(axis=1), np.nan))[rows]
        reason = "" if len(rows) >= _LEAST else f"{len(rows)} slots in partial load; {_LEAST} or more are needed"
        return cls(
            (day[rows] - day[0]) // settings.block if len(day) else day,
            np.log(p[rows]),
            v[rows],
            number[rows],
            np.deg2rad(w[rows]),
            None if other is None else other[rows],
            None if turbulence is None else turbulence[rows],
            near,
            settings,
            reason,
        )


def _partial_load(power: Floats, number: Ints, keep: Bools, rating: float, settings: YawSettings) -> Bools:
    """Which bins of wind speed have a median power within the range, dims (bin)."""
    size = int(number.max(initial=0)) + 1
    found = np.zeros(size, dtype=bool)
    rows = np.flatnonzero(keep)
    order = rows[np.argsort(number[rows], kind="stable")]
    starts = np.searchsorted(number[order], np.arange(size + 1))
    for one in range(size):
        inside = order[starts[one] : starts[one + 1]]
        if len(inside) >= 30:
            found[one] = settings.lowest <= float(np.median(power[inside])) / rating <= settings.highest
    return found


def _neighbours(time: Times, vane: Floats, nacelle: Floats, column: int, keep: Bools) -> Floats:
    """Mean wind direction of the others less the nacelle position, each about its mean of the month."""
    rows = np.flatnonzero(keep)
    found = np.full(len(time), np.nan)
    month = time[rows].astype("datetime64[M]").astype(np.int64)
    month = month - month.min(initial=0) if len(month) else month
    size = int(month.max(initial=0)) + 1
    total, count = np.zeros(len(rows)), np.zeros(len(rows))
    own = nacelle[rows, column]
    for other in range(vane.shape[1]):
        if other == column:
            continue
        angle = np.deg2rad(nacelle[rows, other] + vane[rows, other] - own)
        # nacelles have a north of their own, which is moved now and then
        known = np.isfinite(angle)
        east, ahead = (
            np.bincount(month[known], part(angle[known]), minlength=size).astype(np.float64)
            for part in (np.sin, np.cos)
        )
        off = angle - np.arctan2(east, ahead)[month]
        off -= 2 * np.pi * np.round(off / (2 * np.pi))
        there = np.abs(off) < 0.7
        total[there] += off[there]
        count[there] += 1
    with np.errstate(invalid="ignore", divide="ignore"):
        found[rows] = np.where(count > 0, total / count, np.nan)
    return found


def _less(columns: Floats, speed: Floats, number: Ints) -> Floats:
    """Columns, dims (slot, column), less a straight line of the wind speed in each bin of it."""
    size = int(number.max(initial=0)) + 1
    count = np.maximum(np.bincount(number, minlength=size), 1)
    x = speed - (np.bincount(number, speed, minlength=size) / count)[number]
    square = np.maximum(np.bincount(number, x * x, minlength=size), 1e-12)
    left = np.empty_like(columns)
    for one in range(columns.shape[1]):
        y = columns[:, one]
        y = y - (np.bincount(number, y, minlength=size) / count)[number]
        left[:, one] = y - (np.bincount(number, x * y, minlength=size) / square)[number] * x
    return left


def fit_yaw(turbine: YawTurbine, rng: np.random.Generator, simulations: int) -> YawFit:
    """The peak of the parabola, and of as many draws of blocks of days."""
    nothing = np.full(simulations, np.nan)
    if turbine.reason:
        return YawFit(draws=nothing, reason=turbine.reason)
    mean = float(turbine.vane.mean())
    x = turbine.vane - mean
    columns = [turbine.logarithm, x, x * x]
    if turbine.turbulence is not None:
        columns.append(turbine.turbulence)
    part = _less(np.stack(columns, axis=1), turbine.speed, turbine.bin)
    y, regressors = part[:, 0], part[:, 1:]
    size = int(turbine.block.max()) + 1
    used = np.flatnonzero(np.bincount(turbine.block, minlength=size))
    if len(used) < 5:
        few = f"data on {len(used)} blocks of {turbine.settings.block} days; 5 or more are needed"
        return YawFit(draws=nothing, reason=few)
    left = _sums(regressors, regressors, turbine.block, size)[used]
    right = _sums(regressors, y[:, None], turbine.block, size)[used]
    count = np.bincount(turbine.block, minlength=size)[used].astype(np.float64)
    shown = np.bincount(turbine.block, x, minlength=size)[used].astype(np.float64)
    variance = float(x.var())
    seen = _Seen.of(turbine, x, regressors, size, used)
    whole = np.ones((1, len(used)))
    low, middle, high = (seen.shares(whole, place) for place in (np.zeros(1), seen.middle(), np.ones(1)))
    angle, exponent = _peak(whole, left, right, count, shown, variance, *middle)
    if not np.isfinite(angle[0]):
        return YawFit(draws=nothing, reason="power does not fall off to either side of any vane angle")
    draws = nothing
    if simulations:
        drawn = rng.multinomial(len(used), np.full(len(used), 1 / len(used)), simulations).astype(np.float64)
        shares = seen.shares(drawn, seen.draw(rng, simulations))
        draws = _peak(drawn, left, right, count, shown, variance, *shares)[0]
    straight, square = float(middle[0][0]), float(middle[1][0])
    slope, slope_std = _anemometer(turbine, x, size, straight)
    speeds, by_speed, slots = _by_speed(turbine, part, float(exponent[0]), mean, straight, square)
    return YawFit(
        float(np.rad2deg(angle[0])),
        float(exponent[0]),
        float(np.rad2deg(mean)),
        (float(low[0][0]), float(high[0][0])),
        slope,
        slope_std,
        np.rad2deg(draws),
        speeds,
        by_speed,
        slots,
    )


@dataclass(frozen=True)
class _Seen:
    """What is known of how the rotor follows the vane: by block beside neighbours, or from settings alone."""

    sums: Floats | None  #: products of the vane, its square and what neighbours see of them, dims (block, 4)
    told: tuple[float, float]
    tail: float  #: fourth moment of the vane over its squared variance; 3 of a normal one

    @classmethod
    def of(cls, turbine: YawTurbine, x: Floats, part: Floats, size: int, used: Ints) -> _Seen:
        """From the vane and from it and its square less what the wind speed explains, dims (slot, 2)."""
        tail = float((x**4).mean() / x.var() ** 2) if x.var() > 0 else 3.0
        told = turbine.settings.reliability or _UNKNOWN
        if turbine.settings.reliability is not None or turbine.other is None:
            return cls(None, told, tail)
        known = np.flatnonzero(np.isfinite(turbine.other) & (np.abs(turbine.other) <= 0.7))
        if len(known) < max(_LEAST, 0.3 * len(x)):
            return cls(None, told, tail)
        other = turbine.other[known] - turbine.other[known].mean()
        seen = _less(np.stack([other, other * other], axis=1), turbine.speed[known], turbine.bin[known])
        own, block = part[known], turbine.block[known]
        products = [own[:, i] * two[:, i] for i in (0, 1) for two in (seen, own)]
        return cls(_sums_of(products, block, size)[used], told, tail)

    def shares(self, weights: Floats, place: Floats) -> tuple[Floats, Floats]:
        """By how much the yaw error follows the vane, and its square the vane's square, dims (draw).

        Slopes of regressions. Neighbours' view follows both by at least as much as is no noise: noise of the vane is not
        in it, nor is what the wind does at this turbine alone. Without it the square's is that of a noise added to
        the error: (k - 6 r (1 - r) - 3 (1 - r)^2 - r^2) / (k - 1) at reliability r, of a vane of fourth moment k;
        r^2 if normal. Tails lighter than that are cut by the controller with the noise in them, and count as normal.

        Parameters
        ----------
        weights
            Of the blocks, dims (draw, block).
        place
            Between the bounds [draw], 0 at the lower.
        """
        if self.sums is None:
            straight, tail = self.told[0] + place * (self.told[1] - self.told[0]), max(self.tail, 3.0)
            noise = 1.0 - straight
            return straight, (tail - 6 * straight * noise - 3 * noise**2 - straight**2) / (tail - 1)
        total = weights @ self.sums
        low, bent = (np.clip(total[:, i] / total[:, i + 1], least, 1.0) for i, least in ((0, 0.5), (2, 0.25)))
        return low + place * (1.0 - low), bent + place * (1.0 - bent)

    def middle(self) -> Floats:
        """Mean place between the bounds."""
        return np.full(1, 0.5 if self.sums is None else 0.5 * (1 - _NOT_FOLLOWED))

    def draw(self, rng: np.random.Generator, number: int) -> Floats:
        """Places between the bounds [draw], evenly; beside neighbours some at the lower: what they see is all there is."""
        even = rng.uniform(0, 1, number)
        return even if self.sums is None else np.maximum(even - _NOT_FOLLOWED, 0.0) / (1 - _NOT_FOLLOWED)


def _sums_of(columns: list[Floats], block: Ints, size: int) -> Floats:
    """Columns summed by block, dims (block, column)."""
    found: Floats = np.zeros((size, len(columns)))
    for place, one in enumerate(columns):
        found[:, place] = np.bincount(block, one, minlength=size)
    return found


def _sums(one: Floats, other: Floats, block: Ints, size: int) -> Floats:
    """Products of two sets of columns summed by block, dims (block, column, column)."""
    found = np.empty((size, one.shape[1], other.shape[1]))
    for i in range(one.shape[1]):
        for j in range(other.shape[1]):
            found[:, i, j] = np.bincount(block, one[:, i] * other[:, j], minlength=size)
    return found


def _peak(
    weights: Floats,
    left: Floats,
    right: Floats,
    count: Floats,
    shown: Floats,
    variance: float,
    straight: Floats,
    square: Floats,
) -> tuple[Floats, Floats]:
    """Angle of the peak less the mean vane [rad] and exponent, dims (draw); NaN without a peak.

    Power falls off by the yaw error, y = -n/2 (e^2 - 2 b e); of the vane x the error is ``straight`` x and its square
    ``square`` x^2, as regressions see them.
    """
    matrix = np.einsum("sb,bij->sij", weights, left)
    vector = np.einsum("sb,bij->sij", weights, right)
    try:
        solved = np.linalg.solve(matrix, vector)[..., 0]
    except np.linalg.LinAlgError:
        solved = np.full(matrix.shape[:2], np.nan)
    first, second = solved[:, 0], solved[:, 1]
    off = (weights @ shown) / (weights @ count)
    with np.errstate(invalid="ignore", divide="ignore"):
        angle = square / straight * np.where(second < 0, -first / (2 * second), np.nan) - straight * off
        # log cos b = -b^2/2 - b^4/12: the parabola through it has its peak a little too near
        true = variance * straight
        angle = angle * (1 + (2 / 3) * angle**2 / (1 + true + angle**2))
        exponent = np.where(second < 0, -2 * second / square / (1 + true + angle**2), np.nan)
    return np.where(np.abs(angle) < np.deg2rad(60), angle, np.nan), exponent


def _anemometer(turbine: YawTurbine, x: Floats, size: int, reliability: float) -> tuple[float, float]:
    """What the anemometer shows more per radian of yaw error, beside the neighbours', and its uncertainty."""
    if turbine.neighbour is None:
        return np.nan, np.nan
    known = np.isfinite(turbine.neighbour)
    if known.sum() < _LEAST:
        return np.nan, np.nan
    near = np.exp(turbine.neighbour[known])
    number = np.floor(near / _BIN).astype(np.int64)
    part = _less(np.stack([np.log(turbine.speed[known]), x[known]], axis=1), near, number - number.min())
    left, x, block = part[:, 0], part[:, 1], turbine.block[known]
    over, under = np.bincount(block, x * left, minlength=size), np.bincount(block, x * x, minlength=size)
    slope = float(over.sum() / under.sum())
    std = float(np.sqrt(((over - slope * under) ** 2).sum()) / under.sum())
    return slope / reliability, std / reliability


def _by_speed(
    turbine: YawTurbine, part: Floats, exponent: float, mean: float, straight: float, square: float
) -> tuple[Floats, Floats, Ints]:
    """Misalignment of each whole m/s with the exponent of all, dims (bin): speeds, angles [degree], slots."""
    number = np.round(turbine.speed).astype(np.int64)
    speeds = np.unique(number)
    angles, slots = np.full(len(speeds), np.nan), np.zeros(len(speeds), dtype=np.int64)
    for place, one in enumerate(speeds):
        rows = number == one
        slots[place] = rows.sum()
        if slots[place] < _LEAST:
            continue
        x = part[rows, 1]
        line = part[rows, 0] + exponent * square / 2 * part[rows, 2]
        peak = float((x * line).sum() / (x * x).sum()) / (exponent * straight)
        angles[place] = np.rad2deg(peak - straight * (turbine.vane[rows].mean() - mean))
    return speeds.astype(np.float64), angles, slots
