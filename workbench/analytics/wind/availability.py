"""Availability of turbines, from what they produced or from what they said.

Two methods, of which the second is taken where the data carry a status:

*by production*: of the time with wind speed and power measured and with wind between a threshold above cut-in
and cut-out, the share in which the turbine produced. Curtailment to zero, grid outages and stops for the
environment count as not producing; a reduced output counts as producing. It is a lower bound of what a contract
would call technical availability.

*by status*: of the time with a known ``availability_status``, the share in one of :data:`AVAILABLE`.

The names of the categories are those of IEC 61400-26-1 [1]_.

References
----------
.. [1] IEC 61400-26-1:2019, Availability for wind energy generation systems.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from workbench.analytics.calendar import Window, edges_of, expected_slots, slot_length, window_of
from workbench.analytics.kpi import variable_of
from workbench.analytics.wind.ten_minute import ten_minute

if TYPE_CHECKING:
    import polars as pl

_HOUR = np.timedelta64(3600, "s")

#: Statuses in which the machine itself could have produced.
AVAILABLE = (
    "available",
    "partially_available",
    "technical_standby",
    "environmental_standby",
    "requested_shutdown",
    "grid_outage",
)
#: Statuses in which it could not.
UNAVAILABLE = ("unavailable", "scheduled_maintenance", "planned_corrective_action", "forced_outage")
#: What is left (``suspended``, ``force_majeure``, ``unknown``) counts neither way.


class Production(IntEnum):
    """What a slot says of a turbine."""

    NO_INFORMATION = 0  #: wind speed or power missing or rejected
    OUTSIDE = 1  #: too little wind, or beyond cut-out
    PRODUCING = 2
    NOT_PRODUCING = 3  #: wind enough, and no power


def production_state(
    data: xr.Dataset,
    *,
    cut_in: float = 3.5,
    cut_out: float = 25.0,
    margin: float = 0.5,
    wind_speed: str = "wind_speed",
    power: str = "power_output",
) -> xr.DataArray:
    """What each slot says of production; (time, asset) int8, codes of :class:`Production`.

    Faster data are brought to ten minutes first.

    Parameters
    ----------
    cut_in, cut_out
        Of the turbine model [m/s].
    margin
        Added to ``cut_in`` [m/s]: just above it a turbine that was idle is still allowed to start.
    """
    data = ten_minute(data)
    speed, made = variable_of(data, wind_speed), variable_of(data, power)
    known = speed.notnull() & made.notnull()
    windy = (speed >= cut_in + margin) & (speed <= cut_out)
    state = xr.zeros_like(made, dtype="int8").drop_attrs() + np.int8(Production.OUTSIDE)
    state = state.where(~(windy & (made > 0)), np.int8(Production.PRODUCING))
    state = state.where(~(windy & (made <= 0)), np.int8(Production.NOT_PRODUCING))
    state = state.where(known, np.int8(Production.NO_INFORMATION)).transpose("time", "asset")
    return state.assign_attrs(
        long_name="production",
        flag_values=np.array([int(one) for one in Production], "int8"),
        flag_meanings=" ".join(one.name.lower() for one in Production),
        threshold=cut_in + margin,
    )


def availability(state: xr.DataArray, *, window: Window | None = None) -> xr.Dataset:
    """Time-based availability by production.

    Parameters
    ----------
    state
        From :func:`production_state`.
    window
        What should have been measured; the span of the data if left out. Slots missing altogether count as
        without information.

    Returns
    -------
    xr.Dataset
        dims (asset): hours ``producing``, ``not_producing``, ``outside`` (wind), ``no_information`` [h];
        ``availability`` [1] = producing / (producing + not producing), NaN where neither occurred;
        ``information_available`` [1].
    """
    slot = slot_length(state)
    hours = float(slot / _HOUR)
    (expected,) = expected_slots(edges_of(window_of(state, window)), slot)
    counts = {one: (state == int(one)).sum("time") for one in Production}
    known = counts[Production.PRODUCING] + counts[Production.NOT_PRODUCING] + counts[Production.OUTSIDE]
    judged = counts[Production.PRODUCING] + counts[Production.NOT_PRODUCING]
    result = xr.Dataset(
        {
            "producing": counts[Production.PRODUCING] * hours,
            "not_producing": counts[Production.NOT_PRODUCING] * hours,
            "outside": counts[Production.OUTSIDE] * hours,
            "no_information": (int(expected) - known) * hours,
            "availability": counts[Production.PRODUCING] / judged.where(judged > 0),
            "information_available": known / max(int(expected), 1),
        }
    )
    for name in result.data_vars:
        ratio = name in ("availability", "information_available")
        result[name].attrs = {"units": "1" if ratio else "h", "long_name": str(name).replace("_", " ")}
    return result


def availability_by_status(
    data: xr.Dataset, *, window: Window | None = None, status: str = "availability_status"
) -> xr.Dataset:
    """Time-based availability from the status the assets report; ten-minute slots carry the last one said.

    Returns
    -------
    xr.Dataset
        dims (asset): hours ``available``, ``unavailable``, ``neither``, ``no_information`` [h];
        ``availability`` [1] = available / (available + unavailable); ``information_available`` [1].
    """
    from workbench.model.vocabulary import vocabulary

    term = vocabulary().get(status)
    codes = dict(term.states or {}) if term is not None else {}
    said = variable_of(data, status).load()
    slot = slot_length(data)
    hours = float(slot / _HOUR)
    (expected,) = expected_slots(edges_of(window_of(data, window)), slot)
    up = said.isin([codes[name] for name in AVAILABLE if name in codes]).sum("time")
    down = said.isin([codes[name] for name in UNAVAILABLE if name in codes]).sum("time")
    known = said.notnull().sum("time")
    judged = up + down
    result = xr.Dataset(
        {
            "available": up * hours,
            "unavailable": down * hours,
            "neither": (known - judged) * hours,
            "no_information": (int(expected) - known) * hours,
            "availability": up / judged.where(judged > 0),
            "information_available": known / max(int(expected), 1),
        }
    )
    for name in result.data_vars:
        ratio = name in ("availability", "information_available")
        result[name].attrs = {"units": "1" if ratio else "h", "long_name": str(name).replace("_", " ")}
    return result


def stops(state: xr.DataArray, could: xr.DataArray | None = None, *, at_least: int = 1) -> pl.DataFrame:
    """Runs of slots in which a turbine did not produce in sufficient wind.

    A run goes on over slots without information and over lulls: it ends with the first slot that produces.

    Parameters
    ----------
    state
        From :func:`production_state`.
    could
        Power [kW] (time, asset) the turbine would have made, such as
        :func:`workbench.analytics.wind.power_curve.curve_power`; for the energy lost.
    at_least
        Slots without production a stop needs.

    Returns
    -------
    polars.DataFrame
        ``asset``, ``start``, ``end`` (UTC, end of the last slot without production), ``hours`` from start to end,
        ``hours_windy`` of it in sufficient wind, ``lost_energy`` [kWh] (null where ``could`` is not given); the
        longest in windy hours first.
    """
    import polars as pl

    slot = slot_length(state)
    hours = float(slot / _HOUR)
    length = int(slot.astype("timedelta64[ns]").astype(np.int64))
    times = state["time"].values.astype("datetime64[ns]").astype(np.int64)
    rows: list[tuple[Any, ...]] = []
    for column, asset in enumerate(map(str, state["asset"].values)):
        codes = state.transpose("time", "asset").values[:, column]
        still = codes == int(Production.NOT_PRODUCING)
        # slots that decide: what lies between two stands still belongs to the stop unless something was produced
        decides = np.flatnonzero(still | (codes == int(Production.PRODUCING)))
        if not len(decides) or not still.any():
            continue
        runs = np.split(decides, np.flatnonzero(np.diff(still[decides].astype(np.int8))) + 1)
        power = None if could is None else could.transpose("time", "asset").values[:, column]
        for run in runs:
            if not still[run[0]] or len(run) < at_least:
                continue
            start, end = int(times[run[0]]), int(times[run[-1]]) + length
            lost = None if power is None else float(np.nansum(power[run]) * hours)
            rows.append((asset, start, end, (end - start) / 3.6e12, len(run) * hours, lost))
    columns = ("asset", "start", "end", "hours", "hours_windy", "lost_energy")
    types = (pl.String, pl.Int64, pl.Int64, pl.Float64, pl.Float64, pl.Float64)
    frame = pl.DataFrame(rows, schema=dict(zip(columns, types, strict=True)), orient="row")
    frame = frame.with_columns(pl.col("start", "end").cast(pl.Datetime("ns")))
    return frame.sort(["hours_windy", "start"], descending=[True, False])


def lost_energy(state: xr.DataArray, could: xr.DataArray) -> xr.DataArray:
    """Energy [kWh] not produced in sufficient wind, (asset): what ``could`` [kW] gives in those slots.

    Slots without information are not estimated.
    """
    hours = float(slot_length(state) / _HOUR)
    lost = could.where(state == int(Production.NOT_PRODUCING)).sum("time") * hours
    return lost.assign_attrs(units="kWh", long_name="energy lost while not producing")
