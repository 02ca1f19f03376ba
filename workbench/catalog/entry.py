"""An entry of a catalog: a source of data under a name."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from workbench.catalog.selection import as_slice, selection
from workbench.catalog.spec import EntrySpec, asset_names
from workbench.catalog.substitute import unnamed_folder
from workbench.model.errors import InputError, InputErrors
from workbench.model.samples import SeriesKey

if TYPE_CHECKING:
    import polars as pl
    import xarray as xr

    from workbench.catalog.catalog import Catalog
    from workbench.sources.base import Source
    from workbench.sources.readers import DatasetReader, Selection


class Entry:
    """One source of data: read it, ask what it is, see its newest values.

    Entries come from :func:`workbench.open_catalog`; they do nothing until asked.
    """

    def __init__(self, spec: EntrySpec, catalog: Catalog) -> None:
        self.spec = spec
        self.catalog = catalog

    @property
    def name(self) -> str:
        """``<site>.<entry>``."""
        return self.spec.name

    @property
    def site(self) -> str | None:
        """Site the entry belongs to."""
        return self.spec.site

    @property
    def driver(self) -> str:
        """Name of the driver."""
        return self.spec.driver

    @property
    def kind(self) -> str:
        """``live``, ``file`` or ``store``."""
        return self.spec.kind

    @property
    def description(self) -> str:
        """One sentence for people."""
        return str(self.spec.raw.get("description", ""))

    @property
    def series(self) -> SeriesKey | None:
        """The series its data belong to; None for a file without cadence."""
        asset_type, cadence = (getattr(self._config, key, None) for key in ("asset_type", "cadence"))
        return SeriesKey(asset_type, cadence) if asset_type and cadence else None

    @property
    def assets(self) -> tuple[str, ...]:
        """The assets the entry names; empty where only its data tell."""
        return tuple(asset_names(self._config))

    @property
    def _config(self) -> Any:
        self.require()
        return self.spec.config

    def __repr__(self) -> str:
        about = f": {self.description}" if self.description else ""
        return f"<Entry {self.name} ({self.driver}){about}>"

    def require(self) -> None:
        """Raise InputErrors with everything that is wrong with the entry."""
        if self.spec.errors:
            raise InputErrors(self.spec.errors)

    def read(
        self,
        *,
        time: Any = None,
        assets: str | Sequence[str] | None = None,
        variables: str | Sequence[str] | None = None,
        **unknown: Any,
    ) -> xr.Dataset:
        """The data of the entry: a file's contents, or what was collected from a live source.

        Parameters
        ----------
        time
            ``slice(start, end)``, half-open, UTC, or a period as text such as ``"2015-06"``. All if left out.
        assets, variables
            Names to read; all if left out.

        Returns
        -------
        xr.Dataset
            dims (time, asset), variables of the vocabulary with units; facts of the assets as coordinates.

        Raises
        ------
        InputError
            The entry is wrong, its file is missing, it has no such asset or variable, or there is no parameter
            of that name.
        """
        from workbench.catalog.bridge import PARAMETERS, check_parameters, entry_reader

        check_parameters(self.name, unknown, PARAMETERS)
        data: xr.Dataset = entry_reader(self).read(time=time, assets=assets, variables=variables)
        return data

    @property
    def gives_records(self) -> bool:
        """Whether it is of records, not of telemetry; see :meth:`records`."""
        return self.kind == "file" and not self.spec.errors and hasattr(self.reader(), "records")

    def records(self, *, fields: Collection[str] | None = None) -> pl.LazyFrame:
        """The records of an entry of the driver ``records``, lazy.

        Parameters
        ----------
        fields
            Those that are needed, dotted for nested ones; all by default.

        Raises
        ------
        InputError
            The entry gives telemetry, its file is missing or not of its form.
        """
        self.require()
        if not self.gives_records:
            raise InputError("the entry gives telemetry, not records", where=self.name, hint="entry.read()")
        found: pl.LazyFrame = self.reader().records(fields=fields)  # type: ignore[attr-defined]
        return found

    def open(self, *, time: Any = None, assets: Any = None, variables: Any = None) -> xr.Dataset:
        """What :meth:`read` gives, without Intake between."""
        chosen = selection(time, assets, variables)
        self.require()
        try:
            data = self.reader().read(chosen) if self.kind == "file" else self._collected(chosen)
        except InputError as error:
            raise self._placed(error) from error.__cause__
        about = {"site": self.site, "licence": self.spec.raw.get("licence")}
        about |= {key: getattr(self._config, key, None) for key in ("asset_type", "cadence")}
        data = data.assign_attrs(entry=self.name, **{key: str(value) for key, value in about.items() if value})
        return self._with_facts(data)

    def _with_facts(self, data: xr.Dataset) -> xr.Dataset:
        """``data`` with what portfolio and messages say of its assets."""
        from workbench.catalog.facts import SiteFacts

        facts = SiteFacts(self.catalog.store / self.site) if self.site and self.kind != "file" else SiteFacts()
        return facts.annotate(data, self.catalog.portfolio)

    def _collected(self, chosen: Selection) -> xr.Dataset:
        """What the site's store has of the entry."""
        from workbench.catalog.live import nothing_collected

        site = self.catalog.site(str(self.site))
        info = next((info for info in site.series() if info.key == self.series), None) if site.exists() else None
        if info is None:
            raise nothing_collected(self)
        # of the entry's own assets those that have reported yet; a series may hold those of other entries too
        there = set(info.assets)
        mine = tuple(name for name in self.assets if name in there) or None
        return site.open(
            info.key,
            time=as_slice(chosen),
            assets=chosen.assets if chosen.assets is not None else mine,
            variables=chosen.variables,
        )

    def live(self, *, direct: bool = False, **unknown: Any) -> xr.Dataset:
        """The newest value of each variable and asset with its time.

        Parameters
        ----------
        direct
            Ask the devices themselves, now, instead of the store.

        Returns
        -------
        xr.Dataset
            dim (asset); beside each variable ``<variable>_time``, the source time of its value.

        Raises
        ------
        InputError
            The entry has nothing live.
        SourceError
            ``direct``, and no device answers.
        """
        from workbench.catalog.bridge import check_parameters
        from workbench.catalog.live import newest, newest_direct

        check_parameters(self.name, unknown, ("direct",))
        self.require()
        if self.kind == "file":
            raise InputError(f"{self.name} is read from files; it has no live values", hint="read() gives its contents")
        if direct and self.kind != "live":
            raise InputError(f"{self.name} shows the store; there is no device to ask", hint="leave direct out")
        data = newest_direct(self.source()) if direct else newest(self)
        return self._with_facts(data)

    def describe(self) -> dict[str, Any]:
        """What the entry is, where its data come from, and what is in it.

        Keys: ``name, description, driver, kind, site, asset_type, cadence, where, assets, variables``
        (variable to unit), ``span`` (first and last time, where known), ``licence``.
        """
        from workbench.catalog.describe import describe

        return describe(self)

    def problems(self) -> list[InputError]:
        """Everything that is wrong with the entry, missing files included."""
        found = list(self.spec.errors)
        if not found and self.kind == "file":
            found += map(self._placed, self.reader().problems())
        return found

    def _placed(self, error: InputError) -> InputError:
        """``error`` with its place in the catalog, where a key of the entry is to blame."""
        keys = tuple((error.where or "").removeprefix(self.name).strip(".").split("."))
        if error.file is not None or not (keys[0] in self.spec.raw or error.where == self.name):
            return error
        hint = error.hint
        for name, rest in filter(None, map(unnamed_folder, self._paths())):
            hint = f"{hint}, or set {name} to the folder that has {rest}"
        return self.spec.error(
            error.message, *filter(None, keys), found=error.found, expected=error.expected, hint=hint
        )

    def _paths(self) -> list[str]:
        """The paths of a file entry, as written."""
        paths = self.spec.raw.get("path", [])
        return [str(path) for path in (paths if isinstance(paths, list) else [paths])]

    def reader(self) -> DatasetReader:
        """The reader of a file entry."""
        from workbench.sources import readers

        return readers.reader(self.driver)(self.name, self._config, self.spec.folder)

    def source(self) -> Source:
        """The source of a live entry, for the collector."""
        from workbench.sources import registry

        if self.kind != "live":
            self.require()
            raise InputError(f"{self.name} is not a live source", found=f"driver {self.driver}")
        made: Source = registry.driver(self.driver).from_config(
            self.name, str(self.site), self._config, self.spec.tagmap
        )
        return made

    def to_reader(self) -> Any:
        """The entry as a reader of Intake 2."""
        from workbench.catalog.bridge import entry_reader

        return entry_reader(self)
