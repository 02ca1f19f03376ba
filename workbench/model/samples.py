"""What flows from a source to the store: samples, batches of them, and events.

A *series* is all assets of one type at one site that report at one cadence; it becomes one Dataset with
dims ``(time, asset)``. A *sample* is what one asset said at one instant: a value for each variable of a
*shape*. A *batch* is a block of samples of one shape, the unit the journal stores.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

NS = 1_000_000_000


class SeriesKey(NamedTuple):
    """Name of a series inside a site: ``wind_turbine/1s``."""

    asset_type: str
    cadence: str

    def __str__(self) -> str:
        return f"{self.asset_type}/{self.cadence}"

    @classmethod
    def parse(cls, text: str) -> SeriesKey:
        """``SeriesKey`` from its text; raises ValueError where it has not two parts."""
        asset_type, slash, cadence = text.partition("/")
        if not (asset_type and slash and cadence):
            raise ValueError(f"not a series: {text!r} (expected <asset_type>/<cadence>)")
        return cls(asset_type, cadence)


@dataclass(frozen=True)
class Shape:
    """The variables a kind of sample carries, in order, with the width each is kept in.

    ``dtypes`` holds one of ``"f4"``, ``"f8"`` per variable. Codes and states travel as f4 where they are
    below 2**24 and as f8 otherwise; NaN stands for a value that was not sent.
    """

    key: SeriesKey
    variables: tuple[str, ...]
    dtypes: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.variables) != len(self.dtypes):
            raise ValueError("one dtype per variable")
        object.__setattr__(self, "_hash", hash((self.key, self.variables, self.dtypes)))

    def __hash__(self) -> int:
        return self._hash  # type: ignore[attr-defined, no-any-return]


@dataclass(slots=True)
class Sample:
    """What one asset said at one instant.

    ``time`` and ``received`` are ns since 1970 UTC: the source's own time, and when it reached us.
    ``values`` is float64 [len(shape.variables)]; ``quality`` uint16 of the same length, or None where
    every value is good. ``count`` is the number of source updates folded into it: 0 for a further part of an
    update that has been counted.
    """

    shape: Shape
    asset: str
    time: int
    values: npt.NDArray[np.float64]
    quality: npt.NDArray[np.uint16] | None = None
    received: int = 0
    count: int = 1


@dataclass(slots=True)
class Batch:
    """A block of samples of one shape, all in one chunk of time.

    ``slot`` [n] int64 ns: the start of the cadence slot of each sample; ``asset`` [n] int32: index into
    ``assets``; ``time`` [n] int64 ns: exact source time; ``received`` [n] int64 ns; ``count`` [n] uint16;
    ``values`` [n, v] float64; ``quality`` [n, v] uint16 or None.

    ``replace`` marks samples that replace all their slots hold of these variables (missing values and count
    included) in place of adding to it: statistics computed anew.
    """

    shape: Shape
    assets: tuple[str, ...]
    slot: npt.NDArray[np.int64]
    asset: npt.NDArray[np.int32]
    time: npt.NDArray[np.int64]
    received: npt.NDArray[np.int64]
    count: npt.NDArray[np.uint16]
    values: npt.NDArray[np.float64]
    quality: npt.NDArray[np.uint16] | None = None
    seq: int = -1  #: the journal's number once it is durable
    replace: bool = False

    def __len__(self) -> int:
        return len(self.slot)


@dataclass(slots=True)
class Event:
    """Something that happened: a change of state, an alarm, a breaker operation.

    ``time`` is the exact source time [ns since 1970 UTC].
    """

    site: str
    asset: str
    time: int
    kind: str  #: ``status``, ``alarm``, ``warning``, ``source``, …
    name: str  #: the variable or code that changed
    value: str = ""
    text: str = ""
    severity: str = "info"  #: ``info``, ``low``, ``medium``, ``high``, ``critical``
    source: str = ""
    attributes: dict[str, object] = field(default_factory=dict)
