"""Faults of strings, trackers and inverters: small plants of known truth, and what data may lack."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pvlib
import pytest
import xarray as xr

from workbench.analytics.solar import inverter_faults, string_faults, tracker_faults
from workbench.analytics.solar.fault_segments import segments_of
from workbench.model.errors import InputError
from workbench.steps import get_step, remarks

DAYS, SLOTS = 40, 48
SPAN = DAYS * SLOTS
TIMES = pd.date_range("2024-05-01", periods=SPAN, freq="30min", unit="ns")
HOUR = (TIMES.hour + TIMES.minute / 60).to_numpy()


def sun(seed: int = 3) -> Any:
    """Share of the top in each slot, with clouds; the same for all."""
    rng = np.random.default_rng(seed)
    clear = np.clip(np.cos((HOUR - 12) / 14 * 2 * np.pi), 0, None)
    return clear * np.where(np.repeat(rng.random(DAYS) < 0.4, SLOTS), rng.uniform(0.2, 1, SPAN), 1.0)


def strings(count: int = 10, *, seed: int = 3, parallel: float = 1.0) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    light = sun(seed)[:, None]
    current = 9 * parallel * light * rng.normal(1, 0.015, count) * rng.normal(1, 0.006, (SPAN, count))
    voltage = np.where(light > 0, 760.0, 0.0) * rng.normal(1, 0.002, (SPAN, count))
    dims = ("time", "asset")
    return xr.Dataset(
        {"current": (dims, current, {"units": "A"}), "voltage": (dims, voltage, {"units": "V"})},
        coords={
            "time": TIMES, "asset": [f"S{n:02d}" for n in range(count)], "parent": ("asset", ["I1"] * count),
            "asset_type": ("asset", ["string"] * count),
        },
    )  # fmt: skip


def changed(
    data: xr.Dataset, column: int, factor: Any, day: int, name: str = "current", until: int = DAYS
) -> xr.Dataset:
    values = data[name].values.copy()
    values[day * SLOTS : until * SLOTS, column] *= factor
    return data.assign({name: (data[name].dims, values, data[name].attrs)})


def test_strings_of_several_faults_are_told_with_their_day_and_energy():
    clean = strings()
    power = (clean["current"] * clean["voltage"]).values / 1000 * 0.5
    data = changed(changed(changed(clean, 1, 0.0, 15), 3, 0.88, 20), 5, -1.0, 10, until=25)
    morning = np.where(HOUR[25 * SLOTS :] < 10, 0.4, 1.0)
    data = changed(data, 7, morning, 25)
    found = string_faults(data, price=0.1)
    table = found.events.set_index("asset")
    assert table["fault"].to_dict() == {"S01": "open string", "S03": "weak string", "S05": "sensor", "S07": "shaded"}
    begin = (table["begin"] - TIMES[0]).dt.days
    assert abs(begin["S01"] - 15) <= 1
    assert abs(begin["S03"] - 20) <= 1
    assert abs(begin["S05"] - 10) <= 1
    assert not table["ongoing"]["S05"]
    assert table["ongoing"][["S01", "S03", "S07"]].all()
    assert table["lost_energy"]["S01"] == pytest.approx(power[15 * SLOTS :, 1].sum(), rel=0.03)
    assert table["lost_energy"]["S03"] == pytest.approx(0.12 * power[20 * SLOTS :, 3].sum(), rel=0.1)
    assert table["lost_energy"]["S05"] == 0
    assert table["lost_money"]["S01"] == pytest.approx(0.1 * table["lost_energy"]["S01"])
    # the fields hold what the table says
    assert float(found.slots["loss"].sum()) == pytest.approx(table["lost_energy"].sum(), rel=1e-4)
    assert float(found.daily["loss"].sum()) == pytest.approx(table["lost_energy"].sum(), rel=1e-4)


def test_clean_strings_an_inverter_that_stands_and_missing_data_are_no_faults():
    data = strings(seed=4)
    values = data["current"].values.copy()
    values[10 * SLOTS : 12 * SLOTS + 30] = 0.0  # the inverter stands
    values[20 * SLOTS : 21 * SLOTS + 5] = np.nan
    values[np.random.default_rng(1).random(values.shape) < 0.05] = np.nan
    values[:, 2] *= 1.04  # a gain that was always so
    assert string_faults(data.assign(current=(("time", "asset"), values))).events.empty


def test_one_of_twenty_strings_in_totals_is_found_when_the_next_day_has_ended():
    data = strings(12, parallel=20.0).rename(current="total_dc_current", voltage="total_dc_voltage").drop_vars("parent")
    data = data.assign_coords(
        asset_type=("asset", ["inverter"] * 12), string_count=("asset", [20.0] * 12), asset=[f"I{n}" for n in range(12)]
    )
    data = changed(data, 4, 0.95, 30, "total_dc_current").isel(time=slice(0, 31 * SLOTS))
    table = string_faults(data).events
    assert list(table["asset"]) == ["I4"]
    assert table["fault"][0] == "open string"
    assert "1 of 20" in table["detail"][0]
    assert (table["begin"][0] - TIMES[0]).days in (29, 30)


def test_a_combiner_of_ten_strings_is_weak_or_has_an_open_one_by_how_much_it_lacks():
    data = strings(10, parallel=10.0).assign_coords(string_count=("asset", [10.0] * 10))
    data = changed(changed(data, 2, 0.9, 25), 6, 0.88, 25)
    table = string_faults(data).events.set_index("asset")
    assert table["fault"].to_dict() == {"S02": "open string", "S06": "weak string"}
    assert table["detail"]["S02"].startswith("as 1 of 10 strings open: low at all hours by")
    for name, size in (("S02", 10.0), ("S06", 12.0)):
        fall, error = table["detail"][name].split("by ")[1].split(" %")[0].split(" ± ")
        assert abs(float(fall) - size) < 2 * float(error) < 1.0
    # of five times the noise, when the second day has ended: what cannot be told is said
    loud = data["current"] * np.random.default_rng(5).normal(1, 0.03, data["current"].shape)
    first = string_faults(data.assign(current=loud.assign_attrs(units="A")).isel(time=slice(0, 27 * SLOTS))).events
    assert "or all are weak" in first.set_index("asset")["detail"]["S06"]


def test_inputs_with_shorted_modules_a_stuck_voltage_and_none_at_all():
    rng = np.random.default_rng(7)
    data = strings(8, parallel=2.0)
    moves = 1 + 0.03 * np.sin(HOUR / 24 * 6 * np.pi)[:, None] * rng.normal(1, 0.02, (SPAN, 8))
    data = data.assign(voltage=data["voltage"] * moves).rename(current="input_current", voltage="input_voltage")
    data = data.assign_coords(
        asset_type=("asset", ["mppt"] * 8), string_count=("asset", [2.0] * 8), modules_per_string=("asset", [24.0] * 8)
    )
    data = changed(data, 1, 1 - 3 / 72, 12, "input_voltage")
    data = changed(data, 2, 0.0, 18, "input_current")
    stuck = data["input_voltage"].values.copy()
    stuck[22 * SLOTS :, 5] = np.where(stuck[22 * SLOTS :, 5] > 0, 770.0, 0.0)
    table = string_faults(data.assign(input_voltage=(("time", "asset"), stuck))).events.set_index("asset")
    assert table["fault"].to_dict() == {"S01": "shorted modules", "S02": "input out", "S05": "mppt stuck"}
    assert "3 thirds" in table["detail"]["S01"]


def test_what_strings_may_lack_is_said():
    data = strings()
    with pytest.raises(InputError, match="neither a current nor a power"):
        string_faults(data[["voltage"]].rename(voltage="volts"))
    with pytest.raises(InputError, match="reversed signs"):
        string_faults(data.assign(current=-data["current"]))
    with pytest.raises(InputError, match="night alone"):
        string_faults(data.assign(current=data["current"] * 0))
    watts = (data["current"] * data["voltage"]).assign_attrs(units="kW")
    with pytest.raises(InputError, match="another unit"):
        string_faults(data.assign(power=watts))
    with pytest.raises(InputError, match="out of range"):
        string_faults(data, least_loss=4.0)
    few = string_faults(data.isel(asset=slice(0, 3)))
    assert few.events.empty
    assert "4 are needed" in few.reasons["S00"]
    alone = string_faults(changed(data, 1, 0.0, 20)[["current"]].drop_vars("parent"))
    assert np.isnan(alone.events["lost_energy"][0])
    assert "nominal_voltage" in alone.reasons["S01"]


def trackers(*, position: bool) -> xr.Dataset:
    """Six trackers under a clear sky; one stands at 40 degrees from the twentieth day on."""
    where = pvlib.location.Location(40.0, 0.0)
    times = pd.date_range("2024-05-01", periods=30 * SLOTS, freq="30min", tz="UTC")
    middle = times + pd.Timedelta("15min")
    place = where.get_solarposition(middle)
    sky = where.get_clearsky(middle, solar_position=place)
    zenith, azimuth = place["apparent_zenith"].to_numpy(), place["azimuth"].to_numpy()
    theta = np.nan_to_num(
        np.asarray(pvlib.tracking.singleaxis(zenith, azimuth, 0, 180, 60, True, 0.4)["tracker_theta"])
    )
    angle = np.repeat(theta[:, None], 6, axis=1)
    angle[20 * SLOTS :, 2] = 40.0
    rng = np.random.default_rng(2)

    def power(turned: Any) -> Any:
        face = pvlib.tracking.calc_surface_orientation(turned, 0, 180)
        found = pvlib.irradiance.get_total_irradiance(
            np.asarray(face["surface_tilt"]), np.asarray(face["surface_azimuth"]), zenith, azimuth, sky["dni"].to_numpy(),
            sky["ghi"].to_numpy(), sky["dhi"].to_numpy(),
        )  # fmt: skip
        return np.nan_to_num(np.asarray(found["poa_global"])) * 0.1

    made = np.stack([power(angle[:, c]) for c in range(6)], axis=1) * rng.normal(1, 0.01, (len(times), 6))
    dims = ("time", "asset")
    fields: dict[str, Any] = {"total_dc_power": (dims, made, {"units": "kW"})}
    if position:
        fields["tracker_position"] = (dims, angle + rng.normal(0, 0.2, angle.shape), {"units": "degree"})
    data = xr.Dataset(
        fields,
        coords={
            "time": times.tz_localize(None), "asset": [f"T{n}" for n in range(6)], "latitude": ("asset", [40.0] * 6),
            "longitude": ("asset", [0.0] * 6),
        },
    )  # fmt: skip
    data.attrs["lost"] = float((power(theta) - power(angle[:, 2])).sum() / 2)
    return data


@pytest.mark.parametrize("position", [True, False])
def test_a_tracker_that_stands_is_told_from_its_angle_and_from_power_alone(position: bool):
    data = trackers(position=position)
    table = tracker_faults(data).events
    assert list(table["asset"]) == ["T2"]
    assert table["fault"][0] == "stuck"
    assert table["angle"][0] == pytest.approx(40, abs=5 if not position else 0.5)
    assert abs((table["begin"][0] - TIMES[0]).total_seconds() / 86400 - 20) < 1
    assert table["lost_energy"][0] == pytest.approx(data.attrs["lost"], rel=0.05)
    # and when that day has ended
    early = tracker_faults(data.isel(time=slice(0, 21 * SLOTS))).events
    assert list(early["asset"]) == ["T2"]


def test_a_stow_in_wind_and_an_offset_of_a_tracker():
    data = trackers(position=True).drop_vars("total_dc_power")
    angle = data["tracker_position"].values.copy()
    angle[:, 2] = angle[:, 1]  # none stands
    angle[15 * SLOTS :, 4] += 6.0
    windy = np.zeros(len(angle), bool)
    windy[10 * SLOTS + 16 : 10 * SLOTS + 34] = True
    angle[windy] = 0.0
    table = tracker_faults(data.assign(tracker_position=(("time", "asset"), angle))).events
    assert list(table["asset"]) == ["T4"]
    assert table["fault"][0] == "offset"
    assert table["angle"][0] == pytest.approx(6, abs=0.3)
    assert np.isnan(table["lost_energy"][0])
    sized = data.assign(tracker_position=(("time", "asset"), angle)).assign_coords(dc_capacity=("asset", [100.0] * 6))
    assert 0 < tracker_faults(sized).events["lost_energy"][0] < 200


def test_a_position_that_power_contradicts_for_days_is_not_believed():
    data = trackers(position=True)
    angle = data["tracker_position"].values.copy()
    angle[:, 2] = angle[:, 1]  # it stands at 40 degrees, and its sensor says that it tracks
    angle[12 * SLOTS :, 5] += 15.0  # it tracks, and its sensor says that it is off
    data = data.assign(tracker_position=(("time", "asset"), angle))
    table = tracker_faults(data).events.set_index("asset")
    assert table["fault"].to_dict() == {"T2": "position sensor", "T5": "position sensor"}
    assert ((table["begin"] - TIMES[0]).dt.days - pd.Series({"T2": 20, "T5": 12})).abs().max() <= 1
    assert table["angle"]["T2"] == pytest.approx(40, abs=5)
    assert table["lost_energy"]["T2"] == pytest.approx(data.attrs["lost"], rel=0.05)
    assert table["angle"]["T5"] == pytest.approx(15, abs=0.5)
    assert table["lost_energy"]["T5"] == 0
    # two days are too few to doubt a sensor
    early = tracker_faults(data.isel(time=slice(0, 22 * SLOTS))).events.set_index("asset")
    assert list(early.index) == ["T5"]


def test_what_trackers_may_lack_is_said():
    data = trackers(position=True)
    with pytest.raises(InputError, match="where the trackers stand is not known"):
        tracker_faults(data.drop_vars(["latitude", "longitude"]))
    with pytest.raises(InputError, match="neither a position nor a power"):
        tracker_faults(data[["tracker_position"]].rename(tracker_position="x"))
    few = tracker_faults(data.drop_vars("tracker_position").isel(asset=slice(0, 2)))
    assert "four are needed" in few.reasons["T0"]


def inverters() -> xr.Dataset:
    rng = np.random.default_rng(6)
    offered = 110 * sun(6)[:, None] * rng.normal(1, 0.004, (SPAN, 6))
    dc = np.minimum(offered, 102.0)
    ac = np.where(dc > 1, dc - 0.4 - 0.015 * dc, 0.0)
    heat = 25 + 0.3 * ac + rng.normal(0, 0.5, ac.shape)
    dims = ("time", "asset")
    return xr.Dataset(
        {
            "total_ac_power": (dims, ac, {"units": "kW"}),
            "total_dc_power": (dims, dc * rng.normal(1, 0.003, dc.shape), {"units": "kW"}),
            "heatsink_temperature": (dims, heat, {"units": "degC"}),
        },
        coords={"time": TIMES, "asset": [f"I{n}" for n in range(6)], "rated_capacity": ("asset", [100.0] * 6)},
    )


def test_an_inverter_that_loses_efficiency_and_one_that_derates():
    data = inverters()
    assert inverter_faults(data).events.empty
    ac, dc, heat = (data[n].values.copy() for n in ("total_ac_power", "total_dc_power", "heatsink_temperature"))
    late = slice(22 * SLOTS, None)
    lost = 0.02 * ac[late, 1].sum() / 2
    ac[late, 1] *= 0.98
    held = np.minimum(ac[late, 3], 60.0)
    derated = (ac[late, 3] - held).sum() / 2
    ac[late, 3], dc[late, 3] = held, np.minimum(dc[late, 3], 61.3)
    heat[late, 3] += 20.0
    dims = ("time", "asset")
    data = data.assign(total_ac_power=(dims, ac), total_dc_power=(dims, dc), heatsink_temperature=(dims, heat))
    table = inverter_faults(data).events.set_index("asset")
    assert table["fault"].to_dict() == {"I1": "efficiency", "I3": "temperature derating"}
    assert ((table["begin"] - TIMES[0]).dt.days - 22).abs().max() <= 1
    assert table["lost_energy"]["I1"] == pytest.approx(lost, rel=0.1)
    assert table["lost_energy"]["I3"] == pytest.approx(derated, rel=0.05)
    # by order of the grid it is no fault
    order = np.full(ac.shape, 100.0)
    order[late, 3] = 60.0
    assert list(inverter_faults(data.assign(power_setpoint=(dims, order))).events["asset"]) == ["I1"]


def test_an_inverter_that_follows_its_peers_late_is_at_no_limit():
    data = inverters()
    ac, dc = (data[n].values.copy() for n in ("total_ac_power", "total_dc_power"))
    for values in (ac, dc):
        for k in range(1, SPAN):
            values[k, 4] = values[k - 1, 4] + 0.5 * (values[k, 4] - values[k - 1, 4])
    dims = ("time", "asset")
    assert inverter_faults(data.assign(total_ac_power=(dims, ac), total_dc_power=(dims, dc))).events.empty


def test_what_inverters_may_lack_is_said():
    data = inverters()
    with pytest.raises(InputError, match="no field 'total_ac_power'"):
        inverter_faults(data.drop_vars("total_ac_power"))
    with pytest.raises(InputError, match="no efficiency"):
        inverter_faults(data.rename(total_ac_power="total_dc_power", total_dc_power="total_ac_power"))
    bare = inverter_faults(data[["total_ac_power"]].isel(asset=[0]))
    assert "no total_dc_power" in bare.reasons["I0"]
    assert "4 are needed" in bare.reasons["I0"]


def test_steps_give_the_loss_of_each_slot_and_remark_what_they_found():
    with remarks() as said:
        made = get_step("string_faults")(changed(strings(), 1, 0.0, 15))
    assert any("S01: open string from 2024-05-16" in text for text in said)
    assert made["string_fault_loss"].sum().item() == pytest.approx(
        string_faults(changed(strings(), 1, 0.0, 15)).events["lost_energy"].sum(), rel=1e-4
    )
    assert set(np.unique(made["string_fault"].sel(asset="S01").values)) == {0, 3}
    assert float(made["string_index"].sel(asset="S01")[-SLOTS // 2]) == pytest.approx(0.0, abs=0.01)


def test_levels_of_a_series_and_one_stray_day():
    rng = np.random.default_rng(1)
    values = np.r_[rng.normal(1, 0.01, 30), rng.normal(0.9, 0.01, 30)]
    values[10] = 0.5
    values[40:43] = np.nan
    found = segments_of(values, np.full(60, 0.01))
    assert [(s.first, s.stop) for s in found] == [(0, 10), (10, 11), (11, 30), (30, 60)]
    assert found[-1].level == pytest.approx(0.9, abs=0.006)
    assert found[-1].days == 27


def test_what_was_found_can_be_written(tmp_path: Any):
    found = string_faults(changed(strings(), 1, 0.0, 15))
    found.daily.drop_encoding().to_netcdf(tmp_path / "daily.nc")
    back = xr.open_dataset(tmp_path / "daily.nc").load()
    np.testing.assert_allclose(back["index"].values, found.daily["index"].values)
    assert len(found.day) == SPAN
