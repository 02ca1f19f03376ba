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
_TIME, _ASSET = "__time__", "__asset__"


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
    frame = frame.with_columns(_utc(frame, reader, path, slot).alias(_TIME))
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
    data = frame.select(_TIME, *([asset] if asset else []), *needed).collect()
    if data[_TIME].null_count():
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


def _utc(frame: pl.LazyFrame, reader: TableReader, path: Path, slot: int | None) -> pl.Expr:
    """Expression for the start of each row's period, Datetime[ns] without zone, in UTC."""
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
        return _label(whole.cast(pl.Datetime("ns")), time, slot)
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
        stamp = stamp.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    elif time.zone is not None and time.zone != "UTC":
        ambiguous = "null" if time.ambiguous == "raise" else time.ambiguous
        local = stamp.dt.replace_time_zone(time.zone, ambiguous=ambiguous, non_existent="null")
        stamp = local.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return _label(stamp, time, slot)


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
    first = (
        frame.select(pl.int_range(pl.len()).alias("row"), pl.col(time.column), pl.col(_TIME))
        .filter(pl.col(_TIME).is_null())
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
                "the double hour: ambiguous: earliest or latest",
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
        attributes[name] = dict(vocabulary().attrs(name))
        if column.own:
            attributes[name]["units"] = column.units
        if column.long_name is not None:
            attributes[name]["long_name"] = column.long_name
    return attributes
