"""Power curves, portfolios, and facts as coordinates."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from workbench.model.assets import Asset, PowerCurve, asset_coords, fact_names, load_portfolio, with_assets
from workbench.model.errors import InputError
from workbench.model.time import zone
from workbench.model.vocabulary import vocabulary


@pytest.fixture(scope="module")
def portfolio(checkout):
    return load_portfolio(checkout / "catalogs" / "portfolio")


# --------------------------------------------------------------- power curves

CURVE = PowerCurve(wind_speed=[3, 4, 12, 25], power=[0, 80, 2000, 2000])


def test_a_power_curve_is_linear_between_and_nothing_outside():
    np.testing.assert_array_equal(
        CURVE.at([0, 2.99, 3, 3.5, 4, 8, 12, 20, 25, 25.1, np.nan]),
        [0, 0, 0, 40, 80, 1040, 2000, 2000, 2000, 0, np.nan],
    )
    assert CURVE.rated_power == 2000


def test_a_power_curve_keeps_the_shape():
    assert CURVE.at(np.zeros((2, 3))).shape == (2, 3)
    assert CURVE.at(12.0).shape == ()


@given(st.lists(st.floats(0, 40), min_size=1, max_size=30))
def test_power_is_between_nothing_and_the_rating(speeds):
    power = CURVE.at(speeds)
    assert ((power >= 0) & (power <= CURVE.rated_power)).all()


@pytest.mark.parametrize(
    ("speeds", "powers", "message"),
    [
        ([3, 4], [0], "2 wind speeds but 1 powers"),
        ([3, 3], [0, 1], "must rise"),
        ([3, 4], [0, -1], "below zero"),
        ([3], [0], "at least 2"),
    ],
)
def test_a_wrong_power_curve(speeds, powers, message):
    with pytest.raises(ValidationError, match=message):
        PowerCurve(wind_speed=speeds, power=powers)


# ---------------------------------------------------------- the demo portfolio


def test_the_sites(portfolio):
    assert set(portfolio.sites) == {"north_ridge", "coastal_flats", "sun_valley", "la_haute_borne", "pvdaq_50"}
    assert {site.id: (site.kind, site.timezone, site.grid_frequency_nominal) for site in portfolio.sites.values()} == {
        "north_ridge": ("wind", "America/Chicago", 60),
        "coastal_flats": ("wind", "Europe/Berlin", 50),
        "sun_valley": ("solar_storage", "America/Los_Angeles", 60),
        "la_haute_borne": ("wind", "Europe/Paris", 50),
        "pvdaq_50": ("solar", "Etc/GMT+7", 60),
    }
    for site in portfolio.sites.values():
        assert zone(site.timezone)
        assert site.simulated == (site.id not in ("la_haute_borne", "pvdaq_50"))


def test_the_assets(portfolio):
    counts = {
        (site.id, kind): len(site.of_type(kind))
        for site in portfolio.sites.values()
        for kind in {one.type for one in site.assets}
    }
    assert counts == {
        ("north_ridge", "wind_turbine"): 6,
        ("north_ridge", "met_mast"): 1,
        ("north_ridge", "grid_meter"): 1,
        ("coastal_flats", "wind_turbine"): 4,
        ("coastal_flats", "grid_meter"): 1,
        ("sun_valley", "inverter"): 8,
        ("sun_valley", "mppt"): 16,
        ("sun_valley", "string"): 80,
        ("sun_valley", "tracker"): 8,
        ("sun_valley", "irradiance_sensor"): 2,
        ("sun_valley", "weather_station"): 1,
        ("sun_valley", "battery"): 1,
        ("sun_valley", "battery_rack"): 4,
        ("sun_valley", "battery_cell"): 48,
        ("sun_valley", "grid_meter"): 1,
        ("la_haute_borne", "wind_turbine"): 4,
        ("la_haute_borne", "grid_meter"): 1,
        ("pvdaq_50", "inverter"): 1,
        ("pvdaq_50", "weather_station"): 1,
    }


def test_facts_come_from_the_data_sheet_and_the_site(portfolio):
    turbine = portfolio.asset("NR-T01")
    assert (turbine.rated_capacity, turbine.rotor_diameter, turbine.hub_height) == (3000, 112, 94)
    assert turbine.in_service == dt.date(2019, 10, 15)
    assert turbine.power_curve.rated_power == turbine.rated_capacity
    meter = portfolio.asset("SV-GRID")
    assert meter.elevation == portfolio.site("sun_valley").elevation
    battery = portfolio.asset("SV-BESS")
    assert (battery.rated_capacity, battery.energy_capacity, battery.data_sheet.chemistry) == (4000, 8000, "LFP")
    assert battery.data_sheet.charge_capacity == 5880
    string = portfolio.asset("SV-INV03-S07")
    assert (string.parent, portfolio.asset("SV-INV03-M2").parent) == ("SV-INV03-M2", "SV-INV03")
    assert string.dc_capacity == pytest.approx(portfolio.asset("SV-INV03").dc_capacity / 10)
    inverter = portfolio.asset("SV-INV03")
    assert inverter.dc_capacity / inverter.rated_capacity == pytest.approx(1.25, abs=0.001)
    assert inverter.layout.mounting == "single_axis"
    assert inverter.module.power_stc == 405
    assert inverter.strings.count == 100


def test_a_real_site_has_no_invented_numbers_and_a_simulated_one_says_so(portfolio):
    for site in portfolio.sites.values():
        numbers = [value for one in (site, *site.assets) for value in one.registrations.values()]
        if site.simulated:
            assert numbers
            assert all(number.startswith("SIM") for number in numbers)
        else:
            assert numbers == []


def test_the_power_curves_are_physical(portfolio):
    """No curve takes more from the wind than Betz allows, and none loses power between 3 m/s and the rating."""
    for turbine in portfolio.assets(type="wind_turbine"):
        curve, area = turbine.power_curve, np.pi / 4 * turbine.rotor_diameter**2
        speeds, power = np.array(curve.wind_speed), np.array(curve.power)
        assert (power <= 0.5 * curve.air_density * area * speeds**3 * 16 / 27 / 1000).all()
        assert (power <= 0.5 * curve.air_density * area * speeds**3 * 0.5 / 1000).all()
        assert (np.diff(power) >= 0).all()
        assert curve.rated_power == turbine.rated_capacity
        assert curve.source


def test_la_haute_borne_is_as_published(portfolio, test_data, require):
    import csv
    import io
    import zipfile

    archive = test_data / "wind" / "la_haute_borne.zip"
    require(archive.is_file(), "la_haute_borne.zip is not among the test data")
    with zipfile.ZipFile(archive) as files:
        rows = list(csv.DictReader(io.StringIO(files.read("la-haute-borne_asset_table.csv").decode("utf-8-sig"))))
    assert len(rows) == 4
    for row in rows:
        asset = portfolio.asset(row["Wind_turbine_name"])
        assert (asset.latitude, asset.longitude) == (float(row["Latitude"]), float(row["Longitude"]))
        assert asset.elevation == float(row["elevation_m"])
        assert asset.rated_capacity == float(row["Rated_power"])
        assert asset.hub_height == float(row["Hub_height_m"])
        assert asset.rotor_diameter == float(row["Rotor_diameter_m"])
        assert row["Manufacturer"] in asset.manufacturer


def test_finding_assets(portfolio):
    assert len(portfolio.assets()) == 189
    assert [asset.id for asset in portfolio.assets("sun_valley", "battery")] == ["SV-BESS"]
    assert portfolio.get("nobody") is None
    with pytest.raises(InputError, match="did you mean 'NR-T01'"):
        portfolio.asset("NR-T001")
    with pytest.raises(InputError, match="did you mean 'sun_valley'"):
        portfolio.site("sun_vally")
    with pytest.raises(InputError, match="no site"):
        portfolio.assets(site="mars")


# -------------------------------------------------------- facts as coordinates


def test_facts_are_coordinates_on_asset(portfolio):
    data = xr.Dataset(
        {"power_output": (("time", "asset"), np.full((3, 2), 3100.0))}, coords={"asset": ["NR-T02", "NR-T01"]}
    )
    known = with_assets(data, portfolio)
    assert known.rated_capacity.dims == ("asset",)
    assert known.rated_capacity.attrs["units"] == "kW"
    assert known.farm_id.values.tolist() == ["north_ridge", "north_ridge"]
    assert known.asset_type.values.tolist() == ["wind_turbine", "wind_turbine"]
    assert known.elevation.values.tolist() == [1255, 1252]  # in the order of the data
    assert known.in_service.values[0] == np.datetime64("2019-10-15")
    assert not (known.power_output > known.rated_capacity * 1.05).any()
    assert "energy_capacity" not in known.coords
    assert "rated_capacity" not in data.coords


def test_all_scalar_facts_are_coordinates(portfolio):
    ids = ["NR-T01", "SV-INV03", "SV-BESS", "R80711"]
    known = with_assets(xr.Dataset(coords={"asset": ids}), portfolio)
    facts = {asset: {str(name): array.sel(asset=asset).item() for name, array in known.coords.items()} for asset in ids}
    assert {"cut_in_wind_speed": 3, "rated_wind_speed": 12.5, "cut_out_wind_speed": 25}.items() <= facts[
        "NR-T01"
    ].items()
    assert facts["NR-T01"]["iec_class"] == "IIA"
    inverter = {
        "module_model": "generic_mono_405", "module_count": 2700, "string_count": 100, "modules_per_string": 27,
        "module_power_stc": 405, "module_temp_coeff_power": -0.35, "dc_capacity": 1093.5, "rated_capacity": 875,
        "inverter_efficiency": 0.985, "inverter_ac_voltage": 547, "mppt_count": 2,
    }  # fmt: skip
    assert inverter.items() <= facts["SV-INV03"].items()
    assert (facts["SV-BESS"]["chemistry"], facts["SV-BESS"]["round_trip_efficiency"]) == ("LFP", 0.86)
    assert np.isnan(facts["SV-BESS"]["module_count"])
    assert facts["R80711"]["module_model"] == ""
    # of the asset, else of its site
    assert {facts[asset]["eia_plant_code"] for asset in ids} == {"SIM-60001", "SIM-60002", ""}
    assert facts["SV-INV03"]["caiso_resource_id"] == "SIM_SUNVLY_2_PV1"


def test_no_fact_has_the_name_of_a_variable_or_a_statistic(portfolio):
    words = vocabulary()
    names = asset_coords(portfolio.assets())
    assert set(names) <= fact_names() | {name for asset in portfolio.assets() for name in asset.registrations}
    for name in fact_names() | set(names):
        assert name not in words
        for suffix in ("_min", "_max", "_std", "_count"):
            base = words.get(name.removesuffix(suffix)) if name.endswith(suffix) else None
            assert base is None, name


def test_what_is_not_known_is_missing(portfolio):
    data = xr.Dataset(coords={"asset": ["NR-MAST", "SV-BESS", "STR-001"]})
    known = with_assets(data, portfolio, site="sun_valley")
    assert np.isnan(known.rated_capacity.values).tolist() == [True, False, True]
    assert np.isnan(known.energy_capacity.values).tolist() == [True, False, True]
    assert known.asset_type.values.tolist() == ["met_mast", "battery", ""]
    assert known.farm_id.values.tolist() == ["north_ridge", "sun_valley", "sun_valley"]
    assert np.isnat(known.in_service.values).tolist() == [True, False, True]
    assert known.height.values[0] == 94


def test_no_assets_at_all():
    coords = asset_coords([])
    assert coords["rated_capacity"][1].shape == (0,)
    assert coords["asset_type"][1].dtype == object


def test_coordinates_survive_a_file(portfolio, tmp_path):
    known = with_assets(xr.Dataset({"x": ("asset", [1.0, 2.0])}, coords={"asset": ["NR-T01", "NR-MAST"]}), portfolio)
    known.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "a.nc", engine="h5netcdf") as read:
        xr.testing.assert_equal(read.load(), known)


def test_an_asset_needs_no_more_than_its_name():
    coords = asset_coords([Asset("A", "inverter", "s")])
    assert np.isnan(coords["rated_capacity"][1][0])
    assert coords["farm_id"][1].tolist() == ["s"]
