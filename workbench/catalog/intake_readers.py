"""The data types and readers that Intake knows our catalogs by; found through the entry point ``intake.imports``.

Import it by way of ``workbench.catalog.bridge``: Intake imports this module while it is imported itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from intake.readers.datatypes import BaseData
from intake.readers.readers import BaseReader

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from workbench.catalog.entry import Entry


class WorkbenchEntry(BaseData):  # type: ignore[misc]
    """An entry of a Workbench catalog, by the path of the catalog and its name."""

    structure = {"nested", "array"}  # noqa: RUF012  # as Intake declares it

    def __init__(self, catalog: str, entry: str, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(metadata=metadata)
        self.catalog = catalog
        self.entry = entry
        self._bound: Entry | None = None  # Intake leaves names with an underscore out of what it writes

    def open(self) -> Entry:
        """The entry itself."""
        if self._bound is None:
            from workbench.catalog import open_catalog

            self._bound = open_catalog(self.catalog)[self.entry]
        return self._bound


class WorkbenchCatalog(BaseData):  # type: ignore[misc]
    """A folder of Workbench catalogs, or one file of them."""

    structure = {"catalog"}  # noqa: RUF012

    def __init__(self, path: str, metadata: dict[str, Any] | None = None) -> None:
        super().__init__(metadata=metadata)
        self.path = path


class EntryReader(BaseReader):  # type: ignore[misc]
    """Reads an entry as a Dataset with dims (time, asset), or records as a table of pandas."""

    imports = {"xarray"}  # noqa: RUF012
    implements = {WorkbenchEntry}  # noqa: RUF012
    func = "workbench.catalog.bridge:read_entry"
    output_instance = "xarray:Dataset"

    def _read(self, data: WorkbenchEntry, **parameters: Any) -> xr.Dataset | pd.DataFrame:
        from workbench.catalog.bridge import read_entry

        return read_entry(data, **parameters)

    def discover(self, **parameters: Any) -> dict[str, Any]:
        """What is in the entry, without reading its values."""
        from workbench.catalog.bridge import check_parameters

        check_parameters(self.data.entry, parameters, ())
        return dict(self.data.open().describe())


class CatalogReader(BaseReader):  # type: ignore[misc]
    """Reads Workbench catalogs as an Intake catalog."""

    implements = {WorkbenchCatalog}  # noqa: RUF012
    func = "workbench.catalog.bridge:read_catalog"
    output_instance = "intake.readers.entry:Catalog"

    def _read(self, data: WorkbenchCatalog) -> Any:
        from workbench.catalog.bridge import read_catalog

        return read_catalog(data)
