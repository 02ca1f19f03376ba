"""Rolling statistics over windows of time, for telemetry with gaps: of a Dataset, and sample by sample."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr
from pydantic import BaseModel, ConfigDict

from workbench.model.errors import InputError
from workbench.model.keys import DurationText
from workbench.model.quality import good
from workbench.model.time import NS_PER_SECOND, Duration, parse_duration
from workbench.steps import step
from workbench.transforms.fields import checked, some_there

if TYPE_CHECKING:
    import dask.array as da

Statistic = Literal[
    "mean", "max", "min", "stddev", "trend", "rms", "kurtosis", "peak_to_peak", "rate_of_change", "count"
]
_LABELS: dict[str, str] = {
    "mean": "mean",
    "max": "maximum",
    "min": "minimum",
    "stddev": "standard deviation",
    "trend": "slope",
    "rms": "root mean square",
    "kurtosis": "kurtosis",
    "peak_to_peak": "peak to peak",
    "rate_of_change": "rate of change",
    "count": "number of values",
}


class RollingFeature(BaseModel):
    """What is wanted of one field; outputs are called ``<output_prefix>_<statistic>_<window>``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    field: str
    statistics: tuple[Statistic, ...]
    output_prefix: str = ""  #: the field's own name by default

    @property
    def prefix(self) -> str:
        """Before the name of each output."""
        return self.output_prefix or self.field


@step("rolling_statistics")
def rolling_statistics(
    data: xr.Dataset, *, windows: Sequence[DurationText], features: Sequence[RollingFeature]
) -> xr.Dataset:
    """Statistics of the last hour, day, week … at each time, over the values that are there.

    The window of a time holds it and all later than one length before it. Values flagged as wrong do not count.

    - ``mean``, ``max``, ``min``, ``peak_to_peak`` (max - min), ``rms`` (root of the mean square), ``count``
    - ``stddev``: of the sample (n - 1), from two values on
    - ``trend``: slope of the least-squares line [unit/h]; ``rate_of_change``: last minus first value by the time
      between them [unit/h]; from two values on
    - ``kurtosis``: fourth central moment by the squared second (3 for Gaussian noise, which is how condition
      monitoring reads it), from four values on that are not all the same

    Parameters
    ----------
    data
        dims (time, asset) or (time,); times ascending, with or without gaps. Lazy data stay lazy.
    windows
        ISO 8601 durations, such as ``PT1H``, ``PT24H``, ``P7D``.
    features
        :class:`RollingFeature`, or mappings of its keys: ``field``, ``statistics``, and ``output_prefix`` where the
        outputs are not to be called by the field.

    Returns
    -------
    xr.Dataset
        ``data`` with ``<prefix>_<statistic>_<window>`` (``vibration_rms_1h``), float64, same dims; NaN where the
        window has too few values. A field that is not there is left out and remarked.

    Raises
    ------
    InputError
        None of the fields is there, a window has no fixed length, or the times are not in order.

    References
    ----------
    See :mod:`workbench.transforms.rolling_kernel`.
    """
    wanted = [checked(RollingFeature, each, f"features.{number}") for number, each in enumerate(features)]
    lengths = {window_label(text): _length(text) for text in windows}
    known = some_there("rolling_statistics", [each.field for each in wanted], data, "features")
    there = [each for each in wanted if each.field in known]
    times = _times(data)
    found: dict[str, xr.Variable] = {}
    pending: list[Future[None]] = []
    # One pool of all fields: no thread waits for the other's last part of each, nor for names and attributes.
    with ThreadPoolExecutor(os.cpu_count()) as pool:

        def submit(part: Callable[[], None]) -> None:
            pending.append(pool.submit(part))

        for each in there:
            values = good(data, each.field)
            order = ("time", *(dim for dim in values.dims if dim != "time"))
            values = values.transpose(*order)
            results = _of(values.data, times, tuple(lengths.values()), each.statistics, submit)
            for number, label in enumerate(lengths):
                for place, statistic in enumerate(each.statistics):
                    name = f"{each.prefix}_{statistic}_{label}"
                    attrs = _attrs(data[each.field].attrs, each.field, statistic, label)
                    one = xr.Variable(order, results[number][place], attrs)
                    found[name] = one.transpose(*data[each.field].dims)
        result = data.assign(found)
    for part in pending:
        part.result()  # what went wrong, is raised here
    return result


def window_label(text: str) -> str:
    """How a window is called in names: ``PT1H`` is ``1h``, ``PT24H`` ``24h``, ``P7D`` ``7d``, ``PT10M`` ``10min``."""
    length = parse_duration(text)
    if length.months or (length.days and length.rest):
        return str(length).removeprefix("P").replace("T", "").lower()
    if length.days:
        return f"{length.days}d"
    for unit, ns in (("h", 3_600 * NS_PER_SECOND), ("min", 60 * NS_PER_SECOND), ("s", NS_PER_SECOND)):
        if length.rest % ns == 0:
            return f"{length.rest // ns}{unit}"
    return f"{length.rest / NS_PER_SECOND:g}s".replace(".", "p")


class LiveRolling:
    """The same statistics sample by sample, for live data: each new row costs the same however long the window.

    Parameters
    ----------
    windows
        ISO 8601 durations.
    statistics
        Of each column.
    columns
        Number of columns (assets × fields).
    """

    def __init__(self, windows: Sequence[str], statistics: Sequence[Statistic], columns: int) -> None:
        from workbench.transforms.rolling_kernel import LANES, STATE, STATISTICS, WIDTH

        self._lengths = np.array([_length(text) for text in windows], dtype=np.int64)
        self._wanted = np.array([STATISTICS.index(name) for name in statistics], dtype=np.int64)
        self._columns = columns
        self._rows = 0
        self._origin = 0
        self._width, self._state, self._lanes = WIDTH, STATE, LANES
        self._blocks = -(-columns // LANES)
        self._times, self._hours = np.empty(0, np.int64), np.empty(0)
        self._values = np.empty((self._blocks, 0, LANES))
        self._reserve(64)

    def _reserve(self, room: int) -> None:
        """Make room for windows of ``room`` rows, and take in again what is held."""
        times, hours, values = self._times, self._hours, self._values
        held = self._rows
        shape = (self._blocks, len(self._lengths))
        self._room = room
        self._times, self._hours = np.zeros(2 * room, dtype=np.int64), np.zeros(2 * room)
        self._values = np.full((self._blocks, 2 * room, self._lanes), np.nan)
        self._ends = np.zeros((*shape, 2), dtype=np.int64)
        self._newer = np.zeros((*shape, self._state))
        self._older = np.zeros((*shape, room, self._width))
        self._rows = 0
        if held:
            self._times[:held], self._hours[:held] = times[:held], hours[:held]
            self._values[:, :held] = values[:, :held]
            self._rows = held
            self._slide(0)

    def add(self, time: int, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Take a row in; returns [window, statistic, column] at its time.

        Parameters
        ----------
        time
            [ns since 1970 UTC], later than the last.
        values
            [column]; NaN is missing.

        Raises
        ------
        InputError
            The time is not later than the last.
        """
        if self._rows and time <= self._times[self._rows - 1]:
            raise InputError(
                "the times are not in order", found=str(np.datetime64(time, "ns")), expected="a later time"
            )
        if not self._rows:
            self._origin = time
        low = int(np.searchsorted(self._times[: self._rows], time - int(self._lengths.max()), side="right"))
        if self._rows + 1 - low > self._room:
            self._keep_from(low)
        elif self._rows == 2 * self._room:
            self._forget(self._room)
        row = np.full(self._blocks * self._lanes, np.nan)
        row[: self._columns] = values
        self._times[self._rows], self._values[:, self._rows] = time, row.reshape(self._blocks, self._lanes)
        self._hours[self._rows] = (time - self._origin) / (3_600 * NS_PER_SECOND)
        self._rows += 1
        return self._slide(self._rows - 1)

    def _forget(self, rows: int) -> None:
        """Drop the oldest ``rows``, a multiple of the ring's length, so that places in the ring stay."""
        self._drop(rows)
        self._ends -= rows

    def _keep_from(self, low: int) -> None:
        """The longest window holds more rows than there is room for."""
        self._drop(low)
        self._reserve(2 * self._room)

    def _drop(self, rows: int) -> None:
        kept = self._rows - rows
        for held in (self._times, self._hours, *self._values):
            held[:kept] = held[rows : self._rows].copy()
        self._rows = kept

    def _slide(self, first: int) -> npt.NDArray[np.float64]:
        from workbench.transforms.rolling_kernel import slide_on

        out = np.empty((len(self._lengths), len(self._wanted), self._columns, 1))
        times, hours = self._times[: self._rows], self._hours[: self._rows]
        slide_on(
            times,
            hours,
            self._values,
            first,
            self._lengths,
            self._wanted,
            out,
            self._ends,
            self._newer,
            self._older,
        )
        return out[..., 0]


@functools.lru_cache(maxsize=256)
def _length(text: str) -> int:
    length: Duration = parse_duration(text)
    if length.ns <= 0:
        raise InputError("a window has no length", where="windows", found=text, expected="such as PT1H")
    return length.ns


def _times(data: xr.Dataset) -> npt.NDArray[np.int64]:
    if "time" not in data.coords:
        raise InputError("the data has no time", where="time", expected="a coordinate time")
    times = data["time"].values.astype("datetime64[ns]").astype(np.int64)
    if len(times) > 1 and (np.diff(times) <= 0).any():
        at = int(np.flatnonzero(np.diff(times) <= 0)[0]) + 1
        raise InputError(
            "the times are not in order",
            where=f"time[{at}]",
            found=str(data["time"].values[at]),
            expected="later than the one before",
            hint='sort them: data.sortby("time"); and drop what is twice: data.drop_duplicates("time")',
        )
    return times


def _of(
    values: Any,
    times: npt.NDArray[np.int64],
    lengths: tuple[int, ...],
    statistics: tuple[str, ...],
    submit: Callable[[Callable[[], None]], None],
) -> list[list[Any]]:
    """[window][statistic] arrays like ``values`` [time, …], lazy where that is lazy, else filled by what is submitted."""
    if not hasattr(values, "dask"):
        results = _computed(np.asarray(values), times, 0, lengths, statistics, submit)
        return [[results[..., w * len(statistics) + s] for s in range(len(statistics))] for w in range(len(lengths))]
    lazy = _lazy(values, times, lengths, statistics)
    return [[lazy[..., w * len(statistics) + s] for s in range(len(statistics))] for w in range(len(lengths))]


def _lazy(
    values: da.Array, times: npt.NDArray[np.int64], lengths: tuple[int, ...], statistics: tuple[str, ...]
) -> da.Array:
    """Each chunk of time with as much before it as the longest window holds."""
    import dask.array as da

    parts = []
    outputs = len(lengths) * len(statistics)
    stops = np.cumsum(values.chunks[0])
    for start, stop in zip(np.r_[0, stops[:-1]], stops, strict=True):
        low = int(np.searchsorted(times, times[start] - max(lengths), side="right")) if stop > start else int(start)
        piece = values[low:stop].rechunk({0: -1})
        parts.append(
            piece.map_blocks(
                _computed,
                times[low:stop],
                int(start - low),
                lengths,
                statistics,
                dtype=np.float64,
                new_axis=[values.ndim],
                chunks=((int(stop - start),), *values.chunks[1:], (outputs,)),
                meta=np.empty((0,) * (values.ndim + 1)),
            )
        )
    return da.concatenate(parts, axis=0)  # type: ignore[no-untyped-call,no-any-return]


def _computed(
    values: npt.NDArray[Any],
    times: npt.NDArray[np.int64],
    skip: int,
    lengths: tuple[int, ...],
    statistics: tuple[str, ...],
    submit: Callable[[Callable[[], None]], None] | None = None,
) -> npt.NDArray[np.float64]:
    """[time, …, window and statistic] from row ``skip`` on.

    What fills it is submitted in parts for threads; without ``submit`` it is done at once, as in a task of Dask, which
    has a thread of its own.
    """
    from workbench.transforms.rolling_kernel import LANES, LINE, STATISTICS, hours_of, rows_of, slide_block

    rest = values.shape[1:]
    table = values.reshape(len(values), math.prod(rest))
    rows = len(table) - skip
    out = _lines((len(lengths), len(statistics), table.shape[1], -(-rows // LINE) * LINE))
    if table.size:
        rooms = np.array([rows_of(times, length) for length in lengths], dtype=np.int64)
        wanted = np.array([STATISTICS.index(name) for name in statistics], dtype=np.int64)
        hours = hours_of(times, int(times[0]))
        windows = np.array(lengths, dtype=np.int64)

        def fill(column: int) -> None:
            own = table[:, column : column + LANES]
            block = np.empty((len(table), LANES))
            block[:, : own.shape[1]], block[:, own.shape[1] :] = own, np.nan
            slide_block(times, hours, block, windows, rooms, wanted, out, column, skip)

        for column in range(0, table.shape[1], LANES):
            if submit is None:
                fill(column)
            else:
                submit(functools.partial(fill, column))
    # [window, statistic, column, time] seen as [time, …, window and statistic]: nothing is copied.
    seen = out[..., :rows].reshape(len(lengths) * len(statistics), *rest, rows)
    return np.moveaxis(np.moveaxis(seen, -1, 0), 1, -1)


def _lines(shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """An array that begins with a line of the caches, which numpy does not see to.

    Nothing is written to it here: the system gives memory where it is first written, which takes as long as the sums,
    and so is left to the threads.
    """
    from workbench.transforms.rolling_kernel import LINE

    size = math.prod(shape)
    room = np.empty(size + LINE - 1)
    begin = -room.ctypes.data // room.itemsize % LINE
    return room[begin : begin + size].reshape(shape)


def _attrs(field: Mapping[str, Any], name: str, statistic: str, label: str) -> dict[str, Any]:
    attrs = {"long_name": f"{_LABELS[statistic]} of {field.get('long_name', name)} over {label}"}
    units = field.get("units")
    if statistic in {"kurtosis", "count"}:
        attrs["units"] = "1"
    elif units:
        attrs["units"] = f"{units} h-1" if statistic in {"trend", "rate_of_change"} else str(units)
    return attrs
