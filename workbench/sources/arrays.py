"""Arrays in files: NetCDF and Zarr, opened lazily, their variables mapped to the vocabulary."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import BaseModel, Field

from workbench.model.errors import InputError
from workbench.model.quality import is_quality, quality_attrs, quality_name
from workbench.sources.file_config import Column, FileConfig, short, unknown_variables
from workbench.sources.files import FileReader, check_columns
from workbench.sources.readers import Contents, Selection, wanted

if TYPE_CHECKING:
    import xarray as xr


class ArrayConfig(FileConfig):
    """Keys of a NetCDF or Zarr entry."""

    group: str | None = Field(None, description="group inside the file")
    time: str = Field("time", description="name of the time coordinate")
    asset: str = Field("asset", description="name of the asset coordinate")
    asset_id: str | None = Field(
        None, description="the asset, where the file holds one only and has no such coordinate"
    )
    names: dict[str, str] = Field(default_factory=dict, description="asset in the file to asset id")
    columns: dict[str, Annotated[Column, short("variable")]] = Field(
        default_factory=dict, description="variable in the file to the vocabulary; all as they are if left out"
    )


class ArrayReader(FileReader):
    """Opens gridded files; values stay on disk until they are asked for."""

    engine: ClassVar[str]
    options: ClassVar[dict[str, Any]] = {}  #: of the engine
    Config: ClassVar[type[BaseModel]] = ArrayConfig
    config: ArrayConfig

    def __init__(self, name: str, config: BaseModel, folder: Path) -> None:
        super().__init__(name, config, folder)
        assert isinstance(config, ArrayConfig)  # noqa: S101
        self.config = config

    def problems(self) -> list[InputError]:
        """Missing files, and variables that are not in the vocabulary."""
        return super().problems() + unknown_variables(self.config.columns)

    def contents(self) -> Contents:
        """Files, variables with units, and assets, as the files say."""
        config, found = self.config, self.find()
        where = tuple(map(str, found or self.places()))
        if not found:
            units = {column.variable: column.units or "" for column in config.columns.values()}
            return Contents(where, units, (), config.cadence, config.asset_type)
        with self._open(found) as data:
            units = {
                str(name): str(array.attrs.get("units", ""))
                for name, array in data.data_vars.items()
                if not is_quality(str(name))
            }
            return Contents(where, units, tuple(data["asset"].values), config.cadence, config.asset_type)

    def read(self, selection: Selection) -> xr.Dataset:
        """The selected part as a lazy Dataset with dims (time, asset)."""
        for problem in unknown_variables(self.config.columns):
            raise problem
        data = self._open(self.files())
        present = [str(name) for name in data.data_vars if not is_quality(str(name))]
        names = wanted(present, selection.variables, "variable", self.name)
        names += [quality_name(name) for name in names if quality_name(name) in data]
        data = data[names]
        if selection.assets is not None:
            data = data.sel(asset=wanted(list(data["asset"].values), selection.assets, "asset", self.name))
        times = data["time"].values.astype("datetime64[ns]").view("int64")
        inside = np.ones(len(times), bool)
        if selection.start is not None:
            inside &= times >= selection.start
        if selection.end is not None:
            inside &= times < selection.end
        return data if inside.all() else data.isel(time=np.flatnonzero(inside))

    def _open(self, paths: list[Path]) -> xr.Dataset:
        """All of the files as one Dataset, in our names and units, time ascending."""
        import xarray as xr

        parts = [self._one(path) for path in paths]
        data = parts[0] if len(parts) == 1 else xr.combine_by_coords(parts, combine_attrs="drop_conflicts")
        assert isinstance(data, xr.Dataset)  # noqa: S101  # combine_by_coords gives arrays only for arrays
        if not data.indexes["time"].is_monotonic_increasing:
            data = data.sortby("time")
        if not data.indexes["time"].is_unique:
            raise InputError("a time stamp occurs twice", file=paths[0], where=self.name)
        return data

    def _one(self, path: Path) -> xr.Dataset:
        import xarray as xr

        config = self.config
        try:
            data = xr.open_dataset(path, engine=self.engine, group=config.group, chunks={}, **self.options)
        except (OSError, ValueError, KeyError) as error:
            raise InputError(
                f"cannot open the {self.driver} file", file=path, where=self.name, found=str(error).splitlines()[0]
            ) from error
        check_columns([*map(str, data.coords), *map(str, data.dims)], {config.time: None}, path, self.name)
        if config.asset_id is not None:
            data = data.expand_dims({config.asset: [config.asset_id]})
        check_columns([*map(str, data.coords), *map(str, data.dims)], {config.asset: None}, path, self.name)
        dims = {theirs: ours for theirs, ours in ((config.time, "time"), (config.asset, "asset")) if theirs != ours}
        data = data.rename(dims)
        ours = [config.names.get(str(name), str(name)) for name in data["asset"].values]
        data = data.assign_coords(asset=np.asarray(ours, dtype=object))
        if config.columns:
            check_columns([str(name) for name in data.data_vars], config.columns, path, self.name)
            data = xr.Dataset(
                {
                    name: array
                    for theirs, column in config.columns.items()
                    for name, array in self._converted(data, theirs, column).items()
                },
                attrs=data.attrs,
            )
        return data.transpose("time", "asset", ...)

    def _converted(self, data: xr.Dataset, theirs: str, column: Column) -> dict[str, xr.DataArray]:
        """``theirs`` in the vocabulary's name and unit, with its quality where the file has one."""
        from workbench.model.units import convert
        from workbench.model.vocabulary import vocabulary

        attrs = vocabulary().attrs(column.variable, self.config.asset_type)
        array = (
            data[theirs] * column.scale + column.offset if (column.scale, column.offset) != (1.0, 0.0) else data[theirs]
        )
        unit = column.units or str(data[theirs].attrs.get("units", ""))
        target = unit if column.own else str(attrs.get("units", ""))
        if unit and unit != target:
            array = convert(array, unit, target)
        attrs["units"] = target
        if column.long_name:
            attrs["long_name"] = column.long_name
        found = {column.variable: array.assign_attrs(attrs)}
        if quality_name(theirs) in data:
            found[quality_name(column.variable)] = data[quality_name(theirs)].assign_attrs(
                quality_attrs(column.variable)
            )
        return found


class NetcdfReader(ArrayReader):
    """NetCDF 4 through h5netcdf."""

    driver: ClassVar[str] = "netcdf"
    engine: ClassVar[str] = "h5netcdf"


class ZarrReader(ArrayReader):
    """Zarr, a folder or a zip store."""

    driver: ClassVar[str] = "zarr"
    engine: ClassVar[str] = "zarr"
    options: ClassVar[dict[str, Any]] = {"consolidated": False}
