"""Where the result of a pipeline goes: a file, an entry of the catalogs, a series of the store. Whole, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.model import wholefile
from workbench.model.errors import InputError, did_you_mean
from workbench.pipelines.inputs import known_sites
from workbench.sources.recordfiles import check_record_goal, write_records
from workbench.store.results import RESULTS, result_folder

if TYPE_CHECKING:
    import polars as pl
    import xarray as xr

    from workbench.catalog import Catalog
    from workbench.catalog.entry import Entry


@dataclass(frozen=True)
class Goal:
    """Where a result goes; checked before anything runs."""

    name: str
    file: Path | None = None
    series: tuple[Path, str, str] | None = None  #: root of the store, site, series
    folder: Path | None = None  #: of a result that is kept up to date day by day
    overwrite: bool = False

    def aside(self) -> Path | None:
        """The file for records that a check did not let pass."""
        return None if self.file is None else self.file.with_name(f"{self.file.stem}.rejected{self.file.suffix}")


def open_goal(name: str, kind: str, *, overwrite: bool = False, catalog: Catalog | None = None) -> Goal:
    """What ``name`` stands for.

    A file by its ending; ``<site>.<entry>`` (the one file it reads, which is replaced); ``<site>/<asset_type>/<cadence>``
    of the store; or ``<site>/results/<name>``, a result that is kept up to date day by day.

    Parameters
    ----------
    kind
        ``telemetry`` or ``records``.

    Raises
    ------
    InputError
        It cannot be written there; nothing was done.
    """
    from workbench.catalog import open_catalog

    catalog = catalog if catalog is not None else open_catalog()
    if name in catalog:
        return _file_goal(name, entry_file(catalog[name]), kind, overwrite=True)
    if Path(name).suffix and not Path(name).is_dir():
        return _file_goal(name, Path(name), kind, overwrite=overwrite)
    site, _, series = name.partition("/")
    sites = known_sites(catalog)
    if series and not Path(name).suffix and not Path(site).is_dir() and site not in sites:
        raise InputError("no such site", where="--output", found=site, hint=did_you_mean(site, sites))
    if series and kind == "records" and site in sites:
        raise InputError("records go to a file, the store holds telemetry", where="--output", found=name)
    if series and site in sites:
        room, _, result = series.partition("/")
        if room == RESULTS:
            return Goal(name, folder=result_folder(catalog.store, site, result))
        from workbench.store.grid import series_key

        return Goal(name, series=(catalog.store, site, str(series_key(series))))
    return _file_goal(name, Path(name), kind, overwrite=overwrite)


def entry_file(entry: Entry) -> Path:
    """The one file that an entry reads; an InputError where it reads several, or none."""
    places: list[Path] = getattr(entry.reader(), "places", list)() if entry.kind == "file" else []
    if len(places) != 1 or any(sign in str(places[0]) for sign in "*?["):
        raise InputError(
            "nothing can be written to this entry",
            where=entry.name,
            found=", ".join(map(str, places)) or entry.kind,
            expected="an entry that reads one file",
        )
    return Path(places[0])


def _file_goal(name: str, path: Path, kind: str, *, overwrite: bool) -> Goal:
    goal = Goal(name, path, overwrite=overwrite)
    if kind == "records":
        check_record_goal(path, overwrite=overwrite)
        aside = goal.aside()
        if aside is not None:
            check_record_goal(aside, overwrite=overwrite)
    else:
        from workbench.catalog.export import check_goal

        check_goal(path, overwrite=overwrite)
    return goal


def write_telemetry(data: xr.Dataset, goal: Goal) -> dict[str, Any]:
    """Write telemetry; returns the counts.

    Raises
    ------
    InputError
        It cannot be written, or the store cannot hold it.
    """
    counts = {"variables": len(data.data_vars), **{str(dim): size for dim, size in data.sizes.items()}}
    if goal.file is not None:
        from workbench.catalog.export import write

        write(data, goal.file, overwrite=goal.overwrite)
        return counts
    from workbench.store import SiteStore

    assert goal.series is not None  # noqa: S101
    root, site, series = goal.series
    texts = [str(name) for name, array in data.data_vars.items() if array.dtype.kind not in "fiub"]
    if texts:
        raise InputError(
            "the store holds numbers only",
            where=goal.name,
            found=", ".join(texts),
            hint="write to a file, which keeps texts as well: .nc, .zarr or .parquet",
        )
    store = SiteStore(root, site)
    try:
        report = store.import_dataset(series, data)
    finally:
        store.close()
    return counts | {"values": report.values}


def write_split(good: pl.DataFrame, bad: pl.DataFrame, goal: Goal) -> Mapping[str, Any]:
    """Write records, and those kept aside beside them; returns the counts."""
    aside = goal.aside()
    if goal.file is None or aside is None:
        raise InputError("records go to a file", where="--output", found=goal.name)
    check_record_goal(goal.file, overwrite=goal.overwrite)
    # Neither file is there, or gone, before the other is written whole.
    with wholefile.whole(goal.file) as part:
        write_records(good, part)
        if bad.height:
            write_records(bad, aside, overwrite=goal.overwrite)
        elif goal.overwrite:
            aside.unlink(missing_ok=True)
    return {"records": good.height, "kept_aside": bad.height}
