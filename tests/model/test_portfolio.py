"""A portfolio's files: what is wrong in them is told by file, line and key, all at once."""

from __future__ import annotations

import re

import pytest

from workbench.model.assets import load_portfolio
from workbench.model.errors import InputError, InputErrors

SITE = """\
id: hill
name: Hill
kind: wind
timezone: Europe/Paris
latitude: 48.0
longitude: 5.0
elevation: 100
grid_frequency_nominal: 50
capacity: 4000
defaults:
  wind_turbine: {model: small, in_service: 2020-01-31}
assets:
  - {id: T1, type: wind_turbine}
  - {id: T2, type: wind_turbine, hub_height: 60, rated_capacity: 1800, in_service: 2021-02-28}
  - {id: M, type: grid_meter, parent: T1}
"""
MODELS = """\
small:
  kind: turbine
  manufacturer: Nobody
  rated_capacity: 2000
  rotor_diameter: 80
  hub_height: 70
  power_curve: {wind_speed: [3, 12, 25], power: [0, 2000, 2000]}
panel: {kind: module, manufacturer: Nobody, power_stc: 400, v_mp: 30, i_mp: 13, v_oc: 37, i_sc: 14}
"""


@pytest.fixture
def folder(write):
    write("models/all.yaml", MODELS)
    return write("hill.yaml", SITE).parent


def test_defaults_and_data_sheets_fill_what_an_asset_does_not_say(folder):
    one, other, meter = load_portfolio(folder).site("hill").assets
    assert (one.rated_capacity, one.hub_height, one.rotor_diameter, one.manufacturer) == (2000, 70, 80, "Nobody")
    assert (other.rated_capacity, other.hub_height, str(other.in_service)) == (1800, 60, "2021-02-28")
    assert (one.latitude, one.elevation, one.site) == (48.0, 100, "hill")
    assert (meter.parent, meter.rated_capacity) == ("T1", None)


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("timezone: Europe/Paris", "timezone: Europe/Pari", 4, "did you mean 'Europe/Paris'"),
        ("timezone: Europe/Paris", "timezon: Europe/Paris", 4, "did you mean 'timezone'"),
        ("kind: wind", "kind: windy", 3, "windy"),
        ("latitude: 48.0", "latitude: 98.0", 5, "less than or equal to 90"),
        ("grid_frequency_nominal: 50", "grid_frequency_nominal: 55", 8, "55"),
        ("name: Hill\n", "", 1, "'name' is missing"),
        ("id: hill", "id: hills", 1, "not named after its site"),
        ("{model: small", "{model: smal", 11, "did you mean 'small'"),
        ("{model: small", "{model: panel", 11, "of another kind"),
        ("{model: small", "{modell: small", 11, "did you mean 'model'"),
        ("{model: small", "{id: T0, model: small", 11, "each asset says this for itself"),
        ("  wind_turbine: {", "  wind_turbin: {", 11, "did you mean 'wind_turbine'"),
        ("{id: T1, type: wind_turbine}", "{id: T1, type: wind_turbine, model: smal}", 13, "did you mean 'small'"),
        ("hub_height: 60", "hub_heigth: 60", 14, "did you mean 'hub_height'"),
        ("hub_height: 60", "hub_height: -60", 14, "greater than 0"),
        ("hub_height: 60", "power_curve: {wind_speed: [3, 4], power: [1]}", 14, "2 wind speeds but 1 powers"),
        ("type: grid_meter", "type: meter", 15, "meter"),
        ("id: T2", "id: T1", 14, "the asset occurs twice"),
        ("parent: T1", "parent: T9", 15, "no such asset at this site"),
        ("capacity: 4000", "capacity: 4000\ncapacity: 5000", 10, "occurs twice"),
    ],
)
def test_a_wrong_site(folder, old, new, line, message):
    path = folder / "hill.yaml"
    path.write_text(SITE.replace(old, new))
    with pytest.raises(InputError) as error:
        load_portfolio(folder)
    errors = error.value.errors if isinstance(error.value, InputErrors) else [error.value]
    assert any(message in str(one) and one.line == line and one.file == str(path) for one in errors), str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("kind: turbine", "kind: mill", 1, "not a data sheet"),
        ("  rotor_diameter: 80\n", "", 1, "'rotor_diameter' is missing"),
        ("hub_height: 70", "hubheight: 70", 6, "did you mean 'hub_height'"),
        ("power: [0, 2000, 2000]", "power: [0, 2000]", 7, "3 wind speeds but 2 powers"),
        ("panel:", "small:", 8, "occurs twice"),
    ],
)
def test_a_wrong_data_sheet(folder, old, new, line, message):
    path = folder / "models" / "all.yaml"
    path.write_text(MODELS.replace(old, new))
    with pytest.raises(InputError) as error:
        load_portfolio(folder)
    errors = error.value.errors if isinstance(error.value, InputErrors) else [error.value]
    assert any(message in str(one) and one.line == line and one.file == str(path) for one in errors), str(error.value)


def test_what_is_wrong_with_a_default_is_told_once(folder):
    (folder / "hill.yaml").write_text(SITE.replace("{model: small", "{model: smal"))
    with pytest.raises(InputError, match="no data sheet") as error:
        load_portfolio(folder)
    assert not isinstance(error.value, InputErrors)


def test_an_asset_belongs_to_one_site(folder, write):
    write("dale.yaml", SITE.replace("id: hill", "id: dale"))
    with pytest.raises(InputErrors) as error:
        load_portfolio(folder)
    assert [(one.found, one.expected) for one in error.value.errors] == [
        ("T1", "see dale.yaml:13"),
        ("T2", "see dale.yaml:14"),
        ("M", "see dale.yaml:15"),
    ]


def test_all_that_is_wrong_is_told_at_once(folder, write):
    write("broken.yaml", "a: [")
    write("hill.yaml", SITE.replace("latitude: 48.0", "latitude: x").replace("longitude: 5.0", "longitude: 500"))
    with pytest.raises(InputErrors) as error:
        load_portfolio(folder)
    assert len(error.value.errors) == 3


def test_no_folder(tmp_path):
    with pytest.raises(InputError, match=re.escape("no such folder")):
        load_portfolio(tmp_path / "none")


def test_an_empty_portfolio_has_no_sites(tmp_path):
    assert load_portfolio(tmp_path).sites == {}


@pytest.mark.parametrize("text", ["", "just text", "- a list"])
def test_a_file_that_is_no_site(write, text):
    path = write("hill.yaml", text)
    with pytest.raises(InputError) as error:
        load_portfolio(path.parent)
    assert error.value.file == str(path)
