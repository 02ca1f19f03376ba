"""Energy ratio: what test turbines make in proportion to reference turbines, by wind direction.

Both are averaged in bins of wind direction and wind speed; the ratio by direction is that of the two sums over the wind
speeds, weighted by how often each was there [1]_. A dip is a wake of the test turbines, a hump one of the references.
Of two data sets, such as before and after a change of control, the change of the ratio is the uplift; both are weighted by
the same frequencies, so that different winds do not show as an uplift [2]_.

Intervals are from a bootstrap of blocks, of a day if nothing else is said: ten-minute values that follow each other tell
much the same, and drawn one by one they give intervals that are too narrow.

References
----------
.. [1] P. Fleming et al., "Initial results from a field campaign of wake steering applied at a commercial wind farm - Part 1",
   Wind Energy Science 4, 273-285, 2019, https://doi.org/10.5194/wes-4-273-2019.
.. [2] FLASC, NREL, BSD-3-Clause, https://github.com/NREL/flasc: weights, bins and names of this analysis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.kpi import variable_of
from workbench.analytics.wind.wake_data import wind_from
from workbench.model.errors import InputError, did_you_mean
from workbench.model.time import parse_duration
from workbench.steps import teller

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Weighting = Literal["least", "sum"]


@dataclass(frozen=True)
class EnergyRatio:
    """What :func:`energy_ratio` and :func:`energy_uplift` find.

    Attributes
    ----------
    by_direction
        dims (wind_direction): ``ratio`` [1] with its interval ``low``, ``high``, and ``count`` of the slots; for an uplift
        also ``before`` and ``after``, ``ratio`` being their change, after / before - 1. NaN where there are none.
    total
        The same over all directions, weighted alike: ``ratio``, ``low``, ``high``, ``count``.
    confidence
        Of the intervals [1].
    """

    by_direction: xr.Dataset
    total: Mapping[str, float]
    confidence: float


def energy_ratio(
    data: xr.Dataset,
    test: Sequence[str],
    reference: Sequence[str],
    *,
    direction_step: float = 3.0,
    speed_step: float = 1.0,
    speeds: tuple[float, float] = (0.0, 50.0),
    overlap: float = 0.0,
    sector: tuple[float, float] = (0.0, 360.0),
    replicates: int = 200,
    block: str | None = "P1D",
    confidence: float = 0.9,
    seed: int = 0,
    direction_offset: float | Mapping[str, float] = 0.0,
    direction_assets: Sequence[str] | None = None,
    speed_assets: Sequence[str] | None = None,
    wind_speed: str | xr.DataArray = "wind_speed",
    wind_direction: str | xr.DataArray = "wind_direction",
    power: str = "power_output",
    progress: Callable[[int, int], None] | None = None,
) -> EnergyRatio:
    """What ``test`` turbines make in proportion to ``reference`` turbines, by wind direction.

    Parameters
    ----------
    data
        dims (time, asset): power [kW], wind speed [m/s] and direction [deg].
    test, reference
        Turbines; the mean of those that have a value in a slot.
    direction_step, speed_step, speeds
        Bins of wind direction [deg] and wind speed [m/s]; the first direction bin is from 0 on.
    overlap
        How far a direction bin reaches into its neighbours [deg], up to half of its width: smoother, with the same data in
        two bins.
    sector
        Wind directions to use, from the first to the second, clockwise [deg].
    replicates, block, confidence
        Of the bootstrap: how many, the length of its blocks (None: single slots), the share of the interval.
    seed
        Of the random numbers; the same seed gives the same result.
    direction_offset, direction_assets
        See :func:`~workbench.analytics.wind.wakes.wake_losses`.
    speed_assets
        Turbines whose mean is the wind speed; the references if left out.
    wind_speed, wind_direction
        Names in ``data``, or series (time).

    Raises
    ------
    InputError
        No test or reference turbine, one that is not there, one in both; no slot with all that is needed; a wrong setting.
    """
    bins = _Bins.of(direction_step, speed_step, speeds, overlap)
    _check(replicates, confidence)
    table = _table(
        data, test, reference, bins, sector, block, direction_offset, direction_assets, speed_assets, wind_speed,
        wind_direction, power,
    )  # fmt: skip
    rng = np.random.default_rng(seed)
    found = _ratios([table], bins, [None], "sum")[0]
    drawn = np.empty((replicates, len(found)))
    tell = teller(progress, "replicates")
    for one in range(replicates):
        drawn[one] = _ratios([table], bins, [table.draw(rng)], "sum")[0]
        tell(one + 1, replicates)
    return _result(bins, {"ratio": found}, drawn, table.counts(bins), confidence)


def energy_uplift(
    before: xr.Dataset,
    after: xr.Dataset,
    test: Sequence[str],
    reference: Sequence[str],
    *,
    weighting: Weighting = "least",
    direction_step: float = 3.0,
    speed_step: float = 1.0,
    speeds: tuple[float, float] = (0.0, 50.0),
    overlap: float = 0.0,
    sector: tuple[float, float] = (0.0, 360.0),
    replicates: int = 200,
    block: str | None = "P1D",
    confidence: float = 0.9,
    seed: int = 0,
    direction_offset: float | Mapping[str, float] = 0.0,
    direction_assets: Sequence[str] | None = None,
    speed_assets: Sequence[str] | None = None,
    wind_speed: str | xr.DataArray = "wind_speed",
    wind_direction: str | xr.DataArray = "wind_direction",
    power: str = "power_output",
    progress: Callable[[int, int], None] | None = None,
) -> EnergyRatio:
    """Change of the energy ratio from one data set to another, share of the first [1].

    Parameters
    ----------
    weighting
        Bins count by the smaller number of slots of the two (``"least"``), or by their sum, where both have some.

    Others as :func:`energy_ratio`.
    """
    bins = _Bins.of(direction_step, speed_step, speeds, overlap)
    _check(replicates, confidence)
    tables = [
        _table(
            data, test, reference, bins, sector, block, direction_offset, direction_assets, speed_assets, wind_speed,
            wind_direction, power,
        )
        for data in (before, after)
    ]  # fmt: skip
    rng = np.random.default_rng(seed)
    first, second = _ratios(tables, bins, [None, None], weighting)
    drawn = np.empty((replicates, len(first)))
    tell = teller(progress, "replicates")
    for one in range(replicates):
        low, high = _ratios(tables, bins, [table.draw(rng) for table in tables], weighting)
        drawn[one] = _change(low, high)
        tell(one + 1, replicates)
    both = np.logical_and(*(np.isin(np.arange(bins.directions * bins.winds), table.place) for table in tables))
    counts = np.minimum(*(table.counts(bins, both) for table in tables))
    return _result(bins, {"before": first, "after": second, "ratio": _change(first, second)}, drawn, counts, confidence)


@dataclass(frozen=True)
class _Bins:
    directions: int
    speed_step: float
    speeds: tuple[float, float]
    overlap: float

    @classmethod
    def of(cls, direction_step: float, speed_step: float, speeds: tuple[float, float], overlap: float) -> _Bins:
        if not 0 < direction_step <= 180 or abs(360 / direction_step - round(360 / direction_step)) > 1e-9:
            raise InputError(
                "no width of sectors", where="direction_step", found=direction_step, expected="part of 360"
            )
        if not speed_step > 0 or not 0 <= speeds[0] < speeds[1]:
            raise InputError("no bins of wind speed", where="speeds", found=(speeds, speed_step))
        if not 0 <= overlap <= 0.5 * direction_step:
            raise InputError("no overlap", where="overlap", found=overlap, expected="up to half of direction_step")
        return cls(round(360 / direction_step), speed_step, speeds, overlap)

    @property
    def step(self) -> float:
        return 360.0 / self.directions

    @property
    def centers(self) -> Floats:
        centers: Floats = (np.arange(self.directions, dtype=np.float64) + 0.5) * self.step
        return centers

    @property
    def winds(self) -> int:
        return int(np.ceil((self.speeds[1] - self.speeds[0]) / self.speed_step - 1e-9))


@dataclass(frozen=True)
class _Table:
    """Slots with all that is needed; those in the overlap of two sectors are there twice."""

    place: Ints  #: direction bin times speeds plus speed bin
    block: Ints
    blocks: int
    test: Floats
    reference: Floats

    def draw(self, rng: np.random.Generator) -> Floats:
        """How often each slot counts."""
        drawn = np.bincount(rng.integers(0, self.blocks, self.blocks), minlength=self.blocks)
        return drawn[self.block].astype(np.float64)

    def counts(self, bins: _Bins, some: npt.NDArray[np.bool_] | None = None) -> Ints:
        """Slots by direction, of ``some`` bins."""
        place = self.place if some is None else self.place[some[self.place]]
        return np.bincount(place // bins.winds, minlength=bins.directions)


def _check(replicates: int, confidence: float) -> None:
    if replicates < 20:
        raise InputError("too few replicates for an interval", where="replicates", found=replicates, expected="20 on")
    if not 0 < confidence < 1:
        raise InputError("no share", where="confidence", found=confidence, expected="between 0 and 1")


def _table(
    data: xr.Dataset,
    test: Sequence[str],
    reference: Sequence[str],
    bins: _Bins,
    sector: tuple[float, float],
    block: str | None,
    direction_offset: float | Mapping[str, float],
    direction_assets: Sequence[str] | None,
    speed_assets: Sequence[str] | None,
    wind_speed: str | xr.DataArray,
    wind_direction: str | xr.DataArray,
    power: str,
) -> _Table:
    names = list(map(str, data["asset"].values))
    for where, some in (("test", test), ("reference", reference), ("speed_assets", speed_assets or reference)):
        if not len(some):
            hint = "a farm of one turbine has no other to hold it against" if len(names) == 1 else None
            raise InputError("no turbine", where=where, expected=f"one or more of {', '.join(names)}", hint=hint)
        for name in some:
            if name not in names:
                raise InputError("no such turbine", where=where, found=name, hint=did_you_mean(name, names))
    both = set(test) & set(reference)
    if both:
        raise InputError("a turbine in both groups", where="test", found=", ".join(sorted(both)))
    made = variable_of(data, power).load()
    top, bottom = (_mean(made, names, some) for some in (test, reference))
    if isinstance(wind_speed, xr.DataArray):
        wind = np.asarray(wind_speed.reindex(time=data["time"]).values, dtype=np.float64)
    else:
        wind = _mean(variable_of(data, wind_speed).load(), names, speed_assets or reference)
    direction, _, _ = wind_from(data, wind_direction, direction_assets, direction_offset)
    inside = np.isfinite(top) & np.isfinite(bottom) & np.isfinite(wind) & np.isfinite(direction)
    with np.errstate(invalid="ignore"):
        inside &= (wind >= bins.speeds[0]) & (wind < bins.speeds[1])
        if abs(sector[1] - sector[0]) < 360:
            inside &= (direction - sector[0]) % 360.0 <= (sector[1] - sector[0]) % 360.0
    if not inside.any():
        raise InputError("no slot has power of both groups, wind speed and direction", where="data")
    time = data["time"].values[inside]
    if block is None:
        group = np.arange(len(time))
    else:
        group = (time.astype("datetime64[ns]").astype(np.int64)) // parse_duration(block).ns
        group -= group[0]
    speed = np.minimum(((wind[inside] - bins.speeds[0]) / bins.speed_step).astype(np.int64), bins.winds - 1)
    parts = []
    for shift in (0.0,) if bins.overlap == 0 else (0.0, bins.overlap, -bins.overlap):
        moved = np.floor((direction[inside] + shift) % 360.0 / bins.step).astype(np.int64) % bins.directions
        if shift == 0.0:
            home, use = moved, np.ones(len(moved), bool)
        else:
            use = moved != home
        parts.append((moved[use] * bins.winds + speed[use], np.flatnonzero(use)))
    place = np.concatenate([one for one, _ in parts])
    rows = np.concatenate([one for _, one in parts])
    return _Table(place, group[rows].astype(np.int64), int(group.max()) + 1, top[inside][rows], bottom[inside][rows])


def _mean(values: xr.DataArray, names: Sequence[str], some: Sequence[str]) -> Floats:
    table = values.values[:, [names.index(name) for name in some]].astype(np.float64)
    there = np.isfinite(table)
    count = there.sum(axis=1)
    mean: Floats = np.where(count > 0, np.where(there, table, 0.0).sum(axis=1) / np.maximum(count, 1), np.nan)
    return mean


def _ratios(
    tables: Sequence[_Table], bins: _Bins, weights: Sequence[Floats | None], weighting: Weighting
) -> list[Floats]:
    """Ratio by direction and over all, last, of each table, under the same frequencies."""
    size = bins.directions * bins.winds
    counts, means = [], []
    for table, weight in zip(tables, weights, strict=True):
        w = np.ones(len(table.place)) if weight is None else weight
        count = np.bincount(table.place, w, minlength=size)
        sums = [np.bincount(table.place, w * one, minlength=size) for one in (table.test, table.reference)]
        counts.append(count)
        means.append([one / np.maximum(count, 1e-300) for one in sums])
    if weighting not in ("least", "sum"):
        raise InputError("unknown weighting", where="weighting", found=weighting, expected="least or sum")
    everywhere = np.all([count > 0 for count in counts], axis=0)
    share = np.where(everywhere, np.sum(counts, axis=0) if weighting == "sum" else np.min(counts, axis=0), 0.0)
    found = []
    for top, bottom in means:
        sums = [(share * one).reshape(bins.directions, bins.winds).sum(axis=1) for one in (top, bottom)]
        test, reference = (np.append(one, one.sum()) for one in sums)
        with np.errstate(invalid="ignore", divide="ignore"):
            found.append(np.where(reference > 0, test / reference, np.nan))
    return found


def _change(before: Floats, after: Floats) -> Floats:
    """By directions; NaN where there was nothing before."""
    change: Floats = np.divide(after, before, out=np.full(len(before), np.nan), where=before > 0) - 1.0
    return change


def _result(bins: _Bins, found: Mapping[str, Floats], drawn: Floats, counts: Ints, confidence: float) -> EnergyRatio:
    tail = 50.0 * (1.0 - confidence)
    # where half of the draws have no value an interval would not say what it seems to
    enough = np.isfinite(drawn).mean(axis=0) > 0.5
    low, high = (np.full(drawn.shape[1], np.nan) for _ in range(2))
    if not enough[-1]:
        raise InputError(
            "the reference made no energy", where="reference", found="at no direction", expected="power > 0"
        )
    low[enough], high[enough] = np.nanpercentile(drawn[:, enough], [tail, 100.0 - tail], axis=0)
    every = dict(found) | {"low": low, "high": high}
    content = {name: ("wind_direction", values[:-1], {"units": "1"}) for name, values in every.items()}
    by_direction = xr.Dataset(
        content | {"count": ("wind_direction", counts, {"units": "1", "long_name": "slots"})},
        coords={"wind_direction": ("wind_direction", bins.centers, {"units": "degree"})},
    )
    total = {name: float(values[-1]) for name, values in every.items()} | {"count": float(counts.sum())}
    return EnergyRatio(by_direction, total, confidence)
