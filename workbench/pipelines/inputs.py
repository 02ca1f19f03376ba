"""What a pipeline works on: files of telemetry or records, entries of the catalogs, series of the store."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.model.errors import InputError, did_you_mean
from workbench.pipelines.recordfiles import READ as RECORD_FILES
from workbench.pipelines.recordfiles import read_records
from workbench.pipelines.run import works_on
from workbench.pipelines.spec import Pipeline
from workbench.store.results import RESULTS

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
    def fields(self) -> dict[str, str | None]:
        """The fields and their units, as far as they are known."""
        import polars as pl

        if isinstance(self.data, pl.LazyFrame):
            return dict.fromkeys(self.data.collect_schema().names(), None)
        found: dict[str, str | None] = {str(name): None for name in self.data.attrs}
        found |= {str(name): array.attrs.get("units") for name, array in self.data.variables.items()}
        return found

    def close(self) -> None:
        """Give back what was held open for lazy data."""
        self._close()


def wanted_kind(pipeline: Pipeline, name: str) -> str:
    """``telemetry`` or ``records``: what a pipeline works on, given the name of its data.

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
    path, _, series = name.partition("#")
    ending = Path(path).suffix.lower()
    if ending in (*ARRAY_FILES, *RECORD_FILES) or Path(path).is_file():
        return _file(name, Path(path), series, kind, start, end, fields)
    from workbench.catalog import open_catalog

    catalog = catalog if catalog is not None else open_catalog()
    window = (start or "", end or "") if start or end else None
    time = slice(start or None, end or None) if window else None
    if name in catalog:
        entry = catalog[name]
        if kind == "records":
            raise InputError("the entry gives telemetry, the steps work on records", where=name, found=entry.driver)
        data = entry.read(time=time)
        files = tuple(Path(str(one)) for one in data.attrs.get("files", ()))
        return Opened(name, "entry", data, files, str(data.attrs.get("snapshot", "")), window)
    site, _, series = name.partition("/")
    sites = {*catalog.portfolio.sites, *_stored_sites(catalog)}
    if site in sites and kind == "telemetry":
        from workbench.catalog import SiteView

        view = SiteView(site, catalog.portfolio, catalog.store)
        room, _, result = series.partition("/")
        if room == RESULTS:
            made = view.result(result)
            return Opened(name, "result", _within(made, start, end), (), "", window, made.close)
        data = view.telemetry(series or None, time=time)
        return Opened(name, "store", data, (), str(data.attrs.get("snapshot", "")), window)
    near = did_you_mean(name, [*catalog, *sites])
    raise InputError(
        "no such data",
        where="--input",
        found=name,
        expected=f"a file, an entry of the catalogs in {catalog.path.name}, or <site>/<asset_type>/<cadence> of the store",
        hint=near,
    )


def _stored_sites(catalog: Catalog) -> Collection[str]:
    return {path.name for path in catalog.store.iterdir() if path.is_dir()} if catalog.store.is_dir() else set()


def _file(
    name: str,
    path: Path,
    series: str,
    kind: str,
    start: str | None,
    end: str | None,
    fields: Collection[str] | None,
) -> Opened:
    if not path.exists():
        raise InputError("no such file", file=path)
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
        data, close = _messages(path, series)
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
    import xarray as xr

    try:
        engine: Any = "zarr" if path.suffix == ".zarr" else "h5netcdf"
        data = xr.open_dataset(path, engine=engine, chunks={}, mask_and_scale=None)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            "the file cannot be read", file=path, found=str(error).splitlines()[0], expected=f"a {path.suffix} file"
        ) from error
    if "time" not in data.dims:
        data.close()
        raise InputError(
            "the file holds no telemetry", file=path, found=", ".join(map(str, data.dims)), expected="a dimension time"
        )
    return data, data.close


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
    table = lazy.with_columns(moment(pl.col("time"), schema["time"]).alias("time"), pl.col("asset").cast(pl.String))
    frame = table.sort("time", maintain_order=True).collect()
    if frame["time"].null_count():
        line = int(frame.with_row_index()["index"].filter(frame["time"].is_null())[0]) + 2
        raise InputError("not a time", file=path, line=line, where="time", expected="ISO 8601")
    times, at = np.unique(frame["time"].to_numpy().astype("datetime64[ns]"), return_inverse=True)
    assets, column_ = np.unique(frame["asset"].to_numpy().astype(str), return_inverse=True)
    found = {}
    for column, dtype in schema.items():
        if column in ("time", "asset"):
            continue
        text = not (dtype.is_numeric() or dtype == pl.Boolean)
        values = np.full((len(times), len(assets)), "" if text else np.nan, dtype=object if text else np.float64)
        series = frame[column].cast(pl.String).fill_null("") if text else frame[column].cast(pl.Float64)
        values[at, column_] = series.to_numpy()
        found[column] = (("time", "asset"), values.astype(str) if text else values)
    return xr.Dataset(found, coords={"time": times, "asset": assets}, attrs=_parquet_attrs(path, found))


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


def _messages(path: Path, series: str) -> tuple[xr.Dataset, Callable[[], None]]:
    """Messages of devices: taken into a store of their own, and one of its series read whole."""
    from workbench.catalog import open_catalog
    from workbench.catalog.facts import SiteFacts
    from workbench.ingest import ingest
    from workbench.store import SiteStore

    portfolio = open_catalog().portfolio
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
