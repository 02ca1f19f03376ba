"""How different the free wind of turbines is, told from those that have it at the same time.

That all turbines would make the same without wakes is the assumption behind wake losses from operating data, and terrain
breaks it: it is most of their uncertainty. Where two or more turbines have free wind together the difference is seen. It
is taken for a random field over turbine and wind direction, alike for all turbines, independent between them, with a part
that does not depend on direction and one that does [1]_. Its variance, the share of the first part and the angle of the
second are not known well from a handful of turbines; they are drawn from their posterior on a grid. Given them, the field
is drawn on condition of what was seen, so that a turbine that makes more than others whenever both are free is expected
to when it stands in a wake as well.

References
----------
.. [1] C. E. Rasmussen, C. K. I. Williams, "Gaussian Processes for Machine Learning", MIT Press, 2006, chapters 2 and 5,
   http://gaussianprocess.org/gpml/.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench.analytics.wind.wake_kernel import together

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

_LEAST_SLOTS = 12  #: of a sector
_MOST_SEEN = 500  #: contrasts; beyond, every second sector is taken, and so on
#: What is possible beforehand: standard deviation of a turbine's power, with what logarithmic mean and width; share of it
#: that holds for all directions and angle of the rest [deg], all alike. Turbines of one farm differ by one to five
#: hundredths in wind speed as a rule, and by about twice that in power; a factor of two either way is usual.
_STD: Floats = np.geomspace(0.004, 0.4, 19)
_USUAL_STD, _FACTOR = 0.045, 2.0
_ALWAYS = (0.1, 0.3, 0.5, 0.7, 0.9)
_ANGLE = (15.0, 30.0, 60.0)


@dataclass(frozen=True)
class Seen:
    """Differences of power between the free turbines, sector by sector."""

    value: Floats  #: log of power, contrasts of the turbines of a sector, [n]
    noise: Floats  #: variance of each by chance, [n]
    sector: Ints  #: [n]
    parts: Floats  #: of each turbine in each contrast, dims (n, asset)


class Terrain:
    """The posterior of the terrain, from slots in which two or more turbines have free wind.

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
    like
        The same farm with other turbines free: its variance, share and angle hold.
    """

    def __init__(
        self,
        sector: Ints,
        day: Ints,
        power: Floats,
        normal: Bools,
        free: Bools,
        expected: Floats | None = None,
        like: Terrain | None = None,
    ) -> None:
        self.sectors, self.turbines = free.shape
        self.seen = _seen(sector, day, power, normal, free, expected)
        self.known = len(self.seen.value) > 0
        self._weights = np.full((len(_ALWAYS) * len(_ANGLE), len(_STD)), 1.0 / (len(_ALWAYS) * len(_ANGLE) * len(_STD)))
        self._solved: dict[tuple[int, int], Floats] = {}
        if like is not None and like.known:
            self._weights = like._weights
        elif self.known:
            self._weights = self._posterior()

    @property
    def std(self) -> float:
        """Standard deviation of a turbine's free power by its direction, share of the farm's mean; 0 if not known."""
        return float((self._weights.sum(axis=0) * _STD).sum()) if self.known else 0.0

    def draw(self, rng: np.random.Generator) -> Floats:
        """One possible terrain: log of the free power of each turbine, dims (sector, asset), up to a constant."""
        if not self.known:
            return np.zeros((self.sectors, self.turbines))
        flat = int(rng.choice(self._weights.size, p=self._weights.ravel()))
        shape, scale = np.unravel_index(flat, self._weights.shape)
        correlation = _correlation(int(shape), self.sectors)
        std = _STD[scale]
        root = np.sqrt(np.maximum(np.fft.fft(correlation).real, 0.0))
        noise = np.fft.fft(rng.normal(size=(self.sectors, self.turbines)), axis=0)
        field = std * np.fft.ifft(root[:, None] * noise, axis=0).real
        # Matheron's rule: a draw beforehand, put right by what it would have shown less what was seen
        seen = self.seen
        shown = (seen.parts * field[seen.sector]).sum(axis=1) + rng.normal(size=len(seen.value)) * np.sqrt(seen.noise)
        off = self._solve(int(shape), int(scale), seen.value - shown)
        pull = np.zeros((self.sectors, self.turbines))
        np.add.at(pull, seen.sector, seen.parts * off[:, None])
        spread = np.fft.ifft(np.fft.fft(correlation)[:, None] * np.fft.fft(pull, axis=0), axis=0).real
        drawn: Floats = field + std**2 * spread
        return drawn

    def _covariance(self, shape: int) -> Floats:
        """Of what was seen, for a standard deviation of 1 and without chance."""
        seen = self.seen
        correlation = _correlation(shape, self.sectors)
        covariance: Floats = correlation[(seen.sector[:, None] - seen.sector[None, :]) % self.sectors]
        return covariance * (seen.parts @ seen.parts.T)

    def _solve(self, shape: int, scale: int, value: Floats) -> Floats:
        from scipy.linalg import cho_factor, cho_solve

        if (shape, scale) not in self._solved:
            total = _STD[scale] ** 2 * self._covariance(shape) + np.diag(self.seen.noise)
            self._solved[shape, scale] = np.asarray(cho_factor(total, lower=True)[0], dtype=np.float64)
        return np.asarray(cho_solve((self._solved[shape, scale], True), value), dtype=np.float64)

    def _posterior(self) -> Floats:
        """Probability of each shape and standard deviation, dims (shape, std)."""
        root = np.sqrt(self.seen.noise)
        value = self.seen.value / root
        logs = np.empty(self._weights.shape)
        for shape in range(len(logs)):
            # in units of chance its covariance is 1, so that one set of eigenvectors does for all variances
            eigen, vectors = np.linalg.eigh(self._covariance(shape) / np.outer(root, root))
            turned = vectors.T @ value
            total = _STD[:, None] ** 2 * np.maximum(eigen, 0.0)[None, :] + 1.0
            logs[shape] = -0.5 * (np.log(total) + turned**2 / total).sum(axis=1)
        logs -= 0.5 * (np.log(_STD / _USUAL_STD) / np.log(_FACTOR)) ** 2
        likely = np.exp(logs - logs.max())
        weights: Floats = likely / likely.sum()
        return weights


def change(drawn: Floats, free: Bools) -> Floats:
    """Factor from the mean of the free turbines to each other one, dims (sector, asset), of a drawn terrain."""
    made = np.exp(drawn)
    mean = (made * free).sum(axis=1) / free.sum(axis=1)
    factor: Floats = made / mean[:, None]
    return factor


def _correlation(shape: int, sectors: int) -> Floats:
    """By the difference of two directions, dims (sector)."""
    always, angle = _ALWAYS[shape // len(_ANGLE)], np.radians(_ANGLE[shape % len(_ANGLE)])
    apart = 2.0 * np.pi * np.arange(sectors) / sectors
    correlation: Floats = always + (1.0 - always) * np.exp(-2.0 * (np.sin(0.5 * apart) / angle) ** 2)
    return correlation


def _seen(sector: Ints, day: Ints, power: Floats, normal: Bools, free: Bools, expected: Floats | None) -> Seen:
    """Contrasts in the sectors; how far those of even days are from those of odd days tells their chance."""
    made, slots = together(sector, day % 2, power, normal, free)
    if expected is not None:
        hoped, _ = together(sector, day % 2, expected, normal & np.isfinite(power), free)
        made = made / np.maximum(hoped, 1e-9)
    usable = [
        one
        for one in range(len(free))
        if free[one].sum() > 1 and slots[:, one].min() >= _LEAST_SLOTS and (made[:, one][:, free[one]] > 0).all()
    ]
    size = int(sum(free[one].sum() - 1 for one in usable))
    if not usable:
        nothing = np.zeros(0)
        return Seen(nothing, nothing, np.zeros(0, np.int64), np.zeros((0, free.shape[1])))
    usable = usable[:: max(1, -(-size // _MOST_SEEN))]
    value, halves, sectors, parts, counts = [], [], [], [], []
    for one in usable:
        who = np.flatnonzero(free[one])
        basis = _helmert(len(who))
        part = np.zeros((len(who) - 1, free.shape[1]))
        part[:, who] = basis
        value.append(basis @ np.log(made[:, one, :].sum(axis=0)[who]))
        halves.append(basis @ (np.log(made[0, one, who]) - np.log(made[1, one, who])))
        sectors.append(np.full(len(who) - 1, one))
        parts.append(part)
        counts.append(np.full((len(who) - 1, 2), slots[:, one]))
    count = np.concatenate(counts).astype(np.float64)
    apart = np.concatenate(halves)
    # the variance of a single slot, from halves that differ by both of theirs
    single = float((apart**2 / (1.0 / count).sum(axis=1)).mean())
    noise = np.maximum(single / count.sum(axis=1), 1e-8)
    return Seen(np.concatenate(value), noise, np.concatenate(sectors).astype(np.int64), np.concatenate(parts))


def _helmert(k: int) -> Floats:
    """Orthonormal contrasts of k values, dims (k - 1, k)."""
    rows = np.zeros((k - 1, k))
    for one in range(1, k):
        rows[one - 1, :one], rows[one - 1, one] = 1.0, -one
        rows[one - 1] /= np.sqrt(one * (one + 1.0))
    return rows
