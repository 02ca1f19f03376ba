"""Spread of cells, and which is weak in which way."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.analytics.storage import cell_spread, cell_voltage_spread, weakest_cells
from workbench.model.errors import InputError

CELLS = 24


def pack(days: int = 20, seed: int = 0) -> xr.Dataset:
    """24 cells in series; 3 holds less, 7 resists more, 11 discharges itself, 15 was charged less from the beginning."""
    from benchmarks._battery_field import OCV, SOC

    rng = np.random.default_rng(seed)
    times = pd.date_range("2025-01-01", periods=days * 144, freq="10min", unit="ns")
    clock = (times.hour + times.minute / 60).to_numpy()
    flow = np.where((clock >= 9) & (clock < 13), -0.2, np.where((clock >= 17) & (clock < 21), 0.2, 0.0))
    soc = 10 + 100 * -np.cumsum(flow) / 6
    capacity, resistance = 1 + rng.normal(0, 0.002, CELLS), 1e-4 * (1 + rng.normal(0, 0.02, CELLS))
    capacity[3], resistance[7] = 0.95, 1.6e-4
    start = rng.normal(0, 0.2, CELLS)
    start[15] = -3.0
    own = 50 + (soc[:, None] - 50) / capacity + start
    own[:, 11] -= 0.1 * np.arange(len(times)) / 144
    current = 1000.0 * flow
    voltage = np.interp(own, SOC, OCV["NMC"]) - current[:, None] * resistance + rng.normal(0, 5e-4, own.shape)
    return xr.Dataset(
        {
            "voltage": (("time", "asset"), voltage, {"units": "V"}),
            "current": (("time", "asset"), np.repeat(current[:, None], CELLS, axis=1), {"units": "A"}),
        },
        coords={
            "time": times.to_numpy(),
            "asset": [f"C{i:02d}" for i in range(CELLS)],
            "parent": ("asset", ["R1"] * CELLS),
        },
    )


def test_each_weak_cell_is_found_and_named():
    found = weakest_cells(pack()).set_index("cell")
    assert set(found.index[:4]) == {"C03", "C07", "C11", "C15"}
    kinds = found["kind"]
    assert kinds["C03"] == "low capacity"
    assert kinds["C07"] == "resistance"
    assert kinds["C11"] == "self-discharge"
    assert kinds["C15"] == "behind"
    assert float(found.loc["C07", "resistance"]) == pytest.approx(0.06, abs=0.01)  # milliohm
    assert (kinds.drop(["C03", "C07", "C11", "C15"]) == "").all()


def test_cells_are_compared_within_their_battery_and_the_current_may_be_the_batterys():
    data = pack()
    current = data["current"].isel(asset=0, drop=True)
    two = xr.concat(
        [data, (data + xr.Dataset({"voltage": 0.3, "current": 0.0})).assign_coords(asset=[f"D{i:02d}" for i in range(CELLS)], parent=("asset", ["R2"] * CELLS))],
        "asset",
    )  # fmt: skip
    found = weakest_cells(two.drop_vars("current"), current=current).set_index("cell")
    assert found["kind"]["D07"] == found["kind"]["C07"] == "resistance"
    assert found["low_end"]["D03"] == pytest.approx(found["low_end"]["C03"], abs=1e-6)


def test_too_few_cells_and_no_current_are_said():
    data = pack(3)
    few = weakest_cells(data.isel(asset=slice(0, 3)))
    assert few["reason"].str.contains("4 are needed").all()
    quiet = weakest_cells(data.drop_vars("current"))
    assert quiet["reason"].str.contains("resistance is not told").all()
    assert quiet["resistance"].isna().all()
    with pytest.raises(InputError, match="that of each cell"):
        weakest_cells(data.rename(voltage="volts"))


def test_spread_at_rest_and_its_growth(plain):
    data = plain(60)
    days = np.arange(data.sizes["time"])[:, None] / 144
    mean = 3.3 - 0.0002 * data["dc_power"]
    half = 0.004 + 0.0001 * days + 0.00005 * np.abs(data["dc_power"])
    data = data.assign(cell_voltage_min=mean - half, cell_voltage_max=mean + half, dc_current=data["dc_power"] / 0.66)
    found = cell_spread(data).isel(asset=0)
    assert float(found["growth"]) == pytest.approx(0.2 * 30.44, rel=0.02)
    assert bool(found["growing"])
    assert float(found["at_rest"]) == pytest.approx(8 + 0.2 * 30, rel=0.05)
    assert float(found["p95"]) > float(found["at_rest"]) + 8  # under load
    steady = cell_spread(data.assign(cell_voltage_min=mean - 0.004, cell_voltage_max=mean + 0.004)).isel(asset=0)
    assert not bool(steady["growing"])


def test_a_battery_without_cells(plain):
    with pytest.raises(InputError, match="reports no cells"):
        cell_voltage_spread(plain(2))


def test_the_demo_battery(demo_battery):
    found = cell_spread(demo_battery).isel(asset=0)
    assert 5 < float(found["at_rest"]) < 20
    assert not bool(found["growing"])
    assert float(cell_voltage_spread(demo_battery).min()) > 0
