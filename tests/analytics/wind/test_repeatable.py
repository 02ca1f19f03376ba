"""Results do not depend on the number of threads, and what takes long tells how far it is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from threadpoolctl import threadpool_limits

from workbench.analytics import wind

DIMS = ("time", "asset")


@pytest.fixture(scope="module")
def farm() -> xr.Dataset:
    rng = np.random.default_rng(3)
    shape = (40_000, 4)
    power = np.clip(rng.gamma(2.0, 400.0, shape[0])[:, None] + rng.normal(0, 60, shape), 0, 2000)
    return xr.Dataset(
        {
            "power_output": (DIMS, power, {"units": "kW"}),
            "wind_direction": (DIMS, np.broadcast_to(rng.uniform(0, 360, shape[0])[:, None], shape).copy()),
            "wind_speed": (DIMS, 4 + power / 200, {"units": "m/s"}),
        },
        coords={
            "time": pd.date_range("2015-01-01", periods=shape[0], freq="10min", unit="ns"),
            "asset": list("ABCD"),
            "rated_capacity": ("asset", [2000.0] * 4),
        },
    )


def toggled(farm: xr.Dataset, **how) -> xr.Dataset:
    state = xr.DataArray(np.arange(farm.sizes["time"]) // 144 % 2, dims="time", coords={"time": farm["time"]})
    return wind.toggle_uplift(farm, ["A"], state, **how).uplift


@pytest.mark.parametrize(
    "work",
    [
        lambda data: wind.neighbour_power(data["power_output"], data["power_output"] > 0),
        lambda data: toggled(data, simulations=300)[["uplift", "lower", "upper"]],
    ],
    ids=["neighbours", "upgrade"],
)
def test_threads_do_not_change_the_last_digit(farm, work):
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append(work(farm))
    xr.testing.assert_identical(*found)


@pytest.mark.parametrize("workers", [1, 2])
def test_lazy_data_and_their_workers_do_not_change_the_last_digit(farm, workers):
    import dask

    with dask.config.set(scheduler="threads", num_workers=workers):
        lazy = toggled(farm.chunk({"time": 7_000}), simulations=50)
    xr.testing.assert_identical(lazy, toggled(farm, simulations=50))


def test_progress_of_an_upgrade(farm):
    seen: list[tuple[int, int]] = []
    toggled(farm, simulations=2, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]  # three references, then the turbine
