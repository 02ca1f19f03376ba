"""Dirt on modules and sensors: it grows on dry days, rain and hands take it off.

References
----------
.. [1] Kimber et al., "The effect of soiling on large grid-connected photovoltaic systems in California and the
   Southwest region of the United States", 2006 (a constant rate between rains; 0.1 to 0.3 % a day there).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from workbench.simulate.dynamics import Clock, State
from workbench.simulate.faults import Fault
from workbench.simulate.noise import Floats

SOILING = 0.0022  #: share of light lost more, per dry day
SOILING_MOST = 0.25
_WASHES = 0.2  #: rain that washes [mm/h]
_DEPTH = 0.67  #: of rain that takes off all but 1/e of the dirt [mm]
_BARELY = 1e-6  #: what the most thorough cleaning leaves


def soil(dt: float, rain: Floats, rate: Floats, state: State, kept: Floats | None = None) -> Floats:
    """Share of light lost to dirt.

    Parameters
    ----------
    dt
        Between instants [s].
    rain
        [T] [mm/h].
    rate
        [A] share of light lost more, per dry day.
    state
        Its ``soiling`` [A] is the share lost one ``dt`` before; carried on.
    kept
        [T, A] share of the dirt that cleaning leaves at each instant, see :func:`cleaned`; None where nobody cleans.

    Returns
    -------
    [T, A] share of light lost [1].
    """
    last: Floats = state["soiling"]
    grow = rate * dt / 86400.0
    wet = rain > _WASHES
    if not wet.any() and kept is None:
        dirt = np.minimum(last + grow * np.arange(1, len(rain) + 1)[:, None], SOILING_MOST)
    else:
        left = np.exp(-np.where(wet, rain, 0.0) * dt / (3600.0 * _DEPTH))[:, None]
        left = np.broadcast_to(left if kept is None else left * kept, (len(rain), len(last)))
        dirt = np.empty((len(rain), len(last)))
        for i in range(len(rain)):
            last = np.minimum(last * left[i] + (0.0 if wet[i] else grow), SOILING_MOST)
            dirt[i] = last
    state["soiling"] = dirt[-1].copy()
    return dirt


def cleaned(faults: Iterable[Fault], assets: Sequence[str], meter: str | None, clock: Clock) -> Floats | None:
    """Share of the dirt that cleaning leaves at each instant, [T, A]; None where nobody cleans.

    The work goes on evenly from start to end. A cleaning of the ``meter`` is one of the whole site.
    """
    kept: Floats | None = None
    step = int(clock.dt * 1e9)
    for fault in faults:
        if fault.kind != "cleaning" or fault.end is None or (fault.asset not in assets and fault.asset != meter):
            continue
        done = np.minimum(clock.ns, fault.end) - np.maximum(clock.ns - step, fault.start)
        if not (done > 0).any():
            continue
        share = np.clip(done, 0, None) / (fault.end - fault.start)
        one = max(1.0 - float(fault.magnitude or 0.0), _BARELY) ** share
        if kept is None:
            kept = np.ones((len(clock.ns), len(assets)))
        columns = slice(None) if fault.asset == meter else [list(assets).index(fault.asset)]
        kept[:, columns] *= one[:, None]
    return kept
