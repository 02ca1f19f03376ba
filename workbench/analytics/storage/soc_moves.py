"""Where a reported state of charge moves otherwise than the current does, which no voltage is needed for.

On the plateau of lithium iron phosphate the voltage does not tell the state of charge for days. But what is reported should change by
the charge that flows, and it does so up to the capacity that the management takes, the zero of its sensor and its rounding. These
are learned from the past; a report that leaves what they foretell by more than they leave open has drifted (or was set
right after it had). It is the test of a change of the mean on the innovations of a Kalman filter [1]_.

References
----------
.. [1] A. S. Willsky and H. L. Jones, "A generalized likelihood ratio approach to the detection and estimation of jumps in linear
   systems", IEEE Transactions on Automatic Control 21, 1976, https://doi.org/10.1109/TAC.1976.1101146.
"""

from __future__ import annotations

import numba
import numpy as np

from workbench.analytics.storage.fields import Floats

_ZERO = 0.002  #: standard deviation of the current sensor's zero [1/h]
_ZERO_WALK = 1e-4  #: by which it wanders in a day [1/h]
_SCALE = 0.2  #: of the capacity that the management takes, over that when new [1]
_NOISE = 0.5  #: of an hour's mean of what is reported, its rounding included [%]
_WALK = 0.02  #: by which the report wanders otherwise in an hour [%]
_SURE = 4.0  #: standard uncertainties that a move must have
_AHEAD = np.array([8, 14, 26, 50])  #: hours over which it is foretold
_LAST = 6  #: hours whose mean is held against that
_END = 0.5  #: of the range, where a report cannot go on [%]
_IDLE = 0.005  #: current below which it need not [1/h]
_SHORT, _BRIDGED = 0.5, 0.2  #: gaps of the current that are filled in [h], and what they may leave open [%]
LEARNED = 10.0  #: first days, of which is learned by how much the report usually moves otherwise [day]
_USUAL = 1.2  #: times the largest of those moves is none that is usual


@numba.njit(cache=True, nogil=True)
def _moves(apart: Floats, charge: Floats, gap: Floats, elapsed: Floats) -> tuple[Floats, Floats]:
    """By the hour: how far the report has moved beyond what was foretold [%], and the uncertainty of that; of the surest span.

    ``apart`` report plus charge counted [%], NaN where it says nothing; ``charge`` taken out until then [1]; ``gap``, hours
    before it without current; ``elapsed`` since the hour before [h].
    """
    n = len(apart)
    moved, unsure = np.full(n, np.nan), np.full(n, np.nan)
    # offset, zero of the sensor and shortfall of the capacity, and their covariances, at each hour after it was seen
    state, cov = np.zeros((n, 3)), np.zeros((n, 3, 3))
    time = np.zeros(n)
    x, p = np.zeros(3), np.diag(np.array([1e4, _ZERO**2, _SCALE**2]))
    f = np.eye(3)
    clock, start = 0.0, 0
    for i in range(n):
        clock += elapsed[i]
        time[i] = clock
        if gap[i] > 0:
            start = i + 1  # what went on in a gap is not known: nothing is foretold across it, nor from its hours
        if i > 0:
            f[0, 1], f[0, 2] = 100.0 * elapsed[i], -100.0 * (charge[i] - charge[i - 1])
            x = f @ x
            p = f @ p @ f.T
            p[0, 0] += _WALK**2 * elapsed[i] + (50.0 * gap[i]) ** 2
            p[1, 1] += _ZERO_WALK**2 * elapsed[i] / 24.0
        if not np.isnan(apart[i]):
            off = apart[i] - x[0]
            total = p[0, 0] + _NOISE**2
            if off**2 > 16.0 * total:
                # a jump tells nothing of zero and capacity
                p[0, 0] += off**2
                total = p[0, 0] + _NOISE**2
                gain = np.array([p[0, 0] / total, 0.0, 0.0])
            else:
                gain = p[:, 0].copy() / total
            x = x + gain * off
            left = np.eye(3)
            left[:, 0] -= gain
            p = left @ p @ left.T + _NOISE**2 * np.outer(gain, gain)
        state[i], cov[i] = x, p
        best = 0.0
        for ahead in _AHEAD:
            j = i - ahead
            if j < start:
                break
            total, count, h1, h2 = 0.0, 0, 0.0, 0.0
            for k in range(i - _LAST + 1, i + 1):
                if not np.isnan(apart[k]):
                    a, b = 100.0 * (time[k] - time[j]), -100.0 * (charge[k] - charge[j])
                    total += apart[k] - (state[j, 0] + a * state[j, 1] + b * state[j, 2])
                    h1, h2, count = h1 + a, h2 + b, count + 1
            if count < 3:
                continue
            h = np.array([1.0, h1 / count, h2 / count])
            deviation = np.sqrt(h @ cov[j] @ h + _NOISE**2 / count + _WALK**2 * ahead)
            if abs(total / count) / deviation > best:
                best = abs(total / count) / deviation
                moved[i], unsure[i] = total / count, deviation
    return moved, unsure


def _bridged(rate: Floats, hours: float) -> Floats:
    """``rate`` with short gaps filled in, between currents so alike that they leave no more than :data:`_BRIDGED` of charge open."""
    known = np.isfinite(rate)
    if known.all() or not known.any():
        return rate
    at = np.arange(len(rate))
    before = np.maximum.accumulate(np.where(known, at, -1))
    after = np.minimum.accumulate(np.where(known, at, len(rate))[::-1])[::-1]
    inside = ~known & (before >= 0) & (after < len(rate))
    left, right = rate[np.maximum(before, 0)], rate[np.minimum(after, len(rate) - 1)]
    length = (after - before - 1) * hours
    inside &= (length <= _SHORT) & (100.0 * np.abs(right - left) * length <= _BRIDGED)
    return np.where(inside, (left + right) / 2, rate)


def moves(reported: Floats, rate: Floats, hours: float, threshold: float) -> tuple[Floats, Floats, Floats]:
    """Moves of one battery's report that no current explains.

    Parameters
    ----------
    reported
        State of charge [%], [time].
    rate
        Current over the charge capacity when new [1/h], positive while discharging, [time].
    hours
        Length of a slot [h].
    threshold
        Least move [%].

    Returns
    -------
    The move as it is known at each slot [%], 0 where there is none; and its standard uncertainty [%]. None in the first
    :data:`LEARNED` days, nor later one that is no larger than what was usual in these, as that of a management that sets itself right when
    full. And any move over its standard uncertainty, also one that is not sure by itself; NaN where nothing is foretold.
    """
    each = max(1, round(1.0 / hours))
    rows = len(reported) // each
    moved, unsure, likely = np.zeros(len(reported)), np.full(len(reported), np.nan), np.full(len(reported), np.nan)
    if rows < 2 * _LAST:
        return moved, unsure, likely
    rate = _bridged(rate, hours)
    known = np.isfinite(rate)
    out = np.cumsum(np.where(known, rate, 0.0)) * hours
    middle = out - np.where(known, rate, 0.0) * hours / 2
    # at an end of the range a report stands still while the current goes on; where none flows it may stand there
    inside = (reported > _END) & (reported < 100.0 - _END)
    use = known & np.isfinite(reported) & (inside | (np.abs(rate) < _IDLE))

    def hourly(values: Floats, there: Floats) -> Floats:
        weight = there[: rows * each].reshape(rows, each)
        total = (np.where(weight > 0, values[: rows * each].reshape(rows, each), 0.0)).sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            found: Floats = total / weight.sum(axis=1)
        return found

    flags = use.astype(np.float64)
    apart = hourly(reported + 100.0 * middle, flags)
    charge = hourly(middle, flags)
    # without a report, the charge of the hour's middle goes on
    charge = np.where(np.isfinite(charge), charge, hourly(middle, np.ones(len(middle))))
    gap = (~known[: rows * each]).reshape(rows, each).sum(axis=1) * hours
    # an hour's mean of slots before and after what was not counted belongs to neither
    apart = np.where(gap > 0, np.nan, apart)
    found, deviation = _moves(apart, charge, gap, np.full(rows, each * hours))
    with np.errstate(invalid="ignore"):
        sure = np.abs(found) >= _SURE * deviation
        early = np.arange(rows) * each * hours < 24.0 * LEARNED
        usual = np.max(np.abs(found[early & sure]), initial=0.0)
        told = sure & ~early & (np.abs(found) >= max(threshold, _USUAL * usual))
    # what an hour tells is known at its end
    for values, hour in (
        (moved, np.where(told, found, 0.0)),
        (unsure, deviation),
        (likely, found / deviation),
    ):
        values[each - 1 : rows * each + each - 1] = np.repeat(hour, each)[: len(values) - each + 1]
    return moved, unsure, likely
