"""Capacity from all rests at once: one count of the charge over the whole time, held against the voltage of every rest.

Where the open-circuit curve is flat a voltage does not tell the state of charge, and turning it into one makes a small error of
voltage a large and lopsided one. Here the voltages themselves are the observations [1]_: each rest has

    V = OCV(s) + c(s) + k m + h u + noise,  s = s0 - (x - z t) / Q

with x the charge counted since the start of its run, Q the capacity, z the zero of the current's sensor, which wanders; c the error of
the curve, smooth over the state of charge; m what polarisation is left of the current before, u the side from which the state of
charge was come to (hysteresis). All but Q are nuisances with priors, so that what they leave open is in the interval, and what the rests
tell of them is used: rests of all weeks lean on one count.

References
----------
.. [1] G. L. Plett, "Battery Management Systems, Volume II: Equivalent-Circuit Methods", Artech House 2015, chapters 3 and 4 (voltage at
   rest as output, hysteresis by the way the charge went); the solution is Gauss-Newton with priors, as a smoother over the whole record.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numba
import numpy as np

from workbench.analytics.storage.aged_curve import aged
from workbench.analytics.storage.fields import Floats, Ints
from workbench.analytics.storage.open_circuit import AGED_UNLIKE, AGED_UNLIKE_FLAT, OpenCircuitCurve

_NODE = 2.0  #: days between which the sensor's zero goes straight, where there are no more than
_MOST_NODES = 30  #: such times
_MOST, _RANGES = (
    160,
    8,
)  #: rests that are looked at, and ranges of voltage of which as many each, as their errors are mostly one error
_ZERO = 0.002  #: standard deviation of the current sensor's zero [1/h]; 1/500 of a full charge per hour
_ZERO_WALK = 1e-4  #: by which it wanders in a day [1/h]
_LEFT = 0.5  #: slow part of the drop over the quick one, mean and standard deviation [1]
_SLOW = 0.2  #: of the part that fades slowly, standard deviation [1]
_LITHIUM = 0.1  #: by which lithium lost may differ from that, standard deviation [1]
_BY_LITHIUM = 0.7  #: of the capacity lost is lost as lithium, in the mean [1]
_AGED = 0.1  #: capacity lost that an aged curve is allowed for at the least [1]
_STARTS = (1.0, 0.88, 0.76)  #: healths that the search begins with, as a flat curve has more than one likely answer [1]
_LIKELY = (
    15.0  #: twice the logarithm of how much less likely another answer may be, the prior of the curve being a rough one
)
_SIDE = 0.05  #: share of a full charge in which hysteresis goes from one side to the other [1]
_CAPACITY = 0.3  #: standard deviation of the capacity before anything was seen [1]
_ALIKE = 25.0  #: of the state of charge, over which the error of a curve's slope is much the same [%]
_STEPS = 6.0  #: and that of its steps and knees, which slide against each other [%]
_KINK = 0.2  #: over which the curve is rounded [%]
_FAR, _FEW = 15.0, 10  #: from the median state of charge [%], and rests
_BELIEVED = 10.0  #: rests that the stated uncertainty of a voltage counts for beside what the residuals tell
_NODES = np.linspace(0.0, 100.0, 41)  #: of the curve's error [%]


@dataclass(frozen=True)
class Rested:
    """What a fit looks at; each [rest].

    Attributes
    ----------
    voltage
        Of a cell, freed of the small current's drop [V].
    out
        Charge taken out until then over the capacity when new [1].
    hours
        Since the beginning [h].
    run
        Number of the run without gaps.
    left
        Voltage that polarisation would add were its slow part as large as the quick one [V].
    slow
        Of that which fades slowly, the same [V].
    side
        From -1 (come from a higher state of charge) to 1.
    charge, deviation
        State of charge by the voltage alone and its standard uncertainty [%], to begin with; NaN where it does not tell.
    """

    voltage: Floats
    out: Floats
    hours: Floats
    run: Ints
    left: Floats
    slow: Floats
    side: Floats
    charge: Floats
    deviation: Floats


@dataclass(frozen=True)
class Joint:
    """What was found.

    Attributes
    ----------
    health
        Capacity over that when new [1].
    deviation
        Its standard uncertainty, that of the current's scale left out [1].
    lithium
        Lithium lost over the capacity when new [1], 0 where the curve is not that of a new cell.
    swing
        Widest range of the state of charge within a run [%].
    free
        Rests beyond the unknowns that they tell by themselves.
    residual
        By which a voltage is off by chance [V].
    """

    health: float
    deviation: float
    lithium: float
    swing: float
    free: float
    residual: float


@numba.njit(cache=True, nogil=True)
def sides(rate: Floats, hours: float) -> Floats:
    """From which side each slot's state of charge was come to: -1 discharging, 1 charging; ``rate`` [1/h] positive while discharging."""
    found = np.empty(len(rate))
    side = 0.0
    for i in range(len(rate)):
        flow = rate[i]
        if np.isnan(flow):
            side = 0.0
        else:
            keep = np.exp(-abs(flow) * hours / _SIDE)
            side = keep * side - (1.0 - keep) * np.sign(flow)
        found[i] = side
    return found


def _hats(at: Floats, nodes: Floats) -> Floats:
    """Weights of linear interpolation, [at, node]."""
    if len(nodes) == 1:
        return np.ones((len(at), 1))
    left = np.clip(np.searchsorted(nodes, at, side="right") - 1, 0, len(nodes) - 2)
    part = np.clip((at - nodes[left]) / (nodes[left + 1] - nodes[left]), 0.0, 1.0)
    found = np.zeros((len(at), len(nodes)))
    rows = np.arange(len(at))
    found[rows, left], found[rows, left + 1] = 1.0 - part, part
    return found


def _integrals(at: Floats, nodes: Floats) -> Floats:
    """Integrals of those weights from the first node until ``at``, [at, node]."""
    if len(nodes) == 1:
        alone: Floats = (at - nodes[0])[:, None]
        return alone
    fine = np.unique(np.concatenate([nodes, at]))
    middle = _hats((fine[1:] + fine[:-1]) / 2, nodes) * np.diff(fine)[:, None]
    sums = np.concatenate([np.zeros((1, len(nodes))), np.cumsum(middle, axis=0)])
    found: Floats = sums[np.searchsorted(fine, at)]
    return found


def _thinned(rested: Rested) -> Rested:
    """No more rests than are of use: of each range of voltages as many, evenly over the time."""
    if len(rested.voltage) <= _MOST:
        return rested
    volts = rested.voltage
    each = np.minimum(((volts - volts.min()) / max(float(np.ptp(volts)), 1e-9) * _RANGES).astype(np.int64), _RANGES - 1)
    keep = np.zeros(len(volts), dtype=bool)
    for number in range(_RANGES):
        at = np.flatnonzero(each == number)
        keep[at[np.unique(np.linspace(0, len(at) - 1, min(len(at), _MOST // _RANGES)).round().astype(np.int64))]] = True
    return Rested(**{f.name: getattr(rested, f.name)[keep] for f in fields(Rested)})


def _curved(curve: OpenCircuitCurve, lost: float) -> Floats:
    """Root of the information that the prior has of the curve's error at the nodes: a random function, smooth over the state of charge.

    That of an aged cell grows with the capacity ``lost``, as steps of the graphite and the slope of the positive do not slide as
    :func:`aged` has them. It is what that leaves of curves of half-cells in the literature, at balances of the electrodes 5 % about theirs.
    """
    apart = np.abs(_NODES[:, None] - _NODES)
    # Matern's of 3/2 for the steps: where they are is not known from how the curve goes beside them
    near = np.sqrt(3.0) * apart / _STEPS
    alike = (np.exp(-((apart / _ALIKE) ** 2) / 2) + (1.0 + near) * np.exp(-near)) / 2
    together = 2.0 * max(curve.systematic, 1e-4) ** 2 * alike
    if curve.of_new_cell:
        volts = lost * np.interp(_NODES, *(AGED_UNLIKE_FLAT if curve.flat else AGED_UNLIKE))
        together = together + np.outer(volts, volts) * alike
    together[np.diag_indices_from(together)] *= 1.01
    found: Floats = np.linalg.inv(np.linalg.cholesky(together))
    return found


def fit(rested: Rested, curve: OpenCircuitCurve) -> Joint | None:
    """The capacity that all rests tell together; None where the charge counted and the voltages do not go together."""
    rested = _thinned(rested)
    n = len(rested.voltage)
    runs = np.unique(rested.run, return_inverse=True)[1]
    count = int(runs.max()) + 1
    nodes = np.linspace(
        rested.hours[0],
        max(rested.hours[-1], rested.hours[0] + 1.0),
        1 + int(np.clip(round(np.ptp(rested.hours) / 24 / _NODE), 1, _MOST_NODES)),
    )
    began = np.zeros(count)
    first = np.unique(runs, return_index=True)[1]
    began[:] = rested.out[first]
    x = rested.out - began[runs]
    lag = _integrals(rested.hours, nodes)
    lag = lag - lag[first][runs]
    own = (runs[:, None] == np.arange(count)).astype(np.float64)
    # unknowns: capacity's inverse, zero at the nodes [1/h x 1e3], starts [%], error of the curve [V], polarisation, hysteresis
    zeros, starts = slice(1, 1 + len(nodes)), slice(1 + len(nodes), 1 + len(nodes) + count)
    bends = slice(starts.stop, starts.stop + len(_NODES))
    last = bends.stop
    walk = np.zeros((len(nodes), last + 4))
    walk[0, zeros.start] = 1e-3 / _ZERO
    for k in range(1, len(nodes)):
        days = (nodes[k] - nodes[k - 1]) / 24
        walk[k, zeros.start + k], walk[k, zeros.start + k - 1] = (
            1e-3 / _ZERO_WALK / np.sqrt(days),
            -1e-3 / _ZERO_WALK / np.sqrt(days),
        )
    prior = np.concatenate([walk, np.zeros((1 + len(_NODES) + 4, last + 4))])
    row = len(nodes)
    prior[row, 0] = 1.0 / _CAPACITY
    # a curve that is off here is off nearby, so that its error does not average out over the nodes
    prior[row + 1 : row + 1 + len(_NODES), bends] = _curved(curve, _AGED)
    prior[-4, last], prior[-3, last + 1] = 1.0 / _LEFT, 1.0 / max(curve.uncertainty, 1e-4)
    prior[-2, last + 2] = 1.0 / _SLOW
    # of the capacity lost most is lithium, the rest of both electrodes alike, which leaves the curve as it is
    prior[-1, last + 3] = 1.0 / (_LITHIUM if curve.of_new_cell else 1e-6)
    prior[-1, 0] = -_BY_LITHIUM * prior[-1, last + 3] if curve.of_new_cell else 0.0
    target = np.zeros(len(prior))
    target[row], target[-4], target[-1] = 1.0 / _CAPACITY, 1.0, prior[-1, 0]  # half of it, give or take as much

    # first by the states of charge that voltages tell, which is linear
    beta = np.zeros(last + 4)
    told = np.isfinite(rested.charge)
    if told.sum() < 3:
        return None
    design = np.zeros((n, last + 4))
    design[:, 0], design[:, zeros], design[:, starts] = -100.0 * x, 0.1 * lag, own
    weight = np.where(told, 1.0 / np.nan_to_num(rested.deviation, nan=1e9), 0.0)
    robust = np.ones(n)
    loose = np.zeros((count, last + 4))
    loose[np.arange(count), np.arange(starts.start, starts.stop)] = 1.0 / 100.0
    half = np.full(count, 0.5)
    for _ in range(5):
        w = np.sqrt(robust) * weight
        beta = _solve(
            np.concatenate([design * w[:, None], prior, loose]),
            np.concatenate([np.nan_to_num(rested.charge) * w, target, half]),
        )
        off = np.abs(np.nan_to_num(rested.charge) - design @ beta) * weight
        robust = np.minimum(1.0, 2.0 / np.maximum(off, 1e-9))
    if not beta[0] > 0:
        return None

    # where few rests lie apart from the rest, none of them may be taken for an outlier: they are all that is known
    begun = design[:, starts] @ beta[starts] + design[:, 0] * beta[0]
    far = int((np.abs(begun - np.median(begun)) > _FAR).sum())
    bound = 2.0 if far >= _FEW else np.inf
    sigma = curve.uncertainty

    volts = _Ageing(curve)

    def residual(b: Floats) -> tuple[Floats, Floats, Floats]:
        moved = x - 1e-3 * lag @ b[zeros]
        s = own @ b[starts] - 100.0 * b[0] * moved
        gap = rested.voltage - (
            volts.at(s, b[last + 3])[0]
            + _hats(s, _NODES) @ b[bends]
            + b[last] * rested.left
            + b[last + 1] * rested.side
            + b[last + 2] * rested.slow
        )
        return gap, s, moved

    def cost(gap: Floats, b: Floats) -> float:
        off = np.abs(gap / sigma)
        found = np.where(off < bound, off**2, 4 * off - 4).sum()
        return float(found + ((target - prior @ b) ** 2).sum() + ((half - loose @ b) ** 2).sum())

    def search(beta: Floats) -> tuple[Floats, float, tuple[Floats, Floats, Floats, Floats]]:
        """Levenberg and Marquardt's search: the unknowns, their cost, and jacobian, weights, rows and gaps there."""
        gap, s, moved = residual(beta)
        best, damp = cost(gap, beta), 1e-4
        for _ in range(40):
            _, slope, by_lithium = volts.at(s, beta[last + 3])
            jacobian = np.zeros((n, last + 4))
            jacobian[:, 0] = -100.0 * moved * slope
            jacobian[:, zeros] = 0.1 * beta[0] * lag * slope[:, None]
            jacobian[:, starts] = own * slope[:, None]
            jacobian[:, bends] = _hats(s, _NODES)
            jacobian[:, last], jacobian[:, last + 1] = rested.left, rested.side
            jacobian[:, last + 2], jacobian[:, last + 3] = rested.slow, by_lithium
            w = np.sqrt(np.minimum(1.0, bound / np.maximum(np.abs(gap) / sigma, 1e-9))) / sigma
            rows = np.concatenate([jacobian * w[:, None], prior, loose])
            right = np.concatenate([gap * w, target - prior @ beta, half - loose @ beta])
            while damp < 1e6:
                tried = beta + _solve(rows, right, damp)
                gap_, s_, moved_ = residual(tried)
                now = cost(gap_, tried)
                if now <= best and tried[0] > 0.2:
                    break
                damp *= 10
            else:
                break
            better = best - now
            beta, gap, s, moved, best, damp = tried, gap_, s_, moved_, now, damp / 10
            if better < 1e-3 and damp < 1e-2:
                break
        return beta, best, (jacobian, w, rows, gap)

    loose_rows = np.concatenate([design * (np.sqrt(robust) * weight)[:, None], prior, loose])
    loose_right = np.concatenate([np.nan_to_num(rested.charge) * np.sqrt(robust) * weight, target, half])
    others: list[tuple[float, float]] = []
    best_of = search(beta)
    others.append((1.0 / best_of[0][0], best_of[1]))
    for start in _STARTS if curve.flat or curve.of_new_cell else ():
        given = loose_right - loose_rows[:, 0] / start
        rest = np.concatenate([[1.0 / start], _solve(loose_rows[:, 1:], given)])
        found = search(rest)
        others.append((1.0 / found[0][0], found[1]))
        if found[1] < best_of[1]:
            best_of = found
    lowest = best_of[1]
    beta = best_of[0]
    for turn in range(3):
        if curve.of_new_cell:
            prior[row + 1 : row + 1 + len(_NODES), bends] = _curved(curve, max(1.0 - 1.0 / beta[0], _AGED))
        beta, _, (jacobian, w, rows, gap) = search(beta)
        inverse = _inverse(rows)
        # by how much of its unknowns the rests themselves tell
        tied = float(np.einsum("ij,ni,nj->", inverse, jacobian * w[:, None], jacobian * w[:, None], optimize=True))
        free = max(n - tied, 1.0)
        # how far a voltage is off by chance, the rests themselves tell
        by_chance = float(
            np.sqrt((_BELIEVED * curve.uncertainty**2 + ((gap * w) ** 2).sum() * sigma**2) / (_BELIEVED + free))
        )
        again = abs(by_chance / sigma - 1.0) > 0.02
        sigma = max(by_chance, curve.uncertainty / 2, 1e-4)
        if turn and not again:
            break
    if curve.of_new_cell and not -0.05 < beta[last + 3] < min(0.45, 1.05 - 1.0 / beta[0]):
        return None  # more lithium lost than capacity: not the curve of this cell
    _, s, _ = residual(beta)
    variance = float(inverse[0, 0])
    # another answer nearly as likely as this is within the uncertainty
    apart_ = max((abs(h - 1.0 / beta[0]) for h, c in others if c < lowest + _LIKELY), default=0.0)
    variance = max(variance, (apart_ * beta[0] ** 2 / 1.6) ** 2)
    swing = max(float(np.ptp(s[runs == k])) for k in range(count))
    return Joint(1.0 / beta[0], float(np.sqrt(variance)) / beta[0] ** 2, float(beta[last + 3]), swing, free, sigma)


class _Voltage:
    """Voltage at rest and its slope at states of charge [%], going on at the ends as it came there.

    The mean over a fifth of a per cent, so that the slope is that of the value also where the curve has a kink: without it the search
    halts at the kinks.
    """

    def __init__(self, curve: OpenCircuitCurve) -> None:
        self._grid = np.linspace(-60.0, 160.0, 2201)
        inside = np.clip(self._grid, 0.0, 100.0)
        low, high = (curve.at(2.0) - curve.at(0.0)) / 2.0, (curve.at(100.0) - curve.at(98.0)) / 2.0
        self._volts = curve.at(inside) + low * np.minimum(self._grid, 0.0) + high * np.maximum(self._grid - 100.0, 0.0)
        steps = (self._volts[1:] + self._volts[:-1]) / 2 * np.diff(self._grid)
        self._sums = np.concatenate([[0.0], np.cumsum(steps)])

    def _sum(self, s: Floats) -> Floats:
        """Integral of the linear pieces, exactly."""
        at = np.clip(((s - self._grid[0]) * 10.0).astype(np.int64), 0, len(self._grid) - 2)
        part = s - self._grid[at]
        slope = (self._volts[at + 1] - self._volts[at]) * 10.0
        found: Floats = self._sums[at] + part * self._volts[at] + slope * part**2 / 2
        return found

    def at(self, s: Floats) -> tuple[Floats, Floats]:
        s = np.clip(s, -55.0, 155.0)
        low, high = s - _KINK / 2, s + _KINK / 2
        slope = (np.interp(high, self._grid, self._volts) - np.interp(low, self._grid, self._volts)) / _KINK
        return (self._sum(high) - self._sum(low)) / _KINK, slope


class _Ageing:
    """The same of cells that have lost lithium, between the curves of a grid of it."""

    def __init__(self, curve: OpenCircuitCurve) -> None:
        self._step = 0.02
        self._curve = curve
        self._kept: dict[int, _Voltage] = {}

    def _of(self, number: int) -> _Voltage:
        if number not in self._kept:
            self._kept[number] = _Voltage(aged(self._curve, number * self._step))
        return self._kept[number]

    def at(self, s: Floats, lithium: float) -> tuple[Floats, Floats, Floats]:
        """Voltage, its slope by the state of charge [V/%] and by the lithium lost [V]."""
        if not self._curve.of_new_cell:
            return (*self._of(0).at(s), np.zeros(len(s)))
        place = float(np.clip(lithium, -0.05, 0.45)) / self._step
        low = int(np.floor(place))
        part = place - low
        (v0, g0), (v1, g1) = self._of(low).at(s), self._of(low + 1).at(s)
        return (1 - part) * v0 + part * v1, (1 - part) * g0 + part * g1, (v1 - v0) / self._step


def _inverse(rows: Floats) -> Floats:
    normal = rows.T @ rows
    scale = np.sqrt(np.clip(np.diag(normal), 1e-12, None))
    found: Floats = np.linalg.pinv(normal / scale / scale[:, None], hermitian=True) / scale / scale[:, None]
    return found


def _solve(rows: Floats, right: Floats, damp: float = 0.0) -> Floats:
    """Least squares, damped as Levenberg and Marquardt do."""
    normal = rows.T @ rows
    scale = np.sqrt(np.clip(np.diag(normal), 1e-12, None))
    left = normal / scale / scale[:, None] + (1e-10 + damp) * np.eye(len(scale))
    found: Floats = np.linalg.solve(left, rows.T @ right / scale) / scale
    return found
