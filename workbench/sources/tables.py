"""Reads the tables of an entry: times to UTC, units to the vocabulary's, rows to the grid."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from workbench.model.errors import InputError
from workbench.model.quality import Quality
from workbench.sources.file_config import USUAL_NULLS
from workbench.sources.grid import Table, to_grid
from workbench.sources.readers import Selection, wanted

if TYPE_CHECKING:
    import polars as pl
    import xarray as xr

    from workbench.sources.file_config import Column, TimeColumn
    from workbench.sources.files import TableReader

_UNIX = {"unix_s": 1_000_000_000, "unix_ms": 1_000_000, "unix_us": 1_000, "unix_ns": 1}
_ISO = re.compile(r"^\d{4}-\d\d-\d\d(?P<t>[T ])\d\d:\d\d(?P<s>:\d\d)?(?P<f>[.]\d+)?(?P<z>Z|[+-]\d\d:?\d\d)?$", re.ASCII)
_TIME, _ASSET, _LOST = "__time__", "__asset__", "__lost__"


def read_tables(reader: TableReader, paths: list[Path], names: list[str], selection: Selection) -> xr.Dataset:
    """The variables ``names`` of the files ``paths`` on the grid of the entry.

    Raises
    ------
    InputError
        A column is missing, a time or a number cannot be read.
    """
    import polars as pl

    config = reader.config
    needed = {column: meaning for column, meaning in config.columns.items() if reader.needs(meaning.variable, names)}
    frames = [_load(reader, path, needed, selection) for path in paths]
    untimed = sum(int(frame[_LOST].sum()) for frame in frames if _LOST in frame.columns)
    frames = [frame.filter(~pl.col(_LOST)).drop(_LOST) if _LOST in frame.columns else frame for frame in frames]
    data = pl.concat(frames, how="vertical") if len(frames) > 1 else frames[0]
    del frames
    codes, assets = _assets(data, reader, paths, selection)
    columns, quality = {}, {}
    for column, meaning in needed.items():
        values, flags = _values(data[column], meaning, reader.name)
        columns[meaning.variable] = values
        if flags is not None:
            quality[meaning.variable] = flags
    time = data[_TIME].to_physical().to_numpy()
    table = reader.derive(Table(time, codes, assets, columns, quality), names)
    dataset = to_grid(table, cadence_ns(config.cadence), _attributes(reader, names))
    if untimed:
        dataset.attrs["untimed_rows"] = untimed  # of local times that are no instant, and were to be left out
    return dataset.assign_attrs(files=[path.name for path in paths])


def cadence_ns(cadence: str | None) -> int | None:
    """Length of a slot [ns]."""
    from workbench.model.time import Cadence

    return None if cadence is None else int(Cadence.parse(cadence).ns)


def _load(reader: TableReader, path: Path, needed: dict[str, Column], selection: Selection) -> pl.DataFrame:
    """Rows of one file that are asked for, with UTC time, asset name and the needed columns."""
    import polars as pl

    config = reader.config
    asset = config.asset.column
    kinds: dict[str, Any] = {
        config.time.column: None if reader.typed_time or config.time.format in _UNIX else pl.String
    }
    if asset is not None:
        kinds[asset] = pl.String
    for column, meaning in needed.items():
        kinds[column] = pl.String if _is_text(meaning) else _width(meaning)
    frame = reader.scan(path, kinds)
    slot = cadence_ns(config.cadence)
    frame = _with_utc(frame, reader, path, slot)
    every = frame
    start_of_slot = pl.col(_TIME).to_physical() // (slot or 1) * (slot or 1)
    # a time that could not be read passes the filter, to be told of below
    if selection.start is not None:
        frame = frame.filter((start_of_slot >= selection.start) | pl.col(_TIME).is_null())
    if selection.end is not None:
        frame = frame.filter((start_of_slot < selection.end) | pl.col(_TIME).is_null())
    if selection.assets is not None and asset is not None:
        theirs = {ours: name for name, ours in config.asset.names.items()}
        frame = frame.filter(pl.col(asset).is_in([theirs.get(ours, ours) for ours in selection.assets]))
    lost = [_LOST] if _LOST in every.collect_schema() else []
    data = frame.select(_TIME, *lost, *([asset] if asset else []), *needed).collect()
    if data[_TIME].null_count() > (int(data[_LOST].sum()) if lost else 0):
        raise _bad_time(every, reader, path)
    return data


def _is_text(meaning: Column) -> bool:
    from workbench.model.vocabulary import vocabulary

    term = None if meaning.own else vocabulary().get(meaning.variable)
    return meaning.states is not None or (term is not None and term.states is not None)


def _width(meaning: Column) -> type[pl.DataType]:
    import polars as pl

    from workbench.model.vocabulary import vocabulary

    return pl.Float64 if meaning.own or vocabulary().dtype(meaning.variable) == "f8" else pl.Float32


def _with_utc(frame: pl.LazyFrame, reader: TableReader, path: Path, slot: int | None) -> pl.LazyFrame:
    """``frame`` with the start of each row's period, Datetime[ns] without zone, in UTC.

    Null where it cannot be read or is no instant; of local times, those that may be none are marked.
    """
    import polars as pl

    time = reader.config.time
    stamp, local = _stamp(frame, reader, path)
    if not local:
        return frame.with_columns(_label(stamp, time, slot).alias(_TIME))
    assert time.zone is not None  # noqa: S101  # local times have one
    early = stamp.dt.replace_time_zone(time.zone, ambiguous="earliest", non_existent="null")
    if time.ambiguous == "infer" or time.nonexistent == "shift_forward":
        utc = _localized(frame, stamp, reader, path)
        # polars must not cut the rows down before the column of times stands beside them
        frame = frame.collect().with_columns(utc).lazy()
        utc_time = pl.col(_TIME)
    else:
        which: Any = {"earlier": "earliest", "later": "latest"}.get(time.ambiguous, "null")
        there = stamp.dt.replace_time_zone(time.zone, ambiguous=which, non_existent="null")
        utc_time = there.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    columns = [_label(utc_time, time, slot).alias(_TIME)]
    if "missing" in (time.ambiguous, time.nonexistent):
        may = pl.when(early.is_null()).then(time.nonexistent == "missing").otherwise(time.ambiguous == "missing")
        columns.append((stamp.is_not_null() & utc_time.is_null() & may).alias(_LOST))
    return frame.with_columns(columns)


def _localized(frame: pl.LazyFrame, stamp: pl.Expr, reader: TableReader, path: Path) -> pl.Series:
    """The local times as UTC by what the order of the rows tells, or shifted out of the hour that is not there."""
    import polars as pl

    from workbench.model.time import localize

    time, asset = reader.config.time, reader.config.asset.column
    rows = frame.select(stamp.alias(_TIME), (pl.lit("") if asset is None else pl.col(asset)).alias(_ASSET)).collect()
    local, found = rows[_TIME].to_numpy(), np.full(len(rows), np.datetime64("NaT", "ns"))
    names, owner = np.unique(rows[_ASSET].fill_null("").to_numpy().astype(str), return_inverse=True)
    for number, name in enumerate(names):
        mine = np.flatnonzero(owner == number)
        try:
            # what must not be is left missing here, to be told of with its row
            found[mine] = localize(
                local[mine],
                str(time.zone),
                ambiguous="missing" if time.ambiguous == "raise" else time.ambiguous,
                nonexistent="missing" if time.nonexistent == "raise" else time.nonexistent,
            ).to_numpy()
        except InputError as error:
            raise InputError(
                f"the order of the rows does not tell which of two hours a time of {time.zone} belongs to",
                file=path,
                where=f"{reader.name}.time.ambiguous" + (f": {name}" if name else ""),
                found=error.found,
                hint="ambiguous: earlier, later or missing; times without daylight saving: zone: Etc/GMT-1 (for UTC+1)",
            ) from error
    return pl.Series(_TIME, found)


def _stamp(frame: pl.LazyFrame, reader: TableReader, path: Path) -> tuple[pl.Expr, bool]:
    """Expression for the time of each row, Datetime[ns] without zone, and whether that is local and not UTC."""
    import polars as pl

    time = reader.config.time
    kind = frame.collect_schema()[time.column]
    column = pl.col(time.column)
    if isinstance(kind, pl.Datetime):
        stamp = column.dt.cast_time_unit("ns")
        zoned = kind.time_zone is not None
    elif kind == pl.Date:
        stamp, zoned = column.cast(pl.Datetime("ns")), False
    elif time.format in _UNIX:
        factor = _UNIX[time.format]
        whole = column.cast(pl.Int64) * factor
        if not kind.is_integer():  # keep the fraction of a second without losing digits of the whole
            number = column.cast(pl.Float64)
            whole = number.floor().cast(pl.Int64) * factor + ((number - number.floor()) * factor).round().cast(pl.Int64)
        return whole.cast(pl.Datetime("ns")), False
    elif kind != pl.String:
        raise InputError(
            f"column {time.column!r} holds {kind}, not times",
            file=path,
            where=f"{reader.name}.time",
            hint="for seconds since 1970 write time: {column: …, format: unix_s}",
        )
    else:
        pattern, zoned = _pattern(frame, time, path)
        stamp = column.str.to_datetime(pattern, time_unit="ns", strict=False)
    if zoned:
        return stamp.dt.convert_time_zone("UTC").dt.replace_time_zone(None), False
    return stamp, time.zone not in (None, "UTC")


def _label(stamp: pl.Expr, time: TimeColumn, slot: int | None) -> pl.Expr:
    import polars as pl

    if time.label == "end":
        if slot is None:
            raise InputError("label: end needs a cadence", where="time.label", hint="give the entry a cadence")
        return stamp - pl.duration(nanoseconds=slot)
    return stamp


def _pattern(frame: pl.LazyFrame, time: TimeColumn, path: Path) -> tuple[str, bool]:
    """Pattern for strptime of the column, and whether the times carry their own offset."""
    import polars as pl

    if time.format != "iso8601":
        return time.format, "%z" in time.format or "%:z" in time.format or "%#z" in time.format
    first = frame.select(pl.col(time.column).drop_nulls().first()).collect().item()
    if first is None:
        return "%Y-%m-%dT%H:%M:%S", False
    match = _ISO.match(first.strip())
    if match is None:
        raise InputError(
            "not an ISO 8601 time",
            file=path,
            where=f"column {time.column}",
            found=repr(first),
            expected="such as 2015-06-01T10:20:00+02:00",
            hint="name the pattern: time: {column: …, format: '%d.%m.%Y %H:%M'}",
        )
    pattern = f"%Y-%m-%d{match['t']}%H:%M" + (":%S" if match["s"] else "") + ("%.f" if match["f"] else "")
    return pattern + ("%#z" if match["z"] else ""), match["z"] is not None


def _bad_time(frame: pl.LazyFrame, reader: TableReader, path: Path) -> InputError:
    """The error of the first row whose time is no instant."""
    import polars as pl

    time = reader.config.time
    allowed = pl.col(_LOST) if _LOST in frame.collect_schema() else pl.lit(value=False)
    first = (
        frame.select(pl.int_range(pl.len()).alias("row"), pl.col(time.column), pl.col(_TIME), allowed.alias(_LOST))
        .filter(pl.col(_TIME).is_null() & ~pl.col(_LOST))
        .head(1)
        .collect()
    )
    found, place = first[time.column][0], reader.place(int(first["row"][0]), time.column)
    if time.zone is not None and found is not None:
        text = not isinstance(found, str)
        pattern = "" if text else _pattern(frame, time, path)[0]
        if text or not pl.Series([found]).str.to_datetime(pattern, strict=False).is_null()[0]:
            return InputError(
                f"the time does not exist, or exists twice, on the clock of {time.zone}",
                file=path,
                **place,
                found=str(found),
                hint="times without daylight saving: zone: Etc/GMT-1 (for UTC+1); "
                "the hour that occurs twice: ambiguous: infer, earlier, later or missing; "
                "the hour that is skipped: nonexistent: shift_forward or missing",
            )
    return InputError(
        "the time cannot be read",
        file=path,
        **place,
        found=repr(found),
        expected="ISO 8601 like the rows before it" if time.format == "iso8601" else f"the pattern {time.format}",
    )


def _assets(
    data: pl.DataFrame, reader: TableReader, paths: list[Path], selection: Selection
) -> tuple[npt.NDArray[np.integer], list[str]]:
    """Asset index of each row, and the assets: those asked for, else by their names in the file."""
    import polars as pl

    asset = reader.config.asset
    if asset.column is None:
        assert asset.id is not None  # noqa: S101
        wanted([asset.id], selection.assets, "asset", reader.name)
        return np.zeros(len(data), np.int32), [asset.id]
    names = data[asset.column]
    if names.null_count():
        raise InputError(
            "a row without asset",
            where=f"{reader.name}: column {asset.column}",
            found=f"{names.null_count():,} empty cells",
            expected="the name of an asset in each row",
        )
    theirs = names.unique().sort().to_list()
    if selection.assets is not None:
        back = {ours: name for name, ours in asset.names.items()}
        if not {back.get(ours, ours) for ours in selection.assets} <= {*theirs, *asset.names}:
            # perhaps it only has no rows in the span that is asked for
            every = pl.concat([reader.scan(path, {asset.column: pl.String}) for path in paths]).unique().collect()
            there = [asset.names.get(name, name) for name in sorted(every[asset.column].drop_nulls())]
            wanted(there, selection.assets, "asset", reader.name)
        theirs = [back.get(ours, ours) for ours in selection.assets]
    codes = names.cast(pl.Enum(theirs)).to_physical().to_numpy()
    return codes, [asset.names.get(name, name) for name in theirs]


def _values(
    series: pl.Series, meaning: Column, entry: str
) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.uint16] | None]:
    """Values in the vocabulary's unit, and flags where a text is no known state."""
    import polars as pl

    from workbench.model.units import convert
    from workbench.model.vocabulary import vocabulary

    term = None if meaning.own else vocabulary().get(meaning.variable)
    if series.dtype == pl.String:
        return _codes(series, meaning, dict(term.states or {}) if term else {}, entry)
    values = series.to_numpy()
    if meaning.scale != 1.0 or meaning.offset != 0.0:
        values = values * values.dtype.type(meaning.scale) + values.dtype.type(meaning.offset)
    if meaning.units is not None and term is not None and meaning.units != term.units:
        values = np.asarray(convert(values, meaning.units, term.units), dtype=values.dtype)
    return values, None


def _codes(
    series: pl.Series, meaning: Column, states: dict[str, int], entry: str
) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.uint16] | None]:
    """Codes of the states named in ``series``; a text or code that is no state becomes NaN flagged INVALID."""
    import polars as pl

    codes = {str(code): float(code) for code in states.values()} | {k: float(v) for k, v in states.items()}
    if meaning.states is not None:
        codes = {text: float(states[state]) for text, state in meaning.states.items()}
    values = series.str.strip_chars().replace_strict(
        list(codes), list(codes.values()), default=None, return_dtype=pl.Float32
    )
    unknown = (values.is_null() & series.is_not_null() & ~series.is_in(USUAL_NULLS)).to_numpy()
    flags = np.where(unknown, np.uint16(Quality.INVALID), np.uint16(0)) if unknown.any() else None
    return values.to_numpy(), flags


def _attributes(reader: TableReader, names: list[str]) -> dict[str, dict[str, object]]:
    from workbench.model.vocabulary import vocabulary

    attributes: dict[str, dict[str, object]] = {}
    made_of = reader.outcome(reader.config.columns)
    for name in names:
        column = made_of[name]
        attributes[name] = dict(vocabulary().attrs(name, reader.config.asset_type))
        if column.own:
            attributes[name]["units"] = column.units
        if column.long_name is not None:
            attributes[name]["long_name"] = column.long_name
    return attributes
