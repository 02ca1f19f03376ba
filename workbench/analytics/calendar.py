"""Days, months and years of a site's clock as spans of UTC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from workbench.model.doubled_hour import doubled_hour
from workbench.model.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

Step = Literal["hour", "day", "month", "year"]
Window = tuple["pd.Timestamp", "pd.Timestamp"]  #: half-open [start, end), UTC without a zone

_OFFSET = {"hour": "h", "day": "D", "month": "MS", "year": "YS"}


def check_axes(data: xr.Dataset | xr.DataArray, where: str = "") -> None:
    """That times and assets are what every analysis takes them for; data without a dim ``time`` or ``asset`` pass.

    ``where`` is what the data are called in errors.

    Raises
    ------
    InputError
        Times are not UTC without a zone, one is missing, they do not ascend or one is there twice; so is an asset, or there is none.
    """
    place = f"{where}." if where else ""
    if "asset" in data.dims and "asset" in data.coords:
        names = list(map(str, data["asset"].values))
        if not names:
            raise InputError("the data have no asset", where=f"{place}asset", found=0, expected="one or more")
        if len(set(names)) < len(names):
            twice = next(name for index, name in enumerate(names) if name in names[:index])
            raise InputError("an asset is there twice", where=f"{place}asset", found=twice, expected="each name once")
    if "time" not in data.dims or "time" not in data.coords:
        return
    if data.indexes["time"].dtype.kind != "M" or getattr(data.indexes["time"], "tz", None) is not None:
        raise InputError(
            "times that are not UTC without a zone",
            where=f"{place}time",
            found=str(data.indexes["time"].dtype),
            expected="datetime64, UTC",
            hint="the step `timestamp_normalization`, or index.tz_convert('UTC').tz_localize(None)",
        )
    times = data["time"].values
    rises = times[1:] > times[:-1]  # a missing time is not later than any
    if rises.all() and not np.isnat(times[:1]).any():
        return
    if np.isnat(times).any():
        raise InputError("a time is missing", where=f"{place}time", found=f"{int(np.isnat(times).sum())} NaT")
    at = int(np.argmin(rises)) + 1
    stamp = str(times[at].astype("datetime64[s]"))
    if times[at] == times[at - 1]:
        autumn = doubled_hour(times[1:][times[1:] == times[:-1]])
        hint = "data.drop_duplicates('time')"
        if autumn is not None:  # to drop what is twice would lose an hour, and leave half of the year an hour off
            hint = f"{autumn[0]}. Bring them to UTC: step timestamp_normalization, or workbench.model.time.localize(times, {autumn[1]!r}, ambiguous='infer')"
        raise InputError("a time is there twice", where=f"{place}time", found=stamp, hint=hint)
    hint = "sort them: data.sortby('time')"
    if times[at - 1] - times[at] <= np.timedelta64(2, "h") and (~rises).mean() < 0.01:
        hint = "local times are set back in autumn: bring them to UTC (step timestamp_normalization); else " + hint
    raise InputError("times are not in order", where=f"{place}time", found=stamp, expected="ascending times", hint=hint)


def slot_length(data: xr.Dataset | xr.DataArray) -> np.timedelta64:
    """Length of the time slots of ``data``: its attribute ``cadence``, or the commonest step of its times.

    Raises
    ------
    InputError
        Neither tells, or the times are none (:func:`check_axes`).
    """
    from workbench.model.time import Cadence

    check_axes(data)
    named = data.attrs.get("cadence")
    if named:
        return Cadence.parse(str(named)).timedelta
    steps = np.diff(data["time"].values)
    if not len(steps):
        raise InputError("too few times to tell the cadence", where="time", hint="set the attribute 'cadence'")
    values, counts = np.unique(steps, return_counts=True)
    return np.timedelta64(int(values[np.argmax(counts)].astype("timedelta64[ns]").astype("i8")), "ns")


def window_of(data: xr.Dataset | xr.DataArray, window: Window | None = None) -> Window:
    """The window given, or the span of the slots in ``data``."""
    import pandas as pd

    if window is not None:
        return window
    times = data["time"].values
    if not len(times):
        raise InputError("there is no data and no window given", where="time")
    return pd.Timestamp(times[0]), pd.Timestamp(times[-1]) + pd.Timedelta(slot_length(data))


def periods(window: Window, step: Step, tz: str = "UTC") -> tuple[pd.DatetimeIndex, pd.DatetimeIndex]:
    """The hours, days, months or years of the clock ``tz`` that ``window`` touches.

    Returns
    -------
    labels, edges
        Local start of each period (without a zone), [n]; UTC edges, [n + 1], cut to the window. A day has
        23, 24 or 25 hours.
    """
    import pandas as pd

    if step not in _OFFSET:
        raise InputError("unknown step of the calendar", where="by", found=step, expected=", ".join(_OFFSET))
    start, end = window
    local = [moment.tz_localize("UTC").tz_convert(tz) for moment in window]
    if step == "hour":
        marks = pd.date_range(start.floor("h"), end, freq="h", inclusive="left", tz="UTC")
        labels, edges = marks.tz_convert(tz).tz_localize(None), marks.tz_localize(None)
    else:
        floor = local[0].tz_localize(None).normalize()
        floor = floor.replace(day=1) if step in ("month", "year") else floor
        floor = floor.replace(month=1) if step == "year" else floor
        labels = pd.date_range(floor, local[1].tz_localize(None), freq=_OFFSET[step], inclusive="left")
        # an instant at which the clock is set back or forward at midnight: the earlier, or the end of the gap
        zoned = labels.tz_localize(tz, ambiguous=np.ones(len(labels), bool), nonexistent="shift_forward")
        edges = zoned.tz_convert("UTC").tz_localize(None)
    inside = edges < end
    cut = [max(edge, start) for edge in edges[inside]]
    return labels[inside], pd.DatetimeIndex([*cut, end]).as_unit("ns")


def edges_of(window: Window) -> pd.DatetimeIndex:
    """The two ends of a window as edges of one period."""
    import pandas as pd

    return pd.DatetimeIndex(list(window)).as_unit("ns")


def place(times: npt.NDArray[np.datetime64], edges: pd.DatetimeIndex) -> npt.NDArray[np.intp]:
    """Index of the period each time falls into; -1 or n for those outside."""
    return np.searchsorted(edges.to_numpy(), times, side="right") - 1


def expected_slots(edges: pd.DatetimeIndex, slot: np.timedelta64) -> npt.NDArray[np.int64]:
    """Number of slots that begin inside each period, [n]."""
    ns = edges.to_numpy().astype("datetime64[ns]").astype(np.int64)
    length = int(slot.astype("timedelta64[ns]").astype(np.int64))
    before = -(-ns // length)  # slots that begin before each edge
    return np.diff(before)


def grouped(
    times: npt.NDArray[np.datetime64], length: npt.NDArray[np.float64], by: Step | None, tz: str
) -> tuple[npt.NDArray[np.int64], Sequence[object]]:
    """Period of each slot, and the periods' labels; one period, labelled by its start, without ``by``."""
    import pandas as pd

    if not len(times):
        raise InputError("there are no slots", where="time")
    start = pd.Timestamp(times[0])
    end = pd.Timestamp(times[-1]) + pd.Timedelta(seconds=float(length[-1]))
    if by is None:
        return np.zeros(len(times), np.int64), [start]
    labels, edges = periods((start, end), by, tz)
    return place(times.astype("datetime64[ns]"), edges).astype(np.int64), list(labels)


def sum_by(values: npt.NDArray[np.float64], group: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.float64]:
    """Sums over time (first axis) of each group, [group, ...]."""
    if count == 1:
        return np.asarray(values.sum(axis=0, keepdims=True))
    starts = np.searchsorted(group, np.arange(count))
    padded = np.concatenate([values, np.zeros((1, *values.shape[1:]))])
    found = np.add.reduceat(padded, starts, axis=0)
    # reduceat gives the next value, not zero, where a group is empty
    return np.where((np.diff([*starts, len(values)]) > 0).reshape(-1, *[1] * (values.ndim - 1)), found, 0.0)
