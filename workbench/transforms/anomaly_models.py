"""How unusual a value is beside those before it: the algorithms, on one series at a time.

All of them take times [ns], in order, and values [row, field], and give a score [row] that is NaN where it is not
known. A baseline is what was measured in the ``baseline`` before; neither the value itself nor anything later has a
part in its score.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numba
import numpy as np
import numpy.typing as npt

from workbench.transforms.rolling_kernel import STATISTICS, hours_of, rows_of, slide_all

Algorithm = Literal["z_score", "robust_z", "ewma", "isolation_forest", "hotelling_t2"]
Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]

#: Algorithms that take several fields.
MULTIVARIATE = ("isolation_forest", "hotelling_t2")
#: The standard deviation of Gaussian noise by its median absolute deviation.
MAD_TO_SIGMA = 1.4826
#: Trees of a forest, and values that each is grown on (Liu, Ting and Zhou 2008, section 5.2).
TREES, SUBSAMPLE = 100, 256
#: Values of a baseline that a forest takes into account: more make neither the trees nor the ranks better.
MOST = 5_000
#: From here on a covariance is taken to be singular: its inverse would have no digit left.
_SINGULAR = 1e12


@dataclass(frozen=True)
class Detector:
    """An algorithm and what it goes by."""

    algorithm: Algorithm
    baseline: int  #: length of the baseline [ns]
    min_history: int  #: least number of values in it
    weight: float = 0.2  #: lambda of the EWMA [1]
    alpha: float = 0.0027  #: share of false alarms at the control limit of T-squared [1]
    retrain: int = 86_400 * 10**9  #: how long a model is used [ns]
    seed: int = 0

    @property
    def reach(self) -> int | None:
        """How far back a score depends on values [ns]; None where it is to the beginning."""
        if self.algorithm == "ewma":
            return None
        return self.baseline + (self.retrain if self.algorithm in MULTIVARIATE else 0)

    def score(self, times: Times, values: Floats) -> Floats:
        """The score [row] of values [row, field] at times [ns] that do not fall."""
        if not len(times):
            return np.empty(0)
        with np.errstate(all="ignore"):  # what has no score shows as NaN, not as a warning
            if self.algorithm == "isolation_forest":
                return self._by_blocks(times, values, self._forest)
            if self.algorithm == "hotelling_t2":
                return self._by_blocks(times, values, self._t_squared)
            x = np.where(np.isfinite(values[:, 0]), values[:, 0], np.nan)
            if self.algorithm == "robust_z":
                centre, spread, count = moving_median(times, x, self.baseline)
                spread = spread * MAD_TO_SIGMA
            else:
                centre, spread, count = moving_moments(times, x, self.baseline)
            known = (count >= self.min_history) & (spread > 0) & np.isfinite(spread)
            z = np.where(known, (x - centre) / spread, np.nan)
            z[~np.isfinite(z)] = np.nan
            return charted(times, z, self.weight, self.baseline) if self.algorithm == "ewma" else z

    def _by_blocks(self, times: Times, values: Floats, model: Callable[[Floats, Floats], Floats | None]) -> Floats:
        out = np.full(len(times), np.nan)
        there = np.flatnonzero(np.isfinite(values).all(axis=1))
        whole, at = values[there], times[there]
        for low, first, last in self._blocks(at):
            if first - low < self.min_history:
                continue
            found = model(whole[low:first], whole[first:last])
            if found is not None:
                out[there[first:last]] = np.where(np.isfinite(found), found, np.nan)
        return out

    def _blocks(self, times: Times) -> Iterator[tuple[int, int, int]]:
        """First row of the baseline, first row that is scored, row behind the last, of each block of time (UTC)."""
        for start in np.unique(times // self.retrain) * self.retrain:
            low, first, last = np.searchsorted(times, [start - self.baseline, start, start + self.retrain])
            yield int(low), int(first), int(last)

    def _forest(self, baseline: Floats, rows: Floats) -> Floats | None:
        """Share of the baseline that is less unusual than each row; None where the baseline does not vary."""
        from sklearn.ensemble import IsolationForest

        if len(baseline) > MOST:
            baseline = baseline[np.linspace(0, len(baseline) - 1, MOST).astype(np.intp)]
        mean, spread = baseline.mean(axis=0), _spread(baseline)
        if not np.isfinite(spread).all() or not spread.any():
            return None
        # Trees do not care for the scale, but they hold single precision.
        spread[spread == 0] = 1.0
        known, asked = (np.clip((each - mean) / spread, -1e6, 1e6) for each in (baseline, rows))
        forest = IsolationForest(n_estimators=TREES, max_samples=min(SUBSAMPLE, len(known)), random_state=self.seed)
        forest.fit(known)
        own = np.sort(-forest.score_samples(known))
        ranks: Floats = np.searchsorted(own, -forest.score_samples(asked), side="left") / len(own)
        return ranks

    def _t_squared(self, baseline: Floats, rows: Floats) -> Floats | None:
        """T-squared by its upper control limit; None where the covariance of the baseline has no inverse."""
        from scipy.stats import f

        m, p = baseline.shape
        spread = _spread(baseline)
        if m <= p + 1 or not np.isfinite(spread).all() or not (spread > 0).all():
            return None
        mean = baseline.mean(axis=0)
        known, asked = (baseline - mean) / spread, (rows - mean) / spread
        covariance = np.atleast_2d(known.T @ known / (m - 1))
        if np.linalg.cond(covariance) > _SINGULAR:
            return None
        t_squared = (asked * np.linalg.solve(covariance, asked.T).T).sum(axis=1)
        limit = p * (m + 1) * (m - 1) / (m * (m - p)) * f.ppf(1 - self.alpha, p, m - p)
        return np.asarray(t_squared / limit, dtype=np.float64)


def _spread(values: Floats) -> Floats:
    """Standard deviation of each column, exactly zero where all its values are the same."""
    return np.where(np.ptp(values, axis=0) > 0, values.std(axis=0, ddof=1), 0.0)


def moving_moments(times: Times, x: Floats, window: int) -> tuple[Floats, Floats, Floats]:
    """Mean, standard deviation (n - 1) and number of the values from ``window`` [ns] before each time up to it.

    The value itself, and what has the same time, is left out: the window is ``[t - window, t)``.
    """
    # A place without a value stands 1 ns before each row: the window that ends there holds the row's past only, and
    # nothing has to be taken off a sum.
    both = np.concatenate([times - 1, times])
    order = np.lexsort((np.repeat([1, 0], len(times)), both))
    # At the same time the rows come first: a row 1 ns before another belongs to the other's past.
    column = np.concatenate([np.full(len(x), np.nan), x])[order][None]
    both = both[order]
    wanted = np.array([STATISTICS.index(name) for name in ("mean", "stddev", "count")], dtype=np.int64)
    out = np.empty((1, 3, 1, len(both)))
    rooms = np.array([rows_of(both, window)], dtype=np.int64)
    slide_all(both, hours_of(both, int(both[0])), column, np.array([window], dtype=np.int64), rooms, wanted, out)
    mean, spread, count = out[0, :, 0][:, order < len(times)]
    return mean, spread, count


def moving_median(times: Times, x: Floats, window: int) -> tuple[Floats, Floats, Floats]:
    """Median, median absolute deviation and number of the same values as :func:`moving_moments`."""
    found = _medians(times, x, window)
    return found[0], found[1], found[2]


@numba.njit(cache=True, nogil=True)
def _nearest(values: Any, n: int, centre: float, k: int) -> float:
    """The ``k``-th least distance from ``centre`` of the first ``n`` of sorted ``values``."""
    low, high = 0, n - k
    while low < high:  # the k nearest stand side by side: look for the first of them
        middle = (low + high) // 2
        if centre - values[middle] > values[middle + k] - centre:
            low = middle + 1
        else:
            high = middle
    return max(centre - values[low], values[low + k - 1] - centre)  # type: ignore[no-any-return]


@numba.njit(cache=True, nogil=True)
def _medians(times: Any, x: Any, window: int) -> Any:
    out = np.full((3, x.size), np.nan)
    held = np.empty(16)
    n, first, last = 0, 0, 0
    for row in range(x.size):
        while times[last] < times[row]:
            if np.isfinite(x[last]):
                if n == held.size:
                    wider = np.empty(2 * n)
                    wider[:n] = held
                    held = wider
                at = np.searchsorted(held[:n], x[last])
                for place in range(n, at, -1):
                    held[place] = held[place - 1]
                held[at] = x[last]
                n += 1
            last += 1
        while first < last and times[first] < times[row] - window:
            if np.isfinite(x[first]):
                for place in range(np.searchsorted(held[:n], x[first]), n - 1):
                    held[place] = held[place + 1]
                n -= 1
            first += 1
        out[2, row] = n
        if n > 0:
            half = n // 2
            if n % 2:
                out[0, row] = held[half]
                out[1, row] = _nearest(held, n, held[half], half + 1)
            else:
                centre = held[half - 1] + (held[half] - held[half - 1]) / 2.0
                out[0, row] = centre
                out[1, row] = (_nearest(held, n, centre, half) + _nearest(held, n, centre, half + 1)) / 2.0
    return out


@numba.njit(cache=True, nogil=True)
def charted(times: Any, z: Any, weight: float, forget: int) -> Any:
    """The EWMA of standardised values by its own standard deviation; it begins anew after ``forget`` [ns] without any.

    After i values the variance is ``weight / (2 - weight) * (1 - (1 - weight)^(2 i))`` (Montgomery, eq. 9.26).
    """
    out = np.full(z.size, np.nan)
    mean, left, since = 0.0, 1.0, times[0]
    for row in range(z.size):
        if np.isfinite(z[row]):
            if times[row] - since > forget:
                mean, left = 0.0, 1.0
            mean = weight * z[row] + (1.0 - weight) * mean
            left *= (1.0 - weight) ** 2
            out[row] = mean / np.sqrt(weight / (2.0 - weight) * (1.0 - left))
            since = times[row]
    return out
