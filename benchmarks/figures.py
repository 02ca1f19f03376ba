"""What a benchmark reports."""

from __future__ import annotations

import os
import resource
import socket
import time
from dataclasses import dataclass
from pathlib import Path
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

    def __post_init__(self) -> None:
        # figures come as numbers of NumPy too, which JSON does not know
        self.value = float(self.value)

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
    for line in _status():  # what getrusage says begins with what the parent had when it started this process
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Watched:
    """CPU and memory of another process, looked at now and then (Linux)."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.peak_mb = 0.0
        self._cpu, self._at = self._used(), time.perf_counter()
        self._last = (self._cpu, self._at)

    @classmethod
    def child_of(cls, parent: int) -> Watched:
        """The first child of a process."""
        return cls(int(Path(f"/proc/{parent}/task/{parent}/children").read_text().split()[0]))

    def look(self) -> None:
        """Take note of how it is now."""
        self._last = (self._used(), time.perf_counter())
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                self.peak_mb = int(line.split()[1]) / 1024

    @property
    def share(self) -> float:
        """Cores used since it was first looked at."""
        return (self._last[0] - self._cpu) / (self._last[1] - self._at)

    def _used(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _status() -> list[str]:
    path = Path("/proc/self/status")
    return path.read_text().splitlines() if path.exists() else []


def free_port() -> int:
    """A loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
