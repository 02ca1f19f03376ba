"""Power held at a limit."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.analytics.solar import clipped_values


def test_the_labelled_set(labelled, score):
    # pvanalytics 0.2: precision 0.907, recall 1
    data, truth = labelled("clipping")
    precision, recall = score(clipped_values(data).values, truth)
    assert precision >= 0.95
    assert recall == 1.0


@pytest.mark.parametrize("slot", ["5min", "15min", "1h"])
def test_a_limit_is_found_with_its_level(plant, score, slot):
    data = plant(40, slot=slot, limit=60.0)
    truth = plant(40, slot=slot)["total_ac_power"].values[:, 0] > 60.0
    found = clipped_values(data)
    precision, recall = score(found.values, truth)
    assert precision >= 0.99
    assert recall >= 0.6  # the rest are single values under clouds, which no record tells from others
    np.testing.assert_allclose(found.attrs["levels"]["A"], [60.0], rtol=1e-3)


def test_a_jittering_limit_for_a_part_of_the_time(serf_east, score):
    values = serf_east["total_ac_power"].values[:, 0].copy()
    truth = np.zeros(len(values), bool)
    truth[:4000] = values[:4000] > 3500
    values[truth] = 3500 * (1 + 3e-4 * np.random.default_rng(1).normal(size=truth.sum()))
    found = clipped_values(serf_east.assign(total_ac_power=(("time", "asset"), values[:, None])))
    precision, recall = score(found.values, truth)
    assert precision >= 0.98
    assert recall >= 0.8


def test_clear_days_without_a_limit_have_none(plant, serf_east):
    assert not clipped_values(plant(60)).any()
    assert not clipped_values(serf_east).any()
