"""A solar plant told in one place: parts, their reasons, and what faults behind the inverters took from them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pvlib
import pytest
import xarray as xr

from workbench.analytics.solar import assess, expected_power, performance_indicators, solar_loss_waterfall
from workbench.analytics.solar.assessment import PARTS, Assessment, within
from workbench.analytics.solar.assessment_faults import find_faults
from workbench.analytics.solar.plant_record import USED, beside_trackers, charged, inverter_of, plant_record
from workbench.model.errors import InputError
from workbench.model.quality import Quality
from workbench.steps import progress_told

PLACE = pvlib.location.Location(36.78, -119.42, "Etc/GMT+8", 90)
DAYS = 14
NAMES = ("INV1", "INV2", "INV3", "INV4")


def sky() -> tuple[pd.DatetimeIndex, np.ndarray, np.ndarray]:
    """Local times of a quarter of an hour, irradiance in a plane of 25° [W/m²], temperature of the cells [degC]."""
    times = pd.date_range("2024-05-01", periods=96 * DAYS, freq="15min", tz=PLACE.tz)
    middle = times + pd.Timedelta("7.5min")
    clear, position = PLACE.get_clearsky(middle), PLACE.get_solarposition(middle)
    plane = pvlib.irradiance.get_total_irradiance(
        25, 180, position["apparent_zenith"], position["azimuth"], clear["dni"], clear["ghi"], clear["dhi"]
    )["poa_global"].fillna(0)
    cloud = np.random.default_rng(3).uniform(0.6, 1.0, DAYS).repeat(96)
    poa = plane.to_numpy() * cloud
    return times.tz_convert("UTC").tz_localize(None).as_unit("ns"), poa, 18 + 0.03 * poa


def plant(stopped: bool = True) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset, dict[str, str]]:
    """Inverters, their sensor, their strings, and which belongs to which: INV2 has an open string, INV3 stood a morning."""
    times, poa, cell = sky()
    count, size = len(times), len(NAMES)
    rng = np.random.default_rng(5)
    dc = 100.0 * poa / 1000 * (1 - 0.004 * (cell - 25)) * 0.956
    strings = np.repeat(dc[:, None] / 5, 5 * size, axis=1) * (1 + 0.004 * rng.standard_normal((count, 5 * size)))
    strings[96 * 7 :, 7] = 0.0
    made = strings.reshape(count, size, 5).sum(axis=2)
    if stopped:
        made[96 * 3 + 32 : 96 * 3 + 48, 2] = 0.0
    dims = ("time", "asset")
    facts = {
        "dc_capacity": ("asset", np.full(size, 100.0)), "rated_capacity": ("asset", np.full(size, 100.0)),
        "latitude": ("asset", np.full(size, 36.78)), "longitude": ("asset", np.full(size, -119.42)),
        "tilt": ("asset", np.full(size, 25.0)), "azimuth": ("asset", np.full(size, 180.0)),
    }  # fmt: skip
    inverters = xr.Dataset(
        {
            "total_dc_power": (dims, made, {"units": "kW"}),
            "total_ac_power": (dims, made * 0.96, {"units": "kW"}),
        },
        coords={"time": times, "asset": list(NAMES), **facts},
    )
    sensor = xr.Dataset(
        {
            "irradiance_poa": (dims, poa[:, None], {"units": "W/m2"}),
            "cell_temperature": (dims, cell[:, None], {"units": "degC"}),
        },
        coords={"time": times, "asset": ["PYR"]},
    )
    names = [f"{inverter}-S{number}" for inverter in NAMES for number in range(1, 6)]
    parents = {name: name.split("-", maxsplit=1)[0] for name in names}
    below = xr.Dataset(
        {
            "current": (dims, strings * 1000 / 600, {"units": "A"}),
            "voltage": (dims, np.full(strings.shape, 600.0), {"units": "V"}),
        },
        coords={"time": times, "asset": names, "parent": ("asset", [parents[name] for name in names])},
    )
    return inverters, sensor, below, parents


@pytest.fixture(scope="module")
def told() -> Assessment:
    inverters, sensor, strings, parents = plant()
    return assess(
        inverters, weather=(sensor,), strings=strings, parents=parents, tz=str(PLACE.tz), price=50.0,
        lacking={"tracker": "no data of trackers"},
    )  # fmt: skip


def test_its_figures_are_those_of_the_functions(told: Assessment):
    data = told.data
    assert told.irradiance == USED
    again = performance_indicators(data, by=None, timezone=told.tz, irradiance=USED)
    xr.testing.assert_identical(told.kpi.groups, again.groups)
    expected = expected_power(data)
    np.testing.assert_allclose(data["expected_power"], expected["expected_power"], rtol=1e-6)
    assert told.kpi_by.groups.sizes["period"] == DAYS
    assert float(told.capacity.results["capacity_ratio"].sel(asset="INV1")) == pytest.approx(
        float((data["total_ac_power"] / data["expected_power"]).sel(asset="INV1").median()), abs=0.01
    )


def test_the_waterfall_closes_and_names_what_happened(told: Assessment):
    bars = told.waterfall()
    assert bars["energy"].iloc[:-1].sum() == pytest.approx(bars["energy"].iloc[-1], rel=1e-9)
    assert bars.loc["actual", "energy"] == pytest.approx(float(told.data["total_ac_power"].sum()) / 4, rel=1e-3)
    stood = told.waterfall(assets=["INV3"])
    lost = -float(stood.loc["downtime", "energy"])
    other = told.data["total_ac_power"].sel(asset="INV1").values[96 * 3 + 32 : 96 * 3 + 48].sum() / 4
    assert lost == pytest.approx(other, rel=0.1)
    assert -float(stood.loc["downtime", "value"]) == pytest.approx(lost / 1000 * 50)
    assert told.waterfall(assets=["INV1"]).loc["downtime", "energy"] == 0
    # by the function itself, of one period
    alone = solar_loss_waterfall(told.losses.isel(period=[3]))
    pd.testing.assert_frame_equal(told.waterfall(periods=[3]), alone)
    assert float(told.availability.figures["time_availability"].sel(asset="INV3").item()) < 1


def test_an_open_string_is_charged_to_its_inverter(told: Assessment):
    (row,) = told.faults.events.to_dict("records")
    assert (row["asset"], row["fault"], row["kind"], row["inverter"]) == ("INV2-S3", "open string", "string", "INV2")
    assert str(row["begin"])[:10] == "2024-05-08"
    strings = plant()[2]
    missing = float((strings["current"] * strings["voltage"]).sel(asset="INV2-S2").values[96 * 7 :].sum()) / 4000
    assert row["lost_window"] == pytest.approx(missing, rel=0.05)
    assert row["money_window"] == pytest.approx(row["lost_window"] / 1000 * 50)
    by_inverter = told.losses["lost_energy"].sel(category="string").sum("period")
    assert float(by_inverter.sel(asset="INV2")) == pytest.approx(missing, rel=0.05)
    assert float(by_inverter.sel(asset="INV1")) == 0


def test_what_is_not_told_has_its_reason(told: Assessment):
    assert "two years are needed" in told.reasons["degradation"]
    assert told.reasons["cleaning"].startswith("soiling is not known")
    assert told.degradation is None
    assert told.cleaning is None
    assert told.faults.reasons["tracker"] == "no data of trackers"
    assert set(told.reasons) <= set(PARTS)


def test_without_irradiance_or_temperature_parts_say_why():
    inverters, sensor, *_ = plant()
    bare = assess(inverters, tz=str(PLACE.tz), without=("orientation",))
    assert {"expected", "kpi", "losses", "capacity", "degradation"} <= set(bare.reasons)
    assert "irradiance" in bare.reasons["expected"]
    assert bare.availability is not None  # told from the inverters themselves
    cold = assess(inverters, weather=(sensor[["irradiance_poa"]],), tz=str(PLACE.tz), without=("orientation",))
    assert "temperature" in cold.reasons["expected"]
    assert cold.kpi is not None
    assert cold.irradiance == "irradiance_poa"
    assert cold.reasons["orientation"] == "left out"


def test_a_window_and_progress():
    inverters, sensor, strings, parents = plant()
    start, end = (pd.Timestamp(text) for text in ("2024-05-05T08:00", "2024-05-07T08:00"))
    heard: list[tuple[int, int, str]] = []
    yields: list[int] = []
    with progress_told(lambda done, of, what: heard.append((done, of, what))):
        told = assess(
            inverters, window=(start, end), weather=(sensor,), strings=strings, parents=parents, tz=str(PLACE.tz),
            give_way=lambda: yields.append(1),
        )  # fmt: skip
    assert told.kpi_by.groups.sizes["period"] == 2
    assert told.data.sizes["time"] == 192
    assert told.record["time"].values[-1] < end.to_datetime64()  # nothing is known of what comes
    assert len(yields) == len(PARTS)
    shares = [done / of for done, of, _ in heard]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert any(what.startswith("losses") for *_, what in heard)
    assert told.faults.events.empty  # the string opens later


def test_wrong_arguments():
    inverters, _sensor, *_ = plant()
    with pytest.raises(InputError, match="no data in the window"):
        assess(inverters, window=(pd.Timestamp("2030-01-01"), pd.Timestamp("2030-02-01")))
    with pytest.raises(InputError, match="no such part"):
        assess(inverters, without=("everything",))
    with pytest.raises(InputError, match="no AC power"):
        assess(inverters.drop_vars("total_ac_power"))


def test_the_record_takes_the_median_of_sensors_where_an_inverter_has_nothing():
    inverters, sensor, *_ = plant()
    three = xr.concat([sensor.assign_coords(asset=[f"PYR{k}"]) for k in range(3)], "asset")
    three["irradiance_poa"] = three["irradiance_poa"].copy(data=three["irradiance_poa"].values * [1.0, 1.02, 9.0])
    own = inverters.assign(irradiance_poa=(("time", "asset"), np.full((96 * DAYS, 4), 7.0, np.float32)))
    flags = np.zeros((96 * DAYS, 4), np.uint16)
    flags[50, 1] = int(Quality.RANGE)
    own = own.assign(irradiance_poa_quality=(("time", "asset"), flags))
    record = plant_record(own, three.transpose("time", "asset"))
    assert float(record["irradiance_poa"][49, 1]) == 7.0
    assert float(record["irradiance_poa"][50, 1]) == pytest.approx(
        1.02 * float(sensor["irradiance_poa"][50, 0]), rel=1e-5
    )
    assert int(record["irradiance_poa_quality"][50, 1]) == 0
    assert record["cell_temperature"].dims == ("time",)
    late = three.assign_coords(time=three["time"] + np.timedelta64(900, "D"))
    assert "cell_temperature" not in plant_record(inverters, late)


def test_energies_of_other_slots_are_summed_by_inverter():
    inverters, *_ = plant()
    hour = inverters.isel(time=slice(0, 96, 4))
    loss = xr.DataArray(
        np.full((96, 3), 0.25), dims=("time", "asset"),
        coords={"time": inverters["time"].values[:96], "asset": ["A-S1", "A-S2", "LOST"]},
    )  # fmt: skip
    parents = {"A-S1": "A-M1", "A-S2": "A-M1", "A-M1": "INV4"}
    energy, of = charged(loss, hour, parents)
    assert list(of) == ["INV4", "INV4", ""]
    assert np.all(energy.sel(asset="INV4") == 2.0)
    assert float(energy.sum()) == 48.0
    assert inverter_of("A", {"A": "B", "B": "A"}, {"INV4"}) == ""  # a circle ends


def test_a_sensor_on_a_stuck_tracker_does_not_hide_its_loss():
    inverters, sensor, *_ = plant()
    poa = np.repeat(sensor["irradiance_poa"].values, 4, axis=1)
    poa[96:192, 2] *= 0.7
    data = inverters.assign(irradiance_poa=(("time", "asset"), poa, {"units": "W/m2"}))
    times = data["time"].values
    right = beside_trackers(data, [("INV3", times[96], times[191])])
    np.testing.assert_allclose(right["irradiance_poa"].values, np.repeat(sensor["irradiance_poa"].values, 4, axis=1))
    assert beside_trackers(data, []) is data


def test_an_input_that_lacks_what_its_string_lacks_is_no_fault_of_its_own():
    _, _, strings, _parents = plant()
    inverters, sensor, *_ = plant()
    names = [f"{inverter}-M{k}" for inverter in NAMES for k in (1, 2)]
    current = strings["current"].values
    split = np.stack(
        [current[:, 5 * k + a : 5 * k + b].sum(axis=1) for k in range(4) for a, b in ((0, 2), (2, 5))], axis=1
    )
    dims = ("time", "asset")
    inputs = xr.Dataset(
        {
            "input_current": (dims, split, {"units": "A"}),
            "input_voltage": (dims, np.full(split.shape, 600.0), {"units": "V"}),
        },
        coords={"time": strings["time"], "asset": names},
    )
    up = {f"{i}-S{n}": f"{i}-M{1 if n <= 2 else 2}" for i in NAMES for n in range(1, 6)} | {
        n: n.split("-")[0] for n in names
    }
    window = (pd.Timestamp("2024-05-01"), pd.Timestamp("2024-06-01"))
    found = find_faults(plant_record(inverters, sensor), strings=strings, mppts=inputs, parents=up, window=window)
    assert list(found.events["kind"]) == ["string"]
    assert float(found.charged["mppt"].sum()) < 0.1 * float(found.charged["string"].sum())
    whole = find_faults(plant_record(inverters, sensor), mppts=inputs, parents=up, window=window)
    assert list(whole.events["asset"]) == ["INV2-M2"]


def test_within_is_half_open():
    inverters, *_ = plant()
    times = inverters["time"].values
    assert within(inverters, (pd.Timestamp(times[4]), pd.Timestamp(times[8]))).sizes["time"] == 4
