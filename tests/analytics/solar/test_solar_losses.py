"""Losses of solar plants: they close, and each cause gets what was put in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from workbench.analytics.solar import expected_power, solar_loss_waterfall, solar_losses
from workbench.analytics.solar.losses import CATEGORIES
from workbench.model.errors import InputError
from workbench.model.vocabulary import vocabulary
from workbench.steps import get_step, remarks

DAY, DC, AC = 96, 120.0, 95.0
NOON = slice(40, 56)


def plant(days: int = 4, assets: int = 3) -> xr.Dataset:
    """Inverters in the sun of the equator; they make what the model expects."""
    times = pd.date_range("2023-03-20", periods=DAY * days, freq="15min", unit="ns")
    hour = np.asarray(times.hour + times.minute / 60 + 0.125)[:, None]
    light = np.clip(np.sin((hour - 6) / 12 * np.pi), 0, None) * 1000 * np.ones((1, assets))
    light[:, 1:] *= 0.7
    dims = ("time", "asset")
    data = xr.Dataset(
        {
            "irradiance_poa": (dims, light, {"units": "W/m2"}),
            "module_temperature": (dims, 20 + 0.025 * light, {"units": "degC"}),
        },
        coords={
            "time": times,
            "asset": [f"I{k}" for k in range(assets)],
            "farm_id": ("asset", ["east"] + ["west"] * (assets - 1)),
        }
        | {
            name: ("asset", np.full(assets, value))
            for name, value in {
                "latitude": 0.0, "longitude": 0.0, "tilt": 0.0, "azimuth": 180.0, "dc_capacity": DC, "rated_capacity": AC,
                "module_temp_coeff_power": -0.4,
            }.items()
        },
        attrs={"cadence": "PT15M"},
    )  # fmt: skip
    expected = expected_power(data)
    return data.assign(total_ac_power=(dims, expected["expected_power"].values.copy(), {"units": "kW"}))


def state(variable: str, name: str) -> int:
    return (vocabulary()[variable].states or {})[name]


def with_field(data: xr.Dataset, name: str, values: Any, units: str = "1") -> xr.Dataset:
    shape = data["irradiance_poa"].shape
    return data.copy(deep=True).assign(
        {name: (("time", "asset"), np.broadcast_to(values, shape).copy(), {"units": units})}
    )


def bars(data: xr.Dataset, asset: str = "I1", **more: Any) -> pd.Series:
    return solar_loss_waterfall(solar_losses(data, **more).sel(asset=[asset]))["energy"]


def energy(data: xr.Dataset, where: slice, asset: int = 1) -> float:
    """Of the slots, as the plant makes it [kWh]."""
    return float(data["total_ac_power"].values[where, asset].sum()) * 0.25


def closes(losses: xr.Dataset) -> None:
    apart = losses["potential_energy"] - losses["actual_energy"] - losses["lost_energy"].sum("category")
    assert float(np.abs(apart).max()) <= 1e-9 * max(1.0, float(losses["potential_energy"].max()))


def test_a_plant_that_does_as_expected_has_nothing_unexplained():
    data = plant()
    table = solar_loss_waterfall(solar_losses(data))
    assert table.index[0] == "potential"
    assert table.index[-1] == "actual"
    assert abs(table["energy"]["unexplained"]) < 1e-9
    assert table["energy"]["potential"] == pytest.approx(float(data["irradiance_poa"].sum()) / 4000 * DC)
    assert table["energy"]["actual"] == pytest.approx(float(data["total_ac_power"].sum()) / 4)
    assert table["level"].iloc[-2] == pytest.approx(table["level"].iloc[-1])
    assert table["share"].iloc[1:-1].sum() == pytest.approx(table["share"].iloc[-1] - 1)
    # only the first inverter is at its limit
    clipped = bars(data, "I0")["clipping"], bars(data, "I1")["clipping"]
    assert clipped[0] < -10
    assert clipped[1] == 0
    for name in ("reflection", "temperature", "dc_wiring", "inverter"):
        assert table["energy"][name] < 0


def faulty() -> xr.Dataset:
    """A plant on which nearly everything happens at some time, with noise."""
    rng = np.random.default_rng(7)
    data = plant(days=40)
    shape = data["irradiance_poa"].shape
    power = data["total_ac_power"].values * rng.normal(0.95, 0.03, shape)
    power[data["irradiance_poa"].values == 0] = -0.2
    power[100:140, 0] = 0.0
    power[300:340, 1] = np.nan
    power[900:950, 2] = np.nan
    power[1500:1540] = np.minimum(power[1500:1540], 20.0)
    data["total_ac_power"].values[:] = power
    for name, values, units in (
        ("total_dc_power", np.maximum(power, 0) / 0.965, "kW"),
        ("power_setpoint", np.where((np.arange(shape[0]) // 40 == 37)[:, None], 20.0, AC), "kW"),
        ("soiling_ratio", rng.uniform(0.9, 1.02, shape), "1"),
        ("shading_share", rng.uniform(0, 0.05, shape), "1"),
        ("snow_cover", np.where(np.arange(shape[0])[:, None] < 30, 0.5, 0.0), "1"),
        ("string_loss", rng.uniform(0, 0.3, shape), "kWh"),
        ("mppt_loss", rng.uniform(0, 0.3, shape), "kWh"),
        ("energy_lifetime", 1e6 + np.cumsum(np.nan_to_num(power).clip(0) / 4, axis=0), "kWh"),
        ("price", rng.uniform(-20, 90, shape), "EUR/MWh"),
    ):
        data = with_field(data, name, values, units)
    data["irradiance_poa"].values[700:720] = np.nan
    data["module_temperature"].values[1200:1210, 0] = np.nan
    return data


@pytest.mark.parametrize("by", [None, "day", "month"])
def test_the_waterfall_closes_for_every_inverter_plant_portfolio_and_period(by):
    losses = solar_losses(faulty(), price="price", by=by, tz="Europe/Madrid")
    closes(losses)
    for group in (None, "farm_id", "asset"):
        table = solar_loss_waterfall(losses, group=group)
        for _, part in table.groupby(level=0) if group else [("", table)]:
            one = part.droplevel(0) if group else part
            apart = one["energy"]["potential"] + one["energy"].iloc[1:-1].sum() - one["energy"]["actual"]
            assert abs(apart) < 1e-6 * one["energy"]["potential"]
    assert losses["known_share"].values.min() < 1
    assert float(losses["left_out_energy"].sum()) > 0
    if by == "day":
        assert losses.sizes["period"] == 41  # the first is an hour of Madrid's March 20
        whole = solar_losses(faulty(), price="price")
        xr.testing.assert_allclose(losses.sum("period")["lost_energy"], whole["lost_energy"])
        xr.testing.assert_allclose(losses.sum("period")["lost_value"], whole["lost_value"])


def test_the_slots_close_and_sum_to_the_waterfall():
    data = faulty()
    with remarks():
        made = get_step("solar_losses")(data, price=50.0)
        fall = get_step("solar_loss_waterfall")(data, price=50.0, group="farm_id")
    names = [name for name in made.data_vars if str(name).startswith("lost_energy_")]
    total = sum(made[name] for name in names)
    np.testing.assert_allclose(total, made["potential_energy"] - made["actual_energy"], atol=1e-9)
    np.testing.assert_allclose(made["lost_value"], made["lost_energy"] * 0.05)
    for name in names:
        bar = fall["loss_waterfall"].sel(loss_waterfall_bar=str(name).removeprefix("lost_energy_"))
        np.testing.assert_allclose(-made[name].sum("time"), bar, atol=1e-6)
    np.testing.assert_allclose(
        fall["loss_waterfall_group"].sel(loss_waterfall_farm_id="west"),
        fall["loss_waterfall"].isel(asset=[1, 2]).sum("asset"),
    )
    np.testing.assert_allclose(fall["loss_waterfall_level"][:, -2], fall["loss_waterfall_level"][:, -1])


def test_a_stop_is_downtime_and_without_grid_an_outage_of_it():
    data = plant()
    lost = energy(data, NOON)
    stopped = data.copy(deep=True)
    stopped["total_ac_power"].values[NOON, 1] = 0.0
    assert bars(stopped)["downtime"] == pytest.approx(-lost)  # by production alone
    said = with_field(stopped, "operating_state", state("operating_state", "running"))
    said["operating_state"].values[NOON, 1] = state("operating_state", "fault")
    assert bars(said)["downtime"] == pytest.approx(-lost)
    tripped = with_field(stopped, "grid_connection", state("grid_connection", "connected"))
    tripped["grid_connection"].values[NOON, 1] = state("grid_connection", "tripped")
    assert bars(tripped)["grid_outage"] == pytest.approx(-lost)
    assert bars(tripped)["downtime"] == 0
    # a fault of the inverter opens its own contactor
    both = said.assign(grid_connection=tripped["grid_connection"])
    assert bars(both)["downtime"] == pytest.approx(-lost)


def test_what_a_limit_explains_is_curtailment():
    data = plant()
    limited = with_field(data, "power_setpoint", AC, "kW")
    limited["power_setpoint"].values[NOON, 1] = 30.0
    limited["total_ac_power"].values[NOON, 1] = 29.0
    could = energy(data, NOON)
    found = bars(limited)
    assert found["curtailment"] == pytest.approx(-(could - 30.0 * 0.25 * 16))
    assert found["unexplained"] == pytest.approx(-1.0 * 0.25 * 16)
    flagged = with_field(data, "active_power_curtailment", 0)
    flagged["active_power_curtailment"].values[NOON, 1] = 1
    flagged["total_ac_power"].values[NOON, 1] = 29.0
    assert bars(flagged)["curtailment"] == pytest.approx(-(could - 29.0 * 0.25 * 16))
    off = limited.copy(deep=True)
    off["power_setpoint"].values[NOON, 1] = 0.0
    off["total_ac_power"].values[NOON, 1] = 0.0
    assert bars(off)["curtailment"] == pytest.approx(-could)
    assert bars(off)["downtime"] == 0


def test_a_lost_link_is_no_lost_energy():
    data = plant()
    gone = data.copy(deep=True)
    gone["total_ac_power"].values[NOON, 1] = np.nan
    could = energy(data, NOON)
    # nothing tells
    assert bars(gone)["communication"] == pytest.approx(-could)
    # the counter went on
    counter = 5e5 + np.cumsum(data["total_ac_power"].values / 4, axis=0)
    counter[NOON, 1] = np.nan
    told = bars(with_field(gone, "energy_lifetime", counter, "kWh"))
    assert told["communication"] == 0
    assert abs(told["unexplained"]) < 0.02 * could
    assert told["actual"] == pytest.approx(energy(data, slice(None)), rel=1e-9)
    # the counter stood still
    still = counter - np.where(np.arange(len(counter)) >= NOON.stop, could, 0)[:, None] * np.array([0, 1, 0])
    assert bars(with_field(gone, "energy_lifetime", still, "kWh"))["downtime"] == pytest.approx(-could, rel=1e-6)
    # the counter was replaced
    new = counter - np.where(np.arange(len(counter)) >= NOON.stop, 4e5, 0)[:, None]
    assert bars(with_field(gone, "energy_lifetime", new, "kWh"))["communication"] == pytest.approx(-could)


@pytest.mark.parametrize(
    ("field", "value", "category"),
    [("soiling_ratio", 0.94, "soiling"), ("snow_cover", 0.06, "snow"), ("shading_share", 0.06, "shading")],
)
def test_a_share_told_takes_its_part(field, value, category):
    data = plant()
    clean = bars(data)
    found = bars(with_field(data, field, value))
    assert found[category] == pytest.approx(-0.06 * (clean["potential"] + clean[["reflection", "temperature"]].sum()))
    assert found["unexplained"] > 0  # it made what it should without
    assert category not in clean.index


def test_energies_that_others_found_are_taken_once_and_never_more_than_there_is():
    data = plant()
    found = bars(with_field(data, "string_loss", 0.5, "kWh").assign(mine=("time", np.full(data.sizes["time"], 0.25))))
    sunny = data["irradiance_poa"].values[:, 1] > 50
    assert 0.5 * sunny.sum() <= -found["string"] < 0.5 * (sunny.sum() + 40)
    named = bars(data.assign(mine=("time", np.full(data.sizes["time"], 0.25))), losses={"tracker": "mine"})
    assert named["tracker"] < 0
    with pytest.raises(InputError, match=r"losses\.downtime"):
        solar_losses(data, losses={"downtime": "mine"})


def test_the_inverters_loss_is_measured_where_dc_power_is():
    data = plant()
    power = data["total_ac_power"].values
    assert bars(with_field(data, "total_dc_power", power / 0.90, "kW"))["inverter"] < 1.5 * bars(data)["inverter"]
    worse = bars(with_field(data, "total_dc_power", power / 0.90, "kW"))
    assert worse["inverter"] / (worse["actual"] - worse["inverter"] - worse["unexplained"]) == pytest.approx(
        -0.1, abs=0.002
    )


def test_clipping_that_was_seen_counts_where_the_model_has_none():
    data = plant()
    data["total_ac_power"].values[:, 1] = data["total_ac_power"].values[:, 1].clip(max=50.0)
    assert bars(data)["clipping"] == 0
    flags = np.zeros(data["irradiance_poa"].shape, np.uint8)
    flags[:, 1] = data["total_ac_power"].values[:, 1] >= 50.0
    seen = bars(with_field(data, "total_ac_power_clipping", flags))
    assert seen["clipping"] < -30
    assert abs(seen["unexplained"]) < 1e-6


def test_what_is_drawn_at_night_is_own_use():
    data = plant()
    night = data["irradiance_poa"].values[:, 1] == 0
    data["total_ac_power"].values[night, 1] = -0.3
    assert bars(data)["own_use"] == pytest.approx(-0.3 * 0.25 * night.sum())


def test_snow_on_the_ground_tells_of_snow_on_the_modules():
    data = with_field(plant(), "ambient_temperature", -8.0, "degC")
    depth = np.where(np.arange(data.sizes["time"]) >= DAY, 0.3, 0.0)
    found = bars(data.assign(snow_depth=("time", depth, {"units": "m"})))
    assert found["snow"] < -50


def test_money_by_category():
    data = plant()
    data["total_ac_power"].values[NOON, 1] = 0.0
    losses = solar_losses(data, price=80.0, currency="GBP")
    table = solar_loss_waterfall(losses.sel(asset=["I1"]))
    assert table["value"]["downtime"] == pytest.approx(table["energy"]["downtime"] * 0.08)
    assert table.attrs["currency"] == "GBP"
    hourly = xr.DataArray(
        np.where(np.arange(data.sizes["time"]) < DAY, 80.0, 0.0), dims="time", coords={"time": data["time"]}
    )
    part = solar_loss_waterfall(solar_losses(data, price=hourly).sel(asset=["I1"]))
    assert part["value"]["downtime"] == pytest.approx(table["value"]["downtime"])
    assert part["value"]["temperature"] == pytest.approx(table["value"]["temperature"] / 4, rel=0.1)
    with pytest.raises(InputError, match="price"):
        solar_losses(data, price="spot")


def test_the_chart_of_the_wind_farms_draws_it():
    from workbench.display.wind_figures import loss_bars, waterfall_figure

    names, values, totals = loss_bars(solar_loss_waterfall(solar_losses(plant())))
    assert totals == [0, len(names) - 1]
    assert values[0] + values[1:-1].sum() == pytest.approx(values[-1], rel=1e-4)
    drawn = waterfall_figure(names, values, totals=totals).renderers[0].data_source.data
    assert list(drawn["name"]) == names


def test_a_sensor_among_the_assets_loses_nothing():
    data = plant().assign_coords(asset_type=("asset", ["inverter", "inverter", "irradiance_sensor"]))
    for name in ("dc_capacity", "rated_capacity", "tilt", "latitude", "longitude"):
        data[name].values[2] = np.nan
    data = data.assign_coords(farm_id=("asset", ["west"] * 3))
    data["irradiance_poa"].values[:, 1] = np.nan
    data["total_ac_power"].values[:, 2] = np.nan
    losses = solar_losses(data)
    closes(losses)
    assert float(losses["potential_energy"][2]) == 0
    assert float(losses["potential_energy"][1]) > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.assign(total_ac_power=d["total_ac_power"] * 1000), "W?"),
        (lambda d: d.assign(total_ac_power=-d["total_ac_power"]), "reversed sign"),
        (lambda d: d.drop_vars("total_ac_power"), "no variable 'total_ac_power'"),
        (lambda d: d.drop_vars("irradiance_poa"), "no irradiance"),
    ],
)
def test_wrong_input(change, message):
    with pytest.raises(InputError) as error:
        solar_losses(change(plant()))
    assert message in str(error.value)


def test_power_in_watts_that_says_so_is_converted():
    data = plant()
    watts = data.assign(total_ac_power=(data["total_ac_power"] * 1000).assign_attrs(units="W"))
    assert bars(watts)["actual"] == pytest.approx(bars(data)["actual"])


def test_no_such_group():
    with pytest.raises(InputError, match="farm_id"):
        solar_loss_waterfall(solar_losses(plant()), group="farm")


def test_every_category_has_its_place():
    every = with_field(faulty(), "grid_connection", 1)
    every = with_field(every, "tracker_loss", 0.1, "kWh")
    losses = solar_losses(every)
    assert list(losses["category"].values) == [name for name in CATEGORIES if name != "spectral"]
