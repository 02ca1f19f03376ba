"""One estimate of wake losses from the slots of a farm, with or without weights: what the analyses repeat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.wind.wake_data import Climate, Farm, speed_up_factors
from workbench.analytics.wind.wake_kernel import binned, by_hour, potentials
from workbench.model.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

#: The wind speeds binned end here [m/s]; what is beyond counts in the last bin.
_MOST_WIND = 60.0
#: Bins of wind speed that the line to the reanalysis rests on: from this speed [m/s], with this many hours.
_LEAST_WIND, _LEAST_HOURS = 3.0, 50
#: Bins of the power curve by which speed-ups are taken to power [m/s].
_CURVE_STEP, _CURVE_END = 0.5, 100.0


@dataclass(frozen=True)
class Grid:
    """Bins of wind direction and wind speed, by their centers."""

    direction_bin: float
    speed_bin: float

    @classmethod
    def of(cls, direction_bin: float, speed_bin: float) -> Grid:
        """The bins of these widths."""
        if not direction_bin > 0 or direction_bin > 90 or abs(360 / direction_bin - round(360 / direction_bin)) > 1e-9:
            raise InputError(
                "no width of sectors", where="direction_bin", found=direction_bin, expected="a part of 360, up to 90"
            )
        if not 0 < speed_bin <= 5:
            raise InputError("no width of bins", where="speed_bin", found=speed_bin, expected="m/s, above 0, up to 5")
        return cls(direction_bin, speed_bin)

    @property
    def directions(self) -> Floats:
        """Centers of the sectors [deg], from north."""
        return np.arange(round(360 / self.direction_bin), dtype=np.float64) * self.direction_bin

    @property
    def speeds(self) -> Floats:
        """Centers of the bins of wind speed [m/s], from 0."""
        return np.arange(int(np.ceil(_MOST_WIND / self.speed_bin)) + 1, dtype=np.float64) * self.speed_bin

    @property
    def shape(self) -> tuple[int, int]:
        """How many there are of either."""
        return len(self.directions), len(self.speeds)

    def sector(self, direction: Floats) -> Ints:
        """The sector of each direction; its lower edge belongs to it."""
        return np.floor(direction / self.direction_bin + 0.5).astype(np.int64) % len(self.directions)

    def nearest(self, direction: Floats) -> Ints:
        """The nearest center of each direction, of two as near the even one."""
        return np.round(direction / self.direction_bin).astype(np.int64) % len(self.directions)

    def speed(self, speed: Floats) -> Ints:
        """The bin of each wind speed, which may be below 0."""
        return np.minimum(np.round(speed / self.speed_bin).astype(np.int64), len(self.speeds) - 1)

    def hours(self, climate: Climate, end: np.datetime64, years: int) -> Floats:
        """How many hours of ``years`` up to ``end`` fall into each bin, dims (direction, speed)."""
        speed, direction = climate.span(end, years)
        place = self.nearest(direction) * self.shape[1] + self.speed(speed)
        return np.bincount(place, minlength=self.shape[0] * self.shape[1]).astype(np.float64).reshape(self.shape)


@dataclass(frozen=True)
class Period:
    """Sums over the slots: what was made and could have been, (direction, asset), the farm last."""

    actual: Floats
    potential: Floats
    free_speed: Floats  #: (slot)
    could: Floats  #: potential (slot, asset)
    weight: Floats  #: (slot)
    slots: int

    @property
    def losses(self) -> Floats:
        """Of each turbine and of the farm [1]."""
        return lost(self.actual.sum(axis=0), self.potential.sum(axis=0))


@dataclass(frozen=True)
class LongTerm:
    """The same weighted by the long-term wind, and what was measured by its wind speed."""

    actual: Floats  #: sums over the long-term hours, dims (direction, speed, asset)
    potential: Floats
    period_actual: Floats  #: sums of the hours measured, dims (speed, asset)
    period_potential: Floats
    wind: Floats  #: share of the long-term hours, dims (direction, speed)
    coverage: dict[str, float]

    @property
    def losses(self) -> Floats:
        """Of each turbine and of the farm [1]."""
        return lost(self.actual.sum(axis=(0, 1)), self.potential.sum(axis=(0, 1)))


def lost(actual: Floats, potential: Floats) -> Floats:
    """Share that was lost; NaN where nothing could be made."""
    with np.errstate(invalid="ignore", divide="ignore"):
        share: Floats = np.where(potential > 0, 1.0 - actual / potential, np.nan)
    return share


class Analysis:
    """The slots of a farm, made ready for one estimate after the other.

    Parameters
    ----------
    own
        Whether a turbine with free wind is held against itself.
    flat
        Whether the direction of an hour is the plain mean.
    """

    def __init__(
        self, farm: Farm, grid: Grid, speed_ups: xr.DataArray | pd.DataFrame | None, *, own: bool, flat: bool
    ) -> None:
        self.farm, self.grid, self.own, self.flat = farm, grid, own, flat
        self.hour, self.first = farm.hour
        self.hours = len(self.first)
        self.sector, self.bin = grid.sector(farm.direction), grid.nearest(farm.direction)
        angle = np.radians(farm.direction)
        self.east, self.north = np.sin(angle), np.cos(angle)
        self.factor = np.zeros((0, 0))
        if speed_ups is not None:
            self.factor = speed_up_factors(speed_ups, farm.assets, farm.direction)
        self.actual = np.column_stack([farm.power, np.nansum(farm.power, axis=1)])
        self._potential = np.empty_like(self.actual)
        self._free_speed = np.empty(len(farm.time))

    def period(
        self, below: Bools, odd: Bools, counts: Ints, weight: Floats | None = None, change: Floats | None = None
    ) -> Period:
        """What the slots give; ``counts`` (sector, asset) is how often a turbine counts as one of free wind."""
        farm = self.farm
        weight = np.ones(len(farm.time)) if weight is None else weight
        change = np.ones(counts.shape) if change is None else change
        speedy = self.factor.size > 0
        curve, step, highest = np.zeros(1), np.array([0.5 * _CURVE_STEP, _CURVE_STEP]), np.zeros(len(farm.assets) + 1)
        if speedy:
            curve = self._curve(odd, weight)
            usual = np.where(below, -np.inf, np.nan_to_num(farm.power, nan=-np.inf))
            highest = np.append(usual.max(axis=0), np.nanmax(farm.power))
        potentials(
            farm.power, farm.speed, below, odd, self.sector, counts, self.factor, curve, step, change, self.own,
            highest, self._potential, self._free_speed,
        )  # fmt: skip
        made, could, _ = binned(self.bin, self.grid.shape[0], weight, self.actual, self._potential)
        used = int((np.isfinite(self._free_speed) & (weight > 0)).sum())
        if used == 0:
            raise InputError(
                "no time has a turbine with free wind in normal operation",
                where="turbines",
                found=f"{len(farm.time)} times with wind direction",
            )
        return Period(made, could, self._free_speed, self._potential, weight, used)

    def expected(self, below: Bools, odd: Bools, counts: Ints) -> Floats | None:
        """Power [kW] by the speed-ups, dims (slot, asset), NaN without free wind; None where none are given."""
        if not self.factor.size:
            return None
        free = self.period(below, odd, counts).free_speed
        curve = self._curve(odd, np.ones(len(free)))
        at = (free[:, None] * self.factor / _CURVE_STEP) - 0.5
        made: Floats = np.interp(at, np.arange(len(curve)), curve)
        return np.where(np.isfinite(at), made, 0.0)

    def _curve(self, odd: Bools, weight: Floats) -> Floats:
        """Mean power by wind speed of all turbines in normal operation, in bins of half a metre per second."""
        use = ~odd & np.isfinite(self.farm.power)
        place = np.floor(self.farm.speed[use] / _CURVE_STEP).astype(np.int64)
        bins = round(_CURVE_END / _CURVE_STEP) + 1
        place = place.clip(0, bins - 1)
        each = np.broadcast_to(weight[:, None], use.shape)[use]
        count = np.bincount(place, each, minlength=bins)
        total = np.bincount(place, each * self.farm.power[use], minlength=bins)
        known = np.flatnonzero(count > 0)
        if not len(known):
            raise InputError("no turbine in normal operation to take a power curve from", where="turbines")
        curve: Floats = np.interp(np.arange(bins), known, total[known] / count[known])
        return curve

    def long_term(
        self, period: Period, climate: Climate, hours: Floats, no_wakes_from: float | None, *, matched: bool = False
    ) -> LongTerm:
        """What ``period`` says of the wind in ``hours`` (direction, speed) of a reanalysis.

        Each hour that was measured counts as often as the reanalysis has such hours in the long term, for each that it has
        in the hours measured: if both are the same, the losses are those of the period. With ``matched`` the means of the
        farm's own bins stand for the bins of the reanalysis, the farm's wind speed being brought to that of the
        reanalysis by a line.
        """
        farm, grid = self.farm, self.grid
        made, could, free, direction, plain, reference = by_hour(
            self.hour, self.hours, period.weight, farm.power, period.could, period.free_speed, self.east, self.north,
            climate.beside, farm.direction,
        )  # fmt: skip
        usable = np.isfinite(free) & np.isfinite(reference)
        weight = np.ones(self.hours)
        if not matched:
            weight = np.zeros(self.hours)
            np.maximum.at(weight, self.hour, period.weight)
        weight[~usable] = 0.0
        slope, offset = self._line(free, reference, weight, climate.name)
        strong = np.zeros(len(grid.speeds), bool)
        if no_wakes_from is not None:
            strong = grid.speeds >= np.round((offset + slope * no_wakes_from) / grid.speed_bin) * grid.speed_bin
        size = grid.shape[0] * grid.shape[1]
        speed = grid.speed(np.where(usable, offset + slope * free if matched else free, 0.0))
        place = grid.nearest(np.where(usable, plain if self.flat else direction, 0.0)) * grid.shape[1] + speed
        place[~usable | (speed < 0)] = -1
        if matched:
            one, other, count = binned(place, size, weight, made, could)
            with np.errstate(invalid="ignore", divide="ignore"):
                actual, potential = ((sums / count).reshape(*grid.shape, -1) for sums in (one, other))
            measured = (count[:, -1] > 0).reshape(grid.shape)
            per_speed = [sums.reshape(*grid.shape, -1).sum(axis=0) for sums in (one, other)]
            rated = strong[None, :, None] & ~np.isfinite(actual)
            actual, potential = (np.nan_to_num(mean) * hours[..., None] for mean in (actual, potential))
            wind = hours
        else:
            per_speed = [
                sums.reshape(*grid.shape, -1).sum(axis=0) for sums in binned(place, size, weight, made, could)[:2]
            ]
            turned = climate.beside_direction[self.first]
            there = grid.nearest(np.where(usable, turned, 0.0)) * grid.shape[1]
            there += grid.speed(np.where(usable, reference, 0.0))
            together = np.bincount(there, weight, minlength=size)
            measured = (together > 0).reshape(grid.shape)
            often = weight * (hours.ravel() / np.maximum(together, 1e-300))[there]
            actual, potential, count = (
                part.reshape(*grid.shape, -1) for part in binned(place, size, often, made, could)
            )
            wind = count[..., -1]
            rated = np.broadcast_to((strong[None, :] & ~measured)[..., None], actual.shape)
            # those winds stand where the farm would see them
            own = grid.speed((grid.speeds - offset) / slope).clip(0)
            filled = np.where(strong[None, :] & ~measured, hours, 0.0)
            wind = wind.copy()
            for number, column in enumerate(own):
                wind[:, column] += filled[:, number]
        full = np.append(farm.rating, farm.rating.sum())
        more = np.where(rated, hours[..., None] * full, 0.0)
        share = hours / hours.sum()
        no_wakes = strong[None, :] & ~measured
        coverage = {
            "measured": float(share[measured].sum()),
            "filled": float(share[no_wakes].sum()),
            "left_out": float(share[~measured & ~no_wakes].sum()),
            "slope": slope,
            "offset": offset,
        }
        return LongTerm(actual + more, potential + more, per_speed[0], per_speed[1], wind / wind.sum(), coverage)

    def _line(self, free: Floats, reference: Floats, weight: Floats, name: str) -> tuple[float, float]:
        """Slope [1] and offset [m/s] from the farm's free wind speed to the reanalysis', through means of whole m/s."""
        use = weight > 0
        at = np.round(free[use]).astype(np.int64).clip(0, None)
        count = np.bincount(at, weight[use])
        total = np.bincount(at, weight[use] * reference[use])
        enough = np.flatnonzero((count >= _LEAST_HOURS) & (np.arange(len(count)) >= _LEAST_WIND))
        if len(enough) < 2:
            raise InputError(
                "too few hours together with the reanalysis",
                where=f"reanalysis.{name}",
                found=f"{int(use.sum())} hours, {len(enough)} wind speeds with {_LEAST_HOURS}",
                expected=f"{_LEAST_HOURS} hours of at least two wind speeds from {_LEAST_WIND:g} m/s on",
            )
        x, y = enough.astype(np.float64), total[enough] / count[enough]
        slope = float(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())
        return slope, float(y.mean() - slope * x.mean())
