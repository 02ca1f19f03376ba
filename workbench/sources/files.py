"""Tables in files: CSV, Parquet and NDJSON, by a mapping of their columns to the vocabulary.

A table has a row per sample: a time column, usually an asset column, and a column per variable. The mapping
stands in the catalog entry; nothing is guessed from names.
"""

from __future__ import annotations

import abc
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import BaseModel

from workbench.model.errors import InputError, did_you_mean
from workbench.sources.file_config import USUAL_NULLS, Column, CsvConfig, FileConfig, TableConfig, unknown_variables
from workbench.sources.readers import Contents, DatasetReader, Selection, wanted

if TYPE_CHECKING:
    import polars as pl
    import xarray as xr

    from workbench.sources.grid import Table


class FileReader(DatasetReader):
    """Finds the files of an entry."""

    config: FileConfig

    def places(self) -> list[Path]:
        """The paths of the entry, absolute, patterns not expanded."""
        return [(self.folder / Path(text).expanduser()).resolve() for text in self.config.path]

    def find(self) -> list[Path]:
        """The files of the entry, sorted; none where a download is needed first."""
        if self.config.url is not None:
            from workbench.sources.download import cached

            candidates = [*self.places(), cached(self.config.url)]
            return next(([path] for path in candidates if path.exists()), [])
        found: list[Path] = []
        for place in self.places():
            found += sorted(_glob(place))
        return list(dict.fromkeys(found))

    def files(self) -> list[Path]:
        """The files of the entry, downloaded where needed; raises InputError where there is none."""
        from workbench.sources.download import cached, fetch

        config = self.config
        found = self.find()
        if config.url is not None and config.sha256 is not None and (not found or found == [cached(config.url)]):
            return [fetch(config.url, config.sha256, entry=self.name, local=self.places())]
        if not found:
            raise self._missing()
        return found

    def problems(self) -> list[InputError]:
        """A missing file."""
        if self.config.url is not None:
            return []
        return [
            self._missing(text) for text, place in zip(self.config.path, self.places(), strict=True) if not _glob(place)
        ]

    def _missing(self, text: str | None = None) -> InputError:
        places = self.places() if text is None else [(self.folder / Path(text).expanduser()).resolve()]
        pattern = any(character in str(places[0]) for character in "*?[")
        return InputError(
            "no file matches the pattern" if pattern else "no such file",
            where="path",
            found=", ".join(map(str, places)),
            hint="paths start from the folder of the catalog file",
        )


def _glob(place: Path) -> list[Path]:
    text = str(place)
    if not any(character in text for character in "*?["):
        return [place] if place.exists() else []
    parts = place.parts
    fixed = next(i for i, part in enumerate(parts) if any(character in part for character in "*?["))
    return list(Path(*parts[:fixed]).glob(str(Path(*parts[fixed:]))))


class TableReader(FileReader):
    """Reads a table and places it on the grid."""

    config: TableConfig

    def __init__(self, name: str, config: BaseModel, folder: Path) -> None:
        super().__init__(name, config, folder)
        assert isinstance(config, TableConfig)  # noqa: S101  # the registry pairs Config and reader
        self.config = config

    typed_time: ClassVar[bool] = False  #: the file says of what type its times are

    @abc.abstractmethod
    def scan(self, path: Path, columns: Mapping[str, pl.DataType | type[pl.DataType] | None]) -> pl.LazyFrame:
        """``columns`` of the file at ``path``, in the type asked for (None: as the file has it)."""

    def outcome(self, columns: Mapping[str, Column]) -> dict[str, Column]:
        """What the variables of the Dataset are made of; a reader that derives some says so here."""
        return {column.variable: column for column in columns.values()}

    def needs(self, variable: str, names: list[str]) -> bool:
        """Whether the column of ``variable`` must be read to give the variables ``names``."""
        return variable in names

    def derive(self, table: Table, names: list[str]) -> Table:
        """The table with the variables ``names``, made of what was read."""
        return table

    def place(self, row: int, column: str) -> dict[str, Any]:
        """Where row number ``row`` (from 0) stands, as arguments of InputError."""
        return {"where": f"column {column}, row {row + 1}"}

    def contents(self) -> Contents:
        """Files, variables with units, and assets where the entry names them."""
        from workbench.model.vocabulary import vocabulary

        config = self.config
        units = {
            variable: str(column.units or "") if column.own else str(vocabulary().attrs(variable).get("units", ""))
            for variable, column in self.outcome(config.columns).items()
        }
        where = [str(path) for path in self.find()] or ([config.url] if config.url else list(config.path))
        if config.member:
            where = [f"{place} → {config.member}" for place in where]
        assets = (config.asset.id,) if config.asset.id else tuple(config.asset.names.values())
        return Contents(tuple(where), units, assets, config.cadence, config.asset_type)

    def problems(self) -> list[InputError]:
        """Missing files, and variables that are not in the vocabulary."""
        return super().problems() + unknown_variables(self.config.columns)

    def read(self, selection: Selection) -> xr.Dataset:
        """The selected part of the table as a Dataset with dims (time, asset)."""
        from workbench.sources.tables import read_tables

        for problem in unknown_variables(self.config.columns):
            raise problem
        names = wanted(list(self.outcome(self.config.columns)), selection.variables, "variable", self.name)
        return read_tables(self, self.files(), names, selection)


class CsvReader(TableReader):
    """Comma separated text, also inside a zip archive or gzipped."""

    driver: ClassVar[str] = "csv"
    Config: ClassVar[type[BaseModel]] = CsvConfig

    def scan(self, path: Path, columns: Mapping[str, pl.DataType | type[pl.DataType] | None]) -> pl.LazyFrame:
        """``columns`` of the file at ``path``."""
        import polars as pl

        config = self.config
        assert isinstance(config, CsvConfig)  # noqa: S101
        source = _member(path, config.member, self.name) if config.member else path
        options: dict[str, Any] = {
            "separator": config.separator,
            "decimal_comma": config.decimal_comma,
            "null_values": config.null_values,
            "skip_rows": config.skip_rows,
            "comment_prefix": config.comment,
            "encoding": config.encoding,
        }
        header = pl.read_csv(source, n_rows=0, infer_schema=False, **options).columns
        check_columns(header, columns, path, self.name)
        given = {name: kind for name, kind in columns.items() if kind is not None}
        # Comparing each cell with words for "missing" costs a quarter of the parsing: only where it is needed.
        words = [None, list(USUAL_NULLS)] if config.null_values is None else [config.null_values]
        for nulls in words:
            options["null_values"] = nulls
            _rewind(source)
            try:
                frame = pl.read_csv(source, columns=list(columns), schema_overrides=given, **options)
                break
            except pl.exceptions.ComputeError as error:
                failure = error
        else:
            _rewind(source)
            text = pl.read_csv(source, columns=list(columns), infer_schema=False, **options)
            raise _bad_number(text, given, path, config.skip_rows) or InputError(
                "cannot read the table", file=path, where=self.name, found=str(failure).splitlines()[0]
            ) from failure
        return frame.lazy()

    def place(self, row: int, column: str) -> dict[str, Any]:
        """Line and column, as arguments of InputError."""
        assert isinstance(self.config, CsvConfig)  # noqa: S101
        return {"line": row + 2 + self.config.skip_rows, "where": f"column {column}"}


class ParquetReader(TableReader):
    """Parquet; only the row groups and columns asked for are read."""

    driver: ClassVar[str] = "parquet"
    Config: ClassVar[type[BaseModel]] = TableConfig
    typed_time: ClassVar[bool] = True

    def scan(self, path: Path, columns: Mapping[str, pl.DataType | type[pl.DataType] | None]) -> pl.LazyFrame:
        """``columns`` of the file at ``path``."""
        import polars as pl

        source = _member(path, self.config.member, self.name) if self.config.member else path
        try:
            frame = pl.scan_parquet(source)
            header = frame.collect_schema().names()
        except (pl.exceptions.ComputeError, OSError) as error:
            raise InputError("not a Parquet file", file=path, where=self.name, found=str(error)) from error
        check_columns(header, columns, path, self.name)
        return frame.select([_as(pl.col(name), kind) for name, kind in columns.items()])


class NdjsonReader(TableReader):
    """JSON objects, one to a line; a column is a dotted path such as ``wind.speed``."""

    driver: ClassVar[str] = "ndjson"
    Config: ClassVar[type[BaseModel]] = TableConfig

    def scan(self, path: Path, columns: Mapping[str, pl.DataType | type[pl.DataType] | None]) -> pl.LazyFrame:
        """``columns`` of the file at ``path``."""
        import polars as pl

        source = _member(path, self.config.member, self.name) if self.config.member else path
        try:
            frame = pl.read_ndjson(source, infer_schema_length=None)
        except pl.exceptions.PolarsError as error:
            raise _bad_line(path, self.config.member, self.name) or InputError(
                "cannot read the file", file=path, where=self.name, found=str(error).splitlines()[0]
            ) from error
        check_columns(_paths(frame.schema), columns, path, self.name)
        return frame.lazy().select([_as(_at(name), kind).alias(name) for name, kind in columns.items()])

    def place(self, row: int, column: str) -> dict[str, Any]:
        """Line and column, as arguments of InputError."""
        return {"line": row + 1, "where": column}


def _rewind(source: object) -> None:
    if isinstance(source, io.BytesIO):
        source.seek(0)


def _as(column: pl.Expr, kind: pl.DataType | type[pl.DataType] | None) -> pl.Expr:
    return column if kind is None else column.cast(kind, strict=True)


def _at(path: str) -> pl.Expr:
    import polars as pl

    first, *rest = path.split(".")
    column = pl.col(first)
    for part in rest:
        column = column.struct.field(part)
    return column


def _paths(schema: Mapping[str, Any], before: str = "") -> list[str]:
    """The dotted paths of all leaves."""
    import polars as pl

    found: list[str] = []
    for name, kind in schema.items():
        if isinstance(kind, pl.Struct):
            found += _paths({field.name: field.dtype for field in kind.fields}, f"{before}{name}.")
        else:
            found.append(before + name)
    return found


def _member(path: Path, member: str | None, entry: str) -> io.BytesIO:
    """The content of ``member`` of the zip archive at ``path``."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if member not in names:
                raise InputError(
                    f"no {member!r} in the archive",
                    file=path,
                    where=f"{entry}.member",
                    expected="one of " + ", ".join(name for name in names if not name.startswith("__MACOSX/")),
                    hint=did_you_mean(str(member), names),
                )
            data = io.BytesIO()
            with archive.open(names[names.index(member)]) as file:
                # in pieces: at once, zipfile holds the whole twice
                while piece := file.read(1 << 20):
                    data.write(piece)
            data.seek(0)
            return data
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError("not a zip archive", file=path, where=entry, found=str(error)) from error


def check_columns(header: list[str], columns: Mapping[str, object], path: Path, entry: str) -> None:
    """Raise InputError for the first of ``columns`` that the file does not have."""
    for name in columns:
        if name not in header:
            raise InputError(
                f"the file has no column {name!r}",
                file=path,
                where=entry,
                expected="one of " + ", ".join(header),
                hint=did_you_mean(name, header),
            )


def _bad_number(
    text: pl.DataFrame, kinds: Mapping[str, pl.DataType | type[pl.DataType]], path: Path, skipped: int
) -> InputError | None:
    """The first cell that is not of its type."""
    import polars as pl

    for name, kind in kinds.items():
        wrong = text[name].is_not_null() & text[name].str.strip_chars().cast(kind, strict=False).is_null()
        if kind != pl.String and wrong.any():
            row = int(np.flatnonzero(wrong.to_numpy())[0])
            return InputError(
                "not a number",
                file=path,
                line=row + 2 + skipped,
                where=f"column {name}",
                found=repr(text[name][row]),
                hint="name the file's words for a missing value in null_values",
            )
    return None


def _bad_line(path: Path, member: str | None, entry: str) -> InputError | None:
    """The first line that is not JSON."""
    import orjson

    data = _member(path, member, entry).getvalue() if member else path.read_bytes()
    for number, line in enumerate(data.splitlines(), 1):
        try:
            orjson.loads(line or b"null")
        except orjson.JSONDecodeError as error:
            return InputError("not JSON", file=path, line=number, where=entry, found=str(error))
    return None
