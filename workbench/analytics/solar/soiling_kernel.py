"""Kernels of the joint estimate of degradation and soiling; see :mod:`.degradation_soiling`.

A day's loss by soiling is a saw-tooth: each piece begins at a cleaning and grows by a rate. Given the level of the clean
plant, the best pieces are found by dynamic programming over their first days (optimal partitioning [1]_), every piece by least
squares from prefix sums. Given the pieces, level, trend and season follow by weighted least squares together with all
rates; a piece's own unknowns are eliminated by themselves, so the cost is that of a regression with a handful of unknowns.

References
----------
.. [1] B. Jackson et al., "An algorithm for optimal partitioning of data on an interval", IEEE Signal Processing Letters 12,
   2005, https://doi.org/10.1109/LSP.2001.838216.
"""

from __future__ import annotations

import numba
import numpy as np

CLEAN, FULL, PARTIAL, OUT = 0, 1, 2, 3


@numba.njit(cache=True, nogil=True)
def partition(loss, weight, candidate, longest, penalty, rate_mean, rate_weight, most_rate):  # type: ignore[no-untyped-def]
    """Best pieces of a saw-tooth, given the days' loss against the clean plant.

    Parameters
    ----------
    loss, weight
        [day], weight 1 / variance; 0 where there is none.
    candidate
        [day + 1] bool: days on which a piece may begin.
    longest
        Of a piece [day].
    penalty
        (full, partial, out, per day out, clean): what a piece costs.
    rate_mean, rate_weight
        Rate expected [1/day], and the weight of that.

    Returns
    -------
    starts, ends, kinds, at_start, rates, total cost
    """
    size = len(loss)
    s_w = np.zeros(size + 1)
    s_t = np.zeros(size + 1)
    s_tt = np.zeros(size + 1)
    s_u = np.zeros(size + 1)
    s_tu = np.zeros(size + 1)
    s_uu = np.zeros(size + 1)
    s_n = np.zeros(size + 1)
    for k in range(size):
        w, u, t = weight[k], loss[k], float(k)
        if w <= 0:
            u = 0.0
        s_w[k + 1] = s_w[k] + w
        s_t[k + 1] = s_t[k] + w * t
        s_tt[k + 1] = s_tt[k] + w * t * t
        s_u[k + 1] = s_u[k] + w * u
        s_tu[k + 1] = s_tu[k] + w * t * u
        s_uu[k + 1] = s_uu[k] + w * u * u
        s_n[k + 1] = s_n[k] + (1.0 if w > 0 else 0.0)
    places = np.flatnonzero(candidate)
    number = len(places)
    best = np.full(number, np.inf)
    back = np.zeros(number, np.int64)
    kind = np.zeros(number, np.int64)
    first = np.zeros(number)
    rate = np.zeros(number)
    end_loss = np.zeros(number)
    best[0] = 0.0
    kind[0] = OUT
    end_loss[0] = np.inf
    for b in range(1, number):
        j = places[b]
        a = b - 1
        while a >= 0 and (j - places[a] <= longest or a == b - 1):
            i = places[a]
            base = best[a]
            w = s_w[j] - s_w[i]
            u = s_u[j] - s_u[i]
            uu = s_uu[j] - s_uu[i]
            d = s_t[j] - s_t[i] - i * w
            dd = s_tt[j] - s_tt[i] - 2.0 * i * (s_t[j] - s_t[i]) + float(i) * i * w
            du = s_tu[j] - s_tu[i] - i * u
            n = s_n[j] - s_n[i]
            # clean
            cost = base + uu + (penalty[4] if kind[a] != CLEAN else 0.0)
            if cost < best[b]:
                best[b], back[b], kind[b], first[b], rate[b], end_loss[b] = cost, a, CLEAN, 0.0, 0.0, 0.0
            # does not count
            cost = base + penalty[3] * n + penalty[2]
            if cost < best[b]:
                best[b], back[b], kind[b], first[b], rate[b], end_loss[b] = cost, a, OUT, 0.0, 0.0, np.inf
            if n >= 3 and dd > 0:
                r = (du + rate_weight * rate_mean) / (dd + rate_weight)
                r = min(max(r, 0.0), most_rate)
                cost = base + uu - 2 * r * du + r * r * dd + rate_weight * (r - rate_mean) ** 2 + penalty[0]
                if cost < best[b] and r > 0:
                    best[b], back[b], kind[b], first[b], rate[b] = cost, a, FULL, 0.0, r
                    end_loss[b] = r * (j - i)
                if n >= 6 and base + penalty[1] < best[b]:
                    d2 = dd + rate_weight
                    du2 = du + rate_weight * rate_mean
                    det = w * d2 - d * d
                    if det > 1e-9 * w * d2:
                        m = (d2 * u - d * du2) / det
                        m = min(m, end_loss[a])  # a cleaning makes nothing dirtier
                        m = max(m, 0.0)
                        r = min(max((du2 - d * m) / d2, 0.0), most_rate)
                        cost = uu + m * m * w + r * r * dd - 2 * m * u - 2 * r * du + 2 * m * r * d
                        cost += base + rate_weight * (r - rate_mean) ** 2 + penalty[1]
                        if cost < best[b] and m > 0:
                            best[b], back[b], kind[b], first[b], rate[b] = cost, a, PARTIAL, m, r
                            end_loss[b] = m + r * (j - i)
            a -= 1
    count = 0
    b = number - 1
    while b > 0:
        count += 1
        b = back[b]
    starts = np.zeros(count, np.int64)
    ends = np.zeros(count, np.int64)
    kinds = np.zeros(count, np.int64)
    at_start = np.zeros(count)
    rates = np.zeros(count)
    b = number - 1
    k = count - 1
    while b > 0:
        starts[k], ends[k], kinds[k] = places[back[b]], places[b], kind[b]
        at_start[k], rates[k] = first[b], rate[b]
        b = back[b]
        k -= 1
    return starts, ends, kinds, at_start, rates, best[number - 1]


@numba.njit(cache=True, nogil=True)
def loss_of(starts, ends, kinds, at_start, rates, size):  # type: ignore[no-untyped-def]
    """Loss of each day, and the kind of its piece."""
    loss = np.zeros(size)
    what = np.zeros(size, np.int64)
    for k in range(len(starts)):
        for day in range(starts[k], ends[k]):
            what[day] = kinds[k]
            if kinds[k] == FULL or kinds[k] == PARTIAL:
                loss[day] = min(at_start[k] + rates[k] * (day - starts[k]), 0.95)
    return loss, what


@numba.njit(cache=True, nogil=True)
def solve(y, weight, design, starts, ends, kinds, at_start, rates, rate_mean, rate_weight, ridge):  # type: ignore[no-untyped-def]
    """One Gauss–Newton step of ``y = design @ b + log(1 - loss)``; b and the pieces' unknowns, changed in place.

    Returns the coefficients and the matrix of the normal equations with the pieces eliminated.
    """
    p = design.shape[1]
    normal = np.zeros((p, p))
    right = np.zeros(p)
    for k in range(p):
        normal[k, k] = ridge[k]
    pieces = len(starts)
    own = np.zeros((pieces, 2, 2))
    own_right = np.zeros((pieces, 2))
    cross = np.zeros((pieces, 2, p))
    for k in range(pieces):
        if kinds[k] == OUT:
            continue
        soiled = kinds[k] == FULL or kinds[k] == PARTIAL
        h00 = h01 = h11 = g0 = g1 = 0.0
        for day in range(starts[k], ends[k]):
            w = weight[day]
            if w <= 0:
                continue
            d = float(day - starts[k])
            x = min(at_start[k] + rates[k] * d, 0.95) if soiled else 0.0
            # log(1 - x) about the present unknowns: target with them as unknowns in full
            slope = -1.0 / (1.0 - x)
            target = y[day] - np.log(1.0 - x) + slope * x
            for a in range(p):
                wa = w * design[day, a]
                right[a] += wa * target
                for b in range(a + 1):
                    normal[a, b] += wa * design[day, b]
            if soiled:
                h00 += w * slope * slope
                h01 += w * slope * slope * d
                h11 += w * slope * slope * d * d
                g0 += w * slope * target
                g1 += w * slope * d * target
                for a in range(p):
                    cross[k, 0, a] += w * slope * design[day, a]
                    cross[k, 1, a] += w * slope * d * design[day, a]
        if soiled:
            h11 += rate_weight
            g1 += rate_weight * rate_mean
            if kinds[k] == FULL:
                h00, h01, g0 = 1.0, 0.0, 0.0
                cross[k, 0, :] = 0.0
            det = h00 * h11 - h01 * h01
            if det <= 1e-12 * h00 * h11 or h11 <= 0:
                continue
            own[k, 0, 0] = h11 / det
            own[k, 1, 1] = h00 / det
            own[k, 0, 1] = own[k, 1, 0] = -h01 / det
            own_right[k, 0], own_right[k, 1] = g0, g1
            for a in range(p):
                va0 = own[k, 0, 0] * cross[k, 0, a] + own[k, 0, 1] * cross[k, 1, a]
                va1 = own[k, 1, 0] * cross[k, 0, a] + own[k, 1, 1] * cross[k, 1, a]
                right[a] -= va0 * g0 + va1 * g1
                for b in range(a + 1):
                    normal[a, b] -= va0 * cross[k, 0, b] + va1 * cross[k, 1, b]
    for a in range(p):
        for b in range(a):
            normal[b, a] = normal[a, b]
    for a in range(p):
        normal[a, a] = normal[a, a] * (1 + 1e-12) + 1e-9
    found = np.linalg.solve(normal, right)
    for k in range(pieces):
        if kinds[k] != FULL and kinds[k] != PARTIAL:
            continue
        g0, g1 = own_right[k, 0], own_right[k, 1]
        for a in range(p):
            g0 -= cross[k, 0, a] * found[a]
            g1 -= cross[k, 1, a] * found[a]
        if own[k, 1, 1] == 0.0:
            continue
        m = own[k, 0, 0] * g0 + own[k, 0, 1] * g1
        r = own[k, 1, 0] * g0 + own[k, 1, 1] * g1
        if kinds[k] == PARTIAL:
            at_start[k] = min(max(m, 0.0), 0.6)
        rates[k] = min(max(r, 0.0), 0.05)
    return found, normal
