from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from workbench.analytics.storage import health_trend
from workbench.model.errors import InputError


def months(values) -> xr.Dataset:
    when = np.datetime64("2024-01", "M") + np.arange(len(values))
    data = np.array(values, float)
    return xr.Dataset(
        {"state_of_health": (("period", "asset"), data.reshape(len(data), -1))},
        coords={
            "period": when.astype("datetime64[ns]"),
            "asset": [f"B{i}" for i in range(data.reshape(len(data), -1).shape[1])],
        },
    )


def test_a_straight_course_is_found_and_one_wild_month_does_not_matter():
    straight = 98.0 - 2.4 * np.arange(18) / 12
    wild = straight.copy()
    wild[7] += 9.0
    found = health_trend(months(np.column_stack([straight, wild])))
    # months are of unequal length: the slope by year differs in the third digit
    assert found["rate"].values == pytest.approx([-2.4, -2.4], abs=0.03)
    assert (found["lower"] <= found["rate"]).all()
    assert (found["rate"] <= found["upper"]).all()
    assert found["periods"].values.tolist() == [18, 18]
    assert found["reason"].values.tolist() == ["", ""]
    assert found["rate"].attrs["units"] == "%/year"


def test_the_interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(4)
    truth = -1.5
    noisy = 97.0 + truth * np.arange(24)[:, None] / 12 + rng.normal(0, 0.3, (24, 120))
    found = health_trend(months(noisy), level=0.9)
    held = ((found["lower"] <= truth) & (truth <= found["upper"])).mean()
    assert 0.82 <= float(held) <= 0.97
    assert float(found["rate"].mean()) == pytest.approx(truth, abs=0.03)


def test_too_few_months_are_a_reason_and_no_number():
    values = np.full((8, 2), 95.0)
    values[4:, 1] = np.nan
    found = health_trend(months(values))
    assert found["rate"].values[0] == 0
    assert np.isnan(found["rate"].values[1])
    assert "4 periods over" in str(found["reason"].values[1])


def test_health_without_periods_is_an_error():
    with pytest.raises(InputError, match="by='month'"):
        health_trend(months([95.0, 94.0]).isel(period=0))
    with pytest.raises(InputError, match="level"):
        health_trend(months([95.0, 94.0]), level=90)
