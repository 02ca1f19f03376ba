"""Curtailment and derating: power held at a level below what the wind would give.

Where the set point is known (``power_setpoint``), it says so. Where it is not, it shows as a plateau: power that hardly
changes from slot to slot, below the rating, in wind for which the turbine usually makes more; with a pitch angle that is
known, only if the blades are turned out more than usual at that power. Around a plateau, within half a day, single slots at
the same level belong to it.

It is an operating state and no bad value: it is given as fields of its own, ``curtailment`` and ``curtailment_level``, and
no quality flag.

A turbine curtailed to nothing cannot be told from one that stands for another reason, nor one that is derated for most of
the time, and whose neighbours are too, from a smaller one: that takes a set point or a curve from outside (``expected``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import numba
import numpy as np
import numpy.typing as npt
import xarray as xr
from pydantic import Field

from workbench.analytics.calendar import slot_length
from workbench.analytics.wind.neighbours import Floats, by_turbine
from workbench.analytics.wind.ten_minute import ten_minute
from workbench.analytics.wind.usual_power import at_speed, bridged, rating_of, usual_values
from workbench.steps import progress, remark, step

if TYPE_CHECKING:
    import polars as pl

UNKNOWN, NONE, SET_POINT, PLATEAU = -1, 0, 1, 2
CURTAILMENT, LEVEL, EXPECTED = "curtailment", "curtailment_level", "curtailment_expected"
_LEAST, _MOST = 0.05, 0.97  #: a plateau lies between these shares of the rating
_AROUND = 72  #: slots on either side of a plateau in which single slots at its level belong to it: half a day
_DERATED_DAYS = 7.0  #: from so long on it is called derating


@step("curtailment_detection")
def curtailment_detection(
    data: xr.Dataset,
    *,
    tolerance: Annotated[float, Field(gt=0, lt=0.1)] = 0.015,
    margin: Annotated[float, Field(gt=0, lt=1)] = 0.05,
    shortest: Annotated[int, Field(ge=2)] = 3,
    pitch_margin: Annotated[float, Field(ge=0)] = 1.0,
    wind_speed: str = "wind_speed",
    power: str = "power_output",
    set_point: str = "power_setpoint",
    pitch: str = "blade_pitch_angle",
    expected: str = "",
) -> xr.Dataset:
    """Find slots in which a turbine's power was held down, and at what level.

    Parameters
    ----------
    data
        dims (time, asset): wind speed [m/s], power [kW]; where they are there, set point [kW] and pitch angle [degree];
        coordinate ``rated_capacity`` [kW]. Faster data are brought to ten minutes first.
    tolerance
        Share of the level within which power at it stays.
    margin
        Share of the rating by which the usual power lies above a plateau; twice that where the pitch is not measured.
    shortest
        Slots in a row that make a plateau.
    pitch_margin
        How much farther than usual at that power the blades are turned out [degree].
    expected
        Field with the power to expect [kW], such as ``expected_power`` of ``power_curve_comparison``; where empty the median
        of the turbine's own power at that wind speed, or of the farm's turbines of that rating where its own lies far below
        (as of one that is derated most of the time).

    Returns
    -------
    xr.Dataset
        ``curtailment`` (time, asset), int8: -1 unknown, 0 none, 1 set_point, 2 plateau; ``curtailment_level`` [kW], NaN
        without; ``curtailment_expected`` [kW], what was expected.
    """
    data = ten_minute(data)
    speed, made = by_turbine(data, wind_speed), by_turbine(data, power)
    rating = rating_of(data, made)
    angle = by_turbine(data, pitch) if pitch in data else None
    told = by_turbine(data, set_point) if set_point in data else None
    found = np.zeros(made.shape, np.int8)
    level = np.full(made.shape, np.nan)
    producing = np.isfinite(speed) & np.isfinite(made) & (made > _LEAST * rating)
    margin = margin if angle is not None else 2 * margin
    for number in range(2):  # the second time without what the first has found
        if expected:
            usual = by_turbine(data, expected)
        else:
            own = bridged(usual_values(speed, made, producing & (found == NONE), (0.5,)))[0]
            usual = at_speed(_with_neighbours(own, rating), speed)
        progress(3 * number + 1, 6)
        turned = None if angle is None else _turned_out(angle, made, rating, producing & (found == NONE), pitch_margin)
        progress(3 * number + 2, 6)
        found, level = _plateaus(
            made, usual, rating, np.zeros((0, 0), bool) if turned is None else turned, tolerance, margin, shortest
        )
        if not (found == PLATEAU).any() or expected:
            break
    progress(6, 6)
    known = np.isfinite(made) & (np.isfinite(usual) | (made <= _LEAST * rating))
    if told is not None:
        limited = (told < 0.99 * rating) & (told >= 0)
        held = limited & (usual > told) & (made <= told + 0.03 * rating)
        # where the set point is known, nothing is inferred
        found = np.where(np.isfinite(told), np.where(held, SET_POINT, NONE), found)
        level = np.where(np.isfinite(told), np.where(held, told, np.nan), level)
    else:
        remark(f"curtailment_detection: no field {set_point!r}; curtailment is inferred from plateaus of the power")
    if angle is None:
        remark(f"curtailment_detection: no field {pitch!r}; a plateau counts without the evidence of the blades")
    code = np.where(known, found, UNKNOWN).astype(np.int8)
    level = np.where(known & (found > NONE), level, np.nan)
    dims, coords = ("time", "asset"), {name: data[name] for name in ("time", "asset")}

    def field(values: Any, attrs: dict[str, Any]) -> xr.DataArray:
        return xr.DataArray(values, dims=dims, coords=coords, attrs=attrs)

    meanings = {
        "long_name": "curtailment",
        "flag_values": np.array([UNKNOWN, NONE, SET_POINT, PLATEAU], np.int8),
        "flag_meanings": "unknown none set_point plateau",
    }
    return data.assign(
        {
            CURTAILMENT: field(code, meanings),
            LEVEL: field(level.astype(np.float32), {"units": "kW", "long_name": "level of the curtailment"}),
            EXPECTED: field(usual.astype(np.float32), {"units": "kW", "long_name": "power without curtailment"}),
        }
    )


def curtailment_table(data: xr.Dataset, *, tolerance: float = 0.02, power: str = "power_output") -> pl.DataFrame:
    """Times of curtailment, from the fields of :func:`curtailment_detection`.

    Slots of one level make one row as long as the turbine never makes more than that between them; of a week or more it is
    called derating.

    Returns
    -------
    polars.DataFrame
        ``asset``, ``start``, ``end`` (UTC, half-open), ``kind`` (``curtailment`` or ``derating``), ``evidence``
        (``set_point`` or ``plateau``), ``level`` [kW], ``hours`` held [h], ``lost_energy`` [kWh].
    """
    import polars as pl

    slot = slot_length(data)
    length, hours = int(slot / np.timedelta64(1, "ns")), float(slot / np.timedelta64(3600, "s"))
    code, level = (data[name].transpose("time", "asset").values for name in (CURTAILMENT, LEVEL))
    made, usual = by_turbine(data, power), data[EXPECTED].transpose("time", "asset").values
    rating = rating_of(data, made)
    times = data["time"].values.astype("datetime64[ns]").astype(np.int64)
    rows = []
    for column, asset in enumerate(map(str, data["asset"].values)):
        at = np.flatnonzero(code[:, column] > NONE)
        near = tolerance * rating[column]
        group: list[int] = []
        for row in [*at, -1]:
            if group and row >= 0:
                same = abs(level[row, column] - level[group[-1], column]) <= near
                between = made[group[-1] : row, column]
                if same and not (between > level[group[0], column] + 2 * near).any():
                    group.append(int(row))
                    continue
            if group:
                start, end = int(times[group[0]]), int(times[group[-1]]) + length
                long = (end - start) / 86.4e12 >= _DERATED_DAYS
                lost = np.nansum(np.maximum(usual[group, column] - made[group, column], 0.0)) * hours
                evidence = "set_point" if (code[group, column] == SET_POINT).all() else "plateau"
                rows.append(
                    (
                        asset, start, end, "derating" if long else "curtailment", evidence,
                        float(np.median(level[group, column])), len(group) * hours, float(lost),
                    )
                )  # fmt: skip
            group = [int(row)] if row >= 0 else []
    names = ("asset", "start", "end", "kind", "evidence", "level", "hours", "lost_energy")
    types = (pl.String, pl.Int64, pl.Int64, pl.String, pl.String, pl.Float64, pl.Float64, pl.Float64)
    table = pl.DataFrame(rows, schema=dict(zip(names, types, strict=True)), orient="row")
    return table.with_columns(pl.col("start", "end").cast(pl.Datetime("ns")))


def _with_neighbours(own: Floats, rating: Floats) -> Floats:
    """Curves [asset, bin] in which what lies far below the farm's turbines of the same rating is theirs."""
    out = own.copy()
    for one in np.unique(rating[np.isfinite(rating)]):
        same = np.flatnonzero(rating == one)
        if len(same) < 3:
            continue
        with np.errstate(invalid="ignore"):
            enough = np.isfinite(own[same]).sum(axis=0) >= 3
            farm = np.full(own.shape[1], np.nan)
            farm[enough] = np.nanmedian(own[same][:, enough], axis=0)
            low = (out[same] < 0.85 * farm) & (farm > 0.5 * one)
            out[same] = np.where(low | (np.isnan(out[same]) & (farm > 0.5 * one)), farm, out[same])
    return out


def _turned_out(
    angle: Floats, made: Floats, rating: Floats, normal: npt.NDArray[np.bool_], margin: float
) -> npt.NDArray[np.bool_]:
    """Where the blades are turned out farther than usual at that power; true where that is not known."""
    share = np.where(np.isfinite(made), made, np.nan) / rating * 20.0  # bins of 2.5 % of the rating, in units of 0.5
    folded = (angle + 180.0) % 360.0 - 180.0
    usual = at_speed(bridged(usual_values(share, folded, normal & np.isfinite(folded), (0.5,)))[0], share)
    return np.asarray(~(folded - usual < margin))


@numba.njit(cache=True, nogil=True)
def _plateaus(made: Any, usual: Any, rating: Any, turned: Any, tolerance: float, margin: float, shortest: int) -> Any:
    rows, columns = made.shape
    found = np.zeros((rows, columns), np.int8)
    level = np.full((rows, columns), np.nan)
    by_blades = turned.size > 0
    for column in range(columns):
        if not rating[column] > 0:
            continue
        low, high, above = _LEAST * rating[column], _MOST * rating[column], margin * rating[column]
        row = 0
        while row < rows:
            p = made[row, column]
            if not (p > low and p < high):
                row += 1
                continue
            near = tolerance * p
            least, most, stop = p, p, row + 1
            while stop < rows:
                q = made[stop, column]
                if not (q > low and q < high) or max(most, q) - min(least, q) > 2 * near:
                    break
                least, most = min(least, q), max(most, q)
                stop += 1
            if stop - row < shortest:
                row += 1
                continue
            # most of it must lie below what is usual, with the blades turned out
            below = 0
            for at in range(row, stop):
                if usual[at, column] - made[at, column] >= above and (not by_blades or turned[at, column]):
                    below += 1
            if 2 * below >= stop - row:
                middle = np.median(made[row:stop, column])
                for at in range(row, stop):
                    found[at, column] = 2
                    level[at, column] = middle
                row = stop
            else:
                row += 1
        # single slots at the level of a plateau near by
        for direction in (1, -1):
            last, since = np.nan, _AROUND + 1
            at = 0 if direction == 1 else rows - 1
            while 0 <= at < rows:
                if found[at, column] == 2 and since != -1:
                    last, since = level[at, column], 0
                else:
                    since += 1
                    p = made[at, column]
                    if (
                        since <= _AROUND
                        and found[at, column] == 0
                        and abs(p - last) <= tolerance * last
                        and usual[at, column] >= last
                        and (not by_blades or turned[at, column])
                    ):
                        found[at, column] = 3
                        level[at, column] = last
                at += direction
        for at in range(rows):
            if found[at, column] == 3:
                found[at, column] = 2
    return found, level
