"""Quantiles by bins, and the dirty turbine through all checks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import xarray as xr

from workbench.analytics.wind import (
    clock_shift_detection,
    curtailment_detection,
    icing_detection,
    northing_jump_detection,
    sensor_drift_detection,
)
from workbench.analytics.wind.usual_power import at_speed, bridged, rating_of, usual_values
from workbench.model.quality import count_flags
from workbench.steps import remarks
from workbench.transforms.quality import flag_quality


def test_quantiles_are_those_of_numpy():
    rng = np.random.default_rng(1)
    speed, power = rng.uniform(0, 12, (5_000, 2)), rng.normal(0, 1, (5_000, 2))
    keep = rng.random((5_000, 2)) < 0.7
    found = usual_values(speed, power, keep, (0.1, 0.5, 0.9))
    for asset in range(2):
        for k in range(found.shape[2]):
            inside = keep[:, asset] & (np.floor(speed[:, asset] / 0.5 + 0.5) == k)
            want = np.quantile(power[inside, asset], [0.1, 0.5, 0.9])
            np.testing.assert_allclose(found[:, asset, k], want, atol=1e-12)
    assert np.isnan(usual_values(speed, power, keep, (0.5,), fewest=5_000)).all()


def test_between_bins_it_is_linear_and_gaps_are_bridged():
    curve = bridged(np.array([[np.nan, 1.0, np.nan, 3.0, np.nan]]))
    np.testing.assert_equal(curve, [[np.nan, 1.0, 2.0, 3.0, np.nan]])
    found = at_speed(curve, np.array([[0.2], [0.5], [0.75], [1.5], [1.6], [np.nan]]))
    np.testing.assert_allclose(found[:, 0], [np.nan, 1.0, 1.5, 3.0, 3.0, np.nan])


def test_a_rating_that_is_not_known_is_the_largest_power():
    power = np.tile(np.linspace(0, 1500, 3_000)[:, None], (1, 3))
    power[:, 2] = np.nan
    data = xr.Dataset(coords={"asset": list("ABC"), "rated_capacity": ("asset", [0.0, 1600.0, np.nan])})
    assert rating_of(data, power)[:2].tolist() == pytest.approx([1498.5, 1600.0], abs=0.5)
    assert np.isnan(rating_of(data, power)[2])


def test_the_dirty_turbine_goes_through_all_checks_with_counts(test_data: Path, require):
    path = test_data / "wind" / "ge_turbine_10min.csv.gz"
    require(path.exists(), f"{path.name} is not among the test data")
    table = pl.read_csv(path, try_parse_dates=True)
    times = table["dttm"].to_numpy().astype("datetime64[ns]")
    grid = np.arange(times.min(), times.max() + np.timedelta64(1, "ns"), np.timedelta64(600, "s"))
    names = {"kw": "power_output", "wind_speed": "wind_speed", "nacelle_position": "nacelle_position"}
    data = xr.Dataset(
        {name: (("time", "asset"), table[source].to_numpy()[:, None]) for source, name in names.items()},
        coords={"time": times, "asset": ["GE"], "rated_capacity": ("asset", [1500.0])},
        attrs={"cadence": "10min"},
    )
    data = data.isel(time=np.unique(times, return_index=True)[1]).reindex(time=grid)
    with remarks() as told:
        found = flag_quality(data)
        for check in (
            icing_detection,
            curtailment_detection,
            clock_shift_detection,
            northing_jump_detection,
            sensor_drift_detection,
        ):
            found = check(found)
    counts = count_flags(found)
    assert counts["wind_speed"]["range"] > 0  # up to 89.8 m/s
    assert counts["wind_speed"]["stuck"] > 0
    assert counts["power_output"] == {}  # between -56 and 1,585 kW of 1,500
    assert int((found["gap"] > 0).sum()) == int((~np.isin(grid, times)).sum())
    assert int(np.isin(times, grid, invert=True).sum()) == 431  # stamps beside the ten minutes
    assert (found["icing"] == -1).all()
    assert any("no field 'temperature'" in one for one in told)
    assert int((found["curtailment"] == 2).sum()) < 0.02 * data.sizes["time"]
    assert sum("fewer than two neighbours" in one for one in told) == 3
    for name in ("clock_shift", "nacelle_position_northing_offset", "wind_speed_drift"):
        assert np.isnan(found[name]).all(), name
