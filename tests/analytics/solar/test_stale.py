"""Values that stand still and lines over gaps: the labelled sets of pvanalytics, and faults put into real records."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.analytics.solar import interpolated_values, stale_values
from workbench.model.errors import InputError


def test_the_labelled_set_of_stale_values(labelled, score):
    # pvanalytics 0.2: precision 0.199, recall 0.988
    data, truth = labelled("stale")
    precision, recall = score(stale_values(data).values, truth)
    assert precision >= 0.95
    assert recall >= 0.98


def test_the_labelled_set_of_interpolated_values(labelled, score):
    # pvanalytics 0.2: precision 0.546, recall 0.999
    data, truth = labelled("interpolated")
    precision, recall = score(interpolated_values(data).values, truth)
    assert precision >= 0.90
    assert recall >= 0.98


FORMS = {
    "as it is": lambda power: power,
    "kilowatts": lambda power: power / 1000,
    "single": lambda power: power.astype(np.float32).astype(float),
    "no nights": lambda power: np.where(power < 40, np.nan, power),
    "zero at night": lambda power: np.where(power < 40, 0.0, power),
    "another zero": lambda power: power + 300.0,
}


@pytest.mark.parametrize("form", FORMS)
def test_faults_in_a_real_record_are_found_whatever_its_form(serf_east, score, form):
    clean = FORMS[form](serf_east["total_ac_power"].values[:, 0])
    rng = np.random.default_rng(7)
    stuck, line = clean.copy(), clean.copy()
    truths = np.zeros((2, len(clean)), bool)
    usable = np.flatnonzero(np.nan_to_num(serf_east["total_ac_power"].values[:, 0]) > 500)
    for first in rng.choice(usable[usable < len(clean) - 100], 12, replace=False):
        stop = first + int(rng.integers(8, 40))
        if truths[:, max(0, first - 5) : stop + 5].any() or np.isnan(clean[[first, stop]]).any():
            continue
        stuck[first:stop], truths[0, first:stop] = clean[first], True
        line[first + 1 : stop] = np.interp(np.arange(first + 1, stop), [first, stop], clean[[first, stop]])
        truths[1, first + 1 : stop] = True
    for faulty, find, truth in ((stuck, stale_values, truths[0]), (line, interpolated_values, truths[1])):
        data = serf_east.assign(total_ac_power=(("time", "asset"), faulty[:, None]))
        precision, recall = score(find(data).values, truth)
        assert precision >= 0.95
        assert recall >= 0.95


def test_a_record_in_coarse_steps_is_not_called_stuck(serf_east):
    coarse = serf_east.assign(total_ac_power=(serf_east["total_ac_power"] / 50).round() * 50)  # 1 % of its rating
    assert stale_values(coarse).mean() < 0.002
    assert interpolated_values(coarse).mean() < 0.002


def test_nights_outages_and_constants_are_left_alone(plant):
    data = plant(20)
    values = data["total_ac_power"].values
    values[500:900] = 0.0  # an outage of four days
    assert not stale_values(data).any()
    assert not interpolated_values(data).any()
    data["total_ac_power"][:] = 5.0  # nothing of a day in it: not to be judged
    assert not stale_values(data).any()
    data["total_ac_power"][:] = np.nan
    assert not stale_values(data).any()
    assert not interpolated_values(data).any()


def test_a_flat_noon_at_the_limit_is_not_stale(plant):
    data = plant(40, limit=60.0)
    assert not stale_values(data).any()


def test_bad_input_is_named(plant):
    data = plant(3)
    with pytest.raises(InputError, match="no field"):
        stale_values(data, variable="total_ac_pwer")
    with pytest.raises(InputError, match="not in order"):
        stale_values(data.isel(time=[0, 2, 1, 3]))
    with pytest.raises(InputError, match="too few times"):
        interpolated_values(data.isel(time=[0, 1]))
    with pytest.raises(InputError, match="no one cadence"):
        stale_values(data.assign_coords(time=np.datetime64("2020-01-01", "ns") + np.arange(data.sizes["time"]) ** 4))
    with pytest.raises(InputError, match="no dimension 'asset'"):
        stale_values(data.isel(asset=0, drop=True))
