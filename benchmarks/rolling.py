"""Rolling statistics: 8 statistics × 1 h, 24 h, 7 d × 50 turbines × a year of ten minutes × 3 fields.

189 million outputs, some values missing. The rivals do the same windows, pandas by its rolling windows, polars by its
rolling groups as its manual says, the latter over a tenth of the turbines, which is said in the note and taken into
account. Then one new row at a time, as it comes live: 50 turbines × 24 features.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pandas as pd
import polars as pl
import xarray as xr

from benchmarks.figures import Cost, Figure

SCALE = float(os.environ.get("SCALE_OF_LOAD", "1"))
ROWS, ASSETS, FIELDS = max(2_000, round(52_560 * SCALE)), 50, 3
WINDOWS = {"PT1H": "1h", "PT24H": "24h", "P7D": "168h"}
STATISTICS = ("mean", "max", "min", "stddev", "trend", "rms", "kurtosis", "peak_to_peak")


def dataset(assets: int) -> xr.Dataset:
    rng = np.random.default_rng(1)
    times = pd.date_range("2025-01-01", periods=ROWS, freq="10min")
    found = {}
    for number in range(FIELDS):
        values = 60 + np.cumsum(rng.normal(0, 0.1, (ROWS, assets)), axis=0) + rng.normal(0, 1, (ROWS, assets))
        values[rng.random(values.shape) < 0.01] = np.nan
        found[f"field_{number}"] = (("time", "asset"), values)
    return xr.Dataset(found, coords={"time": times, "asset": [f"T{i:02d}" for i in range(assets)]})


def by_polars(data: xr.Dataset) -> list[pl.DataFrame]:
    frame = pl.from_pandas(data.to_dataframe().reset_index()).sort("asset", "time").fill_nan(None)
    hours = (pl.col("time") - pl.col("time").first()).dt.total_seconds() / 3600
    made = []
    for window in WINDOWS.values():
        wanted = []
        for number in range(FIELDS):
            x = pl.col(f"field_{number}")
            t = hours.filter(x.is_not_null())
            y = x.drop_nulls()
            wanted += [
                x.mean().alias(f"{number}_mean"), x.max().alias(f"{number}_max"), x.min().alias(f"{number}_min"),
                x.std().alias(f"{number}_stddev"), (pl.cov(t, y) / t.var()).alias(f"{number}_trend"),
                (x * x).mean().sqrt().alias(f"{number}_rms"), x.kurtosis(fisher=False).alias(f"{number}_kurtosis"),
                (x.max() - x.min()).alias(f"{number}_peak_to_peak"),
            ]  # fmt: skip
        made.append(frame.rolling("time", period=window, group_by="asset").agg(wanted))
    return made


def by_pandas(data: xr.Dataset) -> list[pd.DataFrame]:
    made = []
    hours = pd.Series((data["time"].values - data["time"].values[0]) / np.timedelta64(1, "h"), data["time"].values)
    for window in WINDOWS.values():
        for number in range(FIELDS):
            frame = data[f"field_{number}"].to_pandas()
            rolling = frame.rolling(window)
            t = frame.notna().mul(hours, axis=0).where(frame.notna())
            slope = (frame * t).rolling(window).mean() - rolling.mean() * t.rolling(window).mean()
            spread = (t * t).rolling(window).mean() - t.rolling(window).mean() ** 2
            most, least = rolling.max(), rolling.min()
            made += [
                rolling.mean(),
                most,
                least,
                rolling.std(),
                slope / spread,
                (frame**2).rolling(window).mean() ** 0.5,
            ]
            made += [rolling.kurt(), most - least]
    return made


def figures() -> Iterator[Figure]:
    from workbench.transforms.rolling import LiveRolling, rolling_statistics

    features = [{"field": f"field_{n}", "statistics": STATISTICS} for n in range(FIELDS)]
    small = dataset(ASSETS // 10)
    with Cost() as first:
        found = rolling_statistics(small, windows=list(WINDOWS), features=features)
    data = dataset(ASSETS)
    with Cost() as ours:
        rolling_statistics(data, windows=list(WINDOWS), features=features)
    outputs = ROWS * ASSETS * FIELDS * len(WINDOWS) * len(STATISTICS)
    with Cost() as polars:
        theirs = by_polars(small)
    got = theirs[1].sort("asset", "time").filter(pl.col("asset") == "T01")["1_trend"].to_numpy()
    worst = np.nanmax(np.abs(got - found["field_1_trend_24h"].sel(asset="T01").values))
    with Cost() as pandas:
        by_pandas(data)
    about = f"{outputs / 1e6:.0f} M outputs, {ours.cpu:.1f} CPU-s; rival over a tenth of the turbines, times ten"
    name = "8 statistics × 3 windows × 3 fields"
    ratio = 10 * polars.wall / ours.wall
    yield Figure(name, round(ours.wall, 2), "s", rival="polars", rival_value=round(10 * polars.wall, 1), note=about)
    yield Figure("times faster than polars", round(ratio, 1), "×", 5, "more", note=f"largest difference {worst:.1g}")
    yield Figure(name, round(ours.wall, 2), "s", rival="pandas", rival_value=round(pandas.wall, 1))
    yield Figure("times faster than pandas", round(pandas.wall / ours.wall, 1), "×", 15, "more")
    live = LiveRolling(list(WINDOWS), STATISTICS, ASSETS)
    times = data["time"].values.astype("datetime64[ns]").astype(np.int64)[:2_000]
    values = data["field_0"].values[:2_000]
    took = []
    for time, row in zip(times, values, strict=True):
        with Cost() as one:
            live.add(int(time), row)
        took.append(one.wall * 1e3)
    yield Figure(
        "one new row, 50 turbines × 24 features, p99", round(float(np.percentile(took[1_000:], 99)), 3), "ms", 5,
        note=f"most {max(took[1_000:]):.2f} ms; the first call ever compiles, {first.wall:.1f} s with what was cached",
    )  # fmt: skip
