"""Real records of solar plants, and a made-up one whose truth is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

GOLDEN = {"latitude": 39.7406, "longitude": -105.1775, "elevation": 1829.0}


def as_data(series: pd.Series, name: str = "total_ac_power", **coords: float) -> xr.Dataset:
    """A Dataset (time, asset) of one asset; times without a zone are taken as they are."""
    index = pd.DatetimeIndex(series.index)
    times = (index.tz_convert("UTC").tz_localize(None) if index.tz is not None else index).as_unit("ns")
    return xr.Dataset(
        {name: (("time", "asset"), series.to_numpy(dtype=float).copy()[:, None])},
        coords={"time": times.to_numpy(), "asset": ["A"], **{k: ("asset", [v]) for k, v in coords.items()}},
    )


@pytest.fixture(scope="session")
def as_dataset() -> Callable[..., xr.Dataset]:
    return as_data


@pytest.fixture(scope="session")
def pvanalytics(test_data: Path, require) -> Path:
    folder = test_data / "solar" / "pvanalytics"
    require(folder.is_dir(), "solar/pvanalytics is not among the test data")
    return folder


@pytest.fixture(scope="session")
def labelled(pvanalytics: Path) -> Callable[[str], tuple[xr.Dataset, np.ndarray]]:
    """Data and labels of a set of pvanalytics."""
    files = {
        "stale": ("ac_power_inv_2173_stale_data.csv", "stale_data_mask"),
        "interpolated": ("ac_power_inv_2173_interpolated_data.csv", "interpolated_data_mask"),
        "clipping": ("ac_power_inv_7539.csv", "label"),
        "outliers": ("ac_power_inv_7539_outliers.csv", "outlier"),
        "shift": ("pvlib_data_shift.csv", "label"),
    }

    def read(kind: str) -> tuple[xr.Dataset, np.ndarray]:
        name, column = files[kind]
        table = pd.read_csv(pvanalytics / name, index_col=0)
        table.index = pd.to_datetime(table.index, utc=True)
        values = table["value" if kind == "shift" else "value_normalized"]
        return as_data(values), table[column].astype(bool).to_numpy()

    return read


@pytest.fixture(scope="session")
def system_50(pvanalytics: Path) -> xr.Dataset:
    """PVDAQ system 50, Golden, stamps as they are: with daylight saving that its zone does not have."""
    table = pd.read_parquet(pvanalytics / "system_50_ac_power_2_full_DST.parquet")
    series = pd.Series(table["ac_power_2"].to_numpy(), index=pd.DatetimeIndex(table["measured_on"]))
    return as_data(series, **GOLDEN)


@pytest.fixture(scope="session")
def serf_east(pvanalytics: Path) -> xr.Dataset:
    """SERF East, Golden, tilt 45, azimuth 158 (example infer-orientation-fit-pvwatts of pvanalytics 0.2)."""
    table = pd.read_csv(pvanalytics / "serf_east_15min_ac_power.csv")
    series = pd.Series(table["ac_power"].to_numpy(), index=pd.to_datetime(table["measured_on"], utc=True))
    return as_data(series, **GOLDEN)


@pytest.fixture(scope="session")
def plant() -> Callable[..., xr.Dataset]:
    """A plant at Golden: power [kW] under broken clouds."""

    def make(
        days: int = 60,
        *,
        slot: str = "15min",
        tilt: float = 25.0,
        azimuth: float = 180.0,
        seed: int = 1,
        limit: float = 1e9,
    ) -> xr.Dataset:
        import pvlib

        rng = np.random.default_rng(seed)
        length = pd.Timedelta(slot)
        times = pd.date_range("2020-03-01", periods=round(pd.Timedelta(days=days) / length), freq=slot, tz="UTC")
        place = pvlib.location.Location(GOLDEN["latitude"], GOLDEN["longitude"], altitude=GOLDEN["elevation"])
        middle = times + length / 2
        sun, sky = place.get_solarposition(middle), place.get_clearsky(middle, model="ineichen", linke_turbidity=3)
        plane = pvlib.irradiance.get_total_irradiance(
            tilt, azimuth, sun["apparent_zenith"], sun["azimuth"], sky["dni"], sky["ghi"], sky["dhi"]
        )["poa_global"].to_numpy()
        per_day = round(pd.Timedelta(days=1) / length)
        clear = np.repeat(rng.random(days) < 0.4, per_day)
        clouds = np.where(clear, 1.0, rng.uniform(0.2, 1.0, len(times))) * (1 + 1e-3 * rng.normal(size=len(times)))
        air = 10 + 12 * np.sin(2 * np.pi * (times.day_of_year.to_numpy() - 110) / 365)
        power = plane * clouds * (1 - 0.004 * (air + 0.03 * plane * clouds - 25)) / 10
        return as_data(pd.Series(np.minimum(power, limit), index=times), **GOLDEN)

    return make


def scores(found: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Precision and recall."""
    hits = float((np.ravel(found) & truth).sum())
    return hits / max(float(np.sum(found)), 1.0), hits / float(truth.sum())


@pytest.fixture(scope="session")
def score() -> Callable[[np.ndarray, np.ndarray], tuple[float, float]]:
    return scores
