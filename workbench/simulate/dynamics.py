"""Small pieces of dynamics, for one instant or many at once, that carry their state on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from workbench.simulate.noise import Floats, Ints

NS = 1_000_000_000
State = dict[str, Any]


@lru_cache(maxsize=4096)
def _zone_offset(hour: int, zone: str) -> int:
    """Offset of the clock of ``zone`` from UTC in that hour since 1970 [s]."""
    moment = datetime.fromtimestamp(hour * 3600, UTC).astimezone(ZoneInfo(zone)).utcoffset()
    return 0 if moment is None else int(moment.total_seconds())


@dataclass(frozen=True)
class Clock:
    """The instants one step of the models is about.

    ``ns`` [T] int64 ns since 1970 UTC, equally spaced by ``dt`` [s]; the state of the models is that of
    ``dt`` before the first.
    """

    ns: Ints
    dt: float
    zone: str = "UTC"

    @property
    def t(self) -> Floats:
        """[T] seconds since 1970."""
        return np.asarray(self.ns / NS, dtype=np.float64)

    @property
    def second(self) -> Ints:
        """[T] whole seconds since 1970."""
        return np.asarray(self.ns // NS, dtype=np.int64)

    def local(self) -> tuple[Ints, Floats]:
        """[T] number of the local day, and the local hour of the day 0 to 24 by the site's clock."""
        second = self.second
        hours = second // 3600
        first, last = int(hours[0]), int(hours[-1])
        table = np.array([_zone_offset(hour, self.zone) for hour in range(first, last + 1)], dtype=np.int64)
        local = second + table[hours - first]
        return local // 86400, np.asarray((local % 86400) / 3600, dtype=np.float64)


def lag(x: Floats, tau: float | Floats, dt: float, last: Floats) -> tuple[Floats, Floats]:
    """A first-order lag: dy/dt = (x - y) / tau, exact for x held between instants.

    Parameters
    ----------
    x
        [T, ...] input.
    tau
        Time constant [s].
    dt
        Spacing [s].
    last
        [...] the output one ``dt`` before the first instant.

    Returns
    -------
    [T, ...] output, and its last row.
    """
    keep = np.exp(-dt / np.asarray(tau, dtype=np.float64))
    if len(x) == 1:
        y = (x[0] + (last - x[0]) * keep)[None]
    elif keep.ndim == 0:
        y = lfilter([1.0 - keep], [1.0, -keep], x, axis=0, zi=np.asarray(last * keep)[None])[0]
    else:
        y = np.empty_like(x)
        for i, part in np.ndenumerate(np.broadcast_to(keep, x.shape[1:])):
            at = (slice(None), *i)
            y[at] = lfilter([1.0 - part], [1.0, -part], x[at], zi=[last[i] * part])[0]
    return np.asarray(y, dtype=np.float64), np.array(y[-1], dtype=np.float64)


def latch(
    on: npt.NDArray[np.bool_], off: npt.NDArray[np.bool_], last: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """A switch with hysteresis: set by ``on``, cleared by ``off`` (which wins), else as it was.

    All [T, A]; ``last`` [A]. Returns [T, A] and its last row.
    """
    decided = on | off
    row = np.where(decided, np.arange(1, len(on) + 1)[:, None], 0)
    row = np.maximum.accumulate(row, axis=0)
    value = on & ~off
    held = np.take_along_axis(np.concatenate((last[None], value)), row, axis=0)
    return held, held[-1].copy()


def count_up(increment: npt.NDArray[Any], last: Floats) -> tuple[Floats, Floats]:
    """Running total of ``increment`` [T, ...] from ``last`` [...]; and its last row."""
    total = np.cumsum(np.concatenate((last[None], increment)), axis=0)[1:]
    return total, total[-1].copy()


def today(total: Floats, day: Ints, state: State, name: str) -> Floats:
    """What was added to the counter ``total`` [T, A] since the site's midnight.

    ``day`` [T] is the local day. The total at the last midnight is kept in ``state`` under ``name``.
    """
    before: Floats = state[name]
    last_total: Floats = state[name + "_total"]
    begin = np.empty_like(total)
    previous = int(state[name + "_day"])
    edges = np.flatnonzero(np.diff(day, prepend=previous))
    start = 0
    for edge in [*edges.tolist(), len(day)]:
        begin[start:edge] = before
        if edge < len(day):
            before = (total[edge - 1] if edge else last_total).copy()
        start = edge
    state[name], state[name + "_day"], state[name + "_total"] = before, int(day[-1]), total[-1].copy()
    return total - begin


def today_state(total: Floats, name: str) -> State:
    """First state for :func:`today`: nothing counted yet, on no day."""
    return {name: total.copy(), name + "_day": -1, name + "_total": total.copy()}


def wrap(angle: Floats) -> Floats:
    """An angle into [-180, 180) [degree]."""
    return np.asarray((angle + 180.0) % 360.0 - 180.0, dtype=np.float64)
