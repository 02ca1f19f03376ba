"""Steps for the course of a battery by periods, and for its cells."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from tests.analytics.storage.test_cells import pack
from workbench.model.errors import InputError
from workbench.steps import get_step, remarks


def run(name: str, data: xr.Dataset, **given):
    one = get_step(name)
    with remarks() as told:
        return one.function(data, **one.check(given)), list(told)


def test_the_log_counts_breaches_and_tells_each(plain):
    data = plain(59).copy(deep=True)
    data["cell_temperature_max"][40 * 144 : 40 * 144 + 12] = 48.0
    made, told = run("battery_warranty_log", data, terms={"cycles_per_year": 250, "hours_above": 10})
    np.testing.assert_allclose(made["warranty_hours_hot"].isel(asset=0), [0, 2])
    np.testing.assert_allclose(made["warranty_throughput"].isel(asset=0), np.cumsum([31, 28]) * 0.8 * 0.92, rtol=0.01)
    assert made["warranty_breaches"].isel(asset=0).values.tolist() == [1, 2]
    assert sum("cycles per year" in text for text in told) == 2
    assert sum("hours above" in text for text in told) == 1
    with pytest.raises(InputError, match="no such term"):
        run("battery_warranty_log", data, terms={"cycle_per_year": 250})


def test_too_few_months_have_no_trend_and_say_so(plain):
    made, told = run("battery_health_trend", plain(59))
    assert made.sizes["health_month"] == 2
    assert np.isnan(made["health_change"]).all()
    assert any("a trend wants 6" in text for text in told)


def test_each_cell_carries_how_it_is_weak():
    made, told = run("weakest_cells", pack())
    kinds = dict(zip(made["asset"].values, made["cell_kind"].values, strict=True))
    assert {name: kind for name, kind in kinds.items() if kind} == {
        "C03": "low capacity", "C07": "resistance", "C11": "self-discharge", "C15": "behind",
    }  # fmt: skip
    assert float(made["cell_excess_resistance"].sel(asset="C07")) == pytest.approx(0.06, abs=0.01)
    assert not told
    _, told = run("weakest_cells", pack().drop_vars("current"))
    assert told == ["weakest_cells: no current: resistance is not told"]
