"""What a turbine would have made: by its power curve, by its neighbours, or by both.

*By the curve*: any curve of this package at the measured wind speed. While a turbine stands its anemometer does not see the
wind as it does behind a turning rotor, and where the turbine is dark it sees nothing.

*By the neighbours* [1]_: of each of the turbines most like it, the power that the turbine exceeds as often as that one exceeds
its own, learned from the slots in which both ran; the neighbours that run at the time are averaged, weighted by how well each has
told. No wind is needed. With a wind direction this is learned by sector, as in a neighbour's wake, or behind a wood, a turbine makes
another share of the neighbour's power: of hidden days of La Haute Borne the error of the energy is a fifth smaller for it.

*By both*: where both tell, their mean weighted by the variance of their errors in ordinary slots; where one does, that one.

References
----------
.. [1] IEC TS 61400-26-2:2014, annex: methods to determine potential energy production.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.plausible import plausible
from workbench.analytics.wind.category_seconds import Floats
from workbench.analytics.wind.neighbours import farm_direction
from workbench.model.errors import InputError
from workbench.steps import progress, remark

Bools = npt.NDArray[np.bool_]
Method = Literal["both", "curve", "neighbours"]

_SHARES = np.linspace(0.0, 1.0, 201)  #: of time, at which two turbines are compared


class Source(IntEnum):
    """What the potential of a slot is from."""

    NONE = 0
    CURVE = 1
    NEIGHBOURS = 2
    BOTH = 3


def ordinary_slots(seconds: xr.Dataset, power: xr.DataArray) -> xr.DataArray:
    """Slots wholly ``available`` with power measured; (time, asset), boolean.

    Let curtailed slots be ``partially_available`` or take them out: a limit that nobody told looks like little wind.
    """
    whole = seconds["slot_seconds"].values[:, None]
    rows = np.flatnonzero(seconds["category"].values == "available")
    share = seconds["seconds"].values[rows].sum(axis=0)
    found = xr.DataArray(
        share >= whole - 0.5,
        dims=("time", "asset"),
        coords={"time": seconds["time"].values, "asset": seconds["asset"].values},
    )
    return found & power.transpose("time", "asset").notnull().reindex_like(found, fill_value=False)


def neighbour_power(
    power: xr.DataArray,
    ordinary: xr.DataArray,
    *,
    neighbours: int = 5,
    min_common: int = 432,
    direction: xr.DataArray | None = None,
    sector: float = 20.0,
) -> xr.Dataset:
    """Power [kW] that each turbine's neighbours tell of it.

    Parameters
    ----------
    power
        dims (time, asset) [kW].
    ordinary
        dims (time, asset), boolean: slots in which a turbine ran without limit; see :func:`ordinary_slots`.
    neighbours
        Turbines taken for each: those whose power goes best with its own.
    min_common
        Slots in which two have to have run together to learn from; three days of ten minutes. A sector with fewer is told
        by all of them.
    direction
        Wind direction [degree], dims (time) or (time, asset), of which the farm's is the median; all are one sector where it
        is left out, and at times without it. Where its zero is does not matter, as long as it stays there.
    sector
        Width of the sectors [degree].

    Returns
    -------
    xr.Dataset
        dims (time, asset): ``neighbour_power`` [kW], NaN where no neighbour ran; ``neighbour_count``. dims (asset):
        ``error_std`` [kW] in ordinary slots, NaN for a turbine without neighbours.

    Raises
    ------
    InputError
        There is one turbine only; a sector without width.
    """
    if not 0 < sector <= 360:
        raise InputError("no width of a sector", where="sector", found=sector, expected="more than 0, up to 360 degree")
    power = plausible(power, "power_output")
    if power.sizes["asset"] < 2:
        raise InputError(
            "a turbine alone has no neighbours", where="power", found="1 turbine", hint='method="curve" needs none'
        )
    made = power.transpose("time", "asset").values.astype(np.float64)
    runs = ordinary.transpose("time", "asset").values.astype(bool) & np.isfinite(made)
    values = np.where(runs, made, 0.0)
    likeness, common = _correlation(values, runs)
    sectors = _sectors(direction, power, sector)
    likeness = likeness.round(9)  # the last digits of matrix products depend on the number of threads
    size = made.shape[1]
    total, weight, count = np.zeros(made.shape), np.zeros(made.shape), np.zeros(made.shape, np.int16)
    for mine in range(size):
        able = (common[mine] >= min_common) & np.isfinite(likeness[mine])
        able[mine] = False
        order = [one for one in np.argsort(-np.where(able, likeness[mine], -np.inf)) if able[one]][:neighbours]
        for other in order:
            both = runs[:, mine] & runs[:, other]
            told, variance = _learn_by_sector(
                values[:, mine], values[:, other], both, runs[:, other], sectors, min_common
            )
            good = 1.0 / variance
            total[:, mine] += np.where(runs[:, other], told * good, 0.0)
            weight[:, mine] += np.where(runs[:, other], good, 0.0)
            count[:, mine] += runs[:, other]
        progress(mine + 1, size, "turbines")
    found = np.divide(total, weight, out=np.full(made.shape, np.nan), where=weight > 0)
    dims = ("time", "asset")
    return xr.Dataset(
        {
            "neighbour_power": (dims, found, {"units": "kW", "long_name": "power by the neighbours"}),
            "neighbour_count": (dims, count, {"units": "1", "long_name": "neighbours that ran"}),
            "error_std": ("asset", _error(found, made, runs), {"units": "kW", "long_name": "error in ordinary slots"}),
        },
        coords={"time": power["time"].values, "asset": power["asset"].values},
    )


def _correlation(values: Floats, runs: Bools) -> tuple[Floats, Floats]:
    """Correlation of each pair over the slots in which both ran, and their number; by sums, not pair by pair."""
    weight = runs.astype(np.float64)
    scale = np.maximum(np.abs(values).max(axis=0, initial=0.0), 1.0)
    x = values / scale
    n = weight.T @ weight
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (x.T @ weight) / n  # of the row's turbine, over the slots common with the column's
        square = ((x * x).T @ weight) / n - mean**2
        found = ((x.T @ x) / n - mean * mean.T) / np.sqrt(square * square.T)
    return found, n


def _sectors(direction: xr.DataArray | None, power: xr.DataArray, width: float) -> list[npt.NDArray[np.int64]]:
    """Rows of each sector of the wind; none where no direction is known."""
    if direction is None:
        return []
    if "time" not in direction.dims or set(direction.dims) - {"time", "asset"}:
        raise InputError(
            "no series of directions",
            where="direction",
            found=str(direction.dims),
            expected="dims (time) or (time, asset)",
        )
    given = direction.reindex(time=power["time"].values)
    values = given.transpose("time", ...).values.astype(np.float64).reshape(power.sizes["time"], -1)
    farm = farm_direction(values)
    known = np.isfinite(farm)
    number = max(1, round(360.0 / width))
    place = np.floor(np.where(known, farm, 0.0) / 360.0 * number + 0.5).astype(np.int64) % number
    place = np.where(known, place, number)
    order = np.argsort(place, kind="stable")
    return np.split(order, np.searchsorted(place[order], np.arange(1, number + 1)))[:number]


def _learn_by_sector(
    mine: Floats,
    other: Floats,
    both: Bools,
    runs: Bools,
    sectors: list[npt.NDArray[np.int64]],
    least: int,
) -> tuple[Floats, Floats]:
    """As :func:`_learn`, sector by sector where one has ``least`` slots, and the variance at each time [kW2]."""
    told, variance = _learn(mine, other, both, runs)
    spread = np.full(len(mine), variance)
    for rows in sectors:
        common = both[rows]
        if int(common.sum()) < least:
            continue
        highest = other[rows][common].max()
        # what the sector has not seen of the other's power is left to all of them
        seen = runs[rows] & (other[rows] <= highest)
        part, spread[rows] = _learn(mine[rows], other[rows], common, runs[rows])
        told[rows] = np.where(seen, part, told[rows])
    return told, spread


def _learn(mine: Floats, other: Floats, both: Bools, runs: Bools) -> tuple[Floats, float]:
    """Power of ``mine`` at each power of ``other`` by equal shares of time, and the variance of what is off [kW2].

    The power that ``mine`` exceeds as often as ``other`` exceeds its own. The mean given the other's power would err less
    slot by slot, but towards the mean of the record: it says too much of days with little wind and too little of others,
    and days are what a stop is made of. A straight line would bend at cut-in and rating.
    """
    x, y = other[both], mine[both]
    of_other, of_mine = np.quantile(x, _SHARES), np.quantile(y, _SHARES)
    at, place = np.unique(of_other, return_inverse=True)  # at rest and at rated power many shares have one power
    told = np.where(runs, np.interp(other, at, np.bincount(place, of_mine) / np.bincount(place)), 0.0)
    off = y - told[both]
    return told, max(float(np.square(off).sum()) / len(off), 1.0)  # a dot product depends on the number of threads


def _error(told: Floats, made: Floats, runs: Bools) -> Floats:
    """Root mean square error [kW] of each turbine in ordinary slots; NaN where there are none."""
    use = runs & np.isfinite(told)
    off = np.where(use, told - made, 0.0)
    n = use.sum(axis=0)
    found: Floats = np.sqrt(np.divide((off * off).sum(axis=0), n, out=np.full(len(n), np.nan), where=n > 0))
    return found


def potential_power(
    power: xr.DataArray,
    ordinary: xr.DataArray,
    expected: xr.DataArray | None = None,
    *,
    method: Method = "both",
    neighbours: int = 5,
    min_common: int = 432,
    direction: xr.DataArray | None = None,
    sector: float = 20.0,
) -> xr.Dataset:
    """Power [kW] each turbine would have made.

    Parameters
    ----------
    power, ordinary, neighbours, min_common, direction, sector
        As :func:`neighbour_power`.
    expected
        Power by a curve at the measured wind, dims (time, asset) [kW], such as
        :func:`~workbench.analytics.wind.power_curve.curve_power` gives, or the step ``power_curve_comparison``.
    method
        ``both`` falls back to the one that tells; a turbine alone has the curve only, which is remarked.

    Returns
    -------
    xr.Dataset
        dims (time, asset): ``potential_power`` [kW], NaN where nothing tells; ``potential_source``, codes of
        :class:`Source`. dims (asset): ``curve_error``, ``neighbour_error`` [kW] in ordinary slots, and ``untold_slots``.

    Raises
    ------
    InputError
        There is no curve where one is asked for, or one turbine only and no curve.
    """
    power = plausible(power, "power_output")
    if expected is not None:
        expected = plausible(expected, "power_output")
    made = power.transpose("time", "asset").values.astype(np.float64)
    runs = ordinary.transpose("time", "asset").values.astype(bool) & np.isfinite(made)
    nothing = np.full(made.shape, np.nan)
    if method == "curve" and expected is None:
        raise InputError("no power by a curve is given", where="expected", hint="curve_power or power_curve_comparison")
    curve = nothing if expected is None or method == "neighbours" else expected.transpose("time", "asset").values
    told, alone = nothing, power.sizes["asset"] < 2
    if method != "curve":
        if alone and method == "both" and expected is not None:
            remark("potential_power: a turbine alone has no neighbours; the potential is by the curve")
        else:
            told = neighbour_power(
                power, ordinary, neighbours=neighbours, min_common=min_common, direction=direction, sector=sector
            )["neighbour_power"].values
    errors = [_error(each, made, runs) for each in (curve, told)]
    weights = []
    for each, error in zip((curve, told), errors, strict=True):
        known = np.where(np.isfinite(error), error, np.nanmax([*error[np.isfinite(error)], 1.0]))
        weights.append(np.where(np.isfinite(each), 1.0 / np.maximum(known, 1.0) ** 2, 0.0))
    weight = weights[0] + weights[1]
    summed = np.nan_to_num(curve) * weights[0] + np.nan_to_num(told) * weights[1]
    found = np.divide(summed, weight, out=nothing.copy(), where=weight > 0)
    source = np.isfinite(curve) * int(Source.CURVE) + np.isfinite(told) * int(Source.NEIGHBOURS)
    dims = ("time", "asset")
    return xr.Dataset(
        {
            "potential_power": (dims, found, {"units": "kW", "long_name": "power the turbine would have made"}),
            "potential_source": (
                dims,
                source.astype(np.int8),
                {
                    "long_name": "what the potential is from",
                    "flag_values": np.array([int(one) for one in Source], np.int8),
                    "flag_meanings": " ".join(one.name.lower() for one in Source),
                },
            ),
            "curve_error": ("asset", errors[0], {"units": "kW", "long_name": "error of the curve in ordinary slots"}),
            "neighbour_error": ("asset", errors[1], {"units": "kW", "long_name": "error of the neighbours"}),
            "untold_slots": (
                "asset",
                (source == 0).sum(axis=0),
                {"units": "1", "long_name": "slots without potential"},
            ),
        },
        coords={"time": power["time"].values, "asset": power["asset"].values},
        attrs={"method": method, "neighbours": neighbours},
    )
