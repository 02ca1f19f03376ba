"""Expected power: pvlib's own figures, what the models do with what is missing, and input that is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pvlib
import pytest
import xarray as xr

from workbench.analytics.solar import Source, expected_power
from workbench.analytics.solar.plane import beam_share
from workbench.analytics.solar.plant_model import SingleDiode, best_point
from workbench.model.errors import InputError
from workbench.steps import get_step, remarks

MODULE = "Canadian_Solar_Inc__CS5P_220M"
INVERTER = "ABB__MICRO_0_25_I_OUTD_US_208__208V_"
GOLDEN = {"latitude": 39.7406, "longitude": -105.1775, "elevation": 1829.0}
SOUTH = GOLDEN | {"tilt": 40.0, "azimuth": 180.0, "dc_capacity": 100.0, "rated_capacity": 100.0}


def clear(
    day: str = "2020-06-21", *, freq: str = "15min", periods: int = 96, names: tuple[str, ...] = ()
) -> xr.Dataset:
    """A clear day at Golden, Colorado, by Ineichen's model of pvlib: momentary values."""
    place = pvlib.location.Location(39.7406, -105.1775, "Etc/GMT+7", 1829)
    times = pd.date_range(day, periods=periods, freq=freq, tz=place.tz)
    sky = place.get_clearsky(times)
    fields = {
        f"irradiance_{name}": ("time", sky[name].to_numpy().copy(), {"units": "W/m2"}) for name in ("ghi", "dni", "dhi")
    }
    return xr.Dataset(
        {name: one for name, one in fields.items() if not names or name in names}
        | {"ambient_temperature": ("time", np.full(periods, 20.0), {"units": "degC"})},
        coords={"time": times.tz_convert("UTC").tz_localize(None).as_unit("ns"), "asset": ["A", "B"]},
    )


@pytest.mark.parametrize(("day", "energy", "peak"), [("2020-06-21", 7.9475, 1031.09), ("2020-12-21", 5.7656, 946.08)])
def test_irradiance_in_the_plane_is_that_of_pvlib(day, energy, peak):
    # pvlib 0.16: 1-minute clear sky, tilt 40 degrees to the south, isotropic sky, albedo 0.25
    found = expected_power(
        clear(day, freq="1min", periods=1440), facts=SOUTH | {"ground_albedo": 0.25}, transposition="isotropic",
        stamp="middle",
    )["irradiance_poa_modelled"]  # fmt: skip
    assert found.sum("time").values / 60_000 == pytest.approx([energy] * 2, abs=5e-5)
    assert float(found.max()) == pytest.approx(peak, abs=5e-3)


def test_a_year_of_pvwatts_is_that_of_pvlib():
    # pvlib's ModelChain.with_pvwatts on TMY3 703165 (Sand Point, Alaska), which pvlib carries: 1 kW, tilt 30 to the south
    weather, about = pvlib.iotools.read_tmy3(
        Path(pvlib.__file__).parent / "data" / "703165TY.csv", coerce_year=1990, map_variables=True
    )
    names = {
        "irradiance_ghi": "ghi",
        "irradiance_dni": "dni",
        "irradiance_dhi": "dhi",
        "ambient_temperature": "temp_air",
    }
    data = xr.Dataset(
        {name: ("time", weather[of].to_numpy(float)) for name, of in (names | {"wind_speed": "wind_speed"}).items()},
        coords={"time": weather.index.tz_convert("UTC").tz_localize(None).as_unit("ns"), "asset": ["A"]},
    )
    facts = {
        "latitude": about["latitude"], "longitude": about["longitude"], "elevation": about["altitude"], "tilt": 30.0,
        "azimuth": 180.0, "dc_capacity": 1.0, "rated_capacity": 0.96, "module_temp_coeff_power": -0.4,
        "dc_loss_share": pvlib.pvsystem.pvwatts_losses() / 100, "ground_albedo": 0.25,
    }  # fmt: skip
    found = expected_power(data, facts=facts, temperature_model="sapm_open_rack_glass_polymer", stamp="middle")
    assert float(found["expected_power"].sum()) == pytest.approx(823.91, abs=0.005)
    assert float(found["irradiance_poa_modelled"].sum()) / 1000 == pytest.approx(997.21, abs=0.006)


def test_the_sun_is_looked_at_in_the_middle_of_the_slot():
    momentary = clear(freq="1min", periods=1440)
    means = momentary.coarsen(time=30).mean()
    truth = expected_power(momentary, facts=SOUTH, stamp="middle")["irradiance_poa_modelled"].coarsen(time=30).mean()
    errors = {}
    for stamp, shift in (("start", -14.5), ("middle", 0.0), ("end", 15.5)):
        data = means.assign_coords(time=means["time"].values + np.timedelta64(int(shift * 60), "s"))
        one = expected_power(data, facts=SOUTH, stamp=stamp)["irradiance_poa_modelled"]
        errors[stamp] = float(np.abs(one.values - truth.values).max())
    assert max(errors.values()) < 6
    wrong = expected_power(
        means.assign_coords(time=means["time"].values - np.timedelta64(870, "s")), facts=SOUTH, stamp="end"
    )
    assert float(np.abs(wrong["irradiance_poa_modelled"].values - truth.values).max()) > 30


def test_measured_in_the_plane_comes_first_and_gaps_are_filled():
    data = clear()
    whole = expected_power(data, facts=SOUTH)
    poa = whole["irradiance_poa_modelled"].values.copy()
    poa[40:44, 0] = np.nan
    data["irradiance_poa"] = ("time", "asset"), 0.9 * poa
    with remarks() as told:
        found = expected_power(data, facts=SOUTH)
    assert (found["irradiance_source"].values[40:44, 0] == Source.TRANSPOSED).all()
    assert found["irradiance_source"].values[50, 0] == Source.MEASURED_PLANE
    np.testing.assert_allclose(found["expected_power"][40:44, 0], whole["expected_power"][40:44, 0])
    assert (found["expected_power"][50, 0] < whole["expected_power"][50, 0]).all()
    assert any("4 transposed" in one for one in told)


def test_the_beam_share_of_the_plane_alone_is_what_erbs_put_in():
    data = clear(names=("irradiance_ghi",))
    data["irradiance_ghi"] = data["irradiance_ghi"] * np.linspace(0.3, 1.0, 96)
    full = expected_power(data, facts=SOUTH, transposition="isotropic")
    plane = data.drop_vars("irradiance_ghi").assign(irradiance_poa=full["irradiance_poa_modelled"])
    alone = expected_power(plane, facts=SOUTH)
    high = full["irradiance_poa_modelled"].values > 400  # flat light has two answers
    np.testing.assert_allclose(alone["expected_power"].values[high], full["expected_power"].values[high], rtol=2e-3)
    one = np.ones((1, 1))
    assert beam_share(1100 * one, 0.95 * one, 0.9 * one, 1361 * one, 20 * one, 0.2 * one)[0, 0] > 0.8
    assert beam_share(100 * one, 0.95 * one, 0.9 * one, 1361 * one, 20 * one, 0.2 * one)[0, 0] < 0.1


def test_a_module_by_its_name_is_within_a_fiftieth_of_a_percent_of_the_single_diode_equation():
    parameters = pvlib.pvsystem.retrieve_sam("CECMod")[MODULE]
    rng = np.random.default_rng(3)
    light, heat = rng.uniform(20, 1300, 2000), rng.uniform(-25, 85, 2000)
    table = SingleDiode(parameters)
    best = best_point(parameters, light, heat)
    rating = best_point(parameters, np.array([1000.0]), np.array([25.0]))["p_mp"][0]
    np.testing.assert_allclose(table.share(light, heat) * light / 1000, best["p_mp"] / rating, rtol=2e-4)
    np.testing.assert_allclose(table.voltage(light, heat), best["v_mp"], rtol=5e-4)


def test_module_and_inverter_of_the_tables_are_modelchains():
    data = clear().isel(asset=[0])
    # one module on one microinverter
    found = expected_power(
        data, facts=GOLDEN | {"tilt": 40.0, "azimuth": 180.0, "module_count": 1.0, "modules_per_string": 1.0, "dc_loss_share": 0.0,
                              "ground_albedo": 0.25},
        module="Canadian Solar Inc. CS5P-220M", inverter=INVERTER, stamp="middle",
        temperature_model="sapm_open_rack_glass_glass",
    )  # fmt: skip
    tables = pvlib.pvsystem.retrieve_sam("CECMod")[MODULE], pvlib.pvsystem.retrieve_sam("CECInverter")[INVERTER]
    system = pvlib.pvsystem.PVSystem(
        arrays=[
            pvlib.pvsystem.Array(
                pvlib.pvsystem.FixedMount(40, 180), module_parameters=tables[0],
                temperature_model_parameters=pvlib.temperature.TEMPERATURE_MODEL_PARAMETERS["sapm"]["open_rack_glass_glass"],
            )
        ],
        inverter_parameters=tables[1],
    )  # fmt: skip
    chain = pvlib.modelchain.ModelChain(
        system,
        pvlib.location.Location(39.7406, -105.1775, altitude=1829),
        spectral_model="no_loss",
        aoi_model="physical",
    )
    index = pd.DatetimeIndex(data["time"].values, tz="UTC")
    weather = pd.DataFrame({name: data[f"irradiance_{name}"].values for name in ("ghi", "dni", "dhi")}, index=index)
    chain.run_model(weather.assign(temp_air=20.0, wind_speed=1.0))
    theirs = np.maximum(np.nan_to_num(chain.results.ac.to_numpy()), 0)
    bright = theirs > 10
    np.testing.assert_allclose(1000 * found["expected_power"].values[bright, 0], theirs[bright], rtol=5e-4)
    assert np.nansum(found["expected_power"]) * 1000 == pytest.approx(theirs.sum(), rel=5e-4)


def test_a_tracker_makes_more_than_a_fixed_plane_and_a_name_per_asset_works():
    data = clear().assign_coords(
        mounting=("asset", ["single_axis", "fixed"]), tilt=("asset", [0.0, 40.0]), azimuth=("asset", [180.0, 180.0]),
        latitude=("asset", [39.7406, 39.7411]), longitude=("asset", [-105.1775, -105.18]),
        rated_capacity=("asset", [100.0, 100.0]), dc_capacity=("asset", [120.0, 120.0]), cec_module=("asset", ["", MODULE]),
        module_temp_coeff_power=("asset", [-0.35, np.nan]),
    )  # fmt: skip
    found = expected_power(data, facts={"elevation": 1829.0})
    energy = found["irradiance_poa_modelled"].sum("time").values
    assert energy[0] > 1.2 * energy[1]
    assert (found["expected_power"].max("time").values <= 100.0).all()
    position = pvlib.solarposition.get_solarposition(
        pd.DatetimeIndex(data["time"].values + np.timedelta64(450, "s"), tz="UTC"), 39.7406, -105.1775, altitude=1829
    )
    plane = pvlib.tracking.singleaxis(
        position["apparent_zenith"], position["azimuth"], axis_azimuth=180, max_angle=60, gcr=0.4
    )
    sky = {name: data[f"irradiance_{name}"].values for name in ("dni", "ghi", "dhi")}
    whole = pvlib.irradiance.get_total_irradiance(
        plane["surface_tilt"].fillna(0), plane["surface_azimuth"].fillna(180), position["apparent_zenith"], position["azimuth"],
        dni_extra=pvlib.irradiance.get_extra_radiation(position.index), albedo=0.2, model="haydavies", **sky,
    )["poa_global"]  # fmt: skip
    assert energy[0] == pytest.approx(float(whole.sum()), rel=1e-3)


@pytest.mark.parametrize("model", ["isotropic", "haydavies", "perez", "perez-driesse"])
@pytest.mark.parametrize("incidence", ["physical", "ashrae", "martin_ruiz", "none"])
def test_every_model_gives_a_power_for_every_slot(model, incidence):
    found = expected_power(clear(), facts=SOUTH, transposition=model, incidence=incidence)
    assert np.isfinite(found["expected_power"]).all()
    assert 500 < float(found["expected_power"].sum("time").values[0]) / 4 < 800


def test_the_spectrum_follows_the_water_in_the_air():
    data = clear()
    facts = SOUTH | {"module_technology": "CdTe"}
    plain = expected_power(data, facts=facts)["expected_dc_power"].sum()
    dry, humid = (
        expected_power(data.assign(humidity=("time", np.full(96, share))), facts=facts, spectral="first_solar")[
            "expected_dc_power"
        ].sum()
        for share in (10.0, 95.0)
    )
    assert 0.9 * plain < dry < humid < 1.1 * plain  # cadmium telluride likes humid air
    with pytest.raises(InputError, match="humidity"):
        expected_power(data, facts=facts, spectral="first_solar")


def test_temperatures_that_are_measured_come_first():
    data = clear()
    for name, above in (("ambient_temperature", None), ("module_temperature", 3.0), ("cell_temperature", 0.0)):
        data[name] = ("time", np.full(96, 20.0))
        found = expected_power(data, facts=SOUTH)
        heat = found["cell_temperature_modelled"].values[48, 0]
        poa = found["irradiance_poa_modelled"].values[48, 0]
        expected = pvlib.temperature.faiman(poa, 20.0, 1.0) if above is None else 20.0 + above * poa / 1000
        assert heat == pytest.approx(expected)
    with pytest.raises(InputError, match="temperature"):
        expected_power(data.drop_vars(["ambient_temperature", "module_temperature", "cell_temperature"]), facts=SOUTH)


def test_a_sensor_among_the_assets_stands_for_those_of_its_farm():
    data = (
        clear()[["ambient_temperature"]]
        .assign_coords(asset=["A", "B"])
        .assign_coords(asset_type=("asset", ["inverter", "irradiance_sensor"]))
    )
    poa = np.full((96, 2), np.nan)
    poa[:, 1] = 500.0 * (clear()["irradiance_ghi"].values > 50)
    data["irradiance_poa"] = ("time", "asset"), poa
    with remarks() as told:
        found = expected_power(data, facts=SOUTH)
    assert float(found["expected_power"].isel(asset=0).max()) > 30
    assert any("take that of B" in one for one in told)


def test_satellite_irradiance_is_the_last_resort():
    data = clear()
    data["irradiance_ghi_satellite"] = data["irradiance_ghi"] * 1.02
    data["irradiance_ghi"][30:50] = np.nan
    found = expected_power(data, facts=SOUTH)
    assert (found["irradiance_source"].values[30:50] == Source.SATELLITE).all()
    assert (found["irradiance_source"].values[50:60] == Source.TRANSPOSED).all()


def test_without_irradiance_in_the_plane_it_is_said_which_is_used():
    with remarks() as told:
        expected_power(clear(names=("irradiance_ghi",)), facts=SOUTH)
    assert any("modelled from irradiance_ghi alone" in one for one in told)
    with pytest.raises(InputError, match="tilt and azimuth"):
        expected_power(clear(), facts=GOLDEN | {"rated_capacity": 100.0})
    with pytest.raises(InputError, match="no irradiance"):
        expected_power(clear().drop_vars([f"irradiance_{one}" for one in ("ghi", "dni", "dhi")]), facts=SOUTH)


def test_results_are_as_fine_as_what_was_measured():
    single = clear().astype(np.float32)
    found = expected_power(single, facts=SOUTH)
    assert found["expected_power"].dtype == np.float32
    double = expected_power(clear(), facts=SOUTH)
    np.testing.assert_allclose(found["expected_power"], double["expected_power"], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d * 1e-3, "kW/m²"),
        (lambda d: -d, "reversed sign"),
    ],
)
def test_irradiance_in_another_unit_or_of_reversed_sign(change, message):
    data = clear()
    data["irradiance_ghi"] = change(data["irradiance_ghi"])
    with pytest.raises(InputError, match=message):
        expected_power(data, facts=SOUTH)


def test_a_little_below_zero_counts_as_zero_and_more_as_missing():
    data = clear()
    data["irradiance_ghi"][:10] = -3.0
    data["irradiance_ghi"][10] = -300.0
    with remarks() as told:
        found = expected_power(data, facts=SOUTH)
    assert (found["expected_power"].values[:10] == 0).all()
    assert np.isnan(found["expected_power"].values[10]).all()
    assert any("below -20" in one for one in told)


def test_local_time_without_a_zone_is_told():
    data = clear()
    data = data.assign_coords(time=data["time"].values - np.timedelta64(7, "h"))
    with pytest.raises(InputError, match="sun is down") as error:
        expected_power(data, facts=SOUTH)
    assert "timestamp_normalization" in str(error.value)
    shifted = clear().assign_coords(time=clear()["time"].values - np.timedelta64(1, "h"))
    with remarks() as told:
        expected_power(shifted, facts=SOUTH)
    assert any("clock" in one for one in told)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"module": "Canadian_Solar_Inc__CS5P_221M"}, "did you mean 'Canadian_Solar_Inc"),
        ({"inverter": "ABB_MICRO_0_26_I_OUTD_US_208"}, "did you mean 'ABB__MICRO"),
        ({"module": {"alpha_sc": 0.004}}, "a_ref"),
        ({"facts": SOUTH | {"tlit": 3.0}}, "did you mean 'tilt'"),
        ({"facts": SOUTH | {"tilt": 120.0}}, "0 to 90"),
        ({"facts": SOUTH | {"module_temp_coeff_power": -0.004}}, "-0.4 %/K"),
        ({"facts": SOUTH | {"mounting": "roof"}}, "single_axis"),
        ({"facts": GOLDEN | {"tilt": 40.0, "azimuth": 180.0}}, "no rating"),
    ],
)
def test_facts_that_cannot_be(given, message):
    with pytest.raises(InputError) as error:
        expected_power(clear(), **({"facts": SOUTH} | given))
    assert message in str(error.value)


def test_days_are_too_long():
    with pytest.raises(InputError, match="too long"):
        expected_power(clear(freq="1D", periods=5), facts=SOUTH)


def test_the_step_adds_to_the_data():
    found = get_step("solar_expected_power")(clear(), facts=SOUTH, output_field="should")
    assert {"should", "expected_dc_power", "irradiance_source", "irradiance_ghi"} <= set(found.data_vars)
