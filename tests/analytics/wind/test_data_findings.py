"""Checks of a record in sentences: on La Haute Borne, with faults put in, and where a check cannot be made."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.analytics.wind import data_findings, find_spikes
from workbench.model.errors import InputError
from workbench.transforms.quality import flag_quality

YEAR = (pd.Timestamp("2014-12-31T23:00"), pd.Timestamp("2015-12-31T23:00"))
CHECKS = {"flags", "clock", "daylight_saving", "northing", "icing", "curtailment", "drift"}


@pytest.fixture(scope="module")
def record(two_years) -> xr.Dataset:
    return flag_quality(two_years)


@pytest.fixture(scope="module")
def found(record, reanalyses):
    wind = reanalyses["era5"]["wind_speed"]
    return data_findings(record, YEAR, reference=wind, reference_name="ERA5", tz="Europe/Paris")


def test_la_haute_borne_is_read_as_its_record_is(found):
    assert set(found.readings) == CHECKS
    assert found.reasons == {}
    # the plant's clock did not follow daylight saving: see the catalog of the site
    assert (
        "all turbines are an hour early from 30 Mar 2014 to 26 Oct 2014 and from 29 Mar 2015"
        in found.readings["daylight_saving"]
    )
    assert "no clock is off against" in found.readings["clock"]
    assert "R80790 is off by +128° from 09 Jun 2015" in found.readings["northing"]
    assert "wind speed of R80711 drifts" in found.readings["drift"]
    assert "No temperature sensor drifts" in found.readings["drift"]
    assert "as there is no set point" in found.readings["curtailment"]


def test_the_counts_are_those_of_the_flags_in_the_period(found, record):
    times = pd.DatetimeIndex(record["time"].values)
    part = record.isel(time=np.flatnonzero((times >= YEAR[0]) & (times < YEAR[1])))
    stuck = sum(int((part[name] & 64 > 0).sum()) for name in part.data_vars if str(name).endswith("_quality"))
    assert int(found.counts["stuck"].sum()) == stuck > 0
    assert found.counts["duplicate"].values.tolist() == [6] * 4  # the hour after the change of the clock in spring
    gaps = (part["gap"] > 0).sum("time").values / 6
    np.testing.assert_allclose(found.counts["gap"], gaps)
    assert found.counts["gap"].idxmax().item() == "R80721"
    judged = found.counts["icing_judged"].values
    assert ((judged > 8000) & (judged <= 8760)).all()
    held = found.counts["curtailed"] + found.counts["derated"]
    assert (held <= found.counts["curtailment_judged"]).all()
    assert (found.counts["curtailed_energy"] >= 0).all()


def test_faults_put_in_are_counted_where_they_are(record):
    data = record.isel(time=slice(0, 20_000)).copy(deep=True)
    window = (pd.Timestamp(data["time"].values[5_000]), pd.Timestamp(data["time"].values[15_000]))
    before = data_findings(data, window)
    # some before the window: they are not of the period
    for row in (1_000, 6_000, 7_000, 8_000, 9_000):
        data["temperature"][row, 1] += 9.0
    data["power_output"][10_000:10_048, 2] = 500 + np.arange(48) % 3
    data["wind_speed"][10_000:10_048, 2] = 9.0 + np.arange(48) % 2 / 10
    data["blade_pitch_angle"][10_000:10_048, 2] = 12.0
    after = data_findings(data, window)
    difference = {name: (after.counts[name] - before.counts[name]).values for name in ("spike", "curtailed")}
    assert difference["spike"].tolist() == [0, 4, 0, 0]
    assert difference["curtailed"][[0, 1, 3]].tolist() == [0, 0, 0]
    assert difference["curtailed"][2] == pytest.approx(8, abs=0.5)


def test_a_front_that_passes_all_turbines_is_no_spike(two_years):
    data = two_years.isel(time=slice(0, 5_000)).copy(deep=True)
    assert not find_spikes(data, "temperature", least=3.0).any()
    data["temperature"][2_000] -= 6.0
    assert not find_spikes(data, "temperature", least=3.0).any()
    data["temperature"][2_500, 3] -= 6.0
    at = np.argwhere(find_spikes(data, "temperature", least=3.0).values)
    assert at.tolist() == [[2_500, 3]]
    data["temperature"][3_000:, 0] += 6.0  # a step does not come back
    assert len(np.argwhere(find_spikes(data, "temperature", least=3.0).values)) == 1


def test_what_cannot_be_told_says_why(record):
    one = record.isel(asset=[0], time=slice(0, 4_000)).drop_vars(["temperature", "temperature_quality"])
    window = (pd.Timestamp("2014-01-05"), pd.Timestamp("2014-01-20"))
    found = data_findings(one, window)
    assert set(found.readings) == {"flags", "curtailment"}
    assert set(found.readings) | set(found.reasons) == CHECKS
    assert "fewer than two neighbours" in found.reasons["clock"]
    assert "without a reanalysis" in found.reasons["daylight_saving"]
    assert "without a temperature" in found.reasons["icing"]
    assert "temperature: not measured" in found.reasons["drift"]
    assert "icing_loss" not in found.counts
    with pytest.raises(InputError, match="no data in the period"):
        data_findings(one, (pd.Timestamp("2030-01-01"), pd.Timestamp("2031-01-01")))


def test_a_set_point_says_what_was_held_down(record):
    data = record.isel(time=slice(0, 10_000))
    # every other day, so that the usual power is known
    held = (data["wind_speed"] > 9) & (data["time"].dt.day % 2 == 0)
    limit = xr.where(held, 1_000.0, 2_050.0).where(data["wind_speed"].notnull())
    data = data.assign(power_setpoint=limit.transpose("time", "asset"))
    data["power_output"] = data["power_output"].clip(max=limit).transpose("time", "asset").assign_attrs(units="kW")
    window = (pd.Timestamp("2014-01-05"), pd.Timestamp("2014-03-01"))
    found = data_findings(data, window)
    assert "by the set point" in found.readings["curtailment"]
    assert (found.counts["curtailed"] + found.counts["derated"] > 0).all()
