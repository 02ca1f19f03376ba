"""Information categories of IEC 61400-26-1: Hill of Towie's status counters, a year of stop events, losses.

Hill of Towie: 21 turbines, July and August 2024, 186,302 rows of 44 columns in a zip of two CSV files, five counters of
seconds of which are used. Told are the categories from the Dataset, and all from the zip: reading, the two months to one,
categories and their totals. Then 100 turbines × 3 years of ten minutes: 20,000 events brought to slots, and the losses of
each category from potential and power. OpenOA 3.2 has no categories and reads its status frame in no analysis: there is no
rival. The data is found through WORKBENCH_TEST_DATA; without it that part is left out.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import xarray as xr

from benchmarks.figures import Cost, Figure

SCALE = float(os.environ.get("SCALE_OF_LOAD", "1"))
CHECKOUT = Path(__file__).resolve().parent.parent
COUNTERS = {
    "ready_time": "available",
    "environmental_stop_time": "environmental_standby",
    "commercial_stop_time": "requested_shutdown",
    "turbine_stop_time": "forced_outage",
    "grid_stop_time": "grid_outage",
}


def towie() -> xr.Dataset:
    """The two months as one."""
    from workbench.catalog import open_catalog

    catalog = open_catalog(CHECKOUT / "catalogs")
    july, august = (
        catalog[f"hill_of_towie.status_2024_{month}"].read(variables=list(COUNTERS)).load() for month in ("07", "08")
    )
    august = august.sel(time=august["time"] > july["time"][-1])
    return xr.concat([july, august], "time", join="outer", combine_attrs="override", data_vars="minimal")


def figures() -> Iterator[Figure]:
    from workbench.analytics.wind import category_totals, from_counters

    os.environ.setdefault("WORKBENCH_TEST_DATA", str(CHECKOUT.parent / "shared" / "data"))
    if (Path(os.environ["WORKBENCH_TEST_DATA"]) / "wind" / "hill_of_towie_status_2024_07_08.zip").exists():
        towie()  # imports
        with Cost() as whole:
            data = towie()
            with Cost() as alone:
                found = from_counters(data, COUNTERS)
            totals = category_totals(found)
        share = totals["farm_share"].to_series() * 100
        known = float(found["missing_slots"].sum()) / (data.sizes["time"] * data.sizes["asset"])
        about = (
            f"available {share['available'] / (1 - known):.2f} % of the slots with counters; sum {share.sum():.3f} %"
        )
        rows = f"{data.sizes['time'] * data.sizes['asset']} turbine slots"
        yield Figure("Hill of Towie to categories, from the Dataset", round(alone.cpu, 3), "CPU-s", 1, note=about)
        yield Figure("the same from the zip: unzip, CSV, grid, categories", round(whole.cpu, 2), "CPU-s", 1, note=rows)
    yield from _large()


def _large() -> Iterator[Figure]:
    from workbench.analytics.wind import energy_losses, from_events

    days, assets = max(2, round(3 * 365 * SCALE)), [f"T{number:03d}" for number in range(100)]
    window = (pd.Timestamp("2022-01-01"), pd.Timestamp("2022-01-01") + pd.Timedelta(days=days))
    rng = np.random.default_rng(1)
    size = 20_000
    start = window[0].value + rng.integers(0, days * 86_400, size) * 10**9
    events = pl.DataFrame(
        {
            "asset": rng.choice(assets, size),
            "start": start,
            "end": start + (rng.exponential(4 * 3600, size) * 10**9).astype(np.int64),
            "category": rng.choice(["forced_outage", "scheduled_maintenance", "grid_outage"], size),
        }
    ).with_columns(pl.col("start", "end").cast(pl.Datetime("ns")))
    with Cost() as cut:
        seconds = from_events(events, window=window, assets=assets)
    shape = (seconds.sizes["time"], len(assets))
    power = xr.DataArray(
        rng.uniform(0, 2000, shape), dims=("time", "asset"), coords={"time": seconds["time"], "asset": assets}
    )
    with Cost() as lost:
        energy_losses(seconds, power, power * 1.05, price=60.0)
    slots = f"{shape[0] * shape[1] / 1e6:.1f} M turbine slots"
    yield Figure("20,000 events to categories", round(cut.cpu, 2), "CPU-s", note=slots)
    yield Figure("potential, actual and lost energy and money by category", round(lost.cpu, 2), "CPU-s", note=slots)
