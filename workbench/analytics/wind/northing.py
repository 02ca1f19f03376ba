"""How far a farm's wind direction is off north, from where wakes are seen and where they must be.

Turbines' direction sensors are aligned by hand, if at all, and are off by tens of degrees. Where one turbine stands
behind another its power drops, and where that is the map says. The offset is that with which the drops of all close
pairs fit best: for each pair the logarithm of the ratio of the two powers by wind direction is a constant, two harmonics
for terrain, and what a wake model of the whole layout [1]_ makes of it times a depth, fitted by least squares; the offset
is common to all.

The wakes are those of a wind of 8 m/s and a thrust coefficient of 0.8, blurred by four degrees of wind direction in ten
minutes. The uncertainty is the larger of two: that of a bootstrap of whole days, and that by which the pairs disagree, as
terrain moves the dip of each in its own way.

References
----------
.. [1] M. Bastankhah, F. Porté-Agel, "A new analytical model for wind-turbine wakes", Renewable Energy 70, 116-123, 2014,
   https://doi.org/10.1016/j.renene.2014.01.002.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.kpi import variable_of
from workbench.analytics.wind.layout import North, bearings, circular_mean, distances, positions, wrapped
from workbench.analytics.wind.wake_data import ratings, wind_from
from workbench.analytics.wind.wake_model import wind_at_places
from workbench.model.errors import InputError
from workbench.steps import teller

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_BINS = 180  #: of wind direction, 2 degrees each
_WIND, _THRUST, _TURNING = 8.0, 0.8, 4.0  #: wind speed [m/s], thrust coefficient [1], spread of the direction [deg]
_PART_LOAD = (0.05, 0.85)  #: of the rating; above, wakes do not show


@dataclass(frozen=True)
class DirectionOffset:
    """What :func:`direction_offset` finds.

    Attributes
    ----------
    offset, std
        To be added to the wind direction, and its standard uncertainty [deg].
    interval
        90 % interval of the offset [deg].
    fit
        dims (offset): ``residual`` [1], what is left of the variance of the powers' ratios; one clear minimum is a good
        sign, several are not.
    pairs
        One row per pair: ``bearing`` [deg] from the first to the second, ``distance`` [m], ``deficit`` [1], the drop of
        power found in the middle of the wake, ``offset`` [deg], what the pair alone says within 30 degrees, where the deficit is
        above 10 %.
    sensors
        One row per turbine: ``from_mean`` [deg], the median of its direction less that of the farm; ``spread`` [deg],
        half the distance of its quartiles; ``drift`` [deg], how far its monthly medians are apart: a large one says that
        the sensor was turned.
    statement
        All this in a sentence or two.
    """

    offset: float
    std: float
    interval: tuple[float, float]
    fit: xr.Dataset
    pairs: pd.DataFrame
    sensors: pd.DataFrame
    statement: str


def direction_offset(
    turbines: xr.Dataset,
    *,
    direction_assets: Sequence[str] | None = None,
    furthest: float = 12.0,
    most_pairs: int = 60,
    replicates: int = 40,
    seed: int = 0,
    north: North = "true",
    wind_direction: str | xr.DataArray = "wind_direction",
    power: str = "power_output",
    progress: Callable[[int, int], None] | None = None,
) -> DirectionOffset:
    """Offset of a farm's wind direction from north.

    Parameters
    ----------
    turbines
        dims (time, asset): wind direction [deg] and power [kW]; coordinates ``latitude``, ``longitude`` [deg],
        ``rated_capacity`` [kW] and ``rotor_diameter`` [m] by asset.
    direction_assets
        Turbines whose mean is the wind direction; all if left out.
    furthest
        Pairs up to this distance are used [rotor diameters], the closest ``most_pairs`` of them.
    replicates
        Of the bootstrap.
    seed
        Of the random numbers; the same seed gives the same result.
    north
        What north is; see :func:`~workbench.analytics.wind.layout.positions`.
    progress
        Called with what is done and all there is to do.

    Raises
    ------
    InputError
        One turbine; no pair close enough; a coordinate is missing; less than thirty days with part load.
    """
    import pandas as pd

    pairs = _pairs(turbines, furthest, most_pairs, north)
    direction, _, notes = wind_from(turbines, wind_direction, direction_assets, 0.0)
    if replicates < 0:
        raise InputError("a negative number", where="replicates", found=replicates, expected="0 or more")
    made = variable_of(turbines, power).load().values.astype(np.float64) / ratings(turbines)
    day = turbines["time"].values.astype("datetime64[D]").astype(np.int64)
    known = np.isfinite(direction)
    rows = [_rows(made, known, *pair) for pair in zip(pairs.first, pairs.second, strict=True)]
    used = np.unique(day[np.unique(np.concatenate(rows))]) if rows else np.zeros(0)
    if len(used) < 30:
        raise InputError(
            "too few days with part load to see wakes", where="turbines", found=f"{len(used)} days", expected="30"
        )
    place = np.floor(np.where(known, direction, 0.0) / 360 * _BINS).astype(np.int64) % _BINS
    design = _Design(pairs)
    rng = np.random.default_rng(seed)
    offsets = np.zeros(replicates)
    days = int(day[-1] - day[0]) + 1
    sums = _sums(made, place, rows, pairs, np.ones(len(day)))
    best, residual, deficit = design.search(sums)
    alone = [design.search(sums, [pair], near=best)[0] for pair in range(len(rows))]
    tell = teller(progress, "replicates")
    for one in range(replicates):
        # whole days, so that what belongs together stays together
        weight = np.bincount(rng.integers(0, days, days), minlength=days)[day - day[0]].astype(np.float64)
        sums = _sums(made, place, rows, pairs, weight)
        offsets[one] = best + float(wrapped(np.array(design.search(sums)[0] - best)))
        tell(one + 1, replicates)
    # a shallow dip of a pair is easily another turbine's
    seen = np.where(deficit > 0.1, np.array(alone), np.nan)
    std, interval = _uncertainty(best, offsets, seen[np.isfinite(seen)])
    names = list(map(str, turbines["asset"].values))
    table = pd.DataFrame(
        {
            "first": [names[i] for i in pairs.first],
            "second": [names[i] for i in pairs.second],
            "bearing": pairs.bearing,
            "distance": pairs.distance,
            "deficit": deficit,
            "offset": seen,
        }
    ).set_index(["first", "second"])
    sensors = _sensors(turbines, wind_direction, direction, names)
    text = (
        f"Add {best:+.1f} degrees to the wind direction (90 % between {interval[0]:+.1f} and {interval[1]:+.1f}), by the wakes of "
        f"{len(names)} turbines in {len(table)} pairs on {len(used)} days; terrain that lies along the rows shifts it unseen."
    )
    if not (deficit > 0.05).any():
        text += " No pair shows a wake of 5 % or more: do not rely on it."
    elsewhere = np.abs(wrapped(_OFFSETS - best)) > 30.0
    if 1.0 - residual[elsewhere].min() > 0.8 * (1.0 - residual.min()):
        other = _OFFSETS[elsewhere][np.argmin(residual[elsewhere])]
        text += f" {other:+.0f} degrees fit nearly as well: the layout leaves it open."
    turned = [str(asset) for asset, drift in sensors["drift"].items() if drift > 10.0]
    if len(turned):
        text += f" The sensors of {', '.join(turned)} turned during the period: choose others, or a shorter period."
    return DirectionOffset(
        float(best),
        std,
        interval,
        xr.Dataset(
            {"residual": ("offset", residual, {"units": "1", "long_name": "variance left"})},
            coords={"offset": ("offset", _OFFSETS, {"units": "degree"})},
        ),
        table,
        sensors,
        " ".join([text, *notes]),
    )


def _uncertainty(best: float, replicates: Floats, pairs: Floats) -> tuple[float, tuple[float, float]]:
    """Standard uncertainty and 90 % interval of an offset [deg] from replicates of the days and from its pairs."""
    from scipy import stats

    by_days = float(replicates.std(ddof=1)) if len(replicates) > 1 else np.nan
    # a pair that sees another turbine's wake is far off: the median does not mind
    away = float(np.median(np.abs(wrapped(pairs - best)))) / 0.6745 if len(pairs) > 1 else np.nan
    by_pairs = away / np.sqrt(max(len(pairs), 1))
    if not by_pairs > by_days:
        low, high = np.percentile(replicates, [5, 95]) if len(replicates) > 1 else (np.nan, np.nan)
        return by_days, (float(low), float(high))
    reach = float(stats.t.ppf(0.95, len(pairs) - 1)) * by_pairs
    return float(by_pairs), (float(best - reach), float(best + reach))


@dataclass(frozen=True)
class _Pairs:
    first: Ints
    second: Ints
    bearing: Floats  #: from the first to the second [deg]
    distance: Floats  #: [m]
    wakes: Floats  #: log of the ratio of the second's power to the first's by a model, dims (pair, degree)


def _pairs(turbines: xr.Dataset, furthest: float, most: int, north: North) -> _Pairs:
    if turbines.sizes["asset"] < 2:
        raise InputError(
            "one turbine: no wakes to align the wind direction by",
            where="turbines",
            hint="compare its wind direction with that of a reanalysis or of a mast",
        )
    if "rotor_diameter" not in turbines.coords:
        raise InputError("the turbines' rotor diameter is not known", where="rotor_diameter", expected="m by asset")
    places = positions(turbines, north=north)
    rotor = np.broadcast_to(np.asarray(turbines["rotor_diameter"].values, dtype=np.float64), (len(places),))
    first, second = np.triu_indices(len(places), 1)
    apart = distances(places)[first, second]
    by_rotor = apart / (0.5 * (rotor[first] + rotor[second]))
    order = np.argsort(by_rotor, kind="stable")
    order = order[by_rotor[order] <= furthest][:most]
    if not len(order):
        raise InputError(
            "no two turbines close enough for wakes",
            where="furthest",
            found=f"{by_rotor.min():.1f} rotor diameters at the least",
            expected=f"up to {furthest:g}",
        )
    first, second, apart = first[order], second[order], apart[order]
    wakes = _modelled(turbines, places, first, second)
    return _Pairs(first, second, bearings(places)[first, second], apart, wakes)


def _modelled(turbines: xr.Dataset, places: Floats, first: Ints, second: Ints) -> Floats:
    """Log of the ratio of the powers of pairs by wind direction, every degree."""
    behind = wind_at_places(
        places,
        np.broadcast_to(np.asarray(turbines["rotor_diameter"].values, dtype=np.float64), (len(places),)),
        np.arange(360.0),
        np.array([_WIND]),
        ([0.0, 30.0], [_THRUST, _THRUST]),
    )[:, 0]
    away = np.minimum(np.arange(360.0), 360.0 - np.arange(360.0))
    window = np.exp(-0.5 * (away / _TURNING) ** 2)
    blur = np.fft.rfft(window / window.sum())[:, None]
    power = np.fft.irfft(np.fft.rfft((behind / _WIND) ** 3, axis=0) * blur, n=360, axis=0)
    ratio: Floats = np.log(power[:, second] / power[:, first]).T
    return ratio


def _rows(made: Floats, known: npt.NDArray[np.bool_], first: int, second: int) -> Ints:
    """Times at which the better of two turbines runs at part load, and the other runs."""
    one, other = made[:, first], made[:, second]
    with np.errstate(invalid="ignore"):
        better, worse = np.maximum(one, other), np.minimum(one, other)
        use = known & (better > _PART_LOAD[0]) & (better < _PART_LOAD[1]) & (worse > 0.01)
    return np.flatnonzero(use).astype(np.int64)


def _sums(made: Floats, place: Ints, rows: Sequence[Ints], pairs: _Pairs, weight: Floats) -> Floats:
    """Power of either turbine of each pair by wind direction, dims (pair, 2, bin)."""
    sums = np.zeros((len(rows), 2, _BINS))
    for number, (use, *both) in enumerate(zip(rows, pairs.first, pairs.second, strict=True)):
        at, w = place[use], weight[use]
        for side, turbine in enumerate(both):
            sums[number, side] = np.bincount(at, w * made[use, turbine], minlength=_BINS)
    return sums


_OFFSETS: Floats = np.arange(-180.0, 180.0, 1.0)


class _Design:
    """Least squares of the ratios' logarithms on terrain and wakes, for each offset of the wind direction."""

    def __init__(self, pairs: _Pairs) -> None:
        self.pairs = pairs
        self.directions = (np.arange(_BINS) + 0.5) * 360.0 / _BINS
        angle = np.radians(self.directions)
        parts = [np.ones(_BINS)]
        for harmonic in (1, 2):
            parts += [np.cos(harmonic * angle), np.sin(harmonic * angle)]
        self.terrain = np.stack(parts)
        self.shapes = [self._wakes(pair, _OFFSETS) for pair in range(len(pairs.first))]

    def _wakes(self, pair: int, offsets: Floats) -> Floats:
        """What the model makes of the ratio, dims (offset, bin)."""
        seen = (self.directions[None, :] + offsets[:, None]).ravel()
        ratio: Floats = np.interp(seen, np.arange(360.0), self.pairs.wakes[pair], period=360.0)
        shaped: Floats = ratio.reshape(len(offsets), _BINS)
        return shaped

    def search(
        self, sums: Floats, some: Sequence[int] | Ints | None = None, near: float | None = None
    ) -> tuple[float, Floats, Floats]:
        """The best offset [deg], what is left of the variance by offset, and the drop of each pair with the best.

        Of the pairs ``some``, which may be there more than once; within 30 degrees of ``near``.
        """
        chosen = range(len(sums)) if some is None else [int(one) for one in some]
        values = {pair: self._pair(sums[pair]) for pair in set(chosen)}
        gains = {pair: self._gain(values[pair], self.shapes[pair])[0] for pair in values}
        total = sum(float(values[pair][0] @ values[pair][0]) for pair in chosen)
        left: Floats = np.ones(len(_OFFSETS))
        for pair in chosen if total > 0 else ():
            left = left - gains[pair] / total
        allowed = left if near is None else np.where(np.abs(wrapped(_OFFSETS - near)) <= 30.0, left, np.inf)
        at = int(np.argmin(allowed))
        # the vertex of the parabola through the lowest and its neighbours
        a, b, c = left[at - 1], left[at], left[(at + 1) % len(left)]
        bend = a - 2 * b + c
        best = float(_OFFSETS[at] + (0.5 * (a - c) / bend if bend > 0 else 0.0))
        there = np.array([best])
        depth = [self._gain(values[pair], self._wakes(pair, there))[1][0] for pair in chosen]
        deepest = np.abs(self.pairs.wakes[[int(pair) for pair in chosen]]).max(axis=1)
        return best, left, 1.0 - np.exp(-np.array(depth) * deepest)

    def _pair(self, sums: Floats) -> tuple[Floats, Floats, Floats]:
        """Ratio of the powers without terrain, weighted; the roots of the weights; what terrain can explain."""
        first, second = sums
        weight = np.sqrt(np.minimum(first, second))
        there = weight > 0
        ratio = np.zeros(_BINS)
        ratio[there] = np.log(second[there] / first[there])
        base = np.linalg.qr((self.terrain * weight).T)[0]
        rest = weight * ratio
        return rest - base @ (base.T @ rest), weight, base

    @staticmethod
    def _gain(value: tuple[Floats, Floats, Floats], shapes: Floats) -> tuple[Floats, Floats]:
        """Sum of squares that the wakes explain, and their depth, by offset; none where it would be a rise."""
        rest, weight, base = value
        shapes = shapes * weight
        shapes = shapes - (shapes @ base) @ base.T
        size = np.maximum((shapes * shapes).sum(axis=1), 1e-300)
        depth: Floats = np.maximum(shapes @ rest / size, 0.0)
        return depth * depth * size, depth


def _sensors(turbines: xr.Dataset, name: str | xr.DataArray, mean: Floats, assets: Sequence[str]) -> pd.DataFrame:
    """How each turbine's direction stands to that of the farm."""
    import pandas as pd

    columns = ["from_mean", "spread", "drift"]
    if isinstance(name, xr.DataArray):
        return pd.DataFrame(columns=columns, index=pd.Index([], name="asset"))
    table = variable_of(turbines, name).load().values.astype(np.float64)
    month = turbines["time"].values.astype("datetime64[M]").astype(np.int64)
    rows = []
    for column in table.T:
        middle = float(circular_mean(column - mean))
        away = wrapped(column - mean - middle)
        monthly = pd.Series(away).groupby(month).median().dropna()
        quarter = np.nanpercentile(away, [25, 50, 75]) if np.isfinite(away).any() else np.full(3, np.nan)
        drift = float(monthly.max() - monthly.min()) if len(monthly) else np.nan
        rows.append((float(wrapped(np.array(middle + quarter[1]))), 0.5 * (quarter[2] - quarter[0]), drift))
    return pd.DataFrame(rows, columns=columns, index=pd.Index(assets, name="asset"))
