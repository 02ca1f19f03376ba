"""The vocabulary: complete for the specification, sound in itself, and strict about its files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from workbench.model.errors import InputError, InputErrors
from workbench.model.units import same_dimension
from workbench.model.vocabulary import ASSET_TYPES, Term, load_vocabulary, vocabulary

WORDS = vocabulary()


# -------------------------------------------- the streams of the specification


def leaves(message: dict[str, Any], units: dict[str, Any] | None = None) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Leaves of a message outside of its records: name, value, and the block with the units around it."""
    inherited = {key: value for key, value in (units or {}).items() if key.endswith("_unit")}
    block = {**inherited, **message}
    for key, value in message.items():
        if WORDS.role(key) == "record":
            continue
        if isinstance(value, dict):
            yield from leaves(value, block)
        elif isinstance(value, list):
            for one in value:
                yield from leaves(one, block)
        else:
            yield key, value, block


def test_every_leaf_of_the_sample_streams_is_known(stream):
    found = list(leaves(stream))
    assert len(found) > 50
    assert [name for name, _, _ in found if WORDS.role(name) == "unknown"] == []


def test_what_is_measured_is_a_variable_and_nothing_else_is(stream):
    for name, value, _ in leaves(stream):
        numeric = isinstance(value, (int, float))
        if numeric and WORDS.role(name) != "location":
            assert WORDS.role(name) == "variable", name
        if WORDS.role(name) in ("identity", "time", "unit"):
            assert isinstance(value, str), name


def test_every_state_of_the_sample_streams_has_a_code(stream):
    states = [
        (name, value)
        for name, value, _ in leaves(stream)
        if WORDS.role(name) == "variable" and isinstance(value, (str, bool))
    ]
    assert states
    for name, value in states:
        assert WORDS[name].kind == "status", name
        assert WORDS[name].code(value) is not None, (name, value)


def test_every_number_of_the_sample_streams_is_in_range_and_converts(stream):
    from workbench.model.units import convert

    checked = 0
    for name, value, block in leaves(stream):
        if WORDS.role(name) != "variable" or isinstance(value, (str, bool)):
            continue
        term, unit_leaf = WORDS[name], WORDS.unit_leaf(name, block)
        number = value if unit_leaf is None else convert(float(value), block[unit_leaf], term.units)
        assert term.valid_min <= number <= term.valid_max, name
        checked += 1
    assert checked > 25


def test_the_unit_leaves_of_the_sample_streams_all_speak_for_something(stream):
    used = {WORDS.unit_leaf(name, block) for name, _, block in leaves(stream)}
    given = {name for name, _, _ in leaves(stream) if name.endswith("_unit")}
    assert given - used == set()


def test_lists_of_the_solar_stream_are_assets_of_their_own():
    assert WORDS.structure.children["strings"].asset_type == "string"
    assert WORDS.structure.children["mppt_data"].identity == "mppt_id"
    assert WORDS.structure.asset_types["turbine_id"] == "wind_turbine"


STEP_ONE = {
    # what the sources in step 1 of the first use case list, and the name it has here
    "turbine SCADA": "rotor_speed blade_pitch_angle nacelle_position generator_temperature vibration_drivetrain power_output "
    "wind_speed wind_direction",
    "weather": "wind_speed_100m wind_direction_100m temperature humidity barometric_pressure precipitation lightning_detected",
    "condition monitoring": "main_bearing_temp gearbox_oil_particle_count gearbox_oil_water_content vibration_gearbox "
    "blade_strain_1",
    "inverters": "voltage current total_ac_power internal_temperature efficiency frequency",
    "irradiance": "irradiance_ghi irradiance_dni irradiance_dhi panel_temperature",
    "trackers": "tracker_position motor_current calibration_status tracker_error",
    "battery": "state_of_charge state_of_health charge_power discharge_power cell_voltage_min cell_voltage_max cell_voltage_mean "
    "cell_temperature_max",
    "grid operator": "grid_frequency voltage_level reactive_power_requirement curtailment_order curtailment_limit "
    "regulation_signal ancillary_service",
    "market": "lmp day_ahead_price demand_forecast transmission_congestion",
    "substation": "voltage_l1_l2 transformer_load breaker_status power_factor harmonic_5",
}


@pytest.mark.parametrize("source", STEP_ONE)
def test_what_the_sources_of_the_use_case_list_is_there(source):
    assert [name for name in STEP_ONE[source].split() if name not in WORDS] == []


def test_iec_names_of_a_scada_file():
    """Names by which OpenOA maps the columns of La Haute Borne."""
    for name, iec in {
        "power_output": "WTUR.W",
        "wind_speed": "WMET.HorWdSpd",
        "wind_direction": "WMET.HorWdDir",
        "yaw_error": "WMET.HorWdDirRel",
        "temperature": "WMET.EnvTmp",
        "blade_pitch_angle": "WROT.BlPthAngVal",
        "nacelle_position": "WNAC.Dir",
        "net_energy": "MMTR.SupWh",
        "barometric_pressure": "WMET.EnvPres",
    }.items():
        assert WORDS[name].iec61400_25 == iec


# -------------------------------------------------------------- sound in itself

#: The part of the CF standard name table (version 86) that is used, with its canonical unit.
CF_NAMES = {
    "air_density": "kg m-3",
    "air_pressure": "Pa",
    "air_temperature": "K",
    "cloud_area_fraction": "1",
    "dew_point_temperature": "K",
    "eastward_wind": "m s-1",
    "lwe_precipitation_rate": "m s-1",
    "lwe_thickness_of_precipitation_amount": "m",
    "northward_wind": "m s-1",
    "relative_humidity": "1",
    "solar_azimuth_angle": "degree",
    "solar_zenith_angle": "degree",
    "surface_albedo": "1",
    "surface_diffuse_downwelling_shortwave_flux_in_air": "W m-2",
    "surface_direct_along_beam_shortwave_flux_in_air": "W m-2",
    "surface_downwelling_shortwave_flux_in_air": "W m-2",
    "surface_snow_thickness": "m",
    "upward_air_velocity": "m s-1",
    "visibility_in_air": "m",
    "wind_from_direction": "degree",
    "wind_speed": "m s-1",
    "wind_speed_of_gust": "m s-1",
}


@pytest.mark.parametrize("term", [term for term in WORDS.values() if term.standard_name], ids=lambda term: term.name)
def test_cf_names_are_real_and_their_units_fit(term: Term):
    assert term.standard_name in CF_NAMES
    assert same_dimension(term.units, CF_NAMES[term.standard_name])


def test_every_term_is_whole():
    for term in WORDS.values():
        assert term.long_name, term.name
        assert term.asset_types, term.name
        assert set(term.asset_types) <= set(ASSET_TYPES), term.name
        assert term.valid_min is not None, term.name
        assert term.valid_max is not None, term.name
        assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", term.name)
        assert (term.kind == "status") == (term.states is not None or term.name in ("fault_code", "warning_code")), (
            term.name
        )


def test_names_do_not_collide_with_those_made_from_them():
    """Statistics and quality are kept beside a variable, in the series of its kind of asset, under its name and a suffix."""
    for name, term in WORDS.items():
        for suffix in ("_min", "_max", "_std", "_count", "_quality", "_time"):
            base = WORDS.get(name.removesuffix(suffix)) if name.endswith(suffix) else None
            assert base is None or not set(base.asset_types) & set(term.asset_types), name


def test_lifetime_counters_are_kept_in_64_bits():
    for name in ("energy_production_lifetime", "energy_lifetime", "energy_export", "energy_import", "cycle_count"):
        assert WORDS.dtype(name) == "f8"
    assert WORDS.dtype("power_output") == "f4"
    assert WORDS.dtype("something_of_my_own") == "f8"


def test_angles_wrap():
    angles = [term for term in WORDS.values() if term.kind == "angle"]
    assert {"wind_direction", "nacelle_position", "yaw_error"} <= {term.name for term in angles}
    assert all(term.valid_max - term.valid_min == 360 for term in angles)


# --------------------------------------------------------------------- using it


def test_attributes_of_a_variable():
    assert WORDS.attrs("wind_speed") == {
        "units": "m/s",
        "long_name": "wind speed",
        "standard_name": "wind_speed",
        "iec61400_25": "WMET.HorWdSpd",
    }
    assert WORDS.attrs("my_own") == {"long_name": "my_own", "units": ""}
    attrs = WORDS.attrs("wind_speed")
    attrs["units"] = "changed"
    assert WORDS.attrs("wind_speed")["units"] == "m/s"


def test_attributes_of_a_status_are_those_of_a_cf_flag():
    attrs = WORDS.attrs("breaker_status")
    assert attrs["flag_meanings"].split()[:3] == ["intermediate", "open", "closed"]
    np.testing.assert_array_equal(attrs["flag_values"], np.array([0, 1, 2, 3, 4], dtype="f4"))
    assert attrs["flag_values"].dtype == np.float32


def test_codes_of_states():
    status = WORDS["turbine_status"]
    assert status.code("generating") == status.code("Generating") == status.states["generating"]
    assert status.code("emergency stop") == status.code("Emergency-Stop") == status.states["emergency_stop"]
    assert status.code("dancing") is None
    assert status.code(2) == 2.0
    assert status.code(99) is None
    assert status.code(None) is None
    assert status.state(2.0) == "generating"
    assert status.state(99) is None
    assert WORDS["active_power_curtailment"].code(False) == 0.0
    assert WORDS["active_power_curtailment"].code(True) == 1.0
    assert WORDS["fault_code"].code(4711) == 4711.0


def test_a_name_is_meant_a_little_differently_for_each_kind_of_asset():
    assert WORDS.term("active_power").iec61400_25 == "MMXU.TotW"
    turbine = WORDS.term("active_power", "wind_turbine")
    assert (turbine.iec61400_25, turbine.valid_max, turbine.units) == ("WGEN.W", 20000, "kW")
    assert WORDS.term("voltage", "string").long_name == "string voltage"
    assert WORDS.term("power_output", "market") == WORDS["power_output"]
    assert {term.name for term in WORDS.of_type("string")} >= {"voltage", "current", "power", "status"}


def test_attributes_as_they_are_meant_for_a_kind_of_asset():
    assert WORDS.attrs("active_power")["iec61400_25"] == "MMXU.TotW"
    assert WORDS.attrs("active_power", "wind_turbine")["iec61400_25"] == "WGEN.W"
    assert WORDS.attrs("reactive_power", "wind_turbine")["iec61400_25"] == "WGEN.VAr"
    assert WORDS.attrs("voltage", "string")["long_name"] == "string voltage"
    assert WORDS.attrs("voltage", "market") == WORDS.attrs("voltage")
    assert WORDS.attrs("my_own", "string") == {"long_name": "my_own", "units": ""}
    assert WORDS.attrs("total_ac_power", "inverter")["iec61400_25"] == "MMXU.TotW"
    assert WORDS.attrs("frequency", "inverter")["iec61400_25"] == "MMXU.Hz"


def test_no_two_variables_of_an_asset_claim_one_iec_name():
    """But for those that the standard itself does not tell apart."""
    same = {"MMTR.SupWh": {"energy_export", "net_energy"}}  # a counter, and what it counted in a period
    for kind in ASSET_TYPES:
        claims: dict[str, set[str]] = {}
        for term in WORDS.of_type(kind):
            if term.iec61400_25:
                claims.setdefault(term.iec61400_25, set()).add(term.name)
        twice = {iec: names for iec, names in claims.items() if len(names) > 1 and same.get(iec) != names}
        assert not twice, kind


def test_an_unknown_name_says_what_is_near():
    assert WORDS.get("wind_sped") is None
    assert WORDS.nearest("wind_sped")[0] == "wind_speed"
    with pytest.raises(InputError, match="did you mean 'wind_speed'"):
        WORDS.term("wind_sped")


def test_unit_leaves():
    block = {
        "power_unit": "kW",
        "power_factor": 1,
        "active_power": 1,
        "temperature_unit": "K",
        "gearbox_bearing_temp_de": 1,
    }
    assert WORDS.unit_leaf("active_power", block) == "power_unit"
    assert WORDS.unit_leaf("power_factor", block) is None
    assert WORDS.unit_leaf("gearbox_bearing_temp_de", block) == "temperature_unit"
    assert WORDS.unit_leaf("wind_speed_80m", {"wind_speed_unit": "m/s"}) == "wind_speed_unit"
    assert (
        WORDS.unit_leaf("wind_speed_80m", {"wind_speed_unit": "m/s", "wind_speed_80m_unit": "mph"})
        == "wind_speed_80m_unit"
    )
    assert (
        WORDS.unit_leaf("energy_production_today", {"energy_unit": "MWh", "energy_production_unit": "kWh"})
        == "energy_production_unit"
    )
    assert WORDS.unit_leaf("power_unit", block) is None
    assert WORDS.unit_leaf("voltage_regulation", {"voltage_unit": "V"}) is None


# -------------------------------------------------------------- its files, wrong

GOOD = """\
title: Mine
terms:
  my_power:
    units: kW
    name: my power
    description: Power of mine.
    valid: [0, 10]
    types: [inverter]
"""


def test_a_vocabulary_of_ones_own(write):
    path = write("mine.yaml", GOOD)
    words = load_vocabulary(path.parent)
    assert list(words) == ["my_power"]
    assert words["my_power"].topic == "mine"
    assert words.topics["mine"].title == "Mine"


@pytest.mark.parametrize(
    ("change", "line", "message"),
    [
        (("    units: kW", "    unit: kW"), 4, "did you mean 'units'"),
        (("types: [inverter]", "types: [invertor]"), 8, "invertor"),
        (("valid: [0, 10]", "valid: [10, 0]"), 3, "the valid range is empty"),
        (("valid: [0, 10]", "kind: angle\n    valid: [0, 10]"), 3, "an angle wraps"),
        (("valid: [0, 10]", "states: {a: 1}"), 3, "only a status has states"),
        (("valid: [0, 10]", "kind: status\n    states: {a: 1, b: 1}"), 3, "two states have the same code"),
        (("valid: [0, 10]", "kind: status\n    states: {a b: 1}"), 3, "one word"),
        (("valid: [0, 10]", "kind: status\n    states: {a: 16777216}"), 3, "need dtype f8"),
        (("valid: [0, 10]", "kind: status"), 3, "a status needs states"),
        (("valid: [0, 10]", "iec: wtur.w"), 7, "pattern"),
        (("    name: my power\n", ""), 3, "'name' is missing"),
        (("    description: Power of mine.\n", ""), 3, "'description' is missing"),
        (("Power of mine.", "''"), 6, "at least 1 character"),
        (("my_power:", "MyPower:"), 3, "pattern"),
        (("[inverter]", "[inverter]\n    per_type: {string: {name: x}}"), 3, "not among its types"),
        (("title: Mine\n", ""), 1, "'title' is missing"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_by_its_line(write, change, line, message):
    path = write("mine.yaml", GOOD.replace(*change))
    with pytest.raises(InputError, match=re.escape(message)) as error:
        load_vocabulary(path.parent)
    assert error.value.file == str(path)
    assert error.value.line == line


def test_a_name_in_two_files_is_an_error(write):
    write("a.yaml", GOOD)
    path = write("b.yaml", GOOD)
    with pytest.raises(InputError, match="the name occurs twice") as error:
        load_vocabulary(path.parent)
    assert (error.value.file, error.value.line, error.value.found) == (str(path), 3, "also in a.yaml:3")


def test_all_errors_are_told_at_once(write):
    write("a.yaml", GOOD.replace("kW", "kW\n    colour: red"))
    path = write("b.yaml", "title: x\nterms: [")
    write("structure.yaml", "roles: {}")
    with pytest.raises(InputErrors) as error:
        load_vocabulary(path.parent)
    assert len(error.value.errors) == 7


def test_the_structure_is_of_one_mind(write, checkout):
    write("mine.yaml", GOOD)
    text = (checkout / "workbench" / "model" / "terms" / "structure.yaml").read_text()
    path = write("structure.yaml", text.replace("cell_id,", ""))
    with pytest.raises(InputError, match="'cell_id' is not among the roles as an identity"):
        load_vocabulary(path.parent)
    path = write("structure.yaml", text.replace("[alarms, warnings", "[alarms, alerts"))
    with pytest.raises(InputError, match="lists of records are not those among the roles"):
        load_vocabulary(path.parent)


def test_an_empty_folder_is_no_vocabulary(tmp_path):
    with pytest.raises(InputError, match="no vocabulary here"):
        load_vocabulary(tmp_path)
