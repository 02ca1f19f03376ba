"""What a benchmark reports."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass
from typing import Literal


@dataclass
class Figure:
    """One measured figure, the target it is held against, and a rival measured in the same run.

    ``ratio`` is how many times better than the rival: rival/figure where less is better, figure/rival
    where more is.
    """

    name: str
    value: float
    unit: str
    target: float | None = None
    better: Literal["less", "more"] = "less"
    rival: str | None = None
    rival_value: float | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.target is None:
            return None
        return self.value <= self.target if self.better == "less" else self.value >= self.target

    @property
    def ratio(self) -> float | None:
        """How many times better than the rival."""
        if not self.rival_value or not self.value:
            return None
        return self.rival_value / self.value if self.better == "less" else self.value / self.rival_value


class Cost:
    """CPU [s] and wall [s] of a ``with`` block, children that have ended included."""

    cpu: float
    wall: float

    def __enter__(self) -> Cost:
        self._cpu, self._wall = _cpu(), time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.cpu, self.wall = _cpu() - self._cpu, time.perf_counter() - self._wall


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far [MB]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
