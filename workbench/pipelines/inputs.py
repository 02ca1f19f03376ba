"""What a pipeline works on: files of telemetry or records, entries of the catalogs, series of the store."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.model.doubled_hour import doubled_hour
from workbench.model.errors import InputError, did_you_mean
from workbench.model.quality import DTYPE, is_quality
from workbench.pipelines.run import works_on
from workbench.pipelines.spec import Pipeline
from workbench.sources.recordfiles import READ as RECORD_FILES
from workbench.sources.recordfiles import read_records
from workbench.store.results import RESULTS
from workbench.transforms.effects import Fields

if TYPE_CHECKING:
    import polars as pl
    import xarray as xr

    from workbench.catalog import Catalog

ARRAY_FILES = (".nc", ".zarr")
TABLES = (".csv", ".parquet")
MESSAGES = (".json", ".ndjson", ".jsonl")


@dataclass(frozen=True)
class Opened:
    """Data that a pipeline can run on, and where it comes from."""

    name: str  #: as it was asked for
    kind: str  #: ``file``, ``entry`` or ``store``
    data: xr.Dataset | pl.LazyFrame
    files: tuple[Path, ...] = ()
    snapshot: str = ""  #: of the store
    window: tuple[str, str] | None = None  #: first time, and the one to stop before, as asked for
    _close: Callable[[], None] = field(default=lambda: None, repr=False, compare=False)

    @property
    def records(self) -> bool:
        """Whether they are records."""
        import xarray as xr

        return not isinstance(self.data, xr.Dataset)

    @property
    def fields(self) -> Fields:
        """The fields and their units, as far as they are known."""
        import polars as pl

        if isinstance(self.data, pl.LazyFrame):
            return Fields(dict.fromkeys(self.data.collect_schema().names()), "records")
        return fields_of(self.data)

    def close(self) -> None:
        """Give back what was held open for lazy data."""
        self._close()


def fields_of(data: xr.Dataset) -> Fields:
    """The fields of telemetry and their units; attributes and coordinates count as fields that are not measured."""
    found: dict[str, str | None] = {str(name): None for name in data.attrs}
    found |= {str(name): array.attrs.get("units") for name, array in data.variables.items()}
    measured = {
        str(name)
        for name, array in data.data_vars.items()
        if array.dtype.kind == "f" and {"time", "asset"} <= set(array.dims)
    }
    return Fields(found, "telemetry", found.keys() - measured)


def wanted_kind(pipeline: Pipeline, name: str, catalog: Catalog | None = None) -> str:
    """``telemetry`` or ``records``: what a pipeline works on, given the name of its data.

    Where its steps work on both, an entry of the catalogs tells it, or the ending of a file.

    Raises
    ------
    InputError
        Some of its steps work on telemetry only, and others on records only.
    """
    kinds = [set(works_on(one.step.function)) for one in pipeline.steps]
    both = set.intersection(*kinds) if kinds else {"telemetry", "records"}
    if not both:
        odd = next(one for one, kind in zip(pipeline.steps, kinds, strict=True) if not kind & kinds[0])
        raise InputError(
            "the steps do not work on the same kind of data",
            file=pipeline.file,
            line=odd.line,
            where=odd.step.name,
            found=" or ".join(works_on(odd.step.function)),
            expected=" or ".join(sorted(kinds[0])),
        )
    if len(both) == 1:
        return both.pop()
    if catalog is not None and name in catalog:
        return "records" if catalog[name].gives_records else "telemetry"
    return "records" if Path(name).suffix.lower() in RECORD_FILES else "telemetry"


def open_input(
    name: str,
    kind: str,
    *,
    catalog: Catalog | None = None,
    start: str | None = None,
    end: str | None = None,
    fields: Collection[str] | None = None,
) -> Opened:
    """Open what ``name`` stands for.

    - a file: ``.nc`` and ``.zarr`` (telemetry), ``.csv`` and ``.parquet`` (records, or telemetry with the columns
      time and asset), ``.json`` and ``.ndjson`` (records, or messages of devices as :func:`workbench.ingest.ingest`
      reads them; ``file.json#wind_turbine/1s`` picks a series)
    - ``<site>.<entry>``: an entry of the catalogs
    - ``<site>/<asset_type>/<cadence>``, or ``<site>`` where it has one series: the store
    - ``<site>/results/<name>``: what another pipeline has made

    Parameters
    ----------
    kind
        ``telemetry`` or ``records``.
    start, end
        Of telemetry [UTC], half-open.
    fields
        Of records, those that are needed; all by default.

    Raises
    ------
    InputError
        There is nothing of that name, it cannot be read, or it is of the other kind.
    """
    from workbench.catalog import open_catalog

    catalog = catalog if catalog is not None else open_catalog()
    path, _, series = name.partition("#")
    ending = Path(path).suffix.lower()
    # An entry may be called like a file (``files.csv``): it is meant where there is no such file.
    if Path(path).is_file() or (ending in (*ARRAY_FILES, *RECORD_FILES) and name not in catalog):
        return _file(name, Path(path), series, kind, start, end, fields, catalog)
    window = (start or "", end or "") if start or end else None
    time = slice(start or None, end or None) if window else None
    if name in catalog:
        entry = catalog[name]
        if entry.gives_records != (kind == "records"):
            gives = "records" if entry.gives_records else "telemetry"
            raise InputError(f"the entry gives {gives}, the steps work on {kind}", where=name, found=entry.driver)
        if entry.gives_records:
            places: list[Path] = entry.reader().places()  # type: ignore[attr-defined]
            return Opened(name, "entry", entry.records(fields=fields), tuple(places))
        data = entry.read(time=time)
        files = tuple(Path(str(one)) for one in data.attrs.get("files", ()))
        return Opened(name, "entry", data, files, str(data.attrs.get("snapshot", "")), window)
    site, _, series = name.partition("/")
    sites = known_sites(catalog)
    if site in sites:
        if kind == "records":
            raise InputError("the store gives telemetry, the steps work on records", where=name, found=name)
        from workbench.catalog import SiteView

        view = SiteView(site, catalog.portfolio, catalog.store)
        room, _, result = series.partition("/")
        if room == RESULTS:
            made = view.result(result)
            return Opened(name, "result", _within(made, start, end), (), "", window, made.close)
        data = view.telemetry(series or None, time=time)
        return Opened(name, "store", data, (), str(data.attrs.get("snapshot", "")), window)
    near = did_you_mean(site, sites) if series else did_you_mean(name, [*catalog, *sites])
    raise InputError(
        "no such data",
        where="--input",
        found=name,
        expected=f"a file, an entry of the catalogs in {catalog.path.name}, or <site>/<asset_type>/<cadence> of the store",
        hint=near,
    )


def known_sites(catalog: Catalog) -> set[str]:
    """Sites of the portfolio, and those the store has something of."""
    stored = {path.name for path in catalog.store.iterdir() if path.is_dir()} if catalog.store.is_dir() else set()
    return {*catalog.portfolio.sites, *stored}


def _file(
    name: str,
    path: Path,
    series: str,
    kind: str,
    start: str | None,
    end: str | None,
    fields: Collection[str] | None,
    catalog: Catalog,
) -> Opened:
    if not path.exists():
        beside = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
        near = did_you_mean(path.name, beside) or did_you_mean(name, list(catalog))
        raise InputError("no such file", file=path, hint=near)
    ending = path.suffix.lower()
    if kind == "records":
        if ending in ARRAY_FILES:
            raise InputError("the file holds telemetry, the steps work on records", file=path)
        return Opened(name, "file", read_records(path, fields=fields), (path,))
    if ending in ARRAY_FILES:
        data, close = _arrays(path)
    elif ending in TABLES:
        data, close = _table(path), lambda: None
    elif ending in MESSAGES:
        data, close = _messages(path, series, catalog)
    else:
        expected = "one of " + ", ".join((*ARRAY_FILES, *TABLES, *MESSAGES))
        raise InputError("cannot read telemetry from this file", file=path, expected=expected)
    window = (start or "", end or "") if start or end else None
    return Opened(name, "file", _within(data, start, end), (path,), "", window, close)


def _within(data: xr.Dataset, start: str | None, end: str | None) -> xr.Dataset:
    if not start and not end:
        return data
    from workbench.catalog.selection import selection

    chosen = selection(slice(start or None, end or None), None, None)
    times = data["time"].values.astype("datetime64[ns]").astype("int64")
    keep = (times >= (chosen.start or times.min(initial=0))) & (times < (chosen.end or (1 << 62)))
    return data.isel(time=keep)


def _arrays(path: Path) -> tuple[xr.Dataset, Callable[[], None]]:
    import warnings

    import xarray as xr

    try:
        engine: Any = "zarr" if path.suffix.lower() == ".zarr" else "h5netcdf"
        with warnings.catch_warnings():  # metadata of each array for itself are as good
            warnings.filterwarnings("ignore", "Failed to open Zarr store with consolidated")
            data = xr.open_dataset(path, engine=engine, chunks={}, mask_and_scale=None)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            "the file cannot be read", file=path, found=str(error).split("\n")[0], expected=f"a {path.suffix} file"
        ) from error
    if "time" not in data.dims:
        data.close()
        raise InputError(
            "the file holds no telemetry", file=path, found=", ".join(map(str, data.dims)), expected="a dimension time"
        )
    # Zarr's texts as everything else holds them.
    texts = {str(name): array.astype(object) for name, array in data.variables.items() if array.dtype.kind == "T"}
    close = data.close
    return data.assign({name: (array.dims, array.data, array.attrs) for name, array in texts.items()}), close


def _table(path: Path) -> xr.Dataset:
    """A table with a row per time and asset, as :func:`workbench.catalog.export.write` writes it."""
    import numpy as np
    import polars as pl
    import xarray as xr

    from workbench.transforms.records import moment

    lazy = read_records(path)
    schema = lazy.collect_schema()
    for column in ("time", "asset"):
        if column not in schema:
            raise InputError(
                "the table is no telemetry",
                file=path,
                found=", ".join(schema),
                expected="the columns time and asset",
                hint="describe other tables in a catalog, and give the entry's name",
            )
    nested = [column for column, dtype in schema.items() if dtype.is_nested()]
    if nested:
        raise InputError("the table is no telemetry", file=path, found=f"{nested[0]}: {schema[nested[0]]}")
    time = moment(pl.col("time"), schema["time"]).alias("time")
    frame = lazy.with_columns(time, pl.col("asset").cast(pl.String)).collect()
    for column, expected in (("time", "ISO 8601"), ("asset", "a name")):
        empty = frame[column].is_null().arg_true()
        if len(empty):
            raw = lazy.select(column).slice(int(empty[0]), 1).collect().item()
            message = "not a time" if column == "time" else "a row without an asset"
            row = int(empty[0])
            line = row + 2 if path.suffix.lower() == ".csv" else None
            where = column if line is not None else f"{column}[{row}]"
            raise InputError(message, file=path, line=line, where=where, found=raw, expected=expected)
    twice = frame.select(pl.struct("time", "asset").is_duplicated()).to_series().arg_true()
    if len(twice):
        moment_, asset = frame["time"][int(twice[0])], frame["asset"][int(twice[0])]
        autumn = doubled_hour(frame["time"].gather(twice).to_numpy())
        hint = autumn and (
            f"{autumn[0]}. Write them in UTC or with their offset; or describe the file in a catalog with "
            f"time: {{column: time, zone: {autumn[1]}, ambiguous: infer}}, and give the entry's name"
        )
        raise InputError(
            "a time stands twice for one asset",
            file=path,
            found=f"{moment_:%Y-%m-%dT%H:%M:%S}, {asset}",
            expected="one row for each time and asset",
            hint=hint,
        )
    times, at = np.unique(frame["time"].to_numpy().astype("datetime64[ns]"), return_inverse=True)
    assets, column_ = np.unique(frame["asset"].to_numpy().astype(str), return_inverse=True)
    found = {}
    for column, dtype in schema.items():
        if column in ("time", "asset"):
            continue
        found[column] = (("time", "asset"), _grid(frame[column], (len(times), len(assets)), at, column_, dtype))
    return xr.Dataset(found, coords={"time": times, "asset": assets}, attrs=_parquet_attrs(path, found))


def _grid(series: pl.Series, shape: tuple[int, int], at: Any, column: Any, dtype: pl.DataType) -> Any:
    """The values of a column at their times and assets; what has no row is missing, and of no flag."""
    import numpy as np
    import polars as pl

    if is_quality(series.name) and dtype.is_numeric():
        flags = np.zeros(shape, dtype=DTYPE)
        flags[at, column] = series.fill_null(0).cast(pl.UInt16).to_numpy()
        return flags
    if dtype in (pl.Datetime, pl.Date):
        moments = np.full(shape, "NaT", dtype="datetime64[ns]")
        moments[at, column] = series.cast(pl.Datetime("ns")).to_numpy()
        return moments
    if dtype.is_numeric() or dtype in (pl.Boolean, pl.Null):
        whole = len(at) == shape[0] * shape[1] and not series.null_count()
        kept = whole and (dtype == pl.Boolean or dtype.is_integer())
        # A whole number, or a truth, stays what it is where none is missing.
        given = series if kept else series.cast(pl.Float64)
        numbers = np.zeros(shape, dtype=given.to_numpy().dtype) if kept else np.full(shape, np.nan)
        numbers[at, column] = given.to_numpy()
        return numbers
    texts = np.full(shape, "", dtype=object)
    texts[at, column] = series.cast(pl.String).fill_null("").to_numpy()
    return texts.astype(str)


def _parquet_attrs(path: Path, found: dict[str, Any]) -> dict[str, Any]:
    """The units that our own Parquet files carry, put to their variables."""
    if path.suffix.lower() != ".parquet":
        return {}
    import pyarrow.parquet as pq

    told = {key.decode(): value.decode() for key, value in (pq.read_schema(path).metadata or {}).items()}
    for name, (dims, values) in list(found.items()):
        unit = told.get(f"units:{name}")
        found[name] = (dims, values, {"units": unit} if unit else {})
    return {}


def _messages(path: Path, series: str, catalog: Catalog) -> tuple[xr.Dataset, Callable[[], None]]:
    """Messages of devices: taken into a store of their own, and one of its series read whole."""
    from workbench.catalog.facts import SiteFacts
    from workbench.ingest import ingest
    from workbench.store import SiteStore

    portfolio = catalog.portfolio
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        report = ingest([path], root, portfolio)
        found: dict[str, xr.Dataset] = {}
        for site in sorted(report.sites):
            store = SiteStore(root, site)
            facts = SiteFacts(root / site)
            for info in store.series():
                name = str(info.key) if len(report.sites) == 1 else f"{site}/{info.key}"
                found[name] = facts.annotate(store.open(info.key), portfolio).load()
            store.close()
    if not found:
        raise InputError("the file has no message with values", file=path)
    if series and series not in found:
        raise InputError("no such series in the messages", file=path, found=series, expected=", ".join(found))
    if not series and len(found) > 1:
        raise InputError(
            "the messages are of several series",
            file=path,
            found=", ".join(found),
            hint=f"say which: {path.name}#{next(iter(found))}",
        )
    return found[series or next(iter(found))], lambda: None
