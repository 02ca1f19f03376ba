"""What sensors do to true values: quality flags now and then, and readings that stick."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench.model.quality import Quality
from workbench.simulate.dynamics import Clock, State
from workbench.simulate.faults import FOREVER, Fault
from workbench.simulate.noise import Floats, grid_counter, key_of, words

Flags = npt.NDArray[np.uint16]

_SPELL = 16  #: length of a spell of doubtful quality [s]


@dataclass(frozen=True)
class QualityRates:
    """How often values are marked.

    In a spell of 16 s one variable of one asset is marked. The values themselves stay as they are: a mark is
    what a controller says of a signal it doubts.
    """

    spells_per_day: float = 20.0  #: per asset
    bad: float = 0.25  #: share of the spells that say bad; the others say uncertain


class Doubt:
    """Quality flags of one kind of asset at one site, a function of time."""

    def __init__(self, rates: QualityRates, seed: int, name: str) -> None:
        self._chance = rates.spells_per_day * _SPELL / 86400.0
        self._bad = rates.bad
        self._key = key_of(seed, f"{name}/quality")

    def at(self, clock: Clock, assets: int, variables: int) -> Flags | None:
        """Flags [T, assets, variables], or None where every value is good."""
        if self._chance <= 0:
            return None
        spell = clock.second // _SPELL
        first, last = int(spell[0]), int(spell[-1])
        random = words(self._key, grid_counter(np.arange(first, last + 1, dtype=np.int64), assets))
        chosen = random < np.uint64(min(self._chance, 1.0) * (2.0**64 - 4096))
        if not chosen.any():
            return None
        flags = np.zeros((len(spell), assets, variables), dtype=np.uint16)
        low = (random & np.uint64(0xFFFFF)).astype(np.int64)
        for k, asset in zip(*np.nonzero(chosen), strict=True):
            begin, end = np.searchsorted(spell, [first + k, first + k + 1])
            number = int(low[k, asset])
            bad = (number >> 10) / 1024.0 < self._bad
            flags[begin:end, asset, number % variables] = np.uint16(Quality.BAD if bad else Quality.UNCERTAIN)
        return flags if flags.any() else None


def stick(
    values: dict[str, Floats], assets: Sequence[str], faults: Iterable[Fault], clock: Clock, state: State
) -> None:
    """Let stuck sensors repeat themselves, in place. ``values`` are [T, A] by variable.

    A stuck sensor repeats the fault's magnitude, or else what it showed when it stuck, which ``state`` keeps.
    """
    first, last = int(clock.ns[0]), int(clock.ns[-1])
    for fault in faults:
        if fault.kind != "stuck_sensor" or fault.asset not in assets or fault.variable not in values:
            continue
        end = FOREVER if fault.end is None else fault.end
        if fault.start > last or end <= first:
            continue
        on = (clock.ns >= fault.start) & (clock.ns < end)
        if not on.any():
            continue
        column = assets.index(fault.asset)
        held = f"{fault.asset}/{fault.variable}/{fault.start}"
        if fault.magnitude is not None and not np.isnan(fault.magnitude):
            state[held] = fault.magnitude
        elif held not in state:
            state[held] = float(values[fault.variable][np.argmax(on), column])
        series = np.array(values[fault.variable], dtype=np.float64)
        series[on, column] = state[held]
        values[fault.variable] = series
