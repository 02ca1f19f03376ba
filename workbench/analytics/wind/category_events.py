"""Categories from what happened: stop events, alarms, orders, and logs of status codes.

The events of a turbine are brought to one line of time, in which the category of highest priority holds; the line is then
cut at the edges of the slots. Times are whole nanoseconds until the end, so that nothing is lost in between.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.calendar import Window
from workbench.analytics.wind.categories import UNKNOWN, CategoryTable
from workbench.analytics.wind.category_seconds import SECOND, Ints, slot_edges, stack
from workbench.model.errors import InputError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


def from_events(
    events: pl.DataFrame | pd.DataFrame,
    *,
    window: Window,
    assets: Sequence[str],
    slot: str = "10min",
    codes: Mapping[Any, str] | None = None,
    otherwise: str = "available",
    informed: xr.DataArray | None = None,
    table: CategoryTable | None = None,
) -> xr.Dataset:
    """Categories from events that have a start and an end: stops, alarms, orders, maintenance.

    Where several hold at once, the category of higher priority counts.

    Parameters
    ----------
    events
        Columns ``asset``, ``start``, ``end`` (UTC; missing where it still goes on) and ``category``, or ``code`` with
        ``codes``. Events out of the window count with the part inside.
    window, assets, slot
        What the result covers: ``[start, end)``, UTC.
    codes
        Code to category.
    otherwise
        Category of the time without an event: ``"available"`` where the list of stops is complete, ``"unknown"``
        where it tells all that is known.
    informed
        dims (time, asset): True in slots from which there is word of the turbine, such as power that was measured. Where
        not, time ``otherwise`` is ``unknown``.

    Returns
    -------
    xr.Dataset
        See :func:`~workbench.analytics.wind.category_seconds.stack`, and (asset): ``events``, ``open_events``,
        ``overlap_seconds``.

    Raises
    ------
    InputError
        A column is missing; an event ends before it begins or is of a turbine that is not among ``assets``; a code or
        category is not known.
    """
    table = table or CategoryTable()
    table.check([otherwise], "otherwise")
    edges = slot_edges(window, slot).astype(np.int64)
    spans = _spans(events, window, list(map(str, assets)), codes, table)
    return _sliced(spans, edges, list(map(str, assets)), otherwise, informed, table)


def from_status_changes(
    changes: pl.DataFrame | pd.DataFrame,
    *,
    window: Window,
    assets: Sequence[str],
    codes: Mapping[Any, str],
    slot: str = "10min",
    longest: str | None = None,
    table: CategoryTable | None = None,
) -> xr.Dataset:
    """Categories from a log of status codes, each of which holds until the next.

    Parameters
    ----------
    changes
        Columns ``asset``, ``time`` (UTC), ``code``. Of several at the same time the last row counts. Before the first the
        state is ``unknown``: let the log begin before the window.
    codes
        Code to category; every code in the log has to be there.
    longest
        A state older than this (``"P30D"``) is no longer taken for true: ``unknown`` from then on.

    Raises
    ------
    InputError
        As :func:`from_events`.
    """
    import polars as pl

    from workbench.model.time import parse_duration

    table = table or CategoryTable()
    frame = _frame(changes, ("asset", "time", "code"), "changes")
    frame = frame.with_columns(start=_ns(frame, "time", "changes")).sort("asset", "start", maintain_order=True)
    frame = frame.with_columns(end=pl.col("start").shift(-1).over("asset"))
    if longest is not None:
        latest = pl.col("start") + parse_duration(longest).ns
        frame = frame.with_columns(end=pl.min_horizontal(pl.col("end").fill_null(latest), latest))
    names = list(map(str, assets))
    spans = _spans(frame.select("asset", "start", "end", "code"), window, names, codes, table)
    return _sliced(spans, slot_edges(window, slot).astype(np.int64), names, UNKNOWN, None, table)


def resolve_events(
    events: pl.DataFrame | pd.DataFrame,
    *,
    window: Window,
    assets: Sequence[str],
    codes: Mapping[Any, str] | None = None,
    otherwise: str = "available",
    table: CategoryTable | None = None,
) -> pl.DataFrame:
    """Events as one line of time for each turbine, without gap or overlap.

    Returns
    -------
    polars.DataFrame
        ``asset``, ``start``, ``end`` (UTC), ``category``, ``seconds``; those of a turbine follow each other from the
        beginning of the window to its end, neighbours differ in category.
    """
    import polars as pl

    table = table or CategoryTable()
    table.check([otherwise], "otherwise")
    names = list(map(str, assets))
    low, high = _window_ns(window)
    columns: dict[str, list[Any]] = {"asset": [], "start": [], "end": [], "category": []}
    spans = _spans(events, window, names, codes, table)
    for number, name in enumerate(names):
        start, end, rank = (each[spans.asset == number] for each in (spans.start, spans.end, spans.rank))
        bounds, ranks, _ = _line(start, end, rank, low, high, len(table.priority), table.priority.index(otherwise))
        new = np.concatenate([[True], ranks[1:] != ranks[:-1]])
        begins = bounds[:-1][new]
        columns["asset"] += [name] * len(begins)
        columns["start"] += begins.tolist()
        columns["end"] += [*begins[1:].tolist(), high]
        columns["category"] += [table.priority[one] for one in ranks[new]]
    frame = pl.DataFrame(
        columns, schema={"asset": pl.String, "start": pl.Int64, "end": pl.Int64, "category": pl.String}
    )
    seconds = ((pl.col("end") - pl.col("start")) / SECOND).alias("seconds")
    return frame.with_columns(seconds).with_columns(pl.col("start", "end").cast(pl.Datetime("ns")))


class _Spans:
    """Events as arrays: asset and category by number, start and end [ns], cut to the window."""

    def __init__(self, asset: Ints, start: Ints, end: Ints, rank: Ints, still: npt.NDArray[np.bool_]) -> None:
        self.asset, self.start, self.end, self.rank, self.still = asset, start, end, rank, still


def _window_ns(window: Window) -> tuple[int, int]:
    import pandas as pd

    low, high = (int(pd.Timestamp(moment).as_unit("ns").value) for moment in window)
    if high <= low:
        raise InputError("the window is empty", where="window", found=f"{window[0]} to {window[1]}")
    return low, high


def _frame(table: pl.DataFrame | pd.DataFrame, columns: Sequence[str], where: str) -> pl.DataFrame:
    import polars as pl

    frame = table if isinstance(table, pl.DataFrame) else pl.from_pandas(table)
    lacking = [name for name in columns if name not in frame.columns]
    if lacking:
        raise InputError(
            f"the table has no column {lacking[0]!r}",
            where=where,
            found=", ".join(frame.columns) or "no columns",
            expected=", ".join(columns),
            hint=did_you_mean(lacking[0], frame.columns),
        )
    return frame


def _ns(frame: pl.DataFrame, column: str, where: str) -> pl.Expr:
    """A column of times as ns since 1970 UTC, null where missing."""
    import polars as pl

    kind = frame.schema[column]
    if kind == pl.Int64 or kind == pl.Null:  # what resolve_events and from_status_changes make
        return pl.col(column).cast(pl.Int64)
    if not isinstance(kind, pl.Datetime):
        raise InputError("not a time", where=f"{where}.{column}", found=str(kind), expected="Datetime, UTC")
    utc = pl.col(column) if kind.time_zone is None else pl.col(column).dt.convert_time_zone("UTC")
    return utc.dt.timestamp("ns")


def _spans(
    events: pl.DataFrame | pd.DataFrame,
    window: Window,
    assets: list[str],
    codes: Mapping[Any, str] | None,
    table: CategoryTable,
) -> _Spans:
    import polars as pl

    low, high = _window_ns(window)
    told = "code" if codes is not None else "category"
    frame = _frame(events, ("asset", "start", "end", told), "events")
    frame = frame.select(
        pl.col("asset").cast(pl.String),
        _ns(frame, "start", "events").alias("start"),
        _ns(frame, "end", "events").alias("end"),
        pl.col(told),
    )
    _check_events(frame, assets)
    kinds = frame[told].unique().to_list()
    if codes is not None:
        table.check(codes.values(), "codes")
        lacking = [one for one in kinds if one not in codes]
        if lacking:
            raise InputError(
                f"{len(lacking)} codes have no category",
                where="codes",
                found=", ".join(map(str, sorted(lacking, key=str)[:10])),
                hint='give each one a category, "unknown" where it tells nothing',
            )
        ranks = {one: table.priority.index(codes[one]) for one in kinds}
    else:
        table.check(kinds, "events.category")
        ranks = {one: table.priority.index(one) for one in kinds}
    frame = frame.with_columns(still=pl.col("end").is_null()).with_columns(
        pl.col("end").fill_null(high).clip(low, high), pl.col("start").clip(low, high)
    )
    rank = np.array([ranks[one] for one in frame[told].to_list()], dtype=np.int64)
    place = {name: number for number, name in enumerate(assets)}
    asset = np.array([place[one] for one in frame["asset"].to_list()], dtype=np.int64)
    start, end = frame["start"].to_numpy(), frame["end"].to_numpy()
    keep = end > start
    still = frame["still"].to_numpy()
    return _Spans(asset[keep], start[keep], end[keep], rank[keep], still[keep])


def _check_events(frame: pl.DataFrame, assets: list[str]) -> None:
    import polars as pl

    if frame["start"].null_count():
        raise InputError("an event has no start", where="events.start", found=f"{frame['start'].null_count()} missing")
    backward = frame.with_row_index().filter(pl.col("end") < pl.col("start"))
    if backward.height:
        row = backward.row(0, named=True)
        times = [np.datetime64(row[name], "ns") for name in ("start", "end")]
        raise InputError(
            f"{backward.height} events end before they begin",
            where=f"events[{row['index']}]",
            found=f"{row['asset']}: {times[0]} to {times[1]}",
        )
    strange = sorted(set(frame["asset"].unique().to_list()) - set(assets))
    if strange:
        raise InputError(
            f"events of {len(strange)} turbines that are not asked for",
            where="events.asset",
            found=", ".join(map(str, strange[:10])),
            expected="of " + ", ".join(assets[:12]),
            hint=did_you_mean(str(strange[0]), assets),
        )


def _line(
    start: Ints, end: Ints, rank: Ints, low: int, high: int, count: int, otherwise: int
) -> tuple[Ints, Ints, int]:
    """Where the state may change [n + 1], rank of the winner in between [n], and how long two or more held [ns].

    Of each category the number of events that hold is the sum of starts less ends so far; of those that hold the first
    in the order wins.
    """
    bounds = np.unique(np.concatenate([start, end, np.array([low, high], np.int64)]))
    change = np.zeros((count, len(bounds)), np.int32)
    np.add.at(change, (rank, np.searchsorted(bounds, start)), 1)
    np.add.at(change, (rank, np.searchsorted(bounds, end)), -1)
    holds = np.cumsum(change, axis=1)[:, :-1] > 0
    many = holds.sum(axis=0)
    ranks = np.where(many > 0, np.argmax(holds, axis=0), otherwise)
    overlap = int(np.diff(bounds)[many > 1].sum())
    return bounds, ranks.astype(np.int64), overlap


def _sliced(
    spans: _Spans,
    edges: Ints,
    assets: list[str],
    otherwise: str,
    informed: xr.DataArray | None,
    table: CategoryTable,
) -> xr.Dataset:
    """Seconds of each slot; the lines of time are cut at the edges of the slots."""
    count, rest = len(table.priority), table.priority.index(otherwise)
    used = sorted({rest, count - 1, *spans.rank.tolist()})
    row = np.full(count, -1)
    row[used] = np.arange(len(used))
    whole = np.diff(edges).astype(np.float64)
    found = np.zeros((len(used), len(whole), len(assets)))  # [ns], whole numbers
    found[row[rest]] = whole[:, None]
    counts = {name: np.zeros(len(assets)) for name in ("events", "open_events", "overlap_seconds")}
    for column in range(len(assets)):
        mine = spans.asset == column
        start, end, rank = spans.start[mine], spans.end[mine], spans.rank[mine]
        bounds, ranks, overlap = _line(start, end, rank, int(edges[0]), int(edges[-1]), count, rest)
        # only slots that something else than the rest touches: each piece of the line in each slot it reaches
        piece = np.flatnonzero(ranks != rest)
        first = np.searchsorted(edges, bounds[piece], side="right") - 1
        reach = np.searchsorted(edges, bounds[piece + 1], side="left") - first
        piece = np.repeat(piece, reach)
        slot = np.arange(len(piece)) - np.repeat(np.cumsum(reach) - reach, reach) + np.repeat(first, reach)
        part = np.minimum(bounds[piece + 1], edges[slot + 1]) - np.maximum(bounds[piece], edges[slot])
        mine_of = found[:, :, column]
        np.add.at(mine_of, (row[ranks[piece]], slot), part)
        np.subtract.at(mine_of[row[rest]], slot, part)
        counts["events"][column] = mine.sum()
        counts["open_events"][column] = spans.still[mine].sum()
        counts["overlap_seconds"][column] = overlap / SECOND
    found /= SECOND
    times = edges[:-1].astype("datetime64[ns]")
    if informed is not None:
        known = informed.reindex(time=times, asset=np.array(assets, dtype=object), fill_value=False)
        blind = ~known.transpose("time", "asset").values.astype(bool)
        if rest != count - 1:
            found[-1] += np.where(blind, found[row[rest]], 0.0)
            found[row[rest]] = np.where(blind, 0.0, found[row[rest]])
    coords = {"time": times, "asset": np.array(assets, dtype=object)}
    arrays = {table.priority[one]: xr.DataArray(found[row[one]], dims=("time", "asset"), coords=coords) for one in used}
    return stack(arrays, np.diff(edges) / SECOND, table, counts)
