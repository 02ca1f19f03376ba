from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.analytics.wind.availability import (
    Production,
    availability,
    availability_by_status,
    lost_energy,
    production_state,
    stops,
)
from workbench.model.quality import Quality, add_flags
from workbench.model.vocabulary import vocabulary

NAN = np.nan
HOUR = (pd.Timestamp("2015-01-01"), pd.Timestamp("2015-01-01T01:00"))


@pytest.fixture
def mixed(dataset):
    speed = [[3.9], [4.0], [8.0], [NAN], [26.0], [9.0]]
    power = [[50.0], [30.0], [0.0], [500.0], [0.0], [-5.0]]
    return dataset({"wind_speed": speed, "power_output": power})


def test_states_of_a_slot(mixed):
    state = production_state(mixed, cut_in=3.5, cut_out=25.0, margin=0.5)
    assert state.values.ravel().tolist() == [1, 2, 3, 0, 1, 3]
    assert state.dtype == np.int8
    assert state.attrs["flag_meanings"] == "no_information outside producing not_producing"


def test_rejected_values_are_no_information(mixed):
    flagged = add_flags(mixed, "wind_speed", mixed["wind_speed"] == 8.0, Quality.STUCK)
    assert production_state(flagged).values[2, 0] == Production.NO_INFORMATION


def test_availability_by_production(mixed):
    found = availability(production_state(mixed), window=HOUR)
    assert found["availability"].item() == pytest.approx(1 / 3)
    assert found["information_available"].item() == pytest.approx(5 / 6)
    assert [
        found[name].item() for name in ("producing", "not_producing", "outside", "no_information")
    ] == pytest.approx([1 / 6, 2 / 6, 2 / 6, 1 / 6])


def test_slots_that_never_came_are_without_information(mixed):
    found = availability(production_state(mixed), window=(HOUR[0], HOUR[0] + pd.Timedelta(hours=2)))
    assert found["no_information"].item() == pytest.approx(7 / 6)
    assert found["availability"].item() == pytest.approx(1 / 3)


def test_without_wind_there_is_no_availability(dataset):
    calm = dataset({"wind_speed": [[2.0], [1.0]], "power_output": [[0.0], [0.0]]})
    assert np.isnan(availability(production_state(calm))["availability"].item())


def test_availability_by_status(dataset):
    codes = vocabulary()["availability_status"].states
    said = ["available", "grid_outage", "forced_outage", "force_majeure", None, "scheduled_maintenance"]
    data = dataset({"availability_status": [[NAN if one is None else float(codes[one])] for one in said]})
    found = availability_by_status(data, window=HOUR)
    assert found["availability"].item() == pytest.approx(2 / 4)
    assert found["neither"].item() == pytest.approx(1 / 6)
    assert found["information_available"].item() == pytest.approx(5 / 6)


def test_a_stop_goes_on_through_lulls_and_gaps_until_power_comes(dataset):
    speed = [8, 8, 2, NAN, 8, 8, 8, 8]
    power = [0, 0, 0, NAN, 0, 500, 0, 500]
    data = dataset({"wind_speed": [[v] for v in speed], "power_output": [[p] for p in power]})
    state = production_state(data)
    could = data["power_output"] * 0 + 600.0
    found = stops(state, could.fillna(600.0))
    assert found.height == 2
    first = found.row(0, named=True)
    assert first["start"] == pd.Timestamp("2015-01-01T00:00")
    assert first["end"] == pd.Timestamp("2015-01-01T00:50")
    assert first["hours_windy"] == pytest.approx(0.5)
    assert first["hours"] == pytest.approx(5 / 6)
    assert first["lost_energy"] == pytest.approx(300.0)
    assert lost_energy(state, could.fillna(600.0)).item() == pytest.approx(400.0)
    assert stops(state, at_least=2).height == 1
    assert stops(state)["lost_energy"].null_count() == 2


def test_no_stops(dataset):
    data = dataset({"wind_speed": [[8.0]] * 3, "power_output": [[100.0]] * 3})
    assert stops(production_state(data)).height == 0


def test_la_haute_borne_stood_two_days_in_july(haute_borne, haute_borne_window):
    turbines, _ = haute_borne
    state = production_state(turbines)
    found = availability(state, window=haute_borne_window)
    assert found["availability"].values == pytest.approx([0.984, 0.994, 0.992, 0.981], abs=0.001)
    assert float(found["information_available"].min()) == pytest.approx(0.9787, abs=0.001)
    hours = sum(found[name] for name in ("producing", "not_producing", "outside", "no_information"))
    assert hours.values == pytest.approx(8760.0)
    longest = stops(state).row(0, named=True)
    assert longest["asset"] == "R80711"
    assert longest["start"] == pd.Timestamp("2015-07-26T06:40")
    assert longest["hours"] == pytest.approx(49.0)
