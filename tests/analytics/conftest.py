"""Data for the tests of the analyses: small made-up sets, and the real year of La Haute Borne."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.model.time import parse_period


def make(variables: dict[str, np.ndarray], *, start: str = "2015-01-01", step: str = "10min", **coords) -> xr.Dataset:
    """A Dataset (time, asset) with assets A, B, …"""
    first = np.asarray(next(iter(variables.values())))
    data = xr.Dataset(
        {name: (("time", "asset"), np.asarray(values, dtype=float)) for name, values in variables.items()},
        coords={
            "time": pd.date_range(start, periods=len(first), freq=step, unit="ns").to_numpy(),
            "asset": list("ABCDEFGH"[: first.shape[1]]),
        },
    )
    return data.assign_coords({name: ("asset", np.asarray(values)) for name, values in coords.items()})


@pytest.fixture(scope="session")
def dataset():
    return make


@pytest.fixture(scope="session")
def haute_borne_window():
    return parse_period("2015", "Europe/Paris")


@pytest.fixture(scope="session")
def haute_borne(test_data: Path, checkout: Path, require, haute_borne_window):
    """Turbines and meter of 2015, as the catalog reads them, flagged."""
    from workbench.catalog import open_catalog
    from workbench.transforms.quality import flag_quality

    require((test_data / "wind" / "la_haute_borne.zip").exists(), "la_haute_borne.zip is not among the test data")
    patch = pytest.MonkeyPatch()
    patch.setenv("WORKBENCH_TEST_DATA", str(test_data))
    try:
        catalog = open_catalog(checkout / "catalogs")
        span = slice(*haute_borne_window)
        return (
            flag_quality(catalog["la_haute_borne.scada"].open(time=span)),
            catalog["la_haute_borne.plant"].open(time=span),
        )
    finally:
        patch.undo()
