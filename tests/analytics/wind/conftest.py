"""La Haute Borne as the example of OpenOA prepares it, and as the catalog reads it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import xarray as xr

COLUMNS = {"P_avg": "power_output", "Ws_avg": "wind_speed", "Wa_avg": "wind_direction"}


def _unchanged(values: np.ndarray) -> np.ndarray:
    """Values that stand three or more times in a row."""
    same = np.concatenate([[False], values[1:] == values[:-1]])
    third = same & np.concatenate([[False], same[:-1]])
    return third | np.append(third[1:], False) | np.append(third[2:], [False, False])


@pytest.fixture(scope="session")
def archive(test_data: Path, require) -> zipfile.ZipFile:
    path = test_data / "wind" / "la_haute_borne.zip"
    require(path.exists(), "la_haute_borne.zip is not among the test data")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="session")
def example_scada(archive: zipfile.ZipFile) -> xr.Dataset:
    """Turbines as examples/project_ENGIE.py of OpenOA 3.2 prepares them: dims (time, asset), 64 bits.

    Of rows with the same time stamp the first is kept (the catalog keeps the last and flags them), rows with a
    temperature outside -15..45 degC are dropped, and where the vane does not move for three rows all is missing.
    """
    table = pl.read_csv(
        archive.read("la-haute-borne-data-2014-2015.csv"),
        columns=["Wind_turbine_name", "Date_time", "Ot_avg", "Va_avg", *COLUMNS],
    ).with_columns(time=pl.col("Date_time").str.to_datetime("%Y-%m-%dT%H:%M:%S%:z", time_zone="UTC"))
    table = table.unique(["Wind_turbine_name", "time"], keep="first", maintain_order=True)
    table = table.filter(pl.col("Ot_avg").is_between(-15, 45)).sort("Wind_turbine_name", "time")
    times = pd.date_range("2014-01-01", "2016-01-01", freq="10min", inclusive="left", unit="ns").to_numpy()
    names = table["Wind_turbine_name"].unique().sort().to_list()
    cube = {name: np.full((len(times), len(names)), np.nan) for name in COLUMNS.values()}
    for column, turbine in enumerate(names):
        rows = table.filter(pl.col("Wind_turbine_name") == turbine)
        moves = ~_unchanged(rows["Va_avg"].to_numpy())
        where = np.searchsorted(times, rows["time"].dt.replace_time_zone(None).to_numpy().astype("datetime64[ns]"))
        for source, name in COLUMNS.items():
            cube[name][where, column] = np.where(moves, rows[source].cast(pl.Float64).to_numpy(), np.nan)
    return xr.Dataset(
        {name: (("time", "asset"), values) for name, values in cube.items()},
        coords={"time": times, "asset": names, "rated_capacity": ("asset", np.full(len(names), 2050.0))},
    )


@pytest.fixture(scope="session")
def example_plant(archive: zipfile.ZipFile) -> xr.Dataset:
    """Meter and losses of the plant: dims (time, asset), [kWh], 64 bits."""
    table = pl.read_csv(archive.read("plant_data.csv"))
    times = table["time_utc"].str.slice(0, 19).str.to_datetime().to_numpy().astype("datetime64[ns]")
    names = {
        "net_energy_kwh": "net_energy",
        "availability_kwh": "availability_loss",
        "curtailment_kwh": "curtailment_loss",
    }
    return xr.Dataset(
        {name: (("time", "asset"), table[source].to_numpy()[:, None]) for source, name in names.items()},
        coords={"time": times, "asset": ["LHB-GRID"], "rated_capacity": ("asset", [8200.0])},
    )


@pytest.fixture(scope="session")
def reanalyses(test_data: Path, checkout: Path, archive: zipfile.ZipFile) -> dict[str, xr.Dataset]:
    """The two reanalyses, as the catalog reads them."""
    from workbench.catalog import open_catalog

    assert archive.filename
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_TEST_DATA", str(test_data))
        catalog = open_catalog(checkout / "catalogs")
        names = ["wind_speed", "wind_u", "wind_v", "temperature", "barometric_pressure"]
        return {name: catalog[f"la_haute_borne.{name}"].read(variables=names).load() for name in ("merra2", "era5")}


@pytest.fixture(scope="session")
def two_years(test_data: Path, checkout: Path, archive: zipfile.ZipFile) -> xr.Dataset:
    """The turbines, 2014 and 2015, as the catalog reads them."""
    from workbench.catalog import open_catalog

    assert archive.filename
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_TEST_DATA", str(test_data))
        return open_catalog(checkout / "catalogs")["la_haute_borne.scada"].read().load()


@pytest.fixture(scope="session")
def example_turbines(example_scada: xr.Dataset) -> xr.Dataset:
    """Those turbines where they stand, until the sensor of R80711 was turned; coordinates of the asset table."""
    facts = {"latitude": [48.4569, 48.4497, 48.4461, 48.4536], "longitude": [5.5847, 5.5869, 5.5925, 5.5875]}
    facts |= {"rotor_diameter": [82.0] * 4, "hub_height": [80.0] * 4}
    placed = example_scada.assign_coords({name: ("asset", values) for name, values in facts.items()})
    return placed.sel(time=slice(None, "2015-11-25T00:00"))


@pytest.fixture(scope="session")
def speed_ups(test_data: Path) -> pd.DataFrame:
    """Example of OpenOA: wind speed at each turbine of La Haute Borne in proportion to the mean."""
    return pd.read_csv(test_data / "wind" / "la_haute_borne_ws_speedup_factors.csv", index_col="wd")


@pytest.fixture(scope="session")
def made_farm():
    """A farm of four turbines and 300 days in next to flat terrain, whose wake losses are known."""
    from benchmarks._wake_farm import made_farm

    return made_farm(3, turbines=4, days=300, years=2, terrain=0.003)


@pytest.fixture(scope="session")
def example_vanes(archive: zipfile.ZipFile) -> xr.Dataset:
    """Vane and pitch as well, prepared as the example of OpenOA does; see ``example_scada``."""
    names = {
        "P_avg": "power_output",
        "Ws_avg": "wind_speed",
        "Va_avg": "yaw_error",
        "Ba_avg": "blade_pitch_angle",
        "Ya_avg": "nacelle_position",
    }
    table = pl.read_csv(
        archive.read("la-haute-borne-data-2014-2015.csv"),
        columns=["Wind_turbine_name", "Date_time", "Ot_avg", *names],
        schema_overrides=dict.fromkeys(names, pl.Float64),
    ).with_columns(time=pl.col("Date_time").str.to_datetime("%Y-%m-%dT%H:%M:%S%:z", time_zone="UTC"))
    table = table.unique(["Wind_turbine_name", "time"], keep="first", maintain_order=True)
    table = table.filter(pl.col("Ot_avg").is_between(-15, 45)).sort("Wind_turbine_name", "time")
    times = pd.date_range("2014-01-01", "2016-01-01", freq="10min", inclusive="left", unit="ns").to_numpy()
    turbines = table["Wind_turbine_name"].unique().sort().to_list()
    cube = {name: np.full((len(times), len(turbines)), np.nan) for name in names.values()}
    for column, turbine in enumerate(turbines):
        rows = table.filter(pl.col("Wind_turbine_name") == turbine)
        vane = rows["Va_avg"].to_numpy()
        third = np.concatenate([[False, False], (vane[2:] == vane[1:-1]) & (vane[1:-1] == vane[:-2])])
        stuck = third | np.append(third[1:], False) | np.append(third[2:], [False, False])
        where = np.searchsorted(times, rows["time"].dt.replace_time_zone(None).to_numpy().astype("datetime64[ns]"))
        for source, name in names.items():
            cube[name][where, column] = np.where(stuck, np.nan, rows[source].to_numpy())
    return xr.Dataset(
        {name: (("time", "asset"), values) for name, values in cube.items()},
        coords={"time": times, "asset": turbines, "rated_capacity": ("asset", np.full(len(turbines), 2050.0))},
    )
