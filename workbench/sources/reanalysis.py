"""Reanalysis (ERA5, MERRA-2, …) as a table: wind from its components, air density from pressure and temperature.

A reanalysis gives the wind as eastward and northward components ``u`` and ``v``. The meteorological wind
direction is where the wind comes *from*: ``(270 − atan2(v, u)·180/π) mod 360``. Dry air density is
``ρ = p / (R_d · T)`` with R_d = 287.05 J/(kg K) (IEC 61400-12-1:2022, equation 1, without its humidity term).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import BaseModel, Field

from workbench.sources.file_config import Column, CsvConfig
from workbench.sources.files import CsvReader, ParquetReader, TableReader
from workbench.sources.grid import Table

if TYPE_CHECKING:
    import polars as pl

GAS_CONSTANT_DRY_AIR = 287.05  #: J/(kg K)
_DERIVED = {
    "wind_speed": ("wind_u", "wind_v"),
    "wind_direction": ("wind_u", "wind_v"),
    "air_density": ("temperature", "barometric_pressure"),
}


class ReanalysisConfig(CsvConfig):
    """Keys of a reanalysis entry: those of a table, and the height of its wind."""

    height: float | None = Field(None, gt=0, description="height of the wind above ground [m]")


class ReanalysisReader(TableReader):
    """Reads CSV or Parquet and adds ``wind_speed``, ``wind_direction`` and ``air_density``.

    They are made from ``wind_u``, ``wind_v``, ``temperature`` and ``barometric_pressure``, where the mapping
    gives those; a variable that the mapping gives itself is taken from the file.
    """

    driver: ClassVar[str] = "reanalysis"
    Config: ClassVar[type[BaseModel]] = ReanalysisConfig
    in_portfolio: ClassVar[bool] = False

    def __init__(self, name: str, config: BaseModel, folder: Path) -> None:
        super().__init__(name, config, folder)
        assert isinstance(config, ReanalysisConfig)  # noqa: S101
        self.height = config.height
        parquet = bool(self.places()) and all(path.suffix == ".parquet" for path in self.places())
        self._table = (ParquetReader if parquet else CsvReader)(name, config, folder)

    @property
    def typed_time(self) -> bool:  # type: ignore[override]
        """Whether the file says of what type its times are."""
        return self._table.typed_time

    def scan(self, path: Path, columns: Mapping[str, pl.DataType | type[pl.DataType] | None]) -> pl.LazyFrame:
        """``columns`` of the file at ``path``."""
        return self._table.scan(path, columns)

    def place(self, row: int, column: str) -> dict[str, Any]:
        """Where a row stands, as arguments of InputError."""
        return self._table.place(row, column)

    def outcome(self, columns: Mapping[str, Column]) -> dict[str, Column]:
        """The mapped variables and those that can be derived."""
        given = {column.variable: column for column in columns.values()}
        suffix = f" at {self.height:g} m" if self.height else ""
        for name, parts in _DERIVED.items():
            if name not in given and all(part in given for part in parts):
                long_name = name.replace("_", " ") + (suffix if name.startswith("wind") else "")
                given[name] = Column(variable=name, long_name=long_name)
        return given

    def needs(self, variable: str, names: list[str]) -> bool:
        """Whether ``variable`` is asked for, or needed to derive what is."""
        given = {column.variable for column in self.config.columns.values()}
        return variable in names or any(
            name in names and name not in given and variable in parts for name, parts in _DERIVED.items()
        )

    def derive(self, table: Table, names: list[str]) -> Table:
        """The table with wind speed, direction and air density made from their parts."""
        columns = dict(table.columns)
        with np.errstate(invalid="ignore", divide="ignore"):
            for name in names:
                if name in columns:
                    continue
                if name == "wind_speed":
                    columns[name] = np.hypot(columns["wind_u"], columns["wind_v"]).astype("f4")
                elif name == "wind_direction":
                    angle = 270.0 - np.degrees(np.arctan2(columns["wind_v"], columns["wind_u"]))
                    columns[name] = np.mod(angle, 360.0).astype("f4")
                elif name == "air_density":
                    # vocabulary units: hPa and degC
                    kelvin = columns["temperature"].astype("f8") + 273.15
                    pascal = columns["barometric_pressure"].astype("f8") * 100.0
                    columns[name] = (pascal / (GAS_CONSTANT_DRY_AIR * kelvin)).astype("f4")
        return Table(table.time, table.asset, table.assets, {name: columns[name] for name in names}, table.quality)
