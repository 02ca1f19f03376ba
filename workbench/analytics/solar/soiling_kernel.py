"""Kernels of the joint estimate of degradation and soiling; see :mod:`.degradation_soiling`.

The loss by soiling is a saw-tooth. A piece of it begins with a cleaning (the loss is zero then, or a part of what it was
before) and grows by a rate of its own, about which it wanders. Given the level of the clean plant, the best pieces are found by
dynamic programming over their first days with pruning [1]_; the likelihood of a piece is that of a Kalman filter with the
states loss and rate [2]_, so the piece's own unknowns are integrated out. Given the pieces, level, trend and season follow by
generalised least squares on the innovations of the same filters.

References
----------
.. [1] R. Killick, P. Fearnhead, I. A. Eckley, "Optimal Detection of Changepoints With a Linear Computational Cost", Journal of
   the American Statistical Association 107, 2012, https://doi.org/10.1080/01621459.2012.737745.
.. [2] J. Durbin, S. J. Koopman, "Time Series Analysis by State Space Methods", 2nd ed., Oxford, 2012.
"""

from __future__ import annotations

import numba
import numpy as np

CLEAN, FULL, PARTIAL, OUT = 0, 1, 2, 3
LONGEST = 400  #: days of a piece
_SLACK = 30.0  # how much worse a start may be before it is given up


@numba.njit(cache=True, nogil=True)
def partition(loss, weight, candidate, penalty, rate_mean, rate_var, wander):  # type: ignore[no-untyped-def]
    """Best pieces of a saw-tooth, given the days' loss against the clean plant.

    Parameters
    ----------
    loss, weight
        [day]; weight is 1 / variance, 0 where there is no value.
    candidate
        [day + 1] bool: days on which a piece may begin; the first and the end among them.
    penalty
        (full, partial, clean, out, per day out, per day soiled): −2 log of how likely a piece is, and that it goes on.
    rate_mean, rate_var
        Rate expected [1/day].
    wander
        Variance that the loss gains in a day beside its rate.

    Returns
    -------
    starts, ends, kinds, before, total
        ``before``: loss at the end of the piece before.
    """
    size = len(loss)
    best = np.full(size + 1, np.inf)
    back = np.zeros(size + 1, np.int64)
    kind = np.full(size + 1, OUT)
    end_loss = np.zeros(size + 1)
    best[0], end_loss[0] = 0.0, 0.2
    room = 1024
    start = np.zeros(room, np.int64)
    what = np.zeros(room, np.int64)
    cost = np.zeros(room)
    x = np.zeros(room)
    r = np.zeros(room)
    pxx = np.zeros(room)
    pxr = np.zeros(room)
    prr = np.zeros(room)
    active = 0
    clean_cost, clean_start = np.inf, 0
    out_cost, out_start = np.inf, 0
    for day in range(size):
        w, u = weight[day], loss[day]
        if candidate[day]:
            v = best[day]
            if v + penalty[2] < clean_cost:
                clean_cost, clean_start = v + penalty[2], day
            if v + penalty[3] < out_cost:
                out_cost, out_start = v + penalty[3], day
            active = min(active, room - 2)  # never in practice: starts are given up long before
            start[active], what[active], cost[active] = day, FULL, v + penalty[0]
            x[active], r[active], pxx[active], pxr[active], prr[active] = 0.0, rate_mean, 0.0, 0.0, rate_var
            active += 1
            before = end_loss[day]
            if before > 0.005:
                start[active], what[active], cost[active] = day, PARTIAL, v + penalty[1]
                x[active], r[active] = 0.5 * before, rate_mean
                pxx[active], pxr[active], prr[active] = before * before / 12.0, 0.0, rate_var
                active += 1
        if w > 0:
            clean_cost += u * u * w
            out_cost += penalty[4]
        floor = min(clean_cost, out_cost)
        chosen = -1
        for k in range(active):
            if day > start[k]:
                x[k] += r[k]
                pxx[k] += 2 * pxr[k] + prr[k] + wander
                pxr[k] += prr[k]
            cost[k] += penalty[5]
            if w > 0:
                f = pxx[k] + 1.0 / w
                g = u - x[k]
                cost[k] += g * g / f + np.log(f * w)
                a, b = pxx[k] / f, pxr[k] / f
                x[k] += a * g
                r[k] += b * g
                prr[k] -= b * pxr[k]
                pxr[k] -= a * pxr[k]
                pxx[k] -= a * pxx[k]
            if cost[k] < floor:
                floor = cost[k]
            if r[k] >= 0 and (chosen < 0 or cost[k] < cost[chosen]):
                chosen = k
        b = day + 1
        if candidate[b]:
            best[b], back[b], kind[b], end_loss[b] = clean_cost, clean_start, CLEAN, 0.0
            if out_cost < best[b]:
                best[b], back[b], kind[b] = out_cost, out_start, OUT
                end_loss[b] = max(end_loss[out_start] + rate_mean * (b - out_start), 0.05)
            if chosen >= 0 and cost[chosen] < best[b]:
                best[b], back[b], kind[b] = cost[chosen], start[chosen], what[chosen]
                end_loss[b] = max(x[chosen] + r[chosen], 0.0)
        kept = 0
        for k in range(active):
            if cost[k] <= floor + _SLACK and b - start[k] < LONGEST:
                if kept != k:
                    start[kept], what[kept], cost[kept], x[kept], r[kept] = start[k], what[k], cost[k], x[k], r[k]
                    pxx[kept], pxr[kept], prr[kept] = pxx[k], pxr[k], prr[k]
                kept += 1
        active = kept
    count = 0
    b = size
    while b > 0:
        count += 1
        b = back[b]
    starts = np.zeros(count, np.int64)
    ends = np.zeros(count, np.int64)
    kinds = np.zeros(count, np.int64)
    befores = np.zeros(count)
    b = size
    k = count - 1
    while b > 0:
        starts[k], ends[k], kinds[k], befores[k] = back[b], b, kind[b], end_loss[back[b]]
        b = back[b]
        k -= 1
    return starts, ends, kinds, befores, best[size]


@numba.njit(cache=True, nogil=True)
def normal_equations(columns, weight, starts, ends, kinds, before, rate_mean, rate_var, wander, scores):  # type: ignore[no-untyped-def]
    """Products of the whitened columns, with the pieces' unknowns integrated out; the first column is the loss.

    ``columns`` is (day, 1 + p). Returns (1 + p, 1 + p) and the sum of the logarithms of the innovations' variances.
    Into ``scores`` (day, p), where it is as long, goes what each day contributes to the products with the loss.
    """
    p = columns.shape[1]
    out = np.zeros((p, p))
    logs = 0.0
    x = np.zeros(p)
    r = np.zeros(p)
    g = np.zeros(p)
    for k in range(len(starts)):
        if kinds[k] == OUT:
            continue
        soiled = kinds[k] != CLEAN
        x[:] = 0.0
        r[:] = 0.0
        pxx = pxr = prr = 0.0
        if soiled:
            r[0], prr = rate_mean, rate_var
            if kinds[k] == PARTIAL:
                x[0], pxx = 0.5 * before[k], before[k] * before[k] / 12.0
        for day in range(starts[k], ends[k]):
            if soiled and day > starts[k]:
                for c in range(p):
                    x[c] += r[c]
                pxx += 2 * pxr + prr + wander
                pxr += prr
            w = weight[day]
            if w <= 0:
                continue
            f = pxx + 1.0 / w
            logs += np.log(f * w)
            for c in range(p):
                g[c] = columns[day, c] - x[c]
            for c in range(p):
                gc = g[c] / f
                for d in range(c + 1):
                    out[c, d] += gc * g[d]
                if c > 0 and len(scores) > day:
                    scores[day, c - 1] = gc * g[0]
            if soiled:
                a, b = pxx / f, pxr / f
                for c in range(p):
                    x[c] += a * g[c]
                    r[c] += b * g[c]
                prr -= b * pxr
                pxr -= a * pxr
                pxx -= a * pxx
    for c in range(p):
        for d in range(c):
            out[d, c] = out[c, d]
    return out, logs


@numba.njit(cache=True, nogil=True)
def smooth(loss, weight, starts, ends, kinds, before, rate_mean, rate_var, wander):  # type: ignore[no-untyped-def]
    """Expected loss of each day with its variance, and of each piece the rate at its first day, its variance, the loss then.

    Rauch–Tung–Striebel, piece by piece.
    """
    size = len(loss)
    mean = np.zeros(size)
    var = np.zeros(size)
    pieces = len(starts)
    rates = np.zeros(pieces)
    rate_vars = np.zeros(pieces)
    at_start = np.zeros(pieces)
    for k in range(pieces):
        if kinds[k] == CLEAN or kinds[k] == OUT:
            continue
        n = ends[k] - starts[k]
        m = np.zeros((n, 2))
        c = np.zeros((n, 3))
        mp = np.zeros((n, 2))
        cp = np.zeros((n, 3))
        x, r, pxx, pxr, prr = 0.0, rate_mean, 0.0, 0.0, rate_var
        if kinds[k] == PARTIAL:
            x, pxx = 0.5 * before[k], before[k] * before[k] / 12.0
        for t in range(n):
            if t > 0:
                x += r
                pxx += 2 * pxr + prr + wander
                pxr += prr
            mp[t, 0], mp[t, 1], cp[t, 0], cp[t, 1], cp[t, 2] = x, r, pxx, pxr, prr
            w = weight[starts[k] + t]
            if w > 0:
                f = pxx + 1.0 / w
                g = loss[starts[k] + t] - x
                a, b = pxx / f, pxr / f
                x += a * g
                r += b * g
                prr -= b * pxr
                pxr -= a * pxr
                pxx -= a * pxx
            m[t, 0], m[t, 1], c[t, 0], c[t, 1], c[t, 2] = x, r, pxx, pxr, prr
        sx, sr, vxx, vxr, vrr = x, r, pxx, pxr, prr
        for t in range(n - 1, -1, -1):
            if t < n - 1:
                # gain J = C T' P⁻¹, T = [[1, 1], [0, 1]]
                p00, p01, p11 = cp[t + 1, 0], cp[t + 1, 1], cp[t + 1, 2]
                det = p00 * p11 - p01 * p01
                a00, a01, a11 = c[t, 0], c[t, 1], c[t, 2]
                b00, b01 = a00 + a01, a01  # C T'
                b10, b11 = a01 + a11, a11
                if det > 1e-30:
                    j00, j01 = (b00 * p11 - b01 * p01) / det, (b01 * p00 - b00 * p01) / det
                    j10, j11 = (b10 * p11 - b11 * p01) / det, (b11 * p00 - b10 * p01) / det
                elif p11 > 0:
                    j00, j01, j10, j11 = 0.0, b01 / p11, 0.0, b11 / p11
                else:
                    j00, j01, j10, j11 = 0.0, 0.0, 0.0, 0.0
                dx, dr = sx - mp[t + 1, 0], sr - mp[t + 1, 1]
                d00, d01, d11 = vxx - p00, vxr - p01, vrr - p11
                sx = m[t, 0] + j00 * dx + j01 * dr
                sr = m[t, 1] + j10 * dx + j11 * dr
                e00, e01 = j00 * d00 + j01 * d01, j00 * d01 + j01 * d11
                e10, e11 = j10 * d00 + j11 * d01, j10 * d01 + j11 * d11
                vxx = a00 + e00 * j00 + e01 * j01
                vxr = a01 + e00 * j10 + e01 * j11
                vrr = a11 + e10 * j10 + e11 * j11
            mean[starts[k] + t] = min(max(sx, 0.0), 0.95)
            var[starts[k] + t] = max(vxx, 0.0)
        rates[k], rate_vars[k], at_start[k] = sr, vrr, sx
    return mean, var, rates, rate_vars, at_start


@numba.njit(cache=True, nogil=True)
def kinds_of(starts, ends, kinds, size):  # type: ignore[no-untyped-def]
    """Kind of the piece of each day."""
    what = np.zeros(size, np.int64)
    for k in range(len(starts)):
        what[starts[k] : ends[k]] = kinds[k]
    return what


@numba.njit(cache=True, nogil=True)
def eliminate(matrix, right):  # type: ignore[no-untyped-def]
    """Solve for a positive definite ``matrix``, both changed in place; quicker to compile than LAPACK's for as small a one."""
    p = len(right)
    for c in range(p):
        for d in range(c + 1, p):
            share = matrix[d, c] / matrix[c, c]
            for e in range(c, p):
                matrix[d, e] -= share * matrix[c, e]
            right[d] -= share * right[c]
    for c in range(p - 1, -1, -1):
        for e in range(c + 1, p):
            right[c] -= matrix[c, e] * right[e]
        right[c] /= matrix[c, c]


@numba.njit(cache=True, nogil=True)
def replicate(  # type: ignore[no-untyped-def]
    random, blocks, residual, scatter, weight, years, season, coefficients, ridge,
    starts, ends, kinds, at_start, rates, candidate, penalty, rate_mean, rate_var, wander, insolation, turns,
):  # fmt: skip
    """Rate and soiling ratio of made-up data: the plant found, its saw-tooth wandering anew, residuals drawn by blocks.

    Parameters
    ----------
    random
        (replicate, day) standard normal, for the wandering.
    blocks, residual
        (replicate, block) first places in ``residual``, the standardised ones of all days that have one.
    scatter
        Standard deviation of each day.

    Returns
    -------
    (replicate, 2)
    """
    size = len(weight)
    count = blocks.shape[0]
    length = -(-size // blocks.shape[1])
    pool = len(residual)
    p = len(coefficients)
    orders = season.shape[1]
    out = np.full((count, 2), np.nan)
    y = np.zeros(size)
    loss = np.zeros(size)
    precision = np.zeros(size)
    columns = np.zeros((size, 1 + p))
    root = np.sqrt(wander)
    nothing = np.zeros((0, p))
    normal = np.zeros((p, p))
    right = np.zeros(p)
    for k in range(count):
        for piece in range(len(starts)):
            x = at_start[piece]
            for day in range(starts[piece], ends[piece]):
                if day > starts[piece]:
                    x += rates[piece] + root * random[k, day]
                soiled = kinds[piece] == FULL or kinds[piece] == PARTIAL
                here = min(max(x, 0.0), 0.9) if soiled else 0.0
                e = residual[(blocks[k, day // length] + day % length) % pool]
                level = coefficients[0] + np.log(1 + coefficients[1] * years[day])
                for c in range(orders):
                    level += season[day, c] * coefficients[2 + c]
                y[day] = level + np.log(1 - here) + e * scatter[day]
        b = coefficients.copy()
        for turn in range(turns):
            for inner in range(2):
                for day in range(size):
                    level = b[0] + np.log(max(1 + b[1] * years[day], 0.05))
                    for c in range(orders):
                        level += season[day, c] * b[2 + c]
                    shown = np.exp(min(max(y[day] - level, -3.0), 3.0)) if weight[day] > 0 else 1.0
                    loss[day] = 1 - shown
                    precision[day] = weight[day] / (shown * shown)
                    columns[day, 0] = loss[day]
                    columns[day, 1] = shown
                    columns[day, 2] = shown * years[day] / max(1 + b[1] * years[day], 0.1)
                    for c in range(orders):
                        columns[day, 3 + c] = shown * season[day, c]
                if inner == 0:
                    s, t, what, before, _ = partition(loss, precision, candidate, penalty, rate_mean, rate_var, wander)
                elif turn < turns - 1:
                    break
                products, _ = normal_equations(
                    columns, precision, s, t, what, before, rate_mean, rate_var, wander, nothing
                )
                for c in range(p):
                    for d in range(p):
                        normal[c, d] = products[1 + c, 1 + d]
                    normal[c, c] += ridge[c]
                    right[c] = products[1 + c, 0] + ridge[c] * b[c]
                eliminate(normal, right)
                for c in range(p):
                    b[c] -= right[c]
                b[1] = min(max(b[1], -0.15), 0.15)
        mean, _, _, _, _ = smooth(loss, precision, s, t, what, before, rate_mean, rate_var, wander)
        total = got = 0.0
        for piece in range(len(s)):
            if what[piece] == OUT:
                continue
            for day in range(s[piece], t[piece]):
                total += insolation[day]
                got += insolation[day] * (1 - mean[day])
        out[k, 0] = b[1]
        out[k, 1] = got / total if total > 0 else np.nan
    return out
