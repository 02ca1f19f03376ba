"""Alarms of temperatures, and what is not told where a sensor is missing."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.analytics.storage import ThermalLimits, thermal_alarms, thermal_events
from workbench.model.errors import InputError


def test_each_alarm_where_it_belongs(plain):
    data = plain(3).copy(deep=True)
    top, low = data["cell_temperature_max"], data["cell_temperature_min"]
    top[100:110] = 47.0
    top[200:203] = 57.0
    low[60:70] = -3.0  # while it is charged
    low[0:20] = -3.0  # while it rests
    found = thermal_alarms(data)
    rows = {n: np.flatnonzero(found[f"thermal_{n}"].values[:, 0]) for n in ("hot", "very_hot", "cold_charge", "uneven")}
    assert rows["hot"].tolist() == [*range(100, 110), 200, 201, 202]
    assert rows["very_hot"].tolist() == [200, 201, 202]
    assert rows["cold_charge"].tolist() == list(range(60, 70))
    assert set(rows["uneven"]) >= set(range(100, 110)) | set(range(20))
    assert found["thermal_rising"].values[100, 0]
    events = thermal_events(found, data)
    hot = events[events["alarm"] == "hot"]
    assert hot["hours"].tolist() == pytest.approx([10 / 6, 0.5])
    assert hot["peak"].tolist() == [47.0, 57.0]


def test_a_condition_must_hold(plain):
    data = plain(3).copy(deep=True)
    data["cell_temperature_max"][100] = 47.0
    data["cell_temperature_max"][200:204] = 47.0
    found = thermal_alarms(data, hold=30)["thermal_hot"].values[:, 0]
    assert np.flatnonzero(found).tolist() == [202, 203]


def test_more_heat_than_the_load_explains(plain):
    data = plain(40).copy(deep=True)
    data["cell_temperature_max"][30 * 144 :] += 6.5  # cooling has failed; far below every limit
    found = thermal_alarms(data)
    excess = found["thermal_excess"].values[:, 0]
    assert not excess[: 30 * 144].any()
    assert excess[30 * 144 + 6 :].all()
    assert float(found["temperature_excess"][35 * 144, 0]) == pytest.approx(6.5, abs=0.5)


def test_what_cannot_be_told_is_said(plain):
    data = plain(3)[["cell_temperature_mean"]]
    found = thermal_alarms(data)
    for word in ("cell_temperature_max", "cold_charge", "uneven", "excess"):
        assert word in found["reason"].item()
    with pytest.raises(InputError, match="no cell temperature"):
        thermal_alarms(plain(3)[["active_power"]])


def test_the_demo_battery_is_cool(demo_battery):
    found = thermal_alarms(demo_battery, limits=ThermalLimits(), baseline_days=7)
    for name in ("hot", "very_hot", "cold_charge", "uneven", "rising", "excess"):
        assert not found[f"thermal_{name}"].any(), name
    assert np.isfinite(found["temperature_excess"][-1]).all()
