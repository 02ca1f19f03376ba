"""Static yaw misalignment by cosine curves through bins of the vane, as OpenOA 3.2 does it.

Slots in partial load are put into bins of wind speed and of vane angle; through the mean power (or power
coefficient) of the vane bins a curve A cos(v - v0)^n is laid [1]_. The misalignment of a wind speed is v0 less the
mean vane angle there, that of the turbine the mean over the wind speeds.

The method has no vane noise, gives each wind speed the same weight however few slots it has, and fits an exponent of
its own to each, so that it strays by degrees near rated power. It is here for comparison; see
:mod:`~workbench.analytics.wind.yaw_misalignment` for the better one.

References
----------
.. [1] OpenOA 3.2, ``StaticYawMisalignment``: J. Perr-Sauer, M. Optis, J. M. Fields, N. Bodini et al., "OpenOA: An
   Open-Source Codebase For Operational Analysis of Wind Farms", Journal of Open Source Software 6(58), 2171,
   https://doi.org/10.21105/joss.02171.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench.model.errors import InputError

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

_RAD = np.pi / 180.0


@dataclass(frozen=True)
class CosineBins:
    """Settings of the cosine curves; the defaults are those of OpenOA 3.2.

    Attributes
    ----------
    wind_speeds
        Centres of the bins of wind speed [m/s].
    wind_speed_width, vane_width
        Widths of the bins [m/s], [degree].
    least
        A vane bin counts with more slots than this.
    largest_vane
        Bins farther from zero do not count [degree].
    largest_pitch
        Slots with more do not count [degree].
    power_bins, lowest, highest
        Outliers are looked for in so many bins of power between these shares of the rating [1].
    spread
        Median absolute deviations from the median wind speed of the power bin beyond which a slot is an outlier.
    power_coefficient
        Curves through power / wind speed^3 instead of power.
    drawn_highest, drawn_spread
        Ranges that simulations draw ``highest`` (in steps of 0.01) and ``spread`` (whole numbers) from, evenly.
    """

    wind_speeds: tuple[float, ...] = (5.0, 6.0, 7.0, 8.0)
    wind_speed_width: float = 1.0
    vane_width: float = 1.0
    least: int = 100
    largest_vane: float = 25.0
    largest_pitch: float = 0.5
    power_bins: int = 25
    lowest: float = 0.01
    highest: float = 0.95
    spread: float = 7.0
    power_coefficient: bool = False
    drawn_highest: tuple[float, float] = (0.92, 0.98)
    drawn_spread: tuple[int, int] = (4, 10)

    def __post_init__(self) -> None:
        if not self.wind_speeds:
            raise InputError("no wind speed", where="bins.wind_speeds", expected="centres of bins [m/s]")
        for name in ("wind_speed_width", "vane_width", "largest_vane", "spread"):
            if not getattr(self, name) > 0:
                raise InputError("not positive", where=f"bins.{name}", found=getattr(self, name), expected="> 0")
        if self.power_bins < 1:
            raise InputError("no bin", where="bins.power_bins", found=self.power_bins, expected="1 or more")
        for name, high in (("highest", self.highest), ("drawn_highest", min(self.drawn_highest))):
            if not 0 <= self.lowest < high:
                raise InputError("no range of power", where=f"bins.{name}", found=high, expected=f"> {self.lowest}")


@dataclass(frozen=True)
class CosineFits:
    """Curves of one turbine, dims (simulation, wind speed); a simulation without draws is the first of one."""

    misalignment: Floats  #: [degree]; NaN where fewer than three vane bins count
    vane: Floats  #: mean angle [degree]
    exponent: Floats
    slots: Ints
    vane_bins: Ints  #: that count


@dataclass(frozen=True)
class CosineTurbine:
    """The slots of one turbine with little pitch, all four values finite [kW, m/s, degree]."""

    power: Floats
    speed: Floats
    vane: Floats
    rating: float
    settings: CosineBins

    @classmethod
    def of(
        cls, power: Floats, speed: Floats, vane: Floats, pitch: Floats | None, rating: float, settings: CosineBins
    ) -> CosineTurbine:
        """From all slots, dims (time)."""
        keep = np.isfinite(power) & (speed > 0) & np.isfinite(vane)
        if pitch is not None:
            keep &= pitch <= settings.largest_pitch
        return cls(power[keep], speed[keep], vane[keep], rating, settings)

    def _limits(self, highest: float) -> tuple[Floats, Floats]:
        """Median and median absolute deviation of the wind speed in the power bin of each slot.

        Slots outside of the range of power have an infinite deviation: they are no outliers.
        """
        one = self.settings
        low, high = one.lowest * self.rating, highest * self.rating
        width = (highest - one.lowest) / one.power_bins * self.rating
        edges = np.unique(np.clip(np.append(np.arange(low, high, width), high), low, high))
        where = np.searchsorted(edges, self.power, side="left")
        median, deviation = np.zeros(len(where)), np.full(len(where), np.inf)
        order = np.argsort(where, kind="stable")
        starts = np.searchsorted(where[order], np.arange(len(edges) + 1))
        for number in range(1, len(edges)):
            rows = order[starts[number] : starts[number + 1]]
            if len(rows):
                middle = float(np.median(self.speed[rows]))
                median[rows] = middle
                deviation[rows] = float(np.median(np.abs(self.speed[rows] - middle)))
        return median, deviation

    def fit(self, rng: np.random.Generator | None = None, simulations: int = 1) -> CosineFits:
        """Curves of all slots; with ``rng`` of slots drawn with replacement, filters drawn as well."""
        one = self.settings
        vane_bin = np.round(self.vane / one.vane_width)
        reach = int(np.floor(one.largest_vane / one.vane_width + 1e-9))
        inside = np.abs(one.vane_width * vane_bin) <= one.largest_vane
        size = 2 * reach + 2  # the last for angles too large
        cell = np.where(inside, vane_bin + reach, size - 1).astype(np.int64)
        worth = self.power / self.speed**3 if one.power_coefficient else self.power
        centres = np.asarray(one.wind_speeds)
        rows_of = [
            np.flatnonzero((self.speed >= c - one.wind_speed_width / 2) & (self.speed < c + one.wind_speed_width / 2))
            for c in centres
        ]
        if rng is None:
            spreads, highs = np.full(1, one.spread), np.full(1, one.highest)
        else:
            spreads = rng.integers(one.drawn_spread[0], one.drawn_spread[1] + 1, simulations).astype(np.float64)
            low, high = (round(100 * share) for share in one.drawn_highest)
            highs = rng.integers(low, high + 1, simulations) / 100.0
        shape = (len(spreads), len(centres))
        count, total = np.zeros((*shape, size)), np.zeros((*shape, size))
        mean, slots = np.full(shape, np.nan), np.zeros(shape, dtype=np.int64)
        limits: dict[float, tuple[Floats, Floats]] = {}
        for number, (spread, highest) in enumerate(zip(spreads, highs, strict=True)):
            if highest not in limits:
                limits[highest] = self._limits(highest)
            median, deviation = limits[highest]
            far = deviation * spread
            usual = ~((self.speed > median + far) | (self.speed < median - far))
            for column, rows in enumerate(rows_of):
                taken = rows[usual[rows]]
                if not len(taken):
                    continue
                if rng is not None:
                    taken = taken[rng.integers(0, len(taken), len(taken))]
                where = cell[taken]
                count[number, column] = np.bincount(where, minlength=size)
                total[number, column] = np.bincount(where, worth[taken], minlength=size)
                mean[number, column] = self.vane[taken].mean()
                slots[number, column] = len(taken)
        used = count[..., :-1] > one.least
        with np.errstate(invalid="ignore", divide="ignore"):
            height = np.where(used, total[..., :-1] / count[..., :-1], 0.0)
        angles = one.vane_width * np.arange(-reach, reach + 1, dtype=np.float64)
        peak, exponent = fit_cosines(angles, height.reshape(-1, size - 1), used.reshape(-1, size - 1))
        return CosineFits(peak.reshape(shape) - mean, mean, exponent.reshape(shape), slots, used.sum(axis=-1))


def fit_cosines(angles: Floats, height: Floats, used: Bools) -> tuple[Floats, Floats]:
    """Least squares of y = A cos(x - x0)^n, many at once by Levenberg-Marquardt.

    Parameters
    ----------
    angles
        x, dims (bin) [degree].
    height, used
        y and whether it counts, dims (curve, bin).

    Returns
    -------
    x0 [degree] and n of each curve, from the start A = max y, x0 = 0, n = 2; NaN with fewer than three bins or where
    no y is positive.
    """
    enough = np.flatnonzero((used.sum(axis=1) >= 3) & (np.where(used, height, -np.inf).max(axis=1) > 0))
    found = np.full((2, len(height)), np.nan)
    if not len(enough):
        return found[0], found[1]
    y, w = height[enough], used[enough].astype(np.float64)
    y = y / np.where(w > 0, y, -np.inf).max(axis=1)[:, None]
    x = angles * _RAD
    best = np.tile([1.0, 0.0, 2.0], (len(y), 1))
    damping = np.full(len(y), 1e-3)
    cost = (w * (y - _cosines(x, best)[0]) ** 2).sum(axis=1)
    open_ = np.arange(len(y))  # curves that still move
    for _ in range(200):
        p, yo, wo = best[open_], y[open_], w[open_]
        value, cosine = _cosines(x, p)
        slope = np.stack(
            [value / p[:, 0, None], value * p[:, 2, None] * np.tan(x - p[:, 1, None]), value * np.log(cosine)], axis=1
        )
        weighted = slope * wo[:, None, :]
        gram = weighted @ slope.transpose(0, 2, 1)
        right = weighted @ (yo - value)[..., None]
        gram[:, range(3), range(3)] *= 1 + damping[open_, None]
        gram[:, range(3), range(3)] += 1e-14
        change = np.linalg.solve(gram, right)[..., 0]
        trial = p + change
        trial[:, 0] = np.maximum(trial[:, 0], 1e-6)
        trial[:, 1] = np.clip(trial[:, 1], -1.4, 1.4)
        new = (wo * (yo - _cosines(x, trial)[0]) ** 2).sum(axis=1)
        better = new <= cost[open_]
        won = open_[better]
        best[won], cost[won] = trial[better], new[better]
        damping[open_] = np.where(better, damping[open_] / 10, damping[open_] * 10).clip(1e-12, 1e13)
        moves = ~(better & (np.abs(change).max(axis=1) < 1e-9)) & (damping[open_] < 1e12)
        open_ = open_[moves]
        if not len(open_):
            break
    found[0, enough] = best[:, 1] / _RAD
    found[1, enough] = best[:, 2]
    return found[0], found[1]


def _cosines(x: Floats, p: Floats) -> tuple[Floats, Floats]:
    """A cos(x - x0)^n of parameters with dims (curve, 3), and cos(x - x0)."""
    cosine = np.maximum(np.cos(x[None, :] - p[:, 1, None]), 1e-9)
    return p[:, 0, None] * cosine ** p[:, 2, None], cosine
