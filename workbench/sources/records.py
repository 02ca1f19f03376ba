"""The driver ``records``: a file of records, such as orders, customers or exchange rates."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from workbench.model.errors import InputError
from workbench.sources.readers import Contents, DatasetReader, Selection
from workbench.sources.recordfiles import READ, read_records

if TYPE_CHECKING:
    import polars as pl
    import xarray as xr


class RecordsConfig(BaseModel):
    """Keys of a file of records."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(description=f"the file, relative to the catalog file; one of {', '.join(READ)}", min_length=1)


class RecordsReader(DatasetReader):
    """Reads records, nested or not; they have no assets, and no cadence."""

    driver: ClassVar[str] = "records"
    Config: ClassVar[type[BaseModel]] = RecordsConfig
    in_portfolio: ClassVar[bool] = False

    def __init__(self, name: str, config: BaseModel, folder: Path) -> None:
        super().__init__(name, config, folder)
        assert isinstance(config, RecordsConfig)  # noqa: S101
        self.path = (folder / Path(config.path).expanduser()).resolve()

    def places(self) -> list[Path]:
        """The path of the entry, absolute."""
        return [self.path]

    def records(self, *, fields: Collection[str] | None = None) -> pl.LazyFrame:
        """The records, lazy; of their ``fields`` those that are needed, all by default.

        Raises
        ------
        InputError
            There is no such file, or it is not of its form.
        """
        return read_records(self.path, fields=fields)

    def read(self, selection: Selection) -> xr.Dataset:
        """Raise InputError: records are no Dataset."""
        raise InputError(
            "the entry gives records, not telemetry",
            where=self.name,
            hint="entry.records() gives them as a polars frame",
        )

    def contents(self) -> Contents:
        """Where the file is, and its fields."""
        fields = self.records().collect_schema() if self.path.is_file() else {}
        return Contents(where=(str(self.path),), variables=dict.fromkeys(fields, ""))

    def problems(self) -> list[InputError]:
        """A missing file, or one of another form."""
        if self.path.suffix.lower() not in READ:
            return [InputError("not a file of records", where="path", found=self.path, expected=", ".join(READ))]
        if not self.path.is_file():
            hint = "paths start from the folder of the catalog file"
            return [InputError("no such file", where="path", found=self.path, hint=hint)]
        return []
