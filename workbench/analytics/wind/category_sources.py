"""Where categories come from: status counters, stop events, status codes, or SCADA alone.

Each source gives the seconds of each slot, turbine and category, in the one form of
:mod:`~workbench.analytics.wind.category_seconds`; :func:`combine_categories` completes one by another. What a source
could not use is counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from workbench.analytics.calendar import Window, slot_length
from workbench.analytics.kpi import variable_of
from workbench.analytics.wind.availability import Production
from workbench.analytics.wind.categories import UNKNOWN, CategoryTable
from workbench.analytics.wind.category_seconds import SECOND, Ints, share_out, slot_edges, stack, status_codes
from workbench.model.errors import InputError, did_you_mean
from workbench.model.units import convert

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

_SCADA = {
    int(Production.PRODUCING): "available",
    int(Production.OUTSIDE): "available",
    int(Production.NOT_PRODUCING): "unavailable",
}


# -- counters ---------------------------------------------------------------------------------------------


def from_counters(
    data: xr.Dataset,
    counters: Mapping[str, str],
    *,
    table: CategoryTable | None = None,
    window: Window | None = None,
    tolerance: float = 1.0,
) -> xr.Dataset:
    """Categories from counters that tell how many seconds of each slot a state held.

    Counters overlap (a turbine stopped for the market that is faulty as well counts in both) and leave gaps. The category
    of higher priority takes its seconds first, the next what is left; seconds that no counter claims are ``unknown``.

    Parameters
    ----------
    data
        dims (time, asset): the counters, in [s] or a unit of time that they name.
    counters
        Field to category. Several of one category add up.
    window
        What should be there; the span of the data if left out. Slots that lack altogether are ``unknown``.
    tolerance
        A slot that lacks no more than this [s] is rounded up: its largest counter gets the rest.

    Returns
    -------
    xr.Dataset
        See :func:`~workbench.analytics.wind.category_seconds.stack`, and (asset): ``missing_slots`` without any
        counter, ``overfilled_slots`` and ``overlap_seconds`` claimed twice, ``underfilled_slots`` and
        ``unclaimed_seconds``, and ``impossible_values``: negative ones, taken as missing, and those longer than the
        slot, cut to it.

    Raises
    ------
    InputError
        A field or category that is not there; a unit that is no time.
    """
    table = table or CategoryTable()
    slot = float(slot_length(data) / np.timedelta64(1, "s"))
    read = _counters(data, counters, table)
    if window is not None:
        times = slot_edges(window, f"{slot:g}s")[:-1]
        read = {name: each.reindex(time=times) for name, each in read.items()}
    shape = next(iter(read.values())).shape
    claims: dict[str, npt.NDArray[np.float64]] = {}
    known, impossible = np.zeros(shape, bool), np.zeros(shape[1], np.int64)
    for name, each in read.items():
        values = each.values
        wrong = (values < 0) | (values > slot + tolerance)
        impossible += wrong.sum(axis=0)
        values = np.where(values < 0, np.nan, np.minimum(values, slot))
        known |= np.isfinite(values)
        category = counters[name]
        claims[category] = claims.get(category, 0.0) + np.nan_to_num(values)
    total = sum(claims.values())
    assert isinstance(total, np.ndarray)  # noqa: S101  # there is one counter or more
    lacks = slot - total
    nearly = (lacks > 0) & (lacks <= tolerance)
    if nearly.any():
        names = list(claims)
        largest = np.argmax(np.stack([claims[name] for name in names]), axis=0)
        for row, name in enumerate(names):
            claims[name] = np.where(nearly & (largest == row), claims[name] + lacks, claims[name])
        lacks = np.where(nearly, 0.0, lacks)
    coords = {"time": next(iter(read.values()))["time"].values, "asset": data["asset"].values}
    arrays = {name: xr.DataArray(values, dims=("time", "asset"), coords=coords) for name, values in claims.items()}
    over, under = known & (lacks < -tolerance), known & (lacks > 0)
    counts = {
        "missing_slots": (~known).sum(axis=0),
        "overfilled_slots": over.sum(axis=0),
        "overlap_seconds": np.where(over, -lacks, 0.0).sum(axis=0),
        "underfilled_slots": under.sum(axis=0),
        "unclaimed_seconds": np.where(under, lacks, 0.0).sum(axis=0),
        "impossible_values": impossible,
    }
    return stack(share_out(arrays, slot, table), slot, table, counts)


def _counters(data: xr.Dataset, counters: Mapping[str, str], table: CategoryTable) -> dict[str, xr.DataArray]:
    """The counters in seconds, dims (time, asset); lazy where they are."""
    if not counters:
        raise InputError("no counters are named", where="counters", found="{}", expected="field: category")
    table.check(counters.values(), "counters")
    found = {}
    for name in counters:
        values = variable_of(data, name)
        unit = str(values.attrs.get("units") or "s")
        try:
            found[name] = convert(values.astype(np.float64).assign_attrs(units=unit), unit, "s").drop_attrs(deep=False)
        except InputError as error:
            raise error.at(where=f"counters.{name}") from error
    return found


# -- events -----------------------------------------------------------------------------------------------


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
    size, count = len(edges) - 1, len(table.priority)
    found = np.zeros((count, size, len(assets)))
    counts = {name: np.zeros(len(assets)) for name in ("events", "open_events", "overlap_seconds")}
    for column in range(len(assets)):
        mine = spans.asset == column
        start, end, rank = spans.start[mine], spans.end[mine], spans.rank[mine]
        bounds, ranks, overlap = _line(
            start, end, rank, int(edges[0]), int(edges[-1]), count, table.priority.index(otherwise)
        )
        knots = np.union1d(bounds, edges)
        which = ranks[np.searchsorted(bounds, knots[:-1], side="right") - 1]
        cell = which * size + np.searchsorted(edges, knots[:-1], side="right") - 1
        total = np.bincount(cell, np.diff(knots), minlength=count * size)
        found[:, :, column] = total.reshape(count, size) / SECOND
        counts["events"][column] = mine.sum()
        counts["open_events"][column] = spans.still[mine].sum()
        counts["overlap_seconds"][column] = overlap / SECOND
    times = edges[:-1].astype("datetime64[ns]")
    if informed is not None:
        known = informed.reindex(time=times, asset=np.array(assets, dtype=object), fill_value=False)
        blind = ~known.transpose("time", "asset").values.astype(bool)
        row = table.priority.index(otherwise)
        found[-1] += np.where(blind, found[row], 0.0)
        found[row] = np.where(blind, 0.0, found[row]) if row != count - 1 else found[row]
    coords = {"time": times, "asset": np.array(assets, dtype=object)}
    keep = found.any(axis=(1, 2))
    keep[[-1, table.priority.index(otherwise)]] = True
    arrays = {
        name: xr.DataArray(found[row], dims=("time", "asset"), coords=coords)
        for row, name in enumerate(table.priority)
        if keep[row]
    }
    return stack(arrays, np.diff(edges) / SECOND, table, counts)


# -- a state of each slot ---------------------------------------------------------------------------------


def from_status(
    data: xr.Dataset,
    *,
    status: str = "availability_status",
    codes: Mapping[Any, str] | None = None,
    window: Window | None = None,
    table: CategoryTable | None = None,
) -> xr.Dataset:
    """Categories from a field that holds one code for each slot; a slot counts whole.

    Parameters
    ----------
    codes
        Code to category; those of the vocabulary's ``availability_status`` if left out. A code without a category, and
        no code, are ``unknown``.

    Returns
    -------
    xr.Dataset
        See :func:`~workbench.analytics.wind.category_seconds.stack`, and (asset): ``missing_slots``, ``unmapped_slots``.
    """
    table = table or CategoryTable()
    said = variable_of(data, status).load()
    slot = float(slot_length(data) / np.timedelta64(1, "s"))
    if window is not None:
        said = said.astype(np.float64).reindex(time=slot_edges(window, f"{slot:g}s")[:-1])
    claims = status_claims(said, codes, slot, table)
    known = sum(each.values > 0 for each in claims.values())
    there = said.notnull().values
    counts = {"missing_slots": (~there).sum(axis=0), "unmapped_slots": (there & ~np.asarray(known, bool)).sum(axis=0)}
    return stack(share_out(claims, slot, table), slot, table, counts)


def status_claims(
    said: xr.DataArray, codes: Mapping[Any, str] | None, slot: float, table: CategoryTable
) -> dict[str, xr.DataArray]:
    """By category, the slot's length [s] where its code says so, else 0; lazy where the codes are."""
    if codes is None:
        codes = {code: name for name, code in status_codes().items()}
    table.check(codes.values(), "codes")
    by_name: dict[str, list[Any]] = {}
    for code, name in codes.items():
        by_name.setdefault(name, []).append(_number(code, said))
    return {
        name: said.isin(wanted).astype(np.float64).drop_attrs(deep=False) * slot
        for name, wanted in by_name.items()
        if name != UNKNOWN
    } or {"available": said.isin([]).astype(np.float64)}


def _number(code: Any, said: xr.DataArray) -> Any:
    """``code`` as the values are; a mapping read from JSON has texts for keys."""
    if said.dtype.kind in "fiu" and isinstance(code, str):
        try:
            return float(code)
        except ValueError:
            raise InputError("not a number, as the field's values are", where="codes", found=code) from None
    return code


def from_production(state: xr.DataArray, *, table: CategoryTable | None = None) -> xr.Dataset:
    """Categories from SCADA alone: what the slot's wind and power say of the turbine.

    Parameters
    ----------
    state
        From :func:`~workbench.analytics.wind.availability.production_state`. A turbine that produces, or for which there is
        too little or too much wind, is ``available``; one that stands in sufficient wind is ``unavailable``: why, power
        and wind do not tell.
    """
    table = table or CategoryTable()
    slot = float(slot_length(state) / np.timedelta64(1, "s"))
    claims = status_claims(state, _SCADA, slot, table)
    missing = (state == int(Production.NO_INFORMATION)).sum("time").values
    return stack(share_out(claims, slot, table), slot, table, {"missing_slots": missing})


def production_claims(state: xr.DataArray, slot: float, table: CategoryTable) -> dict[str, xr.DataArray]:
    """The claims of :func:`from_production`; lazy where the state is."""
    return status_claims(state, _SCADA, slot, table)
