"""How different the free wind of turbines is, told from those that have it at the same time.

That all turbines would make the same without wakes is the assumption behind wake losses from operating data, and terrain
breaks it. How much is seen where two or more turbines have free wind together: their powers by wind direction differ,
and how alike these differences are in other directions says over what angle the terrain works. With this covariance,
taken to hold for the waked turbines as well, comes the uncertainty of the potential that the free turbines stand for;
it is most of the uncertainty of a wake loss.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench.analytics.wind.wake_kernel import together

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

_LEAST_SLOTS = 12  #: of a sector and half of the days


@dataclass(frozen=True)
class Heterogeneity:
    """Differences of the free power between turbines."""

    covariance: Floats  #: by the difference of two wind directions in sectors, dims (sector); [1]
    freedom: float  #: degrees of freedom it rests on

    @property
    def std(self) -> float:
        """Standard deviation of a turbine's free power by its direction, share of the farm's mean."""
        return float(np.sqrt(max(self.covariance[0], 0.0)))

    def draw(self, rng: np.random.Generator, turbines: int) -> Floats:
        """One possible farm: difference of each turbine from the mean by direction, dims (sector, asset)."""
        spectrum = np.sqrt(np.maximum(np.fft.fft(self.covariance).real, 0.0))
        size = len(self.covariance)
        noise = rng.normal(size=(size, turbines))
        field = np.fft.ifft(spectrum[:, None] * np.fft.fft(noise, axis=0), axis=0).real
        # the scale is itself known from few turbines only
        scale = np.sqrt(self.freedom / rng.chisquare(self.freedom))
        drawn: Floats = scale * field
        return drawn


def heterogeneity(
    sector: Ints, day: Ints, power: Floats, normal: Bools, free: Bools, expected: Floats | None = None
) -> Heterogeneity:
    """From slots in which two or more turbines have free wind.

    Parameters
    ----------
    sector, day
        dims (slot).
    power, normal
        dims (slot, asset): [kW]; whether it is in normal operation.
    free
        dims (sector, asset).
    expected
        dims (slot, asset): power [kW] that known speed-ups lead to expect; what is left is then the difference.

    Notes
    -----
    Within each sector, log of what a turbine made over the mean of the free ones, in the slots in which all free ones
    ran normally. The contrasts of k turbines have (1 - 1/k) of their variance, which is set right. They are taken from
    even and from odd days, and multiplied with each other: chance, which is not the same in both, then has no part.
    """
    sectors, turbines = free.shape
    made, count_of = together(sector, day % 2, power, normal, free)
    hoped = None if expected is None else together(sector, day % 2, expected, normal & np.isfinite(power), free)[0]
    halves = [_contrasts(made[one], count_of[one], free, None if hoped is None else hoped[one]) for one in (0, 1)]
    known = np.isfinite(halves[0][0]) & np.isfinite(halves[1][0])
    if not known.any():
        return Heterogeneity(np.zeros(sectors), 1.0)
    weight = halves[0][1] + halves[1][1]
    weights = known * np.sqrt(weight / weight.sum())[:, None]
    total, count = np.zeros(sectors), np.zeros(sectors)
    # circular covariance over the sectors, each turbine with itself
    for column in range(turbines):
        w = weights[:, column]
        one, other = (np.fft.fft(np.where(known[:, column], half[0][:, column], 0.0) * w) for half in halves)
        total += np.fft.ifft(one * other.conj()).real
        count += np.fft.ifft(np.abs(np.fft.fft(w)) ** 2).real
    total = 0.5 * (total + np.roll(total[::-1], 1))
    seen = count > 1e-6 * count[0]
    lags = np.arange(sectors)
    found = np.interp(lags, lags[seen], total[seen] / count[seen], period=sectors)
    # what cannot be a covariance is taken out: a negative power at a wave number
    covariance: Floats = np.fft.ifft(np.maximum(np.fft.fft(found).real, 0.0)).real
    if not (found[0] > 0 and covariance[0] > 0):
        return Heterogeneity(np.zeros(sectors), 1.0)
    covariance = covariance * (found[0] / covariance[0])
    alike = covariance / covariance[0]
    # directions that tell something new: of those measured, by how alike they are
    independent = max(1.0, known.any(axis=1).sum() / max(float((alike**2).sum()), 1.0))
    return Heterogeneity(covariance, max(1.0, (int(known.any(axis=0).sum()) - 1) * independent))


def _contrasts(made: Floats, slots: Ints, free: Bools, expected: Floats | None) -> tuple[Floats, Floats]:
    """Differences of the free turbines' power in each sector, dims (sector, asset), and the energy they rest on."""
    sectors, turbines = free.shape
    contrast, weight = np.full((sectors, turbines), np.nan), np.zeros(sectors)
    for one in range(sectors):
        who = np.flatnonzero(free[one])
        if len(who) < 2 or slots[one] < _LEAST_SLOTS or not (made[one, who] > 0).all():
            continue
        logs = np.log(made[one, who])
        if expected is not None:
            logs = logs - np.log(np.maximum(expected[one, who], 1e-9))
        contrast[one, who] = (logs - logs.mean()) * np.sqrt(len(who) / (len(who) - 1.0))
        weight[one] = made[one, who].sum()
    return contrast, weight
