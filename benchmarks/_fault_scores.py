"""Events found beside the faults that were put in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from benchmarks._faulty_plant import Truth

DAY = np.timedelta64(1, "D")


@dataclass
class Score:
    """Counts over plants."""

    faults: int = 0
    hits: int = 0
    right_kind: int = 0
    false: list[Any] = field(default_factory=list)
    missed: list[Truth] = field(default_factory=list)
    wrong: list[Any] = field(default_factory=list)
    begin_off: list[float] = field(default_factory=list)  #: [day]
    lost: list[tuple[float, float, str]] = field(default_factory=list)  #: found, truth [kWh]
    years: float = 0.0

    def add(self, faults: list[Truth], events: pd.DataFrame, assets: int, years: float = 1.0) -> None:
        """A fault is found by an event of its asset that shares days with it; an event that shares none is false."""
        self.years += assets * years
        used: set[int] = set()
        for one in faults:
            self.faults += 1
            mine = events[events["asset"] == one.asset]
            over = mine[(mine["begin"] <= one.end) & (mine["end"] >= one.begin)]
            used |= set(over.index)
            if over.empty:
                self.missed.append(one)
                continue
            self.hits += 1
            length = (over["end"].clip(upper=one.end) - over["begin"].clip(lower=one.begin)).dt.total_seconds()
            best = over.loc[length.idxmax()]
            if best["fault"] == one.kind.split(" (")[0]:
                self.right_kind += 1
            else:
                self.wrong.append((one.asset, one.kind, best["fault"], one.size, best["ratio"]))
            self.begin_off.append((over["begin"].min().to_datetime64() - one.begin) / DAY)
            self.lost.append((float(over["lost_energy"].sum()), one.lost, one.kind))
        self.false += [row for index, row in events.iterrows() if index not in used]

    @property
    def recall(self) -> float:
        return self.hits / max(self.faults, 1)

    @property
    def false_rate(self) -> float:
        """Per 100 years of one asset."""
        return 100.0 * len(self.false) / self.years

    def energy(self) -> tuple[float, float]:
        """Error of the sum, and the median of the errors of single faults of 20 kWh or more [%]."""
        pairs = [(f, t) for f, t, _ in self.lost if t > 0]
        single = [abs(f / t - 1) for f, t in pairs if t >= 20]
        total = sum(f for f, _ in pairs) / max(sum(t for _, t in pairs), 1e-9) - 1
        return 100 * total, 100 * float(np.median(single)) if single else np.nan
