"""Rainflow counts as the standard's example has them, and what a day's cycle is worth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.analytics.storage import cycle_summary, cycle_table, rainflow
from workbench.model.errors import InputError


def test_the_example_of_astm_e1049():
    """ASTM E1049-85 (2017), figure 6: ranges 3, 4, 6, 8, 9 with 0.5, 1.5, 0.5, 1, 0.5 cycles."""
    depth, mean, count, first, last = rainflow(np.array([-2.0, 1, -3, 5, -1, 3, -4, 4, -2]))
    found = {range_: count[depth == range_].sum() for range_ in np.unique(depth)}
    assert found == {3.0: 0.5, 4.0: 1.5, 6.0: 0.5, 8.0: 1.0, 9.0: 0.5}
    assert list(zip(mean[count == 1], first[count == 1], last[count == 1], strict=True)) == [(1.0, 4, 5)]


@given(st.lists(st.integers(-50, 50), min_size=2, max_size=60))
def test_the_counted_ranges_are_all_the_way_that_was_gone(values):
    series = np.array(values, dtype=float)
    depth, _, count, _, _ = rainflow(series)
    assert (2 * depth * count).sum() == pytest.approx(np.abs(np.diff(series)).sum())


@given(st.lists(st.floats(0, 100), min_size=2, max_size=60), st.floats(0.5, 20))
def test_smaller_turns_are_noise_and_gaps_are_passed_over(values, least):
    series = np.array(values)
    depth, _, count, first, last = rainflow(series, least)
    assert ((depth > least) | (count == 0.5)).all()
    if len(depth):
        assert depth.max() == pytest.approx(np.ptp(series))
    gaps = np.insert(series, len(series) // 2, [np.nan, np.nan])
    np.testing.assert_allclose(rainflow(gaps, least)[0], depth)
    assert (first < last).all()


def test_a_cycle_a_day(plain):
    data = plain(10)
    found = cycle_summary(data).isel(asset=0)
    assert float(found["equivalent_full_cycles"]) == pytest.approx(8.0, abs=0.1)
    assert float(found["cycles"]) == pytest.approx(10, abs=0.5)
    assert float(found["depth_p95"]) == pytest.approx(80, abs=1.5)
    assert float(found["energy_full_cycles"]) == pytest.approx(8 * 0.92, rel=0.01)
    # 12 h of the day's 16 h at rest at 10 %, 4 h at 90 %
    assert float(found["soc_resting"]) == pytest.approx(30, abs=1.0)
    assert float(found["resting"]) == pytest.approx(2 / 3, abs=0.02)
    table = cycle_table(data, least=5)
    assert set(table["count"]) <= {0.5, 1.0}
    assert (table["end"] > table["start"]).all()
    days = cycle_summary(data, by="day")
    np.testing.assert_allclose(days["equivalent_full_cycles"], 0.8, atol=0.02)


def test_the_real_uses_have_the_cycles_of_their_profiles(profiles):
    import pandas as pd

    from benchmarks._battery_field import PROFILES

    for name, wanted in (("commercial", 213.38), ("frequency", 233.25), ("telecom", 29.38)):
        soc = 100 * pd.read_csv(profiles / PROFILES[name])["SOC"].to_numpy()
        depth, _, count, _, _ = rainflow(soc)
        assert (depth * count).sum() / 100 == pytest.approx(wanted, abs=0.01)


def test_no_state_of_charge(plain):
    with pytest.raises(InputError, match="state_of_charge"):
        cycle_summary(plain(2).drop_vars("state_of_charge"))
    empty = cycle_summary(plain(2).assign(state_of_charge=plain(2)["state_of_charge"] * np.nan))
    assert "slots with a state of charge" in empty["reason"].item()
