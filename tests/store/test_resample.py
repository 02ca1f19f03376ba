"""Periods of a lazy Dataset of the store as an analyst writes them: a task per piece that is read, not per period."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

DAY = 86_400


@pytest.fixture
def opened(site, key, t0):
    """A day and a half at 1 Hz that begins at no border of anything, with gaps and a period without a value."""
    rng = np.random.default_rng(3)
    times = (t0 + (1_234 + np.arange(3 * DAY // 2)) * 10**9).view("datetime64[ns]")
    names = ("power_output", "wind_speed")
    content = {name: rng.normal(50, 10, (len(times), 4)).round(1).astype(np.float32) for name in names}
    content["power_output"][rng.random(len(times)) < 0.2] = np.nan
    content["power_output"][20_000:21_800] = np.nan
    data = {name: (("time", "asset"), values) for name, values in content.items()}
    site.import_dataset(key, xr.Dataset(data, coords={"time": times, "asset": list("ABCD")}))
    return site.open(key, quality=False).drop_vars("sample_count")


def test_ten_minute_means_by_the_clock_are_those_of_pandas(opened):
    means = opened.resample(time="10min").mean().compute(scheduler="threads")
    for name, values in means.items():
        expected = opened[name].to_pandas().astype(float).resample("10min").mean()
        assert (means["time"].values == expected.index.values).all()
        np.testing.assert_allclose(values.transpose("time", "asset").values, expected.values, rtol=1e-6)
    assert means["power_output"].isnull().all("asset").any()


@pytest.mark.parametrize("period", ["1min", "10min", "1h"])
def test_the_work_grows_with_what_is_read_not_with_the_periods(opened, period):
    means = opened.resample(time=period).mean()
    pieces = len(opened["power_output"].chunks[0])
    assert len(means.__dask_graph__()) < 20 * pieces * len(means.data_vars)


def test_hours_of_the_day(opened):
    by_hour = opened["wind_speed"].groupby("time.hour").mean()
    assert len(by_hour.__dask_graph__()) < 20 * len(opened["wind_speed"].chunks[0])
    expected = opened["wind_speed"].to_pandas().astype(float)
    np.testing.assert_allclose(
        by_hour.transpose("hour", "asset").values, expected.groupby(expected.index.hour).mean(), rtol=1e-6
    )
