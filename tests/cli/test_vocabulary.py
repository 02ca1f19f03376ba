"""The command ``workbench vocabulary``."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from workbench.cli.vocabulary import app
from workbench.model.errors import InputError

run = CliRunner()


def test_list():
    result = run.invoke(app, ["list", "irradiance_*"])
    assert result.exit_code == 0
    assert "irradiance_ghi" in result.output
    assert "W/m2" in result.output
    assert "wind_speed" not in result.output


def test_list_by_kind_of_asset_and_kind_of_variable_as_json():
    result = run.invoke(app, ["list", "--type", "string", "--json"])
    assert {term["name"] for term in json.loads(result.output)} >= {"voltage", "current", "power", "status"}
    result = run.invoke(app, ["list", "--kind", "angle", "--json"])
    assert {term["kind"] for term in json.loads(result.output)} == {"angle"}


def test_show():
    result = run.invoke(app, ["show", "turbine_status"])
    assert result.exit_code == 0
    assert "WTUR.TurSt" in result.output
    assert "2 generating" in result.output
    shown = json.loads(run.invoke(app, ["show", "active_power", "--type", "wind_turbine", "--json"]).output)
    assert shown["iec61400_25"] == "WGEN.W"


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["show", "wind_sped"], "did you mean 'wind_speed'"),
        (["list", "wind_sped*"], "did you mean 'wind_speed'"),
        (["list", "--type", "inverters"], "did you mean 'inverter'"),
        (["list", "--kind", "angel"], "did you mean 'angle'"),
    ],
)
def test_wrong_words_are_told_with_the_nearest(arguments, hint):
    result = run.invoke(app, arguments)
    assert isinstance(result.exception, InputError)
    assert hint in str(result.exception)


def test_page(tmp_path):
    out = tmp_path / "docs" / "vocabulary.md"
    assert run.invoke(app, ["page", "--out", str(out)]).exit_code == 0
    assert run.invoke(app, ["page"]).output == out.read_text()
    assert out.read_text().startswith("# Vocabulary\n")
