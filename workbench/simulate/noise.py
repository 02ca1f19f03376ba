"""Random processes that can be asked for any instant.

Weather must be the same whether it is computed for a month at once or second by second, in this process or
another. So nothing here has a state: a value is a function of (seed, name, time). Randomness comes from
hashing a counter; a process with a spectrum is a sum of lattices of hashed normal numbers, one per octave of
time scale, each interpolated smoothly.

References
----------
Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014 (the mixing function).
Perlin, "An image synthesizer", SIGGRAPH 1985 (octaves of lattice noise).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
#: Columns a counter leaves room for: value (k, column) is number k * 2**20 + column of its stream.
_COLUMNS = np.uint64(1 << 20)

_TABLE_BITS = 12
_TABLE_MASK = np.uint64((1 << _TABLE_BITS) - 1)
#: Quantiles of the normal distribution at 4,096 equally likely places: cheap noise by look-up.
_TABLE: Floats = ndtri((np.arange(1 << _TABLE_BITS) + 0.5) / (1 << _TABLE_BITS))
_FINE_BITS = 16
_FINE: Floats = ndtri((np.arange(1 << _FINE_BITS) + 0.5) / (1 << _FINE_BITS))
#: Up to so many instants, all lattices are computed together.
_FEW = 64
_PER_WORD = 5  #: look-ups one 64-bit word feeds


def key_of(seed: int, name: str) -> np.uint64:
    """The stream of random numbers called ``name`` under ``seed``."""
    digest = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))


def words(key: np.uint64, counter: npt.NDArray[np.int64] | npt.NDArray[np.uint64]) -> Words:
    """A random 64-bit word for every number of ``counter``; any shape."""
    with np.errstate(over="ignore"):
        z = key + counter.astype(np.uint64) * _GOLDEN
        z = (z ^ (z >> _S30)) * _M1
        z = (z ^ (z >> _S27)) * _M2
        return np.asarray(z ^ (z >> _S31), dtype=np.uint64)


def uniform(key: np.uint64, counter: npt.NDArray[np.int64] | npt.NDArray[np.uint64]) -> Floats:
    """Uniform numbers inside (0, 1), never 0 or 1; the shape of ``counter``."""
    return np.asarray((words(key, counter) >> _S11).astype(np.float64) * 2.0**-53 + 2.0**-54, dtype=np.float64)


def normal(key: np.uint64, counter: npt.NDArray[np.int64] | npt.NDArray[np.uint64]) -> Floats:
    """Standard normal numbers, each one of 65,536 quantiles (none beyond 4.2); the shape of ``counter``."""
    return np.take(_FINE, (words(key, counter) >> np.uint64(64 - _FINE_BITS)).astype(np.intp))


def grid_counter(k: Ints, columns: int) -> Words:
    """Counter [len(k), columns] of the values at lattice places ``k``."""
    with np.errstate(over="ignore"):
        return np.asarray(
            k.astype(np.uint64)[:, None] * _COLUMNS + np.arange(columns, dtype=np.uint64)[None, :], dtype=np.uint64
        )


class White:
    """Cheap standard normal noise without memory: that of sensors.

    Every value is one of 4,096 quantiles, none beyond 3.7 standard deviations.
    """

    _AHEAD = 32  #: seconds made at once for live ticks

    def __init__(self, seed: int, name: str, assets: int, channels: int) -> None:
        self._key = key_of(seed, name)
        self._assets, self._channels = assets, channels
        self._first = -1
        self._block = np.zeros((channels, 0, assets))

    def at(self, second: Ints) -> Floats:
        """[channels, T, assets] at ``second`` [T] whole seconds since 1970."""
        if len(second) > 1:
            return self._make(second)
        first = int(second[0]) // self._AHEAD * self._AHEAD
        if first != self._first:
            self._first = first
            self._block = self._make(np.arange(first, first + self._AHEAD, dtype=np.int64))
        at = int(second[0]) - first
        return self._block[:, at : at + 1]

    def _make(self, second: Ints) -> Floats:
        need = -(-self._channels // _PER_WORD)
        random = words(self._key, grid_counter(second, self._assets * need)).reshape(len(second), need, self._assets)
        out = np.empty((self._channels, len(second), self._assets))
        for channel in range(self._channels):
            shift = np.uint64(_TABLE_BITS * (channel % _PER_WORD))
            place = ((random[:, channel // _PER_WORD] >> shift) & _TABLE_MASK).astype(np.intp)
            np.take(_TABLE, place, out=out[channel])
        return out


def octave_variances(spacings: Sequence[float], spectrum: Callable[[float], float]) -> Floats:
    """Share of each lattice in the variance so that their sum follows ``spectrum``.

    A lattice of spacing d has a flat spectrum up to its corner 1/(2 d); stacked from fast to slow they make
    a staircase under a falling spectrum.

    Parameters
    ----------
    spacings
        [J] lattice spacings [s], rising.
    spectrum
        Power spectral density over frequency [Hz], in any unit, falling.

    Returns
    -------
    [J] variances, with sum 1.
    """
    spacing = np.asarray(spacings, dtype=np.float64)
    level = np.array([spectrum(0.5 / d / np.sqrt(2.0)) for d in spacing])
    step = np.diff(level, prepend=0.0)  # what this lattice adds over the next faster one
    variance = np.clip(step, 0.0, None) / (2 * spacing)
    return np.asarray(variance / variance.sum(), dtype=np.float64)


def red(scale: float) -> Callable[[float], float]:
    """Spectrum of an Ornstein-Uhlenbeck process of correlation time ``scale`` [s]."""
    return lambda f: float(1.0 / (1.0 + (2 * np.pi * f * scale) ** 2))


def kaimal(length: float, speed: float) -> Callable[[float], float]:
    """Kaimal's spectrum of the along-wind component, IEC 61400-1:2019 annex C.

    Parameters
    ----------
    length
        Integral length scale of the component [m]; 340.2 m at hub heights of 60 m and more.
    speed
        Mean wind speed [m/s].
    """
    time = length / speed
    return lambda f: float(4 * time / (1 + 6 * f * time) ** (5 / 3))


class LatticeNoise:
    """Standard normal processes, one per column, as a sum of lattices.

    Parameters
    ----------
    seed, name
        Name the stream.
    spacings
        [J] lattice spacings [s].
    variances
        [J] with sum 1, or [J, columns] where every process has its own spectrum.
    columns
        Number of processes.
    mixing
        [J, columns, columns] factors that make the columns of each lattice correlated (Cholesky factors of
        their correlation); None for independent columns.
    """

    _AHEAD = 64  #: lattice places made beyond what was asked, so that live ticks seldom make any

    def __init__(
        self,
        seed: int,
        name: str,
        spacings: Sequence[float],
        variances: npt.ArrayLike,
        columns: int = 1,
        mixing: Floats | None = None,
    ) -> None:
        self.spacings = np.asarray(spacings, dtype=np.float64)
        self.amplitudes = np.sqrt(np.asarray(variances, dtype=np.float64))
        self.columns = columns
        self._mixing = mixing
        self._keys = [key_of(seed, f"{name}/{j}") for j in range(len(self.spacings))]
        self._first = np.zeros(len(self.spacings), dtype=np.int64)
        self._end = np.zeros(len(self.spacings), dtype=np.int64)
        self._base = np.zeros(len(self.spacings), dtype=np.int64)
        self._blocks: list[Floats] = [np.zeros((0, columns)) for _ in self.spacings]
        self._flat = np.zeros((0, columns))
        self._column = np.arange(columns)

    def at(self, t: Floats, gains: Floats | None = None) -> Floats:
        """The processes at ``t``.

        Parameters
        ----------
        t
            [T], or [T, columns] where every column has its own time [s since 1970].
        gains
            [G, J] factors per lattice: several filtered views of the same processes at the cost of one. Only
            where all processes have one spectrum.

        Returns
        -------
        [T, columns], or [G, T, columns] with ``gains``.
        """
        if self.amplitudes.ndim == 2:
            views = self.amplitudes[:, None, :]
        elif gains is None:
            views = self.amplitudes[:, None, None]
        else:
            views = (gains * self.amplitudes).T[:, :, None]  # [J, views, columns or 1]
        instants = t if t.ndim == 2 else t[:, None]
        if len(t) <= _FEW:
            found = self._together(instants, views)
        else:
            found = np.zeros((views.shape[1], len(t), self.columns))
            first, end = np.floor(instants.min() / self.spacings), np.floor(instants.max() / self.spacings)
            self._cover(first.astype(np.int64) - 1, end.astype(np.int64) + 3)
            for j in range(len(self.spacings)):
                value = self._interpolate(instants / self.spacings[j], j)
                for v in range(len(found)):
                    found[v] += value * views[j, v]
        return found if gains is not None else found[0]

    def _together(self, instants: Floats, views: Floats) -> Floats:
        """All lattices at once: the quick way for few instants. [views, T, columns]."""
        place = instants[None] / self.spacings[:, None, None]  # [J, T, columns or 1]
        k = np.floor(place)
        index = k.astype(np.int64)
        self._cover(index.min(axis=(1, 2)) - 1, index.max(axis=(1, 2)) + 3)
        index += self._base[:, None, None]
        value = self._gather(index, place - k)
        return np.asarray(np.einsum("jtn,jvn->vtn", value, np.broadcast_to(views, (*views.shape[:2], self.columns))))

    def _interpolate(self, place: Floats, j: int) -> Floats:
        """Lattice ``j`` at ``place`` [T, columns or 1], counted in its spacings. [T, columns]."""
        k = np.floor(place)
        return self._gather(k.astype(np.int64) + self._base[j], place - k)

    def _gather(self, index: Ints, f: Floats) -> Floats:
        """Values between the lattice places ``index`` and the next, ``f`` of the way.

        Catmull-Rom, scaled so that the variance between the places is that at them.
        """
        f2 = f * f
        f3 = f2 * f
        weights = (0.5 * (2 * f2 - f - f3), 1 - 2.5 * f2 + 1.5 * f3, 0.5 * f + 2 * f2 - 1.5 * f3, 0.5 * (f3 - f2))
        square = weights[0] ** 2
        for weight in weights[1:]:
            square += weight * weight
        scale = 1.0 / np.sqrt(square)
        own = index.shape[-1] == self.columns
        flat = index * self.columns + self._column if own else index[..., 0]
        value: Floats | None = None
        for m, weight in zip((-1, 0, 1, 2), weights, strict=True):
            part = np.take(self._flat, flat + m * self.columns) if own else np.take(self._flat, flat + m, axis=0)
            part *= weight * scale
            value = part if value is None else np.add(value, part, out=value)
        assert value is not None  # noqa: S101  there are four weights
        return value

    def one(self, t: Floats) -> Floats:
        """The first column at ``t`` [T], as [T]."""
        return np.asarray(self.at(t)[:, 0], dtype=np.float64)

    def _cover(self, first: Ints, end: Ints) -> None:
        """Make sure that the lattice places ``first`` to ``end`` of each octave are at hand."""
        missing = (first < self._first) | (end > self._end)
        if not missing.any():
            return
        for j in np.flatnonzero(missing):
            self._first[j], self._end[j] = first[j], end[j] + self._AHEAD
            block = normal(self._keys[j], grid_counter(np.arange(self._first[j], self._end[j]), self.columns))
            # einsum and not a matrix product: that of BLAS may differ with the number of its threads
            self._blocks[j] = block if self._mixing is None else np.einsum("kn,mn->km", block, self._mixing[j])
        starts = np.concatenate(([0], np.cumsum([len(block) for block in self._blocks])[:-1]))
        self._base = starts - self._first
        self._flat = np.concatenate(self._blocks)


def coherence_mixing(distance: Floats, reach: npt.ArrayLike) -> Floats:
    """Factors that correlate places by ``exp(-distance / reach)``, per lattice.

    Parameters
    ----------
    distance
        [n, n] between the places [m].
    reach
        [J] distance over which each lattice's correlation falls to 1/e [m].

    Returns
    -------
    [J, n, n] lower triangles, for :class:`LatticeNoise`.
    """
    reaches = np.asarray(reach, dtype=np.float64)
    correlation = np.exp(-distance[None] / reaches[:, None, None])
    # two devices at one spot: a trace of independence keeps the matrix positive
    correlation = 0.9999 * correlation + 0.0001 * np.eye(len(distance))[None]
    return np.asarray(np.linalg.cholesky(correlation), dtype=np.float64)
