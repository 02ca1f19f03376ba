"""Single values that stand out."""

from __future__ import annotations

import numpy as np

from workbench.analytics.solar import outlier_values


def test_the_labelled_set(labelled, score):
    # pvanalytics 0.2: precision 1, recall 0.667 (Tukey) or 0.417, 0.833 (Hampel)
    data, truth = labelled("outliers")
    precision, recall = score(outlier_values(data).values, truth)
    assert 2 * precision * recall / (precision + recall) >= 0.91


def test_strays_in_a_real_record_are_found_and_clouds_are_not(serf_east, score):
    values = serf_east["total_ac_power"].values[:, 0].copy()
    clouds = outlier_values(serf_east).values[:, 0]
    assert clouds.mean() < 0.0015
    rng = np.random.default_rng(3)
    at = rng.choice(np.flatnonzero(values > 1000), 40, replace=False)
    values[at] = np.where(rng.random(40) < 0.5, -rng.uniform(500, 3000, 40), values[at] + rng.uniform(4000, 6000, 40))
    found = outlier_values(serf_east.assign(total_ac_power=(("time", "asset"), values[:, None]))).values[:, 0]
    truth = np.isin(np.arange(len(values)), at)
    precision, recall = score(found & ~clouds, truth)
    assert precision >= 0.95
    assert recall >= 0.95


def test_a_drop_on_a_clear_day_is_found_and_a_cloud_of_an_hour_is_not(plant):
    data = plant(30, seed=2)
    clear = data["total_ac_power"].values[:, 0]
    noon = np.flatnonzero(clear > 0.97 * clear.max())[3]
    day = data.copy(deep=True)
    day["total_ac_power"][noon] = 2.0
    assert outlier_values(day).values[noon, 0]
    assert outlier_values(day).sum() == outlier_values(data).sum() + 1
    day["total_ac_power"][noon : noon + 5] = 2.0
    assert not outlier_values(day).values[noon : noon + 5].any()
