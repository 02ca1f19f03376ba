from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.analytics.wind.energy_ratio import energy_ratio, energy_uplift
from workbench.model.errors import InputError

GROUPS = {"test": ["R80790"], "reference": ["R80711", "R80721"], "direction_assets": ["R80711"]}


@pytest.fixture(scope="module")
def years(example_turbines):
    """2014 and 2015, directions and wind speeds moved off the edges of bins, where 32 and 64 bits differ."""
    moved = example_turbines.assign(
        wind_speed=example_turbines["wind_speed"] + 0.003,
        wind_direction=(example_turbines["wind_direction"] + 0.003) % 360,
    )
    return moved.sel(time="2014"), moved.sel(time=slice("2015-01-01", "2015-11-24"))


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [
        # compute_energy_ratio of FLASC 2.5 on the same values: ratio and count at 1.5, 136.5, 154.5 and 337.5 degrees
        (0.0, {1.5: (1.10674993, 292), 136.5: (0.98360456, 469), 154.5: (0.68855775, 665), 337.5: (1.38716353, 184)}),
        (1.0, {1.5: (1.11110991, 503), 136.5: (0.98495474, 808), 154.5: (0.70756491, 1070), 337.5: (1.36783905, 329)}),
    ],
)
def test_as_flasc(years, overlap, expected):
    """To 1e-6: FLASC works in 32 bits."""
    found = energy_ratio(years[0], overlap=overlap, replicates=20, **GROUPS).by_direction
    for direction, (ratio, count) in expected.items():
        at = found.sel(wind_direction=direction)
        assert float(at["ratio"]) == pytest.approx(ratio, rel=1e-6)
        assert int(at["count"]) == count


def test_uplift_as_flasc(years):
    """The same for two data sets: before, after and change at 1.5 and 154.5 degrees; weights `min` and `sum`."""
    found = energy_uplift(*years, replicates=20, **GROUPS).by_direction
    for direction, one in {
        1.5: (1.10721953, 0.88762238, -0.1983320823, 251),
        154.5: (0.66917568, 1.09532409, 0.6368258242, 307),
    }.items():
        at = found.sel(wind_direction=direction)
        assert [float(at[name]) for name in ("before", "after", "ratio", "count")] == pytest.approx(one, rel=1e-6)
    summed = energy_uplift(*years, replicates=20, weighting="sum", **GROUPS).by_direction
    assert float(summed["ratio"].sel(wind_direction=154.5)) == pytest.approx(0.6121887658, rel=1e-6)


def made(seed: int, *, gain: float = 1.0, days: int = 40) -> xr.Dataset:
    """Two turbines in the same wind, with deviations that last for hours; the first makes ``gain`` times as much."""
    rng = np.random.default_rng(seed)
    slots = days * 144
    lasting = np.repeat(rng.normal(0, 0.15, (days * 4, 2)), 36, axis=0)
    wind = np.repeat(rng.uniform(5, 10, days * 4), 36)
    power = 20 * wind[:, None] ** 2 * (1 + lasting) * [gain, 1.0]
    dims = ("time", "asset")
    return xr.Dataset(
        {
            "power_output": (dims, power),
            "wind_speed": (dims, np.column_stack([wind, wind])),
            "wind_direction": (dims, np.repeat(rng.uniform(0, 360, (days * 4, 1)), 36, axis=0) * [1.0, 1.0]),
        },
        coords={"time": pd.date_range("2020-01-01", periods=slots, freq="10min", unit="ns"), "asset": ["A", "B"]},
    )


def test_intervals_of_blocks_hold_what_they_say():
    """90 % of the intervals by days hold the true ratio; those by single slots, far fewer. 60 sets: to 3 sigma."""
    inside = {"P1D": 0, None: 0}
    for seed in range(60):
        for block in inside:
            total = energy_ratio(
                made(seed, gain=0.9), ["A"], ["B"], direction_step=180, replicates=60, block=block, seed=seed
            ).total
            inside[block] += total["low"] < 0.9 < total["high"]
    assert 47 <= inside["P1D"] <= 60
    assert inside[None] < 30


def test_a_known_uplift_is_found():
    settings = {"direction_step": 180, "replicates": 100}
    total = energy_uplift(made(1), made(2, gain=1.1), ["A"], ["B"], **settings).total
    assert total["low"] < 0.1 < total["high"]
    assert total["ratio"] == pytest.approx(total["after"] / total["before"] - 1)
    alone = energy_uplift(made(1), made(1), ["A"], ["B"], **settings).total
    assert alone["ratio"] == 0.0
    assert alone["low"] < 0.0 < alone["high"]


def test_a_seed_is_a_result_and_a_sector_a_part():
    data, told = made(3), []
    kept = {"direction_step": 90.0, "replicates": 20}
    one = energy_ratio(data, ["A"], ["B"], progress=lambda *a: told.append(a), **kept)
    xr.testing.assert_identical(one.by_direction, energy_ratio(data, ["A"], ["B"], **kept).by_direction)
    assert told[-1] == (20, 20)
    part = energy_ratio(data, ["A"], ["B"], sector=(270.0, 90.0), **kept)
    assert part.by_direction["ratio"].notnull().values.tolist() == [True, False, False, True]
    assert float(part.by_direction["ratio"][0]) == float(one.by_direction["ratio"][0])


def test_bad_input():
    data = made(1, days=2)
    with pytest.raises(InputError, match="farm of one turbine"):
        energy_ratio(data.isel(asset=[0]), ["A"], [])
    with pytest.raises(InputError, match="no such turbine"):
        energy_ratio(data, ["A"], ["C"])
    with pytest.raises(InputError, match="both groups"):
        energy_ratio(data, ["A"], ["A", "B"])
    with pytest.raises(InputError, match="no slot has power"):
        energy_ratio(data.assign(wind_speed=data["wind_speed"] * np.nan), ["A"], ["B"])
    for wrong in ({"direction_step": 7}, {"overlap": 2.0}, {"replicates": 5}, {"confidence": 1.0}, {"speeds": (5, 4)}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            energy_ratio(data, ["A"], ["B"], **wrong)
    with pytest.raises(InputError, match="weighting"):
        energy_uplift(data, data, ["A"], ["B"], weighting="min", replicates=20)
