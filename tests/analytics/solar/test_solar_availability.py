"""Availability: the published example to the kilowatt-hour, each input removed in turn, and bad input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.analytics.solar.availability import CATEGORIES, solar_availability
from workbench.model.errors import InputError
from workbench.model.quality import Quality, add_flags
from workbench.steps import get_step, remarks

#: RdTools, docs/system_availability_example: lost and actual production by day [kWh].
LOST = [0, 4113.505, 9395.599, 9465.191, 9521.047, 0, 2859.178, 19445.360, 0, 0, 0]
MADE = [19604.252, 15581.457, 10397.796, 10474.811, 10536.625, 20183.110, 17457.072, 0, 20605.339, 20761.130, 20924.306]


def example() -> tuple[xr.Dataset, xr.Dataset]:
    """RdTools' example by its description: eleven clear days at 40 N 80 W, three inverters, outages and lost messages.

    The expected power is 0.9 - 0.3 sin(n/7 + noise) of the true one, noise of 0.2 by numpy's seed 2020.
    """
    import pvlib

    local = pd.date_range("2019-01-01", "2019-01-12", freq="15min", tz="US/Eastern", inclusive="left")
    sky = pvlib.location.Location(40, -80).get_clearsky(local, model="haurwitz")["ghi"].to_numpy()
    power = np.where(sky < 20, 0.0, 2.5 * sky)[:, None] * [1.0, 1.5, 0.66]
    noise = np.random.RandomState(2020).normal(0, 0.2, len(local))
    expected = power.sum(axis=1) * (0.9 - 0.3 * np.sin(np.arange(len(local)) / 7 + noise))
    day, hour = local.day.to_numpy(), local.hour.to_numpy() + local.minute.to_numpy() / 60
    power[(day >= 3) & (day <= 5), 1] = 0
    power[day == 2, 2] = 0
    power[(day == 7) & (hour <= 12), 0] = 0
    power[day == 8] = 0
    meter = power.sum(axis=1)
    counter = 5e5 + np.cumsum(meter) / 4
    power[(day == 5) | (day == 6), 0] = np.nan
    unheard = (day == 8) | (day == 10)
    power[unheard] = np.nan
    times = local.tz_convert("UTC").tz_localize(None).as_unit("ns").to_numpy()
    data = xr.Dataset(
        {
            "total_ac_power": (("time", "asset"), power, {"units": "kW"}),
            "expected_power": (("time", "asset"), np.outer(expected, np.ones(3) / 3), {"units": "kW"}),
        },
        coords={"time": times, "asset": ["I1", "I2", "I3"]},
        attrs={"timezone": "US/Eastern"},
    )
    at_meter = {
        "active_power": ("time", np.where(unheard, np.nan, meter), {"units": "kW"}),
        "energy_export": ("time", np.where(unheard, np.nan, counter), {"units": "kWh"}),
    }
    return data, xr.Dataset(at_meter, coords={"time": times})


@pytest.fixture(scope="module")
def plant() -> tuple[xr.Dataset, xr.Dataset]:
    return example()


def test_the_example_of_rdtools(plant):
    data, meter = plant
    found = solar_availability(data, meter=meter, price=0.1)
    figures = found.figures.isel(period=0)
    assert float(figures["plant_energy_availability"]) == pytest.approx(0.7524, abs=1e-4)
    assert float(figures["plant_lost_energy"]) == pytest.approx(54_799.9, rel=1e-5)
    assert float(figures["plant_lost_money"]) == pytest.approx(5_479.99, rel=1e-5)
    assert float(figures["plant_known"]) == 1
    assert found.cautions == ()
    daily = solar_availability(data, meter=meter, by="day").figures
    assert daily["plant_lost_energy"].values == pytest.approx(LOST, abs=1e-3)
    assert daily["plant_energy"].values == pytest.approx(MADE, abs=1e-3)
    # all that is lost and made is that of the inverters
    assert daily["lost_energy"].sum("asset").values == pytest.approx(daily["plant_lost_energy"].values)
    assert daily["energy"].sum("asset").values == pytest.approx(daily["plant_energy"].values)
    # its table of full outages
    assert list(found.outages["kind"]) == ["outage", "communication"]
    assert found.outages["expected_energy"].values == pytest.approx([19445.36, 25282.20], abs=5e-3)
    assert found.outages["lowest_energy"].values == pytest.approx([14817.11, 19264.71], abs=5e-3)


def test_what_stands_and_what_is_not_heard(plant):
    data, meter = plant
    found = solar_availability(data, meter=meter)
    noon = found.slots["availability_category"].isel(time=slice(50, None, 96)).values
    words = [[CATEGORIES[code] for code in row] for row in noon]
    assert words[0] == ["running"] * 3
    assert words[4] == ["communication_loss", "inverter_outage", "running"]
    assert words[5] == ["communication_loss", "running", "running"]
    assert words[7] == ["plant_outage"] * 3
    assert words[9] == ["communication_loss"] * 3
    plant_noon = [CATEGORIES[code] for code in found.slots["plant_category"].isel(time=slice(50, None, 96)).values]
    assert plant_noon[1] == plant_noon[4] == "partial_outage"
    assert plant_noon[7] == "plant_outage"
    time = found.figures["time_availability"].isel(period=0).values
    # days out of eleven: I1 one and most of a morning, I2 three and one, I3 one and one
    assert time[1:] == pytest.approx([1 - 4 / 11, 1 - 2 / 11], abs=0.005)


@pytest.mark.parametrize(
    ("without", "availability", "says"),
    [
        ("total_ac_power", 0.7524, "no power of inverters"),
        ("active_power", 0.7524, "no power of the meter"),
        ("energy_export", None, "no energy counter"),
        ("expected_power", 0.7524, "the plant's usual day"),
    ],
)
def test_each_input_removed_in_turn(plant, without, availability, says):
    data, meter = (one.drop_vars(without, errors="ignore") for one in plant)
    found = solar_availability(data, meter=meter)
    figures = found.figures.isel(period=0)
    assert any(says in text for text in found.cautions)
    if availability is not None:
        assert float(figures["plant_energy_availability"]) == pytest.approx(availability, abs=0.005)
    else:
        # two days of silence are unknown: the truth lies between the bounds
        assert list(found.outages["kind"]) == ["unknown", "unknown"]
        assert float(figures["plant_lost_energy"]) < 54_799.9 < float(figures["plant_lost_energy_possible"])
        assert float(figures["plant_known"]) == pytest.approx(9 / 11, abs=0.01)


def test_without_any_meter_a_zero_stands_and_silence_is_unknown(plant):
    found = solar_availability(plant[0])
    assert any("no meter" in text for text in found.cautions)
    assert float(found.figures["plant_lost_energy"][0]) == pytest.approx(sum(LOST) - LOST[7], rel=1e-3)
    noon = found.slots["availability_category"].values[5 * 96 + 50]
    assert CATEGORIES[noon[0]] == "unknown"


def test_a_clear_sky_stands_in_where_the_place_is_known(plant):
    data, meter = plant
    data = data.drop_vars("expected_power").assign_coords(
        latitude=("asset", [40.0] * 3), longitude=("asset", [-80.0] * 3)
    )
    found = solar_availability(data, meter=meter)
    assert any("clear sky" in text for text in found.cautions)
    assert float(found.figures["plant_energy_availability"][0]) == pytest.approx(0.7524, abs=0.005)


def test_counters_of_the_inverters_stand_in_for_that_of_the_meter(plant):
    data, meter = plant
    parts = np.outer(meter["energy_export"].values, [0.2, 0.5, 0.3])
    data = data.assign(energy_lifetime=(("time", "asset"), parts, {"units": "kWh"}))
    found = solar_availability(data, meter=meter.drop_vars("energy_export"))
    assert float(found.figures["plant_lost_energy"][0]) == pytest.approx(54_799.9, rel=1e-5)


def test_an_outage_of_the_grid_is_told_and_may_be_left_out(plant):
    data, meter = plant
    away = np.ones((data.sizes["time"], 3))  # connected
    away[7 * 96 : 8 * 96] = 4
    data = data.assign(grid_connection=(("time", "asset"), away))
    found = solar_availability(data, meter=meter)
    assert "grid" in list(found.outages["kind"])
    assert CATEGORIES[found.slots["plant_category"].values[7 * 96 + 50]] == "grid_outage"
    left_out = solar_availability(data, meter=meter, count_grid=False).figures
    assert float(left_out["plant_lost_energy"][0]) == pytest.approx(sum(LOST) - LOST[7], rel=1e-5)


def test_gaps_units_and_flags(plant):
    data, meter = plant
    reference = float(solar_availability(data, meter=meter).figures["plant_lost_energy"][0])
    # slots of the silent days are not in the record at all; the meter counts in MW and MWh
    there = np.isfinite(data["total_ac_power"]).any("asset")
    gappy = data.isel(time=np.flatnonzero(there.values))
    mega = meter.assign(
        {n: (meter[n] / 1000).assign_attrs(units=u) for n, u in (("active_power", "MW"), ("energy_export", "MWh"))}
    )
    found = solar_availability(gappy.assign_attrs(cadence="15min"), meter=mega)
    assert float(found.figures["plant_lost_energy"][0]) == pytest.approx(reference, rel=0.06)
    # a value that is flagged is one that was not sent
    bad = add_flags(data, "total_ac_power", xr.zeros_like(data["total_ac_power"], dtype=bool), Quality.STUCK)
    assert float(solar_availability(bad, meter=meter).figures["plant_lost_energy"][0]) == pytest.approx(reference)


def test_night_only_and_a_plant_that_never_ran(plant):
    data, meter = plant
    night = solar_availability(data.isel(time=slice(0, 20)), meter=meter)
    assert np.isnan(night.figures["plant_time_availability"].values[0])
    assert night.figures["plant_reason"].values[0] == "no daylight in the period"
    dead = data.assign(total_ac_power=data["total_ac_power"] * 0).drop_vars("expected_power")
    dead = dead.assign(irradiance_poa=("time", np.clip(data["expected_power"].sum("asset").values / 8, 0, None)))
    found = solar_availability(dead).figures
    assert float(found["plant_time_availability"][0]) == 0
    assert np.isnan(found["plant_lost_energy"].values[0])
    assert "nothing ever ran" in found["plant_reason"].values[0]
    rated = solar_availability(dead.assign_coords(dc_capacity=("asset", [800.0, 1200.0, 500.0]))).figures
    assert float(rated["plant_energy_availability"][0]) == 0
    possible = float(dead["irradiance_poa"].sum() / 4 * 2.5)
    assert float(rated["plant_lost_energy_possible"][0]) == pytest.approx(possible, rel=0.01)


def test_what_cannot_be_told_is_refused(plant):
    data, meter = plant
    with pytest.raises(InputError, match="neither power"):
        solar_availability(data.drop_vars("total_ac_power"))
    with pytest.raises(InputError, match="no time in common"):
        solar_availability(data, meter=meter.assign_coords(time=meter["time"] + np.timedelta64(900, "D")))
    with pytest.raises(InputError, match="no such time zone"):
        solar_availability(data, meter=meter, timezone="Mars/Olympus")
    with pytest.raises(InputError, match="negative price"):
        solar_availability(data, meter=meter, price=-1.0)


def test_the_step(plant):
    data, meter = plant
    with remarks() as told:
        made = get_step("solar_availability")(data.drop_attrs(), meter=meter, price=0.1, currency="USD")
    assert made["energy_availability"].attrs["plant"] == pytest.approx(0.7524, abs=1e-4)
    assert made["outage_lost_money"].attrs["units"] == "USD"
    assert float(made["outage_loss"].sum()) == pytest.approx(54_799.9, rel=1e-5)
    assert any("no time zone" in text for text in told)
